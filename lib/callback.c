/* Callbacks on completion (P2, P3, F6 to F11).  A callback is a node in the future's list of
 * waiters; how it comes to run is in lib/drain.c. */
#include "lib/callback_impl.h"

#include "lib/alloc.h"
#include "lib/error_impl.h"

static void notify_callback(struct sheaf__node *node, sheaf_future *future,
                            struct sheaf__ended *more)
{
    (void)more; /* a callback runs later */
    sheaf__drain_start_committed(sheaf__callback_of(node), future);
}

bool sheaf__node_is_callback(const struct sheaf__node *node)
{
    return !node->wait && node->to.notify == notify_callback;
}

/* ---------------------------------------------------------------- making and freeing */

void sheaf__callback_free(struct sheaf__callback *callback)
{
    if (callback->drain) {
        sheaf__drain_give_up(callback->drain);
    }
    sheaf__locals_release(callback->locals);
    if (callback->holds) {
        sheaf_release(callback->future);
    }
    sheaf__free(callback, sizeof *callback);
}

/* The future, a promise, goes while it is pending: the callback will never run. */
static void forget(struct sheaf__weak_node *weak, sheaf_future **rest)
{
    (void)rest;
    sheaf__callback_free(SHEAF__CONTAINER(weak, struct sheaf__callback, to_future));
}

static struct sheaf__callback *new_callback(sheaf_future *future, sheaf_done_fn *fn, void *arg)
{
    sheaf_pool *pool = sheaf__future_pool(future);
    struct sheaf__callback *callback = pool ? sheaf__alloc_zeroed(sizeof *callback) : NULL;
    if (!callback) {
        return NULL;
    }
    callback->drain = sheaf__drain_record(pool);
    if (!callback->drain) {
        sheaf__free(callback, sizeof *callback);
        return NULL;
    }
    callback->to_future.node.to.notify = notify_callback;
    callback->to_future.node.weak = true;
    callback->to_future.forget = forget;
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

/* ---------------------------------------------------------------- running */

static void call(struct sheaf__callback *callback)
{
    sheaf_future *future = callback->future;
    int status = callback->fn(callback->arg, future);
    if (SHEAF__UNLIKELY(sheaf__future_is_lost(future))) {
        sheaf__returned_in_child("a callback");
    }
    if (status != SHEAF_OK) {
        char name[128];
        sheaf__future_name_text(future, name, sizeof name);
        sheaf_error *error = sheaf__error_make(status, name, NULL, "a callback of '%s' failed: %s",
                                               name, sheaf_status_text(status));
        sheaf__report(sheaf__future_pool(future), error, name, callback->locals);
        sheaf_error_release(error);
    }
}

void sheaf__callback_run(struct sheaf__callback *callback)
{
    struct sheaf__visit visit;
    sheaf__locals_visit(&visit, callback->locals);
    call(callback);
    sheaf__locals_return(&visit);
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
    if (sheaf__pool_is_lost(pool) ||
        (sheaf__future_done(future) && sheaf__load_acq(&pool->phase) == SHEAF__POOL_STOPPED)) {
        return SHEAF_CLOSED;
    }
    struct sheaf__drain *state = sheaf__drain_need(future);
    struct sheaf__callback *callback = state ? new_callback(future, fn, arg) : NULL;
    if (!callback) {
        return SHEAF_NOMEM;
    }
    bool start = false;
    sheaf__future_lock(future);
    if (sheaf__future_done(future)) {
        start = sheaf__drain_add_late(state, callback);
    } else {
        sheaf__future_add_node(future, &callback->to_future.node);
    }
    sheaf__future_unlock(future);
    if (start) {
        sheaf__drain_start(callback, future);
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
        if (sheaf__node_is_callback(node) && sheaf__callback_of(node)->fn == fn &&
            sheaf__callback_of(node)->arg == arg) {
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
        struct sheaf__callback *callback = sheaf__callback_of(taken);
        taken = taken->next;
        sheaf__callback_free(callback);
        count++;
    }
    return count;
}

/* The drain state of a future that may still run callbacks, or NULL.  Requires: LOCK */
static struct sheaf__drain *busy_drain(sheaf_future *future)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    struct sheaf__drain *state = extra ? extra->drain : NULL;
    return state && !sheaf__drain_is_idle(state) ? state : NULL;
}

/* Returns: false when no callback runs */
static bool add_waiter(sheaf_future *future, struct sheaf__drain_waiter *waiter)
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

static void remove_waiter(sheaf_future *future, const struct sheaf__drain_waiter *waiter)
{
    sheaf__future_lock(future);
    struct sheaf__drain_waiter **at = &sheaf__future_extra(future)->drain->waiters;
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
    struct sheaf__drain_waiter self;
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
    if ((sheaf__future_flags(future) & SHEAF__JOB_STATIC) || sheaf__future_is_lost(future)) {
        return SHEAF_OK;
    }
    bool inside;
    while (look_at_drain(future, &inside)) {
        SHEAF_TRY(inside ? SHEAF_STATE : wait_for_drain(future));
    }
    return SHEAF_OK;
}
