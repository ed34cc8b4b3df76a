/* Atomic operations with the memory order in their name, and the pair of a light and a heavy fence.
 *
 * This is the only file that knows the compiler's atomics.  An access elsewhere reads as
 * `sheaf__load_acq(&f->frn)`, so that orders can be searched for, reviewed and mutated, and the
 * same sources build under a model checker: when SHEAF__ATOMICS_HEADER names a header, that header
 * supplies SHEAF__ATOMIC and every operation below.
 *
 * The fence pair.  Where one side of a store-then-load handshake runs often and the other rarely
 * (a deque's owner and its thieves, a submitter and a worker that falls asleep), the frequent side
 * issues sheaf__fence_light() and the rare side sheaf__fence_heavy().  Together they have the
 * effect of a sequentially consistent fence on both sides:
 *
 *     frequent: store X; light; load Y          rare: store Y; heavy; load X
 *     forbidden: both loads miss the other side's store.
 *
 * With membarrier(2) the light fence is a compiler barrier and the heavy one an inter-processor
 * interrupt to every running thread of the process.  Without it (old kernel, refused by a seccomp
 * filter, race detector, SHEAF__NO_MEMBARRIER) both are full fences.  Which of the two holds is
 * decided once, before the first pool opens, and never changes while a pool is open.
 */
#ifndef SHEAF_LIB_ATOMICS_H
#define SHEAF_LIB_ATOMICS_H

#ifdef SHEAF__ATOMICS_HEADER
#include SHEAF__ATOMICS_HEADER
#else

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/platform/cpu.h"
#include "lib/platform/membarrier.h"

#define SHEAF__ATOMIC(type) _Atomic(type)

#define sheaf__init_rlx(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define sheaf__load_rlx(p) atomic_load_explicit((p), memory_order_relaxed)
#define sheaf__load_acq(p) atomic_load_explicit((p), memory_order_acquire)
#define sheaf__load_seq(p) atomic_load_explicit((p), memory_order_seq_cst)
#define sheaf__store_rlx(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define sheaf__store_rel(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define sheaf__store_seq(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)
/* Stores eight bytes over the atomics that lie at p, relaxed: one store where several would be. */
typedef uint64_t sheaf__wide __attribute__((may_alias));
#define sheaf__store_wide_rlx(p, v)                                                                \
    __atomic_store_n((sheaf__wide *)(uintptr_t)(p), (uint64_t)(v), __ATOMIC_RELAXED)
#define sheaf__swap_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define sheaf__swap_seq(p, v) atomic_exchange_explicit((p), (v), memory_order_seq_cst)
#define sheaf__add_rlx(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define sheaf__add_acq_rel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define sheaf__add_seq(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define sheaf__sub_rlx(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define sheaf__sub_acq_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define sheaf__sub_seq(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)
#define sheaf__or_rlx(p, v) atomic_fetch_or_explicit((p), (v), memory_order_relaxed)
#define sheaf__or_acq_rel(p, v) atomic_fetch_or_explicit((p), (v), memory_order_acq_rel)
#define sheaf__or_seq(p, v) atomic_fetch_or_explicit((p), (v), memory_order_seq_cst)
#define sheaf__and_rel(p, v) atomic_fetch_and_explicit((p), (v), memory_order_release)
#define sheaf__and_acq_rel(p, v) atomic_fetch_and_explicit((p), (v), memory_order_acq_rel)
#define sheaf__and_seq(p, v) atomic_fetch_and_explicit((p), (v), memory_order_seq_cst)

/* Words of structs in public headers, where C++ programs see them too: their types are plain. */
#define sheaf__plain_load_rlx(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define sheaf__plain_load_acq(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define sheaf__plain_store_rel(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* On failure *expected holds what was found; the failed read is acquire (rlx: relaxed). */
#define sheaf__cas_rlx(p, expected, v)                                                             \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_relaxed,            \
                                            memory_order_relaxed)
#define sheaf__cas_acq_rel(p, expected, v)                                                         \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acq_rel,            \
                                            memory_order_acquire)
#define sheaf__cas_seq(p, expected, v)                                                             \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_seq_cst,            \
                                            memory_order_seq_cst)
#define sheaf__cas_weak_acq_rel(p, expected, v)                                                    \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_acq_rel,              \
                                          memory_order_acquire)

static inline void sheaf__fence_full(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

#if defined(__SANITIZE_THREAD__)
#define SHEAF__FENCES_ALWAYS_FULL 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHEAF__FENCES_ALWAYS_FULL 1
#endif
#endif
#if defined(SHEAF__NO_MEMBARRIER) && !defined(SHEAF__FENCES_ALWAYS_FULL)
#define SHEAF__FENCES_ALWAYS_FULL 1
#endif

#ifdef SHEAF__FENCES_ALWAYS_FULL

static inline bool sheaf__fences_are_full(void)
{
    return true;
}

#else

/* True: light and heavy are both full fences.  Written by sheaf__fences_choose() only. */
extern bool sheaf__fences_full;

static inline bool sheaf__fences_are_full(void)
{
    return sheaf__fences_full;
}

#endif

static inline void sheaf__fence_light(void)
{
    if (SHEAF__UNLIKELY(sheaf__fences_are_full())) {
        sheaf__fence_full();
    } else {
        atomic_signal_fence(memory_order_seq_cst);
    }
}

static inline void sheaf__fence_heavy(void)
{
    if (sheaf__fences_are_full()) {
        sheaf__fence_full();
    } else {
        sheaf__membarrier();
    }
}

/* Decides which form the pair takes: membarrier where it works and `allowed`.
 *
 * Requires: no pool is open; the caller serialises the calls */
void sheaf__fences_choose(bool allowed);

#endif /* SHEAF__ATOMICS_HEADER */
#endif
