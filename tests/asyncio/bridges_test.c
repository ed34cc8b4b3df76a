/* Plain threads that hand work to a pool and wait for it, as asyncio's bridges do. */
#include "tests/support/roles.h"

#include <errno.h>

static int add(void *arg, sheaf_value *result)
{
    const int64_t *terms = arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_US(50)));
    if (terms[0] < 0) {
        return sheaf_raise(EDOM, "negative");
    }
    result->i64 = terms[0] + terms[1];
    return SHEAF_OK;
}

/* RT1 */
static void a_thread_gets_value_and_error_of_what_it_hands_over(struct fixture *f)
{
    int64_t terms[2] = {1, 2}, bad[2] = {-1, 2};
    expect_value(sheaf_spawn_on(f->pool, add, terms), 3);
    sheaf_future *task = sheaf_spawn_on(f->pool, add, bad);
    EXPECT_INT(sheaf_await(task, NULL), EDOM);
    expect_error(task, EDOM, "negative");
    sheaf_release(task);
}

static int rest_for_ever(void *arg, sheaf_value *result)
{
    gate_arrive(arg);
    (void)result;
    return sheaf_sleep(SHEAF_FOREVER);
}

/* RT3, RT2 */
static void a_threads_limit_cancels_nothing_and_its_cancel_does(struct fixture *f)
{
    struct gate begun = GATE_INIT;
    sheaf_future *task = sheaf_spawn_on(f->pool, rest_for_ever, &begun);
    EXPECT_INT(sheaf_await_for(task, SHEAF_MS(1), NULL), SHEAF_TIMEOUT);
    EXPECT(!sheaf_done(task));
    EXPECT_INT(sheaf_cancelling(task), 0);
    gate_wait(&begun, 1);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_all_tasks(f->pool, NULL, 0), 0);
    sheaf_release(task);
}

static int cancel_oneself(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT(sheaf_cancel(sheaf_current()));
    return sheaf_yield();
}

/* RT1, T14 */
static void a_task_that_cancels_itself_shows_as_cancelled_outside(struct fixture *f)
{
    sheaf_future *task = sheaf_spawn_on(f->pool, cancel_oneself, NULL);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(task));
    sheaf_release(task);
}

/* RT1, EH1: a task that cannot be made is a future that has failed */
static void a_thread_hears_that_its_task_could_not_be_made(struct fixture *f)
{
    struct role role = {.value = 1};
    sheaf_future *task = sheaf_spawn_with(
        SHEAF_SPAWN_OPTIONS(.pool = f->pool, .stack_size = (size_t)1 << 60), play, &role);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_INVALID);
    expect_error(task, SHEAF_INVALID, NULL);
    sheaf_release(task);
    EXPECT_INT(sheaf__load_acq(&role.begun), 0);
}

static void *resolve_from_thread(void *arg)
{
    EXPECT_INT(sheaf_resolve(arg, number(7)), SHEAF_OK);
    return NULL;
}

/* RT1, RT4: one kind of future, no wrapper */
static int a_task_awaits_what_a_thread_gives(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    pthread_t thread;
    sheaf_clock_hold(f->pool);
    EXPECT_INT(pthread_create(&thread, NULL, resolve_from_thread, promise), 0);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(promise, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 7);
    sheaf_clock_release(f->pool);
    pthread_join(thread, NULL);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

/* F19: who awaits a future is what a wrapper of it would be */
static int an_awaiter_ends_as_what_it_awaits(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int outcome = 0; outcome < 3; outcome++) {
        sheaf_future *source = sheaf_promise(NULL);
        sheaf_future *copy = sheaf_spawn(await_it, source);
        bool completed = outcome == 0   ? sheaf_try_resolve(source, number(42))
                         : outcome == 1 ? sheaf_try_reject(source, EIO, "broken")
                                        : sheaf_cancel_message(source, "not wanted");
        EXPECT(completed);
        sheaf_value value = {0};
        (void)sheaf_await(copy, &value);
        EXPECT_INT(value.i64, outcome ? 0 : 42);
        EXPECT_INT(sheaf_future_status(copy), sheaf_future_status(source));
        sheaf_error *error = sheaf_future_error(copy), *same = sheaf_future_error(source);
        EXPECT_PTR(error, same);
        sheaf_error_release(error);
        sheaf_error_release(same);
        sheaf_release(copy);
        sheaf_release(source);
    }
    return SHEAF_OK;
}

/* RT4, F19 */
static int a_cancelled_awaiter_cancels_a_source_that_has_no_value_yet(void *arg,
                                                                      sheaf_value *result)
{
    (void)arg, (void)result;
    for (int there = 0; there < 2; there++) {
        sheaf_future *source = there ? resolved(7) : sheaf_promise(NULL);
        sheaf_future *copy = sheaf_spawn(await_it, source);
        settle();
        EXPECT_INT(sheaf_cancel(copy), !there);
        expect_end(copy, there ? SHEAF_OK : SHEAF_CANCELLED);
        EXPECT_INT(sheaf_cancelled(source), !there);
        expect_end(source, there ? SHEAF_OK : SHEAF_CANCELLED);
    }
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    THREAD_TEST(a_thread_gets_value_and_error_of_what_it_hands_over),
    THREAD_TEST(a_threads_limit_cancels_nothing_and_its_cancel_does),
    THREAD_TEST(a_task_that_cancels_itself_shows_as_cancelled_outside),
    THREAD_TEST(a_thread_hears_that_its_task_could_not_be_made),
    TASK_TEST(a_task_awaits_what_a_thread_gives),
    TASK_TEST(an_awaiter_ends_as_what_it_awaits),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_awaiter_cancels_a_source_that_has_no_value_yet),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
