#!/bin/bash
# What the tests of the programs share: the program, a folder of their own, comparisons. A test
# begins with
#     . examples/programs/expect.sh
set -u
program=$PWD/$1
name=${1##*/}
cd "${TEST_TMPDIR:?}" || exit 1
unset LANG LANGUAGE
export LC_ALL=C
trap 'exit "$failed"' EXIT
failed=0

fail() {
    echo "FAILED: $*" >&2
    failed=1
}

# Runs the program; its outputs go to the files `out` and `err`.
# Usage: expect STATUS ARGUMENT...
expect() {
    local expected=$1 status
    shift
    "$program" "$@" >out 2>err
    status=$?
    [ "$status" = "$expected" ] || fail "$name $* exits with $status: $(cat err)"
}

# The last run must have written nothing to standard output and one line to standard error that
# matches.
expect_line() {
    [ ! -s out ] || fail "standard output has: $(cat out)"
    [ "$(wc -l <err)" = 1 ] || fail "more or less than one line: $(cat err)"
    grep -Eq -- "$1" err || fail "no '$1' in: $(cat err)"
}

# Every program has a --help, and wrong arguments get one line and exit status 2.
# Usage: expect_manners WRONG_ARGUMENT...
expect_manners() {
    local wrong
    expect 0 --help
    grep -q "^Usage: $name " out || fail "--help says: $(cat out)"
    [ ! -s err ] || fail "--help complains: $(cat err)"
    for wrong in --no-such-option "$@"; do
        expect 2 "$wrong"
        expect_line "$name: "
    done
}

# Runs the program, sends it SIGINT as soon as a condition holds, and expects that it exits with 130.
# A shell without job control would start it with SIGINT ignored.
# Usage: expect_interrupt CONDITION ARGUMENT...
expect_interrupt() {
    local condition=$1 pid status
    shift
    set -m
    "$program" "$@" >out 2>err &
    pid=$!
    until eval "$condition"; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    kill -INT "$pid"
    wait "$pid"
    status=$?
    set +m
    [ "$status" = 130 ] || fail "$name $* exits after SIGINT with $status: $(cat err)"
}
