/* join, task_done and shutdown of queues as asyncio's own tests see them. */
#include "tests/support/roles.h"

static const sheaf_queue_order orders[] = {SHEAF_QUEUE_FIFO, SHEAF_QUEUE_LIFO,
                                           SHEAF_QUEUE_PRIORITY};

enum { KINDS = 3 };

static void open_queue(sheaf_queue *queue, int kind, size_t bound)
{
    EXPECT_INT(sheaf_queue_open(queue, SHEAF_QUEUE_OPTIONS(.order = orders[kind], .bound = bound)),
               SHEAF_OK);
}

static int get_one(void *arg, sheaf_value *result)
{
    return sheaf_queue_get(arg, result);
}

static int put_one(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_queue_put(arg, number(4));
}

static int join_queue(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_queue_join(arg);
}

static sheaf_future *spawn_settled(sheaf_fn *fn, sheaf_queue *queue)
{
    sheaf_future *task = sheaf_spawn(fn, queue);
    settle();
    return task;
}

static void expect_all_refused(sheaf_queue *queue)
{
    sheaf_value item;
    EXPECT_INT(sheaf_queue_put(queue, number(1)), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_queue_try_put(queue, number(1)), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_queue_get(queue, &item), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_queue_try_get(queue, &item), SHEAF_SHUTDOWN);
}

/* ---------------------------------------------------------------- join */

/* QU7 */
static int one_task_done_too_many_is_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int kind = 0; kind < KINDS; kind++) {
        sheaf_queue queue;
        open_queue(&queue, kind, 0);
        EXPECT_INT(sheaf_queue_task_done(&queue), SHEAF_STATE);
        EXPECT_INT(sheaf_queue_put(&queue, number(1)), SHEAF_OK);
        EXPECT_INT(sheaf_queue_task_done(&queue), SHEAF_OK);
        EXPECT_INT(sheaf_queue_task_done(&queue), SHEAF_STATE);
        EXPECT_INT(sheaf_queue_close(&queue), SHEAF_OK);
    }
    return SHEAF_OK;
}

struct adding {
    sheaf_queue *queue;
    SHEAF__ATOMIC(int64_t) sum;
};

static int add_up(void *arg, sheaf_value *result)
{
    struct adding *a = arg;
    sheaf_value item;
    (void)result;
    for (;;) {
        SHEAF_TRY(sheaf_queue_get(a->queue, &item));
        sheaf__add_acq_rel(&a->sum, item.i64);
        EXPECT_INT(sheaf_queue_task_done(a->queue), SHEAF_OK);
    }
}

enum { ITEMS = 100 };

/* QU7 */
static int a_join_returns_when_two_workers_have_done_all(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int kind = 0; kind < KINDS; kind++) {
        sheaf_queue queue;
        open_queue(&queue, kind, 0);
        int64_t expected = 0;
        for (int64_t i = 0; i < ITEMS; i++) {
            EXPECT_INT(sheaf_queue_put(&queue, number(i)), SHEAF_OK);
            expected += i;
        }
        struct adding adding = {.queue = &queue};
        sheaf_future *workers[2] = {sheaf_spawn(add_up, &adding), sheaf_spawn(add_up, &adding)};
        EXPECT_INT(sheaf_queue_join(&queue), SHEAF_OK);
        EXPECT_INT(sheaf__load_acq(&adding.sum), expected);
        for (int i = 0; i < 2; i++) {
            EXPECT(sheaf_cancel(workers[i]));
            expect_end(workers[i], SHEAF_CANCELLED);
        }
        EXPECT_INT(sheaf_queue_close(&queue), SHEAF_OK);
    }
    return SHEAF_OK;
}

/* QU7 */
static int a_join_of_an_empty_queue_returns_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int kind = 0; kind < KINDS; kind++) {
        sheaf_queue queue;
        open_queue(&queue, kind, 0);
        EXPECT_INT(sheaf_queue_join(&queue), SHEAF_OK);
        EXPECT_INT(sheaf_queue_join(&queue), SHEAF_OK);
        EXPECT_INT(sheaf_queue_close(&queue), SHEAF_OK);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- shutdown */

/* QU8 */
static int a_shutdown_of_an_empty_queue_lets_getters_go(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int kind = 0; kind < KINDS; kind++) {
        sheaf_queue queue;
        open_queue(&queue, kind, 0);
        sheaf_future *getter = spawn_settled(get_one, &queue);
        EXPECT_INT(sheaf_queue_shutdown(&queue, false), SHEAF_OK);
        expect_end(getter, SHEAF_SHUTDOWN);
        expect_all_refused(&queue);
        EXPECT_INT(sheaf_queue_join(&queue), SHEAF_OK);
        EXPECT_INT(sheaf_queue_close(&queue), SHEAF_OK);
    }
    return SHEAF_OK;
}

/* QU8, QU7 */
static int a_shutdown_gives_out_what_is_there_and_refuses_putters(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int kind = 0; kind < KINDS; kind++) {
        sheaf_queue queue;
        open_queue(&queue, kind, 1);
        EXPECT_INT(sheaf_queue_put(&queue, number(3)), SHEAF_OK);
        sheaf_future *putter = spawn_settled(put_one, &queue);
        sheaf_future *joiner = spawn_settled(join_queue, &queue);
        EXPECT_INT(sheaf_queue_shutdown(&queue, false), SHEAF_OK);
        expect_end(putter, SHEAF_SHUTDOWN);
        EXPECT_INT(sheaf_queue_size(&queue), 1);
        sheaf_value item = {0};
        EXPECT_INT(sheaf_queue_get(&queue, &item), SHEAF_OK);
        EXPECT_INT(item.i64, 3);
        expect_all_refused(&queue);
        settle();
        EXPECT(!sheaf_done(joiner));
        EXPECT_INT(sheaf_queue_task_done(&queue), SHEAF_OK);
        expect_end(joiner, SHEAF_OK);
        EXPECT_INT(sheaf_queue_close(&queue), SHEAF_OK);
    }
    return SHEAF_OK;
}

/* QU9 */
static int an_immediate_shutdown_throws_the_items_away(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int kind = 0; kind < KINDS; kind++) {
        sheaf_queue queue;
        open_queue(&queue, kind, 2);
        EXPECT_INT(sheaf_queue_put(&queue, number(1)), SHEAF_OK);
        EXPECT_INT(sheaf_queue_put(&queue, number(2)), SHEAF_OK);
        sheaf_future *putter = spawn_settled(put_one, &queue);
        sheaf_future *joiner = spawn_settled(join_queue, &queue);
        EXPECT_INT(sheaf_queue_shutdown(&queue, true), SHEAF_OK);
        EXPECT(sheaf_queue_empty(&queue));
        expect_end(putter, SHEAF_SHUTDOWN);
        expect_end(joiner, SHEAF_OK);
        expect_all_refused(&queue);
        EXPECT_INT(sheaf_queue_task_done(&queue), SHEAF_STATE);
        EXPECT_INT(sheaf_queue_close(&queue), SHEAF_OK);
    }
    return SHEAF_OK;
}

/* QU9, QU7 */
static int an_item_taken_before_an_immediate_shutdown_still_needs_its_task_done(void *arg,
                                                                                sheaf_value *result)
{
    (void)arg, (void)result;
    for (int kind = 0; kind < KINDS; kind++) {
        sheaf_queue queue;
        open_queue(&queue, kind, 2);
        EXPECT_INT(sheaf_queue_put(&queue, number(1)), SHEAF_OK);
        EXPECT_INT(sheaf_queue_put(&queue, number(2)), SHEAF_OK);
        sheaf_value item;
        EXPECT_INT(sheaf_queue_get(&queue, &item), SHEAF_OK);
        sheaf_future *joiner = spawn_settled(join_queue, &queue);
        EXPECT_INT(sheaf_queue_shutdown(&queue, true), SHEAF_OK);
        settle();
        EXPECT(!sheaf_done(joiner));
        EXPECT_INT(sheaf_queue_task_done(&queue), SHEAF_OK);
        expect_end(joiner, SHEAF_OK);
        EXPECT_INT(sheaf_queue_task_done(&queue), SHEAF_STATE);
        EXPECT_INT(sheaf_queue_close(&queue), SHEAF_OK);
    }
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(one_task_done_too_many_is_refused),
    TASK_TEST(a_join_returns_when_two_workers_have_done_all),
    TASK_TEST(a_join_of_an_empty_queue_returns_at_once),
    TASK_TEST_ON(MODES_VIRTUAL, a_shutdown_of_an_empty_queue_lets_getters_go),
    TASK_TEST_ON(MODES_VIRTUAL, a_shutdown_gives_out_what_is_there_and_refuses_putters),
    TASK_TEST_ON(MODES_VIRTUAL, an_immediate_shutdown_throws_the_items_away),
    TASK_TEST_ON(MODES_VIRTUAL,
                 an_item_taken_before_an_immediate_shutdown_still_needs_its_task_done),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
