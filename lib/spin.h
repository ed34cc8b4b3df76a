/* A spin lock for critical sections of a few dozen instructions that never sleep.
 *
 * Test-and-set; after a short spin the waiter gives its processor away, since the holder may have
 * been preempted.  No user code runs under one. */
#ifndef SHEAF_LIB_SPIN_H
#define SHEAF_LIB_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/atomics.h"

struct sheaf__spin {
    SHEAF__ATOMIC(uint8_t) held;
};

/* One turn of a spin loop: `turns` counts them, from 0.  Gives the processor away now and then. */
void sheaf__spin_wait(unsigned *turns);

/* Slow path of the lock: returns with the lock held. */
void sheaf__spin_lock_contended(struct sheaf__spin *spin);

static inline void sheaf__spin_lock(struct sheaf__spin *spin)
{
    /* acq_rel: the acquire pairs with the release in sheaf__spin_unlock(). */
    if (sheaf__swap_acq_rel(&spin->held, 1)) {
        sheaf__spin_lock_contended(spin);
    }
}

static inline void sheaf__spin_unlock(struct sheaf__spin *spin)
{
    /* release: publishes the section to the next holder's swap. */
    sheaf__store_rel(&spin->held, 0);
}

#endif
