/* A worker's deque of jobs: the owner pushes and pops at the bottom, thieves take at the top.
 *
 * The THE protocol (M. Frigo, C. E. Leiserson, K. H. Randall, "The Implementation of the Cilk-5
 * Multithreaded Language", 1998) with an asymmetric fence: the owner pays neither a fence nor a
 * read-modify-write, thieves exclude each other by a lock and pay the heavy fence.
 *
 *   positions grow without bound (modulo 2^32); the entry of position i is slots[i & mask]
 *
 *        top            bottom
 *         |                |
 *     ----+----+----+----+-+---      live entries: top <= i < bottom
 *     stolen   live       free
 *
 * Claims
 *  C1  An entry is taken by exactly one of: the owner's pop, the owner's claim from the middle, a
 *      thief, a foreign claim.
 *      Owner and thief.  The thief (lock held) stores top = e, heavy fence, loads bottom.  The
 *      owner stores bottom = b, light fence, loads top.  If both want position i (e > i >= b) at
 *      least one sees the other: the owner that sees top > b goes for the lock and decides again
 *      under it; the thief that sees bottom < e draws back to bottom.  When both see each other the
 *      thief still draws back, and the owner, blocked on the lock, finds the entry under it.
 *      Owner's claim from the middle and thief.  The owner stores NULL into the slot, light fence,
 *      loads top; the thief loads the slots after its heavy fence.  An owner that sees top > i asks
 *      under the lock whether `where` still names this deque: a thief that read the entry has
 *      changed it under that lock, one that read NULL has not.
 *  C2  The owner never overwrites an entry that a thief has not read: room is counted from `taken`,
 *      which a thief stores after it has read the slots, not from `top`, which it publishes before.
 *  C3  Nothing in a deque refers to a job that is not queued there: claims from the middle clear
 *      the slot, so a job's record may be reused as soon as it was taken.
 *  C4  A foreign claim sets top out of reach, so that all of the owner's pops and claims go for the
 *      lock; whoever reads such a top must not conclude that the deque is empty, hence
 *      sheaf__deque_empty() takes the lock.
 *      It may begin and end between two steps of the owner, who then reads the old top again.  So
 *      what the owner found before its store to bottom or to the slot does not count: after the
 *      load of top it looks at the slot (pop, claim of the newest) or at `where` (claim from the
 *      middle) once more.  That load is an acquire and every store to top a release, so that
 *      whatever value it reads, what holders of the lock did before is visible.
 *
 * Departures from the paper: the lock-free attempt of the owner uses the light fence; thieves take
 * several entries under one heavy fence; entries can be taken from the middle; `taken`. */
#ifndef SHEAF_LIB_DEQUE_H
#define SHEAF_LIB_DEQUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/atomics.h"
#include "lib/job.h"
#include "lib/platform/cpu.h"
#include "lib/spin.h"

typedef SHEAF__ATOMIC(struct sheaf__job *) sheaf__deque_slot;

#define SHEAF__DEQUE_STEAL_MAX 16U

struct sheaf__deque {
    /* Owner's line.  Written by the owner only. */
    SHEAF__ALIGNED_LINE SHEAF__ATOMIC(uint32_t) bottom; /* read by thieves */
    SHEAF__ATOMIC(uint32_t) limit; /* owner only: pushing at this position needs a look */
    SHEAF__ATOMIC(uint32_t) mask;  /* with slots; replaced by the owner under the lock */
    SHEAF__ATOMIC(sheaf__deque_slot *) slots;
    uint16_t index; /* of the worker; const after init */

    /* Thieves' line.  Written under the lock only. */
    SHEAF__ALIGNED_LINE SHEAF__ATOMIC(uint32_t) top; /* read by the owner */
    SHEAF__ATOMIC(uint32_t) taken; /* entries below are read; trails top while a thief works */
    struct sheaf__spin lock;       /* rank 4 */
};

/* Returns: false for want of memory */
bool sheaf__deque_init(struct sheaf__deque *deque, uint16_t index);
void sheaf__deque_destroy(struct sheaf__deque *deque);

/* Slow paths: see the inline functions. */
bool sheaf__deque_make_room(struct sheaf__deque *deque);
bool sheaf__deque_claim_contended(struct sheaf__deque *deque, struct sheaf__job *job);

/* Owner: publishes a job that says where it lies.  Requires: bottom is not at the limit */
static SHEAF__ALWAYS_INLINE void sheaf__deque_put(struct sheaf__deque *deque, uint32_t bottom,
                                                  struct sheaf__job *job)
{
    sheaf__deque_slot *slots = sheaf__load_rlx(&deque->slots);
    uint32_t mask = sheaf__load_rlx(&deque->mask);
    /* release: publishes the job; pairs with the acquire in whoever takes it, for the owner on
     * another of its fibers where only a race detector needs it. */
    sheaf__store_rel(&slots[bottom & mask], job);
    /* release: publishes the slot; pairs with the acquire of bottom in a thief. */
    sheaf__store_rel(&deque->bottom, bottom + 1);
}

/* Owner: adds a job at the bottom.
 *
 * Returns: false when the deque is full and cannot grow; nothing changed
 * Order:   what the owner wrote before is visible to whoever takes the job */
static inline bool sheaf__deque_push(struct sheaf__deque *deque, struct sheaf__job *job)
{
    /* relaxed: the owner's own words. */
    uint32_t bottom = sheaf__load_rlx(&deque->bottom);
    if (SHEAF__UNLIKELY(bottom == sheaf__load_rlx(&deque->limit)) &&
        !sheaf__deque_make_room(deque)) {
        return false;
    }
    sheaf__store_rlx(&job->at.slot, bottom);
    sheaf__store_rlx(&job->where, deque->index);
    sheaf__deque_put(deque, bottom, job);
    return true;
}

/* Owner: takes position `at`, the newest; its slot may have been cleared by a foreign claim.
 * Returns: false when somebody is above it: the lock decides */
static inline bool sheaf__deque_take_last(struct sheaf__deque *deque, uint32_t at)
{
    /* relaxed: the fence pair orders the store before the load of top (C1). */
    sheaf__store_rlx(&deque->bottom, at);
    sheaf__fence_light();
    /* acquire: C4. */
    uint32_t top = sheaf__load_acq(&deque->top);
    return SHEAF__LIKELY((int32_t)(at - top) >= 0);
}

/* Owner: takes the newest job; NULL when there is none. */
struct sheaf__job *sheaf__deque_pop(struct sheaf__deque *deque);

/* Owner: takes this very job, wherever in the deque it lies; false when it is not (any more) here.
 * Safe for a job of any pool: only an entry that is really in this deque is taken. */
bool sheaf__deque_claim(struct sheaf__deque *deque, struct sheaf__job *job);

enum sheaf__claim {
    SHEAF__CLAIM_OTHER,    /* the newest entry is another one; nothing changed */
    SHEAF__CLAIM_DONE,     /* it was taken */
    SHEAF__CLAIM_UNSETTLED /* sheaf__deque_settle_last() has to go on */
};

/* Owner: the claim when the job is the newest: inline, for the fork-join path.  It looks at nothing
 * but the newest entry: by C3 that is this job only if the job is queued here, or if the entry was
 * stolen, which the top shows.
 *
 * Bottom is to be lowered over entries below that claims from the middle have cleared, so that
 * awaiting in the order of spawning does not leave the deque longer each time. */
static SHEAF__ALWAYS_INLINE enum sheaf__claim sheaf__deque_claim_last(struct sheaf__deque *deque,
                                                                      struct sheaf__job *job)
{
    /* relaxed: the owner's own words. */
    uint32_t at = sheaf__load_rlx(&deque->bottom) - 1;
    sheaf__deque_slot *slots = sheaf__load_rlx(&deque->slots);
    uint32_t mask = sheaf__load_rlx(&deque->mask);
    if (sheaf__load_acq(&slots[at & mask]) != job) {
        return SHEAF__CLAIM_OTHER;
    }
    /* relaxed: with an old top, the lock is taken for nothing, or a trim is left to the next. */
    if (SHEAF__LIKELY(sheaf__deque_take_last(deque, at)) &&
        SHEAF__LIKELY(sheaf__load_rlx(&slots[at & mask]) == job) &&
        (SHEAF__LIKELY(sheaf__load_rlx(&slots[(at - 1) & mask])) ||
         at == sheaf__load_rlx(&deque->top))) {
        return SHEAF__CLAIM_DONE;
    }
    return SHEAF__CLAIM_UNSETTLED;
}

/* Owner: decides under the lock about an entry that bottom has been lowered to.
 * Returns: whether it was the job, which is taken */
bool sheaf__deque_settle_last(struct sheaf__deque *deque, struct sheaf__job *job);

/* Owner: whether this very job lies in the deque, unless a thief is just taking it. */
bool sheaf__deque_holds(struct sheaf__deque *deque, const struct sheaf__job *job);

/* Thief: takes up to `most` of the oldest jobs, at most an eighth of them but at least one.
 *
 *   jobs  receives them, oldest first; their `where` is NONE
 *   mark  or-ed into each job's `word` before anybody else can run it
 *
 * Returns: how many; 0 when there was nothing, or when others were faster */
unsigned sheaf__deque_steal(struct sheaf__deque *deque, struct sheaf__job **jobs, unsigned most,
                            uint32_t mark);

/* Anybody: takes this very job out of another worker's deque; its `where` becomes NONE.
 * Returns: false when it is not there any more */
bool sheaf__deque_claim_foreign(struct sheaf__deque *deque, struct sheaf__job *job, uint32_t mark);

/* Anybody: calls visit(context, job) for every job in it, oldest first, with the lock held; none of
 * them leaves meanwhile. */
void sheaf__deque_visit(struct sheaf__deque *deque,
                        void (*visit)(void *context, struct sheaf__job *job), void *context);

/* Owner: whether there seems to be nothing to pop; a hint, which a foreign claim may falsify. */
static inline bool sheaf__deque_looks_empty(struct sheaf__deque *deque)
{
    uint32_t bottom = sheaf__load_rlx(&deque->bottom);
    return (int32_t)(bottom - 1 - sheaf__load_rlx(&deque->top)) < 0;
}

/* Anybody: how many are in it, claimed ones that left a hole included; 0 while a foreign claim is
 * under way.  Exact while nobody uses it.  relaxed: it stands for itself. */
static inline size_t sheaf__deque_size(struct sheaf__deque *deque)
{
    int32_t size = (int32_t)(sheaf__load_rlx(&deque->bottom) - sheaf__load_rlx(&deque->top));
    return size > 0 ? (size_t)size : 0;
}

/* Anybody: whether nothing is in it, decided under the lock (C4). */
bool sheaf__deque_empty(struct sheaf__deque *deque);

/* Broken invariants stop the program (debug builds).  Requires: no other thread uses the deque */
void sheaf__deque_check(struct sheaf__deque *deque);

#endif
