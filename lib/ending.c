/* The end of a future: who waits for it, the step to DONE, and who is told. */
#include "lib/future_impl.h"

#include "lib/error_impl.h"
#include "lib/inspect.h"

/* ---------------------------------------------------------------- waiters */

void sheaf__future_add_node(sheaf_future *future, struct sheaf__node *node)
{
    sheaf__store_rlx(&node->place, SHEAF__NODE_WITH_COMPLETER);
    if (sheaf__load_rlx(&future->job.word) & SHEAF__WORD_WAITER) {
        struct sheaf__node *first = future->waiters;
        node->next = first;
        node->previous = first->previous;
        first->previous->next = node;
        first->previous = node;
        return;
    }
    node->next = node;
    node->previous = node;
    future->waiters = node;
    sheaf__or_acq_rel(&future->job.word, SHEAF__WORD_WAITER);
}

void sheaf__future_unlink_node(sheaf_future *future, struct sheaf__node *node)
{
    if (node->next == node) {
        sheaf__and_acq_rel(&future->job.word, ~SHEAF__WORD_WAITER);
        return;
    }
    node->previous->next = node->next;
    node->next->previous = node->previous;
    if (future->waiters == node) {
        future->waiters = node->next;
    }
}

bool sheaf__future_register(sheaf_future *future, struct sheaf__node *node)
{
    sheaf__future_lock(future);
    bool pending = !sheaf__future_done(future);
    if (pending) {
        sheaf__future_add_node(future, node);
    }
    sheaf__future_unlock(future);
    return pending;
}

/* Waits for a completer that is about to wake the node, or to pass it by. */
static void wait_for_completer(struct sheaf__node *node)
{
    unsigned turns = 0;
    /* acquire: pairs with the completer's release when it lets go of the node. */
    while (sheaf__wait_reason(node->wait) != SHEAF__WAIT_DONE &&
           sheaf__load_acq(&node->place) != SHEAF__NODE_PASSED) {
        sheaf__spin_wait(&turns);
    }
}

bool sheaf__future_remove_node(sheaf_future *future, struct sheaf__node *node)
{
    sheaf__future_lock(future);
    bool done = sheaf__future_done(future);
    bool in_drain = done && sheaf__load_rlx(&node->place) == SHEAF__NODE_IN_DRAIN;
    if (in_drain) {
        sheaf__drain_unlink(future, node);
    } else if (!done) {
        sheaf__future_unlink_node(future, node);
    }
    sheaf__future_unlock(future);
    if (done && !in_drain) {
        wait_for_completer(node);
    }
    return !done;
}

bool sheaf__future_take_back(sheaf_future *future, struct sheaf__node *node)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    if (sheaf__future_done(future) && !(extra && extra->drain)) {
        return false;
    }
    sheaf__future_lock(future);
    bool done = sheaf__future_done(future);
    bool taken = !done || sheaf__load_rlx(&node->place) == SHEAF__NODE_IN_DRAIN;
    if (!done) {
        sheaf__future_unlink_node(future, node);
    } else if (taken) {
        sheaf__drain_unlink(future, node);
    }
    sheaf__future_unlock(future);
    return taken;
}

void sheaf__future_forget_nodes(struct sheaf__node *list, sheaf_future **rest)
{
    while (list) {
        struct sheaf__node *node = list;
        list = node->next;
        if (node->weak) {
            struct sheaf__weak_node *weak = SHEAF__CONTAINER(node, struct sheaf__weak_node, node);
            weak->forget(weak, rest);
        }
    }
}

void sheaf__future_wake_task(sheaf_future *future, const sheaf_future *task, uint32_t reason)
{
    if (!(sheaf__load_rlx(&future->job.word) & SHEAF__WORD_WAITER)) {
        return;
    }
    struct sheaf__node *node = future->waiters;
    do {
        if (node->wait && node->to.task == task) {
            sheaf__wake(node->wait, reason);
            return;
        }
        node = node->next;
    } while (node != future->waiters);
}

static void tell_nodes(struct sheaf__node *list, sheaf_future *future, struct sheaf__ended *more)
{
    while (list) {
        struct sheaf__node *node = list;
        list = node->next;
        if (!node->wait) {
            node->to.notify(node, future, more);
        } else if (!sheaf__wake(node->wait, SHEAF__WAIT_DONE)) {
            /* release: the sleeper may leave its frame once it sees this. */
            sheaf__store_rel(&node->place, SHEAF__NODE_PASSED);
        }
        /* The node, and with the last one the future, may be gone from here on. */
    }
}

/* The link between futures in a struct sheaf__ended; only bare ones are put there. */
static sheaf_future *next_ended(const sheaf_future *future)
{
    struct sheaf__job *next = future->job.up.next;
    return next ? sheaf__future_of_job(next) : NULL;
}

/* Callbacks do not keep a bare future alive, so it is held until its nodes have been told. */
static void add_ended(struct sheaf__ended *more, sheaf_future *future)
{
    sheaf__future_hold(future);
    future->job.up.next = NULL;
    if (more->last) {
        more->last->job.up.next = &future->job;
    } else {
        more->first = future;
    }
    more->last = future;
}

void sheaf__ended_tell(struct sheaf__ended *more)
{
    while (more->first) {
        sheaf_future *ended = more->first;
        more->first = next_ended(ended);
        if (!more->first) {
            more->last = NULL;
        }
        sheaf_pool *outside = sheaf__promise_outside(ended);
        tell_nodes(ended->waiters, ended, more);
        sheaf__promise_leave_outside(outside);
        sheaf_release(ended);
    }
}

void sheaf__future_wake_nodes(struct sheaf__node *list, sheaf_future *future)
{
    struct sheaf__ended more = {NULL, NULL};
    tell_nodes(list, future, &more);
    sheaf__ended_tell(&more);
}

/* Commits the first callback and what follows it.  Requires: LOCK */
static void announce_done(struct sheaf__node *list, sheaf_future *future)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    if (!extra || !extra->drain) {
        return;
    }
    while (list && !sheaf__node_is_callback(list)) {
        list = list->next;
    }
    if (list) {
        sheaf__drain_commit(list, future);
    }
}

/* ---------------------------------------------------------------- ending */

/* Sets DONE and clears LOCK in one step; references may change meanwhile.
 * Returns: whether there was no reference left: then the caller destroys it */
static bool publish_done(sheaf_future *future)
{
    uint32_t word = sheaf__load_rlx(&future->job.word);
    uint32_t next;
    do {
        next = (word | SHEAF__WORD_DONE) &
               ~(SHEAF__WORD_LOCK | SHEAF__WORD_CANCEL | SHEAF__WORD_WAITER);
        /* acq_rel: publishes the outcome; sees what holders did before they let go. */
    } while (!sheaf__cas_weak_acq_rel(&future->job.word, &word, next));
    return next < SHEAF__WORD_REFERENCE;
}

static void take_stamp(sheaf_future *future)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    sheaf_pool *pool = sheaf__future_pool(future);
    if (extra && pool && (pool->flags & SHEAF_POOL_STAMPS)) {
        extra->stamp = sheaf__add_acq_rel(&pool->stamps, 1) + 1;
    }
}

/* The step to DONE.  Requires: LOCK, which is let go
 * Returns: the nodes that are to be told; NULL also when the future may be gone */
static struct sheaf__node *end_locked(sheaf_future *future, int status)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    if (SHEAF__UNLIKELY(extra && extra->lag)) {
        sheaf__lag_end(future, extra);
    }
    sheaf__store_rlx(&future->job.at.status, (uint32_t)status);
    take_stamp(future);
    struct sheaf__node *list = sheaf__future_detach_nodes(future);
    announce_done(list, future);
    if (publish_done(future)) {
        sheaf_future *rest = NULL;
        sheaf__future_destroy(future, &rest);
        sheaf__future_unhold_all(rest);
        return NULL;
    }
    return list;
}

void sheaf__future_finish_into(sheaf_future *future, int status, struct sheaf__ended *more)
{
    bool has_nodes = sheaf__load_rlx(&future->job.word) & SHEAF__WORD_WAITER;
    /* With nodes it is in outside hands until they have been told. */
    sheaf_pool *outside = has_nodes ? NULL : sheaf__promise_outside(future);
    if (end_locked(future, status)) {
        add_ended(more, future);
    }
    sheaf__promise_leave_outside(outside);
}

void sheaf__future_finish_locked(sheaf_future *future, int status)
{
    sheaf_pool *outside = sheaf__promise_outside(future);
    struct sheaf__node *list = end_locked(future, status);
    /* Without nodes the future may be gone from here on; a node's owner keeps it alive.  A promise
     * is kept by whoever completes it, and it keeps the pool. */
    sheaf__future_wake_nodes(list, future);
    sheaf__promise_leave_outside(outside);
}

/* A value that gives way to a request, and what drops it. */
struct dropped {
    sheaf_value value;
    void (*drop)(sheaf_value value); /* NULL: nothing to drop */
};

/* What a body's status means for a request that is undelivered at its end (P9, T13, T15): a value
 * gives way to the request, an error does not.  Requires: LOCK */
static int settle_late_request(sheaf_future *future, int status, struct dropped *dropped)
{
    bool asked = sheaf__load_rlx(&future->job.word) & SHEAF__WORD_CANCEL;
    if (!asked || status != SHEAF_OK || (sheaf__future_flags(future) & SHEAF__JOB_KEEP)) {
        return status;
    }
    struct sheaf__extra *extra = sheaf__future_extra(future);
    dropped->value = future->job.out.value;
    dropped->drop = extra ? extra->value_drop : NULL;
    future->job.out.value.ptr = extra ? extra->message : NULL;
    if (extra) {
        extra->message = NULL;
    }
    return SHEAF_CANCELLED;
}

/* LOCK for the runner that is ending the task: it has no bias to revoke from itself. */
static void lock_as_runner(sheaf_future *future)
{
    while (sheaf__or_seq(&future->job.word, SHEAF__WORD_LOCK | SHEAF__WORD_UNBIASED) &
           SHEAF__WORD_LOCK) {
        sheaf__future_wait_unlocked(future);
    }
}

static void finish_locking(sheaf_future *future, int status)
{
    struct dropped dropped = {.drop = NULL};
    lock_as_runner(future);
    status = settle_late_request(future, status, &dropped);
    sheaf__future_finish_locked(future, status);
    /* The future may be gone from here on. */
    if (dropped.drop) {
        dropped.drop(dropped.value);
    }
}

/* A body may return 0, a code of the program's, or a status of the library's. */
static SHEAF__COLD int refuse_status(sheaf_future *task, int status)
{
    sheaf_error *error =
        sheaf_error_new(SHEAF_INVALID, "a task returned %d, which is no status", status);
    sheaf__task_set_raised(task, error);
    sheaf_error_release(error);
    return SHEAF_INVALID;
}

/* Puts the error object in the place of the value.  Requires: status is not OK, runner */
static void set_error(sheaf_future *future, int status)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    sheaf_error *raised = extra ? extra->raised : NULL;
    future->job.out.value.ptr = NULL;
    if (raised && sheaf_error_code(raised) == status) {
        extra->raised = NULL;
        future->job.out.value.ptr = raised;
    }
}

/* A frame that goes while others still point into it is wrong beyond repair. */
static void check_blocks(const sheaf_future *task)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (extra && SHEAF__UNLIKELY(extra->blocks)) {
        sheaf__panic("a task has ended without ending the %s that it had begun",
                     extra->blocks->what);
    }
}

void sheaf__future_finish(sheaf_future *future, int status)
{
    check_blocks(future);
    if (SHEAF__UNLIKELY(status < 0) && !sheaf__status_known(status)) {
        status = refuse_status(future, status);
    }
    if (status != SHEAF_OK) {
        set_error(future, status);
    }
    if (SHEAF__UNLIKELY(status == SHEAF_FATAL)) {
        /* Before anybody sees the outcome: whoever does finds the run stopped. */
        sheaf__pool_stop_run(sheaf__future_pool(future), true);
    }
    sheaf__store_rlx(&future->job.state, SHEAF__ENDING);
    sheaf__inspect_pass();
    finish_locking(future, status);
}
