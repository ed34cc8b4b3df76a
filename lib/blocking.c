/* Blocking calls: functions with a future, run by a crew of threads.
 *
 * A call's future is a promise that nobody but this file resolves.  The crew sees to it that a call
 * is run once or taken out of its queue once: by the completion of its future when that was
 * cancelled, by the close, or for want of threads.
 *
 * A call belongs to two parties, the crew and the node in its future's list, and goes with the last
 * of them.  It owns the crew.  An abandoned thread ends whenever it ends: it uses the pool no
 * longer than its call's future lives, which keeps the pool's memory. */
#include <sheaf/blocking.h>

#include "lib/alloc.h"
#include "lib/crew.h"
#include "lib/error_impl.h"
#include "lib/future_impl.h"
#include "lib/guest.h"
#include "lib/options.h"
#include "lib/platform/cpus.h"

/* As asyncio's executor. */
#define DEFAULT_MORE 4U
#define DEFAULT_MAX 32U

/* A pool's. */
struct calls {
    struct sheaf__annex annex;
    struct sheaf__crew *crew; /* an owner of it */
};

struct call {
    struct sheaf__crew_job job;
    struct sheaf__node node;  /* in the list of the future */
    struct sheaf__crew *crew; /* an owner of it */
    sheaf_future *future;     /* a reference */
    SHEAF__ATOMIC(unsigned) owners;
    sheaf_fn *fn;
    void *arg;
    void (*arg_drop)(void *arg);
    void (*value_drop)(sheaf_value value);
    struct sheaf__guest guest;
    int status; /* what fn returned, and its value */
    sheaf_value value;
};

static struct call *call_of(struct sheaf__crew_job *job)
{
    return SHEAF__CONTAINER(job, struct call, job);
}

/* ---------------------------------------------------------------- ending a call */

/* The future, and with it the pool, may be gone on return. */
static void release_call(struct call *call)
{
    /* acq_rel: the last owner sees that the others are done with it. */
    if (sheaf__sub_acq_rel(&call->owners, 1) == 1) {
        sheaf_error_release(call->guest.raised);
        sheaf__locals_release(call->guest.locals);
        sheaf_release(call->future);
        sheaf__crew_let_go(call->crew);
        sheaf__free(call, sizeof *call);
    }
}

/* A virtual clock stands still from before the call is queued until its future is done. */
static void hold_clock(struct call *call)
{
    sheaf_pool *pool = sheaf__future_pool(call->future);
    if (pool->is_virtual) {
        sheaf_clock_hold(pool);
    }
}

/* The crew is done with the call. */
static void end_call(struct call *call)
{
    sheaf_pool *pool = sheaf__future_pool(call->future);
    if (pool->is_virtual) {
        sheaf_clock_release(pool);
    }
    release_call(call);
}

/* Ends a call that was taken out of the queue. */
static void drop_call(struct call *call, int status)
{
    if (call->arg_drop) {
        call->arg_drop(call->arg);
    }
    /* Refused when it was cancelled: that is why, or it comes to the same. */
    sheaf__promise_complete(call->future, status, (sheaf_value){.ptr = NULL});
    end_call(call);
}

static void drop_queued(struct sheaf__crew *crew, int status)
{
    struct sheaf__crew_job *job;
    while ((job = sheaf__crew_take_first(crew)) != NULL) {
        drop_call(call_of(job), status);
    }
}

/* The future is done: by its thread, or because it was cancelled. */
static void note_done(struct sheaf__node *node, sheaf_future *future, struct sheaf__ended *more)
{
    struct call *call = SHEAF__CONTAINER(node, struct call, node);
    (void)future;
    (void)more;
    if (sheaf__crew_take(call->crew, &call->job)) {
        drop_call(call, SHEAF_CANCELLED);
    }
    release_call(call);
}

/* ---------------------------------------------------------------- running a call */

static void run_call(struct sheaf__crew_job *job)
{
    struct call *call = call_of(job);
    sheaf__guest_enter(&call->guest);
    call->status = call->fn(call->arg, &call->value);
    if (SHEAF__UNLIKELY(sheaf__future_is_lost(call->future))) {
        sheaf__returned_in_child("a blocking call");
    }
    sheaf__guest_leave();
}

/* The error to fail with, or NULL; given. */
static sheaf_error *error_of(struct call *call)
{
    if (call->status < 0 && !sheaf__status_known(call->status)) {
        sheaf_error *error = sheaf_error_new(
            SHEAF_INVALID, "a blocking call returned %d, which is no status", call->status);
        call->status = SHEAF_INVALID;
        return error;
    }
    sheaf_error *raised = call->guest.raised;
    return sheaf_error_code(raised) == call->status ? sheaf_error_retain(raised) : NULL;
}

static void give_outcome(struct call *call)
{
    if (call->status == SHEAF_OK) {
        if (!sheaf__promise_complete(call->future, SHEAF_OK, call->value) && call->value_drop) {
            call->value_drop(call->value);
        }
        return;
    }
    sheaf_value payload = {.ptr = error_of(call)};
    if (!sheaf__promise_complete(call->future, call->status, payload)) {
        sheaf_error_release(payload.ptr);
    }
}

/* A close that abandons calls waits for this one: it does not run any more. */
static void call_ran(struct sheaf__crew_job *job)
{
    give_outcome(call_of(job));
    end_call(call_of(job));
}

static void refuse_call(struct sheaf__crew_job *job)
{
    drop_call(call_of(job), SHEAF_NOMEM);
}

static void hold_call(struct sheaf__crew_job *job)
{
    sheaf__add_rlx(&call_of(job)->owners, 1);
}

static const struct sheaf__crew_ops crew_ops = {
    .run = run_call,
    .ran = call_ran,
    .refuse = refuse_call,
    .hold = hold_call,
};

/* ---------------------------------------------------------------- closing */

static struct calls *calls_of(struct sheaf__annex *annex)
{
    return annex ? SHEAF__CONTAINER(annex, struct calls, annex) : NULL;
}

static void tell_late(struct sheaf__annex *annex, sheaf_late_fn *late, void *context)
{
    struct sheaf__crew *crew = calls_of(annex)->crew;
    struct sheaf__crew_job *job;
    sheaf__crew_begin_round(crew);
    while ((job = sheaf__crew_next_in_round(crew)) != NULL) {
        struct call *call = call_of(job);
        char name[128];
        sheaf_future_name(call->future, name, sizeof name);
        late(context, call->future, name);
        release_call(call);
    }
}

/* The futures of those that run fail; their threads are left to themselves. */
static void abandon_running(struct sheaf__crew *crew)
{
    struct sheaf__crew_job *job;
    sheaf__crew_begin_round(crew);
    while ((job = sheaf__crew_next_in_round(crew)) != NULL) {
        struct call *call = call_of(job);
        sheaf__promise_complete(call->future, SHEAF_CLOSED, (sheaf_value){.ptr = NULL});
        release_call(call);
    }
}

static int close_calls(struct sheaf__annex *annex, sheaf_close how, int64_t deadline)
{
    struct calls *calls = calls_of(annex);
    bool abandons = how == SHEAF_CLOSE_ABANDON;
    sheaf__crew_close(calls->crew);
    if (how != SHEAF_CLOSE_DRAIN) {
        drop_queued(calls->crew, abandons ? SHEAF_CLOSED : SHEAF_CANCELLED);
    }
    if (abandons) {
        abandon_running(calls->crew);
        sheaf__crew_dismiss(calls->crew, SHEAF__CREW_LEAVE_BUSY, SHEAF_FOREVER);
    } else if (!sheaf__crew_dismiss(calls->crew, SHEAF__CREW_ALL, deadline)) {
        return SHEAF_TIMEOUT;
    }
    sheaf__crew_let_go(calls->crew);
    sheaf__free(calls, sizeof *calls);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- the crew of a pool */

static struct calls *new_calls(sheaf_pool *pool)
{
    struct calls *calls = sheaf__alloc(sizeof *calls);
    if (!calls) {
        return NULL;
    }
    unsigned wished = sheaf__cpus_usable() + DEFAULT_MORE;
    calls->annex = (struct sheaf__annex){.close = close_calls, .tell_late = tell_late};
    calls->crew =
        sheaf__crew_new(&crew_ops, pool->name, wished < DEFAULT_MAX ? wished : DEFAULT_MAX);
    if (!calls->crew) {
        sheaf__free(calls, sizeof *calls);
        return NULL;
    }
    return calls;
}

/* Makes the calling thread an owner of the pool's crew, if there is one and it is not closed.
 *
 *   *made  becomes the pool's when it has none, and NULL then; may be NULL */
static struct sheaf__crew *look(sheaf_pool *pool, struct calls **made, bool *closed)
{
    pthread_mutex_lock(&pool->rest_lock);
    *closed = pool->annex_closed;
    if (*made && !pool->annex && !*closed) {
        pool->annex = &(*made)->annex;
        *made = NULL;
    }
    struct calls *calls = *closed ? NULL : calls_of(pool->annex);
    if (calls) {
        sheaf__crew_own(calls->crew);
    }
    pthread_mutex_unlock(&pool->rest_lock);
    return calls ? calls->crew : NULL;
}

/* *crew: the pool's, made if there is none; the caller becomes an owner */
static int enter(sheaf_pool *pool, struct sheaf__crew **crew)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    bool inside = worker && worker->pool == pool;
    /* As for a spawn: while the pool closes, only its own tasks go on. */
    bool closed =
        !inside && (sheaf__pool_is_lost(pool) || sheaf__load_acq(&pool->phase) != SHEAF__POOL_OPEN);
    struct calls *made = NULL;
    *crew = closed ? NULL : look(pool, &made, &closed);
    if (*crew || closed) {
        return closed ? SHEAF_CLOSED : SHEAF_OK;
    }
    made = new_calls(pool);
    if (!made) {
        return SHEAF_NOMEM;
    }
    *crew = look(pool, &made, &closed);
    if (made) {
        sheaf__crew_let_go(made->crew);
        sheaf__free(made, sizeof *made);
    }
    return closed ? SHEAF_CLOSED : SHEAF_OK;
}

/* ---------------------------------------------------------------- calling */

/* Nobody else knows of the future yet. */
static void watch(struct call *call)
{
    call->node.to.notify = note_done;
    sheaf__future_lock(call->future);
    sheaf__future_add_node(call->future, &call->node);
    sheaf__future_unlock(call->future);
}

/* future: a reference to it is added */
static struct call *new_call(struct sheaf__crew *crew, const sheaf_blocking_options *options,
                             sheaf_future *future)
{
    struct call *call = sheaf__alloc_zeroed(sizeof *call);
    if (call) {
        sheaf__crew_own(crew);
        call->crew = crew;
        call->future = sheaf_retain(future);
        call->arg_drop = options->arg_drop;
        call->value_drop = options->value_drop;
        call->guest.locals = sheaf__locals_retain(sheaf__locals_current());
        sheaf__store_rlx(&call->owners, 2);
        watch(call);
    }
    return call;
}

/* A call that could not be made. */
static sheaf_future *refuse(const sheaf_blocking_options *options, void *arg, int status)
{
    if (options->arg_drop) {
        options->arg_drop(arg);
    }
    return sheaf__future_failed(status);
}

static sheaf_future *submit(struct sheaf__crew *crew, const sheaf_blocking_options *options,
                            sheaf_fn *fn, void *arg)
{
    sheaf_future *future = sheaf_promise(
        SHEAF_PROMISE_OPTIONS(.pool = options->pool, .name = options->name, .data = options->data,
                              .value_drop = options->value_drop));
    bool made = !(sheaf__future_flags(future) & SHEAF__JOB_STATIC);
    struct call *call = made ? new_call(crew, options, future) : NULL;
    if (!call) {
        sheaf_release(future);
        return refuse(options, arg, SHEAF_NOMEM);
    }
    call->fn = fn;
    call->arg = arg;
    hold_clock(call);
    if (!sheaf__crew_push(crew, &call->job)) {
        sheaf__future_mark_looked(future); /* as of every future that was never begun */
        drop_call(call, SHEAF_CLOSED);
    }
    return future;
}

sheaf_future *sheaf_blocking_with(const sheaf_blocking_options *given, sheaf_fn *fn, void *arg)
{
    sheaf_blocking_options options;
    if (sheaf__options_read(given, &options, sizeof options)) {
        return sheaf__future_failed(SHEAF_INVALID);
    }
    struct sheaf__worker *worker = sheaf__worker_self();
    if (!options.pool) {
        options.pool = worker ? worker->pool : sheaf_pool_default();
    }
    if (!fn || !options.pool) {
        return refuse(&options, arg, fn ? SHEAF_NOMEM : SHEAF_INVALID);
    }
    struct sheaf__crew *crew;
    int status = enter(options.pool, &crew);
    if (status != SHEAF_OK) {
        return refuse(&options, arg, status);
    }
    sheaf_future *future = submit(crew, &options, fn, arg);
    sheaf__crew_let_go(crew);
    return future;
}

sheaf_future *sheaf_blocking(sheaf_fn *fn, void *arg)
{
    return sheaf_blocking_with(NULL, fn, arg);
}

int sheaf_blocking_limit(sheaf_pool *pool, int threads)
{
    if (threads < 1 || threads > SHEAF_BLOCKING_MAX) {
        return SHEAF_INVALID;
    }
    pool = pool ? pool : sheaf_pool_default();
    struct sheaf__crew *crew;
    SHEAF_TRY(pool ? enter(pool, &crew) : SHEAF_NOMEM);
    sheaf__crew_limit(crew, (unsigned)threads);
    sheaf__crew_let_go(crew);
    return SHEAF_OK;
}
