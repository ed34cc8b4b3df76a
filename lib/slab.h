/* The memory of futures: records of one cache line, cut from slabs, kept in caches.
 *
 * Each worker has a cache of its own, last in first out, that nobody else touches; caches exchange
 * batches with the pool's depot, which is under a lock.  A plain thread goes to the depot.
 *
 * A record's slab is found by masking its address, and names the depot that it came from: futures
 * are released anywhere, also after their pool has closed.  Slabs go back to the allocator when the
 * depot has been retired and the last record has come back; until then a record's memory stays a
 * record's memory, so that the inspector may look at one that was freed meanwhile. */
#ifndef SHEAF_LIB_SLAB_H
#define SHEAF_LIB_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/atomics.h"
#include "lib/spin.h"

#define SHEAF__RECORD_SIZE 64U
#define SHEAF__SLAB_SIZE ((size_t)64 * 1024)

/* A free record: the links lie where a job's links lie, never in its state words, which a late
 * inspector may still mark. */
struct sheaf__record {
    uint64_t state_words[2];
    struct sheaf__record *next;       /* in a cache or a batch */
    struct sheaf__record *next_batch; /* of the first record of a batch in the depot */
    uint64_t rest[4];
};

struct sheaf__depot {
    struct sheaf__spin lock; /* rank 7: guards everything below */
    struct sheaf__record *batches;
    struct sheaf__record *loose; /* records given back by plain threads */
    size_t loose_count;
    struct sheaf__slab *slabs;
    char *uncut; /* what is left of the newest slab */
    char *uncut_end;
    size_t cut;  /* records ever made */
    size_t home; /* records that are in the depot now */
    bool retired;
    void (*empty)(struct sheaf__depot *depot); /* called once, retired and all records home */
};

/* Owner-only; atomic because several fibers of one worker use it, which a race detector sees as
 * threads.  The release and acquire order a record's two lives for it. */
struct sheaf__cache {
    SHEAF__ATOMIC(struct sheaf__record *) head;
    SHEAF__ATOMIC(uint32_t) count;
};

void sheaf__depot_init(struct sheaf__depot *depot, void (*empty)(struct sheaf__depot *depot));

/* No record is taken any more.  Calls `empty`, here or when the last record comes home. */
void sheaf__depot_retire(struct sheaf__depot *depot);

/* Frees the slabs.  Requires: all records are home */
void sheaf__depot_destroy(struct sheaf__depot *depot);

/* The head of a slab takes the place of one record. */
struct sheaf__slab {
    struct sheaf__depot *depot; /* const */
    struct sheaf__slab *next;   /* guarded by the depot's lock */
    uint64_t spare[6];
};

static inline struct sheaf__slab *sheaf__slab_of(const void *record)
{
    uintptr_t address = (uintptr_t)record & ~(uintptr_t)(SHEAF__SLAB_SIZE - 1);
    return (struct sheaf__slab *)address;
}

/* The depot that a record came from. */
static inline struct sheaf__depot *sheaf__record_depot(const void *record)
{
    return sheaf__slab_of(record)->depot;
}

/* Takes a record, or gives one back, under the lock: for plain threads. */
void *sheaf__depot_take(struct sheaf__depot *depot);
void sheaf__depot_give(struct sheaf__depot *depot, void *record);

/* Slow paths of the cache. */
void *sheaf__cache_refill(struct sheaf__cache *cache, struct sheaf__depot *depot);
void sheaf__cache_spill(struct sheaf__cache *cache, struct sheaf__depot *depot);

/* Everything goes back to the depot: when a worker ends. */
void sheaf__cache_flush(struct sheaf__cache *cache, struct sheaf__depot *depot);

#define SHEAF__BATCH 64U

/* Owner: takes a record if one lies there.  Contents: unspecified. */
static inline void *sheaf__cache_pop(struct sheaf__cache *cache)
{
    struct sheaf__record *record = sheaf__load_acq(&cache->head);
    if (record) {
        sheaf__store_rel(&cache->head, record->next);
        sheaf__store_rlx(&cache->count, sheaf__load_rlx(&cache->count) - 1);
    }
    return record;
}

/* Owner: takes a record; NULL for want of memory. */
static inline void *sheaf__cache_take(struct sheaf__cache *cache, struct sheaf__depot *depot)
{
    void *record = sheaf__cache_pop(cache);
    return record ? record : sheaf__cache_refill(cache, depot);
}

/* Owner: gives back a record of this depot. */
static inline void sheaf__cache_give(struct sheaf__cache *cache, struct sheaf__depot *depot,
                                     void *given)
{
    struct sheaf__record *record = (struct sheaf__record *)given;
    record->next = sheaf__load_acq(&cache->head);
    sheaf__store_rel(&cache->head, record);
    uint32_t count = sheaf__load_rlx(&cache->count) + 1;
    sheaf__store_rlx(&cache->count, count);
    if (count > 2 * SHEAF__BATCH) {
        sheaf__cache_spill(cache, depot);
    }
}

#endif
