/* shield as asyncio's own tests see it. */
#include "tests/support/roles.h"

#include <errno.h>

/* SH2 */
static int value_and_error_come_through(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *inner = sheaf_promise(NULL), *failing = sheaf_promise(NULL);
    sheaf_future *outer = sheaf_shield(inner), *second = sheaf_shield(failing);
    EXPECT(!sheaf_done(outer) && !sheaf_done(second));
    EXPECT_INT(sheaf_resolve(inner, number(42)), SHEAF_OK);
    EXPECT_INT(sheaf_reject(failing, EIO, "broken"), SHEAF_OK);
    expect_value(outer, 42);
    EXPECT_INT(sheaf_await(second, NULL), EIO);
    sheaf_error *error = sheaf_future_error(second), *same = sheaf_future_error(failing);
    EXPECT_PTR(error, same);
    sheaf_error_release(error);
    sheaf_error_release(same);
    sheaf_release(second);
    sheaf_release(inner);
    sheaf_release(failing);
    return SHEAF_OK;
}

/* SH2, SH4 */
static int a_cancelled_inner_cancels_the_outer(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *inner = sheaf_promise(NULL);
    sheaf_future *outer = sheaf_shield(inner);
    EXPECT(sheaf_cancel_message(inner, "gone"));
    EXPECT_INT(sheaf_await(outer, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(outer));
    expect_error(outer, SHEAF_CANCELLED, "gone");
    sheaf_release(outer);
    sheaf_release(inner);
    return SHEAF_OK;
}

/* SH1 */
static int a_cancelled_outer_leaves_the_inner_alone(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *inner = sheaf_promise(NULL);
    sheaf_future *outer = sheaf_shield(inner);
    EXPECT(sheaf_cancel(outer));
    EXPECT_INT(sheaf_await(outer, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(outer));
    EXPECT(!sheaf_done(inner));
    EXPECT_INT(sheaf_resolve(inner, number(1)), SHEAF_OK);
    EXPECT(sheaf_cancelled(outer));
    sheaf_release(outer);
    expect_value(inner, 1);
    return SHEAF_OK;
}

/* SH3 */
static int a_finished_inner_can_be_read_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *inner = resolved(42);
    sheaf_future *outer = sheaf_shield(inner);
    EXPECT(sheaf_done(outer));
    sheaf_value value = {0};
    EXPECT_INT(sheaf_result(outer, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 42);
    sheaf_release(outer);
    sheaf_release(inner);
    return SHEAF_OK;
}

static int await_through_a_shield(void *arg, sheaf_value *result)
{
    return sheaf_join(sheaf_shield(arg), result);
}

static int await_shielded(void *arg, sheaf_value *result)
{
    return sheaf_await_shielded(arg, result);
}

/* SH1 */
static int what_a_cancelled_caller_shields_is_completed(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_fn *const callers[] = {await_through_a_shield, await_shielded};
    for (int i = 0; i < 2; i++) {
        struct role role = {.delay = SHEAF_MS(5), .value = 3};
        sheaf_future *inner = start(&role);
        sheaf_future *caller = sheaf_spawn(callers[i], inner);
        settle();
        EXPECT(sheaf_cancel(caller));
        expect_end(caller, SHEAF_CANCELLED);
        EXPECT(!sheaf_done(inner));
        EXPECT_INT(sheaf_cancelling(inner), 0);
        expect_value(inner, 3);
        EXPECT_INT(sheaf__load_acq(&role.requests), 0);
    }
    return SHEAF_OK;
}

/* SH1, G1 */
static int a_gather_behind_a_shield_completes_after_the_outer_was_cancelled(void *arg,
                                                                            sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *members[2] = {sheaf_promise(NULL), sheaf_promise(NULL)};
    sheaf_future *gather = sheaf_gather_future(members, 2, SHEAF_GATHER_RAISE);
    sheaf_future *outer = sheaf_shield(gather);
    EXPECT(sheaf_cancel(outer));
    expect_end(outer, SHEAF_CANCELLED);
    EXPECT(!sheaf_done(gather) && !sheaf_done(members[0]) && !sheaf_done(members[1]));
    EXPECT_INT(sheaf_resolve(members[0], number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(members[1], number(2)), SHEAF_OK);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(gather, &value), SHEAF_OK);
    const sheaf_value *values = value.ptr;
    EXPECT_INT(values[0].i64, 1);
    EXPECT_INT(values[1].i64, 2);
    sheaf_release(gather);
    sheaf_release_all(members, 2);
    return SHEAF_OK;
}

/* G25, G10 */
static int a_cancelled_gather_of_shields_cancels_the_shields_alone(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *inner[2] = {sheaf_promise(NULL), sheaf_promise(NULL)};
    sheaf_future *outer[2] = {sheaf_shield(inner[0]), sheaf_shield(inner[1])};
    sheaf_future *gather = sheaf_gather_future(outer, 2, SHEAF_GATHER_RAISE);
    EXPECT(sheaf_cancel(gather));
    EXPECT_INT(sheaf_await(gather, NULL), SHEAF_CANCELLED);
    EXPECT(!sheaf_cancelled(gather));
    for (int i = 0; i < 2; i++) {
        expect_end(outer[i], SHEAF_CANCELLED);
        EXPECT(!sheaf_done(inner[i]));
        EXPECT_INT(sheaf_resolve(inner[i], number(i)), SHEAF_OK);
        expect_value(inner[i], i);
    }
    sheaf_release(gather);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(value_and_error_come_through),
    TASK_TEST(a_cancelled_inner_cancels_the_outer),
    TASK_TEST(a_cancelled_outer_leaves_the_inner_alone),
    TASK_TEST(a_finished_inner_can_be_read_at_once),
    TASK_TEST_ON(MODES_VIRTUAL, what_a_cancelled_caller_shields_is_completed),
    TASK_TEST(a_gather_behind_a_shield_completes_after_the_outer_was_cancelled),
    TASK_TEST(a_cancelled_gather_of_shields_cancels_the_shields_alone),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
