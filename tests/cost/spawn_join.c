/* Spawns and joins empty tasks, one after the other, for run.sh to count the instructions of.
 *
 *   spawn_join FUNCTION    runs it; prints how many tasks that were, and how many instructions one
 *                          may take
 *
 * A limit is half as much again as what was measured: it is to find what a task pays for by
 * mistake, an allocation, a lock, a call that was inline, and not another compiler. */
#include <stdio.h>
#include <string.h>

#include <sheaf.h>

#include "lib/atomics.h"

enum { TASKS = 20000 };

/* Without the cheap fence every task completes the locked way. */
enum { PERCENT_FULL_FENCES = 200 };

#ifdef __OPTIMIZE__
enum { PERCENT_BUILD = 100 };
#else
enum { PERCENT_BUILD = 500 };
#endif

/* Known by name to whoever counts. */
int sheaf_cost_heap(void);
int sheaf_cost_frame(void);
int sheaf_cost_inline(void);

static int do_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

__attribute__((noinline)) int sheaf_cost_heap(void)
{
    for (int i = 0; i < TASKS; i++) {
        SHEAF_TRY(sheaf_join(sheaf_spawn(do_nothing, NULL), NULL));
    }
    return SHEAF_OK;
}

__attribute__((noinline)) int sheaf_cost_frame(void)
{
    for (int i = 0; i < TASKS; i++) {
        sheaf_task task;
        sheaf_task_spawn(&task, do_nothing, NULL);
        SHEAF_TRY(sheaf_task_join(&task, NULL));
    }
    return SHEAF_OK;
}

static int fork_nothing(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)forks, (void)next, (void)arg, (void)result;
    return SHEAF_OK;
}

static int fork_many(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    for (int i = 0; i < TASKS; i++) {
        next = sheaf_fork_spawn(forks, next, fork_nothing, arg);
        SHEAF_TRY(sheaf_fork_join(forks, next, fork_nothing, arg, result));
        next--;
    }
    return SHEAF_OK;
}

__attribute__((noinline)) int sheaf_cost_inline(void)
{
    return sheaf_fork_run(fork_many, NULL, NULL);
}

static const struct cost {
    const char *name;
    int (*run)(void);
    int limit;
} costs[] = {
    {"sheaf_cost_heap", sheaf_cost_heap, 390},    /* 258 */
    {"sheaf_cost_frame", sheaf_cost_frame, 340},  /* 226 */
    {"sheaf_cost_inline", sheaf_cost_inline, 40}, /* 26 */
};

static int run(void *arg, sheaf_value *result)
{
    const struct cost *cost = arg;
    (void)result;
    int percent = PERCENT_BUILD * (sheaf__fences_are_full() ? PERCENT_FULL_FENCES : 100) / 100;
    bool becomes_task = cost->run == sheaf_cost_inline && sheaf__fences_are_full();
    int limit = becomes_task ? costs[0].limit + cost->limit : cost->limit;
    printf("%d %d\n", TASKS, limit * percent / 100);
    return cost->run();
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof costs / sizeof *costs; i++) {
        if (!strcmp(costs[i].name, argv[1])) {
            struct cost cost = costs[i];
            return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.workers = 1), run, &cost, NULL));
        }
    }
    fputs("usage: spawn_join FUNCTION\n", stderr);
    return 2;
}
