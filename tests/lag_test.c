/* Reports of tasks that were asked to cancel and have not reacted. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/roles.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { TEXT = 4096 };

/* What was reported, and how many lines. */
static struct {
    pthread_mutex_t lock;
    char text[TEXT];
} reports = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct gate lines = GATE_INIT;

static void note_report(void *context, const char *line)
{
    (void)context;
    pthread_mutex_lock(&reports.lock);
    size_t length = strlen(reports.text);
    (void)snprintf(reports.text + length, TEXT - length, "%s\n", line);
    pthread_mutex_unlock(&reports.lock);
    gate_arrive(&lines);
}

static bool reported(const char *what)
{
    pthread_mutex_lock(&reports.lock);
    bool found = strstr(reports.text, what) != NULL;
    pthread_mutex_unlock(&reports.lock);
    return found;
}

/* Runs fn in a pool that reports after that time.  Returns: how many lines were reported */
static unsigned long run_reporting(struct fixture *f, sheaf_duration after, sheaf_fn *fn)
{
    unsigned long before = gate_count(&lines);
    sheaf_options options = fixture_options(f);
    options.cancel_report = after;
    reports.text[0] = '\0';
    sheaf_set_report_hook(note_report, NULL);
    EXPECT_INT(sheaf_run(&options, fn, f, NULL), SHEAF_OK);
    sheaf_set_report_hook(NULL, NULL);
    return gate_count(&lines) - before;
}

/* ---------------------------------------------------------------- who is late */

static int sleep_masked(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_mask_begin());
    EXPECT_INT(sheaf_sleep(SHEAF_S(10)), SHEAF_OK);
    SHEAF_TRY(sheaf_mask_end());
    return sheaf_checkpoint();
}

static int cancel_a_masked_one(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_time start = sheaf_now();
    sheaf_future *task =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "masked"), sleep_masked, NULL);
    SHEAF_TRY(sheaf_sleep(SHEAF_S(1)));
    EXPECT(sheaf_cancel(task));
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1999)));
    EXPECT(!reported("masked"));
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(2)));
    EXPECT(reported("task 'masked' was asked to cancel 2.000 s ago and has not reacted: "
                    "suspended, waits for a timer for 3.000 s, spawned at tests/lag_test.c:"));
    EXPECT(reported(", asked to cancel, masked"));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_now() - start, SHEAF_S(10));
    return SHEAF_OK;
}

static void a_task_that_does_not_react_is_reported(struct fixture *f)
{
    EXPECT_INT(run_reporting(f, SHEAF_S(2), cancel_a_masked_one), 1);
}

/* Computes, with a checkpoint before it is asked and none after, until it was reported. */
static int compute(void *arg, sheaf_value *result)
{
    struct gate *asked = arg;
    (void)result;
    SHEAF_TRY(sheaf_checkpoint());
    unsigned long before = gate_count(&lines);
    gate_arrive(asked);
    gate_wait(&lines, before + 1);
    return sheaf_checkpoint();
}

static int cancel_a_computing_one(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct gate asked = GATE_INIT;
    sheaf_future *task = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "computes"), compute, &asked);
    gate_wait(&asked, 1);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    EXPECT(
        reported("task 'computes' was asked to cancel 0.020 s ago and has not reacted: running"));
    EXPECT(reported(" on worker "));
    EXPECT(reported(", last checkpoint at tests/lag_test.c:"));
    return SHEAF_OK;
}

static void the_last_checkpoint_is_told(struct fixture *f)
{
    EXPECT_INT(run_reporting(f, SHEAF_MS(20), cancel_a_computing_one), 1);
}

/* ---------------------------------------------------------------- who is not */

static size_t pending_timers(void)
{
    sheaf_stats stats = {.size = sizeof stats};
    EXPECT_INT(sheaf_pool_stats(sheaf_pool_current(), &stats), SHEAF_OK);
    return stats.timers_pending;
}

/* One that awaits another passes the request on: the other is the one to react. */
static int cancel_those_that_react(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_time begin = sheaf_now();
    struct role sleeper = {.delay = SHEAF_S(100)}, passes_on = {.awaited = NULL};
    struct role swallows = {.delay = SHEAF_S(100), .asked = SWALLOW};
    struct role cleans_up = {.delay = SHEAF_S(100), .cleanup = SHEAF_S(20)};
    passes_on.awaited = start(&sleeper);
    sheaf_future *tasks[3] = {start(&passes_on), start(&swallows), start(&cleans_up)};
    SHEAF_TRY(sheaf_sleep(SHEAF_S(1)));
    for (int i = 0; i < 3; i++) {
        EXPECT(sheaf_cancel(tasks[i]));
    }
    settle();
    EXPECT_INT(pending_timers(), 1); /* of who cleans up: nobody is late */
    EXPECT_INT(sheaf_wait(tasks, 3, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_now() - begin, SHEAF_S(21)); /* no timer has kept the clock */
    EXPECT_INT(sheaf_future_status(tasks[0]), SHEAF_CANCELLED);
    sheaf_release_all(tasks, 3);
    sheaf_release(passes_on.awaited);
    return SHEAF_OK;
}

static void who_reacts_is_not_reported(struct fixture *f)
{
    EXPECT_INT(run_reporting(f, SHEAF_S(2), cancel_those_that_react), 0);
}

static int hold_back(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_mask_begin());
    EXPECT_INT(sheaf_sleep(SHEAF_S(3)), SHEAF_OK);
    return sheaf_mask_end();
}

/* It ends before the time is over, or the request is taken back. */
static int cancel_and_take_back(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *tasks[2] = {sheaf_spawn(hold_back, NULL), sheaf_spawn(hold_back, NULL)};
    SHEAF_TRY(sheaf_sleep(SHEAF_S(1)));
    size_t before = pending_timers();
    EXPECT(sheaf_cancel(tasks[0]));
    EXPECT(sheaf_cancel(tasks[1]));
    EXPECT_INT(pending_timers(), before + 2);
    EXPECT_INT(sheaf_uncancel(tasks[0]), 0);
    EXPECT_INT(pending_timers(), before + 1);
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_CANCELLED);
    EXPECT_INT(pending_timers(), 0);
    return SHEAF_OK;
}

static void what_is_over_in_time_is_not_reported(struct fixture *f)
{
    EXPECT_INT(run_reporting(f, SHEAF_S(5), cancel_and_take_back), 0);
}

/* ---------------------------------------------------------------- odd ends */

static int await_masked(void *arg, sheaf_value *result)
{
    SHEAF_TRY(sheaf_mask_begin());
    return sheaf_await(arg, result);
}

/* The pool goes while the timer is set: nothing is reported, and nothing is left. */
static void a_pool_may_end_before_the_time(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool = NULL;
    sheaf_stats stats = {.size = sizeof stats};
    unsigned long before = gate_count(&lines);
    options.cancel_report = SHEAF_S(3600);
    options.clock = SHEAF_CLOCK_REAL;
    sheaf_set_report_hook(note_report, NULL);
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool));
    sheaf_future *task = sheaf_spawn_on(pool, await_masked, promise);
    do {
        EXPECT_INT(sheaf_pool_stats(pool, &stats), SHEAF_OK);
    } while (stats.suspended == 0);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf_resolve(promise, number(1)), SHEAF_OK);
    sheaf_release(promise);
    sheaf_set_report_hook(NULL, NULL);
    EXPECT_INT(gate_count(&lines), before);
}

static int end_late(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_mask_begin());
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    return sheaf_mask_end();
}

/* The time is over just when the tasks end: whichever comes first, each is told at most once. */
static int cancel_many_at_their_end(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (size_t round = 0; round < fixture_scaled(200); round++) {
        sheaf_future *tasks[20];
        sheaf_spawn_many(end_late, NULL, 0, 20, tasks);
        (void)sheaf_yield();
        for (int i = 0; i < 20; i++) {
            (void)sheaf_cancel(tasks[i]);
        }
        for (int i = 0; i < 20; i++) {
            int status = sheaf_join(tasks[i], NULL);
            EXPECT(status == SHEAF_OK || status == SHEAF_CANCELLED);
        }
    }
    return SHEAF_OK;
}

static void the_end_and_the_timer_may_meet(struct fixture *f)
{
    run_reporting(f, 1000, cancel_many_at_their_end);
}

static void a_negative_time_is_refused(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool = NULL;
    options.cancel_report = -1;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_INVALID);
}

static const struct fixture_test tests[] = {
    POOL_TEST_ON(MODES_VIRTUAL, a_task_that_does_not_react_is_reported),
    POOL_TEST_ON(MODE_2 | MODE_4 | MODE_8, the_last_checkpoint_is_told),
    POOL_TEST_ON(MODES_VIRTUAL, who_reacts_is_not_reported),
    POOL_TEST_ON(MODES_VIRTUAL, what_is_over_in_time_is_not_reported),
    POOL_TEST_ON(MODES_REAL, a_pool_may_end_before_the_time),
    POOL_TEST_ON(MODES_REAL, the_end_and_the_timer_may_meet),
    POOL_TEST_ON(MODE_1, a_negative_time_is_refused),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
