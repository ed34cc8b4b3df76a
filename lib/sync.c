/* Mutex and condition over the one wait protocol.
 *
 * A mutex is a state word and a ring of waiters.  The word's GUARD bit is a spin lock over the
 * ring; an uncontended lock or unlock is one compare-and-swap that does not touch it.
 *
 *     state = HELD | GUARD | QUEUED        QUEUED: the ring is not empty
 *
 * Hand-over: unlock takes the oldest waiter off the ring and wakes it with the mutex still HELD;
 * the mutex is the waiter's from that moment.  A waiter that finds itself chosen and cancelled at
 * once passes it on (P8).  A waiter whose wake-up fails has been cancelled or timed out already; it
 * is off the ring, and finds that out under the guard.
 *
 * A notified waiter of a condition moves from the condition's ring to that of its mutex in one step
 * under both guards, the condition's first (no stampede).  `on` says on which ring a node is. */
#include <sheaf/sync.h>

#include "lib/future_impl.h"

#define HELD 1U
#define GUARD 2U
#define QUEUED 4U

enum ring { ON_NONE = 0, ON_MUTEX, ON_COND };

struct mutex;

struct waiter {
    struct waiter *next; /* guarded by the guard of the ring */
    struct waiter *previous;
    struct sheaf__wait *wait;
    struct mutex *mutex;       /* of a condition's waiter */
    SHEAF__ATOMIC(uint8_t) on; /* enum ring; written under the guard of the ring left and entered */
};

/* What lies in a sheaf_mutex and in a sheaf_cond. */
struct mutex {
    SHEAF__ATOMIC(uint32_t) state;
    uint32_t spare;
    struct waiter *first; /* ring, guarded by GUARD, valid if QUEUED */
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

/* ---------------------------------------------------------------- rings */

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
static void enqueue(struct mutex *mutex, struct waiter *waiter, enum ring ring)
{
    if (sheaf__load_rlx(&mutex->state) & QUEUED) {
        waiter->next = mutex->first;
        waiter->previous = mutex->first->previous;
        waiter->previous->next = waiter;
        mutex->first->previous = waiter;
    } else {
        waiter->next = waiter;
        waiter->previous = waiter;
        mutex->first = waiter;
        sheaf__or_rlx(&mutex->state, QUEUED);
    }
    sheaf__store_rlx(&waiter->on, (uint8_t)ring);
}

/* Requires: the guard is held and the waiter is on the ring */
static void dequeue(struct mutex *mutex, struct waiter *waiter)
{
    if (waiter->next == waiter) {
        sheaf__and_rel(&mutex->state, ~QUEUED);
    } else {
        waiter->previous->next = waiter->next;
        waiter->next->previous = waiter->previous;
        if (mutex->first == waiter) {
            mutex->first = waiter->next;
        }
    }
    sheaf__store_rlx(&waiter->on, ON_NONE);
}

/* Requires: the guard is held, the mutex is HELD by the caller.  Hands it to the oldest live
 * waiter, or sets it free.  A woken waiter may be gone on return. */
static void hand_over(struct mutex *mutex)
{
    while (sheaf__load_rlx(&mutex->state) & QUEUED) {
        struct waiter *waiter = mutex->first;
        struct sheaf__wait *wait = waiter->wait;
        dequeue(mutex, waiter);
        if (sheaf__wake(wait, SHEAF__WAIT_DONE)) {
            return;
        }
    }
    sheaf__and_rel(&mutex->state, ~HELD);
}

/* ---------------------------------------------------------------- mutex */

static bool try_lock(struct mutex *mutex)
{
    uint32_t state = 0;
    /* acquire part: pairs with the release of the unlock. */
    return sheaf__cas_acq_rel(&mutex->state, &state, HELD);
}

/* Takes the mutex, or gets in line.  Returns: whether it was free */
static bool lock_or_queue(struct mutex *mutex, struct waiter *waiter)
{
    take_guard(mutex);
    bool taken = !(sheaf__load_rlx(&mutex->state) & HELD);
    if (taken) {
        sheaf__or_acq_rel(&mutex->state, HELD);
    } else {
        enqueue(mutex, waiter, ON_MUTEX);
    }
    drop_guard(mutex);
    return taken;
}

static void unlock(struct mutex *mutex)
{
    uint32_t state = HELD;
    if (sheaf__cas_acq_rel(&mutex->state, &state, 0)) {
        return;
    }
    take_guard(mutex);
    hand_over(mutex);
    drop_guard(mutex);
}

/* Gets out of line after a wait that did not end with the mutex. */
static void leave_ring(struct mutex *mutex, struct waiter *waiter)
{
    take_guard(mutex);
    if (sheaf__load_rlx(&waiter->on) == ON_MUTEX) {
        dequeue(mutex, waiter);
    }
    drop_guard(mutex);
}

/* What a finished sleep means: the mutex is held, or the waiter has left.
 *
 *   taken  receives whether it is held
 *
 * Returns: SHEAF_OK, SHEAF_TIMEOUT, SHEAF_CANCELLED; with SHEAF_OK and no mutex the request that
 *          ended the sleep was withdrawn */
static int settle_lock(struct mutex *mutex, struct waiter *waiter, struct sheaf__sleep *sleep,
                       uint32_t reason, bool *taken)
{
    *taken = sleep->handed;
    if (!sleep->handed) {
        leave_ring(mutex, waiter);
    }
    if (reason == SHEAF__WAIT_DONE) {
        return SHEAF_OK;
    }
    int status = reason == SHEAF__WAIT_TIMEOUT ? SHEAF_TIMEOUT : sheaf__task_deliver(sleep->task);
    if (status != SHEAF_OK && sleep->handed) {
        unlock(mutex);
        *taken = false;
    }
    return status;
}

/* One pass at the mutex.  Returns: as settle_lock(); SHEAF_NOMEM */
static int lock_once(struct mutex *mutex, sheaf_time deadline, bool deaf, bool *taken)
{
    struct sheaf__sleep sleep;
    struct waiter waiter = {.mutex = mutex};
    SHEAF_TRY(deaf ? sheaf__sleep_begin_deaf(&sleep)
                   : sheaf__sleep_begin(&sleep, "a mutex", deadline));
    waiter.wait = sleep.wait;
    *taken = lock_or_queue(mutex, &waiter);
    if (*taken) {
        sheaf__sleep_abandon(&sleep);
        return SHEAF_OK;
    }
    uint32_t reason = sheaf__sleep_end(&sleep);
    return settle_lock(mutex, &waiter, &sleep, reason, taken);
}

/* Takes the mutex whatever requests come: a sleep that nothing interrupts needs no memory in a
 * task, and in a thread only what the system gives for a condition variable. */
static void lock_deaf(struct mutex *mutex)
{
    unsigned turns = 0;
    bool taken = try_lock(mutex);
    while (!taken && lock_once(mutex, SHEAF_FOREVER, true, &taken) != SHEAF_OK) {
        sheaf__spin_wait(&turns);
    }
}

int sheaf_lock_until(sheaf_mutex *given, sheaf_time deadline)
{
    if (!given) {
        return SHEAF_INVALID;
    }
    struct mutex *mutex = of_mutex(given);
    bool taken = try_lock(mutex);
    while (!taken) {
        /* A request that was withdrawn between its wake-up and its delivery ends nothing. */
        SHEAF_TRY(lock_once(mutex, deadline, false, &taken));
    }
    return SHEAF_OK;
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
 * the mutex if that is free. */
static void notify_first(struct mutex *cond)
{
    struct waiter *waiter = cond->first;
    struct mutex *mutex = waiter->mutex;
    dequeue(cond, waiter);
    take_guard(mutex);
    if (sheaf__load_rlx(&mutex->state) & HELD) {
        enqueue(mutex, waiter, ON_MUTEX);
    } else {
        sheaf__or_acq_rel(&mutex->state, HELD);
        if (!sheaf__wake(waiter->wait, SHEAF__WAIT_DONE)) {
            sheaf__and_rel(&mutex->state, ~HELD);
        }
    }
    drop_guard(mutex);
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
    while (count-- > 0 && (sheaf__load_rlx(&cond->state) & QUEUED)) {
        notify_first(cond);
    }
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

/* Takes the waiter off whatever ring it is on. */
static enum fate leave_cond(struct mutex *cond, struct waiter *waiter)
{
    take_guard(cond);
    bool waiting = sheaf__load_rlx(&waiter->on) == ON_COND;
    if (waiting) {
        dequeue(cond, waiter);
    }
    drop_guard(cond);
    if (waiting) {
        return NOT_NOTIFIED;
    }
    leave_ring(waiter->mutex, waiter);
    return NOTIFIED;
}

/* Takes the mutex again; a request that comes meanwhile is raised once it is held. */
static int come_back(struct mutex *cond, struct waiter *waiter, struct sheaf__sleep *sleep,
                     uint32_t reason)
{
    enum fate fate = NOTIFIED;
    if (!sleep->handed) {
        fate = leave_cond(cond, waiter);
        lock_deaf(waiter->mutex);
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
    if (!(sheaf__load_rlx(&mutex->state) & HELD)) {
        return SHEAF_STATE;
    }
    struct sheaf__sleep sleep;
    struct waiter waiter = {.mutex = mutex};
    SHEAF_TRY(sheaf__sleep_begin(&sleep, "a condition", deadline));
    waiter.wait = sleep.wait;
    take_guard(cond);
    enqueue(cond, &waiter, ON_COND);
    drop_guard(cond);
    unlock(mutex);
    uint32_t reason = sheaf__sleep_end(&sleep);
    return come_back(cond, &waiter, &sleep, reason);
}

int sheaf_cond_wait(sheaf_cond *cond, sheaf_mutex *mutex)
{
    return sheaf_cond_wait_until(cond, mutex, SHEAF_FOREVER);
}
