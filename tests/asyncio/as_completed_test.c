/* Members in the order of their completion, as asyncio's own tests of as_completed see it. */
#include "tests/support/roles.h"

#include <errno.h>

enum { MEMBERS = 3 };

struct cast {
    struct role roles[MEMBERS];
    sheaf_future *tasks[MEMBERS];
};

/* Tasks that end after 10, 1 and 2 milliseconds with 0, 1 and 2. */
static void start_cast(struct cast *c)
{
    static const int delays[MEMBERS] = {10, 1, 2};
    for (int i = 0; i < MEMBERS; i++) {
        c->roles[i] = (struct role){.delay = SHEAF_MS(delays[i]), .value = i};
        c->tasks[i] = start(&c->roles[i]);
    }
}

static void join_cast(struct cast *c)
{
    for (int i = 0; i < MEMBERS; i++) {
        expect_value(c->tasks[i], i);
    }
}

static sheaf_each *open_each(struct cast *c, sheaf_duration limit)
{
    sheaf_each *each = NULL;
    EXPECT_INT(sheaf_each_open(c->tasks, MEMBERS, limit, &each), SHEAF_OK);
    return each;
}

static void expect_next_value(sheaf_each *each, int64_t expected)
{
    sheaf_value value = {.i64 = -1};
    EXPECT_INT(sheaf_each_next_value(each, &value), SHEAF_OK);
    EXPECT_INT(value.i64, expected);
}

static void expect_next_is(sheaf_each *each, const sheaf_future *expected)
{
    sheaf_future *next = NULL;
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_OK);
    EXPECT_PTR(next, expected);
    EXPECT(next && sheaf_done(next));
}

/* A1, A4, A5 */
static int the_quick_come_before_the_slow_in_both_styles(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int style = 0; style < 2; style++) {
        struct cast c;
        start_cast(&c);
        sheaf_time began = sheaf_now();
        sheaf_each *each = open_each(&c, SHEAF_FOREVER);
        static const int order[MEMBERS] = {1, 2, 0};
        for (int i = 0; i < MEMBERS; i++) {
            if (style) {
                expect_next_is(each, c.tasks[order[i]]);
            } else {
                expect_next_value(each, order[i]);
            }
            EXPECT_INT(sheaf_now() - began, c.roles[order[i]].delay);
        }
        sheaf_future *next = NULL;
        EXPECT_INT(sheaf_each_next(each, &next), SHEAF_EMPTY);
        EXPECT_INT(sheaf_each_next_value(each, NULL), SHEAF_EMPTY);
        sheaf_each_close(each);
        join_cast(&c);
    }
    return SHEAF_OK;
}

/* A5 */
static int what_comes_out_is_the_very_futures_put_in(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct cast c;
    start_cast(&c);
    sheaf_each *each = open_each(&c, SHEAF_FOREVER);
    unsigned seen = 0;
    sheaf_future *next = NULL;
    while (sheaf_each_next(each, &next) == SHEAF_OK) {
        for (int i = 0; i < MEMBERS; i++) {
            seen |= next == c.tasks[i] ? 1U << i : 0U;
        }
    }
    EXPECT_INT(seen, 7);
    sheaf_each_close(each);
    join_cast(&c);
    return SHEAF_OK;
}

/* A7 */
static int behind_the_limit_each_missing_one_is_a_timeout(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int style = 0; style < 2; style++) {
        struct cast c;
        start_cast(&c);
        sheaf_time began = sheaf_now();
        sheaf_each *each = open_each(&c, SHEAF_US(1500));
        expect_next_value(each, 1);
        for (int i = 0; i < MEMBERS - 1; i++) {
            sheaf_future *next = NULL;
            int status = style ? sheaf_each_next(each, &next) : sheaf_each_next_value(each, NULL);
            EXPECT_INT(status, SHEAF_TIMEOUT);
            EXPECT_INT(sheaf_now() - began, SHEAF_US(1500));
        }
        EXPECT_INT(sheaf_each_next_value(each, NULL), SHEAF_EMPTY);
        sheaf_each_close(each);
        EXPECT(!sheaf_done(c.tasks[0]) && !sheaf_done(c.tasks[2]));
        join_cast(&c);
    }
    return SHEAF_OK;
}

/* A7 */
static int a_limit_that_is_not_reached_has_no_effect(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct cast c;
    start_cast(&c);
    sheaf_time began = sheaf_now();
    sheaf_each *each = open_each(&c, SHEAF_S(1));
    expect_next_value(each, 1);
    expect_next_value(each, 2);
    expect_next_value(each, 0);
    sheaf_each_close(each);
    EXPECT_INT(sheaf_now() - began, SHEAF_MS(10));
    join_cast(&c);
    EXPECT_INT(sheaf_sleep(SHEAF_S(2)), SHEAF_OK);
    return SHEAF_OK;
}

/* A8 */
static int taking_that_is_broken_off_can_be_taken_up_again(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct cast c;
    start_cast(&c);
    sheaf_each *each = open_each(&c, SHEAF_FOREVER);
    sheaf_future *next = NULL;
    while (sheaf_each_next(each, &next) == SHEAF_OK && next != c.tasks[1]) {
    }
    EXPECT_INT(sheaf_sleep(SHEAF_MS(20)), SHEAF_OK);
    int left = 0;
    while (sheaf_each_next(each, &next) == SHEAF_OK) {
        left++;
    }
    EXPECT_INT(left, 2);
    sheaf_each_close(each);
    join_cast(&c);
    return SHEAF_OK;
}

static int take_one(void *arg, sheaf_value *result)
{
    return sheaf_each_next_value(arg, result);
}

/* A4 */
static int who_asks_first_gets_the_first_completion(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct cast c;
    start_cast(&c);
    sheaf_each *each = open_each(&c, SHEAF_FOREVER);
    sheaf_future *takers[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        takers[i] = sheaf_spawn(take_one, each);
        settle();
    }
    expect_value(takers[2], 0);
    expect_value(takers[1], 2);
    expect_value(takers[0], 1);
    sheaf_each_close(each);
    join_cast(&c);
    return SHEAF_OK;
}

/* A12, A4 */
static int several_takers_get_different_completions(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct cast c;
    start_cast(&c);
    sheaf_each *each = open_each(&c, SHEAF_FOREVER);
    sheaf_future *takers[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        takers[i] = sheaf_spawn(take_one, each);
    }
    unsigned seen = 0;
    for (int i = 0; i < MEMBERS; i++) {
        sheaf_value value = {.i64 = 31};
        EXPECT_INT(sheaf_join(takers[i], &value), SHEAF_OK);
        seen |= 1U << value.i64;
    }
    EXPECT_INT(seen, 7);
    sheaf_each_close(each);
    join_cast(&c);
    return SHEAF_OK;
}

/* A2 */
static int what_is_given_twice_comes_out_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *members[5] = {resolved(1), resolved(2)};
    members[2] = members[3] = members[0];
    members[4] = members[1];
    sheaf_each *each = NULL;
    EXPECT_INT(sheaf_each_open(members, 5, SHEAF_FOREVER, &each), SHEAF_OK);
    expect_next_value(each, 1);
    expect_next_value(each, 2);
    EXPECT_INT(sheaf_each_next_value(each, NULL), SHEAF_EMPTY);
    sheaf_each_close(each);
    sheaf_release_all(members, 2);
    return SHEAF_OK;
}

/* A6 */
static int what_is_no_future_is_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *members[2] = {resolved(1), NULL};
    sheaf_each *each = NULL;
    EXPECT_INT(sheaf_each_open(members, 2, SHEAF_FOREVER, &each), SHEAF_INVALID);
    EXPECT_INT(sheaf_each_open(NULL, 1, SHEAF_FOREVER, &each), SHEAF_INVALID);
    EXPECT_INT(sheaf_each_open(members, 1, SHEAF_FOREVER, NULL), SHEAF_INVALID);
    EXPECT_PTR(each, NULL);
    EXPECT_INT(sheaf_each_next_value(NULL, NULL), SHEAF_INVALID);
    sheaf_each_close(NULL);
    sheaf_release(members[0]);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, the_quick_come_before_the_slow_in_both_styles),
    TASK_TEST(what_comes_out_is_the_very_futures_put_in),
    TASK_TEST_ON(MODES_VIRTUAL, behind_the_limit_each_missing_one_is_a_timeout),
    TASK_TEST_ON(MODES_VIRTUAL, a_limit_that_is_not_reached_has_no_effect),
    TASK_TEST_ON(MODES_VIRTUAL, taking_that_is_broken_off_can_be_taken_up_again),
    TASK_TEST_ON(MODES_VIRTUAL, who_asks_first_gets_the_first_completion),
    TASK_TEST(several_takers_get_different_completions),
    TASK_TEST(what_is_given_twice_comes_out_once),
    TASK_TEST(what_is_no_future_is_refused),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
