/* Promises, waiting, reading, cancelling, callbacks. */
#include <errno.h>
#include <string.h>

#include "tests/faults/trial.h"

static sheaf_future *promise(void)
{
    return sheaf_promise(SHEAF_PROMISE_OPTIONS(.name = "promise", .value_drop = fault_drop_value));
}

static void resolve_it(sheaf_future *f)
{
    sheaf_value value = fault_value();
    int status = sheaf_resolve(f, value);
    HOLDS(status == SHEAF_OK || status == SHEAF_STATE); /* it has failed already */
    if (status) {
        fault_value_taken();
    }
}

static void promises_are_kept(struct fault_trial *t)
{
    sheaf_future *f[5];
    sheaf_value value;
    (void)t;
    for (int i = 0; i < 5; i++) {
        f[i] = promise();
    }
    resolve_it(f[0]);
    ENDS(sheaf_reject(f[1], EIO, "no %s", "rows"), SHEAF_STATE);
    sheaf_error *error = sheaf_error_new(EPIPE, "gone");
    ENDS(sheaf_reject_error(f[2], error), SHEAF_STATE);
    sheaf_error_release(error);
    (void)sheaf_try_reject(f[3], EIO, "too late %d", 1);
    HOLDS(!sheaf_try_resolve(f[3], number(1)));
    HOLDS(!sheaf_done(f[4]) || sheaf_future_status(f[4]) == SHEAF_NOMEM);
    if (ENDS(sheaf_take(f[0], &value)) == SHEAF_OK) {
        fault_value_taken();
    }
    ENDS(sheaf_result(f[1], NULL), EIO);
    sheaf_error_release(sheaf_future_error(f[2]));
    HOLDS(sheaf_future_status(f[3]) == EIO || sheaf_future_status(f[3]) == SHEAF_NOMEM);
    (void)sheaf_result(f[3], NULL);
    (void)sheaf_cancel_message(f[4], "not %s", "wanted");
    HOLDS(sheaf_cancelled(f[4]) || sheaf_future_status(f[4]) == SHEAF_NOMEM);
    sheaf_release_all(f, 5);
}

static void futures_are_read(struct fault_trial *t)
{
    char name[32];
    sheaf_future *f = sheaf_spawn_with(ACCOUNTED(.data = t, .name = "read"), nap_and_give, NULL);
    sheaf_future *same = sheaf_retain(f);
    bool made = sheaf_future_data(f) == t;
    HOLDS(made || sheaf_future_status(f) == SHEAF_NOMEM);
    ENDS(sheaf_await_for(f, 0, NULL), SHEAF_TIMEOUT);
    int renamed = sheaf_future_set_name(f, "renamed");
    HOLDS(renamed == SHEAF_OK || renamed == SHEAF_NOMEM || (!made && renamed == SHEAF_INVALID));
    (void)sheaf_future_name(f, name, sizeof name);
    HOLDS(!made || strcmp(name, renamed ? "read" : "renamed") == 0);
    ENDS(sheaf_await_until(f, sheaf_time_add(sheaf_now(), LONG), NULL));
    HOLDS(sheaf_future_stamp(f) == 0);
    sheaf_release(same);
    ENDS(sheaf_join(f, NULL));
}

static void limits_pass(struct fault_trial *t)
{
    sheaf_future *f[2] = {sheaf_spawn_with(ACCOUNTED(.name = NULL), sleep_long, NULL), promise()};
    (void)t;
    for (int i = 0; i < 2; i++) {
        ENDS(sheaf_await_for(f[i], SHORT, NULL), SHEAF_TIMEOUT);
        ENDS(sheaf_await_until(f[i], sheaf_now(), NULL), SHEAF_TIMEOUT);
    }
    end_all(f, 2);
}

static void chains_are_cancelled(struct fault_trial *t)
{
    enum { CHAIN = 6 };
    sheaf_future *f[CHAIN] = {promise()};
    for (int i = 1; i < CHAIN; i++) {
        f[i] = sheaf_spawn(await_arg, f[i - 1]);
    }
    ENDS(sheaf_yield());
    bool whole = true;
    for (int i = 0; i < CHAIN; i++) {
        whole = whole && !sheaf_done(f[i]);
    }
    HOLDS(sheaf_cancel_message(f[CHAIN - 1], "down the chain %d", CHAIN) || !whole);
    int status = ENDS(sheaf_await(f[CHAIN - 1], NULL), SHEAF_CANCELLED);
    HOLDS(!whole || status == SHEAF_CANCELLED || t->schedule->workers > 1);
    end_all(f, CHAIN);
}

static void on_done(sheaf_future *f)
{
    int status = ENDS(sheaf_on_done(f, fault_callback, f), SHEAF_CLOSED);
    fault_callbacks(status == SHEAF_OK);
}

static void callbacks_run_once(struct fault_trial *t)
{
    sheaf_future *f[4] = {promise(), sheaf_spawn(nap, NULL), sheaf_spawn(fail, NULL), promise()};
    resolve_it(f[3]);
    for (int i = 0; i < 4; i++) {
        on_done(f[i]);
        on_done(f[i]);
    }
    fault_callbacks(-(long)sheaf_remove_done(f[0], fault_callback, f[0]));
    on_done(f[0]);
    resolve_it(f[0]);
    for (int i = 0; i < 4; i++) {
        ENDS(sheaf_await(f[i], NULL), EIO);
        on_done(f[i]);
        ENDS(sheaf_remove_done_and_wait(f[i], fault_callback, t));
    }
    sheaf_release_all(f, 4);
}

static int callback_that_works(void *arg, sheaf_future *future)
{
    sheaf_value value;
    (void)future;
    sheaf_future *next = sheaf_spawn_with(ACCOUNTED(.name = "next"), give_value, arg);
    (void)sheaf_result(next, &value);
    sheaf_release(next);
    return fault_callback(arg, future);
}

static void callbacks_spawn(struct fault_trial *t)
{
    sheaf_future *f[3] = {promise(), sheaf_spawn(nap, NULL), sheaf_spawn(give_seven, NULL)};
    for (int i = 0; i < 3; i++) {
        int status = ENDS(sheaf_on_done(f[i], callback_that_works, t), SHEAF_CLOSED);
        fault_callbacks(status == SHEAF_OK);
    }
    resolve_it(f[0]);
    for (int i = 0; i < 3; i++) {
        ENDS(sheaf_join(f[i], NULL));
    }
}

static void a_thread_waits(struct fault_trial *t)
{
    sheaf_future *f[4] = {
        sheaf_spawn_on(t->pool, nap, NULL),
        sheaf_spawn_with(ACCOUNTED(.pool = t->pool), nap_and_give, NULL),
        sheaf_spawn_on(t->pool, fail, NULL),
        sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = t->pool, .value_drop = fault_drop_value)),
    };
    on_done(f[3]);
    ENDS(sheaf_await(f[0], NULL));
    ENDS(sheaf_await_for(f[1], LONG, NULL));
    ENDS(sheaf_await(f[2], NULL), EIO);
    ENDS(sheaf_await_for(f[3], SHORT, NULL), SHEAF_TIMEOUT);
    resolve_it(f[3]);
    sheaf_release_all(f, 4);
}

/* A promise that could not be made is no promise: it has failed with SHEAF_NOMEM. */
static void chains_hand_on(struct fault_trial *t)
{
    sheaf_future *source[2] = {promise(), sheaf_spawn(fail, NULL)};
    sheaf_future *end[2] = {sheaf_promise(NULL), sheaf_promise(NULL)};
    (void)t;
    int status[2];
    for (int i = 0; i < 2; i++) {
        status[i] = ENDS(sheaf_chain(source[i], end[i]), SHEAF_STATE, SHEAF_INVALID);
    }
    resolve_it(source[0]);
    ENDS(sheaf_await(source[1], NULL), EIO);
    for (int i = 0; i < 2; i++) {
        HOLDS(status[i] != SHEAF_OK || sheaf_done(end[i]));
        (void)sheaf_cancel(end[i]);
        ENDS(sheaf_await(end[i], NULL), EIO, SHEAF_CANCELLED);
    }
    sheaf_release_all(end, 2);
    sheaf_release_all(source, 2);
}

static void timers_complete(struct fault_trial *t)
{
    sheaf_future *f[4] = {sheaf_timer(t->pool, SHORT), sheaf_timer(NULL, 0),
                          sheaf_timer_until(t->pool, sheaf_time_add(sheaf_now(), SHORT)),
                          sheaf_timer(NULL, LONG)};
    on_done(f[0]);
    for (int i = 0; i < 3; i++) {
        ENDS(sheaf_await(f[i], NULL));
    }
    HOLDS(sheaf_cancel(f[3]) || sheaf_future_status(f[3]) == SHEAF_NOMEM);
    ENDS(sheaf_await(f[3], NULL), SHEAF_CANCELLED);
    sheaf_release_all(f, 4);
}

const struct fault_scenario fault_futures[] = {
    {.name = "promises_are_kept", .body = promises_are_kept, .floors = FLOORS(11, 0, 0)},
    {.name = "futures_are_read", .body = futures_are_read, .floors = FLOORS(2, 2, 0)},
    {.name = "limits_pass", .body = limits_pass, .floors = FLOORS(2, 2, 0)},
    {.name = "chains_are_cancelled", .body = chains_are_cancelled, .floors = FLOORS(5, 2, 0)},
    {.name = "callbacks_run_once", .body = callbacks_run_once, .floors = FLOORS(25, 1, 0)},
    {.name = "callbacks_spawn", .body = callbacks_spawn, .floors = FLOORS(10, 1, 0)},
    {.name = "chains_hand_on", .body = chains_hand_on, .floors = FLOORS(4, 1, 0)},
    {.name = "timers_complete", .body = timers_complete, .floors = FLOORS(1, 1, 0)},
    {.name = "a_thread_waits",
     .body = a_thread_waits,
     .floors = FLOORS(4, 2, 1),
     .place = FAULT_PLAIN,
     .clock = FAULT_CLOCK_REAL},
    {.name = NULL},
};
