#!/bin/bash
# Runs a program with a trace, makes the page of it, and opens that in a browser: everything that
# the trace has is in the page, which does what a reader does with it.
# Usage: view_test.sh PROGRAM VIEW
set -u
if ! command -v chromium >/dev/null; then
    echo "SKIPPED view_test: chromium is not installed"
    exit 0
fi
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/view.XXXXXX")
trap 'rm -rf "$work"' EXIT
export HOME=$work
failed=0

fail() { # sentence
    echo "FAILED: $1" >&2
    failed=1
}

SHEAF_TRACE=$work/trace.json "$1" >/dev/null 2>&1
"$2" "$work/trace.json" >"$work/page.html" || fail "there is no page"
cat "$(dirname "$0")/probe.html" >>"$work/page.html"
chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" \
    --window-size=1280,900 --dump-dom "$work/page.html" >"$work/dom" 2>"$work/said"
body=$(grep -o '<body[^>]*>' "$work/dom")

count() { # words
    grep -o -- "$1" "$work/trace.json" | wc -l
}

expect() { # name, value
    [[ $body == *"data-$1=\"$2\""* ]] || fail "data-$1 is not \"$2\" in: $body"
}

[ "$(count '"ph":"s"')" -ge 4 ] || fail "the trace has too few tasks"
expect tasks "$(count '"ph":"s"')"
expect slices "$(count '"ph":"B"')"
[[ $body != *data-error* ]] || fail "a script fails: $body"
for done in tip ink all wheel moved; do
    expect "$done" true
done
[[ $body =~ data-children=\"[1-9] ]] || fail "no task is shown below the one that spawned it"
for words in '<td>gather</td>' '<td>a mutex</td>' 'examples/stuck.c:'; do
    grep -qF -- "$words" "$work/dom" || fail "not in the page: $words"
done
[ $failed -eq 0 ] || cat "$work/said" >&2
exit $failed
