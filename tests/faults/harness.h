/* Runs scenarios while calls fail, one failure after the other.
 *
 * A sweep is one scenario under one schedule with one kind of plan.  It has a process of its own,
 * which first runs the scenario without failures, counts the points, and then runs it once for each
 * point.  After each run nothing may be left: blocks, mapped memory, threads, files, arguments,
 * values; and, where only single calls failed, the pool went on as if nothing had been.  The parent
 * watches: a process that crashes, or makes no step for some seconds, has failed, and the message
 * says at which point. */
#ifndef SHEAF_TESTS_FAULTS_HARNESS_H
#define SHEAF_TESTS_FAULTS_HARNESS_H

#include <stdbool.h>

#include "tests/faults/trial.h"

/* What fails in the runs of a sweep. */
struct fault_sweep {
    const char *name;
    unsigned kinds;
    bool for_good;
    bool drained; /* the n-th run has n records left, and then none */
};

enum { FAULT_TEXT = 1600 };

/* What a sweep's process tells its parent, in shared memory. */
struct fault_report {
    long point;               /* of the run that is under way, -1 for the one without failures */
    unsigned long steps;      /* runs begun */
    long points[FAULT_KINDS]; /* of the run without failures */
    long runs;                /* with a plan */
    long failed_runs;         /* in which a call failed */
    long fired[FAULT_KINDS];  /* calls that failed */
    char text[FAULT_TEXT];    /* what went wrong, or empty */
};

/* Runs one sweep, at most `most` points of it, evenly spread.
 * Returns: whether all was well; report->text says what was not */
bool fault_run_sweep(const struct fault_scenario *scenario, const struct fault_schedule *schedule,
                     const struct fault_sweep *sweep, long most, struct fault_report *report);

/* The same for a single point, in this process, for a debugger.  Returns: whether all was well */
bool fault_run_here(const struct fault_scenario *scenario, const struct fault_schedule *schedule,
                    const struct fault_sweep *sweep, long point, struct fault_report *report);

/* Counts how often each public function was called, over all processes of the sweeps. */
void fault_calls_begin(void);
long fault_calls(enum fault_call call);
const char *fault_call_name(enum fault_call call);

/* trial.c: nothing is handed over yet; everything has arrived. */
void fault_accounts_open(void);
void fault_accounts_close(bool abandons);

#endif
