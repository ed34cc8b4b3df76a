#include "tests/conformance/play.h"

#include <stdlib.h>
#include <string.h>

#include "tests/conformance/actor.h"
#include "tests/conformance/blocks.h"
#include "tests/conformance/things.h"

/* A statement's own frames with nested outcomes to write, and what a block in a block adds; with
 * room for a sanitizer. */
#define STACK_BYTES ((size_t)512 << 10)
#define STACK_BYTES_A_BLOCK ((size_t)8 << 10)

/* The errors of a scenario stand in its trace, and a deadlock is one of its outcomes. */
static void ignore_unhandled(void *context, const sheaf_error *error, const char *task_name)
{
    (void)context;
    (void)error;
    (void)task_name;
}

static void ignore_report(void *context, const char *line)
{
    (void)context;
    (void)line;
}

/* The task of sheaf_run(): `main` of the scenario. */
static int play_main(void *arg, sheaf_value *result)
{
    struct play *play = arg;
    play->start = sheaf_now();
    int status = things_open(play);
    if (status != SHEAF_OK) {
        play->over = true;
        return status;
    }
    return play_body(actor_new(play, NULL, "main", play->scenario->main), result);
}

static void write_finals(const struct play *play, struct text *out)
{
    size_t count = 0;
    for (const struct handle *h = play->handles; h; h = h->older) {
        count++;
    }
    char **finals = malloc((count + 1) * sizeof *finals);
    size_t n = 0;
    for (const struct handle *h = play->handles; h && finals; h = h->older) {
        struct text line = {0};
        text_add(&line, "final %s ", h->path);
        outcome_write(h, &line);
        finals[n++] = line.data;
    }
    sort_texts(finals, n);
    for (size_t i = 0; i < n; i++) {
        text_add(out, "%s\n", finals[i]);
        free(finals[i]);
    }
    free(finals);
}

static int run(struct play *play, const struct play_options *options)
{
    const bool fifo = options->workers == 1 && options->seed == 0;
    const size_t stack = STACK_BYTES + play->scenario->depth * STACK_BYTES_A_BLOCK;
    sheaf_set_report_hook(ignore_report, NULL);
    int status =
        sheaf_run(SHEAF_OPTIONS(.workers = options->workers, .name = "player", .stack_size = stack,
                                .clock = SHEAF_CLOCK_VIRTUAL,
                                .schedule = fifo ? SHEAF_SCHEDULE_FIFO : SHEAF_SCHEDULE_STEAL,
                                .seed = options->seed, .unhandled = ignore_unhandled),
                  play_main, play, NULL);
    sheaf_set_report_hook(NULL, NULL);
    return status;
}

/* After a deadlock the stacks of abandoned tasks are not touched any more, so that what they refer
 * to may go; what of sheaf's they refer to is lost. */
static void play_free(struct play *play, bool stuck)
{
    if (!stuck) {
        things_close(play);
    }
    for (struct handle *h = play->handles; h; h = h->older) {
        sheaf_release(h->future);
    }
    trace_free(&play->trace);
    arena_free(&play->arena);
    pthread_mutex_destroy(&play->lock);
}

enum play_result play_scenario(const struct scenario *scenario, const struct play_options *options,
                               struct text *out)
{
    struct play play = {.scenario = scenario, .lock = PTHREAD_MUTEX_INITIALIZER, .start = -1};
    int status = run(&play, options);
    bool began = play.start >= 0;
    bool stuck = began && (status == SHEAF_DEADLOCK || play.over);
    if (stuck) {
        text_add(out, "stuck\n");
    } else if (began) {
        trace_write(&play.trace, out);
        write_finals(&play, out);
    }
    play_free(&play, status == SHEAF_DEADLOCK || !began);
    return !began ? PLAY_REFUSED : stuck ? PLAY_STUCK : PLAYED;
}
