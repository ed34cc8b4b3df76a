/* What a thread that runs a blocking call has of a task: the values it sees, and an error to fail
 * with.  It has no record, so there is no current task; it waits as every plain thread does. */
#ifndef SHEAF_LIB_GUEST_H
#define SHEAF_LIB_GUEST_H

#include <stddef.h>

#include <sheaf/error.h>

#include "lib/platform/self.h"

struct sheaf__locals;

/* In the frame of the thread, which alone uses it. */
struct sheaf__guest {
    struct sheaf__locals *locals; /* a reference */
    sheaf_error *raised;          /* a reference: what the call fails with if the code fits */
};

/* That of the calling thread; NULL where no blocking call runs.
 * Context: plain thread */
static inline struct sheaf__guest *sheaf__guest_self(void)
{
    return (struct sheaf__guest *)sheaf__self_guest();
}

static inline void sheaf__guest_enter(struct sheaf__guest *guest)
{
    sheaf__self_set_guest(guest);
}

static inline void sheaf__guest_leave(void)
{
    sheaf__self_set_guest(NULL);
}

static inline void sheaf__guest_raise(struct sheaf__guest *guest, sheaf_error *error)
{
    sheaf_error *before = guest->raised;
    guest->raised = sheaf_error_retain(error);
    sheaf_error_release(before);
}

#endif
