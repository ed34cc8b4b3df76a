/* The one thread-local pointer, and errno's address, read so that no compiler keeps either over a
 * context switch.
 *
 * Compilers take the address of a thread-local to be the same throughout a function.  A context
 * that moves to another thread in the middle of one breaks that: the plain expression goes on to
 * use the old thread's variable.  All thread-local state hangs off this one pointer, and it is
 * read through sheaf__self_get alone.
 */
#ifndef SHEAF_PLATFORM_SELF_H
#define SHEAF_PLATFORM_SELF_H

#include "lib/platform/sanitize.h"

/* Returns: what this thread last gave to sheaf__self_set, at first NULL; never inlined. */
void *sheaf__self_get_portable(void);

/* Set this thread's pointer.  Context: any thread. */
void sheaf__self_set(void *self);

/* The place of this thread's errno.
 *
 * Returns:  its address, valid for the calling thread; not to be kept over a context switch
 */
int *sheaf__errno_place(void);

/* Read and write this thread's errno, for code that carries it over a switch: unlike accesses
 * through the place these are no races for TSan between contexts that take turns on a thread. */
int sheaf__errno_get(void);
void sheaf__errno_set(int value);

/* The same with the place at hand: what it costs to keep errno over a switch. */
static inline int sheaf__errno_load(const int *place)
{
#if SHEAF__SANITIZED
    (void)place;
    return sheaf__errno_get();
#else
    return *place;
#endif
}

static inline void sheaf__errno_store(int *place, int value)
{
#if SHEAF__SANITIZED
    (void)place;
    sheaf__errno_set(value);
#else
    *place = value;
#endif
}

/* A second pointer of the thread, at first NULL; not NULL only on a thread that runs a blocking
 * call.  Such a thread never switches contexts. */
void *sheaf__self_guest(void);
void sheaf__self_set_guest(void *guest);

/* Read this thread's pointer.
 *
 * On the CPUs below this is a volatile asm, which is neither merged with an earlier one nor moved
 * over a switch (a volatile asm stays behind the calls that precede it): two loads, or one and an
 * immediate once the linker has relaxed the initial-exec form for an executable.  The memory of
 * the slot is no operand, so that the read does not force other values out of registers;
 * sheaf__self_set is ordered against it by being volatile itself.
 *
 * Returns:  what this thread last gave to sheaf__self_set, at first NULL
 * Context:  any thread or context
 */
static inline void *sheaf__self_get(void)
{
#if defined(SHEAF__SELF_PORTABLE) || !defined(__ELF__) || defined(__ILP32__)
    return sheaf__self_get_portable();
#elif defined(__x86_64__)
    void *self;
    __asm__ volatile("movq sheaf__self_slot@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(self));
    return self;
#elif defined(__aarch64__)
    void *self;
    void *offset;
    __asm__ volatile("mrs %0, tpidr_el0\n\t"
                     "adrp %1, :gottprel:sheaf__self_slot\n\t"
                     "ldr %1, [%1, :gottprel_lo12:sheaf__self_slot]\n\t"
                     "ldr %0, [%0, %1]"
                     : "=&r"(self), "=&r"(offset));
    return self;
#else
    return sheaf__self_get_portable();
#endif
}

#endif
