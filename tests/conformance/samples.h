/* The recorded scenarios in scenarios/: NAME.scenario with the trace of CPython in NAME.expected.
 *
 * The first line of a scenario says what its trace depends on: `# parallel` on no order at all,
 * `# ordered` on a task not being interrupted between two suspensions.
 */
#ifndef SHEAF_TESTS_CONFORMANCE_SAMPLES_H
#define SHEAF_TESTS_CONFORMANCE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/conformance/memory.h"

struct sample {
    char *path; /* of the scenario, from the root of the repository */
    char *expected_path;
    struct text text;
    struct text expected;
    bool parallel;
    bool stuck; /* that it can never go on is what is expected */
};

struct samples {
    struct sample *array;
    size_t count, room;
};

/* All of them, sorted by name; read once, and kept.  None when they cannot be read. */
const struct samples *samples_read(void);

/* Reads a whole file.  Returns: whether it could */
bool read_file(const char *path, struct text *text);

#endif
