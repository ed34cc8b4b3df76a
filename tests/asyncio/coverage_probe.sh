#!/bin/sh
# Tests coverage_check.sh: it must pass a list that is in order, and fail each with one thing wrong.
#
# Usage: coverage_probe.sh COVERAGE_CHECK.SH
set -eu

check=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tests/asyncio"
rows=$work/rows.tsv coverage=$work/coverage.tsv build=$work/BUILD
source=$work/tests/asyncio/one_test.c
failed=0

write_all() {
    {
        printf 'id\ttopic\ttest\tchecks\tapplies\twhy\tclauses\n'
        printf 'CT1\tt\tT.one\tx\tyes\t\tF1\n'
        printf 'CT2\tt\tT.two\tx\tadapt\twhy\tF2\n'
        printf 'CT3\tt\tT.three\tx\tno\twhy\tF3\n'
    } >"$rows"
    {
        printf 'id\tverdict\tfile\ttest\tnote\n'
        printf 'CT1\tyes\tasyncio/one_test\ta_first_test\t\n'
        printf 'CT2\tadapt\tasyncio/one_test\ta_second_test\thow\n'
        printf 'CT3\tno\t-\t-\twhy\n'
    } >"$coverage"
    echo '    "asyncio/one_test",' >"$build"
    cat >"$source" <<'SOURCE'
/* static int a_commented_test(void *arg) */
static int a_first_test(void *arg, sheaf_value *result)
{
    EXPECT(arg);
}
static void a_second_test(struct fixture *f)
{
    expect_first(f);
}
static const struct fixture_test tests[] = {
    TASK_TEST(a_first_test),
    THREAD_TEST_ON(MODE_1 | MODE_2,
                   a_second_test),
};
SOURCE
}

# Runs the check; the first word says whether it is to pass.
expect() {
    wanted=$1 what=$2 found=pass
    "$check" "$rows" "$coverage" "$build" "$source" >"$work/out" 2>&1 || found=fail
    if [ "$found" != "$wanted" ]; then
        echo "FAILED: $what: it was to $wanted" >&2
        cat "$work/out" >&2
        failed=1
    fi
    write_all
}

write_all
expect pass "a list in order"
sed -i '/^CT1/d' "$coverage"
expect fail "a row without an entry"
printf 'CT9\tyes\tasyncio/one_test\ta_first_test\t\n' >>"$coverage"
expect fail "an entry for an unknown row"
sed -i 's/a_first_test/a_missing_test/' "$coverage"
expect fail "an entry that names a missing test"
sed -i 's/a_first_test/a_commented_test/' "$coverage"
expect fail "an entry that names a test in a comment"
sed -i '/ TASK_TEST/d' "$source"
expect fail "a test that is not in the table"
sed -i 's/^static int a_first/#if 0\n&/; s/^static void/#endif\n&/' "$source"
expect fail "a test that is compiled out"
sed -i 's/^    TASK_TEST.*/#ifdef X\n&\n#endif/' "$source"
expect fail "an entry of the table that is compiled out"
sed -i 's/one_test/other_test/' "$build"
expect fail "a program that is not built"
sed -i 's/^CT3.*/CT3\tno\t-\t-\t/' "$coverage"
expect fail "a row that is left out without a reason"
sed -i 's/^CT1.*/CT1\tno\t-\t-\twhy/' "$coverage"
expect fail "a row that is to be carried over and is not"
sed -i 's/^CT2\tadapt/CT2\tyes/' "$coverage"
expect fail "a row that is adapted and does not say so"
sed -i 's/\thow$/\t/' "$coverage"
expect fail "a row that does not say how it is adapted"
sed -i '/EXPECT/d' "$source"
expect fail "a test that expects nothing"
sed -i '2,$d' "$rows" "$coverage"
expect fail "a list without rows"

exit "$failed"
