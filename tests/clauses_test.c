/* Rules of docs/asyncio.md about futures, runs, gather, wait and as-they-complete that no test of a
 * single part is about. */
#include "tests/support/roles.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LONG_S = 3600, TEXT = 4096 };

/* ---------------------------------------------------------------- futures and mutexes */

static int note_call(void *arg, sheaf_future *future)
{
    (void)future;
    NOTE("%s", (const char *)arg);
    return SHEAF_OK;
}

static char called[] = "called";

/* F15 */
static int a_future_is_done_before_its_callbacks_run(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT_INT(sheaf_on_done(promise, note_call, called), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(promise, number(1)), SHEAF_OK);
    EXPECT(sheaf_done(promise));
    NOTE("done");
    settle();
    EXPECT_NOTES("done called");
    sheaf_release(promise);
    return SHEAF_OK;
}

/* LK6 */
static int a_free_mutex_is_taken_without_giving_way(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_mutex mutex = SHEAF_MUTEX_INIT;
    struct role other = {.name = "other"};
    sheaf_future *task = start(&other);
    EXPECT_INT(sheaf_lock(&mutex), SHEAF_OK);
    NOTE("locked");
    EXPECT_INT(sheaf_unlock(&mutex), SHEAF_OK);
    expect_value(task, 0);
    EXPECT_NOTES("locked other");
    return SHEAF_OK;
}

static void append_line(void *context, const char *line)
{
    char *text = context;
    size_t length = strlen(text);
    (void)snprintf(text + length, TEXT - length, "%s\n", line);
}

/* CG1, CG2 */
static int a_dump_says_who_waits_for_a_gather(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    char text[TEXT] = "";
    sheaf_future *promise = sheaf_promise(NULL);
    struct role awaits = {.awaited = sheaf_gather_future(&promise, 1, SHEAF_GATHER_RAISE)};
    sheaf_future *task = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "patient"), play, &awaits);
    settle();
    sheaf_pool_dump(f->pool, append_line, text);
    const char *line = strstr(text, "patient");
    EXPECT(line && strstr(line, "gather") && strstr(line, "gather") < strchr(line, '\n'));
    EXPECT_INT(sheaf_resolve(promise, number(1)), SHEAF_OK);
    expect_end(task, SHEAF_OK);
    sheaf_release(awaits.awaited);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- runs */

static int leave_a_shielded_task(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_future *inner = start(arg);
    sheaf_future *shield = sheaf_shield(inner);
    EXPECT_INT(sheaf_await_for(shield, SHEAF_MS(1), NULL), SHEAF_TIMEOUT);
    sheaf_release(shield);
    sheaf_release(inner);
    return SHEAF_OK;
}

/* RU6 */
static void a_shield_does_not_protect_at_the_end_of_a_run(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    struct role inner = {.delay = SHEAF_S(LONG_S), .name = "inner"};
    EXPECT_INT(sheaf_run(&options, leave_a_shielded_task, &inner, NULL), SHEAF_OK);
    EXPECT_NOTES("inner!");
}

static int leave_a_task_and_fail(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(sheaf_on_done(sheaf_current(), note_call, called), SHEAF_OK);
    sheaf_release(start(arg));
    settle();
    return sheaf_raise(EIO, "main fails");
}

/* RU12, RU14 */
static void a_main_that_fails_is_told_of_before_left_over_tasks_are_asked(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    struct role left = {.delay = SHEAF_S(LONG_S), .name = "left"};
    EXPECT_INT(sheaf_run(&options, leave_a_task_and_fail, &left, NULL), EIO);
    EXPECT_NOTES("called left!");
}

/* ---------------------------------------------------------------- gather: the outcome */

/* P26, G6, G26.  What the flags make of a sibling that needs a second to end. */
static int what_goes_on_behind_a_failure_is_up_to_the_flags(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const struct {
        unsigned flags;
        int requests, ended;
    } rows[] = {{SHEAF_GATHER_RAISE, 0, 0},
                {SHEAF_GATHER_JOIN, 0, 1},
                {SHEAF_GATHER_CANCEL, 1, 0},
                {SHEAF_GATHER_CANCEL | SHEAF_GATHER_JOIN, 1, 1}};
    for (int i = 0; i < 4; i++) {
        struct role fails = {.delay = SHEAF_MS(1), .code = EIO};
        struct role slow = {.delay = SHEAF_S(10), .cleanup = SHEAF_S(1), .asked = FAIL_INSTEAD};
        slow.late_code = EPIPE;
        sheaf_future *tasks[] = {start(&slow), start(&fails)};
        EXPECT_INT(sheaf_gather(tasks, 2, rows[i].flags, NULL, NULL), EIO);
        settle();
        EXPECT_INT(sheaf__load_acq(&slow.requests), rows[i].requests);
        EXPECT_INT(sheaf__load_acq(&slow.ended), rows[i].ended);
        expect_end(tasks[0], rows[i].requests ? EPIPE : SHEAF_OK);
        sheaf_release(tasks[1]);
    }
    return SHEAF_OK;
}

/* G18, G19 */
static int members_that_are_done_are_taken_in_argument_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *done[] = {resolved(1), resolved(2)};
    sheaf_future *gather = sheaf_gather_future(done, 2, SHEAF_GATHER_RAISE);
    EXPECT(sheaf_done(gather));
    sheaf_release(gather);
    sheaf_future *mixed[] = {sheaf_promise(NULL), sheaf_promise(NULL), sheaf_promise(NULL)};
    EXPECT_INT(sheaf_reject(mixed[2], EPIPE, "first in time"), SHEAF_OK);
    EXPECT_INT(sheaf_reject(mixed[1], EIO, "first in the array"), SHEAF_OK);
    gather = sheaf_gather_future(mixed, 3, SHEAF_GATHER_RAISE);
    EXPECT(sheaf_done(gather));
    expect_end(gather, EIO);
    sheaf_release_all(done, 2);
    sheaf_release_all(mixed, 3);
    return SHEAF_OK;
}

/* G19, P11 */
static int of_pending_members_the_one_that_fails_first_is_the_outcome(void *arg,
                                                                      sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *members[] = {sheaf_promise(NULL), sheaf_promise(NULL)};
    sheaf_future *gathers[2];
    gathers[0] = sheaf_gather_future(members, 2, SHEAF_GATHER_RAISE);
    gathers[1] = sheaf_gather_future(members, 2, SHEAF_GATHER_JOIN);
    EXPECT_INT(sheaf_reject(members[1], EPIPE, "first"), SHEAF_OK);
    EXPECT_INT(sheaf_reject(members[0], EIO, "second"), SHEAF_OK);
    expect_end(gathers[0], EPIPE);
    expect_end(gathers[1], EPIPE);
    sheaf_release_all(members, 2);
    return SHEAF_OK;
}

/* G22.  The error is reported as the gather's; the member's own counts as looked at. */
static int a_gathers_error_is_reported_and_its_cancellation_is_not(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    f->unhandled_expected = 1;
    sheaf_future *members[] = {sheaf_promise(NULL), sheaf_promise(NULL)};
    sheaf_future *fails = sheaf_gather_future(&members[0], 1, SHEAF_GATHER_RAISE);
    sheaf_future *cancelled = sheaf_gather_future(&members[1], 1, SHEAF_GATHER_RAISE);
    EXPECT_INT(sheaf_reject(members[0], EIO, "unread"), SHEAF_OK);
    EXPECT(sheaf_cancel(members[1]));
    fixture_turns(1);
    EXPECT_INT(sheaf_future_status(fails), EIO);
    EXPECT_INT(sheaf_future_status(cancelled), SHEAF_CANCELLED);
    EXPECT(!sheaf_cancelled(cancelled));
    sheaf_release_all(members, 2);
    EXPECT_INT(fixture_unhandled(f), 0);
    sheaf_release(cancelled);
    EXPECT_INT(fixture_unhandled(f), 0);
    sheaf_release(fails);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- gather: being cancelled */

/* T28, G13.  The one that awaits ends cancelled, although every member went on. */
static int who_awaits_a_gather_is_cancelled_though_all_members_swallow_it(void *arg,
                                                                          sheaf_value *result)
{
    (void)arg, (void)result;
    struct role stubborn[2] = {{.delay = SHEAF_S(LONG_S), .asked = SWALLOW, .value = 1},
                               {.delay = SHEAF_S(LONG_S), .asked = SWALLOW, .value = 2}};
    sheaf_future *members[] = {start(&stubborn[0]), start(&stubborn[1])};
    struct role awaits = {.awaited = sheaf_gather_future(members, 2, SHEAF_GATHER_RAISE)};
    sheaf_future *task = start(&awaits);
    settle();
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(task));
    EXPECT_INT(sheaf_cancelling(task), 1);
    expect_value(members[0], 1);
    expect_value(members[1], 2);
    EXPECT_INT(sheaf__load_acq(&stubborn[0].requests), 1);
    EXPECT_INT(sheaf__load_acq(&stubborn[1].requests), 1);
    sheaf_release(awaits.awaited);
    sheaf_release(task);
    return SHEAF_OK;
}

/* G12, P26 */
static int a_cancelled_gather_ends_with_the_first_member_unless_it_joins(void *arg,
                                                                         sheaf_value *result)
{
    (void)arg, (void)result;
    static const unsigned flags[] = {SHEAF_GATHER_RAISE, SHEAF_GATHER_JOIN};
    for (int i = 0; i < 2; i++) {
        struct role quick = {.delay = SHEAF_S(LONG_S)};
        struct role slow = {.delay = SHEAF_S(LONG_S), .cleanup = SHEAF_S(1)};
        sheaf_future *members[] = {start(&slow), start(&quick)};
        sheaf_future *gather = sheaf_gather_future(members, 2, flags[i]);
        settle();
        EXPECT(sheaf_cancel(gather));
        EXPECT(!sheaf_cancelled(gather));
        expect_end(gather, SHEAF_CANCELLED);
        EXPECT_INT(sheaf__load_acq(&slow.ended), i);
        expect_end(members[0], SHEAF_CANCELLED);
        expect_end(members[1], SHEAF_CANCELLED);
    }
    return SHEAF_OK;
}

/* G14.  A join puts the cancellation first, with the failure attached. */
static int a_member_that_fails_while_it_is_cancelled_can_be_the_outcome(void *arg,
                                                                        sheaf_value *result)
{
    (void)arg, (void)result;
    static const unsigned flags[] = {SHEAF_GATHER_RAISE, SHEAF_GATHER_JOIN};
    static const int outcomes[] = {EPIPE, SHEAF_CANCELLED};
    for (int i = 0; i < 2; i++) {
        struct role fails = {.delay = SHEAF_S(LONG_S), .asked = FAIL_INSTEAD, .late_code = EPIPE};
        struct role slow = {.delay = SHEAF_S(LONG_S), .cleanup = SHEAF_S(1)};
        sheaf_future *members[] = {start(&fails), start(&slow)};
        sheaf_future *gather = sheaf_gather_future(members, 2, flags[i]);
        settle();
        EXPECT(sheaf_cancel(gather));
        EXPECT_INT(sheaf_await(gather, NULL), outcomes[i]);
        sheaf_error *error = sheaf_future_error(gather);
        EXPECT_INT(sheaf_error_code(error), outcomes[i]);
        EXPECT_INT(sheaf_error_code(i ? sheaf_error_during(error) : error), EPIPE);
        sheaf_error_release(error);
        sheaf_release(gather);
        expect_end(members[0], EPIPE);
        expect_end(members[1], SHEAF_CANCELLED);
    }
    return SHEAF_OK;
}

/* G23 */
static int a_member_that_is_given_twice_is_asked_twice(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role role = {.delay = SHEAF_S(LONG_S)};
    sheaf_future *task = start(&role);
    sheaf_future *twice[] = {task, task};
    sheaf_future *gather = sheaf_gather_future(twice, 2, SHEAF_GATHER_RAISE);
    settle();
    EXPECT(sheaf_cancel(gather));
    EXPECT_INT(sheaf_cancelling(task), 2);
    expect_end(gather, SHEAF_CANCELLED);
    expect_end(task, SHEAF_CANCELLED);
    EXPECT_INT(sheaf__load_acq(&role.requests), 1);
    return SHEAF_OK;
}

/* G24, P7.  Nothing else runs between the end of the gather and the request: one worker. */
static int a_request_to_who_awaits_a_gather_beats_its_end(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    struct role awaits = {.awaited = sheaf_gather_future(&promise, 1, SHEAF_GATHER_RAISE)};
    sheaf_future *task = start(&awaits);
    settle();
    EXPECT_INT(sheaf_resolve(promise, number(8)), SHEAF_OK);
    fixture_turns(1);
    EXPECT(sheaf_done(awaits.awaited));
    EXPECT(sheaf_cancel(task));
    expect_end(task, SHEAF_CANCELLED);
    sheaf_value values = {0};
    EXPECT_INT(sheaf_result(awaits.awaited, &values), SHEAF_OK);
    EXPECT_INT(((const sheaf_value *)values.ptr)->i64, 8);
    sheaf_release(awaits.awaited);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* G27 */
static int members_that_have_not_started_never_run(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.value = 1}, {.value = 2}};
    sheaf_future *members[] = {start(&roles[0]), start(&roles[1])};
    sheaf_future *gather = sheaf_gather_future(members, 2, SHEAF_GATHER_COLLECT);
    EXPECT(sheaf_cancel(gather));
    expect_end(gather, SHEAF_CANCELLED);
    for (int i = 0; i < 2; i++) {
        EXPECT(sheaf_cancelled(members[i]));
        EXPECT_INT(sheaf__load_acq(&roles[i].begun), 0);
    }
    sheaf_release_all(members, 2);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- wait */

/* W3 */
static int a_wait_takes_nothing_but_futures(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *members[] = {resolved(1), NULL};
    size_t done = 7;
    EXPECT_INT(sheaf_wait(members, 2, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done), SHEAF_INVALID);
    EXPECT_INT(done, 7);
    sheaf_release(members[0]);
    return SHEAF_OK;
}

/* W11 */
static int a_wait_that_sees_an_error_has_not_looked_at_it(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    f->unhandled_expected = 1;
    sheaf_future *promise = sheaf_promise(NULL);
    size_t done = 0;
    EXPECT_INT(sheaf_reject(promise, EIO, "unread"), SHEAF_OK);
    EXPECT_INT(sheaf_wait(&promise, 1, SHEAF_FIRST_ERROR, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, 1);
    sheaf_release(promise);
    EXPECT_INT(fixture_unhandled(f), 1);
    return SHEAF_OK;
}

/* W12 */
static int a_member_that_was_cancelled_is_done(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *members[] = {sheaf_promise(NULL), sheaf_promise(NULL)};
    sheaf_future *cancelled = members[1];
    size_t done = 0;
    EXPECT(sheaf_cancel(cancelled));
    EXPECT_INT(sheaf_wait(members, 2, SHEAF_ALL_COMPLETED, SHEAF_MS(1), &done), SHEAF_OK);
    EXPECT_INT(done, 1);
    EXPECT_PTR(members[0], cancelled);
    sheaf_release_all(members, 2);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- as they complete */

/* A3, A9, A11 */
static int done_members_come_in_argument_order_either_way(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *members[] = {sheaf_promise(NULL), resolved(2), sheaf_promise(NULL), resolved(4)};
    sheaf_future *next = NULL;
    sheaf_value value = {0};
    sheaf_each *each = NULL;
    EXPECT(sheaf_cancel(members[2]));
    EXPECT_INT(sheaf_each_open(members, 4, SHEAF_FOREVER, &each), SHEAF_OK);
    EXPECT_INT(sheaf_each_next_value(each, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 2);
    EXPECT_INT(sheaf_each_next_value(each, &value), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_CHILD);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_OK);
    EXPECT_PTR(next, members[3]);
    EXPECT_INT(sheaf_resolve(members[0], number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_OK);
    EXPECT_PTR(next, members[0]);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_EMPTY);
    sheaf_each_close(each);
    sheaf_release_all(members, 4);
    return SHEAF_OK;
}

static int take_next(void *arg, sheaf_value *result)
{
    return sheaf_each_next_value(arg, result);
}

/* A10 */
static int a_taker_that_is_cancelled_uses_nothing_up(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *members[] = {sheaf_promise(NULL), sheaf_promise(NULL)};
    sheaf_each *each = NULL;
    EXPECT_INT(sheaf_each_open(members, 2, SHEAF_FOREVER, &each), SHEAF_OK);
    sheaf_future *taker = sheaf_spawn(take_next, each);
    settle();
    EXPECT_INT(sheaf_resolve(members[1], number(2)), SHEAF_OK);
    EXPECT(sheaf_cancel(taker));
    expect_end(taker, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_resolve(members[0], number(1)), SHEAF_OK);
    expect_value(sheaf_spawn(take_next, each), 2);
    expect_value(sheaf_spawn(take_next, each), 1);
    expect_end(sheaf_spawn(take_next, each), SHEAF_EMPTY);
    sheaf_each_close(each);
    sheaf_release_all(members, 2);
    return SHEAF_OK;
}

#define ONE_WORKER (MODE_FIFO | MODE_SEEDED)

static const struct fixture_test tests[] = {
    TASK_TEST_ON(ONE_WORKER, a_future_is_done_before_its_callbacks_run),
    TASK_TEST_ON(ONE_WORKER, a_free_mutex_is_taken_without_giving_way),
    TASK_TEST_ON(MODES_VIRTUAL, a_dump_says_who_waits_for_a_gather),
    POOL_TEST(a_shield_does_not_protect_at_the_end_of_a_run),
    POOL_TEST_ON(MODE_FIFO, a_main_that_fails_is_told_of_before_left_over_tasks_are_asked),
    TASK_TEST_ON(MODES_VIRTUAL, what_goes_on_behind_a_failure_is_up_to_the_flags),
    TASK_TEST(members_that_are_done_are_taken_in_argument_order),
    TASK_TEST(of_pending_members_the_one_that_fails_first_is_the_outcome),
    TASK_TEST(a_gathers_error_is_reported_and_its_cancellation_is_not),
    TASK_TEST_ON(MODES_VIRTUAL, who_awaits_a_gather_is_cancelled_though_all_members_swallow_it),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_gather_ends_with_the_first_member_unless_it_joins),
    TASK_TEST_ON(MODES_VIRTUAL, a_member_that_fails_while_it_is_cancelled_can_be_the_outcome),
    TASK_TEST_ON(MODES_VIRTUAL, a_member_that_is_given_twice_is_asked_twice),
    TASK_TEST_ON(ONE_WORKER, a_request_to_who_awaits_a_gather_beats_its_end),
    TASK_TEST_ON(MODE_FIFO, members_that_have_not_started_never_run),
    TASK_TEST(a_wait_takes_nothing_but_futures),
    TASK_TEST(a_wait_that_sees_an_error_has_not_looked_at_it),
    TASK_TEST_ON(MODES_VIRTUAL, a_member_that_was_cancelled_is_done),
    TASK_TEST(done_members_come_in_argument_order_either_way),
    TASK_TEST_ON(ONE_WORKER, a_taker_that_is_cancelled_uses_nothing_up),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
