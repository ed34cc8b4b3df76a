/* The cost of fork-join: spawn, run and join of an empty task, and fib without a cut-off.
 *
 *   forkjoin [--workers N] [--rounds N] [--fib N] [--heap]
 *
 * Prints `metric<TAB>value` lines; each value is the best of the rounds.  A task is a spawned one:
 * fib(n) spawns one child a call. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sheaf.h>

struct options {
    int workers;
    int rounds;
    int fib;
    bool heap;
};

struct figures {
    double empty_ns;
    double fib_wall_ns;
    double fib_cpu_ns;
};

static double now_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int do_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

enum { EMPTY_TASKS = 1000000 };

static int time_empty(double *best)
{
    double start = now_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < EMPTY_TASKS; i++) {
        SHEAF_TRY(sheaf_join(sheaf_spawn(do_nothing, NULL), NULL));
    }
    double each = (now_ns(CLOCK_MONOTONIC) - start) / EMPTY_TASKS;
    *best = each < *best ? each : *best;
    return SHEAF_OK;
}

static int fib_frame(void *arg, sheaf_value *result)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    sheaf_task child;
    sheaf_value left = {0}, right = {0};
    sheaf_task_spawn(&child, fib_frame, (void *)(n - 1));
    int status = fib_frame((void *)(n - 2), &right);
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
    sheaf_future *child = sheaf_spawn(fib_heap, (void *)(n - 1));
    int status = fib_heap((void *)(n - 2), &right);
    SHEAF_TRY(sheaf_join(child, &left));
    SHEAF_TRY(status);
    result->i64 = left.i64 + right.i64;
    return SHEAF_OK;
}

/* The sequential twin. */
static int64_t fib_plain(int n)
{
    int64_t a = 0, b = 1;
    for (int i = 0; i < n; i++) {
        int64_t next = a + b;
        a = b;
        b = next;
    }
    return a;
}

static int time_fib(const struct options *options, struct figures *best)
{
    double tasks = (double)fib_plain(options->fib + 1) - 1;
    double wall = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    sheaf_value value = {0};
    SHEAF_TRY((options->heap ? fib_heap : fib_frame)((void *)(intptr_t)options->fib, &value));
    wall = (now_ns(CLOCK_MONOTONIC) - wall) / tasks;
    cpu = (now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / tasks;
    if (value.i64 != fib_plain(options->fib)) {
        return sheaf_raise(1, "fib(%d) is not %lld", options->fib, (long long)value.i64);
    }
    best->fib_wall_ns = wall < best->fib_wall_ns ? wall : best->fib_wall_ns;
    best->fib_cpu_ns = cpu < best->fib_cpu_ns ? cpu : best->fib_cpu_ns;
    return SHEAF_OK;
}

static int run(void *arg, sheaf_value *result)
{
    const struct options *options = arg;
    struct figures best = {1e9, 1e9, 1e9};
    (void)result;
    for (int i = 0; i < options->rounds; i++) {
        SHEAF_TRY(time_empty(&best.empty_ns));
        SHEAF_TRY(time_fib(options, &best));
    }
    printf("ns_spawn_join\t%.2f\nns_per_task\t%.2f\ncpu_ns_per_task\t%.2f\n", best.empty_ns,
           best.fib_wall_ns, best.fib_cpu_ns);
    return SHEAF_OK;
}

static int usage(void)
{
    fprintf(stderr, "usage: forkjoin [--workers N] [--rounds N] [--fib N] [--heap]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct options options = {.workers = 1, .rounds = 5, .fib = 32};
    for (int i = 1; i < argc; i++) {
        int *number = !strcmp(argv[i], "--workers")  ? &options.workers
                      : !strcmp(argv[i], "--rounds") ? &options.rounds
                      : !strcmp(argv[i], "--fib")    ? &options.fib
                                                     : NULL;
        if (!strcmp(argv[i], "--heap")) {
            options.heap = true;
        } else if (number && i + 1 < argc && (*number = atoi(argv[i + 1])) > 0) {
            i++;
        } else {
            return usage();
        }
    }
    return sheaf_exit_code(
        sheaf_run(SHEAF_OPTIONS(.workers = options.workers), run, &options, NULL));
}
