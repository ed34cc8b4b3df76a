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

/* Awaits all, in argument order; a future that is not asked for any more is released. */
static int all_at_once(void)
{
    sheaf_future *futures[ENDPOINTS];
    sheaf_value rows[ENDPOINTS];
    sheaf_time start = sheaf_now();
    sheaf_spawn_many(count_rows, endpoints, sizeof endpoints[0], ENDPOINTS, futures);
    int status = SHEAF_OK;
    for (int i = 0; i < ENDPOINTS && status == SHEAF_OK; i++) {
        status = sheaf_await(futures[i], &rows[i]);
    }
    sheaf_release_all(futures, ENDPOINTS);
    SHEAF_TRY(status);
    printf("all at once, after %.1f s:\n", seconds_since(start));
    for (int i = 0; i < ENDPOINTS; i++) {
        printf("  %-9s %d\n", endpoints[i].name, (int)rows[i].i64);
    }
    return SHEAF_OK;
}

struct question {
    struct endpoint *endpoint;
    sheaf_time start;
};

static int count_and_tell(void *arg, sheaf_value *result)
{
    const struct question *question = arg;
    SHEAF_TRY(count_rows(question->endpoint, result));
    printf("  %-9s %d, after %.1f s\n", question->endpoint->name, (int)result->i64,
           seconds_since(question->start));
    return SHEAF_OK;
}

static int as_they_arrive(void)
{
    sheaf_future *futures[ENDPOINTS];
    printf("as they arrive:\n");
    for (int i = 0; i < ENDPOINTS; i++) {
        struct question question = {&endpoints[i], sheaf_now()};
        futures[i] = sheaf_spawn_copy(count_and_tell, &question, sizeof question);
    }
    int status = SHEAF_OK;
    for (int i = 0; i < ENDPOINTS; i++) {
        int ended = sheaf_join(futures[i], NULL);
        status = status ? status : ended;
    }
    return status;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(all_at_once());
    return as_they_arrive();
}

int main(void)
{
    return sheaf_exit_code(sheaf_run(NULL, app, NULL, NULL));
}
