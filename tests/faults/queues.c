/* Queues in all orders; select. */
#include <errno.h>

#include "tests/faults/trial.h"

static void put(sheaf_queue *queue, int (*how)(sheaf_queue *, sheaf_value))
{
    sheaf_value item = fault_value();
    int status = how(queue, item);
    HOLDS(status == SHEAF_OK || status == SHEAF_NOMEM || status == SHEAF_FULL ||
          status == SHEAF_SHUTDOWN || status == SHEAF_CANCELLED || status == SHEAF_TIMEOUT ||
          status == SHEAF_CLOSED);
    if (status != SHEAF_OK) {
        fault_value_taken(); /* it is still the caller's */
    }
}

static int put_with_limit(sheaf_queue *queue, sheaf_value item)
{
    return sheaf_queue_put_until(queue, item, sheaf_time_add(sheaf_now(), SHORT));
}

static int consumes(void *arg, sheaf_value *result)
{
    sheaf_queue *queue = arg;
    sheaf_value item;
    int status;
    (void)result;
    while ((status = sheaf_queue_get(queue, &item)) == SHEAF_OK) {
        IS(item.i64, 7);
        fault_value_taken();
        IS(sheaf_queue_task_done(queue), SHEAF_OK);
    }
    return status == SHEAF_SHUTDOWN || status == SHEAF_CLOSED ? SHEAF_OK : status;
}

static int produces(void *arg, sheaf_value *result)
{
    sheaf_queue *queue = arg;
    (void)result;
    for (int i = 0; i < 4; i++) {
        put(queue, sheaf_queue_put);
        put(queue, sheaf_queue_try_put);
    }
    put(queue, put_with_limit);
    return SHEAF_OK;
}

static void get_some(sheaf_queue *queue)
{
    sheaf_value item;
    if (ENDS(sheaf_queue_get_until(queue, &item, sheaf_time_add(sheaf_now(), SHORT)), SHEAF_TIMEOUT,
             SHEAF_SHUTDOWN) == SHEAF_OK) {
        fault_value_taken();
        IS(sheaf_queue_task_done(queue), SHEAF_OK);
    }
    if (ENDS(sheaf_queue_try_get(queue, &item), SHEAF_EMPTY) == SHEAF_OK) {
        fault_value_taken();
        IS(sheaf_queue_task_done(queue), SHEAF_OK);
    }
}

static void work_through(sheaf_queue *queue)
{
    sheaf_future *f[3] = {sheaf_spawn(produces, queue), sheaf_spawn(consumes, queue),
                          sheaf_spawn(produces, queue)};
    ENDS(sheaf_sleep(SHORT));
    get_some(queue);
    ENDS(sheaf_queue_join_until(queue, sheaf_time_add(sheaf_now(), SHORT)), SHEAF_TIMEOUT);
    HOLDS(sheaf_queue_size(queue) <= 40);
    (void)sheaf_queue_empty(queue);
    (void)sheaf_queue_full(queue);
    /* Where the consumer could not be had nobody empties the queue but this. */
    ENDS(sheaf_queue_shutdown(queue, true));
    ENDS(sheaf_queue_join(queue));
    ENDS(sheaf_queue_close(queue));
    for (int i = 0; i < 3; i++) {
        ENDS(sheaf_join(f[i], NULL));
    }
}

static void queues_work(struct fault_trial *t)
{
    (void)t;
    for (int order = SHEAF_QUEUE_FIFO; order <= SHEAF_QUEUE_PRIORITY; order++) {
        sheaf_queue queue;
        if (ENDS(sheaf_queue_open(&queue, SHEAF_QUEUE_OPTIONS(.order = (sheaf_queue_order)order,
                                                              .bound = order == 1 ? 0 : 3,
                                                              .drop = fault_drop_value))) ==
            SHEAF_OK) {
            work_through(&queue);
        }
    }
}

static void long_queues_grow(struct fault_trial *t)
{
    (void)t;
    for (int order = SHEAF_QUEUE_FIFO; order <= SHEAF_QUEUE_PRIORITY; order++) {
        sheaf_queue queue;
        ENDS(sheaf_queue_open(&queue, SHEAF_QUEUE_OPTIONS(.order = (sheaf_queue_order)order,
                                                          .drop = fault_drop_value)));
        for (int i = 0; i < 200; i++) {
            put(&queue, sheaf_queue_try_put);
        }
        get_some(&queue);
        ENDS(sheaf_queue_close(&queue));
    }
}

static int signals(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_sleep(SHORT));
    return sheaf_event_set(arg);
}

static void selects_choose(struct fault_trial *t)
{
    enum { CASES = 6 };
    sheaf_event event = SHEAF_EVENT_INIT_AUTO_RESET;
    sheaf_semaphore semaphore = SHEAF_SEMAPHORE_INIT(0);
    sheaf_mutex mutex = SHEAF_MUTEX_INIT;
    sheaf_queue queue, full;
    sheaf_future *future = sheaf_promise(NULL);
    (void)t;
    ENDS(sheaf_queue_open(&queue, NULL));
    ENDS(sheaf_queue_open(&full, SHEAF_QUEUE_OPTIONS(.bound = 1)));
    bool filled = ENDS(sheaf_queue_put(&full, number(1))) == SHEAF_OK;
    IS(sheaf_lock(&mutex), SHEAF_OK);
    sheaf_case cases[CASES] = {sheaf_case_get(&queue),           sheaf_case_put(&full, number(2)),
                               sheaf_case_future(future),        sheaf_case_event(&event),
                               sheaf_case_semaphore(&semaphore), sheaf_case_mutex(&mutex)};
    size_t which = CASES;
    int status = ENDS(sheaf_try_select(cases, CASES, &which), SHEAF_EMPTY);
    HOLDS(status != SHEAF_OK || which == 2 || !filled); /* the promise may have failed */
    if (!sheaf_done(future)) {
        sheaf_future *setter = sheaf_spawn(signals, &event);
        ENDS(sheaf_select(cases, CASES, sheaf_time_add(sheaf_now(), 4 * SHORT), &which),
             SHEAF_TIMEOUT);
        end_all(&setter, 1);
        (void)sheaf_try_resolve(future, number(7));
    }
    ENDS(sheaf_select(cases, CASES, SHEAF_FOREVER, &which));
    ENDS(sheaf_queue_close(&full));
    ENDS(sheaf_queue_close(&queue));
    sheaf_release(future);
}

const struct fault_scenario fault_queues[] = {
    {.name = "queues_work", .body = queues_work, .floors = FLOORS(40, 2, 0)},
    {.name = "long_queues_grow", .body = long_queues_grow, .floors = FLOORS(450, 0, 0)},
    {.name = "selects_choose", .body = selects_choose, .floors = FLOORS(3, 2, 0)},
    {.name = NULL},
};
