/* Intrusive doubly linked list: O(1) everywhere, no allocation.
 *
 *     struct job { struct sheaf__link link; ... };
 *     struct sheaf__list jobs = {0};
 *
 *     sheaf__list_push_back(&jobs, &job->link);
 *     struct sheaf__link *first = sheaf__list_pop_front(&jobs);
 *     struct job *job = SHEAF__CONTAINER(first, struct job, link);
 *
 * A zeroed list is empty and a zeroed link is in no list: neither needs an initialiser.  A list
 * that has had links in it stays where it is: it is a ring.  No locking: its owner locks. */
#ifndef SHEAF_LIB_LIST_H
#define SHEAF_LIB_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* The struct of that type whose `member` is at `pointer`. */
#define SHEAF__CONTAINER(pointer, type, member)                                                    \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Both NULL when the link is in no list. */
struct sheaf__link {
    struct sheaf__link *next;
    struct sheaf__link *previous;
};

/* A ring through `head`, or all zero when nothing was ever in it. */
struct sheaf__list {
    struct sheaf__link head;
};

/* Visits every link; the body may unlink nothing. */
#define SHEAF__LIST_EACH(link, list)                                                               \
    for (struct sheaf__link *link = sheaf__list_first(list); link != NULL;                         \
         link = sheaf__list_next((list), link))

static inline bool sheaf__list_empty(const struct sheaf__list *list)
{
    return list->head.next == NULL || list->head.next == &list->head;
}

static inline bool sheaf__link_linked(const struct sheaf__link *link)
{
    return link->next != NULL;
}

/* The first link, the last, and the one after `link`; NULL when there is none. */
static inline struct sheaf__link *sheaf__list_first(const struct sheaf__list *list)
{
    return sheaf__list_empty(list) ? NULL : list->head.next;
}

static inline struct sheaf__link *sheaf__list_last(const struct sheaf__list *list)
{
    return sheaf__list_empty(list) ? NULL : list->head.previous;
}

static inline struct sheaf__link *sheaf__list_next(const struct sheaf__list *list,
                                                   const struct sheaf__link *link)
{
    return link->next == &list->head ? NULL : link->next;
}

static inline void sheaf__list_close_ring(struct sheaf__list *list)
{
    if (list->head.next == NULL) {
        list->head.next = &list->head;
        list->head.previous = &list->head;
    }
}

static inline void sheaf__link_join(struct sheaf__link *left, struct sheaf__link *right)
{
    /* The analyzer loses count of the links of a ring and takes one for unlinked. */
    left->next = right; /* NOLINT(clang-analyzer-core.NullDereference) */
    right->previous = left;
}

/* Requires: the link is in no list */
static inline void sheaf__list_push_back(struct sheaf__list *list, struct sheaf__link *link)
{
    sheaf__list_close_ring(list);
    sheaf__link_join(list->head.previous, link);
    sheaf__link_join(link, &list->head);
}

static inline void sheaf__list_push_front(struct sheaf__list *list, struct sheaf__link *link)
{
    sheaf__list_close_ring(list);
    sheaf__link_join(link, list->head.next);
    sheaf__link_join(&list->head, link);
}

/* Takes a link out of whatever list it is in.  Requires: it is in one */
static inline void sheaf__link_unlink(struct sheaf__link *link)
{
    sheaf__link_join(link->previous, link->next);
    link->next = NULL;
    link->previous = NULL;
}

/* Takes the first link out; NULL when the list is empty. */
static inline struct sheaf__link *sheaf__list_pop_front(struct sheaf__list *list)
{
    struct sheaf__link *link = sheaf__list_first(list);
    if (link != NULL) {
        sheaf__link_unlink(link);
    }
    return link;
}

/* Moves all links of `from`, in order, behind those of `to`; `from` is empty afterwards.
 * Requires: two different lists */
static inline void sheaf__list_move_all(struct sheaf__list *from, struct sheaf__list *to)
{
    if (sheaf__list_empty(from)) {
        return;
    }
    sheaf__list_close_ring(to);
    sheaf__link_join(to->head.previous, from->head.next);
    sheaf__link_join(from->head.previous, &to->head);
    sheaf__link_join(&from->head, &from->head);
}

#endif
