/* Stacks: sizes, guards, recycling, memory given back, and what happens when the system refuses. */
#include "lib/platform/stack.h"

#include "lib/platform/context.h"
#include "lib/platform/sanitize.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct sheaf__stacks stacks;

static int stacks_setup(void **state)
{
    (void)state;
    return sheaf__stacks_init(&stacks, 0);
}

static int stacks_teardown(void **state)
{
    (void)state;
    sheaf__stacks_destroy(&stacks);
    return 0;
}

static struct sheaf__stacks_statistics counts(void)
{
    struct sheaf__stacks_statistics now;
    sheaf__stacks_read_statistics(&stacks, &now);
    return now;
}

static char *take(void)
{
    char *low = sheaf__stack_take(&stacks);
    assert_non_null(low);
    return low;
}

/* Whether a read from the address faults, by asking the kernel to do it. */
static bool faults(const void *address)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    bool answer = write(ends[1], address, 1) == -1 && errno == EFAULT;
    close(ends[0]);
    close(ends[1]);
    return answer;
}

/* How many pages of [low, low + bytes) have memory. */
static size_t resident_pages(const char *low, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = (bytes + page - 1) / page;
    unsigned char *map = malloc(pages);
    size_t resident = 0;
    assert_non_null(map);
    assert_int_equal(mincore((void *)(uintptr_t)low, pages * page, map), 0);
    for (size_t i = 0; i < pages; i++) resident += map[i] & 1;
    free(map);
    return resident;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void the_default_stack_has_256_kib_of_address_space(void **state)
{
    (void)state;
    size_t usable = sheaf__stacks_usable(&stacks);
    assert_in_range(usable, SHEAF__STACK_SIZE_DEFAULT - 16, SHEAF__STACK_SIZE_DEFAULT);
    assert_int_equal(usable % 16, 0);
}

static void sizes_are_rounded_up_to_pages(void **state)
{
    (void)state;
    struct sheaf__stacks odd;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(sheaf__stacks_init(&odd, 5 * page * 4 + 1), 0);
    assert_in_range(sheaf__stacks_usable(&odd), 21 * page - 16, 21 * page);
    sheaf__stacks_destroy(&odd);
}

static void sizes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct sheaf__stacks none;
    assert_int_equal(sheaf__stacks_init(&none, 1), EINVAL);
    assert_int_equal(sheaf__stacks_init(&none, SHEAF__STACK_SIZE_MIN - 1), EINVAL);
    assert_int_equal(sheaf__stacks_init(&none, SIZE_MAX), EINVAL);
    assert_int_equal(sheaf__stacks_init(&none, SIZE_MAX - 4095), EINVAL);
    assert_int_equal(sheaf__stacks_init(&none, SIZE_MAX / 256), EINVAL);
}

static void the_smallest_stack_works(void **state)
{
    (void)state;
    struct sheaf__stacks small;
    assert_int_equal(sheaf__stacks_init(&small, SHEAF__STACK_SIZE_MIN), 0);
    char *low = sheaf__stack_take(&small);
    assert_non_null(low);
    memset(low, 1, sheaf__stacks_usable(&small));
    sheaf__stack_give(&small, low);
    sheaf__stacks_destroy(&small);
}

static void stacks_that_were_never_used_reserve_nothing(void **state)
{
    (void)state;
    assert_int_equal(counts().reserved_bytes, 0);
    assert_int_equal(counts().slabs, 0);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void every_byte_of_every_stack_is_its_own(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    char *low[COUNT];
    size_t usable = sheaf__stacks_usable(&stacks);
    for (int i = 0; i < COUNT; i++) {
        low[i] = take();
        assert_int_equal((uintptr_t)low[i] % (size_t)sysconf(_SC_PAGESIZE), 0);
        memset(low[i], i, usable);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(low[i][0], i);
        assert_memory_equal(low[i], low[i] + 1, usable - 1);
        sheaf__stack_give(&stacks, low[i]);
    }
}

static void a_stack_costs_the_pages_that_are_touched(void **state)
{
    (void)state;
    size_t usable = sheaf__stacks_usable(&stacks);
    char *low = take();
    assert_true(resident_pages(low, usable) <= 1);
    low[usable - 1] = 1;
    assert_int_equal(resident_pages(low, usable), 1);
    low[0] = 1;
    assert_int_equal(resident_pages(low, usable), 2);
    sheaf__stack_give(&stacks, low);
}

static void the_stack_given_last_is_taken_first(void **state)
{
    (void)state;
    char *a = take();
    char *b = take();
    char *c = take();
    sheaf__stack_give(&stacks, b);
    sheaf__stack_give(&stacks, a);
    sheaf__stack_give(&stacks, c);
    assert_ptr_equal(take(), c);
    assert_ptr_equal(take(), a);
    assert_ptr_equal(take(), b);
}

static void a_warm_stack_keeps_its_memory(void **state)
{
    (void)state;
    char *low = take();
    low[0] = 7;
    sheaf__stack_give(&stacks, low);
    assert_int_equal(resident_pages(low, sheaf__stacks_usable(&stacks)), 2);
    assert_int_equal(low[0], 7);
}

static void past_the_high_water_mark_memory_goes_back(void **state)
{
    (void)state;
    size_t usable = sheaf__stacks_usable(&stacks);
    char *low[3];
    sheaf__stacks_keep(&stacks, 2);
    for (int i = 0; i < 3; i++) {
        low[i] = take();
        memset(low[i], 7, usable);
    }
    for (int i = 0; i < 3; i++) sheaf__stack_give(&stacks, low[i]);
    assert_int_equal(counts().free_warm, 2);
    assert_int_equal(counts().free_cold, 1);
    assert_true(resident_pages(low[0], usable) > 1);
    assert_true(resident_pages(low[1], usable) > 1);
    assert_int_equal(resident_pages(low[2], usable), 0);
}

static void a_cold_stack_stays_readable_and_is_taken_again(void **state)
{
    (void)state;
    size_t usable = sheaf__stacks_usable(&stacks);
    sheaf__stacks_keep(&stacks, 0);
    char *low = take();
    memset(low, 7, usable);
    sheaf__stack_give(&stacks, low);
    assert_int_equal(low[0], 0);
    assert_int_equal(low[usable - 1], 0);
    assert_ptr_equal(take(), low);
    memset(low, 8, usable);
    assert_true(faults(low - 1));
    sheaf__stack_give(&stacks, low);
}

static void warm_stacks_are_taken_before_cold_ones(void **state)
{
    (void)state;
    char *warm = take();
    char *cold = take();
    sheaf__stacks_keep(&stacks, 1);
    sheaf__stack_give(&stacks, warm);
    sheaf__stack_give(&stacks, cold);
    assert_ptr_equal(take(), warm);
    assert_ptr_equal(take(), cold);
}

static void trim_returns_all_memory_but_that_of_some(void **state)
{
    (void)state;
    char *low[10];
    size_t resident = 0;
    for (int i = 0; i < 10; i++) low[i] = take();
    for (int i = 0; i < 10; i++) sheaf__stack_give(&stacks, low[i]);
    sheaf__stacks_trim(&stacks, 3);
    assert_int_equal(counts().free_warm, 3);
    assert_int_equal(counts().free_cold, 7);
    for (int i = 0; i < 10; i++) resident += resident_pages(low[i], sheaf__stacks_usable(&stacks));
    assert_int_equal(resident, 3);
    sheaf__stacks_trim(&stacks, 5);
    assert_int_equal(counts().free_warm, 3);
}

static void lowering_the_high_water_mark_trims(void **state)
{
    (void)state;
    char *low[4];
    for (int i = 0; i < 4; i++) low[i] = take();
    for (int i = 0; i < 4; i++) sheaf__stack_give(&stacks, low[i]);
    assert_int_equal(counts().free_warm, 4);
    sheaf__stacks_keep(&stacks, 1);
    assert_int_equal(counts().free_warm, 1);
    assert_int_equal(counts().free_cold, 3);
}

static void statistics_count_what_happens(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static char *low[COUNT];
    for (int i = 0; i < COUNT; i++) low[i] = take();
    assert_int_equal(counts().live, COUNT);
    assert_int_equal(counts().free_warm + counts().free_cold, 0);
    assert_in_range(counts().slabs, 2, COUNT / 16);
    assert_true(counts().reserved_bytes >= COUNT * sheaf__stacks_usable(&stacks));
    size_t reserved = counts().reserved_bytes;
    for (int i = 0; i < COUNT; i++) sheaf__stack_give(&stacks, low[i]);
    assert_int_equal(counts().live, 0);
    assert_int_equal(counts().live_peak, COUNT);
    assert_int_equal(counts().free_warm + counts().free_cold, COUNT);
    for (int i = 0; i < COUNT; i++) low[i] = take();
    assert_int_equal(counts().reserved_bytes, reserved);
}

/* ---- guards, of both kinds ------------------------------------------------------------------- */

static int protect_setup(void **state)
{
    int failed = stacks_setup(state);
    stacks.guard_kind = SHEAF__STACK_GUARD_PROTECT;
    return failed;
}

static void each_page_of_the_guard_faults_and_the_stack_does_not(void **state)
{
    (void)state;
    ptrdiff_t page = sysconf(_SC_PAGESIZE);
    ptrdiff_t guard = (ptrdiff_t)stacks.guard;
    assert_true(guard >= (ptrdiff_t)SHEAF__STACK_GUARD);
    for (int i = 0; i < 20; i++) {
        char *low = take();
        assert_false(faults(low));
        assert_false(faults(low + sheaf__stacks_usable(&stacks) - 1));
        for (ptrdiff_t below = 1; below <= guard; below += page - 1)
            assert_true(faults(low - below));
        assert_false(faults(low - guard - 1));
    }
}

static void the_guard_survives_giving_trimming_and_taking(void **state)
{
    (void)state;
    sheaf__stacks_keep(&stacks, 0);
    for (int i = 0; i < 3; i++) {
        char *low = take();
        low[0] = 1;
        sheaf__stack_give(&stacks, low);
        assert_true(faults(low - 1));
        assert_true(faults(low - stacks.guard));
    }
}

static void a_guard_is_told_from_a_stack_by_its_address(void **state)
{
    (void)state;
    assert_false(sheaf__stack_guard_hit(&stacks, NULL));
    for (int i = 0; i < 40; i++) {
        char *low = take();
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
    sheaf__context_make(&victim, low, sheaf__stacks_usable(&stacks), overflow, NULL);
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
    char *low = take();
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

static void a_stack_too_large_for_the_address_space_is_refused(void **state)
{
    (void)state;
    struct sheaf__stacks huge;
    struct sheaf__stacks_statistics after;
    if (can_reserve(1000 * MIB)) skip(); /* emulators do without the limit */
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
    if (can_reserve(1000 * MIB)) skip(); /* emulators do without the limit */
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
    char *first = take();
    char *pages = mmap(NULL, count * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    use_up_mappings(pages, count, page);
    char *refused[2];
    for (int i = 0; i < 2; i++) refused[i] = sheaf__stack_take(&stacks);
    munmap(pages, count * page);

    assert_null(refused[0]);
    assert_null(refused[1]);
    assert_int_equal(counts().live, 1);
    char *next = take();
    assert_true(next != first);
    assert_true(faults(next - 1));
    assert_int_equal(counts().live, 2);
}

static void more_stacks_than_mappings_fit(void **state)
{
    (void)state;
    enum { COUNT = 36000 };
    static char *low[COUNT];
    struct sheaf__stacks many;
    assert_int_equal(sheaf__stacks_init(&many, SHEAF__STACK_SIZE_MIN), 0);
    if (many.guard_kind != SHEAF__STACK_GUARD_INSTALL) skip();
    for (int i = 0; i < COUNT; i++) {
        low[i] = sheaf__stack_take(&many);
        assert_non_null(low[i]);
    }
    assert_true(faults(low[COUNT - 1] - 1));
    sheaf__stacks_destroy(&many);
}

#endif

/* ---- threads --------------------------------------------------------------------------------- */

#define THREADS 4
#define HELD 5
#if SHEAF__SANITIZED
#define TAKE_ROUNDS 200
#else
#define TAKE_ROUNDS 3000
#endif

struct taker {
    pthread_barrier_t *start;
    int failures;
};

/* Each stack is marked as this thread's own while it is held. */
static void take_mark_and_give(struct taker *t)
{
    char *held[HELD];
    for (int i = 0; i < HELD; i++) {
        held[i] = sheaf__stack_take(&stacks);
        if (held[i])
            memcpy(held[i], &t, sizeof t);
        else
            t->failures++;
    }
    for (int i = 0; i < HELD; i++) {
        if (!held[i]) continue;
        t->failures += memcmp(held[i], &t, sizeof t) != 0;
        sheaf__stack_give(&stacks, held[i]);
    }
}

static void *take_and_give(void *arg)
{
    struct taker *t = arg;
    pthread_barrier_wait(t->start);
    for (int round = 0; round < TAKE_ROUNDS; round++) take_mark_and_give(t);
    return NULL;
}

static void threads_never_share_a_stack(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    struct taker taker[THREADS];
    pthread_barrier_t start;
    sheaf__stacks_keep(&stacks, 6);
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        taker[i] = (struct taker){.start = &start};
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, &taker[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(taker[i].failures, 0);
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(counts().live, 0);
    assert_true(counts().live_peak <= THREADS * HELD);
    assert_true(counts().free_warm <= 6);
}

/* ---- single stacks --------------------------------------------------------------------------- */

static void a_single_stack_of_a_special_size_is_guarded(void **state)
{
    (void)state;
    size_t usable = 0;
    size_t size = 1000 * 1000;
    char *low = sheaf__stack_map(size, &usable);
    assert_non_null(low);
    assert_in_range(usable, size, size + (size_t)sysconf(_SC_PAGESIZE));
    memset(low, 1, usable);
    assert_true(faults(low - 1));
    assert_true(faults(low - SHEAF__STACK_GUARD));
    assert_true(sheaf__stack_guard_below(low, low - 1));
    assert_false(sheaf__stack_guard_hit(&stacks, low - 1));
    sheaf__stack_unmap(low, usable);
    unsigned char resident;
    assert_int_equal(mincore(low, 1, &resident), -1);
    assert_int_equal(errno, ENOMEM);
}

static void a_single_stack_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    size_t usable = 5;
    assert_null(sheaf__stack_map(0, &usable));
    assert_null(sheaf__stack_map(SHEAF__STACK_SIZE_MIN - 1, &usable));
    assert_null(sheaf__stack_map(SIZE_MAX, &usable));
    assert_null(sheaf__stack_map(SIZE_MAX - 100000, &usable));
    assert_int_equal(usable, 5);
}

#define with_stacks(test) cmocka_unit_test_setup_teardown(test, stacks_setup, stacks_teardown)
#define with_little_address_space(test)                                                            \
    cmocka_unit_test_setup_teardown(test, address_space_setup, address_space_teardown)
#define with_mprotect(test)                                                                        \
    {                                                                                              \
#test "_with_mprotect", test, protect_setup, stacks_teardown, NULL                         \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_stacks(the_default_stack_has_256_kib_of_address_space),
        cmocka_unit_test(sizes_are_rounded_up_to_pages),
        cmocka_unit_test(sizes_that_make_no_sense_are_refused),
        cmocka_unit_test(the_smallest_stack_works),
        with_stacks(stacks_that_were_never_used_reserve_nothing),
        with_stacks(every_byte_of_every_stack_is_its_own),
        with_stacks(a_stack_costs_the_pages_that_are_touched),
        with_stacks(the_stack_given_last_is_taken_first),
        with_stacks(a_warm_stack_keeps_its_memory),
        with_stacks(past_the_high_water_mark_memory_goes_back),
        with_mprotect(past_the_high_water_mark_memory_goes_back),
        with_stacks(a_cold_stack_stays_readable_and_is_taken_again),
        with_mprotect(a_cold_stack_stays_readable_and_is_taken_again),
        with_stacks(warm_stacks_are_taken_before_cold_ones),
        with_stacks(trim_returns_all_memory_but_that_of_some),
        with_stacks(lowering_the_high_water_mark_trims),
        with_stacks(statistics_count_what_happens),
        with_stacks(each_page_of_the_guard_faults_and_the_stack_does_not),
        with_mprotect(each_page_of_the_guard_faults_and_the_stack_does_not),
        with_stacks(the_guard_survives_giving_trimming_and_taking),
        with_mprotect(the_guard_survives_giving_trimming_and_taking),
        with_stacks(a_guard_is_told_from_a_stack_by_its_address),
        with_stacks(a_stack_given_twice_stops_the_process),
#if !SHEAF__SANITIZED
        with_stacks(an_overflow_faults_in_the_guard_and_a_handler_can_tell),
        with_mprotect(an_overflow_faults_in_the_guard_and_a_handler_can_tell),
#endif
#if !SHEAF__SANITIZED
        with_little_address_space(a_stack_too_large_for_the_address_space_is_refused),
        with_little_address_space(a_slab_too_large_for_the_address_space_is_made_smaller),
        with_mprotect(a_guard_that_the_system_refuses_means_no_stack),
        cmocka_unit_test(more_stacks_than_mappings_fit),
#endif
        with_stacks(threads_never_share_a_stack),
        with_mprotect(threads_never_share_a_stack),
        with_stacks(a_single_stack_of_a_special_size_is_guarded),
        cmocka_unit_test(a_single_stack_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
