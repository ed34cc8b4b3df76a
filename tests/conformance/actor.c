#include "tests/conformance/actor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What nobody writes who means it to end: an endless loop, or tasks that spawn without end. */
enum { STATEMENTS_MAX = 20000000, ARENA_MAX = 1 << 30, TRACE_MAX = 512 << 20 };

/* So many turns of its loop are more than the reference waits for. */
enum { TURNS_MAX = 300000 };

/* ---------------------------------------------------------------- the play */

void *play_take(struct play *play, size_t bytes)
{
    pthread_mutex_lock(&play->lock);
    void *memory = arena_take(&play->arena, bytes);
    pthread_mutex_unlock(&play->lock);
    return memory;
}

static int64_t now_ms(const struct play *play)
{
    return (sheaf_now() - play->start) / SHEAF_MS(1);
}

bool play_goes_on(struct play *play)
{
    int64_t ms = now_ms(play);
    pthread_mutex_lock(&play->lock);
    if (ms >= SCENARIO_MS_MAX || ++play->statements > STATEMENTS_MAX ||
        play->arena.bytes > ARENA_MAX || play->trace.bytes > TRACE_MAX) {
        play->over = true;
    }
    bool on = !play->over;
    pthread_mutex_unlock(&play->lock);
    return on;
}

bool actor_takes_turns(struct actor *actor, unsigned turns)
{
    struct play *play = actor->play;
    actor->turns += turns;
    if (actor->turns <= TURNS_MAX) {
        return true;
    }
    pthread_mutex_lock(&play->lock);
    play->over = true;
    pthread_mutex_unlock(&play->lock);
    return false;
}

void actor_log_text(const struct actor *actor, const char *what, const struct text *more)
{
    struct play *play = actor->play;
    int64_t ms = now_ms(play);
    struct text line = {0};
    text_add(&line, "%s %s%s", actor->path, what, more->length > 0 ? more->data : "");
    pthread_mutex_lock(&play->lock);
    trace_add(&play->trace, ms, line);
    play->over = play->over || ms >= SCENARIO_MS_MAX;
    pthread_mutex_unlock(&play->lock);
}

void actor_log(const struct actor *actor, const char *format, ...)
{
    struct text what = {0};
    va_list arguments;
    va_start(arguments, format);
    text_add_v(&what, format, arguments);
    va_end(arguments);
    actor_log_text(actor, "", &what);
    text_free(&what);
}

struct actor *actor_new(struct play *play, const struct actor *parent, const char *name,
                        const struct task_body *body)
{
    size_t room = strlen(name) + (parent ? strlen(parent->path) + 1 : 0) + 1;
    struct actor *actor = play_take(play, sizeof *actor + room);
    char *path = (char *)(actor + 1);
    snprintf(path, room, "%s%s%s", parent ? parent->path : "", parent ? "." : "", name);
    *actor = (struct actor){.play = play, .path = path, .parent = parent, .body = body};
    return actor;
}

/* ---------------------------------------------------------------- names */

/* The place for a name among the actor's own; where there is none yet, one at the end. */
static struct binding *place_of(struct actor *actor, const char *name)
{
    struct binding **link = &actor->first;
    while (*link && strcmp((*link)->name, name) != 0) {
        link = &(*link)->next;
    }
    if (!*link) {
        *link = arena_take(&actor->play->arena, sizeof **link);
        (*link)->name = name;
    }
    return *link;
}

void actor_hold(struct actor *actor)
{
    pthread_mutex_lock(&actor->play->lock);
}

void actor_let_go(struct actor *actor)
{
    pthread_mutex_unlock(&actor->play->lock);
}

void actor_bind_held(struct actor *actor, const char *name, const struct handle *handle)
{
    struct play *play = actor->play;
    size_t room = strlen(actor->path) + strlen(name) + 2;
    struct handle *bound = arena_take(&play->arena, sizeof *bound + room);
    char *path = (char *)(bound + 1);
    snprintf(path, room, "%s.%s", actor->path, name);
    *bound = *handle;
    bound->path = path;
    bound->older = play->handles;
    play->handles = bound;
    place_of(actor, name)->handle = bound;
    actor_let_go(actor);
}

void actor_bind(struct actor *actor, const char *name, const struct handle *handle)
{
    actor_hold(actor);
    actor_bind_held(actor, name, handle);
}

const struct handle *actor_find(const struct actor *actor, const char *name)
{
    const struct handle *found = NULL;
    pthread_mutex_lock(&actor->play->lock);
    for (const struct actor *a = actor; a && !found; a = a->parent) {
        const struct binding *b = a->first;
        while (b && strcmp(b->name, name) != 0) {
            b = b->next;
        }
        found = b ? b->handle : NULL;
    }
    pthread_mutex_unlock(&actor->play->lock);
    return found;
}

bool actor_may_await(const struct actor *actor, const struct handle *handle)
{
    struct actor *awaited = handle->actor;
    if (!awaited || sheaf_done(handle->future)) {
        return true;
    }
    pthread_mutex_lock(&actor->play->lock);
    bool may = !awaited->awaited_itself;
    awaited->awaited_itself = !may || awaited == actor;
    pthread_mutex_unlock(&actor->play->lock);
    return may;
}

const struct handle **actor_find_all(const struct actor *actor, char *const *names, size_t *count)
{
    const struct handle **found = play_take(actor->play, *count * sizeof *found);
    size_t n = 0;
    for (size_t i = 0; i < *count; i++) {
        found[n] = actor_find(actor, names[i]);
        n += found[n] ? 1 : 0;
    }
    *count = n;
    return found;
}

sheaf_future **actor_futures(const struct actor *actor, const struct handle *const *handles,
                             size_t count)
{
    sheaf_future **futures = play_take(actor->play, count * sizeof(sheaf_future *));
    for (size_t i = 0; i < count; i++) {
        futures[i] = handles[i]->future;
    }
    return futures;
}

const char *actor_name_of(const struct actor *actor, const sheaf_future *future)
{
    const char *name = NULL;
    pthread_mutex_lock(&actor->play->lock);
    for (const struct actor *a = actor; a && !name; a = a->parent) {
        const struct binding *b = a->first;
        while (b && b->handle->future != future) {
            b = b->next;
        }
        name = b ? b->name : NULL;
    }
    pthread_mutex_unlock(&actor->play->lock);
    return name ? name : "?";
}

/* ---------------------------------------------------------------- outcomes */

void value_write(const struct handle *handle, sheaf_value value, struct text *out)
{
    if (!handle->is_gather) {
        text_add(out, "ok:%" PRId64, value.i64);
        return;
    }
    const sheaf_value *values = value.ptr;
    text_add(out, "[");
    for (size_t i = 0; i < handle->count; i++) {
        const struct handle *member = handle->members[i];
        text_add(out, "%s", i > 0 ? "," : "");
        if (sheaf_future_status(member->future) == SHEAF_OK) {
            value_write(member, values[i], out);
        } else {
            outcome_write(member, out);
        }
    }
    text_add(out, "]");
}

void outcome_write(const struct handle *handle, struct text *out)
{
    if (!sheaf_done(handle->future)) {
        text_add(out, "pending");
        return;
    }
    sheaf_value value;
    int status = sheaf_result(handle->future, &value);
    if (status == SHEAF_OK) {
        value_write(handle, value, out);
    } else if (status == SHEAF_CANCELLED) {
        text_add(out, "cancelled");
    } else {
        sheaf_error *error = sheaf_future_error(handle->future);
        error_write(status, error, out);
        sheaf_error_release(error);
    }
}
