/* What the parts of asking share: the request on its way, the counts of a task, the circle that a
 * walk may go in.  See lib/ask_chain.c, lib/ask_tree.c, lib/cancel.c. */
#ifndef SHEAF_LIB_ASKING_H
#define SHEAF_LIB_ASKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/future_impl.h"

/* A request on its way. */
struct sheaf__request {
    sheaf_origin origin;
    sheaf_error *message;         /* borrowed, may be NULL */
    struct sheaf__extra *spare;   /* where a task without an extra part keeps the message */
    sheaf_error *unkept;          /* a message that gave way, to be released */
    sheaf_future *last_held;      /* to be let go when no LOCK is held any more */
    sheaf_future *unrun;          /* claimed, and to be ended then: its pool is dead */
    struct sheaf__ticket *ticket; /* of the first task, may be NULL */
    bool sure;                    /* that it was taken is only said when it is certain */
    struct sheaf__ended *more;    /* for promises that end, when a notification is under way */

    /* Where a walk down a chain has ended when it did not arrive: */
    struct sheaf__composed *reached; /* whose members are to be asked; its future is held */
    sheaf_future *asker;             /* the task that awaits that one, held; NULL: nobody */
};

/* ---------------------------------------------------------------- the counts; LOCK is held */

static inline uint32_t sheaf__asked_of(const sheaf_future *task)
{
    return sheaf__load_rlx(&task->job.asked);
}

static inline void sheaf__set_pending_origin(sheaf_future *task, sheaf_origin origin)
{
    uint32_t asked = sheaf__asked_of(task) & ~(7U << SHEAF__ASKED_PENDING_SHIFT);
    sheaf__store_rlx(&task->job.asked, asked | ((uint32_t)origin << SHEAF__ASKED_PENDING_SHIFT));
}

static inline void sheaf__count_request(sheaf_future *task, sheaf_origin origin)
{
    uint32_t asked = sheaf__asked_of(task);
    if ((asked & SHEAF__ASKED_COUNT) != SHEAF__ASKED_COUNT) {
        sheaf__store_rlx(&task->job.asked, asked + 1);
    }
    sheaf__set_pending_origin(task, origin);
}

static inline void sheaf__set_undelivered(sheaf_future *task)
{
    uint32_t asked = sheaf__asked_of(task);
    if ((asked & SHEAF__ASKED_UNDELIVERED_MASK) != SHEAF__ASKED_UNDELIVERED_MASK) {
        sheaf__store_rlx(&task->job.asked, asked + SHEAF__ASKED_UNDELIVERED);
    }
    sheaf__or_seq(&task->job.word, SHEAF__WORD_CANCEL);
}

/* The tickets of a list are not undelivered any more. */
static inline void sheaf__settle_list(struct sheaf__ticket **list)
{
    while (*list) {
        (*list)->undelivered = false;
        *list = (*list)->next;
    }
}

static inline void sheaf__clear_undelivered(sheaf_future *task)
{
    sheaf__store_rlx(&task->job.asked, sheaf__asked_of(task) & ~SHEAF__ASKED_UNDELIVERED_MASK);
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (extra) {
        sheaf__settle_list(&extra->tickets);
        if (SHEAF__UNLIKELY(extra->lag)) {
            sheaf__lag_end(task, extra);
        }
    }
    sheaf__and_acq_rel(&task->job.word, ~SHEAF__WORD_CANCEL);
}

/* Returns: whether it was in the list */
static inline bool sheaf__unlink_ticket(sheaf_future *task, struct sheaf__ticket *ticket)
{
    if (!ticket->undelivered) {
        return false;
    }
    struct sheaf__ticket **at = &sheaf__future_extra(task)->tickets;
    while (*at != ticket) {
        at = &(*at)->next;
    }
    *at = ticket->next;
    ticket->undelivered = false;
    return true;
}

/* The request that stays with the task is the ticket's. */
static inline void sheaf__keep_ticket(sheaf_future *task, struct sheaf__request *request)
{
    struct sheaf__ticket *ticket = request->ticket;
    if (ticket) {
        struct sheaf__extra *extra = sheaf__future_extra(task);
        ticket->undelivered = true;
        ticket->next = extra->tickets;
        extra->tickets = ticket;
    }
}

/* Takes so many back of those that are undelivered; a count that is full stands for any number.
 * Returns: whether none is left */
static inline bool sheaf__take_undelivered(sheaf_future *task, uint32_t some)
{
    uint32_t all = sheaf__asked_of(task) & SHEAF__ASKED_UNDELIVERED_MASK;
    if (some < all) {
        sheaf__store_rlx(&task->job.asked, sheaf__asked_of(task) - some);
        return false;
    }
    sheaf__clear_undelivered(task);
    return true;
}

static inline void sheaf__set_passed(sheaf_future *task)
{
    sheaf__store_rlx(&task->job.asked, sheaf__asked_of(task) | SHEAF__ASKED_PASSED);
}

static inline void sheaf__set_last_origin(sheaf_future *task, sheaf_origin origin)
{
    uint32_t asked = sheaf__asked_of(task) & ~(7U << SHEAF__ASKED_LAST_SHIFT);
    sheaf__store_rlx(&task->job.asked, asked | ((uint32_t)origin << SHEAF__ASKED_LAST_SHIFT));
}

static inline sheaf_origin sheaf__last_origin(const sheaf_future *task)
{
    return (sheaf_origin)(sheaf__asked_of(task) >> SHEAF__ASKED_LAST_SHIFT);
}

static inline sheaf_origin sheaf__pending_origin(const sheaf_future *task)
{
    return (sheaf_origin)((sheaf__asked_of(task) >> SHEAF__ASKED_PENDING_SHIFT) & 7U);
}

/* ---------------------------------------------------------------- walking */

/* The future that a task awaits, or NULL. */
static inline sheaf_future *sheaf__awaited_future(uintptr_t awaiting)
{
    bool is_future = (awaiting & SHEAF__AWAITING_TAG) != SHEAF__AWAITING_WAIT;
    return is_future ? (sheaf_future *)(awaiting & ~(uintptr_t)SHEAF__AWAITING_TAG) : NULL;
}

/* What a running task awaits, with its tag.  Requires: LOCK was taken before */
uintptr_t sheaf__read_awaiting(sheaf_future *task);

/* Finds out that a walk goes in a circle: R. P. Brent, "An improved Monte Carlo factorization
 * algorithm", 1980.  Only circles of timed waits exist; they end by themselves. */
struct sheaf__laps {
    const sheaf_future *mark; /* compared only */
    size_t steps;
    size_t limit;
};

static inline bool sheaf__goes_round(struct sheaf__laps *laps, const sheaf_future *at)
{
    if (at == laps->mark) {
        return true;
    }
    if (laps->steps++ == laps->limit) {
        laps->mark = at;
        laps->steps = 0;
        laps->limit = laps->limit * 2 + 1;
    }
    return false;
}

/* The request stays with this task.  Wakes it if it sleeps on something that is no future.
 *
 *   awaiting  what the task awaits, or 0
 *
 * Requires: LOCK */
void sheaf__ask_here(sheaf_future *task, uintptr_t awaiting, struct sheaf__request *request);

/* Asks a future and what it awaits, down to the end of the chain.
 * Returns: false when its end is decided; else the request has arrived, or request->reached is set
 */
bool sheaf__ask_chain(sheaf_future *future, struct sheaf__request *request);

/* The same, and everything that it stands for.  Returns: whether it was taken */
bool sheaf__ask(sheaf_future *future, struct sheaf__request *request);

#endif
