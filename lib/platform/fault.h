/* SIGSEGV, for who wants to say what an address was that faulted, and signal stacks for it.
 *
 * The handler asks `describe`, writes the line that it gives to standard error, and passes the
 * signal on: to the handler that was there before, or to the default action, by which the process
 * dies of the very instruction that faulted.  The handler that was there before is restored when
 * the last watcher goes.  One that is installed later is left where it is; it may call this one, as
 * handlers do that keep what they found. */
#ifndef SHEAF_PLATFORM_FAULT_H
#define SHEAF_PLATFORM_FAULT_H

#include <stddef.h>

/* Describes an address that has faulted on the calling thread as one line, its end included.
 *
 * Returns: the length of the line, at most `size`; 0: the address says nothing to it
 * Context: a signal handler: it does only what a handler may do */
typedef size_t sheaf__fault_fn(const void *address, char *line, size_t size);

/* Installs the handler, or counts one watcher more.  `describe` is the same for all. */
void sheaf__fault_watch(sheaf__fault_fn *describe);

/* Counts one less; the last one restores what was there before. */
void sheaf__fault_unwatch(void);

/* A stack on which the handlers of one thread run, since the thread's own may be what is full. */
struct sheaf__signal_stack {
    void *low; /* NULL: there is none, or the thread had one already */
    size_t usable;
};

/* Gives the calling thread a signal stack, unless it has one.  Where the system refuses the memory
 * it goes without, and dies of an overflow in silence. */
void sheaf__signal_stack_enter(struct sheaf__signal_stack *stack);

/* Takes it away again: before the thread ends, on that same thread. */
void sheaf__signal_stack_leave(struct sheaf__signal_stack *stack);

#endif
