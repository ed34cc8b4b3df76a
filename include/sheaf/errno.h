/* An errno that a task may name on both sides of a suspension.                       (stable tier)
 *
 * The C library's errno is an expression for the address of the calling thread's errno, and that
 * address compilers take to be the same throughout a function.  A task may go on on another thread
 * after a suspension: a function that named errno before it then goes on to read and write the
 * first thread's, with gcc and clang from -O1 on.  Behind this header errno is a call that no
 * compiler sees through.  Its value is kept over a suspension in any case.
 *
 *     errno = 0;
 *     SHEAF_TRY(sheaf_sleep(SHEAF_MS(10)));
 *     long n = strtol(text, NULL, 10);
 *     if (errno) return errno;                 // this thread's, whichever it is
 *
 * <sheaf.h> includes it, unless SHEAF_PLAIN_ERRNO is defined before; the other headers do not.  A
 * source that includes only some of them and uses errno in a task includes it too.  What the macro
 * does not reach: the address of errno that a program keeps itself, and functions compiled without
 * this header that are given a callback which suspends.  ThreadSanitizer takes tasks for threads
 * and their thread's errno for a variable that they share: it has to be told to look away from a
 * task that names it.
 */
#ifndef SHEAF_ERRNO_H
#define SHEAF_ERRNO_H

#include <errno.h>

#include <sheaf/base.h>

SHEAF_BEGIN_DECLS

/* Where the calling thread's errno is; valid until the next suspension.
 * Context: anywhere, signal handlers included */
SHEAF_API int *sheaf_errno_place(void);

SHEAF_END_DECLS

#undef errno
#define errno (*sheaf_errno_place())

#endif
