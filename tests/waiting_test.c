/* sheaf_wait() and its like: who is done, in which order, what is left alone. */
#include "tests/support/fixture.h"
#include "tests/support/members.h"
#include "tests/support/pairings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FOUR = 4, WHENS = 3 };

/* ---------------------------------------------------------------- arguments */

static int arguments_that_make_no_sense_are_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *some[2] = {sheaf_promise(NULL), NULL}, *promise = some[0];
    size_t done = 77;
    bool flags[2] = {true, true};
    const size_t counts[4] = {0, 2, SHEAF_MEMBERS_MAX + 1, SIZE_MAX};
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(sheaf_wait(some, counts[i], SHEAF_ALL_COMPLETED, 0, &done), SHEAF_INVALID);
        EXPECT_INT(sheaf_wait_until(some, counts[i], SHEAF_ALL_COMPLETED, 0, &done), SHEAF_INVALID);
        EXPECT_INT(sheaf_wait_flags(some, counts[i], SHEAF_ALL_COMPLETED, 0, flags, &done),
                   SHEAF_INVALID);
    }
    for (int when = -1; when <= WHENS; when += WHENS + 1) {
        EXPECT_INT(sheaf_wait(some, 1, (sheaf_when)when, 0, &done), SHEAF_INVALID);
        EXPECT_INT(sheaf_wait_until(some, 1, (sheaf_when)when, 0, &done), SHEAF_INVALID);
        EXPECT_INT(sheaf_wait_flags(some, 1, (sheaf_when)when, 0, flags, &done), SHEAF_INVALID);
    }
    EXPECT_INT(sheaf_wait(NULL, 1, SHEAF_ALL_COMPLETED, 0, &done), SHEAF_INVALID);
    EXPECT_INT(sheaf_wait_flags(NULL, 1, SHEAF_ALL_COMPLETED, 0, NULL, NULL), SHEAF_INVALID);
    EXPECT(done == 77 && flags[0] && some[0] == promise && !sheaf_done(promise));
    sheaf_release(promise);
    return SHEAF_OK;
}

static int limits_of_every_size_are_taken(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *pending = sheaf_promise(NULL), *done = resolved(1);
    static const sheaf_duration past[3] = {INT64_MIN, -1, 0};
    for (int i = 0; i < 3; i++) {
        size_t ended = 77;
        EXPECT_INT(sheaf_wait(&pending, 1, SHEAF_ALL_COMPLETED, past[i], &ended), SHEAF_OK);
        EXPECT_INT(ended, 0);
        EXPECT_INT(sheaf_wait_until(&pending, 1, SHEAF_ALL_COMPLETED, past[i], NULL), SHEAF_OK);
    }
    static const sheaf_duration far[3] = {SHEAF_S(1000000), INT64_MAX - 1, SHEAF_FOREVER};
    for (int i = 0; i < 3; i++) {
        size_t ended = 77;
        EXPECT_INT(sheaf_wait(&done, 1, SHEAF_ALL_COMPLETED, far[i], &ended), SHEAF_OK);
        EXPECT_INT(ended, 1);
        EXPECT_INT(sheaf_wait_until(&done, 1, SHEAF_ALL_COMPLETED, far[i], NULL), SHEAF_OK);
    }
    sheaf_release(pending);
    sheaf_release(done);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- who is done */

/* Expects exactly these, in this order. */
static void expect_order(sheaf_future *const *futures, sheaf_future *const *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        EXPECT_PTR(futures[i], expected[i]);
    }
}

static int the_done_come_first_in_the_order_of_their_ends(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[6], *f[6];
    make_promises(NULL, p, 6);
    memcpy(f, p, sizeof p);
    EXPECT_INT(sheaf_resolve(p[4], number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p[1], number(1)), SHEAF_OK);
    size_t done = 0;
    EXPECT_INT(sheaf_wait(f, 6, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, 2);
    /* Those that were done at the call come in their order. */
    expect_order(f, (sheaf_future *[]){p[1], p[4], p[0], p[2], p[3], p[5]}, 6);
    sheaf_release_all(p, 6);
    return SHEAF_OK;
}

static int end_in_order(void *arg, sheaf_value *result)
{
    sheaf_future *const *p = arg;
    (void)result;
    static const int order[FOUR] = {2, 0, 3, 1};
    for (int i = 0; i < FOUR; i++) {
        EXPECT(sheaf_try_resolve(p[order[i]], number(i)));
        if (sheaf_current()) {
            EXPECT_INT(sheaf_yield(), SHEAF_OK);
        }
    }
    return SHEAF_OK;
}

struct waited {
    sheaf_future *futures[FOUR];
    sheaf_when when;
    size_t done;
};

static int wait_for_four(void *arg, sheaf_value *result)
{
    struct waited *w = arg;
    (void)result;
    return sheaf_wait(w->futures, FOUR, w->when, SHEAF_FOREVER, &w->done);
}

static int wait_until_none_is_left(void *arg, sheaf_value *result)
{
    struct waited *w = arg;
    (void)result;
    size_t at = 0;
    while (at < FOUR) {
        size_t done = 0;
        SHEAF_TRY(sheaf_wait(w->futures + at, FOUR - at, w->when, SHEAF_FOREVER, &done));
        for (size_t i = at; i < FOUR; i++) {
            EXPECT(i >= at + done || sheaf_done(w->futures[i]));
        }
        EXPECT(done > 0);
        at += done;
    }
    return SHEAF_OK;
}

/* Whoever waits, whoever ends: the order of the ends is the order in the array. */
static void tasks_and_threads_wait_for_what_others_end(struct fixture *f)
{
    static const sheaf_when whens[WHENS] = {SHEAF_ALL_COMPLETED, SHEAF_FIRST_COMPLETED,
                                            SHEAF_FIRST_ERROR};
    for (int i = 0; i < WHENS * PAIRINGS; i++) {
        struct actor waiter, completer;
        struct waited w = {.when = whens[i % WHENS]};
        sheaf_future *p[FOUR];
        make_promises(f->pool, p, FOUR);
        memcpy(w.futures, p, sizeof p);
        sheaf_fn *wait = w.when == SHEAF_FIRST_COMPLETED ? wait_until_none_is_left : wait_for_four;
        actor_start(&waiter, pairing_first(i / WHENS), f->pool, wait, &w);
        actor_start(&completer, pairing_second(i / WHENS), f->pool, end_in_order, p);
        EXPECT_INT(actor_join(&waiter), SHEAF_OK);
        EXPECT_INT(actor_join(&completer), SHEAF_OK);
        for (int k = 0; k < FOUR; k++) {
            EXPECT(sheaf_done(w.futures[k]));
        }
        sheaf_release_all(p, FOUR);
    }
}

static int the_waiter_sees_the_order_of_the_ends(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[FOUR];
    struct waited w = {.when = SHEAF_ALL_COMPLETED};
    make_promises(NULL, p, FOUR);
    memcpy(w.futures, p, sizeof p);
    sheaf_future *waiter = sheaf_spawn(wait_for_four, &w);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(end_in_order(p, NULL), SHEAF_OK);
    expect_end(waiter, SHEAF_OK);
    EXPECT_INT(w.done, FOUR);
    expect_order(w.futures, (sheaf_future *[]){p[2], p[0], p[3], p[1]}, FOUR);
    sheaf_release_all(p, FOUR);
    return SHEAF_OK;
}

/* Duplicates are one member in two places. */
static int the_same_future_twice_is_done_twice(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[2];
    make_promises(NULL, p, 2);
    sheaf_future *f[5] = {p[0], p[1], p[0], p[1], p[0]};
    EXPECT_INT(sheaf_resolve(p[1], number(1)), SHEAF_OK);
    size_t done = 0;
    bool flags[5];
    EXPECT_INT(sheaf_wait_flags(f, 5, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, flags, &done),
               SHEAF_OK);
    EXPECT_INT(done, 2);
    EXPECT(!flags[0] && flags[1] && !flags[2] && flags[3] && !flags[4]);
    EXPECT_INT(sheaf_wait(f, 5, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, 2);
    expect_order(f, (sheaf_future *[]){p[1], p[1], p[0], p[0], p[0]}, 5);
    EXPECT_INT(sheaf_resolve(p[0], number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_wait(f, 5, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, 5);
    sheaf_release_all(p, 2);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- what ends a wait */

/* Ends members by those statuses one after the other; expects that the wait has ended by the
 * `needed`-th, and not before. */
static void expect_wait_ends(sheaf_when when, const int *statuses, size_t needed)
{
    sheaf_future *p[FOUR];
    struct waited w = {.when = when};
    make_promises(NULL, p, FOUR);
    memcpy(w.futures, p, sizeof p);
    sheaf_future *waiter = sheaf_spawn(wait_for_four, &w);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    for (size_t i = 0; i < needed; i++) {
        EXPECT(!sheaf_done(waiter));
        if (statuses[i] == SHEAF_OK) {
            EXPECT(sheaf_try_resolve(p[i], number(1)));
        } else if (statuses[i] == SHEAF_CANCELLED) {
            EXPECT(sheaf_cancel(p[i]));
        } else {
            EXPECT(sheaf_try_reject(p[i], statuses[i], "broken"));
            EXPECT_INT(sheaf_result(p[i], NULL), statuses[i]);
        }
    }
    EXPECT_INT(sheaf_await(waiter, NULL), SHEAF_OK);
    EXPECT_INT(w.done, needed);
    sheaf_release(waiter);
    sheaf_release_all(p, FOUR);
}

static int each_condition_is_met_by_the_ends_that_it_names(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const int good[FOUR] = {SHEAF_OK, SHEAF_OK, SHEAF_OK, SHEAF_OK};
    static const int cancelled[FOUR] = {SHEAF_CANCELLED, SHEAF_CANCELLED, SHEAF_OK,
                                        SHEAF_CANCELLED};
    static const int broken[FOUR] = {SHEAF_CANCELLED, SHEAF_OK, EIO, SHEAF_OK};
    expect_wait_ends(SHEAF_ALL_COMPLETED, good, FOUR);
    expect_wait_ends(SHEAF_ALL_COMPLETED, broken, FOUR);
    expect_wait_ends(SHEAF_FIRST_COMPLETED, good, 1);
    expect_wait_ends(SHEAF_FIRST_COMPLETED, cancelled, 1);
    expect_wait_ends(SHEAF_FIRST_ERROR, good, FOUR);
    expect_wait_ends(SHEAF_FIRST_ERROR, cancelled, FOUR);
    expect_wait_ends(SHEAF_FIRST_ERROR, broken, 3);
    return SHEAF_OK;
}

/* W11: looking from inside does not mark. */
static int errors_that_nobody_reads_are_reported_behind_a_wait(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    static const sheaf_when whens[WHENS] = {SHEAF_ALL_COMPLETED, SHEAF_FIRST_COMPLETED,
                                            SHEAF_FIRST_ERROR};
    for (int i = 0; i < WHENS; i++) {
        sheaf_future *task = sheaf_spawn(fail_with_eio, NULL);
        EXPECT_INT(sheaf_wait(&task, 1, whens[i], SHEAF_FOREVER, NULL), SHEAF_OK);
        sheaf_release(task);
    }
    f->unhandled_expected = WHENS;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- giving way, limits, requests */

static int count_up(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf__add_acq_rel((SHEAF__ATOMIC(int64_t) *)arg, 1);
    return SHEAF_OK;
}

/* W9: with one worker the others have run when it returns. */
static int a_wait_for_what_is_done_lets_others_run(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static SHEAF__ATOMIC(int64_t) turns;
    sheaf__store_rel(&turns, 0);
    sheaf_future *done = resolved(1);
    for (int64_t i = 0; i < 3; i++) {
        sheaf_future *other = sheaf_spawn(count_up, &turns);
        static const sheaf_duration limits[3] = {SHEAF_FOREVER, 0, -5};
        EXPECT_INT(sheaf_wait(&done, 1, SHEAF_ALL_COMPLETED, limits[i], NULL), SHEAF_OK);
        EXPECT_INT(sheaf__load_acq(&turns), i + 1);
        sheaf_release(other);
    }
    sheaf_release(done);
    return SHEAF_OK;
}

/* What is cancelled in that step has not waited, and leaves the array alone. */
static int cancel_oneself_and_wait(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_future *f[2] = {sheaf_promise(NULL), arg};
    size_t done = 77;
    EXPECT(sheaf_cancel(sheaf_current()));
    EXPECT_INT(sheaf_wait(f, 2, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done), SHEAF_CANCELLED);
    EXPECT(done == 77 && f[1] == arg && !sheaf_done(f[0]));
    EXPECT(sheaf_cancel(sheaf_current()));
    EXPECT_INT(sheaf_wait(f, 1, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 2);
    EXPECT(!sheaf_done(f[0]));
    sheaf_release(f[0]);
    return SHEAF_OK;
}

static int who_is_asked_leaves_members_and_array_as_they_were(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *done = resolved(1);
    expect_end(sheaf_spawn(cancel_oneself_and_wait, done), SHEAF_OK);
    sheaf_release(done);
    return SHEAF_OK;
}

/* A plain thread's limit is on the clock of what it waits for. */
static int wait_in_vain(void *arg, sheaf_value *result)
{
    sheaf_future *promise = arg;
    (void)result;
    size_t done = 77;
    bool flag = true;
    EXPECT_INT(sheaf_wait(&promise, 1, SHEAF_ALL_COMPLETED, SHEAF_MS(2), &done), SHEAF_OK);
    EXPECT_INT(done, 0);
    EXPECT_INT(sheaf_wait_flags(&promise, 1, SHEAF_FIRST_ERROR, SHEAF_MS(1), &flag, NULL),
               SHEAF_OK);
    EXPECT(!flag && !sheaf_done(promise));
    return SHEAF_OK;
}

static void limits_pass_for_tasks_and_threads(struct fixture *f)
{
    for (int kind = ACTOR_TASK; kind <= ACTOR_THREAD; kind++) {
        struct actor waiter;
        sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
        actor_start(&waiter, (enum actor_kind)kind, f->pool, wait_in_vain, promise);
        EXPECT_INT(actor_join(&waiter), SHEAF_OK);
        sheaf_release(promise);
    }
}

/* ---------------------------------------------------------------- many */

/* Waits of thousands of tasks for one promise, by two of them each; they leave in every order. */
enum { CROWD = 2000 };

static int wait_a_little(void *arg, sheaf_value *result)
{
    sheaf_future *f[2] = {arg, arg};
    (void)result;
    size_t done = 0;
    sheaf_duration limit = SHEAF_US((uintptr_t)sheaf_current() / 64 * 7919 % 400);
    int status = sheaf_wait(f, 2, SHEAF_FIRST_COMPLETED, limit, &done);
    EXPECT(status == SHEAF_OK || status == SHEAF_CANCELLED);
    return status;
}

static int waits_of_many_leave_one_promise_in_any_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    size_t crowd = fixture_scaled(CROWD);
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future **waiters = calloc(crowd, sizeof *waiters);
    sheaf_spawn_many(wait_a_little, promise, 0, crowd, waiters);
    for (size_t i = 0; i < crowd; i += 3) {
        (void)sheaf_cancel(waiters[i * 2654435761U % crowd]);
    }
    for (size_t i = 0; i < crowd; i++) {
        int status = sheaf_await(waiters[i], NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_CANCELLED);
    }
    EXPECT(!sheaf_done(promise));
    sheaf_release_all(waiters, crowd);
    free(waiters);
    sheaf_release(promise);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(arguments_that_make_no_sense_are_refused),
    TASK_TEST(limits_of_every_size_are_taken),
    TASK_TEST(the_done_come_first_in_the_order_of_their_ends),
    THREAD_TEST(tasks_and_threads_wait_for_what_others_end),
    TASK_TEST_ON(MODES_SINGLE, the_waiter_sees_the_order_of_the_ends),
    TASK_TEST(the_same_future_twice_is_done_twice),
    TASK_TEST_ON(MODES_SINGLE, each_condition_is_met_by_the_ends_that_it_names),
    TASK_TEST(errors_that_nobody_reads_are_reported_behind_a_wait),
    TASK_TEST_ON(MODE_1 | MODE_FIFO, a_wait_for_what_is_done_lets_others_run),
    TASK_TEST(who_is_asked_leaves_members_and_array_as_they_were),
    THREAD_TEST(limits_pass_for_tasks_and_threads),
    TASK_TEST(waits_of_many_leave_one_promise_in_any_order),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
