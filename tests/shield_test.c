/* Shields: whose outcome it is, who holds whom, what gets through. */
#include "tests/support/fixture.h"
#include "tests/support/members.h"
#include "tests/support/pairings.h"

#include <errno.h>
#include <stdlib.h>

static int arguments_that_make_no_sense_are_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_end(sheaf_shield(NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_await_shielded(NULL, NULL), SHEAF_INVALID);
    expect_end(sheaf_shield(sheaf_spawn(NULL, NULL)), SHEAF_INVALID); /* that failed itself */
    return SHEAF_OK;
}

static int what_is_done_is_its_own_shield(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *done = resolved(3), *shield = sheaf_shield(done);
    EXPECT_PTR(shield, done);
    sheaf_release(done);
    expect_value(shield, 3);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- outcomes */

static void end_with(sheaf_future *promise, int code)
{
    if (code == SHEAF_OK) {
        EXPECT_INT(sheaf_resolve(promise, number(8)), SHEAF_OK);
    } else if (code == SHEAF_CANCELLED) {
        EXPECT(sheaf_cancel_message(promise, "enough"));
    } else {
        EXPECT_INT(sheaf_reject(promise, code, "broken"), SHEAF_OK);
    }
}

static int every_outcome_comes_through(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const int codes[3] = {SHEAF_OK, EIO, SHEAF_CANCELLED};
    for (int i = 0; i < 3; i++) {
        sheaf_future *promise = sheaf_promise(NULL);
        sheaf_future *shield = sheaf_shield(promise), *second = sheaf_shield(shield);
        EXPECT(shield != promise && !sheaf_done(second));
        end_with(promise, codes[i]);
        fixture_turns(2);
        EXPECT(sheaf_done(shield) && sheaf_done(second));
        EXPECT_INT(sheaf_cancelled(second), codes[i] == SHEAF_CANCELLED);
        EXPECT_INT(sheaf_future_status(second), codes[i]);
        sheaf_error *outer = sheaf_future_error(second), *inner = sheaf_future_error(promise);
        EXPECT_PTR(outer, inner); /* the message of a cancellation is carried over, too */
        EXPECT(!outer == (codes[i] == SHEAF_OK));
        sheaf_error_release(outer);
        sheaf_error_release(inner);
        expect_end(second, codes[i]);
        expect_end(shield, codes[i]);
        sheaf_release(promise);
    }
    return SHEAF_OK;
}

/* A gather that failed with a member's cancellation was not cancelled; nor was its shield. */
static int a_failed_gather_is_no_cancelled_shield(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *gather = sheaf_gather_future(&promise, 1, 0), *shield = sheaf_shield(gather);
    EXPECT(sheaf_cancel(promise));
    fixture_turns(2);
    EXPECT_INT(sheaf_future_status(shield), SHEAF_CANCELLED);
    EXPECT(!sheaf_cancelled(shield) && !sheaf_cancelled(gather));
    sheaf_release(gather);
    sheaf_release(shield);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* SH1, SH4, SH5 */
static int a_request_ends_the_shield_alone(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    sheaf_future *promise = sheaf_promise(NULL), *shield = sheaf_shield(promise);
    EXPECT(sheaf_cancel_message(shield, "enough"));
    EXPECT(sheaf_cancelled(shield) && !sheaf_done(promise));
    expect_error(shield, SHEAF_CANCELLED, "enough");
    EXPECT(!sheaf_cancel(shield));
    EXPECT_INT(sheaf_reject(promise, EIO, "broken"), SHEAF_OK);
    EXPECT(sheaf_cancelled(shield));
    sheaf_release(shield);
    sheaf_release(promise);
    f->unhandled_expected = 1; /* the inner one is on its own */
    return SHEAF_OK;
}

static int an_error_counts_as_looked_at_where_it_goes(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    /* The shield takes it over: one report, not two. */
    sheaf_future *promise = sheaf_promise(NULL), *shield = sheaf_shield(promise);
    EXPECT_INT(sheaf_reject(promise, EIO, "broken"), SHEAF_OK);
    sheaf_release(promise);
    EXPECT_INT(fixture_unhandled(f), 0);
    sheaf_release(shield);
    EXPECT_INT(fixture_unhandled(f), 1);
    /* One that nobody has any more takes over nothing. */
    promise = sheaf_promise(NULL);
    sheaf_release(sheaf_shield(promise));
    EXPECT_INT(sheaf_reject(promise, EIO, "broken"), SHEAF_OK);
    sheaf_release(promise);
    f->unhandled_expected = 2;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- lives */

static int a_value_is_dropped_once_when_both_are_gone(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int order = 0; order < 2; order++) {
        forget_dropped_values();
        sheaf_future *both[2] = {promise_with_drop(NULL), NULL};
        both[1] = sheaf_shield(both[0]);
        EXPECT_INT(sheaf_resolve(both[0], number(6)), SHEAF_OK);
        sheaf_release(both[order]);
        EXPECT_INT(dropped_values(), 0);
        sheaf_release(both[1 - order]);
        EXPECT_INT(dropped_values(), 1);
    }
    return SHEAF_OK;
}

/* L4: there is one value, however many futures show it. */
static int a_value_is_taken_once_through_shields_too(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int from = 0; from < 3; from++) {
        forget_dropped_values();
        sheaf_future *all[3] = {promise_with_drop(NULL), NULL, NULL};
        all[1] = sheaf_shield(all[0]);
        all[2] = sheaf_shield(all[1]);
        EXPECT_INT(sheaf_resolve(all[0], number(6)), SHEAF_OK);
        fixture_turns(2);
        sheaf_value value = {0};
        EXPECT_INT(sheaf_take(all[from], &value), SHEAF_OK);
        EXPECT_INT(value.i64, 6);
        for (int i = 0; i < 3; i++) {
            EXPECT_INT(sheaf_take(all[i], &value), SHEAF_STATE);
            EXPECT_INT(sheaf_result(all[i], &value), SHEAF_OK);
        }
        sheaf_release_all(all, 3);
        EXPECT_INT(dropped_values(), 0);
    }
    return SHEAF_OK;
}

static int shields_are_dropped_in_every_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 24; i++) {
        sheaf_future *all[3] = {sheaf_promise(NULL), NULL, NULL};
        all[1] = sheaf_shield(all[0]);
        all[2] = sheaf_shield(all[i % 2]);
        if (i % 4 == 3) {
            EXPECT(sheaf_cancel(all[1]));
        }
        for (int k = 0; k < 3; k++) {
            if (k == i % 3) {
                (void)sheaf_try_resolve(all[0], number(1));
            }
            int place = (i / 4 + k) % 3;
            if (place > 0) {
                sheaf_release(all[place]);
            }
        }
        (void)sheaf_try_resolve(all[0], number(1));
        sheaf_release(all[0]);
    }
    return SHEAF_OK;
}

static int note_end(void *arg, sheaf_future *future)
{
    sheaf_future *told = arg;
    EXPECT(sheaf_try_resolve(told, number(sheaf_future_status(future))));
    sheaf_release(told);
    return SHEAF_OK;
}

/* L7: nobody holds the shield but its callback. */
static int a_callback_on_a_shield_runs_when_nobody_holds_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int code = 0; code < 2; code++) {
        sheaf_future *promise = sheaf_promise(NULL), *told = sheaf_promise(NULL);
        sheaf_future *shield = sheaf_shield(promise);
        EXPECT_INT(sheaf_on_done(shield, note_end, sheaf_retain(told)), SHEAF_OK);
        if (code) {
            EXPECT(sheaf_cancel(shield));
        }
        sheaf_release(shield);
        EXPECT_INT(sheaf_resolve(promise, number(1)), SHEAF_OK);
        sheaf_release(promise);
        expect_value(told, code ? SHEAF_CANCELLED : SHEAF_OK);
    }
    return SHEAF_OK;
}

enum { SMALL_STACK = 64 * 1024 };

static int nest_shields(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    size_t depth = fixture_scaled(100000);
    for (int round = 0; round < 3; round++) {
        sheaf_future *promise = sheaf_promise(NULL), *top = sheaf_retain(promise);
        for (size_t i = 0; i < depth; i++) {
            sheaf_future *below = top;
            top = sheaf_shield(below);
            sheaf_release(below);
        }
        if (round == 1) {
            EXPECT(sheaf_cancel(top));
            expect_end(top, SHEAF_CANCELLED);
            EXPECT(!sheaf_done(promise));
        } else if (round == 2) {
            sheaf_release(top);
        }
        EXPECT_INT(sheaf_resolve(promise, number(2)), SHEAF_OK);
        sheaf_release(promise);
        if (round == 0) {
            expect_value(top, 2);
        }
    }
    return SHEAF_OK;
}

static int shields_nest_without_end_on_a_small_stack(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_end(sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.stack_size = SMALL_STACK), nest_shields, NULL),
               SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- waiting behind a shield */

static int await_behind_a_shield(void *arg, sheaf_value *result)
{
    return sheaf_await_shielded(arg, result);
}

static int resolve_with_five(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT(sheaf_try_resolve(arg, number(5)));
    return SHEAF_OK;
}

static void tasks_and_threads_wait_behind_shields(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct actor waiter, completer;
        sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
        actor_start(&waiter, pairing_first(pairing), f->pool, await_behind_a_shield, promise);
        actor_start(&completer, pairing_second(pairing), f->pool, resolve_with_five, promise);
        EXPECT_INT(actor_join(&waiter), SHEAF_OK);
        EXPECT_INT(waiter.value.i64, 5);
        EXPECT_INT(actor_join(&completer), SHEAF_OK);
        sheaf_release(promise);
    }
}

static int a_cancelled_waiter_leaves_the_inner_alone(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *waiter = sheaf_spawn(await_behind_a_shield, promise);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT(sheaf_cancel(waiter));
    expect_end(waiter, SHEAF_CANCELLED);
    EXPECT(!sheaf_done(promise));
    sheaf_release(promise);
    return SHEAF_OK;
}

/* In a frame, for the call only. */
static int a_task_in_a_frame_is_awaited_behind_a_shield(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    for (int i = 0; i < 2; i++) {
        sheaf_task frame;
        sheaf_future *in_frame = sheaf_task_spawn(&frame, await_it, promise);
        if (i == 0) {
            EXPECT(sheaf_cancel(sheaf_current()));
            EXPECT_INT(sheaf_await_shielded(in_frame, NULL), SHEAF_CANCELLED);
            EXPECT_INT(sheaf_uncancel(NULL), 0);
            EXPECT_INT(sheaf_resolve(promise, number(4)), SHEAF_OK);
        } else {
            sheaf_value value = {0};
            EXPECT_INT(sheaf_await_shielded(in_frame, &value), SHEAF_OK);
            EXPECT_INT(value.i64, 4);
        }
        EXPECT_INT(sheaf_task_join(&frame, NULL), SHEAF_OK);
    }
    sheaf_release(promise);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(arguments_that_make_no_sense_are_refused),
    TASK_TEST(what_is_done_is_its_own_shield),
    TASK_TEST(every_outcome_comes_through),
    TASK_TEST(a_failed_gather_is_no_cancelled_shield),
    TASK_TEST(a_request_ends_the_shield_alone),
    TASK_TEST(an_error_counts_as_looked_at_where_it_goes),
    TASK_TEST(a_value_is_dropped_once_when_both_are_gone),
    TASK_TEST(a_value_is_taken_once_through_shields_too),
    TASK_TEST(shields_are_dropped_in_every_order),
    TASK_TEST(a_callback_on_a_shield_runs_when_nobody_holds_it),
    TASK_TEST(shields_nest_without_end_on_a_small_stack),
    THREAD_TEST(tasks_and_threads_wait_behind_shields),
    TASK_TEST(a_cancelled_waiter_leaves_the_inner_alone),
    TASK_TEST(a_task_in_a_frame_is_awaited_behind_a_shield),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
