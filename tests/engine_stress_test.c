/* The engine under everything at once, with accounts that have to balance.
 *
 * Trees of tasks grow and are awaited in three orders.  A node is a task with a record of its own
 * or one in its maker's frame; it yields, sleeps, looks for requests; it may cancel its children,
 * drop them unseen, or fail.  Meanwhile threads and tasks that have nothing to do with the trees
 * cancel, await and release futures that they find in a registry.  Between these storms come phases
 * in which everything sleeps and phases that overfill the deques.
 *
 * The shape of a tree follows from its seed alone, so the value of a tree that succeeds is known.
 * SHEAF_STRESS_SECONDS (default 3) is the time for all modes together, SHEAF_STRESS_SEED the seed.
 * */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHILDREN_MAX = 4, SLOTS = 64, SUBMITTERS = 3, MODE_COUNT = 7 };

enum { MAY_CANCEL = 1, MAY_FAIL = 2 };

/* ---------------------------------------------------------------- accounts */

enum account {
    SPAWNED, /* tasks with a record of their own; each one runs or its argument is dropped */
    BODIES,
    ARGUMENT_DROPS,
    VALUES, /* given by such tasks; each one is taken or dropped */
    VALUES_TAKEN,
    VALUE_DROPS,
    FAILURES, /* of such tasks; each one is seen or reported */
    FAILURES_SEEN,
    CALLBACKS, /* registered; each one runs */
    CALLBACKS_RUN,
    TREES,
    LEAVES,
    REQUESTS,
    ACCOUNTS
};

static SHEAF__ATOMIC(int64_t) accounts[ACCOUNTS];

static void count(enum account account)
{
    sheaf__add_rlx(&accounts[account], 1);
}

static int64_t sum_of(enum account account)
{
    return sheaf__load_acq(&accounts[account]);
}

static void reset_accounts(void)
{
    for (int i = 0; i < ACCOUNTS; i++) {
        sheaf__store_rel(&accounts[i], 0);
    }
}

static void balance_accounts(struct fixture *f)
{
    EXPECT_INT(sum_of(BODIES) + sum_of(ARGUMENT_DROPS), sum_of(SPAWNED));
    EXPECT_INT(sum_of(VALUES_TAKEN) + sum_of(VALUE_DROPS), sum_of(VALUES));
    EXPECT_INT(sum_of(FAILURES_SEEN) + fixture_unhandled(f), sum_of(FAILURES));
    EXPECT_INT(sum_of(CALLBACKS_RUN), sum_of(CALLBACKS));
    f->unhandled_expected = fixture_unhandled(f);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static int64_t seconds_from(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

static int64_t real_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---------------------------------------------------------------- registry */

/* Futures that strangers find; each slot holds a reference. */
static struct {
    pthread_mutex_t lock;
    sheaf_future *slots[SLOTS]; /* guarded by lock */
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Puts a reference (taken) in the place of another, which is dropped: often it is the last. */
static void registry_put(uint64_t random, sheaf_future *future)
{
    pthread_mutex_lock(&registry.lock);
    sheaf_future *old = registry.slots[random % SLOTS];
    registry.slots[random % SLOTS] = future;
    pthread_mutex_unlock(&registry.lock);
    sheaf_release(old);
}

static sheaf_future *registry_get(uint64_t random)
{
    pthread_mutex_lock(&registry.lock);
    sheaf_future *future = sheaf_retain(registry.slots[random % SLOTS]);
    pthread_mutex_unlock(&registry.lock);
    return future;
}

static void registry_clear(void)
{
    for (uint64_t i = 0; i < SLOTS; i++) {
        registry_put(i, NULL);
    }
}

/* ---------------------------------------------------------------- trees */

struct node {
    uint64_t seed;
    int depth;
    unsigned may;
    bool own_record;
};

static int children_of(uint64_t seed, int depth)
{
    return depth == 0 ? 0 : (int)(mix(seed) % CHILDREN_MAX) + (depth > 4);
}

static uint64_t seed_of_child(uint64_t seed, int i)
{
    return mix(seed + 77 * (uint64_t)i + 1);
}

static int64_t size_of_tree(uint64_t seed, int depth)
{
    int64_t size = 1;
    for (int i = 0; i < children_of(seed, depth); i++) {
        size += size_of_tree(seed_of_child(seed, i), depth - 1);
    }
    return size;
}

static void count_argument_drop(void *arg)
{
    const struct node *n = arg;
    EXPECT(n->own_record);
    count(ARGUMENT_DROPS);
}

static void count_value_drop(sheaf_value value)
{
    EXPECT(value.i64 > 0);
    count(VALUE_DROPS);
}

static int count_callback(void *arg, sheaf_future *future)
{
    (void)arg;
    EXPECT(sheaf_done(future));
    count(CALLBACKS_RUN);
    return SHEAF_OK;
}

static int grow(void *arg, sheaf_value *result);

static sheaf_future *spawn_node(sheaf_pool *pool, struct node node)
{
    node.own_record = true;
    count(SPAWNED);
    sheaf_future *f = sheaf_spawn_with(
        SHEAF_SPAWN_OPTIONS(.pool = pool, .copy = sizeof node, .arg_drop = count_argument_drop,
                            .value_drop = count_value_drop,
                            .flags = node.seed & 1 ? SHEAF_SPAWN_KEEP_LATE_RESULT : 0),
        grow, &node);
    if (node.seed % 8 == 0) {
        count(CALLBACKS);
        EXPECT_INT(sheaf_on_done(f, count_callback, NULL), SHEAF_OK);
    }
    if (node.may & MAY_CANCEL) {
        registry_put(mix(node.seed + 3), sheaf_retain(f));
    }
    return f;
}

struct family {
    int count;
    sheaf_future *heap[CHILDREN_MAX]; /* NULL: the child lies in the frame */
    struct node nodes[CHILDREN_MAX];
    sheaf_task frames[CHILDREN_MAX];
};

static void plant(const struct node *n, struct family *family)
{
    family->count = children_of(n->seed, n->depth);
    for (int i = 0; i < family->count; i++) {
        struct node *child = &family->nodes[i];
        *child = (struct node){seed_of_child(n->seed, i), n->depth - 1, n->may, false};
        if (child->seed & 4) {
            family->heap[i] = spawn_node(NULL, *child);
        } else {
            family->heap[i] = NULL;
            sheaf_task_spawn(&family->frames[i], grow, child);
        }
    }
}

/* Passes the time in one way or another.  Returns: a status to give up with, or SHEAF_OK */
static int pass_time(uint64_t random)
{
    switch (random % 16) {
    case 0:
    case 1:
        return sheaf_yield();
    case 2:
        return sheaf_sleep(SHEAF_US(random / 16 % 200));
    case 3:
        return sheaf_sleep(0);
    case 4:
        return sheaf_checkpoint();
    default:
        return SHEAF_OK;
    }
}

/* Reads the outcome of a node with a record of its own and drops the reference. */
static int reap(sheaf_future *f, uint64_t random, sheaf_value *value)
{
    int status = sheaf_await(f, value);
    if (status == EIO) {
        count(FAILURES_SEEN);
    } else if (status == SHEAF_OK && random % 2) {
        EXPECT_INT(sheaf_take(f, value), SHEAF_OK);
        count(VALUES_TAKEN);
    }
    sheaf_release(f);
    return status;
}

/* A task that fails or is cancelled leaves its children behind in one of three ways. */
static void leave_child(sheaf_future *f, uint64_t random)
{
    sheaf_value value;
    switch (random % 3) {
    case 0:
        sheaf_release(f);
        break;
    case 1:
        (void)sheaf_cancel(f);
        (void)reap(f, random, &value);
        break;
    default:
        (void)reap(f, random, &value);
        break;
    }
}

static int harvest_child(const struct node *n, struct family *family, int i, sheaf_value *value)
{
    uint64_t random = mix(n->seed + 13 * (uint64_t)i + 5);
    if (!family->heap[i]) {
        return sheaf_task_join(&family->frames[i], value);
    }
    if ((n->may & MAY_CANCEL) && random % 32 == 0) {
        (void)sheaf_cancel(family->heap[i]);
    }
    return reap(family->heap[i], random, value);
}

static int child_in_order(uint64_t seed, int i, int children)
{
    switch (seed % 3) {
    case 0:
        return i;
    case 1:
        return children - 1 - i;
    default:
        return (i * 3 + 1) % children; /* a permutation unless 3 divides the count */
    }
}

static int harvest(const struct node *n, struct family *family, int status, int64_t *sum)
{
    uint64_t order = family->count % 3 == 0 ? mix(n->seed) % 2 : mix(n->seed);
    for (int i = 0; i < family->count; i++) {
        int place = child_in_order(order, i, family->count);
        sheaf_value value = {0};
        if (status != SHEAF_OK && family->heap[place]) {
            leave_child(family->heap[place], mix(n->seed + 99 + (uint64_t)i));
            continue;
        }
        int outcome = harvest_child(n, family, place, &value);
        status = status ? status : outcome;
        *sum += value.i64;
    }
    return status;
}

static int grow(void *arg, sheaf_value *result)
{
    const struct node n = *(const struct node *)arg;
    struct family family;
    int64_t sum = 1;
    if (n.own_record) {
        count(BODIES);
    }
    plant(&n, &family);
    int status = harvest(&n, &family, pass_time(mix(n.seed + 11)), &sum);
    status = status ? status : pass_time(mix(n.seed + 12));
    if (status == SHEAF_OK && (n.may & MAY_FAIL) && mix(n.seed + 21) % 50 == 0) {
        status = sheaf_raise(EIO, "node %" PRIu64, n.seed);
    }
    result->i64 = sum;
    if (n.own_record && status == EIO) {
        count(FAILURES);
    } else if (n.own_record && status == SHEAF_OK) {
        count(VALUES);
    }
    return status;
}

/* ---------------------------------------------------------------- a storm */

struct storm {
    sheaf_pool *pool;
    int64_t deadline;
    unsigned may;
    uint64_t seed;
};

static void expect_tree(const struct storm *s, struct node root, int status, int64_t value)
{
    if (status == SHEAF_OK) {
        EXPECT_INT(value, size_of_tree(root.seed, root.depth));
    } else {
        EXPECT((status == SHEAF_CANCELLED && (s->may & MAY_CANCEL)) ||
               (status == EIO && (s->may & MAY_FAIL)));
    }
}

/* A thread that submits trees and waits for them. */
static void *submit(void *arg)
{
    struct storm s = *(struct storm *)arg;
    while (real_time() < s.deadline) {
        s.seed = mix(s.seed + 1);
        struct node root = {s.seed, (int)(s.seed >> 8 & 0xffff) % 7, s.may, true};
        sheaf_future *f = spawn_node(s.pool, root);
        sheaf_value value = {0};
        if (s.seed % 4 == 0 && !(s.may & MAY_FAIL)) {
            (void)sheaf_await_for(f, SHEAF_US(20), NULL);
        }
        int status = reap(f, s.seed, &value);
        expect_tree(&s, root, status, value.i64);
        count(TREES);
    }
    return NULL;
}

/* A stranger cancels what it finds; without failures to account for it awaits it, too. */
static int be_a_stranger(void *arg, sheaf_value *result)
{
    struct storm s = *(struct storm *)arg;
    (void)result;
    while (real_time() < s.deadline) {
        s.seed = mix(s.seed + 2);
        sheaf_future *f = registry_get(s.seed >> 20);
        if (f && s.seed % 2) {
            (void)sheaf_cancel(f);
            count(REQUESTS);
        } else if (f && !(s.may & MAY_FAIL)) {
            (void)sheaf_await_for(f, SHEAF_US(100), NULL);
        }
        sheaf_release(f);
        if (sheaf_current()) {
            SHEAF_TRY(sheaf_sleep(SHEAF_US(30)));
        } else {
            sched_yield();
        }
    }
    return SHEAF_OK;
}

static void *stranger_thread(void *arg)
{
    (void)be_a_stranger(arg, NULL);
    return NULL;
}

static void rage(struct fixture *f, unsigned may, uint64_t seed, int64_t nanoseconds)
{
    struct storm storms[SUBMITTERS + 2];
    pthread_t threads[SUBMITTERS + 1];
    int64_t deadline = real_time() + nanoseconds;
    for (unsigned i = 0; i < SUBMITTERS + 2; i++) {
        storms[i] = (struct storm){f->pool, deadline, may, mix(seed + i)};
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        EXPECT_INT(pthread_create(&threads[i], NULL, submit, &storms[i]), 0);
    }
    EXPECT_INT(pthread_create(&threads[SUBMITTERS], NULL, stranger_thread, &storms[SUBMITTERS]), 0);
    sheaf_future *task = sheaf_spawn_on(f->pool, be_a_stranger, &storms[SUBMITTERS + 1]);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_OK);
    for (int i = 0; i <= SUBMITTERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* ---------------------------------------------------------------- calm and flood */

static int sleep_a_little(void *arg, sheaf_value *result)
{
    uint64_t seed = *(const uint64_t *)arg;
    count(LEAVES);
    result->i64 = 1;
    return sheaf_sleep(SHEAF_US(mix(seed) % 500));
}

/* Everything sleeps, again and again: who is not woken now is woken by nobody. */
static void calm(struct fixture *f, uint64_t seed)
{
    enum { SLEEPERS = 64 };
    for (uint64_t round = 0; round < 4; round++) {
        uint64_t seeds[SLEEPERS];
        sheaf_future *sleepers[SLEEPERS];
        for (uint64_t i = 0; i < SLEEPERS; i++) {
            seeds[i] = seed + round * SLEEPERS + i;
            sleepers[i] = sheaf_spawn_on(f->pool, sleep_a_little, &seeds[i]);
        }
        for (int i = 0; i < SLEEPERS; i++) {
            EXPECT_INT(sheaf_join(sleepers[i], NULL), SHEAF_OK);
        }
    }
}

static int be_a_leaf(void *arg, sheaf_value *result)
{
    (void)arg;
    count(LEAVES);
    result->i64 = 1;
    return SHEAF_OK;
}

/* More tasks than a deque holds; a third of them is never looked at. */
static int overfill(void *arg, sheaf_value *result)
{
    size_t size = *(const size_t *)arg;
    sheaf_future **leaves = calloc(size, sizeof(sheaf_future *));
    for (size_t i = 0; i < size; i++) {
        leaves[i] = sheaf_spawn(be_a_leaf, NULL);
        if (i % 3 == 0) {
            sheaf_release(leaves[i]);
            leaves[i] = NULL;
        }
    }
    for (size_t i = 0; i < size; i++) {
        sheaf_value value = {0};
        if (leaves[i]) {
            SHEAF_TRY(sheaf_join(leaves[i], &value));
        }
        result->i64 += value.i64;
    }
    free(leaves);
    return SHEAF_OK;
}

static void flood(struct fixture *f)
{
    size_t size = fixture_scaled(100000);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, overfill, &size), &value), SHEAF_OK);
    EXPECT_INT(value.i64, size - (size + 2) / 3);
}

/* ---------------------------------------------------------------- the whole */

static void expect_rest(struct fixture *f)
{
    sheaf_stats stats = {.size = sizeof stats};
    do {
        EXPECT_INT(sheaf_pool_stats(f->pool, &stats), SHEAF_OK);
        sched_yield();
    } while (stats.finished != stats.spawned || stats.suspended > 0);
    EXPECT(stats.spawned >= (uint64_t)sum_of(SPAWNED));
}

static void every_outcome_is_accounted_for(struct fixture *f)
{
    int64_t share = seconds_from("SHEAF_STRESS_SECONDS", 3) * 1000000000 / MODE_COUNT;
    uint64_t seed = (uint64_t)seconds_from("SHEAF_STRESS_SEED", 1);
    int64_t end = real_time() + share, phase = 20000000;
    fixture_allow(60 + 4 * (unsigned)(share / 1000000000));
    reset_accounts();
    for (uint64_t round = 0; real_time() < end; round++) {
        rage(f, (unsigned)(round % 4), mix(seed + round), phase);
        registry_clear();
        calm(f, seed + round);
        if (round % 4 == 0) {
            flood(f);
        }
        phase = phase * 2 < share / 4 ? phase * 2 : phase;
    }
    expect_rest(f);
    registry_clear(); /* of those that were left behind, and went on beyond the storm */
    fixture_close(f);
    balance_accounts(f);
    printf("%s: %" PRId64 " trees, %" PRId64 " nodes, %" PRId64 " leaves, %" PRId64
           " foreign requests\n",
           f->mode->name, sum_of(TREES), sum_of(SPAWNED), sum_of(LEAVES), sum_of(REQUESTS));
}

static const struct fixture_test tests[] = {
    THREAD_TEST(every_outcome_is_accounted_for),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
