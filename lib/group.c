/* Task groups.
 *
 * What changes in several steps at once (who is in, whether it is shut, what has failed) lies under
 * the group's monitor: no member can come in and not be asked (TG17).  A member's node is the first
 * in its future's list, made with the task: so the group hears of a failure before whoever awaits
 * the member (TG8).
 *
 * Asking members and the owner happens outside of the monitor, by whoever aborts; `busy` counts
 * them, and the close waits for them as for members: afterwards nobody asks any more. */
#include "lib/group_impl.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/offsets.h"
#include "lib/options.h"

#define GROUP_FLAGS ((unsigned)(SHEAF_GROUP_SUPERVISE | SHEAF_GROUP_KEEP))

/* ---------------------------------------------------------------- making and freeing */

static size_t size_of_member(bool by_turns)
{
    return sizeof(struct sheaf__group_member) + (by_turns ? sizeof(struct sheaf__turn) : 0);
}

void sheaf__group_free_member(struct sheaf__group_member *member)
{
    sheaf_release(member->future);
    sheaf__free(member, size_of_member(member->by_turns));
}

void sheaf__group_drop(struct sheaf__group *group, size_t references)
{
    /* acq_rel: the last one sees what the others did before they let go. */
    if (sheaf__sub_acq_rel(&group->references, references) == references) {
        sheaf__free_array(group->by_index, group->room, sizeof(struct sheaf__group_member *));
        sheaf__free(group, sizeof *group);
    }
}

static struct sheaf__spin *lock_of(const sheaf_group *handle)
{
    _Static_assert(sizeof(struct sheaf__spin) <= sizeof handle->spare_, "it has the room");
    /* The lock is not part of what const promises. */
    return (struct sheaf__spin *)(uintptr_t)&handle->spare_[0];
}

/* A leaf: the count is all that is touched inside. */
struct sheaf__group *sheaf__group_get(const sheaf_group *handle)
{
    if (!handle) {
        return NULL;
    }
    sheaf__spin_lock(lock_of(handle));
    struct sheaf__group *group = handle->group_;
    if (group) {
        sheaf__add_rlx(&group->references, 1); /* the handle has one */
    }
    sheaf__spin_unlock(lock_of(handle));
    return group;
}

void sheaf__group_take(sheaf_group *handle)
{
    sheaf__spin_lock(lock_of(handle));
    handle->group_ = NULL;
    sheaf__spin_unlock(lock_of(handle));
}

static int read_options(const sheaf_group_options *given, sheaf_group_options *options)
{
    SHEAF_TRY(sheaf__options_read(given, options, sizeof *options));
    return options->flags & ~GROUP_FLAGS ? SHEAF_INVALID : SHEAF_OK;
}

static void visit_list(struct sheaf__list *list, void (*each)(void *context, sheaf_future *future),
                       void *context)
{
    SHEAF__LIST_EACH (link, list) {
        each(context, sheaf__group_member_of(link)->future);
    }
}

static void visit_group(struct sheaf__wanted *wanted,
                        void (*each)(void *context, sheaf_future *future), void *context)
{
    struct sheaf__group *group = SHEAF__CONTAINER(wanted, struct sheaf__group, monitor.wanted);
    sheaf__monitor_enter(&group->monitor);
    visit_list(&group->calm, each, context);
    visit_list(&group->asked, each, context);
    sheaf__monitor_leave(&group->monitor);
}

int sheaf_group_open(sheaf_group *handle, const sheaf_group_options *given)
{
    sheaf_group_options options;
    if (!handle || read_options(given, &options)) {
        return SHEAF_INVALID;
    }
    sheaf_future *owner = sheaf_current();
    struct sheaf__group *group = sheaf__alloc_zeroed(sizeof *group);
    if (!group || (owner && !sheaf__future_need_extra(owner))) {
        sheaf__free(group, sizeof *group);
        return SHEAF_NOMEM;
    }
    group->monitor.wanted.visit = visit_group;
    group->owner = owner;
    group->pool = options.pool;
    group->flags = options.flags;
    sheaf__store_rlx(&group->references, 1);
    if (owner) {
        group->block.what = "group";
        group->baseline = sheaf_cancelling(owner);
        sheaf__task_begin_block(owner, &group->block);
    }
    *handle = (sheaf_group){.group_ = group};
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- aborting */

/* The next member that is to be asked, held; NULL: no more. */
static sheaf_future *next_to_ask(struct sheaf__group *group)
{
    sheaf_future *future = NULL;
    sheaf__monitor_enter(&group->monitor);
    struct sheaf__link *link = sheaf__list_pop_front(&group->calm);
    if (link) {
        sheaf__list_push_back(&group->asked, link);
        future = sheaf_retain(sheaf__group_member_of(link)->future);
    }
    sheaf__monitor_leave(&group->monitor);
    return future;
}

bool sheaf__group_begin_abort(struct sheaf__group *group, bool ask_owner, bool *owner_too)
{
    bool first = !group->aborting;
    group->shut = true;
    group->aborting = true;
    *owner_too = ask_owner && group->owner && !group->asked_owner;
    group->asked_owner = group->asked_owner || *owner_too;
    group->busy += first || *owner_too;
    return first || *owner_too;
}

void sheaf__group_carry_out_abort(struct sheaf__group *group, bool owner_too)
{
    sheaf_future *future;
    while ((future = next_to_ask(group)) != NULL) {
        sheaf__future_ask(future, SHEAF_ORIGIN_GROUP, NULL);
        sheaf_release(future);
    }
    if (owner_too) {
        sheaf__task_ask_for(group->owner, SHEAF_ORIGIN_GROUP, &group->ticket);
    }
    sheaf__monitor_enter(&group->monitor);
    group->busy--;
    sheaf__monitor_notify(&group->monitor, SIZE_MAX);
    sheaf__monitor_leave(&group->monitor);
}

/* ---------------------------------------------------------------- members that end */

static bool counts_as_failure(const struct sheaf__group_member *member)
{
    int status = sheaf__future_outcome(member->future);
    return status != SHEAF_OK && status != SHEAF_CANCELLED && !member->refused &&
           !(member->group->flags & SHEAF_GROUP_SUPERVISE);
}

/* Requires: entered */
static void append_failure(struct sheaf__group *group, struct sheaf__group_member *member)
{
    member->failed = true;
    if (group->last_failed) {
        group->last_failed->next_failed = member;
    } else {
        group->first_failed = member;
    }
    group->last_failed = member;
    group->failures++;
}

/* Takes a member that has ended out of those that live.  Requires: entered.
 * Returns: whether the group aborts now, to be carried out */
static bool settle_member(struct sheaf__group *group, struct sheaf__group_member *member,
                          bool *owner_too)
{
    sheaf__link_unlink(&member->link);
    group->live--;
    bool failure = counts_as_failure(member);
    if (failure) {
        append_failure(group, member);
    }
    if ((group->flags & SHEAF_GROUP_KEEP) && !member->refused) {
        member->kept = true;
        sheaf__list_push_back(&group->ended, &member->link);
    }
    bool abort = failure && !group->aborting && sheaf__group_begin_abort(group, true, owner_too);
    sheaf__monitor_notify(&group->monitor, SIZE_MAX);
    return abort;
}

static void end_member(struct sheaf__group_member *member)
{
    struct sheaf__group *group = member->group;
    bool owner_too = false;
    if (counts_as_failure(member)) {
        /* TG23.  Before the group can take note of it. */
        sheaf__future_mark_looked(member->future);
    }
    sheaf__monitor_enter(&group->monitor);
    bool abort = settle_member(group, member, &owner_too);
    bool forget = !member->kept && !member->failed;
    sheaf__monitor_leave(&group->monitor);
    if (abort) {
        sheaf__group_carry_out_abort(group, owner_too);
    }
    if (forget) {
        sheaf__group_free_member(member);
    }
    sheaf__group_drop(group, 1);
}

static void turn_of_member(struct sheaf__turn *turn, struct sheaf__ended *more)
{
    (void)more;
    end_member(SHEAF__CONTAINER(turn, struct sheaf__group_member, turn));
}

static void notify_member(struct sheaf__node *node, sheaf_future *future, struct sheaf__ended *more)
{
    struct sheaf__group_member *member = SHEAF__CONTAINER(node, struct sheaf__group_member, node);
    (void)future;
    (void)more;
    if (!member->by_turns || !sheaf__turn_take(member->turn)) {
        end_member(member);
    }
}

/* ---------------------------------------------------------------- starting */

/* Makes room for one more index.  Requires: entered; left and entered again for memory
 * Returns: false when there is none */
static bool need_index(struct sheaf__group *group)
{
    while (group->started == group->room) {
        size_t room = group->room;
        size_t more = room ? room * 2 : 16;
        sheaf__monitor_leave(&group->monitor);
        struct sheaf__group_member **wider =
            sheaf__alloc_array(more, sizeof(struct sheaf__group_member *));
        sheaf__monitor_enter(&group->monitor);
        if (!wider) {
            return false;
        }
        struct sheaf__group_member **before = wider;
        size_t before_room = more;
        if (group->room == room) {
            if (room > 0) {
                memcpy(wider, group->by_index, room * sizeof(struct sheaf__group_member *));
            }
            before = group->by_index;
            before_room = room;
            group->by_index = wider;
            group->room = more;
        }
        sheaf__monitor_leave(&group->monitor);
        sheaf__free_array(before, before_room, sizeof(struct sheaf__group_member *));
        sheaf__monitor_enter(&group->monitor);
    }
    return true;
}

/* Counts a member in.  Returns: SHEAF_OK; SHEAF_CLOSED, SHEAF_NOMEM: it is not in */
static int enlist(struct sheaf__group *group, struct sheaf__group_member *member)
{
    sheaf__monitor_enter(&group->monitor);
    int status = SHEAF_OK;
    if ((group->flags & SHEAF_GROUP_KEEP) && !need_index(group)) {
        status = SHEAF_NOMEM;
    }
    if (group->shut) {
        status = SHEAF_CLOSED;
    }
    if (status == SHEAF_OK) {
        member->index = group->started++;
        if (group->by_index) {
            group->by_index[member->index] = member;
        }
        group->live++;
        sheaf__list_push_back(&group->calm, &member->link);
        if (sheaf__monitor_concern(&group->monitor, sheaf__future_pool(member->future))) {
            sheaf__monitor_notify(&group->monitor, SIZE_MAX);
        }
        sheaf__add_rlx(&group->references, 1);
    }
    sheaf__monitor_leave(&group->monitor);
    return status;
}

/* The pool is closed: the member never was one.  Its node is told all the same, and lets it go. */
static void refuse_member(struct sheaf__group *group, struct sheaf__group_member *member,
                          sheaf_future *future)
{
    sheaf__monitor_enter(&group->monitor);
    member->refused = true;
    if (group->by_index) {
        group->by_index[member->index] = NULL;
    }
    sheaf__monitor_leave(&group->monitor);
    sheaf__task_discard(future, SHEAF_CLOSED);
}

/* future: not started.  Returns: SHEAF_OK, or the status that it has failed with */
static int start_member(struct sheaf__group *group, struct sheaf__group_member *member,
                        sheaf_future *future)
{
    member->group = group;
    member->future = sheaf_retain(future);
    int status = enlist(group, member);
    if (status != SHEAF_OK) {
        /* Nobody knows of it: the node is not told. */
        sheaf__future_unlink_node(future, &member->node);
        sheaf__task_discard(future, status);
        sheaf__group_free_member(member);
        return status;
    }
    if (!sheaf__task_start(future)) {
        refuse_member(group, member, future);
        return SHEAF_CLOSED;
    }
    return SHEAF_OK;
}

/* Returns: SHEAF_OK, or the status that the future has failed with */
static int spawn_member(struct sheaf__group *group, const sheaf_spawn_options *options,
                        sheaf_fn *fn, void *arg, sheaf_future **future)
{
    sheaf_pool *turns = sheaf__turns_here();
    struct sheaf__group_member *member = sheaf__alloc_zeroed(size_of_member(turns));
    if (!member) {
        *future = sheaf__spawn_fail(options, arg, SHEAF_NOMEM);
        return SHEAF_NOMEM;
    }
    member->node.to.notify = notify_member;
    *future = sheaf__task_make(options, fn, arg, &member->node);
    if (sheaf__future_flags(*future) & SHEAF__JOB_STATIC) {
        sheaf__free(member, size_of_member(turns));
        return sheaf__future_outcome(*future);
    }
    if (turns) {
        member->by_turns = true;
        sheaf__turn_init(member->turn, turns, *future, turn_of_member);
    }
    return start_member(group, member, *future);
}

static int spawn_into(sheaf_group *handle, const sheaf_spawn_options *given, sheaf_fn *fn,
                      void *arg, sheaf_future **future)
{
    sheaf_spawn_options options;
    int status = sheaf__spawn_options(given, &options);
    struct sheaf__group *group = status == SHEAF_OK ? sheaf__group_get(handle) : NULL;
    if (!group && status == SHEAF_OK) {
        status = handle ? SHEAF_CLOSED : SHEAF_INVALID;
        sheaf__spawn_fail(&options, arg, status);
    }
    if (status != SHEAF_OK) {
        *future = sheaf__future_failed(status);
        return status;
    }
    options.pool = options.pool ? options.pool : group->pool;
    status = spawn_member(group, &options, fn, arg, future);
    sheaf__group_drop(group, 1);
    return status;
}

sheaf_future *sheaf_group_spawn_with(sheaf_group *handle, const sheaf_spawn_options *options,
                                     sheaf_fn *fn, void *arg)
{
    sheaf_future *future;
    spawn_into(handle, options, fn, arg, &future);
    return future;
}

sheaf_future *sheaf_group_spawn_at(const char *place, sheaf_group *handle, sheaf_fn *fn, void *arg)
{
    sheaf_spawn_options options = {.size = sizeof options, .place = place};
    return sheaf_group_spawn_with(handle, &options, fn, arg);
}

sheaf_future *(sheaf_group_spawn)(sheaf_group *handle, sheaf_fn *fn, void *arg)
{
    return sheaf_group_spawn_at(NULL, handle, fn, arg);
}

int sheaf_group_start_at(const char *place, sheaf_group *handle, sheaf_fn *fn, void *arg)
{
    sheaf_spawn_options options = {.size = sizeof options, .place = place};
    sheaf_future *future;
    int status = spawn_into(handle, &options, fn, arg, &future);
    sheaf_release(future);
    return status;
}

int(sheaf_group_start)(sheaf_group *handle, sheaf_fn *fn, void *arg)
{
    return sheaf_group_start_at(NULL, handle, fn, arg);
}

int sheaf_group_cancel(sheaf_group *handle)
{
    struct sheaf__group *group = sheaf__group_get(handle);
    if (!group) {
        return SHEAF_STATE;
    }
    bool owner_too = false;
    sheaf__monitor_enter(&group->monitor);
    bool open = !group->closed;
    bool first = open && !group->cancelled;
    bool abort = first && sheaf__group_begin_abort(group, true, &owner_too);
    group->cancelled = group->cancelled || open;
    sheaf__monitor_leave(&group->monitor);
    if (abort) {
        sheaf__group_carry_out_abort(group, owner_too);
    }
    sheaf__group_drop(group, 1);
    return open ? SHEAF_OK : SHEAF_STATE;
}

size_t sheaf_group_live(const sheaf_group *handle)
{
    struct sheaf__group *group = sheaf__group_get(handle);
    if (!group) {
        return 0;
    }
    sheaf__monitor_enter(&group->monitor);
    size_t live = group->live;
    sheaf__monitor_leave(&group->monitor);
    sheaf__group_drop(group, 1);
    return live;
}

/* ---------------------------------------------------------------- for debuggers */

SHEAF__KEPT static const struct sheaf__offset sheaf__offsets_group[] = {
    {"group.wanted", offsetof(struct sheaf__group, monitor.wanted)},
    SHEAF__OFFSET(group, calm),
    SHEAF__OFFSET(group, asked),
    SHEAF__OFFSET(group_member, link),
    SHEAF__OFFSET(group_member, future),
    SHEAF__OFFSETS_END,
};
