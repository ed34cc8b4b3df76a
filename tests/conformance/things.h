/* What a scenario declares: semaphores, events, locks and queues. */
#ifndef SHEAF_TESTS_CONFORMANCE_THINGS_H
#define SHEAF_TESTS_CONFORMANCE_THINGS_H

#include "tests/conformance/actor.h"

/* Makes one for each declaration of the play's scenario.  Returns: a status */
int things_open(struct play *play);

/* Requires: nobody waits on any of them */
void things_close(struct play *play);

/* `acquire`, `release`, `set`, `await_event`, `put`, `get`. */
struct leave things_step(struct actor *actor, const struct statement *s);

#endif
