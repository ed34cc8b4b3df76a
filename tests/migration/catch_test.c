/* What becomes of a C++ catch block that is live over a suspension. */
#include "tests/migration/catch_probe.h"
#include "tests/support/fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    bool moved;
    int known;
};

static void suspend(void *context)
{
    pid_t before = gettid();
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    ((struct seen *)context)->moved = gettid() != before;
}

static int catch_in_task(void *arg, sheaf_value *result)
{
    (void)result;
    struct seen *seen = arg;
    seen->known = catch_over_suspension(suspend, seen);
    return SHEAF_OK;
}

static int rethrow_in_task(void *arg, sheaf_value *result)
{
    (void)result;
    struct seen *seen = arg;
    seen->known = rethrow_after_suspension(suspend, seen);
    return SHEAF_OK;
}

static struct seen run_in_task(struct fixture *f, unsigned flags, sheaf_fn *body)
{
    struct seen seen = {.known = -1};
    sheaf_options options = fixture_options(f);
    options.flags = flags;
    EXPECT_INT(sheaf_run(&options, body, &seen, NULL), SHEAF_OK);
    return seen;
}

static void the_new_thread_knows_of_no_exception(struct fixture *f)
{
    struct seen seen = run_in_task(f, SHEAF_POOL_MIGRATE, catch_in_task);
    EXPECT(seen.moved);
    EXPECT_INT(seen.known, 0);
}

static void going_on_throwing_on_the_new_thread_ends_the_program(struct fixture *f)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        fclose(stderr);
        run_in_task(f, SHEAF_POOL_MIGRATE, rethrow_in_task);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void a_pinned_task_may_suspend_in_a_catch_block(struct fixture *f)
{
    sheaf_fn *bodies[] = {catch_in_task, rethrow_in_task};
    for (int i = 0; i < 2; i++) {
        struct seen seen = run_in_task(f, SHEAF_POOL_PIN, bodies[i]);
        EXPECT(!seen.moved);
        EXPECT_INT(seen.known, 1);
    }
}

static const struct fixture_test tests[] = {
    POOL_TEST_ON(MODE_2, the_new_thread_knows_of_no_exception),
    POOL_TEST_ON(MODE_2, going_on_throwing_on_the_new_thread_ends_the_program),
    POOL_TEST_ON(MODE_2, a_pinned_task_may_suspend_in_a_catch_block),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
