/* The threads of the running process, as the system lists them. */
#ifndef SHEAF_TESTS_SUPPORT_THREADS_H
#define SHEAF_TESTS_SUPPORT_THREADS_H

/* How many have a name that begins so. */
int count_threads(const char *prefix);

/* How often those have left a CPU: it stands still while none of them runs. */
long count_switches(const char *prefix);

#endif
