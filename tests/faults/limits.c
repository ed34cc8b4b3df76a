/* Timeout scopes, waiting with a limit, shields; groups. */
#include <errno.h>

#include "tests/faults/trial.h"

static void scopes_expire(struct fault_trial *t)
{
    sheaf_timeout outer = {{0}}, inner = {{0}};
    (void)t;
    if (ENDS(sheaf_timeout_begin(&outer, LONG, 0)) != SHEAF_OK) {
        return;
    }
    int status = ENDS(sheaf_timeout_begin_until(&inner, sheaf_time_add(sheaf_now(), SHORT), 0));
    if (status == SHEAF_OK) {
        status = ENDS(sheaf_sleep(LONG), SHEAF_CANCELLED);
        IS(sheaf_timeout_end(&inner, status), SHEAF_TIMEOUT);
        HOLDS(sheaf_timeout_expired(&inner));
    }
    ENDS(sheaf_timeout_reschedule(&outer, sheaf_time_add(sheaf_now(), SHORT)));
    HOLDS(sheaf_timeout_when(&outer) != 0);
    ENDS(sheaf_timeout_reschedule(&outer, SHEAF_FOREVER), SHEAF_STATE);
    status = ENDS(sheaf_sleep(SHORT), SHEAF_CANCELLED);
    ENDS(sheaf_timeout_end(&outer, status), SHEAF_TIMEOUT);
}

static void scopes_are_inherited(struct fault_trial *t)
{
    sheaf_timeout scope = {{0}};
    (void)t;
    if (ENDS(sheaf_timeout_begin(&scope, SHORT, SHEAF_TIMEOUT_INHERIT)) != SHEAF_OK) {
        return;
    }
    sheaf_future *child = sheaf_spawn_with(ACCOUNTED(.name = "child"), sleep_long, NULL);
    int status = ENDS(sheaf_await(child, NULL), SHEAF_CANCELLED, SHEAF_TIMEOUT);
    ENDS(sheaf_timeout_end(&scope, status), SHEAF_TIMEOUT, SHEAF_CANCELLED);
    end_all(&child, 1);
}

static void waits_have_limits(struct fault_trial *t)
{
    sheaf_future *f[3] = {sheaf_spawn_with(ACCOUNTED(.name = "slow"), sleep_long, NULL),
                          sheaf_spawn(sleep_on, NULL), sheaf_spawn(nap, NULL)};
    sheaf_value value;
    (void)t;
    int status = ENDS(sheaf_wait_for(f[0], SHORT, NULL), SHEAF_TIMEOUT);
    HOLDS(sheaf_done(f[0]) || (status == SHEAF_NOMEM && sheaf_cancelling(f[0]) == 0));
    ENDS(sheaf_wait_for_until(f[1], sheaf_now(), NULL), SHEAF_TIMEOUT);
    ENDS(sheaf_wait_for(f[2], LONG, &value));
    ENDS(sheaf_call_for(nap, NULL, LONG, &value));
    ENDS(sheaf_call_for(sleep_on, NULL, SHORT, &value), SHEAF_TIMEOUT);
    end_all(f, 3);
}

static void shields_hold(struct fault_trial *t)
{
    sheaf_future *inner = sheaf_spawn(nap, NULL);
    sheaf_future *shield = sheaf_shield(inner);
    sheaf_future *second = sheaf_shield(shield);
    (void)t;
    ENDS(sheaf_wait_for(second, 0, NULL), SHEAF_TIMEOUT);
    ENDS(sheaf_await_shielded(inner, NULL));
    sheaf_future *late = sheaf_shield(inner);
    ENDS(sheaf_await(late, NULL));
    ENDS(sheaf_await(shield, NULL));
    sheaf_future *all[4] = {inner, shield, second, late};
    end_all(all, 4);
}

static int awaits_shielded(void *arg, sheaf_value *result)
{
    return sheaf_await_shielded(arg, result);
}

static void a_shielded_wait_is_cancelled(struct fault_trial *t)
{
    sheaf_future *inner = sheaf_promise(NULL);
    sheaf_future *waiting = sheaf_spawn(awaits_shielded, inner);
    (void)t;
    ENDS(sheaf_yield());
    (void)sheaf_cancel(waiting);
    ENDS(sheaf_join(waiting, NULL), SHEAF_CANCELLED);
    (void)sheaf_try_resolve(inner, number(7));
    ENDS(sheaf_join(inner, NULL));
}

static void a_thread_waits_for_a_while(struct fault_trial *t)
{
    sheaf_future *f[2] = {sheaf_spawn_on(t->pool, sleep_on, NULL),
                          sheaf_spawn_on(t->pool, nap, NULL)};
    ENDS(sheaf_wait_for(f[0], SHORT, NULL), SHEAF_TIMEOUT);
    ENDS(sheaf_await_shielded(f[1], NULL));
    sheaf_future *shield = sheaf_shield(f[1]);
    ENDS(sheaf_wait_for(shield, LONG, NULL));
    sheaf_release(shield);
    end_all(f, 2);
}

const struct fault_scenario fault_limits[] = {
    {.name = "scopes_expire", .body = scopes_expire, .floors = FLOORS(2, 1, 0)},
    {.name = "scopes_are_inherited", .body = scopes_are_inherited, .floors = FLOORS(3, 0, 0)},
    {.name = "waits_have_limits", .body = waits_have_limits, .floors = FLOORS(5, 2, 0)},
    {.name = "shields_hold", .body = shields_hold, .floors = FLOORS(4, 2, 0)},
    {.name = "a_shielded_wait_is_cancelled",
     .body = a_shielded_wait_is_cancelled,
     .floors = FLOORS(1, 2, 0)},
    {.name = "a_thread_waits_for_a_while",
     .body = a_thread_waits_for_a_while,
     .floors = FLOORS(1, 1, 1),
     .place = FAULT_PLAIN,
     .clock = FAULT_CLOCK_REAL},
    {.name = NULL},
};

/* ---------------------------------------------------------------- groups */

static void start_members(sheaf_group *group)
{
    for (int i = 0; i < 20; i++) { /* more than room for indices at first */
        sheaf_release(sheaf_group_spawn_with(group, ACCOUNTED(.name = "member"),
                                             i % 2 ? give_value : nap_and_give, NULL));
    }
    ENDS(sheaf_group_start(group, nap, NULL), SHEAF_CLOSED);
    HOLDS(sheaf_group_live(group) <= 21);
}

static void groups_close(struct fault_trial *t)
{
    (void)t;
    for (unsigned flags = 0; flags < 4; flags++) {
        sheaf_group group;
        if (ENDS(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = flags))) != SHEAF_OK) {
            continue;
        }
        start_members(&group);
        sheaf_future *failing = sheaf_group_spawn(&group, fail, NULL);
        ENDS(sheaf_await(failing, NULL), EIO, SHEAF_CANCELLED, SHEAF_CLOSED);
        sheaf_release(failing);
        sheaf_error *error = NULL;
        int status = ENDS(sheaf_group_close_error(&group, SHEAF_OK, &error), EIO);
        HOLDS(!error == !status);
        sheaf_error_release(error);
        sheaf_value value;
        ENDS(sheaf_group_result(&group, 0, &value), SHEAF_EMPTY, SHEAF_CANCELLED, SHEAF_INVALID);
        sheaf_group_forget(&group);
    }
}

static void groups_hand_out(struct fault_trial *t)
{
    sheaf_group group;
    (void)t;
    if (ENDS(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = SHEAF_GROUP_KEEP))) !=
        SHEAF_OK) {
        return;
    }
    start_members(&group);
    for (int i = 0; i < 5; i++) {
        sheaf_future *member = NULL;
        int status = ENDS(sheaf_group_next(&group, &member), SHEAF_EMPTY, SHEAF_CANCELLED);
        HOLDS(!member == (status != SHEAF_OK));
        sheaf_release(member);
    }
    IS(sheaf_group_cancel(&group), SHEAF_OK);
    ENDS(sheaf_group_close(&group, SHEAF_OK));
    sheaf_group_forget(&group);
}

static int owns_a_group(void *arg, sheaf_value *result)
{
    sheaf_group group;
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_group_open(&group, NULL));
    sheaf_release(sheaf_group_spawn_with(&group, ACCOUNTED(.name = NULL), sleep_long, NULL));
    (void)sheaf_group_start(&group, sleep_on, NULL);
    return sheaf_group_close(&group, sheaf_sleep(SHORT));
}

static void an_owner_is_cancelled(struct fault_trial *t)
{
    sheaf_future *owner = sheaf_spawn(owns_a_group, NULL);
    (void)t;
    ENDS(sheaf_sleep(2 * SHORT));
    (void)sheaf_cancel_message(owner, "no more");
    ENDS(sheaf_join(owner, NULL), SHEAF_CANCELLED);
}

static void a_thread_has_a_group(struct fault_trial *t)
{
    sheaf_group group;
    if (ENDS(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.pool = t->pool))) != SHEAF_OK) {
        return;
    }
    start_members(&group);
    ENDS(sheaf_group_start(&group, fail, NULL), SHEAF_CLOSED);
    ENDS(sheaf_group_close(&group, SHEAF_OK), EIO);
}

const struct fault_scenario fault_groups[] = {
    {.name = "groups_close", .body = groups_close, .floors = FLOORS(204, 9, 0)},
    {.name = "groups_hand_out", .body = groups_hand_out, .floors = FLOORS(49, 4, 0)},
    {.name = "an_owner_is_cancelled", .body = an_owner_is_cancelled, .floors = FLOORS(6, 3, 0)},
    {.name = "a_thread_has_a_group",
     .body = a_thread_has_a_group,
     .floors = FLOORS(51, 8, 1),
     .place = FAULT_PLAIN,
     .clock = FAULT_CLOCK_REAL},
    {.name = NULL},
};
