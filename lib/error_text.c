/* Errors and panics as text, and where the text goes. */
#include "lib/error_impl.h"

#include "lib/alloc.h"
#include "lib/atomics.h"
#include "lib/error_object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- as text */

/* What is written at most, since errors that are shared can unfold to far more text than memory. */
enum { LEVELS_MAX = 16, ERRORS_MAX = 1000 };

struct writer {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text, also of what does not fit */
    unsigned errors;
};

static void put(struct writer *writer, const char *text)
{
    size_t length = strlen(text);
    if (writer->length < writer->size) {
        size_t room = writer->size - writer->length;
        memcpy(writer->buffer + writer->length, text, length < room ? length : room);
    }
    writer->length += length;
}

/* Ends the text; returns its length. */
static size_t finish(struct writer *writer)
{
    if (writer->size != 0) {
        size_t last = writer->size - 1;
        writer->buffer[writer->length < last ? writer->length : last] = '\0';
    }
    return writer->length;
}

static void put_code(struct writer *writer, int code)
{
    char number[16];
    put(writer, sheaf_status_name(code));
    if (!sheaf__status_named(code)) {
        (void)snprintf(number, sizeof number, " %d", code);
        put(writer, number);
    }
}

/* One error without what is below it. */
static void put_line(struct writer *writer, const sheaf_error *error)
{
    put_code(writer, error->code);
    put(writer, ": ");
    put(writer, error->message);
    if (error->task_name != NULL) {
        put(writer, " [task \"");
        put(writer, error->task_name);
        put(writer, "\"");
    }
    if (error->place != NULL) {
        put(writer, error->task_name != NULL ? " spawned at " : " [task spawned at ");
        put(writer, error->place);
    }
    if (error->task_name != NULL || error->place != NULL) put(writer, "]");
}

/* An error and all below it.  The recursion is LEVELS_MAX deep at most. */
static void put_tree(struct writer *writer, const sheaf_error *error, unsigned level,
                     const char *label)
{
    if (error == NULL || writer->errors > ERRORS_MAX) return;
    writer->errors++;
    if (level != 0) put(writer, "\n");
    for (unsigned i = 0; i < level; i++) put(writer, "  ");
    put(writer, label);
    if (level == LEVELS_MAX || writer->errors > ERRORS_MAX) {
        put(writer, "...");
        return;
    }
    put_line(writer, error);
    for (size_t i = 0; i < error->part_count; i++) {
        put_tree(writer, error->parts[i], level + 1, "- ");
    }
    put_tree(writer, error->cause, level + 1, "cause: ");
    put_tree(writer, error->during, level + 1, "during: ");
}

size_t sheaf_error_format(const sheaf_error *error, char *buffer, size_t size)
{
    struct writer writer = {0};
    writer.buffer = buffer;
    writer.size = size;
    put_tree(&writer, error, 0, "");
    return finish(&writer);
}

/* ---------------------------------------------------------------- hooks */

/* Written by sheaf_set_panic_hook() with release, read by sheaf__panic() with acquire: what the
 * setter prepared for the hook is visible to it. */
static SHEAF__ATOMIC(sheaf_panic_fn *) panic_hook;

void sheaf_set_panic_hook(sheaf_panic_fn *hook)
{
    /* release: pairs with the acquire in sheaf__panic(). */
    sheaf__store_rel(&panic_hook, hook);
}

/* Leaves errno as it was: the caller may be in the middle of a task that has yet to read it. */
static void write_to_standard_error(const char *text, size_t length)
{
    int saved = errno;
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, text, length);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) break;
        text += written;
        length -= (size_t)written;
    }
    errno = saved;
}

void sheaf__panic(const char *format, ...)
{
    char sentence[400];
    char line[sizeof sentence + 16];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    /* acquire: pairs with the release in sheaf_set_panic_hook(). */
    sheaf_panic_fn *hook = sheaf__load_acq(&panic_hook);
    if (hook != NULL) {
        hook(sentence);
    } else {
        struct writer writer = {.buffer = line, .size = sizeof line};
        put(&writer, "sheaf: ");
        put(&writer, sentence);
        put(&writer, "\n");
        write_to_standard_error(line, finish(&writer));
    }
    abort();
}

static size_t report_unhandled(const sheaf_error *error, const char *task_name, char *buffer,
                               size_t size)
{
    struct writer writer = {0};
    writer.buffer = buffer;
    writer.size = size;
    put(&writer, "sheaf: nobody looked at the error");
    if (task_name != NULL) {
        put(&writer, " of task \"");
        put(&writer, task_name);
        put(&writer, "\"");
    }
    put(&writer, ": ");
    put_tree(&writer, error, 0, "");
    put(&writer, "\n");
    return finish(&writer);
}

void sheaf__unhandled_default(void *context, const sheaf_error *error, const char *task_name)
{
    char small[400];
    (void)context;
    size_t length = report_unhandled(error, task_name, small, sizeof small);
    char *large = length < sizeof small ? NULL : sheaf__alloc(length + 1);
    if (large != NULL) {
        (void)report_unhandled(error, task_name, large, length + 1);
        write_to_standard_error(large, length);
        sheaf__free(large, length + 1);
    } else {
        /* Without memory for all of it: as much as fits, and the line is still ended. */
        size_t most = sizeof small - 1;
        if (length > most) {
            small[most - 1] = '\n';
            length = most;
        }
        write_to_standard_error(small, length);
    }
}
