#include "lib/registry.h"

#include <pthread.h>

#include "lib/future_impl.h"
#include "lib/offsets.h"

/* Rank 0; nothing is called with it held. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER; /* nobody visits some pool any more */

/* Guarded by it.  A debugger begins here: tools/gdb/sheaf.py knows the name. */
static struct sheaf__list sheaf__registry;

void sheaf__registry_add(sheaf_pool *pool)
{
    pthread_mutex_lock(&registry_lock);
    sheaf__list_push_back(&sheaf__registry, &pool->registered);
    pthread_mutex_unlock(&registry_lock);
}

void sheaf__registry_remove(sheaf_pool *pool)
{
    pthread_mutex_lock(&registry_lock);
    while (pool->visits > 0) {
        pthread_cond_wait(&left, &registry_lock);
    }
    sheaf__link_unlink(&pool->registered);
    pthread_mutex_unlock(&registry_lock);
}

static sheaf_pool *pool_of(struct sheaf__link *link)
{
    return link ? SHEAF__CONTAINER(link, sheaf_pool, registered) : NULL;
}

/* Requires: the lock is held; it is let go meanwhile */
static int visit_one(sheaf_pool *pool, int (*visit)(void *context, sheaf_pool *pool), void *context)
{
    pool->visits++;
    pthread_mutex_unlock(&registry_lock);
    int status = visit(context, pool);
    pthread_mutex_lock(&registry_lock);
    if (--pool->visits == 0) {
        pthread_cond_broadcast(&left);
    }
    return status;
}

int sheaf__registry_visit(int (*visit)(void *context, sheaf_pool *pool), void *context)
{
    int status = SHEAF_OK;
    pthread_mutex_lock(&registry_lock);
    sheaf_pool *pool = pool_of(sheaf__list_first(&sheaf__registry));
    while (pool && status == SHEAF_OK) {
        status = visit_one(pool, visit, context);
        /* It is still in the list: who takes it out needs the lock. */
        pool = pool_of(sheaf__list_next(&sheaf__registry, &pool->registered));
    }
    pthread_mutex_unlock(&registry_lock);
    return status;
}

void sheaf__registry_forget(void)
{
    registry_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    left = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    sheaf__registry = (struct sheaf__list){.head = {NULL, NULL}};
}

/* ---------------------------------------------------------------- for debuggers */

#define POOL(member)                                                                               \
    {                                                                                              \
        "pool." #member, offsetof(sheaf_pool, member)                                              \
    }
#define FUTURE(member)                                                                             \
    {                                                                                              \
        "future." #member, offsetof(sheaf_future, member)                                          \
    }

SHEAF__KEPT static const struct sheaf__offset sheaf__offsets_core[] = {
    POOL(registered),
    POOL(name),
    POOL(workers),
    POOL(worker_count),
    POOL(seated),
    POOL(inject),
    POOL(woken),
    {"pool.fibers", offsetof(sheaf_pool, fibers) + offsetof(struct sheaf__fibers, all)},
    {"worker", sizeof(struct sheaf__worker)},
    SHEAF__OFFSET(worker, current),
    SHEAF__OFFSET(worker, deque),
    SHEAF__OFFSET(worker, ready),
    SHEAF__OFFSET(worker, late),
    SHEAF__OFFSET(worker, pinned),
    SHEAF__OFFSET(worker, pinned_late),
    SHEAF__OFFSET(worker, thread_number),
    SHEAF__OFFSET(deque, bottom),
    SHEAF__OFFSET(deque, top),
    SHEAF__OFFSET(deque, mask),
    SHEAF__OFFSET(deque, slots),
    SHEAF__OFFSET(runq, head),
    SHEAF__OFFSET(job, state),
    SHEAF__OFFSET(job, flags),
    SHEAF__OFFSET(job, word),
    SHEAF__OFFSET(job, up),
    FUTURE(job),
    FUTURE(fn),
    FUTURE(in),
    FUTURE(extra),
    SHEAF__OFFSET(extra, name),
    SHEAF__OFFSET(extra, number),
    SHEAF__OFFSET(extra, place),
    SHEAF__OFFSET(extra, checkpoint),
    SHEAF__OFFSET(fiber, job),
    SHEAF__OFFSET(fiber, context),
    SHEAF__OFFSET(fiber, current),
    SHEAF__OFFSET(fiber, all),
    {"fiber.wait_word", offsetof(struct sheaf__fiber, wait) + offsetof(struct sheaf__wait, word)},
    SHEAF__OFFSET(wait, what),
    SHEAF__OFFSET(wait, wanted),
    SHEAF__OFFSET(composed, ops),
    SHEAF__OFFSET(composed_ops, what),
    {"JOB_FIBER", SHEAF__JOB_FIBER},
    {"JOB_FRAME", SHEAF__JOB_FRAME},
    {"JOB_BARE", SHEAF__JOB_BARE},
    {"JOB_STATIC", SHEAF__JOB_STATIC},
    {"QUEUED", SHEAF__QUEUED},
    {"RUNNING", SHEAF__RUNNING},
    {"WORD_DONE", SHEAF__WORD_DONE},
    {"WORD_CANCEL", SHEAF__WORD_CANCEL},
    {"WORD_EXTRA", SHEAF__WORD_EXTRA},
    {"WAIT_PARKED", SHEAF__WAIT_PARKED},
    {"AWAITING_WAIT", SHEAF__AWAITING_WAIT},
    {"AWAITING_TAG", SHEAF__AWAITING_TAG},
    SHEAF__OFFSETS_END,
};
