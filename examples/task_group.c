/* Two task groups.  In the first all goes well: its close waits for what was started.  In the
 * second a member fails: the block and the other member are cancelled, and the close gives all
 * errors as one.
 *
 *     planting: success, after 0.4 s
 *     harvesting: cut short, after 0.5 s
 *     harvesting: failed, after 0.8 s
 *       the ladder broke
 *       the lamp went out
 */
#include <stdio.h>

#include <sheaf.h>

enum { BEDS = 3, LADDER = 1, LAMP = 2 };

static void tell(const char *what, sheaf_time start)
{
    printf("%s, after %.1f s\n", what, (double)(sheaf_now() - start) / 1e9);
}

/* ---------------------------------------------------------------- all goes well */

static int plant_bed(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_MS(400));
}

static int start_beds(sheaf_group *group)
{
    for (int i = 0; i < BEDS; i++) {
        SHEAF_TRY(sheaf_group_start(group, plant_bed, NULL));
    }
    return SHEAF_OK;
}

static int planting(void)
{
    sheaf_group group;
    sheaf_time start = sheaf_now();
    SHEAF_TRY(sheaf_group_open(&group, NULL));
    SHEAF_TRY(sheaf_group_close(&group, start_beds(&group)));
    tell("planting: success", start);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- a member fails */

static int pick(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(500)));
    return sheaf_raise(LADDER, "the ladder broke");
}

/* Fails too, on its way out of the cancellation. */
static int give_light(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    if (sheaf_sleep(SHEAF_S(3600)) == SHEAF_CANCELLED) {
        SHEAF_TRY(sheaf_sleep(SHEAF_MS(300)));
        return sheaf_raise(LAMP, "the lamp went out");
    }
    return SHEAF_OK;
}

static int harvest(sheaf_group *group, sheaf_time start)
{
    SHEAF_TRY(sheaf_group_start(group, pick, NULL));
    SHEAF_TRY(sheaf_group_start(group, give_light, NULL));
    int status = sheaf_sleep(SHEAF_S(3600));
    if (status == SHEAF_CANCELLED) {
        tell("harvesting: cut short", start);
    }
    return status;
}

static int harvesting(void)
{
    sheaf_group group;
    sheaf_error *error;
    sheaf_time start = sheaf_now();
    SHEAF_TRY(sheaf_group_open(&group, NULL));
    int status = sheaf_group_close_error(&group, harvest(&group, start), &error);
    if (status == LADDER) {
        tell("harvesting: failed", start);
        for (size_t i = 0; i < sheaf_error_part_count(error); i++) {
            printf("  %s\n", sheaf_error_message(sheaf_error_part(error, i)));
        }
        status = SHEAF_OK;
    }
    sheaf_error_release(error);
    return status;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(planting());
    return harvesting();
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
