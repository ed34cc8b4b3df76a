/* Task groups as asyncio's own tests see them: members, failures, what a group refuses. */
#include "tests/support/parts.h"
#include "tests/support/roles.h"

#include <errno.h>

static void open_group(sheaf_group *group)
{
    EXPECT_INT(sheaf_group_open(group, NULL), SHEAF_OK);
}

static void start_in(sheaf_group *group, struct role *role)
{
    EXPECT_INT(sheaf_group_start(group, play, role), SHEAF_OK);
}

/* Closes the group and expects errors with those parts; their first gives the status. */
static void expect_close(sheaf_group *group, int status, int expected, const char *parts)
{
    sheaf_error *error = NULL;
    EXPECT_INT(sheaf_group_close_error(group, status, &error), expected);
    expect_parts(error, parts);
}

static const char no_parts[] = "SHEAF_OK";

/* ---------------------------------------------------------------- members that succeed */

/* TG1 */
static int the_close_waits_for_members_added_at_different_times(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[3] = {{.delay = SHEAF_MS(10), .value = 42},
                            {.delay = SHEAF_MS(20), .value = 11},
                            {.delay = SHEAF_MS(30), .value = 7}};
    sheaf_group group;
    open_group(&group);
    sheaf_time began = sheaf_now();
    sheaf_future *members[3];
    members[0] = sheaf_group_spawn(&group, play, &roles[0]);
    members[1] = sheaf_group_spawn(&group, play, &roles[1]);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(10)), SHEAF_OK);
    members[2] = sheaf_group_spawn(&group, play, &roles[2]);
    expect_close(&group, SHEAF_OK, SHEAF_OK, no_parts);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(40));
    for (int i = 0; i < 3; i++) {
        EXPECT(sheaf_done(members[i]));
        expect_value(members[i], roles[i].value);
    }
    return SHEAF_OK;
}

/* TG6 */
static int a_member_cancelled_by_the_body_disturbs_nobody(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_S(10)}, {.delay = SHEAF_MS(10), .value = 11}};
    sheaf_group group;
    open_group(&group);
    sheaf_future *first = sheaf_group_spawn(&group, play, &roles[0]);
    sheaf_future *second = sheaf_group_spawn(&group, play, &roles[1]);
    settle();
    EXPECT(sheaf_cancel(first));
    EXPECT_INT(sheaf_await(first, NULL), SHEAF_CANCELLED);
    expect_close(&group, SHEAF_OK, SHEAF_OK, no_parts);
    expect_end(first, SHEAF_CANCELLED);
    expect_value(second, 11);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

/* TG27 */
static int members_that_have_ended_are_not_counted_any_more(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[3];
    sheaf_group group;
    open_group(&group);
    for (int i = 0; i < 3; i++) {
        roles[i] = (struct role){.delay = SHEAF_MS(i + 1)};
        start_in(&group, &roles[i]);
    }
    settle();
    for (size_t left = 3; left > 0; left--) {
        EXPECT_INT(sheaf_group_live(&group), left);
        EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    }
    EXPECT_INT(sheaf_group_live(&group), 0);
    expect_close(&group, SHEAF_OK, SHEAF_OK, no_parts);
    return SHEAF_OK;
}

struct breeder {
    sheaf_group *group;
    int generations;
    SHEAF__ATOMIC(int) * born;
    int code; /* with which the last one fails */
};

/* Starts two members of the next generation. */
static int breed(void *arg, sheaf_value *result)
{
    const struct breeder *b = arg;
    sheaf__add_acq_rel(b->born, 1);
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    if (b->generations == 0) {
        return b->code;
    }
    struct breeder next = *b;
    next.generations--;
    for (int i = 0; i < 2; i++) {
        sheaf_future *child = sheaf_group_spawn_with(
            b->group, SHEAF_SPAWN_OPTIONS(.copy = sizeof next), breed, &next);
        int status = sheaf_future_status(child);
        EXPECT(status == SHEAF_STATE || status == SHEAF_OK || status == SHEAF_CLOSED ||
               status == SHEAF_CANCELLED || status == b->code);
        sheaf_release(child);
    }
    (void)result;
    return SHEAF_OK;
}

/* TG1, TG17 */
static int members_may_start_members_while_the_close_waits(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_group group;
    SHEAF__ATOMIC(int) born = 0;
    struct breeder first = {&group, 3, &born, SHEAF_OK};
    open_group(&group);
    EXPECT_INT(sheaf_group_start(&group, breed, &first), SHEAF_OK);
    expect_close(&group, SHEAF_OK, SHEAF_OK, no_parts);
    EXPECT_INT(sheaf__load_acq(&born), 15);
    return SHEAF_OK;
}

/* TG2, TG17 */
static int members_that_breed_until_one_fails_are_all_stopped(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_group group;
    SHEAF__ATOMIC(int) born = 0;
    struct breeder endless = {&group, 1000, &born, SHEAF_OK}, failing = {&group, 0, &born, EIO};
    open_group(&group);
    sheaf_time began = sheaf_now();
    EXPECT_INT(sheaf_group_start(&group, breed, &endless), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_US(3500)), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, breed, &failing), SHEAF_OK);
    expect_close(&group, SHEAF_OK, EIO, "(EIO)");
    EXPECT_INT(sheaf_now() - began, SHEAF_US(4500));
    return SHEAF_OK;
}

static int tell_name(void *arg, sheaf_value *result)
{
    char name[40];
    sheaf_future_name(sheaf_current(), name, sizeof name);
    EXPECT_TEXT(name, arg);
    (void)result;
    return SHEAF_OK;
}

/* TG25 */
static int a_name_is_passed_on_to_the_member(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static char name[] = "yolo";
    sheaf_group group;
    open_group(&group);
    sheaf_future *member =
        sheaf_group_spawn_with(&group, SHEAF_SPAWN_OPTIONS(.name = name), tell_name, name);
    expect_close(&group, SHEAF_OK, SHEAF_OK, no_parts);
    expect_end(member, SHEAF_OK);
    return SHEAF_OK;
}

static const sheaf_local place = {.name = "place"};

static int change_place(void *arg, sheaf_value *result)
{
    EXPECT_PTR(sheaf_local_get(&place), arg);
    EXPECT_INT(sheaf_local_set(&place, NULL), SHEAF_OK);
    (void)result;
    return SHEAF_OK;
}

/* TG25, CX1 */
static int members_inherit_the_values_of_who_starts_them(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_group group;
    open_group(&group);
    EXPECT_INT(sheaf_local_set(&place, arg), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, change_place, arg), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, change_place, arg), SHEAF_OK);
    EXPECT_INT(sheaf_local_set(&place, NULL), SHEAF_OK);
    expect_close(&group, SHEAF_OK, SHEAF_OK, no_parts);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- members and bodies that fail */

/* TG2, TG3 */
static int a_failing_member_cancels_its_sibling(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role failing = {.delay = SHEAF_MS(10), .code = EIO};
    struct role sibling = {.delay = SHEAF_S(10)};
    sheaf_group group;
    open_group(&group);
    start_in(&group, &failing);
    sheaf_future *member = sheaf_group_spawn(&group, play, &sibling);
    sheaf_time began = sheaf_now();
    expect_close(&group, SHEAF_OK, EIO, "(EIO)");
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(10));
    EXPECT_INT(sheaf__load_acq(&sibling.requests), 1);
    expect_end(member, SHEAF_CANCELLED);
    return SHEAF_OK;
}

/* TG2, TG3, TG4 */
static int all_errors_come_out_and_the_body_is_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const int codes[] = {EIO, EPIPE, EDOM};
    struct role failing[3], sibling = {.delay = SHEAF_S(10), .cleanup = SHEAF_MS(1)};
    sheaf_group group;
    open_group(&group);
    for (int i = 0; i < 3; i++) {
        failing[i] = (struct role){.delay = i ? SHEAF_S(10) : SHEAF_MS(1),
                                   .code = codes[0],
                                   .asked = FAIL_INSTEAD,
                                   .cleanup = SHEAF_MS(i),
                                   .late_code = codes[i]};
        start_in(&group, &failing[i]);
    }
    start_in(&group, &sibling);
    int status = sheaf_sleep(SHEAF_S(10));
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_GROUP);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    expect_close(&group, status, EIO, "(EIO EPIPE EDOM)");
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sheaf__load_acq(&sibling.ended), 1);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    return SHEAF_OK;
}

/* TG5 */
static int a_failing_body_cancels_the_members(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_S(10)}, {.delay = SHEAF_S(20)}};
    sheaf_group group;
    open_group(&group);
    start_in(&group, &roles[0]);
    start_in(&group, &roles[1]);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    expect_close(&group, EIO, EIO, "(EIO)");
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(sheaf__load_acq(&roles[i].requests), 1);
        EXPECT_INT(sheaf__load_acq(&roles[i].ended), 1);
    }
    return SHEAF_OK;
}

/* TG5, TG26 */
static int members_that_a_failing_body_has_just_started_never_run(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_S(10)}, {.delay = SHEAF_S(20)}};
    sheaf_group group;
    open_group(&group);
    start_in(&group, &roles[0]);
    start_in(&group, &roles[1]);
    expect_close(&group, EIO, EIO, "(EIO)");
    EXPECT_INT(sheaf__load_acq(&roles[0].begun), 0);
    EXPECT_INT(sheaf__load_acq(&roles[1].begun), 0);
    return SHEAF_OK;
}

/* TG3, TG2 */
static int the_bodys_error_comes_last(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role failing = {.delay = SHEAF_MS(1), .code = EIO};
    sheaf_group group;
    open_group(&group);
    start_in(&group, &failing);
    EXPECT_INT(sheaf_sleep(SHEAF_S(10)), SHEAF_CANCELLED);
    expect_close(&group, EPIPE, EIO, "(EIO EPIPE)");
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

/* TG15, P15: what else failed is reported */
static int a_fatal_error_of_the_body_makes_the_outcome_fatal(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    struct role sibling = {.delay = SHEAF_S(10), .asked = FAIL_INSTEAD, .late_code = EIO};
    sheaf_group group;
    open_group(&group);
    start_in(&group, &sibling);
    settle();
    sheaf_error *error = NULL;
    EXPECT_INT(sheaf_group_close_error(&group, SHEAF_FATAL, &error), SHEAF_FATAL);
    EXPECT(sheaf_error_is_fatal(error));
    EXPECT_INT(sheaf__load_acq(&sibling.ended), 1);
    sheaf_error_release(error);
    f->unhandled_expected = 1;
    EXPECT_INT(f->unhandled_code, EIO);
    return SHEAF_OK;
}

/* Fails at the end of a scope that lies within the group. */
static int fail_at_an_inner_close(void)
{
    struct role inner_failing = {.delay = SHEAF_MS(1), .code = EIO};
    sheaf_group inner;
    open_group(&inner);
    start_in(&inner, &inner_failing);
    return sheaf_group_close(&inner, SHEAF_OK);
}

/* TG3, TG4 */
static int an_error_of_an_inner_close_is_the_bodys_error(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role sibling = {.delay = SHEAF_S(10)};
    sheaf_group group;
    open_group(&group);
    start_in(&group, &sibling);
    int status = fail_at_an_inner_close();
    EXPECT_INT(status, EIO);
    expect_close(&group, status, EIO, "((EIO))");
    EXPECT_INT(sheaf__load_acq(&sibling.requests), 1);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

/* TG4 */
static int no_request_is_left_over_from_a_group_that_failed(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role failing = {.delay = SHEAF_US(10), .code = EIO};
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    sheaf_group group;
    open_group(&group);
    start_in(&group, &failing);
    int status = sheaf_sleep(SHEAF_S(30));
    EXPECT_INT(status, SHEAF_CANCELLED);
    expect_close(&group, status, EIO, "(EIO)");
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, the_close_waits_for_members_added_at_different_times),
    TASK_TEST_ON(MODES_VIRTUAL, a_member_cancelled_by_the_body_disturbs_nobody),
    TASK_TEST_ON(MODES_VIRTUAL, members_that_have_ended_are_not_counted_any_more),
    TASK_TEST(members_may_start_members_while_the_close_waits),
    TASK_TEST_ON(MODES_VIRTUAL, members_that_breed_until_one_fails_are_all_stopped),
    TASK_TEST(a_name_is_passed_on_to_the_member),
    TASK_TEST(members_inherit_the_values_of_who_starts_them),
    TASK_TEST_ON(MODES_VIRTUAL, a_failing_member_cancels_its_sibling),
    TASK_TEST_ON(MODES_VIRTUAL, all_errors_come_out_and_the_body_is_cancelled),
    TASK_TEST_ON(MODES_VIRTUAL, a_failing_body_cancels_the_members),
    TASK_TEST_ON(MODES_SINGLE, members_that_a_failing_body_has_just_started_never_run),
    TASK_TEST_ON(MODES_VIRTUAL, the_bodys_error_comes_last),
    TASK_TEST_ON(MODES_VIRTUAL, a_fatal_error_of_the_body_makes_the_outcome_fatal),
    TASK_TEST_ON(MODES_VIRTUAL, an_error_of_an_inner_close_is_the_bodys_error),
    TASK_TEST(no_request_is_left_over_from_a_group_that_failed),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
