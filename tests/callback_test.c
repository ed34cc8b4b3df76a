/* Callbacks of futures: once, in order, one at a time, on nobody else's stack; and their removal.
 * */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the callbacks of one future leave behind.  A callback arrives at the gate when it ends. */
struct log {
    struct gate gate;
    SHEAF__ATOMIC(int) running;
    int order[64]; /* written by one callback at a time */
    int count;
};

struct entry {
    struct log *log;
    int number;
};

static sheaf_future *promise_on(sheaf_pool *pool)
{
    return sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool));
}

static int write_down(void *arg, sheaf_future *future)
{
    const struct entry *e = arg;
    struct log *log = e->log;
    EXPECT_INT(sheaf__add_acq_rel(&log->running, 1), 0);
    EXPECT(sheaf_done(future));
    EXPECT_PTR(sheaf_current(), NULL);
    if (log->count < 64) {
        log->order[log->count++] = e->number;
    }
    EXPECT_INT(sheaf__sub_acq_rel(&log->running, 1), 1);
    gate_arrive(&log->gate);
    return SHEAF_OK;
}

static void expect_order(const struct log *log, int count)
{
    EXPECT_INT(log->count, count);
    for (int i = 0; i < count; i++) {
        EXPECT_INT(log->order[i], i);
    }
}

/* ---------------------------------------------------------------- running */

/* F6 */
static void callbacks_run_once_in_the_order_of_registration(struct fixture *f)
{
    struct log log = {.gate = GATE_INIT};
    struct entry entries[40];
    sheaf_future *p = promise_on(f->pool);
    for (int i = 0; i < 40; i++) {
        entries[i] = (struct entry){&log, i};
        EXPECT_INT(sheaf_on_done(p, write_down, &entries[i]), SHEAF_OK);
    }
    EXPECT_INT(gate_count(&log.gate), 0);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    gate_wait(&log.gate, 40);
    EXPECT_INT(sheaf_remove_done_and_wait(p, write_down, NULL), SHEAF_OK);
    expect_order(&log, 40);
    sheaf_release(p);
}

/* Callbacks that are added while others run and after all have run come behind them. (F9) */
static void a_finished_future_takes_callbacks_too(struct fixture *f)
{
    struct log log = {.gate = GATE_INIT};
    struct entry entries[40];
    sheaf_future *p = promise_on(f->pool);
    for (int i = 0; i < 40; i++) {
        entries[i] = (struct entry){&log, i};
        if (i == 10) {
            EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
        } else if (i > 30) {
            gate_wait(&log.gate, (unsigned long)i);
        }
        EXPECT_INT(sheaf_on_done(p, write_down, &entries[i]), SHEAF_OK);
    }
    gate_wait(&log.gate, 40);
    expect_order(&log, 40);
    sheaf_release(p);
}

static int give_five(void *arg, sheaf_value *result)
{
    (void)arg;
    SHEAF_TRY(sheaf_yield());
    result->i64 = 5;
    return SHEAF_OK;
}

static int read_value(void *arg, sheaf_future *future)
{
    sheaf_value value = {0};
    EXPECT_INT(sheaf_result(future, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 5);
    gate_arrive(arg);
    return SHEAF_OK;
}

static void the_callback_of_a_task_reads_its_value(struct fixture *f)
{
    struct gate gate = GATE_INIT;
    for (int i = 0; i < 30; i++) {
        sheaf_future *task = sheaf_spawn_on(f->pool, give_five, NULL);
        EXPECT_INT(sheaf_on_done(task, read_value, &gate), SHEAF_OK);
        sheaf_release(task);
    }
    gate_wait(&gate, 30);
}

/* The thread that is inside of a registration or a completion, 0 when none is. */
struct stack_watch {
    SHEAF__ATOMIC(long) inside;
    struct gate gate;
};

static int not_on_that_stack(void *arg, sheaf_future *future)
{
    struct stack_watch *w = arg;
    (void)future;
    EXPECT(sheaf__load_acq(&w->inside) != syscall(SYS_gettid));
    gate_arrive(&w->gate);
    return SHEAF_OK;
}

static int complete_and_register(void *arg, sheaf_value *result)
{
    struct stack_watch *w = arg;
    (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    EXPECT_INT(sheaf_on_done(p, not_on_that_stack, w), SHEAF_OK);
    sheaf__store_rel(&w->inside, syscall(SYS_gettid));
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(p, not_on_that_stack, w), SHEAF_OK);
    sheaf__store_rel(&w->inside, 0);
    sheaf_release(p);
    return SHEAF_OK;
}

/* P2 */
static void no_callback_runs_on_the_stack_of_who_completes_or_registers(struct fixture *f)
{
    struct stack_watch w = {.gate = GATE_INIT};
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, complete_and_register, &w), NULL), SHEAF_OK);
    EXPECT_INT(complete_and_register(&w, NULL), SHEAF_OK);
    gate_wait(&w.gate, 4);
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

static int fail_callback(void *arg, sheaf_future *future)
{
    (void)arg, (void)future;
    return EIO;
}

/* F10 */
static void a_callback_that_fails_is_reported_and_the_others_run(struct fixture *f)
{
    struct log log = {.gate = GATE_INIT};
    struct entry entries[2] = {{&log, 0}, {&log, 1}};
    sheaf_future *p = promise_on(f->pool);
    EXPECT_INT(sheaf_on_done(p, write_down, &entries[0]), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(p, fail_callback, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(p, write_down, &entries[1]), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){.i64 = 3}), SHEAF_OK);
    gate_wait(&log.gate, 2);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(p, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 3);
    sheaf_release(p);
    fixture_close(f);
    expect_order(&log, 2);
    f->unhandled_expected = 1;
    EXPECT_INT(f->unhandled_code, EIO);
}

static int register_another(void *arg, sheaf_future *future)
{
    struct entry *entries = arg;
    EXPECT_INT(sheaf_on_done(future, write_down, &entries[1]), SHEAF_OK);
    return write_down(&entries[0], future);
}

static void a_callback_may_register_and_spawn(struct fixture *f)
{
    struct log log = {.gate = GATE_INIT};
    struct entry entries[3] = {{&log, 0}, {&log, 2}, {&log, 1}};
    sheaf_future *p = promise_on(f->pool);
    EXPECT_INT(sheaf_on_done(p, register_another, entries), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(p, write_down, &entries[2]), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    gate_wait(&log.gate, 3);
    expect_order(&log, 3);
    sheaf_release(p);
}

/* ---------------------------------------------------------------- beside awaiters */

struct before {
    SHEAF__ATOMIC(int) ran;
    sheaf_future *promise;
};

static int mark_ran(void *arg, sheaf_future *future)
{
    struct before *b = arg;
    (void)future;
    sheaf__store_rel(&b->ran, 1);
    return SHEAF_OK;
}

static int await_after_the_callback(void *arg, sheaf_value *result)
{
    struct before *b = arg;
    SHEAF_TRY(fixture_rest(b->promise, result));
    EXPECT_INT(sheaf__load_acq(&b->ran), 1);
    return SHEAF_OK;
}

/* P3, F12 */
static int a_callback_registered_before_a_wait_has_run_when_it_ends(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 20; i++) {
        struct before b = {.promise = sheaf_promise(NULL)};
        EXPECT_INT(sheaf_on_done(b.promise, mark_ran, &b), SHEAF_OK);
        sheaf_future *waiter = sheaf_spawn(await_after_the_callback, &b);
        fixture_settle(1);
        EXPECT_INT(sheaf_resolve(b.promise, (sheaf_value){0}), SHEAF_OK);
        EXPECT_INT(sheaf_join(waiter, NULL), SHEAF_OK);
        sheaf_release(b.promise);
    }
    return SHEAF_OK;
}

static int resolve_after_a_while(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    return sheaf_resolve(arg, (sheaf_value){0});
}

static int await_for_a_while(void *arg, sheaf_value *result)
{
    int status = sheaf_await_for(arg, SHEAF_MS(1), result);
    EXPECT(status == SHEAF_OK || status == SHEAF_TIMEOUT);
    return SHEAF_OK;
}

/* The promise is resolved when the limit of its awaiter has passed and the awaiter has not run yet.
 * Between the two lies a callback, whose turn on the only worker comes after the awaiter's. */
static int let_a_limit_and_a_callback_meet(void *arg, sheaf_value *result)
{
    struct log *log = arg;
    (void)result;
    struct entry entry = {log, 0};
    sheaf_future *p = sheaf_promise(NULL);
    EXPECT_INT(sheaf_on_done(p, write_down, &entry), SHEAF_OK);
    sheaf_future *resolver = sheaf_spawn(resolve_after_a_while, p);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    sheaf_future *awaiter = sheaf_spawn(await_for_a_while, p);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_join(awaiter, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(resolver, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_remove_done_and_wait(p, write_down, NULL), SHEAF_OK);
    EXPECT_INT(log->count, 1);
    sheaf_release(p);
    return SHEAF_OK;
}

static void an_awaiter_that_gives_up_does_not_wait_for_callbacks(struct fixture *f)
{
    struct log log = {.gate = GATE_INIT};
    sheaf_options options = fixture_options(f);
    options.workers = 1;
    options.clock = SHEAF_CLOCK_VIRTUAL;
    EXPECT_INT(sheaf_run(&options, let_a_limit_and_a_callback_meet, &log, NULL), SHEAF_OK);
}

/* ---------------------------------------------------------------- removing */

static void a_removed_callback_never_runs(struct fixture *f)
{
    struct log log = {.gate = GATE_INIT};
    struct entry entries[4] = {{&log, 0}, {&log, 7}, {&log, 1}, {&log, 8}};
    sheaf_future *p = promise_on(f->pool);
    EXPECT_INT(sheaf_on_done(p, write_down, &entries[0]), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(sheaf_on_done(p, write_down, &entries[1]), SHEAF_OK);
    }
    EXPECT_INT(sheaf_on_done(p, write_down, &entries[2]), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(p, write_down, &entries[3]), SHEAF_OK);
    EXPECT_INT(sheaf_remove_done(p, write_down, &entries[1]), 3);
    EXPECT_INT(sheaf_remove_done(p, write_down, &entries[1]), 0);
    EXPECT_INT(sheaf_remove_done(p, mark_ran, &entries[0]), 0);
    EXPECT_INT(sheaf_remove_done(p, write_down, NULL), 0);
    EXPECT_INT(sheaf_remove_done_and_wait(p, write_down, &entries[3]), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    gate_wait(&log.gate, 2);
    EXPECT_INT(sheaf_remove_done_and_wait(p, write_down, NULL), SHEAF_OK);
    expect_order(&log, 2);
    sheaf_release(p);
}

/* F7 */
static void the_same_callback_runs_as_often_as_it_was_registered(struct fixture *f)
{
    struct gate gate = GATE_INIT;
    sheaf_future *task = sheaf_spawn_on(f->pool, give_five, NULL);
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(sheaf_on_done(task, read_value, &gate), SHEAF_OK);
    }
    gate_wait(&gate, 5);
    EXPECT_INT(sheaf_remove_done_and_wait(task, read_value, &gate), SHEAF_OK);
    EXPECT_INT(gate_count(&gate), 5);
    sheaf_release(task);
}

struct remover {
    struct gate started, go;
    SHEAF__ATOMIC(int) ended;
    int within;
};

static int run_slowly(void *arg, sheaf_future *future)
{
    struct remover *r = arg;
    r->within = sheaf_remove_done_and_wait(future, run_slowly, arg);
    gate_arrive(&r->started);
    gate_wait(&r->go, 1);
    sheaf__store_rel(&r->ended, 1);
    return SHEAF_OK;
}

static void *let_go(void *arg)
{
    struct remover *r = arg;
    gate_wait(&r->started, 1);
    gate_arrive(&r->go);
    return NULL;
}

/* F8 */
static void remove_and_wait_returns_when_no_callback_runs(struct fixture *f)
{
    struct remover r = {.started = GATE_INIT, .go = GATE_INIT};
    sheaf_future *p = promise_on(f->pool);
    EXPECT_INT(sheaf_on_done(p, run_slowly, &r), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    gate_wait(&r.started, 1);
    EXPECT_INT(sheaf_remove_done(p, run_slowly, &r), 0);
    pthread_t helper;
    EXPECT_INT(pthread_create(&helper, NULL, let_go, &r), 0);
    EXPECT_INT(sheaf_remove_done_and_wait(p, run_slowly, &r), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&r.ended), 1);
    EXPECT_INT(r.within, SHEAF_STATE);
    pthread_join(helper, NULL);
    sheaf_release(p);
}

/* Registrations race with the completion and with removals: each runs once or was removed. */
static int count_run(void *arg, sheaf_future *future)
{
    (void)future;
    gate_arrive(arg);
    return SHEAF_OK;
}

static int resolve_it(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_resolve(arg, (sheaf_value){0});
}

static void a_registration_that_meets_the_completion_is_not_lost(struct fixture *f)
{
    for (size_t round = 0; round < fixture_scaled(200); round++) {
        struct gate gates[8];
        sheaf_future *p = promise_on(f->pool);
        sheaf_future *completer = sheaf_spawn_on(f->pool, resolve_it, p);
        size_t removed = 0;
        for (int i = 0; i < 8; i++) {
            gates[i] = (struct gate)GATE_INIT;
            EXPECT_INT(sheaf_on_done(p, count_run, &gates[i]), SHEAF_OK);
            removed += i % 2 ? sheaf_remove_done(p, count_run, &gates[i]) : 0;
        }
        EXPECT_INT(sheaf_join(completer, NULL), SHEAF_OK);
        for (int i = 0; i < 8; i += 2) {
            gate_wait(&gates[i], 1);
        }
        EXPECT_INT(sheaf_remove_done_and_wait(p, count_run, NULL), SHEAF_OK);
        size_t ran = 0;
        for (int i = 0; i < 8; i++) {
            ran += gate_count(&gates[i]);
        }
        EXPECT_INT(ran + removed, 8);
        sheaf_release(p);
    }
}

static void a_callback_needs_a_pool_that_can_run_it(struct fixture *f)
{
    sheaf_future *task = sheaf_spawn_on(f->pool, give_five, NULL);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_OK);
    fixture_close(f);
    struct gate gate = GATE_INIT;
    EXPECT_INT(sheaf_on_done(task, read_value, &gate), SHEAF_CLOSED);
    EXPECT_INT(gate_count(&gate), 0);
    sheaf_release(task);
}

/* ---------------------------------------------------------------- on their own */

static int sleep_and_mark(void *arg, sheaf_future *future)
{
    struct before *b = arg;
    (void)future;
    EXPECT_INT(sheaf_sleep(SHEAF_MS(5)), SHEAF_OK);
    sheaf__store_rel(&b->ran, 1);
    return SHEAF_OK;
}

static int expect_mark(void *arg, sheaf_future *future)
{
    struct before *b = arg;
    (void)future;
    EXPECT_INT(sheaf__add_acq_rel(&b->ran, 1), 1);
    return SHEAF_OK;
}

static int a_callback_that_suspends_holds_up_the_next(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct before b = {.promise = sheaf_promise(NULL)};
    EXPECT_INT(sheaf_on_done(b.promise, sleep_and_mark, &b), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(b.promise, expect_mark, &b), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(b.promise, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_remove_done_and_wait(b.promise, mark_ran, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&b.ran), 2);
    sheaf_release(b.promise);
    return SHEAF_OK;
}

static int wait_for_callbacks(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_remove_done_and_wait(arg, mark_ran, NULL);
}

/* Before the callback has started, and while it sleeps. */
static int a_request_to_who_waits_for_callbacks_does_not_reach_them(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int turns = 0; turns < 5; turns += 4) {
        struct before b = {.promise = sheaf_promise(NULL)};
        EXPECT_INT(sheaf_on_done(b.promise, sleep_and_mark, &b), SHEAF_OK);
        EXPECT_INT(sheaf_resolve(b.promise, (sheaf_value){0}), SHEAF_OK);
        sheaf_future *waiter = sheaf_spawn(wait_for_callbacks, b.promise);
        for (int i = 0; i < turns; i++) {
            EXPECT_INT(sheaf_yield(), SHEAF_OK);
        }
        EXPECT(sheaf_cancel(waiter));
        EXPECT_INT(sheaf_join(waiter, NULL), SHEAF_CANCELLED);
        EXPECT_INT(sheaf_remove_done_and_wait(b.promise, mark_ran, NULL), SHEAF_OK);
        EXPECT_INT(sheaf__load_acq(&b.ran), 1);
        sheaf_release(b.promise);
    }
    return SHEAF_OK;
}

static const sheaf_local mood = {.name = "mood"};
static char good[] = "good";

static int set_mood(void *arg, sheaf_future *future)
{
    (void)arg, (void)future;
    EXPECT_INT(sheaf_local_set(&mood, good), SHEAF_OK);
    return SHEAF_OK;
}

static int expect_no_mood(void *arg, sheaf_future *future)
{
    (void)arg, (void)future;
    EXPECT_PTR(sheaf_local_get(&mood), NULL);
    return SHEAF_OK;
}

static int a_value_set_in_a_callback_is_not_seen_by_the_next(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    EXPECT_INT(sheaf_on_done(p, set_mood, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(p, expect_no_mood, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_remove_done_and_wait(p, mark_ran, NULL), SHEAF_OK);
    sheaf_release(p);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- never */

/* Nobody can complete it any more: the callback goes with it. */
static void a_promise_that_everybody_has_dropped_leaves_no_callback(struct fixture *f)
{
    struct log log = {.gate = GATE_INIT};
    struct entry e = {&log, 0};
    sheaf_future *p = promise_on(f->pool);
    EXPECT_INT(sheaf_on_done(p, write_down, &e), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(p, write_down, &e), SHEAF_OK);
    sheaf_release(p);
    expect_order(&log, 0);
}

static const struct fixture_test tests[] = {
    THREAD_TEST(callbacks_run_once_in_the_order_of_registration),
    THREAD_TEST(a_finished_future_takes_callbacks_too),
    THREAD_TEST(the_callback_of_a_task_reads_its_value),
    THREAD_TEST(no_callback_runs_on_the_stack_of_who_completes_or_registers),
    THREAD_TEST(a_callback_that_fails_is_reported_and_the_others_run),
    THREAD_TEST(a_callback_may_register_and_spawn),
    TASK_TEST_ON(MODES_SINGLE, a_callback_registered_before_a_wait_has_run_when_it_ends),
    POOL_TEST_ON(MODES_SINGLE, an_awaiter_that_gives_up_does_not_wait_for_callbacks),
    THREAD_TEST(a_removed_callback_never_runs),
    THREAD_TEST(the_same_callback_runs_as_often_as_it_was_registered),
    THREAD_TEST(remove_and_wait_returns_when_no_callback_runs),
    THREAD_TEST(a_registration_that_meets_the_completion_is_not_lost),
    THREAD_TEST(a_callback_needs_a_pool_that_can_run_it),
    THREAD_TEST(a_promise_that_everybody_has_dropped_leaves_no_callback),
    TASK_TEST(a_callback_that_suspends_holds_up_the_next),
    TASK_TEST_ON(MODES_SINGLE, a_request_to_who_waits_for_callbacks_does_not_reach_them),
    TASK_TEST(a_value_set_in_a_callback_is_not_seen_by_the_next),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
