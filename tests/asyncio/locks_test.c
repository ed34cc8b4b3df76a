/* The mutex as asyncio's own tests see its lock. */
#include "tests/support/roles.h"

/* ---------------------------------------------------------------- mutex */

struct lock_player {
    sheaf_mutex *mutex;
    const char *name;
    SHEAF__ATOMIC(int) holds;
};

/* Takes the mutex and keeps it. */
static int take(void *arg, sheaf_value *result)
{
    struct lock_player *p = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(p->mutex));
    sheaf__store_rel(&p->holds, 1);
    NOTE("%s", p->name);
    return SHEAF_OK;
}

struct line {
    sheaf_mutex mutex;
    struct lock_player players[3];
    sheaf_future *tasks[3];
};

/* A mutex that is held, and three that wait for it in the order a, b, c. */
static void start_line(struct line *line)
{
    static const char *const names[] = {"a", "b", "c"};
    *line = (struct line){.mutex = SHEAF_MUTEX_INIT};
    EXPECT_INT(sheaf_lock(&line->mutex), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        line->players[i].mutex = &line->mutex;
        line->players[i].name = names[i];
        line->tasks[i] = sheaf_spawn(take, &line->players[i]);
        settle();
    }
}

static void unlock_and_settle(struct line *line)
{
    EXPECT_INT(sheaf_unlock(&line->mutex), SHEAF_OK);
    settle();
}

/* LK1 */
static int each_release_lets_the_oldest_waiter_in(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const char *const notes[] = {"a", "a b", "a b c"};
    struct line line;
    start_line(&line);
    EXPECT_NOTES("");
    for (int i = 0; i < 3; i++) {
        unlock_and_settle(&line);
        EXPECT_NOTES(notes[i]);
        EXPECT(sheaf_locked(&line.mutex));
        expect_end(line.tasks[i], SHEAF_OK);
    }
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    EXPECT(!sheaf_locked(&line.mutex));
    return SHEAF_OK;
}

/* LK4 */
static int a_cancelled_waiter_leaves_no_trace(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line;
    start_line(&line);
    for (int i = 0; i < 3; i++) {
        EXPECT(sheaf_cancel(line.tasks[i]));
        expect_end(line.tasks[i], SHEAF_CANCELLED);
        EXPECT(sheaf_locked(&line.mutex));
    }
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    EXPECT(!sheaf_locked(&line.mutex));
    EXPECT(sheaf_try_lock(&line.mutex));
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    EXPECT_NOTES("");
    return SHEAF_OK;
}

/* LK4, LK3: the request comes before or after the release, or both at the same instant */
static int one_waiter_has_the_mutex_after_a_request_and_a_release(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int request_first = 0; request_first < 2; request_first++) {
        check_forget_notes(&fixture_check);
        struct line line;
        start_line(&line);
        if (request_first) {
            EXPECT(sheaf_cancel(line.tasks[0]));
            EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
        } else {
            EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
            EXPECT(sheaf_cancel(line.tasks[0]));
        }
        expect_end(line.tasks[0], SHEAF_CANCELLED);
        settle();
        EXPECT_NOTES("b");
        EXPECT(sheaf_locked(&line.mutex));
        EXPECT_INT(sheaf__load_acq(&line.players[2].holds), 0);
        expect_end(line.tasks[1], SHEAF_OK);
        unlock_and_settle(&line);
        expect_end(line.tasks[2], SHEAF_OK);
        EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
        EXPECT(!sheaf_locked(&line.mutex));
    }
    return SHEAF_OK;
}

/* LK5, LK7 */
static int a_mutex_that_is_free_cannot_be_released(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_mutex mutex = SHEAF_MUTEX_INIT;
    EXPECT_INT(sheaf_unlock(&mutex), SHEAF_STATE);
    EXPECT(!sheaf_locked(&mutex));
    EXPECT_INT(sheaf_lock(&mutex), SHEAF_OK);
    EXPECT(sheaf_locked(&mutex));
    EXPECT(!sheaf_try_lock(&mutex));
    EXPECT_INT(sheaf_unlock(&mutex), SHEAF_OK);
    EXPECT(!sheaf_locked(&mutex));
    EXPECT_INT(sheaf_unlock(&mutex), SHEAF_STATE);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, each_release_lets_the_oldest_waiter_in),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_waiter_leaves_no_trace),
    TASK_TEST_ON(MODES_EXACT, one_waiter_has_the_mutex_after_a_request_and_a_release),
    TASK_TEST(a_mutex_that_is_free_cannot_be_released),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
