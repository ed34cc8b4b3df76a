/* Chaining: a promise that ends as another future does (F19).
 *
 * The record between the two has three parties: the call that makes it, the node in the source's
 * list, by which the outcome comes, and the node in the destination's, by which a request goes
 * back.  Whoever takes the last of them away frees it.
 *
 *     the source's party is there  =>  the destination is held
 *     `source` is not NULL         =>  the source's record is there, and so is its party
 *
 * A source that ends in any case, a task, or a gather with what it stands for, is held meanwhile,
 * since the end of what nobody holds is told to nobody.  A promise is not: if nobody else has it,
 * nobody will complete it, and the chain ends with it.  The chain hears of that by forget(), before
 * the record goes; until then a reference can be made of `source` under `lock`.
 *
 * The value stays the source's, where it is taken (L4): the destination keeps the source for it. */
#include "lib/alloc.h"
#include "lib/future_impl.h"
#include "lib/spin.h"

struct chain {
    struct sheaf__weak_node to_source;
    struct sheaf__node to_destination;
    struct sheaf__spin lock;
    sheaf_future *source; /* guarded by lock, as the next two; NULL before it is published, too */
    bool told;            /* the source's party has come to its end */
    bool ended;           /* the destination's has */
    bool holds;           /* const: the source is held by its party */
    sheaf_future *destination; /* const */
    SHEAF__ATOMIC(uint32_t) parties;
};

/* ---------------------------------------------------------------- parties */

static void drop_party(struct chain *chain)
{
    /* acq_rel: the last one sees what the others did. */
    if (sheaf__sub_acq_rel(&chain->parties, 1) == 1) {
        sheaf__free(chain, sizeof *chain);
    }
}

/* From here on nobody makes a reference of `source`. */
static void part_from_source(struct chain *chain)
{
    sheaf__spin_lock(&chain->lock);
    chain->source = NULL;
    chain->told = true;
    sheaf__spin_unlock(&chain->lock);
}

/* Ends the party of a source that has been parted from.
 *
 *   rest  receives the futures that go with it */
static void drop_source(struct chain *chain, sheaf_future *source, sheaf_future **rest)
{
    sheaf_future *destination = chain->destination;
    if (sheaf__future_take_back(destination, &chain->to_destination)) {
        drop_party(chain);
    }
    if (chain->holds) {
        sheaf__future_unhold_later(source, rest);
    }
    drop_party(chain);
    sheaf__future_unhold_later(destination, rest);
}

/* ---------------------------------------------------------------- the outcome comes */

/* The destination ends as the source did, unless it has ended before.
 *
 *   more  NULL: no notification is under way */
static void copy_outcome(sheaf_future *source, sheaf_future *destination, struct sheaf__ended *more)
{
    int status = sheaf__future_outcome(source);
    sheaf_error *error = sheaf__future_told_error(source);
    sheaf__future_lock(destination);
    if (sheaf__future_done(destination)) {
        sheaf__future_unlock(destination);
        sheaf_error_release(error);
        return;
    }
    if (status == SHEAF_OK) {
        destination->job.out.value = source->job.out.value;
        sheaf__future_extra(destination)->value_of = source;
        sheaf__future_hold(source);
    } else {
        sheaf__future_mark_looked(source); /* who looks is the destination's concern now */
        destination->job.out.value.ptr = error;
    }
    if (status == SHEAF_CANCELLED && !sheaf_cancelled(source)) {
        sheaf__future_fail_by_member(destination);
    }
    if (more) {
        sheaf__future_finish_into(destination, status, more);
    } else {
        sheaf__future_finish_locked(destination, status);
    }
}

static void notify_source(struct sheaf__node *node, sheaf_future *source, struct sheaf__ended *more)
{
    struct chain *chain = SHEAF__CONTAINER(node, struct chain, to_source.node);
    sheaf_future *rest = NULL;
    part_from_source(chain);
    copy_outcome(source, chain->destination, more);
    drop_source(chain, source, &rest);
    sheaf__future_unhold_all(rest);
}

/* The source, a promise, goes while it is pending. */
static void forget_source(struct sheaf__weak_node *weak, sheaf_future **rest)
{
    struct chain *chain = SHEAF__CONTAINER(weak, struct chain, to_source);
    part_from_source(chain);
    drop_source(chain, NULL, rest);
}

/* ---------------------------------------------------------------- a request goes back */

/* The source if it has not ended: a reference.  Says that the destination has ended. */
static sheaf_future *reach_source(struct chain *chain)
{
    sheaf__spin_lock(&chain->lock);
    chain->ended = true;
    sheaf_future *source = chain->source;
    if (source && chain->holds) {
        sheaf__future_hold(source);
    } else if (source && !sheaf__future_try_retain(source)) {
        source = NULL;
    }
    sheaf__spin_unlock(&chain->lock);
    return source;
}

/* Tells the source that the destination has ended, and ends the source's party if that is not
 * about to hear of its own end. */
static void tell_source(struct chain *chain, sheaf_future *source, struct sheaf__ended *more)
{
    if (sheaf_cancelled(chain->destination)) {
        sheaf__future_ask_into(source, SHEAF_ORIGIN_AWAITER, more);
    }
    if (sheaf__future_take_back(source, &chain->to_source.node)) {
        sheaf_future *rest = NULL;
        part_from_source(chain);
        drop_source(chain, source, &rest);
        sheaf__future_unhold_all(rest);
    }
}

static void notify_destination(struct sheaf__node *node, sheaf_future *destination,
                               struct sheaf__ended *more)
{
    (void)destination;
    struct chain *chain = SHEAF__CONTAINER(node, struct chain, to_destination);
    sheaf_future *source = reach_source(chain);
    if (source) {
        tell_source(chain, source, more);
    }
    drop_party(chain);
    if (source) {
        sheaf__future_unhold(source);
    }
}

/* ---------------------------------------------------------------- making */

static struct chain *new_chain(sheaf_future *source, sheaf_future *destination)
{
    struct chain *chain = sheaf__alloc_zeroed(sizeof *chain);
    if (chain) {
        chain->to_source.node.to.notify = notify_source;
        chain->to_source.node.weak = true;
        chain->to_source.forget = forget_source;
        chain->to_destination.to.notify = notify_destination;
        chain->holds = !sheaf__future_is_promise(source);
        chain->destination = destination;
        sheaf__store_rlx(&chain->parties, 3);
    }
    return chain;
}

/* Both nodes are in their lists.  Lets the destination reach the source; what ended meanwhile has
 * not found it. */
static void publish_source(struct chain *chain, sheaf_future *source)
{
    sheaf__spin_lock(&chain->lock);
    bool late = chain->ended && !chain->told;
    if (!chain->told) {
        chain->source = source;
    }
    sheaf__spin_unlock(&chain->lock);
    if (late) {
        tell_source(chain, source, NULL);
    }
}

/* The destination was cancelled before it could be chained. */
static void pass_cancellation(sheaf_future *source, const sheaf_future *destination)
{
    if (sheaf_cancelled(destination)) {
        sheaf__future_ask(source, SHEAF_ORIGIN_AWAITER, NULL);
    }
}

static void connect(struct chain *chain, sheaf_future *source, sheaf_future *destination)
{
    if (!sheaf__future_register(destination, &chain->to_destination)) {
        sheaf__free(chain, sizeof *chain);
        pass_cancellation(source, destination);
        return;
    }
    sheaf__future_hold(destination);
    if (chain->holds) {
        sheaf__future_hold(source);
    }
    if (sheaf__future_register(source, &chain->to_source.node)) {
        publish_source(chain, source);
    } else {
        sheaf_future *rest = NULL;
        copy_outcome(source, destination, NULL);
        drop_source(chain, source, &rest);
        sheaf__future_unhold_all(rest);
    }
    drop_party(chain);
}

int sheaf_chain(sheaf_future *source, sheaf_future *destination)
{
    if (!source || !destination || source == destination ||
        (sheaf__future_flags(source) & SHEAF__JOB_FRAME)) {
        return SHEAF_INVALID;
    }
    if (!sheaf__future_is_promise(destination)) {
        return SHEAF_STATE;
    }
    struct chain *chain =
        sheaf__future_need_extra(destination) ? new_chain(source, destination) : NULL;
    if (!chain) {
        return SHEAF_NOMEM;
    }
    connect(chain, source, destination);
    return SHEAF_OK;
}
