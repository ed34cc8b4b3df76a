/* A gather and a wait over 1,000 futures, ten times as many, and so on up to n: nanoseconds a
 * future, which should not grow.
 *
 *   ns_gather_N, ns_wait_N            promises that another task resolves in order meanwhile; what
 *                                     resolving costs by itself is in the figure
 *   ns_gather_done_N, ns_wait_done_N  all of them are done before */
#include <stdlib.h>

#include "tests/bench/bench.h"

struct batch {
    sheaf_future **futures;
    int64_t n;
};

static int resolve_all(void *arg, sheaf_value *result)
{
    const struct batch *batch = arg;
    for (int64_t i = 0; i < batch->n; i++) {
        SHEAF_TRY(sheaf_resolve(batch->futures[i], (sheaf_value){.i64 = i}));
    }
    (void)result;
    return SHEAF_OK;
}

static int gather_all(const struct batch *batch, sheaf_value *values)
{
    return sheaf_gather(batch->futures, (size_t)batch->n, SHEAF_GATHER_RAISE, values, NULL);
}

static int wait_for_all(const struct batch *batch, sheaf_future **order)
{
    size_t done = 0;
    for (int64_t i = 0; i < batch->n; i++) {
        order[i] = batch->futures[i];
    }
    int status = sheaf_wait(order, (size_t)batch->n, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, &done);
    bench_check(done == (size_t)batch->n, "a wait for all");
    return status;
}

enum which { GATHER, WAIT };

/* In argument order. */
static void check_values(const sheaf_value *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        bench_check(values[i].i64 == i, "a gathered value");
    }
}

static double seconds_of(enum which which, const struct batch *batch, void *room)
{
    double start = bench_now();
    int status = which == GATHER ? gather_all(batch, room) : wait_for_all(batch, room);
    double seconds = bench_now() - start;
    bench_check(status == SHEAF_OK, "a gather or wait");
    if (which == GATHER) {
        check_values(room, batch->n);
    }
    return seconds;
}

static void measure_one(enum which which, struct batch *batch, void *room)
{
    const char *name = which == GATHER ? "gather" : "wait";
    double n = (double)batch->n;
    for (int64_t i = 0; i < batch->n; i++) {
        batch->futures[i] = sheaf_promise(NULL);
    }
    sheaf_future *resolver = sheaf_spawn(resolve_all, batch);
    bench_tellf(seconds_of(which, batch, room) * 1e9 / n, "ns_%s_%.0f", name, n);
    bench_check(!sheaf_join(resolver, NULL), "the promises");
    bench_tellf(seconds_of(which, batch, room) * 1e9 / n, "ns_%s_done_%.0f", name, n);
    sheaf_release_all(batch->futures, (size_t)batch->n);
}

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    struct batch batch = {.futures = bench_room(run->n, sizeof(sheaf_future *))};
    sheaf_value *values = bench_room(run->n, sizeof *values);
    sheaf_future **order = bench_room(run->n, sizeof *order);
    for (batch.n = 1000; batch.n <= run->n; batch.n *= 10) {
        measure_one(GATHER, &batch, values);
        measure_one(WAIT, &batch, order);
    }
    free(batch.futures);
    free(values);
    free(order);
    (void)result;
    return SHEAF_OK;
}

int bench_gather(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
