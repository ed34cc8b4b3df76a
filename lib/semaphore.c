/* Semaphores.
 *
 * A permit is free (`value`) or with somebody; one that is on its way to a chosen waiter is with
 * that waiter.  Invariant: while somebody waits no permit is free. */
#include <sheaf/sync.h>

#include "lib/spin.h"
#include "lib/waitables.h"

/* What lies in a sheaf_semaphore. */
struct semaphore {
    struct sheaf__spin guard;
    uint32_t bounded; /* const, as `limit` */
    int64_t value;    /* guarded by guard */
    int64_t limit;
    struct sheaf__line line; /* guarded by guard */
};

_Static_assert(sizeof(struct semaphore) == sizeof(sheaf_semaphore), "the public struct has room");
_Static_assert(offsetof(struct semaphore, bounded) == offsetof(sheaf_semaphore, bounded_) &&
                   offsetof(struct semaphore, value) == offsetof(sheaf_semaphore, value_) &&
                   offsetof(struct semaphore, limit) == offsetof(sheaf_semaphore, limit_),
               "initialisers fill the right members");

static struct semaphore *of(const sheaf_semaphore *semaphore)
{
    return (struct semaphore *)(uintptr_t)semaphore;
}

/* ---------------------------------------------------------------- waiting */

static enum sheaf__look look_at_semaphore(struct sheaf__waiter *waiter)
{
    struct semaphore *semaphore = waiter->object;
    enum sheaf__look look = SHEAF__LOOK_NOTHING;
    sheaf__spin_lock(&semaphore->guard);
    if (semaphore->value <= 0) {
        look = sheaf__waiter_queue(waiter, &semaphore->line);
    } else if (sheaf__waiter_claim(waiter, SHEAF_OK)) {
        semaphore->value--;
        look = SHEAF__LOOK_TAKEN;
    }
    sheaf__spin_unlock(&semaphore->guard);
    return look;
}

static void leave_semaphore(struct sheaf__waiter *waiter)
{
    struct semaphore *semaphore = waiter->object;
    sheaf__spin_lock(&semaphore->guard);
    if (sheaf__line_has(&semaphore->line, waiter)) {
        sheaf__line_remove(&semaphore->line, waiter);
    }
    sheaf__spin_unlock(&semaphore->guard);
}

/* Gives out permits, oldest waiter first; what nobody takes stays.  Requires: the guard is held */
static void give(struct semaphore *semaphore, int64_t count)
{
    while (count > 0 && sheaf__line_choose(&semaphore->line, SHEAF_OK)) {
        count--;
    }
    semaphore->value += count;
}

static void decline_semaphore(struct sheaf__waiter *waiter)
{
    struct semaphore *semaphore = waiter->object;
    sheaf__spin_lock(&semaphore->guard);
    give(semaphore, 1);
    sheaf__spin_unlock(&semaphore->guard);
}

const struct sheaf__waitable sheaf__semaphore_waitable = {
    .what = "a semaphore",
    .look = look_at_semaphore,
    .leave = leave_semaphore,
    .decline = decline_semaphore,
};

/* ---------------------------------------------------------------- the calls */

static int init(sheaf_semaphore *semaphore, int64_t value, uint32_t bounded)
{
    if (!semaphore || value < 0) {
        return SHEAF_INVALID;
    }
    *semaphore = (sheaf_semaphore){
        .bounded_ = bounded, .value_ = value, .limit_ = bounded ? value : INT64_MAX};
    return SHEAF_OK;
}

int sheaf_semaphore_init(sheaf_semaphore *semaphore, int64_t value)
{
    return init(semaphore, value, 0);
}

int sheaf_semaphore_init_bounded(sheaf_semaphore *semaphore, int64_t value)
{
    return init(semaphore, value, 1);
}

int sheaf_semaphore_acquire_until(sheaf_semaphore *semaphore, sheaf_time deadline)
{
    if (!semaphore) {
        return SHEAF_INVALID;
    }
    struct sheaf__waiter waiter = {.kind = &sheaf__semaphore_waitable, .object = semaphore};
    return sheaf__waiter_wait(&waiter, deadline);
}

int sheaf_semaphore_acquire(sheaf_semaphore *semaphore)
{
    return sheaf_semaphore_acquire_until(semaphore, SHEAF_FOREVER);
}

bool sheaf_semaphore_try_acquire(sheaf_semaphore *semaphore)
{
    struct sheaf__waiter waiter = {.kind = &sheaf__semaphore_waitable, .object = semaphore};
    return semaphore && sheaf__waiters_look(&waiter) != NULL;
}

int sheaf_semaphore_release(sheaf_semaphore *given, int64_t count)
{
    if (!given || count <= 0) {
        return SHEAF_INVALID;
    }
    struct semaphore *semaphore = of(given);
    int64_t limit = semaphore->bounded ? semaphore->limit : INT64_MAX;
    sheaf__spin_lock(&semaphore->guard);
    bool fits = count <= limit - semaphore->value;
    if (fits) {
        give(semaphore, count);
    }
    sheaf__spin_unlock(&semaphore->guard);
    return fits ? SHEAF_OK : SHEAF_STATE;
}

int64_t sheaf_semaphore_value(const sheaf_semaphore *given)
{
    if (!given) {
        return 0;
    }
    struct semaphore *semaphore = of(given);
    sheaf__spin_lock(&semaphore->guard);
    int64_t value = semaphore->value;
    sheaf__spin_unlock(&semaphore->guard);
    return value;
}

bool sheaf_semaphore_locked(const sheaf_semaphore *semaphore)
{
    return semaphore && sheaf_semaphore_value(semaphore) == 0;
}
