/* Stacks: sizes, recycling, memory given back, threads that share a set. */
#include "tests/support/stacks.h"

#include "lib/platform/sanitize.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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
    assert_int_equal(stacks_counts().reserved_bytes, 0);
    assert_int_equal(stacks_counts().slabs, 0);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void every_byte_of_every_stack_is_its_own(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    char *low[COUNT];
    size_t usable = sheaf__stacks_usable(&stacks);
    for (int i = 0; i < COUNT; i++) {
        low[i] = stacks_take();
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
    char *low = stacks_take();
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
    char *a = stacks_take();
    char *b = stacks_take();
    char *c = stacks_take();
    sheaf__stack_give(&stacks, b);
    sheaf__stack_give(&stacks, a);
    sheaf__stack_give(&stacks, c);
    assert_ptr_equal(stacks_take(), c);
    assert_ptr_equal(stacks_take(), a);
    assert_ptr_equal(stacks_take(), b);
}

static void a_warm_stack_keeps_its_memory(void **state)
{
    (void)state;
    char *low = stacks_take();
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
        low[i] = stacks_take();
        memset(low[i], 7, usable);
    }
    for (int i = 0; i < 3; i++) sheaf__stack_give(&stacks, low[i]);
    assert_int_equal(stacks_counts().free_warm, 2);
    assert_int_equal(stacks_counts().free_cold, 1);
    assert_int_equal(resident_pages(low[0], usable), 0);
    assert_true(resident_pages(low[1], usable) > 1);
    assert_true(resident_pages(low[2], usable) > 1);
}

static void thrice_as_many_as_are_in_use_keep_their_memory(void **state)
{
    (void)state;
    char *low[12];
    sheaf__stacks_keep(&stacks, 1);
    for (int i = 0; i < 12; i++) low[i] = stacks_take();
    for (int i = 0; i < 9; i++) sheaf__stack_give(&stacks, low[i]);
    assert_int_equal(stacks_counts().free_warm, 9);
    sheaf__stack_give(&stacks, low[9]);
    assert_int_equal(stacks_counts().free_warm, 6);
    for (int i = 10; i < 12; i++) sheaf__stack_give(&stacks, low[i]);
    assert_int_equal(stacks_counts().free_warm, 1);
}

/* Stacks side by side lose their memory in one call, and those between them keep theirs. */
static void memory_goes_back_around_stacks_in_use(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    size_t usable = sheaf__stacks_usable(&stacks);
    char *low[COUNT];
    for (int i = 0; i < COUNT; i++) {
        low[i] = stacks_take();
        memset(low[i], i + 1, usable);
    }
    for (int i = 0; i < COUNT; i++) {
        if (i % 10) sheaf__stack_give(&stacks, low[i]);
    }
    sheaf__stacks_trim(&stacks, 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(resident_pages(low[i], usable) == 0, i % 10 != 0);
        assert_int_equal(low[i][usable / 2], i % 10 ? 0 : i + 1);
        assert_true(page_faults(low[i] - 1));
    }
    for (int i = 0; i < COUNT; i += 10) sheaf__stack_give(&stacks, low[i]);
}

static void a_cold_stack_stays_readable_and_is_taken_again(void **state)
{
    (void)state;
    size_t usable = sheaf__stacks_usable(&stacks);
    sheaf__stacks_keep(&stacks, 0);
    char *low = stacks_take();
    memset(low, 7, usable);
    sheaf__stack_give(&stacks, low);
    assert_int_equal(low[0], 0);
    assert_int_equal(low[usable - 1], 0);
    assert_ptr_equal(stacks_take(), low);
    memset(low, 8, usable);
    assert_true(page_faults(low - 1));
    sheaf__stack_give(&stacks, low);
}

static void warm_stacks_are_taken_before_cold_ones(void **state)
{
    (void)state;
    char *warm = stacks_take();
    char *cold = stacks_take();
    sheaf__stacks_keep(&stacks, 1);
    sheaf__stack_give(&stacks, cold);
    sheaf__stack_give(&stacks, warm);
    assert_ptr_equal(stacks_take(), warm);
    assert_ptr_equal(stacks_take(), cold);
}

static void trim_returns_all_memory_but_that_of_some(void **state)
{
    (void)state;
    char *low[10];
    size_t resident = 0;
    for (int i = 0; i < 10; i++) low[i] = stacks_take();
    for (int i = 0; i < 10; i++) sheaf__stack_give(&stacks, low[i]);
    sheaf__stacks_trim(&stacks, 3);
    assert_int_equal(stacks_counts().free_warm, 3);
    assert_int_equal(stacks_counts().free_cold, 7);
    for (int i = 0; i < 10; i++) resident += resident_pages(low[i], sheaf__stacks_usable(&stacks));
    assert_int_equal(resident, 3);
    sheaf__stacks_trim(&stacks, 5);
    assert_int_equal(stacks_counts().free_warm, 3);
}

static void lowering_the_high_water_mark_trims(void **state)
{
    (void)state;
    char *low[4];
    for (int i = 0; i < 4; i++) low[i] = stacks_take();
    for (int i = 0; i < 4; i++) sheaf__stack_give(&stacks, low[i]);
    assert_int_equal(stacks_counts().free_warm, 4);
    sheaf__stacks_keep(&stacks, 1);
    assert_int_equal(stacks_counts().free_warm, 1);
    assert_int_equal(stacks_counts().free_cold, 3);
}

static void statistics_count_what_happens(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static char *low[COUNT];
    for (int i = 0; i < COUNT; i++) low[i] = stacks_take();
    assert_int_equal(stacks_counts().live, COUNT);
    assert_int_equal(stacks_counts().free_warm + stacks_counts().free_cold, 0);
    assert_in_range(stacks_counts().slabs, 2, COUNT / 16);
    assert_true(stacks_counts().reserved_bytes >= COUNT * sheaf__stacks_usable(&stacks));
    size_t reserved = stacks_counts().reserved_bytes;
    for (int i = 0; i < COUNT; i++) sheaf__stack_give(&stacks, low[i]);
    assert_int_equal(stacks_counts().live, 0);
    assert_int_equal(stacks_counts().live_peak, COUNT);
    assert_int_equal(stacks_counts().free_warm + stacks_counts().free_cold, COUNT);
    for (int i = 0; i < COUNT; i++) low[i] = stacks_take();
    assert_int_equal(stacks_counts().reserved_bytes, reserved);
}

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
    assert_int_equal(stacks_counts().live, 0);
    assert_true(stacks_counts().live_peak <= THREADS * HELD);
    assert_true(stacks_counts().free_warm <= 6);
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
    assert_true(page_faults(low - 1));
    assert_true(page_faults(low - SHEAF__STACK_GUARD));
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

/* ---- abandoned stacks ------------------------------------------------------------------------ */

static void an_abandoned_stack_outlives_the_others(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    struct sheaf__stacks mixed;
    char *low[COUNT];
    assert_int_equal(sheaf__stacks_init(&mixed, 0), 0);
    for (int i = 0; i < COUNT; i++) {
        low[i] = sheaf__stack_take(&mixed);
        assert_non_null(low[i]);
        low[i][0] = (char)(i + 1);
    }
    /* Two neighbours, the first and the last among them. */
    for (int i = 0; i < COUNT; i++) {
        if (i % 13 < 2)
            sheaf__stack_abandon(&mixed, low[i]);
        else
            sheaf__stack_give(&mixed, low[i]);
    }
    ptrdiff_t end = (ptrdiff_t)sheaf__stacks_usable(&mixed);
    ptrdiff_t guard = (ptrdiff_t)mixed.guard;
    sheaf__stacks_destroy(&mixed);
    for (int i = 0; i < COUNT; i++) {
        bool kept = i % 13 < 2;
        assert_int_equal(page_faults(low[i]), !kept);
        assert_int_equal(page_faults(low[i] + end - 1), !kept);
        assert_true(page_faults(low[i] - 1));
        if (kept) {
            assert_int_equal(low[i][0], i + 1);
            low[i][end - 1] = 1;
            munmap(low[i] - guard, (size_t)(guard + end + 16));
        }
    }
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
        with_stacks(thrice_as_many_as_are_in_use_keep_their_memory),
        with_stacks(memory_goes_back_around_stacks_in_use),
        with_mprotect(memory_goes_back_around_stacks_in_use),
        with_stacks(a_cold_stack_stays_readable_and_is_taken_again),
        with_mprotect(a_cold_stack_stays_readable_and_is_taken_again),
        with_stacks(warm_stacks_are_taken_before_cold_ones),
        with_stacks(trim_returns_all_memory_but_that_of_some),
        with_stacks(lowering_the_high_water_mark_trims),
        with_stacks(statistics_count_what_happens),
        with_stacks(threads_never_share_a_stack),
        with_mprotect(threads_never_share_a_stack),
        with_stacks(a_single_stack_of_a_special_size_is_guarded),
        cmocka_unit_test(a_single_stack_that_makes_no_sense_is_refused),
        cmocka_unit_test(an_abandoned_stack_outlives_the_others),
    };
    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
