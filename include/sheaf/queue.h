/* Queues between tasks and plain threads.                                             (stable tier)
 *
 *     sheaf_queue jobs;
 *     SHEAF_TRY(sheaf_queue_open(&jobs, SHEAF_QUEUE_OPTIONS(.bound = 100)));
 *
 *     sheaf_queue_put(&jobs, value);                  // a producer; waits while it is full
 *
 *     while (sheaf_queue_get(&jobs, &value) == SHEAF_OK) {   // a consumer; waits while it is empty
 *         work_on(value);
 *         sheaf_queue_task_done(&jobs);
 *     }
 *
 *     sheaf_queue_join(&jobs);                        // every item put has been worked on
 *     sheaf_queue_shutdown(&jobs, false);             // consumers: SHEAF_SHUTDOWN
 *     ... join the consumers ...
 *     sheaf_queue_close(&jobs);
 *
 * Items are values; a pointer among them is the queue's from the put to the get, and `drop` gets
 * what is thrown away.
 *
 * Order of those who wait: an item goes to the getter that has waited longest, a free place to the
 * putter that has, and nobody overtakes them.  A getter that is cancelled or times out takes no
 * item: one that it had been given goes back to where it was, which may take the queue above its
 * bound until the next get.  A putter that is cancelled or times out has put nothing, and keeps its
 * item; so has one that fails in any other way.
 *
 * A deadline is on the clock of the task's pool; a plain thread's on the real one, since a queue
 * belongs to no pool.
 */
#ifndef SHEAF_QUEUE_H
#define SHEAF_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

typedef enum sheaf_queue_order {
    SHEAF_QUEUE_FIFO = 0, /* first in, first out */
    SHEAF_QUEUE_LIFO,     /* last in, first out */
    SHEAF_QUEUE_PRIORITY  /* the smallest rank first; of equal ones the first in */
} sheaf_queue_order;

typedef struct sheaf_queue_options {
    size_t size;
    sheaf_queue_order order;
    size_t bound;                      /* the most items that it holds; 0: no limit */
    void (*drop)(sheaf_value item);    /* of items that nobody will get; must not wait */
    int64_t (*rank)(sheaf_value item); /* PRIORITY: called once by each put; default: item.i64 */
} sheaf_queue_options;

#define SHEAF_QUEUE_OPTIONS(...)                                                                   \
    (&(const sheaf_queue_options){.size = sizeof(sheaf_queue_options), __VA_ARGS__})

/* The caller's; it stays where it was opened.  A zeroed one is closed. */
typedef struct sheaf_queue {
    uint64_t opaque_[32];
} sheaf_queue;

/* Opens a queue.
 *
 *   options  NULL: all defaults
 *
 * Returns: SHEAF_OK; SHEAF_INVALID for NULL, an unknown order, a size that is none
 * Context: any */
SHEAF_API int sheaf_queue_open(sheaf_queue *queue, const sheaf_queue_options *options);

/* Closes a queue: what it holds is dropped, every call that waits in it returns SHEAF_CLOSED, and
 * the close returns when they have left.  Later calls, as long as its memory is there, get
 * SHEAF_CLOSED.
 *
 * Returns:  SHEAF_OK, SHEAF_CLOSED when it is not open, SHEAF_INVALID
 * Context:  task, plain thread
 * Suspends: while somebody has still to leave; no request ends that */
SHEAF_API int sheaf_queue_close(sheaf_queue *queue);

/* Puts an item.
 *
 * Returns:  SHEAF_OK: it is in; else the item is still the caller's: SHEAF_SHUTDOWN, SHEAF_CLOSED,
 *           SHEAF_CANCELLED, SHEAF_NOMEM, SHEAF_INVALID; SHEAF_TIMEOUT for the form with a
 *           deadline; SHEAF_FULL for the one that does not wait
 * Context:  task, plain thread; the one that does not wait: any
 * Suspends: while the queue is full */
SHEAF_API int sheaf_queue_put(sheaf_queue *queue, sheaf_value item);
SHEAF_API int sheaf_queue_put_until(sheaf_queue *queue, sheaf_value item, sheaf_time deadline);
SHEAF_API int sheaf_queue_try_put(sheaf_queue *queue, sheaf_value item);

/* Takes the next item.
 *
 *   *item  the item, the caller's from now on; untouched unless SHEAF_OK
 *
 * Returns:  SHEAF_OK; SHEAF_SHUTDOWN when it is shut down and empty, SHEAF_CLOSED,
 *           SHEAF_CANCELLED, SHEAF_NOMEM, SHEAF_INVALID; SHEAF_TIMEOUT for the form with a
 *           deadline; SHEAF_EMPTY for the one that does not wait
 * Context:  task, plain thread; the one that does not wait: any
 * Suspends: while the queue is empty */
SHEAF_API int sheaf_queue_get(sheaf_queue *queue, sheaf_value *item);
SHEAF_API int sheaf_queue_get_until(sheaf_queue *queue, sheaf_value *item, sheaf_time deadline);
SHEAF_API int sheaf_queue_try_get(sheaf_queue *queue, sheaf_value *item);

/* Says that the work on one item that was put is done.
 *
 * Returns: SHEAF_OK; SHEAF_STATE when nothing is left to be done; SHEAF_CLOSED, SHEAF_INVALID
 * Context: any */
SHEAF_API int sheaf_queue_task_done(sheaf_queue *queue);

/* Waits until as many items are done as were put; at once when none is open.
 *
 * Returns:  SHEAF_OK, SHEAF_CLOSED, SHEAF_CANCELLED, SHEAF_NOMEM, SHEAF_INVALID; SHEAF_TIMEOUT for
 *           the form with a deadline
 * Context:  task, plain thread
 * Suspends: while items are not done */
SHEAF_API int sheaf_queue_join(sheaf_queue *queue);
SHEAF_API int sheaf_queue_join_until(sheaf_queue *queue, sheaf_time deadline);

/* Shuts the queue down: from now on every put, those that wait included, fails with SHEAF_SHUTDOWN,
 * and so does every get once the queue is empty.
 *
 *   immediate  the items it holds are dropped, each of them counts as done.  Those that were taken
 *              still need their sheaf_queue_task_done()
 *
 * Returns: SHEAF_OK, also when it is shut down already; SHEAF_CLOSED, SHEAF_INVALID
 * Context: any */
SHEAF_API int sheaf_queue_shutdown(sheaf_queue *queue, bool immediate);

/* How many items it holds; whether it holds none; whether a put would wait: at some instant. */
SHEAF_API size_t sheaf_queue_size(const sheaf_queue *queue);
SHEAF_API bool sheaf_queue_empty(const sheaf_queue *queue);
SHEAF_API bool sheaf_queue_full(const sheaf_queue *queue);

SHEAF_END_DECLS

#endif
