/* Limits: scopes and who may use them, waiting with a limit for whatever can be waited for, and
 * deadlines that are handed down. */
#include "tests/support/fixture.h"
#include "tests/support/members.h"
#include "tests/support/pairings.h"

#include <errno.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- scopes: misuse */

static int arguments_that_make_no_sense_are_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope = {{0}};
    EXPECT_INT(sheaf_timeout_begin(NULL, 1, 0), SHEAF_INVALID);
    EXPECT_INT(sheaf_timeout_begin(&scope, 1, 2), SHEAF_INVALID);
    EXPECT_INT(sheaf_timeout_begin_until(&scope, 1, 0x80000000U), SHEAF_INVALID);
    EXPECT_INT(sheaf_timeout_end(NULL, SHEAF_OK), SHEAF_INVALID);
    EXPECT_INT(sheaf_timeout_end(&scope, EIO), SHEAF_STATE);
    EXPECT_INT(sheaf_timeout_reschedule(NULL, 1), SHEAF_INVALID);
    EXPECT_INT(sheaf_timeout_reschedule(&scope, SHEAF_FOREVER), SHEAF_STATE);
    EXPECT(sheaf_timeout_when(NULL) == SHEAF_FOREVER);
    EXPECT(!sheaf_timeout_expired(NULL) && !sheaf_timeout_expired(&scope));
    EXPECT_INT(sheaf_wait_for(NULL, 1, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_wait_for_until(NULL, 1, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_call_for(NULL, NULL, 1, NULL), SHEAF_INVALID);
    return SHEAF_OK;
}

static int use_someone_elses_scope(void *arg, sheaf_value *result)
{
    sheaf_timeout *scope = arg;
    (void)result;
    EXPECT_INT(sheaf_timeout_end(scope, SHEAF_OK), SHEAF_NOTASK);
    EXPECT_INT(sheaf_timeout_reschedule(scope, SHEAF_FOREVER), SHEAF_OK);
    EXPECT(!sheaf_timeout_expired(scope));
    EXPECT(sheaf_timeout_when(scope) == SHEAF_FOREVER);
    return SHEAF_OK;
}

static int scopes_are_ended_in_order_by_who_began_them(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout outer, inner;
    sheaf_group group;
    EXPECT_INT(sheaf_timeout_begin(&outer, SHEAF_S(100), 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin(&outer, SHEAF_S(100), 0), SHEAF_STATE);
    EXPECT_INT(sheaf_timeout_begin(&inner, SHEAF_S(100), 0), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin(&outer, SHEAF_S(100), 0), SHEAF_STATE);
    EXPECT_INT(sheaf_timeout_end(&outer, EIO), SHEAF_STATE);
    expect_end(sheaf_spawn(use_someone_elses_scope, &inner), SHEAF_OK);
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_end(&inner, EIO), SHEAF_STATE);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_end(&inner, EIO), EIO);
    EXPECT_INT(sheaf_timeout_end(&inner, EIO), SHEAF_STATE);
    EXPECT_INT(sheaf_timeout_reschedule(&inner, 1), SHEAF_STATE);
    EXPECT_INT(sheaf_timeout_end(&outer, SHEAF_OK), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin(&outer, SHEAF_FOREVER, SHEAF_TIMEOUT_INHERIT), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_end(&outer, 17), 17);
    return SHEAF_OK;
}

static int call_nobody(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT(false);
    return SHEAF_OK;
}

static void a_plain_thread_has_no_scopes(struct fixture *f)
{
    (void)f;
    sheaf_timeout scope = {{0}};
    EXPECT_INT(sheaf_timeout_begin(&scope, 1, 0), SHEAF_NOTASK);
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_OK), SHEAF_NOTASK);
    EXPECT_INT(sheaf_call_for(call_nobody, NULL, SHEAF_S(1), NULL), SHEAF_NOTASK);
}

/* ---------------------------------------------------------------- scopes: many, and moved */

enum { DEEP = 200 };

/* All expire at once: one request is delivered, and the outermost is the timeout. */
/* They take no more than their number: the square of it would take minutes. */
static int scopes_may_be_very_deep(void *arg, sheaf_value *result)
{
    enum { DEPTH = 300000 };
    (void)arg, (void)result;
    sheaf_timeout *scopes = calloc(DEPTH, sizeof *scopes);
    EXPECT(scopes != NULL);
    for (int i = 0; i < DEPTH; i++) {
        SHEAF_TRY(sheaf_timeout_begin(&scopes[i], SHEAF_S(100), 0));
    }
    for (int i = DEPTH; i-- > 0;) {
        SHEAF_TRY(sheaf_timeout_end(&scopes[i], SHEAF_OK));
    }
    free(scopes);
    return SHEAF_OK;
}

static int deep_scopes_expire_together(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static sheaf_timeout scopes[DEEP];
    sheaf_time deadline = sheaf_time_add(sheaf_now(), SHEAF_MS(2));
    for (int i = 0; i < DEEP; i++) {
        EXPECT_INT(sheaf_timeout_begin_until(&scopes[i], deadline, 0), SHEAF_OK);
    }
    int status = sheaf_sleep(SHEAF_S(100));
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_TIMEOUT);
    while (!sheaf_timeout_expired(&scopes[0])) {
        /* On several threads the rest of the timers may be on their way. */
        EXPECT_INT(sheaf_mask_begin(), SHEAF_OK);
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
        EXPECT_INT(sheaf_mask_end(), SHEAF_OK);
    }
    for (int i = DEEP; i-- > 0;) {
        status = sheaf_timeout_end(&scopes[i], status);
        EXPECT(status == SHEAF_TIMEOUT || status == SHEAF_CANCELLED);
    }
    EXPECT_INT(status, SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    return SHEAF_OK;
}

struct moved {
    sheaf_timeout scope;
    SHEAF__ATOMIC(int) begun, stop;
};

/* Moves a deadline to and fro until it is told that it is too late, or to stop. */
static int move_about(void *arg, sheaf_value *result)
{
    struct moved *m = arg;
    (void)result;
    while (!sheaf__load_acq(&m->begun)) {
        SHEAF_TRY(sheaf_sleep(SHEAF_US(1)));
    }
    for (int i = 0; !sheaf__load_acq(&m->stop); i++) {
        sheaf_time soon = sheaf_time_add(sheaf_pool_now(NULL), SHEAF_US(i % 50));
        sheaf_time when = i % 3 == 0 ? SHEAF_FOREVER : i % 3 == 1 ? soon + SHEAF_S(9) : soon;
        int status = sheaf_timeout_reschedule(&m->scope, when);
        EXPECT(status == SHEAF_OK || status == SHEAF_STATE);
        if (sheaf_current()) {
            EXPECT_INT(sheaf_yield(), SHEAF_OK);
        }
    }
    return SHEAF_OK;
}

static int be_moved(void *arg, sheaf_value *result)
{
    struct moved *m = arg;
    (void)result;
    EXPECT_INT(sheaf_timeout_begin(&m->scope, SHEAF_US(300), 0), SHEAF_OK);
    sheaf__store_rel(&m->begun, 1);
    int status = SHEAF_OK;
    for (int i = 0; i < 20 && status == SHEAF_OK; i++) {
        status = sheaf_sleep(SHEAF_US(20));
    }
    bool expired = sheaf_timeout_expired(&m->scope);
    EXPECT(status == SHEAF_OK || expired);
    int end = sheaf_timeout_end(&m->scope, status);
    EXPECT_INT(end, status == SHEAF_CANCELLED ? SHEAF_TIMEOUT : SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    sheaf__store_rel(&m->stop, 1);
    return SHEAF_OK;
}

static void deadlines_are_moved_by_tasks_and_threads(struct fixture *f)
{
    for (size_t i = 0; i < 2 * (10 + fixture_scaled(100)); i++) {
        struct moved m = {.begun = 0};
        struct actor owner, mover;
        actor_start(&owner, ACTOR_TASK, f->pool, be_moved, &m);
        actor_start(&mover, i % 2 ? ACTOR_THREAD : ACTOR_TASK, f->pool, move_about, &m);
        EXPECT_INT(actor_join(&owner), SHEAF_OK);
        EXPECT_INT(actor_join(&mover), SHEAF_OK);
    }
}

/* TO15, TO19: requests of others around an expiry are counted, delivered once, and never lost. */
static int expire_and_be_asked(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF__ATOMIC(int) *heard = arg;
    for (int i = 0; i < 40; i++) {
        sheaf_timeout scope;
        SHEAF_TRY(sheaf_timeout_begin(&scope, SHEAF_US(i % 4 * 15), 0));
        int status = sheaf_timeout_end(&scope, sheaf_sleep(SHEAF_US(30)));
        /* One that came before the scope and was delivered with its expiry is in the count (TO16).
         * */
        if (status == SHEAF_CANCELLED || (status == SHEAF_TIMEOUT && sheaf_cancelling(NULL) > 0)) {
            EXPECT_INT(sheaf_cancelling(NULL), 1);
            sheaf__add_acq_rel(heard, 1);
        }
        EXPECT(status == SHEAF_OK || status == SHEAF_TIMEOUT || status == SHEAF_CANCELLED);
    }
    if (sheaf_checkpoint() == SHEAF_CANCELLED) {
        sheaf__add_acq_rel(heard, 1);
    }
    return SHEAF_OK;
}

static void requests_of_others_are_heard_among_timeouts(struct fixture *f)
{
    for (size_t i = 0; i < 10 + fixture_scaled(200); i++) {
        SHEAF__ATOMIC(int) heard = 0;
        sheaf_future *task =
            sheaf_spawn_on(f->pool, expire_and_be_asked, (void *)(uintptr_t)&heard);
        if (i % 2) {
            EXPECT_INT(sheaf_await_for(task, SHEAF_US(i % 7 * 40), NULL) == SHEAF_INVALID, false);
        }
        bool asked = sheaf_cancel(task);
        int status = sheaf_await(task, NULL);
        if (asked) {
            EXPECT_INT(sheaf_cancelling(task), 1);
            /* It never ran, or heard of it, or its value gave way to it. */
            EXPECT(status == SHEAF_CANCELLED || sheaf__load_acq(&heard) > 0);
        } else {
            EXPECT_INT(status, SHEAF_OK);
        }
        sheaf_release(task);
    }
}

/* ---------------------------------------------------------------- sheaf_call_for() */

static int sleep_and_give_six(void *arg, sheaf_value *result)
{
    SHEAF_TRY(sheaf_sleep(*(const sheaf_duration *)arg));
    result->i64 = 6;
    return SHEAF_OK;
}

static int swallow_a_sleep(void *arg, sheaf_value *result)
{
    EXPECT_INT(sheaf_sleep(*(const sheaf_duration *)arg), SHEAF_CANCELLED);
    result->i64 = 7;
    return SHEAF_OK;
}

static int a_call_is_cut_short_by_its_limit(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_duration no_time = 0, long_time = SHEAF_S(100);
    sheaf_value value = {.i64 = 1};
    EXPECT_INT(sheaf_call_for(sleep_and_give_six, &no_time, SHEAF_S(100), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 6);
    EXPECT_INT(sheaf_call_for(sleep_and_give_six, &no_time, SHEAF_FOREVER, NULL), SHEAF_OK);
    static const sheaf_duration limits[4] = {INT64_MIN, -1, 0, SHEAF_MS(1)};
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(sheaf_call_for(sleep_and_give_six, &long_time, limits[i], &value),
                   SHEAF_TIMEOUT);
        EXPECT_INT(value.i64, 6);
        EXPECT_INT(sheaf_call_for(swallow_a_sleep, &long_time, limits[i], &value), SHEAF_OK);
        EXPECT_INT(value.i64, 7);
        value.i64 = 6;
        EXPECT_INT(sheaf_call_for(fail_with_eio, NULL, limits[i], &value), EIO);
    }
    EXPECT_INT(value.i64, 6);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- sheaf_wait_for() */

enum kind { PROMISE, TASK, SWALLOWER, FAILER, GATHER, COLLECTOR, NESTED, SHIELD, KINDS };

/* A future of that kind that waits for the promise, and what it waits through. */
static sheaf_future *make_kind(sheaf_pool *pool, enum kind kind, sheaf_future *promise)
{
    sheaf_future *inner = sheaf_gather_future(&promise, 1, SHEAF_GATHER_JOIN);
    sheaf_future *made = NULL;
    switch (kind) {
    case PROMISE:
        made = sheaf_retain(promise);
        break;
    case TASK:
        made = sheaf_spawn_on(pool, await_it, promise);
        break;
    case SWALLOWER:
        made = sheaf_spawn_on(pool, await_and_swallow, promise);
        break;
    case FAILER:
        made = sheaf_spawn_on(pool, await_and_fail, promise);
        break;
    case GATHER:
        made = sheaf_gather_future(&promise, 1, SHEAF_GATHER_RAISE);
        break;
    case COLLECTOR:
        made = sheaf_gather_future(&promise, 1, SHEAF_GATHER_COLLECT);
        break;
    case NESTED:
        made = sheaf_gather_future(&inner, 1, SHEAF_GATHER_RAISE);
        break;
    default:
        made = sheaf_shield(promise);
        break;
    }
    sheaf_release(inner);
    return made;
}

struct limited {
    sheaf_pool *pool;
    sheaf_duration limit;
    enum kind kind;
};

static int expect_expiry(void *arg, sheaf_value *result)
{
    const struct limited *l = arg;
    (void)result;
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = l->pool));
    sheaf_future *inner = make_kind(l->pool, l->kind, promise);
    sheaf_value value = {.i64 = 1};
    int status = sheaf_wait_for(inner, l->limit, &value);
    EXPECT(sheaf_done(inner));
    /* Asked before it ran a task never ran, and so had nothing to swallow. */
    bool ran = !sheaf_cancelled(inner);
    if (l->kind == SWALLOWER && ran) {
        EXPECT_INT(status, SHEAF_OK);
        EXPECT_INT(value.i64, 9);
    } else {
        EXPECT_INT(status, l->kind == FAILER && ran ? EPIPE : SHEAF_TIMEOUT);
        EXPECT_INT(value.i64, 1);
    }
    EXPECT(l->kind != SHIELD || !sheaf_done(promise));
    (void)sheaf_try_resolve(promise, number(0)); /* gathers hold themselves until they end */
    EXPECT(!sheaf_current() || sheaf_cancelling(NULL) == 0);
    sheaf_release(inner);
    sheaf_release(promise);
    return SHEAF_OK;
}

static void a_limit_ends_futures_of_every_kind(struct fixture *f)
{
    static const sheaf_duration limits[3] = {-1, 0, SHEAF_MS(1)};
    for (int kind = ACTOR_TASK; kind <= ACTOR_THREAD; kind++) {
        for (int i = 0; i < 3 * KINDS; i++) {
            struct limited l = {f->pool, limits[i % 3], (enum kind)(i / 3)};
            struct actor waiter;
            actor_start(&waiter, (enum actor_kind)kind, f->pool, expect_expiry, &l);
            EXPECT_INT(actor_join(&waiter), SHEAF_OK);
        }
    }
}

static int wait_long_for(void *arg, sheaf_value *result)
{
    return sheaf_wait_for(arg, SHEAF_S(100), result);
}

static int resolve_with_five(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT(sheaf_try_resolve(arg, number(5)));
    return SHEAF_OK;
}

static void tasks_and_threads_wait_with_limits_for_what_others_end(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct actor waiter, completer;
        sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
        sheaf_clock_hold(f->pool); /* until a promise in a thread's hands is resolved */
        actor_start(&waiter, pairing_first(pairing), f->pool, wait_long_for, promise);
        actor_start(&completer, pairing_second(pairing), f->pool, resolve_with_five, promise);
        EXPECT_INT(actor_join(&waiter), SHEAF_OK);
        EXPECT_INT(waiter.value.i64, 5);
        EXPECT_INT(actor_join(&completer), SHEAF_OK);
        sheaf_clock_release(f->pool);
        sheaf_release(promise);
    }
}

/* WF6, WF8: a request to the caller goes to the inner future, whatever that makes of it. */
static int a_request_to_the_caller_reaches_the_inner(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const int outcomes[KINDS] = {SHEAF_CANCELLED, SHEAF_CANCELLED, SHEAF_OK,
                                        EPIPE,           SHEAF_CANCELLED, SHEAF_CANCELLED,
                                        SHEAF_CANCELLED, SHEAF_CANCELLED};
    for (int kind = 0; kind < KINDS; kind++) {
        sheaf_future *promise = sheaf_promise(NULL);
        sheaf_future *inner = make_kind(sheaf_pool_current(), (enum kind)kind, promise);
        if (kind >= TASK && kind <= FAILER) {
            fixture_settle(1);
        }
        sheaf_future *caller = sheaf_spawn(wait_long_for, inner);
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
        EXPECT(sheaf_cancel(caller));
        EXPECT_INT(sheaf_await(caller, NULL), outcomes[kind]);
        EXPECT(sheaf_done(inner));
        EXPECT_INT(sheaf_cancelling(caller), 1);
        EXPECT_INT(sheaf_done(promise), kind != SHIELD);
        (void)sheaf_try_resolve(promise, number(0));
        sheaf_release(caller);
        sheaf_release(inner);
        sheaf_release(promise);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- handing a deadline down */

static int sleep_long(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(100));
}

static int spawn_a_sleeper(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *child = sheaf_spawn(sleep_long, NULL);
    /* The limit of both passes at once; who is asked first asks the child, too. */
    int status = sheaf_await(child, NULL);
    EXPECT(status == SHEAF_TIMEOUT || status == SHEAF_CANCELLED);
    sheaf_release(child);
    return SHEAF_OK;
}

static int children_have_the_deadline_of_the_scope(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_timeout scope, later;
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_MS(2), SHEAF_TIMEOUT_INHERIT), SHEAF_OK);
    EXPECT_INT(sheaf_timeout_begin(&later, SHEAF_S(50), SHEAF_TIMEOUT_INHERIT), SHEAF_OK);
    sheaf_future *child = sheaf_spawn(sleep_long, NULL);
    EXPECT_INT(sheaf_timeout_end(&later, SHEAF_OK), SHEAF_OK);
    sheaf_future *parent = sheaf_spawn(spawn_a_sleeper, NULL);
    EXPECT_INT(sheaf_timeout_end(&scope, SHEAF_OK), SHEAF_OK);
    sheaf_future *free = sheaf_spawn(sleep_long, NULL);
    EXPECT_INT(sheaf_await(child, NULL), SHEAF_TIMEOUT);
    expect_error(child, SHEAF_TIMEOUT, NULL);
    EXPECT_INT(sheaf_cancelling(child), 0);
    int status = sheaf_await(parent, NULL);
    EXPECT(status == SHEAF_OK || status == SHEAF_TIMEOUT);
    EXPECT(!sheaf_done(free) && sheaf_cancel(free));
    expect_end(free, SHEAF_CANCELLED);
    sheaf_release(child);
    sheaf_release(parent);
    return SHEAF_OK;
}

static int sleep_ten_milliseconds(void *arg, sheaf_value *result)
{
    (void)arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(10)));
    result->i64 = 3;
    return SHEAF_OK;
}

/* A deadline is a point on one clock; a child on another clock has none of it. */
static int spawn_abroad_with_a_deadline(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_timeout scope;
    sheaf_clock_hold(sheaf_pool_current());
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_S(1000), SHEAF_TIMEOUT_INHERIT), SHEAF_OK);
    sheaf_future *child = sheaf_spawn_on(arg, sleep_ten_milliseconds, NULL);
    EXPECT_INT(sheaf_await(child, NULL), SHEAF_OK);
    sheaf_clock_release(sheaf_pool_current());
    sheaf_release(child);
    return sheaf_timeout_end(&scope, SHEAF_OK);
}

static void a_deadline_stays_on_its_clock(struct fixture *f)
{
    static const sheaf_clock clocks[2] = {SHEAF_CLOCK_REAL, SHEAF_CLOCK_VIRTUAL};
    for (int i = 0; i < 2; i++) {
        sheaf_pool *other = NULL;
        sheaf_options options = fixture_options(f);
        EXPECT_INT(sheaf_pool_open(SHEAF_OPTIONS(.workers = 1, .clock = clocks[i]), &other),
                   SHEAF_OK);
        EXPECT_INT(sheaf_run(&options, spawn_abroad_with_a_deadline, other, NULL), SHEAF_OK);
        EXPECT_INT(sheaf_pool_close(other, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    }
}

static const struct fixture_test tests[] = {
    TASK_TEST(arguments_that_make_no_sense_are_refused),
    TASK_TEST(scopes_are_ended_in_order_by_who_began_them),
    THREAD_TEST(a_plain_thread_has_no_scopes),
    TASK_TEST_ON(MODE_1, scopes_may_be_very_deep),
    TASK_TEST(deep_scopes_expire_together),
    THREAD_TEST_ON(MODES_REAL, deadlines_are_moved_by_tasks_and_threads),
    THREAD_TEST(requests_of_others_are_heard_among_timeouts),
    TASK_TEST(a_call_is_cut_short_by_its_limit),
    THREAD_TEST(a_limit_ends_futures_of_every_kind),
    THREAD_TEST(tasks_and_threads_wait_with_limits_for_what_others_end),
    TASK_TEST_ON(MODE_1 | MODE_FIFO, a_request_to_the_caller_reaches_the_inner),
    TASK_TEST(children_have_the_deadline_of_the_scope),
    POOL_TEST(a_deadline_stays_on_its_clock),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
