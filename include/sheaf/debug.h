/* To see what tasks do: dumps, by call and by signal; reports.                    (extension tier)
 *
 * A dump lists the tasks of one pool, or of every pool of the process, as a tree: below each task
 * those that it waits for, directly, through a gather or a shield, in sheaf_wait() and its kin, or
 * as members of a group.  What two tasks wait for stands below the first.
 *
 *     pool 'sheaf': 4 tasks, 2 workers
 *       main: suspended, waits for gather 'gather' (2 left) for 1.204 s, spawned at app.c:61
 *         orders: suspended, waits for a queue for 1.203 s, spawned at app.c:22
 *         products: running on worker 1, spawned at app.c:22, asked to cancel
 *       logger: suspended, waits for a timer for 0.120 s, spawned at app.c:80
 *
 * For how long something is waited for is known in pools with SHEAF_POOL_WATCH (pool.h), but not of
 * a task that was awaited before it started and runs on the stack of who awaits it.
 *
 * As JSON it is one object, {"pools": [...]}, in the lines that the report function gets: each pool
 * has a "name", "workers", "complete" (false when there was no memory for all tasks) and "tasks";
 * each task an "id", unique within the dump, and its "name", "state", "spawned_at", "parent",
 * "waits_for" (what: "gather", "a queue"), "awaited" (the name of the future), "waited_ns",
 * "waits_for_tasks" (ids), "worker", "cancel_requested", "masked" and "last_checkpoint".  What is
 * not known is null.
 *
 * A snapshot: what is told of a task was true of it at some instant of the call.  Where tasks come
 * and go meanwhile some may be missing.  A dump takes no lock that the program could hold, however
 * stuck it is: the library's own are held for moments, and never while code of the program runs.
 */
#ifndef SHEAF_DEBUG_H
#define SHEAF_DEBUG_H

#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/pool.h>

SHEAF_BEGIN_DECLS

typedef enum sheaf_dump_format { SHEAF_DUMP_TEXT = 0, SHEAF_DUMP_JSON = 1 } sheaf_dump_format;

/* Writes a dump, line by line without the line ends.
 *
 *   pool  NULL: every open pool of the process
 *
 * Returns: SHEAF_OK; SHEAF_NOMEM when there was no memory for the tree: what was written then is a
 *          list; SHEAF_INVALID
 * Context: task, plain thread, callback; not a signal handler */
SHEAF_API int sheaf_dump(sheaf_pool *pool, sheaf_dump_format format, sheaf_report_fn *report,
                         void *context);

/* The same into a file, which only its owner can read (mode 0600) and which is replaced.
 *
 *   path  what is there already must be a file of the process's user with no other name: a symbolic
 *         link, a pipe or a device is refused
 *
 * Returns: as sheaf_dump(); a positive errno value when the file cannot be written */
SHEAF_API int sheaf_dump_to_file(sheaf_pool *pool, sheaf_dump_format format, const char *path);

/* From now on a signal, SIGUSR1 for instance, makes a dump of every open pool.  The handler only
 * pokes a thread of the library's, which writes it and exists from here to sheaf_dump_no_signal();
 * SIGUSR1 that the program blocks on all its threads makes none.
 *
 *     sheaf_dump_on_signal(SIGUSR1, SHEAF_DUMP_TEXT, NULL);          // kill -USR1 PID
 *
 *   path  copied; as for sheaf_dump_to_file().  NULL: to the report hook, as text alone
 *
 * Returns: SHEAF_OK; SHEAF_STATE when this is on already, or the signal's action is not the default
 *          one; SHEAF_INVALID for SIGINT, which sheaf_run() takes, for a signal that cannot be
 *          handled, for JSON without a path; SHEAF_NOMEM
 * Context: plain thread, task */
SHEAF_API int sheaf_dump_on_signal(int signal, sheaf_dump_format format, const char *path);

/* Ends that: restores the signal's default action, unless the program has put another one in its
 * place, and ends the thread.  Does nothing when it is not on. */
SHEAF_API void sheaf_dump_no_signal(void);

/* For sheaf_pool_close(): writes a line to the report hook for each task that is left over, with
 * its name, the place of its spawn, its state and what it waits for.  `context` is not used. */
SHEAF_API void sheaf_report_late(void *context, const sheaf_future *task, const char *name);

SHEAF_END_DECLS

#endif
