/* Events.
 *
 * Setting an event chooses everybody in the line, or of one that resets itself the oldest; so those
 * who waited wake even if it is cleared right after (EV2).  Invariant: while the event is set
 * nobody waits. */
#include <sheaf/sync.h>

#include "lib/spin.h"
#include "lib/waitables.h"

/* What lies in a sheaf_event. */
struct event {
    struct sheaf__spin guard;
    SHEAF__ATOMIC(uint8_t) set; /* written under guard */
    uint8_t spare[2];
    uint32_t resets;         /* const: one waiter takes the set state away */
    struct sheaf__line line; /* guarded by guard */
};

_Static_assert(sizeof(struct event) == sizeof(sheaf_event), "the public struct has the room");
_Static_assert(offsetof(struct event, resets) == offsetof(sheaf_event, resets_),
               "initialisers fill the right members");

static struct event *of(const sheaf_event *event)
{
    return (struct event *)(uintptr_t)event;
}

/* ---------------------------------------------------------------- waiting */

static enum sheaf__look look_at_event(struct sheaf__waiter *waiter)
{
    struct event *event = waiter->object;
    enum sheaf__look look = SHEAF__LOOK_NOTHING;
    sheaf__spin_lock(&event->guard);
    if (!sheaf__load_rlx(&event->set)) {
        look = sheaf__waiter_queue(waiter, &event->line);
    } else if (sheaf__waiter_claim(waiter, SHEAF_OK)) {
        if (event->resets) {
            sheaf__store_rlx(&event->set, 0);
        }
        look = SHEAF__LOOK_TAKEN;
    }
    sheaf__spin_unlock(&event->guard);
    return look;
}

static void leave_event(struct sheaf__waiter *waiter)
{
    struct event *event = waiter->object;
    sheaf__spin_lock(&event->guard);
    if (sheaf__line_has(&event->line, waiter)) {
        sheaf__line_remove(&event->line, waiter);
    }
    sheaf__spin_unlock(&event->guard);
}

static void set(struct event *event)
{
    sheaf__spin_lock(&event->guard);
    bool consumed = false;
    if (event->resets) {
        consumed = sheaf__line_choose(&event->line, SHEAF_OK);
    } else {
        sheaf__line_choose_all(&event->line, SHEAF_OK);
    }
    if (!consumed) {
        /* release: who sees it set, sees what was done before. */
        sheaf__store_rel(&event->set, 1);
    }
    sheaf__spin_unlock(&event->guard);
}

/* What one waiter alone was given goes to the next, or is kept. */
static void decline_event(struct sheaf__waiter *waiter)
{
    struct event *event = waiter->object;
    if (event->resets) {
        set(event);
    }
}

const struct sheaf__waitable sheaf__event_waitable = {
    .what = "an event",
    .look = look_at_event,
    .leave = leave_event,
    .decline = decline_event,
};

/* ---------------------------------------------------------------- the calls */

int sheaf_event_set(sheaf_event *event)
{
    if (!event) {
        return SHEAF_INVALID;
    }
    set(of(event));
    return SHEAF_OK;
}

int sheaf_event_clear(sheaf_event *given)
{
    if (!given) {
        return SHEAF_INVALID;
    }
    struct event *event = of(given);
    sheaf__spin_lock(&event->guard);
    sheaf__store_rlx(&event->set, 0);
    sheaf__spin_unlock(&event->guard);
    return SHEAF_OK;
}

bool sheaf_event_is_set(const sheaf_event *event)
{
    /* acquire: pairs with the release in set(). */
    if (!event || !sheaf__load_acq(&of(event)->set)) {
        return false;
    }
    /* Whoever has set it may still hold the guard, and the event is free to go on return. */
    unsigned turns = 0;
    while (sheaf__load_acq(&of(event)->guard.held)) {
        sheaf__spin_wait(&turns);
    }
    return true;
}

int sheaf_event_wait_until(sheaf_event *event, sheaf_time deadline)
{
    if (!event) {
        return SHEAF_INVALID;
    }
    if (!of(event)->resets && sheaf_event_is_set(event)) {
        return SHEAF_OK;
    }
    struct sheaf__waiter waiter = {.kind = &sheaf__event_waitable, .object = event};
    return sheaf__waiter_wait(&waiter, deadline);
}

int sheaf_event_wait(sheaf_event *event)
{
    return sheaf_event_wait_until(event, SHEAF_FOREVER);
}
