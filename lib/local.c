/* Task-local values: an immutable list that tasks share and extend at its head.
 *
 * Setting a value puts a link in front of the setter's list and leaves out the link of the value
 * that it replaces; the links between are copied, those behind are shared.  A task made afterwards
 * starts with the list as it is then.  Nobody changes a link, so sharing needs no lock, only
 * counts: one for each link, and one for each value, which goes with the last link that leads to
 * it. */
#include "lib/future_impl.h"

#include "lib/alloc.h"
#include "lib/guest.h"

struct box {
    SHEAF__ATOMIC(size_t) references;
    const sheaf_local *key; /* const */
    void *value;            /* const */
};

struct sheaf__locals {
    SHEAF__ATOMIC(size_t) references;
    struct box *box;            /* const; a reference */
    struct sheaf__locals *rest; /* const; a reference */
};

static void release_box(struct box *box)
{
    /* acq_rel: the last one sees that all others are done with the value. */
    if (sheaf__sub_acq_rel(&box->references, 1) == 1) {
        if (box->key->drop) {
            box->key->drop(box->value);
        }
        sheaf__free(box, sizeof *box);
    }
}

struct sheaf__locals *sheaf__locals_retain(struct sheaf__locals *locals)
{
    if (locals) {
        sheaf__add_rlx(&locals->references, 1);
    }
    return locals;
}

void sheaf__locals_release(struct sheaf__locals *locals)
{
    while (locals && sheaf__sub_acq_rel(&locals->references, 1) == 1) {
        struct sheaf__locals *rest = locals->rest;
        release_box(locals->box);
        sheaf__free(locals, sizeof *locals);
        locals = rest;
    }
}

static struct sheaf__locals *find(struct sheaf__locals *locals, const sheaf_local *key)
{
    while (locals && locals->box->key != key) {
        locals = locals->rest;
    }
    return locals;
}

/* A link in front of `rest`.  box, rest: taken, also on failure, which is NULL */
static struct sheaf__locals *link_box(struct box *box, struct sheaf__locals *rest)
{
    struct sheaf__locals *link = sheaf__alloc(sizeof *link);
    if (!link) {
        release_box(box);
        sheaf__locals_release(rest);
        return NULL;
    }
    sheaf__store_rlx(&link->references, 1);
    link->box = box;
    link->rest = rest;
    return link;
}

/* The list without the link `left_out`; a reference is given.  *made is false for want of memory */
static struct sheaf__locals *without(struct sheaf__locals *list, struct sheaf__locals *left_out,
                                     bool *made)
{
    if (!left_out) {
        return sheaf__locals_retain(list);
    }
    struct sheaf__locals *result = sheaf__locals_retain(left_out->rest);
    /* The order of the links says nothing: those in front may come out reversed. */
    for (struct sheaf__locals *link = list; *made && link != left_out; link = link->rest) {
        sheaf__add_rlx(&link->box->references, 1);
        result = link_box(link->box, result);
        *made = result != NULL;
    }
    return result;
}

/* Where the caller's list is kept, made if need be; NULL when *status says why there is none. */
static struct sheaf__locals **own_list(int *status)
{
    sheaf_future *task = sheaf__worker_current(sheaf__worker_self());
    if (task) {
        struct sheaf__extra *extra = sheaf__future_need_extra(task);
        sheaf__forks_inherit(task);
        *status = SHEAF_NOMEM;
        return extra ? &extra->locals : NULL;
    }
    struct sheaf__guest *guest = sheaf__guest_self();
    *status = SHEAF_NOTASK;
    return guest ? &guest->locals : NULL;
}

struct sheaf__locals *sheaf__locals_current(void)
{
    sheaf_future *task = sheaf__worker_current(sheaf__worker_self());
    if (task) {
        struct sheaf__extra *extra = sheaf__future_extra(task);
        return extra ? extra->locals : NULL;
    }
    struct sheaf__guest *guest = sheaf__guest_self();
    return guest ? guest->locals : NULL;
}

/* The values that the caller sees from here on are put away there; NULL: it sees none. */
static struct sheaf__locals **visited(struct sheaf__visit *visit)
{
    return visit->extra ? &visit->extra->locals : visit->guest ? &visit->guest->locals : NULL;
}

void sheaf__locals_visit(struct sheaf__visit *visit, struct sheaf__locals *locals)
{
    sheaf_future *task = sheaf__worker_current(sheaf__worker_self());
    *visit = (struct sheaf__visit){.before = NULL};
    if (task) {
        visit->extra = locals ? sheaf__future_need_extra(task) : sheaf__future_extra(task);
    } else if ((visit->guest = sheaf__guest_self()) == NULL && locals) {
        visit->guest = &visit->own;
        sheaf__guest_enter(visit->guest);
    }
    struct sheaf__locals **list = visited(visit);
    if (list) {
        visit->before = *list;
        *list = sheaf__locals_retain(locals);
    }
}

void sheaf__locals_return(struct sheaf__visit *visit)
{
    struct sheaf__locals **list = visited(visit);
    if (list) {
        sheaf__locals_release(*list);
        *list = visit->before;
    }
    if (visit->guest == &visit->own) {
        sheaf__guest_leave();
        sheaf_error_release(visit->own.raised);
    }
}

int sheaf_local_set(const sheaf_local *key, void *value)
{
    if (!key) {
        return SHEAF_INVALID;
    }
    int status;
    struct sheaf__locals **list = own_list(&status);
    if (!list) {
        return status;
    }
    struct box *box = sheaf__alloc(sizeof *box);
    struct sheaf__locals *link = box ? sheaf__alloc(sizeof *link) : NULL;
    bool made = link != NULL;
    struct sheaf__locals *before = *list;
    struct sheaf__locals *rest = made ? without(before, find(before, key), &made) : NULL;
    if (!made) {
        sheaf__free(link, sizeof *link);
        sheaf__free(box, sizeof *box);
        return SHEAF_NOMEM;
    }
    sheaf__store_rlx(&box->references, 1);
    box->key = key;
    box->value = value;
    sheaf__store_rlx(&link->references, 1);
    link->box = box;
    link->rest = rest;
    *list = link;
    sheaf__locals_release(before);
    return SHEAF_OK;
}

void *sheaf_local_get(const sheaf_local *key)
{
    struct sheaf__locals *link = find(sheaf__locals_current(), key);
    return link ? link->box->value : NULL;
}
