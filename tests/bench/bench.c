/* Measures workloads: bench WORKLOAD [--workers N] [--n N] [--FORM]; --help lists them.
 *
 * bazel-bin/tests/bench/bench after ./bazelw build -c opt //tests/bench:bench */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum { FORMS_MAX = 6 };

static const struct workload {
    const char *name;
    int64_t n;
    const char *forms[FORMS_MAX]; /* the first is the default */
    int (*run)(const struct bench_run *run);
    const char *text;
} workloads[] = {
    {"w1_fib", 35, {"frame", "heap", "inline", "serial"}, bench_fib, "fib(n), a task a call"},
    {"w2_queens", 13, {"pairs", "flat", "heap", "serial"}, bench_queens, "n queens"},
    {"w2b_uts", 16000, {"halves", "flat", "heap", "serial"}, bench_uts, "an unbalanced tree"},
    {"w3_skynet", 1000000, {"frame", "heap", "serial"}, bench_skynet, "n leaves, ten a node"},
    {"w4_submit",
     1000000,
     {"single", "gather", "batch", "serial"},
     bench_submit,
     "n futures from a thread"},
    {"w5_latency", 1000, {"blocked"}, bench_latency, "1 and 64 tasks into an idle pool, n times"},
    {"w6_pingpong",
     500000,
     {"all", "queue", "event", "future", "condition", "yield"},
     bench_pingpong,
     "handing over between two tasks, n times"},
    {"w7_sleepers", 100000, {"tasks", "timers"}, bench_sleepers, "n sleepers of 1 to 2 s"},
    {"w8_timers", 1000000, {"limits", "futures"}, bench_timers, "n timers set and taken back"},
    {"w9_map", 1, {"halves", "serial"}, bench_map, "a flat and a skewed map"},
    {"w10_idle", 1, {"idle"}, bench_idle, "a pool that does nothing"},
    {"w11_cancel", 100000, {"outside", "inside"}, bench_cancel, "cancelling n sleepers"},
    {"w12_gather", 1000000, {"tasks"}, bench_gather, "gather and wait over up to n futures"},
    {"w13_small", 1000000, {"all"}, bench_small, "the smallest calls, n times"},
    {"w14_memory", 100000, {"all"}, bench_memory, "bytes of futures, tasks, timers"},
    {"w15_traffic", 35, {"all", "fork", "submit"}, bench_traffic, "steals, wake-ups in 1e6 tasks"},
};

static const struct workload *find_workload(const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        if (!strcmp(workloads[i].name, name)) {
            return &workloads[i];
        }
    }
    return NULL;
}

static const char *find_form(const struct workload *workload, const char *name)
{
    for (int i = 0; i < FORMS_MAX && workload->forms[i]; i++) {
        if (!strcmp(workload->forms[i], name)) {
            return workload->forms[i];
        }
    }
    return NULL;
}

static void print_help(FILE *out)
{
    fprintf(out, "usage: bench WORKLOAD [--workers N] [--n N] [--FORM]\n\n"
                 "Prints metric<TAB>value lines.  Workloads, the size n, what it is, the forms:\n");
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        const struct workload *at = &workloads[i];
        fprintf(out, "  %-12s %8lld  %-42s", at->name, (long long)at->n, at->text);
        for (int form = 0; form < FORMS_MAX && at->forms[form]; form++) {
            fprintf(out, " --%s", at->forms[form]);
        }
        fputc('\n', out);
    }
}

/* Returns: false when an argument makes no sense */
static bool read_arguments(const struct workload *workload, struct bench_run *run, int argc,
                           char **argv)
{
    for (int i = 2; i < argc; i++) {
        bool has_number = i + 1 < argc;
        if (has_number && !strcmp(argv[i], "--workers")) {
            run->workers = atoi(argv[++i]);
        } else if (has_number && !strcmp(argv[i], "--n")) {
            run->n = atoll(argv[++i]);
        } else if (!strncmp(argv[i], "--", 2) && find_form(workload, argv[i] + 2)) {
            run->form = argv[i] + 2;
        } else {
            return false;
        }
    }
    return run->workers > 0 && run->n > 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--help")) {
        print_help(stdout);
        return 0;
    }
    const struct workload *workload = argc > 1 ? find_workload(argv[1]) : NULL;
    struct bench_run run = {.workers = 1};
    if (workload) {
        run.n = workload->n;
        run.form = workload->forms[0];
    }
    if (!workload || !read_arguments(workload, &run, argc, argv)) {
        print_help(stderr);
        return 2;
    }
    return sheaf_exit_code(workload->run(&run));
}
