/* Signals, each for one listener at a time, told on a thread of the library's own: SIGINT for a
 * run, and one of the program's choice for dumps. */
#ifndef SHEAF_LIB_INTERRUPT_H
#define SHEAF_LIB_INTERRUPT_H

#include <pthread.h>
#include <stdbool.h>

#include "lib/atomics.h"

enum sheaf__interrupt_use { SHEAF__INTERRUPT_RUN = 0, SHEAF__INTERRUPT_DUMP, SHEAF__INTERRUPTS };

/* Who listens, one for each use. */
struct sheaf__interrupt {
    enum sheaf__interrupt_use use;
    int signal;
    void (*tell)(void *context); /* once for each signal, with no lock held */
    void *context;
    bool listens; /* the thread exists */
    SHEAF__ATOMIC(bool) stop;
    pthread_t thread;
};

/* Makes what the handlers use: once, before anybody listens. */
void sheaf__interrupt_prepare(void);

/* Installs a handler if the action is the default one, for a run also only on the process's main
 * thread; else nothing is ever told, and `listens` stays false.
 *
 * Requires: use, signal, tell and context are set, all else is zero; the signal can be handled
 * Returns:  SHEAF_OK; SHEAF_NOMEM: there is nothing to end */
int sheaf__interrupt_begin(struct sheaf__interrupt *self);

/* Restores the default action, unless the program has put another one in its place; `tell` is not
 * called any more on return. */
void sheaf__interrupt_end(struct sheaf__interrupt *self);

/* From within `tell`, or in a child of fork(), where nobody listens: the next signal finds the
 * default action. */
void sheaf__interrupt_restore(enum sheaf__interrupt_use use);

#endif
