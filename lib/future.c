/* The record of a future: its LOCK, its memory, its references. */
#include "lib/future_impl.h"

#include "lib/alloc.h"
#include "lib/call.h"
#include "lib/error_impl.h"

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
    sheaf__future_meet(future);
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

/* rest: receives the future that has the value, if it goes too; NULL for a task in a frame, which
 *       is no promise and so has its value itself */
static void free_extra(struct sheaf__extra *extra, sheaf_future **rest)
{
    if (rest && extra->value_of) {
        sheaf__future_unhold_later(extra->value_of, rest);
    }
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
        extra->place = sheaf__future_own_place(future);
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

#define NAME_TOLD 128

/* L5, CX4.  Runs on whatever thread drops the last reference, outside of all locks. */
static void report_unlooked(sheaf_future *future)
{
    sheaf_pool *pool = sheaf__future_pool(future);
    char name[NAME_TOLD];
    sheaf__future_name_text(future, name, sizeof name);
    sheaf_error *error = sheaf__future_told_error(future);
    struct sheaf__extra *extra = sheaf__future_extra(future);
    sheaf__report(pool, error, name, extra ? extra->locals : NULL);
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
        if (extra && extra->value_drop && !extra->value_of && !(word & SHEAF__WORD_TAKEN)) {
            extra->value_drop(future->job.out.value);
        }
    } else {
        if (status != SHEAF_CANCELLED && !(word & SHEAF__WORD_LOOKED)) {
            report_unlooked(future);
        }
        sheaf_error_release(sheaf__future_error(future));
    }
    if (extra) {
        free_extra(extra, rest);
    }
    struct sheaf__composed *composed = sheaf__future_composed(future);
    if (composed && composed->ops->destroyed) {
        composed->ops->destroyed(composed, rest);
    }
}

void sheaf__record_free_outside(sheaf_future *future)
{
    if (SHEAF__LIKELY(!sheaf__forks) || !sheaf__future_is_lost(future)) {
        sheaf__depot_give(sheaf__record_depot(future), future);
    }
}

/* Requires: done, the last reference is gone */
void sheaf__future_destroy(sheaf_future *future, sheaf_future **rest)
{
    if (SHEAF__UNLIKELY(sheaf__forks > 0) && sheaf__future_is_lost(future)) {
        return;
    }
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
        sheaf__future_destroy(future, rest);
    }
}

/* The pool for which a pending promise counts as in outside hands, or NULL. */
sheaf_pool *sheaf__promise_outside(sheaf_future *future)
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
void sheaf__promise_leave_outside(sheaf_pool *pool)
{
    if (pool && sheaf__sub_seq(&pool->outside, 1) == 1) {
        sheaf__idle_wake_one(&pool->idle); /* to look again */
    }
}

/* Makes the ring a chain that ends in NULL.  Requires: LOCK, or nobody else */
struct sheaf__node *sheaf__future_detach_nodes(sheaf_future *future)
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
    sheaf__promise_leave_outside(sheaf__promise_outside(promise));
    promise->job.out.value.ptr = NULL;
    sheaf__store_rlx(&promise->job.at.status, (uint32_t)SHEAF_CANCELLED);
    /* Whoever waits holds a reference, unless it was abandoned with its pool. */
    sheaf__future_forget_nodes(sheaf__future_detach_nodes(promise), rest);
    sheaf__future_destroy(promise, rest);
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
    sheaf__future_meet(future);
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

/* The holds are those of askers and inspectors that came while it ran: each lets go at the end of
 * its walk, which waits for nothing that the caller has, and runs nothing of the program's but
 * drops, which do not wait.  The spin gives its processor away, so one that was preempted gets on.
 */
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
