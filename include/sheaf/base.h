/* What all other headers rest on: values, statuses, allocator, version.               (stable tier)
 *
 * Statuses.  A call that can fail returns an int: SHEAF_OK, which is 0; a negative status of the
 * library's, listed in SHEAF_STATUS_MAP; or, where it hands on the outcome of a task, a positive
 * code of the program's own, for which errno values fit.  Nothing is ever reported through errno.
 * SHEAF_TRY() is all that it takes to hand a failure up:
 *
 *     static int copy_rows(void *arg, sheaf_value *result) {
 *         SHEAF_TRY(sheaf_await(arg, result));          // returns the status unless it is 0
 *         return SHEAF_OK;
 *     }
 *
 * The library's statuses lie below -1000, apart from -1 and from negated errno values, so that a
 * function which returns those by habit is not taken for one that was cancelled.
 *
 * Words used in the blocks of all headers.  `Requires` is what the caller answers for; `Returns`
 * lists every status; `Context` says from where a call may come: task, plain thread, callback.  An
 * argument is borrowed (the caller keeps it), taken (the callee releases it), shared (the callee
 * adds a reference of its own) or given (the caller releases it).  Without a word it is borrowed.
 */
#ifndef SHEAF_BASE_H
#define SHEAF_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define SHEAF_BEGIN_DECLS extern "C" {
#define SHEAF_END_DECLS }
#else
#define SHEAF_BEGIN_DECLS
#define SHEAF_END_DECLS
#endif

/* Marks what the shared library exports; everything else is hidden. */
#define SHEAF_API __attribute__((visibility("default")))

/* The function's format string and the first of its arguments, counted from 1. */
#define SHEAF_PRINTF(format_index, first_argument)                                                 \
    __attribute__((format(printf, format_index, first_argument)))

/* Ignoring the result is a mistake. */
#define SHEAF_MUST_USE __attribute__((warn_unused_result))

/* Where it stands, as static text: "app.c:12". */
#define SHEAF_TEXT_OF_(x) #x
#define SHEAF_TEXT_(x) SHEAF_TEXT_OF_(x)
#define SHEAF_PLACE __FILE__ ":" SHEAF_TEXT_(__LINE__)

/* The same for what the headers' own macros note, unless the program wants none of that. */
#ifdef SHEAF_NO_PLACES
#define SHEAF_PLACE_ NULL
#else
#define SHEAF_PLACE_ SHEAF_PLACE
#endif

/* The version of these headers.
 *
 * The promise that goes with it: within one major version from 1 on, a program built against older
 * headers runs with a newer library.  Functions and enumerators keep their meaning, statuses their
 * numbers, option structs only grow at their end (their first member, the size, tells how far the
 * caller knows them) and caller-allocated objects keep their size.  Version 0 promises this for
 * equal minor numbers. */
#define SHEAF_VERSION_MAJOR 0
#define SHEAF_VERSION_MINOR 1
#define SHEAF_VERSION_PATCH 0
#define SHEAF_VERSION_STRING "0.1.0"
#define SHEAF_VERSION                                                                              \
    (SHEAF_VERSION_MAJOR * 10000 + SHEAF_VERSION_MINOR * 100 + SHEAF_VERSION_PATCH)

SHEAF_BEGIN_DECLS

/* ---------------------------------------------------------------- values and tasks */

/* What a task gives: 8 bytes, of which the task and its awaiter agree on one member. */
typedef union sheaf_value {
    void *ptr;
    int64_t i64;
    uint64_t u64;
    double f64;
} sheaf_value;

typedef struct sheaf_error sheaf_error;   /* error.h */
typedef struct sheaf_future sheaf_future; /* future.h */
typedef struct sheaf_pool sheaf_pool;     /* pool.h */
typedef struct sheaf_task sheaf_task;     /* task.h */

/* The body of a task.
 *
 *   result  all zero at the start; what it holds when the body returns SHEAF_OK is the task's value
 *
 * Returns: SHEAF_OK, a positive code of the program's own, or a library status that it passes on */
typedef int sheaf_fn(void *arg, sheaf_value *result);

/* ---------------------------------------------------------------- statuses */

/* Every status of the library: name, number, text.  A number is never changed nor used again. */
#define SHEAF_STATUS_MAP(X)                                                                        \
    X(OK, 0, "success")                                                                            \
    X(CANCELLED, -1001, "cancelled")                                                               \
    X(TIMEOUT, -1002, "the time limit has passed")                                                 \
    X(NOMEM, -1003, "out of memory, threads or stacks")                                            \
    X(INVALID, -1004, "an argument is invalid")                                                    \
    X(STATE, -1005, "not possible in the present state")                                           \
    X(NOTASK, -1006, "not running as a task")                                                      \
    X(CLOSED, -1007, "the pool or group is closed")                                                \
    X(CYCLE, -1008, "the wait would close a circle of tasks")                                      \
    X(DEADLOCK, -1009, "nothing can go on: deadlock")                                              \
    X(FATAL, -1010, "fatal error")                                                                 \
    X(LOST, -1011, "whoever was to give the result is gone")                                       \
    X(FULL, -1012, "full")                                                                         \
    X(EMPTY, -1013, "empty")                                                                       \
    X(SHUTDOWN, -1014, "the queue is shut down")                                                   \
    X(BROKEN, -1015, "the barrier is broken")                                                      \
    X(INTERRUPTED, -1016, "interrupted by a signal")

#define SHEAF_STATUS_ENUMERATOR_(name, number, text) SHEAF_##name = (number),

enum sheaf_status { SHEAF_STATUS_MAP(SHEAF_STATUS_ENUMERATOR_) };

/* The status as it is spelled in a program: "SHEAF_TIMEOUT", for a positive code "EIO" and the like
 * where the C library can tell, else "code".
 *
 * Returns: a static string, never NULL
 * Context: any */
SHEAF_API const char *sheaf_status_name(int status);

/* What the status means: a phrase that begins with a small letter for the library's own, the C
 * library's text for an errno value, a general phrase for what is neither.
 *
 * Returns: a static string, never NULL
 * Context: any */
SHEAF_API const char *sheaf_status_text(int status);

/* The exit code of a program whose main task ended with `status`:
 *
 *     SHEAF_OK          0
 *     1 to 123          the same number, so that a program may choose its exit code
 *     SHEAF_TIMEOUT     124, as timeout(1) exits
 *     SHEAF_INTERRUPTED, SHEAF_CANCELLED
 *                       130, as shells report an interrupted program
 *     all others        1, so that a large code never wraps around to success
 *
 * Context: any */
SHEAF_API int sheaf_exit_code(int status);

/* Evaluates an expression once and returns its status from the enclosing function unless it is
 * SHEAF_OK. */
#define SHEAF_TRY(expression)                                                                      \
    do {                                                                                           \
        const int sheaf_try_status_ = (expression);                                                \
        if (sheaf_try_status_ != 0) {                                                              \
            return sheaf_try_status_;                                                              \
        }                                                                                          \
    } while (0)

/* ---------------------------------------------------------------- memory */

/* Where all of the library's memory comes from, but for the stacks of tasks, which are mapped.
 *
 *   alloc  gives at least `bytes` (never 0), aligned to `align` (a power of two), or NULL
 *   free   gets back a block with the `bytes` that it was asked for with
 *
 * Both are called from any thread, from several at once, on stacks as small as a task's, and call
 * nothing of sheaf. */
typedef struct sheaf_allocator {
    size_t size; /* sizeof(sheaf_allocator) */
    void *(*alloc)(void *context, size_t bytes, size_t align);
    void (*free)(void *context, void *block, size_t bytes);
    void *context;
} sheaf_allocator;

/* Replaces the process-wide allocator; NULL restores malloc() and free().
 *
 *   allocator  copied
 *
 * Requires: no other thread is inside of sheaf
 * Returns:  SHEAF_OK; SHEAF_STATE while a block of the library's lives (a pool is open, a future or
 *           an error is held); SHEAF_INVALID for a missing function or a wrong size; nothing has
 *           changed then
 * Context:  plain thread */
SHEAF_API int sheaf_set_allocator(const sheaf_allocator *allocator);

SHEAF_END_DECLS

#endif
