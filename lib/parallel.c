/* Loops over a range, and two bodies at once.
 *
 * The division is lazy binary splitting (Tzannes, Caragea, Vishkin, Barua, 2010): a part splits
 * between two pieces if the worker's deque holds nothing that a thief could take, and works on
 * otherwise.  With nobody idle a loop over n pieces splits about log n times.  Departure: the
 * length of a piece is not a constant of the program, but follows the time that the last one took.
 *
 * Justified by tests/bench w9_map: a flat loop pays one clock read and a look at the deque for each
 * piece of some ten microseconds, and a skewed one is balanced to that length. */
#include <sheaf/parallel.h>

#include <string.h>

#include "lib/future_impl.h"
#include "lib/loop.h"
#include "lib/platform/clock.h"
#include "lib/waiting.h"

/* A piece that took less than half of this is followed by one of twice the length, one that took
 * more than twice of it by one of half. */
#define PIECE_TIME INT64_C(10000)

/* Where time must not decide, a loop is split into some so many parts, at once. */
#define DETERMINISTIC_PARTS 64U

struct loop;

/* Works on indices from *begin up to end, and moves *begin over those that are finished.
 * Returns: SHEAF_OK, or what ended it there */
typedef int work_fn(struct loop *loop, size_t *begin, size_t end);

struct loop {
    struct sheaf__loop base;
    work_fn *work;
    sheaf_range_fn *body; /* of a for */
    void *context;
    sheaf_fn *fn; /* of a map, with what follows */
    char *args;
    size_t stride;
    sheaf_value *values;
    int *statuses;
};

struct part {
    struct loop *loop;
    size_t begin;
    size_t end;
    size_t piece; /* the length of the next piece */
};

/* ---------------------------------------------------------------- splitting */

/* A hint: whether thieves would find nothing with this worker. */
static bool has_nothing_to_give(struct sheaf__worker *worker)
{
    /* relaxed: a stale value costs one split more or less. */
    uint32_t bottom = sheaf__load_rlx(&worker->deque.bottom);
    return (int32_t)(bottom - sheaf__load_rlx(&worker->deque.top)) <= 0;
}

/* Takes a place among the parts that may exist at once.  Returns: whether there was one */
static bool enter_part(struct sheaf__loop *loop)
{
    size_t limit = loop->options.limit;
    if (limit == 0) {
        return true;
    }
    /* relaxed: it guards nothing but the number. */
    size_t parts = sheaf__load_rlx(&loop->parts);
    while (parts < limit) {
        if (sheaf__cas_rlx(&loop->parts, &parts, parts + 1)) {
            return true;
        }
    }
    return false;
}

static void leave_part(struct sheaf__loop *loop)
{
    if (loop->options.limit) {
        sheaf__sub_rlx(&loop->parts, 1);
    }
}

/* The most that a part has where time must not decide. */
static size_t fixed_part(const struct sheaf__loop *base)
{
    return (base->end - base->begin) / DETERMINISTIC_PARTS + 1;
}

static bool should_split(const struct part *part)
{
    size_t left = part->end - part->begin;
    struct sheaf__loop *base = &part->loop->base;
    if (left <= part->piece) {
        return false;
    }
    bool wanted =
        base->deterministic ? left > fixed_part(base) : has_nothing_to_give(sheaf__worker_self());
    return wanted && enter_part(base);
}

/* The index at which a part is divided: a whole number of pieces from its beginning. */
static size_t middle_of(const struct part *part)
{
    size_t pieces = (part->end - part->begin + part->piece - 1) / part->piece;
    return part->begin + pieces / 2 * part->piece;
}

/* ---------------------------------------------------------------- pieces */

static void adapt(struct part *part, int64_t took)
{
    if (took < PIECE_TIME / 2 && part->piece <= SIZE_MAX / 4) {
        part->piece *= 2;
    } else if (took > PIECE_TIME * 2 && part->piece > 1) {
        part->piece /= 2;
    }
}

/* Works on the next piece.
 *
 *   *since  when the one before it ended; 0: time decides nothing
 *
 * Returns: whether the part goes on */
static bool work_on_piece(struct part *part, int64_t *since)
{
    struct loop *loop = part->loop;
    size_t begin = part->begin, left = part->end - begin;
    if (!sheaf__loop_goes_on(&loop->base, begin)) {
        return false;
    }
    int status = loop->work(loop, &part->begin, begin + (left < part->piece ? left : part->piece));
    int64_t now = *since ? sheaf__clock_monotonic() : 0;
    sheaf__loop_finished(&loop->base, begin, part->begin, now);
    if (status != SHEAF_OK) {
        sheaf__loop_fail(&loop->base, part->begin, status);
        return false;
    }
    if (*since) {
        adapt(part, now - *since);
        *since = now;
    }
    return true;
}

static void run_part(void *arg);

/* Gives the right half away, goes on with the left one, and waits for the right one. */
static void split(struct part *part)
{
    struct sheaf__half half;
    struct part right = *part;
    right.begin = middle_of(part);
    part->end = right.begin;
    sheaf__half_spawn(&half, &part->loop->base, run_part, &right, right.begin);
    run_part(part);
    sheaf__half_join(&half);
}

/* It leaves its place among the parts when its own indices are done, before it waits for others. */
static void run_part(void *arg)
{
    struct part *part = arg;
    struct sheaf__loop *base = &part->loop->base;
    bool by_time = base->options.grain == 0 && !base->deterministic;
    int64_t since = by_time ? sheaf__clock_monotonic() : 0;
    while (part->begin < part->end) {
        if (should_split(part)) {
            split(part);
            return;
        }
        if (!work_on_piece(part, &since)) {
            break;
        }
    }
    leave_part(base);
}

static size_t first_piece(const struct sheaf__loop *base)
{
    if (base->options.grain) {
        return base->options.grain;
    }
    return base->deterministic ? fixed_part(base) : 1;
}

static void run_loop(void *context)
{
    struct loop *loop = context;
    struct part whole = {.loop = loop, .begin = loop->base.begin, .end = loop->base.end};
    whole.piece = first_piece(&loop->base);
    run_part(&whole);
}

/* ---------------------------------------------------------------- for */

static int work_on_range(struct loop *loop, size_t *begin, size_t end)
{
    SHEAF_TRY(loop->body(loop->context, *begin, end));
    *begin = end;
    return SHEAF_OK;
}

int sheaf_for(const sheaf_loop_options *options, size_t begin, size_t end, sheaf_range_fn *body,
              void *context)
{
    struct loop loop = {.work = work_on_range, .body = body, .context = context};
    SHEAF_TRY(sheaf__loop_init(&loop.base, options, begin, end));
    if (!body || loop.base.options.flags) {
        return SHEAF_INVALID;
    }
    return sheaf__loop_run(&loop.base, run_loop, &loop);
}

/* ---------------------------------------------------------------- map */

static int call_one(struct loop *loop, size_t index)
{
    sheaf_value value = {0};
    int status = loop->fn(loop->args + index * loop->stride, &value);
    if (loop->values && status == SHEAF_OK) {
        loop->values[index] = value;
    }
    if (loop->statuses) {
        loop->statuses[index] = status;
    }
    bool collected = (loop->base.options.flags & SHEAF_LOOP_COLLECT) && status != SHEAF_CANCELLED;
    return collected ? SHEAF_OK : status;
}

static int work_on_calls(struct loop *loop, size_t *begin, size_t end)
{
    SHEAF_TRY(call_one(loop, *begin));
    for (++*begin; *begin < end && !sheaf__loop_stopped(&loop->base); ++*begin) {
        SHEAF_TRY(sheaf_checkpoint());
        SHEAF_TRY(call_one(loop, *begin));
    }
    return SHEAF_OK;
}

int sheaf_map(const sheaf_loop_options *options, sheaf_fn *fn, void *args, size_t stride,
              size_t count, sheaf_value *values, int *statuses)
{
    struct loop loop = {.work = work_on_calls, .fn = fn, .args = args, .stride = stride};
    loop.values = values;
    loop.statuses = statuses;
    SHEAF_TRY(sheaf__loop_init(&loop.base, options, 0, count));
    bool collects = loop.base.options.flags & SHEAF_LOOP_COLLECT;
    if (!fn || (stride && count && !args) || (collects && !statuses)) {
        return SHEAF_INVALID;
    }
    sheaf__clear_results(count, values, statuses);
    return sheaf__loop_run(&loop.base, run_loop, &loop);
}

/* ---------------------------------------------------------------- both */

struct both {
    sheaf_fn *left, *right;
    void *left_arg, *right_arg;
    sheaf_value *left_value, *right_value;
};

static int run_both(void *arg, sheaf_value *result)
{
    struct both *both = arg;
    sheaf_task task;
    sheaf_value value = {0};
    (void)result;
    sheaf_future *right = sheaf_task_spawn(&task, both->right, both->right_arg);
    int left_status = both->left(both->left_arg, &value);
    if (left_status == SHEAF_OK) {
        if (both->left_value) {
            *both->left_value = value;
        }
        return sheaf_task_join(&task, both->right_value);
    }
    /* The join replaces what left has raised. */
    sheaf_error *error = sheaf__task_raised(sheaf_current(), left_status);
    if (!sheaf_done(right)) {
        sheaf__future_ask(right, SHEAF_ORIGIN_GROUP, NULL);
    }
    (void)sheaf_task_join(&task, both->right_value);
    sheaf__task_set_raised(sheaf_current(), error);
    sheaf_error_release(error);
    return left_status;
}

int sheaf_both(sheaf_fn *left, void *left_arg, sheaf_value *left_value, sheaf_fn *right,
               void *right_arg, sheaf_value *right_value)
{
    struct both both = {left, right, left_arg, right_arg, left_value, right_value};
    if (!left || !right) {
        return SHEAF_INVALID;
    }
    if (sheaf_current()) {
        return run_both(&both, NULL);
    }
    return sheaf__run_as_task(NULL, run_both, &both);
}
