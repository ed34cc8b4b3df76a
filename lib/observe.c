#include "lib/observe.h"

#include "lib/platform/clock.h"

/* Numbers of pools and of tasks given so far, in this process. */
static SHEAF__ATOMIC(uint64_t) pools, tasks;

/* relaxed: only that they differ counts. */
static uint64_t next_number(SHEAF__ATOMIC(uint64_t) * numbers)
{
    return sheaf__add_rlx(numbers, 1) + 1;
}

static uint64_t number_of(sheaf_pool *pool)
{
    uint64_t number = sheaf__load_rlx(&pool->number);
    if (number) {
        return number;
    }
    uint64_t mine = next_number(&pools);
    return sheaf__cas_acq_rel(&pool->number, &number, mine) ? mine : number;
}

static uint64_t task_number(const sheaf_future *task)
{
    const struct sheaf__extra *extra = task ? sheaf__future_extra(task) : NULL;
    return extra ? extra->observed : 0;
}

static int index_in(const sheaf_pool *pool, const struct sheaf__worker *worker)
{
    return worker && worker->pool == pool ? worker->index : -1;
}

static sheaf_trace_event new_event(sheaf_pool *pool, const struct sheaf__worker *worker,
                                   const sheaf_future *task, sheaf_trace_kind kind)
{
    const struct sheaf__extra *extra = task ? sheaf__future_extra(task) : NULL;
    return (sheaf_trace_event){.kind = kind,
                               .worker = index_in(pool, worker),
                               .time = sheaf__clock_monotonic(),
                               .pool = number_of(pool),
                               .task = task_number(task),
                               .name = extra ? extra->name : NULL,
                               .place = extra ? extra->place : NULL};
}

static void tell(const sheaf_pool *pool, const sheaf_trace_event *event)
{
    pool->observer(pool->observer_context, event);
}

/* What the running task is about to wait for; NULL: its turn. */
static const char *awaited_by(const sheaf_future *task)
{
    uintptr_t awaiting = sheaf__load_rlx(&task->job.up.awaiting);
    uintptr_t awaited = awaiting & ~(uintptr_t)SHEAF__AWAITING_TAG;
    if (!awaited) {
        return NULL;
    }
    if ((awaiting & SHEAF__AWAITING_TAG) == SHEAF__AWAITING_WAIT) {
        return sheaf__load_rlx(&((struct sheaf__wait *)awaited)->what);
    }
    const struct sheaf__composed *composed = sheaf__future_composed((sheaf_future *)awaited);
    return composed ? composed->ops->what : "a future";
}

void sheaf__observe_spawn(sheaf_pool *pool, struct sheaf__worker *worker, sheaf_future *task)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (!extra || extra->observed) {
        return;
    }
    extra->observed = next_number(&tasks);
    sheaf_trace_event event = new_event(pool, worker, task, SHEAF_TRACE_SPAWN);
    bool inside = worker && worker->pool == pool;
    event.parent = inside ? task_number(sheaf__load_rlx(&worker->current)) : 0;
    tell(pool, &event);
}

void sheaf__observe(struct sheaf__worker *worker, struct sheaf_future *task, int kind)
{
    sheaf_trace_event event = new_event(worker->pool, worker, task, (sheaf_trace_kind)kind);
    if (task && !event.task) {
        return; /* one of the library's own */
    }
    if (kind == SHEAF_TRACE_SUSPEND) {
        event.waits_for = awaited_by(task);
    } else if (kind == SHEAF_TRACE_WORKER) {
        event.name = worker->pool->name;
        event.status = worker->is_spare;
    }
    tell(worker->pool, &event);
}

void sheaf__observe_end(sheaf_pool *pool, sheaf_future *task, sheaf_trace_kind kind, int status)
{
    sheaf_trace_event event = new_event(pool, sheaf__worker_self(), task, kind);
    event.status = status;
    if (event.task) {
        tell(pool, &event);
    }
}

void sheaf__observe_close(sheaf_pool *pool)
{
    sheaf_trace_event event = new_event(pool, NULL, NULL, SHEAF_TRACE_CLOSE);
    tell(pool, &event);
}
