/* Timers in the order of their deadlines: a data structure without lock, thread or clock.
 *
 * The owner locks, says what time it is, and calls `fire` of what is due.
 *
 *     sheaf__timers_add(&timers, &task->timer, deadline);
 *     ...
 *     struct sheaf__timer *due;
 *     while ((due = sheaf__timers_pop_due(&timers, now)) != NULL) due->fire(due);
 *     sleep_until(sheaf__timers_next(&timers));
 *
 * Order: exactly by deadline, and by the order of sheaf__timers_add() among equal deadlines.
 *
 * Far timers lie in a hierarchical wheel, where adding and removing is a link and an unlink; near
 * ones, those of the current tick of 65.5 microseconds and what is overdue, lie in a heap, which
 * gives the exact order.  A timer moves towards the heap as time passes, at most once a level.  A
 * struct sheaf__timers takes about 25 KiB and never allocates.
 *
 * Costs: add O(1), remove O(1) from the wheel and O(log n) amortised from the heap, next O(1) while
 * the earliest timer stays, else one walk over the first slot that is in use. */
#ifndef SHEAF_LIB_TIMER_H
#define SHEAF_LIB_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/heap.h"
#include "lib/list.h"

#define SHEAF__TIMERS_NEVER INT64_MAX

/* 6 levels of 256 slots above a tick of 2^16 ns span the 64 bits of a deadline. */
#define SHEAF__TIMERS_TICK_BITS 16
#define SHEAF__TIMERS_SLOT_BITS 8
#define SHEAF__TIMERS_SLOTS (1U << SHEAF__TIMERS_SLOT_BITS)
#define SHEAF__TIMERS_LEVELS 6U
#define SHEAF__TIMERS_WORDS (SHEAF__TIMERS_SLOTS / 64)

enum sheaf__timer_state {
    SHEAF__TIMER_IDLE = 0, /* not pending */
    SHEAF__TIMER_WHEEL,    /* in the slot that `slot` names */
    SHEAF__TIMER_HEAP,     /* in the heap */
    SHEAF__TIMER_NEVER,    /* pending without a deadline: in neither */
    SHEAF__TIMER_FIRING    /* not pending; the owner is about to call `fire`, or does */
};

/* Embedded in what waits; valid when zeroed.  `fire` is the owner's to set, the rest is private. */
struct sheaf__timer {
    union {
        struct sheaf__link link;       /* WHEEL */
        struct sheaf__heap_node node;  /* HEAP */
        struct sheaf__timer *next_due; /* the owner's, while FIRING */
    } at;
    int64_t deadline;
    uint64_t sequence;                        /* the order of adding */
    void (*fire)(struct sheaf__timer *timer); /* never called from here */
    uint16_t slot;                            /* WHEEL: level * SLOTS + index */
    uint8_t state;                            /* enum sheaf__timer_state */
    uint8_t kind;                             /* the owner's: see lib/timekeeper.h */
};

/* Guarded by the owner's lock. */
struct sheaf__timers {
    uint64_t cursor;            /* the tick up to which timers lie in the heap */
    uint64_t sequence;          /* timers added so far */
    size_t count;               /* pending ones that have a deadline */
    int64_t told;               /* not above any deadline: see sheaf__timers_add() */
    struct sheaf__timer *first; /* the earliest of the wheel, NULL when not known */
    struct sheaf__heap near;    /* by deadline, then sequence */
    uint32_t levels;            /* bit n: level n has a slot in use */
    uint64_t used[SHEAF__TIMERS_LEVELS]
                 [SHEAF__TIMERS_WORDS]; /* bit n of a level: slot n is in use */
    struct sheaf__list slots[SHEAF__TIMERS_LEVELS * SHEAF__TIMERS_SLOTS];
};

/* An empty structure on a clock that shows `now`. */
void sheaf__timers_init(struct sheaf__timers *timers, int64_t now);

/* Makes a timer pending.  A deadline that has passed is due at once, in its place in the order;
 * SHEAF__TIMERS_NEVER never is.
 *
 * Requires: it is not pending
 * Returns:  whether it is earlier than what sheaf__timers_next() answered last, and than everything
 *           added since: whoever sleeps until that answer has to be woken */
bool sheaf__timers_add(struct sheaf__timers *timers, struct sheaf__timer *timer, int64_t deadline);

/* Makes a timer not pending.  Returns: false when it was not. */
bool sheaf__timers_remove(struct sheaf__timers *timers, struct sheaf__timer *timer);

/* The exact deadline of the earliest timer; SHEAF__TIMERS_NEVER when there is none. */
int64_t sheaf__timers_next(struct sheaf__timers *timers);

/* Takes the earliest timer out if its deadline is not after `now`; else NULL.  The timer is not
 * pending any more and may be added again.  `now` may be less than it was before. */
struct sheaf__timer *sheaf__timers_pop_due(struct sheaf__timers *timers, int64_t now);

/* Whether the timer is pending. */
static inline bool sheaf__timer_pending(const struct sheaf__timer *timer)
{
    return timer->state != SHEAF__TIMER_IDLE && timer->state != SHEAF__TIMER_FIRING;
}

/* Checks every invariant.  Returns: NULL, or a sentence that says which one is broken. */
const char *sheaf__timers_check(struct sheaf__timers *timers);

#endif
