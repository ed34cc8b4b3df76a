/* Cancelling and joining n tasks that sleep.
 *
 *   outside  by a plain thread
 *   inside   by a task */
#include <stdlib.h>

#include "tests/bench/bench.h"

static int sleep_long(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(60));
}

static double cancel_all(sheaf_future **futures, int64_t n)
{
    double start = bench_now();
    for (int64_t i = 0; i < n; i++) {
        bench_check(sheaf_cancel(futures[i]), "a request");
    }
    for (int64_t i = 0; i < n; i++) {
        bench_check(sheaf_join(futures[i], NULL) == SHEAF_CANCELLED, "a sleeper");
    }
    return bench_now() - start;
}

static sheaf_future **new_futures(int64_t n)
{
    sheaf_future **futures = bench_room(n, sizeof *futures);
    return futures;
}

static int measure_inside(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    sheaf_future **futures = new_futures(run->n);
    for (int64_t i = 0; i < run->n; i++) {
        futures[i] = sheaf_spawn(sleep_long, NULL);
    }
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(500)));
    bench_tell("cancel_ms", cancel_all(futures, run->n) * 1e3);
    free(futures);
    (void)result;
    return SHEAF_OK;
}

static int measure_outside(const struct bench_run *run)
{
    sheaf_pool *pool = bench_open(run);
    sheaf_future **futures = new_futures(run->n);
    for (int64_t i = 0; i < run->n; i++) {
        futures[i] = sheaf_spawn_on(pool, sleep_long, NULL);
    }
    bench_nap(0.5);
    bench_tell("cancel_ms", cancel_all(futures, run->n) * 1e3);
    free(futures);
    bench_close(pool);
    return SHEAF_OK;
}

int bench_cancel(const struct bench_run *run)
{
    return bench_form_is(run, "inside") ? bench_in_task(run, measure_inside) : measure_outside(run);
}
