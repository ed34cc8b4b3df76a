/* Statistics: what a pool and each of its workers tell, and that the sums are right. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

static sheaf_stats stats_of(sheaf_pool *pool)
{
    sheaf_stats stats = {.size = sizeof stats};
    EXPECT_INT(sheaf_pool_stats(pool, &stats), SHEAF_OK);
    return stats;
}

static sheaf_worker_stats worker_stats_of(sheaf_pool *pool, int worker)
{
    sheaf_worker_stats stats = {.size = sizeof stats};
    EXPECT_INT(sheaf_pool_worker_stats(pool, worker, &stats), SHEAF_OK);
    return stats;
}

/* Over all workers and spares; *count receives how many there are. */
static sheaf_worker_stats sum_of(sheaf_pool *pool, int *count)
{
    sheaf_worker_stats sum = {.size = 0}, one = {.size = sizeof one};
    int i = 0;
    for (; sheaf_pool_worker_stats(pool, i, &one) == SHEAF_OK; i++) {
        sum.spawned += one.spawned;
        sum.finished += one.finished;
        sum.inlined += one.inlined;
        sum.stolen += one.stolen;
        sum.parked += one.parked;
        sum.woken += one.woken;
        sum.queued += one.queued;
        EXPECT_INT(one.spare, i >= sheaf_pool_workers(pool));
    }
    *count = i;
    return sum;
}

/* ---------------------------------------------------------------- sums */

static int nest(void *arg, sheaf_value *result)
{
    int64_t depth = (int64_t)(intptr_t)arg;
    (void)result;
    if (depth == 0) {
        return sheaf_sleep(SHEAF_MS(1));
    }
    sheaf_future *two[2];
    for (int i = 0; i < 2; i++) {
        two[i] = sheaf_spawn(nest, (void *)(intptr_t)(depth - 1));
    }
    int status = sheaf_gather(two, 2, SHEAF_GATHER_RAISE, NULL, NULL);
    sheaf_release_all(two, 2);
    return status;
}

enum { DEPTH = 8, TASKS = (2 << DEPTH) - 1 };

static void workers_sum_up_to_their_pool(struct fixture *f)
{
    int count;
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, nest, (void *)(intptr_t)DEPTH), NULL), SHEAF_OK);
    sheaf_stats stats;
    do { /* a worker may count a task a moment after its future was seen done */
        stats = stats_of(f->pool);
    } while (stats.finished < TASKS || stats.woken < stats.parked);
    sheaf_worker_stats sum = sum_of(f->pool, &count);
    EXPECT(count >= sheaf_pool_workers(f->pool));
    EXPECT_INT(stats.spawned, TASKS);
    EXPECT_INT(stats.finished, TASKS);
    EXPECT_INT(sum.spawned, TASKS - 1); /* the first is the thread's */
    EXPECT_INT(sum.finished, TASKS);
    EXPECT_INT(sum.inlined, stats.inlined);
    EXPECT_INT(sum.parked, stats.parked);
    EXPECT_INT(sum.woken, stats.woken);
    EXPECT_INT(sum.stolen, stats.stolen);
    EXPECT_INT(sum.queued, 0);
    EXPECT_INT(stats.queued, 0);
    EXPECT_INT(stats.timers_pending, 0);
    EXPECT_INT(stats.suspended, 0);
    EXPECT(stats.parked >= (1U << DEPTH)); /* each leaf sleeps */
    EXPECT(stats.stacks_peak >= 1);
    if (sheaf_pool_workers(f->pool) == 1 && count == 1) {
        EXPECT_INT(stats.stolen, 0);
    }
}

static int both(void *arg, sheaf_value *result)
{
    int64_t depth = (int64_t)(intptr_t)arg;
    (void)result;
    if (depth > 0) {
        sheaf_task left;
        sheaf_task_spawn(&left, both, (void *)(intptr_t)(depth - 1));
        int status = both((void *)(intptr_t)(depth - 1), result);
        int joined = sheaf_task_join(&left, NULL);
        return status ? status : joined;
    }
    return SHEAF_OK;
}

/* On one worker every child is called by who awaits it. */
static void children_that_are_called_are_counted(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool = NULL;
    options.flags |= SHEAF_POOL_NO_SPARES;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(pool, both, (void *)(intptr_t)6), NULL), SHEAF_OK);
    while (stats_of(pool).finished < 64) {
        sched_yield();
    }
    sheaf_worker_stats stats = worker_stats_of(pool, 0);
    EXPECT_INT(stats.spawned, 63);
    EXPECT_INT(stats.finished, 64);
    EXPECT_INT(stats.inlined, 63);
    EXPECT_INT(stats.stolen, 0);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

/* ---------------------------------------------------------------- what there is now */

static int block_on(void *arg, sheaf_value *result)
{
    struct gate *gate = arg;
    (void)result;
    gate_arrive(gate);
    gate_wait(gate, 2);
    return SHEAF_OK;
}

static int spawn_and_block(void *arg, sheaf_value *result)
{
    sheaf_future *children[50];
    sheaf_spawn_many(nest, NULL, 0, 50, children);
    int status = block_on(arg, result);
    EXPECT_INT(sheaf_wait(children, 50, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, NULL), SHEAF_OK);
    sheaf_release_all(children, 50);
    return status;
}

static void queues_are_as_long_as_they_are(struct fixture *f)
{
    struct gate gate = GATE_INIT;
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool = NULL;
    options.flags |= SHEAF_POOL_NO_SPARES;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    sheaf_future *spawner = sheaf_spawn_on(pool, spawn_and_block, &gate);
    gate_wait(&gate, 1);
    sheaf_future *behind = sheaf_spawn_on(pool, nest, NULL);
    bool deterministic = f->mode->bit & (MODE_FIFO | MODE_SEEDED);
    EXPECT_INT(worker_stats_of(pool, 0).queued, deterministic ? 0 : 50);
    EXPECT_INT(stats_of(pool).queued, 51);
    EXPECT_INT(stats_of(pool).asleep, 0);
    EXPECT(!worker_stats_of(pool, 0).asleep);
    gate_arrive(&gate);
    EXPECT_INT(sheaf_join(spawner, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(behind, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

static int sleep_long(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(3600));
}

static void sleepers_have_timers_and_stacks(struct fixture *f)
{
    sheaf_future *sleepers[30];
    for (int i = 0; i < 30; i++) {
        sleepers[i] = sheaf_spawn_on(f->pool, sleep_long, NULL);
    }
    int workers = sheaf_pool_workers(f->pool);
    while (stats_of(f->pool).suspended < 30 || stats_of(f->pool).asleep < (size_t)workers) {
        sched_yield();
    }
    sheaf_stats stats = stats_of(f->pool);
    EXPECT_INT(stats.timers_pending, 30);
    EXPECT(stats.stacks >= 30 && stats.stacks_peak >= 30);
    EXPECT_INT(stats.queued, 0);
    for (int i = 0; i < workers; i++) {
        EXPECT(worker_stats_of(f->pool, i).asleep);
    }
    for (int i = 0; i < 30; i++) {
        EXPECT(sheaf_cancel(sleepers[i]));
        EXPECT_INT(sheaf_join(sleepers[i], NULL), SHEAF_CANCELLED);
    }
    while (stats_of(f->pool).timers_pending > 0) {
        sched_yield();
    }
}

/* ---------------------------------------------------------------- at any time */

static SHEAF__ATOMIC(bool) over;

static void *read_all_the_time(void *arg)
{
    sheaf_pool *pool = arg;
    uint64_t before = 0;
    int count;
    while (!sheaf__load_acq(&over)) {
        sheaf_stats stats = stats_of(pool);
        EXPECT(stats.finished >= before); /* counters only grow */
        EXPECT(stats.spawned >= stats.finished);
        before = stats.finished;
        sum_of(pool, &count);
    }
    return NULL;
}

static void they_are_read_while_tasks_run(struct fixture *f)
{
    pthread_t thread;
    sheaf__store_rel(&over, false);
    EXPECT_INT(pthread_create(&thread, NULL, read_all_the_time, f->pool), 0);
    for (size_t i = 0; i < fixture_scaled(20); i++) {
        EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, nest, (void *)(intptr_t)6), NULL), SHEAF_OK);
    }
    sheaf__store_rel(&over, true);
    EXPECT_INT(pthread_join(thread, NULL), 0);
}

static void wrong_arguments_are_refused(struct fixture *f)
{
    sheaf_worker_stats stats = {.size = sizeof stats};
    EXPECT_INT(sheaf_pool_worker_stats(NULL, 0, &stats), SHEAF_INVALID);
    EXPECT_INT(sheaf_pool_worker_stats(f->pool, -1, &stats), SHEAF_INVALID);
    EXPECT_INT(sheaf_pool_worker_stats(f->pool, 0, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_pool_worker_stats(f->pool, SHEAF_WORKERS_MAX * 2, &stats), SHEAF_EMPTY);
    stats.size = 1;
    EXPECT_INT(sheaf_pool_worker_stats(f->pool, 0, &stats), SHEAF_INVALID);
}

static const struct fixture_test tests[] = {
    THREAD_TEST(workers_sum_up_to_their_pool),
    POOL_TEST_ON(MODE_1, children_that_are_called_are_counted),
    POOL_TEST_ON(MODES_SINGLE, queues_are_as_long_as_they_are),
    THREAD_TEST_ON(MODES_REAL, sleepers_have_timers_and_stacks),
    THREAD_TEST(they_are_read_while_tasks_run),
    THREAD_TEST_ON(MODE_2, wrong_arguments_are_refused),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
