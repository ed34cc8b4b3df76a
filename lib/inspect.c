/* Finding a pool's tasks while they run.
 *
 * Tasks are in no list of their own.  They are found where they are: running on a worker, parked on
 * a fiber, or queued; with those on whose stacks they were called.
 *
 * A queued task stays while the lock of its queue is held; a parked one while its fiber is pinned
 * (lib/wait.h).  A running one could end and be freed at any instant.  The inspector therefore
 * makes the end of every body wait for its lock:
 *
 *   inspector                               runner whose body has returned
 *   I1 held = 1 in all workers              R0 current = the task below
 *      heavy fence                             light fence
 *   I2 read current                         R2 read held: wait for the lock
 *
 *   Forbidden: I2 sees the task, and R2 does not see held.  If R2 reads 0 its fence came before
 *   the inspector's, which then sees all that happened before it, R0 too; also when the task ran
 *   on another worker at first, whose `current` was changed before.
 *
 * So nothing is written to a task before it is known to stay, and it does not matter whose memory
 * it is, the pool's or a frame.
 *
 * A task on its way from one place to another can be missed, or met twice.  The second is sorted
 * out; for the first the search is made again while it has met fewer tasks than there are by the
 * pool's counts, a bounded number of times: where many tasks come and go what is told was true of
 * each task that is told. */
#include "lib/inspect.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "lib/alloc.h"
#include "lib/future_impl.h"
#include "lib/turn.h"

void sheaf__inspect_pass(void)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf__fence_light();
    if (worker && SHEAF__UNLIKELY(sheaf__load_rlx(&worker->held))) { /* R2 */
        pthread_mutex_lock(&worker->pool->inspect_lock);
        pthread_mutex_unlock(&worker->pool->inspect_lock);
    }
}

struct search {
    sheaf_pool *pool;
    struct sheaf__task_list *list;
    bool unswept;
    size_t met; /* tasks of all kinds, those that are not told included */
};

/* Requires: the task cannot end meanwhile */
static void add_task(struct search *search, sheaf_future *task)
{
    struct sheaf__task_list *list = search->list;
    uint32_t flags = sheaf__future_flags(task);
    search->met++;
    if ((flags & SHEAF__JOB_FRAME) || sheaf__task_is_hidden(task) ||
        (search->unswept && (flags & SHEAF__JOB_SWEPT))) {
        return;
    }
    if (list->found < list->room) {
        list->tasks[list->found] = sheaf_retain(task);
    }
    list->found++;
}

/* A task and those on whose stack it was called. */
static void add_stack(struct search *search, sheaf_future *task)
{
    for (; task; task = task->in.enclosing) {
        add_task(search, task);
    }
}

/* ---------------------------------------------------------------- running tasks */

/* relaxed: ordered before the looks by the heavy fence (I1). */
static void hold_running(sheaf_pool *pool, bool held)
{
    for (unsigned i = 0; i < pool->seats; i++) {
        sheaf__store_rlx(&pool->workers[i].held, held);
    }
}

/* I2.  Requires: the workers are held */
static void add_running(struct search *search, struct sheaf__worker *worker)
{
    sheaf_future *task = sheaf__load_rlx(&worker->current);
    /* acquire: what it runs on is known; one that is about to start, or to be refused, is passed
     * by. */
    if (task && sheaf__load_acq(&task->job.state) == SHEAF__RUNNING) {
        add_stack(search, task);
    }
}

/* ---------------------------------------------------------------- queues and parked fibers */

static void add_job(struct search *search, struct sheaf__job *job)
{
    if (sheaf__load_rlx(&job->flags) & SHEAF__JOB_FIBER) {
        add_stack(search, sheaf__load_acq(&sheaf__fiber_of_job(job)->current));
    } else if (!sheaf__job_is_turn(job)) {
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

/* A task on its way from one place to another may have been seen at both. */
static void drop_doubles(struct sheaf__task_list *list)
{
    sheaf_future **tasks = list->tasks;
    size_t kept = 0;
    qsort(tasks, list->count, sizeof *tasks, by_address);
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && tasks[i] == tasks[kept - 1]) {
            sheaf_release(tasks[i]);
        } else {
            tasks[kept++] = tasks[i];
        }
    }
    list->count = kept;
}

/* One pass over all places.  Requires: inspect_lock */
static void search_once(struct search *search)
{
    sheaf_pool *pool = search->pool;
    search->list->found = 0;
    search->met = 0;
    hold_running(pool, true); /* I1 */
    sheaf__fence_heavy();
    add_runq(search, &pool->inject);
    add_runq(search, &pool->woken);
    for (unsigned i = 0; i < pool->seats; i++) {
        struct sheaf__worker *worker = &pool->workers[i];
        add_running(search, worker);
        add_runq(search, &worker->ready);
        add_runq(search, &worker->late);
        add_runq(search, &worker->pinned);
        add_runq(search, &worker->pinned_late);
        sheaf__deque_visit(&worker->deque, add_entry, search);
    }
    add_parked(search);
    hold_running(pool, false);
}

static void let_go(struct sheaf__task_list *list)
{
    sheaf_release_all(list->tasks, list->count);
    list->count = 0;
}

static void search_locked(struct search *search)
{
    struct sheaf__task_list *list = search->list;
    /* A fiber that is woken while it is pinned is in no queue until the unpin: nobody may take that
     * for rest. */
    sheaf_clock_hold(search->pool);
    pthread_mutex_lock(&search->pool->inspect_lock);
    search_once(search);
    pthread_mutex_unlock(&search->pool->inspect_lock);
    sheaf_clock_release(search->pool);
    list->count = list->found < list->room ? list->found : list->room;
}

/* Makes room for all that were found and some more.  Returns: false when there is no memory */
static bool widen(struct sheaf__task_list *list)
{
    size_t room = list->found + list->found / 2;
    sheaf_future **tasks = sheaf__alloc_array(room, sizeof *tasks);
    if (!tasks) {
        return false;
    }
    let_go(list);
    sheaf__tasks_forget(list);
    list->tasks = tasks;
    list->room = room;
    return true;
}

/* How often a search that missed some is made again. */
#define SEARCHES_MAX 20U

/* lent, room: memory of the caller's, taken if it is larger than what the list has; or NULL, 0 */
static void inspect(sheaf_pool *pool, bool unswept, struct sheaf__task_list *list,
                    sheaf_future **lent, size_t room)
{
    struct search search = {.pool = pool, .list = list, .unswept = unswept};
    bool larger = room > SHEAF__TASK_LIST_SOME;
    list->lent = lent;
    list->tasks = larger ? lent : list->some;
    list->room = larger ? room : SHEAF__TASK_LIST_SOME;
    unsigned tries = 1;
    search_locked(&search);
    while (list->found > list->room
               ? widen(list)
               : search.met < sheaf__pool_unfinished(pool) && tries++ < SEARCHES_MAX) {
        let_go(list);
        sched_yield();
        search_locked(&search);
    }
    /* Seen from its only worker nothing moves, and the order stays the same from run to run. */
    if (sheaf__load_rlx(&pool->seated) > 1 || sheaf_pool_current() != pool) {
        drop_doubles(list);
    }
}

void sheaf__inspect_tasks(sheaf_pool *pool, bool unswept, struct sheaf__task_list *list)
{
    inspect(pool, unswept, list, NULL, 0);
}

void sheaf__tasks_forget(struct sheaf__task_list *list)
{
    let_go(list);
    if (list->tasks != list->some && list->tasks != list->lent) {
        sheaf__free_array(list->tasks, list->room, sizeof *list->tasks);
    }
}

size_t sheaf_all_tasks(sheaf_pool *pool, sheaf_future **tasks, size_t room)
{
    if (!pool || (!tasks && room > 0) || sheaf__pool_is_lost(pool)) {
        return 0;
    }
    struct sheaf__task_list list;
    inspect(pool, false, &list, tasks, room);
    /* Without memory for all of them it is told how many were seen, and `tasks` is full. */
    size_t count = list.found > list.room ? list.found : list.count;
    if (list.tasks == tasks) {
        return count;
    }
    size_t given = list.count < room ? list.count : room;
    for (size_t i = 0; i < given; i++) {
        tasks[i] = sheaf_retain(list.tasks[i]);
    }
    sheaf__tasks_forget(&list);
    return count;
}
