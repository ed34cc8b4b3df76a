#include "lib/worker.h"

#include <stdio.h>

#include "lib/error_impl.h"
#include "lib/platform/thread.h"
#include "lib/pool_impl.h"

/* Once in so many turns of the loop another queue is looked at first: a worker that always has work
 * in one of them serves the others all the same. */
#define FAIRNESS_TICKS 61U

/* Fibers that a worker keeps for itself; more go back to the pool's stacks. */
#define CACHED_FIBERS_MAX 64U

/* How often a searching worker goes round all queues before it lies down. */
#define SEARCH_ROUNDS 4U

/* The seeded mode draws among so many of the jobs at the head of the queue. */
#define SEEDED_CHOICES 64U

/* ---------------------------------------------------------------- small tools */

/* xorshift64*: S. Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016. */
static uint64_t roll(struct sheaf__worker *worker)
{
    uint64_t x = sheaf__load_rlx(&worker->dice);
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    sheaf__store_rlx(&worker->dice, x);
    return x * UINT64_C(2685821657736338717);
}

static bool stopped(sheaf_pool *pool)
{
    /* acquire: pairs with the release in sheaf__pool_stop(). */
    return sheaf__load_acq(&pool->phase) == SHEAF__POOL_STOPPED;
}

/* ---------------------------------------------------------------- fibers and switches */

static void fiber_main(void *arg);

/* The queue for a fiber that is ready and not pinned. */
static struct sheaf__runq *ready_queue(struct sheaf__fiber *fiber)
{
    sheaf_pool *pool = fiber->pool;
    struct sheaf__worker *self = sheaf__worker_self();
    if (pool->deterministic) {
        return &pool->inject;
    }
    if (!self || self->pool != pool) {
        return &pool->woken;
    }
    bool late = sheaf__load_rlx(&fiber->wait.word) & SHEAF__WAIT_LATE;
    return late ? &self->late : &self->ready;
}

static void make_ready(struct sheaf__fiber *fiber)
{
    sheaf_pool *pool = fiber->pool;
    struct sheaf__worker *pinned = sheaf__load_rlx(&fiber->pinned);
    if (pinned && !pool->deterministic) {
        sheaf__runq_push(&pinned->pinned, &fiber->job);
        /* The lock in idle_wake() orders this against the look that precedes a sleep. */
        sheaf__idle_wake(&pool->idle, &pinned->bunk);
        return;
    }
    sheaf__runq_push(ready_queue(fiber), &fiber->job);
    sheaf__idle_announce(&pool->idle);
}

static void resume_fiber(struct sheaf__wait *wait)
{
    struct sheaf__fiber *fiber = sheaf__fiber_of_wait(wait);
    sheaf_pool *pool = fiber->pool;
    struct sheaf__worker *self = sheaf__worker_self();
    if (self && self->pool == pool) {
        make_ready(fiber);
        return;
    }
    /* Once the fiber is in a queue it may run to the end of its pool: the pool waits for visitors
     * before it goes.  seq_cst: before the push that lets the fiber run. */
    sheaf__add_seq(&pool->visitors, 1);
    make_ready(fiber);
    sheaf__sub_seq(&pool->visitors, 1);
}

static void cache_fiber(struct sheaf__worker *worker, struct sheaf__fiber *fiber)
{
    if (fiber == &worker->home) {
        return;
    }
    fiber->next_free = sheaf__load_acq(&worker->cached);
    /* release: to the next taker, for a race detector; see the head of worker.h. */
    sheaf__store_rel(&worker->cached, fiber);
    sheaf__store_rlx(&worker->cached_count, sheaf__load_rlx(&worker->cached_count) + 1);
}

static struct sheaf__fiber *uncache_fiber(struct sheaf__worker *worker)
{
    struct sheaf__fiber *fiber = sheaf__load_acq(&worker->cached);
    if (fiber) {
        sheaf__store_rel(&worker->cached, fiber->next_free);
        sheaf__store_rlx(&worker->cached_count, sheaf__load_rlx(&worker->cached_count) - 1);
    }
    return fiber;
}

/* Keeps the cache within bounds before the running fiber joins it. */
static void trim_cache(struct sheaf__worker *worker)
{
    if (sheaf__load_rlx(&worker->cached_count) >= CACHED_FIBERS_MAX) {
        sheaf__fiber_destroy(&worker->pool->fibers, uncache_fiber(worker));
    }
}

static struct sheaf__fiber *take_fiber(struct sheaf__worker *worker)
{
    struct sheaf__fiber *fiber = uncache_fiber(worker);
    if (fiber) {
        return fiber;
    }
    return sheaf__fiber_new(worker->pool, &worker->pool->fibers, 0, fiber_main, resume_fiber);
}

/* What a switch leaves to whoever runs next: only now is the other stack at rest. */
static void arrive(void)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    struct sheaf__fiber *parking = sheaf__load_rlx(&worker->parking);
    if (parking) {
        sheaf__store_rlx(&worker->parking, NULL);
        sheaf__wait_parked(&parking->wait);
        /* `parking` may run elsewhere, or be gone, from here on. */
    }
    struct sheaf__fiber *dying = sheaf__load_rlx(&worker->dying);
    if (dying) {
        sheaf__store_rlx(&worker->dying, NULL);
        sheaf__fiber_destroy(&worker->pool->fibers, dying);
    }
}

/* The worker's fields say that `to` runs. */
static void announce_fiber(struct sheaf__worker *worker, struct sheaf__fiber *to)
{
    sheaf__store_rlx(&worker->inline_limit, sheaf__load_rlx(&to->inline_limit));
    sheaf__store_rlx(&worker->fiber, to);
    SHEAF__TSAN_RELEASE(worker); /* to the end of the thread, after which the worker is freed */
}

/* Leaves `from`, the running fiber, for `to`; returns when somebody comes back to `from`. */
static void switch_to(struct sheaf__worker *worker, struct sheaf__fiber *from,
                      struct sheaf__fiber *to)
{
    announce_fiber(worker, to);
    sheaf__context_switch(&from->context, &to->context);
    arrive();
}

/* The same for good: whoever runs next destroys `from`. */
static SHEAF__NORETURN void leave_for_good(struct sheaf__worker *worker, struct sheaf__fiber *from,
                                           struct sheaf__fiber *to)
{
    sheaf__store_rlx(&worker->dying, from);
    announce_fiber(worker, to);
    sheaf__context_leave(&from->context, &to->context);
}

/* ---------------------------------------------------------------- finding work */

static struct sheaf__job *steal_entries(struct sheaf__worker *worker, struct sheaf__worker *victim)
{
    struct sheaf__job *jobs[SHEAF__DEQUE_STEAL_MAX];
    unsigned got =
        sheaf__deque_steal(&victim->deque, jobs, SHEAF__DEQUE_STEAL_MAX, worker->pool->ops->stolen);
    for (unsigned i = 1; i < got; i++) {
        sheaf__worker_push(worker, jobs[i]);
    }
    return got ? jobs[0] : NULL;
}

static struct sheaf__job *steal_from(struct sheaf__worker *worker, struct sheaf__worker *victim)
{
    struct sheaf__job *job = sheaf__runq_pop(&victim->ready);
    if (!job) {
        job = steal_entries(worker, victim);
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
    unsigned count = pool->worker_count;
    unsigned at = (unsigned)(roll(worker) % count);
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
    return sheaf__runq_pop_at(&pool->inject, (size_t)(roll(worker) % choices));
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
    switch (turn % 5) {
    case 0:
        return sheaf__runq_pop(&pool->inject);
    case 1:
        return sheaf__runq_pop(&worker->late);
    case 2:
        return sheaf__runq_pop(&pool->woken);
    case 3:
        return oldest_own(worker);
    default:
        return sheaf__runq_pop(&worker->ready);
    }
}

static struct sheaf__job *first_of(struct sheaf__runq *queue, struct sheaf__runq *other)
{
    struct sheaf__job *job = sheaf__runq_pop(queue);
    return job ? job : sheaf__runq_pop(other);
}

/* What lies nearest: woken tasks before new ones, since they hold stacks; what gave way last. */
static struct sheaf__job *next_local(struct sheaf__worker *worker)
{
    sheaf_pool *pool = worker->pool;
    uint32_t tick = sheaf__load_rlx(&worker->ticks) + 1;
    sheaf__store_rlx(&worker->ticks, tick);
    struct sheaf__job *job = NULL;
    if (SHEAF__UNLIKELY(tick % FAIRNESS_TICKS == 0)) {
        job = next_in_turn(worker, tick / FAIRNESS_TICKS);
    }
    if (!job && tick % 2) {
        job = sheaf__runq_pop(&worker->pinned);
    }
    if (!job) {
        job = first_of(&pool->woken, &worker->ready);
    }
    if (!job) {
        job = sheaf__deque_pop(&worker->deque);
    }
    if (!job) {
        job = tick % 2 ? first_of(&pool->inject, &worker->late)
                       : first_of(&worker->late, &pool->inject);
    }
    return job ? job : sheaf__runq_pop(&worker->pinned);
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
    return !sheaf__runq_empty(&worker->pinned) || sheaf__pool_has_work(worker->pool);
}

/* searching -> working, with the chained wake-up. */
static void end_search(struct sheaf__worker *worker)
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
    uint32_t sleepers = sheaf__idle_lie_down(&pool->idle, &worker->bunk);
    if (has_own_work(worker) || stopped(pool) ||
        (sleepers == pool->worker_count && sheaf__pool_at_rest(pool))) {
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
    for (unsigned round = 0; !job && !stopped(worker->pool); round++) {
        job = search_round(worker);
        if (!job && round >= SEARCH_ROUNDS) {
            rest(worker);
            round = 0;
        }
    }
    end_search(worker);
    return job;
}

static struct sheaf__job *next_job(struct sheaf__worker *worker)
{
    struct sheaf__job *job = sheaf__load_rlx(&worker->handed);
    if (job) {
        sheaf__store_rlx(&worker->handed, NULL);
        return job;
    }
    if (SHEAF__UNLIKELY(stopped(worker->pool))) {
        return NULL;
    }
    job = next_now(worker);
    return job ? job : search(worker);
}

/* ---------------------------------------------------------------- the loop */

/* The running fiber's loop has nothing more to do on it: goes to a fiber that is ready. */
static void resume_from_loop(struct sheaf__worker *worker, struct sheaf__fiber *self,
                             struct sheaf__fiber *ready)
{
    if (self->special) {
        leave_for_good(worker, self, ready);
    }
    trim_cache(worker);
    cache_fiber(worker, self);
    switch_to(worker, self, ready);
}

static void fiber_main(void *arg)
{
    struct sheaf__fiber *self = arg;
    arrive();
    for (;;) {
        struct sheaf__worker *worker = sheaf__worker_self();
        struct sheaf__job *job = next_job(worker);
        if (!job) {
            resume_from_loop(worker, self, &worker->home);
        } else if (sheaf__load_rlx(&job->flags) & SHEAF__JOB_FIBER) {
            resume_from_loop(worker, self, sheaf__fiber_of_job(job));
        } else {
            worker->pool->ops->run(worker, job);
        }
        if (self->special) {
            /* Its one task has ended: the stack goes when another loop has taken over. */
            worker = sheaf__worker_self();
            struct sheaf__fiber *next = take_fiber(worker);
            resume_from_loop(worker, self, next ? next : &worker->home);
        }
    }
}

/* The thread's own stack: starts a fiber and waits for the end, or, when there is none to be had,
 * resumes parked ones until there is. */
static void home_loop(struct sheaf__worker *worker)
{
    while (!stopped(worker->pool)) {
        struct sheaf__fiber *fiber = take_fiber(worker);
        if (fiber) {
            switch_to(worker, &worker->home, fiber);
            continue;
        }
        struct sheaf__job *job = next_job(worker);
        if (job && (sheaf__load_rlx(&job->flags) & SHEAF__JOB_FIBER)) {
            switch_to(worker, &worker->home, sheaf__fiber_of_job(job));
        } else if (job) {
            fiber = take_fiber(worker);
            if (fiber) {
                sheaf__store_rlx(&worker->handed, job);
                switch_to(worker, &worker->home, fiber);
            } else {
                worker->pool->ops->refuse(worker->pool, job, SHEAF_NOMEM);
            }
        }
    }
}

void *sheaf__worker_thread(void *arg)
{
    struct sheaf__worker *worker = arg;
    char number[8];
    snprintf(number, sizeof number, "%u", (unsigned)worker->index);
    sheaf__thread_name(worker->pool->name, number);
    sheaf__self_set(worker);
    sheaf__context_adopt(&worker->home.context);
    home_loop(worker);
    SHEAF__TSAN_ACQUIRE(worker);
    struct sheaf__fiber *fiber;
    while ((fiber = uncache_fiber(worker)) != NULL) {
        sheaf__fiber_destroy(&worker->pool->fibers, fiber);
    }
    sheaf__cache_flush(&worker->records, &worker->pool->depot);
    sheaf__context_release(&worker->home.context);
    sheaf__self_set(NULL);
    sheaf__pool_worker_left(worker->pool);
    return NULL;
}

/* ---------------------------------------------------------------- for the layers above */

void sheaf__worker_push(struct sheaf__worker *worker, struct sheaf__job *job)
{
    if (worker->deterministic || !sheaf__deque_push(&worker->deque, job)) {
        sheaf__runq_push(&worker->pool->inject, job);
    }
    sheaf__idle_announce(&worker->pool->idle);
}

/* Switches away from the running fiber, whose wait word decides when it comes back. */
static void leave_fiber(struct sheaf__worker *worker)
{
    struct sheaf__fiber *self = sheaf__load_rlx(&worker->fiber);
    struct sheaf_future *current = sheaf__load_rlx(&worker->current);
    self->saved_errno = sheaf__errno_get();
    /* release: an inspector that pins the fiber reads the tasks on its stack through this. */
    sheaf__store_rel(&self->current, current);
    struct sheaf__fiber *next = take_fiber(worker);
    sheaf__store_rlx(&worker->parking, self);
    sheaf__store_rlx(&worker->current, NULL);
    sheaf__count(&worker->counts.parked);
    switch_to(worker, self, next ? next : &worker->home);
    worker = sheaf__worker_self();
    sheaf__store_rlx(&self->current, NULL);
    sheaf__count(&worker->counts.resumed);
    sheaf__store_rlx(&worker->current, current);
    sheaf__errno_set(self->saved_errno);
}

uint32_t sheaf__worker_park(struct sheaf__worker *worker)
{
    struct sheaf__wait *wait = &sheaf__load_rlx(&worker->fiber)->wait;
    if (!sheaf__wait_reason(wait)) {
        leave_fiber(worker);
    }
    return sheaf__wait_reason(wait);
}

void sheaf__worker_yield(struct sheaf__worker *worker)
{
    struct sheaf__wait *wait = &sheaf__load_rlx(&worker->fiber)->wait;
    /* The fiber is its own waker: it is resumed as soon as its stack is at rest.
     * relaxed: nobody else knows of this wait. */
    sheaf__store_rlx(&wait->word, SHEAF__WAIT_DONE | SHEAF__WAIT_LATE);
    leave_fiber(worker);
}

uint32_t sheaf__worker_park_overdue(struct sheaf__worker *worker)
{
    struct sheaf__wait *wait = &sheaf__load_rlx(&worker->fiber)->wait;
    uint32_t word = 0;
    /* Nobody has decided: it is resumed as soon as its stack is at rest, behind the others. */
    sheaf__cas_acq_rel(&wait->word, &word, SHEAF__WAIT_TIMEOUT | SHEAF__WAIT_LATE);
    leave_fiber(worker);
    return sheaf__wait_reason(wait);
}

bool sheaf__worker_run_special(struct sheaf__worker *worker, struct sheaf__job *job,
                               size_t stack_size)
{
    struct sheaf__fiber *self = sheaf__load_rlx(&worker->fiber);
    struct sheaf__fiber *fiber =
        sheaf__fiber_new(worker->pool, &worker->pool->fibers, stack_size, fiber_main, resume_fiber);
    if (!fiber) {
        return false;
    }
    sheaf__store_rlx(&worker->handed, job);
    trim_cache(worker);
    cache_fiber(worker, self);
    switch_to(worker, self, fiber);
    return true;
}

void sheaf__worker_pin(struct sheaf__worker *worker, bool pinned)
{
    sheaf__store_rlx(&sheaf__load_rlx(&worker->fiber)->pinned, pinned ? worker : NULL);
}

int sheaf__worker_init(struct sheaf__worker *worker, struct sheaf_pool *pool, uint16_t index)
{
    *worker = (struct sheaf__worker){.pool = pool, .index = index};
    worker->deterministic = pool->deterministic;
    worker->plain_spawns = !(pool->flags & SHEAF_POOL_STAMPS);
    worker->born = sheaf__fences_are_full() ? pool->ops->stolen : 0;
    /* Any odd start will do; it must not be 0. */
    uint64_t seed = pool->seed ? pool->seed : (uint64_t)index + 1;
    sheaf__store_rlx(&worker->dice, seed * UINT64_C(0x9e3779b97f4a7c15) | 1);
    worker->home.pool = pool;
    worker->home.wait.resume = resume_fiber;
    sheaf__runq_init(&worker->ready);
    sheaf__runq_init(&worker->late);
    sheaf__runq_init(&worker->pinned);
    worker->bunk.parker = &worker->parker;
    if (sheaf__parker_init(&worker->parker)) {
        return SHEAF_NOMEM;
    }
    if (!sheaf__deque_init(&worker->deque, index)) {
        sheaf__parker_destroy(&worker->parker);
        return SHEAF_NOMEM;
    }
    return SHEAF_OK;
}

void sheaf__worker_destroy(struct sheaf__worker *worker)
{
    sheaf__deque_destroy(&worker->deque);
    sheaf__parker_destroy(&worker->parker);
}
