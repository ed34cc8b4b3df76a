/* Chained futures: what comes through, in which direction, and what is left behind. */
#include "lib/alloc.h"
#include "tests/support/fixture.h"
#include "tests/support/members.h"

#include <errno.h>
#include <stdlib.h>

static int do_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

static int arguments_that_make_no_sense_are_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL), *other = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(do_nothing, NULL), *failed = sheaf_spawn(NULL, NULL);
    sheaf_task frame;
    EXPECT_INT(sheaf_chain(NULL, promise), SHEAF_INVALID);
    EXPECT_INT(sheaf_chain(promise, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_chain(promise, promise), SHEAF_INVALID);
    EXPECT_INT(sheaf_chain(promise, task), SHEAF_STATE);
    EXPECT_INT(sheaf_chain(promise, failed), SHEAF_STATE);
    EXPECT_INT(sheaf_chain(sheaf_task_spawn(&frame, do_nothing, NULL), promise), SHEAF_INVALID);
    EXPECT_INT(sheaf_task_join(&frame, NULL), SHEAF_OK);
    EXPECT(!sheaf_done(promise));
    EXPECT_INT(sheaf_chain(failed, other), SHEAF_OK); /* it has failed, and says so */
    expect_end(other, SHEAF_INVALID);
    expect_end(task, SHEAF_OK);
    sheaf_release(failed);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- the outcome comes */

static void end_with(sheaf_future *promise, int code)
{
    if (code == SHEAF_OK) {
        EXPECT_INT(sheaf_resolve(promise, number(42)), SHEAF_OK);
    } else if (code == SHEAF_CANCELLED) {
        EXPECT(sheaf_cancel_message(promise, "enough"));
    } else {
        EXPECT_INT(sheaf_reject(promise, code, "broken"), SHEAF_OK);
    }
}

/* F19 */
static int every_outcome_is_copied(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const int codes[3] = {SHEAF_OK, EIO, SHEAF_CANCELLED};
    for (int i = 0; i < 6; i++) {
        bool before = i < 3;
        sheaf_future *source = sheaf_promise(NULL), *copy = sheaf_promise(NULL);
        if (!before) {
            end_with(source, codes[i % 3]);
        }
        EXPECT_INT(sheaf_chain(source, copy), SHEAF_OK);
        EXPECT_INT(sheaf_done(copy), !before);
        if (before) {
            end_with(source, codes[i % 3]);
        }
        sheaf_value value = {0};
        EXPECT_INT(sheaf_result(copy, &value), codes[i % 3]);
        EXPECT_INT(value.i64, codes[i % 3] ? 0 : 42);
        EXPECT_INT(sheaf_cancelled(copy), codes[i % 3] == SHEAF_CANCELLED);
        sheaf_error *error = sheaf_future_error(copy), *same = sheaf_future_error(source);
        EXPECT_PTR(error, same);
        EXPECT(!error == (codes[i % 3] == SHEAF_OK));
        sheaf_error_release(error);
        sheaf_error_release(same);
        sheaf_release(source);
        sheaf_release(copy);
    }
    return SHEAF_OK;
}

static int a_task_and_a_gather_are_sources(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const int64_t seven = 7;
    sheaf_future *copy = sheaf_promise(NULL), *second = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(give_number, (void *)(uintptr_t)&seven);
    sheaf_future *member = sheaf_promise(NULL), *gather = sheaf_gather_future(&member, 1, 0);
    EXPECT_INT(sheaf_chain(task, copy), SHEAF_OK);
    EXPECT_INT(sheaf_chain(gather, second), SHEAF_OK);
    sheaf_release(task); /* the chain keeps them */
    sheaf_release(gather);
    expect_value(copy, 7);
    EXPECT(!sheaf_done(second));
    EXPECT(sheaf_cancel(member));
    EXPECT_INT(sheaf_await(second, NULL), SHEAF_CANCELLED);
    EXPECT(!sheaf_cancelled(second)); /* the gather failed with that, nobody cancelled it */
    sheaf_release(second);
    sheaf_release(member);
    return SHEAF_OK;
}

static int append(void *arg, sheaf_future *future)
{
    (void)future;
    NOTE("%s", (const char *)arg);
    return SHEAF_OK;
}

static char one[] = "one", two[] = "two";

/* P3: the nodes of the copy are told in order, behind those of the source */
static int who_waits_for_the_copy_is_told(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *source = sheaf_promise(NULL), *copy = sheaf_promise(NULL);
    EXPECT_INT(sheaf_chain(source, copy), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(copy, append, one), SHEAF_OK);
    sheaf_future *awaiter = sheaf_spawn(await_it, copy);
    EXPECT_INT(sheaf_on_done(copy, append, two), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(source, number(3)), SHEAF_OK);
    expect_end(awaiter, SHEAF_OK);
    EXPECT_INT(sheaf_remove_done_and_wait(copy, append, NULL), SHEAF_OK);
    EXPECT_NOTES("one two");
    sheaf_release(source);
    sheaf_release(copy);
    return SHEAF_OK;
}

/* F19: a destination that has ended ignores the copy; an error of the source is then nobody's */
static int a_copy_that_has_ended_stays_as_it_is(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    f->unhandled_expected = 1;
    sheaf_future *source = sheaf_promise(NULL), *copy = sheaf_promise(NULL);
    EXPECT_INT(sheaf_chain(source, copy), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(copy, number(5)), SHEAF_OK);
    EXPECT(!sheaf_done(source)); /* only a cancellation goes back */
    EXPECT_INT(sheaf_reject(source, EIO, "broken"), SHEAF_OK);
    expect_value(copy, 5);
    sheaf_release(source);
    EXPECT_INT(fixture_unhandled(f), 1);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- a request goes back */

/* F19, RT4 */
static int cancelling_the_copy_cancels_the_source(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int cancelled_before = 0; cancelled_before < 2; cancelled_before++) {
        sheaf_future *promise = sheaf_promise(NULL), *blocker = sheaf_promise(NULL);
        sheaf_future *member = sheaf_promise(NULL), *gather = sheaf_gather_future(&member, 1, 0);
        sheaf_future *sources[3] = {promise, sheaf_spawn(await_it, blocker), gather};
        for (int i = 0; i < 3; i++) {
            sheaf_future *copy = sheaf_promise(NULL);
            EXPECT(!cancelled_before || sheaf_cancel(copy));
            EXPECT_INT(sheaf_chain(sources[i], copy), SHEAF_OK);
            EXPECT_INT(sheaf_cancel(copy), !cancelled_before);
            EXPECT_INT(sheaf_await(sources[i], NULL), SHEAF_CANCELLED);
            expect_end(copy, SHEAF_CANCELLED);
            sheaf_release(sources[i]);
        }
        EXPECT(sheaf_cancelled(promise) || sheaf_cancelled(member));
        sheaf_release(member);
        sheaf_release(blocker);
    }
    return SHEAF_OK;
}

/* A source that swallows the request keeps its value. */
static int a_source_may_go_on_after_a_request(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *blocker = sheaf_promise(NULL), *copy = sheaf_promise(NULL);
    sheaf_future *source = sheaf_spawn(await_and_swallow, blocker);
    fixture_settle(1);
    EXPECT_INT(sheaf_chain(source, copy), SHEAF_OK);
    EXPECT(sheaf_cancel(copy));
    expect_value(source, 9);
    expect_end(copy, SHEAF_CANCELLED);
    sheaf_release(blocker);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- who has the value */

/* L4, P14 */
static int a_value_is_taken_or_dropped_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int taker = 0; taker < 3; taker++) {
        forget_dropped_values();
        sheaf_future *source = promise_with_drop(NULL), *middle = promise_with_drop(NULL);
        sheaf_future *copy = promise_with_drop(NULL);
        EXPECT_INT(sheaf_chain(source, middle), SHEAF_OK);
        EXPECT_INT(sheaf_chain(middle, copy), SHEAF_OK);
        EXPECT_INT(sheaf_resolve(source, number(6)), SHEAF_OK);
        sheaf_value value = {0};
        if (taker < 2) {
            EXPECT_INT(sheaf_take(taker ? copy : source, &value), SHEAF_OK);
            EXPECT_INT(value.i64, 6);
            EXPECT_INT(sheaf_take(taker ? source : copy, &value), SHEAF_STATE);
        }
        sheaf_release(source);
        sheaf_release(middle);
        EXPECT_INT(dropped_values(), 0); /* the copy shows it still */
        EXPECT_INT(sheaf_result(copy, &value), SHEAF_OK);
        sheaf_release(copy);
        EXPECT_INT(dropped_values(), taker < 2 ? 0 : 1);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- what goes early */

/* On every worker that runs callbacks, and after the test's own frame has gone if it went wrong. */
static SHEAF__ATOMIC(int) calls;

static int count_call(void *arg, sheaf_future *future)
{
    (void)arg, (void)future;
    (void)sheaf__add_rlx(&calls, 1);
    return SHEAF_OK;
}

static void expect_calls(int expected)
{
    while (sheaf__load_rlx(&calls) < expected) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    EXPECT_INT(sheaf__load_rlx(&calls), expected);
}

/* The fixture looks for what is left behind. */
static int a_promise_that_goes_ends_the_chain(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int order = 0; order < 4; order++) {
        sheaf__store_rlx(&calls, 0);
        sheaf_future *source = sheaf_promise(NULL), *copy = sheaf_promise(NULL);
        EXPECT_INT(sheaf_chain(source, copy), SHEAF_OK);
        EXPECT_INT(sheaf_on_done(copy, count_call, NULL), SHEAF_OK);
        sheaf_release(order & 1 ? source : copy);
        EXPECT(order & 1 ? !sheaf_done(copy) : !sheaf_done(source));
        if (order == 2) { /* the chain has kept the copy, the source ends it */
            EXPECT_INT(sheaf_resolve(source, number(1)), SHEAF_OK);
        } else if (order == 3) {
            EXPECT_INT(sheaf_resolve(copy, number(1)), SHEAF_OK);
        }
        sheaf_release(order & 1 ? copy : source);
        expect_calls(order < 2 ? 0 : 1); /* nobody ended the first two */
    }
    return SHEAF_OK;
}

enum { MANY = 100000 };

/* A source that never ends keeps nothing of copies that have ended. */
static int ended_copies_leave_nothing_with_the_source(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *source = sheaf_promise(NULL);
    uint64_t blocks = sheaf__alloc_counts().live_blocks;
    for (int i = 0; i < MANY / 10; i++) {
        sheaf_future *copy = sheaf_promise(NULL);
        EXPECT_INT(sheaf_chain(source, copy), SHEAF_OK);
        EXPECT_INT(sheaf_resolve(copy, number(1)), SHEAF_OK);
        sheaf_release(copy);
    }
    uint64_t more = sheaf__alloc_counts().live_blocks - blocks;
    EXPECT(more < 100); /* slabs */
    sheaf_release(source);
    return SHEAF_OK;
}

/* Chains end, are cancelled and go in constant stack. */
static int long_chains_take_no_stack(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int how = 0; how < 3; how++) {
        sheaf_future **all = malloc(MANY * sizeof(sheaf_future *));
        make_promises(NULL, all, MANY);
        for (int i = 1; i < MANY; i++) {
            EXPECT_INT(sheaf_chain(all[i - 1], all[i]), SHEAF_OK);
        }
        if (how == 0) {
            EXPECT_INT(sheaf_resolve(all[0], number(2)), SHEAF_OK);
            sheaf_value value = {0};
            EXPECT_INT(sheaf_take(all[MANY - 1], &value), SHEAF_OK);
            EXPECT_INT(value.i64, 2);
        } else if (how == 1) {
            EXPECT(sheaf_cancel(all[MANY - 1]));
            EXPECT(sheaf_cancelled(all[0]));
        }
        for (int i = MANY - 1; i >= 0; i--) {
            sheaf_release(all[i]);
        }
        free(all);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- races */

enum { ROUNDS = 300 };

struct race {
    sheaf_future *source, *copy;
};

static int end_source(void *arg, sheaf_value *result)
{
    struct race *race = arg;
    (void)result;
    (void)sheaf_try_resolve(race->source, number(1));
    sheaf_release(race->source);
    return SHEAF_OK;
}

static int end_copy(void *arg, sheaf_value *result)
{
    struct race *race = arg;
    result->i64 = sheaf_cancel(race->copy);
    sheaf_release(race->copy);
    return SHEAF_OK;
}

static int make_chain(void *arg, sheaf_value *result)
{
    struct race *race = arg;
    (void)result;
    int status = sheaf_chain(race->source, race->copy);
    sheaf_release(race->source);
    sheaf_release(race->copy);
    return status;
}

/* The source ends, the copy is cancelled, and the two are chained, all at once: the value is
 * dropped once or was refused, and nothing is left behind. */
static int ends_and_requests_race(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    forget_dropped_values();
    for (int i = 0; i < ROUNDS; i++) {
        struct race race = {promise_with_drop(NULL), sheaf_promise(NULL)};
        sheaf_future *source = sheaf_retain(race.source), *copy = sheaf_retain(race.copy);
        sheaf_retain(race.source);
        sheaf_retain(race.copy);
        sheaf_future *tasks[3] = {sheaf_spawn(make_chain, &race), sheaf_spawn(end_source, &race),
                                  sheaf_spawn(end_copy, &race)};
        EXPECT_INT(sheaf_gather(tasks, 3, SHEAF_GATHER_RAISE, NULL, NULL), SHEAF_OK);
        sheaf_release_all(tasks, 3);
        EXPECT(sheaf_done(source));
        EXPECT(sheaf_done(copy));
        int64_t dropped = dropped_values();
        bool has_value = sheaf_future_status(source) == SHEAF_OK;
        EXPECT(has_value || sheaf_cancelled(copy));
        sheaf_release(source);
        sheaf_release(copy);
        EXPECT_INT(dropped_values(), dropped + has_value);
    }
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(arguments_that_make_no_sense_are_refused),
    TASK_TEST(every_outcome_is_copied),
    TASK_TEST(a_task_and_a_gather_are_sources),
    TASK_TEST(who_waits_for_the_copy_is_told),
    TASK_TEST(a_copy_that_has_ended_stays_as_it_is),
    TASK_TEST(cancelling_the_copy_cancels_the_source),
    TASK_TEST_ON(MODES_SINGLE, a_source_may_go_on_after_a_request),
    TASK_TEST(a_value_is_taken_or_dropped_once),
    TASK_TEST(a_promise_that_goes_ends_the_chain),
    TASK_TEST(ended_copies_leave_nothing_with_the_source),
    TASK_TEST_ON(MODE_2 | MODE_FIFO, long_chains_take_no_stack),
    TASK_TEST_ON(MODES_STEAL, ends_and_requests_race),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
