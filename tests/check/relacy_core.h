/* The core layer as one C++ unit: futures, awaiting, cancelling, inspecting.  What stands in for
 * the layers below it: a worker is a thread of the check, and a parked fiber is that thread asleep.
 * */
#ifndef SHEAF_TESTS_CHECK_RELACY_CORE_H
#define SHEAF_TESTS_CHECK_RELACY_CORE_H

#include "tests/check/relacy_lib.h"

#define SHEAF__SELF_PORTABLE
#define SHEAF__DEQUE_FIRST_CAPACITY 2U
#define SHEAF__DEQUE_LARGEST_CAPACITY 4U

/* ---------------------------------------------------------------- lib/slab.h */

#define SHEAF_LIB_SLAB_H
#define SHEAF__RECORD_SIZE 64U

struct sheaf__depot {
    unsigned destroyed; /* records given back */
};

struct sheaf__cache {
    unsigned unused;
};

static inline any_pointer sheaf__depot_take(struct sheaf__depot *)
{
    return any_pointer(check::make(SHEAF__RECORD_SIZE));
}

namespace check
{
/* Called where a record is given back. */
void (*destroyed)();
} // namespace check

static inline void sheaf__depot_give(struct sheaf__depot *depot, void *record)
{
    depot->destroyed++;
    if (check::destroyed) {
        check::destroyed();
    }
    check::drop(record);
}

static inline any_pointer sheaf__cache_take(struct sheaf__cache *, struct sheaf__depot *depot)
{
    return sheaf__depot_take(depot);
}

static inline void sheaf__cache_give(struct sheaf__cache *, struct sheaf__depot *depot,
                                     void *record)
{
    sheaf__depot_give(depot, record);
}

struct sheaf__depot *sheaf__record_depot(const void *record);

#undef pthread_mutex_lock
#undef pthread_mutex_unlock
#define pthread_mutex_lock(mutex) check::mutexes.at(mutex)->lock($)
#define pthread_mutex_unlock(mutex) check::mutexes.at(mutex)->unlock($)

#include "lib/deque.c"
#include "lib/idle.c"
#include "lib/runq.c"
#include "lib/wait.c"

#include "lib/future_impl.h"

#include "lib/ask_chain.c"
#include "lib/ask_tree.c"
#include "lib/await.c"
#include "lib/cancel.c"
#include "lib/circle.c"
#include "lib/ending.c"
#include "lib/future.c"
#include "lib/outcome.c"
#include "lib/sleep.c"

/* C converts a pointer to void by itself: what is called with one gets what C++ converts. */
struct any_context {
    const void *address;
    template <typename T> operator T *() const
    {
        return static_cast<T *>(const_cast<void *>(address));
    }
};

#define add_entry(a, b) add_entry(any_context context, struct sheaf__job *job)
#define by_address(x, y) by_address(any_context a, any_context b)
#define sheaf__deque_visit(d, v, c) check::visit((d), (v), (c))
#define qsort(b, n, size, o) check::sort((b), (n), (o))

namespace check
{

struct visitor {
    void (*visit)(any_context context, struct sheaf__job *job);
    void *context;
};

inline void visit_one(void *context, struct sheaf__job *job)
{
    visitor *one = static_cast<visitor *>(context);
    one->visit(any_context{one->context}, job);
}

inline void visit(struct sheaf__deque *deque, void (*how)(any_context, struct sheaf__job *),
                  void *context)
{
    visitor one = {how, context};
    (sheaf__deque_visit)(deque, visit_one, &one);
}

template <typename T> void sort(T *base, size_t count, int (*order)(any_context, any_context))
{
    std::sort(base, base + count,
              [order](const T &a, const T &b) { return order({&a}, {&b}) < 0; });
}

} // namespace check

#include "lib/inspect.c"

namespace check
{

const unsigned WORKERS_MAX = 2;

/* Threads below pool->worker_count are workers, the others plain threads. */
sheaf_pool *pool;
struct sheaf__fiber *fibers[WORKERS_MAX];

void resume(struct sheaf__wait *wait)
{
    parkings.at(sheaf__fiber_of_wait(wait))->unpark();
}

inline void make_pool(unsigned workers)
{
    no_memory = false;
    destroyed = nullptr;
    pool = make<sheaf_pool>();
    pool->ops = &sheaf__task_ops;
    pool->worker_count = workers;
    pool->seats = workers;
    sheaf__store_rlx(&pool->seated, workers);
    pool->workers = static_cast<struct sheaf__worker *>(make(workers * sizeof *pool->workers));
    for (unsigned i = 0; i < workers; i++) {
        struct sheaf__worker *worker = &pool->workers[i];
        worker->pool = pool;
        worker->index = (uint16_t)i;
        worker->plain_spawns = true;
        worker->calls = true;
        sheaf__deque_init(&worker->deque, (uint16_t)i);
        fibers[i] = make<struct sheaf__fiber>();
        fibers[i]->pool = pool;
        fibers[i]->wait.resume = resume;
        sheaf__store_rlx(&worker->fiber, fibers[i]);
    }
}

/* A task that nobody has started, of worker 0's. */
inline sheaf_future *make_task(sheaf_fn *fn, void *arg, uint32_t references)
{
    sheaf_future *task = sheaf__depot_take(&pool->depot);
    sheaf__record_fill(task, 0, references * SHEAF__WORD_REFERENCE);
    task->fn = fn;
    task->in.arg = arg;
    return task;
}

} // namespace check

struct sheaf__depot *sheaf__record_depot(const void *)
{
    return &check::pool->depot;
}

/* Nothing forks here. */
unsigned sheaf__forks;

void sheaf__future_settle(sheaf_future *) {}

bool sheaf__future_is_lost(const sheaf_future *)
{
    return false;
}

void sheaf__returned_in_child(const char *what)
{
    sheaf__panic("%s", what);
}

void *sheaf__self_get_portable(void)
{
    unsigned index = rl::thread_index();
    return index < check::pool->worker_count ? &check::pool->workers[index] : NULL;
}

/* A worker whose fiber parks has nothing else to do here. */
uint32_t sheaf__worker_park(struct sheaf__worker *worker)
{
    struct sheaf__fiber *fiber = sheaf__load_rlx(&worker->fiber);
    if (!sheaf__wait_reason(&fiber->wait)) {
        struct sheaf_future *current = sheaf__load_rlx(&worker->current);
        sheaf__store_rel(&fiber->current, current);
        sheaf__store_rlx(&worker->current, NULL);
        if (sheaf__wait_parked(&fiber->wait)) {
            fiber->wait.resume(&fiber->wait);
        }
        check::parkings.at(fiber)->park(false);
        sheaf__store_rlx(&fiber->current, NULL);
        sheaf__store_rlx(&worker->current, current);
    }
    return sheaf__wait_reason(&fiber->wait);
}

/* Nobody watches for tasks that do not react. */
void sheaf__lag_begin(sheaf_future *) {}
void sheaf__lag_end(sheaf_future *, struct sheaf__extra *) {}

/* Nothing here has a limit. */
uint32_t sheaf__worker_park_overdue(struct sheaf__worker *)
{
    RL_ASSERT(!"overdue");
    return SHEAF__WAIT_TIMEOUT;
}

int64_t sheaf__timekeeper_now(struct sheaf__timekeeper *)
{
    return 0;
}

/* lib/task.c in small: no options, no extra part, no clock. */
bool sheaf__task_claim(sheaf_pool *pool, struct sheaf__worker *worker, sheaf_future *future)
{
    uint16_t where = sheaf__load_rlx(&future->job.where);
    if (where >= pool->worker_count) {
        return false;
    }
    if (worker && where == worker->index) {
        return sheaf__deque_claim(&worker->deque, &future->job);
    }
    return sheaf__deque_claim_foreign(&pool->workers[where].deque, &future->job,
                                      SHEAF__WORD_UNBIASED);
}

int sheaf__forks_make_tasks(struct sheaf__worker *)
{
    return SHEAF_OK; /* there are none */
}

void sheaf__task_finish_unrun(sheaf_future *future, int status)
{
    sheaf__future_lock(future);
    future->job.out.value.ptr = NULL;
    sheaf__future_finish_locked(future, status);
}

bool sheaf__task_may_start(sheaf_future *task, void *arg)
{
    sheaf__future_wait_unlocked(task);
    if (!(sheaf__load_acq(&task->job.word) & SHEAF__WORD_CANCEL)) {
        return true;
    }
    task->in.arg = arg;
    sheaf__task_finish_unrun(task, SHEAF_CANCELLED);
    return false;
}

const struct sheaf__pool_ops sheaf__task_ops = {NULL, NULL, NULL, SHEAF__WORD_UNBIASED};

/* A task that was claimed to be cancelled: worker 0 ends it. */
bool sheaf__pool_hurry(sheaf_pool *, struct sheaf__job *job)
{
    sheaf__runq_push(&check::pool->inject, job);
    return true;
}

size_t sheaf__pool_unfinished(sheaf_pool *)
{
    return 0;
}
bool sheaf__task_is_drain(const sheaf_future *)
{
    return false;
}
bool sheaf__task_is_hidden(const sheaf_future *)
{
    return false;
}
bool sheaf__node_is_callback(const struct sheaf__node *)
{
    return false;
}
void sheaf__drain_commit(struct sheaf__node *, sheaf_future *) {}
void sheaf__callbacks_forget(struct sheaf__node *) {}
void sheaf__drain_free(struct sheaf__drain *) {}
void sheaf__drain_unlink(sheaf_future *, struct sheaf__node *) {}
void sheaf__locals_release(struct sheaf__locals *) {}
void sheaf__pool_stop_run(sheaf_pool *, bool) {}
void sheaf__report(sheaf_pool *, sheaf_error *, const char *, struct sheaf__locals *) {}
bool sheaf__status_known(int)
{
    return true;
}
int64_t sheaf__deadline_after(int64_t now, int64_t span)
{
    return now + span;
}
int sheaf__timer_set(struct sheaf__timekeeper *, struct sheaf__timer *, int64_t)
{
    return 0;
}
bool sheaf__timer_clear(struct sheaf__timekeeper *, struct sheaf__timer *)
{
    return true;
}

sheaf_error *sheaf__error_make(int, const char *, const char *, const char *, ...)
{
    return NULL;
}

sheaf_error *sheaf__error_vmake(int, const char *, const char *, const char *, va_list)
{
    return NULL;
}

sheaf_error *sheaf__error_of_status(int)
{
    return NULL;
}

sheaf_pool *sheaf_pool_current(void)
{
    return sheaf__worker_self() ? check::pool : NULL;
}
sheaf_future *sheaf_current(void)
{
    return sheaf__worker_current(sheaf__worker_self());
}
sheaf_time sheaf_pool_now(sheaf_pool *)
{
    return 0;
}
void sheaf_clock_hold(sheaf_pool *) {}
void sheaf_clock_release(sheaf_pool *) {}
int sheaf_yield(void)
{
    return SHEAF_OK;
}
int sheaf_raise(int code, const char *, ...)
{
    return code;
}
sheaf_error *sheaf_error_new(int, const char *, ...)
{
    return NULL;
}
sheaf_error *sheaf_error_retain(sheaf_error *error)
{
    return error;
}
void sheaf_error_release(sheaf_error *) {}
int sheaf_error_code(const sheaf_error *)
{
    return 0;
}

#endif
