/* Semaphores between tasks and plain threads: order, exact counts, nothing lost. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/pairings.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- one caller */

static int use_a_semaphore(void *arg, sheaf_value *result)
{
    sheaf_semaphore s = SHEAF_SEMAPHORE_INIT(2);
    (void)arg, (void)result;
    EXPECT_INT(sheaf_semaphore_value(&s), 2);
    EXPECT_INT(sheaf_semaphore_acquire(&s), SHEAF_OK);
    EXPECT(!sheaf_semaphore_locked(&s));
    EXPECT(sheaf_semaphore_try_acquire(&s));
    EXPECT(sheaf_semaphore_locked(&s));
    EXPECT(!sheaf_semaphore_try_acquire(&s));
    sheaf_time start = sheaf_now();
    EXPECT_INT(sheaf_semaphore_acquire_until(&s, start + SHEAF_MS(1)), SHEAF_TIMEOUT);
    EXPECT(sheaf_now() - start >= SHEAF_MS(1));
    EXPECT_INT(sheaf_semaphore_acquire_until(&s, INT64_MIN), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_semaphore_release(&s, 3), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_value(&s), 3);
    EXPECT_INT(sheaf_semaphore_acquire_until(&s, INT64_MIN), SHEAF_OK);
    return SHEAF_OK;
}

static int use_a_bounded_semaphore(void *arg, sheaf_value *result)
{
    sheaf_semaphore s = SHEAF_SEMAPHORE_INIT_BOUNDED(2);
    (void)arg, (void)result;
    EXPECT_INT(sheaf_semaphore_release(&s, 1), SHEAF_STATE);
    EXPECT_INT(sheaf_semaphore_acquire(&s), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_release(&s, 2), SHEAF_STATE);
    EXPECT_INT(sheaf_semaphore_value(&s), 1);
    EXPECT_INT(sheaf_semaphore_release(&s, 1), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_release(&s, 1), SHEAF_STATE);
    EXPECT_INT(sheaf_semaphore_value(&s), 2);
    EXPECT_INT(sheaf_semaphore_init_bounded(&s, 0), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_release(&s, 1), SHEAF_STATE);
    return SHEAF_OK;
}

static int refuse_bad_input(void *arg, sheaf_value *result)
{
    sheaf_semaphore s;
    (void)arg, (void)result;
    memset(&s, 0, sizeof s);
    EXPECT(sheaf_semaphore_locked(&s));
    EXPECT_INT(sheaf_semaphore_release(&s, 0), SHEAF_INVALID);
    EXPECT_INT(sheaf_semaphore_release(&s, -1), SHEAF_INVALID);
    EXPECT_INT(sheaf_semaphore_release(&s, INT64_MIN), SHEAF_INVALID);
    EXPECT_INT(sheaf_semaphore_release(&s, 1), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_release(&s, INT64_MAX), SHEAF_STATE);
    EXPECT_INT(sheaf_semaphore_release(&s, INT64_MAX - 1), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_value(&s), INT64_MAX);
    EXPECT_INT(sheaf_semaphore_init(&s, -1), SHEAF_INVALID);
    EXPECT_INT(sheaf_semaphore_init_bounded(&s, INT64_MIN), SHEAF_INVALID);
    EXPECT_INT(sheaf_semaphore_value(&s), INT64_MAX);
    EXPECT_INT(sheaf_semaphore_init(NULL, 1), SHEAF_INVALID);
    EXPECT_INT(sheaf_semaphore_acquire(NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_semaphore_release(NULL, 1), SHEAF_INVALID);
    EXPECT(!sheaf_semaphore_try_acquire(NULL));
    EXPECT(!sheaf_semaphore_locked(NULL));
    return SHEAF_OK;
}

static void a_semaphore_answers_the_same_to_tasks_and_threads(struct fixture *f)
{
    sheaf_fn *const bodies[] = {use_a_semaphore, use_a_bounded_semaphore, refuse_bad_input};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        EXPECT_INT(bodies[i](NULL, NULL), SHEAF_OK);
        EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, bodies[i], NULL), NULL), SHEAF_OK);
    }
}

/* ---------------------------------------------------------------- several callers */

struct room {
    sheaf_semaphore places;
    SHEAF__ATOMIC(int) inside;
    SHEAF__ATOMIC(int) most;
    int rounds;
};

static void enter_and_leave(struct room *room)
{
    int inside = sheaf__add_acq_rel(&room->inside, 1) + 1;
    int most = sheaf__load_acq(&room->most);
    while (inside > most && !sheaf__cas_acq_rel(&room->most, &most, inside)) {
    }
    sheaf__sub_acq_rel(&room->inside, 1);
}

static int visit(void *arg, sheaf_value *result)
{
    struct room *room = arg;
    (void)result;
    for (int i = 0; i < room->rounds; i++) {
        SHEAF_TRY(sheaf_semaphore_acquire(&room->places));
        enter_and_leave(room);
        int status = i % 8 == 0 && sheaf_current() ? sheaf_yield() : SHEAF_OK;
        SHEAF_TRY(sheaf_semaphore_release(&room->places, 1));
        SHEAF_TRY(status);
    }
    return SHEAF_OK;
}

static void permits_bound_how_many_are_inside_in_every_pairing(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct room room = {.places = SHEAF_SEMAPHORE_INIT_BOUNDED(3),
                            .rounds = (int)fixture_scaled(1000)};
        struct actor actors[8];
        for (int i = 0; i < 8; i++) {
            enum actor_kind kind = i % 2 ? pairing_first(pairing) : pairing_second(pairing);
            actor_start(&actors[i], kind, f->pool, visit, &room);
        }
        for (int i = 0; i < 8; i++) {
            EXPECT_INT(actor_join(&actors[i]), SHEAF_OK);
        }
        EXPECT(sheaf__load_acq(&room.most) <= 3);
        EXPECT_INT(sheaf_semaphore_value(&room.places), 3);
    }
}

/* ---------------------------------------------------------------- order */

struct line {
    sheaf_semaphore permits;
    SHEAF__ATOMIC(int) waiting;
};

struct place {
    struct line *line;
    const char *name;
};

static int acquire_and_note(void *arg, sheaf_value *result)
{
    const struct place *p = arg;
    (void)result;
    sheaf__add_acq_rel(&p->line->waiting, 1);
    int status = sheaf_semaphore_acquire(&p->line->permits);
    if (status == SHEAF_OK) {
        NOTE("%s", p->name);
    }
    return status;
}

/* Starts tasks that wait in the order of their names.  Requires: one worker */
static void start_line(struct line *line, struct place *places, sheaf_future **tasks, int count)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < count; i++) {
        places[i] = (struct place){line, names[i]};
        tasks[i] = sheaf_spawn(acquire_and_note, &places[i]);
        while (sheaf__load_acq(&line->waiting) < i + 1) {
            EXPECT_INT(sheaf_yield(), SHEAF_OK);
        }
    }
}

static int permits_go_to_the_oldest_and_nobody_overtakes(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.permits = SHEAF_SEMAPHORE_INIT(0)};
    struct place places[4];
    sheaf_future *tasks[4];
    start_line(&line, places, tasks, 4);
    EXPECT(sheaf_cancel(tasks[1]));
    EXPECT_INT(sheaf_semaphore_release(&line.permits, 2), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_value(&line.permits), 0);
    EXPECT(!sheaf_semaphore_try_acquire(&line.permits));
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(tasks[2], NULL), SHEAF_OK);
    EXPECT(!sheaf_done(tasks[3]));
    EXPECT_NOTES("a c");
    EXPECT_INT(sheaf_semaphore_release(&line.permits, 3), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_value(&line.permits), 2);
    EXPECT_INT(sheaf_join(tasks[3], NULL), SHEAF_OK);
    return SHEAF_OK;
}

static int a_waiter_cancelled_after_it_got_a_permit_passes_it_on(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.permits = SHEAF_SEMAPHORE_INIT(0)};
    struct place places[3];
    sheaf_future *tasks[3];
    start_line(&line, places, tasks, 3);
    EXPECT_INT(sheaf_semaphore_release(&line.permits, 2), SHEAF_OK);
    EXPECT(sheaf_cancel(tasks[0]));
    EXPECT(sheaf_cancel(tasks[1]));
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(tasks[2], NULL), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_value(&line.permits), 1);
    EXPECT_NOTES("c");
    return SHEAF_OK;
}

static int a_request_does_not_stop_what_can_be_had_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_semaphore s = SHEAF_SEMAPHORE_INIT(1);
    EXPECT(sheaf_cancel(sheaf_current()));
    EXPECT_INT(sheaf_semaphore_acquire(&s), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_acquire(&s), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_uncancel(NULL), 0);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- exact counts */

/* Takes and gives permits, with a limit now and then, until it is cancelled. */
static int use_until_cancelled(void *arg, sheaf_value *result)
{
    sheaf_semaphore *s = arg;
    (void)result;
    for (int i = 0;; i++) {
        sheaf_time deadline = i % 3 ? SHEAF_FOREVER : sheaf_now() + SHEAF_US(i % 50);
        int status = sheaf_semaphore_acquire_until(s, deadline);
        if (status == SHEAF_TIMEOUT) {
            continue;
        }
        SHEAF_TRY(status);
        status = sheaf_yield();
        EXPECT_INT(sheaf_semaphore_release(s, 1), SHEAF_OK);
        SHEAF_TRY(status);
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

static void the_count_is_exact_after_cancellations_and_timeouts(struct fixture *f)
{
    enum { TASKS = 12, PERMITS = 3 };
    sheaf_semaphore s = SHEAF_SEMAPHORE_INIT_BOUNDED(PERMITS);
    unsigned dice = 7;
    for (size_t round = 0; round < fixture_scaled(40); round++) {
        sheaf_future *tasks[TASKS];
        for (int i = 0; i < TASKS; i++) {
            tasks[i] = sheaf_spawn_on(f->pool, use_until_cancelled, &s);
        }
        for (int i = 0; i < TASKS; i++) {
            pause_a_while(&dice);
            EXPECT(sheaf_cancel(tasks[(i * 5) % TASKS]));
        }
        for (int i = 0; i < TASKS; i++) {
            EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_CANCELLED);
        }
        EXPECT_INT(sheaf_semaphore_value(&s), PERMITS);
    }
}

static int take_with_limits(void *arg, sheaf_value *result)
{
    sheaf_semaphore *s = arg;
    for (size_t i = 0; i < fixture_scaled(400); i++) {
        sheaf_time deadline = sheaf_now() + SHEAF_US((int)i % 40);
        int status = sheaf_semaphore_acquire_until(s, deadline);
        result->i64 += status == SHEAF_OK;
        EXPECT(status == SHEAF_OK || status == SHEAF_TIMEOUT);
    }
    return SHEAF_OK;
}

static int give_some(void *arg, sheaf_value *result)
{
    for (size_t i = 0; i < fixture_scaled(400); i++) {
        SHEAF_TRY(sheaf_semaphore_release(arg, 1 + (int64_t)i % 3));
        result->i64 += 1 + (int64_t)i % 3;
        sched_yield();
    }
    return SHEAF_OK;
}

static void limits_and_permits_that_meet_lose_nothing(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        sheaf_semaphore s = SHEAF_SEMAPHORE_INIT(0);
        struct actor takers[4], giver;
        for (int i = 0; i < 4; i++) {
            actor_start(&takers[i], pairing_first(pairing), f->pool, take_with_limits, &s);
        }
        actor_start(&giver, pairing_second(pairing), f->pool, give_some, &s);
        int64_t taken = 0;
        for (int i = 0; i < 4; i++) {
            EXPECT_INT(actor_join(&takers[i]), SHEAF_OK);
            taken += takers[i].value.i64;
        }
        EXPECT_INT(actor_join(&giver), SHEAF_OK);
        EXPECT_INT(taken + sheaf_semaphore_value(&s), giver.value.i64);
    }
}

static const struct fixture_test tests[] = {
    THREAD_TEST(a_semaphore_answers_the_same_to_tasks_and_threads),
    THREAD_TEST(permits_bound_how_many_are_inside_in_every_pairing),
    TASK_TEST_ON(MODES_SINGLE, permits_go_to_the_oldest_and_nobody_overtakes),
    TASK_TEST_ON(MODES_SINGLE, a_waiter_cancelled_after_it_got_a_permit_passes_it_on),
    TASK_TEST(a_request_does_not_stop_what_can_be_had_at_once),
    THREAD_TEST(the_count_is_exact_after_cancellations_and_timeouts),
    THREAD_TEST(limits_and_permits_that_meet_lose_nothing),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
