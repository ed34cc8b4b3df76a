/* Loops and fork-join of two: every index once, how they end early, what is recorded. */
#include "tests/support/fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sheaf/parallel.h>

#include "lib/alloc.h"
#include "lib/atomics.h"

enum { INDICES = 1000 };

struct visits {
    SHEAF__ATOMIC(unsigned) count[INDICES];
    SHEAF__ATOMIC(int) running;
    SHEAF__ATOMIC(int) most;
    size_t fails_at; /* the first of its indices fails with EIO; INDICES: none does */
    int yields;
};

static void enter(struct visits *v)
{
    int now = sheaf__add_seq(&v->running, 1) + 1, most = sheaf__load_seq(&v->most);
    while (now > most && !sheaf__cas_seq(&v->most, &most, now)) {
    }
}

static int visit(void *context, size_t begin, size_t end)
{
    struct visits *v = context;
    int status = SHEAF_OK;
    enter(v);
    for (int i = 0; i < v->yields; i++) {
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
    }
    for (size_t i = begin; i < end && status == SHEAF_OK; i++) {
        if (i >= v->fails_at) {
            status = sheaf_raise(EIO, "index %zu", i);
        } else {
            sheaf__add_seq(&v->count[i], 1);
        }
    }
    sheaf__sub_seq(&v->running, 1);
    return status;
}

static struct visits *new_visits(void)
{
    struct visits *v = calloc(1, sizeof *v);
    if (!v) {
        abort();
    }
    v->fails_at = INDICES;
    return v;
}

/* Each index below count was visited once, and no other. */
static void expect_visited(struct visits *v, size_t begin, size_t end)
{
    size_t wrong = 0;
    for (size_t i = 0; i < INDICES; i++) {
        wrong += sheaf__load_seq(&v->count[i]) != (i >= begin && i < end);
    }
    EXPECT_INT(wrong, 0);
    EXPECT_INT(sheaf__load_seq(&v->running), 0);
}

/* ---------------------------------------------------------------- for */

static void visit_all(const struct fixture *f, size_t begin, size_t end, size_t grain, size_t limit)
{
    struct visits *v = new_visits();
    uint64_t finished[SHEAF_LOOP_WORDS(INDICES) + 1];
    size_t count = SIZE_MAX;
    memset(finished, 0xff, sizeof finished);
    EXPECT_INT(sheaf_for(SHEAF_LOOP_OPTIONS(.grain = grain, .limit = limit, .pool = f->pool,
                                            .finished = finished, .finished_count = &count),
                         begin, end, visit, v),
               SHEAF_OK);
    expect_visited(v, begin, end);
    EXPECT_INT(count, end - begin);
    for (size_t i = 0; i < end - begin; i++) {
        EXPECT(SHEAF_LOOP_FINISHED(finished, i));
    }
    if ((end - begin) % 64) {
        EXPECT(!SHEAF_LOOP_FINISHED(finished, end - begin));
    }
    EXPECT(limit == 0 || sheaf__load_seq(&v->most) <= (int)limit);
    free(v);
}

static void visit_all_in_every_way(const struct fixture *f)
{
    static const size_t ends[] = {0, 1, 2, 3, 63, 64, 65, 127, 128, 999, 1000};
    static const size_t grains[] = {0, 1, 7, 64, 5000, SIZE_MAX};
    for (size_t e = 0; e < sizeof ends / sizeof ends[0]; e++) {
        for (size_t g = 0; g < sizeof grains / sizeof grains[0]; g++) {
            visit_all(f, 0, ends[e], grains[g], 0);
            visit_all(f, ends[e] / 3, ends[e], grains[g], 2);
        }
    }
}

static int every_index_is_visited_once(void *arg, sheaf_value *result)
{
    (void)result;
    visit_all_in_every_way(arg);
    return SHEAF_OK;
}

static void a_plain_thread_may_loop_too(struct fixture *f)
{
    visit_all_in_every_way(f);
}

static int loop_elsewhere(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    struct visits *v = new_visits();
    (void)result;
    EXPECT(sheaf_pool_current() != f->pool);
    EXPECT_INT(sheaf_for(SHEAF_LOOP_OPTIONS(.pool = f->pool), 0, INDICES, visit, v), SHEAF_OK);
    expect_visited(v, 0, INDICES);
    v->fails_at = 0;
    EXPECT_INT(sheaf_for(SHEAF_LOOP_OPTIONS(.pool = f->pool), 0, 1, visit, v), EIO);
    free(v);
    return EIO;
}

/* The error that the other pool's task failed with is the caller's. */
static void a_task_may_loop_on_another_pool(struct fixture *f)
{
    sheaf_pool *other;
    sheaf_error *error;
    EXPECT_INT(sheaf_pool_open(SHEAF_OPTIONS(.workers = 1), &other), SHEAF_OK);
    sheaf_future *task = sheaf_spawn_on(other, loop_elsewhere, f);
    EXPECT_INT(sheaf_await_error(task, NULL, &error), SHEAF_OK);
    EXPECT_INT(sheaf_error_code(error), EIO);
    EXPECT_TEXT(sheaf_error_message(error), "index 0");
    sheaf_error_release(error);
    sheaf_release(task);
    EXPECT_INT(sheaf_pool_close(other, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

static int bodies_may_suspend(void *arg, sheaf_value *result)
{
    struct visits *v = new_visits();
    (void)arg, (void)result;
    v->yields = 3;
    EXPECT_INT(sheaf_for(SHEAF_LOOP_OPTIONS(.grain = 20), 0, INDICES, visit, v), SHEAF_OK);
    expect_visited(v, 0, INDICES);
    free(v);
    return SHEAF_OK;
}

static int no_more_bodies_run_at_once_than_the_limit(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (size_t limit = 1; limit <= 4; limit++) {
        struct visits *v = new_visits();
        v->yields = 2;
        EXPECT_INT(sheaf_for(SHEAF_LOOP_OPTIONS(.grain = 10, .limit = limit), 0, INDICES, visit, v),
                   SHEAF_OK);
        expect_visited(v, 0, INDICES);
        EXPECT(sheaf__load_seq(&v->most) <= (int)limit);
        free(v);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- nested */

struct grid {
    SHEAF__ATOMIC(unsigned) cells;
};

static int count_cells(void *context, size_t begin, size_t end)
{
    struct grid *grid = context;
    sheaf__add_seq(&grid->cells, (unsigned)(end - begin));
    return SHEAF_OK;
}

static int loop_over_rows(void *context, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        SHEAF_TRY(sheaf_for(NULL, 0, i, count_cells, context));
    }
    return SHEAF_OK;
}

static int loops_nest(void *arg, sheaf_value *result)
{
    struct grid grid = {0};
    (void)arg, (void)result;
    EXPECT_INT(sheaf_for(NULL, 0, 100, loop_over_rows, &grid), SHEAF_OK);
    EXPECT_INT(sheaf__load_seq(&grid.cells), 4950);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- early ends */

static int fail_and_pass_on(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_for(SHEAF_LOOP_OPTIONS(.grain = 1), 0, INDICES, visit, arg);
}

static int a_failure_ends_the_loop_and_is_the_callers(void *arg, sheaf_value *result)
{
    struct visits *v = new_visits();
    sheaf_error *error;
    (void)arg, (void)result;
    v->fails_at = 300;
    sheaf_future *task = sheaf_spawn(fail_and_pass_on, v);
    EXPECT_INT(sheaf_await_error(task, NULL, &error), SHEAF_OK);
    EXPECT_INT(sheaf_error_code(error), EIO);
    EXPECT(strncmp(sheaf_error_message(error), "index ", 6) == 0);
    EXPECT(atoi(sheaf_error_message(error) + 6) >= 300);
    EXPECT_INT(sheaf__load_seq(&v->running), 0);
    sheaf_error_release(error);
    sheaf_release(task);
    free(v);
    return SHEAF_OK;
}

/* Visited and recorded are the same pieces, however far the loop came. */
static int the_record_says_what_was_finished(void *arg, sheaf_value *result)
{
    struct visits *v = new_visits();
    uint64_t finished[SHEAF_LOOP_WORDS(INDICES)];
    size_t count, recorded = 0, wrong = 0;
    (void)arg, (void)result;
    v->fails_at = 500;
    EXPECT_INT(
        sheaf_for(SHEAF_LOOP_OPTIONS(.grain = 1, .finished = finished, .finished_count = &count), 0,
                  INDICES, visit, v),
        EIO);
    for (size_t i = 0; i < INDICES; i++) {
        bool is = SHEAF_LOOP_FINISHED(finished, i);
        recorded += is;
        wrong += is != (sheaf__load_seq(&v->count[i]) == 1);
    }
    EXPECT_INT(recorded, count);
    EXPECT_INT(wrong, 0);
    EXPECT(count <= 500);
    free(v);
    return SHEAF_OK;
}

/* On one worker the parts are worked on from the lowest index up. */
static int the_lowest_failure_counts(void *arg, sheaf_value *result)
{
    struct visits *v = new_visits();
    sheaf_error *error;
    (void)arg, (void)result;
    v->fails_at = 123;
    sheaf_future *task = sheaf_spawn(fail_and_pass_on, v);
    EXPECT_INT(sheaf_await_error(task, NULL, &error), SHEAF_OK);
    EXPECT_INT(sheaf_error_code(error), EIO);
    EXPECT_TEXT(sheaf_error_message(error), "index 123");
    sheaf_error_release(error);
    sheaf_release(task);
    expect_visited(v, 0, 123);
    free(v);
    return SHEAF_OK;
}

struct long_loop {
    struct gate begun;
    SHEAF__ATOMIC(unsigned) pieces;
};

static int compute_for_long(void *context, size_t begin, size_t end)
{
    struct long_loop *l = context;
    (void)begin, (void)end;
    if (sheaf__add_seq(&l->pieces, 1) == 0) {
        gate_arrive(&l->begun);
    }
    return sheaf_yield(); /* so that one worker, too, comes to the request */
}

static int loop_for_long(void *arg, sheaf_value *result)
{
    (void)result;
    int status = sheaf_for(SHEAF_LOOP_OPTIONS(.grain = 1), 0, SIZE_MAX, compute_for_long, arg);
    EXPECT_INT(sheaf_cancelling(NULL), 1);
    return status;
}

static void a_request_to_the_caller_ends_the_loop(struct fixture *f)
{
    struct long_loop l = {.begun = GATE_INIT};
    sheaf_future *task = sheaf_spawn_on(f->pool, loop_for_long, &l);
    gate_wait(&l.begun, 1);
    EXPECT(sheaf_cancel(task));
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_CANCELLED);
    unsigned pieces = sheaf__load_seq(&l.pieces);
    EXPECT(sheaf_cancelled(task));
    sheaf_release(task);
    EXPECT_INT(sheaf__load_seq(&l.pieces), pieces);
}

static int wrong_arguments_call_nothing(void *arg, sheaf_value *result)
{
    struct visits *v = new_visits();
    int statuses[1];
    (void)arg, (void)result;
    EXPECT_INT(sheaf_for(NULL, 2, 1, visit, v), SHEAF_INVALID);
    EXPECT_INT(sheaf_for(NULL, 0, 1, NULL, v), SHEAF_INVALID);
    EXPECT_INT(sheaf_for(SHEAF_LOOP_OPTIONS(.flags = 1U << 9), 0, 1, visit, v), SHEAF_INVALID);
    EXPECT_INT(sheaf_for(SHEAF_LOOP_OPTIONS(.flags = SHEAF_LOOP_COLLECT), 0, 1, visit, v),
               SHEAF_INVALID);
    EXPECT_INT(sheaf_for(&(sheaf_loop_options){.size = 3}, 0, 1, visit, v), SHEAF_INVALID);
    EXPECT_INT(sheaf_map(NULL, NULL, NULL, 0, 1, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_map(NULL, loop_for_long, NULL, 8, 1, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_map(SHEAF_LOOP_OPTIONS(.flags = SHEAF_LOOP_COLLECT), loop_for_long, NULL, 0, 1,
                         NULL, NULL),
               SHEAF_INVALID);
    EXPECT_INT(sheaf_map(NULL, loop_for_long, NULL, 8, 0, NULL, statuses), SHEAF_OK);
    EXPECT_INT(sheaf_both(NULL, NULL, NULL, loop_for_long, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_both(loop_for_long, NULL, NULL, NULL, NULL, NULL), SHEAF_INVALID);
    expect_visited(v, 0, 0);
    free(v);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- progress */

struct watch {
    SHEAF__ATOMIC(int) inside;
    size_t told;
    size_t calls;
    size_t total;
};

static void watch_progress(void *context, size_t done, size_t total)
{
    struct watch *w = context;
    EXPECT_INT(sheaf__add_seq(&w->inside, 1), 0);
    EXPECT(done >= w->told && done <= total);
    w->told = done;
    w->total = total;
    w->calls++;
    sheaf__sub_seq(&w->inside, 1);
}

static int progress_only_grows_and_ends_with_all(void *arg, sheaf_value *result)
{
    struct visits *v = new_visits();
    struct watch w = {0};
    (void)arg, (void)result;
    EXPECT_INT(sheaf_for(SHEAF_LOOP_OPTIONS(.grain = 1, .progress = watch_progress,
                                            .progress_context = &w),
                         0, INDICES, visit, v),
               SHEAF_OK);
    EXPECT_INT(w.told, INDICES);
    EXPECT_INT(w.total, INDICES);
    EXPECT(w.calls >= 2);
    free(v);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- map */

static int square(void *arg, sheaf_value *result)
{
    const int64_t *number = arg;
    if (*number % 10 == 7) {
        return sheaf_raise(EDOM, "%d", (int)*number);
    }
    result->i64 = *number * *number;
    return SHEAF_OK;
}

static void map_squares(const struct fixture *f, size_t grain)
{
    int64_t numbers[INDICES];
    sheaf_value values[INDICES];
    int statuses[INDICES];
    for (int i = 0; i < INDICES; i++) {
        numbers[i] = 10 * i;
    }
    EXPECT_INT(sheaf_map(SHEAF_LOOP_OPTIONS(.pool = f->pool, .grain = grain), square, numbers,
                         sizeof numbers[0], INDICES, values, statuses),
               SHEAF_OK);
    for (int i = 0; i < INDICES; i++) {
        EXPECT_INT(values[i].i64, 100 * i * i);
        EXPECT_INT(statuses[i], SHEAF_OK);
    }
}

static int a_map_gives_values_in_order(void *arg, sheaf_value *result)
{
    (void)result;
    map_squares(arg, 0);
    map_squares(arg, 1);
    return SHEAF_OK;
}

static void a_plain_thread_may_map(struct fixture *f)
{
    map_squares(f, 0);
}

static int a_map_that_collects_goes_on(void *arg, sheaf_value *result)
{
    int64_t numbers[100];
    sheaf_value values[100];
    int statuses[100];
    (void)arg, (void)result;
    for (int i = 0; i < 100; i++) {
        numbers[i] = i;
    }
    EXPECT_INT(sheaf_map(SHEAF_LOOP_OPTIONS(.flags = SHEAF_LOOP_COLLECT), square, numbers,
                         sizeof numbers[0], 100, values, statuses),
               SHEAF_OK);
    for (int i = 0; i < 100; i++) {
        bool bad = i % 10 == 7;
        EXPECT_INT(statuses[i], bad ? EDOM : SHEAF_OK);
        EXPECT_INT(values[i].i64, bad ? 0 : i * i);
    }
    return SHEAF_OK;
}

static int a_map_ends_at_a_failure(void *arg, sheaf_value *result)
{
    int64_t numbers[100];
    int statuses[100];
    uint64_t finished[SHEAF_LOOP_WORDS(100)];
    (void)arg, (void)result;
    for (int i = 0; i < 100; i++) {
        numbers[i] = i < 50 ? 1 : 7;
    }
    EXPECT_INT(sheaf_map(SHEAF_LOOP_OPTIONS(.finished = finished), square, numbers,
                         sizeof numbers[0], 100, NULL, statuses),
               EDOM);
    for (int i = 0; i < 100; i++) {
        EXPECT_INT(statuses[i] == SHEAF_OK, SHEAF_LOOP_FINISHED(finished, i));
        EXPECT(statuses[i] == SHEAF_CANCELLED || statuses[i] == (i < 50 ? SHEAF_OK : EDOM));
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- both */

static int give_number(void *arg, sheaf_value *result)
{
    result->i64 = *(int *)arg;
    return result->i64 < 0 ? sheaf_raise(EIO, "number %d", (int)result->i64) : SHEAF_OK;
}

static int wait_to_be_asked(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int status = SHEAF_OK;
    while (status == SHEAF_OK) {
        status = sheaf_sleep(SHEAF_S(1));
    }
    return status;
}

static int both_give_their_values(void *arg, sheaf_value *result)
{
    int two = 2, three = 3;
    sheaf_value left, right;
    (void)arg, (void)result;
    EXPECT_INT(sheaf_both(give_number, &two, &left, give_number, &three, &right), SHEAF_OK);
    EXPECT_INT(left.i64 * 10 + right.i64, 23);
    EXPECT_INT(sheaf_both(give_number, &two, NULL, give_number, &three, NULL), SHEAF_OK);
    return SHEAF_OK;
}

struct sides {
    int left, right;
};

static int both_of(void *arg, sheaf_value *result)
{
    struct sides *s = arg;
    (void)result;
    return sheaf_both(give_number, &s->left, NULL, give_number, &s->right, NULL);
}

static void expect_both(int left, int right, const char *message)
{
    struct sides s = {left, right};
    sheaf_error *error;
    sheaf_future *task = sheaf_spawn(both_of, &s);
    EXPECT_INT(sheaf_await_error(task, NULL, &error), SHEAF_OK);
    EXPECT_INT(sheaf_error_code(error), EIO);
    EXPECT_TEXT(sheaf_error_message(error), message);
    sheaf_error_release(error);
    sheaf_release(task);
}

static int the_failure_of_the_left_one_counts_first(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_both(-1, 1, "number -1");
    expect_both(1, -2, "number -2");
    expect_both(-1, -2, "number -1");
    return SHEAF_OK;
}

static int a_failure_of_the_left_one_cancels_the_right_one(void *arg, sheaf_value *result)
{
    int bad = -1;
    (void)arg, (void)result;
    EXPECT_INT(sheaf_both(give_number, &bad, NULL, wait_to_be_asked, NULL, NULL), EIO);
    return SHEAF_OK;
}

static void both_work_from_a_plain_thread(struct fixture *f)
{
    int two = 2, three = 3, bad = -1;
    sheaf_value left, right;
    (void)f;
    EXPECT_INT(sheaf_both(give_number, &two, &left, give_number, &three, &right), SHEAF_OK);
    EXPECT_INT(left.i64 * 10 + right.i64, 23);
    EXPECT_INT(sheaf_both(give_number, &two, NULL, give_number, &bad, NULL), EIO);
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

/* ---------------------------------------------------------------- no memory */

static const sheaf_local colour = {.name = "colour"};

/* With a task-local value every half needs memory; without it is worked on by who split. */
static int loop_without_memory(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT_INT(sheaf_local_set(&colour, arg), SHEAF_OK);
    for (long n = 0; n < 40; n++) {
        struct visits *v = new_visits();
        sheaf__alloc_fail_after(n, SHEAF__ALLOC_FAIL_STICKY);
        int status = sheaf_for(SHEAF_LOOP_OPTIONS(.grain = 10), 0, INDICES, visit, v);
        sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_ONCE);
        EXPECT_INT(status, SHEAF_OK);
        expect_visited(v, 0, INDICES);
        free(v);
    }
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(every_index_is_visited_once),
    THREAD_TEST(a_plain_thread_may_loop_too),
    THREAD_TEST_ON(MODES_REAL, a_task_may_loop_on_another_pool),
    TASK_TEST(bodies_may_suspend),
    TASK_TEST(no_more_bodies_run_at_once_than_the_limit),
    TASK_TEST(loops_nest),
    TASK_TEST(a_failure_ends_the_loop_and_is_the_callers),
    TASK_TEST(the_record_says_what_was_finished),
    TASK_TEST_ON(MODE_1, the_lowest_failure_counts),
    THREAD_TEST(a_request_to_the_caller_ends_the_loop),
    TASK_TEST(wrong_arguments_call_nothing),
    TASK_TEST(progress_only_grows_and_ends_with_all),
    TASK_TEST(a_map_gives_values_in_order),
    THREAD_TEST(a_plain_thread_may_map),
    TASK_TEST(a_map_that_collects_goes_on),
    TASK_TEST(a_map_ends_at_a_failure),
    TASK_TEST(both_give_their_values),
    TASK_TEST(the_failure_of_the_left_one_counts_first),
    TASK_TEST(a_failure_of_the_left_one_cancels_the_right_one),
    THREAD_TEST_ON(MODE_1, both_work_from_a_plain_thread),
    TASK_TEST(loop_without_memory),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
