#include "lib/idle.h"

#include <stddef.h>

void sheaf__idle_init(struct sheaf__idle *idle)
{
    sheaf__store_rlx(&idle->word, 0);
    sheaf__store_rlx(&idle->wakeups, 0);
    sheaf__store_rlx(&idle->lock.held, 0);
    idle->sleepers = NULL;
}

/* Requires: the lock is held and the bunk is in the stack */
static void take_out(struct sheaf__idle *idle, struct sheaf__bunk *bunk)
{
    struct sheaf__bunk **link = &idle->sleepers;
    while (*link != bunk) {
        link = &(*link)->below;
    }
    *link = bunk->below;
    bunk->asleep = false;
    /* asleep -> searching, in one step.  seq_cst: see sheaf__idle_lie_down(). */
    sheaf__add_seq(&idle->word, SHEAF__IDLE_SEARCHING - SHEAF__IDLE_ASLEEP);
}

/* Takes the bunk out under the lock; the sleeper is unparked after it, since that may call the
 * kernel.  The sleeper cannot leave its bunk in between: only the unpark ends its sleep. */
static void wake_bunk(struct sheaf__idle *idle, struct sheaf__bunk *bunk)
{
    sheaf__add_rlx(&idle->wakeups, 1);
    sheaf__unpark(bunk->parker);
}

void sheaf__idle_wake_one(struct sheaf__idle *idle)
{
    struct sheaf__bunk *bunk = NULL;
    sheaf__spin_lock(&idle->lock);
    if (idle->sleepers && sheaf__idle_searching(sheaf__load_seq(&idle->word)) == 0) {
        bunk = idle->sleepers;
        take_out(idle, bunk);
    }
    sheaf__spin_unlock(&idle->lock);
    if (bunk) {
        wake_bunk(idle, bunk);
    }
}

void sheaf__idle_wake(struct sheaf__idle *idle, struct sheaf__bunk *bunk)
{
    sheaf__spin_lock(&idle->lock);
    bool asleep = bunk->asleep;
    if (asleep) {
        take_out(idle, bunk);
    }
    sheaf__spin_unlock(&idle->lock);
    if (asleep) {
        wake_bunk(idle, bunk);
    }
}

void sheaf__idle_wake_all(struct sheaf__idle *idle)
{
    for (;;) {
        sheaf__spin_lock(&idle->lock);
        struct sheaf__bunk *bunk = idle->sleepers;
        if (bunk) {
            take_out(idle, bunk);
        }
        sheaf__spin_unlock(&idle->lock);
        if (!bunk) {
            return;
        }
        wake_bunk(idle, bunk);
    }
}

void sheaf__idle_search_begin(struct sheaf__idle *idle)
{
    /* seq_cst: one order of all changes of the word. */
    sheaf__add_seq(&idle->word, SHEAF__IDLE_SEARCHING);
}

bool sheaf__idle_search_end(struct sheaf__idle *idle)
{
    uint32_t word = sheaf__sub_seq(&idle->word, SHEAF__IDLE_SEARCHING);
    if (sheaf__idle_searching(word) != 1 || sheaf__idle_asleep(word) == 0) {
        return false;
    }
    /* The caller's look at the queues must see what was announced to it as a searcher. */
    sheaf__fence_heavy();
    return true;
}

uint32_t sheaf__idle_lie_down(struct sheaf__idle *idle, struct sheaf__bunk *bunk)
{
    sheaf__spin_lock(&idle->lock);
    bunk->below = idle->sleepers;
    bunk->asleep = true;
    idle->sleepers = bunk;
    /* E3.  seq_cst and under the lock: the last to lie down knows that it is. */
    uint32_t word = sheaf__add_seq(&idle->word, SHEAF__IDLE_ASLEEP - SHEAF__IDLE_SEARCHING);
    sheaf__spin_unlock(&idle->lock);
    sheaf__fence_heavy();
    return sheaf__idle_asleep(word) + 1;
}

void sheaf__idle_get_up(struct sheaf__idle *idle, struct sheaf__bunk *bunk)
{
    sheaf__spin_lock(&idle->lock);
    bool asleep = bunk->asleep;
    if (asleep) {
        take_out(idle, bunk);
    }
    sheaf__spin_unlock(&idle->lock);
    if (!asleep) {
        /* A waker has chosen this worker: its unpark is certain to come. */
        sheaf__park(bunk->parker);
    }
}

void sheaf__idle_sleep(struct sheaf__bunk *bunk)
{
    sheaf__park(bunk->parker);
}
