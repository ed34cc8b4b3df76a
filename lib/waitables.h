/* The ways to wait that a select offers, each defined beside its object. */
#ifndef SHEAF_LIB_WAITABLES_H
#define SHEAF_LIB_WAITABLES_H

#include <sheaf/queue.h>

#include "lib/waiters.h"

/* The object is the public struct; the waiter is zeroed but for `kind` and `object`. */
extern const struct sheaf__waitable sheaf__mutex_waitable;     /* lib/sync.c */
extern const struct sheaf__waitable sheaf__semaphore_waitable; /* lib/semaphore.c */
extern const struct sheaf__waitable sheaf__event_waitable;     /* lib/event.c */

/* The same for a queue, whose waiters have items.
 *
 *   put: begin gives the waiter an item that holds the value, end frees it if it was not put
 *   get: end hands out the value of the item that the waiter got
 *
 * Returns: SHEAF_OK, SHEAF_NOMEM */
int sheaf__queue_begin_put(struct sheaf__waiter *waiter, sheaf_queue *given, sheaf_value value);
void sheaf__queue_end_put(struct sheaf__waiter *waiter);
void sheaf__queue_begin_get(struct sheaf__waiter *waiter, sheaf_queue *queue);
void sheaf__queue_end_get(struct sheaf__waiter *waiter, sheaf_value *value);

#endif
