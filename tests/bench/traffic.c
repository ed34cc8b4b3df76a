/* What tasks do to other workers: how often one is stolen, a worker woken, a stack suspended, in a
 * million tasks.  Unlike times these can be seen with more workers than there are CPUs.
 *
 *   fork    fib(n) in frames, as w1_fib
 *   submit  a million futures from a plain thread, joined in order, as w4_submit */
#include <stdlib.h>

#include "tests/bench/bench.h"

enum { SUBMITTED = 1000000 };

static sheaf_stats stats_of(sheaf_pool *pool)
{
    sheaf_stats stats = {.size = sizeof stats};
    bench_check(!sheaf_pool_stats(pool, &stats), "statistics");
    return stats;
}

static void tell_traffic(sheaf_pool *pool, const sheaf_stats *before, const char *what,
                         double tasks)
{
    sheaf_stats after = stats_of(pool);
    double each = 1e6 / tasks;
    bench_tellf((double)(after.stolen - before->stolen) * each, "steals_%s", what);
    bench_tellf((double)(after.wakeups - before->wakeups) * each, "wakeups_%s", what);
    bench_tellf((double)(after.parked - before->parked) * each, "suspensions_%s", what);
}

static void measure_fork(sheaf_pool *pool, int64_t n)
{
    sheaf_stats before = stats_of(pool);
    sheaf_value value = {0};
    double start = bench_now();
    sheaf_future *root = sheaf_spawn_on(pool, bench_fib_frame, bench_number(n));
    bench_check(!sheaf_join(root, &value) && value.i64 == bench_fib_value(n), "fib");
    double tasks = (double)(bench_fib_value(n + 1) - 1);
    bench_tell("ns_per_task_fork", (bench_now() - start) * 1e9 / tasks);
    tell_traffic(pool, &before, "fork", tasks);
}

static int return_number(void *arg, sheaf_value *result)
{
    result->i64 = (int64_t)(intptr_t)arg;
    return SHEAF_OK;
}

static void measure_submit(sheaf_pool *pool)
{
    sheaf_stats before = stats_of(pool);
    sheaf_future **futures = bench_room(SUBMITTED, sizeof *futures);
    double start = bench_now();
    for (int64_t i = 0; i < SUBMITTED; i++) {
        futures[i] = sheaf_spawn_on(pool, return_number, bench_number(i));
    }
    for (int64_t i = 0; i < SUBMITTED; i++) {
        sheaf_value value = {0};
        bench_check(!sheaf_join(futures[i], &value) && value.i64 == i, "a task");
    }
    bench_tell("ns_per_task_submit", (bench_now() - start) * 1e9 / SUBMITTED);
    tell_traffic(pool, &before, "submit", SUBMITTED);
    free(futures);
}

int bench_traffic(const struct bench_run *run)
{
    sheaf_pool *pool = bench_open(run);
    if (bench_form_is(run, "all") || bench_form_is(run, "fork")) {
        measure_fork(pool, run->n);
    }
    if (bench_form_is(run, "all") || bench_form_is(run, "submit")) {
        measure_submit(pool);
    }
    bench_close(pool);
    return SHEAF_OK;
}
