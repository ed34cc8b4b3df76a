/* Parallel loops: both, for, map, reduce, scan; forks. */
#include <errno.h>
#include <string.h>

#include "lib/atomics.h"
#include "tests/faults/trial.h"

enum { RANGE = 200 };

static void two_at_once(struct fault_trial *t)
{
    sheaf_value left = number(7), right = number(7);
    (void)t;
    ENDS(sheaf_both(nap, NULL, &left, give_seven, NULL, &right));
    HOLDS(left.i64 == 7 && right.i64 == 7);
    ENDS(sheaf_both(fail, NULL, NULL, sleep_on, NULL, NULL), EIO);
}

static SHEAF__ATOMIC(int) visits[RANGE];

static void forget_visits(void)
{
    for (int i = 0; i < RANGE; i++) {
        sheaf__store_seq(&visits[i], 0);
    }
}

static int visit(void *context, size_t begin, size_t end)
{
    (void)context;
    for (size_t i = begin; i < end; i++) {
        IS(sheaf__add_seq(&visits[i], 1), 0);
    }
    return begin % 64 == 32 ? sheaf_sleep(SHORT) : SHEAF_OK;
}

static int visit_and_fail(void *context, size_t begin, size_t end)
{
    SHEAF_TRY(visit(context, begin, end));
    return begin > RANGE / 2 ? sheaf_raise(EIO, "index %zu", begin) : SHEAF_OK;
}

static void note_progress(void *context, size_t done, size_t total)
{
    (void)context;
    HOLDS(done <= total && total == RANGE);
}

static void expect_record(const uint64_t *finished, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < RANGE; i++) {
        if (SHEAF_LOOP_FINISHED(finished, i)) {
            IS(sheaf__load_seq(&visits[i]), 1);
            found++;
        }
    }
    IS(found, count);
}

static void ranges_are_run(struct fault_trial *t)
{
    uint64_t finished[SHEAF_LOOP_WORDS(RANGE)] = {0};
    size_t count = 0;
    forget_visits();
    int status =
        ENDS(sheaf_for(SHEAF_LOOP_OPTIONS(.grain = 16, .finished = finished,
                                          .finished_count = &count, .progress = note_progress),
                       0, RANGE, visit, NULL));
    HOLDS(status != SHEAF_OK || count == RANGE);
    expect_record(finished, count);
    forget_visits();
    memset(finished, 0, sizeof finished);
    count = 0;
    ENDS(sheaf_for(SHEAF_LOOP_OPTIONS(.limit = 2, .pool = t->pool, .grain = 16,
                                      .finished = finished, .finished_count = &count),
                   0, RANGE, visit_and_fail, NULL),
         EIO);
    expect_record(finished, count);
}

static int map_one(void *arg, sheaf_value *result)
{
    result->i64 = *(const unsigned char *)arg;
    return result->i64 == 3 ? sheaf_raise(EIO, "three") : SHEAF_OK;
}

static void maps_are_run(struct fault_trial *t)
{
    static const unsigned char args[5] = {1, 2, 3, 4, 5};
    char copy[5];
    sheaf_value values[5];
    int statuses[5];
    (void)t;
    memcpy(copy, args, sizeof copy);
    int status = ENDS(sheaf_map(SHEAF_LOOP_OPTIONS(.flags = SHEAF_LOOP_COLLECT), map_one, copy, 1,
                                5, values, statuses));
    HOLDS(status != SHEAF_OK || (statuses[2] == EIO && values[4].i64 == 5));
    ENDS(sheaf_map(NULL, map_one, copy, 1, 5, values, statuses), EIO);
}

/* Accumulators: made, and used up, dropped or the result. */
static SHEAF__ATOMIC(long) accumulators;

static void make_sum(void *context, void *accumulator)
{
    (void)context;
    *(int64_t *)accumulator = 0;
    sheaf__add_seq(&accumulators, 1);
}

static int add_range(void *context, size_t begin, size_t end, void *accumulator)
{
    if (context) {
        SHEAF_TRY(sheaf_sleep(SHORT));
    }
    for (size_t i = begin; i < end; i++) {
        *(int64_t *)accumulator += (int64_t)i;
    }
    return SHEAF_OK;
}

static void combine_sums(void *context, void *left, void *right)
{
    (void)context;
    *(int64_t *)left += *(int64_t *)right;
    sheaf__sub_seq(&accumulators, 1);
}

static void drop_sum(void *context, void *accumulator)
{
    (void)context, (void)accumulator;
    sheaf__sub_seq(&accumulators, 1);
}

static void copy_sum(void *context, void *to, const void *from)
{
    (void)context;
    *(int64_t *)to = *(const int64_t *)from;
    sheaf__add_seq(&accumulators, 1);
}

static int look_last(void *context, size_t begin, size_t end, void *before)
{
    return add_range(context, begin, end, before);
}

static void ranges_are_reduced(struct fault_trial *t)
{
    sheaf_reduction sums = {sizeof(int64_t), make_sum, add_range, combine_sums, drop_sum};
    int64_t sum = -1;
    sheaf__store_seq(&accumulators, 0);
    int status = ENDS(sheaf_reduce(SHEAF_LOOP_OPTIONS(.grain = 16), 0, RANGE, &sums, t, &sum));
    IS(sum, status ? -1 : RANGE * (RANGE - 1) / 2);
    IS(sheaf__load_seq(&accumulators), status ? 0 : 1);
    sheaf__store_seq(&accumulators, 0);
    ENDS(sheaf_scan(SHEAF_LOOP_OPTIONS(.grain = 16), 0, RANGE, &sums, copy_sum, look_last, t));
    IS(sheaf__load_seq(&accumulators), 0);
}

static void a_thread_loops(struct fault_trial *t)
{
    forget_visits();
    ENDS(sheaf_for(SHEAF_LOOP_OPTIONS(.pool = t->pool, .grain = 16), 0, RANGE, visit, NULL));
    sheaf_reduction sums = {sizeof(int64_t), make_sum, add_range, combine_sums, drop_sum};
    int64_t sum = -1;
    int status = ENDS(sheaf_reduce(SHEAF_LOOP_OPTIONS(.pool = t->pool, .grain = 16), 0, RANGE,
                                   &sums, NULL, &sum));
    IS(sum, status ? -1 : RANGE * (RANGE - 1) / 2);
}

/* ---------------------------------------------------------------- forks */

static int fork_leaf(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    (void)forks, (void)next;
    result->i64 = 1;
    return arg ? sheaf_sleep(SHORT) : SHEAF_OK;
}

/* Leaves on both sides of a suspension, half of which suspend themselves. */
static int fork_leaves(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    enum { LEAVES = 6 };
    int failures = 0;
    for (int i = 0; i < LEAVES; i++) {
        next = sheaf_fork_spawn(forks, next, fork_leaf, i % 2 ? arg : NULL);
        if (i == LEAVES / 2) {
            ENDS(sheaf_sleep(SHORT));
        }
    }
    for (int i = LEAVES - 1; i >= 0; i--, next--) {
        sheaf_value value;
        int status = ENDS(sheaf_fork_join(forks, next, fork_leaf, i % 2 ? arg : NULL, &value));
        failures += status != SHEAF_OK;
        result->i64 += status ? 0 : value.i64;
    }
    IS(result->i64, LEAVES - failures);
    return failures ? SHEAF_NOMEM : SHEAF_OK;
}

/* A frame's task is joined while forks are open that have to become tasks first. */
static int join_over_fork(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    sheaf_task frame;
    sheaf_value value = number(0);
    next = sheaf_fork_spawn(forks, next, fork_leaf, NULL);
    sheaf_task_spawn(&frame, nap, arg);
    ENDS(sheaf_yield());
    ENDS(sheaf_task_join(&frame, NULL));
    int status = ENDS(sheaf_fork_join(forks, next, fork_leaf, NULL, &value));
    HOLDS(status || value.i64 == 1);
    *result = value;
    return status;
}

static void frames_are_joined_over_forks(struct fault_trial *t)
{
    (void)t;
    ENDS(sheaf_fork_run(join_over_fork, NULL, NULL));
}

static void forks_are_joined(struct fault_trial *t)
{
    sheaf_value value = number(-1);
    int status = ENDS(sheaf_fork_run(fork_leaves, t, &value));
    HOLDS(status || value.i64 == 6);
}

/* ---------------------------------------------------------------- workers */

static int use_slot(void *context, unsigned worker)
{
    *(unsigned *)sheaf_slots_mine(context) = worker + 1;
    return SHEAF_OK;
}

static void workers_are_visited(struct fault_trial *t)
{
    sheaf_slots *slots = sheaf_slots_new(t->pool, sizeof(unsigned));
    if (!slots) {
        return;
    }
    int status = ENDS(sheaf_on_workers(t->pool, use_slot, slots));
    for (size_t i = 0; i < sheaf_slots_count(slots); i++) {
        bool visited = i < (size_t)sheaf_pool_workers(t->pool);
        unsigned found = *(unsigned *)sheaf_slots_at(slots, i);
        HOLDS(found == (visited ? i + 1 : 0) || (visited && status));
    }
    sheaf_slots_free(slots);
}

const struct fault_scenario fault_loops[] = {
    {.name = "workers_are_visited", .body = workers_are_visited, .floors = FLOORS(3, 0, 0)},
    {.name = "frames_are_joined_over_forks",
     .body = frames_are_joined_over_forks,
     .floors = FLOORS(1, 1, 0)},
    {.name = "forks_are_joined", .body = forks_are_joined, .floors = FLOORS(2, 1, 0)},
    {.name = "two_at_once", .body = two_at_once, .floors = FLOORS(2, 1, 0)},
    {.name = "ranges_are_run", .body = ranges_are_run, .floors = FLOORS(2, 2, 0)},
    {.name = "maps_are_run", .body = maps_are_run, .floors = FLOORS(3, 0, 0)},
    {.name = "ranges_are_reduced", .body = ranges_are_reduced, .floors = FLOORS(1, 9, 0)},
    {.name = "a_thread_loops",
     .body = a_thread_loops,
     .floors = FLOORS(2, 2, 1),
     .place = FAULT_PLAIN,
     .clock = FAULT_CLOCK_REAL},
    {.name = NULL},
};
