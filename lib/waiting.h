/* What the calls that wait for several futures share. */
#ifndef SHEAF_LIB_WAITING_H
#define SHEAF_LIB_WAITING_H

#include <stddef.h>

#include <sheaf/base.h>

/* The pool whose clock a limit of the caller's is on: a task's own, for a plain thread that of the
 * futures; NULL: the real clock. */
sheaf_pool *sheaf__clock_of(sheaf_future *const *futures, size_t count);

#endif
