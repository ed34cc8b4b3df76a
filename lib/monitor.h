/* A lock and a condition in one, for aggregates of the library's own: a gather, a group.
 *
 *     sheaf__monitor_enter(&m);
 *     while (!ready) status = sheaf__monitor_wait(&m, ...);        whoever waits
 *     sheaf__monitor_leave(&m);
 *
 *     sheaf__monitor_enter(&m);                                     whoever makes it ready
 *     ready = true;
 *     sheaf__monitor_notify(&m, SIZE_MAX);
 *     sheaf__monitor_leave(&m);
 *
 * Why not a sheaf_mutex and a sheaf_cond: those hand the mutex over to a waiter that may not run
 * for long; what ends a future cannot wait for that, since it runs between tasks, where nothing can
 * suspend.  Here the lock is a spin lock of a few instructions, nobody holds it over a suspension,
 * and who was notified takes it again like anybody.
 *
 * Rank 4, inside of a timekeeper's lock, since a timer may enter one: inside of it only what a wake
 * takes; no LOCK of a future. */
#ifndef SHEAF_LIB_MONITOR_H
#define SHEAF_LIB_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/time.h>

#include "lib/list.h"
#include "lib/spin.h"
#include "lib/wait.h"

/* Valid when zeroed. */
struct sheaf__monitor {
    struct sheaf__spin lock;
    uint32_t notified;           /* how often; guarded by lock, as all below */
    const sheaf_pool *pool;      /* of what is waited for; NULL: not known yet */
    bool mixed;                  /* it belongs to several pools */
    struct sheaf__list waiters;  /* in the order in which they came */
    struct sheaf__wanted wanted; /* const: what is waited for */
};

static inline void sheaf__monitor_enter(struct sheaf__monitor *monitor)
{
    sheaf__spin_lock(&monitor->lock);
}

static inline void sheaf__monitor_leave(struct sheaf__monitor *monitor)
{
    sheaf__spin_unlock(&monitor->lock);
}

/* Something of that pool (NULL: of none) is among what is waited for.  Who waits for what another
 * pool does is in no deadlock, however quiet the own one is.
 *
 * Requires: entered, or nobody else knows the monitor
 * Returns:  whether who waits already did not know that */
static inline bool sheaf__monitor_concern(struct sheaf__monitor *monitor, const sheaf_pool *pool)
{
    const sheaf_pool *before = monitor->pool;
    bool was_mixed = monitor->mixed;
    monitor->pool = before ? before : pool;
    monitor->mixed = was_mixed || (before && pool && before != pool);
    return pool && (!before || monitor->mixed != was_mixed);
}

/* Waits for a notification; outside of the monitor meanwhile.
 *
 *   pool      whose clock the deadline of a plain thread is on; NULL: the real one
 *   what      static text, for whoever asks what the task waits for
 *
 * Requires: the monitor is entered; it is again on return
 * Returns:  SHEAF_OK: look again; SHEAF_TIMEOUT; SHEAF_CANCELLED, delivered; SHEAF_NOMEM
 * Suspends: unless a notification came in between */
int sheaf__monitor_wait(struct sheaf__monitor *monitor, sheaf_pool *pool, const char *what,
                        sheaf_time deadline);

/* Wakes the `count` that have waited longest.  One of them that is cancelled at the same moment
 * passes its notification on.  Requires: entered */
void sheaf__monitor_notify(struct sheaf__monitor *monitor, size_t count);

#endif
