/* Requests that are held back or taken back: masks and uncancel. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>

static int request_oneself(void)
{
    EXPECT(sheaf_cancel(sheaf_current()));
    return sheaf_cancelling(NULL);
}

/* ---------------------------------------------------------------- masks */

static int hold_requests_back(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_mask_begin(), SHEAF_OK);
    EXPECT_INT(request_oneself(), 1);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    EXPECT_INT(request_oneself(), 2);
    EXPECT_INT(sheaf_mask_end(), SHEAF_OK);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(NULL), 2);
    return SHEAF_CANCELLED;
}

static int a_mask_holds_requests_back_until_it_ends(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_join(sheaf_spawn(hold_requests_back, NULL), NULL), SHEAF_CANCELLED);
    return SHEAF_OK;
}

static int nest_masks(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_mask_begin(), SHEAF_OK);
    EXPECT_INT(sheaf_mask_begin(), SHEAF_OK);
    EXPECT_INT(request_oneself(), 1);
    EXPECT_INT(sheaf_mask_end(), SHEAF_OK);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_mask_end(), SHEAF_OK);
    EXPECT_INT(sheaf_yield(), SHEAF_CANCELLED);
    return SHEAF_CANCELLED;
}

static int masks_nest(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_join(sheaf_spawn(nest_masks, NULL), NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_mask_end(), SHEAF_STATE);
    for (int i = 0; i < 255; i++) {
        EXPECT_INT(sheaf_mask_begin(), SHEAF_OK);
    }
    EXPECT_INT(sheaf_mask_begin(), SHEAF_STATE);
    for (int i = 0; i < 255; i++) {
        EXPECT_INT(sheaf_mask_end(), SHEAF_OK);
    }
    EXPECT_INT(sheaf_mask_end(), SHEAF_STATE);
    return SHEAF_OK;
}

static int wait_masked(void *arg, sheaf_value *result)
{
    EXPECT_INT(sheaf_mask_begin(), SHEAF_OK);
    EXPECT_INT(fixture_rest(arg, result), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    EXPECT_INT(sheaf_mask_end(), SHEAF_OK);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_USER);
    return SHEAF_CANCELLED;
}

static int a_masked_wait_is_not_interrupted(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(wait_masked, promise);
    fixture_settle(1);
    EXPECT(sheaf_cancel(task));
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    EXPECT(!sheaf_done(task));
    EXPECT(!sheaf_done(promise));
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int unmask_before_waiting(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(sheaf_mask_begin(), SHEAF_OK);
    EXPECT_INT(request_oneself(), 1);
    EXPECT_INT(sheaf_mask_end(), SHEAF_OK);
    return sheaf_await(arg, NULL);
}

static int a_request_held_back_is_delivered_at_the_next_wait(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT_INT(sheaf_join(sheaf_spawn(unmask_before_waiting, promise), NULL), SHEAF_CANCELLED);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int end_masked(void *arg, sheaf_value *result)
{
    EXPECT_INT(sheaf_mask_begin(), SHEAF_OK);
    EXPECT_INT(request_oneself(), 1);
    if (arg) {
        EXPECT_INT(sheaf_uncancel(NULL), 0);
    }
    result->i64 = 4;
    return SHEAF_OK;
}

static int a_body_that_ends_masked_ends_as_without(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_spawn(end_masked, NULL), NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(sheaf_spawn(end_masked, arg), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 4);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- uncancel */

static int take_the_only_request_back(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(request_oneself(), 1);
    EXPECT_INT(sheaf_uncancel(NULL), 0);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_uncancel(NULL), 0);
    return SHEAF_OK;
}

static int take_one_of_two_back(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(request_oneself(), 1);
    EXPECT_INT(request_oneself(), 2);
    EXPECT_INT(sheaf_uncancel(NULL), 1);
    EXPECT_INT(sheaf_yield(), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    return SHEAF_CANCELLED;
}

static int take_back_after_delivery(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(request_oneself(), 1);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_uncancel(NULL), 0);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(request_oneself(), 1);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_uncancel(NULL), 0);
    return SHEAF_OK;
}

/* T18, T19 */
static int a_request_taken_back_is_withdrawn_unless_delivered(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f = sheaf_spawn(take_the_only_request_back, NULL);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(f), 0);
    sheaf_release(f);
    EXPECT_INT(sheaf_join(sheaf_spawn(take_one_of_two_back, NULL), NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(sheaf_spawn(take_back_after_delivery, NULL), NULL), SHEAF_OK);
    return SHEAF_OK;
}

static int rest(void *arg, sheaf_value *result)
{
    return fixture_rest(arg, result);
}

/* The awaited promise is cancelled by the request itself: taking it back comes too late for that.
 * */
static int taking_back_from_outside_changes_the_count(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(rest, promise);
    fixture_settle(1);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_uncancel(task), 0);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(promise));
    EXPECT_INT(sheaf_cancelling(task), 0);
    sheaf_release(task);
    sheaf_release(promise);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_mask_holds_requests_back_until_it_ends),
    TASK_TEST(masks_nest),
    TASK_TEST_ON(MODES_SINGLE, a_masked_wait_is_not_interrupted),
    TASK_TEST(a_request_held_back_is_delivered_at_the_next_wait),
    TASK_TEST(a_body_that_ends_masked_ends_as_without),
    TASK_TEST(a_request_taken_back_is_withdrawn_unless_delivered),
    TASK_TEST_ON(MODES_SINGLE, taking_back_from_outside_changes_the_count),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
