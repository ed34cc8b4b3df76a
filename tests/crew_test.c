/* Blocking calls where the system refuses threads. */
#include "lib/atomics.h"
#include "lib/platform/thread.h"
#include "tests/support/fixture.h"

/* So many threads may be started; negative: any number. */
static SHEAF__ATOMIC(int) allowed = -1;

/* The linker's --wrap puts this in the place of sheaf__thread_start(). */
int __wrap_sheaf__thread_start(pthread_t *thread, void *(*body)(void *), void *arg);
int __real_sheaf__thread_start(pthread_t *thread, void *(*body)(void *), void *arg);

int __wrap_sheaf__thread_start(pthread_t *thread, void *(*body)(void *), void *arg)
{
    int left = sheaf__load_acq(&allowed);
    while (left > 0 && !sheaf__cas_weak_acq_rel(&allowed, &left, left - 1)) {
    }
    return left == 0 ? 11 : __real_sheaf__thread_start(thread, body, arg);
}

static SHEAF__ATOMIC(int) ran, dropped;

static void drop_arg(void *arg)
{
    (void)arg;
    sheaf__add_acq_rel(&dropped, 1);
}

static int count_run(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf__add_acq_rel(&ran, 1);
    return SHEAF_OK;
}

static sheaf_future *call(void)
{
    return sheaf_blocking_with(SHEAF_BLOCKING_OPTIONS(.arg_drop = drop_arg), count_run, NULL);
}

enum { CALLS = 10 };

static int call_with_threads(int threads)
{
    sheaf_future *f[CALLS];
    int failed = 0;
    sheaf__store_rel(&ran, 0);
    sheaf__store_rel(&dropped, 0);
    sheaf__store_rel(&allowed, threads);
    for (int i = 0; i < CALLS; i++) {
        f[i] = call();
    }
    for (int i = 0; i < CALLS; i++) {
        int status = sheaf_join(f[i], NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_NOMEM);
        failed += status == SHEAF_NOMEM;
    }
    sheaf__store_rel(&allowed, -1);
    EXPECT_INT(sheaf__load_acq(&dropped), failed);
    EXPECT_INT(sheaf__load_acq(&ran), CALLS - failed);
    return failed;
}

static int without_a_thread_calls_fail_and_later_ones_do_not(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(call_with_threads(0), CALLS);
    EXPECT_INT(call_with_threads(1), 0);
    return SHEAF_OK;
}

static int a_few_threads_do_the_work_of_many(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(call_with_threads(2), 0);
    return SHEAF_OK;
}

/* Several tasks call at once while threads come and go. */
static int call_some(void *arg, sheaf_value *result)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int status = sheaf_join(call(), NULL);
        EXPECT(status == SHEAF_OK || status == SHEAF_NOMEM);
        result->i64 += status == SHEAF_NOMEM;
    }
    return SHEAF_OK;
}

static int nothing_is_lost_when_threads_are_refused_now_and_then(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    enum { TASKS = 8 };
    sheaf_future *f[TASKS];
    int64_t failed = 0;
    sheaf__store_rel(&ran, 0);
    sheaf__store_rel(&dropped, 0);
    sheaf__store_rel(&allowed, 0);
    sheaf_spawn_many(call_some, NULL, 0, TASKS, f);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    sheaf__store_rel(&allowed, 1);
    for (int i = 0; i < TASKS; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_join(f[i], &value), SHEAF_OK);
        failed += value.i64;
    }
    sheaf__store_rel(&allowed, -1);
    EXPECT_INT(sheaf__load_acq(&dropped), failed);
    EXPECT_INT(sheaf__load_acq(&ran), TASKS * 20 - failed);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(without_a_thread_calls_fail_and_later_ones_do_not),
    TASK_TEST(a_few_threads_do_the_work_of_many),
    TASK_TEST(nothing_is_lost_when_threads_are_refused_now_and_then),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
