/* The library's side of errors: makers that never fail, panics and assertions. */
#ifndef SHEAF_LIB_ERROR_IMPL_H
#define SHEAF_LIB_ERROR_IMPL_H

#include <stdarg.h>
#include <stdbool.h>

#include <sheaf/error.h>

#include "lib/platform/cpu.h"

/* The name and the text of a positive errno value, static; NULL when the C library has none. */
const char *sheaf__errno_name(int code);
const char *sheaf__errno_text(int code);

/* Whether `status` is one of SHEAF_STATUS_MAP, SHEAF_OK included. */
bool sheaf__status_known(int status);

/* The error of a bare library status: immortal, made without memory, its message the status's text.
 *
 * Requires: status is a known one, not SHEAF_OK; anything else gives the one of SHEAF_INVALID
 * Returns:  the error; retain and release do nothing to it */
sheaf_error *sheaf__error_of_status(int status);

/* As sheaf_error_new(), for a task.
 *
 *   task_name, place  copied; may be NULL
 *   format            NULL takes sheaf_status_text(code) */
sheaf_error *sheaf__error_make(int code, const char *task_name, const char *place,
                               const char *format, ...) SHEAF__PRINTF(4, 5);
sheaf_error *sheaf__error_vmake(int code, const char *task_name, const char *place,
                                const char *format, va_list arguments) SHEAF__PRINTF(4, 0);

/* As sheaf_error_group(), for a task. */
sheaf_error *sheaf__error_make_group(int code, const char *task_name, const char *place,
                                     const char *message, sheaf_error *const *parts, size_t count);

/* The unhandled-error hook of pools that have none: one line, one write(2), on standard error. */
void sheaf__unhandled_default(void *context, const sheaf_error *error, const char *task_name);

/* Says one sentence through the panic hook and aborts.  For misuse after which memory is wrong;
 * what a status can report is reported by a status.  Allocates nothing. */
SHEAF__NORETURN SHEAF__COLD void sheaf__panic(const char *format, ...) SHEAF__PRINTF(1, 2);

/* An invariant of the library's own: checked in debug builds, not evaluated with NDEBUG. */
#ifdef NDEBUG
#define SHEAF__ASSERT(expression) ((void)sizeof((expression) ? 1 : 0))
#else
#define SHEAF__ASSERT(expression)                                                                  \
    (SHEAF__LIKELY(expression)                                                                     \
         ? (void)0                                                                                 \
         : sheaf__panic("%s:%d: broken invariant: %s", __FILE__, __LINE__, #expression))
#endif

#endif
