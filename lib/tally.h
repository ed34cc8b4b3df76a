/* A tally: what gather, wait and their like count the ends of futures with.
 *
 * Each place of the caller's array is a member, with a node in the list of its future.  A future
 * that ends enters the tally's monitor, notes the member in the order of the ends, counts, and
 * notifies who waits: a monitor, a count and a condition.  What the count means is a rule; when the
 * rule is met the tally is decided, once.
 *
 *     struct sheaf__tally *tally = sheaf__tally_new(futures, count, rule, NULL, 0);
 *     sheaf__tally_start(tally);
 *     ... wait until tally->decided, under the monitor ...
 *     sheaf__tally_leave(tally);
 *
 * Life.  A tally lives as long as its owner wants it and as long as a future may still tell it
 * something: leaving takes the nodes back that can be taken back, the others are told in a moment
 * by whoever ends the future, and the last one frees the tally.  It holds its members' futures. */
#ifndef SHEAF_LIB_TALLY_H
#define SHEAF_LIB_TALLY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/future_impl.h"
#include "lib/monitor.h"
#include "lib/turn.h"

/* When a tally is decided.  Each rule also when every member has ended. */
enum sheaf__rule {
    SHEAF__RULE_ALL = 0,
    SHEAF__RULE_END,     /* a member has ended */
    SHEAF__RULE_ERROR,   /* a member has failed */
    SHEAF__RULE_BAD,     /* a member has failed or was cancelled */
    SHEAF__RULE_SUCCESS, /* a member has succeeded */
};

struct sheaf__tally;

struct sheaf__member {
    struct sheaf__node node;
    struct sheaf__tally *tally;
    sheaf_future *future;            /* held */
    struct sheaf__member *next_done; /* in the order of the ends; guarded by the monitor */
    bool done;                       /* noted; guarded by the monitor */
    bool listed;                     /* registered at the start; const then */
    bool told;                       /* the owner's */
};

/* In asyncio's order: the place in the queue at which the end of a member is noted. */
struct sheaf__member_turn {
    struct sheaf__turn turn;
    struct sheaf__member *member; /* const */
};

struct sheaf__tally_ops {
    /* Called once each, with no lock held, by whoever brings it about; may be NULL.
     *   more  for futures that are ended there; NULL when no notification is under way */
    /* The first member that failed or was cancelled; not while a guard is held, under which all
     * members are asked anyway. */
    void (*bad)(struct sheaf__tally *tally, struct sheaf__ended *more);
    void (*decided)(struct sheaf__tally *tally, struct sheaf__ended *more);
};

struct sheaf__tally {
    struct sheaf__monitor monitor;
    const struct sheaf__tally_ops *ops; /* const; may be NULL */
    size_t count;                       /* const */
    size_t extra_size;                  /* const: bytes of the owner's behind the members */
    struct sheaf__member_turn *turns;   /* const: one a member; NULL: ends are noted at once */
    bool each;                          /* const: every end is waited for, not only the decision */
    enum sheaf__rule rule;              /* const */
    SHEAF__ATOMIC(size_t) references;   /* the owner's, and one for each node that may be told */

    /* Guarded by the monitor. */
    bool decided;
    bool frozen;                      /* ends are not put in the order any more */
    size_t missing;                   /* members that have not ended */
    size_t guards;                    /* who keeps it from being decided */
    struct sheaf__member *first_done; /* in the order of their ends */
    struct sheaf__member *last_done;
    struct sheaf__member *first_bad;
    struct sheaf__member *decider; /* whose end met the rule first; NULL: none */

    struct sheaf__member members[];
};

/* Whether this many futures, none of them NULL, can be counted. */
bool sheaf__futures_valid(sheaf_future *const *futures, size_t count);

/* A tally of futures that nobody tells anything yet; NULL for want of memory.
 *
 *   extra_size  bytes for the owner's use, zeroed: sheaf__tally_extra() */
struct sheaf__tally *sheaf__tally_new(sheaf_future *const *futures, size_t count,
                                      enum sheaf__rule rule, const struct sheaf__tally_ops *ops,
                                      size_t extra_size);

static inline void *sheaf__tally_extra(struct sheaf__tally *tally)
{
    return &tally->members[tally->count];
}

/* Notes those that have ended, in their order, and registers with the others unless that has
 * decided. */
void sheaf__tally_start(struct sheaf__tally *tally);

/* Keeps the tally from being decided; and lets it, which may decide it.
 *
 *   more  as in the ops
 *
 * guard() returns: false when the tally is decided */
bool sheaf__tally_guard(struct sheaf__tally *tally);
void sheaf__tally_unguard(struct sheaf__tally *tally, struct sheaf__ended *more);

/* Asks every member that has not ended, once for each place.
 *
 *   more  as in the ops */
void sheaf__tally_ask(struct sheaf__tally *tally, sheaf_origin origin, struct sheaf__ended *more);

/* Errors of members count as looked at; `to_come`: also of those that have not ended. */
void sheaf__tally_mark_looked(struct sheaf__tally *tally, bool to_come);

/* Takes the nodes back that can be taken back, and gives up the owner's reference.  The second
 * leaves members that go with the tally to the caller: sheaf__future_unhold_all(). */
void sheaf__tally_leave(struct sheaf__tally *tally);
void sheaf__tally_leave_into(struct sheaf__tally *tally, sheaf_future **rest);

#endif
