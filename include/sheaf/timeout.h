/* Limits in time, and what a cancellation does not get through.                       (stable tier)
 *
 *     sheaf_timeout limit;
 *     SHEAF_TRY(sheaf_timeout_begin(&limit, SHEAF_S(2), 0));
 *     int status = fetch_all(...);                          // the body: suspends, is cancelled
 *     return sheaf_timeout_end(&limit, status);             // SHEAF_TIMEOUT if the limit did it
 *
 * A limit that passes is a request to cancel the task that began it, delivered like any other: at
 * the task's next suspension.  It becomes SHEAF_TIMEOUT only at the end of the scope, and only when
 * cancellation is what leaves the body.  A body that never suspends is not cut short.
 */
#ifndef SHEAF_TIMEOUT_H
#define SHEAF_TIMEOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/future.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

/* ---------------------------------------------------------------- scopes */

/* A scope lies in the frame of the function that begins and ends it.  Valid when zeroed. */
typedef struct sheaf_timeout {
    uint64_t opaque_[24];
} sheaf_timeout;

enum {
    /* Tasks that are spawned in the scope, and their children, have the same deadline: what they
     * do past it ends with SHEAF_TIMEOUT, unless they deal with the cancellation.  Tasks of a pool
     * with another clock have not. */
    SHEAF_TIMEOUT_INHERIT = 1U << 0
};

/* Begins a scope of the current task.  Scopes nest and end in the opposite order.
 *
 *   limit     SHEAF_FOREVER: none so far; 0 or less: at the first suspension
 *   deadline  the same as a point in time
 *   flags     0 or SHEAF_TIMEOUT_INHERIT
 *
 * Returns: SHEAF_OK; SHEAF_NOTASK; SHEAF_STATE for a scope that is begun already and one of the 64
 *          innermost; SHEAF_NOMEM; SHEAF_INVALID
 * Context: task */
SHEAF_API int sheaf_timeout_begin(sheaf_timeout *scope, sheaf_duration limit, unsigned flags);
SHEAF_API int sheaf_timeout_begin_until(sheaf_timeout *scope, sheaf_time deadline, unsigned flags);

/* Ends a scope and says what leaves it.  The scope's own request is taken back: the count of
 * requests is as it was when the scope began, and one that was not delivered is withdrawn.
 *
 *   status  what the body ended with
 *
 * Returns: SHEAF_TIMEOUT for SHEAF_CANCELLED when the limit passed and nobody else has asked since
 *          the scope began (in a task an error object with the cancellation as its cause); else
 *          `status`; SHEAF_STATE for a scope that is not begun, SHEAF_NOTASK in another task
 * Context: the task that began it */
SHEAF_API int sheaf_timeout_end(sheaf_timeout *scope, int status);

/* Moves the deadline; SHEAF_FOREVER takes it away.
 *
 * Returns: SHEAF_OK: the old deadline can pass no more; SHEAF_STATE when the scope is not begun,
 *          has expired or has ended; SHEAF_NOMEM, nothing has changed
 * Context: any, while the scope lives */
SHEAF_API int sheaf_timeout_reschedule(sheaf_timeout *scope, sheaf_time deadline);

/* The deadline, SHEAF_FOREVER for none; and whether it has passed: true stays true. */
SHEAF_API sheaf_time sheaf_timeout_when(const sheaf_timeout *scope);
SHEAF_API bool sheaf_timeout_expired(const sheaf_timeout *scope);

/* ---------------------------------------------------------------- waiting with a limit */

/* Waits for a future; when the limit passes first, cancels it and waits until it has ended.
 *
 *   limit  0 or less: one look, then the cancel
 *
 * Returns:  the future's outcome, as sheaf_await(), also when it comes after the limit because the
 *           future did not let itself be cancelled; SHEAF_TIMEOUT when it ended cancelled by the
 *           limit; SHEAF_CANCELLED when the caller was asked: the future has been asked too, and
 *           has ended (with a limit of 0 or less it may still be on its way); SHEAF_NOMEM before
 *           anything was done
 * Context:  task, plain thread */
SHEAF_API int sheaf_wait_for(sheaf_future *future, sheaf_duration limit, sheaf_value *value);
SHEAF_API int sheaf_wait_for_until(sheaf_future *future, sheaf_time deadline, sheaf_value *value);

/* Calls fn(arg, value) in the current task, in a scope of that limit.
 *
 * Returns: what it returned, SHEAF_TIMEOUT for what the limit cut short, SHEAF_NOTASK
 * Context: task */
SHEAF_API int sheaf_call_for(sheaf_fn *fn, void *arg, sheaf_duration limit, sheaf_value *value);

/* ---------------------------------------------------------------- shield */

/* A future with the outcome of another one, which a request does not get through: cancelling the
 * shield, or a task that awaits it, cancels the shield alone and the inner future goes on.
 *
 *   future  shared while the shield or the future is pending
 *
 * Returns: a future, given: the same one, with one more reference, when it is done already; one
 *          that has failed with SHEAF_NOMEM or SHEAF_INVALID
 * Context: task, plain thread, callback */
SHEAF_API sheaf_future *sheaf_shield(sheaf_future *future);

/* sheaf_await() of a shield of the future: a request ends the wait, and nothing else. */
SHEAF_API int sheaf_await_shielded(sheaf_future *future, sheaf_value *value);

SHEAF_END_DECLS

#endif
