#include "lib/timekeeper.h"

#include <stddef.h>
#include <time.h>

#include <sheaf/base.h>

#include "lib/platform/clock.h"
#include "lib/platform/thread.h"

int sheaf__timekeeper_init(struct sheaf__timekeeper *keeper, bool is_virtual, const char *name)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error) {
        return error;
    }
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    error = pthread_cond_init(&keeper->sooner, &attributes);
    pthread_condattr_destroy(&attributes);
    if (error) {
        return error;
    }
    error = pthread_mutex_init(&keeper->lock, NULL);
    if (error) {
        pthread_cond_destroy(&keeper->sooner);
        return error;
    }
    error = pthread_cond_init(&keeper->fired, NULL);
    if (error) {
        pthread_mutex_destroy(&keeper->lock);
        pthread_cond_destroy(&keeper->sooner);
        return error;
    }
    keeper->watchers = 0;
    keeper->is_virtual = is_virtual;
    keeper->running = false;
    keeper->stop = false;
    keeper->name = name;
    sheaf__store_rlx(&keeper->virtual_now, 0);
    sheaf__store_rlx(&keeper->started, 0);
    sheaf__timers_init(&keeper->timers, is_virtual ? 0 : sheaf__clock_monotonic());
    return 0;
}

static void end_thread(struct sheaf__timekeeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    bool running = keeper->running;
    keeper->stop = true;
    keeper->running = false;
    pthread_cond_signal(&keeper->sooner);
    pthread_mutex_unlock(&keeper->lock);
    if (running) {
        pthread_join(keeper->thread, NULL);
    }
}

void sheaf__timekeeper_destroy(struct sheaf__timekeeper *keeper)
{
    pthread_cond_destroy(&keeper->fired);
    pthread_mutex_destroy(&keeper->lock);
    pthread_cond_destroy(&keeper->sooner);
}

int64_t sheaf__timekeeper_now(struct sheaf__timekeeper *keeper)
{
    if (keeper->is_virtual) {
        /* acquire: pairs with the release in sheaf__timekeeper_advance(). */
        return sheaf__load_acq(&keeper->virtual_now);
    }
    return sheaf__clock_monotonic();
}

/* ---------------------------------------------------------------- firing */

/* From the first timer on that is not plain those that are due, in order. */
struct due {
    struct sheaf__timer *first;
    struct sheaf__timer **end;
};

/* Fires a plain timer, which may be gone then.  One of another kind, and whatever comes after it
 * (P17), is put on the list; clear() waits for what is there.
 *
 * Requires: the lock is held, the timer is not set */
static void fire_one(struct sheaf__timer *timer, struct due *due)
{
    if (timer->kind == SHEAF__TIMER_PLAIN && !due->first) {
        timer->fire(timer);
        return;
    }
    timer->state = SHEAF__TIMER_FIRING;
    timer->at.next_due = NULL;
    *due->end = timer;
    due->end = &timer->at.next_due;
}

/* Requires: the lock is held.  Returns: the list of those that are to be fired without it */
static struct sheaf__timer *fire_due(struct sheaf__timekeeper *keeper, int64_t now)
{
    struct due due = {.end = &due.first};
    struct sheaf__timer *timer;
    while ((timer = sheaf__timers_pop_due(&keeper->timers, now)) != NULL) {
        fire_one(timer, &due);
    }
    return due.first;
}

void sheaf__timekeeper_fire(struct sheaf__timekeeper *keeper, struct sheaf__timer *due)
{
    while (due) {
        struct sheaf__timer *timer = due;
        due = timer->at.next_due;
        if (timer->kind == SHEAF__TIMER_DETACHED) {
            timer->fire(timer);
            continue;
        }
        bool unlocked = timer->kind == SHEAF__TIMER_UNLOCKED;
        if (unlocked) {
            timer->fire(timer);
        }
        pthread_mutex_lock(&keeper->lock);
        timer->state = SHEAF__TIMER_IDLE;
        if (!unlocked) {
            timer->fire(timer);
        }
        /* The timer may be gone: a plain one now, an unlocked one once the lock is free. */
        if (keeper->watchers > 0) {
            pthread_cond_broadcast(&keeper->fired);
        }
        pthread_mutex_unlock(&keeper->lock);
    }
}

void sheaf__timekeeper_stop(struct sheaf__timekeeper *keeper)
{
    end_thread(keeper);
    pthread_mutex_lock(&keeper->lock);
    struct sheaf__timer *due = fire_due(keeper, SHEAF__TIMERS_NEVER - 1);
    pthread_mutex_unlock(&keeper->lock);
    sheaf__timekeeper_fire(keeper, due);
}

/* ---------------------------------------------------------------- the thread */

static void sleep_until(struct sheaf__timekeeper *keeper, int64_t deadline)
{
    if (deadline == SHEAF__TIMERS_NEVER) {
        pthread_cond_wait(&keeper->sooner, &keeper->lock);
        return;
    }
    struct timespec until = {
        .tv_sec = (time_t)(deadline / 1000000000),
        .tv_nsec = (long)(deadline % 1000000000),
    };
    pthread_cond_timedwait(&keeper->sooner, &keeper->lock, &until);
}

static void *timer_thread(void *arg)
{
    struct sheaf__timekeeper *keeper = arg;
    sheaf__thread_name(keeper->name, "timer");
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->stop) {
        struct sheaf__timer *due = fire_due(keeper, sheaf__clock_monotonic());
        if (due) {
            pthread_mutex_unlock(&keeper->lock);
            sheaf__timekeeper_fire(keeper, due);
            pthread_mutex_lock(&keeper->lock);
            continue;
        }
        int64_t next = sheaf__timers_next(&keeper->timers);
        if (next > sheaf__clock_monotonic()) {
            sleep_until(keeper, next);
        }
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

/* Requires: the lock is held.  Returns: whether the thread is there, or not needed */
static bool ensure_thread(struct sheaf__timekeeper *keeper)
{
    if (!keeper->is_virtual && !keeper->running) {
        keeper->running = sheaf__thread_start(&keeper->thread, timer_thread, keeper) == 0;
    }
    return keeper->is_virtual || keeper->running;
}

/* ---------------------------------------------------------------- timers */

/* Returns: whether a timer with that deadline has nothing to wait for.  Requires: the lock is held
 */
static bool is_due(struct sheaf__timekeeper *keeper, int64_t deadline)
{
    return keeper->stop ||
           (deadline != SHEAF__TIMERS_NEVER && deadline <= sheaf__timekeeper_now(keeper));
}

/* Requires: the lock is held */
static void add_timer(struct sheaf__timekeeper *keeper, struct sheaf__timer *timer,
                      int64_t deadline)
{
    sheaf__add_rlx(&keeper->started, 1);
    if (sheaf__timers_add(&keeper->timers, timer, deadline) && !keeper->is_virtual) {
        pthread_cond_signal(&keeper->sooner);
    }
}

bool sheaf__timer_try_set(struct sheaf__timekeeper *keeper, struct sheaf__timer *timer,
                          int64_t deadline)
{
    pthread_mutex_lock(&keeper->lock);
    bool set = !is_due(keeper, deadline) && ensure_thread(keeper);
    if (set) {
        add_timer(keeper, timer, deadline);
    }
    pthread_mutex_unlock(&keeper->lock);
    return set;
}

int sheaf__timer_set(struct sheaf__timekeeper *keeper, struct sheaf__timer *timer, int64_t deadline)
{
    struct due due = {.end = &due.first};
    bool there = true;
    pthread_mutex_lock(&keeper->lock);
    if (is_due(keeper, deadline)) {
        fire_one(timer, &due);
    } else if ((there = ensure_thread(keeper))) {
        add_timer(keeper, timer, deadline);
    }
    pthread_mutex_unlock(&keeper->lock);
    sheaf__timekeeper_fire(keeper, due.first);
    return there ? SHEAF_OK : SHEAF_NOMEM;
}

bool sheaf__timer_clear(struct sheaf__timekeeper *keeper, struct sheaf__timer *timer)
{
    pthread_mutex_lock(&keeper->lock);
    bool removed = sheaf__timers_remove(&keeper->timers, timer);
    while (timer->state == SHEAF__TIMER_FIRING) {
        keeper->watchers++;
        pthread_cond_wait(&keeper->fired, &keeper->lock);
        keeper->watchers--;
    }
    pthread_mutex_unlock(&keeper->lock);
    return removed;
}

bool sheaf__timer_take_back(struct sheaf__timekeeper *keeper, struct sheaf__timer *timer)
{
    pthread_mutex_lock(&keeper->lock);
    bool removed = sheaf__timers_remove(&keeper->timers, timer);
    pthread_mutex_unlock(&keeper->lock);
    return removed;
}

size_t sheaf__timekeeper_pending(struct sheaf__timekeeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    size_t pending = keeper->timers.count;
    pthread_mutex_unlock(&keeper->lock);
    return pending;
}

bool sheaf__timekeeper_advance(struct sheaf__timekeeper *keeper, struct sheaf__timer **due)
{
    pthread_mutex_lock(&keeper->lock);
    int64_t next = sheaf__timers_next(&keeper->timers);
    bool found = next != SHEAF__TIMERS_NEVER;
    *due = NULL;
    if (found) {
        int64_t now = sheaf__load_rlx(&keeper->virtual_now);
        now = next > now ? next : now;
        /* release: whoever reads the new time sees what happened before it. */
        sheaf__store_rel(&keeper->virtual_now, now);
        *due = fire_due(keeper, now);
    }
    pthread_mutex_unlock(&keeper->lock);
    return found;
}
