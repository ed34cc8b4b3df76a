/* sheaf: asyncio's gather, wait and TaskGroup for C, on all the cores.
 *
 * The umbrella: includes only.  Each topic header compiles alone.
 *
 * It makes the macro errno safe to use in tasks (errno.h), unless SHEAF_PLAIN_ERRNO is defined. */
#ifndef SHEAF_H
#define SHEAF_H

#include <sheaf/base.h>
#include <sheaf/blocking.h>
#include <sheaf/debug.h>
#ifndef SHEAF_PLAIN_ERRNO
#include <sheaf/errno.h>
#endif
#include <sheaf/error.h>
#include <sheaf/fork.h>
#include <sheaf/future.h>
#include <sheaf/gather.h>
#include <sheaf/group.h>
#include <sheaf/parallel.h>
#include <sheaf/pool.h>
#include <sheaf/queue.h>
#include <sheaf/runner.h>
#include <sheaf/select.h>
#include <sheaf/sync.h>
#include <sheaf/task.h>
#include <sheaf/testing.h>
#include <sheaf/time.h>
#include <sheaf/timeout.h>
#include <sheaf/trace.h>

#endif
