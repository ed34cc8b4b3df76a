/* n sleepers of one to two seconds each, spread by a hash, gathered; twice, so that the second time
 * finds what the first has left warm.
 *
 *   tasks   a task each, which sleeps: its value is its number
 *   timers  a future each that completes at its time, sheaf_timer(), without a task
 *
 * over_ms is the time beyond the longest possible sleep. */
#include <stdlib.h>

#include "tests/bench/bench.h"

static sheaf_duration length_of(int64_t index)
{
    return SHEAF_S(1) + SHEAF_US((int64_t)(bench_mix((uint64_t)index) % 1000000));
}

static int sleep_in_task(void *arg, sheaf_value *result)
{
    int64_t index = (intptr_t)arg;
    SHEAF_TRY(sheaf_sleep(length_of(index)));
    result->i64 = index;
    return SHEAF_OK;
}

static int once(const struct bench_run *run, const char *suffix)
{
    bool tasks = bench_form_is(run, "tasks");
    int64_t n = run->n, sum = 0;
    double memory = bench_peak_bytes(), cpu = bench_cpu(), wall = bench_now();
    sheaf_future **futures = bench_room(n, sizeof *futures);
    for (int64_t i = 0; i < n; i++) {
        futures[i] =
            tasks ? sheaf_spawn(sleep_in_task, bench_number(i)) : sheaf_timer(NULL, length_of(i));
    }
    for (int64_t i = 0; i < n; i++) {
        sheaf_value value = {0};
        SHEAF_TRY(sheaf_join(futures[i], &value));
        sum += tasks ? value.i64 : i;
    }
    free(futures);
    wall = bench_now() - wall;
    bench_check(sum == n * (n - 1) / 2, "the sum");
    bench_tellf((wall - 2) * 1e3, "over_ms%s", suffix);
    bench_tellf(bench_cpu() - cpu, "cpu_s%s", suffix);
    bench_tellf((bench_peak_bytes() - memory) / (double)n, "bytes_per_task%s", suffix);
    return SHEAF_OK;
}

static int measure(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(once(arg, ""));
    return once(arg, "_warm");
}

int bench_sleepers(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
