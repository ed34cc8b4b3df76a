/* Gather in all modes, streams, wait, as they complete, the first, races. */
#include <errno.h>

#include "tests/faults/trial.h"

struct members {
    sheaf_future *f[5];
};

enum { MEMBERS = 5 };

static struct members make_members(void)
{
    return (struct members){{sheaf_spawn(give_seven, NULL), sheaf_spawn(nap, NULL),
                             sheaf_spawn_with(ACCOUNTED(.name = "napping"), nap_and_give, NULL),
                             sheaf_spawn(fail, NULL), sheaf_spawn(sleep_on, NULL)}};
}

static void gathers_in_all_modes(struct fault_trial *t)
{
    static const unsigned modes[] = {
        SHEAF_GATHER_RAISE,   SHEAF_GATHER_RAISE | SHEAF_GATHER_REPORT_LATE,
        SHEAF_GATHER_CANCEL,  SHEAF_GATHER_CANCEL | SHEAF_GATHER_JOIN,
        SHEAF_GATHER_COLLECT,
    };
    (void)t;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct members m = make_members();
        sheaf_value values[MEMBERS];
        int statuses[MEMBERS];
        size_t count = modes[i] & SHEAF_GATHER_COLLECT ? MEMBERS - 1 : MEMBERS;
        ENDS(sheaf_gather(m.f, count, modes[i], values, statuses), EIO);
        end_all(m.f, MEMBERS);
    }
}

static void gathers_nest(struct fault_trial *t)
{
    struct members m = make_members();
    (void)t;
    sheaf_future *inner[3] = {
        sheaf_gather_future(m.f, 3, SHEAF_GATHER_RAISE),
        sheaf_gather_future(m.f + 2, 3, SHEAF_GATHER_COLLECT),
        sheaf_gather_future(m.f, 0, SHEAF_GATHER_RAISE),
    };
    sheaf_future *outer = sheaf_gather_future(inner, 3, SHEAF_GATHER_RAISE | SHEAF_GATHER_CANCEL);
    HOLDS(sheaf_gather_count(outer) == 3 || sheaf_future_status(outer) == SHEAF_NOMEM);
    HOLDS(sheaf_gather_count(outer) != 3 || sheaf_gather_member(outer, 2) == inner[2]);
    fault_callbacks(ENDS(sheaf_on_done(outer, fault_callback, t), SHEAF_CLOSED) == SHEAF_OK);
    ENDS(sheaf_await_for(outer, SHORT, NULL), SHEAF_TIMEOUT);
    (void)sheaf_cancel_message(outer, "enough of %d", 3);
    ENDS(sheaf_await(outer, NULL), SHEAF_CANCELLED);
    end_all(&outer, 1);
    end_all(inner, 3);
    end_all(m.f, MEMBERS);
}

static int gathers_inside(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_gather(arg, 2, SHEAF_GATHER_RAISE, NULL, NULL);
}

static void a_gathering_task_is_cancelled(struct fault_trial *t)
{
    sheaf_future *f[2] = {sheaf_spawn_with(ACCOUNTED(.name = NULL), sleep_long, NULL),
                          sheaf_spawn(sleep_on, NULL)};
    sheaf_future *gathering = sheaf_spawn(gathers_inside, f);
    (void)t;
    ENDS(sheaf_yield());
    ENDS(sheaf_yield());
    (void)sheaf_cancel(gathering);
    ENDS(sheaf_join(gathering, NULL), SHEAF_CANCELLED);
    end_all(f, 2);
}

struct stream {
    int next, sunk;
    sheaf_future *ready;
};

static bool next_call(void *context, sheaf_call *call)
{
    struct stream *s = context;
    *call = s->next % 3 == 2 ? (sheaf_call){.future = s->ready}
                             : (sheaf_call){.fn = s->next % 2 ? nap : give_seven};
    return s->next++ < 8;
}

static int sink(void *context, size_t index, int status, sheaf_value value)
{
    struct stream *s = context;
    IS(index, s->sunk++);
    HOLDS(status != SHEAF_OK || value.i64 == 7);
    return status;
}

static void streams_run(struct fault_trial *t)
{
    struct stream s = {0, 0, sheaf_spawn(nap, NULL)};
    (void)t;
    ENDS(sheaf_gather_stream(SHEAF_GATHER_OPTIONS(.limit = 3), next_call, sink, &s));
    s.next = 0, s.sunk = 0;
    ENDS(sheaf_gather_stream(SHEAF_GATHER_OPTIONS(.flags = SHEAF_GATHER_COLLECT), next_call, NULL,
                             &s));
    end_one(s.ready);
}

static void calls_run(struct fault_trial *t)
{
    sheaf_future *ready = sheaf_spawn(give_seven, NULL);
    sheaf_call calls[5] = {
        {.fn = nap}, {.fn = give_seven}, {.future = ready}, {.fn = nap}, {.fn = nap}};
    sheaf_value values[5];
    int statuses[5];
    (void)t;
    ENDS(sheaf_gather_run(SHEAF_GATHER_OPTIONS(.limit = 2), calls, 5, values, statuses));
    calls[3].fn = fail;
    /* A call that failed has cancelled the others, `ready` among them. */
    ENDS(sheaf_gather_run(NULL, calls, 5, values, statuses), EIO, SHEAF_CANCELLED);
    ENDS(sheaf_gather_run(SHEAF_GATHER_OPTIONS(.flags = SHEAF_GATHER_COLLECT), calls, 5, NULL,
                          statuses));
    end_one(ready);
}

static void waits_partition(struct fault_trial *t)
{
    struct members m = make_members();
    bool flags[MEMBERS];
    size_t done = 0;
    (void)t;
    int status = ENDS(sheaf_wait(m.f, MEMBERS, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done));
    HOLDS(status != SHEAF_OK || (done > 0 && sheaf_done(m.f[0])));
    ENDS(sheaf_wait_until(m.f, MEMBERS, SHEAF_ALL_COMPLETED, sheaf_time_add(sheaf_now(), SHORT),
                          &done));
    ENDS(sheaf_wait_flags(m.f, MEMBERS, SHEAF_FIRST_ERROR, LONG, flags, &done));
    end_all(m.f, MEMBERS);
}

static void each_gives_out(struct fault_trial *t)
{
    struct members m = make_members();
    sheaf_each *each = NULL;
    sheaf_future *next = NULL;
    sheaf_value value;
    (void)t;
    int status = ENDS(sheaf_each_open(m.f, MEMBERS, SHEAF_US(200), &each));
    HOLDS(!each == (status != SHEAF_OK));
    if (each) {
        ENDS(sheaf_each_next(each, &next), SHEAF_TIMEOUT);
        for (int i = 0; i < MEMBERS; i++) {
            ENDS(sheaf_each_next_value(each, &value), SHEAF_TIMEOUT, SHEAF_EMPTY, EIO);
        }
    }
    sheaf_each_close(each);
    end_all(m.f, MEMBERS);
}

static void the_first_wins(struct fault_trial *t)
{
    struct members m = make_members();
    sheaf_call calls[3] = {{.fn = fail}, {.fn = nap_longer}, {.fn = nap}};
    sheaf_error *errors[3] = {NULL, NULL, NULL};
    sheaf_value value;
    size_t winner;
    (void)t;
    ENDS(sheaf_first_success(m.f + 1, 3, &value, &winner), EIO);
    ENDS(sheaf_race(calls, 3, SHORT, &value, &winner, errors), EIO);
    for (int i = 0; i < 3; i++) {
        sheaf_error_release(errors[i]);
    }
    calls[1].fn = calls[2].fn = fail;
    ENDS(sheaf_race(calls, 3, SHEAF_FOREVER, &value, &winner, NULL), EIO);
    end_all(m.f, MEMBERS);
}

static void a_thread_gathers(struct fault_trial *t)
{
    sheaf_future *f[3] = {sheaf_spawn_on(t->pool, nap, NULL),
                          sheaf_spawn_on(t->pool, give_seven, NULL),
                          sheaf_spawn_on(t->pool, sleep_on, NULL)};
    sheaf_call calls[2] = {{.fn = nap}, {.fn = give_seven}};
    sheaf_each *each = NULL;
    size_t done;
    ENDS(sheaf_gather(f, 2, SHEAF_GATHER_RAISE, NULL, NULL));
    ENDS(sheaf_wait(f, 3, SHEAF_FIRST_COMPLETED, SHEAF_FOREVER, &done));
    ENDS(sheaf_wait(f, 3, SHEAF_ALL_COMPLETED, SHORT, &done));
    if (ENDS(sheaf_each_open(f, 3, SHORT, &each)) == SHEAF_OK) {
        ENDS(sheaf_each_next_value(each, NULL), SHEAF_TIMEOUT);
    }
    sheaf_each_close(each);
    ENDS(sheaf_gather_run(SHEAF_GATHER_OPTIONS(.pool = t->pool), calls, 2, NULL, NULL));
    ENDS(sheaf_first_success(f, 2, NULL, NULL), SHEAF_CANCELLED);
    end_all(f, 3);
}

const struct fault_scenario fault_gathers[] = {
    {.name = "gathers_in_all_modes", .body = gathers_in_all_modes, .floors = FLOORS(19, 3, 0)},
    {.name = "gathers_nest", .body = gathers_nest, .floors = FLOORS(11, 3, 0)},
    {.name = "a_gathering_task_is_cancelled",
     .body = a_gathering_task_is_cancelled,
     .floors = FLOORS(2, 3, 0)},
    {.name = "streams_run", .body = streams_run, .floors = FLOORS(10, 3, 0)},
    {.name = "calls_run", .body = calls_run, .floors = FLOORS(13, 2, 0)},
    {.name = "waits_partition", .body = waits_partition, .floors = FLOORS(6, 3, 0)},
    {.name = "each_gives_out", .body = each_gives_out, .floors = FLOORS(6, 3, 0)},
    {.name = "the_first_wins", .body = the_first_wins, .floors = FLOORS(20, 3, 0)},
    {.name = "a_thread_gathers",
     .body = a_thread_gathers,
     .floors = FLOORS(8, 2, 1),
     .place = FAULT_PLAIN,
     .clock = FAULT_CLOCK_REAL},
    {.name = NULL},
};
