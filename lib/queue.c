/* Queues.
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
#include <sheaf/queue.h>

#include <string.h>

#include "lib/alloc.h"
#include "lib/items.h"
#include "lib/options.h"
#include "lib/spin.h"
#include "lib/waitables.h"

/* What lies in a sheaf_queue. */
struct queue {
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

_Static_assert(sizeof(struct queue) <= sizeof(sheaf_queue), "the public struct has the room");

static struct queue *of(const sheaf_queue *queue)
{
    return (struct queue *)(uintptr_t)queue;
}

/* ---------------------------------------------------------------- changes; the guard is held */

static bool has_place(const struct queue *queue)
{
    return queue->bound == 0 || queue->items.size + queue->promised < queue->bound;
}

static void feed_getters(struct queue *queue)
{
    while (queue->items.size > 0 && !sheaf__line_empty(&queue->getters)) {
        struct sheaf__waiter *getter = sheaf__line_pop(&queue->getters);
        getter->of.item = sheaf__items_take(&queue->items);
        struct sheaf__item *item = getter->of.item;
        if (!sheaf__waiter_choose(getter, SHEAF_OK)) {
            sheaf__items_insert(&queue->items, item);
        }
    }
}

static void place_putters(struct queue *queue)
{
    while (has_place(queue) && !sheaf__line_empty(&queue->putters)) {
        struct sheaf__waiter *putter = sheaf__line_pop(&queue->putters);
        sheaf__items_number(&queue->items, putter->of.item);
        if (sheaf__waiter_choose(putter, SHEAF_OK)) {
            queue->promised++;
        }
    }
}

static void settle(struct queue *queue)
{
    feed_getters(queue);
    place_putters(queue);
}

static void put(struct queue *queue, struct sheaf__waiter *putter)
{
    sheaf__items_insert(&queue->items, putter->of.item);
    putter->of.item = NULL;
    queue->undone++;
    settle(queue);
}

/* The program may have counted an item as done before it was dropped. */
static void count_done(struct queue *queue)
{
    if (queue->undone > 0 && --queue->undone == 0) {
        sheaf__line_choose_all(&queue->joiners, SHEAF_OK);
    }
}

/* Drops what the queue holds.  The guard is let go for each item. */
static void throw_away(struct queue *queue)
{
    struct sheaf__item *item;
    while ((item = sheaf__items_take(&queue->items)) != NULL) {
        sheaf__spin_unlock(&queue->guard);
        if (queue->drop) {
            queue->drop(item->value);
        }
        sheaf__free(item, sizeof *item);
        sheaf__spin_lock(&queue->guard);
        count_done(queue);
    }
}

/* ---------------------------------------------------------------- waiting */

/* What keeps everybody from getting in line, SHEAF_OK if nothing does.  The guard is held. */
static int refusal(const struct queue *queue)
{
    return !queue->open ? SHEAF_CLOSED : queue->shut ? SHEAF_SHUTDOWN : SHEAF_OK;
}

static enum sheaf__look get_in_line(struct queue *queue, struct sheaf__waiter *waiter,
                                    struct sheaf__line *line)
{
    enum sheaf__look look = sheaf__waiter_queue(waiter, line);
    queue->inside += look == SHEAF__LOOK_QUEUED;
    return look;
}

static enum sheaf__look tell(struct sheaf__waiter *waiter, int status)
{
    return sheaf__waiter_claim(waiter, status) ? SHEAF__LOOK_TAKEN : SHEAF__LOOK_NOTHING;
}

/* One that was in line is here again. */
static void go_out(struct queue *queue)
{
    if (--queue->inside == 0) {
        sheaf__line_choose_all(&queue->closers, SHEAF_OK);
    }
}

static void leave(struct sheaf__waiter *waiter, struct sheaf__line *line)
{
    struct queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    if (sheaf__line_has(line, waiter)) {
        sheaf__line_remove(line, waiter);
    }
    if (!waiter->chosen) {
        go_out(queue);
    }
    sheaf__spin_unlock(&queue->guard);
}

static void accept_nothing(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    go_out(queue);
    sheaf__spin_unlock(&queue->guard);
}

/* ---------------------------------------------------------------- waiting for a place */

static enum sheaf__look look_for_place(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    enum sheaf__look look;
    sheaf__spin_lock(&queue->guard);
    int status = refusal(queue);
    if (status == SHEAF_OK && !has_place(queue)) {
        look = get_in_line(queue, waiter, &queue->putters);
    } else {
        look = tell(waiter, status);
        if (look == SHEAF__LOOK_TAKEN && status == SHEAF_OK) {
            sheaf__items_number(&queue->items, waiter->of.item);
            put(queue, waiter);
        }
    }
    sheaf__spin_unlock(&queue->guard);
    return look;
}

static void leave_putters(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    leave(waiter, &queue->putters);
}

static void accept_place(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    if (waiter->status == SHEAF_OK) {
        queue->promised--;
        waiter->status = refusal(queue);
        if (waiter->status == SHEAF_OK) {
            put(queue, waiter);
        }
    }
    go_out(queue);
    sheaf__spin_unlock(&queue->guard);
}

static void decline_place(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    if (waiter->status == SHEAF_OK) {
        queue->promised--;
        settle(queue);
    }
    go_out(queue);
    sheaf__spin_unlock(&queue->guard);
}

static const struct sheaf__waitable put_waitable = {
    .what = "a place in a queue",
    .look = look_for_place,
    .leave = leave_putters,
    .accept = accept_place,
    .decline = decline_place,
};

int sheaf__queue_begin_put(struct sheaf__waiter *waiter, sheaf_queue *given, sheaf_value value)
{
    const struct queue *queue = of(given);
    struct sheaf__item *item = sheaf__alloc(sizeof *item);
    if (!item) {
        return SHEAF_NOMEM;
    }
    item->value = value;
    item->rank = !queue->ranked ? 0 : queue->rank ? queue->rank(value) : value.i64;
    waiter->kind = &put_waitable;
    waiter->object = given;
    waiter->of.item = item;
    return SHEAF_OK;
}

void sheaf__queue_end_put(struct sheaf__waiter *waiter)
{
    sheaf__free(waiter->of.item, sizeof *waiter->of.item);
}

/* ---------------------------------------------------------------- waiting for an item */

static enum sheaf__look look_for_item(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    enum sheaf__look look;
    sheaf__spin_lock(&queue->guard);
    bool there = queue->items.size > 0 && !queue->emptied;
    int status = there ? SHEAF_OK : refusal(queue);
    if (status == SHEAF_OK && !there) {
        look = get_in_line(queue, waiter, &queue->getters);
    } else {
        look = tell(waiter, status);
        if (look == SHEAF__LOOK_TAKEN && there) {
            waiter->of.item = sheaf__items_take(&queue->items);
            settle(queue);
        }
    }
    sheaf__spin_unlock(&queue->guard);
    return look;
}

static void leave_getters(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    leave(waiter, &queue->getters);
}

static void decline_item(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    if (waiter->status == SHEAF_OK) {
        sheaf__items_insert(&queue->items, waiter->of.item);
        if (queue->emptied) {
            throw_away(queue);
        }
        settle(queue);
    }
    go_out(queue);
    sheaf__spin_unlock(&queue->guard);
}

static const struct sheaf__waitable get_waitable = {
    .what = "an item of a queue",
    .look = look_for_item,
    .leave = leave_getters,
    .accept = accept_nothing,
    .decline = decline_item,
};

void sheaf__queue_begin_get(struct sheaf__waiter *waiter, sheaf_queue *queue)
{
    waiter->kind = &get_waitable;
    waiter->object = queue;
}

void sheaf__queue_end_get(struct sheaf__waiter *waiter, sheaf_value *value)
{
    struct sheaf__item *item = waiter->of.item;
    *value = item->value;
    sheaf__free(item, sizeof *item);
}

/* ---------------------------------------------------------------- waiting for the end of work */

static enum sheaf__look look_for_done(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    enum sheaf__look look = !queue->open         ? tell(waiter, SHEAF_CLOSED)
                            : queue->undone == 0 ? tell(waiter, SHEAF_OK)
                                                 : get_in_line(queue, waiter, &queue->joiners);
    sheaf__spin_unlock(&queue->guard);
    return look;
}

static void leave_joiners(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    leave(waiter, &queue->joiners);
}

static const struct sheaf__waitable join_waitable = {
    .what = "the items of a queue to be done",
    .look = look_for_done,
    .leave = leave_joiners,
    .accept = accept_nothing,
    .decline = accept_nothing,
};

/* ---------------------------------------------------------------- waiting for all to leave */

static enum sheaf__look look_for_nobody(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    enum sheaf__look look =
        queue->inside == 0 ? tell(waiter, SHEAF_OK) : sheaf__waiter_queue(waiter, &queue->closers);
    sheaf__spin_unlock(&queue->guard);
    return look;
}

/* No request and no time ends this wait: it was chosen, and out of the line before that. */
static void leave_closers(struct sheaf__waiter *waiter)
{
    struct queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    sheaf__spin_unlock(&queue->guard);
}

static const struct sheaf__waitable close_waitable = {
    .what = "a queue to be left",
    .look = look_for_nobody,
    .leave = leave_closers,
};

/* ---------------------------------------------------------------- opening and closing */

int sheaf_queue_open(sheaf_queue *given, const sheaf_queue_options *given_options)
{
    sheaf_queue_options options;
    SHEAF_TRY(sheaf__options_read(given_options, &options, sizeof options));
    if (!given || options.order < SHEAF_QUEUE_FIFO || options.order > SHEAF_QUEUE_PRIORITY) {
        return SHEAF_INVALID;
    }
    memset(given, 0, sizeof *given);
    struct queue *queue = of(given);
    queue->open = true;
    queue->ranked = options.order == SHEAF_QUEUE_PRIORITY;
    queue->items.newest_first = options.order == SHEAF_QUEUE_LIFO;
    queue->bound = options.bound;
    queue->drop = options.drop;
    queue->rank = options.rank;
    return SHEAF_OK;
}

/* Puts and gets end with `status`.  The guard is held. */
static void send_away(struct queue *queue, int status)
{
    sheaf__line_choose_all(&queue->putters, status);
    sheaf__line_choose_all(&queue->getters, status);
}

int sheaf_queue_shutdown(sheaf_queue *given, bool immediate)
{
    if (!given) {
        return SHEAF_INVALID;
    }
    struct queue *queue = of(given);
    sheaf__spin_lock(&queue->guard);
    bool open = queue->open;
    if (open) {
        queue->shut = true;
        queue->inside++;
        send_away(queue, SHEAF_SHUTDOWN);
        if (immediate) {
            queue->emptied = true;
            throw_away(queue);
        }
        go_out(queue);
    }
    sheaf__spin_unlock(&queue->guard);
    return open ? SHEAF_OK : SHEAF_CLOSED;
}

int sheaf_queue_close(sheaf_queue *given)
{
    if (!given) {
        return SHEAF_INVALID;
    }
    struct queue *queue = of(given);
    sheaf__spin_lock(&queue->guard);
    bool open = queue->open;
    if (open) {
        queue->open = false;
        queue->shut = true;
        queue->emptied = true;
        send_away(queue, SHEAF_CLOSED);
        sheaf__line_choose_all(&queue->joiners, SHEAF_CLOSED);
        throw_away(queue);
    }
    sheaf__spin_unlock(&queue->guard);
    if (!open) {
        return SHEAF_CLOSED;
    }
    struct sheaf__waiter waiter = {.kind = &close_waitable, .object = queue};
    sheaf__waiter_wait_deaf(&waiter);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- putting and getting */

int sheaf_queue_put_until(sheaf_queue *queue, sheaf_value item, sheaf_time deadline)
{
    if (!queue) {
        return SHEAF_INVALID;
    }
    struct sheaf__waiter waiter = {.kind = NULL};
    SHEAF_TRY(sheaf__queue_begin_put(&waiter, queue, item));
    int status = sheaf__waiter_wait(&waiter, deadline);
    sheaf__queue_end_put(&waiter);
    return status;
}

int sheaf_queue_put(sheaf_queue *queue, sheaf_value item)
{
    return sheaf_queue_put_until(queue, item, SHEAF_FOREVER);
}

int sheaf_queue_try_put(sheaf_queue *queue, sheaf_value item)
{
    if (!queue) {
        return SHEAF_INVALID;
    }
    struct sheaf__waiter waiter = {.kind = NULL};
    SHEAF_TRY(sheaf__queue_begin_put(&waiter, queue, item));
    int status = sheaf__waiters_look(&waiter) ? waiter.status : SHEAF_FULL;
    sheaf__queue_end_put(&waiter);
    return status;
}

int sheaf_queue_get_until(sheaf_queue *queue, sheaf_value *item, sheaf_time deadline)
{
    if (!queue || !item) {
        return SHEAF_INVALID;
    }
    struct sheaf__waiter waiter = {.kind = NULL};
    sheaf__queue_begin_get(&waiter, queue);
    SHEAF_TRY(sheaf__waiter_wait(&waiter, deadline));
    sheaf__queue_end_get(&waiter, item);
    return SHEAF_OK;
}

int sheaf_queue_get(sheaf_queue *queue, sheaf_value *item)
{
    return sheaf_queue_get_until(queue, item, SHEAF_FOREVER);
}

int sheaf_queue_try_get(sheaf_queue *queue, sheaf_value *item)
{
    if (!queue || !item) {
        return SHEAF_INVALID;
    }
    struct sheaf__waiter waiter = {.kind = NULL};
    sheaf__queue_begin_get(&waiter, queue);
    if (!sheaf__waiters_look(&waiter)) {
        return SHEAF_EMPTY;
    }
    SHEAF_TRY(waiter.status);
    sheaf__queue_end_get(&waiter, item);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- joining and looking */

int sheaf_queue_task_done(sheaf_queue *given)
{
    if (!given) {
        return SHEAF_INVALID;
    }
    struct queue *queue = of(given);
    sheaf__spin_lock(&queue->guard);
    int status = !queue->open ? SHEAF_CLOSED : queue->undone == 0 ? SHEAF_STATE : SHEAF_OK;
    if (status == SHEAF_OK) {
        count_done(queue);
    }
    sheaf__spin_unlock(&queue->guard);
    return status;
}

int sheaf_queue_join_until(sheaf_queue *queue, sheaf_time deadline)
{
    if (!queue) {
        return SHEAF_INVALID;
    }
    struct sheaf__waiter waiter = {.kind = &join_waitable, .object = queue};
    return sheaf__waiter_wait(&waiter, deadline);
}

int sheaf_queue_join(sheaf_queue *queue)
{
    return sheaf_queue_join_until(queue, SHEAF_FOREVER);
}

/* Its size, and whether it has a place, at one instant. */
static size_t measure(const sheaf_queue *given, bool *place)
{
    struct queue *queue = of(given);
    sheaf__spin_lock(&queue->guard);
    size_t size = queue->emptied ? 0 : queue->items.size;
    *place = has_place(queue);
    sheaf__spin_unlock(&queue->guard);
    return size;
}

size_t sheaf_queue_size(const sheaf_queue *queue)
{
    bool place;
    return queue ? measure(queue, &place) : 0;
}

bool sheaf_queue_empty(const sheaf_queue *queue)
{
    return sheaf_queue_size(queue) == 0;
}

bool sheaf_queue_full(const sheaf_queue *queue)
{
    bool place = true;
    if (queue) {
        measure(queue, &place);
    }
    return !place;
}
