/* What the checks share: memory cells, mutants, blocks with a life, parking, and the runner.
 *
 * Cells.  The library's structs keep their C shape, unions included, so an atomic member is a plain
 * value; Relacy's own object for it is made when its address is first used in an execution, and
 * found by that address.  What is not atomic is ordinary memory, of which Relacy knows nothing:
 * each check therefore carries a payload (rl::var) through the structure, on which it sees a race.
 *
 * Blocks.  check::make() gives memory that is never used twice in an execution; check::drop() ends
 * its life, and a later access to a cell in it fails the check.
 *
 * Fences.  Each check runs twice: with both fences of the pair full, and asymmetric, where the
 * light one does nothing and the heavy one brings all threads up to date, as membarrier does.
 *
 * Sequentially consistent accesses.  Relacy orders them among each other, and fences among each
 * other, but not the ones with the others, as C11 does: so a fence goes with each, as compilers do
 * it where the machine has no such access.
 *
 * Mutants.  A correct run finds the sites.  Then each stronger order is weakened, each fence
 * dropped, and each plain store of the structure skipped, one at a time, and the check has to fail;
 * those that survive are listed in the check with the reason. */
#ifndef SHEAF_TESTS_CHECK_RELACY_MODEL_H
#define SHEAF_TESTS_CHECK_RELACY_MODEL_H

// clang-format off
#include <relacy/relacy.hpp>
// clang-format on
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace check
{

/* ---------------------------------------------------------------- sites and mutants */

enum site_kind { LOAD, STORE, RMW, FENCE, LIGHT };

/* LIGHT is a fence only when both of the pair are full. */
enum mutation { NONE, TO_RELAXED, TO_ACQUIRE, TO_RELEASE, DROPPED, SKIPPED };

const char *const MUTATION_NAMES[] = {"", "relaxed", "acquire", "release", "dropped", "skipped"};

const unsigned SITES_MAX = 400;

/* While a check prepares its structures no site counts and no mutant is in force. */
bool setting_up;

struct site {
    site(site_kind kind_, rl::memory_order order_, const char *function_, const char *text_,
         const char *file_, unsigned line_)
        : kind(kind_), order(order_), function(function_), text(text_), file(file_), line(line_),
          uses(0), mutant(NONE)
    {
        if (count == SITES_MAX) {
            std::abort();
        }
        all[count++] = this;
    }

    rl::debug_info info() const { return rl::debug_info(function, file, line); }

    /* The order that is in force. */
    rl::memory_order now()
    {
        if (setting_up) {
            return order;
        }
        uses++;
        switch (mutant) {
        case TO_RELAXED:
            return rl::mo_relaxed;
        case TO_ACQUIRE:
            return rl::mo_acquire;
        case TO_RELEASE:
            return rl::mo_release;
        default:
            return order;
        }
    }

    /* Whether the order is weaker after the mutation, or the store or fence gone. */
    bool can(mutation how) const
    {
        bool strong = order != rl::mo_relaxed;
        switch (how) {
        case TO_RELAXED:
            return strong && (kind == LOAD || kind == STORE || order == rl::mo_release);
        case TO_ACQUIRE:
            return strong && kind == RMW && order != rl::mo_release;
        case TO_RELEASE:
            return strong && kind == RMW && order != rl::mo_release;
        case DROPPED:
            return kind == FENCE || kind == LIGHT;
        case SKIPPED:
            return kind == STORE;
        default:
            return false;
        }
    }

    site_kind kind;
    rl::memory_order order;
    const char *function;
    const char *text;
    const char *file;
    unsigned line;
    unsigned long uses;
    mutation mutant;

    static site *all[SITES_MAX];
    static unsigned count;
};

site *site::all[SITES_MAX];
unsigned site::count;

/* Whether the light fence does nothing and the heavy one reaches everybody. */
bool pair_is_asymmetric;

/* ---------------------------------------------------------------- blocks */

const size_t ARENA_SIZE = 1 << 17;
const unsigned BLOCKS_MAX = 256;

alignas(64) char arena[ARENA_SIZE];
size_t arena_used;

struct block {
    char *begin;
    char *end;
    bool dropped;
};

block blocks[BLOCKS_MAX];
unsigned block_count;

inline void *make(size_t size, size_t align = 64)
{
    arena_used = (arena_used + align - 1) / align * align;
    if (arena_used + size > ARENA_SIZE || block_count == BLOCKS_MAX) {
        std::fprintf(stderr, "FAILED: the check's arena is too small\n");
        std::abort();
    }
    char *begin = arena + arena_used;
    arena_used += size;
    blocks[block_count++] = block{begin, begin + size, false};
    std::memset(begin, 0, size);
    return begin;
}

template <typename T> T *make()
{
    return static_cast<T *>(make(sizeof(T)));
}

inline block *block_of(const void *address)
{
    for (unsigned i = 0; i < block_count; i++) {
        if (address >= blocks[i].begin && address < blocks[i].end) {
            return &blocks[i];
        }
    }
    return nullptr;
}

inline void drop(void *address)
{
    block *found = block_of(address);
    RL_ASSERT(!found || !found->dropped);
    if (found) {
        found->dropped = true;
    }
}

/* ---------------------------------------------------------------- cells */

template <typename T> struct cell {
    T raw;
    cell() = default;
    constexpr cell(T value) : raw(value) {}
};

/* What Relacy is told of: integers only. */
template <typename T> struct as_integer {
    typedef typename std::conditional<
        sizeof(T) == 1, uint8_t,
        typename std::conditional<
            sizeof(T) == 2, uint16_t,
            typename std::conditional<sizeof(T) == 4, uint32_t, uint64_t>::type>::type>::type type;
};

template <typename T, bool pointer = std::is_pointer<T>::value> struct convert {
    typedef typename as_integer<T>::type integer;
    static integer in(T value) { return static_cast<integer>(value); }
    static T out(integer value) { return static_cast<T>(value); }
};

template <typename T> struct convert<T, true> {
    typedef uint64_t integer;
    static integer in(T value) { return reinterpret_cast<uintptr_t>(value); }
    static T out(integer value) { return reinterpret_cast<T>(static_cast<uintptr_t>(value)); }
};

const unsigned CELLS_MAX = 2048; /* a power of two */

struct entry {
    const void *address;
    unsigned execution;
    void (*destroy)(void *object);
    alignas(16) char object[160];
};

entry entries[CELLS_MAX];
unsigned live_entries[CELLS_MAX];
unsigned live_count;
unsigned execution;

inline entry *entry_of(const void *address)
{
    size_t at = (reinterpret_cast<uintptr_t>(address) * 0x9e3779b97f4a7c15U) >> 48;
    for (;; at++) {
        entry *found = &entries[at % CELLS_MAX];
        if (found->execution != execution || found->address == address) {
            return found;
        }
    }
}

template <typename T> void destroy_object(void *object)
{
    static_cast<T *>(object)->~T();
}

/* Says which sites may look at memory that was freed, if any. */
bool (*may_touch_freed)(const site &here);

/* Relacy's object for the cell.  A new one holds what lay in memory, which everybody sees. */
template <typename T>
rl::generic_atomic<typename convert<T>::integer, true> *model(const cell<T> *at, const site &here)
{
    typedef rl::generic_atomic<typename convert<T>::integer, true> atomic;
    static_assert(sizeof(atomic) <= sizeof(entry().object), "Relacy's atomics are larger");
    entry *found = entry_of(at);
    if (found->execution != execution) {
        found->execution = execution;
        found->address = at;
        found->destroy = destroy_object<atomic>;
        live_entries[live_count++] = static_cast<unsigned>(found - entries);
        new (found->object) atomic();
        if (at->raw) {
            reinterpret_cast<atomic *>(found->object)
                ->store(convert<T>::in(at->raw), rl::mo_relaxed, $);
        }
    }
    block *home = block_of(at);
    bool freed = home && home->dropped;
    if (freed && !(may_touch_freed && may_touch_freed(here))) {
        rl::ctx().fail_test("used after it was freed", rl::test_result_access_to_freed_memory,
                            here.info());
    }
    return reinterpret_cast<atomic *>(found->object);
}

/* The fence that goes with an access. */
inline void fence_with(rl::memory_order order)
{
    if (order == rl::mo_seq_cst && !setting_up) {
        rl::ctx().atomic_thread_fence_seq_cst();
    }
}

struct fence_after {
    rl::memory_order order;
    ~fence_after() noexcept(false) { fence_with(order); }
};

template <typename T> T load(const cell<T> *at, site &here)
{
    rl::memory_order order = here.now();
    fence_with(order);
    return convert<T>::out(model(at, here)->load(order, here.info()));
}

template <typename T, typename V> void store(cell<T> *at, V value, site &here)
{
    rl::memory_order order = here.now();
    if (here.mutant == SKIPPED && !setting_up) {
        return;
    }
    model(at, here)->store(convert<T>::in((T)value), order, here.info());
    fence_with(order);
}

enum how { SWAP, ADD, SUB, OR, AND };

template <how what, typename T, typename V> T rmw(cell<T> *at, V value, site &here)
{
    typedef typename convert<T>::integer integer;
    rl::memory_order order = here.now();
    rl::debug_info info = here.info();
    fence_after after = {order};
    integer operand = static_cast<integer>(value);
    auto *object = model(at, here);
    switch (what) {
    case SWAP:
        return convert<T>::out(object->exchange(operand, order, info));
    case ADD:
        return convert<T>::out(object->fetch_add(operand, order, info));
    case SUB:
        return convert<T>::out(object->fetch_sub(operand, order, info));
    case OR:
        return convert<T>::out(object->fetch_or(operand, order, info));
    default:
        return convert<T>::out(object->fetch_and(operand, order, info));
    }
}

template <bool weak, typename T, typename V>
bool compare_and_swap(cell<T> *at, T *expected, V value, site &here)
{
    typedef typename convert<T>::integer integer;
    rl::memory_order order = here.now();
    fence_after after = {order};
    integer found = convert<T>::in(*expected);
    bool done = weak ? model(at, here)->compare_exchange_weak(found, convert<T>::in((T)value),
                                                              order, here.info())
                     : model(at, here)->compare_exchange_strong(found, convert<T>::in((T)value),
                                                                order, here.info());
    if (!done) {
        *expected = convert<T>::out(found);
    }
    return done;
}

inline void fence(site &here)
{
    here.now();
    if (here.mutant != DROPPED) {
        rl::atomic_thread_fence(rl::mo_seq_cst, here.info());
    }
}

inline void fence_light(site &here)
{
    if (pair_is_asymmetric) {
        here.now();
        rl::ctx().sched(); /* the heavy one may come right here */
    } else {
        fence(here);
    }
}

inline void fence_heavy(site &here)
{
    if (!pair_is_asymmetric) {
        fence(here);
        return;
    }
    here.now();
    if (here.mutant != DROPPED) {
        rl::ctx().sched();
        rl::systemwide_fence(here.info());
    }
}

/* ---------------------------------------------------------------- parking and locks */

/* What stands for an object of the system, known by its address. */
template <typename T> struct table {
    static const unsigned PLACES_MAX = 16;
    const void *addresses[PLACES_MAX];
    alignas(16) char objects[PLACES_MAX][sizeof(T)];
    unsigned count;

    T *at(const void *address)
    {
        for (unsigned i = 0; i < count; i++) {
            if (addresses[i] == address) {
                return reinterpret_cast<T *>(objects[i]);
            }
        }
        if (count == PLACES_MAX) {
            std::abort();
        }
        addresses[count] = address;
        return new (objects[count++]) T();
    }

    void clear()
    {
        for (unsigned i = 0; i < count; i++) {
            reinterpret_cast<T *>(objects[i])->~T();
        }
        count = 0;
    }
};

/* A token and the sleep for it; the order is that of the mutex in lib/platform/park.c. */
struct parking {
    rl::generic_atomic<int, true> token;
    rl::generic_event ready;

    parking() { ready.init(false, false, $); }
    ~parking() { ready.deinit($); }

    bool park(bool timed)
    {
        while (token.exchange(0, rl::mo_acq_rel, $) == 0) {
            if (ready.wait(false, timed, $) == rl::sema_wakeup_reason_timeout) {
                return token.exchange(0, rl::mo_acq_rel, $) != 0;
            }
        }
        return true;
    }

    void unpark()
    {
        token.exchange(1, rl::mo_acq_rel, $);
        ready.set($);
    }
};

table<parking> parkings;
table<rl::mutex> mutexes;

/* ---------------------------------------------------------------- an execution */

inline void execution_begin()
{
    execution++;
    live_count = 0;
    arena_used = 0;
    block_count = 0;
    parkings.count = 0;
    mutexes.count = 0;
}

inline void execution_end()
{
    for (unsigned i = 0; i < live_count; i++) {
        entry *at = &entries[live_entries[i]];
        at->destroy(at->object);
    }
    live_count = 0;
    parkings.clear();
    mutexes.clear();
}

/* A scenario: derived_t has set_up(); first() and other(index), which thread 0 and the others run;
 * and settle(), which asserts what must hold when all threads have ended. */
template <typename derived_t, rl::thread_id_t threads>
struct scenario : rl::test_suite<derived_t, threads> {
    scenario() { execution_begin(); }
    ~scenario() { execution_end(); }

    derived_t &derived() { return *static_cast<derived_t *>(this); }

    void thread(unsigned index)
    {
        if (index == 0) {
            derived().first();
        } else {
            derived().other(index);
        }
    }

    void before()
    {
        setting_up = true;
        derived().set_up();
        setting_up = false;
    }

    void after()
    {
        setting_up = true;
        derived().settle();
        setting_up = false;
    }
};

/* A scenario of a check whose scenarios share the parts in world_t, first() and settle() for
 * instance. */
template <typename derived_t, rl::thread_id_t threads, typename world_t>
struct scene : scenario<derived_t, threads>, world_t {
};

} // namespace check

#endif
