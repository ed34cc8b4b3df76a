/* Many sleepers: in order, never early, cancelled without a trace. */
#include "lib/alloc.h"
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <stdlib.h>

/* A small generator of numbers, the same in every run. */
static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

struct sleeper {
    sheaf_duration delay;
    SHEAF__ATOMIC(int64_t) * latest; /* the deadline that woke last, or NULL */
};

static int sleep_and_look(void *arg, sheaf_value *result)
{
    const struct sleeper *s = arg;
    sheaf_time deadline = sheaf_time_add(sheaf_now(), s->delay);
    int status = sheaf_sleep_until(deadline);
    result->i64 = sheaf_now() - deadline;
    if (status == SHEAF_OK) {
        EXPECT(result->i64 >= 0);
        if (s->latest) {
            EXPECT_INT(result->i64, 0);
            EXPECT(sheaf__load_acq(s->latest) <= deadline);
            sheaf__store_rel(s->latest, deadline);
        }
    }
    return status;
}

struct crowd {
    size_t count;
    sheaf_duration longest;
    bool ordered;
};

static int let_many_sleep(void *arg, sheaf_value *result)
{
    const struct crowd *crowd = arg;
    (void)result;
    SHEAF__ATOMIC(int64_t) latest = INT64_MIN;
    uint64_t random = 1;
    sheaf_future **futures = calloc(crowd->count, sizeof(sheaf_future *));
    for (size_t i = 0; i < crowd->count; i++) {
        struct sleeper s = {(int64_t)next_random(&random) % crowd->longest,
                            crowd->ordered ? &latest : NULL};
        futures[i] = sheaf_spawn_copy(sleep_and_look, &s, sizeof s);
    }
    size_t wrong = 0;
    for (size_t i = 0; i < crowd->count; i++) {
        wrong += sheaf_await(futures[i], NULL) != SHEAF_OK;
    }
    EXPECT_INT(wrong, 0);
    sheaf_release_all(futures, crowd->count);
    free(futures);
    return SHEAF_OK;
}

static void run_crowd(struct fixture *f, struct crowd crowd)
{
    sheaf_options options = fixture_options(f);
    options.stack_size = 64 << 10;
    EXPECT_INT(sheaf_run(&options, let_many_sleep, &crowd, NULL), SHEAF_OK);
}

static void a_hundred_thousand_sleepers_wake_in_order(struct fixture *f)
{
    run_crowd(f, (struct crowd){fixture_scaled(100000), SHEAF_S(1), !f->mode->seed});
}

static void sleepers_on_a_real_clock_never_wake_early(struct fixture *f)
{
    run_crowd(f, (struct crowd){fixture_scaled(20000), SHEAF_MS(30), false});
}

/* ---------------------------------------------------------------- cancelled sleepers */

static int half_of_many_sleepers_are_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    size_t count = fixture_scaled(20000), cancelled = 0, slept = 0;
    uint64_t random = 7;
    sheaf_future **futures = calloc(count, sizeof(sheaf_future *));
    for (size_t i = 0; i < count; i++) {
        /* Every other one that is cancelled is asleep for certain, the rest may be about to wake.
         * */
        struct sleeper s = {SHEAF_US(next_random(&random) % 5000), NULL};
        s.delay = i % 4 == 0 ? SHEAF_S(3600) : s.delay;
        futures[i] = sheaf_spawn_copy(sleep_and_look, &s, sizeof s);
    }
    EXPECT_INT(sheaf_sleep(SHEAF_US(500)), SHEAF_OK);
    size_t taken = 0;
    for (size_t i = 0; i < count; i += 2) {
        taken += sheaf_cancel(futures[i]);
    }
    for (size_t i = 0; i < count; i++) {
        int status = sheaf_await(futures[i], NULL);
        cancelled += status == SHEAF_CANCELLED;
        slept += status == SHEAF_OK;
    }
    EXPECT_INT(cancelled, taken);
    EXPECT_INT(slept, count - taken);
    EXPECT(taken >= count / 4);
    sheaf_release_all(futures, count);
    free(futures);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- limits */

static int wait_with_limits(void *arg, sheaf_value *result)
{
    (void)result;
    for (int i = 0; i < 50; i++) {
        EXPECT_INT(sheaf_await_for(arg, SHEAF_US(10), NULL), SHEAF_TIMEOUT);
    }
    return SHEAF_OK;
}

static void wait_in_crowds(sheaf_future *never)
{
    sheaf_future *waiters[20];
    sheaf_spawn_many(wait_with_limits, never, 0, 20, waiters);
    for (int i = 0; i < 20; i++) {
        EXPECT_INT(sheaf_join(waiters[i], NULL), SHEAF_OK);
    }
}

static int limits_on_a_future_that_never_ends_leave_nothing_behind(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *never = sheaf_promise(NULL);
    wait_in_crowds(never);
    uint64_t before = sheaf__alloc_counts().live_bytes;
    for (size_t round = 0; round < fixture_scaled(20); round++) {
        wait_in_crowds(never);
    }
    uint64_t after = sheaf__alloc_counts().live_bytes;
    /* A waiter that stayed registered would cost its node each time: 20,000 of them. */
    EXPECT(after < before + 20 * 1000 * 8);
    EXPECT_INT(sheaf_resolve(never, (sheaf_value){0}), SHEAF_OK);
    sheaf_release(never);
    return SHEAF_OK;
}

static int sleep_once(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_sleep(*(const sheaf_duration *)arg);
}

/* Threads and tasks set timers at the same time: earlier ones have to overtake later ones. */
static void a_timer_set_from_outside_may_be_the_next(struct fixture *f)
{
    sheaf_duration day = SHEAF_S(86400);
    sheaf_future *late = sheaf_spawn_on(f->pool, sleep_once, &day);
    for (int i = 20; i > 0; i--) {
        sheaf_duration delay = SHEAF_US(50 * i);
        EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, sleep_once, &delay), NULL), SHEAF_OK);
    }
    EXPECT(sheaf_cancel(late) || fixture_virtual(f));
    int status = sheaf_join(late, NULL);
    EXPECT(status == SHEAF_CANCELLED || fixture_virtual(f));
}

static const struct fixture_test tests[] = {
    POOL_TEST_ON(MODES_VIRTUAL, a_hundred_thousand_sleepers_wake_in_order),
    POOL_TEST_ON(MODES_REAL, sleepers_on_a_real_clock_never_wake_early),
    TASK_TEST(half_of_many_sleepers_are_cancelled),
    TASK_TEST(limits_on_a_future_that_never_ends_leave_nothing_behind),
    THREAD_TEST(a_timer_set_from_outside_may_be_the_next),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
