/* Dumps into files, and at a signal. */
#include "lib/dump_to.h"

#include <sheaf/debug.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/interrupt.h"
#include "lib/own_file.h"
#include "lib/pool_impl.h"

/* ---------------------------------------------------------------- files */

static void write_line(void *context, const char *line)
{
    struct sheaf__own_file *file = context;
    size_t length = strlen(line);
    char end = '\n';
    struct iovec parts[2] = {{.iov_base = (char *)(uintptr_t)line, .iov_len = length},
                             {.iov_base = &end, .iov_len = 1}};
    if (file->error) {
        return;
    }
    ssize_t written = writev(file->fd, parts, 2);
    size_t done = written > 0 ? (size_t)written : 0;
    if (done < length) {
        sheaf__own_file_write(file, line + done, length - done); /* tells what is wrong, too */
    }
    if (done <= length) {
        sheaf__own_file_write(file, &end, 1);
    }
}

int sheaf_dump_to_file(sheaf_pool *pool, sheaf_dump_format format, const char *path)
{
    struct sheaf__own_file file;
    if (!path || (format != SHEAF_DUMP_TEXT && format != SHEAF_DUMP_JSON)) {
        return SHEAF_INVALID;
    }
    int error = sheaf__own_file_open(path, &file);
    if (error) {
        return error;
    }
    int status = sheaf_dump(pool, format, write_line, &file);
    int error_at_end = sheaf__own_file_close(&file);
    return error_at_end ? error_at_end : status;
}

/* ---------------------------------------------------------------- signals */

struct listener {
    struct sheaf__interrupt interrupt;
    size_t size;             /* of the whole block */
    struct listener *before; /* in a child: what listened in the parent of its parent */
    sheaf_dump_format format;
    char path[]; /* empty: to the report hook */
};

/* Rank 0. */
static pthread_mutex_t listener_lock = PTHREAD_MUTEX_INITIALIZER;
static struct listener *listener;  /* guarded by it, as the next ones; NULL: nobody listens */
static bool ending;                /* it is being ended */
static struct listener *elsewhere; /* in a child: those that listen in other processes */

void sheaf__dump_forget(void)
{
    listener_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    ending = false;
    if (listener) {
        listener->before = elsewhere; /* its memory stays, as all of the parent's does */
        elsewhere = listener;
        listener = NULL;
    }
}

static void report_failure(const char *path, int error)
{
    char line[400];
    sheaf_report_fn *report;
    void *context;
    sheaf__report_hook(&report, &context);
    snprintf(line, sizeof line, "the dump could not be written to %.200s: %s", path,
             sheaf_status_text(error));
    report(context, line);
}

/* On the listener's thread: a signal has come. */
static void dump_now(void *context)
{
    struct listener *self = context;
    if (self->path[0]) {
        int status = sheaf_dump_to_file(NULL, self->format, self->path);
        if (status != SHEAF_OK) {
            report_failure(self->path, status);
        }
        return;
    }
    sheaf_report_fn *report;
    void *hook_context;
    sheaf__report_hook(&report, &hook_context);
    (void)sheaf_dump(NULL, self->format, report, hook_context);
}

static bool signal_fits(int number)
{
    struct sigaction action;
    switch (number) {
    case SIGINT: /* a run's */
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV: /* what a fault raises would come again and again */
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
        return false;
    default:
        return sigaction(number, NULL, &action) == 0;
    }
}

static struct listener *new_listener(int number, sheaf_dump_format format, const char *path)
{
    size_t length = path ? strlen(path) : 0;
    size_t size = sizeof(struct listener) + length + 1;
    struct listener *made = sheaf__alloc_zeroed(size);
    if (made) {
        made->interrupt.use = SHEAF__INTERRUPT_DUMP;
        made->interrupt.signal = number;
        made->interrupt.tell = dump_now;
        made->interrupt.context = made;
        made->size = size;
        made->format = format;
        memcpy(made->path, path ? path : "", length + 1);
    }
    return made;
}

/* Returns: SHEAF_OK: the listener has begun, and is the one */
static int begin(struct listener *made)
{
    pthread_mutex_lock(&listener_lock);
    int status = listener ? SHEAF_STATE : sheaf__interrupt_begin(&made->interrupt);
    if (status == SHEAF_OK && !made->interrupt.listens) {
        status = SHEAF_STATE;
    }
    if (status == SHEAF_OK) {
        listener = made;
    }
    pthread_mutex_unlock(&listener_lock);
    return status;
}

int sheaf_dump_on_signal(int signal, sheaf_dump_format format, const char *path)
{
    bool to_file = path && path[0];
    if (!signal_fits(signal) || (path && !path[0]) ||
        !(format == SHEAF_DUMP_TEXT || (format == SHEAF_DUMP_JSON && to_file))) {
        return SHEAF_INVALID;
    }
    SHEAF_TRY(sheaf__process_prepare());
    struct listener *made = new_listener(signal, format, path);
    if (!made) {
        return SHEAF_NOMEM;
    }
    int status = begin(made);
    if (status != SHEAF_OK) {
        sheaf__free(made, made->size);
    }
    return status;
}

void sheaf_dump_no_signal(void)
{
    pthread_mutex_lock(&listener_lock);
    struct listener *ours = ending ? NULL : listener;
    ending = ending || ours;
    pthread_mutex_unlock(&listener_lock);
    if (!ours) {
        return;
    }
    /* Not under the lock: a dump may be under way, in a hook of the program's. */
    sheaf__interrupt_end(&ours->interrupt);
    pthread_mutex_lock(&listener_lock);
    listener = NULL;
    ending = false;
    pthread_mutex_unlock(&listener_lock);
    sheaf__free(ours, ours->size);
}
