/* The wheel and the heap.
 *
 * A tick is the deadline without its low bits, as an unsigned number that keeps the order of signed
 * deadlines.  With C the cursor and t the tick of a pending timer:
 *
 *  1. t <= C: the timer is in the heap.
 *  2. t > C: it is in the wheel, at the level of the highest byte in which t and C differ, in the
 *     slot with the number of that byte of t, which is above the same byte of C.
 *  3. Hence every timer of the heap comes before every one of the wheel, every timer of a level
 *     before every one of the levels above, every timer of a slot before those of later slots.
 *  4. When the cursor moves to C', let h be the highest byte in which C and C' differ.  Timers of
 *     levels below h have t < C', those of level h in slots up to byte h of C' have t < C' or agree
 *     with C' in that byte; all others keep their level and slot.  So only those are placed anew,
 *     each in the heap or at a level below its own.
 *
 * The cursor follows the time that pop_due() is told, never the deadlines: timers that are added
 * for soon after a far deadline has been looked at still go into the wheel.  A time that goes back
 * leaves the cursor where it is; rule 1 then puts more into the heap than is due, which costs a
 * little and changes no answer.
 *
 * Accepted cost: when the cursor enters a slot in which a hundred thousand timers lie, they are
 * placed anew in one go, a few milliseconds, under the owner's lock. */
#include "lib/timer.h"

#include <string.h>

#include "lib/error_impl.h"

static uint64_t tick_of(int64_t time)
{
    return ((uint64_t)time ^ (UINT64_C(1) << 63)) >> SHEAF__TIMERS_TICK_BITS;
}

/* The highest byte in which two different ticks differ. */
static unsigned level_of(uint64_t tick, uint64_t cursor)
{
    unsigned bit = 63U - (unsigned)__builtin_clzll(tick ^ cursor);
    return bit / SHEAF__TIMERS_SLOT_BITS;
}

static unsigned byte_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * SHEAF__TIMERS_SLOT_BITS)) & (SHEAF__TIMERS_SLOTS - 1);
}

static bool earlier(const struct sheaf__timer *a, const struct sheaf__timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->sequence < b->sequence;
}

static struct sheaf__timer *timer_of_link(struct sheaf__link *link)
{
    return SHEAF__CONTAINER(link, struct sheaf__timer, at.link);
}

static struct sheaf__timer *timer_of_node(struct sheaf__heap_node *node)
{
    return SHEAF__CONTAINER(node, struct sheaf__timer, at.node);
}

/* The node is the first member, so that its address is the timer's. */
static bool node_before(const struct sheaf__heap_node *a, const struct sheaf__heap_node *b)
{
    _Static_assert(offsetof(struct sheaf__timer, at.node) == 0, "the node comes first");
    return earlier((const struct sheaf__timer *)(const void *)a,
                   (const struct sheaf__timer *)(const void *)b);
}

void sheaf__timers_init(struct sheaf__timers *timers, int64_t now)
{
    /* Not by assigning a compound literal: it may be built on the stack first, and it is large. */
    memset(timers, 0, sizeof *timers);
    timers->cursor = tick_of(now);
    timers->told = SHEAF__TIMERS_NEVER;
}

/* ---------------------------------------------------------------- the wheel's slots */

static void mark_slot(struct sheaf__timers *timers, unsigned level, unsigned index)
{
    timers->used[level][index / 64] |= UINT64_C(1) << (index % 64);
    timers->levels |= 1U << level;
}

static void unmark_slot(struct sheaf__timers *timers, unsigned level, unsigned index)
{
    uint64_t *words = timers->used[level];
    uint64_t left = 0;
    words[index / 64] &= ~(UINT64_C(1) << (index % 64));
    for (unsigned i = 0; i < SHEAF__TIMERS_WORDS; i++) {
        left |= words[i];
    }
    if (left == 0) {
        timers->levels &= ~(1U << level);
    }
}

/* The lowest slot in use.  Requires: the level has one */
static unsigned lowest_slot(const struct sheaf__timers *timers, unsigned level)
{
    unsigned word = 0;
    while (timers->used[level][word] == 0) {
        word++;
    }
    return word * 64 + (unsigned)__builtin_ctzll(timers->used[level][word]);
}

/* Puts a timer where rules 1 and 2 want it.  Requires: it is in neither heap nor wheel */
static void place(struct sheaf__timers *timers, struct sheaf__timer *timer)
{
    uint64_t tick = tick_of(timer->deadline);
    if (tick <= timers->cursor) {
        timer->state = SHEAF__TIMER_HEAP;
        sheaf__heap_push(&timers->near, &timer->at.node, node_before);
        return;
    }
    unsigned level = level_of(tick, timers->cursor);
    unsigned index = byte_of(tick, level);
    timer->state = SHEAF__TIMER_WHEEL;
    timer->slot = (uint16_t)(level * SHEAF__TIMERS_SLOTS + index);
    sheaf__list_push_back(&timers->slots[timer->slot], &timer->at.link);
    mark_slot(timers, level, index);
}

static void leave_wheel(struct sheaf__timers *timers, struct sheaf__timer *timer)
{
    sheaf__link_unlink(&timer->at.link);
    if (sheaf__list_empty(&timers->slots[timer->slot])) {
        unmark_slot(timers, timer->slot / SHEAF__TIMERS_SLOTS, timer->slot % SHEAF__TIMERS_SLOTS);
    }
    if (timer == timers->first) {
        timers->first = NULL;
    }
}

/* ---------------------------------------------------------------- moving the cursor */

/* Places the timers of one slot anew, none of which comes back to it. */
static void empty_slot(struct sheaf__timers *timers, unsigned level, unsigned index)
{
    struct sheaf__list *slot = &timers->slots[level * SHEAF__TIMERS_SLOTS + index];
    struct sheaf__link *link;
    unmark_slot(timers, level, index);
    while ((link = sheaf__list_pop_front(slot)) != NULL) {
        struct sheaf__timer *timer = timer_of_link(link);
        place(timers, timer);
        if (timer == timers->first && timer->state == SHEAF__TIMER_HEAP) {
            timers->first = NULL;
        }
    }
}

/* Empties the slots 0 to `last` of a level. */
static void empty_slots(struct sheaf__timers *timers, unsigned level, unsigned last)
{
    while ((timers->levels >> level & 1) != 0) {
        unsigned index = lowest_slot(timers, level);
        if (index > last) {
            return;
        }
        empty_slot(timers, level, index);
    }
}

/* Rule 4. */
static void advance(struct sheaf__timers *timers, uint64_t cursor)
{
    if (cursor <= timers->cursor) {
        return;
    }
    unsigned highest = level_of(cursor, timers->cursor);
    timers->cursor = cursor;
    /* The lower levels first: what the highest one sends down to them belongs there. */
    for (unsigned level = 0; level < highest; level++) {
        empty_slots(timers, level, SHEAF__TIMERS_SLOTS - 1);
    }
    empty_slots(timers, highest, byte_of(cursor, highest));
}

/* ---------------------------------------------------------------- operations */

bool sheaf__timers_add(struct sheaf__timers *timers, struct sheaf__timer *timer, int64_t deadline)
{
    SHEAF__ASSERT(timer->state == SHEAF__TIMER_IDLE);
    timer->deadline = deadline;
    timer->sequence = timers->sequence++;
    if (deadline == SHEAF__TIMERS_NEVER) {
        timer->state = SHEAF__TIMER_NEVER;
        return false;
    }
    bool wheel_empty = timers->levels == 0;
    place(timers, timer);
    timers->count++;
    if (timer->state == SHEAF__TIMER_WHEEL &&
        (wheel_empty || (timers->first != NULL && earlier(timer, timers->first)))) {
        timers->first = timer;
    }
    if (deadline >= timers->told) {
        return false;
    }
    timers->told = deadline;
    return true;
}

bool sheaf__timers_remove(struct sheaf__timers *timers, struct sheaf__timer *timer)
{
    switch ((enum sheaf__timer_state)timer->state) {
    case SHEAF__TIMER_IDLE:
    case SHEAF__TIMER_FIRING:
        return false;
    case SHEAF__TIMER_NEVER:
        timer->state = SHEAF__TIMER_IDLE;
        return true;
    case SHEAF__TIMER_WHEEL:
        leave_wheel(timers, timer);
        break;
    case SHEAF__TIMER_HEAP:
        sheaf__heap_remove(&timers->near, &timer->at.node, node_before);
        break;
    }
    timer->state = SHEAF__TIMER_IDLE;
    timers->count--;
    return true;
}

/* By rule 3 it is in the lowest slot of the lowest level.  Requires: the wheel is not empty */
static struct sheaf__timer *first_of_wheel(struct sheaf__timers *timers)
{
    unsigned level = (unsigned)__builtin_ctz(timers->levels);
    unsigned index = lowest_slot(timers, level);
    struct sheaf__list *slot = &timers->slots[level * SHEAF__TIMERS_SLOTS + index];
    struct sheaf__timer *first = timer_of_link(sheaf__list_first(slot));
    SHEAF__LIST_EACH (link, slot) {
        struct sheaf__timer *timer = timer_of_link(link);
        if (earlier(timer, first)) {
            first = timer;
        }
    }
    return first;
}

int64_t sheaf__timers_next(struct sheaf__timers *timers)
{
    if (!sheaf__heap_empty(&timers->near)) {
        timers->told = timer_of_node(sheaf__heap_top(&timers->near))->deadline;
    } else if (timers->levels == 0) {
        timers->told = SHEAF__TIMERS_NEVER;
    } else {
        if (timers->first == NULL) {
            timers->first = first_of_wheel(timers);
        }
        timers->told = timers->first->deadline;
    }
    return timers->told;
}

struct sheaf__timer *sheaf__timers_pop_due(struct sheaf__timers *timers, int64_t now)
{
    advance(timers, tick_of(now));
    if (sheaf__heap_empty(&timers->near)) {
        return NULL;
    }
    struct sheaf__timer *timer = timer_of_node(sheaf__heap_top(&timers->near));
    if (timer->deadline > now) {
        return NULL;
    }
    (void)sheaf__heap_pop(&timers->near, node_before);
    timer->state = SHEAF__TIMER_IDLE;
    timers->count--;
    return timer;
}

/* ---------------------------------------------------------------- the invariants */

static const char *check_heap(struct sheaf__timers *timers, size_t *count)
{
    if (!sheaf__heap_check(&timers->near, node_before)) {
        return "the heap is out of order";
    }
    struct sheaf__heap_node *node = sheaf__heap_top(&timers->near);
    for (; node != NULL; node = sheaf__heap_walk(node)) {
        struct sheaf__timer *timer = timer_of_node(node);
        if (timer->state != SHEAF__TIMER_HEAP || tick_of(timer->deadline) > timers->cursor) {
            return "a timer of the heap belongs elsewhere";
        }
        if (timer->deadline < timers->told) {
            return "a deadline is below what add compares with";
        }
        ++*count;
    }
    return NULL;
}

static const char *check_timer(struct sheaf__timers *timers, struct sheaf__timer *timer,
                               unsigned level, unsigned index)
{
    uint64_t tick = tick_of(timer->deadline);
    if (timer->state != SHEAF__TIMER_WHEEL || timer->slot != level * SHEAF__TIMERS_SLOTS + index) {
        return "a timer of the wheel says that it is elsewhere";
    }
    if (tick <= timers->cursor || level_of(tick, timers->cursor) != level ||
        byte_of(tick, level) != index) {
        return "a timer of the wheel belongs elsewhere";
    }
    if (timer->deadline < timers->told) {
        return "a deadline is below what add compares with";
    }
    if (timers->first != NULL && timers->first != timer && !earlier(timers->first, timer)) {
        return "the first timer of the wheel is not the earliest";
    }
    return NULL;
}

static const char *check_slot(struct sheaf__timers *timers, unsigned level, unsigned index,
                              size_t *count)
{
    struct sheaf__list *slot = &timers->slots[level * SHEAF__TIMERS_SLOTS + index];
    bool used = (timers->used[level][index / 64] >> (index % 64) & 1) != 0;
    if (used == sheaf__list_empty(slot)) {
        return "the mark of a slot is wrong";
    }
    SHEAF__LIST_EACH (link, slot) {
        const char *broken = check_timer(timers, timer_of_link(link), level, index);
        if (broken != NULL) {
            return broken;
        }
        ++*count;
    }
    return NULL;
}

static const char *check_level(struct sheaf__timers *timers, unsigned level, size_t *count)
{
    size_t before = *count;
    for (unsigned index = 0; index < SHEAF__TIMERS_SLOTS; index++) {
        const char *broken = check_slot(timers, level, index, count);
        if (broken != NULL) {
            return broken;
        }
    }
    bool used = (timers->levels >> level & 1) != 0;
    return used == (*count > before) ? NULL : "the mark of a level is wrong";
}

const char *sheaf__timers_check(struct sheaf__timers *timers)
{
    size_t count = 0;
    const char *broken = check_heap(timers, &count);
    for (unsigned level = 0; level < SHEAF__TIMERS_LEVELS && broken == NULL; level++) {
        broken = check_level(timers, level, &count);
    }
    if (broken == NULL && timers->first != NULL && timers->first->state != SHEAF__TIMER_WHEEL) {
        broken = "the first timer of the wheel is not in it";
    }
    if (broken == NULL && count != timers->count) {
        broken = "the number of timers is wrong";
    }
    return broken;
}
