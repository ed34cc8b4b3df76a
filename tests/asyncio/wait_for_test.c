/* wait_for as asyncio's own tests see it. */
#include "tests/support/roles.h"

#include <errno.h>

enum { LIMIT_MS = 10, CLEANUP_MS = 50 };

/* ---------------------------------------------------------------- in time */

/* WF1 */
static int what_ends_in_time_gives_its_outcome(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const sheaf_duration limits[] = {SHEAF_FOREVER, SHEAF_S(3600)};
    for (int i = 0; i < 2; i++) {
        struct role role = {.delay = SHEAF_US(10), .value = 2};
        struct role failing = {.delay = SHEAF_US(10), .code = EIO};
        sheaf_future *task = start(&role), *second = start(&failing);
        sheaf_value value = {0};
        EXPECT_INT(sheaf_wait_for(task, limits[i], &value), SHEAF_OK);
        EXPECT_INT(value.i64, 2);
        EXPECT_INT(sheaf_wait_for(second, limits[i], NULL), EIO);
        sheaf_release(task);
        sheaf_release(second);
    }
    return SHEAF_OK;
}

static int resolve_it(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_resolve(arg, number(1));
}

/* WF1 */
static int a_value_that_is_there_at_once_is_given(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(resolve_it, promise);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_wait_for(promise, SHEAF_S(100), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 1);
    expect_end(task, SHEAF_OK);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- a limit of nothing */

static const sheaf_duration nothing[] = {0, -1, INT64_MIN};

/* WF2 */
static int without_time_what_is_done_gives_its_value(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = resolved(8);
    for (int i = 0; i < 3; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_wait_for(promise, nothing[i], &value), SHEAF_OK);
        EXPECT_INT(value.i64, 8);
    }
    sheaf_release(promise);
    return SHEAF_OK;
}

/* WF2 */
static int without_time_what_has_not_started_never_runs(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 3; i++) {
        struct role role = {.value = 1};
        sheaf_future *task = start(&role);
        EXPECT_INT(sheaf_wait_for(task, nothing[i], NULL), SHEAF_TIMEOUT);
        EXPECT(sheaf_cancelled(task));
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
        EXPECT_INT(sheaf__load_acq(&role.begun), 0);
        sheaf_release(task);
    }
    return SHEAF_OK;
}

/* WF2, WF3 */
static int without_time_what_runs_is_cancelled_and_waited_for(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 3; i++) {
        struct role role = {.delay = SHEAF_S(10), .cleanup = SHEAF_MS(CLEANUP_MS)};
        sheaf_future *task = start(&role);
        settle();
        sheaf_time began = sheaf_now();
        EXPECT_INT(sheaf_wait_for(task, nothing[i], NULL), SHEAF_TIMEOUT);
        EXPECT_INT(sheaf_now() - began, SHEAF_MS(CLEANUP_MS));
        EXPECT_INT(sheaf__load_acq(&role.ended), 1);
        EXPECT(sheaf_cancelled(task));
        sheaf_release(task);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- when the limit passes */

/* Waits for a task of that role with the limit; the clean-up comes on top of it. */
static int wait_for_role(struct role *role, sheaf_value *value)
{
    sheaf_time began = sheaf_now();
    sheaf_future *task = start(role);
    int status = sheaf_wait_for(task, SHEAF_MS(LIMIT_MS), value);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(LIMIT_MS) + role->cleanup);
    EXPECT(sheaf_done(task));
    EXPECT_INT(sheaf__load_acq(&role->requests), 1);
    EXPECT_INT(sheaf__load_acq(&role->ended), 1);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    sheaf_release(task);
    return status;
}

/* WF3 */
static int what_the_limit_cancels_has_ended_on_return(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role quick = {.delay = SHEAF_S(10)};
    EXPECT_INT(wait_for_role(&quick, NULL), SHEAF_TIMEOUT);
    struct role slow = {.delay = SHEAF_S(10), .cleanup = SHEAF_MS(CLEANUP_MS)};
    EXPECT_INT(wait_for_role(&slow, NULL), SHEAF_TIMEOUT);
    return SHEAF_OK;
}

/* WF4 */
static int a_value_given_in_spite_of_the_limit_is_given(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role role = {
        .delay = SHEAF_S(10), .asked = SWALLOW, .value = 4, .cleanup = SHEAF_MS(CLEANUP_MS)};
    sheaf_value value = {0};
    EXPECT_INT(wait_for_role(&role, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 4);
    return SHEAF_OK;
}

/* WF5 */
static int an_error_of_the_clean_up_wins(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role role = {.delay = SHEAF_S(10),
                        .asked = FAIL_INSTEAD,
                        .late_code = EIO,
                        .cleanup = SHEAF_MS(CLEANUP_MS)};
    EXPECT_INT(wait_for_role(&role, NULL), EIO);
    return SHEAF_OK;
}

struct waiting {
    sheaf_future *inner;
    sheaf_duration limit;
};

static int wait_with_limit(void *arg, sheaf_value *result)
{
    const struct waiting *w = arg;
    return sheaf_wait_for(w->inner, w->limit, result);
}

/* WF3 */
static int the_timeout_has_the_cancellation_as_its_cause(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role role = {.delay = SHEAF_S(10), .cleanup = SHEAF_MS(CLEANUP_MS)};
    struct waiting w = {.inner = start(&role), .limit = SHEAF_MS(LIMIT_MS)};
    sheaf_future *waiter = sheaf_spawn(wait_with_limit, &w);
    EXPECT_INT(sheaf_await(waiter, NULL), SHEAF_TIMEOUT);
    sheaf_error *error = sheaf_future_error(waiter);
    EXPECT_INT(sheaf_error_code(error), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_error_code(sheaf_error_cause(error)), SHEAF_CANCELLED);
    sheaf_error_release(error);
    sheaf_release(waiter);
    expect_end(w.inner, SHEAF_CANCELLED);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- when the caller is cancelled */

/* WF6 */
static int a_cancelled_caller_cancels_the_inner_and_waits_for_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const sheaf_duration limits[] = {SHEAF_FOREVER, SHEAF_S(3600)};
    for (int i = 0; i < 4; i++) {
        struct role role = {.delay = SHEAF_S(100), .cleanup = i < 2 ? 0 : SHEAF_MS(CLEANUP_MS)};
        struct waiting w = {.inner = start(&role), .limit = limits[i % 2]};
        sheaf_future *waiter = sheaf_spawn(wait_with_limit, &w);
        settle();
        sheaf_time began = sheaf_now();
        EXPECT(sheaf_cancel(waiter));
        expect_end(waiter, SHEAF_CANCELLED);
        EXPECT_INT(sheaf_now() - began, role.cleanup);
        EXPECT(sheaf_cancelled(w.inner));
        EXPECT_INT(sheaf__load_acq(&role.ended), 1);
        sheaf_release(w.inner);
    }
    return SHEAF_OK;
}

/* WF7, T16 */
static int a_request_is_not_lost_although_the_inner_is_done(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct waiting w = {.inner = sheaf_promise(NULL), .limit = SHEAF_S(3600)};
    sheaf_future *waiter = sheaf_spawn(wait_with_limit, &w);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    EXPECT_INT(sheaf_resolve(w.inner, number(1)), SHEAF_OK);
    EXPECT(sheaf_cancel(waiter));
    expect_end(waiter, SHEAF_CANCELLED);
    expect_value(w.inner, 1);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- around a shield */

/* WF14, WF2, SH7 */
static int a_shielded_inner_outlives_the_limit(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const sheaf_duration limits[] = {0, SHEAF_MS(LIMIT_MS)};
    for (int i = 0; i < 2; i++) {
        struct role role = {.delay = SHEAF_MS(2 * LIMIT_MS), .value = 5};
        sheaf_future *inner = start(&role);
        settle();
        sheaf_future *outer = sheaf_shield(inner);
        EXPECT_INT(sheaf_wait_for(outer, limits[i], NULL), SHEAF_TIMEOUT);
        EXPECT(sheaf_cancelled(outer));
        EXPECT(!sheaf_done(inner));
        expect_value(inner, 5);
        EXPECT_INT(sheaf__load_acq(&role.requests), 0);
        sheaf_release(outer);
    }
    return SHEAF_OK;
}

/* WF1, SH2 */
static int a_shielded_inner_gives_its_outcome_without_a_limit(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role role = {.delay = SHEAF_US(10), .value = 5};
    sheaf_future *inner = start(&role);
    sheaf_future *outer = sheaf_shield(inner);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_wait_for(outer, SHEAF_FOREVER, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 5);
    sheaf_release(outer);
    expect_value(inner, 5);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(what_ends_in_time_gives_its_outcome),
    TASK_TEST(a_value_that_is_there_at_once_is_given),
    TASK_TEST(without_time_what_is_done_gives_its_value),
    TASK_TEST_ON(MODES_SINGLE, without_time_what_has_not_started_never_runs),
    TASK_TEST_ON(MODES_VIRTUAL, without_time_what_runs_is_cancelled_and_waited_for),
    TASK_TEST_ON(MODES_VIRTUAL, what_the_limit_cancels_has_ended_on_return),
    TASK_TEST_ON(MODES_VIRTUAL, a_value_given_in_spite_of_the_limit_is_given),
    TASK_TEST_ON(MODES_VIRTUAL, an_error_of_the_clean_up_wins),
    TASK_TEST_ON(MODES_VIRTUAL, the_timeout_has_the_cancellation_as_its_cause),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_caller_cancels_the_inner_and_waits_for_it),
    TASK_TEST_ON(MODES_SINGLE, a_request_is_not_lost_although_the_inner_is_done),
    TASK_TEST_ON(MODES_VIRTUAL, a_shielded_inner_outlives_the_limit),
    TASK_TEST(a_shielded_inner_gives_its_outcome_without_a_limit),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
