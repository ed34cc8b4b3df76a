/* Plays a scenario on sheaf and prints its settled trace.
 *
 *     player [--workers N] [--seed S] FILE
 *     player --parse FILE
 *
 * One worker, which is the default, plays in asyncio's order; with a seed the schedule is drawn
 * from it.  More workers steal from each other, and the schedule is then the machine's: a seed has
 * no say in it.  --parse only says whether the file is a scenario.
 *
 * Exit status: 0 played, or parsed; 1 no scenario, with the reason as one line on standard error;
 * 2 wrong usage, or such a pool could not be opened.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sheaf.h>

#include "tests/conformance/play.h"
#include "tests/conformance/samples.h"

struct request {
    struct play_options options;
    bool parse_only;
    const char *file;
};

static bool read_number(const char *word, uint64_t max, uint64_t *number)
{
    char *end;
    errno = 0;
    unsigned long long value = word && *word >= '0' && *word <= '9' ? strtoull(word, &end, 10) : 0;
    if (!word || *word < '0' || *word > '9' || *end || errno || value > max) {
        return false;
    }
    *number = value;
    return true;
}

static bool read_arguments(char **words, struct request *request)
{
    uint64_t number;
    while (*words && strncmp(*words, "--", 2) == 0) {
        const char *option = *words++;
        if (strcmp(option, "--parse") == 0) {
            request->parse_only = true;
        } else if (strcmp(option, "--workers") == 0 &&
                   read_number(*words, SHEAF_WORKERS_MAX, &number) && number > 0) {
            request->options.workers = (int)number;
            words++;
        } else if (strcmp(option, "--seed") == 0 && read_number(*words, UINT64_MAX, &number)) {
            request->options.seed = number ? number : UINT64_MAX; /* 0 is none to sheaf */
            words++;
        } else {
            return false;
        }
    }
    if (request->options.workers > 1) {
        request->options.seed = 0;
    }
    request->file = words[0];
    return words[0] && !words[1];
}

/* After a deadlock what the abandoned tasks held is lost: not a leak to be told of. */
static int finish(enum play_result result)
{
    if (fflush(stdout) != 0) {
        perror("player: standard output");
        return 2;
    }
    if (result == PLAY_STUCK) {
        _exit(0);
    }
    return result == PLAYED ? 0 : 2;
}

static int play(const struct request *request, const struct scenario *scenario)
{
    struct text trace = {0};
    enum play_result result = play_scenario(scenario, &request->options, &trace);
    if (result == PLAY_REFUSED) {
        fputs("player: sheaf could not open the pool\n", stderr);
    } else {
        fwrite(trace.data, 1, trace.length, stdout);
    }
    text_free(&trace);
    return finish(result);
}

int main(int count, char **words)
{
    struct request request = {.options = {.workers = 1}};
    if (count < 2 || !read_arguments(words + 1, &request)) {
        fputs("usage: player [--workers N] [--seed S] FILE\n"
              "       player --parse FILE\n",
              stderr);
        return 2;
    }
    struct text text = {0};
    if (!read_file(request.file, &text)) {
        fprintf(stderr, "%s: %s\n", request.file, strerror(errno));
        text_free(&text);
        return 1;
    }
    struct scenario scenario;
    struct fault fault;
    bool valid = scenario_parse(text.data, text.length, &scenario, &fault);
    text_free(&text);
    if (!valid) {
        fprintf(stderr, "%s: line %u: %s\n", request.file, fault.line, fault.why);
        return 1;
    }
    int status = request.parse_only ? 0 : play(&request, &scenario);
    scenario_free(&scenario);
    return status;
}
