/* Futures that complete at their time: no task, no stack, one timer.
 *
 * The pool has a reference to the future for as long as the timer is set or fires.  Who ends the
 * future decides under its LOCK, and touches the timer's record only before it is done:
 *
 *     the timer fires        LOCK; gives the record back; ends it unless it is done
 *     somebody cancels it    LOCK, not done: takes the timer back; if it is about to fire, leaves
 *                            record and reference to that
 *
 * so the record is there while the future is not done. */
#include "lib/future_impl.h"

#include "lib/platform/clock.h"

/* Half of what a pending timer costs; the other half is the future. */
struct record {
    struct sheaf__timer timer;
    sheaf_future *future; /* a reference */
};

_Static_assert(sizeof(struct record) == SHEAF__RECORD_SIZE, "it is cut from slabs of records");

/* The place of the value points to the record until there is a value.  Requires: LOCK, not done */
static struct record *record_of(const sheaf_future *future)
{
    return (struct record *)future->job.out.value.ptr;
}

/* It is about to be cancelled by somebody who has a reference.  Requires: LOCK, not done */
static void disarm(sheaf_future *future)
{
    sheaf_pool *pool = sheaf__future_pool(future);
    struct record *record = record_of(future);
    if (sheaf__timer_take_back(&pool->keeper, &record->timer)) {
        sheaf__depot_give(&pool->timers, record);
        /* Not the last one: see above. */
        sheaf__sub_acq_rel(&future->job.word, SHEAF__WORD_REFERENCE);
    }
}

static const struct sheaf__composed_ops timer_ops = {.what = "timer", .disarm = disarm};

/* There is nothing behind a timer but its record, so all share this; nobody writes to it. */
static struct sheaf__composed timer_composed = {.ops = &timer_ops};

/* A pool that ends fires all its timers, those before their time too. */
static int status_of(sheaf_pool *pool, const struct sheaf__timer *timer)
{
    /* acquire: pairs with the release in sheaf__pool_stop(). */
    bool ends = sheaf__load_acq(&pool->phase) == SHEAF__POOL_STOPPED;
    return ends && sheaf__timekeeper_now(&pool->keeper) < timer->deadline ? SHEAF_CLOSED : SHEAF_OK;
}

static void fire(struct sheaf__timer *timer)
{
    struct record *record = SHEAF__CONTAINER(timer, struct record, timer);
    sheaf_future *future = record->future;
    sheaf_pool *pool = sheaf__future_pool(future);
    int status = status_of(pool, timer);
    sheaf__future_lock(future);
    sheaf__depot_give(&pool->timers, record);
    if (sheaf__future_done(future)) {
        sheaf__future_unlock(future);
    } else {
        /* That its pool went first is nobody's mistake, to be reported if nobody looks. */
        sheaf__future_mark_looked(future);
        future->job.out.value.u64 = 0;
        sheaf__future_finish_locked(future, status);
    }
    sheaf_release(future);
}

/* Returns: false for want of memory */
static bool fill(sheaf_pool *pool, sheaf_future *future, struct record *record)
{
    future->in.composed = &timer_composed;
    future->job.out.value.ptr = record;
    *record = (struct record){.timer = {.fire = fire, .kind = SHEAF__TIMER_DETACHED}};
    record->future = future;
    return !(pool->flags & SHEAF_POOL_STAMPS) || sheaf__future_need_extra(future);
}

/* Sets the timer, which has a reference of its own.  Returns: false when there is no thread for it
 */
static bool start(sheaf_pool *pool, struct record *record, sheaf_time deadline)
{
    sheaf_future *future = sheaf_retain(record->future);
    if (sheaf__timer_set(&pool->keeper, &record->timer, deadline) == SHEAF_OK) {
        if (pool->is_virtual && sheaf_pool_current() != pool) {
            sheaf__idle_wake_one(&pool->idle); /* time may move now */
        }
        return true;
    }
    sheaf_release(future);
    return false;
}

static sheaf_future *new_timer(sheaf_pool *pool, sheaf_time deadline)
{
    sheaf_future *future = sheaf__future_new_bare(pool);
    struct record *record = future ? sheaf__depot_take(&pool->timers) : NULL;
    if (record && fill(pool, future, record) && start(pool, record, deadline)) {
        return future;
    }
    if (record) {
        sheaf__depot_give(&pool->timers, record);
    }
    sheaf_release(future);
    return sheaf__future_failed(SHEAF_NOMEM);
}

static sheaf_pool *pool_or_default(sheaf_pool *given)
{
    sheaf_pool *pool = given ? given : sheaf_pool_current();
    return pool ? pool : sheaf_pool_default();
}

sheaf_future *sheaf_timer_until(sheaf_pool *given, sheaf_time time)
{
    if (time == SHEAF_FOREVER) {
        return sheaf__future_failed(SHEAF_INVALID);
    }
    sheaf_pool *pool = pool_or_default(given);
    if (pool && sheaf__pool_is_lost(pool)) {
        return sheaf__future_failed(SHEAF_CLOSED);
    }
    return pool ? new_timer(pool, time) : sheaf__future_failed(SHEAF_NOMEM);
}

/* What is too far away for the clock is as far as it goes. */
#define LAST_TIME (SHEAF_FOREVER - 1)

sheaf_future *sheaf_timer(sheaf_pool *given, sheaf_duration delay)
{
    if (delay == SHEAF_FOREVER) {
        return sheaf__future_failed(SHEAF_INVALID);
    }
    sheaf_pool *pool = pool_or_default(given);
    sheaf_time time = sheaf__deadline_after(sheaf_pool_now(pool), delay);
    return sheaf_timer_until(pool, time < LAST_TIME ? time : LAST_TIME);
}
