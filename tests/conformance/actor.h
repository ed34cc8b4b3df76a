/* What the parts of a play share: the play, its running tasks, and the names that they see. */
#ifndef SHEAF_TESTS_CONFORMANCE_ACTOR_H
#define SHEAF_TESTS_CONFORMANCE_ACTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf.h>
#include <sheaf/gather.h>
#include <sheaf/group.h>
#include <sheaf/timeout.h>

#include "tests/conformance/leave.h"
#include "tests/conformance/memory.h"
#include "tests/conformance/scenario.h"
#include "tests/conformance/trace.h"

/* A future that was bound to a name.  Never changes. */
struct handle {
    struct handle *older; /* of the play */
    const char *path;     /* main.a.x */
    sheaf_future *future; /* one reference */
    struct actor *actor;  /* whose task it is, or NULL */
    bool is_gather;       /* the value is that of `count` members, also behind shields */
    const struct handle *const *members;
    size_t count;
};

/* A name of a running task. */
struct binding {
    struct binding *next;
    const char *name;
    const struct handle *handle; /* the last that was bound */
};

struct play {
    const struct scenario *scenario;
    union thing *things; /* one for each declaration: things.h */
    sheaf_time start;

    pthread_mutex_t lock; /* guards what follows, and the bindings of all actors; never held over
                             a suspension */
    struct arena arena;
    struct trace trace;
    struct handle *handles;
    unsigned long statements; /* played so far, with rounds of loops */
    bool over;                /* it goes on for ever, or past the last millisecond */
};

/* A running task. */
struct actor {
    struct play *play;
    const char *path;
    const struct actor *parent; /* who spawned it; NULL for main */
    const struct task_body *body;
    struct binding *first; /* in the order of binding */
    unsigned turns;        /* that its sleeps have taken; its own task's */
    bool awaited_itself;   /* guarded by the play's lock */
};

/* ---------------------------------------------------------------- the play */

/* Memory that lives as long as the play. */
void *play_take(struct play *play, size_t bytes);

/* Counts a statement, or a round of a loop.  Returns: false when the play is over */
bool play_goes_on(struct play *play);

/* Counts turns of an event loop that the actor's sleep takes.
 * Returns: false when the play is over */
bool actor_takes_turns(struct actor *actor, unsigned turns);

/* Writes `WHO WHAT` with the present time into the trace. */
void actor_log(const struct actor *actor, const char *format, ...) SHEAF_PRINTF(2, 3);
void actor_log_text(const struct actor *actor, const char *what, const struct text *more);

/* The actor of a task that `parent`, NULL for main, spawns under that name. */
struct actor *actor_new(struct play *play, const struct actor *parent, const char *name,
                        const struct task_body *body);

/* ---------------------------------------------------------------- names */

/* Binds a future to a name of the actor.  A task that is spawned between the two calls of
 * actor_hold() and actor_bind_held() can not run before the name is there: its first line in the
 * trace waits.
 *
 *   handle  filled in but for `path`: copied.  The reference to the future is taken */
void actor_bind(struct actor *actor, const char *name, const struct handle *handle);
void actor_hold(struct actor *actor);
void actor_bind_held(struct actor *actor, const char *name, const struct handle *handle);
void actor_let_go(struct actor *actor); /* binds nothing */

/* Whether the actor may await what is bound there.
 *
 * In asyncio a task that has awaited itself stays marked as being awaited, and who comes later,
 * itself or others, is refused with the same error, without a suspension, until the task is done.
 * To sheaf the mistake leaves no trace.  What CPython answers is what a scenario is to see, so the
 * refusal is played here. */
bool actor_may_await(const struct actor *actor, const struct handle *handle);

/* What the actor sees under the name: its own, then its parents'; NULL when it is not bound. */
const struct handle *actor_find(const struct actor *actor, const char *name);

/* What it sees under several names, those left out that are not bound.
 *
 *   *count  how many there are
 *
 * Returns: an array that lives as long as the play */
const struct handle **actor_find_all(const struct actor *actor, char *const *names, size_t *count);

/* The futures of handles, in an array that lives as long as the play. */
sheaf_future **actor_futures(const struct actor *actor, const struct handle *const *handles,
                             size_t count);

/* The name under which the actor sees the future, the oldest of its own first; "?" for none. */
const char *actor_name_of(const struct actor *actor, const sheaf_future *future);

/* ---------------------------------------------------------------- outcomes */

/* Writes ok:5, or for a gather [OUTCOME,...].
 *
 *   value  what the future gave */
void value_write(const struct handle *handle, sheaf_value value, struct text *out);

/* Writes what has become of the future so far. */
void outcome_write(const struct handle *handle, struct text *out);

#endif
