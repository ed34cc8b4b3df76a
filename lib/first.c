/* The first of several to succeed: with futures that run, or with calls started one after another.
 *
 * Both end joined: the others are cancelled, and the wait for their ends is not cut short by a
 * request to the caller, which is passed on to them and reported afterwards. */
#include <sheaf/gather.h>
#include <sheaf/task.h>

#include "lib/alloc.h"
#include "lib/error_impl.h"
#include "lib/future_impl.h"
#include "lib/tally.h"
#include "lib/waiting.h"

/* ---------------------------------------------------------------- errors */

/* The errors of those that have failed or were cancelled, as one; in a task it is what the task
 * fails with.  Returns: the code of the first */
static int raise_all(sheaf_future *const *futures, size_t count)
{
    sheaf_error **parts = sheaf__alloc_array(count, sizeof *parts);
    int first = SHEAF_CANCELLED;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        int status = sheaf__future_outcome(futures[i]);
        if (status != SHEAF_CANCELLED && first == SHEAF_CANCELLED) {
            first = status;
        }
        sheaf__future_mark_looked(futures[i]);
        if (parts && status != SHEAF_CANCELLED) {
            parts[kept++] = sheaf__future_told_error(futures[i]);
        }
    }
    sheaf_error *error = sheaf_error_group(first, NULL, parts, kept);
    for (size_t i = 0; i < kept; i++) {
        sheaf_error_release(parts[i]);
    }
    sheaf__free_array(parts, count, sizeof *parts);
    if (sheaf_current()) {
        sheaf__task_set_raised(sheaf_current(), error);
    }
    sheaf_error_release(error);
    return first;
}

/* ---------------------------------------------------------------- first success */

/* Waits for the decision.  Returns: SHEAF_OK, SHEAF_CANCELLED, SHEAF_NOMEM */
static int wait_for_decision(struct sheaf__tally *tally)
{
    int status = SHEAF_OK;
    sheaf__monitor_enter(&tally->monitor);
    while (!tally->decided && status == SHEAF_OK) {
        status = sheaf__monitor_wait(&tally->monitor, NULL, "futures", SHEAF_FOREVER);
    }
    sheaf__monitor_leave(&tally->monitor);
    return status;
}

static size_t index_of(const struct sheaf__tally *tally, const struct sheaf__member *member)
{
    return (size_t)(member - tally->members);
}

/* The tally is decided, or the caller was asked, or there is no memory to wait with. */
static int end_first(struct sheaf__tally *tally, int status, sheaf_future *const *futures,
                     sheaf_value *value, size_t *winner)
{
    int joined = sheaf__cancel_and_join(futures, tally->count, SHEAF_ORIGIN_GROUP);
    status = status == SHEAF_OK ? joined : status;
    if (status != SHEAF_OK) {
        return status;
    }
    if (!tally->decider) {
        return raise_all(futures, tally->count);
    }
    sheaf__tally_mark_looked(tally, true); /* failures before the success are nobody's concern */
    if (winner) {
        *winner = index_of(tally, tally->decider);
    }
    return sheaf__future_read(tally->decider->future, sheaf_current(), value);
}

int sheaf_first_success(sheaf_future *const *futures, size_t count, sheaf_value *value,
                        size_t *winner)
{
    if (count == 0 || !sheaf__futures_valid(futures, count)) {
        return SHEAF_INVALID;
    }
    struct sheaf__tally *tally = sheaf__tally_new(futures, count, SHEAF__RULE_SUCCESS, NULL, 0);
    if (!tally) {
        return SHEAF_NOMEM;
    }
    sheaf__tally_start(tally);
    int status = end_first(tally, wait_for_decision(tally), futures, value, winner);
    sheaf__tally_leave(tally);
    return status;
}

/* ---------------------------------------------------------------- staggered race */

struct race {
    const sheaf_call *calls;
    size_t count;
    sheaf_duration delay;
    sheaf_future **futures; /* of the calls that were started, by index */
    sheaf_future **pending; /* of these, the ones that were not seen ended */
    size_t started;
    size_t waiting; /* entries of pending */
    size_t winner;  /* count: none */
};

/* Starts the next call if there is one.  Returns: when the one after it is to start */
static sheaf_time start_next(struct race *race)
{
    if (race->started < race->count) {
        const sheaf_call *call = &race->calls[race->started];
        sheaf_future *future = call->future;
        if (future) {
            sheaf__future_hold(future); /* it may lie in a frame */
        } else {
            future = sheaf_spawn_at(NULL, call->fn, call->arg);
        }
        race->futures[race->started++] = future;
        race->pending[race->waiting++] = future;
    }
    sheaf_pool *clock = sheaf__clock_of(race->futures, race->started);
    return sheaf_time_add(sheaf_pool_now(clock), race->delay);
}

static size_t index_in(const struct race *race, const sheaf_future *future)
{
    size_t at = 0;
    while (race->futures[at] != future) {
        at++;
    }
    return at;
}

/* Looks at those that have ended, in the order of their ends.  Returns: whether the newest has */
static bool look_at_done(struct race *race, size_t done)
{
    bool newest = false;
    for (size_t i = 0; i < done && race->winner == race->count; i++) {
        sheaf_future *future = race->pending[i];
        newest = newest || future == race->futures[race->started - 1];
        if (sheaf__future_outcome(future) == SHEAF_OK) {
            race->winner = index_in(race, future);
        }
    }
    race->waiting -= done;
    for (size_t i = 0; i < race->waiting; i++) {
        race->pending[i] = race->pending[done + i];
    }
    return newest;
}

/* Runs until one has succeeded or all have failed.  Returns: SHEAF_OK, SHEAF_CANCELLED, SHEAF_NOMEM
 */
static int run_race(struct race *race)
{
    sheaf_time next = start_next(race);
    while (race->winner == race->count && race->waiting > 0) {
        size_t done = 0;
        sheaf_time deadline = race->started < race->count ? next : SHEAF_FOREVER;
        SHEAF_TRY(
            sheaf_wait_until(race->pending, race->waiting, SHEAF_FIRST_COMPLETED, deadline, &done));
        bool newest = look_at_done(race, done);
        if (race->winner == race->count && (newest || done == 0)) {
            next = start_next(race);
        }
    }
    return SHEAF_OK;
}

/* The error of a call that was started, as one that the caller keeps; NULL for the winner's, and
 * for one that awaits the caller and so could not be joined. */
static sheaf_error *error_of(sheaf_future *future)
{
    if (!sheaf__future_done(future) || sheaf__future_outcome(future) == SHEAF_OK) {
        return NULL;
    }
    sheaf_error *error = sheaf_future_error(future);
    return error ? error : sheaf_error_new(sheaf__future_outcome(future), NULL);
}

static int tell_race(struct race *race, int status, sheaf_value *value, size_t *winner,
                     sheaf_error **errors)
{
    for (size_t i = 0; i < race->started; i++) {
        sheaf__future_mark_looked(race->futures[i]); /* the caller has them, or wants none */
    }
    for (size_t i = 0; errors && i < race->count; i++) {
        errors[i] = i < race->started ? error_of(race->futures[i]) : NULL;
    }
    if (status != SHEAF_OK) {
        return status;
    }
    if (race->winner == race->count) {
        return raise_all(race->futures, race->started);
    }
    if (winner) {
        *winner = race->winner;
    }
    return sheaf__future_read(race->futures[race->winner], sheaf_current(), value);
}

int sheaf_race(const sheaf_call *calls, size_t count, sheaf_duration delay, sheaf_value *value,
               size_t *winner, sheaf_error **errors)
{
    if (count == 0) {
        return SHEAF_EMPTY;
    }
    if (!sheaf__calls_valid(calls, count)) {
        return SHEAF_INVALID;
    }
    struct race race = {.calls = calls, .count = count, .delay = delay, .winner = count};
    race.futures = sheaf__alloc_array(count, sizeof(sheaf_future *));
    race.pending = sheaf__alloc_array(count, sizeof(sheaf_future *));
    int status = SHEAF_NOMEM;
    if (race.futures && race.pending) {
        status = run_race(&race);
        int joined = sheaf__cancel_and_join(race.futures, race.started, SHEAF_ORIGIN_GROUP);
        status = tell_race(&race, status == SHEAF_OK ? joined : status, value, winner, errors);
        for (size_t i = 0; i < race.started; i++) {
            sheaf__future_unhold(race.futures[i]);
        }
    }
    sheaf__free_array(race.futures, count, sizeof(sheaf_future *));
    sheaf__free_array(race.pending, count, sizeof(sheaf_future *));
    return status;
}
