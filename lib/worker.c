#include "lib/worker.h"

#include <stdio.h>

#include <sheaf/trace.h>

#include "lib/error_impl.h"
#include "lib/platform/clock.h"
#include "lib/platform/fault.h"
#include "lib/platform/thread.h"
#include "lib/pool_impl.h"
#include "lib/seek.h"

/* Fibers that a worker keeps for itself; more go back to the pool's stacks. */
#define CACHED_FIBERS_MAX 64U

/* ---------------------------------------------------------------- fibers and switches */

static void fiber_main(void *arg);

/* The queue for a fiber that may go on on any worker.
 *
 *   self  the pool's worker that runs the caller, or NULL */
static struct sheaf__runq *ready_queue(struct sheaf__worker *self, sheaf_pool *pool, bool late)
{
    if (!self) {
        return pool->deterministic ? &pool->inject : &pool->woken;
    }
    if (self->deterministic) {
        return &pool->inject;
    }
    return late ? &self->late : &self->ready;
}

static SHEAF__COLD void make_ready_for(struct sheaf__fiber *fiber, struct sheaf__worker *bound_for,
                                       bool late)
{
    sheaf__runq_push(late ? &bound_for->pinned_late : &bound_for->pinned, &fiber->job);
    /* The lock in idle_wake() orders this against the look that precedes a sleep. */
    sheaf__idle_wake(&fiber->pool->idle, &bound_for->bunk);
}

/* Once in so many hand-overs the time is taken. */
#define HANDOVERS_TIMED 16U

/* Whether a fiber that the running task wakes is left to this worker, which comes to it as soon as
 * the task waits (w6_pingpong): alone in its queue, and the worker has been soon enough of late. */
static bool leaves_to_itself(struct sheaf__worker *self, struct sheaf__runq *queue)
{
    struct sheaf__handovers *own = &self->handovers;
    if (queue != &self->ready || !self->hands_over || !sheaf__runq_empty(queue)) {
        return false;
    }
    uint32_t distrust = sheaf__load_rlx(&own->distrust);
    if (SHEAF__UNLIKELY(distrust)) {
        sheaf__store_rlx(&own->distrust, distrust - 1);
        return false;
    }
    uint32_t count = sheaf__load_rlx(&own->count) + 1;
    sheaf__store_rlx(&own->count, count);
    if (SHEAF__UNLIKELY(count % HANDOVERS_TIMED == 0)) {
        sheaf__store_rlx(&own->since, sheaf__clock_monotonic());
    }
    return true;
}

static void make_ready(struct sheaf__worker *self, struct sheaf__fiber *fiber)
{
    sheaf_pool *pool = fiber->pool;
    bool late = sheaf__load_rlx(&fiber->wait.word) & SHEAF__WAIT_LATE;
    struct sheaf__worker *bound_for = sheaf__load_rlx(&fiber->bound_for);
    if (SHEAF__UNLIKELY(bound_for) && !pool->deterministic) {
        make_ready_for(fiber, bound_for, late);
        return;
    }
    struct sheaf__runq *queue = ready_queue(self, pool, late);
    bool left = self && leaves_to_itself(self, queue);
    sheaf__runq_push(queue, &fiber->job);
    if (left) {
        sheaf__idle_hand_over(&pool->idle);
    } else {
        sheaf__idle_announce(&pool->idle);
    }
}

static void resume_fiber(struct sheaf__wait *wait)
{
    struct sheaf__fiber *fiber = sheaf__fiber_of_wait(wait);
    sheaf_pool *pool = fiber->pool;
    struct sheaf__worker *self = sheaf__worker_self();
    if (self && self->pool == pool) {
        make_ready(self, fiber);
        return;
    }
    /* Once the fiber is in a queue it may run to the end of its pool: the pool waits for visitors
     * before it goes.  seq_cst: before the push that lets the fiber run. */
    sheaf__add_seq(&pool->visitors, 1);
    make_ready(NULL, fiber);
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
    struct sheaf__fiber *parking = sheaf__load_acq(&worker->parking);
    if (parking) {
        sheaf__store_rlx(&worker->parking, NULL);
        if (sheaf__wait_parked(&parking->wait)) {
            make_ready(worker, parking);
        }
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
        struct sheaf__job *job = sheaf__seek(worker);
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
    while (!sheaf__pool_stopped(worker->pool)) {
        struct sheaf__fiber *fiber = take_fiber(worker);
        if (fiber) {
            switch_to(worker, &worker->home, fiber);
            continue;
        }
        struct sheaf__job *job = sheaf__seek(worker);
        if (job && (sheaf__load_rlx(&job->flags) & SHEAF__JOB_FIBER)) {
            switch_to(worker, &worker->home, sheaf__fiber_of_job(job));
        } else if (job) {
            fiber = take_fiber(worker);
            if (fiber) {
                sheaf__store_rel(&worker->handed, job);
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
    snprintf(number, sizeof number, worker->is_spare ? "s%u" : "%u", (unsigned)worker->index);
    sheaf__thread_name(worker->pool->name, number);
    sheaf__store_rlx(&worker->thread_number, sheaf__thread_number());
    sheaf__store_rlx(&worker->cpu_clock, sheaf__thread_cpu_clock());
    worker->errno_place = sheaf__errno_place();
    sheaf__self_set(worker);
    sheaf__context_adopt(&worker->home.context);
    struct sheaf__signal_stack signals = {.low = NULL};
    if (worker->pool->flags & SHEAF_POOL_TELL_OVERFLOW) {
        sheaf__signal_stack_enter(&signals);
    }
    if (worker->observes) {
        worker->pool->ops->observe(worker, NULL, SHEAF_TRACE_WORKER);
    }
    home_loop(worker);
    sheaf__signal_stack_leave(&signals);
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

/* The worker on which the running fiber is to go on when it comes back; NULL: any. */
static struct sheaf__worker *next_worker(struct sheaf__worker *worker,
                                         const struct sheaf__fiber *fiber)
{
    sheaf_pool *pool = worker->pool;
    struct sheaf__worker *pinned = sheaf__load_rlx(&fiber->pinned);
    if (pinned || SHEAF__LIKELY(!(pool->flags & (SHEAF_POOL_PIN | SHEAF_POOL_MIGRATE)))) {
        return pinned;
    }
    if (pool->flags & SHEAF_POOL_PIN) {
        return worker;
    }
    uint64_t steps = 1 + sheaf__roll(worker) % (pool->worker_count - 1);
    return &pool->workers[(worker->index + steps) % pool->worker_count];
}

/* Who goes on when the running fiber rests: a fiber that is ready, without a detour through a loop
 * on another stack (w6_pingpong); or a loop, which runs what was found here, or searches. */
static struct sheaf__fiber *successor(struct sheaf__worker *worker)
{
    struct sheaf__job *job = sheaf__seek_near(worker);
    if (job && (sheaf__load_rlx(&job->flags) & SHEAF__JOB_FIBER)) {
        return sheaf__fiber_of_job(job);
    }
    sheaf__store_rel(&worker->handed, job);
    struct sheaf__fiber *loop = take_fiber(worker);
    return loop ? loop : &worker->home;
}

/* Switches away from the running fiber, whose wait word decides when it comes back. */
static void leave_fiber(struct sheaf__worker *worker)
{
    struct sheaf__fiber *self = sheaf__load_rlx(&worker->fiber);
    struct sheaf_future *current = sheaf__load_rlx(&worker->current);
    self->saved_errno = sheaf__errno_load(worker->errno_place);
    /* relaxed: who resumes the fiber has acquired its wait word. */
    sheaf__store_rlx(&self->bound_for, next_worker(worker, self));
    if (SHEAF__UNLIKELY(worker->observes)) {
        worker->pool->ops->observe(worker, current, SHEAF_TRACE_SUSPEND);
    }
    /* release: an inspector that pins the fiber reads the tasks on its stack through this. */
    sheaf__store_rel(&self->current, current);
    struct sheaf__fiber *next = successor(worker);
    sheaf__store_rel(&worker->parking, self);
    sheaf__store_rlx(&worker->current, NULL);
    sheaf__count(&worker->counts.parked);
    struct sheaf__region *region = sheaf__load_rlx(&self->region);
    if (SHEAF__UNLIKELY(region)) {
        sheaf__worker_show_region(worker, NULL);
    }
    switch_to(worker, self, next);
    worker = sheaf__worker_self();
    if (SHEAF__UNLIKELY(region)) {
        sheaf__worker_show_region(worker, region);
    }
    sheaf__store_rlx(&self->current, NULL);
    sheaf__count(&worker->counts.resumed);
    sheaf__store_rlx(&worker->current, current);
    if (SHEAF__UNLIKELY(worker->observes)) {
        worker->pool->ops->observe(worker, current, SHEAF_TRACE_RESUME);
    }
    sheaf__errno_store(worker->errno_place, self->saved_errno);
}

uint32_t sheaf__worker_park(struct sheaf__worker *worker)
{
    struct sheaf__wait *wait = &sheaf__load_rlx(&worker->fiber)->wait;
    if (!sheaf__wait_reason(wait) || worker->migrates) {
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
    sheaf__store_rel(&worker->handed, job);
    trim_cache(worker);
    cache_fiber(worker, self);
    switch_to(worker, self, fiber);
    return true;
}

void sheaf__worker_pin(struct sheaf__worker *worker, struct sheaf__worker *to)
{
    sheaf__store_rlx(&sheaf__load_rlx(&worker->fiber)->pinned, to);
}

int sheaf__worker_init(struct sheaf__worker *worker, struct sheaf_pool *pool, uint16_t index)
{
    *worker = (struct sheaf__worker){.pool = pool, .index = index};
    worker->deterministic = pool->deterministic;
    worker->migrates = pool->flags & SHEAF_POOL_MIGRATE;
    worker->observes = pool->observer != NULL;
    worker->calls = !worker->deterministic && !worker->migrates && !worker->observes;
    worker->is_spare = index >= pool->worker_count;
    worker->direct = !worker->deterministic && !worker->is_spare;
    worker->hands_over =
        worker->direct && pool->worker_count > 1 && pool->seats > pool->worker_count;
    worker->plain_spawns = !worker->deterministic && !sheaf__pool_extends_tasks(pool);
    worker->watches = pool->flags & SHEAF_POOL_WATCH;
    worker->born = sheaf__fences_are_full() ? pool->ops->stolen : 0;
    worker->head = sheaf__job_head(index, 0, 0, worker->born);
    /* Any odd start will do; it must not be 0. */
    uint64_t seed = pool->seed ? pool->seed : (uint64_t)index + 1;
    sheaf__store_rlx(&worker->dice, seed * UINT64_C(0x9e3779b97f4a7c15) | 1);
    worker->home.pool = pool;
    worker->home.wait.resume = resume_fiber;
    sheaf__runq_init(&worker->ready);
    sheaf__runq_init(&worker->late);
    sheaf__runq_init(&worker->pinned);
    sheaf__runq_init(&worker->pinned_late);
    worker->bunk.parker = &worker->parker;
    if (sheaf__parker_init(&worker->parker, true)) {
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
