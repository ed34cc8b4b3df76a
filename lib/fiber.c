#include "lib/fiber.h"

#include "lib/platform/cpu.h"

/* The part of a stack that a child called on it is sure to find: half, so that code that fits a
 * fresh stack of the same size rarely notices whether it was called or started. */
#define INLINE_SHARE 2U

int sheaf__fibers_init(struct sheaf__fibers *fibers, size_t stack_size)
{
    sheaf__store_rlx(&fibers->lock.held, 0);
    fibers->all = (struct sheaf__list){{NULL, NULL}};
    sheaf__store_rlx(&fibers->count, 0);
    fibers->modes = sheaf__context_get_modes();
    return sheaf__stacks_init(&fibers->stacks, stack_size);
}

void sheaf__fibers_destroy(struct sheaf__fibers *fibers)
{
    sheaf__stacks_destroy(&fibers->stacks);
}

static char *take_stack(struct sheaf__fibers *fibers, size_t wanted, size_t *usable)
{
    if (wanted == 0) {
        *usable = sheaf__stacks_usable(&fibers->stacks);
        return (char *)sheaf__stack_take(&fibers->stacks);
    }
    return (char *)sheaf__stack_map(wanted, usable);
}

static void give_stack(struct sheaf__fibers *fibers, char *low, size_t special)
{
    if (special) {
        sheaf__stack_unmap(low, special);
    } else {
        sheaf__stack_give(&fibers->stacks, low);
    }
}

struct sheaf__fiber *sheaf__fiber_new(struct sheaf_pool *pool, struct sheaf__fibers *fibers,
                                      size_t stack_size, void (*entry)(void *),
                                      void (*resume)(struct sheaf__wait *))
{
    size_t usable = 0;
    char *low = take_stack(fibers, stack_size, &usable);
    if (!low) {
        return NULL;
    }
    size_t room = (usable - sizeof(struct sheaf__fiber)) & ~(size_t)(SHEAF__CACHE_LINE - 1);
    struct sheaf__fiber *fiber = (struct sheaf__fiber *)(void *)(low + room);
    fiber->pool = pool;
    fiber->low = low;
    fiber->special = stack_size ? usable : 0;
    fiber->wait.resume = resume;
    fiber->next_free = NULL;
    fiber->all = (struct sheaf__link){NULL, NULL};
    /* One by one: a late reader of a fiber that lay here before may look at these. */
    sheaf__store_rlx(&fiber->inline_limit, low + room / INLINE_SHARE);
    sheaf__store_rlx(&fiber->wait.word, 0);
    sheaf__store_rlx(&fiber->current, NULL);
    sheaf__store_rlx(&fiber->pinned, NULL);
    sheaf__store_rlx(&fiber->bound_for, NULL);
    sheaf__store_rlx(&fiber->job.flags, SHEAF__JOB_FIBER);
    sheaf__store_rlx(&fiber->job.where, SHEAF__WHERE_NONE);
    sheaf__context_make(&fiber->context, low, room, fibers->modes, entry, fiber);
    sheaf__spin_lock(&fibers->lock);
    sheaf__list_push_back(&fibers->all, &fiber->all);
    sheaf__add_rlx(&fibers->count, 1);
    sheaf__spin_unlock(&fibers->lock);
    return fiber;
}

static void strike_off(struct sheaf__fibers *fibers, struct sheaf__fiber *fiber)
{
    sheaf__spin_lock(&fibers->lock);
    sheaf__link_unlink(&fiber->all);
    sheaf__sub_rlx(&fibers->count, 1);
    sheaf__spin_unlock(&fibers->lock);
}

void sheaf__fiber_destroy(struct sheaf__fibers *fibers, struct sheaf__fiber *fiber)
{
    strike_off(fibers, fiber);
    char *low = fiber->low;
    size_t special = fiber->special;
    sheaf__context_release(&fiber->context);
    give_stack(fibers, low, special);
}

void sheaf__fiber_abandon(struct sheaf__fibers *fibers, struct sheaf__fiber *fiber)
{
    strike_off(fibers, fiber);
    sheaf__context_abandon(&fiber->context);
    if (!fiber->special) {
        sheaf__stack_abandon(&fibers->stacks, fiber->low);
    }
}
