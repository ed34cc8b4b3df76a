/* Contexts: what a switch keeps, what moves with the thread, and where unwinders stop. */
#include "lib/platform/context.h"

#include "lib/platform/self.h"
#include "lib/platform/stack.h"

#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include <cmocka.h>

#if SHEAF__SANITIZED
#define SWITCHES 20000
#else
#define SWITCHES 1000000
#endif

static struct sheaf__stacks stacks;

static int stacks_setup(void **state)
{
    (void)state;
    return sheaf__stacks_init(&stacks, 0);
}

static int stacks_teardown(void **state)
{
    struct sheaf__stacks_statistics end;
    (void)state;
    sheaf__stacks_read_statistics(&stacks, &end);
    sheaf__stacks_destroy(&stacks);
    return end.live == 0 ? 0 : -1;
}

/* A context with its stack, and the one that it yields to.  What a strand and the threads that
 * resume it both touch while it lives is atomic: a switch alone orders nothing for TSan. */
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
static void strand_entry(void *arg)
{
    struct strand *s = arg;
    (void)atomic_load(&s->back);
    s->body(s);
    sheaf__context_leave(&s->context, s->back);
}

static void strand_start(struct strand *s, struct sheaf__context *back,
                         void (*body)(struct strand *))
{
    s->low = sheaf__stack_take(&stacks);
    assert_non_null(s->low);
    s->back = back;
    s->body = body;
    sheaf__context_make(&s->context, s->low, sheaf__stacks_usable(&stacks), strand_entry, s);
}

static void strand_end(struct strand *s)
{
    sheaf__context_release(&s->context);
    sheaf__stack_give(&stacks, s->low);
}

static SHEAF__NOINLINE void strand_yield(struct strand *s)
{
    sheaf__context_switch(&s->context, s->back);
    (void)atomic_load(&s->back);
}

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
    sheaf__context_make(&inner.context, inner.low, sheaf__stacks_usable(&stacks), strand_entry,
                        &inner);
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
                            sheaf__stacks_usable(&stacks) - skip_low - odd, strand_entry, &s);
        sheaf__context_switch(&self, &s.context);
        assert_int_equal(s.in, 0);
        assert_int_equal(s.out, 14);
        strand_end(&s);
    }
    sheaf__context_release(&self);
}

/* The function in which contexts in assembly begin; not there with ucontext. */
extern void sheaf__context_trampoline(void) __attribute__((weak));

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

static void a_new_context_starts_with_the_rounding_mode_of_its_maker(void **state)
{
    struct sheaf__context self;
    struct strand s = {.out = -1};
    (void)state;
    sheaf__context_adopt(&self);
    fesetround(FE_UPWARD);
    strand_start(&s, &self, tell_mode);
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

/* ---- between threads ------------------------------------------------------------------------- */

/* Two threads that resume one context, once each and in turn.  Both live until both are done, so
 * that their thread-locals have different addresses. */
struct resumer {
    struct sheaf__context self;
    struct strand *strand;
    pthread_barrier_t *turn; /* passed before the turn of the second, and when that is over */
    bool second;
    char name;
};

static void resume(struct resumer *r)
{
    sheaf__context_adopt(&r->self);
    sheaf__self_set(&r->name);
    errno = 0;
    r->strand->back = &r->self;
    sheaf__context_switch(&r->self, &r->strand->context);
    sheaf__self_set(NULL);
    sheaf__context_release(&r->self);
}

static void *resume_in_turn(void *arg)
{
    struct resumer *r = arg;
    if (!r->second) resume(r);
    pthread_barrier_wait(r->turn);
    if (r->second) resume(r);
    pthread_barrier_wait(r->turn);
    return NULL;
}

/* Run a body that yields once, the first part on one thread and the second on another. */
static int64_t run_on_two_threads(struct resumer *a, struct resumer *b,
                                  void (*body)(struct strand *))
{
    struct strand s = {.out = 0};
    pthread_barrier_t turn;
    pthread_t thread[2];
    assert_int_equal(pthread_barrier_init(&turn, NULL, 2), 0);
    *a = (struct resumer){.strand = &s, .turn = &turn};
    *b = (struct resumer){.strand = &s, .turn = &turn, .second = true};
    strand_start(&s, &a->self, body);
    assert_int_equal(pthread_create(&thread[0], NULL, resume_in_turn, a), 0);
    assert_int_equal(pthread_create(&thread[1], NULL, resume_in_turn, b), 0);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&turn);
    strand_end(&s);
    return s.out;
}

static struct resumer first;
static struct resumer second;

static void read_self_twice(struct strand *s)
{
    s->out += sheaf__self_get() != &first.name;
    strand_yield(s);
    s->out += sheaf__self_get() != &second.name;
}

static void read_self_twice_through_the_call(struct strand *s)
{
    s->out += sheaf__self_get_portable() != &first.name;
    strand_yield(s);
    s->out += sheaf__self_get_portable() != &second.name;
}

static void self_is_the_new_threads_after_a_move(void **state)
{
    (void)state;
    assert_int_equal(run_on_two_threads(&first, &second, read_self_twice), 0);
    assert_int_equal(run_on_two_threads(&first, &second, read_self_twice_through_the_call), 0);
}

static void self_is_null_until_it_is_set(void **state)
{
    char name;
    (void)state;
    assert_null(sheaf__self_get());
    sheaf__self_set(&name);
    assert_ptr_equal(sheaf__self_get(), &name);
    assert_ptr_equal(sheaf__self_get_portable(), &name);
    sheaf__self_set(NULL);
    assert_null(sheaf__self_get());
    assert_null(sheaf__self_get_portable());
}

/* The second thread's errno is still 0: nothing was written to the place of the first. */
static void write_errno_twice(struct strand *s)
{
    int *before = sheaf__errno_place();
    *before = EDOM;
    strand_yield(s);
    int *after = sheaf__errno_place();
    s->out += after == before;
    s->out += *after != 0;
    *after = ERANGE;
    s->out += sheaf__errno_get() != ERANGE;
}

static void errno_is_the_new_threads_after_a_move(void **state)
{
    (void)state;
    assert_int_equal(run_on_two_threads(&first, &second, write_errno_twice), 0);
    errno = EDOM;
    assert_ptr_equal(sheaf__errno_place(), &errno);
    assert_int_equal(sheaf__errno_get(), EDOM);
    sheaf__errno_set(ERANGE);
    assert_int_equal(errno, ERANGE);
}

/* ---- many contexts on many threads ----------------------------------------------------------- */

#define CROWD 32
#define CROWD_THREADS 3
#if SHEAF__SANITIZED
#define CROWD_YIELDS 100
#else
#define CROWD_YIELDS 2000
#endif

/* Suspended strands in the order in which they came.  Threads take one that another thread resumed
 * last, resume it and put it back, so that each yield is a move. */
struct crowd {
    pthread_mutex_t lock; /* guards waiting, count and alive */
    struct strand *waiting[CROWD];
    size_t count;
    size_t alive;
    struct strand strands[CROWD];
};

static int64_t scramble(int64_t value)
{
    return (int64_t)(((uint64_t)value * 6364136223846793005u + 1442695040888963407u) >> 1);
}

/* Computes in locals all the time; in counts the moves to another thread. */
static void scramble_and_move(struct strand *s)
{
    int64_t value = s->in;
    void *last = sheaf__self_get();
    s->in = 0;
    for (int i = 0; i < CROWD_YIELDS; i++) {
        value = scramble(value);
        strand_yield(s);
        void *now = sheaf__self_get();
        s->in += now != last;
        last = now;
    }
    s->out = value;
    s->ended = true;
}

/* Which waiting strand to resume from `self`: the oldest that somebody else resumed last, or
 * count. */
static size_t crowd_choose(const struct crowd *c, const struct sheaf__context *self)
{
    size_t i = 0;
    while (i < c->count && c->waiting[i]->back == self) i++;
    return i;
}

/* NULL: there is none at the moment; *over: all have ended. */
static struct strand *crowd_take(struct crowd *c, const struct sheaf__context *self, bool *over)
{
    struct strand *s = NULL;
    pthread_mutex_lock(&c->lock);
    size_t i = crowd_choose(c, self);
    if (i < c->count) {
        s = c->waiting[i];
        c->count--;
        memmove(c->waiting + i, c->waiting + i + 1, (c->count - i) * sizeof *c->waiting);
    }
    *over = c->alive == 0;
    pthread_mutex_unlock(&c->lock);
    return s;
}

static void crowd_put(struct crowd *c, struct strand *s)
{
    pthread_mutex_lock(&c->lock);
    if (s->ended)
        c->alive--;
    else
        c->waiting[c->count++] = s;
    pthread_mutex_unlock(&c->lock);
}

static void *crowd_thread(void *arg)
{
    struct crowd *c = arg;
    struct sheaf__context self;
    bool over = false;
    sheaf__context_adopt(&self);
    sheaf__self_set(&self);
    while (!over) {
        struct strand *s = crowd_take(c, &self, &over);
        if (s) {
            s->back = &self;
            sheaf__context_switch(&self, &s->context);
            crowd_put(c, s);
        } else {
            sched_yield();
        }
    }
    sheaf__self_set(NULL);
    sheaf__context_release(&self);
    return NULL;
}

static int64_t scrambled(int64_t value)
{
    for (int i = 0; i < CROWD_YIELDS; i++) value = scramble(value);
    return value;
}

static void contexts_move_freely_between_threads(void **state)
{
    static struct crowd c = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread[CROWD_THREADS];
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        c.strands[i].in = i;
        strand_start(&c.strands[i], NULL, scramble_and_move);
        c.waiting[i] = &c.strands[i];
    }
    c.count = c.alive = CROWD;
    for (int i = 0; i < CROWD_THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, crowd_thread, &c), 0);
    for (int i = 0; i < CROWD_THREADS; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(c.strands[i].out, scrambled(i));
        assert_int_equal(c.strands[i].in, CROWD_YIELDS);
        strand_end(&c.strands[i]);
    }
}

#define with_stacks(test) cmocka_unit_test_setup_teardown(test, stacks_setup, stacks_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_stacks(entry_gets_its_argument_and_leaves),
        with_stacks(a_context_that_never_started_can_be_released),
        with_stacks(a_million_switches_count_right),
        with_stacks(one_stack_serves_many_contexts_in_turn),
        with_stacks(a_switch_below_hundreds_of_frames_comes_back_through_them),
        with_stacks(contexts_nest_two_hundred_deep),
        with_stacks(the_stack_is_aligned_as_functions_expect),
        with_stacks(an_unwinder_stops_at_the_first_frame),
        with_stacks(each_context_has_its_own_rounding_mode),
        with_stacks(a_new_context_starts_with_the_rounding_mode_of_its_maker),
#if HAS_REGISTER_TEST
        with_stacks(callee_saved_registers_belong_to_the_context),
#endif
        with_stacks(self_is_the_new_threads_after_a_move),
        cmocka_unit_test(self_is_null_until_it_is_set),
        with_stacks(errno_is_the_new_threads_after_a_move),
        with_stacks(contexts_move_freely_between_threads),
    };
    return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
