/* The sleep of a task or thread that waits for anything but a future. */
#ifndef SHEAF_LIB_SLEEP_H
#define SHEAF_LIB_SLEEP_H

#include <stdbool.h>
#include <stdint.h>

#include <sheaf/future.h>

#include "lib/timekeeper.h"
#include "lib/wait.h"

/* One sleep of the calling task or thread, for everything but futures.
 *
 *     struct sheaf__sleep sleep;
 *     SHEAF_TRY(sheaf__sleep_begin(&sleep, "a timer", deadline));
 *     ... register sleep.wait with what is waited for ...
 *     uint32_t reason = sheaf__sleep_end(&sleep);
 *
 * The reason is never CANCEL on a plain thread.  For a task it is CANCEL also when a request
 * arrived after another reason had won; `handed` then says that it was DONE, so that what was
 * handed over can be passed on (P8). */
struct sheaf__sleep {
    struct sheaf__wait *wait;
    sheaf_future *task; /* NULL: a plain thread */
    sheaf_time deadline;
    bool handed;
    bool timed;
    bool overdue; /* the deadline had passed at the beginning */
    bool deaf;    /* requests are not heard: the sleep is the way back from an interrupted one */
    struct sheaf__timekeeper *keeper;
    struct sheaf__timer timer;
    struct sheaf__thread_wait thread;
};

/* Returns: SHEAF_OK; SHEAF_NOMEM: nothing to end.  A pending request is not looked at here. */
int sheaf__sleep_begin(struct sheaf__sleep *sleep, const char *what, sheaf_time deadline);

/* The same where a plain thread's deadline is on the clock of that pool. */
int sheaf__sleep_begin_on(struct sheaf__sleep *sleep, sheaf_pool *pool, const char *what,
                          sheaf_time deadline);

/* The same for a sleep that no request ends. */
int sheaf__sleep_begin_deaf(struct sheaf__sleep *sleep);
uint32_t sheaf__sleep_end(struct sheaf__sleep *sleep);

/* Ends a sleep that turned out not to be needed: nobody was told of its wait. */
void sheaf__sleep_abandon(struct sheaf__sleep *sleep);

/* Something that is to happen when a task next suspends: a limit that had passed when it was set.
 * Zero before the first use; stays until it has happened or was taken back. */
struct sheaf__due {
    struct sheaf__due *next;
    void (*happen)(struct sheaf__due *due); /* may ask the task to cancel */
};

/* Both for the running task.  The second takes back what has not happened.
 * Requires: the task has an extra part */
void sheaf__task_add_due(sheaf_future *task, struct sheaf__due *due);
void sheaf__task_remove_due(sheaf_future *task, struct sheaf__due *due);

/* Makes happen what is due of a running task that is about to suspend, or looks at requests. */
void sheaf__task_meet_due(sheaf_future *task);

/* For the running tasks on this stack, before it may move: takes back what they are biased to, and
 * makes happen what is due. */
void sheaf__tasks_suspend_all(sheaf_future *task);

#endif
