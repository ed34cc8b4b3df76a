#include "lib/idle.h"

#include <stddef.h>

void sheaf__idle_init(struct sheaf__idle *idle, uint32_t workers)
{
    sheaf__store_rlx(&idle->word, 0);
    sheaf__store_rlx(&idle->wakeups, 0);
    sheaf__store_rlx(&idle->on_duty, false);
    sheaf__store_rlx(&idle->lock.held, 0);
    idle->sleepers = NULL;
    idle->watch = NULL;
    idle->at_home = NULL;
    idle->lent = 0;
    idle->workers = workers;
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

/* Requires: the lock is held */
static void set_duty(struct sheaf__idle *idle, bool on)
{
    /* release: pairs with H2, which takes no lock; what it rests on are the fences. */
    sheaf__store_rel(&idle->on_duty, on);
}

/* Requires: the lock is held.  Returns: the watch, which was off duty; or NULL */
static struct sheaf__bunk *call_watch(struct sheaf__idle *idle)
{
    if (!(sheaf__load_rlx(&idle->word) & SHEAF__IDLE_OFF_DUTY)) {
        return NULL;
    }
    sheaf__sub_seq(&idle->word, SHEAF__IDLE_OFF_DUTY);
    set_duty(idle, true);
    return idle->watch;
}

void sheaf__idle_wake_one(struct sheaf__idle *idle)
{
    struct sheaf__bunk *bunk = NULL;
    struct sheaf__bunk *watch = NULL;
    sheaf__spin_lock(&idle->lock);
    if (sheaf__idle_searching(sheaf__load_seq(&idle->word)) == 0) {
        bunk = idle->sleepers;
        if (bunk) {
            take_out(idle, bunk);
        } else {
            watch = call_watch(idle);
        }
    }
    sheaf__spin_unlock(&idle->lock);
    if (bunk) {
        wake_bunk(idle, bunk);
    } else if (watch) {
        sheaf__unpark(watch->parker);
    }
}

void sheaf__idle_hand_over_unwatched(struct sheaf__idle *idle)
{
    sheaf__spin_lock(&idle->lock);
    struct sheaf__bunk *watch = call_watch(idle);
    sheaf__spin_unlock(&idle->lock);
    if (watch) {
        sheaf__unpark(watch->parker);
    } else {
        sheaf__idle_announce(idle);
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

/* They stay where they are; a token that is too many makes one look once more. */
static void rouse_spares(struct sheaf__idle *idle)
{
    sheaf__spin_lock(&idle->lock);
    for (struct sheaf__bunk *bunk = idle->at_home; bunk; bunk = bunk->below) {
        sheaf__unpark(bunk->parker);
    }
    if (idle->watch) {
        sheaf__unpark(idle->watch->parker);
    }
    sheaf__spin_unlock(&idle->lock);
}

void sheaf__idle_wake_all(struct sheaf__idle *idle)
{
    rouse_spares(idle);
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
    if (sheaf__idle_searching(word) != 1 || !sheaf__idle_callable(word)) {
        return false;
    }
    /* The caller's look at the queues must see what was announced to it as a searcher. */
    sheaf__fence_heavy();
    return true;
}

/* Requires: the lock is held */
static bool all_asleep(struct sheaf__idle *idle)
{
    /* relaxed: the number of sleepers changes under the lock only. */
    return sheaf__idle_asleep(sheaf__load_rlx(&idle->word)) == idle->workers && idle->lent == 0;
}

bool sheaf__idle_is_asleep(struct sheaf__idle *idle, struct sheaf__bunk *bunk)
{
    sheaf__spin_lock(&idle->lock);
    bool asleep = bunk->asleep;
    sheaf__spin_unlock(&idle->lock);
    return asleep;
}

bool sheaf__idle_all_asleep(struct sheaf__idle *idle)
{
    sheaf__spin_lock(&idle->lock);
    bool all = all_asleep(idle);
    sheaf__spin_unlock(&idle->lock);
    return all;
}

bool sheaf__idle_lie_down(struct sheaf__idle *idle, struct sheaf__bunk *bunk, bool *watched)
{
    sheaf__spin_lock(&idle->lock);
    bunk->below = idle->sleepers;
    bunk->asleep = true;
    idle->sleepers = bunk;
    /* E3.  seq_cst and under the lock: the last to lie down knows that it is. */
    sheaf__add_seq(&idle->word, SHEAF__IDLE_ASLEEP - SHEAF__IDLE_SEARCHING);
    bool last = all_asleep(idle);
    *watched = sheaf__load_rlx(&idle->on_duty); /* relaxed: written under the lock */
    sheaf__spin_unlock(&idle->lock);
    sheaf__fence_heavy();
    return last;
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

/* ---------------------------------------------------------------- spares */

void sheaf__idle_add_spare(struct sheaf__idle *idle)
{
    sheaf__spin_lock(&idle->lock);
    idle->lent++;
    sheaf__spin_unlock(&idle->lock);
}

void sheaf__idle_drop_spare(struct sheaf__idle *idle)
{
    sheaf__spin_lock(&idle->lock);
    idle->lent--;
    sheaf__spin_unlock(&idle->lock);
}

bool sheaf__idle_go_home(struct sheaf__idle *idle, struct sheaf__bunk *bunk, bool *last)
{
    sheaf__spin_lock(&idle->lock);
    bool watches = !idle->watch;
    if (watches) {
        idle->watch = bunk;
        set_duty(idle, true);
    } else {
        bunk->below = idle->at_home;
        idle->at_home = bunk;
    }
    idle->lent--;
    *last = all_asleep(idle);
    sheaf__spin_unlock(&idle->lock);
    return watches;
}

/* The watch goes to the next at home, if there is one.  Requires: the lock is held */
static void pass_watch_on(struct sheaf__idle *idle)
{
    idle->watch = idle->at_home;
    set_duty(idle, false);
    if (idle->watch) {
        idle->at_home = idle->watch->below;
        sheaf__add_seq(&idle->word, SHEAF__IDLE_OFF_DUTY);
    }
}

bool sheaf__idle_lend(struct sheaf__idle *idle, bool *watched)
{
    sheaf__spin_lock(&idle->lock);
    uint32_t word = sheaf__load_seq(&idle->word);
    bool lent = sheaf__idle_asleep(word) == 0 && sheaf__idle_searching(word) == 0;
    if (lent) {
        idle->lent++;
        sheaf__add_seq(&idle->word, SHEAF__IDLE_SEARCHING);
        pass_watch_on(idle);
    }
    *watched = idle->watch != NULL;
    sheaf__spin_unlock(&idle->lock);
    return lent;
}

void sheaf__idle_off_duty(struct sheaf__idle *idle)
{
    sheaf__spin_lock(&idle->lock);
    set_duty(idle, false);
    sheaf__add_seq(&idle->word, SHEAF__IDLE_OFF_DUTY);
    sheaf__spin_unlock(&idle->lock);
    sheaf__fence_heavy();
}

void sheaf__idle_on_duty(struct sheaf__idle *idle, struct sheaf__bunk *bunk)
{
    sheaf__spin_lock(&idle->lock);
    bool called = !call_watch(idle);
    sheaf__spin_unlock(&idle->lock);
    if (called) {
        /* The unpark is certain to come. */
        sheaf__park(bunk->parker);
    }
}
