/* Task groups: tasks that do not outlive the block that they were started in.         (stable tier)
 *
 *     sheaf_group group;
 *     SHEAF_TRY(sheaf_group_open(&group, NULL));
 *     sheaf_group_start(&group, fetch, &one);
 *     sheaf_group_start(&group, fetch, &two);
 *     return sheaf_group_close(&group, SHEAF_OK);     // waits for both
 *
 * The first member that fails aborts the group: its siblings are asked to cancel, and so is the
 * task that opened it, wherever it is in the block; the close then gives one error whose parts are
 * all the errors.  A member that is cancelled is no failure.  Cancelling the task that opened the
 * group asks the members and waits for them.
 *
 * A group is opened and closed in one function: every path to a return leads through the close.
 * A task that ends with an open group stops the program with a sentence that says so.
 */
#ifndef SHEAF_GROUP_H
#define SHEAF_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/error.h>
#include <sheaf/future.h>
#include <sheaf/task.h>
#include <sheaf/time.h>

SHEAF_BEGIN_DECLS

/* Lies in the frame of the function that opens and closes it.  While that frame is there any task
 * or thread may start members, look and cancel, also when the group is being closed or is closed:
 * it is told so. */
typedef struct sheaf_group {
    void *group_;
    uint64_t spare_[3];
} sheaf_group;

enum {
    /* Failures stay apart: they abort nothing and are no failure of the close.  Each member's
     * outcome is its own; an error that nobody looks at is reported. */
    SHEAF_GROUP_SUPERVISE = 1U << 0,
    /* Members that have ended wait to be taken by sheaf_group_next() or sheaf_group_result(). */
    SHEAF_GROUP_KEEP = 1U << 1
};

typedef struct sheaf_group_options {
    size_t size;
    unsigned flags;
    sheaf_pool *pool; /* where members run; default: the current task's, else the default pool */
} sheaf_group_options;

#define SHEAF_GROUP_OPTIONS(...)                                                                   \
    (&(const sheaf_group_options){.size = sizeof(sheaf_group_options), __VA_ARGS__})

/* Opens a group.  The current task is its owner; on a plain thread it has none, and only its
 * members can be cancelled.
 *
 *   options  NULL: all defaults
 *
 * Returns: SHEAF_OK, SHEAF_NOMEM, SHEAF_INVALID
 * Context: task, plain thread */
SHEAF_API int sheaf_group_open(sheaf_group *group, const sheaf_group_options *options);

/* Starts a member.  Any task or thread may, until the group is shut: when it aborts, is cancelled,
 * or when its close has seen the last member end.
 *
 * Returns: a future, given; where the group is shut one that has failed with SHEAF_CLOSED: the body
 *          never runs, its arg_drop is called
 * Context: task, plain thread, callback */
SHEAF_API sheaf_future *sheaf_group_spawn(sheaf_group *group, sheaf_fn *fn, void *arg);
SHEAF_API sheaf_future *sheaf_group_spawn_with(sheaf_group *group,
                                               const sheaf_spawn_options *options, sheaf_fn *fn,
                                               void *arg);

/* The same without a future.  Returns: SHEAF_OK, SHEAF_CLOSED, SHEAF_NOMEM, SHEAF_INVALID */
SHEAF_API int sheaf_group_start(sheaf_group *group, sheaf_fn *fn, void *arg);

/* Both, told where the spawn stands: see "places" in task.h. */
SHEAF_API sheaf_future *sheaf_group_spawn_at(const char *place, sheaf_group *group, sheaf_fn *fn,
                                             void *arg);
SHEAF_API int sheaf_group_start_at(const char *place, sheaf_group *group, sheaf_fn *fn, void *arg);

#ifndef SHEAF_NO_PLACES
#define sheaf_group_spawn(...) sheaf_group_spawn_at(SHEAF_PLACE, __VA_ARGS__)
#define sheaf_group_start(...) sheaf_group_start_at(SHEAF_PLACE, __VA_ARGS__)
#endif

/* Asks all members, and the owner if it is in the block or in the close, to cancel, without an
 * error: the close then returns SHEAF_OK unless something fails meanwhile or somebody else has
 * asked the owner.  The group is shut.  Again: nothing more.
 *
 * Returns: SHEAF_OK, SHEAF_STATE for a group that is not open
 * Context: task, plain thread, callback */
SHEAF_API int sheaf_group_cancel(sheaf_group *group);

/* How many members have not ended, at some instant. */
SHEAF_API size_t sheaf_group_live(const sheaf_group *group);

/* ---------------------------------------------------------------- results; SHEAF_GROUP_KEEP */

/* Waits for a member that has ended and takes it out of the group, in the order of their ends.
 *
 *   *member  given
 *
 * Returns:  SHEAF_OK; SHEAF_EMPTY when no member is left; SHEAF_CANCELLED; SHEAF_STATE without
 *           SHEAF_GROUP_KEEP; SHEAF_INVALID
 * Context:  task, plain thread */
SHEAF_API int sheaf_group_next(sheaf_group *group, sheaf_future **member);

/* The outcome of the member that was started as the index-th, from 0, and not taken; without
 * waiting, also after the close of a group until sheaf_group_forget().
 *
 * Returns: as sheaf_result(); SHEAF_EMPTY when there is no such member */
SHEAF_API int sheaf_group_result(sheaf_group *group, size_t index, sheaf_value *value);

/* Gives up the members that a closed group with SHEAF_GROUP_KEEP still holds; ignored otherwise. */
SHEAF_API void sheaf_group_forget(sheaf_group *group);

/* ---------------------------------------------------------------- close */

/* Waits for every member, those that are started meanwhile too, and closes the group.
 *
 *   status  what the block ended with: other than SHEAF_OK aborts the group
 *
 * Returns:  SHEAF_OK; when members or the block have failed the code of the first failure, and in a
 *           task an error whose parts are all failures in the order they came, the block's last;
 *           SHEAF_CANCELLED when the owner was asked by others and nothing failed; SHEAF_FATAL when
 *           one of them was fatal; SHEAF_STATE for a group that is not open, or from another task
 *           than its owner, which leaves it open
 * Context:  the task or thread that opened it
 * Suspends: when a member has not ended
 * Cancel:   asks the members; the wait goes on until all have ended */
SHEAF_API int sheaf_group_close(sheaf_group *group, int status);

/* The same, and the error object, given, for plain threads; NULL when there is none. */
SHEAF_API int sheaf_group_close_error(sheaf_group *group, int status, sheaf_error **error);

SHEAF_END_DECLS

#endif
