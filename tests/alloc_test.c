/* The allocation hook: counts, alignment, overflow, failing on purpose, replacing the allocator. */
#include "lib/alloc.h"

#include <sheaf/base.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---------------------------------------------------------------- counting */

static void blocks_and_bytes_are_counted(void **state)
{
    struct sheaf__alloc_counts before = sheaf__alloc_counts();
    (void)state;
    void *small = sheaf__alloc(10);
    void *large = sheaf__alloc(1000);
    assert_non_null(small);
    assert_non_null(large);
    struct sheaf__alloc_counts during = sheaf__alloc_counts();
    assert_int_equal(during.total, before.total + 2);
    assert_int_equal(during.live_blocks, before.live_blocks + 2);
    assert_int_equal(during.live_bytes, before.live_bytes + 1010);
    sheaf__free(small, 10);
    sheaf__free(large, 1000);
    struct sheaf__alloc_counts after = sheaf__alloc_counts();
    assert_int_equal(after.total, before.total + 2);
    assert_int_equal(after.live_blocks, before.live_blocks);
    assert_int_equal(after.live_bytes, before.live_bytes);
}

static void size_zero_gives_blocks_of_their_own(void **state)
{
    void *one = sheaf__alloc(0);
    void *other = sheaf__alloc_array(0, 24);
    (void)state;
    assert_non_null(one);
    assert_non_null(other);
    assert_ptr_not_equal(one, other);
    sheaf__free(one, 0);
    sheaf__free_array(other, 0, 24);
    assert_int_equal(sheaf__alloc_counts().live_blocks, 0);
}

static void freeing_null_is_nothing(void **state)
{
    (void)state;
    sheaf__free(NULL, 100);
    assert_int_equal(sheaf__alloc_counts().live_blocks, 0);
    assert_int_equal(sheaf__alloc_counts().live_bytes, 0);
}

static void zeroed_blocks_are_zero(void **state)
{
    static const unsigned char zeros[500];
    (void)state;
    void *dirty = sheaf__alloc(sizeof zeros);
    memset(dirty, 0xa5, sizeof zeros);
    sheaf__free(dirty, sizeof zeros);
    void *block = sheaf__alloc_zeroed(sizeof zeros);
    assert_memory_equal(block, zeros, sizeof zeros);
    sheaf__free(block, sizeof zeros);
}

static void every_alignment_is_kept(void **state)
{
    (void)state;
    for (size_t align = 1; align <= 65536; align *= 2) {
        void *block = sheaf__alloc_aligned(3, align);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % align, 0);
        sheaf__free(block, 3);
    }
}

static void arrays_whose_size_overflows_are_refused(void **state)
{
    (void)state;
    assert_null(sheaf__alloc_array(SIZE_MAX / 8 + 1, 8));
    assert_null(sheaf__alloc_array(SIZE_MAX, SIZE_MAX));
    assert_int_equal(sheaf__alloc_counts().live_blocks, 0);
}

static void sizes_are_added_and_multiplied_with_a_check(void **state)
{
    size_t result = 0;
    (void)state;
    assert_true(sheaf__size_add(SIZE_MAX - 1, 1, &result));
    assert_true(result == SIZE_MAX);
    assert_false(sheaf__size_add(SIZE_MAX, 1, &result));
    assert_true(sheaf__size_multiply(SIZE_MAX / 2, 2, &result));
    assert_true(result == SIZE_MAX - 1);
    assert_false(sheaf__size_multiply(SIZE_MAX / 2 + 1, 2, &result));
}

/* ---------------------------------------------------------------- failing on purpose */

/* One bit for each of 6 allocations that succeeded, the first one lowest. */
static unsigned successes(void)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < 6; i++) {
        void *block = sheaf__alloc(16);
        bits |= (block != NULL ? 1U : 0U) << i;
        sheaf__free(block, 16);
    }
    return bits;
}

static void the_chosen_allocation_fails_once(void **state)
{
    (void)state;
    sheaf__alloc_fail_after(2, SHEAF__ALLOC_FAIL_ONCE);
    assert_int_equal(successes(), 0x3b);
    assert_int_equal(sheaf__alloc_points(), 6);
    sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_ONCE);
    assert_int_equal(successes(), 0x3f);
}

static void sticky_failing_lasts_until_it_is_ended(void **state)
{
    (void)state;
    sheaf__alloc_fail_after(2, SHEAF__ALLOC_FAIL_STICKY);
    assert_int_equal(successes(), 0x03);
    sheaf__alloc_fail_after(0, SHEAF__ALLOC_FAIL_STICKY);
    assert_int_equal(successes(), 0x00);
    sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_STICKY);
    assert_int_equal(successes(), 0x3f);
}

static void every_kind_of_allocation_is_a_point(void **state)
{
    (void)state;
    sheaf__alloc_fail_after(0, SHEAF__ALLOC_FAIL_STICKY);
    assert_null(sheaf__alloc(1));
    assert_null(sheaf__alloc_zeroed(1));
    assert_null(sheaf__alloc_aligned(1, 64));
    assert_null(sheaf__alloc_array(1, 1));
    assert_int_equal(sheaf__alloc_points(), 4);
    sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_STICKY);
    assert_int_equal(sheaf__alloc_counts().live_blocks, 0);
}

/* ---------------------------------------------------------------- the allocator */

struct ledger {
    size_t blocks;
    size_t bytes;
    size_t align; /* of the last allocation */
};

static void *ledger_alloc(void *context, size_t bytes, size_t align)
{
    struct ledger *ledger = context;
    ledger->blocks++;
    ledger->bytes += bytes;
    ledger->align = align;
    return aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void ledger_free(void *context, void *block, size_t bytes)
{
    struct ledger *ledger = context;
    ledger->blocks--;
    ledger->bytes -= bytes;
    free(block);
}

static void a_replaced_allocator_gets_every_request(void **state)
{
    struct ledger ledger = {0};
    sheaf_allocator allocator = {sizeof allocator, ledger_alloc, ledger_free, &ledger};
    (void)state;
    assert_int_equal(sheaf_set_allocator(&allocator), SHEAF_OK);
    void *block = sheaf__alloc_aligned(100, 128);
    void *nothing = sheaf__alloc(0);
    assert_int_equal(ledger.blocks, 2);
    assert_int_equal(ledger.bytes, 101);
    assert_int_equal(ledger.align, _Alignof(max_align_t));
    sheaf__free(nothing, 0);
    sheaf__free(block, 100);
    assert_int_equal(ledger.blocks, 0);
    assert_int_equal(ledger.bytes, 0);
    assert_int_equal(sheaf_set_allocator(NULL), SHEAF_OK);
    sheaf__free(sheaf__alloc(8), 8);
    assert_int_equal(ledger.blocks, 0);
}

static void the_allocator_stays_while_a_block_lives(void **state)
{
    struct ledger ledger = {0};
    sheaf_allocator allocator = {sizeof allocator, ledger_alloc, ledger_free, &ledger};
    (void)state;
    void *block = sheaf__alloc(8);
    assert_int_equal(sheaf_set_allocator(&allocator), SHEAF_STATE);
    assert_int_equal(sheaf_set_allocator(NULL), SHEAF_STATE);
    sheaf__free(block, 8);
    assert_int_equal(ledger.blocks, 0);
    assert_int_equal(sheaf_set_allocator(NULL), SHEAF_OK);
}

static void an_incomplete_allocator_is_refused(void **state)
{
    struct ledger ledger = {0};
    sheaf_allocator no_size = {0, ledger_alloc, ledger_free, &ledger};
    sheaf_allocator no_alloc = {sizeof no_alloc, NULL, ledger_free, &ledger};
    sheaf_allocator no_free = {sizeof no_free, ledger_alloc, NULL, &ledger};
    (void)state;
    assert_int_equal(sheaf_set_allocator(&no_size), SHEAF_INVALID);
    assert_int_equal(sheaf_set_allocator(&no_alloc), SHEAF_INVALID);
    assert_int_equal(sheaf_set_allocator(&no_free), SHEAF_INVALID);
    sheaf__free(sheaf__alloc(8), 8);
    assert_int_equal(ledger.blocks, 0);
}

static void *refuse(void *context, size_t bytes, size_t align)
{
    (void)context;
    (void)bytes;
    (void)align;
    return NULL;
}

static void an_allocator_without_memory_leaves_the_counts(void **state)
{
    struct ledger ledger = {0};
    sheaf_allocator allocator = {sizeof allocator, refuse, ledger_free, &ledger};
    struct sheaf__alloc_counts before = sheaf__alloc_counts();
    (void)state;
    assert_int_equal(sheaf_set_allocator(&allocator), SHEAF_OK);
    assert_null(sheaf__alloc(8));
    assert_null(sheaf__alloc_zeroed(8));
    assert_int_equal(sheaf__alloc_counts().total, before.total);
    assert_int_equal(sheaf__alloc_counts().live_bytes, 0);
    assert_int_equal(sheaf_set_allocator(NULL), SHEAF_OK);
}

/* ---------------------------------------------------------------- threads */

enum { THREADS = 4 };

static const size_t rounds = 5000;

static void *churn(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < rounds; i++) {
        size_t size = i % 50;
        void *block = sheaf__alloc(size);
        if (block == NULL) return arg;
        sheaf__free(block, size);
    }
    return NULL;
}

static void counts_balance_over_threads(void **state)
{
    pthread_t threads[THREADS];
    int failed = 1;
    uint64_t before = sheaf__alloc_counts().total;
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &failed), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    assert_int_equal(sheaf__alloc_counts().total, before + THREADS * rounds);
    assert_int_equal(sheaf__alloc_counts().live_blocks, 0);
    assert_int_equal(sheaf__alloc_counts().live_bytes, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_and_bytes_are_counted),
        cmocka_unit_test(size_zero_gives_blocks_of_their_own),
        cmocka_unit_test(freeing_null_is_nothing),
        cmocka_unit_test(zeroed_blocks_are_zero),
        cmocka_unit_test(every_alignment_is_kept),
        cmocka_unit_test(arrays_whose_size_overflows_are_refused),
        cmocka_unit_test(sizes_are_added_and_multiplied_with_a_check),
        cmocka_unit_test(the_chosen_allocation_fails_once),
        cmocka_unit_test(sticky_failing_lasts_until_it_is_ended),
        cmocka_unit_test(every_kind_of_allocation_is_a_point),
        cmocka_unit_test(a_replaced_allocator_gets_every_request),
        cmocka_unit_test(the_allocator_stays_while_a_block_lives),
        cmocka_unit_test(an_incomplete_allocator_is_refused),
        cmocka_unit_test(an_allocator_without_memory_leaves_the_counts),
        cmocka_unit_test(counts_balance_over_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
