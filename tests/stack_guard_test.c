/* Guards of stacks: where they are, that they hold, what happens when the system refuses one. */
#include "tests/support/stacks.h"

#include "lib/platform/context.h"
#include "lib/platform/sanitize.h"
#include "tests/support/emulator.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- guards, of both kinds ------------------------------------------------------------------- */

static void each_page_of_the_guard_faults_and_the_stack_does_not(void **state)
{
    (void)state;
    ptrdiff_t page = sysconf(_SC_PAGESIZE);
    ptrdiff_t guard = (ptrdiff_t)stacks.guard;
    assert_true(guard >= (ptrdiff_t)SHEAF__STACK_GUARD);
    for (int i = 0; i < 20; i++) {
        char *low = stacks_take();
        assert_false(page_faults(low));
        assert_false(page_faults(low + sheaf__stacks_usable(&stacks) - 1));
        for (ptrdiff_t below = 1; below <= guard; below += page - 1)
            assert_true(page_faults(low - below));
        assert_false(page_faults(low - guard - 1));
    }
}

static void the_guard_survives_giving_trimming_and_taking(void **state)
{
    (void)state;
    sheaf__stacks_keep(&stacks, 0);
    for (int i = 0; i < 3; i++) {
        char *low = stacks_take();
        low[0] = 1;
        sheaf__stack_give(&stacks, low);
        assert_true(page_faults(low - 1));
        assert_true(page_faults(low - stacks.guard));
    }
}

static void a_guard_is_told_from_a_stack_by_its_address(void **state)
{
    (void)state;
    assert_false(sheaf__stack_guard_hit(&stacks, NULL));
    for (int i = 0; i < 40; i++) {
        char *low = stacks_take();
        char *high = low + sheaf__stacks_usable(&stacks);
        assert_true(sheaf__stack_guard_hit(&stacks, low - 1));
        assert_true(sheaf__stack_guard_hit(&stacks, low - stacks.guard));
        assert_false(sheaf__stack_guard_hit(&stacks, low));
        assert_false(sheaf__stack_guard_hit(&stacks, high - 1));
        assert_true(sheaf__stack_guard_below(low, low - 1));
        assert_true(sheaf__stack_guard_below(low, low - SHEAF__STACK_GUARD));
        assert_false(sheaf__stack_guard_below(low, low));
        assert_false(sheaf__stack_guard_below(low, low - stacks.guard - 1));
        assert_false(sheaf__stack_guard_below(low, high));
    }
    int local = 0;
    assert_false(sheaf__stack_guard_hit(&stacks, &local));
    assert_false(sheaf__stack_guard_hit(&stacks, NULL));
    assert_false(sheaf__stack_guard_hit(&stacks, (const void *)UINTPTR_MAX));
    assert_false(sheaf__stack_guard_below(&local, NULL));
}

#if !SHEAF__SANITIZED

/* Goes down the stack by at least 1 KiB a step; meets the guard long before `steps` are done. */
static SHEAF__NOINLINE int descend(int steps, const volatile char *above)
{
    volatile char frame[1024];
    frame[0] = *above;
    if (steps == 0) return frame[0];
    int deeper = descend(steps - 1, frame);
    return deeper + frame[0];
}

static void overflow(void *arg)
{
    char start = 1;
    (void)arg;
    _exit(descend(1000000, &start));
}

static void report_guard(int signal, siginfo_t *info, void *registers)
{
    (void)signal;
    (void)registers;
    _exit(sheaf__stack_guard_hit(&stacks, info->si_addr) ? 42 : 43);
}

/* Runs in a child process. */
static void overflow_with_a_handler(void)
{
    static char alternate[64 * 1024];
    stack_t handler_stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction action = {.sa_sigaction = report_guard, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sheaf__context thread;
    struct sheaf__context victim;
    char *low = sheaf__stack_take(&stacks);
    if (!low || sigaltstack(&handler_stack, NULL) != 0) _exit(44);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sheaf__context_adopt(&thread);
    sheaf__context_make(&victim, low, sheaf__stacks_usable(&stacks), sheaf__context_get_modes(),
                        overflow, NULL);
    sheaf__context_switch(&thread, &victim);
    _exit(45);
}

static void an_overflow_faults_in_the_guard_and_a_handler_can_tell(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) overflow_with_a_handler();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

#endif

static void a_stack_given_twice_stops_the_process(void **state)
{
    (void)state;
    int status;
    char *low = stacks_take();
    sheaf__stack_give(&stacks, low);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        sheaf__stack_give(&stacks, low);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- limits ---------------------------------------------------------------------------------- */

#if !SHEAF__SANITIZED

#define MIB ((size_t)1024 * 1024)

static bool can_reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return false;
    munmap(at, bytes);
    return true;
}

static struct rlimit address_space_before;

/* Let the process have 400 MiB of address space beyond what it has. */
static int address_space_setup(void **state)
{
    unsigned long pages = 0;
    (void)state;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return -1;
    int read = fscanf(file, "%lu", &pages);
    fclose(file);
    if (read != 1 || getrlimit(RLIMIT_AS, &address_space_before) != 0) return -1;
    struct rlimit limit = address_space_before;
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + 400 * MIB;
    return setrlimit(RLIMIT_AS, &limit);
}

static int address_space_teardown(void **state)
{
    (void)state;
    return setrlimit(RLIMIT_AS, &address_space_before);
}

/* What an emulator has not is not looked for there; elsewhere the test says that it is missing. */
#define LEAVE_OUT_IF(it_is_missing)                                                                \
    do {                                                                                           \
        if (it_is_missing) {                                                                       \
            if (emulator_is_there()) return;                                                       \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

static void a_stack_too_large_for_the_address_space_is_refused(void **state)
{
    (void)state;
    struct sheaf__stacks huge;
    struct sheaf__stacks_statistics after;
    LEAVE_OUT_IF(can_reserve(1000 * MIB));
    assert_int_equal(sheaf__stacks_init(&huge, 1000 * MIB), 0);
    for (int i = 0; i < 3; i++) assert_null(sheaf__stack_take(&huge));
    sheaf__stacks_read_statistics(&huge, &after);
    assert_int_equal(after.live, 0);
    assert_int_equal(after.slabs, 0);
    sheaf__stacks_destroy(&huge);
    size_t usable;
    assert_null(sheaf__stack_map(1000 * MIB, &usable));
}

static void a_slab_too_large_for_the_address_space_is_made_smaller(void **state)
{
    (void)state;
    struct sheaf__stacks large;
    struct sheaf__stacks_statistics after;
    LEAVE_OUT_IF(can_reserve(1000 * MIB));
    assert_int_equal(sheaf__stacks_init(&large, 90 * MIB), 0);
    for (int i = 0; i < 4; i++) assert_non_null(sheaf__stack_take(&large));
    assert_null(sheaf__stack_take(&large));
    sheaf__stacks_read_statistics(&large, &after);
    assert_int_equal(after.live, 4);
    assert_int_equal(after.slabs, 1);
    sheaf__stacks_destroy(&large);
}

static long map_limit(void)
{
    long limit = -1;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    if (!file) return -1;
    if (fscanf(file, "%ld", &limit) != 1) limit = -1;
    fclose(file);
    return limit;
}

/* Split a reservation into single pages until the system has no mapping left to give. */
static void use_up_mappings(char *pages, size_t count, size_t page)
{
    for (size_t i = 1; i < count; i += 2)
        if (mprotect(pages + i * page, page, PROT_READ) != 0) return;
}

static void a_guard_that_the_system_refuses_means_no_stack(void **state)
{
    (void)state;
    long limit = map_limit();
    if (limit < 0 || limit > 300000) skip();
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t count = (size_t)limit + 100;
    char *first = stacks_take();
    char *pages = mmap(NULL, count * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    use_up_mappings(pages, count, page);
    char *refused[2];
    for (int i = 0; i < 2; i++) refused[i] = sheaf__stack_take(&stacks);
    munmap(pages, count * page);

    assert_null(refused[0]);
    assert_null(refused[1]);
    assert_int_equal(stacks_counts().live, 1);
    char *next = stacks_take();
    assert_true(next != first);
    assert_true(page_faults(next - 1));
    assert_int_equal(stacks_counts().live, 2);
}

static void more_stacks_than_mappings_fit(void **state)
{
    (void)state;
    enum { COUNT = 36000 };
    static char *low[COUNT];
    struct sheaf__stacks many;
    assert_int_equal(sheaf__stacks_init(&many, SHEAF__STACK_SIZE_MIN), 0);
    LEAVE_OUT_IF(many.guard_kind != SHEAF__STACK_GUARD_INSTALL);
    for (int i = 0; i < COUNT; i++) {
        low[i] = sheaf__stack_take(&many);
        assert_non_null(low[i]);
    }
    assert_true(page_faults(low[COUNT - 1] - 1));
    sheaf__stacks_destroy(&many);
}

#endif

#define with_little_address_space(test)                                                            \
    cmocka_unit_test_setup_teardown(test, address_space_setup, address_space_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_stacks(each_page_of_the_guard_faults_and_the_stack_does_not),
        with_mprotect(each_page_of_the_guard_faults_and_the_stack_does_not),
        with_stacks(the_guard_survives_giving_trimming_and_taking),
        with_mprotect(the_guard_survives_giving_trimming_and_taking),
        with_stacks(a_guard_is_told_from_a_stack_by_its_address),
        with_stacks(a_stack_given_twice_stops_the_process),
#if !SHEAF__SANITIZED
        with_stacks(an_overflow_faults_in_the_guard_and_a_handler_can_tell),
        with_mprotect(an_overflow_faults_in_the_guard_and_a_handler_can_tell),
        with_little_address_space(a_stack_too_large_for_the_address_space_is_refused),
        with_little_address_space(a_slab_too_large_for_the_address_space_is_made_smaller),
        with_mprotect(a_guard_that_the_system_refuses_means_no_stack),
        cmocka_unit_test(more_stacks_than_mappings_fit),
#endif
    };
    return cmocka_run_group_tests_name("stack_guard", tests, NULL, NULL);
}
