/* Errors: made, added to, held and read. */
#include "lib/error_impl.h"

#include "lib/alloc.h"
#include "lib/atomics.h"
#include "lib/error_object.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

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
