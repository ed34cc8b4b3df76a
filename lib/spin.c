#include "lib/spin.h"

#include <sched.h>

#include "lib/platform/cpu.h"

/* About a microsecond of spinning: longer than any section, shorter than a time slice.  A model
 * checker, for which only a yield lets another thread run, builds with 1. */
#ifndef SHEAF__SPINS_BEFORE_YIELD
#define SHEAF__SPINS_BEFORE_YIELD 64U
#endif

void sheaf__spin_wait(unsigned *turns)
{
    if (++*turns % SHEAF__SPINS_BEFORE_YIELD == 0) {
        sched_yield();
    } else {
        sheaf__cpu_relax();
    }
}

void sheaf__spin_lock_contended(struct sheaf__spin *spin)
{
    unsigned turns = 0;
    do {
        /* relaxed: only a hint that a swap may succeed; the swap carries the order. */
        while (sheaf__load_rlx(&spin->held)) {
            sheaf__spin_wait(&turns);
        }
    } while (sheaf__swap_acq_rel(&spin->held, 1));
}
