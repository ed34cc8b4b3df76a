/* gather as asyncio's own tests see it. */
#include "tests/support/roles.h"

#include <errno.h>

enum { MOST = 5 };

static void make_promises(sheaf_future **promises, int count)
{
    for (int i = 0; i < count; i++) {
        promises[i] = sheaf_promise(NULL);
    }
}

/* ---------------------------------------------------------------- the outcome */

/* G1, G9 */
static int values_come_in_argument_order_when_the_last_one_is_there(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const unsigned kinds[] = {SHEAF_GATHER_RAISE, SHEAF_GATHER_COLLECT, SHEAF_GATHER_JOIN};
    for (int k = 0; k < 3; k++) {
        sheaf_future *p[3];
        make_promises(p, 3);
        sheaf_future *gather = sheaf_gather_future(p, 3, kinds[k]);
        static const int order[] = {1, 0, 2};
        for (int i = 0; i < 3; i++) {
            settle();
            EXPECT(!sheaf_done(gather));
            EXPECT_INT(sheaf_resolve(p[order[i]], number(order[i] + 1)), SHEAF_OK);
        }
        sheaf_value value = {0};
        EXPECT_INT(sheaf_await(gather, &value), SHEAF_OK);
        const sheaf_value *values = value.ptr;
        for (int i = 0; i < 3; i++) {
            EXPECT_INT(values[i].i64, i + 1);
        }
        sheaf_release(gather);
        sheaf_release_all(p, 3);
    }
    return SHEAF_OK;
}

/* G5, G6, G7 */
static int the_first_error_ends_it_and_later_outcomes_change_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[MOST];
    make_promises(p, MOST);
    sheaf_future *gather = sheaf_gather_future(p, MOST, SHEAF_GATHER_RAISE);
    EXPECT_INT(sheaf_resolve(p[1], number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_reject(p[3], EIO, "first"), SHEAF_OK);
    EXPECT_INT(sheaf_await(gather, NULL), EIO);
    sheaf_error *error = sheaf_future_error(gather), *same = sheaf_future_error(p[3]);
    EXPECT_PTR(error, same);
    EXPECT(!sheaf_done(p[0]) && !sheaf_done(p[2]) && !sheaf_done(p[4]));
    EXPECT_INT(sheaf_resolve(p[0], number(1)), SHEAF_OK);
    EXPECT(sheaf_cancel(p[2]));
    EXPECT_INT(sheaf_reject(p[4], EPIPE, "late"), SHEAF_OK);
    settle();
    EXPECT_INT(sheaf_future_status(gather), EIO);
    sheaf_error *still = sheaf_future_error(gather);
    EXPECT_PTR(still, error);
    sheaf_error_release(still);
    sheaf_error_release(same);
    sheaf_error_release(error);
    sheaf_release(gather);
    sheaf_release_all(p, MOST);
    return SHEAF_OK;
}

/* G9 */
static int collected_errors_are_entries_and_all_are_waited_for(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[3] = {{.delay = SHEAF_MS(3), .value = 1},
                            {.delay = SHEAF_MS(1), .code = EIO},
                            {.delay = SHEAF_MS(2), .value = 3}};
    sheaf_future *tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i] = start(&roles[i]);
    }
    sheaf_time began = sheaf_now();
    sheaf_value values[3];
    int statuses[3];
    EXPECT_INT(sheaf_gather(tasks, 3, SHEAF_GATHER_COLLECT, values, statuses), SHEAF_OK);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(3));
    EXPECT_INT(statuses[0], SHEAF_OK);
    EXPECT_INT(values[0].i64, 1);
    EXPECT_INT(statuses[1], EIO);
    EXPECT_INT(values[1].i64, 0);
    EXPECT_INT(statuses[2], SHEAF_OK);
    EXPECT_INT(values[2].i64, 3);
    expect_error(tasks[1], EIO, "failed 5");
    sheaf_release_all(tasks, 3);
    return SHEAF_OK;
}

/* G3 */
static int a_gather_of_nothing_is_done_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const unsigned kinds[] = {SHEAF_GATHER_RAISE, SHEAF_GATHER_COLLECT};
    for (int k = 0; k < 2; k++) {
        sheaf_future *none[1] = {NULL};
        sheaf_future *gather = sheaf_gather_future(none, 0, kinds[k]);
        EXPECT(sheaf_done(gather));
        EXPECT_INT(sheaf_gather_count(gather), 0);
        EXPECT(!sheaf_cancel(gather));
        expect_end(gather, SHEAF_OK);
        EXPECT_INT(sheaf_gather(none, 0, kinds[k], NULL, NULL), SHEAF_OK);
    }
    return SHEAF_OK;
}

/* G2, G21 */
static int members_may_be_gathered_several_times_and_again(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role once = {.delay = SHEAF_US(50), .value = 4}, other = {.value = 5};
    sheaf_future *task = start(&once), *second = start(&other);
    sheaf_future *members[4] = {task, second, task, task};
    sheaf_value values[4];
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(sheaf_gather(members, 4, SHEAF_GATHER_RAISE, values, NULL), SHEAF_OK);
        for (int k = 0; k < 4; k++) {
            EXPECT_INT(values[k].i64, k == 1 ? 5 : 4);
        }
    }
    EXPECT_INT(sheaf__load_acq(&once.begun), 1);
    sheaf_release(task);
    sheaf_release(second);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- members cancelled by others */

static int await_gather(void *arg, sheaf_value *result)
{
    int status = sheaf_await(arg, result);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return status;
}

/* G8 */
static int a_member_cancelled_by_others_is_a_failure_of_the_gather(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[2];
    make_promises(p, 2);
    sheaf_future *gather = sheaf_gather_future(p, 2, SHEAF_GATHER_RAISE);
    sheaf_future *parent = sheaf_spawn(await_gather, gather);
    settle();
    EXPECT(sheaf_cancel_message(p[0], "by others"));
    EXPECT_INT(sheaf_await(parent, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(parent));
    EXPECT(sheaf_done(gather) && !sheaf_cancelled(gather));
    EXPECT_INT(sheaf_future_status(gather), SHEAF_CANCELLED);
    expect_error(gather, SHEAF_CANCELLED, "by others");
    EXPECT(!sheaf_done(p[1]));
    EXPECT_INT(sheaf_resolve(p[1], number(1)), SHEAF_OK);
    sheaf_release(parent);
    sheaf_release(gather);
    sheaf_release_all(p, 2);
    return SHEAF_OK;
}

/* G9 */
static int collected_cancellations_are_entries(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[3] = {{.delay = SHEAF_MS(2), .value = 1},
                            {.delay = SHEAF_S(10)},
                            {.delay = SHEAF_MS(2), .code = EIO}};
    sheaf_future *tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i] = start(&roles[i]);
    }
    settle();
    EXPECT(sheaf_cancel_message(tasks[1], "by others"));
    int statuses[3];
    EXPECT_INT(sheaf_gather(tasks, 3, SHEAF_GATHER_COLLECT, NULL, statuses), SHEAF_OK);
    EXPECT_INT(statuses[0], SHEAF_OK);
    EXPECT_INT(statuses[1], SHEAF_CANCELLED);
    EXPECT_INT(statuses[2], EIO);
    expect_error(tasks[1], SHEAF_CANCELLED, "by others");
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    sheaf_release_all(tasks, 3);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- what it starts and refuses */

/* G4 */
static int calls_given_to_a_gather_are_started(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[3] = {
        {.delay = SHEAF_US(30), .value = 1}, {.value = 2}, {.delay = SHEAF_US(10), .value = 3}};
    sheaf_call calls[3];
    for (int i = 0; i < 3; i++) {
        calls[i] = (sheaf_call){.fn = play, .arg = &roles[i]};
    }
    sheaf_value values[3];
    EXPECT_INT(sheaf_gather_run(NULL, calls, 3, values, NULL), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(values[i].i64, i + 1);
        EXPECT_INT(sheaf__load_acq(&roles[i].begun), 1);
    }
    return SHEAF_OK;
}

/* G20 */
static int a_bad_argument_fails_the_call_before_anything_is_started(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role role = {.value = 1};
    const sheaf_call calls[2] = {{.fn = play, .arg = &role}, {.fn = NULL}};
    EXPECT_INT(sheaf_gather_run(NULL, calls, 2, NULL, NULL), SHEAF_INVALID);
    sheaf_future *task = start(&role);
    sheaf_future *members[3] = {task, NULL, task};
    EXPECT_INT(sheaf_gather(members, 3, SHEAF_GATHER_RAISE, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather(NULL, 2, SHEAF_GATHER_RAISE, NULL, NULL), SHEAF_INVALID);
    expect_end(sheaf_gather_future(members, 3, SHEAF_GATHER_RAISE), SHEAF_INVALID);
    expect_value(task, 1);
    EXPECT_INT(sheaf__load_acq(&role.begun), 1);
    return SHEAF_OK;
}

/* G7 */
static int a_second_error_counts_as_looked_at(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    struct role roles[2] = {{.delay = SHEAF_MS(1), .code = EIO},
                            {.delay = SHEAF_MS(2), .code = EPIPE}};
    sheaf_future *tasks[2] = {start(&roles[0]), start(&roles[1])};
    EXPECT_INT(sheaf_gather(tasks, 2, SHEAF_GATHER_RAISE, NULL, NULL), EIO);
    EXPECT(!sheaf_done(tasks[1]));
    EXPECT_INT(sheaf_sleep(SHEAF_MS(2)), SHEAF_OK);
    EXPECT_INT(sheaf_future_status(tasks[1]), EPIPE);
    sheaf_release_all(tasks, 2);
    EXPECT_INT(fixture_unhandled(f), 0);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- cancelled from outside */

struct party {
    sheaf_future *members[MOST];
    size_t count;
    unsigned flags;
};

static int gather_party(void *arg, sheaf_value *result)
{
    const struct party *p = arg;
    (void)result;
    return sheaf_gather(p->members, p->count, p->flags, NULL, NULL);
}

/* G10, G16 */
static int who_is_cancelled_in_a_gather_cancels_all_members(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[3];
    struct party party = {.count = 3};
    for (int i = 0; i < 3; i++) {
        roles[i] = (struct role){.delay = SHEAF_S(10)};
        party.members[i] = start(&roles[i]);
    }
    sheaf_future *caller = sheaf_spawn(gather_party, &party);
    settle();
    EXPECT(sheaf_cancel(caller));
    expect_end(caller, SHEAF_CANCELLED);
    for (int i = 0; i < 3; i++) {
        expect_end(party.members[i], SHEAF_CANCELLED);
        EXPECT_INT(sheaf__load_acq(&roles[i].requests), 1);
    }
    return SHEAF_OK;
}

/* G10, G16, G17 */
static int a_cancelled_gather_takes_no_second_request_when_it_is_done(void *arg,
                                                                      sheaf_value *result)
{
    (void)arg, (void)result;
    struct role roles[2] = {{.delay = SHEAF_S(10)}, {.delay = SHEAF_S(10)}};
    sheaf_future *tasks[2] = {start(&roles[0]), start(&roles[1])};
    sheaf_future *inner = sheaf_gather_future(tasks, 2, SHEAF_GATHER_RAISE);
    sheaf_future *outer = sheaf_gather_future(&inner, 1, SHEAF_GATHER_RAISE);
    settle();
    EXPECT(sheaf_cancel(outer));
    EXPECT_INT(sheaf_await(outer, NULL), SHEAF_CANCELLED);
    EXPECT(!sheaf_cancelled(outer) && !sheaf_cancelled(inner));
    EXPECT(!sheaf_cancel(outer));
    EXPECT(!sheaf_cancel(inner));
    expect_end(tasks[0], SHEAF_CANCELLED);
    expect_end(tasks[1], SHEAF_CANCELLED);
    sheaf_release(outer);
    sheaf_release(inner);
    return SHEAF_OK;
}

/* G15 */
static int a_gather_whose_members_are_done_cannot_be_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[2];
    make_promises(p, 2);
    sheaf_future *gather = sheaf_gather_future(p, 2, SHEAF_GATHER_RAISE);
    EXPECT_INT(sheaf_resolve(p[0], number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p[1], number(2)), SHEAF_OK);
    EXPECT(!sheaf_cancel(gather));
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(gather, &value), SHEAF_OK);
    const sheaf_value *values = value.ptr;
    EXPECT_INT(values[0].i64, 1);
    EXPECT_INT(values[1].i64, 2);
    sheaf_release(gather);
    sheaf_release_all(p, 2);
    return SHEAF_OK;
}

/* G11, T23 */
static int a_cancelled_gather_that_collects_ends_cancelled_with_the_message(void *arg,
                                                                            sheaf_value *result)
{
    (void)arg, (void)result;
    struct role stubborn = {.delay = SHEAF_S(10), .asked = SWALLOW, .cleanup = SHEAF_MS(5)};
    struct role willing = {.delay = SHEAF_S(10)};
    sheaf_future *tasks[2] = {start(&stubborn), start(&willing)};
    sheaf_future *gather = sheaf_gather_future(tasks, 2, SHEAF_GATHER_COLLECT);
    settle();
    sheaf_time began = sheaf_now();
    EXPECT(sheaf_cancel_message(gather, "no list"));
    EXPECT(!sheaf_done(gather));
    EXPECT_INT(sheaf_await(gather, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(5));
    expect_error(gather, SHEAF_CANCELLED, "no list");
    expect_end(tasks[0], SHEAF_OK);
    expect_error(tasks[1], SHEAF_CANCELLED, "no list");
    sheaf_release(tasks[1]);
    sheaf_release(gather);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, values_come_in_argument_order_when_the_last_one_is_there),
    TASK_TEST_ON(MODES_VIRTUAL, the_first_error_ends_it_and_later_outcomes_change_nothing),
    TASK_TEST_ON(MODES_VIRTUAL, collected_errors_are_entries_and_all_are_waited_for),
    TASK_TEST(a_gather_of_nothing_is_done_at_once),
    TASK_TEST(members_may_be_gathered_several_times_and_again),
    TASK_TEST_ON(MODES_VIRTUAL, a_member_cancelled_by_others_is_a_failure_of_the_gather),
    TASK_TEST_ON(MODES_VIRTUAL, collected_cancellations_are_entries),
    TASK_TEST(calls_given_to_a_gather_are_started),
    TASK_TEST(a_bad_argument_fails_the_call_before_anything_is_started),
    TASK_TEST_ON(MODES_VIRTUAL, a_second_error_counts_as_looked_at),
    TASK_TEST_ON(MODES_VIRTUAL, who_is_cancelled_in_a_gather_cancels_all_members),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_gather_takes_no_second_request_when_it_is_done),
    TASK_TEST(a_gather_whose_members_are_done_cannot_be_cancelled),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_gather_that_collects_ends_cancelled_with_the_message),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
