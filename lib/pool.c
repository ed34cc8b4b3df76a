#include "lib/pool_impl.h"

#include <stdio.h>
#include <time.h>

#include "lib/alloc.h"
#include "lib/options.h"
#include "lib/platform/clock.h"
#include "lib/platform/cpus.h"
#include "lib/platform/thread.h"

#define STACK_SIZE_MAX ((size_t)1 << 30)

/* ---------------------------------------------------------------- options */

#define NO_SPARES ((unsigned)(SHEAF_POOL_NO_SPARES | SHEAF_POOL_PIN | SHEAF_POOL_MIGRATE))
#define POOL_FLAGS (SHEAF_POOL_STAMPS | SHEAF_POOL_TELL_OVERFLOW | SHEAF_POOL_WATCH | NO_SPARES)

static bool flags_fit(const sheaf_options *options)
{
    bool migrates = options->flags & SHEAF_POOL_MIGRATE;
    return !(options->flags & ~POOL_FLAGS) &&
           !(migrates && (options->workers < 2 || options->flags & SHEAF_POOL_PIN));
}

/* How many workers a pool has that was not told. */
static int default_workers(const sheaf_options *options)
{
    if (options->seed || options->schedule == SHEAF_SCHEDULE_FIFO) {
        return 1;
    }
    unsigned usable = sheaf__cpus_usable();
    if (usable < 2 && options->flags & SHEAF_POOL_MIGRATE) {
        return 2;
    }
    return (int)(usable < SHEAF_WORKERS_MAX ? usable : SHEAF_WORKERS_MAX);
}

/* The caller's options, with what stands for their defaults. */
static int read_options(const sheaf_options *given, sheaf_options *options)
{
    SHEAF_TRY(sheaf__options_read(given, options, sizeof *options));
    bool one_worker = options->seed || options->schedule == SHEAF_SCHEDULE_FIFO;
    if (options->workers == 0) {
        options->workers = default_workers(options);
    }
    bool sizes_fit = options->workers > 0 && options->workers <= SHEAF_WORKERS_MAX &&
                     (options->stack_size == 0 || (options->stack_size >= SHEAF__STACK_SIZE_MIN &&
                                                   options->stack_size <= STACK_SIZE_MAX));
    bool kinds_fit =
        (options->clock == SHEAF_CLOCK_REAL || options->clock == SHEAF_CLOCK_VIRTUAL) &&
        (options->schedule == SHEAF_SCHEDULE_STEAL || options->schedule == SHEAF_SCHEDULE_FIFO) &&
        !(one_worker && options->workers > 1);
    bool times_fit = options->cancel_report >= 0;
    return sizes_fit && kinds_fit && times_fit && flags_fit(options) ? SHEAF_OK : SHEAF_INVALID;
}

static void apply_options(sheaf_pool *pool, const sheaf_options *options)
{
    pool->worker_count = (unsigned)options->workers;
    pool->forks = sheaf__forks;
    pool->cancel_report = options->cancel_report;
    pool->flags = options->flags | (options->cancel_report ? SHEAF_POOL_WATCH : 0U);
    pool->deterministic = options->seed || options->schedule == SHEAF_SCHEDULE_FIFO;
    pool->is_virtual = options->clock == SHEAF_CLOCK_VIRTUAL;
    /* A virtual clock stands still while anything computes: nothing is late.  With PIN and MIGRATE
     * tasks go on on workers that are told. */
    bool spares = !pool->deterministic && !pool->is_virtual && !(pool->flags & NO_SPARES);
    pool->seats = pool->worker_count * (spares ? 2 : 1);
    sheaf__store_rlx(&pool->seated, pool->worker_count);
    sheaf__store_rlx(&pool->unwatched, spares);
    pool->seed = options->seed;
    pool->unhandled = options->unhandled;
    pool->hook_context = options->hook_context;
    pool->observer = options->observer;
    pool->observer_context = options->observer_context;
    snprintf(pool->name, sizeof pool->name, "%.*s", (int)sizeof pool->name - 1,
             options->name ? options->name : "sheaf");
}

/* ---------------------------------------------------------------- opening */

static int init_locks(sheaf_pool *pool)
{
    if (pthread_mutex_init(&pool->hook_lock, NULL)) {
        return SHEAF_NOMEM;
    }
    if (pthread_mutex_init(&pool->inspect_lock, NULL)) {
        goto destroy_hook;
    }
    if (pthread_mutex_init(&pool->rest_lock, NULL)) {
        goto destroy_inspect;
    }
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes)) {
        goto destroy_rest;
    }
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int error = pthread_cond_init(&pool->rested, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!error) {
        return SHEAF_OK;
    }
destroy_rest:
    pthread_mutex_destroy(&pool->rest_lock);
destroy_inspect:
    pthread_mutex_destroy(&pool->inspect_lock);
destroy_hook:
    pthread_mutex_destroy(&pool->hook_lock);
    return SHEAF_NOMEM;
}

static void destroy_locks(sheaf_pool *pool)
{
    pthread_cond_destroy(&pool->rested);
    pthread_mutex_destroy(&pool->rest_lock);
    pthread_mutex_destroy(&pool->inspect_lock);
    pthread_mutex_destroy(&pool->hook_lock);
}

static size_t workers_bytes(const sheaf_pool *pool)
{
    return pool->seats * sizeof(struct sheaf__worker);
}

static int init_workers(sheaf_pool *pool)
{
    pool->workers = sheaf__alloc_aligned(workers_bytes(pool), SHEAF__CACHE_LINE);
    if (!pool->workers) {
        return SHEAF_NOMEM;
    }
    unsigned made = 0;
    while (made < pool->seats &&
           sheaf__worker_init(&pool->workers[made], pool, (uint16_t)made) == SHEAF_OK) {
        made++;
    }
    if (made == pool->seats) {
        return SHEAF_OK;
    }
    while (made > 0) {
        sheaf__worker_destroy(&pool->workers[--made]);
    }
    sheaf__free(pool->workers, workers_bytes(pool));
    return SHEAF_NOMEM;
}

static void destroy_workers(sheaf_pool *pool)
{
    for (unsigned i = 0; i < pool->seats; i++) {
        sheaf__worker_destroy(&pool->workers[i]);
    }
    sheaf__free(pool->workers, workers_bytes(pool));
}

void sheaf__pool_worker_left(sheaf_pool *pool)
{
    pthread_mutex_lock(&pool->rest_lock);
    pool->workers_left++;
    pthread_cond_broadcast(&pool->rested);
    pthread_mutex_unlock(&pool->rest_lock);
}

static void tell_workers_to_leave(sheaf_pool *pool)
{
    /* release: pairs with the acquire in the workers' look at the phase. */
    sheaf__store_rel(&pool->phase, SHEAF__POOL_STOPPED);
    sheaf__fence_full();
    sheaf__idle_wake_all(&pool->idle);
}

static void join_workers(sheaf_pool *pool, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pthread_join(pool->workers[i].thread, NULL);
    }
}

static int start_workers(sheaf_pool *pool)
{
    for (unsigned i = 0; i < pool->worker_count; i++) {
        struct sheaf__worker *worker = &pool->workers[i];
        if (sheaf__thread_start(&worker->thread, sheaf__worker_thread, worker)) {
            tell_workers_to_leave(pool);
            join_workers(pool, i);
            return SHEAF_NOMEM;
        }
    }
    return SHEAF_OK;
}

/* The last future of a retired pool has been released. */
static void free_pool(struct sheaf__depot *depot)
{
    sheaf_pool *pool = SHEAF__CONTAINER(depot, sheaf_pool, depot);
    destroy_workers(pool);
    sheaf__regions_destroy(&pool->regions);
    sheaf__depot_destroy(&pool->timers);
    sheaf__depot_destroy(depot);
    sheaf__timekeeper_destroy(&pool->keeper);
    destroy_locks(pool);
    sheaf__free(pool, sizeof *pool);
}

static int init_parts(sheaf_pool *pool, size_t stack_size)
{
    if (init_locks(pool)) {
        return SHEAF_NOMEM;
    }
    if (sheaf__timekeeper_init(&pool->keeper, pool->is_virtual, pool->name)) {
        goto destroy_locks;
    }
    if (sheaf__fibers_init(&pool->fibers, stack_size)) {
        goto destroy_keeper;
    }
    if (init_workers(pool)) {
        goto destroy_fibers;
    }
    if (start_workers(pool) == SHEAF_OK) {
        return SHEAF_OK;
    }
    destroy_workers(pool);
destroy_fibers:
    sheaf__fibers_destroy(&pool->fibers);
destroy_keeper:
    sheaf__timekeeper_destroy(&pool->keeper);
destroy_locks:
    destroy_locks(pool);
    return SHEAF_NOMEM;
}

int sheaf__pool_open(const sheaf_options *given, const struct sheaf__pool_ops *ops,
                     sheaf_pool **out)
{
    sheaf_options options;
    SHEAF_TRY(read_options(given, &options));
    sheaf_pool *pool = sheaf__alloc_zeroed(sizeof *pool);
    if (!pool) {
        return SHEAF_NOMEM;
    }
    pool->ops = ops;
    apply_options(pool, &options);
    sheaf__runq_init(&pool->inject);
    sheaf__runq_init(&pool->woken);
    sheaf__idle_init(&pool->idle, pool->worker_count);
    sheaf__regions_init(&pool->regions);
    sheaf__depot_init(&pool->depot, free_pool);
    sheaf__depot_init(&pool->timers, NULL);
    int status = init_parts(pool, options.stack_size);
    if (status) {
        sheaf__depot_destroy(&pool->depot);
        sheaf__free(pool, sizeof *pool);
        return status;
    }
    *out = pool;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- stopping */

/* Whether some worker is inside of a task's body, and not just on its way out. */
static bool runs_a_body(sheaf_pool *pool)
{
    for (unsigned i = 0; i < pool->seats; i++) {
        if (sheaf__load_rlx(&pool->workers[i].current)) {
            return true;
        }
    }
    return false;
}

/* How long to wait for workers that are only on their way out before looking again. */
#define LEAVING_SLICE INT64_C(1000000)

int sheaf__pool_stop(sheaf_pool *pool, int64_t deadline)
{
    tell_workers_to_leave(pool);
    int error = 0;
    pthread_mutex_lock(&pool->rest_lock);
    /* No spare is started any more: the phase is looked at under this lock. */
    unsigned seated = sheaf__load_rlx(&pool->seated);
    while (pool->workers_left < seated && !(error && runs_a_body(pool))) {
        int64_t slice = sheaf__deadline_after(sheaf__clock_monotonic(), LEAVING_SLICE);
        error = sheaf__pool_wait_change(pool, error ? slice : deadline);
    }
    bool all_left = pool->workers_left == seated;
    pthread_mutex_unlock(&pool->rest_lock);
    if (!all_left) {
        return SHEAF_TIMEOUT;
    }
    join_workers(pool, seated);
    return SHEAF_OK;
}

/* What a worker found for a loop that had not come to it when the pool stopped: there was no stack
 * to be had for the loop, and the thread's own left.  Requires: the thread has ended */
static struct sheaf__job *take_handed(struct sheaf__worker *worker)
{
    struct sheaf__job *job = sheaf__load_rlx(&worker->handed);
    sheaf__store_rlx(&worker->handed, NULL);
    return job;
}

struct sheaf__job *sheaf__pool_take_any(sheaf_pool *pool)
{
    struct sheaf__job *job = sheaf__runq_pop(&pool->inject);
    if (!job) {
        job = sheaf__runq_pop(&pool->woken);
    }
    for (unsigned i = 0; !job && i < pool->seats; i++) {
        struct sheaf__worker *worker = &pool->workers[i];
        job = take_handed(worker);
        job = job ? job : sheaf__runq_pop(&worker->ready);
        job = job ? job : sheaf__runq_pop(&worker->late);
        job = job ? job : sheaf__runq_pop(&worker->pinned);
        job = job ? job : sheaf__runq_pop(&worker->pinned_late);
        job = job ? job : sheaf__deque_pop(&worker->deque);
    }
    return job;
}

size_t sheaf__pool_seal(sheaf_pool *pool)
{
    size_t coming = 0;
    SHEAF__LIST_EACH (link, &pool->fibers.all) {
        coming += !sheaf__wait_seal(&SHEAF__CONTAINER(link, struct sheaf__fiber, all)->wait);
    }
    return coming;
}

/* Every fiber that is left: bodies were suspended on it when the pool was abandoned. */
static void abandon_fibers(sheaf_pool *pool)
{
    struct sheaf__link *link;
    while ((link = sheaf__list_first(&pool->fibers.all)) != NULL) {
        sheaf__fiber_abandon(&pool->fibers, SHEAF__CONTAINER(link, struct sheaf__fiber, all));
    }
    sheaf__fibers_destroy(&pool->fibers);
}

/* Threads of others that are just making a fiber of this pool ready. */
static void wait_for_visitors(sheaf_pool *pool)
{
    unsigned turns = 0;
    while (sheaf__load_seq(&pool->visitors) > 0) {
        sheaf__spin_wait(&turns);
    }
}

void sheaf__pool_retire(sheaf_pool *pool)
{
    wait_for_visitors(pool);
    abandon_fibers(pool);
    sheaf__depot_retire(&pool->depot);
}

/* ---------------------------------------------------------------- work from outside */

bool sheaf__pool_offer(sheaf_pool *pool, struct sheaf__job *first, struct sheaf__job *last,
                       size_t count)
{
    if (!sheaf__runq_offer(&pool->inject, first, last, count)) {
        return false;
    }
    sheaf__idle_announce(&pool->idle);
    return true;
}

bool sheaf__pool_push_alive(sheaf_pool *pool, struct sheaf__job *job)
{
    bool alive = sheaf__runq_push_alive(&pool->inject, job, SHEAF__RUNQ_BACK);
    if (alive) {
        sheaf__idle_announce(&pool->idle);
    }
    return alive;
}

bool sheaf__pool_hurry(sheaf_pool *pool, struct sheaf__job *job)
{
    bool alive = sheaf__runq_push_alive(&pool->inject, job, SHEAF__RUNQ_FRONT);
    if (alive) {
        sheaf__idle_announce(&pool->idle);
    }
    return alive;
}

/* How many fibers in its queue may be one that was not announced.  A worker that is distrusted,
 * which is a hint, announces all. */
static size_t left_to(struct sheaf__worker *worker)
{
    return worker->hands_over && sheaf__load_rlx(&worker->handovers.distrust) == 0;
}

static bool has_work(sheaf_pool *pool, bool announced)
{
    if (!sheaf__runq_empty(&pool->woken) || !sheaf__runq_empty(&pool->inject)) {
        return true;
    }
    /* relaxed: a spare's seat was counted before it pushed anything. */
    unsigned seated = sheaf__load_rlx(&pool->seated);
    for (unsigned i = 0; i < seated; i++) {
        struct sheaf__worker *worker = &pool->workers[i];
        size_t left = announced ? left_to(worker) : 0;
        if (sheaf__load_rlx(&worker->ready.count) > left || !sheaf__runq_empty(&worker->late) ||
            !sheaf__deque_empty(&worker->deque) || sheaf__worker_has_fork(worker)) {
            return true;
        }
    }
    return false;
}

bool sheaf__pool_has_work(sheaf_pool *pool)
{
    return has_work(pool, false);
}

bool sheaf__pool_has_announced_work(sheaf_pool *pool)
{
    return has_work(pool, true);
}
