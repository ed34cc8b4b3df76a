/* Abandoned pools: what their tasks were waiting for lives on, and may come to wake them at any
 * time, also long after the pool has gone. */
#include "lib/future_impl.h"
#include "tests/support/fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static sheaf_pool *open_as(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool = NULL;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    return pool;
}

static void wait_for_suspended(sheaf_pool *pool, size_t count)
{
    sheaf_stats stats = {.size = sizeof stats};
    do {
        EXPECT_INT(sheaf_pool_stats(pool, &stats), SHEAF_OK);
    } while (stats.suspended < count && sched_yield() == 0);
}

static void abandon(sheaf_pool *pool)
{
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

/* The task was abandoned; with its future the memory of its pool goes. */
static void expect_abandoned(sheaf_future *task)
{
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CLOSED);
}

/* ---------------------------------------------------------------- one waiter */

static int lock_it(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_lock(arg));
    EXPECT(false); /* an abandoned task goes on */
    return sheaf_unlock(arg);
}

static void a_mutex_is_unlocked_after_its_waiter_has_gone(struct fixture *f)
{
    sheaf_mutex mutex = SHEAF_MUTEX_INIT;
    EXPECT_INT(sheaf_lock(&mutex), SHEAF_OK);
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_future *task = sheaf_spawn_on(pool, lock_it, &mutex);
    wait_for_suspended(pool, 1);
    abandon(pool);
    expect_abandoned(task);
    EXPECT_INT(sheaf_unlock(&mutex), SHEAF_OK);
    EXPECT(!sheaf_locked(&mutex));
}

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

static void a_future_of_another_pool_ends_after_its_waiters_have_gone(struct fixture *f)
{
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_future *tasks[20];
    for (int i = 0; i < 20; i++) {
        sheaf_spawn_options options = {.size = sizeof options, .pool = pool};
        options.flags = i % 2 ? SHEAF_SPAWN_PIN : 0;
        tasks[i] = sheaf_spawn_with(&options, await_it, promise);
    }
    wait_for_suspended(pool, 20);
    abandon(pool);
    for (int i = 0; i < 20; i++) {
        expect_abandoned(tasks[i]);
    }
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 4}), SHEAF_OK);
    EXPECT_INT(sheaf_join(promise, NULL), SHEAF_OK);
}

struct room {
    sheaf_mutex mutex;
    sheaf_cond cond;
    SHEAF__ATOMIC(int) inside;
};

static int wait_in(void *arg, sheaf_value *result)
{
    struct room *room = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(&room->mutex));
    sheaf__add_acq_rel(&room->inside, 1);
    int status = sheaf_cond_wait(&room->cond, &room->mutex);
    sheaf__sub_acq_rel(&room->inside, 1);
    sheaf_unlock(&room->mutex);
    return status;
}

static void a_condition_is_notified_after_its_waiters_have_gone(struct fixture *f)
{
    struct room room = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_future *tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i] = sheaf_spawn_on(pool, wait_in, &room);
    }
    wait_for_suspended(pool, 3);
    abandon(pool);
    for (int i = 0; i < 3; i++) {
        expect_abandoned(tasks[i]);
    }
    sheaf_cond_notify(&room.cond, 1);
    EXPECT(!sheaf_locked(&room.mutex));
    /* The same with the mutex held: they move to its line, and are passed over there. */
    EXPECT_INT(sheaf_lock(&room.mutex), SHEAF_OK);
    sheaf_cond_notify_all(&room.cond);
    EXPECT_INT(sheaf_unlock(&room.mutex), SHEAF_OK);
    EXPECT(!sheaf_locked(&room.mutex));
    EXPECT_INT(sheaf__load_acq(&room.inside), 3);
}

/* ---------------------------------------------------------------- timers */

struct limit {
    struct sheaf__timer timer;
    sheaf_future *task;
};

static SHEAF__ATOMIC(int) fired;

/* What the limit of a scope does when it passes. */
static void ask_task(struct sheaf__timer *timer)
{
    struct limit *limit = SHEAF__CONTAINER(timer, struct limit, timer);
    EXPECT(sheaf__load_rlx(&limit->task->job.word) >= SHEAF__WORD_REFERENCE);
    sheaf__add_acq_rel(&fired, 1);
    EXPECT(!sheaf__future_ask(limit->task, SHEAF_ORIGIN_TIMEOUT, NULL));
}

static int wait_with_a_limit(void *arg, sheaf_value *result)
{
    (void)result;
    struct limit limit = {.timer = {.fire = ask_task, .kind = SHEAF__TIMER_UNLOCKED}};
    struct sheaf__timekeeper *keeper = &sheaf_pool_current()->keeper;
    limit.task = sheaf__worker_current(sheaf__worker_self());
    sheaf_time hour = sheaf_now() + SHEAF_S(3600);
    EXPECT_INT(sheaf__timer_set(keeper, &limit.timer, hour), SHEAF_OK);
    int status = sheaf_await(arg, NULL);
    sheaf__timer_clear(keeper, &limit.timer);
    return status;
}

static void a_timer_in_an_abandoned_frame_finds_its_task(struct fixture *f)
{
    sheaf__store_rel(&fired, 0);
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    /* Nobody holds these but the pool, which reports that nobody looked. */
    f->unhandled_expected = 4;
    for (int i = 0; i < 4; i++) {
        sheaf_release(sheaf_spawn_on(pool, wait_with_a_limit, promise));
    }
    wait_for_suspended(pool, 4);
    abandon(pool);
    EXPECT_INT(sheaf__load_acq(&fired), 4);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){0}), SHEAF_OK);
    sheaf_release(promise);
}

/* ---------------------------------------------------------------- those behind */

static int pass_through(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_lock(arg));
    return sheaf_unlock(arg);
}

static void the_mutex_goes_to_who_waits_behind_the_abandoned(struct fixture *f)
{
    sheaf_mutex mutex = SHEAF_MUTEX_INIT;
    EXPECT_INT(sheaf_lock(&mutex), SHEAF_OK);
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_clock_hold(f->pool);
    sheaf_future *first = sheaf_spawn_on(pool, lock_it, &mutex);
    sheaf_future *second = sheaf_spawn_on(pool, lock_it, &mutex);
    wait_for_suspended(pool, 2);
    sheaf_future *behind = sheaf_spawn_on(f->pool, pass_through, &mutex);
    wait_for_suspended(f->pool, 1);
    abandon(pool);
    expect_abandoned(first);
    expect_abandoned(second);
    EXPECT_INT(sheaf_unlock(&mutex), SHEAF_OK);
    sheaf_clock_release(f->pool);
    EXPECT_INT(sheaf_join(behind, NULL), SHEAF_OK);
    EXPECT(!sheaf_locked(&mutex));
}

static void a_notification_goes_to_who_waits_behind_the_abandoned(struct fixture *f)
{
    struct room room = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_clock_hold(f->pool);
    sheaf_future *first = sheaf_spawn_on(pool, wait_in, &room);
    sheaf_future *second = sheaf_spawn_on(pool, wait_in, &room);
    wait_for_suspended(pool, 2);
    sheaf_future *behind = sheaf_spawn_on(f->pool, wait_in, &room);
    wait_for_suspended(f->pool, 1);
    abandon(pool);
    expect_abandoned(first);
    expect_abandoned(second);
    sheaf_cond_notify(&room.cond, 1);
    sheaf_clock_release(f->pool);
    EXPECT_INT(sheaf_join(behind, NULL), SHEAF_OK);
    EXPECT(!sheaf_locked(&room.mutex));
}

/* ---------------------------------------------------------------- at the same time */

enum { WAITERS = 6 };

struct meeting {
    sheaf_mutex mutexes[WAITERS];
    sheaf_future *promise;
    struct gate start;
};

static void *wake_all(void *arg)
{
    struct meeting *m = arg;
    gate_wait(&m->start, 1);
    EXPECT_INT(sheaf_resolve(m->promise, (sheaf_value){0}), SHEAF_OK);
    for (int i = 0; i < WAITERS; i++) {
        EXPECT_INT(sheaf_unlock(&m->mutexes[i]), SHEAF_OK);
    }
    return NULL;
}

static int take_and_keep(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_lock(arg);
}

/* Those that the waker was faster with are handed their mutex, whether they still run or not. */
static void meet(struct fixture *f)
{
    struct meeting m = {.start = GATE_INIT};
    m.promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_future *tasks[2 * WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        EXPECT_INT(sheaf_lock(&m.mutexes[i]), SHEAF_OK);
        tasks[2 * i] = sheaf_spawn_on(pool, take_and_keep, &m.mutexes[i]);
        tasks[2 * i + 1] = sheaf_spawn_on(pool, await_it, m.promise);
    }
    wait_for_suspended(pool, 2 * WAITERS);
    pthread_t waker;
    EXPECT_INT(pthread_create(&waker, NULL, wake_all, &m), 0);
    gate_arrive(&m.start);
    abandon(pool);
    for (int i = 0; i < 2 * WAITERS; i++) {
        int status = sheaf_join(tasks[i], NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_CLOSED);
    }
    pthread_join(waker, NULL);
    sheaf_release(m.promise);
}

static void wakers_and_an_abandonment_that_meet(struct fixture *f)
{
    for (size_t i = fixture_scaled(200); i > 0; i--) {
        meet(f);
    }
}

/* ---------------------------------------------------------------- callbacks */

static int wait_for_ever(void *arg, sheaf_future *future)
{
    (void)future;
    return sheaf_await(arg, NULL);
}

static int count(void *arg, sheaf_future *future)
{
    (void)future;
    ++*(int *)arg;
    return SHEAF_OK;
}

/* The callback that is suspended goes with its stack; those behind it are run by who closes. */
static void callbacks_behind_an_abandoned_one_run(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_future *never = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool));
    int calls = 0;
    EXPECT_INT(sheaf_on_done(promise, wait_for_ever, never), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(promise, count, &calls), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){0}), SHEAF_OK);
    wait_for_suspended(pool, 1);
    abandon(pool);
    EXPECT_INT(calls, 1);
    EXPECT_INT(sheaf_remove_done_and_wait(promise, count, &calls), SHEAF_OK);
    sheaf_release(promise);
    EXPECT(sheaf_cancel(never));
    sheaf_release(never);
}

static const struct fixture_test tests[] = {
    THREAD_TEST(callbacks_behind_an_abandoned_one_run),
    THREAD_TEST(a_mutex_is_unlocked_after_its_waiter_has_gone),
    THREAD_TEST(a_future_of_another_pool_ends_after_its_waiters_have_gone),
    THREAD_TEST(a_condition_is_notified_after_its_waiters_have_gone),
    THREAD_TEST(a_timer_in_an_abandoned_frame_finds_its_task),
    THREAD_TEST(the_mutex_goes_to_who_waits_behind_the_abandoned),
    THREAD_TEST(a_notification_goes_to_who_waits_behind_the_abandoned),
    THREAD_TEST(wakers_and_an_abandonment_that_meet),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
