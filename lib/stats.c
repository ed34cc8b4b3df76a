/* What a pool tells of itself: its counts, its clock, the calling task's pool. */
#include "lib/pool_impl.h"

#include "lib/platform/clock.h"

/* ---------------------------------------------------------------- counts */

size_t sheaf__pool_suspended(sheaf_pool *pool)
{
    uint64_t parked = 0;
    uint64_t resumed = 0;
    for (unsigned i = 0; i < pool->seats; i++) {
        resumed += sheaf__load_rlx(&pool->workers[i].counts.resumed);
        parked += sheaf__load_rlx(&pool->workers[i].counts.parked);
    }
    return parked > resumed ? (size_t)(parked - resumed) : 0;
}

static uint64_t count_ended(sheaf_pool *pool)
{
    /* acquire: the tasks that an ended one spawned are counted in what is read after this. */
    uint64_t ended = sheaf__load_acq(&pool->refused);
    for (unsigned i = 0; i < pool->seats; i++) {
        ended += sheaf__load_acq(&pool->workers[i].counts.ran);
        ended += sheaf__load_acq(&pool->workers[i].counts.inlined);
    }
    return ended;
}

static uint64_t count_spawned(sheaf_pool *pool)
{
    uint64_t spawned = sheaf__load_acq(&pool->spawned_outside);
    for (unsigned i = 0; i < pool->seats; i++) {
        spawned += sheaf__load_acq(&pool->workers[i].counts.spawned);
    }
    return spawned;
}

size_t sheaf__pool_unfinished(sheaf_pool *pool)
{
    /* Both only grow, and a task is counted as spawned before it can end: when the later reading of
     * the one equals the earlier of the other, nothing was under way in between. */
    uint64_t ended = count_ended(pool);
    return (size_t)(count_spawned(pool) - ended);
}

/* ---------------------------------------------------------------- queries */

int sheaf_pool_workers(const sheaf_pool *pool)
{
    return pool ? (int)pool->worker_count : 0;
}

sheaf_time sheaf_pool_now(sheaf_pool *pool)
{
    return pool ? sheaf__timekeeper_now(&pool->keeper) : sheaf__clock_monotonic();
}

sheaf_pool *sheaf_pool_current(void)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    return worker ? worker->pool : NULL;
}

sheaf_time sheaf_now(void)
{
    return sheaf_pool_now(sheaf_pool_current());
}

/* ---------------------------------------------------------------- statistics */

static size_t queued_on(struct sheaf__worker *worker)
{
    return sheaf__deque_size(&worker->deque) + sheaf__runq_size(&worker->ready) +
           sheaf__runq_size(&worker->late) + sheaf__runq_size(&worker->pinned) +
           sheaf__runq_size(&worker->pinned_late);
}

int sheaf_pool_worker_stats(sheaf_pool *pool, int index, sheaf_worker_stats *stats)
{
    if (!pool || index < 0 || !stats || stats->size != sizeof *stats) {
        return SHEAF_INVALID;
    }
    if (sheaf__pool_is_lost(pool)) {
        return SHEAF_LOST;
    }
    /* relaxed: a spare's seat was there before it was counted. */
    if ((unsigned)index >= sheaf__load_rlx(&pool->seated)) {
        return SHEAF_EMPTY;
    }
    struct sheaf__worker *worker = &pool->workers[index];
    struct sheaf__counters *counts = &worker->counts;
    *stats = (sheaf_worker_stats){.size = sizeof *stats};
    stats->inlined = sheaf__load_acq(&counts->inlined);
    stats->finished = stats->inlined + sheaf__load_acq(&counts->ran);
    stats->spawned = sheaf__load_rlx(&counts->spawned);
    stats->stolen = sheaf__load_rlx(&counts->stolen);
    stats->woken = sheaf__load_rlx(&counts->resumed);
    stats->parked = sheaf__load_rlx(&counts->parked);
    stats->queued = queued_on(worker);
    stats->asleep = sheaf__idle_is_asleep(&pool->idle, &worker->bunk);
    stats->spare = worker->is_spare;
    return SHEAF_OK;
}

static size_t count_queued(sheaf_pool *pool)
{
    size_t queued = sheaf__runq_size(&pool->inject) + sheaf__runq_size(&pool->woken);
    for (unsigned i = 0; i < pool->seats; i++) {
        queued += queued_on(&pool->workers[i]);
    }
    return queued;
}

int sheaf_pool_stats(sheaf_pool *pool, sheaf_stats *stats)
{
    if (!pool || !stats || stats->size != sizeof *stats) {
        return SHEAF_INVALID;
    }
    if (sheaf__pool_is_lost(pool)) {
        return SHEAF_LOST;
    }
    *stats = (sheaf_stats){.size = sizeof *stats};
    stats->finished = count_ended(pool);
    stats->spawned = count_spawned(pool);
    for (unsigned i = 0; i < pool->seats; i++) {
        struct sheaf__counters *counts = &pool->workers[i].counts;
        stats->inlined += sheaf__load_rlx(&counts->inlined);
        stats->stolen += sheaf__load_rlx(&counts->stolen);
        stats->parked += sheaf__load_rlx(&counts->parked);
        stats->woken += sheaf__load_rlx(&counts->resumed);
    }
    stats->wakeups = sheaf__load_rlx(&pool->idle.wakeups);
    stats->timers = sheaf__load_rlx(&pool->keeper.started);
    stats->suspended = sheaf__pool_suspended(pool);
    stats->lent = sheaf__load_rlx(&pool->lends);
    stats->stacks = sheaf__load_rlx(&pool->fibers.count);
    struct sheaf__stacks_statistics stacks;
    sheaf__stacks_read_statistics(&pool->fibers.stacks, &stacks);
    stats->stacks_peak = stacks.live_peak;
    stats->queued = count_queued(pool);
    stats->timers_pending = sheaf__timekeeper_pending(&pool->keeper);
    stats->asleep = sheaf__idle_sleepers(&pool->idle);
    return SHEAF_OK;
}
