/* Regions: the forks of one sheaf_fork_run() that are not joined yet.
 *
 * The places of a region are a stack in memory of its own.  The owner, who runs the function that
 * was given the region, spawns and joins at its upper end; which end that is only the owner knows,
 * it hands it on in a register.  Others take at the lower end, `top`, under the lock.
 *
 *     places      0 .. top-1    taken, and not joined yet
 *                 top .. n-1    open: fn is not NULL
 *                 n ..          fn is NULL
 *
 * Taking and joining is the handshake of Dekker with the pair of fences of lib/atomics.h:
 *
 *     owner, joins place p               who takes place p, lock held
 *     J1 p->fn = NULL                    T1 top = p + 1
 *        light fence                        heavy fence
 *     J2 read top                        T2 read p->fn
 *
 *   Forbidden: J2 sees top <= p and T2 sees a function.  So a fork is called by its owner or taken,
 *   never both.  When both see each other, T2 has found NULL and T1 is taken back, while the owner
 *   waits for the lock and finds under it that nothing was taken.
 *   A join that ran before T1 and a spawn at the same place after it do not harm: what T2 reads was
 *   stored later than the last J1 that T1 did not hinder, so its own join sees T1.
 *   What T2 reads is acquire and pairs with the release of the spawn: `arg` belongs to that `fn`.
 *   The owner writes a place again only after its join, which for a place that T2 has seen open
 *   goes through the lock.
 *
 * Spawning is E1 and E2 of lib/idle.h: the store of `fn`, the light fence, the look at the idle
 * word.  It needs the light fence to be none, since it stands in a header: where fences are full
 * the region is made `eager`, and every fork becomes a task when it is spawned.  So it is where
 * tasks inherit something, or are to run in an order.
 *
 * A worker names the region of the fiber that it runs, for others to find.  When the fiber leaves
 * the worker it names it no more: what is open then is made tasks first, by the owner.
 *
 * The memory of a region stays a region until its pool goes, so that whoever still looks at one
 * that has ended finds nothing, or what it may take just as well.
 *
 * tests/models/region.pml searches the handshake; w1_fib --inline justifies it. */
#ifndef SHEAF_LIB_REGION_H
#define SHEAF_LIB_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include <sheaf/fork.h>

#include "lib/atomics.h"
#include "lib/spin.h"

struct sheaf__region {
    sheaf_forks forks;             /* first: what the owner is handed */
    bool eager;                    /* owner only */
    uint32_t room;                 /* const: places there are */
    struct sheaf__spin lock;       /* rank 4: guards top and the takers' members of the places */
    sheaf_future *task;            /* const while it is in use: whose forks they are */
    struct sheaf__region *outer;   /* owner only: another one that this fiber has begun before */
    struct sheaf__region *next;    /* while it is free, guarded by the lock of the store */
    struct sheaf__region *sibling; /* the other regions of the store, guarded by its lock */
    sheaf_fork places[];           /* one more than there is room for, which ends a search */
};

/* The size of one with so many places. */
#define SHEAF__REGION_SIZE(room)                                                                   \
    (sizeof(struct sheaf__region) + ((size_t)(room) + 1) * sizeof(sheaf_fork))

/* A pool's regions. */
struct sheaf__regions {
    struct sheaf__spin lock; /* rank 5 */
    struct sheaf__region *free;
    struct sheaf__region *all;
};

void sheaf__regions_init(struct sheaf__regions *regions);

/* Requires: nobody uses one any more */
void sheaf__regions_destroy(struct sheaf__regions *regions);

/* Makes a region of that memory, which is zero. */
void sheaf__region_init(struct sheaf__region *region, uint32_t room);

/* Returns: NULL for want of memory */
struct sheaf__region *sheaf__region_take(struct sheaf__regions *regions);
void sheaf__region_give(struct sheaf__regions *regions, struct sheaf__region *region);

/* Begins the use of a region by the running task. */
void sheaf__region_open(struct sheaf__region *region, sheaf_future *task,
                        SHEAF__ATOMIC(uint32_t) * idle, bool eager);

/* Owner: from here on every fork becomes a task when it is spawned. */
void sheaf__region_make_eager(struct sheaf__region *region);

/* Whether there seems to be an open fork.  Anybody; decided under the lock. */
bool sheaf__region_has_fork(struct sheaf__region *region);

/* Takes the oldest open fork out: it is to become `task`, which is filled before the second call.
 *
 *   owner  the caller is the owner, who joins nothing meanwhile
 *
 * Returns: the place, which names its function as `taken`, with the lock held; NULL when there is
 *          none */
sheaf_fork *sheaf__region_begin_take(struct sheaf__region *region, bool owner);
void sheaf__region_end_take(struct sheaf__region *region, sheaf_fork *place, sheaf_future *task);

/* Owner: a fork became a task when it was spawned. */
void sheaf__region_set_taken(struct sheaf__region *region, sheaf_fork *place, sheaf_future *task);

/* Owner: joins a place that was taken, or that somebody has looked at.  Places above are free.
 * Returns: the task that it has become; NULL: nobody has taken it, the owner calls it */
sheaf_future *sheaf__region_leave_place(struct sheaf__region *region, sheaf_fork *place);

#endif
