/* Futures in the order of their completion (asyncio.as_completed).
 *
 * A tally keeps the ends in their order; takers take them one by one, under its monitor.  The limit
 * freezes the order: what ends later is not noted (A7). */
#include <stdlib.h>

#include <sheaf/gather.h>
#include <sheaf/task.h>

#include "lib/alloc.h"
#include "lib/future_impl.h"
#include "lib/tally.h"
#include "lib/waiting.h"

struct sheaf_each {
    struct sheaf__tally *tally;
    sheaf_pool *pool; /* whose clock the limit is on */
    struct sheaf__timer timer;
    bool timed; /* const */

    /* Guarded by the tally's monitor. */
    struct sheaf__member *last_taken;
    size_t left; /* neither given out nor reported as cut off */
    bool first_done;
};

/* ---------------------------------------------------------------- open and close */

struct place {
    sheaf_future *future;
    size_t index;
};

static int by_future_and_place(const void *a, const void *b)
{
    const struct place *left = a;
    const struct place *right = b;
    if (left->future != right->future) {
        return (uintptr_t)left->future < (uintptr_t)right->future ? -1 : 1;
    }
    return (left->index > right->index) - (left->index < right->index);
}

/* Writes each future once, in the order of their first places (A2).
 *
 *   once    count entries
 *   places  count entries, scratch
 *
 * Returns: how many there are */
static size_t drop_doubles(sheaf_future *const *futures, size_t count, sheaf_future **once,
                           struct place *places)
{
    for (size_t i = 0; i < count; i++) {
        places[i] = (struct place){futures[i], i};
        once[i] = futures[i];
    }
    qsort(places, count, sizeof *places, by_future_and_place);
    for (size_t i = 1; i < count; i++) {
        if (places[i].future == places[i - 1].future) {
            once[places[i].index] = NULL;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (once[i]) {
            once[kept++] = once[i];
        }
    }
    return kept;
}

/* A tally of each future once. */
static struct sheaf__tally *tally_of_each(sheaf_future *const *futures, size_t count)
{
    struct sheaf__tally *tally = NULL;
    sheaf_future **once = sheaf__alloc_array(count, sizeof *once);
    struct place *places = sheaf__alloc_array(count, sizeof *places);
    if (once && places) {
        size_t kept = drop_doubles(futures, count, once, places);
        tally = sheaf__tally_new(once, kept, SHEAF__RULE_ALL, NULL, 0);
        if (tally) {
            tally->each = true;
        }
    }
    sheaf__free_array(once, count, sizeof *once);
    sheaf__free_array(places, count, sizeof *places);
    return tally;
}

/* The limit has passed.  Called by the timekeeper with its lock held, inside of which the monitor's
 * lies. */
static void freeze(struct sheaf__timer *timer)
{
    struct sheaf_each *each = SHEAF__CONTAINER(timer, struct sheaf_each, timer);
    sheaf__monitor_enter(&each->tally->monitor);
    each->tally->frozen = true;
    sheaf__monitor_notify(&each->tally->monitor, SIZE_MAX);
    sheaf__monitor_leave(&each->tally->monitor);
}

static int start_limit(struct sheaf_each *each, sheaf_time deadline)
{
    if (deadline == SHEAF_FOREVER || !each->pool) {
        return SHEAF_OK;
    }
    each->timer = (struct sheaf__timer){.fire = freeze};
    each->timed = true;
    int status = sheaf__timer_set(&each->pool->keeper, &each->timer, deadline);
    /* On a virtual clock that is at rest time may move now. */
    sheaf__idle_wake_one(&each->pool->idle);
    return status;
}

static void free_each(struct sheaf_each *each)
{
    sheaf__tally_leave(each->tally);
    sheaf__free(each, sizeof *each);
}

int sheaf_each_open(sheaf_future *const *futures, size_t count, sheaf_duration limit,
                    sheaf_each **out)
{
    if (!out || !sheaf__futures_valid(futures, count)) {
        return SHEAF_INVALID;
    }
    struct sheaf_each *each = sheaf__alloc_zeroed(sizeof *each);
    struct sheaf__tally *tally = each ? tally_of_each(futures, count) : NULL;
    if (!tally) {
        sheaf__free(each, sizeof *each);
        return SHEAF_NOMEM;
    }
    each->tally = tally;
    each->left = tally->count;
    each->pool = sheaf__clock_of(futures, count);
    sheaf__tally_start(tally);
    int status = start_limit(each, sheaf_time_add(sheaf_pool_now(each->pool), limit));
    if (status != SHEAF_OK) {
        free_each(each);
        return status;
    }
    *out = each;
    return SHEAF_OK;
}

void sheaf_each_close(sheaf_each *each)
{
    if (!each) {
        return;
    }
    if (each->timed) {
        sheaf__timer_clear(&each->pool->keeper, &each->timer);
    }
    free_each(each);
}

/* ---------------------------------------------------------------- taking */

/* Takes what is there.  Requires: entered
 * Returns: SHEAF_OK with a future; SHEAF_EMPTY, SHEAF_TIMEOUT; SHEAF_STATE when nothing is there
 * yet */
static int take_now(struct sheaf_each *each, sheaf_future **next)
{
    struct sheaf__tally *tally = each->tally;
    struct sheaf__member *member =
        each->last_taken ? each->last_taken->next_done : tally->first_done;
    if (member) {
        each->last_taken = member;
        each->left--;
        *next = member->future;
        return SHEAF_OK;
    }
    if (each->left == 0) {
        return SHEAF_EMPTY;
    }
    if (tally->frozen) {
        each->left--;
        return SHEAF_TIMEOUT;
    }
    return SHEAF_STATE;
}

/* The first step suspends in any case. */
static int pass_first(struct sheaf_each *each)
{
    sheaf__monitor_enter(&each->tally->monitor);
    bool first = !each->first_done && each->left > 0;
    each->first_done = true;
    sheaf__monitor_leave(&each->tally->monitor);
    return first ? sheaf__give_way() : SHEAF_OK;
}

int sheaf_each_next(sheaf_each *each, sheaf_future **next)
{
    if (!each || !next) {
        return SHEAF_INVALID;
    }
    SHEAF_TRY(pass_first(each));
    struct sheaf__monitor *monitor = &each->tally->monitor;
    sheaf__monitor_enter(monitor);
    int status;
    while ((status = take_now(each, next)) == SHEAF_STATE) {
        status = sheaf__monitor_wait(monitor, each->pool, "a completion", SHEAF_FOREVER);
        if (status != SHEAF_OK) {
            break;
        }
    }
    /* Others may wait for what will never come: the end is for all of them. */
    if (each->left == 0) {
        sheaf__monitor_notify(monitor, SIZE_MAX);
    }
    sheaf__monitor_leave(monitor);
    return status;
}

int sheaf_each_next_value(sheaf_each *each, sheaf_value *value)
{
    sheaf_future *next;
    SHEAF_TRY(sheaf_each_next(each, &next));
    return sheaf__future_read(next, sheaf_current(), value);
}
