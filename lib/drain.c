/* The drains that run the callbacks of futures that are done (P2, P3, F6 to F11).
 *
 * The completer processes the list of waiters up to the first callback; the rest becomes, in the
 * step to DONE, the list of a *drain*: a task of the future's pool, hidden from the program, that
 * goes on through it in order, one entry at a time, with no lock held.  Callbacks that are added to
 * a finished future join the list of the drain that runs, or start one.  The list is under the
 * future's LOCK, so that a sleeper behind a callback can leave it at any time.
 *
 * In asyncio's order each callback takes a turn of its own in the one queue instead.  A turn that
 * comes while an earlier one is suspended leaves its callback to that one.
 *
 * Each callback brings the record of a task with it, made when it was registered, so that a
 * completion needs no memory; all but the first of a drain give theirs back unused. */
#include "lib/callback_impl.h"

#include "lib/alloc.h"
#include "lib/call.h"

static int drain_main(void *arg, sheaf_value *result);
static int turn_main(void *arg, sheaf_value *result);

/* ---------------------------------------------------------------- making and freeing */

sheaf_future *sheaf__drain_record(sheaf_pool *pool)
{
    sheaf_future *drain = sheaf__future_new(pool, sheaf__worker_self());
    if (drain) {
        sheaf__record_fill(drain, 0, SHEAF__WORD_REFERENCE | SHEAF__WORD_UNBIASED);
        drain->fn = drain_main;
    }
    return drain;
}

static int unused_drain(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    return SHEAF_OK;
}

/* It was never published: it ends here without having run. */
void sheaf__drain_give_up(sheaf_future *record)
{
    record->fn = unused_drain;
    sheaf_retain(record);
    sheaf__task_finish_unrun(record, SHEAF_CANCELLED);
    sheaf_release(record);
    sheaf_release(record);
}

struct sheaf__drain *sheaf__drain_need(sheaf_future *future)
{
    struct sheaf__extra *extra = sheaf__future_need_extra(future);
    struct sheaf__drain *made = extra ? sheaf__alloc_zeroed(sizeof *made) : NULL;
    if (!made) {
        return NULL;
    }
    sheaf__future_lock(future);
    if (!extra->drain) {
        extra->drain = made;
        made = NULL;
    }
    struct sheaf__drain *state = extra->drain;
    sheaf__future_unlock(future);
    sheaf__free(made, sizeof *made);
    return state;
}

void sheaf__drain_free(struct sheaf__drain *state)
{
    sheaf__free(state, sizeof *state);
}

/* ---------------------------------------------------------------- draining */

bool sheaf__task_is_drain(const sheaf_future *task)
{
    return task->fn == drain_main || task->fn == turn_main;
}

static void run_and_free(struct sheaf__node *node)
{
    struct sheaf__callback *callback = sheaf__callback_of(node);
    struct sheaf__drain *state = sheaf__future_extra(callback->future)->drain;
    state->running = callback;
    sheaf__callback_run(callback);
    state->running = NULL;
    sheaf__callback_free(callback);
}

/* Requires: LOCK */
static void append_node(struct sheaf__drain *state, struct sheaf__node *node)
{
    node->next = NULL;
    node->previous = state->last;
    if (state->last) {
        state->last->next = node;
    } else {
        state->first = node;
    }
    state->last = node;
    sheaf__store_rlx(&node->place, SHEAF__NODE_IN_DRAIN);
}

/* Requires: LOCK */
static void unlink_node(struct sheaf__drain *state, struct sheaf__node *node)
{
    if (node->previous) {
        node->previous->next = node->next;
    } else {
        state->first = node->next;
    }
    if (node->next) {
        node->next->previous = node->previous;
    } else {
        state->last = node->previous;
    }
    sheaf__store_rlx(&node->place, SHEAF__NODE_WITH_COMPLETER);
}

void sheaf__drain_unlink(sheaf_future *future, struct sheaf__node *node)
{
    unlink_node(sheaf__future_extra(future)->drain, node);
}

/* The task is not what runs the callbacks any more.  Requires: LOCK.  Returns: its reference */
static sheaf_future *end_task(struct sheaf__drain *state, const sheaf_future *task)
{
    if (state->task != task) {
        return NULL;
    }
    sheaf_future *ended = state->task;
    state->task = NULL;
    return ended;
}

bool sheaf__drain_is_idle(const struct sheaf__drain *state)
{
    return !state->task && !state->first && state->turns == 0;
}

/* Requires: LOCK */
static void wake_waiters(struct sheaf__drain *state)
{
    while (state->waiters) {
        struct sheaf__drain_waiter *waiter = state->waiters;
        state->waiters = waiter->next;
        sheaf__wake(waiter->wait, SHEAF__WAIT_DONE);
    }
}

/* Takes the next entry; without one the task has ended its work.
 *
 *   turns  how many turns have ended since the last entry was taken */
static struct sheaf__node *next_node(sheaf_future *future, const sheaf_future *task, size_t turns)
{
    struct sheaf__drain *state = sheaf__future_extra(future)->drain;
    sheaf_future *ended = NULL;
    sheaf__future_lock(future);
    state->turns -= turns;
    struct sheaf__node *node = state->first;
    if (node) {
        unlink_node(state, node);
    } else {
        ended = end_task(state, task);
    }
    if (sheaf__drain_is_idle(state)) {
        wake_waiters(state);
    }
    sheaf__future_unlock(future);
    sheaf_release(ended);
    return node;
}

/* Goes through what is left of the list.
 *
 *   turns  how many turns each entry stands for */
static void run_rest(sheaf_future *future, const sheaf_future *task, size_t turns)
{
    struct sheaf__node *node;
    while ((node = next_node(future, task, turns)) != NULL) {
        if (sheaf__node_is_callback(node)) {
            run_and_free(node);
        } else {
            node->next = NULL;
            sheaf__future_wake_nodes(node, future);
        }
    }
}

/* future: a reference, taken */
static void run_drain(sheaf_future *future, const sheaf_future *drain)
{
    run_rest(future, drain, 0);
    sheaf_release(future);
}

/* Whether the turn's callback is to run now; else it is left to the turn that is suspended. */
static bool enter_turn(struct sheaf__node *node, sheaf_future *future, sheaf_future *turn)
{
    struct sheaf__drain *state = sheaf__future_extra(future)->drain;
    sheaf__future_lock(future);
    bool enters = !state->task;
    if (enters) {
        state->task = sheaf_retain(turn);
    } else {
        append_node(state, node);
    }
    sheaf__future_unlock(future);
    return enters;
}

/* One callback, in asyncio's order, and those that were left to it. */
static void run_turn(struct sheaf__node *node, sheaf_future *turn)
{
    sheaf_future *future = sheaf_retain(sheaf__callback_of(node)->future);
    if (enter_turn(node, future, turn)) {
        while (node) {
            run_and_free(node);
            node = next_node(future, turn, 1);
        }
    }
    sheaf_release(future);
}

/* While they run their value says whose callbacks they run: for sheaf__drain_abandoned(). */
static int drain_main(void *arg, sheaf_value *result)
{
    result->ptr = arg;
    run_drain(arg, sheaf__worker_current(sheaf__worker_self()));
    return SHEAF_OK;
}

static int turn_main(void *arg, sheaf_value *result)
{
    result->ptr = sheaf__callback_of(arg)->future;
    run_turn(arg, sheaf__worker_current(sheaf__worker_self()));
    return SHEAF_OK;
}

void sheaf__drain_abandoned(sheaf_future *task)
{
    sheaf_future *future = task->job.out.value.ptr;
    struct sheaf__callback *suspended = sheaf__future_extra(future)->drain->running;
    run_rest(future, task, task->fn == turn_main ? 1 : 0);
    sheaf__future_mark_looked(task); /* how it ends is nobody's concern */
    if (suspended) {
        sheaf__callback_free(suspended);
    }
    sheaf_release(future);
}

void sheaf__drain_run_here(sheaf_future *drain)
{
    if (drain->fn == turn_main) {
        run_turn(drain->in.arg, drain);
    } else {
        run_drain(drain->in.arg, drain);
    }
    sheaf__task_finish_unrun(drain, SHEAF_OK);
}

/* Publishes the drain that the first callback brought.  After the pool's end the completing thread
 * itself runs it: nobody else is left. */
static void publish_drain(sheaf_pool *pool, sheaf_future *drain)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf__add_acq_rel(&pool->spawned_outside, 1);
    if (worker && worker->pool == pool) {
        sheaf__worker_push(worker, &drain->job);
    } else if (!sheaf__pool_push_alive(pool, &drain->job)) {
        pool->ops->refuse(pool, &drain->job, SHEAF_CLOSED);
    }
}

/* Whether callbacks take turns: in asyncio's order, when the pool's own worker completes the
 * future: nobody else then puts a turn between those of one list. */
static bool one_turn_each(const sheaf_pool *pool)
{
    return pool->deterministic && !pool->seed && sheaf_pool_current() == pool;
}

/* task: its first reference is dropped here, the pool keeps a task that runs */
static void start_task(sheaf_future *task, sheaf_fn *fn, void *arg)
{
    task->fn = fn;
    task->in.arg = arg;
    publish_drain(sheaf__future_pool(task), task);
    sheaf_release(task);
}

void sheaf__drain_start(struct sheaf__callback *callback, sheaf_future *future)
{
    sheaf_future *task = callback->drain;
    callback->drain = NULL;
    if (sheaf__future_extra(future)->drain->by_turns) {
        if (!callback->holds) {
            sheaf_retain(future);
            callback->holds = true;
        }
        start_task(task, turn_main, &callback->to_future.node);
    } else {
        start_task(task, drain_main, sheaf_retain(future));
    }
}

/* In the step to DONE, for the first callback: from here on the future has a drain, or turns to
 * come, and what follows is theirs.  Requires: LOCK */
void sheaf__drain_commit(struct sheaf__node *node, sheaf_future *future)
{
    struct sheaf__drain *state = sheaf__future_extra(future)->drain;
    state->by_turns = one_turn_each(sheaf__future_pool(future));
    if (state->by_turns) {
        for (; node; node = node->next) {
            state->turns += sheaf__node_is_callback(node);
        }
        return;
    }
    state->task = sheaf_retain(sheaf__callback_of(node)->drain);
    struct sheaf__node *rest = node->next;
    node->next = NULL;
    while (rest) {
        struct sheaf__node *next = rest->next;
        append_node(state, rest);
        rest = next;
    }
}

/* Requires: LOCK */
static void prepend_node(struct sheaf__drain *state, struct sheaf__node *node)
{
    node->previous = NULL;
    node->next = state->first;
    if (state->first) {
        state->first->previous = node;
    } else {
        state->last = node;
    }
    state->first = node;
}

void sheaf__drain_start_committed(struct sheaf__callback *callback, sheaf_future *future)
{
    if (!sheaf__future_extra(future)->drain->by_turns) {
        sheaf__future_lock(future);
        prepend_node(sheaf__future_extra(future)->drain, &callback->to_future.node);
        sheaf__future_unlock(future);
    }
    sheaf__drain_start(callback, future);
}

bool sheaf__drain_add_late(struct sheaf__drain *state, struct sheaf__callback *callback)
{
    if (sheaf__drain_is_idle(state)) {
        state->by_turns = one_turn_each(sheaf__future_pool(callback->future));
    }
    if (state->by_turns) {
        state->turns++;
        return true;
    }
    append_node(state, &callback->to_future.node);
    if (state->task) {
        return false;
    }
    state->task = sheaf_retain(callback->drain);
    return true;
}
