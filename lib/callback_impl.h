/* A callback, and what runs the callbacks of a future: between lib/callback.c and lib/drain.c. */
#ifndef SHEAF_LIB_CALLBACK_IMPL_H
#define SHEAF_LIB_CALLBACK_IMPL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/future_impl.h"

struct sheaf__callback {
    struct sheaf__weak_node to_future;
    sheaf_done_fn *fn;
    void *arg;
    sheaf_future *future;
    bool holds;                   /* a reference to it: see new_callback() */
    sheaf_future *drain;          /* a record to run it with; NULL once used */
    struct sheaf__locals *locals; /* of whoever registered it (F11) */
};

/* In the extra part of the future; guarded by its LOCK. */
struct sheaf__drain {
    sheaf_future *task;        /* the drain, or the turn that runs, with a reference; or NULL */
    struct sheaf__node *first; /* what it has still to process */
    struct sheaf__node *last;
    struct sheaf__callback *running; /* the task's own, and of who abandons it */
    bool by_turns;                   /* each callback takes a turn of its own; else a drain runs */
    size_t turns;                    /* callbacks that have been given a turn and have not ended */
    struct sheaf__drain_waiter *waiters; /* who waits until no callback runs */
};

/* In the frame of who waits, who leaves it only after having looked at the list under LOCK. */
struct sheaf__drain_waiter {
    struct sheaf__drain_waiter *next;
    struct sheaf__wait *wait;
};

static inline struct sheaf__callback *sheaf__callback_of(struct sheaf__node *node)
{
    return SHEAF__CONTAINER(node, struct sheaf__callback, to_future.node);
}

/* ---------------------------------------------------------------- lib/callback.c */

/* Runs it with the locals of whoever registered it, and frees it. */
void sheaf__callback_run(struct sheaf__callback *callback);

/* Gives one up that runs no more, with the record that it has brought. */
void sheaf__callback_free(struct sheaf__callback *callback);

/* ---------------------------------------------------------------- lib/drain.c */

/* The drain state of a future, made if there is none.  NULL for want of memory. */
struct sheaf__drain *sheaf__drain_need(sheaf_future *future);

/* The record of a task that runs callbacks, to start or to give up.  NULL for want of memory. */
sheaf_future *sheaf__drain_record(sheaf_pool *pool);
void sheaf__drain_give_up(sheaf_future *record);

/* Nobody runs callbacks of that future, and none is left to run.  Requires: LOCK */
bool sheaf__drain_is_idle(const struct sheaf__drain *state);

/* The completer, having let LOCK go, comes to a callback: what sheaf__drain_commit() has committed
 * starts. */
void sheaf__drain_start_committed(struct sheaf__callback *callback, sheaf_future *future);

/* Adds a callback to a finished future.  Requires: LOCK
 * Returns: whether the caller is to start what runs it, once it has let LOCK go */
bool sheaf__drain_add_late(struct sheaf__drain *state, struct sheaf__callback *callback);

/* Starts a drain or turn for a future that somebody holds, with the record that the callback has
 * brought. */
void sheaf__drain_start(struct sheaf__callback *callback, sheaf_future *future);

#endif
