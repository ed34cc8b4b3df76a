/* The statements that have no block inside. */
#ifndef SHEAF_TESTS_CONFORMANCE_STEPS_H
#define SHEAF_TESTS_CONFORMANCE_STEPS_H

#include "tests/conformance/actor.h"

/* Plays one.
 *
 *   group  the innermost one around it in the same body, or NULL */
struct leave step_play(struct actor *actor, const struct statement *s, sheaf_group *group);

#endif
