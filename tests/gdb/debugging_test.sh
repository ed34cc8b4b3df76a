#!/bin/bash
# Runs the commands of docs/debugging.md, block by block as they stand there, and expects every line
# that the text shows, but for numbers and addresses.
# Usage: debugging_test.sh DEBUGGING.MD PROGRAM SHEAF.PY VIEW
set -u
text=$(realpath "$1") program=$(realpath "$2") script=$(realpath "$3") view=$(realpath "$4")

if ! command -v gdb >/dev/null; then
    echo "SKIPPED debugging_test: gdb is not installed"
    exit 0
fi

# The paths that the commands name; what they build is there.
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/debugging.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir -p bazel-bin/examples tools/gdb tools/trace
ln -s "$program" bazel-bin/examples/stuck
ln -s "$script" tools/gdb/sheaf.py
ln -s "$view" tools/trace/view
printf '#!/bin/sh\n' >bazelw
chmod +x bazelw

blocks() { # of which language
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/{/^\`\`\`/!p;}" "$text"
}

# Numbers are others each time; readers come in either order.
plain() {
    sed -E 's/0x[0-9a-f]+/N/g; s/[0-9]+\.[0-9]+ s/N s/g; s/ +$//'
}

[ -n "$(blocks sh)" ] || exit 1
blocks sh >commands
DEBUGINFOD_URLS='' bash commands >said 2>&1
plain <said >plain_said
failed=0
if ! grep -q '</html>' stuck.html; then
    echo "FAILED: there is no page of the trace" >&2
    failed=1
fi
while IFS= read -r line; do
    grep -qxF -- "$line" plain_said && continue
    echo "FAILED: the text shows, and the commands do not print: $line" >&2
    failed=1
done < <(blocks text | plain)
if [ $failed -ne 0 ]; then
    if grep -q 'ptrace: Operation not permitted' said; then
        echo "SKIPPED debugging_test: processes may not be traced here"
        exit 0
    fi
    cat said >&2
fi
exit $failed
