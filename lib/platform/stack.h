/* Stacks for contexts: reserved in slabs, committed by use, each with a guard below it.
 *
 * A slab is one reservation of address space that holds up to 256 stacks of one size.  Memory is
 * committed page by page when a stack is first used, and a stack that comes back is given out
 * again first, warm.  Past a number of warm free stacks the memory of the others goes back to the
 * system; the addresses stay.  All addresses of a slab stay mapped and, the guards apart,
 * readable until sheaf__stacks_destroy: a late reader of a stack that was given back sees old
 * bytes or zeros, never a fault.
 *
 * The guard is SHEAF__STACK_GUARD bytes that fault, below the usable part.  It is made by
 * MADV_GUARD_INSTALL where that is seen to work (no mapping is split, so a million stacks fit), and
 * by mprotect elsewhere, which ends at vm.max_map_count, about 32,000 stacks; past it
 * sheaf__stack_take returns NULL.  A frame larger than the guard can step over it unless the code
 * is compiled with -fstack-clash-protection.
 *
 * Bookkeeping: the links of free stacks lie in the slab's own header, so a free stack costs
 * no page.  The 16 bytes above the usable part, in the page that any use of the stack touches
 * first, name the stack's place in the header while it is taken.
 */
#ifndef SHEAF_PLATFORM_STACK_H
#define SHEAF_PLATFORM_STACK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define SHEAF__STACK_SIZE_DEFAULT ((size_t)256 * 1024)
#define SHEAF__STACK_SIZE_MIN ((size_t)16 * 1024)

/* At least this much is guarded, rounded up to whole pages.  64 KiB is the distance at which
 * aarch64 compilers probe under -fstack-clash-protection; it costs address space only. */
#define SHEAF__STACK_GUARD ((size_t)64 * 1024)

/* How many free stacks keep their memory unless sheaf__stacks_keep says otherwise; thrice as many
 * as are in use do so anyway. */
#define SHEAF__STACKS_KEEP_DEFAULT ((size_t)1024)

enum sheaf__stack_guard_kind {
    SHEAF__STACK_GUARD_INSTALL, /* MADV_GUARD_INSTALL, mprotect where one call of it fails */
    SHEAF__STACK_GUARD_PROTECT  /* mprotect(PROT_NONE) */
};

struct sheaf__stack_slab;
struct sheaf__stack_slot;

/* Counts at one moment. */
struct sheaf__stacks_statistics {
    size_t live;           /* taken and not given back */
    size_t live_peak;      /* the most that live ever was */
    size_t free_warm;      /* given back, memory kept */
    size_t free_cold;      /* given back, memory returned to the system */
    size_t slabs;          /* reservations */
    size_t reserved_bytes; /* address space of all slabs */
};

/* The stacks of one pool, all of one size.  Fields are private. */
struct sheaf__stacks {
    size_t usable;                           /* bytes of a stack; const after init */
    size_t guard;                            /* bytes below it; const after init */
    size_t page;                             /* the system's page size; const after init */
    enum sheaf__stack_guard_kind guard_kind; /* const after init */
    pthread_mutex_t lock;                    /* innermost; guards all that follows */
    struct sheaf__stack_slot *warm;          /* free stacks with memory, the last given first */
    struct sheaf__stack_slot *oldest;        /* of these, the first given */
    struct sheaf__stack_slot *cold;          /* free stacks without, the last given first */
    /* The newest slab, whose untouched stacks are given out in order.  Atomic: written under the
     * lock, read also by sheaf__stack_guard_hit in signal handlers. */
    _Atomic(struct sheaf__stack_slab *) newest;
    size_t keep; /* how many warm free stacks are kept at least */
    struct sheaf__stacks_statistics counts;
};

/* Prepare stacks of a size; nothing is reserved yet.
 *
 *   stack_size  bytes, rounded up to whole pages; 0 means SHEAF__STACK_SIZE_DEFAULT
 *
 * Returns:  0; EINVAL: below SHEAF__STACK_SIZE_MIN or so large that a slab's size overflows; or
 *           the error number of the failed call.  Then there is nothing to destroy.
 */
int sheaf__stacks_init(struct sheaf__stacks *stacks, size_t stack_size);

/* Unmap everything but abandoned stacks.
 * Requires: no other stack is in use, and nobody reads one any more. */
void sheaf__stacks_destroy(struct sheaf__stacks *stacks);

/* Take a stack.
 *
 * Returns:  its lowest usable address, which begins a page and lies right above a guard;
 *           NULL when the system refuses memory, address space or the guard.  What it contains is
 *           not specified.
 * Context:  any thread
 */
void *sheaf__stack_take(struct sheaf__stacks *stacks);

/* Give a stack back.
 *
 *   low  from sheaf__stack_take of the same stacks; taken
 *
 * Requires: nothing runs on it any more, by an order that the caller sees to, and its context was
 *           released.  Giving a stack twice, or one whose last 16 bytes were overwritten, stops
 *           the process where it is noticed.
 * Context:  any thread
 */
void sheaf__stack_give(struct sheaf__stacks *stacks, void *low);

/* Never give a stack back: it stays as it is, with its guard, for as long as the process lives.
 * Requires and context: as sheaf__stack_give, but that the stack goes on being read and written. */
void sheaf__stack_abandon(struct sheaf__stacks *stacks, void *low);

/* Returns: bytes from the lowest usable address to the end of a stack, a multiple of 16 and at
 *          most 16 below the rounded size. */
size_t sheaf__stacks_usable(const struct sheaf__stacks *stacks);

/* Set how many free stacks keep their memory at least; those beyond it lose it now.  Later on
 * memory goes back for a sixteenth of the mark at a time.  0 keeps none, ever. */
void sheaf__stacks_keep(struct sheaf__stacks *stacks, size_t count);

/* Return the memory of all but `count` warm free stacks to the system; for quiet times. */
void sheaf__stacks_trim(struct sheaf__stacks *stacks, size_t count);

/* Read the counts.  Context: any thread. */
void sheaf__stacks_read_statistics(struct sheaf__stacks *stacks,
                                   struct sheaf__stacks_statistics *out);

/* Whether an address lies in the guard of one of the stacks.
 *
 * Context:  any, signal handlers included: takes no lock; one step per slab
 */
bool sheaf__stack_guard_hit(const struct sheaf__stacks *stacks, const void *address);

/* Map one stack of a special size, guarded like the others.
 *
 *   *usable  bytes of the stack, at least `size`; untouched on failure
 *
 * Returns:  its lowest usable address; NULL when size is below the smallest or overflows, or when
 *           the system refuses
 * Context:  any thread; three system calls or more
 */
void *sheaf__stack_map(size_t size, size_t *usable);

/* Unmap a stack of sheaf__stack_map; usable is what that call gave. */
void sheaf__stack_unmap(void *low, size_t usable);

/* Whether an address lies in the guard of the stack that begins at `low`, of either kind.
 * Context: any, signal handlers included. */
bool sheaf__stack_guard_below(const void *low, const void *address);

#endif
