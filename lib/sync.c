/* Mutex and condition, over lines of waiters (lib/waiters.h).
 *
 * A mutex is a state word and a line.  The word's GUARD bit is a spin lock over the line; an
 * uncontended lock or unlock is one compare-and-swap that does not touch it.
 *
 *     state = HELD | GUARD | QUEUED        QUEUED: the line is not empty
 *
 * Hand-over: unlock chooses the oldest waiter with the mutex still HELD; the mutex is the waiter's
 * from that moment.  A waiter that finds itself chosen and cancelled at once passes it on (P8).
 *
 * A notified waiter of a condition moves from the condition's line to that of its mutex in one step
 * under both guards, the condition's first (no stampede). */
#include <sheaf/sync.h>

#include "lib/spin.h"
#include "lib/waitables.h"

#define HELD 1U
#define GUARD 2U
#define QUEUED 4U

/* What lies in a sheaf_mutex and in a sheaf_cond. */
struct mutex {
    SHEAF__ATOMIC(uint32_t) state;
    uint32_t spare;
    struct sheaf__line line; /* guarded by GUARD */
};

_Static_assert(sizeof(struct mutex) == sizeof(sheaf_mutex), "the public struct has the room");
_Static_assert(sizeof(struct mutex) == sizeof(sheaf_cond), "the public struct has the room");

static struct mutex *of_mutex(const sheaf_mutex *mutex)
{
    return (struct mutex *)(uintptr_t)mutex;
}

static struct mutex *of_cond(sheaf_cond *cond)
{
    return (struct mutex *)(void *)cond;
}

/* ---------------------------------------------------------------- guards and lines */

static void take_guard(struct mutex *mutex)
{
    unsigned turns = 0;
    /* acq_rel: the acquire pairs with the release in drop_guard(). */
    while (sheaf__or_acq_rel(&mutex->state, GUARD) & GUARD) {
        while (sheaf__load_rlx(&mutex->state) & GUARD) {
            sheaf__spin_wait(&turns);
        }
    }
}

static void drop_guard(struct mutex *mutex)
{
    sheaf__and_rel(&mutex->state, ~GUARD);
}

/* Requires: the guard is held */
static enum sheaf__look enqueue(struct mutex *mutex, struct sheaf__waiter *waiter)
{
    enum sheaf__look look = sheaf__waiter_queue(waiter, &mutex->line);
    if (look == SHEAF__LOOK_QUEUED) {
        sheaf__or_rlx(&mutex->state, QUEUED);
    }
    return look;
}

/* The line may have become empty.  Requires: the guard is held */
static void note_removal(struct mutex *mutex)
{
    if (sheaf__line_empty(&mutex->line)) {
        sheaf__and_rel(&mutex->state, ~QUEUED);
    }
}

/* Takes the waiter out if it is in this line.  Returns: whether it was */
static bool leave(struct mutex *mutex, struct sheaf__waiter *waiter)
{
    take_guard(mutex);
    bool waiting = sheaf__line_has(&mutex->line, waiter);
    if (waiting) {
        sheaf__line_remove(&mutex->line, waiter);
        note_removal(mutex);
    }
    drop_guard(mutex);
    return waiting;
}

/* ---------------------------------------------------------------- mutex */

static bool try_lock(struct mutex *mutex)
{
    uint32_t state = 0;
    /* acquire part: pairs with the release of the unlock. */
    return sheaf__cas_acq_rel(&mutex->state, &state, HELD);
}

/* Requires: the mutex is HELD by the caller.  Hands it to the oldest live waiter, or sets it free.
 */
static void unlock(struct mutex *mutex)
{
    uint32_t state = HELD;
    if (sheaf__cas_acq_rel(&mutex->state, &state, 0)) {
        return;
    }
    take_guard(mutex);
    bool handed = sheaf__line_choose(&mutex->line, SHEAF_OK);
    note_removal(mutex);
    if (!handed) {
        sheaf__and_rel(&mutex->state, ~HELD);
    }
    drop_guard(mutex);
}

static enum sheaf__look look_at_mutex(struct sheaf__waiter *waiter)
{
    struct mutex *mutex = waiter->object;
    enum sheaf__look look = SHEAF__LOOK_NOTHING;
    take_guard(mutex);
    if (sheaf__load_rlx(&mutex->state) & HELD) {
        look = enqueue(mutex, waiter);
    } else if (sheaf__waiter_claim(waiter, SHEAF_OK)) {
        sheaf__or_acq_rel(&mutex->state, HELD);
        look = SHEAF__LOOK_TAKEN;
    }
    drop_guard(mutex);
    return look;
}

static void leave_mutex(struct sheaf__waiter *waiter)
{
    leave(waiter->object, waiter);
}

static void decline_mutex(struct sheaf__waiter *waiter)
{
    unlock(waiter->object);
}

const struct sheaf__waitable sheaf__mutex_waitable = {
    .what = "a mutex",
    .look = look_at_mutex,
    .leave = leave_mutex,
    .decline = decline_mutex,
};

static struct sheaf__waiter waiter_of(struct mutex *mutex)
{
    return (struct sheaf__waiter){.kind = &sheaf__mutex_waitable, .object = mutex};
}

int sheaf_lock_until(sheaf_mutex *given, sheaf_time deadline)
{
    if (!given) {
        return SHEAF_INVALID;
    }
    struct mutex *mutex = of_mutex(given);
    if (try_lock(mutex)) {
        return SHEAF_OK;
    }
    struct sheaf__waiter waiter = waiter_of(mutex);
    return sheaf__waiter_wait(&waiter, deadline);
}

int sheaf_lock(sheaf_mutex *mutex)
{
    return sheaf_lock_until(mutex, SHEAF_FOREVER);
}

bool sheaf_try_lock(sheaf_mutex *mutex)
{
    return mutex && try_lock(of_mutex(mutex));
}

int sheaf_unlock(sheaf_mutex *given)
{
    if (!given) {
        return SHEAF_INVALID;
    }
    struct mutex *mutex = of_mutex(given);
    if (!(sheaf__load_rlx(&mutex->state) & HELD)) {
        return SHEAF_STATE;
    }
    unlock(mutex);
    return SHEAF_OK;
}

bool sheaf_locked(const sheaf_mutex *mutex)
{
    return mutex && (sheaf__load_acq(&of_mutex(mutex)->state) & HELD);
}

/* ---------------------------------------------------------------- condition */

/* Requires: the condition's guard is held.  Moves its oldest waiter to its mutex, or wakes it with
 * the mutex if that is free.
 *
 * Returns: false for a waiter that was abandoned with its pool: it would not pass the notification
 *          on */
static bool notify_first(struct mutex *cond)
{
    struct sheaf__waiter *waiter = sheaf__line_pop(&cond->line);
    struct mutex *mutex = waiter->object;
    if (sheaf__wait_is_gone(waiter->wait)) {
        return false;
    }
    take_guard(mutex);
    if (sheaf__load_rlx(&mutex->state) & HELD) {
        enqueue(mutex, waiter);
    } else {
        sheaf__or_acq_rel(&mutex->state, HELD);
        if (!sheaf__waiter_choose(waiter, SHEAF_OK)) {
            sheaf__and_rel(&mutex->state, ~HELD);
        }
    }
    drop_guard(mutex);
    return true;
}

void sheaf_cond_notify(sheaf_cond *given, size_t count)
{
    if (!given) {
        return;
    }
    struct mutex *cond = of_cond(given);
    /* acquire: a waiter that queued before is seen. */
    if (!(sheaf__load_acq(&cond->state) & QUEUED)) {
        return;
    }
    take_guard(cond);
    while (count > 0 && !sheaf__line_empty(&cond->line)) {
        count -= notify_first(cond);
    }
    note_removal(cond);
    drop_guard(cond);
}

void sheaf_cond_notify_all(sheaf_cond *cond)
{
    sheaf_cond_notify(cond, SIZE_MAX);
}

/* How a wait that ended without the mutex had fared. */
enum fate {
    NOT_NOTIFIED,
    NOTIFIED /* chosen, but cancelled or out of time before the mutex came */
};

/* Takes the waiter out of whatever line it is in. */
static enum fate leave_cond(struct mutex *cond, struct sheaf__waiter *waiter)
{
    if (leave(cond, waiter)) {
        return NOT_NOTIFIED;
    }
    leave(waiter->object, waiter);
    return NOTIFIED;
}

static void lock_deaf(struct mutex *mutex)
{
    struct sheaf__waiter waiter = waiter_of(mutex);
    sheaf__waiter_wait_deaf(&waiter);
}

/* Takes the mutex again; a request that comes meanwhile is raised once it is held. */
static int come_back(struct mutex *cond, struct sheaf__waiter *waiter, struct sheaf__sleep *sleep,
                     uint32_t reason)
{
    enum fate fate = leave_cond(cond, waiter);
    if (!sleep->handed) {
        lock_deaf(waiter->object);
    }
    if (reason == SHEAF__WAIT_TIMEOUT && fate == NOTIFIED) {
        reason = SHEAF__WAIT_DONE;
    }
    int status = reason == SHEAF__WAIT_TIMEOUT ? SHEAF_TIMEOUT : SHEAF_OK;
    if (sleep->task && sheaf__task_is_asked(sleep->task)) {
        status = sheaf__task_deliver(sleep->task);
    }
    if (status != SHEAF_OK && fate == NOTIFIED) {
        sheaf_cond_notify((sheaf_cond *)(void *)cond, 1); /* P8: it was not ours to keep */
    }
    return status;
}

int sheaf_cond_wait_until(sheaf_cond *given, sheaf_mutex *held, sheaf_time deadline)
{
    if (!given || !held) {
        return SHEAF_INVALID;
    }
    struct mutex *cond = of_cond(given);
    struct mutex *mutex = of_mutex(held);
    if (!sheaf_locked(held)) {
        return SHEAF_STATE;
    }
    struct sheaf__sleep sleep;
    struct sheaf__waiter waiter = waiter_of(mutex);
    SHEAF_TRY(sheaf__sleep_begin(&sleep, "a condition", deadline));
    waiter.wait = sleep.wait;
    take_guard(cond);
    enqueue(cond, &waiter);
    drop_guard(cond);
    unlock(mutex);
    uint32_t reason = sheaf__sleep_end(&sleep);
    return come_back(cond, &waiter, &sleep, reason);
}

int sheaf_cond_wait(sheaf_cond *cond, sheaf_mutex *mutex)
{
    return sheaf_cond_wait_until(cond, mutex, SHEAF_FOREVER);
}

int sheaf_cond_wait_for_until(sheaf_cond *cond, sheaf_mutex *mutex, sheaf_predicate_fn *predicate,
                              void *arg, sheaf_time deadline)
{
    if (!cond || !mutex || !predicate) {
        return SHEAF_INVALID;
    }
    if (!sheaf_locked(mutex)) {
        return SHEAF_STATE;
    }
    int status = SHEAF_OK;
    bool holds = predicate(arg);
    while (!holds && status == SHEAF_OK) {
        status = sheaf_cond_wait_until(cond, mutex, deadline);
        holds = (status == SHEAF_OK || status == SHEAF_TIMEOUT) && predicate(arg);
    }
    return holds ? SHEAF_OK : status;
}

int sheaf_cond_wait_for(sheaf_cond *cond, sheaf_mutex *mutex, sheaf_predicate_fn *predicate,
                        void *arg)
{
    return sheaf_cond_wait_for_until(cond, mutex, predicate, arg, SHEAF_FOREVER);
}
