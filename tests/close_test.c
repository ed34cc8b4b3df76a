/* Closing a pool: drained, cancelled or abandoned, with a limit, naming who is late. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static SHEAF__ATOMIC(int) bodies;

static int count_body(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__add_acq_rel(&bodies, 1);
    return SHEAF_OK;
}

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

static sheaf_pool *open_with(struct fixture *f, unsigned flags)
{
    sheaf_options options = fixture_options(f);
    options.flags |= flags;
    sheaf_pool *pool = NULL;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    sheaf__store_rel(&bodies, 0);
    return pool;
}

static sheaf_pool *open_as(struct fixture *f)
{
    return open_with(f, 0);
}

static int close_as(sheaf_pool *pool, sheaf_close how, sheaf_duration limit)
{
    return sheaf_pool_close(pool, how, limit, NULL, NULL);
}

static sheaf_future *promise_on(sheaf_pool *pool)
{
    return sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool));
}

/* ---------------------------------------------------------------- drain */

static int spawn_generations(void *arg, sheaf_value *result)
{
    int depth = *(const int *)arg;
    (void)result;
    SHEAF_TRY(depth % 2 ? sheaf_yield() : sheaf_sleep(SHEAF_MS(1)));
    sheaf__add_acq_rel(&bodies, 1);
    for (int i = 0; i < 2 && depth > 0; i++) {
        int below = depth - 1;
        sheaf_release(sheaf_spawn_copy(spawn_generations, &below, sizeof below));
    }
    return SHEAF_OK;
}

static void a_drain_waits_for_every_task_and_those_they_spawn(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    int depth = 6;
    sheaf_future *first = sheaf_spawn_on(pool, spawn_generations, &depth);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&bodies), 127);
    EXPECT_INT(sheaf_future_status(first), SHEAF_OK);
    sheaf_release(first);
}

/* ---------------------------------------------------------------- limits */

struct late {
    int count;
    char names[200];
};

static void note_late(void *context, const sheaf_future *task, const char *name)
{
    struct late *late = context;
    EXPECT(!sheaf_done(task));
    late->count++;
    size_t used = strlen(late->names);
    snprintf(late->names + used, sizeof late->names - used, "<%s>", name);
}

/* Closes with a limit that passes until both have come to rest: one that is on its way to a worker
 * may be missed. */
static void expect_late(sheaf_pool *pool, sheaf_duration limit)
{
    struct late late;
    do {
        late = (struct late){0};
        EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, limit, note_late, &late),
                   SHEAF_TIMEOUT);
        EXPECT(late.count <= 2);
    } while (late.count < 2);
    EXPECT(strstr(late.names, "<slow>") != NULL);
    EXPECT(strstr(late.names, "<slower>") != NULL);
}

static sheaf_future *spawn_named(sheaf_pool *pool, const char *name, sheaf_fn *fn, void *arg)
{
    return sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = pool, .name = name), fn, arg);
}

static void a_limit_that_passes_names_who_is_late(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_future *promise = promise_on(pool);
    sheaf_future *slow = spawn_named(pool, "slow", await_it, promise);
    sheaf_future *slower = spawn_named(pool, "slower", await_it, slow);
    expect_late(pool, 0);
    expect_late(pool, fixture_virtual(f) ? -1 : SHEAF_MS(2));
    sheaf_future *refused = sheaf_spawn_on(pool, count_body, NULL);
    EXPECT(sheaf_done(refused));
    EXPECT_INT(sheaf_join(refused, NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 2}), SHEAF_OK);
    sheaf_clock_release(pool);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(sheaf_join(slow, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(slower, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&bodies), 0);
    sheaf_release(promise);
}

static int ignore_requests(void *arg, sheaf_value *result)
{
    int status;
    do {
        sheaf_mask_begin();
        status = sheaf_await(arg, result);
        sheaf_mask_end();
    } while (status == SHEAF_CANCELLED);
    return status;
}

static void a_harder_way_of_closing_may_follow(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_future *promise = promise_on(pool);
    sheaf_future *willing = sheaf_spawn_on(pool, await_it, promise);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, 0), SHEAF_TIMEOUT);
    sheaf_clock_release(pool);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(sheaf_join(willing, NULL), SHEAF_CANCELLED);
    sheaf_release(promise);

    pool = open_as(f);
    sheaf_clock_hold(pool);
    promise = promise_on(pool);
    sheaf_future *stubborn = sheaf_spawn_on(pool, ignore_requests, promise);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_DRAIN, 0), SHEAF_TIMEOUT);
    sheaf_clock_release(pool);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(sheaf_join(stubborn, NULL), SHEAF_CLOSED);
    sheaf_release(promise);
}

/* ---------------------------------------------------------------- cancel */

struct cleaner {
    sheaf_future *never, *cleaned;
};

static int clean_up_when_asked(void *arg, sheaf_value *result)
{
    const struct cleaner *c = arg;
    (void)result;
    int status = sheaf_await(c->never, NULL);
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_SHUTDOWN);
    EXPECT_INT(sheaf_await(c->cleaned, NULL), SHEAF_OK);
    sheaf__add_acq_rel(&bodies, 1);
    return status;
}

static int spawn_when_asked(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_mask_begin());
    SHEAF_TRY(sheaf_await(arg, NULL));
    SHEAF_TRY(sheaf_mask_end());
    EXPECT_INT(sheaf_checkpoint(), SHEAF_CANCELLED);
    sheaf_future *never = sheaf_promise(NULL);
    sheaf_future *child = sheaf_spawn(await_it, never);
    EXPECT_INT(sheaf_join(child, NULL), SHEAF_CANCELLED);
    sheaf_release(never);
    sheaf__add_acq_rel(&bodies, 1);
    return SHEAF_CANCELLED;
}

static void wait_for_suspended(sheaf_pool *pool, size_t count)
{
    sheaf_stats stats = {.size = sizeof stats};
    do {
        EXPECT_INT(sheaf_pool_stats(pool, &stats), SHEAF_OK);
    } while (stats.suspended < count);
}

static void a_cancelling_close_asks_everybody_and_waits(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    sheaf_future *cleaned = promise_on(pool), *tasks[8];
    struct cleaner cleaners[8];
    for (int i = 0; i < 8; i++) {
        cleaners[i] = (struct cleaner){promise_on(pool), cleaned};
        tasks[i] = sheaf_spawn_on(pool, clean_up_when_asked, &cleaners[i]);
    }
    wait_for_suspended(pool, 8);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_CANCEL, 0), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_resolve(cleaned, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER), SHEAF_OK);
    for (int i = 0; i < 8; i++) {
        EXPECT_INT(sheaf_await(tasks[i], NULL), SHEAF_CANCELLED);
        EXPECT_INT(sheaf_cancelling(tasks[i]), 1);
        sheaf_release(cleaners[i].never);
    }
    EXPECT_INT(sheaf__load_acq(&bodies), 8);
    sheaf_release_all(tasks, 8);
    sheaf_release(cleaned);
}

static void a_cancelling_close_asks_those_that_are_spawned_meanwhile(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_future *go = promise_on(pool);
    sheaf_future *task = sheaf_spawn_on(pool, spawn_when_asked, go);
    wait_for_suspended(pool, 1);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_CANCEL, 0), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_resolve(go, (sheaf_value){0}), SHEAF_OK);
    sheaf_clock_release(pool);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&bodies), 1);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    sheaf_release(go);
}

/* ---------------------------------------------------------------- abandon */

struct busy {
    struct gate started, go;
};

static int be_busy(void *arg, sheaf_value *result)
{
    struct busy *b = arg;
    gate_arrive(&b->started);
    gate_wait(&b->go, 1);
    result->i64 = 3;
    return SHEAF_OK;
}

static SHEAF__ATOMIC(int) dropped;

static void drop_argument(void *arg)
{
    (void)arg;
    sheaf__add_acq_rel(&dropped, 1);
}

static void *let_go(void *arg)
{
    struct busy *b = arg;
    gate_arrive(&b->go);
    return NULL;
}

/* Every worker is busy and nobody serves in its place, so that what is spawned then stays in the
 * queues. (F21) */
static void an_abandoned_pool_waits_for_running_bodies_only(struct fixture *f)
{
    sheaf_pool *pool = open_with(f, SHEAF_POOL_NO_SPARES);
    sheaf__store_rel(&dropped, 0);
    sheaf_future *never = promise_on(pool);
    sheaf_future *suspended = sheaf_spawn_on(pool, await_it, never);
    wait_for_suspended(pool, 1);
    struct busy busy = {.started = GATE_INIT, .go = GATE_INIT};
    sheaf_future *running[8], *queued[8];
    int workers = f->mode->workers;
    for (int i = 0; i < workers; i++) {
        running[i] = sheaf_spawn_on(pool, be_busy, &busy);
    }
    gate_wait(&busy.started, (unsigned long)workers);
    for (int i = 0; i < 8; i++) {
        queued[i] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = pool, .arg_drop = drop_argument),
                                     count_body, NULL);
    }
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_ABANDON, 0), SHEAF_TIMEOUT);
    pthread_t helper;
    EXPECT_INT(pthread_create(&helper, NULL, let_go, &busy), 0);
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER), SHEAF_OK);
    pthread_join(helper, NULL);
    EXPECT_INT(sheaf_join(suspended, NULL), SHEAF_CLOSED);
    for (int i = 0; i < workers; i++) {
        EXPECT_INT(sheaf_join(running[i], NULL), SHEAF_OK);
    }
    for (int i = 0; i < 8; i++) {
        EXPECT_INT(sheaf_join(queued[i], NULL), SHEAF_CLOSED);
    }
    EXPECT_INT(sheaf__load_acq(&bodies), 0);
    EXPECT_INT(sheaf__load_acq(&dropped), 8);
    sheaf_release(never);
}

static void *join_it(void *arg)
{
    return (void *)(intptr_t)sheaf_await(arg, NULL);
}

static void threads_that_wait_hear_of_an_abandoned_pool(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    sheaf_future *never = promise_on(pool);
    sheaf_future *task = sheaf_spawn_on(pool, await_it, never);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(pthread_create(&threads[i], NULL, join_it, task), 0);
    }
    EXPECT_INT(close_as(pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        void *status;
        pthread_join(threads[i], &status);
        EXPECT_INT((intptr_t)status, SHEAF_CLOSED);
    }
    sheaf_release(task);
    sheaf_release(never);
}

/* ---------------------------------------------------------------- two closers */

static void *close_for_ever(void *arg)
{
    int status;
    while ((status = close_as(arg, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER)) == SHEAF_STATE) {
    }
    return (void *)(intptr_t)status;
}

static void one_close_at_a_time(struct fixture *f)
{
    sheaf_pool *pool = open_as(f);
    sheaf_clock_hold(pool);
    sheaf_future *promise = promise_on(pool);
    sheaf_future *task = sheaf_spawn_on(pool, await_it, promise);
    pthread_t closer;
    void *status;
    EXPECT_INT(pthread_create(&closer, NULL, close_for_ever, pool), 0);
    while (close_as(pool, SHEAF_CLOSE_DRAIN, 0) != SHEAF_STATE) {
        sched_yield(); /* lets the other close in */
    }
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){0}), SHEAF_OK);
    sheaf_clock_release(pool);
    pthread_join(closer, &status);
    EXPECT_INT((intptr_t)status, SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_OK);
    sheaf_release(promise);
}

static const struct fixture_test tests[] = {
    POOL_TEST(a_drain_waits_for_every_task_and_those_they_spawn),
    POOL_TEST(a_limit_that_passes_names_who_is_late),
    POOL_TEST(a_harder_way_of_closing_may_follow),
    POOL_TEST(a_cancelling_close_asks_everybody_and_waits),
    POOL_TEST(a_cancelling_close_asks_those_that_are_spawned_meanwhile),
    POOL_TEST(an_abandoned_pool_waits_for_running_bodies_only),
    POOL_TEST(threads_that_wait_hear_of_an_abandoned_pool),
    POOL_TEST(one_close_at_a_time),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
