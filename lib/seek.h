/* Which job a worker's loop runs next, where it is looked for, and when there is none. */
#ifndef SHEAF_LIB_SEEK_H
#define SHEAF_LIB_SEEK_H

#include "lib/job.h"
#include "lib/worker.h"

/* The next job of the worker's loop; searches and sleeps while there is none.
 *
 * Returns: NULL when the pool stops
 * Context: the worker's own loop, no task runs */
struct sheaf__job *sheaf__seek(struct sheaf__worker *worker);

/* The next job out of the queues that lie nearest, for a fiber that is about to rest; no search.
 *
 * Returns: NULL when there is none, or the loop is to look itself
 * Context: the worker, on the fiber that is about to be left */
struct sheaf__job *sheaf__seek_near(struct sheaf__worker *worker);

/* A number from the worker's generator.  Context: the worker */
uint64_t sheaf__roll(struct sheaf__worker *worker);

/* searching -> working, with the chained wake-up of lib/idle.h. */
void sheaf__end_search(struct sheaf__worker *worker);

#endif
