#include "transfer.h"

#include <errno.h>

#include <curl/curl.h>

_Static_assert(TRANSFER_ERROR_SIZE >= CURL_ERROR_SIZE, "room for libcurl's messages");

/* libcurl calls it several times a second, also when nothing arrives; other than 0 ends the
 * transfer. */
static int look(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
    (void)total, (void)now, (void)up_total, (void)up;
    struct transfer *transfer = context;
    return atomic_load(&transfer->stop);
}

static CURLcode prepare(CURL *curl, struct transfer *transfer)
{
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    code = code ? code : curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->error);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer->file);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look);
    return code ? code : curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
}

int transfer_run(void *arg, sheaf_value *result)
{
    (void)result;
    struct transfer *transfer = arg;
    CURL *curl = curl_easy_init();
    if (!curl) {
        return ENOMEM;
    }
    curl_off_t size = 0;
    CURLcode code = prepare(curl, transfer);
    code = code ? code : curl_easy_perform(curl);
    if (code == CURLE_OK) {
        code = curl_easy_getinfo(curl, CURLINFO_SIZE_DOWNLOAD_T, &size);
        transfer->size = size;
    }
    curl_easy_cleanup(curl);
    if (code != CURLE_OK && !transfer->error[0]) {
        snprintf(transfer->error, sizeof transfer->error, "%s", curl_easy_strerror(code));
    }
    return code == CURLE_OK ? SHEAF_OK : EIO;
}
