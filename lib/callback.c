/* Callbacks on completion (P2, P3, F6 to F11).
 *
 * A callback is a node in the future's list of waiters.  The completer processes the list up to the
 * first callback; the rest becomes, in the step to DONE, the list of a *drain*: a task of the
 * future's pool, hidden from the program, that goes on through it in order, one entry at a time,
 * with no lock held.  Callbacks that are added to a finished future join the list of the drain that
 * runs, or start one.  The list is under the future's LOCK, so that a sleeper behind a callback can
 * leave it at any time.
 *
 * In asyncio's order each callback takes a turn of its own in the one queue instead.  A turn that
 * comes while an earlier one is suspended leaves its callback to that one.
 *
 * Each callback brings the record of a task with it, made when it was registered, so that a
 * completion needs no memory; all but the first of a drain give theirs back unused. */
#include "lib/future_impl.h"

#include "lib/alloc.h"
#include "lib/call.h"
#include "lib/error_impl.h"

struct callback {
    struct sheaf__node node;
    sheaf_done_fn *fn;
    void *arg;
    sheaf_future *future;
    bool holds;                   /* a reference to it: see new_callback() */
    sheaf_future *drain;          /* a record to run it with; NULL once used */
    struct sheaf__locals *locals; /* of whoever registered it (F11) */
};

/* In the extra part of the future; guarded by its LOCK. */
struct sheaf__drain {
    sheaf_future *task;        /* the drain, or the turn that runs, with a reference; or NULL */
    struct sheaf__node *first; /* what it has still to process */
    struct sheaf__node *last;
    struct callback *running;     /* the task's own, and of who abandons it */
    bool by_turns;                /* each callback takes a turn of its own; else a drain runs */
    size_t turns;                 /* callbacks that have been given a turn and have not ended */
    struct drain_waiter *waiters; /* who waits until no callback runs */
};

/* In the frame of who waits, who leaves it only after having looked at the list under LOCK. */
struct drain_waiter {
    struct drain_waiter *next;
    struct sheaf__wait *wait;
};

static struct callback *callback_of(struct sheaf__node *node)
{
    return SHEAF__CONTAINER(node, struct callback, node);
}

static void notify_callback(struct sheaf__node *node, sheaf_future *future,
                            struct sheaf__ended *more);

bool sheaf__node_is_callback(const struct sheaf__node *node)
{
    return node->notify == notify_callback;
}

/* ---------------------------------------------------------------- making and freeing */

static int unused_drain(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    return SHEAF_OK;
}

static void free_callback(struct callback *callback)
{
    if (callback->drain) {
        /* Never published: it ends here without having run. */
        callback->drain->fn = unused_drain;
        sheaf_retain(callback->drain);
        sheaf__task_finish_unrun(callback->drain, SHEAF_CANCELLED);
        sheaf_release(callback->drain);
        sheaf_release(callback->drain);
    }
    sheaf__locals_release(callback->locals);
    if (callback->holds) {
        sheaf_release(callback->future);
    }
    sheaf__free(callback, sizeof *callback);
}

void sheaf__callbacks_forget(struct sheaf__node *list)
{
    while (list) {
        struct sheaf__node *node = list;
        list = node->next;
        if (sheaf__node_is_callback(node)) {
            free_callback(callback_of(node));
        }
    }
}

static int drain_main(void *arg, sheaf_value *result);
static int turn_main(void *arg, sheaf_value *result);

static sheaf_future *new_drain(sheaf_pool *pool)
{
    sheaf_future *drain = sheaf__future_new(pool, sheaf__worker_self());
    if (drain) {
        sheaf__record_fill(drain, 0, SHEAF__WORD_REFERENCE | SHEAF__WORD_UNBIASED);
        drain->fn = drain_main;
    }
    return drain;
}

static struct callback *new_callback(sheaf_future *future, sheaf_done_fn *fn, void *arg)
{
    sheaf_pool *pool = sheaf__future_pool(future);
    struct callback *callback = pool ? sheaf__alloc_zeroed(sizeof *callback) : NULL;
    if (!callback) {
        return NULL;
    }
    callback->drain = new_drain(pool);
    if (!callback->drain) {
        sheaf__free(callback, sizeof *callback);
        return NULL;
    }
    callback->node.notify = notify_callback;
    callback->fn = fn;
    callback->arg = arg;
    callback->future = future;
    /* A task ends in any case, a shield or gather with what it stands for, and the callback is to
     * run then.  A promise that nobody holds any more will never end: it goes, and the callback
     * with it. */
    callback->holds = !sheaf__future_is_promise(future);
    if (callback->holds) {
        sheaf_retain(future);
    }
    sheaf_future *task = sheaf__worker_current(sheaf__worker_self());
    struct sheaf__extra *extra = task ? sheaf__future_extra(task) : NULL;
    callback->locals = sheaf__locals_retain(extra ? extra->locals : NULL);
    return callback;
}

/* The drain state of a future, made if there is none. */
static struct sheaf__drain *need_drain_state(sheaf_future *future)
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

static void run_callback(struct callback *callback)
{
    sheaf_future *future = callback->future;
    int status = callback->fn(callback->arg, future);
    if (status != SHEAF_OK) {
        char name[128];
        sheaf__future_name_text(future, name, sizeof name);
        sheaf_error *error = sheaf__error_make(status, name, NULL, "a callback of '%s' failed: %s",
                                               name, sheaf_status_text(status));
        sheaf__pool_report(sheaf__future_pool(future), error, name);
        sheaf_error_release(error);
    }
}

/* Lends the callback's locals to the task that runs it, and takes back what it made of them. */
static void run_with_locals(struct callback *callback)
{
    sheaf_future *task = sheaf__worker_current(sheaf__worker_self());
    struct sheaf__extra *extra = !task              ? NULL
                                 : callback->locals ? sheaf__future_need_extra(task)
                                                    : sheaf__future_extra(task);
    struct sheaf__locals *before = extra ? extra->locals : NULL;
    if (extra) {
        extra->locals = sheaf__locals_retain(callback->locals);
    }
    run_callback(callback);
    extra = task ? sheaf__future_extra(task) : NULL;
    if (extra) {
        struct sheaf__locals *lent = extra->locals;
        extra->locals = before;
        sheaf__locals_release(lent);
    }
}

static void run_and_free(struct sheaf__node *node)
{
    struct callback *callback = callback_of(node);
    struct sheaf__drain *state = sheaf__future_extra(callback->future)->drain;
    state->running = callback;
    run_with_locals(callback);
    state->running = NULL;
    free_callback(callback);
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

/* Requires: LOCK */
static bool is_idle(const struct sheaf__drain *state)
{
    return !state->task && !state->first && state->turns == 0;
}

/* Requires: LOCK */
static void wake_waiters(struct sheaf__drain *state)
{
    while (state->waiters) {
        struct drain_waiter *waiter = state->waiters;
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
    if (is_idle(state)) {
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
    sheaf_future *future = sheaf_retain(callback_of(node)->future);
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
    result->ptr = callback_of(arg)->future;
    run_turn(arg, sheaf__worker_current(sheaf__worker_self()));
    return SHEAF_OK;
}

void sheaf__drain_abandoned(sheaf_future *task)
{
    sheaf_future *future = task->job.out.value.ptr;
    struct callback *suspended = sheaf__future_extra(future)->drain->running;
    run_rest(future, task, task->fn == turn_main ? 1 : 0);
    sheaf__future_mark_looked(task); /* how it ends is nobody's concern */
    if (suspended) {
        free_callback(suspended);
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

/* Starts a task of that callback's for its future, which somebody holds, with the record that it
 * has brought. */
static void start_with_record(struct sheaf__node *node, sheaf_future *future)
{
    struct callback *callback = callback_of(node);
    sheaf_future *task = callback->drain;
    callback->drain = NULL;
    if (sheaf__future_extra(future)->drain->by_turns) {
        if (!callback->holds) {
            sheaf_retain(future);
            callback->holds = true;
        }
        start_task(task, turn_main, node);
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
    state->task = sheaf_retain(callback_of(node)->drain);
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

static void notify_callback(struct sheaf__node *node, sheaf_future *future,
                            struct sheaf__ended *more)
{
    (void)more; /* a callback runs later */
    if (!sheaf__future_extra(future)->drain->by_turns) {
        sheaf__future_lock(future);
        prepend_node(sheaf__future_extra(future)->drain, node);
        sheaf__future_unlock(future);
    }
    start_with_record(node, future);
}

/* Adds a callback to a finished future.  Requires: LOCK.  Returns: whether its record is to start
 * */
static bool add_late(struct sheaf__drain *state, struct sheaf__node *node, const sheaf_pool *pool)
{
    if (!state->task && !state->first && state->turns == 0) {
        state->by_turns = one_turn_each(pool);
    }
    if (state->by_turns) {
        state->turns++;
        return true;
    }
    append_node(state, node);
    if (state->task) {
        return false;
    }
    state->task = sheaf_retain(callback_of(node)->drain);
    return true;
}

/* ---------------------------------------------------------------- the calls */

int sheaf_on_done(sheaf_future *future, sheaf_done_fn *fn, void *arg)
{
    if (!future || !fn || (sheaf__future_flags(future) & SHEAF__JOB_FRAME)) {
        return SHEAF_INVALID;
    }
    if (sheaf__future_flags(future) & SHEAF__JOB_STATIC) {
        return SHEAF_CLOSED;
    }
    sheaf_pool *pool = sheaf__future_pool(future);
    if (sheaf__future_done(future) && sheaf__load_acq(&pool->phase) == SHEAF__POOL_STOPPED) {
        return SHEAF_CLOSED;
    }
    struct sheaf__drain *state = need_drain_state(future);
    struct callback *callback = state ? new_callback(future, fn, arg) : NULL;
    if (!callback) {
        return SHEAF_NOMEM;
    }
    bool start = false;
    sheaf__future_lock(future);
    if (sheaf__future_done(future)) {
        start = add_late(state, &callback->node, pool);
    } else {
        sheaf__future_add_node(future, &callback->node);
    }
    sheaf__future_unlock(future);
    if (start) {
        start_with_record(&callback->node, future);
    }
    return SHEAF_OK;
}

/* Takes matching nodes out of the ring.  Requires: LOCK, not done.  Returns: them, as a chain */
static struct sheaf__node *take_matching(sheaf_future *future, sheaf_done_fn *fn, void *arg)
{
    struct sheaf__node *taken = NULL;
    if (!(sheaf__load_rlx(&future->job.word) & SHEAF__WORD_WAITER)) {
        return NULL;
    }
    struct sheaf__node *last = future->waiters->previous;
    struct sheaf__node *node = future->waiters;
    bool more = true;
    while (more) {
        struct sheaf__node *next = node->next;
        more = node != last;
        if (sheaf__node_is_callback(node) && callback_of(node)->fn == fn &&
            callback_of(node)->arg == arg) {
            sheaf__future_unlink_node(future, node);
            node->next = taken;
            taken = node;
        }
        node = next;
    }
    return taken;
}

size_t sheaf_remove_done(sheaf_future *future, sheaf_done_fn *fn, void *arg)
{
    if (!future || (sheaf__future_flags(future) & SHEAF__JOB_STATIC)) {
        return 0;
    }
    sheaf__future_lock(future);
    struct sheaf__node *taken = sheaf__future_done(future) ? NULL : take_matching(future, fn, arg);
    sheaf__future_unlock(future);
    size_t count = 0;
    while (taken) {
        struct callback *callback = callback_of(taken);
        taken = taken->next;
        free_callback(callback);
        count++;
    }
    return count;
}

/* The drain state of a future that may still run callbacks, or NULL.  Requires: LOCK */
static struct sheaf__drain *busy_drain(sheaf_future *future)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    struct sheaf__drain *state = extra ? extra->drain : NULL;
    return state && !is_idle(state) ? state : NULL;
}

/* Returns: false when no callback runs */
static bool add_waiter(sheaf_future *future, struct drain_waiter *waiter)
{
    sheaf__future_lock(future);
    struct sheaf__drain *state = busy_drain(future);
    if (state) {
        waiter->next = state->waiters;
        state->waiters = waiter;
    }
    sheaf__future_unlock(future);
    return state != NULL;
}

static void remove_waiter(sheaf_future *future, const struct drain_waiter *waiter)
{
    sheaf__future_lock(future);
    struct drain_waiter **at = &sheaf__future_extra(future)->drain->waiters;
    while (*at && *at != waiter) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = waiter->next;
    }
    sheaf__future_unlock(future);
}

/* One sleep until no callback of the future runs: not an await of the drain, which no request is
 * to reach and which nobody is to call.
 *
 * Returns: SHEAF_OK to look again; SHEAF_CANCELLED, SHEAF_NOMEM */
static int wait_for_drain(sheaf_future *future)
{
    struct sheaf__sleep sleep;
    struct drain_waiter self;
    SHEAF_TRY(sheaf__sleep_begin(&sleep, "callbacks", SHEAF_FOREVER));
    self.wait = sleep.wait;
    if (!add_waiter(future, &self)) {
        sheaf__sleep_abandon(&sleep);
        return SHEAF_OK;
    }
    uint32_t reason = sheaf__sleep_end(&sleep);
    remove_waiter(future, &self);
    return reason == SHEAF__WAIT_CANCEL ? sheaf__task_deliver(sleep.task) : SHEAF_OK;
}

/* Whether callbacks may still run, and whether it is one of them that asks. */
static bool look_at_drain(sheaf_future *future, bool *inside)
{
    sheaf_future *self = sheaf__worker_current(sheaf__worker_self());
    sheaf__future_lock(future);
    struct sheaf__drain *state = busy_drain(future);
    *inside = state && self && state->task == self;
    sheaf__future_unlock(future);
    return state != NULL;
}

int sheaf_remove_done_and_wait(sheaf_future *future, sheaf_done_fn *fn, void *arg)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    sheaf_remove_done(future, fn, arg);
    if (sheaf__future_flags(future) & SHEAF__JOB_STATIC) {
        return SHEAF_OK;
    }
    bool inside;
    while (look_at_drain(future, &inside)) {
        SHEAF_TRY(inside ? SHEAF_STATE : wait_for_drain(future));
    }
    return SHEAF_OK;
}
