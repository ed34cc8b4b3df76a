/* A task group and its members.
 *
 * The handle in the owner's frame says which group it is, under a spin lock of its own: whoever
 * comes from outside while the owner closes has a reference, or finds none.
 *
 * As lib/group.c, which starts them and hears of their ends, and
 * lib/group_end.c, which closes, know them. */
#ifndef SHEAF_LIB_GROUP_IMPL_H
#define SHEAF_LIB_GROUP_IMPL_H

#include <stdbool.h>
#include <stddef.h>

#include <sheaf/group.h>

#include "lib/future_impl.h"
#include "lib/monitor.h"
#include "lib/turn.h"

struct sheaf__group {
    struct sheaf__monitor monitor;
    struct sheaf__block block;        /* of the owner */
    sheaf_future *owner;              /* const; NULL: a plain thread */
    sheaf_pool *pool;                 /* const; NULL: wherever the spawn is made */
    unsigned flags;                   /* const */
    struct sheaf__ticket ticket;      /* what the owner is asked for */
    int baseline;                     /* requests of the owner that were counted at the opening */
    SHEAF__ATOMIC(size_t) references; /* the handle's, and one for each member that has not ended */

    /* Guarded by the monitor. */
    bool shut;               /* nobody comes in any more */
    bool aborting;           /* members are asked, or were */
    bool cancelled;          /* by sheaf_group_cancel() */
    bool asked_owner;        /* the ticket is, or will be, used */
    bool closed;             /* the close has seen everybody go; nobody asks any more */
    unsigned busy;           /* who asks just now */
    size_t live;             /* members that have not ended */
    struct sheaf__list calm; /* of these, those that have not been asked */
    struct sheaf__list asked;
    struct sheaf__list ended; /* KEEP: to be taken, in the order of their ends */
    struct sheaf__group_member *first_failed;
    struct sheaf__group_member *last_failed;
    size_t failures;
    struct sheaf__group_member **by_index; /* KEEP: NULL where one was taken */
    size_t started;
    size_t room;
};

struct sheaf__group_member {
    struct sheaf__node node;
    struct sheaf__group *group;
    sheaf_future *future;    /* held */
    struct sheaf__link link; /* in calm, asked or ended */
    struct sheaf__group_member *next_failed;
    size_t index;
    bool refused;              /* its pool was closed: it never was a member */
    bool failed;               /* on the list of failures */
    bool kept;                 /* in ended */
    bool by_turns;             /* const: there is a turn */
    struct sheaf__turn turn[]; /* in asyncio's order, for its end */
};

/* The group behind a handle that others may be closing, with a reference; NULL: it is not open. */
struct sheaf__group *sheaf__group_get(const sheaf_group *handle);

/* Takes the group out of its handle; the reference stays with the caller. */
void sheaf__group_take(sheaf_group *handle);

static inline struct sheaf__group_member *sheaf__group_member_of(struct sheaf__link *link)
{
    return SHEAF__CONTAINER(link, struct sheaf__group_member, link);
}

/* Frees a member that is on no list. */
void sheaf__group_free_member(struct sheaf__group_member *member);

void sheaf__group_drop(struct sheaf__group *group, size_t references);

/* Shuts the group and marks it as aborting.
 *
 *   ask_owner   the owner is asked too, unless it was
 *   *owner_too  whether it is to be
 *
 * Requires: entered
 * Returns:  whether the caller is to carry it out: it counts as busy until then */
bool sheaf__group_begin_abort(struct sheaf__group *group, bool ask_owner, bool *owner_too);

/* Asks everybody.  Not entered. */
void sheaf__group_carry_out_abort(struct sheaf__group *group, bool owner_too);

#endif
