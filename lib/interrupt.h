/* SIGINT for one listener at a time, told on a thread of the library's own. */
#ifndef SHEAF_LIB_INTERRUPT_H
#define SHEAF_LIB_INTERRUPT_H

#include <pthread.h>
#include <stdbool.h>

#include "lib/atomics.h"

/* In the frame of who listens. */
struct sheaf__interrupt {
    void (*tell)(void *context); /* once for each signal, with no lock held */
    void *context;
    bool listens; /* the thread exists */
    SHEAF__ATOMIC(bool) stop;
    pthread_t thread;
};

/* Makes what the handler uses: once, before anybody listens. */
void sheaf__interrupt_prepare(void);

/* Installs a handler, if the calling thread is the process's main thread and the action is the
 * default one; else nothing is ever told.
 *
 * Requires: tell and context are set, all else is zero
 * Returns:  SHEAF_OK; SHEAF_NOMEM: there is nothing to end */
int sheaf__interrupt_begin(struct sheaf__interrupt *self);

/* Restores the default action, unless the program has put another one in its place; `tell` is not
 * called any more on return. */
void sheaf__interrupt_end(struct sheaf__interrupt *self);

/* From within `tell`, or in a child of fork(), where nobody listens: the next signal finds the
 * default action. */
void sheaf__interrupt_restore(void);

#endif
