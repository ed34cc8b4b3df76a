/* Durations and points in time: units, rounding, the ends of the range. */
#include <sheaf/time.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static sheaf_duration seconds(double value)
{
    sheaf_duration duration = 0;
    assert_int_equal(sheaf_duration_from_seconds(value, &duration), SHEAF_OK);
    return duration;
}

static void units_take_integers_and_fractions(void **state)
{
    static const sheaf_duration at_file_scope = SHEAF_MS(1.5);
    int milliseconds = 3000000;
    (void)state;
    assert_int_equal(SHEAF_NS(7), 7);
    assert_int_equal(SHEAF_US(7), 7000);
    assert_int_equal(SHEAF_MS(7), 7000000);
    assert_int_equal(SHEAF_S(7), INT64_C(7000000000));
    assert_int_equal(SHEAF_S(0.5), 500000000);
    assert_int_equal(at_file_scope, 1500000);
    assert_int_equal(SHEAF_MS(milliseconds), INT64_C(3000000000000));
    assert_int_equal(SHEAF_S(-1), INT64_C(-1000000000));
}

static void seconds_are_rounded_to_the_nearest_nanosecond(void **state)
{
    (void)state;
    assert_int_equal(seconds(0.0), 0);
    assert_int_equal(seconds(0.1), 100000000);
    assert_int_equal(seconds(1.5), 1500000000);
    assert_int_equal(seconds(-1.5), -1500000000);
    assert_int_equal(seconds(4e-10), 0);
    assert_int_equal(seconds(6e-10), 1);
    assert_int_equal(seconds(-6e-10), -1);
}

static void large_odd_numbers_of_nanoseconds_stay_odd(void **state)
{
    double odd = 4503599627370497.0; /* 2^52 + 1 */
    (void)state;
    assert_int_equal(seconds(odd / 1e9), (int64_t)(odd / 1e9 * 1e9));
    assert_int_equal(seconds(9007199.254740991), INT64_C(9007199254740991));
}

static void seconds_beyond_the_range_are_held_at_its_ends(void **state)
{
    (void)state;
    assert_int_equal(seconds(1e300), SHEAF_FOREVER);
    assert_int_equal(seconds(INFINITY), SHEAF_FOREVER);
    assert_int_equal(seconds(9223372036.854775808), SHEAF_FOREVER);
    assert_int_equal(seconds(-1e300), INT64_MIN);
    assert_int_equal(seconds(-INFINITY), INT64_MIN);
    assert_true(seconds(9223372036.0) < SHEAF_FOREVER);
}

/* SL2 */
static void not_a_number_is_refused_and_leaves_the_result(void **state)
{
    sheaf_duration duration = 42;
    (void)state;
    assert_int_equal(sheaf_duration_from_seconds((double)NAN, &duration), SHEAF_INVALID);
    assert_int_equal(duration, 42);
    assert_int_equal(sheaf_duration_from_seconds(1.0, NULL), SHEAF_INVALID);
}

static void adding_is_held_at_the_ends_of_the_range(void **state)
{
    (void)state;
    assert_int_equal(sheaf_time_add(5, 7), 12);
    assert_int_equal(sheaf_time_add(5, -7), -2);
    assert_int_equal(sheaf_time_add(INT64_MAX - 1, 2), SHEAF_FOREVER);
    assert_int_equal(sheaf_time_add(INT64_MIN + 1, -2), INT64_MIN);
}

static void adding_forever_gives_forever(void **state)
{
    (void)state;
    assert_int_equal(sheaf_time_add(-1000, SHEAF_FOREVER), SHEAF_FOREVER);
    assert_int_equal(sheaf_time_add(SHEAF_FOREVER, -1000), SHEAF_FOREVER);
    assert_int_equal(sheaf_time_add(SHEAF_FOREVER, INT64_MIN), SHEAF_FOREVER);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_take_integers_and_fractions),
        cmocka_unit_test(seconds_are_rounded_to_the_nearest_nanosecond),
        cmocka_unit_test(large_odd_numbers_of_nanoseconds_stay_odd),
        cmocka_unit_test(seconds_beyond_the_range_are_held_at_its_ends),
        cmocka_unit_test(not_a_number_is_refused_and_leaves_the_result),
        cmocka_unit_test(adding_is_held_at_the_ends_of_the_range),
        cmocka_unit_test(adding_forever_gives_forever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
