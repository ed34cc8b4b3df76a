/* What becomes of the library in a child of fork(), which has the memory of its parent and only the
 * thread that forked.
 *
 * A pool's workers are not there, and its locks are held for ever by threads that hold them in the
 * parent.  So the child touches nothing of its parent's pools but what lies in one word, and uses
 * pools of its own.  Whose a pool is tells the number of forks that it was opened after.
 *
 * The count moves on in a handler of pthread_atfork(), which runs in the child before fork()
 * returns, while there is one thread.  The handler is registered at the first use of the library,
 * before any of its locks is taken; the C library forgets it when the library is unloaded.  A child
 * made by vfork(), posix_spawn() or _Fork() does not call it, and may do no more than those allow.
 */
#ifndef SHEAF_PLATFORM_FORKS_H
#define SHEAF_PLATFORM_FORKS_H

#include <stdbool.h>

/* The forks between the process that used the library first and this one.  Written by the handler
 * alone, while there is one thread. */
extern unsigned sheaf__forks;

/* Registers the handler unless it is registered, and what it is to call in the child: the thread
 * that forked is a plain thread then, whatever it was in the parent.
 *
 *   in_child  the same in every call; it may be called more than once for one fork
 *
 * Returns:  false for want of memory
 * Context:  any thread
 */
bool sheaf__forks_heed(void (*in_child)(void));

#endif
