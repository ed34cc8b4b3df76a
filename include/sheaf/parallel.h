/* Loops that compute, on all cores: both, for, map, reduce, scan.                     (stable tier)
 *
 *     static int scale(void *context, size_t begin, size_t end) {
 *         double *x = context;
 *         for (size_t i = begin; i < end; i++) x[i] *= 2.0;
 *         return SHEAF_OK;
 *     }
 *
 *     SHEAF_TRY(sheaf_for(NULL, 0, n, scale, x));
 *
 * A loop is divided while it runs.  Each worker goes through its part in pieces, and gives half of
 * what is left away whenever there is nothing else that an idle worker could take from it.  The
 * length of a piece follows the time that the body takes: some ten microseconds, or one index if
 * that takes longer.  So neither a cheap body nor a skewed one needs a grain from the caller.
 *
 * The loops are structured: when the call returns, every body has ended.  Called from a task they
 * run as part of it and of children in its frame; from a plain thread, or for another pool, as one
 * task of that pool that the caller waits for.
 *
 * Between two pieces a loop looks at requests for cancellation (sheaf_checkpoint()) and at failures
 * of the other parts.  The first failure ends the loop: no further piece is begun, and bodies that
 * run are let finish.  What had been finished by then can be recorded, see sheaf_loop_options.
 *
 * A body may suspend.  But a piece that waits keeps the rest of its own part waiting too: calls
 * that mostly wait are for sheaf_gather_run() (gather.h), which has as many under way as its limit
 * says.
 */
#ifndef SHEAF_PARALLEL_H
#define SHEAF_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>

SHEAF_BEGIN_DECLS

/* ---------------------------------------------------------------- two at once */

/* Runs right as a child of the calling task and left as part of it, and waits for both.  When left
 * fails, right is asked to cancel.
 *
 *   left_value, right_value  receive the values of those that succeed; may be NULL
 *
 * Returns:  SHEAF_OK; left's status unless that is SHEAF_OK, else right's; SHEAF_INVALID
 * Context:  task; plain thread: both as one task of the default pool, else SHEAF_NOMEM */
SHEAF_API int sheaf_both(sheaf_fn *left, void *left_arg, sheaf_value *left_value, sheaf_fn *right,
                         void *right_arg, sheaf_value *right_value);

/* ---------------------------------------------------------------- options of all loops */

/* Told how far a loop has come.  Never called twice at a time, `done` never less than before; on
 * whichever worker has just finished a piece, some hundred times a second at most, and once more by
 * the caller of the loop when it has ended. */
typedef void sheaf_progress_fn(void *context, size_t done, size_t total);

typedef struct sheaf_loop_options {
    size_t size;
    size_t grain;     /* so many indices are one piece; 0: as many as the time they take says */
    size_t limit;     /* so many bodies run at once; 0: no limit but the workers */
    sheaf_pool *pool; /* default: the current task's, else the default pool */
    sheaf_progress_fn *progress; /* may be NULL */
    void *progress_context;
    uint64_t *finished;     /* receives one bit an index, that of `begin` in the lowest bit of the
                             * first word: whether it was finished; SHEAF_LOOP_WORDS(n) words, or
                             * NULL */
    size_t *finished_count; /* receives how many were finished; may be NULL */
    unsigned flags;         /* SHEAF_LOOP_... */
} sheaf_loop_options;

enum {
    /* For sheaf_map(): a failure is an entry of the statuses and does not end the loop. */
    SHEAF_LOOP_COLLECT = 1U << 0
};

#define SHEAF_LOOP_OPTIONS(...)                                                                    \
    (&(const sheaf_loop_options){.size = sizeof(sheaf_loop_options), __VA_ARGS__})

/* How many words hold a bit for each of n indices; and the bit of index i. */
#define SHEAF_LOOP_WORDS(n) (((n) + 63) / 64)
#define SHEAF_LOOP_FINISHED(words, i) (((words)[(i) / 64] >> ((i) % 64)) & 1U)

/* ---------------------------------------------------------------- for, map */

/* One piece of a loop: the indices from `begin` up to, not including, `end`.
 *
 * Returns: SHEAF_OK, or what ends the loop, as a task's body returns it */
typedef int sheaf_range_fn(void *context, size_t begin, size_t end);

/* Calls body for pieces that together are the range, each index once.
 *
 *   options  NULL: all defaults
 *
 * Returns:  SHEAF_OK; the status of a failed piece, of several the one that begins lowest (in a
 *           task its error object becomes the one the task fails with); SHEAF_CANCELLED when the
 *           caller was asked; SHEAF_INVALID for end < begin or unknown flags; SHEAF_NOMEM,
 *           SHEAF_CLOSED when it needs a task and cannot have one: nothing was called then
 * Context:  task, plain thread
 * Cancel:   ends the loop at the next piece */
SHEAF_API int sheaf_for(const sheaf_loop_options *options, size_t begin, size_t end,
                        sheaf_range_fn *body, void *context);

/* Calls fn((char *)args + i * stride, &value) for each i below count.  fn is a body like a task's,
 * but runs as part of the task whose piece the index belongs to: sheaf_current() is that one.
 *
 *   stride    0 gives every call the same argument
 *   values    count entries, or NULL: receives the values; those of calls without one are zero
 *   statuses  count entries, or NULL: each call's status, SHEAF_CANCELLED for what was not called
 *
 * Returns, Context, Cancel: as sheaf_for(), with SHEAF_LOOP_COLLECT SHEAF_OK whatever calls return
 *           that were not cancelled; SHEAF_INVALID also for COLLECT without statuses */
SHEAF_API int sheaf_map(const sheaf_loop_options *options, sheaf_fn *fn, void *args, size_t stride,
                        size_t count, sheaf_value *values, int *statuses);

/* ---------------------------------------------------------------- reduce, scan */

/* The most bytes of an accumulator. */
#define SHEAF_ACCUMULATOR_MAX ((size_t)1 << 20)

/* How values are brought together: an accumulator is memory of `size` bytes, aligned for every
 * ordinary type.  Combining has to be associative, and need not be commutative: the order is that
 * of the indices. */
typedef struct sheaf_reduction {
    size_t size;

    /* Makes it neutral.  NULL: all bytes zero are. */
    void (*init)(void *context, void *accumulator);

    /* Adds the indices of a piece, which follow those that are in it. */
    int (*fold)(void *context, size_t begin, size_t end, void *accumulator);

    /* Adds what is in `right`, whose indices follow directly; `right` is used up. */
    void (*combine)(void *context, void *left, void *right);

    /* Called for each accumulator that is neither used up nor the result.  NULL: nothing to do. */
    void (*drop)(void *context, void *accumulator);
} sheaf_reduction;

/* Brings a range together.  Pieces and the order of combining depend on the length of the range and
 * the grain alone, not on workers or time: sums of doubles come out the same each time.
 *
 *   options  `limit` is not for reductions
 *   result   receives the accumulator of the whole range, a neutral one for an empty range;
 *            untouched on error
 *
 * Returns, Context, Cancel: as sheaf_for(); SHEAF_INVALID also for a size of 0 or beyond
 *          SHEAF_ACCUMULATOR_MAX, a missing function, a limit */
SHEAF_API int sheaf_reduce(const sheaf_loop_options *options, size_t begin, size_t end,
                           const sheaf_reduction *reduction, void *context, void *result);

/* The last look at a piece of a scan.
 *
 *   before  what all indices before the piece come to; the callee may change it */
typedef int sheaf_scan_fn(void *context, size_t begin, size_t end, void *before);

/* Makes *to, memory that holds nothing, the same as *from, which stays. */
typedef void sheaf_copy_fn(void *context, void *to, const void *from);

/* Prefix sums and their like.  Each piece is folded, and then looked at once more with what all
 * pieces before it come to: there `last` goes on from index to index and writes what is wanted.
 *
 *     static int last(void *context, size_t begin, size_t end, void *before) {
 *         struct sums *s = context;
 *         int64_t *sum = before;
 *         for (size_t i = begin; i < end; i++) s->out[i] = *sum += s->in[i];
 *         return SHEAF_OK;
 *     }
 *
 * Progress and record count the last looks.
 *
 *   copy  NULL: the bytes are copied
 *
 * Returns, Context, Cancel: as sheaf_reduce() */
SHEAF_API int sheaf_scan(const sheaf_loop_options *options, size_t begin, size_t end,
                         const sheaf_reduction *reduction, sheaf_copy_fn *copy, sheaf_scan_fn *last,
                         void *context);

/* ---------------------------------------------------------------- workers */

/* What is called on a worker, which is a number below sheaf_pool_workers(). */
typedef int sheaf_worker_fn(void *context, unsigned worker);

/* Calls fn once on every worker of the pool, and waits for all of these calls: to set up what
 * belongs to a thread, a random generator or a handle of another library, and to take it down.
 * Each call is a task of its own, pinned to its worker, which comes to it when it is back in its
 * loop.  Spares (SHEAF_POOL_NO_SPARES) are not visited.
 *
 *   pool  NULL: the current task's, else the default pool
 *
 * Returns:  SHEAF_OK; the status of a call that failed, of several the one on the lowest worker;
 *           SHEAF_CANCELLED when the caller was asked, and a call with it or not begun;
 *           SHEAF_NOMEM, SHEAF_CLOSED, SHEAF_INVALID.  All calls that were begun have ended
 * Context:  task, plain thread */
SHEAF_API int sheaf_on_workers(sheaf_pool *pool, sheaf_worker_fn *fn, void *context);

/* Slots: `size` bytes for each worker of a pool, zero at first, apart by whole cache lines.  What
 * runs on a worker has its slot for itself until it suspends: counters and buffers that need
 * neither a lock nor atomics, brought together when the work is done.
 *
 *     sheaf_slots *counts = sheaf_slots_new(NULL, sizeof(long));
 *     ... in the bodies:   ++*(long *)sheaf_slots_mine(counts);
 *     ... afterwards:      for (size_t i = 0; i < sheaf_slots_count(counts); i++)
 *                              total += *(long *)sheaf_slots_at(counts, i);
 *     sheaf_slots_free(counts);
 *
 * There are as many as threads that may run tasks of the pool: those of its workers first, in their
 * order, then those of spares. */
typedef struct sheaf_slots sheaf_slots;

#define SHEAF_SLOT_MAX ((size_t)1 << 20)

/*   pool  NULL: the current task's, else the default pool
 *
 * Returns: NULL for want of memory, and for a size of 0 or beyond SHEAF_SLOT_MAX */
SHEAF_API sheaf_slots *sheaf_slots_new(sheaf_pool *pool, size_t size);
SHEAF_API void sheaf_slots_free(sheaf_slots *slots); /* NULL is ignored */

/* That of the running worker; to be asked for again after a suspension.  NULL elsewhere.
 *
 * Context: task of that pool */
SHEAF_API void *sheaf_slots_mine(sheaf_slots *slots);

/* How many there are; the slot of that number, or NULL.  Context: any, while nobody writes there */
SHEAF_API size_t sheaf_slots_count(const sheaf_slots *slots);
SHEAF_API void *sheaf_slots_at(sheaf_slots *slots, size_t index);

SHEAF_END_DECLS

#endif
