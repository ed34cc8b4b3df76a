/* Step 7: tasks that belong together.
 *
 *     the pump runs dry
 *     the guard stops too
 *     the group: failed
 */
#include <stdio.h>

#include <sheaf.h>

enum { DRY = 1 };

static int pump(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(100)));
    printf("the pump runs dry\n");
    return DRY;
}

static int stand_guard(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int status = sheaf_sleep(SHEAF_S(3600));
    printf("the guard stops too\n");
    return status;
}

static int start_all(sheaf_group *group)
{
    SHEAF_TRY(sheaf_group_start(group, pump, NULL));
    return sheaf_group_start(group, stand_guard, NULL);
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_group group;
    SHEAF_TRY(sheaf_group_open(&group, NULL));
    int status = sheaf_group_close(&group, start_all(&group));
    printf("the group: %s\n", status == DRY ? "failed" : sheaf_status_text(status));
    return status == DRY ? SHEAF_OK : status;
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
