/* sheaf_wait(): until enough of some futures are done. */
#include <sheaf/gather.h>
#include <sheaf/task.h>

#include "lib/future_impl.h"
#include "lib/tally.h"
#include "lib/turn.h"
#include "lib/waiting.h"

static int rule_for(sheaf_when when, enum sheaf__rule *rule)
{
    switch (when) {
    case SHEAF_ALL_COMPLETED:
        *rule = SHEAF__RULE_ALL;
        return SHEAF_OK;
    case SHEAF_FIRST_COMPLETED:
        *rule = SHEAF__RULE_END;
        return SHEAF_OK;
    case SHEAF_FIRST_ERROR:
        *rule = SHEAF__RULE_ERROR;
        return SHEAF_OK;
    default:
        return SHEAF_INVALID;
    }
}

sheaf_pool *sheaf__clock_of(sheaf_future *const *futures, size_t count)
{
    sheaf_pool *pool = sheaf_current() ? sheaf_pool_current() : NULL;
    for (size_t i = 0; i < count && !pool; i++) {
        pool = sheaf__future_pool(futures[i]);
        pool = pool && sheaf__pool_is_lost(pool) ? NULL : pool; /* its clock is not kept here */
    }
    return pool;
}

static void ask_all(sheaf_future *const *futures, size_t count, sheaf_origin origin)
{
    for (size_t i = 0; i < count; i++) {
        if (!sheaf__future_done(futures[i])) {
            sheaf__future_ask(futures[i], origin, NULL);
        }
    }
}

int sheaf__cancel_and_join(sheaf_future *const *futures, size_t count, sheaf_origin origin)
{
    int status = SHEAF_OK;
    unsigned turns = 0;
    ask_all(futures, count, origin);
    for (size_t i = 0; i < count; i++) {
        while (!sheaf__future_done(futures[i])) {
            int woken = sheaf__future_wait(futures[i], SHEAF_FOREVER);
            if (woken == SHEAF_CANCELLED) {
                status = woken;
                ask_all(&futures[i], count - i, SHEAF_ORIGIN_AWAITER);
            } else if (woken == SHEAF_CYCLE || woken == SHEAF_STATE) {
                return SHEAF_CYCLE;
            } else if (woken != SHEAF_OK) {
                sheaf__spin_wait(&turns); /* the system refuses a thread what it sleeps on */
            }
        }
    }
    return status;
}

int sheaf__give_way(void)
{
    int status = sheaf_yield();
    if (status == SHEAF_OK && sheaf__turns_here()) {
        status = sheaf_yield();
    }
    return status == SHEAF_NOTASK ? SHEAF_OK : status;
}

/* Returns: SHEAF_OK, also when the time has passed; SHEAF_CANCELLED, SHEAF_NOMEM */
static int wait_for_decision(struct sheaf__tally *tally, sheaf_pool *pool, sheaf_time deadline)
{
    int status = SHEAF_OK;
    sheaf__monitor_enter(&tally->monitor);
    bool waited = !tally->decided;
    while (!tally->decided && status == SHEAF_OK) {
        status = sheaf__monitor_wait(&tally->monitor, pool, "futures", deadline);
    }
    sheaf__monitor_leave(&tally->monitor);
    if (!waited) {
        return sheaf__give_way();
    }
    return status == SHEAF_TIMEOUT ? SHEAF_OK : status;
}

/* Puts the done ones first, in the order of their ends.  A member may be done and not noted yet. */
static size_t partition(struct sheaf__tally *tally, sheaf_future **futures)
{
    size_t done = 0;
    sheaf__monitor_enter(&tally->monitor);
    tally->frozen = true;
    sheaf__monitor_leave(&tally->monitor);
    for (struct sheaf__member *member = tally->first_done; member; member = member->next_done) {
        futures[done++] = member->future;
        member->told = true;
    }
    size_t pending = tally->count;
    for (size_t i = tally->count; i-- > 0;) {
        struct sheaf__member *member = &tally->members[i];
        if (!member->told && !sheaf__future_done(member->future)) {
            futures[--pending] = member->future;
            member->told = true;
        }
    }
    for (size_t i = 0; i < tally->count; i++) {
        if (!tally->members[i].told) {
            futures[done++] = tally->members[i].future;
        }
    }
    return done;
}

/* What is done with a wait that has ended well.  Returns: how many are done */
typedef size_t finish_fn(struct sheaf__tally *tally, void *context);

static int wait_and(sheaf_future *const *futures, size_t count, enum sheaf__rule rule,
                    sheaf_time deadline, finish_fn *finish, void *context, size_t *done)
{
    struct sheaf__tally *tally = sheaf__tally_new(futures, count, rule, NULL, 0);
    if (!tally) {
        return SHEAF_NOMEM;
    }
    sheaf__tally_start(tally);
    int status = wait_for_decision(tally, sheaf__clock_of(futures, count), deadline);
    if (status == SHEAF_OK) {
        size_t ended = finish(tally, context);
        if (done) {
            *done = ended;
        }
    }
    sheaf__tally_leave(tally);
    return status;
}

static bool arguments_fit(sheaf_future *const *futures, size_t count, sheaf_when when,
                          enum sheaf__rule *rule)
{
    return rule_for(when, rule) == SHEAF_OK && count > 0 && sheaf__futures_valid(futures, count);
}

static sheaf_time deadline_of(sheaf_future *const *futures, size_t count, sheaf_duration limit)
{
    return sheaf_time_add(sheaf_pool_now(sheaf__clock_of(futures, count)), limit);
}

static size_t finish_partition(struct sheaf__tally *tally, void *context)
{
    return partition(tally, context);
}

int sheaf_wait_until(sheaf_future **futures, size_t count, sheaf_when when, sheaf_time deadline,
                     size_t *done)
{
    enum sheaf__rule rule;
    if (!arguments_fit(futures, count, when, &rule)) {
        return SHEAF_INVALID;
    }
    return wait_and(futures, count, rule, deadline, finish_partition, futures, done);
}

int sheaf_wait(sheaf_future **futures, size_t count, sheaf_when when, sheaf_duration limit,
               size_t *done)
{
    enum sheaf__rule rule;
    if (!arguments_fit(futures, count, when, &rule)) {
        return SHEAF_INVALID;
    }
    sheaf_time deadline = deadline_of(futures, count, limit);
    return wait_and(futures, count, rule, deadline, finish_partition, futures, done);
}

static size_t finish_flags(struct sheaf__tally *tally, void *context)
{
    bool *flags = context;
    size_t done = 0;
    for (size_t i = 0; i < tally->count; i++) {
        bool ended = sheaf__future_done(tally->members[i].future);
        done += ended;
        if (flags) {
            flags[i] = ended;
        }
    }
    return done;
}

int sheaf_wait_flags(sheaf_future *const *futures, size_t count, sheaf_when when,
                     sheaf_duration limit, bool *flags, size_t *done)
{
    enum sheaf__rule rule;
    if (!arguments_fit(futures, count, when, &rule)) {
        return SHEAF_INVALID;
    }
    sheaf_time deadline = deadline_of(futures, count, limit);
    return wait_and(futures, count, rule, deadline, finish_flags, flags, done);
}
