#include "lib/region.h"

#include <stddef.h>

#include "lib/alloc.h"

void sheaf__regions_init(struct sheaf__regions *regions)
{
    sheaf__store_rlx(&regions->lock.held, 0);
    regions->free = NULL;
    regions->all = NULL;
}

void sheaf__regions_destroy(struct sheaf__regions *regions)
{
    struct sheaf__region *region = regions->all;
    while (region) {
        struct sheaf__region *sibling = region->sibling;
        sheaf__free(region, SHEAF__REGION_SIZE(region->room));
        region = sibling;
    }
}

void sheaf__region_init(struct sheaf__region *region, uint32_t room)
{
    region->room = room;
    region->forks.top = region->places;
    region->forks.end = region->places + room;
    sheaf__store_rlx(&region->lock.held, 0);
}

static struct sheaf__region *pop_free(struct sheaf__regions *regions)
{
    sheaf__spin_lock(&regions->lock);
    struct sheaf__region *region = regions->free;
    if (region) {
        regions->free = region->next;
    }
    sheaf__spin_unlock(&regions->lock);
    return region;
}

struct sheaf__region *sheaf__region_take(struct sheaf__regions *regions)
{
    struct sheaf__region *region = pop_free(regions);
    if (region) {
        return region;
    }
    region = sheaf__alloc_zeroed(SHEAF__REGION_SIZE(SHEAF_FORKS_MAX));
    if (region) {
        sheaf__region_init(region, SHEAF_FORKS_MAX);
        sheaf__spin_lock(&regions->lock);
        region->sibling = regions->all;
        regions->all = region;
        sheaf__spin_unlock(&regions->lock);
    }
    return region;
}

void sheaf__region_give(struct sheaf__regions *regions, struct sheaf__region *region)
{
    sheaf__spin_lock(&regions->lock);
    region->next = regions->free;
    regions->free = region;
    sheaf__spin_unlock(&regions->lock);
}

void sheaf__region_open(struct sheaf__region *region, sheaf_future *task,
                        SHEAF__ATOMIC(uint32_t) * idle, bool eager)
{
    region->task = task;
    region->eager = eager;
    region->forks.idle = (const uint32_t *)(uintptr_t)idle;
    region->forks.limit = eager ? region->places : region->forks.end;
}

void sheaf__region_make_eager(struct sheaf__region *region)
{
    region->eager = true;
    region->forks.limit = region->places;
}

/* The words that the header's functions use, with the same operations. */
static sheaf_fork *read_top(struct sheaf__region *region)
{
    /* relaxed: changes under the lock. */
    return sheaf__plain_load_rlx(&region->forks.top);
}

static void set_top(struct sheaf__region *region, sheaf_fork *top)
{
    /* release: pairs with the acquire of J2, which spares the owner the lock. */
    sheaf__plain_store_rel(&region->forks.top, top);
}

static sheaf_fork_fn *read_fn(sheaf_fork *place)
{
    /* acquire: pairs with the release of the spawn. */
    return sheaf__plain_load_acq(&place->fn);
}

bool sheaf__region_has_fork(struct sheaf__region *region)
{
    sheaf__spin_lock(&region->lock);
    bool has = read_fn(read_top(region));
    sheaf__spin_unlock(&region->lock);
    return has;
}

sheaf_fork *sheaf__region_begin_take(struct sheaf__region *region, bool owner)
{
    sheaf__spin_lock(&region->lock);
    sheaf_fork *place = read_top(region);
    sheaf_fork_fn *fn = read_fn(place);
    if (fn) {
        set_top(region, place + 1); /* T1 */
        if (!owner) {
            sheaf__fence_heavy();
        }
        fn = read_fn(place); /* T2 */
        if (!fn) {
            set_top(region, place);
        }
    }
    if (!fn) {
        sheaf__spin_unlock(&region->lock);
        return NULL;
    }
    place->taken = fn;
    return place;
}

void sheaf__region_end_take(struct sheaf__region *region, sheaf_fork *place, sheaf_future *task)
{
    place->task = task;
    sheaf__spin_unlock(&region->lock);
}

void sheaf__region_set_taken(struct sheaf__region *region, sheaf_fork *place, sheaf_future *task)
{
    sheaf__spin_lock(&region->lock);
    place->task = task;
    set_top(region, place + 1);
    sheaf__spin_unlock(&region->lock);
}

sheaf_future *sheaf__region_leave_place(struct sheaf__region *region, sheaf_fork *place)
{
    sheaf__spin_lock(&region->lock);
    sheaf_future *task = place->task;
    place->task = NULL;
    /* What lies above is joined; what lies below has been taken as well. */
    set_top(region, place);
    sheaf__spin_unlock(&region->lock);
    return task;
}
