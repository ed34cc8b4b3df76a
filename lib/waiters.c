#include "lib/waiters.h"

#include "lib/spin.h"

/* ---------------------------------------------------------------- lines */

struct sheaf__waiter *sheaf__waiters_look(struct sheaf__waiter *waiters)
{
    for (struct sheaf__waiter *waiter = waiters; waiter; waiter = waiter->also) {
        waiter->wait = NULL;
        if (waiter->kind->look(waiter) == SHEAF__LOOK_TAKEN) {
            return waiter;
        }
    }
    return NULL;
}

/* Gets each in line, until one finds something or the sleep has been ended.
 *
 *   *end  the first one that is in no line; NULL: all are
 *
 * Returns: the one that has taken something, or NULL */
static struct sheaf__waiter *queue_all(struct sheaf__waiter *waiters, struct sheaf__wait *wait,
                                       struct sheaf__waiter **end)
{
    enum sheaf__look look = SHEAF__LOOK_QUEUED;
    struct sheaf__waiter *waiter = waiters;
    while (waiter) {
        waiter->wait = wait;
        waiter->chosen = false;
        look = waiter->kind->look(waiter);
        if (look != SHEAF__LOOK_QUEUED) {
            break;
        }
        waiter = waiter->also;
    }
    *end = waiter;
    return look == SHEAF__LOOK_TAKEN ? waiter : NULL;
}

/* W3.  Returns: the one that was chosen, or NULL */
static struct sheaf__waiter *leave_all(struct sheaf__waiter *waiters,
                                       const struct sheaf__waiter *end)
{
    struct sheaf__waiter *chosen = NULL;
    for (struct sheaf__waiter *waiter = waiters; waiter != end; waiter = waiter->also) {
        waiter->kind->leave(waiter);
        if (waiter->chosen) {
            chosen = waiter;
        }
    }
    return chosen;
}

/* W4. */
static void settle(struct sheaf__waiter *chosen, bool kept)
{
    void (*act)(struct sheaf__waiter *) = kept ? chosen->kind->accept : chosen->kind->decline;
    if (act) {
        act(chosen);
    }
}

/* One sleep.
 *
 * Returns: SHEAF_OK, with *chosen NULL when a request ended it that was then withdrawn */
static int sleep_in_line(struct sheaf__sleep *sleep, struct sheaf__waiter *waiters,
                         struct sheaf__waiter **chosen)
{
    struct sheaf__waiter *end;
    *chosen = queue_all(waiters, sleep->wait, &end);
    if (*chosen) {
        leave_all(waiters, end);
        sheaf__sleep_abandon(sleep);
        return SHEAF_OK;
    }
    uint32_t reason = sheaf__sleep_end(sleep);
    *chosen = leave_all(waiters, end);
    int status = SHEAF_OK;
    if (reason == SHEAF__WAIT_CANCEL) {
        status = sheaf__task_deliver(sleep->task);
    } else if (!*chosen) {
        status = reason == SHEAF__WAIT_TIMEOUT ? SHEAF_TIMEOUT : SHEAF_OK;
    }
    if (*chosen) {
        settle(*chosen, status == SHEAF_OK);
        *chosen = status == SHEAF_OK ? *chosen : NULL;
    }
    return status;
}

int sheaf__waiters_wait(struct sheaf__waiter *waiters, sheaf_pool *clock, sheaf_time deadline,
                        struct sheaf__waiter **chosen)
{
    *chosen = sheaf__waiters_look(waiters);
    const char *what = waiters->also ? "one of several things" : waiters->kind->what;
    while (!*chosen) {
        struct sheaf__sleep sleep;
        SHEAF_TRY(sheaf__sleep_begin_on(&sleep, clock, what, deadline));
        SHEAF_TRY(sleep_in_line(&sleep, waiters, chosen));
    }
    return SHEAF_OK;
}

int sheaf__waiter_wait(struct sheaf__waiter *waiter, sheaf_time deadline)
{
    struct sheaf__waiter *chosen;
    SHEAF_TRY(sheaf__waiters_wait(waiter, NULL, deadline, &chosen));
    return waiter->status;
}

void sheaf__waiter_wait_deaf(struct sheaf__waiter *waiter)
{
    unsigned turns = 0;
    struct sheaf__waiter *chosen = sheaf__waiters_look(waiter);
    while (!chosen) {
        struct sheaf__sleep sleep;
        if (sheaf__sleep_begin_deaf(&sleep) == SHEAF_OK) {
            sleep_in_line(&sleep, waiter, &chosen);
        } else {
            sheaf__spin_wait(&turns);
            chosen = sheaf__waiters_look(waiter);
        }
    }
}
