/* Stack overflows: told with the task's name, and then the signal takes its course.  Each case is a
 * child process, whose standard error and end the test looks at. */
#include "tests/support/fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/platform/cpu.h"

/* ---------------------------------------------------------------- children */

struct ending {
    int status; /* as waitpid() gives it */
    char text[2000];
};

static void read_all(int from, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && (got = read(from, text + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    text[length] = '\0';
}

static void run_child(void (*body)(void), struct ending *ending)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGSEGV, SIG_DFL); /* CMocka's own */
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(0);
    }
    close(ends[1]);
    read_all(ends[0], ending->text, sizeof ending->text);
    close(ends[0]);
    assert_int_equal(waitpid(child, &ending->status, 0), child);
}

static void assert_killed(const struct ending *ending)
{
    assert_true(WIFSIGNALED(ending->status));
    assert_int_equal(WTERMSIG(ending->status), SIGSEGV);
}

static void assert_told(const struct ending *ending, const char *words)
{
    if (!strstr(ending->text, words)) {
        fail_msg("no \"%s\" in \"%s\"", words, ending->text);
    }
}

static void assert_exit(const struct ending *ending, int code)
{
    assert_true(WIFEXITED(ending->status));
    assert_int_equal(WEXITSTATUS(ending->status), code);
}

/* ---------------------------------------------------------------- ways to fault */

/* At least 1 KiB a step. */
static SHEAF__NOINLINE int descend(int steps, const volatile char *above)
{
    volatile char frame[1024];
    frame[0] = *above;
    if (steps == 0) {
        return frame[0];
    }
    int deeper = descend(steps - 1, frame);
    return deeper + frame[0];
}

static int recurse(void *arg, sheaf_value *result)
{
    char start = 1;
    (void)arg;
    result->i64 = descend(1000000, &start);
    return SHEAF_OK;
}

/* Touches only the far end of its frame: what lies between is for the compiler to probe. */
static SHEAF__NOINLINE int touch_far_end(void)
{
    volatile char frame[200000];
    frame[0] = 1;
    return frame[0];
}

static int use_large_frame(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = touch_far_end();
    return SHEAF_OK;
}

static int fault_elsewhere(void *arg, sheaf_value *result)
{
    (void)result;
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)page = (char)(intptr_t)arg;
    return SHEAF_OK;
}

static int send_signal(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    kill(getpid(), SIGSEGV);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- programs */

#define TELLING SHEAF_OPTIONS(.workers = 2, .flags = SHEAF_POOL_TELL_OVERFLOW)

static int spawn_and_await(sheaf_fn *fn, const char *name, size_t stack_size)
{
    sheaf_future *task =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = name, .stack_size = stack_size), fn, NULL);
    return sheaf_join(task, NULL);
}

static int run_named(void *arg, sheaf_value *result)
{
    (void)result;
    return spawn_and_await((sheaf_fn *)(uintptr_t)arg, "decode-17", 0);
}

static int run_special(void *arg, sheaf_value *result)
{
    (void)result;
    return spawn_and_await((sheaf_fn *)(uintptr_t)arg, "large", (size_t)1 << 20);
}

static void run_telling(sheaf_fn *main, sheaf_fn *fault)
{
    sheaf_run(TELLING, main, (void *)(uintptr_t)fault, NULL);
}

static void recursion(void)
{
    run_telling(run_named, recurse);
}

static void large_frame(void)
{
    sheaf_run(
        SHEAF_OPTIONS(.workers = 2, .stack_size = 64 << 10, .flags = SHEAF_POOL_TELL_OVERFLOW),
        run_named, (void *)(uintptr_t)use_large_frame, NULL);
}

static void stack_of_its_own(void)
{
    run_telling(run_special, recurse);
}

static void fault(void)
{
    run_telling(run_named, fault_elsewhere);
}

static void signal_from_outside(void)
{
    run_telling(run_named, send_signal);
}

static void without_the_flag(void)
{
    sheaf_run(SHEAF_OPTIONS(.workers = 2), run_named, (void *)(uintptr_t)recurse, NULL);
}

static void recursion_is_told_with_the_name(void **state)
{
    (void)state;
    struct ending ending;
    run_child(recursion, &ending);
    assert_killed(&ending);
    assert_told(&ending, "sheaf: stack overflow in task 'decode-17', whose function is at 0x");
    assert_told(&ending, "; its stack has 256 KiB\n");
}

static void a_frame_of_200_kb_cannot_jump_the_guard(void **state)
{
    (void)state;
    struct ending ending;
    run_child(large_frame, &ending);
    assert_killed(&ending);
    assert_told(&ending, "sheaf: stack overflow in task 'decode-17'");
    assert_told(&ending, "; its stack has 64 KiB\n");
}

static void a_stack_of_its_own_overflows_likewise(void **state)
{
    (void)state;
    struct ending ending;
    run_child(stack_of_its_own, &ending);
    assert_killed(&ending);
    assert_told(&ending, "sheaf: stack overflow in task 'large'");
    assert_told(&ending, "; its stack has 1024 KiB\n");
}

static void other_faults_are_not_told_and_kill(void **state)
{
    (void)state;
    struct ending ending;
    run_child(fault, &ending);
    assert_killed(&ending);
    assert_string_equal(ending.text, "");
}

static void a_signal_that_was_sent_kills(void **state)
{
    (void)state;
    struct ending ending;
    run_child(signal_from_outside, &ending);
    assert_killed(&ending);
    assert_string_equal(ending.text, "");
}

static void nothing_is_told_that_nobody_asked_for(void **state)
{
    (void)state;
    struct ending ending;
    run_child(without_the_flag, &ending);
    assert_killed(&ending);
    assert_string_equal(ending.text, "");
}

/* ---------------------------------------------------------------- which task */

static int overflow_in_a_frame(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_task frame;
    sheaf_future_set_name(sheaf_task_spawn(&frame, recurse, NULL), "in-a-frame");
    return sheaf_task_join(&frame, NULL);
}

static int overflow_without_a_name(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_join(sheaf_spawn(recurse, NULL), NULL);
}

static int overflow_after_a_sleep(void *arg, sheaf_value *result)
{
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    return recurse(arg, result);
}

static int call_the_innermost(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return spawn_and_await(recurse, "innermost", 0);
}

static int nest(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return spawn_and_await(call_the_innermost, "middle", 0);
}

static int suspend_first(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return spawn_and_await(overflow_after_a_sleep, "sleeper", 0);
}

static void in_a_frame(void)
{
    run_telling(overflow_in_a_frame, NULL);
}

static void without_a_name(void)
{
    run_telling(overflow_without_a_name, NULL);
}

static void nested(void)
{
    run_telling(nest, NULL);
}

static void suspended_first(void)
{
    run_telling(suspend_first, NULL);
}

static void long_name(void)
{
    char name[1000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    sheaf_pool *pool;
    sheaf_pool_open(TELLING, &pool);
    sheaf_join(sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = pool, .name = name), recurse, NULL),
               NULL);
}

static void assert_names(void (*body)(void), const char *words)
{
    struct ending ending;
    run_child(body, &ending);
    assert_killed(&ending);
    assert_told(&ending, words);
}

static void the_innermost_task_is_named(void **state)
{
    (void)state;
    assert_names(nested, "overflow in task 'innermost'");
    assert_names(in_a_frame, "overflow in task 'in-a-frame'");
    assert_names(suspended_first, "overflow in task 'sleeper'");
    assert_names(without_a_name, "overflow in task 'task', whose function is at 0x");
}

static void a_long_name_leaves_room_for_the_rest(void **state)
{
    (void)state;
    assert_names(long_name, "overflow in task 'xxxxxxxx");
    assert_names(long_name, "x', whose function is at 0x");
    assert_names(long_name, "its stack has 256 KiB\n");
}

/* ---------------------------------------------------------------- handlers of the program's */

static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

static void handle_and_exit(int signal)
{
    (void)signal;
    say("the program's handler\n");
    _exit(42);
}

static void handle_with_info(int signal, siginfo_t *info, void *registers)
{
    sigset_t blocked;
    (void)info;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    bool as_asked = sigismember(&blocked, SIGUSR1) && sigismember(&blocked, signal);
    say(registers && as_asked ? "with all that it asked for\n" : "without its mask\n");
    _exit(43);
}

static void install_plain(int flags)
{
    struct sigaction action = {.sa_handler = handle_and_exit, .sa_flags = flags};
    sigaction(SIGSEGV, &action, NULL);
}

static void before_and_overflow(void)
{
    install_plain(0);
    recursion();
}

static void before_and_fault(void)
{
    struct sigaction action = {.sa_sigaction = handle_with_info, .sa_flags = SA_SIGINFO};
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGSEGV, &action, NULL);
    fault();
}

static void ignored_and_sent(void)
{
    signal(SIGSEGV, SIG_IGN);
    signal_from_outside();
    _exit(44);
}

static int install_then_recurse(void *arg, sheaf_value *result)
{
    install_plain((int)(intptr_t)arg);
    return run_named((void *)(uintptr_t)recurse, result);
}

static void after_and_overflow(void)
{
    sheaf_run(TELLING, install_then_recurse, (void *)(intptr_t)SA_ONSTACK, NULL);
}

static void a_handler_from_before_gets_what_it_would_have_got(void **state)
{
    (void)state;
    struct ending ending;
    run_child(before_and_overflow, &ending);
    assert_exit(&ending, 42);
    assert_told(&ending, "stack overflow in task 'decode-17'");
    assert_told(&ending, "the program's handler\n");
    run_child(before_and_fault, &ending);
    assert_exit(&ending, 43);
    assert_string_equal(ending.text, "with all that it asked for\n");
    run_child(ignored_and_sent, &ending);
    assert_exit(&ending, 44);
}

static void a_handler_from_after_takes_the_place_and_has_a_signal_stack(void **state)
{
    (void)state;
    struct ending ending;
    run_child(after_and_overflow, &ending);
    assert_exit(&ending, 42);
    assert_string_equal(ending.text, "the program's handler\n");
}

static struct sigaction kept;

static void call_the_kept_one(int signal, siginfo_t *info, void *registers)
{
    say("kept:");
    kept.sa_sigaction(signal, info, registers);
}

/* Comes after the first pool, keeps what it finds, stays; the second pool finds it. */
static void two_that_call_each_other(void)
{
    sheaf_pool *pool;
    struct sigaction action = {.sa_sigaction = call_the_kept_one,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sheaf_pool_open(TELLING, &pool);
    sigaction(SIGSEGV, &action, &kept);
    sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL);
    recursion();
}

static void handlers_that_call_each_other_come_to_an_end(void **state)
{
    (void)state;
    struct ending ending;
    run_child(two_that_call_each_other, &ending);
    assert_killed(&ending);
    assert_told(&ending, "stack overflow in task 'decode-17'");
    assert_told(&ending, "kept:");
}

/* ---------------------------------------------------------------- the action of SIGSEGV */

static bool handler_is(void (*handler)(int))
{
    struct sigaction now;
    assert_int_equal(sigaction(SIGSEGV, NULL, &now), 0);
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == handler;
}

static void what_was_there_comes_back_with_the_last_pool(void **state)
{
    (void)state;
    void (*before)(int) = signal(SIGSEGV, handle_and_exit);
    sheaf_pool *pools[2];
    assert_int_equal(sheaf_pool_open(TELLING, &pools[0]), SHEAF_OK);
    assert_false(handler_is(handle_and_exit));
    assert_int_equal(sheaf_pool_open(TELLING, &pools[1]), SHEAF_OK);
    for (int i = 0; i < 2; i++) {
        assert_false(handler_is(handle_and_exit));
        assert_int_equal(sheaf_pool_close(pools[i], SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL),
                         SHEAF_OK);
    }
    assert_true(handler_is(handle_and_exit));
    assert_int_equal(sheaf_pool_open(SHEAF_OPTIONS(.workers = 1), &pools[0]), SHEAF_OK);
    assert_true(handler_is(handle_and_exit));
    sheaf_pool_close(pools[0], SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL);
    signal(SIGSEGV, before);
}

static void a_later_handler_stays(void **state)
{
    (void)state;
    sheaf_pool *pool;
    struct sigaction before;
    assert_int_equal(sigaction(SIGSEGV, NULL, &before), 0);
    assert_int_equal(sheaf_pool_open(TELLING, &pool), SHEAF_OK);
    signal(SIGSEGV, handle_and_exit);
    sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL);
    assert_true(handler_is(handle_and_exit));
    sigaction(SIGSEGV, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recursion_is_told_with_the_name),
        cmocka_unit_test(a_frame_of_200_kb_cannot_jump_the_guard),
        cmocka_unit_test(a_stack_of_its_own_overflows_likewise),
        cmocka_unit_test(other_faults_are_not_told_and_kill),
        cmocka_unit_test(a_signal_that_was_sent_kills),
        cmocka_unit_test(nothing_is_told_that_nobody_asked_for),
        cmocka_unit_test(the_innermost_task_is_named),
        cmocka_unit_test(a_long_name_leaves_room_for_the_rest),
        cmocka_unit_test(a_handler_from_before_gets_what_it_would_have_got),
        cmocka_unit_test(a_handler_from_after_takes_the_place_and_has_a_signal_stack),
        cmocka_unit_test(handlers_that_call_each_other_come_to_an_end),
        cmocka_unit_test(what_was_there_comes_back_with_the_last_pool),
        cmocka_unit_test(a_later_handler_stays),
    };
    return cmocka_run_group_tests_name("overflow", tests, NULL, NULL);
}
