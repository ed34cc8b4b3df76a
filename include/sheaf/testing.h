/* Testing programs that use sheaf: their tasks under many schedules.                  (stable tier)
 *
 *     static int two_add(void *arg, sheaf_value *result) { ... return ok ? SHEAF_OK : EIO; }
 *
 *     sheaf_explored found;
 *     if (sheaf_explore(NULL, two_add, &counter, &found) != SHEAF_OK) puts(found.text);
 *
 * prints, say,
 *
 *     seed 3 of 1 to 1000 fails: EIO; preempted 7 times at 16 points, 1 is enough
 *
 * and the same seed fails again, whenever and wherever: what is drawn from it is all that decides
 * which task goes on, when there are several, and at which points a task is preempted.
 *
 * Each run has a pool of its own, of one worker and a virtual clock (sheaf_options.seed): the body
 * is its main task, as for sheaf_run(), so that time costs nothing and a deadlock is an outcome.
 * Tasks change where they suspend and, so that a race between two accesses can show, where the code
 * says that they may: at sheaf_testing_point(). */
#ifndef SHEAF_TESTING_H
#define SHEAF_TESTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>
#include <sheaf/pool.h>

SHEAF_BEGIN_DECLS

/* In a task of a pool with a seed: lets others go on, in one of four cases, drawn from the seed.
 * Elsewhere it does nothing, at the cost of a call, so it may stay in the code.  Not a suspension
 * in the sense of the other headers: no request is delivered.
 *
 * Context: any */
SHEAF_API void sheaf_testing_point(void);

typedef struct sheaf_explore_options {
    size_t size;
    uint64_t first_seed;                     /* default 1 */
    uint64_t seeds;                          /* so many, or to the first failure; default 1000 */
    size_t stack_size;                       /* as sheaf_options.stack_size */
    void (*prepare)(void *arg);              /* called before each run, on the caller's thread */
    bool (*is_right)(void *arg, int status); /* whether what a run ended with is no failure;
                                                default: SHEAF_OK alone */
} sheaf_explore_options;

#define SHEAF_EXPLORE_OPTIONS(...)                                                                 \
    (&(const sheaf_explore_options){.size = sizeof(sheaf_explore_options), __VA_ARGS__})

/* What an exploration has found. */
typedef struct sheaf_explored {
    uint64_t runs;        /* in all, with those that tried to fail with less */
    uint64_t seed;        /* the one that fails; 0: none did */
    int status;           /* with what */
    bool unsteady;        /* the same seed did not end in the same way again: the body depends on
                           * something else, such as the time, an address or what a run has left */
    uint64_t points;      /* testing points that its run passed */
    uint64_t preemptions; /* at so many of them another task went on */
    uint64_t enough;      /* with so many at most it fails as well, counted from the beginning */
    char text[160];       /* all this in one line, without a newline */
} sheaf_explored;

/* Runs the body under one seed after the other.
 *
 *   options  NULL: all defaults
 *   found    receives what was found; may be NULL
 *
 * One seed is tried again with options that name it: .first_seed = S, .seeds = 1.
 *
 * Returns: SHEAF_OK: no run failed; the status of the first that did, SHEAF_STATE if that ended
 *          with SHEAF_OK; SHEAF_INVALID, SHEAF_NOMEM, and SHEAF_STATE in a task: none was made
 * Context: plain thread */
SHEAF_API int sheaf_explore(const sheaf_explore_options *options, sheaf_fn *body, void *arg,
                            sheaf_explored *found);

SHEAF_END_DECLS

#endif
