/* What is done once on every worker, and memory of each. */
#include <sheaf/parallel.h>

#include <string.h>

#include "lib/alloc.h"
#include "lib/future_impl.h"
#include "lib/platform/sanitize.h"

/* ---------------------------------------------------------------- once on every worker */

struct visit {
    sheaf_worker_fn *fn;
    void *context;
    unsigned index;
};

/* The body of a pinned task, which goes to its worker first. */
static int visit_worker(void *arg, sheaf_value *result)
{
    const struct visit *visit = arg;
    (void)result;
    struct sheaf__worker *worker = sheaf__worker_self();
    if (worker->index != visit->index) {
        sheaf__worker_pin(worker, &worker->pool->workers[visit->index]);
        SHEAF_TRY(sheaf_yield());
    }
    return visit->fn(visit->context, visit->index);
}

/* The highest first, so that of several errors the one of the lowest is the caller's. */
static int join_visits(sheaf_future **tasks, unsigned count)
{
    int status = SHEAF_OK;
    for (unsigned i = count; i > 0; i--) {
        sheaf_future *self = sheaf__worker_current(sheaf__worker_self());
        if (self && sheaf_cancelling(self) > 0) {
            (void)sheaf_cancel(tasks[i - 1]);
        }
        int ended = sheaf__join_kept(tasks[i - 1], NULL);
        status = ended ? ended : status;
    }
    return status;
}

static int visit_all(sheaf_pool *pool, struct visit *visits, sheaf_future **tasks)
{
    unsigned count = pool->worker_count;
    const sheaf_spawn_options *options =
        SHEAF_SPAWN_OPTIONS(.pool = pool, .flags = SHEAF_SPAWN_PIN, .name = "on every worker");
    for (unsigned i = 0; i < count; i++) {
        visits[i].index = i;
        tasks[i] = sheaf_spawn_with(options, visit_worker, &visits[i]);
    }
    return join_visits(tasks, count);
}

int sheaf_on_workers(sheaf_pool *pool, sheaf_worker_fn *fn, void *context)
{
    if (!fn) {
        return SHEAF_INVALID;
    }
    struct sheaf__worker *self = sheaf__worker_self();
    pool = pool ? pool : self ? self->pool : sheaf_pool_default();
    if (!pool) {
        return SHEAF_NOMEM;
    }
    if (sheaf__pool_is_lost(pool)) {
        return SHEAF_CLOSED;
    }
    unsigned count = pool->worker_count;
    struct visit *visits = sheaf__alloc(count * sizeof *visits);
    sheaf_future **tasks = sheaf__alloc(count * sizeof(sheaf_future *));
    int status = visits && tasks ? SHEAF_OK : SHEAF_NOMEM;
    for (unsigned i = 0; !status && i < count; i++) {
        visits[i] = (struct visit){.fn = fn, .context = context};
    }
    status = status ? status : visit_all(pool, visits, tasks);
    sheaf__free(tasks, count * sizeof(sheaf_future *));
    sheaf__free(visits, count * sizeof *visits);
    return status;
}

/* ---------------------------------------------------------------- slots */

struct sheaf_slots {
    sheaf_pool *pool;
    size_t count;
    size_t stride; /* whole cache lines: no two workers write to one */
    char *first;   /* an aligned block of its own */
};

sheaf_slots *sheaf_slots_new(sheaf_pool *pool, size_t size)
{
    struct sheaf__worker *self = sheaf__worker_self();
    pool = pool ? pool : self ? self->pool : sheaf_pool_default();
    if (!pool || size == 0 || size > SHEAF_SLOT_MAX) {
        return NULL;
    }
    size_t stride = (size + SHEAF__CACHE_LINE - 1) / SHEAF__CACHE_LINE * SHEAF__CACHE_LINE;
    sheaf_slots *slots = sheaf__alloc(sizeof *slots);
    char *first = slots ? sheaf__alloc_aligned(stride * pool->seats, SHEAF__CACHE_LINE) : NULL;
    if (!first) {
        sheaf__free(slots, sizeof *slots);
        return NULL;
    }
    memset(first, 0, stride * pool->seats);
    *slots = (sheaf_slots){pool, pool->seats, stride, first};
    return slots;
}

void sheaf_slots_free(sheaf_slots *slots)
{
    if (slots) {
        sheaf__free(slots->first, slots->stride * slots->count);
        sheaf__free(slots, sizeof *slots);
    }
}

void *sheaf_slots_mine(sheaf_slots *slots)
{
    struct sheaf__worker *self = sheaf__worker_self();
    if (!slots || !self || self->pool != slots->pool) {
        return NULL;
    }
    /* A race detector that takes fibers for threads: whoever had it before has switched away. */
    SHEAF__TSAN_ACQUIRE(self);
    return sheaf_slots_at(slots, self->index);
}

size_t sheaf_slots_count(const sheaf_slots *slots)
{
    return slots ? slots->count : 0;
}

void *sheaf_slots_at(sheaf_slots *slots, size_t index)
{
    return slots && index < slots->count ? slots->first + index * slots->stride : NULL;
}
