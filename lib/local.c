/* Task-local values: an immutable list that tasks share and extend at its head.
 *
 * Setting a value puts a link in front of the setter's list; a task made afterwards starts with the
 * list as it is then.  Nobody changes a link, so sharing needs no lock, only a count. */
#include "lib/future_impl.h"

#include "lib/alloc.h"

struct sheaf__locals {
    SHEAF__ATOMIC(size_t) references;
    const sheaf_local *key; /* const */
    void *value;            /* const */
    struct sheaf__locals *rest;
};

struct sheaf__locals *sheaf__locals_retain(struct sheaf__locals *locals)
{
    if (locals) {
        sheaf__add_rlx(&locals->references, 1);
    }
    return locals;
}

void sheaf__locals_release(struct sheaf__locals *locals)
{
    /* acq_rel: the last one sees that all others are done with the link. */
    while (locals && sheaf__sub_acq_rel(&locals->references, 1) == 1) {
        struct sheaf__locals *rest = locals->rest;
        if (locals->key->drop) {
            locals->key->drop(locals->value);
        }
        sheaf__free(locals, sizeof *locals);
        locals = rest;
    }
}

int sheaf_local_set(const sheaf_local *key, void *value)
{
    if (!key) {
        return SHEAF_INVALID;
    }
    sheaf_future *task = sheaf__worker_current(sheaf__worker_self());
    if (!task) {
        return SHEAF_NOTASK;
    }
    struct sheaf__extra *extra = sheaf__future_need_extra(task);
    struct sheaf__locals *link = extra ? sheaf__alloc(sizeof *link) : NULL;
    if (!link) {
        return SHEAF_NOMEM;
    }
    sheaf__store_rlx(&link->references, 1);
    link->key = key;
    link->value = value;
    link->rest = extra->locals; /* the list's reference moves into the link */
    extra->locals = link;
    return SHEAF_OK;
}

void *sheaf_local_get(const sheaf_local *key)
{
    sheaf_future *task = sheaf__worker_current(sheaf__worker_self());
    struct sheaf__extra *extra = task ? sheaf__future_extra(task) : NULL;
    struct sheaf__locals *link = extra ? extra->locals : NULL;
    while (link && link->key != key) {
        link = link->rest;
    }
    return link ? link->value : NULL;
}
