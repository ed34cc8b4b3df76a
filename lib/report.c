/* Errors that nobody looked at, told to the program's hook one at a time, each among the values of
 * the task that has failed. */
#include "lib/future_impl.h"

#include <stdio.h>

#include "lib/alloc.h"
#include "lib/error_impl.h"

/* A report that waits for the hook. */
struct sheaf__report {
    struct sheaf__report *next;
    sheaf_error *error;
    struct sheaf__locals *locals; /* a reference */
    char task_name[128];
};

static void call_hook(sheaf_pool *pool, const sheaf_error *error, const char *task_name,
                      struct sheaf__locals *locals)
{
    struct sheaf__visit visit;
    sheaf__locals_visit(&visit, locals);
    if (pool->unhandled) {
        pool->unhandled(pool->hook_context, error, task_name);
    } else {
        sheaf__unhandled_default(NULL, error, task_name);
    }
    sheaf__locals_return(&visit);
}

static struct sheaf__report *new_report(sheaf_error *error, const char *task_name,
                                        struct sheaf__locals *locals)
{
    struct sheaf__report *report = sheaf__alloc(sizeof *report);
    if (report) {
        report->next = NULL;
        report->error = sheaf_error_retain(error);
        report->locals = sheaf__locals_retain(locals);
        snprintf(report->task_name, sizeof report->task_name, "%s", task_name);
    }
    return report;
}

/* Appends.  Returns: whether nobody works the list off: then it is the caller's to do */
static bool append_report(sheaf_pool *pool, struct sheaf__report *report)
{
    pthread_mutex_lock(&pool->hook_lock);
    struct sheaf__report **end = &pool->reports;
    while (*end) {
        end = &(*end)->next;
    }
    *end = report;
    bool ours = !pool->reporting;
    pool->reporting = true;
    pthread_mutex_unlock(&pool->hook_lock);
    return ours;
}

static struct sheaf__report *next_report(sheaf_pool *pool)
{
    pthread_mutex_lock(&pool->hook_lock);
    struct sheaf__report *report = pool->reports;
    if (report) {
        pool->reports = report->next;
    }
    pool->reporting = report != NULL;
    pthread_mutex_unlock(&pool->hook_lock);
    return report;
}

void sheaf__report(sheaf_pool *pool, sheaf_error *error, const char *task_name,
                   struct sheaf__locals *locals)
{
    struct sheaf__report *report = new_report(error, task_name, locals);
    if (!report) {
        call_hook(pool, error, task_name, locals); /* out of turn is better than not at all */
        return;
    }
    if (!append_report(pool, report)) {
        return;
    }
    while ((report = next_report(pool)) != NULL) {
        call_hook(pool, report->error, report->task_name, report->locals);
        sheaf__locals_release(report->locals);
        sheaf_error_release(report->error);
        sheaf__free(report, sizeof *report);
    }
}
