#!/bin/sh
# Compiles each public header alone, as C11 and as C++17, with warnings as errors.
#
# The folder is given with -I: Bazel's own -isystem would silence what users see in these headers.
# Usage: headers_test.sh include/sheaf.h include/sheaf/base.h ...
set -u

warnings='-Wall -Wextra -Wpedantic -Wcast-qual -Wconversion -Wformat=2 -Wpointer-arith -Wshadow
    -Wsign-conversion -Wundef -Wwrite-strings'
failed=0
compiled=0

# Twice, so that a missing include guard shows.
program() {
    printf '#include <%s>\n#include <%s>\nint sheaf_headers_test;\n' "$1" "$1"
}

compile() { # language standard compiler header
    # shellcheck disable=SC2086
    if program "$4" |
        "$3" -x "$1" "-std=$2" $warnings -Werror -Iinclude -fsyntax-only -; then
        compiled=$((compiled + 1))
    else
        echo "FAILED: $4 as $2 with $3" >&2
        failed=$((failed + 1))
    fi
}

with_compilers() { # C compiler, C++ compiler
    if ! command -v "$1" >/dev/null || ! command -v "$2" >/dev/null; then
        echo "SKIPPED headers_test with $1 and $2: not installed"
        return
    fi
    for path in $headers; do
        compile c c11 "$1" "${path#include/}"
        compile c++ c++17 "$2" "${path#include/}"
    done
}

headers=$*
if [ $# -eq 0 ]; then
    echo "FAILED: no header given" >&2
    exit 1
fi
with_compilers gcc g++
with_compilers clang clang++
echo "$compiled compilations of $# headers, $failed failed"
[ "$compiled" -ge $((2 * $#)) ] && [ "$failed" -eq 0 ]
