#include "tests/migration/probe.h"

#include <sheaf/errno.h>

static PROBE void write_errno_twice(probe_suspend *suspend, void *context, int mark)
{
    errno = 0;
    suspend(context);
    errno = mark;
}

static PROBE int read_errno(void)
{
    return errno;
}

const struct probe guarded_errno = {"sheaf's errno", write_errno_twice, read_errno};
