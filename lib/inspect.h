/* Looking at a pool's tasks while they run: see lib/inspect.c. */
#ifndef SHEAF_LIB_INSPECT_H
#define SHEAF_LIB_INSPECT_H

#include <stdbool.h>
#include <stddef.h>

#include <sheaf/base.h>

#define SHEAF__TASK_LIST_SOME 64U

/* References to tasks; where `some` and what was lent are too small, in memory of its own. */
struct sheaf__task_list {
    sheaf_future **tasks;
    size_t count; /* so many are held */
    size_t found; /* so many were seen: more than `room` only for want of memory */
    size_t room;
    sheaf_future **lent; /* the caller's, never freed; or NULL */
    sheaf_future *some[SHEAF__TASK_LIST_SOME];
};

/* Lists the pool's tasks that have not ended, each once; frames' tasks and the library's own are
 * not told.
 *
 *   unswept  only those that no shutdown has asked yet
 *   list     filled; to be given to sheaf__tasks_forget() */
void sheaf__inspect_tasks(sheaf_pool *pool, bool unswept, struct sheaf__task_list *list);

void sheaf__tasks_forget(struct sheaf__task_list *list);

/* Called by a runner that takes the locked way to DONE: waits while an inspection holds running
 * tasks in place.  Requires: the worker's `current` is another task by now */
void sheaf__inspect_pass(void);

#endif
