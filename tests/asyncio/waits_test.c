/* wait as asyncio's own tests see it. */
#include "tests/support/roles.h"

#include <errno.h>

static void start_all(struct role *roles, sheaf_future **tasks, int count)
{
    for (int i = 0; i < count; i++) {
        tasks[i] = start(&roles[i]);
    }
}

static void cancel_and_join(sheaf_future **tasks, int count)
{
    for (int i = 0; i < count; i++) {
        (void)sheaf_cancel(tasks[i]);
        (void)sheaf_join(tasks[i], NULL);
    }
}

/* W1, W9 */
static int all_are_done_and_a_second_wait_costs_no_time(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_MS(100), .value = 1},
                            {.delay = SHEAF_MS(150), .value = 2}};
    sheaf_future *tasks[2];
    start_all(roles, tasks, 2);
    sheaf_time began = sheaf_now();
    for (int i = 0; i < 2; i++) {
        size_t done = 0;
        EXPECT_INT(sheaf_wait(tasks, 2, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
        EXPECT_INT(done, 2);
        EXPECT_INT(sheaf_now() - began, SHEAF_MS(150));
    }
    expect_value(tasks[0], 1);
    expect_value(tasks[1], 2);
    return SHEAF_OK;
}

/* W4 */
static int a_member_that_is_given_twice_is_waited_for_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_MS(1)}, {.delay = SHEAF_S(10)}};
    sheaf_future *tasks[2];
    start_all(roles, tasks, 2);
    sheaf_future *members[4] = {tasks[0], tasks[1], tasks[0], tasks[1]};
    bool flags[4] = {false};
    EXPECT_INT(sheaf_wait_flags(members, 4, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, flags, NULL),
               SHEAF_OK);
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(flags[i], i % 2 == 0);
    }
    EXPECT_INT(sheaf__load_acq(&roles[0].begun), 1);
    expect_value(tasks[0], 0);
    cancel_and_join(&tasks[1], 1);
    return SHEAF_OK;
}

/* W2 */
static int no_members_and_unknown_conditions_are_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *members[2] = {resolved(1), NULL};
    const sheaf_duration ever = SHEAF_FOREVER;
    size_t done = 17;
    EXPECT_INT(sheaf_wait(members, 0, SHEAF_ALL_COMPLETED, ever, &done), SHEAF_INVALID);
    EXPECT_INT(sheaf_wait(NULL, 1, SHEAF_ALL_COMPLETED, ever, &done), SHEAF_INVALID);
    EXPECT_INT(sheaf_wait(members, 2, SHEAF_ALL_COMPLETED, ever, &done), SHEAF_INVALID);
    EXPECT_INT(sheaf_wait(members, 1, (sheaf_when)77, ever, &done), SHEAF_INVALID);
    EXPECT_INT(sheaf_wait(members, 1, (sheaf_when)-1, ever, &done), SHEAF_INVALID);
    EXPECT_INT(done, 17);
    sheaf_release(members[0]);
    return SHEAF_OK;
}

/* W5 */
static int the_first_completion_splits_done_from_pending(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_S(10)}, {.delay = SHEAF_MS(100), .value = 3}};
    sheaf_future *tasks[2], *second;
    start_all(roles, tasks, 2);
    second = tasks[1];
    sheaf_time began = sheaf_now();
    size_t done = 0;
    EXPECT_INT(sheaf_wait(tasks, 2, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(100));
    EXPECT_INT(done, 1);
    EXPECT_PTR(tasks[0], second);
    EXPECT(!sheaf_done(tasks[1]));
    expect_value(tasks[0], 3);
    cancel_and_join(&tasks[1], 1);
    return SHEAF_OK;
}

/* W10 */
static int what_is_done_by_the_return_is_among_the_done(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *first = sheaf_promise(NULL), *second = sheaf_promise(NULL);
    struct role roles[3] = {{.awaited = first}, {.awaited = second}, {.delay = SHEAF_S(10)}};
    sheaf_future *tasks[3];
    start_all(roles, tasks, 3);
    settle();
    EXPECT_INT(sheaf_resolve(first, number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(second, number(2)), SHEAF_OK);
    size_t done = 0;
    EXPECT_INT(sheaf_wait(tasks, 3, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT(done == 1 || done == 2);
    settle();
    EXPECT_INT(sheaf_wait(tasks, 3, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, 2);
    EXPECT(sheaf_done(tasks[0]) && sheaf_done(tasks[1]) && !sheaf_done(tasks[2]));
    cancel_and_join(tasks, 3);
    sheaf_release(first);
    sheaf_release(second);
    return SHEAF_OK;
}

/* W6 */
static int an_error_ends_the_wait_at_once_or_later(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const sheaf_duration delays[] = {0, SHEAF_MS(10)};
    for (int k = 0; k < 2; k++) {
        struct role roles[3] = {{.delay = SHEAF_S(10)},
                                {.delay = delays[k], .code = EIO},
                                {.delay = k ? SHEAF_MS(1) : SHEAF_S(10)}};
        sheaf_future *tasks[3];
        start_all(roles, tasks, 3);
        sheaf_future *failing = tasks[1], *quick = tasks[2];
        sheaf_time began = sheaf_now();
        size_t done = 0;
        EXPECT_INT(sheaf_wait(tasks, 3, SHEAF_FIRST_ERROR, SHEAF_FOREVER, &done), SHEAF_OK);
        EXPECT_INT(sheaf_now() - began, delays[k]);
        EXPECT_INT(done, k ? 2 : 1);
        EXPECT_PTR(tasks[k], failing);
        EXPECT_PTR(tasks[0], k ? quick : failing);
        expect_end(failing, EIO);
        tasks[k] = NULL;
        cancel_and_join(tasks, 3);
    }
    return SHEAF_OK;
}

/* W1 */
static int errors_of_members_are_recorded_and_not_raised(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_MS(1), .value = 1},
                            {.delay = SHEAF_MS(2), .code = EIO}};
    sheaf_future *tasks[2];
    start_all(roles, tasks, 2);
    size_t done = 0;
    EXPECT_INT(sheaf_wait(tasks, 2, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, 2);
    EXPECT_INT(sheaf_future_status(tasks[0]), SHEAF_OK);
    EXPECT_INT(sheaf_future_status(tasks[1]), EIO);
    expect_end(tasks[0], SHEAF_OK);
    expect_end(tasks[1], EIO);
    return SHEAF_OK;
}

/* W7 */
static int a_limit_splits_done_from_pending_and_cancels_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_MS(150)}, {.delay = SHEAF_MS(100)}};
    sheaf_future *tasks[2];
    start_all(roles, tasks, 2);
    sheaf_future *slow = tasks[0];
    sheaf_time began = sheaf_now();
    size_t done = 0;
    EXPECT_INT(sheaf_wait(tasks, 2, SHEAF_ALL_COMPLETED, SHEAF_MS(110), &done), SHEAF_OK);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(110));
    EXPECT_INT(done, 1);
    EXPECT_PTR(tasks[1], slow);
    EXPECT(!sheaf_done(slow));
    EXPECT_INT(sheaf_cancelling(slow), 0);
    expect_value(tasks[0], 0);
    expect_value(tasks[1], 0);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(150));
    return SHEAF_OK;
}

/* W7: who ends at the very instant of the limit is on one side or the other, and not lost */
static int an_end_at_the_instant_of_the_limit_is_not_lost(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_MS(100), .value = 1},
                            {.delay = SHEAF_MS(100), .value = 2}};
    sheaf_future *tasks[2];
    start_all(roles, tasks, 2);
    sheaf_time began = sheaf_now();
    size_t done = 3;
    EXPECT_INT(sheaf_wait_until(tasks, 2, SHEAF_ALL_COMPLETED, began + SHEAF_MS(100), &done),
               SHEAF_OK);
    EXPECT(done <= 2);
    for (size_t i = 0; i < done; i++) {
        EXPECT(sheaf_done(tasks[i]));
    }
    EXPECT_INT(sheaf_wait(tasks, 2, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, 2);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(100));
    expect_end(tasks[0], SHEAF_OK);
    expect_end(tasks[1], SHEAF_OK);
    return SHEAF_OK;
}

/* W13 */
static int an_array_of_any_length_is_taken(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    enum { MANY = 300 };
    static struct role roles[MANY];
    sheaf_future *tasks[MANY];
    for (int i = 0; i < MANY; i++) {
        roles[i] = (struct role){.delay = i % 3 ? SHEAF_US(10) : 0, .value = 1};
    }
    start_all(roles, tasks, MANY);
    size_t done = 0;
    EXPECT_INT(sheaf_wait(tasks, 1, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, 1);
    EXPECT_INT(sheaf_wait(tasks, MANY, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, MANY);
    for (int i = 0; i < MANY; i++) {
        expect_value(tasks[i], 1);
    }
    return SHEAF_OK;
}

static int wait_for_both(void *arg, sheaf_value *result)
{
    sheaf_future **members = arg;
    (void)result;
    return sheaf_wait(members, 2, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, NULL);
}

/* W8 */
static int a_cancelled_waiter_leaves_the_members_alone(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_MS(5), .value = 1}, {.delay = SHEAF_MS(9), .value = 2}};
    sheaf_future *tasks[2];
    start_all(roles, tasks, 2);
    sheaf_future *first = tasks[0];
    sheaf_future *waiter = sheaf_spawn(wait_for_both, tasks);
    settle();
    EXPECT(sheaf_cancel(waiter));
    expect_end(waiter, SHEAF_CANCELLED);
    EXPECT_PTR(tasks[0], first);
    EXPECT(!sheaf_done(tasks[0]) && !sheaf_done(tasks[1]));
    expect_value(tasks[0], 1);
    expect_value(tasks[1], 2);
    EXPECT_INT(sheaf__load_acq(&roles[0].requests), 0);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, all_are_done_and_a_second_wait_costs_no_time),
    TASK_TEST_ON(MODES_VIRTUAL, a_member_that_is_given_twice_is_waited_for_once),
    TASK_TEST(no_members_and_unknown_conditions_are_refused),
    TASK_TEST_ON(MODES_VIRTUAL, the_first_completion_splits_done_from_pending),
    TASK_TEST_ON(MODES_VIRTUAL, what_is_done_by_the_return_is_among_the_done),
    TASK_TEST_ON(MODES_VIRTUAL, an_error_ends_the_wait_at_once_or_later),
    TASK_TEST_ON(MODES_VIRTUAL, errors_of_members_are_recorded_and_not_raised),
    TASK_TEST_ON(MODES_VIRTUAL, a_limit_splits_done_from_pending_and_cancels_nothing),
    TASK_TEST_ON(MODES_VIRTUAL, an_end_at_the_instant_of_the_limit_is_not_lost),
    TASK_TEST(an_array_of_any_length_is_taken),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_waiter_leaves_the_members_alone),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
