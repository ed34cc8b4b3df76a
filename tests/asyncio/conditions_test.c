/* Conditions as asyncio's own tests see them. */
#include "tests/support/roles.h"

enum { MOST = 4 };

struct line {
    sheaf_mutex mutex;
    sheaf_cond cond;
    int stage; /* guarded by mutex */
};

struct waiter {
    struct line *line;
    const char *name;
    sheaf_duration delay; /* keeps the mutex so long when it has it again */
    int at_stage;         /* waits for that stage, unless 0: then for one notification */
    SHEAF__ATOMIC(int) looks;
};

static bool stage_is_there(void *arg)
{
    struct waiter *w = arg;
    EXPECT(sheaf_locked(&w->line->mutex));
    sheaf__add_acq_rel(&w->looks, 1);
    return w->line->stage >= w->at_stage;
}

static int wait_as(struct waiter *w)
{
    return w->at_stage ? sheaf_cond_wait_for(&w->line->cond, &w->line->mutex, stage_is_there, w)
                       : sheaf_cond_wait(&w->line->cond, &w->line->mutex);
}

static int wait_in_line(void *arg, sheaf_value *result)
{
    struct waiter *w = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(&w->line->mutex));
    int status = wait_as(w);
    EXPECT(sheaf_locked(&w->line->mutex));
    NOTE("%s%s", w->name, status ? "!" : "");
    if (w->delay && status == SHEAF_OK) {
        EXPECT_INT(sheaf_sleep(w->delay), SHEAF_OK);
    }
    EXPECT_INT(sheaf_unlock(&w->line->mutex), SHEAF_OK);
    return status;
}

static sheaf_future *start_waiter(struct waiter *w, struct line *line, const char *name)
{
    w->line = line;
    w->name = name;
    sheaf_future *task = sheaf_spawn(wait_in_line, w);
    settle();
    return task;
}

static void start_line(struct line *line, struct waiter *waiters, sheaf_future **tasks, int count)
{
    static const char *const names[MOST] = {"a", "b", "c", "d"};
    for (int i = 0; i < count; i++) {
        waiters[i] = (struct waiter){0};
        tasks[i] = start_waiter(&waiters[i], line, names[i]);
    }
}

/* Notifies so many and expects the notes of all that have woken so far. */
static void notify_and_expect(struct line *line, size_t count, const char *notes)
{
    EXPECT_INT(sheaf_lock(&line->mutex), SHEAF_OK);
    if (count) {
        sheaf_cond_notify(&line->cond, count);
    } else {
        sheaf_cond_notify_all(&line->cond);
    }
    EXPECT_INT(sheaf_unlock(&line->mutex), SHEAF_OK);
    settle();
    EXPECT_NOTES(notes);
}

/* ---------------------------------------------------------------- notifications */

/* CV5, CV2 */
static int the_oldest_are_woken_and_take_the_mutex_in_order(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    struct waiter waiters[MOST];
    sheaf_future *tasks[MOST];
    start_line(&line, waiters, tasks, MOST);
    EXPECT(!sheaf_locked(&line.mutex));
    notify_and_expect(&line, 1, "a");
    notify_and_expect(&line, 2, "a b c");
    notify_and_expect(&line, 2048, "a b c d");
    for (int i = 0; i < MOST; i++) {
        expect_end(tasks[i], SHEAF_OK);
    }
    start_line(&line, waiters, tasks, 2);
    notify_and_expect(&line, 0, "a b c d a b");
    expect_end(tasks[0], SHEAF_OK);
    expect_end(tasks[1], SHEAF_OK);
    return SHEAF_OK;
}

/* CV5: the mutex need not be held */
static int who_does_not_hold_the_mutex_may_notify_and_not_wait(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    EXPECT_INT(sheaf_cond_wait(&line.cond, &line.mutex), SHEAF_STATE);
    struct waiter waiters[2];
    sheaf_future *tasks[2];
    start_line(&line, waiters, tasks, 2);
    sheaf_cond_notify(&line.cond, 1);
    expect_end(tasks[0], SHEAF_OK);
    EXPECT(!sheaf_done(tasks[1]));
    sheaf_cond_notify_all(&line.cond);
    expect_end(tasks[1], SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- predicates */

static void set_stage(struct line *line, int stage)
{
    EXPECT_INT(sheaf_lock(&line->mutex), SHEAF_OK);
    line->stage = stage;
    sheaf_cond_notify_all(&line->cond);
    EXPECT_INT(sheaf_unlock(&line->mutex), SHEAF_OK);
    settle();
}

/* CV6 */
static int a_predicate_is_asked_again_at_each_wake_up(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    struct waiter waiter = {.at_stage = 2};
    sheaf_future *task = start_waiter(&waiter, &line, "a");
    EXPECT_INT(sheaf__load_acq(&waiter.looks), 1);
    set_stage(&line, 1);
    EXPECT(!sheaf_done(task));
    EXPECT_INT(sheaf__load_acq(&waiter.looks), 2);
    set_stage(&line, 2);
    EXPECT_INT(sheaf__load_acq(&waiter.looks), 3);
    expect_end(task, SHEAF_OK);
    return SHEAF_OK;
}

/* CV6, CV1: deviates, the mutex is always needed */
static int a_predicate_needs_the_mutex_whatever_it_says(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    struct waiter waiter = {.line = &line, .at_stage = 1};
    for (line.stage = 0; line.stage < 2; line.stage++) {
        EXPECT_INT(sheaf_cond_wait_for(&line.cond, &line.mutex, stage_is_there, &waiter),
                   SHEAF_STATE);
    }
    EXPECT_INT(sheaf__load_acq(&waiter.looks), 0);
    EXPECT_INT(sheaf_lock(&line.mutex), SHEAF_OK);
    EXPECT_INT(sheaf_cond_wait_for(&line.cond, &line.mutex, stage_is_there, &waiter), SHEAF_OK);
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- requests */

/* Cancels the task and expects that it has the mutex back before it ends. */
static void cancel_while_locked(struct line *line, sheaf_future *task)
{
    EXPECT_INT(sheaf_lock(&line->mutex), SHEAF_OK);
    EXPECT(sheaf_cancel_message(task, "enough"));
    settle();
    EXPECT(!sheaf_done(task));
    EXPECT_INT(sheaf_unlock(&line->mutex), SHEAF_OK);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    expect_error(task, SHEAF_CANCELLED, "enough");
    sheaf_release(task);
}

/* CV2, CV3 */
static int a_cancelled_waiter_takes_the_mutex_back_and_keeps_the_message(void *arg,
                                                                         sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    struct waiter waiters[2];
    sheaf_future *tasks[2];
    start_line(&line, waiters, tasks, 2);
    cancel_while_locked(&line, tasks[0]);
    EXPECT_NOTES("a!");
    EXPECT(!sheaf_done(tasks[1]));
    notify_and_expect(&line, 1, "a! b");
    expect_end(tasks[1], SHEAF_OK);
    EXPECT(!sheaf_locked(&line.mutex));
    return SHEAF_OK;
}

/* CV3, CV4 */
static int a_request_while_the_mutex_is_taken_back_is_delivered_afterwards(void *arg,
                                                                           sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    struct waiter waiters[3];
    sheaf_future *tasks[3];
    start_line(&line, waiters, tasks, 3);
    EXPECT_INT(sheaf_lock(&line.mutex), SHEAF_OK);
    sheaf_cond_notify(&line.cond, 1);
    settle();
    EXPECT(sheaf_cancel_message(tasks[0], "enough"));
    settle();
    EXPECT(!sheaf_done(tasks[0]));
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    EXPECT_INT(sheaf_await(tasks[0], NULL), SHEAF_CANCELLED);
    expect_error(tasks[0], SHEAF_CANCELLED, "enough");
    sheaf_release(tasks[0]);
    /* The notification has gone on to the next waiter. */
    settle();
    EXPECT_NOTES("a! b");
    expect_end(tasks[1], SHEAF_OK);
    EXPECT(!sheaf_done(tasks[2]));
    notify_and_expect(&line, 1, "a! b c");
    expect_end(tasks[2], SHEAF_OK);
    return SHEAF_OK;
}

/* CV2, CV3 */
static int a_contested_mutex_is_no_reason_to_end_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    struct waiter waiter = {0};
    sheaf_future *task = start_waiter(&waiter, &line, "a");
    EXPECT_INT(sheaf_lock(&line.mutex), SHEAF_OK);
    sheaf_cond_notify_all(&line.cond);
    settle();
    EXPECT(!sheaf_done(task));
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(task), 0);
    sheaf_release(task);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- the mutex of a condition */

/* CV8, LK7 */
static int two_conditions_share_a_mutex(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    sheaf_cond other = SHEAF_COND_INIT;
    struct waiter waiter = {.delay = SHEAF_MS(1)};
    sheaf_future *task = start_waiter(&waiter, &line, "a");
    EXPECT_INT(sheaf_lock(&line.mutex), SHEAF_OK);
    sheaf_cond_notify_all(&other);
    settle();
    EXPECT_NOTES("");
    EXPECT_INT(sheaf_cond_wait_until(&other, &line.mutex, sheaf_now() + SHEAF_MS(1)),
               SHEAF_TIMEOUT);
    EXPECT(sheaf_locked(&line.mutex));
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    notify_and_expect(&line, 1, "a");
    EXPECT(sheaf_locked(&line.mutex));
    expect_end(task, SHEAF_OK);
    EXPECT(!sheaf_locked(&line.mutex));
    return SHEAF_OK;
}

/* WF3, CV2 */
static int a_timeout_around_a_wait_leaves_the_mutex_held(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    EXPECT_INT(sheaf_lock(&line.mutex), SHEAF_OK);
    sheaf_timeout scope = {0};
    EXPECT_INT(sheaf_timeout_begin(&scope, SHEAF_MS(1), 0), SHEAF_OK);
    int status = sheaf_cond_wait(&line.cond, &line.mutex);
    EXPECT_INT(sheaf_timeout_end(&scope, status), SHEAF_TIMEOUT);
    EXPECT(sheaf_locked(&line.mutex));
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, the_oldest_are_woken_and_take_the_mutex_in_order),
    TASK_TEST_ON(MODES_VIRTUAL, who_does_not_hold_the_mutex_may_notify_and_not_wait),
    TASK_TEST_ON(MODES_VIRTUAL, a_predicate_is_asked_again_at_each_wake_up),
    TASK_TEST(a_predicate_needs_the_mutex_whatever_it_says),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_waiter_takes_the_mutex_back_and_keeps_the_message),
    TASK_TEST_ON(MODES_VIRTUAL, a_request_while_the_mutex_is_taken_back_is_delivered_afterwards),
    TASK_TEST_ON(MODES_VIRTUAL, a_contested_mutex_is_no_reason_to_end_cancelled),
    TASK_TEST_ON(MODES_VIRTUAL, two_conditions_share_a_mutex),
    TASK_TEST_ON(MODES_VIRTUAL, a_timeout_around_a_wait_leaves_the_mutex_held),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
