#include "tests/faults/trial.h"

#include <errno.h>
#include <stdio.h>

#include "lib/atomics.h"
#include "tests/faults/harness.h"

struct check fault_check = CHECK_INIT;

static struct {
    SHEAF__ATOMIC(long) handed, arrived, arguments_dropped;
    SHEAF__ATOMIC(long) made, taken, values_dropped;
    SHEAF__ATOMIC(long) registered, called;
} accounts;

int fault_ends(int status, const char *what, const char *file, int line, const int *allowed,
               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (status == allowed[i]) {
            return status;
        }
    }
    char text[300];
    snprintf(text, sizeof text, "%s, which gives %s,", what, sheaf_status_name(status));
    check_that(&fault_check, false, text, file, line);
    return status;
}

/* ---------------------------------------------------------------- accounts */

void fault_accounts_open(void)
{
    sheaf__store_seq(&accounts.handed, 0);
    sheaf__store_seq(&accounts.arrived, 0);
    sheaf__store_seq(&accounts.arguments_dropped, 0);
    sheaf__store_seq(&accounts.made, 0);
    sheaf__store_seq(&accounts.taken, 0);
    sheaf__store_seq(&accounts.values_dropped, 0);
    sheaf__store_seq(&accounts.registered, 0);
    sheaf__store_seq(&accounts.called, 0);
}

void fault_accounts_close(bool abandons)
{
    long lost = sheaf__load_seq(&accounts.handed) - sheaf__load_seq(&accounts.arrived) -
                sheaf__load_seq(&accounts.arguments_dropped);
    IS(lost, 0);
    IS(sheaf__load_seq(&accounts.taken) + sheaf__load_seq(&accounts.values_dropped),
       sheaf__load_seq(&accounts.made));
    long uncalled = sheaf__load_seq(&accounts.registered) - sheaf__load_seq(&accounts.called);
    HOLDS(uncalled == 0 || (abandons && uncalled > 0));
}

void fault_hand_over(void)
{
    sheaf__add_seq(&accounts.handed, 1);
}

void fault_arrived(void)
{
    sheaf__add_seq(&accounts.arrived, 1);
}

void fault_drop_argument(void *arg)
{
    (void)arg;
    sheaf__add_seq(&accounts.arguments_dropped, 1);
}

sheaf_value fault_value(void)
{
    sheaf__add_seq(&accounts.made, 1);
    return number(7);
}

void fault_value_taken(void)
{
    sheaf__add_seq(&accounts.taken, 1);
}

void fault_drop_value(sheaf_value value)
{
    IS(value.i64, 7);
    sheaf__add_seq(&accounts.values_dropped, 1);
}

void fault_callbacks(long more)
{
    sheaf__add_seq(&accounts.registered, more);
}

int fault_callback(void *arg, sheaf_future *future)
{
    (void)arg;
    HOLDS(sheaf_done(future));
    sheaf__add_seq(&accounts.called, 1);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- bodies */

sheaf_value number(int64_t n)
{
    return (sheaf_value){.i64 = n};
}

int give_value(void *arg, sheaf_value *result)
{
    (void)arg;
    fault_arrived();
    *result = fault_value();
    return SHEAF_OK;
}

int nap_and_give(void *arg, sheaf_value *result)
{
    (void)arg;
    fault_arrived();
    SHEAF_TRY(sheaf_sleep(SHORT));
    *result = fault_value();
    return SHEAF_OK;
}

int sleep_long(void *arg, sheaf_value *result)
{
    (void)arg;
    fault_arrived();
    SHEAF_TRY(sheaf_sleep(LONG));
    *result = fault_value();
    return SHEAF_OK;
}

int fail_at_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    fault_arrived();
    return sheaf_raise(EIO, "broken");
}

int give_seven(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 7;
    return SHEAF_OK;
}

int nap(void *arg, sheaf_value *result)
{
    (void)arg;
    SHEAF_TRY(sheaf_sleep(SHORT));
    result->i64 = 7;
    return SHEAF_OK;
}

int nap_longer(void *arg, sheaf_value *result)
{
    (void)arg;
    SHEAF_TRY(sheaf_sleep(20 * SHORT));
    result->i64 = 7;
    return SHEAF_OK;
}

int sleep_on(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(LONG);
}

int fail(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_raise(EIO, "%s is down", "orders");
}

int await_arg(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

void end_one(sheaf_future *future)
{
    (void)sheaf_await(future, NULL);
    if (!sheaf_done(future) && HOLDS(!sheaf_current())) {
        faults_pause();
        (void)sheaf_await(future, NULL);
        faults_resume();
    }
    HOLDS(sheaf_done(future));
    sheaf_release(future);
}

void end_all(sheaf_future *const *futures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sheaf_cancel(futures[i]);
    }
    for (size_t i = 0; i < count; i++) {
        end_one(futures[i]);
    }
}
