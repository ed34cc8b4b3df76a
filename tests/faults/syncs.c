/* Mutex, condition, semaphore, event, barrier, strand; queues; select. */
#include <errno.h>

#include "tests/faults/trial.h"

struct shared {
    sheaf_mutex mutex;
    sheaf_cond cond;
    sheaf_semaphore semaphore;
    sheaf_event event, turn;
    sheaf_barrier barrier;
    bool ready;
};

static bool is_ready(void *arg)
{
    return *(bool *)arg;
}

static sheaf_time soon(void)
{
    return sheaf_time_add(sheaf_now(), SHORT);
}

static int locks(void *arg, sheaf_value *result)
{
    struct shared *s = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(&s->mutex));
    HOLDS(sheaf_locked(&s->mutex));
    int status = sheaf_sleep(SHORT);
    sheaf_unlock(&s->mutex);
    if (status == SHEAF_OK && sheaf_lock_until(&s->mutex, soon()) == SHEAF_OK) {
        sheaf_unlock(&s->mutex);
    }
    return status;
}

static int waits_for_ready(void *arg, sheaf_value *result)
{
    struct shared *s = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(&s->mutex));
    int status = sheaf_cond_wait_for(&s->cond, &s->mutex, is_ready, &s->ready);
    HOLDS(sheaf_locked(&s->mutex));
    sheaf_unlock(&s->mutex);
    return status;
}

static void mutexes_are_handed_on(struct fault_trial *t)
{
    struct shared s = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    sheaf_future *f[6];
    (void)t;
    for (int i = 0; i < 6; i++) {
        f[i] = sheaf_spawn(i < 3 ? locks : waits_for_ready, &s);
    }
    ENDS(sheaf_yield());
    if (ENDS(sheaf_lock(&s.mutex)) == SHEAF_OK) {
        ENDS(sheaf_cond_wait_until(&s.cond, &s.mutex, soon()), SHEAF_TIMEOUT);
        ENDS(sheaf_cond_wait_for_until(&s.cond, &s.mutex, is_ready, &s.ready, soon()),
             SHEAF_TIMEOUT);
        s.ready = true;
        sheaf_cond_notify(&s.cond, 1);
        sheaf_cond_notify_all(&s.cond);
        IS(sheaf_unlock(&s.mutex), SHEAF_OK);
    }
    (void)sheaf_cancel(f[1]);
    for (int i = 0; i < 6; i++) {
        ENDS(sheaf_join(f[i], NULL), SHEAF_CANCELLED);
    }
    HOLDS(sheaf_try_lock(&s.mutex));
    IS(sheaf_unlock(&s.mutex), SHEAF_OK);
}

static int notifies(void *arg, sheaf_value *result)
{
    struct shared *s = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(&s->mutex));
    s->ready = true;
    sheaf_cond_notify_all(&s->cond);
    return sheaf_unlock(&s->mutex);
}

static int waits_in_a_loop(void *arg, sheaf_value *result)
{
    struct shared *s = arg;
    int status = sheaf_lock(&s->mutex);
    (void)result;
    SHEAF_TRY(status);
    while (!s->ready && status == SHEAF_OK) {
        status = sheaf_cond_wait(&s->cond, &s->mutex);
    }
    IS(sheaf_unlock(&s->mutex), SHEAF_OK);
    return status;
}

static void conditions_wait(struct fault_trial *t)
{
    struct shared s = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    sheaf_future *f[3] = {sheaf_spawn(waits_in_a_loop, &s), sheaf_spawn(waits_in_a_loop, &s),
                          sheaf_spawn(notifies, &s)};
    (void)t;
    ENDS(sheaf_yield());
    ENDS(sheaf_await(f[2], NULL));
    (void)sheaf_cancel(f[0]);
    /* Under the mutex: else one that has just looked would miss it. */
    if (ENDS(sheaf_lock(&s.mutex)) == SHEAF_OK) {
        s.ready = true;
        sheaf_cond_notify_all(&s.cond);
        IS(sheaf_unlock(&s.mutex), SHEAF_OK);
    } else {
        (void)sheaf_cancel(f[1]);
    }
    for (int i = 0; i < 3; i++) {
        ENDS(sheaf_join(f[i], NULL), SHEAF_CANCELLED);
    }
}

static int takes_permit(void *arg, sheaf_value *result)
{
    struct shared *s = arg;
    (void)result;
    SHEAF_TRY(sheaf_semaphore_acquire(&s->semaphore));
    int status = sheaf_sleep(SHORT);
    IS(sheaf_semaphore_release(&s->semaphore, 1), SHEAF_OK);
    return status;
}

static void permits_are_not_lost(struct fault_trial *t)
{
    struct shared s;
    sheaf_future *f[5];
    (void)t;
    IS(sheaf_semaphore_init(&s.semaphore, 0), SHEAF_OK);
    IS(sheaf_semaphore_init_bounded(&s.semaphore, 2), SHEAF_OK);
    for (int i = 0; i < 5; i++) {
        f[i] = sheaf_spawn(takes_permit, &s);
    }
    ENDS(sheaf_yield());
    if (ENDS(sheaf_semaphore_acquire_until(&s.semaphore, soon()), SHEAF_TIMEOUT) == SHEAF_OK) {
        IS(sheaf_semaphore_release(&s.semaphore, 1), SHEAF_OK);
    }
    (void)sheaf_cancel(f[3]);
    for (int i = 0; i < 5; i++) {
        ENDS(sheaf_join(f[i], NULL), SHEAF_CANCELLED);
    }
    IS(sheaf_semaphore_value(&s.semaphore), 2);
    HOLDS(!sheaf_semaphore_locked(&s.semaphore) && sheaf_semaphore_try_acquire(&s.semaphore));
}

static int waits_for_event(void *arg, sheaf_value *result)
{
    struct shared *s = arg;
    (void)result;
    SHEAF_TRY(sheaf_event_wait(&s->event));
    int status = sheaf_event_wait_until(&s->turn, soon());
    return status == SHEAF_TIMEOUT ? SHEAF_OK : status;
}

static void events_let_through(struct fault_trial *t)
{
    struct shared s = {.event = SHEAF_EVENT_INIT, .turn = SHEAF_EVENT_INIT_AUTO_RESET};
    sheaf_future *f[3];
    (void)t;
    for (int i = 0; i < 3; i++) {
        f[i] = sheaf_spawn(waits_for_event, &s);
    }
    ENDS(sheaf_yield());
    IS(sheaf_event_set(&s.event), SHEAF_OK);
    HOLDS(sheaf_event_is_set(&s.event));
    IS(sheaf_event_set(&s.turn), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        ENDS(sheaf_join(f[i], NULL));
    }
    IS(sheaf_event_clear(&s.event), SHEAF_OK);
}

static int arrives(void *arg, sheaf_value *result)
{
    struct shared *s = arg;
    size_t index;
    (void)result;
    SHEAF_TRY(sheaf_barrier_wait(&s->barrier, &index));
    int status = sheaf_barrier_wait_until(&s->barrier, soon(), &index);
    return status == SHEAF_TIMEOUT ? SHEAF_OK : status;
}

static void barriers_fill(struct fault_trial *t)
{
    struct shared s;
    sheaf_future *f[3];
    (void)t;
    IS(sheaf_barrier_init(&s.barrier, 3), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        f[i] = sheaf_spawn(arrives, &s);
    }
    ENDS(sheaf_sleep(SHORT));
    HOLDS(sheaf_barrier_waiting(&s.barrier) <= 3);
    IS(sheaf_barrier_abort(&s.barrier), SHEAF_OK);
    HOLDS(sheaf_barrier_broken(&s.barrier));
    for (int i = 0; i < 3; i++) {
        ENDS(sheaf_join(f[i], NULL), SHEAF_BROKEN);
    }
    IS(sheaf_barrier_reset(&s.barrier), SHEAF_OK);
}

static void strands_keep_order(struct fault_trial *t)
{
    sheaf_strand *strand = NULL;
    sheaf_future *f[6];
    if (ENDS(sheaf_strand_open(t->pool, &strand)) != SHEAF_OK) {
        return;
    }
    for (int i = 0; i < 6; i++) {
        f[i] = i == 1 ? sheaf_strand_spawn(strand, nap, NULL)
               : i % 2
                   ? sheaf_strand_spawn_at("here", strand, i == 3 ? sleep_on : nap, NULL)
                   : sheaf_strand_spawn_with(strand, ACCOUNTED(.name = "turn"), nap_and_give, NULL);
    }
    sheaf_strand_close(strand);
    ENDS(sheaf_await(f[2], NULL));
    end_all(f, 6);
}

static void a_thread_locks(struct fault_trial *t)
{
    struct shared s = {.mutex = SHEAF_MUTEX_INIT, .cond = SHEAF_COND_INIT};
    sheaf_future *f[2] = {sheaf_spawn_on(t->pool, locks, &s), sheaf_spawn_on(t->pool, locks, &s)};
    sheaf_semaphore none = SHEAF_SEMAPHORE_INIT(0);
    if (ENDS(sheaf_lock(&s.mutex)) == SHEAF_OK) {
        IS(sheaf_unlock(&s.mutex), SHEAF_OK);
    }
    ENDS(sheaf_semaphore_acquire_until(&none, soon()), SHEAF_TIMEOUT);
    if (ENDS(sheaf_lock_until(&s.mutex, sheaf_time_add(sheaf_now(), LONG))) == SHEAF_OK) {
        ENDS(sheaf_cond_wait_until(&s.cond, &s.mutex, soon()), SHEAF_TIMEOUT);
        HOLDS(sheaf_locked(&s.mutex));
        IS(sheaf_unlock(&s.mutex), SHEAF_OK);
    }
    end_one(f[0]);
    end_one(f[1]);
}

const struct fault_scenario fault_syncs[] = {
    {.name = "mutexes_are_handed_on", .body = mutexes_are_handed_on, .floors = FLOORS(0, 5, 0)},
    {.name = "conditions_wait", .body = conditions_wait, .floors = FLOORS(0, 1, 0)},
    {.name = "permits_are_not_lost", .body = permits_are_not_lost, .floors = FLOORS(0, 4, 0)},
    {.name = "events_let_through", .body = events_let_through, .floors = FLOORS(0, 2, 0)},
    {.name = "barriers_fill", .body = barriers_fill, .floors = FLOORS(0, 3, 0)},
    {.name = "strands_keep_order", .body = strands_keep_order, .floors = FLOORS(12, 2, 0)},
    {.name = "a_thread_locks",
     .body = a_thread_locks,
     .floors = FLOORS(0, 2, 1),
     .place = FAULT_PLAIN,
     .clock = FAULT_CLOCK_REAL},
    {.name = NULL},
};
