/* Waiting for a future.
 *
 * The handshake with a request for cancellation (lib/cancel.c).  A task says what it waits for in
 * `awaiting`, then looks whether it was asked; the asker marks the request, then looks what the
 * task waits for.  One of the two sees the other.
 *
 *   task, about to wait        asker
 *   A1 awaiting = f            C1 take LOCK, which is a seq_cst read-modify-write of word
 *      fence                      heavy fence unless awaiting says parked
 *   A2 read word: CANCEL?      C2 read awaiting: none -> CANCEL stays in word
 *      LOCK? then wait for it         f    -> ask f instead, or wake the sleep
 *
 *   task, going on             asker, still holding LOCK
 *   A3 awaiting = none
 *      fence
 *   A4 read word: LOCK? wait   so what C2 saw stays valid until the LOCK is let go
 *
 * The fence is the light one when the awaited body is called on the task's own stack, the full one
 * around a park. */
#include "lib/sleep_impl.h"

#include <sheaf/task.h>

#include "lib/call.h"
#include "lib/error_impl.h"
#include "lib/platform/clock.h"

static uintptr_t awaiting_future(const sheaf_future *future, uintptr_t tag)
{
    return (uintptr_t)future | tag;
}

/* ---------------------------------------------------------------- calling what is awaited */

/* Whether a child may be called on the running stack: not in modes of a pool that suspend instead,
 * and only while enough of the stack is left; nor one that wants a stack of its own. */
static SHEAF__ALWAYS_INLINE bool has_room(struct sheaf__worker *worker)
{
    return (char *)__builtin_frame_address(0) > sheaf__load_rlx(&worker->inline_limit) &&
           worker->calls;
}

static SHEAF__ALWAYS_INLINE bool is_loner(const sheaf_future *future)
{
    return sheaf__future_flags(future) & SHEAF__JOB_LONER;
}

static bool may_call(struct sheaf__worker *worker, const sheaf_future *future)
{
    return has_room(worker) && !is_loner(future);
}

static bool is_queued(const sheaf_future *future)
{
    return sheaf__load_rlx(&future->job.state) == SHEAF__QUEUED;
}

/* A2 with something to see, before a claimed child is called: a request for the task goes on to the
 * child, which then never runs. */
static SHEAF__COLD void pass_request_on(sheaf_future *task, sheaf_future *future)
{
    sheaf__future_wait_unlocked(task);
    if (sheaf__task_is_asked(task)) {
        /* Refused when the future is done: the request is then delivered to the task itself. */
        sheaf__task_pass_request(task, future);
    }
}

/* Whether its outcome is SHEAF_CANCELLED, be it a gather that failed with it. */
static bool was_cancelled(const sheaf_future *future)
{
    return sheaf__future_done(future) && sheaf__future_outcome(future) == SHEAF_CANCELLED;
}

/* The wait for `future` is over: that a request of the task went on to it counts only if that is
 * what has ended it. */
static void settle_passed(sheaf_future *task, const sheaf_future *future)
{
    if (SHEAF__UNLIKELY(sheaf__task_was_passed_on(task)) && !was_cancelled(future)) {
        sheaf__task_forget_passed(task);
    }
}

static bool must_hear_of_passed(const sheaf_future *task)
{
    return sheaf__task_was_passed_on(task) && sheaf_cancelling(task) > 0;
}

/* The task leaves what a request went on to before that has ended: at the limit, or woken out of a
 * circle.  What comes of the request there it never sees, so it hears of it here (P6, P7). */
static int hear_of_passed(sheaf_future *task)
{
    if (sheaf__task_is_asked(task)) {
        sheaf__task_deliver(task);
    } else {
        sheaf__task_set_raised(task, NULL);
    }
    sheaf__task_note_cancelled(task);
    return SHEAF_CANCELLED;
}

/* What becomes of a request that is undelivered when the wait is over. */
enum late_request {
    DELIVER, /* the wait returns SHEAF_CANCELLED */
    KEEP     /* it stays for the next suspension: the wait is for the end of a frame's task */
};

/* Delivers a request at the wait for a future.  When that was cancelled itself, the earlier request
 * that did it is the one that is seen, with its message (T10). */
static int deliver_at(sheaf_future *task, sheaf_future *future)
{
    int status = sheaf__task_deliver(task);
    if (status == SHEAF_CANCELLED && was_cancelled(future)) {
        return sheaf__future_read(future, task, NULL);
    }
    return status;
}

/* What a request makes of a wait that is over.  P7: it beats whatever else; one that was withdrawn
 * meanwhile changes nothing. */
static int settle_request(sheaf_future *task, sheaf_future *future, enum late_request late)
{
    settle_passed(task, future);
    return late == DELIVER && sheaf__task_is_asked(task) ? deliver_at(task, future) : SHEAF_OK;
}

/* A4 of a call during which somebody may have looked at the task.  Whoever asked it when the child
 * was at its end, a group of which the child is a member for one, has left the request with it. */
static SHEAF__COLD int back_from_call(sheaf_future *task, sheaf_future *child,
                                      enum late_request late)
{
    sheaf__future_wait_unlocked(task);
    return settle_request(task, child, late);
}

/* A3 and A4 after a call. */
static SHEAF__ALWAYS_INLINE bool is_looked_at(struct sheaf__worker *worker, sheaf_future *task)
{
    sheaf__count_rel(&worker->counts.inlined);
    sheaf__store_rlx(&task->job.up.awaiting, 0); /* A3 */
    sheaf__fence_light();
    /* A4.  acquire, in back_from_call(): whoever takes LOCK sets UNBIASED, for good. */
    return sheaf__load_rlx(&task->job.word) & (SHEAF__WORD_LOCK | SHEAF__WORD_UNBIASED);
}

/* A1 of a call, and the announcement of the child: one fence stands between these and the looks at
 * both words.  Returns: the argument of its body */
static SHEAF__ALWAYS_INLINE void *begin_call(struct sheaf__worker *worker, sheaf_future *task,
                                             sheaf_future *child)
{
    sheaf__set_awaiting(task, awaiting_future(child, SHEAF__AWAITING_CALLED));
    return sheaf__call_begin(worker, task, child);
}

/* Goes on with a call that begin_call() has begun, whatever the words say.
 * Returns: SHEAF_OK, SHEAF_CANCELLED */
static SHEAF__NOINLINE int go_on_with_call(sheaf_future *task, sheaf_future *child, void *arg,
                                           enum late_request late)
{
    if (sheaf__load_rlx(&task->job.word) & SHEAF__REQUEST_FLAGS) { /* A2 */
        pass_request_on(task, child);
    }
    struct sheaf__worker *worker = sheaf__call_end(task, child, arg);
    return is_looked_at(worker, task) ? back_from_call(task, child, late) : SHEAF_OK;
}

/* Ends a call that did not end the biased way. */
static SHEAF__NOINLINE int end_call(sheaf_future *task, sheaf_future *child, int status,
                                    enum late_request late)
{
    sheaf__future_finish(child, status);
    return is_looked_at(sheaf__worker_self(), task) ? back_from_call(task, child, late) : SHEAF_OK;
}

/* What a wait for a future returns beside statuses: the child was called, and has ended the biased
 * way and with a value. */
enum { DONE_BIASED = 1 };

/* Calls a claimed child to its end.  The worker may be another one afterwards.
 * Returns: DONE_BIASED; else as go_on_with_call() */
static SHEAF__ALWAYS_INLINE int call_child(struct sheaf__worker *worker, sheaf_future *task,
                                           sheaf_future *child, enum late_request late)
{
    void *arg = begin_call(worker, task, child);
    if (SHEAF__UNLIKELY((sheaf__load_rlx(&task->job.word) | sheaf__load_rlx(&child->job.word)) &
                        SHEAF__REQUEST_FLAGS)) { /* A2 */
        return go_on_with_call(task, child, arg, late);
    }
    int status;
    worker = sheaf__call_run(task, child, arg, &status);
    if (SHEAF__UNLIKELY(!sheaf__finish_biased(worker, child, status))) {
        return end_call(task, child, status, late);
    }
    if (SHEAF__UNLIKELY(is_looked_at(worker, task))) {
        status = back_from_call(task, child, late);
    }
    return SHEAF__LIKELY(status == SHEAF_OK) ? DONE_BIASED : status;
}

/* ---------------------------------------------------------------- waiting for a future */

/* Of a wait that a request ended which was withdrawn then; no status of the library's. */
#define WAIT_AGAIN 1

struct future_wait {
    struct sheaf__node node;
    struct sheaf__sleep sleep;
    enum late_request late;
};

/* The look at requests and circles between registering and parking. */
static int before_park(struct future_wait *wait, sheaf_future *future)
{
    sheaf_future *task = wait->sleep.task;
    bool limited = wait->sleep.deadline != SHEAF_FOREVER;
    int status = limited ? SHEAF_OK : sheaf__task_check_cycle(task, future);
    if (status == SHEAF_OK && (sheaf__load_rlx(&task->job.word) & SHEAF__REQUEST_FLAGS)) {
        pass_request_on(task, future);
    }
    return status;
}

static int park_on_future(struct future_wait *wait, sheaf_future *future)
{
    sheaf_future *task = wait->sleep.task;
    int status = before_park(wait, future);
    uint32_t reason = 0;
    if (status == SHEAF_OK) {
        reason = sheaf__sleep_park(&wait->sleep);
    }
    sheaf__back_from_park(task);
    sheaf__sleep_end_timer(&wait->sleep, reason);
    if (reason != SHEAF__WAIT_DONE && !sheaf__future_remove_node(future, &wait->node) &&
        reason == SHEAF__WAIT_TIMEOUT) {
        reason = SHEAF__WAIT_DONE; /* it ended while the timer fired: the outcome counts */
    }
    bool left = reason == SHEAF__WAIT_TIMEOUT || reason == SHEAF__WAIT_CANCEL;
    if (left && wait->late == DELIVER && must_hear_of_passed(task)) {
        return hear_of_passed(task);
    }
    SHEAF_TRY(settle_request(task, future, wait->late));
    if (status != SHEAF_OK) {
        return status;
    }
    return reason == SHEAF__WAIT_TIMEOUT                                 ? SHEAF_TIMEOUT
           : reason == SHEAF__WAIT_CANCEL && !sheaf__future_done(future) ? WAIT_AGAIN
                                                                         : SHEAF_OK;
}

/* The pool of the worker when its virtual clock says nothing about what is waited for, since that
 * belongs to another pool; else NULL. */
static sheaf_pool *waits_outside(struct sheaf__worker *worker, const sheaf_future *future)
{
    sheaf_pool *pool = worker->pool;
    return SHEAF__UNLIKELY(pool->is_virtual) && sheaf__future_pool(future) != pool ? pool : NULL;
}

static int wait_as_task(struct sheaf__worker *worker, sheaf_future *task, sheaf_future *future,
                        sheaf_time deadline, enum late_request late)
{
    struct future_wait wait = {.late = late};
    sheaf_pool *outside = waits_outside(worker, future);
    int made = sheaf__forks_offer(worker);
    if (made != SHEAF_OK && late == DELIVER) {
        return made; /* else the forks stay what they are: this wait has to be */
    }
    sheaf__sleep_clear(&wait.sleep, task, deadline);
    SHEAF_TRY(sheaf__sleep_begin_as_task(&wait.sleep, worker));
    wait.node.wait = wait.sleep.wait;
    wait.node.to.task = task;
    uintptr_t tag = deadline == SHEAF_FOREVER ? SHEAF__AWAITING_FUTURE : SHEAF__AWAITING_LIMITED;
    sheaf__about_to_park(task, awaiting_future(future, tag));
    if (!sheaf__future_register(future, &wait.node)) {
        sheaf__back_from_park(task);
        sheaf__sleep_end_timer(&wait.sleep, 0);
        return SHEAF_OK;
    }
    if (outside) {
        /* Counted before the task can be seen at rest.  Taken back by the task itself, when it can
         * be seen at work: nobody has to look again. */
        sheaf__add_seq(&outside->outside, 1);
    }
    int status = park_on_future(&wait, future);
    if (outside) {
        sheaf__sub_seq(&outside->outside, 1);
    }
    return status;
}

static int wait_as_thread(sheaf_future *future, sheaf_time deadline)
{
    struct future_wait wait = {.late = DELIVER};
    SHEAF_TRY(sheaf__sleep_begin_on(&wait.sleep, sheaf__future_pool(future), NULL, deadline));
    wait.node.wait = wait.sleep.wait;
    if (!sheaf__future_register(future, &wait.node)) {
        sheaf__sleep_abandon(&wait.sleep);
        return SHEAF_OK;
    }
    uint32_t reason = sheaf__thread_wait_sleep(&wait.sleep.thread, wait.sleep.deadline);
    if (reason == SHEAF__WAIT_TIMEOUT && !sheaf__future_remove_node(future, &wait.node)) {
        reason = SHEAF__WAIT_DONE; /* it ended while the timer fired: the outcome counts */
    }
    sheaf__sleep_end_timer(&wait.sleep, reason);
    sheaf__thread_wait_destroy(&wait.sleep.thread);
    return reason == SHEAF__WAIT_TIMEOUT ? SHEAF_TIMEOUT : SHEAF_OK;
}

/* Whether the queues of the worker's pool are the ones that the task may lie in.  Of a task in a
 * frame only its maker, who joins it, knows that. */
static bool may_look_for(struct sheaf__worker *worker, const sheaf_future *future,
                         enum late_request late)
{
    return !(sheaf__future_flags(future) & SHEAF__JOB_FRAME) || late == KEEP ||
           sheaf__deque_holds(&worker->deque, &future->job);
}

/* Claims a task that has not started, wherever it lies. */
static SHEAF__NOINLINE bool claim_if_queued(struct sheaf__worker *worker, sheaf_future *future,
                                            enum late_request late)
{
    return is_queued(future) && sheaf__future_is_task(future) && may_call(worker, future) &&
           may_look_for(worker, future, late) && sheaf__task_claim(worker->pool, worker, future);
}

static int wait_for_future(sheaf_future *future, sheaf_time deadline, enum late_request late)
{
    sheaf__future_meet(future);
    if (sheaf__future_done(future)) {
        return SHEAF_OK;
    }
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf_future *task = sheaf__worker_current(worker);
    if (!task) {
        return wait_as_thread(future, deadline);
    }
    if (task == future) {
        /* A suspension like any other: what is asked meanwhile wins over the mistake. */
        int status = late == DELIVER ? sheaf_yield() : SHEAF_OK;
        return status == SHEAF_OK ? SHEAF_STATE : status;
    }
    if (deadline == SHEAF_FOREVER && claim_if_queued(worker, future, late)) {
        return go_on_with_call(task, future, begin_call(worker, task, future), late);
    }
    int status = wait_as_task(worker, task, future, deadline, late);
    while (SHEAF__UNLIKELY(status == WAIT_AGAIN)) {
        status = wait_as_task(sheaf__worker_self(), task, future, deadline, late);
    }
    return status;
}

int sheaf__future_wait(sheaf_future *future, sheaf_time deadline)
{
    return wait_for_future(future, deadline, DELIVER);
}

/* ---------------------------------------------------------------- the calls */

/* The child seemed to be the newest of the own deque: the lock decides. */
static SHEAF__NOINLINE int wait_unsettled(sheaf_future *future, enum late_request late)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    if (sheaf__deque_settle_last(&worker->deque, &future->job)) {
        sheaf_future *task = sheaf__load_rlx(&worker->current);
        return go_on_with_call(task, future, begin_call(worker, task, future), late);
    }
    return wait_for_future(future, SHEAF_FOREVER, late);
}

/* Waits for the future without a limit; on the fast path the child is the newest of the own deque.
 * Returns: as sheaf__future_wait() */
static SHEAF__ALWAYS_INLINE int wait_fast(sheaf_future *future, enum late_request late)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    if (SHEAF__UNLIKELY(!worker)) {
        return wait_for_future(future, SHEAF_FOREVER, late);
    }
    sheaf_future *task = sheaf__load_rlx(&worker->current);
    /* The join of a frame's task comes here with KEEP; that one is never a loner. */
    if (SHEAF__UNLIKELY(!task || !has_room(worker) || (late == DELIVER && is_loner(future)))) {
        return wait_for_future(future, SHEAF_FOREVER, late);
    }
    enum sheaf__claim claim = sheaf__deque_claim_last(&worker->deque, &future->job);
    if (SHEAF__LIKELY(claim == SHEAF__CLAIM_DONE)) {
        return call_child(worker, task, future, late);
    }
    return claim == SHEAF__CLAIM_OTHER ? wait_for_future(future, SHEAF_FOREVER, late)
                                       : wait_unsettled(future, late);
}

static sheaf_future *current_task(void)
{
    return sheaf__worker_current(sheaf__worker_self());
}

static SHEAF__ALWAYS_INLINE int read_outcome(sheaf_future *future, sheaf_value *value)
{
    if (SHEAF__LIKELY(sheaf__future_outcome(future) == SHEAF_OK)) {
        if (value) {
            *value = future->job.out.value;
        }
        return SHEAF_OK;
    }
    return sheaf__future_read(future, current_task(), value);
}

int sheaf_await(sheaf_future *future, sheaf_value *value)
{
    if (SHEAF__UNLIKELY(!future)) {
        return SHEAF_INVALID;
    }
    int status = wait_fast(future, DELIVER);
    return SHEAF__LIKELY(status >= SHEAF_OK) ? read_outcome(future, value) : status;
}

static SHEAF__NOINLINE int end_join(sheaf_future *future, int status, sheaf_value *value)
{
    if (status >= SHEAF_OK) {
        status = read_outcome(future, value);
    }
    sheaf_release(future);
    return status;
}

int sheaf_join(sheaf_future *future, sheaf_value *value)
{
    if (SHEAF__UNLIKELY(!future)) {
        return SHEAF_INVALID;
    }
    int status = wait_fast(future, DELIVER);
    /* One reference and no flag: done the biased way, with a value that nobody drops. */
    if (SHEAF__LIKELY(status == DONE_BIASED) &&
        SHEAF__LIKELY(sheaf__load_acq(&future->job.word) == SHEAF__WORD_REFERENCE) &&
        SHEAF__LIKELY(!(sheaf__future_flags(future) & SHEAF__JOB_FRAME))) {
        if (value) {
            *value = future->job.out.value;
        }
        sheaf__record_free(future);
        return SHEAF_OK;
    }
    return end_join(future, status, value);
}

int sheaf_await_until(sheaf_future *future, sheaf_time deadline, sheaf_value *value)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    int status = sheaf__future_wait(future, deadline);
    return status == SHEAF_OK ? sheaf__future_read(future, current_task(), value) : status;
}

int sheaf_await_for(sheaf_future *future, sheaf_duration limit, sheaf_value *value)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    sheaf_pool *pool = current_task() ? sheaf_pool_current() : sheaf__future_pool(future);
    return sheaf_await_until(future, sheaf__deadline_after(sheaf_pool_now(pool), limit), value);
}

int sheaf_await_error(sheaf_future *future, sheaf_value *value, sheaf_error **error)
{
    if (error) {
        *error = NULL;
    }
    if (!future) {
        return SHEAF_INVALID;
    }
    SHEAF_TRY(sheaf__future_wait(future, SHEAF_FOREVER));
    if (sheaf__future_outcome(future) == SHEAF_OK) {
        return sheaf__future_read(future, NULL, value);
    }
    sheaf_future *task = current_task();
    if (task && sheaf__future_outcome(future) == SHEAF_CANCELLED &&
        sheaf__task_was_passed_on(task)) {
        return sheaf__future_read(future, task, NULL);
    }
    sheaf_error *told = sheaf_future_error(future);
    if (error) {
        *error = told;
    } else {
        sheaf_error_release(told);
    }
    return SHEAF_OK;
}

int sheaf__join_kept(sheaf_future *future, sheaf_value *value)
{
    /* Not the fast path, where whoever keeps a late request joins what is no loner. */
    int status = wait_for_future(future, SHEAF_FOREVER, KEEP);
    unsigned turns = 0;
    while (SHEAF__UNLIKELY(status == SHEAF_NOMEM)) {
        /* A thread that cannot sleep. */
        sheaf__spin_wait(&turns);
        status = sheaf__future_done(future) ? SHEAF_OK : SHEAF_NOMEM;
    }
    if (SHEAF__UNLIKELY(status < SHEAF_OK)) {
        sheaf__panic("a task that uses its maker's frame and the maker await each other");
    }
    return end_join(future, status, value);
}

/* ---------------------------------------------------------------- tasks in frames */

static SHEAF__NOINLINE int leave_frame(sheaf_future *future, int status, sheaf_value *value)
{
    if (sheaf__future_flags(future) & SHEAF__JOB_STATIC) {
        return sheaf__future_outcome(future);
    }
    if (status < SHEAF_OK) {
        /* The frame would go while its task still runs. */
        sheaf__panic("a task and the maker in whose frame it lies await each other");
    }
    status = read_outcome(future, value);
    if (sheaf__load_acq(&future->job.word) != SHEAF__WORD_REFERENCE) {
        sheaf__future_leave_frame(future);
    }
    return status;
}

int sheaf_task_join(sheaf_task *frame, sheaf_value *value)
{
    sheaf_future *future = (sheaf_future *)(void *)frame;
    if (SHEAF__UNLIKELY(!future)) {
        return SHEAF_INVALID;
    }
    int status = wait_fast(future, KEEP);
    /* The last look finds the holds of those who came to the child before it ended. */
    if (SHEAF__LIKELY(status == DONE_BIASED) &&
        SHEAF__LIKELY(sheaf__load_acq(&future->job.word) == SHEAF__WORD_REFERENCE)) {
        if (value) {
            *value = future->job.out.value;
        }
        return SHEAF_OK;
    }
    return leave_frame(future, status, value);
}
