/* Traces in the form of Chrome's: an observer that writes a file.
 *
 * Events are made into text on the stack of whoever tells of them; only its place in the buffer,
 * and a write(2) when that is full, is decided under a lock.  The events of one thread come in
 * order, which is all that viewers ask for. */
#include "lib/observe.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/json_string.h"
#include "lib/own_file.h"

#define BUFFER_SIZE 65536U
#define TEXT_SIZE 2560U
#define NAME_SIZE 100U
#define PLACE_SIZE 200U

static const char array_begin[] = "[\n";
static const char next_element[] = ",\n";
static const char array_end[] = "\n]\n";

/* The one trace of the process.  Rank 4: guards all of it; nothing is called with it held. */
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char *buffer; /* NULL: there is no trace */
    size_t used;
    struct sheaf__own_file file;
    bool begun;       /* the file has an element */
    bool ended;       /* the file ends with the end of its array */
    uintptr_t number; /* of the trace, so that the pools of another do not write into it */
    bool environment_read;
    bool at_exit; /* the end of the process ends it */
} trace;

/* ---------------------------------------------------------------- the file; trace_lock is held */

static void write_out(const char *text, size_t size)
{
    if (trace.ended) {
        /* The end is overwritten: the array goes on. */
        if (lseek(trace.file.fd, -(off_t)(sizeof array_end - 1), SEEK_END) < 0) {
            trace.file.error = trace.file.error ? trace.file.error : errno;
        }
        trace.ended = false;
    }
    sheaf__own_file_write(&trace.file, text, size);
}

static void empty_buffer(void)
{
    if (trace.used > 0) {
        write_out(trace.buffer, trace.used);
        trace.used = 0;
    }
}

static void append(const char *text, size_t size)
{
    if (trace.used + size > BUFFER_SIZE) {
        empty_buffer();
    }
    memcpy(trace.buffer + trace.used, text, size);
    trace.used += size;
}

/* Makes the file whole. */
static void complete(void)
{
    if (!trace.begun) {
        append(array_begin, sizeof array_begin - 1);
        trace.begun = true;
    }
    empty_buffer();
    if (!trace.ended) {
        sheaf__own_file_write(&trace.file, array_end, sizeof array_end - 1);
        trace.ended = true;
    }
}

/* Returns: 0 or an errno value */
static int end_trace(void)
{
    complete();
    trace.buffer = NULL; /* the caller frees it, without the lock */
    return sheaf__own_file_close(&trace.file);
}

/* ---------------------------------------------------------------- events as text */

struct text {
    size_t length;
    char bytes[TEXT_SIZE];
};

/* Not by the functions of stdio, which took most of the time of a trace. */
static void add(struct text *text, const char *words)
{
    size_t length = strlen(words);
    size_t room = sizeof text->bytes - text->length;
    length = length < room ? length : room;
    memcpy(text->bytes + text->length, words, length);
    text->length += length;
}

#define DIGITS_MAX 20

/* digits: at least so many, with zeros in front */
static void add_number(struct text *text, uint64_t number, unsigned digits)
{
    char reversed[DIGITS_MAX];
    unsigned count = 0;
    while (number > 0 || count < digits) {
        reversed[count++] = (char)('0' + number % 10);
        number /= 10;
    }
    for (; count > 0 && text->length < sizeof text->bytes; text->length++) {
        text->bytes[text->length] = reversed[--count];
    }
}

static void add_string(struct text *text, const char *string, size_t most)
{
    size_t room = sizeof text->bytes - text->length;
    text->length += sheaf__json_string(text->bytes + text->length, room, string, most);
}

/* The members that every event has.  Threads are numbered from 1; 0 are those of the program's. */
static void open_event(struct text *text, const sheaf_trace_event *event, const char *phase)
{
    uint64_t time = (uint64_t)event->time;
    add(text, text->length ? next_element : "");
    add(text, "{\"ph\":\"");
    add(text, phase);
    add(text, "\",\"pid\":");
    add_number(text, event->pool, 1);
    add(text, ",\"tid\":");
    add_number(text, (uint64_t)event->worker + 1, 1);
    add(text, ",\"ts\":");
    add_number(text, time / 1000, 1);
    add(text, ".");
    add_number(text, time % 1000, 3);
}

static void add_task_name(struct text *text, const sheaf_trace_event *event)
{
    if (event->name) {
        add_string(text, event->name, NAME_SIZE);
        return;
    }
    add(text, "\"task ");
    add_number(text, event->task, 1);
    add(text, "\"");
}

static void add_worker(struct text *text, const sheaf_trace_event *event)
{
    open_event(text, event, "M");
    add(text, ",\"name\":\"process_name\",\"args\":{\"name\":");
    add_string(text, event->name, NAME_SIZE);
    add(text, "}}");
    open_event(text, event, "M");
    add(text, ",\"name\":\"thread_name\",\"args\":{\"name\":\"");
    add(text, event->status ? "spare " : "worker ");
    add_number(text, (uint64_t)event->worker, 1);
    add(text, "\"}}");
}

static void add_arrow(struct text *text, const sheaf_trace_event *event, const char *phase)
{
    open_event(text, event, phase);
    add(text, ",\"name\":\"spawn\",\"cat\":\"spawn\",\"bp\":\"e\",\"id\":");
    add_number(text, event->task, 1);
    add(text, "}");
}

static void add_task(struct text *text, const sheaf_trace_event *event, const char *phase)
{
    open_event(text, event, phase);
    add(text, ",\"cat\":\"task\",\"name\":");
    add_task_name(text, event);
    add(text, ",\"args\":{\"task\":");
    add_number(text, event->task, 1);
    add(text, ",\"spawned_at\":");
    add_string(text, event->place, PLACE_SIZE);
    if (event->kind == SHEAF_TRACE_END || event->kind == SHEAF_TRACE_DROP) {
        add(text, ",\"status\":");
        add_string(text, sheaf_status_name(event->status), NAME_SIZE);
    } else if (event->kind == SHEAF_TRACE_SUSPEND) {
        add(text, ",\"waits_for\":");
        add_string(text, event->waits_for ? event->waits_for : "its turn", NAME_SIZE);
    }
    add(text, event->kind == SHEAF_TRACE_DROP ? "},\"s\":\"t\"}" : "}}");
}

static void add_sleep(struct text *text, const sheaf_trace_event *event, const char *phase)
{
    open_event(text, event, phase);
    add(text, ",\"cat\":\"worker\",\"name\":\"asleep\"}");
}

static void add_event(struct text *text, const sheaf_trace_event *event)
{
    switch (event->kind) {
    case SHEAF_TRACE_WORKER:
        add_worker(text, event);
        break;
    case SHEAF_TRACE_SPAWN:
        add_arrow(text, event, "s");
        break;
    case SHEAF_TRACE_BEGIN:
        add_task(text, event, "B");
        add_arrow(text, event, "f");
        break;
    case SHEAF_TRACE_RESUME:
        add_task(text, event, "B");
        break;
    case SHEAF_TRACE_SUSPEND:
    case SHEAF_TRACE_END:
        add_task(text, event, "E");
        break;
    case SHEAF_TRACE_DROP:
        add_task(text, event, "i");
        break;
    case SHEAF_TRACE_SLEEP:
        add_sleep(text, event, "B");
        break;
    case SHEAF_TRACE_WAKE:
        add_sleep(text, event, "E");
        break;
    case SHEAF_TRACE_CLOSE:
        break;
    }
}

/* ---------------------------------------------------------------- the observer */

/* context: the number of the trace */
static void observe(void *context, const sheaf_trace_event *event)
{
    struct text text; /* not cleared: it is long */
    text.length = 0;
    add_event(&text, event);
    pthread_mutex_lock(&trace_lock);
    if (trace.buffer && (uintptr_t)context == trace.number) {
        if (text.length > 0) {
            append(trace.begun ? next_element : array_begin, sizeof next_element - 1);
            append(text.bytes, text.length);
            trace.begun = true;
        }
        if (event->kind == SHEAF_TRACE_CLOSE) {
            complete();
        }
    }
    pthread_mutex_unlock(&trace_lock);
}

/* ---------------------------------------------------------------- begin and end */

static void end_at_exit(void)
{
    (void)sheaf_trace_end();
}

/* Returns: as sheaf_trace_begin(); the buffer (may be NULL) is taken when that is SHEAF_OK.
 * Requires: trace_lock */
static int begin_locked(const char *path, char *buffer)
{
    if (trace.buffer) {
        return SHEAF_STATE;
    }
    if (!buffer || (!trace.at_exit && atexit(end_at_exit))) {
        return SHEAF_NOMEM;
    }
    trace.at_exit = true;
    int error = sheaf__own_file_open(path, &trace.file);
    if (error) {
        return error;
    }
    trace.buffer = buffer;
    trace.used = 0;
    trace.begun = trace.ended = false;
    trace.number++;
    return SHEAF_OK;
}

int sheaf_trace_begin(const char *path)
{
    if (!path) {
        return SHEAF_INVALID;
    }
    SHEAF_TRY(sheaf__process_prepare());
    char *buffer = sheaf__alloc(BUFFER_SIZE);
    pthread_mutex_lock(&trace_lock);
    int status = begin_locked(path, buffer);
    pthread_mutex_unlock(&trace_lock);
    if (status) {
        sheaf__free(buffer, BUFFER_SIZE);
    }
    return status;
}

int sheaf_trace_end(void)
{
    pthread_mutex_lock(&trace_lock);
    char *buffer = trace.buffer;
    int status = buffer ? end_trace() : SHEAF_STATE;
    pthread_mutex_unlock(&trace_lock);
    sheaf__free(buffer, BUFFER_SIZE);
    return status;
}

static void report_failure(const char *path, int status)
{
    char line[400];
    sheaf_report_fn *report;
    void *context;
    sheaf__report_hook(&report, &context);
    snprintf(line, sizeof line, "no trace in %.200s: %s", path, sheaf_status_text(status));
    report(context, line);
}

void sheaf__trace_prepare(void)
{
    const char *path = secure_getenv("SHEAF_TRACE");
    if (!path || !*path) {
        return;
    }
    char *buffer = sheaf__alloc(BUFFER_SIZE);
    pthread_mutex_lock(&trace_lock);
    bool first = !trace.environment_read;
    int status = first ? begin_locked(path, buffer) : SHEAF_OK;
    trace.environment_read = true;
    pthread_mutex_unlock(&trace_lock);
    if (!first || status) {
        sheaf__free(buffer, BUFFER_SIZE);
    }
    if (status) {
        report_failure(path, status);
    }
}

sheaf_observer_fn *sheaf__trace_observer(void **context)
{
    pthread_mutex_lock(&trace_lock);
    bool on = trace.buffer != NULL;
    *context = (void *)trace.number;
    pthread_mutex_unlock(&trace_lock);
    return on ? observe : NULL;
}

void sheaf__trace_forget(void)
{
    trace_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    trace.environment_read = true;
    if (trace.buffer) {
        trace.buffer = NULL; /* its memory stays, as all of the parent's does */
        close(trace.file.fd);
    }
}
