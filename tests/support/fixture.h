/* One frame for every test that needs a pool: it runs each test in all modes of a pool and fails it
 * for what it leaves behind.
 *
 *     static int a_task_gives_its_value(void *arg, sheaf_value *result)
 *     {
 *         ...
 *         EXPECT_INT(sheaf_join(f, &value), SHEAF_OK);
 *         return SHEAF_OK;
 *     }
 *
 *     static const struct fixture_test tests[] = {TASK_TEST(a_task_gives_its_value)};
 *
 *     int main(void) { return fixture_main(tests, sizeof tests / sizeof tests[0]); }
 *
 * The modes are pools of 1, 2, 4 and 8 stealing workers on the real clock, of 2 on a virtual clock,
 * and the two deterministic ones (asyncio's order, and a seeded order) on a virtual clock.
 *
 * Three kinds of test.  TASK_TEST: the body is a task of the pool, its argument is the fixture.
 * THREAD_TEST: the body is a function on the test's thread with a pool at hand.  POOL_TEST: the
 * body opens its pools itself, from fixture_options().
 *
 * After the body the pool is closed with all its tasks drained.  A test fails when an expectation
 * did not hold, when the library holds other blocks of memory than before, when an error was
 * reported as never looked at (but see unhandled_expected), or when it outlasts the watchdog, which
 * then prints what every task waits for.
 */
#ifndef SHEAF_TESTS_SUPPORT_FIXTURE_H
#define SHEAF_TESTS_SUPPORT_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf.h>

#include "tests/support/check.h"

/* ---------------------------------------------------------------- tests and their modes */

enum fixture_mode_bit {
    MODE_1 = 1 << 0,
    MODE_2 = 1 << 1,
    MODE_4 = 1 << 2,
    MODE_8 = 1 << 3,
    MODE_2_VIRTUAL = 1 << 4,
    MODE_FIFO = 1 << 5,
    MODE_SEEDED = 1 << 6,

    MODES_SINGLE = MODE_1 | MODE_FIFO | MODE_SEEDED, /* one worker: what gives way sees it done */
    MODES_REAL = MODE_1 | MODE_2 | MODE_4 | MODE_8,
    MODES_VIRTUAL = MODE_2_VIRTUAL | MODE_FIFO | MODE_SEEDED,
    MODES_EXACT = MODES_SINGLE & MODES_VIRTUAL, /* that, and no time passes meanwhile */
    MODES_STEAL = MODES_REAL | MODE_2_VIRTUAL,
    MODES_ALL = MODES_REAL | MODES_VIRTUAL
};

struct fixture_mode {
    unsigned bit;
    const char *name;
    int workers;
    sheaf_clock clock;
    sheaf_schedule schedule;
    uint64_t seed;
};

enum { FIXTURE_TEXT = 160 };

struct fixture {
    const struct fixture_mode *mode;
    sheaf_pool *pool;            /* NULL in a POOL_TEST, or after fixture_close() */
    unsigned unhandled_expected; /* how many reports of unhandled errors the test means to cause */

    pthread_mutex_t lock; /* guards what follows */
    unsigned unhandled;
    int unhandled_code;                /* of the last report */
    char unhandled_task[FIXTURE_TEXT]; /* of the last report */
    char unhandled_message[FIXTURE_TEXT];
};

typedef void fixture_body(struct fixture *f);

struct fixture_test {
    const char *name;
    fixture_body *body; /* on the test's thread, or NULL */
    sheaf_fn *task;     /* as a task of the pool, or NULL */
    unsigned modes;
    bool own_pool;
};

#define TASK_TEST(name) TASK_TEST_ON(MODES_ALL, name)
#define TASK_TEST_ON(modes, name)                                                                  \
    {                                                                                              \
#name, NULL, name, (modes), false                                                          \
    }
#define THREAD_TEST(name) THREAD_TEST_ON(MODES_ALL, name)
#define THREAD_TEST_ON(modes, name)                                                                \
    {                                                                                              \
#name, name, NULL, (modes), false                                                          \
    }
#define POOL_TEST(name) POOL_TEST_ON(MODES_ALL, name)
#define POOL_TEST_ON(modes, name)                                                                  \
    {                                                                                              \
#name, name, NULL, (modes), true                                                           \
    }

/* Runs every test in each of its modes; returns what main() returns.  TESTBRIDGE_TEST_ONLY, which
 * Bazel's --test_filter sets, is a pattern with * and ? for the names of the tests to run. */
int fixture_main(const struct fixture_test *tests, size_t count);

/* ---------------------------------------------------------------- expectations */

/* The check of the running test.  Usable everywhere: tasks, callbacks, threads. */
extern struct check fixture_check;

#define EXPECT(expression) check_that(&fixture_check, (expression), #expression, __FILE__, __LINE__)
#define EXPECT_INT(actual, expected)                                                               \
    check_int(&fixture_check, (int64_t)(actual), (int64_t)(expected), #actual, __FILE__, __LINE__)
#define EXPECT_PTR(actual, expected)                                                               \
    check_ptr(&fixture_check, (actual), (expected), #actual, __FILE__, __LINE__)
#define EXPECT_TEXT(actual, expected)                                                              \
    check_text(&fixture_check, (actual), (expected), #actual, __FILE__, __LINE__)

/* Writes a word into the running test's notes; compares all of them. */
#define NOTE(...) check_note(&fixture_check, __VA_ARGS__)
#define EXPECT_NOTES(expected) EXPECT_TEXT(check_notes(&fixture_check), expected)

/* ---------------------------------------------------------------- pools */

/* Options of a pool in the fixture's mode, with the fixture's hook for unhandled errors, and, where
 * SHEAF_TEST_POOL says so, pinned or migrating. */
sheaf_options fixture_options(struct fixture *f);

/* Whether the mode's clock is virtual. */
bool fixture_virtual(const struct fixture *f);

/* sheaf_await(), counted for fixture_settle(). */
int fixture_rest(sheaf_future *awaited, sheaf_value *value);

/* Yields until `count` more calls of fixture_rest() have begun than the last time: with one worker
 * those tasks wait then.
 * Requires: one of MODES_SINGLE
 * Context:  task */
void fixture_settle(unsigned long count);

/* In asyncio's order what stands for a future hears of its end a turn later: lets that many turns
 * pass.  In the other modes it has heard, and nothing happens.  Context: task */
void fixture_turns(unsigned turns);

/* Closes the fixture's pool before the end of the test.  Context: the test's thread */
void fixture_close(struct fixture *f);

/* How many errors were reported as never looked at so far. */
unsigned fixture_unhandled(struct fixture *f);

/* An amount of work for plain builds, made smaller for sanitizers and by SHEAF_TEST_SCALE, a
 * divisor; at least 1. */
size_t fixture_scaled(size_t plain);

/* Gives the seconds that the watchdog of the running test allows from now. */
void fixture_allow(unsigned seconds);

/* ---------------------------------------------------------------- gates */

/* A count on which threads block, and tasks too, together with their workers: for tests that need a
 * body to be running, not suspended, at a known point. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    unsigned long count;   /* guarded by lock */
    unsigned long awaited; /* the smallest count that a thread waits for; guarded by lock */
};

#define GATE_INIT                                                                                  \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER                       \
    }

/* Adds one; blocks until the count is at least `count`. */
void gate_arrive(struct gate *g);
void gate_wait(struct gate *g, unsigned long count);
unsigned long gate_count(struct gate *g);

#endif
