/* Three endpoints are asked for their row counts at the same time.
 *
 * First all answers together, in the order of the questions, after the 1.5 s of the slowest one;
 * then each as it arrives, the fastest first:
 *
 *     all at once, after 1.5 s:
 *       customers 125000
 *       orders    480000
 *       products  9300
 *     as they arrive:
 *       products  9300, after 0.8 s
 *       customers 125000, after 1.0 s
 *       orders    480000, after 1.5 s
 */
#include <stdio.h>

#include <sheaf.h>

struct endpoint {
    const char *name;
    int delay_ms;
    int rows;
};

static struct endpoint endpoints[] = {
    {"customers", 1000, 125000},
    {"orders", 1500, 480000},
    {"products", 800, 9300},
};

enum { ENDPOINTS = sizeof endpoints / sizeof endpoints[0] };

static double seconds_since(sheaf_time start)
{
    return (double)(sheaf_now() - start) / 1e9;
}

static int count_rows(void *arg, sheaf_value *result)
{
    const struct endpoint *endpoint = arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(endpoint->delay_ms)));
    result->i64 = endpoint->rows;
    return SHEAF_OK;
}

static void ask_all(sheaf_future **futures)
{
    for (int i = 0; i < ENDPOINTS; i++) {
        struct endpoint *endpoint = &endpoints[i];
        futures[i] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.data = endpoint), count_rows, endpoint);
    }
}

static int all_at_once(void)
{
    sheaf_future *futures[ENDPOINTS];
    sheaf_value rows[ENDPOINTS];
    sheaf_time start = sheaf_now();
    ask_all(futures);
    int status = sheaf_gather(futures, ENDPOINTS, SHEAF_GATHER_RAISE, rows, NULL);
    sheaf_release_all(futures, ENDPOINTS);
    SHEAF_TRY(status);
    printf("all at once, after %.1f s:\n", seconds_since(start));
    for (int i = 0; i < ENDPOINTS; i++) {
        printf("  %-9s %d\n", endpoints[i].name, (int)rows[i].i64);
    }
    return SHEAF_OK;
}

static int tell(sheaf_future *arrived, sheaf_time start)
{
    const struct endpoint *endpoint = sheaf_future_data(arrived);
    sheaf_value rows;
    SHEAF_TRY(sheaf_result(arrived, &rows));
    printf("  %-9s %d, after %.1f s\n", endpoint->name, (int)rows.i64, seconds_since(start));
    return SHEAF_OK;
}

static int tell_as_they_arrive(sheaf_future **pending, size_t count)
{
    sheaf_time start = sheaf_now();
    while (count > 0) {
        size_t done;
        SHEAF_TRY(sheaf_wait(pending, count, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done));
        for (size_t i = 0; i < done; i++) {
            SHEAF_TRY(tell(pending[i], start));
        }
        pending += done, count -= done;
    }
    return SHEAF_OK;
}

static int as_they_arrive(void)
{
    sheaf_future *futures[ENDPOINTS];
    ask_all(futures);
    printf("as they arrive:\n");
    int status = tell_as_they_arrive(futures, ENDPOINTS);
    sheaf_release_all(futures, ENDPOINTS);
    return status;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(all_at_once());
    return as_they_arrive();
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
