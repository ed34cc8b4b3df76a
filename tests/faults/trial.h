/* What a scenario is written with: a program in small that runs while calls fail.
 *
 * A scenario uses the library like any program and expects of each call one of the statuses that
 * its contract allows when something is short.  It takes account of what it hands over: in the end
 * every argument was used or dropped, every value taken or dropped, every callback run, once. */
#ifndef SHEAF_TESTS_FAULTS_TRIAL_H
#define SHEAF_TESTS_FAULTS_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf.h>

#include "tests/faults/calls.h"
#include "tests/faults/wraps.h"
#include "tests/support/check.h"

/* The fewest points of these kinds that a run without failures meets, under any schedule. */
#define FLOORS(memory, stack, thread)                                                              \
    {                                                                                              \
        [FAULT_MEMORY] = (memory), [FAULT_STACK] = (stack), [FAULT_THREAD] = (thread)              \
    }

/* How a scenario's pool runs. */
struct fault_schedule {
    const char *name;
    int workers;
    sheaf_clock clock;
    sheaf_schedule schedule;
    uint64_t seed;
    bool deny_guards; /* as before Linux 6.13 */
    bool exact;       /* the same points in every run */
};

enum fault_place {
    FAULT_TASK,  /* the body is a task of an open pool */
    FAULT_PLAIN, /* the body runs on a plain thread beside an open pool */
    FAULT_ALONE, /* the body opens what it needs */
    FAULT_FIRST, /* the same, as the first that its process does with the library */
};

enum fault_clock { FAULT_CLOCK_ANY, FAULT_CLOCK_REAL, FAULT_CLOCK_VIRTUAL };

struct fault_trial {
    const struct fault_scenario *scenario;
    const struct fault_schedule *schedule;
    sheaf_pool *pool; /* NULL for those that open their own */
};

typedef void fault_body(struct fault_trial *t);

struct fault_scenario {
    const char *name;
    fault_body *body;
    enum fault_place place;
    long floors[FAULT_KINDS];
    enum fault_clock clock;
    bool pointless; /* it shows that nothing can fail: no point of any kind */
    bool threads;   /* has threads of its own beside the workers */
    bool abandons;  /* leaves stacks of abandoned tasks behind */
};

/* Bodies by header; each list ends with a nameless one. */
extern const struct fault_scenario fault_errors[], fault_tasks[], fault_futures[], fault_gathers[],
    fault_limits[], fault_groups[], fault_syncs[], fault_queues[], fault_loops[], fault_blockings[],
    fault_pools[];

/* ---------------------------------------------------------------- expectations */

extern struct check fault_check;

#define HOLDS(expression) check_that(&fault_check, (expression), #expression, __FILE__, __LINE__)
#define IS(actual, expected)                                                                       \
    check_int(&fault_check, (int64_t)(actual), (int64_t)(expected), #actual, __FILE__, __LINE__)

/* Expects SHEAF_OK, SHEAF_NOMEM or one of the further statuses; returns the status. */
#define ENDS(actual, ...)                                                                          \
    fault_ends((actual), #actual, __FILE__, __LINE__,                                              \
               (const int[]){SHEAF_OK, SHEAF_NOMEM, __VA_ARGS__},                                  \
               sizeof((const int[]){SHEAF_OK, SHEAF_NOMEM, __VA_ARGS__}) / sizeof(int))

int fault_ends(int status, const char *what, const char *file, int line, const int *allowed,
               size_t count);

/* ---------------------------------------------------------------- accounts */

/* A short time, and one that nobody waits for to its end. */
#define SHORT SHEAF_US(20)
#define LONG SHEAF_S(1000)

/* One argument was handed over that count_argument() is the drop of; its body says arrived(). */
void fault_hand_over(void);
void fault_arrived(void);
void fault_drop_argument(void *arg);

/* A value that count_value() drops; somebody took it. */
sheaf_value fault_value(void);
void fault_value_taken(void);
void fault_drop_value(sheaf_value value);

/* A callback was registered or taken back; runs. */
void fault_callbacks(long more);
int fault_callback(void *arg, sheaf_future *future);

/* Options with both drops; each use hands an argument over. */
#define ACCOUNTED(...)                                                                             \
    (fault_hand_over(), SHEAF_SPAWN_OPTIONS(.arg_drop = fault_drop_argument,                       \
                                            .value_drop = fault_drop_value, __VA_ARGS__))

/* ---------------------------------------------------------------- bodies of tasks */

int give_value(void *arg, sheaf_value *result);   /* fault_value(); accounted */
int nap_and_give(void *arg, sheaf_value *result); /* the same after a short sleep; accounted */
int sleep_long(void *arg, sheaf_value *result);   /* accounted; ends when it is asked */
int fail_at_once(void *arg, sheaf_value *result); /* with EIO; accounted */
int give_seven(void *arg, sheaf_value *result);   /* not accounted, like all below */
int nap(void *arg, sheaf_value *result);
int nap_longer(void *arg, sheaf_value *result);
int sleep_on(void *arg, sheaf_value *result); /* ends when it is asked */
int fail(void *arg, sheaf_value *result);     /* with EIO and a message */
int await_arg(void *arg, sheaf_value *result);

sheaf_value number(int64_t n);

/* Waits until it has ended, come what may, and releases it: for what refers to the caller's frame.
 * On a plain thread the wait itself may fail; then it is made again while nothing fails. */
void end_one(sheaf_future *future);

/* Asks them to cancel, and ends them. */
void end_all(sheaf_future *const *futures, size_t count);

#endif
