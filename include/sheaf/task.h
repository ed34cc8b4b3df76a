/* Tasks: functions that run on a pool and may suspend.                                (stable tier)
 *
 * A task is int fn(void *arg, sheaf_value *result): it returns SHEAF_OK with a result, a positive
 * code of its own (an errno value fits), or a negative status that it got and passes on.  So
 * SHEAF_TRY(...) around every call that may fail is all that it takes to hand errors and
 * cancellation up.
 *
 *     static int count_rows(void *arg, sheaf_value *result) {
 *         const struct table *t = arg;
 *         SHEAF_TRY(sheaf_sleep(SHEAF_MS(t->delay_ms)));
 *         if (t->broken) return sheaf_raise(EIO, "%s is down", t->name);
 *         result->i64 = 125000;
 *         return SHEAF_OK;
 *     }
 *
 * A task suspends where it waits: its worker goes on with other tasks, and the task may go on later
 * on another worker, which is another thread.  What must therefore not be held over a suspension,
 * unless the task is pinned (SHEAF_SPAWN_PIN, or SHEAF_POOL_PIN for all tasks of a pool): the
 * address of a _Thread_local variable, which compilers hold from the first use of the variable in a
 * function to the last; a locked pthread mutex, which is its thread's to unlock; a live C++ catch
 * block, whose exception the second thread does not know, so that throw; ends the program; and
 * per-thread state of libraries, such as OpenSSL's error queue, which is read before the next
 * suspension.  The value of errno is kept over a suspension, but compilers hold its address too: in
 * a function that suspends, use errno as <sheaf/errno.h> defines it, which <sheaf.h> includes.
 * With SHEAF_POOL_MIGRATE a task moves at every suspension: tests find such code at once.
 *
 * A task that computes for long calls sheaf_checkpoint() now and then: there it hears of a
 * cancellation.  A task runs on a stack of the pool's stack size; deep recursion needs more, see
 * sheaf_options.stack_size and sheaf_spawn_options.stack_size.
 */
#ifndef SHEAF_TASK_H
#define SHEAF_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/future.h>
#include <sheaf/pool.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

/* ---------------------------------------------------------------- spawning */

/* Starts fn(arg, result) as a task of the current task's pool, from a plain thread of the default
 * pool.
 *
 *   arg  the caller's; must live until the task has ended
 *
 * Returns: the task's future, given; for want of memory, or when the pool is closed, a future that
 *          has already failed with SHEAF_NOMEM or SHEAF_CLOSED: errors travel one way
 * Context: task, plain thread, callback */
SHEAF_API sheaf_future *sheaf_spawn(sheaf_fn *fn, void *arg);

/* The same on a given pool. */
SHEAF_API sheaf_future *sheaf_spawn_on(sheaf_pool *pool, sheaf_fn *fn, void *arg);

/* The same with a copy of `size` bytes at `args` kept inside the task; fn gets the copy. */
SHEAF_API sheaf_future *sheaf_spawn_copy(sheaf_fn *fn, const void *args, size_t size);

/* The same, told where the spawn stands: see "places" below.
 *
 *   place  static text, kept by reference; NULL: not known */
SHEAF_API sheaf_future *sheaf_spawn_at(const char *place, sheaf_fn *fn, void *arg);
SHEAF_API sheaf_future *sheaf_spawn_on_at(const char *place, sheaf_pool *pool, sheaf_fn *fn,
                                          void *arg);
SHEAF_API sheaf_future *sheaf_spawn_copy_at(const char *place, sheaf_fn *fn, const void *args,
                                            size_t size);

enum {
    /* The task always goes on on the worker that started it. */
    SHEAF_SPAWN_PIN = 1U << 0,
    /* A body that returns a value although a request is undelivered keeps the value. */
    SHEAF_SPAWN_KEEP_LATE_RESULT = 1U << 1
};

typedef struct sheaf_spawn_options {
    size_t size;
    sheaf_pool *pool;                      /* default: as sheaf_spawn() */
    const char *name;                      /* copied; default: "task-N" */
    void *data;                            /* see sheaf_future_data() */
    size_t copy;                           /* so many bytes at arg are copied into the task */
    void (*arg_drop)(void *arg);           /* called once if and only if the body never runs */
    void (*value_drop)(sheaf_value value); /* called once if nobody takes the value (L4); a drop
                                            * runs wherever that turns out, and must not wait */
    size_t stack_size;                     /* a stack of the task's own; default: the pool's */
    const char *place;                     /* SHEAF_PLACE; kept by reference, told in errors */
    unsigned flags;                        /* SHEAF_SPAWN_... */
    const char *options_place;             /* told where `place` is NULL; set by the macro */
} sheaf_spawn_options;

#define SHEAF_SPAWN_OPTIONS(...)                                                                   \
    (&(const sheaf_spawn_options){                                                                 \
        .size = sizeof(sheaf_spawn_options), .options_place = SHEAF_PLACE_, __VA_ARGS__})

/* The same with options.  Options that make no sense (an absurd size, unknown flags) give a future
 * that has failed with SHEAF_INVALID. */
SHEAF_API sheaf_future *sheaf_spawn_with(const sheaf_spawn_options *options, sheaf_fn *fn,
                                         void *arg);

/* Spawns `count` tasks at once: the i-th gets (char *)args + i * stride.
 *
 *   futures  receives `count` futures, given, each as sheaf_spawn() gives it
 *   stride   0 gives every task the same argument */
SHEAF_API void sheaf_spawn_many(sheaf_fn *fn, void *args, size_t stride, size_t count,
                                sheaf_future **futures);
SHEAF_API void sheaf_spawn_many_at(const char *place, sheaf_fn *fn, void *args, size_t stride,
                                   size_t count, sheaf_future **futures);

/* Places.  Where a task was spawned, "app.c:12", is told in its errors, in dumps and reports
 * (debug.h), and by sheaf_future_place().  The calls that spawn are macros which say where they
 * stand; called as functions, (sheaf_spawn)(fn, arg), they do not, nor where SHEAF_NO_PLACES is
 * defined.  Tasks in frames have no place, nor have forks. */
#ifndef SHEAF_NO_PLACES
#define sheaf_spawn(...) sheaf_spawn_at(SHEAF_PLACE, __VA_ARGS__)
#define sheaf_spawn_on(...) sheaf_spawn_on_at(SHEAF_PLACE, __VA_ARGS__)
#define sheaf_spawn_copy(...) sheaf_spawn_copy_at(SHEAF_PLACE, __VA_ARGS__)
#define sheaf_spawn_many(...) sheaf_spawn_many_at(SHEAF_PLACE, __VA_ARGS__)
#endif

/* The place of a task's spawn; NULL where it is not known, and for a future that is no task. */
SHEAF_API const char *sheaf_future_place(const sheaf_future *task);

/* A task whose record lies in its maker's frame: fork-join without an allocation.
 *
 *     sheaf_task right;
 *     sheaf_task_spawn(&right, fib, &b);
 *     ... the left half ...
 *     SHEAF_TRY(sheaf_task_join(&right, &value));
 *
 * Rules: the task that spawns it joins it before the frame ends, on every path, also when it was
 * cancelled itself; the record is not moved; its future is never retained.  Its size is part of
 * the extension ABI, which the names of the two functions carry. */
typedef struct sheaf_task {
    uint64_t opaque_[8];
} sheaf_task;

#define sheaf_task_spawn sheaf_task_spawn_64
#define sheaf_task_join sheaf_task_join_64

/* Starts fn(arg, result) as a child of the calling task.
 *
 * Returns: the task's future, borrowed, valid until the join.  On a plain thread, where there is
 *          nothing to join from, one that has failed with SHEAF_NOTASK.
 * Context: task */
SHEAF_API sheaf_future *sheaf_task_spawn(sheaf_task *task, sheaf_fn *fn, void *arg);

/* Waits until the task has ended, whatever becomes of the caller meanwhile.
 *
 * Returns: as sheaf_await().  A request to the caller is passed on to the task, as for every await;
 *          one that arrives when the task has ended is kept for the next suspension: the join gives
 *          the task's outcome.
 * Context: the task that spawned it */
SHEAF_API int sheaf_task_join(sheaf_task *task, sheaf_value *value);

/* ---------------------------------------------------------------- the current task */

/* The future of the calling task, borrowed; NULL on a plain thread and in a callback. */
SHEAF_API sheaf_future *sheaf_current(void);

/* Suspends for a time; 0 or less gives way once to everything that is ready.
 *
 * Returns:  SHEAF_OK, SHEAF_CANCELLED; SHEAF_NOMEM when the pool's timer thread cannot be started,
 *           at once
 * Context:  task; on a plain thread it blocks the thread (real time) */
SHEAF_API int sheaf_sleep(sheaf_duration duration);
SHEAF_API int sheaf_sleep_until(sheaf_time deadline);

/* Gives way once: everything that is ready runs first.  A point where a request is delivered.
 * Returns: SHEAF_OK, SHEAF_CANCELLED, SHEAF_NOTASK */
SHEAF_API int sheaf_yield(void);

/* Delivers a cancellation request without giving way: for loops that compute.  The macro says where
 * it stands: the place is told in dumps and reports of pools with SHEAF_POOL_WATCH.
 * Returns: SHEAF_OK, SHEAF_CANCELLED, SHEAF_NOTASK */
SHEAF_API int sheaf_checkpoint(void);
SHEAF_API int sheaf_checkpoint_at(const char *place);
#ifndef SHEAF_NO_PLACES
#define sheaf_checkpoint() sheaf_checkpoint_at(SHEAF_PLACE)
#endif

/* Makes the error that the calling task fails with if it returns `code`, and returns `code`.
 * In a blocking call (blocking.h) it makes the call's; elsewhere on a plain thread it only returns
 * `code`. */
SHEAF_API int sheaf_raise(int code, const char *format, ...) SHEAF_PRINTF(2, 3);

/* The same with an error object that exists already (shared); returns its code. */
SHEAF_API int sheaf_raise_error(sheaf_error *error);

/* ---------------------------------------------------------------- cancellation, seen from inside
 * */

/* How many requests a task has had, less those taken back.  NULL: the current task. */
SHEAF_API int sheaf_cancelling(const sheaf_future *task);

/* Takes one request back; returns how many are left.  At 0 a request that was not delivered yet is
 * withdrawn.  NULL: the current task.  SHEAF_NOTASK where there is none. */
SHEAF_API int sheaf_uncancel(sheaf_future *task);

/* Where a cancellation came from. */
typedef enum sheaf_origin {
    SHEAF_ORIGIN_NONE = 0, /* none was delivered */
    SHEAF_ORIGIN_CHILD,    /* what was awaited had been cancelled by others */
    SHEAF_ORIGIN_USER,     /* sheaf_cancel() on this task */
    SHEAF_ORIGIN_AWAITER,  /* a task that awaited this one was asked */
    SHEAF_ORIGIN_TIMEOUT,  /* a timeout */
    SHEAF_ORIGIN_GROUP,    /* a group that ends its members */
    SHEAF_ORIGIN_SHUTDOWN, /* the end of sheaf_run() or of the pool */
    SHEAF_ORIGIN_SIGNAL    /* SIGINT, where sheaf_run() was told to take it */
} sheaf_origin;

/* Of the last SHEAF_CANCELLED that a call returned to the calling task. */
SHEAF_API sheaf_origin sheaf_cancel_origin(void);

/* Holds requests back: between the two calls they are counted, not delivered, and waits are not
 * interrupted.  The pairs nest.
 *
 * Returns: SHEAF_OK; SHEAF_NOTASK on a plain thread; SHEAF_STATE for one end too many or more than
 *          255 nested; SHEAF_NOMEM of the first beginning in a task, nothing is held back then */
SHEAF_API int sheaf_mask_begin(void);
SHEAF_API int sheaf_mask_end(void);

/* ---------------------------------------------------------------- task-local values */

/* A key is the address of a sheaf_local that outlives every task that uses it.  A task's values are
 * inherited by the tasks that it makes afterwards, as they are at that moment; neither sees later
 * changes of the other.  `drop` is called once for each value set, when the last task that could
 * see it is gone. */
typedef struct sheaf_local {
    const char *name;
    void (*drop)(void *value);
} sheaf_local;

/* Context: task, callback, blocking call, which sees those of whoever asked for it.
 * Returns: SHEAF_OK, SHEAF_NOMEM (nothing changed), SHEAF_NOTASK elsewhere */
SHEAF_API int sheaf_local_set(const sheaf_local *key, void *value);
/* The value, or NULL when none was set. */
SHEAF_API void *sheaf_local_get(const sheaf_local *key);

/* ---------------------------------------------------------------- looking at all tasks */

/* The tasks of a pool that have not ended, the current one included; those whose record lies in a
 * frame are left out.
 *
 *   tasks  receives up to `room` references, given
 *
 * Returns: how many there are in all: more than `room` means that the array was too small */
SHEAF_API size_t sheaf_all_tasks(sheaf_pool *pool, sheaf_future **tasks, size_t room);

SHEAF_END_DECLS

#endif
