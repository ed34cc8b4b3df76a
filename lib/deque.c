#include "lib/deque.h"

#include "lib/alloc.h"
#include "lib/error_impl.h"

/* A model checker builds with small ones. */
#ifndef SHEAF__DEQUE_FIRST_CAPACITY
#define SHEAF__DEQUE_FIRST_CAPACITY 256U
#define SHEAF__DEQUE_LARGEST_CAPACITY (1U << 22)
#endif

/* Added to top while a foreign claim looks: beyond every bottom (C4). */
#define OUT_OF_REACH (1U << 30)

static sheaf__deque_slot *new_slots(uint32_t capacity)
{
    sheaf__deque_slot *slots =
        (sheaf__deque_slot *)sheaf__alloc_array(capacity, sizeof(sheaf__deque_slot));
    for (uint32_t i = 0; slots && i < capacity; i++) {
        sheaf__store_rlx(&slots[i], NULL);
    }
    return slots;
}

static void free_slots(sheaf__deque_slot *slots, uint32_t capacity)
{
    /* By way of an integer: a plain cast would be one that drops a qualifier. */
    sheaf__free_array((void *)(uintptr_t)slots, capacity, sizeof *slots);
}

static uint32_t capacity_of(struct sheaf__deque *deque)
{
    return sheaf__load_rlx(&deque->mask) + 1;
}

bool sheaf__deque_init(struct sheaf__deque *deque, uint16_t index)
{
    sheaf__deque_slot *slots = new_slots(SHEAF__DEQUE_FIRST_CAPACITY);
    if (!slots) {
        return false;
    }
    sheaf__store_rlx(&deque->bottom, 0);
    sheaf__store_rlx(&deque->limit, SHEAF__DEQUE_FIRST_CAPACITY);
    sheaf__store_rlx(&deque->mask, SHEAF__DEQUE_FIRST_CAPACITY - 1);
    sheaf__store_rlx(&deque->slots, slots);
    deque->index = index;
    sheaf__store_rlx(&deque->top, 0);
    sheaf__store_rlx(&deque->taken, 0);
    sheaf__store_rlx(&deque->lock.held, 0);
    return true;
}

void sheaf__deque_destroy(struct sheaf__deque *deque)
{
    sheaf__deque_slot *slots = sheaf__load_rlx(&deque->slots);
    free_slots(slots, capacity_of(deque));
    sheaf__store_rlx(&deque->slots, NULL);
}

/* Doubles the ring.  Requires: the lock is held, by the owner: no thief reads slots meanwhile */
static bool grow(struct sheaf__deque *deque, uint32_t from, uint32_t bottom)
{
    uint32_t capacity = capacity_of(deque);
    if (capacity >= SHEAF__DEQUE_LARGEST_CAPACITY) {
        return false;
    }
    sheaf__deque_slot *wider = new_slots(capacity * 2);
    if (!wider) {
        return false;
    }
    sheaf__deque_slot *slots = sheaf__load_rlx(&deque->slots);
    for (uint32_t i = from; i != bottom; i++) {
        /* acquire and release as in the push: a copy publishes the job like its first entry. */
        sheaf__store_rel(&wider[i & (capacity * 2 - 1)],
                         sheaf__load_acq(&slots[i & (capacity - 1)]));
    }
    sheaf__store_rlx(&deque->slots, wider);
    sheaf__store_rlx(&deque->mask, capacity * 2 - 1);
    free_slots(slots, capacity);
    return true;
}

/* Owner: looks how far the thieves have read (C2), and grows the ring when that is not enough. */
bool sheaf__deque_make_room(struct sheaf__deque *deque)
{
    sheaf__spin_lock(&deque->lock);
    uint32_t bottom = sheaf__load_rlx(&deque->bottom);
    uint32_t taken = sheaf__load_rlx(&deque->taken);
    bool room = bottom - taken < capacity_of(deque) || grow(deque, taken, bottom);
    if (room) {
        sheaf__store_rlx(&deque->limit, taken + capacity_of(deque));
    }
    sheaf__spin_unlock(&deque->lock);
    return room;
}

static struct sheaf__job *entry_at(struct sheaf__deque *deque, uint32_t at)
{
    sheaf__deque_slot *slots = sheaf__load_rlx(&deque->slots);
    /* acquire: pairs with the release in push; what the pusher did is visible. */
    return sheaf__load_acq(&slots[at & sheaf__load_rlx(&deque->mask)]);
}

static void clear_entry(struct sheaf__deque *deque, uint32_t at)
{
    sheaf__deque_slot *slots = sheaf__load_rlx(&deque->slots);
    sheaf__store_rlx(&slots[at & sheaf__load_rlx(&deque->mask)], NULL);
}

/* Owner: decides under the lock about the last entry, after a thief was seen above it.
 * Returns: the entry; NULL when it was stolen or cleared */
static struct sheaf__job *pop_contended(struct sheaf__deque *deque, uint32_t at)
{
    struct sheaf__job *job = NULL;
    sheaf__spin_lock(&deque->lock);
    /* Under the lock top is settled: no thief is at work. */
    uint32_t top = sheaf__load_rlx(&deque->top);
    if ((int32_t)(at - top) >= 0) {
        job = entry_at(deque, at);
    } else {
        /* Everything is stolen: bottom goes back to where the thieves stopped. */
        sheaf__store_rlx(&deque->bottom, top);
    }
    sheaf__spin_unlock(&deque->lock);
    return job;
}

static void trim_entries(struct sheaf__deque *deque)
{
    uint32_t bottom = sheaf__load_rlx(&deque->bottom);
    uint32_t top = sheaf__load_rlx(&deque->top);
    uint32_t at = bottom;
    while ((int32_t)(at - top) > 0 && !entry_at(deque, at - 1)) {
        at--;
    }
    /* All entries given up are empty: it does not matter whether a thief took some of them. */
    if (at != bottom && !sheaf__deque_take_last(deque, at)) {
        pop_contended(deque, at);
    }
}

bool sheaf__deque_settle_last(struct sheaf__deque *deque, struct sheaf__job *job)
{
    if (pop_contended(deque, sheaf__load_rlx(&deque->bottom)) != job) {
        return false;
    }
    trim_entries(deque);
    return true;
}

struct sheaf__job *sheaf__deque_pop(struct sheaf__deque *deque)
{
    for (;;) {
        uint32_t at = sheaf__load_rlx(&deque->bottom) - 1;
        /* relaxed: an old top lets us try in vain; a frozen one sends us to the lock. */
        if ((int32_t)(at - sheaf__load_rlx(&deque->top)) < 0 && sheaf__deque_empty(deque)) {
            return NULL;
        }
        struct sheaf__job *job;
        if (sheaf__deque_take_last(deque, at)) {
            job = entry_at(deque, at);
        } else {
            job = pop_contended(deque, at);
        }
        if (job) {
            return job;
        }
        /* A cleared entry, or everything was stolen: look again at what lies below. */
    }
}

/* Owner: after the slot was cleared and a thief was seen past it.  Returns: whether it is ours */
bool sheaf__deque_claim_contended(struct sheaf__deque *deque, struct sheaf__job *job)
{
    sheaf__spin_lock(&deque->lock);
    /* A thief that read the entry before it was cleared has changed `where` under the lock. */
    bool ours = sheaf__load_rlx(&job->where) == deque->index;
    sheaf__spin_unlock(&deque->lock);
    return ours;
}

/* Owner: the position of this very job.  `at.slot` is read once: whoever takes the job writes it.
 * */
static bool find_entry(struct sheaf__deque *deque, const struct sheaf__job *job, uint32_t *at)
{
    if (sheaf__load_rlx(&job->where) != deque->index) {
        return false;
    }
    *at = sheaf__load_rlx(&job->at.slot);
    uint32_t bottom = sheaf__load_rlx(&deque->bottom);
    /* A job of the like-numbered worker of another pool has any slot: the entry decides. */
    return bottom - *at - 1 < capacity_of(deque) && entry_at(deque, *at) == job;
}

bool sheaf__deque_holds(struct sheaf__deque *deque, const struct sheaf__job *job)
{
    uint32_t at;
    return find_entry(deque, job, &at);
}

bool sheaf__deque_claim(struct sheaf__deque *deque, struct sheaf__job *job)
{
    enum sheaf__claim claim = sheaf__deque_claim_last(deque, job);
    if (claim != SHEAF__CLAIM_OTHER) {
        return claim == SHEAF__CLAIM_DONE || sheaf__deque_settle_last(deque, job);
    }
    uint32_t at;
    if (!find_entry(deque, job, &at)) {
        return false;
    }
    clear_entry(deque, at);
    sheaf__fence_light();
    /* acquire: pairs with the release after a foreign claim (C4). */
    uint32_t top = sheaf__load_acq(&deque->top);
    if ((int32_t)(at - top) < 0) {
        return sheaf__deque_claim_contended(deque, job);
    }
    return sheaf__load_rlx(&job->where) == deque->index;
}

/* How many of n live entries a thief takes: few, so that a fork-join tree is not torn apart. */
static unsigned share_of(int32_t live, unsigned most)
{
    if (live <= 0) {
        return 0;
    }
    unsigned share = (unsigned)live / 8;
    share = share < 1 ? 1 : share;
    return share < most ? share : most;
}

unsigned sheaf__deque_steal(struct sheaf__deque *deque, struct sheaf__job **jobs, unsigned most,
                            uint32_t mark)
{
    unsigned got = 0;
    sheaf__spin_lock(&deque->lock);
    uint32_t top = sheaf__load_rlx(&deque->top);
    /* relaxed: a first guess at how much there is; read again after the fence. */
    unsigned want = share_of((int32_t)(sheaf__load_rlx(&deque->bottom) - top), most);
    if (want > 0) {
        /* release: C4; ordered before the load of bottom by the fence pair (C1). */
        sheaf__store_rel(&deque->top, top + want);
        sheaf__fence_heavy();
        /* acquire: pairs with the release in push; the entries below it are visible. */
        int32_t live = (int32_t)(sheaf__load_acq(&deque->bottom) - top);
        unsigned end = live <= 0 ? 0 : (unsigned)live < want ? (unsigned)live : want;
        for (unsigned i = 0; i < end; i++) {
            struct sheaf__job *job = entry_at(deque, top + i);
            if (job) {
                sheaf__or_rlx(&job->word, mark);
                sheaf__store_rlx(&job->where, SHEAF__WHERE_NONE);
                jobs[got++] = job;
            }
        }
        sheaf__store_rel(&deque->top, top + end);
        sheaf__store_rlx(&deque->taken, top + end);
    }
    sheaf__spin_unlock(&deque->lock);
    return got;
}

bool sheaf__deque_claim_foreign(struct sheaf__deque *deque, struct sheaf__job *job, uint32_t mark)
{
    bool got = false;
    sheaf__spin_lock(&deque->lock);
    if (sheaf__load_rlx(&job->where) == deque->index) {
        uint32_t top = sheaf__load_rlx(&deque->top);
        uint32_t at = sheaf__load_rlx(&job->at.slot);
        sheaf__store_rel(&deque->top, top + OUT_OF_REACH);
        sheaf__fence_heavy();
        /* From here on the owner's pops and claims wait for the lock. */
        uint32_t bottom = sheaf__load_acq(&deque->bottom);
        int32_t live = (int32_t)(bottom - top);
        if (live > 0 && at - top < (uint32_t)live && entry_at(deque, at) == job) {
            clear_entry(deque, at);
            sheaf__or_rlx(&job->word, mark);
            sheaf__store_rlx(&job->where, SHEAF__WHERE_NONE);
            got = true;
        }
        /* release: an owner that reads it sees what was taken (C4). */
        sheaf__store_rel(&deque->top, top);
    }
    sheaf__spin_unlock(&deque->lock);
    return got;
}

void sheaf__deque_visit(struct sheaf__deque *deque,
                        void (*visit)(void *context, struct sheaf__job *job), void *context)
{
    sheaf__spin_lock(&deque->lock);
    uint32_t top = sheaf__load_rlx(&deque->top);
    sheaf__store_rel(&deque->top, top + OUT_OF_REACH);
    sheaf__fence_heavy();
    /* From here on the owner's pops and claims wait for the lock. */
    uint32_t bottom = sheaf__load_acq(&deque->bottom);
    for (uint32_t i = top; (int32_t)(bottom - i) > 0; i++) {
        struct sheaf__job *job = entry_at(deque, i);
        if (job) {
            visit(context, job);
        }
    }
    /* release: the looks are over when the owner takes a job without the lock (C4). */
    sheaf__store_rel(&deque->top, top);
    sheaf__spin_unlock(&deque->lock);
}

bool sheaf__deque_empty(struct sheaf__deque *deque)
{
    sheaf__spin_lock(&deque->lock);
    int32_t live = (int32_t)(sheaf__load_acq(&deque->bottom) - sheaf__load_rlx(&deque->top));
    sheaf__spin_unlock(&deque->lock);
    return live <= 0;
}

void sheaf__deque_check(struct sheaf__deque *deque)
{
    uint32_t top = sheaf__load_rlx(&deque->top);
    uint32_t bottom = sheaf__load_rlx(&deque->bottom);
    SHEAF__ASSERT(sheaf__load_rlx(&deque->taken) == top);
    SHEAF__ASSERT((int32_t)(bottom - top) >= 0);
    SHEAF__ASSERT(bottom - top <= capacity_of(deque));
    for (uint32_t i = top; i != bottom; i++) {
        struct sheaf__job *job = entry_at(deque, i);
        SHEAF__ASSERT(!job || (sheaf__load_rlx(&job->where) == deque->index &&
                               sheaf__load_rlx(&job->at.slot) == i));
        (void)job;
    }
}
