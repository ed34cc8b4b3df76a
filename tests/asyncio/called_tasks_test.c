/* Tasks that run on the stack of who awaits them: what asyncio's own tests expect of its eager
 * tasks, which sheaf does not have, holds for them; and how many tasks trees of work take.
 *
 * Whether an awaited task is called on its awaiter's stack is up to the pool: with several workers
 * another one may have it.  Nothing here may depend on that, but what is said of one worker. */
#include "tests/support/roles.h"

#include <errno.h>

static const sheaf_local place = {.name = "place"};
static char home[] = "home", away[] = "away";

/* ---------------------------------------------------------------- one task */

/* EA1: called by its awaiter, it ran without a suspension; in asyncio's order it has its turn */
static int an_awaited_task_is_done_when_the_await_returns(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    sheaf_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    struct role role = {.value = 3};
    EXPECT_INT(sheaf_pool_stats(f->pool, &before), SHEAF_OK);
    sheaf_future *task = start(&role);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_pool_stats(f->pool, &after), SHEAF_OK);
    EXPECT_INT(after.parked, before.parked);
    EXPECT_INT(after.inlined, before.inlined + 1);
    EXPECT(sheaf_done(task));
    EXPECT(!sheaf_cancel(task));
    expect_value(task, 3);
    return SHEAF_OK;
}

static int resolve_and_await(void *arg, sheaf_value *result)
{
    EXPECT_INT(sheaf_resolve(arg, number(8)), SHEAF_OK);
    return sheaf_await(arg, result);
}

/* EA1, F14 */
static int a_future_set_by_the_called_task_is_awaited_behind_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    expect_value(sheaf_spawn(resolve_and_await, promise), 8);
    expect_value(promise, 8);
    return SHEAF_OK;
}

/* EA1 */
static int a_called_task_that_suspends_is_not_done(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role role = {.delay = SHEAF_MS(5), .value = 4};
    sheaf_future *task = start(&role);
    EXPECT_INT(sheaf_await_for(task, SHEAF_MS(1), NULL), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf__load_acq(&role.begun), 1);
    EXPECT(!sheaf_done(task));
    expect_value(task, 4);
    return SHEAF_OK;
}

static int await_role(void *arg, sheaf_value *result)
{
    return sheaf_join(sheaf_spawn(play, arg), result);
}

/* EA4, T23 */
static int a_request_reaches_a_called_task_that_has_suspended(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role role = {.delay = SHEAF_S(10)};
    sheaf_future *task = sheaf_spawn(await_role, &role);
    settle();
    EXPECT_INT(sheaf__load_acq(&role.begun), 1);
    EXPECT(sheaf_cancel_message(task, "enough"));
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf__load_acq(&role.requests), 1);
    expect_error(task, SHEAF_CANCELLED, "enough");
    sheaf_release(task);
    return SHEAF_OK;
}

static bool is_listed(sheaf_future *task)
{
    sheaf_future *listed[16] = {NULL};
    size_t count = sheaf_all_tasks(sheaf_pool_current(), listed, 16);
    bool found = false;
    for (size_t i = 0; i < count && i < 16; i++) {
        found = found || listed[i] == task;
    }
    sheaf_release_all(listed, 16);
    return found;
}

static int see_oneself(void *arg, sheaf_value *result)
{
    sheaf_future *self = sheaf_current();
    EXPECT(self != arg);
    EXPECT(is_listed(self) && is_listed(arg));
    SHEAF_TRY(sheaf_yield());
    EXPECT_PTR(sheaf_current(), self);
    EXPECT(is_listed(self));
    result->ptr = self;
    return SHEAF_OK;
}

/* EA2, IN1, IN2 */
static int a_called_task_is_the_current_one_and_listed_until_it_ends(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *self = sheaf_current();
    sheaf_future *task = sheaf_spawn(see_oneself, self);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(task, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, task);
    EXPECT_PTR(sheaf_current(), self);
    EXPECT(!is_listed(task));
    sheaf_release(task);
    return SHEAF_OK;
}

static int change_place(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_PTR(sheaf_local_get(&place), home);
    EXPECT_INT(sheaf_local_set(&place, away), SHEAF_OK);
    SHEAF_TRY(sheaf_yield());
    EXPECT_PTR(sheaf_local_get(&place), away);
    return SHEAF_OK;
}

/* EA3 */
static int a_called_task_has_values_of_its_own(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_local_set(&place, home), SHEAF_OK);
    expect_end(sheaf_spawn(change_place, NULL), SHEAF_OK);
    EXPECT_PTR(sheaf_local_get(&place), home);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- trees */

enum { WIDTH = 5, DEPTH = 4, NODES = 1 + 5 + 25 + 125 + 625 };

/* Each link awaits the next one. */
static int hang_down(void *arg, sheaf_value *result)
{
    const int left = *(const int *)arg - 1;
    result->i64 = 0;
    if (left >= 0) {
        SHEAF_TRY(sheaf_join(sheaf_spawn_copy(hang_down, &left, sizeof left), result));
    }
    result->i64++;
    return SHEAF_OK;
}

static int grow_gathered(void *arg, sheaf_value *result)
{
    const int depth = *(const int *)arg - 1;
    result->i64 = 1;
    if (depth < 0) {
        return SHEAF_OK;
    }
    sheaf_future *branches[WIDTH];
    sheaf_value values[WIDTH];
    for (int i = 0; i < WIDTH; i++) {
        branches[i] = sheaf_spawn_copy(grow_gathered, &depth, sizeof depth);
    }
    int status = sheaf_gather(branches, WIDTH, SHEAF_GATHER_RAISE, values, NULL);
    sheaf_release_all(branches, WIDTH);
    SHEAF_TRY(status);
    for (int i = 0; i < WIDTH; i++) {
        result->i64 += values[i].i64;
    }
    return SHEAF_OK;
}

static int grow_grouped(void *arg, sheaf_value *result)
{
    const int depth = *(const int *)arg - 1;
    result->i64 = 1;
    if (depth < 0) {
        return SHEAF_OK;
    }
    sheaf_group group;
    SHEAF_TRY(sheaf_group_open(&group, NULL));
    sheaf_future *branches[WIDTH];
    for (int i = 0; i < WIDTH; i++) {
        branches[i] = sheaf_group_spawn_with(&group, SHEAF_SPAWN_OPTIONS(.copy = sizeof depth),
                                             grow_grouped, (void *)(intptr_t)&depth);
    }
    int status = sheaf_group_close(&group, SHEAF_OK);
    for (int i = 0; i < WIDTH; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_join(branches[i], &value), SHEAF_OK);
        result->i64 += value.i64;
    }
    return status;
}

static uint64_t spawned_by(struct fixture *f, sheaf_fn *fn)
{
    sheaf_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    EXPECT_INT(sheaf_pool_stats(f->pool, &before), SHEAF_OK);
    const int depth = DEPTH;
    expect_value(sheaf_spawn_copy(fn, &depth, sizeof depth), NODES);
    EXPECT_INT(sheaf_pool_stats(f->pool, &after), SHEAF_OK);
    return after.spawned - before.spawned;
}

/* EA1, G4, TG1 */
static int a_tree_takes_one_task_a_node_with_gathers_and_groups(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    EXPECT_INT(spawned_by(f, grow_gathered), NODES);
    EXPECT_INT(spawned_by(f, grow_grouped), NODES);
    return SHEAF_OK;
}

/* EA1 */
static int a_chain_of_awaited_tasks_suspends_nobody(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    const int links = 100;
    sheaf_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    EXPECT_INT(sheaf_pool_stats(f->pool, &before), SHEAF_OK);
    expect_value(sheaf_spawn_copy(hang_down, &links, sizeof links), links + 1);
    EXPECT_INT(sheaf_pool_stats(f->pool, &after), SHEAF_OK);
    EXPECT_INT(after.parked, before.parked);
    EXPECT_INT(after.inlined - before.inlined, links + 1);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODE_1, an_awaited_task_is_done_when_the_await_returns),
    TASK_TEST(a_future_set_by_the_called_task_is_awaited_behind_it),
    TASK_TEST_ON(MODES_VIRTUAL, a_called_task_that_suspends_is_not_done),
    TASK_TEST_ON(MODES_VIRTUAL, a_request_reaches_a_called_task_that_has_suspended),
    TASK_TEST_ON(MODES_SINGLE, a_called_task_is_the_current_one_and_listed_until_it_ends),
    TASK_TEST(a_called_task_has_values_of_its_own),
    TASK_TEST(a_tree_takes_one_task_a_node_with_gathers_and_groups),
    TASK_TEST_ON(MODE_1, a_chain_of_awaited_tasks_suspends_nobody),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
