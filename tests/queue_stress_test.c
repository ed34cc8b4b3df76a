/* Queues under load: every item that was put is got once, is left, or was dropped. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/pairings.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { ACTORS = 4, KEYS = 1 << 16 };

/* Items carry their producer and a number that counts upwards in each. */
struct traffic {
    sheaf_queue queue;
    sheaf_queue_order order;
    int rounds;
    SHEAF__ATOMIC(int) names;
    SHEAF__ATOMIC(uint64_t) put;
    SHEAF__ATOMIC(uint64_t) put_sum;
    SHEAF__ATOMIC(uint64_t) got;
    SHEAF__ATOMIC(uint64_t) got_sum;
};

static SHEAF__ATOMIC(uint64_t) dropped, dropped_sum;

static void count_drop(sheaf_value item)
{
    sheaf__add_acq_rel(&dropped, 1);
    sheaf__add_acq_rel(&dropped_sum, item.u64);
}

static void count_put(struct traffic *t, uint64_t item)
{
    sheaf__add_acq_rel(&t->put, 1);
    sheaf__add_acq_rel(&t->put_sum, item);
}

static void count_got(struct traffic *t, uint64_t item)
{
    sheaf__add_acq_rel(&t->got, 1);
    sheaf__add_acq_rel(&t->got_sum, item);
}

static void open_traffic(struct traffic *t, sheaf_queue_order order, size_t bound, int rounds)
{
    memset(t, 0, sizeof *t);
    sheaf__store_rel(&dropped, 0);
    sheaf__store_rel(&dropped_sum, 0);
    t->order = order;
    t->rounds = rounds;
    EXPECT_INT(sheaf_queue_open(&t->queue, SHEAF_QUEUE_OPTIONS(.order = order, .bound = bound,
                                                               .drop = count_drop)),
               SHEAF_OK);
}

static void close_traffic(struct traffic *t)
{
    EXPECT_INT(sheaf_queue_close(&t->queue), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&t->got) + sheaf__load_acq(&dropped), sheaf__load_acq(&t->put));
    EXPECT_INT(sheaf__load_acq(&t->got_sum) + sheaf__load_acq(&dropped_sum),
               sheaf__load_acq(&t->put_sum));
}

/* ---------------------------------------------------------------- plain */

static int produce(void *arg, sheaf_value *result)
{
    struct traffic *t = arg;
    (void)result;
    uint64_t name = (uint64_t)sheaf__add_acq_rel(&t->names, 1) * KEYS;
    for (int i = 1; i <= t->rounds; i++) {
        sheaf_value item = {.u64 = name + (uint64_t)i};
        SHEAF_TRY(sheaf_queue_put(&t->queue, item));
        count_put(t, item.u64);
    }
    return SHEAF_OK;
}

/* Of each producer the items come in their order, when they do at all in a queue that has one. */
static int consume(void *arg, sheaf_value *result)
{
    struct traffic *t = arg;
    (void)result;
    uint64_t last[ACTORS] = {0};
    for (;;) {
        sheaf_value item;
        int status = sheaf_queue_get(&t->queue, &item);
        if (status != SHEAF_OK) {
            return status == SHEAF_SHUTDOWN ? SHEAF_OK : status;
        }
        count_got(t, item.u64);
        uint64_t name = item.u64 / KEYS;
        EXPECT(t->order != SHEAF_QUEUE_FIFO || item.u64 > last[name]);
        last[name] = item.u64;
        EXPECT_INT(sheaf_queue_task_done(&t->queue), SHEAF_OK);
    }
}

static void carry(struct fixture *f, int pairing, sheaf_queue_order order, size_t bound)
{
    struct traffic t;
    struct actor producers[ACTORS], consumers[ACTORS];
    open_traffic(&t, order, bound, (int)fixture_scaled(200));
    for (int i = 0; i < ACTORS; i++) {
        actor_start(&producers[i], pairing_first(pairing), f->pool, produce, &t);
        actor_start(&consumers[i], pairing_second(pairing), f->pool, consume, &t);
    }
    for (int i = 0; i < ACTORS; i++) {
        EXPECT_INT(actor_join(&producers[i]), SHEAF_OK);
    }
    EXPECT_INT(sheaf_queue_join(&t.queue), SHEAF_OK);
    EXPECT_INT(sheaf_queue_shutdown(&t.queue, false), SHEAF_OK);
    for (int i = 0; i < ACTORS; i++) {
        EXPECT_INT(actor_join(&consumers[i]), SHEAF_OK);
    }
    EXPECT_INT(sheaf__load_acq(&t.got), ACTORS * t.rounds);
    close_traffic(&t);
}

static void items_pass_once_in_every_pairing(struct fixture *f)
{
    static const size_t bounds[] = {0, 1, 3};
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        for (size_t b = 0; b < 3; b++) {
            carry(f, pairing, SHEAF_QUEUE_FIFO, bounds[b]);
            carry(f, pairing, (sheaf_queue_order)(1 + pairing % 2), bounds[b]);
        }
    }
}

/* ---------------------------------------------------------------- cancelled and out of time */

static sheaf_time some_deadline(int i)
{
    return i % 3 ? SHEAF_FOREVER : sheaf_now() + SHEAF_US(i % 60);
}

static int produce_until_cancelled(void *arg, sheaf_value *result)
{
    struct traffic *t = arg;
    (void)result;
    for (int i = 1;; i++) {
        sheaf_value item = {.u64 = (uint64_t)i};
        int status = sheaf_queue_put_until(&t->queue, item, some_deadline(i));
        if (status == SHEAF_OK) {
            count_put(t, item.u64);
        } else if (status != SHEAF_TIMEOUT) {
            return status;
        }
        SHEAF_TRY(i % 16 ? sheaf_checkpoint() : sheaf_yield());
    }
}

static int consume_until_cancelled(void *arg, sheaf_value *result)
{
    struct traffic *t = arg;
    (void)result;
    for (int i = 1;; i++) {
        sheaf_value item;
        int status = sheaf_queue_get_until(&t->queue, &item, some_deadline(i));
        if (status == SHEAF_OK) {
            count_got(t, item.u64);
        } else if (status != SHEAF_TIMEOUT) {
            return status;
        }
        SHEAF_TRY(i % 16 ? sheaf_checkpoint() : sheaf_yield());
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

static void cancel_all(sheaf_future **tasks, int count, unsigned *dice, int expected)
{
    for (int i = 0; i < count; i++) {
        pause_a_while(dice);
        sheaf_cancel(tasks[(i * 3) % count]);
    }
    for (int i = 0; i < count; i++) {
        int status = sheaf_join(tasks[i], NULL);
        EXPECT(status == SHEAF_CANCELLED || status == expected);
    }
}

static void no_item_is_lost_by_cancellations_and_limits(struct fixture *f)
{
    unsigned dice = 11;
    for (size_t round = 0; round < fixture_scaled(40); round++) {
        struct traffic t;
        sheaf_future *tasks[2 * ACTORS];
        open_traffic(&t, (sheaf_queue_order)(round % 3), 1 + round % 3, 0);
        for (int i = 0; i < 2 * ACTORS; i++) {
            sheaf_fn *body = i % 2 ? produce_until_cancelled : consume_until_cancelled;
            tasks[i] = sheaf_spawn_on(f->pool, body, &t);
        }
        cancel_all(tasks, 2 * ACTORS, &dice, SHEAF_CANCELLED);
        uint64_t left = sheaf_queue_size(&t.queue);
        EXPECT_INT(sheaf__load_acq(&t.put), sheaf__load_acq(&t.got) + left);
        close_traffic(&t);
    }
}

static void no_item_is_lost_when_a_shutdown_comes_between(struct fixture *f)
{
    unsigned dice = 13;
    for (size_t round = 0; round < fixture_scaled(40); round++) {
        struct traffic t;
        sheaf_future *tasks[2 * ACTORS];
        open_traffic(&t, (sheaf_queue_order)(round % 3), 1 + round % 3, 0);
        for (int i = 0; i < 2 * ACTORS; i++) {
            sheaf_fn *body = i % 2 ? produce_until_cancelled : consume_until_cancelled;
            tasks[i] = sheaf_spawn_on(f->pool, body, &t);
        }
        pause_a_while(&dice);
        EXPECT_INT(sheaf_queue_shutdown(&t.queue, round % 2), SHEAF_OK);
        cancel_all(tasks, 2 * ACTORS, &dice, SHEAF_SHUTDOWN);
        close_traffic(&t);
    }
}

/* The close comes while all are at work; whoever comes later is told. */
static void a_close_waits_for_those_inside(struct fixture *f)
{
    unsigned dice = 17;
    for (size_t round = 0; round < fixture_scaled(40); round++) {
        struct traffic t;
        sheaf_future *tasks[2 * ACTORS];
        open_traffic(&t, (sheaf_queue_order)(round % 3), 1 + round % 3, 0);
        for (int i = 0; i < 2 * ACTORS; i++) {
            sheaf_fn *body = i % 2 ? produce_until_cancelled : consume_until_cancelled;
            tasks[i] = sheaf_spawn_on(f->pool, body, &t);
        }
        pause_a_while(&dice);
        for (int i = 0; i < ACTORS; i++) {
            sheaf_cancel(tasks[i]);
        }
        EXPECT_INT(sheaf_queue_close(&t.queue), SHEAF_OK);
        cancel_all(tasks, 2 * ACTORS, &dice, SHEAF_CLOSED);
        EXPECT_INT(sheaf__load_acq(&t.got) + sheaf__load_acq(&dropped), sheaf__load_acq(&t.put));
    }
}

static const struct fixture_test tests[] = {
    THREAD_TEST(items_pass_once_in_every_pairing),
    THREAD_TEST(no_item_is_lost_by_cancellations_and_limits),
    THREAD_TEST(no_item_is_lost_when_a_shutdown_comes_between),
    THREAD_TEST(a_close_waits_for_those_inside),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
