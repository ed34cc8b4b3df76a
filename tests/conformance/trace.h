/* The trace of a play: timed lines, in whatever order tasks wrote them, sorted at the end. */
#ifndef SHEAF_TESTS_CONFORMANCE_TRACE_H
#define SHEAF_TESTS_CONFORMANCE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "tests/conformance/memory.h"

struct trace_line {
    int64_t ms;
    char *what; /* WHO WHAT, on the heap */
};

/* Valid when zeroed.  Not for two threads at a time. */
struct trace {
    struct trace_line *lines;
    size_t count, room;
    size_t bytes; /* that all of it takes */
};

/* Adds a line that was written at `ms`.
 *
 *   what  taken */
void trace_add(struct trace *trace, int64_t ms, struct text what);

/* Writes the lines in the order of time, those of one instant in the order of their bytes. */
void trace_write(struct trace *trace, struct text *out);

void trace_free(struct trace *trace);

/* Sorts texts by their bytes. */
void sort_texts(char **texts, size_t count);

#endif
