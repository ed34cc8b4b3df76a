/* Playing a scenario on sheaf. */
#ifndef SHEAF_TESTS_CONFORMANCE_PLAY_H
#define SHEAF_TESTS_CONFORMANCE_PLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/conformance/memory.h"
#include "tests/conformance/scenario.h"

struct play_options {
    int workers;   /* 1 without a seed is asyncio's order, more steal from each other */
    uint64_t seed; /* not 0, with one worker: the schedule is drawn from it */
};

enum play_result {
    PLAYED,
    PLAY_STUCK,  /* the trace is the line `stuck`; what abandoned tasks held is lost */
    PLAY_REFUSED /* sheaf would not open such a pool */
};

/* Plays the scenario on a pool of its own with a virtual clock.
 *
 *   out  receives the settled trace: lines, sorted within their instant, then the outcomes of all
 *        names
 *
 * Context: plain thread; one play at a time */
enum play_result play_scenario(const struct scenario *scenario, const struct play_options *options,
                               struct text *out);

#endif
