#include "tests/migration/probe.h"

#include <errno.h>

#ifdef __OPTIMIZE__
const bool probe_optimised = true;
#else
const bool probe_optimised = false;
#endif

static PROBE void write_errno_twice(probe_suspend *suspend, void *context, int mark)
{
    errno = 0;
    suspend(context);
    errno = mark;
}

static PROBE __attribute__((noinline)) int read_errno(void)
{
    return errno;
}

const struct probe plain_errno = {"errno", write_errno_twice, read_errno};

/* Not static: what nobody else can name, a compiler may lay out as it likes. */
_Thread_local int probe_slot;

static PROBE void write_slot_twice(probe_suspend *suspend, void *context, int mark)
{
    probe_slot = 0;
    suspend(context);
    probe_slot = mark;
}

static PROBE __attribute__((noinline)) int read_slot(void)
{
    return probe_slot;
}

const struct probe thread_own = {"thread-local", write_slot_twice, read_slot};
