/* One wait for several things at once.                                                (stable tier)
 *
 *     sheaf_case cases[] = {sheaf_case_get(&jobs), sheaf_case_event(&stop)};
 *     size_t which;
 *     SHEAF_TRY(sheaf_select(cases, 2, SHEAF_FOREVER, &which));
 *     if (which == 0 && cases[0].status == SHEAF_OK) work_on(cases[0].value);
 *
 * Exactly one case is carried out: its item is taken or put, its permit or its mutex is the
 * caller's, its auto-reset event is reset.  The others are as if they had not been there; and when
 * the call fails, all of them are.  A select that is cancelled or times out loses nothing: what it
 * had been given already goes to the next.
 *
 * When several cases could be carried out at the call, the first in the array is: put what matters
 * most in front, and turn the array between calls where every case has to get its turn.  When none
 * can, the call waits in the line of each like any other caller, and the first that is served is
 * the one.
 */
#ifndef SHEAF_SELECT_H
#define SHEAF_SELECT_H

#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/future.h>
#include <sheaf/queue.h>
#include <sheaf/sync.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

typedef enum sheaf_case_kind {
    SHEAF_CASE_NONE = 0, /* passed over: a case of a zeroed array */
    SHEAF_CASE_FUTURE,
    SHEAF_CASE_GET,
    SHEAF_CASE_PUT,
    SHEAF_CASE_EVENT,
    SHEAF_CASE_SEMAPHORE,
    SHEAF_CASE_MUTEX
} sheaf_case_kind;

/* One thing to wait for.  Made by the functions below; may be used again and again. */
typedef struct sheaf_case {
    sheaf_case_kind kind;
    int status;   /* of the case that was carried out how it has fared, of others SHEAF_STATE */
    void *object; /* borrowed */
    sheaf_value value; /* what is put; what was got; the value of a future */
    uint64_t opaque_[16];
} sheaf_case;

/* A future's end.  Status and value as sheaf_await() gives them. */
static inline sheaf_case sheaf_case_future(sheaf_future *future)
{
    sheaf_case made = {SHEAF_CASE_FUTURE, 0, future, {NULL}, {0}};
    return made;
}

/* Getting an item of a queue.  Status: SHEAF_OK, SHEAF_SHUTDOWN, SHEAF_CLOSED. */
static inline sheaf_case sheaf_case_get(sheaf_queue *queue)
{
    sheaf_case made = {SHEAF_CASE_GET, 0, queue, {NULL}, {0}};
    return made;
}

/* Putting an item into a queue.  Status: SHEAF_OK; SHEAF_SHUTDOWN, SHEAF_CLOSED: the item is still
 * the caller's, as it is when the case is not carried out. */
static inline sheaf_case sheaf_case_put(sheaf_queue *queue, sheaf_value item)
{
    sheaf_case made = {SHEAF_CASE_PUT, 0, queue, {NULL}, {0}};
    made.value = item;
    return made;
}

/* An event that is set; a permit of a semaphore; a mutex, which is then held.  Status: SHEAF_OK. */
static inline sheaf_case sheaf_case_event(sheaf_event *event)
{
    sheaf_case made = {SHEAF_CASE_EVENT, 0, event, {NULL}, {0}};
    return made;
}

static inline sheaf_case sheaf_case_semaphore(sheaf_semaphore *semaphore)
{
    sheaf_case made = {SHEAF_CASE_SEMAPHORE, 0, semaphore, {NULL}, {0}};
    return made;
}

static inline sheaf_case sheaf_case_mutex(sheaf_mutex *mutex)
{
    sheaf_case made = {SHEAF_CASE_MUTEX, 0, mutex, {NULL}, {0}};
    return made;
}

/* Waits until one of the cases can be carried out, and carries that out.
 *
 *   cases     borrowed; not to be touched by others meanwhile
 *   deadline  SHEAF_FOREVER: none.  From a plain thread on the real clock, or on that of the first
 *             future's pool if that is virtual
 *   *which    the index of the case that was carried out, whose status says how; untouched unless
 *             SHEAF_OK
 *
 * Returns:  SHEAF_OK: one was carried out; SHEAF_TIMEOUT; SHEAF_CANCELLED, the futures among the
 *           cases are left alone; SHEAF_INVALID for no case at all, a NULL object, an unknown kind,
 *           a NULL pointer; SHEAF_STATE when a task would wait for itself; SHEAF_NOMEM
 * Context:  task, plain thread
 * Suspends: when none can be carried out at the call */
SHEAF_API int sheaf_select(sheaf_case *cases, size_t count, sheaf_time deadline, size_t *which);

/* The same without waiting: SHEAF_EMPTY when none can be carried out. */
SHEAF_API int sheaf_try_select(sheaf_case *cases, size_t count, size_t *which);

SHEAF_END_DECLS

#endif
