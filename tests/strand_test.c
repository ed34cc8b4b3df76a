/* Strands: tasks one at a time, in the order in which they were spawned. */
#include "lib/alloc.h"
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/pairings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct track {
    sheaf_strand *strand;
    int inside; /* no lock: the strand keeps the tasks apart, as the next */
    int64_t count;
};

static int count_alone(void *arg, sheaf_value *result)
{
    struct track *t = arg;
    EXPECT_INT(t->inside++, 0);
    result->i64 = ++t->count;
    int status = t->count % 4 ? SHEAF_OK : sheaf_yield();
    EXPECT_INT(--t->inside, 0);
    return status;
}

/* ---------------------------------------------------------------- order */

/* P4 */
static int tasks_run_one_at_a_time_in_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    enum { TASKS = 200 };
    struct track t = {.inside = 0};
    sheaf_future *tasks[TASKS];
    EXPECT_INT(sheaf_strand_open(NULL, &t.strand), SHEAF_OK);
    for (int i = 0; i < TASKS; i++) {
        tasks[i] = sheaf_strand_spawn(t.strand, count_alone, &t);
    }
    for (int i = TASKS - 1; i >= 0; i--) {
        sheaf_value v;
        EXPECT_INT(sheaf_join(tasks[i], &v), SHEAF_OK);
        EXPECT_INT(v.i64, i + 1);
    }
    sheaf_strand_close(t.strand);
    return SHEAF_OK;
}

static int spawn_many_on_it(void *arg, sheaf_value *result)
{
    struct track *t = arg;
    int64_t last = 0;
    for (size_t i = 0; i < fixture_scaled(100); i++) {
        sheaf_value v = {.i64 = 0};
        sheaf_future *one = sheaf_strand_spawn(t->strand, count_alone, t);
        sheaf_future *two = sheaf_strand_spawn(t->strand, count_alone, t);
        EXPECT_INT(sheaf_join(one, &v), SHEAF_OK);
        EXPECT(v.i64 > last);
        last = v.i64;
        EXPECT_INT(sheaf_join(two, &v), SHEAF_OK);
        EXPECT(v.i64 > last);
        last = v.i64;
        result->i64 += 2;
    }
    return SHEAF_OK;
}

static void each_caller_sees_its_order_in_every_pairing(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct track t = {.inside = 0};
        struct actor actors[4];
        int64_t spawned = 0;
        EXPECT_INT(sheaf_strand_open(f->pool, &t.strand), SHEAF_OK);
        for (int i = 0; i < 4; i++) {
            enum actor_kind kind = i % 2 ? pairing_first(pairing) : pairing_second(pairing);
            actor_start(&actors[i], kind, f->pool, spawn_many_on_it, &t);
        }
        for (int i = 0; i < 4; i++) {
            EXPECT_INT(actor_join(&actors[i]), SHEAF_OK);
            spawned += actors[i].value.i64;
        }
        sheaf_strand_close(t.strand);
        EXPECT_INT(t.count, spawned);
    }
}

static int nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

static int spawn_one_more(void *arg, sheaf_value *result)
{
    struct track *t = arg;
    (void)result;
    sheaf_release(sheaf_strand_spawn(t->strand, count_alone, t));
    return SHEAF_OK;
}

static void a_closed_strand_still_runs_what_it_has(struct fixture *f)
{
    struct track t = {.inside = 0};
    EXPECT_INT(sheaf_strand_open(f->pool, &t.strand), SHEAF_OK);
    for (int i = 0; i < 50; i++) {
        sheaf_release(sheaf_strand_spawn(t.strand, i % 2 ? count_alone : nothing, &t));
    }
    sheaf_strand_close(t.strand);
    fixture_close(f);
    EXPECT_INT(t.count, 25);
}

static void tasks_of_a_strand_spawn_on_it_while_the_pool_closes(struct fixture *f)
{
    struct track t = {.inside = 0};
    EXPECT_INT(sheaf_strand_open(f->pool, &t.strand), SHEAF_OK);
    for (int i = 0; i < 20; i++) {
        sheaf_release(sheaf_strand_spawn(t.strand, spawn_one_more, &t));
    }
    fixture_close(f);
    EXPECT_INT(t.count, 20);
    sheaf_strand_close(t.strand);
}

/* ---------------------------------------------------------------- ends of all kinds */

static int fail(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return EIO;
}

static int sleep_long(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(3600));
}

static int a_failed_or_cancelled_task_does_not_stop_the_strand(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct track t = {.inside = 0};
    EXPECT_INT(sheaf_strand_open(NULL, &t.strand), SHEAF_OK);
    sheaf_future *sleeper = sheaf_strand_spawn(t.strand, sleep_long, NULL);
    sheaf_future *never = sheaf_strand_spawn(t.strand, count_alone, &t);
    sheaf_future *failing = sheaf_strand_spawn(t.strand, fail, NULL);
    sheaf_future *last = sheaf_strand_spawn(t.strand, count_alone, &t);
    EXPECT_INT(sheaf_await_for(last, SHEAF_MS(1), NULL), SHEAF_TIMEOUT);
    EXPECT(sheaf_cancel(never));
    EXPECT(!sheaf_done(never));
    EXPECT(sheaf_cancel(sleeper));
    EXPECT_INT(sheaf_join(last, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(sleeper, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(never, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(failing, NULL), EIO);
    EXPECT_INT(t.count, 1);
    sheaf_strand_close(t.strand);
    return SHEAF_OK;
}

static SHEAF__ATOMIC(int) drops;

static void count_drop(void *arg)
{
    (void)arg;
    sheaf__add_acq_rel(&drops, 1);
}

static int wait_for_it(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_event_wait(arg);
}

/* The first one is suspended when the pool is given up; all that wait behind it end too. */
static void abandoned_tasks_end(struct fixture *f)
{
    size_t count = fixture_scaled(40000);
    sheaf_event never = SHEAF_EVENT_INIT;
    sheaf_strand *strand;
    sheaf_future **tasks = calloc(count, sizeof *tasks);
    sheaf__store_rel(&drops, 0);
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    EXPECT_INT(sheaf_strand_open(pool, &strand), SHEAF_OK);
    const sheaf_spawn_options *plain = SHEAF_SPAWN_OPTIONS(.arg_drop = count_drop);
    for (size_t i = 0; i < count; i++) {
        tasks[i] = sheaf_strand_spawn_with(strand, plain, wait_for_it, &never);
    }
    sheaf_stats stats = {.size = sizeof stats};
    do {
        EXPECT_INT(sheaf_pool_stats(pool, &stats), SHEAF_OK);
    } while (stats.suspended == 0);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    for (size_t i = 0; i < count; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_CLOSED);
    }
    free(tasks);
    EXPECT_INT(sheaf__load_acq(&drops), count - 1);
    sheaf_strand_close(strand);
}

static int spawn_until_closed(void *arg, sheaf_value *result)
{
    int status = SHEAF_OK;
    while (status == SHEAF_OK) {
        status = sheaf_join(sheaf_strand_spawn(arg, nothing, NULL), NULL);
        result->i64 += status == SHEAF_OK;
    }
    return status;
}

static void a_spawn_that_meets_the_close_is_refused(struct fixture *f)
{
    for (size_t round = 0; round < fixture_scaled(40); round++) {
        sheaf_options options = fixture_options(f);
        sheaf_pool *pool;
        sheaf_strand *strand;
        struct actor actors[3];
        EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
        EXPECT_INT(sheaf_strand_open(pool, &strand), SHEAF_OK);
        /* Keeps the memory of the pool for those who come too late. */
        const sheaf_promise_options of_pool = {.size = sizeof of_pool, .pool = pool};
        sheaf_future *keeper = sheaf_promise(&of_pool);
        EXPECT_INT(sheaf_resolve(keeper, (sheaf_value){.i64 = 0}), SHEAF_OK);
        for (int i = 0; i < 3; i++) {
            actor_start(&actors[i], ACTOR_THREAD, pool, spawn_until_closed, strand);
        }
        EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
        for (int i = 0; i < 3; i++) {
            EXPECT_INT(actor_join(&actors[i]), SHEAF_CLOSED);
        }
        sheaf_strand_close(strand);
        sheaf_release(keeper);
    }
}

/* ---------------------------------------------------------------- bad input, no memory */

static int refuse_bad_input(void *arg, sheaf_value *result)
{
    sheaf_strand *strand;
    (void)arg, (void)result;
    sheaf__store_rel(&drops, 0);
    EXPECT_INT(sheaf_strand_open(NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_join(sheaf_strand_spawn(NULL, nothing, NULL), NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_strand_open(NULL, &strand), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_strand_spawn(strand, NULL, NULL), NULL), SHEAF_INVALID);
    const sheaf_spawn_options *bad = SHEAF_SPAWN_OPTIONS(.flags = 1U << 30, .arg_drop = count_drop);
    EXPECT_INT(sheaf_join(sheaf_strand_spawn_with(strand, bad, nothing, NULL), NULL),
               SHEAF_INVALID);
    EXPECT_INT(sheaf__load_acq(&drops), 1);
    EXPECT_INT(sheaf_join(sheaf_strand_spawn(strand, nothing, NULL), NULL), SHEAF_OK);
    sheaf_strand_close(strand);
    sheaf_strand_close(NULL);
    return SHEAF_OK;
}

static int use_a_strand(void)
{
    sheaf_strand *strand;
    SHEAF_TRY(sheaf_strand_open(NULL, &strand));
    const sheaf_spawn_options *named = SHEAF_SPAWN_OPTIONS(.name = "n", .arg_drop = count_drop);
    int status = sheaf_join(sheaf_strand_spawn_with(strand, named, nothing, NULL), NULL);
    sheaf_strand_close(strand);
    return status;
}

static int every_allocation_may_fail(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int failures = 0;
    bool failed = true;
    sheaf__store_rel(&drops, 0);
    for (long n = 0; failed; n++) {
        sheaf__alloc_fail_after(n, SHEAF__ALLOC_FAIL_ONCE);
        int status = use_a_strand();
        failed = sheaf__alloc_points() > n;
        sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_ONCE);
        EXPECT(status == SHEAF_OK || (failed && status == SHEAF_NOMEM));
        failures += status == SHEAF_NOMEM;
    }
    EXPECT(failures >= 4);
    EXPECT_INT(sheaf__load_acq(&drops), failures - 1);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(tasks_run_one_at_a_time_in_order),
    THREAD_TEST(each_caller_sees_its_order_in_every_pairing),
    THREAD_TEST(a_closed_strand_still_runs_what_it_has),
    THREAD_TEST(tasks_of_a_strand_spawn_on_it_while_the_pool_closes),
    TASK_TEST(a_failed_or_cancelled_task_does_not_stop_the_strand),
    POOL_TEST(abandoned_tasks_end),
    POOL_TEST(a_spawn_that_meets_the_close_is_refused),
    TASK_TEST(refuse_bad_input),
    TASK_TEST_ON(MODES_SINGLE, every_allocation_may_fail),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
