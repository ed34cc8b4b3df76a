/* Rules of docs/asyncio.md about limits in time, shields and task groups that no test of a single
 * part is about. */
#include "tests/support/roles.h"

#include <errno.h>

enum { LONG_S = 3600 };

/* A task that waits for a future with a limit. */
struct limited {
    sheaf_future *future;
    sheaf_duration limit;
};

static int wait_limited(void *arg, sheaf_value *result)
{
    const struct limited *limited = arg;
    return sheaf_wait_for(limited->future, limited->limit, result);
}

/* Keeps its worker busy. */
static void compute_until(sheaf_time end)
{
    while (sheaf_now() < end) {
    }
}

/* ---------------------------------------------------------------- waiting with a limit */

/* WF8 */
static int a_caller_gets_the_value_of_a_future_that_swallows_its_request(void *arg,
                                                                         sheaf_value *result)
{
    (void)arg, (void)result;
    struct role inner = {.delay = SHEAF_S(LONG_S), .asked = SWALLOW, .value = 5};
    struct limited limited = {start(&inner), SHEAF_FOREVER};
    sheaf_future *caller = sheaf_spawn(wait_limited, &limited);
    settle();
    EXPECT(sheaf_cancel(caller));
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(caller, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 5);
    EXPECT_INT(sheaf_cancelling(caller), 1);
    sheaf_release(caller);
    sheaf_release(limited.future);
    return SHEAF_OK;
}

/* WF9.  The caller cannot go on before the limit has passed: this task has the only worker. */
static int a_value_that_was_there_before_the_limit_is_given(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct limited limited = {sheaf_promise(NULL), SHEAF_MS(20)};
    sheaf_future *caller = sheaf_spawn(wait_limited, &limited);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(limited.future, number(6)), SHEAF_OK);
    while (sheaf_cancelling(caller) == 0 && !sheaf_done(caller)) {
    }
    expect_value(caller, 6);
    sheaf_release(limited.future);
    return SHEAF_OK;
}

static const sheaf_local place = {.name = "place"};
static char inside[] = "inside";

static int look_around(void *arg, sheaf_value *result)
{
    EXPECT_PTR(sheaf_current(), arg);
    result->i64 = 9;
    return sheaf_local_set(&place, inside);
}

/* WF10 */
static int a_function_that_is_called_with_a_limit_is_the_callers(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_value value = {0};
    EXPECT_INT(sheaf_call_for(look_around, sheaf_current(), SHEAF_S(LONG_S), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 9);
    EXPECT_PTR(sheaf_local_get(&place), inside);
    return SHEAF_OK;
}

/* WF11, T26 */
static int a_limit_cancels_a_promise_and_others_may_too(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT_INT(sheaf_wait_for(promise, SHEAF_MS(1), NULL), SHEAF_TIMEOUT);
    EXPECT(sheaf_cancelled(promise));
    EXPECT_INT(sheaf_wait_for(promise, SHEAF_MS(1), NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_CHILD);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int overrun(void *arg, sheaf_value *result)
{
    compute_until(sheaf_now() + SHEAF_MS(*(const int *)arg));
    result->i64 = 3;
    return SHEAF_OK;
}

/* WF12, P17 */
static int a_function_that_overran_without_suspending_gives_its_value(void *arg,
                                                                      sheaf_value *result)
{
    (void)arg, (void)result;
    int ms = 3;
    sheaf_value value = {0};
    EXPECT_INT(sheaf_call_for(overrun, &ms, SHEAF_MS(1), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 3);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    return SHEAF_OK;
}

static int get_item(void *arg, sheaf_value *result)
{
    return sheaf_queue_get(arg, result);
}

static int get_within_a_limit(void *arg, sheaf_value *result)
{
    return sheaf_call_for(get_item, arg, SHEAF_US(50), result);
}

/* WF13, QU11.  The item and the limit come at the same moment, as far as a clock can tell. */
static int an_item_that_comes_with_the_limit_is_not_lost(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_queue queue;
    size_t got = 0, rounds = fixture_scaled(200);
    EXPECT_INT(sheaf_queue_open(&queue, NULL), SHEAF_OK);
    for (size_t i = 0; i < rounds; i++) {
        sheaf_future *getter = sheaf_spawn(get_within_a_limit, &queue);
        EXPECT_INT(sheaf_sleep(SHEAF_US(50)), SHEAF_OK);
        EXPECT_INT(sheaf_queue_put(&queue, number(1)), SHEAF_OK);
        int status = sheaf_join(getter, NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_TIMEOUT);
        got += status == SHEAF_OK;
    }
    EXPECT_INT(got + sheaf_queue_size(&queue), rounds);
    EXPECT_INT(sheaf_queue_close(&queue), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- shields */

/* SH5 */
static int an_inner_future_is_on_its_own_when_its_shield_was_cancelled(void *arg,
                                                                       sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    f->unhandled_expected = 1;
    sheaf_future *inner = sheaf_promise(NULL), *shield = sheaf_shield(inner);
    EXPECT(sheaf_cancel(shield));
    EXPECT_INT(sheaf_reject(inner, EIO, "later"), SHEAF_OK);
    expect_end(shield, SHEAF_CANCELLED);
    EXPECT_INT(fixture_unhandled(f), 0);
    sheaf_release(inner);
    EXPECT_INT(fixture_unhandled(f), 1);
    return SHEAF_OK;
}

/* SH6 */
static int a_shielded_task_that_nobody_holds_runs_to_its_end(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role inner = {.delay = SHEAF_MS(5), .name = "inner"};
    sheaf_future *task = start(&inner), *shield = sheaf_shield(task);
    sheaf_release(task);
    settle();
    EXPECT(sheaf_cancel(shield));
    sheaf_release(shield);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(10)), SHEAF_OK);
    EXPECT_NOTES("inner");
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- timeout scopes */

/* TO4 */
static int a_body_that_swallows_the_expiry_is_asked_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {{0}};
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_MS(1), 0), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_S(LONG_S)), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(5)), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_OK), SHEAF_OK);
    EXPECT(sheaf_timeout_expired(&scope));
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

/* TO11 */
static int an_outer_scope_that_expires_first_makes_the_timeout(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout outer = {{0}}, inner = {{0}};
    EXPECT_INT(sheaf_timeout_begin(&outer, SHEAF_MS(1), 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin(&inner, SHEAF_S(LONG_S), 0), SHEAF_OK);
    int status = sheaf_timeout_end(&inner, sheaf_sleep(SHEAF_FOREVER));
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_timeout_end(&outer, status), SHEAF_TIMEOUT);
    EXPECT(sheaf_timeout_expired(&outer) && !sheaf_timeout_expired(&inner));
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

static int unwind_slowly(void *arg, sheaf_value *result)
{
    sheaf_timeout scope = {{0}};
    (void)arg, (void)result;
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_MS(1), 0), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_S(LONG_S)), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_sleep(SHEAF_S(LONG_S)), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 2);
    int status = sheaf_timeout_end(&scope, SHEAF_CANCELLED);
    EXPECT(sheaf_timeout_expired(&scope));
    return status;
}

/* TO15 */
static int a_request_of_others_while_the_body_unwinds_leaves_the_scope(void *arg,
                                                                       sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *task = sheaf_spawn(unwind_slowly, NULL);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(5)), SHEAF_OK);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(task), 1);
    sheaf_release(task);
    return SHEAF_OK;
}

/* TO17 */
static int a_limit_counts_from_the_begin_of_its_scope(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {{0}};
    EXPECT_INT(sheaf_sleep(SHEAF_S(LONG_S)), SHEAF_OK);
    sheaf_time begin = sheaf_now();
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_MS(2), 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_when(&scope), begin + SHEAF_MS(2));
    EXPECT_INT(sheaf_timeout_end(&scope, sheaf_sleep(SHEAF_MS(1))), SHEAF_OK);
    EXPECT(!sheaf_timeout_expired(&scope));
    return SHEAF_OK;
}

static int swallow_then_overrun_a_limit(void *arg, sheaf_value *result)
{
    sheaf_timeout scope = {{0}};
    (void)arg, (void)result;
    EXPECT(sheaf_cancel(sheaf_current()));
    EXPECT_INT(sheaf_yield(), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_MS(1), 0), SHEAF_OK);
    while (sheaf_cancelling(NULL) < 2) {
    }
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_OK), SHEAF_OK);
    EXPECT(sheaf_timeout_expired(&scope));
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    return SHEAF_OK;
}

/* TO8, TO19, P10.  The task waits for its limit without a suspension. */
static int a_request_of_the_scope_that_was_not_heard_is_withdrawn(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_end(sheaf_spawn(swallow_then_overrun_a_limit, NULL), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- groups: a member fails */

static int open_and_fail(sheaf_group *group, struct role *fails)
{
    EXPECT_INT(sheaf_group_open(group, NULL), SHEAF_OK);
    return sheaf_group_start(group, play, fails);
}

/* TG7, TG23 */
static int a_block_that_swallows_the_abort_goes_on_and_the_close_fails(void *arg,
                                                                       sheaf_value *result)
{
    (void)arg, (void)result;
    struct role fails = {.delay = SHEAF_MS(1), .code = EIO};
    sheaf_group group;
    EXPECT_INT(open_and_fail(&group, &fails), SHEAF_OK);
    EXPECT_INT(sheaf_sleep(SHEAF_S(LONG_S)), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), EIO);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

/* TG8 */
static int a_block_that_awaits_the_failing_member_hears_of_the_abort(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role fails = {.delay = SHEAF_MS(1), .code = EIO};
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    sheaf_future *member = sheaf_group_spawn(&group, play, &fails);
    int status = sheaf_await(member, NULL);
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_group_close(&group, status), EIO);
    sheaf_release(member);
    return SHEAF_OK;
}

static int be_cancelled_then_fail_in_a_group(void *arg, sheaf_value *result)
{
    sheaf_group group;
    (void)result;
    EXPECT(sheaf_cancel(sheaf_current()));
    EXPECT_INT(sheaf_yield(), SHEAF_CANCELLED);
    EXPECT_INT(open_and_fail(&group, arg), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), EIO);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    return sheaf_yield();
}

/* TG13 */
static int a_request_swallowed_before_comes_again_when_the_group_fails(void *arg,
                                                                       sheaf_value *result)
{
    (void)arg, (void)result;
    struct role fails = {.code = EIO};
    expect_end(sheaf_spawn(be_cancelled_then_fail_in_a_group, &fails), SHEAF_CANCELLED);
    return SHEAF_OK;
}

/* TG14.  The block waits for the abort without a suspension: the member needs another worker. */
static int an_abort_that_the_block_did_not_hear_of_is_withdrawn(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role fails = {.code = EIO};
    sheaf_group group;
    EXPECT_INT(open_and_fail(&group, &fails), SHEAF_OK);
    while (sheaf_cancelling(NULL) == 0) {
    }
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), EIO);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    return SHEAF_OK;
}

/* TG20 */
static int errors_of_an_inner_group_that_are_dealt_with_stay_inside(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role outside = {.delay = SHEAF_MS(5), .name = "outside"};
    struct role fails = {.delay = SHEAF_MS(1), .code = EIO};
    sheaf_group outer, inner;
    EXPECT_INT(sheaf_group_open(&outer, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&outer, play, &outside), SHEAF_OK);
    EXPECT_INT(open_and_fail(&inner, &fails), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&inner, SHEAF_OK), EIO);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&outer, SHEAF_OK), SHEAF_OK);
    EXPECT_NOTES("outside");
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- groups: requests */

static int close_over_a_slow_member(void *arg, sheaf_value *result)
{
    sheaf_group group;
    (void)result;
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, play, arg), SHEAF_OK);
    return sheaf_group_close(&group, SHEAF_OK);
}

/* TG10, TG24 */
static int nothing_but_its_members_ends_a_close(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role slow = {.delay = SHEAF_S(LONG_S), .asked = SWALLOW, .cleanup = SHEAF_MS(9)};
    sheaf_future *owner = sheaf_spawn(close_over_a_slow_member, &slow);
    settle();
    EXPECT(sheaf_cancel_message(owner, "first"));
    settle();
    EXPECT(sheaf_cancel_message(owner, "second"));
    settle();
    EXPECT(!sheaf_done(owner));
    EXPECT_INT(sheaf_await(owner, NULL), SHEAF_CANCELLED);
    expect_error(owner, SHEAF_CANCELLED, "first");
    EXPECT_INT(sheaf_cancelling(owner), 2);
    EXPECT_INT(sheaf__load_acq(&slow.requests), 1);
    EXPECT_INT(sheaf__load_acq(&slow.ended), 1);
    sheaf_release(owner);
    return SHEAF_OK;
}

/* TG28 */
static int a_cancelled_group_closes_without_an_error(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role member = {.delay = SHEAF_S(LONG_S), .name = "member"};
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, play, &member), SHEAF_OK);
    settle();
    EXPECT_INT(sheaf_group_cancel(&group), SHEAF_OK);
    EXPECT_INT(sheaf_group_cancel(&group), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, play, &member), SHEAF_CLOSED);
    int status = sheaf_sleep(SHEAF_S(LONG_S));
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_group_close(&group, status), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_NOTES("member!");
    return SHEAF_OK;
}

struct helped {
    sheaf_group group;
    struct role member;
};

static int start_a_member(void *arg, sheaf_value *result)
{
    struct helped *helped = arg;
    (void)result;
    return sheaf_group_start(&helped->group, play, &helped->member);
}

/* TG19.  The failure of a member that another task started is told to the owner. */
static int members_started_by_others_are_the_owners(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct helped helped = {.member = {.delay = SHEAF_MS(1), .code = EIO}};
    EXPECT_INT(sheaf_group_open(&helped.group, NULL), SHEAF_OK);
    sheaf_future *helper = sheaf_spawn(start_a_member, &helped);
    int status = sheaf_sleep(SHEAF_S(LONG_S));
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_group_close(&helped.group, status), EIO);
    expect_end(helper, SHEAF_OK);
    return SHEAF_OK;
}

#define SEVERAL_WORKERS (MODE_2 | MODE_4 | MODE_8)

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, a_caller_gets_the_value_of_a_future_that_swallows_its_request),
    TASK_TEST_ON(MODE_1, a_value_that_was_there_before_the_limit_is_given),
    TASK_TEST(a_function_that_is_called_with_a_limit_is_the_callers),
    TASK_TEST(a_limit_cancels_a_promise_and_others_may_too),
    TASK_TEST_ON(MODES_REAL, a_function_that_overran_without_suspending_gives_its_value),
    TASK_TEST(an_item_that_comes_with_the_limit_is_not_lost),
    TASK_TEST(an_inner_future_is_on_its_own_when_its_shield_was_cancelled),
    TASK_TEST_ON(MODES_VIRTUAL, a_shielded_task_that_nobody_holds_runs_to_its_end),
    TASK_TEST_ON(MODES_VIRTUAL, a_body_that_swallows_the_expiry_is_asked_once),
    TASK_TEST(an_outer_scope_that_expires_first_makes_the_timeout),
    TASK_TEST_ON(MODES_VIRTUAL, a_request_of_others_while_the_body_unwinds_leaves_the_scope),
    TASK_TEST_ON(MODES_VIRTUAL, a_limit_counts_from_the_begin_of_its_scope),
    TASK_TEST_ON(MODES_REAL, a_request_of_the_scope_that_was_not_heard_is_withdrawn),
    TASK_TEST_ON(MODES_VIRTUAL, a_block_that_swallows_the_abort_goes_on_and_the_close_fails),
    TASK_TEST(a_block_that_awaits_the_failing_member_hears_of_the_abort),
    TASK_TEST(a_request_swallowed_before_comes_again_when_the_group_fails),
    TASK_TEST_ON(SEVERAL_WORKERS, an_abort_that_the_block_did_not_hear_of_is_withdrawn),
    TASK_TEST_ON(MODES_VIRTUAL, errors_of_an_inner_group_that_are_dealt_with_stay_inside),
    TASK_TEST_ON(MODES_VIRTUAL, nothing_but_its_members_ends_a_close),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_group_closes_without_an_error),
    TASK_TEST(members_started_by_others_are_the_owners),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
