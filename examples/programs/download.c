/* Downloads over HTTP, so many at a time, each within its time.
 *
 *     download --directory=images https://example.org/a.png https://example.org/b.png
 *
 * Shows blocking calls of a library: curl_easy_perform() runs on a thread beside the workers
 * (sheaf_blocking()), a task waits for it, and sheaf_gather_run() has so many of these tasks under
 * way.  A thread cannot be stopped from outside.  So the wait has the limit (sheaf_wait_for()), and
 * goes to a shield: when the time has passed, or Ctrl-C has cancelled the task, the call goes on,
 * and is told by a flag that libcurl looks at through its progress callback; the task waits for the
 * end of the call before what the call works on goes.  Expect a line for each file as it arrives,
 * and nothing left of those that were late. */
#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "cli.h"
#include "transfer.h"

static const char usage[] =
    "Usage: download [OPTION]... URL...\n"
    "Download images, or whatever the URLs name, into files called by the ends of their paths.\n"
    "\n"
    "  -d, --directory=DIR  where the files go (default: here)\n"
    "  -n, --number=N       so many at a time (default: 8)\n"
    "  -t, --time=SECONDS   each must be there in so many (default: 5)\n"
    "  -h, --help           this text\n"
    "\n"
    "The exit status is 0, 1 if a file could not be had, 2 for wrong arguments, 130 after "
    "Ctrl-C.\n";

struct settings {
    const char *directory;
    long number;
    long seconds;
    size_t count;
    atomic_size_t ended;
    atomic_bool failed;
};

struct download {
    struct settings *settings;
    struct transfer transfer;
    char *path;    /* where it goes when it is complete */
    char *partial; /* where it is until then */
};

/* ---------------------------------------------------------------- one download, a task */

/* Waits for the transfer, within its time.  When the wait ends before, the transfer is told, and
 * waited for however often the task is asked to cancel: it works on what the caller has. */
static int await_transfer(struct download *download)
{
    sheaf_future *call = sheaf_blocking(transfer_run, &download->transfer);
    sheaf_future *shield = sheaf_shield(call);
    int status = sheaf_wait_for(shield, SHEAF_S(download->settings->seconds), NULL);
    sheaf_release(shield);
    atomic_store(&download->transfer.stop, true);
    int masked = sheaf_mask_begin();
    int ended = sheaf_join(call, NULL);
    if (masked == SHEAF_OK) {
        SHEAF_TRY(sheaf_mask_end());
    }
    /* It may have been complete at the last moment. */
    return ended == SHEAF_OK && status == SHEAF_TIMEOUT ? SHEAF_OK : status;
}

/* Returns: SHEAF_OK, an errno value, SHEAF_TIMEOUT, SHEAF_CANCELLED; a file that is not complete is
 * gone */
static int download_file(struct download *download)
{
    download->transfer.file = fopen(download->partial, "wbe");
    if (!download->transfer.file) {
        return errno;
    }
    int status = await_transfer(download);
    bool unwritten = ferror(download->transfer.file);
    if (fclose(download->transfer.file) || unwritten) {
        status = status == SHEAF_OK ? EIO : status;
    }
    if (status == SHEAF_OK && rename(download->partial, download->path)) {
        status = errno;
    }
    if (status != SHEAF_OK) {
        unlink(download->partial);
    }
    return status;
}

/* What goes wrong with one file is told and no reason to end the others. */
static int fetch(void *arg, sheaf_value *result)
{
    (void)result;
    struct download *download = arg;
    struct settings *settings = download->settings;
    int status = download_file(download);
    if (status == SHEAF_CANCELLED) {
        return status;
    }
    size_t ended = atomic_fetch_add(&settings->ended, 1) + 1;
    if (status == SHEAF_OK) {
        cli_print("%s: %lld bytes\n", download->path, download->transfer.size);
    } else {
        bool late = status == SHEAF_TIMEOUT;
        const char *error = download->transfer.error;
        const char *why = late || !error[0] ? sheaf_status_text(status) : error;
        cli_complain("%s: %s", download->transfer.url, why);
        atomic_store(&settings->failed, true);
    }
    cli_bar("files", ended, settings->count);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- all downloads */

struct batch {
    struct settings *settings;
    struct download *downloads;
    sheaf_call *calls;
};

static int fetch_all(void *arg, sheaf_value *result)
{
    (void)result;
    const struct batch *batch = arg;
    size_t number = (size_t)batch->settings->number;
    SHEAF_TRY(sheaf_blocking_limit(sheaf_pool_current(), (int)number));
    return sheaf_gather_run(SHEAF_GATHER_OPTIONS(.limit = number), batch->calls,
                            batch->settings->count, NULL, NULL);
}

/* The last part of the path of a URL.  Returns: malloc()ed, or NULL */
static char *name_of(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t length = strcspn(host, "?#");
    const char *begin = host + length;
    while (begin > host && begin[-1] != '/') {
        begin--;
    }
    length -= (size_t)(begin - host);
    bool is_folder = length == 0 || begin == host || strspn(begin, ".") >= length;
    return is_folder ? strdup("index.html") : strndup(begin, length);
}

/* Returns: SHEAF_OK, ENOMEM; EEXIST, which has been told, when two would go to the same file */
static int plan(struct batch *batch, char **urls)
{
    for (size_t i = 0; i < batch->settings->count; i++) {
        struct download *download = &batch->downloads[i];
        *download = (struct download){.settings = batch->settings, .transfer.url = urls[i]};
        batch->calls[i] = (sheaf_call){.fn = fetch, .arg = download};
        char *name = name_of(urls[i]);
        const char *directory = batch->settings->directory;
        int made = name ? asprintf(&download->path, "%s/%s", directory, name) : -1;
        free(name);
        if (made < 0 || asprintf(&download->partial, "%s.part", download->path) < 0) {
            return ENOMEM;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(batch->downloads[j].path, download->path) == 0) {
                cli_complain("%s: another URL goes to %s too", download->transfer.url,
                             download->path);
                return EEXIST;
            }
        }
    }
    return SHEAF_OK;
}

/* Returns: the exit code */
static int download_all(struct settings *settings, char **urls)
{
    struct batch batch = {.settings = settings,
                          .downloads = calloc(settings->count, sizeof *batch.downloads),
                          .calls = calloc(settings->count, sizeof *batch.calls)};
    int status = batch.downloads && batch.calls ? plan(&batch, urls) : ENOMEM;
    bool twice = status == EEXIST;
    if (status == SHEAF_OK) {
        status = sheaf_run(SHEAF_OPTIONS(.flags = SHEAF_RUN_SIGINT), fetch_all, &batch, NULL);
    }
    if (status == SHEAF_INTERRUPTED) {
        cli_complain("stopped after %zu of %zu files", settings->ended, settings->count);
    }
    for (size_t i = 0; batch.downloads && i < settings->count; i++) {
        free(batch.downloads[i].path);
        free(batch.downloads[i].partial);
    }
    free(batch.downloads);
    free(batch.calls);
    return twice ? CLI_MISUSE : cli_exit(status, settings->failed);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"directory", required_argument, NULL, 'd'},
                                            {"number", required_argument, NULL, 'n'},
                                            {"time", required_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct settings settings = {.directory = ".", .number = 8, .seconds = 5};
    int option;
    while ((option = cli_option(argc, argv, "d:n:t:h", options)) != -1) {
        if (option == 'h') {
            return cli_help(usage);
        }
        if (option == 'd') {
            settings.directory = optarg;
        } else if (!(option == 'n' && cli_number("--number", optarg, 1, 256, &settings.number)) &&
                   !(option == 't' && cli_number("--time", optarg, 1, 86400, &settings.seconds))) {
            return CLI_MISUSE;
        }
    }
    if (optind == argc) {
        cli_complain("it takes URLs; --help tells more");
        return CLI_MISUSE;
    }
    settings.count = (size_t)(argc - optind);
    setlinebuf(stdout);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        cli_complain("libcurl does not start");
        return EXIT_FAILURE;
    }
    int code = download_all(&settings, argv + optind);
    curl_global_cleanup();
    return code;
}
