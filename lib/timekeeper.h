/* A pool's clock and its timers.
 *
 * On a real clock one thread sleeps until the earliest deadline and fires what is due; it starts
 * with the first timer.  On a virtual clock there is no thread: when the whole pool is at rest the
 * last worker to lie down moves the clock to the earliest deadline and fires what is due there. */
#ifndef SHEAF_LIB_TIMEKEEPER_H
#define SHEAF_LIB_TIMEKEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/atomics.h"
#include "lib/timer.h"

struct sheaf__timekeeper {
    /* Rank 4, inside of rest_lock: guards the timers and the thread's fields. */
    pthread_mutex_t lock;
    pthread_cond_t sooner;
    pthread_cond_t fired;
    unsigned watchers; /* who waits for `fired` */
    struct sheaf__timers timers;
    pthread_t thread;
    bool is_virtual; /* const */
    bool running;    /* the thread exists */
    bool stop;
    SHEAF__ATOMIC(int64_t) virtual_now; /* written under the lock */
    SHEAF__ATOMIC(uint64_t) started;    /* statistics: timers set */
    const char *name;                   /* of the thread; const */
};

/* What is done with a timer whose time has come. */
enum sheaf__timer_kind {
    /* `fire` is called with the lock held; it does no more than wake somebody.  The timer may be
     * gone from then on. */
    SHEAF__TIMER_PLAIN = 0,
    /* Called without any lock, so that it may ask a task to cancel.  The owner has to call
     * sheaf__timer_clear() before the timer goes. */
    SHEAF__TIMER_UNLOCKED,
    /* Called without any lock; the timer is `fire`'s, and may be gone from then on.  Nobody waits
     * for that: who wants it back earlier calls sheaf__timer_take_back(). */
    SHEAF__TIMER_DETACHED
};

/* Returns: 0 or an error number */
int sheaf__timekeeper_init(struct sheaf__timekeeper *keeper, bool is_virtual, const char *name);

/* Ends the thread and fires every timer that is still set; from here on one fires when it is set.
 * */
void sheaf__timekeeper_stop(struct sheaf__timekeeper *keeper);

/* Requires: stopped, or never used */
void sheaf__timekeeper_destroy(struct sheaf__timekeeper *keeper);

/* The time on this clock. */
int64_t sheaf__timekeeper_now(struct sheaf__timekeeper *keeper);

/* Sets a timer: timer->fire(timer) is called once, not before the deadline; at once when that has
 * passed.  How is said by timer->kind, enum sheaf__timer_kind.
 *
 * Requires: the timer is not set
 * Returns:  0; SHEAF_NOMEM when the thread cannot be started, the timer is then not set */
int sheaf__timer_set(struct sheaf__timekeeper *keeper, struct sheaf__timer *timer,
                     int64_t deadline);

/* Sets a detached timer, but never fires it here.
 *
 * Returns: false when there is nothing to wait for any more or the thread cannot be started: the
 *          timer is then not set */
bool sheaf__timer_try_set(struct sheaf__timekeeper *keeper, struct sheaf__timer *timer,
                          int64_t deadline);

/* Takes a timer back: on return `fire` has run or never will.  Returns: whether it never will. */
bool sheaf__timer_clear(struct sheaf__timekeeper *keeper, struct sheaf__timer *timer);

/* The same without waiting, for a detached timer.  Requires: `fire` has not been called
 * Returns: false when it is about to be */
bool sheaf__timer_take_back(struct sheaf__timekeeper *keeper, struct sheaf__timer *timer);

/* How many timers with a deadline are set. */
size_t sheaf__timekeeper_pending(struct sheaf__timekeeper *keeper);

/* Virtual clock: goes to the earliest deadline and fires everything that is due there.
 *
 *   *due  receives timers, from the first that is not plain on, which the caller fires without a
 *         lock, and before anybody advances the clock again
 *
 * Returns: false when no timer is set */
bool sheaf__timekeeper_advance(struct sheaf__timekeeper *keeper, struct sheaf__timer **due);

/* Fires such a list, in order.  No lock is held. */
void sheaf__timekeeper_fire(struct sheaf__timekeeper *keeper, struct sheaf__timer *due);

#endif
