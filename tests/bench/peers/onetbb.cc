/* oneTBB: task groups, parallel_for, and an arena's queue with a std::future each. */
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include <tbb/tbb.h>

#include "peer.h"

static std::optional<tbb::global_control> limit;

static void with_workers(int workers)
{
    limit.emplace(tbb::global_control::max_allowed_parallelism, workers);
}

enum { FIB = 35 };

static int64_t fib(int n)
{
    if (n < 2) {
        return n;
    }
    int64_t left = 0;
    tbb::task_group group;
    group.run([&left, n] { left = fib(n - 1); });
    int64_t right = fib(n - 2);
    group.wait();
    return left + right;
}

static void run_fib(int workers)
{
    with_workers(workers);
    tell_per_task([] { return fib(FIB); }, (double)(fib_value(FIB + 1) - 1), fib_value(FIB));
}

static int64_t queens(board at)
{
    if (at.columns == QUEENS_FULL) {
        return 1;
    }
    if (at.open == 0) {
        return 0;
    }
    board rest = at;
    rest.open &= rest.open - 1;
    if (rest.open == 0) {
        return queens(placed(at));
    }
    int64_t others = 0;
    tbb::task_group group;
    group.run([&others, rest] { others = queens(rest); });
    int64_t count = queens(placed(at));
    group.wait();
    return count + others;
}

static void run_queens(int workers)
{
    with_workers(workers);
    tell_per_task([] { return queens(empty_board()); }, QUEENS_PLACEMENTS, QUEENS_SOLUTIONS);
}

enum { LEAVES = 1000000, CHILDREN = 10 };

static int64_t skynet(int64_t first, int64_t size)
{
    if (size == 1) {
        return first;
    }
    int64_t sums[CHILDREN], sum = 0;
    tbb::task_group group;
    for (int i = 0; i < CHILDREN; i++) {
        group.run([&sums, first, size, i] {
            sums[i] = skynet(first + i * (size / CHILDREN), size / CHILDREN);
        });
    }
    group.wait();
    for (int64_t one : sums) {
        sum += one;
    }
    return sum;
}

static void run_skynet(int workers)
{
    with_workers(workers);
    double wall = wall_now(), cpu = cpu_now();
    check(skynet(0, LEAVES) == (int64_t)LEAVES * (LEAVES - 1) / 2);
    tell("ms", (wall_now() - wall) * 1e3);
    tell("cpu_ms", (cpu_now() - cpu) * 1e3);
}

static void map_flat(const float *from, float *to)
{
    tbb::parallel_for(tbb::blocked_range<size_t>(0, FLAT), [=](const auto &range) {
        for (size_t i = range.begin(); i < range.end(); i++) {
            to[i] = flat_value(from[i]);
        }
    });
}

static void map_skewed(uint64_t *mixed)
{
    tbb::parallel_for(tbb::blocked_range<size_t>(0, SKEWED), [=](const auto &range) {
        for (size_t i = range.begin(); i < range.end(); i++) {
            mixed[i] = skewed_value(i);
        }
    });
}

static void run_map(int workers)
{
    with_workers(workers);
    tell_maps(map_flat, map_skewed);
}

static std::unique_ptr<tbb::task_arena> arena;

static int64_t sum_of(int n)
{
    std::vector<std::future<int64_t>> futures;
    futures.reserve(n);
    for (int64_t i = 0; i < n; i++) {
        auto promise = std::make_shared<std::promise<int64_t>>();
        futures.push_back(promise->get_future());
        arena->enqueue([promise, i] { promise->set_value(2 * i); });
    }
    int64_t sum = 0;
    for (auto &future : futures) {
        sum += future.get();
    }
    return sum;
}

/* All workers of the arena are others than this thread. */
static void open_arena(int workers)
{
    with_workers(workers + 1);
    arena = std::make_unique<tbb::task_arena>(workers, 0);
    sum_of(LATENCY_TASKS);
}

static void run_submit(int workers)
{
    open_arena(workers);
    tell_submit(sum_of);
}

static void run_latency(int workers)
{
    open_arena(workers);
    tell_latency(sum_of);
}

static void run_idle(int workers)
{
    open_arena(workers);
    tell_idle();
}

int main(int argc, char **argv)
{
    static const peer_workload workloads[] = {
        {"w1_fib", run_fib},       {"w2_queens", run_queens},   {"w3_skynet", run_skynet},
        {"w4_submit", run_submit}, {"w5_latency", run_latency}, {"w9_map", run_map},
        {"w10_idle", run_idle},    {nullptr, nullptr},
    };
    return peer_main(workloads, argc, argv);
}
