/* libuv: its pool, whose results come to the loop's thread, and the loop's timers. */
#include <uv.h>

#include "peer.h"

static uv_loop_t *loop;

/* ---------------------------------------------------------------- the pool */

struct task {
    uv_work_t work;
    int64_t number;
    int64_t value;
};

static int64_t sum;

static void run_task(uv_work_t *work)
{
    struct task *task = (struct task *)work;
    task->value = 2 * task->number;
}

static void take_value(uv_work_t *work, int status)
{
    check(status == 0);
    sum += ((struct task *)work)->value;
}

static int64_t sum_of(int n)
{
    struct task *tasks = calloc((size_t)n, sizeof *tasks);
    sum = 0;
    for (int i = 0; i < n; i++) {
        tasks[i].number = i;
        check(!uv_queue_work(loop, &tasks[i].work, run_task, take_value));
    }
    uv_run(loop, UV_RUN_DEFAULT);
    free(tasks);
    return sum;
}

static void open_pool(int workers)
{
    char size[16];
    snprintf(size, sizeof size, "%d", workers);
    setenv("UV_THREADPOOL_SIZE", size, 1);
    loop = uv_default_loop();
    sum_of(LATENCY_TASKS);
}

static void run_submit(int workers)
{
    open_pool(workers);
    tell_submit(sum_of);
}

static void run_latency(int workers)
{
    open_pool(workers);
    tell_latency(sum_of);
}

static void run_idle(int workers)
{
    open_pool(workers);
    tell_idle();
}

/* ---------------------------------------------------------------- timers */

static int fired;

static void count(uv_timer_t *timer)
{
    (void)timer;
    fired++;
}

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uv_timer_t *new_timers(int n)
{
    uv_timer_t *timers = calloc((size_t)n, sizeof *timers);
    for (int i = 0; i < n; i++) {
        uv_timer_init(loop, &timers[i]);
    }
    return timers;
}

static void sleepers(int n)
{
    loop = uv_default_loop();
    double memory = peak_bytes(), cpu = cpu_now(), wall = wall_now();
    uv_timer_t *timers = new_timers(n);
    for (int i = 0; i < n; i++) {
        uv_timer_start(&timers[i], count, 1000 + mix((uint64_t)i) % 1000000 / 1000, 0);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    wall = wall_now() - wall;
    check(fired == n);
    tell("over_ms", (wall - 2) * 1e3);
    tell("cpu_s", cpu_now() - cpu);
    tell("bytes_per_task", (peak_bytes() - memory) / n);
}

static void run_sleepers(int workers)
{
    (void)workers;
    sleepers(100000);
}

static void run_sleepers_1m(int workers)
{
    (void)workers;
    sleepers(1000000);
}

enum { CHURN = 1000000, PENDING = 100000 };

static double churn(uv_timer_t *timer)
{
    double start = wall_now();
    for (int i = 0; i < CHURN; i++) {
        uv_timer_start(timer, count, 1000 + (uint64_t)i % 1000, 0);
        uv_timer_stop(timer);
    }
    return (wall_now() - start) * 1e9 / CHURN;
}

static void run_timers(int workers)
{
    (void)workers;
    loop = uv_default_loop();
    uv_timer_t *timers = new_timers(CHURN);
    tell("ns_churn", churn(&timers[0]));
    for (int i = 1; i <= PENDING; i++) {
        uv_timer_start(&timers[i], count, 60000 + (uint64_t)i * 7919 % 60000, 0);
    }
    tell("ns_churn_100k_pending", churn(&timers[0]));
    for (int i = 1; i <= PENDING; i++) {
        uv_timer_stop(&timers[i]);
    }
    double start = wall_now();
    for (int i = 0; i < CHURN; i++) {
        uv_timer_start(&timers[i], count, 60000 + (uint64_t)i % 60000, 0);
    }
    for (int i = 0; i < CHURN; i++) {
        uv_timer_stop(&timers[i]);
    }
    tell("ns_bulk", (wall_now() - start) * 1e9 / CHURN);
}

int main(int argc, char **argv)
{
    static const struct peer_workload workloads[] = {
        {"w4_submit", run_submit},
        {"w5_latency", run_latency},
        {"w7_sleepers", run_sleepers},
        {"w7_sleepers_1m", run_sleepers_1m},
        {"w8_timers", run_timers},
        {"w10_idle", run_idle},
        {NULL, NULL},
    };
    return peer_main(workloads, argc, argv);
}
