/* Staggered races as asyncio's own tests see them. */
#include "tests/support/roles.h"

#include <errno.h>

enum { CALLS = 2 };

struct race {
    struct role roles[CALLS];
    sheaf_value value;
    size_t winner;
    sheaf_error *errors[CALLS];
};

static int run_race(struct race *r, sheaf_duration delay)
{
    sheaf_call calls[CALLS];
    for (int i = 0; i < CALLS; i++) {
        calls[i] = (sheaf_call){.fn = play, .arg = &r->roles[i]};
    }
    r->winner = 77;
    return sheaf_race(calls, CALLS, delay, &r->value, &r->winner, r->errors);
}

/* Expects the codes of the errors, 0 for none, and drops them. */
static void expect_errors(struct race *r, int first, int second)
{
    EXPECT_INT(sheaf_error_code(r->errors[0]), first);
    EXPECT_INT(sheaf_error_code(r->errors[1]), second);
    sheaf_error_release(r->errors[0]);
    sheaf_error_release(r->errors[1]);
}

/* SR2 */
static int a_race_of_nobody_has_no_winner(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_call calls[1] = {{.fn = NULL}};
    size_t winner = 77;
    EXPECT_INT(sheaf_race(calls, 0, SHEAF_MS(1), NULL, &winner, NULL), SHEAF_EMPTY);
    EXPECT_INT(winner, 77);
    return SHEAF_OK;
}

/* SR1 */
static int when_the_first_succeeds_the_second_never_starts(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct race r = {.roles = {{.delay = SHEAF_MS(1), .value = 5}, {.value = 6}}};
    EXPECT_INT(run_race(&r, SHEAF_S(100)), SHEAF_OK);
    EXPECT_INT(r.winner, 0);
    EXPECT_INT(r.value.i64, 5);
    EXPECT_INT(sheaf__load_acq(&r.roles[1].begun), 0);
    expect_errors(&r, 0, 0);
    return SHEAF_OK;
}

/* SR1 */
static int the_second_starts_when_the_first_has_failed(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct race r = {.roles = {{.delay = SHEAF_MS(1), .code = EIO}, {.value = 6}}};
    sheaf_time began = sheaf_now();
    EXPECT_INT(run_race(&r, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(1));
    EXPECT_INT(r.winner, 1);
    EXPECT_INT(r.value.i64, 6);
    expect_errors(&r, EIO, 0);
    return SHEAF_OK;
}

/* SR1 */
static int the_second_starts_after_the_delay_and_the_first_is_cancelled(void *arg,
                                                                        sheaf_value *result)
{
    (void)arg, (void)result;
    struct race r = {.roles = {{.delay = SHEAF_S(10), .cleanup = SHEAF_MS(5)}, {.value = 6}}};
    sheaf_time began = sheaf_now();
    EXPECT_INT(run_race(&r, SHEAF_MS(100)), SHEAF_OK);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(105));
    EXPECT_INT(r.winner, 1);
    EXPECT_INT(r.value.i64, 6);
    EXPECT_INT(sheaf__load_acq(&r.roles[0].ended), 1);
    expect_errors(&r, SHEAF_CANCELLED, 0);
    return SHEAF_OK;
}

/* SR2 */
static int when_all_fail_there_is_no_winner_and_all_errors(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct race r = {.roles = {{.delay = SHEAF_MS(1), .code = EIO}, {.code = EPIPE}}};
    EXPECT_INT(run_race(&r, SHEAF_FOREVER), EIO);
    EXPECT_INT(r.winner, 77);
    expect_errors(&r, EIO, EPIPE);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_race_of_nobody_has_no_winner),
    TASK_TEST(when_the_first_succeeds_the_second_never_starts),
    TASK_TEST_ON(MODES_VIRTUAL, the_second_starts_when_the_first_has_failed),
    TASK_TEST_ON(MODES_VIRTUAL, the_second_starts_after_the_delay_and_the_first_is_cancelled),
    TASK_TEST(when_all_fail_there_is_no_winner_and_all_errors),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
