/* What the tasks of a pool do at one time, and who waits for whom: what a dump writes. */
#ifndef SHEAF_LIB_SNAPSHOT_H
#define SHEAF_LIB_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/future_impl.h"
#include "lib/inspect.h"

#define SHEAF__NO_ROW SIZE_MAX

/* One task.  Of what it says each part was true at some instant while it was taken. */
struct sheaf__row {
    sheaf_future *task;     /* the snapshot's list has it */
    const char *state;      /* static text */
    sheaf_future *awaited;  /* held, or NULL */
    const char *what;       /* static text: what is waited for that is no future; or NULL */
    const char *checkpoint; /* the place of the last one; or NULL */
    int64_t waited;         /* ns; below 0: not known */
    size_t first_edge;      /* of the tasks that it waits for */
    size_t edges;
    int worker; /* that runs it; below 0: none */
    bool asked; /* a request is undelivered */
    bool masked;
    /* The tree: below a task those that it waits for and no row before it. */
    size_t parent, child, last_child, sibling; /* rows; or NO_ROW */
    size_t mark;                               /* scratch */
};

struct sheaf__address {
    const sheaf_future *task;
    size_t row;
};

struct sheaf__snapshot {
    struct sheaf__snapshot *next; /* the owner's */
    char pool_name[SHEAF__POOL_NAME_SIZE];
    unsigned workers;
    bool lost;     /* the pool is of the parent process */
    bool complete; /* false: for want of memory there is no tree, or not all of it */
    struct sheaf__task_list list;
    struct sheaf__row *rows; /* one for each of the list; NULL for want of memory */
    struct sheaf__address *addresses;
    const sheaf_future **edges; /* of all rows; only to be compared with the list's */
    size_t edge_count;          /* so many were found */
    size_t edge_room;
};

/* Filled in any case; to be given to drop().  Both may let go of tasks that have ended, and so call
 * what the program drops values with: no lock is held. */
void sheaf__snapshot_take(struct sheaf__snapshot *snapshot, sheaf_pool *pool);
void sheaf__snapshot_drop(struct sheaf__snapshot *snapshot);

/* The row of a task that is waited for; NO_ROW when it is not among them. */
size_t sheaf__snapshot_find(const struct sheaf__snapshot *snapshot, const sheaf_future *task);

/* The row after this one in the order of the tree, changing *depth; NO_ROW after the last.
 *
 *   row  NO_ROW: the first one */
size_t sheaf__snapshot_next(const struct sheaf__snapshot *snapshot, size_t row, size_t *depth);

/* One task alone, without edges.  The second lets go of what it holds. */
void sheaf__row_look(struct sheaf__row *row, sheaf_future *task);
void sheaf__row_drop(struct sheaf__row *row);

#endif
