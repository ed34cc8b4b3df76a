#include "tests/conformance/things.h"

union thing {
    sheaf_mutex lock;
};

int things_open(struct play *play)
{
    play->things = play_take(play, play->scenario->thing_count * sizeof *play->things);
    return SHEAF_OK;
}

void things_close(struct play *play)
{
    (void)play;
}

struct leave things_step(struct actor *actor, const struct statement *s)
{
    union thing *thing = &actor->play->things[s->thing];
    switch (s->verb) {
    case VERB_ACQUIRE: {
        int status = sheaf_lock(&thing->lock);
        if (status == SHEAF_OK) {
            actor_log(actor, "acquired %s", s->words[0]);
        }
        return leave_by(status);
    }
    case VERB_RELEASE:
        return leave_by(sheaf_unlock(&thing->lock));
    default:
        return goes_on;
    }
}
