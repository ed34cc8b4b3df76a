/* An unbalanced tree: the root has n children, every other node eight of them with probability
 * 0.124, else none; which ones is drawn from a hash.  Whole subtrees are a few nodes or thousands.
 *
 *   halves  the children of a node are halved until one is left, one half of each pair a task
 *   flat    a task a child, in an array of records (in the frame, for the root allocated)
 *   heap    the same with futures
 *
 * A task is a node of the tree. */
#include <stdlib.h>

#include "tests/bench/bench.h"

enum { CHILDREN = 8 };

#define PROBABILITY 0.124
#define SEED 42U

struct node {
    uint64_t hash;
    uint32_t first; /* of its children, those from first to end - 1 are to be counted */
    uint32_t end;
};

static struct node child_of(uint64_t hash, uint32_t index)
{
    struct node child = {.hash = bench_mix(hash + index * UINT64_C(0x632be59bd9b4e019))};
    child.end = (double)(child.hash >> 11) * 0x1p-53 < PROBABILITY ? CHILDREN : 0;
    return child;
}

/* ---------------------------------------------------------------- halves */

/* Nodes below the given children, and these. */
static int count_span(void *arg, sheaf_value *result)
{
    struct node *span = arg;
    if (span->end - span->first == 1) {
        struct node child = child_of(span->hash, span->first);
        if (child.end > 0) {
            SHEAF_TRY(count_span(&child, result));
        }
        result->i64++;
        return SHEAF_OK;
    }
    struct node lower = *span, upper = *span;
    lower.end = upper.first = (span->first + span->end) / 2;
    sheaf_task task;
    sheaf_value value = {0};
    sheaf_task_spawn(&task, count_span, &upper);
    int status = count_span(&lower, result);
    SHEAF_TRY(sheaf_task_join(&task, &value));
    result->i64 += value.i64;
    return status;
}

static int count_halves(void *arg, sheaf_value *result)
{
    SHEAF_TRY(count_span(arg, result));
    result->i64++;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- arrays */

static int count_flat(void *arg, sheaf_value *result);

static int count_into(const struct node *node, struct node *children, sheaf_task *tasks,
                      sheaf_value *result)
{
    int status = SHEAF_OK;
    for (uint32_t i = 0; i < node->end; i++) {
        children[i] = child_of(node->hash, i);
        sheaf_task_spawn(&tasks[i], count_flat, &children[i]);
    }
    result->i64 = 1;
    for (uint32_t i = node->end; i > 0; i--) {
        sheaf_value value = {0};
        int joined = sheaf_task_join(&tasks[i - 1], &value);
        status = status ? status : joined;
        result->i64 += value.i64;
    }
    return status;
}

static int count_flat(void *arg, sheaf_value *result)
{
    const struct node *node = arg;
    if (node->end <= CHILDREN) {
        struct node children[CHILDREN];
        sheaf_task tasks[CHILDREN];
        return count_into(node, children, tasks, result);
    }
    struct node *children = bench_room((long)node->end, sizeof *children);
    sheaf_task *tasks = bench_room((long)node->end, sizeof *tasks);
    int status = count_into(node, children, tasks, result);
    free(children);
    free(tasks);
    return status;
}

static int count_heap(void *arg, sheaf_value *result);

static int count_futures(const struct node *node, struct node *children, sheaf_future **tasks,
                         sheaf_value *result)
{
    int status = SHEAF_OK;
    for (uint32_t i = 0; i < node->end; i++) {
        children[i] = child_of(node->hash, i);
        tasks[i] = sheaf_spawn(count_heap, &children[i]);
    }
    result->i64 = 1;
    for (uint32_t i = node->end; i > 0; i--) {
        sheaf_value value = {0};
        int joined = sheaf_join(tasks[i - 1], &value);
        status = status ? status : joined;
        result->i64 += value.i64;
    }
    return status;
}

static int count_heap(void *arg, sheaf_value *result)
{
    const struct node *node = arg;
    if (node->end <= CHILDREN) {
        struct node children[CHILDREN];
        sheaf_future *tasks[CHILDREN];
        return count_futures(node, children, tasks, result);
    }
    struct node *children = bench_room((long)node->end, sizeof *children);
    sheaf_future **tasks = bench_room((long)node->end, sizeof *tasks);
    int status = count_futures(node, children, tasks, result);
    free(children);
    free(tasks);
    return status;
}

/* ---------------------------------------------------------------- measuring */

static int count_serial(void *arg, sheaf_value *result)
{
    const struct node *node = arg;
    result->i64 = 1;
    for (uint32_t i = 0; i < node->end; i++) {
        struct node child = child_of(node->hash, i);
        sheaf_value value = {0};
        SHEAF_TRY(count_serial(&child, &value));
        result->i64 += value.i64;
    }
    return SHEAF_OK;
}

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    struct node root = {.hash = SEED, .end = (uint32_t)run->n};
    sheaf_fn *count = bench_form_is(run, "flat")     ? count_flat
                      : bench_form_is(run, "heap")   ? count_heap
                      : bench_form_is(run, "serial") ? count_serial
                                                     : count_halves;
    double wall = bench_now(), cpu = bench_cpu();
    int status = count(&root, result);
    wall = bench_now() - wall;
    cpu = bench_cpu() - cpu;
    sheaf_value expected = {0};
    count_serial(&root, &expected);
    bench_check(status == SHEAF_OK && result->i64 == expected.i64, "nodes");
    bench_tell("ns_per_task", wall * 1e9 / (double)result->i64);
    bench_tell("cpu_ns_per_task", cpu * 1e9 / (double)result->i64);
    return SHEAF_OK;
}

int bench_uts(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
