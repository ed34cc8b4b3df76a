/* Barriers as asyncio's own tests see them. */
#include "tests/support/roles.h"

enum { PARTIES = 3, MOST = 2 * PARTIES };

struct party {
    sheaf_barrier *barrier;
    int rounds;
    SHEAF__ATOMIC(int) passed, broken;
    SHEAF__ATOMIC(unsigned) indexes; /* one bit for each that it got */
    bool again;                      /* waits once more when it finds the barrier broken */
};

static int wait_once(struct party *p)
{
    size_t index = 31;
    int status = sheaf_barrier_wait(p->barrier, &index);
    if (status == SHEAF_BROKEN) {
        sheaf__add_acq_rel(&p->broken, 1);
        if (p->again) {
            status = sheaf_barrier_wait(p->barrier, &index);
        }
    }
    if (status == SHEAF_OK) {
        sheaf__add_acq_rel(&p->passed, 1);
        sheaf__or_acq_rel(&p->indexes, 1U << index);
    }
    return status;
}

static int meet(void *arg, sheaf_value *result)
{
    struct party *p = arg;
    (void)result;
    for (int i = 0; i < p->rounds; i++) {
        SHEAF_TRY(wait_once(p));
    }
    return SHEAF_OK;
}

struct meeting {
    sheaf_barrier barrier;
    struct party parties[MOST];
    sheaf_future *tasks[MOST];
    int count;
};

/* One more task that waits so many rounds at the barrier; it has arrived on return. */
static void join_meeting(struct meeting *m, int rounds, bool again)
{
    struct party *p = &m->parties[m->count];
    *p = (struct party){.barrier = &m->barrier, .rounds = rounds, .again = again};
    m->tasks[m->count++] = sheaf_spawn(meet, p);
    settle();
}

static void open_meeting(struct meeting *m, int parties, int arrived)
{
    *m = (struct meeting){.count = 0};
    EXPECT_INT(sheaf_barrier_init(&m->barrier, parties), SHEAF_OK);
    for (int i = 0; i < arrived; i++) {
        join_meeting(m, 1, false);
    }
}

static void expect_ends(struct meeting *m, int from, int to, int status)
{
    for (int i = from; i < to; i++) {
        expect_end(m->tasks[i], status);
    }
}

static void expect_state(struct meeting *m, size_t waiting, bool broken)
{
    EXPECT_INT(sheaf_barrier_waiting(&m->barrier), waiting);
    EXPECT_INT(sheaf_barrier_broken(&m->barrier), broken);
}

/* The indexes that the parties got, as bits. */
static unsigned indexes_of(const struct meeting *m, int from, int to)
{
    unsigned all = 0;
    for (int i = from; i < to; i++) {
        all |= sheaf__load_acq(&m->parties[i].indexes);
    }
    return all;
}

/* ---------------------------------------------------------------- filling */

/* BR6 */
static int a_number_of_parties_below_one_is_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_barrier barrier;
    EXPECT_INT(sheaf_barrier_init(&barrier, 0), SHEAF_INVALID);
    EXPECT_INT(sheaf_barrier_init(&barrier, -1), SHEAF_INVALID);
    return SHEAF_OK;
}

/* BR6, BR8 */
static int one_party_never_waits(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_barrier barrier = SHEAF_BARRIER_INIT(1);
    for (int i = 0; i < 2; i++) {
        size_t index = 9;
        EXPECT_INT(sheaf_barrier_wait(&barrier, &index), SHEAF_OK);
        EXPECT_INT(index, 0);
        EXPECT_INT(sheaf_barrier_waiting(&barrier), 0);
        EXPECT(!sheaf_barrier_broken(&barrier));
    }
    return SHEAF_OK;
}

/* BR7, BR1 */
static int the_last_arrival_lets_all_go_with_an_index_each(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct meeting m;
    open_meeting(&m, PARTIES, 0);
    for (size_t i = 0; i + 1 < PARTIES; i++) {
        expect_state(&m, i, false);
        join_meeting(&m, 1, false);
    }
    expect_state(&m, PARTIES - 1, false);
    join_meeting(&m, 1, false);
    expect_state(&m, 0, false);
    expect_ends(&m, 0, PARTIES, SHEAF_OK);
    for (int i = 0; i < PARTIES; i++) {
        EXPECT_INT(sheaf__load_acq(&m.parties[i].indexes), 1U << i);
    }
    return SHEAF_OK;
}

/* BR8, BR1 */
static int each_round_gives_all_indexes(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct meeting m;
    open_meeting(&m, PARTIES, 0);
    for (int i = 0; i < PARTIES; i++) {
        join_meeting(&m, 2, false);
    }
    expect_ends(&m, 0, PARTIES, SHEAF_OK);
    for (int i = 0; i < PARTIES; i++) {
        EXPECT_INT(sheaf__load_acq(&m.parties[i].passed), 2);
    }
    expect_state(&m, 0, false);
    for (int i = 0; i < PARTIES; i++) {
        join_meeting(&m, 1, false);
    }
    expect_ends(&m, PARTIES, 2 * PARTIES, SHEAF_OK);
    EXPECT_INT(indexes_of(&m, PARTIES, 2 * PARTIES), (1U << PARTIES) - 1);
    return SHEAF_OK;
}

/* BR3 */
static int a_cancelled_party_is_replaced_by_another(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct meeting m;
    open_meeting(&m, PARTIES, 2);
    EXPECT(sheaf_cancel(m.tasks[0]));
    expect_end(m.tasks[0], SHEAF_CANCELLED);
    expect_state(&m, 1, false);
    join_meeting(&m, 1, false);
    join_meeting(&m, 1, false);
    expect_ends(&m, 1, 4, SHEAF_OK);
    EXPECT_INT(indexes_of(&m, 1, 4), (1U << PARTIES) - 1);
    expect_state(&m, 0, false);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- those who come meanwhile */

/* BR2: a generation takes the place of the draining state */
static int who_comes_when_a_round_has_been_let_go_is_in_the_next(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct meeting m;
    open_meeting(&m, PARTIES, 2);
    size_t index = 9;
    EXPECT_INT(sheaf_barrier_wait(&m.barrier, &index), SHEAF_OK);
    EXPECT_INT(index, 2);
    expect_state(&m, 0, false);
    join_meeting(&m, 1, false);
    expect_state(&m, 1, false);
    expect_ends(&m, 0, 2, SHEAF_OK);
    EXPECT(!sheaf_done(m.tasks[2]));
    join_meeting(&m, 1, false);
    EXPECT_INT(sheaf_barrier_wait(&m.barrier, &index), SHEAF_OK);
    expect_ends(&m, 2, 4, SHEAF_OK);
    return SHEAF_OK;
}

/* Lets a round go, with `newcomers` behind it, and does that before anybody has left. */
static void act_on_a_round_that_is_let_go(struct meeting *m, int newcomers,
                                          int (*act)(sheaf_barrier *))
{
    open_meeting(m, PARTIES, 2);
    EXPECT_INT(sheaf_barrier_wait(&m->barrier, NULL), SHEAF_OK);
    for (int i = 0; i < newcomers; i++) {
        struct party *p = &m->parties[m->count];
        *p = (struct party){.barrier = &m->barrier, .rounds = 1};
        m->tasks[m->count++] = sheaf_spawn(meet, p);
    }
    EXPECT_INT(act(&m->barrier), SHEAF_OK);
}

/* BR5, BR2: deviates, who was let go stays let go */
static int a_reset_does_not_touch_who_was_let_go(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int newcomers = 0; newcomers < 2; newcomers++) {
        struct meeting m;
        act_on_a_round_that_is_let_go(&m, newcomers, sheaf_barrier_reset);
        expect_ends(&m, 0, 2, SHEAF_OK);
        settle();
        expect_state(&m, (size_t)newcomers, false);
        while (m.count < 2 + PARTIES) {
            join_meeting(&m, 1, false);
        }
        expect_ends(&m, 2, 2 + PARTIES, SHEAF_OK);
        expect_state(&m, 0, false);
    }
    return SHEAF_OK;
}

/* BR4, BR2: deviates likewise */
static int an_abort_does_not_touch_who_was_let_go(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int newcomers = 0; newcomers < 2; newcomers++) {
        struct meeting m;
        act_on_a_round_that_is_let_go(&m, newcomers, sheaf_barrier_abort);
        expect_ends(&m, 0, 2, SHEAF_OK);
        expect_ends(&m, 2, 2 + newcomers, SHEAF_BROKEN);
        expect_state(&m, 0, true);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- reset and abort */

/* BR5 */
static int a_reset_throws_out_who_waits_and_leaves_it_usable(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct meeting m;
    open_meeting(&m, PARTIES, 0);
    EXPECT_INT(sheaf_barrier_reset(&m.barrier), SHEAF_OK);
    expect_state(&m, 0, false);
    join_meeting(&m, 1, false);
    join_meeting(&m, 1, false);
    EXPECT_INT(sheaf_barrier_reset(&m.barrier), SHEAF_OK);
    expect_ends(&m, 0, 2, SHEAF_BROKEN);
    expect_state(&m, 0, false);
    for (int i = 0; i < PARTIES; i++) {
        join_meeting(&m, 1, false);
    }
    expect_ends(&m, 2, 2 + PARTIES, SHEAF_OK);
    return SHEAF_OK;
}

/* BR5, BR8 */
static int those_thrown_out_wait_again_and_pass(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct meeting m;
    open_meeting(&m, PARTIES, 0);
    join_meeting(&m, 1, true);
    join_meeting(&m, 1, true);
    EXPECT_INT(sheaf_barrier_reset(&m.barrier), SHEAF_OK);
    settle();
    expect_state(&m, 2, false);
    join_meeting(&m, 1, true);
    expect_ends(&m, 0, PARTIES, SHEAF_OK);
    for (int i = 0; i < PARTIES; i++) {
        EXPECT_INT(sheaf__load_acq(&m.parties[i].broken), i < 2);
        EXPECT_INT(sheaf__load_acq(&m.parties[i].passed), 1);
    }
    return SHEAF_OK;
}

/* BR4, BR5 */
static int an_abort_breaks_it_until_the_reset(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct meeting m;
    open_meeting(&m, PARTIES, 0);
    EXPECT_INT(sheaf_barrier_abort(&m.barrier), SHEAF_OK);
    expect_state(&m, 0, true);
    EXPECT_INT(sheaf_barrier_wait(&m.barrier, NULL), SHEAF_BROKEN);
    EXPECT_INT(sheaf_barrier_reset(&m.barrier), SHEAF_OK);
    expect_state(&m, 0, false);
    join_meeting(&m, 1, false);
    join_meeting(&m, 1, false);
    EXPECT_INT(sheaf_barrier_abort(&m.barrier), SHEAF_OK);
    expect_ends(&m, 0, 2, SHEAF_BROKEN);
    EXPECT_INT(sheaf_barrier_wait(&m.barrier, NULL), SHEAF_BROKEN);
    expect_state(&m, 0, true);
    EXPECT_INT(sheaf_barrier_reset(&m.barrier), SHEAF_OK);
    for (int i = 0; i < PARTIES; i++) {
        join_meeting(&m, 1, false);
    }
    expect_ends(&m, 2, 2 + PARTIES, SHEAF_OK);
    EXPECT_INT(indexes_of(&m, 2, 2 + PARTIES), (1U << PARTIES) - 1);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(a_number_of_parties_below_one_is_refused),
    TASK_TEST(one_party_never_waits),
    TASK_TEST_ON(MODES_VIRTUAL, the_last_arrival_lets_all_go_with_an_index_each),
    TASK_TEST_ON(MODES_VIRTUAL, each_round_gives_all_indexes),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_party_is_replaced_by_another),
    TASK_TEST_ON(MODES_VIRTUAL, who_comes_when_a_round_has_been_let_go_is_in_the_next),
    TASK_TEST_ON(MODES_EXACT, a_reset_does_not_touch_who_was_let_go),
    TASK_TEST_ON(MODES_EXACT, an_abort_does_not_touch_who_was_let_go),
    TASK_TEST_ON(MODES_VIRTUAL, a_reset_throws_out_who_waits_and_leaves_it_usable),
    TASK_TEST_ON(MODES_VIRTUAL, those_thrown_out_wait_again_and_pass),
    TASK_TEST_ON(MODES_VIRTUAL, an_abort_breaks_it_until_the_reset),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
