/* Dumps as text and as JSON: what a snapshot (lib/snapshot.h) says, written. */
#include <sheaf/debug.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/json_string.h"
#include "lib/late_line.h"
#include "lib/registry.h"
#include "lib/snapshot.h"

/* ---------------------------------------------------------------- lines */

/* Told at most of a name and of a place. */
#define NAME_SIZE 100
#define PLACE_SIZE 200

#define LINE_SIZE 2048U
#define LINE_FULL 400U /* a line of JSON is told when it is longer, between two members */

struct line {
    sheaf_report_fn *report;
    void *context;
    size_t length;
    char text[LINE_SIZE];
};

static void SHEAF_PRINTF(2, 3) add(struct line *line, const char *format, ...)
{
    size_t room = sizeof line->text - line->length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->text + line->length, room, format, arguments);
    va_end(arguments);
    if (length > 0) {
        line->length += (size_t)length < room ? (size_t)length : room - 1;
    }
}

static void tell(struct line *line)
{
    line->text[line->length] = '\0';
    line->report(line->context, line->text);
    line->length = 0;
}

/* A name as part of a line: what would end or disturb that is a question mark. */
static void add_name(struct line *line, const char *name)
{
    for (const char *at = name; *at; at++) {
        bool control = (unsigned char)*at < 0x20 || *at == 0x7f;
        add(line, "%c", control ? '?' : *at);
    }
}

/* ---------------------------------------------------------------- as text */

#define INDENT_MAX 32U

static void add_duration(struct line *line, int64_t ns)
{
    add(line, " %lld.%03lld s", (long long)(ns / 1000000000), (long long)(ns / 1000000 % 1000));
}

static void add_wait(struct line *line, const struct sheaf__row *row)
{
    if (row->awaited) {
        char name[NAME_SIZE];
        sheaf__future_name_text(row->awaited, name, sizeof name);
        add(line, ", waits for %s '", sheaf__future_kind(row->awaited));
        add_name(line, name);
        add(line, "'");
        if (!sheaf__future_is_task(row->awaited) && row->edges > 0) {
            add(line, " (%zu left)", row->edges);
        }
    } else if (row->what) {
        add(line, ", waits for %s", row->what);
        if (row->edges > 0) {
            add(line, " (%zu left)", row->edges);
        }
    }
    if (row->waited >= 0) {
        add(line, " for");
        add_duration(line, row->waited);
    }
}

/* All that is known of the task but its name. */
static void add_row(struct line *line, const struct sheaf__row *row)
{
    const char *place = sheaf__future_place(row->task);
    add(line, "%s", row->state);
    if (row->worker >= 0) {
        add(line, " on worker %d", row->worker);
    }
    add_wait(line, row);
    if (place) {
        add(line, ", spawned at %.*s", PLACE_SIZE, place);
    }
    if (row->asked) {
        add(line, row->masked ? ", asked to cancel, masked" : ", asked to cancel");
    }
    if (row->checkpoint) {
        add(line, ", last checkpoint at %.*s", PLACE_SIZE, row->checkpoint);
    }
}

static void tell_row(struct line *line, const struct sheaf__row *row, size_t depth)
{
    char name[NAME_SIZE];
    sheaf_future_name(row->task, name, sizeof name);
    add(line, "  %*s", (int)(2 * (depth < INDENT_MAX ? depth : INDENT_MAX)), "");
    add_name(line, name);
    add(line, ": ");
    add_row(line, row);
    tell(line);
}

/* Without memory for a tree. */
static void tell_list(struct line *line, struct sheaf__snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->list.count; i++) {
        struct sheaf__row row;
        sheaf__row_look(&row, snapshot->list.tasks[i]);
        tell_row(line, &row, 0);
        sheaf__row_drop(&row);
    }
}

static void tell_text(struct line *line, struct sheaf__snapshot *snapshot)
{
    size_t count = snapshot->lost ? 0 : snapshot->list.count;
    add(line, "pool '%s': ", snapshot->pool_name);
    if (snapshot->lost) {
        add(line, "of the parent process");
        tell(line);
        return;
    }
    add(line, "%zu task%s, %u worker%s%s", count, count == 1 ? "" : "s", snapshot->workers,
        snapshot->workers == 1 ? "" : "s", snapshot->complete ? "" : ", not complete: no memory");
    tell(line);
    if (!snapshot->rows) {
        tell_list(line, snapshot);
        return;
    }
    size_t depth;
    size_t at = SHEAF__NO_ROW;
    while ((at = sheaf__snapshot_next(snapshot, at, &depth)) != SHEAF__NO_ROW) {
        tell_row(line, &snapshot->rows[at], depth);
    }
}

/* ---------------------------------------------------------------- as JSON */

/* text: NULL is null */
static void add_string(struct line *line, const char *text, size_t most)
{
    size_t room = sizeof line->text - line->length - 1;
    line->length += sheaf__json_string(line->text + line->length, room, text, most);
}

/* The next member of an object, or the next element of an array. */
static void add_comma(struct line *line)
{
    add(line, ",");
    if (line->length > LINE_FULL) {
        tell(line);
    }
}

static void add_id(struct line *line, const sheaf_future *task)
{
    add(line, "\"0x%llx\"", (unsigned long long)(uintptr_t)task);
}

static void add_edges(struct line *line, const struct sheaf__snapshot *snapshot,
                      const struct sheaf__row *row)
{
    size_t told = 0;
    add(line, "\"waits_for_tasks\":[");
    for (size_t i = 0; i < row->edges; i++) {
        const sheaf_future *to = snapshot->edges[row->first_edge + i];
        if (sheaf__snapshot_find(snapshot, to) == SHEAF__NO_ROW) {
            continue; /* it has ended, or lies in a frame */
        }
        if (told++) {
            add_comma(line);
        }
        add_id(line, to);
    }
    add(line, "]");
}

static void add_awaited(struct line *line, const struct sheaf__row *row)
{
    char name[NAME_SIZE];
    if (row->awaited) {
        sheaf__future_name_text(row->awaited, name, sizeof name);
    }
    add(line, "\"waits_for\":");
    add_string(line, row->awaited ? sheaf__future_kind(row->awaited) : row->what, NAME_SIZE);
    add_comma(line);
    add(line, "\"awaited\":");
    add_string(line, row->awaited ? name : NULL, NAME_SIZE);
    add_comma(line);
    if (row->waited >= 0) {
        add(line, "\"waited_ns\":%lld", (long long)row->waited);
    } else {
        add(line, "\"waited_ns\":null");
    }
}

static void add_doings(struct line *line, const struct sheaf__row *row)
{
    if (row->worker >= 0) {
        add(line, "\"worker\":%d", row->worker);
    } else {
        add(line, "\"worker\":null");
    }
    add_comma(line);
    add(line, "\"cancel_requested\":%s", row->asked ? "true" : "false");
    add_comma(line);
    add(line, "\"masked\":%s", row->masked ? "true" : "false");
    add_comma(line);
    add(line, "\"last_checkpoint\":");
    add_string(line, row->checkpoint, PLACE_SIZE);
}

static void add_object(struct line *line, const struct sheaf__snapshot *snapshot,
                       const struct sheaf__row *row)
{
    char name[NAME_SIZE];
    sheaf_future_name(row->task, name, sizeof name);
    add(line, "{\"id\":");
    add_id(line, row->task);
    add_comma(line);
    add(line, "\"name\":");
    add_string(line, name, sizeof name);
    add_comma(line);
    add(line, "\"state\":\"%s\"", row->state);
    add_comma(line);
    add(line, "\"spawned_at\":");
    add_string(line, sheaf__future_place(row->task), PLACE_SIZE);
    add_comma(line);
    add(line, "\"parent\":");
    if (row->parent == SHEAF__NO_ROW) {
        add(line, "null");
    } else {
        add_id(line, snapshot->rows[row->parent].task);
    }
    add_comma(line);
    add_awaited(line, row);
    add_comma(line);
    add_edges(line, snapshot, row);
    add_comma(line);
    add_doings(line, row);
    add(line, "}");
}

static void tell_json_list(struct line *line, struct sheaf__snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->list.count; i++) {
        struct sheaf__row row;
        sheaf__row_look(&row, snapshot->list.tasks[i]);
        add_object(line, snapshot, &row);
        add(line, i + 1 < snapshot->list.count ? "," : "");
        tell(line);
        sheaf__row_drop(&row);
    }
}

static void tell_json(struct line *line, struct sheaf__snapshot *snapshot)
{
    add(line, "{\"name\":");
    add_string(line, snapshot->pool_name, sizeof snapshot->pool_name);
    add(line, ",\"workers\":%u,\"complete\":%s,\"tasks\":[", snapshot->workers,
        snapshot->complete && !snapshot->lost ? "true" : "false");
    tell(line);
    if (snapshot->rows) {
        size_t depth;
        size_t at = sheaf__snapshot_next(snapshot, SHEAF__NO_ROW, &depth);
        while (at != SHEAF__NO_ROW) {
            size_t next = sheaf__snapshot_next(snapshot, at, &depth);
            add_object(line, snapshot, &snapshot->rows[at]);
            add(line, next != SHEAF__NO_ROW ? "," : "");
            tell(line);
            at = next;
        }
    } else if (!snapshot->lost) {
        tell_json_list(line, snapshot);
    }
    add(line, "]}");
    tell(line);
}

/* ---------------------------------------------------------------- the calls */

/* Snapshots of several pools, in order. */
struct album {
    struct sheaf__snapshot *first;
    struct sheaf__snapshot **end;
};

static int add_snapshot(void *context, sheaf_pool *pool)
{
    struct album *album = context;
    struct sheaf__snapshot *snapshot = sheaf__alloc(sizeof *snapshot);
    if (!snapshot) {
        return SHEAF_NOMEM;
    }
    sheaf__snapshot_take(snapshot, pool);
    *album->end = snapshot;
    album->end = &snapshot->next;
    return SHEAF_OK;
}

static void tell_snapshot(struct line *line, sheaf_dump_format format,
                          struct sheaf__snapshot *snapshot)
{
    if (format == SHEAF_DUMP_JSON) {
        tell_json(line, snapshot);
    } else {
        tell_text(line, snapshot);
    }
}

/* Returns: SHEAF_OK; SHEAF_NOMEM when it is not complete */
static int tell_album(struct line *line, sheaf_dump_format format, struct album *album)
{
    int status = SHEAF_OK;
    while (album->first) {
        struct sheaf__snapshot *snapshot = album->first;
        album->first = snapshot->next;
        tell_snapshot(line, format, snapshot);
        status = snapshot->complete ? status : SHEAF_NOMEM;
        if (format == SHEAF_DUMP_JSON && album->first) {
            add(line, ",");
            tell(line);
        }
        sheaf__snapshot_drop(snapshot);
        sheaf__free(snapshot, sizeof *snapshot);
    }
    return status;
}

static int dump_all(struct line *line, sheaf_dump_format format)
{
    struct album album = {.end = &album.first};
    int status = sheaf__registry_visit(add_snapshot, &album);
    int told = tell_album(line, format, &album);
    return status == SHEAF_OK ? told : status;
}

static int dump_one(struct line *line, sheaf_dump_format format, sheaf_pool *pool)
{
    struct sheaf__snapshot snapshot;
    sheaf__snapshot_take(&snapshot, pool);
    tell_snapshot(line, format, &snapshot);
    int status = snapshot.complete ? SHEAF_OK : SHEAF_NOMEM;
    sheaf__snapshot_drop(&snapshot);
    return status;
}

int sheaf_dump(sheaf_pool *pool, sheaf_dump_format format, sheaf_report_fn *report, void *context)
{
    if (!report || (format != SHEAF_DUMP_TEXT && format != SHEAF_DUMP_JSON)) {
        return SHEAF_INVALID;
    }
    struct line line = {.report = report, .context = context};
    if (format == SHEAF_DUMP_JSON) {
        add(&line, "{\"pools\":[");
        tell(&line);
    }
    int status = pool ? dump_one(&line, format, pool) : dump_all(&line, format);
    if (format == SHEAF_DUMP_JSON) {
        add(&line, "]}");
        tell(&line);
    }
    return status;
}

void sheaf_pool_dump(sheaf_pool *pool, sheaf_report_fn *report, void *context)
{
    if (pool) {
        (void)sheaf_dump(pool, SHEAF_DUMP_TEXT, report, context);
    }
}

/* relaxed: what was true at some instant. */
static void find_worker(struct sheaf__row *row)
{
    sheaf_pool *pool = sheaf__future_pool(row->task);
    unsigned seated = sheaf__load_rlx(&pool->seated);
    for (unsigned i = 0; i < seated; i++) {
        if (sheaf__load_rlx(&pool->workers[i].current) == row->task) {
            row->worker = (int)i;
        }
    }
}

void sheaf__late_to_react(sheaf_future *task, sheaf_duration since)
{
    char name[NAME_SIZE];
    struct line line = {.length = 0};
    struct sheaf__row row;
    sheaf__report_hook(&line.report, &line.context);
    sheaf_future_name(task, name, sizeof name);
    sheaf__row_look(&row, task);
    find_worker(&row);
    add(&line, "task '");
    add_name(&line, name);
    add(&line, "' was asked to cancel");
    add_duration(&line, since);
    add(&line, " ago and has not reacted: ");
    add_row(&line, &row);
    sheaf__row_drop(&row);
    tell(&line);
}

void sheaf_report_late(void *context, const sheaf_future *given, const char *name)
{
    /* The LOCK is not part of what const promises. */
    sheaf_future *task = (sheaf_future *)(uintptr_t)given;
    struct line line = {.length = 0};
    struct sheaf__row row;
    (void)context;
    sheaf__report_hook(&line.report, &line.context);
    sheaf__row_look(&row, task);
    add(&line, "%s '", sheaf__future_kind(task));
    add_name(&line, name);
    add(&line, "' is left over: ");
    add_row(&line, &row);
    sheaf__row_drop(&row);
    tell(&line);
}
