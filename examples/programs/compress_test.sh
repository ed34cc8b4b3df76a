#!/bin/bash
# gunzip gives back what compress took; files are replaced as gzip does it.
. examples/programs/expect.sh

expect_manners --processes=0 -px

# More than one block, and sizes at their edges.
block=131072
seq 200000 >text
head -c 300000 /dev/urandom >noise
head -c $((2 * block)) text >two_blocks
head -c 1 text >one
printf '' >nothing
for file in text noise two_blocks one nothing; do
    for options in -1 -9 -p1 -p5; do
        "$program" "$options" <"$file" >piped.gz || fail "$file $options"
        gunzip -t piped.gz || fail "gunzip does not take $file $options"
        gunzip -c piped.gz | cmp - "$file" || fail "$file $options has changed"
    done
done
"$program" -9 <text >small.gz
"$program" -1 <text >fast.gz
[ "$(wc -c <small.gz)" -lt "$(wc -c <fast.gz)" ] || fail "-9 is no smaller than -1"
gzip -9 <text >theirs.gz
[ "$(wc -c <small.gz)" -lt $(($(wc -c <theirs.gz) * 102 / 100)) ] || fail "larger than gzip's"

# Files: kept with -k and -c, else replaced; mode and time go along.
cp text file
chmod 640 file
touch -d '2001-02-03 04:05:06' file
expect 0 -k file
[ -e file ] || fail "-k does not keep"
[ "$(stat -c '%a %Y' file)" = "$(stat -c '%a %Y' file.gz)" ] || fail "mode or time is lost"
expect 1 file
expect_line '^compress: file: File exists$'
expect 0 -f file
[ ! -e file ] || fail "the file is still there"
{ gunzip file.gz && cmp file text; } || fail "the file has changed"
expect 0 -c file noise
gunzip -c out | cmp - <(cat file noise) || fail "several files to standard output"
[ -e file ] || fail "-c does not keep"

# What cannot be compressed is told, the others are, and the exit status is 1.
mkdir folder
cp text second
ln -s text link
expect 1 missing folder link small.gz second
[ "$(wc -l <err)" = 4 ] || fail "not one line each: $(cat err)"
grep -q '^compress: missing: No such file or directory$' err || fail "missing: $(cat err)"
gunzip -c second.gz | cmp - text || fail "the one beside those has changed"

"$program" <text >/dev/full 2>err && fail "a full disk goes unnoticed"
grep -q 'No space left' err || fail "a full disk: $(cat err)"

# Ctrl-C: no half file is left.  /dev/zero never ends, but is no file: a sparse one is long enough.
truncate -s 200G endless
expect_interrupt '[ -s endless.gz ]' -9 endless
[ -e endless ] || fail "the input is gone"
[ ! -e endless.gz ] || fail "half a file is left"
rm -f endless
