/* An elastic crew of threads that take jobs from a queue, first in, first out.
 *
 * Threads start when more jobs are queued than threads will come for them, up to a limit, and leave
 * when there was nothing to do for a while.  A job lies in the queue until somebody takes it out,
 * under the crew's lock: a thread, which runs it, or whoever drops it.  Who takes it out has to end
 * it, so it is run once or dropped once.
 *
 * A crew belongs to its owners: whoever made it, each of its threads, and those that own() names.
 * */
#ifndef SHEAF_LIB_CREW_H
#define SHEAF_LIB_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"

struct sheaf__crew;

struct sheaf__crew_job {
    struct sheaf__link link; /* all guarded by the crew's lock */
    bool queued;
    bool told; /* in a round: it has been given */
};

/* What the crew calls; but for `hold` with no lock held. */
struct sheaf__crew_ops {
    void (*run)(struct sheaf__crew_job *job); /* on a thread of the crew */
    void (*ran)(struct sheaf__crew_job *job); /* then: the crew does not know it any more */
    /* Taken out of the queue: not one thread could be started. */
    void (*refuse)(struct sheaf__crew_job *job);
    /* One more user of a job that a round gives.  The lock is held. */
    void (*hold)(struct sheaf__crew_job *job);
};

/* A crew without threads, of which the caller is an owner; NULL for want of memory.
 *
 *   name   copied; threads are named after it
 *   limit  the number of threads; at least 1 */
struct sheaf__crew *sheaf__crew_new(const struct sheaf__crew_ops *ops, const char *name,
                                    unsigned limit);

void sheaf__crew_own(struct sheaf__crew *crew);
void sheaf__crew_let_go(struct sheaf__crew *crew);

void sheaf__crew_limit(struct sheaf__crew *crew, unsigned limit);

/* Queues a job.  It may have ended on return.
 *
 * Requires: the caller is an owner
 * Returns:  false when the crew is closed, nothing has changed */
bool sheaf__crew_push(struct sheaf__crew *crew, struct sheaf__crew_job *job);

/* Takes a job out of the queue.  Returns: false when it is not there any more */
bool sheaf__crew_take(struct sheaf__crew *crew, struct sheaf__crew_job *job);

/* Takes out the oldest; NULL when nothing is queued. */
struct sheaf__crew_job *sheaf__crew_take_first(struct sheaf__crew *crew);

/* Takes no more jobs. */
void sheaf__crew_close(struct sheaf__crew *crew);

/* A round through the jobs that run, and then those that are queued: next gives each once, held.
 *
 *     sheaf__crew_begin_round(crew);
 *     while ((job = sheaf__crew_next_in_round(crew)) != NULL) ...
 *
 * Requires: one round at a time */
void sheaf__crew_begin_round(struct sheaf__crew *crew);
struct sheaf__crew_job *sheaf__crew_next_in_round(struct sheaf__crew *crew);

enum sheaf__crew_dismissal {
    SHEAF__CREW_ALL,       /* waits until every thread has left */
    SHEAF__CREW_LEAVE_BUSY /* does not wait for those that run a job: nobody joins them */
};

/* Makes the threads leave once nothing is queued, and joins them.
 *
 * Requires: closed
 * Returns:  false when the (real) deadline came first */
bool sheaf__crew_dismiss(struct sheaf__crew *crew, enum sheaf__crew_dismissal how,
                         int64_t deadline);

#endif
