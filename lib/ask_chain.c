/* A request for cancellation on its way down a chain of waits.
 *
 * A request goes down the chain of what is awaited to the task at its end, which alone hears of it;
 * every task on the way counts it.  The stack that the walk takes does not depend on the length of
 * the chain.
 *
 * That a request was taken is a promise (P6): so it never leaves a task before what the task awaits
 * has taken it.  The walk holds the waiting task's LOCK, under which that task does not go on (A4
 * in lib/await.c) and keeps what it awaits alive, and takes the LOCK of the awaited future as well.
 * Two walks that meet in a circle of waits, which can exist for the moment until its last member is
 * refused (CYCLE), would wait for each other: the second LOCK is therefore only tried.  When it is
 * not to be had the request is left with the waiting task, where it counts, and taken up again. */
#include "lib/asking.h"

/* The first message of the undelivered requests counts; of a task that has not started the last.
 * Without memory for the extra part the message is lost, the request is not. */
static void keep_message(sheaf_future *task, struct sheaf__request *request)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (!extra && request->message && request->spare) {
        extra = request->spare;
        request->spare = NULL;
        extra->place = sheaf__future_own_place(task);
        task->extra = extra;
        sheaf__or_acq_rel(&task->job.word, SHEAF__WORD_EXTRA);
    }
    bool first = !(sheaf__asked_of(task) & SHEAF__ASKED_UNDELIVERED_MASK);
    bool queued = sheaf__load_rlx(&task->job.state) == SHEAF__QUEUED;
    if (extra && (first || queued)) {
        /* The first one is released when no LOCK is held; a second is rare. */
        sheaf_error_release(request->unkept);
        request->unkept = extra->message;
        extra->message = sheaf_error_retain(request->message);
    }
}

/* The request stays with the task until it is delivered, passed on or taken back. */
static void leave_request(sheaf_future *task, struct sheaf__request *request)
{
    keep_message(task, request);
    sheaf__keep_ticket(task, request);
    sheaf__set_undelivered(task);
    sheaf__lag_begin(task);
}

/* ---------------------------------------------------------------- asking one task */

/* What a running task awaits.  C1 has happened. */
uintptr_t sheaf__read_awaiting(sheaf_future *task)
{
    uintptr_t awaiting = sheaf__load_seq(&task->job.up.awaiting);
    if ((awaiting & SHEAF__AWAITING_TAG) == SHEAF__AWAITING_CALLED) {
        /* Nothing, or called on its own stack: the task's fence is the light one. */
        sheaf__fence_heavy();
        awaiting = sheaf__load_seq(&task->job.up.awaiting);
    }
    return awaiting;
}

/* Takes a task that has not started out of its queue, to end cancelled soon and not behind all the
 * work before it.  In the deterministic mode it keeps its turn, as in asyncio. */
static bool claim_unstarted(sheaf_future *task)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    /* Which pool a frame's task is of is known only where it lies in the own deque. */
    if ((sheaf__future_flags(task) & SHEAF__JOB_FRAME) &&
        !(worker && sheaf__deque_holds(&worker->deque, &task->job))) {
        return false;
    }
    sheaf_pool *pool = sheaf__future_pool(task);
    return pool && !pool->deterministic && sheaf__task_claim(pool, worker, task);
}

static void hurry(sheaf_future *task, struct sheaf__request *request)
{
    if (!sheaf__pool_hurry(sheaf__future_pool(task), &task->job)) {
        request->unrun = task;
    }
}

/* Whether a task that was seen queued and could not be claimed has not started: its runner's fence
 * is the light one.  If it starts after this it sees LOCK. */
static bool is_still_queued(const sheaf_future *task)
{
    sheaf__fence_heavy();
    return sheaf__load_acq(&task->job.state) == SHEAF__QUEUED;
}

void sheaf__ask_here(sheaf_future *task, uintptr_t awaiting, struct sheaf__request *request)
{
    leave_request(task, request);
    if ((awaiting & SHEAF__AWAITING_TAG) == SHEAF__AWAITING_WAIT) {
        uintptr_t wait = awaiting & ~(uintptr_t)SHEAF__AWAITING_TAG;
        /* The sleeper cannot leave its wait while the LOCK is held. */
        sheaf__wake((struct sheaf__wait *)wait, SHEAF__WAIT_CANCEL);
    }
}

/* Gives the request to a task, unless what it awaits is to be asked.
 *
 * Requires: LOCK, not done
 * Returns:  the future that is to be asked, nothing has changed; NULL when the request has arrived
 * */
static sheaf_future *place_request(sheaf_future *task, struct sheaf__request *request)
{
    if (sheaf__load_acq(&task->job.state) == SHEAF__QUEUED) {
        bool claimed = claim_unstarted(task);
        if (claimed || is_still_queued(task)) {
            leave_request(task, request);
            if (claimed) {
                hurry(task, request);
            }
            return NULL;
        }
    }
    if (sheaf__future_flags(task) & SHEAF__JOB_MASKED) {
        sheaf__ask_here(task, 0, request);
        return NULL;
    }
    uintptr_t awaiting = sheaf__read_awaiting(task);
    sheaf_future *next = sheaf__awaited_future(awaiting);
    if (!next) {
        sheaf__ask_here(task, awaiting, request);
    }
    return next;
}

/* Leaves the request with the task while its LOCK is let go for a moment; lets go of `next`, which
 * may by then be the last to hold it.
 * Returns: whether it is still there, and the caller's to place again; LOCK is held */
static bool leave_for_a_moment(sheaf_future *task, sheaf_future *next,
                               struct sheaf__request *request, unsigned *turns)
{
    leave_request(task, request);
    sheaf__future_unlock(task);
    sheaf__future_unhold(next);
    sheaf__spin_wait(turns);
    sheaf__future_lock(task);
    if (sheaf__future_done(task) || !(sheaf__load_rlx(&task->job.word) & SHEAF__WORD_CANCEL)) {
        return false;
    }
    if (request->ticket) {
        sheaf__unlink_ticket(task, request->ticket);
    }
    sheaf__take_undelivered(task, SHEAF__ASKED_UNDELIVERED);
    return true;
}

/* Whether it asks its members when it is asked. */
static bool asks_members(const struct sheaf__composed *composed)
{
    return composed && composed->ops->member;
}

/* Whether a future can be asked: a gather then has no outcome before its members were asked, so
 * that who awaits it stays until it is known whether one of them took the request.  Requires: LOCK
 * */
static bool can_take(sheaf_future *future)
{
    struct sheaf__composed *composed = sheaf__future_composed(future);
    return !sheaf__future_done(future) &&
           (!asks_members(composed) || composed->ops->ask_begin(composed));
}

/* Takes the LOCK of what the task awaits if that can still be asked.
 *
 * Returns: it, LOCK taken and held; NULL when the request has arrived at the task itself */
static sheaf_future *reach_awaited(sheaf_future *task, struct sheaf__request *request)
{
    unsigned turns = 0;
    sheaf_future *next = place_request(task, request);
    while (next) {
        sheaf__future_hold(next);
        if (sheaf__future_try_lock(next)) {
            if (can_take(next)) {
                return next;
            }
            sheaf__future_unlock(next);
            /* Its end is decided: the task is on its way back and hears of the request itself. */
            sheaf__future_unhold_later(next, &request->last_held);
            sheaf__ask_here(task, 0, request);
            return NULL;
        }
        bool ours = leave_for_a_moment(task, next, request, &turns);
        next = ours ? place_request(task, request) : NULL;
    }
    return NULL;
}

/* Leaves a request that has come round with the future that it came to. */
static void ask_last(sheaf_future *future, struct sheaf__request *request)
{
    sheaf__ask_here(future, 0, request);
    sheaf__future_unlock(future);
    sheaf__future_unhold_later(future, &request->last_held);
}

/* Asks a task.  LOCK is let go, and so is the task, unless it is the asker of what is reached.
 *
 * Returns: what is to be asked next, held, LOCK taken; or NULL */
static sheaf_future *ask_task(sheaf_future *task, struct sheaf__request *request)
{
    sheaf__count_request(task, request->origin);
    sheaf_future *next = reach_awaited(task, request);
    if (next) {
        sheaf__set_passed(task);
    }
    sheaf__future_unlock(task);
    request->ticket = NULL;
    request->origin = SHEAF_ORIGIN_AWAITER;
    if (next && asks_members(sheaf__future_composed(next))) {
        request->asker = task;
    } else {
        sheaf__future_unhold_later(task, &request->last_held);
    }
    return next;
}

/* Asks a bare future: a promise ends at once, of a gather the members are to be asked. */
static void ask_bare(sheaf_future *future, struct sheaf__request *request)
{
    struct sheaf__composed *composed = sheaf__future_composed(future);
    if (asks_members(composed)) {
        sheaf__future_unlock(future);
        request->reached = composed;
        return;
    }
    if (composed && composed->ops->disarm) {
        composed->ops->disarm(future);
    }
    future->job.out.value.ptr = sheaf_error_retain(request->message);
    if (request->more) {
        sheaf__future_finish_into(future, SHEAF_CANCELLED, request->more);
    } else {
        sheaf__future_finish_locked(future, SHEAF_CANCELLED);
    }
    sheaf__future_unhold_later(future, &request->last_held);
}

/* Lets go of what could not be let go while a LOCK was held. */
static void tidy_up(struct sheaf__request *request)
{
    sheaf__future_unhold_all(request->last_held);
    request->last_held = NULL;
    sheaf_error_release(request->unkept);
    request->unkept = NULL;
    if (request->unrun) {
        sheaf_pool *pool = sheaf__future_pool(request->unrun);
        pool->ops->refuse(pool, &request->unrun->job, SHEAF_CLOSED);
        request->unrun = NULL;
    }
}

bool sheaf__ask_chain(sheaf_future *future, struct sheaf__request *request)
{
    request->reached = NULL;
    request->asker = NULL;
    sheaf__future_lock(future);
    if (!can_take(future)) {
        sheaf__future_unlock(future);
        return false;
    }
    struct sheaf__laps laps = {.mark = NULL};
    sheaf__future_hold(future);
    while (future && sheaf__future_is_task(future) && !sheaf__goes_round(&laps, future)) {
        future = ask_task(future, request);
    }
    if (future && sheaf__future_is_task(future)) {
        ask_last(future, request);
    } else if (future) {
        ask_bare(future, request);
    }
    tidy_up(request);
    return true;
}
