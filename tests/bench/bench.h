/* What the measuring programs share: how a workload is asked for, how it tells its figures, and the
 * tools for both.
 *
 * A workload checks its result, and has a sequential twin (the form "serial") where it computes
 * something.  Its figures are `metric<TAB>value` lines, each from one pass of the workload, except
 * where a metric's line in bench.c says otherwise: who wants a minimum runs it several times. */
#ifndef SHEAF_TESTS_BENCH_BENCH_H
#define SHEAF_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <sheaf.h>

/* What the command line asks for. */
struct bench_run {
    int workers;
    int64_t n;        /* the size, in the workload's own unit */
    const char *form; /* one of the workload's forms */
};

static inline void *bench_number(int64_t number)
{
    return (void *)(intptr_t)number;
}

bool bench_form_is(const struct bench_run *run, const char *form);

/* Seconds: of the monotonic clock, and of the CPU that the process has used. */
double bench_now(void);
double bench_cpu(void);

/* Blocks the thread. */
void bench_nap(double seconds);

/* Resident memory in bytes: the most so far, and now. */
double bench_peak_bytes(void);
double bench_resident_bytes(void);

/* Prints a figure; the second makes the metric's name from a format. */
void bench_tell(const char *metric, double value);
void bench_tellf(double value, const char *format, ...) SHEAF_PRINTF(2, 3);

/* Memory for `count` things of `size` bytes; the program ends where there is none. */
void *bench_room(long count, size_t size) __attribute__((returns_nonnull));

/* Ends the program when a result is wrong, or a call has failed. */
void bench_check(bool right, const char *what);

/* Runs body(run) as a task of a new pool. */
int bench_in_task(const struct bench_run *run, sheaf_fn *body);

/* Lets a pool run some tasks, so that its threads are there and its caches are not empty. */
void bench_warm(sheaf_pool *pool);

/* Opens a pool with the workers of the run and warms it; closes it when all has ended. */
sheaf_pool *bench_open(const struct bench_run *run);
void bench_close(sheaf_pool *pool);

/* The mixer of Vigna's splitmix64: numbers that look drawn and are the same everywhere. */
static inline uint64_t bench_mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The workloads, a file each. */
int bench_fib(const struct bench_run *run);
int bench_queens(const struct bench_run *run);
int bench_uts(const struct bench_run *run);
int bench_skynet(const struct bench_run *run);
int bench_submit(const struct bench_run *run);
int bench_latency(const struct bench_run *run);
int bench_pingpong(const struct bench_run *run);
int bench_sleepers(const struct bench_run *run);
int bench_timers(const struct bench_run *run);
int bench_map(const struct bench_run *run);
int bench_idle(const struct bench_run *run);
int bench_cancel(const struct bench_run *run);
int bench_gather(const struct bench_run *run);
int bench_small(const struct bench_run *run);
int bench_memory(const struct bench_run *run);
int bench_traffic(const struct bench_run *run);

/* fib(n) as it is, and as tasks in frames, for those that measure something else of it. */
int64_t bench_fib_value(int64_t n);
int bench_fib_frame(void *arg, sheaf_value *result);

#endif
