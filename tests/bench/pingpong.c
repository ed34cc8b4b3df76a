/* Two tasks hand a number to each other, n times there and back.
 *
 *   queue  through two queues of one place each (ns_per_switch); by default all others follow it
 *   event, future, condition
 *          through two events, a promise each time, a mutex and a condition
 *   yield  they only give way to each other
 *
 * The figure is for one way. */
#include "tests/bench/bench.h"

struct table {
    int64_t n;
    sheaf_queue there, back;
    sheaf_event asked, answered;
    sheaf_mutex mutex;
    sheaf_cond cond;
    sheaf_future *request, *reply;
    int64_t number;
    bool answer; /* of the mutex and the condition: whose turn it is */
};

/* ---------------------------------------------------------------- queues */

static int ping_queue(void *arg, sheaf_value *result)
{
    struct table *table = arg;
    for (int64_t i = 0; i < table->n; i++) {
        SHEAF_TRY(sheaf_queue_put(&table->there, (sheaf_value){.i64 = i}));
        SHEAF_TRY(sheaf_queue_get(&table->back, result));
        bench_check(result->i64 == i + 1, "the answer");
    }
    return SHEAF_OK;
}

static int pong_queue(void *arg, sheaf_value *result)
{
    struct table *table = arg;
    for (int64_t i = 0; i < table->n; i++) {
        SHEAF_TRY(sheaf_queue_get(&table->there, result));
        result->i64++;
        SHEAF_TRY(sheaf_queue_put(&table->back, *result));
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- events */

static int wait_and_clear(sheaf_event *event)
{
    SHEAF_TRY(sheaf_event_wait(event));
    return sheaf_event_clear(event);
}

static int ping_event(void *arg, sheaf_value *result)
{
    struct table *table = arg;
    for (int64_t i = 0; i < table->n; i++) {
        table->number = i;
        SHEAF_TRY(sheaf_event_set(&table->asked));
        SHEAF_TRY(wait_and_clear(&table->answered));
        bench_check(table->number == i + 1, "the answer");
    }
    (void)result;
    return SHEAF_OK;
}

static int pong_event(void *arg, sheaf_value *result)
{
    struct table *table = arg;
    for (int64_t i = 0; i < table->n; i++) {
        SHEAF_TRY(wait_and_clear(&table->asked));
        table->number++;
        SHEAF_TRY(sheaf_event_set(&table->answered));
    }
    (void)result;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- futures */

static int ping_future(void *arg, sheaf_value *result)
{
    struct table *table = arg;
    for (int64_t i = 0; i < table->n; i++) {
        sheaf_future *request = table->request;
        sheaf_future *reply = table->reply = sheaf_promise(NULL);
        SHEAF_TRY(sheaf_resolve(request, (sheaf_value){.i64 = i}));
        sheaf_release(request);
        SHEAF_TRY(sheaf_join(reply, result));
        bench_check(result->i64 == i + 1, "the answer");
    }
    return SHEAF_OK;
}

static int pong_future(void *arg, sheaf_value *result)
{
    struct table *table = arg;
    for (int64_t i = 0; i < table->n; i++) {
        SHEAF_TRY(sheaf_await(table->request, result));
        sheaf_future *reply = sheaf_retain(table->reply);
        table->request = sheaf_promise(NULL);
        result->i64++;
        SHEAF_TRY(sheaf_resolve(reply, *result));
        sheaf_release(reply);
    }
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- mutex and condition */

static int take_turn(struct table *table, bool answer)
{
    SHEAF_TRY(sheaf_lock(&table->mutex));
    while (table->answer != answer) {
        SHEAF_TRY(sheaf_cond_wait(&table->cond, &table->mutex));
    }
    table->number++;
    table->answer = !answer;
    sheaf_cond_notify(&table->cond, 1);
    return sheaf_unlock(&table->mutex);
}

static int ping_condition(void *arg, sheaf_value *result)
{
    struct table *table = arg;
    for (int64_t i = 0; i < table->n; i++) {
        SHEAF_TRY(take_turn(table, false));
    }
    (void)result;
    return SHEAF_OK;
}

static int pong_condition(void *arg, sheaf_value *result)
{
    struct table *table = arg;
    for (int64_t i = 0; i < table->n; i++) {
        SHEAF_TRY(take_turn(table, true));
    }
    bench_check(table->number == 2 * table->n, "the turns");
    (void)result;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- giving way */

static int give_way(void *arg, sheaf_value *result)
{
    struct table *table = arg;
    for (int64_t i = 0; i < table->n; i++) {
        SHEAF_TRY(sheaf_yield());
    }
    (void)result;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- measuring */

static const struct pair {
    const char *form;
    const char *metric;
    sheaf_fn *ping;
    sheaf_fn *pong;
} pairs[] = {
    {"queue", "ns_per_switch", ping_queue, pong_queue},
    {"event", "ns_per_switch_event", ping_event, pong_event},
    {"future", "ns_per_switch_future", ping_future, pong_future},
    {"condition", "ns_per_switch_condition", ping_condition, pong_condition},
    {"yield", "ns_per_yield", give_way, give_way},
};

static void measure_pair(const struct pair *pair, int64_t n)
{
    struct table table = {.n = n, .request = sheaf_promise(NULL)};
    bench_check(!sheaf_queue_open(&table.there, SHEAF_QUEUE_OPTIONS(.bound = 1)) &&
                    !sheaf_queue_open(&table.back, SHEAF_QUEUE_OPTIONS(.bound = 1)),
                "a queue");
    double start = bench_now();
    sheaf_future *tasks[2] = {sheaf_spawn(pair->pong, &table), sheaf_spawn(pair->ping, &table)};
    int status = sheaf_gather(tasks, 2, SHEAF_GATHER_RAISE, NULL, NULL);
    double seconds = bench_now() - start;
    bench_check(status == SHEAF_OK, pair->form);
    sheaf_release_all(tasks, 2);
    sheaf_release(table.request);
    bench_check(!sheaf_queue_close(&table.there) && !sheaf_queue_close(&table.back), "a queue");
    bench_tell(pair->metric, seconds * 1e9 / (2 * (double)n));
}

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (bench_form_is(run, "all") || bench_form_is(run, pairs[i].form)) {
            measure_pair(&pairs[i], run->n);
        }
    }
    (void)result;
    return SHEAF_OK;
}

int bench_pingpong(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
