/* Slabs of stacks.
 *
 * A slab, from its lowest address:
 *
 *     header | guard 0 | stack 0 | guard 1 | stack 1 | ...
 *
 * Each stack has a slot in the header, by which it is linked while it is free.  The slot outlives
 * the stack's memory, so a stack whose pages went back to the system is found again without
 * touching it.  While the stack is taken its last 16 bytes point to the slot.
 */
#include "lib/platform/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_STACK
#define MAP_STACK 0
#endif

/* From the kernel's interface since Linux 6.13, which older headers lack. */
#define ADVICE_GUARD_INSTALL 102

#define SLAB_STACKS_FIRST 16
#define SLAB_STACKS_MAX 256

/* One stack's place in the books. */
struct sheaf__stack_slot {
    struct sheaf__stack_slot *next;  /* while free: the one given back before; guarded by lock */
    struct sheaf__stack_slot *newer; /* while warm: the one given back after; guarded by lock */
    char *low;                       /* the lowest usable address; const */
    bool first;                      /* of its slab; const */
    bool last;                       /* likewise */
    bool warm;                       /* among the warm ones; guarded by lock */
    bool guarded;                    /* whoever holds the stack; set once */
    bool abandoned;                  /* whoever held the stack; set once */
};

struct sheaf__stack_slab {
    struct sheaf__stack_slab *older; /* const once newest points here */
    size_t bytes;                    /* of the whole reservation; const */
    size_t stacks;                   /* how many; const */
    size_t issued;                   /* slots below this were given out; guarded by lock */
    char *first_guard;               /* where guard 0 begins; const */
    struct sheaf__stack_slot slots[];
};

/* What the last bytes of a taken stack hold; whoever holds the stack. */
struct footer {
    struct sheaf__stack_slot *slot; /* NULL once it was given back */
    uint64_t unused;                /* keeps the usable size a multiple of 16 bytes */
};

/* ---- pages and guards ------------------------------------------------------------------------ */

static size_t page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t)size : 4096;
}

/* Requires: a multiple of a power of two, and no overflow. */
static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) & ~(unit - 1);
}

static size_t guard_size(size_t page)
{
    return round_up(SHEAF__STACK_GUARD, page);
}

/* MAP_NORESERVE, as most of a reservation is never used.  MAP_STACK tells Linux (since 6.7) not to
 * commit a huge page where one page of a stack is touched. */
static void *reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Whether the page faults: the kernel, asked to read from it, says so without a signal. */
static bool page_faults(const void *page)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    bool faults = write(ends[1], page, 1) == -1 && errno == EFAULT;
    close(ends[0]);
    close(ends[1]);
    return faults;
}

/* The advice counts as supported by its effect alone: emulators accept any advice and ignore it. */
static bool guard_install_works(void)
{
    size_t page = page_size();
    void *probe = reserve(page);
    if (!probe) return false;
    bool works = madvise(probe, page, ADVICE_GUARD_INSTALL) == 0 && page_faults(probe);
    munmap(probe, page);
    return works;
}

static pthread_once_t probing = PTHREAD_ONCE_INIT;
static enum sheaf__stack_guard_kind system_guard_kind; /* of the kernel; const after probing */

static void probe_system(void)
{
    system_guard_kind =
        guard_install_works() ? SHEAF__STACK_GUARD_INSTALL : SHEAF__STACK_GUARD_PROTECT;
}

static enum sheaf__stack_guard_kind guard_kind(void)
{
    if (pthread_once(&probing, probe_system) != 0) return SHEAF__STACK_GUARD_PROTECT;
    return system_guard_kind;
}

/* The advice can be refused for one place (locked memory); then this place gets the mprotect. */
static bool guard_place(void *at, size_t bytes, enum sheaf__stack_guard_kind kind)
{
    if (kind == SHEAF__STACK_GUARD_INSTALL && madvise(at, bytes, ADVICE_GUARD_INSTALL) == 0)
        return true;
    return mprotect(at, bytes, PROT_NONE) == 0;
}

/* ---- slabs ----------------------------------------------------------------------------------- */

static size_t stack_bytes(const struct sheaf__stacks *stacks)
{
    return stacks->usable + sizeof(struct footer);
}

static size_t stride(const struct sheaf__stacks *stacks)
{
    return stacks->guard + stack_bytes(stacks);
}

static size_t header_bytes(const struct sheaf__stacks *stacks, size_t count)
{
    return round_up(sizeof(struct sheaf__stack_slab) + count * sizeof(struct sheaf__stack_slot),
                    stacks->page);
}

/* Map a slab of `count` stacks.  Only the header's pages are touched. */
static struct sheaf__stack_slab *slab_map(const struct sheaf__stacks *stacks, size_t count)
{
    size_t header = header_bytes(stacks, count);
    size_t bytes = header + count * stride(stacks);
    char *at = reserve(bytes);
    if (!at) return NULL;
    struct sheaf__stack_slab *slab = (struct sheaf__stack_slab *)(void *)at;
    slab->bytes = bytes;
    slab->stacks = count;
    slab->issued = 0;
    slab->first_guard = at + header;
    for (size_t i = 0; i < count; i++)
        slab->slots[i].low = slab->first_guard + i * stride(stacks) + stacks->guard;
    slab->slots[0].first = true;
    slab->slots[count - 1].last = true;
    return slab;
}

/* Each slab is twice the one before.  A system that refuses a large one may grant a smaller one.
 * Called with the lock held. */
static struct sheaf__stack_slab *slab_add(struct sheaf__stacks *stacks)
{
    /* relaxed: written under the lock, which is held. */
    struct sheaf__stack_slab *older = atomic_load_explicit(&stacks->newest, memory_order_relaxed);
    size_t count = older ? older->stacks * 2 : SLAB_STACKS_FIRST;
    if (count > SLAB_STACKS_MAX) count = SLAB_STACKS_MAX;
    struct sheaf__stack_slab *slab = slab_map(stacks, count);
    while (!slab && count > 1) {
        count /= 2;
        slab = slab_map(stacks, count);
    }
    if (!slab) return NULL;
    slab->older = older;
    stacks->counts.slabs++;
    stacks->counts.reserved_bytes += slab->bytes;
    /* release: publishes the slab; pairs with the acquire in sheaf__stack_guard_hit. */
    atomic_store_explicit(&stacks->newest, slab, memory_order_release);
    return slab;
}

/* ---- free lists; the lock is held ------------------------------------------------------------ */

static void cold_push(struct sheaf__stacks *stacks, struct sheaf__stack_slot *slot)
{
    slot->next = stacks->cold;
    stacks->cold = slot;
    stacks->counts.free_cold++;
}

static struct sheaf__stack_slot *cold_pop(struct sheaf__stacks *stacks)
{
    struct sheaf__stack_slot *slot = stacks->cold;
    if (!slot) return NULL;
    stacks->cold = slot->next;
    stacks->counts.free_cold--;
    return slot;
}

static void warm_push(struct sheaf__stacks *stacks, struct sheaf__stack_slot *slot)
{
    slot->next = stacks->warm;
    slot->newer = NULL;
    slot->warm = true;
    *(slot->next ? &slot->next->newer : &stacks->oldest) = slot;
    stacks->warm = slot;
    stacks->counts.free_warm++;
}

static void warm_remove(struct sheaf__stacks *stacks, struct sheaf__stack_slot *slot)
{
    *(slot->next ? &slot->next->newer : &stacks->oldest) = slot->newer;
    *(slot->newer ? &slot->newer->next : &stacks->warm) = slot->next;
    slot->warm = false;
    stacks->counts.free_warm--;
}

static struct sheaf__stack_slot *slot_issue(struct sheaf__stacks *stacks)
{
    /* relaxed: written under the lock, which is held. */
    struct sheaf__stack_slab *slab = atomic_load_explicit(&stacks->newest, memory_order_relaxed);
    if (!slab || slab->issued == slab->stacks) slab = slab_add(stacks);
    return slab ? &slab->slots[slab->issued++] : NULL;
}

/* Warm before cold before new: what was used last costs the fewest page faults. */
static struct sheaf__stack_slot *slot_choose(struct sheaf__stacks *stacks)
{
    struct sheaf__stack_slot *slot = stacks->warm;
    if (slot) {
        warm_remove(stacks, slot);
        return slot;
    }
    slot = cold_pop(stacks);
    return slot ? slot : slot_issue(stacks);
}

static struct footer *footer_of(const struct sheaf__stacks *stacks, void *low)
{
    return (struct footer *)(void *)((char *)low + stacks->usable);
}

/* ---- taking and giving ----------------------------------------------------------------------- */

int sheaf__stacks_init(struct sheaf__stacks *stacks, size_t stack_size)
{
    size_t page = page_size();
    size_t guard = guard_size(page);
    if (stack_size == 0) stack_size = SHEAF__STACK_SIZE_DEFAULT;
    if (stack_size < SHEAF__STACK_SIZE_MIN) return EINVAL;
    /* Twice, so that header, guards and rounding fit as well. */
    if (stack_size > SIZE_MAX / 2 / SLAB_STACKS_MAX - guard - 2 * page) return EINVAL;
    *stacks = (struct sheaf__stacks){
        .usable = round_up(stack_size, page) - sizeof(struct footer),
        .guard = guard,
        .page = page,
        .guard_kind = guard_kind(),
        .keep = SHEAF__STACKS_KEEP_DEFAULT,
    };
    return pthread_mutex_init(&stacks->lock, NULL);
}

/* Unmap a slab but for the abandoned stacks and their guards.  From the last to the first, as the
 * slots are in the header.  A system that does not split mappings any further keeps more. */
static void slab_unmap(const struct sheaf__stacks *stacks, struct sheaf__stack_slab *slab)
{
    char *end = (char *)slab + slab->bytes; /* of what goes next */
    for (size_t i = slab->issued; i-- > 0;) {
        if (!slab->slots[i].abandoned) continue;
        char *kept = slab->slots[i].low - stacks->guard;
        char *above = kept + stride(stacks);
        if (end > above) munmap(above, (size_t)(end - above));
        end = kept;
    }
    munmap(slab, (size_t)(end - (char *)slab));
}

void sheaf__stacks_destroy(struct sheaf__stacks *stacks)
{
    /* relaxed: no other thread uses the stacks any more. */
    struct sheaf__stack_slab *slab = atomic_load_explicit(&stacks->newest, memory_order_relaxed);
    while (slab) {
        struct sheaf__stack_slab *older = slab->older;
        slab_unmap(stacks, slab);
        slab = older;
    }
    pthread_mutex_destroy(&stacks->lock);
}

size_t sheaf__stacks_usable(const struct sheaf__stacks *stacks)
{
    return stacks->usable;
}

/* A stack that never had a guard gets it.  If the system refuses, the stack goes to the cold ones,
 * and whoever takes it next tries again. */
static bool slot_guard(struct sheaf__stacks *stacks, struct sheaf__stack_slot *slot)
{
    if (slot->guarded) return true;
    slot->guarded = guard_place(slot->low - stacks->guard, stacks->guard, stacks->guard_kind);
    if (slot->guarded) return true;
    pthread_mutex_lock(&stacks->lock);
    stacks->counts.live--;
    cold_push(stacks, slot);
    pthread_mutex_unlock(&stacks->lock);
    return false;
}

/* The guard and the footer's page fault cost microseconds, so they come after the lock: the slot is
 * the taker's alone. */
void *sheaf__stack_take(struct sheaf__stacks *stacks)
{
    struct sheaf__stacks_statistics *counts = &stacks->counts;
    pthread_mutex_lock(&stacks->lock);
    struct sheaf__stack_slot *slot = slot_choose(stacks);
    if (slot) counts->live++;
    if (counts->live > counts->live_peak) counts->live_peak = counts->live;
    pthread_mutex_unlock(&stacks->lock);
    if (!slot || !slot_guard(stacks, slot)) return NULL;
    footer_of(stacks, slot->low)->slot = slot;
    return slot->low;
}

/* ---- memory that goes back ------------------------------------------------------------------- */

/* Stacks that lie side by side. */
struct run {
    struct sheaf__stack_slot *first;
    size_t count; /* 0: none */
};

/* Takes at most `most` warm stacks that lie side by side out of the list, the oldest among them.
 * Called with the lock held. */
static struct run run_take(struct sheaf__stacks *stacks, size_t most)
{
    struct run run = {stacks->oldest, 0};
    while (run.count < most && run.first) {
        struct sheaf__stack_slot *slot = run.first + run.count;
        if (run.count > 0 && (slot[-1].last || !slot->warm)) break;
        warm_remove(stacks, slot);
        run.count++;
    }
    while (run.count > 0 && run.count < most && !run.first->first && run.first[-1].warm) {
        warm_remove(stacks, --run.first);
        run.count++;
    }
    return run;
}

/* Returns the memory of a run and puts it among the cold ones.  One call for all of it, since each
 * call interrupts every other CPU that the process runs on; the guards in between stay guards.  It
 * can only fail for locked memory; the stacks then merely keep their pages. */
static void run_cool(struct sheaf__stacks *stacks, struct run run)
{
    const struct sheaf__stack_slot *last = run.first + run.count - 1;
    madvise(run.first->low, (size_t)(last->low - run.first->low) + stack_bytes(stacks),
            MADV_DONTNEED);
    pthread_mutex_lock(&stacks->lock);
    for (size_t i = 0; i < run.count; i++) cold_push(stacks, run.first + i);
    pthread_mutex_unlock(&stacks->lock);
}

/* How many stacks are too many, of those that are warm: none until they are more than the mark and
 * than thrice those in use, and by a sixteenth of the mark, so that there is something to be done
 * at once.  Where three in four are free, many lie side by side, in whatever order tasks end. */
static size_t surplus(const struct sheaf__stacks *stacks)
{
    size_t warm = stacks->counts.free_warm;
    size_t slack = stacks->keep / 16;
    size_t mark = stacks->keep;
    if (mark > 0 && mark < 3 * stacks->counts.live) mark = 3 * stacks->counts.live;
    return warm > mark + slack ? warm - mark : 0;
}

/* A stack that is given twice, or whose footer was overwritten, means that memory is wrong
 * already: the slot does not lead back to the stack, and the process stops. */
static struct sheaf__stack_slot *slot_leave(struct sheaf__stacks *stacks, void *low)
{
    struct footer *footer = footer_of(stacks, low);
    struct sheaf__stack_slot *slot = footer->slot;
    if (!slot || slot->low != low) __builtin_trap();
    footer->slot = NULL;
    return slot;
}

void sheaf__stack_abandon(struct sheaf__stacks *stacks, void *low)
{
    slot_leave(stacks, low)->abandoned = true;
}

void sheaf__stack_give(struct sheaf__stacks *stacks, void *low)
{
    struct sheaf__stack_slot *slot = slot_leave(stacks, low);
    pthread_mutex_lock(&stacks->lock);
    stacks->counts.live--;
    warm_push(stacks, slot);
    struct run run = run_take(stacks, surplus(stacks));
    pthread_mutex_unlock(&stacks->lock);
    if (run.count > 0) run_cool(stacks, run);
}

void sheaf__stacks_trim(struct sheaf__stacks *stacks, size_t count)
{
    struct run run;
    do {
        pthread_mutex_lock(&stacks->lock);
        size_t warm = stacks->counts.free_warm;
        run = run_take(stacks, warm > count ? warm - count : 0);
        pthread_mutex_unlock(&stacks->lock);
        if (run.count > 0) run_cool(stacks, run);
    } while (run.count > 0);
}

void sheaf__stacks_keep(struct sheaf__stacks *stacks, size_t count)
{
    pthread_mutex_lock(&stacks->lock);
    stacks->keep = count;
    pthread_mutex_unlock(&stacks->lock);
    sheaf__stacks_trim(stacks, count);
}

void sheaf__stacks_read_statistics(struct sheaf__stacks *stacks,
                                   struct sheaf__stacks_statistics *out)
{
    pthread_mutex_lock(&stacks->lock);
    *out = stacks->counts;
    pthread_mutex_unlock(&stacks->lock);
}

/* ---- faults ---------------------------------------------------------------------------------- */

bool sheaf__stack_guard_hit(const struct sheaf__stacks *stacks, const void *address)
{
    /* acquire: pairs with the release in slab_add; the slab and all older ones are complete. */
    const struct sheaf__stack_slab *slab =
        atomic_load_explicit(&stacks->newest, memory_order_acquire);
    for (; slab; slab = slab->older) {
        uintptr_t offset = (uintptr_t)address - (uintptr_t)slab->first_guard;
        if ((uintptr_t)address >= (uintptr_t)slab->first_guard &&
            offset < slab->stacks * stride(stacks))
            return offset % stride(stacks) < stacks->guard;
    }
    return false;
}

bool sheaf__stack_guard_below(const void *low, const void *address)
{
    uintptr_t distance = (uintptr_t)low - (uintptr_t)address;
    return (uintptr_t)address < (uintptr_t)low && distance <= SHEAF__STACK_GUARD;
}

/* ---- single stacks --------------------------------------------------------------------------- */

void *sheaf__stack_map(size_t size, size_t *usable)
{
    size_t page = page_size();
    size_t guard = guard_size(page);
    if (size < SHEAF__STACK_SIZE_MIN || size > SIZE_MAX - guard - page) return NULL;
    size_t bytes = round_up(size, page);
    char *at = reserve(guard + bytes);
    if (!at) return NULL;
    if (!guard_place(at, guard, guard_kind())) {
        munmap(at, guard + bytes);
        return NULL;
    }
    *usable = bytes;
    return at + guard;
}

void sheaf__stack_unmap(void *low, size_t usable)
{
    size_t guard = guard_size(page_size());
    munmap((char *)low - guard, guard + usable);
}
