/* Barriers.
 *
 * The line holds those who have arrived in the round that fills.  The last arrival chooses all of
 * them under the guard and the line is empty at once, so who comes back fast is in the next round;
 * no generation has to be told apart. */
#include <sheaf/sync.h>

#include "lib/spin.h"
#include "lib/waiters.h"

/* What lies in a sheaf_barrier. */
struct barrier {
    struct sheaf__spin guard;
    bool broken;      /* guarded by guard, as `waiting` and `line` */
    uint32_t parties; /* const */
    uint32_t waiting; /* how many the line holds */
    uint32_t spare;
    struct sheaf__line line;
};

_Static_assert(sizeof(struct barrier) == sizeof(sheaf_barrier), "the public struct has the room");
_Static_assert(offsetof(struct barrier, parties) == offsetof(sheaf_barrier, parties_),
               "initialisers fill the right members");

static struct barrier *of(const sheaf_barrier *barrier)
{
    return (struct barrier *)(uintptr_t)barrier;
}

/* ---------------------------------------------------------------- waiting */

/* Ends the round for everybody who waits in it.  Requires: the guard is held */
static void end_round(struct barrier *barrier, int status)
{
    struct sheaf__waiter *waiter;
    size_t index = 0;
    while ((waiter = sheaf__line_pop(&barrier->line)) != NULL) {
        waiter->of.index = index++;
        sheaf__waiter_choose(waiter, status);
    }
    barrier->waiting = 0;
}

/* Requires: the guard is held */
static enum sheaf__look arrive(struct barrier *barrier, struct sheaf__waiter *waiter)
{
    bool last = barrier->waiting + 1 == barrier->parties;
    if (barrier->broken || last) {
        int status = barrier->broken ? SHEAF_BROKEN : SHEAF_OK;
        if (!sheaf__waiter_claim(waiter, status)) {
            return SHEAF__LOOK_NOTHING;
        }
        waiter->of.index = barrier->waiting;
        end_round(barrier, status);
        return SHEAF__LOOK_TAKEN;
    }
    enum sheaf__look look = sheaf__waiter_queue(waiter, &barrier->line);
    barrier->waiting += look == SHEAF__LOOK_QUEUED;
    return look;
}

static enum sheaf__look look_at_barrier(struct sheaf__waiter *waiter)
{
    struct barrier *barrier = waiter->object;
    sheaf__spin_lock(&barrier->guard);
    enum sheaf__look look = arrive(barrier, waiter);
    sheaf__spin_unlock(&barrier->guard);
    return look;
}

static void leave_barrier(struct sheaf__waiter *waiter)
{
    struct barrier *barrier = waiter->object;
    sheaf__spin_lock(&barrier->guard);
    if (sheaf__line_has(&barrier->line, waiter)) {
        sheaf__line_remove(&barrier->line, waiter);
        barrier->waiting--;
    } else {
        /* Its round has ended with it, whatever has ended its sleep. */
        waiter->chosen = true;
    }
    sheaf__spin_unlock(&barrier->guard);
}

static const struct sheaf__waitable barrier_waitable = {
    .what = "a barrier",
    .look = look_at_barrier,
    .leave = leave_barrier,
};

/* ---------------------------------------------------------------- the calls */

int sheaf_barrier_init(sheaf_barrier *barrier, int parties)
{
    if (!barrier || parties < 1) {
        return SHEAF_INVALID;
    }
    *barrier = (sheaf_barrier){.parties_ = (uint32_t)parties};
    return SHEAF_OK;
}

int sheaf_barrier_wait_until(sheaf_barrier *barrier, sheaf_time deadline, size_t *index)
{
    if (!barrier || barrier->parties_ == 0) {
        return SHEAF_INVALID;
    }
    struct sheaf__waiter waiter = {.kind = &barrier_waitable, .object = barrier};
    int status = sheaf__waiter_wait(&waiter, deadline);
    if (status == SHEAF_OK && index) {
        *index = waiter.of.index;
    }
    return status;
}

int sheaf_barrier_wait(sheaf_barrier *barrier, size_t *index)
{
    return sheaf_barrier_wait_until(barrier, SHEAF_FOREVER, index);
}

static int break_up(sheaf_barrier *given, bool broken)
{
    if (!given) {
        return SHEAF_INVALID;
    }
    struct barrier *barrier = of(given);
    sheaf__spin_lock(&barrier->guard);
    barrier->broken = broken;
    end_round(barrier, SHEAF_BROKEN);
    sheaf__spin_unlock(&barrier->guard);
    return SHEAF_OK;
}

int sheaf_barrier_abort(sheaf_barrier *barrier)
{
    return break_up(barrier, true);
}

int sheaf_barrier_reset(sheaf_barrier *barrier)
{
    return break_up(barrier, false);
}

size_t sheaf_barrier_waiting(const sheaf_barrier *given)
{
    if (!given) {
        return 0;
    }
    struct barrier *barrier = of(given);
    sheaf__spin_lock(&barrier->guard);
    size_t waiting = barrier->waiting;
    sheaf__spin_unlock(&barrier->guard);
    return waiting;
}

bool sheaf_barrier_broken(const sheaf_barrier *given)
{
    if (!given) {
        return false;
    }
    struct barrier *barrier = of(given);
    sheaf__spin_lock(&barrier->guard);
    bool broken = barrier->broken;
    sheaf__spin_unlock(&barrier->guard);
    return broken;
}
