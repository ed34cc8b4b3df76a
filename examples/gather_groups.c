/* A gather of gathers: each region gathers its shops, the report gathers the regions.  One region
 * is cancelled after a second, which cancels its shops and nothing else.
 *
 *     north: 11 12 13
 *     south: cancelled
 *     west: 31 32 33
 *     the shops of the south: success, cancelled, cancelled
 */
#include <stdio.h>

#include <sheaf.h>

enum { REGIONS = 3, SHOPS = 3, SOUTH = 1 };

static const char *const names[REGIONS] = {"north", "south", "west"};

struct shop {
    int region;
    int number;
};

/* A shop takes longer the higher its number. */
static int ask_shop(void *arg, sheaf_value *result)
{
    const struct shop *shop = arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(600) * shop->number));
    result->i64 = 10 * (shop->region + 1) + shop->number;
    return SHEAF_OK;
}

/* The gather holds its members: their futures are not needed here any more. */
static sheaf_future *gather_region(int region)
{
    sheaf_future *shops[SHOPS];
    for (int i = 0; i < SHOPS; i++) {
        struct shop shop = {region, i + 1};
        shops[i] = sheaf_spawn_copy(ask_shop, &shop, sizeof shop);
    }
    sheaf_future *gather = sheaf_gather_future(shops, SHOPS, SHEAF_GATHER_RAISE);
    sheaf_release_all(shops, SHOPS);
    return gather;
}

static void tell_region(int region, int status, const sheaf_value *shops)
{
    printf("%s:", names[region]);
    if (status != SHEAF_OK) {
        printf(" %s\n", sheaf_status_text(status));
        return;
    }
    for (int i = 0; i < SHOPS; i++) {
        printf(" %d", (int)shops[i].i64);
    }
    printf("\n");
}

static void tell_shops(const sheaf_future *region)
{
    printf("the shops of the south:");
    for (size_t i = 0; i < sheaf_gather_count(region); i++) {
        int status = sheaf_future_status(sheaf_gather_member(region, i));
        printf("%s %s", i ? "," : "", sheaf_status_text(status));
    }
    printf("\n");
}

static int report(sheaf_future *const *regions)
{
    sheaf_value values[REGIONS];
    int statuses[REGIONS];
    SHEAF_TRY(sheaf_sleep(SHEAF_S(1)));
    sheaf_cancel(regions[SOUTH]);
    SHEAF_TRY(sheaf_gather(regions, REGIONS, SHEAF_GATHER_COLLECT, values, statuses));
    for (int i = 0; i < REGIONS; i++) {
        tell_region(i, statuses[i], values[i].ptr);
    }
    tell_shops(regions[SOUTH]);
    return SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *regions[REGIONS];
    for (int i = 0; i < REGIONS; i++) {
        regions[i] = gather_region(i);
    }
    int status = report(regions);
    sheaf_release_all(regions, REGIONS);
    return status;
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
