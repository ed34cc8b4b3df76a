/* The inner path of fork-join, inlined where it is used: filling a record, publishing it in the own
 * deque, calling a body and completing it the biased way.
 *
 * Justified by tests/bench w1_fib.  For a child that its maker awaits before anybody else looks at
 * it:
 *
 *   spawn      reads the worker's line and the deque's; writes the child's line (4 words), a count,
 *              one slot of the deque and its bottom; reads the pool's idle word
 *   claim      writes bottom; reads top (the thieves' line), the slot and the one below
 *   call       writes the parent's `awaiting` twice, current, the child's line
 *   complete   writes current, a count, status and state twice; reads the child's word twice, the
 *              parent's word twice, and `held`
 *
 * Atomic operations: none that the compiler does not turn into a plain load or store; no fence with
 * membarrier, five without.  Lines: the child's, the parent's, the worker's three, one of the
 * slots, and, read only, those of top and of the idle word. */
#ifndef SHEAF_LIB_CALL_H
#define SHEAF_LIB_CALL_H

#include "lib/future_impl.h"

/* Fills a record, of a spawn at no known place; everything but `in`, `fn` and what the word
 * declares invalid. */
static SHEAF__ALWAYS_INLINE void sheaf__record_fill(sheaf_future *future, uint8_t flags,
                                                    uint32_t word)
{
    /* relaxed: the record is not published yet. */
    sheaf__store_rlx(&future->job.where, SHEAF__WHERE_NONE);
    sheaf__store_rlx(&future->job.state, SHEAF__QUEUED);
    sheaf__store_rlx(&future->job.flags, flags);
    sheaf__store_rlx(&future->job.word, word);
    sheaf__store_rlx(&future->job.asked, 0);
    future->place = NULL;
}

/* Makes a task of the calling worker and its pool runnable, outside of the deterministic modes. */
static SHEAF__ALWAYS_INLINE void sheaf__push_own(struct sheaf__worker *worker, sheaf_future *future)
{
    sheaf__count(&worker->counts.spawned);
    if (SHEAF__UNLIKELY(!sheaf__deque_push(&worker->deque, &future->job))) {
        sheaf__runq_push(&worker->pool->inject, &future->job);
    }
    sheaf__idle_announce(&worker->pool->idle);
}

/* Gives a record back on a thread that is no worker of its pool. */
void sheaf__record_free_outside(sheaf_future *future);

/* Gives a record back whose contents are given up. */
static SHEAF__ALWAYS_INLINE void sheaf__record_free(sheaf_future *future)
{
    struct sheaf__depot *depot = sheaf__record_depot(future);
    struct sheaf__worker *worker = sheaf__worker_self();
    if (SHEAF__LIKELY(worker && &worker->pool->depot == depot)) {
        sheaf__cache_give(&worker->records, depot, future);
    } else {
        sheaf__record_free_outside(future);
    }
}

/* Completes the biased way.  `worker` does not name the future any more.
 * Returns: false when somebody has touched the word or looks at the worker: the locked way */
static SHEAF__ALWAYS_INLINE bool sheaf__finish_biased(struct sheaf__worker *worker,
                                                      sheaf_future *future, int status)
{
    if (SHEAF__UNLIKELY(status != SHEAF_OK)) {
        return false;
    }
    /* relaxed: published by the step to DONE. */
    sheaf__store_rlx(&future->job.at.status, (uint32_t)SHEAF_OK);
    sheaf__store_rlx(&future->job.state, SHEAF__FINISHING); /* R1 */
    sheaf__fence_light();
    if (SHEAF__UNLIKELY(sheaf__load_rlx(&future->job.word) != SHEAF__WORD_REFERENCE) || /* R2 */
        SHEAF__UNLIKELY(sheaf__load_rlx(&worker->held))) {
        return false;
    }
    /* R3.  release: publishes the outcome to whoever sees DONE; the future may be gone then. */
    sheaf__store_rel(&future->job.state, SHEAF__DONE);
    return true;
}

/* Says that the claimed task `child` runs, on the stack of `task`, which waits for it; NULL when it
 * is called by a loop.  Returns: the argument of its body */
static SHEAF__ALWAYS_INLINE void *sheaf__call_begin(struct sheaf__worker *worker,
                                                    sheaf_future *task, sheaf_future *child)
{
    void *arg = child->in.arg;
    child->in.enclosing = task;
    child->job.out.value.u64 = 0;
    sheaf__store_rlx(&child->job.up.awaiting, 0);
    sheaf__store_rlx(&worker->current, child);
    /* release: an asker or inspector that sees RUNNING sees whom it runs in and that it awaits
     * nothing yet. */
    sheaf__store_rel(&child->job.state, SHEAF__RUNNING);
    sheaf__fence_light();
    return arg;
}

/* Whether somebody asks it at this moment.  A request that finds the task queued keeps it from
 * running; one that finds it running waits for its first suspension.  A2 of lib/await.c with
 * nothing awaited. */
static SHEAF__ALWAYS_INLINE bool sheaf__call_is_asked(const sheaf_future *child)
{
    return sheaf__load_rlx(&child->job.word) & SHEAF__REQUEST_FLAGS;
}

/* Runs the body of a task that call_begin() has announced, on the running stack.
 *
 * The worker may be another one afterwards; it is returned. */
static SHEAF__ALWAYS_INLINE struct sheaf__worker *
sheaf__call_run(sheaf_future *task, sheaf_future *child, void *arg, int *status)
{
    *status = child->fn(arg, &child->job.out.value);
    struct sheaf__worker *worker = sheaf__worker_self();
    if (SHEAF__UNLIKELY(!worker)) {
        sheaf__returned_in_child("a task");
    }
    /* First of all, for whoever inspects, and for what the completion calls, a drop or a hook: it
     * must not see a task that may be gone. */
    sheaf__store_rlx(&worker->current, task);
    return worker;
}

/* The same to its end, unless it is asked to cancel before it begins.
 *
 * The worker may be another one afterwards; it is returned. */
static SHEAF__ALWAYS_INLINE struct sheaf__worker *sheaf__call_end(sheaf_future *task,
                                                                  sheaf_future *child, void *arg)
{
    struct sheaf__worker *worker;
    if (SHEAF__UNLIKELY(sheaf__call_is_asked(child)) && !sheaf__task_may_start(child, arg)) {
        worker = sheaf__worker_self(); /* a drop may have suspended */
        sheaf__store_rlx(&worker->current, task);
        return worker;
    }
    int status;
    worker = sheaf__call_run(task, child, arg, &status);
    if (SHEAF__UNLIKELY(!sheaf__finish_biased(worker, child, status))) {
        sheaf__future_finish(child, status);
        worker = sheaf__worker_self();
    }
    return worker;
}

/* Both. */
static SHEAF__ALWAYS_INLINE struct sheaf__worker *
sheaf__call_body(struct sheaf__worker *worker, sheaf_future *task, sheaf_future *child)
{
    void *arg = sheaf__call_begin(worker, task, child);
    return sheaf__call_end(task, child, arg);
}

#endif
