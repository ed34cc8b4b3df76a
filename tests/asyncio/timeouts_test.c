/* Timeout scopes as asyncio's own tests see them. */
#include "tests/support/roles.h"

#include <errno.h>

/* Sleeps in a scope, which must last as long as said, and looks at it from outside. */
static void expect_scope(sheaf_duration limit, sheaf_duration sleep, bool expires)
{
    sheaf_time began = sheaf_now();
    sheaf_timeout scope = {0};
    EXPECT_INT(sheaf_timeout_begin(&scope, limit, 0), SHEAF_OK);
    int status = sheaf_sleep(sleep);
    EXPECT_INT(status, expires ? SHEAF_CANCELLED : SHEAF_OK);
    EXPECT_INT(sheaf_timeout_expired(&scope), expires);
    EXPECT_INT(sheaf_cancelling(NULL), expires);
    EXPECT_INT(sheaf_timeout_end(&scope, status), expires ? SHEAF_TIMEOUT : SHEAF_OK);
    EXPECT_INT(sheaf_timeout_expired(&scope), expires);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    sheaf_duration passed = expires ? limit : sleep;
    EXPECT_INT(sheaf_now() - began, passed > 0 ? passed : 0);
}

/* ---------------------------------------------------------------- one scope */

/* TO1, TO2, TO3 */
static int a_limit_that_passes_becomes_a_timeout(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_scope(SHEAF_MS(10), SHEAF_S(10), true);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    return SHEAF_OK;
}

/* TO3 */
static int a_scope_tells_its_point_in_time(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_time deadline = sheaf_now() + SHEAF_MS(10);
    sheaf_timeout scope = {0};
    EXPECT_INT(sheaf_timeout_begin_until(&scope, deadline, 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_when(&scope), deadline);
    int status = sheaf_sleep(SHEAF_S(10));
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_TIMEOUT);
    EXPECT_INT(sheaf_timeout_end(&scope, status), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_timeout_when(&scope), deadline);
    EXPECT_INT(sheaf_now(), deadline);
    return SHEAF_OK;
}

/* TO1 */
static int a_body_that_is_in_time_ends_as_it_does(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_scope(SHEAF_S(10), SHEAF_MS(10), false);
    EXPECT_INT(sheaf_sleep(SHEAF_S(20)), SHEAF_OK);
    return SHEAF_OK;
}

/* TO6 */
static int a_scope_without_a_deadline_never_expires(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_scope(SHEAF_FOREVER, SHEAF_S(3600), false);
    sheaf_timeout scope = {0};
    EXPECT_INT(sheaf_timeout_begin_until(&scope, SHEAF_FOREVER, 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_when(&scope), SHEAF_FOREVER);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(10)), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_OK), SHEAF_OK);
    EXPECT(!sheaf_timeout_expired(&scope));
    EXPECT_INT(sheaf_timeout_when(&scope), SHEAF_FOREVER);
    return SHEAF_OK;
}

/* TO7 */
static int a_deadline_that_has_passed_ends_the_first_suspension(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_scope(0, SHEAF_S(10), true);
    expect_scope(0, 0, true);
    expect_scope(-SHEAF_S(3), 0, true);
    sheaf_timeout scope = {0};
    EXPECT_INT(sheaf_timeout_begin_until(&scope, sheaf_now() - SHEAF_S(1), 0), SHEAF_OK);
    int status = sheaf_sleep(0);
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_timeout_end(&scope, status), SHEAF_TIMEOUT);
    return SHEAF_OK;
}

/* TO1 */
static int another_error_before_the_limit_passes_through(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {0};
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_S(10), 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_end(&scope, EIO), EIO);
    EXPECT(!sheaf_timeout_expired(&scope));
    return SHEAF_OK;
}

static int cancel_oneself_in_a_scope(void *arg, sheaf_value *result)
{
    sheaf_timeout *scope = arg;
    (void)result;
    EXPECT_INT(sheaf_timeout_begin(scope, SHEAF_S(10), 0), SHEAF_OK);
    EXPECT(sheaf_cancel(sheaf_current()));
    int status = sheaf_sleep(SHEAF_S(20));
    EXPECT_INT(status, SHEAF_CANCELLED);
    return sheaf_timeout_end(scope, status);
}

/* TO14 */
static int a_request_of_others_before_the_limit_stays_a_cancellation(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {0};
    sheaf_future *task = sheaf_spawn(cancel_oneself_in_a_scope, &scope);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(task));
    EXPECT_INT(sheaf_cancelling(task), 1);
    EXPECT(!sheaf_timeout_expired(&scope));
    sheaf_release(task);
    return SHEAF_OK;
}

static int time_out_within(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_scope(SHEAF_MS(1), SHEAF_S(10), true);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return sheaf_sleep(SHEAF_MS(1));
}

/* TO3 */
static int the_task_around_a_scope_is_not_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *task = sheaf_spawn(time_out_within, NULL);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_OK);
    EXPECT(!sheaf_cancelled(task));
    EXPECT_INT(sheaf_cancelling(task), 0);
    sheaf_release(task);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- errors and their links */

/* Fails in the clean-up after the limit has passed. */
static int fail_in_a_scope(void *arg, sheaf_value *result)
{
    const int *depth = arg;
    (void)result;
    sheaf_timeout scope = {0};
    SHEAF_TRY(sheaf_timeout_begin(&scope, SHEAF_MS(1), 0));
    int status = sheaf_sleep(SHEAF_S(10));
    EXPECT_INT(status, SHEAF_CANCELLED);
    if (*depth > 0) {
        const int below = *depth - 1;
        status = sheaf_join(sheaf_spawn_copy(fail_in_a_scope, &below, sizeof below), NULL);
    } else {
        status = sheaf_raise(EIO, "broken clean-up");
    }
    status = sheaf_timeout_end(&scope, status);
    EXPECT(sheaf_timeout_expired(&scope));
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return status;
}

/* TO5 */
static int an_error_of_the_clean_up_passes_through(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int depth = 0; depth < 3; depth++) {
        sheaf_future *task = sheaf_spawn(fail_in_a_scope, &depth);
        EXPECT_INT(sheaf_await(task, NULL), EIO);
        expect_error(task, EIO, "broken clean-up");
        sheaf_release(task);
    }
    return SHEAF_OK;
}

static int time_out(void *arg, sheaf_value *result)
{
    sheaf_timeout scope = {0};
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_timeout_begin(&scope, SHEAF_MS(1), 0));
    return sheaf_timeout_end(&scope, sheaf_sleep(SHEAF_S(10)));
}

/* TO3, P23 */
static int a_timeout_has_the_cancellation_as_its_cause(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *task = sheaf_spawn(time_out, NULL);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_TIMEOUT);
    sheaf_error *error = sheaf_future_error(task);
    EXPECT_INT(sheaf_error_code(error), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_error_code(sheaf_error_cause(error)), SHEAF_CANCELLED);
    sheaf_error_release(error);
    sheaf_release(task);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- what a scope refuses */

/* TO10 */
static int a_scope_cannot_be_begun_while_it_is_begun(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {0};
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_OK), SHEAF_STATE);
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_S(3600), 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_S(3600), 0), SHEAF_STATE);
    EXPECT_INT(sheaf_timeout_begin_until(&scope, SHEAF_FOREVER, 0), SHEAF_STATE);
    int status = sheaf_sleep(SHEAF_US(10));
    EXPECT_INT(status, SHEAF_OK);
    EXPECT_INT(sheaf_timeout_end(&scope, status), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_OK), SHEAF_STATE);
    return SHEAF_OK;
}

/* TO9 */
static int a_deadline_moves_only_while_the_scope_is_active(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {0};
    sheaf_time later = sheaf_now() + SHEAF_S(10);
    EXPECT_INT(sheaf_timeout_reschedule(&scope, later), SHEAF_STATE);
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_S(1), 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_OK), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_reschedule(&scope, later), SHEAF_STATE);

    sheaf_timeout expiring = {0};
    EXPECT_INT(sheaf_timeout_begin(&expiring, SHEAF_MS(1), 0), SHEAF_OK);
    int status = sheaf_sleep(SHEAF_S(10));
    EXPECT(sheaf_timeout_expired(&expiring));
    EXPECT_INT(sheaf_timeout_reschedule(&expiring, later), SHEAF_STATE);
    EXPECT_INT(sheaf_timeout_end(&expiring, status), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_timeout_reschedule(&expiring, later), SHEAF_STATE);
    EXPECT(sheaf_timeout_expired(&expiring));
    return SHEAF_OK;
}

/* TO10, P16 */
static void a_plain_thread_has_no_scopes(struct fixture *f)
{
    (void)f;
    sheaf_timeout scope = {0};
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_S(1), 0), SHEAF_NOTASK);
    EXPECT_INT(sheaf_timeout_begin_until(&scope, SHEAF_FOREVER, 0), SHEAF_NOTASK);
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_OK), SHEAF_NOTASK);
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, a_limit_that_passes_becomes_a_timeout),
    TASK_TEST_ON(MODES_VIRTUAL, a_scope_tells_its_point_in_time),
    TASK_TEST_ON(MODES_VIRTUAL, a_body_that_is_in_time_ends_as_it_does),
    TASK_TEST_ON(MODES_VIRTUAL, a_scope_without_a_deadline_never_expires),
    TASK_TEST_ON(MODES_VIRTUAL, a_deadline_that_has_passed_ends_the_first_suspension),
    TASK_TEST(another_error_before_the_limit_passes_through),
    TASK_TEST(a_request_of_others_before_the_limit_stays_a_cancellation),
    TASK_TEST_ON(MODES_VIRTUAL, the_task_around_a_scope_is_not_cancelled),
    TASK_TEST_ON(MODES_VIRTUAL, an_error_of_the_clean_up_passes_through),
    TASK_TEST_ON(MODES_VIRTUAL, a_timeout_has_the_cancellation_as_its_cause),
    TASK_TEST(a_scope_cannot_be_begun_while_it_is_begun),
    TASK_TEST_ON(MODES_VIRTUAL, a_deadline_moves_only_while_the_scope_is_active),
    THREAD_TEST(a_plain_thread_has_no_scopes),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
