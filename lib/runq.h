/* A first-in-first-out queue of jobs under a spin lock: for work from outside of the workers, for
 * tasks that are ready again and for those that gave way.
 *
 * Pushing never fails: the links are in the jobs.  A job can be taken out of the middle. */
#ifndef SHEAF_LIB_RUNQ_H
#define SHEAF_LIB_RUNQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/atomics.h"
#include "lib/job.h"
#include "lib/spin.h"

struct sheaf__runq {
    struct sheaf__spin lock; /* rank 5: guards the links and every `where` that says RUNQ */
    struct sheaf__job *head;
    struct sheaf__job *tail;
    bool dead;   /* nor by sheaf__runq_push_alive() */
    bool closed; /* nothing is accepted by sheaf__runq_offer() any more */
    /* Written under the lock, read by anybody.  Read as a hint before popping, and by the idle
     * protocol after a heavy fence: see lib/idle.h. */
    SHEAF__ATOMIC(size_t) count;
    SHEAF__ATOMIC(uint32_t) taken; /* how many have left it, for the watch (lib/spare.c) */
};

void sheaf__runq_init(struct sheaf__runq *queue);

/* Appends.  The job is visible to sheaf__runq_empty() on return. */
void sheaf__runq_push(struct sheaf__runq *queue, struct sheaf__job *job);

enum sheaf__runq_end {
    SHEAF__RUNQ_BACK,
    SHEAF__RUNQ_FRONT /* before all others */
};

/* Adds at one end, unless the queue is dead.  Returns: false when it is; nothing changed */
bool sheaf__runq_push_alive(struct sheaf__runq *queue, struct sheaf__job *job,
                            enum sheaf__runq_end end);

/* Nobody looks at the queue any more: from here on push_alive refuses. */
void sheaf__runq_kill(struct sheaf__runq *queue);

/* Appends a chain of `count` jobs linked by up.next, unless the queue is closed.
 * Returns: false when it is; nothing changed */
bool sheaf__runq_offer(struct sheaf__runq *queue, struct sheaf__job *first, struct sheaf__job *last,
                       size_t count);

/* From here on every offer is refused; on return no offer is under way. */
void sheaf__runq_close(struct sheaf__runq *queue);

/* Takes the oldest job; NULL when empty. */
struct sheaf__job *sheaf__runq_pop_locked(struct sheaf__runq *queue);

/* Takes the job at position `at`, counted from the oldest; NULL when there are not that many. */
struct sheaf__job *sheaf__runq_pop_at(struct sheaf__runq *queue, size_t at);

/* Takes the oldest job that has none of these flags; NULL when there is none near the head. */
struct sheaf__job *sheaf__runq_pop_unless(struct sheaf__runq *queue, uint8_t flags);

/* Takes the job out if it is in this queue.  Requires: only this queue uses SHEAF__WHERE_RUNQ. */
bool sheaf__runq_claim(struct sheaf__runq *queue, struct sheaf__job *job);

static inline bool sheaf__runq_empty(struct sheaf__runq *queue)
{
    /* relaxed: a hint, or ordered by the caller's fence (lib/idle.h). */
    return sheaf__load_rlx(&queue->count) == 0;
}

/* How many are in it, at some instant. */
static inline size_t sheaf__runq_size(struct sheaf__runq *queue)
{
    return sheaf__load_rlx(&queue->count); /* relaxed: it stands for itself */
}

static inline struct sheaf__job *sheaf__runq_pop(struct sheaf__runq *queue)
{
    return sheaf__runq_empty(queue) ? NULL : sheaf__runq_pop_locked(queue);
}

#endif
