/* One mutex, one condition, one bit.
 *
 * Why a thread that was let go may destroy the parker while the other one is still inside
 * sheaf__unpark:
 *   1. The token is set with the lock held, so a parking thread sees it only once it holds the lock
 *      itself, that is after unpark's unlock took effect.
 *   2. The signal is sent before that unlock.  So no thread is inside pthread_cond_signal when
 *      park returns, and destroying the condition is allowed.
 *   3. What unpark may still be doing is the tail of pthread_mutex_unlock.  POSIX requires of
 *      implementations that a mutex can be destroyed, and its memory freed, as soon as it is
 *      unlocked and nobody is going to lock it; the C libraries' tail is a wake-up by address,
 *      which does not touch the memory.
 *
 * A signal that is sent with the lock held wakes a thread into that lock, where it may have to
 * sleep once more.  A lasting parker sends it after the unlock, and counts who is in between: the
 * count goes up before the token can be seen, so who destroys the parker waits until it is down
 * again, which is the last that unpark does to it.
 */
#include "lib/platform/park.h"

#include <sched.h>
#include <stdatomic.h>
#include <time.h>

static int condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    if (failed) return failed;
    failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!failed) failed = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return failed;
}

int sheaf__parker_init(struct sheaf__parker *p, bool lasting)
{
    int failed = pthread_mutex_init(&p->lock, NULL);
    if (failed) return failed;
    failed = condition_init(&p->ready);
    if (failed) {
        pthread_mutex_destroy(&p->lock);
        return failed;
    }
    p->token = false;
    p->lasting = lasting;
    atomic_init(&p->unparkers, 0);
    return 0;
}

void sheaf__parker_destroy(struct sheaf__parker *p)
{
    /* acquire: pairs with the release in unpark_lasting(). */
    while (atomic_load_explicit(&p->unparkers, memory_order_acquire) > 0) sched_yield();
    pthread_cond_destroy(&p->ready);
    pthread_mutex_destroy(&p->lock);
}

void sheaf__park(struct sheaf__parker *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->token) pthread_cond_wait(&p->ready, &p->lock);
    p->token = false;
    pthread_mutex_unlock(&p->lock);
}

/* Times before the clock's start are long past, and a timespec may not be negative. */
static struct timespec timespec_of(int64_t ns)
{
    if (ns < 0) ns = 0;
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
}

bool sheaf__park_until(struct sheaf__parker *p, int64_t monotonic_ns)
{
    if (monotonic_ns == INT64_MAX) {
        sheaf__park(p);
        return true;
    }
    struct timespec deadline = timespec_of(monotonic_ns);
    int waited = 0;
    pthread_mutex_lock(&p->lock);
    while (!p->token && waited == 0)
        waited = pthread_cond_timedwait(&p->ready, &p->lock, &deadline);
    bool taken = p->token;
    p->token = false;
    pthread_mutex_unlock(&p->lock);
    return taken;
}

static void unpark_lasting(struct sheaf__parker *p)
{
    /* relaxed: the lock hands it on together with the token. */
    atomic_fetch_add_explicit(&p->unparkers, 1, memory_order_relaxed);
    pthread_mutex_lock(&p->lock);
    p->token = true;
    pthread_mutex_unlock(&p->lock);
    pthread_cond_signal(&p->ready);
    atomic_fetch_sub_explicit(&p->unparkers, 1, memory_order_release);
    /* p may be gone from here on. */
}

void sheaf__unpark(struct sheaf__parker *p)
{
    if (p->lasting) {
        unpark_lasting(p);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->token = true;
    pthread_cond_signal(&p->ready);
    pthread_mutex_unlock(&p->lock);
    /* p may be gone from here on. */
}
