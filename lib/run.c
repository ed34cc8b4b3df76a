/* A pool's life as the program sees it: open, close, the default pool. */
#include "lib/future_impl.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/dump_to.h"
#include "lib/error_impl.h"
#include "lib/inspect.h"
#include "lib/interrupt.h"
#include "lib/observe.h"
#include "lib/options.h"
#include "lib/overflow.h"
#include "lib/platform/clock.h"
#include "lib/platform/fault.h"
#include "lib/platform/forks.h"
#include "lib/registry.h"

/* ---------------------------------------------------------------- process-wide state */

/* The default pool, and where reports go. */
static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER; /* rank 0 */
static bool prepared;                                            /* guarded by process_lock */
static sheaf_pool *default_pool;
static sheaf_report_fn *report_hook;
static void *report_context;

/* In a child of fork(), on its only thread.  A thread of the parent's may hold the lock, and may
 * have been about to change what it guards: each of these is changed by one store. */
static void forget_parent(void)
{
    process_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    default_pool = NULL;
    sheaf__registry_forget();
    sheaf__lost_begin();
    sheaf__interrupt_prepare();
    sheaf__interrupt_restore(SHEAF__INTERRUPT_RUN);
    sheaf__interrupt_restore(SHEAF__INTERRUPT_DUMP);
    sheaf__dump_forget();
    sheaf__trace_forget();
}

/* The fork handler comes before any lock. */
int sheaf__process_prepare(void)
{
    if (!sheaf__forks_heed(forget_parent)) {
        return SHEAF_NOMEM;
    }
    pthread_mutex_lock(&process_lock);
    if (!prepared) {
        sheaf__fences_choose(true);
        sheaf__interrupt_prepare();
        prepared = true;
    }
    pthread_mutex_unlock(&process_lock);
    sheaf__trace_prepare();
    return SHEAF_OK;
}

static void report_to_stderr(void *context, const char *line)
{
    (void)context;
    char text[512];
    int length = snprintf(text, sizeof text, "sheaf: %s\n", line);
    size_t size = length < 0                          ? 0
                  : (size_t)length >= sizeof text - 1 ? sizeof text - 1
                                                      : (size_t)length;
    ssize_t written = write(STDERR_FILENO, text, size);
    (void)written; /* there is nobody to tell */
}

void sheaf_set_report_hook(sheaf_report_fn *report, void *context)
{
    pthread_mutex_lock(&process_lock);
    report_hook = report;
    report_context = context;
    pthread_mutex_unlock(&process_lock);
}

void sheaf__report_hook(sheaf_report_fn **report, void **context)
{
    pthread_mutex_lock(&process_lock);
    *report = report_hook ? report_hook : report_to_stderr;
    *context = report_hook ? report_context : NULL;
    pthread_mutex_unlock(&process_lock);
}

/* ---------------------------------------------------------------- open */

static int open_pool(const sheaf_options *given, sheaf_pool **out)
{
    sheaf_options options;
    SHEAF_TRY(sheaf__options_read(given, &options, sizeof options));
    if (!options.observer) {
        options.observer = sheaf__trace_observer(&options.observer_context);
    }
    SHEAF_TRY(sheaf__pool_open(&options, &sheaf__task_ops, out));
    sheaf__registry_add(*out);
    if ((*out)->flags & SHEAF_POOL_TELL_OVERFLOW) {
        sheaf__fault_watch(sheaf__overflow_describe);
    }
    return SHEAF_OK;
}

int sheaf_pool_open(const sheaf_options *options, sheaf_pool **out)
{
    if (!out) {
        return SHEAF_INVALID;
    }
    SHEAF_TRY(sheaf__process_prepare());
    return open_pool(options, out);
}

int sheaf_pool_default_open(const sheaf_options *options)
{
    SHEAF_TRY(sheaf__process_prepare());
    pthread_mutex_lock(&process_lock);
    int status = default_pool ? SHEAF_STATE : open_pool(options, &default_pool);
    pthread_mutex_unlock(&process_lock);
    return status;
}

sheaf_pool *sheaf_pool_default(void)
{
    if (sheaf__process_prepare() != SHEAF_OK) {
        return NULL;
    }
    pthread_mutex_lock(&process_lock);
    if (!default_pool) {
        (void)open_pool(NULL, &default_pool);
    }
    sheaf_pool *pool = default_pool;
    pthread_mutex_unlock(&process_lock);
    return pool;
}

int sheaf_pool_default_close(sheaf_close how, sheaf_duration limit)
{
    pthread_mutex_lock(&process_lock);
    sheaf_pool *pool = default_pool;
    pthread_mutex_unlock(&process_lock);
    if (!pool) {
        return SHEAF_OK;
    }
    int status = sheaf_pool_close(pool, how, limit, NULL, NULL);
    if (status == SHEAF_OK || status == SHEAF_DEADLOCK) {
        pthread_mutex_lock(&process_lock);
        default_pool = NULL;
        pthread_mutex_unlock(&process_lock);
    }
    return status;
}

/* ---------------------------------------------------------------- ending what is left */

/* Asks the tasks that this shutdown has not asked yet.  Returns: how many it found */
static size_t ask_some(sheaf_pool *pool)
{
    struct sheaf__task_list list;
    sheaf__inspect_tasks(pool, true, &list);
    size_t count = list.count;
    for (size_t i = 0; i < count; i++) {
        if (sheaf__task_mark_swept(list.tasks[i])) {
            sheaf__future_ask(list.tasks[i], SHEAF_ORIGIN_SHUTDOWN, NULL);
        }
    }
    sheaf__tasks_forget(&list);
    return count;
}

static size_t ask_all(sheaf_pool *pool)
{
    size_t asked = 0;
    size_t some;
    while ((some = ask_some(pool)) > 0) {
        asked += some;
    }
    return asked;
}

/* How long a cancelling close waits before it looks again for tasks that it has not asked: one that
 * computes may spawn others without the pool coming to rest. */
#define SWEEP_SLICE SHEAF_MS(5)

/* One wait.  Returns: SHEAF_OK to look again; SHEAF_TIMEOUT; SHEAF_DEADLOCK */
static int wait_a_while(sheaf_pool *pool, sheaf_close how, uint64_t *seen, int64_t deadline)
{
    int64_t until = deadline;
    if (how == SHEAF_CLOSE_CANCEL) {
        int64_t slice = sheaf__deadline_after(sheaf__clock_monotonic(), SWEEP_SLICE);
        until = slice < deadline ? slice : deadline;
    }
    int status = sheaf__pool_wait_rest(pool, seen, until);
    return status == SHEAF_TIMEOUT && until < deadline ? SHEAF_OK : status;
}

/* Waits until no task is left; with CANCEL asks those that come up meanwhile. */
static int wait_for_tasks(sheaf_pool *pool, sheaf_close how, int64_t deadline)
{
    uint64_t seen = 0;
    int status = SHEAF_OK;
    while (sheaf__pool_busy(pool)) {
        size_t asked = how == SHEAF_CLOSE_CANCEL ? ask_all(pool) : 0;
        if (asked > 0) {
            seen = 0; /* a rest before they were asked says nothing */
        } else if (status != SHEAF_OK) {
            return status;
        }
        status = wait_a_while(pool, how, &seen, deadline);
    }
    return SHEAF_OK;
}

/* A task whose body was suspended when the pool was abandoned, and those on whose stack it was
 * called: they end without going on.  Held beyond that, until let_go(): timers in their frames,
 * those of limits, may still ask them. */
static void abandon(sheaf_future *task)
{
    for (; task; task = task->in.enclosing) {
        sheaf__future_hold(task);
        if (sheaf__task_is_drain(task)) {
            sheaf__drain_abandoned(task);
        }
        sheaf__future_lock(task);
        task->job.out.value.ptr = NULL;
        sheaf__future_finish_locked(task, SHEAF_CLOSED);
    }
}

static void let_go(sheaf_future *task)
{
    while (task) {
        sheaf_future *enclosing = task->in.enclosing;
        sheaf__future_unhold(task);
        task = enclosing;
    }
}

static void each_suspended(sheaf_pool *pool, void (*visit)(sheaf_future *task))
{
    SHEAF__LIST_EACH (link, &pool->fibers.all) {
        visit(sheaf__load_acq(&SHEAF__CONTAINER(link, struct sheaf__fiber, all)->current));
    }
}

/* Empties the queues of a stopped pool.
 *
 *   fibers  how many are in there or still to come: a waker that has decided, on a thread of
 *           others, and not yet pushed its fiber uses the pool until then */
static void refuse_queued(sheaf_pool *pool, size_t fibers)
{
    struct sheaf__job *job;
    unsigned turns = 0;
    while ((job = sheaf__pool_take_any(pool)) != NULL || fibers > 0) {
        if (!job) {
            sheaf__spin_wait(&turns);
        } else if (sheaf__load_rlx(&job->flags) & SHEAF__JOB_FIBER) {
            fibers--;
        } else {
            pool->ops->refuse(pool, job, SHEAF_CLOSED);
        }
    }
}

/* Ends every task of a stopped pool.  Sealed before anything ends: what waits for these ends is not
 * made ready. */
static void abandon_tasks(sheaf_pool *pool)
{
    refuse_queued(pool, sheaf__pool_seal(pool));
    each_suspended(pool, abandon);
    /* What these ends have made runnable is not run either; what comes later is refused at once. */
    sheaf__runq_kill(&pool->inject);
    refuse_queued(pool, 0);
    sheaf__timekeeper_stop(&pool->keeper);
    each_suspended(pool, let_go);
}

/* ---------------------------------------------------------------- the annex */

static struct sheaf__annex *annex_of(sheaf_pool *pool)
{
    pthread_mutex_lock(&pool->rest_lock);
    struct sheaf__annex *annex = pool->annex;
    pthread_mutex_unlock(&pool->rest_lock);
    return annex;
}

static int close_annex(sheaf_pool *pool, sheaf_close how, int64_t deadline)
{
    pthread_mutex_lock(&pool->rest_lock);
    pool->annex_closed = true;
    struct sheaf__annex *annex = pool->annex;
    pthread_mutex_unlock(&pool->rest_lock);
    if (!annex) {
        return SHEAF_OK;
    }
    SHEAF_TRY(annex->close(annex, how, deadline));
    pthread_mutex_lock(&pool->rest_lock);
    pool->annex = NULL;
    pthread_mutex_unlock(&pool->rest_lock);
    return SHEAF_OK;
}

static void tell_late(sheaf_pool *pool, sheaf_late_fn *late, void *context)
{
    if (!late) {
        return;
    }
    struct sheaf__task_list list;
    sheaf__inspect_tasks(pool, false, &list);
    for (size_t i = 0; i < list.count; i++) {
        char name[128];
        sheaf_future_name(list.tasks[i], name, sizeof name);
        late(context, list.tasks[i], name);
    }
    sheaf__tasks_forget(&list);
    struct sheaf__annex *annex = annex_of(pool);
    if (annex) {
        annex->tell_late(annex, late, context);
    }
}

/* ---------------------------------------------------------------- close */

/* Returns: false when another close is under way */
static bool enter_close(sheaf_pool *pool)
{
    pthread_mutex_lock(&pool->rest_lock);
    bool first = !pool->close_called;
    pool->close_called = true;
    pthread_mutex_unlock(&pool->rest_lock);
    return first;
}

static void leave_close(sheaf_pool *pool)
{
    pthread_mutex_lock(&pool->rest_lock);
    pool->close_called = false;
    pthread_mutex_unlock(&pool->rest_lock);
}

/* Waits for everything that is there: the tasks first, which may make blocking calls to the end. */
static int wait_for_all(sheaf_pool *pool, sheaf_close how, int64_t deadline)
{
    SHEAF_TRY(wait_for_tasks(pool, how, deadline));
    SHEAF_TRY(close_annex(pool, how, deadline));
    /* The callbacks of the calls, and what they have spawned. */
    return wait_for_tasks(pool, how, deadline);
}

static int close_entered(sheaf_pool *pool, sheaf_close how, int64_t deadline)
{
    uint8_t open = SHEAF__POOL_OPEN;
    sheaf__cas_acq_rel(&pool->phase, &open, SHEAF__POOL_CLOSING);
    sheaf__runq_close(&pool->inject);
    bool stopping = sheaf__load_acq(&pool->phase) == SHEAF__POOL_STOPPED;
    int status =
        how == SHEAF_CLOSE_ABANDON || stopping ? SHEAF_OK : wait_for_all(pool, how, deadline);
    if (status == SHEAF_TIMEOUT) {
        return status;
    }
    SHEAF_TRY(sheaf__pool_stop(pool, status == SHEAF_OK ? deadline : SHEAF_FOREVER));
    sheaf__registry_remove(pool);
    /* Nobody runs what the end of these calls makes runnable. */
    close_annex(pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER);
    abandon_tasks(pool);
    if (pool->flags & SHEAF_POOL_TELL_OVERFLOW) {
        sheaf__fault_unwatch();
    }
    if (pool->observer) {
        sheaf__observe_close(pool);
    }
    sheaf__pool_retire(pool);
    return status;
}

int sheaf_pool_close(sheaf_pool *pool, sheaf_close how, sheaf_duration limit, sheaf_late_fn *late,
                     void *context)
{
    if (!pool ||
        (how != SHEAF_CLOSE_DRAIN && how != SHEAF_CLOSE_CANCEL && how != SHEAF_CLOSE_ABANDON)) {
        return SHEAF_INVALID;
    }
    if (sheaf__pool_is_lost(pool)) {
        return SHEAF_LOST;
    }
    if (sheaf_pool_current() == pool || !enter_close(pool)) {
        return SHEAF_STATE;
    }
    int status = close_entered(pool, how, sheaf__deadline_after(sheaf__clock_monotonic(), limit));
    if (status == SHEAF_TIMEOUT) {
        tell_late(pool, late, context);
        leave_close(pool);
    }
    return status;
}
