/* A pool's parts, and what the layers above install in it. */
#ifndef SHEAF_LIB_POOL_IMPL_H
#define SHEAF_LIB_POOL_IMPL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/pool.h>

#include "lib/atomics.h"
#include "lib/exploration.h"
#include "lib/fiber.h"
#include "lib/idle.h"
#include "lib/platform/cpu.h"
#include "lib/platform/forks.h"
#include "lib/region.h"
#include "lib/runq.h"
#include "lib/slab.h"
#include "lib/timekeeper.h"
#include "lib/worker.h"

#define SHEAF__POOL_NAME_SIZE 12

/* What the runtime calls upwards: it knows jobs, not tasks. */
struct sheaf__pool_ops {
    /* Runs the task to its end on the calling loop's stack.  The worker may be another one after.
     * */
    void (*run)(struct sheaf__worker *worker, struct sheaf__job *job);
    /* Ends a task that cannot be started, with that status. */
    void (*refuse)(struct sheaf_pool *pool, struct sheaf__job *job, int status);
    /* Takes the oldest fork of a region and makes it a task; NULL when there is none. */
    struct sheaf__job *(*steal_fork)(struct sheaf__worker *worker, struct sheaf__region *region);
    /* Or-ed into the word of a task that leaves its maker's deque, or, without the cheap fence, of
     * every task: somebody else than its maker's worker may run it. */
    uint32_t stolen;
    /* For pools with an observer: tells of a task, or of the worker with NULL (lib/observe.h). */
    void (*observe)(struct sheaf__worker *worker, struct sheaf_future *task, int kind);
};

/* Life of a pool: OPEN -> CLOSING (no new work from outside) -> STOPPED (workers leave). */
enum sheaf__pool_phase { SHEAF__POOL_OPEN = 0, SHEAF__POOL_CLOSING = 1, SHEAF__POOL_STOPPED = 2 };

struct sheaf__report; /* lib/report.c */

/* What a layer above keeps with a pool and ends with it: the threads of its blocking calls. */
struct sheaf__annex {
    /* Takes nothing new from here on and ends what is there as `how` says; frees the annex.
     *
     * Returns: SHEAF_OK; SHEAF_TIMEOUT when something still runs at the (real) deadline: call
     *          again.  ABANDON does not wait */
    int (*close)(struct sheaf__annex *annex, sheaf_close how, int64_t deadline);
    void (*tell_late)(struct sheaf__annex *annex, sheaf_late_fn *late, void *context);
};

struct sheaf_pool {
    /* Const after the pool has opened. */
    const struct sheaf__pool_ops *ops;
    struct sheaf__worker *workers;
    unsigned worker_count;
    unsigned seats;                 /* with the spares that there may be */
    SHEAF__ATOMIC(unsigned) seated; /* with those that there are; written under rest_lock */
    unsigned flags;                 /* SHEAF_POOL_... */
    sheaf_duration cancel_report;   /* 0: tasks that do not react are not told */
    unsigned forks;                 /* sheaf__forks when it opened */
    bool deterministic;
    bool is_virtual;
    uint64_t seed;
    /* Of a run under sheaf_explore(), or NULL; set before its first task. */
    SHEAF__ATOMIC(struct sheaf__exploration *) exploration;
    char name[SHEAF__POOL_NAME_SIZE];
    sheaf_unhandled_fn *unhandled;
    void *hook_context;
    sheaf_observer_fn *observer; /* or NULL */
    void *observer_context;
    SHEAF__ATOMIC(uint64_t) number; /* for the observer; 0: none yet */
    pthread_mutex_t hook_lock;      /* guards the two below; nothing is called with it held */
    struct sheaf__report *reports;  /* wait for the hook, oldest first */
    bool reporting;                 /* somebody works them off */

    struct sheaf__runq inject; /* tasks from outside; in the deterministic mode everything */
    struct sheaf__runq woken;  /* fibers woken from outside of the workers */
    struct sheaf__idle idle;

    /* Spares: lib/spare.c. */
    SHEAF__ATOMIC(bool) unwatched;      /* there may be spares, and there is none yet */
    SHEAF__ATOMIC(int64_t) watch_after; /* no try to start one before */
    SHEAF__ATOMIC(uint64_t) lends;      /* statistics */
    int64_t looked;                     /* the last look; as the next, of whoever has the watch */
    struct sheaf__seen_queue seen_woken;

    struct sheaf__timekeeper keeper;
    struct sheaf__fibers fibers;
    struct sheaf__regions regions;
    struct sheaf__depot depot;
    struct sheaf__depot
        timers; /* the records of timers that no task waits in: lib/timer_future.c */

    SHEAF__ATOMIC(uint8_t) phase;
    /* Pending promises made on plain threads, and tasks that wait for futures of other pools. */
    SHEAF__ATOMIC(uint32_t) outside;
    SHEAF__ATOMIC(uint32_t) visitors;        /* other threads that are making a fiber ready */
    SHEAF__ATOMIC(uint64_t) stamps;          /* completions counted so far */
    SHEAF__ATOMIC(uint64_t) names;           /* default names given so far */
    SHEAF__ATOMIC(uint64_t) spawned_outside; /* tasks made by other threads than the workers */
    SHEAF__ATOMIC(uint64_t) refused;         /* of all tasks, those that no worker ran */
    pthread_mutex_t inspect_lock;            /* rank 1: one inspection at a time */
    struct sheaf__link registered; /* guarded by the lock of lib/registry.c, as the next */
    unsigned visits;               /* who looks at it, and keeps it from going */

    /* The pool at rest: every worker asleep, nothing queued. */
    pthread_mutex_t rest_lock;       /* rank 3: guards what follows; held over the decision */
    uint32_t holds;                  /* of a virtual clock */
    pthread_cond_t rested;           /* something below has changed */
    uint64_t rests;                  /* how often it was seen at rest */
    size_t rest_suspended;           /* parked fibers when it was seen at rest last */
    bool deadlock;                   /* then: tasks suspended, nothing left that could wake them */
    struct sheaf__wait *rest_waiter; /* a task that sleeps until the pool is at rest otherwise */
    struct sheaf__wait *run_waiter;  /* a run's own task, while it waits for the main task */
    bool run_stopped;                /* the main task is not to be waited for */
    bool fatal;                      /* because a task ended with SHEAF_FATAL */
    bool run_ended;                  /* a run's own task has ended */
    bool close_called;               /* a close is under way */
    unsigned workers_left;           /* workers that have ended, spares too */
    struct sheaf__annex *annex;      /* or NULL; goes only in a close */
    bool annex_closed;               /* none is made any more */
};

/* Whether this process is a child, by fork(), of the one that opened the pool: its workers are not
 * here, and its locks are not to be touched.  What is const may be read, and what is atomic. */
static inline bool sheaf__pool_is_lost(const sheaf_pool *pool)
{
    return SHEAF__UNLIKELY(pool->forks != sheaf__forks);
}

/* Whether each task has an extra part, for what the pool's options ask for. */
static inline bool sheaf__pool_extends_tasks(const sheaf_pool *pool)
{
    return (pool->flags & (SHEAF_POOL_STAMPS | SHEAF_POOL_WATCH)) || pool->observer;
}

/* Opens a pool whose tasks are run by `ops`; as sheaf_pool_open(). */
int sheaf__pool_open(const sheaf_options *given, const struct sheaf__pool_ops *ops,
                     sheaf_pool **out);

/* Tells the workers to leave and joins their threads.  Suspended tasks stay where they are.
 *
 * Returns: SHEAF_OK; SHEAF_TIMEOUT when a body still runs at the (real) deadline: call again */
int sheaf__pool_stop(sheaf_pool *pool, int64_t deadline);

/* A worker's thread is about to end. */
void sheaf__pool_worker_left(sheaf_pool *pool);

static inline bool sheaf__pool_stopped(sheaf_pool *pool)
{
    /* acquire: pairs with the release in sheaf__pool_stop(). */
    return sheaf__load_acq(&pool->phase) == SHEAF__POOL_STOPPED;
}

/* Takes the oldest job out of any queue of a stopped pool; NULL when all are empty. */
struct sheaf__job *sheaf__pool_take_any(sheaf_pool *pool);

/* Sees to it that nobody makes a fiber of a stopped pool ready any more: from here on who comes to
 * wake one touches its stack, which stays, and not the pool, which goes.
 *
 * Returns: how many fibers somebody had woken already: each of them is in a queue, or comes there
 *          shortly, and may be waited for in sheaf__pool_take_any() */
size_t sheaf__pool_seal(sheaf_pool *pool);

/* Frees the pool, at once or when its last future is released.  The stacks that tasks are suspended
 * on stay for ever.
 *
 * Requires: stopped, sealed, nothing queued, no timers any more, and every fiber that was woken
 *           before has come */
void sheaf__pool_retire(sheaf_pool *pool);

/* Puts new tasks, linked by up.next, in the queue for work from outside.
 * Returns: false when the pool takes nothing from outside any more; nothing changed */
bool sheaf__pool_offer(sheaf_pool *pool, struct sheaf__job *first, struct sheaf__job *last,
                       size_t count);

/* The same for a job of the library's own, which a closing pool still takes, and for one that the
 * pool knows already, in front of all others.
 * Returns: false when the pool is dead: nobody will look at its queues any more */
bool sheaf__pool_push_alive(sheaf_pool *pool, struct sheaf__job *job);
bool sheaf__pool_hurry(sheaf_pool *pool, struct sheaf__job *job);

/* Looks whether any queue holds a job that anybody may take.  Not a promise: see lib/idle.h. */
bool sheaf__pool_has_work(sheaf_pool *pool);

/* The same without the fibers that are left to the worker that woke them. */
bool sheaf__pool_has_announced_work(sheaf_pool *pool);

/* Called by the last worker to lie down.  Returns: true when it made something runnable. */
bool sheaf__pool_at_rest(sheaf_pool *pool);

/* Waits until the pool was at rest once more than *seen says, which is updated; with *seen 0 until
 * it was at rest after the call began.
 *
 * Returns: SHEAF_OK; SHEAF_TIMEOUT at the (real) deadline; SHEAF_DEADLOCK when it rests for good
 * Context: plain thread */
int sheaf__pool_wait_rest(sheaf_pool *pool, uint64_t *seen, int64_t deadline);

/* Waits for a change of what the pool at rest means.  Returns: as pthread_cond_timedwait
 * Requires: rest_lock is held */
int sheaf__pool_wait_change(sheaf_pool *pool, int64_t deadline);

/* How many tasks have not ended: no fewer than there were at some instant of the call.  0 is exact.
 * */
size_t sheaf__pool_unfinished(sheaf_pool *pool);

static inline bool sheaf__pool_busy(sheaf_pool *pool)
{
    return sheaf__pool_unfinished(pool) > 0;
}

/* How many fibers are parked.  Exact while the pool is at rest. */
size_t sheaf__pool_suspended(sheaf_pool *pool);

/* A run on this pool, if there is one or when there will be one, does not wait for its main task
 * any longer (lib/runner.c).
 *
 *   fatal  because a task ended with SHEAF_FATAL */
void sheaf__pool_stop_run(sheaf_pool *pool, bool fatal);

/* The first use of the library (lib/run.c).  Returns: SHEAF_OK or SHEAF_NOMEM */
int sheaf__process_prepare(void);

/* Where reports go; never NULL (lib/run.c). */
void sheaf__report_hook(sheaf_report_fn **report, void **context);

#endif
