/* Futures as asyncio's own tests see them: what an outcome does to those who wait for it. */
#include "tests/support/roles.h"

#include <errno.h>

static int note_other(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    NOTE("other");
    return SHEAF_OK;
}

/* F14, F22 */
static int a_finished_future_is_awaited_again_without_giving_way(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = resolved(4);
    sheaf_future *other = sheaf_spawn(note_other, NULL);
    for (int i = 0; i < 2; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_await(promise, &value), SHEAF_OK);
        EXPECT_INT(value.i64, 4);
        NOTE("me");
    }
    expect_end(other, SHEAF_OK);
    EXPECT_NOTES("me me other");
    sheaf_release(promise);
    return SHEAF_OK;
}

/* F12, F13 */
static int an_awaited_future_gives_its_very_object(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    struct role role = {.awaited = promise};
    sheaf_future *task = start(&role);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.ptr = &role}), SHEAF_OK);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(task, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, &role);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int give_future(void *arg, sheaf_value *result)
{
    result->ptr = sheaf_retain(arg);
    return SHEAF_OK;
}

/* F22 */
static int a_future_given_as_a_value_is_not_awaited(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(give_future, promise);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(task, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, promise);
    EXPECT(!sheaf_done(promise));
    EXPECT_INT(sheaf_resolve(promise, number(2)), SHEAF_OK);
    expect_value(value.ptr, 2);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* F2, P1 */
static int a_value_that_comes_after_the_cancellation_is_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT(sheaf_cancel_message(promise, "not wanted"));
    EXPECT(!sheaf_try_resolve(promise, number(3)));
    EXPECT_INT(sheaf_resolve(promise, number(3)), SHEAF_STATE);
    EXPECT(sheaf_cancelled(promise));
    EXPECT(!sheaf_cancel_message(promise, "again"));
    expect_error(promise, SHEAF_CANCELLED, "not wanted");
    expect_end(promise, SHEAF_CANCELLED);
    return SHEAF_OK;
}

enum { VALUES = 100 };

static SHEAF__ATOMIC(int) dropped;

/* Drops futures of its own, whose values are dropped in turn. */
static void drop_with_more_work(sheaf_value value)
{
    sheaf__add_acq_rel(&dropped, 1);
    sheaf_future *inner = value.ptr;
    EXPECT(sheaf_done(inner));
    sheaf_release(inner);
    sheaf_release(resolved(1));
}

static void drop_inner(sheaf_value value)
{
    (void)value;
    sheaf__add_acq_rel(&dropped, 1);
}

static int give_dropped_value(void *arg, sheaf_value *result)
{
    (void)arg;
    sheaf_future *inner = sheaf_promise(SHEAF_PROMISE_OPTIONS(.value_drop = drop_inner));
    EXPECT_INT(sheaf_resolve(inner, number(1)), SHEAF_OK);
    result->ptr = inner;
    return SHEAF_OK;
}

/* P14, P22 */
static int values_may_use_the_library_when_they_are_dropped(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&dropped, 0);
    sheaf_future *tasks[VALUES];
    for (int i = 0; i < VALUES; i++) {
        tasks[i] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.value_drop = drop_with_more_work),
                                    give_dropped_value, NULL);
    }
    for (int i = 0; i < VALUES; i++) {
        EXPECT_INT(sheaf_await(tasks[i], NULL), SHEAF_OK);
    }
    EXPECT_INT(sheaf__load_acq(&dropped), 0);
    sheaf_release_all(tasks, VALUES);
    EXPECT_INT(sheaf__load_acq(&dropped), 2 * VALUES);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODE_FIFO, a_finished_future_is_awaited_again_without_giving_way),
    TASK_TEST(an_awaited_future_gives_its_very_object),
    TASK_TEST(a_future_given_as_a_value_is_not_awaited),
    TASK_TEST(a_value_that_comes_after_the_cancellation_is_refused),
    TASK_TEST(values_may_use_the_library_when_they_are_dropped),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
