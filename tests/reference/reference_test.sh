#!/bin/bash
# The man pages are well-formed, there is one for every function that is exported, and the pages in
# HTML that are made of them lead to each other.
# Usage: reference_test.sh HTML MAN.TAR SYMBOLS
set -u
if ! command -v mandoc >/dev/null || ! command -v python3 >/dev/null; then
    echo "SKIPPED reference_test: mandoc or python3 is not installed"
    exit 0
fi
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/reference.XXXXXX")
trap 'rm -rf "$work"' EXIT
tar -x -f "$2" -C "$work"
failed=0

fail() { # sentence
    echo "FAILED: $1" >&2
    failed=1
}

# The pages have no date, and one that stands for another says so.
said=$(cd "$work" && for page in man3/*.3; do mandoc -T lint -W warning "$page"; done |
    grep -v -e 'missing date' -e '.so is fragile')
[ -z "$said" ] || fail "mandoc says: $said"

SHEAF_MAN=$(realpath "$2") "$1" "$work/html" >/dev/null || fail "there is no HTML"
while read -r name; do
    [ -s "$work/html/$name.html" ] || fail "no page for $name"
done < <(sed -nE 's/^T (sheaf_[a-z][a-z_]*)@.*/\1/p' "$3")

while read -r target; do
    [ -e "$work/html/$target" ] || fail "a link leads to $target, which is not there"
done < <(cat "$work"/html/*.html | grep -o 'href="[^"#]*"' | sed 's/href="//; s/"$//' | sort -u)

# A contract with an example, parameters behind it, and labels.
for words in '<i>limit</i>' '<b>Suspends</b>' '    SHEAF_TRY(sheaf_wait(f, count' \
    '<a href="sheaf_gather.h.html">'; do
    grep -qF -- "$words" "$work/html/sheaf_wait.html" || fail "sheaf_wait.html has no $words"
done
[ "$(grep -c '<dt>' "$work/html/index.html")" -ge 20 ] || fail "the index has too few headers"
exit $failed
