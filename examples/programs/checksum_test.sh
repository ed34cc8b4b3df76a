#!/bin/bash
# checksum prints what sha256sum prints, whatever files are called and whatever befalls them.
. examples/programs/expect.sh

expect_manners --jobs=0 --jobs=2x --jobs=

mkdir -p tree/sub tree/sub.d tree/empty 'tree/with space'
printf '' >tree/nothing
printf 'abc' >tree/sub/abc
printf 'dots' >tree/sub.d/dots
printf 'minus' >tree/sub-minus
printf 'space' >'tree/with space/a b'
printf 'escaped' >$'tree/new\nline\\and\rreturn'
head -c 3000000 /dev/zero >tree/zeros
for i in $(seq 200); do echo "$i" >"tree/sub/$i"; done
ln -s zeros tree/link

find tree -type f -print0 | sort -z | xargs -0 sha256sum >expected
for jobs in 1 4; do
    expect 0 --jobs="$jobs" tree
    cmp expected out || fail "a folder, $jobs jobs"
done
"$program" tree | sha256sum --check --quiet || fail "sha256sum does not take it"

# Named files come in the order of their names on the command line, links are followed.
sha256sum tree/zeros tree/link tree/nothing >expected
expect 0 tree/zeros tree/link tree/nothing
cmp expected out || fail "named files"

sha256sum - <tree/zeros >expected
"$program" <tree/zeros | cmp expected - || fail "standard input"
"$program" - <tree/zeros | cmp expected - || fail "standard input by its name"

# A file that cannot be read is told, the others are hashed, and the exit status is 1.
sha256sum tree/nothing missing tree/zeros 2>expected_err >expected
expect 1 tree/nothing missing tree/zeros
cmp expected out || fail "those beside a missing file"
sed 's/^sha256sum/checksum/' expected_err | cmp - err || fail "the message: $(cat err)"

"$program" tree >/dev/full 2>err && fail "a full disk goes unnoticed"
grep -q 'write error' err || fail "a full disk: $(cat err)"
