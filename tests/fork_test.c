/* fork() in a program that has pools: the child is told what it has not, and opens pools of its
 * own.  Each scenario runs in a process of its own, since a child is all that is left of some. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
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
#include "tests/support/fixture.h"

/* ---------------------------------------------------------------- processes */

enum { RIGHT = 42, WRONG = 43, CHILD_SECONDS = 60 };

static void need(bool holds, const char *what, int line)
{
    if (!holds) {
        fprintf(stderr, "tests/fork_test.c:%d: %s does not hold\n", line, what);
        _exit(WRONG);
    }
}

#define NEED(expression) need((expression), #expression, __LINE__)

/* Forks; what is called in the child ends it.  Returns: as waitpid() tells its end */
static int end_of_child(void (*in_child)(void *arg), void *arg)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        in_child(arg);
        _exit(RIGHT);
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

static bool is_right(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == RIGHT;
}

/* ---------------------------------------------------------------- what both sides do */

static int give_seven(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 7;
    return SHEAF_OK;
}

static int sum_of_children(void *arg, sheaf_value *result)
{
    int64_t count = *(const int64_t *)arg;
    sheaf_future *children[16];
    sheaf_spawn_many(give_seven, NULL, 0, 16, children);
    SHEAF_TRY(sheaf_sleep(SHEAF_US(50)));
    for (int i = 0; i < 16; i++) {
        sheaf_value value;
        SHEAF_TRY(sheaf_join(children[i], &value));
        count += value.i64;
    }
    result->i64 = count;
    return SHEAF_OK;
}

/* A fresh pool does everything that one does in a process that was never forked. */
static void run_afresh(void)
{
    int64_t start = 1;
    sheaf_value value;
    NEED(sheaf_run(SHEAF_OPTIONS(.workers = 2), sum_of_children, &start, &value) == SHEAF_OK);
    NEED(value.i64 == 1 + 16 * 7);
}

static void run_on_default_pool(void)
{
    sheaf_value value;
    int64_t start = 2;
    NEED(sheaf_join(sheaf_spawn(sum_of_children, &start), &value) == SHEAF_OK);
    NEED(value.i64 == 2 + 16 * 7);
    NEED(sheaf_join(sheaf_blocking(give_seven, NULL), &value) == SHEAF_OK);
    NEED(value.i64 == 7);
    NEED(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER) == SHEAF_OK);
}

/* ---------------------------------------------------------------- told at once */

/* What the parent has, with tasks that wait for a promise. */
struct parents {
    sheaf_pool *pool;
    sheaf_future *promise;
    sheaf_future *pending[3];
    sheaf_future *gathered;
    sheaf_future *done;
    sheaf_runner *runner;
};

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

static void expect_lost(sheaf_future *future)
{
    NEED(sheaf_await(future, NULL) == SHEAF_LOST);
    NEED(sheaf_done(future));
    NEED(sheaf_future_status(future) == SHEAF_LOST);
    NEED(!sheaf_cancel(future));
    sheaf_error *error = sheaf_future_error(future);
    NEED(sheaf_error_code(error) == SHEAF_LOST);
    sheaf_error_release(error);
}

static void note_done(void *context, const sheaf_future *future, const char *name)
{
    (void)context, (void)future, (void)name;
    NEED(false);
}

static int count_done(void *arg, sheaf_future *future)
{
    (void)future;
    ++*(int *)arg;
    return SHEAF_OK;
}

static void count_line(void *context, const char *line)
{
    NEED(strstr(line, "parent") != NULL);
    ++*(int *)context;
}

static void look_at_pool(struct parents *p)
{
    sheaf_stats stats = {.size = sizeof stats};
    NEED(sheaf_pool_stats(p->pool, &stats) == SHEAF_LOST);
    NEED(sheaf_pool_workers(p->pool) == 2);
    NEED(sheaf_all_tasks(p->pool, NULL, 0) == 0);
    int lines = 0;
    sheaf_pool_dump(p->pool, count_line, &lines);
    NEED(lines == 1);
    sheaf_clock_hold(p->pool);
    sheaf_clock_release(p->pool);
    NEED(sheaf_pool_close(p->pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER, note_done, NULL) ==
         SHEAF_LOST);
}

static void spawn_on_parents(struct parents *p)
{
    NEED(sheaf_join(sheaf_spawn_on(p->pool, give_seven, NULL), NULL) == SHEAF_CLOSED);
    NEED(sheaf_join(sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = p->pool, .name = "late"),
                                     give_seven, NULL),
                    NULL) == SHEAF_CLOSED);
    NEED(sheaf_join(sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = p->pool)), NULL) == SHEAF_CLOSED);
    NEED(sheaf_join(sheaf_blocking_with(SHEAF_BLOCKING_OPTIONS(.pool = p->pool), give_seven, NULL),
                    NULL) == SHEAF_CLOSED);
    NEED(sheaf_blocking_limit(p->pool, 3) == SHEAF_CLOSED);
}

static void wait_for_parents(struct parents *p)
{
    /* Several at once, none of which this process has looked at yet. */
    NEED(sheaf_gather(p->pending, 2, SHEAF_GATHER_RAISE, NULL, NULL) == SHEAF_LOST);
    size_t done = 0;
    NEED(sheaf_wait(p->pending, 3, SHEAF_ALL_COMPLETED, SHEAF_S(50), &done) == SHEAF_OK);
    NEED(done == 3);
    expect_lost(p->gathered);
    expect_lost(p->promise);
    for (int i = 0; i < 3; i++) {
        expect_lost(p->pending[i]);
    }
    NEED(sheaf_resolve(p->promise, (sheaf_value){.i64 = 1}) == SHEAF_STATE);
    NEED(sheaf_await_for(p->gathered, SHEAF_S(50), NULL) == SHEAF_LOST);
    int calls = 0;
    NEED(sheaf_on_done(p->gathered, count_done, &calls) == SHEAF_CLOSED);
    NEED(sheaf_remove_done(p->gathered, count_done, &calls) == 0);
    NEED(sheaf_remove_done_and_wait(p->gathered, count_done, &calls) == SHEAF_OK);
    NEED(calls == 0);
}

static void be_told(void *arg)
{
    struct parents *p = arg;
    look_at_pool(p);
    spawn_on_parents(p);
    wait_for_parents(p);
    sheaf_value value;
    NEED(sheaf_await(p->done, &value) == SHEAF_OK && value.i64 == 7);
    NEED(sheaf_runner_run(p->runner, give_seven, NULL, NULL) == SHEAF_LOST);
    NEED(sheaf_runner_close(p->runner) == SHEAF_LOST);
    run_afresh();
    sheaf_release_all(p->pending, 3);
    sheaf_release(p->gathered);
    sheaf_release(p->promise);
    NEED(sheaf_join(p->done, NULL) == SHEAF_OK);
    run_on_default_pool();
}

static struct parents open_parents(sheaf_runner *runner)
{
    struct parents p = {.runner = runner};
    assert_int_equal(sheaf_pool_open(SHEAF_OPTIONS(.workers = 2), &p.pool), SHEAF_OK);
    assert_int_equal(sheaf_runner_open(runner, SHEAF_OPTIONS(.workers = 1)), SHEAF_OK);
    p.promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = p.pool));
    for (int i = 0; i < 3; i++) {
        p.pending[i] = sheaf_spawn_on(p.pool, await_it, p.promise);
    }
    p.gathered = sheaf_gather_future(p.pending, 3, SHEAF_GATHER_RAISE);
    p.done = sheaf_spawn_on(p.pool, give_seven, NULL);
    assert_int_equal(sheaf_await(p.done, NULL), SHEAF_OK);
    return p;
}

static void close_parents(struct parents *p)
{
    assert_int_equal(sheaf_resolve(p->promise, (sheaf_value){.i64 = 9}), SHEAF_OK);
    sheaf_value value;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sheaf_join(p->pending[i], &value), SHEAF_OK);
        assert_int_equal(value.i64, 9);
    }
    assert_int_equal(sheaf_join(p->gathered, NULL), SHEAF_OK);
    sheaf_release(p->promise);
    sheaf_release(p->done);
    assert_int_equal(sheaf_runner_close(p->runner), SHEAF_OK);
    assert_int_equal(sheaf_pool_close(p->pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL),
                     SHEAF_OK);
}

static void a_child_is_told_at_once(void **state)
{
    (void)state;
    sheaf_runner runner = SHEAF_RUNNER_INIT;
    struct parents p = open_parents(&runner);
    assert_true(is_right(end_of_child(be_told, &p)));
    close_parents(&p);
}

static void fork_again(void *arg)
{
    struct parents *p = arg;
    NEED(sheaf_await(p->promise, NULL) == SHEAF_LOST);
    sheaf_pool *pool;
    NEED(sheaf_pool_open(SHEAF_OPTIONS(.workers = 2), &pool) == SHEAF_OK);
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool));
    struct parents own = *p;
    own.pool = pool;
    own.promise = promise;
    NEED(is_right(end_of_child(be_told, &own)));
    NEED(sheaf_resolve(promise, (sheaf_value){.i64 = 1}) == SHEAF_OK);
    sheaf_release(promise);
    NEED(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL) == SHEAF_OK);
}

static void a_child_of_the_child_is_told_too(void **state)
{
    (void)state;
    sheaf_runner runner = SHEAF_RUNNER_INIT;
    struct parents p = open_parents(&runner);
    assert_true(is_right(end_of_child(fork_again, &p)));
    close_parents(&p);
}

static void default_is_new(void *arg)
{
    NEED(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER) == SHEAF_OK);
    NEED(sheaf_pool_default() != NULL && sheaf_pool_default() != arg);
    run_on_default_pool();
    run_on_default_pool();
}

static void the_default_pool_of_a_child_is_its_own(void **state)
{
    (void)state;
    sheaf_pool *pool = sheaf_pool_default();
    assert_non_null(pool);
    assert_true(is_right(end_of_child(default_is_new, pool)));
    assert_ptr_equal(sheaf_pool_default(), pool);
    assert_int_equal(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

/* ---------------------------------------------------------------- forks within tasks */

static void be_a_plain_thread(void *arg)
{
    sheaf_task *frame = arg;
    NEED(sheaf_current() == NULL);
    NEED(sheaf_pool_current() == NULL);
    NEED(sheaf_yield() == SHEAF_NOTASK);
    NEED(sheaf_task_join(frame, NULL) == SHEAF_LOST);
    run_afresh();
    run_on_default_pool();
}

static int fork_in_task(void *arg, sheaf_value *result)
{
    sheaf_task frame;
    sheaf_task_spawn(&frame, await_it, arg);
    sheaf_yield();
    result->i64 = end_of_child(be_a_plain_thread, &frame);
    sheaf_resolve(arg, (sheaf_value){.i64 = 1});
    return sheaf_task_join(&frame, NULL);
}

static int fork_with_promise(void *arg, sheaf_value *result)
{
    (void)arg;
    sheaf_future *promise = sheaf_promise(NULL);
    int status = fork_in_task(promise, result);
    sheaf_release(promise);
    return status;
}

static void a_task_may_fork_and_its_child_is_a_plain_thread(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 4; workers *= 2) {
        sheaf_value value;
        assert_int_equal(
            sheaf_run(SHEAF_OPTIONS(.workers = workers), fork_with_promise, NULL, &value),
            SHEAF_OK);
        assert_true(is_right((int)value.i64));
    }
}

static void execute(void *arg)
{
    (void)arg;
    execl("/bin/sh", "sh", "-c", "exit 42", (char *)NULL);
}

static int fork_and_execute(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = end_of_child(execute, NULL);
    return SHEAF_OK;
}

static int spawn_process(void *arg, sheaf_value *result)
{
    static char shell[] = "/bin/sh";
    static char option[] = "-c";
    static char text[] = "exit 42";
    char *const command[] = {shell, option, text, NULL};
    pid_t child;
    int status = -1;
    (void)arg;
    SHEAF_TRY(posix_spawn(&child, command[0], NULL, NULL, command, environ));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    result->i64 = status;
    return sheaf_sleep(SHEAF_US(10)); /* the parent goes on as before */
}

static void programs_are_executed_from_tasks_and_blocking_calls(void **state)
{
    (void)state;
    sheaf_value value;
    assert_int_equal(sheaf_run(NULL, fork_and_execute, NULL, &value), SHEAF_OK);
    assert_true(is_right((int)value.i64));
    assert_int_equal(sheaf_run(NULL, spawn_process, NULL, &value), SHEAF_OK);
    assert_true(is_right((int)value.i64));
    assert_int_equal(sheaf_join(sheaf_blocking(fork_and_execute, NULL), &value), SHEAF_OK);
    assert_true(is_right((int)value.i64));
    assert_int_equal(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

static void say_nothing(const char *sentence)
{
    (void)sentence;
}

/* In the child the body returns, which nobody is there to go on with. */
static int return_twice(void *arg, sheaf_value *result)
{
    (void)arg;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        signal(SIGABRT, SIG_DFL);
        sheaf_set_panic_hook(say_nothing);
        return SHEAF_OK;
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    result->i64 = WIFSIGNALED(status) ? WTERMSIG(status) : -status;
    return SHEAF_OK;
}

static int return_from_callback(void *arg, sheaf_future *future)
{
    (void)future;
    return return_twice(NULL, arg);
}

static void what_returns_in_a_child_ends_it(void **state)
{
    (void)state;
    sheaf_value value = {.i64 = 0};
    assert_int_equal(sheaf_run(NULL, return_twice, NULL, &value), SHEAF_OK);
    assert_int_equal(value.i64, SIGABRT);
    assert_int_equal(sheaf_join(sheaf_blocking(return_twice, NULL), &value), SHEAF_OK);
    assert_int_equal(value.i64, SIGABRT);
    value.i64 = 0;
    sheaf_future *done = sheaf_spawn(give_seven, NULL);
    assert_int_equal(sheaf_on_done(done, return_from_callback, &value), SHEAF_OK);
    assert_int_equal(sheaf_join(done, NULL), SHEAF_OK);
    assert_int_equal(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    assert_int_equal(value.i64, SIGABRT);
}

/* ---------------------------------------------------------------- signals */

static void be_killed(void *arg)
{
    (void)arg;
    kill(getpid(), SIGINT);
}

static int fork_to_be_killed(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = end_of_child(be_killed, NULL);
    return SHEAF_OK;
}

static void run_with_signals(void *arg)
{
    (void)arg;
    sheaf_value value;
    signal(SIGINT, SIG_DFL);
    NEED(sheaf_run(SHEAF_OPTIONS(.flags = SHEAF_RUN_SIGINT), fork_to_be_killed, NULL, &value) ==
         SHEAF_OK);
    /* The worker blocks the signal, and so does its child: it is pending there, and told nobody. */
    NEED(is_right((int)value.i64));
}

static void *fork_from_thread(void *arg)
{
    *(int *)arg = end_of_child(be_killed, NULL);
    return NULL;
}

static int fork_on_thread(void *arg, sheaf_value *result)
{
    int status = -1;
    pthread_t thread;
    sigset_t none;
    sigset_t before;
    (void)arg;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, &before); /* what the new thread begins with */
    NEED(pthread_create(&thread, NULL, fork_from_thread, &status) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_join(thread, NULL);
    result->i64 = status;
    return SHEAF_OK;
}

static void run_with_thread(void *arg)
{
    (void)arg;
    sheaf_value value;
    signal(SIGINT, SIG_DFL);
    NEED(sheaf_run(SHEAF_OPTIONS(.flags = SHEAF_RUN_SIGINT), fork_on_thread, NULL, &value) ==
         SHEAF_OK);
    NEED(WIFSIGNALED((int)value.i64) && WTERMSIG((int)value.i64) == SIGINT);
}

static void a_child_of_a_run_has_the_default_action_of_sigint(void **state)
{
    (void)state;
    assert_true(is_right(end_of_child(run_with_signals, NULL)));
    assert_true(is_right(end_of_child(run_with_thread, NULL)));
}

/* ---------------------------------------------------------------- under load */

struct load {
    SHEAF__ATOMIC(bool) stop;
    sheaf_pool *pool;
};

static int fan_out(void *arg, sheaf_value *result)
{
    int64_t depth = (int64_t)(intptr_t)arg;
    sheaf_future *children[2];
    (void)result;
    if (depth == 0) {
        return sheaf_sleep(SHEAF_US(20));
    }
    sheaf_spawn_many(fan_out, (void *)(intptr_t)(depth - 1), 0, 2, children);
    SHEAF_TRY(sheaf_join(children[0], NULL));
    return sheaf_join(children[1], NULL);
}

/* Keeps the pool's locks, those of futures and that of the process busy. */
static void *keep_busy(void *arg)
{
    struct load *load = arg;
    while (!sheaf__load_acq(&load->stop)) {
        sheaf_future *tree = sheaf_spawn_on(load->pool, fan_out, (void *)(intptr_t)6);
        sheaf_future *waiting = sheaf_spawn(fan_out, (void *)(intptr_t)2);
        sheaf_cancel(waiting);
        sheaf_join(waiting, NULL);
        sheaf_join(tree, NULL);
    }
    return NULL;
}

static void *open_and_close(void *arg)
{
    struct load *load = arg;
    while (!sheaf__load_acq(&load->stop)) {
        sheaf_pool *pool;
        if (sheaf_pool_open(SHEAF_OPTIONS(.workers = 2), &pool) == SHEAF_OK) {
            sheaf_join(sheaf_spawn_on(pool, give_seven, NULL), NULL);
            sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL);
        }
        sheaf_set_report_hook(NULL, NULL);
    }
    return NULL;
}

static void live_on(void *arg)
{
    struct load *load = arg;
    NEED(sheaf_join(sheaf_spawn_on(load->pool, give_seven, NULL), NULL) == SHEAF_CLOSED);
    run_afresh();
    run_on_default_pool();
}

static void children_live_under_load(void **state)
{
    (void)state;
    struct load load = {.pool = NULL};
    pthread_t threads[3];
    assert_int_equal(sheaf_pool_open(SHEAF_OPTIONS(.workers = 4), &load.pool), SHEAF_OK);
    assert_int_equal(pthread_create(&threads[0], NULL, keep_busy, &load), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, keep_busy, &load), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, open_and_close, &load), 0);
    size_t forks = fixture_scaled(200);
    size_t right = 0;
    for (size_t i = 0; i < forks; i++) {
        right += is_right(end_of_child(live_on, &load));
    }
    sheaf__store_rel(&load.stop, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(right, forks);
    assert_int_equal(sheaf_pool_close(load.pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL),
                     SHEAF_OK);
    assert_int_equal(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

enum { SUSPENDED = 2000 };

struct crowd {
    sheaf_future *tasks[SUSPENDED];
};

static void look_at_crowd(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < SUSPENDED; i += 2) {
        NEED(sheaf_join(crowd->tasks[i], NULL) == SHEAF_LOST);
    }
    /* A task of the child waits for those of the parent as well. */
    for (int i = 1; i < SUSPENDED; i += 2) {
        NEED(sheaf_run(SHEAF_OPTIONS(.workers = 1), await_it, crowd->tasks[i], NULL) == SHEAF_LOST);
        i += 200;
    }
    run_afresh();
}

static void a_child_of_a_process_with_many_suspended_tasks(void **state)
{
    (void)state;
    static struct crowd crowd;
    sheaf_future *promise = sheaf_promise(NULL);
    for (int i = 0; i < SUSPENDED; i++) {
        crowd.tasks[i] = sheaf_spawn(await_it, promise);
    }
    sheaf_stats stats = {.size = sizeof stats};
    do {
        assert_int_equal(sheaf_pool_stats(sheaf_pool_default(), &stats), SHEAF_OK);
    } while (stats.suspended < SUSPENDED);
    assert_true(is_right(end_of_child(look_at_crowd, &crowd)));
    assert_int_equal(sheaf_resolve(promise, (sheaf_value){.i64 = 3}), SHEAF_OK);
    for (int i = 0; i < SUSPENDED; i++) {
        assert_int_equal(sheaf_join(crowd.tasks[i], NULL), SHEAF_OK);
    }
    sheaf_release(promise);
    assert_int_equal(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_is_told_at_once),
        cmocka_unit_test(a_child_of_the_child_is_told_too),
        cmocka_unit_test(the_default_pool_of_a_child_is_its_own),
        cmocka_unit_test(a_task_may_fork_and_its_child_is_a_plain_thread),
        cmocka_unit_test(programs_are_executed_from_tasks_and_blocking_calls),
        cmocka_unit_test(what_returns_in_a_child_ends_it),
        cmocka_unit_test(a_child_of_a_run_has_the_default_action_of_sigint),
        cmocka_unit_test(a_child_of_a_process_with_many_suspended_tasks),
        cmocka_unit_test(children_live_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
