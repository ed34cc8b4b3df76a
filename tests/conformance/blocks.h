/* The statements with a block inside, and the bodies of tasks. */
#ifndef SHEAF_TESTS_CONFORMANCE_BLOCKS_H
#define SHEAF_TESTS_CONFORMANCE_BLOCKS_H

#include "tests/conformance/actor.h"

/* A sheaf_fn: plays the body of a task; `arg` is its struct actor. */
int play_body(void *arg, sheaf_value *result);

#endif
