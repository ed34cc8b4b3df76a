/* Three sensors are read side by side and told as they answer; one is not heard of within a second.
 *
 *     cellar 11.5 degrees, after 0.3 s
 *     attic 28.0 degrees, after 0.7 s
 *     no answer, after 1.0 s
 *     garden is not waited for any more
 */
#include <stdio.h>

#include <sheaf.h>

struct sensor {
    const char *place;
    int delay_ms;
    double degrees;
};

static struct sensor sensors[] = {
    {"attic", 700, 28.0},
    {"garden", 60000, 19.5},
    {"cellar", 300, 11.5},
};

enum { SENSORS = sizeof sensors / sizeof sensors[0] };

static int read_sensor(void *arg, sheaf_value *result)
{
    const struct sensor *sensor = arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(sensor->delay_ms)));
    result->f64 = sensor->degrees;
    return SHEAF_OK;
}

static const char *place_of(const sheaf_future *reading)
{
    const struct sensor *sensor = sheaf_future_data(reading);
    return sensor->place;
}

static int tell_next(sheaf_each *each, sheaf_time start)
{
    sheaf_future *reading = NULL;
    sheaf_value degrees;
    int status = sheaf_each_next(each, &reading);
    double seconds = (double)(sheaf_now() - start) / 1e9;
    if (status == SHEAF_TIMEOUT) {
        printf("no answer, after %.1f s\n", seconds);
        return SHEAF_OK;
    }
    SHEAF_TRY(status);
    SHEAF_TRY(sheaf_result(reading, &degrees));
    printf("%s %.1f degrees, after %.1f s\n", place_of(reading), degrees.f64, seconds);
    return SHEAF_OK;
}

static int tell_as_completed(sheaf_future *const *readings)
{
    sheaf_each *each;
    sheaf_time start = sheaf_now();
    SHEAF_TRY(sheaf_each_open(readings, SENSORS, SHEAF_S(1), &each));
    int status = SHEAF_OK;
    while (status == SHEAF_OK) {
        status = tell_next(each, start);
    }
    sheaf_each_close(each);
    return status == SHEAF_EMPTY ? SHEAF_OK : status;
}

/* The limit of the iteration cancels nothing. */
static void give_up_rest(sheaf_future *const *readings)
{
    for (int i = 0; i < SENSORS; i++) {
        if (sheaf_cancel(readings[i])) {
            printf("%s is not waited for any more\n", place_of(readings[i]));
        }
    }
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *readings[SENSORS];
    for (int i = 0; i < SENSORS; i++) {
        struct sensor *sensor = &sensors[i];
        readings[i] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.data = sensor), read_sensor, sensor);
    }
    int status = tell_as_completed(readings);
    give_up_rest(readings);
    sheaf_release_all(readings, SENSORS);
    return status;
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
