#!/bin/bash
# mandelbrot writes a PNG of the size asked for with what must be in it, the same with any workers.
. examples/programs/expect.sh

expect_manners --size=0x5 --size=12 --size=5x5x --centre=1 --centre=a,b --zoom=0 --zoom=x \
    --iterations=0 --antialias=17 --jobs=0 word

expect 0 --size=150x100 -o picture.png
if [ -s out ] || [ -s err ]; then fail "it says: $(cat out err)"; fi
expect 0 --size=150x100 --jobs=1 --output=-
cmp picture.png out || fail "other workers or standard output make another picture"
expect 0 --size=150x100 --zoom=2 -o zoomed.png
cmp -s picture.png zoomed.png && fail "--zoom has no effect"
expect 0 --size=150x100 --centre=-0.7,0.1 -o moved.png
cmp -s picture.png moved.png && fail "--centre has no effect"

# The head of a PNG: its signature, then length, name and fields of IHDR.
head=$(head -c 26 picture.png | od -An -v -tx1 | tr -d ' \n')
[ "$head" = 89504e470d0a1a0a0000000d4948445200000096000000640802 ] || fail "its head is $head"

expect 1 --size=5x5 -o missing/folder.png
expect_line '^mandelbrot: missing/folder.png: '
"$program" --size=5x5 -o - >/dev/full 2>err && fail "a full disk goes unnoticed"
grep -q '^mandelbrot: ' err || fail "a full disk: $(cat err)"

# Ctrl-C ends it in the middle of a row, and no file is left.
# shellcheck disable=SC2016
expect_interrupt 'grep -q "^SigCgt:.*[2367abef]$" "/proc/$pid/status"' \
    --size=3000x2000 --antialias=16 --zoom=2 -o late.png
[ ! -e late.png ] || fail "there is a file"
