/* The deterministic modes: asyncio's order to the letter, and seeds that reproduce their schedule.
 *
 * The expected notes of the first part are what CPython's asyncio writes for the same program. */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A task that is known by its name, and what it works with. */
struct player {
    const char *name;
    sheaf_future *awaited;
    sheaf_duration delay;
    int turns;
};

static int note_name(void *arg, sheaf_value *result)
{
    const struct player *a = arg;
    (void)result;
    NOTE("%s", a->name);
    return SHEAF_OK;
}

static int note_turns(void *arg, sheaf_value *result)
{
    const struct player *a = arg;
    (void)result;
    for (int i = 0; i < a->turns; i++) {
        NOTE("%s%d", a->name, i);
        SHEAF_TRY(sheaf_yield());
    }
    return SHEAF_OK;
}

static int note_after_await(void *arg, sheaf_value *result)
{
    const struct player *a = arg;
    SHEAF_TRY(sheaf_await(a->awaited, result));
    NOTE("%s", a->name);
    return SHEAF_OK;
}

static int note_after_sleep(void *arg, sheaf_value *result)
{
    const struct player *a = arg;
    (void)result;
    SHEAF_TRY(sheaf_sleep(a->delay));
    NOTE("%s", a->name);
    return SHEAF_OK;
}

static void join_all(sheaf_future **futures, int count)
{
    for (int i = 0; i < count; i++) {
        int status = sheaf_join(futures[i], NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_CANCELLED);
    }
}

/* ---------------------------------------------------------------- asyncio's order */

/* P18, P19, T1 */
static int tasks_start_in_creation_order_when_their_maker_waits(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct player actors[3] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    sheaf_future *tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i] = sheaf_spawn(note_name, &actors[i]);
    }
    NOTE("made");
    EXPECT_INT(sheaf_await(tasks[0], NULL), SHEAF_OK);
    NOTE("back");
    join_all(tasks, 3);
    EXPECT_NOTES("made a b c back");
    return SHEAF_OK;
}

/* P19, SL1 */
static int a_yield_goes_to_the_end_of_the_queue(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct player actors[3] = {
        {.name = "a", .turns = 3}, {.name = "b", .turns = 3}, {.name = "c", .turns = 3}};
    sheaf_future *tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i] = sheaf_spawn(note_turns, &actors[i]);
    }
    for (int i = 0; i < 3; i++) {
        NOTE("m%d", i);
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    join_all(tasks, 3);
    NOTE("end");
    EXPECT_NOTES("m0 a0 b0 c0 m1 a1 b1 c1 m2 a2 b2 c2 end");
    return SHEAF_OK;
}

static int waiters_resume_in_the_order_they_began_behind_what_was_ready(void *arg,
                                                                        sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    struct player actors[4] = {{.name = "a", .awaited = p},
                               {.name = "b", .awaited = p},
                               {.name = "c", .awaited = p},
                               {.name = "s"}};
    sheaf_future *tasks[4];
    for (int i = 0; i < 3; i++) {
        tasks[i] = sheaf_spawn(note_after_await, &actors[i]);
    }
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    tasks[3] = sheaf_spawn(note_name, &actors[3]);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    NOTE("set");
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    NOTE("m");
    join_all(tasks, 4);
    EXPECT_NOTES("set s a b c m");
    sheaf_release(p);
    return SHEAF_OK;
}

static int note_callback(void *arg, sheaf_future *future)
{
    (void)future;
    NOTE("%s", (const char *)arg);
    return SHEAF_OK;
}

/* F20 */
static int callbacks_run_future_by_future_in_the_order_of_completion(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static char p1[] = "p1", p2[] = "p2", q1[] = "q1", q2[] = "q2";
    sheaf_future *p = sheaf_promise(NULL), *q = sheaf_promise(NULL);
    EXPECT_INT(sheaf_on_done(p, note_callback, p1), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(q, note_callback, q1), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(p, note_callback, p2), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(q, note_callback, q2), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(q, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    NOTE("set");
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    NOTE("m");
    EXPECT_NOTES("set q1 q2 p1 p2 m");
    sheaf_release(p);
    sheaf_release(q);
    return SHEAF_OK;
}

/* P3, F12 */
static int callbacks_and_awaiters_share_one_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static char before[] = "before", after[] = "after", other[] = "other";
    sheaf_future *p = sheaf_promise(NULL), *q = sheaf_promise(NULL);
    struct player waiter = {.name = "w", .awaited = p};
    EXPECT_INT(sheaf_on_done(p, note_callback, before), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(q, note_callback, other), SHEAF_OK);
    sheaf_future *task = sheaf_spawn(note_after_await, &waiter);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(p, note_callback, after), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(q, (sheaf_value){0}), SHEAF_OK);
    NOTE("set");
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    NOTE("m");
    join_all(&task, 1);
    EXPECT_NOTES("set before w after other m");
    sheaf_release(p);
    sheaf_release(q);
    return SHEAF_OK;
}

static int leaf(void *arg, sheaf_value *result)
{
    (void)result;
    NOTE("leaf%s", (const char *)arg);
    SHEAF_TRY(sheaf_yield());
    NOTE("end%s", (const char *)arg);
    return SHEAF_OK;
}

static int middle(void *arg, sheaf_value *result)
{
    NOTE("mid%s", (const char *)arg);
    SHEAF_TRY(sheaf_join(sheaf_spawn(leaf, arg), result));
    NOTE("up%s", (const char *)arg);
    return SHEAF_OK;
}

static int an_awaited_task_waits_for_its_turn(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static char one[] = "1", two[] = "2";
    sheaf_future *tasks[2] = {sheaf_spawn(middle, one), sheaf_spawn(middle, two)};
    join_all(tasks, 2);
    NOTE("m");
    EXPECT_NOTES("mid1 mid2 leaf1 leaf2 end1 end2 up1 up2 m");
    return SHEAF_OK;
}

static int note_cancellation(void *arg, sheaf_value *result)
{
    const struct player *a = arg;
    NOTE("w%s", a->name);
    int status = sheaf_await(a->awaited, result);
    NOTE("%s%s", status == SHEAF_CANCELLED ? "c" : "?", a->name);
    return status;
}

static int a_cancelled_task_ends_at_its_turn(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    struct player a = {.name = "a", .awaited = p}, b = {.name = "b", .awaited = p};
    struct player o1 = {.name = "o1"}, o2 = {.name = "o2"};
    sheaf_future *tasks[2], *others[2];
    tasks[0] = sheaf_spawn(note_cancellation, &a);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    tasks[1] = sheaf_spawn(note_cancellation, &b);
    others[0] = sheaf_spawn(note_name, &o1);
    EXPECT(sheaf_cancel(tasks[1]));
    EXPECT_INT(sheaf_cancelling(tasks[1]), 1);
    EXPECT(!sheaf_done(tasks[1]) && !sheaf_cancelled(tasks[1]));
    EXPECT(sheaf_cancel(tasks[0]));
    others[1] = sheaf_spawn(note_name, &o2);
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_CANCELLED);
        NOTE("x");
    }
    join_all(others, 2);
    EXPECT_NOTES("wa o1 ca o2 x x");
    sheaf_release(p);
    return SHEAF_OK;
}

/* P17, SL3 */
static int sleepers_wake_by_deadline_and_then_by_creation(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct player actors[5] = {{.name = "a", .delay = SHEAF_MS(30)},
                               {.name = "b", .delay = SHEAF_MS(10)},
                               {.name = "c", .delay = SHEAF_MS(20)},
                               {.name = "d", .delay = SHEAF_MS(10)},
                               {.name = "r", .turns = 2}};
    sheaf_future *tasks[5];
    for (int i = 0; i < 5; i++) {
        tasks[i] = sheaf_spawn(i < 4 ? note_after_sleep : note_turns, &actors[i]);
    }
    join_all(tasks, 5);
    NOTE("m");
    EXPECT_NOTES("r0 r1 b d c a m");
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- turns of those who count ends */

/* Waits for a future in one way. */
struct way {
    const char *name;
    int (*wait)(sheaf_future *future);
    sheaf_future *future;
};

static int by_await(sheaf_future *future)
{
    return sheaf_await(future, NULL);
}

static int by_gather(sheaf_future *future)
{
    return sheaf_gather(&future, 1, 0, NULL, NULL);
}

static int by_gather_of_gather(sheaf_future *future)
{
    sheaf_future *inner = sheaf_gather_future(&future, 1, 0);
    int status = sheaf_gather(&inner, 1, 0, NULL, NULL);
    sheaf_release(inner);
    return status;
}

static int by_shield(sheaf_future *future)
{
    return sheaf_await_shielded(future, NULL);
}

static int by_wait(sheaf_future *future)
{
    return sheaf_wait(&future, 1, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, NULL);
}

static int by_each(sheaf_future *future)
{
    sheaf_each *each;
    sheaf_future *next;
    SHEAF_TRY(sheaf_each_open(&future, 1, SHEAF_FOREVER, &each));
    int status = sheaf_each_next(each, &next);
    sheaf_each_close(each);
    return status;
}

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

static int by_group(sheaf_future *future)
{
    sheaf_group group;
    SHEAF_TRY(sheaf_group_open(&group, NULL));
    return sheaf_group_close(&group, sheaf_group_start(&group, await_it, future));
}

static int by_limit(sheaf_future *future)
{
    return sheaf_wait_for(future, SHEAF_MS(1000), NULL);
}

static int wait_this_way(void *arg, sheaf_value *result)
{
    const struct way *way = arg;
    (void)result;
    int status = way->wait(way->future);
    NOTE("%s", way->name);
    return status;
}

/* Who waits for a promise begins, the promise is resolved, another task takes turns. */
static void play_way(const struct way *given)
{
    struct way way = *given;
    struct player other = {.name = "", .turns = 4};
    sheaf_future *tasks[2];
    way.future = sheaf_promise(NULL);
    tasks[0] = sheaf_spawn(wait_this_way, &way);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(way.future, (sheaf_value){0}), SHEAF_OK);
    tasks[1] = sheaf_spawn(note_turns, &other);
    join_all(tasks, 2);
    sheaf_release(way.future);
}

/* P19 */
static int every_way_to_wait_takes_its_turns(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const struct way ways[] = {
        {.name = "await", .wait = by_await},
        {.name = "limit", .wait = by_limit},
        {.name = "gather", .wait = by_gather},
        {.name = "shield", .wait = by_shield},
        {.name = "wait", .wait = by_wait},
        {.name = "each", .wait = by_each},
        {.name = "gather2", .wait = by_gather_of_gather},
        {.name = "group", .wait = by_group},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        play_way(&ways[i]);
    }
    EXPECT_NOTES("await 0 1 2 3 limit 0 1 2 3 0 gather 1 2 3 0 shield 1 2 3 0 wait 1 2 3 "
                 "0 each 1 2 3 0 1 gather2 2 3 0 1 group 2 3");
    return SHEAF_OK;
}

/* W9, A1: two turns where there is nothing to wait for; a gather of what is done is done. */
static int a_wait_for_what_is_done_takes_its_turns_too(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const struct way ways[] = {{.name = "wait", .wait = by_wait},
                                      {.name = "each", .wait = by_each},
                                      {.name = "gather", .wait = by_gather}};
    sheaf_future *p = sheaf_promise(NULL);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct player other = {.name = "", .turns = 3};
        sheaf_future *task = sheaf_spawn(note_turns, &other);
        EXPECT_INT(ways[i].wait(p), SHEAF_OK);
        NOTE("%s", ways[i].name);
        join_all(&task, 1);
    }
    EXPECT_NOTES("0 1 wait 2 0 1 each 2 gather 0 1 2");
    sheaf_release(p);
    return SHEAF_OK;
}

/* G15, SH5: between the end of a member and the turn of who counts it. */
static int a_request_can_come_before_the_turn(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL), *q = sheaf_promise(NULL);
    sheaf_future *both[2] = {p, q};
    sheaf_future *one = sheaf_gather_future(&p, 1, 0);
    sheaf_future *two = sheaf_gather_future(both, 2, 0);
    sheaf_future *shield = sheaf_shield(p);
    EXPECT_INT(sheaf_reject(p, 7, NULL), SHEAF_OK);
    EXPECT(!sheaf_done(one) && !sheaf_done(two) && !sheaf_done(shield));
    EXPECT(!sheaf_cancel(one));
    EXPECT(sheaf_cancel(two));
    EXPECT(sheaf_cancel(shield));
    EXPECT(sheaf_cancelled(q) && sheaf_cancelled(shield));
    EXPECT(!sheaf_done(one) && !sheaf_done(two));
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT(sheaf_done(one) && sheaf_done(two));
    EXPECT_INT(sheaf_await(one, NULL), 7);
    EXPECT_INT(sheaf_await(two, NULL), 7);
    sheaf_future *all[] = {p, q, one, two, shield};
    sheaf_release_all(all, sizeof all / sizeof all[0]);
    return SHEAF_OK;
}

/* What waits for its turn when nobody wants it any more. */
static int a_turn_is_given_up_with_who_wanted_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    struct player framed = {.name = "framed"};
    sheaf_task frame;
    sheaf_future *gather = sheaf_gather_future(&p, 1, 0);
    sheaf_future *shield = sheaf_shield(p);
    sheaf_future *task = sheaf_task_spawn(&frame, note_name, &framed);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    sheaf_release(gather);
    sheaf_release(shield);
    EXPECT_INT(sheaf_wait_flags(&task, 1, SHEAF_ALL_COMPLETED, 0, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_task_join(&frame, NULL), SHEAF_OK);
    sheaf_release(p);
    EXPECT_NOTES("framed");
    return SHEAF_OK;
}

/* The pool ends with turns in its queue: they come all the same. */
static int leave_turns(void *arg, sheaf_value *result)
{
    sheaf_future **kept = arg;
    (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    kept[0] = sheaf_gather_future(&p, 1, 0);
    kept[1] = sheaf_shield(kept[0]);
    sheaf_reject(p, 5, NULL);
    sheaf_release(p);
    return SHEAF_OK;
}

static void turns_come_at_the_end_of_the_pool_too(struct fixture *f)
{
    sheaf_future *kept[2];
    (void)f;
    EXPECT_INT(sheaf_run(SHEAF_OPTIONS(.workers = 1, .schedule = SHEAF_SCHEDULE_FIFO), leave_turns,
                         kept, NULL),
               SHEAF_OK);
    EXPECT(sheaf_done(kept[0]) && sheaf_done(kept[1]));
    EXPECT_INT(sheaf_join(kept[0], NULL), 5);
    EXPECT_INT(sheaf_join(kept[1], NULL), 5);
}

/* ---------------------------------------------------------------- seeds */

enum { NOTES_LENGTH = 600 };

static int play(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p = sheaf_promise(NULL);
    struct player actors[6] = {
        {.name = "a", .turns = 4},           {.name = "b", .turns = 4},
        {.name = "c", .turns = 4},           {.name = "p", .awaited = p},
        {.name = "s", .delay = SHEAF_MS(1)}, {.name = "t", .delay = SHEAF_MS(1)}};
    sheaf_future *tasks[6];
    for (int i = 0; i < 6; i++) {
        sheaf_fn *fn = i < 3 ? note_turns : i == 3 ? note_after_await : note_after_sleep;
        tasks[i] = sheaf_spawn(fn, &actors[i]);
    }
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p, (sheaf_value){0}), SHEAF_OK);
    join_all(tasks, 6);
    sheaf_release(p);
    return SHEAF_OK;
}

/* Plays under a seed; leaves the notes in `notes`. */
static void play_seed(struct fixture *f, uint64_t seed, char *notes)
{
    sheaf_options options = fixture_options(f);
    options.schedule = SHEAF_SCHEDULE_STEAL;
    options.seed = seed;
    check_forget_notes(&fixture_check);
    EXPECT_INT(sheaf_run(&options, play, NULL, NULL), SHEAF_OK);
    snprintf(notes, NOTES_LENGTH, "%s", check_notes(&fixture_check));
    EXPECT(notes[0] != '\0');
}

static void a_seed_reproduces_its_schedule(struct fixture *f)
{
    enum { SEEDS = 24 };
    static char first[SEEDS][NOTES_LENGTH], again[NOTES_LENGTH];
    int different = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        play_seed(f, seed * UINT64_C(0x9e3779b97f4a7c15), first[seed - 1]);
        different += strcmp(first[seed - 1], first[0]) != 0;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        play_seed(f, seed * UINT64_C(0x9e3779b97f4a7c15), again);
        EXPECT_TEXT(again, first[seed - 1]);
    }
    /* Twelve words can come in so many orders that most seeds differ from the first. */
    EXPECT(different > SEEDS / 2);
}

static void small_seeds_differ_too(struct fixture *f)
{
    static char first[NOTES_LENGTH], other[NOTES_LENGTH];
    int different = 0;
    play_seed(f, 1, first);
    for (uint64_t seed = 2; seed <= 9; seed++) {
        play_seed(f, seed, other);
        different += strcmp(first, other) != 0;
    }
    EXPECT(different >= 4);
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODE_FIFO, tasks_start_in_creation_order_when_their_maker_waits),
    TASK_TEST_ON(MODE_FIFO, a_yield_goes_to_the_end_of_the_queue),
    TASK_TEST_ON(MODE_FIFO, waiters_resume_in_the_order_they_began_behind_what_was_ready),
    TASK_TEST_ON(MODE_FIFO, callbacks_run_future_by_future_in_the_order_of_completion),
    TASK_TEST_ON(MODE_FIFO, callbacks_and_awaiters_share_one_order),
    TASK_TEST_ON(MODE_FIFO, an_awaited_task_waits_for_its_turn),
    TASK_TEST_ON(MODE_FIFO, a_cancelled_task_ends_at_its_turn),
    TASK_TEST_ON(MODE_FIFO, sleepers_wake_by_deadline_and_then_by_creation),
    TASK_TEST_ON(MODE_FIFO, every_way_to_wait_takes_its_turns),
    TASK_TEST_ON(MODE_FIFO, a_wait_for_what_is_done_takes_its_turns_too),
    TASK_TEST_ON(MODE_FIFO, a_request_can_come_before_the_turn),
    TASK_TEST_ON(MODE_FIFO, a_turn_is_given_up_with_who_wanted_it),
    POOL_TEST_ON(MODE_FIFO, turns_come_at_the_end_of_the_pool_too),
    POOL_TEST_ON(MODE_SEEDED, a_seed_reproduces_its_schedule),
    POOL_TEST_ON(MODE_SEEDED, small_seeds_differ_too),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
