/* Cancelling tasks as asyncio's own tests do it. */
#include "tests/support/roles.h"

#include <errno.h>

/* ---------------------------------------------------------------- requests taken back */

/* Gets through one request and is ended by the next. */
static int take_back_once(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(sheaf_sleep(SHEAF_S(10)), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    EXPECT_INT(sheaf_uncancel(NULL), 0);
    EXPECT_INT(sheaf_sleep(SHEAF_S(1)), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(arg, number(0)), SHEAF_OK);
    return sheaf_sleep(SHEAF_S(10));
}

/* T12, T18, T20 */
static int a_request_taken_back_is_over_and_the_next_one_is_not(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *again = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(take_back_once, again);
    settle();
    EXPECT_INT(sheaf_cancelling(task), 0);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_await(again, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(task), 0);
    settle();
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(task), 1);
    EXPECT(sheaf_cancelled(task));
    EXPECT_INT(sheaf_uncancel(task), 0);
    EXPECT(sheaf_cancelled(task));
    sheaf_release(task);
    sheaf_release(again);
    return SHEAF_OK;
}

/* A limit in time made of nothing but requests. */
struct alarm {
    sheaf_future *target;
    sheaf_duration limit;
    SHEAF__ATOMIC(int) rang;
};

static int ring(void *arg, sheaf_value *result)
{
    struct alarm *a = arg;
    (void)result;
    SHEAF_TRY(sheaf_sleep(a->limit));
    sheaf__store_rel(&a->rang, 1);
    EXPECT(sheaf_cancel(a->target));
    return SHEAF_OK;
}

/* Sleeps in a scope of that limit.  Returns: SHEAF_TIMEOUT when it cut the sleep short */
static int sleep_for_at_most(sheaf_duration limit, sheaf_duration sleep)
{
    struct alarm alarm = {.target = sheaf_current(), .limit = limit};
    sheaf_future *task = sheaf_spawn(ring, &alarm);
    int status = sheaf_sleep(sleep);
    (void)sheaf_cancel(task);
    (void)sheaf_join(task, NULL);
    if (sheaf__load_acq(&alarm.rang) && sheaf_uncancel(NULL) == 0 && status == SHEAF_CANCELLED) {
        return SHEAF_TIMEOUT;
    }
    return status;
}

static int use_limits_by_hand(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sleep_for_at_most(SHEAF_MS(10), SHEAF_S(10)), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sleep_for_at_most(SHEAF_S(10), SHEAF_MS(10)), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return sheaf_sleep(SHEAF_MS(10));
}

/* TO3, T18, P10 */
static int what_is_around_a_limit_made_by_hand_is_unharmed(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_time began = sheaf_now();
    sheaf_future *task = sheaf_spawn(use_limits_by_hand, NULL);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(task), 0);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(30));
    sheaf_release(task);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- what is awaited */

/* T6, T9 */
static int a_cancelled_sleeper_is_done_and_takes_no_more_requests(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_time began = sheaf_now();
    struct role sleeper = {.delay = SHEAF_S(10)};
    sheaf_future *task = start(&sleeper);
    settle();
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_done(task) && sheaf_cancelled(task));
    EXPECT(!sheaf_cancel(task));
    EXPECT(sheaf_now() - began < SHEAF_S(1));
    sheaf_release(task);
    return SHEAF_OK;
}

/* T6, SL4 */
static int who_awaits_a_cancelled_sleeper_hears_of_it_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_time began = sheaf_now();
    struct role sleeper = {.delay = SHEAF_S(3600)};
    sheaf_future *task = start(&sleeper);
    struct role awaiter = {.awaited = task};
    sheaf_future *second = start(&awaiter);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    EXPECT(sheaf_cancel(task));
    expect_end(second, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(1));
    EXPECT_INT(sheaf__load_acq(&awaiter.requests), 1);
    expect_end(task, SHEAF_CANCELLED);
    return SHEAF_OK;
}

/* T26 */
static int a_cancelled_promise_cancels_who_awaits_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    struct role awaiter = {.awaited = promise};
    sheaf_future *task = start(&awaiter);
    settle();
    EXPECT(sheaf_cancel(promise));
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_CHILD);
    EXPECT(sheaf_cancelled(task));
    EXPECT_INT(sheaf_cancelling(task), 0);
    sheaf_release(task);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* T6, T10 */
static int a_promise_and_its_awaiter_are_cancelled_together(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    struct role awaiter = {.awaited = promise};
    sheaf_future *task = start(&awaiter);
    settle();
    EXPECT(sheaf_cancel(promise));
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(task), 1);
    EXPECT_INT(sheaf__load_acq(&awaiter.requests), 1);
    EXPECT(sheaf_cancelled(promise) && sheaf_cancelled(task));
    sheaf_release(task);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int cancel_oneself_and_await(void *arg, sheaf_value *result)
{
    EXPECT(sheaf_cancel(sheaf_current()));
    return sheaf_await(arg, result);
}

/* T14, T7 */
static int a_request_to_oneself_goes_on_to_the_task_awaited_next(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role sleeper = {.delay = SHEAF_S(10)};
    sheaf_future *inner = start(&sleeper);
    settle();
    sheaf_future *outer = sheaf_spawn(cancel_oneself_and_await, inner);
    expect_end(outer, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_await(inner, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(inner));
    sheaf_release(inner);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- through calls and clean-ups */

static int await_at_depth(sheaf_future *promise, int depth)
{
    int status = depth > 0 ? await_at_depth(promise, depth - 1) : sheaf_await(promise, NULL);
    NOTE("%d", depth);
    return status;
}

static int await_in_nested_calls(void *arg, sheaf_value *result)
{
    (void)result;
    return await_at_depth(arg, 2);
}

/* T27, T6 */
static int a_request_goes_down_to_the_promise_and_up_through_the_calls(void *arg,
                                                                       sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(await_in_nested_calls, promise);
    settle();
    EXPECT(sheaf_cancel(task));
    EXPECT(sheaf_cancelled(promise));
    expect_end(task, SHEAF_CANCELLED);
    EXPECT_NOTES("0 1 2");
    sheaf_release(promise);
    return SHEAF_OK;
}

static int fail_because_of_the_request(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_error *cause = NULL;
    sheaf_future *promise = arg;
    EXPECT_INT(sheaf_await(promise, NULL), SHEAF_CANCELLED);
    cause = sheaf_future_error(promise);
    sheaf_error *error = sheaf_error_with_cause(sheaf_error_new(EIO, "gave up"), cause);
    int status = sheaf_raise_error(error);
    sheaf_error_release(error);
    sheaf_error_release(cause);
    return status;
}

/* P23, T13 */
static int an_error_raised_because_of_a_request_names_it_as_its_cause(void *arg,
                                                                      sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(fail_because_of_the_request, promise);
    settle();
    EXPECT(sheaf_cancel_message(task, "enough"));
    EXPECT_INT(sheaf_await(task, NULL), EIO);
    sheaf_error *error = sheaf_future_error(task);
    EXPECT_TEXT(sheaf_error_message(error), "gave up");
    EXPECT_INT(sheaf_error_code(sheaf_error_cause(error)), SHEAF_CANCELLED);
    EXPECT_TEXT(sheaf_error_message(sheaf_error_cause(error)), "enough");
    sheaf_error_release(error);
    sheaf_release(task);
    sheaf_release(promise);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, a_request_taken_back_is_over_and_the_next_one_is_not),
    TASK_TEST_ON(MODES_VIRTUAL, what_is_around_a_limit_made_by_hand_is_unharmed),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_sleeper_is_done_and_takes_no_more_requests),
    TASK_TEST_ON(MODES_VIRTUAL, who_awaits_a_cancelled_sleeper_hears_of_it_at_once),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_promise_cancels_who_awaits_it),
    TASK_TEST_ON(MODES_EXACT, a_promise_and_its_awaiter_are_cancelled_together),
    TASK_TEST_ON(MODES_VIRTUAL, a_request_to_oneself_goes_on_to_the_task_awaited_next),
    TASK_TEST_ON(MODES_VIRTUAL, a_request_goes_down_to_the_promise_and_up_through_the_calls),
    TASK_TEST_ON(MODES_VIRTUAL, an_error_raised_because_of_a_request_names_it_as_its_cause),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
