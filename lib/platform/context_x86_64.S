/* The context switch for x86-64 in the System V calling convention; contract in context.h.
 *
 * Saved frame, from the stack pointer up (context_asm.c lays the first one):
 *
 *      0  mxcsr (4 bytes), x87 control word (2), unused (2)
 *      8  r15      16  r14      24  r13      32  r12      40  rbx      48  rbp
 *     56  where to go on
 *
 * The two control words are restored without a look at whether they differ: that costs 1.8 ns of
 * 4.7, the comparison 3.6.
 *
 * The last instruction is a return, though it goes to where the *other* context called from: both
 * called from the same place as a rule, and behind a jump the CPU's return stack is one too deep,
 * so that every return up to the caller of the library is predicted wrong.  Two tasks that give way
 * to each other take 53 ns with a return and 76 with a jump.
 *
 * Control-flow enforcement: endbr64 makes the entry a valid target.  The return does not find its
 * address on a shadow stack, so the object declares IBT and not SHSTK; the linker then declares the
 * program likewise, and the loader does not give it shadow stacks.
 */

        .text

        .globl  sheaf__context_swap
        .hidden sheaf__context_swap
        .type   sheaf__context_swap, @function
        .balign 16
sheaf__context_swap:                    /* rdi: void **from_sp, rsi: void *to_sp */
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)

        /* The frames of both contexts look alike, so the unwind rules hold across this pair. */
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp

        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        ret
        .cfi_endproc
        .size   sheaf__context_swap, . - sheaf__context_swap

/* Where a new context goes on: r12 is the entry, r13 its argument, the stack pointer a multiple
 * of 16, so that the call leaves it 8 off as every function expects.  There is no caller:
 * unwinders stop here. */
        .globl  sheaf__context_trampoline
        .hidden sheaf__context_trampoline
        .type   sheaf__context_trampoline, @function
        .balign 16
sheaf__context_trampoline:
        .cfi_startproc
        .cfi_undefined rip
        endbr64
        movq    %r13, %rdi
        call    *%r12
        ud2
        .cfi_endproc
        .size   sheaf__context_trampoline, . - sheaf__context_trampoline

#if defined(__CET__) && (__CET__ & 1)
        .section .note.gnu.property, "a"
        .balign 8
        .long   4                       /* size of the name */
        .long   16                      /* size of the description */
        .long   5                       /* NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .long   0xc0000002              /* GNU_PROPERTY_X86_FEATURE_1_AND */
        .long   4
        .long   1                       /* IBT */
        .long   0
#endif

        .section .note.GNU-stack, "", @progbits
