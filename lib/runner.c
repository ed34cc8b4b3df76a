/* Running main tasks: sheaf_run() and runners.
 *
 * Each run has a task of its own, the supervisor, which the program does not see.  It spawns the
 * main task and waits for it; where nothing is to live on, it then ends what is left over.  It does
 * so from inside of the pool, where a virtual clock cannot slip past between two of these steps.
 * Between runs the clock is held: the supervisor takes that hold before it ends, the thread lets it
 * go when the next supervisor has been spawned.
 *
 * Who stops a run (a task that ends with SHEAF_FATAL, the second SIGINT) wakes the supervisor in
 * the place of the main task.  A stopped run ends everything before it returns, since a main task
 * that is left over may use its argument. */
#include <sheaf/runner.h>

#include <signal.h>
#include <stdio.h>

#include "lib/error_impl.h"
#include "lib/future_impl.h"
#include "lib/inspect.h"
#include "lib/interrupt.h"
#include "lib/options.h"
#include "lib/platform/clock.h"

enum state { CLOSED = 0, OPEN, BUSY };

/* What a sheaf_runner is. */
struct runner {
    SHEAF__ATOMIC(uint32_t) state; /* enum state; BUSY: some thread is inside */
    uint32_t flags;                /* all else belongs to whoever made it BUSY */
    sheaf_pool *pool;
    struct sheaf__locals *locals; /* a reference: what the main tasks share */
    void *spare;
};

_Static_assert(sizeof(struct runner) == sizeof(sheaf_runner), "the public size fits");
_Static_assert(_Alignof(struct runner) == _Alignof(sheaf_runner), "the public alignment fits");

static struct runner *runner_of(sheaf_runner *runner)
{
    return (struct runner *)(void *)runner;
}

/* What a thread and the supervisor that it spawned know in common; in the frame of the thread. */
struct run {
    struct runner *runner;
    sheaf_fn *fn; /* NULL: no main task, only the end */
    void *arg;
    bool last; /* end what is left over */

    /* The supervisor's; the thread's when that has ended or is abandoned. */
    sheaf_value value;
    int status;
    bool listed;                       /* the list is filled */
    struct sheaf__task_list left_over; /* in this frame, for the supervisor may be abandoned */

    /* Guarded by the pool's rest_lock. */
    sheaf_future *main;  /* a reference, released by the thread; NULL until it is spawned */
    unsigned interrupts; /* SIGINTs so far */
    bool taken;          /* the main task has taken the first one's request */
    bool given_up;       /* the supervisor is not to be waited for */

    /* The thread's: what it saw when the wait for the supervisor was over. */
    bool stopped;
    bool fatal;
};

/* ---------------------------------------------------------------- stopping a run */

void sheaf__pool_stop_run(sheaf_pool *pool, bool fatal)
{
    pthread_mutex_lock(&pool->rest_lock);
    pool->fatal = pool->fatal || fatal;
    pool->run_stopped = true;
    if (pool->run_waiter) {
        /* Under rest_lock it cannot leave its wait meanwhile.  DONE is what the main task says. */
        sheaf__wake(pool->run_waiter, SHEAF__WAIT_TIMEOUT);
        pool->run_waiter = NULL;
    }
    pthread_mutex_unlock(&pool->rest_lock);
}

static void interrupt_main(struct run *run, sheaf_future *main)
{
    sheaf_error *message = sheaf__error_make(SHEAF_CANCELLED, NULL, NULL, "interrupted by SIGINT");
    bool usable = sheaf_error_code(message) == SHEAF_CANCELLED; /* else for want of memory */
    bool taken = sheaf__future_ask(main, SHEAF_ORIGIN_SIGNAL, usable ? message : NULL);
    sheaf_pool *pool = run->runner->pool;
    pthread_mutex_lock(&pool->rest_lock);
    run->taken = taken;
    pthread_mutex_unlock(&pool->rest_lock);
    sheaf_error_release(message);
}

/* One more SIGINT.  A virtual clock stands still meanwhile. */
static void note_interrupt(void *context)
{
    struct run *run = context;
    sheaf_pool *pool = run->runner->pool;
    pthread_mutex_lock(&pool->rest_lock);
    unsigned count = ++run->interrupts;
    sheaf_future *main = sheaf_retain(run->main);
    pool->holds++;
    if (count == 3) {
        run->given_up = true;
        pthread_cond_broadcast(&pool->rested);
    }
    pthread_mutex_unlock(&pool->rest_lock);
    if (count == 1 && main) {
        interrupt_main(run, main);
    } else if (count == 2) {
        sheaf__pool_stop_run(pool, false);
    } else if (count == 3) {
        sheaf__interrupt_restore(SHEAF__INTERRUPT_RUN);
    }
    sheaf_release(main);
    sheaf_clock_release(pool);
}

/* ---------------------------------------------------------------- left-overs */

/* On a real clock, how long what can run at the end of main may do so before it is asked. */
#define SETTLE_LIMIT SHEAF_MS(10)

/* Sleeps until nothing else can run at this instant. */
static void wait_until_settled(sheaf_pool *pool)
{
    struct sheaf__sleep sleep;
    sheaf_time deadline = pool->is_virtual
                              ? SHEAF_FOREVER
                              : sheaf__deadline_after(sheaf_pool_now(pool), SETTLE_LIMIT);
    if (sheaf__sleep_begin(&sleep, "the pool to come to rest", deadline) != SHEAF_OK) {
        return;
    }
    pthread_mutex_lock(&pool->rest_lock);
    pool->rest_waiter = sleep.wait;
    pthread_mutex_unlock(&pool->rest_lock);
    sheaf__sleep_end(&sleep);
    pthread_mutex_lock(&pool->rest_lock);
    pool->rest_waiter = NULL;
    pthread_mutex_unlock(&pool->rest_lock);
}

static void forget_left_over(struct run *run)
{
    if (run->listed) {
        run->listed = false;
        sheaf__tasks_forget(&run->left_over);
    }
}

/* How long to wait for the others to sleep: so long only where one of them is at work. */
enum { ASLEEP_TURNS = 2000 };

/* Asks all as if at one instant: none of them runs before the last was asked, so that none sees
 * another end and takes that for news.  Nobody is woken while somebody searches (lib/idle.h), which
 * this worker pretends to do; with a virtual clock at rest the others sleep, or are about to. */
static void ask_at_once(sheaf_pool *pool, const struct sheaf__task_list *list)
{
    unsigned turns = 0;
    sheaf__idle_search_begin(&pool->idle);
    while (pool->is_virtual && turns < ASLEEP_TURNS &&
           (int)sheaf__idle_sleepers(&pool->idle) < sheaf_pool_workers(pool) - 1) {
        sheaf__spin_wait(&turns);
    }
    for (size_t i = 0; i < list->count; i++) {
        sheaf__future_ask(list->tasks[i], SHEAF_ORIGIN_SHUTDOWN, NULL);
    }
    if (sheaf__idle_search_end(&pool->idle)) {
        sheaf__idle_wake_one(&pool->idle);
    }
}

/* Asks everything that is left once and waits for it.  Returns: false when nothing was left */
static bool end_left_over(struct run *run, sheaf_pool *pool)
{
    struct sheaf__task_list *list = &run->left_over;
    sheaf__inspect_tasks(pool, false, list);
    run->listed = true;
    bool some = list->count > 0;
    ask_at_once(pool, list);
    for (size_t i = 0; i < list->count; i++) {
        sheaf__future_wait(list->tasks[i], SHEAF_FOREVER);
    }
    forget_left_over(run);
    return some;
}

/* ---------------------------------------------------------------- the supervisor */

/* The supervisor's children start with what the main tasks before have left. */
static bool enter_locals(struct runner *runner)
{
    if (!runner->locals) {
        return true;
    }
    struct sheaf__extra *extra =
        sheaf__future_need_extra(sheaf__worker_current(sheaf__worker_self()));
    if (extra) {
        struct sheaf__locals *before = extra->locals;
        extra->locals = sheaf__locals_retain(runner->locals);
        sheaf__locals_release(before);
    }
    return extra != NULL;
}

/* Requires: main is done */
static void keep_locals(struct runner *runner, const sheaf_future *main)
{
    struct sheaf__extra *extra = sheaf__future_extra(main);
    struct sheaf__locals *before = runner->locals;
    runner->locals = sheaf__locals_retain(extra ? extra->locals : NULL);
    sheaf__locals_release(before);
}

/* Makes the supervisor known to whoever stops the run; NULL: takes that back.
 * Returns: whether the run has been stopped */
static bool listen_for_stop(sheaf_pool *pool, struct sheaf__wait *wait)
{
    pthread_mutex_lock(&pool->rest_lock);
    bool stopped = pool->run_stopped;
    pool->run_waiter = stopped ? NULL : wait;
    pthread_mutex_unlock(&pool->rest_lock);
    return stopped;
}

/* Waits until the main task is done or the run is stopped. */
static void wait_for_main(sheaf_pool *pool, sheaf_future *main)
{
    struct sheaf__sleep sleep;
    struct sheaf__node node = {.to = {.notify = NULL}};
    if (sheaf__sleep_begin(&sleep, "the main task", SHEAF_FOREVER) != SHEAF_OK) {
        return; /* only a plain thread's can fail */
    }
    node.wait = sleep.wait;
    bool registered = sheaf__future_register(main, &node);
    if (!registered) {
        sheaf__wake(sleep.wait, SHEAF__WAIT_DONE);
    }
    if (listen_for_stop(pool, sleep.wait)) {
        sheaf__wake(sleep.wait, SHEAF__WAIT_TIMEOUT);
    }
    sheaf__sleep_end(&sleep);
    listen_for_stop(pool, NULL);
    if (registered && !sleep.handed) {
        sheaf__future_remove_node(main, &node);
    }
}

/* Spawns the main task.  A signal that came before is passed on to it. */
static sheaf_future *start_main(struct run *run, sheaf_pool *pool)
{
    sheaf_future *main = sheaf_spawn_at(NULL, run->fn, run->arg);
    pthread_mutex_lock(&pool->rest_lock);
    run->main = main;
    bool interrupted = run->interrupts > 0;
    pthread_mutex_unlock(&pool->rest_lock);
    if (interrupted) {
        interrupt_main(run, main);
    }
    return main;
}

static void run_main(struct run *run, sheaf_pool *pool)
{
    if (!enter_locals(run->runner)) {
        return; /* with the status that it was made with, SHEAF_NOMEM */
    }
    sheaf_future *main = start_main(run, pool);
    wait_for_main(pool, main);
    if (sheaf_done(main)) {
        run->status = sheaf_result(main, &run->value);
        keep_locals(run->runner, main);
    }
}

static void end_all(struct run *run, sheaf_pool *pool, bool stopped)
{
    do {
        if (!stopped) {
            wait_until_settled(pool);
        }
        stopped = false;
    } while (end_left_over(run, pool));
}

static int supervise(void *arg, sheaf_value *result)
{
    struct run *run = arg;
    sheaf_pool *pool = sheaf_pool_current();
    (void)result;
    if (run->fn) {
        run_main(run, pool);
    }
    bool stopped = listen_for_stop(pool, NULL);
    if (run->last || stopped) {
        end_all(run, pool, stopped);
    }
    pthread_mutex_lock(&pool->rest_lock);
    pool->holds++;
    pool->run_ended = true; /* the thread may leave its frame once the lock is free */
    pthread_cond_broadcast(&pool->rested);
    pthread_mutex_unlock(&pool->rest_lock);
    return SHEAF_OK;
}

bool sheaf__task_is_hidden(const sheaf_future *task)
{
    return task->fn == supervise || sheaf__task_is_drain(task);
}

/* ---------------------------------------------------------------- the thread */

/* Waits for the end of the supervisor.
 * Returns: SHEAF_OK; SHEAF_DEADLOCK; SHEAF_INTERRUPTED when it is not to be waited for */
static int wait_for_supervisor(struct run *run, sheaf_pool *pool, const sheaf_future *supervisor)
{
    pthread_mutex_lock(&pool->rest_lock);
    /* A task that could not be started at all ends without a word: the pool then comes to rest. */
    while (!pool->run_ended && !pool->deadlock && !run->given_up && !sheaf_done(supervisor)) {
        pthread_cond_wait(&pool->rested, &pool->rest_lock);
    }
    bool silent = !pool->run_ended && sheaf_done(supervisor);
    pool->holds += silent;
    int status = pool->run_ended || silent ? SHEAF_OK
                 : pool->deadlock          ? SHEAF_DEADLOCK
                                           : SHEAF_INTERRUPTED;
    run->stopped = pool->run_stopped;
    run->fatal = pool->fatal;
    pthread_mutex_unlock(&pool->rest_lock);
    return status;
}

static void report_deadlock(sheaf_pool *pool)
{
    sheaf_report_fn *report;
    void *context;
    sheaf__report_hook(&report, &context);
    report(context, "deadlock: nothing can run and no timer is left");
    sheaf_pool_dump(pool, report, context);
}

/* What the run comes to.
 * Requires: the supervisor has ended, no signal is told any more */
static int outcome_of(const struct run *run)
{
    if (run->fatal) {
        return SHEAF_FATAL;
    }
    if (run->stopped) {
        return SHEAF_INTERRUPTED;
    }
    /* With a second request, of whomever else, it is as if there had been no signal. */
    bool by_signal =
        run->taken && run->status == SHEAF_CANCELLED && sheaf_cancelling(run->main) < 2;
    return by_signal ? SHEAF_INTERRUPTED : run->status;
}

/* Runs a supervisor, which leaves the clock held.
 * Returns: SHEAF_OK when it has ended; SHEAF_NOMEM when there was none; else it is to be abandoned
 */
static int supervise_run(struct run *run, sheaf_future **supervisor)
{
    sheaf_pool *pool = run->runner->pool;
    pthread_mutex_lock(&pool->rest_lock);
    pool->run_ended = false;
    pthread_mutex_unlock(&pool->rest_lock);
    *supervisor = sheaf_spawn_on_at(NULL, pool, supervise, run);
    if (sheaf__future_flags(*supervisor) & SHEAF__JOB_STATIC) {
        return SHEAF_NOMEM;
    }
    sheaf_clock_release(pool);
    int status = wait_for_supervisor(run, pool, *supervisor);
    if (status == SHEAF_DEADLOCK) {
        report_deadlock(pool);
    }
    return status;
}

static void close_pool(struct runner *runner, sheaf_close how)
{
    sheaf_pool_close(runner->pool, how, SHEAF_FOREVER, NULL, NULL);
    runner->pool = NULL;
    sheaf__locals_release(runner->locals);
    runner->locals = NULL;
}

/* One run from its beginning to its end, and the end of the pool if that is the end.
 * Requires: the caller is the one inside.  Returns: what the run comes to */
static int run_to_end(struct run *run)
{
    struct runner *runner = run->runner;
    struct sheaf__interrupt interrupt = {
        .use = SHEAF__INTERRUPT_RUN, .signal = SIGINT, .tell = note_interrupt, .context = run};
    if (run->fn && (runner->flags & SHEAF_RUN_SIGINT)) {
        SHEAF_TRY(sheaf__interrupt_begin(&interrupt));
    }
    sheaf_future *supervisor;
    int status = supervise_run(run, &supervisor);
    sheaf__interrupt_end(&interrupt);
    bool abandons = status == SHEAF_DEADLOCK || status == SHEAF_INTERRUPTED;
    status = status == SHEAF_OK ? outcome_of(run) : status;
    if (abandons || run->last || run->stopped) {
        close_pool(runner, abandons ? SHEAF_CLOSE_ABANDON : SHEAF_CLOSE_CANCEL);
    }
    if (abandons) {
        /* Neither of the two has ended by itself: nothing that is to be reported. */
        sheaf_error_release(sheaf_future_error(run->main));
        sheaf_error_release(sheaf_future_error(supervisor));
        forget_left_over(run);
    } else if (sheaf_future_status(run->main) == SHEAF_FATAL) {
        /* The stop may have come to the supervisor before the outcome did, which the run hands out.
         * */
        sheaf__future_mark_looked(run->main);
    }
    sheaf_release(run->main);
    sheaf_release(supervisor);
    return status;
}

static int open_runner(struct runner *runner, const sheaf_options *given)
{
    sheaf_options options;
    SHEAF_TRY(sheaf__options_read(given, &options, sizeof options));
    runner->flags = options.flags & (unsigned)SHEAF_RUN_SIGINT;
    options.flags &= ~(unsigned)SHEAF_RUN_SIGINT;
    runner->locals = NULL;
    SHEAF_TRY(sheaf_pool_open(&options, &runner->pool));
    sheaf_clock_hold(runner->pool);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- the calls */

int sheaf_run(const sheaf_options *options, sheaf_fn *fn, void *arg, sheaf_value *value)
{
    if (!fn) {
        return SHEAF_INVALID;
    }
    if (sheaf__worker_self()) {
        return SHEAF_STATE;
    }
    struct runner runner = {.flags = 0};
    SHEAF_TRY(open_runner(&runner, options));
    struct run run = {.runner = &runner, .fn = fn, .arg = arg, .last = true, .status = SHEAF_NOMEM};
    int status = run_to_end(&run);
    if (runner.pool) {
        close_pool(&runner, SHEAF_CLOSE_CANCEL); /* it could not begin */
    }
    if (status == SHEAF_OK && value) {
        *value = run.value;
    }
    return status;
}

/* Whether this process is a child of the one that opened the runner.  The caller is inside. */
static bool is_lost(const struct runner *runner)
{
    return sheaf__pool_is_lost(runner->pool);
}

/* Makes the calling thread the one inside.  Returns: false when the runner is not in that state */
static bool enter(struct runner *runner, enum state from)
{
    uint32_t state = from;
    /* acq_rel: what the thread before has left is visible; pairs with leave(). */
    return sheaf__cas_acq_rel(&runner->state, &state, BUSY);
}

static void leave(struct runner *runner)
{
    sheaf__store_rel(&runner->state, runner->pool ? OPEN : CLOSED);
}

int sheaf_runner_open(sheaf_runner *given, const sheaf_options *options)
{
    struct runner *runner = runner_of(given);
    if (!runner) {
        return SHEAF_INVALID;
    }
    if (!enter(runner, CLOSED)) {
        return SHEAF_STATE;
    }
    runner->pool = NULL;
    int status = open_runner(runner, options);
    leave(runner);
    return status;
}

int sheaf_runner_run(sheaf_runner *given, sheaf_fn *fn, void *arg, sheaf_value *value)
{
    struct runner *runner = runner_of(given);
    if (!runner || !fn) {
        return SHEAF_INVALID;
    }
    if (sheaf__worker_self() || !enter(runner, OPEN)) {
        return SHEAF_STATE;
    }
    struct run run = {.runner = runner, .fn = fn, .arg = arg, .status = SHEAF_NOMEM};
    int status = is_lost(runner) ? SHEAF_LOST : run_to_end(&run);
    leave(runner);
    if (status == SHEAF_OK && value) {
        *value = run.value;
    }
    return status;
}

int sheaf_runner_close(sheaf_runner *given)
{
    struct runner *runner = runner_of(given);
    if (!runner) {
        return SHEAF_INVALID;
    }
    if (sheaf__worker_self()) {
        return SHEAF_STATE;
    }
    if (!enter(runner, OPEN)) {
        return sheaf__load_acq(&runner->state) == CLOSED ? SHEAF_OK : SHEAF_STATE;
    }
    struct run run = {.runner = runner, .last = true, .status = SHEAF_OK};
    int status = is_lost(runner) ? SHEAF_LOST : run_to_end(&run);
    leave(runner);
    /* Without memory for the supervisor the pool has ended what was left. */
    return status == SHEAF_NOMEM ? SHEAF_OK : status;
}

sheaf_pool *sheaf_runner_pool(const sheaf_runner *runner)
{
    return runner ? runner->pool_ : NULL;
}
