/* Functions that name a thread-local variable on both sides of a suspension, as programs do. */
#ifndef SHEAF_TESTS_MIGRATION_PROBE_H
#define SHEAF_TESTS_MIGRATION_PROBE_H

#include <stdbool.h>

/* The race detector takes tasks for threads, and a thread's variables, which its tasks use in turn,
 * for shared ones: it looks away. */
#define PROBE __attribute__((no_sanitize("thread")))

/* Suspends the calling task. */
typedef void probe_suspend(void *context);

struct probe {
    const char *name;
    /* Writes 0 to the variable, suspends, writes `mark`. */
    void (*write_twice)(probe_suspend *suspend, void *context, int mark);
    /* What the calling thread's variable holds; looked up anew. */
    int (*read)(void);
};

extern const struct probe plain_errno;   /* <errno.h> */
extern const struct probe thread_own;    /* a _Thread_local variable */
extern const struct probe guarded_errno; /* <sheaf/errno.h> */

/* Whether the compiler was told to optimise them. */
extern const bool probe_optimised;

#endif
