#!/bin/sh
# Counts the instructions that a task costs, with valgrind's callgrind: unlike a time this is the same
# number on a busy machine.  Prints a line for each function; the exit status says whether all stay
# below their limits.
#
#   run.sh VALGRIND PROGRAM FUNCTION...
set -u

valgrind=$1
program=$2
shift 2
work=$(mktemp -d "${TMPDIR:-/tmp}/sheaf-cost.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

for function in "$@"; do
    # What is collected is the function and all that it calls.
    "$valgrind" --tool=callgrind --callgrind-out-file="$work/out" --toggle-collect="$function" \
        "$program" "$function" >"$work/limit" 2>"$work/log" || echo 0 0 >"$work/limit"
    read -r tasks limit <"$work/limit" || tasks=0 limit=0
    collected=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$work/log")
    each=0
    [ "$tasks" -gt 0 ] && each=$((${collected:-0} / tasks))
    if [ "$each" -gt 0 ] && [ "$each" -le "$limit" ]; then
        echo "passed  $function: $each instructions a task, limit $limit"
    else
        echo "FAILED  $function: $each instructions a task, limit $limit"
        cat "$work/log"
        failed=1
    fi
done
exit "$failed"
