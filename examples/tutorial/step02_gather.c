/* Step 2: many at once, answers in the order of the questions.
 *
 *     soup is ready
 *     bread is ready
 *     roast is ready
 *     roast 90, soup 20, bread 45, all in 0.9 s
 */
#include <stdio.h>

#include <sheaf.h>

struct dish {
    const char *name;
    int minutes;
};

static struct dish dishes[] = {{"roast", 90}, {"soup", 20}, {"bread", 45}};

enum { DISHES = sizeof dishes / sizeof dishes[0] };

static int cook(void *arg, sheaf_value *result)
{
    const struct dish *dish = arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(10) * dish->minutes));
    printf("%s is ready\n", dish->name);
    result->i64 = dish->minutes;
    return SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *futures[DISHES];
    sheaf_value minutes[DISHES];
    sheaf_time start = sheaf_now();
    sheaf_spawn_many(cook, dishes, sizeof dishes[0], DISHES, futures);
    int status = sheaf_gather(futures, DISHES, SHEAF_GATHER_RAISE, minutes, NULL);
    sheaf_release_all(futures, DISHES);
    SHEAF_TRY(status);
    for (int i = 0; i < DISHES; i++) {
        printf("%s %d, ", dishes[i].name, (int)minutes[i].i64);
    }
    printf("all in %.1f s\n", (double)(sheaf_now() - start) / 1e9);
    return SHEAF_OK;
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
