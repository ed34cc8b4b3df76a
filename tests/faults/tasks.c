/* Spawning in all forms, what a task does with itself, what it hands down. */
#include <errno.h>
#include <string.h>

#include "tests/faults/trial.h"

enum { MANY = 70 };

static void spawns_in_all_forms(struct fault_trial *t)
{
    int64_t numbers[2] = {1, 2};
    sheaf_future *f[7] = {
        sheaf_spawn(give_seven, NULL),
        sheaf_spawn_on(t->pool, nap, NULL),
        sheaf_spawn_copy(give_seven, numbers, sizeof numbers),
        sheaf_spawn_with(ACCOUNTED(.name = "named", .copy = sizeof numbers, .data = numbers,
                                   .place = SHEAF_PLACE),
                         give_value, numbers),
        sheaf_spawn_with(ACCOUNTED(.flags = SHEAF_SPAWN_KEEP_LATE_RESULT), nap_and_give, NULL),
        sheaf_spawn_with(ACCOUNTED(.stack_size = 32768), nap_and_give, NULL),
        sheaf_spawn_with(ACCOUNTED(.flags = SHEAF_SPAWN_PIN), nap_and_give, NULL),
    };
    for (int i = 0; i < 7; i++) {
        sheaf_value value = {.i64 = 7};
        ENDS(sheaf_await(f[i], &value));
        IS(value.i64, 7);
    }
    sheaf_release_all(f, 7);
}

/* A place stays with its task when that gets an extra part, and when there is no memory for one. */
static void places_are_noted(struct fault_trial *t)
{
    int64_t number = 1;
    sheaf_group group;
    sheaf_future *f[4] = {sheaf_spawn_at("here", nap, NULL),
                          sheaf_spawn_on_at("here", t->pool, nap, NULL),
                          sheaf_spawn_copy_at("here", give_seven, &number, sizeof number), NULL};
    sheaf_spawn_many_at("here", nap, NULL, 0, 1, &f[3]);
    (void)sheaf_future_set_name(f[0], "renamed");
    for (int i = 0; i < 4; i++) {
        const char *place = sheaf_future_place(f[i]);
        /* A spawn that has failed gave a future of nobody's. */
        HOLDS(place ? strcmp(place, "here") == 0 : sheaf_future_status(f[i]) == SHEAF_NOMEM);
        ENDS(sheaf_join(f[i], NULL));
    }
    if (ENDS(sheaf_group_open(&group, NULL)) == SHEAF_OK) {
        sheaf_release(sheaf_group_spawn_at("here", &group, nap, NULL));
        ENDS(sheaf_group_start_at("here", &group, nap, NULL), SHEAF_CLOSED);
        ENDS(sheaf_group_close(&group, SHEAF_OK));
    }
}

static void spawns_many(struct fault_trial *t)
{
    (void)t;
    sheaf_future *f[MANY];
    char args[MANY];
    sheaf_spawn_many(nap, args, 1, MANY, f);
    for (int i = 0; i < MANY; i++) {
        ENDS(sheaf_join(f[i], NULL));
    }
}

/* More than stacks in the first slabs. */
static void suspends_many(struct fault_trial *t)
{
    sheaf_future *gate = sheaf_promise(NULL);
    sheaf_future *f[MANY];
    (void)t;
    sheaf_spawn_many(await_arg, gate, 0, MANY, f);
    ENDS(sheaf_yield());
    (void)sheaf_try_resolve(gate, number(7));
    for (int i = 0; i < MANY; i++) {
        ENDS(sheaf_join(f[i], NULL));
    }
    sheaf_release(gate);
}

/* More than a worker's queue holds at first. */
static void spawns_beyond_the_queue(struct fault_trial *t)
{
    enum { BEYOND = 600 };
    sheaf_future *f[BEYOND];
    (void)t;
    for (int i = 0; i < BEYOND; i++) {
        f[i] = sheaf_spawn(give_seven, NULL);
    }
    for (int i = 0; i < BEYOND; i++) {
        sheaf_value value = {.i64 = 7};
        ENDS(sheaf_join(f[i], &value));
        IS(value.i64, 7);
    }
}

static int recurse(void *arg, sheaf_value *result)
{
    int64_t depth = (int64_t)(intptr_t)arg;
    if (depth > 0) {
        sheaf_task left;
        sheaf_task_spawn(&left, recurse, (void *)(intptr_t)(depth - 1));
        int status = sheaf_yield();
        int joined = sheaf_task_join(&left, result);
        return joined ? joined : status;
    }
    result->i64 = 7;
    return SHEAF_OK;
}

static void frames_join(struct fault_trial *t)
{
    sheaf_task task;
    sheaf_value value = {.i64 = 7};
    (void)t;
    sheaf_future *borrowed = sheaf_task_spawn(&task, recurse, (void *)(intptr_t)9);
    HOLDS(borrowed != NULL);
    ENDS(sheaf_task_join(&task, &value));
    IS(value.i64, 7);
}

static sheaf_local language = {"language", fault_drop_argument};

static int reads_local(void *arg, sheaf_value *result)
{
    (void)result;
    IS(sheaf_local_get(&language) == arg, true);
    SHEAF_TRY(sheaf_sleep(SHORT));
    fault_hand_over();
    int status = sheaf_local_set(&language, result);
    if (status) {
        fault_arrived(); /* nothing has changed: it is still the caller's */
    }
    HOLDS(sheaf_local_get(&language) == (status ? arg : (void *)result));
    return status;
}

static void locals_are_inherited(struct fault_trial *t)
{
    static char english, french;
    fault_hand_over();
    int status = ENDS(sheaf_local_set(&language, &english));
    void *now = status ? NULL : &english;
    if (status) {
        fault_arrived();
    }
    sheaf_future *f[2] = {sheaf_spawn(reads_local, now), sheaf_spawn(reads_local, now)};
    fault_hand_over();
    if (ENDS(sheaf_local_set(&language, &french))) {
        fault_arrived();
    }
    sheaf_task frame;
    sheaf_task_spawn(&frame, reads_local, sheaf_local_get(&language));
    ENDS(sheaf_task_join(&frame, NULL));
    ENDS(sheaf_join(f[0], NULL));
    ENDS(sheaf_join(f[1], NULL));
    (void)t;
}

static void a_task_looks_at_itself(struct fault_trial *t)
{
    char name[64];
    sheaf_future *self = sheaf_current();
    HOLDS(self && sheaf_pool_current() == t->pool);
    HOLDS(sheaf_errno_place() != NULL);
    HOLDS(sheaf_future_name(self, name, sizeof name) > 0);
    ENDS(sheaf_sleep(SHORT));
    ENDS(sheaf_sleep_until(sheaf_time_add(sheaf_now(), SHORT)));
    ENDS(sheaf_yield());
    IS(sheaf_checkpoint(), SHEAF_OK);
    bool masked = ENDS(sheaf_mask_begin()) == SHEAF_OK;
    HOLDS(sheaf_cancel(self));
    IS(sheaf_cancelling(NULL), 1);
    if (masked) {
        ENDS(sheaf_sleep(SHORT));
        IS(sheaf_mask_end(), SHEAF_OK);
    }
    IS(sheaf_checkpoint(), SHEAF_CANCELLED);
    IS(sheaf_cancel_origin(), SHEAF_ORIGIN_USER);
    IS(sheaf_uncancel(NULL), 0);
}

static int raises(void *arg, sheaf_value *result)
{
    sheaf_error *error = sheaf_error_new(EPIPE, "gone");
    int code = arg ? sheaf_raise(EIO, "number %d", 7) : sheaf_raise_error(error);
    (void)result;
    sheaf_error_release(error);
    return code;
}

static int passes_on(void *arg, sheaf_value *result)
{
    return sheaf_join(sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "inner"), raises, arg), result);
}

static void errors_travel_up(struct fault_trial *t)
{
    sheaf_future *f[2] = {sheaf_spawn(passes_on, t), sheaf_spawn(passes_on, NULL)};
    for (int i = 0; i < 2; i++) {
        sheaf_error *error = NULL;
        sheaf_value value;
        ENDS(sheaf_await_error(f[i], &value, &error));
        int code = sheaf_future_status(f[i]);
        HOLDS(code == SHEAF_NOMEM || code == (i ? EPIPE : EIO));
        HOLDS(sheaf_error_code(error) == code || sheaf_error_code(error) == SHEAF_NOMEM);
        sheaf_error_release(error);
    }
    sheaf_release_all(f, 2);
}

static void all_tasks_are_listed(struct fault_trial *t)
{
    sheaf_future *gate = sheaf_promise(NULL);
    sheaf_future *f[MANY], *found[2 * MANY];
    sheaf_spawn_many(await_arg, gate, 0, MANY, f);
    ENDS(sheaf_yield());
    size_t there = 1; /* this one */
    for (int i = 0; i < MANY; i++) {
        there += !sheaf_done(f[i]);
    }
    size_t count = sheaf_all_tasks(t->pool, found, 2 * MANY);
    HOLDS(t->schedule->workers > 1 ? count <= there : IS(count, there));
    sheaf_release_all(found, count);
    HOLDS(sheaf_all_tasks(t->pool, found, 1) >= (count > 0));
    sheaf_release_all(found, count > 0);
    (void)sheaf_try_resolve(gate, number(7));
    end_all(f, MANY);
    sheaf_release(gate);
}

static void never_started_tasks_are_dropped(struct fault_trial *t)
{
    sheaf_future *f[4];
    for (int i = 0; i < 4; i++) {
        f[i] = sheaf_spawn_with(ACCOUNTED(.name = "late"), sleep_long, NULL);
        bool made = !sheaf_done(f[i]);
        /* Asking needs no memory, though a message does. */
        bool asked = i % 2 ? sheaf_cancel(f[i]) : sheaf_cancel_message(f[i], "number %d", i);
        int status = sheaf_await(f[i], NULL);
        /* Another worker may be taking it just then, and find no stack for it. */
        bool may_be_taken = t->schedule->workers > 1;
        HOLDS(asked == made || may_be_taken);
        HOLDS(status == (asked ? SHEAF_CANCELLED : SHEAF_NOMEM) ||
              (may_be_taken && status == SHEAF_NOMEM));
    }
    end_all(f, 4);
}

/* The errors of tasks that nobody awaited, told by the hook, each once. */
static void note_error(void *context, const sheaf_error *error, const char *task_name)
{
    int code = sheaf_error_code(error);
    HOLDS((code == EIO || code == SHEAF_NOMEM) && strlen(task_name) > 0);
    ++*(int *)context;
}

static int leaves_errors(void *arg, sheaf_value *result)
{
    int *made = arg;
    (void)result;
    for (int i = 0; i < 4; i++) {
        sheaf_future *f = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "unloved"), fail, NULL);
        *made += !sheaf_done(f);
        sheaf_release(f);
    }
    return SHEAF_OK;
}

static void unseen_errors_are_told(struct fault_trial *t)
{
    int told = 0, made = 0;
    sheaf_pool *pool = NULL;
    sheaf_options options = {.size = sizeof options,
                             .workers = 1,
                             .clock = t->schedule->clock,
                             .schedule = t->schedule->schedule,
                             .seed = t->schedule->seed,
                             .unhandled = note_error,
                             .hook_context = &told};
    if (ENDS(sheaf_pool_open(&options, &pool)) != SHEAF_OK) {
        return;
    }
    sheaf_future *f = sheaf_spawn_on(pool, leaves_errors, &made);
    IS(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    (void)sheaf_result(f, NULL);
    sheaf_release(f);
    IS(told, made);
}

const struct fault_scenario fault_tasks[] = {
    {.name = "spawns_in_all_forms", .body = spawns_in_all_forms, .floors = FLOORS(6, 3, 0)},
    {.name = "places_are_noted", .body = places_are_noted, .floors = FLOORS(6, 2, 0)},
    {.name = "spawns_many", .body = spawns_many, .floors = FLOORS(0, 54, 0)},
    {.name = "suspends_many", .body = suspends_many, .floors = FLOORS(0, 7, 0)},
    {.name = "frames_join", .body = frames_join, .floors = FLOORS(0, 6, 0)},
    {.name = "locals_are_inherited", .body = locals_are_inherited, .floors = FLOORS(10, 2, 0)},
    {.name = "a_task_looks_at_itself", .body = a_task_looks_at_itself, .floors = FLOORS(1, 1, 0)},
    {.name = "errors_travel_up", .body = errors_travel_up, .floors = FLOORS(6, 0, 0)},
    {.name = "all_tasks_are_listed", .body = all_tasks_are_listed, .floors = FLOORS(1, 7, 0)},
    {.name = "never_started_tasks_are_dropped",
     .body = never_started_tasks_are_dropped,
     .floors = FLOORS(9, 0, 0)},
    {.name = "spawns_beyond_the_queue", .body = spawns_beyond_the_queue, .floors = FLOORS(0, 0, 0)},
    {.name = "unseen_errors_are_told",
     .body = unseen_errors_are_told,
     .floors = FLOORS(14, 2, 1),
     .place = FAULT_ALONE},
    {.name = NULL},
};
