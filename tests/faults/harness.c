#define FAULT_UNCOUNTED
#include "tests/faults/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/atomics.h"
#include "lib/pool_impl.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || defined(SHEAF_VALGRIND)
#define CHECKED_BY_TOOL true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CHECKED_BY_TOOL true
#endif
#endif
#ifndef CHECKED_BY_TOOL
#define CHECKED_BY_TOOL false
#endif

/* STEP_SECONDS: how long a run may take.  A tool's own mappings come and go. */
enum {
    STEP_SECONDS = CHECKED_BY_TOOL ? 120 : 20,
    FILES_MAX = 64,
    KEPT_RECORDS_MAX = 4096,
    DEAD_WAIT_MS = 4000,
    MAPPINGS_SLACK = 40
};

/* ---------------------------------------------------------------- calls */

#define NAME_OF_(name) #name,
static const char *const call_names[] = {FAULT_CALLS(NAME_OF_)};

static SHEAF__ATOMIC(long) * calls;

void fault_called(enum fault_call call)
{
    sheaf__add_rlx(&calls[call], 1); /* relaxed: read when the process has ended */
}

static void *shared(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        abort();
    }
    return at;
}

void fault_calls_begin(void)
{
    calls = shared(FAULT_CALL_COUNT * sizeof *calls);
}

long fault_calls(enum fault_call call)
{
    return sheaf__load_rlx(&calls[call]);
}

const char *fault_call_name(enum fault_call call)
{
    return call_names[call];
}

/* ---------------------------------------------------------------- what a process holds */

struct holding {
    uint64_t blocks, bytes;
    int64_t malloced, mapped;
    long threads;
    int files;
};

static long thread_count(void)
{
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 ? (long)tasks.st_nlink - 2 : -1;
}

static int file_count(void)
{
    int open_files = 0;
    for (int fd = 0; fd < FILES_MAX; fd++) {
        open_files += fcntl(fd, F_GETFD) >= 0;
    }
    return open_files;
}

static struct holding holding(void)
{
    struct sheaf__alloc_counts counts = sheaf__alloc_counts();
    return (struct holding){counts.live_blocks,    counts.live_bytes, faults_live_blocks(),
                            faults_mapped_bytes(), thread_count(),    file_count()};
}

/* A thread that was joined can be seen for a moment, one that was let go for longer. */
static void wait_for_threads(long count)
{
    struct timespec moment = {0, 200000};
    for (int i = 0; thread_count() > count && i < DEAD_WAIT_MS * 5; i++) {
        nanosleep(&moment, NULL);
    }
}

static long mapping_count(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    long lines = 0;
    for (int c; maps && (c = fgetc(maps)) != EOF;) {
        lines += c == '\n';
    }
    if (maps) {
        fclose(maps);
    }
    return lines;
}

static void compare(const struct holding *before, bool abandons)
{
    faults_unmap_refused();
    wait_for_threads(before->threads);
    struct holding now = holding();
    IS(now.blocks, before->blocks);
    IS(now.bytes, before->bytes);
    IS(now.malloced, before->malloced);
    HOLDS(now.mapped == before->mapped || (abandons && now.mapped > before->mapped));
    HOLDS(now.threads <= before->threads); /* one that was joined may have been seen before */
    IS(now.files, before->files);
}

/* ---------------------------------------------------------------- one run */

struct attempt {
    struct fault_trial trial;
    const struct fault_sweep *sweep;
    long point; /* -1: nothing fails */
    sheaf_future *kept[KEPT_RECORDS_MAX];
    size_t kept_count;
};

static void ignore_error(void *context, const sheaf_error *error, const char *task_name)
{
    (void)context, (void)error, (void)task_name;
}

static sheaf_options options_of(const struct fault_schedule *schedule)
{
    return (sheaf_options){.size = sizeof(sheaf_options),
                           .workers = schedule->workers,
                           .clock = schedule->clock,
                           .schedule = schedule->schedule,
                           .seed = schedule->seed,
                           .unhandled = ignore_error};
}

static void begin_failing(const struct attempt *a)
{
    struct fault_plan plan = {a->point < 0 ? 0 : a->sweep->kinds, a->point, a->sweep->for_good};
    if (a->sweep->drained) {
        plan.first = 0;
    }
    faults_begin(&plan);
}

/* Takes records until so many are left in the worker's cache and none elsewhere. */
static void drain_records(struct attempt *a, long left)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    struct sheaf__depot *depot = &worker->pool->depot;
    while (sheaf__load_rlx(&worker->records.count) > (uint32_t)left || depot->loose ||
           depot->batches || depot->uncut != depot->uncut_end) {
        if (a->kept_count == KEPT_RECORDS_MAX) {
            break;
        }
        a->kept[a->kept_count++] = sheaf_promise(NULL);
    }
}

/* Opens when a body has ended: the thread that waits at it meets no points meanwhile. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open; /* guarded by lock */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};

static void open_gate(bool open)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = open;
    pthread_cond_broadcast(&gate.opened);
    pthread_mutex_unlock(&gate.lock);
}

static void wait_at_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    while (!gate.open) {
        pthread_cond_wait(&gate.opened, &gate.lock);
    }
    pthread_mutex_unlock(&gate.lock);
}

static int run_body(void *arg, sheaf_value *result)
{
    struct attempt *a = arg;
    (void)result;
    if (a->sweep->drained && a->point >= 0) {
        drain_records(a, a->point);
    }
    begin_failing(a);
    a->trial.scenario->body(&a->trial);
    faults_pause();
    sheaf_release_all(a->kept, a->kept_count);
    a->kept_count = 0;
    /* The scenarios take back whatever they ask of their own task. */
    IS(sheaf_checkpoint(), SHEAF_OK);
    IS(sheaf_cancelling(NULL), 0);
    open_gate(true);
    return SHEAF_OK;
}

static int go_on(void *arg, sheaf_value *result)
{
    sheaf_future *child = sheaf_spawn(nap, arg);
    SHEAF_TRY(sheaf_yield());
    return sheaf_join(child, result);
}

static void expect_usable(sheaf_pool *pool)
{
    sheaf_value value = {.i64 = 0};
    IS(sheaf_join(sheaf_spawn_on(pool, go_on, NULL), &value), SHEAF_OK);
    IS(value.i64, 7);
}

static void run_on_pool(struct attempt *a)
{
    sheaf_options options = options_of(a->trial.schedule);
    sheaf_pool *pool = NULL;
    if (!IS(sheaf_pool_open(&options, &pool), SHEAF_OK)) {
        return;
    }
    a->trial.pool = pool;
    (void)sheaf_join(sheaf_spawn_on(pool, give_seven, NULL), NULL);
    if (a->trial.scenario->place == FAULT_TASK) {
        open_gate(false);
        sheaf_future *root = sheaf_spawn_on(pool, run_body, a);
        wait_at_gate();
        IS(sheaf_join(root, NULL), SHEAF_OK);
    } else {
        begin_failing(a);
        a->trial.scenario->body(&a->trial);
        faults_pause();
    }
    expect_usable(pool);
    faults_resume();
    IS(sheaf_pool_close(pool, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    faults_pause();
    a->trial.pool = NULL;
}

static void run_once(struct attempt *a)
{
    struct holding before = holding();
    fault_accounts_open();
    if (a->trial.scenario->place <= FAULT_PLAIN) {
        run_on_pool(a);
    } else {
        begin_failing(a);
        a->trial.scenario->body(&a->trial);
        faults_pause();
    }
    fault_accounts_close(a->trial.scenario->abandons);
    compare(&before, a->trial.scenario->abandons);
}

/* ---------------------------------------------------------------- a sweep's process */

static void say(struct fault_report *report, const char *format, ...) SHEAF__PRINTF(2, 3);

static void say(struct fault_report *report, const char *format, ...)
{
    va_list list;
    size_t used = strlen(report->text);
    va_start(list, format);
    vsnprintf(report->text + used, sizeof report->text - used, format, list);
    va_end(list);
}

static void say_check(struct fault_report *report)
{
    if (check_failed(&fault_check)) {
        say(report, "%s\n", fault_check.first);
    }
}

/* The run without failures; it tells how many points the sweep has. */
static void run_clean(struct attempt *a, struct fault_report *report)
{
    a->point = -1;
    report->point = -1;
    report->steps++;
    run_once(a);
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        report->points[kind] = faults_points((enum fault_kind)kind);
    }
    say_check(report);
}

/* Returns: whether a call failed */
static bool run_point(struct attempt *a, long point, struct fault_report *report)
{
    a->point = point;
    report->point = point;
    report->steps++;
    run_once(a);
    report->runs++;
    bool failed = faults_all_fired() > 0;
    report->failed_runs += failed;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        report->fired[kind] += faults_fired((enum fault_kind)kind);
    }
    say_check(report);
    return failed;
}

static long planned(const struct fault_sweep *sweep, const struct fault_report *report)
{
    long sum = 0;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        sum += sweep->kinds & FAULT_BIT(kind) ? report->points[kind] : 0;
    }
    return sum;
}

/* As many records as a run may take, one by one, until it takes fewer than there are. */
static void sweep_records(struct attempt *a, long most, struct fault_report *report)
{
    bool failed = true;
    for (long left = 0; failed && left < most && !report->text[0]; left++) {
        failed = run_point(a, left, report);
    }
}

/* Whether a run meets the points of the one before: all of it happens on one thread. */
static bool is_exact(const struct fault_trial *trial)
{
    return trial->schedule->exact && trial->scenario->place == FAULT_TASK &&
           !trial->scenario->threads;
}

static void sweep_points(struct attempt *a, long most, struct fault_report *report)
{
    long count = planned(a->sweep, report);
    long step = count > most ? (count + most - 1) / most : 1;
    for (long point = 0; point < count && !report->text[0]; point += step) {
        bool failed = run_point(a, point, report);
        if (is_exact(&a->trial) && !failed) {
            say(report, "no call has failed, although there were %ld points before\n", count);
        }
    }
    /* How many points a run with threads has is chance, but so many are not missed every time. */
    if (count > 10 && report->failed_runs == 0) {
        say(report, "calls have failed in none of %ld runs\n", report->runs);
    }
}

static void ignore_line(void *context, const char *line)
{
    (void)context, (void)line;
}

static void *do_nothing(void *arg)
{
    return arg;
}

/* A tool may have a thread of its own from the program's first one on. */
static void start_first_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_nothing, NULL)) {
        abort();
    }
    pthread_join(thread, NULL);
}

static struct attempt *prepare(const struct fault_scenario *scenario,
                               const struct fault_schedule *schedule,
                               const struct fault_sweep *sweep)
{
    static struct attempt attempt;
    attempt = (struct attempt){.trial = {scenario, schedule, NULL}, .sweep = sweep};
    sheaf_set_report_hook(ignore_line, NULL);
    start_first_thread();
    if (schedule->deny_guards) {
        faults_deny_guards();
    }
    return &attempt;
}

static void sweep_in_process(const struct fault_scenario *scenario,
                             const struct fault_schedule *schedule, const struct fault_sweep *sweep,
                             long most, struct fault_report *report)
{
    struct attempt *a = prepare(scenario, schedule, sweep);
    run_clean(a, report);
    long mappings = mapping_count();
    if (report->text[0]) {
        return;
    }
    if (sweep->drained) {
        sweep_records(a, most, report);
    } else {
        sweep_points(a, most, report);
    }
    if (!CHECKED_BY_TOOL && !scenario->abandons && mapping_count() > mappings + MAPPINGS_SLACK) {
        say(report, "from %ld mappings to %ld in %ld runs\n", mappings, mapping_count(),
            report->runs);
    }
}

/* A scenario that is the first use of the library: each point in a process of its own. */
static void point_in_process(const struct fault_scenario *scenario,
                             const struct fault_schedule *schedule, const struct fault_sweep *sweep,
                             long point, struct fault_report *report)
{
    struct attempt *a = prepare(scenario, schedule, sweep);
    if (point < 0) {
        run_clean(a, report);
    } else {
        run_point(a, point, report);
    }
}

/* ---------------------------------------------------------------- the parent */

/* Waits until the process closes its end of the pipe, by ending.  Returns: false when it made no
 * step for too long */
static bool watch(int pipe_end, const struct fault_report *report)
{
    const volatile unsigned long *steps = &report->steps;
    unsigned long seen = *steps;
    for (int quiet = 0; quiet < STEP_SECONDS;) {
        struct pollfd end = {.fd = pipe_end, .events = POLLIN};
        if (poll(&end, 1, 1000) == 1) {
            return true;
        }
        quiet = *steps == seen ? quiet + 1 : 0;
        seen = *steps;
    }
    return false;
}

struct job {
    const struct fault_scenario *scenario;
    const struct fault_schedule *schedule;
    const struct fault_sweep *sweep;
    long most;
    long point;
    bool single;
};

static void in_child(const struct job *job, struct fault_report *report)
{
    signal(SIGABRT, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    if (job->single) {
        point_in_process(job->scenario, job->schedule, job->sweep, job->point, report);
    } else {
        sweep_in_process(job->scenario, job->schedule, job->sweep, job->most, report);
    }
    fflush(NULL);
    _exit(0);
}

static void run_in_child(const struct job *job, struct fault_report *report)
{
    int ends[2];
    if (pipe(ends)) {
        abort();
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        abort();
    }
    if (child == 0) {
        close(ends[0]);
        in_child(job, report);
    }
    close(ends[1]);
    bool ended = watch(ends[0], report);
    if (!ended) {
        say(report, "it hangs\n");
        kill(child, SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    close(ends[0]);
    if (ended && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        say(report, "it has crashed: %s %d\n", WIFSIGNALED(status) ? "signal" : "exit status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
}

static void run_singles(struct job job, struct fault_report *report)
{
    job.single = true;
    job.point = -1;
    run_in_child(&job, report);
    long count = planned(job.sweep, report);
    for (job.point = 0; job.point < count && !report->text[0]; job.point++) {
        run_in_child(&job, report);
    }
}

bool fault_run_sweep(const struct fault_scenario *scenario, const struct fault_schedule *schedule,
                     const struct fault_sweep *sweep, long most, struct fault_report *report)
{
    struct fault_report *told = shared(sizeof *told);
    struct job job = {scenario, schedule, sweep, most, 0, false};
    *told = (struct fault_report){.point = -1};
    if (scenario->place == FAULT_FIRST) {
        run_singles(job, told);
    } else {
        run_in_child(&job, told);
    }
    *report = *told;
    munmap(told, sizeof *told);
    return !report->text[0];
}

bool fault_run_here(const struct fault_scenario *scenario, const struct fault_schedule *schedule,
                    const struct fault_sweep *sweep, long point, struct fault_report *report)
{
    *report = (struct fault_report){.point = -1};
    struct attempt *a = prepare(scenario, schedule, sweep);
    if (scenario->place != FAULT_FIRST && point >= 0) {
        run_clean(a, report);
    }
    if (point < 0) {
        run_clean(a, report);
    } else {
        run_point(a, point, report);
    }
    return !report->text[0];
}
