/* Mutex and condition variable between tasks and plain threads, in every pairing. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/pairings.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* ---------------------------------------------------------------- exclusion */

struct counter {
    sheaf_mutex mutex;
    int64_t count; /* guarded by mutex */
    int inside;    /* guarded by mutex */
    int rounds;
};

static int count_up(void *arg, sheaf_value *result)
{
    struct counter *c = arg;
    (void)result;
    for (int i = 0; i < c->rounds; i++) {
        SHEAF_TRY(sheaf_lock(&c->mutex));
        EXPECT_INT(c->inside++, 0);
        c->count++;
        EXPECT_INT(--c->inside, 0);
        SHEAF_TRY(sheaf_unlock(&c->mutex));
    }
    return SHEAF_OK;
}

static void a_mutex_lets_one_in_in_every_pairing(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct counter c = {.mutex = SHEAF_MUTEX_INIT, .rounds = (int)fixture_scaled(2000)};
        struct actor actors[6];
        for (int i = 0; i < 6; i++) {
            enum actor_kind kind = i % 2 ? pairing_first(pairing) : pairing_second(pairing);
            actor_start(&actors[i], kind, f->pool, count_up, &c);
        }
        for (int i = 0; i < 6; i++) {
            EXPECT_INT(actor_join(&actors[i]), SHEAF_OK);
        }
        EXPECT_INT(c.count, 6 * c.rounds);
        EXPECT(!sheaf_locked(&c.mutex));
    }
}

/* Holds the mutex over suspensions. */
static int hold_while_yielding(void *arg, sheaf_value *result)
{
    struct counter *c = arg;
    (void)result;
    for (int i = 0; i < c->rounds; i++) {
        SHEAF_TRY(sheaf_lock(&c->mutex));
        EXPECT_INT(c->inside++, 0);
        int status = sheaf_current() ? sheaf_yield() : SHEAF_OK;
        sched_yield();
        c->count++;
        EXPECT_INT(--c->inside, 0);
        SHEAF_TRY(sheaf_unlock(&c->mutex));
        SHEAF_TRY(status);
    }
    return SHEAF_OK;
}

static void a_mutex_may_be_held_over_a_suspension(struct fixture *f)
{
    struct counter c = {.mutex = SHEAF_MUTEX_INIT, .rounds = (int)fixture_scaled(300)};
    struct actor actors[6];
    for (int i = 0; i < 6; i++) {
        actor_start(&actors[i], i < 4 ? ACTOR_TASK : ACTOR_THREAD, f->pool, hold_while_yielding,
                    &c);
    }
    for (int i = 0; i < 6; i++) {
        EXPECT_INT(actor_join(&actors[i]), SHEAF_OK);
    }
    EXPECT_INT(c.count, 6 * c.rounds);
}

static int use_a_mutex(void *arg, sheaf_value *result)
{
    sheaf_mutex m = SHEAF_MUTEX_INIT;
    (void)arg, (void)result;
    EXPECT(!sheaf_locked(&m));
    EXPECT_INT(sheaf_unlock(&m), SHEAF_STATE);
    EXPECT_INT(sheaf_lock(&m), SHEAF_OK);
    EXPECT(sheaf_locked(&m));
    EXPECT(!sheaf_try_lock(&m));
    sheaf_time start = sheaf_now();
    EXPECT_INT(sheaf_lock_until(&m, sheaf_now() + SHEAF_MS(1)), SHEAF_TIMEOUT);
    EXPECT(sheaf_now() - start >= SHEAF_MS(1));
    EXPECT_INT(sheaf_lock_until(&m, INT64_MIN), SHEAF_TIMEOUT);
    EXPECT_INT(sheaf_unlock(&m), SHEAF_OK);
    EXPECT(sheaf_try_lock(&m));
    EXPECT_INT(sheaf_unlock(&m), SHEAF_OK);
    EXPECT_INT(sheaf_lock_until(&m, INT64_MIN), SHEAF_OK);
    EXPECT_INT(sheaf_unlock(&m), SHEAF_OK);
    EXPECT_INT(sheaf_unlock(&m), SHEAF_STATE);
    return SHEAF_OK;
}

static void a_mutex_answers_the_same_to_tasks_and_threads(struct fixture *f)
{
    EXPECT_INT(use_a_mutex(NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, use_a_mutex, NULL), NULL), SHEAF_OK);
}

static int unlock_it(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_unlock(arg);
}

/* LK5 */
static void a_mutex_may_be_given_back_by_another(struct fixture *f)
{
    for (int kind = 0; kind < 2; kind++) {
        sheaf_mutex m = SHEAF_MUTEX_INIT;
        struct actor actor;
        EXPECT_INT(sheaf_lock(&m), SHEAF_OK);
        actor_start(&actor, (enum actor_kind)kind, f->pool, unlock_it, &m);
        EXPECT_INT(sheaf_lock(&m), SHEAF_OK);
        EXPECT_INT(actor_join(&actor), SHEAF_OK);
        EXPECT_INT(sheaf_unlock(&m), SHEAF_OK);
    }
}

/* ---------------------------------------------------------------- order */

struct line {
    sheaf_mutex mutex;
    sheaf_cond cond;
    int number;
    SHEAF__ATOMIC(int) waiting;
};

struct place {
    struct line *line;
    const char *name;
};

static int lock_and_note(void *arg, sheaf_value *result)
{
    const struct place *p = arg;
    (void)result;
    sheaf__add_acq_rel(&p->line->waiting, 1);
    int status = sheaf_lock(&p->line->mutex);
    NOTE("%s%s", p->name, status ? "!" : "");
    return status ? status : sheaf_unlock(&p->line->mutex);
}

/* Yields until so many tasks wait.  Requires: one worker */
static void settle_line(struct line *line, int count)
{
    while (sheaf__load_acq(&line->waiting) < count) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
}

/* P20, LK1, LK2, LK4 */
static int waiters_get_the_mutex_in_the_order_they_came(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT};
    struct place places[4] = {{&line, "a"}, {&line, "b"}, {&line, "c"}, {&line, "d"}};
    sheaf_future *tasks[4];
    EXPECT_INT(sheaf_lock(&line.mutex), SHEAF_OK);
    for (int i = 0; i < 4; i++) {
        tasks[i] = sheaf_spawn(lock_and_note, &places[i]);
        settle_line(&line, i + 1);
    }
    EXPECT(sheaf_cancel(tasks[1]));
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    EXPECT(sheaf_locked(&line.mutex));
    EXPECT(!sheaf_try_lock(&line.mutex));
    EXPECT_INT(sheaf_lock(&line.mutex), SHEAF_OK);
    NOTE("m");
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), i == 1 ? SHEAF_CANCELLED : SHEAF_OK);
    }
    /* The cancelled one ends when its turn to run comes, which is not one of the line. */
    const char *notes = check_notes(&fixture_check);
    EXPECT(!strcmp(notes, "b! a c d m") || !strcmp(notes, "a b! c d m") ||
           !strcmp(notes, "a c b! d m") || !strcmp(notes, "a c d b! m") ||
           !strcmp(notes, "a c d m b!"));
    EXPECT(!sheaf_locked(&line.mutex));
    return SHEAF_OK;
}

/* P8, LK3 */
static int a_waiter_cancelled_after_it_was_given_the_mutex_passes_it_on(void *arg,
                                                                        sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT};
    struct place places[2] = {{&line, "a"}, {&line, "b"}};
    sheaf_future *tasks[2];
    EXPECT_INT(sheaf_lock(&line.mutex), SHEAF_OK);
    for (int i = 0; i < 2; i++) {
        tasks[i] = sheaf_spawn(lock_and_note, &places[i]);
        settle_line(&line, i + 1);
    }
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    EXPECT(sheaf_cancel(tasks[0]));
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_OK);
    EXPECT(!sheaf_locked(&line.mutex));
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- conditions */

/* A cell that is full or empty: producers and consumers take turns. */
struct cell {
    sheaf_mutex mutex;
    sheaf_cond changed;
    bool full; /* guarded by mutex, as the next two */
    int64_t content;
    int64_t sum;
    int items;
};

static int wait_until(struct cell *c, bool full)
{
    int status = SHEAF_OK;
    while (status == SHEAF_OK && c->full != full) {
        status = sheaf_cond_wait(&c->changed, &c->mutex);
    }
    return status;
}

static int produce(void *arg, sheaf_value *result)
{
    struct cell *c = arg;
    (void)result;
    for (int i = 1; i <= c->items; i++) {
        SHEAF_TRY(sheaf_lock(&c->mutex));
        EXPECT_INT(wait_until(c, false), SHEAF_OK);
        c->full = true;
        c->content = i;
        sheaf_cond_notify_all(&c->changed);
        SHEAF_TRY(sheaf_unlock(&c->mutex));
    }
    return SHEAF_OK;
}

static int consume(void *arg, sheaf_value *result)
{
    struct cell *c = arg;
    (void)result;
    for (int i = 1; i <= c->items; i++) {
        SHEAF_TRY(sheaf_lock(&c->mutex));
        EXPECT_INT(wait_until(c, true), SHEAF_OK);
        c->full = false;
        c->sum += c->content;
        SHEAF_TRY(sheaf_unlock(&c->mutex));
        sheaf_cond_notify_all(&c->changed);
    }
    return SHEAF_OK;
}

static void items_pass_through_a_cell_in_every_pairing(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct cell c = {.mutex = SHEAF_MUTEX_INIT,
                         .changed = SHEAF_COND_INIT,
                         .items = (int)fixture_scaled(400)};
        struct actor producers[3], consumers[3];
        for (int i = 0; i < 3; i++) {
            actor_start(&consumers[i], pairing_second(pairing), f->pool, consume, &c);
            actor_start(&producers[i], pairing_first(pairing), f->pool, produce, &c);
        }
        for (int i = 0; i < 3; i++) {
            EXPECT_INT(actor_join(&producers[i]), SHEAF_OK);
            EXPECT_INT(actor_join(&consumers[i]), SHEAF_OK);
        }
        EXPECT_INT(c.sum, 3 * (int64_t)c.items * (c.items + 1) / 2);
        EXPECT(!c.full);
    }
}

static int use_a_condition(void *arg, sheaf_value *result)
{
    sheaf_mutex m = SHEAF_MUTEX_INIT;
    sheaf_cond c = SHEAF_COND_INIT;
    (void)arg, (void)result;
    EXPECT_INT(sheaf_cond_wait(&c, &m), SHEAF_STATE);
    EXPECT_INT(sheaf_cond_wait_until(&c, &m, 0), SHEAF_STATE);
    sheaf_cond_notify(&c, 3);
    sheaf_cond_notify_all(&c);
    EXPECT_INT(sheaf_lock(&m), SHEAF_OK);
    sheaf_time start = sheaf_now();
    EXPECT_INT(sheaf_cond_wait_until(&c, &m, sheaf_now() + SHEAF_MS(1)), SHEAF_TIMEOUT);
    EXPECT(sheaf_now() - start >= SHEAF_MS(1));
    EXPECT(sheaf_locked(&m));
    EXPECT_INT(sheaf_cond_wait_until(&c, &m, INT64_MIN), SHEAF_TIMEOUT);
    EXPECT(sheaf_locked(&m));
    EXPECT_INT(sheaf_unlock(&m), SHEAF_OK);
    return SHEAF_OK;
}

static void a_condition_answers_the_same_to_tasks_and_threads(struct fixture *f)
{
    EXPECT_INT(use_a_condition(NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, use_a_condition, NULL), NULL), SHEAF_OK);
}

static int wait_and_note(void *arg, sheaf_value *result)
{
    const struct place *p = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(&p->line->mutex));
    sheaf__add_acq_rel(&p->line->waiting, 1);
    int status = sheaf_cond_wait(&p->line->cond, &p->line->mutex);
    EXPECT(sheaf_locked(&p->line->mutex));
    NOTE("%s%s", p->name, status ? "!" : "");
    EXPECT_INT(sheaf_unlock(&p->line->mutex), SHEAF_OK);
    return status;
}

static void start_line(struct line *line, struct place *places, sheaf_future **tasks, int count)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < count; i++) {
        places[i] = (struct place){line, names[i]};
        tasks[i] = sheaf_spawn(wait_and_note, &places[i]);
        settle_line(line, i + 1);
    }
}

/* CV5 */
static int notify_wakes_the_longest_waiting(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    struct place places[5];
    sheaf_future *tasks[5];
    start_line(&line, places, tasks, 5);
    sheaf_cond_notify(&line.cond, 2);
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_OK);
    for (int i = 2; i < 5; i++) {
        EXPECT(!sheaf_done(tasks[i]));
    }
    EXPECT_NOTES("a b");
    sheaf_cond_notify(&line.cond, 0);
    sheaf_cond_notify_all(&line.cond);
    for (int i = 2; i < 5; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_OK);
    }
    EXPECT_NOTES("a b c d e");
    return SHEAF_OK;
}

/* CV2, CV3 */
static int a_cancelled_waiter_holds_the_mutex_when_it_returns(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    struct place places[2];
    sheaf_future *tasks[2];
    start_line(&line, places, tasks, 2);
    EXPECT_INT(sheaf_lock(&line.mutex), SHEAF_OK);
    EXPECT(sheaf_cancel(tasks[0]));
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    EXPECT(!sheaf_done(tasks[0]));
    EXPECT_INT(sheaf_unlock(&line.mutex), SHEAF_OK);
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_CANCELLED);
    EXPECT(!sheaf_done(tasks[1]));
    sheaf_cond_notify(&line.cond, 1);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_OK);
    EXPECT_NOTES("a! b");
    return SHEAF_OK;
}

/* Notified and cancelled at once: the notification goes on to the next. (P8, CV4) */
static int a_notification_of_a_cancelled_waiter_is_passed_on(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct line line = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    struct place places[3];
    sheaf_future *tasks[3];
    start_line(&line, places, tasks, 3);
    sheaf_cond_notify(&line.cond, 1);
    EXPECT(sheaf_cancel(tasks[0]));
    EXPECT_INT(sheaf_join(tasks[0], NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_join(tasks[1], NULL), SHEAF_OK);
    EXPECT(!sheaf_done(tasks[2]));
    sheaf_cond_notify_all(&line.cond);
    EXPECT_INT(sheaf_join(tasks[2], NULL), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- predicates */

static bool is_full(void *arg)
{
    const struct cell *c = arg;
    EXPECT(sheaf_locked(&c->mutex));
    return c->full;
}

static int wait_for_full(void *arg, sheaf_value *result)
{
    struct cell *c = arg;
    SHEAF_TRY(sheaf_lock(&c->mutex));
    int status = sheaf_cond_wait_for(&c->changed, &c->mutex, is_full, c);
    EXPECT(status != SHEAF_OK || c->full);
    result->i64 = c->content;
    c->full = false;
    EXPECT_INT(sheaf_unlock(&c->mutex), SHEAF_OK);
    return status;
}

static void a_predicate_is_waited_for_in_every_pairing(struct fixture *f)
{
    for (int pairing = 0; pairing < PAIRINGS; pairing++) {
        struct cell c = {.mutex = SHEAF_MUTEX_INIT, .changed = SHEAF_COND_INIT};
        struct actor waiter, teller;
        actor_start(&waiter, pairing_first(pairing), f->pool, wait_for_full, &c);
        for (int i = 0; i < 20; i++) {
            sheaf_cond_notify_all(&c.changed); /* for nothing */
        }
        c.items = 1;
        actor_start(&teller, pairing_second(pairing), f->pool, produce, &c);
        EXPECT_INT(actor_join(&teller), SHEAF_OK);
        EXPECT_INT(actor_join(&waiter), SHEAF_OK);
        EXPECT_INT(waiter.value.i64, 1);
    }
}

static int use_a_predicate(void *arg, sheaf_value *result)
{
    struct cell c = {.mutex = SHEAF_MUTEX_INIT, .changed = SHEAF_COND_INIT, .full = true};
    (void)arg, (void)result;
    EXPECT_INT(sheaf_cond_wait_for(&c.changed, &c.mutex, is_full, &c), SHEAF_STATE);
    EXPECT_INT(sheaf_cond_wait_for(&c.changed, &c.mutex, NULL, &c), SHEAF_INVALID);
    EXPECT_INT(sheaf_cond_wait_for(NULL, &c.mutex, is_full, &c), SHEAF_INVALID);
    EXPECT_INT(sheaf_lock(&c.mutex), SHEAF_OK);
    EXPECT_INT(sheaf_cond_wait_for(&c.changed, &c.mutex, is_full, &c), SHEAF_OK);
    c.full = false;
    sheaf_time deadline = sheaf_now() + SHEAF_MS(1);
    EXPECT_INT(sheaf_cond_wait_for_until(&c.changed, &c.mutex, is_full, &c, deadline),
               SHEAF_TIMEOUT);
    EXPECT(sheaf_now() >= deadline);
    EXPECT(sheaf_locked(&c.mutex));
    return SHEAF_OK;
}

static void a_predicate_answers_the_same_to_tasks_and_threads(struct fixture *f)
{
    EXPECT_INT(use_a_predicate(NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, use_a_predicate, NULL), NULL), SHEAF_OK);
}

/* ---------------------------------------------------------------- short lives */

struct short_lived {
    sheaf_mutex mutex;
    sheaf_cond cond;
    bool told; /* guarded by mutex */
};

static int tell_it(void *arg, sheaf_value *result)
{
    struct short_lived *s = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(&s->mutex));
    s->told = true;
    sheaf_cond_notify(&s->cond, 1);
    return sheaf_unlock(&s->mutex);
}

/* Mutex and condition lie in the frame of the one that waits, and go with it. */
static int wait_in_own_frame(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    for (size_t i = 0; i < fixture_scaled(300); i++) {
        struct short_lived s = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
        SHEAF_TRY(sheaf_lock(&s.mutex));
        sheaf_future *teller = sheaf_spawn_on(f->pool, tell_it, &s);
        while (!s.told) {
            EXPECT_INT(sheaf_cond_wait(&s.cond, &s.mutex), SHEAF_OK);
        }
        memset(&s, 0xaa, sizeof s);
        const unsigned char *bytes = (const unsigned char *)&s;
        EXPECT_INT(sheaf_join(teller, NULL), SHEAF_OK);
        for (size_t k = 0; k < sizeof s; k++) {
            EXPECT_INT(bytes[k], 0xaa);
        }
    }
    return SHEAF_OK;
}

static void a_mutex_and_a_condition_may_go_when_the_wait_has_returned(struct fixture *f)
{
    for (int kind = 0; kind < 2; kind++) {
        struct actor actor;
        actor_start(&actor, (enum actor_kind)kind, f->pool, wait_in_own_frame, f);
        EXPECT_INT(actor_join(&actor), SHEAF_OK);
    }
}

static int lock_once_and_note(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(sheaf_lock(arg), SHEAF_OK);
    NOTE("locked");
    EXPECT_INT(sheaf_unlock(arg), SHEAF_OK);
    return SHEAF_OK;
}

static int sleep_and_measure(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_time began = sheaf_now();
    EXPECT_INT(sheaf_sleep(SHEAF_MS(20)), SHEAF_OK);
    EXPECT(sheaf_now() - began >= SHEAF_MS(20));
    return SHEAF_OK;
}

static void give_way(void)
{
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
}

static int a_withdrawn_request_ends_neither_a_lock_nor_a_sleep(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_mutex mutex = SHEAF_MUTEX_INIT;
    EXPECT_INT(sheaf_lock(&mutex), SHEAF_OK);
    sheaf_future *tasks[2] = {sheaf_spawn(lock_once_and_note, &mutex),
                              sheaf_spawn(sleep_and_measure, NULL)};
    give_way();
    for (int i = 0; i < 2; i++) {
        EXPECT(sheaf_cancel(tasks[i]));
        EXPECT_INT(sheaf_uncancel(tasks[i]), 0);
    }
    give_way();
    NOTE("unlocking");
    EXPECT_INT(sheaf_unlock(&mutex), SHEAF_OK);
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_OK);
    }
    EXPECT_NOTES("unlocking locked");
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    THREAD_TEST(a_predicate_is_waited_for_in_every_pairing),
    THREAD_TEST(a_predicate_answers_the_same_to_tasks_and_threads),
    THREAD_TEST(a_mutex_and_a_condition_may_go_when_the_wait_has_returned),
    THREAD_TEST(a_mutex_lets_one_in_in_every_pairing),
    THREAD_TEST(a_mutex_may_be_held_over_a_suspension),
    THREAD_TEST(a_mutex_answers_the_same_to_tasks_and_threads),
    THREAD_TEST(a_mutex_may_be_given_back_by_another),
    TASK_TEST_ON(MODES_SINGLE, waiters_get_the_mutex_in_the_order_they_came),
    TASK_TEST_ON(MODES_SINGLE, a_waiter_cancelled_after_it_was_given_the_mutex_passes_it_on),
    THREAD_TEST(items_pass_through_a_cell_in_every_pairing),
    THREAD_TEST(a_condition_answers_the_same_to_tasks_and_threads),
    TASK_TEST_ON(MODES_SINGLE, notify_wakes_the_longest_waiting),
    TASK_TEST_ON(MODES_SINGLE, a_cancelled_waiter_holds_the_mutex_when_it_returns),
    TASK_TEST_ON(MODES_SINGLE, a_notification_of_a_cancelled_waiter_is_passed_on),
    TASK_TEST_ON(MODES_SINGLE, a_withdrawn_request_ends_neither_a_lock_nor_a_sleep),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
