/* Whose stack it was: the words for a fault in the guard of a task's stack. */
#ifndef SHEAF_LIB_OVERFLOW_H
#define SHEAF_LIB_OVERFLOW_H

#include <stddef.h>

/* A sheaf__fault_fn (lib/platform/fault.h): one line with the name of the innermost task on the
 * calling worker's stack, if the address lies in the guard below that stack. */
size_t sheaf__overflow_describe(const void *address, char *text, size_t size);

#endif
