/* Exploring schedules by seeds (sheaf/testing.h): what is found, and found again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/fixture.h"
#include "tests/support/members.h"

/* ---------------------------------------------------------------- bodies with a mistake, or not */

struct shop {
    SHEAF__ATOMIC(int) sold;
    int prepared;
    bool careful;
    sheaf_mutex mutex, other;
};

static void open_shop(void *arg)
{
    struct shop *shop = arg;
    sheaf__store_rlx(&shop->sold, 0);
    shop->prepared++;
}

static int sell(void *arg, sheaf_value *result)
{
    struct shop *shop = arg;
    (void)result;
    if (shop->careful) {
        SHEAF_TRY(sheaf_lock(&shop->mutex));
    }
    int sold = sheaf__load_rlx(&shop->sold);
    sheaf_testing_point();
    sheaf__store_rlx(&shop->sold, sold + 1);
    return shop->careful ? sheaf_unlock(&shop->mutex) : SHEAF_OK;
}

enum { SELLERS = 3 };

static int sell_at_once(void *arg, sheaf_value *result)
{
    struct shop *shop = arg;
    sheaf_future *sellers[SELLERS];
    (void)result;
    sheaf_spawn_many(sell, shop, 0, SELLERS, sellers);
    int status = sheaf_gather(sellers, SELLERS, SHEAF_GATHER_RAISE, NULL, NULL);
    sheaf_release_all(sellers, SELLERS);
    SHEAF_TRY(status);
    return sheaf__load_rlx(&shop->sold) == SELLERS ? SHEAF_OK : ERANGE;
}

static void a_lost_update_is_found_and_found_again(struct fixture *f)
{
    (void)f;
    struct shop shop = {.mutex = SHEAF_MUTEX_INIT};
    const sheaf_explore_options *options = SHEAF_EXPLORE_OPTIONS(.prepare = open_shop);
    sheaf_explored found;
    EXPECT_INT(sheaf_explore(options, sell_at_once, &shop, &found), ERANGE);
    EXPECT(found.seed > 0 && found.status == ERANGE && !found.unsteady);
    EXPECT_INT(found.points, SELLERS);
    EXPECT(found.enough >= 1 && found.enough <= found.preemptions);
    EXPECT_INT(shop.prepared, found.runs);
    EXPECT(found.runs >= found.seed + 1); /* the failing one was run again */
    char begin[64];
    snprintf(begin, sizeof begin, "seed %d of 1 to 1000 fails: ERANGE; ", (int)found.seed);
    EXPECT(!strncmp(found.text, begin, strlen(begin)));
    sheaf_explored again;
    EXPECT_INT(sheaf_explore(SHEAF_EXPLORE_OPTIONS(.first_seed = found.seed, .seeds = 1,
                                                   .prepare = open_shop),
                             sell_at_once, &shop, &again),
               ERANGE);
    EXPECT_INT(again.seed, found.seed);
    EXPECT_INT(again.points, found.points);
    EXPECT_INT(again.preemptions, found.preemptions);
    EXPECT_INT(again.enough, found.enough);
}

static void the_right_program_survives(struct fixture *f)
{
    (void)f;
    struct shop shop = {.careful = true, .mutex = SHEAF_MUTEX_INIT};
    sheaf_explored found;
    EXPECT_INT(sheaf_explore(SHEAF_EXPLORE_OPTIONS(.prepare = open_shop, .seeds = 200),
                             sell_at_once, &shop, &found),
               SHEAF_OK);
    EXPECT_INT(found.runs, 200);
    EXPECT_INT(found.seed, 0);
    EXPECT_TEXT(found.text, "no failure under the seeds 1 to 200");
    EXPECT_INT(shop.prepared, 200);
}

/* ---------------------------------------------------------------- a deadlock */

static int lock_both(sheaf_mutex *first, sheaf_mutex *second)
{
    SHEAF_TRY(sheaf_lock(first));
    sheaf_testing_point();
    int status = sheaf_lock(second);
    if (status == SHEAF_OK) {
        status = sheaf_unlock(second);
    }
    int unlocked = sheaf_unlock(first);
    return status ? status : unlocked;
}

static int lock_against_order(void *arg, sheaf_value *result)
{
    struct shop *shop = arg;
    (void)result;
    return lock_both(&shop->other, &shop->mutex);
}

/* In frames: what a task that is stuck for good holds is lost. */
static int lock_in_both_orders(void *arg, sheaf_value *result)
{
    struct shop *shop = arg;
    (void)result;
    sheaf_task other;
    sheaf_task_spawn(&other, lock_against_order, shop);
    int status = lock_both(&shop->mutex, &shop->other);
    SHEAF_TRY(sheaf_task_join(&other, NULL));
    return status;
}

static void unlock_shop(void *arg)
{
    *(struct shop *)arg = (struct shop){.mutex = SHEAF_MUTEX_INIT, .other = SHEAF_MUTEX_INIT};
}

static void note_report(void *context, const char *line)
{
    (void)line;
    ++*(int *)context;
}

static void a_deadlock_is_an_outcome(struct fixture *f)
{
    (void)f;
    struct shop shop;
    sheaf_explored found;
    int lines = 0;
    sheaf_set_report_hook(note_report, &lines);
    EXPECT_INT(sheaf_explore(SHEAF_EXPLORE_OPTIONS(.prepare = unlock_shop), lock_in_both_orders,
                             &shop, &found),
               SHEAF_DEADLOCK);
    sheaf_set_report_hook(NULL, NULL);
    EXPECT(lines > 0);
    EXPECT(found.seed > 0 && !found.unsteady);
    EXPECT(strstr(found.text, "SHEAF_DEADLOCK"));
}

/* ---------------------------------------------------------------- the call */

static int fail_the_third_time(void *arg, sheaf_value *result)
{
    (void)result;
    return ++*(int *)arg == 3 ? EIO : SHEAF_OK;
}

static void what_depends_on_more_is_told(struct fixture *f)
{
    (void)f;
    int times = 0;
    sheaf_explored found;
    EXPECT_INT(sheaf_explore(NULL, fail_the_third_time, &times, &found), EIO);
    EXPECT_INT(found.seed, 3);
    EXPECT(found.unsteady);
    EXPECT(strstr(found.text, "not only the schedule decides"));
}

static bool is_an_error(void *arg, int status)
{
    (void)arg;
    return status == EIO;
}

static void what_is_right_is_the_callers(struct fixture *f)
{
    (void)f;
    const sheaf_explore_options *options =
        SHEAF_EXPLORE_OPTIONS(.is_right = is_an_error, .seeds = 5);
    sheaf_explored found;
    EXPECT_INT(sheaf_explore(options, fail_with_eio, NULL, &found), SHEAF_OK);
    EXPECT_INT(found.runs, 5);
    int times = 0;
    EXPECT_INT(sheaf_explore(options, fail_the_third_time, &times, &found), SHEAF_STATE);
    EXPECT_INT(found.seed, 1);
}

static int explore_within(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_testing_point(); /* nothing is drawn here but in the seeded mode */
    EXPECT_INT(sheaf_explore(NULL, fail_with_eio, NULL, NULL), SHEAF_STATE);
    return SHEAF_OK;
}

static void calls_that_make_no_sense_are_refused(struct fixture *f)
{
    (void)f;
    sheaf_explored found;
    EXPECT_INT(sheaf_explore(NULL, NULL, NULL, &found), SHEAF_INVALID);
    EXPECT_INT(sheaf_explore(SHEAF_EXPLORE_OPTIONS(.stack_size = 1), fail_with_eio, NULL, &found),
               SHEAF_INVALID);
    sheaf_testing_point();
}

static const struct fixture_test tests[] = {
    POOL_TEST_ON(MODE_1, a_lost_update_is_found_and_found_again),
    POOL_TEST_ON(MODE_1, the_right_program_survives),
    POOL_TEST_ON(MODE_1, a_deadlock_is_an_outcome),
    POOL_TEST_ON(MODE_1, what_depends_on_more_is_told),
    POOL_TEST_ON(MODE_1, what_is_right_is_the_callers),
    TASK_TEST(explore_within),
    POOL_TEST_ON(MODE_1, calls_that_make_no_sense_are_refused),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
