/* The pool at rest: every worker asleep and nothing queued.  What it means then, and who waits for
 * it; the holds of a virtual clock, which keep it from meaning anything. */
#include "lib/pool_impl.h"

#include <time.h>

int sheaf__pool_wait_change(sheaf_pool *pool, int64_t deadline)
{
    if (deadline == SHEAF_FOREVER) {
        return pthread_cond_wait(&pool->rested, &pool->rest_lock);
    }
    if (deadline < 0) {
        deadline = 0;
    }
    struct timespec until = {
        .tv_sec = (time_t)(deadline / 1000000000),
        .tv_nsec = (long)(deadline % 1000000000),
    };
    return pthread_cond_timedwait(&pool->rested, &pool->rest_lock, &until);
}

/* Whether nothing can run.  Requires: rest_lock */
static bool is_at_rest(sheaf_pool *pool)
{
    return !sheaf__pool_has_work(pool) && sheaf__idle_all_asleep(&pool->idle);
}

/* Wakes the task that waits for this moment.  Under rest_lock it cannot leave its wait meanwhile.
 * */
static bool wake_rest_waiter(sheaf_pool *pool)
{
    struct sheaf__wait *wait = pool->rest_waiter;
    pool->rest_waiter = NULL;
    return wait && sheaf__wake(wait, SHEAF__WAIT_DONE);
}

/* Requires: rest_lock */
static void note_rest(sheaf_pool *pool, bool for_good)
{
    pool->rests++;
    pool->rest_suspended = sheaf__pool_suspended(pool);
    pool->deadlock = pool->is_virtual && for_good && pool->rest_suspended > 0;
    pthread_cond_broadcast(&pool->rested);
}

/* Returns: whether something can run now, or when the timers in *due, if any, have been fired.
 * Requires: rest_lock */
static bool settle_rest(sheaf_pool *pool, struct sheaf__timer **due)
{
    /* A thread that acts from outside publishes its work before its promise counts as resolved:
     * what is read here first is no older than the look that follows.  A hold is taken under the
     * lock. */
    bool nobody_outside = sheaf__load_seq(&pool->outside) == 0;
    if (!is_at_rest(pool) || wake_rest_waiter(pool)) {
        return true;
    }
    bool alone = pool->holds == 0;
    if (pool->is_virtual && alone && sheaf__timekeeper_advance(&pool->keeper, due)) {
        /* Time stands still until they have been fired. */
        pool->holds += *due != NULL;
        return true;
    }
    note_rest(pool, alone && nobody_outside);
    return false;
}

bool sheaf__pool_at_rest(sheaf_pool *pool)
{
    struct sheaf__timer *due = NULL;
    pthread_mutex_lock(&pool->rest_lock);
    bool moved = settle_rest(pool, &due);
    pthread_mutex_unlock(&pool->rest_lock);
    if (due) {
        sheaf__timekeeper_fire(&pool->keeper, due);
        pthread_mutex_lock(&pool->rest_lock);
        pool->holds--;
        pthread_mutex_unlock(&pool->rest_lock);
    }
    return moved;
}

int sheaf__pool_wait_rest(sheaf_pool *pool, uint64_t *seen, int64_t deadline)
{
    int error = 0;
    pthread_mutex_lock(&pool->rest_lock);
    if (*seen == 0) {
        *seen = pool->rests;
        pthread_mutex_unlock(&pool->rest_lock);
        /* A pool that is at rest already looks again and tells. */
        sheaf__fence_full();
        sheaf__idle_wake_one(&pool->idle);
        pthread_mutex_lock(&pool->rest_lock);
    }
    while (pool->rests == *seen && !error) {
        error = sheaf__pool_wait_change(pool, deadline);
    }
    bool rested = pool->rests != *seen;
    bool deadlock = pool->deadlock;
    *seen = pool->rests;
    pthread_mutex_unlock(&pool->rest_lock);
    return !rested ? SHEAF_TIMEOUT : deadlock ? SHEAF_DEADLOCK : SHEAF_OK;
}

void sheaf_clock_hold(sheaf_pool *pool)
{
    if (pool && !sheaf__pool_is_lost(pool)) {
        pthread_mutex_lock(&pool->rest_lock);
        pool->holds++;
        pthread_mutex_unlock(&pool->rest_lock);
    }
}

void sheaf_clock_release(sheaf_pool *pool)
{
    if (!pool || sheaf__pool_is_lost(pool)) {
        return;
    }
    pthread_mutex_lock(&pool->rest_lock);
    bool last = pool->holds == 1;
    pool->holds -= pool->holds > 0;
    pthread_mutex_unlock(&pool->rest_lock);
    if (last) {
        /* Everybody may have gone to sleep on a held clock. */
        sheaf__idle_wake_one(&pool->idle);
    }
}
