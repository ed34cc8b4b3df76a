/* sheaf_run(): the outcome of the main task, and what becomes of the tasks that it leaves over. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <string.h>

static SHEAF__ATOMIC(int) ended;

static int run_as(struct fixture *f, sheaf_fn *fn, void *arg, sheaf_value *value)
{
    sheaf_options options = fixture_options(f);
    sheaf__store_rel(&ended, 0);
    return sheaf_run(&options, fn, arg, value);
}

/* Waits for what nobody will ever give, until the task is asked to cancel. */
static int wait_for_ever(void)
{
    sheaf_future *never = sheaf_promise(SHEAF_PROMISE_OPTIONS(.name = "never"));
    return sheaf_join(never, NULL);
}

/* ---------------------------------------------------------------- the main task */

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

static int cancel_oneself(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT(sheaf_cancel(sheaf_current()));
    return sheaf_yield();
}

/* RU1 */
static void the_outcome_is_the_main_tasks(struct fixture *f)
{
    sheaf_value value = {0};
    EXPECT_INT(run_as(f, give_argument, f, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, f);
    EXPECT_INT(run_as(f, give_argument, f, NULL), SHEAF_OK);
    int statuses[] = {SHEAF_OK, EIO, 5000, SHEAF_CANCELLED, SHEAF_TIMEOUT, SHEAF_NOMEM};
    value.i64 = 17;
    for (size_t i = 1; i < sizeof statuses / sizeof statuses[0]; i++) {
        EXPECT_INT(run_as(f, return_status, &statuses[i], &value), statuses[i]);
        EXPECT_INT(value.i64, 17);
    }
    EXPECT_INT(run_as(f, cancel_oneself, NULL, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_run(NULL, give_argument, f, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, f);
}

static int run_within(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(sheaf_run(NULL, give_argument, arg, NULL), SHEAF_STATE);
    return SHEAF_OK;
}

/* RU7 */
static void a_run_within_a_task_is_refused(struct fixture *f)
{
    EXPECT_INT(run_as(f, run_within, f, NULL), SHEAF_OK);
}

/* ---------------------------------------------------------------- left-overs */

/* Cleans up for a while when it is asked, as it is when the main task has ended. */
static int rest_until_asked(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int status = wait_for_ever();
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    sheaf__add_acq_rel(&ended, 1);
    return status;
}

static int leave_five_over(void *arg, sheaf_value *result)
{
    for (int i = 0; i < 5; i++) {
        sheaf_release(sheaf_spawn(rest_until_asked, NULL));
    }
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    result->i64 = 8;
    return arg ? *(const int *)arg : SHEAF_OK;
}

/* A child may be asked before it has begun: then it never runs. (RU2) */
static void left_over_tasks_are_asked_and_waited_for(struct fixture *f)
{
    sheaf_value value = {0};
    EXPECT_INT(run_as(f, leave_five_over, NULL, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 8);
    EXPECT(sheaf__load_acq(&ended) == 5 || !fixture_virtual(f));
    EXPECT(sheaf__load_acq(&ended) <= 5);
    int status = EIO;
    EXPECT_INT(run_as(f, leave_five_over, &status, &value), EIO);
    EXPECT(sheaf__load_acq(&ended) == 5 || !fixture_virtual(f));
}

static int hear_of_the_shutdown(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_resolve(arg, (sheaf_value){0}));
    int status = wait_for_ever();
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_SHUTDOWN);
    sheaf__add_acq_rel(&ended, 1);
    return status;
}

static int leave_one_over(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *started = sheaf_promise(NULL);
    sheaf_release(sheaf_spawn(hear_of_the_shutdown, started));
    return sheaf_join(started, NULL);
}

static void a_left_over_task_knows_that_the_shutdown_asked(struct fixture *f)
{
    EXPECT_INT(run_as(f, leave_one_over, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&ended), 1);
}

static int start_and_rest(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    NOTE("start");
    int status = wait_for_ever();
    NOTE("%s", status == SHEAF_CANCELLED ? "asked" : "woken");
    return status;
}

static int end_without_waiting(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_release(sheaf_spawn(start_and_rest, NULL));
    NOTE("main");
    return SHEAF_OK;
}

/* RU2 */
static void what_can_run_when_main_ends_runs_until_it_waits(struct fixture *f)
{
    EXPECT_INT(run_as(f, end_without_waiting, NULL, NULL), SHEAF_OK);
    EXPECT_NOTES("main start asked");
}

static int swallow_and_sleep(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_resolve(arg, (sheaf_value){0}));
    EXPECT_INT(wait_for_ever(), SHEAF_CANCELLED);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    }
    sheaf__add_acq_rel(&ended, 1);
    return SHEAF_OK;
}

static int leave_a_swallower(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *started = sheaf_promise(NULL);
    sheaf_release(sheaf_spawn(swallow_and_sleep, started));
    return sheaf_join(started, NULL);
}

/* RU4 */
static void a_left_over_task_that_swallows_the_request_is_waited_for(struct fixture *f)
{
    EXPECT_INT(run_as(f, leave_a_swallower, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&ended), 1);
}

/* Each generation spawns the next one when it is asked. */
static int spawn_another_when_asked(void *arg, sheaf_value *result)
{
    int generation = *(const int *)arg;
    (void)result;
    EXPECT_INT(wait_for_ever(), SHEAF_CANCELLED);
    sheaf__add_acq_rel(&ended, 1);
    if (generation > 0) {
        int below = generation - 1;
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
        sheaf_release(sheaf_spawn_copy(spawn_another_when_asked, &below, sizeof below));
    }
    return SHEAF_CANCELLED;
}

static int shielded_wait(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_mask_begin());
    SHEAF_TRY(sheaf_resolve(arg, (sheaf_value){0}));
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    SHEAF_TRY(sheaf_mask_end());
    sheaf_future *own = sheaf_promise(NULL);
    sheaf_future *child = sheaf_spawn(give_argument, own);
    sheaf_release(child);
    sheaf_release(own);
    sheaf__add_acq_rel(&ended, 1);
    return sheaf_yield();
}

static int leave_one_that_spawns(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *started = sheaf_promise(NULL);
    sheaf_release(sheaf_spawn(shielded_wait, started));
    return sheaf_join(started, NULL);
}

/* RU5 */
static void tasks_spawned_during_the_shutdown_do_not_outlive_it(struct fixture *f)
{
    EXPECT_INT(run_as(f, leave_one_that_spawns, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&ended), 1);
}

static int leave_generations(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int generations = 4;
    sheaf_release(sheaf_spawn_copy(spawn_another_when_asked, &generations, sizeof generations));
    return sheaf_yield();
}

/* A generation that is asked before it has begun is the last. (RU5) */
static void a_shutdown_goes_on_until_nobody_is_left(struct fixture *f)
{
    EXPECT_INT(run_as(f, leave_generations, NULL, NULL), SHEAF_OK);
    EXPECT(sheaf__load_acq(&ended) >= 1);
}

static int fail_when_asked(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_resolve(arg, (sheaf_value){0}));
    EXPECT_INT(wait_for_ever(), SHEAF_CANCELLED);
    return sheaf_raise(EIO, "no clean end");
}

static int leave_a_failing_one(void *arg, sheaf_value *result)
{
    (void)arg;
    sheaf_future *started = sheaf_promise(NULL);
    sheaf_release(
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "left-over"), fail_when_asked, started));
    result->i64 = 2;
    return sheaf_join(started, NULL);
}

/* RU3 */
static void errors_of_left_over_tasks_go_to_the_hook(struct fixture *f)
{
    sheaf_value value = {0};
    EXPECT_INT(run_as(f, leave_a_failing_one, NULL, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 2);
    f->unhandled_expected = 1;
    EXPECT_INT(f->unhandled_code, EIO);
    EXPECT_TEXT(f->unhandled_task, "left-over");
    EXPECT_TEXT(f->unhandled_message, "no clean end");
}

static const struct fixture_test tests[] = {
    POOL_TEST(the_outcome_is_the_main_tasks),
    POOL_TEST(a_run_within_a_task_is_refused),
    POOL_TEST(left_over_tasks_are_asked_and_waited_for),
    POOL_TEST(a_left_over_task_knows_that_the_shutdown_asked),
    POOL_TEST_ON(MODE_FIFO, what_can_run_when_main_ends_runs_until_it_waits),
    POOL_TEST(a_left_over_task_that_swallows_the_request_is_waited_for),
    POOL_TEST(tasks_spawned_during_the_shutdown_do_not_outlive_it),
    POOL_TEST_ON(MODES_SINGLE, a_shutdown_goes_on_until_nobody_is_left),
    POOL_TEST(errors_of_left_over_tasks_go_to_the_hook),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
