/* Cancellation as programs and tasks see it: asking from outside; delivery, counts and masks
 * inside. How a request finds its way is in lib/ask_chain.c and lib/ask_tree.c. */
#include "lib/asking.h"

#include <stdarg.h>

#include "lib/error_impl.h"

/* ---------------------------------------------------------------- asking */

static bool can_be_asked(const sheaf_future *future)
{
    return future && !(sheaf__future_flags(future) & SHEAF__JOB_STATIC);
}

bool sheaf_cancel(sheaf_future *future)
{
    return can_be_asked(future) && sheaf__future_ask(future, SHEAF_ORIGIN_USER, NULL);
}

bool sheaf_cancel_message(sheaf_future *future, const char *format, ...)
{
    if (!can_be_asked(future)) {
        return false;
    }
    va_list arguments;
    va_start(arguments, format);
    sheaf_error *message = sheaf__error_vmake(SHEAF_CANCELLED, NULL, NULL, format, arguments);
    va_end(arguments);
    if (sheaf_error_code(message) != SHEAF_CANCELLED) {
        message = NULL; /* out of memory: the request counts more than its message */
    }
    bool taken = sheaf__future_ask(future, SHEAF_ORIGIN_USER, message);
    sheaf_error_release(message);
    return taken;
}

/* ---------------------------------------------------------------- the task's own side */

int sheaf__task_deliver(sheaf_future *task)
{
    sheaf__future_lock(task);
    bool asked = sheaf__task_is_asked(task);
    struct sheaf__extra *extra = sheaf__future_extra(task);
    sheaf_error *message = NULL;
    if (asked) {
        sheaf__clear_undelivered(task);
        sheaf__set_last_origin(task, sheaf__pending_origin(task));
        message = extra ? extra->message : NULL;
        if (message) {
            extra->message = NULL;
        }
    }
    sheaf__future_unlock(task);
    if (!asked) {
        return SHEAF_OK;
    }
    sheaf__task_set_raised(task, message);
    sheaf_error_release(message);
    return SHEAF_CANCELLED;
}

/* The undelivered requests of a task, taken off it. */
struct taken_off {
    uint32_t count;
    sheaf_error *message;
    struct sheaf__ticket *tickets;
};

/* Takes them off, so that nobody else takes them up: a walk that has left one for a moment has lost
 * it to the task then.  Requires: LOCK */
static void take_off(sheaf_future *task, struct taken_off *off)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    *off = (struct taken_off){.count = sheaf__asked_of(task) & SHEAF__ASKED_UNDELIVERED_MASK};
    if (extra) {
        off->message = extra->message;
        off->tickets = extra->tickets;
        extra->message = NULL;
        extra->tickets = NULL;
    }
    sheaf__clear_undelivered(task);
}

/* Nobody has taken them.  What came meanwhile came later; all are withdrawn when none is counted
 * any more.  Requires: LOCK */
static void put_back(sheaf_future *task, struct taken_off *off)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if ((sheaf__asked_of(task) & SHEAF__ASKED_COUNT) == 0) {
        sheaf__settle_list(&off->tickets);
        return;
    }
    for (uint32_t i = 0; i < off->count; i += SHEAF__ASKED_UNDELIVERED) {
        sheaf__set_undelivered(task);
    }
    if (extra) {
        struct sheaf__ticket **end = &extra->tickets;
        while (*end) {
            end = &(*end)->next;
        }
        *end = off->tickets;
        sheaf_error *later = extra->message;
        extra->message = off->message;
        off->message = later;
    }
}

bool sheaf__task_pass_request(sheaf_future *task, sheaf_future *future)
{
    struct taken_off off;
    sheaf__future_lock(task);
    take_off(task, &off);
    sheaf__future_unlock(task);
    if (off.count == 0) {
        return false;
    }
    struct sheaf__request request = {.origin = SHEAF_ORIGIN_AWAITER};
    request.message = off.message;
    request.sure = true;
    bool taken = sheaf__ask(future, &request);
    sheaf__future_lock(task);
    if (taken) {
        sheaf__settle_list(&off.tickets);
        sheaf__set_passed(task);
    } else {
        put_back(task, &off);
    }
    sheaf__future_unlock(task);
    sheaf_error_release(off.message);
    return taken;
}

bool sheaf__task_was_passed_on(const sheaf_future *task)
{
    return sheaf__asked_of(task) & SHEAF__ASKED_PASSED;
}

void sheaf__task_forget_passed(sheaf_future *task)
{
    sheaf__future_lock(task);
    sheaf__store_rlx(&task->job.asked, sheaf__asked_of(task) & ~SHEAF__ASKED_PASSED);
    sheaf__future_unlock(task);
}

void sheaf__task_note_cancelled(sheaf_future *task)
{
    sheaf__future_lock(task);
    bool own = sheaf__asked_of(task) & SHEAF__ASKED_PASSED;
    sheaf__store_rlx(&task->job.asked, sheaf__asked_of(task) & ~SHEAF__ASKED_PASSED);
    sheaf__set_last_origin(task, own ? sheaf__pending_origin(task) : SHEAF_ORIGIN_CHILD);
    sheaf__future_unlock(task);
}

static sheaf_future *or_current(const sheaf_future *given)
{
    /* The counts are not part of what const promises about a future's outcome. */
    sheaf_future *task = (sheaf_future *)(uintptr_t)given;
    return task ? task : sheaf_current();
}

int sheaf_cancelling(const sheaf_future *given)
{
    sheaf_future *task = or_current(given);
    return task ? (int)(sheaf__asked_of(task) & SHEAF__ASKED_COUNT) : SHEAF_NOTASK;
}

/* One request less is counted; with none left nothing is delivered any more (T18).
 *
 * Requires: LOCK
 * Returns:  how many are left */
static int count_back(sheaf_future *task)
{
    uint32_t asked = sheaf__asked_of(task);
    if (asked & SHEAF__ASKED_COUNT) {
        sheaf__store_rlx(&task->job.asked, --asked);
    }
    int left = (int)(asked & SHEAF__ASKED_COUNT);
    if (left == 0 && (sheaf__load_rlx(&task->job.word) & SHEAF__WORD_CANCEL)) {
        sheaf__clear_undelivered(task);
    }
    return left;
}

int sheaf_uncancel(sheaf_future *given)
{
    sheaf_future *task = or_current(given);
    if (!task) {
        return SHEAF_NOTASK;
    }
    if (!can_be_asked(task)) {
        return 0;
    }
    sheaf__future_lock(task);
    int left = count_back(task);
    sheaf__future_unlock(task);
    return left;
}

int sheaf__task_withdraw(sheaf_future *task, struct sheaf__ticket *ticket)
{
    sheaf__future_lock(task);
    if (sheaf__unlink_ticket(task, ticket)) {
        sheaf__take_undelivered(task, SHEAF__ASKED_UNDELIVERED);
    }
    int left = count_back(task);
    sheaf__future_unlock(task);
    return left;
}

void sheaf__task_rearm(sheaf_future *task)
{
    sheaf__future_lock(task);
    sheaf__set_pending_origin(task, sheaf__last_origin(task));
    sheaf__set_undelivered(task);
    sheaf__future_unlock(task);
}

sheaf_origin sheaf_cancel_origin(void)
{
    sheaf_future *task = sheaf_current();
    return task ? sheaf__last_origin(task) : SHEAF_ORIGIN_NONE;
}

/* ---------------------------------------------------------------- masks */

#define MASKS_MAX 255U

/* Under LOCK: an asker decides by the mask and by what the task awaits together. */
static void set_flag(sheaf_future *task, uint32_t flag, bool on)
{
    sheaf__future_lock(task);
    uint32_t flags = sheaf__future_flags(task);
    flags = on ? flags | flag : flags & ~flag;
    sheaf__store_rlx(&task->job.flags, (uint8_t)flags);
    sheaf__future_unlock(task);
}

bool sheaf__task_mark_swept(sheaf_future *task)
{
    sheaf__future_lock(task);
    uint32_t flags = sheaf__future_flags(task);
    sheaf__store_rlx(&task->job.flags, (uint8_t)(flags | SHEAF__JOB_SWEPT));
    sheaf__future_unlock(task);
    return !(flags & SHEAF__JOB_SWEPT);
}

int sheaf_mask_begin(void)
{
    sheaf_future *task = sheaf_current();
    if (!task) {
        return SHEAF_NOTASK;
    }
    struct sheaf__extra *extra = sheaf__future_need_extra(task);
    if (!extra) {
        return SHEAF_NOMEM;
    }
    if (extra->masks == MASKS_MAX) {
        return SHEAF_STATE;
    }
    if (extra->masks++ == 0) {
        set_flag(task, SHEAF__JOB_MASKED, true);
    }
    return SHEAF_OK;
}

int sheaf_mask_end(void)
{
    sheaf_future *task = sheaf_current();
    if (!task) {
        return SHEAF_NOTASK;
    }
    struct sheaf__extra *extra = sheaf__future_extra(task);
    if (!extra || extra->masks == 0) {
        return SHEAF_STATE;
    }
    if (--extra->masks == 0) {
        set_flag(task, SHEAF__JOB_MASKED, false);
    }
    return SHEAF_OK;
}
