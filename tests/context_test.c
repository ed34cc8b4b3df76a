/* Contexts on one thread: what a switch keeps, and where unwinders stop. */
#include "tests/support/strand.h"

#include <fenv.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#if SHEAF__SANITIZED
#define SWITCHES 20000
#else
#define SWITCHES 1000000
#endif

/* ---- switching ------------------------------------------------------------------------------- */

static void add_one(struct strand *s)
{
    s->out = s->in + 1;
}

static void entry_gets_its_argument_and_leaves(void **state)
{
    struct sheaf__context self;
    struct strand s = {.in = 41};
    (void)state;
    sheaf__context_adopt(&self);
    strand_start(&s, &self, add_one);
    assert_int_equal(s.out, 0);
    sheaf__context_switch(&self, &s.context);
    assert_int_equal(s.out, 42);
    strand_end(&s);
    sheaf__context_release(&self);
}

static void a_context_that_never_started_can_be_released(void **state)
{
    struct sheaf__context self;
    struct strand s = {.in = 41};
    (void)state;
    sheaf__context_adopt(&self);
    strand_start(&s, &self, add_one);
    strand_end(&s);
    assert_int_equal(s.out, 0);
    sheaf__context_release(&self);
}

static void count_until_told(struct strand *s)
{
    while (!s->ended) {
        s->out++;
        strand_yield(s);
    }
}

static void a_million_switches_count_right(void **state)
{
    struct sheaf__context self;
    struct strand s = {.in = 0};
    (void)state;
    sheaf__context_adopt(&self);
    strand_start(&s, &self, count_until_told);
    for (int i = 1; i <= SWITCHES / 2; i++) {
        sheaf__context_switch(&self, &s.context);
        if (s.out != i) assert_int_equal(s.out, i);
    }
    s.ended = true;
    sheaf__context_switch(&self, &s.context);
    assert_int_equal(s.out, SWITCHES / 2);
    strand_end(&s);
    sheaf__context_release(&self);
}

static void one_stack_serves_many_contexts_in_turn(void **state)
{
    struct sheaf__context self;
    (void)state;
    sheaf__context_adopt(&self);
    for (int i = 0; i < 1000; i++) {
        struct strand s = {.in = i};
        strand_start(&s, &self, add_one);
        sheaf__context_switch(&self, &s.context);
        assert_int_equal(s.out, i + 1);
        strand_end(&s);
    }
    struct sheaf__stacks_statistics used;
    sheaf__stacks_read_statistics(&stacks, &used);
    assert_int_equal(used.live_peak, 1);
    sheaf__context_release(&self);
}

static SHEAF__NOINLINE int64_t descend_and_yield(struct strand *s, int64_t depth)
{
    volatile int64_t here = depth * depth;
    if (depth == 0) {
        strand_yield(s);
        return here;
    }
    return descend_and_yield(s, depth - 1) + here;
}

static void yield_deep_below(struct strand *s)
{
    s->out = descend_and_yield(s, s->in);
}

static void a_switch_below_hundreds_of_frames_comes_back_through_them(void **state)
{
    struct sheaf__context self;
    struct strand s[4];
    (void)state;
    sheaf__context_adopt(&self);
    for (int i = 0; i < 4; i++) {
        s[i] = (struct strand){.in = 400 - i};
        strand_start(&s[i], &self, yield_deep_below);
        sheaf__context_switch(&self, &s[i].context);
    }
    for (int i = 0; i < 4; i++) {
        int64_t n = 400 - i;
        sheaf__context_switch(&self, &s[i].context);
        assert_int_equal(s[i].out, n * (n + 1) * (2 * n + 1) / 6);
        strand_end(&s[i]);
    }
    sheaf__context_release(&self);
}

/* Each context makes the next one and waits for it. */
static void nest(struct strand *s)
{
    struct strand inner = {.in = s->in - 1};
    if (s->in == 0) return;
    inner.low = sheaf__stack_take(&stacks);
    inner.back = &s->context;
    inner.body = nest;
    if (!inner.low) return;
    sheaf__context_make(&inner.context, inner.low, sheaf__stacks_usable(&stacks),
                        sheaf__context_get_modes(), strand_entry, &inner);
    sheaf__context_switch(&s->context, &inner.context);
    s->out = inner.out + 1;
    strand_end(&inner);
}

static void contexts_nest_two_hundred_deep(void **state)
{
    struct sheaf__context self;
    struct strand s = {.in = 200};
    (void)state;
    sheaf__context_adopt(&self);
    strand_start(&s, &self, nest);
    sheaf__context_switch(&self, &s.context);
    assert_int_equal(s.out, 200);
    strand_end(&s);
    sheaf__context_release(&self);
}

/* ---- the first frame ------------------------------------------------------------------------- */

static void print_floating_point(struct strand *s)
{
    char text[64];
    s->in = (int64_t)((uintptr_t)__builtin_frame_address(0) % 16);
    s->out = snprintf(text, sizeof text, "%.3f %Lf", 1.5, 2.5L);
    s->out += strcmp(text, "1.500 2.500000") != 0 ? 1 : 0;
}

static void the_stack_is_aligned_as_functions_expect(void **state)
{
    struct sheaf__context self;
    (void)state;
    sheaf__context_adopt(&self);
    for (size_t odd = 0; odd < 64; odd += 7) {
        struct strand s = {.low = sheaf__stack_take(&stacks)};
        s.back = &self;
        s.body = print_floating_point;
        assert_non_null(s.low);
        /* AddressSanitizer wants stacks that begin at multiples of 8. */
        size_t skip_low = SHEAF__SANITIZED ? odd / 8 * 8 : odd;
        sheaf__context_make(&s.context, (char *)s.low + skip_low,
                            sheaf__stacks_usable(&stacks) - skip_low - odd,
                            sheaf__context_get_modes(), strand_entry, &s);
        sheaf__context_switch(&self, &s.context);
        assert_int_equal(s.in, 0);
        assert_int_equal(s.out, 14);
        strand_end(&s);
    }
    sheaf__context_release(&self);
}

/* The function in which contexts in assembly begin; not there with ucontext. */
extern void sheaf__context_trampoline(void) __attribute__((weak));

#ifndef __GLIBC__
/* Debian's libgcc asks glibc where the unwind tables of an address are.  Elsewhere the test
 * answers, in the form of glibc's <dlfcn.h>. */
struct found_object {
    unsigned long long flags;
    void *begin;
    void *end;
    void *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct object_search {
    uintptr_t address;
    struct found_object *found;
};

static int note_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct object_search *search = arg;
    struct found_object seen = {.flags = 0};
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        uintptr_t end = begin + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME) {
            seen.eh_frame = (void *)begin;
        } else if (info->dlpi_phdr[i].p_type == PT_LOAD && begin <= search->address &&
                   search->address < end) {
            seen.begin = (void *)begin;
            seen.end = (void *)end;
        }
    }
    *search->found = seen;
    return seen.begin && seen.eh_frame;
}

int _dl_find_object(void *address, struct found_object *found);
int _dl_find_object(void *address, struct found_object *found)
{
    struct object_search search = {(uintptr_t)address, found};
    return dl_iterate_phdr(note_object, &search) ? 0 : -1;
}
#endif

struct walk {
    int64_t frames;
    uintptr_t outermost; /* the beginning of the function of the last frame seen */
};

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *frame, void *arg)
{
    struct walk *w = arg;
    w->frames++;
    w->outermost = (uintptr_t)_Unwind_GetRegionStart(frame);
    return w->frames < 100 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static int64_t walk_stack(void)
{
    struct walk w = {.frames = 0};
    uintptr_t begin = (uintptr_t)sheaf__context_trampoline;
    if (_Unwind_Backtrace(count_frame, &w) != _URC_END_OF_STACK) return -1;
    return begin && w.outermost != begin ? -2 : w.frames;
}

static SHEAF__NOINLINE int64_t count_frames(struct strand *s, int64_t depth)
{
    if (depth == 0) {
        strand_yield(s);
        return walk_stack();
    }
    int64_t frames = count_frames(s, depth - 1);
    __asm__ volatile("" : "+r"(frames)); /* keeps the recursion from becoming a loop */
    return frames;
}

static void unwind(struct strand *s)
{
    s->out = count_frames(s, s->in);
}

static void an_unwinder_stops_at_the_first_frame(void **state)
{
    struct sheaf__context self;
    struct strand shallow = {.in = 0};
    struct strand deep = {.in = 10};
    (void)state;
    sheaf__context_adopt(&self);
    strand_start(&shallow, &self, unwind);
    strand_start(&deep, &self, unwind);
    for (int i = 0; i < 2; i++) {
        sheaf__context_switch(&self, &shallow.context);
        sheaf__context_switch(&self, &deep.context);
    }
    assert_in_range(shallow.out, 3, 9);
    assert_int_equal(deep.out, shallow.out + 10);
    strand_end(&shallow);
    strand_end(&deep);
    sheaf__context_release(&self);
}

/* ---- registers ------------------------------------------------------------------------------- */

static const double one = 1.0;
static const double three = 3.0;
static const int rounding_modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

/* A third, rounded as the CPU is told to at this moment; long doubles use the x87 unit. */
static SHEAF__NOINLINE double a_third(void)
{
    volatile double a = one;
    volatile double b = three;
    return a / b;
}

static SHEAF__NOINLINE long double a_long_third(void)
{
    volatile long double a = one;
    volatile long double b = three;
    return a / b;
}

/* How often what is computed under a rounding mode differs from what it was at first. */
static void divide_under_a_mode(struct strand *s)
{
    fesetround((int)s->in);
    double third = a_third();
    long double long_third = a_long_third();
    for (int i = 0; i < 20; i++) {
        strand_yield(s);
        s->out += fegetround() != (int)s->in;
        s->out += a_third() != third;
        s->out += a_long_third() != long_third;
    }
}

static void each_context_has_its_own_rounding_mode(void **state)
{
    struct sheaf__context self;
    struct strand s[4];
    double third = a_third();
    (void)state;
    sheaf__context_adopt(&self);
    for (int i = 0; i < 4; i++) {
        s[i] = (struct strand){.in = rounding_modes[i]};
        strand_start(&s[i], &self, divide_under_a_mode);
    }
    for (int round = 0; round <= 20; round++) {
        for (int i = 0; i < 4; i++) {
            sheaf__context_switch(&self, &s[i].context);
            assert_int_equal(fegetround(), FE_TONEAREST);
            assert_true(a_third() == third);
        }
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(s[i].out, 0);
        strand_end(&s[i]);
    }
    sheaf__context_release(&self);
}

static void tell_mode(struct strand *s)
{
    s->out = fegetround();
}

static void a_new_context_starts_with_the_rounding_mode_that_it_is_given(void **state)
{
    struct sheaf__context self;
    struct strand s = {.out = -1};
    (void)state;
    sheaf__context_adopt(&self);
    fesetround(FE_UPWARD);
    struct sheaf__context_modes upward = sheaf__context_get_modes();
    fesetround(FE_DOWNWARD);
    strand_start_with(&s, &self, upward, tell_mode);
    fesetround(FE_TONEAREST);
    sheaf__context_switch(&self, &s.context);
    assert_int_equal(s.out, FE_UPWARD);
    assert_int_equal(fegetround(), FE_TONEAREST);
    strand_end(&s);
    sheaf__context_release(&self);
}

#if !SHEAF__SANITIZED && defined(__x86_64__)

/* Switch with a known value in each register that a function must preserve. */
static SHEAF__NOINLINE int64_t switch_with_registers(void **from_sp, void *to_sp, uint64_t seed)
{
    register uint64_t b __asm__("rbx") = seed + 1;
    register uint64_t r12 __asm__("r12") = seed + 2;
    register uint64_t r13 __asm__("r13") = seed + 3;
    register uint64_t r14 __asm__("r14") = seed + 4;
    register uint64_t r15 __asm__("r15") = seed + 5;
    uint64_t bp = seed + 6;
    /* 128 bytes below the stack pointer may be in use; two pushes keep the alignment. */
    __asm__ volatile("subq $128, %%rsp\n\t"
                     "pushq %%rbp\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rax, %%rbp\n\t"
                     "call sheaf__context_swap\n\t"
                     "movq %%rbp, %%rax\n\t"
                     "popq %%rcx\n\t"
                     "popq %%rbp\n\t"
                     "addq $128, %%rsp"
                     : "+r"(b), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15), "+a"(bp), "+D"(from_sp),
                       "+S"(to_sp)
                     :
                     : "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3",
                       "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
                       "xmm13", "xmm14", "xmm15", "memory", "cc");
    return (b != seed + 1) + (r12 != seed + 2) + (r13 != seed + 3) + (r14 != seed + 4) +
           (r15 != seed + 5) + (bp != seed + 6);
}
#define HAS_REGISTER_TEST 1

#elif !SHEAF__SANITIZED && defined(__aarch64__)

static SHEAF__NOINLINE int64_t switch_with_registers(void **from_sp, void *to_sp, uint64_t seed)
{
    uint64_t integers[10];
    double doubles[8];
    register void **x0 __asm__("x0") = from_sp;
    register void *x1 __asm__("x1") = to_sp;
    register uint64_t *x9 __asm__("x9") = integers;
    register double *x10 __asm__("x10") = doubles;
    for (unsigned i = 0; i < 10; i++) integers[i] = seed + i;
    for (unsigned i = 0; i < 8; i++) doubles[i] = (double)(seed + i);
    /* The arrays' addresses are kept on the stack, as no register is left for them. */
    __asm__ volatile("stp x9, x10, [sp, #-16]!\n\t"
                     "ldp x19, x20, [x9, #0]\n\t"
                     "ldp x21, x22, [x9, #16]\n\t"
                     "ldp x23, x24, [x9, #32]\n\t"
                     "ldp x25, x26, [x9, #48]\n\t"
                     "ldp x27, x28, [x9, #64]\n\t"
                     "ldp d8, d9, [x10, #0]\n\t"
                     "ldp d10, d11, [x10, #16]\n\t"
                     "ldp d12, d13, [x10, #32]\n\t"
                     "ldp d14, d15, [x10, #48]\n\t"
                     "bl sheaf__context_swap\n\t"
                     "ldp x9, x10, [sp], #16\n\t"
                     "stp x19, x20, [x9, #0]\n\t"
                     "stp x21, x22, [x9, #16]\n\t"
                     "stp x23, x24, [x9, #32]\n\t"
                     "stp x25, x26, [x9, #48]\n\t"
                     "stp x27, x28, [x9, #64]\n\t"
                     "stp d8, d9, [x10, #0]\n\t"
                     "stp d10, d11, [x10, #16]\n\t"
                     "stp d12, d13, [x10, #32]\n\t"
                     "stp d14, d15, [x10, #48]"
                     : "+r"(x0), "+r"(x1), "+r"(x9), "+r"(x10)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x11", "x12", "x13", "x14", "x15",
                       "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
                       "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8",
                       "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19",
                       "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",
                       "v31", "memory", "cc");
    int64_t wrong = 0;
    for (unsigned i = 0; i < 10; i++) wrong += integers[i] != seed + i;
    for (unsigned i = 0; i < 8; i++) wrong += doubles[i] != (double)(seed + i);
    return wrong;
}
#define HAS_REGISTER_TEST 1

#else
#define HAS_REGISTER_TEST 0
#endif

#if HAS_REGISTER_TEST

static void yield_with_registers(struct strand *s)
{
    for (uint64_t i = 0; i < 100; i++)
        s->out += switch_with_registers(&s->context.sp, s->back->sp, 1000000 + i * 50);
}

static void callee_saved_registers_belong_to_the_context(void **state)
{
    struct sheaf__context self;
    struct strand s = {.out = 0};
    int64_t wrong = 0;
    (void)state;
    sheaf__context_adopt(&self);
    strand_start(&s, &self, yield_with_registers);
    for (uint64_t i = 0; i <= 100; i++)
        wrong += switch_with_registers(&self.sp, s.context.sp, i * 50);
    assert_int_equal(wrong, 0);
    assert_int_equal(s.out, 0);
    strand_end(&s);
    sheaf__context_release(&self);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_strands(entry_gets_its_argument_and_leaves),
        with_strands(a_context_that_never_started_can_be_released),
        with_strands(a_million_switches_count_right),
        with_strands(one_stack_serves_many_contexts_in_turn),
        with_strands(a_switch_below_hundreds_of_frames_comes_back_through_them),
        with_strands(contexts_nest_two_hundred_deep),
        with_strands(the_stack_is_aligned_as_functions_expect),
        with_strands(an_unwinder_stops_at_the_first_frame),
        with_strands(each_context_has_its_own_rounding_mode),
        with_strands(a_new_context_starts_with_the_rounding_mode_that_it_is_given),
#if HAS_REGISTER_TEST
        with_strands(callee_saved_registers_belong_to_the_context),
#endif
    };
    return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
