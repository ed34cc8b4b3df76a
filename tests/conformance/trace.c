#include "tests/conformance/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void trace_add(struct trace *trace, int64_t ms, struct text what)
{
    trace->lines = array_grow(trace->lines, trace->count, &trace->room, sizeof *trace->lines);
    trace->lines[trace->count++] = (struct trace_line){ms, what.data};
    trace->bytes += sizeof *trace->lines + what.room;
}

static int compare_lines(const void *one, const void *other)
{
    const struct trace_line *a = one;
    const struct trace_line *b = other;
    return a->ms != b->ms ? (a->ms > b->ms) - (a->ms < b->ms) : strcmp(a->what, b->what);
}

void trace_write(struct trace *trace, struct text *out)
{
    if (trace->count > 0) {
        qsort(trace->lines, trace->count, sizeof *trace->lines, compare_lines);
    }
    for (size_t i = 0; i < trace->count; i++) {
        text_add(out, "%" PRId64 " %s\n", trace->lines[i].ms, trace->lines[i].what);
    }
}

void trace_free(struct trace *trace)
{
    for (size_t i = 0; i < trace->count; i++) {
        free(trace->lines[i].what);
    }
    free(trace->lines);
    *trace = (struct trace){0};
}

static int compare_texts(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

void sort_texts(char **texts, size_t count)
{
    if (count > 0) {
        qsort(texts, count, sizeof *texts, compare_texts);
    }
}
