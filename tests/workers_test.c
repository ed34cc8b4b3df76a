/* What is done once on every worker, and slots. */
#include <errno.h>
#include <stdio.h>

#include "lib/worker.h"
#include "tests/support/fixture.h"
#include "tests/support/members.h"

enum { WORKERS_MAX = 8 };

struct visits {
    SHEAF__ATOMIC(int) of[WORKERS_MAX];
    bool suspend;
    int failing; /* the workers from this number on; -1: none */
};

static int visit(void *context, unsigned worker)
{
    struct visits *visits = context;
    EXPECT_INT(sheaf__worker_self()->index, worker);
    if (visits->suspend) {
        SHEAF_TRY(sheaf_sleep(SHEAF_US(50)));
        SHEAF_TRY(sheaf_yield());
        EXPECT_INT(sheaf__worker_self()->index, worker);
    }
    (void)sheaf__add_rlx(&visits->of[worker], 1);
    bool fails = visits->failing >= 0 && (int)worker >= visits->failing;
    return fails ? sheaf_raise(EIO, "worker %u", worker) : SHEAF_OK;
}

static void expect_each_visited(struct visits *visits, sheaf_pool *pool, int times)
{
    for (int i = 0; i < WORKERS_MAX; i++) {
        bool exists = i < sheaf_pool_workers(pool);
        EXPECT_INT(sheaf__load_rlx(&visits->of[i]), exists ? times : 0);
    }
}

static int every_worker_is_visited_once(void *arg, sheaf_value *result)
{
    const struct fixture *f = arg;
    (void)result;
    for (int suspend = 0; suspend < 2; suspend++) {
        struct visits visits = {.suspend = suspend, .failing = -1};
        EXPECT_INT(sheaf_on_workers(NULL, visit, &visits), SHEAF_OK);
        EXPECT_INT(sheaf_on_workers(f->pool, visit, &visits), SHEAF_OK);
        expect_each_visited(&visits, f->pool, 2);
    }
    return SHEAF_OK;
}

static void a_thread_has_them_visited(struct fixture *f)
{
    struct visits visits = {.failing = -1};
    EXPECT_INT(sheaf_on_workers(f->pool, visit, &visits), SHEAF_OK);
    expect_each_visited(&visits, f->pool, 1);
    EXPECT_INT(sheaf_on_workers(f->pool, NULL, NULL), SHEAF_INVALID);
}

static int visit_and_fail(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_on_workers(NULL, visit, arg);
}

static int the_error_of_the_lowest_is_told(void *arg, sheaf_value *result)
{
    const struct fixture *f = arg;
    (void)result;
    int failing = sheaf_pool_workers(f->pool) / 2;
    struct visits visits = {.failing = failing};
    sheaf_future *task = sheaf_spawn(visit_and_fail, &visits);
    EXPECT_INT(sheaf_await(task, NULL), EIO);
    char expected[32];
    snprintf(expected, sizeof expected, "worker %d", failing);
    sheaf_error *error = sheaf_future_error(task);
    EXPECT_TEXT(sheaf_error_message(error), expected);
    sheaf_error_release(error);
    sheaf_release(task);
    expect_each_visited(&visits, f->pool, 1);
    return SHEAF_OK;
}

static int rest_on_worker(void *context, unsigned worker)
{
    (void)sheaf__add_rlx((SHEAF__ATOMIC(int) *)context, 1);
    (void)worker;
    return sheaf_sleep(SHEAF_S(1000));
}

static int visit_and_rest(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_on_workers(NULL, rest_on_worker, arg);
}

static int a_request_goes_to_all(void *arg, sheaf_value *result)
{
    const struct fixture *f = arg;
    (void)result;
    SHEAF__ATOMIC(int) begun;
    sheaf__store_rlx(&begun, 0);
    sheaf_future *task = sheaf_spawn(visit_and_rest, &begun);
    while (sheaf__load_rlx(&begun) < sheaf_pool_workers(f->pool)) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- slots */

enum { COUNTED = 3000 };

static int count_one(void *arg, sheaf_value *result)
{
    sheaf_slots *slots = arg;
    (void)result;
    ++*(int *)sheaf_slots_mine(slots);
    SHEAF_TRY(sheaf_yield());
    ++*(int *)sheaf_slots_mine(slots);
    return SHEAF_OK;
}

static int slots_need_no_lock(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_slots *slots = sheaf_slots_new(NULL, sizeof(int));
    static sheaf_future *tasks[COUNTED];
    for (int i = 0; i < COUNTED; i++) {
        tasks[i] = sheaf_spawn(count_one, slots);
    }
    EXPECT_INT(sheaf_gather(tasks, COUNTED, SHEAF_GATHER_RAISE, NULL, NULL), SHEAF_OK);
    sheaf_release_all(tasks, COUNTED);
    int total = 0;
    for (size_t i = 0; i < sheaf_slots_count(slots); i++) {
        total += *(int *)sheaf_slots_at(slots, i);
    }
    EXPECT_INT(total, 2 * COUNTED);
    sheaf_slots_free(slots);
    return SHEAF_OK;
}

static int look_at_slot(void *context, unsigned worker)
{
    EXPECT_PTR(sheaf_slots_mine(context), sheaf_slots_at(context, worker));
    return SHEAF_OK;
}

static void slots_lie_apart(struct fixture *f)
{
    sheaf_slots *slots = sheaf_slots_new(f->pool, 65);
    EXPECT(sheaf_slots_count(slots) >= (size_t)sheaf_pool_workers(f->pool));
    for (size_t i = 0; i < sheaf_slots_count(slots); i++) {
        const char *slot = sheaf_slots_at(slots, i), *next = sheaf_slots_at(slots, i + 1);
        EXPECT_INT((uintptr_t)slot % 64, 0);
        EXPECT(!next || next - slot == 128);
        EXPECT_INT(slot[0] + slot[64], 0);
    }
    EXPECT_PTR(sheaf_slots_mine(slots), NULL);
    EXPECT_INT(sheaf_on_workers(f->pool, look_at_slot, slots), SHEAF_OK);
    sheaf_slots_free(slots);
}

static void slots_that_make_no_sense_are_refused(struct fixture *f)
{
    EXPECT_PTR(sheaf_slots_new(f->pool, 0), NULL);
    EXPECT_PTR(sheaf_slots_new(f->pool, SHEAF_SLOT_MAX + 1), NULL);
    EXPECT_PTR(sheaf_slots_mine(NULL), NULL);
    EXPECT_PTR(sheaf_slots_at(NULL, 0), NULL);
    EXPECT_INT(sheaf_slots_count(NULL), 0);
    sheaf_slots_free(NULL);
}

static const struct fixture_test tests[] = {
    TASK_TEST(every_worker_is_visited_once),
    THREAD_TEST(a_thread_has_them_visited),
    TASK_TEST(the_error_of_the_lowest_is_told),
    TASK_TEST(a_request_goes_to_all),
    TASK_TEST(slots_need_no_lock),
    THREAD_TEST(slots_lie_apart),
    THREAD_TEST(slots_that_make_no_sense_are_refused),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
