/* GLib's thread pool.  It has no futures: each task has a place for its value, and all share a
 * mutex and a condition. */
#include <glib.h>

#include "peer.h"

struct task {
    int64_t number;
    int64_t value;
    gboolean done;
};

static GThreadPool *pool;
static GMutex mutex;
static GCond cond;

static void run_task(gpointer given, gpointer unused)
{
    struct task *task = given;
    (void)unused;
    g_mutex_lock(&mutex);
    task->value = 2 * task->number;
    task->done = TRUE;
    g_cond_signal(&cond);
    g_mutex_unlock(&mutex);
}

static int64_t sum_of(int n)
{
    struct task *tasks = g_new0(struct task, (gsize)n);
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        tasks[i].number = i;
        g_thread_pool_push(pool, &tasks[i], NULL);
    }
    for (int i = 0; i < n; i++) {
        g_mutex_lock(&mutex);
        while (!tasks[i].done) {
            g_cond_wait(&cond, &mutex);
        }
        sum += tasks[i].value;
        g_mutex_unlock(&mutex);
    }
    g_free(tasks);
    return sum;
}

static void open_pool(int workers)
{
    pool = g_thread_pool_new(run_task, NULL, workers, TRUE, NULL);
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

int main(int argc, char **argv)
{
    static const struct peer_workload workloads[] = {
        {"w4_submit", run_submit},
        {"w5_latency", run_latency},
        {"w10_idle", run_idle},
        {NULL, NULL},
    };
    return peer_main(workloads, argc, argv);
}
