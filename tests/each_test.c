/* Futures in the order of their completion: takers, limits, and what goes when it is closed. */
#include "tests/support/fixture.h"
#include "tests/support/members.h"
#include "tests/support/pairings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FOUR = 4 };

/* ---------------------------------------------------------------- arguments */

static int arguments_that_make_no_sense_are_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *some[2] = {sheaf_promise(NULL), NULL};
    sheaf_each *each = NULL;
    EXPECT_INT(sheaf_each_open(some, 2, SHEAF_FOREVER, &each), SHEAF_INVALID);
    EXPECT_INT(sheaf_each_open(NULL, 1, SHEAF_FOREVER, &each), SHEAF_INVALID);
    EXPECT_INT(sheaf_each_open(some, SHEAF_MEMBERS_MAX + 1, SHEAF_FOREVER, &each), SHEAF_INVALID);
    EXPECT_INT(sheaf_each_open(some, SIZE_MAX, SHEAF_FOREVER, &each), SHEAF_INVALID);
    EXPECT_INT(sheaf_each_open(some, 1, SHEAF_FOREVER, NULL), SHEAF_INVALID);
    EXPECT_PTR(each, NULL);
    sheaf_future *next = NULL;
    EXPECT_INT(sheaf_each_next(NULL, &next), SHEAF_INVALID);
    EXPECT_INT(sheaf_each_next_value(NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_each_open(some, 1, SHEAF_FOREVER, &each), SHEAF_OK);
    EXPECT_INT(sheaf_each_next(each, NULL), SHEAF_INVALID);
    sheaf_each_close(each);
    sheaf_each_close(NULL);
    sheaf_release(some[0]);
    return SHEAF_OK;
}

static int without_members_it_is_at_its_end(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_each *each = NULL;
    sheaf_future *next = NULL;
    sheaf_value value = {.i64 = 5};
    EXPECT_INT(sheaf_each_open(NULL, 0, 0, &each), SHEAF_OK);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_EMPTY);
    EXPECT_INT(sheaf_each_next_value(each, &value), SHEAF_EMPTY);
    EXPECT(!next && value.i64 == 5);
    sheaf_each_close(each);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- order */

static int the_order_is_that_of_the_ends(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[FOUR];
    make_promises(NULL, p, FOUR);
    EXPECT_INT(sheaf_resolve(p[3], number(3)), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p[1], number(1)), SHEAF_OK);
    /* Doubles count once, at their first place; what is done already comes in that order. */
    sheaf_future *f[7] = {p[0], p[1], p[0], p[3], p[1], p[2], p[3]};
    sheaf_each *each = NULL;
    EXPECT_INT(sheaf_each_open(f, 7, SHEAF_FOREVER, &each), SHEAF_OK);
    memset(f, 0, sizeof f); /* the array is not looked at any more */
    EXPECT(sheaf_cancel(p[2]));
    EXPECT_INT(sheaf_reject(p[0], EIO, "broken"), SHEAF_OK);
    static const int order[FOUR] = {1, 3, 2, 0};
    for (int i = 0; i < FOUR; i++) {
        sheaf_future *next = NULL;
        EXPECT_INT(sheaf_each_next(each, &next), SHEAF_OK);
        EXPECT_PTR(next, p[order[i]]);
    }
    sheaf_future *next = NULL;
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_EMPTY);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_EMPTY);
    sheaf_each_close(each);
    EXPECT_INT(sheaf_result(p[0], NULL), EIO);
    sheaf_release_all(p, FOUR);
    return SHEAF_OK;
}

static int values_come_as_an_await_gives_them(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[3];
    make_promises(NULL, p, 3);
    sheaf_each *each = NULL;
    EXPECT_INT(sheaf_each_open(p, 3, SHEAF_FOREVER, &each), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p[2], number(7)), SHEAF_OK);
    EXPECT_INT(sheaf_reject(p[1], EIO, "broken"), SHEAF_OK);
    EXPECT(sheaf_cancel(p[0]));
    sheaf_value value = {0};
    EXPECT_INT(sheaf_each_next_value(each, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 7);
    EXPECT_INT(sheaf_each_next_value(each, &value), EIO);
    EXPECT_INT(sheaf_each_next_value(each, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_CHILD);
    EXPECT_INT(sheaf_each_next_value(each, &value), SHEAF_EMPTY);
    EXPECT_INT(value.i64, 7);
    sheaf_each_close(each);
    sheaf_release_all(p, 3);
    return SHEAF_OK;
}

/* It shares the futures until it is closed. */
static int what_it_was_given_lives_until_the_close(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    forget_dropped_values();
    sheaf_future *f[2] = {promise_with_drop(NULL), promise_with_drop(NULL)};
    sheaf_each *each = NULL;
    EXPECT_INT(sheaf_each_open(f, 2, SHEAF_FOREVER, &each), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(f[0], number(4)), SHEAF_OK);
    sheaf_release_all(f, 2);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_each_next_value(each, &value), SHEAF_OK);
    EXPECT(value.i64 == 4 && dropped_values() == 0);
    sheaf_each_close(each);
    EXPECT_INT(dropped_values(), 1);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- takers */

enum { TAKERS = 5, MANY = 600 };

struct market {
    sheaf_each *each;
    size_t count;
    sheaf_future *futures[MANY];
    SHEAF__ATOMIC(int64_t) taken, sum;
};

static int take_all(void *arg, sheaf_value *result)
{
    struct market *m = arg;
    (void)result;
    sheaf_future *next;
    int status;
    while ((status = sheaf_each_next(m->each, &next)) == SHEAF_OK) {
        sheaf_value value = {0};
        EXPECT(sheaf_done(next));
        EXPECT_INT(sheaf_result(next, &value), SHEAF_OK);
        sheaf__add_acq_rel(&m->taken, 1);
        sheaf__add_acq_rel(&m->sum, value.i64);
    }
    EXPECT(status == SHEAF_EMPTY || status == SHEAF_CANCELLED);
    return SHEAF_OK;
}

static int end_all(void *arg, sheaf_value *result)
{
    struct market *m = arg;
    (void)result;
    for (size_t i = 0; i < m->count; i++) {
        EXPECT(sheaf_try_resolve(m->futures[i * 7 % m->count], number((int64_t)i)));
    }
    return SHEAF_OK;
}

static void trade(struct fixture *f, struct market *m, int pairing, bool disturb)
{
    struct actor takers[TAKERS], completer;
    m->count = (fixture_scaled(MANY) < 13 ? 13 : fixture_scaled(MANY)) / 7 * 7 + 1;
    sheaf__store_rel(&m->taken, 0);
    sheaf__store_rel(&m->sum, 0);
    make_promises(f->pool, m->futures, m->count);
    EXPECT_INT(sheaf_each_open(m->futures, m->count, SHEAF_FOREVER, &m->each), SHEAF_OK);
    for (int i = 0; i < TAKERS; i++) {
        actor_start(&takers[i], pairing_first(pairing), f->pool, take_all, m);
    }
    actor_start(&completer, pairing_second(pairing), f->pool, end_all, m);
    if (disturb) {
        /* The last taker is left to take what those did not that are cancelled. */
        for (int i = 0; i < TAKERS - 1 && takers[i].future; i++) {
            (void)sheaf_cancel(takers[i].future);
        }
    }
    EXPECT_INT(actor_join(&completer), SHEAF_OK);
    for (int i = 0; i < TAKERS; i++) {
        int status = actor_join(&takers[i]);
        EXPECT(status == SHEAF_OK || (disturb && status == SHEAF_CANCELLED));
    }
    sheaf_each_close(m->each);
    EXPECT_INT(sheaf__load_acq(&m->taken), m->count);
    EXPECT_INT(sheaf__load_acq(&m->sum), m->count * (m->count - 1) / 2);
    sheaf_release_all(m->futures, m->count);
}

static void each_completion_goes_to_one_of_several_takers(struct fixture *f)
{
    static struct market m;
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        trade(f, &m, pairing, false);
    }
}

static void none_is_lost_when_takers_are_cancelled(struct fixture *f)
{
    static struct market m;
    for (int round = 0; round < 8; round++) {
        trade(f, &m, round % 2 ? 2 : 0, true);
    }
}

/* All that wait hear of the end, not just who takes the last. */
static int all_takers_hear_of_the_end(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static struct market m;
    m.count = 1;
    sheaf__store_rel(&m.taken, 0);
    make_promises(NULL, m.futures, 1);
    EXPECT_INT(sheaf_each_open(m.futures, 1, SHEAF_FOREVER, &m.each), SHEAF_OK);
    sheaf_future *takers[TAKERS];
    sheaf_spawn_many(take_all, &m, 0, TAKERS, takers);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(m.futures[0], number(1)), SHEAF_OK);
    for (int i = 0; i < TAKERS; i++) {
        expect_end(takers[i], SHEAF_OK);
    }
    EXPECT_INT(sheaf__load_acq(&m.taken), 1);
    sheaf_each_close(m.each);
    sheaf_release(m.futures[0]);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- limits */

/* What ended before the limit is given out behind it; then one TIMEOUT for each that is missing. */
static int take_past_the_limit(void *arg, sheaf_value *result)
{
    sheaf_pool *pool = arg;
    (void)result;
    sheaf_future *p[FOUR];
    make_promises(pool, p, FOUR);
    sheaf_each *each = NULL;
    sheaf_future *next = NULL;
    EXPECT_INT(sheaf_resolve(p[2], number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_each_open(p, FOUR, SHEAF_MS(3), &each), SHEAF_OK);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_OK);
    EXPECT_PTR(next, p[2]);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_resolve(p[0], number(2)), SHEAF_OK); /* too late */
    EXPECT_INT(sheaf_each_next_value(each, NULL), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_EMPTY);
    EXPECT(!sheaf_done(p[1]) && !sheaf_done(p[3]));
    sheaf_each_close(each);
    sheaf_release_all(p, FOUR);
    return SHEAF_OK;
}

static void limits_cut_off_for_tasks_and_threads(struct fixture *f)
{
    for (int kind = ACTOR_TASK; kind <= ACTOR_THREAD; kind++) {
        struct actor taker;
        actor_start(&taker, (enum actor_kind)kind, f->pool, take_past_the_limit, f->pool);
        EXPECT_INT(actor_join(&taker), SHEAF_OK);
    }
}

static int limits_that_have_passed_leave_what_is_done(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const sheaf_duration past[3] = {INT64_MIN, -1, 0};
    for (int i = 0; i < 3; i++) {
        sheaf_future *f[2] = {sheaf_promise(NULL), resolved(3)};
        sheaf_each *each = NULL;
        EXPECT_INT(sheaf_each_open(f, 2, past[i], &each), SHEAF_OK);
        sheaf_value value = {0};
        EXPECT_INT(sheaf_each_next_value(each, &value), SHEAF_OK);
        EXPECT_INT(value.i64, 3);
        EXPECT_INT(sheaf_each_next_value(each, &value), SHEAF_TIMEOUT);
        EXPECT_INT(sheaf_each_next_value(each, &value), SHEAF_EMPTY);
        sheaf_each_close(each);
        sheaf_release_all(f, 2);
    }
    return SHEAF_OK;
}

/* Closed with its limit still to come, and past it, taken from or not. */
static int a_close_stops_its_clock(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const sheaf_duration limits[5] = {SHEAF_S(100), SHEAF_US(50), SHEAF_MS(1), INT64_MAX - 1,
                                             SHEAF_FOREVER};
    for (int i = 0; i < 50; i++) {
        sheaf_future *promise = sheaf_promise(NULL);
        sheaf_each *each = NULL;
        EXPECT_INT(sheaf_each_open(&promise, 1, limits[i % 5], &each), SHEAF_OK);
        if (i % 2) {
            EXPECT_INT(sheaf_sleep(SHEAF_US(50)), SHEAF_OK);
        }
        sheaf_release(promise);
        sheaf_each_close(each);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- suspensions */

static int take_asked(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_each *each = arg;
    sheaf_future *next = NULL;
    EXPECT(sheaf_cancel(sheaf_current()));
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_OK);
    /* A completion that is there is taken without a suspension: nothing is delivered. */
    EXPECT(sheaf_cancel(sheaf_current()));
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_OK);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_EMPTY);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_CANCELLED);
    return SHEAF_OK;
}

static int a_request_uses_up_no_completion(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f[2] = {resolved(1), resolved(2)};
    sheaf_each *each = NULL;
    EXPECT_INT(sheaf_each_open(f, 2, SHEAF_FOREVER, &each), SHEAF_OK);
    expect_end(sheaf_spawn(take_asked, each), SHEAF_OK);
    sheaf_each_close(each);
    sheaf_release_all(f, 2);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(arguments_that_make_no_sense_are_refused),
    TASK_TEST(without_members_it_is_at_its_end),
    TASK_TEST(the_order_is_that_of_the_ends),
    TASK_TEST(values_come_as_an_await_gives_them),
    TASK_TEST(what_it_was_given_lives_until_the_close),
    THREAD_TEST(each_completion_goes_to_one_of_several_takers),
    THREAD_TEST(none_is_lost_when_takers_are_cancelled),
    TASK_TEST(all_takers_hear_of_the_end),
    THREAD_TEST(limits_cut_off_for_tasks_and_threads),
    TASK_TEST(limits_that_have_passed_leave_what_is_done),
    TASK_TEST(a_close_stops_its_clock),
    TASK_TEST(a_request_uses_up_no_completion),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
