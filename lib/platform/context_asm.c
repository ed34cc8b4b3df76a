/* The first frame of a context for the switches in assembly: it looks as if the context had been
 * suspended right before its trampoline. */
#include "lib/platform/context.h"

#include <stddef.h>
#include <stdint.h>

/* The assembly: calls the entry with its argument on the new stack. */
void sheaf__context_trampoline(void);

#if defined(__x86_64__)

struct frame {
    uint32_t mxcsr;
    uint16_t x87_control;
    uint16_t unused;
    uint64_t r15, r14;
    uint64_t r13; /* the trampoline's argument for the entry */
    uint64_t r12; /* the trampoline's entry */
    uint64_t rbx;
    uint64_t rbp; /* 0 ends the chain of frame pointers */
    uint64_t rip;
    uint64_t no_caller[2]; /* 0 where a walk over raw stack words looks for a return address */
};

_Static_assert(offsetof(struct frame, x87_control) == 4, "context_x86_64.S: fldcw 4(%rsp)");
_Static_assert(offsetof(struct frame, r15) == 8, "context_x86_64.S: first pop");
_Static_assert(offsetof(struct frame, r13) == 24, "context_x86_64.S: third pop");
_Static_assert(offsetof(struct frame, r12) == 32, "context_x86_64.S: fourth pop");
_Static_assert(offsetof(struct frame, rbp) == 48, "context_x86_64.S: sixth pop");
_Static_assert(offsetof(struct frame, rip) == 56, "context_x86_64.S: the jump");
_Static_assert((sizeof(struct frame) - offsetof(struct frame, no_caller)) % 16 == 0,
               "the trampoline starts with an aligned stack pointer");

static void frame_fill(struct frame *f, struct sheaf__context_modes modes, void (*entry)(void *),
                       void *arg)
{
    *f = (struct frame){.mxcsr = modes.mxcsr,
                        .x87_control = modes.x87_control,
                        .r13 = (uint64_t)(uintptr_t)arg,
                        .r12 = (uint64_t)(uintptr_t)entry,
                        .rip = (uint64_t)(uintptr_t)sheaf__context_trampoline};
}

#elif defined(__aarch64__)

struct frame {
    uint64_t d8_to_d15[8];
    uint64_t x19; /* the trampoline's entry */
    uint64_t x20; /* the trampoline's argument for the entry */
    uint64_t x21_to_x28[8];
    uint64_t x29; /* 0 ends the chain of frame records */
    uint64_t x30;
    uint64_t fpcr;
    uint64_t unused;
};

_Static_assert(offsetof(struct frame, x19) == 64, "context_aarch64.S: ldp x19, x20");
_Static_assert(offsetof(struct frame, x29) == 144, "context_aarch64.S: ldp x29, x30");
_Static_assert(offsetof(struct frame, fpcr) == 160, "context_aarch64.S: ldr x4");
_Static_assert(sizeof(struct frame) == 176, "context_aarch64.S: add sp, sp, #176");

static void frame_fill(struct frame *f, struct sheaf__context_modes modes, void (*entry)(void *),
                       void *arg)
{
    *f = (struct frame){.fpcr = modes.fpcr,
                        .x19 = (uint64_t)(uintptr_t)entry,
                        .x20 = (uint64_t)(uintptr_t)arg,
                        .x30 = (uint64_t)(uintptr_t)sheaf__context_trampoline};
}

#else
#error "no switch in assembly for this CPU: build with context_ucontext.c"
#endif

void *sheaf__context_frame(void *stack_low, size_t size, struct sheaf__context_modes modes,
                           void (*entry)(void *), void *arg)
{
    char *top = (char *)stack_low + size;
    top -= (uintptr_t)top % 16;
    struct frame *f = (struct frame *)(void *)(top - sizeof *f);
    frame_fill(f, modes, entry, arg);
    return f;
}
