#include "lib/alloc.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <sheaf/base.h>

#include "lib/atomics.h"
#include "lib/error_impl.h"
#include "lib/platform/cpu.h"

static void *default_alloc(void *context, size_t bytes, size_t align)
{
    void *block = NULL;
    (void)context;
    if (align <= _Alignof(max_align_t)) {
        return malloc(bytes);
    }
    return posix_memalign(&block, align, bytes) == 0 ? block : NULL;
}

static void default_free(void *context, void *block, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(block);
}

static const sheaf_allocator default_allocator = {
    .size = sizeof(sheaf_allocator),
    .alloc = default_alloc,
    .free = default_free,
    .context = NULL,
};

/* Written by sheaf_set_allocator() only, while no other thread is inside of the library. */
static sheaf_allocator custom_allocator;

/* The one in force.  Written with release by sheaf_set_allocator(), which publishes what it points
 * to; read with acquire wherever memory comes or goes. */
static SHEAF__ATOMIC(const sheaf_allocator *) current_allocator = &default_allocator;

/* Written by every allocation and free, on one line, since they are written together.  Relaxed
 * everywhere: they order nothing, and readers want exact numbers only when all is quiet. */
static struct {
    _Alignas(SHEAF__CACHE_LINE) SHEAF__ATOMIC(uint64_t) given;
    SHEAF__ATOMIC(uint64_t) returned;
    SHEAF__ATOMIC(uint64_t) live_bytes;
} counts;

enum failing_mode { FAILING_OFF, FAILING_ONCE, FAILING_STICKY };

/* Written by sheaf__alloc_fail_after(); `points` also by every allocation while the mode is not
 * off.  Apart from the counts, since every allocation reads the mode. */
static struct {
    _Alignas(SHEAF__CACHE_LINE) SHEAF__ATOMIC(int) mode;
    SHEAF__ATOMIC(long) points;
    SHEAF__ATOMIC(long) fail_at;
} failing;

/* One more point; whether the allocation is to fail. */
static SHEAF__COLD bool must_fail(void)
{
    /* acquire: pairs with the release in sheaf__alloc_fail_after(); fail_at is that call's. */
    int mode = sheaf__load_acq(&failing.mode);
    /* relaxed: a ticket, each allocation draws another one. */
    long point = sheaf__add_rlx(&failing.points, 1);
    /* relaxed: ordered by the acquire above. */
    long fail_at = sheaf__load_rlx(&failing.fail_at);
    return (mode == FAILING_ONCE && point == fail_at) ||
           (mode == FAILING_STICKY && point >= fail_at);
}

void sheaf__alloc_fail_after(long n, enum sheaf__alloc_failing how)
{
    if (n < 0) {
        /* relaxed: nothing is published. */
        sheaf__store_rlx(&failing.mode, FAILING_OFF);
        return;
    }
    /* relaxed: published by the release below. */
    sheaf__store_rlx(&failing.points, 0);
    sheaf__store_rlx(&failing.fail_at, n);
    /* release: publishes points and fail_at; pairs with the acquire in must_fail(). */
    sheaf__store_rel(&failing.mode,
                     how == SHEAF__ALLOC_FAIL_STICKY ? FAILING_STICKY : FAILING_ONCE);
}

long sheaf__alloc_points(void)
{
    /* relaxed: exact when no other thread allocates. */
    return sheaf__load_rlx(&failing.points);
}

void *sheaf__alloc_aligned(size_t size, size_t align)
{
    size_t bytes = size == 0 ? 1 : size;
    SHEAF__ASSERT(align != 0 && (align & (align - 1)) == 0);
    /* relaxed: a test that switches failing on orders its threads itself. */
    if (SHEAF__UNLIKELY(sheaf__load_rlx(&failing.mode) != FAILING_OFF) && must_fail()) {
        return NULL;
    }
    /* acquire: pairs with the release in sheaf_set_allocator(). */
    const sheaf_allocator *allocator = sheaf__load_acq(&current_allocator);
    void *block = allocator->alloc(allocator->context, bytes, align);
    if (block != NULL) {
        SHEAF__ASSERT(((uintptr_t)block & (align - 1)) == 0);
        sheaf__add_rlx(&counts.given, 1);
        sheaf__add_rlx(&counts.live_bytes, size);
    }
    return block;
}

void *sheaf__alloc(size_t size)
{
    return sheaf__alloc_aligned(size, _Alignof(max_align_t));
}

void *sheaf__alloc_zeroed(size_t size)
{
    void *block = sheaf__alloc(size);
    if (block != NULL) {
        memset(block, 0, size);
    }
    return block;
}

void *sheaf__alloc_array(size_t count, size_t size)
{
    size_t bytes;
    return sheaf__size_multiply(count, size, &bytes) ? sheaf__alloc(bytes) : NULL;
}

void sheaf__free(void *block, size_t size)
{
    if (block == NULL) {
        return;
    }
    /* acquire: pairs with the release in sheaf_set_allocator(). */
    const sheaf_allocator *allocator = sheaf__load_acq(&current_allocator);
    allocator->free(allocator->context, block, size == 0 ? 1 : size);
    sheaf__add_rlx(&counts.returned, 1);
    sheaf__sub_rlx(&counts.live_bytes, size);
}

void sheaf__free_array(void *block, size_t count, size_t size)
{
    sheaf__free(block, count * size); /* cannot overflow: the block exists */
}

struct sheaf__alloc_counts sheaf__alloc_counts(void)
{
    /* relaxed: `returned` first, so that it is seldom ahead of `given`; exact when all is quiet. */
    uint64_t returned = sheaf__load_rlx(&counts.returned);
    uint64_t given = sheaf__load_rlx(&counts.given);
    return (struct sheaf__alloc_counts){
        .total = given,
        .live_blocks = given > returned ? given - returned : 0,
        .live_bytes = sheaf__load_rlx(&counts.live_bytes),
    };
}

int sheaf_set_allocator(const sheaf_allocator *allocator)
{
    const sheaf_allocator *next = &default_allocator;
    if (allocator != NULL && (allocator->size != sizeof(sheaf_allocator) ||
                              allocator->alloc == NULL || allocator->free == NULL)) {
        return SHEAF_INVALID;
    }
    if (sheaf__alloc_counts().live_blocks != 0) {
        return SHEAF_STATE;
    }
    if (allocator != NULL) {
        custom_allocator = *allocator;
        next = &custom_allocator;
    }
    /* release: publishes custom_allocator; pairs with the acquires of alloc and free. */
    sheaf__store_rel(&current_allocator, next);
    return SHEAF_OK;
}
