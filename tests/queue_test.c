/* Queues between tasks and plain threads: orders, bounds, joining, shutting down, closing. */
#include "lib/alloc.h"
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/pairings.h"

#include <sched.h>
#include <string.h>

static sheaf_value number(int64_t i)
{
    sheaf_value value = {.i64 = i};
    return value;
}

/* ---------------------------------------------------------------- one caller */

static int put_and_get(void *arg, sheaf_value *result)
{
    sheaf_queue q;
    sheaf_value v = {.i64 = -1};
    (void)arg, (void)result;
    EXPECT_INT(sheaf_queue_open(&q, SHEAF_QUEUE_OPTIONS(.bound = 2)), SHEAF_OK);
    EXPECT(sheaf_queue_empty(&q));
    EXPECT_INT(sheaf_queue_try_get(&q, &v), SHEAF_EMPTY);
    EXPECT_INT(sheaf_queue_put(&q, number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_queue_try_put(&q, number(2)), SHEAF_OK);
    EXPECT(sheaf_queue_full(&q));
    EXPECT_INT(sheaf_queue_try_put(&q, number(3)), SHEAF_FULL);
    sheaf_time start = sheaf_now();
    EXPECT_INT(sheaf_queue_put_until(&q, number(3), start + SHEAF_MS(1)), SHEAF_TIMEOUT);
    EXPECT(sheaf_now() - start >= SHEAF_MS(1));
    EXPECT_INT(sheaf_queue_size(&q), 2);
    EXPECT_INT(sheaf_queue_get(&q, &v), SHEAF_OK);
    EXPECT_INT(v.i64, 1);
    EXPECT_INT(sheaf_queue_get_until(&q, &v, INT64_MIN), SHEAF_OK);
    EXPECT_INT(v.i64, 2);
    EXPECT_INT(sheaf_queue_get_until(&q, &v, INT64_MIN), SHEAF_TIMEOUT);
    EXPECT_INT(v.i64, 2);
    EXPECT_INT(sheaf_queue_close(&q), SHEAF_OK);
    return SHEAF_OK;
}

static int64_t negated(sheaf_value item)
{
    return -item.i64;
}

static void expect_order(const sheaf_queue_options *options, const int *in, const int *out)
{
    sheaf_queue q;
    sheaf_value v;
    EXPECT_INT(sheaf_queue_open(&q, options), SHEAF_OK);
    for (int i = 0; i < 6; i++) {
        EXPECT_INT(sheaf_queue_put(&q, number(in[i])), SHEAF_OK);
    }
    for (int i = 0; i < 6; i++) {
        EXPECT_INT(sheaf_queue_get(&q, &v), SHEAF_OK);
        EXPECT_INT(v.i64, out[i]);
    }
    EXPECT_INT(sheaf_queue_close(&q), SHEAF_OK);
}

static int take_items_in_each_order(void *arg, sheaf_value *result)
{
    static const int in[6] = {3, 1, 4, 1, 5, 9};
    static const int backwards[6] = {9, 5, 1, 4, 1, 3};
    static const int smallest[6] = {1, 1, 3, 4, 5, 9};
    static const int largest[6] = {9, 5, 4, 3, 1, 1};
    (void)arg, (void)result;
    expect_order(NULL, in, in);
    expect_order(SHEAF_QUEUE_OPTIONS(.order = SHEAF_QUEUE_LIFO), in, backwards);
    expect_order(SHEAF_QUEUE_OPTIONS(.order = SHEAF_QUEUE_PRIORITY), in, smallest);
    expect_order(SHEAF_QUEUE_OPTIONS(.order = SHEAF_QUEUE_PRIORITY, .rank = negated), in, largest);
    return SHEAF_OK;
}

static int64_t tens(sheaf_value item)
{
    return item.i64 / 10;
}

static int keep_the_order_of_equal_ranks(void *arg, sheaf_value *result)
{
    static const int in[6] = {21, 12, 11, 23, 10, 22};
    static const int out[6] = {12, 11, 10, 21, 23, 22};
    (void)arg, (void)result;
    expect_order(SHEAF_QUEUE_OPTIONS(.order = SHEAF_QUEUE_PRIORITY, .rank = tens), in, out);
    return SHEAF_OK;
}

static int refuse_bad_input(void *arg, sheaf_value *result)
{
    sheaf_queue q;
    sheaf_value v;
    (void)arg, (void)result;
    memset(&q, 0, sizeof q);
    EXPECT_INT(sheaf_queue_put(&q, number(1)), SHEAF_CLOSED);
    EXPECT_INT(sheaf_queue_open(NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_queue_open(&q, SHEAF_QUEUE_OPTIONS(.order = (sheaf_queue_order)3)),
               SHEAF_INVALID);
    EXPECT_INT(sheaf_queue_open(&q, &(const sheaf_queue_options){.size = 4096}), SHEAF_INVALID);
    EXPECT_INT(sheaf_queue_open(&q, SHEAF_QUEUE_OPTIONS(.bound = SIZE_MAX)), SHEAF_OK);
    EXPECT(!sheaf_queue_full(&q));
    EXPECT_INT(sheaf_queue_get(&q, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_queue_task_done(&q), SHEAF_STATE);
    EXPECT_INT(sheaf_queue_join(&q), SHEAF_OK);
    EXPECT_INT(sheaf_queue_close(&q), SHEAF_OK);
    EXPECT_INT(sheaf_queue_close(&q), SHEAF_CLOSED);
    EXPECT_INT(sheaf_queue_put(&q, number(1)), SHEAF_CLOSED);
    EXPECT_INT(sheaf_queue_try_put(&q, number(1)), SHEAF_CLOSED);
    EXPECT_INT(sheaf_queue_get(&q, &v), SHEAF_CLOSED);
    EXPECT_INT(sheaf_queue_try_get(&q, &v), SHEAF_CLOSED);
    EXPECT_INT(sheaf_queue_join(&q), SHEAF_CLOSED);
    EXPECT_INT(sheaf_queue_task_done(&q), SHEAF_CLOSED);
    EXPECT_INT(sheaf_queue_shutdown(&q, true), SHEAF_CLOSED);
    EXPECT_INT(sheaf_queue_size(&q), 0);
    EXPECT_INT(sheaf_queue_put(NULL, number(1)), SHEAF_INVALID);
    EXPECT_INT(sheaf_queue_try_put(NULL, number(1)), SHEAF_INVALID);
    EXPECT_INT(sheaf_queue_try_get(NULL, &v), SHEAF_INVALID);
    EXPECT_INT(sheaf_queue_close(NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_queue_shutdown(NULL, false), SHEAF_INVALID);
    EXPECT_INT(sheaf_queue_task_done(NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_queue_join(NULL), SHEAF_INVALID);
    EXPECT(sheaf_queue_empty(NULL) && !sheaf_queue_full(NULL));
    return SHEAF_OK;
}

static void a_queue_answers_the_same_to_tasks_and_threads(struct fixture *f)
{
    sheaf_fn *const bodies[] = {put_and_get, take_items_in_each_order,
                                keep_the_order_of_equal_ranks, refuse_bad_input};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        EXPECT_INT(bodies[i](NULL, NULL), SHEAF_OK);
        EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, bodies[i], NULL), NULL), SHEAF_OK);
    }
}

/* ---------------------------------------------------------------- who waits */

struct line {
    sheaf_queue queue;
    SHEAF__ATOMIC(int) waiting;
};

static int get_one(void *arg, sheaf_value *result)
{
    struct line *line = arg;
    sheaf__add_acq_rel(&line->waiting, 1);
    SHEAF_TRY(sheaf_queue_get(&line->queue, result));
    return SHEAF_OK;
}

struct parcel {
    struct line *line;
    int64_t content;
};

static int put_one(void *arg, sheaf_value *result)
{
    const struct parcel *p = arg;
    (void)result;
    sheaf__add_acq_rel(&p->line->waiting, 1);
    return sheaf_queue_put(&p->line->queue, number(p->content));
}

/* Yields until one more task waits.  Requires: one worker */
static void settle_one(struct line *line, int count)
{
    while (sheaf__load_acq(&line->waiting) < count) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
}

static void start_getters(struct line *line, sheaf_future **tasks, int count)
{
    for (int i = 0; i < count; i++) {
        tasks[i] = sheaf_spawn(get_one, line);
        settle_one(line, i + 1);
    }
}

static void start_putters(struct line *line, struct parcel *parcels, sheaf_future **tasks,
                          int count)
{
    for (int i = 0; i < count; i++) {
        parcels[i] = (struct parcel){line, 10 + i};
        tasks[i] = sheaf_spawn(put_one, &parcels[i]);
        settle_one(line, i + 1);
    }
}

static void open_line(struct line *line, size_t bound)
{
    memset(line, 0, sizeof *line);
    EXPECT_INT(sheaf_queue_open(&line->queue, SHEAF_QUEUE_OPTIONS(.bound = bound)), SHEAF_OK);
}

static void expect_value(sheaf_future *task, int64_t expected)
{
    sheaf_value v = {.i64 = -1};
    EXPECT_INT(sheaf_join(task, &v), SHEAF_OK);
    EXPECT_INT(v.i64, expected);
}

static void expect_next(struct line *line, int64_t expected)
{
    sheaf_value v = {.i64 = -1};
    EXPECT_INT(sheaf_queue_get(&line->queue, &v), SHEAF_OK);
    EXPECT_INT(v.i64, expected);
}

static int getters_are_served_in_the_order_they_came(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    sheaf_future *tasks[4];
    sheaf_value v;
    open_line(&line, 0);
    start_getters(&line, tasks, 4);
    EXPECT(sheaf_cancel(tasks[1]));
    EXPECT_INT(sheaf_queue_put(&line.queue, number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(2)), SHEAF_OK);
    /* They are theirs already: nobody overtakes. */
    EXPECT_INT(sheaf_queue_try_get(&line.queue, &v), SHEAF_EMPTY);
    expect_value(tasks[0], 1);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_CANCELLED);
    expect_value(tasks[2], 2);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(3)), SHEAF_OK);
    expect_value(tasks[3], 3);
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

static int an_item_of_a_cancelled_getter_goes_to_the_next(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    sheaf_future *tasks[2];
    open_line(&line, 0);
    start_getters(&line, tasks, 2);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(1)), SHEAF_OK);
    EXPECT(sheaf_cancel(tasks[0]));
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_CANCELLED);
    expect_value(tasks[1], 1);
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

static int items_of_cancelled_getters_go_back_to_where_they_were(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    sheaf_future *tasks[3];
    open_line(&line, 0);
    start_getters(&line, tasks, 3);
    for (int i = 1; i <= 5; i++) {
        EXPECT_INT(sheaf_queue_put(&line.queue, number(i)), SHEAF_OK);
    }
    for (int i = 0; i < 3; i++) {
        EXPECT(sheaf_cancel(tasks[i]));
    }
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_CANCELLED);
    }
    EXPECT_INT(sheaf_queue_size(&line.queue), 5);
    for (int i = 1; i <= 5; i++) {
        expect_next(&line, i);
    }
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

static int putters_put_in_the_order_they_came(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    struct parcel parcels[3];
    sheaf_future *tasks[3];
    open_line(&line, 1);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(1)), SHEAF_OK);
    start_putters(&line, parcels, tasks, 3);
    expect_next(&line, 1);
    /* The place is the oldest putter's already. */
    EXPECT(sheaf_queue_full(&line.queue));
    EXPECT_INT(sheaf_queue_try_put(&line.queue, number(99)), SHEAF_FULL);
    for (int i = 0; i < 3; i++) {
        expect_next(&line, 10 + i);
        EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_OK);
    }
    EXPECT(sheaf_queue_empty(&line.queue));
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

static int a_place_of_a_cancelled_putter_goes_to_the_next(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    struct parcel parcels[3];
    sheaf_future *tasks[3];
    open_line(&line, 1);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(1)), SHEAF_OK);
    start_putters(&line, parcels, tasks, 3);
    EXPECT(sheaf_cancel(tasks[1]));
    expect_next(&line, 1);
    EXPECT(sheaf_cancel(tasks[0]));
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_CANCELLED);
    expect_next(&line, 12);
    EXPECT_INT(sheaf_join(tasks[2], NULL), SHEAF_OK);
    EXPECT(sheaf_queue_empty(&line.queue));
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- joining */

static int join_it(void *arg, sheaf_value *result)
{
    struct line *line = arg;
    (void)result;
    sheaf__add_acq_rel(&line->waiting, 1);
    return sheaf_queue_join(&line->queue);
}

static int joining_waits_for_every_item_put(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    open_line(&line, 0);
    EXPECT_INT(sheaf_queue_join(&line.queue), SHEAF_OK);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(2)), SHEAF_OK);
    sheaf_future *joiner = sheaf_spawn(join_it, &line);
    settle_one(&line, 1);
    expect_next(&line, 1);
    expect_next(&line, 2);
    EXPECT_INT(sheaf_queue_task_done(&line.queue), SHEAF_OK);
    EXPECT_INT(sheaf_queue_join_until(&line.queue, sheaf_now() + SHEAF_MS(1)), SHEAF_TIMEOUT);
    EXPECT(!sheaf_done(joiner));
    EXPECT_INT(sheaf_queue_task_done(&line.queue), SHEAF_OK);
    EXPECT_INT(sheaf_join(joiner, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_queue_task_done(&line.queue), SHEAF_STATE);
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- shutting down */

/* QU8, QU10 */
static int a_shutdown_lets_getters_finish_and_refuses_puts(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    struct parcel parcels[2];
    sheaf_future *tasks[2];
    sheaf_value v;
    open_line(&line, 1);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(1)), SHEAF_OK);
    start_putters(&line, parcels, tasks, 2);
    EXPECT_INT(sheaf_queue_shutdown(&line.queue, false), SHEAF_OK);
    EXPECT_INT(sheaf_queue_shutdown(&line.queue, false), SHEAF_OK);
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(2)), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_queue_try_put(&line.queue, number(2)), SHEAF_SHUTDOWN);
    expect_next(&line, 1);
    EXPECT_INT(sheaf_queue_get(&line.queue, &v), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_queue_try_get(&line.queue, &v), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_queue_task_done(&line.queue), SHEAF_OK);
    EXPECT_INT(sheaf_queue_join(&line.queue), SHEAF_OK);
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

static int a_shutdown_beats_a_place_that_was_just_given(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    struct parcel parcel;
    sheaf_future *putter;
    sheaf_value v;
    open_line(&line, 1);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(1)), SHEAF_OK);
    start_putters(&line, &parcel, &putter, 1);
    expect_next(&line, 1);
    EXPECT_INT(sheaf_queue_shutdown(&line.queue, false), SHEAF_OK);
    EXPECT_INT(sheaf_join(putter, NULL), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_queue_get(&line.queue, &v), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

static int a_shutdown_ends_waiting_getters(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    sheaf_future *tasks[2];
    open_line(&line, 0);
    start_getters(&line, tasks, 2);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_queue_shutdown(&line.queue, false), SHEAF_OK);
    expect_value(tasks[0], 1);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_SHUTDOWN);
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

static SHEAF__ATOMIC(int) drops;

static void count_drop(sheaf_value item)
{
    sheaf__add_acq_rel(&drops, (int)item.i64);
}

/* QU9, QU10 */
static int an_immediate_shutdown_drops_what_is_there(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&drops, 0);
    struct line line = {.waiting = 0};
    sheaf_value v;
    EXPECT_INT(sheaf_queue_open(&line.queue, SHEAF_QUEUE_OPTIONS(.drop = count_drop)), SHEAF_OK);
    for (int i = 1; i <= 4; i++) {
        EXPECT_INT(sheaf_queue_put(&line.queue, number(i)), SHEAF_OK);
    }
    expect_next(&line, 1);
    sheaf_future *joiner = sheaf_spawn(join_it, &line);
    settle_one(&line, 1);
    EXPECT_INT(sheaf_queue_shutdown(&line.queue, false), SHEAF_OK);
    EXPECT_INT(sheaf_queue_shutdown(&line.queue, true), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&drops), 9);
    EXPECT_INT(sheaf_queue_size(&line.queue), 0);
    EXPECT_INT(sheaf_queue_get(&line.queue, &v), SHEAF_SHUTDOWN);
    EXPECT(!sheaf_done(joiner));
    EXPECT_INT(sheaf_queue_task_done(&line.queue), SHEAF_OK);
    EXPECT_INT(sheaf_join(joiner, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

/* It was taken out for the getter, which does not take it after all. */
static int an_item_on_its_way_is_dropped_after_an_immediate_shutdown(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&drops, 0);
    struct line line = {.waiting = 0};
    sheaf_future *getter;
    EXPECT_INT(sheaf_queue_open(&line.queue, SHEAF_QUEUE_OPTIONS(.drop = count_drop)), SHEAF_OK);
    start_getters(&line, &getter, 1);
    EXPECT_INT(sheaf_queue_put(&line.queue, number(7)), SHEAF_OK);
    EXPECT_INT(sheaf_queue_shutdown(&line.queue, true), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&drops), 0);
    EXPECT(sheaf_cancel(getter));
    EXPECT_INT(sheaf_join(getter, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf__load_acq(&drops), 7);
    EXPECT_INT(sheaf_queue_join(&line.queue), SHEAF_OK);
    EXPECT_INT(sheaf_queue_close(&line.queue), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- closing */

static int closing_sends_everybody_away_first(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&drops, 0);
    struct line full = {.waiting = 0};
    struct line empty;
    struct parcel parcel;
    sheaf_future *putter, *getter, *joiner;
    EXPECT_INT(sheaf_queue_open(&full.queue, SHEAF_QUEUE_OPTIONS(.bound = 1, .drop = count_drop)),
               SHEAF_OK);
    EXPECT_INT(sheaf_queue_put(&full.queue, number(5)), SHEAF_OK);
    start_putters(&full, &parcel, &putter, 1);
    joiner = sheaf_spawn(join_it, &full);
    settle_one(&full, 2);
    open_line(&empty, 0);
    start_getters(&empty, &getter, 1);
    EXPECT_INT(sheaf_queue_close(&full.queue), SHEAF_OK);
    EXPECT_INT(sheaf_queue_close(&empty.queue), SHEAF_OK);
    memset(&full.queue, 0xaa, sizeof full.queue);
    memset(&empty.queue, 0xaa, sizeof empty.queue);
    EXPECT_INT(sheaf_join(putter, NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf_join(joiner, NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf_join(getter, NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf__load_acq(&drops), 5);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- out of memory */

static int use_once(sheaf_queue *q)
{
    sheaf_value v = {.i64 = 0};
    SHEAF_TRY(sheaf_queue_put(q, number(1)));
    int status = sheaf_queue_try_put(q, number(2));
    EXPECT_INT(sheaf_queue_get(q, &v), SHEAF_OK);
    EXPECT_INT(v.i64, 1);
    if (status == SHEAF_OK) {
        EXPECT_INT(sheaf_queue_get(q, &v), SHEAF_OK);
        EXPECT_INT(v.i64, 2);
    }
    return status;
}

static int a_failed_put_leaves_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_queue q;
    int failures = 0;
    EXPECT_INT(sheaf_queue_open(&q, NULL), SHEAF_OK);
    bool failed = true;
    for (long n = 0; failed; n++) {
        sheaf__alloc_fail_after(n, SHEAF__ALLOC_FAIL_ONCE);
        int status = use_once(&q);
        failed = sheaf__alloc_points() > n;
        sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_ONCE);
        EXPECT_INT(status, failed ? SHEAF_NOMEM : SHEAF_OK);
        failures += status == SHEAF_NOMEM;
        EXPECT(sheaf_queue_empty(&q));
    }
    EXPECT_INT(failures, 2);
    EXPECT_INT(sheaf_queue_close(&q), SHEAF_OK);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    THREAD_TEST(a_queue_answers_the_same_to_tasks_and_threads),
    TASK_TEST_ON(MODES_SINGLE, getters_are_served_in_the_order_they_came),
    TASK_TEST_ON(MODES_SINGLE, an_item_of_a_cancelled_getter_goes_to_the_next),
    TASK_TEST_ON(MODES_SINGLE, items_of_cancelled_getters_go_back_to_where_they_were),
    TASK_TEST_ON(MODES_SINGLE, putters_put_in_the_order_they_came),
    TASK_TEST_ON(MODES_SINGLE, a_place_of_a_cancelled_putter_goes_to_the_next),
    TASK_TEST_ON(MODES_SINGLE, joining_waits_for_every_item_put),
    TASK_TEST_ON(MODES_SINGLE, a_shutdown_lets_getters_finish_and_refuses_puts),
    TASK_TEST_ON(MODES_SINGLE, a_shutdown_beats_a_place_that_was_just_given),
    TASK_TEST_ON(MODES_SINGLE, a_shutdown_ends_waiting_getters),
    TASK_TEST_ON(MODES_SINGLE, an_immediate_shutdown_drops_what_is_there),
    TASK_TEST_ON(MODES_SINGLE, an_item_on_its_way_is_dropped_after_an_immediate_shutdown),
    TASK_TEST_ON(MODES_SINGLE, closing_sends_everybody_away_first),
    TASK_TEST(a_failed_put_leaves_nothing),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
