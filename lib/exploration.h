/* What a run under sheaf_explore() is told and tells (lib/explore.c). */
#ifndef SHEAF_LIB_EXPLORATION_H
#define SHEAF_LIB_EXPLORATION_H

#include <stdint.h>

#include "lib/atomics.h"

/* Used by the one worker of a pool with a seed.  Relaxed: fibers of one thread. */
struct sheaf__exploration {
    uint64_t limit; /* const: so many preemptions, and no more */
    SHEAF__ATOMIC(uint64_t) points;
    SHEAF__ATOMIC(uint64_t) preemptions;
    SHEAF__ATOMIC(uint64_t) choices; /* a hash of what was chosen */
};

static inline void sheaf__exploration_note(struct sheaf__exploration *exploration, uint64_t choice)
{
    uint64_t hash = sheaf__load_rlx(&exploration->choices);
    sheaf__store_rlx(&exploration->choices, (hash ^ choice) * UINT64_C(0x100000001b3));
}

#endif
