/* Bringing a range together, and scans.
 *
 * A reduction is a binary tree over pieces whose shape depends on the length of the range and the
 * grain alone; lazy splitting (parallel.c) would group the indices as time has it.  So the leaves
 * are as many as the splits can be, and each costs a spawn and a join: PIECES_MAX bounds what that
 * comes to.
 *
 * A scan has fewer pieces, since each needs an accumulator at the same time. */
#include <sheaf/parallel.h>

#include <stdalign.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/loop.h"

#define PIECES_MAX 4096U
#define SCAN_PIECES_MAX 256U

/* Room for an accumulator in a frame, if it is small. */
#define ROOM_SIZE 128U

static bool is_complete(const sheaf_reduction *reduction)
{
    return reduction && reduction->size > 0 && reduction->size <= SHEAF_ACCUMULATOR_MAX &&
           reduction->fold && reduction->combine;
}

static void make_neutral(const sheaf_reduction *reduction, void *context, void *accumulator)
{
    if (reduction->init) {
        reduction->init(context, accumulator);
    } else {
        memset(accumulator, 0, reduction->size);
    }
}

static void drop(const sheaf_reduction *reduction, void *context, void *accumulator)
{
    if (reduction->drop) {
        reduction->drop(context, accumulator);
    }
}

/* The length of a piece when there may be so many. */
static size_t piece_of(const struct sheaf__loop *loop, size_t pieces)
{
    size_t count = loop->end - loop->begin;
    return loop->options.grain ? loop->options.grain : count / pieces + (count % pieces != 0);
}

/* ---------------------------------------------------------------- reduce */

struct tree {
    struct sheaf__loop loop;
    const sheaf_reduction *reduction;
    void *context;
    size_t piece;
    void *result;
};

struct node {
    struct tree *tree;
    size_t begin;
    size_t end;
    void *accumulator;
    bool full; /* something is in the accumulator that has to be used up or dropped */
};

struct room {
    alignas(max_align_t) unsigned char small[ROOM_SIZE];
    void *accumulator;
};

/* Returns: whether there is room; else the loop has failed at that index */
static bool take_room(struct room *room, struct tree *tree, size_t at)
{
    bool fits = tree->reduction->size <= ROOM_SIZE;
    room->accumulator = fits ? room->small : sheaf__alloc(tree->reduction->size);
    if (!room->accumulator) {
        sheaf__loop_fail(&tree->loop, at, SHEAF_NOMEM);
    }
    return room->accumulator != NULL;
}

static void leave_room(struct room *room, const struct tree *tree)
{
    if (room->accumulator != room->small) {
        sheaf__free(room->accumulator, tree->reduction->size);
    }
}

static void fold_leaf(struct node *node)
{
    struct tree *tree = node->tree;
    make_neutral(tree->reduction, tree->context, node->accumulator);
    node->full = true;
    if (node->begin == node->end || !sheaf__loop_goes_on(&tree->loop, node->begin)) {
        return;
    }
    int status = tree->reduction->fold(tree->context, node->begin, node->end, node->accumulator);
    if (status == SHEAF_OK) {
        sheaf__loop_finished(&tree->loop, node->begin, node->end, 0);
    } else {
        sheaf__loop_fail(&tree->loop, node->begin, status);
    }
}

static void run_node(void *arg);

static void bring_together(struct node *left, struct node *right)
{
    struct tree *tree = left->tree;
    if (sheaf__loop_stopped(&tree->loop)) {
        if (right->full) {
            drop(tree->reduction, tree->context, right->accumulator);
        }
    } else {
        tree->reduction->combine(tree->context, left->accumulator, right->accumulator);
    }
}

/* The left half goes into the node's own accumulator. */
static void divide(struct node *node)
{
    struct tree *tree = node->tree;
    struct sheaf__half half;
    struct room room;
    size_t pieces = (node->end - node->begin - 1) / tree->piece + 1;
    size_t middle = node->begin + pieces / 2 * tree->piece;
    if (!take_room(&room, tree, middle)) {
        return;
    }
    struct node right = {tree, middle, node->end, room.accumulator, false};
    node->end = middle;
    sheaf__half_spawn(&half, &tree->loop, run_node, &right, middle);
    run_node(node);
    sheaf__half_join(&half);
    bring_together(node, &right);
    leave_room(&room, tree);
}

static void run_node(void *arg)
{
    struct node *node = arg;
    if (node->end - node->begin > node->tree->piece) {
        divide(node);
    } else {
        fold_leaf(node);
    }
}

static void run_tree(void *context)
{
    struct tree *tree = context;
    struct room room;
    if (!take_room(&room, tree, tree->loop.begin)) {
        return;
    }
    struct node root = {tree, tree->loop.begin, tree->loop.end, room.accumulator, false};
    run_node(&root);
    if (!sheaf__loop_stopped(&tree->loop)) {
        memcpy(tree->result, root.accumulator, tree->reduction->size);
    } else if (root.full) {
        drop(tree->reduction, tree->context, root.accumulator);
    }
    leave_room(&room, tree);
}

int sheaf_reduce(const sheaf_loop_options *options, size_t begin, size_t end,
                 const sheaf_reduction *reduction, void *context, void *result)
{
    struct tree tree = {.reduction = reduction, .context = context, .result = result};
    SHEAF_TRY(sheaf__loop_init(&tree.loop, options, begin, end));
    if (!is_complete(reduction) || !result || tree.loop.options.flags || tree.loop.options.limit) {
        return SHEAF_INVALID;
    }
    tree.piece = piece_of(&tree.loop, PIECES_MAX);
    return sheaf__loop_run(&tree.loop, run_tree, &tree);
}

/* ---------------------------------------------------------------- scan */

struct scan {
    struct sheaf__loop loop;
    const sheaf_reduction *reduction;
    sheaf_copy_fn *copy;
    sheaf_scan_fn *last;
    void *context;
    size_t piece;
    size_t pieces;
    size_t stride; /* from one accumulator to the next */
    unsigned char *accumulators;
};

static void *accumulator_of(const struct scan *scan, size_t index)
{
    return scan->accumulators + index * scan->stride;
}

static size_t begin_of(const struct scan *scan, size_t index)
{
    return scan->loop.begin + index * scan->piece;
}

static size_t end_of(const struct scan *scan, size_t index)
{
    return index + 1 < scan->pieces ? begin_of(scan, index + 1) : scan->loop.end;
}

static int fold_pieces(void *context, size_t first, size_t last)
{
    struct scan *scan = context;
    for (size_t i = first; i < last; i++) {
        SHEAF_TRY(scan->reduction->fold(scan->context, begin_of(scan, i), end_of(scan, i),
                                        accumulator_of(scan, i)));
    }
    return SHEAF_OK;
}

static int look_at_pieces(void *context, size_t first, size_t last)
{
    struct scan *scan = context;
    for (size_t i = first; i < last; i++) {
        size_t begin = begin_of(scan, i), end = end_of(scan, i);
        SHEAF_TRY(scan->last(scan->context, begin, end, accumulator_of(scan, i)));
        sheaf__loop_finished(&scan->loop, begin, end, 0);
    }
    return SHEAF_OK;
}

/* Replaces what each piece comes to by what all before it come to.  The place behind the last one
 * holds the sum so far, the one behind that what is exchanged. */
static void sum_up(struct scan *scan)
{
    void *sum = accumulator_of(scan, scan->pieces), *piece = accumulator_of(scan, scan->pieces + 1);
    for (size_t i = 0; i < scan->pieces; i++) {
        void *here = accumulator_of(scan, i);
        memcpy(piece, here, scan->reduction->size);
        if (scan->copy) {
            scan->copy(scan->context, here, sum);
        } else {
            memcpy(here, sum, scan->reduction->size);
        }
        scan->reduction->combine(scan->context, sum, piece);
    }
}

/* The last piece need not be folded: nothing comes after it. */
static int scan_pieces(struct scan *scan)
{
    SHEAF_TRY(sheaf_for(NULL, 0, scan->pieces - 1, fold_pieces, scan));
    sum_up(scan);
    return sheaf_for(NULL, 0, scan->pieces, look_at_pieces, scan);
}

static void run_scan(void *context)
{
    struct scan *scan = context;
    for (size_t i = 0; i <= scan->pieces; i++) {
        make_neutral(scan->reduction, scan->context, accumulator_of(scan, i));
    }
    int status = scan->pieces > 0 ? scan_pieces(scan) : SHEAF_OK;
    if (status != SHEAF_OK) {
        sheaf__loop_fail(&scan->loop, scan->loop.begin, status);
    }
    for (size_t i = 0; i <= scan->pieces; i++) {
        drop(scan->reduction, scan->context, accumulator_of(scan, i));
    }
}

/* Accumulators one behind the other, each aligned. */
static int take_accumulators(struct scan *scan, size_t *bytes)
{
    size_t align = alignof(max_align_t), places;
    scan->stride = (scan->reduction->size + align - 1) / align * align;
    if (!sheaf__size_add(scan->pieces, 2, &places) ||
        !sheaf__size_multiply(places, scan->stride, bytes)) {
        return SHEAF_NOMEM;
    }
    scan->accumulators = sheaf__alloc(*bytes);
    return scan->accumulators ? SHEAF_OK : SHEAF_NOMEM;
}

int sheaf_scan(const sheaf_loop_options *options, size_t begin, size_t end,
               const sheaf_reduction *reduction, sheaf_copy_fn *copy, sheaf_scan_fn *last,
               void *context)
{
    struct scan scan = {.reduction = reduction, .copy = copy, .last = last, .context = context};
    size_t bytes;
    SHEAF_TRY(sheaf__loop_init(&scan.loop, options, begin, end));
    if (!is_complete(reduction) || !last || scan.loop.options.flags || scan.loop.options.limit) {
        return SHEAF_INVALID;
    }
    size_t count = end - begin;
    scan.piece = piece_of(&scan.loop, SCAN_PIECES_MAX);
    scan.pieces = count > 0 ? (count - 1) / scan.piece + 1 : 0;
    SHEAF_TRY(take_accumulators(&scan, &bytes));
    int status = sheaf__loop_run(&scan.loop, run_scan, &scan);
    sheaf__free(scan.accumulators, bytes);
    return status;
}
