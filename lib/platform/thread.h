/* Threads of the library's own: they block all asynchronous signals, so that a program's handlers
 * run on the program's threads, and carry names. */
#ifndef SHEAF_PLATFORM_THREAD_H
#define SHEAF_PLATFORM_THREAD_H

#include <pthread.h>

/* Starts a thread with every signal blocked but those that a fault raises in the thread itself.
 *
 * Returns: 0 or an error number */
int sheaf__thread_start(pthread_t *thread, void *(*body)(void *), void *arg);

/* Names the calling thread "prefix/suffix", cut to what the system holds. */
void sheaf__thread_name(const char *prefix, const char *suffix);

#endif
