/* Timeout scopes, and waiting with a limit.
 *
 *            begin                timer                end
 *   IDLE  ----------->  ACTIVE  ---------> EXPIRED, for good
 *                          |
 *                          +-------------------------------->  ENDED
 *
 * A limit that has passed when the owner sets it expires when the owner next suspends, not before
 * (TO7): it has no timer.
 *
 * The timer thread and the owner meet in the step from ACTIVE, which is taken under `lock` (TO1).
 * The owner first clears the timer, after which its `fire` has run or never will, so the request is
 * made or it will not be.  `changing` makes rescheduling and ending one at a time.  It spins,
 * though whoever holds it may wait for the timekeeper and for an expiry that is under way: only the
 * owner and who reschedules its scope from outside can meet there, the spin gives the processor
 * away, and expiry never takes `changing`, so what is waited for goes on. */
#include <sheaf/timeout.h>

#include <sheaf/gather.h>
#include <sheaf/task.h>

#include "lib/error_impl.h"
#include "lib/future_impl.h"

enum state { IDLE = 0, ACTIVE, EXPIRED, ENDED };

struct scope {
    struct sheaf__block block;
    sheaf_future *task; /* const while begun */
    sheaf_pool *pool;   /* const while begun: whose clock it is */
    struct sheaf__timer timer;
    struct sheaf__ticket ticket;
    struct sheaf__due due;
    SHEAF__ATOMIC(int64_t) deadline;
    SHEAF__ATOMIC(uint8_t) state; /* enum state; changes under lock */
    struct sheaf__spin lock;
    struct sheaf__spin changing; /* rank 0: the timekeeper's lock is taken inside */
    bool timed;                  /* guarded by changing */
    bool overdue;                /* it has no timer; guarded by changing */
    int baseline;                /* requests that were counted at the beginning */
    struct sheaf__inherited before;
};

_Static_assert(sizeof(struct scope) <= sizeof(sheaf_timeout), "the public struct has the room");

static struct scope *scope_of(const sheaf_timeout *timeout)
{
    return (struct scope *)(uintptr_t)timeout;
}

/* ---------------------------------------------------------------- expiry */

/* ACTIVE -> to.  Returns: whether this call took the step */
static bool leave_active(struct scope *scope, enum state to)
{
    sheaf__spin_lock(&scope->lock);
    bool active = sheaf__load_rlx(&scope->state) == ACTIVE;
    if (active) {
        sheaf__store_rel(&scope->state, (uint8_t)to);
    }
    sheaf__spin_unlock(&scope->lock);
    return active;
}

static void expire(struct scope *scope)
{
    if (leave_active(scope, EXPIRED)) {
        sheaf__task_ask_for(scope->task, SHEAF_ORIGIN_TIMEOUT, &scope->ticket);
    }
}

static void fire(struct sheaf__timer *timer)
{
    expire(SHEAF__CONTAINER(timer, struct scope, timer));
}

static void expire_at_suspension(struct sheaf__due *due)
{
    expire(SHEAF__CONTAINER(due, struct scope, due));
}

/* Requires: changing is held, or nobody else knows the scope */
static int set_timer(struct scope *scope, sheaf_time deadline)
{
    sheaf__store_rlx(&scope->deadline, deadline);
    if (deadline == SHEAF_FOREVER) {
        return SHEAF_OK;
    }
    if (deadline <= sheaf__timekeeper_now(&scope->pool->keeper) && sheaf_current() == scope->task) {
        scope->due = (struct sheaf__due){.happen = expire_at_suspension};
        scope->overdue = true;
        sheaf__task_add_due(scope->task, &scope->due);
        return SHEAF_OK;
    }
    scope->timer = (struct sheaf__timer){.fire = fire, .kind = SHEAF__TIMER_UNLOCKED};
    scope->timed = sheaf__timer_set(&scope->pool->keeper, &scope->timer, deadline) == SHEAF_OK;
    return scope->timed ? SHEAF_OK : SHEAF_NOMEM;
}

/* Requires: changing is held; the caller is the owner if the scope is overdue.  On return the
 * timer has fired or never will. */
static void clear_timer(struct scope *scope)
{
    if (scope->timed) {
        sheaf__timer_clear(&scope->pool->keeper, &scope->timer);
        scope->timed = false;
    }
    if (scope->overdue) {
        sheaf__task_remove_due(scope->task, &scope->due);
        scope->overdue = false;
    }
}

/* Whether the deadline may be moved by the caller: of an overdue scope only by the owner, in whose
 * list it is.  To others it has expired.
 *
 * Requires: changing is held */
static bool may_move(const struct scope *scope)
{
    return sheaf__load_acq(&scope->state) == ACTIVE &&
           (!scope->overdue || sheaf_current() == scope->task);
}

/* ---------------------------------------------------------------- inheriting */

/* The body of a task that was made in a scope whose deadline is inherited. */
static int run_inherited(void *arg, sheaf_value *result)
{
    struct sheaf__extra *extra = sheaf__future_extra(sheaf_current());
    sheaf_timeout limit;
    SHEAF_TRY(sheaf_timeout_begin_until(&limit, extra->inherited.deadline, 0));
    return sheaf_timeout_end(&limit, extra->inner(arg, result));
}

static void hand_down(struct scope *scope, struct sheaf__extra *extra, sheaf_time deadline,
                      unsigned flags)
{
    scope->before = extra->inherited;
    bool sooner = !extra->inherited.run || deadline < extra->inherited.deadline;
    if ((flags & SHEAF_TIMEOUT_INHERIT) && sooner) {
        extra->inherited = (struct sheaf__inherited){run_inherited, deadline};
        sheaf__forks_inherit(scope->task);
    }
}

/* ---------------------------------------------------------------- begin and end */

static void fill_scope(struct scope *scope, sheaf_future *task)
{
    *scope = (struct scope){.block = {.what = "timeout"}};
    scope->task = task;
    scope->pool = sheaf_pool_current();
    scope->baseline = sheaf_cancelling(task);
    sheaf__store_rlx(&scope->state, ACTIVE);
}

int sheaf_timeout_begin_until(sheaf_timeout *timeout, sheaf_time deadline, unsigned flags)
{
    sheaf_future *task = sheaf_current();
    if (!timeout || (flags & ~(unsigned)SHEAF_TIMEOUT_INHERIT)) {
        return SHEAF_INVALID;
    }
    if (!task) {
        return SHEAF_NOTASK;
    }
    struct scope *scope = scope_of(timeout);
    if (sheaf__task_has_block(task, &scope->block)) {
        return SHEAF_STATE;
    }
    struct sheaf__extra *extra = sheaf__future_need_extra(task);
    if (!extra) {
        return SHEAF_NOMEM;
    }
    fill_scope(scope, task);
    if (set_timer(scope, deadline)) {
        sheaf__store_rlx(&scope->state, IDLE);
        return SHEAF_NOMEM;
    }
    hand_down(scope, extra, deadline, flags);
    sheaf__task_begin_block(task, &scope->block);
    return SHEAF_OK;
}

int sheaf_timeout_begin(sheaf_timeout *timeout, sheaf_duration limit, unsigned flags)
{
    return sheaf_timeout_begin_until(timeout, sheaf_time_add(sheaf_now(), limit), flags);
}

/* The error that a limit ends with.
 *
 *   cause  what left the body; borrowed, may be NULL */
static sheaf_error *timeout_error(sheaf_error *cause)
{
    return sheaf_error_with_cause(sheaf_error_new(SHEAF_TIMEOUT, NULL), cause);
}

/* What leaves a scope that has expired, its request taken back.
 *
 *   left  how many requests are still counted */
static int leave_expired(struct scope *scope, int status, int left)
{
    sheaf_future *task = scope->task;
    sheaf_error *raised = sheaf__task_raised(task, status);
    sheaf_error *error = NULL;
    if (status == SHEAF_CANCELLED && left <= scope->baseline) {
        error = timeout_error(raised ? raised : sheaf__error_of_status(SHEAF_CANCELLED));
        status = SHEAF_TIMEOUT;
    } else if (status != SHEAF_CANCELLED && raised) {
        /* TO5: it passes, and says what was going on. */
        sheaf_error *during = timeout_error(NULL);
        error = sheaf_error_with_during(sheaf_error_retain(raised), during);
        sheaf_error_release(during);
    }
    if (error) {
        sheaf__task_set_raised(task, error);
        sheaf_error_release(error);
    }
    sheaf_error_release(raised);
    return status;
}

int sheaf_timeout_end(sheaf_timeout *timeout, int status)
{
    sheaf_future *task = sheaf_current();
    if (!timeout) {
        return SHEAF_INVALID;
    }
    if (!task) {
        return SHEAF_NOTASK;
    }
    struct scope *scope = scope_of(timeout);
    if (!sheaf__task_end_block(task, &scope->block)) {
        return scope->task && scope->task != task ? SHEAF_NOTASK : SHEAF_STATE;
    }
    sheaf__future_extra(task)->inherited = scope->before;
    sheaf__spin_lock(&scope->changing);
    clear_timer(scope);
    bool expired = !leave_active(scope, ENDED);
    sheaf__spin_unlock(&scope->changing);
    if (!expired) {
        return status;
    }
    return leave_expired(scope, status, sheaf__task_withdraw(task, &scope->ticket));
}

int sheaf_timeout_reschedule(sheaf_timeout *timeout, sheaf_time deadline)
{
    if (!timeout) {
        return SHEAF_INVALID;
    }
    struct scope *scope = scope_of(timeout);
    int status = SHEAF_STATE;
    sheaf__spin_lock(&scope->changing);
    if (may_move(scope)) {
        clear_timer(scope);
        if (sheaf__load_acq(&scope->state) == ACTIVE) {
            sheaf_time before = sheaf__load_rlx(&scope->deadline);
            status = set_timer(scope, deadline);
            if (status != SHEAF_OK) {
                /* No thread for the first timer of the pool: so there was none before. */
                sheaf__store_rlx(&scope->deadline, before);
            }
            /* On a virtual clock that is at rest time may move now. */
            sheaf__idle_wake_one(&scope->pool->idle);
        }
    }
    sheaf__spin_unlock(&scope->changing);
    return status;
}

sheaf_time sheaf_timeout_when(const sheaf_timeout *timeout)
{
    return timeout ? sheaf__load_rlx(&scope_of(timeout)->deadline) : SHEAF_FOREVER;
}

bool sheaf_timeout_expired(const sheaf_timeout *timeout)
{
    return timeout && sheaf__load_acq(&scope_of(timeout)->state) == EXPIRED;
}

/* ---------------------------------------------------------------- waiting with a limit */

/* Waits for the end of a future that has been asked.  A request to the caller ends the wait and
 * does not reach the future once more, unless there is no memory for that. */
static int wait_for_end(sheaf_future *future)
{
    int status = SHEAF_NOMEM;
    if (sheaf_current()) {
        status = sheaf_wait(&future, 1, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, NULL);
    }
    return status == SHEAF_NOMEM ? sheaf__future_wait(future, SHEAF_FOREVER) : status;
}

/* Cancels a future and waits for its end: the limit has passed at once. */
static int cancel_and_wait(sheaf_future *future, sheaf_value *value)
{
    if (!sheaf__future_ask(future, SHEAF_ORIGIN_TIMEOUT, NULL)) {
        return sheaf_await(future, value);
    }
    SHEAF_TRY(wait_for_end(future));
    /* Not sheaf_cancelled(): a gather fails with the cancellation of its members. */
    if (sheaf__future_outcome(future) == SHEAF_CANCELLED) {
        return sheaf_raise(SHEAF_TIMEOUT, NULL);
    }
    return sheaf_await(future, value);
}

/* Where there is no task there is no scope. */
static int wait_for_as_thread(sheaf_future *future, sheaf_time deadline, sheaf_value *value)
{
    int status = sheaf__future_wait(future, deadline);
    return status == SHEAF_OK        ? sheaf_result(future, value)
           : status == SHEAF_TIMEOUT ? cancel_and_wait(future, value)
                                     : status;
}

/* Whether it has an outcome that no request has brought about. */
static bool ended_by_itself(const sheaf_future *future)
{
    return sheaf__future_done(future) && sheaf__future_outcome(future) != SHEAF_CANCELLED;
}

int sheaf_wait_for_until(sheaf_future *future, sheaf_time deadline, sheaf_value *value)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    if (!sheaf_current()) {
        return wait_for_as_thread(future, deadline, value);
    }
    if (deadline <= sheaf_now()) {
        return cancel_and_wait(future, value);
    }
    sheaf_timeout limit;
    SHEAF_TRY(sheaf_timeout_begin_until(&limit, deadline, 0));
    int status = sheaf_timeout_end(&limit, sheaf_await(future, value));
    if (status == SHEAF_TIMEOUT && sheaf_timeout_expired(&limit) && ended_by_itself(future)) {
        /* WF9: it was there when the limit passed, and the caller had not gone on yet. */
        return sheaf__future_read(future, sheaf_current(), value);
    }
    return status;
}

int sheaf_wait_for(sheaf_future *future, sheaf_duration limit, sheaf_value *value)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    sheaf_pool *pool = sheaf_current() ? sheaf_pool_current() : sheaf__future_pool(future);
    return sheaf_wait_for_until(future, sheaf_time_add(sheaf_pool_now(pool), limit), value);
}

int sheaf_call_for(sheaf_fn *fn, void *arg, sheaf_duration limit, sheaf_value *value)
{
    if (!fn) {
        return SHEAF_INVALID;
    }
    sheaf_timeout scope;
    sheaf_value result = {0};
    SHEAF_TRY(sheaf_timeout_begin(&scope, limit, 0));
    int status = sheaf_timeout_end(&scope, fn(arg, &result));
    if (status == SHEAF_OK && value) {
        *value = result;
    }
    return status;
}
