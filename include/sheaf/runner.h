/* Runners: several main tasks, one after the other, on one pool.                        (stable
 * tier)
 *
 * sheaf_run() (pool.h) opens a pool, runs one task and closes the pool.  A runner does the same in
 * three steps, as asyncio.Runner does, so that what the first task has left is there for the next:
 *
 *     sheaf_runner runner = SHEAF_RUNNER_INIT;
 *     SHEAF_TRY(sheaf_runner_open(&runner, NULL));
 *     int status = sheaf_runner_run(&runner, connect_all, &servers, NULL);
 *     if (status == SHEAF_OK) status = sheaf_runner_run(&runner, serve, &servers, NULL);
 *     sheaf_runner_close(&runner);
 *
 * Tasks that a main task leaves over live on, until the close asks them to cancel.  With a real
 * clock they go on running between the runs; a virtual clock stands still there.  The main tasks
 * share one set of task-local values: what one sets the next one sees.
 */
#ifndef SHEAF_RUNNER_H
#define SHEAF_RUNNER_H

#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/pool.h>

SHEAF_BEGIN_DECLS

/* Closed when zeroed.  It stays where it is while it is open. */
typedef struct sheaf_runner {
    uint32_t state_;
    uint32_t flags_;
    sheaf_pool *pool_;
    void *locals_;
    void *spare_;
} sheaf_runner;

/* clang-format off */
#define SHEAF_RUNNER_INIT {0, 0, NULL, NULL, NULL}
/* clang-format on */

/* Opens a runner and its pool.
 *
 *   options  as for sheaf_run()
 *
 * Returns: SHEAF_OK; SHEAF_INVALID, SHEAF_NOMEM as sheaf_pool_open(); SHEAF_STATE when it is open
 * Context: plain thread */
SHEAF_API int sheaf_runner_open(sheaf_runner *runner, const sheaf_options *options);

/* Runs fn(arg, value) as a task and waits for it.
 *
 *   value  receives the value when the task succeeds; may be NULL
 *
 * A run that is stopped (by SHEAF_FATAL, a second SIGINT, a deadlock: see sheaf_run()) closes the
 * runner before it returns: nothing that could still use `arg` is left.
 *
 * Returns: as sheaf_run(); SHEAF_STATE when the runner is closed, when another thread is inside of
 *          it, or from a task; SHEAF_LOST in a child of the process that opened it
 * Context: plain thread */
SHEAF_API int sheaf_runner_run(sheaf_runner *runner, sheaf_fn *fn, void *arg, sheaf_value *value);

/* Asks every task that is left to cancel, as at the end of sheaf_run(), waits for them and closes
 * the pool.  SIGINT has its default action meanwhile.
 *
 * Returns: SHEAF_OK, also when it is closed already; SHEAF_FATAL when a task ended so since the
 *          last run; SHEAF_DEADLOCK when with a virtual clock tasks could not go on; it is closed
 *          then too.  SHEAF_STATE when another thread is inside of it, or from a task; SHEAF_LOST
 *          in a child of the process that opened it, where it stays open
 * Context: plain thread */
SHEAF_API int sheaf_runner_close(sheaf_runner *runner);

/* The runner's pool, borrowed, until the close: to spawn between the runs.  NULL when it is closed.
 */
SHEAF_API sheaf_pool *sheaf_runner_pool(const sheaf_runner *runner);

SHEAF_END_DECLS

#endif
