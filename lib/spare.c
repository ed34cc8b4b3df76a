/* What the watch looks for.
 *
 * On duty it looks at the queues every LOOK.  It lends itself
 *
 *   - when a fiber that was woken lies first in its queue at two looks and nothing has been taken
 *     from there in between; or at once, when every worker has been away from its loop for that
 *     long already;
 *   - when a task that has not started waits and a worker blocks: it has done nothing and used next
 *     to no CPU time for BLOCKED, and not for want of a CPU;
 *   - when such a task waits and no worker has done anything for STALLED.
 *
 * in place of a worker that has not been in its loop since the last look, and in whose place nobody
 * serves yet.  So there are never more spares lent than workers away.
 *
 * `ticks` counts the turns of a worker's loop, `acts` what else it does to tasks.  A worker deep in
 * one task that spawns and joins thousands acts and does not turn: it serves no woken fiber, but it
 * does not block. */
#include "lib/spare.h"

#include "lib/platform/clock.h"
#include "lib/platform/thread.h"
#include "lib/pool_impl.h"
#include "lib/seek.h"

#define LOOK INT64_C(2500000)
#define BLOCKED INT64_C(10000000)
#define STALLED INT64_C(50000000)

/* A worker that used less than this share of the time blocks; one that has used so much since a
 * spare took its place does not any more. */
#define BLOCKED_SHARE 8
#define BLOCKED_NO_MORE INT64_C(2000000)

/* Before another try to start a thread that the system has refused. */
#define THREAD_AGAIN INT64_C(100000000)

/* ---------------------------------------------------------------- threads */

/* Starts one more.  Returns: whether it has.  Context: no lock is held */
static bool start_spare(sheaf_pool *pool)
{
    pthread_mutex_lock(&pool->rest_lock);
    unsigned seated = sheaf__load_rlx(&pool->seated);
    bool started = false;
    if (seated < pool->seats && !sheaf__pool_stopped(pool)) {
        struct sheaf__worker *spare = &pool->workers[seated];
        sheaf__idle_add_spare(&pool->idle);
        /* relaxed: before all that the new thread does. */
        sheaf__store_rlx(&pool->seated, seated + 1);
        started = sheaf__thread_start(&spare->thread, sheaf__worker_thread, spare) == 0;
        if (!started) {
            sheaf__store_rlx(&pool->seated, seated);
            sheaf__idle_drop_spare(&pool->idle);
        }
    }
    pthread_mutex_unlock(&pool->rest_lock);
    return started;
}

void sheaf__spares_begin(sheaf_pool *pool)
{
    int64_t now = sheaf__clock_monotonic();
    if (sheaf__idle_sleepers(&pool->idle) > 0 || now < sheaf__load_rlx(&pool->watch_after)) {
        return;
    }
    /* relaxed: a worker that reads the old value finds the seat taken, or starts a second spare. */
    sheaf__store_rlx(&pool->unwatched, false);
    if (!start_spare(pool)) {
        sheaf__store_rlx(&pool->watch_after, now + THREAD_AGAIN);
        sheaf__store_rlx(&pool->unwatched, true);
    }
}

/* ---------------------------------------------------------------- a look */

struct look {
    int64_t now;
    bool fresh;                    /* the last one was long enough ago */
    bool woken_waits;              /* a fiber that was woken */
    bool unserved;                 /* and has waited since the last look */
    bool starts_wait;              /* a task that has not started */
    bool all_away;                 /* no worker has been in its loop since the last look */
    bool all_still;                /* nor done anything for STALLED */
    bool starter;                  /* a spare serves because of that */
    struct sheaf__worker *away;    /* one that has not, and nobody serves in its place */
    struct sheaf__worker *blocked; /* one of these that blocks */
};

static uint64_t acts_of(struct sheaf__worker *worker)
{
    struct sheaf__counters *counts = &worker->counts;
    /* relaxed: a hint, as everything that the watch looks at is. */
    return sheaf__load_rlx(&counts->spawned) + sheaf__load_rlx(&counts->ran) +
           sheaf__load_rlx(&counts->inlined) + sheaf__load_rlx(&counts->parked) +
           sheaf__load_rlx(&counts->resumed);
}

static uint64_t acts_of_all(sheaf_pool *pool)
{
    uint64_t acts = 0;
    for (unsigned i = 0; i < pool->worker_count; i++) {
        acts += acts_of(&pool->workers[i]);
    }
    return acts;
}

static int64_t cpu_of(struct sheaf__worker *worker)
{
    return sheaf__thread_cpu_time(sheaf__load_rlx(&worker->cpu_clock));
}

static void look_at_queue(struct look *look, struct sheaf__runq *queue,
                          struct sheaf__seen_queue *seen)
{
    bool waits = !sheaf__runq_empty(queue);
    uint32_t taken = sheaf__load_rlx(&queue->taken);
    look->woken_waits |= waits;
    look->unserved |= waits && seen->waited && taken == seen->taken;
    *seen = (struct sheaf__seen_queue){taken, waits};
}

/* Whether the worker blocks.  Requires: it has done nothing since the last look */
static bool look_at_cpu(struct look *look, struct sheaf__worker *worker)
{
    struct sheaf__seen *seen = &worker->seen;
    int64_t passed = look->now - seen->cpu_at;
    if (seen->cpu < 0 || passed >= BLOCKED) {
        int64_t cpu = cpu_of(worker);
        seen->blocked = seen->cpu >= 0 && cpu - seen->cpu < passed / BLOCKED_SHARE &&
                        !sheaf__thread_is_runnable(sheaf__load_rlx(&worker->thread_number));
        seen->cpu = cpu;
        seen->cpu_at = look->now;
    }
    return seen->blocked;
}

static bool is_futile(const struct look *look, struct sheaf__worker *worker)
{
    return look->now < sheaf__load_rlx(&worker->seen.futile);
}

static void look_at_worker(struct look *look, struct sheaf__worker *worker)
{
    struct sheaf__seen *seen = &worker->seen;
    uint32_t ticks = sheaf__load_rlx(&worker->ticks);
    uint64_t acts = acts_of(worker);
    if (ticks != seen->ticks) {
        seen->ticks = ticks;
        seen->turned = look->now;
    }
    bool blocked = false;
    if (acts != seen->acts) {
        seen->acts = acts;
        seen->acted = look->now;
        seen->cpu = -1;
        seen->blocked = false;
    } else {
        blocked = look_at_cpu(look, worker);
    }
    bool away = look->now - seen->turned >= LOOK;
    look->all_away &= away;
    look->all_still &= look->now - seen->acted >= STALLED;
    if (away && !sheaf__load_rlx(&worker->stand_in)) {
        look->away = look->away ? look->away : worker;
        look->blocked = blocked && !is_futile(look, worker) ? worker : look->blocked;
    }
}

static void look_around(sheaf_pool *pool, struct look *look)
{
    look->now = sheaf__clock_monotonic();
    look->fresh = look->now - pool->looked >= LOOK / 2;
    look->all_away = true;
    look->all_still = true;
    pool->looked = look->now;
    look_at_queue(look, &pool->woken, &pool->seen_woken);
    look->starts_wait = !sheaf__runq_empty(&pool->inject);
    unsigned seated = sheaf__load_rlx(&pool->seated);
    for (unsigned i = 0; i < seated; i++) {
        struct sheaf__worker *worker = &pool->workers[i];
        look_at_queue(look, &worker->ready, &worker->seen.ready);
        look_at_queue(look, &worker->late, &worker->seen.late);
        look->starts_wait = look->starts_wait || !sheaf__deque_empty(&worker->deque) ||
                            sheaf__worker_has_fork(worker);
        uint8_t lent = sheaf__load_rlx(&worker->lent);
        look->starter |= lent == SHEAF__LENT_FOR_ALL;
        if (i < pool->worker_count || lent) {
            look_at_worker(look, worker);
        }
    }
}

/* Returns: the worker in whose place a spare is to serve, and in *how what it is for; or NULL */
static struct sheaf__worker *choose(const struct look *look, enum sheaf__lent *how)
{
    if (look->starts_wait && look->blocked) {
        *how = SHEAF__LENT_FOR_BLOCKED;
        return look->blocked;
    }
    if (look->starts_wait && look->all_still && !look->starter && look->away &&
        !is_futile(look, look->away)) {
        *how = SHEAF__LENT_FOR_ALL;
        return look->away;
    }
    *how = SHEAF__LENT;
    bool serve = look->woken_waits && (look->all_away || (look->unserved && look->fresh));
    return serve ? look->away : NULL;
}

/* ---------------------------------------------------------------- home */

static void leave_place(struct sheaf__worker *spare)
{
    struct sheaf__worker *worker = sheaf__load_rlx(&spare->place.worker);
    if (worker) {
        sheaf__store_rlx(&worker->stand_in, NULL);
        sheaf__store_rlx(&spare->place.worker, NULL);
    }
    sheaf__store_rlx(&spare->lent, SHEAF__LENT_NOT);
}

/* Takes the worker's place, if nobody else comes to the queues.  Returns: whether it has */
static bool take_place(struct sheaf__worker *spare, struct sheaf__worker *worker,
                       enum sheaf__lent how)
{
    sheaf_pool *pool = spare->pool;
    struct sheaf__place *place = &spare->place;
    sheaf__store_rlx(&place->worker, worker);
    sheaf__store_rlx(&place->ticks, worker->seen.ticks);
    sheaf__store_rlx(&place->fruitless, how != SHEAF__LENT);
    sheaf__store_rlx(&place->cpu, how == SHEAF__LENT_FOR_BLOCKED ? cpu_of(worker) : 0);
    sheaf__store_rlx(&place->acts, how == SHEAF__LENT_FOR_ALL ? acts_of_all(pool) : 0);
    sheaf__store_rlx(&spare->lent, how);
    sheaf__store_rlx(&worker->stand_in, spare);
    bool watched = false;
    if (!sheaf__idle_lend(&pool->idle, &watched)) {
        leave_place(spare);
        return false;
    }
    sheaf__add_rlx(&pool->lends, 1);
    if (!watched) {
        start_spare(pool);
    }
    return true;
}

/* On duty, between two looks.  Off duty while nothing waits. */
static void wait_for_look(struct sheaf__worker *spare, bool waits)
{
    sheaf_pool *pool = spare->pool;
    if (waits) {
        sheaf__park_until(&spare->parker, sheaf__deadline_after(pool->looked, LOOK));
        return;
    }
    sheaf__idle_off_duty(&pool->idle);
    if (sheaf__pool_has_work(pool) || sheaf__pool_stopped(pool)) {
        sheaf__idle_on_duty(&pool->idle, &spare->bunk);
    } else {
        sheaf__idle_sleep(&spare->bunk);
    }
}

/* A fiber that was left to a worker has waited since the last look: a sleeper comes for it, if
 * there is one. */
static void wake_for_handover(sheaf_pool *pool, const struct look *look)
{
    if (look->unserved && look->fresh && sheaf__idle_sleepers(&pool->idle) > 0) {
        sheaf__idle_wake_one(&pool->idle);
    }
}

/* Returns: true when the spare is lent, and searching; false when the pool stops */
static bool stay_at_home(struct sheaf__worker *spare)
{
    sheaf_pool *pool = spare->pool;
    bool last;
    leave_place(spare);
    if (!sheaf__idle_go_home(&pool->idle, &spare->bunk, &last)) {
        if (last) {
            sheaf__pool_at_rest(pool);
        }
        /* The look at the phase comes after the lock under which the closer finds it at home. */
        if (!sheaf__pool_stopped(pool)) {
            sheaf__idle_sleep(&spare->bunk);
        }
    } else if (last) {
        sheaf__pool_at_rest(pool);
    }
    while (!sheaf__pool_stopped(pool)) {
        struct look look = {0};
        enum sheaf__lent how;
        look_around(pool, &look);
        wake_for_handover(pool, &look);
        struct sheaf__worker *worker = choose(&look, &how);
        if (worker && take_place(spare, worker, how)) {
            return true;
        }
        wait_for_look(spare, look.woken_waits || look.starts_wait);
    }
    return false;
}

/* ---------------------------------------------------------------- what a spare takes */

/* Whether its worker has not come back. */
static bool has_place(struct sheaf__place *place)
{
    struct sheaf__worker *worker = sheaf__load_rlx(&place->worker);
    return worker && sheaf__load_rlx(&worker->ticks) == sheaf__load_rlx(&place->ticks);
}

/* Whether it may start tasks still: looked at before each. */
static bool may_start(struct sheaf__worker *spare)
{
    struct sheaf__place *place = &spare->place;
    uint8_t lent = sheaf__load_rlx(&spare->lent);
    bool may = false;
    if (lent == SHEAF__LENT_FOR_BLOCKED) {
        int64_t used = cpu_of(sheaf__load_rlx(&place->worker)) - sheaf__load_rlx(&place->cpu);
        may = used <= BLOCKED_NO_MORE;
    } else if (lent == SHEAF__LENT_FOR_ALL) {
        may = acts_of_all(spare->pool) == sheaf__load_rlx(&place->acts);
    }
    if (!may) {
        sheaf__store_rlx(&spare->lent, SHEAF__LENT);
    }
    return may;
}

static struct sheaf__job *take_woken(struct sheaf__worker *spare)
{
    sheaf_pool *pool = spare->pool;
    struct sheaf__job *job = sheaf__runq_pop(&spare->ready);
    job = job ? job : sheaf__runq_pop(&pool->woken);
    unsigned seated = sheaf__load_rlx(&pool->seated);
    for (unsigned i = 0; !job && i < seated; i++) {
        job = sheaf__runq_pop(&pool->workers[i].ready);
    }
    for (unsigned i = 0; !job && i < seated; i++) {
        job = sheaf__runq_pop(&pool->workers[i].late);
    }
    return job;
}

/* A task that is to have a fiber of its own goes where workers find it.
 * Returns: the job if the spare may run it, else NULL */
static struct sheaf__job *unless_loner(struct sheaf__worker *spare, struct sheaf__job *job)
{
    if (job && sheaf__load_rlx(&job->flags) & SHEAF__JOB_LONER) {
        sheaf__runq_push(&spare->pool->inject, job);
        sheaf__idle_announce(&spare->pool->idle);
        return NULL;
    }
    return job;
}

/* The newest that its own tasks have spawned. */
static struct sheaf__job *take_own(struct sheaf__worker *spare)
{
    struct sheaf__job *job;
    while ((job = sheaf__deque_pop(&spare->deque)) != NULL) {
        struct sheaf__job *fit = unless_loner(spare, job);
        if (fit) {
            return fit;
        }
    }
    return NULL;
}

/* A task that has not started, out of the queues of all. */
static struct sheaf__job *take_start(struct sheaf__worker *spare)
{
    sheaf_pool *pool = spare->pool;
    struct sheaf__job *job = sheaf__runq_pop_unless(&pool->inject, SHEAF__JOB_LONER);
    unsigned seated = sheaf__load_rlx(&pool->seated);
    for (unsigned i = 0; !job && i < seated; i++) {
        struct sheaf__job *stolen;
        if (sheaf__deque_steal(&pool->workers[i].deque, &stolen, 1, pool->ops->stolen)) {
            sheaf__count(&spare->counts.stolen);
            job = unless_loner(spare, stolen);
        }
    }
    return job;
}

static struct sheaf__job *next_for_spare(struct sheaf__worker *spare)
{
    sheaf__store_rlx(&spare->ticks, sheaf__load_rlx(&spare->ticks) + 1);
    if (!has_place(&spare->place) || sheaf__pool_stopped(spare->pool)) {
        return NULL;
    }
    struct sheaf__job *job = take_woken(spare);
    job = job ? job : take_own(spare);
    if (!job && may_start(spare)) {
        job = take_start(spare);
    }
    struct sheaf__place *place = &spare->place;
    if (job) {
        sheaf__store_rlx(&place->fruitless, false);
    } else if (sheaf__load_rlx(&place->fruitless)) {
        int64_t until = sheaf__deadline_after(sheaf__clock_monotonic(), STALLED);
        sheaf__store_rlx(&sheaf__load_rlx(&place->worker)->seen.futile, until);
    }
    return job;
}

struct sheaf__job *sheaf__spare_seek(struct sheaf__worker *spare)
{
    struct sheaf__job *job = next_for_spare(spare);
    while (!job && stay_at_home(spare)) {
        job = next_for_spare(spare);
        sheaf__end_search(spare);
    }
    return job;
}
