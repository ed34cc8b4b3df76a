/* Setting a timer and taking it back.
 *
 *   limits   limits of time that a task begins and ends
 *   futures  sheaf_timer(), cancelled and released
 *
 *   ns_churn              one at a time
 *   ns_churn_100k_pending the same while 100,000 tasks sleep
 *   ns_bulk               n are set, then taken back */
#include <stdlib.h>

#include "tests/bench/bench.h"

enum { PENDING = 100000 };

static int sleep_long(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_sleep(SHEAF_S(60) + SHEAF_MS((intptr_t)arg * 7919 % 60000));
}

static void churn_limit(sheaf_duration duration)
{
    sheaf_timeout limit = {0};
    bench_check(!sheaf_timeout_begin(&limit, duration, 0) && !sheaf_timeout_end(&limit, SHEAF_OK),
                "a limit");
}

static void churn_future(sheaf_duration duration)
{
    sheaf_future *timer = sheaf_timer(NULL, duration);
    bench_check(sheaf_cancel(timer), "a timer");
    sheaf_release(timer);
}

static double churn(const struct bench_run *run)
{
    void (*once)(sheaf_duration) = bench_form_is(run, "futures") ? churn_future : churn_limit;
    double start = bench_now();
    for (int64_t i = 0; i < run->n; i++) {
        once(SHEAF_MS(1000 + i % 1000));
    }
    return (bench_now() - start) * 1e9 / (double)run->n;
}

static double churn_beside_others(const struct bench_run *run)
{
    sheaf_future **others = bench_room(PENDING, sizeof *others);
    for (intptr_t i = 0; i < PENDING; i++) {
        others[i] = sheaf_spawn(sleep_long, (void *)i);
    }
    bench_check(!sheaf_sleep(SHEAF_MS(500)), "a sleep");
    double each = churn(run);
    for (int i = 0; i < PENDING; i++) {
        sheaf_cancel(others[i]);
    }
    for (int i = 0; i < PENDING; i++) {
        bench_check(sheaf_join(others[i], NULL) == SHEAF_CANCELLED, "a sleeper");
    }
    free(others);
    return each;
}

static double bulk_of_limits(int64_t n)
{
    double start = bench_now();
    sheaf_timeout *limits = calloc((size_t)n, sizeof *limits);
    for (int64_t i = 0; i < n; i++) {
        bench_check(!sheaf_timeout_begin(&limits[i], SHEAF_MS(60000 + i % 60000), 0), "a limit");
    }
    for (int64_t i = n; i > 0; i--) {
        bench_check(!sheaf_timeout_end(&limits[i - 1], SHEAF_OK), "a limit");
    }
    free(limits);
    return (bench_now() - start) * 1e9 / (double)n;
}

static double bulk_of_futures(int64_t n)
{
    double start = bench_now();
    sheaf_future **timers = bench_room(n, sizeof *timers);
    for (int64_t i = 0; i < n; i++) {
        timers[i] = sheaf_timer(NULL, SHEAF_MS(60000 + i % 60000));
    }
    for (int64_t i = 0; i < n; i++) {
        bench_check(sheaf_cancel(timers[i]), "a timer");
    }
    sheaf_release_all(timers, (size_t)n);
    free(timers);
    return (bench_now() - start) * 1e9 / (double)n;
}

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    bool futures = bench_form_is(run, "futures");
    (void)result;
    bench_tell("ns_churn", churn(run));
    bench_tell("ns_churn_100k_pending", churn_beside_others(run));
    bench_tell("ns_bulk", futures ? bulk_of_futures(run->n) : bulk_of_limits(run->n));
    return SHEAF_OK;
}

int bench_timers(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
