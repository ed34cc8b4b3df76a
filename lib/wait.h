/* The one wait protocol: a suspended task or a blocked thread, and the word that decides who ends
 * its sleep.
 *
 * Who waits prepares its word, makes itself known to what it waits for (a future's list, a timer, a
 * mutex), and sleeps.  Any number of parties may try to wake it; the first to store a reason wins,
 * and that party alone makes it run again.
 *
 *     word = reason | PARKED | PINNED | LATE
 *
 *   reason  0 until somebody wins; set once per wait by compare-and-swap
 *   PARKED  the sleeper's stack is at rest: it may be resumed.  For a fiber set by whatever runs
 *           next on the worker, after the switch (registering happens before it, so a waker may
 *           come while the stack is still in use); for a thread set from the start
 *   PINNED  an inspector is reading the sleeper's stack: the resume is left to it
 *
 * Whoever brings together a reason and PARKED without PINNED resumes the sleeper: the waker, or the
 * one who parks it, or the inspector that lets go.  Exactly one of them, since each changes the
 * word by one read-modify-write and sees what the others did.
 *
 * A sleeper does not leave the frame that its registrations point to until each was taken back or
 * consumed; so nothing ever wakes a wait that is over.
 *
 * A sleeper that is never to go on, since its pool is abandoned, is sealed: it gets a reason that
 * nobody resumes it for.  Its registrations stay where they are, and so does its stack; whoever
 * comes to wake it is told that somebody else has decided, and turns to the next. */
#ifndef SHEAF_LIB_WAIT_H
#define SHEAF_LIB_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include <sheaf/base.h>

#include "lib/atomics.h"
#include "lib/platform/park.h"

enum {
    SHEAF__WAIT_PARKED = 1U << 0,
    SHEAF__WAIT_PINNED = 1U << 1,
    SHEAF__WAIT_DONE = 1U << 2,    /* what was waited for has happened */
    SHEAF__WAIT_TIMEOUT = 2U << 2, /* the deadline has passed */
    SHEAF__WAIT_CANCEL = 3U << 2,  /* a request for cancellation */
    SHEAF__WAIT_REASON = 3U << 2,  /* the mask of the three */
    SHEAF__WAIT_LATE = 1U << 4,    /* to be resumed behind everything that is ready: a yield */
    SHEAF__WAIT_GONE = 1U << 5     /* beside a reason: the sleeper never goes on */
};

/* The futures that a wait is for, where it is for several: for whoever asks. */
struct sheaf__wanted {
    /* Calls each(context, future) for those that have not ended, with a lock held, so that `each`
     * takes none and allocates nothing.  NULL: they are not known. */
    void (*visit)(struct sheaf__wanted *wanted, void (*each)(void *context, sheaf_future *future),
                  void *context);
};

struct sheaf__wait {
    SHEAF__ATOMIC(uint32_t) word;
    void (*resume)(struct sheaf__wait *wait); /* const while waiting */
    SHEAF__ATOMIC(const char *) what;         /* for whoever asks what it waits for; static text */
    SHEAF__ATOMIC(struct sheaf__wanted *) wanted; /* beside `what`, or NULL */
};

/* Tries to end the sleep for that reason.
 *
 * Returns: true when this call decided; the sleeper may be gone on return
 * Order:   what the caller did before is visible to the sleeper when it goes on */
bool sheaf__wake(struct sheaf__wait *wait, uint32_t reason);

/* The sleeper's stack is at rest now.
 * Returns: whether somebody has decided meanwhile: the caller is the one that resumes it */
bool sheaf__wait_parked(struct sheaf__wait *wait);

/* Keeps a parked sleeper from being resumed until the unpin.
 * Returns: false when it is not parked, or being resumed */
bool sheaf__wait_pin(struct sheaf__wait *wait);
void sheaf__wait_unpin(struct sheaf__wait *wait);

/* Ends the sleep of one that nobody is ever to resume; waits for an inspector to let go of it.
 *
 * Requires: it is parked, and the caller has seen the end of the worker that did it
 * Returns:  false when somebody has decided already: `resume` was called, or is about to be */
bool sheaf__wait_seal(struct sheaf__wait *wait);

/* Whether it was sealed: it never goes on, whoever wakes it. */
static inline bool sheaf__wait_is_gone(struct sheaf__wait *wait)
{
    return sheaf__load_rlx(&wait->word) & SHEAF__WAIT_GONE;
}

/* Starts a wait of a fiber. */
static inline void sheaf__wait_begin(struct sheaf__wait *wait)
{
    /* relaxed: published by the registration that follows. */
    sheaf__store_rlx(&wait->word, 0);
}

/* Why the sleep ended, 0 when it has not.  acquire: pairs with the waker's compare-and-swap. */
static inline uint32_t sheaf__wait_reason(struct sheaf__wait *wait)
{
    return sheaf__load_acq(&wait->word) & SHEAF__WAIT_REASON;
}

/* A plain thread's wait: lives in the frame of the blocking call. */
struct sheaf__thread_wait {
    struct sheaf__wait wait;
    struct sheaf__parker parker;
};

/* Returns: false when the system refuses a mutex or a condition */
bool sheaf__thread_wait_init(struct sheaf__thread_wait *self);
void sheaf__thread_wait_destroy(struct sheaf__thread_wait *self);

/* Blocks until woken or until the (real) time; returns the reason. */
uint32_t sheaf__thread_wait_sleep(struct sheaf__thread_wait *self, int64_t deadline);

#endif
