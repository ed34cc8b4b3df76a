/* Stackful contexts: a flow of control that is suspended in one place and resumed in another.
 *
 * A context is one saved stack pointer; the rest of a suspended one lies on its own stack.  A
 * switch suspends the running context and resumes another one in about the time of a function
 * call.  A suspended context may be resumed by any thread, as long as the memory of the switch is
 * ordered before it: whoever publishes a suspended context does it after the switch away from it,
 * from the context that runs next, with a release that pairs with an acquire of the resumer.
 *
 * Which implementation is used is a matter of the build: context_asm.c with context_x86_64.S or
 * context_aarch64.S, or context_ucontext.c alone, for other CPUs with a C library that has
 * makecontext (glibc and the BSDs have it, musl does not).
 *
 * A switch saves what the calling convention says a function must preserve: on x86-64 rbx, rbp,
 * r12-r15, rsp and the control words of mxcsr and the x87 unit; on aarch64 x19-x30, d8-d15, sp and
 * fpcr.  So each context has its own rounding mode; whoever makes one says with which it starts.
 *
 * A switch does NOT save, and a context that moves to another thread therefore finds the other
 * thread's:
 *   - errno and all other thread-locals, whose addresses compilers keep over a call (see self.h);
 *   - the signal mask and the alternate signal stack (ucontext alone carries the mask along);
 *   - the status flags of floating point: they go on accumulating from one context to the next;
 *   - the C++ runtime's records of caught exceptions, thread-specific data, the locale of
 *     uselocale, mutexes locked by the thread;
 *   - shadow stacks (x86 CET SHSTK, aarch64 GCS): they belong to a thread here, and the assembly
 *     is marked so that no program with it is run with them; branch targets (IBT, BTI) are marked.
 */
#ifndef SHEAF_PLATFORM_CONTEXT_H
#define SHEAF_PLATFORM_CONTEXT_H

#include "lib/platform/cpu.h"
#include "lib/platform/sanitize.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How floating point is done: rounding, traps, what becomes of denormals.  Unknown on other CPUs,
 * where a new context starts with its maker's. */
struct sheaf__context_modes {
#if defined(__x86_64__)
    uint32_t mxcsr;
    uint16_t x87_control;
#elif defined(__aarch64__)
    uint64_t fpcr;
#else
    char unknown;
#endif
};

/* The calling thread's. */
static inline struct sheaf__context_modes sheaf__context_get_modes(void)
{
    struct sheaf__context_modes modes;
#if defined(__x86_64__)
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(modes.mxcsr), "=m"(modes.x87_control));
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, fpcr" : "=r"(modes.fpcr));
#else
    modes.unknown = 0;
#endif
    return modes;
}

static inline void sheaf__context_set_modes(struct sheaf__context_modes modes)
{
#if defined(__x86_64__)
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(modes.mxcsr), "m"(modes.x87_control));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"(modes.fpcr));
#else
    (void)modes;
#endif
}

/* One flow of control.  The owner keeps it in place from make or adopt to release; nobody but the
 * functions below reads the fields. */
struct sheaf__context {
    void *sp; /* while suspended: where the registers lie; written by the switch away from it */
#if SHEAF__SANITIZED
    struct sheaf__sanitized sanitized;
#endif
};

/* The least stack that make can work with; real code needs more. */
#define SHEAF__CONTEXT_STACK_MIN 4096

/* Lay the first frame of a context on an empty stack; the part of make that differs by CPU.
 * Returns: the stack pointer for the first switch to it. */
void *sheaf__context_frame(void *stack_low, size_t size, struct sheaf__context_modes modes,
                           void (*entry)(void *), void *arg);

/* Save the registers, store the stack pointer in *from_sp, go on from to_sp; returns when somebody
 * switches back.  Use sheaf__context_switch. */
void sheaf__context_swap(void **from_sp, void *to_sp);

#if SHEAF__SANITIZED
/* The first function on a new stack: tells the tools where it is, then calls the entry. */
static inline void sheaf__context_start(void *sanitized)
{
    struct sheaf__sanitized *s = sanitized;
    sheaf__sanitize_arrive(s);
    s->entry(s->arg);
}
#endif

/* Make a context that will call entry(arg) when it is first switched to.
 *
 *   stack_low  the lowest address of the stack; borrowed until the release
 *   modes      what it starts with
 *   entry      never returns: it switches away for good instead
 *
 * Requires: size >= SHEAF__CONTEXT_STACK_MIN
 * Context:  any thread
 * Order:    what the maker did before is visible to entry if the first switch is
 */
static inline void sheaf__context_make(struct sheaf__context *c, void *stack_low, size_t size,
                                       struct sheaf__context_modes modes, void (*entry)(void *),
                                       void *arg)
{
#if SHEAF__SANITIZED
    c->sp = sheaf__context_frame(stack_low, size, modes, sheaf__context_start, &c->sanitized);
    sheaf__sanitize_make(&c->sanitized, stack_low, size, entry, arg);
#else
    c->sp = sheaf__context_frame(stack_low, size, modes, entry, arg);
#endif
}

/* Make the calling thread's own stack a context, so that it can be switched away from and back to.
 *
 * Requires: the thread runs on its own stack, not on a made context
 * Context:  the thread itself
 */
static inline void sheaf__context_adopt(struct sheaf__context *c)
{
    c->sp = NULL;
#if SHEAF__SANITIZED
    sheaf__sanitize_adopt(&c->sanitized);
#endif
}

/* End a context; after it the stack may be used for something else, or unmapped.
 *
 * Requires: a made context: it is suspended, or was never started, and is never switched to again;
 *           so it cannot be the running one, and the last switch away from it has arrived.
 *           An adopted one: its thread runs on it again.
 * Context:  any thread, for an adopted context its own
 */
static inline void sheaf__context_release(struct sheaf__context *c)
{
#if SHEAF__SANITIZED
    sheaf__sanitize_release(&c->sanitized);
#else
    (void)c;
#endif
}

/* The same for a made context whose stack stays as it is, for ever. */
static inline void sheaf__context_abandon(struct sheaf__context *c)
{
#if SHEAF__SANITIZED
    sheaf__sanitize_abandon(&c->sanitized);
#else
    (void)c;
#endif
}

/* Suspend the running context as `from` and go on with `to`; returns when `from` is resumed,
 * perhaps on another thread.
 *
 * Requires: from is the running context; to is suspended, and nobody else switches to it
 * Context:  the running context, without a lock that another context could want
 * Order:    on one thread program order; between threads none but the caller's own (see above)
 */
static SHEAF__ALWAYS_INLINE void sheaf__context_switch(struct sheaf__context *from,
                                                       struct sheaf__context *to)
{
#if SHEAF__SANITIZED
    sheaf__sanitize_switch(&from->sanitized, &to->sanitized, false);
#endif
    sheaf__context_swap(&from->sp, to->sp);
#if SHEAF__SANITIZED
    sheaf__sanitize_arrive(&from->sanitized);
#endif
}

/* The same, when `from` is never switched to again: the last act of a made context.  The tools
 * may then free what they hold for it, and see all that it did as done before `to` goes on.  A
 * plain switch does as well, at the price of a leak in AddressSanitizer's own books.
 *
 * Context:  a made context; does not return
 */
static SHEAF__ALWAYS_INLINE SHEAF__NORETURN void sheaf__context_leave(struct sheaf__context *from,
                                                                      struct sheaf__context *to)
{
#if SHEAF__SANITIZED
    sheaf__sanitize_switch(&from->sanitized, &to->sanitized, true);
#endif
    sheaf__context_swap(&from->sp, to->sp);
    __builtin_trap();
}

#endif
