/* Pools: opening, the ways of closing, several at once, the default one, their threads. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/threads.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int give_one(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 1;
    return SHEAF_OK;
}

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

static sheaf_future *promise_on(sheaf_pool *pool)
{
    return sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool));
}

static sheaf_pool *open_as(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool = NULL;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    return pool;
}

static int close_as(sheaf_pool *pool, sheaf_close how, sheaf_duration limit)
{
    return sheaf_pool_close(pool, how, limit, NULL, NULL);
}

/* ---------------------------------------------------------------- opening */

static void options_out_of_range_are_refused(struct fixture *f)
{
    (void)f;
    const sheaf_options *bad[] = {
        SHEAF_OPTIONS(.workers = -1),
        SHEAF_OPTIONS(.workers = SHEAF_WORKERS_MAX + 1),
        SHEAF_OPTIONS(.stack_size = (16 << 10) - 1),
        SHEAF_OPTIONS(.stack_size = ((size_t)1 << 30) + 1),
        SHEAF_OPTIONS(.stack_size = SIZE_MAX),
        SHEAF_OPTIONS(.clock = (sheaf_clock)7),
        SHEAF_OPTIONS(.schedule = (sheaf_schedule)7),
        SHEAF_OPTIONS(.workers = 2, .schedule = SHEAF_SCHEDULE_FIFO),
        SHEAF_OPTIONS(.workers = 2, .seed = 1),
        SHEAF_OPTIONS(.flags = 1U << 31),
        SHEAF_OPTIONS(.workers = 1, .flags = SHEAF_POOL_MIGRATE),
        SHEAF_OPTIONS(.seed = 1, .flags = SHEAF_POOL_MIGRATE),
        SHEAF_OPTIONS(.schedule = SHEAF_SCHEDULE_FIFO, .flags = SHEAF_POOL_MIGRATE),
        SHEAF_OPTIONS(.workers = 2, .flags = SHEAF_POOL_MIGRATE | SHEAF_POOL_PIN),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char mark;
        sheaf_pool *pool = (sheaf_pool *)(void *)&mark;
        EXPECT_INT(sheaf_pool_open(bad[i], &pool), SHEAF_INVALID);
        EXPECT_PTR(pool, &mark);
        EXPECT_INT(sheaf_run(bad[i], give_one, NULL, NULL), SHEAF_INVALID);
    }
}

static void options_are_the_pools(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    EXPECT_INT(sheaf_pool_workers(pool), f->mode->workers);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(sheaf_pool_open(NULL, &pool), SHEAF_OK);
    EXPECT(sheaf_pool_workers(pool) >= 1);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(sheaf_pool_open(SHEAF_OPTIONS(.schedule = SHEAF_SCHEDULE_FIFO), &pool), SHEAF_OK);
    EXPECT_INT(sheaf_pool_workers(pool), 1);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_CANCEL, 0), SHEAF_OK);
    EXPECT_INT(sheaf_pool_open(SHEAF_OPTIONS(.seed = 5), &pool), SHEAF_OK);
    EXPECT_INT(sheaf_pool_workers(pool), 1);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_ABANDON, 0), SHEAF_OK);
}

static void a_pool_opens_and_closes_again_and_again(struct fixture *f)
{
    for (size_t i = 0; i < fixture_scaled(100); i++) {
        sheaf_pool *pool = open_as(f);
        if (i % 2) {
            EXPECT_INT(sheaf_join(sheaf_spawn_on(pool, give_one, NULL), NULL), SHEAF_OK);
        }
        EXPECT_INT(close_as(pool, (sheaf_close)(i % 3), SHEAF_S(20)), SHEAF_OK);
    }
}

static void several_pools_live_side_by_side(struct fixture *f)
{
    sheaf_pool *pools[5];
    sheaf_future *ends[5];
    sheaf_future *begin = NULL;
    for (int i = 0; i < 5; i++) {
        pools[i] = open_as(f);
        begin = i == 0 ? promise_on(pools[0]) : begin;
        ends[i] = sheaf_spawn_on(pools[i], await_it, i == 0 ? begin : ends[i - 1]);
    }
    EXPECT_INT(sheaf_resolve(begin, (sheaf_value){.i64 = 6}), SHEAF_OK);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(ends[4], &value), SHEAF_OK);
    EXPECT_INT(value.i64, 6);
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(close_as(pools[i], SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    }
    sheaf_release_all(ends, 5);
    sheaf_release(begin);
}

static int close_own_pool(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(close_as(arg, SHEAF_CLOSE_DRAIN, 0), SHEAF_STATE);
    EXPECT_INT(sheaf_run(NULL, give_one, NULL, NULL), SHEAF_STATE);
    return SHEAF_OK;
}

static int open_and_close_another(void *arg, sheaf_value *result)
{
    sheaf_pool *pool = open_as(arg);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(pool, give_one, NULL), result), SHEAF_OK);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    return SHEAF_OK;
}

static void a_task_closes_other_pools_but_not_its_own(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(pool, close_own_pool, pool), NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(pool, open_and_close_another, f), NULL), SHEAF_OK);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(close_as(NULL, SHEAF_CLOSE_DRAIN, 0), SHEAF_INVALID);
    pool = open_as(f);
    EXPECT_INT(close_as(pool, (sheaf_close)9, 0), SHEAF_INVALID);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, 0), SHEAF_OK);
}

/* ---------------------------------------------------------------- the default pool */

static void the_default_pool_opens_when_it_is_needed(struct fixture *f)
{
    (void)f;
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, 0), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_join(sheaf_spawn(give_one, NULL), &value), SHEAF_OK);
        EXPECT_INT(value.i64, 1);
        sheaf_pool *pool = sheaf_pool_default();
        EXPECT(pool != NULL);
        EXPECT_PTR(sheaf_pool_default(), pool);
        EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    }
}

static void *spawn_from_thread(void *arg)
{
    (void)arg;
    EXPECT_INT(sheaf_join(sheaf_spawn(give_one, NULL), NULL), SHEAF_OK);
    return sheaf_pool_default();
}

static void the_default_pool_is_one_for_all_threads(struct fixture *f)
{
    (void)f;
    for (size_t round = 0; round < fixture_scaled(40); round++) {
        pthread_t threads[6];
        void *pools[6];
        for (int i = 0; i < 6; i++) {
            EXPECT_INT(pthread_create(&threads[i], NULL, spawn_from_thread, NULL), 0);
        }
        for (int i = 0; i < 6; i++) {
            pthread_join(threads[i], &pools[i]);
            EXPECT_PTR(pools[i], pools[0]);
        }
        EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    }
}

/* ---------------------------------------------------------------- threads */

static int sleep_often(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 5; i++) {
        SHEAF_TRY(sheaf_sleep(SHEAF_US(200)));
    }
    return SHEAF_OK;
}

static int wait_on_children(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *children[10];
    sheaf_spawn_many(sleep_often, NULL, 0, 10, children);
    for (int i = 0; i < 10; i++) {
        SHEAF_TRY(sheaf_join(children[i], NULL));
    }
    return SHEAF_OK;
}

static void a_pool_has_its_workers_one_timer_thread_and_spares(struct fixture *f)
{
    int before = count_threads("");
    sheaf_pool *pool = open_as(f);
    int opened = count_threads("") - before;
    EXPECT_INT(opened, f->mode->workers);
    sheaf_future *futures[50];
    for (int i = 0; i < 50; i++) {
        futures[i] = sheaf_spawn_on(pool, wait_on_children, NULL);
    }
    int most = 0;
    for (int i = 0; i < 50; i++) {
        int now = count_threads("") - before;
        most = now > most ? now : most;
        EXPECT_INT(sheaf_join(futures[i], NULL), SHEAF_OK);
    }
    EXPECT(most <= f->mode->workers * 2 + 1);
    while (count_threads("fixture") < f->mode->workers) {
        sched_yield(); /* a thread that has not run yet has not named itself */
    }
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    /* A joined thread leaves /proc a moment after the join. */
    while (count_threads("") > before) {
        sched_yield();
    }
    EXPECT_INT(count_threads(""), before);
}

static int look_at_signal_mask(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const int asynchronous[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD};
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    sigset_t mask;
    EXPECT_INT(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    for (size_t i = 0; i < sizeof asynchronous / sizeof asynchronous[0]; i++) {
        EXPECT_INT(sigismember(&mask, asynchronous[i]), 1);
    }
    for (size_t i = 0; i < sizeof synchronous / sizeof synchronous[0]; i++) {
        EXPECT_INT(sigismember(&mask, synchronous[i]), 0);
    }
    return SHEAF_OK;
}

static void workers_leave_signals_to_the_programs_threads(struct fixture *f)
{
    sigset_t before, after;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    sheaf_pool *pool = open_as(f);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(pool, look_at_signal_mask, NULL), NULL), SHEAF_OK);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    EXPECT_INT(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
}

/* ---------------------------------------------------------------- counters */

static void statistics_add_up(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    sheaf_future *futures[20];
    for (int i = 0; i < 20; i++) {
        futures[i] = sheaf_spawn_on(pool, wait_on_children, NULL);
    }
    for (int i = 0; i < 20; i++) {
        EXPECT_INT(sheaf_join(futures[i], NULL), SHEAF_OK);
    }
    sheaf_stats stats = {.size = sizeof stats};
    do { /* a worker may count a task a moment after its future was seen done */
        EXPECT_INT(sheaf_pool_stats(pool, &stats), SHEAF_OK);
    } while (stats.finished < 20 * 11 || stats.suspended > 0);
    EXPECT_INT(stats.spawned, 20 * 11);
    EXPECT_INT(stats.finished, 20 * 11);
    EXPECT_INT(stats.parked, stats.woken);
    /* A sleep whose time has come when it begins sets none. */
    EXPECT(stats.timers > 0 && stats.timers <= 20 * 10 * 5);
    EXPECT(stats.stacks >= 1);
    stats.size = 1;
    EXPECT_INT(sheaf_pool_stats(pool, &stats), SHEAF_INVALID);
    EXPECT_INT(sheaf_pool_stats(pool, NULL), SHEAF_INVALID);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

static void note_line(void *context, const char *line)
{
    char *text = context;
    EXPECT(strchr(line, '\n') == NULL);
    if (strlen(text) + strlen(line) + 2 < 8192) {
        strcat(strcat(text, line), "\n");
    }
}

/* CG1, CG3 */
static void a_dump_names_the_tasks_and_what_they_wait_for(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    sheaf_future *answer = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool, .name = "the-answer"));
    sheaf_future *task =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = pool, .name = "the-asker"), await_it, answer);
    static char text[8192];
    do {
        text[0] = '\0';
        sheaf_pool_dump(pool, note_line, text);
    } while (!strstr(text, "the-asker") || !strstr(text, "the-answer"));
    EXPECT_INT(sheaf_resolve(answer, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_OK);
    sheaf_release(answer);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

static void the_default_pool_may_have_options(struct fixture *f)
{
    (void)f;
    EXPECT_INT(sheaf_pool_default_open(SHEAF_OPTIONS(.workers = -1)), SHEAF_INVALID);
    EXPECT_INT(sheaf_pool_default_open(SHEAF_OPTIONS(.workers = 3)), SHEAF_OK);
    EXPECT_INT(sheaf_pool_workers(sheaf_pool_default()), 3);
    EXPECT_INT(sheaf_pool_default_open(SHEAF_OPTIONS(.workers = 2)), SHEAF_STATE);
    EXPECT_INT(sheaf_pool_workers(sheaf_pool_default()), 3);
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(sheaf_pool_default_open(NULL), SHEAF_OK);
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

static const struct fixture_test tests[] = {
    POOL_TEST_ON(MODE_1, options_out_of_range_are_refused),
    POOL_TEST(options_are_the_pools),
    POOL_TEST(a_pool_opens_and_closes_again_and_again),
    POOL_TEST(several_pools_live_side_by_side),
    POOL_TEST(a_task_closes_other_pools_but_not_its_own),
    POOL_TEST_ON(MODE_1, the_default_pool_opens_when_it_is_needed),
    POOL_TEST_ON(MODE_1, the_default_pool_is_one_for_all_threads),
    POOL_TEST_ON(MODE_1, the_default_pool_may_have_options),
    POOL_TEST(a_pool_has_its_workers_one_timer_thread_and_spares),
    POOL_TEST(workers_leave_signals_to_the_programs_threads),
    POOL_TEST(statistics_add_up),
    POOL_TEST(a_dump_names_the_tasks_and_what_they_wait_for),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
