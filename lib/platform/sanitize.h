/* What ThreadSanitizer, AddressSanitizer and Valgrind must be told about contexts.
 *
 * Used by context.h alone.  Without one of the tools SHEAF__SANITIZED is 0, the record is not part
 * of a context, and nothing here is compiled.
 *
 * ThreadSanitizer: a context is a "fiber" with vector clocks of its own.  A switch does not
 * synchronise (SHEAF__TSAN_SWITCH_FLAG 1): two contexts that share a datum on one thread are as
 * suspect as on two, so whoever hands a context from thread to thread does it by acquire and
 * release atomics or under a lock.  0 makes each switch an edge, which hides such races.
 *
 * AddressSanitizer: it is told where the current stack lies and keeps a fake stack per context;
 * LeakSanitizer takes each context's stack for a root, since a block that only a suspended context
 * knows is not leaked.  With detect_stack_use_after_return=1 locals live on the fake stack, which
 * is no root while the context is suspended: leaks reported in that mode alone may be none.
 */
#ifndef SHEAF_PLATFORM_SANITIZE_H
#define SHEAF_PLATFORM_SANITIZE_H

#include "lib/platform/cpu.h"

#if defined(__has_feature)
#define SHEAF__HAS_FEATURE(x) __has_feature(x)
#else
#define SHEAF__HAS_FEATURE(x) 0
#endif

#if defined(__SANITIZE_THREAD__) || SHEAF__HAS_FEATURE(thread_sanitizer)
#define SHEAF__TSAN 1
#else
#define SHEAF__TSAN 0
#endif

#if defined(__SANITIZE_ADDRESS__) || SHEAF__HAS_FEATURE(address_sanitizer)
#define SHEAF__ASAN 1
#else
#define SHEAF__ASAN 0
#endif

#if defined(SHEAF_VALGRIND)
#define SHEAF__VALGRIND 1
#else
#define SHEAF__VALGRIND 0
#endif

#define SHEAF__SANITIZED (SHEAF__TSAN || SHEAF__ASAN || SHEAF__VALGRIND)

/* 1: switches do not synchronise (strict).  0: each switch is a happens-before edge. */
#ifndef SHEAF__TSAN_SWITCH_FLAG
#define SHEAF__TSAN_SWITCH_FLAG 1
#endif

/* For functions whose accesses are ordered by the switch itself, which strict TSan cannot see. */
#if SHEAF__TSAN
#define SHEAF__NO_TSAN __attribute__((no_sanitize_thread))
#else
#define SHEAF__NO_TSAN
#endif

/* An edge for TSan alone, from every release to a later acquire of the same address, where the edge
 * is the program order of one thread that contexts take turns on. */
#if SHEAF__TSAN
#include <sanitizer/tsan_interface.h>
#define SHEAF__TSAN_RELEASE(address) __tsan_release(address)
#define SHEAF__TSAN_ACQUIRE(address) __tsan_acquire(address)
#else
#define SHEAF__TSAN_RELEASE(address) ((void)(address))
#define SHEAF__TSAN_ACQUIRE(address) ((void)(address))
#endif

#if SHEAF__SANITIZED

#include <stdbool.h>
#include <stddef.h>

#if SHEAF__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if SHEAF__VALGRIND
#include <valgrind/valgrind.h>
#endif

/* The tools' view of one context.  Under TSan nothing here is written after make or adopt: the
 * writes of a switch would look like races. */
struct sheaf__sanitized {
    void (*entry)(void *); /* what a made context calls first; const after make */
    void *arg;             /* its argument; const after make */
    bool made;             /* by make, so that the records are ours to free */
#if SHEAF__TSAN
    void *fiber; /* clocks and shadow call stack; const after make or adopt */
#endif
#if SHEAF__ASAN
    const void *low; /* the stack; an adopted one's is learnt when it is left */
    size_t size;
    void *fake_stack;              /* while suspended */
    struct sheaf__sanitized *from; /* whom the last switch to this one left */
#endif
#if SHEAF__VALGRIND
    unsigned stack_number; /* const after make */
#endif
};

#if SHEAF__TSAN
/* TSan's record of a context.  A context that resumes this one may have no edge from its maker
 * other than the program order of their thread, so TSan does not look. */
SHEAF__NO_TSAN static SHEAF__NOINLINE void *sheaf__sanitized_fiber(const struct sheaf__sanitized *s)
{
    return s->fiber;
}
#endif

/* The thread's own stack becomes a context. */
static inline void sheaf__sanitize_adopt(struct sheaf__sanitized *s)
{
    *s = (struct sheaf__sanitized){.made = false};
#if SHEAF__TSAN
    s->fiber = __tsan_get_current_fiber();
#endif
}

/* A new context begins on [low, low + size), which may hold red zones of an earlier one.
 * TSan's fiber comes last: it starts with the clocks of its maker, so all that the maker wrote
 * before is visible to it. */
static inline void sheaf__sanitize_make(struct sheaf__sanitized *s, void *low, size_t size,
                                        void (*entry)(void *), void *arg)
{
    *s = (struct sheaf__sanitized){.entry = entry, .arg = arg, .made = true};
#if SHEAF__ASAN
    s->low = low;
    s->size = size;
    __asan_unpoison_memory_region(low, size);
    __lsan_register_root_region(low, size);
#endif
#if SHEAF__VALGRIND
    s->stack_number = VALGRIND_STACK_REGISTER(low, (char *)low + size);
#endif
#if SHEAF__TSAN
    s->fiber = __tsan_create_fiber(0);
#endif
    (void)low;
    (void)size;
}

/* The records of a context whose stack stays as it is go away.  For AddressSanitizer what is only
 * reached from that stack goes on being reached. */
static inline void sheaf__sanitize_abandon(struct sheaf__sanitized *s)
{
    if (!s->made) return;
    s->made = false;
#if SHEAF__TSAN
    __tsan_destroy_fiber(sheaf__sanitized_fiber(s));
#endif
#if SHEAF__VALGRIND
    VALGRIND_STACK_DEREGISTER(s->stack_number);
#endif
}

/* The records go away.  A made context does not run, here or anywhere, so its TSan fiber is not
 * the current one. */
static inline void sheaf__sanitize_release(struct sheaf__sanitized *s)
{
    if (!s->made) return;
    sheaf__sanitize_abandon(s);
#if SHEAF__ASAN
    __lsan_unregister_root_region(s->low, s->size);
    __asan_unpoison_memory_region(s->low, s->size);
#endif
}

/* Right before the stack pointer changes.  `last`: from is never switched to again; its fake stack
 * is freed, and TSan orders all that it did before what `to` does next.
 *
 * Always inline: TSan counts calls and returns on the current fiber's shadow stack, so a function
 * that is entered on one fiber and left on another one would unbalance both. */
static SHEAF__ALWAYS_INLINE void sheaf__sanitize_switch(struct sheaf__sanitized *from,
                                                        struct sheaf__sanitized *to, bool last)
{
#if SHEAF__ASAN
    to->from = from;
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->low, to->size);
#endif
#if SHEAF__TSAN
    __tsan_switch_to_fiber(sheaf__sanitized_fiber(to), last ? 0 : SHEAF__TSAN_SWITCH_FLAG);
#endif
    (void)from;
    (void)to;
    (void)last;
}

/* Right after the stack pointer changed, on the stack of `s`; also first thing on a new stack.
 * The context that was left cannot be gone yet: only code that runs after this may publish it. */
static SHEAF__ALWAYS_INLINE void sheaf__sanitize_arrive(struct sheaf__sanitized *s)
{
#if SHEAF__ASAN
    const void *low = NULL;
    size_t size = 0;
    __sanitizer_finish_switch_fiber(s->fake_stack, &low, &size);
    s->fake_stack = NULL;
    if (!s->from->made) {
        s->from->low = low;
        s->from->size = size;
    }
#endif
    (void)s;
}

#endif /* SHEAF__SANITIZED */

#endif
