/* fib(n) with a task for every call but one, no cut-off: spawn one half, call the other, join.
 *
 * A task is a spawned one; fib(n) spawns one child in each of its calls with n > 1. */
#include "tests/bench/bench.h"

int64_t bench_fib_value(int64_t n)
{
    int64_t a = 0, b = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t next = a + b;
        a = b;
        b = next;
    }
    return a;
}

int bench_fib_frame(void *arg, sheaf_value *result)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    sheaf_task child;
    sheaf_value left = {0}, right = {0};
    sheaf_task_spawn(&child, bench_fib_frame, bench_number(n - 1));
    int status = bench_fib_frame(bench_number(n - 2), &right);
    SHEAF_TRY(sheaf_task_join(&child, &left));
    SHEAF_TRY(status);
    result->i64 = left.i64 + right.i64;
    return SHEAF_OK;
}

static int fib_heap(void *arg, sheaf_value *result)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    sheaf_value left = {0}, right = {0};
    sheaf_future *child = sheaf_spawn(fib_heap, bench_number(n - 1));
    int status = fib_heap(bench_number(n - 2), &right);
    SHEAF_TRY(sheaf_join(child, &left));
    SHEAF_TRY(status);
    result->i64 = left.i64 + right.i64;
    return SHEAF_OK;
}

static int fib_inline(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    sheaf_value left, right = {0};
    next = sheaf_fork_spawn(forks, next, fib_inline, bench_number(n - 1));
    int status = fib_inline(forks, next, bench_number(n - 2), &right);
    SHEAF_TRY(sheaf_fork_join(forks, next, fib_inline, bench_number(n - 1), &left));
    SHEAF_TRY(status);
    result->i64 = left.i64 + right.i64;
    return SHEAF_OK;
}

static int run_inline(void *arg, sheaf_value *result)
{
    return sheaf_fork_run(fib_inline, arg, result);
}

/* A real call for each node: else compilers make loops of some levels of the recursion. */
#ifdef __clang__
#define REAL_CALL __attribute__((noinline))
#else
#define REAL_CALL __attribute__((noinline, noclone))
#endif

static REAL_CALL int fib_serial(void *arg, sheaf_value *result)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    sheaf_value left = {0}, right = {0};
    SHEAF_TRY(fib_serial(bench_number(n - 1), &left));
    SHEAF_TRY(fib_serial(bench_number(n - 2), &right));
    result->i64 = left.i64 + right.i64;
    return SHEAF_OK;
}

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    sheaf_fn *fib = bench_form_is(run, "heap")     ? fib_heap
                    : bench_form_is(run, "inline") ? run_inline
                    : bench_form_is(run, "serial") ? fib_serial
                                                   : bench_fib_frame;
    double wall = bench_now(), cpu = bench_cpu();
    int status = fib(bench_number(run->n), result);
    wall = bench_now() - wall;
    cpu = bench_cpu() - cpu;
    bench_check(status == SHEAF_OK && result->i64 == bench_fib_value(run->n), "fib");
    double tasks = (double)(bench_fib_value(run->n + 1) - 1);
    bench_tell("ns_per_task", wall * 1e9 / tasks);
    bench_tell("cpu_ns_per_task", cpu * 1e9 / tasks);
    return SHEAF_OK;
}

int bench_fib(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
