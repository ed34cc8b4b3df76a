/* What a future tells: its outcome, its error, its name. */
#include "lib/future_impl.h"

#include <stdio.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/error_impl.h"

#define NAME_TOLD 128

/* ---------------------------------------------------------------- reading */

bool sheaf_done(const sheaf_future *future)
{
    if (!future) {
        return false;
    }
    /* That a future of a parent process is lost is found here: not an observable change. */
    sheaf__future_meet((sheaf_future *)(uintptr_t)future);
    return sheaf__future_done(future);
}

/* Whether it failed with the cancellation of a member, which is not the same as being cancelled. */
static bool failed_by_member(const sheaf_future *future)
{
    uint32_t both = SHEAF__JOB_BARE | SHEAF__JOB_BY_MEMBER;
    return (sheaf__future_flags(future) & both) == both;
}

bool sheaf_cancelled(const sheaf_future *future)
{
    return sheaf_done(future) && sheaf__future_outcome(future) == SHEAF_CANCELLED &&
           !failed_by_member(future);
}

int sheaf_future_status(const sheaf_future *future)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    return sheaf_done(future) ? sheaf__future_outcome(future) : SHEAF_STATE;
}

sheaf_error *sheaf__future_error(const sheaf_future *future)
{
    return sheaf__future_outcome(future) == SHEAF_OK ? NULL
                                                     : (sheaf_error *)future->job.out.value.ptr;
}

/* A body that returned a code without raising has no error object: it is made for the first who
 * asks, and kept, so that all see the same one. */
static sheaf_error *make_told_error(sheaf_future *future, int status)
{
    char name[NAME_TOLD];
    sheaf__future_name_text(future, name, sizeof name);
    sheaf_error *made = sheaf__error_make(status, name, sheaf__future_place(future), NULL);
    sheaf__future_lock(future);
    sheaf_error *error = sheaf__future_error(future);
    if (!error) {
        future->job.out.value.ptr = made;
        error = made;
        made = NULL;
    }
    sheaf_error_retain(error);
    sheaf__future_unlock(future);
    sheaf_error_release(made);
    return error;
}

sheaf_error *sheaf__future_told_error(sheaf_future *future)
{
    int status = sheaf__future_outcome(future);
    if (status == SHEAF_OK) {
        return NULL;
    }
    if (sheaf__future_flags(future) & SHEAF__JOB_STATIC) {
        return sheaf__error_of_status(status);
    }
    sheaf__future_lock(future);
    sheaf_error *error = sheaf_error_retain(sheaf__future_error(future));
    sheaf__future_unlock(future);
    if (error || status == SHEAF_CANCELLED) {
        return error;
    }
    return make_told_error(future, status);
}

void sheaf__future_mark_looked(sheaf_future *future)
{
    if (!(sheaf__load_rlx(&future->job.word) & SHEAF__WORD_LOOKED)) {
        sheaf__or_rlx(&future->job.word, SHEAF__WORD_LOOKED);
    }
}

sheaf_error *sheaf__task_raised(const sheaf_future *task, int status)
{
    struct sheaf__extra *extra = sheaf__future_extra(task);
    sheaf_error *error = extra ? extra->raised : NULL;
    return sheaf_error_code(error) == status ? sheaf_error_retain(error) : NULL;
}

void sheaf__task_set_raised(sheaf_future *task, sheaf_error *error)
{
    struct sheaf__extra *extra = error ? sheaf__future_need_extra(task) : sheaf__future_extra(task);
    if (extra) {
        sheaf_error *before = extra->raised;
        extra->raised = sheaf_error_retain(error);
        sheaf_error_release(before);
    }
}

int sheaf__future_read(sheaf_future *future, sheaf_future *task, sheaf_value *value)
{
    int status = sheaf__future_outcome(future);
    if (SHEAF__LIKELY(status == SHEAF_OK)) {
        if (value) {
            *value = future->job.out.value;
        }
        return SHEAF_OK;
    }
    sheaf__future_mark_looked(future);
    if (task) {
        sheaf_error *error = sheaf__future_told_error(future);
        sheaf__task_set_raised(task, error);
        sheaf_error_release(error);
        if (status == SHEAF_CANCELLED) {
            sheaf__task_note_cancelled(task);
        }
    }
    return status;
}

int sheaf_result(sheaf_future *future, sheaf_value *value)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    if (!sheaf_done(future)) {
        return SHEAF_STATE;
    }
    return sheaf__future_read(future, NULL, value);
}

sheaf_error *sheaf_future_error(sheaf_future *future)
{
    if (!sheaf_done(future) || sheaf__future_outcome(future) == SHEAF_OK) {
        return NULL;
    }
    sheaf__future_mark_looked(future);
    return sheaf__future_told_error(future);
}

/* Whose value this one, which has ended well, shows; NULL: it is its own. */
static sheaf_future *value_source(const sheaf_future *future)
{
    struct sheaf__composed *composed = sheaf__future_composed(future);
    if (composed) {
        return composed->ops->origin ? composed->ops->origin(composed) : NULL;
    }
    struct sheaf__extra *extra = sheaf__future_extra(future);
    return extra ? extra->value_of : NULL;
}

/* The future that has the value: behind shields and chains. */
static sheaf_future *value_owner(sheaf_future *future)
{
    sheaf_future *next;
    while ((next = value_source(future)) != NULL) {
        future = next;
    }
    return future;
}

int sheaf_take(sheaf_future *future, sheaf_value *value)
{
    if (!future) {
        return SHEAF_INVALID;
    }
    if (!sheaf_done(future)) {
        return SHEAF_STATE;
    }
    if (sheaf__future_outcome(future) == SHEAF_OK &&
        (sheaf__or_acq_rel(&value_owner(future)->job.word, SHEAF__WORD_TAKEN) &
         SHEAF__WORD_TAKEN)) {
        return SHEAF_STATE;
    }
    return sheaf__future_read(future, NULL, value);
}

void *sheaf_future_data(const sheaf_future *future)
{
    struct sheaf__extra *extra = future ? sheaf__future_extra(future) : NULL;
    return extra ? extra->data : NULL;
}

uint64_t sheaf_future_stamp(const sheaf_future *future)
{
    struct sheaf__extra *extra = sheaf_done(future) ? sheaf__future_extra(future) : NULL;
    return extra ? extra->stamp : 0;
}

/* ---------------------------------------------------------------- names */

const char *sheaf__future_kind(const sheaf_future *future)
{
    const struct sheaf__composed *composed = sheaf__future_composed(future);
    return composed ? composed->ops->what : sheaf__future_is_task(future) ? "task" : "promise";
}

const char *sheaf__future_own_place(const sheaf_future *future)
{
    unsigned without = SHEAF__JOB_FRAME | SHEAF__JOB_BARE | SHEAF__JOB_STATIC;
    return sheaf__future_flags(future) & without ? NULL : future->place;
}

const char *sheaf__future_place(const sheaf_future *given)
{
    /* The LOCK is not part of what const promises. */
    sheaf_future *future = (sheaf_future *)(uintptr_t)given;
    if (sheaf__future_flags(future) & SHEAF__JOB_STATIC) {
        return NULL;
    }
    sheaf__future_lock(future);
    struct sheaf__extra *extra = sheaf__future_extra(future);
    const char *place = extra ? extra->place : sheaf__future_own_place(future);
    sheaf__future_unlock(future);
    return place;
}

const char *sheaf_future_place(const sheaf_future *future)
{
    return future ? sheaf__future_place(future) : NULL;
}

/* Requires: LOCK, or no extra part */
static size_t write_name(const sheaf_future *future, char *buffer, size_t size)
{
    struct sheaf__extra *extra = sheaf__future_extra(future);
    const char *name = extra ? extra->name : NULL;
    unsigned long long number = extra ? extra->number : 0;
    int length = name     ? snprintf(buffer, size, "%s", name)
                 : number ? snprintf(buffer, size, "task-%llu", number)
                          : snprintf(buffer, size, "%s", sheaf__future_kind(future));
    return length < 0 ? 0 : (size_t)length;
}

size_t sheaf__future_name_text(const sheaf_future *given, char *buffer, size_t size)
{
    /* The LOCK is not part of what const promises. */
    sheaf_future *future = (sheaf_future *)(uintptr_t)given;
    if (!sheaf__future_extra(future)) {
        return write_name(future, buffer, size);
    }
    sheaf__future_lock(future);
    size_t length = write_name(future, buffer, size);
    sheaf__future_unlock(future);
    return length;
}

size_t sheaf_future_name(const sheaf_future *given, char *buffer, size_t size)
{
    if (!given) {
        if (size) {
            buffer[0] = '\0';
        }
        return 0;
    }
    /* The number of a default name is drawn when first asked for: not an observable change. */
    sheaf_future *future = (sheaf_future *)(uintptr_t)given;
    sheaf_pool *pool = sheaf__future_pool(future);
    struct sheaf__extra *extra =
        pool ? sheaf__future_need_extra(future) : sheaf__future_extra(future);
    if (!extra) {
        return sheaf__future_name_text(future, buffer, size);
    }
    sheaf__future_lock(future);
    if (pool && !extra->name && !extra->number) {
        extra->number = sheaf__add_rlx(&pool->names, 1) + 1;
    }
    size_t length = write_name(future, buffer, size);
    sheaf__future_unlock(future);
    return length;
}

int sheaf_future_set_name(sheaf_future *future, const char *name)
{
    if (!future || !name || (sheaf__future_flags(future) & SHEAF__JOB_STATIC)) {
        return SHEAF_INVALID;
    }
    struct sheaf__extra *extra = sheaf__future_need_extra(future);
    size_t size = strlen(name) + 1;
    char *copy = extra ? sheaf__alloc(size) : NULL;
    if (!copy) {
        return SHEAF_NOMEM;
    }
    memcpy(copy, name, size);
    sheaf__future_lock(future);
    char *before = extra->name;
    size_t before_size = extra->name_size;
    extra->name = copy;
    extra->name_size = size;
    sheaf__future_unlock(future);
    sheaf__free(before, before_size);
    return SHEAF_OK;
}
