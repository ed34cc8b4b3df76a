#include "tests/support/fixture.h"

#include "lib/alloc.h"
#include "lib/atomics.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#elif __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif

#if defined(UNDER_TSAN)
enum { SLOWDOWN = 40, LIMIT_SECONDS = 240 };
#elif defined(UNDER_ASAN)
enum { SLOWDOWN = 10, LIMIT_SECONDS = 120 };
#else
enum { SLOWDOWN = 1, LIMIT_SECONDS = 50 };
#endif

static const struct fixture_mode modes[] = {
    {MODE_1, "1 worker", 1, SHEAF_CLOCK_REAL, SHEAF_SCHEDULE_STEAL, 0},
    {MODE_2, "2 workers", 2, SHEAF_CLOCK_REAL, SHEAF_SCHEDULE_STEAL, 0},
    {MODE_4, "4 workers", 4, SHEAF_CLOCK_REAL, SHEAF_SCHEDULE_STEAL, 0},
    {MODE_8, "8 workers", 8, SHEAF_CLOCK_REAL, SHEAF_SCHEDULE_STEAL, 0},
    {MODE_2_VIRTUAL, "2 workers, virtual clock", 2, SHEAF_CLOCK_VIRTUAL, SHEAF_SCHEDULE_STEAL, 0},
    {MODE_FIFO, "fifo, virtual clock", 1, SHEAF_CLOCK_VIRTUAL, SHEAF_SCHEDULE_FIFO, 0},
    {MODE_SEEDED, "seeded, virtual clock", 1, SHEAF_CLOCK_VIRTUAL, SHEAF_SCHEDULE_STEAL, 20240611},
};

enum { MODES = sizeof modes / sizeof modes[0] };

struct check fixture_check = CHECK_INIT;

/* ---------------------------------------------------------------- watchdog */

/* One thread per running test.  It ends the process when the test outlasts its limit. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* on the monotonic clock */
    bool running;           /* guarded by lock, as all below */
    bool stop;
    struct timespec deadline;
    const char *test;
    sheaf_pool *pool;
    pthread_t thread;
} watchdog = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void print_line(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "    %s\n", line);
}

static void give_up(void)
{
    fprintf(stderr, "fixture: '%s' has not ended in time; its tasks:\n", watchdog.test);
    /* The dump takes locks that a stuck pool may hold: the alarm ends the process if so. */
    signal(SIGALRM, SIG_DFL);
    alarm(5);
    if (watchdog.pool) {
        sheaf_pool_dump(watchdog.pool, print_line, NULL);
    }
    abort();
}

static void *watch(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&watchdog.lock);
    while (!watchdog.stop) {
        struct timespec deadline = watchdog.deadline;
        int status = pthread_cond_timedwait(&watchdog.changed, &watchdog.lock, &deadline);
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (status == ETIMEDOUT && !watchdog.stop && now.tv_sec > watchdog.deadline.tv_sec) {
            give_up();
        }
    }
    pthread_mutex_unlock(&watchdog.lock);
    return NULL;
}

void fixture_allow(unsigned seconds)
{
    pthread_mutex_lock(&watchdog.lock);
    clock_gettime(CLOCK_MONOTONIC, &watchdog.deadline);
    watchdog.deadline.tv_sec += (time_t)seconds;
    pthread_cond_signal(&watchdog.changed);
    pthread_mutex_unlock(&watchdog.lock);
}

/* A test that failed by an assertion has left the watchdog running: it serves the next one. */
static void watchdog_start(const char *test)
{
    watchdog.test = test;
    fixture_allow(LIMIT_SECONDS);
    if (!watchdog.running) {
        watchdog.stop = false;
        watchdog.running = pthread_create(&watchdog.thread, NULL, watch, NULL) == 0;
        assert_true(watchdog.running);
    }
}

static void watchdog_know(sheaf_pool *pool)
{
    pthread_mutex_lock(&watchdog.lock);
    watchdog.pool = pool;
    pthread_mutex_unlock(&watchdog.lock);
}

static void watchdog_stop(void)
{
    pthread_mutex_lock(&watchdog.lock);
    watchdog.stop = true;
    pthread_cond_signal(&watchdog.changed);
    pthread_mutex_unlock(&watchdog.lock);
    pthread_join(watchdog.thread, NULL);
    watchdog.running = false;
}

/* ---------------------------------------------------------------- pools */

static void note_unhandled(void *context, const sheaf_error *error, const char *task_name)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    f->unhandled++;
    f->unhandled_code = sheaf_error_code(error);
    snprintf(f->unhandled_task, sizeof f->unhandled_task, "%s", task_name ? task_name : "");
    snprintf(f->unhandled_message, sizeof f->unhandled_message, "%s", sheaf_error_message(error));
    pthread_mutex_unlock(&f->lock);
}

/* What SHEAF_TEST_POOL adds to the flags of pools with several workers. */
static unsigned flags_from_outside(const struct fixture_mode *mode)
{
    const char *text = getenv("SHEAF_TEST_POOL");
    if (!text || !*text || mode->workers == 1) {
        return 0;
    }
    assert_true(!strcmp(text, "pin") || !strcmp(text, "migrate"));
    return strcmp(text, "pin") ? SHEAF_POOL_MIGRATE : SHEAF_POOL_PIN;
}

sheaf_options fixture_options(struct fixture *f)
{
    return (sheaf_options){.size = sizeof(sheaf_options),
                           .flags = flags_from_outside(f->mode),
                           .workers = f->mode->workers,
                           .name = "fixture",
                           .clock = f->mode->clock,
                           .schedule = f->mode->schedule,
                           .seed = f->mode->seed,
                           .unhandled = note_unhandled,
                           .hook_context = f};
}

bool fixture_virtual(const struct fixture *f)
{
    return f->mode->clock == SHEAF_CLOCK_VIRTUAL;
}

/* How many rests have begun in the running test, and how many of them were waited for. */
static SHEAF__ATOMIC(unsigned long) rests_begun, rests_seen;

int fixture_rest(sheaf_future *awaited, sheaf_value *value)
{
    sheaf__add_acq_rel(&rests_begun, 1);
    return sheaf_await(awaited, value);
}

void fixture_settle(unsigned long count)
{
    sheaf__add_acq_rel(&rests_seen, count);
    while (sheaf__load_acq(&rests_begun) < sheaf__load_acq(&rests_seen)) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
}

unsigned fixture_unhandled(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    unsigned count = f->unhandled;
    pthread_mutex_unlock(&f->lock);
    return count;
}

static void open_pool(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    assert_int_equal(sheaf_pool_open(&options, &f->pool), SHEAF_OK);
    watchdog_know(f->pool);
}

void fixture_close(struct fixture *f)
{
    EXPECT_INT(sheaf_pool_close(f->pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    watchdog_know(NULL);
    f->pool = NULL;
}

size_t fixture_scaled(size_t plain)
{
    const char *text = getenv("SHEAF_TEST_SCALE");
    size_t divisor = text ? (size_t)strtoul(text, NULL, 10) : 1;
    size_t scaled = plain / SLOWDOWN / (divisor > 0 ? divisor : 1);
    return scaled > 0 ? scaled : 1;
}

/* ---------------------------------------------------------------- running a test */

struct run {
    const struct fixture_test *test;
    const struct fixture_mode *mode;
    char name[FIXTURE_TEXT];
};

/* CMocka turns a crash into a long jump, wrong on a worker's stack: a crash has to end the process,
 * with the report of whoever had the signal at the start of the program. */
static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS};

enum { CRASH_SIGNALS = sizeof crash_signals / sizeof crash_signals[0] };

static struct sigaction crash_actions[CRASH_SIGNALS];

static void remember_crash_actions(void)
{
    for (int i = 0; i < CRASH_SIGNALS; i++) {
        sigaction(crash_signals[i], NULL, &crash_actions[i]);
    }
}

static void restore_crash_actions(void)
{
    for (int i = 0; i < CRASH_SIGNALS; i++) {
        sigaction(crash_signals[i], &crash_actions[i], NULL);
    }
}

static bool takes_turns; /* the running test's mode keeps asyncio's order */

void fixture_turns(unsigned turns)
{
    for (unsigned i = 0; i < turns && takes_turns; i++) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
}

static void run_body(struct fixture *f, const struct fixture_test *test)
{
    takes_turns = f->mode->schedule == SHEAF_SCHEDULE_FIFO;
    if (test->task) {
        sheaf_future *root = sheaf_spawn_on(f->pool, test->task, f);
        EXPECT_INT(sheaf_join(root, NULL), SHEAF_OK);
    } else {
        test->body(f);
    }
}

static void expect_nothing_unhandled(struct fixture *f)
{
    if (!EXPECT_INT(f->unhandled, f->unhandled_expected)) {
        print_error("the last unhandled error: task '%s', code %d, '%s'\n", f->unhandled_task,
                    f->unhandled_code, f->unhandled_message);
    }
}

static void run_one(void **state)
{
    const struct run *run = *state;
    struct fixture f = {.mode = run->mode, .lock = PTHREAD_MUTEX_INITIALIZER};
    restore_crash_actions();
    check_reset(&fixture_check);
    sheaf__store_rel(&rests_begun, 0);
    sheaf__store_rel(&rests_seen, 0);
    watchdog_start(run->name);
    uint64_t blocks = sheaf__alloc_counts().live_blocks;
    if (!run->test->own_pool) {
        open_pool(&f);
    }
    run_body(&f, run->test);
    if (f.pool) {
        fixture_close(&f);
    }
    expect_nothing_unhandled(&f);
    EXPECT_INT(sheaf__alloc_counts().live_blocks, blocks);
    watchdog_stop();
    check_assert(&fixture_check);
    check_reset(&fixture_check);
}

static size_t list_runs(const struct fixture_test *tests, size_t count, struct run *runs)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < MODES; k++) {
            if (tests[i].modes & modes[k].bit) {
                struct run *run = &runs[n++];
                run->test = &tests[i];
                run->mode = &modes[k];
                snprintf(run->name, sizeof run->name, "%s, %s", tests[i].name, modes[k].name);
            }
        }
    }
    return n;
}

int fixture_main(const struct fixture_test *tests, size_t count)
{
    struct run *runs = calloc(count * MODES, sizeof *runs);
    struct CMUnitTest *units = calloc(count * MODES, sizeof *units);
    if (!runs || !units) {
        return 1;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog.changed, &attributes);
    remember_crash_actions();
    const char *only = getenv("TESTBRIDGE_TEST_ONLY");
    if (only) {
        cmocka_set_test_filter(only);
    }
    size_t n = list_runs(tests, count, runs);
    for (size_t i = 0; i < n; i++) {
        units[i] = (struct CMUnitTest){runs[i].name, run_one, NULL, NULL, &runs[i]};
    }
    int failures = _cmocka_run_group_tests("tests", units, n, NULL, NULL);
    free(units);
    free(runs);
    return failures;
}

/* ---------------------------------------------------------------- gates */

void gate_arrive(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->count++;
    if (g->count >= g->awaited) {
        g->awaited = ULONG_MAX;
        pthread_cond_broadcast(&g->moved);
    }
    pthread_mutex_unlock(&g->lock);
}

void gate_wait(struct gate *g, unsigned long count)
{
    pthread_mutex_lock(&g->lock);
    while (g->count < count) {
        g->awaited = count < g->awaited ? count : g->awaited;
        pthread_cond_wait(&g->moved, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
}

unsigned long gate_count(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    unsigned long count = g->count;
    pthread_mutex_unlock(&g->lock);
    return count;
}
