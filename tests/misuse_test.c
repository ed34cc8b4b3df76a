/* Misuse: each one that the headers name gives its status, or one sentence and the end. */
#include "tests/support/emulator.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int give_one(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 1;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- statuses */

static int no_future(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_value value = {.i64 = 5};
    sheaf_error *error = NULL;
    EXPECT_INT(sheaf_await(NULL, &value), SHEAF_INVALID);
    EXPECT_INT(sheaf_join(NULL, &value), SHEAF_INVALID);
    EXPECT_INT(sheaf_await_for(NULL, SHEAF_MS(1), &value), SHEAF_INVALID);
    EXPECT_INT(sheaf_await_until(NULL, SHEAF_FOREVER, &value), SHEAF_INVALID);
    EXPECT_INT(sheaf_await_error(NULL, &value, &error), SHEAF_INVALID);
    EXPECT_INT(sheaf_result(NULL, &value), SHEAF_INVALID);
    EXPECT_INT(sheaf_take(NULL, &value), SHEAF_INVALID);
    EXPECT_INT(sheaf_on_done(NULL, NULL, NULL), SHEAF_INVALID);
    EXPECT(!sheaf_cancel(NULL));
    EXPECT_PTR(sheaf_retain(NULL), NULL);
    sheaf_release(NULL);
    EXPECT_INT(value.i64, 5);
    EXPECT_PTR(error, NULL);
    return SHEAF_OK;
}

static void a_missing_future_is_an_invalid_argument(struct fixture *f)
{
    EXPECT_INT(no_future(NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, no_future, NULL), NULL), SHEAF_OK);
}

static int a_missing_function_is_an_invalid_argument(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_future *made[4] = {sheaf_spawn(NULL, NULL), sheaf_spawn_on(f->pool, NULL, NULL),
                             sheaf_spawn_copy(NULL, &(int){1}, sizeof(int)),
                             sheaf_spawn_with(NULL, NULL, NULL)};
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(sheaf_join(made[i], NULL), SHEAF_INVALID);
    }
    sheaf_future *done = sheaf_spawn(give_one, NULL);
    EXPECT_INT(sheaf_await(done, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(done, NULL, NULL), SHEAF_INVALID);
    sheaf_release(done);
    return SHEAF_OK;
}

static int return_minus_five(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return -5;
}

static int a_status_that_is_none_is_an_error_that_says_so(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f = sheaf_spawn(return_minus_five, NULL);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_INVALID);
    sheaf_error *error = sheaf_future_error(f);
    EXPECT(strstr(sheaf_error_message(error), "-5") != NULL);
    sheaf_error_release(error);
    sheaf_release(f);
    return SHEAF_OK;
}

static int await_maker(void *arg, sheaf_value *result)
{
    EXPECT_INT(sheaf_await(arg, result), SHEAF_CYCLE);
    return SHEAF_OK;
}

/* The maker joins, or is about to: whoever comes second closes the circle.  Here the child does. */
static int a_child_in_a_frame_cannot_await_its_maker(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_task task;
    sheaf_task_spawn(&task, await_maker, sheaf_current());
    EXPECT_INT(sheaf_task_join(&task, NULL), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- panics */

static char said[1000];

/* Runs `body` in a process of its own, of which it expects one line and an abort.  No thread runs
 * here at that time, so that the child is whole. */
static void expect_panic(void (*body)(void), const char *words)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        alarm(20);
        body();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], said + length, sizeof said - 1 - length)) > 0) {
        length += (size_t)got;
    }
    said[length] = '\0';
    close(ends[0]);
    emulator_be_silent(said);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_ptr_equal(strstr(said, "sheaf: "), said);
    assert_non_null(strstr(said, words));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

static int retain_a_frame(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_task task;
    sheaf_retain(sheaf_task_spawn(&task, give_one, NULL));
    return sheaf_task_join(&task, NULL);
}

static void run_retain_a_frame(void)
{
    sheaf_run(NULL, retain_a_frame, NULL, NULL);
}

static void retaining_a_task_in_a_frame_panics(void **state)
{
    (void)state;
    expect_panic(run_retain_a_frame, "frame");
}

static int leave_a_group_open(void *arg, sheaf_value *result)
{
    static sheaf_group group;
    (void)arg, (void)result;
    return sheaf_group_open(&group, NULL);
}

static void run_leave_a_group_open(void)
{
    sheaf_run(NULL, leave_a_group_open, NULL, NULL);
}

static void a_task_that_ends_with_an_open_group_panics(void **state)
{
    (void)state;
    expect_panic(run_leave_a_group_open, "without ending the group");
}

static int leave_a_limit_open(void *arg, sheaf_value *result)
{
    static sheaf_timeout limit;
    (void)arg, (void)result;
    return sheaf_timeout_begin(&limit, SHEAF_S(1), 0);
}

static void run_leave_a_limit_open(void)
{
    sheaf_run(NULL, leave_a_limit_open, NULL, NULL);
}

static void a_task_that_ends_within_a_limit_panics(void **state)
{
    (void)state;
    expect_panic(run_leave_a_limit_open, "without ending the timeout");
}

enum { PLAIN_SENTENCE = 4, DECORATED_SENTENCE = 3 };

static void leave(const char *sentence)
{
    bool decorated = strchr(sentence, '\n') || strncmp(sentence, "sheaf", 5) == 0;
    _exit(decorated ? DECORATED_SENTENCE : PLAIN_SENTENCE);
}

static void the_panic_hook_gets_the_sentence(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        sheaf_set_panic_hook(leave);
        run_retain_a_frame();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), PLAIN_SENTENCE);
}

static const struct fixture_test tests[] = {
    THREAD_TEST(a_missing_future_is_an_invalid_argument),
    TASK_TEST(a_missing_function_is_an_invalid_argument),
    TASK_TEST(a_status_that_is_none_is_an_error_that_says_so),
    TASK_TEST_ON(MODES_SINGLE, a_child_in_a_frame_cannot_await_its_maker),
};

static const struct CMUnitTest deaths[] = {
    cmocka_unit_test(retaining_a_task_in_a_frame_panics),
    cmocka_unit_test(a_task_that_ends_with_an_open_group_panics),
    cmocka_unit_test(a_task_that_ends_within_a_limit_panics),
    cmocka_unit_test(the_panic_hook_gets_the_sentence),
};

int main(void)
{
    int failures = cmocka_run_group_tests(deaths, NULL, NULL);
    return failures + fixture_main(tests, sizeof tests / sizeof tests[0]);
}
