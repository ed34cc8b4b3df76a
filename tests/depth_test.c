/* Depth and breadth: chains, trees and fan-outs beyond every stack and queue, on few workers. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <stdlib.h>

enum { MODES_DEEP = MODE_1 | MODE_2 | MODE_4 | MODE_FIFO };

/* ---------------------------------------------------------------- chains */

/* Spawns the next link and awaits it at once: the awaiter may call it on its own stack. */
static int descend(void *arg, sheaf_value *result)
{
    int64_t below = *(const int64_t *)arg - 1;
    if (below < 0) {
        return SHEAF_OK;
    }
    sheaf_value value = {0};
    SHEAF_TRY(sheaf_join(sheaf_spawn(descend, &below), &value));
    result->i64 = value.i64 + 1;
    return SHEAF_OK;
}

static void a_hundred_thousand_awaits_deep(struct fixture *f)
{
    int64_t depth = (int64_t)fixture_scaled(100000);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, descend, &depth), &value), SHEAF_OK);
    EXPECT_INT(value.i64, depth);
}

static int descend_in_frames(void *arg, sheaf_value *result)
{
    int64_t below = *(const int64_t *)arg - 1;
    if (below < 0) {
        return SHEAF_OK;
    }
    sheaf_task task;
    sheaf_value value = {0};
    sheaf_task_spawn(&task, descend_in_frames, &below);
    int status = sheaf_task_join(&task, &value);
    result->i64 = value.i64 + 1;
    return status;
}

static void a_hundred_thousand_joins_of_frames_deep(struct fixture *f)
{
    int64_t depth = (int64_t)fixture_scaled(100000);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, descend_in_frames, &depth), &value), SHEAF_OK);
    EXPECT_INT(value.i64, depth);
}

/* Uses much of the stack between two awaits, and gives way at every fourth. */
static int descend_with_large_frames(void *arg, sheaf_value *result)
{
    int64_t below = *(const int64_t *)arg - 1;
    volatile unsigned char frame[3000];
    frame[0] = frame[sizeof frame - 1] = 1;
    if (below < 0) {
        return SHEAF_OK;
    }
    if (below % 4 == 0) {
        SHEAF_TRY(sheaf_yield());
    }
    sheaf_value value = {0};
    SHEAF_TRY(sheaf_join(sheaf_spawn(descend_with_large_frames, &below), &value));
    result->i64 = value.i64 + frame[0] + frame[sizeof frame - 1] - 1;
    return SHEAF_OK;
}

static void large_frames_between_awaits_find_stacks(struct fixture *f)
{
    int64_t depth = (int64_t)fixture_scaled(10000);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, descend_with_large_frames, &depth), &value),
               SHEAF_OK);
    EXPECT_INT(value.i64, depth);
}

/* All links exist before any of them is awaited; each awaits the one that was spawned after it. */
struct link {
    sheaf_future **all;
    size_t index, count;
};

static int await_next_link(void *arg, sheaf_value *result)
{
    const struct link *link = arg;
    if (link->index + 1 < link->count) {
        SHEAF_TRY(sheaf_await(link->all[link->index + 1], result));
    }
    result->i64++;
    return SHEAF_OK;
}

static int chain_ten_thousand(void *arg, sheaf_value *result)
{
    bool backwards = *(const bool *)arg;
    size_t count = fixture_scaled(10000);
    sheaf_future **all = calloc(count, sizeof(sheaf_future *));
    for (size_t i = count; i-- > 0;) {
        struct link link = {all, i, count};
        all[i] = sheaf_spawn_copy(await_next_link, &link, sizeof link);
    }
    for (size_t i = 0; i < count; i++) {
        EXPECT_INT(sheaf_await(all[backwards ? count - 1 - i : i], result), SHEAF_OK);
    }
    EXPECT_INT(sheaf_result(all[0], result), SHEAF_OK);
    EXPECT_INT(result->i64, count);
    sheaf_release_all(all, count);
    free(all);
    return SHEAF_OK;
}

static void ten_thousand_tasks_that_await_each_other_end(struct fixture *f)
{
    for (int backwards = 0; backwards < 2; backwards++) {
        bool order = backwards;
        sheaf_future *root = sheaf_spawn_on(f->pool, chain_ten_thousand, &order);
        EXPECT_INT(sheaf_join(root, NULL), SHEAF_OK);
    }
}

/* ---------------------------------------------------------------- trees */

/* Counts the nodes of a full binary tree, one task each. */
static int count_tree(void *arg, sheaf_value *result)
{
    int64_t below = *(const int64_t *)arg - 1;
    result->i64 = 1;
    if (below > 0) {
        sheaf_future *left = sheaf_spawn(count_tree, &below);
        sheaf_future *right = sheaf_spawn(count_tree, &below);
        sheaf_value a = {0}, b = {0};
        int first = sheaf_join(right, &b), second = sheaf_join(left, &a);
        SHEAF_TRY(first);
        SHEAF_TRY(second);
        result->i64 += a.i64 + b.i64;
    }
    return SHEAF_OK;
}

static int count_tree_in_frames(void *arg, sheaf_value *result)
{
    int64_t below = *(const int64_t *)arg - 1;
    result->i64 = 1;
    if (below > 0) {
        sheaf_task left, right;
        sheaf_value a = {0}, b = {0};
        sheaf_task_spawn(&left, count_tree_in_frames, &below);
        sheaf_task_spawn(&right, count_tree_in_frames, &below);
        int first = sheaf_task_join(&left, &a), second = sheaf_task_join(&right, &b);
        SHEAF_TRY(first);
        SHEAF_TRY(second);
        result->i64 += a.i64 + b.i64;
    }
    return SHEAF_OK;
}

/* The height of the largest tree with at most so many nodes. */
static int64_t height_for(size_t nodes)
{
    int64_t height = 0;
    while (((size_t)2 << height) - 1 <= nodes) {
        height++;
    }
    return height;
}

/* In asyncio's order a tree grows level by level, and half of its nodes are suspended at once. */
static void expect_tree(struct fixture *f, sheaf_fn *fn)
{
    size_t nodes = f->mode->bit == MODE_FIFO ? (1 << 16) - 1 : (1 << 20) - 1;
    int64_t height = height_for(fixture_scaled(nodes));
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, fn, &height), &value), SHEAF_OK);
    EXPECT_INT(value.i64, ((int64_t)1 << height) - 1);
}

static void a_tree_of_a_million_tasks(struct fixture *f)
{
    expect_tree(f, count_tree);
}

static void a_tree_of_a_million_frame_tasks(struct fixture *f)
{
    expect_tree(f, count_tree_in_frames);
}

/* ---------------------------------------------------------------- fan-outs */

enum order { FORWARD, BACKWARD, SHUFFLED, ORDERS };

static int give_index(void *arg, sheaf_value *result)
{
    result->i64 = *(const int64_t *)arg;
    return SHEAF_OK;
}

/* A permutation of 0 to count - 1 by a step that shares no divisor with the count. */
static size_t shuffled(size_t i, size_t count)
{
    static const size_t steps[] = {7919, 104729, 15485863};
    for (size_t k = 0; k < 3; k++) {
        if (count % steps[k]) {
            return (i * steps[k]) % count;
        }
    }
    return i;
}

static size_t place_in_order(enum order order, size_t i, size_t count)
{
    switch (order) {
    case FORWARD:
        return i;
    case BACKWARD:
        return count - 1 - i;
    default:
        return shuffled(i, count);
    }
}

struct fan {
    enum order order;
    bool one_by_one;
};

static int fan_out(void *arg, sheaf_value *result)
{
    const struct fan *fan = arg;
    (void)result;
    size_t count = fixture_scaled(200000), wrong = 0;
    sheaf_future **futures = calloc(count, sizeof(sheaf_future *));
    int64_t *numbers = calloc(count, sizeof *numbers);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (int64_t)i;
        futures[i] = fan->one_by_one ? sheaf_spawn(give_index, &numbers[i]) : NULL;
    }
    if (!fan->one_by_one) {
        sheaf_spawn_many(give_index, numbers, sizeof *numbers, count, futures);
    }
    for (size_t i = 0; i < count; i++) {
        size_t place = place_in_order(fan->order, i, count);
        sheaf_value value = {.i64 = -1};
        wrong += sheaf_await(futures[place], &value) != SHEAF_OK || value.i64 != numbers[place];
    }
    EXPECT_INT(wrong, 0);
    sheaf_release_all(futures, count);
    free(futures);
    free(numbers);
    return SHEAF_OK;
}

static void a_fan_out_beyond_every_queue_is_awaited_in_any_order(struct fixture *f)
{
    for (int order = 0; order < ORDERS; order++) {
        for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
            struct fan fan = {(enum order)order, one_by_one};
            EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, fan_out, &fan), NULL), SHEAF_OK);
        }
    }
}

static void a_fan_out_from_a_thread(struct fixture *f)
{
    size_t count = fixture_scaled(200000), wrong = 0;
    sheaf_future **futures = calloc(count, sizeof(sheaf_future *));
    int64_t number = 17;
    for (size_t i = 0; i < count; i++) {
        futures[i] = sheaf_spawn_on(f->pool, give_index, &number);
    }
    for (size_t i = 0; i < count; i++) {
        sheaf_value value = {0};
        wrong += sheaf_join(futures[i], &value) != SHEAF_OK || value.i64 != 17;
    }
    EXPECT_INT(wrong, 0);
    free(futures);
}

static const struct fixture_test tests[] = {
    THREAD_TEST_ON(MODES_DEEP, a_hundred_thousand_awaits_deep),
    THREAD_TEST_ON(MODES_DEEP, a_hundred_thousand_joins_of_frames_deep),
    THREAD_TEST_ON(MODES_DEEP, large_frames_between_awaits_find_stacks),
    THREAD_TEST_ON(MODES_DEEP, ten_thousand_tasks_that_await_each_other_end),
    THREAD_TEST_ON(MODES_DEEP, a_tree_of_a_million_tasks),
    THREAD_TEST_ON(MODES_DEEP, a_tree_of_a_million_frame_tasks),
    THREAD_TEST_ON(MODES_DEEP, a_fan_out_beyond_every_queue_is_awaited_in_any_order),
    THREAD_TEST_ON(MODES_DEEP, a_fan_out_from_a_thread),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
