/* The context switch for aarch64 in the AAPCS64 calling convention; contract in context.h.
 *
 * Saved frame, from the stack pointer up (context_asm.c lays the first one):
 *
 *      0  d8 .. d15
 *     64  x19 .. x28
 *    144  x29 (frame pointer)      152  x30 (where to go on)
 *    160  fpcr                     168  unused
 *
 * fpcr is written only when it differs, as writing it drains the pipeline on many cores.  Of the
 * SVE registers the convention preserves what d8-d15 hold; x18 belongs to the platform.
 *
 * Branch targets (BTI): `bti c` begins the switch, and `bti j` the trampoline, which is reached by
 * a return.  Pointer authentication: the saved x30 is not signed here; the frames of the C code
 * around it are, with their own stack addresses, which a switch does not change.  A guarded control
 * stack (GCS) belongs to a thread, and this object does not declare it.  All hints are no-ops on
 * CPUs without the feature.
 */

        .text

        .globl  sheaf__context_swap
        .hidden sheaf__context_swap
        .type   sheaf__context_swap, %function
        .balign 16
sheaf__context_swap:                    /* x0: void **from_sp, x1: void *to_sp */
        .cfi_startproc
        hint    #34                     /* bti c */
        sub     sp, sp, #176
        .cfi_adjust_cfa_offset 176
        stp     d8, d9, [sp, #0]
        .cfi_rel_offset d8, 0
        .cfi_rel_offset d9, 8
        stp     d10, d11, [sp, #16]
        .cfi_rel_offset d10, 16
        .cfi_rel_offset d11, 24
        stp     d12, d13, [sp, #32]
        .cfi_rel_offset d12, 32
        .cfi_rel_offset d13, 40
        stp     d14, d15, [sp, #48]
        .cfi_rel_offset d14, 48
        .cfi_rel_offset d15, 56
        stp     x19, x20, [sp, #64]
        .cfi_rel_offset x19, 64
        .cfi_rel_offset x20, 72
        stp     x21, x22, [sp, #80]
        .cfi_rel_offset x21, 80
        .cfi_rel_offset x22, 88
        stp     x23, x24, [sp, #96]
        .cfi_rel_offset x23, 96
        .cfi_rel_offset x24, 104
        stp     x25, x26, [sp, #112]
        .cfi_rel_offset x25, 112
        .cfi_rel_offset x26, 120
        stp     x27, x28, [sp, #128]
        .cfi_rel_offset x27, 128
        .cfi_rel_offset x28, 136
        stp     x29, x30, [sp, #144]
        .cfi_rel_offset x29, 144
        .cfi_rel_offset x30, 152
        mrs     x3, fpcr
        str     x3, [sp, #160]

        /* The frames of both contexts look alike, so the unwind rules hold across this group. */
        mov     x2, sp
        str     x2, [x0]
        mov     sp, x1

        ldr     x4, [sp, #160]
        cmp     x3, x4
        b.eq    1f
        msr     fpcr, x4
1:
        ldp     d8, d9, [sp, #0]
        ldp     d10, d11, [sp, #16]
        ldp     d12, d13, [sp, #32]
        ldp     d14, d15, [sp, #48]
        ldp     x19, x20, [sp, #64]
        ldp     x21, x22, [sp, #80]
        ldp     x23, x24, [sp, #96]
        ldp     x25, x26, [sp, #112]
        ldp     x27, x28, [sp, #128]
        ldp     x29, x30, [sp, #144]
        add     sp, sp, #176
        .cfi_def_cfa sp, 0
        .cfi_same_value x29
        .cfi_same_value x30
        ret
        .cfi_endproc
        .size   sheaf__context_swap, . - sheaf__context_swap

/* Where a new context goes on: x19 is the entry, x20 its argument.  There is no caller: unwinders
 * stop here. */
        .globl  sheaf__context_trampoline
        .hidden sheaf__context_trampoline
        .type   sheaf__context_trampoline, %function
        .balign 16
sheaf__context_trampoline:
        .cfi_startproc
        .cfi_undefined x30
        hint    #36                     /* bti j */
        mov     x0, x20
        blr     x19
        brk     #1
        .cfi_endproc
        .size   sheaf__context_trampoline, . - sheaf__context_trampoline

#if defined(__ARM_FEATURE_BTI_DEFAULT) && __ARM_FEATURE_BTI_DEFAULT == 1
        .section .note.gnu.property, "a"
        .balign 8
        .long   4                       /* size of the name */
        .long   16                      /* size of the description */
        .long   5                       /* NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .long   0xc0000000              /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
        .long   4
        .long   1                       /* BTI */
        .long   0
#endif

        .section .note.GNU-stack, "", %progbits
