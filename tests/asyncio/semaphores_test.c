/* Semaphores as asyncio's own tests see them. */
#include "tests/support/roles.h"

enum { MOST = 5 };

struct user {
    sheaf_semaphore *semaphore;
    const char *name;
    int turns;  /* gives the permit back after each, and takes another */
    bool keeps; /* ... but for the last one */
};

static int use(void *arg, sheaf_value *result)
{
    const struct user *u = arg;
    (void)result;
    for (int i = 0; i < u->turns; i++) {
        SHEAF_TRY(sheaf_semaphore_acquire(u->semaphore));
        NOTE("%s", u->name);
        if (!u->keeps || i + 1 < u->turns) {
            SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
            EXPECT_INT(sheaf_semaphore_release(u->semaphore, 1), SHEAF_OK);
        }
    }
    return SHEAF_OK;
}

struct line {
    sheaf_semaphore semaphore;
    struct user users[MOST];
    sheaf_future *tasks[MOST];
};

/* A semaphore with that value, and so many that ask for a permit one after the other. */
static void start_line(struct line *line, int64_t value, int users, int turns, bool keeps)
{
    static const char *const names[MOST] = {"a", "b", "c", "d", "e"};
    EXPECT_INT(sheaf_semaphore_init(&line->semaphore, value), SHEAF_OK);
    for (int i = 0; i < users; i++) {
        line->users[i] = (struct user){&line->semaphore, names[i], turns, keeps};
        line->tasks[i] = sheaf_spawn(use, &line->users[i]);
        settle();
    }
}

static void release_and_settle(struct line *line, int64_t count)
{
    EXPECT_INT(sheaf_semaphore_release(&line->semaphore, count), SHEAF_OK);
    settle();
}

static void expect_free(struct line *line, int64_t value)
{
    EXPECT_INT(sheaf_semaphore_value(&line->semaphore), value);
    EXPECT_INT(sheaf_semaphore_locked(&line->semaphore), value == 0);
}

/* ---------------------------------------------------------------- values */

/* SE6, SE2 */
static int a_value_of_zero_is_locked_and_a_negative_one_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.semaphore = SHEAF_SEMAPHORE_INIT(0)};
    expect_free(&line, 0);
    EXPECT(!sheaf_semaphore_try_acquire(&line.semaphore));
    EXPECT_INT(sheaf_semaphore_init(&line.semaphore, -1), SHEAF_INVALID);
    EXPECT_INT(sheaf_semaphore_init_bounded(&line.semaphore, -1), SHEAF_INVALID);
    EXPECT_INT(sheaf_semaphore_release(&line.semaphore, 1), SHEAF_OK);
    expect_free(&line, 1);
    EXPECT_INT(sheaf_semaphore_acquire(&line.semaphore), SHEAF_OK);
    expect_free(&line, 0);
    return SHEAF_OK;
}

/* SE7 */
static int a_bounded_one_takes_back_no_more_than_it_gave(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.semaphore = SHEAF_SEMAPHORE_INIT_BOUNDED(1)};
    EXPECT_INT(sheaf_semaphore_release(&line.semaphore, 1), SHEAF_STATE);
    EXPECT_INT(sheaf_semaphore_acquire(&line.semaphore), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_release(&line.semaphore, 2), SHEAF_STATE);
    EXPECT_INT(sheaf_semaphore_release(&line.semaphore, 1), SHEAF_OK);
    EXPECT_INT(sheaf_semaphore_release(&line.semaphore, 1), SHEAF_STATE);
    expect_free(&line, 1);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- order */

/* SE1, SE5 */
static int permits_go_to_the_oldest_and_what_is_left_stays(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    start_line(&line, 3, 5, 1, true);
    EXPECT_NOTES("a b c");
    expect_free(&line, 0);
    release_and_settle(&line, 1);
    EXPECT_NOTES("a b c d");
    expect_free(&line, 0);
    release_and_settle(&line, 3);
    EXPECT_NOTES("a b c d e");
    expect_free(&line, 2);
    for (int i = 0; i < 5; i++) {
        expect_end(line.tasks[i], SHEAF_OK);
    }
    release_and_settle(&line, 3);
    expect_free(&line, 5);
    return SHEAF_OK;
}

/* SE1, SE4 */
static int those_who_take_a_permit_again_queue_behind_the_others(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    start_line(&line, 1, 3, 2, false);
    for (int i = 0; i < 3; i++) {
        expect_end(line.tasks[i], SHEAF_OK);
    }
    EXPECT_NOTES("a b c a b c");
    expect_free(&line, 1);
    return SHEAF_OK;
}

/* SE5, SE2 */
static int three_permits_at_once_wake_three_in_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    start_line(&line, 0, 4, 1, true);
    EXPECT_INT(sheaf_semaphore_release(&line.semaphore, 3), SHEAF_OK);
    EXPECT(sheaf_semaphore_locked(&line.semaphore));
    EXPECT(!sheaf_semaphore_try_acquire(&line.semaphore));
    settle();
    EXPECT_NOTES("a b c");
    expect_free(&line, 0);
    release_and_settle(&line, 1);
    EXPECT_NOTES("a b c d");
    for (int i = 0; i < 4; i++) {
        expect_end(line.tasks[i], SHEAF_OK);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- cancelled waiters */

/* SE8 */
static int a_cancelled_waiter_leaves_no_trace(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    start_line(&line, 0, 1, 1, true);
    EXPECT(sheaf_cancel(line.tasks[0]));
    expect_end(line.tasks[0], SHEAF_CANCELLED);
    expect_free(&line, 0);
    release_and_settle(&line, 1);
    expect_free(&line, 1);
    EXPECT_NOTES("");
    return SHEAF_OK;
}

/* SE3, SE8 */
static int a_permit_goes_to_the_first_who_was_not_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    start_line(&line, 0, 4, 1, true);
    EXPECT(sheaf_cancel(line.tasks[0]));
    EXPECT(sheaf_cancel(line.tasks[1]));
    release_and_settle(&line, 1);
    expect_end(line.tasks[0], SHEAF_CANCELLED);
    expect_end(line.tasks[1], SHEAF_CANCELLED);
    EXPECT_NOTES("c");
    expect_end(line.tasks[2], SHEAF_OK);
    release_and_settle(&line, 1);
    expect_end(line.tasks[3], SHEAF_OK);
    expect_free(&line, 0);
    return SHEAF_OK;
}

/* SE3 */
static int the_permit_of_one_cancelled_when_chosen_goes_to_the_next(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    start_line(&line, 0, 2, 1, true);
    EXPECT_INT(sheaf_semaphore_release(&line.semaphore, 1), SHEAF_OK);
    EXPECT(sheaf_cancel(line.tasks[0]));
    expect_end(line.tasks[0], SHEAF_CANCELLED);
    expect_end(line.tasks[1], SHEAF_OK);
    EXPECT_NOTES("b");
    expect_free(&line, 0);
    return SHEAF_OK;
}

/* SE3 */
static int two_permits_pass_by_a_cancelled_first(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    start_line(&line, 0, 3, 1, true);
    EXPECT(sheaf_cancel(line.tasks[0]));
    release_and_settle(&line, 2);
    EXPECT_NOTES("b c");
    expect_end(line.tasks[0], SHEAF_CANCELLED);
    expect_end(line.tasks[1], SHEAF_OK);
    expect_end(line.tasks[2], SHEAF_OK);
    expect_free(&line, 0);
    return SHEAF_OK;
}

/* SE8, SE3 */
static int the_permit_of_the_only_one_cancelled_when_chosen_is_free(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    start_line(&line, 1, 2, 1, true);
    EXPECT_NOTES("a");
    EXPECT_INT(sheaf_semaphore_release(&line.semaphore, 1), SHEAF_OK);
    EXPECT(sheaf_cancel(line.tasks[1]));
    expect_end(line.tasks[1], SHEAF_CANCELLED);
    expect_end(line.tasks[0], SHEAF_OK);
    expect_free(&line, 1);
    EXPECT_INT(sheaf_semaphore_acquire(&line.semaphore), SHEAF_OK);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_value_of_zero_is_locked_and_a_negative_one_refused),
    TASK_TEST(a_bounded_one_takes_back_no_more_than_it_gave),
    TASK_TEST_ON(MODES_VIRTUAL, permits_go_to_the_oldest_and_what_is_left_stays),
    TASK_TEST_ON(MODES_VIRTUAL, those_who_take_a_permit_again_queue_behind_the_others),
    TASK_TEST_ON(MODE_FIFO, three_permits_at_once_wake_three_in_order),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_waiter_leaves_no_trace),
    TASK_TEST_ON(MODES_VIRTUAL, a_permit_goes_to_the_first_who_was_not_cancelled),
    TASK_TEST_ON(MODES_EXACT, the_permit_of_one_cancelled_when_chosen_goes_to_the_next),
    TASK_TEST_ON(MODE_FIFO, two_permits_pass_by_a_cancelled_first),
    TASK_TEST_ON(MODES_EXACT, the_permit_of_the_only_one_cancelled_when_chosen_is_free),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
