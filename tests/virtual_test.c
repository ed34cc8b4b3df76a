/* The virtual clock: it stands still while anything can run, jumps when nothing can, and knows a
 * deadlock. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

static int sleep_for(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_sleep(*(const sheaf_duration *)arg);
}

/* ---------------------------------------------------------------- jumping */

static int long_sleeps_take_no_time(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_time start = sheaf_now();
    EXPECT_INT(sheaf_sleep(SHEAF_S(3600)), SHEAF_OK);
    EXPECT_INT(sheaf_now() - start, SHEAF_S(3600));
    EXPECT_INT(sheaf_pool_now(f->pool), sheaf_now());
    EXPECT_INT(sheaf_sleep_until(start + SHEAF_S(86400)), SHEAF_OK);
    EXPECT_INT(sheaf_now() - start, SHEAF_S(86400));
    for (int i = 0; i < 1000; i++) {
        EXPECT_INT(sheaf_sleep(SHEAF_S(365 * 24 * 3600) / 1000), SHEAF_OK);
    }
    EXPECT_INT(sheaf_now() - start, SHEAF_S(366 * 24 * 3600));
    EXPECT_INT(sheaf_sleep(1), SHEAF_OK);
    EXPECT_INT(sheaf_now() - start, SHEAF_S(366 * 24 * 3600) + 1);
    return SHEAF_OK;
}

static int time_stands_still_while_anything_can_run(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_duration hour = SHEAF_S(3600);
    sheaf_future *sleeper = sheaf_spawn(sleep_for, &hour);
    sheaf_time start = sheaf_now();
    for (int i = 0; i < 500; i++) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
        EXPECT_INT(sheaf_now(), start);
    }
    EXPECT(!sheaf_done(sleeper));
    EXPECT_INT(sheaf_join(sleeper, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_now() - start, hour);
    return SHEAF_OK;
}

static int note_after(void *arg, sheaf_value *result)
{
    sheaf_duration delay = *(const sheaf_duration *)arg;
    (void)result;
    sheaf_time start = sheaf_now();
    SHEAF_TRY(sheaf_sleep(delay));
    EXPECT_INT(sheaf_now() - start, delay);
    NOTE("%d", (int)(delay / SHEAF_S(1)));
    return SHEAF_OK;
}

static int sleepers_wake_in_the_order_of_their_deadlines(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const int seconds[] = {50, 20, 90, 10, 70, 30, 100, 40, 80, 60};
    sheaf_future *tasks[10];
    for (int i = 0; i < 10; i++) {
        sheaf_duration delay = SHEAF_S(seconds[i]);
        tasks[i] = sheaf_spawn_copy(note_after, &delay, sizeof delay);
    }
    for (int i = 0; i < 10; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_OK);
    }
    EXPECT_NOTES("10 20 30 40 50 60 70 80 90 100");
    return SHEAF_OK;
}

static int limits_pass_exactly(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_duration hour = SHEAF_S(3600);
    sheaf_time start = sheaf_now();
    sheaf_future *sleeper = sheaf_spawn(sleep_for, &hour);
    EXPECT_INT(sheaf_await_for(sleeper, hour - 1, NULL), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_now() - start, hour - 1);
    EXPECT_INT(sheaf_await_for(sleeper, 2, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_now() - start, hour);
    EXPECT_INT(sheaf_join(sleeper, NULL), SHEAF_OK);
    return SHEAF_OK;
}

static int a_timer_that_was_cancelled_does_not_move_the_clock(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_duration hour = SHEAF_S(3600);
    sheaf_time start = sheaf_now();
    sheaf_future *sleeper = sheaf_spawn(sleep_for, &hour);
    EXPECT_INT(sheaf_sleep(SHEAF_S(1)), SHEAF_OK);
    EXPECT(sheaf_cancel(sleeper));
    EXPECT_INT(sheaf_join(sleeper, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_sleep(SHEAF_S(1)), SHEAF_OK);
    EXPECT_INT(sheaf_now() - start, SHEAF_S(2));
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- holding */

static void a_held_clock_does_not_jump(struct fixture *f)
{
    sheaf_clock_hold(f->pool);
    sheaf_clock_hold(f->pool);
    sheaf_duration hour = SHEAF_S(3600);
    sheaf_time start = sheaf_pool_now(f->pool);
    sheaf_future *sleeper = sheaf_spawn_on(f->pool, sleep_for, &hour);
    sheaf_stats stats = {.size = sizeof stats};
    do {
        EXPECT_INT(sheaf_pool_stats(f->pool, &stats), SHEAF_OK);
    } while (stats.suspended == 0);
    sheaf_clock_release(f->pool);
    for (int i = 0; i < 200; i++) {
        sched_yield();
        EXPECT(!sheaf_done(sleeper));
        EXPECT_INT(sheaf_pool_now(f->pool), start);
    }
    sheaf_clock_release(f->pool);
    EXPECT_INT(sheaf_join(sleeper, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_pool_now(f->pool) - start, hour);
}

struct outsider {
    sheaf_pool *pool;
    sheaf_future *promise;
    pthread_t thread;
};

static void *act_from_outside(void *arg)
{
    struct outsider *o = arg;
    sheaf_stats stats = {.size = sizeof stats};
    do {
        EXPECT_INT(sheaf_pool_stats(o->pool, &stats), SHEAF_OK);
    } while (stats.suspended == 0);
    for (int i = 0; i < 100; i++) {
        sched_yield();
    }
    EXPECT_INT(sheaf_resolve(o->promise, (sheaf_value){.i64 = 4}), SHEAF_OK);
    sheaf_clock_release(o->pool);
    return NULL;
}

static int wait_for_an_outsider(void *arg, sheaf_value *result)
{
    (void)arg;
    struct outsider o = {.pool = sheaf_pool_current(), .promise = sheaf_promise(NULL)};
    sheaf_clock_hold(o.pool);
    EXPECT_INT(pthread_create(&o.thread, NULL, act_from_outside, &o), 0);
    sheaf_time start = sheaf_now();
    EXPECT_INT(sheaf_await_for(o.promise, SHEAF_S(5), result), SHEAF_OK);
    EXPECT_INT(sheaf_now(), start);
    pthread_join(o.thread, NULL);
    sheaf_release(o.promise);
    return SHEAF_OK;
}

static void a_thread_that_holds_the_clock_may_take_its_time(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_run(&options, wait_for_an_outsider, NULL, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 4);
}

/* ---------------------------------------------------------------- deadlocks */

static char report[8192];

static void note_line(void *context, const char *line)
{
    (void)context;
    if (strlen(report) + strlen(line) + 2 < sizeof report) {
        strcat(strcat(report, line), "\n");
    }
}

/* What stuck tasks hold: their frames are never left, so the test gives it back. */
static sheaf_future *held[3];

static void release_held(void)
{
    for (int i = 0; i < 3; i++) {
        if (held[i]) {
            sheaf_error_release(sheaf_future_error(held[i]));
        }
        sheaf_release(held[i]);
        held[i] = NULL;
    }
}

static void expect_deadlock(struct fixture *f, sheaf_fn *fn, const char *const *words)
{
    sheaf_options options = fixture_options(f);
    report[0] = '\0';
    sheaf_set_report_hook(note_line, NULL);
    EXPECT_INT(sheaf_run(&options, fn, NULL, NULL), SHEAF_DEADLOCK);
    sheaf_set_report_hook(NULL, NULL);
    release_held();
    for (; *words; words++) {
        if (!EXPECT(strstr(report, *words) != NULL)) {
            fprintf(stderr, "no '%s' in the report:\n%s", *words, report);
        }
    }
}

static int await_what_nobody_gives(void *arg, sheaf_value *result)
{
    (void)arg;
    held[0] = sheaf_promise(SHEAF_PROMISE_OPTIONS(.name = "lost-answer"));
    held[1] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "asker"), await_it, held[0]);
    held[2] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "asker-of-asker"), await_it, held[1]);
    return sheaf_await(held[2], result);
}

static void a_deadlock_is_reported_with_who_waits_for_what(struct fixture *f)
{
    static const char *const words[] = {"lost-answer", "asker", "asker-of-asker", NULL};
    expect_deadlock(f, await_what_nobody_gives, words);
}

static sheaf_mutex left, right;

static int lock_twice(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_lock(&left));
    return sheaf_lock(&left);
}

static void a_lock_nobody_gives_back_is_a_deadlock(struct fixture *f)
{
    static const char *const words[] = {"lock", NULL};
    memset(&left, 0, sizeof left);
    expect_deadlock(f, lock_twice, words);
}

static int lock_in_turn(void *arg, sheaf_value *result)
{
    sheaf_mutex **order = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(order[0]));
    SHEAF_TRY(sheaf_sleep(SHEAF_S(1)));
    SHEAF_TRY(sheaf_lock(order[1]));
    sheaf_unlock(order[1]);
    sheaf_unlock(order[0]);
    return SHEAF_OK;
}

static int embrace(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static sheaf_mutex *one_way[] = {&left, &right}, *other_way[] = {&right, &left};
    held[0] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "one-way"), lock_in_turn, one_way);
    held[1] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "other-way"), lock_in_turn, other_way);
    return sheaf_await(held[0], NULL);
}

static void a_deadly_embrace_is_a_deadlock(struct fixture *f)
{
    static const char *const words[] = {"one-way", "other-way", "lock", NULL};
    memset(&left, 0, sizeof left);
    memset(&right, 0, sizeof right);
    expect_deadlock(f, embrace, words);
}

static int leave_a_stuck_task(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    held[0] = sheaf_promise(NULL);
    held[1] = sheaf_spawn(await_it, held[0]);
    return SHEAF_OK;
}

static void a_drain_that_can_never_end_is_a_deadlock(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool = NULL;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(pool, leave_a_stuck_task, NULL), NULL), SHEAF_OK);
    sheaf_set_report_hook(note_line, NULL);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL),
               SHEAF_DEADLOCK);
    sheaf_set_report_hook(NULL, NULL);
    EXPECT_INT(sheaf_future_status(held[1]), SHEAF_CLOSED);
    release_held();
}

static int sleep_while_another_is_stuck(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    sheaf_future *stuck = sheaf_spawn(await_it, p);
    SHEAF_TRY(sheaf_sleep(SHEAF_S(3600)));
    EXPECT(!sheaf_done(stuck));
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_join(stuck, NULL), SHEAF_OK);
    sheaf_release(p);
    return SHEAF_OK;
}

static void a_task_that_waits_is_no_deadlock_while_a_timer_is_left(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    EXPECT_INT(sheaf_run(&options, sleep_while_another_is_stuck, NULL, NULL), SHEAF_OK);
}

/* ---------------------------------------------------------------- the present instant */

static int yield_until_set(void *arg, sheaf_value *result)
{
    (void)result;
    while (!sheaf__load_acq((SHEAF__ATOMIC(int) *)arg)) {
        SHEAF_TRY(sheaf_yield());
    }
    return SHEAF_OK;
}

static int what_is_due_now_happens_while_another_yields_for_ever(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF__ATOMIC(int) set;
    sheaf__store_rel(&set, 0);
    sheaf_future *never = sheaf_promise(NULL);
    sheaf_future *other = sheaf_spawn(yield_until_set, &set);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_sleep_until(sheaf_now()), SHEAF_OK);
    EXPECT_INT(sheaf_sleep_until(sheaf_now() - 1), SHEAF_OK);
    EXPECT_INT(sheaf_await_until(never, sheaf_now(), NULL), SHEAF_TIMEOUT);
    EXPECT(!sheaf_done(other));
    sheaf__store_rel(&set, 1);
    EXPECT_INT(sheaf_join(other, NULL), SHEAF_OK);
    sheaf_release(never);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- under inspection */

struct tennis {
    sheaf_mutex mutex;
    sheaf_cond moved;
    size_t ball; /* strokes so far; guarded by mutex */
    size_t strokes;
};

struct player {
    struct tennis *game;
    size_t side;
};

static int play(void *arg, sheaf_value *result)
{
    struct player *self = arg;
    struct tennis *game = self->game;
    (void)result;
    SHEAF_TRY(sheaf_lock(&game->mutex));
    while (game->ball < game->strokes) {
        if (game->ball % 2 == self->side) {
            game->ball++;
            sheaf_cond_notify(&game->moved, 1);
        } else {
            SHEAF_TRY(sheaf_cond_wait(&game->moved, &game->mutex));
        }
    }
    sheaf_cond_notify(&game->moved, 1);
    return sheaf_unlock(&game->mutex);
}

/* There is always one of the two that can run, whatever the other waits for. */
static int play_while_another_sleeps(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_duration hour = SHEAF_S(3600);
    sheaf_future *sleeper = sheaf_spawn(sleep_for, &hour);
    struct tennis game = {.mutex = SHEAF_MUTEX_INIT, .moved = SHEAF_COND_INIT};
    game.strokes = fixture_scaled(100000);
    struct player players[] = {{&game, 0}, {&game, 1}};
    sheaf_time start = sheaf_now();
    sheaf_future *other = sheaf_spawn(play, &players[1]);
    EXPECT_INT(play(&players[0], NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(other, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_now() - start, 0);
    sheaf_cancel(sleeper);
    EXPECT_INT(sheaf_join(sleeper, NULL), SHEAF_CANCELLED);
    sheaf__store_rel((SHEAF__ATOMIC(int) *)arg, 1);
    return SHEAF_OK;
}

static void who_looks_at_tasks_does_not_move_the_clock(struct fixture *f)
{
    SHEAF__ATOMIC(int) over;
    sheaf__store_rel(&over, 0);
    sheaf_future *game = sheaf_spawn_on(f->pool, play_while_another_sleeps, &over);
    while (!sheaf__load_acq(&over)) {
        sheaf_all_tasks(f->pool, NULL, 0);
    }
    EXPECT_INT(sheaf_join(game, NULL), SHEAF_OK);
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, long_sleeps_take_no_time),
    TASK_TEST_ON(MODES_VIRTUAL, time_stands_still_while_anything_can_run),
    TASK_TEST_ON(MODES_VIRTUAL, sleepers_wake_in_the_order_of_their_deadlines),
    TASK_TEST_ON(MODES_VIRTUAL, limits_pass_exactly),
    TASK_TEST_ON(MODES_VIRTUAL, a_timer_that_was_cancelled_does_not_move_the_clock),
    THREAD_TEST_ON(MODES_VIRTUAL, a_held_clock_does_not_jump),
    POOL_TEST_ON(MODES_VIRTUAL, a_thread_that_holds_the_clock_may_take_its_time),
    POOL_TEST_ON(MODES_VIRTUAL, a_deadlock_is_reported_with_who_waits_for_what),
    POOL_TEST_ON(MODES_VIRTUAL, a_lock_nobody_gives_back_is_a_deadlock),
    POOL_TEST_ON(MODES_VIRTUAL, a_deadly_embrace_is_a_deadlock),
    POOL_TEST_ON(MODES_VIRTUAL, a_drain_that_can_never_end_is_a_deadlock),
    POOL_TEST_ON(MODES_VIRTUAL, a_task_that_waits_is_no_deadlock_while_a_timer_is_left),
    TASK_TEST_ON(MODES_VIRTUAL, what_is_due_now_happens_while_another_yields_for_ever),
    THREAD_TEST_ON(MODES_VIRTUAL, who_looks_at_tasks_does_not_move_the_clock),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
