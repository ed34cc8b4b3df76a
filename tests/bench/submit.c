/* n futures spawned from a plain thread, and their values summed in order.
 *
 *   single  sheaf_spawn_on() and sheaf_join(), one at a time
 *   gather  sheaf_spawn_on(), then one sheaf_gather() over all
 *   batch   one sheaf_spawn_many(), which takes the default pool, then one sheaf_gather()
 *   serial  n calls */
#include <stdlib.h>

#include "tests/bench/bench.h"

struct submission {
    sheaf_pool *pool;
    sheaf_future **futures;
    int64_t *numbers; /* of the batch: its arguments */
    int64_t n;
};

static int twice(void *arg, sheaf_value *result)
{
    result->i64 = 2 * (int64_t)(intptr_t)arg;
    return SHEAF_OK;
}

static int twice_at(void *arg, sheaf_value *result)
{
    result->i64 = 2 * *(const int64_t *)arg;
    return SHEAF_OK;
}

static void spawn_each(const struct submission *to)
{
    for (int64_t i = 0; i < to->n; i++) {
        to->futures[i] = sheaf_spawn_on(to->pool, twice, bench_number(i));
    }
}

static int64_t gather_all(const struct submission *from)
{
    size_t n = (size_t)from->n;
    sheaf_value *values = bench_room(from->n, sizeof *values);
    bench_check(!sheaf_gather(from->futures, n, SHEAF_GATHER_RAISE, values, NULL), "gather");
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += values[i].i64;
    }
    sheaf_release_all(from->futures, n);
    free(values);
    return sum;
}

static int64_t sum_single(const struct submission *all)
{
    int64_t sum = 0;
    spawn_each(all);
    for (int64_t i = 0; i < all->n; i++) {
        sheaf_value value = {0};
        bench_check(!sheaf_join(all->futures[i], &value), "a task");
        sum += value.i64;
    }
    return sum;
}

static int64_t sum_gathered(const struct submission *all)
{
    spawn_each(all);
    return gather_all(all);
}

static int64_t sum_batch(const struct submission *all)
{
    sheaf_spawn_many(twice_at, all->numbers, sizeof *all->numbers, (size_t)all->n, all->futures);
    return gather_all(all);
}

static int64_t sum_calls(const struct submission *all)
{
    sheaf_fn *volatile call = twice; /* else the compiler knows the sum */
    int64_t sum = 0;
    for (int64_t i = 0; i < all->n; i++) {
        sheaf_value value = {0};
        bench_check(!call(bench_number(i), &value), "a call");
        sum += value.i64;
    }
    return sum;
}

static void measure(const struct bench_run *run, struct submission *all)
{
    double n = (double)run->n;
    double before = bench_peak_bytes(), wall = bench_now();
    all->futures = bench_room(run->n, sizeof(sheaf_future *));
    int64_t sum = bench_form_is(run, "gather")   ? sum_gathered(all)
                  : bench_form_is(run, "batch")  ? sum_batch(all)
                  : bench_form_is(run, "serial") ? sum_calls(all)
                                                 : sum_single(all);
    wall = bench_now() - wall;
    bench_check(sum == run->n * (run->n - 1), "the sum");
    bench_tell("ns_per_task", wall * 1e9 / n);
    bench_tell("peak_rss_mb", bench_peak_bytes() / 1048576);
    bench_tell("bytes_per_future", (bench_peak_bytes() - before) / n);
    free(all->futures);
}

static void measure_batch(const struct bench_run *run)
{
    bench_check(!sheaf_pool_default_open(SHEAF_OPTIONS(.workers = run->workers)), "no pool");
    struct submission all = {.pool = sheaf_pool_default(), .n = run->n};
    bench_warm(all.pool);
    all.numbers = bench_room(run->n, sizeof *all.numbers);
    for (int64_t i = 0; i < run->n; i++) {
        all.numbers[i] = i;
    }
    measure(run, &all);
    free(all.numbers);
    bench_check(!sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), "close");
}

int bench_submit(const struct bench_run *run)
{
    if (bench_form_is(run, "batch")) {
        measure_batch(run);
        return SHEAF_OK;
    }
    struct submission all = {.pool = bench_open(run), .n = run->n};
    measure(run, &all);
    bench_close(all.pool);
    return SHEAF_OK;
}
