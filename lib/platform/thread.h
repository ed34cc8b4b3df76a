/* Threads of the library's own: they block all asynchronous signals, so that a program's handlers
 * run on the program's threads, and carry names. */
#ifndef SHEAF_PLATFORM_THREAD_H
#define SHEAF_PLATFORM_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Starts a thread with every signal blocked but those that a fault raises in the thread itself.
 *
 * Returns: 0 or an error number */
int sheaf__thread_start(pthread_t *thread, void *(*body)(void *), void *arg);

/* The clock of the CPU time that the calling thread uses; 0 when there is none. */
clockid_t sheaf__thread_cpu_clock(void);

/* What such a clock says, in nanoseconds; -1 for 0, or when its thread has ended. */
int64_t sheaf__thread_cpu_time(clockid_t clock);

/* The number by which the system knows the calling thread. */
int sheaf__thread_number(void);

/* Whether such a thread of this process computes, or would if it had a CPU; false when it waits in
 * the system, and where the system does not tell (no /proc). */
bool sheaf__thread_is_runnable(int number);

/* Names the calling thread "prefix/suffix", cut to what the system holds. */
void sheaf__thread_name(const char *prefix, const char *suffix);

#endif
