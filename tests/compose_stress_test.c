/* Gathers, waits, limits, shields and groups against completion, requests and time, with accounts
 * that have to balance.
 *
 * A round has a handful of promises and as many tasks that wait for one each.  Tasks and threads
 * wait for them in every way there is; others complete the promises, and cancel them and those who
 * wait.  Afterwards every waiter has come back, each value was taken or dropped once, each callback
 * has run once, and whoever was asked has heard of it.
 *
 * SHEAF_STRESS_SECONDS (default 3) is the time for all modes together, SHEAF_STRESS_SEED the seed.
 * */
#include "lib/alloc.h"
#include "lib/future_impl.h"
#include "tests/support/fixture.h"
#include "tests/support/members.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PROMISES = 6, WAITERS = 8, THREADS = 2, MODE_COUNT = 7 };

/* ---------------------------------------------------------------- accounts */

enum account {
    ENDED, /* promises that were resolved */
    TAKEN, /* values that somebody moved out */
    CALLBACKS,
    CALLBACKS_RUN,
    ROUNDS,
    REQUESTS,
    TIMEOUTS,
    CANCELLATIONS,
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

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static int64_t number_from(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

static int64_t time_on(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---------------------------------------------------------------- a round */

struct round;

struct waiter {
    struct round *round;
    uint64_t seed;
    sheaf_future *task;       /* NULL: it is a plain thread */
    SHEAF__ATOMIC(int) asked; /* a request to it was taken */
    SHEAF__ATOMIC(int) heard; /* it has seen one, or was asked before it ran */
};

struct round {
    sheaf_pool *pool;
    uint64_t seed;
    bool fails; /* some promises are rejected: then an error may hide a request (G14) */
    sheaf_future *promises[PROMISES];
    sheaf_future *tasks[PROMISES]; /* each waits for its promise */
    sheaf_future *gather;          /* of all tasks, which many wait for */
    sheaf_future *nested;          /* of that one and a promise */
    struct waiter waiters[WAITERS + THREADS];
};

/* What a waiter picks from: one or all of the round's. */
static sheaf_future *pick(struct waiter *w, uint64_t random)
{
    struct round *r = w->round;
    switch (random % 8) {
    case 0:
        return r->gather;
    case 1:
        return r->nested;
    case 2:
    case 3:
        return r->tasks[random / 8 % PROMISES];
    default:
        return r->promises[random / 8 % PROMISES];
    }
}

static sheaf_duration some_time(uint64_t random)
{
    return random % 5 == 0 ? SHEAF_FOREVER : SHEAF_US(random / 5 % 60);
}

static int wait_for_some(struct waiter *w, uint64_t random)
{
    sheaf_future *f[PROMISES];
    for (size_t i = 0; i < PROMISES; i++) {
        f[i] = pick(w, mix(random + i));
    }
    size_t done = 0;
    int status = sheaf_wait(f, PROMISES, (sheaf_when)(random % 3), some_time(mix(random)), &done);
    for (size_t i = 0; status == SHEAF_OK && i < done; i++) {
        EXPECT(sheaf_done(f[i]));
    }
    return status;
}

static int gather_some(struct waiter *w, uint64_t random)
{
    sheaf_future *f[PROMISES];
    int statuses[PROMISES];
    for (size_t i = 0; i < PROMISES; i++) {
        f[i] = pick(w, mix(random + i));
    }
    unsigned flags = random % 16;
    int status = sheaf_gather(f, PROMISES, flags, NULL, statuses);
    for (size_t i = 0; i < PROMISES; i++) {
        EXPECT(statuses[i] != SHEAF_STATE || !(flags & (SHEAF_GATHER_JOIN | SHEAF_GATHER_COLLECT)));
        EXPECT(statuses[i] == SHEAF_STATE || sheaf_done(f[i]));
    }
    return status;
}

static int take_some(struct waiter *w, uint64_t random)
{
    sheaf_future *f[3] = {pick(w, random), pick(w, mix(random)), pick(w, mix(random + 1))};
    sheaf_each *each;
    SHEAF_TRY(sheaf_each_open(f, 3, some_time(mix(random + 2)), &each));
    sheaf_future *next;
    int status = SHEAF_OK;
    for (int i = 0; i < 3 && (status == SHEAF_OK || status == SHEAF_TIMEOUT); i++) {
        status = sheaf_each_next(each, &next);
        EXPECT(status != SHEAF_OK || sheaf_done(next));
    }
    sheaf_each_close(each);
    return status == SHEAF_EMPTY ? SHEAF_OK : status;
}

static int take_a_value(struct waiter *w, uint64_t random)
{
    sheaf_future *promise = w->round->promises[random % PROMISES];
    sheaf_future *shield = sheaf_shield(promise);
    int status = sheaf_wait_for(shield, some_time(mix(random)), NULL);
    if (status == SHEAF_OK && sheaf_take(random & 64 ? shield : promise, NULL) == SHEAF_OK) {
        count(TAKEN);
    }
    sheaf_release(shield);
    return status;
}

static int run_a_group(struct waiter *w, uint64_t random)
{
    sheaf_group group;
    SHEAF_TRY(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.pool = w->round->pool)));
    for (uint64_t i = 0; i < 3; i++) {
        int status = sheaf_group_start(&group, await_it, pick(w, mix(random + i)));
        EXPECT(status == SHEAF_OK || status == SHEAF_CLOSED);
    }
    int status = SHEAF_OK;
    if (random & 64) {
        status = wait_for_some(w, mix(random + 3));
    }
    return sheaf_group_close(&group, status);
}

static int wait_in_a_scope(struct waiter *w, uint64_t random)
{
    sheaf_timeout scope;
    SHEAF_TRY(sheaf_timeout_begin(&scope, some_time(mix(random)), 0));
    int status = random & 64 ? run_a_group(w, mix(random + 1)) : gather_some(w, mix(random + 1));
    return sheaf_timeout_end(&scope, status);
}

/* One way to wait.  Returns: its status */
static int wait_somehow(struct waiter *w, uint64_t random)
{
    uint64_t seed = mix(random + 9);
    switch (random % 8) {
    case 0:
        return wait_for_some(w, seed);
    case 1:
        return gather_some(w, seed);
    case 2:
        return take_some(w, seed);
    case 3:
        return take_a_value(w, seed);
    case 4:
        return run_a_group(w, seed);
    case 5:
        return sheaf_current() ? wait_in_a_scope(w, seed) : SHEAF_OK;
    case 6:
        return sheaf_await_shielded(pick(w, seed), NULL);
    default:
        return sheaf_await(pick(w, seed), NULL);
    }
}

static void hear(struct waiter *w, int status)
{
    /* With a limit that began behind the request both are delivered as one (TO16). */
    if (status == SHEAF_CANCELLED || (status == SHEAF_TIMEOUT && sheaf_cancelling(NULL) > 0)) {
        sheaf__store_rel(&w->heard, 1);
        count(CANCELLATIONS);
    } else if (status == SHEAF_TIMEOUT) {
        count(TIMEOUTS);
    }
}

static int be_a_waiter(void *arg, sheaf_value *result)
{
    struct waiter *w = arg;
    for (uint64_t i = 0; i < 3; i++) {
        int status = wait_somehow(w, mix(w->seed + i));
        EXPECT(status == SHEAF_OK || status == SHEAF_CANCELLED || status == SHEAF_TIMEOUT ||
               (w->round->fails && status == EIO));
        hear(w, status);
    }
    if (sheaf_current()) {
        hear(w, sheaf_checkpoint());
    }
    result->i64 = 1;
    return SHEAF_OK;
}

static void *waiter_thread(void *arg)
{
    sheaf_value value;
    (void)be_a_waiter(arg, &value);
    return NULL;
}

/* ---------------------------------------------------------------- those who disturb */

static void end_a_promise(struct round *r, size_t i, uint64_t random)
{
    if (random % 8 == 0) {
        (void)sheaf_cancel(r->promises[i]);
    } else if (r->fails && random % 8 == 1) {
        (void)sheaf_try_reject(r->promises[i], EIO, "broken");
    } else if (sheaf_try_resolve(r->promises[i], number((int64_t)i))) {
        count(ENDED);
    }
}

static void ask_somebody(struct round *r, uint64_t random)
{
    struct waiter *w = &r->waiters[random % WAITERS];
    if (sheaf_cancel(w->task)) {
        sheaf__store_rel(&w->asked, 1);
    }
    count(REQUESTS);
    if (random / WAITERS % 16 == 0) {
        (void)sheaf_cancel(random & 1024 ? r->gather : r->nested);
    } else if (random / WAITERS % 16 == 1) {
        (void)sheaf_cancel(r->tasks[random / 2048 % PROMISES]);
    }
}

/* Ends every promise, and asks now and then; as a task or a thread. */
static int disturb(void *arg, sheaf_value *result)
{
    struct round *r = arg;
    (void)result;
    uint64_t random = mix(r->seed + (sheaf_current() ? 5 : 6));
    for (uint64_t i = 0; i < PROMISES; i++) {
        random = mix(random + i);
        if (random & 3) {
            ask_somebody(r, mix(random + 1));
        }
        if (sheaf_current() && (random & 12)) {
            EXPECT_INT(sheaf_sleep(SHEAF_US(random / 16 % 20)), SHEAF_OK);
        }
        end_a_promise(r, (i * 5 + r->seed) % PROMISES, mix(random + 2));
    }
    return SHEAF_OK;
}

static void *disturb_thread(void *arg)
{
    (void)disturb(arg, NULL);
    return NULL;
}

/* ---------------------------------------------------------------- making and ending a round */

static int count_callback(void *arg, sheaf_future *future)
{
    (void)arg;
    EXPECT(sheaf_done(future));
    count(CALLBACKS_RUN);
    return SHEAF_OK;
}

static void watch(sheaf_future *future)
{
    count(CALLBACKS);
    EXPECT_INT(sheaf_on_done(future, count_callback, NULL), SHEAF_OK);
}

static void begin_round(struct round *r)
{
    for (size_t i = 0; i < PROMISES; i++) {
        r->promises[i] = promise_with_drop(r->pool);
        r->tasks[i] = sheaf_spawn_on(r->pool, await_it, r->promises[i]);
        watch(r->promises[i]);
    }
    r->gather = sheaf_gather_future(r->tasks, PROMISES, r->seed % 4);
    sheaf_future *two[2] = {r->gather, r->promises[0]};
    r->nested = sheaf_gather_future(two, 2, r->seed / 4 % 16);
    watch(r->gather);
    watch(r->nested);
    for (uint64_t i = 0; i < WAITERS + THREADS; i++) {
        struct waiter *w = &r->waiters[i];
        w->round = r;
        w->seed = mix(r->seed + i);
        sheaf__store_rel(&w->asked, 0);
        sheaf__store_rel(&w->heard, 0);
        w->task = i < WAITERS ? sheaf_spawn_on(r->pool, be_a_waiter, w) : NULL;
    }
}

static void end_round(struct round *r)
{
    for (int i = 0; i < WAITERS; i++) {
        struct waiter *w = &r->waiters[i];
        int status = sheaf_await(w->task, NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_CANCELLED);
        if (sheaf__load_acq(&w->asked) && !r->fails) {
            EXPECT(status == SHEAF_CANCELLED || sheaf__load_acq(&w->heard));
        }
        sheaf_release(w->task);
    }
    for (int i = 0; i < PROMISES; i++) {
        EXPECT(sheaf_done(r->promises[i]));
        (void)sheaf_await(r->tasks[i], NULL);
    }
    (void)sheaf_await(r->gather, NULL);
    (void)sheaf_await(r->nested, NULL);
    for (int i = 0; i < PROMISES; i++) {
        (void)sheaf_result(r->promises[i], NULL);
    }
    sheaf_release_all(r->promises, PROMISES);
    sheaf_release_all(r->tasks, PROMISES);
    sheaf_release(r->gather);
    sheaf_release(r->nested);
    count(ROUNDS);
}

static void play_round(sheaf_pool *pool, uint64_t seed)
{
    struct round r = {.pool = pool, .seed = seed, .fails = seed & 1};
    pthread_t threads[THREADS + 1];
    begin_round(&r);
    for (int i = 0; i < THREADS; i++) {
        EXPECT_INT(pthread_create(&threads[i], NULL, waiter_thread, &r.waiters[WAITERS + i]), 0);
    }
    EXPECT_INT(pthread_create(&threads[THREADS], NULL, disturb_thread, &r), 0);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(pool, disturb, &r), NULL), SHEAF_OK);
    for (int i = 0; i <= THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    end_round(&r);
}

static void every_end_is_accounted_for(struct fixture *f)
{
    int64_t share = number_from("SHEAF_STRESS_SECONDS", 3) * 1000000000 / MODE_COUNT;
    uint64_t seed = (uint64_t)number_from("SHEAF_STRESS_SEED", 1);
    int64_t end = time_on(CLOCK_MONOTONIC) + share;
    fixture_allow(60 + 4 * (unsigned)(share / 1000000000));
    forget_dropped_values();
    for (int i = 0; i < ACCOUNTS; i++) {
        sheaf__store_rel(&accounts[i], 0);
    }
    for (uint64_t i = 0; time_on(CLOCK_MONOTONIC) < end; i++) {
        play_round(f->pool, mix(seed + i) / 2 * 2 + i % 4 / 3);
    }
    fixture_close(f);
    EXPECT_INT(sum_of(TAKEN) + dropped_values(), sum_of(ENDED));
    EXPECT_INT(sum_of(CALLBACKS_RUN), sum_of(CALLBACKS));
    f->unhandled_expected = fixture_unhandled(f); /* groups and gathers that nobody looked at */
    printf("%s: %" PRId64 " rounds, %" PRId64 " requests, %" PRId64 " timeouts, %" PRId64
           " cancellations\n",
           f->mode->name, sum_of(ROUNDS), sum_of(REQUESTS), sum_of(TIMEOUTS),
           sum_of(CANCELLATIONS));
}

/* ---------------------------------------------------------------- what never ends */

static bool has_waiters(const sheaf_future *future)
{
    return sheaf__load_acq(&future->job.word) & SHEAF__WORD_WAITER;
}

static void race_against(sheaf_future *never, sheaf_future *other, uint64_t way)
{
    sheaf_future *two[2] = {never, other};
    sheaf_each *each = NULL;
    sheaf_future *next = NULL;
    switch (way % 6) {
    case 0:
        EXPECT_INT(sheaf_wait(two, 2, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, NULL), SHEAF_OK);
        break;
    case 1:
        EXPECT_INT(sheaf_wait_flags(two, 2, SHEAF_ALL_COMPLETED, SHEAF_US(1), NULL, NULL),
                   SHEAF_OK);
        break;
    case 2:
        EXPECT_INT(sheaf_gather(two, 2, SHEAF_GATHER_RAISE, NULL, NULL), EIO);
        break;
    case 3:
        EXPECT_INT(sheaf_each_open(two, 2, SHEAF_FOREVER, &each), SHEAF_OK);
        EXPECT_INT(sheaf_each_next(each, &next), SHEAF_OK);
        EXPECT_PTR(next, other);
        sheaf_each_close(each);
        break;
    case 4:
        next = sheaf_shield(never);
        EXPECT_INT(sheaf_wait_for(next, SHEAF_US(1), NULL), SHEAF_TIMEOUT);
        sheaf_release(next);
        break;
    default:
        EXPECT_INT(sheaf_await_for(never, SHEAF_US(1), NULL), SHEAF_TIMEOUT);
        break;
    }
}

static int fail_soon(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return EIO;
}

/* However often something is raced against it. */
static int what_never_ends_gathers_no_waiters(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int64_t seconds = number_from("SHEAF_STRESS_SECONDS", 3);
    size_t races = fixture_scaled((size_t)seconds * 3000);
    fixture_allow(60 + 4 * (unsigned)seconds);
    sheaf_future *never = sheaf_promise(NULL);
    uint64_t before = 0;
    for (size_t i = 0; i < races; i++) {
        sheaf_future *other = sheaf_spawn(fail_soon, NULL);
        race_against(never, other, i);
        (void)sheaf_await(other, NULL);
        sheaf_release(other);
        if (i == races / 2) {
            before = sheaf__alloc_counts().live_bytes; /* caches are full by now */
        }
    }
    /* Another thread that ends may still hold what it was about to tell. */
    for (int i = 0; i < 1000 && (sheaf__alloc_counts().live_bytes > before || has_waiters(never));
         i++) {
        EXPECT_INT(sheaf_sleep(SHEAF_US(100)), SHEAF_OK);
    }
    EXPECT(sheaf__alloc_counts().live_bytes <= before + 4096);
    EXPECT(!has_waiters(never) && !sheaf_done(never));
    sheaf_release(never);
    return SHEAF_OK;
}

/* The time that `count` waits for one promise take to leave it, in an arbitrary order. */
static int64_t time_to_leave(sheaf_future *promise, size_t crowd)
{
    sheaf_each **waits = calloc(crowd, sizeof *waits);
    for (size_t i = 0; i < crowd; i++) {
        EXPECT_INT(sheaf_each_open(&promise, 1, SHEAF_FOREVER, &waits[i]), SHEAF_OK);
    }
    int64_t begin = time_on(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < crowd; i++) {
        size_t at = (i * 7919 + 13) % crowd; /* 7919 is prime and divides no such crowd */
        sheaf_each_close(waits[at]);
        waits[at] = NULL;
    }
    int64_t took = time_on(CLOCK_THREAD_CPUTIME_ID) - begin;
    EXPECT(!has_waiters(promise));
    free(waits);
    return took;
}

/* Ten times as many take about ten times as long; were they looked for, it would be a hundred. */
static void leaving_takes_the_same_time_in_any_crowd(struct fixture *f)
{
    size_t few = fixture_scaled(10000) + 200;
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    int64_t best = INT64_MAX;
    for (int try = 0; try < 5 && best > 40; try++) {
        int64_t short_time = time_to_leave(promise, few) + 1;
        int64_t ratio = time_to_leave(promise, 10 * few) / short_time;
        best = ratio < best ? ratio : best;
    }
    EXPECT(best <= 40);
    sheaf_release(promise);
}

static const struct fixture_test tests[] = {
    THREAD_TEST(every_end_is_accounted_for),
    TASK_TEST(what_never_ends_gathers_no_waiters),
    THREAD_TEST_ON(MODE_1 | MODE_FIFO, leaving_takes_the_same_time_in_any_crowd),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
