/* A fiber: a stack on which a worker's loop and the tasks that it starts run, and which is left
 * behind, parked, when a task suspends.
 *
 * The record lies at the top of its own stack, in the page that any use of the stack touches. */
#ifndef SHEAF_LIB_FIBER_H
#define SHEAF_LIB_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#include <sheaf/base.h>

#include "lib/atomics.h"
#include "lib/job.h"
#include "lib/list.h"
#include "lib/platform/context.h"
#include "lib/platform/stack.h"
#include "lib/spin.h"
#include "lib/wait.h"

struct sheaf__region;
struct sheaf__worker;

struct sheaf__fiber {
    struct sheaf__job job;   /* what the queues hold when it is ready */
    struct sheaf__wait wait; /* of the task that suspends on it */
    struct sheaf__context context;
    struct sheaf_pool *pool; /* const */
    char *low;               /* lowest address of the stack; const; NULL for a worker's home */
    /* Below this address no child is called on this stack; const. */
    SHEAF__ATOMIC(char *) inline_limit;
    size_t special; /* usable size of a stack of its own size, else 0; const */
    /* Written by the fiber itself when it parks, read by itself and by inspectors. */
    SHEAF__ATOMIC(struct sheaf_future *) current;
    /* The worker that the running task is pinned to, or NULL; written by the fiber itself. */
    SHEAF__ATOMIC(struct sheaf__worker *) pinned;
    /* The worker on which it goes on, or NULL: any.  Written by the fiber itself when it parks. */
    SHEAF__ATOMIC(struct sheaf__worker *) bound_for;
    /* The forks of the tasks on it, the run begun last first, or NULL; owner only. */
    SHEAF__ATOMIC(struct sheaf__region *) region;
    int saved_errno;                /* while parked */
    struct sheaf__fiber *next_free; /* in a worker's cache; owner only */
    struct sheaf__link all;         /* in the registry, guarded by its lock */
};

/* All fibers of a pool. */
struct sheaf__fibers {
    struct sheaf__stacks stacks;
    /* What every fiber starts with, whichever task needed it: the pool's opener's, as its threads
     * do; const. */
    struct sheaf__context_modes modes;
    struct sheaf__spin lock; /* rank 2: guards the list; held while parked fibers are inspected */
    struct sheaf__list all;
    SHEAF__ATOMIC(size_t) count;
};

/* Returns: 0, or an error number: nothing was left behind */
int sheaf__fibers_init(struct sheaf__fibers *fibers, size_t stack_size);

/* Requires: every fiber has been destroyed or abandoned */
void sheaf__fibers_destroy(struct sheaf__fibers *fibers);

/* Makes a fiber that will run entry(fiber).
 *
 *   stack_size  0 for the pool's size
 *
 * Returns: NULL when the system refuses a stack */
struct sheaf__fiber *sheaf__fiber_new(struct sheaf_pool *pool, struct sheaf__fibers *fibers,
                                      size_t stack_size, void (*entry)(void *),
                                      void (*resume)(struct sheaf__wait *));

/* Requires: it is suspended for good and in no queue */
void sheaf__fiber_destroy(struct sheaf__fibers *fibers, struct sheaf__fiber *fiber);

/* Forgets a fiber whose bodies will never go on.  Its stack stays for ever: the registrations of
 * its sleep lie there, and so may whatever else the bodies have told others the address of.
 *
 * Requires: as for sheaf__fiber_destroy(); its wait is over, so that nobody resumes it */
void sheaf__fiber_abandon(struct sheaf__fibers *fibers, struct sheaf__fiber *fiber);

static inline struct sheaf__fiber *sheaf__fiber_of_job(struct sheaf__job *job)
{
    return SHEAF__CONTAINER(job, struct sheaf__fiber, job);
}

static inline struct sheaf__fiber *sheaf__fiber_of_wait(struct sheaf__wait *wait)
{
    return SHEAF__CONTAINER(wait, struct sheaf__fiber, wait);
}

#endif
