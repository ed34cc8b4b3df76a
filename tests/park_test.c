/* Parking a thread: one token, no lost wake-up, deadlines, and the right to destroy at once. */
#include "lib/platform/park.h"

#include "lib/platform/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS ((int64_t)1000000)
#define LONG_NS (60 * 1000 * MS) /* so long that a test which waits for it has failed */

static int init_in(void **state, bool lasting)
{
    static struct sheaf__parker parker;
    *state = &parker;
    return sheaf__parker_init(&parker, lasting);
}

static int parker_setup(void **state)
{
    return init_in(state, false);
}

static int lasting_setup(void **state)
{
    return init_in(state, true);
}

static int parker_teardown(void **state)
{
    sheaf__parker_destroy(*state);
    return 0;
}

/* The state of the tests that make parkers of their own: a parker of the kind. */
static bool is_lasting(void **state)
{
    const struct sheaf__parker *kind = *state;
    return kind->lasting;
}

static int64_t in(int64_t ns)
{
    return sheaf__deadline_after(sheaf__clock_monotonic(), ns);
}

static void park_after_unpark_returns_at_once(void **state)
{
    sheaf__unpark(*state);
    sheaf__park(*state);
    assert_false(sheaf__park_until(*state, 0));
}

static void park_until_takes_the_token_even_when_it_is_late(void **state)
{
    sheaf__unpark(*state);
    assert_true(sheaf__park_until(*state, in(-MS)));
    assert_false(sheaf__park_until(*state, in(-MS)));
}

static void park_until_forever_takes_the_token(void **state)
{
    sheaf__unpark(*state);
    assert_true(sheaf__park_until(*state, INT64_MAX));
}

static void several_unparks_count_once(void **state)
{
    for (int i = 0; i < 5; i++) sheaf__unpark(*state);
    assert_true(sheaf__park_until(*state, 0));
    assert_false(sheaf__park_until(*state, 0));
}

static void past_and_negative_deadlines_return_at_once(void **state)
{
    assert_false(sheaf__park_until(*state, 0));
    assert_false(sheaf__park_until(*state, -1));
    assert_false(sheaf__park_until(*state, INT64_MIN));
    assert_false(sheaf__park_until(*state, in(-LONG_NS)));
}

static void park_until_is_never_early(void **state)
{
    for (int i = 1; i <= 5; i++) {
        int64_t deadline = in(i * MS);
        assert_false(sheaf__park_until(*state, deadline));
        assert_true(sheaf__clock_monotonic() >= deadline);
    }
}

/* ---- two threads ----------------------------------------------------------------------------- */

struct wake {
    struct sheaf__parker *parker;
    int datum; /* plain: ordered by the parker alone, which is for TSan to see */
};

static void *write_and_unpark(void *arg)
{
    struct wake *w = arg;
    w->datum = 42;
    sheaf__unpark(w->parker);
    return NULL;
}

static void unpark_wakes_a_parked_thread_and_publishes(void **state)
{
    struct wake w = {.parker = *state};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_and_unpark, &w), 0);
    sheaf__park(w.parker);
    assert_int_equal(w.datum, 42);
    pthread_join(thread, NULL);
}

static void unpark_ends_a_timed_park_long_before_its_deadline(void **state)
{
    struct wake w = {.parker = *state};
    pthread_t thread;
    int64_t deadline = in(LONG_NS);
    assert_int_equal(pthread_create(&thread, NULL, write_and_unpark, &w), 0);
    assert_true(sheaf__park_until(w.parker, deadline));
    assert_int_equal(w.datum, 42);
    assert_true(sheaf__clock_monotonic() < deadline);
    pthread_join(thread, NULL);
}

#define ROUNDS 10000

struct rally {
    struct sheaf__parker ping;
    struct sheaf__parker pong;
    int hits; /* plain: whoever was unparked last owns it */
    int wrong;
};

static void *rally_partner(void *arg)
{
    struct rally *r = arg;
    for (int i = 0; i < ROUNDS; i++) {
        sheaf__park(&r->pong);
        r->wrong += r->hits != 2 * i + 1;
        r->hits++;
        sheaf__unpark(&r->ping);
    }
    return NULL;
}

static void a_long_rally_loses_no_wake_up(void **state)
{
    struct rally r = {.hits = 0};
    pthread_t thread;
    assert_int_equal(sheaf__parker_init(&r.ping, is_lasting(state)), 0);
    assert_int_equal(sheaf__parker_init(&r.pong, is_lasting(state)), 0);
    assert_int_equal(pthread_create(&thread, NULL, rally_partner, &r), 0);
    for (int i = 0; i < ROUNDS; i++) {
        r.hits++;
        sheaf__unpark(&r.pong);
        sheaf__park(&r.ping);
        assert_int_equal(r.hits, 2 * i + 2);
    }
    pthread_join(thread, NULL);
    assert_int_equal(r.wrong, 0);
    sheaf__parker_destroy(&r.ping);
    sheaf__parker_destroy(&r.pong);
}

/* Deadlines and unparks meet: each round ends with exactly one token taken, by the timed park or by
 * the one after it. */
static void a_time_out_that_races_an_unpark_keeps_the_token(void **state)
{
    struct rally r = {.hits = 0};
    pthread_t thread;
    assert_int_equal(sheaf__parker_init(&r.ping, is_lasting(state)), 0);
    assert_int_equal(sheaf__parker_init(&r.pong, is_lasting(state)), 0);
    assert_int_equal(pthread_create(&thread, NULL, rally_partner, &r), 0);
    for (int i = 0; i < ROUNDS; i++) {
        r.hits++;
        sheaf__unpark(&r.pong);
        if (!sheaf__park_until(&r.ping, in(i % 40 * 1000))) sheaf__park(&r.ping);
        assert_int_equal(r.hits, 2 * i + 2);
    }
    pthread_join(thread, NULL);
    assert_false(sheaf__park_until(&r.ping, 0));
    assert_int_equal(r.wrong, 0);
    sheaf__parker_destroy(&r.ping);
    sheaf__parker_destroy(&r.pong);
}

/* The waker's work: parkers to let go, handed over one at a time. */
struct waker {
    struct sheaf__parker work;
    struct sheaf__parker *target;
};

static void *waker_loop(void *arg)
{
    struct waker *w = arg;
    for (int i = 0; i < ROUNDS; i++) {
        sheaf__park(&w->work);
        sheaf__unpark(w->target);
    }
    return NULL;
}

static void the_woken_thread_may_destroy_the_parker_at_once(void **state)
{
    struct waker w = {.target = NULL};
    pthread_t thread;
    assert_int_equal(sheaf__parker_init(&w.work, is_lasting(state)), 0);
    assert_int_equal(pthread_create(&thread, NULL, waker_loop, &w), 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct sheaf__parker *p = malloc(sizeof *p);
        assert_non_null(p);
        assert_int_equal(sheaf__parker_init(p, is_lasting(state)), 0);
        w.target = p;
        sheaf__unpark(&w.work);
        sheaf__park(p);
        sheaf__parker_destroy(p);
        free(p);
    }
    pthread_join(thread, NULL);
    sheaf__parker_destroy(&w.work);
}

#define with_parker(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, parker_setup, parker_teardown),                          \
    {                                                                                              \
#test ", lasting", test, lasting_setup, parker_teardown, NULL                              \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_parker(park_after_unpark_returns_at_once),
        with_parker(park_until_takes_the_token_even_when_it_is_late),
        with_parker(park_until_forever_takes_the_token),
        with_parker(several_unparks_count_once),
        with_parker(past_and_negative_deadlines_return_at_once),
        with_parker(park_until_is_never_early),
        with_parker(unpark_wakes_a_parked_thread_and_publishes),
        with_parker(unpark_ends_a_timed_park_long_before_its_deadline),
        with_parker(a_long_rally_loses_no_wake_up),
        with_parker(a_time_out_that_races_an_unpark_keeps_the_token),
        with_parker(the_woken_thread_may_destroy_the_parker_at_once),
    };
    return cmocka_run_group_tests_name("park", tests, NULL, NULL);
}
