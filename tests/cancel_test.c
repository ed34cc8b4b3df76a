/* Cancellation as one task sees it: where a request is delivered, what is counted, what is passed
 * on. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>

static int rest(void *arg, sheaf_value *result)
{
    return fixture_rest(arg, result);
}

static int give_seven(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 7;
    return SHEAF_OK;
}

static void expect_message(sheaf_future *f, const char *message)
{
    sheaf_error *error = sheaf_future_error(f);
    EXPECT_INT(sheaf_error_code(error), SHEAF_CANCELLED);
    EXPECT_TEXT(sheaf_error_message(error), message);
    sheaf_error_release(error);
}

/* ---------------------------------------------------------------- before the start */

static SHEAF__ATOMIC(int) bodies, drops;

static void drop_argument(void *arg)
{
    EXPECT_INT(*(const int *)arg, 41);
    sheaf__add_acq_rel(&drops, 1);
}

static int count_body(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__add_acq_rel(&bodies, 1);
    return SHEAF_OK;
}

static sheaf_future *spawn_counted(void)
{
    int argument = 41;
    return sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.copy = sizeof argument, .arg_drop = drop_argument),
                            count_body, &argument);
}

/* T5 */
static int a_task_cancelled_before_its_start_never_runs(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&bodies, 0);
    sheaf__store_rel(&drops, 0);
    sheaf_future *f = spawn_counted();
    EXPECT(sheaf_cancel_message(f, "one"));
    EXPECT(sheaf_cancel_message(f, "two"));
    EXPECT_INT(sheaf_cancelling(f), 2);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_CHILD);
    EXPECT(sheaf_cancelled(f));
    EXPECT_INT(sheaf__load_acq(&bodies), 0);
    EXPECT_INT(sheaf__load_acq(&drops), 1);
    expect_message(f, "two");
    EXPECT(!sheaf_cancel(f));
    sheaf_release(f);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    return SHEAF_OK;
}

/* T18 */
static int a_request_taken_back_before_the_start_lets_it_run(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&bodies, 0);
    sheaf__store_rel(&drops, 0);
    sheaf_future *f = spawn_counted();
    EXPECT(sheaf_cancel(f));
    EXPECT_INT(sheaf_uncancel(f), 0);
    EXPECT_INT(sheaf_join(f, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&bodies), 1);
    EXPECT_INT(sheaf__load_acq(&drops), 0);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- where it is delivered */

enum wait_kind { BY_AWAIT, BY_LIMITED_AWAIT, BY_AWAIT_ERROR, BY_SLEEP, BY_YIELD, WAIT_KINDS };

struct waiting {
    enum wait_kind kind;
    sheaf_future *never;
    sheaf_future *started;
};

static int wait_by(const struct waiting *w)
{
    switch (w->kind) {
    case BY_AWAIT:
        return sheaf_await(w->never, NULL);
    case BY_LIMITED_AWAIT:
        return sheaf_await_for(w->never, SHEAF_S(3600), NULL);
    case BY_AWAIT_ERROR:
        return sheaf_await_error(w->never, NULL, NULL);
    case BY_SLEEP:
        return sheaf_sleep(SHEAF_S(3600));
    default:
        for (;;) {
            SHEAF_TRY(sheaf_yield());
        }
    }
}

static int start_and_wait(void *arg, sheaf_value *result)
{
    const struct waiting *w = arg;
    (void)result;
    EXPECT_INT(sheaf_resolve(w->started, (sheaf_value){0}), SHEAF_OK);
    int status = wait_by(w);
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_USER);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    return status;
}

static int a_task_hears_of_it_where_it_waits(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_time start = sheaf_now();
    for (int kind = 0; kind < WAIT_KINDS; kind++) {
        struct waiting w = {(enum wait_kind)kind, sheaf_promise(NULL), sheaf_promise(NULL)};
        sheaf_future *task = sheaf_spawn(start_and_wait, &w);
        EXPECT_INT(sheaf_await(w.started, NULL), SHEAF_OK);
        EXPECT(sheaf_cancel(task));
        EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
        sheaf_release(w.never);
        sheaf_release(w.started);
    }
    EXPECT(fixture_virtual(f) ? sheaf_now() == start : sheaf_now() - start < SHEAF_S(1000));
    return SHEAF_OK;
}

static int compute_until_told(void *arg, sheaf_value *result)
{
    (void)result;
    gate_arrive(arg);
    int status;
    while ((status = sheaf_checkpoint()) == SHEAF_OK) {
    }
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_USER);
    return status;
}

/* P5 */
static void a_computing_task_hears_of_it_at_a_checkpoint(struct fixture *f)
{
    struct gate started = GATE_INIT;
    sheaf_future *task = sheaf_spawn_on(f->pool, compute_until_told, &started);
    gate_wait(&started, 1);
    EXPECT(!sheaf_done(task));
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
}

static int cancel_oneself(void *arg, sheaf_value *result)
{
    sheaf_future *ended = arg;
    sheaf_mutex mutex = SHEAF_MUTEX_INIT;
    (void)result;
    EXPECT(sheaf_cancel(sheaf_current()));
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    EXPECT_INT(sheaf_await(ended, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_lock(&mutex), SHEAF_OK);
    EXPECT_INT(sheaf_unlock(&mutex), SHEAF_OK);
    EXPECT_INT(sheaf_yield(), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    return SHEAF_CANCELLED;
}

/* P5, T14, F14 */
static int what_need_not_wait_does_not_deliver(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *ended = sheaf_promise(NULL);
    EXPECT_INT(sheaf_resolve(ended, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn(cancel_oneself, ended), NULL), SHEAF_CANCELLED);
    sheaf_release(ended);
    return SHEAF_OK;
}

/* P7, T16 */
static int a_request_beats_a_wake_up_already_decided(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(rest, promise);
    fixture_settle(1);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 5}), SHEAF_OK);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_result(promise, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 5);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- how it ends */

static int swallow_and_go_on(void *arg, sheaf_value *result)
{
    EXPECT_INT(fixture_rest(arg, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    result->i64 = 3;
    return SHEAF_OK;
}

static int fail_instead(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(fixture_rest(arg, NULL), SHEAF_CANCELLED);
    return sheaf_raise(EIO, "while cleaning up");
}

static int be_asked_again_in_the_clean_up(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(fixture_rest(arg, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    sheaf_future *cleaned = sheaf_promise(NULL);
    EXPECT_INT(fixture_rest(cleaned, NULL), SHEAF_CANCELLED);
    sheaf_release(cleaned);
    EXPECT_INT(sheaf_cancelling(NULL), 2);
    return SHEAF_CANCELLED;
}

/* Spawns fn and cancels it as often as asked, each time when it rests; returns its outcome. */
static int outcome_of_cancelled(sheaf_fn *fn, int requests, sheaf_value *value)
{
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(fn, promise);
    for (int i = 0; i < requests; i++) {
        fixture_settle(1);
        EXPECT(sheaf_cancel(task));
    }
    int status = sheaf_await(task, value);
    EXPECT_INT(sheaf_cancelling(task), requests);
    EXPECT(!sheaf_cancel(task));
    EXPECT_INT(sheaf_cancelling(task), requests);
    sheaf_release(task);
    sheaf_release(promise);
    return status;
}

/* T11, T12, T13 */
static int the_bodys_last_word_counts(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_value value = {0};
    EXPECT_INT(outcome_of_cancelled(swallow_and_go_on, 1, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 3);
    EXPECT_INT(outcome_of_cancelled(fail_instead, 1, NULL), EIO);
    EXPECT_INT(outcome_of_cancelled(be_asked_again_in_the_clean_up, 2, NULL), SHEAF_CANCELLED);
    EXPECT_INT(outcome_of_cancelled(rest, 1, NULL), SHEAF_CANCELLED);
    return SHEAF_OK;
}

/* T10, T20 */
static int several_requests_are_one_delivery_and_all_count(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(rest, promise);
    fixture_settle(1);
    EXPECT(sheaf_cancel_message(task, "first"));
    EXPECT(sheaf_cancel_message(task, "second"));
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_cancelling(task), 3);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    expect_message(task, "first");
    EXPECT_INT(sheaf_cancelling(task), 3);
    EXPECT_INT(sheaf_uncancel(task), 2);
    EXPECT_INT(sheaf_uncancel(task), 1);
    EXPECT_INT(sheaf_uncancel(task), 0);
    EXPECT_INT(sheaf_uncancel(task), 0);
    EXPECT(sheaf_cancelled(task));
    sheaf_release(task);
    sheaf_release(promise);
    return SHEAF_OK;
}

static SHEAF__ATOMIC(int) values_dropped;

static void drop_value(sheaf_value value)
{
    EXPECT_INT(value.i64, 7);
    sheaf__add_acq_rel(&values_dropped, 1);
}

static int finish_in_spite_of_a_request(void *arg, sheaf_value *result)
{
    EXPECT(sheaf_cancel_message(sheaf_current(), "too late"));
    result->i64 = 7;
    return *(const int *)arg;
}

/* Whoever ends a task tells its awaiters before it drops the value. */
static int await_drops(int count)
{
    while (sheaf__load_acq(&values_dropped) < count) {
        SHEAF_TRY(sheaf_yield());
    }
    return SHEAF_OK;
}

/* P9, P14, T15 */
static int a_value_given_with_a_request_pending_is_dropped(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&values_dropped, 0);
    int status = SHEAF_OK;
    sheaf_future *f = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.value_drop = drop_value),
                                       finish_in_spite_of_a_request, &status);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(f));
    expect_message(f, "too late");
    sheaf_release(f);
    SHEAF_TRY(await_drops(1));

    f = sheaf_spawn_with(
        SHEAF_SPAWN_OPTIONS(.value_drop = drop_value, .flags = SHEAF_SPAWN_KEEP_LATE_RESULT),
        finish_in_spite_of_a_request, &status);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(f, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 7);
    EXPECT_INT(sheaf_cancelling(f), 1);
    EXPECT_INT(sheaf_take(f, &value), SHEAF_OK);
    sheaf_release(f);
    EXPECT_INT(sheaf__load_acq(&values_dropped), 1);

    status = EIO;
    f = sheaf_spawn(finish_in_spite_of_a_request, &status);
    EXPECT_INT(sheaf_join(f, NULL), EIO);
    return SHEAF_OK;
}

/* T9 */
static int who_is_done_cannot_be_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f = sheaf_spawn(give_seven, NULL);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_OK);
    EXPECT(!sheaf_cancel(f));
    EXPECT(!sheaf_cancel_message(f, "%d", 1));
    EXPECT(!sheaf_cancelled(f));
    EXPECT_INT(sheaf_cancelling(f), 0);
    EXPECT_INT(sheaf_join(f, NULL), SHEAF_OK);
    EXPECT(!sheaf_cancel(NULL));
    EXPECT(!sheaf_cancel_message(NULL, "nobody"));
    return SHEAF_OK;
}

static sheaf_future *dying;

static void look_around_without_argument(void *arg)
{
    const size_t *count = arg;
    EXPECT_INT(sheaf_all_tasks(sheaf_pool_current(), NULL, 0), *count);
    EXPECT(sheaf_current() != dying);
}

static void look_around_without_value(sheaf_value value)
{
    EXPECT_INT(value.i64, 7);
    EXPECT(sheaf_current() != dying);
    sheaf__add_acq_rel(&values_dropped, 1);
}

static int ask_oneself(void *arg, sheaf_value *result)
{
    (void)arg;
    dying = sheaf_current();
    EXPECT(sheaf_cancel(dying));
    result->i64 = 7;
    return SHEAF_OK;
}

static int a_drop_does_not_run_in_the_task_that_ends(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&values_dropped, 0);
    size_t count = sheaf_all_tasks(sheaf_pool_current(), NULL, 0);
    dying = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.arg_drop = look_around_without_argument),
                             count_body, &count);
    EXPECT(sheaf_cancel(dying));
    EXPECT_INT(sheaf_join(dying, NULL), SHEAF_CANCELLED);
    sheaf_future *f = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.value_drop = look_around_without_value),
                                       ask_oneself, NULL);
    EXPECT_INT(sheaf_join(f, NULL), SHEAF_CANCELLED);
    return await_drops(1);
}

static int a_spawn_that_fails_drops_its_argument(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&drops, 0);
    int argument = 41;
    sheaf_future *f = sheaf_spawn_with(
        SHEAF_SPAWN_OPTIONS(.arg_drop = drop_argument, .stack_size = 1), count_body, &argument);
    EXPECT_INT(sheaf_join(f, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf__load_acq(&drops), 1);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_SINGLE, a_task_cancelled_before_its_start_never_runs),
    TASK_TEST_ON(MODES_SINGLE, a_request_taken_back_before_the_start_lets_it_run),
    TASK_TEST(a_task_hears_of_it_where_it_waits),
    THREAD_TEST(a_computing_task_hears_of_it_at_a_checkpoint),
    TASK_TEST(what_need_not_wait_does_not_deliver),
    TASK_TEST_ON(MODES_SINGLE, a_request_beats_a_wake_up_already_decided),
    TASK_TEST_ON(MODES_SINGLE, the_bodys_last_word_counts),
    TASK_TEST_ON(MODES_SINGLE, several_requests_are_one_delivery_and_all_count),
    TASK_TEST(a_value_given_with_a_request_pending_is_dropped),
    TASK_TEST(who_is_done_cannot_be_cancelled),
    TASK_TEST_ON(MODES_SINGLE, a_drop_does_not_run_in_the_task_that_ends),
    TASK_TEST(a_spawn_that_fails_drops_its_argument),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
