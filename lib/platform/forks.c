/* Threads that register at the same time all do it: the handler then runs as often, which only
 * counts the fork so many times.  A lock instead would be held for ever in a child that is made at
 * that very moment.
 */
#include "lib/platform/forks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "lib/platform/self.h"

unsigned sheaf__forks;

static void (*_Atomic call_in_child)(void); /* NULL until the handler is registered */

static void note_fork(void)
{
    sheaf__forks++;
    sheaf__self_set(NULL);
    sheaf__self_set_guest(NULL);
    /* relaxed: nobody else writes here. */
    void (*in_child)(void) = atomic_load_explicit(&call_in_child, memory_order_relaxed);
    if (in_child) in_child();
}

bool sheaf__forks_heed(void (*in_child)(void))
{
    /* relaxed: the one value says it all, nothing is published with it. */
    if (atomic_load_explicit(&call_in_child, memory_order_relaxed)) return true;
    if (pthread_atfork(NULL, NULL, note_fork) != 0) return false;
    atomic_store_explicit(&call_in_child, in_child, memory_order_relaxed);
    return true;
}
