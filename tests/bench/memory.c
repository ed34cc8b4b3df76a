/* The memory of n futures that are done, of n tasks that are suspended without and with a timer, as
 * the growth of what is resident; what one kind leaves behind may serve the next. */
#include <stdlib.h>

#include "tests/bench/bench.h"

static int do_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

static int wait_for_event(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_event_wait(arg);
}

static int measure_futures(sheaf_future **futures, int64_t n)
{
    double before = bench_resident_bytes();
    for (int64_t i = 0; i < n; i++) {
        futures[i] = sheaf_spawn(do_nothing, NULL);
        SHEAF_TRY(sheaf_await(futures[i], NULL));
    }
    bench_tell("bytes_per_future", (bench_resident_bytes() - before) / (double)n);
    sheaf_release_all(futures, (size_t)n);
    return SHEAF_OK;
}

static int measure_suspended(sheaf_future **futures, int64_t n)
{
    double before = bench_resident_bytes();
    sheaf_event event = {0};
    for (int64_t i = 0; i < n; i++) {
        futures[i] = sheaf_spawn(wait_for_event, &event);
    }
    SHEAF_TRY(sheaf_yield());
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(500)));
    bench_tell("bytes_per_suspended_task", (bench_resident_bytes() - before) / (double)n);
    SHEAF_TRY(sheaf_event_set(&event));
    int status = sheaf_gather(futures, (size_t)n, SHEAF_GATHER_RAISE, NULL, NULL);
    sheaf_release_all(futures, (size_t)n);
    return status;
}

static int measure_timers(int64_t n)
{
    double before = bench_resident_bytes();
    sheaf_timeout *limits = calloc((size_t)n, sizeof *limits);
    for (int64_t i = 0; i < n; i++) {
        SHEAF_TRY(sheaf_timeout_begin(&limits[i], SHEAF_S(60), 0));
    }
    bench_tell("bytes_per_timer", (bench_resident_bytes() - before) / (double)n);
    for (int64_t i = n; i > 0; i--) {
        SHEAF_TRY(sheaf_timeout_end(&limits[i - 1], SHEAF_OK));
    }
    free(limits);
    return SHEAF_OK;
}

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    sheaf_future **futures = bench_room(run->n, sizeof *futures);
    SHEAF_TRY(measure_futures(futures, run->n));
    SHEAF_TRY(measure_suspended(futures, run->n));
    SHEAF_TRY(measure_timers(run->n));
    free(futures);
    (void)result;
    return SHEAF_OK;
}

int bench_memory(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
