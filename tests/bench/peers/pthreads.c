/* Plain pthreads: a queue under a mutex and a condition that threads take tasks from, each task
 * with a place for its value; and two threads that hand over. */
#include <pthread.h>
#include <stdbool.h>

#include "peer.h"

struct task {
    struct task *next;
    int64_t number;
    int64_t value;
    bool done;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static struct task *first, **end = &first;
static struct task *awaited;

static void *run_tasks(void *unused)
{
    pthread_mutex_lock(&mutex);
    for (;;) {
        while (!first) {
            pthread_cond_wait(&work, &mutex);
        }
        struct task *task = first;
        first = task->next;
        end = first ? end : &first;
        pthread_mutex_unlock(&mutex);
        task->value = 2 * task->number;
        pthread_mutex_lock(&mutex);
        task->done = true;
        if (task == awaited) {
            pthread_cond_signal(&done);
        }
    }
    return unused;
}

static void submit(struct task *task)
{
    pthread_mutex_lock(&mutex);
    *end = task;
    end = &task->next;
    pthread_mutex_unlock(&mutex);
    pthread_cond_signal(&work);
}

static int64_t value_of(struct task *task)
{
    pthread_mutex_lock(&mutex);
    awaited = task;
    while (!task->done) {
        pthread_cond_wait(&done, &mutex);
    }
    pthread_mutex_unlock(&mutex);
    return task->value;
}

static int64_t sum_of(int n)
{
    struct task *tasks = calloc((size_t)n, sizeof *tasks);
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        tasks[i].number = i;
        submit(&tasks[i]);
    }
    for (int i = 0; i < n; i++) {
        sum += value_of(&tasks[i]);
    }
    free(tasks);
    return sum;
}

static void start_threads(int workers)
{
    for (int i = 0; i < workers; i++) {
        pthread_t thread;
        check(!pthread_create(&thread, NULL, run_tasks, NULL));
        pthread_detach(thread);
    }
    sum_of(LATENCY_TASKS);
}

static void run_submit(int workers)
{
    start_threads(workers);
    tell_submit(sum_of);
}

static void run_latency(int workers)
{
    start_threads(workers);
    tell_latency(sum_of);
}

/* ---------------------------------------------------------------- handing over */

enum { TURNS = 50000 };

static int64_t turn;

static void take_turns(int64_t parity)
{
    for (int64_t i = 0; i < TURNS; i++) {
        pthread_mutex_lock(&mutex);
        while (turn % 2 != parity) {
            pthread_cond_wait(&work, &mutex);
        }
        turn++;
        pthread_cond_signal(&work);
        pthread_mutex_unlock(&mutex);
    }
}

static void *take_odd_turns(void *unused)
{
    take_turns(1);
    return unused;
}

static void run_pingpong(int workers)
{
    pthread_t other;
    (void)workers;
    double start = wall_now();
    check(!pthread_create(&other, NULL, take_odd_turns, NULL));
    take_turns(0);
    pthread_join(other, NULL);
    check(turn == 2 * TURNS);
    tell("ns_per_switch", (wall_now() - start) * 1e9 / (2 * TURNS));
}

int main(int argc, char **argv)
{
    static const struct peer_workload workloads[] = {
        {"w4_submit", run_submit},
        {"w5_latency", run_latency},
        {"w6_pingpong", run_pingpong},
        {NULL, NULL},
    };
    return peer_main(workloads, argc, argv);
}
