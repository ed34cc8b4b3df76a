/* Intrusive min-heap: a pairing heap, without allocation and without recursion.
 *
 *     struct job { struct sheaf__heap_node node; int rank; };
 *     static bool earlier(const struct sheaf__heap_node *a, const struct sheaf__heap_node *b);
 *
 *     struct sheaf__heap jobs = {0};
 *     sheaf__heap_push(&jobs, &job->node, earlier);
 *     struct sheaf__heap_node *top = sheaf__heap_pop(&jobs, earlier);
 *
 * Push is O(1); pop and remove are O(log n) amortised, and removing a node without children O(1).
 * Equal nodes come out in no particular order: a heap that has to be fair compares a sequence
 * number too.  A zeroed heap is empty.  No locking: its owner locks.
 *
 * After Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap: a new form of self-adjusting heap"
 * (1986), with the two-pass merge. */
#ifndef SHEAF_LIB_HEAP_H
#define SHEAF_LIB_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* A tree: each node has a list of children, none of which comes before it. */
struct sheaf__heap_node {
    struct sheaf__heap_node *child;    /* the first child */
    struct sheaf__heap_node *next;     /* the next sibling */
    struct sheaf__heap_node *previous; /* the previous sibling; of a first child the parent */
};

struct sheaf__heap {
    struct sheaf__heap_node *root; /* NULL when empty */
};

/* Whether a has to come out before b: a strict order.  Passed as a constant, it is inlined. */
typedef bool sheaf__heap_before(const struct sheaf__heap_node *a, const struct sheaf__heap_node *b);

static inline bool sheaf__heap_empty(const struct sheaf__heap *heap)
{
    return heap->root == NULL;
}

/* The node that comes first, still in the heap; NULL when empty. */
static inline struct sheaf__heap_node *sheaf__heap_top(const struct sheaf__heap *heap)
{
    return heap->root;
}

/* Joins two trees, each a root without siblings; returns the root of both. */
static inline struct sheaf__heap_node *
sheaf__heap_link(struct sheaf__heap_node *a, struct sheaf__heap_node *b, sheaf__heap_before *before)
{
    struct sheaf__heap_node *parent = before(b, a) ? b : a;
    struct sheaf__heap_node *child = parent == a ? b : a;
    child->previous = parent;
    child->next = parent->child;
    if (child->next != NULL) {
        child->next->previous = child;
    }
    parent->child = child;
    return parent;
}

/* Joins a list of siblings into one tree: neighbours in pairs from left to right, then the pairs
 * from right to left, which is what makes the bound hold.  Returns: its root, NULL for no list. */
static inline struct sheaf__heap_node *sheaf__heap_merge(struct sheaf__heap_node *siblings,
                                                         sheaf__heap_before *before)
{
    struct sheaf__heap_node *pairs = NULL; /* the last one first, linked by `next` */
    while (siblings != NULL) {
        struct sheaf__heap_node *pair = siblings;
        struct sheaf__heap_node *second = siblings->next;
        siblings = second != NULL ? second->next : NULL;
        if (second != NULL) {
            pair = sheaf__heap_link(pair, second, before);
        }
        pair->next = pairs;
        pairs = pair;
    }
    struct sheaf__heap_node *root = pairs;
    if (root != NULL) {
        pairs = root->next;
    }
    while (pairs != NULL) {
        struct sheaf__heap_node *pair = pairs;
        pairs = pair->next;
        root = sheaf__heap_link(root, pair, before);
    }
    return root;
}

static inline void sheaf__heap_set_root(struct sheaf__heap *heap, struct sheaf__heap_node *root)
{
    heap->root = root;
    if (root != NULL) {
        root->next = NULL;
        root->previous = NULL;
    }
}

/* Requires: the node is in no heap */
static inline void sheaf__heap_push(struct sheaf__heap *heap, struct sheaf__heap_node *node,
                                    sheaf__heap_before *before)
{
    node->child = NULL;
    sheaf__heap_set_root(heap,
                         heap->root == NULL ? node : sheaf__heap_link(heap->root, node, before));
}

/* Takes the first node out; NULL when empty. */
static inline struct sheaf__heap_node *sheaf__heap_pop(struct sheaf__heap *heap,
                                                       sheaf__heap_before *before)
{
    struct sheaf__heap_node *top = heap->root;
    if (top != NULL) {
        sheaf__heap_set_root(heap, sheaf__heap_merge(top->child, before));
    }
    return top;
}

/* Takes a child and its subtree away from its parent and siblings. */
static inline void sheaf__heap_cut(struct sheaf__heap_node *node)
{
    if (node->previous->child == node) {
        node->previous->child = node->next;
    } else {
        node->previous->next = node->next;
    }
    if (node->next != NULL) {
        node->next->previous = node->previous;
    }
}

/* Takes any node out.  Requires: it is in this heap */
static inline void sheaf__heap_remove(struct sheaf__heap *heap, struct sheaf__heap_node *node,
                                      sheaf__heap_before *before)
{
    if (node == heap->root) {
        (void)sheaf__heap_pop(heap, before);
        return;
    }
    sheaf__heap_cut(node);
    struct sheaf__heap_node *orphans = sheaf__heap_merge(node->child, before);
    if (orphans != NULL) {
        sheaf__heap_set_root(heap, sheaf__heap_link(heap->root, orphans, before));
    }
}

/* ---------------------------------------------------------------- looking at all nodes */

/* The node after `node` in a walk from the top that meets every node once; NULL after the last. */
static inline struct sheaf__heap_node *sheaf__heap_walk(const struct sheaf__heap_node *node)
{
    if (node->child != NULL) {
        return node->child;
    }
    while (node->next == NULL) {
        /* To the first of the siblings, whose previous node is the parent. */
        while (node->previous != NULL && node->previous->child != node) {
            node = node->previous;
        }
        if (node->previous == NULL) {
            return NULL;
        }
        node = node->previous;
    }
    return node->next;
}

/* Whether the children of one node are linked and none comes before it. */
static inline bool sheaf__heap_check_children(const struct sheaf__heap_node *node,
                                              sheaf__heap_before *before)
{
    const struct sheaf__heap_node *previous = node;
    for (const struct sheaf__heap_node *child = node->child; child != NULL; child = child->next) {
        if (child->previous != previous || before(child, node)) {
            return false;
        }
        previous = child;
    }
    return true;
}

/* Whether the whole heap is in order. */
static inline bool sheaf__heap_check(const struct sheaf__heap *heap, sheaf__heap_before *before)
{
    const struct sheaf__heap_node *node = heap->root;
    if (node != NULL && (node->next != NULL || node->previous != NULL)) {
        return false;
    }
    for (; node != NULL; node = sheaf__heap_walk(node)) {
        if (!sheaf__heap_check_children(node, before)) {
            return false;
        }
    }
    return true;
}

#endif
