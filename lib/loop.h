/* What all loops share: who runs them, how they end early, how far they have come.
 *
 * A loop is run by its root, a task, and by halves: children in the frames of those who split their
 * part.  Everything is joined before the call returns, so the loop itself lies in the root's frame.
 *
 * The end of a loop.  Whoever fails says so (sheaf__loop_fail()): it becomes the outcome if nobody
 * with a lower index did, and `stopped` is set for good.  Parts look at `stopped` between pieces.
 * What a body fails with beats a cancellation, as in every await: who cancels a task that awaits a
 * failing one sees the failure. */
#ifndef SHEAF_LIB_LOOP_H
#define SHEAF_LIB_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/error.h>
#include <sheaf/parallel.h>
#include <sheaf/task.h>

#include "lib/atomics.h"
#include "lib/spin.h"

struct sheaf__loop {
    /* Const while it runs. */
    sheaf_loop_options options;
    size_t begin;
    size_t end;
    bool counts;        /* somebody wants to know how many are finished */
    bool deterministic; /* time decides nothing */

    SHEAF__ATOMIC(bool) stopped; /* set once, by sheaf__loop_fail() */
    SHEAF__ATOMIC(size_t) done;  /* indices finished, if `counts` */
    SHEAF__ATOMIC(size_t) parts; /* parts that have not ended, if there is a limit */

    /* Progress.  Guarded by `telling`, which nobody waits for: who finds it taken does not tell. */
    SHEAF__ATOMIC(bool) telling;
    int64_t told_at;

    struct sheaf__spin lock; /* a last one: guards what follows */
    int status;              /* the outcome */
    size_t failed_at;        /* the index of the failure that is the outcome */
    sheaf_error *error;      /* given, NULL: nothing but the status */
};

/* Reads the options.  Returns: SHEAF_OK, SHEAF_INVALID */
int sheaf__loop_init(struct sheaf__loop *loop, const sheaf_loop_options *options, size_t begin,
                     size_t end);

/* Runs the loop, whose parts and bodies are what run(context) does, as part of the calling task, or
 * as a task of the pool that the options name.
 *
 * Returns: the loop's outcome; its error is raised in the calling task */
int sheaf__loop_run(struct sheaf__loop *loop, void (*run)(void *context), void *context);

/* Runs fn(arg, value) as a task of a pool (NULL: the current one, else the default) to its end:
 * what it uses may lie in the caller's frame.  Returns: its status, that of a spawn that failed */
int sheaf__run_as_task(sheaf_pool *pool, sheaf_fn *fn, void *arg);

/* What the calling part has come upon.  `at`: the index */
void sheaf__loop_fail(struct sheaf__loop *loop, size_t at, int status);

static inline bool sheaf__loop_stopped(struct sheaf__loop *loop)
{
    /* relaxed: a hint to do no more; the outcome is read after all parts have been joined. */
    return sheaf__load_rlx(&loop->stopped);
}

/* A look at requests between two pieces.  Returns: whether the part goes on */
bool sheaf__loop_goes_on(struct sheaf__loop *loop, size_t at);

/* Notes that a piece is finished, and tells the progress if it is time.
 *
 *   now  the time, where the caller has read it; 0 otherwise */
void sheaf__loop_finished(struct sheaf__loop *loop, size_t begin, size_t end, int64_t now);

/* ---------------------------------------------------------------- halves */

/* A part given away, in the frame of who gives it. */
struct sheaf__half {
    sheaf_task task;
    struct sheaf__loop *loop;
    void (*run)(void *part);
    void *part;
    size_t at; /* its first index */
    bool begun;
};

/* Gives part away: run(part) will have been called when sheaf__half_join() returns, unless the loop
 * has been stopped. */
void sheaf__half_spawn(struct sheaf__half *half, struct sheaf__loop *loop, void (*run)(void *part),
                       void *part, size_t at);
void sheaf__half_join(struct sheaf__half *half);

#endif
