/* Setting a timer and taking it back: limits of time that a task begins and ends.
 *
 *   ns_churn              one at a time
 *   ns_churn_100k_pending the same while 100,000 tasks sleep
 *   ns_bulk               n limits are begun, then ended */
#include <stdlib.h>

#include "tests/bench/bench.h"

enum { PENDING = 100000 };

static int sleep_long(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_sleep(SHEAF_S(60) + SHEAF_MS((intptr_t)arg * 7919 % 60000));
}

static double churn(int64_t n)
{
    double start = bench_now();
    for (int64_t i = 0; i < n; i++) {
        sheaf_timeout limit = {0};
        bench_check(!sheaf_timeout_begin(&limit, SHEAF_MS(1000 + i % 1000), 0) &&
                        !sheaf_timeout_end(&limit, SHEAF_OK),
                    "a limit");
    }
    return (bench_now() - start) * 1e9 / (double)n;
}

static double churn_beside_others(int64_t n)
{
    sheaf_future **others = bench_room(PENDING, sizeof *others);
    for (intptr_t i = 0; i < PENDING; i++) {
        others[i] = sheaf_spawn(sleep_long, (void *)i);
    }
    bench_check(!sheaf_sleep(SHEAF_MS(500)), "a sleep");
    double each = churn(n);
    for (int i = 0; i < PENDING; i++) {
        sheaf_cancel(others[i]);
    }
    for (int i = 0; i < PENDING; i++) {
        bench_check(sheaf_join(others[i], NULL) == SHEAF_CANCELLED, "a sleeper");
    }
    free(others);
    return each;
}

static double bulk(int64_t n)
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

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    (void)result;
    bench_tell("ns_churn", churn(run->n));
    bench_tell("ns_churn_100k_pending", churn_beside_others(run->n));
    bench_tell("ns_bulk", bulk(run->n));
    return SHEAF_OK;
}

int bench_timers(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
