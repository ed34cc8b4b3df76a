/* Blocking one thread of the operating system until another one lets it go.
 *
 * A parker holds at most one token.  unpark puts the token there, park takes it and waits for it
 * if need be: an unpark that comes before the park makes the park return at once, and several
 * unparks before one park count once.
 */
#ifndef SHEAF_PLATFORM_PARK_H
#define SHEAF_PLATFORM_PARK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* One per thread that may block. */
struct sheaf__parker {
    pthread_mutex_t lock;        /* innermost of all: nothing is called with it held */
    pthread_cond_t ready;        /* on the monotonic clock; signalled when token becomes true */
    bool token;                  /* guarded by lock */
    bool lasting;                /* const after init */
    _Atomic(unsigned) unparkers; /* of a lasting one: threads that are inside of an unpark */
};

/* Make a parker without a token.
 *
 *   lasting  it serves for many parks: the unpark is cheaper, and destroying it may wait for a
 *            thread that is inside of one
 *
 * Returns:  0, or the error number of the failed call; then there is nothing to destroy
 */
int sheaf__parker_init(struct sheaf__parker *p, bool lasting);

/* End a parker.
 *
 * Requires: no thread is parked on it, and no unpark is going to begin.  The thread that was let
 *           go may destroy the parker as soon as its park has returned, even if the unpark that
 *           let it go has not returned yet.
 */
void sheaf__parker_destroy(struct sheaf__parker *p);

/* Wait for the token and take it.
 *
 * Requires: at most one thread at a time parks on p
 * Context:  plain thread code; blocks the thread
 * Order:    what the caller of sheaf__unpark did before is visible after park returned
 */
void sheaf__park(struct sheaf__parker *p);

/* Wait for the token until a point in time on the monotonic clock.
 *
 *   monotonic_ns  INT64_MAX waits for ever; a time that is past only looks for the token
 *
 * Returns:  true: the token was taken; false: the time came first and there was no token
 * Context:  as sheaf__park
 * Order:    as sheaf__park, when true
 */
bool sheaf__park_until(struct sheaf__parker *p, int64_t monotonic_ns);

/* Give the token, and wake the thread that is parked.
 *
 * Context:  any thread, with or without other locks held; not signal handlers
 */
void sheaf__unpark(struct sheaf__parker *p);

#endif
