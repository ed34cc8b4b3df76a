/* What observers are told, and the files that traces are. */
#include <sheaf/trace.h>

#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* TSan ends children of processes with threads that start threads, unless it is told not to. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

enum {
    EVENTS_MAX = 4096,
    TASKS_MAX = 512,
    WORKERS_MAX = 17,
    NAME = 32,
    PATH = 300,
    TEXT = 1 << 18
};

/* ---------------------------------------------------------------- what was told */

struct record {
    sheaf_trace_event event;
    char name[NAME];
};

static struct record records[EVENTS_MAX];
static SHEAF__ATOMIC(unsigned) record_count;

static void record_event(void *context, const sheaf_trace_event *event)
{
    unsigned at = sheaf__add_acq_rel((SHEAF__ATOMIC(unsigned) *)context, 1);
    if (at < EVENTS_MAX) {
        records[at].event = *event;
        (void)snprintf(records[at].name, NAME, "%s", event->name ? event->name : "");
    }
}

static sheaf_options observed_options(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    options.observer = record_event;
    options.observer_context = &record_count;
    sheaf__store_rel(&record_count, 0);
    return options;
}

static unsigned count_of(sheaf_trace_kind kind, const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < sheaf__load_acq(&record_count); i++) {
        count += records[i].event.kind == kind && strcmp(records[i].name, name) == 0;
    }
    return count;
}

/* The first one of that kind about a task of that name, or NULL. */
static const sheaf_trace_event *find(sheaf_trace_kind kind, const char *name)
{
    for (unsigned i = 0; i < sheaf__load_acq(&record_count); i++) {
        if (records[i].event.kind == kind && strcmp(records[i].name, name) == 0) {
            return &records[i].event;
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- the order that is promised */

enum life { UNKNOWN, SPAWNED, RUNS, SUSPENDED, GONE };

static enum life life_after(enum life life, sheaf_trace_kind kind)
{
    switch (kind) {
    case SHEAF_TRACE_SPAWN:
        return life == UNKNOWN ? SPAWNED : UNKNOWN;
    case SHEAF_TRACE_BEGIN:
        return life == SPAWNED ? RUNS : UNKNOWN;
    case SHEAF_TRACE_SUSPEND:
        return life == RUNS ? SUSPENDED : UNKNOWN;
    case SHEAF_TRACE_RESUME:
        return life == SUSPENDED ? RUNS : UNKNOWN;
    case SHEAF_TRACE_END:
        return life == RUNS ? GONE : UNKNOWN;
    case SHEAF_TRACE_DROP:
        return life == SPAWNED ? GONE : UNKNOWN;
    default:
        return life;
    }
}

/* Every task has the life that is promised, to its end. */
static void check_lives(void)
{
    static enum life lives[TASKS_MAX];
    memset(lives, 0, sizeof lives);
    uint64_t base = 0;
    for (unsigned i = 0; i < sheaf__load_acq(&record_count); i++) {
        const sheaf_trace_event *event = &records[i].event;
        if (event->task == 0) {
            continue;
        }
        base = base ? base : event->task;
        uint64_t at = event->task + 16 - base; /* they are numbered by several threads */
        EXPECT(at < TASKS_MAX);
        if (at < TASKS_MAX) {
            lives[at] = life_after(lives[at], event->kind);
            EXPECT(lives[at] != UNKNOWN);
        }
    }
    for (unsigned i = 0; i < TASKS_MAX; i++) {
        EXPECT(lives[i] == UNKNOWN || lives[i] == GONE);
    }
}

static bool begins(sheaf_trace_kind kind)
{
    return kind == SHEAF_TRACE_BEGIN || kind == SHEAF_TRACE_RESUME || kind == SHEAF_TRACE_SLEEP;
}

static bool ends(sheaf_trace_kind kind)
{
    return kind == SHEAF_TRACE_SUSPEND || kind == SHEAF_TRACE_END || kind == SHEAF_TRACE_WAKE;
}

/* A worker does one thing at a time: a task, or sleeping. */
static void check_workers(void)
{
    uint64_t busy_with[WORKERS_MAX] = {0};
    int64_t last[WORKERS_MAX] = {0};
    for (unsigned i = 0; i < sheaf__load_acq(&record_count); i++) {
        const sheaf_trace_event *event = &records[i].event;
        uint64_t with = event->task ? event->task : UINT64_MAX;
        int at = event->worker;
        if (at < 0 || at >= WORKERS_MAX) {
            EXPECT_INT(at, -1);
            continue;
        }
        EXPECT(event->time >= last[at]);
        last[at] = event->time;
        if (begins(event->kind)) {
            EXPECT(busy_with[at] == 0);
            busy_with[at] = with;
        } else if (ends(event->kind)) {
            EXPECT(busy_with[at] == with);
            busy_with[at] = 0;
        }
    }
}

/* ---------------------------------------------------------------- a program */

static int sleep_a_little(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 1;
    return sheaf_sleep(SHEAF_MS(1));
}

static int fail(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return EIO;
}

static int sum_children(void *arg, sheaf_value *result)
{
    (void)arg;
    sheaf_task left;
    sheaf_future *right = sheaf_spawn(sleep_a_little, NULL);
    sheaf_value value;
    sheaf_task_spawn(&left, sleep_a_little, NULL);
    SHEAF_TRY(sheaf_join(right, &value));
    result->i64 = value.i64;
    SHEAF_TRY(sheaf_task_join(&left, &value));
    result->i64 += value.i64;
    return SHEAF_OK;
}

static int fork_one(sheaf_forks *forks, sheaf_fork *fork, void *arg, sheaf_value *result)
{
    (void)forks, (void)fork, (void)arg;
    result->i64 = 3;
    return SHEAF_OK;
}

static int fork_two(sheaf_forks *forks, sheaf_fork *fork, void *arg, sheaf_value *result)
{
    sheaf_value other = {0};
    fork = sheaf_fork_spawn(forks, fork, fork_one, arg);
    SHEAF_TRY(fork_one(forks, fork, arg, result));
    SHEAF_TRY(sheaf_fork_join(forks, fork, fork_one, arg, &other));
    result->i64 += other.i64;
    return SHEAF_OK;
}

static int program(void *arg, sheaf_value *result)
{
    (void)arg;
    sheaf_future *parts[3] = {
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "sum"), sum_children, NULL),
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "sleeper"), sleep_a_little, NULL),
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "failure"), fail, NULL)};
    SHEAF_TRY(sheaf_gather(parts, 3, SHEAF_GATHER_COLLECT, NULL, NULL));
    sheaf_release_all(parts, 3);
    SHEAF_TRY(sheaf_yield());
    return sheaf_fork_run(fork_two, NULL, result);
}

static void run_observed(struct fixture *f)
{
    sheaf_options options = observed_options(f);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_pool_open(&options, &f->pool), SHEAF_OK);
    sheaf_future *main_task =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool, .name = "main"), program, NULL);
    EXPECT_INT(sheaf_join(main_task, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 6);
    fixture_close(f);
}

/* ---------------------------------------------------------------- the observer */

static void tasks_and_workers_have_the_promised_order(struct fixture *f)
{
    run_observed(f);
    EXPECT(sheaf__load_acq(&record_count) < EVENTS_MAX);
    check_lives();
    check_workers();
    unsigned last = sheaf__load_acq(&record_count) - 1;
    EXPECT_INT(records[last].event.kind, SHEAF_TRACE_CLOSE);
    for (unsigned i = 0; i < last; i++) {
        EXPECT(records[i].event.pool == records[last].event.pool);
        EXPECT(records[i].event.kind != SHEAF_TRACE_CLOSE);
    }
}

static void events_tell_of_their_task(struct fixture *f)
{
    run_observed(f);
    const sheaf_trace_event *main_task = find(SHEAF_TRACE_SPAWN, "main");
    const sheaf_trace_event *sum = find(SHEAF_TRACE_SPAWN, "sum");
    EXPECT(main_task && main_task->worker == -1 && main_task->parent == 0);
    EXPECT(main_task && main_task->place && strstr(main_task->place, "trace_test.c:"));
    EXPECT(sum && main_task && sum->parent == main_task->task && sum->worker >= 0);
    const sheaf_trace_event *failure = find(SHEAF_TRACE_END, "failure");
    EXPECT(failure && failure->status == EIO);
    EXPECT_INT(count_of(SHEAF_TRACE_END, "sleeper"), 1);
    const sheaf_trace_event *asleep = find(SHEAF_TRACE_SUSPEND, "sleeper");
    if (fixture_virtual(f)) { /* else the time may have passed before it sleeps */
        EXPECT_TEXT(asleep && asleep->waits_for ? asleep->waits_for : "nothing", "a timer");
    }
    const sheaf_trace_event *gathers = find(SHEAF_TRACE_SUSPEND, "main");
    EXPECT(gathers && gathers->waits_for);
    EXPECT(count_of(SHEAF_TRACE_WORKER, "fixture") >= (unsigned)f->mode->workers);
    for (unsigned i = 0; i < sheaf__load_acq(&record_count); i++) {
        const sheaf_trace_event *event = &records[i].event;
        EXPECT(event->kind != SHEAF_TRACE_WORKER ||
               event->status == (event->worker >= f->mode->workers));
    }
    /* main, sum and its two, sleeper, failure, the fork */
    EXPECT_INT(count_of(SHEAF_TRACE_SPAWN, "") + count_of(SHEAF_TRACE_SPAWN, "main") +
                   count_of(SHEAF_TRACE_SPAWN, "sum") + count_of(SHEAF_TRACE_SPAWN, "sleeper") +
                   count_of(SHEAF_TRACE_SPAWN, "failure"),
               7);
}

static int cancel_before_its_start(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *never =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "never"), sleep_a_little, NULL);
    (void)sheaf_cancel(never);
    return sheaf_join(never, NULL) == SHEAF_CANCELLED ? SHEAF_OK : SHEAF_INVALID;
}

static void what_never_runs_is_dropped(struct fixture *f)
{
    sheaf_options options = observed_options(f);
    EXPECT_INT(sheaf_pool_open(&options, &f->pool), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, cancel_before_its_start, NULL), NULL), SHEAF_OK);
    fixture_close(f);
    check_lives();
    check_workers();
    const sheaf_trace_event *dropped = find(SHEAF_TRACE_DROP, "never");
    EXPECT(dropped && dropped->status == SHEAF_CANCELLED);
    EXPECT(find(SHEAF_TRACE_BEGIN, "never") == NULL);
}

/* ---------------------------------------------------------------- files */

static const char *trace_path(void)
{
    static char path[PATH];
    const char *parent = getenv("TEST_TMPDIR");
    (void)snprintf(path, sizeof path, "%s/trace.json", parent ? parent : "/tmp");
    return path;
}

static const char *text_of(const char *path)
{
    static char text[TEXT];
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[length] = '\0';
    if (file) {
        (void)fclose(file);
    }
    return text;
}

static unsigned occurrences(const char *text, const char *words)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++) {
        count++;
    }
    return count;
}

static void run_traced(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_pool_open(&options, &f->pool), SHEAF_OK);
    EXPECT_INT(
        sheaf_join(sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool, .name = "a \"main\""),
                                    program, NULL),
                   &value),
        SHEAF_OK);
    fixture_close(f);
}

static void check_text_of_runs(struct fixture *f, const char *text, unsigned runs)
{
    EXPECT(is_json(text));
    EXPECT_INT(occurrences(text, "\"ph\":\"B\""), occurrences(text, "\"ph\":\"E\""));
    EXPECT_INT(occurrences(text, "\"ph\":\"s\""), 7 * runs);
    EXPECT_INT(occurrences(text, "\"ph\":\"f\""), 7 * runs);
    EXPECT(occurrences(text, "\"name\":\"a \\\"main\\\"\"") >= 2 * runs);
    EXPECT_INT(occurrences(text, "\"status\":"), 7 * runs);
    EXPECT(!fixture_virtual(f) || strstr(text, "\"waits_for\":\"a timer\"") != NULL);
    EXPECT(strstr(text, "trace_test.c:") != NULL);
}

static void a_trace_is_whole_whenever_a_pool_has_closed(struct fixture *f)
{
    EXPECT_INT(sheaf_trace_begin(trace_path()), SHEAF_OK);
    EXPECT_INT(sheaf_trace_begin(trace_path()), SHEAF_STATE);
    run_traced(f);
    check_text_of_runs(f, text_of(trace_path()), 1);
    run_traced(f);
    check_text_of_runs(f, text_of(trace_path()), 2);
    EXPECT_INT(sheaf_trace_end(), SHEAF_OK);
    EXPECT_INT(sheaf_trace_end(), SHEAF_STATE);
    check_text_of_runs(f, text_of(trace_path()), 2);
    struct stat status;
    EXPECT(stat(trace_path(), &status) == 0 && (status.st_mode & 0777) == 0600);
    run_traced(f); /* not of this trace */
    check_text_of_runs(f, text_of(trace_path()), 2);
}

/* A pool of one trace has no part in the next. */
static void a_pool_belongs_to_the_trace_that_it_was_opened_in(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    EXPECT_INT(sheaf_trace_begin(trace_path()), SHEAF_OK);
    EXPECT_INT(sheaf_pool_open(&options, &f->pool), SHEAF_OK);
    EXPECT_INT(sheaf_trace_end(), SHEAF_OK);
    EXPECT_INT(sheaf_trace_begin(trace_path()), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, sleep_a_little, NULL), NULL), SHEAF_OK);
    fixture_close(f);
    EXPECT_INT(sheaf_trace_end(), SHEAF_OK);
    EXPECT_TEXT(text_of(trace_path()), "[\n\n]\n");
    EXPECT(is_json(text_of(trace_path())));
}

static void what_cannot_be_written_is_told(struct fixture *f)
{
    (void)f;
    EXPECT_INT(sheaf_trace_begin(NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_trace_begin("/nowhere/trace.json"), ENOENT);
    EXPECT(sheaf_trace_begin("/dev/null") > 0);
    EXPECT_INT(sheaf_trace_end(), SHEAF_STATE);
}

static void a_child_of_fork_has_no_trace(struct fixture *f)
{
    (void)f;
    EXPECT_INT(sheaf_trace_begin(trace_path()), SHEAF_OK);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(sheaf_trace_end() == SHEAF_STATE ? 0 : 1);
    }
    int status = -1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    EXPECT_INT(sheaf_trace_end(), SHEAF_OK);
}

static const struct fixture_test tests[] = {
    POOL_TEST(tasks_and_workers_have_the_promised_order),
    POOL_TEST(events_tell_of_their_task),
    POOL_TEST_ON(MODES_EXACT, what_never_runs_is_dropped),
    POOL_TEST(a_trace_is_whole_whenever_a_pool_has_closed),
    POOL_TEST(a_pool_belongs_to_the_trace_that_it_was_opened_in),
    POOL_TEST_ON(MODE_1, what_cannot_be_written_is_told),
    POOL_TEST_ON(MODE_1, a_child_of_fork_has_no_trace),
};

/* ---------------------------------------------------------------- the environment */

/* In a process of its own, the library's first use in it; a default pool is left open. */
static void use_in_child(void)
{
    setenv("SHEAF_TRACE", trace_path(), 1);
    bool ran = sheaf_run(NULL, sum_children, NULL, NULL) == SHEAF_OK &&
               sheaf_join(sheaf_spawn(sum_children, NULL), NULL) == SHEAF_OK;
    exit(ran ? 0 : 1);
}

/* Before anything else uses the library.  Returns: whether it holds */
static bool the_environment_asks_for_a_trace(void)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        use_in_child();
    }
    int status = -1;
    bool ended = waitpid(child, &status, 0) == child && status == 0;
    const char *text = text_of(trace_path());
    return ended && is_json(text) && occurrences(text, "\"ph\":\"f\"") >= 6;
}

int main(void)
{
    if (!the_environment_asks_for_a_trace()) {
        fprintf(stderr, "SHEAF_TRACE in the environment made no whole trace\n");
        return 1;
    }
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
