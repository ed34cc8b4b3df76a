/* Runners, and what stops a run. */
#include "lib/alloc.h"
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static SHEAF__ATOMIC(int) ended;

static void open_runner(struct fixture *f, sheaf_runner *runner)
{
    sheaf_options options = fixture_options(f);
    sheaf__store_rel(&ended, 0);
    *runner = (sheaf_runner)SHEAF_RUNNER_INIT;
    EXPECT_INT(sheaf_runner_open(runner, &options), SHEAF_OK);
}

/* Waits for what nobody will ever give, until the task is asked to cancel. */
static int wait_for_ever(void)
{
    return sheaf_join(sheaf_promise(SHEAF_PROMISE_OPTIONS(.name = "never")), NULL);
}

static int give_argument(void *arg, sheaf_value *result)
{
    SHEAF_TRY(sheaf_yield());
    result->ptr = arg;
    return SHEAF_OK;
}

static int return_status(void *arg, sheaf_value *result)
{
    (void)result;
    return *(const int *)arg;
}

/* ---------------------------------------------------------------- several mains */

/* RU13 */
static void main_tasks_run_one_after_the_other(struct fixture *f)
{
    sheaf_runner runner;
    sheaf_value value = {0};
    int failure = EIO;
    open_runner(f, &runner);
    EXPECT(sheaf_runner_pool(&runner) != NULL);
    EXPECT_INT(sheaf_runner_run(&runner, give_argument, f, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, f);
    EXPECT_INT(sheaf_runner_run(&runner, return_status, &failure, &value), EIO);
    EXPECT_PTR(value.ptr, f);
    EXPECT_INT(sheaf_runner_run(&runner, give_argument, &failure, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, &failure);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
    EXPECT_PTR(sheaf_runner_pool(&runner), NULL);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
    EXPECT_INT(sheaf_runner_run(&runner, give_argument, f, &value), SHEAF_STATE);
    EXPECT_INT(sheaf_runner_open(&runner, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_runner_open(&runner, NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
}

static void what_makes_no_sense_is_refused(struct fixture *f)
{
    sheaf_runner runner;
    sheaf_options wrong = fixture_options(f);
    wrong.workers = -1;
    EXPECT_INT(sheaf_runner_open(NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_runner_run(NULL, give_argument, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_runner_close(NULL), SHEAF_INVALID);
    EXPECT_PTR(sheaf_runner_pool(NULL), NULL);
    runner = (sheaf_runner)SHEAF_RUNNER_INIT;
    EXPECT_INT(sheaf_runner_open(&runner, &wrong), SHEAF_INVALID);
    wrong.size = sizeof wrong + 8;
    EXPECT_INT(sheaf_runner_open(&runner, &wrong), SHEAF_INVALID);
    EXPECT_INT(sheaf_runner_run(&runner, give_argument, NULL, NULL), SHEAF_STATE);
    open_runner(f, &runner);
    EXPECT_INT(sheaf_runner_run(&runner, NULL, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool;
    options.flags = SHEAF_RUN_SIGINT; /* means something only to a run */
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_INVALID);
}

static int use_from_a_task(void *arg, sheaf_value *result)
{
    sheaf_runner *runner = arg;
    (void)result;
    EXPECT_INT(sheaf_runner_run(runner, give_argument, NULL, NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_runner_close(runner), SHEAF_STATE);
    return SHEAF_OK;
}

static void a_task_cannot_use_the_runner(struct fixture *f)
{
    sheaf_runner runner;
    open_runner(f, &runner);
    EXPECT_INT(sheaf_runner_run(&runner, use_from_a_task, &runner, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
}

struct busy {
    sheaf_runner runner;
    struct gate here;
    struct gate go_on;
};

static int arrive_and_block(void *arg, sheaf_value *result)
{
    struct busy *b = arg;
    (void)result;
    gate_arrive(&b->here);
    gate_wait(&b->go_on, 1);
    return SHEAF_OK;
}

static void *run_busy(void *arg)
{
    struct busy *b = arg;
    EXPECT_INT(sheaf_runner_run(&b->runner, arrive_and_block, b, NULL), SHEAF_OK);
    return NULL;
}

static void a_second_thread_is_refused(struct fixture *f)
{
    struct busy b = {.here = GATE_INIT, .go_on = GATE_INIT};
    pthread_t thread;
    open_runner(f, &b.runner);
    EXPECT_INT(pthread_create(&thread, NULL, run_busy, &b), 0);
    gate_wait(&b.here, 1);
    EXPECT_INT(sheaf_runner_run(&b.runner, give_argument, NULL, NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_runner_close(&b.runner), SHEAF_STATE);
    gate_arrive(&b.go_on);
    pthread_join(thread, NULL);
    EXPECT_INT(sheaf_runner_close(&b.runner), SHEAF_OK);
}

/* ---------------------------------------------------------------- what is left over */

static int rest_until_asked(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(sheaf_resolve(arg, (sheaf_value){0}), SHEAF_OK);
    int status = wait_for_ever();
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_SHUTDOWN);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    sheaf__add_acq_rel(&ended, 1);
    return status;
}

static int leave_one_over(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *started = sheaf_promise(NULL);
    sheaf_release(sheaf_spawn(rest_until_asked, started));
    return sheaf_join(started, NULL);
}

/* RU13 */
static void left_over_tasks_live_until_the_close(struct fixture *f)
{
    sheaf_runner runner;
    open_runner(f, &runner);
    EXPECT_INT(sheaf_runner_run(&runner, leave_one_over, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_runner_run(&runner, leave_one_over, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&ended), 0);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&ended), 2);
}

static int sleep_and_note(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int status = sheaf_sleep(SHEAF_MS(10));
    NOTE("%s", status == SHEAF_OK ? "slept" : "asked");
    return status;
}

static int leave_a_sleeper(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_release(sheaf_spawn(sleep_and_note, NULL));
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(5)));
    NOTE("main");
    return SHEAF_OK;
}

/* The time at which the second main begins is the one at which the first has ended. */
static int tell_time(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = sheaf_now();
    return SHEAF_OK;
}

static void a_virtual_clock_stands_still_between_runs(struct fixture *f)
{
    sheaf_runner runner;
    sheaf_value time = {0};
    open_runner(f, &runner);
    EXPECT_INT(sheaf_runner_run(&runner, leave_a_sleeper, NULL, NULL), SHEAF_OK);
    /* Nothing but the clock keeps the sleeper asleep while this thread does. */
    EXPECT_INT(sheaf_sleep(SHEAF_MS(5)), SHEAF_OK);
    EXPECT_INT(sheaf_runner_run(&runner, tell_time, NULL, &time), SHEAF_OK);
    EXPECT_INT(time.i64, SHEAF_MS(5));
    EXPECT_INT(sheaf_runner_run(&runner, leave_a_sleeper, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
    EXPECT_INT(strncmp(check_notes(&fixture_check), "main ", 5), 0);
    EXPECT(strstr(check_notes(&fixture_check), "slept") != NULL);
    EXPECT(strstr(check_notes(&fixture_check), "asked") != NULL);
}

/* ---------------------------------------------------------------- shared values */

static SHEAF__ATOMIC(int) dropped;

static void count_drop(void *value)
{
    (void)value;
    sheaf__add_acq_rel(&dropped, 1);
}

static const sheaf_local user = {.name = "user", .drop = count_drop};
static char anna[] = "anna", bert[] = "bert";

static int change_user(void *arg, sheaf_value *result)
{
    result->ptr = sheaf_local_get(&user);
    return sheaf_local_set(&user, arg);
}

static int change_user_in_a_child(void *arg, sheaf_value *result)
{
    return sheaf_join(sheaf_spawn(change_user, arg), result);
}

/* RU13, CX5 */
static void main_tasks_share_their_locals(struct fixture *f)
{
    sheaf_runner runner;
    sheaf_value value = {0};
    sheaf__store_rel(&dropped, 0);
    open_runner(f, &runner);
    EXPECT_INT(sheaf_runner_run(&runner, change_user, anna, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, NULL);
    EXPECT_INT(sheaf_runner_run(&runner, change_user_in_a_child, bert, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, anna);
    EXPECT_INT(sheaf_runner_run(&runner, change_user, bert, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, anna);
    EXPECT_INT(sheaf_runner_run(&runner, change_user, NULL, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, bert);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&dropped), 4);
}

/* ---------------------------------------------------------------- fatal errors */

static int end_fatally(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_yield());
    return SHEAF_FATAL;
}

/* Leaves the child to itself, and would rest for ever. */
static int rest_beside_a_fatal_child(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *started = sheaf_promise(NULL);
    sheaf_release(sheaf_spawn(rest_until_asked, started));
    SHEAF_TRY(sheaf_join(started, NULL));
    sheaf_future *child = sheaf_spawn(end_fatally, NULL);
    int status = wait_for_ever();
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_SHUTDOWN);
    EXPECT_INT(sheaf_join(child, NULL), SHEAF_FATAL);
    sheaf__add_acq_rel(&ended, 1);
    return SHEAF_OK;
}

/* T24, P15 */
static void a_fatal_error_of_any_task_stops_the_run(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf__store_rel(&ended, 0);
    EXPECT_INT(sheaf_run(&options, rest_beside_a_fatal_child, NULL, NULL), SHEAF_FATAL);
    EXPECT_INT(sheaf__load_acq(&ended), 2);
    EXPECT_INT(sheaf_run(&options, end_fatally, NULL, NULL), SHEAF_FATAL);
}

static void a_run_that_was_stopped_closes_the_runner(struct fixture *f)
{
    sheaf_runner runner;
    open_runner(f, &runner);
    EXPECT_INT(sheaf_runner_run(&runner, leave_one_over, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_runner_run(&runner, rest_beside_a_fatal_child, NULL, NULL), SHEAF_FATAL);
    EXPECT_INT(sheaf__load_acq(&ended), 3);
    EXPECT_INT(sheaf_runner_run(&runner, give_argument, NULL, NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
}

static void a_fatal_error_between_runs_stops_the_next(struct fixture *f)
{
    sheaf_runner runner;
    for (int closes = 0; closes < 2; closes++) {
        open_runner(f, &runner);
        sheaf_future *fatal = sheaf_spawn_on(sheaf_runner_pool(&runner), end_fatally, NULL);
        EXPECT_INT(sheaf_join(fatal, NULL), SHEAF_FATAL);
        if (closes) {
            EXPECT_INT(sheaf_runner_close(&runner), SHEAF_FATAL);
        } else {
            EXPECT_INT(sheaf_runner_run(&runner, give_argument, f, NULL), SHEAF_FATAL);
        }
        EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
    }
}

/* Borrows the two promises that it waits for: an abandoned task releases nothing. */
static int rest_when_asked(void *arg, sheaf_value *result)
{
    sheaf_future **promises = arg;
    (void)result;
    promises[0] = sheaf_promise(NULL);
    promises[1] = sheaf_promise(NULL);
    sheaf_release(sheaf_spawn(end_fatally, NULL));
    EXPECT_INT(sheaf_await(promises[0], NULL), SHEAF_CANCELLED);
    return sheaf_await(promises[1], NULL);
}

static void swallow_report(void *context, const char *line)
{
    (void)context, (void)line;
}

/* Main, asked after the fatal error, waits again: on a virtual clock that is a deadlock. */
static void a_run_that_cannot_go_on_closes_the_runner(struct fixture *f)
{
    sheaf_runner runner;
    sheaf_future *promises[2];
    open_runner(f, &runner);
    sheaf_set_report_hook(swallow_report, NULL);
    EXPECT_INT(sheaf_runner_run(&runner, rest_when_asked, promises, NULL), SHEAF_DEADLOCK);
    sheaf_set_report_hook(NULL, NULL);
    sheaf_release_all(promises, 2);
    EXPECT_INT(sheaf_runner_run(&runner, give_argument, NULL, NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
    f->unhandled_expected = fixture_unhandled(f); /* what was abandoned */
}

/* ---------------------------------------------------------------- memory */

static void alloc_failures_are_statuses(struct fixture *f)
{
    for (long n = 0; n < 60; n++) {
        sheaf_runner runner = SHEAF_RUNNER_INIT;
        sheaf_options options = fixture_options(f);
        sheaf__alloc_fail_after(n, SHEAF__ALLOC_FAIL_ONCE);
        int status = sheaf_runner_open(&runner, &options);
        if (status == SHEAF_OK) {
            status = sheaf_runner_run(&runner, change_user, anna, NULL);
            int again = sheaf_runner_run(&runner, give_argument, NULL, NULL);
            EXPECT(again == SHEAF_OK || again == SHEAF_NOMEM);
        }
        EXPECT(status == SHEAF_OK || status == SHEAF_NOMEM);
        EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
        sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_ONCE);
    }
}

static const struct fixture_test tests[] = {
    POOL_TEST(main_tasks_run_one_after_the_other),
    POOL_TEST_ON(MODE_2, what_makes_no_sense_is_refused),
    POOL_TEST(a_task_cannot_use_the_runner),
    POOL_TEST(a_second_thread_is_refused),
    POOL_TEST(left_over_tasks_live_until_the_close),
    POOL_TEST_ON(MODES_VIRTUAL, a_virtual_clock_stands_still_between_runs),
    POOL_TEST(main_tasks_share_their_locals),
    POOL_TEST(a_fatal_error_of_any_task_stops_the_run),
    POOL_TEST(a_run_that_was_stopped_closes_the_runner),
    POOL_TEST(a_fatal_error_between_runs_stops_the_next),
    POOL_TEST_ON(MODES_VIRTUAL, a_run_that_cannot_go_on_closes_the_runner),
    POOL_TEST(alloc_failures_are_statuses),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
