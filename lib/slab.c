#include "lib/slab.h"

#include "lib/alloc.h"
#include "lib/error_impl.h"

_Static_assert(sizeof(struct sheaf__record) == SHEAF__RECORD_SIZE, "a record is one line");
_Static_assert(sizeof(struct sheaf__slab) == SHEAF__RECORD_SIZE, "records stay aligned");

void sheaf__depot_init(struct sheaf__depot *depot, void (*empty)(struct sheaf__depot *depot))
{
    *depot = (struct sheaf__depot){.empty = empty};
}

void sheaf__depot_retire(struct sheaf__depot *depot)
{
    sheaf__spin_lock(&depot->lock);
    depot->retired = true;
    bool empty = depot->home == depot->cut;
    sheaf__spin_unlock(&depot->lock);
    if (empty) {
        depot->empty(depot);
    }
}

void sheaf__depot_destroy(struct sheaf__depot *depot)
{
    while (depot->slabs) {
        struct sheaf__slab *slab = depot->slabs;
        depot->slabs = slab->next;
        sheaf__free(slab, SHEAF__SLAB_SIZE);
    }
}

/* Requires: the lock is held; it is let go during the allocation */
static bool add_slab(struct sheaf__depot *depot)
{
    sheaf__spin_unlock(&depot->lock);
    struct sheaf__slab *slab =
        (struct sheaf__slab *)sheaf__alloc_aligned(SHEAF__SLAB_SIZE, SHEAF__SLAB_SIZE);
    sheaf__spin_lock(&depot->lock);
    if (!slab) {
        return false;
    }
    slab->depot = depot;
    slab->next = depot->slabs;
    depot->slabs = slab;
    /* What another thread left uncut meanwhile is cut into loose records. */
    while (depot->uncut != depot->uncut_end) {
        struct sheaf__record *record = (struct sheaf__record *)(void *)depot->uncut;
        depot->uncut += SHEAF__RECORD_SIZE;
        depot->cut++;
        depot->home++;
        record->next = depot->loose;
        depot->loose = record;
        depot->loose_count++;
    }
    depot->uncut = (char *)slab + sizeof *slab;
    depot->uncut_end = (char *)slab + SHEAF__SLAB_SIZE;
    return true;
}

/* Requires: the lock is held.  Returns: a record that leaves the depot, or NULL */
static struct sheaf__record *take_one(struct sheaf__depot *depot)
{
    struct sheaf__record *record = depot->loose;
    if (!record && depot->batches) {
        record = depot->batches;
        depot->batches = record->next_batch;
        depot->loose_count = SHEAF__BATCH;
    }
    if (record) {
        depot->loose = record->next;
        depot->loose_count--;
        depot->home--;
        return record;
    }
    if (depot->uncut == depot->uncut_end && !add_slab(depot)) {
        return depot->loose || depot->batches ? take_one(depot) : NULL;
    }
    record = (struct sheaf__record *)(void *)depot->uncut;
    depot->uncut += SHEAF__RECORD_SIZE;
    depot->cut++;
    return record;
}

void *sheaf__depot_take(struct sheaf__depot *depot)
{
    sheaf__spin_lock(&depot->lock);
    struct sheaf__record *record = take_one(depot);
    sheaf__spin_unlock(&depot->lock);
    return record;
}

/* Requires: the lock is held.  Loose records become a batch when there are enough. */
static void put_one(struct sheaf__depot *depot, struct sheaf__record *record)
{
    record->next = depot->loose;
    depot->loose = record;
    depot->loose_count++;
    depot->home++;
    if (depot->loose_count == SHEAF__BATCH) {
        record->next_batch = depot->batches;
        depot->batches = record;
        depot->loose = NULL;
        depot->loose_count = 0;
    }
}

void sheaf__depot_give(struct sheaf__depot *depot, void *record)
{
    sheaf__spin_lock(&depot->lock);
    put_one(depot, (struct sheaf__record *)record);
    bool empty = depot->retired && depot->home == depot->cut;
    sheaf__spin_unlock(&depot->lock);
    if (empty) {
        depot->empty(depot);
    }
}

void *sheaf__cache_refill(struct sheaf__cache *cache, struct sheaf__depot *depot)
{
    sheaf__spin_lock(&depot->lock);
    struct sheaf__record *batch = depot->batches;
    if (batch) {
        depot->batches = batch->next_batch;
        depot->home -= SHEAF__BATCH;
        sheaf__spin_unlock(&depot->lock);
        sheaf__store_rel(&cache->head, batch->next);
        sheaf__store_rlx(&cache->count, SHEAF__BATCH - 1);
        return batch;
    }
    struct sheaf__record *first = take_one(depot);
    uint32_t count = 0;
    /* Only what is cut already or lies uncut: a refill asks for at most one slab. */
    while (first && count < SHEAF__BATCH - 1 &&
           (depot->loose || depot->uncut != depot->uncut_end)) {
        struct sheaf__record *record = take_one(depot);
        record->next = sheaf__load_rlx(&cache->head);
        sheaf__store_rlx(&cache->head, record);
        count++;
    }
    sheaf__spin_unlock(&depot->lock);
    sheaf__store_rel(&cache->head, sheaf__load_rlx(&cache->head));
    sheaf__store_rlx(&cache->count, count);
    return first;
}

void sheaf__cache_spill(struct sheaf__cache *cache, struct sheaf__depot *depot)
{
    struct sheaf__record *batch = sheaf__load_acq(&cache->head);
    struct sheaf__record *last = batch;
    for (unsigned i = 1; i < SHEAF__BATCH; i++) {
        last = last->next;
    }
    sheaf__store_rel(&cache->head, last->next);
    sheaf__store_rlx(&cache->count, sheaf__load_rlx(&cache->count) - SHEAF__BATCH);
    last->next = NULL;
    sheaf__spin_lock(&depot->lock);
    batch->next_batch = depot->batches;
    depot->batches = batch;
    depot->home += SHEAF__BATCH;
    sheaf__spin_unlock(&depot->lock);
}

void sheaf__cache_flush(struct sheaf__cache *cache, struct sheaf__depot *depot)
{
    struct sheaf__record *record = sheaf__load_acq(&cache->head);
    sheaf__store_rel(&cache->head, NULL);
    sheaf__store_rlx(&cache->count, 0);
    sheaf__spin_lock(&depot->lock);
    while (record) {
        struct sheaf__record *next = record->next;
        put_one(depot, record);
        record = next;
    }
    sheaf__spin_unlock(&depot->lock);
}
