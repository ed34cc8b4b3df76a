/* Turns, in asyncio's order: what somebody is told of the end of a future is told when its place in
 * the one queue comes, as asyncio's loop does with each callback of a future that is done.
 *
 * A gather, a shield, a wait count with it: between the end of a member and the turn of its node
 * the member is done and the gather is not.  The record of the turn is part of what is told, so
 * that a completion needs no memory.  It is a job in the queue that is marked BARE: no task, no
 * fiber.
 *
 * Only the pool's own worker takes turns; who ends a future elsewhere tells at once.  So there is
 * one thread that queues them, and who holds a future of the pool may take a queued one back. */
#ifndef SHEAF_LIB_TURN_H
#define SHEAF_LIB_TURN_H

#include <stdbool.h>

#include "lib/future_impl.h"

struct sheaf__turn {
    struct sheaf__job job;
    sheaf_pool *pool; /* const: in whose queue; NULL: it is told at once */
    /* const: tells, as `notify` of a node; the turn may be freed in it */
    void (*come)(struct sheaf__turn *turn, struct sheaf__ended *more);
};

/* The pool whose worker the caller runs on, if it keeps asyncio's order; else NULL. */
sheaf_pool *sheaf__turns_here(void);

/* A turn in the queue of `pool` (NULL: of none) for what is told of the end of `future`, which is
 * held as long as the turn lives.  In another pool's future it is told at once. */
void sheaf__turn_init(struct sheaf__turn *turn, sheaf_pool *pool, const sheaf_future *future,
                      void (*come)(struct sheaf__turn *turn, struct sheaf__ended *more));

/* Queues it.  Returns: false when it is to be told at once */
bool sheaf__turn_take(struct sheaf__turn *turn);

/* Takes a queued one back.  Returns: false when it is not queued: its turn has come, or will */
bool sheaf__turn_take_back(struct sheaf__turn *turn);

static inline bool sheaf__job_is_turn(const struct sheaf__job *job)
{
    return sheaf__load_rlx(&job->flags) & SHEAF__JOB_BARE;
}

/* Its turn has come. */
void sheaf__turn_come(struct sheaf__job *job);

#endif
