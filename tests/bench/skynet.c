/* n leaves under nodes of ten awaited children each; the leaves' numbers are summed.  The last
 * child is awaited first, since it is the one that nobody has started. */
#include "tests/bench/bench.h"

enum { CHILDREN = 10 };

struct range {
    int64_t first;
    int64_t size;
};

static struct range child_of(const struct range *range, int index)
{
    int64_t size = range->size / CHILDREN;
    return (struct range){.first = range->first + index * size, .size = size};
}

static int sum_frame(void *arg, sheaf_value *result)
{
    const struct range *range = arg;
    if (range->size == 1) {
        result->i64 = range->first;
        return SHEAF_OK;
    }
    struct range children[CHILDREN];
    sheaf_task tasks[CHILDREN];
    int status = SHEAF_OK;
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = child_of(range, i);
        sheaf_task_spawn(&tasks[i], sum_frame, &children[i]);
    }
    for (int i = CHILDREN; i > 0; i--) {
        sheaf_value value = {0};
        int joined = sheaf_task_join(&tasks[i - 1], &value);
        status = status ? status : joined;
        result->i64 += value.i64;
    }
    return status;
}

static int sum_heap(void *arg, sheaf_value *result)
{
    const struct range *range = arg;
    if (range->size == 1) {
        result->i64 = range->first;
        return SHEAF_OK;
    }
    struct range children[CHILDREN];
    sheaf_future *tasks[CHILDREN];
    int status = SHEAF_OK;
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = child_of(range, i);
        tasks[i] = sheaf_spawn(sum_heap, &children[i]);
    }
    for (int i = CHILDREN; i > 0; i--) {
        sheaf_value value = {0};
        int joined = sheaf_join(tasks[i - 1], &value);
        status = status ? status : joined;
        result->i64 += value.i64;
    }
    return status;
}

static int sum_serial(void *arg, sheaf_value *result)
{
    const struct range *range = arg;
    if (range->size == 1) {
        result->i64 = range->first;
        return SHEAF_OK;
    }
    for (int i = 0; i < CHILDREN; i++) {
        struct range child = child_of(range, i);
        sheaf_value value = {0};
        SHEAF_TRY(sum_serial(&child, &value));
        result->i64 += value.i64;
    }
    return SHEAF_OK;
}

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    struct range all = {.size = run->n};
    sheaf_fn *sum = bench_form_is(run, "heap")     ? sum_heap
                    : bench_form_is(run, "serial") ? sum_serial
                                                   : sum_frame;
    double wall = bench_now(), cpu = bench_cpu();
    int status = sum(&all, result);
    wall = bench_now() - wall;
    cpu = bench_cpu() - cpu;
    bench_check(status == SHEAF_OK && result->i64 == run->n * (run->n - 1) / 2, "the sum");
    bench_tell("ms", wall * 1e3);
    bench_tell("cpu_ms", cpu * 1e3);
    return SHEAF_OK;
}

int bench_skynet(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
