/* Strands: tasks of a pool that run one at a time, in order.
 *
 * The tasks are made at once and wait in the strand's list, in no queue of the pool.  When the
 * strand is idle its first one is put in the pool's queue; a node in the list of the task's future
 * hears of its end, whatever that is, and the next one follows.  So a task of a strand is one like
 * any other: it can be awaited, cancelled, named, and suspends as it likes; the others wait. */
#include <sheaf/sync.h>

#include "lib/alloc.h"
#include "lib/call.h"
#include "lib/future_impl.h"
#include "lib/list.h"
#include "lib/spin.h"

struct entry {
    struct sheaf__node node;     /* in the list of the task */
    struct sheaf__link link;     /* in the strand's list */
    struct sheaf_strand *strand; /* a reference, as the next */
    sheaf_future *task;
};

struct sheaf_strand {
    struct sheaf__spin guard;
    bool busy;     /* guarded by guard: a task is in the pool's hands and has not ended */
    bool refusing; /* guarded by guard: somebody ends tasks that no worker will run */
    SHEAF__ATOMIC(uint32_t) references;
    sheaf_pool *pool;          /* const */
    struct sheaf__list queued; /* guarded by guard: those to come, oldest first */
};

/* ---------------------------------------------------------------- life */

static void release_strand(struct sheaf_strand *strand)
{
    /* acq_rel: whoever frees it sees what the others did before they let go. */
    if (sheaf__sub_acq_rel(&strand->references, 1) == 1) {
        sheaf__free(strand, sizeof *strand);
    }
}

int sheaf_strand_open(sheaf_pool *given, sheaf_strand **out)
{
    if (!out) {
        return SHEAF_INVALID;
    }
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf_pool *pool = given ? given : worker ? worker->pool : sheaf_pool_default();
    struct sheaf_strand *strand = pool ? sheaf__alloc_zeroed(sizeof *strand) : NULL;
    if (!strand) {
        return SHEAF_NOMEM;
    }
    sheaf__store_rlx(&strand->references, 1);
    strand->pool = pool;
    *out = strand;
    return SHEAF_OK;
}

void sheaf_strand_close(sheaf_strand *strand)
{
    if (strand) {
        release_strand(strand);
    }
}

/* ---------------------------------------------------------------- one after the other */

/* Requires: the guard is held, the strand is not busy
 * Returns: the next entry, which makes it busy; NULL when there is none */
static struct entry *next_entry(struct sheaf_strand *strand)
{
    struct sheaf__link *link = sheaf__list_pop_front(&strand->queued);
    strand->busy = link != NULL;
    return link ? SHEAF__CONTAINER(link, struct entry, link) : NULL;
}

/* Puts a task in the pool's queue.  Returns: false when nobody will look at that any more */
static bool push(sheaf_pool *pool, sheaf_future *task)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    if (worker && worker->pool == pool) {
        sheaf__worker_push(worker, &task->job);
        return true;
    }
    return sheaf__pool_push_alive(pool, &task->job);
}

static void set_refusing(struct sheaf_strand *strand, bool refusing)
{
    sheaf__spin_lock(&strand->guard);
    strand->refusing = refusing;
    sheaf__spin_unlock(&strand->guard);
}

/* Starts the next task if none runs.  A task that is refused, as all are in a pool that was
 * abandoned, ends in here, and its end comes here again, but no deeper: the outer call goes on with
 * what follows.
 *
 * Requires: a reference to the strand */
static void go_on(struct sheaf_strand *strand)
{
    bool refused = true;
    while (refused) {
        sheaf__spin_lock(&strand->guard);
        bool idle = !strand->busy && !strand->refusing;
        struct entry *entry = idle ? next_entry(strand) : NULL;
        sheaf__spin_unlock(&strand->guard);
        refused = entry && !push(strand->pool, entry->task);
        if (refused) {
            set_refusing(strand, true);
            strand->pool->ops->refuse(strand->pool, &entry->task->job, SHEAF_CLOSED);
            set_refusing(strand, false);
        }
    }
}

static void free_entry(struct entry *entry)
{
    sheaf_release(entry->task);
    release_strand(entry->strand);
    sheaf__free(entry, sizeof *entry);
}

/* A task has ended. */
static void notify_end(struct sheaf__node *node, sheaf_future *future, struct sheaf__ended *more)
{
    (void)future;
    (void)more;
    struct entry *entry = SHEAF__CONTAINER(node, struct entry, node);
    struct sheaf_strand *strand = entry->strand;
    sheaf__spin_lock(&strand->guard);
    strand->busy = false;
    sheaf__spin_unlock(&strand->guard);
    go_on(strand);
    free_entry(entry);
}

/* ---------------------------------------------------------------- the calls */

/* Whether the pool still takes work from this caller. */
static bool takes_work(sheaf_pool *pool)
{
    return sheaf_pool_current() == pool ||
           (!sheaf__pool_is_lost(pool) && sheaf__load_acq(&pool->phase) == SHEAF__POOL_OPEN);
}

/* Puts a task, which nobody else knows yet, in line. */
static void add_entry(struct sheaf_strand *strand, struct entry *entry, sheaf_future *task)
{
    entry->task = sheaf_retain(task);
    sheaf__add_rlx(&strand->references, 1);
    /* relaxed: not published yet.  It will be started by whoever ends the one before. */
    sheaf__or_rlx(&task->job.word, SHEAF__WORD_UNBIASED);
    sheaf__add_acq_rel(&strand->pool->spawned_outside, 1);
    sheaf__spin_lock(&strand->guard);
    sheaf__list_push_back(&strand->queued, &entry->link);
    sheaf__spin_unlock(&strand->guard);
}

/* Returns: a task with its entry, not in line yet; a static future that has failed */
static sheaf_future *make_task(sheaf_strand *strand, sheaf_spawn_options *options, sheaf_fn *fn,
                               void *arg, struct entry **entry)
{
    if (!takes_work(strand->pool)) {
        return sheaf__spawn_fail(options, arg, SHEAF_CLOSED);
    }
    *entry = sheaf__alloc_zeroed(sizeof **entry);
    if (!*entry) {
        return sheaf__spawn_fail(options, arg, SHEAF_NOMEM);
    }
    (*entry)->node.to.notify = notify_end;
    (*entry)->strand = strand;
    options->pool = strand->pool;
    return sheaf__task_make(options, fn, arg, &(*entry)->node);
}

sheaf_future *sheaf_strand_spawn_with(sheaf_strand *strand, const sheaf_spawn_options *given,
                                      sheaf_fn *fn, void *arg)
{
    sheaf_spawn_options options;
    struct entry *entry = NULL;
    if (sheaf__spawn_options(given, &options)) {
        return sheaf__future_failed(SHEAF_INVALID);
    }
    if (!strand) {
        return sheaf__spawn_fail(&options, arg, SHEAF_INVALID);
    }
    sheaf_future *task = make_task(strand, &options, fn, arg, &entry);
    if (!entry || (sheaf__future_flags(task) & SHEAF__JOB_STATIC)) {
        sheaf__free(entry, sizeof *entry);
        return task;
    }
    add_entry(strand, entry, task);
    go_on(strand);
    return task;
}

sheaf_future *sheaf_strand_spawn_at(const char *place, sheaf_strand *strand, sheaf_fn *fn,
                                    void *arg)
{
    sheaf_spawn_options options = {.size = sizeof options, .place = place};
    return sheaf_strand_spawn_with(strand, &options, fn, arg);
}

sheaf_future *(sheaf_strand_spawn)(sheaf_strand *strand, sheaf_fn *fn, void *arg)
{
    return sheaf_strand_spawn_at(NULL, strand, fn, arg);
}
