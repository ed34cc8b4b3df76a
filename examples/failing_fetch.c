/* Three pages are fetched and one fetch fails: a gather that raises ends with the first failure
 * while the others go on; one that collects waits for all and tells how each ended.
 *
 *     raising, after 0.5 s: code 503
 *       index: 2048 bytes
 *       news: news answers 503
 *       about: on its way
 *     collecting, after 1.0 s: success
 *       index: 2048 bytes
 *       news: news answers 503
 *       about: 512 bytes
 */
#include <stdio.h>

#include <sheaf.h>

struct page {
    const char *name;
    int delay_ms;
    int bytes; /* 0: the server is not well */
};

static struct page pages[] = {
    {"index", 300, 2048},
    {"news", 500, 0},
    {"about", 1000, 512},
};

enum { PAGES = sizeof pages / sizeof pages[0], UNAVAILABLE = 503 };

static int fetch(void *arg, sheaf_value *result)
{
    const struct page *page = arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(page->delay_ms)));
    if (page->bytes == 0) {
        return sheaf_raise(UNAVAILABLE, "%s answers %d", page->name, UNAVAILABLE);
    }
    result->i64 = page->bytes;
    return SHEAF_OK;
}

static void tell_page(const char *name, sheaf_future *future, int status, sheaf_value bytes)
{
    if (status == SHEAF_OK) {
        printf("  %s: %d bytes\n", name, (int)bytes.i64);
    } else if (status == SHEAF_STATE) {
        printf("  %s: on its way\n", name);
    } else {
        sheaf_error *error = sheaf_future_error(future); /* the one that the body raised */
        printf("  %s: %s\n", name, sheaf_error_message(error));
        sheaf_error_release(error);
    }
}

static void tell_outcome(const char *how, sheaf_time start, int status)
{
    printf("%s, after %.1f s: ", how, (double)(sheaf_now() - start) / 1e9);
    status == SHEAF_OK ? printf("success\n") : printf("code %d\n", status);
}

/* Returns: SHEAF_CANCELLED and the like; a page that fails is part of what is shown */
static int fetch_all(const char *how, unsigned flags)
{
    sheaf_future *futures[PAGES];
    sheaf_value bytes[PAGES];
    int statuses[PAGES];
    sheaf_time start = sheaf_now();
    sheaf_spawn_many(fetch, pages, sizeof pages[0], PAGES, futures);
    int status = sheaf_gather(futures, PAGES, flags, bytes, statuses);
    if (status >= SHEAF_OK) {
        tell_outcome(how, start, status);
        for (int i = 0; i < PAGES; i++) {
            tell_page(pages[i].name, futures[i], statuses[i], bytes[i]);
        }
    }
    sheaf_release_all(futures, PAGES);
    return status < SHEAF_OK ? status : SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(fetch_all("raising", SHEAF_GATHER_RAISE));
    return fetch_all("collecting", SHEAF_GATHER_COLLECT);
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
