/* Errors that stand for several, as one line: (EIO (EPIPE SHEAF_TIMEOUT)). */
#ifndef SHEAF_TESTS_SUPPORT_PARTS_H
#define SHEAF_TESTS_SUPPORT_PARTS_H

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <sheaf/error.h>

#include "tests/support/fixture.h"

enum { PARTS_TEXT = 200 };

static inline void parts_append(const sheaf_error *error, char *text)
{
    size_t count = sheaf_error_part_count(error), length = strlen(text);
    const char *name = count ? "(" : sheaf_status_name(sheaf_error_code(error));
    snprintf(text + length, PARTS_TEXT - length, "%s", name);
    for (size_t i = 0; i < count; i++) {
        parts_append(sheaf_error_part(error, i), text);
        length = strlen(text);
        snprintf(text + length, PARTS_TEXT - length, "%s", i + 1 < count ? " " : ")");
    }
}

/* Expects those parts and drops the error. */
static inline void expect_parts(sheaf_error *error, const char *expected)
{
    char text[PARTS_TEXT] = "";
    parts_append(error, text);
    EXPECT_TEXT(text, expected);
    sheaf_error_release(error);
}

#endif
