#include "lib/tally.h"

#include <sheaf/gather.h>

#include "lib/alloc.h"
#include "lib/offsets.h"

bool sheaf__futures_valid(sheaf_future *const *futures, size_t count)
{
    if (count > SHEAF_MEMBERS_MAX || (count > 0 && !futures)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!futures[i]) {
            return false;
        }
    }
    return true;
}

/* ---------------------------------------------------------------- making and freeing */

/* Where the turns would begin. */
static size_t size_without_turns(size_t count, size_t extra_size)
{
    const size_t whole = sizeof(max_align_t);
    size_t size = sizeof(struct sheaf__tally) + count * sizeof(struct sheaf__member) + extra_size;
    return (size + whole - 1) / whole * whole;
}

static size_t size_of(size_t count, size_t extra_size, bool turns)
{
    return size_without_turns(count, extra_size) +
           (turns ? count * sizeof(struct sheaf__member_turn) : 0);
}

static void notify_member(struct sheaf__node *node, sheaf_future *future,
                          struct sheaf__ended *more);
static void turn_of_member(struct sheaf__turn *turn, struct sheaf__ended *more);

/* Requires: room for them behind the rest */
static void add_turns(struct sheaf__tally *tally, sheaf_pool *pool)
{
    void *room = (char *)tally + size_without_turns(tally->count, tally->extra_size);
    tally->turns = room;
    for (size_t i = 0; i < tally->count; i++) {
        struct sheaf__member *member = &tally->members[i];
        sheaf__turn_init(&tally->turns[i].turn, pool, member->future, turn_of_member);
        tally->turns[i].member = member;
    }
}

/* The member's turn, or NULL. */
static struct sheaf__turn *turn_for(const struct sheaf__member *member)
{
    struct sheaf__tally *tally = member->tally;
    return tally->turns ? &tally->turns[member - tally->members].turn : NULL;
}

/* A member that has ended is none that is waited for, whether that was noted or not. */
static void visit_tally(struct sheaf__wanted *wanted,
                        void (*each)(void *context, sheaf_future *future), void *context)
{
    struct sheaf__tally *tally = SHEAF__CONTAINER(wanted, struct sheaf__tally, monitor.wanted);
    for (size_t i = 0; i < tally->count; i++) {
        if (!sheaf__future_done(tally->members[i].future)) {
            each(context, tally->members[i].future);
        }
    }
}

struct sheaf__tally *sheaf__tally_new(sheaf_future *const *futures, size_t count,
                                      enum sheaf__rule rule, const struct sheaf__tally_ops *ops,
                                      size_t extra_size)
{
    sheaf_pool *turns = sheaf__turns_here();
    struct sheaf__tally *tally = sheaf__alloc_zeroed(size_of(count, extra_size, turns != NULL));
    if (!tally) {
        return NULL;
    }
    tally->monitor.wanted.visit = visit_tally;
    tally->ops = ops;
    tally->count = count;
    tally->extra_size = extra_size;
    tally->rule = rule;
    tally->missing = count;
    sheaf__store_rlx(&tally->references, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct sheaf__member *member = &tally->members[i];
        member->node.to.notify = notify_member;
        member->tally = tally;
        member->future = futures[i];
        sheaf__monitor_concern(&tally->monitor, sheaf__future_pool(futures[i]));
        sheaf__future_hold(futures[i]); /* a frame's too: its join waits for the end of that */
    }
    if (turns) {
        add_turns(tally, turns);
    }
    return tally;
}

static void free_tally(struct sheaf__tally *tally, sheaf_future **rest)
{
    for (size_t i = 0; i < tally->count; i++) {
        sheaf__future_unhold_later(tally->members[i].future, rest);
    }
    sheaf__free(tally, size_of(tally->count, tally->extra_size, tally->turns != NULL));
}

/* rest: receives members that go with the tally */
static void drop_references_into(struct sheaf__tally *tally, size_t count, sheaf_future **rest)
{
    /* acq_rel: the last one sees what the others did before they let go. */
    if (sheaf__sub_acq_rel(&tally->references, count) == count) {
        free_tally(tally, rest);
    }
}

static void drop_references(struct sheaf__tally *tally, size_t count)
{
    sheaf_future *rest = NULL;
    drop_references_into(tally, count, &rest);
    sheaf__future_unhold_all(rest);
}

/* ---------------------------------------------------------------- counting */

static bool meets_rule(const struct sheaf__tally *tally, const sheaf_future *future)
{
    int status = sheaf__future_outcome(future);
    switch (tally->rule) {
    case SHEAF__RULE_END:
        return true;
    case SHEAF__RULE_ERROR:
        return status != SHEAF_OK && !sheaf_cancelled(future);
    case SHEAF__RULE_BAD:
        return status != SHEAF_OK;
    case SHEAF__RULE_SUCCESS:
        return status == SHEAF_OK;
    default:
        return false;
    }
}

/* Requires: the monitor is entered */
static void append_done(struct sheaf__tally *tally, struct sheaf__member *member)
{
    if (tally->frozen) {
        return;
    }
    member->next_done = NULL;
    if (tally->last_done) {
        tally->last_done->next_done = member;
    } else {
        tally->first_done = member;
    }
    tally->last_done = member;
}

/* Decides if it is time.  Requires: the monitor is entered.  Returns: whether this call did */
static bool decide(struct sheaf__tally *tally)
{
    if (tally->decided || tally->guards > 0 || (!tally->decider && tally->missing > 0)) {
        return false;
    }
    tally->decided = true;
    return true;
}

static void tell_decision(struct sheaf__tally *tally, struct sheaf__ended *more)
{
    if (tally->ops && tally->ops->decided) {
        tally->ops->decided(tally, more);
    }
}

/* A member has ended. */
static void note(struct sheaf__member *member, struct sheaf__ended *more)
{
    struct sheaf__tally *tally = member->tally;
    bool bad = sheaf__future_outcome(member->future) != SHEAF_OK;
    bool met = meets_rule(tally, member->future);
    sheaf__monitor_enter(&tally->monitor);
    member->done = true;
    tally->missing--;
    append_done(tally, member);
    bool first_bad = bad && !tally->first_bad;
    if (first_bad) {
        tally->first_bad = member;
    }
    bool asking = tally->guards > 0;
    if (met && !tally->decider && !tally->decided) {
        tally->decider = member;
    }
    bool decided = decide(tally);
    if (decided || tally->each) {
        sheaf__monitor_notify(&tally->monitor, decided ? SIZE_MAX : 1);
    }
    sheaf__monitor_leave(&tally->monitor);
    if (first_bad && !asking && tally->ops && tally->ops->bad) {
        tally->ops->bad(tally, more);
    }
    if (decided) {
        tell_decision(tally, more);
    }
}

static void note_listed(struct sheaf__member *member, struct sheaf__ended *more)
{
    struct sheaf__tally *tally = member->tally;
    note(member, more);
    drop_references(tally, 1);
}

static void turn_of_member(struct sheaf__turn *turn, struct sheaf__ended *more)
{
    note_listed(SHEAF__CONTAINER(turn, struct sheaf__member_turn, turn)->member, more);
}

static void notify_member(struct sheaf__node *node, sheaf_future *future, struct sheaf__ended *more)
{
    struct sheaf__member *member = SHEAF__CONTAINER(node, struct sheaf__member, node);
    struct sheaf__turn *turn = turn_for(member);
    (void)future;
    if (!turn || !sheaf__turn_take(turn)) {
        note_listed(member, more);
    }
}

/* Notes the members that are done.  Returns: how many */
static size_t note_done(struct sheaf__tally *tally)
{
    size_t noted = 0;
    for (size_t i = 0; i < tally->count; i++) {
        struct sheaf__member *member = &tally->members[i];
        if (sheaf__future_done(member->future)) {
            note(member, NULL);
            noted++;
        }
    }
    return noted;
}

static bool is_decided(struct sheaf__tally *tally)
{
    sheaf__monitor_enter(&tally->monitor);
    bool decided = tally->decided;
    sheaf__monitor_leave(&tally->monitor);
    return decided;
}

/* Nobody but the caller knows of a member that is not listed. */
static size_t enlist_rest(struct sheaf__tally *tally)
{
    size_t unlisted = 0;
    for (size_t i = 0; i < tally->count; i++) {
        struct sheaf__member *member = &tally->members[i];
        if (member->done) {
            continue;
        }
        member->listed = sheaf__future_register(member->future, &member->node);
        if (!member->listed) {
            note(member, NULL);
            unlisted++;
        }
    }
    return unlisted;
}

void sheaf__tally_start(struct sheaf__tally *tally)
{
    size_t unlisted = note_done(tally);
    if (tally->count == 0) {
        sheaf__tally_guard(tally);
        sheaf__tally_unguard(tally, NULL);
    }
    if (is_decided(tally)) {
        unlisted = tally->count;
    } else {
        unlisted += enlist_rest(tally);
    }
    drop_references(tally, unlisted);
}

bool sheaf__tally_guard(struct sheaf__tally *tally)
{
    sheaf__monitor_enter(&tally->monitor);
    bool open = !tally->decided;
    tally->guards += open;
    sheaf__monitor_leave(&tally->monitor);
    return open;
}

void sheaf__tally_unguard(struct sheaf__tally *tally, struct sheaf__ended *more)
{
    sheaf__monitor_enter(&tally->monitor);
    tally->guards--;
    bool decided = decide(tally);
    if (decided) {
        sheaf__monitor_notify(&tally->monitor, SIZE_MAX);
    }
    sheaf__monitor_leave(&tally->monitor);
    if (decided) {
        tell_decision(tally, more);
    }
}

/* ---------------------------------------------------------------- members */

void sheaf__tally_ask(struct sheaf__tally *tally, sheaf_origin origin, struct sheaf__ended *more)
{
    for (size_t i = 0; i < tally->count; i++) {
        sheaf_future *future = tally->members[i].future;
        if (!sheaf__future_done(future)) {
            sheaf__future_ask_into(future, origin, more);
        }
    }
}

void sheaf__tally_mark_looked(struct sheaf__tally *tally, bool to_come)
{
    for (size_t i = 0; i < tally->count; i++) {
        sheaf_future *future = tally->members[i].future;
        bool done = sheaf__future_done(future);
        if (done ? sheaf__future_outcome(future) != SHEAF_OK : to_come) {
            sheaf__future_mark_looked(future);
        }
    }
}

/* Returns: whether the member's end will not be noted any more */
static bool take_back(struct sheaf__member *member)
{
    struct sheaf__turn *turn = turn_for(member);
    return sheaf__future_take_back(member->future, &member->node) ||
           (turn && sheaf__turn_take_back(turn));
}

void sheaf__tally_leave_into(struct sheaf__tally *tally, sheaf_future **rest)
{
    size_t references = 1;
    for (size_t i = 0; i < tally->count; i++) {
        struct sheaf__member *member = &tally->members[i];
        references += member->listed && take_back(member);
    }
    drop_references_into(tally, references, rest);
}

void sheaf__tally_leave(struct sheaf__tally *tally)
{
    sheaf_future *rest = NULL;
    sheaf__tally_leave_into(tally, &rest);
    sheaf__future_unhold_all(rest);
}

/* ---------------------------------------------------------------- for debuggers */

SHEAF__KEPT static const struct sheaf__offset sheaf__offsets_tally[] = {
    {"tally.wanted", offsetof(struct sheaf__tally, monitor.wanted)},
    SHEAF__OFFSET(tally, count),
    SHEAF__OFFSET(tally, members),
    {"member", sizeof(struct sheaf__member)},
    SHEAF__OFFSET(member, future),
    SHEAF__OFFSETS_END,
};
