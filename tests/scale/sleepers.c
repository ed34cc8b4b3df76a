/* Many sleepers at once: what they cost in time and memory, and whether all of them wake.
 *
 *   sleepers [--count N] [--timers] [--workers N] [--stack BYTES] [--rounds N] [--ms N] [--virtual]
 *            [--limit-mib N]
 *
 * Each round spawns tasks, each of which sleeps once for --ms to twice that, and gathers them; with
 * --timers it sets timers instead, and awaits one after the other.  Prints `metric<TAB>value` lines
 * for each round: CPU time, the time by which the round took longer than its longest sleep, the
 * peak of the memory.
 *
 * With --virtual nothing is slept for; but the clock moves only when nothing can run, so that every
 * one of the sleepers is asleep at one time.  Ends with 1 when not all of them slept well, or when
 * the process needed more memory than --limit-mib. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <sheaf.h>

struct options {
    size_t count;
    bool timers;
    int workers;
    size_t stack;
    int rounds;
    sheaf_duration shortest;
    bool is_virtual;
    long limit_mib;
};

static double seconds_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static int sleep_once(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_sleep((sheaf_duration)(intptr_t)arg);
}

/* Spread evenly over the range, in no order; the last one is the longest. */
static sheaf_duration delay_of(const struct options *options, size_t i)
{
    size_t place = i * 7919 % options->count;
    double share = (double)place / (double)options->count;
    return options->shortest + (sheaf_duration)(share * (double)options->shortest);
}

static int wait_for_timers(const struct options *options, sheaf_future **futures)
{
    for (size_t i = 0; i < options->count; i++) {
        futures[i] = sheaf_timer(NULL, delay_of(options, i));
    }
    for (size_t i = 0; i < options->count; i++) {
        SHEAF_TRY(sheaf_await(futures[i], NULL));
    }
    return SHEAF_OK;
}

static int wait_for_tasks(const struct options *options, sheaf_future **futures)
{
    for (size_t i = 0; i < options->count; i++) {
        futures[i] = sheaf_spawn(sleep_once, (void *)(intptr_t)delay_of(options, i));
    }
    return sheaf_gather(futures, options->count, SHEAF_GATHER_RAISE, NULL, NULL);
}

static int one_round(const struct options *options, sheaf_future **futures, int round)
{
    double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    SHEAF_TRY(options->timers ? wait_for_timers(options, futures)
                              : wait_for_tasks(options, futures));
    wall = seconds_of(CLOCK_MONOTONIC) - wall;
    sheaf_release_all(futures, options->count);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    double ideal = options->is_virtual ? 0 : 2 * (double)options->shortest / 1e9;
    printf("round\t%d\ncpu_s\t%.3f\nover_ms\t%.1f\npeak_mib\t%.1f\n", round, cpu,
           (wall - ideal) * 1e3, peak_mib());
    return SHEAF_OK;
}

static int run_rounds(void *arg, sheaf_value *result)
{
    const struct options *options = arg;
    (void)result;
    sheaf_future **futures = calloc(options->count, sizeof *futures);
    int status = futures ? SHEAF_OK : SHEAF_NOMEM;
    for (int round = 0; status == SHEAF_OK && round < options->rounds; round++) {
        status = one_round(options, futures, round);
    }
    free(futures);
    return status;
}

static bool read_arguments(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--virtual") == 0) {
            options->is_virtual = true;
            continue;
        }
        if (strcmp(argv[i], "--timers") == 0) {
            options->timers = true;
            continue;
        }
        if (strcmp(argv[i], "--count") == 0) {
            options->count = strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--workers") == 0) {
            options->workers = atoi(value);
        } else if (strcmp(argv[i], "--stack") == 0) {
            options->stack = strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--rounds") == 0) {
            options->rounds = atoi(value);
        } else if (strcmp(argv[i], "--ms") == 0) {
            options->shortest = SHEAF_MS(atol(value));
        } else if (strcmp(argv[i], "--limit-mib") == 0) {
            options->limit_mib = atol(value);
        } else {
            return false;
        }
        i++;
    }
    return options->count > 0;
}

int main(int argc, char **argv)
{
    struct options options = {.count = 100000, .workers = 2, .rounds = 1, .shortest = SHEAF_S(1)};
    if (!read_arguments(argc, argv, &options)) {
        fprintf(stderr, "usage: see the head of tests/scale/sleepers.c\n");
        return 2;
    }
    int status = sheaf_run(
        SHEAF_OPTIONS(.workers = options.workers, .stack_size = options.stack,
                      .clock = options.is_virtual ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL),
        run_rounds, &options, NULL);
    if (status != SHEAF_OK) {
        fprintf(stderr, "the sleepers ended with %s\n", sheaf_status_name(status));
    } else if (options.limit_mib > 0 && peak_mib() > (double)options.limit_mib) {
        fprintf(stderr, "%.0f MiB are more than the %ld MiB allowed\n", peak_mib(),
                options.limit_mib);
        status = 1;
    }
    return status == SHEAF_OK ? 0 : 1;
}
