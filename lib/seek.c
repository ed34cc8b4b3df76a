#include "lib/seek.h"

#include "lib/pool_impl.h"

/* Once in so many turns of the loop another queue is looked at first: a worker that always has work
 * in one of them serves the others all the same. */
#define FAIRNESS_TICKS 61U

/* How often a searching worker goes round all queues before it lies down. */
#define SEARCH_ROUNDS 4U

/* The seeded mode draws among so many of the jobs at the head of the queue. */
#define SEEDED_CHOICES 64U

/* xorshift64*: S. Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016. */
uint64_t sheaf__roll(struct sheaf__worker *worker)
{
    uint64_t x = sheaf__load_rlx(&worker->dice);
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    sheaf__store_rlx(&worker->dice, x);
    return x * UINT64_C(2685821657736338717);
}

/* ---------------------------------------------------------------- finding work */

static struct sheaf__job *steal_entries(struct sheaf__worker *worker, struct sheaf__worker *victim)
{
    struct sheaf__job *jobs[SHEAF__DEQUE_STEAL_MAX];
    unsigned got =
        sheaf__deque_steal(&victim->deque, jobs, SHEAF__DEQUE_STEAL_MAX, worker->pool->ops->stolen);
    for (unsigned i = 1; i < got; i++) {
        sheaf__worker_push(worker, jobs[i]);
        sheaf__count(&worker->counts.stolen); /* the first is the caller's to count */
    }
    return got ? jobs[0] : NULL;
}

static struct sheaf__job *steal_fork(struct sheaf__worker *worker, struct sheaf__worker *victim)
{
    struct sheaf__region *region = sheaf__load_acq(&victim->region);
    if (SHEAF__LIKELY(!region) || !sheaf__region_has_fork(region)) {
        return NULL;
    }
    return worker->pool->ops->steal_fork(worker, region);
}

static struct sheaf__job *steal_from(struct sheaf__worker *worker, struct sheaf__worker *victim)
{
    struct sheaf__job *job = sheaf__runq_pop(&victim->ready);
    if (!job) {
        job = steal_entries(worker, victim);
    }
    if (!job) {
        job = steal_fork(worker, victim);
    }
    if (!job) {
        job = sheaf__runq_pop(&victim->late);
    }
    if (job) {
        sheaf__count(&worker->counts.stolen);
    }
    return job;
}

static struct sheaf__job *steal(struct sheaf__worker *worker)
{
    sheaf_pool *pool = worker->pool;
    /* relaxed: a seat that is not seen yet is one that this look was too early for. */
    unsigned count = sheaf__load_rlx(&pool->seated);
    unsigned at = (unsigned)(sheaf__roll(worker) % count);
    for (unsigned i = 0; i < count; i++, at = at + 1 == count ? 0 : at + 1) {
        struct sheaf__worker *victim = &pool->workers[at];
        struct sheaf__job *job = victim == worker ? NULL : steal_from(worker, victim);
        if (job) {
            return job;
        }
    }
    return NULL;
}

static struct sheaf__job *next_in_order(struct sheaf__worker *worker)
{
    sheaf_pool *pool = worker->pool;
    if (!pool->seed) {
        return sheaf__runq_pop(&pool->inject);
    }
    size_t count = sheaf__load_rlx(&pool->inject.count);
    if (count == 0) {
        return NULL;
    }
    size_t choices = count < SEEDED_CHOICES ? count : SEEDED_CHOICES;
    return sheaf__runq_pop_at(&pool->inject, (size_t)(sheaf__roll(worker) % choices));
}

/* The oldest of the own entries, which the newest would starve. */
static struct sheaf__job *oldest_own(struct sheaf__worker *worker)
{
    struct sheaf__job *job = NULL;
    sheaf__deque_steal(&worker->deque, &job, 1, worker->pool->ops->stolen);
    return job;
}

/* Once in a while each queue is served first, so that none starves. */
static struct sheaf__job *next_in_turn(struct sheaf__worker *worker, uint32_t turn)
{
    sheaf_pool *pool = worker->pool;
    switch (turn % 6) {
    case 0:
        return sheaf__runq_pop(&pool->inject);
    case 1:
        return sheaf__runq_pop(&worker->late);
    case 2:
        return sheaf__runq_pop(&pool->woken);
    case 3:
        return oldest_own(worker);
    case 4:
        return sheaf__runq_pop(&worker->pinned_late);
    default:
        return sheaf__runq_pop(&worker->ready);
    }
}

/* What waits behind all else, each in turn: what gave way, and work from outside. */
static struct sheaf__job *next_behind(struct sheaf__worker *worker, uint32_t tick)
{
    struct sheaf__runq *outside = &worker->pool->inject;
    if (sheaf__runq_empty(outside) && sheaf__runq_empty(&worker->pinned_late)) {
        return sheaf__runq_pop(&worker->late);
    }
    struct sheaf__runq *queues[] = {outside, &worker->late, &worker->pinned_late};
    struct sheaf__job *job = NULL;
    for (uint32_t i = 0; !job && i < 3; i++) {
        job = sheaf__runq_pop(queues[(tick + i) % 3]);
    }
    return job;
}

/* What lies nearest: woken tasks before new ones, since they hold stacks; what gave way last. */
static struct sheaf__job *next_local(struct sheaf__worker *worker)
{
    struct sheaf__runq *woken = &worker->pool->woken;
    uint32_t tick = sheaf__load_rlx(&worker->ticks) + 1;
    sheaf__store_rlx(&worker->ticks, tick);
    struct sheaf__job *job = NULL;
    if (SHEAF__UNLIKELY(tick % FAIRNESS_TICKS == 0)) {
        job = next_in_turn(worker, tick / FAIRNESS_TICKS);
    }
    if (!job && tick % 2) {
        job = sheaf__runq_pop(&worker->pinned);
    }
    job = job ? job : sheaf__runq_pop(woken);
    job = job ? job : sheaf__runq_pop(&worker->ready);
    if (!job && !sheaf__deque_looks_empty(&worker->deque)) {
        job = sheaf__deque_pop(&worker->deque);
    }
    job = job ? job : sheaf__runq_pop(&worker->pinned);
    return job ? job : next_behind(worker, tick);
}

static struct sheaf__job *next_now(struct sheaf__worker *worker)
{
    if (worker->deterministic) {
        return next_in_order(worker);
    }
    return next_local(worker);
}

/* ---------------------------------------------------------------- idling: see lib/idle.h */

static bool has_own_work(struct sheaf__worker *worker)
{
    return !sheaf__runq_empty(&worker->pinned) || !sheaf__runq_empty(&worker->pinned_late) ||
           sheaf__pool_has_work(worker->pool);
}

void sheaf__end_search(struct sheaf__worker *worker)
{
    sheaf_pool *pool = worker->pool;
    if (sheaf__idle_search_end(&pool->idle) && sheaf__pool_has_work(pool)) {
        sheaf__idle_wake_one(&pool->idle);
    }
}

static struct sheaf__job *search_round(struct sheaf__worker *worker)
{
    struct sheaf__job *job = next_now(worker);
    if (!job && !worker->deterministic) {
        job = steal(worker);
    }
    return job;
}

/* searching -> asleep -> searching. */
static void rest(struct sheaf__worker *worker)
{
    sheaf_pool *pool = worker->pool;
    bool last = sheaf__idle_lie_down(&pool->idle, &worker->bunk);
    if (has_own_work(worker) || sheaf__pool_stopped(pool) || (last && sheaf__pool_at_rest(pool))) {
        sheaf__idle_get_up(&pool->idle, &worker->bunk);
        return;
    }
    sheaf__idle_sleep(&worker->bunk);
}

/* Searches, and sleeps when there is nothing.  Returns: NULL when the pool stops */
static struct sheaf__job *search(struct sheaf__worker *worker)
{
    struct sheaf__job *job = NULL;
    sheaf__idle_search_begin(&worker->pool->idle);
    for (unsigned round = 0; !job && !sheaf__pool_stopped(worker->pool); round++) {
        job = search_round(worker);
        if (!job && round >= SEARCH_ROUNDS) {
            rest(worker);
            round = 0;
        }
    }
    sheaf__end_search(worker);
    return job;
}

struct sheaf__job *sheaf__seek(struct sheaf__worker *worker)
{
    struct sheaf__job *job = sheaf__load_acq(&worker->handed);
    if (job) {
        sheaf__store_rlx(&worker->handed, NULL);
        return job;
    }
    if (SHEAF__UNLIKELY(sheaf__pool_stopped(worker->pool))) {
        return NULL;
    }
    if (worker->is_spare) {
        return sheaf__spare_seek(worker);
    }
    job = next_now(worker);
    job = job ? job : search(worker);
    if (SHEAF__UNLIKELY(sheaf__load_rlx(&worker->pool->unwatched))) {
        sheaf__spares_begin(worker->pool);
    }
    return job;
}

struct sheaf__job *sheaf__seek_near(struct sheaf__worker *worker)
{
    if (!worker->direct || SHEAF__UNLIKELY(sheaf__pool_stopped(worker->pool)) ||
        SHEAF__UNLIKELY(sheaf__load_rlx(&worker->pool->unwatched))) {
        return NULL;
    }
    return next_local(worker);
}
