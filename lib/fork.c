/* Forks: the owner's slow ways, and how one becomes a task.  See lib/region.h. */
#include <sheaf/fork.h>

#include "lib/call.h"
#include "lib/future_impl.h"

/* The regions of a fiber, the one begun last first. */
static struct sheaf__region *region_of(struct sheaf__worker *worker)
{
    return sheaf__load_rlx(&sheaf__load_rlx(&worker->fiber)->region);
}

/* The running fiber goes on with that region, or with none. */
static void set_region(struct sheaf__worker *worker, struct sheaf__region *region)
{
    sheaf__store_rlx(&sheaf__load_rlx(&worker->fiber)->region, region);
    sheaf__worker_show_region(worker, region);
}

/* ---------------------------------------------------------------- forks that become tasks */

/* The body of a task that a fork has become.  The place is its maker's, who waits for it. */
static int run_taken(void *arg, sheaf_value *result)
{
    const sheaf_fork *place = arg;
    return sheaf_fork_run(place->taken, place->arg, result);
}

/* Makes the oldest open fork a task.
 *
 *   owner  the calling worker runs whom the region belongs to
 *
 * Returns: NULL when there is none, or no memory for the task: then it stays what it is */
static sheaf_future *take_fork(struct sheaf__worker *worker, struct sheaf__region *region,
                               bool owner)
{
    sheaf_future *task = sheaf__future_new(worker->pool, worker);
    sheaf_fork *place = task ? sheaf__region_begin_take(region, owner) : NULL;
    if (!place) {
        if (task) {
            sheaf__depot_give(&worker->pool->depot, task);
        }
        return NULL;
    }
    sheaf__record_fill(task, 0, SHEAF__WORD_REFERENCE | SHEAF__WORD_UNBIASED);
    task->fn = run_taken;
    task->in.arg = place;
    task->place = NULL;
    sheaf__region_end_take(region, place, task);
    return task;
}

struct sheaf__job *sheaf__fork_steal(struct sheaf__worker *worker, struct sheaf__region *region)
{
    sheaf_future *task = take_fork(worker, region, false);
    if (!task) {
        return NULL;
    }
    sheaf__count(&worker->counts.spawned);
    return &task->job;
}

/* Everything that is open, oldest first.  Returns: SHEAF_OK, SHEAF_NOMEM */
static int make_tasks(struct sheaf__worker *worker, struct sheaf__region *region)
{
    while (sheaf__region_has_fork(region)) {
        sheaf_future *task = take_fork(worker, region, true);
        if (task) {
            sheaf__push_own(worker, task);
        } else if (sheaf__region_has_fork(region)) {
            return SHEAF_NOMEM;
        }
    }
    return SHEAF_OK;
}

int sheaf__forks_make_tasks(struct sheaf__worker *worker)
{
    struct sheaf__region *region = region_of(worker);
    int status = SHEAF_OK;
    for (; region && status == SHEAF_OK; region = region->outer) {
        status = make_tasks(worker, region);
    }
    return status;
}

void sheaf__forks_inherit(const sheaf_future *task)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    struct sheaf__region *region = worker ? region_of(worker) : NULL;
    for (; region; region = region->outer) {
        if (region->task == task) {
            sheaf__region_make_eager(region);
        }
    }
}

/* ---------------------------------------------------------------- the owner's slow ways */

static struct sheaf__region *region_of_forks(sheaf_forks *forks)
{
    return SHEAF__CONTAINER(forks, struct sheaf__region, forks);
}

/* Makes a fork a task at its spawn; if there is no memory its join calls it. */
static void spawn_task(struct sheaf__region *region, sheaf_fork *place, sheaf_fork_fn *fn,
                       void *arg)
{
    place->arg = arg;
    place->taken = fn;
    sheaf_future *task = sheaf_spawn_at(NULL, run_taken, place);
    if (sheaf__future_flags(task) & SHEAF__JOB_STATIC) {
        return;
    }
    sheaf__region_set_taken(region, place, task);
}

sheaf_fork *sheaf_fork_spawn_late(sheaf_forks *forks, sheaf_fork *next, sheaf_fork_fn *fn,
                                  void *arg)
{
    struct sheaf__region *region = region_of_forks(forks);
    if (next < forks->end && region->eager) {
        spawn_task(region, next, fn, arg);
    }
    /* Beyond the end this is a number and no place: nobody looks there. */
    return (sheaf_fork *)((uintptr_t)next + sizeof *next);
}

/* Waits for a task that a fork has become, whatever becomes of the caller meanwhile, and gives it
 * back. */
static int join_task(sheaf_future *task, sheaf_value *result)
{
    sheaf_future *self = sheaf__worker_current(sheaf__worker_self());
    if (self && sheaf_cancelling(self) > 0) {
        (void)sheaf_cancel(task);
    }
    return sheaf__join_kept(task, result);
}

int sheaf_fork_join_late(sheaf_forks *forks, sheaf_fork *fork, sheaf_fork_fn *fn, void *arg,
                         sheaf_value *result)
{
    bool offered = fork < forks->end;
    sheaf_future *task = offered ? sheaf__region_leave_place(region_of_forks(forks), fork) : NULL;
    result->u64 = 0;
    return task ? join_task(task, result) : fn(forks, fork, arg, result);
}

void sheaf_fork_wake(sheaf_forks *forks)
{
    (void)forks;
    sheaf__idle_announce(&sheaf__worker_self()->pool->idle);
}

/* ---------------------------------------------------------------- a run */

/* Whether every fork is to be a task from the start. */
static bool is_eager(struct sheaf__worker *worker, sheaf_future *task)
{
    return sheaf__fences_are_full() || !worker->calls || sheaf__task_hands_down(worker->pool, task);
}

/* A run in a region that the worker shows to the others while it runs here. */
static int run_in(struct sheaf__worker *worker, struct sheaf__region *region, sheaf_fork_fn *fn,
                  void *arg, sheaf_value *result)
{
    sheaf_future *task = sheaf__load_rlx(&worker->current);
    region->outer = region_of(worker);
    if (region->outer) {
        /* Without memory they wait for their joins: a worker shows one region. */
        (void)make_tasks(worker, region->outer);
    }
    sheaf__region_open(region, task, &worker->pool->idle.word, is_eager(worker, task));
    set_region(worker, region);
    int status = fn(&region->forks, region->places, arg, result);
    set_region(sheaf__worker_self(), region->outer);
    return status;
}

/* The same when there is no memory: every fork is called by its join. */
static int run_alone(struct sheaf__worker *worker, sheaf_fork_fn *fn, void *arg,
                     sheaf_value *result)
{
    union {
        struct sheaf__region region;
        char room[SHEAF__REGION_SIZE(0)];
    } alone = {.room = {0}};
    sheaf__region_init(&alone.region, 0);
    sheaf__region_open(&alone.region, NULL, &worker->pool->idle.word, false);
    return fn(&alone.region.forks, alone.region.places, arg, result);
}

int sheaf_fork_run(sheaf_fork_fn *fn, void *arg, sheaf_value *result)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    if (!fn || !sheaf__worker_current(worker)) {
        return fn ? SHEAF_NOTASK : SHEAF_INVALID;
    }
    sheaf_value value = {.u64 = 0};
    struct sheaf__regions *regions = &worker->pool->regions;
    struct sheaf__region *region = sheaf__region_take(regions);
    int status =
        region ? run_in(worker, region, fn, arg, &value) : run_alone(worker, fn, arg, &value);
    if (region) {
        sheaf__region_give(regions, region);
    }
    if (result) {
        *result = value;
    }
    return status;
}
