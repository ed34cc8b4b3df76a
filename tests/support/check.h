/* Findings of code that may not assert for itself.
 *
 * CMocka's assertions work on the test's own thread only, and not inside a task: they leave by a
 * long jump, which would abandon a fiber.  So tasks, callbacks and helper threads record into a
 * `struct check`, and the test's thread asserts once they have ended:
 *
 *     CHECK(c, sheaf_done(f));                    // in a task: records, and goes on
 *     CHECK_INT(c, sheaf_await(f, &v), SHEAF_OK); // says both values
 *     ...
 *     check_assert(c);                            // on the test's thread: fails with what was
 * recorded
 *
 * A check also keeps notes, words in the order in which they were written, for tests of order.
 */
#ifndef SHEAF_TESTS_SUPPORT_CHECK_H
#define SHEAF_TESTS_SUPPORT_CHECK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/platform/cpu.h"

struct check {
    pthread_mutex_t lock;
    unsigned long failures; /* guarded by lock */
    char first[1000];       /* the first failures as lines, as many as fit; guarded by lock */
    size_t first_length;
    char *notes; /* words separated by blanks, or NULL; guarded by lock */
    size_t notes_length;
};

#define CHECK_INIT                                                                                 \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                          \
    }

/* Each gives whether the expectation held, and records the places of the first that did not. */
#define CHECK(c, expression) check_that((c), (expression), #expression, __FILE__, __LINE__)
#define CHECK_INT(c, actual, expected)                                                             \
    check_int((c), (int64_t)(actual), (int64_t)(expected), #actual, __FILE__, __LINE__)
#define CHECK_PTR(c, actual, expected)                                                             \
    check_ptr((c), (actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_TEXT(c, actual, expected)                                                            \
    check_text((c), (actual), (expected), #actual, __FILE__, __LINE__)

bool check_that(struct check *c, bool holds, const char *what, const char *file, int line);
bool check_int(struct check *c, int64_t actual, int64_t expected, const char *what,
               const char *file, int line);
bool check_ptr(struct check *c, const void *actual, const void *expected, const char *what,
               const char *file, int line);
bool check_text(struct check *c, const char *actual, const char *expected, const char *what,
                const char *file, int line);

/* Appends one word to the notes. */
void check_note(struct check *c, const char *format, ...) SHEAF__PRINTF(2, 3);

/* The notes so far; valid until the next note or reset.
 * Requires: nobody writes notes at the same time */
const char *check_notes(struct check *c);

/* Throws the notes away. */
void check_forget_notes(struct check *c);

/* Whether anything failed so far. */
bool check_failed(struct check *c);

/* Fails the running test with what was recorded, if anything was.
 * Context: the test's own thread */
void check_assert(struct check *c);

/* Forgets failures and notes, and gives the memory of the notes back. */
void check_reset(struct check *c);

#endif
