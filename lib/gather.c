/* Gather: a future that stands for others.
 *
 * The count is a tally (lib/tally.h); what it decides ends the gather's future, and on that its
 * callers wait like on any other: so a request goes down from whoever awaits it to every member in
 * one step (lib/ask_tree.c), however deep gathers are nested.
 *
 * While a request is on its way through the members none of their ends decides: all of them may end
 * before it is known whether the request was taken (G11, G13, P6). */
#include <sheaf/gather.h>

#include "lib/future_impl.h"
#include "lib/offsets.h"
#include "lib/tally.h"

#define ALL_FLAGS                                                                                  \
    ((unsigned)(SHEAF_GATHER_COLLECT | SHEAF_GATHER_CANCEL | SHEAF_GATHER_JOIN |                   \
                SHEAF_GATHER_REPORT_LATE))

/* Behind the members of the tally. */
struct gather {
    struct sheaf__composed composed;
    struct sheaf__tally *tally;
    unsigned flags;
    bool requested; /* a member took a request that came through the gather; guarded by the monitor,
                     * as the next one */
    sheaf_error *message; /* of the first such request, may be NULL; held */
    sheaf_value values[];
};

static struct gather *gather_of(struct sheaf__composed *composed)
{
    return SHEAF__CONTAINER(composed, struct gather, composed);
}

/* ---------------------------------------------------------------- the outcome */

/* The member whose failure is the outcome, or NULL. */
static sheaf_future *failed_member(struct gather *gather)
{
    struct sheaf__tally *tally = gather->tally;
    if (gather->flags & SHEAF_GATHER_COLLECT) {
        return NULL;
    }
    struct sheaf__member *member = tally->decider ? tally->decider : tally->first_bad;
    return member ? member->future : NULL;
}

static int fail_with(sheaf_future *future, int status, sheaf_error *error)
{
    if (status == SHEAF_CANCELLED) {
        sheaf__future_fail_by_member(future);
    }
    future->job.out.value.ptr = error;
    return status;
}

static int give_values(struct gather *gather)
{
    struct sheaf__tally *tally = gather->tally;
    for (size_t i = 0; i < tally->count; i++) {
        sheaf_future *member = tally->members[i].future;
        if (sheaf__future_outcome(member) == SHEAF_OK) {
            gather->values[i] = member->job.out.value;
        }
    }
    gather->composed.future->job.out.value.ptr = gather->values;
    return SHEAF_OK;
}

/* The error of a gather that a request has ended: its message, and what failed on the way out.
 *
 *   failed  may be NULL
 *
 * Returns: given; NULL when there is nothing to say */
static sheaf_error *cancelled_error(struct gather *gather, sheaf_future *failed)
{
    if (!failed || sheaf__future_outcome(failed) == SHEAF_CANCELLED) {
        return sheaf_error_retain(gather->message);
    }
    sheaf_error *during = sheaf__future_told_error(failed);
    sheaf_error *error = gather->message ? sheaf_error_retain(gather->message)
                                         : sheaf_error_new(SHEAF_CANCELLED, NULL);
    error = sheaf_error_with_during(error, during);
    sheaf_error_release(during);
    return error;
}

/* Ends the gather: everything that a member's end can decide is decided.  With JOIN a request
 * counts more than what failed on the way out (G12). */
static void end_gather(struct sheaf__tally *tally, struct sheaf__ended *more)
{
    struct gather *gather = sheaf__tally_extra(tally);
    sheaf_future *future = gather->composed.future;
    sheaf_future *failed = failed_member(gather);
    bool joined = gather->flags & SHEAF_GATHER_JOIN;
    bool cancelled = (!failed || joined) && gather->requested;
    sheaf_error *error = cancelled ? cancelled_error(gather, failed)
                         : failed  ? sheaf__future_told_error(failed)
                                   : NULL;
    sheaf__tally_mark_looked(tally, !(gather->flags & SHEAF_GATHER_REPORT_LATE));
    sheaf__future_lock(future);
    int status = cancelled ? fail_with(future, SHEAF_CANCELLED, error)
                 : failed  ? fail_with(future, sheaf__future_outcome(failed), error)
                           : give_values(gather);
    if (more) {
        sheaf__future_finish_into(future, status, more);
    } else {
        sheaf__future_finish_locked(future, status);
    }
}

static void end_and_release(struct sheaf__tally *tally, struct sheaf__ended *more)
{
    struct gather *gather = sheaf__tally_extra(tally);
    sheaf_future *future = gather->composed.future;
    end_gather(tally, more);
    sheaf_release(future);
}

/* Whether a request went through the gather: everybody was asked by that (G10). */
static bool was_asked(struct gather *gather)
{
    sheaf__monitor_enter(&gather->tally->monitor);
    bool asked = gather->requested;
    sheaf__monitor_leave(&gather->tally->monitor);
    return asked;
}

/* The first failure; the siblings are asked. */
static void stop_siblings(struct sheaf__tally *tally, struct sheaf__ended *more)
{
    struct gather *gather = sheaf__tally_extra(tally);
    if ((gather->flags & SHEAF_GATHER_CANCEL) && !(gather->flags & SHEAF_GATHER_COLLECT) &&
        !was_asked(gather)) {
        sheaf__tally_ask(tally, SHEAF_ORIGIN_GROUP, more);
    }
}

static const struct sheaf__tally_ops tally_ops = {
    .bad = stop_siblings,
    .decided = end_and_release,
};

/* ---------------------------------------------------------------- being asked, and the end */

static bool ask_begin(struct sheaf__composed *composed)
{
    return sheaf__tally_guard(gather_of(composed)->tally);
}

static sheaf_future *member_at(struct sheaf__composed *composed, size_t index)
{
    struct sheaf__tally *tally = gather_of(composed)->tally;
    return index < tally->count ? tally->members[index].future : NULL;
}

static void ask_end(struct sheaf__composed *composed, bool taken, sheaf_error *message,
                    struct sheaf__ended *more)
{
    struct gather *gather = gather_of(composed);
    sheaf__monitor_enter(&gather->tally->monitor);
    if (taken && !gather->requested) {
        gather->message = sheaf_error_retain(message);
    }
    gather->requested = gather->requested || taken;
    sheaf__monitor_leave(&gather->tally->monitor);
    sheaf__tally_unguard(gather->tally, more);
}

static void destroyed(struct sheaf__composed *composed, sheaf_future **rest)
{
    sheaf_error_release(gather_of(composed)->message);
    sheaf__tally_leave_into(gather_of(composed)->tally, rest);
}

static const struct sheaf__composed_ops composed_ops = {
    .what = "gather",
    .ask_begin = ask_begin,
    .member = member_at,
    .ask_end = ask_end,
    .destroyed = destroyed,
};

/* ---------------------------------------------------------------- making */

/* With JOIN nothing but the last end decides. */
static enum sheaf__rule rule_of(unsigned flags)
{
    return (flags & (SHEAF_GATHER_COLLECT | SHEAF_GATHER_JOIN)) ? SHEAF__RULE_ALL : SHEAF__RULE_BAD;
}

/* The pool that a gather belongs to: that of a member which is not the current one, so that who
 * waits for the gather is known to wait for another pool; else the current one. */
static sheaf_pool *pool_for(sheaf_future *const *futures, size_t count)
{
    sheaf_pool *here = sheaf_pool_current();
    for (size_t i = 0; i < count; i++) {
        sheaf_pool *pool = sheaf__future_pool(futures[i]);
        if (pool && pool != here && !sheaf__pool_is_lost(pool)) {
            return pool;
        }
    }
    return here ? here : sheaf_pool_default();
}

/* Requires: valid futures.  Returns: a future, given; or a failed one */
static sheaf_future *new_gather(sheaf_future *const *futures, size_t count, unsigned flags)
{
    sheaf_pool *pool = pool_for(futures, count);
    sheaf_future *future = pool ? sheaf__future_new_bare(pool) : NULL;
    struct sheaf__tally *tally = NULL;
    if (future) {
        tally = sheaf__tally_new(futures, count, rule_of(flags), &tally_ops,
                                 sizeof(struct gather) + count * sizeof(sheaf_value));
    }
    if (!tally) {
        sheaf_release(future);
        return sheaf__future_failed(SHEAF_NOMEM);
    }
    struct gather *gather = sheaf__tally_extra(tally);
    gather->composed.ops = &composed_ops;
    gather->composed.future = future;
    gather->tally = tally;
    gather->flags = flags;
    future->in.composed = &gather->composed;
    sheaf_retain(future); /* until its outcome is there */
    sheaf__tally_start(tally);
    return future;
}

static bool has_frames(sheaf_future *const *futures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sheaf__future_flags(futures[i]) & SHEAF__JOB_FRAME) {
            return true;
        }
    }
    return false;
}

sheaf_future *sheaf_gather_future(sheaf_future *const *futures, size_t count, unsigned flags)
{
    if ((flags & ~ALL_FLAGS) || !sheaf__futures_valid(futures, count) ||
        has_frames(futures, count)) {
        return sheaf__future_failed(SHEAF_INVALID);
    }
    return new_gather(futures, count, flags);
}

static struct gather *gather_behind(const sheaf_future *future)
{
    struct sheaf__composed *composed = future ? sheaf__future_composed(future) : NULL;
    return composed && composed->ops == &composed_ops ? gather_of(composed) : NULL;
}

size_t sheaf_gather_count(const sheaf_future *future)
{
    struct gather *gather = gather_behind(future);
    return gather ? gather->tally->count : 0;
}

sheaf_future *sheaf_gather_member(const sheaf_future *future, size_t index)
{
    struct gather *gather = gather_behind(future);
    return gather ? member_at(&gather->composed, index) : NULL;
}

/* ---------------------------------------------------------------- the call */

static void hand_out(sheaf_future *const *futures, size_t count, sheaf_value *values, int *statuses)
{
    for (size_t i = 0; i < count; i++) {
        bool done = sheaf__future_done(futures[i]);
        int status = done ? sheaf__future_outcome(futures[i]) : SHEAF_STATE;
        if (values) {
            values[i] = status == SHEAF_OK ? futures[i]->job.out.value : (sheaf_value){0};
        }
        if (statuses) {
            statuses[i] = status;
        }
    }
}

int sheaf_gather(sheaf_future *const *futures, size_t count, unsigned flags, sheaf_value *values,
                 int *statuses)
{
    if ((flags & ~ALL_FLAGS) || !sheaf__futures_valid(futures, count)) {
        return SHEAF_INVALID;
    }
    int status = sheaf_join(new_gather(futures, count, flags), NULL);
    hand_out(futures, count, values, statuses);
    return status;
}

/* ---------------------------------------------------------------- for debuggers */

SHEAF__KEPT static const struct sheaf__offset sheaf__offsets_gather[] = {
    {"gather.composed", offsetof(struct gather, composed)},
    {"gather.tally", offsetof(struct gather, tally)},
    SHEAF__OFFSETS_END,
};
