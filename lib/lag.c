/* Reports of tasks that were asked to cancel and have not reacted in the time that their pool's
 * options give them.
 *
 * A request that stays undelivered with a running task sets a timer, once for all requests until
 * one is delivered; what ends that takes the timer back, so that none is set while nobody is late.
 * `lag` in the extra part, guarded by LOCK, names the record while its timer counts:
 *
 *     the timer fires         LOCK; if it is still the task's: the task is late
 *     delivery, withdrawal,   LOCK; takes it off the task, and the timer back; if that is about to
 *     the task's end          fire, leaves record and reference to it
 */
#include "lib/future_impl.h"

#include "lib/alloc.h"
#include "lib/late_line.h"

struct sheaf__lag {
    struct sheaf__timer timer; /* detached */
    sheaf_future *task;        /* a reference */
};

/* Whether it is the task's, which is not late any more after this call.  A pool that ends fires all
 * its timers, those before their time too. */
static bool take_off(struct sheaf__lag *lag, sheaf_pool *pool)
{
    sheaf_future *task = lag->task;
    sheaf__future_lock(task);
    struct sheaf__extra *extra = sheaf__future_extra(task);
    bool ours = extra->lag == lag;
    if (ours) {
        extra->lag = NULL;
    }
    sheaf__future_unlock(task);
    return ours && sheaf__timekeeper_now(&pool->keeper) >= lag->timer.deadline;
}

static void fire(struct sheaf__timer *timer)
{
    struct sheaf__lag *lag = SHEAF__CONTAINER(timer, struct sheaf__lag, timer);
    sheaf_future *task = lag->task;
    sheaf_pool *pool = sheaf__future_pool(task);
    if (take_off(lag, pool)) {
        sheaf__late_to_react(task, pool->cancel_report);
    }
    sheaf__free(lag, sizeof *lag);
    sheaf_release(task);
}

/* Returns: a record whose timer is set; NULL: there is none */
static struct sheaf__lag *start(sheaf_pool *pool, sheaf_future *task)
{
    struct sheaf__lag *lag = sheaf__alloc(sizeof *lag);
    if (!lag) {
        return NULL;
    }
    *lag = (struct sheaf__lag){.timer = {.fire = fire, .kind = SHEAF__TIMER_DETACHED}};
    lag->task = task;
    int64_t deadline = sheaf_time_add(sheaf__timekeeper_now(&pool->keeper), pool->cancel_report);
    /* Never fired from here, where LOCK is held. */
    if (!sheaf__timer_try_set(&pool->keeper, &lag->timer, deadline)) {
        sheaf__free(lag, sizeof *lag);
        return NULL;
    }
    if (pool->is_virtual && sheaf_pool_current() != pool) {
        sheaf__idle_wake_one(&pool->idle); /* time may move now */
    }
    return lag;
}

void sheaf__lag_begin(sheaf_future *task)
{
    /* A task in a frame is not to be held. */
    bool plain = sheaf__future_is_task(task) && !(sheaf__future_flags(task) & SHEAF__JOB_FRAME);
    sheaf_pool *pool = plain ? sheaf__future_pool(task) : NULL;
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (!pool || pool->cancel_report == 0 || !extra || extra->lag || sheaf__future_done(task) ||
        sheaf__load_acq(&task->job.state) != SHEAF__RUNNING) {
        return;
    }
    extra->lag = start(pool, task);
    if (extra->lag) {
        sheaf_retain(task); /* before the timer can have LOCK */
    }
}

void sheaf__lag_end(sheaf_future *task, struct sheaf__extra *extra)
{
    struct sheaf__lag *lag = extra->lag;
    extra->lag = NULL;
    if (sheaf__timer_take_back(&sheaf__future_pool(task)->keeper, &lag->timer)) {
        sheaf__free(lag, sizeof *lag);
        /* Not what keeps it: it has not ended, and its runner sees to that. */
        sheaf__sub_acq_rel(&task->job.word, SHEAF__WORD_REFERENCE);
    }
}
