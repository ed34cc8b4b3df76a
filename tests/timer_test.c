/* Timers: the exact order against a plain model, the borders of slots and levels, huge jumps,
 * removal, and a check that sees harm. */
#include "lib/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t tick = INT64_C(1) << SHEAF__TIMERS_TICK_BITS;

static struct sheaf__timers timers; /* too large for the stack of a small thread */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void assert_sound(void)
{
    const char *broken = sheaf__timers_check(&timers);
    if (broken != NULL) fail_msg("%s", broken);
}

/* ---------------------------------------------------------------- simple cases */

static void without_timers_there_is_no_deadline(void **state)
{
    (void)state;
    sheaf__timers_init(&timers, 1000);
    assert_int_equal(sheaf__timers_next(&timers), SHEAF__TIMERS_NEVER);
    assert_null(sheaf__timers_pop_due(&timers, SHEAF__TIMERS_NEVER));
    assert_sound();
}

static void a_timer_is_due_at_its_deadline_and_not_before(void **state)
{
    static const int64_t distances[] = {0,     1,       1000,       65535,
                                        65536, 1000000, 1000000000, INT64_MAX / 2};
    (void)state;
    for (size_t i = 0; i < sizeof distances / sizeof distances[0]; i++) {
        struct sheaf__timer timer = {0};
        int64_t deadline = 5000 + distances[i];
        sheaf__timers_init(&timers, 5000);
        assert_false(sheaf__timer_pending(&timer));
        assert_true(sheaf__timers_add(&timers, &timer, deadline));
        assert_true(sheaf__timer_pending(&timer));
        assert_int_equal(sheaf__timers_next(&timers), deadline);
        assert_null(sheaf__timers_pop_due(&timers, deadline - 1));
        assert_int_equal(sheaf__timers_next(&timers), deadline);
        assert_ptr_equal(sheaf__timers_pop_due(&timers, deadline), &timer);
        assert_false(sheaf__timer_pending(&timer));
        assert_null(sheaf__timers_pop_due(&timers, SHEAF__TIMERS_NEVER));
    }
}

static void equal_deadlines_come_in_the_order_of_adding(void **state)
{
    static const int64_t deadlines[] = {-5, 100, 70000, 3000000000};
    enum { EACH = 50 };
    (void)state;
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++) {
        struct sheaf__timer same[EACH] = {0};
        sheaf__timers_init(&timers, 0);
        for (int k = 0; k < EACH; k++) sheaf__timers_add(&timers, &same[k], deadlines[i]);
        for (int k = 0; k < EACH; k++) {
            assert_ptr_equal(sheaf__timers_pop_due(&timers, deadlines[i]), &same[k]);
        }
    }
}

static void past_deadlines_are_due_at_once_in_their_order(void **state)
{
    struct sheaf__timer late[4] = {0};
    (void)state;
    sheaf__timers_init(&timers, 1000000);
    sheaf__timers_add(&timers, &late[2], 999999);
    sheaf__timers_add(&timers, &late[0], INT64_MIN);
    sheaf__timers_add(&timers, &late[3], 1000000);
    sheaf__timers_add(&timers, &late[1], -7);
    assert_int_equal(sheaf__timers_next(&timers), INT64_MIN);
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(sheaf__timers_pop_due(&timers, 1000000), &late[i]);
    }
    assert_null(sheaf__timers_pop_due(&timers, 1000000));
}

static void a_timer_without_deadline_never_fires(void **state)
{
    struct sheaf__timer never = {0};
    (void)state;
    sheaf__timers_init(&timers, 0);
    assert_false(sheaf__timers_add(&timers, &never, SHEAF__TIMERS_NEVER));
    assert_true(sheaf__timer_pending(&never));
    assert_int_equal(sheaf__timers_next(&timers), SHEAF__TIMERS_NEVER);
    assert_null(sheaf__timers_pop_due(&timers, SHEAF__TIMERS_NEVER));
    assert_sound();
    assert_true(sheaf__timers_remove(&timers, &never));
    assert_false(sheaf__timer_pending(&never));
    assert_false(sheaf__timers_remove(&timers, &never));
}

static void a_removed_timer_does_not_fire(void **state)
{
    struct sheaf__timer near = {0};
    struct sheaf__timer far = {0};
    (void)state;
    sheaf__timers_init(&timers, 0);
    assert_false(sheaf__timers_remove(&timers, &near));
    sheaf__timers_add(&timers, &near, 10);
    sheaf__timers_add(&timers, &far, 10000000000);
    assert_true(sheaf__timers_remove(&timers, &near));
    assert_int_equal(sheaf__timers_next(&timers), 10000000000);
    assert_true(sheaf__timers_remove(&timers, &far));
    assert_false(sheaf__timers_remove(&timers, &far));
    assert_int_equal(sheaf__timers_next(&timers), SHEAF__TIMERS_NEVER);
    assert_null(sheaf__timers_pop_due(&timers, 20000000000));
    assert_sound();
}

static void adding_says_whether_a_sleeper_has_to_wake(void **state)
{
    struct sheaf__timer some[6] = {0};
    (void)state;
    sheaf__timers_init(&timers, 0);
    assert_true(sheaf__timers_add(&timers, &some[0], 1000000));
    assert_false(sheaf__timers_add(&timers, &some[1], 1000000));
    assert_false(sheaf__timers_add(&timers, &some[2], 2000000));
    assert_true(sheaf__timers_add(&timers, &some[3], 500000));
    assert_int_equal(sheaf__timers_next(&timers), 500000);
    /* Whoever sleeps until 500000 still wakes then, and asks again. */
    assert_true(sheaf__timers_remove(&timers, &some[3]));
    assert_false(sheaf__timers_add(&timers, &some[3], 700000));
    assert_int_equal(sheaf__timers_next(&timers), 700000);
    assert_true(sheaf__timers_add(&timers, &some[4], 600000));
    assert_false(sheaf__timers_add(&timers, &some[5], 600001));
    assert_sound();
}

static void a_time_that_goes_back_changes_no_answer(void **state)
{
    struct sheaf__timer some[3] = {0};
    (void)state;
    sheaf__timers_init(&timers, 0);
    assert_null(sheaf__timers_pop_due(&timers, 1000000000));
    sheaf__timers_add(&timers, &some[0], 900000000);
    sheaf__timers_add(&timers, &some[1], 100000000);
    sheaf__timers_add(&timers, &some[2], 1100000000);
    assert_null(sheaf__timers_pop_due(&timers, 50000000));
    assert_ptr_equal(sheaf__timers_pop_due(&timers, 100000000), &some[1]);
    assert_null(sheaf__timers_pop_due(&timers, 899999999));
    assert_ptr_equal(sheaf__timers_pop_due(&timers, 1100000000), &some[0]);
    assert_ptr_equal(sheaf__timers_pop_due(&timers, 1100000000), &some[2]);
}

static void never_fire(struct sheaf__timer *timer)
{
    (void)timer;
    fail_msg("the structure itself has fired a timer");
}

static void firing_is_left_to_the_owner(void **state)
{
    struct sheaf__timer timer = {.fire = never_fire};
    (void)state;
    sheaf__timers_init(&timers, 0);
    sheaf__timers_add(&timers, &timer, 5);
    assert_ptr_equal(sheaf__timers_pop_due(&timers, 5), &timer);
    assert_ptr_equal(timer.fire, never_fire);
}

/* ---------------------------------------------------------------- borders and jumps */

/* Two ticks around every border between slots, levels and the ends of the range. */
static size_t border_deadlines(int64_t *deadlines)
{
    size_t count = 0;
    for (unsigned level = 0; level < SHEAF__TIMERS_LEVELS; level++) {
        int64_t width = tick << (level * SHEAF__TIMERS_SLOT_BITS);
        for (int slot = 1; slot <= 127; slot += 42) {
            for (int64_t off = -1; off <= 1; off++) deadlines[count++] = slot * width + off;
        }
    }
    return count;
}

static int by_deadline(const void *a, const void *b)
{
    const struct sheaf__timer *left = a;
    const struct sheaf__timer *right = b;
    return (left->deadline > right->deadline) - (left->deadline < right->deadline);
}

enum { BORDERS = 4 * 3 * (int)SHEAF__TIMERS_LEVELS };

static void borders_of_slots_and_levels_keep_the_order(void **state)
{
    static const int64_t starts[] = {0, 65535, 65536, -1, INT64_MIN};
    int64_t deadlines[BORDERS];
    (void)state;
    assert_int_equal(border_deadlines(deadlines), BORDERS);
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        struct sheaf__timer some[BORDERS] = {0};
        struct sheaf__timer sorted[BORDERS] = {0};
        sheaf__timers_init(&timers, starts[s]);
        for (size_t i = 0; i < BORDERS; i++) {
            sheaf__timers_add(&timers, &some[i], deadlines[i]);
            sorted[i].deadline = deadlines[i];
        }
        assert_sound();
        qsort(sorted, BORDERS, sizeof sorted[0], by_deadline);
        for (size_t i = 0; i < BORDERS; i++) {
            int64_t deadline = sorted[i].deadline;
            assert_int_equal(sheaf__timers_next(&timers), deadline);
            assert_null(sheaf__timers_pop_due(&timers, deadline - 1));
            const struct sheaf__timer *due = sheaf__timers_pop_due(&timers, deadline);
            assert_non_null(due);
            assert_int_equal(due->deadline, deadline);
            assert_sound();
        }
    }
}

static void one_jump_over_everything_keeps_the_order(void **state)
{
    struct sheaf__timer some[BORDERS] = {0};
    int64_t deadlines[BORDERS];
    int64_t last = INT64_MIN;
    (void)state;
    sheaf__timers_init(&timers, INT64_MIN);
    (void)border_deadlines(deadlines);
    for (size_t i = 0; i < BORDERS; i++) sheaf__timers_add(&timers, &some[i], deadlines[i]);
    for (size_t i = 0; i < BORDERS; i++) {
        const struct sheaf__timer *due = sheaf__timers_pop_due(&timers, INT64_MAX);
        assert_non_null(due);
        assert_true(due->deadline >= last);
        last = due->deadline;
        assert_sound();
    }
    assert_null(sheaf__timers_pop_due(&timers, INT64_MAX));
}

/* ---------------------------------------------------------------- against a model */

enum { POOL = 200 };

/* What the timers should hold: every pending one, found by scanning. */
struct model {
    struct sheaf__timer all[POOL];
    int64_t deadlines[POOL];
    uint64_t order[POOL];
    bool pending[POOL];
    uint64_t added;
    int64_t told;
    int64_t now;
    uint64_t random;
};

static int model_first(const struct model *model)
{
    int first = -1;
    for (int i = 0; i < POOL; i++) {
        if (!model->pending[i] || model->deadlines[i] == SHEAF__TIMERS_NEVER) continue;
        if (first < 0 || model->deadlines[i] < model->deadlines[first] ||
            (model->deadlines[i] == model->deadlines[first] &&
             model->order[i] < model->order[first])) {
            first = i;
        }
    }
    return first;
}

/* A distance of any magnitude, often near a border, now and then in the past. */
static int64_t random_distance(uint64_t *random)
{
    int64_t distance = (int64_t)(next_random(random) >> (1 + next_random(random) % 63));
    switch (next_random(random) % 8) {
    case 0:
        return -(distance % 1000000);
    case 1:
        return distance / tick * tick;
    case 2:
        return distance / tick * tick - 1;
    case 3:
        return distance % (3 * tick);
    default:
        return distance;
    }
}

static int64_t later(int64_t time, int64_t distance)
{
    int64_t sum;
    return __builtin_add_overflow(time, distance, &sum) ? SHEAF__TIMERS_NEVER : sum;
}

/* Each step returns whether the timers did what the model says. */
static bool step_add(struct model *model, int i)
{
    int64_t deadline = later(model->now, random_distance(&model->random));
    if (next_random(&model->random) % 4 == 0) { /* the deadline of another one */
        deadline = model->deadlines[next_random(&model->random) % POOL];
    }
    bool wakes = deadline < model->told;
    model->told = wakes ? deadline : model->told;
    model->deadlines[i] = deadline;
    model->order[i] = model->added++;
    model->pending[i] = true;
    return sheaf__timers_add(&timers, &model->all[i], deadline) == wakes;
}

static bool step_remove(struct model *model, int i)
{
    bool pending = model->pending[i];
    model->pending[i] = false;
    return sheaf__timers_remove(&timers, &model->all[i]) == pending;
}

static bool step_next(struct model *model)
{
    int first = model_first(model);
    model->told = first < 0 ? SHEAF__TIMERS_NEVER : model->deadlines[first];
    return sheaf__timers_next(&timers) == model->told;
}

static bool step_pop(struct model *model, int64_t now)
{
    int first = model_first(model);
    const struct sheaf__timer *expected = NULL;
    if (first >= 0 && model->deadlines[first] <= now) {
        expected = &model->all[first];
        model->pending[first] = false;
    }
    return sheaf__timers_pop_due(&timers, now) == expected;
}

/* To the next deadline, to a random point, or nowhere. */
static bool step_time(struct model *model)
{
    int first = model_first(model);
    uint64_t choice = next_random(&model->random) % 4;
    if (choice == 0 && first >= 0 && model->deadlines[first] > model->now) {
        model->now = model->deadlines[first];
    } else if (choice <= 2) {
        int64_t distance =
            (int64_t)(next_random(&model->random) >> (24 + next_random(&model->random) % 39));
        model->now = later(model->now, distance);
    }
    return step_pop(model, model->now);
}

static bool random_step(struct model *model)
{
    int i = (int)(next_random(&model->random) % POOL);
    switch (next_random(&model->random) % 8) {
    case 0:
        return step_remove(model, i);
    case 1:
        return step_next(model);
    case 2:
        return step_time(model);
    case 3:
        return step_pop(model, model->now);
    default:
        return model->pending[i] ? step_pop(model, model->now) : step_add(model, i);
    }
}

static void random_operations_agree_with_a_scan(void **state)
{
    enum { SEEDS = 30, STEPS = 2000 };
    static struct model model;
    (void)state;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        model = (struct model){.told = SHEAF__TIMERS_NEVER,
                               .random = seed * UINT64_C(0x9e3779b97f4a7c15)};
        model.now = seed % 3 == 0 ? -(int64_t)(next_random(&model.random) >> 1) : seed * tick;
        sheaf__timers_init(&timers, model.now);
        for (unsigned step = 0; step < STEPS; step++) {
            bool agreed = random_step(&model);
            const char *broken = step % 16 == 0 ? sheaf__timers_check(&timers) : NULL;
            if (!agreed || broken != NULL) {
                fail_msg("seed %u, step %u: %s", seed, step, broken != NULL ? broken : "disagree");
            }
        }
        while (model_first(&model) >= 0) assert_true(step_pop(&model, INT64_MAX));
        assert_true(step_pop(&model, INT64_MAX));
        assert_sound();
    }
}

/* ---------------------------------------------------------------- many */

enum { MANY = 1000000 };

static struct sheaf__timer *add_many(int64_t spread, uint64_t random)
{
    struct sheaf__timer *many = calloc(MANY, sizeof *many);
    assert_non_null(many);
    sheaf__timers_init(&timers, 0);
    for (size_t i = 0; i < MANY; i++) {
        int64_t distance = (int64_t)(next_random(&random) % (uint64_t)spread);
        sheaf__timers_add(&timers, &many[i], distance);
    }
    return many;
}

static void a_million_timers_come_in_order_while_time_passes(void **state)
{
    int64_t spread = INT64_C(60000000000);
    struct sheaf__timer *many = add_many(spread, 7);
    const struct sheaf__timer *last = NULL;
    size_t popped = 0;
    (void)state;
    for (int64_t now = 0; now <= spread; now += spread / 1000) {
        const struct sheaf__timer *due;
        while ((due = sheaf__timers_pop_due(&timers, now)) != NULL) {
            assert_true(due->deadline <= now && due->deadline > now - spread / 1000);
            assert_true(last == NULL || last->deadline < due->deadline ||
                        (last->deadline == due->deadline && last->sequence < due->sequence));
            last = due;
            popped++;
        }
        assert_true(sheaf__timers_next(&timers) > now);
    }
    assert_int_equal(popped, MANY);
    free(many);
}

static void a_million_timers_can_be_taken_back(void **state)
{
    struct sheaf__timer *many = add_many(INT64_C(100000000), 9);
    (void)state;
    assert_null(sheaf__timers_pop_due(&timers, -1));
    for (size_t i = 0; i < MANY; i += 2) assert_true(sheaf__timers_remove(&timers, &many[i]));
    assert_sound();
    assert_int_equal(timers.count, MANY / 2);
    for (size_t i = 1; i < MANY; i += 2) assert_true(sheaf__timers_remove(&timers, &many[i]));
    assert_sound();
    assert_int_equal(timers.count, 0);
    assert_int_equal(sheaf__timers_next(&timers), SHEAF__TIMERS_NEVER);
    free(many);
}

/* ---------------------------------------------------------------- the check itself */

static void the_check_sees_harm(void **state)
{
    struct sheaf__timer near[3] = {0};
    struct sheaf__timer far[3] = {0};
    (void)state;
    sheaf__timers_init(&timers, 0);
    for (int i = 0; i < 3; i++) {
        sheaf__timers_add(&timers, &near[i], 10 + i);
        sheaf__timers_add(&timers, &far[i], INT64_C(1000000) << (i * 8));
    }
    assert_sound();

    near[2].deadline = INT64_C(1) << 40;
    assert_non_null(sheaf__timers_check(&timers));
    near[2].deadline = 1;
    assert_non_null(sheaf__timers_check(&timers));
    near[2].deadline = 12;

    far[1].deadline += INT64_C(1) << 40;
    assert_non_null(sheaf__timers_check(&timers));
    far[1].deadline -= INT64_C(1) << 40;

    timers.first = &far[2];
    assert_non_null(sheaf__timers_check(&timers));
    timers.first = NULL;

    timers.used[0][3] ^= 1;
    assert_non_null(sheaf__timers_check(&timers));
    timers.used[0][3] ^= 1;

    timers.levels ^= 1U << 5;
    assert_non_null(sheaf__timers_check(&timers));
    timers.levels ^= 1U << 5;

    timers.count++;
    assert_non_null(sheaf__timers_check(&timers));
    timers.count--;

    timers.told = 11;
    assert_non_null(sheaf__timers_check(&timers));
    timers.told = 10;
    assert_sound();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_timers_there_is_no_deadline),
        cmocka_unit_test(a_timer_is_due_at_its_deadline_and_not_before),
        cmocka_unit_test(equal_deadlines_come_in_the_order_of_adding),
        cmocka_unit_test(past_deadlines_are_due_at_once_in_their_order),
        cmocka_unit_test(a_timer_without_deadline_never_fires),
        cmocka_unit_test(a_removed_timer_does_not_fire),
        cmocka_unit_test(adding_says_whether_a_sleeper_has_to_wake),
        cmocka_unit_test(a_time_that_goes_back_changes_no_answer),
        cmocka_unit_test(firing_is_left_to_the_owner),
        cmocka_unit_test(borders_of_slots_and_levels_keep_the_order),
        cmocka_unit_test(one_jump_over_everything_keeps_the_order),
        cmocka_unit_test(random_operations_agree_with_a_scan),
        cmocka_unit_test(a_million_timers_come_in_order_while_time_passes),
        cmocka_unit_test(a_million_timers_can_be_taken_back),
        cmocka_unit_test(the_check_sees_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
