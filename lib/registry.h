/* The open pools of the process, for whoever asks about all of them. */
#ifndef SHEAF_LIB_REGISTRY_H
#define SHEAF_LIB_REGISTRY_H

#include "lib/pool_impl.h"

/* From its opening to the end of its workers; once each.  The second waits for a visit. */
void sheaf__registry_add(sheaf_pool *pool);
void sheaf__registry_remove(sheaf_pool *pool);

/* Calls visit(context, pool) for each, in the order of their opening, with no lock held.  The pool
 * does not go meanwhile: its close waits.
 *
 * Returns: SHEAF_OK, or what the first visit gave that was not, with which it ended */
int sheaf__registry_visit(int (*visit)(void *context, sheaf_pool *pool), void *context);

/* In a child of fork(): the pools of the parent's are not here. */
void sheaf__registry_forget(void);

#endif
