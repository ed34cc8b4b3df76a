/* Promises: futures that the program completes itself; one winner among all who try. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/pairings.h"

#include <errno.h>

static sheaf_value number(int64_t n)
{
    return (sheaf_value){.i64 = n};
}

static sheaf_future *promise_on(sheaf_pool *pool)
{
    return sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool));
}

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

static int rest(void *arg, sheaf_value *result)
{
    return fixture_rest(arg, result);
}

/* ---------------------------------------------------------------- completing */

static int a_promise_gives_the_value_it_was_resolved_with(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    EXPECT(!sheaf_done(p));
    EXPECT_INT(sheaf_resolve(p, number(4)), SHEAF_OK);
    EXPECT(sheaf_done(p) && !sheaf_cancelled(p));
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(p, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 4);
    sheaf_release(p);
    return SHEAF_OK;
}

static int a_rejected_promise_has_code_and_message(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    EXPECT_INT(sheaf_reject(p, EIO, "%d rows are missing", 3), SHEAF_OK);
    EXPECT_INT(sheaf_await(p, NULL), EIO);
    sheaf_error *error = sheaf_future_error(p);
    EXPECT_INT(sheaf_error_code(error), EIO);
    EXPECT_TEXT(sheaf_error_message(error), "3 rows are missing");
    sheaf_error_release(error);
    sheaf_release(p);
    return SHEAF_OK;
}

static int a_promise_rejected_with_an_error_shares_the_object(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_error *error = sheaf_error_new(EIO, "shared");
    sheaf_future *p = sheaf_promise(NULL);
    EXPECT_INT(sheaf_reject_error(p, error), SHEAF_OK);
    sheaf_error_release(error);
    sheaf_future *task = sheaf_spawn(await_it, p);
    EXPECT_INT(sheaf_await(task, NULL), EIO);
    sheaf_error *seen = sheaf_future_error(task), *same = sheaf_future_error(p);
    EXPECT_PTR(seen, same);
    EXPECT_TEXT(sheaf_error_message(seen), "shared");
    sheaf_error_release(seen);
    sheaf_error_release(same);
    sheaf_release(task);
    sheaf_release(p);
    return SHEAF_OK;
}

static void expect_completed_for_ever(sheaf_future *p, int status)
{
    sheaf_error *error = sheaf_error_new(EIO, "late");
    EXPECT_INT(sheaf_resolve(p, number(99)), SHEAF_STATE);
    EXPECT_INT(sheaf_reject(p, EIO, "late"), SHEAF_STATE);
    EXPECT_INT(sheaf_reject_error(p, error), SHEAF_STATE);
    EXPECT(!sheaf_try_resolve(p, number(99)));
    EXPECT(!sheaf_try_reject(p, EIO, "late"));
    EXPECT(!sheaf_cancel(p));
    EXPECT(!sheaf_cancel_message(p, "late"));
    EXPECT_INT(sheaf_await(p, NULL), status);
    EXPECT_INT(sheaf_cancelled(p), status == SHEAF_CANCELLED);
    sheaf_error_release(error);
    sheaf_release(p);
}

/* F1, F2 */
static int the_first_completion_stands(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    EXPECT(sheaf_try_resolve(p, number(1)));
    expect_completed_for_ever(p, SHEAF_OK);
    p = sheaf_promise(NULL);
    EXPECT(sheaf_try_reject(p, ENOENT, "nothing %s", "there"));
    expect_completed_for_ever(p, ENOENT);
    p = sheaf_promise(NULL);
    EXPECT(sheaf_cancel(p));
    expect_completed_for_ever(p, SHEAF_CANCELLED);
    return SHEAF_OK;
}

/* F17, F18 */
static int codes_that_are_no_errors_are_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    EXPECT_INT(sheaf_reject(p, SHEAF_OK, "no error"), SHEAF_INVALID);
    EXPECT_INT(sheaf_reject(p, SHEAF_CANCELLED, "not this way"), SHEAF_INVALID);
    EXPECT_INT(sheaf_reject_error(p, NULL), SHEAF_INVALID);
    sheaf_error *error = sheaf_error_new(SHEAF_CANCELLED, "smuggled");
    EXPECT_INT(sheaf_reject_error(p, error), SHEAF_INVALID);
    sheaf_error_release(error);
    EXPECT(!sheaf_try_reject(p, SHEAF_CANCELLED, "nor so"));
    EXPECT(!sheaf_done(p));
    EXPECT_INT(sheaf_resolve(NULL, number(1)), SHEAF_INVALID);
    EXPECT_INT(sheaf_reject(NULL, EIO, "nobody"), SHEAF_INVALID);
    EXPECT_INT(sheaf_resolve(p, number(1)), SHEAF_OK);
    sheaf_release(p);
    return SHEAF_OK;
}

/* T3 */
static int only_its_body_completes_a_task(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(await_it, p);
    EXPECT_INT(sheaf_resolve(task, number(1)), SHEAF_STATE);
    EXPECT_INT(sheaf_reject(task, EIO, "from outside"), SHEAF_STATE);
    EXPECT(!sheaf_try_resolve(task, number(1)));
    EXPECT(!sheaf_try_reject(task, EIO, "from outside"));
    EXPECT(!sheaf_done(task));
    EXPECT_INT(sheaf_resolve(p, number(6)), SHEAF_OK);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(task, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 6);
    sheaf_release(p);
    return SHEAF_OK;
}

/* F3 */
static int a_promise_is_cancelled_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(await_it, p);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT(sheaf_cancel_message(p, "reason %d", 5));
    EXPECT(sheaf_done(p) && sheaf_cancelled(p));
    EXPECT_INT(sheaf_resolve(p, number(1)), SHEAF_STATE);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(task));
    EXPECT_INT(sheaf_cancelling(task), 0);
    sheaf_error *error = sheaf_future_error(task);
    EXPECT_TEXT(sheaf_error_message(error), "reason 5");
    sheaf_error_release(error);
    sheaf_release(task);
    sheaf_release(p);
    return SHEAF_OK;
}

/* T17 */
static int an_awaiter_that_is_cancelled_cancels_the_promise(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(rest, p);
    fixture_settle(1);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(p));
    EXPECT_INT(sheaf_resolve(p, number(1)), SHEAF_STATE);
    EXPECT(!sheaf_try_resolve(p, number(1)));
    sheaf_release(p);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- options */

static int a_promise_has_a_name_and_data(void *arg, sheaf_value *result)
{
    (void)result;
    char name[] = "answer", seen[32];
    sheaf_future *p = sheaf_promise(SHEAF_PROMISE_OPTIONS(.name = name, .data = arg));
    name[0] = 'X';
    EXPECT_INT(sheaf_future_name(p, seen, sizeof seen), 6);
    EXPECT_TEXT(seen, "answer");
    EXPECT_PTR(sheaf_future_data(p), arg);
    sheaf_release(p);
    return SHEAF_OK;
}

/* F21 */
static int an_abandoned_promise_goes_silently(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    for (int i = 0; i < 10; i++) {
        sheaf_release(sheaf_promise(NULL));
    }
    EXPECT_INT(fixture_unhandled(f), 0);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- one winner */

enum { PRODUCERS = 6 };

struct contest {
    sheaf_future *promise;
    SHEAF__ATOMIC(int) winners;
    SHEAF__ATOMIC(int64_t) winner;
};

struct producer {
    struct contest *contest;
    int64_t number; /* from 1; 2 rejects, 3 cancels, the others resolve */
};

static bool try_to_win(const struct producer *p)
{
    switch (p->number) {
    case 2:
        return sheaf_try_reject(p->contest->promise, EIO, "rejected");
    case 3:
        return sheaf_cancel(p->contest->promise);
    default:
        return sheaf_try_resolve(p->contest->promise, number(p->number));
    }
}

static int produce(void *arg, sheaf_value *result)
{
    const struct producer *p = arg;
    (void)result;
    if (try_to_win(p)) {
        sheaf__add_acq_rel(&p->contest->winners, 1);
        sheaf__store_rel(&p->contest->winner, p->number);
    }
    EXPECT(sheaf_done(p->contest->promise));
    return SHEAF_OK;
}

static void expect_outcome_of(int64_t winner, sheaf_future *promise)
{
    sheaf_value value = {0};
    int status = sheaf_await(promise, &value);
    EXPECT_INT(status, winner == 2 ? EIO : winner == 3 ? SHEAF_CANCELLED : SHEAF_OK);
    EXPECT_INT(value.i64, winner == 2 || winner == 3 ? 0 : winner);
}

static void hold_contest(struct fixture *f, enum actor_kind kind)
{
    struct contest contest = {.promise = promise_on(f->pool)};
    struct producer producers[PRODUCERS];
    struct actor actors[PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&contest, i + 1};
        actor_start(&actors[i], i % 2 ? kind : ACTOR_TASK, f->pool, produce, &producers[i]);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        EXPECT_INT(actor_join(&actors[i]), SHEAF_OK);
    }
    EXPECT_INT(sheaf__load_acq(&contest.winners), 1);
    expect_outcome_of(sheaf__load_acq(&contest.winner), contest.promise);
    sheaf_release(contest.promise);
}

/* P1 */
static void of_many_producers_one_decides(struct fixture *f)
{
    for (size_t round = 0; round < fixture_scaled(400); round++) {
        hold_contest(f, round % 4 ? ACTOR_TASK : ACTOR_THREAD);
    }
}

static int resolve_it(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_resolve(arg, number(12));
}

static void a_promise_connects_every_pairing(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        sheaf_future *p = promise_on(f->pool);
        struct actor producer, consumer;
        actor_start(&consumer, pairing_first(pairing), f->pool, await_it, p);
        actor_start(&producer, pairing_second(pairing), f->pool, resolve_it, p);
        EXPECT_INT(actor_join(&consumer), SHEAF_OK);
        EXPECT_INT(consumer.value.i64, 12);
        EXPECT_INT(actor_join(&producer), SHEAF_OK);
        sheaf_release(p);
    }
}

static void a_thread_that_names_no_pool_uses_the_default_one(struct fixture *f)
{
    sheaf_future *p = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn_on(f->pool, await_it, p);
    EXPECT_INT(sheaf_resolve(p, number(2)), SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_OK);
    sheaf_release(p);
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_promise_gives_the_value_it_was_resolved_with),
    TASK_TEST(a_rejected_promise_has_code_and_message),
    TASK_TEST(a_promise_rejected_with_an_error_shares_the_object),
    TASK_TEST(the_first_completion_stands),
    TASK_TEST(codes_that_are_no_errors_are_refused),
    TASK_TEST(only_its_body_completes_a_task),
    TASK_TEST(a_promise_is_cancelled_at_once),
    TASK_TEST_ON(MODES_SINGLE, an_awaiter_that_is_cancelled_cancels_the_promise),
    TASK_TEST(a_promise_has_a_name_and_data),
    TASK_TEST(an_abandoned_promise_goes_silently),
    THREAD_TEST(of_many_producers_one_decides),
    THREAD_TEST(a_promise_connects_every_pairing),
    THREAD_TEST(a_thread_that_names_no_pool_uses_the_default_one),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
