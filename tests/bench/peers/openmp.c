/* OpenMP: tasks, and loops with the guided schedule. */
#include <omp.h>

#include "peer.h"

enum { FIB = 27 }; /* smaller than others': with two threads it is slow */

static int64_t fib(int n)
{
    if (n < 2) {
        return n;
    }
    int64_t left, right;
#pragma omp task shared(left) firstprivate(n)
    left = fib(n - 1);
    right = fib(n - 2);
#pragma omp taskwait
    return left + right;
}

static int64_t fib_in_parallel(void)
{
    int64_t result = 0;
#pragma omp parallel
#pragma omp single
    result = fib(FIB);
    return result;
}

static void run_fib(int workers)
{
    omp_set_num_threads(workers);
    tell_per_task(fib_in_parallel, (double)(fib_value(FIB + 1) - 1), fib_value(FIB));
}

enum { LEAVES = 1000000, CHILDREN = 10 };

static int64_t skynet(int64_t first, int64_t size)
{
    if (size == 1) {
        return first;
    }
    int64_t sums[CHILDREN], sum = 0;
    for (int i = 0; i < CHILDREN; i++) {
#pragma omp task shared(sums) firstprivate(i, first, size)
        sums[i] = skynet(first + i * (size / CHILDREN), size / CHILDREN);
    }
#pragma omp taskwait
    for (int i = 0; i < CHILDREN; i++) {
        sum += sums[i];
    }
    return sum;
}

static void run_skynet(int workers)
{
    omp_set_num_threads(workers);
    int64_t sum = 0;
    double wall = wall_now(), cpu = cpu_now();
#pragma omp parallel
#pragma omp single
    sum = skynet(0, LEAVES);
    tell("ms", (wall_now() - wall) * 1e3);
    tell("cpu_ms", (cpu_now() - cpu) * 1e3);
    check(sum == (int64_t)LEAVES * (LEAVES - 1) / 2);
}

static void map_flat(const float *from, float *to)
{
#pragma omp parallel for schedule(guided)
    for (int i = 0; i < FLAT; i++) {
        to[i] = flat_value(from[i]);
    }
}

static void map_skewed(uint64_t *mixed)
{
#pragma omp parallel for schedule(guided)
    for (int i = 0; i < SKEWED; i++) {
        mixed[i] = skewed_value((uint64_t)i);
    }
}

static void run_map(int workers)
{
    omp_set_num_threads(workers);
    tell_maps(map_flat, map_skewed);
}

int main(int argc, char **argv)
{
    static const struct peer_workload workloads[] = {
        {"w1_fib", run_fib},
        {"w3_skynet", run_skynet},
        {"w9_map", run_map},
        {NULL, NULL},
    };
    return peer_main(workloads, argc, argv);
}
