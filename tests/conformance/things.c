#include "tests/conformance/things.h"

#include <inttypes.h>

#include <sheaf/queue.h>
#include <sheaf/sync.h>

union thing {
    sheaf_semaphore semaphore;
    sheaf_event event;
    sheaf_mutex lock;
    sheaf_queue queue;
};

static int open_thing(const struct thing_declared *declared, union thing *thing)
{
    switch (declared->kind) {
    case THING_SEMAPHORE:
        return sheaf_semaphore_init(&thing->semaphore, declared->number);
    case THING_EVENT:
        thing->event = (sheaf_event)SHEAF_EVENT_INIT;
        return SHEAF_OK;
    case THING_LOCK:
        thing->lock = (sheaf_mutex)SHEAF_MUTEX_INIT;
        return SHEAF_OK;
    default:
        return sheaf_queue_open(&thing->queue,
                                SHEAF_QUEUE_OPTIONS(.bound = (size_t)declared->number));
    }
}

int things_open(struct play *play)
{
    const struct scenario *scenario = play->scenario;
    play->things = play_take(play, scenario->thing_count * sizeof *play->things);
    for (size_t i = 0; i < scenario->thing_count; i++) {
        SHEAF_TRY(open_thing(&scenario->things[i], &play->things[i]));
    }
    return SHEAF_OK;
}

void things_close(struct play *play)
{
    for (size_t i = 0; i < play->scenario->thing_count; i++) {
        if (play->scenario->things[i].kind == THING_QUEUE) {
            sheaf_queue_close(&play->things[i].queue);
        }
    }
}

/* ---------------------------------------------------------------- statements */

/* Writes `what WORDS` when the call succeeded. */
static struct leave done(const struct actor *actor, const struct statement *s, const char *what,
                         int status)
{
    if (status == SHEAF_OK) {
        actor_log(actor, "%s %s", what, s->words[0]);
    }
    return leave_by(status);
}

/* Index of the thing that the statement uses. */
static size_t thing_of(const struct actor *actor, const struct statement *s)
{
    return actor->play->scenario->things[s->thing].latest;
}

static bool is_semaphore(const struct actor *actor, const struct statement *s)
{
    return actor->play->scenario->things[thing_of(actor, s)].kind == THING_SEMAPHORE;
}

static struct leave put(const struct actor *actor, const struct statement *s, union thing *thing)
{
    int status = sheaf_queue_put(&thing->queue, (sheaf_value){.i64 = s->number});
    if (status == SHEAF_OK) {
        actor_log(actor, "put %s %s", s->words[0], s->words[1]);
    }
    return leave_by(status);
}

static struct leave get(const struct actor *actor, const struct statement *s, union thing *thing)
{
    sheaf_value item;
    int status = sheaf_queue_get(&thing->queue, &item);
    if (status == SHEAF_OK) {
        actor_log(actor, "take %s %" PRId64, s->words[0], item.i64);
    }
    return leave_by(status);
}

struct leave things_step(struct actor *actor, const struct statement *s)
{
    union thing *thing = &actor->play->things[thing_of(actor, s)];
    switch (s->verb) {
    case VERB_ACQUIRE:
        return done(actor, s, "acquired",
                    is_semaphore(actor, s) ? sheaf_semaphore_acquire(&thing->semaphore)
                                           : sheaf_lock(&thing->lock));
    case VERB_RELEASE:
        return leave_by(is_semaphore(actor, s) ? sheaf_semaphore_release(&thing->semaphore, 1)
                                               : sheaf_unlock(&thing->lock));
    case VERB_SET:
        return leave_by(sheaf_event_set(&thing->event));
    case VERB_AWAIT_EVENT:
        return done(actor, s, "saw", sheaf_event_wait(&thing->event));
    case VERB_PUT:
        return put(actor, s, thing);
    default:
        return get(actor, s, thing);
    }
}
