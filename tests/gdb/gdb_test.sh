#!/bin/bash
# What tools/gdb/sheaf.py finds in a live process and in a core of it.
# Usage: gdb_test.sh PROGRAM SHEAF.PY
set -u
program=$1 script=$2
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/gdb.XXXXXX")
failed=0

if ! command -v gdb >/dev/null; then
    echo "SKIPPED gdb_test: gdb is not installed"
    exit 0
fi

program=$(realpath "$program")
script=$(realpath "$script")
cd "$work" || exit 1 # where the kernel writes the core
ulimit -c unlimited
child=
trap 'kill -9 $child 2>/dev/null; rm -rf "$work"' EXIT

start() { # argument...
    rm -f "$work/said"
    "$program" "$@" >"$work/said" &
    child=$!
    until grep -q ready "$work/said" 2>/dev/null; do
        kill -0 $child || exit 1
    done
}

# What gdb says to these commands, in the process or a core.
ask() { # where, command...
    local where=$1 command arguments=()
    shift
    for command; do
        arguments+=(-ex "echo >>> $command\\n" -ex "$command")
    done
    if [ "$where" = live ] || [ "$where" = gcore ]; then
        set -- -p $child
    else
        set -- "$program" "$core"
    fi
    DEBUGINFOD_URLS='' gdb -q -nx -batch -x "$script" "$@" "${arguments[@]}" >"$work/$where.said" 2>&1
}

expect() { # where, pattern
    grep -qE -- "$2" "$work/$1.said" && return
    echo "FAILED: $1: nothing matches: $2" >&2
    failed=1
}

# Nothing that gdb or Python complains of, and all tasks, with their states.
expect_all() { # where
    local where=$1
    grep -E 'Traceback|Python Exception|Error' "$work/$where.said" >&2 && failed=1
    expect "$where" "^pool 'gdb': 11 tasks$"
    expect "$where" "  0x[0-9a-f]+ inner: suspended, waits for promise 'answer', spawned at tests/gdb/tasks.c:[0-9]+, await_answer$"
    expect "$where" ' shielding: suspended, waits for shield '
    expect "$where" ' waiter: suspended, waits for futures, '
    expect "$where" ' owner: suspended, waits for the members of a group, '
    expect "$where" " gatherer: suspended, waits for gather 'gather', "
    expect "$where" " caller: suspended, waits for task 'called', "
    expect "$where" " called: suspended, waits for promise 'answer', "
    expect "$where" " task: suspended, waits for promise 'answer', spawned at tests/gdb/tasks.c:[0-9]+, "
    expect "$where" ' computing: running on worker 0, '
    expect "$where" ' queued: not started, '
    # Chains: who waits for whom.
    expect "$where" "^  owner \(0x[0-9a-f]+\): waits for the members of a group$"
    expect "$where" "^    member \(0x[0-9a-f]+\): waits for promise 'answer'$"
    expect "$where" "^    shielding \(0x[0-9a-f]+\): waits for shield 'shield'"
    expect "$where" "^      inner \(0x[0-9a-f]+\): waits for promise 'answer'$"
    expect "$where" "^    called \(0x[0-9a-f]+\): waits for promise 'answer'$"
    # Backtraces: of a suspended task, of two on one stack, of a running and of a queued one.
    expect "$where" '^#[0-9]+ .* await_shield '
    expect "$where" '^#[0-9]+ .* call_child '
    expect "$where" '^#[0-9]+ .* compute '
    expect "$where" '^it has no stack: it has not started$'
    expect "$where" '^there is no task nobody$'
}

commands=('sheaf tasks' 'sheaf chains' 'sheaf bt shielding' 'sheaf bt caller' 'sheaf bt computing'
    'sheaf bt queued')
start
ask live "${commands[@]}" 'sheaf bt nobody'
if grep -qE 'ptrace: (Operation not permitted|Inappropriate)' "$work/live.said"; then
    echo "SKIPPED gdb_test: processes may not be traced here"
    exit 0
fi
expect_all live

# The kernel's core, where it writes one here; and gdb's own.
kill -ABRT $child
wait $child 2>/dev/null
core=$(find "$work" -maxdepth 1 -name 'core*' | head -n 1)
if [ -n "$core" ]; then
    ask kernel "${commands[@]}" 'sheaf bt nobody'
    expect_all kernel
fi
start mprotect
ask gcore "gcore $work/dumped"
core=$work/dumped
ask core "${commands[@]}" 'sheaf bt nobody'
expect_all core
[ $failed -eq 0 ] || cat "$work"/*.said >&2
exit $failed
