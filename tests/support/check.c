#include "tests/support/check.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOTES_ROOM = 1 << 16 };

static void record(struct check *c, const char *file, int line, const char *format, ...)
    SHEAF__PRINTF(4, 5);

static void append(struct check *c, const char *format, va_list arguments) SHEAF__PRINTF(2, 0);

/* Appends to `first` what fits.  Requires: the lock is held */
static void append(struct check *c, const char *format, va_list arguments)
{
    size_t room = sizeof c->first - c->first_length;
    int length = vsnprintf(c->first + c->first_length, room, format, arguments);
    size_t written = length < 0 ? 0 : (size_t)length;
    c->first_length += written < room ? written : room - 1;
}

static void append_place(struct check *c, const char *format, ...) SHEAF__PRINTF(2, 3);

static void append_place(struct check *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(c, format, arguments);
    va_end(arguments);
}

static void record(struct check *c, const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&c->lock);
    append_place(c, "%s%s:%d: ", c->failures++ ? "\n" : "", file, line);
    append(c, format, arguments);
    pthread_mutex_unlock(&c->lock);
    va_end(arguments);
}

bool check_that(struct check *c, bool holds, const char *what, const char *file, int line)
{
    if (!holds) {
        record(c, file, line, "%s does not hold", what);
    }
    return holds;
}

bool check_int(struct check *c, int64_t actual, int64_t expected, const char *what,
               const char *file, int line)
{
    if (actual != expected) {
        record(c, file, line, "%s is %" PRId64 ", expected %" PRId64, what, actual, expected);
    }
    return actual == expected;
}

bool check_ptr(struct check *c, const void *actual, const void *expected, const char *what,
               const char *file, int line)
{
    if (actual != expected) {
        record(c, file, line, "%s is %p, expected %p", what, actual, expected);
    }
    return actual == expected;
}

bool check_text(struct check *c, const char *actual, const char *expected, const char *what,
                const char *file, int line)
{
    bool same = actual && expected ? strcmp(actual, expected) == 0 : actual == expected;
    if (!same) {
        record(c, file, line, "%s is \"%s\", expected \"%s\"", what, actual ? actual : "(null)",
               expected ? expected : "(null)");
    }
    return same;
}

void check_note(struct check *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&c->lock);
    if (!c->notes) {
        c->notes = calloc(1, NOTES_ROOM);
    }
    if (c->notes && c->notes_length + 1 < NOTES_ROOM) {
        if (c->notes_length > 0) {
            c->notes[c->notes_length++] = ' ';
        }
        size_t room = NOTES_ROOM - c->notes_length;
        int length = vsnprintf(c->notes + c->notes_length, room, format, arguments);
        size_t written = length < 0 ? 0 : (size_t)length;
        c->notes_length += written < room ? written : room - 1;
    }
    pthread_mutex_unlock(&c->lock);
    va_end(arguments);
}

const char *check_notes(struct check *c)
{
    /* The lock brings the reader up to date with who wrote the last note. */
    pthread_mutex_lock(&c->lock);
    const char *notes = c->notes ? c->notes : "";
    pthread_mutex_unlock(&c->lock);
    return notes;
}

static void forget_notes_locked(struct check *c)
{
    free(c->notes);
    c->notes = NULL;
    c->notes_length = 0;
}

void check_forget_notes(struct check *c)
{
    pthread_mutex_lock(&c->lock);
    forget_notes_locked(c);
    pthread_mutex_unlock(&c->lock);
}

bool check_failed(struct check *c)
{
    pthread_mutex_lock(&c->lock);
    bool failed = c->failures > 0;
    pthread_mutex_unlock(&c->lock);
    return failed;
}

void check_assert(struct check *c)
{
    if (check_failed(c)) {
        fail_msg("%s\n%lu failures in all", c->first, c->failures);
    }
}

void check_reset(struct check *c)
{
    pthread_mutex_lock(&c->lock);
    forget_notes_locked(c);
    c->failures = 0;
    c->first[0] = '\0';
    c->first_length = 0;
    pthread_mutex_unlock(&c->lock);
}
