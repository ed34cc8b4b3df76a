#include "lib/monitor.h"

#include "lib/future_impl.h"

struct waiter {
    struct sheaf__link link;
    struct sheaf__wait *wait;
    bool chosen; /* a notification was for this one; it is off the list */
};

void sheaf__monitor_notify(struct sheaf__monitor *monitor, size_t count)
{
    monitor->notified++;
    struct sheaf__link *link;
    while (count > 0 && (link = sheaf__list_pop_front(&monitor->waiters)) != NULL) {
        struct waiter *waiter = SHEAF__CONTAINER(link, struct waiter, link);
        if (sheaf__wait_is_gone(waiter->wait)) {
            continue; /* abandoned with its pool: it would not pass it on */
        }
        waiter->chosen = true;
        /* One whose wake fails has been woken for another reason: it passes the notification on,
         * unless it returns all the same. */
        sheaf__wake(waiter->wait, SHEAF__WAIT_DONE);
        count--;
    }
}

/* Sleeps.  Requires: entered; the sleep has begun.  Returns: not entered */
static uint32_t sleep_on(struct sheaf__monitor *monitor, struct waiter *waiter,
                         struct sheaf__sleep *sleep)
{
    waiter->wait = sleep->wait;
    waiter->chosen = false;
    sheaf__list_push_back(&monitor->waiters, &waiter->link);
    sheaf__monitor_leave(monitor);
    return sheaf__sleep_end(sleep);
}

/* What a sleep that has ended means.  Not entered. */
static int status_of(const struct sheaf__sleep *sleep, uint32_t reason)
{
    if (reason == SHEAF__WAIT_CANCEL) {
        return sheaf__task_deliver(sleep->task);
    }
    return reason == SHEAF__WAIT_TIMEOUT ? SHEAF_TIMEOUT : SHEAF_OK;
}

/* The waiter's pool when its virtual clock says nothing about what is waited for; else NULL.
 * Requires: entered */
static sheaf_pool *waits_outside(const struct sheaf__monitor *monitor)
{
    sheaf_pool *here = sheaf_pool_current();
    bool abroad = monitor->mixed || (monitor->pool && monitor->pool != here);
    return here && here->is_virtual && abroad ? here : NULL;
}

/* Says, until the next call, what the running task is about to wait for. */
static void want(struct sheaf__wanted *wanted)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    if (sheaf__worker_current(worker)) {
        /* relaxed: published by A1 of lib/await.c, and read only while the task is in the wait. */
        sheaf__store_rlx(&sheaf__load_rlx(&worker->fiber)->wait.wanted, wanted);
    }
}

static int wait_on(struct sheaf__monitor *monitor, sheaf_pool *pool, const char *what,
                   sheaf_time deadline)
{
    struct sheaf__sleep sleep;
    struct waiter waiter;
    uint32_t before = monitor->notified;
    sheaf_pool *outside = waits_outside(monitor);
    sheaf__monitor_leave(monitor);
    int status = sheaf__sleep_begin_on(&sleep, pool, what, deadline);
    sheaf__monitor_enter(monitor);
    if (status != SHEAF_OK) {
        return status;
    }
    if (monitor->notified != before) {
        sheaf__monitor_leave(monitor);
        sheaf__sleep_abandon(&sleep);
        sheaf__monitor_enter(monitor);
        return SHEAF_OK;
    }
    if (outside) {
        sheaf__add_seq(&outside->outside, 1); /* and back as in wait_as_task() in lib/await.c */
    }
    status = status_of(&sleep, sleep_on(monitor, &waiter, &sleep));
    if (outside) {
        sheaf__sub_seq(&outside->outside, 1);
    }
    sheaf__monitor_enter(monitor);
    if (!waiter.chosen) {
        sheaf__link_unlink(&waiter.link);
    } else if (status != SHEAF_OK) {
        sheaf__monitor_notify(monitor, 1);
    }
    return status;
}

int sheaf__monitor_wait(struct sheaf__monitor *monitor, sheaf_pool *pool, const char *what,
                        sheaf_time deadline)
{
    want(&monitor->wanted);
    int status = wait_on(monitor, pool, what, deadline);
    want(NULL);
    return status;
}
