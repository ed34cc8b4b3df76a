/* What the queues hold: the head of a task that has not started, of a fiber that is ready, or, in
 * asyncio's order, of a turn (lib/turn.h).
 *
 * A job is in at most one queue.  `where` names that queue, so that a task can be taken out of the
 * middle by whoever awaits it; the queue's lock, or ownership of the deque, guards the links.
 *
 * The words of a future's state live here as well (`state`, `word`), because they share the cache
 * line that queueing touches; lib/future_impl.h draws them.  The queues never look at them. */
#ifndef SHEAF_LIB_JOB_H
#define SHEAF_LIB_JOB_H

#include <stdint.h>

#include <sheaf/base.h>

#include "lib/atomics.h"

enum {
    SHEAF__WHERE_RUNQ = 0xfffe, /* in the pool's queue for work from outside */
    SHEAF__WHERE_NONE = 0xffff  /* in no queue; below these: in that worker's deque */
};

enum {
    SHEAF__JOB_FIBER = 1U << 0,     /* a fiber to resume; otherwise a task to start */
    SHEAF__JOB_FRAME = 1U << 1,     /* the record lies in its maker's frame */
    SHEAF__JOB_LONER = 1U << 2,     /* must have a fiber of its own: pinned, or own stack size */
    SHEAF__JOB_BARE = 1U << 3,      /* no task: a promise; in a queue a turn */
    SHEAF__JOB_KEEP = 1U << 4,      /* a late result is kept */
    SHEAF__JOB_BY_MEMBER = 1U << 4, /* BARE: failed with a member's cancellation, not cancelled */
    SHEAF__JOB_STATIC = 1U << 5,    /* immortal: never counted, never freed */
    SHEAF__JOB_MASKED = 1U << 6,    /* requests are held back; changed by the task itself only */
    SHEAF__JOB_SWEPT = 1U << 7      /* asked by the shutdown that is under way */
};

struct sheaf__job {
    SHEAF__ATOMIC(uint16_t) where; /* written by the owner of the deque or under a queue's lock */
    SHEAF__ATOMIC(uint8_t) state;  /* enum sheaf__task_state */
    SHEAF__ATOMIC(uint8_t) flags;  /* SHEAF__JOB_... */
    SHEAF__ATOMIC(uint32_t) word;  /* see lib/future_impl.h */
    union {
        SHEAF__ATOMIC(uint32_t) slot;   /* queued in a deque: its position there */
        SHEAF__ATOMIC(uint32_t) status; /* ended: the status, as two's complement */
    } at;
    SHEAF__ATOMIC(uint32_t) asked; /* requests for cancellation, see lib/future_impl.h */
    union {
        struct sheaf__job *next; /* in a run queue, guarded by its lock; or on a free list */
        SHEAF__ATOMIC(uintptr_t) awaiting; /* running: what it waits for, see future_impl.h */
    } up;
    union {
        struct sheaf__job *prev; /* in a run queue, guarded by its lock */
        sheaf_value value;       /* running, ended: the value; failed: the error object */
    } out;
};

/* What sheaf__store_wide_rlx() writes over `where` to `word`, and over `slot` and `asked`. */
static inline uint64_t sheaf__job_head(uint16_t where, uint8_t state, uint8_t flags, uint32_t word)
{
    union {
        struct {
            uint16_t where;
            uint8_t state;
            uint8_t flags;
            uint32_t word;
        } parts;
        uint64_t head;
    } job = {{where, state, flags, word}};
    return job.head;
}

static inline uint64_t sheaf__job_place(uint32_t slot)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return slot;
#else
    return (uint64_t)slot << 32;
#endif
}

#endif
