/* Task-local values: inherited by the tasks made afterwards, seen per task and not per thread. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

static SHEAF__ATOMIC(int) dropped;

static void count_drop(void *value)
{
    (void)value;
    sheaf__add_acq_rel(&dropped, 1);
}

static const sheaf_local user = {.name = "user"};
static const sheaf_local request = {.name = "request"};
static const sheaf_local owned = {.name = "owned", .drop = count_drop};

static char anna[] = "anna", bert[] = "bert", carl[] = "carl";

static int tell_user(void *arg, sheaf_value *result)
{
    (void)arg;
    result->ptr = sheaf_local_get(&user);
    return SHEAF_OK;
}

static void *user_of_new_task(void)
{
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_spawn(tell_user, NULL), &value), SHEAF_OK);
    return value.ptr;
}

static void *user_of_new_frame_task(void)
{
    sheaf_task task;
    sheaf_value value = {0};
    sheaf_task_spawn(&task, tell_user, NULL);
    EXPECT_INT(sheaf_task_join(&task, &value), SHEAF_OK);
    return value.ptr;
}

/* CX1 */
static int a_value_is_inherited_by_tasks_made_afterwards(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_PTR(sheaf_local_get(&user), NULL);
    EXPECT_PTR(user_of_new_task(), NULL);
    EXPECT_INT(sheaf_local_set(&user, anna), SHEAF_OK);
    EXPECT_PTR(sheaf_local_get(&user), anna);
    EXPECT_PTR(sheaf_local_get(&request), NULL);
    EXPECT_PTR(user_of_new_task(), anna);
    EXPECT_PTR(user_of_new_frame_task(), anna);
    EXPECT_INT(sheaf_local_set(&request, bert), SHEAF_OK);
    EXPECT_PTR(sheaf_local_get(&user), anna);
    EXPECT_PTR(sheaf_local_get(&request), bert);
    EXPECT_INT(sheaf_local_set(&user, NULL), SHEAF_OK);
    EXPECT_PTR(sheaf_local_get(&user), NULL);
    EXPECT_PTR(user_of_new_task(), NULL);
    return SHEAF_OK;
}

static int change_and_wait(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_PTR(sheaf_local_get(&user), anna);
    SHEAF_TRY(sheaf_await(arg, NULL));
    EXPECT_PTR(sheaf_local_get(&user), anna);
    EXPECT_INT(sheaf_local_set(&user, bert), SHEAF_OK);
    EXPECT_PTR(user_of_new_task(), bert);
    return SHEAF_OK;
}

static int neither_side_sees_later_changes_of_the_other(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *go = sheaf_promise(NULL);
    EXPECT_INT(sheaf_local_set(&user, anna), SHEAF_OK);
    sheaf_future *child = sheaf_spawn(change_and_wait, go);
    EXPECT_INT(sheaf_local_set(&user, carl), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(go, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_join(child, NULL), SHEAF_OK);
    EXPECT_PTR(sheaf_local_get(&user), carl);
    sheaf_release(go);
    return SHEAF_OK;
}

static int keep_own_value(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_local_set(&user, arg));
    for (int i = 0; i < 40; i++) {
        SHEAF_TRY(i % 10 == 9 ? sheaf_sleep(SHEAF_US(10)) : sheaf_yield());
        EXPECT_PTR(sheaf_local_get(&user), arg);
    }
    return SHEAF_OK;
}

/* CX6 */
static int values_belong_to_the_task_and_not_to_its_worker(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    char marks[12];
    sheaf_future *futures[12];
    for (int i = 0; i < 12; i++) {
        futures[i] = sheaf_spawn(keep_own_value, &marks[i]);
    }
    for (int i = 0; i < 12; i++) {
        EXPECT_INT(sheaf_join(futures[i], NULL), SHEAF_OK);
        EXPECT_PTR(sheaf_local_get(&user), NULL);
    }
    return SHEAF_OK;
}

static int inherit_owned(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_await(arg, NULL));
    EXPECT_PTR(sheaf_local_get(&owned), anna);
    EXPECT_INT(sheaf__load_acq(&dropped), 1);
    return SHEAF_OK;
}

/* Sets two values after each other.  The first can be seen by nobody once it is replaced, the
 * second is also seen by the children that are left over. */
static int set_owned_twice(void *arg, sheaf_value *result)
{
    sheaf_future **children = arg;
    (void)result;
    EXPECT_INT(sheaf_local_set(&owned, bert), SHEAF_OK);
    EXPECT_INT(sheaf_local_set(&owned, anna), SHEAF_OK);
    for (int i = 1; i <= 3; i++) {
        children[i] = sheaf_spawn(inherit_owned, children[0]);
    }
    return SHEAF_OK;
}

static void a_value_is_dropped_once_when_nobody_can_see_it_any_more(struct fixture *f)
{
    sheaf__store_rel(&dropped, 0);
    sheaf_promise_options options = {.size = sizeof options, .pool = f->pool};
    sheaf_future *futures[4] = {sheaf_promise(&options)};
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, set_owned_twice, futures), NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&dropped), 1);
    EXPECT_INT(sheaf_resolve(futures[0], (sheaf_value){0}), SHEAF_OK);
    for (int i = 1; i <= 3; i++) {
        EXPECT_INT(sheaf_await(futures[i], NULL), SHEAF_OK);
    }
    sheaf_release_all(futures, 4);
    fixture_close(f);
    EXPECT_INT(sheaf__load_acq(&dropped), 2);
}

static int wait_with_value(void *arg, sheaf_value *result)
{
    sheaf_future **futures = arg;
    SHEAF_TRY(sheaf_local_set(&owned, carl));
    EXPECT_INT(sheaf_resolve(futures[0], (sheaf_value){0}), SHEAF_OK);
    return sheaf_await(futures[1], result);
}

static void a_value_of_a_cancelled_task_is_dropped(struct fixture *f)
{
    sheaf__store_rel(&dropped, 0);
    sheaf_promise_options options = {.size = sizeof options, .pool = f->pool};
    sheaf_future *futures[2] = {sheaf_promise(&options), sheaf_promise(&options)};
    sheaf_future *task = sheaf_spawn_on(f->pool, wait_with_value, futures);
    EXPECT_INT(sheaf_await(futures[0], NULL), SHEAF_OK);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    sheaf_release_all(futures, 2);
    fixture_close(f);
    EXPECT_INT(sheaf__load_acq(&dropped), 1);
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_value_is_inherited_by_tasks_made_afterwards),
    TASK_TEST(neither_side_sees_later_changes_of_the_other),
    TASK_TEST(values_belong_to_the_task_and_not_to_its_worker),
    THREAD_TEST(a_value_is_dropped_once_when_nobody_can_see_it_any_more),
    THREAD_TEST(a_value_of_a_cancelled_task_is_dropped),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
