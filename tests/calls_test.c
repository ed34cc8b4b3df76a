/* Calls that are started and joined: runs with a bound, streams, the first to succeed, races. */
#include "tests/support/fixture.h"
#include "tests/support/members.h"
#include "tests/support/pairings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 300 };

static int sleep_long(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(100));
}

/* ---------------------------------------------------------------- arguments */

static bool give_no_call(void *context, sheaf_call *next)
{
    (void)context, (void)next;
    return true; /* and leaves it empty */
}

static bool give_none(void *context, sheaf_call *next)
{
    (void)context, (void)next;
    return false;
}

static int arguments_that_make_no_sense_are_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    const sheaf_call empty = {NULL, NULL, NULL}, call = {fail_with_eio, NULL, NULL};
    const sheaf_gather_options small = {.size = 1}, large = {.size = 4096};
    sheaf_future *none = NULL;
    EXPECT_INT(sheaf_gather_run(NULL, NULL, 1, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_run(NULL, &empty, 1, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_run(NULL, &call, SHEAF_MEMBERS_MAX + 1, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_run(&small, &call, 1, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_run(&large, &call, 1, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_run(SHEAF_GATHER_OPTIONS(.flags = 16), &call, 1, NULL, NULL),
               SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_stream(NULL, NULL, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_stream(&small, give_none, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_stream(SHEAF_GATHER_OPTIONS(.flags = 16), give_none, NULL, NULL),
               SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_stream(SHEAF_GATHER_OPTIONS(.limit = SHEAF_MEMBERS_MAX + 1), give_none,
                                   NULL, NULL),
               SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_stream(NULL, give_no_call, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_first_success(NULL, 0, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_first_success(NULL, 1, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_first_success(&none, 1, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_race(NULL, 0, 0, NULL, NULL, NULL), SHEAF_EMPTY);
    EXPECT_INT(sheaf_race(NULL, 1, 0, NULL, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_race(&empty, 1, 0, NULL, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather_run(NULL, NULL, 0, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_gather_stream(NULL, give_none, NULL, NULL), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- runs */

static SHEAF__ATOMIC(int64_t) running, most;

/* Notes how many of its kind run at once. */
static int run_beside_others(void *arg, sheaf_value *result)
{
    int64_t now = sheaf__add_acq_rel(&running, 1) + 1;
    int64_t seen = sheaf__load_acq(&most);
    while (now > seen && !sheaf__cas_weak_acq_rel(&most, &seen, now)) {
    }
    int status = sheaf_yield();
    sheaf__sub_acq_rel(&running, 1);
    result->i64 = *(const int64_t *)arg;
    return status;
}

static int a_bound_holds_and_results_come_in_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static int64_t numbers[MANY];
    static sheaf_call calls[MANY];
    static sheaf_value values[MANY];
    static int statuses[MANY];
    for (int i = 0; i < MANY; i++) {
        numbers[i] = i;
        calls[i] = (sheaf_call){run_beside_others, &numbers[i], NULL};
    }
    static const size_t limits[4] = {1, 3, 0, SIZE_MAX};
    for (int k = 0; k < 4; k++) {
        sheaf__store_rel(&most, 0);
        memset(values, 0xff, sizeof values);
        EXPECT_INT(sheaf_gather_run(SHEAF_GATHER_OPTIONS(.limit = limits[k]), calls, MANY, values,
                                    statuses),
                   SHEAF_OK);
        EXPECT(limits[k] == 0 || sheaf__load_acq(&most) <= (int64_t)(limits[k] & INT64_MAX));
        EXPECT_INT(sheaf__load_acq(&running), 0);
        for (int i = 0; i < MANY; i++) {
            EXPECT(values[i].i64 == i && statuses[i] == SHEAF_OK);
        }
    }
    return SHEAF_OK;
}

static int a_failure_stops_what_runs_and_starts_nothing_more(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int collect = 0; collect < 2; collect++) {
        static int64_t one = 1;
        sheaf_future *promise = sheaf_promise(NULL);
        sheaf_call calls[4] = {{give_number, &one, NULL},
                               {fail_with_eio, NULL, NULL},
                               {NULL, NULL, promise},
                               {give_number, &one, NULL}};
        sheaf_value values[4];
        int statuses[4];
        if (collect) {
            EXPECT_INT(sheaf_resolve(promise, number(6)), SHEAF_OK);
        }
        int status = sheaf_gather_run(
            SHEAF_GATHER_OPTIONS(.limit = 1, .flags = collect ? SHEAF_GATHER_COLLECT : 0), calls, 4,
            values, statuses);
        EXPECT_INT(status, collect ? SHEAF_OK : EIO);
        EXPECT(statuses[0] == SHEAF_OK && values[0].i64 == 1 && statuses[1] == EIO);
        EXPECT_INT(statuses[3], collect ? SHEAF_OK : SHEAF_CANCELLED);
        EXPECT_INT(values[3].i64, collect);
        EXPECT_INT(statuses[2], collect ? SHEAF_OK : SHEAF_CANCELLED);
        EXPECT_INT(sheaf_done(promise), collect); /* what was not started is not touched */
        sheaf_release(promise);
    }
    return SHEAF_OK;
}

static int run_sleepers(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_call calls[3] = {
        {sleep_long, NULL, NULL}, {sleep_long, NULL, NULL}, {sleep_long, NULL, NULL}};
    int statuses[3] = {1, 1, 1};
    int status = sheaf_gather_run(SHEAF_GATHER_OPTIONS(.limit = 2), calls, 3, NULL, statuses);
    EXPECT_INT(status, SHEAF_CANCELLED);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(statuses[i], SHEAF_CANCELLED);
    }
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    return SHEAF_OK;
}

static int who_is_asked_joins_what_runs(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *caller = sheaf_spawn(run_sleepers, NULL);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT(sheaf_cancel(caller));
    expect_end(caller, SHEAF_OK);
    return SHEAF_OK;
}

/* Futures that are given are borrowed: their values stay where they are. */
static int what_is_given_keeps_its_value(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    forget_dropped_values();
    sheaf_future *promise = promise_with_drop(NULL);
    EXPECT_INT(sheaf_resolve(promise, number(5)), SHEAF_OK);
    sheaf_call call = {NULL, NULL, promise};
    sheaf_value value = {0};
    EXPECT_INT(sheaf_gather_run(NULL, &call, 1, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_gather_run(NULL, &call, 1, &value, NULL), SHEAF_OK);
    EXPECT_INT(value.i64, 5);
    EXPECT_INT(sheaf_race(&call, 1, 0, &value, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_first_success(&promise, 1, &value, NULL), SHEAF_OK);
    EXPECT_INT(dropped_values(), 0);
    sheaf_release(promise);
    EXPECT_INT(dropped_values(), 1);
    return SHEAF_OK;
}

/* Joined calls may be given tasks in frames. */
static int tasks_in_frames_are_given(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static int64_t one = 1;
    for (int i = 0; i < 6; i++) {
        sheaf_task frame;
        sheaf_fn *fn = i % 2 ? fail_with_eio : give_number;
        sheaf_future *in_frame = sheaf_task_spawn(&frame, fn, &one);
        sheaf_call calls[2] = {{give_number, &one, NULL}, {NULL, NULL, in_frame}};
        int status = i / 2 == 0   ? sheaf_gather_run(NULL, calls, 2, NULL, NULL)
                     : i / 2 == 1 ? sheaf_race(calls + 1, 1, 0, NULL, NULL, NULL)
                                  : sheaf_first_success(&in_frame, 1, NULL, NULL);
        EXPECT_INT(status, i % 2 ? EIO : SHEAF_OK);
        (void)sheaf_task_join(&frame, NULL);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- streams */

struct flow {
    int64_t numbers[MANY];
    size_t given, count, taken;
    size_t fail_at; /* that call fails */
    size_t stop_at; /* the sink has enough there */
    int64_t sum;
};

static bool give_call(void *context, sheaf_call *next)
{
    struct flow *flow = context;
    if (flow->given == flow->count) {
        return false;
    }
    size_t i = flow->given++;
    flow->numbers[i % MANY] = (int64_t)i;
    next->fn = i == flow->fail_at ? fail_with_eio : give_number;
    next->arg = &flow->numbers[i % MANY];
    return true;
}

static int take_value(void *context, size_t index, int status, sheaf_value value)
{
    struct flow *flow = context;
    EXPECT_INT(index, flow->taken);
    flow->taken++;
    if (status == SHEAF_OK) {
        EXPECT_INT(value.i64, index);
        flow->sum += value.i64;
    }
    return index == flow->stop_at ? ENOENT : SHEAF_OK;
}

static void flow_through(struct flow *flow, sheaf_sink_fn *sink, unsigned flags, int expected)
{
    static const size_t limits[3] = {0, 1, 7};
    for (int i = 0; i < 3; i++) {
        flow->given = flow->taken = 0;
        flow->sum = 0;
        EXPECT_INT(sheaf_gather_stream(SHEAF_GATHER_OPTIONS(.limit = limits[i], .flags = flags),
                                       give_call, sink, flow),
                   expected);
        EXPECT(!sink || flow->taken == flow->given);
    }
}

static int streams_end_as_their_calls_and_sinks_do(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static struct flow flow;
    flow = (struct flow){.count = MANY, .fail_at = SIZE_MAX, .stop_at = SIZE_MAX};
    flow_through(&flow, take_value, 0, SHEAF_OK);
    EXPECT_INT(flow.sum, MANY * (MANY - 1) / 2);
    flow_through(&flow, NULL, 0, SHEAF_OK);
    EXPECT_INT(flow.given, MANY);
    flow.fail_at = 40;
    flow_through(&flow, take_value, SHEAF_GATHER_COLLECT, SHEAF_OK);
    EXPECT_INT(flow.given, MANY);
    flow_through(&flow, take_value, 0, EIO);
    EXPECT(flow.taken > 40);
    flow.fail_at = SIZE_MAX;
    flow.stop_at = 60;
    flow.count = SIZE_MAX; /* without an end */
    flow_through(&flow, take_value, 0, ENOENT);
    EXPECT(flow.taken > 60);
    return SHEAF_OK;
}

static void threads_run_calls_too(struct fixture *f)
{
    static struct flow flow;
    static int64_t numbers[2] = {1, 2};
    flow = (struct flow){.count = MANY, .fail_at = SIZE_MAX, .stop_at = SIZE_MAX};
    EXPECT_INT(
        sheaf_gather_stream(SHEAF_GATHER_OPTIONS(.pool = f->pool), give_call, take_value, &flow),
        SHEAF_OK);
    EXPECT_INT(flow.sum, MANY * (MANY - 1) / 2);
    sheaf_call calls[2] = {{give_number, &numbers[0], NULL}, {give_number, &numbers[1], NULL}};
    sheaf_value values[2];
    EXPECT_INT(sheaf_gather_run(SHEAF_GATHER_OPTIONS(.pool = f->pool), calls, 2, values, NULL),
               SHEAF_OK);
    EXPECT(values[0].i64 == 1 && values[1].i64 == 2);
}

/* ---------------------------------------------------------------- the first to succeed */

static int first_of(void *arg, sheaf_value *result)
{
    size_t winner = 77;
    int status = sheaf_first_success(arg, 3, result, &winner);
    EXPECT(status == SHEAF_OK ? winner < 3 : winner == 77);
    return status;
}

static int end_in_turn(void *arg, sheaf_value *result)
{
    sheaf_future *const *p = arg;
    (void)result;
    EXPECT(sheaf_try_reject(p[0], EIO, "broken"));
    EXPECT(sheaf_try_resolve(p[2], number(4)));
    return SHEAF_OK;
}

static void tasks_and_threads_wait_for_the_first_success(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct actor waiter, completer;
        sheaf_future *p[3];
        make_promises(f->pool, p, 3);
        actor_start(&waiter, pairing_first(pairing), f->pool, first_of, p);
        actor_start(&completer, pairing_second(pairing), f->pool, end_in_turn, p);
        EXPECT_INT(actor_join(&completer), SHEAF_OK);
        EXPECT_INT(actor_join(&waiter), SHEAF_OK);
        EXPECT_INT(waiter.value.i64, 4);
        EXPECT(sheaf_cancelled(p[1]));
        sheaf_release_all(p, 3);
    }
}

static int without_a_success_all_errors_come_out(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[3];
    make_promises(NULL, p, 3);
    EXPECT(sheaf_cancel(p[0]));
    EXPECT_INT(sheaf_reject(p[1], EPIPE, "one"), SHEAF_OK);
    EXPECT_INT(sheaf_reject(p[2], EIO, "two"), SHEAF_OK);
    sheaf_future *caller = sheaf_spawn(first_of, p);
    EXPECT_INT(sheaf_await(caller, NULL), EPIPE);
    sheaf_error *error = sheaf_future_error(caller);
    EXPECT_INT(sheaf_error_part_count(error), 2);
    sheaf_error_release(error);
    sheaf_release(caller);
    sheaf_release_all(p, 3);
    return SHEAF_OK;
}

static int a_request_cancels_and_joins_all(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[3], *tasks[3];
    make_promises(NULL, p, 3);
    for (int i = 0; i < 3; i++) {
        tasks[i] = sheaf_spawn(i ? await_it : await_and_fail, p[i]);
    }
    sheaf_future *caller = sheaf_spawn(first_of, tasks);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT(sheaf_cancel(caller));
    expect_end(caller, SHEAF_CANCELLED);
    for (int i = 0; i < 3; i++) {
        EXPECT(sheaf_done(tasks[i]));
        int status = sheaf_join(tasks[i], NULL);
        EXPECT(status == SHEAF_CANCELLED || (i == 0 && status == EPIPE));
        sheaf_release(p[i]);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- races */

static int a_race_starts_calls_one_by_one(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static int64_t one = 1;
    sheaf_call calls[4] = {{fail_with_eio, NULL, NULL},
                           {sleep_long, NULL, NULL},
                           {give_number, &one, NULL},
                           {fail_with_eio, NULL, NULL}};
    sheaf_error *errors[4];
    sheaf_value value = {0};
    size_t winner = 77;
    EXPECT_INT(sheaf_race(calls, 4, SHEAF_MS(1), &value, &winner, errors), SHEAF_OK);
    EXPECT(winner == 2 && value.i64 == 1);
    EXPECT_INT(sheaf_error_code(errors[0]), EIO);
    EXPECT_INT(sheaf_error_code(errors[1]), SHEAF_CANCELLED);
    EXPECT(!errors[2] && !errors[3]);
    for (int i = 0; i < 4; i++) {
        sheaf_error_release(errors[i]);
    }
    calls[1] = calls[2] = calls[0];
    EXPECT_INT(sheaf_race(calls, 4, SHEAF_FOREVER, &value, &winner, NULL), EIO);
    calls[3] = (sheaf_call){give_number, &one, NULL};
    EXPECT_INT(sheaf_race(calls, 4, SHEAF_FOREVER, &value, &winner, NULL), SHEAF_OK);
    EXPECT_INT(winner, 3);
    EXPECT_INT(sheaf_race(calls, 4, -1, &value, NULL, NULL), SHEAF_OK);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(arguments_that_make_no_sense_are_refused),
    TASK_TEST(a_bound_holds_and_results_come_in_order),
    TASK_TEST(a_failure_stops_what_runs_and_starts_nothing_more),
    TASK_TEST_ON(MODE_1 | MODE_FIFO, who_is_asked_joins_what_runs),
    TASK_TEST(what_is_given_keeps_its_value),
    TASK_TEST(tasks_in_frames_are_given),
    TASK_TEST(streams_end_as_their_calls_and_sinks_do),
    THREAD_TEST(threads_run_calls_too),
    THREAD_TEST(tasks_and_threads_wait_for_the_first_success),
    TASK_TEST(without_a_success_all_errors_come_out),
    TASK_TEST_ON(MODE_1 | MODE_FIFO, a_request_cancels_and_joins_all),
    TASK_TEST_ON(MODES_VIRTUAL, a_race_starts_calls_one_by_one),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
