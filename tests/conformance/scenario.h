/* Scenarios: small concurrent programs in plain text, and their parser.
 *
 *     semaphore permits 2                  # declarations
 *     task worker                          # bodies, of which one is `main`
 *       acquire permits
 *       sleep 20
 *       release permits
 *     end
 *     main
 *       spawn a worker
 *       wait_for 50 a
 *     end
 *
 * One statement a line, words split by blanks, # starts a comment.  A statement has so many words
 * after its verb, of which one may be a number, a limit or a choice; a block ends with `end`, and
 * `try` and `guard` have a second half after `catch` and `cleanup`.  rules[] in scenario.c is the
 * list of all statements.
 */
#ifndef SHEAF_TESTS_CONFORMANCE_SCENARIO_H
#define SHEAF_TESTS_CONFORMANCE_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/conformance/memory.h"

/* The largest number that a scenario may name; its clock goes no further either. */
enum { SCENARIO_MS_MAX = 10000000 };

enum verb {
    VERB_ABSORB,
    VERB_ACQUIRE,
    VERB_AWAIT,
    VERB_AWAIT_EVENT,
    VERB_CANCEL,
    VERB_CANCEL_ME,
    VERB_CANCELLING,
    VERB_EACH,
    VERB_GATHER,
    VERB_GET,
    VERB_GROUP,
    VERB_GSPAWN,
    VERB_GUARD,
    VERB_LOG,
    VERB_PROMISE,
    VERB_PUT,
    VERB_RAISE,
    VERB_REJECT,
    VERB_RELEASE,
    VERB_REPEAT,
    VERB_RESOLVE,
    VERB_RETURN,
    VERB_SET,
    VERB_SHIELD,
    VERB_SLEEP,
    VERB_SPAWN,
    VERB_TIMEOUT,
    VERB_TRY,
    VERB_UNCANCEL,
    VERB_WAIT,
    VERB_WAIT_FOR,
    VERB_YIELD,
    VERBS
};

enum thing_kind {
    THING_SEMAPHORE = 1 << 0,
    THING_EVENT = 1 << 1,
    THING_LOCK = 1 << 2,
    THING_QUEUE = 1 << 3
};

/* One declaration. */
struct thing_declared {
    enum thing_kind kind;
    const char *name;
    int number;    /* permits of a semaphore, bound of a queue */
    size_t latest; /* index of the last declaration of that name that the same statements use */
};

struct block {
    const struct statement *statements;
    size_t count;
};

struct statement {
    enum verb verb;
    unsigned line;
    char *const *words; /* those after the verb */
    size_t count;
    int number;   /* the one number or limit among the words; -1 is the limit `none` */
    int choice;   /* which word of the choice: 0 for the first */
    size_t thing; /* index of the declaration that it uses */
    const struct task_body *task; /* what it spawns */
    struct block first, second;
};

struct task_body {
    struct task_body *next;
    const char *name;
    struct block block;
};

struct scenario {
    struct arena arena; /* holds all of it */
    struct thing_declared *things;
    size_t thing_count;
    struct task_body *tasks;
    struct task_body *main;
    unsigned depth; /* of its blocks in each other */
};

enum { FAULT_TEXT = 200 };

/* Why a text is no scenario. */
struct fault {
    unsigned line;
    char why[FAULT_TEXT]; /* printable, one line */
};

/* Reads a scenario.
 *
 *   text    `size` bytes, borrowed; any bytes whatever
 *   *out    given: scenario_free() it; untouched when the text is malformed
 *   *fault  filled in when it is
 *
 * Returns: whether it is a scenario */
bool scenario_parse(const char *text, size_t size, struct scenario *out, struct fault *fault);

void scenario_free(struct scenario *scenario);

#endif
