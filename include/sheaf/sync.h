/* Mutex and condition variable that know about tasks.                                 (stable tier)
 *
 * Called from a task they suspend the task; called from a plain thread they block the thread; both
 * kinds may use the same object at the same time.  Valid when zeroed, nothing to destroy.
 *
 *     static sheaf_mutex m = SHEAF_MUTEX_INIT;
 *     static sheaf_cond ready = SHEAF_COND_INIT;
 *
 *     SHEAF_TRY(sheaf_lock(&m));
 *     while (!count) {
 *         int status = sheaf_cond_wait(&ready, &m);
 *         if (status) { sheaf_unlock(&m); return status; }
 *     }
 *     count--;
 *     sheaf_unlock(&m);
 *
 * Order: unlocking hands the mutex over to the oldest waiter; nobody overtakes, so a task that
 * unlocks and locks again queues behind those that wait.  A waiter that is cancelled after it was
 * chosen passes on what it had been given: neither a lock nor a notification is lost.
 */
#ifndef SHEAF_SYNC_H
#define SHEAF_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

typedef struct sheaf_mutex {
    uint32_t state_;
    uint32_t spare_;
    void *waiters_;
} sheaf_mutex;

/* clang-format off */
#define SHEAF_MUTEX_INIT {0, 0, NULL}
/* clang-format on */

typedef struct sheaf_cond {
    uint32_t state_;
    uint32_t spare_;
    void *waiters_;
} sheaf_cond;

/* clang-format off */
#define SHEAF_COND_INIT {0, 0, NULL}
/* clang-format on */

/* Takes the mutex.  Not recursive; any task or thread may unlock it.
 *
 * Returns:  SHEAF_OK, SHEAF_CANCELLED (the mutex is not held)
 * Context:  task, plain thread
 * Suspends: only when the mutex is taken; a free one is no point of delivery */
SHEAF_API int sheaf_lock(sheaf_mutex *mutex);

/* The same with a limit: SHEAF_TIMEOUT when it passes first. */
SHEAF_API int sheaf_lock_until(sheaf_mutex *mutex, sheaf_time deadline);

/* Takes the mutex if it is free: true when taken. */
SHEAF_API bool sheaf_try_lock(sheaf_mutex *mutex);

/* Gives the mutex back.  Returns: SHEAF_OK; SHEAF_STATE when it is not locked. */
SHEAF_API int sheaf_unlock(sheaf_mutex *mutex);

/* Whether somebody holds it, at some instant of the call. */
SHEAF_API bool sheaf_locked(const sheaf_mutex *mutex);

/* Gives the mutex back, waits for a notification, takes the mutex again: the first two are one
 * step, and the mutex is held again on return whatever the status.
 *
 * Requires: the mutex is held
 * Returns:  SHEAF_OK (it may wake for nothing: look at your condition again), SHEAF_CANCELLED,
 *           SHEAF_TIMEOUT for the form with a deadline, SHEAF_STATE when the mutex is not locked */
SHEAF_API int sheaf_cond_wait(sheaf_cond *cond, sheaf_mutex *mutex);
SHEAF_API int sheaf_cond_wait_until(sheaf_cond *cond, sheaf_mutex *mutex, sheaf_time deadline);

/* Wakes the `count` longest waiting, or all.  The mutex need not be held. */
SHEAF_API void sheaf_cond_notify(sheaf_cond *cond, size_t count);
SHEAF_API void sheaf_cond_notify_all(sheaf_cond *cond);

SHEAF_END_DECLS

#endif
