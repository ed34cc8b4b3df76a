#include "lib/future_impl.h"

#include <stdio.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/call.h"
#include "lib/error_impl.h"
#include "lib/inspect.h"

_Static_assert(sizeof(struct sheaf_future) == SHEAF__RECORD_SIZE, "a future is one cache line");
_Static_assert(sizeof(struct sheaf_future) == sizeof(sheaf_task), "a frame's record fits");

/* ---------------------------------------------------------------- LOCK and the bias */

/* Whether nobody but the calling worker may run the task now: then there is no bias to revoke from
 * somebody else. */
static bool is_ours(const sheaf_future *future)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    if (!worker) {
        return false;
    }
    /* Running here; or queued here, and then a thief marks it before anybody else runs it. */
    return sheaf__load_rlx(&worker->current) == future ||
           (sheaf__load_rlx(&future->job.state) == SHEAF__QUEUED &&
            sheaf__deque_holds(&worker->deque, &future->job));
}

/* O2.
 *
 *   before  the word as it was before this caller took LOCK with UNBIASED */
static void revoke(sheaf_future *future, uint32_t before)
{
    if (before & SHEAF__WORD_DONE) {
        return;
    }
    if (!(before & SHEAF__WORD_UNBIASED) && !is_ours(future)) {
        sheaf__fence_heavy();
    }
    unsigned turns = 0;
    uint8_t state;
    /* acquire: a runner that has completed the biased way has published the outcome. */
    while ((state = sheaf__load_acq(&future->job.state)) == SHEAF__FINISHING) {
        sheaf__spin_wait(&turns);
    }
    if (state == SHEAF__DONE) {
        sheaf__or_acq_rel(&future->job.word, SHEAF__WORD_DONE);
    }
}

void sheaf__future_lock(sheaf_future *future)
{
    unsigned turns = 0;
    for (;;) {
        /* seq_cst: O1, and the order against `awaiting` in lib/cancel.c and lib/await.c. */
        uint32_t word = sheaf__or_seq(&future->job.word, SHEAF__WORD_LOCK | SHEAF__WORD_UNBIASED);
        if (!(word & SHEAF__WORD_LOCK)) {
            revoke(future, word);
            return;
        }
        while (sheaf__load_rlx(&future->job.word) & SHEAF__WORD_LOCK) {
            sheaf__spin_wait(&turns);
        }
    }
}

/* More turns than any holder needs that is not preempted or waiting itself. */
#define TRY_TURNS 200U

bool sheaf__future_try_lock(sheaf_future *future)
{
    for (unsigned turns = 0; turns < TRY_TURNS; sheaf__spin_wait(&turns)) {
        if (sheaf__load_rlx(&future->job.word) & SHEAF__WORD_LOCK) {
            continue;
        }
        uint32_t word = sheaf__or_seq(&future->job.word, SHEAF__WORD_LOCK | SHEAF__WORD_UNBIASED);
        if (!(word & SHEAF__WORD_LOCK)) {
            revoke(future, word);
            return true;
        }
    }
    return false;
}

void sheaf__future_wait_unlocked(sheaf_future *future)
{
    unsigned turns = 0;
    /* acquire: pairs with the release of the unlock; what the holder did is visible. */
    while (sheaf__load_acq(&future->job.word) & SHEAF__WORD_LOCK) {
        sheaf__spin_wait(&turns);
    }
}

/* ---------------------------------------------------------------- records */

sheaf_future *sheaf__future_new(sheaf_pool *pool, struct sheaf__worker *worker)
{
    if (worker && worker->pool == pool) {
        return sheaf__cache_take(&worker->records, &pool->depot);
    }
    return sheaf__depot_take(&pool->depot);
}

sheaf_future *sheaf__future_new_bare(sheaf_pool *pool)
{
    sheaf_future *future = sheaf__future_new(pool, sheaf__worker_self());
    if (future) {
        sheaf__record_fill(future, SHEAF__JOB_BARE, SHEAF__WORD_REFERENCE | SHEAF__WORD_UNBIASED);
        sheaf__store_rlx(&future->job.state, SHEAF__RUNNING);
        future->fn = NULL;
        future->in.composed = NULL;
    }
    return future;
}

sheaf_pool *sheaf__future_pool(const sheaf_future *future)
{
    uint32_t flags = sheaf__future_flags(future);
    if (flags & SHEAF__JOB_STATIC) {
        return NULL;
    }
    if (flags & SHEAF__JOB_FRAME) {
        /* A frame's task is used on its own pool; elsewhere nothing depends on the answer. */
        return sheaf_pool_current();
    }
    return SHEAF__CONTAINER(sheaf__record_depot(future), sheaf_pool, depot);
}

/* One immortal record per status that a call which gives a future may fail with. */
#define FAILED(code)                                                                               \
    {                                                                                              \
        .job = {                                                                                   \
            .where = SHEAF__WHERE_NONE,                                                            \
            .state = SHEAF__DONE,                                                                  \
            .flags = SHEAF__JOB_STATIC,                                                            \
            .word = SHEAF__WORD_REFERENCE | SHEAF__WORD_DONE | SHEAF__WORD_UNBIASED |              \
                    SHEAF__WORD_LOOKED,                                                            \
            .at = {.status = (uint32_t)(code)}                                                     \
        }                                                                                          \
    }

static sheaf_future failed_nomem = FAILED(SHEAF_NOMEM);
static sheaf_future failed_closed = FAILED(SHEAF_CLOSED);
static sheaf_future failed_invalid = FAILED(SHEAF_INVALID);
static sheaf_future failed_notask = FAILED(SHEAF_NOTASK);

sheaf_future *sheaf__future_failed(int status)
{
    switch (status) {
    case SHEAF_NOMEM:
        return &failed_nomem;
    case SHEAF_CLOSED:
        return &failed_closed;
    case SHEAF_NOTASK:
        return &failed_notask;
    default:
        return &failed_invalid;
    }
}

/* ---------------------------------------------------------------- the extra part */

static void free_extra(struct sheaf__extra *extra)
{
    sheaf__free(extra->name, extra->name_size);
    sheaf__free(extra->copy, extra->copy_size);
    sheaf_error_release(extra->raised);
    sheaf_error_release(extra->message);
    sheaf__locals_release(extra->locals);
    if (extra->drain) {
        sheaf__drain_free(extra->drain);
    }
    sheaf__free(extra, sizeof *extra);
}

struct sheaf__extra *sheaf__future_need_extra(sheaf_future *future)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    if (extra) {
        return extra;
    }
    struct sheaf__extra *made = sheaf__alloc_zeroed(sizeof *made);
    if (!made) {
        return NULL;
    }
    sheaf__future_lock(future);
    extra = sheaf__future_extra(future);
    if (!extra) {
        extra = made;
        made = NULL;
        future->extra = extra;
        /* release: publishes the pointer to readers of the flag. */
        sheaf__or_acq_rel(&future->job.word, SHEAF__WORD_EXTRA);
    }
    sheaf__future_unlock(future);
    if (made) {
        sheaf__free(made, sizeof *made);
    }
    return extra;
}

/* ---------------------------------------------------------------- the last reference */

const char *sheaf__future_kind(const sheaf_future *future)
{
    const struct sheaf__composed *composed = sheaf__future_composed(future);
    return composed ? composed->ops->what : sheaf__future_is_task(future) ? "task" : "promise";
}

/* Requires: LOCK, or no extra part */
static size_t write_name(const sheaf_future *future, char *buffer, size_t size)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    const char *name = extra ? extra->name : NULL;
    unsigned long long number = extra ? extra->number : 0;
    int length = name     ? snprintf(buffer, size, "%s", name)
                 : number ? snprintf(buffer, size, "task-%llu", number)
                          : snprintf(buffer, size, "%s", sheaf__future_kind(future));
    return length < 0 ? 0 : (size_t)length;
}

size_t sheaf__future_name_text(const sheaf_future *given, char *buffer, size_t size)
{
    /* The LOCK is not part of what const promises. */
    sheaf_future *future = (sheaf_future *)(uintptr_t)given;
    if (!sheaf__future_extra(future)) {
        return write_name(future, buffer, size);
    }
    sheaf__future_lock(future);
    size_t length = write_name(future, buffer, size);
    sheaf__future_unlock(future);
    return length;
}

#define NAME_TOLD 128

/* L5.  Runs on whatever thread drops the last reference, outside of all locks. */
static void report_unlooked(sheaf_future *future)
{
    sheaf_pool *pool = sheaf__future_pool(future);
    char name[NAME_TOLD];
    sheaf__future_name_text(future, name, sizeof name);
    sheaf_error *error = sheaf__future_told_error(future);
    sheaf__pool_report(pool, error, name);
    sheaf_error_release(error);
}

/* Gives up what the outcome and the extra part hold.  Requires: done, no other party
 *
 *   rest  futures that go with it, to be let go afterwards */
static void drop_contents(sheaf_future *future, uint32_t word, sheaf_future **rest)
{
    int status = sheaf__future_outcome(future);
    struct sheaf__extra *extra = sheaf__future_extra(future);
    if (status == SHEAF_OK) {
        if (extra && extra->value_drop && !(word & SHEAF__WORD_TAKEN)) {
            extra->value_drop(future->job.out.value);
        }
    } else {
        if (status != SHEAF_CANCELLED && !(word & SHEAF__WORD_LOOKED)) {
            report_unlooked(future);
        }
        sheaf_error_release(sheaf__future_error(future));
    }
    if (extra) {
        free_extra(extra);
    }
    struct sheaf__composed *composed = sheaf__future_composed(future);
    if (composed) {
        composed->ops->destroyed(composed, rest);
    }
}

/* Requires: done, the last reference is gone */
static void destroy(sheaf_future *future, sheaf_future **rest)
{
    sheaf__future_wait_unlocked(future);
    drop_contents(future, sheaf__load_acq(&future->job.word), rest);
    if (!(sheaf__future_flags(future) & SHEAF__JOB_FRAME)) {
        sheaf__record_free(future);
    }
}

sheaf_future *sheaf_retain(sheaf_future *future)
{
    if (!future || (sheaf__future_flags(future) & SHEAF__JOB_STATIC)) {
        return future;
    }
    if (sheaf__future_flags(future) & SHEAF__JOB_FRAME) {
        sheaf__panic("the future of a task in a frame cannot be retained: it ends with the frame");
    }
    uint32_t word = sheaf__add_rlx(&future->job.word, SHEAF__WORD_REFERENCE);
    if (SHEAF__UNLIKELY(word >= UINT32_MAX - SHEAF__WORD_REFERENCE)) {
        sheaf__panic("a future has more than 16 million references");
    }
    return future;
}

bool sheaf__future_try_retain(sheaf_future *future)
{
    uint32_t word = sheaf__load_rlx(&future->job.word);
    do {
        /* The last reference to a future that is done goes without being counted down. */
        if (word < SHEAF__WORD_REFERENCE || (word & SHEAF__WORD_DONE)) {
            return false;
        }
        /* acq_rel: what is done later to the future comes after what others did before. */
    } while (!sheaf__cas_weak_acq_rel(&future->job.word, &word, word + SHEAF__WORD_REFERENCE));
    return true;
}

static void check_referenced(uint32_t word)
{
#ifdef NDEBUG
    (void)word;
#else
    if (word < SHEAF__WORD_REFERENCE) {
        sheaf__panic("a future was released once too often");
    }
#endif
}

/* Drops a reference to a future that is done. */
static void release_done(sheaf_future *future, sheaf_future **rest)
{
    /* acquire: the contents as the last other holder left them. */
    uint32_t word = sheaf__load_acq(&future->job.word);
    check_referenced(word);
    if (word / SHEAF__WORD_REFERENCE != 1) {
        /* acq_rel: our use is over before the last one destroys; the last one sees all uses. */
        word = sheaf__sub_acq_rel(&future->job.word, SHEAF__WORD_REFERENCE);
        check_referenced(word);
    }
    if (word / SHEAF__WORD_REFERENCE == 1) {
        destroy(future, rest);
    }
}

/* The pool for which a pending promise counts as in outside hands, or NULL. */
static sheaf_pool *outside_of(sheaf_future *future)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    sheaf_pool *pool = extra ? extra->outside_of : NULL;
    if (pool) {
        extra->outside_of = NULL;
    }
    return pool;
}

/* It is in outside hands no more: what still waits may now be in a deadlock.  Only after those that
 * waited for the promise have been woken. */
static void leave_outside(sheaf_pool *pool)
{
    if (pool && sheaf__sub_seq(&pool->outside, 1) == 1) {
        sheaf__idle_wake_one(&pool->idle); /* to look again */
    }
}

/* Makes the ring a chain that ends in NULL.  Requires: LOCK, or nobody else */
static struct sheaf__node *detach_nodes(sheaf_future *future)
{
    if (!(sheaf__load_rlx(&future->job.word) & SHEAF__WORD_WAITER)) {
        return NULL;
    }
    struct sheaf__node *first = future->waiters;
    first->previous->next = NULL;
    return first;
}

/* The last reference to a promise that is pending: nobody is left to complete it or to see it.  It
 * is as if it had been cancelled. */
static void drop_pending(sheaf_future *promise, sheaf_future **rest)
{
    leave_outside(outside_of(promise));
    promise->job.out.value.ptr = NULL;
    sheaf__store_rlx(&promise->job.at.status, (uint32_t)SHEAF_CANCELLED);
    /* Whoever waits holds a reference, unless it was abandoned with its pool. */
    sheaf__callbacks_forget(detach_nodes(promise));
    destroy(promise, rest);
}

/* Before a reference to what is not done goes: who else comes waits for the LOCK until the bias is
 * gone. */
static void end_bias(sheaf_future *future)
{
    if (!(sheaf__load_rlx(&future->job.word) & SHEAF__WORD_UNBIASED)) {
        sheaf__future_lock(future);
        sheaf__future_unlock(future);
    }
}

/* Drops a reference while the future is not done: the runner, if it comes later, finds none.
 *
 * Requires: no LOCK is held
 * Returns:  false when it is done after all; nothing has changed */
static bool release_pending(sheaf_future *future, sheaf_future **rest)
{
    end_bias(future);
    bool is_promise = !sheaf__future_is_task(future);
    uint32_t word = sheaf__load_acq(&future->job.word);
    do {
        if ((word & SHEAF__WORD_DONE) || sheaf__future_done(future)) {
            return false;
        }
        check_referenced(word);
        /* acq_rel: our use is over before the record goes; DONE and the count change one by one. */
    } while (!sheaf__cas_weak_acq_rel(&future->job.word, &word, word - SHEAF__WORD_REFERENCE));
    /* A task may be gone from here on: the runner destroys it when no reference is left. */
    if (is_promise && word / SHEAF__WORD_REFERENCE == 1) {
        drop_pending(future, rest);
    }
    return true;
}

/* Requires: not static, not NULL */
static void release_into(sheaf_future *future, sheaf_future **rest)
{
    if (sheaf__future_done(future) || !release_pending(future, rest)) {
        release_done(future, rest);
    }
}

void sheaf_release(sheaf_future *future)
{
    if (!future || (sheaf__future_flags(future) & SHEAF__JOB_STATIC)) {
        return;
    }
    sheaf_future *rest = NULL;
    release_into(future, &rest);
    sheaf__future_unhold_all(rest);
}

void sheaf__future_hold(sheaf_future *future)
{
    if (!(sheaf__future_flags(future) & SHEAF__JOB_STATIC)) {
        sheaf__add_rlx(&future->job.word, SHEAF__WORD_REFERENCE);
    }
}

void sheaf__future_unhold(sheaf_future *future)
{
    if (sheaf__future_flags(future) & SHEAF__JOB_FRAME) {
        /* release: pairs with the acquire in leave_frame(). */
        sheaf__sub_acq_rel(&future->job.word, SHEAF__WORD_REFERENCE);
    } else {
        sheaf_release(future);
    }
}

void sheaf__future_unhold_later(sheaf_future *future, sheaf_future **list)
{
    if (sheaf__future_flags(future) & SHEAF__JOB_STATIC) {
        return;
    }
    bool is_task = sheaf__future_is_task(future);
    bool done = sheaf__future_done(future);
    if (!done) {
        end_bias(future);
    }
    uint32_t word = sheaf__load_acq(&future->job.word);
    for (;;) {
        bool last = word / SHEAF__WORD_REFERENCE == 1;
        done = done || (word & SHEAF__WORD_DONE);
        if (last && (done || !is_task)) {
            /* Nobody else knows of it: the link that queues and waits use is free. */
            future->job.up.next = *list ? &(*list)->job : NULL;
            *list = future;
            return;
        }
        if (sheaf__cas_weak_acq_rel(&future->job.word, &word, word - SHEAF__WORD_REFERENCE)) {
            return;
        }
    }
}

void sheaf__future_unhold_all(sheaf_future *list)
{
    while (list) {
        sheaf_future *future = list;
        struct sheaf__job *next = future->job.up.next;
        list = next ? sheaf__future_of_job(next) : NULL;
        release_into(future, &list);
    }
}

void sheaf__future_leave_frame(sheaf_future *future)
{
    unsigned turns = 0;
    uint32_t word;
    while ((word = sheaf__load_acq(&future->job.word)) / SHEAF__WORD_REFERENCE != 1 ||
           (word & SHEAF__WORD_LOCK)) {
        sheaf__spin_wait(&turns);
    }
    drop_contents(future, word, NULL); /* a task stands for no others */
}

void sheaf_release_all(sheaf_future *const *futures, size_t count)
{
    for (size_t i = 0; futures && i < count; i++) {
        sheaf_release(futures[i]);
    }
}

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

static void tell_nodes(struct sheaf__node *list, sheaf_future *future, struct sheaf__ended *more)
{
    while (list) {
        struct sheaf__node *node = list;
        list = node->next;
        if (!node->wait) {
            node->notify(node, future, more);
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

void sheaf__future_wake_nodes(struct sheaf__node *list, sheaf_future *future)
{
    struct sheaf__ended more = {NULL, NULL};
    tell_nodes(list, future, &more);
    while (more.first) {
        sheaf_future *ended = more.first;
        more.first = next_ended(ended);
        if (!more.first) {
            more.last = NULL;
        }
        sheaf_pool *outside = outside_of(ended);
        tell_nodes(ended->waiters, ended, &more);
        leave_outside(outside);
        sheaf_release(ended);
    }
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
    sheaf__store_rlx(&future->job.at.status, (uint32_t)status);
    take_stamp(future);
    struct sheaf__node *list = detach_nodes(future);
    announce_done(list, future);
    if (publish_done(future)) {
        sheaf_future *rest = NULL;
        destroy(future, &rest);
        sheaf__future_unhold_all(rest);
        return NULL;
    }
    return list;
}

void sheaf__future_finish_into(sheaf_future *future, int status, struct sheaf__ended *more)
{
    bool has_nodes = sheaf__load_rlx(&future->job.word) & SHEAF__WORD_WAITER;
    /* With nodes it is in outside hands until they have been told. */
    sheaf_pool *outside = has_nodes ? NULL : outside_of(future);
    if (end_locked(future, status)) {
        add_ended(more, future);
    }
    leave_outside(outside);
}

void sheaf__future_finish_locked(sheaf_future *future, int status)
{
    sheaf_pool *outside = outside_of(future);
    struct sheaf__node *list = end_locked(future, status);
    /* Without nodes the future may be gone from here on; a node's owner keeps it alive.  A promise
     * is kept by whoever completes it, and it keeps the pool. */
    sheaf__future_wake_nodes(list, future);
    leave_outside(outside);
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

/* ---------------------------------------------------------------- reading */

bool sheaf_done(const sheaf_future *future)
{
    return future && sheaf__future_done(future);
}

/* Whether it failed with the cancellation of a member, which is not the same as being cancelled. */
static bool failed_by_member(const sheaf_future *future)
{
    uint32_t both = SHEAF__JOB_BARE | SHEAF__JOB_BY_MEMBER;
    return (sheaf__future_flags(future) & both) == both;
}

bool sheaf_cancelled(const sheaf_future *future)
{
    return sheaf_done(future) && sheaf__future_outcome(future) == SHEAF_CANCELLED &&
           !failed_by_member(future);
}

int sheaf_future_status(const sheaf_future *future)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    return sheaf__future_done(future) ? sheaf__future_outcome(future) : SHEAF_STATE;
}

sheaf_error *sheaf__future_error(const sheaf_future *future)
{
    return sheaf__future_outcome(future) == SHEAF_OK ? NULL
                                                     : (sheaf_error *)future->job.out.value.ptr;
}

/* A body that returned a code without raising has no error object: it is made for the first who
 * asks, and kept, so that all see the same one. */
static sheaf_error *make_told_error(sheaf_future *future, int status)
{
    char name[NAME_TOLD];
    sheaf__future_name_text(future, name, sizeof name);
    struct sheaf__extra *extra = sheaf__future_extra(future);
    sheaf_error *made = sheaf__error_make(status, name, extra ? extra->place : NULL, NULL);
    sheaf__future_lock(future);
    sheaf_error *error = sheaf__future_error(future);
    if (!error) {
        future->job.out.value.ptr = made;
        error = made;
        made = NULL;
    }
    sheaf_error_retain(error);
    sheaf__future_unlock(future);
    sheaf_error_release(made);
    return error;
}

sheaf_error *sheaf__future_told_error(sheaf_future *future)
{
    int status = sheaf__future_outcome(future);
    if (status == SHEAF_OK) {
        return NULL;
    }
    if (sheaf__future_flags(future) & SHEAF__JOB_STATIC) {
        return sheaf__error_of_status(status);
    }
    sheaf__future_lock(future);
    sheaf_error *error = sheaf_error_retain(sheaf__future_error(future));
    sheaf__future_unlock(future);
    if (error || status == SHEAF_CANCELLED) {
        return error;
    }
    return make_told_error(future, status);
}

void sheaf__future_mark_looked(sheaf_future *future)
{
    if (!(sheaf__load_rlx(&future->job.word) & SHEAF__WORD_LOOKED)) {
        sheaf__or_rlx(&future->job.word, SHEAF__WORD_LOOKED);
    }
}

void sheaf__task_set_raised(sheaf_future *task, sheaf_error *error)
{
    struct sheaf__extra *extra = error ? sheaf__future_need_extra(task) : sheaf__future_extra(task);
    if (extra) {
        sheaf_error *before = extra->raised;
        extra->raised = sheaf_error_retain(error);
        sheaf_error_release(before);
    }
}

int sheaf__future_read(sheaf_future *future, sheaf_future *task, sheaf_value *value)
{
    int status = sheaf__future_outcome(future);
    if (SHEAF__LIKELY(status == SHEAF_OK)) {
        if (value) {
            *value = future->job.out.value;
        }
        return SHEAF_OK;
    }
    sheaf__future_mark_looked(future);
    if (task) {
        sheaf_error *error = sheaf__future_told_error(future);
        sheaf__task_set_raised(task, error);
        sheaf_error_release(error);
        if (status == SHEAF_CANCELLED) {
            sheaf__task_note_cancelled(task);
        }
    }
    return status;
}

int sheaf_result(sheaf_future *future, sheaf_value *value)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    if (!sheaf__future_done(future)) {
        return SHEAF_STATE;
    }
    return sheaf__future_read(future, NULL, value);
}

sheaf_error *sheaf_future_error(sheaf_future *future)
{
    if (!sheaf_done(future) || sheaf__future_outcome(future) == SHEAF_OK) {
        return NULL;
    }
    sheaf__future_mark_looked(future);
    return sheaf__future_told_error(future);
}

/* The future that has the value that this one, which has ended well, shows: behind shields. */
static sheaf_future *value_owner(sheaf_future *future)
{
    struct sheaf__composed *composed;
    while ((composed = sheaf__future_composed(future)) != NULL && composed->ops->origin) {
        future = composed->ops->origin(composed);
    }
    return future;
}

int sheaf_take(sheaf_future *future, sheaf_value *value)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    if (!sheaf__future_done(future)) {
        return SHEAF_STATE;
    }
    if (sheaf__future_outcome(future) == SHEAF_OK &&
        (sheaf__or_acq_rel(&value_owner(future)->job.word, SHEAF__WORD_TAKEN) &
         SHEAF__WORD_TAKEN)) {
        return SHEAF_STATE;
    }
    return sheaf__future_read(future, NULL, value);
}

void *sheaf_future_data(const sheaf_future *future)
{
    struct sheaf__extra *extra = future ? sheaf__future_extra(future) : NULL;
    return extra ? extra->data : NULL;
}

uint64_t sheaf_future_stamp(const sheaf_future *future)
{
    struct sheaf__extra *extra = sheaf_done(future) ? sheaf__future_extra(future) : NULL;
    return extra ? extra->stamp : 0;
}

/* ---------------------------------------------------------------- names */

size_t sheaf_future_name(const sheaf_future *given, char *buffer, size_t size)
{
    if (!given) {
        if (size) {
            buffer[0] = '\0';
        }
        return 0;
    }
    /* The number of a default name is drawn when first asked for: not an observable change. */
    sheaf_future *future = (sheaf_future *)(uintptr_t)given;
    sheaf_pool *pool = sheaf__future_pool(future);
    struct sheaf__extra *extra =
        pool ? sheaf__future_need_extra(future) : sheaf__future_extra(future);
    if (!extra) {
        return sheaf__future_name_text(future, buffer, size);
    }
    sheaf__future_lock(future);
    if (pool && !extra->name && !extra->number) {
        extra->number = sheaf__add_rlx(&pool->names, 1) + 1;
    }
    size_t length = write_name(future, buffer, size);
    sheaf__future_unlock(future);
    return length;
}

int sheaf_future_set_name(sheaf_future *future, const char *name)
{
    if (!future || !name || (sheaf__future_flags(future) & SHEAF__JOB_STATIC)) {
        return SHEAF_INVALID;
    }
    struct sheaf__extra *extra = sheaf__future_need_extra(future);
    size_t size = strlen(name) + 1;
    char *copy = extra ? sheaf__alloc(size) : NULL;
    if (!copy) {
        return SHEAF_NOMEM;
    }
    memcpy(copy, name, size);
    sheaf__future_lock(future);
    char *before = extra->name;
    size_t before_size = extra->name_size;
    extra->name = copy;
    extra->name_size = size;
    sheaf__future_unlock(future);
    sheaf__free(before, before_size);
    return SHEAF_OK;
}
