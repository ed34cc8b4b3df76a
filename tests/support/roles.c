#include "tests/support/roles.h"

/* Waits as the role says.  Returns: what the wait ended with */
static int wait_as(struct role *role, sheaf_value *result)
{
    if (role->awaited) {
        return sheaf_await(role->awaited, result);
    }
    return role->delay ? sheaf_sleep(role->delay) : SHEAF_OK;
}

/* Returns: SHEAF_OK when the role goes on although it was asked */
static int answer(struct role *role)
{
    sheaf__add_acq_rel(&role->requests, 1);
    if (role->cleanup) {
        SHEAF_TRY(sheaf_sleep(role->cleanup));
    }
    switch (role->asked) {
    case SWALLOW:
        return SHEAF_OK;
    case FAIL_INSTEAD:
        return sheaf_raise(role->late_code, "failed %d", role->late_code);
    default:
        return SHEAF_CANCELLED;
    }
}

int play(void *arg, sheaf_value *result)
{
    struct role *role = arg;
    sheaf__add_acq_rel(&role->begun, 1);
    int status = wait_as(role, result);
    bool asked = status == SHEAF_CANCELLED;
    if (asked) {
        status = answer(role);
    }
    if (role->name) {
        NOTE("%s%s", role->name, asked ? "!" : "");
    }
    sheaf__add_acq_rel(&role->ended, 1);
    SHEAF_TRY(status);
    if (role->code) {
        return sheaf_raise(role->code, "failed %d", role->code);
    }
    if (!role->awaited || asked) {
        result->i64 = role->value;
    }
    return SHEAF_OK;
}

sheaf_future *start(struct role *role)
{
    return sheaf_spawn(play, role);
}

void settle(void)
{
    EXPECT_INT(sheaf_sleep(SHEAF_NS(1)), SHEAF_OK);
}

sheaf_value number(int64_t n)
{
    return (sheaf_value){.i64 = n};
}

sheaf_future *resolved(int64_t n)
{
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT_INT(sheaf_resolve(promise, number(n)), SHEAF_OK);
    return promise;
}

void expect_end(sheaf_future *future, int status)
{
    EXPECT_INT(sheaf_join(future, NULL), status);
}

void expect_value(sheaf_future *future, int64_t value)
{
    sheaf_value given = {.i64 = value + 1};
    EXPECT_INT(sheaf_join(future, &given), SHEAF_OK);
    EXPECT_INT(given.i64, value);
}

void expect_error(sheaf_future *future, int code, const char *message)
{
    sheaf_error *error = sheaf_future_error(future);
    EXPECT_INT(sheaf_error_code(error), code);
    if (message) {
        EXPECT_TEXT(sheaf_error_message(error), message);
    }
    sheaf_error_release(error);
}
