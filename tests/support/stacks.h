/* Stacks for the tests of the lowest layer: one set a test, and ways to look at them. */
#ifndef SHEAF_TESTS_SUPPORT_STACKS_H
#define SHEAF_TESTS_SUPPORT_STACKS_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/platform/sanitize.h"
#include "lib/platform/stack.h"

/* Those of the running test. */
static struct sheaf__stacks stacks;

static inline int stacks_setup(void **state)
{
    (void)state;
    return sheaf__stacks_init(&stacks, 0);
}

/* The kind of guard that every kernel has. */
static inline int stacks_setup_with_mprotect(void **state)
{
    int failed = stacks_setup(state);
    stacks.guard_kind = SHEAF__STACK_GUARD_PROTECT;
    return failed;
}

static inline int stacks_teardown(void **state)
{
    (void)state;
    sheaf__stacks_destroy(&stacks);
    return 0;
}

static inline struct sheaf__stacks_statistics stacks_counts(void)
{
    struct sheaf__stacks_statistics now;
    sheaf__stacks_read_statistics(&stacks, &now);
    return now;
}

static inline char *stacks_take(void)
{
    char *low = sheaf__stack_take(&stacks);
    assert_non_null(low);
    return low;
}

/* Whether a read from the address faults, by asking the kernel to do it. */
static inline bool page_faults(const void *address)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
#if SHEAF__VALGRIND
    VALGRIND_DISABLE_ERROR_REPORTING; /* an address that faults is no error here */
#endif
    bool answer = write(ends[1], address, 1) == -1 && errno == EFAULT;
#if SHEAF__VALGRIND
    VALGRIND_ENABLE_ERROR_REPORTING;
#endif
    close(ends[0]);
    close(ends[1]);
    return answer;
}

#define with_stacks(test) cmocka_unit_test_setup_teardown(test, stacks_setup, stacks_teardown)
#define with_mprotect(test)                                                                        \
    {                                                                                              \
#test "_with_mprotect", test, stacks_setup_with_mprotect, stacks_teardown, NULL            \
    }

#endif
