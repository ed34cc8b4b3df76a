/* Timeout scopes in each other, in clean-ups and around groups, as asyncio's own tests see them. */
#include "tests/support/roles.h"

#include <errno.h>

/* ---------------------------------------------------------------- one in the other */

/* TO13 */
static int of_two_that_expire_at_once_the_outer_one_is_the_timeout(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout outer = {0}, inner = {0};
    sheaf_time deadline = sheaf_now() + SHEAF_MS(10);
    EXPECT_INT(sheaf_timeout_begin_until(&outer, deadline, 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin_until(&inner, deadline, 0), SHEAF_OK);
    int status = sheaf_sleep(SHEAF_S(10));
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 2);
    status = sheaf_timeout_end(&inner, status);
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    status = sheaf_timeout_end(&outer, status);
    EXPECT_INT(status, SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT(sheaf_timeout_expired(&inner) && sheaf_timeout_expired(&outer));
    return SHEAF_OK;
}

static void compute_for(sheaf_duration duration)
{
    sheaf_time until = sheaf_now() + duration;
    while (sheaf_now() < until) {
    }
}

/* TO13, TO8: a body that computes hears of a limit at a checkpoint */
static int an_outer_deadline_that_passes_in_a_computation_is_seen_after_it(void *arg,
                                                                           sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout outer = {0}, inner = {0};
    /* Set when the inner one has begun, so that no pause of the machine makes it pass before. */
    EXPECT_INT(sheaf_timeout_begin(&outer, SHEAF_FOREVER, 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin(&inner, SHEAF_MS(1), 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_reschedule(&outer, sheaf_now() + SHEAF_MS(2)), SHEAF_OK);
    compute_for(SHEAF_MS(5));
    bool told = false;
    while (!told || sheaf_cancelling(NULL) < 2) {
        told = sheaf_checkpoint() == SHEAF_CANCELLED || told;
    }
    int status = SHEAF_CANCELLED;
    EXPECT(sheaf_timeout_expired(&outer) && sheaf_timeout_expired(&inner));
    status = sheaf_timeout_end(&inner, status);
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_timeout_end(&outer, status), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

/* TO12, TO8: both limits pass while the task computes, one after the other; the outer one is set
 * when the inner one has ended, so that no pause of the machine makes it pass first */
static int limits_that_pass_in_computations_are_seen_late(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout outer = {0}, inner = {0};
    EXPECT_INT(sheaf_timeout_begin(&outer, SHEAF_FOREVER, 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin(&inner, SHEAF_MS(1), 0), SHEAF_OK);
    compute_for(SHEAF_MS(3));
    int status = sheaf_sleep(SHEAF_S(100));
    EXPECT_INT(sheaf_timeout_end(&inner, status), SHEAF_TIMEOUT);
    EXPECT(!sheaf_timeout_expired(&outer));
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sheaf_sleep(SHEAF_US(10)), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_reschedule(&outer, sheaf_now() + SHEAF_MS(1)), SHEAF_OK);
    compute_for(SHEAF_MS(3));
    status = sheaf_sleep(SHEAF_S(100));
    EXPECT_INT(sheaf_timeout_end(&outer, status), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- moved by others */

struct moving {
    sheaf_timeout scope;
    sheaf_time moved_to;
    sheaf_future *begun; /* the scope is */
};

static int sleep_in_a_scope_that_is_moved(void *arg, sheaf_value *result)
{
    struct moving *m = arg;
    (void)result;
    SHEAF_TRY(sheaf_timeout_begin(&m->scope, SHEAF_MS(10), 0));
    EXPECT_INT(sheaf_resolve(m->begun, number(0)), SHEAF_OK);
    return sheaf_timeout_end(&m->scope, sheaf_sleep(SHEAF_S(10)));
}

/* Starts it; its scope is begun and it sleeps on return. */
static sheaf_future *start_moving(struct moving *m)
{
    m->begun = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(sleep_in_a_scope_that_is_moved, m);
    EXPECT_INT(sheaf_await(m->begun, NULL), SHEAF_OK);
    settle();
    sheaf_release(m->begun);
    return task;
}

/* TO9, TO14 */
static int another_task_moves_the_deadline_and_takes_it_away(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int taken_away = 0; taken_away < 2; taken_away++) {
        struct moving m = {.moved_to = taken_away ? SHEAF_FOREVER : sheaf_now() + SHEAF_MS(20)};
        sheaf_time began = sheaf_now();
        sheaf_future *task = start_moving(&m);
        EXPECT_INT(sheaf_timeout_when(&m.scope), began + SHEAF_MS(10));
        EXPECT_INT(sheaf_timeout_reschedule(&m.scope, m.moved_to), SHEAF_OK);
        EXPECT_INT(sheaf_timeout_when(&m.scope), m.moved_to);
        EXPECT_INT(sheaf_await(task, NULL), taken_away ? SHEAF_OK : SHEAF_TIMEOUT);
        EXPECT_INT(sheaf_now() - began, taken_away ? SHEAF_S(10) : SHEAF_MS(20));
        EXPECT_INT(sheaf_timeout_expired(&m.scope), !taken_away);
        sheaf_release(task);
    }
    return SHEAF_OK;
}

/* TO9, TO14 */
static int a_scope_without_its_deadline_lets_requests_of_others_pass(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct moving m = {.moved_to = SHEAF_FOREVER};
    sheaf_future *task = start_moving(&m);
    EXPECT_INT(sheaf_timeout_reschedule(&m.scope, m.moved_to), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(100)), SHEAF_OK);
    EXPECT(sheaf_cancel(task));
    expect_end(task, SHEAF_CANCELLED);
    EXPECT(!sheaf_timeout_expired(&m.scope));
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- with requests still counted */

/* TO16, TO3 */
static int a_second_scope_in_the_clean_up_of_the_first_expires_too(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout first = {0}, second = {0};
    EXPECT_INT(sheaf_timeout_begin(&first, SHEAF_MS(1), 0), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_S(10)), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_timeout_begin(&second, SHEAF_MS(1), 0), SHEAF_OK);
    int status = sheaf_sleep(SHEAF_S(10));
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 2);
    EXPECT_INT(sheaf_timeout_end(&second, status), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    EXPECT_INT(sheaf_timeout_end(&first, SHEAF_CANCELLED), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

static int use_a_scope_after_a_request(void *arg, sheaf_value *result)
{
    const bool *asked_again = arg;
    (void)result;
    EXPECT_INT(sheaf_sleep(SHEAF_S(10)), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    sheaf_timeout scope = {0};
    SHEAF_TRY(sheaf_timeout_begin(&scope, *asked_again ? SHEAF_S(100) : SHEAF_MS(1), 0));
    int status = sheaf_timeout_end(&scope, sheaf_sleep(SHEAF_S(50)));
    EXPECT_INT(sheaf_timeout_expired(&scope), !*asked_again);
    return status;
}

/* TO16 */
static int a_scope_works_in_a_task_that_swallowed_a_request(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    bool asked_again = false;
    sheaf_future *task = sheaf_spawn(use_a_scope_after_a_request, &asked_again);
    settle();
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_cancelling(task), 1);
    sheaf_release(task);
    return SHEAF_OK;
}

/* TO14, TO16 */
static int a_new_request_in_such_a_scope_stays_a_cancellation(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    bool asked_again = true;
    sheaf_future *task = sheaf_spawn(use_a_scope_after_a_request, &asked_again);
    for (int i = 0; i < 2; i++) {
        settle();
        EXPECT(sheaf_cancel(task));
    }
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(task), 2);
    sheaf_release(task);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- around a group */

static int time_out_around_a_group(void *arg, sheaf_value *result)
{
    struct role *roles = arg;
    (void)result;
    sheaf_timeout scope = {0};
    SHEAF_TRY(sheaf_timeout_begin(&scope, SHEAF_MS(10), 0));
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, play, &roles[0]), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, play, &roles[1]), SHEAF_OK);
    int status = sheaf_group_close(&group, SHEAF_OK);
    status = sheaf_timeout_end(&scope, status);
    EXPECT(sheaf_timeout_expired(&scope));
    return status;
}

/* TO18, TG3 */
static int errors_of_a_group_pass_through_the_scope_around_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {
        {.delay = SHEAF_S(10), .asked = FAIL_INSTEAD, .late_code = EIO},
        {.delay = SHEAF_S(10), .asked = FAIL_INSTEAD, .late_code = EPIPE, .cleanup = SHEAF_MS(1)}};
    sheaf_future *task = sheaf_spawn(time_out_around_a_group, roles);
    EXPECT_INT(sheaf_await(task, NULL), EIO);
    sheaf_error *error = sheaf_future_error(task);
    EXPECT_INT(sheaf_error_part_count(error), 2);
    EXPECT_INT(sheaf_error_code(sheaf_error_part(error, 0)), EIO);
    EXPECT_INT(sheaf_error_code(sheaf_error_part(error, 1)), EPIPE);
    sheaf_error_release(error);
    sheaf_release(task);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, of_two_that_expire_at_once_the_outer_one_is_the_timeout),
    TASK_TEST_ON(MODES_REAL, an_outer_deadline_that_passes_in_a_computation_is_seen_after_it),
    TASK_TEST_ON(MODES_REAL, limits_that_pass_in_computations_are_seen_late),
    TASK_TEST_ON(MODES_VIRTUAL, another_task_moves_the_deadline_and_takes_it_away),
    TASK_TEST_ON(MODES_VIRTUAL, a_scope_without_its_deadline_lets_requests_of_others_pass),
    TASK_TEST_ON(MODES_VIRTUAL, a_second_scope_in_the_clean_up_of_the_first_expires_too),
    TASK_TEST_ON(MODES_VIRTUAL, a_scope_works_in_a_task_that_swallowed_a_request),
    TASK_TEST_ON(MODES_VIRTUAL, a_new_request_in_such_a_scope_stays_a_cancellation),
    TASK_TEST_ON(MODES_VIRTUAL, errors_of_a_group_pass_through_the_scope_around_it),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
