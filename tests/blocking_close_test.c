/* Blocking calls and the close of their pool. */
#include "lib/alloc.h"
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <string.h>
#include <time.h>

static SHEAF__ATOMIC(int) ran, dropped_args, dropped_values;

static void drop_arg(void *arg)
{
    (void)arg;
    sheaf__add_acq_rel(&dropped_args, 1);
}

static void drop_value(sheaf_value value)
{
    (void)value;
    sheaf__add_acq_rel(&dropped_values, 1);
}

/* Two gates: a call says that it runs at the first, and ends when the second is open. */
struct meeting {
    sheaf_pool *pool;
    struct gate here;
    struct gate go_on;
};

static int arrive_and_block(void *arg, sheaf_value *result)
{
    struct meeting *m = arg;
    gate_arrive(&m->here);
    gate_wait(&m->go_on, 1);
    sheaf__add_acq_rel(&ran, 1);
    result->i64 = 3;
    return SHEAF_OK;
}

static sheaf_future *call(struct meeting *m, const char *name)
{
    return sheaf_blocking_with(SHEAF_BLOCKING_OPTIONS(.pool = m->pool, .name = name,
                                                      .arg_drop = drop_arg,
                                                      .value_drop = drop_value),
                               arrive_and_block, m);
}

/* A pool on which one call runs, and a second one is queued behind it. */
static void set_up(struct fixture *f, struct meeting *m, sheaf_future *calls[2])
{
    sheaf__store_rel(&ran, 0);
    sheaf__store_rel(&dropped_args, 0);
    sheaf__store_rel(&dropped_values, 0);
    *m = (struct meeting){.here = GATE_INIT, .go_on = GATE_INIT};
    sheaf_options options = fixture_options(f);
    EXPECT_INT(sheaf_pool_open(&options, &m->pool), SHEAF_OK);
    EXPECT_INT(sheaf_blocking_limit(m->pool, 1), SHEAF_OK);
    calls[0] = call(m, "first");
    calls[1] = call(m, "second");
    gate_wait(&m->here, 1);
}

static void note_late(void *context, const sheaf_future *task, const char *name)
{
    (void)context;
    EXPECT(!sheaf_done(task));
    NOTE("%s", name);
}

static void *open_gate_soon(void *arg)
{
    struct meeting *m = arg;
    struct timespec time = {.tv_nsec = 10 * 1000000};
    nanosleep(&time, NULL);
    gate_arrive(&m->go_on);
    return NULL;
}

/* TH4 */
static void a_drain_waits_for_every_call(struct fixture *f)
{
    struct meeting m;
    sheaf_future *calls[2];
    sheaf_value value = {0};
    pthread_t helper;
    set_up(f, &m, calls);
    EXPECT_INT(pthread_create(&helper, NULL, open_gate_soon, &m), 0);
    EXPECT_INT(sheaf_pool_close(m.pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    pthread_join(helper, NULL);
    EXPECT_INT(sheaf__load_acq(&ran), 2);
    EXPECT_INT(sheaf_take(calls[0], &value), SHEAF_OK);
    EXPECT_INT(value.i64, 3);
    sheaf_release_all(calls, 2);
    EXPECT_INT(sheaf__load_acq(&dropped_values), 1);
    EXPECT_INT(sheaf__load_acq(&dropped_args), 0);
}

static void a_cancelling_close_drops_the_queued_and_waits_for_the_running(struct fixture *f)
{
    struct meeting m;
    sheaf_future *calls[2];
    pthread_t helper;
    set_up(f, &m, calls);
    EXPECT_INT(pthread_create(&helper, NULL, open_gate_soon, &m), 0);
    EXPECT_INT(sheaf_pool_close(m.pool, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    pthread_join(helper, NULL);
    EXPECT_INT(sheaf__load_acq(&ran), 1);
    EXPECT_INT(sheaf_result(calls[0], NULL), SHEAF_OK);
    EXPECT_INT(sheaf_result(calls[1], NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf__load_acq(&dropped_args), 1);
    sheaf_release_all(calls, 2);
}

/* TH4 */
static void a_close_that_is_late_names_the_calls_and_can_be_repeated(struct fixture *f)
{
    struct meeting m;
    sheaf_future *calls[2];
    set_up(f, &m, calls);
    EXPECT_INT(sheaf_pool_close(m.pool, SHEAF_CLOSE_DRAIN, SHEAF_MS(1), note_late, NULL),
               SHEAF_TIMEOUT);
    EXPECT_NOTES("first second");
    EXPECT_INT(sheaf_join(call(&m, "too late"), NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf__load_acq(&dropped_args), 1);
    EXPECT_INT(sheaf_pool_close(m.pool, SHEAF_CLOSE_CANCEL, SHEAF_MS(1), note_late, NULL),
               SHEAF_TIMEOUT);
    EXPECT_NOTES("first second first");
    EXPECT_INT(sheaf__load_acq(&dropped_args), 2);
    gate_arrive(&m.go_on);
    EXPECT_INT(sheaf_pool_close(m.pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(calls[0], NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(calls[1], NULL), SHEAF_CANCELLED);
}

/* Waits until the threads that were left to themselves have dropped so many values and ended. */
static void wait_for_abandoned(int values, uint64_t blocks)
{
    struct timespec time = {.tv_nsec = 1000000};
    for (int i = 0; i < 5000 && (sheaf__load_acq(&dropped_values) < values ||
                                 sheaf__alloc_counts().live_blocks > blocks);
         i++) {
        nanosleep(&time, NULL);
    }
    EXPECT_INT(sheaf__load_acq(&dropped_values), values);
    EXPECT_INT(sheaf__alloc_counts().live_blocks, blocks);
}

static void an_abandoned_call_ends_by_itself_and_its_value_is_dropped(struct fixture *f)
{
    uint64_t blocks = sheaf__alloc_counts().live_blocks;
    struct meeting m;
    sheaf_future *calls[2];
    set_up(f, &m, calls);
    EXPECT_INT(sheaf_pool_close(m.pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(calls[0], NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf_join(calls[1], NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf__load_acq(&dropped_args), 1);
    EXPECT_INT(sheaf__load_acq(&ran), 0);
    gate_arrive(&m.go_on);
    wait_for_abandoned(1, blocks);
    EXPECT_INT(sheaf__load_acq(&ran), 1);
}

static int await_call(void *arg, sheaf_value *result)
{
    int status = sheaf_await(arg, result);
    EXPECT(false); /* a task that was abandoned does not go on */
    return status;
}

static void a_task_that_awaits_an_abandoned_call_is_abandoned(struct fixture *f)
{
    uint64_t blocks = sheaf__alloc_counts().live_blocks;
    struct meeting m;
    sheaf_future *calls[2];
    set_up(f, &m, calls);
    sheaf_future *task = sheaf_spawn_on(m.pool, await_call, calls[0]);
    sheaf_stats stats = {.size = sizeof stats};
    while (stats.suspended == 0) {
        EXPECT_INT(sheaf_pool_stats(m.pool, &stats), SHEAF_OK);
    }
    EXPECT_INT(sheaf_pool_close(m.pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf_join(calls[0], NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf_join(calls[1], NULL), SHEAF_CLOSED);
    gate_arrive(&m.go_on);
    wait_for_abandoned(1, blocks);
}

static void a_close_ends_threads_that_have_nothing_to_do(struct fixture *f)
{
    static const sheaf_close ways[] = {SHEAF_CLOSE_DRAIN, SHEAF_CLOSE_CANCEL, SHEAF_CLOSE_ABANDON};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        uint64_t blocks = sheaf__alloc_counts().live_blocks;
        struct meeting m;
        sheaf_future *calls[2];
        set_up(f, &m, calls);
        gate_arrive(&m.go_on);
        EXPECT_INT(sheaf_join(calls[0], NULL), SHEAF_OK);
        EXPECT_INT(sheaf_join(calls[1], NULL), SHEAF_OK);
        EXPECT_INT(sheaf_pool_close(m.pool, ways[i], SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
        EXPECT_INT(sheaf__alloc_counts().live_blocks, blocks);
    }
}

static int take_a_while(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(5)));
    sheaf__add_acq_rel(&ran, 1000);
    return SHEAF_OK;
}

static int call_another(void *arg, sheaf_future *future)
{
    struct meeting *m = arg;
    (void)future;
    /* The pool takes no more calls, of nobody. */
    sheaf_future *refused = call(m, "from a callback");
    EXPECT_INT(sheaf_future_status(refused), SHEAF_CLOSED);
    sheaf_release(refused);
    sheaf_release(sheaf_spawn(take_a_while, NULL));
    sheaf__add_acq_rel(&ran, 100);
    return SHEAF_OK;
}

static void callbacks_of_calls_and_their_tasks_run_before_a_drain_returns(struct fixture *f)
{
    struct meeting m;
    sheaf_future *calls[2];
    pthread_t helper;
    set_up(f, &m, calls);
    EXPECT_INT(sheaf_on_done(calls[1], call_another, &m), SHEAF_OK);
    EXPECT_INT(pthread_create(&helper, NULL, open_gate_soon, &m), 0);
    EXPECT_INT(sheaf_pool_close(m.pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&ran), 1102);
    pthread_join(helper, NULL);
    sheaf_release_all(calls, 2);
}

static int leave_call_over(void *arg, sheaf_value *result)
{
    struct meeting *m = arg;
    (void)result;
    m->pool = sheaf_pool_current();
    sheaf_release(call(m, "left over"));
    gate_wait(&m->here, 1);
    return SHEAF_OK;
}

static void a_run_waits_for_calls_that_run(struct fixture *f)
{
    struct meeting m = {.here = GATE_INIT, .go_on = GATE_INIT};
    pthread_t helper;
    sheaf_options options = fixture_options(f);
    sheaf__store_rel(&ran, 0);
    EXPECT_INT(pthread_create(&helper, NULL, open_gate_soon, &m), 0);
    EXPECT_INT(sheaf_run(&options, leave_call_over, &m, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&ran), 1);
    pthread_join(helper, NULL);
}

static const struct fixture_test tests[] = {
    POOL_TEST(a_drain_waits_for_every_call),
    POOL_TEST(a_cancelling_close_drops_the_queued_and_waits_for_the_running),
    POOL_TEST(a_close_that_is_late_names_the_calls_and_can_be_repeated),
    POOL_TEST(an_abandoned_call_ends_by_itself_and_its_value_is_dropped),
    POOL_TEST(a_task_that_awaits_an_abandoned_call_is_abandoned),
    POOL_TEST(a_close_ends_threads_that_have_nothing_to_do),
    POOL_TEST(callbacks_of_calls_and_their_tasks_run_before_a_drain_returns),
    POOL_TEST(a_run_waits_for_calls_that_run),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
