/* Requests for cancellation: asking, passing on, delivering, counting.
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
#include "lib/future_impl.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/alloc.h"
#include "lib/error_impl.h"

/* A request on its way. */
struct request {
    sheaf_origin origin;
    sheaf_error *message;         /* borrowed, may be NULL */
    struct sheaf__extra *spare;   /* where a task without an extra part keeps the message */
    sheaf_error *unkept;          /* a message that gave way, to be released */
    sheaf_future *last_held;      /* to be let go when no LOCK is held any more */
    sheaf_future *unrun;          /* claimed, and to be ended then: its pool is dead */
    struct sheaf__ticket *ticket; /* of the first task, may be NULL */
    bool counted;                 /* the first task has counted it already */
    bool sure;                    /* that it was taken is only said when it is certain */
    struct sheaf__ended *more;    /* for promises that end, when a notification is under way */

    /* Where a walk down a chain has ended when it did not arrive: */
    struct sheaf__composed *reached; /* whose members are to be asked; its future is held */
    sheaf_future *asker;             /* the task that awaits that one, held; NULL: nobody */
};

/* ---------------------------------------------------------------- the counts; LOCK is held */

static uint32_t asked_of(const sheaf_future *task)
{
    return sheaf__load_rlx(&task->job.asked);
}

static void set_pending_origin(sheaf_future *task, sheaf_origin origin)
{
    uint32_t asked = asked_of(task) & ~(7U << SHEAF__ASKED_PENDING_SHIFT);
    sheaf__store_rlx(&task->job.asked, asked | ((uint32_t)origin << SHEAF__ASKED_PENDING_SHIFT));
}

static void count_request(sheaf_future *task, sheaf_origin origin)
{
    uint32_t asked = asked_of(task);
    if ((asked & SHEAF__ASKED_COUNT) != SHEAF__ASKED_COUNT) {
        sheaf__store_rlx(&task->job.asked, asked + 1);
    }
    set_pending_origin(task, origin);
}

static void set_undelivered(sheaf_future *task)
{
    uint32_t asked = asked_of(task);
    if ((asked & SHEAF__ASKED_UNDELIVERED_MASK) != SHEAF__ASKED_UNDELIVERED_MASK) {
        sheaf__store_rlx(&task->job.asked, asked + SHEAF__ASKED_UNDELIVERED);
    }
    sheaf__or_seq(&task->job.word, SHEAF__WORD_CANCEL);
}

/* The tickets of a list are not undelivered any more. */
static void settle_list(struct sheaf__ticket **list)
{
    while (*list) {
        (*list)->undelivered = false;
        *list = (*list)->next;
    }
}

static void clear_undelivered(sheaf_future *task)
{
    sheaf__store_rlx(&task->job.asked, asked_of(task) & ~SHEAF__ASKED_UNDELIVERED_MASK);
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (extra) {
        settle_list(&extra->tickets);
    }
    sheaf__and_acq_rel(&task->job.word, ~SHEAF__WORD_CANCEL);
}

/* Returns: whether it was in the list */
static bool unlink_ticket(sheaf_future *task, struct sheaf__ticket *ticket)
{
    if (!ticket->undelivered) {
        return false;
    }
    struct sheaf__ticket **at = &sheaf__future_extra(task)->tickets;
    while (*at != ticket) {
        at = &(*at)->next;
    }
    *at = ticket->next;
    ticket->undelivered = false;
    return true;
}

/* The request that stays with the task is the ticket's. */
static void keep_ticket(sheaf_future *task, struct request *request)
{
    struct sheaf__ticket *ticket = request->ticket;
    if (ticket) {
        struct sheaf__extra *extra = sheaf__future_extra(task);
        ticket->undelivered = true;
        ticket->next = extra->tickets;
        extra->tickets = ticket;
    }
}

/* Takes so many back of those that are undelivered; a count that is full stands for any number.
 * Returns: whether none is left */
static bool take_undelivered(sheaf_future *task, uint32_t some)
{
    uint32_t all = asked_of(task) & SHEAF__ASKED_UNDELIVERED_MASK;
    if (some < all) {
        sheaf__store_rlx(&task->job.asked, asked_of(task) - some);
        return false;
    }
    clear_undelivered(task);
    return true;
}

static void set_passed(sheaf_future *task)
{
    sheaf__store_rlx(&task->job.asked, asked_of(task) | SHEAF__ASKED_PASSED);
}

static void set_last_origin(sheaf_future *task, sheaf_origin origin)
{
    uint32_t asked = asked_of(task) & ~(7U << SHEAF__ASKED_LAST_SHIFT);
    sheaf__store_rlx(&task->job.asked, asked | ((uint32_t)origin << SHEAF__ASKED_LAST_SHIFT));
}

static sheaf_origin last_origin(const sheaf_future *task)
{
    return (sheaf_origin)(asked_of(task) >> SHEAF__ASKED_LAST_SHIFT);
}

static sheaf_origin pending_origin(const sheaf_future *task)
{
    return (sheaf_origin)((asked_of(task) >> SHEAF__ASKED_PENDING_SHIFT) & 7U);
}

/* A request that has a message keeps it in the task that it stops at.  Context: no LOCK is held */
static void provide_spare(struct request *request)
{
    if (request->message && !request->spare) {
        request->spare = sheaf__alloc_zeroed(sizeof *request->spare);
    }
}

static void free_spare(struct request *request)
{
    if (request->spare) {
        sheaf__free(request->spare, sizeof *request->spare);
    }
}

/* The first message of the undelivered requests counts; of a task that has not started the last.
 * Without memory for the extra part the message is lost, the request is not. */
static void keep_message(sheaf_future *task, struct request *request)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (!extra && request->message && request->spare) {
        extra = request->spare;
        request->spare = NULL;
        task->extra = extra;
        sheaf__or_acq_rel(&task->job.word, SHEAF__WORD_EXTRA);
    }
    bool first = !(asked_of(task) & SHEAF__ASKED_UNDELIVERED_MASK);
    bool queued = sheaf__load_rlx(&task->job.state) == SHEAF__QUEUED;
    if (extra && (first || queued)) {
        /* The first one is released when no LOCK is held; a second is rare. */
        sheaf_error_release(request->unkept);
        request->unkept = extra->message;
        extra->message = sheaf_error_retain(request->message);
    }
}

/* The request stays with the task until it is delivered, passed on or taken back. */
static void leave_request(sheaf_future *task, struct request *request)
{
    keep_message(task, request);
    keep_ticket(task, request);
    set_undelivered(task);
}

/* ---------------------------------------------------------------- asking one task */

/* What a running task awaits.  C1 has happened. */
static uintptr_t read_awaiting(sheaf_future *task)
{
    uintptr_t awaiting = sheaf__load_seq(&task->job.up.awaiting);
    if ((awaiting & SHEAF__AWAITING_TAG) == SHEAF__AWAITING_CALLED) {
        /* Nothing, or called on its own stack: the task's fence is the light one. */
        sheaf__fence_heavy();
        awaiting = sheaf__load_seq(&task->job.up.awaiting);
    }
    return awaiting;
}

/* The future that a task awaits, or NULL. */
static sheaf_future *awaited_future(uintptr_t awaiting)
{
    bool is_future = (awaiting & SHEAF__AWAITING_TAG) != SHEAF__AWAITING_WAIT;
    return is_future ? (sheaf_future *)(awaiting & ~(uintptr_t)SHEAF__AWAITING_TAG) : NULL;
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

static void hurry(sheaf_future *task, struct request *request)
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

/* The request stays with this task.  Wakes it if it sleeps on something that is no future. */
static void ask_here(sheaf_future *task, uintptr_t awaiting, struct request *request)
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
static sheaf_future *place_request(sheaf_future *task, struct request *request)
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
        ask_here(task, 0, request);
        return NULL;
    }
    uintptr_t awaiting = read_awaiting(task);
    sheaf_future *next = awaited_future(awaiting);
    if (!next) {
        ask_here(task, awaiting, request);
    }
    return next;
}

/* Leaves the request with the task while its LOCK is let go for a moment; lets go of `next`, which
 * may by then be the last to hold it.
 * Returns: whether it is still there, and the caller's to place again; LOCK is held */
static bool leave_for_a_moment(sheaf_future *task, sheaf_future *next, struct request *request,
                               unsigned *turns)
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
        unlink_ticket(task, request->ticket);
    }
    take_undelivered(task, SHEAF__ASKED_UNDELIVERED);
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
static sheaf_future *reach_awaited(sheaf_future *task, struct request *request)
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
            ask_here(task, 0, request);
            return NULL;
        }
        bool ours = leave_for_a_moment(task, next, request, &turns);
        next = ours ? place_request(task, request) : NULL;
    }
    return NULL;
}

/* Finds out that a walk goes in a circle: R. P. Brent, "An improved Monte Carlo factorization
 * algorithm", 1980.  Only circles of timed waits exist; they end by themselves. */
struct laps {
    const sheaf_future *mark; /* compared only */
    size_t steps;
    size_t limit;
};

static bool goes_round(struct laps *laps, const sheaf_future *at)
{
    if (at == laps->mark) {
        return true;
    }
    if (laps->steps++ == laps->limit) {
        laps->mark = at;
        laps->steps = 0;
        laps->limit = laps->limit * 2 + 1;
    }
    return false;
}

/* Leaves a request that has come round with the future that it came to. */
static void ask_last(sheaf_future *future, struct request *request)
{
    ask_here(future, 0, request);
    sheaf__future_unlock(future);
    sheaf__future_unhold_later(future, &request->last_held);
}

/* Asks a task.  LOCK is let go, and the task with it unless it becomes the asker of what is
 * reached. Returns: what is to be asked next, held, LOCK taken; or NULL */
static sheaf_future *ask_task(sheaf_future *task, struct request *request)
{
    if (!request->counted) {
        count_request(task, request->origin);
    }
    request->counted = false;
    sheaf_future *next = reach_awaited(task, request);
    if (next) {
        set_passed(task);
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
static void ask_bare(sheaf_future *future, struct request *request)
{
    struct sheaf__composed *composed = sheaf__future_composed(future);
    if (asks_members(composed)) {
        sheaf__future_unlock(future);
        request->reached = composed;
        return;
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
static void tidy_up(struct request *request)
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

/* Asks a future and what it awaits, down to the end of the chain.
 * Returns: false when its end is decided; else the request has arrived, or request->reached is set
 * */
static bool ask_chain(sheaf_future *future, struct request *request)
{
    request->reached = NULL;
    request->asker = NULL;
    sheaf__future_lock(future);
    if (!can_take(future)) {
        sheaf__future_unlock(future);
        return false;
    }
    struct laps laps = {.mark = NULL};
    sheaf__future_hold(future);
    while (future && sheaf__future_is_task(future) && !goes_round(&laps, future)) {
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

/* ---------------------------------------------------------------- asking members */

/* A request on its way through a tree of gathers, depth first.  The way back lies in the gathers
 * themselves, so the stack does not grow.
 *
 * While its members are asked a gather has no outcome (can_take()), and who awaits it without a
 * limit stays.  So the request of an asker whose gather has nobody left to take it is left with the
 * asker before the gather may end: it is not lost (P6).
 *
 * Who comes to a gather that somebody else is asking leaves it to that one to ask once more, and
 * does not know the answer; who comes to one on its own way, in a circle, passes it by.  Their
 * askers keep the request as well: they hear of it when the gather ends. */
static bool ask_from(sheaf_future *future, struct request *request);

struct sheaf__tree_walk {
    struct sheaf__composed *top;
    struct request *request;
    bool taken; /* the answer of the first */
};

/* The answer of a gather, or of the chain that led to it, for the one above. */
static void tell_above(struct sheaf__tree_walk *walk, bool taken)
{
    if (walk->top) {
        walk->top->taken = walk->top->taken || taken;
    } else {
        walk->taken = taken;
    }
}

/* A task was told that its request is on the way to a gather, where nobody took it for certain: the
 * task itself hears of it.  Only a wait with a limit can be over by now. */
static void leave_with_asker(sheaf_future *asker, sheaf_future *gather, struct request *request)
{
    provide_spare(request);
    sheaf__future_lock(asker);
    if (sheaf__future_done(asker)) {
        sheaf__future_unlock(asker);
        return;
    }
    if (sheaf__load_acq(&asker->job.state) == SHEAF__RUNNING &&
        awaited_future(read_awaiting(asker)) == gather) {
        ask_here(asker, 0, request);
        sheaf__future_unlock(asker);
        return;
    }
    sheaf__future_unlock(asker);
    struct request again = {.origin = SHEAF_ORIGIN_AWAITER, .message = request->message};
    again.more = request->more;
    again.counted = true;
    provide_spare(&again);
    /* It may have come to another gather meanwhile; that one is asked by a walk of its own. */
    ask_from(asker, &again);
    free_spare(&again);
}

/* Leaves a gather to whoever asks it already. */
static void pass_by(struct sheaf__tree_walk *walk, struct sheaf__composed *composed,
                    sheaf_future *asker)
{
    struct request *request = walk->request;
    if (asker) {
        leave_with_asker(asker, composed->future, request);
        sheaf__future_unhold(asker);
    }
    composed->ops->ask_end(composed, false, NULL, request->more);
    tell_above(walk, asker || walk->top || !request->sure);
    sheaf__future_unhold(composed->future);
}

/* Comes to a gather that can_take() has made ready for it; its future and the asker are held, and
 * taken. */
static void walk_down(struct sheaf__tree_walk *walk, struct sheaf__composed *composed,
                      sheaf_future *asker)
{
    bool circle = sheaf__load_rlx(&composed->walk) == walk; /* nobody else stores this one */
    if (circle || sheaf__add_acq_rel(&composed->asking, 1) != 0) {
        pass_by(walk, composed, asker);
        return;
    }
    sheaf__store_rlx(&composed->walk, walk);
    composed->asker = asker;
    composed->taken = false;
    composed->left = false;
    composed->at = 0;
    composed->below = walk->top;
    walk->top = composed;
}

/* Asks once more, for whoever came meanwhile. */
static void begin_another_round(struct sheaf__tree_walk *walk, struct sheaf__composed *composed)
{
    composed->below = walk->top;
    walk->top = composed;
    sheaf__store_rlx(&composed->walk, walk);
    /* With an outcome there is nobody to ask: the first look beyond the last member. */
    composed->at = composed->ops->ask_begin(composed) ? 0 : SIZE_MAX;
}

/* All members have been asked. */
static void end_round(struct sheaf__composed *composed, struct request *request)
{
    sheaf_future *asker = composed->asker;
    if (asker && !composed->taken) {
        leave_with_asker(asker, composed->future, request);
    }
    if (composed->at != SIZE_MAX) {
        composed->ops->ask_end(composed, composed->taken, request->message, request->more);
    }
    if (asker) {
        composed->asker = NULL;
        composed->left = true;
        sheaf__future_unhold(asker);
    }
}

/* Leaves a gather whose members have been asked as often as somebody wanted. */
static void walk_up(struct sheaf__tree_walk *walk)
{
    struct sheaf__composed *composed = walk->top;
    uint32_t alone = 1;
    end_round(composed, walk->request);
    bool taken = composed->left || composed->taken;
    sheaf__store_rlx(&composed->walk, NULL);
    walk->top = composed->below;
    /* acq_rel: the next owner sees the fields as they were left. */
    if (!sheaf__cas_acq_rel(&composed->asking, &alone, 0)) {
        sheaf__sub_acq_rel(&composed->asking, 1);
        begin_another_round(walk, composed);
        return;
    }
    tell_above(walk, taken);
    sheaf__future_unhold(composed->future);
}

/* Asks the next member.  Returns: false when there is none */
static bool ask_member(struct sheaf__tree_walk *walk)
{
    struct sheaf__composed *top = walk->top;
    sheaf_future *member = top->at == SIZE_MAX ? NULL : top->ops->member(top, top->at);
    if (!member) {
        return false;
    }
    top->at++;
    walk->request->origin = SHEAF_ORIGIN_AWAITER;
    provide_spare(walk->request);
    bool taken = ask_chain(member, walk->request);
    if (walk->request->reached) {
        walk_down(walk, walk->request->reached, walk->request->asker);
    } else {
        top->taken = top->taken || taken;
    }
    return true;
}

/* Asks a future and everything that it stands for or waits for.  Returns: whether it was taken */
static bool ask_from(sheaf_future *future, struct request *request)
{
    bool taken = ask_chain(future, request);
    if (!request->reached) {
        return taken;
    }
    struct sheaf__tree_walk walk = {.request = request};
    walk_down(&walk, request->reached, request->asker);
    while (walk.top) {
        if (!ask_member(&walk)) {
            walk_up(&walk);
        }
    }
    return walk.taken;
}

static bool ask(sheaf_future *future, struct request *request)
{
    provide_spare(request);
    bool taken = ask_from(future, request);
    free_spare(request);
    return taken;
}

bool sheaf__task_ask_for(sheaf_future *task, sheaf_origin origin, struct sheaf__ticket *ticket)
{
    struct request request = {.origin = origin, .ticket = ticket};
    ticket->made = true;
    return ask(task, &request);
}

bool sheaf__future_ask(sheaf_future *future, sheaf_origin origin, sheaf_error *message)
{
    struct request request = {.origin = origin, .message = message};
    return ask(future, &request);
}

bool sheaf__future_ask_into(sheaf_future *future, sheaf_origin origin, struct sheaf__ended *more)
{
    struct request request = {.origin = origin, .more = more};
    return ask(future, &request);
}

static bool can_be_asked(const sheaf_future *future)
{
    return future && !(sheaf__future_flags(future) & SHEAF__JOB_STATIC);
}

bool sheaf_cancel(sheaf_future *future)
{
    return can_be_asked(future) && sheaf__future_ask(future, SHEAF_ORIGIN_USER, NULL);
}

bool sheaf_cancel_message(sheaf_future *future, const char *format, ...)
{
    if (!can_be_asked(future)) {
        return false;
    }
    va_list arguments;
    va_start(arguments, format);
    sheaf_error *message = sheaf__error_vmake(SHEAF_CANCELLED, NULL, NULL, format, arguments);
    va_end(arguments);
    if (sheaf_error_code(message) != SHEAF_CANCELLED) {
        message = NULL; /* out of memory: the request counts more than its message */
    }
    bool taken = sheaf__future_ask(future, SHEAF_ORIGIN_USER, message);
    sheaf_error_release(message);
    return taken;
}

/* ---------------------------------------------------------------- the task's own side */

int sheaf__task_deliver(sheaf_future *task)
{
    sheaf__future_lock(task);
    bool asked = sheaf__task_is_asked(task);
    struct sheaf__extra *extra = sheaf__future_extra(task);
    sheaf_error *message = NULL;
    if (asked) {
        clear_undelivered(task);
        set_last_origin(task, pending_origin(task));
        message = extra ? extra->message : NULL;
        if (message) {
            extra->message = NULL;
        }
    }
    sheaf__future_unlock(task);
    if (!asked) {
        return SHEAF_OK;
    }
    sheaf__task_set_raised(task, message);
    sheaf_error_release(message);
    return SHEAF_CANCELLED;
}

/* The undelivered requests of a task, taken off it. */
struct taken_off {
    uint32_t count;
    sheaf_error *message;
    struct sheaf__ticket *tickets;
};

/* Takes them off, so that nobody else takes them up: a walk that has left one for a moment has lost
 * it to the task then.  Requires: LOCK */
static void take_off(sheaf_future *task, struct taken_off *off)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    *off = (struct taken_off){.count = asked_of(task) & SHEAF__ASKED_UNDELIVERED_MASK};
    if (extra) {
        off->message = extra->message;
        off->tickets = extra->tickets;
        extra->message = NULL;
        extra->tickets = NULL;
    }
    clear_undelivered(task);
}

/* Nobody has taken them.  What came meanwhile came later; all are withdrawn when none is counted
 * any more.  Requires: LOCK */
static void put_back(sheaf_future *task, struct taken_off *off)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if ((asked_of(task) & SHEAF__ASKED_COUNT) == 0) {
        settle_list(&off->tickets);
        return;
    }
    for (uint32_t i = 0; i < off->count; i += SHEAF__ASKED_UNDELIVERED) {
        set_undelivered(task);
    }
    if (extra) {
        struct sheaf__ticket **end = &extra->tickets;
        while (*end) {
            end = &(*end)->next;
        }
        *end = off->tickets;
        sheaf_error *later = extra->message;
        extra->message = off->message;
        off->message = later;
    }
}

bool sheaf__task_pass_request(sheaf_future *task, sheaf_future *future)
{
    struct taken_off off;
    sheaf__future_lock(task);
    take_off(task, &off);
    sheaf__future_unlock(task);
    if (off.count == 0) {
        return false;
    }
    struct request request = {.origin = SHEAF_ORIGIN_AWAITER, .message = off.message, .sure = true};
    bool taken = ask(future, &request);
    sheaf__future_lock(task);
    if (taken) {
        settle_list(&off.tickets);
        set_passed(task);
    } else {
        put_back(task, &off);
    }
    sheaf__future_unlock(task);
    sheaf_error_release(off.message);
    return taken;
}

bool sheaf__task_was_passed_on(const sheaf_future *task)
{
    return asked_of(task) & SHEAF__ASKED_PASSED;
}

void sheaf__task_forget_passed(sheaf_future *task)
{
    sheaf__future_lock(task);
    sheaf__store_rlx(&task->job.asked, asked_of(task) & ~SHEAF__ASKED_PASSED);
    sheaf__future_unlock(task);
}

void sheaf__task_note_cancelled(sheaf_future *task)
{
    sheaf__future_lock(task);
    bool own = asked_of(task) & SHEAF__ASKED_PASSED;
    sheaf__store_rlx(&task->job.asked, asked_of(task) & ~SHEAF__ASKED_PASSED);
    set_last_origin(task, own ? pending_origin(task) : SHEAF_ORIGIN_CHILD);
    sheaf__future_unlock(task);
}

static sheaf_future *or_current(const sheaf_future *given)
{
    /* The counts are not part of what const promises about a future's outcome. */
    sheaf_future *task = (sheaf_future *)(uintptr_t)given;
    return task ? task : sheaf_current();
}

int sheaf_cancelling(const sheaf_future *given)
{
    sheaf_future *task = or_current(given);
    return task ? (int)(asked_of(task) & SHEAF__ASKED_COUNT) : SHEAF_NOTASK;
}

/* One request less is counted; with none left nothing is delivered any more (T18).
 *
 * Requires: LOCK
 * Returns:  how many are left */
static int count_back(sheaf_future *task)
{
    uint32_t asked = asked_of(task);
    if (asked & SHEAF__ASKED_COUNT) {
        sheaf__store_rlx(&task->job.asked, --asked);
    }
    int left = (int)(asked & SHEAF__ASKED_COUNT);
    if (left == 0 && (sheaf__load_rlx(&task->job.word) & SHEAF__WORD_CANCEL)) {
        clear_undelivered(task);
    }
    return left;
}

int sheaf_uncancel(sheaf_future *given)
{
    sheaf_future *task = or_current(given);
    if (!task) {
        return SHEAF_NOTASK;
    }
    if (!can_be_asked(task)) {
        return 0;
    }
    sheaf__future_lock(task);
    int left = count_back(task);
    sheaf__future_unlock(task);
    return left;
}

int sheaf__task_withdraw(sheaf_future *task, struct sheaf__ticket *ticket)
{
    sheaf__future_lock(task);
    if (unlink_ticket(task, ticket)) {
        take_undelivered(task, SHEAF__ASKED_UNDELIVERED);
    }
    int left = count_back(task);
    sheaf__future_unlock(task);
    return left;
}

void sheaf__task_rearm(sheaf_future *task)
{
    sheaf__future_lock(task);
    set_pending_origin(task, last_origin(task));
    set_undelivered(task);
    sheaf__future_unlock(task);
}

sheaf_origin sheaf_cancel_origin(void)
{
    sheaf_future *task = sheaf_current();
    return task ? last_origin(task) : SHEAF_ORIGIN_NONE;
}

/* ---------------------------------------------------------------- masks */

#define MASKS_MAX 255U

/* Under LOCK: an asker decides by the mask and by what the task awaits together. */
static void set_flag(sheaf_future *task, uint32_t flag, bool on)
{
    sheaf__future_lock(task);
    uint32_t flags = sheaf__future_flags(task);
    flags = on ? flags | flag : flags & ~flag;
    sheaf__store_rlx(&task->job.flags, (uint8_t)flags);
    sheaf__future_unlock(task);
}

bool sheaf__task_mark_swept(sheaf_future *task)
{
    sheaf__future_lock(task);
    uint32_t flags = sheaf__future_flags(task);
    sheaf__store_rlx(&task->job.flags, (uint8_t)(flags | SHEAF__JOB_SWEPT));
    sheaf__future_unlock(task);
    return !(flags & SHEAF__JOB_SWEPT);
}

int sheaf_mask_begin(void)
{
    sheaf_future *task = sheaf_current();
    if (!task) {
        return SHEAF_NOTASK;
    }
    struct sheaf__extra *extra = sheaf__future_need_extra(task);
    if (!extra) {
        return SHEAF_NOMEM;
    }
    if (extra->masks == MASKS_MAX) {
        return SHEAF_STATE;
    }
    if (extra->masks++ == 0) {
        set_flag(task, SHEAF__JOB_MASKED, true);
    }
    return SHEAF_OK;
}

int sheaf_mask_end(void)
{
    sheaf_future *task = sheaf_current();
    if (!task) {
        return SHEAF_NOTASK;
    }
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (!extra || extra->masks == 0) {
        return SHEAF_STATE;
    }
    if (--extra->masks == 0) {
        set_flag(task, SHEAF__JOB_MASKED, false);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- circles */

/* Whether anybody waits for the task, so that its own wait could close a circle. */
static bool is_awaited(const sheaf_future *task)
{
    return (sheaf__load_seq(&task->job.word) & SHEAF__WORD_WAITER) || task->in.enclosing;
}

/* What `at`, a held task, waits for, held; NULL when it is not parked on a task.  Lets `at` go. */
static sheaf_future *follow(sheaf_future *at)
{
    sheaf_future *next = NULL;
    sheaf__future_lock(at);
    if (sheaf__load_acq(&at->job.state) == SHEAF__RUNNING) {
        uintptr_t awaiting = read_awaiting(at);
        bool limited = (awaiting & SHEAF__AWAITING_TAG) == SHEAF__AWAITING_LIMITED;
        next = limited ? NULL : awaited_future(awaiting);
        /* One that nobody has parked is running: it awaits nobody at this moment, and looks itself
         * when it does.  It is there: with LOCK held `at` does not go on. */
        if (next && sheaf__future_is_task(next) &&
            (sheaf__load_rlx(&next->job.word) & SHEAF__WORD_UNBIASED)) {
            sheaf__future_hold(next);
        } else {
            next = NULL;
        }
    }
    sheaf__future_unlock(at);
    sheaf__future_unhold(at);
    return next;
}

/* The text of a circle that is being walked. */
struct chain {
    char text[400];
    size_t length;
};

static void add_to_chain(struct chain *chain, const sheaf_future *task)
{
    size_t room = sizeof chain->text - chain->length;
    if (room > sizeof " -> ") {
        int arrow = snprintf(chain->text + chain->length, room, "%s", chain->length ? " -> " : "");
        chain->length += (size_t)arrow;
        chain->length += sheaf__future_name_text(task, chain->text + chain->length,
                                                 sizeof chain->text - chain->length);
    }
    if (chain->length > sizeof chain->text - 1) {
        chain->length = sizeof chain->text - 1;
    }
}

/* Whether the chain of waits from `future` on leads to `task`.  The names go to `chain` if given.
 * */
static bool leads_to(sheaf_future *future, const sheaf_future *task, struct chain *chain)
{
    sheaf__future_hold(future);
    sheaf_future *at = future;
    struct laps laps = {.mark = NULL};
    while (at && at != task && !goes_round(&laps, at)) {
        if (chain) {
            add_to_chain(chain, at);
        }
        at = follow(at);
    }
    bool found = at == task;
    if (at) {
        sheaf__future_unhold(at);
    }
    return found;
}

int sheaf__task_check_cycle(sheaf_future *task, sheaf_future *future)
{
    if (!is_awaited(task) || !sheaf__future_is_task(future) ||
        !(sheaf__load_rlx(&future->job.word) & SHEAF__WORD_UNBIASED) ||
        !leads_to(future, task, NULL)) {
        return SHEAF_OK;
    }
    struct chain chain = {.length = 0};
    add_to_chain(&chain, task);
    leads_to(future, task, &chain);
    return sheaf_raise(SHEAF_CYCLE, "tasks await each other in a circle: %s", chain.text);
}
