/* The monotonic clock and the arithmetic of deadlines. */
#include "lib/platform/clock.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static int64_t system_clock_ns(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void clock_lies_between_two_readings_of_the_system(void **state)
{
    (void)state;
    int64_t before = system_clock_ns();
    int64_t now = sheaf__clock_monotonic();
    int64_t after = system_clock_ns();
    assert_true(before <= now);
    assert_true(now <= after);
}

static void clock_never_goes_back(void **state)
{
    (void)state;
    int64_t last = sheaf__clock_monotonic();
    for (int i = 0; i < 100000; i++) {
        int64_t now = sheaf__clock_monotonic();
        assert_true(now >= last);
        last = now;
    }
}

static void clock_advances_by_nanoseconds(void **state)
{
    (void)state;
    int64_t start = sheaf__clock_monotonic();
    int64_t now = start;
    while (now == start) now = sheaf__clock_monotonic();
    assert_true(now - start < 1000000000);
}

static void deadline_is_the_sum(void **state)
{
    (void)state;
    assert_true(sheaf__deadline_after(1000, 0) == 1000);
    assert_true(sheaf__deadline_after(1000, 234) == 1234);
    assert_true(sheaf__deadline_after(1000, -1) == 999);
    assert_true(sheaf__deadline_after(1000, -5000) == -4000);
}

static void deadline_of_a_forever_is_forever(void **state)
{
    (void)state;
    assert_true(sheaf__deadline_after(1000, SHEAF__CLOCK_FOREVER) == SHEAF__CLOCK_FOREVER);
    assert_true(sheaf__deadline_after(0, SHEAF__CLOCK_FOREVER) == SHEAF__CLOCK_FOREVER);
    assert_true(sheaf__deadline_after(-7, SHEAF__CLOCK_FOREVER) == SHEAF__CLOCK_FOREVER);
    assert_true(sheaf__deadline_after(INT64_MIN, SHEAF__CLOCK_FOREVER) == SHEAF__CLOCK_FOREVER);
}

static void deadline_is_held_at_the_ends(void **state)
{
    (void)state;
    assert_true(sheaf__deadline_after(1000, INT64_MAX - 1) == INT64_MAX);
    assert_true(sheaf__deadline_after(1, INT64_MAX - 1) == INT64_MAX);
    assert_true(sheaf__deadline_after(0, INT64_MAX - 1) == INT64_MAX - 1);
    assert_true(sheaf__deadline_after(INT64_MAX, 1) == INT64_MAX);
    assert_true(sheaf__deadline_after(INT64_MAX, -1) == INT64_MAX - 1);
    assert_true(sheaf__deadline_after(0, INT64_MIN) == INT64_MIN);
    assert_true(sheaf__deadline_after(-1, INT64_MIN) == INT64_MIN);
    assert_true(sheaf__deadline_after(INT64_MIN, -1) == INT64_MIN);
    assert_true(sheaf__deadline_after(INT64_MAX, INT64_MIN) == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_lies_between_two_readings_of_the_system),
        cmocka_unit_test(clock_never_goes_back),
        cmocka_unit_test(clock_advances_by_nanoseconds),
        cmocka_unit_test(deadline_is_the_sum),
        cmocka_unit_test(deadline_of_a_forever_is_forever),
        cmocka_unit_test(deadline_is_held_at_the_ends),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
