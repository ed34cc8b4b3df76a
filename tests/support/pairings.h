/* The task/thread matrix: what works between two tasks has to work between any two of tasks and
 * plain threads.
 *
 *     for (int p = 0; p < PAIRINGS; p++) {
 *         struct actor producer, consumer;
 *         actor_start(&producer, pairing_first(p), f->pool, produce, &queue);
 *         actor_start(&consumer, pairing_second(p), f->pool, consume, &queue);
 *         EXPECT_INT(actor_join(&producer), SHEAF_OK);
 *         EXPECT_INT(actor_join(&consumer), SHEAF_OK);
 *     }
 *
 * An actor has the shape of a task's body in both cases.
 */
#ifndef SHEAF_TESTS_SUPPORT_PAIRINGS_H
#define SHEAF_TESTS_SUPPORT_PAIRINGS_H

#include <pthread.h>
#include <stdbool.h>

#include <sheaf/future.h>
#include <sheaf/task.h>

#include "tests/support/fixture.h"

enum actor_kind { ACTOR_TASK, ACTOR_THREAD };

enum { PAIRINGS = 4 };

static inline enum actor_kind pairing_first(int pairing)
{
    return pairing & 1 ? ACTOR_THREAD : ACTOR_TASK;
}

static inline enum actor_kind pairing_second(int pairing)
{
    return pairing & 2 ? ACTOR_THREAD : ACTOR_TASK;
}

struct actor {
    enum actor_kind kind;
    sheaf_fn *fn;
    void *arg;
    sheaf_value value;
    int status;
    sheaf_future *future; /* of a task, else NULL */
    pthread_t thread;     /* of a thread */
};

static inline void *actor_thread_main(void *arg)
{
    struct actor *a = arg;
    a->status = a->fn(a->arg, &a->value);
    return NULL;
}

/* Starts fn(arg, value) as a task of the pool or as a thread of its own. */
static inline void actor_start(struct actor *a, enum actor_kind kind, sheaf_pool *pool,
                               sheaf_fn *fn, void *arg)
{
    *a = (struct actor){.kind = kind, .fn = fn, .arg = arg};
    if (kind == ACTOR_TASK) {
        a->future = sheaf_spawn_on(pool, fn, arg);
    } else {
        EXPECT_INT(pthread_create(&a->thread, NULL, actor_thread_main, a), 0);
    }
}

/* Waits for its end.  Returns: what fn returned. */
static inline int actor_join(struct actor *a)
{
    if (a->kind == ACTOR_TASK) {
        a->status = sheaf_join(a->future, &a->value);
        a->future = NULL;
    } else {
        pthread_join(a->thread, NULL);
    }
    return a->status;
}

#endif
