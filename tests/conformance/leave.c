#include "tests/conformance/leave.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tests/conformance/trace.h"

struct leave leave_by_error(int status, sheaf_error *error)
{
    if (status == SHEAF_OK) {
        return goes_on;
    }
    if (status == SHEAF_CANCELLED) {
        sheaf_error_release(error);
        return (struct leave){.how = IS_CANCELLED};
    }
    return (struct leave){.how = FAILS, .error = error ? error : sheaf_error_new(status, NULL)};
}

struct leave leave_by(int status)
{
    return leave_by_error(status, NULL);
}

int leave_status(const struct leave *leave)
{
    switch (leave->how) {
    case GOES_ON:
    case RETURNS:
        return SHEAF_OK;
    case FAILS:
        return sheaf_raise_error(leave->error);
    default:
        return SHEAF_CANCELLED;
    }
}

void leave_drop(struct leave *leave)
{
    if (leave->how == FAILS) {
        sheaf_error_release(leave->error);
    }
    *leave = goes_on;
}

/* ---------------------------------------------------------------- names of errors */

static void write_name(int status, const sheaf_error *error, struct text *out);

/* The names of the parts, sorted. */
static void write_parts(const sheaf_error *error, struct text *out)
{
    size_t count = sheaf_error_part_count(error);
    char **names = NULL;
    size_t room = 0;
    for (size_t i = 0; i < count; i++) {
        const sheaf_error *part = sheaf_error_part(error, i);
        struct text name = {0};
        write_name(sheaf_error_code(part), part, &name);
        names = array_grow(names, i, &room, sizeof *names);
        names[i] = name.data;
    }
    sort_texts(names, count);
    text_add(out, "group(");
    for (size_t i = 0; i < count; i++) {
        text_add(out, "%s%s", i > 0 ? "," : "", names[i]);
        free(names[i]);
    }
    text_add(out, ")");
    free(names);
}

static void write_name(int status, const sheaf_error *error, struct text *out)
{
    if (sheaf_error_part_count(error) > 0) {
        write_parts(error, out);
    } else if (status == SHEAF_TIMEOUT) {
        text_add(out, "timeout");
    } else if (status == SHEAF_STATE) {
        text_add(out, "state");
    } else {
        text_add(out, "%s",
                 status == RAISED ? sheaf_error_message(error) : sheaf_status_name(status));
    }
}

void error_write(int status, const sheaf_error *error, struct text *out)
{
    text_add(out, "error:");
    write_name(status, error, out);
}

void leave_write(const struct leave *leave, struct text *out)
{
    switch (leave->how) {
    case FAILS:
        error_write(sheaf_error_code(leave->error), leave->error, out);
        return;
    case GOES_ON:
    case RETURNS:
        text_add(out, "ok:%" PRId64, leave->value);
        return;
    default:
        text_add(out, "cancelled");
    }
}
