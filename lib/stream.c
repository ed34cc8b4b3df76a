/* Running many calls, a bounded number at a time: from an array, or from a generator.
 *
 * The caller's own task or thread starts calls and hands out their outcomes, in the order of the
 * calls; nobody else calls the source or the sink.  Calls that are under way, or have ended and are
 * still to be handed out, lie in a ring of slots.  Each end is noted under the monitor by whoever
 * ends the call.
 *
 * It is joined: the caller leaves when every call that was started has been handed out.  The stream
 * itself may be touched a moment longer by the last of the ends, hence the references. */
#include <sheaf/gather.h>
#include <sheaf/task.h>

#include "lib/alloc.h"
#include "lib/future_impl.h"
#include "lib/monitor.h"
#include "lib/options.h"
#include "lib/waiting.h"

/* How many outcomes may wait for an older one, for each call that may run. */
#define WINDOW_FACTOR 4U

/* So many calls for each worker run at a time unless the options say otherwise. */
#define DEFAULT_LIMIT_FACTOR 4U

#define ALL_FLAGS                                                                                  \
    ((unsigned)(SHEAF_GATHER_COLLECT | SHEAF_GATHER_CANCEL | SHEAF_GATHER_JOIN |                   \
                SHEAF_GATHER_REPORT_LATE))

struct stream;

struct slot {
    struct sheaf__node node;
    struct stream *stream;
    sheaf_future *future; /* held; the caller's */
    bool done;            /* guarded by the monitor */
};

struct stream {
    struct sheaf__monitor monitor;
    SHEAF__ATOMIC(size_t) references; /* the caller's, and one for each call under way */
    size_t window;                    /* const: how many slots */

    /* Guarded by the monitor. */
    size_t running;
    sheaf_future *first_bad; /* held */

    /* The caller's. */
    sheaf_gather_options options;
    sheaf_source_fn *source;
    sheaf_sink_fn *sink;
    void *context;
    size_t started;
    size_t handed_out;
    bool exhausted; /* the source has no more, or is not asked any more */
    bool stopped;   /* what runs has been asked to cancel */
    int status;     /* why it was stopped, unless it was for first_bad */

    struct slot slots[];
};

static struct slot *slot_at(struct stream *stream, size_t index)
{
    return &stream->slots[index % stream->window];
}

static size_t size_of(size_t window)
{
    return sizeof(struct stream) + window * sizeof(struct slot);
}

static void drop_reference(struct stream *stream)
{
    /* acq_rel: the last one sees what the others did before they let go. */
    if (sheaf__sub_acq_rel(&stream->references, 1) == 1) {
        if (stream->first_bad) {
            sheaf__future_unhold(stream->first_bad);
        }
        sheaf__free(stream, size_of(stream->window));
    }
}

/* ---------------------------------------------------------------- ends */

static void note_end(struct slot *slot, sheaf_future *future)
{
    struct stream *stream = slot->stream;
    bool bad = sheaf__future_outcome(future) != SHEAF_OK;
    sheaf__monitor_enter(&stream->monitor);
    slot->done = true;
    stream->running--;
    if (bad && !stream->first_bad) {
        sheaf__future_hold(future);
        stream->first_bad = future;
    }
    sheaf__monitor_notify(&stream->monitor, SIZE_MAX);
    sheaf__monitor_leave(&stream->monitor);
    drop_reference(stream);
}

static void notify_slot(struct sheaf__node *node, sheaf_future *future, struct sheaf__ended *more)
{
    (void)more;
    note_end(SHEAF__CONTAINER(node, struct slot, node), future);
}

/* ---------------------------------------------------------------- starting */

/* The future of a call; its end will be noted, or has been. */
static void start_future(struct stream *stream, struct slot *slot, const sheaf_call *call)
{
    if (call->future) {
        slot->future = call->future;
        sheaf__future_hold(slot->future);
        if (!sheaf__future_register(slot->future, &slot->node)) {
            note_end(slot, slot->future);
        }
        return;
    }
    sheaf_spawn_options options = {.size = sizeof options, .pool = stream->options.pool};
    slot->future = sheaf__task_make(&options, call->fn, call->arg, &slot->node);
    if (sheaf__future_flags(slot->future) & SHEAF__JOB_STATIC) {
        note_end(slot, slot->future);
    } else if (!sheaf__task_start(slot->future)) {
        sheaf__task_discard(slot->future, SHEAF_CLOSED); /* tells the node */
    }
}

static void start_call(struct stream *stream, const sheaf_call *call)
{
    struct slot *slot = slot_at(stream, stream->started++);
    *slot = (struct slot){.node = {.to = {.notify = notify_slot}}, .stream = stream};
    sheaf_pool *pool = stream->options.pool ? stream->options.pool : sheaf_pool_current();
    sheaf__monitor_enter(&stream->monitor);
    sheaf__monitor_concern(&stream->monitor,
                           call->future ? sheaf__future_pool(call->future) : pool);
    stream->running++;
    sheaf__monitor_leave(&stream->monitor);
    sheaf__add_rlx(&stream->references, 1);
    start_future(stream, slot, call);
}

/* Whether a failure ends the stream.  Requires: entered */
static bool has_bad(const struct stream *stream)
{
    return stream->first_bad && !(stream->options.flags & SHEAF_GATHER_COLLECT);
}

static bool may_start(struct stream *stream)
{
    if (stream->exhausted || stream->started - stream->handed_out == stream->window) {
        return false;
    }
    sheaf__monitor_enter(&stream->monitor);
    bool room = stream->running < stream->options.limit && !has_bad(stream);
    sheaf__monitor_leave(&stream->monitor);
    return room;
}

/* Starts what may run.  Returns: SHEAF_OK; SHEAF_INVALID for a call that is none */
static int start_some(struct stream *stream)
{
    while (may_start(stream)) {
        sheaf_call call = {NULL, NULL, NULL};
        if (!stream->source(stream->context, &call)) {
            stream->exhausted = true;
        } else if (!call.fn && !call.future) {
            return SHEAF_INVALID;
        } else {
            start_call(stream, &call);
        }
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- stopping */

/* Asks what runs to cancel, and starts no more. */
static void stop(struct stream *stream, int status, sheaf_origin origin)
{
    stream->exhausted = true;
    stream->stopped = true;
    stream->status = stream->status == SHEAF_OK ? status : stream->status;
    for (size_t i = stream->handed_out; i < stream->started; i++) {
        sheaf_future *future = slot_at(stream, i)->future;
        if (!sheaf__future_done(future)) {
            sheaf__future_ask(future, origin, NULL);
        }
    }
}

static bool has_failed(struct stream *stream)
{
    sheaf__monitor_enter(&stream->monitor);
    bool failed = has_bad(stream);
    sheaf__monitor_leave(&stream->monitor);
    return failed;
}

/* ---------------------------------------------------------------- handing out */

/* Requires: the slot is done */
static void hand_out(struct stream *stream, struct slot *slot)
{
    sheaf_value value = {0};
    size_t index = stream->handed_out++;
    sheaf_future *future = slot->future;
    int status = sheaf_result(future, &value); /* that of a future given stays there */
    if (stream->sink) {
        int answer = stream->sink(stream->context, index, status, value);
        if (answer != SHEAF_OK && !stream->stopped) {
            stop(stream, answer, SHEAF_ORIGIN_GROUP);
        }
    }
    sheaf__future_unhold(future);
}

static bool oldest_is_done(struct stream *stream)
{
    return stream->handed_out < stream->started && slot_at(stream, stream->handed_out)->done;
}

/* Something for the caller to do.  Requires: entered */
static bool has_news(struct stream *stream)
{
    bool failed = has_bad(stream);
    bool over = stream->exhausted && stream->handed_out == stream->started;
    bool room = !stream->exhausted && !failed && stream->running < stream->options.limit &&
                stream->started - stream->handed_out < stream->window;
    return over || oldest_is_done(stream) || room || (failed && !stream->stopped);
}

/* Waits for news.  A request to the caller stops the stream. */
static void wait_for_news(struct stream *stream, unsigned *turns)
{
    int status = SHEAF_OK;
    sheaf__monitor_enter(&stream->monitor);
    while (!has_news(stream) && status == SHEAF_OK) {
        status = sheaf__monitor_wait(&stream->monitor, NULL, "calls", SHEAF_FOREVER);
    }
    sheaf__monitor_leave(&stream->monitor);
    if (status == SHEAF_CANCELLED) {
        stop(stream, SHEAF_CANCELLED, SHEAF_ORIGIN_AWAITER);
    } else if (status != SHEAF_OK) {
        sheaf__spin_wait(turns); /* the system refuses a thread what it sleeps on */
    }
}

static void run_stream(struct stream *stream)
{
    unsigned turns = 0;
    int status = start_some(stream);
    while (stream->handed_out < stream->started || !stream->exhausted) {
        if (status != SHEAF_OK && !stream->stopped) {
            stop(stream, status, SHEAF_ORIGIN_GROUP);
        } else if (!stream->stopped && has_failed(stream)) {
            stop(stream, SHEAF_OK, SHEAF_ORIGIN_GROUP);
        }
        wait_for_news(stream, &turns);
        sheaf__monitor_enter(&stream->monitor);
        bool done = oldest_is_done(stream);
        sheaf__monitor_leave(&stream->monitor);
        if (done) {
            hand_out(stream, slot_at(stream, stream->handed_out));
        }
        status = start_some(stream);
    }
}

/* ---------------------------------------------------------------- the calls */

static int read_options(const sheaf_gather_options *given, sheaf_gather_options *options)
{
    SHEAF_TRY(sheaf__options_read(given, options, sizeof *options));
    return options->flags & ~ALL_FLAGS ? SHEAF_INVALID : SHEAF_OK;
}

/* window: how many slots */
static struct stream *new_stream(const sheaf_gather_options *options, size_t window)
{
    struct stream *stream = sheaf__alloc_zeroed(size_of(window));
    if (stream) {
        sheaf__store_rlx(&stream->references, 1);
        stream->window = window;
        stream->options = *options;
    }
    return stream;
}

/* What the stream ends with; its own reference is given up. */
static int conclude(struct stream *stream)
{
    int status = stream->status;
    sheaf_future *bad = stream->first_bad;
    if (status == SHEAF_OK && bad && !(stream->options.flags & SHEAF_GATHER_COLLECT)) {
        status = sheaf__future_read(bad, sheaf_current(), NULL);
    }
    drop_reference(stream);
    return status;
}

int sheaf_gather_stream(const sheaf_gather_options *given, sheaf_source_fn *source,
                        sheaf_sink_fn *sink, void *context)
{
    sheaf_gather_options options;
    if (!source || read_options(given, &options)) {
        return SHEAF_INVALID;
    }
    sheaf_pool *pool = options.pool ? options.pool : sheaf_pool_current();
    pool = pool ? pool : sheaf_pool_default();
    if (options.limit == 0 && pool) {
        options.limit = (size_t)sheaf_pool_workers(pool) * DEFAULT_LIMIT_FACTOR;
    }
    if (options.limit > SHEAF_MEMBERS_MAX) {
        return SHEAF_INVALID;
    }
    struct stream *stream = pool ? new_stream(&options, options.limit * WINDOW_FACTOR) : NULL;
    if (!stream) {
        return SHEAF_NOMEM;
    }
    stream->source = source;
    stream->sink = sink;
    stream->context = context;
    run_stream(stream);
    return conclude(stream);
}

/* The array of sheaf_gather_run() as source and sink. */
struct run {
    const sheaf_call *calls;
    size_t count;
    size_t next;
    sheaf_value *values;
    int *statuses;
};

static bool next_call(void *context, sheaf_call *next)
{
    struct run *run = context;
    if (run->next == run->count) {
        return false;
    }
    *next = run->calls[run->next++];
    return true;
}

static int keep_outcome(void *context, size_t index, int status, sheaf_value value)
{
    struct run *run = context;
    if (run->values) {
        run->values[index] = value;
    }
    if (run->statuses) {
        run->statuses[index] = status;
    }
    return SHEAF_OK;
}

void sheaf__clear_results(size_t count, sheaf_value *values, int *statuses)
{
    for (size_t i = 0; i < count; i++) {
        if (values) {
            values[i] = (sheaf_value){0};
        }
        if (statuses) {
            statuses[i] = SHEAF_CANCELLED;
        }
    }
}

bool sheaf__calls_valid(const sheaf_call *calls, size_t count)
{
    if (count > SHEAF_MEMBERS_MAX || (count > 0 && !calls)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!calls[i].fn && !calls[i].future) {
            return false;
        }
    }
    return true;
}

int sheaf_gather_run(const sheaf_gather_options *given, const sheaf_call *calls, size_t count,
                     sheaf_value *values, int *statuses)
{
    sheaf_gather_options options;
    if (read_options(given, &options) || !sheaf__calls_valid(calls, count)) {
        return SHEAF_INVALID;
    }
    struct run run = {.calls = calls, .count = count, .values = values};
    run.statuses = statuses;
    options.limit = options.limit ? options.limit : SIZE_MAX;
    struct stream *stream = new_stream(&options, count ? count : 1);
    sheaf__clear_results(count, values, statuses);
    if (!stream) {
        return SHEAF_NOMEM;
    }
    stream->source = next_call;
    stream->sink = keep_outcome;
    stream->context = &run;
    run_stream(stream);
    return conclude(stream);
}
