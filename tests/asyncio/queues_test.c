/* Queues as asyncio's own tests see them: order, blocking, and cancelled getters and putters. */
#include "tests/support/roles.h"

enum { MOST = 4 };

static void open_queue(sheaf_queue *queue, size_t bound)
{
    EXPECT_INT(sheaf_queue_open(queue, SHEAF_QUEUE_OPTIONS(.bound = bound)), SHEAF_OK);
}

static void close_queue(sheaf_queue *queue)
{
    EXPECT_INT(sheaf_queue_close(queue), SHEAF_OK);
}

static void put(sheaf_queue *queue, int64_t item)
{
    EXPECT_INT(sheaf_queue_put(queue, number(item)), SHEAF_OK);
}

static void expect_got(sheaf_queue *queue, int64_t expected)
{
    sheaf_value item = {.i64 = -1};
    EXPECT_INT(sheaf_queue_try_get(queue, &item), SHEAF_OK);
    EXPECT_INT(item.i64, expected);
}

/* A task that gets or puts so many items, the first one of them `item`. */
struct worker {
    sheaf_queue *queue;
    int64_t item;
    int items;
};

static int get_items(void *arg, sheaf_value *result)
{
    const struct worker *w = arg;
    for (int i = 0; i < w->items; i++) {
        SHEAF_TRY(sheaf_queue_get(w->queue, result));
        NOTE("%d", (int)result->i64);
    }
    return SHEAF_OK;
}

static int put_items(void *arg, sheaf_value *result)
{
    const struct worker *w = arg;
    (void)result;
    for (int i = 0; i < w->items; i++) {
        SHEAF_TRY(sheaf_queue_put(w->queue, number(w->item + i)));
    }
    return SHEAF_OK;
}

/* Starts one after the other, each blocked before the next; the i-th puts item 10 + i. */
static void start_workers(struct worker *workers, sheaf_future **tasks, int count,
                          sheaf_queue *queue, sheaf_fn *fn)
{
    for (int i = 0; i < count; i++) {
        workers[i] = (struct worker){queue, 10 + i, 1};
        tasks[i] = sheaf_spawn(fn, &workers[i]);
        settle();
    }
}

/* ---------------------------------------------------------------- items */

/* QU12 */
static int a_queue_tells_whether_it_is_empty(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_queue queue;
    open_queue(&queue, 0);
    EXPECT(sheaf_queue_empty(&queue));
    put(&queue, 1);
    EXPECT(!sheaf_queue_empty(&queue));
    EXPECT_INT(sheaf_queue_size(&queue), 1);
    expect_got(&queue, 1);
    EXPECT(sheaf_queue_empty(&queue));
    close_queue(&queue);
    return SHEAF_OK;
}

/* QU1, QU12 */
static int a_queue_is_full_at_its_bound_and_never_without(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_queue unbounded, bounded;
    open_queue(&unbounded, 0);
    open_queue(&bounded, 1);
    for (int i = 0; i < 100; i++) {
        EXPECT(!sheaf_queue_full(&unbounded));
        put(&unbounded, i);
    }
    EXPECT(!sheaf_queue_full(&bounded));
    put(&bounded, 1);
    EXPECT(sheaf_queue_full(&bounded));
    EXPECT_INT(sheaf_queue_try_put(&bounded, number(2)), SHEAF_FULL);
    expect_got(&bounded, 1);
    EXPECT(!sheaf_queue_full(&bounded));
    close_queue(&unbounded);
    close_queue(&bounded);
    return SHEAF_OK;
}

/* QU1 */
static int each_kind_gives_its_items_in_its_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const struct {
        sheaf_queue_order order;
        int64_t out[3];
    } kinds[] = {{SHEAF_QUEUE_FIFO, {1, 3, 2}},
                 {SHEAF_QUEUE_LIFO, {2, 3, 1}},
                 {SHEAF_QUEUE_PRIORITY, {1, 2, 3}}};
    for (int k = 0; k < 3; k++) {
        sheaf_queue queue;
        EXPECT_INT(sheaf_queue_open(&queue, SHEAF_QUEUE_OPTIONS(.order = kinds[k].order)),
                   SHEAF_OK);
        put(&queue, 1);
        put(&queue, 3);
        put(&queue, 2);
        for (int i = 0; i < 3; i++) {
            expect_got(&queue, kinds[k].out[i]);
        }
        close_queue(&queue);
    }
    return SHEAF_OK;
}

/* QU1, QU2 */
static int what_need_not_wait_gives_and_takes_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_queue queue;
    struct role other = {.name = "other"};
    open_queue(&queue, 0);
    sheaf_future *task = start(&other);
    sheaf_value item = {.i64 = 7};
    EXPECT_INT(sheaf_queue_try_get(&queue, &item), SHEAF_EMPTY);
    EXPECT_INT(item.i64, 7);
    EXPECT_INT(sheaf_queue_try_put(&queue, number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_queue_put(&queue, number(2)), SHEAF_OK);
    EXPECT_INT(sheaf_queue_get(&queue, &item), SHEAF_OK);
    EXPECT_INT(item.i64, 1);
    expect_got(&queue, 2);
    EXPECT_NOTES("");
    expect_end(task, SHEAF_OK);
    close_queue(&queue);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- blocking */

/* QU3 */
static int putters_block_at_the_bound_and_put_in_the_order_they_came(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct worker workers[MOST];
    sheaf_future *tasks[MOST];
    sheaf_queue queue;
    open_queue(&queue, 1);
    put(&queue, 9);
    start_workers(workers, tasks, MOST, &queue, put_items);
    for (int i = 0; i < MOST; i++) {
        EXPECT(!sheaf_done(tasks[i]));
        expect_got(&queue, 9 + i);
        expect_end(tasks[i], SHEAF_OK);
        EXPECT(sheaf_queue_full(&queue));
    }
    expect_got(&queue, 9 + MOST);
    EXPECT(sheaf_queue_empty(&queue));
    close_queue(&queue);
    return SHEAF_OK;
}

/* QU4 */
static int getters_wait_and_an_item_goes_to_the_oldest(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct worker workers[2];
    sheaf_future *tasks[2];
    sheaf_queue queue;
    open_queue(&queue, 0);
    start_workers(workers, tasks, 2, &queue, get_items);
    put(&queue, 1);
    expect_value(tasks[0], 1);
    EXPECT(!sheaf_done(tasks[1]));
    EXPECT(sheaf_queue_empty(&queue));
    put(&queue, 2);
    expect_value(tasks[1], 2);
    close_queue(&queue);
    return SHEAF_OK;
}

enum { ITEMS = 20 };

/* QU11, QU3 */
static int producers_and_consumers_over_one_place_all_end(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_queue queue;
    open_queue(&queue, 1);
    struct worker producers[MOST], consumer = {&queue, 0, MOST * ITEMS};
    sheaf_future *tasks[MOST];
    sheaf_future *getter = sheaf_spawn(get_items, &consumer);
    for (int i = 0; i < MOST; i++) {
        producers[i] = (struct worker){&queue, i, ITEMS};
        tasks[i] = sheaf_spawn(put_items, &producers[i]);
    }
    for (int i = 0; i < MOST; i++) {
        expect_end(tasks[i], SHEAF_OK);
    }
    EXPECT_INT(sheaf_join(getter, NULL), SHEAF_OK);
    EXPECT(sheaf_queue_empty(&queue));
    close_queue(&queue);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- cancelled getters */

/* QU5 */
static int the_second_getter_gets_what_the_cancelled_first_does_not(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct worker workers[2];
    sheaf_future *tasks[2];
    sheaf_queue queue;
    open_queue(&queue, 0);
    start_workers(workers, tasks, 2, &queue, get_items);
    EXPECT(sheaf_cancel(tasks[0]));
    expect_end(tasks[0], SHEAF_CANCELLED);
    put(&queue, 1);
    expect_value(tasks[1], 1);
    close_queue(&queue);
    return SHEAF_OK;
}

/* QU5, QU11 */
static int the_item_of_a_getter_cancelled_when_chosen_is_not_lost(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct worker workers[3];
    sheaf_future *tasks[3];
    sheaf_queue queue;
    open_queue(&queue, 0);
    start_workers(workers, tasks, 1, &queue, get_items);
    put(&queue, 1);
    EXPECT(sheaf_cancel(tasks[0]));
    expect_end(tasks[0], SHEAF_CANCELLED);
    expect_got(&queue, 1);

    start_workers(workers, tasks, 3, &queue, get_items);
    put(&queue, 1);
    put(&queue, 2);
    EXPECT(sheaf_cancel(tasks[1]));
    expect_end(tasks[1], SHEAF_CANCELLED);
    expect_value(tasks[0], 1);
    expect_value(tasks[2], 2);
    EXPECT(sheaf_queue_empty(&queue));
    close_queue(&queue);
    return SHEAF_OK;
}

/* QU11 */
static int a_getter_that_times_out_leaves_no_trace(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_queue queue;
    open_queue(&queue, 0);
    sheaf_value item = {.i64 = 7};
    for (int i = 0; i < 10; i++) {
        EXPECT_INT(sheaf_queue_get_until(&queue, &item, sheaf_now() + SHEAF_MS(1)), SHEAF_TIMEOUT);
    }
    EXPECT_INT(item.i64, 7);
    put(&queue, 1);
    expect_got(&queue, 1);
    close_queue(&queue);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- cancelled putters */

/* QU6, QU3 */
static int the_others_keep_their_order_when_one_putter_is_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct worker workers[3];
    sheaf_future *tasks[3];
    sheaf_queue queue;
    open_queue(&queue, 1);
    put(&queue, 9);
    start_workers(workers, tasks, 3, &queue, put_items);
    EXPECT(sheaf_cancel(tasks[0]));
    expect_end(tasks[0], SHEAF_CANCELLED);
    expect_got(&queue, 9);
    expect_end(tasks[1], SHEAF_OK);
    expect_got(&queue, 11);
    expect_end(tasks[2], SHEAF_OK);
    expect_got(&queue, 12);
    EXPECT(sheaf_queue_empty(&queue));
    close_queue(&queue);
    return SHEAF_OK;
}

/* QU6, QU11 */
static int a_putter_cancelled_when_chosen_puts_nothing_and_leaves_its_place(void *arg,
                                                                            sheaf_value *result)
{
    (void)arg, (void)result;
    struct worker workers[2];
    sheaf_future *tasks[2];
    for (int waiting = 1; waiting <= 2; waiting++) {
        sheaf_queue queue;
        open_queue(&queue, 1);
        put(&queue, 9);
        start_workers(workers, tasks, waiting, &queue, put_items);
        expect_got(&queue, 9);
        EXPECT(sheaf_cancel(tasks[0]));
        EXPECT_INT(sheaf_await(tasks[0], NULL), SHEAF_CANCELLED);
        sheaf_release(tasks[0]);
        if (waiting == 2) {
            expect_end(tasks[1], SHEAF_OK);
            expect_got(&queue, 11);
        }
        EXPECT(sheaf_queue_empty(&queue));
        EXPECT_INT(sheaf_queue_try_put(&queue, number(5)), SHEAF_OK);
        expect_got(&queue, 5);
        close_queue(&queue);
    }
    return SHEAF_OK;
}

/* QU6 */
static int a_putter_that_is_cancelled_leaves_no_trace(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct worker workers[1];
    sheaf_future *tasks[1];
    sheaf_queue queue;
    open_queue(&queue, 1);
    put(&queue, 9);
    for (int i = 0; i < 10; i++) {
        start_workers(workers, tasks, 1, &queue, put_items);
        EXPECT(sheaf_cancel(tasks[0]));
        expect_end(tasks[0], SHEAF_CANCELLED);
    }
    expect_got(&queue, 9);
    EXPECT(sheaf_queue_empty(&queue));
    close_queue(&queue);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_queue_tells_whether_it_is_empty),
    TASK_TEST(a_queue_is_full_at_its_bound_and_never_without),
    TASK_TEST(each_kind_gives_its_items_in_its_order),
    TASK_TEST_ON(MODES_SINGLE, what_need_not_wait_gives_and_takes_at_once),
    TASK_TEST_ON(MODES_VIRTUAL, putters_block_at_the_bound_and_put_in_the_order_they_came),
    TASK_TEST_ON(MODES_VIRTUAL, getters_wait_and_an_item_goes_to_the_oldest),
    TASK_TEST(producers_and_consumers_over_one_place_all_end),
    TASK_TEST_ON(MODES_VIRTUAL, the_second_getter_gets_what_the_cancelled_first_does_not),
    TASK_TEST_ON(MODES_EXACT, the_item_of_a_getter_cancelled_when_chosen_is_not_lost),
    TASK_TEST_ON(MODES_VIRTUAL, a_getter_that_times_out_leaves_no_trace),
    TASK_TEST_ON(MODES_VIRTUAL, the_others_keep_their_order_when_one_putter_is_cancelled),
    TASK_TEST_ON(MODES_EXACT, a_putter_cancelled_when_chosen_puts_nothing_and_leaves_its_place),
    TASK_TEST_ON(MODES_VIRTUAL, a_putter_that_is_cancelled_leaves_no_trace),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
