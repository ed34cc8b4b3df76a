/* Blocking calls: outcomes, limits, cancelling, task-locals, the clock. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static SHEAF__ATOMIC(int) ran, dropped_args, dropped_values;

static void forget_counts(void)
{
    sheaf__store_rel(&ran, 0);
    sheaf__store_rel(&dropped_args, 0);
    sheaf__store_rel(&dropped_values, 0);
}

static void drop_arg(void *arg)
{
    (void)arg;
    sheaf__add_acq_rel(&dropped_args, 1);
}

static void drop_value(sheaf_value value)
{
    (void)value;
    sheaf__add_acq_rel(&dropped_values, 1);
}

static int give_argument(void *arg, sheaf_value *result)
{
    sheaf__add_acq_rel(&ran, 1);
    result->ptr = arg;
    return SHEAF_OK;
}

/* Two gates: whoever runs says so at the first, and goes on when the second is open. */
struct meeting {
    struct gate here;
    struct gate go_on;
};

#define MEETING_INIT                                                                               \
    {                                                                                              \
        .here = GATE_INIT, .go_on = GATE_INIT                                                      \
    }

static int arrive_and_block(void *arg, sheaf_value *result)
{
    struct meeting *m = arg;
    gate_arrive(&m->here);
    gate_wait(&m->go_on, 1);
    return give_argument(arg, result);
}

static sheaf_future *call_with_drops(sheaf_pool *pool, sheaf_fn *fn, void *arg)
{
    return sheaf_blocking_with(SHEAF_BLOCKING_OPTIONS(.pool = pool, .name = "dropping",
                                                      .arg_drop = drop_arg,
                                                      .value_drop = drop_value),
                               fn, arg);
}

static void sleep_really(long milliseconds)
{
    struct timespec time = {.tv_nsec = milliseconds * 1000000};
    nanosleep(&time, NULL);
}

/* ---------------------------------------------------------------- outcomes */

/* TH3 */
static int a_call_gives_its_value(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_blocking(give_argument, arg), &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, arg);
    sheaf_future *named = sheaf_blocking_with(
        SHEAF_BLOCKING_OPTIONS(.name = "read", .data = &value), give_argument, arg);
    char name[16];
    sheaf_future_name(named, name, sizeof name);
    EXPECT_TEXT(name, "read");
    EXPECT_PTR(sheaf_future_data(named), &value);
    EXPECT_INT(sheaf_join(named, NULL), SHEAF_OK);
    return SHEAF_OK;
}

static int return_status(void *arg, sheaf_value *result)
{
    (void)result;
    return *(const int *)arg;
}

static int raise_error(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_raise(EIO, "disk %d is on fire", 7);
}

/* TH3 */
static int an_error_in_the_call_comes_out_of_the_await(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *f = sheaf_blocking(raise_error, NULL);
    EXPECT_INT(sheaf_await(f, NULL), EIO);
    sheaf_error *error = sheaf_future_error(f);
    EXPECT_TEXT(sheaf_error_message(error), "disk 7 is on fire");
    sheaf_error_release(error);
    sheaf_release(f);
    int statuses[] = {EIO, 5000, SHEAF_CANCELLED, SHEAF_TIMEOUT};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        EXPECT_INT(sheaf_join(sheaf_blocking(return_status, &statuses[i]), NULL), statuses[i]);
    }
    int none = -5;
    f = sheaf_blocking(return_status, &none);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_INVALID);
    error = sheaf_future_error(f);
    EXPECT(strstr(sheaf_error_message(error), "-5") != NULL);
    sheaf_error_release(error);
    sheaf_release(f);
    return SHEAF_OK;
}

static int a_call_without_sense_is_invalid(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    forget_counts();
    EXPECT_INT(sheaf_join(sheaf_blocking(NULL, NULL), NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_join(call_with_drops(NULL, NULL, NULL), NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf__load_acq(&dropped_args), 1);
    sheaf_blocking_options options = {.size = sizeof options + 8};
    EXPECT_INT(sheaf_join(sheaf_blocking_with(&options, give_argument, NULL), NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_blocking_limit(f->pool, 0), SHEAF_INVALID);
    EXPECT_INT(sheaf_blocking_limit(f->pool, SHEAF_BLOCKING_MAX + 1), SHEAF_INVALID);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- where a call runs */

static int look_around(void *arg, sheaf_value *result)
{
    sheaf_future *task = arg;
    sheaf_value value = {0};
    EXPECT_PTR(sheaf_current(), NULL);
    EXPECT_PTR(sheaf_pool_current(), NULL);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_NOTASK);
    EXPECT_INT(sheaf_yield(), SHEAF_NOTASK);
    EXPECT_INT(sheaf_cancelling(NULL), SHEAF_NOTASK);
    EXPECT_INT(sheaf_await(task, &value), SHEAF_OK);
    result->i64 = value.i64 + 1;
    return SHEAF_OK;
}

static int sleep_a_little(void *arg, sheaf_value *result)
{
    (void)arg;
    SHEAF_TRY(sheaf_yield());
    result->i64 = 5;
    return SHEAF_OK;
}

static int a_call_runs_on_a_plain_thread_and_may_wait_for_tasks(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *task = sheaf_spawn(sleep_a_little, NULL);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_blocking(look_around, task), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 6);
    sheaf_release(task);
    return SHEAF_OK;
}

static int call_within(void *arg, sheaf_value *result)
{
    return sheaf_join(call_with_drops(arg, give_argument, arg), result);
}

static int a_call_may_make_another(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    sheaf_value value = {0};
    EXPECT_INT(sheaf_join(sheaf_blocking(call_within, f->pool), &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, f->pool);
    return SHEAF_OK;
}

enum { AT_ONCE = 4 };

static int meet_the_others(void *arg, sheaf_value *result)
{
    struct gate *here = arg;
    (void)result;
    gate_arrive(here);
    gate_wait(here, AT_ONCE);
    return SHEAF_OK;
}

/* TH5 */
static int calls_run_at_the_same_time_and_keep_no_worker(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct gate here = GATE_INIT;
    sheaf_future *f[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        f[i] = sheaf_blocking(meet_the_others, &here);
    }
    for (int i = 0; i < AT_ONCE; i++) {
        EXPECT_INT(sheaf_join(f[i], NULL), SHEAF_OK);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- limits */

static SHEAF__ATOMIC(int) inside, most_inside;

static int count_inside(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int now = sheaf__add_acq_rel(&inside, 1) + 1;
    int most = sheaf__load_rlx(&most_inside);
    while (now > most && !sheaf__cas_weak_acq_rel(&most_inside, &most, now)) {
    }
    sleep_really(1);
    sheaf__sub_acq_rel(&inside, 1);
    return SHEAF_OK;
}

enum { MANY = 20 };

static void call_many(sheaf_fn *fn)
{
    sheaf_future *f[MANY];
    for (int i = 0; i < MANY; i++) {
        f[i] = sheaf_blocking(fn, (void *)(intptr_t)i);
    }
    for (int i = 0; i < MANY; i++) {
        EXPECT_INT(sheaf_join(f[i], NULL), SHEAF_OK);
    }
}

static int no_more_calls_run_than_the_limit_says(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    int limits[] = {1, 3, 2};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        EXPECT_INT(sheaf_blocking_limit(f->pool, limits[i]), SHEAF_OK);
        /* Threads beyond a lower limit may still be on their way out. */
        sheaf__store_rel(&most_inside, 0);
        call_many(count_inside);
        EXPECT(sheaf__load_acq(&most_inside) <= limits[i]);
    }
    return SHEAF_OK;
}

static int note_number(void *arg, sheaf_value *result)
{
    (void)result;
    NOTE("%d", (int)(intptr_t)arg);
    return SHEAF_OK;
}

static int calls_start_first_in_first_out(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    EXPECT_INT(sheaf_blocking_limit(f->pool, 1), SHEAF_OK);
    call_many(note_number);
    EXPECT_NOTES("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
    return SHEAF_OK;
}

static int a_higher_limit_starts_what_waits(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    struct gate here = GATE_INIT;
    EXPECT_INT(sheaf_blocking_limit(f->pool, 1), SHEAF_OK);
    sheaf_future *calls[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        calls[i] = sheaf_blocking(meet_the_others, &here);
    }
    gate_wait(&here, 1);
    EXPECT_INT(sheaf_blocking_limit(f->pool, AT_ONCE), SHEAF_OK);
    for (int i = 0; i < AT_ONCE; i++) {
        EXPECT_INT(sheaf_join(calls[i], NULL), SHEAF_OK);
    }
    return SHEAF_OK;
}

/* The threads of this process that carry the name of the fixture's threads for calls. */
static int count_threads(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/task");
    const struct dirent *entry;
    while (folder && (entry = readdir(folder)) != NULL) {
        char path[300];
        char name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file) {
            if (fgets(name, sizeof name, file)) {
                count += strcmp(name, "fixture/call\n") == 0;
            }
            fclose(file);
        }
    }
    if (folder) {
        closedir(folder);
    }
    return count;
}

static int threads_without_work_leave_after_a_while(void *arg, sheaf_value *result)
{
    (void)result;
    calls_run_at_the_same_time_and_keep_no_worker(arg, result);
    EXPECT_INT(count_threads(), AT_ONCE);
    for (int i = 0; i < 1000 && count_threads() > 0; i++) {
        sleep_really(10);
    }
    EXPECT_INT(count_threads(), 0);
    return a_call_gives_its_value(arg, result);
}

/* ---------------------------------------------------------------- cancelling */

/* TH2 */
static int a_queued_call_that_is_cancelled_never_runs(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    struct meeting m = MEETING_INIT;
    (void)result;
    forget_counts();
    EXPECT_INT(sheaf_blocking_limit(f->pool, 1), SHEAF_OK);
    sheaf_future *first = sheaf_blocking(arrive_and_block, &m);
    gate_wait(&m.here, 1);
    sheaf_future *second = call_with_drops(NULL, give_argument, NULL);
    EXPECT(sheaf_cancel(second));
    EXPECT_INT(sheaf__load_acq(&dropped_args), 1);
    EXPECT_INT(sheaf_join(second, NULL), SHEAF_CANCELLED);
    gate_arrive(&m.go_on);
    EXPECT_INT(sheaf_join(first, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&ran), 1);
    EXPECT_INT(sheaf__load_acq(&dropped_values), 0);
    return SHEAF_OK;
}

static int await_call(void *arg, sheaf_value *result)
{
    return sheaf_join(call_with_drops(NULL, arrive_and_block, arg), result);
}

static void wait_for(SHEAF__ATOMIC(int) * counter, int count)
{
    for (int i = 0; i < 5000 && sheaf__load_acq(counter) < count; i++) {
        sleep_really(1);
    }
    EXPECT_INT(sheaf__load_acq(counter), count);
}

/* The call cannot end before the gate is open: the task did not wait for it. (TH2) */
static int a_call_that_runs_goes_on_and_its_value_is_dropped(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct meeting m = MEETING_INIT;
    forget_counts();
    sheaf_future *task = sheaf_spawn(await_call, &m);
    while (gate_count(&m.here) == 0) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf__load_acq(&ran), 0);
    gate_arrive(&m.go_on);
    wait_for(&dropped_values, 1);
    EXPECT_INT(sheaf__load_acq(&ran), 1);
    EXPECT_INT(sheaf__load_acq(&dropped_args), 0);
    return SHEAF_OK;
}

static int a_value_that_nobody_takes_is_dropped_once(void *arg, sheaf_value *result)
{
    (void)result;
    forget_counts();
    EXPECT_INT(sheaf_join(call_with_drops(NULL, give_argument, arg), NULL), SHEAF_OK);
    /* The thread may be the last to let go of the future. */
    wait_for(&dropped_values, 1);
    sheaf_future *f = call_with_drops(NULL, give_argument, arg);
    EXPECT_INT(sheaf_await(f, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_take(f, NULL), SHEAF_OK);
    sheaf_release(f);
    EXPECT_INT(sheaf__load_acq(&dropped_values), 1);
    EXPECT_INT(sheaf__load_acq(&dropped_args), 0);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- task-locals */

static SHEAF__ATOMIC(int) dropped_locals;

static void drop_local(void *value)
{
    (void)value;
    sheaf__add_acq_rel(&dropped_locals, 1);
}

static const sheaf_local user = {.name = "user"};
static const sheaf_local owned = {.name = "owned", .drop = drop_local};
static char anna[] = "anna", bert[] = "bert";

static int tell_user(void *arg, sheaf_value *result)
{
    (void)arg;
    result->ptr = sheaf_local_get(&user);
    return SHEAF_OK;
}

static int change_user(void *arg, sheaf_value *result)
{
    sheaf_value value = {0};
    EXPECT_PTR(sheaf_local_get(&user), anna);
    EXPECT_INT(sheaf_local_set(&user, bert), SHEAF_OK);
    EXPECT_INT(sheaf_local_set(&owned, bert), SHEAF_OK);
    EXPECT_PTR(sheaf_local_get(&user), bert);
    EXPECT_INT(sheaf_join(sheaf_spawn_on(arg, tell_user, NULL), &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, bert);
    result->ptr = value.ptr;
    return SHEAF_OK;
}

/* TH1, CX3 */
static int a_call_sees_the_locals_of_its_maker_and_keeps_its_own(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    sheaf_value value = {0};
    sheaf__store_rel(&dropped_locals, 0);
    EXPECT_INT(sheaf_local_set(&user, anna), SHEAF_OK);
    sheaf_future *call = sheaf_blocking(change_user, f->pool);
    EXPECT_INT(sheaf_local_set(&user, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(call, &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, bert);
    EXPECT_PTR(sheaf_local_get(&user), NULL);
    EXPECT_PTR(sheaf_local_get(&owned), NULL);
    wait_for(&dropped_locals, 1);
    EXPECT_INT(sheaf_join(sheaf_blocking(tell_user, NULL), &value), SHEAF_OK);
    EXPECT_PTR(value.ptr, NULL);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- the clock */

static int sleep_and_note(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sleep_really(20);
    NOTE("call");
    return SHEAF_OK;
}

static int sleep_an_hour(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_sleep(SHEAF_S(3600)));
    NOTE("hour");
    return SHEAF_OK;
}

static int a_call_holds_a_virtual_clock(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    EXPECT_INT(sheaf_blocking_limit(f->pool, 1), SHEAF_OK);
    sheaf_future *hour = sheaf_spawn(sleep_an_hour, NULL);
    sheaf_future *calls[2] = {sheaf_blocking(sleep_and_note, NULL),
                              sheaf_blocking(sleep_and_note, NULL)};
    EXPECT_INT(sheaf_join(hour, NULL), SHEAF_OK);
    EXPECT_NOTES("call call hour");
    sheaf_release_all(calls, 2);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_call_gives_its_value),
    TASK_TEST(an_error_in_the_call_comes_out_of_the_await),
    TASK_TEST(a_call_without_sense_is_invalid),
    TASK_TEST(a_call_runs_on_a_plain_thread_and_may_wait_for_tasks),
    TASK_TEST(a_call_may_make_another),
    TASK_TEST(calls_run_at_the_same_time_and_keep_no_worker),
    TASK_TEST(no_more_calls_run_than_the_limit_says),
    TASK_TEST(calls_start_first_in_first_out),
    TASK_TEST(a_higher_limit_starts_what_waits),
    TASK_TEST_ON(MODE_2, threads_without_work_leave_after_a_while),
    TASK_TEST(a_queued_call_that_is_cancelled_never_runs),
    TASK_TEST(a_call_that_runs_goes_on_and_its_value_is_dropped),
    TASK_TEST(a_value_that_nobody_takes_is_dropped_once),
    TASK_TEST(a_call_sees_the_locals_of_its_maker_and_keeps_its_own),
    TASK_TEST_ON(MODES_VIRTUAL, a_call_holds_a_virtual_clock),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
