#include "lib/error_impl.h"

#include "lib/alloc.h"
#include "lib/atomics.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One block: the struct, the parts, then the bytes of message, task name and place.  All but the
 * references is written while one reference exists, by its holder, and const after that. */
struct sheaf_error {
    /* Written by every holder: adding is relaxed, dropping acquire and release.  Who reads 1 with
     * acquire holds the only reference and sees all that former holders did. */
    SHEAF__ATOMIC(uint32_t) references;
    int code;
    bool immortal; /* static: never counted, changed nor freed */
    bool fatal;    /* its code or that of a part at any depth is SHEAF_FATAL */
    const char *message;
    const char *task_name;
    const char *place;
    sheaf_error *cause;
    sheaf_error *during;
    void *payload;
    void (*payload_drop)(void *payload); /* NULL in a copy, whose payload_owner drops it */
    sheaf_error *payload_owner;
    sheaf_error **parts; /* in the block; NULL in an immortal one */
    size_t part_count;
    size_t size;            /* of the block */
    sheaf_error *next_dead; /* of a list of errors without references */
};

/* ---------------------------------------------------------------- statuses */

#define IMMORTAL_ERROR(status, number, text)                                                       \
    {.code = (number), .immortal = true, .fatal = (number) == SHEAF_FATAL, .message = (text)},
#define STATUS_NAME(status, number, text) "SHEAF_" #status,

/* In the order of SHEAF_STATUS_MAP, whose numbers are 0 and then descend from -1001 without a gap.
 * Const in fact: nothing writes to an immortal error. */
static struct sheaf_error immortal_errors[] = {SHEAF_STATUS_MAP(IMMORTAL_ERROR)};
static const char *const status_names[] = {SHEAF_STATUS_MAP(STATUS_NAME)};

enum { STATUS_COUNT = sizeof status_names / sizeof status_names[0] };

/* The place of a status in the two arrays; STATUS_COUNT when it is not the library's. */
static size_t status_index(int status)
{
    if (status == SHEAF_OK) return 0;
    if (status > SHEAF_CANCELLED || status <= SHEAF_CANCELLED - (STATUS_COUNT - 1)) {
        return STATUS_COUNT;
    }
    return (size_t)(SHEAF_CANCELLED - status) + 1;
}

bool sheaf__status_known(int status)
{
    return status_index(status) < STATUS_COUNT;
}

/* The C library's name and text of an errno value; NULL when it has none.  Both are static strings,
 * which the usual strerror() does not promise for every value in every library. */
#ifdef __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 32)
#define HAVE_ERRNO_NAMES 1
#endif
#endif

#ifdef HAVE_ERRNO_NAMES

static const char *errno_name(int code)
{
    return strerrorname_np(code);
}

static const char *errno_text(int code)
{
    return strerrordesc_np(code);
}

#else

static const char *errno_name(int code)
{
    (void)code;
    return NULL;
}

/* musl's strerror() gives static strings for all values. */
static const char *errno_text(int code)
{
    return strerror(code);
}

#endif

const char *sheaf_status_name(int status)
{
    const char *name = status > 0 ? errno_name(status) : NULL;
    if (sheaf__status_known(status)) return status_names[status_index(status)];
    return name != NULL ? name : "code";
}

const char *sheaf_status_text(int status)
{
    const char *text = status > 0 ? errno_text(status) : "not a status of the library's";
    if (sheaf__status_known(status)) return immortal_errors[status_index(status)].message;
    return text != NULL ? text : "a code of the program's own";
}

int sheaf_exit_code(int status)
{
    if (status >= 0 && status <= 123) return status;
    if (status == SHEAF_TIMEOUT) return 124;
    if (status == SHEAF_INTERRUPTED || status == SHEAF_CANCELLED) return 130;
    return 1;
}

sheaf_error *sheaf__error_of_status(int status)
{
    bool usable = status != SHEAF_OK && sheaf__status_known(status);
    return &immortal_errors[status_index(usable ? status : SHEAF_INVALID)];
}

/* ---------------------------------------------------------------- making */

/* What an error is made from; strings and parts are copied. */
struct draft {
    int code;
    size_t message_length;
    const char *task_name;
    const char *place;
    sheaf_error *const *parts;
    size_t part_count;
};

/* The size of a string with its end; 0 for none. */
static size_t string_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static bool block_size(const struct draft *draft, size_t *size)
{
    size_t parts;
    return sheaf__size_multiply(draft->part_count, sizeof(sheaf_error *), &parts) &&
           sheaf__size_add(sizeof(sheaf_error), parts, size) &&
           sheaf__size_add(*size, draft->message_length, size) && sheaf__size_add(*size, 1, size) &&
           sheaf__size_add(*size, string_size(draft->task_name), size) &&
           sheaf__size_add(*size, string_size(draft->place), size);
}

/* Copies a string to *at, moves *at behind it and returns where it is; NULL for none. */
static const char *copy_string(char **at, const char *text)
{
    if (text == NULL) return NULL;
    size_t size = string_size(text);
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

static void adopt_parts(sheaf_error *error, const struct draft *draft)
{
    for (size_t i = 0; i < draft->part_count; i++) {
        if (draft->parts[i] == NULL) continue;
        error->parts[error->part_count++] = sheaf_error_retain(draft->parts[i]);
        error->fatal = error->fatal || draft->parts[i]->fatal;
    }
}

/* The code that sheaf_error_group() promises for 0. */
static void settle_code(sheaf_error *error)
{
    if (error->code == SHEAF_OK) {
        error->code = error->fatal             ? SHEAF_FATAL
                      : error->part_count != 0 ? error->parts[0]->code
                                               : SHEAF_INVALID;
    }
    error->fatal = error->fatal || error->code == SHEAF_FATAL;
}

/* A new error whose message, of draft->message_length bytes, the caller writes to *message.
 * Returns: NULL when memory is short */
static sheaf_error *make_block(const struct draft *draft, char **message)
{
    size_t size;
    sheaf_error *error = block_size(draft, &size) ? sheaf__alloc(size) : NULL;
    if (error == NULL) return NULL;
    memset(error, 0, sizeof *error);
    /* relaxed: nobody else knows the error yet. */
    sheaf__init_rlx(&error->references, 1);
    error->code = draft->code;
    error->size = size;
    error->parts = (sheaf_error **)(error + 1);
    adopt_parts(error, draft);
    settle_code(error);
    *message = (char *)(error + 1) + draft->part_count * sizeof(sheaf_error *);
    error->message = *message;
    char *rest = *message + draft->message_length + 1;
    error->task_name = copy_string(&rest, draft->task_name);
    error->place = copy_string(&rest, draft->place);
    return error;
}

/* The error of a draft with a message that is there already. */
static sheaf_error *make_with_text(struct draft *draft, const char *text)
{
    char *message;
    draft->message_length = strlen(text);
    sheaf_error *error = make_block(draft, &message);
    if (error == NULL) return sheaf__error_of_status(SHEAF_NOMEM);
    memcpy(message, text, draft->message_length + 1);
    return error;
}

sheaf_error *sheaf__error_vmake(int code, const char *task_name, const char *place,
                                const char *format, va_list arguments)
{
    struct draft draft = {.code = code, .task_name = task_name, .place = place};
    int length = -1;
    if (format != NULL) {
        va_list again;
        va_copy(again, arguments);
        length = vsnprintf(NULL, 0, format, again);
        va_end(again);
    }
    if (length < 0) { /* no format, or one that the C library refuses */
        return make_with_text(&draft, sheaf_status_text(code));
    }
    char *message;
    draft.message_length = (size_t)length;
    sheaf_error *error = make_block(&draft, &message);
    if (error == NULL) return sheaf__error_of_status(SHEAF_NOMEM);
    (void)vsnprintf(message, draft.message_length + 1, format, arguments);
    return error;
}

sheaf_error *sheaf__error_make(int code, const char *task_name, const char *place,
                               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sheaf_error *error = sheaf__error_vmake(code, task_name, place, format, arguments);
    va_end(arguments);
    return error;
}

sheaf_error *sheaf_error_new(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sheaf_error *error = sheaf__error_vmake(code, NULL, NULL, format, arguments);
    va_end(arguments);
    return error;
}

sheaf_error *sheaf__error_make_group(int code, const char *task_name, const char *place,
                                     const char *message, sheaf_error *const *parts, size_t count)
{
    struct draft draft = {
        .code = code, .task_name = task_name, .place = place, .parts = parts, .part_count = count};
    return make_with_text(&draft, message != NULL ? message : "a group of errors");
}

sheaf_error *sheaf_error_group(int code, const char *message, sheaf_error *const *parts,
                               size_t count)
{
    return sheaf__error_make_group(code, NULL, NULL, message, parts, count);
}

/* ---------------------------------------------------------------- adding to an error */

/* A second error with the same contents, the payload shared; NULL when memory is short. */
static sheaf_error *copy_of(sheaf_error *error)
{
    struct draft draft = {.code = error->code,
                          .message_length = strlen(error->message),
                          .task_name = error->task_name,
                          .place = error->place,
                          .parts = error->parts,
                          .part_count = error->part_count};
    char *message;
    sheaf_error *copy = make_block(&draft, &message);
    if (copy == NULL) return NULL;
    memcpy(message, error->message, draft.message_length + 1);
    copy->cause = sheaf_error_retain(error->cause);
    copy->during = sheaf_error_retain(error->during);
    copy->payload = error->payload;
    if (error->payload_owner != NULL) {
        copy->payload_owner = sheaf_error_retain(error->payload_owner);
    } else if (error->payload_drop != NULL) {
        copy->payload_owner = sheaf_error_retain(error);
    }
    return copy;
}

/* Makes *error, a reference of the caller's, one that nobody else holds: itself or a copy.
 * Returns: false when memory is short, *error is unchanged */
static bool make_own(sheaf_error **error)
{
    /* acquire: pairs with the release of whoever dropped the last other reference. */
    if (!(*error)->immortal && sheaf__load_acq(&(*error)->references) == 1) return true;
    sheaf_error *copy = copy_of(*error);
    if (copy == NULL) return false;
    sheaf_error_release(*error);
    *error = copy;
    return true;
}

sheaf_error *sheaf_error_with_cause(sheaf_error *error, sheaf_error *cause)
{
    /* Retained before the error is found to be unshared: it may be the error itself. */
    sheaf_error *unused = sheaf_error_retain(cause);
    if (error != NULL && make_own(&error)) {
        unused = error->cause;
        error->cause = cause;
    }
    sheaf_error_release(unused);
    return error;
}

sheaf_error *sheaf_error_with_during(sheaf_error *error, sheaf_error *during)
{
    sheaf_error *unused = sheaf_error_retain(during);
    if (error != NULL && make_own(&error)) {
        unused = error->during;
        error->during = during;
    }
    sheaf_error_release(unused);
    return error;
}

/* Lets go of the payload of an error that nobody else holds. */
static void drop_payload(sheaf_error *error)
{
    if (error->payload_drop != NULL) error->payload_drop(error->payload);
    error->payload_drop = NULL;
    error->payload = NULL;
}

sheaf_error *sheaf_error_with_payload(sheaf_error *error, void *payload,
                                      void (*drop)(void *payload))
{
    if (error == NULL || !make_own(&error)) {
        if (drop != NULL) drop(payload);
        return error;
    }
    drop_payload(error);
    sheaf_error_release(error->payload_owner);
    error->payload_owner = NULL;
    error->payload = payload;
    error->payload_drop = drop;
    return error;
}

/* ---------------------------------------------------------------- references */

sheaf_error *sheaf_error_retain(sheaf_error *error)
{
    if (error != NULL && !error->immortal) {
        /* relaxed: the caller holds a reference, so the error cannot go meanwhile. */
        sheaf__add_rlx(&error->references, 1);
    }
    return error;
}

/* Drops one reference; an error that has none left goes to the front of *dead. */
static void drop_reference(sheaf_error *error, sheaf_error **dead)
{
    if (error == NULL || error->immortal) return;
    /* acq_rel: release, so that what this holder did comes before the end of the error; acquire,
     * so that the last one sees what all others did. */
    if (sheaf__sub_acq_rel(&error->references, 1) == 1) {
        error->next_dead = *dead;
        *dead = error;
    }
}

/* A list of its own instead of recursion: chains of causes may be as long as memory allows. */
void sheaf_error_release(sheaf_error *error)
{
    sheaf_error *dead = NULL;
    drop_reference(error, &dead);
    while (dead != NULL) {
        sheaf_error *gone = dead;
        dead = gone->next_dead;
        drop_reference(gone->cause, &dead);
        drop_reference(gone->during, &dead);
        drop_reference(gone->payload_owner, &dead);
        for (size_t i = 0; i < gone->part_count; i++) {
            drop_reference(gone->parts[i], &dead);
        }
        drop_payload(gone);
        sheaf__free(gone, gone->size);
    }
}

/* ---------------------------------------------------------------- reading */

int sheaf_error_code(const sheaf_error *error)
{
    return error != NULL ? error->code : SHEAF_OK;
}

const char *sheaf_error_message(const sheaf_error *error)
{
    return error != NULL ? error->message : "";
}

size_t sheaf_error_part_count(const sheaf_error *error)
{
    return error != NULL ? error->part_count : 0;
}

sheaf_error *sheaf_error_part(const sheaf_error *error, size_t index)
{
    return index < sheaf_error_part_count(error) ? error->parts[index] : NULL;
}

sheaf_error *sheaf_error_cause(const sheaf_error *error)
{
    return error != NULL ? error->cause : NULL;
}

sheaf_error *sheaf_error_during(const sheaf_error *error)
{
    return error != NULL ? error->during : NULL;
}

void *sheaf_error_payload(const sheaf_error *error)
{
    return error != NULL ? error->payload : NULL;
}

const char *sheaf_error_task_name(const sheaf_error *error)
{
    return error != NULL ? error->task_name : NULL;
}

const char *sheaf_error_place(const sheaf_error *error)
{
    return error != NULL ? error->place : NULL;
}

bool sheaf_error_is_fatal(const sheaf_error *error)
{
    return error != NULL && error->fatal;
}

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
    if (!sheaf__status_known(code) && (code < 0 || errno_name(code) == NULL)) {
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
