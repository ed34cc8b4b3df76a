/* Task groups: who may start and close, what is kept, requests among failures, threads that come
 * from outside at every moment. */
#include "tests/support/fixture.h"
#include "tests/support/members.h"
#include "tests/support/pairings.h"
#include "tests/support/parts.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static int sleep_long(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(100));
}

static int do_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- misuse */

static void count_drop(void *arg)
{
    sheaf__add_acq_rel((SHEAF__ATOMIC(int) *)arg, 1);
}

static int arguments_that_make_no_sense_are_refused(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_group group = {NULL, {0}};
    sheaf_value value = {.i64 = 3};
    sheaf_future *member = NULL;
    EXPECT_INT(sheaf_group_open(NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = 4)), SHEAF_INVALID);
    EXPECT_INT(sheaf_group_open(&group, &(sheaf_group_options){.size = 1}), SHEAF_INVALID);
    EXPECT_INT(sheaf_group_open(&group, &(sheaf_group_options){.size = 4096}), SHEAF_INVALID);
    EXPECT_INT(sheaf_group_start(NULL, do_nothing, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_group_start(&group, do_nothing, NULL), SHEAF_CLOSED);
    expect_end(sheaf_group_spawn(NULL, do_nothing, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_group_cancel(NULL), SHEAF_STATE);
    EXPECT_INT(sheaf_group_cancel(&group), SHEAF_STATE);
    EXPECT_INT(sheaf_group_live(NULL), 0);
    EXPECT_INT(sheaf_group_live(&group), 0);
    EXPECT_INT(sheaf_group_next(NULL, &member), SHEAF_INVALID);
    EXPECT_INT(sheaf_group_next(&group, &member), SHEAF_INVALID);
    EXPECT_INT(sheaf_group_result(NULL, 0, &value), SHEAF_INVALID);
    EXPECT_INT(sheaf_group_close(NULL, SHEAF_OK), SHEAF_STATE);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_STATE);
    sheaf_group_forget(NULL);
    sheaf_group_forget(&group);

    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    SHEAF__ATOMIC(int) drops = 0;
    EXPECT_INT(sheaf_group_start(&group, NULL, NULL), SHEAF_INVALID);
    expect_end(sheaf_group_spawn_with(&group, SHEAF_SPAWN_OPTIONS(.arg_drop = count_drop), NULL,
                                      (void *)(uintptr_t)&drops),
               SHEAF_INVALID);
    EXPECT_INT(sheaf__load_acq(&drops), 1);
    EXPECT_INT(sheaf_group_next(&group, &member), SHEAF_STATE);
    EXPECT_INT(sheaf_group_next(&group, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_group_result(&group, 0, &value), SHEAF_STATE);
    sheaf_group_forget(&group); /* it is not closed: ignored */
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_STATE);
    EXPECT(value.i64 == 3 && !member);
    return SHEAF_OK;
}

static int close_a_stranger(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(sheaf_group_close(arg, EIO), SHEAF_STATE);
    EXPECT_INT(sheaf_group_start(arg, do_nothing, NULL), SHEAF_OK);
    return SHEAF_OK;
}

static int groups_are_closed_in_order_by_who_opened_them(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_group outer, inner;
    EXPECT_INT(sheaf_group_open(&outer, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_open(&inner, SHEAF_GROUP_OPTIONS(.pool = f->pool)), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&outer, EIO), SHEAF_STATE);
    for (int kind = ACTOR_TASK; kind <= ACTOR_THREAD; kind++) {
        struct actor stranger;
        actor_start(&stranger, (enum actor_kind)kind, f->pool, close_a_stranger, &inner);
        EXPECT_INT(actor_join(&stranger), SHEAF_OK);
    }
    EXPECT_INT(sheaf_group_close(&inner, SHEAF_OK), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&outer, SHEAF_OK), SHEAF_OK);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- starting */

/* Joins a member that fails.  The abort comes before its outcome where the owner sleeps (TG8). */
static void join_failing(sheaf_future *member, int code)
{
    int status = sheaf_await(member, NULL);
    EXPECT(status == code || status == SHEAF_CANCELLED);
    EXPECT_INT(sheaf_future_status(member), code);
    sheaf_release(member);
}

static int what_is_started_in_a_shut_group_never_runs(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int how = 0; how < 3; how++) {
        SHEAF__ATOMIC(int) drops = 0;
        sheaf_group group;
        EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
        if (how == 0) {
            EXPECT_INT(sheaf_group_cancel(&group), SHEAF_OK);
            EXPECT_INT(sheaf_group_cancel(&group), SHEAF_OK);
        } else if (how == 1) {
            join_failing(sheaf_group_spawn(&group, fail_with_eio, NULL), EIO);
        } else {
            EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
        }
        EXPECT_INT(sheaf_group_start(&group, sleep_long, NULL), SHEAF_CLOSED);
        sheaf_future *refused =
            sheaf_group_spawn_with(&group, SHEAF_SPAWN_OPTIONS(.arg_drop = count_drop), sleep_long,
                                   (void *)(uintptr_t)&drops);
        EXPECT(sheaf_done(refused));
        expect_end(refused, SHEAF_CLOSED);
        EXPECT_INT(sheaf__load_acq(&drops), 1);
        if (how < 2) {
            EXPECT_INT(sheaf_group_live(&group), 0);
            EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), how == 0 ? SHEAF_OK : EIO);
        }
        EXPECT_INT(sheaf_cancelling(NULL), 0);
        EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    }
    return SHEAF_OK;
}

static int start_in_callback(void *arg, sheaf_future *future)
{
    sheaf_future **told = arg;
    (void)future;
    EXPECT_INT(sheaf_group_start((sheaf_group *)(void *)told[0], do_nothing, NULL), SHEAF_OK);
    EXPECT(sheaf_try_resolve(told[1], number(1)));
    return SHEAF_OK;
}

static int members_are_started_in_callbacks(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
    sheaf_future *told[2] = {(sheaf_future *)(void *)&group, sheaf_promise(NULL)};
    sheaf_future *trigger = sheaf_promise(NULL);
    EXPECT_INT(sheaf_on_done(trigger, start_in_callback, told), SHEAF_OK);
    EXPECT_INT(sheaf_resolve(trigger, number(1)), SHEAF_OK);
    expect_end(told[1], SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
    sheaf_release(trigger);
    return SHEAF_OK;
}

/* A pool that is closed takes nothing: refused, and no failure of the group's. */
static void a_closed_pool_takes_no_members(struct fixture *f)
{
    sheaf_group group;
    sheaf_pool *pool = f->pool;
    SHEAF__ATOMIC(int) drops = 0;
    EXPECT_INT(
        sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.pool = pool, .flags = SHEAF_GROUP_KEEP)),
        SHEAF_OK);
    sheaf_future *held = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = pool)); /* keeps its memory */
    fixture_close(f);
    sheaf_future *refused = sheaf_group_spawn_with(
        &group, SHEAF_SPAWN_OPTIONS(.arg_drop = count_drop), do_nothing, (void *)(uintptr_t)&drops);
    expect_end(refused, SHEAF_CLOSED);
    EXPECT_INT(sheaf__load_acq(&drops), 1);
    EXPECT_INT(sheaf_group_result(&group, 0, NULL), SHEAF_EMPTY);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
    sheaf_group_forget(&group);
    sheaf_release(held);
}

/* ---------------------------------------------------------------- outcomes */

static int fail_with(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_raise(*(const int *)arg, "broken");
}

/* The block and the members in all combinations: what leaves the close, and its parts. */
static int what_leaves_a_group_depends_on_block_and_members(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static const int codes[2] = {EIO, EPIPE};
    static const struct {
        int members, block, status;
        const char *parts;
    } cases[] = {
        {0, SHEAF_OK, SHEAF_OK, NULL},
        {1, SHEAF_OK, EIO, "(EIO)"},
        {0, ENOENT, ENOENT, "(ENOENT)"},
        {1, ENOENT, EIO, "(EIO ENOENT)"},
        {1, SHEAF_CANCELLED, EIO, "(EIO)"},
        {0, SHEAF_CANCELLED, SHEAF_CANCELLED, NULL},
        {0, SHEAF_FATAL, SHEAF_FATAL, "SHEAF_FATAL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sheaf_group group;
        sheaf_error *error = NULL;
        EXPECT_INT(sheaf_group_open(&group, NULL), SHEAF_OK);
        for (int k = 0; k < cases[i].members; k++) {
            sheaf_future *member =
                sheaf_group_spawn(&group, fail_with, (void *)(uintptr_t)&codes[k]);
            join_failing(member, codes[k]);
        }
        EXPECT_INT(sheaf_group_close_error(&group, cases[i].block, &error), cases[i].status);
        if (cases[i].parts) {
            expect_parts(error, cases[i].parts);
        } else {
            EXPECT_PTR(error, NULL);
        }
        EXPECT_INT(sheaf_cancelling(NULL), 0);
        EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    }
    return SHEAF_OK;
}

/* SUPERVISE: each failure is its own. */
static int supervised_failures_stay_apart(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    (void)result;
    static int64_t one = 1;
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = SHEAF_GROUP_SUPERVISE)),
               SHEAF_OK);
    sheaf_future *seen = sheaf_group_spawn(&group, fail_with_eio, NULL);
    EXPECT_INT(sheaf_group_start(&group, fail_with_eio, NULL), SHEAF_OK); /* nobody looks at it */
    EXPECT_INT(sheaf_await(seen, NULL), EIO);
    sheaf_future *after = sheaf_group_spawn(&group, give_number, &one);
    expect_value(after, 1);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
    sheaf_release(seen);
    EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = SHEAF_GROUP_SUPERVISE)),
               SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, sleep_long, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&group, ENOENT), ENOENT); /* the block's own failure aborts */
    f->unhandled_expected = 1;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- KEEP */

static int kept_members_are_taken_in_the_order_of_their_ends(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static int64_t one = 1;
    sheaf_group group;
    sheaf_future *p[3], *member = NULL;
    sheaf_value value = {0};
    make_promises(NULL, p, 3);
    EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = SHEAF_GROUP_KEEP)), SHEAF_OK);
    EXPECT_INT(sheaf_group_next(&group, &member), SHEAF_EMPTY);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(sheaf_group_start(&group, await_it, p[i]), SHEAF_OK);
    }
    EXPECT_INT(sheaf_group_result(&group, 1, &value), SHEAF_STATE);
    EXPECT_INT(sheaf_group_result(&group, 3, &value), SHEAF_EMPTY);
    EXPECT_INT(sheaf_group_result(&group, SIZE_MAX, &value), SHEAF_EMPTY);
    static const int order[3] = {2, 0, 1};
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(sheaf_resolve(p[order[i]], number(order[i])), SHEAF_OK);
        EXPECT_INT(sheaf_group_next(&group, &member), SHEAF_OK);
        expect_value(member, order[i]);
        EXPECT_INT(sheaf_group_result(&group, (size_t)order[i], &value), SHEAF_EMPTY);
    }
    EXPECT_INT(sheaf_resolve(p[1], number(7)), SHEAF_OK);
    EXPECT_INT(sheaf_group_start(&group, give_number, &one), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_STATE);
    EXPECT_INT(sheaf_group_cancel(&group), SHEAF_STATE);
    EXPECT_INT(sheaf_group_start(&group, do_nothing, NULL), SHEAF_CLOSED);
    EXPECT_INT(sheaf_group_result(&group, 1, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 7);
    EXPECT_INT(sheaf_group_result(&group, 3, &value), SHEAF_OK);
    EXPECT_INT(value.i64, 1);
    EXPECT_INT(sheaf_group_next(&group, &member), SHEAF_OK);
    sheaf_release(member);
    sheaf_group_forget(&group);
    EXPECT_INT(sheaf_group_result(&group, 1, &value), SHEAF_INVALID);
    sheaf_group_forget(&group);
    sheaf_release_all(p, 3);
    return SHEAF_OK;
}

/* A failure is told by the close, and kept all the same, also when it was taken before. */
static int kept_failures_are_told_and_kept(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int taken = 0; taken < 2; taken++) {
        sheaf_group group;
        sheaf_future *member = NULL;
        sheaf_error *error = NULL;
        EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = SHEAF_GROUP_KEEP)),
                   SHEAF_OK);
        EXPECT_INT(sheaf_group_start(&group, fail_with_eio, NULL), SHEAF_OK);
        if (taken) {
            int status = sheaf_group_next(&group, &member);
            if (status == SHEAF_CANCELLED) { /* the abort may come first */
                status = sheaf_group_next(&group, &member);
            }
            EXPECT_INT(status, SHEAF_OK);
            expect_end(member, EIO);
        }
        EXPECT_INT(sheaf_group_close_error(&group, SHEAF_OK, &error), EIO);
        expect_parts(error, "(EIO)");
        EXPECT_INT(sheaf_group_result(&group, 0, NULL), taken ? SHEAF_EMPTY : EIO);
        sheaf_group_forget(&group);
        EXPECT_INT(sheaf_cancelling(NULL), 0);
    }
    return SHEAF_OK;
}

static int values_of_kept_members_are_dropped_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    static int64_t numbers[3] = {1, 2, 3};
    forget_dropped_values();
    sheaf_group group;
    sheaf_future *member = NULL;
    EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = SHEAF_GROUP_KEEP)), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        sheaf_release(sheaf_group_spawn_with(&group, SHEAF_SPAWN_OPTIONS(.value_drop = drop_value),
                                             give_number, &numbers[i]));
    }
    EXPECT_INT(sheaf_group_next(&group, &member), SHEAF_OK);
    EXPECT_INT(sheaf_take(member, NULL), SHEAF_OK);
    sheaf_release(member);
    EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
    EXPECT_INT(dropped_values(), 0);
    sheaf_group_forget(&group);
    EXPECT_INT(dropped_values(), 2);
    return SHEAF_OK;
}

enum { CROWD = 64 };

static int take_until_empty(void *arg, sheaf_value *result)
{
    sheaf_future *member;
    int status;
    while ((status = sheaf_group_next(arg, &member)) == SHEAF_OK) {
        sheaf_value value = {0};
        EXPECT_INT(sheaf_join(member, &value), SHEAF_OK);
        result->i64 += value.i64;
    }
    EXPECT_INT(status, SHEAF_EMPTY);
    return SHEAF_OK;
}

/* Who takes members and who closes do not know of each other. */
static void members_are_taken_while_the_group_is_closed(struct fixture *f)
{
    static int64_t ones[CROWD];
    for (int round = 0; round < 2 * PAIRINGS; round++) {
        sheaf_group group;
        struct actor takers[2];
        EXPECT_INT(sheaf_group_open(
                       &group, SHEAF_GROUP_OPTIONS(.pool = f->pool, .flags = SHEAF_GROUP_KEEP)),
                   SHEAF_OK);
        for (int i = 0; i < CROWD; i++) {
            ones[i] = 1;
            EXPECT_INT(sheaf_group_start(&group, give_number, &ones[i]), SHEAF_OK);
        }
        actor_start(&takers[0], pairing_first(round / 2), f->pool, take_until_empty, &group);
        actor_start(&takers[1], pairing_second(round / 2), f->pool, take_until_empty, &group);
        EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
        EXPECT_INT(actor_join(&takers[0]), SHEAF_OK);
        EXPECT_INT(actor_join(&takers[1]), SHEAF_OK);
        EXPECT_INT(takers[0].value.i64 + takers[1].value.i64, CROWD);
        sheaf_group_forget(&group);
    }
}

/* ---------------------------------------------------------------- requests */

static int cancel_the_group(void *arg, sheaf_value *result)
{
    (void)result;
    EXPECT_INT(sheaf_group_cancel(arg), SHEAF_OK);
    return SHEAF_OK;
}

static void anybody_may_cancel_a_group_of_a_thread(struct fixture *f)
{
    for (int kind = ACTOR_TASK; kind <= ACTOR_THREAD; kind++) {
        sheaf_group group;
        struct actor other;
        EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.pool = f->pool)), SHEAF_OK);
        sheaf_future *never = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
        EXPECT_INT(sheaf_group_start(&group, await_it, never), SHEAF_OK);
        actor_start(&other, (enum actor_kind)kind, f->pool, cancel_the_group, &group);
        EXPECT_INT(sheaf_group_close(&group, SHEAF_OK), SHEAF_OK);
        EXPECT_INT(actor_join(&other), SHEAF_OK);
        sheaf_release(never);
    }
}

struct asked {
    sheaf_group group;
    sheaf_future *stubborn; /* what a member waits for, deaf to requests */
    bool in_block;          /* the owner hears of the group's request in the block, not the close */
    int status;
    int checkpoint;
};

static int be_deaf(void *arg, sheaf_value *result)
{
    EXPECT_INT(sheaf_mask_begin(), SHEAF_OK);
    int status = sheaf_await(arg, result);
    EXPECT_INT(sheaf_mask_end(), SHEAF_OK);
    EXPECT_INT(sheaf_checkpoint(), SHEAF_CANCELLED);
    return status;
}

static int own_a_cancelled_group(void *arg, sheaf_value *result)
{
    struct asked *a = arg;
    (void)result;
    SHEAF_TRY(sheaf_group_open(&a->group, NULL));
    EXPECT_INT(sheaf_group_start(&a->group, be_deaf, a->stubborn), SHEAF_OK);
    int status = a->in_block ? sheaf_sleep(SHEAF_S(100)) : SHEAF_OK;
    a->status = sheaf_group_close(&a->group, a->in_block ? SHEAF_OK : status);
    a->checkpoint = sheaf_checkpoint();
    return SHEAF_OK;
}

/* A group that is cancelled ends well, unless somebody else asks its owner: before or behind that,
 * in the block or in the close. */
static int a_request_of_others_is_heard_in_a_cancelled_group(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 8; i++) {
        struct asked a = {.stubborn = sheaf_promise(NULL), .in_block = i & 1};
        sheaf_future *owner = sheaf_spawn(own_a_cancelled_group, &a);
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
        bool by_others = i & 2, first = i & 4;
        if (by_others && first) {
            EXPECT(sheaf_cancel_message(owner, "enough"));
            EXPECT_INT(sheaf_yield(), SHEAF_OK);
        }
        EXPECT_INT(sheaf_group_cancel(&a.group), SHEAF_OK);
        EXPECT_INT(sheaf_yield(), SHEAF_OK);
        if (by_others && !first) {
            EXPECT(sheaf_cancel_message(owner, "enough"));
            EXPECT_INT(sheaf_yield(), SHEAF_OK);
        }
        EXPECT_INT(sheaf_resolve(a.stubborn, number(1)), SHEAF_OK);
        EXPECT_INT(sheaf_await(owner, NULL), SHEAF_OK);
        /* Also where the block has swallowed it: what counts is the count, as for a limit. */
        EXPECT_INT(a.status, by_others ? SHEAF_CANCELLED : SHEAF_OK);
        EXPECT_INT(a.checkpoint, SHEAF_OK);
        EXPECT_INT(sheaf_cancelling(owner), by_others);
        sheaf_release(owner);
        sheaf_release(a.stubborn);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- from outside, at every moment */

enum { STRANGERS = 3 };

struct besieged {
    sheaf_group group;
    sheaf_group_options options;
    SHEAF__ATOMIC(int) opened, over;
    SHEAF__ATOMIC(int64_t) started, ran, refused;
};

static int count_run(void *arg, sheaf_value *result)
{
    struct besieged *b = arg;
    (void)result;
    sheaf__add_acq_rel(&b->ran, 1);
    return sheaf_current() ? sheaf_yield() : SHEAF_OK;
}

static void count_refusal(void *arg)
{
    struct besieged *b = arg;
    sheaf__add_acq_rel(&b->refused, 1);
}

/* Starts members, looks, cancels: before, during and after the close. */
static void *besiege(void *arg)
{
    struct besieged *b = arg;
    while (!sheaf__load_acq(&b->opened)) {
        sched_yield();
    }
    for (int i = 0; !sheaf__load_acq(&b->over); i++) {
        sheaf__add_acq_rel(&b->started, 1);
        sheaf_release(sheaf_group_spawn_with(
            &b->group, SHEAF_SPAWN_OPTIONS(.arg_drop = count_refusal), count_run, b));
        (void)sheaf_group_live(&b->group);
        if (i % 16 == 15) {
            int status = sheaf_group_cancel(&b->group);
            EXPECT(status == SHEAF_OK || status == SHEAF_STATE);
        }
    }
    return NULL;
}

static int own_a_besieged_group(void *arg, sheaf_value *result)
{
    struct besieged *b = arg;
    (void)result;
    EXPECT_INT(sheaf_group_open(&b->group, &b->options), SHEAF_OK);
    sheaf__store_rel(&b->opened, 1);
    for (int i = 0; i < 3; i++) {
        if (sheaf_current()) {
            (void)sheaf_yield();
        }
    }
    EXPECT_INT(sheaf_group_close(&b->group, SHEAF_OK), SHEAF_OK);
    if (sheaf_current()) {
        EXPECT_INT(sheaf_cancelling(NULL), 0);
        EXPECT_INT(sheaf_checkpoint(), SHEAF_OK);
    }
    return SHEAF_OK;
}

static void a_group_stands_a_siege(struct fixture *f)
{
    for (size_t round = 0; round < 10 + fixture_scaled(200); round++) {
        struct besieged b = {.options = {.size = sizeof b.options, .pool = f->pool}};
        pthread_t strangers[STRANGERS];
        struct actor owner;
        for (int i = 0; i < STRANGERS; i++) {
            EXPECT_INT(pthread_create(&strangers[i], NULL, besiege, &b), 0);
        }
        actor_start(&owner, round % 2 ? ACTOR_THREAD : ACTOR_TASK, f->pool, own_a_besieged_group,
                    &b);
        EXPECT_INT(actor_join(&owner), SHEAF_OK);
        sheaf__store_rel(&b.over, 1);
        for (int i = 0; i < STRANGERS; i++) {
            pthread_join(strangers[i], NULL);
        }
        EXPECT_INT(sheaf__load_acq(&b.ran) + sheaf__load_acq(&b.refused),
                   sheaf__load_acq(&b.started));
    }
}

static const struct fixture_test tests[] = {
    TASK_TEST(arguments_that_make_no_sense_are_refused),
    TASK_TEST(groups_are_closed_in_order_by_who_opened_them),
    TASK_TEST(what_is_started_in_a_shut_group_never_runs),
    TASK_TEST(members_are_started_in_callbacks),
    THREAD_TEST(a_closed_pool_takes_no_members),
    TASK_TEST(what_leaves_a_group_depends_on_block_and_members),
    TASK_TEST(supervised_failures_stay_apart),
    TASK_TEST(kept_members_are_taken_in_the_order_of_their_ends),
    TASK_TEST(kept_failures_are_told_and_kept),
    TASK_TEST(values_of_kept_members_are_dropped_once),
    THREAD_TEST(members_are_taken_while_the_group_is_closed),
    THREAD_TEST(anybody_may_cancel_a_group_of_a_thread),
    TASK_TEST_ON(MODE_1 | MODE_FIFO, a_request_of_others_is_heard_in_a_cancelled_group),
    THREAD_TEST(a_group_stands_a_siege),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
