#!/bin/sh
# Runs every workload of bench in every form that --help names, small, so that what measures keeps
# working; the workloads check their results themselves.
#
#   smoke.sh BENCH
set -u

bench=$1
failed=0
lines=$(mktemp "${TMPDIR:-/tmp}/sheaf-bench.XXXXXX") || exit 1
trap 'rm -f "$lines"' EXIT
"$bench" --help | sed -n 's/^  \(w[0-9a-z_]*\) .*  \(--.*\)$/\1 \2/p' >"$lines"
[ -s "$lines" ] || {
    echo "FAILED  --help names no workload"
    exit 1
}

while read -r workload forms; do
    case $workload in
        w2_queens) n=6 ;;
        w12_gather) n=1000 ;;
        *) n=10 ;;
    esac
    for form in $forms; do
        if figures=$("$bench" "$workload" --workers 2 --n "$n" "$form") && [ -n "$figures" ]; then
            echo "passed  $workload $form"
        else
            echo "FAILED  $workload $form"
            failed=1
        fi
    done
done <"$lines"
exit "$failed"
