/* Errors, statuses, time: what needs no pool. */
#include <errno.h>
#include <string.h>

#include "lib/atomics.h"
#include "tests/faults/trial.h"

static SHEAF__ATOMIC(int) payloads;

static void drop_payload(void *payload)
{
    (void)payload;
    sheaf__sub_seq(&payloads, 1);
}

static bool is_error(const sheaf_error *error, int code)
{
    int found = sheaf_error_code(error);
    return found == code || found == SHEAF_NOMEM;
}

static void errors_are_made(struct fault_trial *t)
{
    (void)t;
    char text[600];
    sheaf__store_seq(&payloads, 1);
    sheaf_error *cause = sheaf_error_new(ENOENT, "no file %d", 1);
    sheaf_error *plain = sheaf_error_new(EIO, NULL);
    HOLDS(is_error(cause, ENOENT) && is_error(plain, EIO));
    sheaf_error *held = sheaf_error_retain(plain);
    /* `held` makes each of these a copy, which may turn out to be the same. */
    sheaf_error *more = sheaf_error_with_cause(plain, cause);
    more = sheaf_error_with_during(more, cause);
    more = sheaf_error_with_payload(more, &payloads, drop_payload);
    HOLDS(is_error(more, EIO));
    HOLDS(!sheaf_error_cause(more) || sheaf_error_cause(more) == cause);
    HOLDS(!sheaf_error_during(more) || sheaf_error_during(more) == cause);
    HOLDS(!sheaf_error_payload(more) || sheaf_error_payload(more) == &payloads);
    HOLDS(!sheaf_error_task_name(more) && !sheaf_error_place(more));
    sheaf_error *parts[3] = {cause, NULL, more};
    sheaf_error *group = sheaf_error_group(0, "two", parts, 3);
    HOLDS(is_error(group, ENOENT));
    size_t count = sheaf_error_part_count(group);
    HOLDS(count == 2 || (count == 0 && sheaf_error_code(group) == SHEAF_NOMEM));
    HOLDS(!sheaf_error_part(group, 2) && !sheaf_error_is_fatal(group));
    HOLDS(strlen(sheaf_error_message(group)) > 0);
    HOLDS(sheaf_error_format(group, text, sizeof text) > 0);
    sheaf_error_release(group);
    sheaf_error_release(more);
    sheaf_error_release(held);
    sheaf_error_release(cause);
    IS(sheaf__load_seq(&payloads), 0);
}

static void ignore_panic(const char *sentence)
{
    (void)sentence;
}

static void *give_block(void *context, size_t bytes, size_t align)
{
    static _Alignas(64) char block[4096];
    (void)context;
    return bytes <= sizeof block && align <= 64 ? block : NULL;
}

static void take_block(void *context, void *block, size_t bytes)
{
    (void)context, (void)block, (void)bytes;
}

static void small_things_need_nothing(struct fault_trial *t)
{
    (void)t;
    sheaf_duration second = 0;
    IS(sheaf_duration_from_seconds(1.0, &second), SHEAF_OK);
    HOLDS(sheaf_time_add(0, second) == SHEAF_S(1));
    HOLDS(sheaf_now() > 0);
    HOLDS(strcmp(sheaf_status_name(SHEAF_NOMEM), "SHEAF_NOMEM") == 0);
    HOLDS(strlen(sheaf_status_text(SHEAF_NOMEM)) > 0);
    IS(sheaf_exit_code(SHEAF_NOMEM), 1);
    sheaf_set_panic_hook(ignore_panic);
    sheaf_set_panic_hook(NULL);
    sheaf_set_report_hook(NULL, NULL);
    sheaf_allocator one_block = {sizeof one_block, give_block, take_block, NULL};
    IS(sheaf_set_allocator(&one_block), SHEAF_OK);
    sheaf_error *error = sheaf_error_new(EIO, "in the one block");
    IS(sheaf_error_code(error), EIO);
    sheaf_error_release(error);
    IS(sheaf_set_allocator(NULL), SHEAF_OK);
}

const struct fault_scenario fault_errors[] = {
    {.name = "errors_are_made",
     .body = errors_are_made,
     .floors = FLOORS(3, 0, 0),
     .place = FAULT_ALONE},
    {.name = "small_things_need_nothing",
     .body = small_things_need_nothing,
     .floors = FLOORS(0, 0, 0),
     .pointless = true,
     .place = FAULT_ALONE},
    {.name = NULL},
};
