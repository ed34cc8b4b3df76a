/* A pool that has nothing to do does nothing: none of its threads runs, whatever it did before. */
#include "lib/platform/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/threads.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* For how long none of them may run, and how often that is tried: a moment of rest comes late on a
 * machine that others load. */
enum { TRIES = 40, QUIET_MS = 500 };

static int64_t cpu_time(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static void expect_idle(const char *after)
{
    long switches = 1;
    int64_t used = 0;
    for (int i = 0; switches > 0 && i < TRIES; i++) {
        long before = count_switches("fixture");
        int64_t start = cpu_time();
        usleep(QUIET_MS * 1000);
        used = cpu_time() - start;
        switches = count_switches("fixture") - before;
    }
    fprintf(stderr, "idle after %s: %.3f ms of CPU in %d ms, %ld switches\n", after,
            (double)used / 1e6, QUIET_MS, switches);
    EXPECT_INT(switches, 0);
    /* The measuring thread's own included. */
    EXPECT(used < SHEAF_MS(20));
}

/* ---------------------------------------------------------------- kinds of work */

static int fib(void *arg, sheaf_value *result)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    sheaf_value left = {0};
    sheaf_future *right = sheaf_spawn(fib, (void *)(n - 2));
    SHEAF_TRY(fib((void *)(n - 1), &left));
    SHEAF_TRY(sheaf_join(right, result));
    result->i64 += left.i64;
    return SHEAF_OK;
}

static int sleep_some(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 20; i++) {
        SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    }
    return SHEAF_OK;
}

/* Longer than it takes until spares are lent for woken tasks, and for those that have not begun. */
static int compute_long(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int64_t until = sheaf__clock_monotonic() + SHEAF_MS(100);
    while (sheaf__clock_monotonic() < until) {
    }
    return SHEAF_OK;
}

static int block_long(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    usleep(50000);
    return SHEAF_OK;
}

static void run_all(struct fixture *f, sheaf_fn *fn, int count)
{
    sheaf_future *futures[40];
    sheaf_future *sleeper = sheaf_spawn_on(f->pool, sleep_some, NULL);
    for (int i = 0; i < count; i++) {
        futures[i] = sheaf_spawn_on(f->pool, fn, NULL);
    }
    for (int i = 0; i < count; i++) {
        EXPECT_INT(sheaf_join(futures[i], NULL), SHEAF_OK);
    }
    EXPECT_INT(sheaf_join(sleeper, NULL), SHEAF_OK);
}

static void no_thread_of_an_idle_pool_runs(struct fixture *f)
{
    expect_idle("opening");
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, fib, (void *)(intptr_t)20), NULL), SHEAF_OK);
    expect_idle("a fan-out");
    run_all(f, sleep_some, 40);
    expect_idle("timers");
    run_all(f, compute_long, f->mode->workers);
    expect_idle("spares for sleepers");
    run_all(f, block_long, 2 * f->mode->workers);
    expect_idle("spares for blocked workers");
}

static const struct fixture_test tests[] = {
    THREAD_TEST_ON(MODE_1 | MODE_2 | MODE_4, no_thread_of_an_idle_pool_runs),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
