/* Waiting for several things at once: exactly one is carried out, the others are untouched. */
#include "lib/alloc.h"
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/pairings.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static sheaf_value number(int64_t i)
{
    sheaf_value value = {.i64 = i};
    return value;
}

/* One of each. */
struct things {
    sheaf_queue in, out; /* out: bound 1, full */
    sheaf_event event;
    sheaf_event once; /* resets itself */
    sheaf_semaphore permits;
    sheaf_mutex mutex; /* held */
    sheaf_future *future;
    SHEAF__ATOMIC(int) waiting;
};

enum { GET, PUT, EVENT, ONCE, PERMIT, MUTEX, FUTURE, CASES };

static void open_things(struct things *t)
{
    memset(t, 0, sizeof *t);
    EXPECT_INT(sheaf_queue_open(&t->in, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_queue_open(&t->out, SHEAF_QUEUE_OPTIONS(.bound = 1)), SHEAF_OK);
    EXPECT_INT(sheaf_queue_put(&t->out, number(1)), SHEAF_OK);
    t->once = (sheaf_event)SHEAF_EVENT_INIT_AUTO_RESET;
    EXPECT_INT(sheaf_lock(&t->mutex), SHEAF_OK);
    t->future = sheaf_promise(NULL);
}

static void list_cases(struct things *t, sheaf_case cases[CASES])
{
    cases[GET] = sheaf_case_get(&t->in);
    cases[PUT] = sheaf_case_put(&t->out, number(2));
    cases[EVENT] = sheaf_case_event(&t->event);
    cases[ONCE] = sheaf_case_event(&t->once);
    cases[PERMIT] = sheaf_case_semaphore(&t->permits);
    cases[MUTEX] = sheaf_case_mutex(&t->mutex);
    cases[FUTURE] = sheaf_case_future(t->future);
}

/* Makes one case ready. */
static void make_ready(struct things *t, int which)
{
    sheaf_value v;
    int status = which == GET      ? sheaf_queue_put(&t->in, number(7))
                 : which == PUT    ? sheaf_queue_get(&t->out, &v)
                 : which == EVENT  ? sheaf_event_set(&t->event)
                 : which == ONCE   ? sheaf_event_set(&t->once)
                 : which == PERMIT ? sheaf_semaphore_release(&t->permits, 1)
                 : which == MUTEX  ? sheaf_unlock(&t->mutex)
                                   : sheaf_resolve(t->future, number(9));
    EXPECT_INT(status, SHEAF_OK);
}

/* Checks that the case was carried out, and takes it back: all is as after open_things(). */
static void take_back(struct things *t, const sheaf_case *cases, int which)
{
    sheaf_value v;
    EXPECT_INT(cases[which].status, SHEAF_OK);
    if (which == GET) {
        EXPECT_INT(cases[GET].value.i64, 7);
    } else if (which == PUT) {
        EXPECT_INT(sheaf_queue_try_get(&t->out, &v), SHEAF_OK);
        EXPECT_INT(v.i64, 2);
        EXPECT_INT(sheaf_queue_put(&t->out, number(1)), SHEAF_OK);
    } else if (which == EVENT) {
        EXPECT_INT(sheaf_event_clear(&t->event), SHEAF_OK);
    } else if (which == FUTURE) {
        EXPECT_INT(cases[FUTURE].value.i64, 9);
        sheaf_release(t->future);
        t->future = sheaf_promise(NULL);
    }
}

/* Nothing is ready, nothing was taken, nobody waits. */
static void expect_untouched(struct things *t)
{
    sheaf_value v;
    EXPECT_INT(sheaf_queue_try_get(&t->in, &v), SHEAF_EMPTY);
    EXPECT_INT(sheaf_queue_size(&t->out), 1);
    EXPECT(!sheaf_event_is_set(&t->event));
    EXPECT(!sheaf_event_is_set(&t->once));
    EXPECT_INT(sheaf_semaphore_value(&t->permits), 0);
    EXPECT(sheaf_locked(&t->mutex));
    EXPECT(!sheaf_done(t->future));
}

/* After this a trace that somebody has left behind would show. */
static void close_things(struct things *t)
{
    sheaf_value v;
    EXPECT_INT(sheaf_queue_put(&t->in, number(3)), SHEAF_OK);
    EXPECT_INT(sheaf_queue_try_get(&t->in, &v), SHEAF_OK);
    EXPECT_INT(sheaf_queue_try_get(&t->out, &v), SHEAF_OK);
    EXPECT_INT(sheaf_queue_try_put(&t->out, v), SHEAF_OK);
    EXPECT_INT(sheaf_event_set(&t->once), SHEAF_OK);
    EXPECT(sheaf_event_is_set(&t->once));
    EXPECT_INT(sheaf_semaphore_release(&t->permits, 1), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_value(&t->permits), 1);
    EXPECT_INT(sheaf_unlock(&t->mutex), SHEAF_OK);
    EXPECT(!sheaf_locked(&t->mutex));
    EXPECT_INT(sheaf_resolve(t->future, number(0)), SHEAF_OK);
    sheaf_release(t->future);
    EXPECT_INT(sheaf_queue_close(&t->in), SHEAF_OK);
    EXPECT_INT(sheaf_queue_close(&t->out), SHEAF_OK);
}

/* ---------------------------------------------------------------- one caller */

static int take_each_that_is_ready(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct things t;
    sheaf_case cases[CASES];
    open_things(&t);
    list_cases(&t, cases);
    for (int i = 0; i < CASES; i++) {
        size_t which = 99;
        EXPECT_INT(sheaf_try_select(cases, CASES, &which), SHEAF_EMPTY);
        EXPECT_INT(which, 99);
        make_ready(&t, i);
        int status = i % 2 ? sheaf_try_select(cases, CASES, &which)
                           : sheaf_select(cases, CASES, INT64_MIN, &which);
        EXPECT_INT(status, SHEAF_OK);
        EXPECT_INT(which, i);
        EXPECT_INT(cases[(i + 1) % CASES].status, SHEAF_STATE);
        take_back(&t, cases, i);
        list_cases(&t, cases);
        expect_untouched(&t);
    }
    close_things(&t);
    return SHEAF_OK;
}

static int take_the_first_of_those_that_are_ready(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct things t;
    sheaf_case cases[CASES];
    open_things(&t);
    list_cases(&t, cases);
    for (int i = CASES - 1; i > 0; i -= 2) {
        make_ready(&t, i);
        make_ready(&t, i - 1);
        size_t which;
        EXPECT_INT(sheaf_select(cases, CASES, SHEAF_FOREVER, &which), SHEAF_OK);
        EXPECT_INT(which, i - 1);
        take_back(&t, cases, i - 1);
        list_cases(&t, cases);
        EXPECT_INT(sheaf_select(cases, CASES, SHEAF_FOREVER, &which), SHEAF_OK);
        EXPECT_INT(which, i);
        take_back(&t, cases, i);
        list_cases(&t, cases);
    }
    close_things(&t);
    return SHEAF_OK;
}

static int time_out_without_a_trace(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct things t;
    sheaf_case cases[CASES];
    size_t which = 99;
    open_things(&t);
    list_cases(&t, cases);
    EXPECT_INT(sheaf_select(cases, CASES, INT64_MIN, &which), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_select(cases, CASES - 1, sheaf_now() + SHEAF_MS(1), &which), SHEAF_TIMEOUT);
    EXPECT_INT(which, 99);
    expect_untouched(&t);
    close_things(&t);
    return SHEAF_OK;
}

static int tell_how_a_case_has_fared(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_queue q;
    size_t which;
    sheaf_future *failed = sheaf_promise(NULL);
    sheaf_future *cancelled = sheaf_promise(NULL);
    EXPECT_INT(sheaf_queue_open(&q, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_queue_shutdown(&q, false), SHEAF_OK);
    EXPECT_INT(sheaf_reject(failed, EIO, "no"), SHEAF_OK);
    EXPECT(sheaf_cancel(cancelled));
    sheaf_case cases[] = {sheaf_case_get(&q), sheaf_case_put(&q, number(1)),
                          sheaf_case_future(failed), sheaf_case_future(cancelled)};
    static const int expected[] = {SHEAF_SHUTDOWN, SHEAF_SHUTDOWN, EIO, SHEAF_CANCELLED};
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(sheaf_select(&cases[i], 1, SHEAF_FOREVER, &which), SHEAF_OK);
        EXPECT_INT(cases[i].status, expected[i]);
    }
    EXPECT_INT(sheaf_queue_close(&q), SHEAF_OK);
    EXPECT_INT(sheaf_select(cases, 4, SHEAF_FOREVER, &which), SHEAF_OK);
    EXPECT_INT(which, 0);
    EXPECT_INT(cases[0].status, SHEAF_CLOSED);
    sheaf_release(failed);
    sheaf_release(cancelled);
    return SHEAF_OK;
}

static int refuse_bad_input(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_event e = SHEAF_EVENT_INIT;
    size_t which;
    sheaf_case cases[3] = {{SHEAF_CASE_NONE, 0, NULL, {NULL}, {0}}};
    EXPECT_INT(sheaf_select(NULL, 1, 0, &which), SHEAF_INVALID);
    EXPECT_INT(sheaf_select(cases, 0, 0, &which), SHEAF_INVALID);
    EXPECT_INT(sheaf_select(cases, 3, 0, &which), SHEAF_INVALID);
    cases[1] = sheaf_case_event(NULL);
    EXPECT_INT(sheaf_select(cases, 3, 0, &which), SHEAF_INVALID);
    EXPECT_INT(sheaf_try_select(cases, 3, &which), SHEAF_INVALID);
    cases[1] = sheaf_case_event(&e);
    EXPECT_INT(sheaf_select(cases, 3, 0, NULL), SHEAF_INVALID);
    cases[2].kind = (sheaf_case_kind)77;
    cases[2].object = &e;
    EXPECT_INT(sheaf_select(cases, 3, 0, &which), SHEAF_INVALID);
    cases[2].kind = SHEAF_CASE_NONE;
    EXPECT_INT(sheaf_event_set(&e), SHEAF_OK);
    EXPECT_INT(sheaf_select(cases, 3, 0, &which), SHEAF_OK);
    EXPECT_INT(which, 1);
    if (sheaf_current()) {
        cases[2] = sheaf_case_future(sheaf_current());
        EXPECT_INT(sheaf_select(cases, 3, 0, &which), SHEAF_STATE);
    }
    return SHEAF_OK;
}

static void a_select_answers_the_same_to_tasks_and_threads(struct fixture *f)
{
    sheaf_fn *const bodies[] = {take_each_that_is_ready, take_the_first_of_those_that_are_ready,
                                time_out_without_a_trace, tell_how_a_case_has_fared,
                                refuse_bad_input};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        EXPECT_INT(bodies[i](NULL, NULL), SHEAF_OK);
        EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, bodies[i], NULL), NULL), SHEAF_OK);
    }
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

/* ---------------------------------------------------------------- waiting */

static int select_all(void *arg, sheaf_value *result)
{
    struct things *t = arg;
    sheaf_case cases[CASES];
    size_t which;
    list_cases(t, cases);
    sheaf__add_acq_rel(&t->waiting, 1);
    SHEAF_TRY(sheaf_select(cases, CASES, SHEAF_FOREVER, &which));
    take_back(t, cases, (int)which);
    result->u64 = which;
    return SHEAF_OK;
}

static void each_case_ends_the_wait_in_every_pairing(struct fixture *f)
{
    struct things t;
    open_things(&t);
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < CASES; i++) {
            struct actor actor;
            actor_start(&actor, (enum actor_kind)kind, f->pool, select_all, &t);
            while (sheaf__load_acq(&t.waiting) == 0) {
                sched_yield();
            }
            for (int k = 0; k < i * 3; k++) {
                sched_yield();
            }
            make_ready(&t, i);
            EXPECT_INT(actor_join(&actor), SHEAF_OK);
            EXPECT_INT(actor.value.u64, i);
            sheaf__store_rel(&t.waiting, 0);
            expect_untouched(&t);
        }
    }
    close_things(&t);
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

/* Yields until so many tasks wait.  Requires: one worker */
static void settle(struct things *t, int count)
{
    while (sheaf__load_acq(&t->waiting) < count) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
}

static int what_a_cancelled_select_was_given_goes_to_the_next(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct things t;
    open_things(&t);
    for (int i = 0; i < CASES; i++) {
        sheaf__store_rel(&t.waiting, 0);
        sheaf_future *tasks[2];
        for (int k = 0; k < 2; k++) {
            tasks[k] = sheaf_spawn(select_all, &t);
            settle(&t, k + 1);
        }
        make_ready(&t, i);
        EXPECT(sheaf_cancel(tasks[0]));
        EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_CANCELLED);
        sheaf_value v = {.u64 = 99};
        EXPECT_INT(sheaf_join(tasks[1], &v), SHEAF_OK);
        EXPECT_INT(v.u64, i);
        expect_untouched(&t);
    }
    close_things(&t);
    return SHEAF_OK;
}

static int a_cancelled_select_leaves_no_trace(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct things t;
    open_things(&t);
    sheaf_future *task = sheaf_spawn(select_all, &t);
    settle(&t, 1);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    expect_untouched(&t);
    close_things(&t);
    return SHEAF_OK;
}

static int a_select_waits_in_line_with_the_others(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct things t;
    open_things(&t);
    sheaf_future *tasks[3];
    for (int k = 0; k < 3; k++) {
        tasks[k] = sheaf_spawn(select_all, &t);
        settle(&t, k + 1);
    }
    static const int order[] = {PERMIT, GET, ONCE};
    for (int k = 0; k < 3; k++) {
        make_ready(&t, order[k]);
        sheaf_value v = {.u64 = 99};
        EXPECT_INT(sheaf_join(tasks[k], &v), SHEAF_OK);
        EXPECT_INT(v.u64, order[k]);
    }
    expect_untouched(&t);
    close_things(&t);
    return SHEAF_OK;
}

static void a_threads_limit_is_kept_by_the_futures_virtual_clock(struct fixture *f)
{
    sheaf_event never = SHEAF_EVENT_INIT;
    sheaf_time start = sheaf_pool_now(f->pool);
    const sheaf_promise_options options = {.size = sizeof options, .pool = f->pool};
    sheaf_future *promise = sheaf_promise(&options);
    sheaf_case cases[] = {sheaf_case_event(&never), sheaf_case_future(promise)};
    size_t which = 99;
    EXPECT_INT(sheaf_select(cases, 2, start + SHEAF_S(3600), &which), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_pool_now(f->pool) - start, SHEAF_S(3600));
    EXPECT_INT(sheaf_select(cases, 2, start, &which), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_pool_now(f->pool) - start, SHEAF_S(3600));
    EXPECT_INT(sheaf_resolve(promise, number(1)), SHEAF_OK);
    sheaf_release(promise);
}

/* ---------------------------------------------------------------- futures */

static int run_callback(void *arg, sheaf_future *future)
{
    (void)future;
    sheaf__add_acq_rel((SHEAF__ATOMIC(int) *)arg, 1);
    return SHEAF_OK;
}

static int a_case_among_callbacks_hears_of_the_end(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF__ATOMIC(int) calls = 0;
    struct things t;
    open_things(&t);
    for (int round = 0; round < 3; round++) {
        EXPECT_INT(sheaf_on_done(t.future, run_callback, (void *)(uintptr_t)&calls), SHEAF_OK);
        sheaf_future *task = sheaf_spawn(select_all, &t);
        settle(&t, round + 1);
        EXPECT_INT(sheaf_on_done(t.future, run_callback, (void *)(uintptr_t)&calls), SHEAF_OK);
        sheaf_future *kept = sheaf_retain(t.future);
        make_ready(&t, FUTURE);
        if (round == 2) {
            sheaf_cancel(task);
        }
        int status = sheaf_join(task, NULL);
        EXPECT(status == (round == 2 ? SHEAF_CANCELLED : SHEAF_OK));
        EXPECT_INT(sheaf_remove_done_and_wait(kept, run_callback, NULL), SHEAF_OK);
        EXPECT_INT(sheaf__load_acq(&calls), 2 * round + 2);
        sheaf_release(kept);
    }
    sheaf_release(t.future);
    t.future = sheaf_promise(NULL);
    close_things(&t);
    return SHEAF_OK;
}

static int resolve_it(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_resolve(arg, number(4));
}

/* Whoever ends the future is done with the case when the select returns. */
static int select_in_own_frame(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    const sheaf_promise_options options = {.size = sizeof options, .pool = f->pool};
    for (size_t i = 0; i < fixture_scaled(400); i++) {
        sheaf_event never = SHEAF_EVENT_INIT;
        sheaf_future *promise = sheaf_promise(&options);
        sheaf_future *resolver = sheaf_spawn_on(f->pool, resolve_it, promise);
        sheaf_case cases[] = {sheaf_case_event(&never), sheaf_case_future(promise)};
        size_t which = 99;
        EXPECT_INT(sheaf_select(cases, 2, SHEAF_FOREVER, &which), SHEAF_OK);
        EXPECT_INT(which, 1);
        EXPECT_INT(cases[1].value.i64, 4);
        memset(cases, 0xaa, sizeof cases);
        const unsigned char *bytes = (const unsigned char *)cases;
        EXPECT_INT(sheaf_join(resolver, NULL), SHEAF_OK);
        for (size_t k = 0; k < sizeof cases; k++) {
            EXPECT_INT(bytes[k], 0xaa);
        }
        sheaf_release(promise);
    }
    return SHEAF_OK;
}

static void cases_may_go_when_the_select_has_returned(struct fixture *f)
{
    for (int kind = 0; kind < 2; kind++) {
        struct actor actor;
        actor_start(&actor, (enum actor_kind)kind, f->pool, select_in_own_frame, f);
        EXPECT_INT(actor_join(&actor), SHEAF_OK);
    }
}

/* ---------------------------------------------------------------- all at once */

struct market {
    sheaf_queue queues[2];
    sheaf_semaphore permits;
    sheaf_mutex mutex;
    int inside; /* guarded by mutex */
    SHEAF__ATOMIC(int) put, got, given, taken;
};

static int trade(void *arg, sheaf_value *result)
{
    struct market *m = arg;
    (void)result;
    for (int i = 0;; i++) {
        sheaf_case cases[] = {
            sheaf_case_get(&m->queues[i % 2]),
            sheaf_case_put(&m->queues[1 - i % 2], number(1)),
            sheaf_case_semaphore(&m->permits),
            sheaf_case_mutex(&m->mutex),
        };
        sheaf_case turned[4];
        for (int k = 0; k < 4; k++) {
            turned[k] = cases[(i + k) % 4];
        }
        size_t which;
        sheaf_time deadline = i % 5 ? SHEAF_FOREVER : sheaf_now() + SHEAF_US(i % 50);
        int status = sheaf_select(turned, 4, deadline, &which);
        if (status != SHEAF_TIMEOUT) {
            SHEAF_TRY(status);
            sheaf_case_kind kind = turned[which].kind;
            SHEAF_TRY(turned[which].status);
            sheaf__add_acq_rel(&m->got, kind == SHEAF_CASE_GET);
            sheaf__add_acq_rel(&m->put, kind == SHEAF_CASE_PUT);
            sheaf__add_acq_rel(&m->taken, kind == SHEAF_CASE_SEMAPHORE);
            if (kind == SHEAF_CASE_MUTEX) {
                EXPECT_INT(m->inside++, 0);
                EXPECT_INT(--m->inside, 0);
                EXPECT_INT(sheaf_unlock(&m->mutex), SHEAF_OK);
            }
        }
        if (i % 7 == 0) {
            sheaf__add_acq_rel(&m->given, 1);
            EXPECT_INT(sheaf_semaphore_release(&m->permits, 1), SHEAF_OK);
        }
        SHEAF_TRY(!sheaf_current() ? SHEAF_OK : i % 8 ? sheaf_checkpoint() : sheaf_yield());
    }
}

/* Mostly a moment on the processor: to give that away can take long on a busy machine. */
static void pause_a_while(unsigned *dice)
{
    unsigned turns = (unsigned)rand_r(dice) % 3000;
    for (unsigned i = 0; i < turns; i++) {
        sheaf__cpu_relax();
    }
    if (turns % 8 == 0) {
        sched_yield();
    }
}

static void cancel_traders(sheaf_future **tasks, int count, unsigned *dice)
{
    for (int i = 0; i < count; i++) {
        pause_a_while(dice);
        EXPECT(sheaf_cancel(tasks[(i * 5) % count]));
    }
    for (int i = 0; i < count; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_CANCELLED);
    }
}

static void settle_accounts(struct market *m)
{
    int left = 0;
    sheaf_value v;
    for (int i = 0; i < 2; i++) {
        while (sheaf_queue_try_get(&m->queues[i], &v) == SHEAF_OK) {
            left++;
        }
        EXPECT_INT(sheaf_queue_close(&m->queues[i]), SHEAF_OK);
    }
    EXPECT_INT(sheaf__load_acq(&m->put), sheaf__load_acq(&m->got) + left);
    EXPECT_INT(sheaf__load_acq(&m->given),
               sheaf__load_acq(&m->taken) + sheaf_semaphore_value(&m->permits));
    EXPECT(!sheaf_locked(&m->mutex));
}

static void nothing_is_lost_or_doubled_by_many_selects(struct fixture *f)
{
    enum { TASKS = 6, THREADS = 2 };
    unsigned dice = 23;
    for (size_t round = 0; round < fixture_scaled(30); round++) {
        struct market m;
        sheaf_future *tasks[TASKS];
        struct actor threads[THREADS];
        memset(&m, 0, sizeof m);
        for (int i = 0; i < 2; i++) {
            EXPECT_INT(sheaf_queue_open(&m.queues[i], SHEAF_QUEUE_OPTIONS(.bound = 2)), SHEAF_OK);
        }
        for (int i = 0; i < TASKS; i++) {
            tasks[i] = sheaf_spawn_on(f->pool, trade, &m);
        }
        for (int i = 0; i < THREADS; i++) {
            actor_start(&threads[i], ACTOR_THREAD, f->pool, trade, &m);
        }
        cancel_traders(tasks, TASKS, &dice);
        for (int i = 0; i < 2; i++) {
            EXPECT_INT(sheaf_queue_shutdown(&m.queues[i], false), SHEAF_OK);
        }
        for (int i = 0; i < THREADS; i++) {
            EXPECT_INT(actor_join(&threads[i]), SHEAF_SHUTDOWN);
        }
        settle_accounts(&m);
    }
}

/* ---------------------------------------------------------------- out of memory */

static int every_allocation_may_fail(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct things t;
    sheaf_case cases[CASES];
    bool failed = true;
    int failures = 0;
    open_things(&t);
    for (long n = 0; failed; n++) {
        size_t which;
        list_cases(&t, cases);
        make_ready(&t, PERMIT);
        sheaf__alloc_fail_after(n, SHEAF__ALLOC_FAIL_ONCE);
        int status = sheaf_select(cases, CASES, SHEAF_FOREVER, &which);
        failed = sheaf__alloc_points() > n;
        sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_ONCE);
        EXPECT_INT(status, failed ? SHEAF_NOMEM : SHEAF_OK);
        failures += status == SHEAF_NOMEM;
        if (status != SHEAF_OK) {
            EXPECT(sheaf_semaphore_try_acquire(&t.permits));
        }
        expect_untouched(&t);
    }
    EXPECT_INT(failures, 1);
    close_things(&t);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    THREAD_TEST(a_select_answers_the_same_to_tasks_and_threads),
    THREAD_TEST(each_case_ends_the_wait_in_every_pairing),
    TASK_TEST_ON(MODES_SINGLE, what_a_cancelled_select_was_given_goes_to_the_next),
    TASK_TEST_ON(MODES_SINGLE, a_cancelled_select_leaves_no_trace),
    TASK_TEST_ON(MODES_SINGLE, a_select_waits_in_line_with_the_others),
    THREAD_TEST_ON(MODES_VIRTUAL, a_threads_limit_is_kept_by_the_futures_virtual_clock),
    TASK_TEST_ON(MODES_SINGLE, a_case_among_callbacks_hears_of_the_end),
    THREAD_TEST(cases_may_go_when_the_select_has_returned),
    THREAD_TEST(nothing_is_lost_or_doubled_by_many_selects),
    TASK_TEST(every_allocation_may_fail),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
