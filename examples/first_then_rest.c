/* Four mirrors are asked: the first answer counts at once, others have two more seconds to come in,
 * and what is still missing then is waited for all the same.
 *
 *     first, after 0.5 s: Bergen
 *     two seconds more, after 2.5 s: Lyon Graz
 *     the rest, after 3.5 s: Tartu
 */
#include <stdio.h>

#include <sheaf.h>

struct mirror {
    const char *town;
    int delay_ms;
};

static struct mirror mirrors[] = {
    {"Lyon", 1000},
    {"Tartu", 3500},
    {"Bergen", 500},
    {"Graz", 2000},
};

enum { MIRRORS = sizeof mirrors / sizeof mirrors[0] };

static int ask(void *arg, sheaf_value *result)
{
    struct mirror *mirror = arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(mirror->delay_ms)));
    result->ptr = mirror;
    return SHEAF_OK;
}

/* One wait: what is done at its end is told, and *pending moves on to what is not. */
static int wait_and_tell(const char *what, sheaf_time start, sheaf_future ***pending, size_t *count,
                         sheaf_when when, sheaf_duration limit)
{
    size_t done;
    SHEAF_TRY(sheaf_wait(*pending, *count, when, limit, &done));
    printf("%s, after %.1f s:", what, (double)(sheaf_now() - start) / 1e9);
    for (size_t i = 0; i < done; i++) {
        sheaf_value value;
        SHEAF_TRY(sheaf_result((*pending)[i], &value));
        const struct mirror *mirror = value.ptr;
        printf(" %s", mirror->town);
    }
    printf("\n");
    *pending += done, *count -= done;
    return SHEAF_OK;
}

static int in_three_steps(sheaf_future **pending, size_t count)
{
    sheaf_time start = sheaf_now();
    SHEAF_TRY(
        wait_and_tell("first", start, &pending, &count, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER));
    SHEAF_TRY(wait_and_tell("two seconds more", start, &pending, &count, SHEAF_ALL_COMPLETED,
                            SHEAF_S(2)));
    return wait_and_tell("the rest", start, &pending, &count, SHEAF_ALL_COMPLETED, SHEAF_FOREVER);
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *futures[MIRRORS];
    sheaf_spawn_many(ask, mirrors, sizeof mirrors[0], MIRRORS, futures);
    int status = in_three_steps(futures, MIRRORS);
    sheaf_release_all(futures, MIRRORS);
    return status;
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
