/* Cancellation against everything that can happen at the same time: one outcome, and what is
 * dropped is dropped once. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { BATCH = 64 };

/* Cancels a batch of futures from a thread of its own, and counts the requests that were taken. */
struct canceller {
    sheaf_future **futures;
    bool taken[BATCH];
    pthread_t thread;
};

static void *cancel_batch(void *arg)
{
    struct canceller *c = arg;
    for (size_t i = 0; i < BATCH; i++) {
        c->taken[i] = sheaf_cancel(c->futures[i]);
    }
    return NULL;
}

static void canceller_start(struct canceller *c, sheaf_future **futures)
{
    c->futures = futures;
    EXPECT_INT(pthread_create(&c->thread, NULL, cancel_batch, c), 0);
}

/* ---------------------------------------------------------------- arguments and values */

static SHEAF__ATOMIC(int) bodies, argument_drops, values, value_drops;

static void reset_counts(void)
{
    sheaf__store_rel(&bodies, 0);
    sheaf__store_rel(&argument_drops, 0);
    sheaf__store_rel(&values, 0);
    sheaf__store_rel(&value_drops, 0);
}

/* Arguments are passed as memory that the body or the drop frees: the sanitizer sees a double one.
 * */
static int body_frees_its_argument(void *arg, sheaf_value *result)
{
    free(arg);
    sheaf__add_acq_rel(&bodies, 1);
    SHEAF_TRY(sheaf_yield());
    result->ptr = malloc(8);
    sheaf__add_acq_rel(&values, 1);
    return SHEAF_OK;
}

static void drop_argument(void *arg)
{
    free(arg);
    sheaf__add_acq_rel(&argument_drops, 1);
}

static void drop_value(sheaf_value value)
{
    free(value.ptr);
    sheaf__add_acq_rel(&value_drops, 1);
}

static int take_some(sheaf_future **futures)
{
    int taken = 0;
    for (size_t i = 0; i < BATCH; i++) {
        sheaf_value value = {0};
        int status = sheaf_await(futures[i], NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_CANCELLED);
        if (status == SHEAF_OK && i % 3 == 0) {
            EXPECT_INT(sheaf_take(futures[i], &value), SHEAF_OK);
            free(value.ptr);
            taken++;
        }
    }
    sheaf_release_all(futures, BATCH);
    return taken;
}

/* P14 */
static void arguments_and_values_are_dropped_once(struct fixture *f)
{
    reset_counts();
    size_t rounds = fixture_scaled(200);
    int taken = 0;
    for (size_t round = 0; round < rounds; round++) {
        sheaf_future *futures[BATCH];
        struct canceller canceller;
        for (size_t i = 0; i < BATCH; i++) {
            unsigned flags = i % 2 ? SHEAF_SPAWN_KEEP_LATE_RESULT : 0;
            futures[i] =
                sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool, .arg_drop = drop_argument,
                                                     .value_drop = drop_value, .flags = flags),
                                 body_frees_its_argument, malloc(8));
        }
        canceller_start(&canceller, futures);
        pthread_join(canceller.thread, NULL);
        taken += take_some(futures);
    }
    fixture_close(f);
    EXPECT_INT(sheaf__load_acq(&bodies) + sheaf__load_acq(&argument_drops), rounds * BATCH);
    EXPECT_INT(sheaf__load_acq(&value_drops) + taken, sheaf__load_acq(&values));
}

/* ---------------------------------------------------------------- the answer of a cancel */

static int compute_briefly(void *arg, sheaf_value *result)
{
    (void)arg;
    for (volatile int i = 0; i < 20; i++) {
    }
    result->i64 = 1;
    return SHEAF_OK;
}

/* The body never looks for a request, so a request that was taken has to end the task. (P6, P9) */
static void a_request_that_was_taken_ends_the_task_and_one_refused_does_not(struct fixture *f)
{
    for (size_t round = 0; round < fixture_scaled(400); round++) {
        sheaf_future *futures[BATCH];
        struct canceller canceller;
        for (size_t i = 0; i < BATCH; i++) {
            futures[i] = sheaf_spawn_on(f->pool, compute_briefly, NULL);
        }
        canceller_start(&canceller, futures);
        int statuses[BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            statuses[i] = sheaf_await(futures[i], NULL);
        }
        pthread_join(canceller.thread, NULL);
        for (size_t i = 0; i < BATCH; i++) {
            EXPECT_INT(statuses[i], canceller.taken[i] ? SHEAF_CANCELLED : SHEAF_OK);
            EXPECT_INT(sheaf_cancelling(futures[i]), canceller.taken[i]);
        }
        sheaf_release_all(futures, BATCH);
    }
}

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

/* Promises that are resolved while those who await them are cancelled. (P1) */
static void a_request_and_a_completion_that_meet_give_one_outcome(struct fixture *f)
{
    for (size_t round = 0; round < fixture_scaled(300); round++) {
        sheaf_future *promises[BATCH], *tasks[BATCH];
        struct canceller canceller;
        bool resolved[BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            promises[i] = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
            tasks[i] = sheaf_spawn_on(f->pool, await_it, promises[i]);
        }
        canceller_start(&canceller, tasks);
        for (size_t i = 0; i < BATCH; i++) {
            resolved[i] = sheaf_try_resolve(promises[i], (sheaf_value){.i64 = 2});
        }
        pthread_join(canceller.thread, NULL);
        for (size_t i = 0; i < BATCH; i++) {
            int status = sheaf_await(tasks[i], NULL);
            EXPECT_INT(status, canceller.taken[i] ? SHEAF_CANCELLED : SHEAF_OK);
            EXPECT(status == SHEAF_CANCELLED || resolved[i]);
            EXPECT_INT(sheaf_cancelled(promises[i]), !resolved[i]);
        }
        sheaf_release_all(tasks, BATCH);
        sheaf_release_all(promises, BATCH);
    }
}

/* ---------------------------------------------------------------- many at once */

struct crowd {
    sheaf_future *target;
    SHEAF__ATOMIC(int) taken;
};

static int ask_the_target(void *arg, sheaf_value *result)
{
    struct crowd *c = arg;
    (void)result;
    for (int i = 0; i < 10; i++) {
        if (sheaf_cancel_message(c->target, "request %d", i)) {
            sheaf__add_acq_rel(&c->taken, 1);
        }
        SHEAF_TRY(sheaf_yield());
    }
    return SHEAF_OK;
}

/* Goes on for so many requests delivered, then ends. */
static int swallow_three(void *arg, sheaf_value *result)
{
    (void)arg;
    while (result->i64 < 3) {
        if (sheaf_sleep(SHEAF_US(50)) == SHEAF_CANCELLED) {
            result->i64++;
        }
    }
    return SHEAF_OK;
}

static void every_request_taken_is_counted(struct fixture *f)
{
    for (size_t round = 0; round < fixture_scaled(60); round++) {
        struct crowd crowd = {.target = sheaf_spawn_on(f->pool, swallow_three, NULL)};
        sheaf_future *askers[8];
        for (int i = 0; i < 8; i++) {
            askers[i] = sheaf_spawn_on(f->pool, ask_the_target, &crowd);
        }
        for (int i = 0; i < 8; i++) {
            EXPECT_INT(sheaf_join(askers[i], NULL), SHEAF_OK);
        }
        while (sheaf_cancel(crowd.target)) {
            sheaf__add_acq_rel(&crowd.taken, 1);
            EXPECT_INT(sheaf_sleep(SHEAF_US(10)), SHEAF_OK);
        }
        int status = sheaf_await(crowd.target, NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_CANCELLED);
        EXPECT_INT(sheaf_cancelling(crowd.target), sheaf__load_acq(&crowd.taken));
        sheaf_release(crowd.target);
    }
}

/* Tasks that cancel each other in a circle while all wait for a promise that is cancelled as well,
 * for requests that arrive before a start go no further. */
struct ring {
    sheaf_future *never;
    sheaf_future *tasks[16];
    struct gate built;
};

struct ring_place {
    struct ring *ring;
    size_t index;
};

static int cancel_the_next(void *arg, sheaf_value *result)
{
    const struct ring_place *p = arg;
    gate_wait(&p->ring->built, 1);
    SHEAF_TRY(sheaf_yield());
    (void)sheaf_cancel(p->ring->tasks[(p->index + 1) % 16]);
    return sheaf_await(p->ring->never, result);
}

static void tasks_that_cancel_each_other_all_end(struct fixture *f)
{
    for (size_t round = 0; round < fixture_scaled(200); round++) {
        struct ring ring = {.built = GATE_INIT,
                            .never = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool))};
        struct ring_place places[16];
        for (size_t i = 0; i < 16; i++) {
            places[i] = (struct ring_place){&ring, i};
            ring.tasks[i] = sheaf_spawn_on(f->pool, cancel_the_next, &places[i]);
        }
        gate_arrive(&ring.built);
        (void)sheaf_cancel(ring.tasks[0]);
        (void)sheaf_cancel(ring.never);
        for (size_t i = 0; i < 16; i++) {
            EXPECT_INT(sheaf_await(ring.tasks[i], NULL), SHEAF_CANCELLED);
        }
        sheaf_release_all(ring.tasks, 16);
        sheaf_release(ring.never);
    }
}

static const struct fixture_test tests[] = {
    THREAD_TEST(arguments_and_values_are_dropped_once),
    THREAD_TEST(a_request_that_was_taken_ends_the_task_and_one_refused_does_not),
    THREAD_TEST(a_request_and_a_completion_that_meet_give_one_outcome),
    THREAD_TEST(every_request_taken_is_counted),
    THREAD_TEST(tasks_that_cancel_each_other_all_end),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
