/* Contexts over makecontext and swapcontext, for CPUs without a switch in assembly.
 *
 * A suspended context's registers lie in a ucontext_t on its own stack, in the frame of the call
 * that switched away, as with the assembly; a new one's lies at the top of its stack.  Unlike the
 * assembly a switch is two system calls long, and carries the signal mask along.
 */
#include "lib/platform/context.h"

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

/* What lies at the top of a new stack.  It is read when the context starts, and what the context
 * pushes lies below it. */
struct first_frame {
    ucontext_t registers;
    struct sheaf__context_modes modes;
    void (*entry)(void *);
    void *arg;
};

/* makecontext passes ints alone: the frame's address comes in two halves. */
static void trampoline(unsigned high, unsigned low)
{
    uintptr_t address = (uintptr_t)(((uint64_t)high << 32) | low);
    const struct first_frame *f = (const struct first_frame *)address;
    sheaf__context_set_modes(f->modes);
    f->entry(f->arg);
    __builtin_trap();
}

void *sheaf__context_frame(void *stack_low, size_t size, struct sheaf__context_modes modes,
                           void (*entry)(void *), void *arg)
{
    uintptr_t top = (uintptr_t)stack_low + size - sizeof(struct first_frame);
    top -= top % 64;
    struct first_frame *f = (struct first_frame *)top;
    f->modes = modes;
    f->entry = entry;
    f->arg = arg;
    if (getcontext(&f->registers) != 0) __builtin_trap();
    f->registers.uc_stack.ss_sp = stack_low;
    f->registers.uc_stack.ss_size = (size_t)(top - (uintptr_t)stack_low);
    f->registers.uc_link = NULL;
    uint64_t address = top;
    makecontext(&f->registers, (void (*)(void))trampoline, 2, (unsigned)(address >> 32),
                (unsigned)(address & 0xffffffffu));
    return f;
}

/* uc_stack is cleared since AddressSanitizer takes it for the extent of a stack to clear; the
 * memory is not initialised otherwise.  Strict TSan does not see that the switch orders the store
 * to *from_sp before the thread that resumes the context, so it looks away here.  The store of NULL
 * ends the life of the address of a local. */
SHEAF__NO_TSAN SHEAF__NOINLINE void sheaf__context_swap(void **from_sp, void *to_sp)
{
    ucontext_t here;
    here.uc_stack.ss_sp = NULL;
    here.uc_stack.ss_size = 0;
    *from_sp = &here;
    if (swapcontext(&here, to_sp) != 0) __builtin_trap();
    *from_sp = NULL;
}
