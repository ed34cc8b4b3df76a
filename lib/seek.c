#include "lib/seek.h"

#include <sheaf/trace.h>

#include "lib/platform/clock.h"
#include "lib/pool_impl.h"

/* Once in so many turns of the loop another queue is looked at first: a worker that always has work
 * in one of them serves the others all the same. */
#define FAIRNESS_TICKS 61U

/* How often a searching worker goes round all queues before it lies down. */
#define SEARCH_ROUNDS 6U

/* The pause between two of these rounds, but for the first two, in turns of a spin loop. */
#define SEARCH_PAUSE 32U

/* A fiber that lies alone where it was woken is taken at this look of a search: its own worker has
 * not come to it in between. */
#define LONE_LOOKS 4U

/* A worker that comes to such a fiber later than this would have been overtaken by another. */
#define LATE INT64_C(10000)

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

/* Whether the victim still has the one fiber that was seen there. */
static bool is_as_seen(struct sheaf__worker *victim, uint32_t taken)
{
    return sheaf__load_rlx(&victim->ready.count) == 1 &&
           sheaf__load_rlx(&victim->ready.taken) == taken;
}

/* Whether the only fiber of the victim is left alone for now.  One victim is watched at a time. */
static bool leaves_alone(struct sheaf__worker *worker, struct sheaf__worker *victim)
{
    struct sheaf__handovers *own = &worker->handovers;
    struct sheaf__worker *seen = sheaf__load_rlx(&own->seen);
    uint32_t taken = sheaf__load_rlx(&own->seen_taken);
    if (seen && is_as_seen(seen, taken)) {
        uint32_t looks = sheaf__load_rlx(&own->looks) + (seen == victim);
        sheaf__store_rlx(&own->looks, looks);
        return seen != victim || looks < LONE_LOOKS;
    }
    sheaf__store_rlx(&own->seen, victim);
    sheaf__store_rlx(&own->seen_taken, sheaf__load_rlx(&victim->ready.taken));
    sheaf__store_rlx(&own->looks, 1);
    return true;
}

static struct sheaf__job *steal_ready(struct sheaf__worker *worker, struct sheaf__worker *victim)
{
    if (sheaf__load_rlx(&victim->ready.count) != 1 || !victim->hands_over) {
        return sheaf__runq_pop(&victim->ready);
    }
    if (leaves_alone(worker, victim)) {
        return NULL;
    }
    sheaf__worker_distrust(victim);
    return sheaf__runq_pop(&victim->ready);
}

static struct sheaf__job *steal_from(struct sheaf__worker *worker, struct sheaf__worker *victim)
{
    struct sheaf__job *job = steal_ready(worker, victim);
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
    size_t choice = (size_t)(sheaf__roll(worker) % choices);
    /* acquire: pairs with the release in lib/explore.c; the worker ran before. */
    struct sheaf__exploration *exploration = sheaf__load_acq(&pool->exploration);
    if (exploration) {
        sheaf__exploration_note(exploration, choice);
    }
    return sheaf__runq_pop_at(&pool->inject, choice);
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

/* E4.
 *
 *   watched  fibers that are left to others are the affair of the watch */
static bool has_own_work(struct sheaf__worker *worker, bool watched)
{
    return !sheaf__runq_empty(&worker->pinned) || !sheaf__runq_empty(&worker->pinned_late) ||
           !sheaf__runq_empty(&worker->ready) ||
           (watched ? sheaf__pool_has_announced_work(worker->pool)
                    : sheaf__pool_has_work(worker->pool));
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

/* After the decision to sleep: an observer has all the time it takes. */
static void sleep_observed(struct sheaf__worker *worker)
{
    if (SHEAF__UNLIKELY(worker->observes)) {
        worker->pool->ops->observe(worker, NULL, SHEAF_TRACE_SLEEP);
    }
    sheaf__idle_sleep(&worker->bunk);
    if (SHEAF__UNLIKELY(worker->observes)) {
        worker->pool->ops->observe(worker, NULL, SHEAF_TRACE_WAKE);
    }
}

/* searching -> asleep -> searching. */
static void rest(struct sheaf__worker *worker)
{
    sheaf_pool *pool = worker->pool;
    bool watched;
    bool last = sheaf__idle_lie_down(&pool->idle, &worker->bunk, &watched);
    if (has_own_work(worker, watched) || sheaf__pool_stopped(pool) ||
        (last && sheaf__pool_at_rest(pool))) {
        sheaf__idle_get_up(&pool->idle, &worker->bunk);
        return;
    }
    sleep_observed(worker);
}

static void pause(unsigned round)
{
    for (unsigned i = 0; round >= 2 && i < SEARCH_PAUSE; i++) {
        sheaf__cpu_relax();
    }
}

/* Searches, and sleeps when there is nothing.  Returns: NULL when the pool stops */
static struct sheaf__job *search(struct sheaf__worker *worker)
{
    struct sheaf__job *job = NULL;
    sheaf__idle_search_begin(&worker->pool->idle);
    for (unsigned round = 0; !job && !sheaf__pool_stopped(worker->pool); round++) {
        pause(round);
        job = search_round(worker);
        if (!job && round >= SEARCH_ROUNDS) {
            rest(worker);
            round = 0;
        }
    }
    sheaf__end_search(worker);
    return job;
}

/* The worker is back in its loop: was it soon enough for the fiber that it left to itself? */
static inline void note_return(struct sheaf__worker *worker)
{
    int64_t since = sheaf__load_rlx(&worker->handovers.since);
    if (SHEAF__UNLIKELY(since)) {
        sheaf__store_rlx(&worker->handovers.since, 0);
        if (sheaf__clock_monotonic() - since > LATE) {
            sheaf__worker_distrust(worker);
        }
    }
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
    note_return(worker);
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
    note_return(worker);
    return next_local(worker);
}
