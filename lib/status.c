/* Statuses: their names and texts, and the immortal error of each. */
#include "lib/error_impl.h"

#include "lib/error_object.h"

#define IMMORTAL_ERROR(status, number, text)                                                       \
    {.code = (number), .immortal = true, .fatal = (number) == SHEAF_FATAL, .message = (text)},
#define STATUS_NAME(status, number, text) "SHEAF_" #status,

/* In the order of SHEAF_STATUS_MAP, whose numbers are 0 and then descend from -1001 without a gap.
 * Const in fact: nothing writes to an immortal error. */
static struct sheaf_error immortal_errors[] = {SHEAF_STATUS_MAP(IMMORTAL_ERROR)};
static const char *const status_names[] = {SHEAF_STATUS_MAP(STATUS_NAME)};

enum { STATUS_COUNT = sizeof status_names / sizeof status_names[0] };

/* The place of a status in the two arrays; STATUS_COUNT when it is not the library's. */
static size_t status_index(int status)
{
    if (status == SHEAF_OK) return 0;
    if (status > SHEAF_CANCELLED || status <= SHEAF_CANCELLED - (STATUS_COUNT - 1)) {
        return STATUS_COUNT;
    }
    return (size_t)(SHEAF_CANCELLED - status) + 1;
}

bool sheaf__status_known(int status)
{
    return status_index(status) < STATUS_COUNT;
}

const char *sheaf_status_name(int status)
{
    const char *name = status > 0 ? sheaf__errno_name(status) : NULL;
    if (sheaf__status_known(status)) return status_names[status_index(status)];
    return name != NULL ? name : "code";
}

bool sheaf__status_named(int status)
{
    return sheaf__status_known(status) || (status > 0 && sheaf__errno_name(status) != NULL);
}

const char *sheaf_status_text(int status)
{
    const char *text = status > 0 ? sheaf__errno_text(status) : "not a status of the library's";
    if (sheaf__status_known(status)) return immortal_errors[status_index(status)].message;
    return text != NULL ? text : "a code of the program's own";
}

int sheaf_exit_code(int status)
{
    if (status >= 0 && status <= 123) return status;
    if (status == SHEAF_TIMEOUT) return 124;
    if (status == SHEAF_INTERRUPTED || status == SHEAF_CANCELLED) return 130;
    return 1;
}

sheaf_error *sheaf__error_of_status(int status)
{
    bool usable = status != SHEAF_OK && sheaf__status_known(status);
    return &immortal_errors[status_index(usable ? status : SHEAF_INVALID)];
}
