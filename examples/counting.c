/* Three counters count side by side, each at its own pace, and their counts are added up.
 *
 *     A 1
 *     B 1
 *     A 2
 *     C 1
 *     B 2
 *     A 3
 *     A 4
 *     B 3
 *     C 2
 *     together 9, after 2.2 s
 */
#include <stdio.h>

#include <sheaf.h>

struct counter {
    const char *name;
    int step_ms;
    int steps;
};

static struct counter counters[] = {
    {"A", 500, 4},
    {"B", 700, 3},
    {"C", 1100, 2},
};

enum { COUNTERS = sizeof counters / sizeof counters[0] };

static int count(void *arg, sheaf_value *result)
{
    const struct counter *counter = arg;
    while (result->i64 < counter->steps) {
        SHEAF_TRY(sheaf_sleep(SHEAF_MS(counter->step_ms)));
        result->i64++;
        printf("%s %d\n", counter->name, (int)result->i64);
    }
    return SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *futures[COUNTERS];
    sheaf_value counts[COUNTERS];
    sheaf_time start = sheaf_now();
    sheaf_spawn_many(count, counters, sizeof counters[0], COUNTERS, futures);
    int status = sheaf_gather(futures, COUNTERS, SHEAF_GATHER_RAISE, counts, NULL);
    sheaf_release_all(futures, COUNTERS);
    SHEAF_TRY(status);
    int sum = 0;
    for (int i = 0; i < COUNTERS; i++) {
        sum += (int)counts[i].i64;
    }
    printf("together %d, after %.1f s\n", sum, (double)(sheaf_now() - start) / 1e9);
    return SHEAF_OK;
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
