#include "lib/waiters.h"

#include "lib/idle.h"
#include "lib/spin.h"

/* A sleep of waiters, and the limit of a plain thread's that is kept by a virtual clock. */
struct nap {
    struct sheaf__sleep sleep;
    struct sheaf__timekeeper *keeper; /* NULL: the sleep keeps its limit itself */
    struct sheaf__timer timer;
};

/* ---------------------------------------------------------------- sleeping */

static void fire_nap(struct sheaf__timer *timer)
{
    struct nap *nap = SHEAF__CONTAINER(timer, struct nap, timer);
    sheaf__wake(nap->sleep.wait, SHEAF__WAIT_TIMEOUT);
}

static bool is_kept_by(const sheaf_pool *clock, sheaf_time deadline)
{
    return clock && clock->is_virtual && deadline != SHEAF_FOREVER &&
           !sheaf__worker_current(sheaf__worker_self());
}

static int begin_nap(struct nap *nap, const char *what, sheaf_pool *clock, sheaf_time deadline)
{
    bool by_timer = is_kept_by(clock, deadline);
    nap->keeper = NULL;
    SHEAF_TRY(sheaf__sleep_begin(&nap->sleep, what, by_timer ? SHEAF_FOREVER : deadline));
    if (by_timer) {
        nap->keeper = &clock->keeper;
        nap->timer = (struct sheaf__timer){.fire = fire_nap};
        sheaf__timer_set(nap->keeper, &nap->timer, deadline);
        sheaf__idle_wake_one(&clock->idle);
    }
    return SHEAF_OK;
}

/* On return the timer touches the nap no more. */
static void end_limit(struct nap *nap)
{
    if (nap->keeper) {
        sheaf__timer_clear(nap->keeper, &nap->timer);
    }
}

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
static int sleep_in_line(struct nap *nap, struct sheaf__waiter *waiters,
                         struct sheaf__waiter **chosen)
{
    struct sheaf__waiter *end;
    *chosen = queue_all(waiters, nap->sleep.wait, &end);
    if (*chosen) {
        leave_all(waiters, end);
        end_limit(nap);
        sheaf__sleep_abandon(&nap->sleep);
        return SHEAF_OK;
    }
    uint32_t reason = sheaf__sleep_end(&nap->sleep);
    end_limit(nap);
    *chosen = leave_all(waiters, end);
    int status = SHEAF_OK;
    if (reason == SHEAF__WAIT_CANCEL) {
        status = sheaf__task_deliver(nap->sleep.task);
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
        struct nap nap;
        SHEAF_TRY(begin_nap(&nap, what, clock, deadline));
        SHEAF_TRY(sleep_in_line(&nap, waiters, chosen));
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
        struct nap nap;
        nap.keeper = NULL;
        if (sheaf__sleep_begin_deaf(&nap.sleep) == SHEAF_OK) {
            sleep_in_line(&nap, waiter, &chosen);
        } else {
            sheaf__spin_wait(&turns);
            chosen = sheaf__waiters_look(waiter);
        }
    }
}
