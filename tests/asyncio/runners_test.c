/* Runs and runners as asyncio's own tests see them: main tasks, closing, fatal errors, SIGINT. */
#include "tests/support/roles.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static void open_runner(struct fixture *f, sheaf_runner *runner, unsigned flags)
{
    sheaf_options options = fixture_options(f);
    options.flags = flags;
    *runner = (sheaf_runner)SHEAF_RUNNER_INIT;
    EXPECT_INT(sheaf_runner_open(runner, &options), SHEAF_OK);
}

static int run_role(sheaf_runner *runner, struct role *role, int64_t *value)
{
    sheaf_value given = {0};
    int status = sheaf_runner_run(runner, play, role, &given);
    *value = given.i64;
    return status;
}

/* ---------------------------------------------------------------- runners */

/* RU13 */
static void a_runner_is_unusable_behind_its_close(struct fixture *f)
{
    sheaf_runner runner;
    struct role role = {.delay = SHEAF_US(10), .value = 7};
    int64_t value = 0;
    open_runner(f, &runner, 0);
    EXPECT_INT(run_role(&runner, &role, &value), SHEAF_OK);
    EXPECT_INT(value, 7);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
    EXPECT_INT(run_role(&runner, &role, &value), SHEAF_STATE);
    EXPECT_PTR(sheaf_runner_pool(&runner), NULL);
    EXPECT_INT(sheaf__load_acq(&role.begun), 1);
}

/* T25, RU1 */
static void a_main_without_a_body_is_refused(struct fixture *f)
{
    sheaf_runner runner;
    sheaf_options options = fixture_options(f);
    struct role role = {.value = 7};
    int64_t value = 0;
    EXPECT_INT(sheaf_run(&options, NULL, f, NULL), SHEAF_INVALID);
    open_runner(f, &runner, 0);
    EXPECT_INT(sheaf_runner_run(&runner, NULL, f, NULL), SHEAF_INVALID);
    EXPECT_INT(run_role(&runner, &role, &value), SHEAF_OK);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
}

static const sheaf_local count = {.name = "count"};

static int count_up(void *arg, sheaf_value *result)
{
    char *counts = arg, *before = sheaf_local_get(&count);
    SHEAF_TRY(sheaf_yield());
    SHEAF_TRY(sheaf_local_set(&count, before ? before + 1 : counts));
    result->i64 = (char *)sheaf_local_get(&count) - counts;
    return SHEAF_OK;
}

/* CX5, RU13 */
static void values_are_kept_from_run_to_run(struct fixture *f)
{
    sheaf_runner runner;
    char counts[4];
    open_runner(f, &runner, 0);
    for (int i = 0; i < 3; i++) {
        sheaf_value value = {.i64 = -1};
        EXPECT_INT(sheaf_runner_run(&runner, count_up, counts, &value), SHEAF_OK);
        EXPECT_INT(value.i64, i);
    }
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
}

static int run_within(void *arg, sheaf_value *result)
{
    struct role role = {.value = 1};
    (void)result;
    EXPECT_INT(sheaf_runner_run(arg, play, &role, NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_run(NULL, play, &role, NULL), SHEAF_STATE);
    EXPECT_INT(sheaf__load_acq(&role.begun), 0);
    return SHEAF_OK;
}

/* RU7 */
static void a_run_within_a_run_is_refused(struct fixture *f)
{
    sheaf_runner runner;
    open_runner(f, &runner, 0);
    EXPECT_INT(sheaf_runner_run(&runner, run_within, &runner, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_runner_close(&runner), SHEAF_OK);
}

/* ---------------------------------------------------------------- fatal errors */

static int end_fatally(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_raise(SHEAF_FATAL, "no way on");
}

/* EH4, T24 */
static void a_fatal_main_is_not_reported_and_the_next_run_works(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    for (size_t i = 0; i < 1 + fixture_scaled(100); i++) {
        EXPECT_INT(sheaf_run(&options, end_fatally, NULL, NULL), SHEAF_FATAL);
        EXPECT_INT(fixture_unhandled(f), 0);
        struct role role = {.delay = SHEAF_US(10), .value = 1};
        EXPECT_INT(sheaf_run(&options, play, &role, NULL), SHEAF_OK);
    }
}

struct fatal {
    struct role member;
    int seen; /* what the awaiter of the member got */
};

static int await_fatal_member(void *arg, sheaf_value *result)
{
    struct fatal *fatal = arg;
    (void)result;
    sheaf_future *task = start(&fatal->member);
    while (!sheaf__load_acq(&fatal->member.begun)) {
        SHEAF_TRY(sheaf_yield());
    }
    EXPECT(sheaf_cancel(task));
    fatal->seen = sheaf_join(task, NULL);
    return SHEAF_OK;
}

/* T24, T13, P15 */
static void a_fatal_error_while_being_cancelled_leaves_the_run(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    struct fatal fatal = {
        .member = {.delay = SHEAF_S(100), .asked = FAIL_INSTEAD, .late_code = SHEAF_FATAL}};
    EXPECT_INT(sheaf_run(&options, await_fatal_member, &fatal, NULL), SHEAF_FATAL);
    EXPECT(fatal.seen == SHEAF_FATAL || fatal.seen == SHEAF_CANCELLED);
    EXPECT_INT(sheaf__load_acq(&fatal.member.ended), 1);
    /* A main that was asked before it could look has left the error to the hook. */
    f->unhandled_expected = fatal.seen == SHEAF_CANCELLED;
}

/* ---------------------------------------------------------------- SIGINT */

struct interrupted {
    sheaf_future *awaited; /* made by main */
    bool also_cancelled;
    bool swallows;
};

static int interrupt_in_a_loop(void *arg, sheaf_value *result)
{
    const struct interrupted *i = arg;
    EXPECT_INT(kill(getpid(), SIGINT), 0);
    int status;
    while ((status = sheaf_sleep(0)) == SHEAF_OK) {
    }
    EXPECT_INT(status, SHEAF_CANCELLED);
    if (i->also_cancelled) {
        EXPECT(sheaf_cancel(sheaf_current()));
    }
    result->i64 = 42;
    return i->swallows ? SHEAF_OK : status;
}

static int interrupt_in_a_wait(void *arg, sheaf_value *result)
{
    struct interrupted *i = arg;
    i->awaited = sheaf_promise(NULL);
    EXPECT_INT(kill(getpid(), SIGINT), 0);
    return sheaf_await(i->awaited, result);
}

static int run_interrupted(struct fixture *f, sheaf_fn *fn, struct interrupted *i)
{
    sheaf_options options = fixture_options(f);
    options.flags = SHEAF_RUN_SIGINT;
    int status = sheaf_run(&options, fn, i, NULL);
    struct sigaction action;
    EXPECT_INT(sigaction(SIGINT, NULL, &action), 0);
    EXPECT(action.sa_handler == SIG_DFL);
    return status;
}

/* RU8, RU9 */
static void an_interrupt_cancels_a_main_that_loops(struct fixture *f)
{
    struct interrupted plain = {0}, swallowed = {.swallows = true};
    EXPECT_INT(run_interrupted(f, interrupt_in_a_loop, &plain), SHEAF_INTERRUPTED);
    EXPECT_INT(run_interrupted(f, interrupt_in_a_loop, &swallowed), SHEAF_OK);
}

/* RU8, T6 */
static void an_interrupt_cancels_what_main_awaits(struct fixture *f)
{
    struct interrupted i = {0};
    EXPECT_INT(run_interrupted(f, interrupt_in_a_wait, &i), SHEAF_INTERRUPTED);
    EXPECT(sheaf_cancelled(i.awaited));
    sheaf_release(i.awaited);
}

/* RU11 */
static void a_main_that_others_cancelled_too_ends_cancelled(struct fixture *f)
{
    struct interrupted i = {.also_cancelled = true};
    EXPECT_INT(run_interrupted(f, interrupt_in_a_loop, &i), SHEAF_CANCELLED);
}

static void *run_on_a_thread(void *arg)
{
    struct role role = {.delay = SHEAF_US(10), .value = 1};
    sheaf_options options = fixture_options(arg);
    options.flags = SHEAF_RUN_SIGINT;
    EXPECT_INT(sheaf_run(&options, play, &role, NULL), SHEAF_OK);
    return NULL;
}

/* RU15 */
static void a_thread_that_cannot_take_signals_runs_without(struct fixture *f)
{
    pthread_t thread;
    EXPECT_INT(pthread_create(&thread, NULL, run_on_a_thread, f), 0);
    pthread_join(thread, NULL);
}

static const struct fixture_test tests[] = {
    POOL_TEST(a_runner_is_unusable_behind_its_close),
    POOL_TEST(a_main_without_a_body_is_refused),
    POOL_TEST(values_are_kept_from_run_to_run),
    POOL_TEST(a_run_within_a_run_is_refused),
    POOL_TEST(a_fatal_main_is_not_reported_and_the_next_run_works),
    POOL_TEST(a_fatal_error_while_being_cancelled_leaves_the_run),
    POOL_TEST(an_interrupt_cancels_a_main_that_loops),
    POOL_TEST_ON(MODES_REAL, an_interrupt_cancels_what_main_awaits),
    POOL_TEST(a_main_that_others_cancelled_too_ends_cancelled),
    POOL_TEST(a_thread_that_cannot_take_signals_runs_without),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
