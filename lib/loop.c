#include "lib/loop.h"

#include <string.h>

#include "lib/future_impl.h"
#include "lib/options.h"
#include "lib/platform/clock.h"

/* Progress is told some hundred times a second at most. */
#define TELL_INTERVAL INT64_C(10000000)

int sheaf__loop_init(struct sheaf__loop *loop, const sheaf_loop_options *options, size_t begin,
                     size_t end)
{
    memset(loop, 0, sizeof *loop);
    SHEAF_TRY(sheaf__options_read(options, &loop->options, sizeof loop->options));
    if (end < begin || (loop->options.flags & ~(unsigned)SHEAF_LOOP_COLLECT)) {
        return SHEAF_INVALID;
    }
    loop->begin = begin;
    loop->end = end;
    loop->counts = loop->options.progress || loop->options.finished_count;
    sheaf__store_rlx(&loop->parts, 1);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- how it ends */

void sheaf__loop_fail(struct sheaf__loop *loop, size_t at, int status)
{
    sheaf_error *error = sheaf__task_raised(sheaf_current(), status);
    sheaf__spin_lock(&loop->lock);
    bool cancelled = loop->status == SHEAF_CANCELLED;
    bool first = loop->status == SHEAF_OK;
    bool better = cancelled == (status == SHEAF_CANCELLED) ? at < loop->failed_at : cancelled;
    sheaf_error *other = error;
    if (first || better) {
        other = loop->error;
        loop->error = error;
        loop->status = status;
        loop->failed_at = at;
    }
    sheaf__spin_unlock(&loop->lock);
    sheaf__store_rlx(&loop->stopped, true);
    sheaf_error_release(other);
}

bool sheaf__loop_goes_on(struct sheaf__loop *loop, size_t at)
{
    if (sheaf__loop_stopped(loop)) {
        return false;
    }
    int status = sheaf_checkpoint();
    if (status != SHEAF_OK) {
        sheaf__loop_fail(loop, at, status);
    }
    return status == SHEAF_OK;
}

/* ---------------------------------------------------------------- how far it has come */

/* Marks the bits from `first` up to `last`, which is not marked.  Requires: first < last
 * relaxed: the joins of the parts publish the record. */
static void mark_finished(SHEAF__ATOMIC(uint64_t) * words, size_t first, size_t last)
{
    uint64_t head = UINT64_MAX << (first % 64), tail = UINT64_MAX >> (63 - (last - 1) % 64);
    size_t word = first / 64, last_word = (last - 1) / 64;
    if (word == last_word) {
        sheaf__or_rlx(&words[word], head & tail);
        return;
    }
    sheaf__or_rlx(&words[word], head);
    for (word++; word < last_word; word++) {
        sheaf__or_rlx(&words[word], UINT64_MAX);
    }
    sheaf__or_rlx(&words[last_word], tail);
}

static void tell(struct sheaf__loop *loop, int64_t now)
{
    /* acq_rel: told_at and what the callback wrote come from whoever told last. */
    if (sheaf__swap_acq_rel(&loop->telling, true)) {
        return;
    }
    if (now - loop->told_at >= TELL_INTERVAL) {
        loop->told_at = now;
        size_t done = sheaf__load_rlx(&loop->done);
        loop->options.progress(loop->options.progress_context, done, loop->end - loop->begin);
    }
    sheaf__store_rel(&loop->telling, false);
}

void sheaf__loop_finished(struct sheaf__loop *loop, size_t begin, size_t end, int64_t now)
{
    if (loop->options.finished && begin < end) {
        mark_finished((SHEAF__ATOMIC(uint64_t) *)loop->options.finished, begin - loop->begin,
                      end - loop->begin);
    }
    if (loop->counts) {
        sheaf__add_rlx(&loop->done, end - begin);
    }
    if (loop->options.progress) {
        tell(loop, now ? now : sheaf__clock_monotonic());
    }
}

/* ---------------------------------------------------------------- halves */

static int run_half(void *arg, sheaf_value *result)
{
    struct sheaf__half *half = arg;
    (void)result;
    half->begun = true;
    half->run(half->part);
    return SHEAF_OK;
}

void sheaf__half_spawn(struct sheaf__half *half, struct sheaf__loop *loop, void (*run)(void *part),
                       void *part, size_t at)
{
    half->loop = loop;
    half->run = run;
    half->part = part;
    half->at = at;
    half->begun = false;
    (void)sheaf_task_spawn(&half->task, run_half, half);
}

void sheaf__half_join(struct sheaf__half *half)
{
    struct sheaf__loop *loop = half->loop;
    int status = sheaf_task_join(&half->task, NULL);
    if (status == SHEAF_CANCELLED) {
        sheaf__loop_fail(loop, half->at, status); /* a request to the caller, passed on */
    } else if (!half->begun && !sheaf__loop_stopped(loop)) {
        half->run(half->part); /* there was no memory for what it inherits */
    }
}

/* ---------------------------------------------------------------- the call */

struct call {
    struct sheaf__loop *loop;
    void (*run)(void *context);
    void *context;
};

/* What the loop ends with, in the task that ran it. */
static int conclude(struct sheaf__loop *loop)
{
    if (loop->error) {
        sheaf_raise_error(loop->error);
        sheaf_error_release(loop->error);
        loop->error = NULL;
    }
    return loop->status;
}

static int run_here(void *arg, sheaf_value *result)
{
    struct call *call = arg;
    (void)result;
    call->loop->deterministic = sheaf__worker_self()->deterministic;
    call->run(call->context);
    return conclude(call->loop);
}

int sheaf__run_as_task(sheaf_pool *pool, sheaf_fn *fn, void *arg)
{
    sheaf_spawn_options options = {.size = sizeof options, .pool = pool};
    sheaf_future *task = sheaf_spawn_with(&options, fn, arg);
    unsigned turns = 0;
    int status = sheaf_await(task, NULL);
    while (!sheaf_done(task)) {
        sheaf__spin_wait(&turns); /* the system refuses a thread what it sleeps on */
        status = sheaf_await(task, NULL);
    }
    if (status == SHEAF_NOMEM) {
        status = sheaf_result(task, NULL); /* a wait that was refused says nothing of the task */
    }
    sheaf_release(task);
    return status;
}

static void begin_record(const struct sheaf__loop *loop)
{
    size_t count = loop->end - loop->begin;
    if (loop->options.finished) {
        memset(loop->options.finished, 0, SHEAF_LOOP_WORDS(count) * sizeof(uint64_t));
    }
}

static void end_record(struct sheaf__loop *loop)
{
    size_t done = sheaf__load_rlx(&loop->done);
    if (loop->options.finished_count) {
        *loop->options.finished_count = done;
    }
    if (loop->options.progress) {
        loop->options.progress(loop->options.progress_context, done, loop->end - loop->begin);
    }
}

int sheaf__loop_run(struct sheaf__loop *loop, void (*run)(void *context), void *context)
{
    struct call call = {.loop = loop, .run = run, .context = context};
    sheaf_pool *pool = sheaf_current() ? sheaf_pool_current() : NULL;
    bool here = pool && (!loop->options.pool || loop->options.pool == pool);
    begin_record(loop);
    int status =
        here ? run_here(&call, NULL) : sheaf__run_as_task(loop->options.pool, run_here, &call);
    end_record(loop);
    return status;
}
