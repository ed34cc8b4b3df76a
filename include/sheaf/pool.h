/* Pools: the workers on which tasks run, their life, their clock.                    (stable tier)
 *
 * A pool is a number of worker threads that take tasks from each other's queues.  Most programs
 * need no pool of their own: sheaf_run() opens one, runs a function as its first task and closes
 * it, as asyncio.run() does; and a task spawned from a plain thread that names no pool goes to the
 * default pool, which opens at its first use.  Several pools live side by side, and a future of one
 * may be awaited from any other or from a plain thread.
 *
 *     int main(void) { return sheaf_exit_code(sheaf_run(NULL, app, NULL, NULL)); }
 *
 *     sheaf_run(SHEAF_OPTIONS(.workers = 4, .name = "render"), app, &config, &value);
 *
 * Time.  A pool has a clock.  The real one is the system's monotonic clock.  The virtual one stands
 * still while anything can run and jumps to the next timer when nothing can, so that a test of an
 * hour's timeouts takes microseconds; when nothing can run and no timer is left either, that is a
 * deadlock and is reported instead of hung in.  A plain thread that is about to act on a pool with
 * a virtual clock holds the clock meanwhile (sheaf_clock_hold).
 *
 * Order.  SHEAF_SCHEDULE_STEAL, the default, is parallel: newest first on the own worker, oldest
 * first for thieves.  SHEAF_SCHEDULE_FIFO is asyncio's order on one worker: what became ready first
 * runs first, and a new task does not start before its maker waits.  With a seed the choice among
 * what is ready is drawn from the seed instead, on one worker: the same seed, the same schedule.
 *
 * Threads.  A pool starts its workers when it opens, and one timer thread when the first timer is
 * set on a real clock; blocking calls have threads of their own (blocking.h), and SHEAF_RUN_SIGINT
 * has one during a run.  They block all asynchronous signals, so that handlers run on the program's
 * own threads.  Before the first use of the library there is no thread, no signal handler and no
 * fork handler; when all pools are closed there is no thread and no signal handler any more, and a
 * library that was loaded with dlopen() may be unloaded.
 *
 * fork().  A child has none of the threads of its parent's pools, and is told so.  To it a future
 * of theirs that was not done has failed with SHEAF_LOST, however it is waited for; spawns on such
 * a pool give SHEAF_CLOSED; closing it, running on it and its statistics give SHEAF_LOST, and its
 * memory stays.  The child opens pools of its own, the default pool too.  A task, callback or
 * blocking call may fork: the child goes on as a plain thread and has to end in there, by exec or
 * _exit(); when the function returns instead, that is a panic (error.h).  Everything else that the
 * parent's tasks were using, queues and mutexes for instance, may be locked for ever: a child makes
 * its own.  After vfork() and _Fork() a child calls nothing of sheaf; posix_spawn() needs no care.
 *
 * Spares.  A pool on a real clock also has spares, at most as many as workers, unless it is opened
 * with SHEAF_POOL_NO_SPARES, _PIN or _MIGRATE: threads that sleep until a worker does not come back
 * to its queue.
 * While every worker computes, a spare goes on with the tasks whose sleep, limit or await is over,
 * within some milliseconds.  While a worker blocks, in read() for instance, a spare takes its place
 * for all tasks.  When all workers have computed for some 50 ms without spawn, await or end of a
 * task, one spare also starts tasks that have not begun.  A pinned task waits for its own worker;
 * one that is pinned or has a stack size of its own is started by workers alone.  The first spare
 * comes when all workers are busy for the first time.  None runs while nothing is to be done.
 */
#ifndef SHEAF_POOL_H
#define SHEAF_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/error.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

typedef enum sheaf_clock { SHEAF_CLOCK_REAL = 0, SHEAF_CLOCK_VIRTUAL = 1 } sheaf_clock;

typedef enum sheaf_schedule {
    SHEAF_SCHEDULE_STEAL = 0, /* parallel work stealing */
    SHEAF_SCHEDULE_FIFO = 1   /* asyncio's order; one worker */
} sheaf_schedule;

/* An observer (trace.h) is told of what tasks and workers do, as they do it.
 *
 * Context: whatever thread does it, several at once; no lock is held.  It may not wait, nor call
 *          anything of the library's but sheaf_now() */
struct sheaf_trace_event;
typedef void sheaf_observer_fn(void *context, const struct sheaf_trace_event *event);

/* What a pool is opened with.  A member that is 0 or NULL means its default. */
typedef struct sheaf_options {
    size_t size;             /* sizeof(sheaf_options): SHEAF_OPTIONS() sets it */
    int workers;             /* default: the CPUs that affinity and quota leave to the process */
    const char *name;        /* copied; threads are named after it; default "sheaf" */
    size_t stack_size;       /* bytes of a task's stack; default 256 KiB, rounded up to pages */
    sheaf_clock clock;       /* real or virtual */
    sheaf_schedule schedule; /* stealing or asyncio's order */
    uint64_t seed;           /* not 0: one worker whose every choice is drawn from the seed */
    sheaf_unhandled_fn *unhandled; /* told of errors that nobody looked at; default: a line on
                                      standard error.  One call at a time, no lock held */
    void *hook_context;            /* first argument of the hooks */
    unsigned flags;                /* SHEAF_POOL_..., SHEAF_RUN_... */
    sheaf_duration cancel_report;  /* not 0: see below; implies SHEAF_POOL_WATCH */
    sheaf_observer_fn *observer;   /* told of every step of every task; default: none */
    void *observer_context;        /* its first argument */
} sheaf_options;

enum {
    /* Each completion draws a number from the pool's counter: see sheaf_future_stamp(). */
    SHEAF_POOL_STAMPS = 1U << 0,

    /* Every task always goes on on the worker that started it, as with SHEAF_SPAWN_PIN: for
     * programs whose tasks lean on thread-locals.  A task waits for its worker though others idle.
     */
    SHEAF_POOL_PIN = 1U << 1,

    /* For tests: a task never goes on on the worker that it left, unless it is pinned, and no task
     * runs on the stack of the one that awaits it.  So code that holds over a suspension what
     * task.h says it must not fails at the first one, not once in a while.  A call that has nothing
     * to wait for suspends no more than elsewhere.  Takes two workers, and has two where the
     * default is one. */
    SHEAF_POOL_MIGRATE = 1U << 2,

    /* No spares: what is woken waits until a worker is back. */
    SHEAF_POOL_NO_SPARES = 1U << 3,

    /* A task that overflows its stack is named on standard error before the program dies of it; see
     * below. */
    SHEAF_POOL_TELL_OVERFLOW = 1U << 4,

    /* For debugging: each task notes when it began to wait, and where it last called
     * sheaf_checkpoint(), for dumps and reports (debug.h).  Costs an allocation a task and a look
     * at the clock a suspension. */
    SHEAF_POOL_WATCH = 1U << 5,

    /* For sheaf_run() and runners (runner.h): SIGINT cancels what runs.  See sheaf_run(). */
    SHEAF_RUN_SIGINT = 1U << 8
};

/* SHEAF_POOL_TELL_OVERFLOW: while a pool is open that was opened with it, sheaf handles SIGSEGV.
 * When a task of such a pool runs into the guard below its stack, the handler writes one line with
 * write(2),
 *
 *     sheaf: stack overflow in task 'decode-17', whose function is at 0x55ca0d30; its stack has 256
 *     KiB
 *
 * and the signal then takes the course that it would have taken: to the handler that was installed
 * before, or to the default action, a core dump of the frame that overflowed.  So do all other
 * faults, without a line.  The task is the innermost one on the stack, one that was called by the
 * task that awaits it included.  The workers of the pool have signal stacks, so a handler that the
 * program installs later, in the place of sheaf's, gets overflows too if it has SA_ONSTACK.  The
 * handler before is restored when the last such pool has been closed.
 *
 * A frame of more than 64 KiB can step over the guard, into another task's stack, unless the code
 * is compiled with -fstack-clash-protection. */

/* cancel_report: a task that runs, was asked to cancel and has not heard of it for so long is told
 * to the report hook, once a request,
 *
 *     task 'decode-17' was asked to cancel 2.000 s ago and has not reacted: running on worker 1,
 *     spawned at app.c:40, asked to cancel, last checkpoint at app.c:87
 *
 * in one line.  It computes without sheaf_checkpoint(), blocks, holds requests back with
 * sheaf_mask_begin(), or waits where requests do not reach.  A timer is set only while a request is
 * undelivered.  Tasks in frames are left out. */

/* sheaf_pool_open(SHEAF_OPTIONS(.workers = 2), &pool) */
#define SHEAF_OPTIONS(...) (&(const sheaf_options){.size = sizeof(sheaf_options), __VA_ARGS__})

#define SHEAF_WORKERS_MAX 1024

/* Opens a pool and starts its workers.
 *
 *   options  borrowed during the call; NULL means all defaults
 *   *out     given: close it with sheaf_pool_close(); untouched on error
 *
 * Returns:  SHEAF_OK; SHEAF_INVALID for a negative number of workers or one beyond
 *           SHEAF_WORKERS_MAX, a stack size below 16 KiB or above 1 GiB, an unknown clock or
 *           schedule, more than one worker with FIFO or a seed, one worker with
 *           SHEAF_POOL_MIGRATE, which goes not with SHEAF_POOL_PIN; SHEAF_NOMEM when memory or
 *           threads ran out, nothing was left behind
 * Context:  task, plain thread
 */
SHEAF_API int sheaf_pool_open(const sheaf_options *options, sheaf_pool **out);

typedef enum sheaf_close {
    SHEAF_CLOSE_DRAIN = 0,  /* wait for every task */
    SHEAF_CLOSE_CANCEL = 1, /* ask every task to cancel, and those they still spawn; wait */
    SHEAF_CLOSE_ABANDON = 2 /* let suspended and queued tasks go: their futures fail with
                               SHEAF_CLOSED; wait only for bodies that are running */
} sheaf_close;

/* Told of each task that a close could not wait for.  `task` is borrowed during the call. */
typedef void sheaf_late_fn(void *context, const sheaf_future *task, const char *name);

/* Closes a pool: no new task is taken from outside, what is there is dealt with as `how` says.
 *
 *   pool   taken when the call returns SHEAF_OK; still the caller's otherwise
 *   limit  how long to wait for tasks; SHEAF_FOREVER for no limit
 *   late   called for each task that is still there when the limit has passed, or NULL
 *
 * After SHEAF_TIMEOUT the pool goes on closing: call again, with another limit or a harder `how`.
 * Futures outlive the pool: they may be read and released after the close.
 *
 * A task that was suspended when its pool was abandoned (ABANDON, or SHEAF_DEADLOCK) never goes on:
 * nothing of its body is undone, and what it holds, a mutex for instance, stays held.  Its stack is
 * never given back, since mutexes, conditions and futures of other pools may go on pointing there;
 * it costs the pages that were touched.  What such a task waits for goes to those who wait behind
 * it.
 *
 * Returns:  SHEAF_OK; SHEAF_TIMEOUT with tasks left over; SHEAF_INVALID for NULL or an unknown
 *           `how`; SHEAF_STATE from a task of that same pool, or while another close is under way;
 *           SHEAF_DEADLOCK with a virtual clock when what is left can never go on (it has been
 *           abandoned, the pool is closed); SHEAF_LOST in a child of the process that opened it
 * Context:  plain thread, task of another pool
 */
SHEAF_API int sheaf_pool_close(sheaf_pool *pool, sheaf_close how, sheaf_duration limit,
                               sheaf_late_fn *late, void *context);

/* Opens the default pool with these options, before anybody uses it: in main(), say.
 *
 * Returns: SHEAF_OK; SHEAF_STATE when it is open already; else as sheaf_pool_open() */
SHEAF_API int sheaf_pool_default_open(const sheaf_options *options);

/* The pool that serves spawns from plain threads; opened with defaults at the first call.
 *
 * Returns: the pool, borrowed; NULL when it could not be opened
 * Context: task, plain thread */
SHEAF_API sheaf_pool *sheaf_pool_default(void);

/* Closes the default pool if it is open, as sheaf_pool_close() does.  A later use opens a new one.
 *
 * Requires: no other thread uses the default pool at the same time */
SHEAF_API int sheaf_pool_default_close(sheaf_close how, sheaf_duration limit);

/* The pool of the calling task, borrowed; NULL on a plain thread. */
SHEAF_API sheaf_pool *sheaf_pool_current(void);

/* The number of workers of a pool. */
SHEAF_API int sheaf_pool_workers(const sheaf_pool *pool);

/* Opens a pool, runs fn(arg, value) as a task, ends what is left over, closes the pool.
 *
 *   options  as for sheaf_pool_open()
 *   value    receives the value when the task succeeds; may be NULL
 *
 * When the task has ended, what can run at that instant runs until it waits; then every task that
 * is left is asked to cancel, once, and waited for, and so on until none is left.  Errors of such
 * tasks go to the unhandled-error hook.  Blocking calls that run are waited for.
 *
 * A task that ends with SHEAF_FATAL, whichever it is, stops the run: fn's task is not waited for
 * any longer, but asked to cancel like all others.
 *
 * With SHEAF_RUN_SIGINT, on the main thread and unless the program has set SIGINT to something else
 * than its default: the first SIGINT asks fn's task to cancel (SHEAF_ORIGIN_SIGNAL); the second one
 * stops the run as a fatal error does; the third one gives up tasks that are still suspended, waits
 * only for bodies that compute, and restores the default action, so that a fourth one kills.
 *
 * Returns:  the task's status; SHEAF_INVALID, SHEAF_NOMEM as sheaf_pool_open(); SHEAF_STATE from a
 *           task; SHEAF_FATAL when a task ended so; SHEAF_INTERRUPTED when the task ended cancelled
 *           and SIGINT alone had asked it, or when SIGINT stopped the run; SHEAF_DEADLOCK when,
 *           with a virtual clock, the task can never go on: who waits for what is written to the
 *           report hook (sheaf_set_report_hook)
 * Context:  plain thread
 */
SHEAF_API int sheaf_run(const sheaf_options *options, sheaf_fn *fn, void *arg, sheaf_value *value);

/* The time on the clock of the calling task's pool; on a plain thread the real monotonic time. */
SHEAF_API sheaf_time sheaf_now(void);

/* The time on a pool's clock. */
SHEAF_API sheaf_time sheaf_pool_now(sheaf_pool *pool);

/* Keeps a virtual clock from jumping, and a deadlock from being declared, until as many releases.
 * A plain thread holds the clock from before it looks until after it has acted.
 *
 * Context: task, plain thread */
SHEAF_API void sheaf_clock_hold(sheaf_pool *pool);
SHEAF_API void sheaf_clock_release(sheaf_pool *pool);

/* Receives a report, a deadlock's account for instance, line by line without the line end. */
typedef void sheaf_report_fn(void *context, const char *line);

/* Where reports go: process-wide; NULL restores the default, standard error. */
SHEAF_API void sheaf_set_report_hook(sheaf_report_fn *report, void *context);

/* Writes the pool's tasks with their names, states and what each waits for, line by line:
 * sheaf_dump() as text (debug.h).
 *
 * Context: task, plain thread */
SHEAF_API void sheaf_pool_dump(sheaf_pool *pool, sheaf_report_fn *report, void *context);

/* Counters since the pool opened; sums over workers that go on counting meanwhile, and how much
 * there is now.  Exact while nothing runs. */
typedef struct sheaf_stats {
    size_t size;
    uint64_t spawned;      /* tasks made */
    uint64_t finished;     /* tasks that ended, in whatever way */
    uint64_t inlined;      /* tasks that ran on the stack of who awaited them */
    uint64_t stolen;       /* entries taken from another worker */
    uint64_t parked;       /* suspensions */
    uint64_t woken;        /* suspensions that ended */
    uint64_t wakeups;      /* sleeping workers woken */
    uint64_t timers;       /* timers set */
    uint64_t lent;         /* how often a spare took a worker's place */
    size_t suspended;      /* tasks' stacks suspended now */
    size_t stacks;         /* stacks in existence now, cached ones included */
    size_t stacks_peak;    /* the most that were taken at one time, of those of the pool's size */
    size_t queued;         /* tasks that have not started, and woken ones that wait for a worker */
    size_t timers_pending; /* timers that are set now */
    size_t asleep;         /* workers that sleep now for want of work */
} sheaf_stats;

/* Fills *stats.  Requires: stats->size = sizeof(sheaf_stats).
 * Returns: SHEAF_OK, SHEAF_INVALID; SHEAF_LOST in a child of the process that opened the pool */
SHEAF_API int sheaf_pool_stats(sheaf_pool *pool, sheaf_stats *stats);

/* The same of one worker.  What has no worker, tasks made by plain threads for instance, is in the
 * sums alone. */
typedef struct sheaf_worker_stats {
    size_t size;
    uint64_t spawned;  /* tasks that it made */
    uint64_t finished; /* tasks that it ended */
    uint64_t inlined;  /* of these, those that ran on the stack of who awaited them */
    uint64_t stolen;   /* entries that it took from others */
    uint64_t parked;   /* suspensions on it */
    uint64_t woken;    /* suspensions that ended on it */
    size_t queued;     /* in its own queues now */
    bool asleep;       /* sleeps now */
    bool spare;        /* a spare, not one of the workers that the pool was opened with */
} sheaf_worker_stats;

/* Fills *stats.
 *
 *   worker  from 0; behind the workers come the spares that there are
 *
 * Requires: stats->size = sizeof(sheaf_worker_stats)
 * Returns:  SHEAF_OK; SHEAF_EMPTY when there is no such worker; SHEAF_INVALID, SHEAF_LOST
 * Context:  any but a signal handler */
SHEAF_API int sheaf_pool_worker_stats(sheaf_pool *pool, int worker, sheaf_worker_stats *stats);

SHEAF_END_DECLS

#endif
