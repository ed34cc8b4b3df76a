/* What lies in a queue, between its calls (lib/queue.c) and its waits (lib/queue_wait.c).
 *
 * Everything is decided under the guard, and every change ends in settle(): items go to getters,
 * free places to putters, the longest waiting first.  Invariants while the guard is free:
 *
 *     somebody waits for an item    =>  the queue holds none
 *     somebody waits for a place    =>  items + promised == bound
 *
 * A chosen getter has the item.  A chosen putter has a place, `promised`, and puts its item itself
 * when it goes on: until then it may be cancelled and have put nothing (QU6), or find that the
 * queue was shut down (QU8).  Its item has had its number, its place in the order, since it was
 * chosen (QU3).
 *
 * `inside` counts those that are in a line or have been taken out of one and have not been here
 * since: a close waits for them. */
#ifndef SHEAF_LIB_QUEUE_IMPL_H
#define SHEAF_LIB_QUEUE_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/queue.h>

#include "lib/items.h"
#include "lib/spin.h"
#include "lib/waiters.h"

/* What lies in a sheaf_queue. */
struct sheaf__queue {
    struct sheaf__spin guard;
    bool open; /* guarded by guard, as all that is not const */
    bool shut;
    bool emptied; /* shut down, and what it held or is given back is dropped */
    bool ranked;  /* const: ordered by rank */
    size_t bound; /* const; 0: none */
    void (*drop)(sheaf_value item);
    int64_t (*rank)(sheaf_value item);
    struct sheaf__items items;
    size_t promised; /* places that chosen putters have */
    size_t undone;
    size_t inside;
    struct sheaf__line getters;
    struct sheaf__line putters;
    struct sheaf__line joiners;
    struct sheaf__line closers;
};

_Static_assert(sizeof(struct sheaf__queue) <= sizeof(sheaf_queue),
               "the public struct has the room");

static inline struct sheaf__queue *sheaf__queue_of(const sheaf_queue *queue)
{
    return (struct sheaf__queue *)(uintptr_t)queue;
}

/* ---------------------------------------------------------------- the guard is held */

static inline bool sheaf__queue_has_place(const struct sheaf__queue *queue)
{
    return queue->bound == 0 || queue->items.size + queue->promised < queue->bound;
}

/* One item less is undone.  The program may have counted it as done before it was dropped. */
void sheaf__queue_count_done(struct sheaf__queue *queue);

/* Drops what the queue holds.  The guard is let go for each item. */
void sheaf__queue_throw_away(struct sheaf__queue *queue);

/* One that was counted in `inside` is here again. */
void sheaf__queue_go_out(struct sheaf__queue *queue);

/* ---------------------------------------------------------------- waiting for what is no item */

extern const struct sheaf__waitable sheaf__queue_join_waitable;

/* For the end of all other waits: what closes the queue waits deaf. */
extern const struct sheaf__waitable sheaf__queue_close_waitable;

#endif
