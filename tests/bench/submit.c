/* n futures spawned from a plain thread, and their values summed in order.
 *
 *   single  sheaf_spawn_on() and sheaf_join(), one at a time
 *   gather  sheaf_spawn_on(), then one sheaf_gather() over all */
#include <stdlib.h>

#include "tests/bench/bench.h"

static int twice(void *arg, sheaf_value *result)
{
    result->i64 = 2 * (int64_t)(intptr_t)arg;
    return SHEAF_OK;
}

static int64_t join_each(sheaf_future **futures, int64_t n)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sheaf_value value = {0};
        bench_check(!sheaf_join(futures[i], &value), "a task");
        sum += value.i64;
    }
    return sum;
}

static int64_t gather_all(sheaf_future **futures, int64_t n)
{
    sheaf_value *values = bench_room(n, sizeof *values);
    bench_check(!sheaf_gather(futures, (size_t)n, SHEAF_GATHER_RAISE, values, NULL), "gather");
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += values[i].i64;
    }
    sheaf_release_all(futures, (size_t)n);
    free(values);
    return sum;
}

int bench_submit(const struct bench_run *run)
{
    sheaf_pool *pool = bench_open(run);
    int64_t n = run->n;
    double before = bench_peak_bytes();
    double wall = bench_now();
    sheaf_future **futures = bench_room(n, sizeof *futures);
    for (int64_t i = 0; i < n; i++) {
        futures[i] = sheaf_spawn_on(pool, twice, bench_number(i));
    }
    bool together = bench_form_is(run, "gather");
    int64_t sum = together ? gather_all(futures, n) : join_each(futures, n);
    wall = bench_now() - wall;
    bench_check(sum == n * (n - 1), "the sum");
    bench_tell("ns_per_task", wall * 1e9 / (double)n);
    bench_tell("peak_rss_mb", bench_peak_bytes() / 1048576);
    bench_tell("bytes_per_future", (bench_peak_bytes() - before) / (double)n);
    free(futures);
    bench_close(pool);
    return SHEAF_OK;
}
