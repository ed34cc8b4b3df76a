/* Cancellation handed on: from awaiters to what they await, with its message and its origin. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static int rest(void *arg, sheaf_value *result)
{
    return fixture_rest(arg, result);
}

/* ---------------------------------------------------------------- one step */

struct report {
    sheaf_future *awaited;
    int status;
    int count;
    sheaf_origin origin;
};

/* Awaits and writes down how the wait ended. */
static int await_and_report(void *arg, sheaf_value *result)
{
    struct report *r = arg;
    r->status = fixture_rest(r->awaited, result);
    r->count = sheaf_cancelling(NULL);
    r->origin = sheaf_cancel_origin();
    return r->status;
}

/* T6, T7, T23 */
static int a_request_goes_on_to_what_the_task_awaits(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    struct report inner = {.awaited = promise};
    sheaf_future *child = sheaf_spawn(await_and_report, &inner);
    struct report outer = {.awaited = child}, beside = {.awaited = child};
    sheaf_future *cancelled = sheaf_spawn(await_and_report, &outer);
    sheaf_future *bystander = sheaf_spawn(await_and_report, &beside);
    fixture_settle(3);
    EXPECT(sheaf_cancel_message(cancelled, "from the top"));
    EXPECT_INT(sheaf_cancelling(child), 1);
    EXPECT_INT(sheaf_cancelling(bystander), 0);
    EXPECT(sheaf_cancelled(promise));
    sheaf_future *all[3] = {cancelled, child, bystander};
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(sheaf_await(all[i], NULL), SHEAF_CANCELLED);
        EXPECT(sheaf_cancelled(all[i]));
        sheaf_error *error = sheaf_future_error(all[i]);
        EXPECT_TEXT(sheaf_error_message(error), "from the top");
        sheaf_error_release(error);
    }
    EXPECT_INT(inner.origin, SHEAF_ORIGIN_AWAITER);
    EXPECT_INT(inner.count, 1);
    EXPECT_INT(outer.origin, SHEAF_ORIGIN_USER);
    EXPECT_INT(outer.count, 1);
    EXPECT_INT(beside.origin, SHEAF_ORIGIN_CHILD);
    EXPECT_INT(beside.count, 0);
    sheaf_release_all(all, 3);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int swallow_and_give_nine(void *arg, sheaf_value *result)
{
    EXPECT_INT(fixture_rest(arg, NULL), SHEAF_CANCELLED);
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    result->i64 = 9;
    return SHEAF_OK;
}

/* T8 */
static int an_awaiter_gets_the_value_of_a_child_that_swallows_the_request(void *arg,
                                                                          sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *child = sheaf_spawn(swallow_and_give_nine, promise);
    sheaf_future *parent = sheaf_spawn(rest, child);
    fixture_settle(2);
    EXPECT(sheaf_cancel(parent));
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(parent, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 9);
    EXPECT_INT(sheaf_cancelling(parent), 1);
    EXPECT_INT(sheaf_cancelling(child), 1);
    EXPECT(!sheaf_cancelled(parent) && !sheaf_cancelled(child));
    sheaf_release(parent);
    sheaf_release(child);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int fail_when_asked(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(fixture_rest(arg, NULL), SHEAF_CANCELLED);
    return sheaf_raise(EIO, "clean-up failed");
}

static int an_awaiter_gets_the_error_of_a_child_that_fails_when_asked(void *arg,
                                                                      sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *child = sheaf_spawn(fail_when_asked, promise);
    sheaf_future *parent = sheaf_spawn(rest, child);
    fixture_settle(2);
    EXPECT(sheaf_cancel(parent));
    EXPECT_INT(sheaf_await(parent, NULL), EIO);
    EXPECT(!sheaf_cancelled(parent));
    sheaf_error *up = sheaf_future_error(parent), *down = sheaf_future_error(child);
    EXPECT_PTR(up, down);
    sheaf_error_release(up);
    sheaf_error_release(down);
    sheaf_release(parent);
    sheaf_release(child);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int await_second_of(void *arg, sheaf_value *result)
{
    sheaf_future **futures = arg;
    return fixture_rest(futures[1], result);
}

static int cancel_first_of(void *arg, sheaf_value *result)
{
    sheaf_future **futures = arg;
    (void)result;
    EXPECT(sheaf_cancel(futures[0]));
    return SHEAF_OK;
}

static int run_never(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    NOTE("ran");
    return SHEAF_OK;
}

/* In asyncio's order the awaiter waits, then the canceller runs, and the child has its turn last.
 * */
static int a_child_that_has_not_started_is_cancelled_through_its_awaiter(void *arg,
                                                                         sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *futures[2];
    futures[0] = sheaf_spawn(await_second_of, futures);
    sheaf_future *canceller = sheaf_spawn(cancel_first_of, futures);
    futures[1] = sheaf_spawn(run_never, NULL);
    EXPECT_INT(sheaf_join(canceller, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_await(futures[0], NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_cancelled(futures[1]));
    EXPECT_NOTES("");
    sheaf_release_all(futures, 2);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- frame tasks */

struct frame_case {
    sheaf_future *promise;
    sheaf_future *started;
    int child_count;
    int joined;
};

static int rest_in_frame(void *arg, sheaf_value *result)
{
    struct frame_case *c = arg;
    (void)result;
    (void)sheaf_resolve(c->started, (sheaf_value){0});
    int status = sheaf_await(c->promise, NULL);
    c->child_count = sheaf_cancelling(NULL);
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    return status;
}

static int join_a_frame_task(void *arg, sheaf_value *result)
{
    struct frame_case *c = arg;
    (void)result;
    sheaf_task task;
    sheaf_task_spawn(&task, rest_in_frame, c);
    c->joined = sheaf_task_join(&task, NULL);
    return c->joined;
}

static int a_join_hands_the_request_on_and_waits_for_the_end(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct frame_case c = {.promise = sheaf_promise(NULL), .started = sheaf_promise(NULL)};
    sheaf_future *parent = sheaf_spawn(join_a_frame_task, &c);
    EXPECT_INT(sheaf_await(c.started, NULL), SHEAF_OK);
    EXPECT(sheaf_cancel(parent));
    EXPECT_INT(sheaf_await(parent, NULL), SHEAF_CANCELLED);
    EXPECT_INT(c.joined, SHEAF_CANCELLED);
    EXPECT_INT(c.child_count, 1);
    EXPECT(sheaf_cancelled(c.promise));
    sheaf_release(parent);
    sheaf_release(c.promise);
    sheaf_release(c.started);
    return SHEAF_OK;
}

static int give_three(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 3;
    return SHEAF_OK;
}

static int join_with_a_request_pending(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_task task;
    sheaf_value value = {0};
    sheaf_future *f = sheaf_task_spawn(&task, give_three, NULL);
    while (!sheaf_done(f)) {
        SHEAF_TRY(sheaf_yield());
    }
    EXPECT(sheaf_cancel(sheaf_current()));
    EXPECT_INT(sheaf_task_join(&task, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 3);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_CANCELLED);
    return SHEAF_CANCELLED;
}

static int a_join_of_an_ended_task_keeps_the_request_for_later(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f = sheaf_spawn(join_with_a_request_pending, NULL);
    EXPECT_INT(sheaf_join(f, NULL), SHEAF_CANCELLED);
    return SHEAF_OK;
}

static int cancel_a_frame_task(void *arg, sheaf_value *result)
{
    struct frame_case *c = arg;
    (void)result;
    sheaf_task task;
    sheaf_future *f = sheaf_task_spawn(&task, rest_in_frame, c);
    SHEAF_TRY(sheaf_await(c->started, NULL));
    EXPECT(sheaf_cancel(f));
    EXPECT_INT(sheaf_task_join(&task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_CHILD);
    EXPECT_INT(c->child_count, 1);
    return sheaf_checkpoint();
}

static int a_frame_task_can_be_cancelled_by_its_maker(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct frame_case c = {.promise = sheaf_promise(NULL), .started = sheaf_promise(NULL)};
    EXPECT_INT(sheaf_join(sheaf_spawn(cancel_a_frame_task, &c), NULL), SHEAF_OK);
    sheaf_release(c.promise);
    sheaf_release(c.started);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- long chains */

/* Links are spawned from the far end, so that every link finds the future it awaits. */
struct chain {
    size_t length;
    sheaf_future *end; /* a promise */
    sheaf_future **links;
    struct gate waiting; /* arrived at by each link before it waits */
};

struct link {
    struct chain *chain;
    sheaf_future *next;
};

static int wait_in_chain(void *arg, sheaf_value *result)
{
    const struct link *link = arg;
    gate_arrive(&link->chain->waiting);
    return sheaf_await(link->next, result);
}

static void build_chain(struct chain *c, sheaf_pool *pool, size_t length)
{
    c->length = length;
    c->waiting = (struct gate)GATE_INIT;
    c->end = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool));
    c->links = calloc(length, sizeof(sheaf_future *));
    sheaf_future *next = c->end;
    for (size_t i = length; i-- > 0;) {
        struct link link = {c, next};
        next = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = pool, .copy = sizeof link),
                                wait_in_chain, &link);
        c->links[i] = next;
    }
}

static void *cancel_head(void *arg)
{
    const struct chain *c = arg;
    EXPECT(sheaf_cancel_message(c->links[0], "down the chain"));
    return NULL;
}

/* The canceller gets a small stack: handing the request on takes no more of it for a long chain. */
static void cancel_on_a_small_stack(struct chain *c)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    EXPECT_INT(pthread_attr_setstacksize(&attributes, 128 << 10), 0);
    EXPECT_INT(pthread_create(&thread, &attributes, cancel_head, c), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

static void expect_chain_cancelled(struct chain *c)
{
    size_t wrong = 0;
    EXPECT_INT(sheaf_await(c->links[0], NULL), SHEAF_CANCELLED);
    /* A link that was reached before it waited has not handed the request on. */
    (void)sheaf_cancel(c->end);
    for (size_t i = 0; i < c->length; i++) {
        wrong += sheaf_await(c->links[i], NULL) != SHEAF_CANCELLED;
    }
    EXPECT_INT(wrong, 0);
    sheaf_error *error = sheaf_future_error(c->links[0]);
    EXPECT_TEXT(sheaf_error_message(error), "down the chain");
    sheaf_error_release(error);
    sheaf_release_all(c->links, c->length);
    sheaf_release(c->end);
    free(c->links);
}

static sheaf_pool *open_for_many_stacks(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    options.stack_size = 64 << 10;
    sheaf_pool *pool = NULL;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    return pool;
}

static void cancelling_the_head_of_a_long_chain_takes_constant_stack(struct fixture *f)
{
    sheaf_pool *pool = open_for_many_stacks(f);
    struct chain c;
    build_chain(&c, pool, fixture_scaled(100000));
    gate_wait(&c.waiting, c.length);
    cancel_on_a_small_stack(&c);
    expect_chain_cancelled(&c);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

static void completing_the_end_of_a_long_chain_takes_constant_stack(struct fixture *f)
{
    sheaf_pool *pool = open_for_many_stacks(f);
    struct chain c;
    build_chain(&c, pool, fixture_scaled(100000));
    gate_wait(&c.waiting, c.length);
    EXPECT_INT(sheaf_resolve(c.end, (sheaf_value){.i64 = 77}), SHEAF_OK);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(c.links[0], &value), SHEAF_OK);
    EXPECT_INT(value.i64, 77);
    sheaf_release_all(c.links, c.length);
    sheaf_release(c.end);
    free(c.links);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

static int swallow(void *arg, sheaf_value *result)
{
    EXPECT_INT(fixture_rest(arg, result), SHEAF_CANCELLED);
    return SHEAF_OK;
}

/* The first child swallows the request of its awaiter; the second is cancelled by the awaiter. */
static int await_two_children(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(sheaf_join(sheaf_spawn(swallow, arg), NULL), SHEAF_OK);
    sheaf_future *second = sheaf_spawn(rest, arg);
    EXPECT(sheaf_cancel(second));
    sheaf_error *error = NULL;
    EXPECT_INT(sheaf_await_error(second, NULL, &error), SHEAF_OK);
    sheaf_error_release(error);
    EXPECT(sheaf_cancelled(second));
    sheaf_release(second);
    return SHEAF_OK;
}

static int a_request_that_a_child_swallowed_is_over(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(await_two_children, promise);
    fixture_settle(1);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_OK);
    sheaf_release(promise);
    return SHEAF_OK;
}

struct pair {
    sheaf_future *tasks[2];
    bool go;
};

static int await_the_other_for_a_while(void *arg, sheaf_value *result)
{
    struct pair *pair = arg;
    while (!pair->go) {
        SHEAF_TRY(sheaf_yield());
    }
    bool first = pair->tasks[0] == sheaf_current();
    return sheaf_await_for(pair->tasks[first ? 1 : 0], SHEAF_MS(20), result);
}

/* Waits with a limit may form a circle, which the limits end. */
static int a_request_goes_round_a_circle_only_a_few_times(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct pair pair = {.go = false};
    for (int i = 0; i < 2; i++) {
        pair.tasks[i] = sheaf_spawn(await_the_other_for_a_while, &pair);
    }
    pair.go = true;
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    EXPECT(sheaf_cancel(pair.tasks[0]));
    EXPECT(sheaf_cancelling(pair.tasks[0]) <= 4);
    for (int i = 0; i < 2; i++) {
        int status = sheaf_join(pair.tasks[i], NULL);
        EXPECT(status == SHEAF_CANCELLED || status == SHEAF_TIMEOUT);
    }
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_SINGLE, a_request_goes_on_to_what_the_task_awaits),
    TASK_TEST_ON(MODES_SINGLE, an_awaiter_gets_the_value_of_a_child_that_swallows_the_request),
    TASK_TEST_ON(MODES_SINGLE, an_awaiter_gets_the_error_of_a_child_that_fails_when_asked),
    TASK_TEST_ON(MODE_FIFO, a_child_that_has_not_started_is_cancelled_through_its_awaiter),
    TASK_TEST_ON(MODES_SINGLE, a_join_hands_the_request_on_and_waits_for_the_end),
    TASK_TEST(a_join_of_an_ended_task_keeps_the_request_for_later),
    TASK_TEST(a_frame_task_can_be_cancelled_by_its_maker),
    POOL_TEST_ON(MODE_1 | MODE_4 | MODE_FIFO,
                 cancelling_the_head_of_a_long_chain_takes_constant_stack),
    POOL_TEST_ON(MODE_1 | MODE_4 | MODE_FIFO,
                 completing_the_end_of_a_long_chain_takes_constant_stack),
    TASK_TEST_ON(MODES_SINGLE, a_request_that_a_child_swallowed_is_over),
    TASK_TEST_ON(MODES_SINGLE, a_request_goes_round_a_circle_only_a_few_times),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
