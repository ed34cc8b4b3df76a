/* The sleep that everything but a wait for a future waits with, and what is due when a task next
 * suspends. */
#include "lib/sleep_impl.h"

/* ---------------------------------------------------------------- what is due */

void sheaf__task_add_due(sheaf_future *task, struct sheaf__due *due)
{
    struct sheaf__due **at = &sheaf__future_extra(task)->due;
    while (*at) {
        at = &(*at)->next;
    }
    due->next = NULL;
    *at = due;
}

void sheaf__task_remove_due(sheaf_future *task, struct sheaf__due *due)
{
    struct sheaf__due **at = &sheaf__future_extra(task)->due;
    while (*at && *at != due) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = due->next;
    }
}

void sheaf__task_meet_due(sheaf_future *task)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    while (extra && extra->due) {
        struct sheaf__due *due = extra->due;
        extra->due = due->next;
        due->happen(due);
    }
}

/* With WATCH every task has an extra part. */
static void note_time(const sheaf_future *task)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    struct sheaf__extra *extra = worker->watches ? sheaf__future_extra(task) : NULL;
    if (SHEAF__UNLIKELY(extra)) {
        /* A virtual clock begins at 0. */
        sheaf__store_rlx(&extra->since, sheaf__timekeeper_now(&worker->pool->keeper) + 1);
    }
}

void sheaf__tasks_suspend_all(sheaf_future *task)
{
    note_time(task);
    /* That one is unbiased says nothing of those below it: it may be so for another reason than an
     * earlier park of this stack. */
    for (; task; task = task->in.enclosing) {
        if (!(sheaf__load_rlx(&task->job.word) & SHEAF__WORD_UNBIASED)) {
            sheaf__or_acq_rel(&task->job.word, SHEAF__WORD_UNBIASED);
        }
        sheaf__task_meet_due(task);
    }
}

/* ---------------------------------------------------------------- the sleep */

static void fire_sleep(struct sheaf__timer *timer)
{
    struct sheaf__sleep *sleep = SHEAF__CONTAINER(timer, struct sheaf__sleep, timer);
    sheaf__wake(sleep->wait, SHEAF__WAIT_TIMEOUT);
}

/* A deadline that has passed needs no timer: the sleep lets the others run once. */
static int start_timer(struct sheaf__sleep *sleep)
{
    if (sleep->deadline == SHEAF_FOREVER) {
        return SHEAF_OK;
    }
    sleep->overdue = sleep->deadline <= sheaf__timekeeper_now(sleep->keeper);
    if (sleep->overdue) {
        return SHEAF_OK;
    }
    sleep->timer = (struct sheaf__timer){.fire = fire_sleep};
    sleep->timed = true;
    return sheaf__timer_set(sleep->keeper, &sleep->timer, sleep->deadline);
}

/* A plain thread's sleep.  A limit on a virtual clock is kept by that clock.
 *
 *   pool  whose clock the deadline is on; NULL: the real one */
static int begin_thread_sleep(struct sheaf__sleep *sleep, sheaf_pool *pool)
{
    if (!sheaf__thread_wait_init(&sleep->thread)) {
        return SHEAF_NOMEM;
    }
    sleep->wait = &sleep->thread.wait;
    if (sleep->deadline != SHEAF_FOREVER && pool && pool->is_virtual &&
        !sheaf__pool_is_lost(pool)) {
        sheaf_time deadline = sleep->deadline;
        sleep->deadline = SHEAF_FOREVER;
        sleep->keeper = &pool->keeper;
        sleep->timed = true;
        sleep->timer = (struct sheaf__timer){.fire = fire_sleep};
        sheaf__timer_set(sleep->keeper, &sleep->timer, deadline);
        sheaf__idle_wake_one(&pool->idle); /* time may move now */
    }
    return SHEAF_OK;
}

int sheaf__sleep_begin_as_task(struct sheaf__sleep *sleep, struct sheaf__worker *worker)
{
    sleep->keeper = &worker->pool->keeper;
    sleep->wait = &sheaf__load_rlx(&worker->fiber)->wait;
    sheaf__wait_begin(sleep->wait);
    return start_timer(sleep);
}

int sheaf__sleep_begin_on(struct sheaf__sleep *sleep, sheaf_pool *pool, const char *what,
                          sheaf_time deadline)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf__sleep_clear(sleep, sheaf__worker_current(worker), deadline);
    if (!sleep->task) {
        return begin_thread_sleep(sleep, pool);
    }
    SHEAF_TRY(sheaf__forks_offer(worker));
    SHEAF_TRY(sheaf__sleep_begin_as_task(sleep, worker));
    sheaf__store_rlx(&sleep->wait->what, what);
    sheaf__about_to_park(sleep->task, (uintptr_t)sleep->wait | SHEAF__AWAITING_WAIT);
    return SHEAF_OK;
}

int sheaf__sleep_begin(struct sheaf__sleep *sleep, const char *what, sheaf_time deadline)
{
    return sheaf__sleep_begin_on(sleep, NULL, what, deadline);
}

int sheaf__sleep_begin_deaf(struct sheaf__sleep *sleep)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf__sleep_clear(sleep, sheaf__worker_current(worker), SHEAF_FOREVER);
    sleep->deaf = true;
    if (!sleep->task) {
        return begin_thread_sleep(sleep, NULL);
    }
    SHEAF_TRY(sheaf__forks_offer(worker));
    SHEAF_TRY(sheaf__sleep_begin_as_task(sleep, worker));
    sheaf__about_to_park(sleep->task, 0);
    return SHEAF_OK;
}

static uint32_t end_thread_sleep(struct sheaf__sleep *sleep)
{
    uint32_t reason = sheaf__thread_wait_sleep(&sleep->thread, sleep->deadline);
    sheaf__sleep_end_timer(sleep, reason);
    sheaf__thread_wait_destroy(&sleep->thread);
    sleep->handed = reason == SHEAF__WAIT_DONE;
    return reason;
}

uint32_t sheaf__sleep_end(struct sheaf__sleep *sleep)
{
    sheaf_future *task = sleep->task;
    if (!task) {
        return end_thread_sleep(sleep);
    }
    /* A2: a request that came before the asker could see the wait. */
    if (!sleep->deaf && (sheaf__load_rlx(&task->job.word) & SHEAF__REQUEST_FLAGS)) {
        sheaf__future_wait_unlocked(task);
        if (sheaf__task_is_asked(task)) {
            sheaf__wake(sleep->wait, SHEAF__WAIT_CANCEL);
        }
    }
    uint32_t reason = sheaf__sleep_park(sleep);
    sheaf__sleep_end_timer(sleep, reason);
    sheaf__back_from_park(task);
    sleep->handed = reason == SHEAF__WAIT_DONE;
    /* P7: until here a request beats whatever had been decided. */
    return !sleep->deaf && sheaf__task_is_asked(task) ? SHEAF__WAIT_CANCEL : reason;
}

void sheaf__sleep_abandon(struct sheaf__sleep *sleep)
{
    sheaf__sleep_end_timer(sleep, 0);
    if (sleep->task) {
        sheaf__back_from_park(sleep->task);
    } else {
        sheaf__thread_wait_destroy(&sleep->thread);
    }
}
