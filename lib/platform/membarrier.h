/* A memory barrier on every running thread of the process, paid for by the caller alone.
 *
 * One side of a store-load handshake then needs no more than a compiler barrier, and the other
 * side issues sheaf__membarrier() where it would have had its own full fence.
 */
#ifndef SHEAF_PLATFORM_MEMBARRIER_H
#define SHEAF_PLATFORM_MEMBARRIER_H

#include <stdbool.h>

/* Registers the process for the barrier, which once is enough, and tries it.
 *
 * Returns:  whether it is available; the registration survives fork
 * Context:  any thread
 */
bool sheaf__membarrier_ready(void);

/* Issue the barrier: every other thread of the process executes a full fence between the begin
 * and the end of this call, and so does the caller.
 *
 * Requires: sheaf__membarrier_ready() returned true
 * Context:  any thread; a system call of 0.1 to some microseconds
 *
 * A system-call filter that is installed after the registration and forbids the call takes away
 * what the callers' proofs rest on: the process is then stopped by a trap.
 */
void sheaf__membarrier(void);

#endif
