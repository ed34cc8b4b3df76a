/* Limits that have passed when they are set: they expire when their task next suspends. */
#include "tests/support/fixture.h"

#include <sheaf/timeout.h>

static int a_body_that_does_not_suspend_is_not_asked(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {{0}};
    EXPECT_INT(sheaf_timeout_begin(&scope, 0, 0), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT(!sheaf_timeout_expired(&scope));
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_OK), SHEAF_OK);
    EXPECT(!sheaf_timeout_expired(&scope));
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    return SHEAF_OK;
}

static int the_first_suspension_expires_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {{0}};
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_MS(-5), 0), SHEAF_OK);
    EXPECT_INT(sheaf_uncancel(NULL), 0);
    EXPECT_INT(sheaf_yield(), SHEAF_CANCELLED);
    EXPECT(sheaf_timeout_expired(&scope));
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_CANCELLED), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

static int a_checkpoint_expires_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout outer = {{0}};
    sheaf_timeout inner = {{0}};
    EXPECT_INT(sheaf_timeout_begin(&outer, 0, 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin(&inner, 0, 0), SHEAF_OK);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 2);
    EXPECT_INT(sheaf_timeout_end(&inner, SHEAF_CANCELLED), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_timeout_end(&outer, SHEAF_CANCELLED), SHEAF_TIMEOUT);
    return SHEAF_OK;
}

static int its_owner_may_still_move_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {{0}};
    EXPECT_INT(sheaf_timeout_begin(&scope, 0, 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_reschedule(&scope, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_reschedule(&scope, 0), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_S(3600)), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_timeout_reschedule(&scope, SHEAF_FOREVER), SHEAF_STATE);
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_CANCELLED), SHEAF_TIMEOUT);
    return SHEAF_OK;
}

static int move(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_timeout_reschedule(arg, SHEAF_FOREVER);
}

static int to_others_it_has_expired(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_timeout scope = {{0}};
    sheaf_pool *other;
    sheaf_options options = fixture_options(f);
    EXPECT_INT(sheaf_pool_open(&options, &other), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin(&scope, 0, 0), SHEAF_OK);
    sheaf_future *mover = sheaf_spawn_on(other, move, &scope);
    while (!sheaf_done(mover)) { /* without a suspension */
    }
    EXPECT_INT(sheaf_join(mover, NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_yield(), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_CANCELLED), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_pool_close(other, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    return SHEAF_OK;
}

static int sleep_long(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(3600));
}

/* The limit is that of the task below on the stack when an awaited child suspends there. */
static int what_is_awaited_is_asked(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {{0}};
    EXPECT_INT(sheaf_timeout_begin(&scope, 0, 0), SHEAF_OK);
    sheaf_future *child = sheaf_spawn(sleep_long, NULL);
    EXPECT_INT(sheaf_await(child, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(child));
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_CANCELLED), SHEAF_TIMEOUT);
    sheaf_release(child);
    return SHEAF_OK;
}

static int a_request_wins_over_awaiting_oneself(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_await(sheaf_current(), NULL), SHEAF_STATE);
    EXPECT(sheaf_cancel(sheaf_current()));
    EXPECT_INT(sheaf_await(sheaf_current(), NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_uncancel(NULL), 0);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_body_that_does_not_suspend_is_not_asked),
    TASK_TEST(the_first_suspension_expires_it),
    TASK_TEST(a_checkpoint_expires_it),
    TASK_TEST(its_owner_may_still_move_it),
    TASK_TEST(to_others_it_has_expired),
    TASK_TEST(what_is_awaited_is_asked),
    TASK_TEST(a_request_wins_over_awaiting_oneself),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
