/* A shield: a future with another one's outcome, which is cancelled for itself.
 *
 * The record behind it is told of the inner future's end.  Two parties know it: the shield's
 * future, which gives it up when it is destroyed, and the node in the inner future's list.  Whoever
 * comes last frees it; the inner future is held until then. */
#include <sheaf/timeout.h>

#include "lib/alloc.h"
#include "lib/future_impl.h"
#include "lib/offsets.h"
#include "lib/turn.h"

struct shield {
    struct sheaf__composed composed; /* its `future` is guarded by lock: NULL once destroyed */
    struct sheaf__node node;
    sheaf_future *inner; /* const, held */
    struct sheaf__spin lock;
    SHEAF__ATOMIC(uint32_t) parties;
    bool by_turns;             /* const: there is a turn */
    struct sheaf__turn turn[]; /* in asyncio's order, for the inner future's end */
};

static size_t size_of(bool by_turns)
{
    return sizeof(struct shield) + (by_turns ? sizeof(struct sheaf__turn) : 0);
}

/* rest: receives the inner future if that goes, too */
static void drop_parties(struct shield *shield, uint32_t count, sheaf_future **rest)
{
    /* acq_rel: the last one sees what the other did. */
    if (sheaf__sub_acq_rel(&shield->parties, count) == count) {
        sheaf__future_unhold_later(shield->inner, rest);
        sheaf__free(shield, size_of(shield->by_turns));
    }
}

/* Returns: whether the shield will not be told of the end any more */
static bool take_back(struct shield *shield)
{
    return sheaf__future_take_back(shield->inner, &shield->node) ||
           (shield->by_turns && sheaf__turn_take_back(shield->turn));
}

static void destroyed(struct sheaf__composed *composed, sheaf_future **rest)
{
    struct shield *shield = SHEAF__CONTAINER(composed, struct shield, composed);
    sheaf__spin_lock(&shield->lock);
    composed->future = NULL;
    sheaf__spin_unlock(&shield->lock);
    drop_parties(shield, take_back(shield) ? 2 : 1, rest);
}

static sheaf_future *origin(struct sheaf__composed *composed)
{
    return SHEAF__CONTAINER(composed, struct shield, composed)->inner;
}

static const struct sheaf__composed_ops shield_ops = {
    .what = "shield",
    .origin = origin,
    .destroyed = destroyed,
};

/* The shield's future, if it is pending and anybody still has it: a reference. */
static sheaf_future *get_future(struct shield *shield)
{
    sheaf__spin_lock(&shield->lock);
    sheaf_future *future = shield->composed.future;
    if (future && !sheaf__future_try_retain(future)) {
        future = NULL;
    }
    sheaf__spin_unlock(&shield->lock);
    return future;
}

/* The inner future has ended: so does the shield, unless it was cancelled before (SH5). */
static void copy_outcome(sheaf_future *future, sheaf_future *inner, struct sheaf__ended *more)
{
    int status = sheaf__future_outcome(inner);
    sheaf_error *error = sheaf__future_told_error(inner);
    sheaf__future_lock(future);
    if (sheaf__future_done(future)) {
        sheaf__future_unlock(future);
        sheaf_error_release(error);
        return;
    }
    if (status == SHEAF_OK) {
        future->job.out.value = inner->job.out.value;
    } else {
        sheaf__future_mark_looked(inner); /* who looks at it is the shield's concern now */
        future->job.out.value.ptr = error;
    }
    if (status == SHEAF_CANCELLED && !sheaf_cancelled(inner)) {
        sheaf__future_fail_by_member(future);
    }
    sheaf__future_finish_into(future, status, more);
}

static void end_shield(struct shield *shield, struct sheaf__ended *more)
{
    sheaf_future *future = get_future(shield), *rest = NULL;
    if (future) {
        copy_outcome(future, shield->inner, more);
        sheaf_release(future);
    }
    drop_parties(shield, 1, &rest);
    sheaf__future_unhold_all(rest);
}

static void come(struct sheaf__turn *turn, struct sheaf__ended *more)
{
    end_shield(SHEAF__CONTAINER(turn, struct shield, turn), more);
}

static void notify(struct sheaf__node *node, sheaf_future *inner, struct sheaf__ended *more)
{
    struct shield *shield = SHEAF__CONTAINER(node, struct shield, node);
    (void)inner;
    if (!shield->by_turns || !sheaf__turn_take(shield->turn)) {
        end_shield(shield, more);
    }
}

/* turns: the pool that the shield takes its turn in, or NULL */
static sheaf_future *fill_shield(struct shield *shield, sheaf_future *future, sheaf_future *inner,
                                 sheaf_pool *turns)
{
    if (turns) {
        shield->by_turns = true;
        sheaf__turn_init(shield->turn, turns, inner, come);
    }
    shield->composed.ops = &shield_ops;
    shield->composed.future = future;
    shield->node.to.notify = notify;
    shield->inner = inner;
    sheaf__store_rlx(&shield->parties, 2);
    future->in.composed = &shield->composed;
    sheaf__future_hold(inner);
    if (!sheaf__future_register(inner, &shield->node)) {
        /* It ended just now. */
        struct sheaf__ended none = {NULL, NULL};
        end_shield(shield, &none);
    }
    return future;
}

/* Requires: not done.  A frame's future is only for a shield that is gone before the frame */
static sheaf_future *new_shield(sheaf_future *inner)
{
    /* The inner one's, so that who waits for it is known to wait for that pool. */
    sheaf_pool *pool = sheaf__future_pool(inner);
    pool = pool ? pool : sheaf_pool_default(); /* a frame's, on a plain thread */
    sheaf_pool *turns = sheaf__turns_here();
    struct shield *shield = pool ? sheaf__alloc_zeroed(size_of(turns)) : NULL;
    sheaf_future *future = shield ? sheaf__future_new_bare(pool) : NULL;
    if (!future) {
        sheaf__free(shield, size_of(turns));
        return sheaf__future_failed(SHEAF_NOMEM);
    }
    return fill_shield(shield, future, inner, turns);
}

sheaf_future *sheaf_shield(sheaf_future *future)
{
    if (!future || (sheaf__future_flags(future) & SHEAF__JOB_FRAME)) {
        return sheaf__future_failed(SHEAF_INVALID);
    }
    return sheaf_done(future) ? sheaf_retain(future) : new_shield(future);
}

int sheaf_await_shielded(sheaf_future *future, sheaf_value *value)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    if (sheaf_done(future)) {
        return sheaf_await(future, value);
    }
    return sheaf_join(new_shield(future), value);
}

/* ---------------------------------------------------------------- for debuggers */

SHEAF__KEPT static const struct sheaf__offset sheaf__offsets_shield[] = {
    {"shield.composed", offsetof(struct shield, composed)},
    {"shield.inner", offsetof(struct shield, inner)},
    SHEAF__OFFSETS_END,
};
