#include "lib/runq.h"

#include "lib/platform/sanitize.h"

void sheaf__runq_init(struct sheaf__runq *queue)
{
    sheaf__store_rlx(&queue->lock.held, 0);
    queue->head = NULL;
    queue->tail = NULL;
    queue->closed = false;
    queue->dead = false;
    sheaf__store_rlx(&queue->count, 0);
    sheaf__store_rlx(&queue->taken, 0);
}

static void set_count(struct sheaf__runq *queue, size_t count)
{
    /* relaxed: written under the lock only. */
    sheaf__store_rlx(&queue->count, count);
}

static size_t get_count(struct sheaf__runq *queue)
{
    return sheaf__load_rlx(&queue->count);
}

/* A fiber's job goes from one queue to the next on the fiber's way through its worker, which only
 * the program order of the thread orders. */
static void mark_queued(struct sheaf__job *job)
{
    SHEAF__TSAN_ACQUIRE(job);
    /* relaxed: whoever claims the job reads it under this queue's lock. */
    sheaf__store_rlx(&job->where, SHEAF__WHERE_RUNQ);
}

/* Requires: the lock is held */
static void append(struct sheaf__runq *queue, struct sheaf__job *first, struct sheaf__job *last,
                   size_t count)
{
    struct sheaf__job *prev = queue->tail;
    if (prev) {
        prev->up.next = first;
    } else {
        queue->head = first;
    }
    SHEAF__TSAN_ACQUIRE(last);
    last->up.next = NULL;
    for (struct sheaf__job *job = first; job; job = job->up.next) {
        mark_queued(job);
        job->out.prev = prev;
        prev = job;
    }
    queue->tail = last;
    set_count(queue, get_count(queue) + count);
}

void sheaf__runq_push(struct sheaf__runq *queue, struct sheaf__job *job)
{
    sheaf__spin_lock(&queue->lock);
    struct sheaf__job *prev = queue->tail;
    *(prev ? &prev->up.next : &queue->head) = job;
    mark_queued(job);
    job->up.next = NULL;
    job->out.prev = prev;
    queue->tail = job;
    set_count(queue, get_count(queue) + 1);
    sheaf__spin_unlock(&queue->lock);
}

bool sheaf__runq_offer(struct sheaf__runq *queue, struct sheaf__job *first, struct sheaf__job *last,
                       size_t count)
{
    sheaf__spin_lock(&queue->lock);
    bool open = !queue->closed;
    if (open) {
        append(queue, first, last, count);
    }
    sheaf__spin_unlock(&queue->lock);
    return open;
}

void sheaf__runq_close(struct sheaf__runq *queue)
{
    sheaf__spin_lock(&queue->lock);
    queue->closed = true;
    sheaf__spin_unlock(&queue->lock);
}

/* Requires: the lock is held */
static void prepend(struct sheaf__runq *queue, struct sheaf__job *job)
{
    mark_queued(job);
    job->up.next = queue->head;
    job->out.prev = NULL;
    if (queue->head) {
        queue->head->out.prev = job;
    } else {
        queue->tail = job;
    }
    queue->head = job;
    set_count(queue, get_count(queue) + 1);
}

bool sheaf__runq_push_alive(struct sheaf__runq *queue, struct sheaf__job *job,
                            enum sheaf__runq_end end)
{
    sheaf__spin_lock(&queue->lock);
    bool alive = !queue->dead;
    if (alive && end == SHEAF__RUNQ_FRONT) {
        prepend(queue, job);
    } else if (alive) {
        append(queue, job, job, 1);
    }
    sheaf__spin_unlock(&queue->lock);
    return alive;
}

void sheaf__runq_kill(struct sheaf__runq *queue)
{
    sheaf__spin_lock(&queue->lock);
    queue->dead = true;
    sheaf__spin_unlock(&queue->lock);
}

/* Requires: the lock is held and the job is in the queue */
static void unlink_job(struct sheaf__runq *queue, struct sheaf__job *job)
{
    struct sheaf__job *next = job->up.next;
    struct sheaf__job *prev = job->out.prev;
    if (prev) {
        prev->up.next = next;
    } else {
        queue->head = next;
    }
    if (next) {
        next->out.prev = prev;
    } else {
        queue->tail = prev;
    }
    sheaf__store_rlx(&job->where, SHEAF__WHERE_NONE);
    set_count(queue, get_count(queue) - 1);
    sheaf__store_rlx(&queue->taken, sheaf__load_rlx(&queue->taken) + 1);
    SHEAF__TSAN_RELEASE(job);
}

struct sheaf__job *sheaf__runq_pop_locked(struct sheaf__runq *queue)
{
    return sheaf__runq_pop_at(queue, 0);
}

struct sheaf__job *sheaf__runq_pop_at(struct sheaf__runq *queue, size_t at)
{
    sheaf__spin_lock(&queue->lock);
    struct sheaf__job *job = queue->head;
    while (job && at > 0) {
        job = job->up.next;
        at--;
    }
    if (job) {
        unlink_job(queue, job);
    }
    sheaf__spin_unlock(&queue->lock);
    return job;
}

/* How far pop_unless looks. */
#define NEAR_HEAD 64U

struct sheaf__job *sheaf__runq_pop_unless(struct sheaf__runq *queue, uint8_t flags)
{
    if (sheaf__runq_empty(queue)) {
        return NULL;
    }
    sheaf__spin_lock(&queue->lock);
    struct sheaf__job *job = queue->head;
    unsigned passed = 0;
    while (job && sheaf__load_rlx(&job->flags) & flags) {
        job = ++passed < NEAR_HEAD ? job->up.next : NULL;
    }
    if (job) {
        unlink_job(queue, job);
    }
    sheaf__spin_unlock(&queue->lock);
    return job;
}

bool sheaf__runq_claim(struct sheaf__runq *queue, struct sheaf__job *job)
{
    sheaf__spin_lock(&queue->lock);
    bool here = sheaf__load_rlx(&job->where) == SHEAF__WHERE_RUNQ;
    if (here) {
        unlink_job(queue, job);
    }
    sheaf__spin_unlock(&queue->lock);
    return here;
}
