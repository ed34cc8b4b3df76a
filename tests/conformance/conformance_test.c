/* The recorded scenarios: sheaf's traces are CPython's. */
#include "tests/conformance/play.h"
#include "tests/conformance/samples.h"
#include "tests/support/emulator.h"
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* The program, as Bazel lays it out. */
#define PLAYER "tests/conformance/player"

enum { SEEDS = 20, LIMIT_SECONDS = 120 };

/* ---------------------------------------------------------------- playing a sample */

static void show_difference(const struct sample *sample, const struct play_options *options,
                            const struct text *played)
{
    fprintf(stderr, "%s differs with --workers %d", sample->path, options->workers);
    if (options->seed) {
        fprintf(stderr, " --seed %llu", (unsigned long long)options->seed);
    }
    fprintf(stderr, ":\n");
    struct text command = {0};
    text_add(&command, "diff -u --label expected --label played '%s' - >&2", sample->expected_path);
    FILE *diff = popen(command.data, "w");
    if (diff) {
        fwrite(played->data, 1, played->length, diff);
        pclose(diff);
    }
    text_free(&command);
}

static void play_here(const struct sample *sample, const struct play_options *options,
                      struct text *played)
{
    struct scenario scenario;
    struct fault fault;
    if (!EXPECT(scenario_parse(sample->text.data, sample->text.length, &scenario, &fault))) {
        fprintf(stderr, "%s: line %u: %s\n", sample->path, fault.line, fault.why);
        return;
    }
    play_scenario(&scenario, options, played);
    scenario_free(&scenario);
}

/* Runs the program with these words behind its name.  Returns: its exit status */
static int run_player(const char *words, struct text *said)
{
    struct text command = {0};
    const char *player = getenv("SHEAF_PLAYER");
    text_add(&command, "%s %s %s", emulator_command(), player ? player : PLAYER, words);
    FILE *pipe = popen(command.data, "r");
    text_free(&command);
    if (!EXPECT(pipe != NULL)) {
        return -1;
    }
    char bytes[4096];
    size_t count;
    while ((count = fread(bytes, 1, sizeof bytes, pipe)) > 0) {
        text_add_bytes(said, bytes, count);
    }
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* In a process of its own: what the tasks of a deadlock held is lost. */
static void play_apart(const struct sample *sample, const struct play_options *options,
                       struct text *played)
{
    struct text words = {0};
    text_add(&words, "--workers %d ", options->workers);
    if (options->seed) {
        text_add(&words, "--seed %llu ", (unsigned long long)options->seed);
    }
    text_add(&words, "'%s'", sample->path);
    EXPECT_INT(run_player(words.data, played), 0);
    text_free(&words);
}

static void expect_agreement(const struct sample *sample, struct play_options options)
{
    struct text played = {0};
    if (sample->stuck) {
        play_apart(sample, &options, &played);
    } else {
        play_here(sample, &options, &played);
    }
    bool same = played.data && played.length == sample->expected.length &&
                memcmp(played.data, sample->expected.data, played.length) == 0;
    if (!EXPECT(same)) {
        show_difference(sample, &options, &played);
    }
    text_free(&played);
}

static void expect_parallel_agreement(struct play_options options)
{
    const struct samples *samples = samples_read();
    for (size_t i = 0; i < samples->count; i++) {
        if (samples->array[i].parallel) {
            expect_agreement(&samples->array[i], options);
        }
    }
}

/* ---------------------------------------------------------------- the tests */

static void there_are_scenarios_of_both_kinds(struct fixture *f)
{
    (void)f;
    const struct samples *samples = samples_read();
    size_t parallel = 0;
    for (size_t i = 0; i < samples->count; i++) {
        parallel += samples->array[i].parallel ? 1 : 0;
    }
    EXPECT(parallel > 100);
    EXPECT(samples->count - parallel > 100);
}

static void all_agree_in_asyncios_order(struct fixture *f)
{
    (void)f;
    const struct samples *samples = samples_read();
    fixture_allow(LIMIT_SECONDS);
    for (size_t i = 0; i < samples->count; i++) {
        expect_agreement(&samples->array[i], (struct play_options){.workers = 1});
    }
}

static void parallel_ones_agree_on_2_workers(struct fixture *f)
{
    (void)f;
    fixture_allow(LIMIT_SECONDS);
    expect_parallel_agreement((struct play_options){.workers = 2});
}

static void parallel_ones_agree_on_4_workers(struct fixture *f)
{
    (void)f;
    fixture_allow(LIMIT_SECONDS);
    expect_parallel_agreement((struct play_options){.workers = 4});
}

static void parallel_ones_agree_on_8_workers(struct fixture *f)
{
    (void)f;
    fixture_allow(LIMIT_SECONDS);
    expect_parallel_agreement((struct play_options){.workers = 8});
}

static void parallel_ones_agree_under_many_seeds(struct fixture *f)
{
    (void)f;
    size_t seeds = fixture_scaled(SEEDS);
    for (size_t seed = 1; seed <= seeds; seed++) {
        fixture_allow(LIMIT_SECONDS);
        expect_parallel_agreement((struct play_options){.workers = 1, .seed = seed});
    }
}

/* ---------------------------------------------------------------- what is no scenario */

static const struct {
    const char *text;
    unsigned line;
    const char *why;
} malformed[] = {
    {"", 1, "no main"},
    {"# nothing\n\ntask t\nend\n", 4, "no main"},
    {"main\n", 1, "the scenario ends inside a block"},
    {"main\nend\nend\n", 3, "'end' is no task, main or declaration"},
    {"main\nend\nmain\nend\n", 3, "'main' twice"},
    {"task t\nend\ntask t\nend\nmain\nend\n", 3, "'t' twice"},
    {"task main\nend\n", 1, "'task main' is no task, main or declaration"},
    {"queue q\nmain\nend\n", 1, "'queue q' is no task, main or declaration"},
    {"queue q x\nmain\nend\n", 1, "'x' is no whole number from 0 to 10000000"},
    {"main\n  hop\nend\n", 2, "no statement 'hop'"},
    {"main\n  sleep\nend\n", 2, "'sleep' with 0 words"},
    {"main\n  sleep 1 2\nend\n", 2, "'sleep' with 2 words"},
    {"main\n  sleep 10000001\nend\n", 2, "'10000001' is no whole number from 0 to 10000000"},
    {"main\n  sleep 99999999999999999999\nend\n", 2,
     "'99999999999999999999' is no whole number from 0 to 10000000"},
    {"main\n  sleep -1\nend\n", 2, "'-1' is no whole number from 0 to 10000000"},
    {"main\n  wait some none a\nend\n", 2, "'some' is none of all, first, error"},
    {"main\n  gather g all a\nend\n", 2, "'all' is none of raise, collect"},
    {"main\n  wait all never a\nend\n", 2, "'never' is no whole number from 0 to 10000000"},
    {"main\n  gspawn a t\nend\ntask t\nend\n", 2, "'gspawn' outside of a group"},
    {"main\n  spawn a t\nend\n", 2, "no task 't'"},
    {"main\n  spawn a main\nend\n", 2, "no task 'main'"},
    {"main\n  acquire x\nend\n", 2, "'x' is not declared as semaphore or lock"},
    {"event x\nmain\n  get x\nend\n", 3, "'x' is not declared as queue"},
    {"main\n  set x\nend\nevent x\n", 2, "'x' is not declared as event"},
    {"main\n  try\n  end\nend\n", 3, "no statement 'end'"},
    {"main\n  guard\n  catch\n  end\nend\n", 3, "no statement 'catch'"},
    {"main\n  group\nend\n", 3, "the scenario ends inside a block"},
    {"main\r\n  log a\r  log\xc2\xa0z\xe2\x80\xa8  hop\x0b"
     "end",
     4, "no statement 'hop'"},
    {"main\n  log \xff\nend\n", 2, "no text in UTF-8"},
    {"# \xed\xa0\x80\nmain\nend\n", 1, "no text in UTF-8"},
};

static void malformed_scenarios_are_refused(struct fixture *f)
{
    (void)f;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        struct scenario scenario;
        struct fault fault = {0};
        const char *text = malformed[i].text;
        if (!EXPECT(!scenario_parse(text, strlen(text), &scenario, &fault))) {
            scenario_free(&scenario);
        }
        EXPECT_INT(fault.line, malformed[i].line);
        EXPECT_TEXT(fault.why, malformed[i].why);
    }
}

static void the_program_says_why_in_one_line(struct fixture *f)
{
    (void)f;
    struct text said = {0};
    EXPECT_INT(run_player("/dev/null 2>&1", &said), 1);
    EXPECT_TEXT(said.data, "/dev/null: line 1: no main\n");
    text_free(&said);
    EXPECT_INT(run_player("no/such/file 2>&1", &said), 1);
    EXPECT_TEXT(said.data, "no/such/file: No such file or directory\n");
    text_free(&said);
    EXPECT_INT(run_player("--workers 0 /dev/null 2>/dev/null", &said), 2);
    text_free(&said);
}

#define TEST(name) POOL_TEST_ON(MODE_1, name)

static const struct fixture_test tests[] = {
    TEST(there_are_scenarios_of_both_kinds), TEST(all_agree_in_asyncios_order),
    TEST(parallel_ones_agree_on_2_workers),  TEST(parallel_ones_agree_on_4_workers),
    TEST(parallel_ones_agree_on_8_workers),  TEST(parallel_ones_agree_under_many_seeds),
    TEST(malformed_scenarios_are_refused),   TEST(the_program_says_why_in_one_line),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
