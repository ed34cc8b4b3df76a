/* Counts primes with a sieve, on all cores, and can be stopped and taken up again.
 *
 *     primes --state=count 1000000000000
 *
 * Shows a long computation: sheaf_for() works through segments of the range; Ctrl-C
 * (SHEAF_RUN_SIGINT) cancels the task, and the loop ends between two segments.  The program says
 * how far it came, keeps that in the state file if there is one, and exits with 130; the same
 * command goes on from there.  Expect 50847534 primes below 10^9 after a second or two. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "sieve.h"

static const char usage[] =
    "Usage: primes [OPTION]... LIMIT\n"
    "Print how many primes there are below LIMIT, which is at most 10^13.\n"
    "\n"
    "  -s, --state=FILE  keep in FILE how far it came, and begin there\n"
    "  -j, --jobs=N      so many segments at a time (default: the CPUs of the process)\n"
    "  -h, --help        this text\n"
    "\n"
    "The exit status is 0, 1 if something failed, 2 for wrong arguments, 130 after Ctrl-C.\n";

enum { UNKNOWN = -1, LINE_SIZE = 64 };

static const long limit_max = 10000000000000;

struct count {
    uint64_t limit;
    struct sieve sieve;
    size_t segments;
    int32_t *primes;   /* of each segment, or UNKNOWN */
    const char *state; /* a file, or NULL */
    bool failed;       /* the state file could not be read or written */
    long jobs;
};

/* ---------------------------------------------------------------- the work */

/* Those that the state file knew are not counted again. */
static int count_segments(void *context, size_t begin, size_t end)
{
    struct count *count = context;
    bool *composite = malloc(SIEVE_ROOM);
    if (!composite) {
        return ENOMEM;
    }
    for (size_t i = begin; i < end; i++) {
        if (count->primes[i] == UNKNOWN) {
            count->primes[i] = sieve_count(&count->sieve, i, composite);
        }
    }
    free(composite);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- state */

/* Returns: whether the line is one of the state file's */
static bool read_segment(struct count *count, const char *line)
{
    char *middle;
    char *end;
    uint64_t segment = strtoull(line, &middle, 10);
    long primes = strtol(middle, &end, 10);
    if (middle == line || end == middle || *end != '\n' || segment >= count->segments ||
        primes < 0 || primes > SEGMENT) {
        return false;
    }
    count->primes[segment] = (int32_t)primes;
    return true;
}

/* The file has the limit in its first line, then a line for each finished segment: its number and
 * how many primes it has.  A file that is not there knows nothing.
 *
 * Returns: SHEAF_OK, an errno value: EINVAL for a file of another limit, or of something else */
static int read_state(struct count *count)
{
    FILE *file = fopen(count->state, "r");
    if (!file) {
        return errno == ENOENT ? SHEAF_OK : errno;
    }
    char head[LINE_SIZE];
    char line[LINE_SIZE];
    snprintf(head, sizeof head, "primes below %" PRIu64 "\n", count->limit);
    bool is_well = fgets(line, sizeof line, file) && strcmp(line, head) == 0;
    while (is_well && fgets(line, sizeof line, file)) {
        is_well = read_segment(count, line);
    }
    bool failed = ferror(file);
    fclose(file);
    return failed ? EIO : is_well ? SHEAF_OK : EINVAL;
}

/* The old file is there until the new one is complete. */
static int write_state(const struct count *count)
{
    char *name;
    if (asprintf(&name, "%s.new", count->state) < 0) {
        return ENOMEM;
    }
    FILE *file = fopen(name, "w");
    int status = file ? SHEAF_OK : errno;
    if (file) {
        fprintf(file, "primes below %" PRIu64 "\n", count->limit);
        for (size_t i = 0; i < count->segments; i++) {
            if (count->primes[i] != UNKNOWN) {
                fprintf(file, "%zu %" PRId32 "\n", i, count->primes[i]);
            }
        }
        bool failed = ferror(file);
        status = fclose(file) ? errno : failed ? EIO : SHEAF_OK;
        status = status == SHEAF_OK && rename(name, count->state) ? errno : status;
    }
    free(name);
    return status;
}

/* ---------------------------------------------------------------- the program */

static int run(void *arg, sheaf_value *result)
{
    (void)result;
    struct count *count = arg;
    static char unit[] = "segments";
    return sheaf_for(
        SHEAF_LOOP_OPTIONS(.grain = 1, .progress = cli_progress, .progress_context = unit), 0,
        count->segments, count_segments, count);
}

/* Tells what is wrong with the state file. */
static bool is_fine(struct count *count, int status)
{
    if (status != SHEAF_OK) {
        cli_complain("%s: %s", count->state,
                     status == EINVAL ? "not a state of this limit" : sheaf_status_text(status));
        count->failed = true;
    }
    return status == SHEAF_OK;
}

static void tell(const struct count *count, int status, bool kept)
{
    uint64_t primes = 0;
    size_t finished = 0;
    for (size_t i = 0; i < count->segments; i++) {
        if (count->primes[i] != UNKNOWN) {
            finished++;
            primes += (uint64_t)count->primes[i];
        }
    }
    if (status == SHEAF_OK) {
        cli_print("%" PRIu64 "\n", primes);
    } else {
        cli_complain("stopped after %zu of %zu segments, which have %" PRIu64 " primes%s", finished,
                     count->segments, primes, kept ? "; the state is kept" : "");
    }
}

/* Returns: SHEAF_OK, an errno value, a status of the run */
static int count_primes(struct count *count)
{
    count->segments = (size_t)((count->limit + SEGMENT - 1) / SEGMENT);
    count->primes = malloc((count->segments + 1) * sizeof *count->primes);
    if (!count->primes) {
        return ENOMEM;
    }
    for (size_t i = 0; i < count->segments; i++) {
        count->primes[i] = UNKNOWN;
    }
    SHEAF_TRY(sieve_open(&count->sieve, count->limit));
    /* It is written at once, to know now whether that is possible. */
    if (count->state &&
        !(is_fine(count, read_state(count)) && is_fine(count, write_state(count)))) {
        return SHEAF_OK;
    }
    int status = sheaf_run(SHEAF_OPTIONS(.workers = (int)count->jobs, .flags = SHEAF_RUN_SIGINT),
                           run, count, NULL);
    bool kept = count->state && is_fine(count, write_state(count));
    tell(count, status, kept);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"state", required_argument, NULL, 's'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct count count = {0};
    long limit;
    int option;
    while ((option = cli_option(argc, argv, "s:j:h", options)) != -1) {
        if (option == 'h') {
            return cli_help(usage);
        }
        if (option == 's') {
            count.state = optarg;
        } else if (option != 'j' ||
                   !cli_number("--jobs", optarg, 1, SHEAF_WORKERS_MAX, &count.jobs)) {
            return CLI_MISUSE;
        }
    }
    if (optind != argc - 1) {
        cli_complain("it takes one number, the limit; --help tells more");
        return CLI_MISUSE;
    }
    if (!cli_number("LIMIT", argv[optind], 0, limit_max, &limit)) {
        return CLI_MISUSE;
    }
    count.limit = (uint64_t)limit;
    int status = count_primes(&count);
    free(count.primes);
    sieve_close(&count.sieve);
    return cli_exit(status, count.failed);
}
