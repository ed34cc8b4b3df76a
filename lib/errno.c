/* errno values: the place of the thread's, for programs, and their names and texts. */
#include <sheaf/errno.h>

#include "lib/error_impl.h"
#include "lib/platform/self.h"

#include <string.h>

/* That no compiler sees through the call is argued in lib/platform/self.c. */
int *sheaf_errno_place(void)
{
    return sheaf__errno_place();
}

/* The usual strerror() does not promise for every value in every library that its text is static.
 */
#ifdef __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 32)
#define HAVE_ERRNO_NAMES 1
#endif
#endif

#ifdef HAVE_ERRNO_NAMES

const char *sheaf__errno_name(int code)
{
    return strerrorname_np(code);
}

const char *sheaf__errno_text(int code)
{
    return strerrordesc_np(code);
}

#else

#define NAME(name) [name] = #name

/* Those of POSIX, of which several are one value where it allows that. */
static const char *const errno_names[] = {
    NAME(E2BIG),        NAME(EACCES),
    NAME(EADDRINUSE),   NAME(EADDRNOTAVAIL),
    NAME(EAFNOSUPPORT), NAME(EAGAIN),
    NAME(EALREADY),     NAME(EBADF),
    NAME(EBADMSG),      NAME(EBUSY),
    NAME(ECANCELED),    NAME(ECHILD),
    NAME(ECONNABORTED), NAME(ECONNREFUSED),
    NAME(ECONNRESET),   NAME(EDEADLK),
    NAME(EDESTADDRREQ), NAME(EDOM),
    NAME(EDQUOT),       NAME(EEXIST),
    NAME(EFAULT),       NAME(EFBIG),
    NAME(EHOSTUNREACH), NAME(EIDRM),
    NAME(EILSEQ),       NAME(EINPROGRESS),
    NAME(EINTR),        NAME(EINVAL),
    NAME(EIO),          NAME(EISCONN),
    NAME(EISDIR),       NAME(ELOOP),
    NAME(EMFILE),       NAME(EMLINK),
    NAME(EMSGSIZE),     NAME(EMULTIHOP),
    NAME(ENAMETOOLONG), NAME(ENETDOWN),
    NAME(ENETRESET),    NAME(ENETUNREACH),
    NAME(ENFILE),       NAME(ENOBUFS),
    NAME(ENODEV),       NAME(ENOENT),
    NAME(ENOEXEC),      NAME(ENOLCK),
    NAME(ENOLINK),      NAME(ENOMEM),
    NAME(ENOMSG),       NAME(ENOPROTOOPT),
    NAME(ENOSPC),       NAME(ENOSYS),
    NAME(ENOTCONN),     NAME(ENOTDIR),
    NAME(ENOTEMPTY),    NAME(ENOTRECOVERABLE),
    NAME(ENOTSOCK),     NAME(ENOTSUP),
    NAME(ENOTTY),       NAME(ENXIO),
    NAME(EOVERFLOW),    NAME(EOWNERDEAD),
    NAME(EPERM),        NAME(EPIPE),
    NAME(EPROTO),       NAME(EPROTONOSUPPORT),
    NAME(EPROTOTYPE),   NAME(ERANGE),
    NAME(EROFS),        NAME(ESPIPE),
    NAME(ESRCH),        NAME(ESTALE),
    NAME(ETIMEDOUT),    NAME(ETXTBSY),
    NAME(EXDEV),
};

const char *sheaf__errno_name(int code)
{
    return code > 0 && (size_t)code < sizeof errno_names / sizeof errno_names[0] ? errno_names[code]
                                                                                 : NULL;
}

/* musl's strerror() gives static strings for all values. */
const char *sheaf__errno_text(int code)
{
    return strerror(code);
}

#endif
