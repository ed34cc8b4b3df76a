/* Events between tasks and plain threads, those that reset themselves included. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/pairings.h"

#include <sched.h>
#include <string.h>

/* ---------------------------------------------------------------- one caller */

static int use_an_event(void *arg, sheaf_value *result)
{
    sheaf_event e = SHEAF_EVENT_INIT;
    (void)arg, (void)result;
    EXPECT(!sheaf_event_is_set(&e));
    sheaf_time start = sheaf_now();
    EXPECT_INT(sheaf_event_wait_until(&e, start + SHEAF_MS(1)), SHEAF_TIMEOUT);
    EXPECT(sheaf_now() - start >= SHEAF_MS(1));
    EXPECT_INT(sheaf_event_set(&e), SHEAF_OK);
    EXPECT_INT(sheaf_event_set(&e), SHEAF_OK);
    EXPECT(sheaf_event_is_set(&e));
    EXPECT_INT(sheaf_event_wait(&e), SHEAF_OK);
    EXPECT_INT(sheaf_event_wait_until(&e, INT64_MIN), SHEAF_OK);
    EXPECT_INT(sheaf_event_clear(&e), SHEAF_OK);
    EXPECT(!sheaf_event_is_set(&e));
    EXPECT_INT(sheaf_event_wait_until(&e, INT64_MIN), SHEAF_TIMEOUT);
    return SHEAF_OK;
}

static int use_an_event_that_resets_itself(void *arg, sheaf_value *result)
{
    sheaf_event e = SHEAF_EVENT_INIT_AUTO_RESET;
    (void)arg, (void)result;
    EXPECT_INT(sheaf_event_set(&e), SHEAF_OK);
    EXPECT_INT(sheaf_event_set(&e), SHEAF_OK);
    EXPECT_INT(sheaf_event_wait(&e), SHEAF_OK);
    EXPECT(!sheaf_event_is_set(&e));
    EXPECT_INT(sheaf_event_wait_until(&e, INT64_MIN), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_event_set(&e), SHEAF_OK);
    EXPECT_INT(sheaf_event_clear(&e), SHEAF_OK);
    EXPECT_INT(sheaf_event_wait_until(&e, INT64_MIN), SHEAF_TIMEOUT);
    return SHEAF_OK;
}

static int refuse_bad_input(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_event_set(NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_event_clear(NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_event_wait(NULL), SHEAF_INVALID);
    EXPECT(!sheaf_event_is_set(NULL));
    return SHEAF_OK;
}

static void an_event_answers_the_same_to_tasks_and_threads(struct fixture *f)
{
    sheaf_fn *const bodies[] = {use_an_event, use_an_event_that_resets_itself, refuse_bad_input};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        EXPECT_INT(bodies[i](NULL, NULL), SHEAF_OK);
        EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, bodies[i], NULL), NULL), SHEAF_OK);
    }
}

/* ---------------------------------------------------------------- order */

struct line {
    sheaf_event event;
    SHEAF__ATOMIC(int) waiting;
};

struct place {
    struct line *line;
    const char *name;
};

static int wait_and_note(void *arg, sheaf_value *result)
{
    const struct place *p = arg;
    (void)result;
    sheaf__add_acq_rel(&p->line->waiting, 1);
    int status = sheaf_event_wait(&p->line->event);
    if (status == SHEAF_OK) {
        NOTE("%s", p->name);
    }
    return status;
}

/* Starts tasks that wait in the order of their names.  Requires: one worker */
static void start_line(struct line *line, struct place *places, sheaf_future **tasks, int count)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < count; i++) {
        places[i] = (struct place){line, names[i]};
        tasks[i] = sheaf_spawn(wait_and_note, &places[i]);
        while (sheaf__load_acq(&line->waiting) < i + 1) {
            EXPECT_INT(sheaf_yield(), SHEAF_OK);
        }
    }
}

static int setting_wakes_all_even_if_cleared_right_after(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.event = SHEAF_EVENT_INIT};
    struct place places[4];
    sheaf_future *tasks[4];
    start_line(&line, places, tasks, 4);
    EXPECT(sheaf_cancel(tasks[2]));
    EXPECT_INT(sheaf_event_set(&line.event), SHEAF_OK);
    EXPECT_INT(sheaf_event_clear(&line.event), SHEAF_OK);
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), i == 2 ? SHEAF_CANCELLED : SHEAF_OK);
    }
    EXPECT(!sheaf_event_is_set(&line.event));
    return SHEAF_OK;
}

static int waiters_are_woken_oldest_first(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.event = SHEAF_EVENT_INIT};
    struct place places[4];
    sheaf_future *tasks[4];
    start_line(&line, places, tasks, 4);
    EXPECT_INT(sheaf_event_set(&line.event), SHEAF_OK);
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_OK);
    }
    EXPECT_NOTES("a b c d");
    return SHEAF_OK;
}

static int an_event_that_resets_itself_lets_the_oldest_through(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.event = SHEAF_EVENT_INIT_AUTO_RESET};
    struct place places[3];
    sheaf_future *tasks[3];
    start_line(&line, places, tasks, 3);
    EXPECT_INT(sheaf_event_set(&line.event), SHEAF_OK);
    EXPECT(!sheaf_event_is_set(&line.event));
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_OK);
    EXPECT(!sheaf_done(tasks[1]));
    /* Let through and cancelled at once: the next goes instead. */
    EXPECT_INT(sheaf_event_set(&line.event), SHEAF_OK);
    EXPECT(sheaf_cancel(tasks[1]));
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(tasks[2], NULL), SHEAF_OK);
    EXPECT(!sheaf_event_is_set(&line.event));
    EXPECT_NOTES("a c");
    return SHEAF_OK;
}

static int a_last_waiter_that_is_cancelled_leaves_it_set(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.event = SHEAF_EVENT_INIT_AUTO_RESET};
    struct place place;
    sheaf_future *task;
    start_line(&line, &place, &task, 1);
    EXPECT_INT(sheaf_event_set(&line.event), SHEAF_OK);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    EXPECT(sheaf_event_is_set(&line.event));
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- several callers */

static int set_it(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_event_set(arg);
}

/* The event lies in the frame of the one that waits, and goes with it. */
static int wait_in_own_frame(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    for (size_t i = 0; i < fixture_scaled(300); i++) {
        sheaf_event e = SHEAF_EVENT_INIT;
        sheaf_future *setter = sheaf_spawn_on(f->pool, set_it, &e);
        if (i % 2) {
            EXPECT_INT(sheaf_event_wait(&e), SHEAF_OK);
        }
        while (i % 2 == 0 && !sheaf_event_is_set(&e)) {
            int status = sheaf_current() ? sheaf_yield() : sched_yield();
            EXPECT_INT(status, SHEAF_OK);
        }
        memset(&e, 0xaa, sizeof e);
        const unsigned char *bytes = (const unsigned char *)&e;
        EXPECT_INT(sheaf_join(setter, NULL), SHEAF_OK);
        for (size_t k = 0; k < sizeof e; k++) {
            EXPECT_INT(bytes[k], 0xaa);
        }
    }
    return SHEAF_OK;
}

static void an_event_may_go_when_its_wait_has_returned(struct fixture *f)
{
    for (int kind = 0; kind < 2; kind++) {
        struct actor actor;
        actor_start(&actor, (enum actor_kind)kind, f->pool, wait_in_own_frame, f);
        EXPECT_INT(actor_join(&actor), SHEAF_OK);
    }
}

struct relay {
    sheaf_event mine, theirs;
    int rounds;
};

static int ping(void *arg, sheaf_value *result)
{
    struct relay *r = arg;
    for (int i = 0; i < r->rounds; i++) {
        SHEAF_TRY(sheaf_event_set(&r->theirs));
        SHEAF_TRY(sheaf_event_wait(&r->mine));
        result->i64++;
    }
    return SHEAF_OK;
}

static int pong(void *arg, sheaf_value *result)
{
    struct relay *r = arg;
    for (int i = 0; i < r->rounds; i++) {
        SHEAF_TRY(sheaf_event_wait(&r->theirs));
        SHEAF_TRY(sheaf_event_set(&r->mine));
        result->i64++;
    }
    return SHEAF_OK;
}

static void events_that_reset_themselves_carry_a_relay_in_every_pairing(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct relay r = {.mine = SHEAF_EVENT_INIT_AUTO_RESET,
                          .theirs = SHEAF_EVENT_INIT_AUTO_RESET,
                          .rounds = (int)fixture_scaled(1000)};
        struct actor one, two;
        actor_start(&one, pairing_first(pairing), f->pool, ping, &r);
        actor_start(&two, pairing_second(pairing), f->pool, pong, &r);
        EXPECT_INT(actor_join(&one), SHEAF_OK);
        EXPECT_INT(actor_join(&two), SHEAF_OK);
        EXPECT_INT(one.value.i64 + two.value.i64, 2 * r.rounds);
    }
}

struct many {
    sheaf_event event;
    int64_t payload; /* written before the event is set */
};

static int read_when_set(void *arg, sheaf_value *result)
{
    struct many *m = arg;
    SHEAF_TRY(sheaf_event_wait(&m->event));
    result->i64 = m->payload;
    return SHEAF_OK;
}

static void what_was_written_before_is_seen_by_all(struct fixture *f)
{
    for (size_t round = 0; round < fixture_scaled(100); round++) {
        struct many m = {.event = SHEAF_EVENT_INIT};
        struct actor actors[6];
        for (int i = 0; i < 6; i++) {
            actor_start(&actors[i], i % 3 ? ACTOR_TASK : ACTOR_THREAD, f->pool, read_when_set, &m);
        }
        m.payload = 77;
        EXPECT_INT(sheaf_event_set(&m.event), SHEAF_OK);
        for (int i = 0; i < 6; i++) {
            EXPECT_INT(actor_join(&actors[i]), SHEAF_OK);
            EXPECT_INT(actors[i].value.i64, 77);
        }
    }
}

struct passage {
    sheaf_event event;
    SHEAF__ATOMIC(int) passed;
};

static int pass_and_count(void *arg, sheaf_value *result)
{
    struct passage *p = arg;
    (void)result;
    SHEAF_TRY(sheaf_event_wait(&p->event));
    sheaf__add_acq_rel(&p->passed, 1);
    return SHEAF_OK;
}

static void no_set_is_lost_when_waiters_are_cancelled(struct fixture *f)
{
    enum { TASKS = 6 };
    for (size_t round = 0; round < fixture_scaled(150); round++) {
        struct passage p = {.event = SHEAF_EVENT_INIT_AUTO_RESET};
        sheaf_future *tasks[TASKS];
        for (int i = 0; i < TASKS; i++) {
            tasks[i] = sheaf_spawn_on(f->pool, pass_and_count, &p);
        }
        EXPECT_INT(sheaf_event_set(&p.event), SHEAF_OK);
        for (int i = 0; i < TASKS; i++) {
            sheaf_cancel(tasks[i]);
        }
        for (int i = 0; i < TASKS; i++) {
            sheaf_join(tasks[i], NULL);
        }
        EXPECT_INT(sheaf__load_acq(&p.passed) + sheaf_event_is_set(&p.event), 1);
    }
}

static const struct fixture_test tests[] = {
    THREAD_TEST(an_event_answers_the_same_to_tasks_and_threads),
    TASK_TEST_ON(MODES_SINGLE, setting_wakes_all_even_if_cleared_right_after),
    TASK_TEST_ON(MODE_1 | MODE_FIFO, waiters_are_woken_oldest_first),
    TASK_TEST_ON(MODES_SINGLE, an_event_that_resets_itself_lets_the_oldest_through),
    TASK_TEST_ON(MODES_SINGLE, a_last_waiter_that_is_cancelled_leaves_it_set),
    THREAD_TEST(an_event_may_go_when_its_wait_has_returned),
    THREAD_TEST(events_that_reset_themselves_carry_a_relay_in_every_pairing),
    THREAD_TEST(what_was_written_before_is_seen_by_all),
    THREAD_TEST(no_set_is_lost_when_waiters_are_cancelled),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
