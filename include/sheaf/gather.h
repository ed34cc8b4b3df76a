/* Many futures at once: gather, wait, as they complete, the first to succeed.         (stable tier)
 *
 *     sheaf_future *f[3] = {sheaf_spawn(count_rows, &customers), ...};
 *     sheaf_value rows[3];
 *     int status = sheaf_gather(f, 3, SHEAF_GATHER_RAISE, rows, NULL);   // in argument order
 *     sheaf_release_all(f, 3);
 *
 * All of them are called from a task, which suspends, or from a plain thread, which blocks.  They
 * borrow the futures: what is still pending when they return goes on, unless a call says that it
 * cancels.  Whoever lets members point into the own frame joins them before it goes: the flags JOIN
 * and the calls that say `joined` do.
 *
 * "First" among members that end at the same moment is whichever completion was taken note of
 * first; everybody sees the same order.
 *
 * The same future may be given several times.  It runs once; gather repeats its outcome at each
 * place, wait and as_completed count it once.
 */
#ifndef SHEAF_GATHER_H
#define SHEAF_GATHER_H

#include <stdbool.h>
#include <stddef.h>

#include <sheaf/base.h>
#include <sheaf/error.h>
#include <sheaf/future.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

/* The most futures that one call takes. */
#define SHEAF_MEMBERS_MAX ((size_t)1 << 28)

/* ---------------------------------------------------------------- gather */

enum {
    /* The first member that fails or is cancelled is the outcome; the others go on, and how they
     * end later is nobody's concern: an error of theirs counts as looked at. */
    SHEAF_GATHER_RAISE = 0,
    /* Every member is waited for; failures are entries of the results. */
    SHEAF_GATHER_COLLECT = 1U << 0,
    /* On the first failure the other members are asked to cancel. */
    SHEAF_GATHER_CANCEL = 1U << 1,
    /* The outcome is not there before every member has ended: after a failure, and after the gather
     * itself was cancelled. */
    SHEAF_GATHER_JOIN = 1U << 2,
    /* Errors of members that end after the outcome are reported as nobody's, if nobody looks. */
    SHEAF_GATHER_REPORT_LATE = 1U << 3
};

/* Waits for all members and hands out their values in argument order.
 *
 *   values    count entries, or NULL; the value of each member that succeeded, also when the call
 *             fails; other entries are zero
 *   statuses  count entries, or NULL: each member's status, SHEAF_STATE for one that has not ended
 *
 * Returns:  SHEAF_OK; with RAISE the code of the first failure (in a task its error object becomes
 *           the one the task fails with), SHEAF_CANCELLED when a member was cancelled by others;
 *           SHEAF_CANCELLED when the caller was asked; SHEAF_INVALID for a NULL entry, a NULL array
 *           or too many, before anything was done; SHEAF_NOMEM
 * Context:  task, plain thread
 * Suspends: unless every member is done
 * Cancel:   asks every member that is not done.  With RAISE the call then returns as soon as one
 *           of them has ended cancelled; with COLLECT or JOIN it waits for all */
SHEAF_API int sheaf_gather(sheaf_future *const *futures, size_t count, unsigned flags,
                           sheaf_value *values, int *statuses);

/* The same as a future, which can be gathered again, awaited by many, and cancelled: that asks the
 * members.  It is done when the gather's outcome is there; with no members it is done at once.  Its
 * value is a pointer to `count` values, valid while the future is held.
 *
 *   futures  shared: the gather holds them as long as it lives
 *
 * Returns: a future, given; one that has failed with SHEAF_INVALID or SHEAF_NOMEM, also when a
 *          member is the future of a sheaf_task in a frame
 * Context: task, plain thread, callback */
SHEAF_API sheaf_future *sheaf_gather_future(sheaf_future *const *futures, size_t count,
                                            unsigned flags);

/* How many members a gather's future has, 0 for any other future; and one of them, borrowed, NULL
 * beyond the last. */
SHEAF_API size_t sheaf_gather_count(const sheaf_future *gather);
SHEAF_API sheaf_future *sheaf_gather_member(const sheaf_future *gather, size_t index);

/* What a gather starts: a function with its argument; or a future that runs already. */
typedef struct sheaf_call {
    sheaf_fn *fn;
    void *arg;
    sheaf_future *future; /* borrowed; `fn` is not looked at then */
} sheaf_call;

typedef struct sheaf_gather_options {
    size_t size;
    unsigned flags;   /* SHEAF_GATHER_...; CANCEL and JOIN are always meant */
    size_t limit;     /* so many run at once; 0: no limit */
    sheaf_pool *pool; /* default: the current task's, else the default pool */
} sheaf_gather_options;

#define SHEAF_GATHER_OPTIONS(...)                                                                  \
    (&(const sheaf_gather_options){.size = sizeof(sheaf_gather_options), __VA_ARGS__})

/* Runs the calls, as many at once as the limit allows, and waits for all: joined, since what the
 * arguments point to is the caller's.  The first failure cancels what runs and keeps the rest from
 * starting; with COLLECT everything runs.
 *
 *   options   NULL: all defaults
 *   values    as in sheaf_gather()
 *   statuses  as in sheaf_gather(); SHEAF_CANCELLED for what was not started
 *
 * Returns:  as sheaf_gather()
 * Context:  task, plain thread
 * Cancel:   asks what runs, starts nothing more, and returns when all have ended */
SHEAF_API int sheaf_gather_run(const sheaf_gather_options *options, const sheaf_call *calls,
                               size_t count, sheaf_value *values, int *statuses);

/* Gives the next call, or returns false when there is none.  Called by the caller of
 * sheaf_gather_stream(), never twice at a time. */
typedef bool sheaf_source_fn(void *context, sheaf_call *next);

/* Takes one outcome, in the order of the calls.  Other than SHEAF_OK ends the stream like a failed
 * member.  `value` is the sink's; that of a future which was given stays the future's. */
typedef int sheaf_sink_fn(void *context, size_t index, int status, sheaf_value value);

/* sheaf_gather_run() with calls from a generator: at most `limit` (default: four for each worker)
 * are under way at a time, so that an input without end needs no memory without end.
 *
 *   sink  may be NULL
 *
 * Returns:  as sheaf_gather_run(); the status of the sink that ended it
 * Context:  task, plain thread */
SHEAF_API int sheaf_gather_stream(const sheaf_gather_options *options, sheaf_source_fn *source,
                                  sheaf_sink_fn *sink, void *context);

/* ---------------------------------------------------------------- wait */

typedef enum sheaf_when {
    SHEAF_ALL_COMPLETED = 0,
    SHEAF_FIRST_COMPLETED, /* any end, cancelled ones too */
    SHEAF_FIRST_ERROR      /* a failure; a member that was cancelled is none.  Else as ALL */
} sheaf_when;

/* Waits until enough members are done, and puts those first in the array: the done ones in the
 * order of their completion (those that were done at the call first, in their order), then the
 * pending ones in their order.  So the rest is ready for the next call:
 *
 *     while (count > 0) {
 *         size_t done;
 *         SHEAF_TRY(sheaf_wait(f, count, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done));
 *         for (size_t i = 0; i < done; i++) use(f[i]);
 *         f += done, count -= done;
 *     }
 *
 *   limit  passing it is no error: look at *done.  Nothing is cancelled
 *   *done  how many of the array are done; untouched unless SHEAF_OK.  May be NULL
 *
 * Returns:  SHEAF_OK; SHEAF_CANCELLED, the members are left alone and the array as it was;
 *           SHEAF_INVALID for no members, too many, a NULL among them, an unknown `when`;
 *           SHEAF_NOMEM
 * Context:  task, plain thread
 * Suspends: always, if only to let others run once */
SHEAF_API int sheaf_wait(sheaf_future **futures, size_t count, sheaf_when when,
                         sheaf_duration limit, size_t *done);
SHEAF_API int sheaf_wait_until(sheaf_future **futures, size_t count, sheaf_when when,
                               sheaf_time deadline, size_t *done);

/* The same for an array that stays as it is.
 *
 *   flags  count entries: whether that member is done; may be NULL */
SHEAF_API int sheaf_wait_flags(sheaf_future *const *futures, size_t count, sheaf_when when,
                               sheaf_duration limit, bool *flags, size_t *done);

/* ---------------------------------------------------------------- as they complete */

typedef struct sheaf_each sheaf_each;

/* Starts to give out members in the order of their completion, those that are done already first.
 *
 *     sheaf_each *each;
 *     SHEAF_TRY(sheaf_each_open(f, 3, SHEAF_S(2), &each));
 *     sheaf_future *next;
 *     while ((status = sheaf_each_next(each, &next)) == SHEAF_OK) use(next);
 *     sheaf_each_close(each);
 *
 *   futures  shared until the close
 *   limit    from now on, for all of them
 *   *each    given: close it
 *
 * Returns: SHEAF_OK, SHEAF_INVALID, SHEAF_NOMEM
 * Context: task, plain thread */
SHEAF_API int sheaf_each_open(sheaf_future *const *futures, size_t count, sheaf_duration limit,
                              sheaf_each **each);

/* Waits for the next member that completes.  Several tasks may take from one: each completion goes
 * to one of them, and none is lost when a taker is cancelled.
 *
 *   *next  one of the futures that were given, done; borrowed until the close
 *
 * Returns:  SHEAF_OK; SHEAF_EMPTY when all have been given out; SHEAF_TIMEOUT once for each that
 *           the limit has cut off; SHEAF_CANCELLED; SHEAF_INVALID, SHEAF_NOMEM
 * Context:  task, plain thread
 * Suspends: the first call always, later ones when nothing is ready */
SHEAF_API int sheaf_each_next(sheaf_each *each, sheaf_future **next);

/* The same, handing out the outcome as sheaf_await() does.  SHEAF_EMPTY at the end. */
SHEAF_API int sheaf_each_next_value(sheaf_each *each, sheaf_value *value);

/* Ends it; members go on.  NULL is ignored.  Requires: nobody waits in sheaf_each_next() */
SHEAF_API void sheaf_each_close(sheaf_each *each);

/* ---------------------------------------------------------------- the first to succeed */

/* Waits for the first member that succeeds, then cancels the others: joined.
 *
 *   *winner  its index; may be NULL
 *
 * Returns: SHEAF_OK; when all have failed or were cancelled the code of the first failure (in a
 *          task with an error whose parts are all failures); SHEAF_CANCELLED when the caller was
 *          asked, all members are then cancelled and joined; SHEAF_INVALID; SHEAF_NOMEM
 * Context: task, plain thread */
SHEAF_API int sheaf_first_success(sheaf_future *const *futures, size_t count, sheaf_value *value,
                                  size_t *winner);

/* Starts the first call; the next one when the one before has failed or `delay` has passed; and so
 * on, until one succeeds: the others are then cancelled, joined.
 *
 *   delay   SHEAF_FOREVER: only after a failure
 *   errors  count entries, or NULL: given, the error of each call that was started and failed
 *
 * Returns: as sheaf_first_success(); SHEAF_EMPTY for no calls
 * Context: task, plain thread */
SHEAF_API int sheaf_race(const sheaf_call *calls, size_t count, sheaf_duration delay,
                         sheaf_value *value, size_t *winner, sheaf_error **errors);

SHEAF_END_DECLS

#endif
