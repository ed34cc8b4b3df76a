/* Lines of waiters: what everything that can be waited for has in common, so that one call waits
 * for any of it, or for several things at once.
 *
 * Who wants something is a *waiter*.  It looks, and when there is nothing it gets in line and
 * sleeps.  Who has something to give takes the oldest out of the line and *chooses* it.
 *
 *   waiter                                     giver, under the object's guard
 *   W1 under the guard: take, or get in line   G1 take the oldest out of the line
 *   W2 sleep                                   G2 choose it; refused: go on with the next
 *   W3 leave every line, under its guard
 *   W4 chosen: accept; or decline, when a
 *      request has beaten it (P7, P8)
 *
 * Choosing is winning the one compare-and-swap of the sleep's wait, so of the waiters that share a
 * sleep at most one is chosen, and none when a request or the time has won.  A waiter that is in
 * another line already and finds something itself has to win it as well before it takes that.
 *
 * `chosen` is set before the compare-and-swap and taken back, still under the guard, when it fails;
 * so it is known once the guard has been taken after the sleep.  W3 comes always: neither the
 * waiter nor, when a wait has returned, the object is touched any more by whoever ended the wait.
 * So an object may lie in the frame of the last one that waits for it. */
#ifndef SHEAF_LIB_WAITERS_H
#define SHEAF_LIB_WAITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/atomics.h"
#include "lib/future_impl.h"

struct sheaf__waiter;

/* A ring in the order of arrival.  Empty when zeroed; guarded by the guard of the object. */
struct sheaf__line {
    struct sheaf__waiter *first;
};

enum sheaf__look {
    SHEAF__LOOK_NOTHING = 0, /* it only looks, or something else has ended its sleep */
    SHEAF__LOOK_QUEUED,
    SHEAF__LOOK_TAKEN /* it has what it wants, and has nothing to accept */
};

/* One way to wait for a kind of object.  Each function takes the object's guard. */
struct sheaf__waitable {
    const char *what; /* for whoever asks what a task waits for */
    /* W1. */
    enum sheaf__look (*look)(struct sheaf__waiter *waiter);
    /* W3: out of the line, if it is still in it; on return no giver is at work on the waiter.  May
     * set `chosen`: the wait has what it wanted, although its sleep was ended by something else. */
    void (*leave)(struct sheaf__waiter *waiter);
    /* W4: what was given is kept, or passed on to the next.  NULL: nothing to do. */
    void (*accept)(struct sheaf__waiter *waiter);
    void (*decline)(struct sheaf__waiter *waiter);
};

struct sheaf__waiter {
    struct sheaf__waiter *next; /* links and `line`: guarded by the guard of the line */
    struct sheaf__waiter *previous;
    SHEAF__ATOMIC(struct sheaf__line *) line; /* where it is; NULL: in none */
    const struct sheaf__waitable *kind;
    void *object;
    struct sheaf__wait *wait;   /* NULL: it only looks */
    struct sheaf__waiter *also; /* the next one that shares the sleep */
    int status;                 /* how what it waited for has ended; set before it is chosen */
    bool chosen;
    union {
        struct sheaf__node node;  /* a future's (lib/select.c) */
        struct sheaf__item *item; /* a queue's (lib/queue_wait.c) */
        size_t index;             /* a barrier's */
    } of;
};

static inline bool sheaf__line_empty(const struct sheaf__line *line)
{
    return line->first == NULL;
}

/* Requires: the guard is held */
static inline void sheaf__line_push(struct sheaf__line *line, struct sheaf__waiter *waiter)
{
    struct sheaf__waiter *first = line->first;
    if (first) {
        waiter->next = first;
        waiter->previous = first->previous;
        first->previous->next = waiter;
        first->previous = waiter;
    } else {
        waiter->next = waiter;
        waiter->previous = waiter;
        line->first = waiter;
    }
    /* relaxed, as below: whoever goes by it holds the guard. */
    sheaf__store_rlx(&waiter->line, line);
}

/* Whether the waiter is in this very line.  Requires: the line's guard is held */
static inline bool sheaf__line_has(struct sheaf__line *line, struct sheaf__waiter *waiter)
{
    return sheaf__load_rlx(&waiter->line) == line;
}

/* Requires: the guard is held, the waiter is in this line */
static inline void sheaf__line_remove(struct sheaf__line *line, struct sheaf__waiter *waiter)
{
    if (waiter->next == waiter) {
        line->first = NULL;
    } else {
        waiter->previous->next = waiter->next;
        waiter->next->previous = waiter->previous;
        if (line->first == waiter) {
            line->first = waiter->next;
        }
    }
    sheaf__store_rlx(&waiter->line, NULL);
}

/* Takes the oldest out; NULL when nobody waits.  Requires: the guard is held */
static inline struct sheaf__waiter *sheaf__line_pop(struct sheaf__line *line)
{
    struct sheaf__waiter *oldest = line->first;
    if (oldest) {
        sheaf__line_remove(line, oldest);
    }
    return oldest;
}

/* G2.  Requires: the guard is held, the waiter is in no line
 * Returns: whether it is the one that ends the sleep */
static inline bool sheaf__waiter_choose(struct sheaf__waiter *waiter, int status)
{
    waiter->status = status;
    waiter->chosen = true;
    if (sheaf__wake(waiter->wait, SHEAF__WAIT_DONE)) {
        return true;
    }
    waiter->chosen = false;
    return false;
}

/* Chooses the oldest one that still waits.  Requires: the guard is held
 * Returns: whether there was one */
static inline bool sheaf__line_choose(struct sheaf__line *line, int status)
{
    struct sheaf__waiter *waiter;
    while ((waiter = sheaf__line_pop(line)) != NULL) {
        if (sheaf__waiter_choose(waiter, status)) {
            return true;
        }
    }
    return false;
}

/* Chooses everybody, oldest first.  Requires: the guard is held */
static inline void sheaf__line_choose_all(struct sheaf__line *line, int status)
{
    while (sheaf__line_choose(line, status)) {
    }
}

/* W1 for a waiter that has found what it wants.  Requires: the guard is held
 * Returns: whether it may take that */
static inline bool sheaf__waiter_claim(struct sheaf__waiter *waiter, int status)
{
    return !waiter->wait ? (waiter->status = status, true) : sheaf__waiter_choose(waiter, status);
}

/* W1 for a waiter that has found nothing.  Requires: the guard is held */
static inline enum sheaf__look sheaf__waiter_queue(struct sheaf__waiter *waiter,
                                                   struct sheaf__line *line)
{
    if (!waiter->wait) {
        return SHEAF__LOOK_NOTHING;
    }
    sheaf__line_push(line, waiter);
    return SHEAF__LOOK_QUEUED;
}

/* ---------------------------------------------------------------- waiting (lib/waiters.c) */

/* Looks once at each of them, in order.  Returns: the one that has taken something, or NULL */
struct sheaf__waiter *sheaf__waiters_look(struct sheaf__waiter *waiters);

/* Waits until one of them, linked by `also`, has what it wants; the others leave no trace.  When
 * several could have it at the call the first one does.
 *
 *   clock     whose clock `deadline` is on for a plain thread, if that is virtual; may be NULL
 *   *chosen   the one; NULL unless SHEAF_OK.  Its `status` says how it has fared
 *
 * Returns:  SHEAF_OK, SHEAF_TIMEOUT, SHEAF_CANCELLED, SHEAF_NOMEM */
int sheaf__waiters_wait(struct sheaf__waiter *waiters, sheaf_pool *clock, sheaf_time deadline,
                        struct sheaf__waiter **chosen);

/* The same for one.  Returns: its status too */
int sheaf__waiter_wait(struct sheaf__waiter *waiter, sheaf_time deadline);

/* The same, whatever requests come, and without memory. */
void sheaf__waiter_wait_deaf(struct sheaf__waiter *waiter);

#endif
