/* Promises: futures that the program itself completes. */
#include "lib/future_impl.h"

#include <stdarg.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/error_impl.h"
#include "lib/options.h"

/* A promise that a plain thread makes is in outside hands: while it is pending, a pool at rest on a
 * virtual clock is not in a deadlock. */
static bool is_outside(void)
{
    return !sheaf__worker_current(sheaf__worker_self());
}

static struct sheaf__extra *new_extra(const sheaf_promise_options *options, sheaf_pool *pool)
{
    struct sheaf__extra *extra = sheaf__alloc_zeroed(sizeof *extra);
    if (!extra) {
        return NULL;
    }
    extra->data = options->data;
    extra->value_drop = options->value_drop;
    if (options->name) {
        extra->name_size = strlen(options->name) + 1;
        extra->name = sheaf__alloc(extra->name_size);
        if (!extra->name) {
            sheaf__free(extra, sizeof *extra);
            return NULL;
        }
        memcpy(extra->name, options->name, extra->name_size);
    }
    if (is_outside()) {
        extra->outside_of = pool;
        sheaf__add_seq(&pool->outside, 1);
    }
    return extra;
}

sheaf_future *sheaf_promise(const sheaf_promise_options *given)
{
    sheaf_promise_options options;
    if (sheaf__options_read(given, &options, sizeof options)) {
        return sheaf__future_failed(SHEAF_INVALID);
    }
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf_pool *pool = options.pool ? options.pool : worker ? worker->pool : sheaf_pool_default();
    if (pool && sheaf__pool_is_lost(pool)) {
        return sheaf__future_failed(SHEAF_CLOSED);
    }
    sheaf_future *promise = pool ? sheaf__future_new_bare(pool) : NULL;
    if (!promise) {
        return sheaf__future_failed(SHEAF_NOMEM);
    }
    bool plain = !options.name && !options.data && !options.value_drop && !is_outside() &&
                 !(pool->flags & SHEAF_POOL_STAMPS);
    if (!plain) {
        promise->extra = new_extra(&options, pool);
        if (!promise->extra) {
            sheaf__depot_give(&pool->depot, promise);
            return sheaf__future_failed(SHEAF_NOMEM);
        }
        /* relaxed: the promise is not published yet. */
        sheaf__or_rlx(&promise->job.word, SHEAF__WORD_EXTRA);
    }
    return promise;
}

bool sheaf__future_is_promise(const sheaf_future *future)
{
    return future && (sheaf__future_flags(future) & SHEAF__JOB_BARE) && !future->in.composed;
}

bool sheaf__promise_complete(sheaf_future *promise, int status, sheaf_value payload)
{
    sheaf__future_lock(promise);
    if (sheaf__future_done(promise)) {
        sheaf__future_unlock(promise);
        return false;
    }
    promise->job.out.value = payload;
    sheaf__future_finish_locked(promise, status);
    return true;
}

bool sheaf_try_resolve(sheaf_future *promise, sheaf_value value)
{
    return sheaf__future_is_promise(promise) && sheaf__promise_complete(promise, SHEAF_OK, value);
}

int sheaf_resolve(sheaf_future *promise, sheaf_value value)
{
    if (!promise) {
        return SHEAF_INVALID;
    }
    return sheaf_try_resolve(promise, value) ? SHEAF_OK : SHEAF_STATE;
}

static bool is_error_code(int code)
{
    return code > 0 || (code < 0 && code != SHEAF_CANCELLED && sheaf__status_known(code));
}

/* error: taken */
static int reject_taking(sheaf_future *promise, int code, sheaf_error *error)
{
    sheaf_value payload = {.ptr = sheaf_error_code(error) == code ? error : NULL};
    if (!payload.ptr) {
        sheaf_error_release(error);
    }
    if (sheaf__promise_complete(promise, code, payload)) {
        return SHEAF_OK;
    }
    sheaf_error_release(payload.ptr);
    return SHEAF_STATE;
}

SHEAF__PRINTF(3, 0)
static int vreject(sheaf_future *promise, int code, const char *format, va_list arguments)
{
    if (!promise || !is_error_code(code)) {
        return SHEAF_INVALID;
    }
    if (!sheaf__future_is_promise(promise) || sheaf__future_done(promise)) {
        return SHEAF_STATE;
    }
    return reject_taking(promise, code, sheaf__error_vmake(code, NULL, NULL, format, arguments));
}

int sheaf_reject(sheaf_future *promise, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int status = vreject(promise, code, format, arguments);
    va_end(arguments);
    return status;
}

bool sheaf_try_reject(sheaf_future *promise, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int status = vreject(promise, code, format, arguments);
    va_end(arguments);
    return status == SHEAF_OK;
}

int sheaf_reject_error(sheaf_future *promise, sheaf_error *error)
{
    int code = sheaf_error_code(error);
    if (!promise || !is_error_code(code)) {
        return SHEAF_INVALID;
    }
    if (!sheaf__future_is_promise(promise)) {
        return SHEAF_STATE;
    }
    return reject_taking(promise, code, sheaf_error_retain(error));
}
