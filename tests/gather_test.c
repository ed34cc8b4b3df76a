/* Gather: outcomes under every combination of flags, what counts as looked at, nesting without end,
 * members of every kind, and the calls that start what they gather. */
#include "tests/support/fixture.h"
#include "tests/support/members.h"
#include "tests/support/pairings.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ALL_FLAGS = 16, FOUR = 4 };

static bool collects(unsigned flags)
{
    return flags & SHEAF_GATHER_COLLECT;
}

/* Whether the first failure ends all members. */
static bool stops(unsigned flags)
{
    return (flags & SHEAF_GATHER_CANCEL) && !collects(flags);
}

/* Whether the outcome waits for all members, whatever happens. */
static bool joins(unsigned flags)
{
    return (flags & SHEAF_GATHER_JOIN) || collects(flags);
}

/* ---------------------------------------------------------------- every combination of flags */

static void end_if_pending(sheaf_future *promise, int code)
{
    if (code == SHEAF_OK) {
        (void)sheaf_try_resolve(promise, number(10));
    } else if (code == SHEAF_CANCELLED) {
        (void)sheaf_cancel(promise);
    } else {
        (void)sheaf_try_reject(promise, code, "late");
    }
}

/* The second of four fails first; then one gives a value, one fails, one is cancelled. */
static void let_the_second_fail(struct fixture *f, unsigned flags)
{
    sheaf_future *p[FOUR];
    make_promises(NULL, p, FOUR);
    sheaf_future *gather = sheaf_gather_future(p, FOUR, flags);
    EXPECT(!sheaf_done(gather));
    EXPECT_INT(sheaf_reject(p[1], EIO, "first"), SHEAF_OK);
    fixture_turns(2);
    EXPECT_INT(sheaf_done(gather), !joins(flags) || stops(flags));
    EXPECT_INT(sheaf_cancelled(p[0]), stops(flags));
    EXPECT_INT(sheaf_cancelled(p[3]), stops(flags));
    end_if_pending(p[0], SHEAF_OK);
    end_if_pending(p[2], EPIPE);
    fixture_turns(1);
    EXPECT_INT(sheaf_done(gather), !joins(flags) || stops(flags));
    end_if_pending(p[3], SHEAF_CANCELLED);
    fixture_turns(1);
    EXPECT(sheaf_done(gather));
    EXPECT(!sheaf_cancelled(gather));
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(gather, &value), collects(flags) ? SHEAF_OK : EIO);
    if (collects(flags)) {
        const sheaf_value *values = value.ptr;
        EXPECT_INT(values[0].i64, 10);
        EXPECT(values[1].i64 == 0 && values[2].i64 == 0 && values[3].i64 == 0);
    }
    /* Nobody looks at the second failure; it came after the outcome unless that waited for it. */
    bool late = !joins(flags) && !stops(flags) && (flags & SHEAF_GATHER_REPORT_LATE);
    f->unhandled_expected += late;
    sheaf_release(gather);
    sheaf_release_all(p, FOUR);
    EXPECT_INT(fixture_unhandled(f), f->unhandled_expected);
}

static int each_combination_of_flags_ends_as_it_says(void *arg, sheaf_value *result)
{
    (void)result;
    for (unsigned flags = 0; flags < ALL_FLAGS; flags++) {
        let_the_second_fail(arg, flags);
    }
    return SHEAF_OK;
}

/* Members that were done before: the failure with the lower index is the outcome. */
static int each_combination_of_flags_takes_members_that_are_done(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (unsigned flags = 0; flags < ALL_FLAGS; flags++) {
        sheaf_future *p[FOUR];
        make_promises(NULL, p, FOUR);
        EXPECT_INT(sheaf_reject(p[2], EPIPE, "earlier"), SHEAF_OK);
        EXPECT_INT(sheaf_reject(p[1], EIO, "later"), SHEAF_OK);
        EXPECT_INT(sheaf_resolve(p[0], number(10)), SHEAF_OK);
        sheaf_future *gather = sheaf_gather_future(p, FOUR, flags);
        EXPECT_INT(sheaf_done(gather), !joins(flags) || stops(flags));
        EXPECT_INT(sheaf_cancelled(p[3]), stops(flags));
        end_if_pending(p[3], SHEAF_OK);
        EXPECT_INT(sheaf_await(gather, NULL), collects(flags) ? SHEAF_OK : EIO);
        EXPECT_INT(sheaf_future_status(p[2]), EPIPE);
        sheaf_release(gather);
        sheaf_release_all(p, FOUR);
    }
    return SHEAF_OK;
}

/* A request to the gather cancels all promises; a member that was cancelled by then is no failure
 * of its own making. */
static int each_combination_of_flags_passes_a_request_on(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (unsigned flags = 0; flags < ALL_FLAGS; flags++) {
        sheaf_future *p[FOUR];
        make_promises(NULL, p, FOUR);
        sheaf_future *gather = sheaf_gather_future(p, FOUR, flags);
        EXPECT_INT(sheaf_resolve(p[3], number(1)), SHEAF_OK);
        EXPECT(sheaf_cancel_message(gather, "enough"));
        fixture_turns(1);
        EXPECT(sheaf_done(gather) && !sheaf_cancelled(gather));
        EXPECT(!sheaf_cancel(gather));
        EXPECT_INT(sheaf_await(gather, NULL), SHEAF_CANCELLED);
        for (int i = 0; i < 3; i++) {
            EXPECT(sheaf_cancelled(p[i]));
        }
        sheaf_error *error = sheaf_future_error(p[2]);
        EXPECT_TEXT(sheaf_error_message(error), "enough");
        sheaf_error_release(error);
        sheaf_release(gather);
        sheaf_release_all(p, FOUR);
    }
    return SHEAF_OK;
}

/* G11, G13, G14: what a gather ends with when its members do not all give in. */
static int each_combination_of_flags_deals_with_members_that_resist(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (unsigned flags = 0; flags < ALL_FLAGS; flags++) {
        sheaf_future *p[2], *m[2];
        make_promises(NULL, p, 2);
        m[0] = sheaf_spawn(await_and_swallow, p[0]);
        m[1] = sheaf_spawn(await_and_fail, p[1]);
        fixture_settle(2);
        sheaf_future *gather = sheaf_gather_future(m, 2, flags);
        EXPECT(sheaf_cancel(gather));
        EXPECT_INT(sheaf_await(gather, NULL), joins(flags) ? SHEAF_CANCELLED : EPIPE);
        EXPECT(!sheaf_cancelled(gather));
        EXPECT_INT(sheaf_cancelling(m[0]) >= 1, true);
        expect_value(m[0], 9);
        expect_end(m[1], EPIPE);
        sheaf_release(gather);
        sheaf_release_all(p, 2);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- the call under the same flags */

struct call {
    sheaf_future *members[FOUR];
    unsigned flags;
    sheaf_value values[FOUR];
    int statuses[FOUR];
};

static int gather_four(void *arg, sheaf_value *result)
{
    struct call *c = arg;
    (void)result;
    memset(c->values, 0xff, sizeof c->values);
    return sheaf_gather(c->members, FOUR, c->flags, c->values, c->statuses);
}

/* Fails one of four whenever that happens to fall, and looks whether what comes out fits. */
static void fail_one_of_four(struct fixture *f, int pairing, unsigned flags)
{
    struct call c = {.flags = flags};
    struct actor waiter, reader;
    make_promises(f->pool, c.members, FOUR);
    actor_start(&waiter, pairing_first(pairing), f->pool, gather_four, &c);
    EXPECT(sheaf_try_resolve(c.members[0], number(10)));
    EXPECT(sheaf_try_reject(c.members[1], EIO, "broken"));
    if (joins(flags) && !stops(flags)) {
        actor_start(&reader, pairing_second(pairing), f->pool, await_it, c.members[2]);
        EXPECT(sheaf_try_resolve(c.members[2], number(12)));
        EXPECT(sheaf_try_resolve(c.members[3], number(13)));
        EXPECT_INT(actor_join(&reader), SHEAF_OK);
    }
    EXPECT_INT(actor_join(&waiter), collects(flags) ? SHEAF_OK : EIO);
    EXPECT_INT(c.statuses[1], EIO);
    for (int i = 0; i < FOUR; i++) {
        EXPECT_INT(c.values[i].i64, c.statuses[i] == SHEAF_OK ? 10 + i : 0);
    }
    if (stops(flags)) {
        EXPECT(sheaf_cancelled(c.members[2]) && sheaf_cancelled(c.members[3]));
    }
    sheaf_release_all(c.members, FOUR);
}

static void tasks_and_threads_gather_what_others_end(struct fixture *f)
{
    for (unsigned flags = 0; flags < ALL_FLAGS; flags++) {
        for (int pairing = 0; pairing < PAIRINGS; pairing++) {
            fail_one_of_four(f, pairing, flags);
        }
    }
}

static int the_call_hands_out_values_and_statuses_also_when_it_fails(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    struct call c = {.flags = SHEAF_GATHER_RAISE};
    make_promises(NULL, c.members, FOUR);
    EXPECT_INT(sheaf_resolve(c.members[0], number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_reject(c.members[1], EIO, "broken"), SHEAF_OK);
    EXPECT(sheaf_cancel(c.members[3]));
    EXPECT_INT(gather_four(&c, NULL), EIO);
    static const int expected[FOUR] = {SHEAF_OK, EIO, SHEAF_STATE, SHEAF_CANCELLED};
    for (int i = 0; i < FOUR; i++) {
        EXPECT_INT(c.statuses[i], expected[i]);
        EXPECT_INT(c.values[i].i64, i == 0);
    }
    EXPECT_INT(sheaf_gather(c.members, FOUR, SHEAF_GATHER_RAISE, NULL, NULL), EIO);
    sheaf_release_all(c.members, FOUR);
    return SHEAF_OK;
}

static int pass_the_failure_on(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_gather(arg, 2, SHEAF_GATHER_RAISE, NULL, NULL);
}

static int the_error_object_of_the_member_is_what_the_caller_fails_with(void *arg,
                                                                        sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *members[2] = {sheaf_spawn(fail_with_eio, NULL), sheaf_promise(NULL)};
    sheaf_future *caller = sheaf_spawn(pass_the_failure_on, members);
    EXPECT_INT(sheaf_await(caller, NULL), EIO);
    sheaf_error *up = sheaf_future_error(caller), *down = sheaf_future_error(members[0]);
    EXPECT_PTR(up, down);
    EXPECT_TEXT(sheaf_error_message(up), "broken");
    sheaf_error_release(up);
    sheaf_error_release(down);
    sheaf_release(caller);
    sheaf_release_all(members, 2);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- arguments */

static int arguments_that_make_no_sense_are_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *one[2] = {sheaf_promise(NULL), NULL};
    int statuses[2] = {77, 77};
    const size_t too_many = SHEAF_MEMBERS_MAX + 1;
    EXPECT_INT(sheaf_gather(NULL, 1, 0, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather(one, 2, 0, NULL, statuses), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather(one, too_many, 0, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather(one, SIZE_MAX, 0, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather(one, 1, ALL_FLAGS, NULL, statuses), SHEAF_INVALID);
    EXPECT_INT(sheaf_gather(one, 1, 0x80000000U, NULL, statuses), SHEAF_INVALID);
    EXPECT(statuses[0] == 77 && statuses[1] == 77);
    expect_end(sheaf_gather_future(NULL, 1, 0), SHEAF_INVALID);
    expect_end(sheaf_gather_future(one, 2, 0), SHEAF_INVALID);
    expect_end(sheaf_gather_future(one, too_many, 0), SHEAF_INVALID);
    expect_end(sheaf_gather_future(one, 1, ALL_FLAGS), SHEAF_INVALID);
    EXPECT(!sheaf_done(one[0]));
    sheaf_release(one[0]);
    return SHEAF_OK;
}

static int a_gather_of_nothing_is_done(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (unsigned flags = 0; flags < ALL_FLAGS; flags++) {
        EXPECT_INT(sheaf_gather(NULL, 0, flags, NULL, NULL), SHEAF_OK);
        sheaf_future *gather = sheaf_gather_future(NULL, 0, flags);
        EXPECT(sheaf_done(gather) && !sheaf_cancel(gather));
        EXPECT_INT(sheaf_gather_count(gather), 0);
        EXPECT_PTR(sheaf_gather_member(gather, 0), NULL);
        expect_end(gather, SHEAF_OK);
    }
    return SHEAF_OK;
}

static int a_gather_tells_its_members(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[3];
    make_promises(NULL, p, 2);
    p[2] = p[0];
    sheaf_future *gather = sheaf_gather_future(p, 3, 0);
    EXPECT_INT(sheaf_gather_count(gather), 3);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_PTR(sheaf_gather_member(gather, i), p[i]);
    }
    EXPECT_PTR(sheaf_gather_member(gather, 3), NULL);
    EXPECT_PTR(sheaf_gather_member(gather, SIZE_MAX), NULL);
    sheaf_future *shield = sheaf_shield(gather);
    sheaf_future *others[3] = {NULL, p[0], shield};
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(sheaf_gather_count(others[i]), 0);
        EXPECT_PTR(sheaf_gather_member(others[i], 0), NULL);
    }
    EXPECT_INT(sheaf_resolve(gather, number(1)), SHEAF_STATE);
    EXPECT_INT(sheaf_reject(gather, EIO, NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_resolve(p[0], number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(p[1], number(2)), SHEAF_OK);
    EXPECT_INT(sheaf_gather_count(gather), 3);
    sheaf_release_all(p, 2);
    EXPECT_INT(sheaf_result(sheaf_gather_member(gather, 1), NULL), SHEAF_OK);
    expect_end(shield, SHEAF_OK);
    expect_end(gather, SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- duplicates and nesting */

static int what_is_given_several_times_runs_once_and_is_asked_as_often(void *arg,
                                                                       sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(await_and_swallow, promise);
    fixture_settle(1);
    sheaf_future *thrice[3] = {task, task, task};
    sheaf_future *gather = sheaf_gather_future(thrice, 3, SHEAF_GATHER_COLLECT);
    EXPECT(sheaf_cancel(gather));
    EXPECT_INT(sheaf_cancelling(task), 3);
    EXPECT_INT(sheaf_await(gather, NULL), SHEAF_CANCELLED);
    EXPECT_INT(sheaf_await(task, NULL), SHEAF_OK);
    sheaf_release(gather);
    sheaf_value values[3];
    EXPECT_INT(sheaf_gather(thrice, 3, 0, values, NULL), SHEAF_OK);
    EXPECT(values[0].i64 == 9 && values[1].i64 == 9 && values[2].i64 == 9);
    sheaf_release(task);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* A lattice: each level gathers the one below twice, so that 2^LEVELS ways lead to the promise. */
enum { LEVELS = 14 };

static sheaf_future *make_lattice(sheaf_future *promise, unsigned flags)
{
    sheaf_future *top = sheaf_retain(promise);
    for (int i = 0; i < LEVELS; i++) {
        sheaf_future *twice[2] = {top, top};
        top = sheaf_gather_future(twice, 2, flags);
        sheaf_release(twice[0]);
    }
    return top;
}

static int the_same_gather_twice_in_one_many_levels_deep(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (unsigned flags = 0; flags < ALL_FLAGS; flags++) {
        sheaf_future *promise = sheaf_promise(NULL);
        sheaf_future *top = make_lattice(promise, flags);
        EXPECT_INT(sheaf_resolve(promise, number(5)), SHEAF_OK);
        sheaf_value value = {0};
        EXPECT_INT(sheaf_await(top, &value), SHEAF_OK);
        for (int i = 0; i < LEVELS - 1; i++) {
            const sheaf_value *pair = value.ptr;
            EXPECT_PTR(pair[0].ptr, pair[1].ptr);
            value = pair[0];
        }
        EXPECT_INT(((const sheaf_value *)value.ptr)[1].i64, 5);
        sheaf_release(top);
        sheaf_release(promise);
    }
    return SHEAF_OK;
}

static int a_request_comes_down_every_way_of_a_lattice(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (unsigned flags = 0; flags < ALL_FLAGS; flags++) {
        sheaf_future *promise = sheaf_promise(NULL);
        sheaf_future *top = make_lattice(promise, flags);
        EXPECT(sheaf_cancel(top));
        EXPECT(sheaf_cancelled(promise));
        expect_end(top, SHEAF_CANCELLED);
        sheaf_release(promise);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- depth */

/* A gather of a gather of ... a promise.  kept: receives every one of them, or NULL */
static sheaf_future *make_chain(sheaf_future *promise, size_t depth, unsigned flags)
{
    sheaf_future *top = sheaf_retain(promise);
    for (size_t i = 0; i < depth; i++) {
        sheaf_future *below = top;
        top = sheaf_gather_future(&below, 1, flags);
        sheaf_release(below);
    }
    return top;
}

static void expect_chain_value(sheaf_future *top, size_t depth, int64_t expected)
{
    sheaf_value value = {0};
    EXPECT_INT(sheaf_await(top, &value), SHEAF_OK);
    for (size_t i = 0; i < depth; i++) {
        value = *(const sheaf_value *)value.ptr;
    }
    EXPECT_INT(value.i64, expected);
}

/* With the smallest stack that a pool may have. */
static int complete_and_cancel_chains(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    size_t depth = fixture_scaled(100000);
    for (unsigned flags = 0; flags < ALL_FLAGS; flags += 3) {
        sheaf_future *promise = sheaf_promise(NULL);
        sheaf_future *top = make_chain(promise, depth, flags);
        EXPECT_INT(sheaf_resolve(promise, number(7)), SHEAF_OK);
        expect_chain_value(top, depth, 7);
        sheaf_release(promise);
        sheaf_release(top);

        promise = sheaf_promise(NULL);
        top = make_chain(promise, depth, flags);
        EXPECT(sheaf_cancel(top));
        EXPECT(sheaf_cancelled(promise));
        sheaf_release(promise);
        expect_end(top, SHEAF_CANCELLED);

        promise = sheaf_promise(NULL);
        top = make_chain(promise, depth, flags);
        EXPECT_INT(sheaf_reject(promise, EIO, "broken"), SHEAF_OK);
        sheaf_release(promise);
        expect_end(top, flags & SHEAF_GATHER_COLLECT ? SHEAF_OK : EIO);
    }
    return SHEAF_OK;
}

enum { SMALL_STACK = 64 * 1024 };

static int gathers_nest_without_end_on_a_small_stack(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *task = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.stack_size = SMALL_STACK),
                                          complete_and_cancel_chains, NULL);
    expect_end(task, SHEAF_OK);
    return SHEAF_OK;
}

/* Of n gathers each has a promise of its own and the next one's: with CANCEL the first failure
 * falls through all of them. */
static int fell_a_row(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    size_t length = fixture_scaled(100000);
    sheaf_future **p = calloc(length + 1, sizeof *p), **g = calloc(length, sizeof *g);
    make_promises(NULL, p, length + 1);
    for (size_t i = 0; i < length; i++) {
        g[i] = sheaf_gather_future(&p[i], 2, SHEAF_GATHER_CANCEL);
    }
    EXPECT_INT(sheaf_reject(p[0], EIO, "the first"), SHEAF_OK);
    EXPECT_INT(sheaf_await(g[0], NULL), EIO);
    for (size_t i = 1; i < length; i++) {
        EXPECT(sheaf_cancelled(p[i]));
        EXPECT_INT(sheaf_await(g[i], NULL), SHEAF_CANCELLED);
    }
    EXPECT(sheaf_cancelled(p[length]));
    sheaf_release_all(g, length);
    sheaf_release_all(p, length + 1);
    free(g);
    free(p);
    return SHEAF_OK;
}

static int a_failure_falls_through_a_row_of_gathers_on_a_small_stack(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_end(sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.stack_size = SMALL_STACK), fell_a_row, NULL),
               SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- width */

enum { FAN = 40 };

/* FAN gathers of FAN tasks each, of which one awaits what all of them wait for. */
static int a_request_reaches_every_leaf_of_a_wide_tree(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *never = sheaf_promise(NULL);
    sheaf_future *leaves[FAN][FAN], *gathers[FAN];
    for (int i = 0; i < FAN; i++) {
        for (int k = 0; k < FAN; k++) {
            leaves[i][k] = sheaf_spawn(await_it, never);
        }
        gathers[i] = sheaf_gather_future(leaves[i], FAN, SHEAF_GATHER_JOIN);
    }
    sheaf_future *top = sheaf_gather_future(gathers, FAN, SHEAF_GATHER_JOIN);
    EXPECT_INT(sheaf_yield(), SHEAF_OK);
    EXPECT(sheaf_cancel(top));
    expect_end(top, SHEAF_CANCELLED);
    for (int i = 0; i < FAN; i++) {
        EXPECT_INT(sheaf_future_status(gathers[i]), SHEAF_CANCELLED);
        for (int k = 0; k < FAN; k++) {
            EXPECT(sheaf_cancelled(leaves[i][k]));
        }
        sheaf_release_all(leaves[i], FAN);
    }
    sheaf_release_all(gathers, FAN);
    sheaf_release(never);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- members of every kind */

static int members_of_every_kind_are_gathered(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static int64_t numbers[2] = {1, 2};
    sheaf_task frame;
    sheaf_future *promise = sheaf_promise(NULL), *inner = sheaf_promise(NULL);
    sheaf_future *task = sheaf_spawn(give_number, &numbers[0]);
    sheaf_future *in_frame = sheaf_task_spawn(&frame, give_number, &numbers[1]);
    sheaf_future *shield = sheaf_shield(inner);
    sheaf_future *nested = sheaf_gather_future(&inner, 1, 0);
    sheaf_future *failed = sheaf_spawn(NULL, NULL); /* one that no pool owns */
    sheaf_future *all[6] = {task, in_frame, shield, nested, failed, promise};
    sheaf_value values[6];
    int statuses[6];
    EXPECT_INT(sheaf_resolve(promise, number(3)), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(inner, number(4)), SHEAF_OK);
    EXPECT_INT(sheaf_gather(all, 6, SHEAF_GATHER_COLLECT, values, statuses), SHEAF_OK);
    EXPECT(values[0].i64 == 1 && values[1].i64 == 2 && values[2].i64 == 4 && values[5].i64 == 3);
    EXPECT_INT(((const sheaf_value *)values[3].ptr)[0].i64, 4);
    EXPECT_INT(statuses[4], SHEAF_INVALID);
    EXPECT_INT(sheaf_task_join(&frame, NULL), SHEAF_OK);
    sheaf_future *kept[6] = {promise, inner, task, shield, nested, failed};
    sheaf_release_all(kept, 6);
    return SHEAF_OK;
}

/* The call leaves a frame's task behind that goes on; the join waits for it. */
static int a_frame_outlives_a_gather_that_fails_before_it(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (unsigned flags = 0; flags < ALL_FLAGS; flags++) {
        sheaf_task frame;
        sheaf_future *promise = sheaf_promise(NULL), *broken = sheaf_spawn(fail_with_eio, NULL);
        sheaf_future *in_frame = sheaf_task_spawn(&frame, await_and_swallow, promise);
        sheaf_future *both[2] = {in_frame, broken};
        if (joins(flags) && !stops(flags)) {
            EXPECT_INT(sheaf_resolve(promise, number(9)), SHEAF_OK);
        }
        EXPECT_INT(sheaf_gather(both, 2, flags, NULL, NULL), collects(flags) ? SHEAF_OK : EIO);
        (void)sheaf_try_resolve(promise, number(9));
        sheaf_value value = {0};
        int status = sheaf_task_join(&frame, &value);
        /* With CANCEL it may have been asked before it ran. */
        EXPECT((status == SHEAF_OK && value.i64 == 9) ||
               (status == SHEAF_CANCELLED && stops(flags)));
        sheaf_release(promise);
        sheaf_release(broken);
    }
    return SHEAF_OK;
}

static int a_gather_that_is_kept_takes_no_task_in_a_frame(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static int64_t one = 1;
    sheaf_task frame;
    sheaf_future *in_frame = sheaf_task_spawn(&frame, give_number, &one);
    expect_end(sheaf_gather_future(&in_frame, 1, 0), SHEAF_INVALID);
    expect_end(sheaf_shield(in_frame), SHEAF_INVALID);
    EXPECT_INT(sheaf_task_join(&frame, NULL), SHEAF_OK);
    return SHEAF_OK;
}

static int a_request_stops_at_shields_among_the_members(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *p[2];
    make_promises(NULL, p, 2);
    sheaf_future *members[2] = {sheaf_shield(p[0]), p[1]};
    sheaf_future *gather = sheaf_gather_future(members, 2, SHEAF_GATHER_JOIN);
    EXPECT(sheaf_cancel(gather));
    EXPECT(!sheaf_done(p[0]) && sheaf_cancelled(p[1]) && sheaf_cancelled(members[0]));
    expect_end(gather, SHEAF_CANCELLED);
    EXPECT_INT(sheaf_resolve(p[0], number(1)), SHEAF_OK);
    sheaf_release(members[0]);
    sheaf_release_all(p, 2);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- lives */

static int values_are_dropped_once_and_not_before_the_gather_goes(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (unsigned flags = 0; flags < ALL_FLAGS; flags++) {
        forget_dropped_values();
        sheaf_future *p[3] = {promise_with_drop(NULL), promise_with_drop(NULL), NULL};
        p[2] = p[0];
        sheaf_future *gather = sheaf_gather_future(p, 3, flags);
        EXPECT_INT(sheaf_resolve(p[0], number(3)), SHEAF_OK);
        EXPECT_INT(sheaf_resolve(p[1], number(5)), SHEAF_OK);
        sheaf_release_all(p, 2);
        EXPECT_INT(dropped_values(), 0);
        sheaf_value value = {0};
        EXPECT_INT(sheaf_await(gather, &value), SHEAF_OK);
        const sheaf_value *values = value.ptr;
        EXPECT(values[0].i64 == 3 && values[1].i64 == 5 && values[2].i64 == 3);
        EXPECT_INT(dropped_values(), 0);
        sheaf_release(gather);
        EXPECT_INT(dropped_values(), 2);
        EXPECT_INT(sheaf__load_acq(&values_dropped_sum), 8);
    }
    return SHEAF_OK;
}

static int note_done(void *arg, sheaf_future *future)
{
    NOTE("%s:%d", (const char *)arg, sheaf_future_status(future));
    return SHEAF_OK;
}

/* Nobody but its members keeps it: it ends all the same, and its callback runs. */
static int a_gather_that_nobody_holds_ends_and_calls_back(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    sheaf_future *promise = sheaf_promise(NULL);
    sheaf_future *gather = sheaf_gather_future(&promise, 1, 0);
    static char name[] = "gather";
    EXPECT_INT(sheaf_on_done(gather, note_done, name), SHEAF_OK);
    sheaf_release(gather);
    EXPECT_INT(sheaf_reject(promise, EIO, "broken"), SHEAF_OK);
    sheaf_release(promise);
    f->unhandled_expected = 1; /* of the gather, once: the member's counts as looked at */
    return SHEAF_OK;
}

static int gather_in_callback(void *arg, sheaf_future *future)
{
    sheaf_future **made = arg;
    made[0] = sheaf_gather_future(&future, 1, 0);
    made[1] = sheaf_gather_future(&made[2], 1, SHEAF_GATHER_COLLECT);
    made[3] = sheaf_shield(made[2]);
    EXPECT(sheaf_try_resolve(made[4], number(1)));
    return SHEAF_OK;
}

static int gathers_and_shields_are_made_in_callbacks(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *made[5] = {NULL, NULL, sheaf_promise(NULL), NULL, sheaf_promise(NULL)};
    sheaf_future *trigger = sheaf_promise(NULL);
    EXPECT_INT(sheaf_on_done(trigger, gather_in_callback, made), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(trigger, number(2)), SHEAF_OK);
    expect_end(made[4], SHEAF_OK);
    expect_chain_value(made[0], 1, 2);
    EXPECT_INT(sheaf_resolve(made[2], number(4)), SHEAF_OK);
    expect_chain_value(made[1], 1, 4);
    expect_value(made[3], 4);
    sheaf_future *rest[4] = {made[0], made[1], made[2], trigger};
    sheaf_release_all(rest, 4);
    return SHEAF_OK;
}

/* Futures outlive their pool, and can be gathered then. */
static void what_outlives_its_pool_can_be_gathered(struct fixture *f)
{
    static int64_t numbers[2] = {1, 2};
    sheaf_future *tasks[2] = {sheaf_spawn_on(f->pool, give_number, &numbers[0]),
                              sheaf_spawn_on(f->pool, give_number, &numbers[1])};
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    sheaf_future *early = sheaf_gather_future(&promise, 1, 0);
    fixture_close(f);
    sheaf_value values[2];
    EXPECT_INT(sheaf_gather(tasks, 2, 0, values, NULL), SHEAF_OK);
    EXPECT(values[0].i64 == 1 && values[1].i64 == 2);
    sheaf_future *late = sheaf_gather_future(&promise, 1, SHEAF_GATHER_COLLECT);
    sheaf_future *shield = sheaf_shield(promise);
    EXPECT_INT(sheaf_resolve(promise, number(3)), SHEAF_OK);
    expect_chain_value(early, 1, 3);
    expect_chain_value(late, 1, 3);
    expect_value(shield, 3);
    sheaf_future *all[5] = {tasks[0], tasks[1], promise, early, late};
    sheaf_release_all(all, 5);
}

/* ---------------------------------------------------------------- members of other pools */

static int end_after_a_while(void *arg, sheaf_value *result)
{
    (void)arg;
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(5)));
    result->i64 = 4;
    return SHEAF_OK;
}

/* On a virtual clock it must not look as if nobody could ever end them. */
static int gather_from_afar(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_future *far = sheaf_spawn_on(arg, end_after_a_while, NULL);
    sheaf_value value = {0};
    EXPECT_INT(sheaf_gather(&far, 1, 0, &value, NULL), SHEAF_OK);
    EXPECT_INT(value.i64, 4);
    sheaf_release(far);

    far = sheaf_spawn_on(arg, end_after_a_while, NULL);
    EXPECT_INT(sheaf_await_shielded(far, &value), SHEAF_OK);
    sheaf_release(far);

    far = sheaf_spawn_on(arg, end_after_a_while, NULL);
    size_t done = 0;
    EXPECT_INT(sheaf_wait(&far, 1, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, &done), SHEAF_OK);
    EXPECT_INT(done, 1);
    sheaf_release(far);

    far = sheaf_spawn_on(arg, end_after_a_while, NULL);
    sheaf_each *each = NULL;
    sheaf_future *next = NULL;
    EXPECT_INT(sheaf_each_open(&far, 1, SHEAF_FOREVER, &each), SHEAF_OK);
    EXPECT_INT(sheaf_each_next(each, &next), SHEAF_OK);
    sheaf_each_close(each);
    sheaf_release(far);

    sheaf_call call = {end_after_a_while, NULL, NULL};
    EXPECT_INT(sheaf_gather_run(SHEAF_GATHER_OPTIONS(.pool = arg), &call, 1, &value, NULL),
               SHEAF_OK);

    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.pool = arg)), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, end_after_a_while, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
    return SHEAF_OK;
}

static void members_may_belong_to_other_pools(struct fixture *f)
{
    sheaf_pool *other = NULL;
    sheaf_options options = fixture_options(f);
    EXPECT_INT(sheaf_pool_open(SHEAF_OPTIONS(.workers = 1), &other), SHEAF_OK);
    EXPECT_INT(sheaf_run(&options, gather_from_afar, other, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_pool_close(other, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

static const struct fixture_test tests[] = {
    TASK_TEST(each_combination_of_flags_ends_as_it_says),
    TASK_TEST(each_combination_of_flags_takes_members_that_are_done),
    TASK_TEST(each_combination_of_flags_passes_a_request_on),
    TASK_TEST_ON(MODES_SINGLE, each_combination_of_flags_deals_with_members_that_resist),
    THREAD_TEST(tasks_and_threads_gather_what_others_end),
    TASK_TEST(the_call_hands_out_values_and_statuses_also_when_it_fails),
    TASK_TEST(the_error_object_of_the_member_is_what_the_caller_fails_with),
    TASK_TEST(arguments_that_make_no_sense_are_refused),
    TASK_TEST(a_gather_of_nothing_is_done),
    TASK_TEST(a_gather_tells_its_members),
    TASK_TEST_ON(MODES_SINGLE, what_is_given_several_times_runs_once_and_is_asked_as_often),
    TASK_TEST(the_same_gather_twice_in_one_many_levels_deep),
    TASK_TEST(a_request_comes_down_every_way_of_a_lattice),
    TASK_TEST(gathers_nest_without_end_on_a_small_stack),
    TASK_TEST(a_failure_falls_through_a_row_of_gathers_on_a_small_stack),
    TASK_TEST(a_request_reaches_every_leaf_of_a_wide_tree),
    TASK_TEST(members_of_every_kind_are_gathered),
    TASK_TEST(a_frame_outlives_a_gather_that_fails_before_it),
    TASK_TEST(a_gather_that_is_kept_takes_no_task_in_a_frame),
    TASK_TEST(a_request_stops_at_shields_among_the_members),
    TASK_TEST(values_are_dropped_once_and_not_before_the_gather_goes),
    TASK_TEST(a_gather_that_nobody_holds_ends_and_calls_back),
    TASK_TEST(gathers_and_shields_are_made_in_callbacks),
    THREAD_TEST(what_outlives_its_pool_can_be_gathered),
    POOL_TEST(members_may_belong_to_other_pools),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
