/* Step 4: whoever comes first, and then the rest.
 *
 *     after 0.1 s: b
 *     after 0.2 s: c
 *     after 0.3 s: a
 */
#include <stdio.h>

#include <sheaf.h>

struct runner {
    const char *name;
    int tenths;
};

static struct runner runners[] = {{"a", 3}, {"b", 1}, {"c", 2}};

enum { RUNNERS = sizeof runners / sizeof runners[0] };

static int run(void *arg, sheaf_value *result)
{
    result->ptr = arg;
    return sheaf_sleep(SHEAF_MS(100) * ((struct runner *)arg)->tenths);
}

static int tell_as_they_come(sheaf_future **futures, size_t count, sheaf_time start)
{
    while (count > 0) {
        size_t done;
        SHEAF_TRY(sheaf_wait(futures, count, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done));
        for (size_t i = 0; i < done; i++) {
            sheaf_value value;
            SHEAF_TRY(sheaf_await(futures[i], &value));
            printf("after %.1f s: %s\n", (double)(sheaf_now() - start) / 1e9,
                   ((struct runner *)value.ptr)->name);
        }
        futures += done;
        count -= done;
    }
    return SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *futures[RUNNERS];
    sheaf_time start = sheaf_now();
    sheaf_spawn_many(run, runners, sizeof runners[0], RUNNERS, futures);
    int status = tell_as_they_come(futures, RUNNERS, start);
    sheaf_release_all(futures, RUNNERS);
    return status;
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
