/* Tasks: spawning, claiming, running. */
#include "lib/future_impl.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/call.h"
#include "lib/error_impl.h"
#include "lib/guest.h"
#include "lib/inspect.h"
#include "lib/observe.h"
#include "lib/options.h"
#include "lib/sleep_impl.h"
#include "lib/turn.h"

#define STACK_SIZE_MAX ((size_t)1 << 30)
#define SPAWN_FLAGS ((unsigned)(SHEAF_SPAWN_PIN | SHEAF_SPAWN_KEEP_LATE_RESULT))

static sheaf_future *current_task(void)
{
    return sheaf__worker_current(sheaf__worker_self());
}

/* ---------------------------------------------------------------- running */

/* arg: what the body would have been given */
static void finish_unrun(sheaf_future *future, void *arg, int status)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    sheaf_pool *pool = extra && extra->observed ? sheaf__future_pool(future) : NULL;
    if (SHEAF__UNLIKELY(pool)) {
        sheaf__observe_end(pool, future, SHEAF_TRACE_DROP, status);
    }
    if (extra && extra->arg_drop) {
        extra->arg_drop(arg);
    }
    sheaf__future_lock(future);
    bool asked = sheaf__load_rlx(&future->job.word) & SHEAF__WORD_CANCEL;
    if (asked && status == SHEAF_NOMEM) {
        status =
            SHEAF_CANCELLED; /* a request that was taken is heard (L6), with a stack or without */
    }
    extra = sheaf__future_extra(future);
    future->job.out.value.ptr = NULL;
    if (extra && status == SHEAF_CANCELLED) {
        future->job.out.value.ptr = extra->message;
        extra->message = NULL;
    }
    sheaf__future_finish_locked(future, status);
}

void sheaf__task_finish_unrun(sheaf_future *future, int status)
{
    finish_unrun(future, future->in.arg, status);
}

SHEAF__COLD bool sheaf__task_may_start(sheaf_future *task, void *arg)
{
    sheaf__future_wait_unlocked(task);
    if (!(sheaf__load_acq(&task->job.word) & SHEAF__WORD_CANCEL)) {
        return true;
    }
    /* It was announced as running: inspections are let pass, and what is dropped runs in the task
     * below on the stack. */
    sheaf__store_rlx(&sheaf__worker_self()->current, task->in.enclosing);
    sheaf__store_rlx(&task->job.state, SHEAF__ENDING);
    sheaf__inspect_pass();
    finish_unrun(task, arg, SHEAF_CANCELLED);
    return false;
}

/* A spawn that makes no task: its argument is given up like that of a task that never runs. */
sheaf_future *sheaf__spawn_fail(const sheaf_spawn_options *options, void *arg, int status)
{
    if (options->arg_drop) {
        options->arg_drop(arg);
    }
    return sheaf__future_failed(status);
}

/* A turn is refused to nobody: what it tells has happened. */
static void refuse_task(struct sheaf_pool *pool, struct sheaf__job *job, int status)
{
    if (sheaf__job_is_turn(job)) {
        sheaf__turn_come(job);
        return;
    }
    sheaf_future *task = sheaf__future_of_job(job);
    if (sheaf__task_is_drain(task)) {
        sheaf__drain_run_here(task);
    } else {
        sheaf__task_finish_unrun(task, status);
    }
    sheaf__add_acq_rel(&pool->refused, 1);
}

/* A task that wants a stack of its own is handed to a fiber that has one; a pinned one ties the
 * fiber that it runs on to the worker.
 * Returns: whether the caller goes on to run it */
static bool prepare_loner(struct sheaf__worker *worker, sheaf_future *task)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (extra->stack_size && !sheaf__load_rlx(&worker->fiber)->special) {
        if (!sheaf__worker_run_special(worker, &task->job, extra->stack_size)) {
            refuse_task(worker->pool, &task->job, SHEAF_NOMEM);
        }
        return false;
    }
    if (extra->flags & SHEAF_SPAWN_PIN) {
        sheaf__worker_pin(worker, worker);
    }
    return true;
}

/* What is not a task to start like most.  Returns: whether the caller goes on to run it */
static bool prepare_odd(struct sheaf__worker *worker, struct sheaf__job *job)
{
    if (sheaf__job_is_turn(job)) {
        sheaf__turn_come(job);
        return false;
    }
    return prepare_loner(worker, sheaf__future_of_job(job));
}

/* sheaf__call_body() of a pool with an observer.  The worker may be another one afterwards; it is
 * returned. */
static SHEAF__COLD struct sheaf__worker *run_observed(struct sheaf__worker *worker,
                                                      sheaf_future *task)
{
    void *arg = sheaf__call_begin(worker, NULL, task);
    if (sheaf__call_is_asked(task) && !sheaf__task_may_start(task, arg)) {
        worker = sheaf__worker_self();
        sheaf__store_rlx(&worker->current, NULL);
        return worker;
    }
    sheaf__observe(worker, task, SHEAF_TRACE_BEGIN);
    int status;
    worker = sheaf__call_run(NULL, task, arg, &status);
    sheaf__observe_end(worker->pool, task, SHEAF_TRACE_END, status);
    sheaf__future_finish(task, status);
    return sheaf__worker_self();
}

static void run_task(struct sheaf__worker *worker, struct sheaf__job *job)
{
    bool odd = sheaf__load_rlx(&job->flags) & (SHEAF__JOB_LONER | SHEAF__JOB_BARE);
    if (odd && !prepare_odd(worker, job)) {
        return;
    }
    sheaf_future *task = sheaf__future_of_job(job);
    worker = SHEAF__UNLIKELY(worker->observes) ? run_observed(worker, task)
                                               : sheaf__call_body(worker, NULL, task);
    /* The task may be gone from here on. */
    sheaf__count_rel(&worker->counts.ran);
    if (odd) {
        sheaf__worker_pin(worker, NULL);
    }
}

const struct sheaf__pool_ops sheaf__task_ops = {
    .run = run_task,
    .refuse = refuse_task,
    .steal_fork = sheaf__fork_steal,
    .stolen = SHEAF__WORD_UNBIASED,
    .observe = sheaf__observe,
};

bool sheaf__task_claim(sheaf_pool *pool, struct sheaf__worker *worker, sheaf_future *future)
{
    if (!(sheaf__future_flags(future) & SHEAF__JOB_FRAME) && sheaf__future_pool(future) != pool) {
        return false;
    }
    uint16_t where = sheaf__load_rlx(&future->job.where);
    if (where == SHEAF__WHERE_RUNQ) {
        return sheaf__runq_claim(&pool->inject, &future->job);
    }
    if (where >= pool->seats) {
        return false;
    }
    if (worker && worker->pool == pool && where == worker->index) {
        return sheaf__deque_claim(&worker->deque, &future->job);
    }
    return sheaf__deque_claim_foreign(&pool->workers[where].deque, &future->job,
                                      SHEAF__WORD_UNBIASED);
}

/* ---------------------------------------------------------------- spawning */

/* An extra part costs an allocation, so most tasks have none. */
bool sheaf__task_hands_down(const sheaf_pool *pool, const sheaf_future *maker)
{
    struct sheaf__extra *extra = maker ? sheaf__future_extra(maker) : NULL;
    return sheaf__locals_current() || (extra && extra->inherited.run) ||
           sheaf__pool_extends_tasks(pool);
}

/* Whether a point in time means the same to both. */
static bool share_clock(const sheaf_pool *a, const sheaf_pool *b)
{
    return a == b || (!a->is_virtual && !b->is_virtual);
}

/* What a child takes over.  Returns: the body that is to run */
static sheaf_fn *inherit(sheaf_future *future, const sheaf_future *maker, sheaf_fn *fn)
{
    struct sheaf__extra *from = maker ? sheaf__future_extra(maker) : NULL;
    struct sheaf__extra *to = future->extra;
    to->locals = sheaf__locals_retain(sheaf__locals_current());
    if (!from || !from->inherited.run ||
        !share_clock(sheaf__future_pool(maker), sheaf__future_pool(future))) {
        return fn;
    }
    to->inherited = from->inherited;
    to->inner = fn;
    return from->inherited.run;
}

/* A first, cheap look for the paths where nobody has either. */
static SHEAF__ALWAYS_INLINE bool may_need_extra(struct sheaf__worker *worker)
{
    const sheaf_future *maker = sheaf__load_rlx(&worker->current);
    return SHEAF__UNLIKELY(!worker->plain_spawns) || SHEAF__UNLIKELY(!maker) ||
           (sheaf__load_rlx(&maker->job.word) & SHEAF__WORD_EXTRA);
}

static void push_here(struct sheaf__worker *worker, sheaf_future *future)
{
    if (SHEAF__UNLIKELY(worker->observes)) {
        sheaf__observe_spawn(worker->pool, worker, future);
    }
    if (!worker->deterministic) {
        sheaf__push_own(worker, future);
        return;
    }
    sheaf__count(&worker->counts.spawned);
    sheaf__runq_push(&worker->pool->inject, &future->job);
    sheaf__idle_announce(&worker->pool->idle);
}

/* Hands a chain of new tasks to a pool from outside of it.
 * Returns: false when it takes nothing any more */
static bool offer(sheaf_pool *pool, sheaf_future *first, sheaf_future *last, size_t count)
{
    sheaf__add_acq_rel(&pool->spawned_outside, count);
    if (sheaf__pool_offer(pool, &first->job, &last->job, count)) {
        return true;
    }
    sheaf__add_acq_rel(&pool->refused, count);
    /* Who waits for the pool to come to rest may have counted these as still to end. */
    sheaf__idle_wake_one(&pool->idle);
    return false;
}

/* Makes a new task runnable.  Returns: false when the pool takes nothing from outside any more */
static bool publish(sheaf_pool *pool, struct sheaf__worker *worker, sheaf_future *future)
{
    if (worker && worker->pool == pool) {
        push_here(worker, future);
        return true;
    }
    if (SHEAF__UNLIKELY(pool->observer)) {
        sheaf__observe_spawn(pool, worker, future);
    }
    return offer(pool, future, future, 1);
}

void sheaf__task_discard(sheaf_future *task, int status)
{
    sheaf__or_rlx(&task->job.word, SHEAF__WORD_LOOKED);
    sheaf_retain(task);
    sheaf__task_finish_unrun(task, status);
    sheaf_release(task);
}

/* A task that could not be published: nobody has seen it. */
static sheaf_future *give_up(sheaf_future *task)
{
    sheaf__task_discard(task, SHEAF_CLOSED);
    return task;
}

static uint32_t born(const struct sheaf__worker *worker, const sheaf_pool *pool)
{
    bool inside = worker && worker->pool == pool;
    return SHEAF__WORD_REFERENCE | (inside ? worker->born : SHEAF__WORD_UNBIASED);
}

static int copy_text(const char *text, char **copy, size_t *size)
{
    *size = strlen(text) + 1;
    *copy = sheaf__alloc(*size);
    if (!*copy) {
        return SHEAF_NOMEM;
    }
    memcpy(*copy, text, *size);
    return SHEAF_OK;
}

/* Returns: SHEAF_OK, or SHEAF_NOMEM with what was made so far still to be freed */
static int fill_extra(struct sheaf__extra *extra, const sheaf_spawn_options *options, void **arg)
{
    extra->data = options->data;
    extra->place = options->place ? options->place : options->options_place;
    extra->arg_drop = options->arg_drop;
    extra->value_drop = options->value_drop;
    extra->stack_size = options->stack_size;
    extra->flags = options->flags;
    if (options->name) {
        SHEAF_TRY(copy_text(options->name, &extra->name, &extra->name_size));
    }
    if (options->copy) {
        extra->copy = sheaf__alloc(options->copy);
        if (!extra->copy) {
            return SHEAF_NOMEM;
        }
        extra->copy_size = options->copy;
        memcpy(extra->copy, *arg, options->copy);
        *arg = extra->copy;
    }
    return SHEAF_OK;
}

static struct sheaf__extra *new_extra(const sheaf_spawn_options *options, void **arg)
{
    struct sheaf__extra *extra = sheaf__alloc_zeroed(sizeof *extra);
    if (!extra) {
        return NULL;
    }
    if (fill_extra(extra, options, arg)) {
        sheaf__free(extra->name, extra->name_size);
        sheaf__free(extra, sizeof *extra);
        return NULL;
    }
    return extra;
}

static uint8_t flags_of(const sheaf_spawn_options *options)
{
    unsigned flags = 0;
    if (options->stack_size || (options->flags & SHEAF_SPAWN_PIN)) {
        flags |= SHEAF__JOB_LONER;
    }
    if (options->flags & SHEAF_SPAWN_KEEP_LATE_RESULT) {
        flags |= SHEAF__JOB_KEEP;
    }
    return (uint8_t)flags;
}

static bool options_fit(const sheaf_spawn_options *options, sheaf_fn *fn, const void *arg)
{
    size_t stack = options->stack_size;
    return fn && !(options->flags & ~SPAWN_FLAGS) &&
           (stack == 0 || (stack >= SHEAF__STACK_SIZE_MIN && stack <= STACK_SIZE_MAX)) &&
           (options->copy == 0 || arg) && options->copy <= PTRDIFF_MAX;
}

sheaf_future *sheaf__task_make(const sheaf_spawn_options *options, sheaf_fn *fn, void *arg,
                               struct sheaf__node *node)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf_future *maker = sheaf__worker_current(worker);
    sheaf_pool *pool = options->pool ? options->pool : worker ? worker->pool : sheaf_pool_default();
    if (!options_fit(options, fn, arg)) {
        return sheaf__spawn_fail(options, arg, SHEAF_INVALID);
    }
    if (pool && sheaf__pool_is_lost(pool)) {
        return sheaf__spawn_fail(options, arg, SHEAF_CLOSED);
    }
    sheaf_future *future = pool ? sheaf__future_new(pool, worker) : NULL;
    if (!future) {
        return sheaf__spawn_fail(options, arg, SHEAF_NOMEM);
    }
    sheaf__record_fill(future, flags_of(options), born(worker, pool) | SHEAF__WORD_EXTRA);
    future->extra = new_extra(options, &arg);
    if (!future->extra) {
        sheaf__depot_give(&pool->depot, future);
        return sheaf__spawn_fail(options, arg, SHEAF_NOMEM);
    }
    future->fn = inherit(future, maker, fn);
    future->in.arg = arg;
    if (node) {
        sheaf__future_add_node(future, node); /* nobody knows of it yet: no LOCK */
    }
    return future;
}

bool sheaf__task_start(sheaf_future *task)
{
    return publish(sheaf__future_pool(task), sheaf__worker_self(), task);
}

static sheaf_future *spawn_with(const sheaf_spawn_options *options, sheaf_fn *fn, void *arg)
{
    sheaf_future *task = sheaf__task_make(options, fn, arg, NULL);
    bool made = !(sheaf__future_flags(task) & SHEAF__JOB_STATIC);
    return !made || sheaf__task_start(task) ? task : give_up(task);
}

static const sheaf_spawn_options plain = {.size = sizeof plain};

/* A task with nothing but a body and an argument. */
static void fill_plain(sheaf_future *future, uint32_t word, const char *place, sheaf_fn *fn,
                       void *arg)
{
    sheaf__record_fill(future, 0, word);
    future->place = place;
    future->fn = fn;
    future->in.arg = arg;
}

static sheaf_future *spawn_plain(const char *place, sheaf_pool *pool, sheaf_fn *fn, void *arg)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    if (!pool) {
        pool = worker ? worker->pool : sheaf_pool_default();
    }
    if (SHEAF__UNLIKELY(!fn)) {
        return sheaf__future_failed(SHEAF_INVALID);
    }
    if (pool && sheaf__pool_is_lost(pool)) {
        return sheaf__future_failed(SHEAF_CLOSED);
    }
    if (SHEAF__UNLIKELY(pool && sheaf__task_hands_down(pool, sheaf__worker_current(worker)))) {
        sheaf_spawn_options options = plain;
        options.pool = pool;
        options.place = place;
        return spawn_with(&options, fn, arg);
    }
    sheaf_future *future = pool ? sheaf__future_new(pool, worker) : NULL;
    if (!future) {
        return sheaf__future_failed(SHEAF_NOMEM);
    }
    fill_plain(future, born(worker, pool), place, fn, arg);
    return publish(pool, worker, future) ? future : give_up(future);
}

/* The paths that fork-join takes: a task of the calling worker's pool, with nothing but a body and
 * an argument.  What is unusual is left to functions that take over at the end, so that these need
 * no frame: each register that they would save is a store more, and stores are what spawning
 * consists of (tests/bench w1_fib). */

static SHEAF__COLD sheaf_future *push_late(struct sheaf__worker *worker, sheaf_future *future)
{
    push_here(worker, future);
    return future;
}

static SHEAF__COLD sheaf_future *wake_for(struct sheaf__worker *worker, sheaf_future *future)
{
    sheaf__idle_wake_one(&worker->pool->idle);
    return future;
}

/* Fills a record that nobody knows of yet, and pushes it.
 *
 *   head  flags and references, as sheaf__job_head() puts them */
static SHEAF__ALWAYS_INLINE sheaf_future *spawn_here(struct sheaf__worker *worker,
                                                     sheaf_future *future, uint64_t head,
                                                     sheaf_fn *fn, void *arg)
{
    uint32_t bottom = sheaf__load_rlx(&worker->deque.bottom);
    future->fn = fn;
    future->in.arg = arg;
    /* relaxed: published by the push. */
    sheaf__store_wide_rlx(&future->job.where, worker->head | head);
    sheaf__store_wide_rlx(&future->job.at.slot, sheaf__job_place(bottom));
    if (SHEAF__UNLIKELY(bottom == sheaf__load_rlx(&worker->deque.limit))) {
        return push_late(worker, future);
    }
    sheaf__count(&worker->counts.spawned);
    sheaf__deque_put(&worker->deque, bottom, &future->job);
    if (SHEAF__UNLIKELY(sheaf__idle_wants_wake(&worker->pool->idle))) {
        return wake_for(worker, future);
    }
    return future;
}

sheaf_future *sheaf_spawn_at(const char *place, sheaf_fn *fn, void *arg)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    if (SHEAF__UNLIKELY(!worker) || SHEAF__UNLIKELY(!fn) ||
        SHEAF__UNLIKELY(may_need_extra(worker))) {
        return spawn_plain(place, NULL, fn, arg);
    }
    sheaf_future *future = sheaf__cache_pop(&worker->records);
    if (SHEAF__UNLIKELY(!future)) {
        return spawn_plain(place, NULL, fn, arg);
    }
    future->place = place;
    return spawn_here(worker, future, sheaf__job_head(0, 0, 0, SHEAF__WORD_REFERENCE), fn, arg);
}

sheaf_future *sheaf_spawn_on_at(const char *place, sheaf_pool *pool, sheaf_fn *fn, void *arg)
{
    return pool ? spawn_plain(place, pool, fn, arg) : sheaf__future_failed(SHEAF_INVALID);
}

sheaf_future *sheaf_spawn_copy_at(const char *place, sheaf_fn *fn, const void *args, size_t size)
{
    if (!args && size) {
        return sheaf__future_failed(SHEAF_INVALID);
    }
    sheaf_spawn_options options = plain;
    options.copy = size;
    options.place = place;
    return spawn_with(&options, fn, (void *)(uintptr_t)args);
}

/* The functions behind the macros of those names, for whoever does not know a place. */

sheaf_future *(sheaf_spawn)(sheaf_fn *fn, void *arg)
{
    return sheaf_spawn_at(NULL, fn, arg);
}

sheaf_future *(sheaf_spawn_on)(sheaf_pool *pool, sheaf_fn *fn, void *arg)
{
    return sheaf_spawn_on_at(NULL, pool, fn, arg);
}

sheaf_future *(sheaf_spawn_copy)(sheaf_fn *fn, const void *args, size_t size)
{
    return sheaf_spawn_copy_at(NULL, fn, args, size);
}

int sheaf__spawn_options(const sheaf_spawn_options *given, sheaf_spawn_options *options)
{
    return sheaf__options_read(given, options, sizeof *options);
}

sheaf_future *sheaf_spawn_with(const sheaf_spawn_options *given, sheaf_fn *fn, void *arg)
{
    sheaf_spawn_options options;
    if (sheaf__spawn_options(given, &options)) {
        return sheaf__future_failed(SHEAF_INVALID);
    }
    return spawn_with(&options, fn, arg);
}

/* Tasks that go to a pool from outside with one lock and one announcement. */
struct shipment {
    struct sheaf__cache records;
    sheaf_future *first, *last;
    size_t count;
};

/* So many that the announcement costs nothing, and so few that the workers soon have some. */
#define SHIPMENT_MAX SHEAF__BATCH

static void load(struct shipment *shipment, sheaf_future *future)
{
    if (shipment->last) {
        shipment->last->job.up.next = &future->job;
    } else {
        shipment->first = future;
    }
    shipment->last = future;
    shipment->count++;
}

/* Nobody has seen any of them.  The chain is read ahead: giving up a task ends its link. */
static void give_up_all(const struct shipment *shipment)
{
    struct sheaf__job *next = &shipment->first->job;
    for (size_t i = 0; i < shipment->count; i++) {
        sheaf_future *task = sheaf__future_of_job(next);
        next = next->up.next;
        (void)give_up(task);
    }
}

static void ship(sheaf_pool *pool, struct shipment *shipment)
{
    if (shipment->count > 0 && !offer(pool, shipment->first, shipment->last, shipment->count)) {
        give_up_all(shipment);
    }
    shipment->first = shipment->last = NULL;
    shipment->count = 0;
}

static void ship_many(const char *place, sheaf_pool *pool, sheaf_fn *fn, void *args, size_t stride,
                      size_t count, sheaf_future **futures)
{
    struct shipment shipment = {.first = NULL};
    for (size_t i = 0; i < count; i++) {
        sheaf_future *future = sheaf__cache_take(&shipment.records, &pool->depot);
        if (!future) {
            futures[i] = sheaf__future_failed(SHEAF_NOMEM);
            continue;
        }
        fill_plain(future, born(NULL, pool), place, fn, stride ? (char *)args + i * stride : args);
        futures[i] = future;
        load(&shipment, future);
        if (shipment.count == SHIPMENT_MAX) {
            ship(pool, &shipment);
        }
    }
    ship(pool, &shipment);
    sheaf__cache_flush(&shipment.records, &pool->depot);
}

/* Returns: the pool that the tasks of a plain thread go to if nothing is to be done for each of
 * them but to push it; else NULL */
static sheaf_pool *shipping_pool(sheaf_fn *fn)
{
    sheaf_pool *pool = fn && !sheaf__worker_self() ? sheaf_pool_default() : NULL;
    bool plain_pool = pool && !sheaf__pool_is_lost(pool) && !pool->observer &&
                      !sheaf__task_hands_down(pool, NULL);
    return plain_pool ? pool : NULL;
}

void sheaf_spawn_many_at(const char *place, sheaf_fn *fn, void *args, size_t stride, size_t count,
                         sheaf_future **futures)
{
    sheaf_pool *pool = futures && count > 1 ? shipping_pool(fn) : NULL;
    if (pool) {
        ship_many(place, pool, fn, args, stride, count, futures);
        return;
    }
    for (size_t i = 0; futures && i < count; i++) {
        futures[i] = sheaf_spawn_at(place, fn, stride ? (char *)args + i * stride : args);
    }
}

void(sheaf_spawn_many)(sheaf_fn *fn, void *args, size_t stride, size_t count,
                       sheaf_future **futures)
{
    sheaf_spawn_many_at(NULL, fn, args, stride, count, futures);
}

/* ---------------------------------------------------------------- tasks in frames */

static sheaf_future *fail_frame(sheaf_future *future, int status)
{
    sheaf__record_fill(future, SHEAF__JOB_STATIC | SHEAF__JOB_FRAME,
                       SHEAF__WORD_REFERENCE | SHEAF__WORD_UNBIASED | SHEAF__WORD_LOOKED |
                           SHEAF__WORD_DONE);
    sheaf__store_rlx(&future->job.at.status, (uint32_t)status);
    future->job.out.value.ptr = NULL;
    return future;
}

/* Gives a frame's task what its maker hands down and the pool's options ask for.
 * Returns: false for want of memory */
static bool trim_frame(struct sheaf__worker *worker, sheaf_future *future)
{
    sheaf_future *maker = sheaf__load_rlx(&worker->current);
    void *none = NULL;
    if (!sheaf__task_hands_down(worker->pool, maker)) {
        return true;
    }
    future->extra = new_extra(&plain, &none);
    if (future->extra) {
        sheaf__or_rlx(&future->job.word, SHEAF__WORD_EXTRA);
        future->fn = inherit(future, maker, future->fn);
    }
    return future->extra != NULL;
}

/* What the fast path leaves: misuse, trimmings, the deterministic modes. */
static SHEAF__COLD sheaf_future *spawn_frame(struct sheaf__worker *worker, sheaf_future *future,
                                             sheaf_fn *fn, void *arg)
{
    if (!future) {
        return sheaf__future_failed(worker ? SHEAF_INVALID : SHEAF_NOTASK);
    }
    if (!worker || !fn) {
        return fail_frame(future, worker ? SHEAF_INVALID : SHEAF_NOTASK);
    }
    sheaf__record_fill(future, SHEAF__JOB_FRAME, SHEAF__WORD_REFERENCE | worker->born);
    future->fn = fn;
    future->in.arg = arg;
    if (!trim_frame(worker, future)) {
        return fail_frame(future, SHEAF_NOMEM);
    }
    push_here(worker, future);
    return future;
}

sheaf_future *sheaf_task_spawn(sheaf_task *frame, sheaf_fn *fn, void *arg)
{
    sheaf_future *future = (sheaf_future *)(void *)frame;
    struct sheaf__worker *worker = sheaf__worker_self();
    if (SHEAF__UNLIKELY(!worker) || SHEAF__UNLIKELY(!frame) || SHEAF__UNLIKELY(!fn) ||
        SHEAF__UNLIKELY(may_need_extra(worker))) {
        return spawn_frame(worker, future, fn, arg);
    }
    return spawn_here(worker, future,
                      sheaf__job_head(0, 0, SHEAF__JOB_FRAME, SHEAF__WORD_REFERENCE), fn, arg);
}

/* ---------------------------------------------------------------- the current task */

sheaf_future *sheaf_current(void)
{
    sheaf_future *task = current_task();
    return task && !sheaf__task_is_drain(task) ? task : NULL;
}

int sheaf_yield(void)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf_future *task = sheaf__worker_current(worker);
    if (!task) {
        return SHEAF_NOTASK;
    }
    /* Without memory they wait until the task is back. */
    (void)sheaf__forks_offer(worker);
    sheaf__tasks_suspend(task);
    sheaf__worker_yield(worker);
    return sheaf__task_is_asked(task) ? sheaf__task_deliver(task) : SHEAF_OK;
}

int sheaf_sleep_until(sheaf_time deadline)
{
    struct sheaf__sleep sleep;
    do {
        SHEAF_TRY(sheaf__sleep_begin(&sleep, "a timer", deadline));
        if (sheaf__sleep_end(&sleep) != SHEAF__WAIT_CANCEL) {
            return SHEAF_OK;
        }
        /* A request that was withdrawn meanwhile interrupts nothing: the sleep goes on. */
    } while (sheaf__task_deliver(sleep.task) == SHEAF_OK);
    return SHEAF_CANCELLED;
}

int sheaf_sleep(sheaf_duration duration)
{
    if (duration <= 0) {
        int status = sheaf_yield();
        return status == SHEAF_NOTASK ? SHEAF_OK : status;
    }
    return sheaf_sleep_until(sheaf_time_add(sheaf_now(), duration));
}

static int look_at_requests(sheaf_future *task, const char *place)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (extra) {
        sheaf__store_rlx(&extra->checkpoint, place);
    }
    sheaf__task_meet_due(task);
    return sheaf__task_is_asked(task) ? sheaf__task_deliver(task) : SHEAF_OK;
}

int sheaf_checkpoint_at(const char *place)
{
    sheaf_future *task = current_task();
    if (SHEAF__UNLIKELY(!task)) {
        return SHEAF_NOTASK;
    }
    if (SHEAF__UNLIKELY(sheaf__load_rlx(&task->job.word) &
                        (SHEAF__WORD_CANCEL | SHEAF__WORD_EXTRA))) {
        return look_at_requests(task, place);
    }
    return SHEAF_OK;
}

int(sheaf_checkpoint)(void)
{
    return sheaf_checkpoint_at(NULL);
}

/* ---------------------------------------------------------------- blocks */

void sheaf__task_begin_block(sheaf_future *task, struct sheaf__block *block)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    block->outer = extra->blocks;
    extra->blocks = block;
}

bool sheaf__task_end_block(sheaf_future *task, const struct sheaf__block *block)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (!extra || extra->blocks != block) {
        return false;
    }
    extra->blocks = block->outer;
    return true;
}

/* A million that are begun within each other must not take the square of that. */
#define BLOCKS_LOOKED_AT 64

bool sheaf__task_has_block(const sheaf_future *task, const struct sheaf__block *block)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    const struct sheaf__block *at = extra ? extra->blocks : NULL;
    for (int i = 0; at && at != block; i++) {
        at = i < BLOCKS_LOOKED_AT ? at->outer : NULL;
    }
    return at != NULL;
}

/* ---------------------------------------------------------------- raising */

#define NAME_TOLD 128

/* Makes it what the task or blocking call that calls this fails with. */
static void raise_here(sheaf_error *error)
{
    sheaf_future *task = current_task();
    struct sheaf__guest *guest = task ? NULL : sheaf__guest_self();
    if (task) {
        sheaf__task_set_raised(task, error);
    } else if (guest) {
        sheaf__guest_raise(guest, error);
    }
}

int sheaf_raise(int code, const char *format, ...)
{
    sheaf_future *task = current_task();
    if (code == SHEAF_OK || (!task && !sheaf__guest_self())) {
        return code;
    }
    char name[NAME_TOLD];
    if (task) {
        sheaf__future_name_text(task, name, sizeof name);
    }
    const char *place = task ? sheaf__future_place(task) : NULL;
    va_list arguments;
    va_start(arguments, format);
    sheaf_error *error = sheaf__error_vmake(code, task ? name : NULL, place, format, arguments);
    va_end(arguments);
    raise_here(error);
    sheaf_error_release(error);
    return code;
}

int sheaf_raise_error(sheaf_error *error)
{
    raise_here(error);
    return sheaf_error_code(error);
}
