/* Fork-join for the hottest loops: spawn and join compile into the caller.         (extension tier)
 *
 *     static int fib(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result) {
 *         intptr_t n = (intptr_t)arg;
 *         if (n < 2) { result->i64 = n; return SHEAF_OK; }
 *         sheaf_value left, right = {0};
 *         next = sheaf_fork_spawn(forks, next, fib, (void *)(n - 1));
 *         int status = fib(forks, next, (void *)(n - 2), &right);
 *         SHEAF_TRY(sheaf_fork_join(forks, next, fib, (void *)(n - 1), &left));
 *         SHEAF_TRY(status);
 *         result->i64 = left.i64 + right.i64;
 *         return SHEAF_OK;
 *     }
 *
 *     SHEAF_TRY(sheaf_fork_run(fib, (void *)40, &value));      // in a task
 *
 * A fork is less than a task.  Most are joined by who made them before anybody else has taken
 * them: then they are an ordinary call, on the same stack, as part of the same task.  They cost as
 * much, and sheaf_current(), a request for cancellation, and what sheaf_raise() says are that
 * task's.  One that another worker takes, or that is open when its maker suspends, becomes a task
 * of its own, which its join waits for.  Forks that are no more than computations cannot tell the
 * difference; what needs a future, a name or a cancellation of its own is a task (task.h).
 *
 * A fork may suspend, spawn tasks, and begin a run of forks of its own.
 *
 * Rules.  `forks` and `next` are passed on as they were given, `next` as the last spawn returned
 * it.  Every fork is joined on every path, the last first, with the function and the argument that
 * it was spawned with; the argument lives until then.  Of one run no more than SHEAF_FORKS_MAX open
 * forks are offered to others: what is spawned beyond them runs when it is joined.
 *
 * How the two sides agree is told in lib/region.h.  The calls whose names carry two sizes are bound
 * to the layout in this header: a program goes on with the library that it was compiled against. */
#ifndef SHEAF_FORK_H
#define SHEAF_FORK_H

#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>

SHEAF_BEGIN_DECLS

typedef struct sheaf_forks sheaf_forks; /* a run of forks */
typedef struct sheaf_fork sheaf_fork;   /* the place of one of them */

/* What is forked.
 *
 *   next    where it may spawn
 *   result  zero at the start; what it holds when SHEAF_OK is returned is what the join gives
 *
 * Returns: as sheaf_fn */
typedef int sheaf_fork_fn(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result);

enum { SHEAF_FORKS_MAX = 1024 };

#define sheaf_fork_run sheaf_fork_run_32_32
#define sheaf_fork_spawn_late sheaf_fork_spawn_late_32_32
#define sheaf_fork_join_late sheaf_fork_join_late_32_32
#define sheaf_fork_wake sheaf_fork_wake_32_32

/* Calls fn as part of the current task, as the first of a run of forks.
 *
 *   result  may be NULL
 *
 * Returns: what fn does; SHEAF_INVALID, SHEAF_NOTASK
 * Context: task */
SHEAF_API int sheaf_fork_run(sheaf_fork_fn *fn, void *arg, sheaf_value *result);

/* ---------------------------------------------------------------- what is compiled in */

struct sheaf_fork {
    sheaf_fork_fn *fn; /* atomic; NULL when it is not open, or somebody has taken it */
    void *arg;
    sheaf_fork_fn *taken; /* of one that was taken: what `fn` was */
    sheaf_future *task;   /* the same: the task that it has become */
};

struct sheaf_forks {
    sheaf_fork *top;      /* atomic: places below are taken, or being looked at */
    sheaf_fork *limit;    /* spawning at or above this place needs a look */
    sheaf_fork *end;      /* there are no places from here on: who gets there is not offered */
    const uint32_t *idle; /* atomic: the workers that search, those asleep << 16 */
};

/* The slow ways; not to be called otherwise. */
SHEAF_API sheaf_fork *sheaf_fork_spawn_late(sheaf_forks *forks, sheaf_fork *next, sheaf_fork_fn *fn,
                                            void *arg);
SHEAF_API int sheaf_fork_join_late(sheaf_forks *forks, sheaf_fork *fork, sheaf_fork_fn *fn,
                                   void *arg, sheaf_value *result);
SHEAF_API void sheaf_fork_wake(sheaf_forks *forks);

/* Offers fn(forks, next, arg, result) to the other workers.
 *
 * Returns: the place for the next one, which is what the join is given
 * Context: the function that was given `forks` and `next` */
static inline sheaf_fork *sheaf_fork_spawn(sheaf_forks *forks, sheaf_fork *next, sheaf_fork_fn *fn,
                                           void *arg)
{
    if (__builtin_expect(next >= forks->limit, 0)) {
        return sheaf_fork_spawn_late(forks, next, fn, arg);
    }
    next->arg = arg;
    __atomic_store_n(&next->fn, fn, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    uint32_t idle = __atomic_load_n(forks->idle, __ATOMIC_RELAXED);
    if (__builtin_expect(idle >= 0x10000U && (idle & 0xffffU) == 0, 0)) {
        sheaf_fork_wake(forks);
    }
    return next + 1;
}

/* Has the fork that was spawned last and is not joined yet run to its end, by a call or by whoever
 * has taken it.
 *
 *   next    what sheaf_fork_spawn() returned for it, or, which is the same, what it returned for
 *           the first of a row of forks, plus how many of them are open, less 1
 *   result  not NULL
 *
 * Returns: what it returned.  One that somebody took is asked to cancel when the current task was:
 *          at its join at the latest
 * Context: the function that spawned it */
static inline int sheaf_fork_join(sheaf_forks *forks, sheaf_fork *next, sheaf_fork_fn *fn,
                                  void *arg, sheaf_value *result)
{
    sheaf_fork *fork = next - 1;
    if (__builtin_expect(fork >= forks->end, 0)) {
        return sheaf_fork_join_late(forks, fork, fn, arg, result);
    }
    __atomic_store_n(&fork->fn, (sheaf_fork_fn *)NULL, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__builtin_expect(__atomic_load_n(&forks->top, __ATOMIC_ACQUIRE) > fork, 0)) {
        return sheaf_fork_join_late(forks, fork, fn, arg, result);
    }
    result->u64 = 0;
    return fn(forks, fork, arg, result);
}

SHEAF_END_DECLS

#endif
