/* Futures: reading an outcome, the references that keep it, who owns the value, the stamp. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

static int give_number(void *arg, sheaf_value *result)
{
    result->i64 = (intptr_t)arg;
    return SHEAF_OK;
}

static int fail(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_raise(EIO, "broken");
}

static int end_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_CANCELLED;
}

/* ---------------------------------------------------------------- reading */

static void expect_pending(sheaf_future *f)
{
    sheaf_value value = {.i64 = 4};
    EXPECT(!sheaf_done(f));
    EXPECT(!sheaf_cancelled(f));
    EXPECT_INT(sheaf_result(f, &value), SHEAF_STATE);
    EXPECT_INT(sheaf_take(f, &value), SHEAF_STATE);
    EXPECT_INT(sheaf_future_status(f), SHEAF_STATE);
    EXPECT_PTR(sheaf_future_error(f), NULL);
    EXPECT_INT(value.i64, 4);
}

/* F1, F4 */
static int a_pending_future_has_nothing_to_read(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    expect_pending(promise);
    sheaf_future *task = sheaf_spawn(await_it, promise);
    expect_pending(task);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    expect_pending(task);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 1}), SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_OK);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int a_value_can_be_read_any_number_of_times(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f = sheaf_spawn(give_number, (void *)5);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_OK);
    for (int i = 0; i < 10; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_result(f, &value), SHEAF_OK);
        EXPECT_INT(value.i64, 5);
        EXPECT_INT(sheaf_result(f, NULL), SHEAF_OK);
        EXPECT_INT(sheaf_future_status(f), SHEAF_OK);
        EXPECT_PTR(sheaf_future_error(f), NULL);
        EXPECT(sheaf_done(f) && !sheaf_cancelled(f));
    }
    sheaf_release(f);
    return SHEAF_OK;
}

/* F4 */
static int a_failure_reads_as_its_error(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f = sheaf_spawn(fail, NULL);
    EXPECT_INT(sheaf_await(f, NULL), EIO);
    sheaf_value value = {.i64 = 4};
    EXPECT_INT(sheaf_result(f, &value), EIO);
    EXPECT_INT(sheaf_take(f, &value), EIO);
    EXPECT_INT(value.i64, 4);
    EXPECT_INT(sheaf_future_status(f), EIO);
    EXPECT(sheaf_done(f) && !sheaf_cancelled(f));
    sheaf_error *one = sheaf_future_error(f), *two = sheaf_future_error(f);
    EXPECT_PTR(one, two);
    EXPECT_TEXT(sheaf_error_message(one), "broken");
    sheaf_release(f);
    EXPECT_TEXT(sheaf_error_message(two), "broken");
    sheaf_error_release(one);
    sheaf_error_release(two);
    return SHEAF_OK;
}

/* F4 */
static int a_cancellation_reads_as_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f = sheaf_spawn(end_cancelled, NULL);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_result(f, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_take(f, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_future_status(f), SHEAF_CANCELLED);
    EXPECT(sheaf_done(f) && sheaf_cancelled(f));
    EXPECT_PTR(sheaf_future_error(f), NULL);
    EXPECT_INT(sheaf_cancelling(f), 0);
    sheaf_release(f);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- references */

static int arrive(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_yield());
    gate_arrive(arg);
    return SHEAF_OK;
}

/* P13 */
static void a_task_nobody_holds_runs_to_its_end(struct fixture *f)
{
    struct gate gate = GATE_INIT;
    for (int i = 0; i < 50; i++) {
        sheaf_release(sheaf_spawn_on(f->pool, arrive, &gate));
    }
    gate_wait(&gate, 50);
}

static int each_reference_keeps_the_outcome(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_PTR(sheaf_retain(NULL), NULL);
    sheaf_release(NULL);
    sheaf_release_all(NULL, 0);
    sheaf_future *holes[3] = {NULL, sheaf_spawn(give_number, NULL), NULL};
    sheaf_release_all(holes, 3);
    sheaf_future *f = sheaf_spawn(give_number, (void *)6);
    for (int i = 0; i < 20; i++) {
        EXPECT_PTR(sheaf_retain(f), f);
    }
    for (int i = 0; i < 20; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_join(f, &value), SHEAF_OK);
        EXPECT_INT(value.i64, 6);
    }
    EXPECT(sheaf_done(f));
    sheaf_release(f);
    return SHEAF_OK;
}

static void futures_outlive_their_pool(struct fixture *f)
{
    sheaf_future *value_of = sheaf_spawn_on(f->pool, give_number, (void *)9);
    sheaf_future *error_of = sheaf_spawn_on(f->pool, fail, NULL);
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool, .data = f));
    sheaf_future *second = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    fixture_close(f);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(value_of, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 9);
    EXPECT_INT(sheaf_join(error_of, NULL), EIO);
    EXPECT_INT(sheaf_future_status(promise), SHEAF_STATE);
    EXPECT_PTR(sheaf_future_data(promise), f);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 1}), SHEAF_OK);
    EXPECT_INT(sheaf_await(promise, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 1);
    EXPECT(sheaf_cancel(second));
    EXPECT_INT(sheaf_join(second, NULL), SHEAF_CANCELLED);
    sheaf_release(promise);
    sheaf_release(value_of);
}

/* ---------------------------------------------------------------- who owns the value */

static SHEAF__ATOMIC(int) drops;
static SHEAF__ATOMIC(int64_t) dropped_sum;

static void drop_number(sheaf_value value)
{
    sheaf__add_acq_rel(&drops, 1);
    sheaf__add_acq_rel(&dropped_sum, value.i64);
}

static sheaf_future *spawn_owner(sheaf_pool *pool, sheaf_fn *fn, void *arg)
{
    return sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = pool, .value_drop = drop_number), fn, arg);
}

static void a_value_nobody_took_is_dropped_once(struct fixture *f)
{
    sheaf__store_rel(&drops, 0);
    sheaf__store_rel(&dropped_sum, 0);
    sheaf_future *read = spawn_owner(f->pool, give_number, (void *)1);
    sheaf_retain(read);
    EXPECT_INT(sheaf_join(read, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&drops), 0);
    sheaf_release(read);
    EXPECT_INT(sheaf__load_acq(&drops), 1);
    sheaf_release(spawn_owner(f->pool, give_number, (void *)10));
    EXPECT_INT(sheaf_join(spawn_owner(f->pool, fail, NULL), NULL), EIO);
    EXPECT_INT(sheaf_join(spawn_owner(f->pool, end_cancelled, NULL), NULL), SHEAF_CANCELLED);
    sheaf_future *promise =
        sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool, .value_drop = drop_number));
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 100}), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 1000}), SHEAF_STATE);
    sheaf_release(promise);
    fixture_close(f);
    EXPECT_INT(sheaf__load_acq(&drops), 3);
    EXPECT_INT(sheaf__load_acq(&dropped_sum), 111);
}

static int a_value_that_was_taken_is_the_takers(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    sheaf__store_rel(&drops, 0);
    sheaf_future *future = spawn_owner(f->pool, give_number, (void *)3);
    EXPECT_INT(sheaf_await(future, NULL), SHEAF_OK);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_take(future, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 3);
    value.i64 = 0;
    EXPECT_INT(sheaf_take(future, &value), SHEAF_STATE);
    EXPECT_INT(value.i64, 0);
    sheaf_release(future);
    EXPECT_INT(sheaf__load_acq(&drops), 0);
    return SHEAF_OK;
}

static SHEAF__ATOMIC(int) taken;

static int try_to_take(void *arg, sheaf_value *result)
{
    int status = sheaf_take(arg, result);
    EXPECT(status == SHEAF_OK || status == SHEAF_STATE);
    if (status == SHEAF_OK) {
        EXPECT_INT(result->i64, 8);
        sheaf__add_acq_rel(&taken, 1);
    }
    return SHEAF_OK;
}

static int of_many_takers_one_gets_the_value(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    sheaf__store_rel(&drops, 0);
    for (size_t round = 1; round <= fixture_scaled(100); round++) {
        sheaf__store_rel(&taken, 0);
        sheaf_future *future = spawn_owner(f->pool, give_number, (void *)8);
        EXPECT_INT(sheaf_await(future, NULL), SHEAF_OK);
        sheaf_future *takers[8];
        sheaf_spawn_many(try_to_take, future, 0, 8, takers);
        for (int i = 0; i < 8; i++) {
            EXPECT_INT(sheaf_join(takers[i], NULL), SHEAF_OK);
        }
        EXPECT_INT(sheaf__load_acq(&taken), 1);
        sheaf_release(future);
    }
    EXPECT_INT(sheaf__load_acq(&drops), 0);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- stamps */

struct stamped {
    sheaf_future *child;
    uint64_t child_stamp;
};

static int stamp_of_child(void *arg, sheaf_value *result)
{
    struct stamped *s = arg;
    (void)result;
    s->child = sheaf_spawn(give_number, NULL);
    EXPECT_INT(sheaf_future_stamp(sheaf_current()), 0);
    SHEAF_TRY(sheaf_await(s->child, NULL));
    s->child_stamp = sheaf_future_stamp(s->child);
    return SHEAF_OK;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* P11 */
static void stamps_number_the_completions(struct fixture *f)
{
    enum { COUNT = 100 };
    sheaf_options options = fixture_options(f);
    options.flags = SHEAF_POOL_STAMPS;
    sheaf_pool *pool = NULL;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    static struct stamped stamped[COUNT];
    static sheaf_future *parents[COUNT];
    uint64_t all[2 * COUNT];
    for (int i = 0; i < COUNT; i++) {
        parents[i] = sheaf_spawn_on(pool, stamp_of_child, &stamped[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        EXPECT_INT(sheaf_await(parents[i], NULL), SHEAF_OK);
        all[2 * i] = sheaf_future_stamp(parents[i]);
        all[2 * i + 1] = stamped[i].child_stamp;
        EXPECT(all[2 * i + 1] < all[2 * i]);
        sheaf_release(stamped[i].child);
    }
    qsort(all, 2 * (size_t)COUNT, sizeof all[0], by_value);
    for (uint64_t i = 0; i < 2 * COUNT; i++) {
        EXPECT_INT(all[i], i + 1);
    }
    sheaf_release_all(parents, COUNT);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

static int without_stamps_there_are_none(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f = sheaf_spawn(give_number, NULL);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_future_stamp(f), 0);
    sheaf_release(f);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_pending_future_has_nothing_to_read),
    TASK_TEST(a_value_can_be_read_any_number_of_times),
    TASK_TEST(a_failure_reads_as_its_error),
    TASK_TEST(a_cancellation_reads_as_cancelled),
    THREAD_TEST(a_task_nobody_holds_runs_to_its_end),
    TASK_TEST(each_reference_keeps_the_outcome),
    THREAD_TEST(futures_outlive_their_pool),
    THREAD_TEST(a_value_nobody_took_is_dropped_once),
    TASK_TEST(a_value_that_was_taken_is_the_takers),
    TASK_TEST(of_many_takers_one_gets_the_value),
    POOL_TEST(stamps_number_the_completions),
    TASK_TEST(without_stamps_there_are_none),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
