/* Tasks whose part is written as data: what one waits for, what it gives, and what it does when it
 * is asked to cancel.
 *
 *     struct role slow = {.delay = SHEAF_S(10), .value = 1};
 *     struct role stubborn = {.delay = SHEAF_S(10), .asked = SWALLOW, .value = 2};
 *     sheaf_future *tasks[2] = {start(&slow), start(&stubborn)};
 *
 * Time is cheap on a virtual clock, and exact: in the modes of MODES_VIRTUAL a task that sleeps
 * goes on only when nothing else can run, with several workers too.  settle() rests on that.
 */
#ifndef SHEAF_TESTS_SUPPORT_ROLES_H
#define SHEAF_TESTS_SUPPORT_ROLES_H

#include <stdint.h>

#include <sheaf.h>

#include "lib/atomics.h"
#include "tests/support/fixture.h"

enum when_asked {
    PASS_ON = 0, /* ends cancelled */
    SWALLOW,     /* goes on with its end */
    FAIL_INSTEAD /* fails with late_code */
};

struct role {
    sheaf_future *awaited; /* waits for it and hands its value on, if it is there */
    sheaf_duration delay;  /* sleeps so long if it is not; 0: does not suspend at all */
    int64_t value;         /* gives this without `awaited` ... */
    int code;              /* ... or fails with this, unless 0 */
    const char *name;      /* written down when it ends; with a `!` behind it when it was asked */
    enum when_asked asked;
    sheaf_duration cleanup; /* sleeps so long first when it is asked */
    int late_code;

    SHEAF__ATOMIC(int) begun, requests, ended;
};

/* The body.  A role that fails says "failed N" with N its code. */
int play(void *arg, sheaf_value *result);

/* sheaf_spawn() of it. */
sheaf_future *start(struct role *role);

/* Lets everything run that can, until all other tasks wait.
 * Requires: one of MODES_VIRTUAL
 * Context:  task */
void settle(void);

/* A promise's value. */
sheaf_value number(int64_t n);

/* A promise that is resolved already. */
sheaf_future *resolved(int64_t n);

/* Joins the future and expects that outcome. */
void expect_end(sheaf_future *future, int status);
void expect_value(sheaf_future *future, int64_t value);

/* Expects the error of a future that is done, with that message unless it is NULL.  Keeps the
 * future. */
void expect_error(sheaf_future *future, int code, const char *message);

#endif
