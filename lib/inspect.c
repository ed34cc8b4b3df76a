/* Looking at a pool's tasks while they run: all tasks, and the dump.
 *
 * Tasks are in no list of their own.  They are found where they are: running on a worker, parked on
 * a fiber, or queued; with those on whose stacks they were called.
 *
 * A queued task stays while the lock of its queue is held; a parked one while its fiber is pinned
 * (lib/wait.h).  A running one could end and be freed at any instant.  The inspector therefore
 * makes the way to DONE pass through its lock:
 *
 *   inspector                               runner that ends
 *   I1 inspecting = 1                       R1 state = FINISHING
 *      mark what `current` names UNBIASED      light fence
 *      heavy fence                          R2 read word: biased, done; else state = ENDING
 *   I2 read current and state again            light fence
 *      RUNNING and the same: it stays       R4 read inspecting: wait for the lock
 *
 *   Forbidden: I2 sees RUNNING, and the runner passes R2 the biased way or R4 without waiting.
 *
 * The mark may fall on a record that was freed in the meantime: its memory stays a record's memory
 * (lib/slab.h), and one that is UNBIASED without need is merely slower.  Only records of the pool's
 * depot are marked, never a frame, of which nobody knows whether it is still there.
 *
 * A task on its way from one place to another can be missed, or met twice.  The second is sorted
 * out; for the first the search is made again while it has met fewer tasks than there are by the
 * pool's counts, a bounded number of times: where many tasks come and go what is told was true of
 * each task that is told. */
#include "lib/future_impl.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/alloc.h"
#include "lib/error_impl.h"

void sheaf__inspect_pass(sheaf_pool *pool)
{
    sheaf__fence_light();
    if (pool && SHEAF__UNLIKELY(sheaf__load_seq(&pool->inspecting))) { /* R4 */
        pthread_mutex_lock(&pool->inspect_lock);
        pthread_mutex_unlock(&pool->inspect_lock);
    }
}

struct search {
    sheaf_pool *pool;
    bool unswept;
    sheaf_future **tasks;
    size_t room;
    size_t found;
    size_t met; /* tasks of all kinds, those that are not told included */
};

/* Requires: the task cannot end meanwhile */
static void add_task(struct search *search, sheaf_future *task)
{
    uint32_t flags = sheaf__future_flags(task);
    search->met++;
    if ((flags & SHEAF__JOB_FRAME) || sheaf__task_is_hidden(task) ||
        (search->unswept && (flags & SHEAF__JOB_SWEPT))) {
        return;
    }
    if (search->found < search->room) {
        search->tasks[search->found] = sheaf_retain(task);
    }
    search->found++;
}

/* A task and those on whose stack it was called. */
static void add_stack(struct search *search, sheaf_future *task)
{
    for (; task; task = task->in.enclosing) {
        add_task(search, task);
    }
}

/* ---------------------------------------------------------------- running tasks */

static bool is_record(sheaf_pool *pool, const sheaf_future *task)
{
    return task && sheaf__depot_owns(&pool->depot, task);
}

/* I1.  seq_cst: not before the store to `inspecting`. */
static void mark_running(sheaf_pool *pool)
{
    for (unsigned i = 0; i < pool->worker_count; i++) {
        struct sheaf__worker *worker = &pool->workers[i];
        sheaf_future *task = sheaf__load_rlx(&worker->current);
        worker->marked = is_record(pool, task) ? task : NULL;
        if (worker->marked) {
            sheaf__or_seq(&task->job.word, SHEAF__WORD_UNBIASED);
        }
    }
}

static void add_running(struct search *search, struct sheaf__worker *worker)
{
    sheaf_future *task = sheaf__load_rlx(&worker->current);
    if (worker == sheaf__worker_self()) {
        add_stack(search, task);
        return;
    }
    /* Only what was marked before the fence: a mark of others says nothing about this inspection.
     * */
    if (!task || task != worker->marked || sheaf__load_acq(&task->job.state) != SHEAF__RUNNING ||
        sheaf__load_acq(&worker->current) != task) { /* I2 */
        return;
    }
    add_stack(search, task);
}

/* ---------------------------------------------------------------- queues and parked fibers */

static void add_job(struct search *search, struct sheaf__job *job)
{
    if (sheaf__load_rlx(&job->flags) & SHEAF__JOB_FIBER) {
        add_stack(search, sheaf__load_acq(&sheaf__fiber_of_job(job)->current));
    } else {
        add_task(search, sheaf__future_of_job(job));
    }
}

static void add_runq(struct search *search, struct sheaf__runq *queue)
{
    sheaf__spin_lock(&queue->lock);
    for (struct sheaf__job *job = queue->head; job; job = job->up.next) {
        add_job(search, job);
    }
    sheaf__spin_unlock(&queue->lock);
}

static void add_entry(void *context, struct sheaf__job *job)
{
    add_job((struct search *)context, job);
}

static void add_parked(struct search *search)
{
    struct sheaf__fibers *fibers = &search->pool->fibers;
    sheaf__spin_lock(&fibers->lock);
    SHEAF__LIST_EACH (link, &fibers->all) {
        struct sheaf__fiber *fiber = SHEAF__CONTAINER(link, struct sheaf__fiber, all);
        if (sheaf__wait_pin(&fiber->wait)) {
            add_stack(search, sheaf__load_acq(&fiber->current));
            sheaf__wait_unpin(&fiber->wait);
        }
    }
    sheaf__spin_unlock(&fibers->lock);
}

static int by_address(const void *a, const void *b)
{
    const sheaf_future *const *left = (const sheaf_future *const *)a;
    const sheaf_future *const *right = (const sheaf_future *const *)b;
    return (*left > *right) - (*left < *right);
}

/* A task on its way from one place to another may have been seen at both.  Returns: how many tasks
 * */
static size_t drop_doubles(struct search *search)
{
    size_t count = search->found < search->room ? search->found : search->room;
    if (count < 2) {
        return search->found;
    }
    sheaf_future **tasks = search->tasks;
    qsort(tasks, count, sizeof *tasks, by_address);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++) {
        if (tasks[i] == tasks[kept - 1]) {
            sheaf_release(tasks[i]);
        } else {
            tasks[kept++] = tasks[i];
        }
    }
    return search->found - (count - kept);
}

/* One pass over all places.  Requires: inspect_lock */
static void search_once(struct search *search)
{
    sheaf_pool *pool = search->pool;
    search->found = 0;
    search->met = 0;
    mark_running(pool);
    sheaf__fence_heavy();
    add_runq(search, &pool->inject);
    add_runq(search, &pool->woken);
    for (unsigned i = 0; i < pool->worker_count; i++) {
        struct sheaf__worker *worker = &pool->workers[i];
        add_running(search, worker);
        add_runq(search, &worker->ready);
        add_runq(search, &worker->late);
        add_runq(search, &worker->pinned);
        sheaf__deque_visit(&worker->deque, add_entry, search);
    }
    add_parked(search);
}

static void let_go(struct search *search)
{
    size_t count = search->found < search->room ? search->found : search->room;
    sheaf_release_all(search->tasks, count);
}

/* How often a search that missed some is made again. */
#define SEARCHES_MAX 20U

size_t sheaf__inspect_tasks(sheaf_pool *pool, bool unswept, sheaf_future **tasks, size_t room)
{
    struct search search = {.pool = pool, .unswept = unswept, .tasks = tasks, .room = room};
    for (unsigned tries = 1;; tries++) {
        pthread_mutex_lock(&pool->inspect_lock);
        sheaf__store_seq(&pool->inspecting, 1); /* I1 */
        search_once(&search);
        sheaf__store_seq(&pool->inspecting, 0);
        pthread_mutex_unlock(&pool->inspect_lock);
        if (search.met >= sheaf__pool_unfinished(pool) || tries == SEARCHES_MAX) {
            return drop_doubles(&search);
        }
        let_go(&search);
        sched_yield();
    }
}

size_t sheaf_all_tasks(sheaf_pool *pool, sheaf_future **tasks, size_t room)
{
    return pool && (tasks || room == 0) ? sheaf__inspect_tasks(pool, false, tasks, room) : 0;
}

/* ---------------------------------------------------------------- the dump */

#define LINE_SIZE 400
#define NAME_SIZE 100

static const char *state_text(const sheaf_future *task)
{
    if (sheaf__future_done(task)) {
        return "done";
    }
    switch (sheaf__load_acq(&task->job.state)) {
    case SHEAF__QUEUED:
        return "not started";
    case SHEAF__RUNNING:
        return sheaf__load_acq(&task->job.up.awaiting) ? "suspended" : "running";
    default:
        return "ending";
    }
}

/* The future that a task awaits, held; or NULL, and in *what the text of what else it waits for. */
static sheaf_future *hold_awaited(sheaf_future *task, const char **what)
{
    sheaf_future *awaited = NULL;
    *what = NULL;
    sheaf__future_lock(task);
    bool running = sheaf__load_acq(&task->job.state) == SHEAF__RUNNING;
    uintptr_t awaiting =
        running && !sheaf__future_done(task) ? sheaf__load_seq(&task->job.up.awaiting) : 0;
    if (awaiting && (awaiting & SHEAF__AWAITING_TAG) == SHEAF__AWAITING_WAIT) {
        uintptr_t wait = awaiting & ~(uintptr_t)SHEAF__AWAITING_TAG;
        *what = sheaf__load_rlx(&((struct sheaf__wait *)wait)->what);
    } else if (awaiting) {
        if ((awaiting & SHEAF__AWAITING_TAG) == SHEAF__AWAITING_CALLED) {
            /* The task's fence is the light one: what was read may be over by now (C2). */
            sheaf__fence_heavy();
            awaiting = sheaf__load_seq(&task->job.up.awaiting);
        }
        if ((awaiting & SHEAF__AWAITING_TAG) != SHEAF__AWAITING_WAIT) {
            awaited = (sheaf_future *)(awaiting & ~(uintptr_t)SHEAF__AWAITING_TAG);
        }
    }
    if (awaited) {
        sheaf__future_hold(awaited);
    }
    sheaf__future_unlock(task);
    return awaited;
}

static void write_task(sheaf_report_fn *report, void *context, sheaf_future *task)
{
    char line[LINE_SIZE];
    char name[NAME_SIZE];
    const char *what;
    sheaf_future_name(task, name, sizeof name);
    const char *state = state_text(task);
    sheaf_future *awaited = hold_awaited(task, &what);
    if (awaited) {
        char other[NAME_SIZE];
        sheaf__future_name_text(awaited, other, sizeof other);
        bool is_task = sheaf__future_is_task(awaited);
        snprintf(line, sizeof line, "  %s: %s, waits for %s '%s'", name, state,
                 is_task ? "task" : "promise", other);
        sheaf__future_unhold(awaited);
    } else {
        snprintf(line, sizeof line, "  %s: %s%s%s", name, state, what ? ", waits for " : "",
                 what ? what : "");
    }
    report(context, line);
}

/* All tasks, in an array that fits.  Returns: NULL without memory or tasks */
static sheaf_future **collect(sheaf_pool *pool, size_t *count, size_t *room)
{
    *room = 16;
    for (;;) {
        sheaf_future **tasks = sheaf__alloc_array(*room, sizeof *tasks);
        if (!tasks) {
            return NULL;
        }
        *count = sheaf__inspect_tasks(pool, false, tasks, *room);
        if (*count <= *room) {
            return tasks;
        }
        sheaf_release_all(tasks, *room);
        sheaf__free_array(tasks, *room, sizeof *tasks);
        *room = *count * 2;
    }
}

void sheaf_pool_dump(sheaf_pool *pool, sheaf_report_fn *report, void *context)
{
    if (!pool || !report) {
        return;
    }
    size_t count = 0;
    size_t room = 0;
    sheaf_future **tasks = collect(pool, &count, &room);
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "pool '%s': %zu task%s", pool->name, count, count == 1 ? "" : "s");
    report(context, line);
    for (size_t i = 0; tasks && i < count; i++) {
        write_task(report, context, tasks[i]);
        sheaf_release(tasks[i]);
    }
    sheaf__free_array(tasks, room, sizeof *tasks);
}
