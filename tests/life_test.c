/* Many pools: one after the other, at once, within each other; and waits that signals interrupt. */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <sheaf.h>
#include <cmocka.h>

#include "lib/atomics.h"
#include "lib/platform/sanitize.h"
#include "tests/support/fixture.h"

static int give_one(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 1;
    return SHEAF_OK;
}

static int sleep_a_moment(void *arg, sheaf_value *result)
{
    SHEAF_TRY(sheaf_sleep(SHEAF_US(10)));
    return give_one(arg, result);
}

static sheaf_pool *open_with(int workers)
{
    sheaf_pool *pool = NULL;
    EXPECT_INT(sheaf_pool_open(SHEAF_OPTIONS(.workers = workers), &pool), SHEAF_OK);
    return pool;
}

static void drain(sheaf_pool *pool)
{
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

/* ---------------------------------------------------------------- what a process has */

static int count_entries(const char *folder)
{
    int count = 0;
    DIR *directory = opendir(folder);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    if (directory) {
        closedir(directory);
    }
    return count;
}

static int count_mappings(void)
{
    int count = 0;
    int c;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && (c = fgetc(maps)) != EOF) {
        count += c == '\n';
    }
    if (maps) {
        fclose(maps);
    }
    return count;
}

static void use_one(size_t i)
{
    sheaf_pool *pool = open_with(1 + (int)(i % 2));
    /* A timer thread as well in some. */
    sheaf_fn *fn = i % 8 == 0 ? sleep_a_moment : give_one;
    EXPECT_INT(sheaf_join(sheaf_spawn_on(pool, fn, NULL), NULL), SHEAF_OK);
    drain(pool);
}

static void ten_thousand_pools_leave_nothing_behind(struct fixture *f)
{
    (void)f;
    size_t pools = fixture_scaled(10000);
    size_t warm = pools / 10;
    for (size_t i = 0; i < warm; i++) {
        use_one(i);
    }
    int threads = count_entries("/proc/self/task");
    int files = count_entries("/proc/self/fd");
    int mappings = count_mappings();
    for (size_t i = warm; i < pools; i++) {
        use_one(i);
    }
    /* A joined thread leaves /proc a moment after the join. */
    while (count_entries("/proc/self/task") > threads) {
        sched_yield();
    }
    EXPECT_INT(count_entries("/proc/self/fd"), files);
    /* The C library keeps some stacks of ended threads, and arenas, now these, now those; a
     * sanitizer keeps what it likes. */
    EXPECT(SHEAF__SANITIZED || count_mappings() <= mappings + 64);
}

/* ---------------------------------------------------------------- at once, within each other */

enum { AT_ONCE = 64 };

static void many_pools_live_at_once(struct fixture *f)
{
    (void)f;
    sheaf_pool *pools[AT_ONCE];
    sheaf_future *futures[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        pools[i] = open_with(1);
        futures[i] = sheaf_spawn_on(pools[i], sleep_a_moment, NULL);
    }
    sheaf_value values[AT_ONCE];
    EXPECT_INT(sheaf_gather(futures, AT_ONCE, SHEAF_GATHER_RAISE, values, NULL), SHEAF_OK);
    for (int i = AT_ONCE - 1; i >= 0; i--) {
        drain(pools[i]);
        EXPECT_INT(values[i].i64, 1);
    }
    sheaf_release_all(futures, AT_ONCE);
}

/* Opens a pool whose task does the same, so many levels deep. */
static int open_within(void *arg, sheaf_value *result)
{
    intptr_t levels = (intptr_t)arg;
    if (levels == 0) {
        return sleep_a_moment(NULL, result);
    }
    sheaf_pool *pool;
    SHEAF_TRY(sheaf_pool_open(SHEAF_OPTIONS(.workers = 1), &pool));
    int status = sheaf_join(sheaf_spawn_on(pool, open_within, (void *)(levels - 1)), result);
    result->i64++;
    SHEAF_TRY(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL));
    return status;
}

static void pools_open_within_the_tasks_of_others(struct fixture *f)
{
    sheaf_value value;
    sheaf_future *outer = sheaf_spawn_on(f->pool, open_within, (void *)(intptr_t)8);
    EXPECT_INT(sheaf_join(outer, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 1 + 8);
}

/* ---------------------------------------------------------------- closing under load */

enum { CLOSERS = 4, SPAWNERS = 4 };

struct race {
    sheaf_pool *pool;
    struct gate *hold;             /* opened when the task that ignores requests is to end */
    SHEAF__ATOMIC(bool) begun;     /* that task */
    SHEAF__ATOMIC(unsigned) named; /* how often it was named as late; others may be too */
    SHEAF__ATOMIC(uint64_t) ran;
    SHEAF__ATOMIC(uint64_t) accepted;
};

static int ignore_requests(void *arg, sheaf_value *result)
{
    struct race *race = arg;
    (void)result;
    sheaf__store_rel(&race->begun, true);
    gate_wait(race->hold, 1);
    return SHEAF_OK;
}

static int count_run(void *arg, sheaf_value *result)
{
    struct race *race = arg;
    (void)result;
    sheaf__add_rlx(&race->ran, 1);
    return SHEAF_OK;
}

static void note_late(void *context, const sheaf_future *task, const char *name)
{
    struct race *race = context;
    (void)task;
    sheaf__add_rlx(&race->named, strcmp(name, "stubborn") == 0);
}

static void *close_in_vain(void *arg)
{
    struct race *race = arg;
    for (int i = 0; i < 5; i++) {
        int status = sheaf_pool_close(race->pool, SHEAF_CLOSE_CANCEL, SHEAF_MS(1), note_late, race);
        EXPECT(status == SHEAF_TIMEOUT || status == SHEAF_STATE);
    }
    return NULL;
}

static void *spawn_until_refused(void *arg)
{
    struct race *race = arg;
    int status;
    do {
        sheaf_future *future = sheaf_spawn_on(race->pool, count_run, race);
        status = sheaf_await(future, NULL);
        if (status == SHEAF_OK) {
            sheaf__add_rlx(&race->accepted, 1);
        }
        sheaf_release(future);
    } while (status == SHEAF_OK || status == SHEAF_CANCELLED);
    EXPECT_INT(status, SHEAF_CLOSED);
    return NULL;
}

static void closes_and_spawns_of_many_threads_race(struct fixture *f)
{
    (void)f;
    struct gate hold = GATE_INIT;
    struct race race = {.pool = open_with(2), .hold = &hold};
    sheaf_future *stubborn = sheaf_spawn_with(
        SHEAF_SPAWN_OPTIONS(.pool = race.pool, .name = "stubborn"), ignore_requests, &race);
    while (!sheaf__load_acq(&race.begun)) {
        sched_yield(); /* a task that has not begun would be cancelled */
    }
    pthread_t threads[CLOSERS + SPAWNERS];
    for (int i = 0; i < CLOSERS + SPAWNERS; i++) {
        void *(*body)(void *) = i < SPAWNERS ? spawn_until_refused : close_in_vain;
        EXPECT_INT(pthread_create(&threads[i], NULL, body, &race), 0);
    }
    for (int i = 0; i < CLOSERS + SPAWNERS; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT(sheaf__load_rlx(&race.named) > 0);
    /* One that was asked while it ran has run, and ends cancelled. */
    EXPECT(sheaf__load_rlx(&race.ran) >= sheaf__load_rlx(&race.accepted));
    gate_arrive(&hold);
    drain(race.pool);
    /* The request was never delivered: it makes the outcome. */
    EXPECT_INT(sheaf_join(stubborn, NULL), SHEAF_CANCELLED);
}

/* ---------------------------------------------------------------- afterwards */

static void a_closed_default_pool_begins_anew(struct fixture *f)
{
    (void)f;
    for (int i = 0; i < 5; i++) {
        sheaf_stats stats = {.size = sizeof stats};
        EXPECT_INT(sheaf_pool_stats(sheaf_pool_default(), &stats), SHEAF_OK);
        EXPECT_INT(stats.spawned + stats.finished + stats.timers + stats.suspended, 0);
        EXPECT_INT(sheaf_join(sheaf_spawn(sleep_a_moment, NULL), NULL), SHEAF_OK);
        EXPECT_INT(sheaf_pool_stats(sheaf_pool_default(), &stats), SHEAF_OK);
        EXPECT_INT(stats.spawned, 1);
        EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
        EXPECT_INT(sheaf_set_allocator(NULL), SHEAF_OK); /* nothing of the library's lives */
    }
}

static void a_thread_on_one_cpu_opens_pools_of_one_worker(struct fixture *f)
{
    (void)f;
    cpu_set_t before;
    cpu_set_t one;
    EXPECT_INT(sched_getaffinity(0, sizeof before, &before), 0);
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &before)) {
        cpu++;
    }
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    EXPECT_INT(sched_setaffinity(0, sizeof one, &one), 0);
    sheaf_pool *pool = open_with(0);
    EXPECT_INT(sheaf_pool_workers(pool), 1);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(pool, sleep_a_moment, NULL), NULL), SHEAF_OK);
    drain(pool);
    EXPECT_INT(sched_setaffinity(0, sizeof before, &before), 0);
}

/* ---------------------------------------------------------------- signals during waits */

static SHEAF__ATOMIC(unsigned) signals;

static void count_signal(int signal)
{
    (void)signal;
    sheaf__add_rlx(&signals, 1);
}

/* From here on every wait of this thread is interrupted a thousand times a second. */
static void start_signals(struct sigaction *before)
{
    struct sigaction action = {.sa_flags = 0};
    struct itimerval often = {.it_interval = {.tv_usec = 1000}, .it_value = {.tv_usec = 1000}};
    action.sa_handler = count_signal;
    sigemptyset(&action.sa_mask);
    EXPECT_INT(sigaction(SIGALRM, &action, before), 0);
    EXPECT_INT(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void stop_signals(const struct sigaction *before)
{
    struct itimerval never = {.it_value = {.tv_usec = 0}};
    EXPECT_INT(setitimer(ITIMER_REAL, &never, NULL), 0);
    EXPECT_INT(sigaction(SIGALRM, before, NULL), 0);
}

/* Lets so many signals come before it goes on. */
static int wait_for_signals(void *arg, sheaf_value *result)
{
    unsigned until = sheaf__load_rlx(&signals) + 3;
    while (sheaf__load_rlx(&signals) < until) {
        SHEAF_TRY(sheaf_sleep(SHEAF_US(200)));
    }
    return give_one(arg, result);
}

static int unlock_late(void *arg, sheaf_value *result)
{
    SHEAF_TRY(sheaf_lock(arg));
    SHEAF_TRY(wait_for_signals(NULL, result));
    return sheaf_unlock(arg);
}

static int put_late(void *arg, sheaf_value *result)
{
    SHEAF_TRY(wait_for_signals(NULL, result));
    return sheaf_queue_put(arg, (sheaf_value){.i64 = 5});
}

static void *block_late(void *arg)
{
    sheaf_future *future = sheaf_blocking(wait_for_signals, arg);
    EXPECT_INT(sheaf_join(future, NULL), SHEAF_OK);
    return NULL;
}

static void wait_in_all_ways(struct fixture *f)
{
    sheaf_future *futures[2] = {sheaf_spawn_on(f->pool, wait_for_signals, NULL),
                                sheaf_spawn_on(f->pool, wait_for_signals, NULL)};
    EXPECT_INT(sheaf_gather(futures, 2, SHEAF_GATHER_RAISE, NULL, NULL), SHEAF_OK);
    sheaf_release_all(futures, 2);
    sheaf_future *future = sheaf_spawn_on(f->pool, wait_for_signals, NULL);
    EXPECT_INT(sheaf_await_for(future, SHEAF_S(100), NULL), SHEAF_OK);
    sheaf_release(future);

    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    sheaf_time start = sheaf_now();
    EXPECT_INT(sheaf_await_for(promise, SHEAF_MS(20), NULL), SHEAF_TIMEOUT);
    EXPECT(sheaf_now() - start >= SHEAF_MS(20));
    sheaf_release(promise);
    start = sheaf_now();
    EXPECT_INT(sheaf_sleep(SHEAF_MS(20)), SHEAF_OK);
    EXPECT(sheaf_now() - start >= SHEAF_MS(20));
    block_late(NULL);
}

static void wait_for_objects(struct fixture *f)
{
    sheaf_mutex mutex = SHEAF_MUTEX_INIT;
    sheaf_future *holder = sheaf_spawn_on(f->pool, unlock_late, &mutex);
    EXPECT_INT(sheaf_lock(&mutex), SHEAF_OK);
    EXPECT_INT(sheaf_unlock(&mutex), SHEAF_OK);
    EXPECT_INT(sheaf_join(holder, NULL), SHEAF_OK);

    sheaf_queue queue;
    sheaf_value value;
    EXPECT_INT(sheaf_queue_open(&queue, NULL), SHEAF_OK);
    sheaf_future *putter = sheaf_spawn_on(f->pool, put_late, &queue);
    EXPECT_INT(sheaf_queue_get(&queue, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 5);
    EXPECT_INT(sheaf_join(putter, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_queue_close(&queue), SHEAF_OK);
}

static void signals_end_no_wait(struct fixture *f)
{
    struct sigaction before;
    start_signals(&before);
    wait_in_all_ways(f);
    wait_for_objects(f);
    EXPECT_INT(sheaf_run(SHEAF_OPTIONS(.workers = 1), wait_for_signals, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    stop_signals(&before);
    EXPECT(sheaf__load_rlx(&signals) > 3);
}

static const struct fixture_test tests[] = {
    POOL_TEST_ON(MODE_1, ten_thousand_pools_leave_nothing_behind),
    POOL_TEST_ON(MODE_1, many_pools_live_at_once),
    THREAD_TEST_ON(MODES_REAL, pools_open_within_the_tasks_of_others),
    POOL_TEST_ON(MODE_1, closes_and_spawns_of_many_threads_race),
    POOL_TEST_ON(MODE_1, a_closed_default_pool_begins_anew),
    POOL_TEST_ON(MODE_1, a_thread_on_one_cpu_opens_pools_of_one_worker),
    THREAD_TEST_ON(MODE_1 | MODE_4, signals_end_no_wait),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
