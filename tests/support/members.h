/* Members for the tests of gather, wait, groups and their like, with their threads. */
#ifndef SHEAF_TESTS_SUPPORT_MEMBERS_H
#define SHEAF_TESTS_SUPPORT_MEMBERS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf.h>

#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/roles.h"

/* Promises of that pool; NULL: the current task's. */
static inline void make_promises(sheaf_pool *pool, sheaf_future **promises, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        promises[i] = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool));
    }
}

/* ---------------------------------------------------------------- bodies */

/* Gives the number that the argument points to. */
static inline int give_number(void *arg, sheaf_value *result)
{
    result->i64 = *(const int64_t *)arg;
    return SHEAF_OK;
}

static inline int fail_with_eio(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_raise(EIO, "broken");
}

/* Waits for the future that is its argument. */
static inline int await_it(void *arg, sheaf_value *result)
{
    return fixture_rest(arg, result);
}

/* Waits for the future that is its argument, and gives 9 when it is asked meanwhile. */
static inline int await_and_swallow(void *arg, sheaf_value *result)
{
    int status = fixture_rest(arg, result);
    if (status == SHEAF_CANCELLED) {
        result->i64 = 9;
        return SHEAF_OK;
    }
    return status;
}

/* The same, failing with EPIPE when it is asked. */
static inline int await_and_fail(void *arg, sheaf_value *result)
{
    int status = fixture_rest(arg, result);
    return status == SHEAF_CANCELLED ? sheaf_raise(EPIPE, "clean-up failed") : status;
}

/* ---------------------------------------------------------------- accounts of values */

/* How many of the values made with value_to_drop() were dropped, and the sum of their numbers. */
static SHEAF__ATOMIC(int64_t) values_dropped, values_dropped_sum;

static inline void drop_value(sheaf_value value)
{
    sheaf__add_acq_rel(&values_dropped, 1);
    sheaf__add_acq_rel(&values_dropped_sum, value.i64);
}

static inline void forget_dropped_values(void)
{
    sheaf__store_rel(&values_dropped, 0);
    sheaf__store_rel(&values_dropped_sum, 0);
}

static inline int64_t dropped_values(void)
{
    return sheaf__load_acq(&values_dropped);
}

static inline sheaf_future *promise_with_drop(sheaf_pool *pool)
{
    return sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool, .value_drop = drop_value));
}

#endif
