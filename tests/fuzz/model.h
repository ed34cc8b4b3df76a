/* What asyncio would do: futures and tasks as a list of things with a time each, on one thread.
 *
 * The judge of sequences_test.c.  It knows nothing of stacks, queues and workers, only what each
 * thing waits for and what a request does to it; a step takes the next thing whose time has come.
 * The times at which tasks end are odd, and each has its own; those at which a program acts are
 * even: so the order of what happens at one time never decides what the program sees. */
#ifndef SHEAF_TESTS_FUZZ_MODEL_H
#define SHEAF_TESTS_FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_THINGS = 96, MODEL_MEMBERS = 6, MODEL_ROUND = 256 };

#define MODEL_NEVER INT64_MAX

enum model_kind {
    MODEL_SLEEPER,  /* a task that ends at its time, and when it is asked */
    MODEL_STUBBORN, /* one that takes the first request for a reason to go on, for a while */
    MODEL_PROMISE,
    MODEL_GATHER,
    MODEL_SHIELD,
    MODEL_WAITER, /* a task that awaits its member, and then its own time */
    MODEL_LIMIT,  /* a waiter that awaits in a timeout scope */
    MODEL_GROUP   /* a task with a group, whose members come after it; its block sleeps, and it
                   * ends at its own time after the close */
};

/* Mistakes that the model makes on purpose: each must be told from what the library does. */
enum model_mistake {
    MODEL_RIGHT,
    MODEL_RAISE_WAITS,    /* a gather that raises waits for all */
    MODEL_COLLECT_RAISES, /* one that collects does not wait */
    MODEL_SHIELD_LEAKS,   /* a shield lets requests through */
    MODEL_WAITER_ALONE,   /* a request does not get to what the task awaits */
    MODEL_STUBBORN_DIES,  /* the first request ends any task */
    MODEL_LATE_SIBLINGS,  /* a gather that cancels does not */
    MODEL_LIMIT_NEVER,    /* a scope's end leaves the cancellation as it is */
    MODEL_GROUP_GOES_ON,  /* a member's failure does not end the others */
    MODEL_BLOCK_GOES_ON,  /* nor the block */
    MODEL_MISTAKES
};

struct model_thing {
    enum model_kind kind;
    bool done;
    int status; /* how it ends, or has ended */
    int64_t at; /* when it ends by itself, later when it has ended */
    int64_t more;
    int64_t heard_at; /* when a stubborn task was asked first, when a waiter or a group was woken */
    bool dies;        /* a task that hears no request any more */
    bool woken;       /* a waiter whose member has ended, a group that is closed */
    bool asked;       /* a gather: some member took the request; a group, a scope */
    bool closes;      /* a group's block is over */
    bool aborts;
    bool expired; /* a scope */
    /* Not every end with SHEAF_CANCELLED is one: that of a gather is an error, of that status. */
    bool cancelled, by_error;
    int first;    /* of a gather: its first failure */
    size_t heard; /* and of how many members it knows the end */
    bool collects, cancels;
    size_t members[MODEL_MEMBERS];
    size_t member_count;
};

struct model {
    enum model_mistake mistake;
    bool in_turns; /* what waits for a thing hears of its end a turn later, as in asyncio */
    int64_t now;
    size_t count;
    struct model_thing things[MODEL_THINGS];
    size_t ends[MODEL_THINGS]; /* in order; those who wait know of the first `told` */
    size_t ended, told;
    bool telling;
};

/* Each returns the index of the new thing. */
size_t model_sleeper(struct model *m, int64_t at, int status);
size_t model_stubborn(struct model *m, int64_t at, int64_t more);
size_t model_promise(struct model *m);
size_t model_gather(struct model *m, const size_t *members, size_t count, bool collects,
                    bool cancels);
size_t model_shield(struct model *m, size_t of);
size_t model_waiter(struct model *m, size_t of);
size_t model_limit(struct model *m, size_t of, int64_t deadline);

/* The next `members` things, which are sleepers, are its own.
 *
 *   at, status  the block's end */
size_t model_group(struct model *m, size_t members, int64_t at, int status);

/* The next time at which this task may end: no two end at one time. */
int64_t model_time(size_t index, int64_t earliest);

/* Returns: what sheaf_cancel() returns */
bool model_cancel(struct model *m, size_t index);

/* Returns: whether it was pending */
bool model_settle(struct model *m, size_t promise, int status);

/* Everything that happens until then. */
void model_pass(struct model *m, int64_t until);

/* Goes on until `is_so`, or to the deadline.  Returns: whether it became so */
bool model_until(struct model *m, bool (*is_so)(const struct model *m, const void *what),
                 const void *what, int64_t deadline);

#endif
