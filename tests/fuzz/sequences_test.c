/* Sequences of calls that nobody would think of, and a model that says what comes of each.
 *
 * A program drawn from a seed makes tasks, promises, gathers, shields, groups and tasks that await
 * all these, with and without a limit; it asks, settles and waits, on a virtual clock.  After each
 * call it compares everything with the model.  A second test gives the model a mistake, each in
 * turn, which must then show.
 *
 * SHEAF_FUZZ_SEED and SHEAF_FUZZ_COUNT say which programs run, SHEAF_FUZZ_STEPS how long they
 * are. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sheaf.h>
#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/atomics.h"
#include "tests/fuzz/model.h"

enum { PAUSE = 64, LONGEST = 20 * MODEL_ROUND, LOG_LINES = 400, LINE = 120, FIRST_CODE = 1000 };

struct shared {
    sheaf_future *future, *awaited;
    size_t members; /* of its group */
    int64_t at, more;
    int status;
    SHEAF__ATOMIC(int) calls; /* of its callback */
};

struct program {
    struct model model;
    uint64_t random;
    sheaf_time begin;
    struct shared things[MODEL_THINGS];
    char log[LOG_LINES][LINE];
    size_t lines;
    bool flat; /* no gathers of what may hand requests on */
    size_t steps;
    char wrong[300];
};

/* ---------------------------------------------------------------- what is said */

static void note(struct program *p, const char *format, ...) SHEAF__PRINTF(2, 3);
static void note(struct program *p, const char *format, ...)
{
    if (p->lines < LOG_LINES) {
        va_list list;
        int used = snprintf(p->log[p->lines], LINE, "%4" PRId64 "  ", p->model.now);
        va_start(list, format);
        vsnprintf(p->log[p->lines++] + used, (size_t)(LINE - used), format, list);
        va_end(list);
    }
}

static bool expect(struct program *p, const char *what, size_t index, int64_t is, int64_t expected)
{
    if (is != expected && !p->wrong[0]) {
        snprintf(p->wrong, sizeof p->wrong,
                 "%s of %zu at %" PRId64 " is %" PRId64 ", by the model %" PRId64, what, index,
                 p->model.now, is, expected);
    }
    return is == expected;
}

/* ---------------------------------------------------------------- chance */

static uint64_t draw(struct program *p, uint64_t below)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return p->random % below;
}

static size_t draw_thing(struct program *p)
{
    return (size_t)draw(p, p->model.count);
}

static size_t draw_members(struct program *p, size_t members[MODEL_MEMBERS])
{
    size_t count = 1 + (size_t)draw(p, MODEL_MEMBERS);
    for (size_t i = 0; i < count; i++) {
        do {
            members[i] = draw_thing(p);
        } while (p->flat && p->model.things[members[i]].kind > MODEL_PROMISE);
    }
    return count;
}

/* ---------------------------------------------------------------- bodies */

static sheaf_time time_of(const struct program *p, int64_t at)
{
    return p->begin + SHEAF_MS(at);
}

static struct program *running;

static int64_t now_of(const struct program *p)
{
    return (sheaf_now() - p->begin) / SHEAF_MS(1);
}

static size_t index_in_program(const struct shared *t)
{
    return (size_t)(t - running->things);
}

static sheaf_time own_time(const struct shared *t, int64_t earliest)
{
    return time_of(running, model_time(index_in_program(t), earliest));
}

/* Ends cancelled, at the next time of its own. */
static int die(const struct shared *t)
{
    sheaf_time until = own_time(t, now_of(running) + 1);
    while (sheaf_sleep_until(until) == SHEAF_CANCELLED) {
    }
    return SHEAF_CANCELLED;
}

static int sleeps(void *arg, sheaf_value *result)
{
    struct shared *t = arg;
    if (sheaf_sleep_until(time_of(running, t->at)) == SHEAF_CANCELLED) {
        return die(t);
    }
    result->i64 = (int64_t)index_in_program(t);
    return t->status ? sheaf_raise(t->status, "as it was told") : SHEAF_OK;
}

/* Sleeps to the first time of its own that is so much later.  Requests of the present time, before
 * the sleep or in it, are one; `asked` receives whether there was one in it. */
static int sleep_on(const struct shared *t, int64_t more, bool *asked)
{
    int64_t now = now_of(running);
    int status;
    *asked = false;
    while ((status = sheaf_sleep_until(own_time(t, now + more))) == SHEAF_CANCELLED &&
           now_of(running) == now) {
        *asked = true;
    }
    return status == SHEAF_CANCELLED ? die(t) : status;
}

static int sleeps_on(void *arg, sheaf_value *result)
{
    struct shared *t = arg;
    bool again;
    if (sheaf_sleep_until(time_of(running, t->at)) == SHEAF_CANCELLED) {
        SHEAF_TRY(sleep_on(t, t->more, &again));
    }
    result->i64 = (int64_t)index_in_program(t);
    return SHEAF_OK;
}

static int end_awaiting(const struct shared *t, int status)
{
    bool asked;
    SHEAF_TRY(sleep_on(t, 1, &asked));
    return asked ? SHEAF_CANCELLED : status;
}

static int awaits(void *arg, sheaf_value *result)
{
    struct shared *t = arg;
    return end_awaiting(t, sheaf_await(t->awaited, result));
}

static int awaits_in_scope(void *arg, sheaf_value *result)
{
    struct shared *t = arg;
    sheaf_timeout scope;
    SHEAF_TRY(sheaf_timeout_begin_until(&scope, time_of(running, t->at), 0));
    return end_awaiting(t, sheaf_timeout_end(&scope, sheaf_await(t->awaited, result)));
}

static void keep(struct program *p, size_t index, sheaf_future *future);

/* Its members are the things after it. */
static int has_group(void *arg, sheaf_value *result)
{
    struct shared *t = arg;
    sheaf_group group;
    (void)result;
    SHEAF_TRY(sheaf_group_open(&group, NULL));
    for (size_t i = 1; i <= t->members; i++) {
        keep(running, index_in_program(t + i), sheaf_group_spawn(&group, sleeps, t + i));
    }
    int status = sheaf_sleep_until(time_of(running, t->at));
    bool asked;
    status = sheaf_group_close(&group, status ? status : t->status);
    SHEAF_TRY(sleep_on(t, 1, &asked));
    return asked && status == SHEAF_OK ? SHEAF_CANCELLED : status;
}

static int count_call(void *arg, sheaf_future *future)
{
    struct shared *t = arg;
    (void)future;
    sheaf__add_acq_rel(&t->calls, 1);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- making things */

static void keep(struct program *p, size_t index, sheaf_future *future)
{
    p->things[index].future = future;
    expect(p, "the registration", index, sheaf_on_done(future, count_call, &p->things[index]),
           SHEAF_OK);
}

static struct shared *prepare(struct program *p)
{
    struct shared *t = &p->things[p->model.count];
    *t = (struct shared){.status = SHEAF_OK};
    t->at = model_time(p->model.count, p->model.now + (int64_t)draw(p, LONGEST));
    t->more = (int64_t)draw(p, LONGEST);
    return t;
}

/* Returns: what the body needs, with the body still to be started */
static struct shared *add_sleeper(struct program *p)
{
    struct shared *t = prepare(p);
    t->status = draw(p, 3) ? SHEAF_OK : FIRST_CODE + (int)p->model.count;
    size_t index = model_sleeper(&p->model, t->at, t->status);
    note(p, "%zu = sleeper to %" PRId64 ", status %d", index, t->at, t->status);
    return t;
}

static void make_sleeper(struct program *p)
{
    struct shared *t = add_sleeper(p);
    keep(p, p->model.count - 1, sheaf_spawn(sleeps, t));
}

static void make_stubborn(struct program *p)
{
    struct shared *t = prepare(p);
    size_t index = model_stubborn(&p->model, t->at, t->more);
    note(p, "%zu = stubborn to %" PRId64 ", %" PRId64 " more", index, t->at, t->more);
    keep(p, index, sheaf_spawn(sleeps_on, t));
}

static void make_promise(struct program *p)
{
    (void)prepare(p);
    size_t index = model_promise(&p->model);
    note(p, "%zu = promise", index);
    keep(p, index, sheaf_promise(NULL));
}

static void members_text(const size_t *members, size_t count, char text[40])
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, 40 - used, " %zu", members[i]);
    }
}

static void futures_of(const struct program *p, const size_t *members, size_t count,
                       sheaf_future **futures)
{
    for (size_t i = 0; i < count; i++) {
        futures[i] = p->things[members[i]].future;
    }
}

static void make_gather(struct program *p)
{
    size_t members[MODEL_MEMBERS];
    sheaf_future *futures[MODEL_MEMBERS];
    char text[40];
    (void)prepare(p);
    size_t count = draw_members(p, members);
    uint64_t kind = draw(p, 3);
    members_text(members, count, text);
    futures_of(p, members, count, futures);
    unsigned flags = kind == 1   ? SHEAF_GATHER_COLLECT
                     : kind == 2 ? SHEAF_GATHER_CANCEL | SHEAF_GATHER_JOIN
                                 : SHEAF_GATHER_RAISE;
    note(p, "%zu = gather%s of%s", p->model.count,
         kind == 1   ? " that collects"
         : kind == 2 ? " that cancels"
                     : "",
         text);
    size_t index = model_gather(&p->model, members, count, kind == 1, kind == 2);
    keep(p, index, sheaf_gather_future(futures, count, flags));
}

static void make_shield(struct program *p)
{
    (void)prepare(p);
    size_t of = draw_thing(p);
    size_t index = model_shield(&p->model, of);
    note(p, "%zu = shield of %zu", index, of);
    keep(p, index, sheaf_shield(p->things[of].future));
}

static void make_group(struct program *p)
{
    size_t members = 1 + (size_t)draw(p, MODEL_MEMBERS - 1);
    if (p->model.count + members >= MODEL_THINGS) {
        return;
    }
    struct shared *t = prepare(p);
    t->members = members;
    t->status = draw(p, 4) ? SHEAF_OK : FIRST_CODE + (int)p->model.count;
    size_t index = model_group(&p->model, members, t->at, t->status);
    note(p, "%zu = group of %zu, block to %" PRId64 ", status %d", index, members, t->at,
         t->status);
    for (size_t i = 0; i < members; i++) {
        (void)add_sleeper(p);
    }
    keep(p, index, sheaf_spawn(has_group, t));
}

static void make_waiter(struct program *p)
{
    struct shared *t = prepare(p);
    size_t of = draw_thing(p);
    t->awaited = p->things[of].future;
    size_t index = model_waiter(&p->model, of);
    note(p, "%zu = waiter for %zu", index, of);
    keep(p, index, sheaf_spawn(awaits, t));
}

static void make_limit(struct program *p)
{
    struct shared *t = prepare(p);
    size_t of = draw_thing(p);
    t->awaited = p->things[of].future;
    size_t index = model_limit(&p->model, of, t->at);
    note(p, "%zu = waiter for %zu, limit at %" PRId64, index, of, t->at);
    keep(p, index, sheaf_spawn(awaits_in_scope, t));
}

/* ---------------------------------------------------------------- doing things */

static void ask(struct program *p)
{
    size_t index = draw_thing(p);
    note(p, "cancel %zu", index);
    bool expected = model_cancel(&p->model, index);
    expect(p, "what cancel() returns", index, sheaf_cancel(p->things[index].future), expected);
}

static void settle(struct program *p)
{
    size_t index = draw_thing(p);
    if (p->model.things[index].kind != MODEL_PROMISE) {
        return;
    }
    sheaf_future *promise = p->things[index].future;
    int status = draw(p, 2) ? SHEAF_OK : FIRST_CODE + (int)index;
    note(p, "settle %zu with %d", index, status);
    bool expected = model_settle(&p->model, index, status);
    bool was = status ? sheaf_try_reject(promise, status, "rejected")
                      : sheaf_try_resolve(promise, (sheaf_value){.i64 = (int64_t)index});
    expect(p, "whether settling works", index, was, expected);
}

static bool one_is_done(const struct model *m, const void *what)
{
    return m->things[*(const size_t *)what].done;
}

static void await_for(struct program *p)
{
    size_t index = draw_thing(p);
    int64_t limit = 2 * (int64_t)draw(p, LONGEST / 2);
    note(p, "await %zu for %" PRId64, index, limit);
    bool done = model_until(&p->model, one_is_done, &index, p->model.now + limit);
    sheaf_value value = {.i64 = -1};
    int status = sheaf_await_for(p->things[index].future, SHEAF_MS(limit), &value);
    const struct model_thing *t = &p->model.things[index];
    expect(p, "the limited wait", index, status, done ? t->status : SHEAF_TIMEOUT);
    if (status == SHEAF_OK && t->kind <= MODEL_PROMISE) {
        expect(p, "the value", index, value.i64, (int64_t)index);
    }
}

/* After the limit it is asked, once; what goes on all the same is waited for. */
static void wait_for(struct program *p)
{
    size_t index = draw_thing(p);
    int64_t limit = 2 * (1 + (int64_t)draw(p, LONGEST / 2));
    note(p, "wait_for %zu, %" PRId64, index, limit);
    bool late = !model_until(&p->model, one_is_done, &index, p->model.now + limit);
    if (late) {
        model_cancel(&p->model, index);
        if (!model_until(&p->model, one_is_done, &index, MODEL_NEVER)) {
            snprintf(p->wrong, sizeof p->wrong, "the model waits for %zu for ever", index);
            return;
        }
    }
    int status = sheaf_wait_for(p->things[index].future, SHEAF_MS(limit), NULL);
    int outcome = p->model.things[index].status;
    bool cut = late && outcome == SHEAF_CANCELLED;
    expect(p, "wait_for()", index, status, cut ? SHEAF_TIMEOUT : outcome);
}

struct set {
    const size_t *members;
    size_t count;
    sheaf_when when;
};

static bool is_enough(const struct model *m, const void *what)
{
    const struct set *set = what;
    size_t done = 0, failed = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct model_thing *t = &m->things[set->members[i]];
        done += t->done;
        failed += t->done && t->status != SHEAF_OK && !t->cancelled;
    }
    return done == set->count || (set->when == SHEAF_FIRST_COMPLETED && done > 0) ||
           (set->when == SHEAF_FIRST_ERROR && failed > 0);
}

static size_t index_of(const struct program *p, const struct set *set, const sheaf_future *future)
{
    for (size_t i = 0; i < set->count; i++) {
        if (p->things[set->members[i]].future == future) {
            return set->members[i];
        }
    }
    return MODEL_THINGS;
}

/* Of what ends at the very time at which the wait does, it may have seen some. */
static void expect_partition(struct program *p, const struct set *set, sheaf_future **futures,
                             size_t done)
{
    for (size_t i = 0; i < set->count; i++) {
        size_t index = index_of(p, set, futures[i]);
        const struct model_thing *t = &p->model.things[index];
        if (i < done || !t->done || t->at < p->model.now) {
            expect(p, "the side on which wait() puts it", index, i < done, t->done);
        }
    }
}

static void wait_set(struct program *p)
{
    static const sheaf_when whens[] = {SHEAF_ALL_COMPLETED, SHEAF_FIRST_COMPLETED,
                                       SHEAF_FIRST_ERROR};
    size_t members[MODEL_MEMBERS];
    sheaf_future *futures[MODEL_MEMBERS];
    char text[40];
    size_t count = draw_members(p, members);
    struct set set = {members, count, whens[draw(p, 3)]};
    int64_t limit = 2 * (1 + (int64_t)draw(p, LONGEST / 2));
    members_text(members, count, text);
    note(p, "wait, %d, for%s, %" PRId64, (int)set.when, text, limit);
    bool enough = model_until(&p->model, is_enough, &set, p->model.now + limit);
    futures_of(p, members, count, futures);
    size_t done = 0;
    expect(p, "wait()", members[0], sheaf_wait(futures, count, set.when, SHEAF_MS(limit), &done),
           SHEAF_OK);
    expect(p, "wait(), which has found some", members[0], done > 0 || !enough, true);
    expect_partition(p, &set, futures, done);
}

/* ---------------------------------------------------------------- a program */

static void compare(struct program *p)
{
    for (size_t i = 0; i < p->model.count && !p->wrong[0]; i++) {
        const struct model_thing *t = &p->model.things[i];
        sheaf_future *future = p->things[i].future;
        if (expect(p, "whether it is done", i, sheaf_done(future), t->done) && t->done) {
            expect(p, "the status", i, sheaf_future_status(future), t->status);
            expect(p, "whether it is cancelled", i, sheaf_cancelled(future), t->cancelled);
        }
        expect(p, "the callbacks", i, sheaf__load_acq(&p->things[i].calls), t->done);
    }
}

static int settle_down(struct program *p)
{
    int64_t until = (p->model.now + PAUSE + 1) & ~(int64_t)1;
    model_pass(&p->model, until);
    SHEAF_TRY(sheaf_sleep_until(time_of(p, until)));
    compare(p);
    return SHEAF_OK;
}

static void (*const makes[])(struct program *p) = {make_sleeper, make_stubborn, make_promise,
                                                   make_gather,  make_shield,   make_group,
                                                   make_waiter,  make_limit,    make_gather};
static void (*const acts[])(struct program *p) = {ask,      settle,   settle, await_for,
                                                  wait_for, wait_set, ask};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int go(struct program *p)
{
    make_sleeper(p);
    for (size_t i = 0; i < p->steps && !p->wrong[0]; i++) {
        if (p->model.count < MODEL_THINGS && draw(p, 2)) {
            makes[draw(p, COUNT(makes))](p);
        } else {
            acts[draw(p, COUNT(acts))](p);
        }
        SHEAF_TRY(settle_down(p));
    }
    return SHEAF_OK;
}

/* Twice, since the stubborn go on after the first request; promises keep nobody longer. */
static int end_all(struct program *p)
{
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < p->model.count; i++) {
            sheaf_cancel(p->things[i].future);
        }
        SHEAF_TRY(sheaf_sleep(SHEAF_MS(PAUSE)));
    }
    for (size_t i = 0; i < p->model.count; i++) {
        (void)sheaf_await(p->things[i].future, NULL);
    }
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(PAUSE)));
    for (size_t i = 0; i < p->model.count; i++) {
        expect(p, "the callbacks in the end", i, sheaf__load_acq(&p->things[i].calls), 1);
        sheaf_release(p->things[i].future);
    }
    return SHEAF_OK;
}

static int main_task(void *arg, sheaf_value *result)
{
    struct program *p = arg;
    (void)result;
    p->begin = sheaf_now();
    SHEAF_TRY(go(p));
    return end_all(p);
}

/* ---------------------------------------------------------------- many programs */

static const struct {
    const char *name;
    int workers;
    sheaf_schedule schedule;
    bool seeded, in_turns;
    /* In parallel it is chance which of two gathers that one end completes hears of it first, and
     * what it then asks: so there gathers have only tasks and promises for members. */
    bool flat;
} modes[] = {
    {"fifo", 1, SHEAF_SCHEDULE_FIFO, false, true, false},
    {"seeded", 1, SHEAF_SCHEDULE_STEAL, true, false, true},
    {"2 workers", 2, SHEAF_SCHEDULE_STEAL, false, false, true},
};

static void ignore_error(void *context, const sheaf_error *error, const char *name)
{
    (void)context, (void)error, (void)name;
}

static long number_of(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : otherwise;
}

static struct program program;

/* Returns: whether the library and the model agree */
static bool run_program(size_t mode, uint64_t seed, enum model_mistake mistake)
{
    struct program *p = &program;
    memset(p, 0, sizeof *p);
    running = p;
    p->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    p->steps = (size_t)number_of("SHEAF_FUZZ_STEPS", 60);
    p->model.mistake = mistake;
    p->model.in_turns = modes[mode].in_turns;
    p->flat = modes[mode].flat;
    struct sheaf__alloc_counts before = sheaf__alloc_counts();
    int status =
        sheaf_run(SHEAF_OPTIONS(.workers = modes[mode].workers, .clock = SHEAF_CLOCK_VIRTUAL,
                                .schedule = modes[mode].schedule,
                                .seed = modes[mode].seeded ? seed : 0, .unhandled = ignore_error),
                  main_task, p, NULL);
    expect(p, "what the run returns", 0, status, SHEAF_OK);
    struct sheaf__alloc_counts after = sheaf__alloc_counts();
    expect(p, "the number of blocks", 0, (int64_t)after.live_blocks, (int64_t)before.live_blocks);
    return !p->wrong[0];
}

static void tell_program(size_t mode, uint64_t seed)
{
    for (size_t i = 0; i < program.lines; i++) {
        print_error("%s\n", program.log[i]);
    }
    print_error("%s, seed %" PRIu64 ": %s\n", modes[mode].name, seed, program.wrong);
}

static void library_and_model_agree(void **state)
{
    (void)state;
    uint64_t first = (uint64_t)number_of("SHEAF_FUZZ_SEED", 1);
    uint64_t count = (uint64_t)number_of("SHEAF_FUZZ_COUNT", 300);
    for (uint64_t seed = first; seed < first + count; seed++) {
        for (size_t mode = 0; mode < COUNT(modes); mode++) {
            if (!run_program(mode, seed, MODEL_RIGHT)) {
                tell_program(mode, seed);
                fail();
            }
        }
    }
}

static void each_mistake_of_the_model_shows(void **state)
{
    (void)state;
    for (int mistake = MODEL_RIGHT + 1; mistake < MODEL_MISTAKES; mistake++) {
        uint64_t seed = 1;
        while (run_program(0, seed, (enum model_mistake)mistake)) {
            seed++;
            assert_true(seed < 200);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_and_model_agree),
        cmocka_unit_test(each_mistake_of_the_model_shows),
    };
    return cmocka_run_group_tests_name("sequences", tests, NULL, NULL);
}
