/* Select: waiters that share one sleep (lib/waiters.h), each in the room that its case brings. */
#include <sheaf/select.h>

#include "lib/list.h"
#include "lib/spin.h"
#include "lib/waitables.h"

_Static_assert(sizeof(struct sheaf__waiter) <= sizeof((sheaf_case *)0)->opaque_,
               "a case has the room for its waiter");

static struct sheaf__waiter *waiter_of(sheaf_case *given)
{
    return (struct sheaf__waiter *)(void *)given->opaque_;
}

/* ---------------------------------------------------------------- futures */

/* The completer's part.  Its last access to the node is the store of `place`. */
static void notify_waiter(struct sheaf__node *node, sheaf_future *future, struct sheaf__ended *more)
{
    (void)future;
    (void)more;
    sheaf__waiter_choose(SHEAF__CONTAINER(node, struct sheaf__waiter, of.node), SHEAF_OK);
    /* release: pairs with the load in wait_until_passed(). */
    sheaf__store_rel(&node->place, SHEAF__NODE_PASSED);
}

static enum sheaf__look claim_future(struct sheaf__waiter *waiter)
{
    return sheaf__waiter_claim(waiter, SHEAF_OK) ? SHEAF__LOOK_TAKEN : SHEAF__LOOK_NOTHING;
}

static enum sheaf__look look_at_future(struct sheaf__waiter *waiter)
{
    sheaf_future *future = waiter->object;
    if (sheaf__future_done(future)) {
        return claim_future(waiter);
    }
    if (!waiter->wait) {
        return SHEAF__LOOK_NOTHING;
    }
    waiter->of.node = (struct sheaf__node){.to = {.notify = notify_waiter}};
    bool pending = sheaf__future_register(future, &waiter->of.node);
    return pending ? SHEAF__LOOK_QUEUED : claim_future(waiter);
}

/* The completer has the node, and does not suspend before it lets go of it. */
static void wait_until_passed(const struct sheaf__node *node)
{
    unsigned turns = 0;
    while (sheaf__load_acq(&node->place) != SHEAF__NODE_PASSED) {
        sheaf__spin_wait(&turns);
    }
}

static void leave_future(struct sheaf__waiter *waiter)
{
    if (!sheaf__future_take_back(waiter->object, &waiter->of.node)) {
        wait_until_passed(&waiter->of.node);
    }
}

static const struct sheaf__waitable future_waitable = {
    .what = "a future",
    .look = look_at_future,
    .leave = leave_future,
};

/* ---------------------------------------------------------------- cases */

static const struct sheaf__waitable *simple_kind(sheaf_case_kind kind)
{
    switch (kind) {
    case SHEAF_CASE_FUTURE:
        return &future_waitable;
    case SHEAF_CASE_EVENT:
        return &sheaf__event_waitable;
    case SHEAF_CASE_SEMAPHORE:
        return &sheaf__semaphore_waitable;
    case SHEAF_CASE_MUTEX:
        return &sheaf__mutex_waitable;
    default:
        return NULL;
    }
}

static bool makes_sense(const sheaf_case *given)
{
    return given->kind == SHEAF_CASE_NONE ||
           (given->object && (given->kind == SHEAF_CASE_GET || given->kind == SHEAF_CASE_PUT ||
                              simple_kind(given->kind)));
}

static int check_cases(const sheaf_case *cases, size_t count, const size_t *which)
{
    const sheaf_future *task = sheaf__worker_current(sheaf__worker_self());
    size_t real = 0;
    for (size_t i = 0; cases && i < count; i++) {
        if (!makes_sense(&cases[i])) {
            return SHEAF_INVALID;
        }
        if (cases[i].kind == SHEAF_CASE_FUTURE && cases[i].object == task) {
            return SHEAF_STATE;
        }
        real += cases[i].kind != SHEAF_CASE_NONE;
    }
    return which && real > 0 ? SHEAF_OK : SHEAF_INVALID;
}

static int begin_case(sheaf_case *given)
{
    struct sheaf__waiter *waiter = waiter_of(given);
    *waiter = (struct sheaf__waiter){.kind = simple_kind(given->kind), .object = given->object};
    given->status = SHEAF_STATE;
    if (given->kind == SHEAF_CASE_GET) {
        sheaf__queue_begin_get(waiter, given->object);
    } else if (given->kind == SHEAF_CASE_PUT) {
        return sheaf__queue_begin_put(waiter, given->object, given->value);
    }
    return SHEAF_OK;
}

/* Reads what a case that was carried out has given. */
static void read_case(sheaf_case *given)
{
    const struct sheaf__waiter *waiter = waiter_of(given);
    given->status = waiter->status;
    if (given->kind == SHEAF_CASE_FUTURE) {
        sheaf_future *task = sheaf__worker_current(sheaf__worker_self());
        given->status = sheaf__future_read(given->object, task, &given->value);
    } else if (given->kind == SHEAF_CASE_GET && given->status == SHEAF_OK) {
        sheaf__queue_end_get(waiter_of(given), &given->value);
    }
}

/* Gives back what begin_case() has made for the first `count`. */
static void end_cases(sheaf_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cases[i].kind == SHEAF_CASE_PUT) {
            sheaf__queue_end_put(waiter_of(&cases[i]));
        }
    }
}

/* Begins all and links their waiters in order.
 *
 *   *first  the first waiter; nothing was begun on error */
static int begin_cases(sheaf_case *cases, size_t count, struct sheaf__waiter **first)
{
    struct sheaf__waiter **link = first;
    for (size_t i = 0; i < count; i++) {
        int status = begin_case(&cases[i]);
        if (status != SHEAF_OK) {
            end_cases(cases, i);
            return status;
        }
        if (cases[i].kind != SHEAF_CASE_NONE) {
            *link = waiter_of(&cases[i]);
            link = &(*link)->also;
        }
    }
    return SHEAF_OK;
}

static size_t finish_case(sheaf_case *cases, size_t count, struct sheaf__waiter *chosen)
{
    size_t index = 0;
    while (index < count && waiter_of(&cases[index]) != chosen) {
        index++;
    }
    read_case(&cases[index]);
    return index;
}

/* The pool whose clock may have to keep a plain thread's limit, or NULL. */
static sheaf_pool *clock_of(const sheaf_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cases[i].kind == SHEAF_CASE_FUTURE) {
            return sheaf__future_pool(cases[i].object);
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- the calls */

int sheaf_select(sheaf_case *cases, size_t count, sheaf_time deadline, size_t *which)
{
    struct sheaf__waiter *first = NULL;
    struct sheaf__waiter *chosen = NULL;
    SHEAF_TRY(check_cases(cases, count, which));
    SHEAF_TRY(begin_cases(cases, count, &first));
    int status = sheaf__waiters_wait(first, clock_of(cases, count), deadline, &chosen);
    if (chosen) {
        *which = finish_case(cases, count, chosen);
    }
    end_cases(cases, count);
    return status;
}

int sheaf_try_select(sheaf_case *cases, size_t count, size_t *which)
{
    struct sheaf__waiter *first = NULL;
    SHEAF_TRY(check_cases(cases, count, which));
    SHEAF_TRY(begin_cases(cases, count, &first));
    struct sheaf__waiter *chosen = sheaf__waiters_look(first);
    if (chosen) {
        *which = finish_case(cases, count, chosen);
    }
    end_cases(cases, count);
    return chosen ? SHEAF_OK : SHEAF_EMPTY;
}
