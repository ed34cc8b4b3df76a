/* Futures: what a task will have given; waiting for it, reading it, cancelling it.    (stable tier)
 *
 * A future is pending, and then for ever one of three: it has a value, it failed with an error, or
 * it was cancelled.  sheaf_spawn() (task.h) gives the future of a task; sheaf_promise() a bare one
 * that the program itself resolves.
 *
 *     sheaf_future *f = sheaf_spawn(count_rows, &customers);
 *     sheaf_value rows;
 *     SHEAF_TRY(sheaf_await(f, &rows));       // waits; the future is kept
 *     sheaf_release(f);
 *     ...or in one step:  SHEAF_TRY(sheaf_join(f, &rows));
 *
 * Rules of life, cited elsewhere as L1 to L9:
 *  L1  A future is given with one reference.  retain adds one, release and join drop one.
 *  L2  The runtime keeps a task that has not ended alive by itself: dropping the last reference
 *      neither stops nor loses it.
 *  L3  The outcome is set once and never changes.  It can be read as often as wanted, until the
 *      last reference goes.
 *  L4  A value that is a pointer is the future's until sheaf_take() moves it out; a value nobody
 *      took is handed to the future's value_drop, once, when the last reference goes.
 *  L5  An error that nobody looked at is reported when the last reference goes, once.
 *  L6  Cancelling is a request.  A true answer promises that the task hears of it or ends so.
 *  L7  A callback runs exactly once, or never if it was removed in time; never on the stack of the
 *      thread that completes or registers, and with no lock of sheaf held.
 *  L8  Whatever a task wrote before it ended is visible to whoever saw its future done.
 *  L9  A call that takes a future borrows it for its duration: the caller holds a reference.
 *
 * Waiting works from a task, which suspends, and from a plain thread, which blocks.  Only a task's
 * wait can be cancelled.
 */
#ifndef SHEAF_FUTURE_H
#define SHEAF_FUTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/error.h>
#include <sheaf/pool.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

/* ---------------------------------------------------------------- promises */

typedef struct sheaf_promise_options {
    size_t size;
    sheaf_pool *pool;                      /* default: the current task's, else the default pool */
    const char *name;                      /* copied */
    void *data;                            /* see sheaf_future_data() */
    void (*value_drop)(sheaf_value value); /* L4 */
} sheaf_promise_options;

#define SHEAF_PROMISE_OPTIONS(...)                                                                 \
    (&(const sheaf_promise_options){.size = sizeof(sheaf_promise_options), __VA_ARGS__})

/* A bare future, to be resolved or rejected by whoever holds it.
 *
 *   options  borrowed; NULL means all defaults
 *
 * Returns: a future, given; for want of memory one that has already failed with SHEAF_NOMEM
 * Context: task, plain thread */
SHEAF_API sheaf_future *sheaf_promise(const sheaf_promise_options *options);

/* Completes a promise with a value, or with an error.  The message of the error is formatted.
 *
 * Returns:  SHEAF_OK; SHEAF_STATE when it is done already (the value stays the caller's) or is no
 *           promise; SHEAF_INVALID for NULL, or a code that is 0 or SHEAF_CANCELLED (use
 *           sheaf_cancel())
 * Context:  task, plain thread, callback */
SHEAF_API int sheaf_resolve(sheaf_future *promise, sheaf_value value);
SHEAF_API int sheaf_reject(sheaf_future *promise, int code, const char *format, ...)
    SHEAF_PRINTF(3, 4);
SHEAF_API int sheaf_reject_error(sheaf_future *promise, sheaf_error *error); /* error: shared */

/* The same for several producers, where losing is normal: true when this call decided. */
SHEAF_API bool sheaf_try_resolve(sheaf_future *promise, sheaf_value value);
SHEAF_API bool sheaf_try_reject(sheaf_future *promise, int code, const char *format, ...)
    SHEAF_PRINTF(3, 4);

/* Chains a promise to another future: it ends as that one does, with its value, error object or
 * cancellation, unless it has ended before; and when it is cancelled the source is asked to cancel.
 * The value stays the source's, which the promise keeps for it: it can be taken from either, once,
 * and a value_drop of the promise does not see it.
 *
 *   source       any future, of whatever pool; the chain keeps it, but a promise only as long as
 *                others do
 *   destination  a promise; the chain keeps it until the source ends
 *
 * Returns: SHEAF_OK, also when the destination has ended already (if it was cancelled, the source
 *          is asked); SHEAF_STATE when it is no promise; SHEAF_INVALID for NULL, the same future
 *          twice and for the future of a sheaf_task in a frame; SHEAF_NOMEM.  Promises that are
 *          chained in a circle stay until one of them ends
 * Context: task, plain thread, callback */
SHEAF_API int sheaf_chain(sheaf_future *source, sheaf_future *destination);

/* ---------------------------------------------------------------- timers */

/* A future that completes when its time has come: a sleep without a task and its stack.
 *
 *     sheaf_future *pause = sheaf_timer(NULL, SHEAF_MS(50));
 *     sheaf_on_done(pause, try_again, connection);
 *     sheaf_release(pause);
 *
 *   pool   whose clock counts; NULL means the current task's, else the default pool
 *   delay  0 or less gives a future that is done
 *
 * Its value is 0.  It is waited for, gathered and cancelled like any other; cancelled, it ends at
 * once.  The pool keeps it until its time: dropping the last reference does not stop it, and its
 * callbacks run.  It costs 128 bytes while it is pending.  A close of the pool does not wait for
 * it: it fails with SHEAF_CLOSED, which is not reported (L5).
 *
 * Returns: a future, given; one that has failed with SHEAF_NOMEM for want of memory or of the timer
 *          thread, with SHEAF_INVALID for SHEAF_FOREVER: what never comes is a promise, with
 *          SHEAF_CLOSED in a child of fork() for a pool of the parent
 * Context: task, plain thread, callback */
SHEAF_API sheaf_future *sheaf_timer(sheaf_pool *pool, sheaf_duration delay);
SHEAF_API sheaf_future *sheaf_timer_until(sheaf_pool *pool, sheaf_time time);

/* ---------------------------------------------------------------- references */

/* One more reference to the same future; returns it.  NULL is passed through.
 * Requires: not the future of a sheaf_task in a frame (a panic says so) */
SHEAF_API sheaf_future *sheaf_retain(sheaf_future *future);

/* Drops a reference.  NULL is ignored.  Context: task, plain thread, callback */
SHEAF_API void sheaf_release(sheaf_future *future);
SHEAF_API void sheaf_release_all(sheaf_future *const *futures, size_t count);

/* ---------------------------------------------------------------- waiting */

/* Waits for the future and hands out its outcome.
 *
 *   value  receives the value on success, untouched otherwise; may be NULL
 *
 * Returns:  SHEAF_OK; the error's code when it failed (in a task the error object becomes the one
 *           that the task fails with if it passes the code on); SHEAF_CANCELLED when the future was
 *           cancelled or the waiting task was (sheaf_cancel_origin() tells which);
 *           SHEAF_STATE for awaiting oneself; SHEAF_CYCLE when the wait would close a circle of
 *           tasks that await each other; SHEAF_INVALID for NULL; SHEAF_NOMEM when the system
 *           refuses a plain thread what it blocks on, or a limit its timer thread
 * Context:  task, plain thread
 * Suspends: when the future is not done
 * Cancel:   a request to the waiting task is passed on to the awaited one */
SHEAF_API int sheaf_await(sheaf_future *future, sheaf_value *value);

/* sheaf_await(), then sheaf_release(): for the last use of a future.  Drops it in any case. */
SHEAF_API int sheaf_join(sheaf_future *future, sheaf_value *value);

/* sheaf_await() with a limit: SHEAF_TIMEOUT when it passes first.  The future goes on, nothing is
 * cancelled.  A limit of 0 or less looks once and lets other tasks run once.  SHEAF_CANCELLED when
 * the waiting task was asked, the request was passed on, and the limit passes before it has ended
 * the future. */
SHEAF_API int sheaf_await_for(sheaf_future *future, sheaf_duration limit, sheaf_value *value);
SHEAF_API int sheaf_await_until(sheaf_future *future, sheaf_time deadline, sheaf_value *value);

/* sheaf_await() that tells 'the call failed' from 'the work failed'.
 *
 *   *error  given: the error object when the future failed or was cancelled with a message, NULL
 *           otherwise; release it.  May be NULL.
 *
 * Returns:  SHEAF_OK when the outcome was read: look at *error and sheaf_future_status();
 *           SHEAF_CANCELLED when the waiting task was asked to cancel; SHEAF_STATE, SHEAF_CYCLE,
 *           SHEAF_INVALID as sheaf_await() */
SHEAF_API int sheaf_await_error(sheaf_future *future, sheaf_value *value, sheaf_error **error);

/* ---------------------------------------------------------------- reading */

/* Whether it has ended; whether it ended cancelled.  True stays true. */
SHEAF_API bool sheaf_done(const sheaf_future *future);
SHEAF_API bool sheaf_cancelled(const sheaf_future *future);

/* The outcome without waiting.
 *
 * Returns: as sheaf_await(), but SHEAF_STATE while the future is pending */
SHEAF_API int sheaf_result(sheaf_future *future, sheaf_value *value);

/* The outcome's status without marking an error as looked at: SHEAF_OK, the error's code,
 * SHEAF_CANCELLED, or SHEAF_STATE while pending. */
SHEAF_API int sheaf_future_status(const sheaf_future *future);

/* The error object, a reference given; NULL while pending, or when there is none (a value, or a
 * cancellation without a message).  Marks the error as looked at. */
SHEAF_API sheaf_error *sheaf_future_error(sheaf_future *future);

/* Moves the value out: the future's value_drop will not see it.
 *
 * Returns: as sheaf_result(); SHEAF_STATE also when somebody has taken it before */
SHEAF_API int sheaf_take(sheaf_future *future, sheaf_value *value);

/* What was given as `.data` when the future was made. */
SHEAF_API void *sheaf_future_data(const sheaf_future *future);

/* The name as text into the caller's buffer; returns the length of the whole name, as snprintf. */
SHEAF_API size_t sheaf_future_name(const sheaf_future *future, char *buffer, size_t size);
/* Gives it another name (copied).  Returns: SHEAF_OK; SHEAF_NOMEM, it keeps its name; SHEAF_INVALID
 * for NULL, and for a future that failed because it could not be made. */
SHEAF_API int sheaf_future_set_name(sheaf_future *future, const char *name);

/* The place of the completion in the order of all completions of its pool, from 1; 0 while pending
 * or when the pool was opened without SHEAF_POOL_STAMPS.  A completion that happened before another
 * one started has the smaller stamp. */
SHEAF_API uint64_t sheaf_future_stamp(const sheaf_future *future);

/* ---------------------------------------------------------------- cancelling */

/* Asks for cancellation.
 *
 * A bare promise is cancelled at once.  A task is asked: it hears of it as SHEAF_CANCELLED where it
 * next suspends, or at sheaf_checkpoint(); when it awaits another future that one is asked instead;
 * when it has not started it never runs.  Each request is counted (sheaf_cancelling).
 *
 * Returns: true when the request was taken, false when the future is done (or is NULL)
 * Context: task, plain thread, callback */
SHEAF_API bool sheaf_cancel(sheaf_future *future);

/* The same with a message, which becomes the error object of the cancellation. */
SHEAF_API bool sheaf_cancel_message(sheaf_future *future, const char *format, ...)
    SHEAF_PRINTF(2, 3);

/* ---------------------------------------------------------------- callbacks */

/* Runs on a worker of the future's pool once the future is done; `future` is borrowed.  A status
 * other than SHEAF_OK goes to the unhandled-error hook.  There is no current task. */
typedef int sheaf_done_fn(void *arg, sheaf_future *future);

/* Registers a callback.  Callbacks of one future run one at a time, in the order of registration;
 * one that is added to a finished future runs after those already waiting.
 *
 * Returns: SHEAF_OK, SHEAF_NOMEM, SHEAF_INVALID; SHEAF_CLOSED when the pool of a finished future is
 *          closed and nobody is left to run it, or when the future has failed because it could not
 *          be made, and has no pool
 * Context: task, plain thread, callback */
SHEAF_API int sheaf_on_done(sheaf_future *future, sheaf_done_fn *fn, void *arg);

/* Removes every registration of the pair that is not committed yet; returns how many.  0 can mean
 * that it ran, runs or will run. */
SHEAF_API size_t sheaf_remove_done(sheaf_future *future, sheaf_done_fn *fn, void *arg);

/* The same, and when the future is done waits until none of its callbacks runs any more.
 *
 * Returns: SHEAF_OK; SHEAF_STATE from within a callback of that future; SHEAF_CANCELLED when the
 *          waiting task was */
SHEAF_API int sheaf_remove_done_and_wait(sheaf_future *future, sheaf_done_fn *fn, void *arg);

SHEAF_END_DECLS

#endif
