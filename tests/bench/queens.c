/* All ways to place n queens, a task for every placement.
 *
 *   pairs  a row is a pair: its first placement, and the rest of the row as a task
 *   flat   all placements of a row but none are spawned, into an array in the frame, then joined
 *   heap   the same with futures
 *
 * A task is a valid placement. */
#include "tests/bench/bench.h"

enum { N_MAX = 14 };

static const int64_t placements[] = {0,    1,    2,     5,      16,     53,      152,     551,
                                     2056, 8393, 35538, 166925, 856188, 4674889, 27358552};
static const int64_t solutions[] = {1,  1,   0,   0,    2,     10,    4,     40,
                                    92, 352, 724, 2680, 14200, 73712, 365596};

struct board {
    uint32_t full;    /* a bit a column */
    uint32_t columns; /* taken */
    uint32_t left;    /* attacked along the diagonals */
    uint32_t right;
    uint32_t open; /* of the row that comes next: what is still to be tried */
};

static uint32_t open_columns(const struct board *board)
{
    return board->full & ~(board->columns | board->left | board->right);
}

/* With a queen in the lowest open column. */
static struct board placed(const struct board *board)
{
    uint32_t bit = board->open & -board->open;
    struct board next = {.full = board->full,
                         .columns = board->columns | bit,
                         .left = (board->left | bit) << 1,
                         .right = (board->right | bit) >> 1};
    next.open = open_columns(&next);
    return next;
}

/* ---------------------------------------------------------------- pairs */

static int count_row(void *arg, sheaf_value *result)
{
    const struct board *board = arg;
    if (board->columns == board->full) {
        result->i64 = 1;
        return SHEAF_OK;
    }
    if (board->open == 0) {
        return SHEAF_OK;
    }
    struct board next = placed(board);
    struct board rest = *board;
    rest.open &= rest.open - 1;
    if (rest.open == 0) {
        return count_row(&next, result);
    }
    sheaf_task others;
    sheaf_value value = {0};
    sheaf_task_spawn(&others, count_row, &rest);
    int status = count_row(&next, result);
    SHEAF_TRY(sheaf_task_join(&others, &value));
    result->i64 += value.i64;
    return status;
}

/* ---------------------------------------------------------------- arrays */

static int count_flat(void *arg, sheaf_value *result)
{
    const struct board *board = arg;
    if (board->columns == board->full) {
        result->i64 = 1;
        return SHEAF_OK;
    }
    struct board at = *board, next[N_MAX];
    sheaf_task tasks[N_MAX];
    int count = 0, status = SHEAF_OK;
    for (; at.open; at.open &= at.open - 1, count++) {
        next[count] = placed(&at);
        sheaf_task_spawn(&tasks[count], count_flat, &next[count]);
    }
    while (count > 0) {
        sheaf_value value = {0};
        int joined = sheaf_task_join(&tasks[--count], &value);
        status = status ? status : joined;
        result->i64 += value.i64;
    }
    return status;
}

static int count_heap(void *arg, sheaf_value *result)
{
    const struct board *board = arg;
    if (board->columns == board->full) {
        result->i64 = 1;
        return SHEAF_OK;
    }
    struct board at = *board, next[N_MAX];
    sheaf_future *tasks[N_MAX];
    int count = 0, status = SHEAF_OK;
    for (; at.open; at.open &= at.open - 1, count++) {
        next[count] = placed(&at);
        tasks[count] = sheaf_spawn(count_heap, &next[count]);
    }
    while (count > 0) {
        sheaf_value value = {0};
        int joined = sheaf_join(tasks[--count], &value);
        status = status ? status : joined;
        result->i64 += value.i64;
    }
    return status;
}

/* ---------------------------------------------------------------- measuring */

static int count_serial(void *arg, sheaf_value *result)
{
    const struct board *board = arg;
    if (board->columns == board->full) {
        result->i64 = 1;
        return SHEAF_OK;
    }
    for (struct board at = *board; at.open; at.open &= at.open - 1) {
        struct board next = placed(&at);
        sheaf_value value = {0};
        SHEAF_TRY(count_serial(&next, &value));
        result->i64 += value.i64;
    }
    return SHEAF_OK;
}

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    sheaf_fn *count = bench_form_is(run, "flat")     ? count_flat
                      : bench_form_is(run, "heap")   ? count_heap
                      : bench_form_is(run, "serial") ? count_serial
                                                     : count_row;
    bench_check(run->n > 0 && run->n <= N_MAX, "n is 1 to 14");
    struct board empty = {.full = (1U << run->n) - 1};
    empty.open = open_columns(&empty);
    double wall = bench_now(), cpu = bench_cpu();
    int status = count(&empty, result);
    wall = bench_now() - wall;
    cpu = bench_cpu() - cpu;
    bench_check(status == SHEAF_OK && result->i64 == solutions[run->n], "queens");
    bench_tell("ns_per_task", wall * 1e9 / (double)placements[run->n]);
    bench_tell("cpu_ns_per_task", cpu * 1e9 / (double)placements[run->n]);
    return SHEAF_OK;
}

int bench_queens(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
