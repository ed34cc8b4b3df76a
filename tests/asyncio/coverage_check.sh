#!/bin/sh
# Checks that COVERAGE.tsv says, for every row of cpython-tests.tsv, which tests serve it, and that
# those tests exist, expect something, are run, and are not left out by the preprocessor.
#
# Usage: coverage_check.sh ROWS COVERAGE BUILD TEST.C...
#   ROWS      cpython-tests.tsv: the tests of CPython
#   COVERAGE  id, verdict, file without .c, test, note; several lines may serve one row
#   BUILD     lists the test programs by their names
#   TEST.C    every source that COVERAGE names
set -eu

rows=$1 coverage=$2 build=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# `FILE:NAME` for each test that is defined outside of any condition, `FILE:!NAME` for each whose body
# expects something, and `FILE:=NAME` for each that stands in a table of tests so.  Comments do not
# count.
for source; do
    file=${source##*tests/}
    awk -v file="${file%.c}" '
        { line = $0 }
        comment { if (!sub(/^.*\*\//, "", line)) next; comment = 0 }
        { gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line) }
        sub(/\/\*.*/, "", line) { comment = 1 }
        line ~ /^[ \t]*#[ \t]*if/ { depth++ }
        line ~ /^[ \t]*#[ \t]*endif/ { depth-- }
        depth > 0 { next }
        match(line, /^static [a-z_ ]*[a-z0-9_]+\(/) {
            name = substr(line, RSTART, RLENGTH - 1)
            sub(/.*[ *]/, "", name)
            print file ":" name
            body = name
        }
        line ~ /^}/ { body = "" }
        body != "" && line ~ /^[ \t].*(EXPECT|expect|assert_)/ {
            print file ":!" body
            body = ""
        }
        line ~ /^[ \t]*([A-Z]*_?TEST(_ON)?|cmocka_unit_test)\(/ { entry = "" }
        line ~ /^[ \t]*([A-Z]*_?TEST(_ON)?|cmocka_unit_test)\(/ || entry != "" {
            entry = entry line
            if (entry !~ /\),?[ \t]*$/) next
            sub(/\),?[ \t]*$/, "", entry)
            sub(/.*[(, \t]/, "", entry)
            print file ":=" entry
            entry = ""
        }' "$source"
done >"$work/tests"

# The programs that BUILD makes.
sed -n 's/^ *"\([a-z0-9_\/]*_test\)",*$/\1/p' "$build" >"$work/built"

awk -F '\t' -v OFS='\t' '
    function fail(what) { print "FAILED: " what > "/dev/stderr"; failed = 1 }
    FILENAME == ARGV[1] { known[$0] = 1; next }
    FILENAME == ARGV[2] { built[$0] = 1; next }
    FNR == 1 { next }
    FILENAME == ARGV[3] { wanted[$1] = $5; order[++count] = $1; next }
    !($1 in wanted) { fail($1 " is no row of the list"); next }
    NF != 5 { fail($1 " has " NF " columns in place of 5"); next }
    { served[$1]++ }
    $2 == "no" {
        if (wanted[$1] != "no") fail($1 " is to be carried over")
        if ($3 != "-" || $4 != "-" || $5 == "") fail($1 " needs a reason, and no test")
        next
    }
    $2 != "yes" && $2 != "adapt" { fail($1 " has the unknown verdict " $2); next }
    wanted[$1] == "no" { fail($1 " is not to be carried over"); next }
    wanted[$1] == "adapt" && $2 == "yes" { fail($1 " is adapted in the list"); next }
    $2 == "adapt" && $5 == "" { fail($1 " does not say how it is adapted") }
    ($1 SUBSEP $3 SUBSEP $4) in seen { fail($1 " names " $4 " twice") }
    { seen[$1, $3, $4] = 1 }
    !($3 in built) { fail($1 ": no program " $3 " is built") }
    !(($3 ":" $4) in known) { fail($1 ": " $3 ".c defines no test " $4); next }
    !(($3 ":!" $4) in known) { fail($1 ": " $4 " expects nothing") }
    !(($3 ":=" $4) in known) { fail($1 ": " $4 " is not in the table of " $3 ".c") }
    END {
        if (count == 0) fail("the list has no rows")
        for (i = 1; i <= count; i++) {
            if (!served[order[i]]) fail(order[i] " is missing")
        }
        exit failed
    }' "$work/tests" "$work/built" "$rows" "$coverage"
