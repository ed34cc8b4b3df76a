#!/bin/sh
# Checks the models of this folder with SPIN: as they are they must hold, and with each planted
# mistake they must fail.  Prints a line each; the exit status says whether all verdicts
# are as expected.
#
#   run.sh [SPIN] [CC]
set -u

models=$(cd "$(dirname "$0")" && pwd) || exit 1
spin=${1:-spin}
cc=${2:-cc}
work=$(mktemp -d "${TMPDIR:-/tmp}/sheaf-models.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

# Searches the whole state space.  0: it holds, 1: it fails, 2: no verdict.
search() { # model, define
    rm -rf "$work/pan"* && mkdir -p "$work/pan.d" && cd "$work/pan.d" || return 2
    cp "$models/$1.pml" . || return 2
    "$spin" -a ${2:+-D"$2"} "$1.pml" >spin.log 2>&1 || return 2
    "$cc" -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c || return 2
    ./pan -m200000 >pan.log 2>&1
    grep -q 'errors: [1-9]' pan.log && return 1
    grep -qE 'depth too small|out of memory|not completed' pan.log && return 2
    grep -q 'errors: 0$' pan.log && return 0
    return 2
}

states() {
    sed -n 's/^ *\([0-9e+.]*\) states, stored.*/\1/p' "$work/pan.d/pan.log"
}

expect() { # verdict, model, define
    search "$2" "${3:-}"
    got=$?
    if [ "$got" -eq "$1" ]; then
        echo "passed  $2 ${3:-as it is}: $(states) states"
    else
        echo "FAILED  $2 ${3:-as it is}: verdict $got instead of $1 (0 holds, 1 fails, 2 none)"
        cat "$work/pan.d/spin.log" "$work/pan.d/pan.log" 2>/dev/null
        failed=1
    fi
}

expect 0 idle
for planted in NO_LOOK NO_CHAIN NO_ANSWER NO_RECHECK NO_GUARD NO_FIRE_HOLD; do
    expect 1 idle $planted
done
expect 0 handover
for planted in NO_LOOK NO_FENCE NO_CALL NO_WAKE NO_READ; do
    expect 1 handover $planted
done
expect 0 park
for planted in NO_PASSED NO_CLEAR NO_A2 NO_A4 NO_PIN EARLY_PARK NO_RECHECK; do
    expect 1 park $planted
done
expect 0 region
for planted in NO_FENCE NO_BACK NO_LOCK NO_LOWER NO_EMPTY EARLY_ARG; do
    expect 1 region $planted
done
expect 0 spare
for planted in NO_LOOK NO_CHAIN NO_CALL NO_TAKE NO_PASS NO_REST EARLY_REST NO_ROUSE; do
    expect 1 spare $planted
done
expect 0 stop
for planted in NO_LOOK NO_WAKE_ALL NO_VISITORS LATE_VISIT NO_SEAL NO_COMING; do
    expect 1 stop $planted
done
exit "$failed"
