#include "tests/conformance/scenario.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/characters.h"

/* Blocks in blocks: as deep as the reference plays them. */
enum { DEPTH_MAX = 500 };

/* ---------------------------------------------------------------- the statements */

#define ANY SIZE_MAX

/* Places among the words after the verb count from 1; 0 is none. */
struct rule {
    const char *word;
    enum verb verb;
    size_t low, high; /* how many words follow */
    size_t number_at, limit_at, choice_at;
    const char *const *choices;
    bool block;
    const char *second; /* the word between the halves of a block */
    unsigned uses;      /* kinds of things that the first word may name */
};

static const char *const gather_choices[] = {"raise", "collect", NULL};
static const char *const wait_choices[] = {"all", "first", "error", NULL};

static const struct rule rules[] = {
    {"absorb", VERB_ABSORB, .low = 0, .high = 0, .block = true},
    {"acquire", VERB_ACQUIRE, .low = 1, .high = 1, .uses = THING_SEMAPHORE | THING_LOCK},
    {"await", VERB_AWAIT, .low = 1, .high = 1},
    {"await_event", VERB_AWAIT_EVENT, .low = 1, .high = 1, .uses = THING_EVENT},
    {"cancel", VERB_CANCEL, .low = 1, .high = 1},
    {"cancel_me", VERB_CANCEL_ME, .low = 0, .high = 0},
    {"cancelling", VERB_CANCELLING, .low = 0, .high = 0},
    {"each", VERB_EACH, .low = 1, .high = ANY, .limit_at = 1},
    {"gather", VERB_GATHER, .low = 2, .high = ANY, .choice_at = 2, .choices = gather_choices},
    {"get", VERB_GET, .low = 1, .high = 1, .uses = THING_QUEUE},
    {"group", VERB_GROUP, .low = 0, .high = 0, .block = true},
    {"gspawn", VERB_GSPAWN, .low = 2, .high = 2},
    {"guard", VERB_GUARD, .low = 0, .high = 0, .block = true, .second = "cleanup"},
    {"log", VERB_LOG, .low = 1, .high = 1},
    {"promise", VERB_PROMISE, .low = 1, .high = 1},
    {"put", VERB_PUT, .low = 2, .high = 2, .number_at = 2, .uses = THING_QUEUE},
    {"raise", VERB_RAISE, .low = 1, .high = 1},
    {"reject", VERB_REJECT, .low = 2, .high = 2},
    {"release", VERB_RELEASE, .low = 1, .high = 1, .uses = THING_SEMAPHORE | THING_LOCK},
    {"repeat", VERB_REPEAT, .low = 1, .high = 1, .number_at = 1, .block = true},
    {"resolve", VERB_RESOLVE, .low = 2, .high = 2, .number_at = 2},
    {"return", VERB_RETURN, .low = 1, .high = 1, .number_at = 1},
    {"set", VERB_SET, .low = 1, .high = 1, .uses = THING_EVENT},
    {"shield", VERB_SHIELD, .low = 2, .high = 2},
    {"sleep", VERB_SLEEP, .low = 1, .high = 1, .number_at = 1},
    {"spawn", VERB_SPAWN, .low = 2, .high = 2},
    {"timeout", VERB_TIMEOUT, .low = 1, .high = 1, .number_at = 1, .block = true},
    {"try", VERB_TRY, .low = 0, .high = 0, .block = true, .second = "catch"},
    {"uncancel", VERB_UNCANCEL, .low = 0, .high = 0},
    {"wait", VERB_WAIT, .low = 2, .high = ANY, .limit_at = 2, .choice_at = 1,
     .choices = wait_choices},
    {"wait_for", VERB_WAIT_FOR, .low = 2, .high = 2, .limit_at = 1},
    {"yield", VERB_YIELD, .low = 0, .high = 0},
};

static const struct kind {
    enum thing_kind kind;
    const char *word;
    bool numbered;
} kinds[] = {
    {THING_SEMAPHORE, "semaphore", true},
    {THING_EVENT, "event", false},
    {THING_LOCK, "lock", false},
    {THING_QUEUE, "queue", true},
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---------------------------------------------------------------- lines and words */

struct row {
    unsigned line;
    char **words;
    size_t count;
};

/* A task that a statement names, to be looked up when all are known. */
struct mention {
    struct statement *statement;
    const char *name;
};

struct parser {
    struct scenario made;
    struct row *rows;
    size_t row_count, row_room;
    size_t at; /* the next row */
    struct mention *mentions;
    size_t mention_count, mention_room;
    size_t thing_room;
    unsigned depth;
    struct fault *fault;
};

/* Returns: false, for the caller to pass on */
SHEAF_PRINTF(3, 4)
static bool refuse(struct parser *p, unsigned line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(p->fault->why, sizeof p->fault->why, format, arguments);
    va_end(arguments);
    p->fault->line = line;
    for (char *c = p->fault->why; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
    return false;
}

/* One line of the text, without its end. */
struct line {
    const char *text;
    size_t size;
    unsigned number;
};

/* The bytes up to the first blank, or up to the first other character. */
static size_t span(const char *text, size_t size, bool blanks)
{
    size_t at = 0;
    uint32_t code = 0;
    while (at < size) {
        size_t length = character_read(text + at, size - at, &code);
        if (character_is_blank(code) != blanks) {
            break;
        }
        at += length;
    }
    return at;
}

/* Splits a line into words; one without any is left out. */
static bool add_row(struct parser *p, const struct line *line)
{
    const char *comment = memchr(line->text, '#', line->size);
    size_t size = comment ? (size_t)(comment - line->text) : line->size;
    if (memchr(line->text, '\0', size)) {
        return refuse(p, line->number, "a zero byte");
    }
    struct row row = {.line = line->number};
    size_t room = 0;
    char **words = NULL;
    for (size_t at = span(line->text, size, true); at < size;) {
        const char *word = line->text + at;
        size_t length = span(word, size - at, false);
        words = array_grow(words, row.count, &room, sizeof *words);
        words[row.count++] = arena_copy(&p->made.arena, word, length);
        at += length;
        at += span(line->text + at, size - at, true);
    }
    if (row.count > 0) {
        row.words = arena_take(&p->made.arena, row.count * sizeof *words);
        memcpy(row.words, words, row.count * sizeof *words);
        p->rows = array_grow(p->rows, p->row_count, &p->row_room, sizeof *p->rows);
        p->rows[p->row_count++] = row;
    }
    free(words);
    return true;
}

/* Reads a line.  Returns: how many bytes it has with its end; 0 when they are no characters */
static size_t read_line(const char *text, size_t size, struct line *line)
{
    line->text = text;
    line->size = 0;
    while (line->size < size) {
        uint32_t code = 0;
        size_t length = character_read(text + line->size, size - line->size, &code);
        if (length == 0) {
            return 0;
        }
        if (character_ends_line(code)) {
            size_t end = line->size + length;
            return end + (code == '\r' && end < size && text[end] == '\n');
        }
        line->size += length;
    }
    return line->size;
}

static bool split(struct parser *p, const char *text, size_t size)
{
    struct line line = {.number = 1};
    for (size_t at = 0; at < size; line.number++) {
        size_t length = read_line(text + at, size - at, &line);
        if (length == 0) {
            return refuse(p, line.number, "no text in UTF-8");
        }
        if (!add_row(p, &line)) {
            return false;
        }
        at += length;
    }
    return true;
}

static unsigned last_line(const struct parser *p)
{
    return p->row_count > 0 ? p->rows[p->row_count - 1].line : 1;
}

/* ---------------------------------------------------------------- one statement */

static bool read_number(struct parser *p, unsigned line, const char *word, int *number)
{
    int value = 0;
    bool valid = *word != '\0';
    for (const char *c = word; *c && valid; c++) {
        valid = *c >= '0' && *c <= '9';
        value = valid ? 10 * value + (*c - '0') : value;
        valid = valid && value <= SCENARIO_MS_MAX;
    }
    if (!valid) {
        return refuse(p, line, "'%s' is no whole number from 0 to %d", word, SCENARIO_MS_MAX);
    }
    *number = value;
    return true;
}

static bool read_choice(struct parser *p, unsigned line, const struct rule *rule, const char *word,
                        int *choice)
{
    struct text list = {0};
    for (int i = 0; rule->choices[i]; i++) {
        if (strcmp(word, rule->choices[i]) == 0) {
            *choice = i;
            text_free(&list);
            return true;
        }
        text_add(&list, "%s%s", i > 0 ? ", " : "", rule->choices[i]);
    }
    refuse(p, line, "'%s' is none of %s", word, list.data);
    text_free(&list);
    return false;
}

static bool find_thing(struct parser *p, unsigned line, unsigned uses, const char *name,
                       size_t *thing)
{
    for (size_t i = p->made.thing_count; i-- > 0;) {
        const struct thing_declared *t = &p->made.things[i];
        if ((t->kind & uses) && strcmp(t->name, name) == 0) {
            *thing = i;
            return true;
        }
    }
    struct text list = {0};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].kind & uses) {
            text_add(&list, "%s%s", list.length > 0 ? " or " : "", kinds[i].word);
        }
    }
    refuse(p, line, "'%s' is not declared as %s", name, list.data);
    text_free(&list);
    return false;
}

static const struct rule *find_rule(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (strcmp(rules[i].word, word) == 0) {
            return &rules[i];
        }
    }
    return NULL;
}

static bool read_words(struct parser *p, const struct rule *rule, struct statement *s)
{
    char *const *words = s->words;
    if (s->count < rule->low || s->count > rule->high) {
        return refuse(p, s->line, "'%s' with %zu words", rule->word, s->count);
    }
    if (rule->number_at && !read_number(p, s->line, words[rule->number_at - 1], &s->number)) {
        return false;
    }
    if (rule->limit_at) {
        const char *limit = words[rule->limit_at - 1];
        s->number = -1;
        if (strcmp(limit, "none") != 0 && !read_number(p, s->line, limit, &s->number)) {
            return false;
        }
    }
    if (rule->choice_at && !read_choice(p, s->line, rule, words[rule->choice_at - 1], &s->choice)) {
        return false;
    }
    return !rule->uses || find_thing(p, s->line, rule->uses, words[0], &s->thing);
}

/* The statement of one row, without what is inside of it. */
static bool read_statement(struct parser *p, const struct row *row, bool in_group,
                           const struct rule **rule, struct statement *s)
{
    *rule = find_rule(row->words[0]);
    if (!*rule) {
        return refuse(p, row->line, "no statement '%s'", row->words[0]);
    }
    *s = (struct statement){
        .verb = (*rule)->verb, .line = row->line, .words = row->words + 1, .count = row->count - 1};
    if (!read_words(p, *rule, s)) {
        return false;
    }
    if (s->verb == VERB_GSPAWN && !in_group) {
        return refuse(p, row->line, "'gspawn' outside of a group");
    }
    return true;
}

/* ---------------------------------------------------------------- blocks */

static bool read_block(struct parser *p, const char *stop, bool in_group, struct block *out);

static bool read_halves(struct parser *p, const struct rule *rule, bool in_group,
                        struct statement *s)
{
    const char *stop = rule->second ? rule->second : "end";
    if (++p->depth > DEPTH_MAX) {
        return refuse(p, s->line, "more than %d blocks in each other", DEPTH_MAX);
    }
    p->made.depth = p->depth > p->made.depth ? p->depth : p->made.depth;
    if (!read_block(p, stop, in_group || s->verb == VERB_GROUP, &s->first)) {
        return false;
    }
    if (rule->second && !read_block(p, "end", in_group, &s->second)) {
        return false;
    }
    p->depth--;
    return true;
}

/* Statements of a block that is not at its end yet. */
struct statements {
    struct statement *array;
    size_t count, room;
};

static void mention(struct parser *p, struct statement *s)
{
    p->mentions = array_grow(p->mentions, p->mention_count, &p->mention_room, sizeof *p->mentions);
    p->mentions[p->mention_count++] = (struct mention){s, s->words[1]};
}

/* Moves the statements to their final place, where they may be referred to. */
static void settle(struct parser *p, struct statements *read, struct block *out)
{
    struct statement *place = arena_take(&p->made.arena, read->count * sizeof *place);
    for (size_t i = 0; i < read->count; i++) {
        place[i] = read->array[i];
        if (place[i].verb == VERB_SPAWN || place[i].verb == VERB_GSPAWN) {
            mention(p, &place[i]);
        }
    }
    *out = (struct block){place, read->count};
}

static bool read_next(struct parser *p, const struct row *row, bool in_group,
                      struct statements *read)
{
    const struct rule *rule;
    struct statement s;
    if (!read_statement(p, row, in_group, &rule, &s) ||
        (rule->block && !read_halves(p, rule, in_group, &s))) {
        return false;
    }
    read->array = array_grow(read->array, read->count, &read->room, sizeof *read->array);
    read->array[read->count++] = s;
    return true;
}

/* Reads up to and with the row that is just `stop`. */
static bool read_block(struct parser *p, const char *stop, bool in_group, struct block *out)
{
    struct statements read = {0};
    bool valid = true;
    while (valid) {
        if (p->at == p->row_count) {
            valid = refuse(p, last_line(p), "the scenario ends inside a block");
            break;
        }
        const struct row *row = &p->rows[p->at++];
        if (row->count == 1 && strcmp(row->words[0], stop) == 0) {
            settle(p, &read, out);
            break;
        }
        valid = read_next(p, row, in_group, &read);
    }
    free(read.array);
    return valid;
}

/* ---------------------------------------------------------------- top level */

static struct task_body *find_task(const struct scenario *scenario, const char *name)
{
    for (struct task_body *t = scenario->tasks; t; t = t->next) {
        if (strcmp(t->name, name) == 0) {
            return t;
        }
    }
    return NULL;
}

static bool read_task(struct parser *p, unsigned line, const char *name)
{
    if (find_task(&p->made, name)) {
        return refuse(p, line, "'%s' twice", name);
    }
    struct task_body *task = arena_take(&p->made.arena, sizeof *task);
    task->name = name;
    task->next = p->made.tasks;
    p->made.tasks = task;
    if (strcmp(name, "main") == 0) {
        p->made.main = task;
    }
    return read_block(p, "end", false, &task->block);
}

/* Adds a thing, which takes the place of those that were declared under its name. */
static void declare(struct parser *p, struct thing_declared thing)
{
    const unsigned taken_alike = THING_SEMAPHORE | THING_LOCK;
    thing.latest = p->made.thing_count;
    for (size_t i = 0; i < p->made.thing_count; i++) {
        struct thing_declared *older = &p->made.things[i];
        bool alike = older->kind == thing.kind ||
                     ((older->kind & taken_alike) && (thing.kind & taken_alike));
        if (alike && strcmp(older->name, thing.name) == 0) {
            older->latest = thing.latest;
        }
    }
    p->made.things =
        array_grow(p->made.things, p->made.thing_count, &p->thing_room, sizeof *p->made.things);
    p->made.things[p->made.thing_count++] = thing;
}

static bool read_declaration(struct parser *p, const struct row *row)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(kinds[i].word, row->words[0]) == 0 &&
            row->count == (kinds[i].numbered ? 3U : 2U)) {
            struct thing_declared thing = {.kind = kinds[i].kind, .name = row->words[1]};
            if (kinds[i].numbered && !read_number(p, row->line, row->words[2], &thing.number)) {
                return false;
            }
            declare(p, thing);
            return true;
        }
    }
    struct text words = {0};
    for (size_t i = 0; i < row->count; i++) {
        text_add(&words, "%s%s", i > 0 ? " " : "", row->words[i]);
    }
    refuse(p, row->line, "'%.100s' is no task, main or declaration", words.data);
    text_free(&words);
    return false;
}

static bool read_top(struct parser *p)
{
    while (p->at < p->row_count) {
        const struct row *row = &p->rows[p->at++];
        const char *last = row->words[row->count - 1];
        bool is_main = strcmp(last, "main") == 0;
        bool is_body = row->count == 1   ? is_main
                       : row->count == 2 ? strcmp(row->words[0], "task") == 0 && !is_main
                                         : false;
        if (is_body ? !read_task(p, row->line, last) : !read_declaration(p, row)) {
            return false;
        }
    }
    return true;
}

static bool resolve_mentions(struct parser *p)
{
    const struct mention *unknown = NULL;
    for (size_t i = 0; i < p->mention_count; i++) {
        const struct mention *m = &p->mentions[i];
        struct task_body *task = find_task(&p->made, m->name);
        m->statement->task = task;
        if ((!task || task == p->made.main) &&
            (!unknown || m->statement->line < unknown->statement->line)) {
            unknown = m;
        }
    }
    return !unknown || refuse(p, unknown->statement->line, "no task '%s'", unknown->name);
}

static bool parse(struct parser *p, const char *text, size_t size)
{
    if (!split(p, text, size) || !read_top(p)) {
        return false;
    }
    if (!p->made.main) {
        return refuse(p, last_line(p), "no main");
    }
    return resolve_mentions(p);
}

bool scenario_parse(const char *text, size_t size, struct scenario *out, struct fault *fault)
{
    struct parser p = {.fault = fault};
    bool valid = parse(&p, text, size);
    free(p.rows);
    free(p.mentions);
    if (valid) {
        *out = p.made;
    } else {
        scenario_free(&p.made);
    }
    return valid;
}

void scenario_free(struct scenario *scenario)
{
    free(scenario->things);
    arena_free(&scenario->arena);
    *scenario = (struct scenario){0};
}
