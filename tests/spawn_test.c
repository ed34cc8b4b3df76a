/* Spawning: every form of it, what is told to a task at its birth, and tasks in a frame. */
#include "lib/atomics.h"
#include "lib/platform/cpu.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MANY = 1000 };

/* ---------------------------------------------------------------- spawning */

static int twice(void *arg, sheaf_value *result)
{
    result->i64 = 2 * *(const int64_t *)arg;
    return SHEAF_OK;
}

static int a_task_gives_its_value(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int64_t number = 21;
    sheaf_future *f = sheaf_spawn(twice, &number);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(f, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 42);
    EXPECT(sheaf_done(f));
    EXPECT(!sheaf_cancelled(f));
    sheaf_release(f);
    return SHEAF_OK;
}

static int pi(void *arg, sheaf_value *result)
{
    (void)arg;
    result->f64 = 3.25;
    return SHEAF_OK;
}

static int same_pointer(void *arg, sheaf_value *result)
{
    result->ptr = arg;
    return SHEAF_OK;
}

static int largest(void *arg, sheaf_value *result)
{
    (void)arg;
    result->u64 = UINT64_MAX;
    return SHEAF_OK;
}

static int untouched(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

static int every_member_of_a_value_comes_through(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_value value = {.u64 = 7};
    EXPECT_INT(sheaf_join(sheaf_spawn(pi, NULL), &value), SHEAF_OK);
    EXPECT(value.f64 == 3.25);
    EXPECT_INT(sheaf_join(sheaf_spawn(same_pointer, arg), &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, arg);
    EXPECT_INT(sheaf_join(sheaf_spawn(largest, NULL), &value), SHEAF_OK);
    EXPECT(value.u64 == UINT64_MAX);
    EXPECT_INT(sheaf_join(sheaf_spawn(untouched, NULL), &value), SHEAF_OK);
    EXPECT(value.u64 == 0);
    EXPECT_INT(sheaf_join(sheaf_spawn(pi, NULL), NULL), SHEAF_OK);
    return SHEAF_OK;
}

struct wide {
    alignas(max_align_t) unsigned char bytes[1000];
};

static int sum_of_wide(void *arg, sheaf_value *result)
{
    const struct wide *w = arg;
    EXPECT_INT((uintptr_t)arg % alignof(max_align_t), 0);
    for (size_t i = 0; i < sizeof w->bytes; i++) {
        result->i64 += w->bytes[i];
    }
    return SHEAF_OK;
}

static int a_copied_argument_is_the_tasks_own(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct wide w;
    memset(&w, 1, sizeof w);
    sheaf_future *all = sheaf_spawn_copy(sum_of_wide, &w, sizeof w);
    int64_t number = 5;
    sheaf_future *one = sheaf_spawn_copy(twice, &number, sizeof number);
    memset(&w, 9, sizeof w);
    number = 50;
    sheaf_value value;
    EXPECT_INT(sheaf_join(all, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 1000);
    EXPECT_INT(sheaf_join(one, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 10);
    return SHEAF_OK;
}

static int copies_of_every_size_arrive(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (size_t size = 0; size <= 1 << 16; size = size * 2 + 1) {
        unsigned char *bytes = calloc(1, size + 1);
        sheaf_future *f = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.copy = size), untouched, bytes);
        free(bytes);
        EXPECT_INT(sheaf_join(f, NULL), SHEAF_OK);
    }
    return SHEAF_OK;
}

static int many_tasks_are_spawned_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static int64_t numbers[MANY];
    static sheaf_future *futures[MANY];
    for (int64_t i = 0; i < MANY; i++) {
        numbers[i] = i;
    }
    sheaf_spawn_many(twice, numbers, sizeof numbers[0], MANY, futures);
    for (int64_t i = 0; i < MANY; i++) {
        sheaf_value value;
        EXPECT_INT(sheaf_await(futures[i], &value), SHEAF_OK);
        EXPECT_INT(value.i64, 2 * i);
    }
    sheaf_release_all(futures, MANY);
    return SHEAF_OK;
}

static int a_stride_of_zero_shares_the_argument(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int64_t number = 3;
    sheaf_future *futures[10];
    sheaf_spawn_many(twice, &number, 0, 0, futures);
    sheaf_spawn_many(twice, &number, 0, 10, futures);
    for (int i = 0; i < 10; i++) {
        sheaf_value value;
        EXPECT_INT(sheaf_join(futures[i], &value), SHEAF_OK);
        EXPECT_INT(value.i64, 6);
    }
    return SHEAF_OK;
}

static void a_thread_spawns_on_a_pool_of_its_choice(struct fixture *f)
{
    int64_t numbers[3] = {1, 2, 3};
    sheaf_future *one = sheaf_spawn_on(f->pool, twice, &numbers[0]);
    sheaf_future *two = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool), twice, &numbers[1]);
    sheaf_value value;
    EXPECT_INT(sheaf_join(two, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 4);
    EXPECT_INT(sheaf_join(one, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 2);
}

/* ---------------------------------------------------------------- names and options */

static int own_name(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_future_name(sheaf_current(), arg, 64);
    return SHEAF_OK;
}

/* T2 */
static int a_name_is_copied_and_can_be_changed(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    char given[32] = "decode";
    char seen[64] = "";
    sheaf_future *f = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = given), own_name, seen);
    memset(given, 'x', sizeof given - 1);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_OK);
    EXPECT_TEXT(seen, "decode");
    EXPECT_INT(sheaf_future_set_name(f, "a much longer name than it had before"), SHEAF_OK);
    EXPECT_INT(sheaf_future_name(f, seen, sizeof seen), 37);
    EXPECT_TEXT(seen, "a much longer name than it had before");
    EXPECT_INT(sheaf_future_name(f, seen, 7), 37);
    EXPECT_TEXT(seen, "a much");
    EXPECT_INT(sheaf_future_name(f, NULL, 0), 37);
    sheaf_release(f);
    return SHEAF_OK;
}

static unsigned long number_of_name(const char *name)
{
    EXPECT(strncmp(name, "task-", 5) == 0);
    return strtoul(name + 5, NULL, 10);
}

/* T2 */
static int names_that_nobody_gave_count_upwards(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    unsigned long last = 0;
    for (int i = 0; i < 5; i++) {
        char name[64] = "";
        sheaf_future *f = sheaf_spawn(untouched, NULL);
        sheaf_future_name(f, name, sizeof name);
        unsigned long number = number_of_name(name);
        EXPECT(number > last);
        last = number;
        EXPECT_INT(sheaf_join(f, NULL), SHEAF_OK);
    }
    return SHEAF_OK;
}

static int a_future_leads_to_its_data(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_future *f = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.data = arg), untouched, NULL);
    EXPECT_PTR(sheaf_future_data(f), arg);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_OK);
    EXPECT_PTR(sheaf_future_data(f), arg);
    EXPECT_INT(sheaf_join(f, NULL), SHEAF_OK);
    return SHEAF_OK;
}

/* T25 */
static int options_that_make_no_sense_give_a_failed_future(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int64_t number = 1;
    const sheaf_spawn_options *bad[] = {
        SHEAF_SPAWN_OPTIONS(.flags = 1U << 30),
        SHEAF_SPAWN_OPTIONS(.stack_size = 1),
        SHEAF_SPAWN_OPTIONS(.stack_size = SIZE_MAX),
        SHEAF_SPAWN_OPTIONS(.copy = SIZE_MAX),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sheaf_future *f = sheaf_spawn_with(bad[i], twice, &number);
        EXPECT(sheaf_done(f));
        EXPECT_INT(sheaf_join(f, NULL), SHEAF_INVALID);
    }
    return SHEAF_OK;
}

static SHEAF__NOINLINE uint64_t use_stack(size_t frames)
{
    volatile unsigned char frame[1024];
    frame[frames % sizeof frame] = 1;
    return frames == 0 ? 0 : use_stack(frames - 1) + frame[frames % sizeof frame];
}

static int use_three_mebibytes(void *arg, sheaf_value *result)
{
    (void)arg;
    result->u64 = use_stack(3 * 1024 / 2);
    SHEAF_TRY(sheaf_yield());
    result->u64 += use_stack(3 * 1024 / 2);
    return SHEAF_OK;
}

static int a_stack_of_its_own_holds_a_deep_task(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.stack_size = 16 << 20), use_three_mebibytes, NULL);
    sheaf_value value;
    EXPECT_INT(sheaf_join(f, &value), SHEAF_OK);
    EXPECT_INT(value.u64, 2 * (3 * 1024 / 2));
    return SHEAF_OK;
}

static int stay_on_one_thread(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    long thread = syscall(SYS_gettid);
    for (int i = 0; i < 50; i++) {
        SHEAF_TRY(i % 2 ? sheaf_yield() : sheaf_sleep(SHEAF_US(10)));
        EXPECT_INT(syscall(SYS_gettid), thread);
    }
    return SHEAF_OK;
}

static int a_pinned_task_stays_on_its_worker(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *futures[20];
    for (int i = 0; i < 20; i++) {
        futures[i] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.flags = SHEAF_SPAWN_PIN),
                                      stay_on_one_thread, NULL);
    }
    for (int i = 0; i < 20; i++) {
        EXPECT_INT(sheaf_join(futures[i], NULL), SHEAF_OK);
    }
    return SHEAF_OK;
}

static int note_arrival(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf__add_seq((SHEAF__ATOMIC(int) *)arg, 1);
    return SHEAF_OK;
}

static int yield_to_children(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF__ATOMIC(int) arrived = 0; /* a spare may run a child */
    int spawned = 0;
    int early = 0;
    /* One and two in turn: a worker looks at its queues in another order every other time. */
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j <= i % 2; j++, spawned++) {
            sheaf_release(sheaf_spawn(note_arrival, &arrived));
        }
        SHEAF_TRY(sheaf_yield());
        early += sheaf__load_seq(&arrived) < spawned;
        while (sheaf__load_seq(&arrived) < spawned) {
            SHEAF_TRY(sheaf_yield());
        }
    }
    EXPECT(early <= 1); /* once in a while a worker serves each of its queues first */
    return SHEAF_OK;
}

static int a_pinned_task_gives_way_to_all_that_is_ready(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_join(
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.flags = SHEAF_SPAWN_PIN), yield_to_children, NULL),
        NULL);
}

/* ---------------------------------------------------------------- frame tasks */

static int sum_below(void *arg, sheaf_value *result)
{
    int64_t n = *(const int64_t *)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    int64_t left = n - 1, right = n - 2;
    sheaf_task task;
    sheaf_value a = {0}, b = {0};
    sheaf_task_spawn(&task, sum_below, &left);
    int status = sum_below(&right, &b);
    int joined = sheaf_task_join(&task, &a);
    result->i64 = a.i64 + b.i64;
    return status ? status : joined;
}

static int frame_tasks_nest(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int64_t n = 15;
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_spawn(sum_below, &n), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 610);
    return SHEAF_OK;
}

static int fail_after_a_yield(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_yield());
    return sheaf_raise(EIO, "frame %d", 7);
}

static int a_frame_task_that_fails_tells_its_joiner(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_task task;
    sheaf_value value = {.i64 = 99};
    sheaf_future *f = sheaf_task_spawn(&task, fail_after_a_yield, NULL);
    EXPECT(f != NULL);
    EXPECT_INT(sheaf_task_join(&task, &value), EIO);
    EXPECT_INT(value.i64, 99);
    return SHEAF_OK;
}

static int several_frame_tasks_are_joined_in_any_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int64_t numbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const int order[8] = {3, 0, 7, 1, 6, 2, 5, 4};
    sheaf_task tasks[8];
    for (int i = 0; i < 8; i++) {
        sheaf_task_spawn(&tasks[i], twice, &numbers[i]);
    }
    for (int i = 0; i < 8; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_task_join(&tasks[order[i]], &value), SHEAF_OK);
        EXPECT_INT(value.i64, 2 * order[i]);
    }
    return SHEAF_OK;
}

static int pool_of_the_caller(void *arg, sheaf_value *result)
{
    (void)arg;
    result->ptr = sheaf_pool_current();
    return SHEAF_OK;
}

static int a_frame_task_runs_in_the_pool_of_its_maker(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_task task;
    sheaf_future *self = sheaf_current();
    sheaf_task_spawn(&task, pool_of_the_caller, NULL);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_task_join(&task, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, f->pool);
    EXPECT_PTR(sheaf_current(), self);
    return SHEAF_OK;
}

static void a_frame_task_needs_a_task_around_it(struct fixture *f)
{
    (void)f;
    sheaf_task task;
    int64_t number = 4;
    sheaf_future *future = sheaf_task_spawn(&task, twice, &number);
    EXPECT(sheaf_done(future));
    EXPECT_INT(sheaf_future_status(future), SHEAF_NOTASK);
    EXPECT_INT(sheaf_task_join(&task, NULL), SHEAF_NOTASK);
}

/* ---------------------------------------------------------------- many from a thread */

static sheaf_pool *open_default(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    EXPECT_INT(sheaf_pool_default_open(&options), SHEAF_OK);
    return sheaf_pool_default();
}

static void a_thread_spawns_many_on_the_default_pool(struct fixture *f)
{
    static int64_t numbers[MANY];
    static sheaf_future *futures[MANY];
    sheaf_pool *pool = open_default(f);
    for (size_t count = 0; count <= MANY; count = count ? 7 * count - 1 : 1) {
        for (size_t i = 0; i < count; i++) {
            numbers[i] = (int64_t)i;
        }
        sheaf_stats before = {.size = sizeof before}, after = before;
        EXPECT_INT(sheaf_pool_stats(pool, &before), SHEAF_OK);
        sheaf_spawn_many(twice, numbers, sizeof numbers[0], count, futures);
        for (size_t i = 0; i < count; i++) {
            sheaf_value value = {0};
            EXPECT_INT(sheaf_join(futures[i], &value), SHEAF_OK);
            EXPECT_INT(value.i64, 2 * (int64_t)i);
        }
        EXPECT_INT(sheaf_pool_stats(pool, &after), SHEAF_OK);
        EXPECT_INT(after.spawned - before.spawned, count);
    }
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

static int sleep_on(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(1000));
}

static void many_that_come_too_late_are_refused(struct fixture *f)
{
    static sheaf_future *futures[MANY];
    sheaf_pool *pool = open_default(f);
    sheaf_clock_hold(pool);
    sheaf_future *sleeper = sheaf_spawn(sleep_on, NULL);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, 0, NULL, NULL), SHEAF_TIMEOUT);
    int64_t number = 1;
    sheaf_spawn_many(twice, &number, 0, MANY, futures);
    for (size_t i = 0; i < MANY; i++) {
        EXPECT_INT(sheaf_join(futures[i], NULL), SHEAF_CLOSED);
    }
    sheaf_cancel(sleeper);
    EXPECT_INT(sheaf_join(sleeper, NULL), SHEAF_CANCELLED);
    sheaf_clock_release(pool);
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

static const struct fixture_test tests[] = {
    POOL_TEST(a_thread_spawns_many_on_the_default_pool),
    POOL_TEST(many_that_come_too_late_are_refused),
    TASK_TEST(a_task_gives_its_value),
    TASK_TEST(every_member_of_a_value_comes_through),
    TASK_TEST(a_copied_argument_is_the_tasks_own),
    TASK_TEST(copies_of_every_size_arrive),
    TASK_TEST(many_tasks_are_spawned_at_once),
    TASK_TEST(a_stride_of_zero_shares_the_argument),
    THREAD_TEST(a_thread_spawns_on_a_pool_of_its_choice),
    TASK_TEST(a_name_is_copied_and_can_be_changed),
    TASK_TEST(names_that_nobody_gave_count_upwards),
    TASK_TEST(a_future_leads_to_its_data),
    TASK_TEST(options_that_make_no_sense_give_a_failed_future),
    TASK_TEST(a_stack_of_its_own_holds_a_deep_task),
    TASK_TEST(a_pinned_task_stays_on_its_worker),
    TASK_TEST_ON(MODE_1 | MODE_FIFO, a_pinned_task_gives_way_to_all_that_is_ready),
    TASK_TEST(frame_tasks_nest),
    TASK_TEST(a_frame_task_that_fails_tells_its_joiner),
    TASK_TEST(several_frame_tasks_are_joined_in_any_order),
    TASK_TEST(a_frame_task_runs_in_the_pool_of_its_maker),
    THREAD_TEST(a_frame_task_needs_a_task_around_it),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
