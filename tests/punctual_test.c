/* While every worker computes or blocks: what was woken goes on in time, on spares; what has not
 * begun waits for a worker, unless one blocks.
 *
 * Lateness is measured beside that of a thread that sleeps in pthread_cond_timedwait() meanwhile,
 * and may exceed it by what the engine may add: on a machine that others load both are late.
 * Without spares nothing would go on at all before the computing ends, and that ends last. */
#include "lib/atomics.h"
#include "lib/platform/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/threads.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MODES_MEASURED (MODE_1 | MODE_2 | MODE_8)

enum { TICKS = 100, MEASUREMENTS_MAX = 4 };

#define TICK SHEAF_MS(10)

/* ---------------------------------------------------------------- who computes */

static SHEAF__ATOMIC(bool) computing_ends;
static SHEAF__ATOMIC(int) computing;
static SHEAF__ATOMIC(bool) spare_computes; /* one did so in this round */

static bool is_on_spare(void)
{
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    return strncmp(name, "fixture/s", 9) == 0;
}

/* Until it is told to end; no suspension, no checkpoint. */
static int compute(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    if (is_on_spare()) {
        sheaf__store_rel(&spare_computes, true);
    }
    sheaf__add_acq_rel(&computing, 1);
    while (!sheaf__load_acq(&computing_ends)) {
        for (volatile int i = 0; i < 1000; i++) {
        }
    }
    sheaf__sub_acq_rel(&computing, 1);
    return SHEAF_OK;
}

/* Returns when as many tasks compute as there are workers. */
static void begin_computing(struct fixture *f, sheaf_future **futures)
{
    sheaf__store_rel(&computing_ends, false);
    sheaf__store_rel(&spare_computes, false);
    for (int i = 0; i < f->mode->workers; i++) {
        futures[i] = sheaf_spawn_on(f->pool, compute, NULL);
    }
    while (sheaf__load_acq(&computing) < f->mode->workers) {
        sched_yield();
    }
}

static void end_computing(struct fixture *f, sheaf_future **futures)
{
    sheaf__store_rel(&computing_ends, true);
    for (int i = 0; i < f->mode->workers; i++) {
        EXPECT_INT(sheaf_join(futures[i], NULL), SHEAF_OK);
    }
}

/* ---------------------------------------------------------------- lateness */

struct lateness {
    int64_t worst;
    int ticks;
    int over_10ms;
};

static void note_lateness(struct lateness *lateness, int64_t late)
{
    lateness->worst = late > lateness->worst ? late : lateness->worst;
    lateness->over_10ms += late > SHEAF_MS(10);
    lateness->ticks++;
}

static struct lateness control_lateness;

static void *sleep_beside(void *arg)
{
    const SHEAF__ATOMIC(bool) *stop = arg;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_condattr_t attributes;
    pthread_cond_t never;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&never, &attributes);
    pthread_mutex_lock(&lock);
    while (!sheaf__load_acq(stop)) {
        int64_t deadline = sheaf__clock_monotonic() + TICK;
        struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000),
                                 .tv_nsec = (long)(deadline % 1000000000)};
        pthread_cond_timedwait(&never, &lock, &until);
        note_lateness(&control_lateness, sheaf__clock_monotonic() - deadline);
    }
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&never);
    pthread_condattr_destroy(&attributes);
    return NULL;
}

/* Makes TICKS waits and notes how late each ended. */
typedef void ticks_fn(struct fixture *f, struct lateness *lateness);

static struct lateness measure_once(struct fixture *f, ticks_fn *ticks)
{
    struct lateness lateness = {0, 0, 0};
    sheaf_future *futures[8];
    SHEAF__ATOMIC(bool) stop = false;
    pthread_t control;
    control_lateness = lateness;
    begin_computing(f, futures);
    EXPECT_INT(pthread_create(&control, NULL, sleep_beside, &stop), 0);
    ticks(f, &lateness);
    sheaf__store_rel(&stop, true);
    pthread_join(control, NULL);
    end_computing(f, futures);
    return lateness;
}

/* The goal, within 10 ms in 95 of 100 and within 50 ms in all, on a machine that has the time.  The
 * control waits for a CPU once, a task for the timer thread, for the spare and for what the spare
 * resumes; so a machine that lets the control wait says little about the tasks. */
static bool is_punctual(const struct lateness *lateness)
{
    bool calm = control_lateness.worst <= SHEAF_MS(5) || getenv("SHEAF_PUNCTUAL");
    int over = calm ? TICKS * 5 / 100 : TICKS * 60 / 100;
    int64_t worst = calm ? SHEAF_MS(50) : SHEAF_MS(250) + 5 * control_lateness.worst;
    return lateness->over_10ms <= over && lateness->worst <= worst;
}

static void expect_punctual(struct fixture *f, ticks_fn *ticks)
{
    bool held = false;
    for (int i = 0; !held && i < MEASUREMENTS_MAX; i++) {
        struct lateness lateness = measure_once(f, ticks);
        held = is_punctual(&lateness);
        fprintf(
            stderr,
            "%s: %d of %d late by more than 10 ms, at most by %.2f ms; control %d of %d, %.2f\n",
            f->mode->name, lateness.over_10ms, lateness.ticks, (double)lateness.worst / 1e6,
            control_lateness.over_10ms, control_lateness.ticks,
            (double)control_lateness.worst / 1e6);
    }
    EXPECT(held);
}

/* ---------------------------------------------------------------- what has to be in time */

static int sleep_often(void *arg, sheaf_value *result)
{
    (void)result;
    for (int i = 0; i < TICKS; i++) {
        sheaf_time until = sheaf_now() + TICK;
        SHEAF_TRY(sheaf_sleep_until(until));
        note_lateness(arg, sheaf_now() - until);
    }
    return SHEAF_OK;
}

static void tick_in_sleeps(struct fixture *f, struct lateness *lateness)
{
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, sleep_often, lateness), NULL), SHEAF_OK);
}

static void a_sleeper_goes_on_in_time_while_every_worker_computes(struct fixture *f)
{
    expect_punctual(f, tick_in_sleeps);
}

static int wait_with_limits(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_future *never = sheaf_promise(NULL);
    for (int i = 0; i < TICKS; i += 2) {
        sheaf_time until = sheaf_now() + TICK;
        EXPECT_INT(sheaf_wait_for(never, TICK, NULL), SHEAF_TIMEOUT);
        note_lateness(arg, sheaf_now() - until);
        until = sheaf_now() + TICK;
        sheaf_timeout scope;
        EXPECT_INT(sheaf_timeout_begin(&scope, TICK, 0), SHEAF_OK);
        int status = sheaf_sleep(SHEAF_S(100));
        EXPECT_INT(sheaf_timeout_end(&scope, status), SHEAF_TIMEOUT);
        note_lateness(arg, sheaf_now() - until);
        sheaf_release(never);
        never = sheaf_promise(NULL);
    }
    sheaf_cancel(never);
    sheaf_release(never);
    return SHEAF_OK;
}

static void tick_in_limits(struct fixture *f, struct lateness *lateness)
{
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, wait_with_limits, lateness), NULL), SHEAF_OK);
}

static void limits_of_a_task_come_in_time_while_every_worker_computes(struct fixture *f)
{
    expect_punctual(f, tick_in_limits);
}

static void tick_on_the_thread(struct fixture *f, struct lateness *lateness)
{
    sheaf_future *futures[2] = {sheaf_spawn_on(f->pool, compute, NULL),
                                sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool))};
    for (int i = 0; i < TICKS; i += 2) {
        sheaf_time until = sheaf_now() + TICK;
        EXPECT_INT(sheaf_await_until(futures[1], until, NULL), SHEAF_TIMEOUT);
        note_lateness(lateness, sheaf_now() - until);
        size_t done;
        until = sheaf_now() + TICK;
        EXPECT_INT(sheaf_wait(futures, 2, SHEAF_FIRST_COMPLETED, TICK, &done), SHEAF_OK);
        EXPECT_INT(done, 0);
        note_lateness(lateness, sheaf_now() - until);
    }
    sheaf_cancel(futures[0]);
    sheaf_cancel(futures[1]);
    sheaf__store_rel(&computing_ends, true);
    sheaf_await(futures[0], NULL);
    sheaf_release_all(futures, 2);
}

static void limits_of_a_thread_come_in_time_while_every_worker_computes(struct fixture *f)
{
    expect_punctual(f, tick_on_the_thread);
}

/* ---------------------------------------------------------------- who blocks */

/* A pipe that is empty; the first byte lets all readers go on. */
struct pipe_ends {
    int read;
    int write;
};

static struct pipe_ends open_pipe(void)
{
    int ends[2] = {-1, -1};
    EXPECT_INT(pipe(ends), 0);
    return (struct pipe_ends){ends[0], ends[1]};
}

static void close_pipe(struct pipe_ends *ends)
{
    close(ends->read);
    close(ends->write);
}

/* Blocks its worker, and says nothing. */
static int read_byte(void *arg, sheaf_value *result)
{
    const struct pipe_ends *ends = arg;
    char byte;
    result->i64 = read(ends->read, &byte, 1);
    return SHEAF_OK;
}

static int write_bytes(void *arg, sheaf_value *result)
{
    const struct pipe_ends *ends = arg;
    static const char bytes[8] = "1234567";
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    result->i64 = write(ends->write, bytes, sizeof bytes);
    return SHEAF_OK;
}

/* As many readers as workers, and behind them who lets them go on; from outside. */
static void calls_that_block_every_worker_do_not_stall_the_others(struct fixture *f)
{
    struct pipe_ends ends = open_pipe();
    sheaf_future *readers[8];
    for (int i = 0; i < f->mode->workers; i++) {
        readers[i] = sheaf_spawn_on(f->pool, read_byte, &ends);
    }
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, write_bytes, &ends), NULL), SHEAF_OK);
    for (int i = 0; i < f->mode->workers; i++) {
        sheaf_value got = {0};
        EXPECT_INT(sheaf_join(readers[i], &got), SHEAF_OK);
        EXPECT_INT(got.i64, 1);
    }
    close_pipe(&ends);
}

/* The writer lies in the deque of a worker that blocks in the task that spawned it. */
static int a_task_may_block_on_its_own_child(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct pipe_ends ends = open_pipe();
    sheaf_future *writer = sheaf_spawn(write_bytes, &ends);
    sheaf_value got = {0};
    EXPECT_INT(read_byte(&ends, &got), SHEAF_OK);
    EXPECT_INT(got.i64, 1);
    EXPECT_INT(sheaf_join(writer, NULL), SHEAF_OK);
    close_pipe(&ends);
    return SHEAF_OK;
}

/* What has not begun does so in the end, though nobody blocks. */
static int end_the_computing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&computing_ends, true);
    return SHEAF_OK;
}

static void a_pool_whose_workers_all_compute_starts_tasks_in_the_end(struct fixture *f)
{
    sheaf_future *futures[8];
    begin_computing(f, futures);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, end_the_computing, NULL), NULL), SHEAF_OK);
    end_computing(f, futures);
}

/* ---------------------------------------------------------------- whom spares leave alone */

static int sleep_and_tell(void *arg, sheaf_value *result)
{
    (void)arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    result->i64 = sheaf__load_acq(&computing_ends);
    return SHEAF_OK;
}

static int sleep_pinned(void *arg, sheaf_value *result)
{
    pthread_t thread = pthread_self();
    sheaf__add_acq_rel((SHEAF__ATOMIC(int) *)arg, 1);
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    EXPECT(pthread_equal(thread, pthread_self()));
    result->i64 = sheaf__load_acq(&computing_ends);
    return SHEAF_OK;
}

/* One pinned task is asleep, one has not begun; then every worker computes until a task that is not
 * pinned has slept.
 *
 * Returns: false when a worker was so late that a spare computed in its place: this says nothing */
static bool pinned_tasks_have_waited(struct fixture *f)
{
    sheaf_future *futures[8];
    SHEAF__ATOMIC(int) begun = 0;
    sheaf_future *pinned[2];
    pinned[0] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool, .flags = SHEAF_SPAWN_PIN),
                                 sleep_pinned, &begun);
    while (sheaf__load_acq(&begun) == 0) {
        sched_yield();
    }
    sheaf_future *free_one = sheaf_spawn_on(f->pool, sleep_and_tell, NULL);
    begin_computing(f, futures);
    pinned[1] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool, .flags = SHEAF_SPAWN_PIN),
                                 sleep_pinned, &begun);
    sheaf_value told = {0}, value = {0};
    EXPECT_INT(sheaf_join(free_one, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(f->pool, sleep_and_tell, NULL), &told), SHEAF_OK);
    int begun_then = sheaf__load_acq(&begun);
    bool counts = !sheaf__load_acq(&spare_computes);
    end_computing(f, futures);
    EXPECT_INT(sheaf_join(pinned[0], NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(pinned[1], &value), SHEAF_OK);
    EXPECT_INT(told.i64, false);
    EXPECT(!counts || begun_then == 1);
    EXPECT(!counts || value.i64 == true);
    return counts;
}

static void pinned_tasks_wait_for_their_worker(struct fixture *f)
{
    int rounds = 1;
    while (!pinned_tasks_have_waited(f)) {
        EXPECT(++rounds <= 50);
    }
}

static void a_pool_without_spares_serves_when_a_worker_is_back(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    options.flags = SHEAF_POOL_NO_SPARES;
    int before = count_threads("fixture/s");
    EXPECT_INT(sheaf_pool_open(&options, &f->pool), SHEAF_OK);
    sheaf_future *futures[8];
    begin_computing(f, futures);
    sheaf_future *sleeper = sheaf_spawn_on(f->pool, sleep_and_tell, NULL);
    EXPECT_INT(sheaf_await_for(sleeper, SHEAF_MS(100), NULL), SHEAF_TIMEOUT);
    EXPECT_INT(count_threads("fixture/s"), before);
    end_computing(f, futures);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sleeper, &value), SHEAF_OK);
    EXPECT_INT(value.i64, true);
    sheaf_stats stats = {.size = sizeof stats};
    EXPECT_INT(sheaf_pool_stats(f->pool, &stats), SHEAF_OK);
    EXPECT_INT(stats.lent, 0);
    fixture_close(f);
}

/* ---------------------------------------------------------------- how many there are */

static SHEAF__ATOMIC(int) at_once, most_at_once;

static void note_more(SHEAF__ATOMIC(int) * most, int now)
{
    int before = sheaf__load_acq(most);
    while (now > before && !sheaf__cas_acq_rel(most, &before, now)) {
    }
}

static int compute_a_while(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    note_more(&most_at_once, sheaf__add_acq_rel(&at_once, 1) + 1);
    sheaf_time until = sheaf_now() + SHEAF_MS(3);
    while (sheaf_now() < until) {
    }
    sheaf__sub_acq_rel(&at_once, 1);
    return SHEAF_OK;
}

/* Beside a sleeper that brings the spares; but for one, for when the machine stands still, and for
 * as many as there may be of workers that have no processor for a while. */
static void a_program_that_computes_is_not_spread_wider(struct fixture *f)
{
    enum { PARTS = 60 };
    sheaf_future *futures[PARTS];
    struct lateness lateness = {0, 0, 0};
    sheaf__store_rel(&most_at_once, 0);
    sheaf_future *sleeper = sheaf_spawn_on(f->pool, sleep_often, &lateness);
    for (int i = 0; i < PARTS; i++) {
        futures[i] = sheaf_spawn_on(f->pool, compute_a_while, NULL);
    }
    for (int i = 0; i < PARTS; i++) {
        EXPECT_INT(sheaf_join(futures[i], NULL), SHEAF_OK);
    }
    EXPECT_INT(sheaf_join(sleeper, NULL), SHEAF_OK);
    EXPECT(sheaf__load_acq(&most_at_once) <= f->mode->workers + 1 + f->mode->workers / 2);
    EXPECT_INT(sheaf_pool_workers(f->pool), f->mode->workers);
}

/* More that compute than there are workers and spares, all of them woken. */
static int sleep_and_compute(void *arg, sheaf_value *result)
{
    for (int i = 0; i < 3; i++) {
        SHEAF_TRY(sheaf_sleep(SHEAF_US(100)));
        SHEAF_TRY(compute_a_while(arg, result));
    }
    return SHEAF_OK;
}

static void there_are_no_more_spares_than_workers(struct fixture *f)
{
    enum { SLEEPERS = 40 };
    sheaf_future *futures[SLEEPERS];
    int before = count_threads("");
    int most = 0;
    sheaf__store_rel(&most_at_once, 0);
    for (int i = 0; i < SLEEPERS; i++) {
        futures[i] = sheaf_spawn_on(f->pool, sleep_and_compute, NULL);
    }
    for (int i = 0; i < SLEEPERS; i++) {
        EXPECT_INT(sheaf_join(futures[i], NULL), SHEAF_OK);
        int now = count_threads("") - before;
        most = now > most ? now : most;
    }
    /* Beside the workers, which were there before. */
    EXPECT(most <= f->mode->workers + 1);
    EXPECT(sheaf__load_acq(&most_at_once) <= 2 * f->mode->workers);
}

static const struct fixture_test tests[] = {
    THREAD_TEST_ON(MODES_MEASURED, a_sleeper_goes_on_in_time_while_every_worker_computes),
    THREAD_TEST_ON(MODES_MEASURED, limits_of_a_task_come_in_time_while_every_worker_computes),
    THREAD_TEST_ON(MODES_MEASURED, limits_of_a_thread_come_in_time_while_every_worker_computes),
    THREAD_TEST_ON(MODES_REAL, calls_that_block_every_worker_do_not_stall_the_others),
    TASK_TEST_ON(MODES_REAL, a_task_may_block_on_its_own_child),
    THREAD_TEST_ON(MODES_REAL, a_pool_whose_workers_all_compute_starts_tasks_in_the_end),
    THREAD_TEST_ON(MODE_1 | MODE_2, pinned_tasks_wait_for_their_worker),
    POOL_TEST_ON(MODES_MEASURED, a_pool_without_spares_serves_when_a_worker_is_back),
    THREAD_TEST_ON(MODES_REAL, a_program_that_computes_is_not_spread_wider),
    THREAD_TEST_ON(MODES_REAL, there_are_no_more_spares_than_workers),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
