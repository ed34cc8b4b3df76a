/* The library's sources as one C++ unit: what stands in for memory, the system and panics. */
#ifndef SHEAF_TESTS_CHECK_RELACY_LIB_H
#define SHEAF_TESTS_CHECK_RELACY_LIB_H

#include <pthread.h>
#include <sched.h>

#include <cstdarg>

#include "tests/check/relacy_model.h"
#include "tests/check/relacy_runner.h"

#define _Static_assert static_assert
#define _Atomic(type) type /* the platform layer's own, not used here */

/* What a spinning thread calls. */
#undef sched_yield
#define sched_yield() rl::yield(1, $)
#define SHEAF__SPINS_BEFORE_YIELD 1

namespace check
{
/* Makes allocations fail. */
bool no_memory;
} // namespace check

/* ---------------------------------------------------------------- lib/alloc.h */

#define SHEAF_LIB_ALLOC_H

/* C converts a block's address to any pointer by itself. */
struct any_pointer {
    void *address;
    any_pointer(void *given) : address(given) {}
    template <typename T> operator T *() const { return static_cast<T *>(address); }
};

static inline any_pointer sheaf__alloc(size_t size)
{
    return any_pointer(check::no_memory ? nullptr : check::make(size));
}

static inline any_pointer sheaf__alloc_zeroed(size_t size)
{
    return sheaf__alloc(size);
}

static inline any_pointer sheaf__alloc_array(size_t count, size_t size)
{
    return sheaf__alloc(count * size);
}

static inline void sheaf__free(void *block, size_t)
{
    if (block) {
        check::drop(block);
    }
}

static inline void sheaf__free_array(void *block, size_t, size_t)
{
    sheaf__free(block, 0);
}

#include "lib/error_impl.h"
#include "lib/platform/park.h"

void sheaf__panic(const char *format, ...)
{
    std::printf("panic: %s\n", format);
    RL_ASSERT(!"panic");
    std::abort();
}

/* ---------------------------------------------------------------- lib/platform/park.h */

int sheaf__parker_init(struct sheaf__parker *, bool)
{
    return 0;
}
void sheaf__parker_destroy(struct sheaf__parker *) {}
void sheaf__park(struct sheaf__parker *p)
{
    check::parkings.at(p)->park(false);
}
void sheaf__unpark(struct sheaf__parker *p)
{
    check::parkings.at(p)->unpark();
}

bool sheaf__park_until(struct sheaf__parker *p, int64_t monotonic_ns)
{
    return check::parkings.at(p)->park(monotonic_ns != INT64_MAX);
}

#include "lib/spin.c"

#endif
