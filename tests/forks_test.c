/* Forks (sheaf/fork.h): calls that others may take. */
#include <errno.h>
#include <stdlib.h>

#include "tests/support/fixture.h"
#include "tests/support/members.h"

static void *numbered(intptr_t n)
{
    return (void *)n;
}

/* ---------------------------------------------------------------- values and errors */

static int fib(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    sheaf_value left, right = {0};
    next = sheaf_fork_spawn(forks, next, fib, numbered(n - 1));
    int status = fib(forks, next, numbered(n - 2), &right);
    SHEAF_TRY(sheaf_fork_join(forks, next, fib, numbered(n - 1), &left));
    result->i64 = left.i64 + right.i64;
    return status;
}

static int a_run_gives_its_value(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_value value = {0};
    EXPECT_INT(sheaf_fork_run(fib, numbered(18), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 2584);
    EXPECT_INT(sheaf_fork_run(fib, numbered(7), NULL), SHEAF_OK);
    return SHEAF_OK;
}

static void runs_are_for_tasks(struct fixture *f)
{
    (void)f;
    sheaf_value value = {.i64 = 5};
    EXPECT_INT(sheaf_fork_run(NULL, NULL, &value), SHEAF_INVALID);
    EXPECT_INT(sheaf_fork_run(fib, numbered(3), &value), SHEAF_NOTASK);
    EXPECT_INT(value.i64, 5);
}

static int fail(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)forks, (void)next, (void)result;
    return sheaf_raise(EIO, "fork %d is broken", (int)(intptr_t)arg);
}

static int zero_is_found(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)forks, (void)next;
    EXPECT_INT(result->i64, 0);
    result->i64 = (intptr_t)arg;
    return SHEAF_OK;
}

enum { SOME = 20 };

/* Forks `SOME` of which the tenth fails, joins them all, and hands the failure up. */
static int fork_some(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    int failures = 0, status = SHEAF_OK;
    for (intptr_t i = 0; i < SOME; i++) {
        next = sheaf_fork_spawn(forks, next, i == 10 ? fail : zero_is_found, numbered(i));
    }
    EXPECT_INT(arg ? sheaf_yield() : SHEAF_OK, SHEAF_OK);
    for (intptr_t i = SOME - 1; i >= 0; i--, next--) {
        sheaf_value value = {.i64 = 77};
        int got = sheaf_fork_join(forks, next, i == 10 ? fail : zero_is_found, numbered(i), &value);
        failures += got != SHEAF_OK;
        status = status ? status : got;
        result->i64 += got ? 0 : value.i64;
    }
    EXPECT_INT(failures, 1);
    EXPECT_INT(result->i64, SOME * (SOME - 1) / 2 - 10);
    return status;
}

static int fork_some_as_task(void *arg, sheaf_value *result)
{
    return sheaf_fork_run(fork_some, arg, result);
}

static int an_error_goes_up_with_its_text(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (intptr_t yields = 0; yields < 2; yields++) {
        sheaf_future *task = sheaf_spawn(fork_some_as_task, numbered(yields));
        EXPECT_INT(sheaf_await(task, NULL), EIO);
        sheaf_error *error = sheaf_future_error(task);
        EXPECT_TEXT(sheaf_error_message(error), "fork 10 is broken");
        sheaf_error_release(error);
        sheaf_release(task);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- more than there is room for */

enum { BEYOND = SHEAF_FORKS_MAX + 500 };

static int fork_row(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    intptr_t count = (intptr_t)arg;
    for (intptr_t i = 0; i < count; i++) {
        next = sheaf_fork_spawn(forks, next, zero_is_found, numbered(i));
    }
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    for (intptr_t i = count - 1; i >= 0; i--, next--) {
        sheaf_value value;
        SHEAF_TRY(sheaf_fork_join(forks, next, zero_is_found, numbered(i), &value));
        result->i64 += value.i64;
    }
    return SHEAF_OK;
}

static int forks_beyond_the_room_are_called(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_value value = {0};
    static const intptr_t counts[] = {BEYOND, SHEAF_FORKS_MAX, SHEAF_FORKS_MAX + 1};
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(sheaf_fork_run(fork_row, numbered(counts[i]), &value), SHEAF_OK);
        EXPECT_INT(value.i64, (int64_t)counts[i] * (counts[i] - 1) / 2);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- suspending */

static int set_event(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)forks, (void)next, (void)result;
    return sheaf_event_set(arg);
}

/* Waits for what only an older fork of its own can do. */
static int wait_for_fork(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_event event = {0};
    sheaf_value none;
    next = sheaf_fork_spawn(forks, next, set_event, &event);
    EXPECT_INT(sheaf_event_wait(&event), SHEAF_OK);
    EXPECT_INT(sheaf_fork_join(forks, next, set_event, &event, &none), SHEAF_OK);
    /* The place is free again, and forks from it are taken as before. */
    EXPECT_INT(sheaf_event_clear(&event), SHEAF_OK);
    next = sheaf_fork_spawn(forks, next - 1, set_event, &event);
    EXPECT_INT(sheaf_event_wait(&event), SHEAF_OK);
    EXPECT_INT(sheaf_fork_join(forks, next, set_event, &event, &none), SHEAF_OK);
    return SHEAF_OK;
}

static int who_suspends_leaves_no_fork_behind(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_fork_run(wait_for_fork, NULL, NULL), SHEAF_OK);
    return SHEAF_OK;
}

/* The same with a second run, and a task that is called, in between. */
static int wait_in_inner_run(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)forks, (void)next, (void)result;
    return sheaf_event_wait(arg);
}

static int run_inner(void *arg, sheaf_value *result)
{
    return sheaf_fork_run(wait_in_inner_run, arg, result);
}

static int outer_run(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_event event = {0};
    sheaf_value none;
    next = sheaf_fork_spawn(forks, next, set_event, &event);
    EXPECT_INT(sheaf_join(sheaf_spawn(run_inner, &event), NULL), SHEAF_OK);
    EXPECT_INT(sheaf_fork_join(forks, next, set_event, &event, &none), SHEAF_OK);
    return SHEAF_OK;
}

static int runs_nest(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_fork_run(outer_run, NULL, NULL), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- taken by others */

struct handshake {
    SHEAF__ATOMIC(int) begun, seen;
    sheaf_future *maker;
};

static int meet_maker(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    struct handshake *with = arg;
    (void)forks, (void)next;
    EXPECT(sheaf_current() != with->maker);
    sheaf__store_rel(&with->begun, 1);
    while (!sheaf__load_acq(&with->seen)) {
    }
    result->i64 = 3;
    return SHEAF_OK;
}

/* Goes on only when somebody else runs its fork at the same time. */
static int meet_fork(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)arg;
    struct handshake with = {.maker = sheaf_current()};
    next = sheaf_fork_spawn(forks, next, meet_maker, &with);
    while (!sheaf__load_acq(&with.begun)) {
    }
    sheaf__store_rel(&with.seen, 1);
    return sheaf_fork_join(forks, next, meet_maker, &with, result);
}

static int an_idle_worker_takes_a_fork(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 20; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_fork_run(meet_fork, NULL, &value), SHEAF_OK);
        EXPECT_INT(value.i64, 3);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- cancelling */

static int sleep_long(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    struct role *role = arg;
    (void)forks, (void)next, (void)result;
    (void)sheaf__add_rlx(&role->begun, 1);
    int status = sheaf_sleep(SHEAF_S(1000));
    (void)sheaf__add_rlx(&role->requests, status == SHEAF_CANCELLED);
    return status;
}

/* Two forks that sleep, in hands of others since this yields. */
static int fork_sleepers(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    struct role *role = arg;
    sheaf_fork *first = sheaf_fork_spawn(forks, next, sleep_long, role);
    sheaf_fork *second = sheaf_fork_spawn(forks, first, sleep_long, role);
    while (sheaf__load_rlx(&role->begun) < 2) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    (void)sheaf__add_rlx(&role->begun, 1);
    int heard = role->value ? sheaf_sleep(SHEAF_S(500)) : SHEAF_CANCELLED;
    EXPECT_INT(heard, SHEAF_CANCELLED);
    int one = sheaf_fork_join(forks, second, sleep_long, role, result);
    int other = sheaf_fork_join(forks, first, sleep_long, role, result);
    EXPECT_INT(one, SHEAF_CANCELLED);
    EXPECT_INT(other, SHEAF_CANCELLED);
    return other;
}

static int run_sleepers(void *arg, sheaf_value *result)
{
    return sheaf_fork_run(fork_sleepers, arg, result);
}

static int a_request_reaches_forks_that_others_run(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int heard_before = 0; heard_before < 2; heard_before++) {
        struct role role = {.value = heard_before};
        sheaf_future *task = sheaf_spawn(run_sleepers, &role);
        while (sheaf__load_rlx(&role.begun) < 3) {
            EXPECT_INT(sheaf_yield(), SHEAF_OK);
        }
        EXPECT(sheaf_cancel(task));
        EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
        EXPECT_INT(sheaf__load_rlx(&role.requests), 2);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- handing down */

static const sheaf_local colour = {.name = "colour"};

static int look_at_local(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)forks, (void)next, (void)result;
    EXPECT_PTR(sheaf_local_get(&colour), arg);
    return SHEAF_OK;
}

static int set_and_fork(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    static char red[] = "red";
    (void)arg;
    EXPECT_INT(sheaf_local_set(&colour, red), SHEAF_OK);
    next = sheaf_fork_spawn(forks, next, look_at_local, red);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    return sheaf_fork_join(forks, next, look_at_local, red, result);
}

static int forks_see_the_values_of_their_maker(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_fork_run(set_and_fork, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_fork_run(set_and_fork, NULL, NULL), SHEAF_OK);
    return SHEAF_OK;
}

static int sleep_to_the_limit(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)forks, (void)next, (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(1000));
}

static int fork_in_scope(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)arg;
    sheaf_timeout limit;
    EXPECT_INT(sheaf_timeout_begin(&limit, SHEAF_MS(20), SHEAF_TIMEOUT_INHERIT), SHEAF_OK);
    next = sheaf_fork_spawn(forks, next, sleep_to_the_limit, NULL);
    sheaf_yield();
    int status = sheaf_fork_join(forks, next, sleep_to_the_limit, NULL, result);
    return sheaf_timeout_end(&limit, status);
}

static int forks_inherit_a_deadline(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_fork_run(fork_in_scope, NULL, NULL), SHEAF_TIMEOUT);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- everything at once */

struct wood {
    SHEAF__ATOMIC(int64_t) ran;
};

struct tree {
    struct wood *wood;
    uint64_t seed;
    int height;
};

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int grow(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result);

static int grow_as_task(void *arg, sheaf_value *result)
{
    return sheaf_fork_run(grow, arg, result);
}

/* What a node does between forking and joining. */
static void pass_time(uint64_t dice)
{
    if (dice % 16 == 0) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    } else if (dice % 64 == 1) {
        EXPECT_INT(sheaf_sleep(SHEAF_US(10)), SHEAF_OK);
    } else if (dice % 64 == 2) {
        EXPECT_INT(sheaf_join(sheaf_spawn(give_number, &(int64_t){1}), NULL), SHEAF_OK);
    }
}

/* A tree of up to four children a node, counted by what comes up and by what ran. */
static int grow(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    struct tree *tree = arg;
    EXPECT_INT(result->i64, 0);
    (void)sheaf__add_rlx(&tree->wood->ran, 1);
    struct tree children[4];
    int count = tree->height ? (int)(mix(tree->seed) % 5) : 0;
    sheaf_future *task = NULL;
    for (int i = 0; i < count; i++) {
        children[i] = (struct tree){tree->wood, mix(tree->seed + (uint64_t)i), tree->height - 1};
    }
    for (int i = 0; i < count; i++) {
        if (i == 3) {
            task = sheaf_spawn(grow_as_task, &children[3]);
        } else {
            next = sheaf_fork_spawn(forks, next, grow, &children[i]);
        }
    }
    pass_time(mix(tree->seed ^ 1));
    int64_t nodes = 1;
    sheaf_value value = {0};
    if (task) {
        EXPECT_INT(sheaf_join(task, &value), SHEAF_OK);
        nodes += value.i64;
    }
    for (int i = count < 3 ? count : 3; i > 0; i--, next--) {
        EXPECT_INT(sheaf_fork_join(forks, next, grow, &children[i - 1], &value), SHEAF_OK);
        nodes += value.i64;
    }
    result->i64 = nodes;
    return SHEAF_OK;
}

static int every_fork_runs_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct wood wood = {0};
        struct tree root = {&wood, mix(seed), 9};
        sheaf_value value = {0};
        EXPECT_INT(sheaf_fork_run(grow, &root, &value), SHEAF_OK);
        EXPECT_INT(value.i64, sheaf__load_rlx(&wood.ran));
    }
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_run_gives_its_value),
    THREAD_TEST(runs_are_for_tasks),
    TASK_TEST(an_error_goes_up_with_its_text),
    TASK_TEST(forks_beyond_the_room_are_called),
    TASK_TEST(who_suspends_leaves_no_fork_behind),
    TASK_TEST(runs_nest),
    TASK_TEST_ON(MODE_2 | MODE_4 | MODE_8, an_idle_worker_takes_a_fork),
    TASK_TEST(a_request_reaches_forks_that_others_run),
    TASK_TEST(forks_see_the_values_of_their_maker),
    TASK_TEST(forks_inherit_a_deadline),
    TASK_TEST(every_fork_runs_once),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
