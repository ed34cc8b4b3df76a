/* Blocking calls under stress, and without memory. */
#include "lib/alloc.h"
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <time.h>

static SHEAF__ATOMIC(int) ran, dropped_args, dropped_values;

static void forget_counts(void)
{
    sheaf__store_rel(&ran, 0);
    sheaf__store_rel(&dropped_args, 0);
    sheaf__store_rel(&dropped_values, 0);
}

static void drop_arg(void *arg)
{
    (void)arg;
    sheaf__add_acq_rel(&dropped_args, 1);
}

static void drop_value(sheaf_value value)
{
    (void)value;
    sheaf__add_acq_rel(&dropped_values, 1);
}

static int give_argument(void *arg, sheaf_value *result)
{
    sheaf__add_acq_rel(&ran, 1);
    result->ptr = arg;
    return SHEAF_OK;
}

static sheaf_future *call_with_drops(sheaf_pool *pool, sheaf_fn *fn, void *arg)
{
    return sheaf_blocking_with(SHEAF_BLOCKING_OPTIONS(.pool = pool, .name = "dropping",
                                                      .arg_drop = drop_arg,
                                                      .value_drop = drop_value),
                               fn, arg);
}

static void wait_for(SHEAF__ATOMIC(int) * counter, int count)
{
    for (int i = 0; i < 5000 && sheaf__load_acq(counter) < count; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    EXPECT_INT(sheaf__load_acq(counter), count);
}

/* ---------------------------------------------------------------- memory */

static const sheaf_local user = {.name = "user"};

static int alloc_failures_are_statuses(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int calls = 0;
    forget_counts();
    EXPECT_INT(sheaf_local_set(&user, &calls), SHEAF_OK);
    for (long n = 0; n < 40; n++) {
        sheaf__alloc_fail_after(n, SHEAF__ALLOC_FAIL_ONCE);
        sheaf_future *f = call_with_drops(NULL, give_argument, NULL);
        sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_ONCE);
        int status = sheaf_join(f, NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_NOMEM);
        EXPECT(status == SHEAF_OK || n < 20);
        calls++;
        EXPECT_INT(sheaf__load_acq(&ran) + sheaf__load_acq(&dropped_args), calls);
    }
    wait_for(&dropped_values, sheaf__load_acq(&ran));
    return SHEAF_OK;
}

/* A pool without calls yet: making its crew fails too. */
static void alloc_failures_leave_nothing_behind(struct fixture *f)
{
    for (long n = 0; n < 12; n++) {
        sheaf_options options = fixture_options(f);
        sheaf_pool *pool;
        EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
        sheaf__alloc_fail_after(n, SHEAF__ALLOC_FAIL_STICKY);
        sheaf_future *future = call_with_drops(pool, give_argument, NULL);
        int status = sheaf_join(future, NULL);
        sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_STICKY);
        EXPECT(status == SHEAF_OK || status == SHEAF_NOMEM);
        EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    }
}

/* ---------------------------------------------------------------- stress */

struct storm {
    sheaf_pool *pool;
    SHEAF__ATOMIC(int) values; /* that came back */
};

static int spin_a_little(void *arg, sheaf_value *result)
{
    for (volatile int i = 0; i < 200; i++) {
    }
    return give_argument(arg, result);
}

/* One of three is cancelled at a moment of chance, one is left alone, one is awaited. */
static int storm_task(void *arg, sheaf_value *result)
{
    struct storm *s = arg;
    (void)result;
    for (int i = 0; i < 3; i++) {
        sheaf_future *f = call_with_drops(NULL, spin_a_little, s);
        if (i == 0) {
            SHEAF_TRY(sheaf_yield());
            sheaf_cancel(f);
            int status = sheaf_await(f, NULL);
            EXPECT(status == SHEAF_OK || status == SHEAF_CANCELLED);
        } else if (i == 1) {
            EXPECT_INT(sheaf_await(f, NULL), SHEAF_OK);
        }
        sheaf_release(f);
    }
    return SHEAF_OK;
}

static void every_call_runs_once_or_is_dropped_once(struct fixture *f)
{
    size_t tasks = fixture_scaled(1000);
    forget_counts();
    sheaf_options options = fixture_options(f);
    EXPECT_INT(sheaf_pool_open(&options, &f->pool), SHEAF_OK);
    struct storm storm = {.pool = f->pool};
    for (size_t i = 0; i < tasks; i++) {
        sheaf_release(sheaf_spawn_on(f->pool, storm_task, &storm));
    }
    fixture_close(f);
    EXPECT_INT(sheaf__load_acq(&ran) + sheaf__load_acq(&dropped_args), tasks * 3);
    EXPECT_INT(sheaf__load_acq(&dropped_values), sheaf__load_acq(&ran));
}

static const struct fixture_test tests[] = {
    TASK_TEST(alloc_failures_are_statuses),
    POOL_TEST(alloc_failures_leave_nothing_behind),
    POOL_TEST(every_call_runs_once_or_is_dropped_once),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
