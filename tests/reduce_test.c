/* Reductions and scans: the order of what is brought together, its repetition, and that nothing of
 * an accumulator is lost. */
#include "tests/support/fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sheaf/parallel.h>

#include "lib/alloc.h"
#include "lib/atomics.h"

/* ---------------------------------------------------------------- lines: x -> a x + b */

/* Composed from left to right, which is associative and not commutative. */
struct line {
    uint64_t a, b;
};

static struct line line_of(size_t index)
{
    return (struct line){2 * index + 3, index * index + 1};
}

static struct line then(struct line first, struct line second)
{
    return (struct line){first.a * second.a, first.b * second.a + second.b};
}

static void identity(void *context, void *accumulator)
{
    (void)context;
    *(struct line *)accumulator = (struct line){1, 0};
}

static int compose(void *context, size_t begin, size_t end, void *accumulator)
{
    struct line *line = accumulator;
    (void)context;
    for (size_t i = begin; i < end; i++) {
        *line = then(*line, line_of(i));
    }
    return SHEAF_OK;
}

static void compose_two(void *context, void *left, void *right)
{
    (void)context;
    *(struct line *)left = then(*(struct line *)left, *(struct line *)right);
}

static const sheaf_reduction lines = {
    .size = sizeof(struct line), .init = identity, .fold = compose, .combine = compose_two};

static struct line composed(size_t begin, size_t end)
{
    struct line line = {1, 0};
    compose(NULL, begin, end, &line);
    return line;
}

static const size_t lengths[] = {0, 1, 2, 3, 5, 64, 1000, 4095, 4096, 4097, 10001};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

static void reduce_lines(const struct fixture *f, size_t begin, size_t end, size_t grain)
{
    struct line result = {7, 7}, expected = composed(begin, end);
    EXPECT_INT(sheaf_reduce(SHEAF_LOOP_OPTIONS(.pool = f->pool, .grain = grain), begin, end, &lines,
                            NULL, &result),
               SHEAF_OK);
    EXPECT(result.a == expected.a && result.b == expected.b);
}

static void reduce_lines_in_every_way(const struct fixture *f)
{
    for (int i = 0; i < LENGTHS; i++) {
        reduce_lines(f, 0, lengths[i], 0);
        reduce_lines(f, 5, 5 + lengths[i] / 8, 1);
        reduce_lines(f, 0, lengths[i], 100);
        reduce_lines(f, 0, lengths[i], SIZE_MAX);
    }
}

static int what_is_brought_together_keeps_its_order(void *arg, sheaf_value *result)
{
    (void)result;
    reduce_lines_in_every_way(arg);
    return SHEAF_OK;
}

static void a_plain_thread_may_reduce(struct fixture *f)
{
    reduce_lines_in_every_way(f);
}

/* ---------------------------------------------------------------- doubles */

static int add_inverses(void *context, size_t begin, size_t end, void *accumulator)
{
    double *sum = accumulator;
    (void)context;
    for (size_t i = begin; i < end; i++) {
        *sum += 1.0 / (double)(i + 1);
    }
    return SHEAF_OK;
}

static void add_doubles(void *context, void *left, void *right)
{
    (void)context;
    *(double *)left += *(double *)right;
}

static const sheaf_reduction sums = {
    .size = sizeof(double), .fold = add_inverses, .combine = add_doubles};

/* The same bits in every mode of the fixture: of all workers, schedules and times. */
static int sums_of_doubles_come_out_the_same(void *arg, sheaf_value *result)
{
    static uint64_t first;
    (void)arg, (void)result;
    for (int i = 0; i < 3; i++) {
        union {
            double sum;
            uint64_t bits;
        } value;
        EXPECT_INT(sheaf_reduce(NULL, 0, 100000, &sums, NULL, &value.sum), SHEAF_OK);
        first = first ? first : value.bits;
        EXPECT_INT(value.bits, first);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- accumulators with memory */

/* A list of indices in memory of its own; the padding makes it too large for a frame. */
struct list {
    size_t *items;
    size_t count;
    char padding[300];
};

struct ledger {
    SHEAF__ATOMIC(long) live;
    size_t fails_at;
    int code;
};

static void list_init(void *context, void *accumulator)
{
    struct ledger *ledger = context;
    struct list *list = accumulator;
    memset(list, 0, sizeof *list);
    list->items = malloc(1);
    sheaf__add_seq(&ledger->live, 1);
}

static void list_drop(void *context, void *accumulator)
{
    struct ledger *ledger = context;
    struct list *list = accumulator;
    free(list->items);
    sheaf__sub_seq(&ledger->live, 1);
}

static void append(struct list *list, const size_t *items, size_t count)
{
    size_t *more = realloc(list->items, (list->count + count) * sizeof *more + 1);
    if (!more) {
        abort();
    }
    memcpy(more + list->count, items, count * sizeof *items);
    list->items = more;
    list->count += count;
}

static int list_fold(void *context, size_t begin, size_t end, void *accumulator)
{
    struct ledger *ledger = context;
    for (size_t i = begin; i < end; i++) {
        if (i == ledger->fails_at) {
            return ledger->code == SHEAF_CANCELLED ? ledger->code : sheaf_raise(ledger->code, "at");
        }
        append(accumulator, &i, 1);
    }
    return SHEAF_OK;
}

static void list_combine(void *context, void *left, void *right)
{
    struct list *from = right;
    append(left, from->items, from->count);
    list_drop(context, right);
}

static void list_copy(void *context, void *to, const void *from)
{
    const struct list *list = from;
    list_init(context, to);
    append(to, list->items, list->count);
}

static const sheaf_reduction lists = {.size = sizeof(struct list),
                                      .init = list_init,
                                      .fold = list_fold,
                                      .combine = list_combine,
                                      .drop = list_drop};

static int accumulators_may_have_memory(void *arg, sheaf_value *result)
{
    struct ledger ledger = {.fails_at = SIZE_MAX};
    struct list list;
    (void)arg, (void)result;
    EXPECT_INT(sheaf_reduce(SHEAF_LOOP_OPTIONS(.grain = 3), 0, 1000, &lists, &ledger, &list),
               SHEAF_OK);
    EXPECT_INT(list.count, 1000);
    for (size_t i = 0; i < list.count; i++) {
        EXPECT_INT(list.items[i], i);
    }
    EXPECT_INT(sheaf__load_seq(&ledger.live), 1);
    list_drop(&ledger, &list);
    return SHEAF_OK;
}

static int a_failure_drops_every_accumulator(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (size_t at = 0; at < 200; at += 7) {
        struct ledger ledger = {.fails_at = at, .code = EIO};
        struct list untouched = {.count = 12345};
        uint64_t finished[SHEAF_LOOP_WORDS(200)];
        size_t count, bits = 0;
        EXPECT_INT(sheaf_reduce(SHEAF_LOOP_OPTIONS(.grain = 2, .finished = finished,
                                                   .finished_count = &count),
                                0, 200, &lists, &ledger, &untouched),
                   EIO);
        EXPECT_INT(sheaf__load_seq(&ledger.live), 0);
        EXPECT_INT(untouched.count, 12345);
        for (size_t i = 0; i < 200; i++) {
            bits += SHEAF_LOOP_FINISHED(finished, i);
        }
        EXPECT_INT(bits, count);
        EXPECT(!SHEAF_LOOP_FINISHED(finished, at));
    }
    return SHEAF_OK;
}

static int no_memory_is_a_status_and_drops_all(void *arg, sheaf_value *result)
{
    long failed = 0;
    (void)arg, (void)result;
    for (long n = 0; n < 300; n += 9) {
        struct ledger ledger = {.fails_at = SIZE_MAX};
        struct list list;
        sheaf__alloc_fail_after(n, SHEAF__ALLOC_FAIL_STICKY);
        int status = sheaf_reduce(SHEAF_LOOP_OPTIONS(.grain = 10), 0, 1000, &lists, &ledger, &list);
        sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_ONCE);
        EXPECT(status == SHEAF_OK || status == SHEAF_NOMEM);
        if (status == SHEAF_OK) {
            list_drop(&ledger, &list);
        }
        failed += status == SHEAF_NOMEM;
        EXPECT_INT(sheaf__load_seq(&ledger.live), 0);
    }
    EXPECT(failed > 5);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- scans */

struct prefixes {
    struct line *out;
};

static int write_prefixes(void *context, size_t begin, size_t end, void *before)
{
    struct prefixes *p = context;
    struct line *line = before;
    for (size_t i = begin; i < end; i++) {
        *line = then(*line, line_of(i));
        p->out[i] = *line;
    }
    return SHEAF_OK;
}

static void scan_lines(const struct fixture *f, size_t count, size_t grain)
{
    struct prefixes p = {.out = malloc((count + 1) * sizeof *p.out)};
    struct line expected = {1, 0};
    size_t wrong = 0, finished;
    EXPECT_INT(
        sheaf_scan(SHEAF_LOOP_OPTIONS(.pool = f->pool, .grain = grain, .finished_count = &finished),
                   0, count, &lines, NULL, write_prefixes, &p),
        SHEAF_OK);
    for (size_t i = 0; i < count; i++) {
        expected = then(expected, line_of(i));
        wrong += p.out[i].a != expected.a || p.out[i].b != expected.b;
    }
    EXPECT_INT(wrong, 0);
    EXPECT_INT(finished, count);
    free(p.out);
}

static void scan_lines_in_every_way(const struct fixture *f)
{
    for (int i = 0; i < LENGTHS; i++) {
        scan_lines(f, lengths[i], 0);
        scan_lines(f, lengths[i] / 8, 7);
        scan_lines(f, lengths[i], SIZE_MAX);
    }
}

static int every_place_gets_what_comes_before_it(void *arg, sheaf_value *result)
{
    (void)result;
    scan_lines_in_every_way(arg);
    return SHEAF_OK;
}

static void a_plain_thread_may_scan(struct fixture *f)
{
    scan_lines_in_every_way(f);
}

/* Looks at the length of what came before, and fails behind the place where the fold would. */
static int look_at_lists(void *context, size_t begin, size_t end, void *before)
{
    struct ledger *ledger = context;
    EXPECT_INT(((struct list *)before)->count, begin);
    return begin >= ledger->fails_at ? ledger->code : list_fold(context, begin, end, before);
}

static int a_scan_loses_nothing_however_it_ends(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (size_t at = 0; at <= 60; at += 5) {
        struct ledger ledger = {.fails_at = at, .code = EIO};
        EXPECT_INT(sheaf_scan(SHEAF_LOOP_OPTIONS(.grain = 5), 0, 60, &lists, list_copy,
                              look_at_lists, &ledger),
                   at < 60 ? EIO : SHEAF_OK);
        EXPECT_INT(sheaf__load_seq(&ledger.live), 0);
    }
    return SHEAF_OK;
}

static int wrong_arguments_are_refused(void *arg, sheaf_value *result)
{
    struct line out;
    sheaf_reduction bad = lines;
    (void)arg, (void)result;
    EXPECT_INT(sheaf_reduce(NULL, 0, 1, NULL, NULL, &out), SHEAF_INVALID);
    EXPECT_INT(sheaf_reduce(NULL, 0, 1, &lines, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_reduce(NULL, 1, 0, &lines, NULL, &out), SHEAF_INVALID);
    EXPECT_INT(sheaf_reduce(SHEAF_LOOP_OPTIONS(.limit = 1), 0, 1, &lines, NULL, &out),
               SHEAF_INVALID);
    EXPECT_INT(sheaf_scan(NULL, 0, 1, &lines, NULL, NULL, NULL), SHEAF_INVALID);
    bad.size = 0;
    EXPECT_INT(sheaf_reduce(NULL, 0, 1, &bad, NULL, &out), SHEAF_INVALID);
    bad.size = SHEAF_ACCUMULATOR_MAX + 1;
    EXPECT_INT(sheaf_reduce(NULL, 0, 1, &bad, NULL, &out), SHEAF_INVALID);
    bad = lines;
    bad.combine = NULL;
    EXPECT_INT(sheaf_reduce(NULL, 0, 1, &bad, NULL, &out), SHEAF_INVALID);
    bad = lines;
    bad.fold = NULL;
    EXPECT_INT(sheaf_scan(NULL, 0, 1, &bad, NULL, write_prefixes, NULL), SHEAF_INVALID);
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST(what_is_brought_together_keeps_its_order),
    THREAD_TEST(a_plain_thread_may_reduce),
    TASK_TEST(sums_of_doubles_come_out_the_same),
    TASK_TEST(accumulators_may_have_memory),
    TASK_TEST(a_failure_drops_every_accumulator),
    TASK_TEST(no_memory_is_a_status_and_drops_all),
    TASK_TEST(every_place_gets_what_comes_before_it),
    THREAD_TEST(a_plain_thread_may_scan),
    TASK_TEST(a_scan_loses_nothing_however_it_ends),
    TASK_TEST(wrong_arguments_are_refused),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
