/* A request on its way through a tree of gathers, depth first.  The way back lies in the gathers
 * themselves, so the stack does not grow.
 *
 * While its members are asked a gather has no outcome (can_take()), and who awaits it without a
 * limit stays.  So the request of an asker whose gather has nobody left to take it is left with the
 * asker before the gather may end: it is not lost (P6).
 *
 * Who comes to a gather that somebody else is asking leaves it to that one to ask once more, and
 * does not know the answer.  Its asker keeps the request as well: it hears of it when the gather
 * ends, or leaves it at its limit.
 *
 * Who comes to one on its own way has gone in a circle of tasks that wait for gathers of each
 * other.  Its asker keeps the request and is woken out of the wait.  Of two walks that each own a
 * part of a circle, the one that came last to a gather of the other's makes that one ask once more;
 * the last such round of all meets nobody and goes round. */
#include "lib/asking.h"

#include "lib/alloc.h"

/* A request that has a message keeps it in the task that it stops at.  Context: no LOCK is held */
static void provide_spare(struct sheaf__request *request)
{
    if (request->message && !request->spare) {
        request->spare = sheaf__alloc_zeroed(sizeof *request->spare);
    }
}

static void free_spare(struct sheaf__request *request)
{
    if (request->spare) {
        sheaf__free(request->spare, sizeof *request->spare);
    }
}

struct sheaf__tree_walk {
    struct sheaf__composed *top;
    struct sheaf__request *request;
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

/* Whether it still is in the wait for that gather which the request came through: nobody has told
 * it of the request then.  Requires: LOCK */
static bool still_waits(sheaf_future *asker, const sheaf_future *gather)
{
    return !sheaf__future_done(asker) && sheaf__load_acq(&asker->job.state) == SHEAF__RUNNING &&
           sheaf__awaited_future(sheaf__read_awaiting(asker)) == gather &&
           sheaf__task_was_passed_on(asker);
}

/* A task was told that its request is on the way to a gather, where nobody took it for certain: the
 * task itself hears of it.  If it waits no more its limit has passed, and it heard of the request
 * then (lib/await.c). */
static void leave_with_asker(sheaf_future *asker, const sheaf_future *gather,
                             struct sheaf__request *request)
{
    provide_spare(request);
    sheaf__future_lock(asker);
    if (still_waits(asker, gather)) {
        sheaf__ask_here(asker, 0, request);
    }
    sheaf__future_unlock(asker);
}

/* The request of a task has come round: the gather that it waits for waits for the task.  Nothing
 * else would end that, so the task is woken out of its wait to hear of the request.  The second
 * LOCK is only tried, as in lib/ask_chain.c.
 *
 * One that is about to wait, and not in the list yet, looks for requests when it is (A2). */
static void wake_in_circle(sheaf_future *asker, sheaf_future *gather)
{
    unsigned turns = 0;
    sheaf__future_lock(asker);
    while (still_waits(asker, gather)) {
        if (sheaf__future_try_lock(gather)) {
            if (!sheaf__future_done(gather)) {
                sheaf__future_wake_task(gather, asker, SHEAF__WAIT_CANCEL);
            }
            sheaf__future_unlock(gather);
            break;
        }
        sheaf__future_unlock(asker);
        sheaf__spin_wait(&turns);
        sheaf__future_lock(asker);
    }
    sheaf__future_unlock(asker);
}

/* Leaves a gather to whoever asks it already.
 *
 *   circle  that is this walk */
static void pass_by(struct sheaf__tree_walk *walk, struct sheaf__composed *composed,
                    sheaf_future *asker, bool circle)
{
    struct sheaf__request *request = walk->request;
    if (asker) {
        leave_with_asker(asker, composed->future, request);
        if (circle) {
            wake_in_circle(asker, composed->future);
        }
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
        pass_by(walk, composed, asker, circle);
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
static void end_round(struct sheaf__composed *composed, struct sheaf__request *request)
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
    bool taken = sheaf__ask_chain(member, walk->request);
    if (walk->request->reached) {
        walk_down(walk, walk->request->reached, walk->request->asker);
    } else {
        top->taken = top->taken || taken;
    }
    return true;
}

/* Asks a future and everything that it stands for or waits for.  Returns: whether it was taken */
static bool ask_from(sheaf_future *future, struct sheaf__request *request)
{
    bool taken = sheaf__ask_chain(future, request);
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

bool sheaf__ask(sheaf_future *future, struct sheaf__request *request)
{
    provide_spare(request);
    bool taken = ask_from(future, request);
    free_spare(request);
    return taken;
}

bool sheaf__task_ask_for(sheaf_future *task, sheaf_origin origin, struct sheaf__ticket *ticket)
{
    struct sheaf__request request = {.origin = origin, .ticket = ticket};
    ticket->made = true;
    return sheaf__ask(task, &request);
}

bool sheaf__future_ask(sheaf_future *future, sheaf_origin origin, sheaf_error *message)
{
    struct sheaf__request request = {.origin = origin, .message = message};
    return sheaf__ask(future, &request);
}

bool sheaf__future_ask_into(sheaf_future *future, sheaf_origin origin, struct sheaf__ended *more)
{
    struct sheaf__request request = {.origin = origin, .more = more};
    return sheaf__ask(future, &request);
}
