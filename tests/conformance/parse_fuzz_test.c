/* The parser under mutated scenarios: any text is either a scenario or refused with a reason. */
#include "tests/conformance/samples.h"
#include "tests/conformance/scenario.h"
#include "tests/support/fixture.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 100000, MUTATIONS_MAX = 6, TEXT_MAX = 1 << 16 };

/* ---------------------------------------------------------------- dice */

static uint64_t dice;

static void start_dice(void)
{
    const char *text = getenv("SHEAF_STRESS_SEED");
    dice = text ? strtoull(text, NULL, 10) : 1;
    dice = dice ? dice : 1;
}

static size_t below(size_t limit)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return limit > 0 ? (size_t)(dice % limit) : 0;
}

/* ---------------------------------------------------------------- mutations */

static const char *const words[] = {
    "task",      "main",      "end",         "catch",
    "cleanup",   "try",       "guard",       "group",
    "absorb",    "repeat",    "timeout",     "gspawn a t",
    "spawn",     "await",     "gather",      "wait",
    "each",      "none",      "first",       "collect",
    "semaphore", "queue",     "lock",        "event",
    "acquire",   "put",       "0",           "10000000",
    "10000001",  "-1",        "#",           "99999999999999999999999999",
    "t",         "main\nend", "task t\nend", "try\n",
    "group\n",   "\n",        "end\n",
};

/* Replaces `gone` bytes at `at` by others. */
static void splice(struct text *text, size_t at, size_t gone, const char *bytes, size_t count)
{
    struct text made = {0};
    text_add_bytes(&made, text->data, at);
    text_add_bytes(&made, bytes, count);
    text_add_bytes(&made, text->data + at + gone, text->length - at - gone);
    text_free(text);
    *text = made;
}

/* The bytes of one line, with its end. */
static void pick_line(const struct text *text, size_t *at, size_t *length)
{
    *at = below(text->length);
    while (*at > 0 && text->data[*at - 1] != '\n') {
        (*at)--;
    }
    const char *end = memchr(text->data + *at, '\n', text->length - *at);
    *length = end ? (size_t)(end - text->data) - *at + 1 : text->length - *at;
}

static void mutate_bytes(struct text *text)
{
    size_t at = below(text->length);
    char byte = (char)below(256);
    size_t gone = below(3) == 0 ? below(text->length - at) : below(2);
    splice(text, at, text->length > at ? gone : 0, &byte, below(2));
}

static void mutate_word(struct text *text)
{
    size_t at = below(text->length);
    while (at < text->length && !isspace((unsigned char)text->data[at])) {
        at++;
    }
    struct text word = {0};
    text_add(&word, "%s%s", below(2) ? " " : "\n", words[below(sizeof words / sizeof words[0])]);
    splice(text, at, 0, word.data, word.length);
    text_free(&word);
}

/* Takes a line away, doubles it, or puts it somewhere else. */
static void mutate_line(struct text *text)
{
    size_t at;
    size_t length;
    pick_line(text, &at, &length);
    struct text line = {0};
    text_add_bytes(&line, text->data + at, length);
    size_t kind = below(3);
    if (kind != 0) {
        splice(text, at, length, "", 0);
    }
    if (kind != 1) {
        size_t to;
        pick_line(text, &to, &length);
        splice(text, to, 0, line.data, line.length);
    }
    text_free(&line);
}

/* The beginning of one scenario and the rest of another. */
static void mutate_by_mixing(struct text *text, const struct samples *samples)
{
    const struct text *other = &samples->array[below(samples->count)].text;
    size_t from = below(other->length);
    size_t at = below(text->length);
    splice(text, at, text->length - at, other->data + from, other->length - from);
}

/* Something a hundred times. */
static void mutate_by_repeating(struct text *text)
{
    const char *word = words[below(sizeof words / sizeof words[0])];
    struct text many = {0};
    for (size_t i = below(300); i > 0; i--) {
        text_add(&many, "%s\n", word);
    }
    text_add(&many, "%s", "\n");
    splice(text, below(text->length), 0, many.data, many.length);
    text_free(&many);
}

static void mutate(struct text *text, const struct samples *samples)
{
    switch (below(8)) {
    case 0:
    case 1:
        mutate_bytes(text);
        break;
    case 2:
    case 3:
        mutate_line(text);
        break;
    case 4:
        mutate_by_mixing(text, samples);
        break;
    case 5:
        mutate_by_repeating(text);
        break;
    default:
        mutate_word(text);
    }
}

/* ---------------------------------------------------------------- what must hold */

static size_t count_statements(const struct block *block)
{
    size_t count = block->count;
    for (size_t i = 0; i < block->count; i++) {
        const struct statement *s = &block->statements[i];
        if (s->verb == VERB_SPAWN || s->verb == VERB_GSPAWN) {
            EXPECT(s->task != NULL);
        }
        EXPECT(s->number >= -1 && s->number <= SCENARIO_MS_MAX);
        count += count_statements(&s->first) + count_statements(&s->second);
    }
    return count;
}

static void expect_scenario(const struct scenario *scenario, size_t size)
{
    size_t statements = 0;
    EXPECT(scenario->main != NULL);
    for (const struct task_body *t = scenario->tasks; t; t = t->next) {
        statements += count_statements(&t->block);
    }
    EXPECT(statements <= size);
}

static void expect_fault(const struct fault *fault, size_t size)
{
    EXPECT(fault->line >= 1 && fault->line <= size + 1);
    size_t length = strlen(fault->why);
    EXPECT(length > 0 && length < FAULT_TEXT);
    for (size_t i = 0; i < length; i++) {
        EXPECT(!iscntrl((unsigned char)fault->why[i]));
    }
}

static bool parse_is_sound(const char *bytes, size_t size)
{
    /* On the heap and no byte longer, so that a sanitizer sees what lies behind it. */
    char *text = malloc(size > 0 ? size : 1);
    if (!text) {
        return false;
    }
    memcpy(text, bytes, size);
    struct scenario scenario;
    struct fault fault = {0};
    bool valid = scenario_parse(text, size, &scenario, &fault);
    free(text);
    if (valid) {
        expect_scenario(&scenario, size);
        scenario_free(&scenario);
    } else {
        expect_fault(&fault, size);
    }
    return valid;
}

static void mutated_scenarios_are_read_or_refused(struct fixture *f)
{
    (void)f;
    const struct samples *samples = samples_read();
    EXPECT(samples->count > 0);
    start_dice();
    size_t valid = 0;
    size_t rounds = fixture_scaled(ROUNDS);
    for (size_t i = 0; i < rounds && samples->count > 0 && !check_failed(&fixture_check); i++) {
        uint64_t dice_before = dice;
        const struct text *sample = &samples->array[below(samples->count)].text;
        struct text text = {0};
        text_add_bytes(&text, sample->data, sample->length);
        for (size_t k = below(MUTATIONS_MAX); k > 0 && text.length > 0 && text.length < TEXT_MAX;
             k--) {
            mutate(&text, samples);
        }
        valid += parse_is_sound(text.data, text.length) ? 1 : 0;
        if (check_failed(&fixture_check)) {
            fprintf(stderr, "SHEAF_STRESS_SEED=%llu finds it in its first round\n",
                    (unsigned long long)dice_before);
        }
        text_free(&text);
    }
    EXPECT(valid > 0 && valid < rounds);
}

static void blocks_in_blocks_end_somewhere(struct fixture *f)
{
    (void)f;
    struct text text = {0};
    text_add(&text, "main\n");
    for (int i = 0; i < 100000; i++) {
        text_add(&text, "absorb\n");
    }
    struct scenario scenario;
    struct fault fault = {0};
    EXPECT(!scenario_parse(text.data, text.length, &scenario, &fault));
    EXPECT_TEXT(fault.why, "more than 500 blocks in each other");
    text_free(&text);
}

static const struct fixture_test tests[] = {
    POOL_TEST_ON(MODE_1, mutated_scenarios_are_read_or_refused),
    POOL_TEST_ON(MODE_1, blocks_in_blocks_end_somewhere),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
