/* Every call that can fail fails, at every point of every scenario, once and for good: a status
 * comes back each time, nothing is left behind, nothing hangs.
 *
 * The argument is the group of schedules to run under.  Environment:
 *
 *   SHEAF_FAULTS_EVERY=1     every point, not a sample
 *   SHEAF_FAULTS_ONLY=TEXT   scenarios whose name contains TEXT
 *   SHEAF_FAULTS_POINT=SCHEDULE:SWEEP:N   with the above: this point alone, in this process
 */
#include "tests/faults/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIBRARY_MEMORY (FAULT_BIT(FAULT_MEMORY) | FAULT_BIT(FAULT_RECORDS))

static const struct fault_sweep sweeps[] = {
    {"one", FAULT_ALL, false, false},
    {"all from there on", FAULT_ALL, true, false},
    {"memory from there on", LIBRARY_MEMORY, true, false},
    {"stacks from there on", FAULT_BIT(FAULT_STACK), true, false},
    {"threads from there on", FAULT_BIT(FAULT_THREAD), true, false},
    {"records from there on", FAULT_BIT(FAULT_RECORDS), true, true},
    {"a slab of records", FAULT_BIT(FAULT_RECORDS), false, true},
};

enum { SWEEPS = sizeof sweeps / sizeof sweeps[0] };

struct group {
    const char *name;
    long most;   /* points of a sweep, where not all are asked for */
    long fewest; /* runs in which calls failed, of all scenarios */
    struct fault_schedule schedules[4];
};

static struct group groups[] = {
    {"fifo", 120, 4000, {{"fifo", 1, SHEAF_CLOCK_VIRTUAL, SHEAF_SCHEDULE_FIFO, 0, false, true}}},
    {"seeded",
     40,
     8000,
     {{"seed 1", 1, SHEAF_CLOCK_VIRTUAL, SHEAF_SCHEDULE_STEAL, 1, false, true},
      {"seed 2", 1, SHEAF_CLOCK_VIRTUAL, SHEAF_SCHEDULE_STEAL, 2, false, true},
      {"seed 3", 1, SHEAF_CLOCK_VIRTUAL, SHEAF_SCHEDULE_STEAL, 3, false, true}}},
    {"real",
     25,
     2500,
     {{"1 worker", 1, SHEAF_CLOCK_REAL, SHEAF_SCHEDULE_STEAL, 0, false, false},
      {"2 workers", 2, SHEAF_CLOCK_REAL, SHEAF_SCHEDULE_STEAL, 0, false, false}}},
    {"guards",
     40,
     2500,
     {{"no guard advice", 1, SHEAF_CLOCK_VIRTUAL, SHEAF_SCHEDULE_FIFO, 0, true, true}}},
};

static const struct fault_scenario *const lists[] = {
    fault_errors, fault_tasks,  fault_futures, fault_gathers,   fault_limits, fault_groups,
    fault_syncs,  fault_queues, fault_loops,   fault_blockings, fault_pools,
};

enum { LISTS = sizeof lists / sizeof lists[0], UNITS_MAX = 400, NAME_ROOM = 96 };

/* ---------------------------------------------------------------- one scenario as a test */

struct unit {
    const struct fault_scenario *scenario;
    const struct fault_schedule *schedule;
    long most;
    char name[NAME_ROOM];
};

static long planned_kinds(const struct fault_sweep *sweep, const struct fault_report *report)
{
    long count = 0;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        count += sweep->kinds & FAULT_BIT(kind) ? report->points[kind] : 0;
    }
    return count;
}

static bool has_points(const struct unit *unit, const struct fault_sweep *sweep,
                       const struct fault_report *clean)
{
    if (sweep->drained) {
        return unit->scenario->place == FAULT_TASK;
    }
    return planned_kinds(sweep, clean) > 0;
}

static void expect_floors(const struct unit *unit, const struct fault_report *report)
{
    const struct fault_sweep all = {.kinds = FAULT_ALL};
    assert_int_equal(planned_kinds(&all, report) == 0, unit->scenario->pointless);
    if (!unit->schedule->exact) {
        return; /* how far threads have come decides; the whole group has a floor */
    }
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        long floor = unit->scenario->floors[kind];
        if (report->points[kind] < floor) {
            fail_msg("only %ld points of %s, expected %ld", report->points[kind],
                     fault_kind_names[kind], floor);
        }
    }
}

static void print_report(const struct unit *unit, const struct fault_sweep *sweep,
                         const struct fault_report *r)
{
    printf("FAULTS\t%s\t%s\t%s\t%ld\t%ld", unit->scenario->name, unit->schedule->name, sweep->name,
           r->runs, r->failed_runs);
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        printf("\t%ld/%ld", r->points[kind], r->fired[kind]);
    }
    printf("\n");
}

/* Runs in which calls failed, of all units. */
static long failed_runs;

static void run_unit(void **state)
{
    const struct unit *unit = *state;
    struct fault_report report;
    for (int i = 0; i < SWEEPS; i++) {
        if (i > 0 && !has_points(unit, &sweeps[i], &report)) {
            continue;
        }
        bool well =
            fault_run_sweep(unit->scenario, unit->schedule, &sweeps[i], unit->most, &report);
        print_report(unit, &sweeps[i], &report);
        failed_runs += report.failed_runs;
        if (!well) {
            fail_msg("%s, %s, point %ld of '%s':\n%s", unit->scenario->name, unit->schedule->name,
                     report.point, sweeps[i].name, report.text);
        }
        if (i == 0) {
            expect_floors(unit, &report);
        }
    }
}

/* ---------------------------------------------------------------- every public function */

/* Why a public function is in no scenario. */
static const struct {
    const char *name, *why;
} left_out[] = {
    {NULL, NULL},
};

static bool is_left_out(const char *name)
{
    for (int i = 0; left_out[i].name; i++) {
        if (strcmp(left_out[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void every_public_function_is_called(void **state)
{
    long missing = 0;
    (void)state;
    for (int call = 0; call < FAULT_CALL_COUNT; call++) {
        const char *name = fault_call_name((enum fault_call)call);
        bool called = fault_calls((enum fault_call)call) > 0;
        if (called == is_left_out(name)) {
            print_error("%s is %s\n", name,
                        called ? "called, but listed as left out" : "not called");
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

static void calls_have_failed_in_enough_runs(void **state)
{
    const struct group *group = *state;
    if (failed_runs < group->fewest) {
        fail_msg("in %ld runs, expected %ld", failed_runs, group->fewest);
    }
}

/* ---------------------------------------------------------------- main */

static bool fits(const struct fault_scenario *scenario, const struct fault_schedule *schedule)
{
    return scenario->clock == FAULT_CLOCK_ANY ||
           (scenario->clock == FAULT_CLOCK_REAL) == (schedule->clock == SHEAF_CLOCK_REAL);
}

static struct unit units[UNITS_MAX];
static struct CMUnitTest tests[UNITS_MAX + 2];

static size_t add_units(const struct group *group, const char *only, size_t count)
{
    for (int l = 0; l < LISTS; l++) {
        for (const struct fault_scenario *s = lists[l]; s->name; s++) {
            for (const struct fault_schedule *o = group->schedules;
                 o < group->schedules + 4 && o->name; o++) {
                if (fits(s, o) && (!only || strstr(s->name, only)) && count < UNITS_MAX) {
                    struct unit *unit = &units[count];
                    *unit = (struct unit){.scenario = s, .schedule = o, .most = group->most};
                    snprintf(unit->name, NAME_ROOM, "%s, %s", s->name, o->name);
                    tests[count++] = (struct CMUnitTest){unit->name, run_unit, NULL, NULL, unit};
                }
            }
        }
    }
    return count;
}

static int run_point_here(size_t count, const char *where)
{
    char schedule[64], sweep[64];
    long point;
    struct fault_report report;
    if (count != 1 && sscanf(where, "%63[^:]:", schedule) != 1) {
        return 2;
    }
    if (sscanf(where, "%63[^:]:%63[^:]:%ld", schedule, sweep, &point) != 3) {
        return 2;
    }
    for (size_t u = 0; u < count; u++) {
        for (int i = 0; i < SWEEPS; i++) {
            if (strcmp(units[u].schedule->name, schedule) == 0 &&
                strcmp(sweeps[i].name, sweep) == 0) {
                bool well = fault_run_here(units[u].scenario, units[u].schedule, &sweeps[i], point,
                                           &report);
                printf("%s\n%s", units[u].name, report.text);
                return !well;
            }
        }
    }
    return 2;
}

int main(int argc, char **argv)
{
    const char *only = getenv("SHEAF_FAULTS_ONLY");
    const char *point = getenv("SHEAF_FAULTS_POINT");
    size_t count = 0;
    struct group *group = NULL;
    fault_calls_begin();
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (argc == 2 && strcmp(argv[1], groups[i].name) == 0) {
            group = &groups[i];
            count = add_units(group, only, count);
        }
    }
    if (count == 0) {
        fprintf(stderr, "usage: faults_test GROUP\n");
        return 2;
    }
    if (point) {
        return run_point_here(count, point);
    }
    if (getenv("SHEAF_FAULTS_EVERY")) {
        for (size_t i = 0; i < count; i++) {
            units[i].most = 1L << 30;
        }
    }
    if (!only) {
        tests[count++] = (struct CMUnitTest)cmocka_unit_test(every_public_function_is_called);
        tests[count++] =
            (struct CMUnitTest)cmocka_unit_test_prestate(calls_have_failed_in_enough_runs, group);
    }
    return _cmocka_run_group_tests("faults", tests, count, NULL, NULL);
}
