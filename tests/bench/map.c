/* A function of every element of an array: a flat one, where all cost the same, and a skewed one,
 * where the i-th costs i steps. */
#include <math.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

enum { FLAT = 10000000, SKEWED = 20000, ROUNDS = 5 };

struct flat {
    const float *from;
    float *to;
};

static int map_flat(void *context, size_t begin, size_t end)
{
    const struct flat *flat = context;
    for (size_t i = begin; i < end; i++) {
        float x = flat->from[i];
        flat->to[i] = sqrtf(x * x + 1.0F) + 1.0F / (1.0F + x * x);
    }
    return SHEAF_OK;
}

static int map_skewed(void *context, size_t begin, size_t end)
{
    uint64_t *mixed = context;
    for (size_t i = begin; i < end; i++) {
        uint64_t x = (uint64_t)i + 1;
        for (size_t step = 0; step < i; step++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        mixed[i] = x;
    }
    return SHEAF_OK;
}

static double seconds_of(const struct bench_run *run, size_t count, sheaf_range_fn *body,
                         void *context)
{
    double start = bench_now();
    int status = bench_form_is(run, "serial") ? body(context, 0, count)
                                              : sheaf_for(NULL, 0, count, body, context);
    bench_check(status == SHEAF_OK, "the map");
    return bench_now() - start;
}

/* Every element once more, one after the other. */
static void check_flat(const struct flat *flat)
{
    struct flat again = {flat->from, bench_room(FLAT, sizeof(float))};
    map_flat(&again, 0, FLAT);
    int wrong = 0;
    for (int i = 0; i < FLAT; i++) {
        wrong += fabsf(flat->to[i] - again.to[i]) > again.to[i] * 1e-6F;
    }
    bench_check(wrong == 0, "the flat map");
    free(again.to);
}

/* The dear ones are a sample. */
static void check_skewed(uint64_t *mixed)
{
    for (size_t i = SKEWED - 1; i > 0; i -= i < 100 ? 1 : 97) {
        uint64_t mapped = mixed[i];
        map_skewed(mixed, i, i + 1);
        bench_check(mapped == mixed[i], "the skewed map");
    }
}

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    (void)result;
    float *from = bench_room(FLAT, sizeof *from), *to = bench_room(FLAT, sizeof *to);
    uint64_t *mixed = bench_room(SKEWED, sizeof *mixed);
    for (int i = 0; i < FLAT; i++) {
        from[i] = (float)i * 1e-3F;
        to[i] = 0;
    }
    struct flat flat = {from, to};
    double best = INFINITY;
    for (int i = 0; i < ROUNDS; i++) {
        double seconds = seconds_of(run, FLAT, map_flat, &flat);
        best = seconds < best ? seconds : best;
    }
    double seconds = seconds_of(run, SKEWED, map_skewed, mixed);
    check_flat(&flat);
    check_skewed(mixed);
    bench_tell("flat_ms", best * 1e3);
    bench_tell("skew_ms", seconds * 1e3);
    free(from);
    free(to);
    free(mixed);
    return SHEAF_OK;
}

int bench_map(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
