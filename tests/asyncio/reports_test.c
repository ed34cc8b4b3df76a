/* Reports of errors that nobody looked at, as asyncio's own tests expect them of its handler. */
#include "tests/support/roles.h"

#include <errno.h>

static const sheaf_local place = {.name = "place"};
static char home[] = "home", elsewhere[] = "elsewhere";

struct hook {
    SHEAF__ATOMIC(int) calls, depth;
    sheaf_pool *pool;
    SHEAF__ATOMIC(int) more;    /* so many reports it causes itself */
    SHEAF__ATOMIC(void *) seen; /* the place in whose values it ran */
};

static void fail_in_hook(void *context, const sheaf_error *error, const char *task_name)
{
    struct hook *h = context;
    (void)task_name;
    EXPECT_INT(sheaf__add_acq_rel(&h->depth, 1), 0);
    EXPECT(sheaf_error_code(error) == EIO || sheaf_error_code(error) == EPIPE);
    sheaf__add_acq_rel(&h->calls, 1);
    if (sheaf__sub_acq_rel(&h->more, 1) > 0) {
        sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = h->pool));
        EXPECT_INT(sheaf_reject(promise, EPIPE, "the hook is broken"), SHEAF_OK);
        sheaf_release(promise);
    }
    sheaf__sub_acq_rel(&h->depth, 1);
}

static int fail(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_raise(EIO, "broken");
}

static void run_with_hook(struct fixture *f, struct hook *hook, sheaf_unhandled_fn *fn,
                          sheaf_fn *task)
{
    sheaf_options options = fixture_options(f);
    options.unhandled = fn;
    options.hook_context = hook;
    EXPECT_INT(sheaf_pool_open(&options, &hook->pool), SHEAF_OK);
    sheaf_release(sheaf_spawn_on(hook->pool, task, hook));
    EXPECT_INT(sheaf_pool_close(hook->pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL),
               SHEAF_OK);
}

/* EH1, EH2: a hook gives no status; what it breaks itself is reported like anything else */
static void a_hook_that_causes_reports_gets_them_one_after_the_other(struct fixture *f)
{
    struct hook hook = {.more = 3};
    run_with_hook(f, &hook, fail_in_hook, fail);
    EXPECT_INT(sheaf__load_acq(&hook.calls), 4);
}

static void see_place(void *context, const sheaf_error *error, const char *task_name)
{
    struct hook *h = context;
    (void)error, (void)task_name;
    sheaf__store_rel(&h->seen, sheaf_local_get(&place));
    sheaf__add_acq_rel(&h->calls, 1);
}

static int fail_in_callback(void *arg, sheaf_future *future)
{
    (void)arg, (void)future;
    return EIO;
}

static int register_at_home(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT_INT(sheaf_local_set(&place, home), SHEAF_OK);
    EXPECT_INT(sheaf_on_done(promise, fail_in_callback, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_local_set(&place, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(promise, number(0)), SHEAF_OK);
    return sheaf_join(promise, NULL);
}

/* CX4, F10 */
static void a_report_of_a_callback_is_made_among_its_values(struct fixture *f)
{
    struct hook hook = {0};
    run_with_hook(f, &hook, see_place, register_at_home);
    EXPECT_INT(sheaf__load_acq(&hook.calls), 1);
    EXPECT_PTR(sheaf__load_acq(&hook.seen), home);
}

static int fail_at_home(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_local_set(&place, home), SHEAF_OK);
    return sheaf_raise(EIO, "broken");
}

/* CX4: by the end of the task itself */
static void a_report_of_a_task_is_made_among_its_values(struct fixture *f)
{
    struct hook hook = {0};
    run_with_hook(f, &hook, see_place, fail_at_home);
    EXPECT_INT(sheaf__load_acq(&hook.calls), 1);
    EXPECT_PTR(sheaf__load_acq(&hook.seen), home);
}

static int fail_and_drop_elsewhere(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_future *failed = sheaf_spawn(fail_at_home, arg);
    while (!sheaf_done(failed)) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    EXPECT_INT(sheaf_local_set(&place, elsewhere), SHEAF_OK);
    sheaf_release(failed);
    EXPECT_PTR(sheaf_local_get(&place), elsewhere);
    return SHEAF_OK;
}

/* CX4: by another task, and by a plain thread, whose values are its own again afterwards */
static void a_report_is_made_among_the_tasks_values_wherever_it_is_made(struct fixture *f)
{
    struct hook hook = {0};
    run_with_hook(f, &hook, see_place, fail_and_drop_elsewhere);
    EXPECT_INT(sheaf__load_acq(&hook.calls), 1);
    EXPECT_PTR(sheaf__load_acq(&hook.seen), home);
    sheaf_options options = fixture_options(f);
    options.unhandled = see_place;
    options.hook_context = &hook;
    sheaf_pool *pool;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    sheaf_future *failed = sheaf_spawn_on(pool, fail_at_home, &hook);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    sheaf__store_rel(&hook.seen, NULL);
    sheaf_release(failed);
    EXPECT_INT(sheaf__load_acq(&hook.calls), 2);
    EXPECT_PTR(sheaf__load_acq(&hook.seen), home);
    EXPECT_PTR(sheaf_local_get(&place), NULL);
    EXPECT_INT(sheaf_local_set(&place, home), SHEAF_NOTASK);
}

static const struct fixture_test tests[] = {
    POOL_TEST(a_report_of_a_task_is_made_among_its_values),
    POOL_TEST(a_report_is_made_among_the_tasks_values_wherever_it_is_made),
    POOL_TEST(a_hook_that_causes_reports_gets_them_one_after_the_other),
    POOL_TEST(a_report_of_a_callback_is_made_among_its_values),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
