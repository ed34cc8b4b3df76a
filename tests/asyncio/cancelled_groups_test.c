/* Task groups that are cancelled from outside or lie in each other, and what a group refuses, as
 * asyncio's own tests see it. */
#include "tests/support/parts.h"
#include "tests/support/roles.h"

#include <errno.h>

/* One block with a group: its members, its body, and the group within it. */
struct block {
    struct role members[2];
    int count;
    sheaf_duration body;    /* how long the body sleeps; 0: not at all */
    sheaf_duration cleanup; /* how long it sleeps on when it is asked */
    int late_code;          /* what it fails with when it was asked, unless 0 */
    struct block *within;   /* run after the sleep */
    int counted;            /* requests counted behind the close */
    int status;             /* the close's */
    sheaf_origin origin;    /* of the last request that the body saw */
};

static int run_body(struct block *b)
{
    int status = b->body ? sheaf_sleep(b->body) : SHEAF_OK;
    if (status == SHEAF_CANCELLED) {
        b->origin = sheaf_cancel_origin();
        if (b->cleanup) {
            EXPECT_INT(sheaf_sleep(b->cleanup), SHEAF_OK);
        }
        return b->late_code ? sheaf_raise(b->late_code, "instead") : status;
    }
    return status;
}

/* Returns: the status of the close */
static int run_block(void *arg, sheaf_value *result)
{
    struct block *b = arg;
    (void)result;
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    for (int i = 0; i < b->count; i++) {
        EXPECT_INT(sheaf_group_start(&group, play, &b->members[i]), SHEAF_OK);
    }
    int status = run_body(b);
    if (b->within && status == SHEAF_OK) {
        status = run_block(b->within, NULL);
    }
    b->status = sheaf_group_close(&group, status);
    b->counted = sheaf_cancelling(NULL);
    return b->status;
}

/* Runs the block as a task and asks that task after a while, unless the delay is 0. */
static sheaf_future *run_and_ask(struct block *b, sheaf_duration after)
{
    sheaf_future *task = sheaf_spawn(run_block, b);
    if (after) {
        EXPECT_INT(sheaf_sleep(after), SHEAF_OK);
        EXPECT(sheaf_cancel_message(task, "from outside"));
    }
    (void)sheaf_await(task, NULL);
    return task;
}

static void expect_members_asked(struct block *b)
{
    for (int i = 0; i < b->count; i++) {
        EXPECT_INT(sheaf__load_acq(&b->members[i].requests), 1);
        EXPECT_INT(sheaf__load_acq(&b->members[i].ended), 1);
    }
}

/* Ends a task whose block was cancelled. */
static void expect_cancelled(sheaf_future *task)
{
    EXPECT(sheaf_cancelled(task));
    EXPECT_INT(sheaf_cancelling(task), 1);
    expect_error(task, SHEAF_CANCELLED, "from outside");
    expect_end(task, SHEAF_CANCELLED);
}

/* Ends a task whose block failed with those parts. */
static void expect_failed(sheaf_future *task, int status, const char *parts)
{
    EXPECT_INT(sheaf_future_status(task), status);
    expect_parts(sheaf_future_error(task), parts);
    sheaf_release(task);
}

/* ---------------------------------------------------------------- cancelled from outside */

/* TG9 */
static int a_request_in_the_close_goes_to_all_members(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct block b = {.members = {{.delay = SHEAF_S(10)}, {.delay = SHEAF_S(20)}}, .count = 2};
    expect_cancelled(run_and_ask(&b, SHEAF_MS(1)));
    expect_members_asked(&b);
    return SHEAF_OK;
}

/* TG9 */
static int a_request_in_the_body_goes_to_all_members(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct block b = {.members = {{.delay = SHEAF_S(10)}, {.delay = SHEAF_S(20)}},
                      .count = 2,
                      .body = SHEAF_S(10)};
    expect_cancelled(run_and_ask(&b, SHEAF_MS(1)));
    EXPECT_INT(b.origin, SHEAF_ORIGIN_USER);
    expect_members_asked(&b);
    return SHEAF_OK;
}

/* TG9 */
static int a_request_reaches_a_group_that_has_just_begun(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct block b = {.members = {{.delay = SHEAF_MS(1)}, {.delay = SHEAF_S(10)}}, .count = 2};
    sheaf_time began = sheaf_now();
    expect_cancelled(run_and_ask(&b, SHEAF_NS(1)));
    EXPECT_INT(sheaf_now() - began, SHEAF_NS(1));
    expect_members_asked(&b);
    return SHEAF_OK;
}

/* TG9 */
static int a_request_in_the_body_of_an_empty_group_leaves_as_it_is(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct block b = {.body = SHEAF_S(10)};
    expect_cancelled(run_and_ask(&b, SHEAF_MS(1)));
    return SHEAF_OK;
}

/* TG11 */
static int errors_of_the_clean_up_win_over_the_request(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct block b = {.members = {{.delay = SHEAF_S(10), .asked = FAIL_INSTEAD, .late_code = EIO},
                                  {.delay = SHEAF_S(10),
                                   .asked = FAIL_INSTEAD,
                                   .late_code = EPIPE,
                                   .cleanup = SHEAF_MS(1)}},
                      .count = 2,
                      .body = SHEAF_S(10)};
    expect_failed(run_and_ask(&b, SHEAF_MS(1)), EIO, "(EIO EPIPE)");
    EXPECT_INT(b.counted, 1);
    return SHEAF_OK;
}

/* TG5 */
static int a_body_that_turns_the_request_into_an_error_fails_with_that(void *arg,
                                                                       sheaf_value *result)
{
    (void)arg, (void)result;
    struct block b = {.body = SHEAF_S(10), .late_code = EIO};
    expect_failed(run_and_ask(&b, SHEAF_MS(1)), EIO, "(EIO)");
    return SHEAF_OK;
}

/* TG11 */
static int a_member_that_fails_while_the_body_delays_its_end_wins(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct block b = {.members = {{.delay = SHEAF_MS(10), .code = EIO}},
                      .count = 1,
                      .body = SHEAF_S(10),
                      .cleanup = SHEAF_MS(5)};
    /* The member's own end comes while the close waits: it swallows the request. */
    b.members[0].asked = SWALLOW;
    expect_failed(run_and_ask(&b, SHEAF_MS(1)), EIO, "(EIO)");
    EXPECT_INT(b.counted, 1);
    return SHEAF_OK;
}

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

/* TG11, T7 */
static int the_same_holds_for_a_request_that_comes_through_an_awaiter(void *arg,
                                                                      sheaf_value *result)
{
    (void)arg, (void)result;
    struct block b = {.members = {{.delay = SHEAF_MS(10), .code = EIO, .asked = SWALLOW}},
                      .count = 1,
                      .body = SHEAF_S(10),
                      .cleanup = SHEAF_MS(5)};
    sheaf_future *inner = sheaf_spawn(run_block, &b);
    sheaf_future *outer = sheaf_spawn(await_it, inner);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    EXPECT(sheaf_cancel(outer));
    EXPECT_INT(sheaf_await(outer, NULL), EIO);
    EXPECT_INT(b.origin, SHEAF_ORIGIN_AWAITER);
    expect_failed(outer, EIO, "(EIO)");
    sheaf_release(inner);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- one in the other */

/* TG11, TG3 */
static int errors_of_an_inner_group_come_out_of_the_outer_one(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int outer_members = 0; outer_members < 2; outer_members++) {
        struct block inner = {
            .members = {{.delay = SHEAF_S(10), .asked = FAIL_INSTEAD, .late_code = EIO}},
            .count = 1};
        struct block outer = {
            .members = {{.delay = SHEAF_S(20)}}, .count = outer_members, .within = &inner};
        expect_failed(run_and_ask(&outer, SHEAF_MS(1)), EIO, "((EIO))");
        expect_members_asked(&outer);
        EXPECT_INT(inner.counted, 1);
        EXPECT_INT(outer.counted, 1);
    }
    return SHEAF_OK;
}

/* TG21 */
static int an_outer_member_that_fails_ends_the_inner_group(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct block inner = {.members = {{.delay = SHEAF_S(10)}}, .count = 1};
    struct block outer = {
        .members = {{.delay = SHEAF_MS(10), .code = EIO}}, .count = 1, .within = &inner};
    expect_failed(run_and_ask(&outer, 0), EIO, "(EIO)");
    EXPECT_INT(inner.status, SHEAF_CANCELLED);
    EXPECT_INT(outer.counted, 0);
    expect_members_asked(&inner);
    return SHEAF_OK;
}

/* TG3, TG2 */
static int an_inner_member_that_fails_cancels_the_outer_members(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct block inner = {.members = {{.delay = SHEAF_MS(10), .code = EIO}}, .count = 1};
    struct block outer = {.members = {{.delay = SHEAF_S(10)}}, .count = 1, .within = &inner};
    expect_failed(run_and_ask(&outer, 0), EIO, "((EIO))");
    expect_members_asked(&outer);
    EXPECT_INT(outer.counted, 0);
    return SHEAF_OK;
}

/* Catches what the inner group raises while the outer one is aborted too. */
static int let_both_groups_fail(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role outer_member = {.delay = SHEAF_MS(10), .code = EIO};
    struct role inner_member = {.delay = SHEAF_MS(10), .code = EPIPE};
    sheaf_group outer, inner;
    EXPECT_INT(sheaf_group_open(&outer, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&outer, play, &outer_member), SHEAF_OK);
    EXPECT_INT(sheaf_group_open(&inner, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&inner, play, &inner_member), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_S(10)), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(NULL), 2);
    sheaf_error *error = NULL;
    EXPECT_INT(sheaf_group_close_error(&inner, SHEAF_CANCELLED, &error), EPIPE);
    expect_parts(error, "(EPIPE)");
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    int status = sheaf_sleep(SHEAF_S(10));
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_group_close_error(&outer, status, &error), EIO);
    expect_parts(error, "(EIO)");
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return sheaf_yield();
}

/* TG22 */
static int of_two_groups_that_fail_the_outer_request_is_seen_behind_the_inner(void *arg,
                                                                              sheaf_value *result)
{
    (void)arg, (void)result;
    expect_end(sheaf_spawn(let_both_groups_fail, NULL), SHEAF_OK);
    return SHEAF_OK;
}

/* Asks its own group's owner in the clean-up after an abort. */
static int be_asked_during_an_abort(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role failing = {.delay = SHEAF_MS(1), .code = EIO};
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, play, &failing), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_S(10)), SHEAF_CANCELLED);
    EXPECT(sheaf_cancel_message(sheaf_current(), "meanwhile"));
    sheaf_error *error = NULL;
    EXPECT_INT(sheaf_group_close_error(&group, SHEAF_CANCELLED, &error), EIO);
    expect_parts(error, "(EIO)");
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    return sheaf_sleep(SHEAF_S(10));
}

/* TG11, TG12 */
static int a_request_during_an_abort_is_delivered_behind_the_group(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *task = sheaf_spawn(be_asked_during_an_abort, NULL);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(task), 1);
    expect_error(task, SHEAF_CANCELLED, "meanwhile");
    sheaf_release(task);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- what a group refuses */

static SHEAF__ATOMIC(int) dropped;

static void count_drop(void *arg)
{
    (void)arg;
    sheaf__add_acq_rel(&dropped, 1);
}

/* Expects that the group takes no member: its body never runs, its argument is dropped. */
static void expect_refused(sheaf_group *group)
{
    struct role role = {.value = 1};
    sheaf__store_rel(&dropped, 0);
    sheaf_future *member =
        sheaf_group_spawn_with(group, SHEAF_SPAWN_OPTIONS(.arg_drop = count_drop), play, &role);
    EXPECT_INT(sheaf_future_status(member), SHEAF_CLOSED);
    expect_end(member, SHEAF_CLOSED);
    EXPECT_INT(sheaf__load_acq(&dropped), 1);
    EXPECT_INT(sheaf_group_start(group, play, &role), SHEAF_CLOSED);
    EXPECT_INT(sheaf__load_acq(&role.begun), 0);
}

/* TG17 */
static int no_member_is_taken_during_an_abort(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role failing = {.delay = SHEAF_US(10), .code = EIO};
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, play, &failing), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_S(30)), SHEAF_CANCELLED);
    expect_refused(&group);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_CANCELLED), EIO);
    return SHEAF_OK;
}

/* TG17, TG18 */
static int a_group_that_is_not_open_takes_no_member_and_no_close(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_group group = {0};
    expect_refused(&group);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_STATE);
    EXPECT_INT(sheaf_group_cancel(&group), SHEAF_STATE);
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
    expect_refused(&group);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_STATE);
    EXPECT_INT(sheaf_group_cancel(&group), SHEAF_STATE);
    return SHEAF_OK;
}

static int close_group(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_group_close(arg, SHEAF_OK);
}

/* TG18 */
static int only_the_owner_closes_a_group(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    expect_end(sheaf_spawn(close_group, &group), SHEAF_STATE);
    struct role role = {.value = 1};
    EXPECT_INT(sheaf_group_start(&group, play, &role), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&role.ended), 1);
    return SHEAF_OK;
}

/* TG18, P16: a group of a plain thread has no owner that could be cancelled, and works */
static void a_plain_thread_may_have_a_group(struct fixture *f)
{
    struct role failing = {.delay = SHEAF_US(10), .code = EIO}, sibling = {.delay = SHEAF_S(100)};
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.pool = f->pool)), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, play, &failing), SHEAF_OK);
    int status = sheaf_group_start(&group, play, &sibling);
    EXPECT(status == SHEAF_OK || status == SHEAF_CLOSED);
    sheaf_error *error = NULL;
    EXPECT_INT(sheaf_group_close_error(&group, SHEAF_OK, &error), EIO);
    expect_parts(error, "(EIO)");
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, a_request_in_the_close_goes_to_all_members),
    TASK_TEST_ON(MODES_VIRTUAL, a_request_in_the_body_goes_to_all_members),
    TASK_TEST_ON(MODES_VIRTUAL, a_request_reaches_a_group_that_has_just_begun),
    TASK_TEST_ON(MODES_VIRTUAL, a_request_in_the_body_of_an_empty_group_leaves_as_it_is),
    TASK_TEST_ON(MODES_VIRTUAL, errors_of_the_clean_up_win_over_the_request),
    TASK_TEST_ON(MODES_VIRTUAL, a_body_that_turns_the_request_into_an_error_fails_with_that),
    TASK_TEST_ON(MODES_VIRTUAL, a_member_that_fails_while_the_body_delays_its_end_wins),
    TASK_TEST_ON(MODES_VIRTUAL, the_same_holds_for_a_request_that_comes_through_an_awaiter),
    TASK_TEST_ON(MODES_VIRTUAL, errors_of_an_inner_group_come_out_of_the_outer_one),
    TASK_TEST_ON(MODES_VIRTUAL, an_outer_member_that_fails_ends_the_inner_group),
    TASK_TEST_ON(MODES_VIRTUAL, an_inner_member_that_fails_cancels_the_outer_members),
    TASK_TEST_ON(MODE_FIFO, of_two_groups_that_fail_the_outer_request_is_seen_behind_the_inner),
    TASK_TEST_ON(MODES_VIRTUAL, a_request_during_an_abort_is_delivered_behind_the_group),
    TASK_TEST(no_member_is_taken_during_an_abort),
    TASK_TEST(a_group_that_is_not_open_takes_no_member_and_no_close),
    TASK_TEST(only_the_owner_closes_a_group),
    THREAD_TEST(a_plain_thread_may_have_a_group),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
