/* Tasks in all states, for gdb to find: says "ready" when they are in them, and stays so.
 *
 * With an argument the guards of stacks are made by mprotect(): gdb's gcore reads no stack behind
 * one that MADV_GUARD_INSTALL made. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sheaf.h>

#include "lib/atomics.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static bool no_guard_advice;

/* In the place of the C library's, for all of the program. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int madvise(void *address, size_t length, int advice)
{
    if (no_guard_advice && advice == MADV_GUARD_INSTALL) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_madvise, address, length, advice);
}

static sheaf_future *answer;
static SHEAF__ATOMIC(int) computing;

/* Computes until the process ends, and keeps its worker. */
static int compute(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__store_rel(&computing, 1);
    while (sheaf__load_acq(&computing)) {
        (void)sched_yield();
    }
    return SHEAF_OK;
}

static int await_answer(void *arg, sheaf_value *result)
{
    (void)arg;
    return sheaf_await(answer, result);
}

static int await_it(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

static int await_shield(void *arg, sheaf_value *result)
{
    sheaf_future *shield = sheaf_shield(arg);
    int status = sheaf_await(shield, result);
    sheaf_release(shield);
    return status;
}

static int wait_for_two(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_wait(arg, 2, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, NULL);
}

static int own_group(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_group group;
    SHEAF_TRY(sheaf_group_open(&group, NULL));
    sheaf_release(
        sheaf_group_spawn_with(&group, SHEAF_SPAWN_OPTIONS(.name = "member"), await_answer, NULL));
    return sheaf_group_close(&group, SHEAF_OK);
}

/* The child is called on this task's stack. */
static int call_child(void *arg, sheaf_value *result)
{
    (void)arg;
    return sheaf_join(sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "called"), await_answer, NULL),
                      result);
}

static sheaf_future *spawn(sheaf_pool *pool, const char *name, sheaf_fn *fn, void *arg)
{
    return sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = pool, .name = name), fn, arg);
}

static void wait_until_suspended(sheaf_pool *pool, size_t count)
{
    sheaf_stats stats = {.size = sizeof stats};
    do {
        (void)sheaf_pool_stats(pool, &stats);
    } while (stats.suspended < count);
}

int main(int argc, char **argv)
{
    (void)argv;
    no_guard_advice = argc > 1;
    sheaf_pool *pool = NULL;
    const sheaf_options *options =
        SHEAF_OPTIONS(.workers = 1, .name = "gdb", .flags = SHEAF_POOL_NO_SPARES);
    if (sheaf_pool_open(options, &pool) != SHEAF_OK) {
        return 1;
    }
    answer = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool, .name = "answer"));
    sheaf_future *two[2];
    two[0] = spawn(pool, "inner", await_answer, NULL);
    two[1] = spawn(pool, "shielding", await_shield, two[0]);
    sheaf_future *rest[] = {
        spawn(pool, "waiter", wait_for_two, two), spawn(pool, "owner", own_group, NULL),
        spawn(pool, "caller", call_child, NULL),
        spawn(pool, "gatherer", await_it, sheaf_gather_future(two, 2, SHEAF_GATHER_RAISE)),
        sheaf_spawn_on(pool, await_answer, NULL)};
    wait_until_suspended(pool, 8);
    (void)spawn(pool, "computing", compute, NULL);
    while (!sheaf__load_acq(&computing)) {
        (void)sched_yield();
    }
    (void)spawn(pool, "queued", await_answer, rest);
    (void)puts("ready");
    (void)fflush(stdout);
    for (;;) {
        (void)pause();
    }
}
