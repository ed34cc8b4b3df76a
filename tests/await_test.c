/* Waiting for a future: from tasks and threads, with limits, across pools, in circles. */
#include "tests/support/fixture.h"
#include "tests/support/pairings.h"

#include <errno.h>
#include <string.h>

enum { WAITERS = 24 };

static sheaf_future *promise_on(sheaf_pool *pool)
{
    return sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool));
}

static int give_seven(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 7;
    return SHEAF_OK;
}

static int fail(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_raise(EIO, "%s", (const char *)arg);
}

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

/* ---------------------------------------------------------------- many waiters */

static int resolve_with_seven(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_resolve(arg, (sheaf_value){.i64 = 7});
}

/* Half of the waiters begin before the completer does. */
static void complete_among_waiters(struct fixture *f, int pairing)
{
    sheaf_future *promise = promise_on(f->pool);
    struct actor waiters[WAITERS], completer;
    for (int i = 0; i < WAITERS; i++) {
        if (i == WAITERS / 2) {
            actor_start(&completer, pairing_first(pairing), f->pool, resolve_with_seven, promise);
        }
        actor_start(&waiters[i], pairing_second(pairing), f->pool, await_it, promise);
    }
    EXPECT_INT(actor_join(&completer), SHEAF_OK);
    for (int i = 0; i < WAITERS; i++) {
        EXPECT_INT(actor_join(&waiters[i]), SHEAF_OK);
        EXPECT_INT(waiters[i].value.i64, 7);
    }
    sheaf_release(promise);
}

/* F13 */
static void everybody_who_waits_gets_the_value(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        complete_among_waiters(f, pairing);
    }
}

static int error_of(void *arg, sheaf_value *result)
{
    sheaf_error *error = NULL;
    SHEAF_TRY(sheaf_await_error(arg, NULL, &error));
    result->ptr = error;
    return SHEAF_OK;
}

/* F13, P23 */
static void everybody_who_waits_gets_the_same_error(struct fixture *f)
{
    char text[] = "same";
    sheaf_future *failing = sheaf_spawn_on(f->pool, fail, text);
    struct actor waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        actor_start(&waiters[i], i % 2 ? ACTOR_TASK : ACTOR_THREAD, f->pool, error_of, failing);
    }
    sheaf_error *first = NULL;
    for (int i = 0; i < WAITERS; i++) {
        EXPECT_INT(actor_join(&waiters[i]), SHEAF_OK);
        sheaf_error *error = waiters[i].value.ptr;
        first = first ? first : error;
        EXPECT_PTR(error, first);
        EXPECT_TEXT(sheaf_error_message(error), "same");
    }
    for (int i = 0; i < WAITERS; i++) {
        sheaf_error_release(waiters[i].value.ptr);
    }
    EXPECT_INT(sheaf_join(failing, NULL), EIO);
}

/* ---------------------------------------------------------------- each outcome, each waiter */

static int cancelled_by_itself(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_CANCELLED;
}

struct outcome {
    sheaf_fn *fn;
    void *arg;
    int status;
};

static int await_outcome(void *arg, sheaf_value *result)
{
    const struct outcome *o = arg;
    (void)result;
    sheaf_value value = {.i64 = -1};
    sheaf_future *f = sheaf_spawn(o->fn, o->arg);
    EXPECT_INT(sheaf_await(f, &value), o->status);
    EXPECT_INT(value.i64, o->status ? -1 : 7);
    value.i64 = -1;
    EXPECT_INT(sheaf_await(f, &value), o->status);
    EXPECT_INT(value.i64, o->status ? -1 : 7);
    EXPECT_INT(sheaf_await_for(f, 0, NULL), o->status);
    EXPECT_INT(sheaf_await_until(f, INT64_MIN, NULL), o->status);
    EXPECT_INT(sheaf_await_until(f, SHEAF_FOREVER, NULL), o->status);
    EXPECT_INT(sheaf_join(f, NULL), o->status);
    return SHEAF_OK;
}

static char broken[] = "broken";

static const struct outcome outcomes[] = {
    {give_seven, NULL, SHEAF_OK},
    {fail, broken, EIO},
    {cancelled_by_itself, NULL, SHEAF_CANCELLED},
};

/* F22 */
static int an_outcome_is_the_same_however_often_it_is_awaited(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (size_t i = 0; i < 3; i++) {
        struct outcome o = outcomes[i];
        EXPECT_INT(await_outcome(&o, NULL), SHEAF_OK);
    }
    return SHEAF_OK;
}

static void a_thread_gets_every_outcome(struct fixture *f)
{
    for (size_t i = 0; i < 3; i++) {
        sheaf_value value = {.i64 = -1};
        sheaf_future *future = sheaf_spawn_on(f->pool, outcomes[i].fn, outcomes[i].arg);
        EXPECT_INT(sheaf_await(future, &value), outcomes[i].status);
        EXPECT_INT(value.i64, outcomes[i].status ? -1 : 7);
        EXPECT_INT(sheaf_await_for(future, 0, &value), outcomes[i].status);
        EXPECT_INT(sheaf_join(future, NULL), outcomes[i].status);
    }
}

enum { WORDS = 4096 };

static int fill(void *arg, sheaf_value *result)
{
    unsigned char *words = arg;
    memset(words, 0x5a, WORDS);
    result->ptr = words;
    return SHEAF_OK;
}

static void what_a_task_wrote_is_visible_to_who_saw_it_done(struct fixture *f)
{
    for (size_t round = 0; round < fixture_scaled(200); round++) {
        static unsigned char words[WORDS];
        memset(words, 0, sizeof words);
        sheaf_future *future = sheaf_spawn_on(f->pool, fill, words);
        while (round % 2 && !sheaf_done(future)) {
        }
        EXPECT_INT(sheaf_await(future, NULL), SHEAF_OK);
        EXPECT_INT(words[0], 0x5a);
        EXPECT_INT(words[WORDS - 1], 0x5a);
        sheaf_release(future);
    }
}

/* ---------------------------------------------------------------- limits */

static int a_limit_that_passes_leaves_the_future_alone(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(await_it, promise);
    sheaf_value value = {.i64 = 3};
    EXPECT_INT(sheaf_await_for(task, SHEAF_MS(1), &value), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_await_for(promise, SHEAF_US(50), &value), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_await_until(task, sheaf_now() + SHEAF_US(50), &value), SHEAF_TIMEOUT);
    EXPECT_INT(value.i64, 3);
    EXPECT(!sheaf_done(task));
    EXPECT_INT(sheaf_cancelling(task), 0);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 8}), SHEAF_OK);
    EXPECT_INT(sheaf_await_for(task, SHEAF_S(3600), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 8);
    sheaf_release(task);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int a_limit_of_nothing_looks_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    static const sheaf_duration nothing[] = {0, -1, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        sheaf_time before = sheaf_now();
        EXPECT_INT(sheaf_await_for(promise, nothing[i], NULL), SHEAF_TIMEOUT);
        EXPECT_INT(sheaf_await_until(promise, before + nothing[i] / 2, NULL), SHEAF_TIMEOUT);
    }
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_await_for(promise, 0, NULL), SHEAF_OK);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int a_limit_of_nothing_lets_others_run(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *other = sheaf_spawn(resolve_with_seven, promise);
    while (sheaf_await_for(promise, 0, NULL) == SHEAF_TIMEOUT) {
    }
    EXPECT_INT(sheaf_join(other, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(promise, NULL), SHEAF_OK);
    return SHEAF_OK;
}

static void a_threads_limit_is_kept(struct fixture *f)
{
    sheaf_future *promise = promise_on(f->pool);
    sheaf_value value = {.i64 = 3};
    sheaf_time start = sheaf_now();
    EXPECT_INT(sheaf_await_for(promise, SHEAF_MS(2), &value), SHEAF_TIMEOUT);
    EXPECT(sheaf_now() - start >= SHEAF_MS(2));
    EXPECT_INT(sheaf_await_for(promise, 0, &value), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_await_for(promise, -1, &value), SHEAF_TIMEOUT);
    EXPECT_INT(value.i64, 3);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 9}), SHEAF_OK);
    EXPECT_INT(sheaf_await_for(promise, SHEAF_S(100), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 9);
    sheaf_release(promise);
}

/* A waiter with a limit meets the completion at every possible moment, as far as chance has it. */
static int race_a_limit(void *arg, sheaf_value *result)
{
    sheaf_future *promise = arg;
    int status = sheaf_await_for(promise, SHEAF_US(30), result);
    EXPECT(status == SHEAF_OK ? result->i64 == 7 : status == SHEAF_TIMEOUT);
    return sheaf_await(promise, result);
}

static int a_limit_and_a_completion_that_meet_lose_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (size_t round = 0; round < fixture_scaled(300); round++) {
        sheaf_future *promise = sheaf_promise(NULL);
        sheaf_future *waiters[4];
        for (int i = 0; i < 4; i++) {
            waiters[i] = sheaf_spawn(race_a_limit, promise);
        }
        EXPECT_INT(sheaf_sleep(SHEAF_US(20 + (int)(round % 20))), SHEAF_OK);
        EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 7}), SHEAF_OK);
        for (int i = 0; i < 4; i++) {
            sheaf_value value = {0};
            EXPECT_INT(sheaf_join(waiters[i], &value), SHEAF_OK);
            EXPECT_INT(value.i64, 7);
        }
        sheaf_release(promise);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- telling who failed */

static int await_error_tells_the_call_from_the_work(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_value value = {0};
    sheaf_error *error = NULL;
    sheaf_future *good = sheaf_spawn(give_seven, NULL);
    EXPECT_INT(sheaf_await_error(good, &value, &error), SHEAF_OK);
    EXPECT_PTR(error, NULL);
    EXPECT_INT(value.i64, 7);
    sheaf_release(good);

    sheaf_future *bad = sheaf_spawn(fail, broken);
    value.i64 = 1;
    EXPECT_INT(sheaf_await_error(bad, &value, &error), SHEAF_OK);
    EXPECT_INT(sheaf_error_code(error), EIO);
    EXPECT_INT(sheaf_future_status(bad), EIO);
    EXPECT_INT(value.i64, 1);
    sheaf_error_release(error);
    EXPECT_INT(sheaf_await_error(bad, NULL, NULL), SHEAF_OK);
    sheaf_release(bad);

    sheaf_future *gone = sheaf_spawn(cancelled_by_itself, NULL);
    EXPECT_INT(sheaf_await_error(gone, &value, &error), SHEAF_OK);
    EXPECT_PTR(error, NULL);
    EXPECT_INT(sheaf_future_status(gone), SHEAF_CANCELLED);
    sheaf_release(gone);
    return SHEAF_OK;
}

/* F5 */
static int a_cancellation_with_a_message_has_an_error_object(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_error *error = NULL;
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT(sheaf_cancel_message(promise, "asked by %s", "us"));
    EXPECT_INT(sheaf_await_error(promise, NULL, &error), SHEAF_OK);
    EXPECT_INT(sheaf_error_code(error), SHEAF_CANCELLED);
    EXPECT_TEXT(sheaf_error_message(error), "asked by us");
    sheaf_error *again = sheaf_future_error(promise);
    EXPECT_PTR(again, error);
    sheaf_error_release(again);
    sheaf_error_release(error);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- pools and circles */

/* P24 */
static void a_future_of_another_pool_can_be_awaited(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_pool *other = NULL;
    EXPECT_INT(sheaf_pool_open(&options, &other), SHEAF_OK);
    sheaf_future *promise = promise_on(other);
    sheaf_future *there = sheaf_spawn_on(other, await_it, promise);
    sheaf_future *here = sheaf_spawn_on(f->pool, await_it, there);
    sheaf_future *never = promise_on(other);
    sheaf_future *cancelled = sheaf_spawn_on(f->pool, await_it, never);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 11}), SHEAF_OK);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(here, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 11);
    EXPECT_INT(sheaf_join(there, &value), SHEAF_OK);
    sheaf_release(promise);
    EXPECT(sheaf_cancel(cancelled));
    EXPECT_INT(sheaf_join(cancelled, NULL), SHEAF_CANCELLED);
    sheaf_release(never);
    EXPECT_INT(sheaf_pool_close(other, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

static int await_oneself(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_await(sheaf_current(), NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_await_for(sheaf_current(), SHEAF_MS(1), NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_await_error(sheaf_current(), NULL, NULL), SHEAF_STATE);
    return SHEAF_OK;
}

struct ring {
    sheaf_future *built;
    sheaf_future *tasks[3];
    int size;
};

struct ring_place {
    struct ring *ring;
    int index;
};

static int await_the_next(void *arg, sheaf_value *result)
{
    const struct ring_place *place = arg;
    struct ring *ring = place->ring;
    SHEAF_TRY(sheaf_await(ring->built, NULL));
    return sheaf_await(ring->tasks[(place->index + 1) % ring->size], result);
}

/* Whoever closes the circle gets SHEAF_CYCLE and fails with it, and so do those that await it.
 * (T22) */
static int a_circle_of_tasks_is_an_error_and_not_a_hang(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (size_t round = 0; round < fixture_scaled(100); round++) {
        struct ring ring = {.built = sheaf_promise(NULL), .size = 2 + (int)(round % 2)};
        struct ring_place places[3];
        for (int i = 0; i < ring.size; i++) {
            places[i] = (struct ring_place){&ring, i};
            ring.tasks[i] = sheaf_spawn(await_the_next, &places[i]);
        }
        EXPECT_INT(sheaf_resolve(ring.built, (sheaf_value){0}), SHEAF_OK);
        for (int i = 0; i < ring.size; i++) {
            EXPECT_INT(sheaf_await(ring.tasks[i], NULL), SHEAF_CYCLE);
        }
        for (int i = 0; i < ring.size; i++) {
            sheaf_release(ring.tasks[i]);
        }
        sheaf_release(ring.built);
    }
    EXPECT_INT(sheaf_join(sheaf_spawn(await_oneself, NULL), NULL), SHEAF_OK);
    return SHEAF_OK;
}

/* Three tasks on one stack; the innermost, which somebody has looked at, awaits the outermost. */
static int await_the_outermost(void *arg, sheaf_value *result)
{
    char name[32];
    sheaf_future_name(sheaf_current(), name, sizeof name);
    return sheaf_await(arg, result);
}

static int await_a_child_that_does(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_join(sheaf_spawn(await_the_outermost, arg), NULL);
}

static int await_a_grandchild_that_does(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_join(sheaf_spawn(await_a_child_that_does, sheaf_current()), NULL);
}

static int a_circle_on_one_stack_is_an_error(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *outermost = sheaf_spawn(await_a_grandchild_that_does, NULL);
    EXPECT_INT(sheaf_join(outermost, NULL), SHEAF_CYCLE);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    THREAD_TEST(everybody_who_waits_gets_the_value),
    THREAD_TEST(everybody_who_waits_gets_the_same_error),
    TASK_TEST(an_outcome_is_the_same_however_often_it_is_awaited),
    THREAD_TEST(a_thread_gets_every_outcome),
    THREAD_TEST(what_a_task_wrote_is_visible_to_who_saw_it_done),
    TASK_TEST(a_limit_that_passes_leaves_the_future_alone),
    TASK_TEST(a_limit_of_nothing_looks_once),
    TASK_TEST(a_limit_of_nothing_lets_others_run),
    THREAD_TEST_ON(MODES_REAL, a_threads_limit_is_kept),
    TASK_TEST(a_limit_and_a_completion_that_meet_lose_nothing),
    TASK_TEST(await_error_tells_the_call_from_the_work),
    TASK_TEST(a_cancellation_with_a_message_has_an_error_object),
    THREAD_TEST(a_future_of_another_pool_can_be_awaited),
    TASK_TEST(a_circle_of_tasks_is_an_error_and_not_a_hang),
    /* With more workers the circle may close on several stacks, and two members meet it. */
    TASK_TEST_ON(MODES_SINGLE, a_circle_on_one_stack_is_an_error),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
