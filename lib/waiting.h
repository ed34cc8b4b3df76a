/* What the calls that wait for several futures share. */
#ifndef SHEAF_LIB_WAITING_H
#define SHEAF_LIB_WAITING_H

#include <stdbool.h>
#include <stddef.h>

#include <sheaf/base.h>
#include <sheaf/gather.h>
#include <sheaf/task.h>

/* The pool whose clock a limit of the caller's is on: a task's own, for a plain thread that of the
 * futures; NULL: the real clock. */
sheaf_pool *sheaf__clock_of(sheaf_future *const *futures, size_t count);

/* Whether each of so many calls is a function or a future. */
bool sheaf__calls_valid(const sheaf_call *calls, size_t count);

/* What was not started reads as cancelled, without a value.  Both arrays may be NULL. */
void sheaf__clear_results(size_t count, sheaf_value *values, int *statuses);

/* Lets the others run once, where a wait has nothing to wait for but suspends all the same (W9); in
 * asyncio's order twice, as in asyncio: the ends take a turn, then the caller does.
 * Returns: SHEAF_OK, on a plain thread too; SHEAF_CANCELLED */
int sheaf__give_way(void);

/* Asks those that have not ended to cancel, and waits until all have ended.  A request to the
 * caller meanwhile is passed on to all of them and does not end the wait.
 *
 * Returns: SHEAF_OK; SHEAF_CANCELLED when there was such a request; SHEAF_CYCLE when one of them
 *          awaits the caller */
int sheaf__cancel_and_join(sheaf_future *const *futures, size_t count, sheaf_origin origin);

#endif
