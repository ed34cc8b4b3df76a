/* Gathers, waits, limits and groups without memory: each allocation fails once, and with all that
 * follow, at every point; a status comes back each time, nothing hangs, nothing is left behind. */
#include "lib/alloc.h"
#include "tests/support/fixture.h"
#include "tests/support/members.h"

#include <errno.h>
#include <stdlib.h>

enum { POINTS_MAX = 400 };

static bool is_outcome(int status)
{
    return status == SHEAF_OK || status == SHEAF_NOMEM;
}

static int64_t ones[4] = {1, 1, 1, 1};

/* Spawned while memory is there. */
struct members {
    sheaf_future *done, *failed, *pending, *tasks[2];
};

static struct members make_members(void)
{
    struct members m = {
        .done = resolved(1), .failed = sheaf_promise(NULL), .pending = sheaf_promise(NULL)};
    (void)sheaf_reject(m.failed, EIO, "broken");
    (void)sheaf_result(m.failed, NULL);
    m.tasks[0] = sheaf_spawn(give_number, &ones[0]);
    m.tasks[1] = sheaf_spawn(give_number, &ones[1]);
    return m;
}

static void end_members(struct members *m)
{
    (void)sheaf_try_resolve(m->pending, number(1));
    sheaf_future *all[5] = {m->done, m->failed, m->pending, m->tasks[0], m->tasks[1]};
    for (int i = 0; i < 5; i++) {
        (void)sheaf_await(all[i], NULL);
        sheaf_release(all[i]);
    }
}

/* ---------------------------------------------------------------- what is tried */

static void try_gather(struct members *m)
{
    sheaf_future *f[3] = {m->tasks[0], m->done, m->tasks[1]};
    sheaf_value values[3] = {{0}};
    EXPECT(is_outcome(sheaf_gather(f, 3, SHEAF_GATHER_RAISE, values, NULL)));
    f[1] = m->failed;
    int status = sheaf_gather(f, 3, SHEAF_GATHER_CANCEL | SHEAF_GATHER_JOIN, NULL, NULL);
    EXPECT(status == EIO || status == SHEAF_NOMEM);
}

static void try_gather_future(struct members *m)
{
    sheaf_future *f[2] = {m->pending, m->done};
    sheaf_future *inner = sheaf_gather_future(f, 2, SHEAF_GATHER_COLLECT);
    sheaf_future *outer = sheaf_gather_future(&inner, 1, SHEAF_GATHER_RAISE);
    (void)sheaf_on_done(outer, NULL, NULL);
    (void)sheaf_cancel_message(outer, "enough");
    int status = sheaf_await(outer, NULL);
    EXPECT(status == SHEAF_CANCELLED || status == SHEAF_NOMEM);
    sheaf_release(inner);
    sheaf_release(outer);
}

static void try_wait(struct members *m)
{
    sheaf_future *f[3] = {m->pending, m->tasks[0], m->done};
    bool flags[3];
    size_t done = 0;
    EXPECT(is_outcome(sheaf_wait(f, 3, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done)));
    EXPECT(is_outcome(sheaf_wait(f, 3, SHEAF_ALL_COMPLETED, SHEAF_US(50), &done)));
    EXPECT(is_outcome(sheaf_wait_flags(f, 3, SHEAF_FIRST_ERROR, SHEAF_US(50), flags, &done)));
}

static void try_each(struct members *m)
{
    sheaf_future *f[4] = {m->pending, m->tasks[0], m->tasks[0], m->done}, *next;
    sheaf_each *each = NULL;
    int status = sheaf_each_open(f, 4, SHEAF_US(100), &each);
    EXPECT(is_outcome(status) && !each == (status != SHEAF_OK));
    if (each) {
        EXPECT_INT(sheaf_each_next(each, &next), SHEAF_OK);
        status = sheaf_each_next_value(each, NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_TIMEOUT); /* the task may be slower */
        EXPECT_INT(sheaf_each_next_value(each, NULL), SHEAF_TIMEOUT);
        EXPECT_INT(sheaf_each_next_value(each, NULL), SHEAF_EMPTY);
    }
    sheaf_each_close(each);
}

static void try_shield(struct members *m)
{
    sheaf_future *shield = sheaf_shield(m->pending), *second = sheaf_shield(shield);
    sheaf_value value;
    int status = sheaf_wait_for(second, 0, &value);
    EXPECT(status == SHEAF_TIMEOUT || status == SHEAF_NOMEM);
    EXPECT(is_outcome(sheaf_await_shielded(m->tasks[0], &value)));
    sheaf_release(second);
    sheaf_release(shield);
}

static int sleep_a_little(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(10));
}

static void try_chain(struct members *m)
{
    sheaf_future *sources[2] = {m->done, m->tasks[0]};
    for (int i = 0; i < 2; i++) {
        sheaf_future *copy = sheaf_promise(NULL);
        int status = sheaf_chain(sources[i], copy);
        EXPECT(is_outcome(status) || sheaf_done(copy));
        EXPECT_INT(status == SHEAF_OK ? sheaf_await(copy, NULL) : SHEAF_OK, SHEAF_OK);
        sheaf_release(copy);
    }
}

static void try_limits(struct members *m)
{
    static const sheaf_duration limits[3] = {0, SHEAF_US(50), SHEAF_FOREVER};
    sheaf_future *tasks[3] = {sheaf_spawn(sleep_a_little, NULL), sheaf_spawn(sleep_a_little, NULL),
                              sheaf_retain(m->tasks[0])};
    for (int i = 0; i < 3; i++) {
        int status = sheaf_wait_for(tasks[i], limits[i], NULL);
        EXPECT(status == SHEAF_NOMEM || status == (i < 2 ? SHEAF_TIMEOUT : SHEAF_OK));
        (void)sheaf_cancel(tasks[i]);
        (void)sheaf_await(tasks[i], NULL);
        sheaf_release(tasks[i]);
    }
    int status = sheaf_call_for(sleep_a_little, NULL, SHEAF_US(50), NULL);
    EXPECT(status == SHEAF_NOMEM || status == SHEAF_TIMEOUT);
}

static void try_inheriting(struct members *m)
{
    sheaf_timeout scope;
    (void)m;
    int status = sheaf_timeout_begin(&scope, SHEAF_US(50), SHEAF_TIMEOUT_INHERIT);
    EXPECT(is_outcome(status));
    if (status == SHEAF_OK) {
        sheaf_task frame;
        sheaf_future *child = sheaf_spawn(sleep_a_little, NULL);
        sheaf_task_spawn(&frame, sleep_a_little, NULL);
        (void)sheaf_timeout_reschedule(&scope, SHEAF_FOREVER); /* it may have expired by now */
        EXPECT_INT(sheaf_timeout_end(&scope, EPIPE), EPIPE);
        (void)sheaf_cancel(child);
        status = sheaf_join(child, NULL);
        EXPECT(status == SHEAF_NOMEM || status == SHEAF_TIMEOUT || status == SHEAF_CANCELLED);
        status = sheaf_task_join(&frame, NULL);
        EXPECT(status == SHEAF_NOMEM || status == SHEAF_TIMEOUT);
    }
}

static SHEAF__ATOMIC(int64_t) bodies, argument_drops, starts;

static int count_body(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__add_acq_rel(&bodies, 1);
    return SHEAF_OK;
}

static void count_argument_drop(void *arg)
{
    (void)arg;
    sheaf__add_acq_rel(&argument_drops, 1);
}

static void try_group(struct members *m)
{
    sheaf_group group;
    (void)m;
    for (unsigned flags = 0; flags < 4; flags++) {
        int status = sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = flags));
        EXPECT(is_outcome(status));
        for (int i = 0; status == SHEAF_OK && i < 20; i++) { /* more than room for indices */
            sheaf__add_acq_rel(&starts, 1);
            sheaf_future *member = sheaf_group_spawn_with(
                &group, SHEAF_SPAWN_OPTIONS(.arg_drop = count_argument_drop), count_body, NULL);
            EXPECT(is_outcome(sheaf_await(member, NULL)));
            sheaf_release(member);
        }
        if (status == SHEAF_OK) {
            sheaf_error *error = NULL;
            (void)sheaf_group_start(&group, fail_with_eio, NULL);
            int end = sheaf_group_close_error(&group, flags == 1 ? EPIPE : SHEAF_OK, &error);
            EXPECT(is_outcome(end) || end == EIO || end == EPIPE);
            EXPECT(!error == (end == SHEAF_OK));
            sheaf_error_release(error);
            sheaf_group_forget(&group);
        }
    }
}

static void try_calls(struct members *m)
{
    sheaf_call calls[3] = {
        {give_number, &ones[0], NULL}, {NULL, NULL, m->done}, {give_number, &ones[1], NULL}};
    sheaf_value value;
    size_t winner;
    sheaf_error *errors[3] = {NULL, NULL, NULL};
    EXPECT(is_outcome(sheaf_gather_run(SHEAF_GATHER_OPTIONS(.limit = 2), calls, 3, NULL, NULL)));
    EXPECT(is_outcome(sheaf_first_success(m->tasks, 2, &value, &winner)));
    calls[0].fn = fail_with_eio;
    EXPECT(is_outcome(sheaf_race(calls, 3, SHEAF_US(10), &value, &winner, errors)));
    for (int i = 0; i < 3; i++) {
        sheaf_error_release(errors[i]);
    }
}

/* ---------------------------------------------------------------- at every point */

typedef void attempt_fn(struct members *m);

static attempt_fn *const attempts[] = {
    try_gather, try_gather_future, try_wait,       try_each,  try_shield,
    try_chain,  try_limits,        try_inheriting, try_group, try_calls,
};

enum { ATTEMPTS = sizeof attempts / sizeof attempts[0] };

/* The attempts ask for requests of their own doing only; one that is left over would be lost here.
 */
static void expect_nothing_left(void)
{
    EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
}

static long fail_at_every_point(attempt_fn *attempt, enum sheaf__alloc_failing how)
{
    long n = 0;
    for (bool more = true; more && n < POINTS_MAX; n++) {
        struct members m = make_members();
        sheaf__alloc_fail_after(n, how);
        attempt(&m);
        more = sheaf__alloc_points() > n;
        sheaf__alloc_fail_after(-1, how);
        end_members(&m);
        expect_nothing_left();
    }
    return n;
}

static int each_allocation_may_fail(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    for (int how = SHEAF__ALLOC_FAIL_ONCE; how <= SHEAF__ALLOC_FAIL_STICKY; how++) {
        for (int i = 0; i < ATTEMPTS; i++) {
            long points = fail_at_every_point(attempts[i], (enum sheaf__alloc_failing)how);
            EXPECT(points > 1 && points < POINTS_MAX);
        }
    }
    EXPECT_INT(sheaf__load_acq(&bodies) + sheaf__load_acq(&argument_drops),
               sheaf__load_acq(&starts));
    sheaf__store_rel(&bodies, 0);
    sheaf__store_rel(&argument_drops, 0);
    sheaf__store_rel(&starts, 0);
    f->unhandled_expected = fixture_unhandled(f); /* supervised failures */
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(each_allocation_may_fail),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
