/* The parts of a sleep, for the waits that are made of them: lib/sleep.c and lib/await.c.
 *
 * The steps A1 to A4 are those of the handshake at the head of lib/await.c. */
#ifndef SHEAF_LIB_SLEEP_IMPL_H
#define SHEAF_LIB_SLEEP_IMPL_H

#include "lib/future_impl.h"

static inline void sheaf__set_awaiting(sheaf_future *task, uintptr_t what)
{
    /* release: an asker that follows it sees the awaited object as the task does. */
    sheaf__store_rel(&task->job.up.awaiting, what);
}

/* The same where there is next to nothing to do: one task that has suspended before. */
static inline void sheaf__tasks_suspend(sheaf_future *task)
{
    uint32_t word = sheaf__load_rlx(&task->job.word);
    if (task->in.enclosing ||
        (word & (SHEAF__WORD_UNBIASED | SHEAF__WORD_EXTRA)) != SHEAF__WORD_UNBIASED) {
        sheaf__tasks_suspend_all(task);
    }
}

/* Marks the task as parked on `what`, and stops its tasks from completing the biased way: after the
 * park another worker may run them. */
static inline void sheaf__about_to_park(sheaf_future *task, uintptr_t what)
{
    sheaf__tasks_suspend(task);
    sheaf__set_awaiting(task, what); /* A1 */
    sheaf__fence_full();
}

static inline void sheaf__back_from_park(sheaf_future *task)
{
    sheaf__store_rlx(&task->job.up.awaiting, 0); /* A3 */
    sheaf__fence_full();
    sheaf__future_wait_unlocked(task); /* A4 */
}

static inline void sheaf__sleep_clear(struct sheaf__sleep *sleep, sheaf_future *task,
                                      sheaf_time deadline)
{
    sleep->task = task;
    sleep->deadline = deadline;
    sleep->handed = false;
    sleep->timed = false;
    sleep->overdue = false;
    sleep->deaf = false;
    sleep->keeper = NULL;
}

/* Prepares the running fiber's wait, with its timer.  sheaf__about_to_park() follows.
 * Returns: SHEAF_OK, SHEAF_NOMEM */
int sheaf__sleep_begin_as_task(struct sheaf__sleep *sleep, struct sheaf__worker *worker);

static inline uint32_t sheaf__sleep_park(const struct sheaf__sleep *sleep)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    return SHEAF__UNLIKELY(sleep->overdue) ? sheaf__worker_park_overdue(worker)
                                           : sheaf__worker_park(worker);
}

static inline void sheaf__sleep_end_timer(struct sheaf__sleep *sleep, uint32_t reason)
{
    if (sleep->timed && reason != SHEAF__WAIT_TIMEOUT) {
        sheaf__timer_clear(sleep->keeper, &sleep->timer);
    }
}

#endif
