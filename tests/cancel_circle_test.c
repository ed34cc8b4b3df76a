/* Requests that come round in a circle of waits through gathers, and requests that go on to what a
 * task waits for with a limit: whoever was asked hears of it. */
#include "tests/support/fixture.h"
#include "tests/support/members.h"

#include <sched.h>

enum { RING_MAX = 3 };

struct ring {
    sheaf_future *tasks[RING_MAX];
    sheaf_future *gathers[RING_MAX];
    int size;
    bool limited;
    SHEAF__ATOMIC(int) begun, heard;
};

struct place {
    struct ring *ring;
    int index;
};

/* Waits for a gather in which the next task of the ring is, and so, in the end, itself. */
static int await_ring(void *arg, sheaf_value *result)
{
    struct place *p = arg;
    struct ring *r = p->ring;
    (void)result;
    while (sheaf__load_acq(&r->begun) == 0) {
        SHEAF_TRY(sheaf_yield());
    }
    sheaf__add_acq_rel(&r->begun, 1);
    int status = r->limited ? sheaf_await_for(r->gathers[p->index], SHEAF_S(3600), NULL)
                            : sheaf_await(r->gathers[p->index], NULL);
    if (status == SHEAF_CANCELLED) {
        sheaf__add_acq_rel(&r->heard, 1);
    }
    return status;
}

static void start_ring(struct ring *r, struct place *places, sheaf_pool *pool)
{
    for (int i = 0; i < r->size; i++) {
        places[i] = (struct place){r, i};
        r->tasks[i] = sheaf_spawn_on(pool, await_ring, &places[i]);
    }
    for (int i = 0; i < r->size; i++) {
        /* The second of two gathers around the task: they nest. */
        sheaf_future *inner = sheaf_gather_future(&r->tasks[(i + 1) % r->size], 1, 0);
        r->gathers[i] = sheaf_gather_future(&inner, 1, SHEAF_GATHER_COLLECT);
        sheaf_release(inner);
    }
    sheaf__store_rel(&r->begun, 1);
}

static void release_ring(struct ring *r)
{
    EXPECT_INT(sheaf__load_acq(&r->heard), r->size);
    for (int i = 0; i < r->size; i++) {
        EXPECT(sheaf_cancelled(r->tasks[i]));
        sheaf_release(r->tasks[i]);
        sheaf_release(r->gathers[i]);
    }
}

/* P6, T28 */
static int a_request_that_comes_round_is_heard(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int how = 0; how < 2 * RING_MAX; how++) {
        struct ring ring = {.size = how / 2 + 1, .limited = how % 2};
        struct place places[RING_MAX];
        start_ring(&ring, places, sheaf_pool_current());
        while (sheaf__load_acq(&ring.begun) <= ring.size) {
            EXPECT_INT(sheaf_yield(), SHEAF_OK);
        }
        EXPECT(sheaf_cancel(ring.tasks[how % ring.size]));
        for (int i = 0; i < ring.size; i++) {
            EXPECT_INT(sheaf_await(ring.tasks[i], NULL), SHEAF_CANCELLED);
        }
        release_ring(&ring);
    }
    return SHEAF_OK;
}

/* RU2: on a real clock, since a virtual one would find the deadlock before */
static void a_close_ends_tasks_that_wait_in_a_circle(struct fixture *f)
{
    for (int size = 1; size <= RING_MAX; size++) {
        sheaf_options options = fixture_options(f);
        sheaf_pool *pool;
        EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
        struct ring ring = {.size = size};
        struct place places[RING_MAX];
        start_ring(&ring, places, pool);
        while (sheaf__load_acq(&ring.begun) <= size) {
            sched_yield();
        }
        EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
        release_ring(&ring);
    }
}

static int ask_it(void *arg, sheaf_value *result)
{
    result->i64 = sheaf_cancel(arg);
    return SHEAF_OK;
}

/* P6: all of a ring are asked at once, and their requests meet on the way.  Who was not asked in
 * time ends with its gather. */
static int requests_that_meet_in_a_circle_are_heard(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int round = 0; round < 100; round++) {
        struct ring ring = {.size = RING_MAX};
        struct place places[RING_MAX];
        sheaf_future *askers[RING_MAX];
        start_ring(&ring, places, sheaf_pool_current());
        for (int i = 0; i < RING_MAX; i++) {
            askers[i] = sheaf_spawn(ask_it, ring.tasks[i]);
        }
        for (int i = 0; i < RING_MAX; i++) {
            sheaf_value taken = {0};
            EXPECT_INT(sheaf_join(askers[i], &taken), SHEAF_OK);
            int status = sheaf_await(ring.tasks[i], NULL);
            EXPECT(status == SHEAF_CANCELLED || (status == SHEAF_OK && !taken.i64));
            sheaf_release(ring.gathers[i]);
        }
        sheaf_release_all(ring.tasks, RING_MAX);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- limits */

struct limited {
    sheaf_future *awaited;
    int status, count;
    sheaf_origin origin;
};

static int await_until_one_second(void *arg, sheaf_value *result)
{
    struct limited *l = arg;
    l->status = sheaf_await_for(l->awaited, SHEAF_S(1), result);
    l->count = sheaf_cancelling(NULL);
    l->origin = sheaf_cancel_origin();
    return SHEAF_OK;
}

/* P6, P7: the request went on to what takes longer than the limit to end.  The task that was asked
 * hears of it when it leaves, and not of the limit. */
static int a_limit_does_not_hide_a_request_that_went_on(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int how = 0; how < 2; how++) {
        struct role slow = {.delay = SHEAF_S(50), .cleanup = SHEAF_S(100)};
        sheaf_future *member = start(&slow);
        sheaf_future *awaited = how ? sheaf_gather_future(&member, 1, 0) : sheaf_retain(member);
        struct limited l = {.awaited = awaited};
        sheaf_future *task = sheaf_spawn(await_until_one_second, &l);
        settle();
        EXPECT(sheaf_cancel(task));
        expect_end(task, SHEAF_OK);
        EXPECT_INT(l.status, SHEAF_CANCELLED);
        EXPECT_INT(l.count, 1);
        EXPECT_INT(l.origin, SHEAF_ORIGIN_USER);
        EXPECT(!sheaf_done(awaited));
        EXPECT_INT(sheaf_await(awaited, NULL), SHEAF_CANCELLED);
        sheaf_release(awaited);
        expect_end(member, SHEAF_CANCELLED);
    }
    return SHEAF_OK;
}

/* T18: what was taken back meanwhile is no request: the limit counts. */
static int a_limit_counts_when_the_request_was_taken_back(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct role slow = {.delay = SHEAF_S(50), .asked = SWALLOW, .cleanup = SHEAF_S(100)};
    struct limited l = {.awaited = start(&slow)};
    sheaf_future *task = sheaf_spawn(await_until_one_second, &l);
    settle();
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_uncancel(task), 0);
    expect_end(task, SHEAF_OK);
    EXPECT_INT(l.status, SHEAF_TIMEOUT);
    expect_end(l.awaited, SHEAF_OK);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_REAL, a_request_that_comes_round_is_heard),
    POOL_TEST_ON(MODES_REAL, a_close_ends_tasks_that_wait_in_a_circle),
    TASK_TEST_ON(MODES_REAL, requests_that_meet_in_a_circle_are_heard),
    TASK_TEST_ON(MODES_VIRTUAL, a_limit_does_not_hide_a_request_that_went_on),
    TASK_TEST_ON(MODES_VIRTUAL, a_limit_counts_when_the_request_was_taken_back),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
