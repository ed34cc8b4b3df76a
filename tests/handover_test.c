/* Hand-overs: a fiber is left to the worker whose task wakes it (lib/idle.h).  Whether that worker
 * comes to it is not to matter. */
#include "tests/support/fixture.h"
#include "tests/support/members.h"

enum { ROUNDS = 40, HANDS = 5000 };

struct pair {
    sheaf_event there, back;
    SHEAF__ATOMIC(int) ran;
};

static int answer(void *arg, sheaf_value *result)
{
    struct pair *pair = arg;
    (void)result;
    for (int i = 1; i <= ROUNDS; i++) {
        SHEAF_TRY(sheaf_event_wait(&pair->there));
        sheaf__store_rel(&pair->ran, i);
        SHEAF_TRY(sheaf_event_set(&pair->back));
    }
    return SHEAF_OK;
}

/* Wakes the other and computes until that has run: no suspension, so somebody else has to come. */
static int wake_and_compute(struct pair *pair)
{
    sheaf_future *other = sheaf_spawn(answer, pair);
    for (int i = 1; i <= ROUNDS; i++) {
        EXPECT_INT(sheaf_event_set(&pair->there), SHEAF_OK);
        while (sheaf__load_acq(&pair->ran) < i) {
        }
        EXPECT_INT(sheaf_event_wait(&pair->back), SHEAF_OK);
    }
    return sheaf_join(other, NULL);
}

static int who_computes_on_is_overtaken(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct pair pair = {.there = SHEAF_EVENT_INIT_AUTO_RESET, .back = SHEAF_EVENT_INIT_AUTO_RESET};
    EXPECT_INT(wake_and_compute(&pair), SHEAF_OK);
    return SHEAF_OK;
}

static int compute_with_nobody_else(void *arg, sheaf_value *result)
{
    (void)result;
    return wake_and_compute(arg);
}

/* Nobody watches over what is left, so nothing is. */
static void so_it_is_without_spares(struct fixture *f)
{
    struct pair pair = {.there = SHEAF_EVENT_INIT_AUTO_RESET, .back = SHEAF_EVENT_INIT_AUTO_RESET};
    sheaf_options options = fixture_options(f);
    options.flags |= SHEAF_POOL_NO_SPARES;
    EXPECT_INT(sheaf_run(&options, compute_with_nobody_else, &pair, NULL), SHEAF_OK);
}

/* One of two: waits for its event and sets the other's. */
struct player {
    sheaf_event *mine, *other;
};

static int play_on(void *arg, sheaf_value *result)
{
    struct player *player = arg;
    for (int i = 0; i < HANDS; i++) {
        SHEAF_TRY(sheaf_event_wait(player->mine));
        SHEAF_TRY(sheaf_event_set(player->other));
        result->i64++;
    }
    return SHEAF_OK;
}

/* Many pairs at once, as many as workers and more: each hand-over arrives. */
static int pairs_play_at_once(void *arg, sheaf_value *result)
{
    enum { PAIRS = 12 };
    (void)arg, (void)result;
    sheaf_event events[2 * PAIRS];
    struct player players[2 * PAIRS];
    sheaf_future *tasks[2 * PAIRS];
    for (int i = 0; i < 2 * PAIRS; i++) {
        events[i] = (sheaf_event)SHEAF_EVENT_INIT_AUTO_RESET;
        players[i] = (struct player){&events[i], &events[i ^ 1]};
        tasks[i] = sheaf_spawn(play_on, &players[i]);
    }
    for (int i = 0; i < 2 * PAIRS; i += 2) {
        EXPECT_INT(sheaf_event_set(&events[i]), SHEAF_OK);
    }
    for (int i = 0; i < 2 * PAIRS; i++) {
        expect_value(tasks[i], HANDS);
    }
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODE_2 | MODE_4 | MODE_8, who_computes_on_is_overtaken),
    POOL_TEST_ON(MODE_2 | MODE_4 | MODE_8, so_it_is_without_spares),
    TASK_TEST_ON(MODES_REAL, pairs_play_at_once),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
