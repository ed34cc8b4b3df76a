/* Tasks as asyncio's own tests see them: what they are, what they give, and how errors link. */
#include "lib/alloc.h"
#include "tests/support/roles.h"

#include <errno.h>
#include <string.h>

static int await_oneself(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_await(sheaf_current(), NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_await_for(sheaf_current(), SHEAF_S(1), NULL), SHEAF_STATE);
    return sheaf_await(sheaf_current(), NULL);
}

/* T22 */
static int a_task_that_awaits_itself_gets_an_error(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_end(sheaf_spawn(await_oneself, NULL), SHEAF_STATE);
    return SHEAF_OK;
}

static int add_halves(void *arg, sheaf_value *result)
{
    int64_t n = *(const int64_t *)arg;
    if (n <= 1) {
        result->i64 = n;
        return SHEAF_OK;
    }
    int64_t half = n / 2, rest = n - half;
    sheaf_value left, right;
    sheaf_future *task = sheaf_spawn(add_halves, &half);
    int status = add_halves(&rest, &right);
    SHEAF_TRY(sheaf_join(task, &left));
    SHEAF_TRY(status);
    result->i64 = left.i64 + right.i64;
    return SHEAF_OK;
}

/* T4 */
static int a_task_gives_what_its_calls_add_up_to(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int64_t n = 100;
    expect_value(sheaf_spawn(add_halves, &n), 100);
    return SHEAF_OK;
}

/* T1, G4 */
static int a_body_runs_once_however_often_it_is_awaited(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role body = {.delay = SHEAF_US(20), .value = 6};
    sheaf_future *task = start(&body);
    struct role waiters[3];
    sheaf_future *tasks[3];
    for (int i = 0; i < 3; i++) {
        waiters[i] = (struct role){.awaited = task};
        tasks[i] = start(&waiters[i]);
    }
    for (int i = 0; i < 3; i++) {
        expect_value(tasks[i], 6);
    }
    expect_value(task, 6);
    EXPECT_INT(sheaf__load_acq(&body.begun), 1);
    return SHEAF_OK;
}

/* T25, EH1 */
static int a_task_that_cannot_be_made_fails_and_is_not_listed(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    struct role role = {.value = 1};
    size_t before = sheaf_all_tasks(f->pool, NULL, 0);
    char name[200];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    sheaf__alloc_fail_after(0, SHEAF__ALLOC_FAIL_STICKY);
    sheaf_future *task = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = name), play, &role);
    sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_ONCE);
    EXPECT(sheaf_done(task));
    EXPECT_INT(sheaf_all_tasks(f->pool, NULL, 0), before);
    expect_end(task, SHEAF_NOMEM);
    EXPECT_INT(sheaf__load_acq(&role.begun), 0);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- errors and their links */

static int raise_broken(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_raise(*(const int *)arg, "broken");
}

static sheaf_error *error_of(int code)
{
    sheaf_future *task = sheaf_spawn(raise_broken, &code);
    sheaf_error *error = NULL;
    EXPECT_INT(sheaf_await_error(task, NULL, &error), SHEAF_OK);
    EXPECT_INT(sheaf_error_code(error), code);
    sheaf_release(task);
    return error;
}

/* Fails with the second error, which came while the first one was dealt with. */
static int fail_while_dealing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_error *first = error_of(EIO);
    sheaf_error *second = error_of(ENOENT);
    sheaf_error *linked = sheaf_error_with_during(sheaf_error_retain(second), first);
    EXPECT_PTR(sheaf_error_during(second), NULL);
    int status = sheaf_raise_error(linked);
    sheaf_error_release(linked);
    sheaf_error_release(second);
    sheaf_error_release(first);
    return status;
}

/* P23 */
static int an_error_keeps_the_one_that_was_dealt_with(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *task = sheaf_spawn(fail_while_dealing, NULL);
    EXPECT_INT(sheaf_await(task, NULL), ENOENT);
    sheaf_error *error = sheaf_future_error(task);
    EXPECT_INT(sheaf_error_code(error), ENOENT);
    EXPECT_INT(sheaf_error_code(sheaf_error_during(error)), EIO);
    EXPECT_PTR(sheaf_error_during(sheaf_error_during(error)), NULL);
    sheaf_error_release(error);
    sheaf_release(task);
    return SHEAF_OK;
}

/* Hands the awaited error on as one that arose while that same error was dealt with. */
static int raise_again_during_itself(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_error *error = NULL;
    SHEAF_TRY(sheaf_await_error(arg, NULL, &error));
    sheaf_error *again = sheaf_error_with_during(sheaf_error_retain(error), error);
    sheaf_error *cause = error;
    again = sheaf_error_with_cause(again, cause);
    int status = sheaf_raise_error(again);
    sheaf_error_release(again);
    sheaf_error_release(error);
    return status;
}

/* P23 */
static int an_error_raised_again_makes_no_circle(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int code = EIO;
    sheaf_future *inner = sheaf_spawn(raise_broken, &code);
    sheaf_future *outer = sheaf_spawn(raise_again_during_itself, inner);
    EXPECT_INT(sheaf_await(outer, NULL), EIO);
    sheaf_error *error = sheaf_future_error(outer), *original = sheaf_future_error(inner);
    EXPECT(error != original);
    EXPECT_PTR(sheaf_error_during(error), original);
    EXPECT_PTR(sheaf_error_cause(error), original);
    EXPECT_PTR(sheaf_error_during(original), NULL);
    char text[400];
    EXPECT(sheaf_error_format(error, text, sizeof text) < sizeof text);
    sheaf_error_release(error);
    sheaf_error_release(original);
    sheaf_release(outer);
    sheaf_release(inner);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- sleeping */

/* SL1, SL3, P17 */
static int two_halves_of_a_sleep_add_up(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_time began = sheaf_now();
    EXPECT_INT(sheaf_sleep(SHEAF_S(0.5)), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_S(0.5)), SHEAF_OK);
    EXPECT_INT(sheaf_now() - began, SHEAF_S(1));
    return SHEAF_OK;
}

/* P17, SL1 */
static int a_time_that_has_passed_is_due_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_sleep(SHEAF_S(2)), SHEAF_OK);
    sheaf_time now = sheaf_now();
    EXPECT_INT(sheaf_sleep(SHEAF_S(-1)), SHEAF_OK);
    EXPECT_INT(sheaf_sleep_until(now - SHEAF_S(2)), SHEAF_OK);
    EXPECT_INT(sheaf_now(), now);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_task_that_awaits_itself_gets_an_error),
    TASK_TEST(a_task_gives_what_its_calls_add_up_to),
    TASK_TEST(a_body_runs_once_however_often_it_is_awaited),
    TASK_TEST_ON(MODES_SINGLE, a_task_that_cannot_be_made_fails_and_is_not_listed),
    TASK_TEST(an_error_keeps_the_one_that_was_dealt_with),
    TASK_TEST(an_error_raised_again_makes_no_circle),
    TASK_TEST_ON(MODES_VIRTUAL, two_halves_of_a_sleep_add_up),
    TASK_TEST_ON(MODES_VIRTUAL, a_time_that_has_passed_is_due_at_once),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
