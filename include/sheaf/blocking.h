/* Blocking calls: functions that block their thread run beside the workers.             (stable
 * tier)
 *
 * A task that calls read(), getaddrinfo() or a library that blocks keeps its worker from all other
 * tasks meanwhile.  sheaf_blocking() runs such a call on a thread of its own, as
 * asyncio.to_thread() does, and gives a future like any other:
 *
 *     sheaf_value size;
 *     SHEAF_TRY(sheaf_join(sheaf_blocking(read_file, &request), &size));
 *
 * Threads.  Each pool has a set of threads for them.  They start when there is more to do than
 * threads that wait for work, and end when there was nothing to do for some seconds.  There are at
 * most as many as sheaf_blocking_limit() says; calls beyond that wait, and are taken first in,
 * first out.
 *
 * Inside of a call there is no current task: it is a plain thread, where waiting for a future
 * blocks the thread, sheaf_checkpoint() and the like return SHEAF_NOTASK, and what is spawned
 * without naming a pool goes to the default pool.  Two things it has of whoever asked for it: it
 * sees the task-local values of that moment (what it sets itself only it sees, and the tasks that
 * it makes), and sheaf_raise() makes the error that the future fails with.
 *
 * Cancelling.  A call that has not started never runs.  One that runs cannot be stopped: its future
 * ends cancelled at once, the call goes on, and what it returns is dropped.  `arg` must live until
 * the call has ended, which may thus be later than the future; let it own what it needs.
 *
 * Clock.  A virtual clock stands still while a call of its pool waits or runs: what the call itself
 * waits for must not depend on that clock.
 *
 * Closing the pool (sheaf_pool_close) waits for calls that run, within its limit.  DRAIN waits for
 * those that have not started too, CANCEL cancels these; with ABANDON the futures of all of them
 * fail with SHEAF_CLOSED, and the threads of those that run are left to end by themselves.
 */
#ifndef SHEAF_BLOCKING_H
#define SHEAF_BLOCKING_H

#include <stddef.h>

#include <sheaf/base.h>
#include <sheaf/future.h>
#include <sheaf/pool.h>

SHEAF_BEGIN_DECLS

/* Runs fn(arg, result) on a thread that may block, for the current task's pool, from a plain thread
 * for the default pool.  What fn returns means what it means for a task.
 *
 *   arg  the caller's; must live until the call has ended
 *
 * Returns: the call's future, given; one that has already failed: with SHEAF_NOMEM for want of
 *          memory, or when not one thread can be started; with SHEAF_CLOSED when the pool is
 *          closed; with SHEAF_INVALID
 * Context: task, plain thread, callback, blocking call */
SHEAF_API sheaf_future *sheaf_blocking(sheaf_fn *fn, void *arg);

typedef struct sheaf_blocking_options {
    size_t size;
    sheaf_pool *pool;                      /* default: as sheaf_blocking() */
    const char *name;                      /* of the future; copied */
    void *data;                            /* see sheaf_future_data() */
    void (*arg_drop)(void *arg);           /* called once if and only if fn never runs */
    void (*value_drop)(sheaf_value value); /* called once if nobody takes the value (L4), also when
                                            * the future was cancelled while the call ran.  A drop
                                            * runs wherever that turns out, and must not wait */
} sheaf_blocking_options;

#define SHEAF_BLOCKING_OPTIONS(...)                                                                \
    (&(const sheaf_blocking_options){.size = sizeof(sheaf_blocking_options), __VA_ARGS__})

/* The same with options; NULL means all defaults. */
SHEAF_API sheaf_future *sheaf_blocking_with(const sheaf_blocking_options *options, sheaf_fn *fn,
                                            void *arg);

#define SHEAF_BLOCKING_MAX 4096

/* Says how many threads a pool may have for blocking calls.  The default is asyncio's: four more
 * than the CPUs that affinity and quota leave to the process, at most 32.  Threads beyond a lower
 * limit end after the call that they run.
 *
 *   pool  NULL: the default pool
 *
 * Returns: SHEAF_OK; SHEAF_INVALID for less than 1 or more than SHEAF_BLOCKING_MAX; SHEAF_NOMEM;
 *          SHEAF_CLOSED
 * Context: task, plain thread, callback, blocking call */
SHEAF_API int sheaf_blocking_limit(sheaf_pool *pool, int threads);

SHEAF_END_DECLS

#endif
