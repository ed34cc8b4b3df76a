/* Tasks from the inside: who runs, how it gives way and sleeps, how it fails, what it inherits. */
#include "lib/atomics.h"
#include "lib/platform/cpu.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <fenv.h>
#include <string.h>

static int untouched(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

static int wait_for_promise(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

/* ---------------------------------------------------------------- the current task */

static int see_oneself(void *arg, sheaf_value *result)
{
    sheaf_future *self = sheaf_current();
    EXPECT(self != NULL);
    EXPECT_PTR(sheaf_pool_current(), arg);
    SHEAF_TRY(sheaf_yield());
    EXPECT_PTR(sheaf_current(), self);
    SHEAF_TRY(sheaf_sleep(SHEAF_US(1)));
    EXPECT_PTR(sheaf_current(), self);
    EXPECT(!sheaf_done(self));
    result->ptr = self;
    return SHEAF_OK;
}

/* P25, IN2, IN3 */
static int each_task_sees_itself(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_future *self = sheaf_current();
    sheaf_future *children[10];
    for (int i = 0; i < 10; i++) {
        children[i] = sheaf_spawn(see_oneself, f->pool);
    }
    for (int i = 0; i < 10; i++) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_await(children[i], &value), SHEAF_OK);
        EXPECT_PTR(value.ptr, children[i]);
        EXPECT_PTR(sheaf_current(), self);
    }
    sheaf_release_all(children, 10);
    return SHEAF_OK;
}

/* P16, IN2 */
static void a_plain_thread_has_no_current_task(struct fixture *f)
{
    (void)f;
    EXPECT(sheaf_current() == NULL);
    EXPECT(sheaf_pool_current() == NULL);
    EXPECT_INT(sheaf_yield(), SHEAF_NOTASK);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_NOTASK);
    EXPECT_INT(sheaf_uncancel(NULL), SHEAF_NOTASK);
    EXPECT_INT(sheaf_mask_begin(), SHEAF_NOTASK);
    EXPECT_INT(sheaf_mask_end(), SHEAF_NOTASK);
    static const sheaf_local key = {.name = "key"};
    EXPECT_INT(sheaf_local_set(&key, f), SHEAF_NOTASK);
    EXPECT(sheaf_local_get(&key) == NULL);
    EXPECT_INT(sheaf_raise(EIO, "nobody %s", "hears"), EIO);
}

/* P12, IN1, IN4 */
static int all_tasks_are_listed_until_they_end(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_future *release = sheaf_promise(NULL);
    sheaf_future *waiting[3];
    for (int i = 0; i < 3; i++) {
        waiting[i] = sheaf_spawn(wait_for_promise, release);
    }
    sheaf_future *ended = sheaf_spawn(untouched, NULL);
    EXPECT_INT(sheaf_await(ended, NULL), SHEAF_OK);
    /* One that is on its way to a worker may be missed, but not for long. */
    while (sheaf_all_tasks(f->pool, NULL, 0) < 4) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    sheaf_future *listed[8] = {NULL};
    size_t count = sheaf_all_tasks(f->pool, listed, 8);
    EXPECT(count <= 4);
    bool self = false;
    for (size_t i = 0; i < count && i < 8; i++) {
        EXPECT(listed[i] != ended && listed[i] != release);
        self = self || listed[i] == sheaf_current();
    }
    EXPECT(self);
    sheaf_release_all(listed, 8);
    listed[1] = NULL;
    EXPECT(sheaf_all_tasks(f->pool, listed, 1) <= 4);
    EXPECT(listed[0] != NULL);
    EXPECT_PTR(listed[1], NULL);
    sheaf_release(listed[0]);
    EXPECT_INT(sheaf_resolve(release, (sheaf_value){0}), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(sheaf_join(waiting[i], NULL), SHEAF_OK);
    }
    sheaf_release(ended);
    sheaf_release(release);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- giving way and sleeping */

/* Two that count in turn: neither can come to an end without the other getting its turns. */
struct turns {
    SHEAF__ATOMIC(int) next;
};

struct player {
    struct turns *turns;
    int parity;
};

static int take_turns(void *arg, sheaf_value *result)
{
    const struct player *p = arg;
    (void)result;
    for (int i = 0; i < 20; i++) {
        while (sheaf__load_acq(&p->turns->next) % 2 != p->parity) {
            SHEAF_TRY(sheaf_yield());
        }
        sheaf__add_acq_rel(&p->turns->next, 1);
    }
    return SHEAF_OK;
}

static int a_yield_lets_the_others_run(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct turns turns = {0};
    struct player players[2] = {{&turns, 0}, {&turns, 1}};
    sheaf_future *even = sheaf_spawn(take_turns, &players[0]);
    sheaf_future *odd = sheaf_spawn(take_turns, &players[1]);
    EXPECT_INT(sheaf_join(even, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(odd, NULL), SHEAF_OK);
    EXPECT_INT(sheaf__load_rlx(&turns.next), 40);
    return SHEAF_OK;
}

static int set_flag(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF__ATOMIC(int) *flag = arg;
    sheaf__store_rel(flag, 1);
    return SHEAF_OK;
}

static int a_sleep_of_nothing_gives_way(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const sheaf_duration nothing[] = {0, -1, INT64_MIN};
    for (size_t i = 0; i < 3; i++) {
        SHEAF__ATOMIC(int) flag = 0;
        sheaf_future *other = sheaf_spawn(set_flag, &flag);
        while (!sheaf__load_acq(&flag)) {
            SHEAF_TRY(sheaf_sleep(nothing[i]));
        }
        EXPECT_INT(sheaf_join(other, NULL), SHEAF_OK);
    }
    EXPECT_INT(sheaf_sleep_until(sheaf_time_add(sheaf_now(), -SHEAF_S(1))), SHEAF_OK);
    EXPECT_INT(sheaf_sleep_until(INT64_MIN), SHEAF_OK);
    return SHEAF_OK;
}

static int a_sleep_lasts_as_long_as_asked(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    for (int i = 1; i <= 3; i++) {
        sheaf_time start = sheaf_now();
        EXPECT_INT(sheaf_sleep(SHEAF_MS(i)), SHEAF_OK);
        sheaf_duration slept = sheaf_now() - start;
        EXPECT(fixture_virtual(f) ? slept == SHEAF_MS(i) : slept >= SHEAF_MS(i));
        sheaf_time deadline = sheaf_time_add(sheaf_now(), SHEAF_US(200));
        EXPECT_INT(sheaf_sleep_until(deadline), SHEAF_OK);
        EXPECT(sheaf_now() >= deadline);
    }
    return SHEAF_OK;
}

static void a_plain_thread_sleeps_in_real_time(struct fixture *f)
{
    (void)f;
    sheaf_time start = sheaf_now();
    EXPECT_INT(sheaf_sleep(SHEAF_MS(2)), SHEAF_OK);
    EXPECT(sheaf_now() - start >= SHEAF_MS(2));
    EXPECT_INT(sheaf_sleep_until(sheaf_now() + SHEAF_MS(2)), SHEAF_OK);
    EXPECT(sheaf_now() - start >= SHEAF_MS(4));
    EXPECT_INT(sheaf_sleep(0), SHEAF_OK);
}

static int a_checkpoint_without_a_request_passes(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 1000; i++) {
        EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    }
    EXPECT_INT(sheaf_cancel_origin(), SHEAF_ORIGIN_NONE);
    EXPECT_INT(sheaf_cancelling(NULL), 0);
    return SHEAF_OK;
}

/* errno is reached through functions of their own, since compilers keep its address over a call.
 * The race detector takes the tasks of one thread for threads that share its errno. */
#define ERRNO_ACCESS SHEAF__NOINLINE __attribute__((no_sanitize("thread")))

static ERRNO_ACCESS void set_errno(int value)
{
    errno = value;
    __asm__ volatile("" ::: "memory");
}

static ERRNO_ACCESS int get_errno(void)
{
    __asm__ volatile("" ::: "memory");
    return errno;
}

static int keep_errno(void *arg, sheaf_value *result)
{
    (void)result;
    int mine = (int)(intptr_t)arg;
    for (int i = 0; i < 50; i++) {
        set_errno(mine);
        SHEAF_TRY(i % 10 == 9 ? sheaf_sleep(SHEAF_US(20)) : sheaf_yield());
        EXPECT_INT(get_errno(), mine);
    }
    return SHEAF_OK;
}

static int errno_is_kept_over_a_suspension(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *futures[16];
    for (intptr_t i = 0; i < 16; i++) {
        futures[i] = sheaf_spawn(keep_errno, (void *)(100 + i));
    }
    for (int i = 0; i < 16; i++) {
        EXPECT_INT(sheaf_join(futures[i], NULL), SHEAF_OK);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- rounding */

static int tell_rounding(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = fegetround();
    return sheaf_yield();
}

/* Nobody's rounding is anybody else's: the task that waits leaves its worker to a new stack. */
static int wait_rounding_upward(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    fesetround(FE_UPWARD);
    sheaf_value first = {0}, second = {0};
    sheaf_future *others[] = {sheaf_spawn(tell_rounding, NULL), sheaf_spawn(tell_rounding, NULL)};
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT_INT(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
    EXPECT_INT(sheaf_join(others[0], &first), SHEAF_OK);
    EXPECT_INT(sheaf_join(others[1], &second), SHEAF_OK);
    EXPECT_INT(first.i64, FE_TONEAREST);
    EXPECT_INT(second.i64, FE_TONEAREST);
    return SHEAF_OK;
}

static int a_stack_does_not_start_with_the_rounding_of_who_parks(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *futures[16];
    for (int i = 0; i < 16; i++) {
        futures[i] = sheaf_spawn(wait_rounding_upward, NULL);
    }
    /* By limit, so that none is called on this stack, whose rounding it would share. */
    for (int i = 0; i < 16; i++) {
        EXPECT_INT(sheaf_await_for(futures[i], SHEAF_S(1000), NULL), SHEAF_OK);
        sheaf_release(futures[i]);
    }
    EXPECT_INT(fegetround(), FE_TONEAREST);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- failing */

static int fail_with_message(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_raise(EIO, "%s is down", (const char *)arg);
}

static int an_error_tells_code_message_task_and_place(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    char table[] = "orders";
    sheaf_future *f = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "loader", .place = "app.c:12"),
                                       fail_with_message, table);
    sheaf_value value = {.i64 = 5};
    EXPECT_INT(sheaf_await(f, &value), EIO);
    EXPECT_INT(value.i64, 5);
    sheaf_error *error = sheaf_future_error(f);
    EXPECT_INT(sheaf_error_code(error), EIO);
    EXPECT_TEXT(sheaf_error_message(error), "orders is down");
    EXPECT_TEXT(sheaf_error_task_name(error), "loader");
    EXPECT_TEXT(sheaf_error_place(error), "app.c:12");
    sheaf_error_release(error);
    sheaf_release(f);
    return SHEAF_OK;
}

static int raise_and_recover(void *arg, sheaf_value *result)
{
    (void)arg;
    (void)sheaf_raise(EIO, "not so bad");
    result->i64 = 1;
    return SHEAF_OK;
}

static int raise_and_fail_otherwise(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    (void)sheaf_raise(EIO, "first");
    return ENOENT;
}

static int raise_twice(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    (void)sheaf_raise(EIO, "first");
    return sheaf_raise(EIO, "second");
}

static void expect_failure(sheaf_fn *fn, void *arg, int code, const char *message)
{
    sheaf_future *f = sheaf_spawn(fn, arg);
    EXPECT_INT(sheaf_await(f, NULL), code);
    sheaf_error *error = sheaf_future_error(f);
    EXPECT_INT(sheaf_error_code(error), code);
    EXPECT(error != NULL);
    if (message) {
        EXPECT_TEXT(sheaf_error_message(error), message);
    }
    sheaf_error_release(error);
    sheaf_release(f);
}

static int fail_with_code(void *arg, sheaf_value *result)
{
    (void)result;
    return *(const int *)arg;
}

static int the_returned_status_decides_what_an_error_says(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_value value;
    EXPECT_INT(sheaf_join(sheaf_spawn(raise_and_recover, NULL), &value), SHEAF_OK);
    EXPECT_INT(value.i64, 1);
    expect_failure(raise_and_fail_otherwise, NULL, ENOENT, sheaf_status_text(ENOENT));
    expect_failure(raise_twice, NULL, EIO, "second");
    int codes[] = {1, ENOENT, 1 << 20, SHEAF_TIMEOUT, SHEAF_FATAL, SHEAF_LOST};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        expect_failure(fail_with_code, &codes[i], codes[i], NULL);
    }
    return SHEAF_OK;
}

static int pass_up(void *arg, sheaf_value *result)
{
    return sheaf_await(arg, result);
}

static int an_error_passed_up_stays_the_same_object(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    char table[] = "orders";
    sheaf_future *chain[4];
    chain[0] = sheaf_spawn(fail_with_message, table);
    for (int i = 1; i < 4; i++) {
        chain[i] = sheaf_spawn(pass_up, chain[i - 1]);
    }
    EXPECT_INT(sheaf_await(chain[3], NULL), EIO);
    sheaf_error *first = sheaf_future_error(chain[0]);
    EXPECT_TEXT(sheaf_error_message(first), "orders is down");
    for (int i = 1; i < 4; i++) {
        sheaf_error *error = sheaf_future_error(chain[i]);
        EXPECT_PTR(error, first);
        sheaf_error_release(error);
    }
    sheaf_error_release(first);
    sheaf_release_all(chain, 4);
    return SHEAF_OK;
}

static int raise_given_error(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_yield());
    return sheaf_raise_error(arg);
}

static int an_error_object_can_be_raised(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_error *error = sheaf_error_new(77, "made %s", "before");
    sheaf_future *f = sheaf_spawn(raise_given_error, error);
    EXPECT_INT(sheaf_await(f, NULL), 77);
    sheaf_error *seen = sheaf_future_error(f);
    EXPECT_PTR(seen, error);
    sheaf_error_release(seen);
    sheaf_release(f);
    EXPECT_TEXT(sheaf_error_message(error), "made before");
    sheaf_error_release(error);
    return SHEAF_OK;
}

/* Two children fail; the task passes on the code of the first although it has met the second. */
static int pass_on_the_first_of_two(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    char one[] = "one";
    sheaf_future *first = sheaf_spawn(fail_with_message, one);
    int code = ENOENT;
    sheaf_future *second = sheaf_spawn(fail_with_code, &code);
    int status = sheaf_join(first, NULL);
    EXPECT_INT(sheaf_join(second, NULL), ENOENT);
    return status;
}

static int a_status_that_is_not_the_last_one_met_still_fails_with_its_code(void *arg,
                                                                           sheaf_value *result)
{
    (void)arg, (void)result;
    expect_failure(pass_on_the_first_of_two, NULL, EIO, NULL);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(each_task_sees_itself),
    THREAD_TEST(a_plain_thread_has_no_current_task),
    TASK_TEST(all_tasks_are_listed_until_they_end),
    TASK_TEST(a_yield_lets_the_others_run),
    TASK_TEST(a_sleep_of_nothing_gives_way),
    TASK_TEST(a_sleep_lasts_as_long_as_asked),
    THREAD_TEST(a_plain_thread_sleeps_in_real_time),
    TASK_TEST(a_checkpoint_without_a_request_passes),
    TASK_TEST(errno_is_kept_over_a_suspension),
    TASK_TEST(a_stack_does_not_start_with_the_rounding_of_who_parks),
    TASK_TEST(an_error_tells_code_message_task_and_place),
    TASK_TEST(the_returned_status_decides_what_an_error_says),
    TASK_TEST(an_error_passed_up_stays_the_same_object),
    TASK_TEST(an_error_object_can_be_raised),
    TASK_TEST(a_status_that_is_not_the_last_one_met_still_fails_with_its_code),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
