/* Looking at what tasks do and whom they wait for.
 *
 * Without locks that the program could hold.  What is taken here and in lib/inspect.c are the
 * library's own: the mutex of inspections, the spin locks of queues, of the registry of fibers and
 * of aggregates, and the LOCK of each task, one after the other.  No code of the program runs under
 * any of them, but for a replaced allocator, which calls nothing of sheaf; none is held over a
 * suspension or over anything that blocks, so whoever holds one lets it go by itself, whatever the
 * program's tasks and threads are stuck in: a mutex of sheaf's or of pthreads, an endless loop, a
 * read().  A worker that computes holds none.  Memory comes from the allocator, whose lock the C
 * library treats in the same way.
 *
 * Who waits for whom is read from the waiting side.  Under the LOCK of a task that says that it
 * waits, it does not go on (A4 in lib/await.c), and so keeps alive what it waits for. */
#include "lib/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/alloc.h"

/* ---------------------------------------------------------------- edges */

/* Gathers of gathers: nobody nests them deeper by hand. */
#define NESTING_MAX 8

/* Notes the tasks behind a future that is waited for.  It is held, and with it its members. */
static void note_edges(struct sheaf__snapshot *snapshot, sheaf_future *future, int nesting)
{
    struct sheaf__composed *composed = sheaf__future_composed(future);
    if (sheaf__future_done(future) || nesting > NESTING_MAX) {
        return;
    }
    if (sheaf__future_is_task(future)) {
        if (snapshot->edge_count < snapshot->edge_room) {
            snapshot->edges[snapshot->edge_count] = future;
        }
        snapshot->edge_count++;
        return;
    }
    if (composed && composed->ops->member) {
        sheaf_future *member;
        for (size_t i = 0; (member = composed->ops->member(composed, i)) != NULL; i++) {
            note_edges(snapshot, member, nesting + 1);
        }
    } else if (composed && composed->ops->origin) {
        note_edges(snapshot, composed->ops->origin(composed), nesting + 1);
    }
}

static void note_wanted(void *context, sheaf_future *future)
{
    note_edges(context, future, 0);
}

/* ---------------------------------------------------------------- one task */

static const char *state_text(const sheaf_future *task)
{
    if (sheaf__future_done(task)) {
        return "done";
    }
    switch (sheaf__load_acq(&task->job.state)) {
    case SHEAF__QUEUED:
        return "not started";
    case SHEAF__RUNNING:
        return sheaf__load_acq(&task->job.up.awaiting) ? "suspended" : "running";
    default:
        return "ending";
    }
}

/* What a running task waits for; 0: nothing.  Requires: LOCK */
static uintptr_t read_awaiting(sheaf_future *task)
{
    bool running = sheaf__load_acq(&task->job.state) == SHEAF__RUNNING;
    if (!running || sheaf__future_done(task) || !sheaf__future_is_task(task)) {
        return 0;
    }
    uintptr_t awaiting = sheaf__load_seq(&task->job.up.awaiting);
    if (awaiting && (awaiting & SHEAF__AWAITING_TAG) == SHEAF__AWAITING_CALLED) {
        /* The task's fence is the light one: what was read may be over by now (C2). */
        sheaf__fence_heavy();
        awaiting = sheaf__load_seq(&task->job.up.awaiting);
    }
    return awaiting;
}

/* snapshot: receives the edges; may be NULL.  Requires: LOCK */
static void look_at_wait(struct sheaf__row *row, struct sheaf__wait *wait,
                         struct sheaf__snapshot *snapshot)
{
    row->what = sheaf__load_rlx(&wait->what);
    struct sheaf__wanted *wanted = sheaf__load_rlx(&wait->wanted);
    if (snapshot && wanted && wanted->visit) {
        wanted->visit(wanted, note_wanted, snapshot);
    }
}

/* Requires: LOCK */
static void look_locked(struct sheaf__row *row, sheaf_future *task,
                        struct sheaf__snapshot *snapshot)
{
    uintptr_t awaiting = read_awaiting(task);
    uintptr_t awaited = awaiting & ~(uintptr_t)SHEAF__AWAITING_TAG;
    uintptr_t tag = awaiting & SHEAF__AWAITING_TAG;
    struct sheaf__extra *extra = sheaf__future_extra(task);
    row->state = state_text(task);
    row->asked = sheaf__load_rlx(&task->job.word) & SHEAF__WORD_CANCEL;
    row->masked = sheaf__future_is_task(task) && (sheaf__future_flags(task) & SHEAF__JOB_MASKED);
    row->checkpoint = extra ? sheaf__load_rlx(&extra->checkpoint) : NULL;
    if (!awaited) {
        return;
    }
    sheaf_pool *pool = sheaf__future_pool(task);
    int64_t since = extra && tag != SHEAF__AWAITING_CALLED ? sheaf__load_rlx(&extra->since) : 0;
    if (since > 0 && pool && (pool->flags & SHEAF_POOL_WATCH)) {
        row->waited = sheaf__timekeeper_now(&pool->keeper) - (since - 1);
    }
    if (tag == SHEAF__AWAITING_WAIT) {
        look_at_wait(row, (struct sheaf__wait *)awaited, snapshot);
    } else {
        row->awaited = (sheaf_future *)awaited;
        sheaf__future_hold(row->awaited);
    }
}

static void look(struct sheaf__row *row, sheaf_future *task, struct sheaf__snapshot *snapshot)
{
    *row = (struct sheaf__row){.task = task, .waited = -1, .worker = -1};
    row->parent = row->child = row->last_child = row->sibling = SHEAF__NO_ROW;
    row->first_edge = snapshot ? snapshot->edge_count : 0;
    sheaf__future_lock(task);
    look_locked(row, task, snapshot);
    sheaf__future_unlock(task);
    if (row->awaited && snapshot) {
        note_edges(snapshot, row->awaited, 0);
    }
    row->edges = snapshot ? snapshot->edge_count - row->first_edge : 0;
}

void sheaf__row_look(struct sheaf__row *row, sheaf_future *task)
{
    look(row, task, NULL);
}

void sheaf__row_drop(struct sheaf__row *row)
{
    if (row->awaited) {
        sheaf__future_unhold(row->awaited);
        row->awaited = NULL;
    }
}

/* ---------------------------------------------------------------- all tasks */

#define EDGES_AT_FIRST 64U

/* Returns: false for want of memory */
static bool widen_edges(struct sheaf__snapshot *snapshot)
{
    size_t room = snapshot->edge_count < EDGES_AT_FIRST ? EDGES_AT_FIRST : snapshot->edge_count * 2;
    const sheaf_future **edges = sheaf__alloc_array(room, sizeof *edges);
    if (!edges) {
        return false;
    }
    for (size_t i = 0; i < snapshot->edge_room; i++) {
        edges[i] = snapshot->edges[i];
    }
    sheaf__free_array(snapshot->edges, snapshot->edge_room, sizeof *edges);
    snapshot->edges = edges;
    snapshot->edge_room = room;
    return true;
}

/* Looks again when there was no room for the edges. */
static void fill_row(struct sheaf__snapshot *snapshot, size_t i)
{
    struct sheaf__row *row = &snapshot->rows[i];
    look(row, snapshot->list.tasks[i], snapshot);
    while (snapshot->edge_count > snapshot->edge_room) {
        bool wider = widen_edges(snapshot);
        snapshot->edge_count = row->first_edge;
        if (!wider) {
            row->edges = 0;
            snapshot->complete = false;
            return;
        }
        sheaf__row_drop(row);
        look(row, snapshot->list.tasks[i], snapshot);
    }
}

static int by_address(const void *a, const void *b)
{
    const struct sheaf__address *left = a;
    const struct sheaf__address *right = b;
    uintptr_t one = (uintptr_t)left->task;
    uintptr_t other = (uintptr_t)right->task;
    return (one > other) - (one < other);
}

size_t sheaf__snapshot_find(const struct sheaf__snapshot *snapshot, const sheaf_future *task)
{
    struct sheaf__address key = {.task = task};
    const struct sheaf__address *found = bsearch(&key, snapshot->addresses, snapshot->list.count,
                                                 sizeof *snapshot->addresses, by_address);
    return found ? found->row : SHEAF__NO_ROW;
}

static void choose_parents(struct sheaf__snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->list.count; i++) {
        const struct sheaf__row *row = &snapshot->rows[i];
        for (size_t k = 0; k < row->edges; k++) {
            size_t to = sheaf__snapshot_find(snapshot, snapshot->edges[row->first_edge + k]);
            if (to != SHEAF__NO_ROW && to != i && snapshot->rows[to].parent == SHEAF__NO_ROW) {
                snapshot->rows[to].parent = i;
            }
        }
    }
}

/* Tasks that wait for each other, until a limit for instance: one of them stands on top. */
static void break_circles(struct sheaf__snapshot *snapshot)
{
    struct sheaf__row *rows = snapshot->rows;
    for (size_t i = 0; i < snapshot->list.count; i++) {
        size_t at = i;
        size_t before = SHEAF__NO_ROW;
        while (at != SHEAF__NO_ROW && rows[at].mark == 0) {
            rows[at].mark = i + 1;
            before = at;
            at = rows[at].parent;
        }
        if (at != SHEAF__NO_ROW && rows[at].mark == i + 1) {
            rows[before].parent = SHEAF__NO_ROW;
        }
    }
}

static void link_children(struct sheaf__snapshot *snapshot)
{
    struct sheaf__row *rows = snapshot->rows;
    for (size_t i = 0; i < snapshot->list.count; i++) {
        if (rows[i].parent == SHEAF__NO_ROW) {
            continue;
        }
        struct sheaf__row *parent = &rows[rows[i].parent];
        if (parent->child == SHEAF__NO_ROW) {
            parent->child = i;
        } else {
            rows[parent->last_child].sibling = i;
        }
        parent->last_child = i;
    }
}

/* relaxed: what was true at some instant. */
static void note_workers(struct sheaf__snapshot *snapshot, sheaf_pool *pool)
{
    unsigned seated = sheaf__load_rlx(&pool->seated);
    for (unsigned i = 0; i < seated; i++) {
        const sheaf_future *current = sheaf__load_rlx(&pool->workers[i].current);
        size_t row = current ? sheaf__snapshot_find(snapshot, current) : SHEAF__NO_ROW;
        if (row != SHEAF__NO_ROW) {
            snapshot->rows[row].worker = (int)i;
        }
    }
}

static void draw_tree(struct sheaf__snapshot *snapshot, sheaf_pool *pool)
{
    size_t count = snapshot->list.count;
    for (size_t i = 0; i < count; i++) {
        snapshot->addresses[i] = (struct sheaf__address){snapshot->list.tasks[i], i};
        fill_row(snapshot, i);
    }
    qsort(snapshot->addresses, count, sizeof *snapshot->addresses, by_address);
    note_workers(snapshot, pool);
    choose_parents(snapshot);
    break_circles(snapshot);
    link_children(snapshot);
}

void sheaf__snapshot_take(struct sheaf__snapshot *snapshot, sheaf_pool *pool)
{
    snapshot->next = NULL;
    snapshot->workers = pool->worker_count;
    snapshot->lost = sheaf__pool_is_lost(pool);
    snapshot->rows = NULL;
    snapshot->addresses = NULL;
    snapshot->edges = NULL;
    snapshot->edge_count = 0;
    snapshot->edge_room = 0;
    snapshot->complete = true;
    snprintf(snapshot->pool_name, sizeof snapshot->pool_name, "%s", pool->name);
    if (snapshot->lost) {
        return;
    }
    sheaf__inspect_tasks(pool, false, &snapshot->list);
    size_t count = snapshot->list.count;
    if (count == 0) {
        return;
    }
    snapshot->complete = snapshot->list.found <= snapshot->list.room;
    snapshot->rows = sheaf__alloc_array(count, sizeof *snapshot->rows);
    snapshot->addresses = sheaf__alloc_array(count, sizeof *snapshot->addresses);
    if (snapshot->rows && snapshot->addresses) {
        draw_tree(snapshot, pool);
        return;
    }
    snapshot->complete = false;
    sheaf__free_array(snapshot->rows, count, sizeof *snapshot->rows);
    sheaf__free_array(snapshot->addresses, count, sizeof *snapshot->addresses);
    snapshot->rows = NULL;
    snapshot->addresses = NULL;
}

void sheaf__snapshot_drop(struct sheaf__snapshot *snapshot)
{
    if (snapshot->lost) {
        return;
    }
    size_t count = snapshot->list.count;
    for (size_t i = 0; snapshot->rows && i < count; i++) {
        sheaf__row_drop(&snapshot->rows[i]);
    }
    sheaf__free_array(snapshot->rows, count, sizeof *snapshot->rows);
    sheaf__free_array(snapshot->addresses, count, sizeof *snapshot->addresses);
    sheaf__free_array(snapshot->edges, snapshot->edge_room, sizeof *snapshot->edges);
    sheaf__tasks_forget(&snapshot->list);
}

/* ---------------------------------------------------------------- the order of the tree */

static size_t next_root(const struct sheaf__snapshot *snapshot, size_t from)
{
    while (from < snapshot->list.count && snapshot->rows[from].parent != SHEAF__NO_ROW) {
        from++;
    }
    return from < snapshot->list.count ? from : SHEAF__NO_ROW;
}

size_t sheaf__snapshot_next(const struct sheaf__snapshot *snapshot, size_t row, size_t *depth)
{
    const struct sheaf__row *rows = snapshot->rows;
    if (row == SHEAF__NO_ROW) {
        *depth = 0;
        return next_root(snapshot, 0);
    }
    if (rows[row].child != SHEAF__NO_ROW) {
        ++*depth;
        return rows[row].child;
    }
    while (rows[row].sibling == SHEAF__NO_ROW && rows[row].parent != SHEAF__NO_ROW) {
        row = rows[row].parent;
        --*depth;
    }
    return rows[row].parent == SHEAF__NO_ROW ? next_root(snapshot, row + 1) : rows[row].sibling;
}
