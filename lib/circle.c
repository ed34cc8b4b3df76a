/* Circles of tasks that await each other: the wait that would close one is refused (T22). */
#include "lib/asking.h"

#include <stdio.h>

/* Whether anybody waits for the task, so that its own wait could close a circle. */
static bool is_awaited(const sheaf_future *task)
{
    return (sheaf__load_seq(&task->job.word) & SHEAF__WORD_WAITER) || task->in.enclosing;
}

/* What `at`, a held task, waits for, held; NULL when it is not parked on a task.  Lets `at` go. */
static sheaf_future *follow(sheaf_future *at)
{
    sheaf_future *next = NULL;
    sheaf__future_lock(at);
    if (sheaf__load_acq(&at->job.state) == SHEAF__RUNNING) {
        uintptr_t awaiting = sheaf__read_awaiting(at);
        bool limited = (awaiting & SHEAF__AWAITING_TAG) == SHEAF__AWAITING_LIMITED;
        next = limited ? NULL : sheaf__awaited_future(awaiting);
        /* One that nobody has parked is running: it awaits nobody at this moment, and looks itself
         * when it does.  It is there: with LOCK held `at` does not go on. */
        if (next && sheaf__future_is_task(next) &&
            (sheaf__load_rlx(&next->job.word) & SHEAF__WORD_UNBIASED)) {
            sheaf__future_hold(next);
        } else {
            next = NULL;
        }
    }
    sheaf__future_unlock(at);
    sheaf__future_unhold(at);
    return next;
}

/* The text of a circle that is being walked. */
struct chain {
    char text[400];
    size_t length;
};

static void add_to_chain(struct chain *chain, const sheaf_future *task)
{
    size_t room = sizeof chain->text - chain->length;
    if (room > sizeof " -> ") {
        int arrow = snprintf(chain->text + chain->length, room, "%s", chain->length ? " -> " : "");
        chain->length += (size_t)arrow;
        chain->length += sheaf__future_name_text(task, chain->text + chain->length,
                                                 sizeof chain->text - chain->length);
    }
    if (chain->length > sizeof chain->text - 1) {
        chain->length = sizeof chain->text - 1;
    }
}

/* Whether the chain of waits from `future` on leads to `task`.  The names go to `chain` if given.
 * */
static bool leads_to(sheaf_future *future, const sheaf_future *task, struct chain *chain)
{
    sheaf__future_hold(future);
    sheaf_future *at = future;
    struct sheaf__laps laps = {.mark = NULL};
    while (at && at != task && !sheaf__goes_round(&laps, at)) {
        if (chain) {
            add_to_chain(chain, at);
        }
        at = follow(at);
    }
    bool found = at == task;
    if (at) {
        sheaf__future_unhold(at);
    }
    return found;
}

int sheaf__task_check_cycle(sheaf_future *task, sheaf_future *future)
{
    if (!is_awaited(task) || !sheaf__future_is_task(future) ||
        !(sheaf__load_rlx(&future->job.word) & SHEAF__WORD_UNBIASED) ||
        !leads_to(future, task, NULL)) {
        return SHEAF_OK;
    }
    struct chain chain = {.length = 0};
    add_to_chain(&chain, task);
    leads_to(future, task, &chain);
    return sheaf_raise(SHEAF_CYCLE, "tasks await each other in a circle: %s", chain.text);
}
