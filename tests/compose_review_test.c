/* What composed futures must hold against in bad moments: ends, requests and the last references
 * that meet; depth; and whose request it is. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* A promise of the fixture's pool, made on a plain thread. */
static sheaf_future *promise_for(struct fixture *f)
{
    return sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
}

/* Some turns of nothing: the moments at which things happen differ from round to round. */
static void busy_turns(size_t count)
{
    for (volatile size_t i = 0; i < count; i++) {
    }
}

/* ---------------------------------------------------------------- depth */

static sheaf_future *nest(sheaf_future *innermost, size_t depth)
{
    sheaf_future *outer = innermost;
    for (size_t i = 0; i < depth; i++) {
        sheaf_future *inner = outer;
        outer = i % 2 ? sheaf_shield(inner) : sheaf_gather_future(&inner, 1, SHEAF_GATHER_RAISE);
        sheaf_release(inner);
    }
    return outer;
}

/* Who drops the last reference destroys all levels; on a task's stack, or where the end is told. */
static int releasing_many_levels_takes_little_stack(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    size_t depth = fixture_scaled(100000);
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *held = nest(sheaf_retain(promise), depth);
    sheaf_future *dropped = nest(sheaf_retain(promise), depth);
    sheaf_release(dropped);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 1}), SHEAF_OK);
    EXPECT_INT(sheaf_await(held, NULL), SHEAF_OK);
    sheaf_release(held);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* Each failure cancels a promise whose end is the failure of the next. */
static int a_row_of_failures_takes_little_stack(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    size_t count = fixture_scaled(50000);
    sheaf_future **promises = malloc((count + 1) * sizeof(sheaf_future *));
    sheaf_future **gathers = malloc(count * sizeof(sheaf_future *));
    for (size_t i = 0; i <= count; i++) {
        promises[i] = sheaf_promise(NULL);
    }
    for (size_t i = 0; i < count; i++) {
        gathers[i] = sheaf_gather_future(promises + i, 2, SHEAF_GATHER_CANCEL);
    }
    EXPECT(sheaf_cancel(promises[0]));
    fixture_turns((unsigned)count + 1);
    EXPECT(sheaf_cancelled(promises[count]));
    EXPECT_INT(sheaf_future_status(gathers[count - 1]), SHEAF_CANCELLED);
    sheaf_release_all(gathers, count);
    sheaf_release_all(promises, count + 1);
    free(gathers);
    free(promises);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- requests and ends */

static int await_it(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_await(arg, NULL);
}

enum { ASKED = 2 };

struct race {
    sheaf_future *tasks[ASKED];
    struct gate gate;
    SHEAF__ATOMIC(uint32_t) next;
    bool taken[ASKED];
};

static void *cancel_a_task(void *arg)
{
    struct race *race = arg;
    uint32_t own = sheaf__add_rlx(&race->next, 1);
    gate_arrive(&race->gate);
    gate_wait(&race->gate, ASKED + 1);
    race->taken[own] = sheaf_cancel(race->tasks[own]);
    return NULL;
}

/* One round: tasks that await one gather are asked while its only member ends. */
static void ask_while_it_ends(struct fixture *f, size_t round)
{
    struct race race = {.gate = GATE_INIT};
    pthread_t threads[ASKED];
    sheaf_future *promise = promise_for(f);
    sheaf_future *gather = sheaf_gather_future(&promise, 1, SHEAF_GATHER_RAISE);
    for (int i = 0; i < ASKED; i++) {
        race.tasks[i] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool), await_it, gather);
    }
    for (int i = 0; i < ASKED; i++) {
        EXPECT_INT(pthread_create(&threads[i], NULL, cancel_a_task, &race), 0);
    }
    gate_arrive(&race.gate);
    gate_wait(&race.gate, ASKED + 1);
    busy_turns(round * 7 % 1000);
    sheaf_try_resolve(promise, (sheaf_value){0});
    for (int i = 0; i < ASKED; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < ASKED; i++) {
        int status = sheaf_await(race.tasks[i], NULL);
        EXPECT(status == SHEAF_CANCELLED || !race.taken[i]);
    }
    sheaf_release_all(race.tasks, ASKED);
    sheaf_release(gather);
    sheaf_release(promise);
}

/* P6, G15: what was taken is delivered, or ends the gather as cancelled. */
static void a_request_that_meets_the_end_of_a_gather_is_not_lost(struct fixture *f)
{
    size_t rounds = fixture_scaled(2000);
    for (size_t i = 0; i < rounds; i++) {
        ask_while_it_ends(f, i);
    }
}

struct shielded {
    sheaf_future *shield;
    struct gate gate;
    pthread_t thread;
};

static void *cancel_and_release(void *arg)
{
    struct shielded *s = arg;
    sheaf_cancel(s->shield);
    gate_arrive(&s->gate);
    gate_wait(&s->gate, 2);
    sheaf_release(s->shield);
    return NULL;
}

static void the_last_reference_to_a_cancelled_shield_meets_the_end(struct fixture *f)
{
    size_t rounds = fixture_scaled(4000);
    for (size_t i = 0; i < rounds; i++) {
        struct shielded s = {.gate = GATE_INIT};
        sheaf_future *promise = promise_for(f);
        s.shield = sheaf_shield(promise);
        pthread_create(&s.thread, NULL, cancel_and_release, &s);
        gate_arrive(&s.gate);
        gate_wait(&s.gate, 2);
        busy_turns(i * 997 % 100000);
        sheaf_try_resolve(promise, (sheaf_value){0});
        pthread_join(s.thread, NULL);
        sheaf_release(promise);
    }
}

/* ---------------------------------------------------------------- asked once */

static int sleep_long(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    return sheaf_sleep(SHEAF_S(1000));
}

struct cleaner {
    sheaf_future *sibling;
    int asked;
};

/* Cleans up after the request until its sibling has ended, and somewhat longer. */
static int clean_up(void *arg, sheaf_value *result)
{
    struct cleaner *cleaner = arg;
    int status = sleep_long(NULL, result);
    EXPECT_INT(status, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_await_shielded(cleaner->sibling, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_sleep(SHEAF_MS(1)), SHEAF_OK);
    cleaner->asked = sheaf_cancelling(NULL);
    return status;
}

/* G10: that members end on the request, at once or later, is no reason to ask the others again. */
static int a_cancelled_gather_asks_each_member_once(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    for (size_t count = 2; count <= 3; count++) {
        struct cleaner cleaner = {.sibling = sheaf_spawn(sleep_long, NULL)};
        sheaf_future *members[3] = {sheaf_spawn(clean_up, &cleaner), cleaner.sibling,
                                    sheaf_promise(NULL)};
        sheaf_future *gather =
            sheaf_gather_future(members, count, SHEAF_GATHER_CANCEL | SHEAF_GATHER_JOIN);
        SHEAF_TRY(sheaf_sleep(SHEAF_MS(5)));
        EXPECT(sheaf_cancel(gather));
        EXPECT_INT(sheaf_await(gather, NULL), SHEAF_CANCELLED);
        EXPECT_INT(cleaner.asked, 1);
        sheaf_release(gather);
        sheaf_release_all(members, 3);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- limits */

static void busy_for(sheaf_duration time)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    struct timespec now = until;
    while ((now.tv_sec - until.tv_sec) * 1000000000L + (now.tv_nsec - until.tv_nsec) < time) {
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
}

static int wait_with_limit(void *arg, sheaf_value *result)
{
    return sheaf_wait_for(arg, SHEAF_MS(20), result);
}

/* WF9, WF12. */
static int a_value_that_came_before_the_limit_is_given(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(wait_with_limit, promise);
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){.i64 = 7}), SHEAF_OK);
    busy_for(SHEAF_MS(60));
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(task, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 7);
    sheaf_release(task);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* WF2, WF3: a gather that the limit has cancelled is a timeout like any other. */
static int a_limit_on_a_gather_is_a_timeout(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    for (int i = 0; i < 2; i++) {
        sheaf_future *promise = sheaf_promise(NULL);
        sheaf_future *gather = sheaf_gather_future(&promise, 1, SHEAF_GATHER_RAISE);
        EXPECT_INT(sheaf_wait_for(gather, i ? SHEAF_MS(1) : 0, NULL), SHEAF_TIMEOUT);
        sheaf_release(gather);
        sheaf_release(promise);
    }
    return SHEAF_OK;
}

static void a_limit_on_a_gather_is_a_timeout_on_a_thread(struct fixture *f)
{
    for (int i = 0; i < 2; i++) {
        sheaf_future *promise = promise_for(f);
        sheaf_future *gather = sheaf_gather_future(&promise, 1, SHEAF_GATHER_RAISE);
        EXPECT_INT(sheaf_wait_for(gather, i ? SHEAF_MS(1) : 0, NULL), SHEAF_TIMEOUT);
        sheaf_release(gather);
        sheaf_release(promise);
    }
}

struct rescheduled {
    sheaf_timeout limit;
    sheaf_future *never;
    struct gate begun;
};

static int await_within(void *arg, sheaf_value *result)
{
    struct rescheduled *r = arg;
    (void)result;
    SHEAF_TRY(sheaf_timeout_begin(&r->limit, SHEAF_FOREVER, 0));
    gate_arrive(&r->begun);
    return sheaf_timeout_end(&r->limit, sheaf_await(r->never, NULL));
}

/* TO9: a virtual clock that is at rest hears of it. */
static void a_thread_gives_a_limit_to_a_pool_at_rest(struct fixture *f)
{
    struct rescheduled r = {.begun = GATE_INIT};
    r.never = promise_for(f);
    sheaf_future *task = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool), await_within, &r);
    gate_wait(&r.begun, 1);
    struct timespec moment = {.tv_nsec = 20000000};
    nanosleep(&moment, NULL);
    EXPECT_INT(sheaf_timeout_reschedule(&r.limit, sheaf_pool_now(f->pool) + SHEAF_MS(1)), SHEAF_OK);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_TIMEOUT);
    sheaf_release(task);
    sheaf_release(r.never);
}

static uint64_t timers_set(void)
{
    sheaf_stats stats = {.size = sizeof stats};
    EXPECT_INT(sheaf_pool_stats(sheaf_pool_current(), &stats), SHEAF_OK);
    return stats.timers;
}

/* P17: of what is due at one instant the limit that was set first comes first.  A sleep that began
 * too late had no timer. */
static int a_limit_goes_before_what_was_set_after_it(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    for (size_t i = 0; i < fixture_scaled(200); i++) {
        sheaf_timeout limit;
        uint64_t before = timers_set();
        sheaf_time at = sheaf_now() + SHEAF_US(500);
        EXPECT_INT(sheaf_timeout_begin_until(&limit, at, 0), SHEAF_OK);
        int status = sheaf_timeout_end(&limit, sheaf_sleep_until(at));
        EXPECT(status == SHEAF_TIMEOUT || timers_set() - before < 2);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- groups */

struct closing {
    sheaf_group group;
    sheaf_future *owner;
};

static int cancel_group_and_owner(void *arg, sheaf_value *result)
{
    struct closing *c = arg;
    (void)result;
    EXPECT_INT(sheaf_group_cancel(&c->group), SHEAF_OK);
    EXPECT(sheaf_cancel(c->owner));
    return SHEAF_OK;
}

static int close_while_cancelled(void *arg, sheaf_value *result)
{
    struct closing *c = arg;
    (void)result;
    c->owner = sheaf_current();
    EXPECT_INT(sheaf_group_open(&c->group, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&c->group, cancel_group_and_owner, c), SHEAF_OK);
    int status = sheaf_group_close(&c->group, SHEAF_OK);
    /* Either the close delivers it, or, when there was nothing left to wait for, the next
     * suspension. */
    EXPECT(status == SHEAF_CANCELLED || sheaf_checkpoint() == SHEAF_CANCELLED);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    return SHEAF_CANCELLED;
}

/* P6, TG28: cancelling the group makes nothing of what others ask. */
static int a_request_counts_beside_the_cancelling_of_a_group(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    struct closing c;
    sheaf_future *owner = sheaf_spawn(close_while_cancelled, &c);
    EXPECT_INT(sheaf_await(owner, NULL), SHEAF_CANCELLED);
    sheaf_release(owner);
    return SHEAF_OK;
}

static int fail_soon(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    return 5;
}

static int take_all(void *arg, sheaf_value *result)
{
    sheaf_group *group = arg;
    (void)result;
    sheaf_future *member;
    int status;
    while ((status = sheaf_group_next(group, &member)) == SHEAF_OK) {
        sheaf_release(member);
    }
    return status == SHEAF_EMPTY ? SHEAF_OK : status;
}

/* KEEP: members are taken while the close gives up what has failed. */
static int failed_members_are_taken_during_the_close(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    for (size_t i = 0; i < fixture_scaled(3000); i++) {
        sheaf_group group;
        EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = SHEAF_GROUP_KEEP)),
                   SHEAF_OK);
        for (int k = 0; k < 6; k++) {
            sheaf_group_start(&group, fail_soon, NULL);
        }
        sheaf_future *taker = sheaf_spawn(take_all, &group);
        EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), 5);
        sheaf_await(taker, NULL);
        sheaf_release(taker);
        sheaf_group_forget(&group);
    }
    return SHEAF_OK;
}

static int cancel_group(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_group_cancel(arg);
    return SHEAF_OK;
}

/* A group that is being closed is cancelled in time, or not at all. */
static int a_late_cancel_of_a_group_asks_nobody(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)result;
    for (size_t i = 0; i < fixture_scaled(5000); i++) {
        sheaf_group group;
        EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = SHEAF_GROUP_KEEP)),
                   SHEAF_OK);
        sheaf_future *canceller = sheaf_spawn(cancel_group, &group);
        sheaf_group_close(&group, SHEAF_OK);
        EXPECT_INT(sheaf_cancelling(NULL), 0);
        sheaf_await(canceller, NULL);
        EXPECT_INT(sheaf_cancelling(NULL), 0);
        EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
        sheaf_release(canceller);
        sheaf_group_forget(&group);
    }
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(releasing_many_levels_takes_little_stack),
    TASK_TEST(a_row_of_failures_takes_little_stack),
    THREAD_TEST(a_request_that_meets_the_end_of_a_gather_is_not_lost),
    TASK_TEST(a_cancelled_gather_asks_each_member_once),
    THREAD_TEST(the_last_reference_to_a_cancelled_shield_meets_the_end),
    TASK_TEST_ON(MODE_1, a_value_that_came_before_the_limit_is_given),
    TASK_TEST(a_limit_on_a_gather_is_a_timeout),
    THREAD_TEST(a_limit_on_a_gather_is_a_timeout_on_a_thread),
    THREAD_TEST(a_thread_gives_a_limit_to_a_pool_at_rest),
    TASK_TEST(a_limit_goes_before_what_was_set_after_it),
    TASK_TEST(a_request_counts_beside_the_cancelling_of_a_group),
    TASK_TEST(failed_members_are_taken_during_the_close),
    TASK_TEST(a_late_cancel_of_a_group_asks_nobody),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
