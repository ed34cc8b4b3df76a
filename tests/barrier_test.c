/* Barriers between tasks and plain threads. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/pairings.h"

#include <string.h>
#include <time.h>

/* ---------------------------------------------------------------- one caller */

static int use_a_barrier(void *arg, sheaf_value *result)
{
    sheaf_barrier b = SHEAF_BARRIER_INIT(2);
    size_t index = 9;
    (void)arg, (void)result;
    EXPECT_INT(sheaf_barrier_waiting(&b), 0);
    EXPECT_INT(sheaf_barrier_wait_until(&b, sheaf_now() + SHEAF_MS(1), &index), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_barrier_wait_until(&b, INT64_MIN, &index), SHEAF_TIMEOUT);
    EXPECT_INT(index, 9);
    EXPECT_INT(sheaf_barrier_waiting(&b), 0);
    EXPECT(!sheaf_barrier_broken(&b));
    EXPECT_INT(sheaf_barrier_abort(&b), SHEAF_OK);
    EXPECT(sheaf_barrier_broken(&b));
    EXPECT_INT(sheaf_barrier_wait(&b, &index), SHEAF_BROKEN);
    EXPECT_INT(sheaf_barrier_reset(&b), SHEAF_OK);
    EXPECT(!sheaf_barrier_broken(&b));
    EXPECT_INT(sheaf_barrier_wait_until(&b, INT64_MIN, &index), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_barrier_init(&b, 1), SHEAF_OK);
    EXPECT_INT(sheaf_barrier_wait(&b, &index), SHEAF_OK);
    EXPECT_INT(index, 0);
    EXPECT_INT(sheaf_barrier_wait(&b, NULL), SHEAF_OK);
    return SHEAF_OK;
}

static int refuse_bad_input(void *arg, sheaf_value *result)
{
    sheaf_barrier b;
    (void)arg, (void)result;
    memset(&b, 0, sizeof b);
    EXPECT_INT(sheaf_barrier_wait(&b, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_barrier_init(&b, 0), SHEAF_INVALID);
    EXPECT_INT(sheaf_barrier_init(&b, -3), SHEAF_INVALID);
    EXPECT_INT(sheaf_barrier_init(NULL, 3), SHEAF_INVALID);
    EXPECT_INT(sheaf_barrier_wait(NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_barrier_abort(NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_barrier_reset(NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_barrier_waiting(NULL), 0);
    EXPECT(!sheaf_barrier_broken(NULL));
    return SHEAF_OK;
}

static void a_barrier_answers_the_same_to_tasks_and_threads(struct fixture *f)
{
    sheaf_fn *const bodies[] = {use_a_barrier, refuse_bad_input};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        EXPECT_INT(bodies[i](NULL, NULL), SHEAF_OK);
        EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, bodies[i], NULL), NULL), SHEAF_OK);
    }
}

/* ---------------------------------------------------------------- rounds */

enum { PARTIES = 5 };

struct rounds {
    sheaf_barrier barrier;
    int count;
    SHEAF__ATOMIC(int) arrived;
    SHEAF__ATOMIC(int) indices[PARTIES];
};

static int take_part(void *arg, sheaf_value *result)
{
    struct rounds *r = arg;
    (void)result;
    for (int round = 0; round < r->count; round++) {
        size_t index = PARTIES;
        sheaf__add_acq_rel(&r->arrived, 1);
        SHEAF_TRY(sheaf_barrier_wait(&r->barrier, &index));
        EXPECT(sheaf__load_acq(&r->arrived) >= (round + 1) * PARTIES);
        if (EXPECT(index < PARTIES)) {
            sheaf__add_acq_rel(&r->indices[index], 1);
        }
    }
    return SHEAF_OK;
}

static void all_parties_go_round_after_round_in_every_pairing(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct rounds r = {.barrier = SHEAF_BARRIER_INIT(PARTIES),
                           .count = (int)fixture_scaled(300)};
        struct actor actors[PARTIES];
        for (int i = 0; i < PARTIES; i++) {
            enum actor_kind kind = i % 2 ? pairing_first(pairing) : pairing_second(pairing);
            actor_start(&actors[i], kind, f->pool, take_part, &r);
        }
        for (int i = 0; i < PARTIES; i++) {
            EXPECT_INT(actor_join(&actors[i]), SHEAF_OK);
        }
        for (int i = 0; i < PARTIES; i++) {
            EXPECT_INT(sheaf__load_acq(&r.indices[i]), r.count);
        }
        EXPECT_INT(sheaf_barrier_waiting(&r.barrier), 0);
    }
}

/* ---------------------------------------------------------------- order, cancelling, breaking */

struct line {
    sheaf_barrier barrier;
    SHEAF__ATOMIC(int) waiting;
};

static int arrive(void *arg, sheaf_value *result)
{
    struct line *line = arg;
    size_t index = 0;
    sheaf__add_acq_rel(&line->waiting, 1);
    SHEAF_TRY(sheaf_barrier_wait(&line->barrier, &index));
    result->u64 = index;
    return SHEAF_OK;
}

/* Starts tasks that arrive one after the other.  Requires: one worker */
static void start_line(struct line *line, sheaf_future **tasks, int count)
{
    int before = sheaf__load_acq(&line->waiting);
    for (int i = 0; i < count; i++) {
        tasks[i] = sheaf_spawn(arrive, line);
        while (sheaf__load_acq(&line->waiting) < before + i + 1) {
            EXPECT_INT(sheaf_yield(), SHEAF_OK);
        }
    }
}

static int indices_follow_the_order_of_arrival(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.barrier = SHEAF_BARRIER_INIT(4)};
    sheaf_future *tasks[3];
    size_t own = 0;
    start_line(&line, tasks, 3);
    EXPECT_INT(sheaf_barrier_waiting(&line.barrier), 3);
    EXPECT_INT(sheaf_barrier_wait(&line.barrier, &own), SHEAF_OK);
    EXPECT_INT(own, 3);
    for (int i = 0; i < 3; i++) {
        sheaf_value value;
        EXPECT_INT(sheaf_join(tasks[i], &value), SHEAF_OK);
        EXPECT_INT(value.u64, i);
    }
    return SHEAF_OK;
}

static int a_cancelled_waiter_lowers_the_number_and_breaks_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.barrier = SHEAF_BARRIER_INIT(3)};
    sheaf_future *tasks[3];
    size_t own = 0;
    start_line(&line, tasks, 2);
    EXPECT(sheaf_cancel(tasks[0]));
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_barrier_waiting(&line.barrier), 1);
    EXPECT(!sheaf_barrier_broken(&line.barrier));
    start_line(&line, &tasks[2], 1);
    EXPECT_INT(sheaf_barrier_wait(&line.barrier, &own), SHEAF_OK);
    EXPECT_INT(own, 2);
    sheaf_value value;
    EXPECT_INT(sheaf_join(tasks[1], &value), SHEAF_OK);
    EXPECT_INT(value.u64, 0);
    EXPECT_INT(sheaf_join(tasks[2], &value), SHEAF_OK);
    EXPECT_INT(value.u64, 1);
    return SHEAF_OK;
}

static int one_cancelled_as_it_is_let_go_leaves_its_index_unused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.barrier = SHEAF_BARRIER_INIT(3)};
    sheaf_future *tasks[2];
    start_line(&line, tasks, 2);
    EXPECT_INT(sheaf_barrier_wait(&line.barrier, NULL), SHEAF_OK);
    EXPECT(sheaf_cancel(tasks[0]));
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_CANCELLED);
    sheaf_value value;
    EXPECT_INT(sheaf_join(tasks[1], &value), SHEAF_OK);
    EXPECT_INT(value.u64, 1);
    EXPECT_INT(sheaf_barrier_waiting(&line.barrier), 0);
    return SHEAF_OK;
}

static int breaking_and_resetting_end_the_round(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.barrier = SHEAF_BARRIER_INIT(3)};
    sheaf_future *tasks[2];
    start_line(&line, tasks, 2);
    EXPECT_INT(sheaf_barrier_abort(&line.barrier), SHEAF_OK);
    EXPECT_INT(sheaf_barrier_waiting(&line.barrier), 0);
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_BROKEN);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_BROKEN);
    EXPECT_INT(sheaf_barrier_wait(&line.barrier, NULL), SHEAF_BROKEN);
    EXPECT_INT(sheaf_barrier_reset(&line.barrier), SHEAF_OK);
    start_line(&line, tasks, 2);
    EXPECT_INT(sheaf_barrier_reset(&line.barrier), SHEAF_OK);
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_BROKEN);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_BROKEN);
    start_line(&line, tasks, 2);
    EXPECT_INT(sheaf_barrier_wait(&line.barrier, NULL), SHEAF_OK);
    /* They have been let go, and a reset does not take that back. */
    EXPECT_INT(sheaf_barrier_reset(&line.barrier), SHEAF_OK);
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- all at once */

struct crowd {
    sheaf_barrier barrier;
    SHEAF__ATOMIC(int) passed;
};

static int arrive_until_broken(void *arg, sheaf_value *result)
{
    struct crowd *crowd = arg;
    int status = SHEAF_OK;
    (void)result;
    while (status == SHEAF_OK || status == SHEAF_TIMEOUT) {
        size_t index = PARTIES;
        sheaf_time deadline = sheaf_now() + SHEAF_US(50);
        status = sheaf_barrier_wait_until(&crowd->barrier, deadline, &index);
        sheaf__add_acq_rel(&crowd->passed, status == SHEAF_OK);
        EXPECT(status != SHEAF_OK || index < 3);
    }
    return status;
}

/* With limits that pass all the time a round ends for three or for none. */
static void limits_and_last_arrivals_that_meet_release_whole_rounds(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct crowd crowd = {.barrier = SHEAF_BARRIER_INIT(3)};
        struct actor actors[5];
        for (int i = 0; i < 5; i++) {
            enum actor_kind kind = i % 2 ? pairing_first(pairing) : pairing_second(pairing);
            actor_start(&actors[i], kind, f->pool, arrive_until_broken, &crowd);
        }
        nanosleep(&(const struct timespec){.tv_nsec = 10000000}, NULL);
        EXPECT_INT(sheaf_barrier_abort(&crowd.barrier), SHEAF_OK);
        for (int i = 0; i < 5; i++) {
            EXPECT_INT(actor_join(&actors[i]), SHEAF_BROKEN);
        }
        EXPECT_INT(sheaf_barrier_waiting(&crowd.barrier), 0);
        EXPECT_INT(sheaf__load_acq(&crowd.passed) % 3, 0);
    }
}

static const struct fixture_test tests[] = {
    THREAD_TEST(a_barrier_answers_the_same_to_tasks_and_threads),
    THREAD_TEST(all_parties_go_round_after_round_in_every_pairing),
    TASK_TEST_ON(MODES_SINGLE, indices_follow_the_order_of_arrival),
    TASK_TEST_ON(MODES_SINGLE, a_cancelled_waiter_lowers_the_number_and_breaks_nothing),
    TASK_TEST_ON(MODES_SINGLE, one_cancelled_as_it_is_let_go_leaves_its_index_unused),
    TASK_TEST_ON(MODES_SINGLE, breaking_and_resetting_end_the_round),
    THREAD_TEST(limits_and_last_arrivals_that_meet_release_whole_rounds),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
