/* Queues: how items and places change hands, and the waits for them. */
#include "lib/queue_impl.h"

#include "lib/alloc.h"
#include "lib/waitables.h"

/* ---------------------------------------------------------------- changes; the guard is held */

static void feed_getters(struct sheaf__queue *queue)
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

static void place_putters(struct sheaf__queue *queue)
{
    while (sheaf__queue_has_place(queue) && !sheaf__line_empty(&queue->putters)) {
        struct sheaf__waiter *putter = sheaf__line_pop(&queue->putters);
        sheaf__items_number(&queue->items, putter->of.item);
        if (sheaf__waiter_choose(putter, SHEAF_OK)) {
            queue->promised++;
        }
    }
}

static void settle(struct sheaf__queue *queue)
{
    feed_getters(queue);
    place_putters(queue);
}

static void put(struct sheaf__queue *queue, struct sheaf__waiter *putter)
{
    sheaf__items_insert(&queue->items, putter->of.item);
    putter->of.item = NULL;
    queue->undone++;
    settle(queue);
}

void sheaf__queue_count_done(struct sheaf__queue *queue)
{
    if (queue->undone > 0 && --queue->undone == 0) {
        sheaf__line_choose_all(&queue->joiners, SHEAF_OK);
    }
}

void sheaf__queue_throw_away(struct sheaf__queue *queue)
{
    struct sheaf__item *item;
    while ((item = sheaf__items_take(&queue->items)) != NULL) {
        sheaf__spin_unlock(&queue->guard);
        if (queue->drop) {
            queue->drop(item->value);
        }
        sheaf__free(item, sizeof *item);
        sheaf__spin_lock(&queue->guard);
        sheaf__queue_count_done(queue);
    }
}

/* ---------------------------------------------------------------- waiting */

/* What keeps everybody from getting in line, SHEAF_OK if nothing does.  The guard is held. */
static int refusal(const struct sheaf__queue *queue)
{
    return !queue->open ? SHEAF_CLOSED : queue->shut ? SHEAF_SHUTDOWN : SHEAF_OK;
}

static enum sheaf__look get_in_line(struct sheaf__queue *queue, struct sheaf__waiter *waiter,
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

void sheaf__queue_go_out(struct sheaf__queue *queue)
{
    if (--queue->inside == 0) {
        sheaf__line_choose_all(&queue->closers, SHEAF_OK);
    }
}

static void leave(struct sheaf__waiter *waiter, struct sheaf__line *line)
{
    struct sheaf__queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    if (sheaf__line_has(line, waiter)) {
        sheaf__line_remove(line, waiter);
    }
    if (!waiter->chosen) {
        sheaf__queue_go_out(queue);
    }
    sheaf__spin_unlock(&queue->guard);
}

static void accept_nothing(struct sheaf__waiter *waiter)
{
    struct sheaf__queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    sheaf__queue_go_out(queue);
    sheaf__spin_unlock(&queue->guard);
}

/* ---------------------------------------------------------------- waiting for a place */

static enum sheaf__look look_for_place(struct sheaf__waiter *waiter)
{
    struct sheaf__queue *queue = waiter->object;
    enum sheaf__look look;
    sheaf__spin_lock(&queue->guard);
    int status = refusal(queue);
    if (status == SHEAF_OK && !sheaf__queue_has_place(queue)) {
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
    struct sheaf__queue *queue = waiter->object;
    leave(waiter, &queue->putters);
}

static void accept_place(struct sheaf__waiter *waiter)
{
    struct sheaf__queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    if (waiter->status == SHEAF_OK) {
        queue->promised--;
        waiter->status = refusal(queue);
        if (waiter->status == SHEAF_OK) {
            put(queue, waiter);
        }
    }
    sheaf__queue_go_out(queue);
    sheaf__spin_unlock(&queue->guard);
}

static void decline_place(struct sheaf__waiter *waiter)
{
    struct sheaf__queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    if (waiter->status == SHEAF_OK) {
        queue->promised--;
        settle(queue);
    }
    sheaf__queue_go_out(queue);
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
    const struct sheaf__queue *queue = sheaf__queue_of(given);
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
    struct sheaf__queue *queue = waiter->object;
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
    struct sheaf__queue *queue = waiter->object;
    leave(waiter, &queue->getters);
}

static void decline_item(struct sheaf__waiter *waiter)
{
    struct sheaf__queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    if (waiter->status == SHEAF_OK) {
        sheaf__items_insert(&queue->items, waiter->of.item);
        if (queue->emptied) {
            sheaf__queue_throw_away(queue);
        }
        settle(queue);
    }
    sheaf__queue_go_out(queue);
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
    struct sheaf__queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    enum sheaf__look look = !queue->open         ? tell(waiter, SHEAF_CLOSED)
                            : queue->undone == 0 ? tell(waiter, SHEAF_OK)
                                                 : get_in_line(queue, waiter, &queue->joiners);
    sheaf__spin_unlock(&queue->guard);
    return look;
}

static void leave_joiners(struct sheaf__waiter *waiter)
{
    struct sheaf__queue *queue = waiter->object;
    leave(waiter, &queue->joiners);
}

const struct sheaf__waitable sheaf__queue_join_waitable = {
    .what = "the items of a queue to be done",
    .look = look_for_done,
    .leave = leave_joiners,
    .accept = accept_nothing,
    .decline = accept_nothing,
};

/* ---------------------------------------------------------------- waiting for all to leave */

static enum sheaf__look look_for_nobody(struct sheaf__waiter *waiter)
{
    struct sheaf__queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    enum sheaf__look look =
        queue->inside == 0 ? tell(waiter, SHEAF_OK) : sheaf__waiter_queue(waiter, &queue->closers);
    sheaf__spin_unlock(&queue->guard);
    return look;
}

/* No request and no time ends this wait: it was chosen, and out of the line before that. */
static void leave_closers(struct sheaf__waiter *waiter)
{
    struct sheaf__queue *queue = waiter->object;
    sheaf__spin_lock(&queue->guard);
    sheaf__spin_unlock(&queue->guard);
}

const struct sheaf__waitable sheaf__queue_close_waitable = {
    .what = "a queue to be left",
    .look = look_for_nobody,
    .leave = leave_closers,
};
