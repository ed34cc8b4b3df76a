#include "tests/conformance/steps.h"

#include <string.h>

#include "tests/conformance/blocks.h"
#include "tests/conformance/things.h"

/* How the actor goes on after a call that handed out the outcome of a future, or failed itself. */
static struct leave leave_with(const struct handle *handle, int status)
{
    bool is_outcome = sheaf_done(handle->future) && sheaf_future_status(handle->future) == status;
    return leave_by_error(status, is_outcome ? sheaf_future_error(handle->future) : NULL);
}

/* `got VAR VALUE`, unless the call failed. */
static struct leave got(const struct actor *actor, const char *name, const struct handle *handle,
                        int status, sheaf_value value)
{
    if (status == SHEAF_OK) {
        struct text text = {0};
        text_add(&text, "%s ", name);
        value_write(handle, value, &text);
        actor_log_text(actor, "got ", &text);
        text_free(&text);
    }
    return leave_with(handle, status);
}

static sheaf_duration limit_of(const struct statement *s)
{
    return s->number < 0 ? SHEAF_FOREVER : SHEAF_MS(s->number);
}

/* ---------------------------------------------------------------- about the task itself */

static struct leave step_sleep(struct actor *actor, const struct statement *s)
{
    /* A timer takes one turn to fire and one to resume who slept. */
    if (!actor_takes_turns(actor, s->number > 0 ? 2 : 1)) {
        return gives_up;
    }
    return leave_by(sheaf_sleep(SHEAF_MS(s->number)));
}

static struct leave step_yield(struct actor *actor, const struct statement *s)
{
    (void)s;
    return actor_takes_turns(actor, 1) ? leave_by(sheaf_yield()) : gives_up;
}

static struct leave step_log(struct actor *actor, const struct statement *s)
{
    actor_log(actor, "log %s", s->words[0]);
    return goes_on;
}

static struct leave step_return(struct actor *actor, const struct statement *s)
{
    (void)actor;
    return (struct leave){.how = RETURNS, .value = s->number};
}

static struct leave step_raise(struct actor *actor, const struct statement *s)
{
    (void)actor;
    return leave_by_error(RAISED, sheaf_error_new(RAISED, "%s", s->words[0]));
}

static struct leave step_cancel_me(struct actor *actor, const struct statement *s)
{
    (void)actor;
    (void)s;
    sheaf_cancel(sheaf_current());
    return goes_on;
}

static struct leave step_uncancel(struct actor *actor, const struct statement *s)
{
    (void)s;
    actor_log(actor, "uncancel %d", sheaf_uncancel(NULL));
    return goes_on;
}

static struct leave step_cancelling(struct actor *actor, const struct statement *s)
{
    (void)s;
    actor_log(actor, "cancelling %d", sheaf_cancelling(NULL));
    return goes_on;
}

/* ---------------------------------------------------------------- making futures */

static void bind(struct actor *actor, const char *name, sheaf_future *future)
{
    actor_bind(actor, name, &(struct handle){.future = future});
}

/* The future that a spawn gave. */
static void bind_spawned(struct actor *actor, const char *name, sheaf_future *future,
                         struct actor *child)
{
    actor_bind_held(actor, name, &(struct handle){.future = future, .actor = child});
}

static struct leave step_spawn(struct actor *actor, const struct statement *s)
{
    struct actor *child = actor_new(actor->play, actor, s->words[0], s->task);
    actor_hold(actor);
    bind_spawned(actor, s->words[0],
                 sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = child->path), play_body, child),
                 child);
    return goes_on;
}

static struct leave step_gspawn(struct actor *actor, const struct statement *s, sheaf_group *group)
{
    struct actor *child = actor_new(actor->play, actor, s->words[0], s->task);
    actor_hold(actor);
    sheaf_future *future =
        sheaf_group_spawn_with(group, SHEAF_SPAWN_OPTIONS(.name = child->path), play_body, child);
    if (!sheaf_done(future) || sheaf_future_status(future) != SHEAF_CLOSED) {
        bind_spawned(actor, s->words[0], future, child);
        return goes_on;
    }
    actor_let_go(actor);
    sheaf_error_release(sheaf_future_error(future)); /* looked at */
    sheaf_release(future);
    actor_log(actor, "refused %s", s->words[0]);
    return goes_on;
}

static struct leave step_promise(struct actor *actor, const struct statement *s)
{
    bind(actor, s->words[0], sheaf_promise(NULL));
    return goes_on;
}

static struct leave step_gather(struct actor *actor, const struct statement *s)
{
    size_t count = s->count - 2;
    const struct handle **members = actor_find_all(actor, s->words + 2, &count);
    sheaf_future *const *futures = actor_futures(actor, members, count);
    static const unsigned flags[] = {SHEAF_GATHER_RAISE, SHEAF_GATHER_COLLECT};
    actor_bind(actor, s->words[0],
               &(struct handle){.future = sheaf_gather_future(futures, count, flags[s->choice]),
                                .is_gather = true,
                                .members = members,
                                .count = count});
    return goes_on;
}

static struct leave step_shield(struct actor *actor, const struct statement *s)
{
    const struct handle *inner = actor_find(actor, s->words[1]);
    if (inner) {
        struct handle shield = *inner;
        shield.actor = NULL;
        shield.future = sheaf_shield(inner->future);
        actor_bind(actor, s->words[0], &shield);
    }
    return goes_on;
}

/* ---------------------------------------------------------------- one future */

static struct leave step_await(struct actor *actor, const struct statement *s)
{
    const struct handle *handle = actor_find(actor, s->words[0]);
    if (!handle) {
        return goes_on;
    }
    if (!actor_may_await(actor, handle)) {
        return leave_by(SHEAF_STATE);
    }
    sheaf_value value = {0};
    int status = sheaf_await(handle->future, &value);
    return got(actor, s->words[0], handle, status, value);
}

static struct leave step_wait_for(struct actor *actor, const struct statement *s)
{
    const struct handle *handle = actor_find(actor, s->words[1]);
    if (!handle) {
        return goes_on;
    }
    /* A limit of nothing cancels without an await. */
    if (s->number != 0 && !actor_may_await(actor, handle)) {
        return leave_by(SHEAF_STATE);
    }
    sheaf_value value = {0};
    int status = sheaf_wait_for(handle->future, limit_of(s), &value);
    return got(actor, s->words[1], handle, status, value);
}

static struct leave step_cancel(struct actor *actor, const struct statement *s)
{
    const struct handle *handle = actor_find(actor, s->words[0]);
    if (handle) {
        bool taken = sheaf_cancel(handle->future);
        actor_log(actor, "cancel %s %s", s->words[0], taken ? "yes" : "no");
    }
    return goes_on;
}

static struct leave step_resolve(struct actor *actor, const struct statement *s)
{
    const struct handle *handle = actor_find(actor, s->words[0]);
    sheaf_value value = {.i64 = s->number};
    return handle ? leave_by(sheaf_resolve(handle->future, value)) : goes_on;
}

static struct leave step_reject(struct actor *actor, const struct statement *s)
{
    const struct handle *handle = actor_find(actor, s->words[0]);
    return handle ? leave_by(sheaf_reject(handle->future, RAISED, "%s", s->words[1])) : goes_on;
}

/* ---------------------------------------------------------------- several futures */

/* The names of the futures, sorted, each future once; `-` for none. */
static void write_names(const struct actor *actor, sheaf_future *const *futures, size_t count,
                        struct text *out)
{
    char **names = play_take(actor->play, count * sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        size_t twin = 0;
        while (futures[twin] != futures[i]) {
            twin++;
        }
        if (twin == i) {
            const char *name = actor_name_of(actor, futures[i]);
            size_t room = strlen(name) + 1;
            names[n] = memcpy(play_take(actor->play, room), name, room);
            n++;
        }
    }
    sort_texts(names, n);
    text_add(out, "%s", n == 0 ? "-" : "");
    for (size_t i = 0; i < n; i++) {
        text_add(out, "%s%s", i > 0 ? "," : "", names[i]);
    }
}

static struct leave step_wait(struct actor *actor, const struct statement *s)
{
    static const sheaf_when when[] = {SHEAF_ALL_COMPLETED, SHEAF_FIRST_COMPLETED,
                                      SHEAF_FIRST_ERROR};
    size_t count = s->count - 2;
    const struct handle **members = actor_find_all(actor, s->words + 2, &count);
    if (count == 0) {
        return goes_on;
    }
    sheaf_future **futures = actor_futures(actor, members, count);
    size_t done;
    int status = sheaf_wait(futures, count, when[s->choice], limit_of(s), &done);
    if (status == SHEAF_OK) {
        struct text text = {0};
        write_names(actor, futures, done, &text);
        text_add(&text, " pending ");
        write_names(actor, futures + done, count - done, &text);
        actor_log_text(actor, "done ", &text);
        text_free(&text);
    }
    return leave_by(status);
}

static void log_next(const struct actor *actor, const struct handle *const *members,
                     const sheaf_future *next)
{
    const struct handle *handle = *members;
    while (handle->future != next) {
        handle = *++members;
    }
    struct text text = {0};
    text_add(&text, "%s ", actor_name_of(actor, next));
    outcome_write(handle, &text);
    actor_log_text(actor, "next ", &text);
    text_free(&text);
}

static struct leave step_each(struct actor *actor, const struct statement *s)
{
    size_t count = s->count - 1;
    const struct handle **members = actor_find_all(actor, s->words + 1, &count);
    sheaf_each *each;
    int status = sheaf_each_open(actor_futures(actor, members, count), count, limit_of(s), &each);
    if (status != SHEAF_OK) {
        return leave_by(status);
    }
    sheaf_future *next;
    while ((status = sheaf_each_next(each, &next)) == SHEAF_OK) {
        log_next(actor, members, next);
    }
    sheaf_each_close(each);
    return leave_by(status == SHEAF_EMPTY ? SHEAF_OK : status);
}

/* ---------------------------------------------------------------- which is which */

typedef struct leave step_fn(struct actor *actor, const struct statement *s);

static step_fn *const steps[VERBS] = {
    [VERB_ACQUIRE] = things_step,      [VERB_AWAIT] = step_await,
    [VERB_AWAIT_EVENT] = things_step,  [VERB_CANCEL] = step_cancel,
    [VERB_CANCEL_ME] = step_cancel_me, [VERB_CANCELLING] = step_cancelling,
    [VERB_EACH] = step_each,           [VERB_GATHER] = step_gather,
    [VERB_GET] = things_step,          [VERB_LOG] = step_log,
    [VERB_PROMISE] = step_promise,     [VERB_PUT] = things_step,
    [VERB_RAISE] = step_raise,         [VERB_REJECT] = step_reject,
    [VERB_RELEASE] = things_step,      [VERB_RESOLVE] = step_resolve,
    [VERB_RETURN] = step_return,       [VERB_SET] = things_step,
    [VERB_SHIELD] = step_shield,       [VERB_SLEEP] = step_sleep,
    [VERB_SPAWN] = step_spawn,         [VERB_UNCANCEL] = step_uncancel,
    [VERB_WAIT] = step_wait,           [VERB_WAIT_FOR] = step_wait_for,
    [VERB_YIELD] = step_yield,
};

struct leave step_play(struct actor *actor, const struct statement *s, sheaf_group *group)
{
    return s->verb == VERB_GSPAWN ? step_gspawn(actor, s, group) : steps[s->verb](actor, s);
}
