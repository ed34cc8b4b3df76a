/* SIGINT and sheaf_run(): each scenario in a process of its own, which sends the signal to itself.
 * */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sheaf.h>
#include <cmocka.h>

#include "lib/atomics.h"

/* ---------------------------------------------------------------- processes */

enum { RIGHT = 42, WRONG = 43 };

static sheaf_options options;

static const sheaf_options modes[] = {
    {.size = sizeof(sheaf_options), .workers = 1},
    {.size = sizeof(sheaf_options), .workers = 4},
    {.size = sizeof(sheaf_options), .workers = 1, .schedule = SHEAF_SCHEDULE_FIFO},
};

static void expect_that(bool holds, const char *what, int line)
{
    if (!holds) {
        fprintf(stderr, "tests/sigint_test.c:%d: %s does not hold\n", line, what);
        exit(WRONG);
    }
}

#define EXPECT(expression) expect_that((expression), #expression, __LINE__)

/* Runs the scenario in a child.  Returns: as waitpid() tells its end */
static int end_of(void (*scenario)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        signal(SIGINT, SIG_DFL);
        scenario();
        exit(RIGHT);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void expect_right(void (*scenario)(void))
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        options = modes[i];
        options.flags = SHEAF_RUN_SIGINT;
        int status = end_of(scenario);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), RIGHT);
    }
}

static void expect_killed(void (*scenario)(void))
{
    options = modes[1];
    options.flags = SHEAF_RUN_SIGINT;
    int status = end_of(scenario);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
}

/* ---------------------------------------------------------------- what main tasks do */

static void interrupt(void)
{
    EXPECT(kill(getpid(), SIGINT) == 0);
}

/* Waits for what nobody will ever give, until the task is asked to cancel. */
static int wait_for_ever(void)
{
    return sheaf_join(sheaf_promise(NULL), NULL);
}

static bool action_is(void (*handler)(int))
{
    struct sigaction action;
    return sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler == handler;
}

static int be_interrupted(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT(!action_is(SIG_DFL));
    interrupt();
    int status = wait_for_ever();
    EXPECT(status == SHEAF_CANCELLED);
    EXPECT(sheaf_cancel_origin() == SHEAF_ORIGIN_SIGNAL);
    EXPECT(sheaf_cancelling(NULL) == 1);
    return status;
}

static void be_interrupted_in_a_run(void)
{
    EXPECT(sheaf_run(&options, be_interrupted, NULL, NULL) == SHEAF_INTERRUPTED);
    EXPECT(action_is(SIG_DFL));
    /* And once more, with the same process-wide state. */
    EXPECT(sheaf_run(&options, be_interrupted, NULL, NULL) == SHEAF_INTERRUPTED);
}

static int compute(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    interrupt();
    int status;
    while ((status = sheaf_checkpoint()) == SHEAF_OK) {
    }
    return status;
}

static void be_interrupted_while_computing(void)
{
    EXPECT(sheaf_run(&options, compute, NULL, NULL) == SHEAF_INTERRUPTED);
}

static int await_child(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_join(sheaf_spawn(compute, NULL), NULL);
}

static void be_interrupted_while_awaiting(void)
{
    EXPECT(sheaf_run(&options, await_child, NULL, NULL) == SHEAF_INTERRUPTED);
}

static int swallow(void *arg, sheaf_value *result)
{
    interrupt();
    EXPECT(wait_for_ever() == SHEAF_CANCELLED);
    result->i64 = 7;
    return arg ? *(const int *)arg : SHEAF_OK;
}

static void swallow_the_request(void)
{
    sheaf_value value = {0};
    int failure = EIO;
    EXPECT(sheaf_run(&options, swallow, NULL, &value) == SHEAF_OK);
    EXPECT(value.i64 == 7);
    EXPECT(sheaf_run(&options, swallow, &failure, NULL) == EIO);
}

static int be_cancelled_too(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    interrupt();
    EXPECT(wait_for_ever() == SHEAF_CANCELLED);
    EXPECT(sheaf_cancel(sheaf_current()));
    return sheaf_yield();
}

static void be_cancelled_by_others_too(void)
{
    EXPECT(sheaf_run(&options, be_cancelled_too, NULL, NULL) == SHEAF_CANCELLED);
}

/* ---------------------------------------------------------------- several signals */

static SHEAF__ATOMIC(int) cleaned_up;

static int rest_until_shutdown(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT(sheaf_resolve(arg, (sheaf_value){0}) == SHEAF_OK);
    int status = wait_for_ever();
    EXPECT(sheaf_cancel_origin() == SHEAF_ORIGIN_SHUTDOWN);
    sheaf__add_acq_rel(&cleaned_up, 1);
    return status;
}

static int swallow_twice(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *started = sheaf_promise(NULL);
    sheaf_release(sheaf_spawn(rest_until_shutdown, started));
    EXPECT(sheaf_join(started, NULL) == SHEAF_OK);
    interrupt();
    EXPECT(wait_for_ever() == SHEAF_CANCELLED);
    interrupt();
    EXPECT(wait_for_ever() == SHEAF_CANCELLED);
    EXPECT(sheaf_cancel_origin() == SHEAF_ORIGIN_SHUTDOWN);
    sheaf__add_acq_rel(&cleaned_up, 1);
    return SHEAF_OK;
}

static void be_interrupted_twice(void)
{
    EXPECT(sheaf_run(&options, swallow_twice, NULL, NULL) == SHEAF_INTERRUPTED);
    EXPECT(sheaf__load_acq(&cleaned_up) == 2);
}

static int wait_on_and_on(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int status;
    do {
        interrupt();
        status = wait_for_ever();
    } while (status == SHEAF_CANCELLED);
    return status;
}

static void be_interrupted_until_the_run_gives_up(void)
{
    EXPECT(sheaf_run(&options, wait_on_and_on, NULL, NULL) == SHEAF_INTERRUPTED);
    EXPECT(action_is(SIG_DFL));
    /* What the abandoned task held is lost. */
    _exit(RIGHT);
}

/* Sends signals until the process dies of one; each is sent when the one before is dealt with. */
static int never_listen(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    while (usleep(1000) == 0) {
        interrupt();
    }
    return SHEAF_OK;
}

static void never_listen_to_any_signal(void)
{
    sheaf_run(&options, never_listen, NULL, NULL);
}

/* ---------------------------------------------------------------- whose signal it is */

static void interrupt_without_the_option(void)
{
    options.flags = 0;
    sheaf_run(&options, never_listen, NULL, NULL);
}

static SHEAF__ATOMIC(int) handled;

static void count_signal(int signal)
{
    (void)signal;
    sheaf__add_acq_rel(&handled, 1);
}

static int interrupt_and_see(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    interrupt();
    while (sheaf__load_acq(&handled) == 0) {
        SHEAF_TRY(sheaf_yield());
    }
    return SHEAF_OK;
}

static void a_handler_of_the_programs(void)
{
    signal(SIGINT, count_signal);
    EXPECT(sheaf_run(&options, interrupt_and_see, NULL, NULL) == SHEAF_OK);
    EXPECT(action_is(count_signal));
    /* One that is put there during the run stays too. */
    signal(SIGINT, SIG_IGN);
    EXPECT(sheaf_run(&options, interrupt_and_see, NULL, NULL) == SHEAF_OK);
    EXPECT(action_is(SIG_IGN));
}

static int put_handler(void *arg, sheaf_value *result)
{
    signal(SIGINT, count_signal);
    return interrupt_and_see(arg, result);
}

static void a_handler_that_comes_during_the_run(void)
{
    EXPECT(sheaf_run(&options, put_handler, NULL, NULL) == SHEAF_OK);
    EXPECT(action_is(count_signal));
}

static int expect_default_action(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT(action_is(SIG_DFL));
    return SHEAF_OK;
}

static void *run_elsewhere(void *arg)
{
    (void)arg;
    EXPECT(sheaf_run(&options, expect_default_action, NULL, NULL) == SHEAF_OK);
    return NULL;
}

static void a_run_on_another_thread(void)
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, run_elsewhere, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
}

static int give_five(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 5;
    return SHEAF_OK;
}

static void a_runner(void)
{
    sheaf_runner runner = SHEAF_RUNNER_INIT;
    sheaf_value value = {0};
    EXPECT(sheaf_runner_open(&runner, &options) == SHEAF_OK);
    EXPECT(action_is(SIG_DFL));
    EXPECT(sheaf_runner_run(&runner, be_interrupted, NULL, NULL) == SHEAF_INTERRUPTED);
    EXPECT(action_is(SIG_DFL));
    EXPECT(sheaf_runner_run(&runner, give_five, NULL, &value) == SHEAF_OK);
    EXPECT(value.i64 == 5);
    EXPECT(sheaf_runner_run(&runner, swallow_twice, NULL, NULL) == SHEAF_INTERRUPTED);
    EXPECT(sheaf__load_acq(&cleaned_up) == 2);
    EXPECT(sheaf_runner_run(&runner, give_five, NULL, NULL) == SHEAF_STATE);
    EXPECT(sheaf_runner_close(&runner) == SHEAF_OK);
    EXPECT(action_is(SIG_DFL));
}

/* ---------------------------------------------------------------- the tests */

/* RU8 */
static void the_first_signal_cancels_main(void **state)
{
    (void)state;
    expect_right(be_interrupted_in_a_run);
    expect_right(be_interrupted_while_computing);
    expect_right(be_interrupted_while_awaiting);
}

/* RU9 */
static void main_may_swallow_the_request(void **state)
{
    (void)state;
    expect_right(swallow_the_request);
}

/* RU11 */
static void a_request_of_somebody_else_counts_more(void **state)
{
    (void)state;
    expect_right(be_cancelled_by_others_too);
}

/* RU10 */
static void the_second_signal_stops_the_run(void **state)
{
    (void)state;
    expect_right(be_interrupted_twice);
}

static void the_third_signal_gives_up(void **state)
{
    (void)state;
    expect_right(be_interrupted_until_the_run_gives_up);
}

static void a_signal_after_that_kills(void **state)
{
    (void)state;
    expect_killed(never_listen_to_any_signal);
}

static void without_the_option_the_signal_kills(void **state)
{
    (void)state;
    expect_killed(interrupt_without_the_option);
}

/* RU15 */
static void a_handler_of_the_programs_stays(void **state)
{
    (void)state;
    expect_right(a_handler_of_the_programs);
    expect_right(a_handler_that_comes_during_the_run);
}

/* RU15 */
static void only_the_main_thread_takes_the_signal(void **state)
{
    (void)state;
    expect_right(a_run_on_another_thread);
}

static void a_runner_takes_the_signal_during_its_runs(void **state)
{
    (void)state;
    expect_right(a_runner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_signal_cancels_main),
        cmocka_unit_test(main_may_swallow_the_request),
        cmocka_unit_test(a_request_of_somebody_else_counts_more),
        cmocka_unit_test(the_second_signal_stops_the_run),
        cmocka_unit_test(the_third_signal_gives_up),
        cmocka_unit_test(a_signal_after_that_kills),
        cmocka_unit_test(without_the_option_the_signal_kills),
        cmocka_unit_test(a_handler_of_the_programs_stays),
        cmocka_unit_test(only_the_main_thread_takes_the_signal),
        cmocka_unit_test(a_runner_takes_the_signal_during_its_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
