/* What observers are told: see <sheaf/trace.h>.
 *
 * An observer is code of the program's: it is called with no lock held, on whatever thread does
 * what it is told of.  Only pools that were opened with one come here; the others pay for a flag of
 * their worker (`observes`), and nothing in the paths that their tasks never take. */
#ifndef SHEAF_LIB_OBSERVE_H
#define SHEAF_LIB_OBSERVE_H

#include <sheaf/trace.h>

#include "lib/future_impl.h"

/* Gives the task its number, and tells of it.  Before anybody else knows the task.
 *
 *   worker  the calling one, of whatever pool, or NULL */
void sheaf__observe_spawn(sheaf_pool *pool, struct sheaf__worker *worker, sheaf_future *task);

/* BEGIN, SUSPEND, RESUME of a task on its worker; of the worker itself with NULL. */
void sheaf__observe(struct sheaf__worker *worker, struct sheaf_future *task, int kind);

/* END or DROP.  The task has not ended yet. */
void sheaf__observe_end(sheaf_pool *pool, sheaf_future *task, sheaf_trace_kind kind, int status);

/* CLOSE. */
void sheaf__observe_close(sheaf_pool *pool);

/* Begins the trace that the environment asks for, once.  Calls the report hook. */
void sheaf__trace_prepare(void);

/* The observer of a trace that is on, for a pool that is about to open; NULL: there is none. */
sheaf_observer_fn *sheaf__trace_observer(void **context);

/* In a child of fork(): the file is its parent's. */
void sheaf__trace_forget(void);

#endif
