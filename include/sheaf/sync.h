/* Mutex, condition, semaphore, event, barrier and strand, which know about tasks.     (stable tier)
 *
 * Called from a task they suspend the task; called from a plain thread they block the thread; both
 * kinds may use the same object at the same time.  A deadline is on the clock of the task's pool; a
 * plain thread's on the real one, whoever else waits, since these objects belong to no pool.
 * All but strands lie wherever the caller puts them, are valid when initialised by their macro, and
 * have nothing to destroy.  One may go as soon as the last wait on it has returned, also while the
 * call that ended that wait is still on its way out.
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
 * unlocks and locks again queues behind those that wait.  It is the same with the permits of a
 * semaphore and with an event that resets itself.  A waiter that is cancelled after it was chosen
 * passes on what it had been given: neither a lock, a permit nor a notification is lost.
 *
 * What can be had at once is no point of delivery: the call then succeeds although the task has
 * been asked to cancel.
 */
#ifndef SHEAF_SYNC_H
#define SHEAF_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/future.h>
#include <sheaf/pool.h>
#include <sheaf/task.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

/* ---------------------------------------------------------------- mutex */

typedef struct sheaf_mutex {
    uint32_t state_;
    uint32_t spare_;
    void *waiters_;
} sheaf_mutex;

/* clang-format off */
#define SHEAF_MUTEX_INIT {0, 0, NULL}
/* clang-format on */

/* Takes the mutex.  Not recursive; any task or thread may unlock it.
 *
 * Returns:  SHEAF_OK; the mutex is not held after SHEAF_CANCELLED, and after SHEAF_NOMEM, when the
 *           system refuses a plain thread what it blocks on, or a limit its timer thread
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

/* ---------------------------------------------------------------- condition */

typedef struct sheaf_cond {
    uint32_t state_;
    uint32_t spare_;
    void *waiters_;
} sheaf_cond;

/* clang-format off */
#define SHEAF_COND_INIT {0, 0, NULL}
/* clang-format on */

/* Gives the mutex back, waits for a notification, takes the mutex again: the first two are one
 * step, and the mutex is held again on return whatever the status.
 *
 * Requires: the mutex is held
 * Returns:  SHEAF_OK (it may wake for nothing: look at your condition again), SHEAF_CANCELLED,
 *           SHEAF_TIMEOUT for the form with a deadline, SHEAF_STATE when the mutex is not locked;
 *           SHEAF_NOMEM as sheaf_lock() */
SHEAF_API int sheaf_cond_wait(sheaf_cond *cond, sheaf_mutex *mutex);
SHEAF_API int sheaf_cond_wait_until(sheaf_cond *cond, sheaf_mutex *mutex, sheaf_time deadline);

/* Whether what is waited for holds.  Called with the mutex held, by the caller of the wait. */
typedef bool sheaf_predicate_fn(void *arg);

/* Waits until predicate(arg) holds: asks it, and again after each wake-up.  The form to prefer to a
 * loop of one's own.
 *
 * Requires: the mutex is held
 * Returns:  SHEAF_OK when it holds, also when it turns out so as the limit passes; else as
 *           sheaf_cond_wait() */
SHEAF_API int sheaf_cond_wait_for(sheaf_cond *cond, sheaf_mutex *mutex,
                                  sheaf_predicate_fn *predicate, void *arg);
SHEAF_API int sheaf_cond_wait_for_until(sheaf_cond *cond, sheaf_mutex *mutex,
                                        sheaf_predicate_fn *predicate, void *arg,
                                        sheaf_time deadline);

/* Wakes the `count` longest waiting, or all.  The mutex need not be held. */
SHEAF_API void sheaf_cond_notify(sheaf_cond *cond, size_t count);
SHEAF_API void sheaf_cond_notify_all(sheaf_cond *cond);

/* ---------------------------------------------------------------- semaphore */

/* A number of permits.  A zeroed one has none. */
typedef struct sheaf_semaphore {
    uint32_t state_;
    uint32_t bounded_;
    int64_t value_;
    int64_t limit_;
    void *waiters_;
} sheaf_semaphore;

/* With `value` permits, which is not negative; a bounded one never has more than that. */
/* clang-format off */
#define SHEAF_SEMAPHORE_INIT(value) {0, 0, (value), INT64_MAX, NULL}
#define SHEAF_SEMAPHORE_INIT_BOUNDED(value) {0, 1, (value), (value), NULL}
/* clang-format on */

/* The same for a value that is not known to be good.
 *
 * Returns: SHEAF_OK; SHEAF_INVALID for a negative value, nothing has changed */
SHEAF_API int sheaf_semaphore_init(sheaf_semaphore *semaphore, int64_t value);
SHEAF_API int sheaf_semaphore_init_bounded(sheaf_semaphore *semaphore, int64_t value);

/* Takes a permit.
 *
 * Returns:  SHEAF_OK, SHEAF_CANCELLED, SHEAF_NOMEM, SHEAF_INVALID; SHEAF_TIMEOUT for the form with
 *           a deadline
 * Context:  task, plain thread
 * Suspends: while there is none */
SHEAF_API int sheaf_semaphore_acquire(sheaf_semaphore *semaphore);
SHEAF_API int sheaf_semaphore_acquire_until(sheaf_semaphore *semaphore, sheaf_time deadline);

/* Takes a permit if there is one: true when taken.  Context: any */
SHEAF_API bool sheaf_semaphore_try_acquire(sheaf_semaphore *semaphore);

/* Gives `count` permits, in one step: those who wait get theirs, oldest first, what is left over is
 * free.  Anybody may.
 *
 * Returns: SHEAF_OK; SHEAF_STATE when a bounded one would have more than at its start, or the
 *          number would overflow; SHEAF_INVALID for a count below 1.  On error nothing has changed
 * Context: any */
SHEAF_API int sheaf_semaphore_release(sheaf_semaphore *semaphore, int64_t count);

/* How many permits are free; whether none is: at some instant of the call. */
SHEAF_API int64_t sheaf_semaphore_value(const sheaf_semaphore *semaphore);
SHEAF_API bool sheaf_semaphore_locked(const sheaf_semaphore *semaphore);

/* ---------------------------------------------------------------- event */

/* A flag to wait for.  A zeroed one is clear and stays set once it is set. */
typedef struct sheaf_event {
    uint32_t state_;
    uint32_t resets_;
    void *waiters_;
} sheaf_event;

/* An event that resets itself lets one waiter through each time it is set: one of those that wait,
 * or, when none does, the next that comes. */
/* clang-format off */
#define SHEAF_EVENT_INIT {0, 0, NULL}
#define SHEAF_EVENT_INIT_AUTO_RESET {0, 1, NULL}
/* clang-format on */

/* Sets the event.  All that wait are woken, oldest first, even if it is cleared right after; of one
 * that resets itself the oldest.
 *
 * Returns: SHEAF_OK, SHEAF_INVALID
 * Context: any; no signal handlers */
SHEAF_API int sheaf_event_set(sheaf_event *event);

/* Clears it.  Returns: SHEAF_OK, SHEAF_INVALID */
SHEAF_API int sheaf_event_clear(sheaf_event *event);

/* Whether it is set, at some instant.  What was done before it was set is visible then. */
SHEAF_API bool sheaf_event_is_set(const sheaf_event *event);

/* Waits until it is set.
 *
 * Returns:  SHEAF_OK, SHEAF_CANCELLED, SHEAF_NOMEM, SHEAF_INVALID; SHEAF_TIMEOUT for the form with
 *           a deadline
 * Context:  task, plain thread
 * Suspends: unless it is set */
SHEAF_API int sheaf_event_wait(sheaf_event *event);
SHEAF_API int sheaf_event_wait_until(sheaf_event *event, sheaf_time deadline);

/* ---------------------------------------------------------------- barrier */

/* A point that `parties` reach together, again and again.  A zeroed one is not usable. */
typedef struct sheaf_barrier {
    uint32_t state_;
    uint32_t parties_;
    uint64_t spare_;
    void *waiters_;
} sheaf_barrier;

/* clang-format off */
#define SHEAF_BARRIER_INIT(parties) {0, (parties), 0, NULL}
/* clang-format on */

/* The same for a number that is not known to be good.
 * Returns: SHEAF_OK; SHEAF_INVALID for less than 1, nothing has changed */
SHEAF_API int sheaf_barrier_init(sheaf_barrier *barrier, int parties);

/* Waits until all parties have arrived.  The last arrival lets all of them go; who comes after that
 * is in the next round.  One that is cancelled or times out has not arrived: the others go on
 * waiting, the barrier is not broken.  One that is cancelled when it has just been let go leaves
 * its index unused.
 *
 *   *index  0 to parties - 1 in the order of arrival; untouched unless SHEAF_OK; may be NULL
 *
 * Returns:  SHEAF_OK, SHEAF_BROKEN, SHEAF_CANCELLED, SHEAF_NOMEM, SHEAF_INVALID; SHEAF_TIMEOUT for
 *           the form with a deadline
 * Context:  task, plain thread
 * Suspends: unless it is the last arrival, or the barrier is broken */
SHEAF_API int sheaf_barrier_wait(sheaf_barrier *barrier, size_t *index);
SHEAF_API int sheaf_barrier_wait_until(sheaf_barrier *barrier, sheaf_time deadline, size_t *index);

/* Breaks it: who waits, and who arrives until it is reset, gets SHEAF_BROKEN.
 * Returns: SHEAF_OK, SHEAF_INVALID
 * Context: any */
SHEAF_API int sheaf_barrier_abort(sheaf_barrier *barrier);

/* Makes it as new: who waits gets SHEAF_BROKEN, who was let go before stays let go.
 * Returns: SHEAF_OK, SHEAF_INVALID
 * Context: any */
SHEAF_API int sheaf_barrier_reset(sheaf_barrier *barrier);

/* How many have arrived in the round that fills; whether it is broken: at some instant. */
SHEAF_API size_t sheaf_barrier_waiting(const sheaf_barrier *barrier);
SHEAF_API bool sheaf_barrier_broken(const sheaf_barrier *barrier);

/* ---------------------------------------------------------------- strand */

/* A serial queue: its tasks run one at a time, each to its end, in the order in which they were
 * spawned.  What they share needs no lock, and callbacks of several futures that have to keep an
 * order spawn their work there.
 *
 *     sheaf_strand *log;
 *     SHEAF_TRY(sheaf_strand_open(NULL, &log));
 *     sheaf_release(sheaf_strand_spawn(log, write_line, line));
 *     sheaf_strand_close(log);
 *
 * A task of a strand that awaits a later one of the same strand waits for ever. */
typedef struct sheaf_strand sheaf_strand;

/* Opens a strand on a pool, which has to stay open while tasks are spawned.
 *
 *   pool  NULL: the current task's, else the default pool
 *   *out  given: close it; untouched on error
 *
 * Returns: SHEAF_OK, SHEAF_NOMEM, SHEAF_INVALID
 * Context: any */
SHEAF_API int sheaf_strand_open(sheaf_pool *pool, sheaf_strand **out);

/* Spawns a task behind those that the strand has.  One that is cancelled before its turn never
 * runs, and ends when its turn comes.
 *
 *   options  NULL: all defaults; its pool is not looked at
 *
 * Returns: as sheaf_spawn() and sheaf_spawn_with()
 * Context: task, plain thread, callback */
SHEAF_API sheaf_future *sheaf_strand_spawn(sheaf_strand *strand, sheaf_fn *fn, void *arg);
SHEAF_API sheaf_future *sheaf_strand_spawn_with(sheaf_strand *strand,
                                                const sheaf_spawn_options *options, sheaf_fn *fn,
                                                void *arg);

/* The same, told where the spawn stands: see "places" in task.h. */
SHEAF_API sheaf_future *sheaf_strand_spawn_at(const char *place, sheaf_strand *strand, sheaf_fn *fn,
                                              void *arg);
#ifndef SHEAF_NO_PLACES
#define sheaf_strand_spawn(...) sheaf_strand_spawn_at(SHEAF_PLACE, __VA_ARGS__)
#endif

/* Gives the strand up: nothing more is spawned on it, what it has still runs.  NULL is ignored. */
SHEAF_API void sheaf_strand_close(sheaf_strand *strand);

SHEAF_END_DECLS

#endif
