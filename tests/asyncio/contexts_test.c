/* Task-local values as asyncio's own tests use contexts. */
#include "tests/support/roles.h"

static const sheaf_local place = {.name = "place"};
static char home[] = "home", away[] = "away";

static int change_place(void *arg, sheaf_value *result)
{
    EXPECT_PTR(sheaf_local_get(&place), home);
    SHEAF_TRY(sheaf_await(arg, NULL));
    EXPECT_PTR(sheaf_local_get(&place), home);
    EXPECT_INT(sheaf_local_set(&place, away), SHEAF_OK);
    SHEAF_TRY(sheaf_yield());
    result->ptr = sheaf_local_get(&place);
    return SHEAF_OK;
}

/* CX1, CX2 */
static int maker_and_task_do_not_see_each_others_later_changes(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *go = sheaf_promise(NULL);
    EXPECT_INT(sheaf_local_set(&place, home), SHEAF_OK);
    sheaf_future *task = sheaf_spawn(change_place, go);
    EXPECT_INT(sheaf_local_set(&place, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(go, number(0)), SHEAF_OK);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(task, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, away);
    EXPECT_PTR(sheaf_local_get(&place), NULL);
    sheaf_release(go);
    return SHEAF_OK;
}

static int change_in_callback(void *arg, sheaf_future *future)
{
    (void)arg, (void)future;
    EXPECT_PTR(sheaf_local_get(&place), home);
    EXPECT_INT(sheaf_local_set(&place, away), SHEAF_OK);
    EXPECT_PTR(sheaf_local_get(&place), away);
    return SHEAF_OK;
}

static int complete_away_from_home(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(sheaf_local_set(&place, NULL), SHEAF_OK);
    return sheaf_resolve(arg, number(0));
}

/* F11, CX3 */
static int a_callback_has_the_values_of_who_registered_it_and_keeps_its_changes(void *arg,
                                                                                sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT_INT(sheaf_local_set(&place, home), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(promise, change_in_callback, NULL), SHEAF_OK);
    sheaf_future *completer = sheaf_spawn(complete_away_from_home, promise);
    EXPECT_INT(sheaf_await(promise, NULL), SHEAF_OK);
    EXPECT_PTR(sheaf_local_get(&place), home);
    EXPECT_INT(sheaf_remove_done_and_wait(promise, change_in_callback, NULL), SHEAF_OK);
    EXPECT_PTR(sheaf_local_get(&place), home);
    expect_end(completer, SHEAF_OK);
    sheaf_release(promise);
    return SHEAF_OK;
}

enum { TASKS = 100 };

static int keep_own_place(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_PTR(sheaf_local_get(&place), home);
    SHEAF_TRY(sheaf_local_set(&place, arg));
    for (int i = 0; i < 20; i++) {
        SHEAF_TRY(i % 5 == 4 ? sheaf_sleep(SHEAF_US(10)) : sheaf_yield());
        EXPECT_PTR(sheaf_local_get(&place), arg);
    }
    return SHEAF_OK;
}

/* CX6, CX1 */
static int a_hundred_tasks_keep_their_own_value_over_suspensions(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    char places[TASKS];
    sheaf_future *tasks[TASKS];
    EXPECT_INT(sheaf_local_set(&place, home), SHEAF_OK);
    for (int i = 0; i < TASKS; i++) {
        tasks[i] = sheaf_spawn(keep_own_place, &places[i]);
    }
    for (int i = 0; i < TASKS; i++) {
        expect_end(tasks[i], SHEAF_OK);
        EXPECT_PTR(sheaf_local_get(&place), home);
    }
    return SHEAF_OK;
}

/* Counts one up in the value that it inherits, and leaves the rest to a task of its own. */
static int count_down_the_line(void *arg, sheaf_value *result)
{
    char *count = sheaf_local_get(&place);
    SHEAF_TRY(sheaf_local_set(&place, count + 1));
    const int left = *(const int *)arg - 1;
    if (left > 0) {
        return sheaf_join(sheaf_spawn_copy(count_down_the_line, &left, sizeof left), result);
    }
    result->ptr = sheaf_local_get(&place);
    return SHEAF_OK;
}

/* CX2: a change reaches those that come after by inheritance, there is no context to hand over */
static int a_change_goes_down_a_line_of_tasks_and_not_back(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    const int length = 5;
    char counts[8];
    EXPECT_INT(sheaf_local_set(&place, counts), SHEAF_OK);
    sheaf_value value = {0};
    sheaf_future *task = sheaf_spawn_copy(count_down_the_line, &length, sizeof length);
    EXPECT_INT(sheaf_join(task, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, counts + length);
    EXPECT_PTR(sheaf_local_get(&place), counts);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(maker_and_task_do_not_see_each_others_later_changes),
    TASK_TEST(a_callback_has_the_values_of_who_registered_it_and_keeps_its_changes),
    TASK_TEST(a_hundred_tasks_keep_their_own_value_over_suspensions),
    TASK_TEST(a_change_goes_down_a_line_of_tasks_and_not_back),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
