/* Pools of all options, runs, runners, the default pool, closes of all kinds, looks; blocking
 * calls. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults/trial.h"

static void count_late(void *context, const sheaf_future *task, const char *name)
{
    (void)task;
    HOLDS(strlen(name) > 0);
    ++*(int *)context;
}

static void ignore_line(void *context, const char *line)
{
    (void)line;
    ++*(int *)context;
}

static sheaf_options options_of(const struct fault_trial *t)
{
    return (sheaf_options){.size = sizeof(sheaf_options),
                           .workers = t->schedule->workers,
                           .clock = t->schedule->clock,
                           .schedule = t->schedule->schedule,
                           .seed = t->schedule->seed,
                           .name = "faulty"};
}

/* ---------------------------------------------------------------- open and close */

static void opens_in_all_ways(struct fault_trial *t)
{
    static const sheaf_options kinds[] = {
        {.size = sizeof(sheaf_options), .workers = 3},
        {.size = sizeof(sheaf_options), .stack_size = 65536, .flags = SHEAF_POOL_STAMPS},
        {.size = sizeof(sheaf_options), .clock = SHEAF_CLOCK_VIRTUAL, .workers = 2},
        {.size = sizeof(sheaf_options), .schedule = SHEAF_SCHEDULE_FIFO},
        {.size = sizeof(sheaf_options), .workers = 2, .flags = SHEAF_POOL_PIN},
        {.size = sizeof(sheaf_options), .workers = 2, .flags = SHEAF_POOL_MIGRATE},
        {.size = sizeof(sheaf_options), .workers = 2, .flags = SHEAF_POOL_NO_SPARES},
        {.size = sizeof(sheaf_options), .seed = 3, .clock = SHEAF_CLOCK_VIRTUAL},
    };
    (void)t;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        sheaf_pool *pool = NULL;
        int status = ENDS(sheaf_pool_open(&kinds[i], &pool));
        HOLDS(!pool == (status != SHEAF_OK));
        if (pool) {
            HOLDS(sheaf_pool_workers(pool) > 0);
            sheaf_future *f = sheaf_spawn_on(pool, nap, NULL);
            ENDS(sheaf_await(f, NULL));
            HOLDS(sheaf_future_status(f) || (sheaf_future_stamp(f) > 0) == (i == 1));
            sheaf_release(f);
            IS(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
        }
    }
}

static void the_first_use(struct fault_trial *t)
{
    sheaf_options options = options_of(t);
    sheaf_pool *pool = NULL;
    if (ENDS(sheaf_pool_open(&options, &pool)) == SHEAF_OK) {
        ENDS(sheaf_join(sheaf_spawn_on(pool, nap, NULL), NULL));
        IS(sheaf_pool_close(pool, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    }
}

static int outlives_its_maker(void *arg, sheaf_value *result)
{
    (void)result;
    for (int i = 0; i < 3; i++) {
        sheaf_release(sheaf_spawn_with(ACCOUNTED(.name = "left over"), sleep_long, arg));
    }
    sheaf_release(sheaf_spawn(sleep_on, NULL));
    return sheaf_yield();
}

static void closes(struct fault_trial *t, sheaf_close how, sheaf_duration limit)
{
    sheaf_options options = options_of(t);
    sheaf_pool *pool = NULL;
    int late = 0;
    if (ENDS(sheaf_pool_open(&options, &pool)) != SHEAF_OK) {
        return;
    }
    sheaf_future *f = sheaf_spawn_on(pool, outlives_its_maker, NULL);
    sheaf_future *waiting = sheaf_spawn_with(ACCOUNTED(.pool = pool), sleep_long, NULL);
    fault_callbacks(ENDS(sheaf_on_done(waiting, fault_callback, NULL), SHEAF_CLOSED) == SHEAF_OK);
    (void)sheaf_await(f, NULL);
    int status = sheaf_pool_close(pool, how, limit, count_late, &late);
    if (status == SHEAF_TIMEOUT) {
        status = sheaf_pool_close(pool, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER, NULL, NULL);
    }
    IS(status, SHEAF_OK);
    HOLDS(sheaf_done(f) && sheaf_done(waiting));
    (void)sheaf_result(f, NULL);
    sheaf_release(f);
    sheaf_release(waiting);
}

static void a_close_cancels(struct fault_trial *t)
{
    closes(t, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER);
}

static void a_close_abandons(struct fault_trial *t)
{
    closes(t, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER);
}

static void a_close_is_late(struct fault_trial *t)
{
    closes(t, SHEAF_CLOSE_DRAIN, SHORT);
}

/* More than the library looks at without memory for a list. */
static int leaves_many(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 100; i++) {
        sheaf_release(sheaf_spawn(sleep_on, NULL));
    }
    return sheaf_yield();
}

static void many_are_left_over(struct fault_trial *t)
{
    sheaf_options options = options_of(t);
    ENDS(sheaf_run(&options, leaves_many, NULL, NULL));
    sheaf_pool *pool = NULL;
    if (ENDS(sheaf_pool_open(&options, &pool)) == SHEAF_OK) {
        sheaf_release(sheaf_spawn_on(pool, leaves_many, NULL));
        IS(sheaf_pool_close(pool, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    }
}

static int stands_still(void *arg, sheaf_value *result)
{
    sheaf_mutex *mutex = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(mutex));
    return sheaf_lock(mutex);
}

static void a_deadlock_is_told(struct fault_trial *t)
{
    sheaf_mutex mutex = SHEAF_MUTEX_INIT;
    sheaf_options options = options_of(t);
    static int lines;
    sheaf_set_report_hook(ignore_line, &lines);
    int status = ENDS(sheaf_run(&options, stands_still, &mutex, NULL), SHEAF_DEADLOCK);
    HOLDS(status != SHEAF_DEADLOCK || lines > 0);
}

/* ---------------------------------------------------------------- runs */

static int main_task(void *arg, sheaf_value *result)
{
    SHEAF_TRY(outlives_its_maker(arg, result));
    SHEAF_TRY(sheaf_sleep(SHORT));
    result->i64 = 7;
    return SHEAF_OK;
}

static void runs(struct fault_trial *t)
{
    sheaf_options options = options_of(t);
    sheaf_value value = {.i64 = 7};
    ENDS(sheaf_run(&options, main_task, NULL, &value));
    IS(value.i64, 7);
    options.flags = SHEAF_RUN_SIGINT;
    ENDS(sheaf_run(&options, fail, NULL, &value), EIO);
}

static int ends_fatally(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_sleep(SHORT));
    return SHEAF_FATAL;
}

static int main_of_fatal(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_release(sheaf_spawn(ends_fatally, NULL));
    return sheaf_sleep(4 * SHORT);
}

static void a_run_ends_fatally(struct fault_trial *t)
{
    sheaf_options options = options_of(t);
    ENDS(sheaf_run(&options, main_of_fatal, NULL, NULL), SHEAF_FATAL);
}

static void runners_run(struct fault_trial *t)
{
    sheaf_options options = options_of(t);
    sheaf_runner runner = SHEAF_RUNNER_INIT;
    sheaf_value value;
    if (ENDS(sheaf_runner_open(&runner, &options)) != SHEAF_OK) {
        return;
    }
    HOLDS(sheaf_runner_pool(&runner) != NULL);
    ENDS(sheaf_runner_run(&runner, main_task, NULL, &value));
    ENDS(sheaf_runner_run(&runner, nap, NULL, &value), SHEAF_STATE);
    ENDS(sheaf_runner_run(&runner, main_of_fatal, NULL, NULL), SHEAF_FATAL, SHEAF_STATE);
    /* Fatal where the run was over before the fatal task had ended. */
    int status = sheaf_runner_close(&runner);
    HOLDS(status == SHEAF_OK || status == SHEAF_FATAL);
}

static void the_default_pool_opens(struct fault_trial *t)
{
    (void)t;
    ENDS(sheaf_join(sheaf_spawn(nap, NULL), NULL));
    ENDS(sheaf_join(sheaf_blocking(give_seven, NULL), NULL));
    sheaf_future *promise = sheaf_promise(NULL);
    (void)sheaf_try_resolve(promise, number(7));
    ENDS(sheaf_join(promise, NULL));
    (void)sheaf_pool_default();
    ENDS(sheaf_pool_default_open(SHEAF_OPTIONS(.workers = 1)), SHEAF_STATE);
    IS(sheaf_pool_default_close(SHEAF_CLOSE_CANCEL, SHEAF_FOREVER), SHEAF_OK);
}

/* ---------------------------------------------------------------- looks */

static void pools_are_looked_at(struct fault_trial *t)
{
    sheaf_stats stats = {.size = sizeof stats};
    int lines = 0;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *f[3] = {
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "looked at"), sleep_on, NULL),
        sheaf_spawn(await_arg, promise), promise};
    ENDS(sheaf_yield());
    sheaf_pool_dump(t->pool, ignore_line, &lines);
    HOLDS(lines > 0);
    IS(sheaf_pool_stats(t->pool, &stats), SHEAF_OK);
    HOLDS(stats.spawned > 0 && sheaf_pool_now(t->pool) >= 0);
    sheaf_worker_stats worker = {.size = sizeof worker};
    IS(sheaf_pool_worker_stats(t->pool, 0, &worker), SHEAF_OK);
    sheaf_clock_hold(t->pool);
    sheaf_clock_release(t->pool);
    end_all(f, 3);
}

static int reacts_late(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int status = sheaf_mask_begin();
    SHEAF_TRY(sheaf_sleep(2 * SHORT));
    return status == SHEAF_OK ? sheaf_mask_end() : status;
}

static int asks_one_that_reacts_late(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *late = sheaf_spawn(reacts_late, NULL);
    int status = sheaf_yield();
    (void)sheaf_cancel(late);
    int joined = sheaf_join(late, NULL);
    return status ? status : joined;
}

/* Without memory for the report it is not made; the request counts all the same. */
static void late_tasks_are_told(struct fault_trial *t)
{
    int lines = 0;
    sheaf_pool *pool = NULL;
    sheaf_options options = options_of(t);
    options.cancel_report = SHORT;
    if (ENDS(sheaf_pool_open(&options, &pool)) != SHEAF_OK) {
        return;
    }
    sheaf_set_report_hook(ignore_line, &lines);
    sheaf_future *f = sheaf_spawn_on(pool, asks_one_that_reacts_late, NULL);
    IS(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    sheaf_set_report_hook(NULL, NULL);
    ENDS(sheaf_join(f, NULL), SHEAF_CANCELLED);
    HOLDS(lines <= 1);
}

static int gathers_two(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_gather(arg, 2, SHEAF_GATHER_COLLECT, NULL, NULL);
}

/* A dump says what it can say without memory. */
static void pools_are_dumped(struct fault_trial *t)
{
    int lines = 0;
    sheaf_future *f[3] = {sheaf_spawn(sleep_on, NULL), sheaf_spawn(sleep_on, NULL), NULL};
    f[2] = sheaf_spawn(gathers_two, f);
    ENDS(sheaf_yield());
    ENDS(sheaf_checkpoint_at("here"));
    ENDS(sheaf_dump(t->pool, SHEAF_DUMP_TEXT, ignore_line, &lines));
    ENDS(sheaf_dump(NULL, SHEAF_DUMP_JSON, ignore_line, &lines));
    HOLDS(lines > 0);
    ENDS(sheaf_dump_to_file(t->pool, SHEAF_DUMP_TEXT, "/no/such/folder/dump"), ENOENT, EMFILE);
    sheaf_set_report_hook(ignore_line, &lines);
    sheaf_report_late(NULL, f[0], "late");
    sheaf_set_report_hook(NULL, NULL);
    if (ENDS(sheaf_dump_on_signal(SIGUSR2, SHEAF_DUMP_TEXT, "dump"), SHEAF_STATE) == SHEAF_OK) {
        sheaf_dump_no_signal();
    }
    end_all(f, 3);
}

/* A trace has what there was memory for: a task without is none. */
static void traces_are_written(struct fault_trial *t)
{
    char path[300];
    const char *folder = getenv("TEST_TMPDIR");
    (void)snprintf(path, sizeof path, "%s/trace.json", folder ? folder : "/tmp");
    if (ENDS(sheaf_trace_begin(path), EMFILE) != SHEAF_OK) {
        return;
    }
    sheaf_pool *pool = NULL;
    sheaf_options options = options_of(t);
    if (ENDS(sheaf_pool_open(&options, &pool)) == SHEAF_OK) {
        sheaf_future *f = sheaf_spawn_on(pool, nap, NULL);
        ENDS(sheaf_join(f, NULL));
        IS(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    }
    IS(sheaf_trace_end(), SHEAF_OK);
}

static int pass_points(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_testing_point();
    sheaf_future *f = sheaf_spawn(nap, NULL);
    sheaf_testing_point();
    return ENDS(sheaf_join(f, NULL));
}

static void seeds_are_explored(struct fault_trial *t)
{
    sheaf_explored found;
    (void)t;
    ENDS(sheaf_explore(SHEAF_EXPLORE_OPTIONS(.seeds = 2), pass_points, NULL, &found));
    HOLDS(found.text[0] || found.runs == 0);
}

const struct fault_scenario fault_pools[] = {
    {.name = "seeds_are_explored",
     .body = seeds_are_explored,
     .floors = FLOORS(4, 6, 0),
     .place = FAULT_ALONE},
    {.name = "opens_in_all_ways",
     .body = opens_in_all_ways,
     .floors = FLOORS(15, 13, 1),
     .place = FAULT_ALONE},
    {.name = "the_first_use",
     .body = the_first_use,
     .floors = FLOORS(2, 3, 1),
     .place = FAULT_FIRST},
    {.name = "a_close_cancels",
     .body = a_close_cancels,
     .floors = FLOORS(6, 3, 1),
     .place = FAULT_ALONE},
    {.name = "a_close_abandons",
     .body = a_close_abandons,
     .floors = FLOORS(4, 2, 1),
     .place = FAULT_ALONE,
     .abandons = true},
    {.name = "a_close_is_late",
     .body = a_close_is_late,
     .floors = FLOORS(6, 3, 1),
     .place = FAULT_ALONE,
     .clock = FAULT_CLOCK_REAL},
    {.name = "a_deadlock_is_told",
     .body = a_deadlock_is_told,
     .floors = FLOORS(4, 3, 1),
     .place = FAULT_ALONE,
     .clock = FAULT_CLOCK_VIRTUAL,
     .abandons = true},
    {.name = "runs", .body = runs, .floors = FLOORS(10, 9, 1), .place = FAULT_ALONE},
    {.name = "a_run_ends_fatally",
     .body = a_run_ends_fatally,
     .floors = FLOORS(2, 4, 1),
     .place = FAULT_ALONE},
    {.name = "runners_run", .body = runners_run, .floors = FLOORS(8, 7, 1), .place = FAULT_ALONE},
    {.name = "the_default_pool_opens",
     .body = the_default_pool_opens,
     .floors = FLOORS(6, 3, 1),
     .place = FAULT_ALONE},
    {.name = "many_are_left_over",
     .body = many_are_left_over,
     .floors = FLOORS(5, 81, 1),
     .place = FAULT_ALONE},
    {.name = "pools_are_looked_at", .body = pools_are_looked_at, .floors = FLOORS(3, 1, 0)},
    {.name = "late_tasks_are_told",
     .body = late_tasks_are_told,
     .floors = FLOORS(5, 2, 1),
     .place = FAULT_ALONE},
    {.name = "traces_are_written",
     .body = traces_are_written,
     .floors = FLOORS(5, 2, 1),
     .place = FAULT_ALONE},
    {.name = "pools_are_dumped", .body = pools_are_dumped, .floors = FLOORS(8, 1, 1)},
    {.name = NULL},
};

/* ---------------------------------------------------------------- blocking calls */

static int blocks(void *arg, sheaf_value *result)
{
    (void)arg;
    fault_arrived();
    *result = fault_value();
    return SHEAF_OK;
}

static int blocks_and_fails(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_raise(EIO, "device %d", 7);
}

static sheaf_future *call_accounted(const char *name)
{
    fault_hand_over();
    return sheaf_blocking_with(SHEAF_BLOCKING_OPTIONS(.name = name, .arg_drop = fault_drop_argument,
                                                      .value_drop = fault_drop_value),
                               blocks, NULL);
}

static void calls_block(struct fault_trial *t)
{
    ENDS(sheaf_blocking_limit(t->pool, 2));
    sheaf_future *f[5] = {call_accounted("one"), call_accounted(NULL), call_accounted("three"),
                          sheaf_blocking(blocks_and_fails, NULL), sheaf_blocking(give_seven, NULL)};
    (void)sheaf_cancel(f[2]);
    for (int i = 0; i < 5; i++) {
        ENDS(sheaf_await(f[i], NULL), EIO, SHEAF_CANCELLED);
    }
    sheaf_release_all(f, 5);
}

static void calls_are_gathered(struct fault_trial *t)
{
    sheaf_future *f[3] = {call_accounted("one"), sheaf_spawn(nap, NULL),
                          sheaf_blocking(give_seven, NULL)};
    (void)t;
    ENDS(sheaf_gather(f, 3, SHEAF_GATHER_RAISE, NULL, NULL));
    end_all(f, 3);
}

static void a_close_meets_calls(struct fault_trial *t)
{
    sheaf_options options = options_of(t);
    sheaf_pool *pool = NULL;
    if (ENDS(sheaf_pool_open(&options, &pool)) != SHEAF_OK) {
        return;
    }
    sheaf_future *f[4];
    for (int i = 0; i < 4; i++) {
        fault_hand_over();
        f[i] = sheaf_blocking_with(SHEAF_BLOCKING_OPTIONS(.pool = pool,
                                                          .arg_drop = fault_drop_argument,
                                                          .value_drop = fault_drop_value),
                                   blocks, NULL);
    }
    IS(sheaf_pool_close(pool, SHEAF_CLOSE_CANCEL, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    for (int i = 0; i < 4; i++) {
        HOLDS(sheaf_done(f[i]));
        sheaf_release(f[i]);
    }
}

const struct fault_scenario fault_blockings[] = {
    {.name = "calls_block", .body = calls_block, .floors = FLOORS(10, 0, 1), .threads = true},
    {.name = "calls_are_gathered",
     .body = calls_are_gathered,
     .floors = FLOORS(5, 2, 1),
     .threads = true},
    {.name = "a_close_meets_calls",
     .body = a_close_meets_calls,
     .floors = FLOORS(6, 1, 1),
     .place = FAULT_ALONE},
    {.name = NULL},
};
