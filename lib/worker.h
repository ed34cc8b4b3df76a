/* A worker: one thread, its deque and queues, and the loop that runs on its fibers.
 *
 * The loop has no stack of its own.  Each fiber runs the loop, and the loop calls a task's body
 * directly; a task that never waits costs no switch.  A task that suspends leaves its fiber behind,
 * and the worker goes on with the loop on another one: cached, new, or, when the system refuses a
 * stack, on the thread's own stack ("home"), where it can resume parked fibers but start nothing.
 *
 * Owner-only fields are relaxed atomics: several fibers of one worker use them, in program order of
 * the thread, which a race detector that takes fibers for threads cannot know.  Where one fiber
 * hands another something to look into, `parking`, `handed` and `cached`, release and acquire tell
 * it. */
#ifndef SHEAF_LIB_WORKER_H
#define SHEAF_LIB_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <sheaf/base.h>

#include "lib/atomics.h"
#include "lib/deque.h"
#include "lib/fiber.h"
#include "lib/idle.h"
#include "lib/job.h"
#include "lib/platform/cpu.h"
#include "lib/platform/self.h"
#include "lib/region.h"
#include "lib/runq.h"
#include "lib/slab.h"
#include "lib/spare.h"

/* Counted by the worker alone, summed by readers. */
struct sheaf__counters {
    SHEAF__ATOMIC(uint64_t) spawned;
    SHEAF__ATOMIC(uint64_t) ran;     /* tasks that ended after the loop or a claim ran them */
    SHEAF__ATOMIC(uint64_t) inlined; /* of these, those called on the awaiter's stack */
    SHEAF__ATOMIC(uint64_t) stolen;
    SHEAF__ATOMIC(uint64_t) parked;
    SHEAF__ATOMIC(uint64_t) resumed;
};

/* What a worker knows of the fibers that were left to the one which woke them: see lib/idle.h. */
struct sheaf__handovers {
    SHEAF__ATOMIC(uint32_t) count; /* owner only: of its own */
    SHEAF__ATOMIC(uint32_t)
    distrust;                     /* so many of its next ones are announced; a hint, by anybody */
    SHEAF__ATOMIC(int64_t) since; /* owner only: when the one that is timed was; 0: none is */
    /* Owner only, while it searches: the worker with such a fiber that it looks at. */
    SHEAF__ATOMIC(struct sheaf__worker *) seen;
    SHEAF__ATOMIC(uint32_t) seen_taken;
    SHEAF__ATOMIC(uint32_t) looks;
};

struct sheaf__worker {
    /* Owner only: the fork-join path. */
    SHEAF__ATOMIC(struct sheaf_future *) current; /* the running task, NULL between tasks */
    SHEAF__ATOMIC(char *) inline_limit;           /* of the running fiber */
    SHEAF__ATOMIC(struct sheaf__fiber *) fiber;   /* the running fiber */
    struct sheaf__cache records;
    struct sheaf_pool *pool; /* const */
    uint32_t born;           /* const: what a task's word starts with, see future_impl.h */
    uint16_t index;          /* const */
    bool deterministic;      /* const: one queue */
    bool calls;              /* const: a child may run on the stack of who awaits it */
    bool migrates;           /* const: every wait suspends, and goes on on another worker */
    bool is_spare;           /* const: one of those beside the workers asked for */
    bool direct;             /* const: a fiber that rests looks itself for who goes on */
    bool hands_over;         /* const: what it wakes may be left to it; there is a watch */
    bool plain_spawns;       /* const: no extra part for the pool's options, not deterministic */
    bool watches;            /* const: tasks note when they suspend */
    bool observes;           /* const: the pool has an observer */
    SHEAF__ATOMIC(uint8_t) held; /* its tasks are to wait before they end: lib/inspect.c */
    struct sheaf__counters counts;
    uint64_t
        head; /* const: sheaf__job_head() of a task in its deque, but for flags and references */

    struct sheaf__deque deque;

    /* Owner only: the slower paths. */
    SHEAF__ATOMIC(struct sheaf__fiber *) parking; /* switched away from, PARKED not yet set */
    SHEAF__ATOMIC(struct sheaf__fiber *) dying;   /* switched away from for good */
    SHEAF__ATOMIC(struct sheaf__fiber *) cached;  /* fibers whose loop is suspended */
    SHEAF__ATOMIC(uint32_t) cached_count;
    SHEAF__ATOMIC(struct sheaf__job *) handed; /* a job for the loop that is switched to */
    SHEAF__ATOMIC(uint32_t) ticks;
    struct sheaf__handovers handovers;
    SHEAF__ATOMIC(uint64_t) dice; /* state of the generator: victims, seeded choices */
    struct sheaf__fiber home;
    int *errno_place; /* of the thread; const once it runs */
    pthread_t thread;
    struct sheaf__parker parker;

    /* Shared. */
    SHEAF__ATOMIC(struct sheaf__region *) region; /* of the running fiber; thieves take from it */
    struct sheaf__runq ready;       /* fibers woken by this worker's tasks; thieves take from it */
    struct sheaf__runq late;        /* fibers that gave way; thieves take from it */
    struct sheaf__runq pinned;      /* fibers that go on on this worker and no other */
    struct sheaf__runq pinned_late; /* of these, those that gave way */
    struct sheaf__bunk bunk;

    /* For spares: lib/spare.h. */
    SHEAF__ATOMIC(clockid_t) cpu_clock;             /* of the thread; 0 before it runs */
    SHEAF__ATOMIC(int) thread_number;               /* the same */
    SHEAF__ATOMIC(struct sheaf__worker *) stand_in; /* the spare that serves in its place */
    SHEAF__ATOMIC(uint8_t) lent;                    /* enum sheaf__lent: of a spare */
    struct sheaf__place place;                      /* of a spare that is lent */
    struct sheaf__seen seen;
};

/* The worker that runs the caller; NULL on a plain thread.  Not to be kept over a suspension. */
static inline struct sheaf__worker *sheaf__worker_self(void)
{
    return (struct sheaf__worker *)sheaf__self_get();
}

/* The running task of the calling worker, or NULL. */
static inline struct sheaf_future *sheaf__worker_current(struct sheaf__worker *worker)
{
    return worker ? sheaf__load_rlx(&worker->current) : NULL;
}

/* Others may take forks of that region of the running fiber; NULL: there is none. */
static inline void sheaf__worker_show_region(struct sheaf__worker *worker,
                                             struct sheaf__region *region)
{
    /* release: pairs with the acquire of who looks. */
    sheaf__store_rel(&worker->region, region);
}

/* Whether the running fiber has forks that others may take.  Anybody. */
static inline bool sheaf__worker_has_fork(struct sheaf__worker *worker)
{
    struct sheaf__region *region = sheaf__load_acq(&worker->region);
    return SHEAF__UNLIKELY(region) && sheaf__region_has_fork(region);
}

/* release: a reader that sees the count sees what was counted before (sheaf__pool_busy()). */
static inline void sheaf__count_rel(SHEAF__ATOMIC(uint64_t) * counter)
{
    sheaf__store_rel(counter, sheaf__load_rlx(counter) + 1);
}

static inline void sheaf__count(SHEAF__ATOMIC(uint64_t) * counter)
{
    sheaf__store_rlx(counter, sheaf__load_rlx(counter) + 1);
}

/* Returns: SHEAF_OK or SHEAF_NOMEM, nothing left behind */
int sheaf__worker_init(struct sheaf__worker *worker, struct sheaf_pool *pool, uint16_t index);
void sheaf__worker_destroy(struct sheaf__worker *worker);

/* The thread's body: runs until the pool stops. */
void *sheaf__worker_thread(void *arg);

/* The worker has not come to a fiber that was left to it: the next ones are announced. */
static inline void sheaf__worker_distrust(struct sheaf__worker *worker)
{
    /* relaxed: a hint. */
    sheaf__store_rlx(&worker->handovers.distrust, 64U);
}

/* Makes a job that the caller has just made runnable known: a new task, newest first. */
void sheaf__worker_push(struct sheaf__worker *worker, struct sheaf__job *job);

/* Parks the running fiber until its wait word has a reason and somebody resumed it.
 *
 * Requires: a task runs; sheaf__wait_begin() and the registrations have been made
 * Returns:  the reason.  The worker may be another one: look it up again. */
uint32_t sheaf__worker_park(struct sheaf__worker *worker);

/* Parks the running fiber behind everything that is ready. */
void sheaf__worker_yield(struct sheaf__worker *worker);

/* The same for a wait whose time has passed: whoever has woken it by then has decided, else it ends
 * with TIMEOUT.  Requires and returns: as park */
uint32_t sheaf__worker_park_overdue(struct sheaf__worker *worker);

/* Starts a task that wants a stack of its own size: on a new fiber, which the caller's loop then
 * switches to.  Returns: false when there is no such stack */
bool sheaf__worker_run_special(struct sheaf__worker *worker, struct sheaf__job *job,
                               size_t stack_size);

/* Ties the running fiber to a worker, to which the next suspension takes it; NULL frees it. */
void sheaf__worker_pin(struct sheaf__worker *worker, struct sheaf__worker *to);

#endif
