/* How a statement or a block is left: what exceptions are in the language of the reference. */
#ifndef SHEAF_TESTS_CONFORMANCE_LEAVE_H
#define SHEAF_TESTS_CONFORMANCE_LEAVE_H

#include <stdint.h>

#include <sheaf.h>

#include "tests/conformance/memory.h"

enum leave_how {
    GOES_ON,      /* at its end */
    RETURNS,      /* by `return` */
    FAILS,        /* by an error, which `try` catches */
    IS_CANCELLED, /* by a cancellation, which `absorb` catches */
    GIVES_UP      /* because the whole play can not go on: nothing catches that */
};

struct leave {
    enum leave_how how;
    int64_t value;      /* what RETURNS returns */
    sheaf_error *error; /* of FAILS, one reference: never NULL then */
};

/* The code of all errors that scenarios raise: the word is the message. */
enum { RAISED = 1 };

static const struct leave goes_on = {.how = GOES_ON};
static const struct leave gives_up = {.how = GIVES_UP};

/* By the status of a call that has no error object.  SHEAF_OK goes on. */
struct leave leave_by(int status);

/* By an error: taken.  NULL stands for the bare status. */
struct leave leave_by_error(int status, sheaf_error *error);

/* The status that sheaf is to be told; the error, if there is one, is attached to the task. */
int leave_status(const struct leave *leave);

/* Gives up what it holds. */
void leave_drop(struct leave *leave);

/* Writes the outcome: ok:5, error:WORD, error:group(WORD,...), cancelled. */
void leave_write(const struct leave *leave, struct text *out);

/* Writes error:WORD, error:group(WORD,...).
 *
 *   error  may be NULL: then it is the name of the status */
void error_write(int status, const sheaf_error *error, struct text *out);

#endif
