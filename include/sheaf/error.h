/* Error objects: what went wrong, in which task, and because of what.                 (stable tier)
 *
 * A task that fails returns a code; an error object says more.  It holds the code, a message, and
 * where they are known the name of the task, the place of its spawn, the error that caused it, the
 * error that was being dealt with meanwhile (`during`), the parts of a group of errors, and a
 * payload of the program's.  sheaf_raise() in task.h makes one and attaches it to the failing task;
 * sheaf_await_error() and sheaf_future_error() in future.h give it to whoever awaits the task: the
 * same object to all of them.
 *
 *     sheaf_error *error;
 *     SHEAF_TRY(sheaf_await_error(f, &rows, &error));
 *     if (error) {
 *         char text[200];
 *         sheaf_error_format(error, text, sizeof text);
 *         log_line("%s", text);                       // EIO: orders is down [task "orders"]
 *         sheaf_error_release(error);
 *     }
 *
 * Life.  An error is reference counted and never changes once a second reference exists, so readers
 * share it without locks.  It can only refer to errors that existed before it, hence there are no
 * circles.
 *
 * NULL is no error.  The reading functions take it: its code is SHEAF_OK, its message empty.
 *
 * Out of memory.  A function that makes an error never returns NULL: when memory is short it gives
 * an error with the code SHEAF_NOMEM that exists from the start and for ever.  Retain and release
 * work on it as on any other and do nothing.
 */
#ifndef SHEAF_ERROR_H
#define SHEAF_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include <sheaf/base.h>

SHEAF_BEGIN_DECLS

/* ---------------------------------------------------------------- making */

/* An error with a formatted message.
 *
 *   code    not 0: an error with code 0 becomes one with SHEAF_INVALID
 *   format  as for printf(); NULL takes sheaf_status_text(code) for the message
 *
 * Returns: the error, given
 * Context: any */
SHEAF_API sheaf_error *sheaf_error_new(int code, const char *format, ...) SHEAF_PRINTF(2, 3);

/* An error that stands for several.
 *
 *   code     0 takes SHEAF_FATAL when a part is fatal, else the code of the first part, and
 *            SHEAF_INVALID when there is none
 *   message  copied as it is, not formatted; NULL takes a general phrase
 *   parts    `count` errors, shared, kept in this order; a NULL among them is left out
 *
 * Returns: the error, given
 * Context: any */
SHEAF_API sheaf_error *sheaf_error_group(int code, const char *message, sheaf_error *const *parts,
                                         size_t count);

/* The same error with one thing added.  Each replaces what the error had in that place, and they
 * can be nested:
 *
 *     return sheaf_raise_error(sheaf_error_with_cause(sheaf_error_new(EIO, "no rows"), cause));
 *
 * An error that others hold as well is copied and stays as it is for them.
 *
 *   error   taken; NULL stays NULL
 *   cause   what led to it; shared; may be NULL
 *   during  what was being dealt with when it arose; shared; may be NULL
 *
 * Returns: the error, given.  When memory is short for a copy it is `error` itself with nothing
 *          added: what went wrong first is not lost.
 * Context: any */
SHEAF_API sheaf_error *sheaf_error_with_cause(sheaf_error *error, sheaf_error *cause);
SHEAF_API sheaf_error *sheaf_error_with_during(sheaf_error *error, sheaf_error *during);

/* The same with a payload, an object of the program's that goes with the error.
 *
 *   payload  taken: drop(payload) is called once, when the last error that has it is gone, on
 *            whatever thread that happens; at once when it could not be added
 *   drop     may be NULL */
SHEAF_API sheaf_error *sheaf_error_with_payload(sheaf_error *error, void *payload,
                                                void (*drop)(void *payload));

/* ---------------------------------------------------------------- references */

/* One more reference to the same error; returns it.  NULL is passed through. */
SHEAF_API sheaf_error *sheaf_error_retain(sheaf_error *error);

/* Drops a reference.  NULL is ignored.  Takes constant stack however deep errors are nested. */
SHEAF_API void sheaf_error_release(sheaf_error *error);

/* ---------------------------------------------------------------- reading */

/* All of these are valid in any context, and what they return is borrowed from the error. */

/* The code: never 0 but for NULL. */
SHEAF_API int sheaf_error_code(const sheaf_error *error);
/* The message: never NULL. */
SHEAF_API const char *sheaf_error_message(const sheaf_error *error);
/* How many parts a group has; 0 for an error that is no group. */
SHEAF_API size_t sheaf_error_part_count(const sheaf_error *error);
/* The part with that index; NULL beyond the last. */
SHEAF_API sheaf_error *sheaf_error_part(const sheaf_error *error, size_t index);
/* What led to it, and what was being dealt with when it arose; NULL when there is nothing. */
SHEAF_API sheaf_error *sheaf_error_cause(const sheaf_error *error);
SHEAF_API sheaf_error *sheaf_error_during(const sheaf_error *error);
/* The payload; NULL when there is none. */
SHEAF_API void *sheaf_error_payload(const sheaf_error *error);
/* The name of the task that failed and the place of its spawn; NULL when they are not known. */
SHEAF_API const char *sheaf_error_task_name(const sheaf_error *error);
SHEAF_API const char *sheaf_error_place(const sheaf_error *error);
/* Whether its code or that of a part at any depth is SHEAF_FATAL. */
SHEAF_API bool sheaf_error_is_fatal(const sheaf_error *error);

/* Writes the error as text: one line, and one more for each part, cause and `during`, indented by
 * how they are nested.  No line end after the last.
 *
 *     EIO: 2 tables failed [task "load" spawned at app.c:12]
 *       - EIO: orders is down [task "orders"]
 *       - SHEAF_TIMEOUT: products took too long
 *         cause: ETIMEDOUT: Connection timed out
 *
 * At most 1,000 errors and 16 levels are written, "..." stands for the rest.
 *
 *   buffer  gets as much as fits, and ends in a zero byte unless `size` is 0
 *
 * Returns: the length of the whole text, without the zero byte
 * Context: any */
SHEAF_API size_t sheaf_error_format(const sheaf_error *error, char *buffer, size_t size);

/* ---------------------------------------------------------------- hooks */

/* Told of an error that nobody looked at.
 *
 *   context    as given with the hook (sheaf_options.hook_context in pool.h)
 *   error      borrowed during the call
 *   task_name  the task that failed; NULL when it was none
 *
 * Called from any thread, with no lock held; must not wait for the pool. */
typedef void sheaf_unhandled_fn(void *context, const sheaf_error *error, const char *task_name);

/* Told, in one sentence, that the process cannot go on: memory is already wrong, or a rule is
 * broken that no status can report.  When it returns the process is aborted. */
typedef void sheaf_panic_fn(const char *sentence);

/* Replaces the process-wide panic hook; NULL restores the default, which writes the sentence to
 * standard error.  A hook may leave by longjmp(), which is meant for tests: the objects that were
 * being worked on are then not to be used again.
 *
 * Context: any */
SHEAF_API void sheaf_set_panic_hook(sheaf_panic_fn *hook);

SHEAF_END_DECLS

#endif
