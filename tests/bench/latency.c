/* How long a plain thread waits for the values of 1 and of 64 tasks that it gives to a pool which
 * has been idle for a millisecond.  n repetitions; the median and the 99th percentile. */
#include <stdlib.h>

#include "tests/bench/bench.h"

enum { TASKS_MAX = 64 };

static int twice(void *arg, sheaf_value *result)
{
    result->i64 = 2 * (int64_t)(intptr_t)arg;
    return SHEAF_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double once(sheaf_pool *pool, int count)
{
    sheaf_future *futures[TASKS_MAX];
    int64_t sum = 0;
    bench_nap(1e-3);
    double start = bench_now();
    for (int i = 0; i < count; i++) {
        futures[i] = sheaf_spawn_on(pool, twice, bench_number(i));
    }
    for (int i = 0; i < count; i++) {
        sheaf_value value = {0};
        bench_check(!sheaf_join(futures[i], &value), "a task");
        sum += value.i64;
    }
    double seconds = bench_now() - start;
    bench_check(sum == (int64_t)count * (count - 1), "the sum");
    return seconds;
}

static void measure(sheaf_pool *pool, int count, int64_t n)
{
    double *seconds = bench_room(n, sizeof *seconds);
    for (int64_t i = 0; i < n; i++) {
        seconds[i] = once(pool, count);
    }
    qsort(seconds, (size_t)n, sizeof *seconds, by_size);
    bench_tellf(seconds[n / 2] * 1e6, "us_med_%d", count);
    bench_tellf(seconds[n * 99 / 100] * 1e6, "us_p99_%d", count);
    free(seconds);
}

int bench_latency(const struct bench_run *run)
{
    sheaf_pool *pool = bench_open(run);
    measure(pool, 1, run->n);
    measure(pool, TASKS_MAX, run->n);
    bench_close(pool);
    return SHEAF_OK;
}
