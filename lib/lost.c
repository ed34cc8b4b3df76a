/* Futures of the parent process, in a child of fork().
 *
 * Nobody in the child ever ends them, and their LOCK may be held by a thread that is not here.  So
 * whoever in the child comes to one first settles it: if it was not done it has failed with
 * SHEAF_LOST; LOCK is free; whoever waited in the parent is forgotten.  From then on it is a future
 * like any other that is done, but that it is never destroyed: its memory belongs to a pool whose
 * locks are not to be touched.
 *
 *   Invariant: nobody in the child takes the LOCK of a future of the parent's, waits for its end or
 *              lets go of it before it was settled.
 *
 * That it was says its state, which then names the number of forks: a child of the child settles it
 * once more, since there LOCK may have been held again.  Such a future is done by its word. */
#include "lib/future_impl.h"

#include "lib/error_impl.h"
#include "lib/spin.h"

/* The states beyond those of a task; one comes again only after so many forks. */
enum { SETTLED = SHEAF__DONE + 1, SETTLED_STATES = UINT8_MAX - SETTLED };

/* Rank 2, taken without any other: one future is settled at a time. */
static struct sheaf__spin settling;

void sheaf__lost_begin(void)
{
    sheaf__store_rlx(&settling.held, 0);
}

static uint8_t settled_state(void)
{
    return (uint8_t)(SETTLED + sheaf__forks % SETTLED_STATES);
}

bool sheaf__future_is_lost(const sheaf_future *future)
{
    uint32_t flags = sheaf__future_flags(future);
    if (flags & SHEAF__JOB_STATIC) {
        return false;
    }
    if (flags & SHEAF__JOB_FRAME) {
        /* Only its maker uses it, which is a task no more in the child. */
        return !sheaf__worker_self();
    }
    return sheaf__pool_is_lost(sheaf__future_pool(future));
}

/* The word of a future that is done and that nobody but its holders uses.  A frame's has one
 * reference: whoever held it for a moment is not here. */
static uint32_t settled_word(const sheaf_future *future, uint32_t word)
{
    word |= SHEAF__WORD_DONE | SHEAF__WORD_UNBIASED | SHEAF__WORD_LOOKED;
    word &= ~(SHEAF__WORD_LOCK | SHEAF__WORD_CANCEL | SHEAF__WORD_WAITER);
    if (sheaf__future_flags(future) & SHEAF__JOB_FRAME) {
        word = word % SHEAF__WORD_REFERENCE + SHEAF__WORD_REFERENCE;
    }
    return word;
}

/* Requires: settling */
static void settle(sheaf_future *future)
{
    if (!sheaf__future_done(future)) {
        sheaf__store_rlx(&future->job.at.status, (uint32_t)SHEAF_LOST);
        future->job.out.value.ptr = NULL;
    }
    uint32_t word = sheaf__load_rlx(&future->job.word);
    /* acq_rel: publishes the outcome, as every step to DONE; holders may retain it meanwhile. */
    while (!sheaf__cas_weak_acq_rel(&future->job.word, &word, settled_word(future, word))) {
    }
    /* release: pairs with the acquire in sheaf__future_settle(); LOCK is free before. */
    sheaf__store_rel(&future->job.state, settled_state());
}

SHEAF__COLD void sheaf__future_settle(sheaf_future *future)
{
    if (!sheaf__future_is_lost(future) || sheaf__load_acq(&future->job.state) == settled_state()) {
        return;
    }
    sheaf__spin_lock(&settling);
    if (sheaf__load_acq(&future->job.state) != settled_state()) {
        settle(future);
    }
    sheaf__spin_unlock(&settling);
}

SHEAF__COLD void sheaf__returned_in_child(const char *what)
{
    sheaf__panic("%s has returned in a child of fork(), which has to end inside of it", what);
}
