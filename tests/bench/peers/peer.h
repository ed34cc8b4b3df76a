/* What the peers in C and C++ share.  A peer runs one workload of bench's, PEER WORKLOAD WORKERS,
 * and prints metric<TAB>value lines with bench's names; PEER alone prints the names of its
 * workloads. */
#ifndef SHEAF_TESTS_BENCH_PEERS_PEER_H
#define SHEAF_TESTS_BENCH_PEERS_PEER_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct peer_workload {
    const char *name;
    void (*run)(int workers);
};

static inline int peer_main(const struct peer_workload *workloads, int argc, char **argv)
{
    for (; workloads->name; workloads++) {
        if (argc < 2) {
            puts(workloads->name);
        } else if (!strcmp(argv[1], workloads->name)) {
            workloads->run(argc > 2 ? atoi(argv[2]) : 1);
            return 0;
        }
    }
    return argc < 2 ? 0 : 2;
}

static inline double seconds_of_clock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static inline double wall_now(void)
{
    return seconds_of_clock(CLOCK_MONOTONIC);
}

static inline double cpu_now(void)
{
    return seconds_of_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static inline void nap(double seconds)
{
    struct timespec time;
    time.tv_sec = (time_t)seconds;
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

static inline void tell(const char *metric, double value)
{
    printf("%s\t%.6g\n", metric, value);
}

static inline void check(int right)
{
    if (!right) {
        fprintf(stderr, "peer: a wrong result\n");
        exit(4);
    }
}

static inline double peak_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];
    double kilobytes = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (!strncmp(line, "VmHWM:", 6)) {
            kilobytes = strtod(line + 6, NULL);
        }
    }
    check(file && !fclose(file) && kilobytes > 0);
    return kilobytes * 1024;
}

/* Runs work(), and tells the time of one of its `tasks`. */
static inline void tell_per_task(int64_t (*work)(void), double tasks, int64_t expected)
{
    double wall = wall_now(), cpu = cpu_now();
    int64_t result = work();
    wall = wall_now() - wall;
    cpu = cpu_now() - cpu;
    check(result == expected);
    tell("ns_per_task", wall * 1e9 / tasks);
    tell("cpu_ns_per_task", cpu * 1e9 / tasks);
}

static inline int64_t fib_value(int n)
{
    int64_t a = 0, b = 1;
    for (int i = 0; i < n; i++) {
        int64_t next = a + b;
        a = b;
        b = next;
    }
    return a;
}

/* ---------------------------------------------------------------- queens */

enum { QUEENS = 13, QUEENS_SOLUTIONS = 73712, QUEENS_PLACEMENTS = 4674889 };
#define QUEENS_FULL ((1U << QUEENS) - 1)

struct board {
    uint32_t columns, left, right, open;
};

static inline struct board empty_board(void)
{
    struct board board = {0, 0, 0, QUEENS_FULL};
    return board;
}

/* With a queen in the lowest open column. */
static inline struct board placed(struct board board)
{
    uint32_t bit = board.open & -board.open;
    struct board next = {board.columns | bit, (board.left | bit) << 1, (board.right | bit) >> 1, 0};
    next.open = QUEENS_FULL & ~(next.columns | next.left | next.right);
    return next;
}

/* ---------------------------------------------------------------- maps */

enum { FLAT = 10000000, SKEWED = 20000, FLAT_ROUNDS = 5 };

static inline float flat_value(float x)
{
    return sqrtf(x * x + 1.0F) + 1.0F / (1.0F + x * x);
}

static inline uint64_t skewed_value(uint64_t i)
{
    uint64_t x = i + 1;
    for (uint64_t step = 0; step < i; step++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static inline void tell_maps(void (*flat)(const float *from, float *to), void (*skewed)(uint64_t *))
{
    float *from = (float *)malloc(FLAT * sizeof *from), *to = (float *)malloc(FLAT * sizeof *to);
    uint64_t *mixed = (uint64_t *)calloc(SKEWED, sizeof *mixed);
    for (int i = 0; i < FLAT; i++) {
        from[i] = (float)i * 1e-3F;
        to[i] = 0;
    }
    double best = INFINITY;
    for (int i = 0; i < FLAT_ROUNDS; i++) {
        double start = wall_now();
        flat(from, to);
        best = fmin(best, wall_now() - start);
    }
    double start = wall_now();
    skewed(mixed);
    double seconds = wall_now() - start;
    check(fabsf(to[0] - 2) < 1e-6F && mixed[SKEWED - 1] == skewed_value(SKEWED - 1));
    tell("flat_ms", best * 1e3);
    tell("skew_ms", seconds * 1e3);
    free(from);
    free(to);
    free(mixed);
}

/* ---------------------------------------------------------------- submitting */

enum { SUBMITTED = 1000000, LATENCY_ROUNDS = 1000, LATENCY_TASKS = 64 };

/* sum_of(n): submits n tasks that double their numbers, waits for all, and sums their values. */
typedef int64_t submitting(int n);

static inline void tell_submit(submitting *sum_of)
{
    double before = peak_bytes(), wall = wall_now();
    int64_t sum = sum_of(SUBMITTED);
    wall = wall_now() - wall;
    check(sum == (int64_t)SUBMITTED * (SUBMITTED - 1));
    tell("ns_per_task", wall * 1e9 / SUBMITTED);
    tell("peak_rss_mb", peak_bytes() / 1048576);
    tell("bytes_per_future", (peak_bytes() - before) / SUBMITTED);
}

static inline int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline void tell_latency_of(submitting *sum_of, int n, const char *median, const char *p99)
{
    static double seconds[LATENCY_ROUNDS];
    for (int i = 0; i < LATENCY_ROUNDS; i++) {
        nap(1e-3);
        double start = wall_now();
        int64_t sum = sum_of(n);
        seconds[i] = wall_now() - start;
        check(sum == (int64_t)n * (n - 1));
    }
    qsort(seconds, LATENCY_ROUNDS, sizeof *seconds, by_size);
    tell(median, seconds[LATENCY_ROUNDS / 2] * 1e6);
    tell(p99, seconds[LATENCY_ROUNDS * 99 / 100] * 1e6);
}

static inline void tell_latency(submitting *sum_of)
{
    tell_latency_of(sum_of, 1, "us_med_1", "us_p99_1");
    tell_latency_of(sum_of, LATENCY_TASKS, "us_med_64", "us_p99_64");
}

/* ---------------------------------------------------------------- idling */

static inline void tell_idle(void)
{
    nap(0.2);
    double cpu = cpu_now();
    nap(5);
    tell("cpu_ms_5s", (cpu_now() - cpu) * 1e3);
}

#endif
