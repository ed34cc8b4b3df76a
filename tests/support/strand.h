/* A context in the tests of the lowest layer: a body on a stack, and the one that it yields to. */
#ifndef SHEAF_TESTS_SUPPORT_STRAND_H
#define SHEAF_TESTS_SUPPORT_STRAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/platform/context.h"
#include "tests/support/stacks.h"

/* What a strand and the threads that resume it both touch while it lives is atomic: a switch alone
 * orders nothing for TSan. */
struct strand {
    struct sheaf__context context;
    void *low;                             /* const once started */
    void (*body)(struct strand *);         /* const once started */
    _Atomic(struct sheaf__context *) back; /* set by whoever resumes it */
    _Atomic int64_t in;                    /* whatever body and test tell each other */
    _Atomic int64_t out;
    _Atomic bool ended; /* the body returns, or is to return */
};

/* The load of back takes over, acquire, what the thread did before it resumed the strand. */
static inline void strand_entry(void *arg)
{
    struct strand *s = arg;
    (void)atomic_load(&s->back);
    s->body(s);
    sheaf__context_leave(&s->context, s->back);
}

static inline void strand_start_with(struct strand *s, struct sheaf__context *back,
                                     struct sheaf__context_modes modes,
                                     void (*body)(struct strand *))
{
    s->low = sheaf__stack_take(&stacks);
    assert_non_null(s->low);
    s->back = back;
    s->body = body;
    sheaf__context_make(&s->context, s->low, sheaf__stacks_usable(&stacks), modes, strand_entry, s);
}

static inline void strand_start(struct strand *s, struct sheaf__context *back,
                                void (*body)(struct strand *))
{
    strand_start_with(s, back, sheaf__context_get_modes(), body);
}

static inline void strand_end(struct strand *s)
{
    sheaf__context_release(&s->context);
    sheaf__stack_give(&stacks, s->low);
}

static SHEAF__NOINLINE void strand_yield(struct strand *s)
{
    sheaf__context_switch(&s->context, s->back);
    (void)atomic_load(&s->back);
}

/* Every strand of a test has to be ended. */
static inline int strands_teardown(void **state)
{
    struct sheaf__stacks_statistics end = stacks_counts();
    stacks_teardown(state);
    return end.live == 0 ? 0 : -1;
}

#define with_strands(test) cmocka_unit_test_setup_teardown(test, stacks_setup, strands_teardown)

#endif
