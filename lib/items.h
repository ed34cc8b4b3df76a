/* The items of a queue in the order in which they are to come out: by rank, then by number.
 *
 * A new item nearly always belongs at an end of a list.  One whose number is older, because it was
 * given back or because its putter was slow, goes to a heap, and so do nearly all where ranks
 * differ.  No locking: the queue locks. */
#ifndef SHEAF_LIB_ITEMS_H
#define SHEAF_LIB_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/base.h>

#include "lib/heap.h"
#include "lib/list.h"

struct sheaf__item {
    union {
        struct sheaf__link link;
        struct sheaf__heap_node node;
    } at;
    int64_t rank;
    int64_t number; /* of two of one rank the smaller comes first */
    sheaf_value value;
};

/* Empty when zeroed. */
struct sheaf__items {
    struct sheaf__list list; /* sorted */
    struct sheaf__heap heap;
    size_t size;
    int64_t numbers;   /* given so far */
    bool newest_first; /* const */
};

static inline struct sheaf__item *sheaf__item_of_link(struct sheaf__link *link)
{
    return SHEAF__CONTAINER(link, struct sheaf__item, at.link);
}

static inline struct sheaf__item *sheaf__item_of_node(const struct sheaf__heap_node *node)
{
    return SHEAF__CONTAINER((uintptr_t)node, struct sheaf__item, at.node);
}

static inline bool sheaf__item_before(const struct sheaf__item *a, const struct sheaf__item *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->number < b->number;
}

static inline bool sheaf__item_node_before(const struct sheaf__heap_node *a,
                                           const struct sheaf__heap_node *b)
{
    return sheaf__item_before(sheaf__item_of_node(a), sheaf__item_of_node(b));
}

/* Gives an item its place behind (of newest_first, before) all that have a number. */
static inline void sheaf__items_number(struct sheaf__items *items, struct sheaf__item *item)
{
    items->numbers++;
    item->number = items->newest_first ? -items->numbers : items->numbers;
}

/* Requires: it has a number */
static inline void sheaf__items_insert(struct sheaf__items *items, struct sheaf__item *item)
{
    struct sheaf__link *first = sheaf__list_first(&items->list);
    struct sheaf__link *last = sheaf__list_last(&items->list);
    items->size++;
    if (!last || sheaf__item_before(sheaf__item_of_link(last), item)) {
        sheaf__list_push_back(&items->list, &item->at.link);
    } else if (sheaf__item_before(item, sheaf__item_of_link(first))) {
        sheaf__list_push_front(&items->list, &item->at.link);
    } else {
        sheaf__heap_push(&items->heap, &item->at.node, sheaf__item_node_before);
    }
}

/* Takes the first item out; NULL when there is none. */
static inline struct sheaf__item *sheaf__items_take(struct sheaf__items *items)
{
    struct sheaf__link *link = sheaf__list_first(&items->list);
    struct sheaf__heap_node *node = sheaf__heap_top(&items->heap);
    if (!link && !node) {
        return NULL;
    }
    items->size--;
    if (!node ||
        (link && sheaf__item_before(sheaf__item_of_link(link), sheaf__item_of_node(node)))) {
        sheaf__link_unlink(link);
        return sheaf__item_of_link(link);
    }
    return sheaf__item_of_node(sheaf__heap_pop(&items->heap, sheaf__item_node_before));
}

#endif
