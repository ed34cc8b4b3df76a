/* Row counts of four tables: each wait splits the array into done and pending, and both are used
 * again, the pending ones by the next wait, all of them by a gather.
 *
 *     done: products 9300; pending: customers orders returns
 *     done: customers 125000; pending: orders returns
 *     done: returns 1200; pending: orders
 *     done: orders 480000; pending:
 *     in order of arrival: 9300 125000 1200 480000
 *     in all 615500 rows, after 1.5 s
 */
#include <stdio.h>

#include <sheaf.h>

struct table {
    const char *name;
    int delay_ms;
    int rows;
};

static struct table tables[] = {
    {"customers", 1000, 125000},
    {"orders", 1500, 480000},
    {"products", 800, 9300},
    {"returns", 1200, 1200},
};

enum { TABLES = sizeof tables / sizeof tables[0] };

static int count_rows(void *arg, sheaf_value *result)
{
    const struct table *table = arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(table->delay_ms)));
    result->i64 = table->rows;
    return SHEAF_OK;
}

static const char *name_of(const sheaf_future *count)
{
    const struct table *table = sheaf_future_data(count);
    return table->name;
}

static int tell(sheaf_future *const *futures, size_t done, size_t count)
{
    printf("done:");
    for (size_t i = 0; i < done; i++) {
        sheaf_value rows;
        SHEAF_TRY(sheaf_result(futures[i], &rows));
        printf(" %s %d", name_of(futures[i]), (int)rows.i64);
    }
    printf("; pending:");
    for (size_t i = done; i < count; i++) {
        printf(" %s", name_of(futures[i]));
    }
    printf("\n");
    return SHEAF_OK;
}

static int wait_for_each(sheaf_future **pending, size_t count)
{
    while (count > 0) {
        size_t done;
        SHEAF_TRY(sheaf_wait(pending, count, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done));
        SHEAF_TRY(tell(pending, done, count));
        pending += done, count -= done;
    }
    return SHEAF_OK;
}

/* All are done, so this does not wait; the array has the order of arrival by now. */
static int add_up(sheaf_future *const *futures, int64_t *sum)
{
    sheaf_value rows[TABLES];
    SHEAF_TRY(sheaf_gather(futures, TABLES, SHEAF_GATHER_RAISE, rows, NULL));
    printf("in order of arrival:");
    *sum = 0;
    for (int i = 0; i < TABLES; i++) {
        printf(" %d", (int)rows[i].i64);
        *sum += rows[i].i64;
    }
    printf("\n");
    return SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *futures[TABLES];
    sheaf_time start = sheaf_now();
    int64_t sum = 0;
    for (int i = 0; i < TABLES; i++) {
        struct table *table = &tables[i];
        futures[i] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.data = table), count_rows, table);
    }
    int status = wait_for_each(futures, TABLES);
    status = status ? status : add_up(futures, &sum);
    sheaf_release_all(futures, TABLES);
    SHEAF_TRY(status);
    printf("in all %d rows, after %.1f s\n", (int)sum, (double)(sheaf_now() - start) / 1e9);
    return SHEAF_OK;
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
