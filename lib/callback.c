/* Callbacks on completion (P2, P3, F6 to F11).
 *
 * A callback is a node in the future's list of waiters.  The completer processes the list up to the
 * first callback; the rest becomes the list of a *drain*: a task of the future's pool, hidden from
 * the program, that goes on through it in order, one entry at a time, with no lock held.  Callbacks
 * that are added to a finished future join the list of the drain that runs, or start one.  The list
 * is under the future's LOCK, so that a sleeper behind a callback can leave it at any time.
 *
 * In asyncio's order each callback takes a turn of its own in the one queue instead.
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
    sheaf_future *future;         /* held by a reference */
    sheaf_future *drain;          /* a record to run it with; NULL once used */
    struct sheaf__locals *locals; /* of whoever registered it (F11) */
};

/* In the extra part of the future; guarded by its LOCK. */
struct sheaf__drain {
    sheaf_future *task;        /* the drain, or the last of the turns, with a reference; or NULL */
    struct sheaf__node *first; /* what the drain has still to process */
    struct sheaf__node *last;
};

static struct callback *callback_of(struct sheaf__node *node)
{
    return SHEAF__CONTAINER(node, struct callback, node);
}

static bool start_drain(struct sheaf__node *node, sheaf_future *future);

static bool is_callback(const struct sheaf__node *node)
{
    return node->notify == start_drain;
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
    sheaf_release(callback->future);
    sheaf__free(callback, sizeof *callback);
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
    callback->node.notify = start_drain;
    callback->fn = fn;
    callback->arg = arg;
    callback->future = sheaf_retain(future);
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

/* Lends the callback's locals to the drain, which has none of its own. */
static void run_with_locals(struct callback *callback)
{
    sheaf_future *drain = sheaf__worker_current(sheaf__worker_self());
    struct sheaf__extra *extra = callback->locals && drain ? sheaf__future_need_extra(drain) : NULL;
    if (extra) {
        extra->locals = sheaf__locals_retain(callback->locals);
    }
    run_callback(callback);
    if (extra) {
        sheaf__locals_release(extra->locals);
        extra->locals = NULL;
    }
}

static void run_and_free(struct sheaf__node *node)
{
    run_with_locals(callback_of(node));
    free_callback(callback_of(node));
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

/* Takes the next entry; without one the drain has ended. */
static struct sheaf__node *next_node(sheaf_future *future, const sheaf_future *drain)
{
    struct sheaf__drain *state = sheaf__future_extra(future)->drain;
    sheaf_future *ended = NULL;
    sheaf__future_lock(future);
    struct sheaf__node *node = state->first;
    if (node) {
        unlink_node(state, node);
    } else {
        ended = end_task(state, drain);
    }
    sheaf__future_unlock(future);
    sheaf_release(ended);
    return node;
}

/* future: a reference, taken */
static void run_drain(sheaf_future *future, const sheaf_future *drain)
{
    struct sheaf__node *node;
    while ((node = next_node(future, drain)) != NULL) {
        if (is_callback(node)) {
            run_and_free(node);
        } else {
            node->next = NULL;
            sheaf__future_wake_nodes(node, future);
        }
    }
    sheaf_release(future);
}

/* One callback, in asyncio's order. */
static void run_turn(struct sheaf__node *node, const sheaf_future *turn)
{
    sheaf_future *future = sheaf_retain(callback_of(node)->future);
    run_and_free(node);
    sheaf__future_lock(future);
    sheaf_future *ended = end_task(sheaf__future_extra(future)->drain, turn);
    sheaf__future_unlock(future);
    sheaf_release(ended);
    sheaf_release(future);
}

static int drain_main(void *arg, sheaf_value *result)
{
    (void)result;
    run_drain(arg, sheaf__worker_current(sheaf__worker_self()));
    return SHEAF_OK;
}

static int turn_main(void *arg, sheaf_value *result)
{
    (void)result;
    run_turn(arg, sheaf__worker_current(sheaf__worker_self()));
    return SHEAF_OK;
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
    } else if (sheaf__load_acq(&pool->phase) != SHEAF__POOL_STOPPED) {
        sheaf__runq_push(&pool->inject, &drain->job);
        sheaf__idle_announce(&pool->idle);
    } else {
        pool->ops->refuse(pool, &drain->job, SHEAF_CLOSED);
    }
}

static bool one_turn_each(const sheaf_pool *pool)
{
    return pool->deterministic && !pool->seed;
}

/* Makes the record that a callback brought the task that runs callbacks of the future.
 * Requires: LOCK.  Returns: the reference to the one that did before, to be released */
static sheaf_future *become_task(struct sheaf__drain *state, struct sheaf__node *node)
{
    sheaf_future *before = state->task;
    state->task = sheaf_retain(callback_of(node)->drain);
    callback_of(node)->drain = NULL;
    return before;
}

/* task: its first reference is dropped here, the pool keeps a task that runs */
static void start_task(sheaf_future *task, sheaf_fn *fn, void *arg)
{
    task->fn = fn;
    task->in.arg = arg;
    publish_drain(sheaf__future_pool(task), task);
    sheaf_release(task);
}

static void start_turn(struct sheaf__node *node, sheaf_future *future)
{
    sheaf_future *task = callback_of(node)->drain;
    sheaf__future_lock(future);
    sheaf_future *before = become_task(sheaf__future_extra(future)->drain, node);
    sheaf__future_unlock(future);
    sheaf_release(before);
    start_task(task, turn_main, node);
}

/* The completer, or who adds to a finished future, has come to a callback: a drain takes over from
 * here, the one that runs or a new one.
 * Returns: whether that holds for the rest of the list as well */
static bool start_drain(struct sheaf__node *node, sheaf_future *future)
{
    if (one_turn_each(sheaf__future_pool(future))) {
        start_turn(node, future);
        return false;
    }
    struct sheaf__drain *state = sheaf__future_extra(future)->drain;
    sheaf_future *task = callback_of(node)->drain;
    sheaf__future_lock(future);
    bool start = !state->task;
    if (start) {
        become_task(state, node);
    }
    while (node) {
        struct sheaf__node *next = node->next;
        append_node(state, node);
        node = next;
    }
    sheaf__future_unlock(future);
    /* With a drain under way the nodes, and this future, may be gone from here on. */
    if (start) {
        start_task(task, drain_main, sheaf_retain(future));
    }
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
    struct callback *callback = need_drain_state(future) ? new_callback(future, fn, arg) : NULL;
    if (!callback) {
        return SHEAF_NOMEM;
    }
    sheaf__future_lock(future);
    bool done = sheaf__future_done(future);
    if (!done) {
        sheaf__future_add_node(future, &callback->node);
    }
    sheaf__future_unlock(future);
    if (done) {
        callback->node.next = NULL;
        start_drain(&callback->node, future);
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
        if (is_callback(node) && callback_of(node)->fn == fn && callback_of(node)->arg == arg) {
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

/* The drain that runs on the future's behalf, with a reference; or NULL. */
static sheaf_future *running_drain(sheaf_future *future)
{
    sheaf__future_lock(future);
    struct sheaf__extra *extra = sheaf__future_extra(future);
    sheaf_future *drain = extra && extra->drain ? sheaf_retain(extra->drain->task) : NULL;
    sheaf__future_unlock(future);
    return drain;
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
    sheaf_future *drain;
    while ((drain = running_drain(future)) != NULL) {
        bool inside = drain == sheaf__worker_current(sheaf__worker_self());
        int status = inside ? SHEAF_STATE : sheaf__future_wait(drain, SHEAF_FOREVER);
        sheaf_release(drain);
        SHEAF_TRY(status);
    }
    return SHEAF_OK;
}
