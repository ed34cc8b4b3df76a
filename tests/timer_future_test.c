/* Timers as futures: done at their time and in order, cancelled at once, ended with their pool. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- time and order */

static int a_timer_is_done_at_its_time(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_value value = {.i64 = 7};
    sheaf_time start = sheaf_now();
    sheaf_future *timer = sheaf_timer(NULL, SHEAF_MS(5));
    EXPECT_INT(sheaf_await(timer, &value), SHEAF_OK);
    EXPECT(sheaf_now() - start >= SHEAF_MS(5));
    EXPECT_INT(value.i64, 0);
    sheaf_release(timer);
    return SHEAF_OK;
}

static int what_has_passed_is_done_on_return(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *timers[3] = {sheaf_timer(NULL, 0), sheaf_timer(NULL, INT64_MIN),
                               sheaf_timer_until(NULL, sheaf_now())};
    for (int i = 0; i < 3; i++) {
        EXPECT(sheaf_done(timers[i]));
        EXPECT_INT(sheaf_future_status(timers[i]), SHEAF_OK);
    }
    sheaf_release_all(timers, 3);
    return SHEAF_OK;
}

static int what_never_comes_is_no_timer(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_join(sheaf_timer(NULL, SHEAF_FOREVER), NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_join(sheaf_timer_until(NULL, SHEAF_FOREVER), NULL), SHEAF_INVALID);
    sheaf_future *far = sheaf_timer(NULL, SHEAF_FOREVER - 1);
    EXPECT(!sheaf_done(far));
    EXPECT(sheaf_cancel(far));
    sheaf_release(far);
    return SHEAF_OK;
}

static int a_thread_waits_for_a_timer_of_the_pool(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_time start = sheaf_pool_now(f->pool);
    EXPECT_INT(sheaf_join(sheaf_timer(f->pool, SHEAF_MS(5)), NULL), SHEAF_OK);
    EXPECT(sheaf_pool_now(f->pool) - start >= SHEAF_MS(5));
    return SHEAF_OK;
}

static void threads_and_tasks_may_give_the_pool(struct fixture *f)
{
    EXPECT_INT(a_thread_waits_for_a_timer_of_the_pool(f, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, a_thread_waits_for_a_timer_of_the_pool, f), NULL),
               SHEAF_OK);
}

static void a_plain_thread_gets_the_default_pool(struct fixture *f)
{
    (void)f;
    EXPECT_INT(sheaf_join(sheaf_timer(NULL, SHEAF_MS(1)), NULL), SHEAF_OK);
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

enum { ORDERED = 40 };

/* Their delays repeat: among equal ones the order of setting counts. */
static sheaf_duration delay_of(int i)
{
    return SHEAF_MS(1 + i * 7 % 10);
}

static int timers_end_in_the_order_of_their_times(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *timers[ORDERED], *next;
    sheaf_each *each = NULL;
    sheaf_time start = sheaf_now();
    for (int i = 0; i < ORDERED; i++) {
        timers[i] = sheaf_timer_until(NULL, start + delay_of(i));
    }
    EXPECT_INT(sheaf_each_open(timers, ORDERED, SHEAF_FOREVER, &each), SHEAF_OK);
    int before = -1;
    while (sheaf_each_next(each, &next) == SHEAF_OK && next) {
        int i = 0;
        while (timers[i] != next) {
            i++;
        }
        EXPECT(before < 0 || delay_of(before) < delay_of(i) ||
               (delay_of(before) == delay_of(i) && before < i));
        before = i;
    }
    sheaf_each_close(each);
    sheaf_release_all(timers, ORDERED);
    return SHEAF_OK;
}

static int a_gather_of_timers_takes_the_longest(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *timers[ORDERED];
    sheaf_time start = sheaf_now();
    for (int i = 0; i < ORDERED; i++) {
        timers[i] = sheaf_timer(NULL, delay_of(i));
    }
    EXPECT_INT(sheaf_gather(timers, ORDERED, SHEAF_GATHER_RAISE, NULL, NULL), SHEAF_OK);
    EXPECT(sheaf_now() - start >= SHEAF_MS(10));
    sheaf_release_all(timers, ORDERED);
    return SHEAF_OK;
}

static int a_virtual_clock_goes_from_timer_to_timer(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_time start = sheaf_now();
    sheaf_future *late = sheaf_timer(NULL, SHEAF_S(7200));
    sheaf_future *gone = sheaf_timer(NULL, SHEAF_S(1800));
    EXPECT_INT(sheaf_join(sheaf_timer(NULL, SHEAF_S(3600)), NULL), SHEAF_OK);
    EXPECT_INT(sheaf_now() - start, SHEAF_S(3600));
    EXPECT(sheaf_done(gone));
    EXPECT(!sheaf_done(late));
    EXPECT(sheaf_cancel(late));
    sheaf_release(late);
    sheaf_release(gone);
    /* One that was cancelled does not move the clock. */
    EXPECT_INT(sheaf_sleep(SHEAF_S(1)), SHEAF_OK);
    EXPECT_INT(sheaf_now() - start, SHEAF_S(3601));
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- cancelling */

static int a_cancelled_timer_ends_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *timer = sheaf_timer(NULL, SHEAF_S(3600));
    EXPECT(sheaf_cancel_message(timer, "not needed"));
    EXPECT(sheaf_cancelled(timer));
    EXPECT(!sheaf_cancel(timer));
    sheaf_error *error = sheaf_future_error(timer);
    EXPECT_TEXT(sheaf_error_message(error), "not needed");
    sheaf_error_release(error);
    EXPECT_INT(sheaf_join(timer, NULL), SHEAF_CANCELLED);
    return SHEAF_OK;
}

static int a_timer_is_no_promise(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *timer = sheaf_timer(NULL, SHEAF_S(3600));
    EXPECT_INT(sheaf_resolve(timer, (sheaf_value){.i64 = 1}), SHEAF_STATE);
    EXPECT(!sheaf_try_reject(timer, 5, "no"));
    EXPECT(sheaf_cancel(timer));
    sheaf_release(timer);
    return SHEAF_OK;
}

static int await_an_hour(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_future **timer = arg;
    return sheaf_await(*timer, NULL);
}

struct awaiter {
    sheaf_future *timer;
    SHEAF__ATOMIC(bool) started;
};

static int start_and_await(void *arg, sheaf_value *result)
{
    (void)result;
    struct awaiter *awaiter = arg;
    sheaf__store_rel(&awaiter->started, true);
    return sheaf_await(awaiter->timer, NULL);
}

static int a_request_to_who_awaits_it_goes_on_to_the_timer(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct awaiter awaiter = {.timer = sheaf_timer(NULL, SHEAF_S(3600))};
    sheaf_future *task = sheaf_spawn(start_and_await, &awaiter);
    while (!sheaf__load_acq(&awaiter.started)) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(awaiter.timer));
    sheaf_release(awaiter.timer);
    return SHEAF_OK;
}

static int a_race_is_won_by_the_shortest_and_ends_the_rest(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *timers[3] = {sheaf_timer(NULL, SHEAF_S(3600)), sheaf_timer(NULL, SHEAF_MS(2)),
                               sheaf_timer(NULL, SHEAF_S(7200))};
    size_t done = 0;
    EXPECT_INT(sheaf_wait(timers, 3, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, 1);
    for (int i = 0; i < 3; i++) {
        sheaf_cancel(timers[i]);
    }
    sheaf_release_all(timers, 3);
    return SHEAF_OK;
}

/* Of those that fire at this moment some are cancelled, some are done: one of both, each. */
static int cancelling_races_with_firing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    size_t count = fixture_scaled(4000), taken = 0, cancelled = 0;
    sheaf_future **timers = calloc(count, sizeof *timers);
    for (size_t i = 0; i < count; i++) {
        timers[i] = sheaf_timer(NULL, SHEAF_US(i % 500));
    }
    for (size_t i = 0; i < count; i++) {
        taken += sheaf_cancel(timers[i]);
    }
    for (size_t i = 0; i < count; i++) {
        cancelled += sheaf_await(timers[i], NULL) == SHEAF_CANCELLED;
    }
    EXPECT_INT(cancelled, taken);
    sheaf_release_all(timers, count);
    free(timers);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- who lets go early */

struct calls {
    SHEAF__ATOMIC(uint32_t) count;
    SHEAF__ATOMIC(int) status; /* of the last one's future */
};

static int count_call(void *arg, sheaf_future *future)
{
    struct calls *calls = arg;
    EXPECT_INT(sheaf_future_status(future), SHEAF_OK);
    sheaf__add_seq(&calls->count, 1);
    return SHEAF_OK;
}

static int a_timer_that_is_let_go_calls_back_all_the_same(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct calls calls = {.count = 0};
    for (int i = 0; i < 10; i++) {
        sheaf_future *timer = sheaf_timer(NULL, SHEAF_MS(i));
        EXPECT_INT(sheaf_on_done(timer, count_call, &calls), SHEAF_OK);
        sheaf_release(timer);
    }
    while (sheaf__load_seq(&calls.count) < 10) {
        EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    }
    return SHEAF_OK;
}

static int timers_may_be_let_go_before_they_are_due(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 100; i++) {
        sheaf_release(sheaf_timer(NULL, SHEAF_US(i * 50)));
        sheaf_release(sheaf_timer(NULL, SHEAF_S(3600)));
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- the end of the pool */

static int note_status(void *arg, sheaf_future *future)
{
    struct calls *calls = arg;
    sheaf__store_rel(&calls->status, sheaf_future_status(future));
    return SHEAF_OK;
}

static void close_with_timers(struct fixture *f, sheaf_close how)
{
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool;
    struct calls called = {.status = SHEAF_OK};
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    sheaf_clock_hold(pool);
    sheaf_future *kept = sheaf_timer(pool, SHEAF_S(3600));
    sheaf_future *cancelled = sheaf_timer(pool, SHEAF_S(3600));
    EXPECT_INT(sheaf_on_done(kept, note_status, &called), SHEAF_OK);
    EXPECT(sheaf_cancel(cancelled));
    sheaf_release(sheaf_timer(pool, SHEAF_S(3600)));
    sheaf_future *awaits = sheaf_spawn_on(pool, await_an_hour, &kept);
    if (how == SHEAF_CLOSE_DRAIN) {
        EXPECT(sheaf_cancel(awaits)); /* else an hour is waited for */
        EXPECT_INT(sheaf_await(awaits, NULL), SHEAF_CANCELLED);
    }
    EXPECT_INT(sheaf_pool_close(pool, how, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    EXPECT(sheaf_done(kept));
    EXPECT(sheaf_done(awaits));
    EXPECT_INT(sheaf__load_acq(&called.status), sheaf_future_status(kept));
    if (how == SHEAF_CLOSE_ABANDON) {
        EXPECT_INT(sheaf_future_status(kept), SHEAF_CLOSED);
        EXPECT_INT(sheaf_result(awaits, NULL), SHEAF_CLOSED);
    }
    EXPECT(sheaf_cancelled(cancelled));
    EXPECT(!sheaf_cancel(kept));
    sheaf_release(awaits);
    sheaf_release(kept);
    sheaf_release(cancelled);
}

static void a_close_ends_them_in_each_of_its_ways(struct fixture *f)
{
    close_with_timers(f, SHEAF_CLOSE_DRAIN);
    close_with_timers(f, SHEAF_CLOSE_CANCEL);
    close_with_timers(f, SHEAF_CLOSE_ABANDON);
}

static int leave_timers(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_future **left = arg;
    *left = sheaf_timer(NULL, SHEAF_S(3600));
    return SHEAF_OK;
}

static void a_run_does_not_wait_for_them(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_future *left = NULL;
    options.clock = SHEAF_CLOCK_REAL;
    EXPECT_INT(sheaf_run(&options, leave_timers, &left, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_future_status(left), SHEAF_CLOSED);
    sheaf_release(left); /* and is not reported */
}

static int draw_stamps(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *first = sheaf_timer(NULL, SHEAF_MS(1)), *second = sheaf_timer(NULL, SHEAF_MS(2));
    EXPECT_INT(sheaf_await(second, NULL), SHEAF_OK);
    EXPECT(sheaf_future_stamp(first) > 0);
    EXPECT(sheaf_future_stamp(first) < sheaf_future_stamp(second));
    sheaf_release(first);
    sheaf_release(second);
    return SHEAF_OK;
}

static void their_ends_are_stamped_where_the_pool_stamps(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    options.flags = SHEAF_POOL_STAMPS;
    EXPECT_INT(sheaf_run(&options, draw_stamps, NULL, NULL), SHEAF_OK);
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_timer_is_done_at_its_time),
    TASK_TEST(what_has_passed_is_done_on_return),
    TASK_TEST(what_never_comes_is_no_timer),
    THREAD_TEST(threads_and_tasks_may_give_the_pool),
    POOL_TEST_ON(MODE_1, a_plain_thread_gets_the_default_pool),
    TASK_TEST_ON(MODES_VIRTUAL, timers_end_in_the_order_of_their_times),
    TASK_TEST(a_gather_of_timers_takes_the_longest),
    TASK_TEST_ON(MODES_VIRTUAL, a_virtual_clock_goes_from_timer_to_timer),
    TASK_TEST(a_cancelled_timer_ends_at_once),
    TASK_TEST(a_timer_is_no_promise),
    TASK_TEST(a_request_to_who_awaits_it_goes_on_to_the_timer),
    TASK_TEST(a_race_is_won_by_the_shortest_and_ends_the_rest),
    TASK_TEST(cancelling_races_with_firing),
    TASK_TEST(a_timer_that_is_let_go_calls_back_all_the_same),
    TASK_TEST(timers_may_be_let_go_before_they_are_due),
    POOL_TEST(a_close_ends_them_in_each_of_its_ways),
    POOL_TEST(a_run_does_not_wait_for_them),
    POOL_TEST(their_ends_are_stamped_where_the_pool_stamps),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
