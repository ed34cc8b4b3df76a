/* Queues: the calls.  The invariants are in lib/queue_impl.h. */
#include <sheaf/queue.h>

#include <string.h>

#include "lib/options.h"
#include "lib/queue_impl.h"
#include "lib/waitables.h"

/* ---------------------------------------------------------------- opening and closing */

int sheaf_queue_open(sheaf_queue *given, const sheaf_queue_options *given_options)
{
    sheaf_queue_options options;
    SHEAF_TRY(sheaf__options_read(given_options, &options, sizeof options));
    if (!given || options.order < SHEAF_QUEUE_FIFO || options.order > SHEAF_QUEUE_PRIORITY) {
        return SHEAF_INVALID;
    }
    memset(given, 0, sizeof *given);
    struct sheaf__queue *queue = sheaf__queue_of(given);
    queue->open = true;
    queue->ranked = options.order == SHEAF_QUEUE_PRIORITY;
    queue->items.newest_first = options.order == SHEAF_QUEUE_LIFO;
    queue->bound = options.bound;
    queue->drop = options.drop;
    queue->rank = options.rank;
    return SHEAF_OK;
}

/* Puts and gets end with `status`.  The guard is held. */
static void send_away(struct sheaf__queue *queue, int status)
{
    sheaf__line_choose_all(&queue->putters, status);
    sheaf__line_choose_all(&queue->getters, status);
}

int sheaf_queue_shutdown(sheaf_queue *given, bool immediate)
{
    if (!given) {
        return SHEAF_INVALID;
    }
    struct sheaf__queue *queue = sheaf__queue_of(given);
    sheaf__spin_lock(&queue->guard);
    bool open = queue->open;
    if (open) {
        queue->shut = true;
        queue->inside++;
        send_away(queue, SHEAF_SHUTDOWN);
        if (immediate) {
            queue->emptied = true;
            sheaf__queue_throw_away(queue);
        }
        sheaf__queue_go_out(queue);
    }
    sheaf__spin_unlock(&queue->guard);
    return open ? SHEAF_OK : SHEAF_CLOSED;
}

int sheaf_queue_close(sheaf_queue *given)
{
    if (!given) {
        return SHEAF_INVALID;
    }
    struct sheaf__queue *queue = sheaf__queue_of(given);
    sheaf__spin_lock(&queue->guard);
    bool open = queue->open;
    if (open) {
        queue->open = false;
        queue->shut = true;
        queue->emptied = true;
        send_away(queue, SHEAF_CLOSED);
        sheaf__line_choose_all(&queue->joiners, SHEAF_CLOSED);
        sheaf__queue_throw_away(queue);
    }
    sheaf__spin_unlock(&queue->guard);
    if (!open) {
        return SHEAF_CLOSED;
    }
    struct sheaf__waiter waiter = {.kind = &sheaf__queue_close_waitable, .object = queue};
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
    struct sheaf__queue *queue = sheaf__queue_of(given);
    sheaf__spin_lock(&queue->guard);
    int status = !queue->open ? SHEAF_CLOSED : queue->undone == 0 ? SHEAF_STATE : SHEAF_OK;
    if (status == SHEAF_OK) {
        sheaf__queue_count_done(queue);
    }
    sheaf__spin_unlock(&queue->guard);
    return status;
}

int sheaf_queue_join_until(sheaf_queue *queue, sheaf_time deadline)
{
    if (!queue) {
        return SHEAF_INVALID;
    }
    struct sheaf__waiter waiter = {.kind = &sheaf__queue_join_waitable, .object = queue};
    return sheaf__waiter_wait(&waiter, deadline);
}

int sheaf_queue_join(sheaf_queue *queue)
{
    return sheaf_queue_join_until(queue, SHEAF_FOREVER);
}

/* Its size, and whether it has a place, at one instant. */
static size_t measure(const sheaf_queue *given, bool *place)
{
    struct sheaf__queue *queue = sheaf__queue_of(given);
    sheaf__spin_lock(&queue->guard);
    size_t size = queue->emptied ? 0 : queue->items.size;
    *place = sheaf__queue_has_place(queue);
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
