/* Calls in threads of their own as asyncio's own tests of to_thread see them. */
#include "tests/support/roles.h"

#include <errno.h>

struct sum {
    int64_t terms[2];
    SHEAF__ATOMIC(int) calls;
    pthread_t thread;
};

static int add(void *arg, sheaf_value *result)
{
    struct sum *s = arg;
    sheaf__add_acq_rel(&s->calls, 1);
    s->thread = pthread_self();
    EXPECT_PTR(sheaf_current(), NULL);
    result->i64 = s->terms[0] + s->terms[1];
    return SHEAF_OK;
}

/* TH3 */
static int a_call_runs_once_elsewhere_and_its_value_comes_back(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct sum sum = {.terms = {40, 2}};
    expect_value(sheaf_blocking(add, &sum), 42);
    EXPECT_INT(sheaf__load_acq(&sum.calls), 1);
    EXPECT(!pthread_equal(sum.thread, pthread_self()));
    return SHEAF_OK;
}

static int raise_broken(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_raise(EIO, "%s", (const char *)arg);
}

/* TH3 */
static int an_error_of_a_call_comes_back(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    char text[] = "broken";
    sheaf_future *call = sheaf_blocking(raise_broken, text);
    EXPECT_INT(sheaf_await(call, NULL), EIO);
    expect_error(call, EIO, "broken");
    sheaf_release(call);
    return SHEAF_OK;
}

enum { CALLS = 10 };

static int meet_the_others(void *arg, sheaf_value *result)
{
    gate_arrive(arg);
    gate_wait(arg, CALLS);
    result->i64 = 1;
    return SHEAF_OK;
}

/* TH5 */
static int ten_calls_run_at_once(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    struct gate gate = GATE_INIT;
    EXPECT_INT(sheaf_blocking_limit(f->pool, CALLS), SHEAF_OK);
    sheaf_future *calls[CALLS];
    for (int i = 0; i < CALLS; i++) {
        calls[i] = sheaf_blocking(meet_the_others, &gate);
    }
    int statuses[CALLS];
    EXPECT_INT(sheaf_gather(calls, CALLS, SHEAF_GATHER_RAISE, NULL, statuses), SHEAF_OK);
    for (int i = 0; i < CALLS; i++) {
        expect_value(calls[i], 1);
    }
    return SHEAF_OK;
}

static const sheaf_local place = {.name = "place"};
static char home[] = "home", away[] = "away";

static int change_place(void *arg, sheaf_value *result)
{
    (void)arg;
    result->ptr = sheaf_local_get(&place);
    EXPECT_INT(sheaf_local_set(&place, away), SHEAF_OK);
    EXPECT_PTR(sheaf_local_get(&place), away);
    return SHEAF_OK;
}

/* TH1 */
static int a_call_sees_the_values_of_who_asked_for_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_local_set(&place, home), SHEAF_OK);
    for (int i = 0; i < 2; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_join(sheaf_blocking(change_place, NULL), &value), SHEAF_OK);
        EXPECT_PTR(value.ptr, home);
        EXPECT_PTR(sheaf_local_get(&place), home);
    }
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_call_runs_once_elsewhere_and_its_value_comes_back),
    TASK_TEST(an_error_of_a_call_comes_back),
    TASK_TEST(ten_calls_run_at_once),
    TASK_TEST(a_call_sees_the_values_of_who_asked_for_it),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
