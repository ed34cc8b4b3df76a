/* Callbacks as asyncio's own tests see them: removal before and after the completion, and when a
 * callback runs. */
#include "tests/support/roles.h"

#include <errno.h>

struct speaker {
    const char *word;
    struct speaker *other;
};

static int speak(void *arg, sheaf_future *future)
{
    const struct speaker *s = arg;
    NOTE("%s", s->word);
    if (s->other) {
        EXPECT_INT(sheaf_remove_done(future, speak, s->other), 0);
    }
    return SHEAF_OK;
}

static struct speaker words[] = {{.word = "a"}, {.word = "b"}, {.word = "c"}};

/* Registers a, b and c, removes those of the mask, resolves, waits, and expects what is left. */
static void remove_and_expect(unsigned removed, const char *notes)
{
    check_forget_notes(&fixture_check);
    sheaf_future *promise = sheaf_promise(NULL);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(sheaf_on_done(promise, speak, &words[i]), SHEAF_OK);
    }
    for (int i = 0; i < 3; i++) {
        if (removed & 1U << i) {
            EXPECT_INT(sheaf_remove_done(promise, speak, &words[i]), 1);
        }
    }
    EXPECT_INT(sheaf_resolve(promise, number(0)), SHEAF_OK);
    EXPECT_INT(sheaf_remove_done_and_wait(promise, speak, NULL), SHEAF_OK);
    EXPECT_NOTES(notes);
    sheaf_release(promise);
}

/* F6, F7 */
static int the_callbacks_that_are_left_run_in_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    remove_and_expect(0, "a b c");
    remove_and_expect(1U, "b c");
    remove_and_expect(1U | 2U, "c");
    remove_and_expect(4U, "a b");
    remove_and_expect(2U, "a c");
    return SHEAF_OK;
}

/* F7 */
static int a_removal_says_how_many_registrations_it_ended(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT_INT(sheaf_remove_done(promise, speak, &words[0]), 0);
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(sheaf_on_done(promise, speak, &words[i % 2]), SHEAF_OK);
    }
    EXPECT_INT(sheaf_remove_done(promise, speak, &words[2]), 0);
    EXPECT_INT(sheaf_remove_done(promise, speak, &words[0]), 3);
    EXPECT_INT(sheaf_remove_done(promise, speak, &words[0]), 0);
    EXPECT_INT(sheaf_resolve(promise, number(0)), SHEAF_OK);
    EXPECT_INT(sheaf_remove_done_and_wait(promise, speak, NULL), SHEAF_OK);
    EXPECT_NOTES("b b");
    EXPECT_INT(sheaf_remove_done(promise, speak, &words[1]), 0);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* F6 */
static int callbacks_run_after_the_completing_call(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int outcome = 0; outcome < 3; outcome++) {
        check_forget_notes(&fixture_check);
        sheaf_future *promise = sheaf_promise(NULL);
        EXPECT_INT(sheaf_on_done(promise, speak, &words[0]), SHEAF_OK);
        EXPECT_INT(sheaf_on_done(promise, speak, &words[1]), SHEAF_OK);
        bool completed = outcome == 0   ? sheaf_try_resolve(promise, number(1))
                         : outcome == 1 ? sheaf_try_reject(promise, EIO, "broken")
                                        : sheaf_cancel(promise);
        EXPECT(completed && sheaf_done(promise));
        NOTE("completed");
        EXPECT_INT(sheaf_remove_done_and_wait(promise, speak, NULL), SHEAF_OK);
        EXPECT_NOTES("completed a b");
        (void)sheaf_result(promise, NULL);
        sheaf_release(promise);
    }
    return SHEAF_OK;
}

/* F8 */
static int a_callback_cannot_remove_those_behind_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    struct speaker last = {.word = "last"};
    struct speaker first = {.word = "first", .other = &last};
    EXPECT_INT(sheaf_on_done(promise, speak, &first), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(promise, speak, &last), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(promise, number(0)), SHEAF_OK);
    EXPECT_INT(sheaf_remove_done_and_wait(promise, speak, NULL), SHEAF_OK);
    EXPECT_NOTES("first last");
    sheaf_release(promise);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- a list that changes meanwhile */

enum { EDITORS = 6, EDITS = 200 };

struct editing {
    sheaf_future *promise;
    SHEAF__ATOMIC(size_t) registered, removed, ran;
};

static int count_run(void *arg, sheaf_future *future)
{
    struct editing *e = arg;
    (void)future;
    sheaf__add_acq_rel(&e->ran, 1);
    return SHEAF_OK;
}

static int edit(void *arg, sheaf_value *result)
{
    struct editing *e = arg;
    (void)result;
    for (size_t i = 0; i < EDITS; i++) {
        EXPECT_INT(sheaf_on_done(e->promise, count_run, e), SHEAF_OK);
        sheaf__add_acq_rel(&e->registered, 1);
        if (i % 3 == 0) {
            sheaf__add_acq_rel(&e->removed, sheaf_remove_done(e->promise, count_run, e));
        }
        SHEAF_TRY(i % 7 ? SHEAF_OK : sheaf_yield());
    }
    return SHEAF_OK;
}

/* F7, P22 */
static int removals_meet_a_list_that_changes_meanwhile(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct editing e = {.promise = sheaf_promise(NULL)};
    sheaf_future *editors[EDITORS];
    for (int i = 0; i < EDITORS; i++) {
        editors[i] = sheaf_spawn(edit, &e);
    }
    for (int i = 0; i < EDITORS; i++) {
        if (i == EDITORS / 2) {
            EXPECT_INT(sheaf_resolve(e.promise, number(0)), SHEAF_OK);
        }
        expect_end(editors[i], SHEAF_OK);
    }
    EXPECT_INT(sheaf_remove_done_and_wait(e.promise, count_run, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&e.registered), EDITORS * EDITS);
    EXPECT_INT(sheaf__load_acq(&e.ran) + sheaf__load_acq(&e.removed), EDITORS * EDITS);
    sheaf_release(e.promise);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(the_callbacks_that_are_left_run_in_order),
    TASK_TEST(a_removal_says_how_many_registrations_it_ended),
    TASK_TEST_ON(MODES_EXACT, callbacks_run_after_the_completing_call),
    TASK_TEST(a_callback_cannot_remove_those_behind_it),
    TASK_TEST(removals_meet_a_list_that_changes_meanwhile),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
