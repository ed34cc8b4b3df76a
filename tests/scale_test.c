/* Many stacks at once: memory that comes back, and what happens when the system gives no more. */
#include "tests/support/fixture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KIB ((size_t)1024)

/* ---------------------------------------------------------------- memory that comes back */

static size_t resident_bytes(void)
{
    unsigned long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &all, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

enum { TOUCHED_KIB = 64 };

static int touch_and_sleep(void *arg, sheaf_value *result)
{
    volatile unsigned char frame[TOUCHED_KIB * 1024];
    (void)arg;
    for (size_t at = 0; at < sizeof frame; at += 4096) {
        frame[at] = 1;
    }
    SHEAF_TRY(sheaf_sleep(SHEAF_S(1)));
    result->i64 = frame[0];
    return SHEAF_OK;
}

/* Lets so many sleep at one time, on a virtual clock. */
static void let_sleep(sheaf_pool *pool, size_t count)
{
    sheaf_future **futures = calloc(count, sizeof *futures);
    assert_non_null(futures);
    sheaf_clock_hold(pool);
    for (size_t i = 0; i < count; i++) {
        futures[i] = sheaf_spawn_on(pool, touch_and_sleep, NULL);
    }
    sheaf_clock_release(pool);
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        wrong += sheaf_join(futures[i], NULL) != SHEAF_OK;
    }
    assert_int_equal(wrong, 0);
    free(futures);
}

/* How much more memory the process has while the pool is open and idle again. */
static size_t kept_after(size_t count)
{
    sheaf_pool *pool;
    assert_int_equal(
        sheaf_pool_open(SHEAF_OPTIONS(.workers = 2, .clock = SHEAF_CLOCK_VIRTUAL), &pool),
        SHEAF_OK);
    let_sleep(pool, 1);
    size_t before = resident_bytes();
    let_sleep(pool, count);
    size_t after = resident_bytes();
    assert_int_equal(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL),
                     SHEAF_OK);
    return after > before ? after - before : 0;
}

/* The mark is 1,024 free stacks, and the workers keep some for themselves. */
static void stacks_past_the_mark_give_their_memory_back(void **state)
{
    (void)state;
    size_t kept = kept_after(5000);
    assert_true(kept < 1300 * (TOUCHED_KIB + 16) * KIB);
    assert_true(kept > 900 * TOUCHED_KIB * KIB);
}

static void stacks_below_the_mark_keep_it(void **state)
{
    (void)state;
    assert_true(kept_after(500) > 450 * TOUCHED_KIB * KIB);
}

/* ---------------------------------------------------------------- where mappings run out */

/* Where the limit on mappings is the default, 65,530. */
enum { GUARD_INSTALL = 102, MORE_THAN_FIT = 36000 };

/* From here on the kernel answers that advice with `error`, or, with 0, takes and ignores it. */
static bool refuse_guard_install(unsigned error)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GUARD_INSTALL, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof program / sizeof program[0], .filter = program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static int sleep_a_second(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(1));
}

struct outcome {
    size_t slept;
    size_t refused;
};

static int sleep_more_than_fit(void *arg, sheaf_value *result)
{
    struct outcome *outcome = arg;
    (void)result;
    sheaf_future **futures = calloc(MORE_THAN_FIT, sizeof *futures);
    if (!futures) {
        return SHEAF_NOMEM;
    }
    for (size_t i = 0; i < MORE_THAN_FIT; i++) {
        futures[i] = sheaf_spawn(sleep_a_second, NULL);
    }
    for (size_t i = 0; i < MORE_THAN_FIT; i++) {
        int status = sheaf_join(futures[i], NULL);
        outcome->slept += status == SHEAF_OK;
        outcome->refused += status == SHEAF_NOMEM;
    }
    free(futures);
    /* What was refused was the moment's: there is room again. */
    return sheaf_join(sheaf_spawn(sleep_a_second, NULL), NULL);
}

enum { ALL_AS_IT_SHOULD = 0, NOT_HERE = 77, RUN_FAILED, SOME_LOST, NONE_REFUSED };

static int judge(int status, const struct outcome *outcome)
{
    if (status != SHEAF_OK) {
        return RUN_FAILED;
    }
    if (outcome->slept + outcome->refused != MORE_THAN_FIT) {
        return SOME_LOST;
    }
    return outcome->refused > 0 ? ALL_AS_IT_SHOULD : NONE_REFUSED;
}

static bool limit_is_the_default(void)
{
    long limit = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    bool known = file && fscanf(file, "%ld", &limit) == 1;
    if (file) {
        fclose(file);
    }
    return known && limit <= 65530;
}

/* In a child: the kind of guard is found out once in a process. */
static int run_refused(unsigned error)
{
    int status;
    if (!limit_is_the_default()) {
        return NOT_HERE;
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct outcome outcome = {0, 0};
        if (!refuse_guard_install(error)) {
            _exit(NOT_HERE);
        }
        int ran = sheaf_run(SHEAF_OPTIONS(.workers = 2, .clock = SHEAF_CLOCK_VIRTUAL),
                            sleep_more_than_fit, &outcome, NULL);
        _exit(judge(ran, &outcome));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void without_guard_install_mappings_end_with_a_status(void **state)
{
    (void)state;
    int code = run_refused(EINVAL);
    if (code == NOT_HERE) {
        skip();
    }
    assert_int_equal(code, ALL_AS_IT_SHOULD);
}

static void an_advice_that_does_nothing_counts_as_none(void **state)
{
    (void)state;
    int code = run_refused(0);
    if (code == NOT_HERE) {
        skip();
    }
    assert_int_equal(code, ALL_AS_IT_SHOULD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First, while the process has no pools behind it. */
        cmocka_unit_test(without_guard_install_mappings_end_with_a_status),
        cmocka_unit_test(an_advice_that_does_nothing_counts_as_none),
        cmocka_unit_test(stacks_below_the_mark_keep_it),
        cmocka_unit_test(stacks_past_the_mark_give_their_memory_back),
    };
    return cmocka_run_group_tests_name("scale", tests, NULL, NULL);
}
