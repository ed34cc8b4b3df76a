/* A function of every element of an array: a flat one, where all cost the same, and a skewed one,
 * where the i-th costs i steps. */
#include <math.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

enum { FLAT = 10000000, SKEWED = 20000, FLAT_GRAIN = 16384, SKEWED_GRAIN = 16, ROUNDS = 5 };

struct span {
    void (*map)(const struct span *span);
    int64_t first;
    int64_t end;
    int64_t grain;
    const float *from;
    float *to;
    uint64_t *mixed;
};

static void map_flat(const struct span *span)
{
    for (int64_t i = span->first; i < span->end; i++) {
        float x = span->from[i];
        span->to[i] = sqrtf(x * x + 1.0F) + 1.0F / (1.0F + x * x);
    }
}

static void map_skewed(const struct span *span)
{
    for (int64_t i = span->first; i < span->end; i++) {
        uint64_t x = (uint64_t)i + 1;
        for (int64_t step = 0; step < i; step++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        span->mixed[i] = x;
    }
}

static int map_span(void *arg, sheaf_value *result)
{
    const struct span *span = arg;
    if (span->end - span->first <= span->grain) {
        span->map(span);
        return SHEAF_OK;
    }
    struct span lower = *span, upper = *span;
    lower.end = upper.first = (span->first + span->end) / 2;
    sheaf_task task;
    sheaf_task_spawn(&task, map_span, &upper);
    int status = map_span(&lower, result);
    SHEAF_TRY(sheaf_task_join(&task, NULL));
    return status;
}

static double seconds_of(const struct bench_run *run, struct span *span, sheaf_value *result)
{
    double start = bench_now();
    if (bench_form_is(run, "serial")) {
        span->map(span);
    } else {
        bench_check(!map_span(span, result), "the map");
    }
    return bench_now() - start;
}

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    float *from = bench_room(FLAT, sizeof *from), *to = bench_room(FLAT, sizeof *to);
    uint64_t *mixed = bench_room(SKEWED, sizeof *mixed);
    for (int i = 0; i < FLAT; i++) {
        from[i] = (float)i * 1e-3F;
        to[i] = 0;
    }
    struct span flat = {.map = map_flat, .end = FLAT, .grain = FLAT_GRAIN, .from = from, .to = to};
    double best = INFINITY;
    for (int i = 0; i < ROUNDS; i++) {
        double seconds = seconds_of(run, &flat, result);
        best = seconds < best ? seconds : best;
    }
    struct span skewed = {.map = map_skewed, .end = SKEWED, .grain = SKEWED_GRAIN, .mixed = mixed};
    double seconds = seconds_of(run, &skewed, result);
    struct span last = {.first = SKEWED - 1, .end = SKEWED, .mixed = mixed};
    uint64_t mapped = mixed[SKEWED - 1];
    map_skewed(&last);
    bench_check(mapped == mixed[SKEWED - 1] && fabsf(to[0] - 2) < 1e-6F, "the map");
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
