/* Every allocation of the library: one hook, counted, and made to fail where a test asks for it.
 *
 * Sizes travel with the blocks: who frees one says how large it was asked for.  A size of 0 is
 * valid and gives a block of its own.  All of it works in any context but a signal handler. */
#ifndef SHEAF_LIB_ALLOC_H
#define SHEAF_LIB_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A block aligned for every ordinary type.  Returns: the block, given, or NULL. */
void *sheaf__alloc(size_t size);

/* The same, all bytes zero. */
void *sheaf__alloc_zeroed(size_t size);

/* The same, aligned to `align`.  Requires: a power of two */
void *sheaf__alloc_aligned(size_t size, size_t align);

/* `count` elements of `size` bytes, not zeroed; NULL also when the product overflows.  It is freed
 * with sheaf__free_array(). */
void *sheaf__alloc_array(size_t count, size_t size);

/* Gives a block back.  NULL is ignored.  Requires: `size` as it was asked for with */
void sheaf__free(void *block, size_t size);
void sheaf__free_array(void *block, size_t count, size_t size);

/* *sum = a + b, *product = a * b.  Returns: false on overflow. */
static inline bool sheaf__size_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool sheaf__size_multiply(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* ---------------------------------------------------------------- counts */

struct sheaf__alloc_counts {
    uint64_t total;       /* blocks ever given */
    uint64_t live_blocks; /* blocks not given back */
    uint64_t live_bytes;  /* their sizes, as asked for */
};

/* Exact when nothing is allocated or freed meanwhile, else near. */
struct sheaf__alloc_counts sheaf__alloc_counts(void);

/* ---------------------------------------------------------------- failing, for tests */

enum sheaf__alloc_failing {
    SHEAF__ALLOC_FAIL_ONCE = 0,  /* one allocation fails */
    SHEAF__ALLOC_FAIL_STICKY = 1 /* and so does every later one */
};

/* Lets the next n allocations succeed and makes the one after them fail, in the whole process.  A
 * negative n ends it.  A loop over n = 0, 1, ... has met every point once sheaf__alloc_points() is
 * not above n after a run. */
void sheaf__alloc_fail_after(long n, enum sheaf__alloc_failing how);

/* How many allocations were asked for since the last call with n >= 0, until it was ended. */
long sheaf__alloc_points(void);

#endif
