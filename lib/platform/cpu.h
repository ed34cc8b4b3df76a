/* What every layer asks of the compiler and the CPU: the size of a cache line, the spin hint and
 * the attributes that the compilers spell alike. */
#ifndef SHEAF_PLATFORM_CPU_H
#define SHEAF_PLATFORM_CPU_H

/* The distance that keeps two words from sharing a line.  128-byte prefetch pairs are not counted:
 * padding for them doubles the size of every worker and gained nothing measurable. */
#define SHEAF__CACHE_LINE 64

/* Before a member or a variable: it begins a line. */
#define SHEAF__ALIGNED_LINE __attribute__((aligned(SHEAF__CACHE_LINE)))

#define SHEAF__LIKELY(x) __builtin_expect(!!(x), 1)
#define SHEAF__UNLIKELY(x) __builtin_expect(!!(x), 0)

#define SHEAF__NOINLINE __attribute__((noinline))
#define SHEAF__COLD __attribute__((cold, noinline))
#define SHEAF__ALWAYS_INLINE inline __attribute__((always_inline))
#define SHEAF__NORETURN __attribute__((noreturn))
#define SHEAF__PRINTF(format_index, first_argument)                                                \
    __attribute__((format(printf, format_index, first_argument)))

/* Tell the CPU that this is a spin loop.  No memory order: the loop's own loads carry it. */
static inline void sheaf__cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("pause");
#elif defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7)
    /* isb waits some tens of cycles; yield is a no-op on most cores. */
    __asm__ volatile("isb");
#else
    __asm__ volatile("");
#endif
}

#endif
