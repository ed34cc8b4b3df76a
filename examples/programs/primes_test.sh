#!/bin/bash
# primes counts right, and after Ctrl-C it says how far it came and can go on from there.
. examples/programs/expect.sh

expect_manners --jobs=0 -1 12x 10000000000001
expect 2
expect_line 'one number'
expect 2 1 2
expect_line 'one number'

while read -r limit primes; do
    expect 0 "$limit"
    [ "$(cat out)" = "$primes" ] || fail "below $limit: $(cat out), not $primes"
done <<'KNOWN'
0 0
1 0
2 0
3 1
4 2
10 4
26 9
100 25
1000000 78498
1048576 82025
1048577 82025
10000000 664579
KNOWN

# What the state has is not counted again: one prime too many in it is one too many in the sum.
limit=10000000
expect 0 --state=state --jobs=3 "$limit"
[ "$(cat out)" = 664579 ] || fail "with a state: $(cat out)"
[ "$(wc -l <state)" = 11 ] || fail "not a line each for ten segments: $(cat state)"
sed -i -e '2,6d' state
expect 0 --state=state "$limit"
[ "$(cat out)" = 664579 ] || fail "from the middle: $(cat out)"
awk 'NR == 4 { $2++ } { print }' state >tampered
expect 0 --state=tampered "$limit"
[ "$(cat out)" = 664580 ] || fail "the state is not used: $(cat out)"

expect 1 --state=state 20000000
expect_line '^primes: state: not a state of this limit$'
echo nonsense >nonsense
expect 1 --state=nonsense "$limit"
expect_line '^primes: nonsense: not a state'
[ "$(cat nonsense)" = nonsense ] || fail "a file of something else is overwritten"
expect 1 --state=missing/folder "$limit"
expect_line '^primes: missing/folder: No such file'

# The state file is there as soon as it begins.
limit=1000000000000
# shellcheck disable=SC2016
expect_interrupt '[ -e long ] && grep -q "^SigCgt:.*[2367abef]$" "/proc/$pid/status"' \
    --state=long "$limit"
expect_line '^primes: stopped after [0-9]+ of 953675 segments, which have [0-9]+ primes; the state is kept$'
finished=$(sed 's/.* after \([0-9]*\) of.*/\1/' err)
[ "$(wc -l <long)" = $((finished + 1)) ] || fail "the state has other than $finished segments"
