#include "tests/fuzz/model.h"

#include <sheaf/error.h>

/* ---------------------------------------------------------------- ends */

static void hear(struct model *m, struct model_thing *t, const struct model_thing *member);

static size_t index_of(const struct model *m, const struct model_thing *t)
{
    return (size_t)(t - m->things);
}

static size_t times_in(const struct model_thing *t, size_t index)
{
    size_t times = 0;
    for (size_t i = 0; i < t->member_count; i++) {
        times += t->members[i] == index;
    }
    return times;
}

static void tell(struct model *m, size_t index)
{
    for (size_t i = 0; i < m->count; i++) {
        struct model_thing *t = &m->things[i];
        if (!t->done && !t->woken && times_in(t, index) > 0) {
            hear(m, t, &m->things[index]);
        }
    }
}

/* In the order in which they have ended. */
static void tell_all(struct model *m)
{
    if (m->telling) {
        return;
    }
    m->telling = true;
    while (m->told < m->ended) {
        tell(m, m->ends[m->told++]);
    }
    m->telling = false;
}

static void end(struct model *m, struct model_thing *t, int status)
{
    t->done = true;
    t->status = status;
    t->cancelled = status == SHEAF_CANCELLED && t->kind != MODEL_GATHER && !t->by_error;
    t->at = m->now;
    m->ends[m->ended++] = index_of(m, t);
    if (!m->in_turns) {
        tell_all(m);
    }
}

/* ---------------------------------------------------------------- gathers */

static bool ask_members(struct model *m, const struct model_thing *t)
{
    bool taken = false;
    for (size_t i = 0; i < t->member_count; i++) {
        taken |= model_cancel(m, t->members[i]);
    }
    return taken;
}

/* times: how often the member stands in the gather */
static void hear_member(struct model *m, struct model_thing *gather, size_t times, int status)
{
    gather->heard += times;
    bool raises = m->mistake == MODEL_COLLECT_RAISES || !gather->collects;
    if (raises && status != SHEAF_OK && gather->first == SHEAF_OK) {
        gather->first = status;
        if (gather->cancels && !gather->asked && m->mistake != MODEL_LATE_SIBLINGS) {
            (void)ask_members(m, gather);
        } else if (!gather->cancels && m->mistake != MODEL_RAISE_WAITS) {
            end(m, gather, status);
        }
    }
    if (!gather->done && gather->heard == gather->member_count) {
        end(m, gather, gather->asked ? SHEAF_CANCELLED : gather->first);
    }
}

/* ---------------------------------------------------------------- ends of tasks */

/* A task ends at a time of its own also when it is asked: so no two ends race. */
static void kill_task(struct model *m, struct model_thing *t)
{
    if (!t->dies) {
        t->dies = true;
        t->status = SHEAF_CANCELLED;
        t->at = model_time(index_of(m, t), m->now + 1);
    }
}

/* What it waited for has come: it ends at the next time of its own.  Not at the present one, which
 * may be that of its limit or its block: what else happens now would race with its end. */
static void wake(struct model *m, struct model_thing *t, int status)
{
    t->woken = true;
    t->heard_at = m->now;
    t->status = status;
    t->at = model_time(index_of(m, t), m->now + 1);
}

/* ---------------------------------------------------------------- groups */

static void end_if_empty(struct model *m, struct model_thing *group)
{
    if (group->closes && group->heard == group->member_count) {
        int otherwise = group->asked ? SHEAF_CANCELLED : SHEAF_OK;
        wake(m, group, group->first ? group->first : otherwise);
    }
}

/* The block is over, at its time or because it was asked. */
static void close_group(struct model *m, struct model_thing *group)
{
    group->closes = true;
    group->at = MODEL_NEVER;
    end_if_empty(m, group);
}

static void abort_group(struct model *m, struct model_thing *group)
{
    if (!group->aborts) {
        group->aborts = true;
        if (m->mistake != MODEL_GROUP_GOES_ON) {
            (void)ask_members(m, group);
        }
    }
}

static void end_block(struct model *m, struct model_thing *group)
{
    if (group->status != SHEAF_OK) {
        group->first = group->status;
        abort_group(m, group);
    }
    close_group(m, group);
}

static void hear_from_group(struct model *m, struct model_thing *group, int status)
{
    group->heard++;
    if (status != SHEAF_OK && status != SHEAF_CANCELLED && group->first == SHEAF_OK) {
        group->first = status;
        abort_group(m, group);
        if (!group->closes && m->mistake != MODEL_BLOCK_GOES_ON) {
            close_group(m, group);
        }
    }
    if (!group->woken) {
        end_if_empty(m, group);
    }
}

static void ask_group(struct model *m, struct model_thing *group)
{
    if (group->woken && group->heard_at != m->now) {
        kill_task(m, group);
        return;
    }
    if (group->woken) {
        group->status = group->status ? group->status : SHEAF_CANCELLED;
        return;
    }
    group->asked = true;
    abort_group(m, group);
    if (!group->closes) {
        close_group(m, group);
    }
}

/* ---------------------------------------------------------------- all kinds */

static void hear(struct model *m, struct model_thing *t, const struct model_thing *member)
{
    if (t->kind == MODEL_GATHER) {
        hear_member(m, t, times_in(t, index_of(m, member)), member->status);
    } else if (t->kind == MODEL_GROUP) {
        hear_from_group(m, t, member->status);
    } else if (t->kind == MODEL_WAITER) {
        wake(m, t, member->status);
    } else if (t->kind == MODEL_LIMIT) {
        bool late = t->expired && !t->asked && m->mistake != MODEL_LIMIT_NEVER;
        wake(m, t, late && member->status == SHEAF_CANCELLED ? SHEAF_TIMEOUT : member->status);
    } else {
        t->by_error = t->kind == MODEL_SHIELD && !member->cancelled;
        end(m, t, member->status);
    }
}

/* ---------------------------------------------------------------- requests */

int64_t model_time(size_t index, int64_t earliest)
{
    int64_t own = 2 * (int64_t)index + 1;
    int64_t rounds = (earliest - own + MODEL_ROUND - 1) / MODEL_ROUND;
    return (earliest > own ? rounds * MODEL_ROUND : 0) + own;
}

/* A turn sooner or later: that does not matter, since a stubborn task takes all requests of one
 * time for one, and so does a waiter that is just woken. */
static void ask_task(struct model *m, struct model_thing *t)
{
    bool first = t->heard_at == 0 || t->heard_at == m->now;
    if (t->kind == MODEL_STUBBORN && first && m->mistake != MODEL_STUBBORN_DIES) {
        t->heard_at = m->now;
        t->at = model_time(index_of(m, t), m->now + t->more);
    } else {
        kill_task(m, t);
    }
}

static bool ask_gather(struct model *m, struct model_thing *t)
{
    bool before = t->asked;
    t->asked = true; /* the last member may end at once, and the gather with it */
    bool taken = ask_members(m, t);
    t->asked = before || taken;
    return taken;
}

static void ask_waiter(struct model *m, struct model_thing *t)
{
    if (m->mistake == MODEL_WAITER_ALONE || (t->woken && t->heard_at != m->now)) {
        t->woken = true;
        kill_task(m, t);
    } else if (t->woken || !ask_members(m, t)) {
        wake(m, t, SHEAF_CANCELLED);
    }
}

bool model_cancel(struct model *m, size_t index)
{
    struct model_thing *t = &m->things[index];
    if (t->done) {
        return false;
    }
    switch (t->kind) {
    case MODEL_GATHER:
        return ask_gather(m, t);
    case MODEL_LIMIT:
        t->asked = true;
        ask_waiter(m, t);
        return true;
    case MODEL_WAITER:
        ask_waiter(m, t);
        return true;
    case MODEL_GROUP:
        ask_group(m, t);
        return true;
    case MODEL_SHIELD:
        if (m->mistake == MODEL_SHIELD_LEAKS) {
            return ask_members(m, t);
        }
        break;
    case MODEL_SLEEPER:
    case MODEL_STUBBORN:
        ask_task(m, t);
        return true;
    case MODEL_PROMISE:
        break;
    }
    end(m, t, SHEAF_CANCELLED);
    return true;
}

bool model_settle(struct model *m, size_t promise, int status)
{
    struct model_thing *t = &m->things[promise];
    if (t->done) {
        return false;
    }
    end(m, t, status);
    return true;
}

/* ---------------------------------------------------------------- time */

/* Returns: the one whose time comes next, NULL when none does before or at `until` */
static struct model_thing *next_to_end(struct model *m, int64_t until)
{
    struct model_thing *next = NULL;
    for (size_t i = 0; i < m->count; i++) {
        struct model_thing *t = &m->things[i];
        if (!t->done && t->at != MODEL_NEVER && t->at <= until && (!next || t->at < next->at)) {
            next = t;
        }
    }
    return next;
}

static void expire(struct model *m, struct model_thing *limit)
{
    limit->expired = true;
    limit->at = MODEL_NEVER;
    (void)ask_members(m, limit);
}

static void come_to_time(struct model *m, struct model_thing *t)
{
    if (t->kind == MODEL_GROUP && !t->woken) {
        end_block(m, t);
    } else if (t->kind == MODEL_LIMIT && !t->woken) {
        expire(m, t);
    } else {
        end(m, t, t->status);
    }
}

/* Everything that happens at the time of the next end.  Returns: false when there is none */
static bool step(struct model *m, int64_t until)
{
    tell_all(m);
    struct model_thing *next = next_to_end(m, until);
    if (!next) {
        return false;
    }
    m->now = next->at > m->now ? next->at : m->now;
    do {
        come_to_time(m, next);
        tell_all(m);
    } while ((next = next_to_end(m, m->now)) != NULL);
    return true;
}

void model_pass(struct model *m, int64_t until)
{
    while (step(m, until)) {
    }
    m->now = until;
}

bool model_until(struct model *m, bool (*is_so)(const struct model *m, const void *what),
                 const void *what, int64_t deadline)
{
    (void)step(m, m->now);
    while (!is_so(m, what)) {
        if (!step(m, deadline)) {
            m->now = deadline;
            return false;
        }
    }
    return true;
}

/* ---------------------------------------------------------------- things */

static struct model_thing *add(struct model *m, enum model_kind kind, int64_t at)
{
    struct model_thing *t = &m->things[m->count++];
    *t = (struct model_thing){.kind = kind, .at = at};
    return t;
}

static size_t last(const struct model *m)
{
    return m->count - 1;
}

size_t model_sleeper(struct model *m, int64_t at, int status)
{
    add(m, MODEL_SLEEPER, at)->status = status;
    return last(m);
}

size_t model_stubborn(struct model *m, int64_t at, int64_t more)
{
    add(m, MODEL_STUBBORN, at)->more = more;
    return last(m);
}

size_t model_promise(struct model *m)
{
    add(m, MODEL_PROMISE, MODEL_NEVER);
    return last(m);
}

static size_t add_waiting(struct model *m, enum model_kind kind, size_t of, int64_t at)
{
    struct model_thing *t = add(m, kind, at);
    t->members[t->member_count++] = of;
    if (m->things[of].done) {
        hear(m, t, &m->things[of]);
    }
    return index_of(m, t);
}

size_t model_shield(struct model *m, size_t of)
{
    return add_waiting(m, MODEL_SHIELD, of, MODEL_NEVER);
}

size_t model_waiter(struct model *m, size_t of)
{
    return add_waiting(m, MODEL_WAITER, of, MODEL_NEVER);
}

size_t model_limit(struct model *m, size_t of, int64_t deadline)
{
    return add_waiting(m, MODEL_LIMIT, of, deadline);
}

size_t model_group(struct model *m, size_t members, int64_t at, int status)
{
    struct model_thing *t = add(m, MODEL_GROUP, at);
    size_t index = last(m);
    t->status = status;
    for (size_t i = 0; i < members; i++) {
        t->members[t->member_count++] = index + 1 + i;
    }
    return index;
}

size_t model_gather(struct model *m, const size_t *members, size_t count, bool collects,
                    bool cancels)
{
    struct model_thing *t = add(m, MODEL_GATHER, MODEL_NEVER);
    size_t index = last(m);
    t->collects = collects;
    t->cancels = cancels;
    bool done[MODEL_MEMBERS];
    for (size_t i = 0; i < count; i++) {
        t->members[t->member_count++] = members[i];
        done[i] = m->things[members[i]].done;
    }
    /* In the order of the arguments.  Others that end through this come by themselves. */
    for (size_t i = 0; i < count && !t->done; i++) {
        if (done[i]) {
            hear_member(m, t, 1, m->things[members[i]].status);
        }
    }
    return index;
}
