/* What tasks and workers do, as it happens: an observer, and traces for a viewer.  (extension tier)
 *
 *     SHEAF_TRACE=/tmp/app.json ./app          # then open it in ui.perfetto.dev
 *
 *     sheaf_trace_begin("/tmp/app.json");      // or from within: pools opened from here on
 *     ...
 *     sheaf_trace_end();
 *
 * A trace is a file in the JSON array form of Chrome's trace events, which Perfetto and
 * chrome://tracing show: a process for each pool, a line for each of its workers, on it a slice for
 * each stretch of a task, with its name, the place of its spawn and what it went to wait for, an
 * arrow from where a task was spawned to where it begins, and a slice `asleep` while a worker has
 * nothing to do.  The file is whole, and may be read, whenever a traced pool has closed, and after
 * sheaf_trace_end().
 *
 * The same events go to an observer of the program's, sheaf_options.observer (pool.h).  Of each
 * task, in this order, each on the worker that is concerned:
 *
 *     SPAWN  { BEGIN  { SUSPEND  RESUME }  END }     it ran
 *     SPAWN  DROP                                    it never did: cancelled, closed, no memory
 *
 * and between BEGIN or RESUME and SUSPEND or END of a task there is none of another on that worker.
 * A body that is suspended when its pool is abandoned has no END.
 *
 * In a pool with an observer no task runs on the stack of the one that awaits it, each has a part
 * allocated for it, and each fork is a task: a spawn and join took 150 ns more.  A trace took
 * another 0.5 us and 500 bytes of file for each.  Without an observer, a suspension and the start
 * of a task look at one more flag, and a spawn at nothing.  Blocking calls, callbacks and futures
 * that are no tasks are not seen. */
#ifndef SHEAF_TRACE_H
#define SHEAF_TRACE_H

#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/pool.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

typedef enum sheaf_trace_kind {
    SHEAF_TRACE_WORKER = 0,  /* a worker's thread has started; `name` is the pool's; `status` 1: it
                                is a spare */
    SHEAF_TRACE_SPAWN = 1,   /* a task was made; `parent` by which task */
    SHEAF_TRACE_BEGIN = 2,   /* it runs for the first time */
    SHEAF_TRACE_SUSPEND = 3, /* it leaves the worker; `waits_for` says what for */
    SHEAF_TRACE_RESUME = 4,  /* it goes on */
    SHEAF_TRACE_END = 5,     /* its body has returned `status` */
    SHEAF_TRACE_DROP = 6,    /* it ends with `status` and has never run */
    SHEAF_TRACE_SLEEP = 7,   /* the worker has found nothing to do */
    SHEAF_TRACE_WAKE = 8,    /* it looks again */
    SHEAF_TRACE_CLOSE = 9    /* the pool has closed: its last event */
} sheaf_trace_kind;

typedef struct sheaf_trace_event {
    sheaf_trace_kind kind;
    int worker;            /* of the pool; -1: on another thread.  Spares come after the workers */
    sheaf_time time;       /* of the system's monotonic clock, whatever clock the pool has */
    uint64_t pool;         /* a number that no other pool of the process has */
    uint64_t task;         /* a number that no other task of the process has; 0: of no task */
    uint64_t parent;       /* of SPAWN: the task that spawned it; 0: none of this pool's */
    const char *name;      /* the task's, or NULL when it was given none */
    const char *place;     /* of its spawn, or NULL */
    const char *waits_for; /* of SUSPEND: "a timer", "gather"; NULL: for its turn */
    int status;            /* of END and DROP; of WORKER */
} sheaf_trace_event;

/* Begins a trace of the pools that are opened from here on and have no observer.  The variable
 * SHEAF_TRACE in the environment does the same before the first pool is opened, unless the program
 * runs with more rights than its user has; that it cannot is told to the report hook.
 *
 *   path  the file is replaced; only its owner can read it (mode 0600).  What is there already must
 *         be a file of the process's user with no other name
 *
 * Returns: SHEAF_OK; SHEAF_STATE when there is a trace already; SHEAF_INVALID; SHEAF_NOMEM; a
 *          positive errno value when the file cannot be made
 * Context: plain thread, task */
SHEAF_API int sheaf_trace_begin(const char *path);

/* Ends it and closes the file.  A child of fork() has no trace.
 *
 * Returns: SHEAF_OK; SHEAF_STATE when there is none; a positive errno value when something could
 *          not be written: the file holds what came before
 * Context: plain thread, task */
SHEAF_API int sheaf_trace_end(void);

SHEAF_END_DECLS

#endif
