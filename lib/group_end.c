/* The end of a task group: the wait for its members, what leaves it, the results that it keeps. */
#include "lib/group_impl.h"

#include "lib/alloc.h"
#include "lib/error_impl.h"

/* ---------------------------------------------------------------- the wait */

/* What the block of the group ended with, and what the close makes of it. */
struct ending {
    bool cancelled;          /* a request was delivered to the owner */
    bool by_others;          /* not the group's own alone */
    sheaf_error *message;    /* of that request, may be NULL; held */
    int body_status;         /* other than SHEAF_OK and SHEAF_CANCELLED: a failure */
    sheaf_error *body_error; /* held */
};

/* task: NULL for a plain thread, which raises nothing */
static sheaf_error *raised_by(const sheaf_future *task, int status)
{
    return task ? sheaf__task_raised(task, status) : NULL;
}

/* Whether the owner was asked by somebody else than the group since that was opened.
 * Requires: entered */
static bool asked_by_others(const struct sheaf__group *group)
{
    return group->owner && sheaf_cancelling(group->owner) > group->baseline + group->asked_owner;
}

/* Of several requests the first one of others counts, with its message (TG10).  Not entered. */
static void note_cancellation(struct sheaf__group *group, struct ending *ending, bool by_others)
{
    if (ending->cancelled && (ending->by_others || !by_others)) {
        return;
    }
    ending->cancelled = true;
    ending->by_others = by_others;
    sheaf_error_release(ending->message);
    ending->message = raised_by(group->owner, SHEAF_CANCELLED);
}

/* Requires: entered, also on return */
static void abort_group(struct sheaf__group *group)
{
    bool owner_too;
    if (sheaf__group_begin_abort(group, false, &owner_too)) {
        sheaf__monitor_leave(&group->monitor);
        sheaf__group_carry_out_abort(group, false);
        sheaf__monitor_enter(&group->monitor);
    }
}

/* One sleep of the close, which nothing ends but the members.  Requires: entered */
static void wait_once(struct sheaf__group *group, struct ending *ending, unsigned *turns)
{
    int status =
        sheaf__monitor_wait(&group->monitor, NULL, "the members of a group", SHEAF_FOREVER);
    if (status == SHEAF_CANCELLED) {
        bool by_others = asked_by_others(group);
        sheaf__monitor_leave(&group->monitor);
        note_cancellation(group, ending, by_others);
        sheaf__monitor_enter(&group->monitor);
        abort_group(group);
    } else if (status == SHEAF_NOMEM) {
        /* The system refuses a thread what it sleeps on: it looks again and again. */
        sheaf__monitor_leave(&group->monitor);
        sheaf__spin_wait(turns);
        sheaf__monitor_enter(&group->monitor);
    }
}

/* Waits until nobody is in and nobody asks, and closes the group in that moment (TG17): from then
 * on nobody can ask the owner for it. */
static void wait_for_members(struct sheaf__group *group, struct ending *ending, int status)
{
    unsigned turns = 0;
    sheaf__monitor_enter(&group->monitor);
    if (status != SHEAF_OK) {
        abort_group(group);
    }
    while (group->live > 0 || group->busy > 0) {
        wait_once(group, ending, &turns);
    }
    group->shut = true;
    group->closed = true; /* from here on nobody asks the owner any more */
    sheaf__monitor_leave(&group->monitor);
}

/* ---------------------------------------------------------------- what leaves the group */

/* All failures as one, in the order in which they came, the block's own last; the parts that there
 * is no memory for are left out.  Requires: there is one */
static sheaf_error *join_failures(struct sheaf__group *group, const struct ending *ending)
{
    size_t room = group->failures + 1;
    sheaf_error **parts = sheaf__alloc_array(room, sizeof *parts);
    sheaf_error *one;
    sheaf_error **some = parts ? parts : &one;
    size_t most = parts ? room : 1;
    size_t count = 0;
    for (struct sheaf__group_member *at = group->first_failed; at && count < most;
         at = at->next_failed) {
        some[count++] = sheaf__future_told_error(at->future);
    }
    if (ending->body_error && count < most) {
        some[count++] = sheaf_error_retain(ending->body_error);
    }
    sheaf_error *error = sheaf_error_group(0, NULL, some, count);
    for (size_t i = 0; i < count; i++) {
        sheaf_error_release(some[i]);
    }
    sheaf__free_array(parts, room, sizeof *parts);
    return error;
}

/* P15: a fatal failure leaves the group as it is; the others are reported as nobody's. */
static sheaf_error *take_fatal(struct sheaf__group *group, sheaf_error *error)
{
    sheaf_error *fatal = NULL;
    for (size_t i = 0; i < sheaf_error_part_count(error); i++) {
        sheaf_error *part = sheaf_error_part(error, i);
        if (!fatal && sheaf_error_code(part) == SHEAF_FATAL) {
            fatal = sheaf_error_retain(part);
        } else if (group->owner) {
            sheaf__report(sheaf__future_pool(group->owner), part, "group", sheaf__locals_current());
        }
    }
    sheaf_error_release(error);
    return fatal;
}

/* Takes the group's own request back (TG4).  Returns: whether others have asked the owner since the
 * group was opened */
static bool take_request_back(struct sheaf__group *group)
{
    return !group->asked_owner ||
           sheaf__task_withdraw(group->owner, &group->ticket) > group->baseline;
}

/* TG11: errors go first; a request from outside comes again at the next suspension. */
static void rearm_owner(struct sheaf__group *group)
{
    if (group->owner && sheaf_cancelling(group->owner) > 0) {
        sheaf__task_rearm(group->owner);
    }
}

/* Returns: the status of the close.  *error: given, may be NULL */
static int conclude(struct sheaf__group *group, struct ending *ending, sheaf_error **error)
{
    bool asked = take_request_back(group);
    *error = NULL;
    if (!group->first_failed && !ending->body_error) {
        if (ending->cancelled && asked) {
            *error = sheaf_error_retain(ending->message);
            return SHEAF_CANCELLED;
        }
        return SHEAF_OK;
    }
    *error = join_failures(group, ending);
    if (sheaf_error_code(*error) == SHEAF_FATAL) {
        *error = take_fatal(group, *error);
    }
    rearm_owner(group);
    return sheaf_error_code(*error);
}

/* ---------------------------------------------------------------- close */

/* Takes the failures that nobody keeps out of the group.  Requires: entered */
static struct sheaf__group_member *take_failures(struct sheaf__group *group)
{
    struct sheaf__group_member *taken = NULL;
    struct sheaf__group_member *member = group->first_failed;
    group->first_failed = NULL;
    group->last_failed = NULL;
    while (member) {
        struct sheaf__group_member *next = member->next_failed;
        member->failed = false;
        if (!member->kept) {
            member->next_failed = taken;
            taken = member;
        }
        member = next;
    }
    return taken;
}

/* The failures are told: members that nobody keeps are given up. */
static void forget_failures(struct sheaf__group *group)
{
    sheaf__monitor_enter(&group->monitor);
    struct sheaf__group_member *member = take_failures(group);
    sheaf__monitor_leave(&group->monitor);
    while (member) {
        struct sheaf__group_member *next = member->next_failed;
        sheaf__group_free_member(member);
        member = next;
    }
}

static void begin_ending(struct sheaf__group *group, struct ending *ending, int status)
{
    *ending = (struct ending){.body_status = SHEAF_OK};
    if (status == SHEAF_CANCELLED) {
        sheaf__monitor_enter(&group->monitor);
        bool by_others = asked_by_others(group);
        sheaf__monitor_leave(&group->monitor);
        note_cancellation(group, ending, by_others);
    } else if (status != SHEAF_OK) {
        ending->body_status = status;
        ending->body_error = raised_by(group->owner, status);
        if (!ending->body_error) {
            ending->body_error = sheaf_error_new(status, NULL);
        }
    }
}

static void end_ending(struct ending *ending)
{
    sheaf_error_release(ending->message);
    sheaf_error_release(ending->body_error);
}

/* Whether the caller may close it, and steps out of the block if so. */
static bool leave_block(struct sheaf__group *group)
{
    sheaf_future *task = sheaf_current();
    if (group->closed || task != group->owner) {
        return false;
    }
    return !task || sheaf__task_end_block(task, &group->block);
}

/* The owner has left the block.  Returns: the status of the close.  *error: given, may be NULL */
static int end_group(struct sheaf__group *group, int status, sheaf_error **error)
{
    struct ending ending;
    sheaf_error *raised;
    begin_ending(group, &ending, status);
    wait_for_members(group, &ending, status);
    int result = conclude(group, &ending, &raised);
    end_ending(&ending);
    forget_failures(group);
    if (raised && group->owner) {
        sheaf__task_set_raised(group->owner, raised);
    }
    if (error) {
        *error = raised;
    } else {
        sheaf_error_release(raised);
    }
    return result;
}

int sheaf_group_close_error(sheaf_group *handle, int status, sheaf_error **error)
{
    struct sheaf__group *group = sheaf__group_get(handle);
    size_t references = 1;
    int result = SHEAF_STATE;
    if (error) {
        *error = NULL;
    }
    if (!group) {
        return result;
    }
    if (leave_block(group)) {
        result = end_group(group, status, error);
        if (!(group->flags & SHEAF_GROUP_KEEP)) {
            sheaf__group_take(handle);
            references = 2;
        }
    }
    sheaf__group_drop(group, references);
    return result;
}

int sheaf_group_close(sheaf_group *handle, int status)
{
    return sheaf_group_close_error(handle, status, NULL);
}

/* ---------------------------------------------------------------- results */

/* Takes a member that has ended out of the group.  Requires: entered; it is kept */
static sheaf_future *take_member(struct sheaf__group *group, struct sheaf__group_member *member)
{
    sheaf__link_unlink(&member->link);
    member->kept = false;
    group->by_index[member->index] = NULL;
    return sheaf_retain(member->future);
}

/* Requires: entered.  Returns: SHEAF_OK with the oldest, SHEAF_EMPTY, SHEAF_STATE: none yet */
static int take_next(struct sheaf__group *group, sheaf_future **future,
                     struct sheaf__group_member **rest)
{
    struct sheaf__link *link = sheaf__list_first(&group->ended);
    if (!link) {
        return group->live > 0 ? SHEAF_STATE : SHEAF_EMPTY;
    }
    struct sheaf__group_member *member = sheaf__group_member_of(link);
    *future = take_member(group, member);
    *rest = member->failed ? NULL : member;
    return SHEAF_OK;
}

/* Waits for the next.  Returns: as sheaf_group_next() */
static int wait_for_next(struct sheaf__group *group, sheaf_future **future)
{
    struct sheaf__group_member *rest = NULL;
    sheaf__monitor_enter(&group->monitor);
    int status;
    while ((status = take_next(group, future, &rest)) == SHEAF_STATE) {
        status = sheaf__monitor_wait(&group->monitor, NULL, "a member of a group", SHEAF_FOREVER);
        if (status != SHEAF_OK) {
            break;
        }
    }
    sheaf__monitor_leave(&group->monitor);
    if (rest) {
        sheaf__group_free_member(rest);
    }
    return status;
}

int sheaf_group_next(sheaf_group *handle, sheaf_future **future)
{
    struct sheaf__group *group = future ? sheaf__group_get(handle) : NULL;
    if (!group) {
        return SHEAF_INVALID;
    }
    bool keeps = group->flags & SHEAF_GROUP_KEEP;
    int status = keeps ? wait_for_next(group, future) : SHEAF_STATE;
    sheaf__group_drop(group, 1);
    return status;
}

/* The member with that index that nobody has taken, retained; or NULL. */
static sheaf_future *member_at(struct sheaf__group *group, size_t index)
{
    sheaf__monitor_enter(&group->monitor);
    struct sheaf__group_member *member = index < group->started ? group->by_index[index] : NULL;
    sheaf_future *future = sheaf_retain(member ? member->future : NULL);
    sheaf__monitor_leave(&group->monitor);
    return future;
}

int sheaf_group_result(sheaf_group *handle, size_t index, sheaf_value *value)
{
    struct sheaf__group *group = sheaf__group_get(handle);
    if (!group) {
        return SHEAF_INVALID;
    }
    bool keeps = group->flags & SHEAF_GROUP_KEEP;
    sheaf_future *future = keeps ? member_at(group, index) : NULL;
    int status = !keeps ? SHEAF_STATE : !future ? SHEAF_EMPTY : sheaf_result(future, value);
    sheaf_release(future);
    sheaf__group_drop(group, 1);
    return status;
}

/* Takes a member that is kept out of the group; NULL: none is left. */
static struct sheaf__group_member *take_kept(struct sheaf__group *group)
{
    sheaf__monitor_enter(&group->monitor);
    struct sheaf__link *link = sheaf__list_pop_front(&group->ended);
    struct sheaf__group_member *member = link ? sheaf__group_member_of(link) : NULL;
    if (member) {
        group->by_index[member->index] = NULL;
    }
    sheaf__monitor_leave(&group->monitor);
    return member;
}

void sheaf_group_forget(sheaf_group *handle)
{
    struct sheaf__group *group = sheaf__group_get(handle);
    if (!group) {
        return;
    }
    size_t references = 1;
    if (group->closed) {
        struct sheaf__group_member *member;
        while ((member = take_kept(group)) != NULL) {
            sheaf__group_free_member(member);
        }
        sheaf__group_take(handle);
        references = 2;
    }
    sheaf__group_drop(group, references);
}
