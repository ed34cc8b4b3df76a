/* Errors that nobody looked at: reported once, with the task's name, when the last reference goes.
 * */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_raise(EIO, "nobody looks");
}

static int give_one(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 1;
    return SHEAF_OK;
}

static int end_cancelled(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_CANCELLED;
}

static sheaf_future *spawn_failing(sheaf_pool *pool)
{
    return sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = pool, .name = "quiet-one"), fail, NULL);
}

/* A failing task that has ended and was not looked at. */
static sheaf_future *failed(sheaf_pool *pool)
{
    sheaf_future *f = spawn_failing(pool);
    while (!sheaf_done(f)) {
        EXPECT_INT(sheaf_sleep(SHEAF_US(10)), SHEAF_OK);
    }
    return f;
}

static void expect_report(struct fixture *f, unsigned count)
{
    f->unhandled_expected = count;
    EXPECT_INT(fixture_unhandled(f), count);
    EXPECT_INT(f->unhandled_code, EIO);
    EXPECT_TEXT(f->unhandled_task, "quiet-one");
    EXPECT_TEXT(f->unhandled_message, "nobody looks");
}

/* F16, P13 */
static void an_error_nobody_looked_at_is_reported_when_the_last_reference_goes(struct fixture *f)
{
    sheaf_future *future = failed(f->pool);
    sheaf_retain(future);
    sheaf_release(future);
    EXPECT_INT(fixture_unhandled(f), 0);
    sheaf_release(future);
    expect_report(f, 1);
}

static void an_error_of_a_task_nobody_holds_is_reported_when_it_ends(struct fixture *f)
{
    sheaf_release(spawn_failing(f->pool));
    fixture_close(f);
    expect_report(f, 1);
}

/* F16, T21 */
static void status_done_and_cancel_are_no_look(struct fixture *f)
{
    sheaf_future *future = failed(f->pool);
    EXPECT_INT(sheaf_future_status(future), EIO);
    EXPECT(sheaf_done(future) && !sheaf_cancelled(future));
    EXPECT(!sheaf_cancel(future));
    sheaf_release(future);
    expect_report(f, 1);
}

enum look { BY_AWAIT, BY_LIMITED, BY_RESULT, BY_ERROR, BY_AWAIT_ERROR, BY_TAKE, LOOKS };

static void look_at(sheaf_future *future, enum look how)
{
    sheaf_error *error = NULL;
    switch (how) {
    case BY_AWAIT:
        EXPECT_INT(sheaf_await(future, NULL), EIO);
        break;
    case BY_LIMITED:
        EXPECT_INT(sheaf_await_for(future, 0, NULL), EIO);
        break;
    case BY_RESULT:
        EXPECT_INT(sheaf_result(future, NULL), EIO);
        break;
    case BY_ERROR:
        error = sheaf_future_error(future);
        break;
    case BY_AWAIT_ERROR:
        EXPECT_INT(sheaf_await_error(future, NULL, &error), SHEAF_OK);
        break;
    default:
        EXPECT_INT(sheaf_take(future, NULL), EIO);
        break;
    }
    sheaf_error_release(error);
}

static void every_way_of_reading_is_a_look(struct fixture *f)
{
    for (int how = 0; how < LOOKS; how++) {
        sheaf_future *future = failed(f->pool);
        look_at(future, (enum look)how);
        sheaf_release(future);
        EXPECT_INT(fixture_unhandled(f), 0);
    }
    EXPECT_INT(sheaf_join(spawn_failing(f->pool), NULL), EIO);
}

static int pass_up(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

/* The child's error is looked at by its awaiter; the awaiter's, the same object, by nobody. */
static void an_error_passed_up_is_the_awaiters_to_report(struct fixture *f)
{
    sheaf_future *child = spawn_failing(f->pool);
    sheaf_future *parent = sheaf_spawn_on(f->pool, pass_up, child);
    while (!sheaf_done(parent)) {
        EXPECT_INT(sheaf_sleep(SHEAF_US(10)), SHEAF_OK);
    }
    sheaf_release(child);
    EXPECT_INT(fixture_unhandled(f), 0);
    sheaf_release(parent);
    f->unhandled_expected = 1;
    EXPECT_INT(fixture_unhandled(f), 1);
    EXPECT_INT(f->unhandled_code, EIO);
}

/* F16 */
static void values_and_cancellations_are_never_reported(struct fixture *f)
{
    sheaf_release(sheaf_spawn_on(f->pool, give_one, NULL));
    sheaf_release(sheaf_spawn_on(f->pool, end_cancelled, NULL));
    sheaf_future *p = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    EXPECT(sheaf_cancel_message(p, "with a message"));
    sheaf_release(p);
    p = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    sheaf_release(p);
    fixture_close(f);
    EXPECT_INT(fixture_unhandled(f), 0);
}

static void a_rejected_promise_is_reported_too(struct fixture *f)
{
    sheaf_future *p = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool, .name = "quiet-one"));
    EXPECT_INT(sheaf_reject(p, EIO, "nobody %s", "looks"), SHEAF_OK);
    sheaf_release(p);
    f->unhandled_expected = 1;
    EXPECT_INT(fixture_unhandled(f), 1);
    EXPECT_TEXT(f->unhandled_message, "nobody looks");
}

/* ---------------------------------------------------------------- the hook */

struct hook {
    SHEAF__ATOMIC(int) inside, calls;
};

static void count_calls(void *context, const sheaf_error *error, const char *task_name)
{
    struct hook *h = context;
    EXPECT_INT(sheaf__add_acq_rel(&h->inside, 1), 0);
    EXPECT_INT(sheaf_error_code(error), EIO);
    EXPECT_TEXT(task_name, "quiet-one");
    sheaf__add_acq_rel(&h->calls, 1);
    EXPECT_INT(sheaf__sub_acq_rel(&h->inside, 1), 1);
}

/* EH1 */
static void the_hook_gets_one_call_at_a_time(struct fixture *f)
{
    struct hook hook = {0};
    sheaf_options options = fixture_options(f);
    options.unhandled = count_calls;
    options.hook_context = &hook;
    sheaf_pool *pool = NULL;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    int count = (int)fixture_scaled(2000);
    for (int i = 0; i < count; i++) {
        sheaf_release(spawn_failing(pool));
    }
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_acq(&hook.calls), count);
}

/* Standard error is led into a file while a pool without a hook reports. (EH3) */
static void without_a_hook_a_line_goes_to_standard_error(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    options.unhandled = NULL;
    char path[] = "/tmp/unhandled_test_XXXXXX", text[1000] = "";
    int file = mkstemp(path), saved = dup(STDERR_FILENO);
    EXPECT(file >= 0 && saved >= 0);
    unlink(path);
    fflush(stderr);
    dup2(file, STDERR_FILENO);
    sheaf_pool *pool = NULL;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    sheaf_release(spawn_failing(pool));
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    dup2(saved, STDERR_FILENO);
    close(saved);
    EXPECT(pread(file, text, sizeof text - 1, 0) > 0);
    close(file);
    EXPECT(strstr(text, "quiet-one") != NULL);
    EXPECT(strstr(text, "nobody looks") != NULL);
    EXPECT(strchr(text, '\n') == text + strlen(text) - 1);
}

static const struct fixture_test tests[] = {
    THREAD_TEST(an_error_nobody_looked_at_is_reported_when_the_last_reference_goes),
    THREAD_TEST(an_error_of_a_task_nobody_holds_is_reported_when_it_ends),
    THREAD_TEST(status_done_and_cancel_are_no_look),
    THREAD_TEST(every_way_of_reading_is_a_look),
    THREAD_TEST(an_error_passed_up_is_the_awaiters_to_report),
    THREAD_TEST(values_and_cancellations_are_never_reported),
    THREAD_TEST(a_rejected_promise_is_reported_too),
    POOL_TEST(the_hook_gets_one_call_at_a_time),
    POOL_TEST(without_a_hook_a_line_goes_to_standard_error),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
