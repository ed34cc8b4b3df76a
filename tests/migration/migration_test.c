/* What becomes of a thread-local that a task names on both sides of a suspension: which writes go
 * to the thread that was left, and what helps. */
#include "lib/atomics.h"
#include "tests/migration/probe.h"
#include "tests/support/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 20 };

/* ---------------------------------------------------------------- ways to suspend */

static void in_a_yield(void *context)
{
    (void)context;
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
}

static void in_a_sleep(void *context)
{
    (void)context;
    EXPECT_INT(sheaf_sleep(SHEAF_US(10)), SHEAF_OK);
}

static void in_a_wait_with_a_limit(void *context)
{
    (void)context;
    sheaf_future *never = sheaf_promise(NULL);
    EXPECT_INT(sheaf_wait_for(never, SHEAF_US(10), NULL), SHEAF_TIMEOUT);
    sheaf_release(never);
}

static int answer(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 42;
    return SHEAF_OK;
}

static void in_the_await_of_a_child(void *context)
{
    (void)context;
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_spawn(answer, NULL), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 42);
}

static void in_the_join_of_a_frame(void *context)
{
    (void)context;
    sheaf_task task;
    sheaf_task_spawn(&task, answer, NULL);
    EXPECT_INT(sheaf_task_join(&task, NULL), SHEAF_OK);
}

static void in_a_gather(void *context)
{
    (void)context;
    sheaf_future *futures[] = {sheaf_spawn(answer, NULL), sheaf_spawn(answer, NULL)};
    EXPECT_INT(sheaf_gather(futures, 2, SHEAF_GATHER_RAISE, NULL, NULL), SHEAF_OK);
    sheaf_release_all(futures, 2);
}

static probe_suspend *const suspensions[] = {
    /* These suspend for sure. */
    in_a_yield,
    in_a_sleep,
    /* These need not: another worker was faster, or the limit passed before the wait. */
    in_a_wait_with_a_limit,
    in_the_await_of_a_child,
    in_the_join_of_a_frame,
    in_a_gather,
};
enum { SURE = 2, SUSPENSIONS = sizeof suspensions / sizeof suspensions[0] };

/* ---------------------------------------------------------------- one round */

struct seen {
    int rounds;
    int moved;  /* rounds that ended on another thread than they began on */
    int stayed; /* those that did not although they suspended for sure */
    int wrong;  /* of these, those whose last write went to the thread that was left */
    int lost;   /* rounds without a move in which a write was lost all the same */
};

/* A mark that no thread's variable holds yet. */
static int new_mark(void)
{
    static SHEAF__ATOMIC(int) last;
    return sheaf__add_acq_rel(&last, 1) + 1000;
}

static void probe_once(const struct probe *probe, int way, struct seen *seen)
{
    int mark = new_mark();
    pid_t before = gettid();
    probe->write_twice(suspensions[way], NULL, mark);
    bool moved = gettid() != before;
    bool kept = probe->read() == mark;
    seen->rounds++;
    seen->moved += moved;
    seen->stayed += !moved && way < SURE;
    seen->wrong += moved && !kept;
    seen->lost += !moved && !kept;
}

static void probe_all(const struct probe *probe, struct seen *seen)
{
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = 0; j < SUSPENSIONS; j++) {
            probe_once(probe, j, seen);
        }
    }
}

/* ---------------------------------------------------------------- pools */

struct work {
    const struct probe *probe;
    struct seen seen;
};

static int probe_in_task(void *arg, sheaf_value *result)
{
    (void)result;
    struct work *work = arg;
    probe_all(work->probe, &work->seen);
    return SHEAF_OK;
}

static struct seen probe_on(struct fixture *f, unsigned flags, const struct probe *probe)
{
    struct work work = {.probe = probe};
    sheaf_options options = fixture_options(f);
    options.flags = flags;
    EXPECT_INT(sheaf_run(&options, probe_in_task, &work, NULL), SHEAF_OK);
    EXPECT_INT(work.seen.rounds, ROUNDS * SUSPENSIONS);
    EXPECT_INT(work.seen.lost, 0);
    return work.seen;
}

/* ---------------------------------------------------------------- without protection */

/* Every suspension moves, and every last write goes astray where the compiler optimises.  What it
 * does where it does not is its own affair. */
static void expect_hazard(struct fixture *f, const struct probe *probe)
{
    struct seen seen = probe_on(f, SHEAF_POOL_MIGRATE, probe);
    EXPECT_INT(probe_optimised, PROBE_LEVEL > 0);
    EXPECT_INT(seen.stayed, 0);
    EXPECT(seen.moved >= ROUNDS * SURE);
    if (PROBE_LEVEL > 0) {
        EXPECT_INT(seen.wrong, seen.moved);
    }
    print_message("%s at -O%d: %d of %d writes went to the thread that was left\n", probe->name,
                  PROBE_LEVEL, seen.wrong, seen.moved);
}

static void plain_errno_is_written_on_the_thread_that_was_left(struct fixture *f)
{
    expect_hazard(f, &plain_errno);
}

static void a_thread_local_is_written_on_the_thread_that_was_left(struct fixture *f)
{
    expect_hazard(f, &thread_own);
}

static int probe_until_moved(void *arg, sheaf_value *result)
{
    (void)result;
    struct work *work = arg;
    while (work->seen.moved == 0) {
        probe_once(work->probe, 1, &work->seen);
    }
    return SHEAF_OK;
}

/* Once in a while a task moves without any flag, and then it is as bad. */
static void tasks_move_in_a_pool_without_flags_too(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    options.flags = 0;
    struct work plain = {.probe = &plain_errno}, guarded = {.probe = &guarded_errno};
    EXPECT_INT(sheaf_run(&options, probe_until_moved, &plain, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_run(&options, probe_until_moved, &guarded, NULL), SHEAF_OK);
    EXPECT_INT(plain.seen.moved, 1);
    EXPECT_INT(guarded.seen.moved, 1);
    EXPECT_INT(guarded.seen.wrong, 0);
    if (PROBE_LEVEL > 0) {
        EXPECT_INT(plain.seen.wrong, 1);
    }
}

/* ---------------------------------------------------------------- with one */

static void guarded_errno_is_that_of_the_new_thread(struct fixture *f)
{
    struct seen seen = probe_on(f, SHEAF_POOL_MIGRATE, &guarded_errno);
    EXPECT_INT(seen.stayed, 0);
    EXPECT(seen.moved >= ROUNDS * SURE);
    EXPECT_INT(seen.wrong, 0);
}

static int pinned_beside_others(void *arg, sheaf_value *result)
{
    (void)result;
    struct work *works = arg;
    sheaf_future *futures[] = {
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.flags = SHEAF_SPAWN_PIN), probe_in_task, &works[0]),
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.flags = SHEAF_SPAWN_PIN), probe_in_task, &works[1]),
        sheaf_spawn(probe_in_task, &works[2]),
    };
    int status = sheaf_gather(futures, 3, SHEAF_GATHER_RAISE, NULL, NULL);
    sheaf_release_all(futures, 3);
    return status;
}

/* Where every other task moves at every suspension. */
static void a_pinned_task_is_not_moved(struct fixture *f)
{
    struct work works[] = {
        {.probe = &plain_errno}, {.probe = &thread_own}, {.probe = &guarded_errno}};
    sheaf_options options = fixture_options(f);
    options.flags = SHEAF_POOL_MIGRATE;
    EXPECT_INT(sheaf_run(&options, pinned_beside_others, works, NULL), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(works[i].seen.rounds, ROUNDS * SUSPENSIONS);
        EXPECT_INT(works[i].seen.stayed, i < 2 ? ROUNDS * SURE : 0);
        EXPECT(i < 2 ? works[i].seen.moved == 0 : works[i].seen.moved >= ROUNDS * SURE);
        EXPECT_INT(works[i].seen.wrong + works[i].seen.lost, 0);
    }
}

/* The same work moves in a pool without the flag: see above. */
static void a_pinned_pool_moves_nobody(struct fixture *f)
{
    const struct probe *probes[] = {&plain_errno, &thread_own, &guarded_errno};
    for (int i = 0; i < 3; i++) {
        struct seen seen = probe_on(f, SHEAF_POOL_PIN, probes[i]);
        EXPECT_INT(seen.moved, 0);
        EXPECT_INT(seen.wrong, 0);
    }
}

static const struct fixture_test tests[] = {
    POOL_TEST_ON(MODE_2 | MODE_4, plain_errno_is_written_on_the_thread_that_was_left),
    POOL_TEST_ON(MODE_2 | MODE_4, a_thread_local_is_written_on_the_thread_that_was_left),
    POOL_TEST_ON(MODE_2 | MODE_4, tasks_move_in_a_pool_without_flags_too),
    POOL_TEST_ON(MODE_2 | MODE_4 | MODE_2_VIRTUAL, guarded_errno_is_that_of_the_new_thread),
    POOL_TEST_ON(MODE_2 | MODE_4 | MODE_2_VIRTUAL, a_pinned_task_is_not_moved),
    POOL_TEST_ON(MODE_2 | MODE_4 | MODE_2_VIRTUAL, a_pinned_pool_moves_nobody),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
