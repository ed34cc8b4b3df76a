// Awaiting against cancelling under Relacy (A1 to A4 in lib/await.c, C1 and C2 in lib/ask_chain.c):
// a request that was taken shows in the outcome, wherever the task was between running and waiting,
// and nothing is touched after it has gone.
#include "tests/check/relacy_core.h"

namespace
{

// A parent that worker 0 runs, and a child; an asker, the last thread, holds the parent.
struct world {
    sheaf_future *parent;
    sheaf_future *child;
    bool taken;
    bool child_gone;              // nobody holds the child any more
    bool late;                    // the asker comes when the child runs, not before it is awaited
    rl::generic_event near_by[2]; // the moments that are worth asking at

    void make(unsigned workers, sheaf_fn *body)
    {
        check::make_pool(workers);
        check::may_touch_freed = nullptr;
        parent = check::make_task(body, this, 1);
        child = check::make_task(child_body, this, 1);
        taken = false;
        child_gone = false;
        late = rl::rand(2);
        for (rl::generic_event &moment : near_by) {
            moment.init(true, false, $);
        }
    }

    static int child_body(void *given, sheaf_value *)
    {
        static_cast<world *>(given)->near_by[1].set($);
        return SHEAF_OK;
    }

    static int join_child(void *given, sheaf_value *)
    {
        world *self = static_cast<world *>(given);
        self->child_gone = true;
        self->near_by[0].set($);
        return sheaf_join(self->child, NULL);
    }

    void run(unsigned worker, sheaf_future *task)
    {
        sheaf__call_body(&check::pool->workers[worker], NULL, task);
        while (struct sheaf__job *job = sheaf__runq_pop(&check::pool->inject)) {
            sheaf__call_body(&check::pool->workers[worker], NULL, sheaf__future_of_job(job));
        }
    }

    void ask()
    {
        near_by[late].wait(false, false, $);
        taken = sheaf_cancel(parent);
    }

    void deinit()
    {
        for (rl::generic_event &moment : near_by) {
            moment.deinit($);
        }
    }

    void first() { run(0, parent); }

    void settle()
    {
        deinit();
        RL_ASSERT(sheaf_done(parent));
        RL_ASSERT((sheaf_future_status(parent) == SHEAF_CANCELLED) == taken);
        sheaf_release(parent);
        RL_ASSERT(check::pool->depot.destroyed == 1U + child_gone);
    }
};

template <typename derived_t, rl::thread_id_t threads>
using scene = check::scene<derived_t, threads, world>;

// The child is called on the parent's stack.
struct called : scene<called, 2> {
    void set_up()
    {
        make(1, join_child);
        sheaf__deque_push(&check::pool->workers[0].deque, &child->job);
    }

    void other(unsigned) { ask(); }
};

// The child runs on another worker while the parent parks for it.
struct parked : scene<parked, 3> {
    void set_up() { make(2, join_child); }

    void other(unsigned index)
    {
        if (index == 1) {
            run(1, child);
        } else {
            ask();
        }
    }
};

// The parent sleeps until somebody hands it something, as at a lock.
struct sleeping : scene<sleeping, 3> {
    struct sheaf__spin *lock;
    struct sheaf__wait *waiter;
    bool open;

    void set_up()
    {
        make(1, sleep);
        lock = check::make<struct sheaf__spin>();
        waiter = nullptr;
        open = false;
        sheaf__task_finish_unrun(child, SHEAF_OK);
        sheaf_release(child);
        child_gone = true;
    }

    static int sleep(void *given, sheaf_value *)
    {
        sleeping *self = static_cast<sleeping *>(static_cast<world *>(given));
        struct sheaf__sleep nap;
        self->near_by[0].set($);
        self->near_by[1].set($);
        sheaf__sleep_begin(&nap, "a test", SHEAF_FOREVER);
        sheaf__spin_lock(self->lock);
        bool open = self->open;
        if (!open) {
            self->waiter = nap.wait;
        }
        sheaf__spin_unlock(self->lock);
        if (open) {
            sheaf__sleep_abandon(&nap);
            return SHEAF_OK;
        }
        uint32_t reason = sheaf__sleep_end(&nap);
        sheaf__spin_lock(self->lock);
        self->waiter = nullptr;
        sheaf__spin_unlock(self->lock);
        return reason == SHEAF__WAIT_CANCEL ? sheaf__task_deliver(self->parent) : SHEAF_OK;
    }

    void hand_over()
    {
        sheaf__spin_lock(lock);
        open = true;
        if (waiter) {
            sheaf__wake(waiter, SHEAF__WAIT_DONE);
            waiter = nullptr;
        }
        sheaf__spin_unlock(lock);
    }

    void other(unsigned index)
    {
        if (index == 1) {
            hand_over();
        } else {
            ask();
        }
    }
};

// Only the request can end the sleep.
struct asked_only : scene<asked_only, 2> {
    void set_up() { make(1, sleep); }

    static int sleep(void *given, sheaf_value *)
    {
        world *self = static_cast<world *>(given);
        struct sheaf__sleep nap;
        self->near_by[0].set($);
        self->near_by[1].set($);
        sheaf__sleep_begin(&nap, "a test", SHEAF_FOREVER);
        uint32_t reason = sheaf__sleep_end(&nap);
        RL_ASSERT(reason == SHEAF__WAIT_CANCEL);
        return sheaf__task_deliver(self->parent);
    }

    void other(unsigned) { ask(); }

    void settle()
    {
        RL_ASSERT(taken);
        deinit();
        sheaf_release(parent);
    }
};

const check::program PROGRAMS[] = {
    {"called", check::passes<called>, 100},
    {"parked", check::passes<parked>, 2200},
    {"sleeping", check::passes<sleeping>, 100},
    {"asked only", check::passes<asked_only>, 100},
};

const char *const REQUIRED[] = {
    "sheaf__call_begin: store_rlx &worker->current -> skipped",
    "sheaf__call_begin: store_rel &child->job.state -> skipped",
    "sheaf__set_awaiting: store_rel &task->job.up.awaiting -> skipped",
    "sheaf__finish_biased: store_rlx &future->job.state -> skipped",
    "sheaf__finish_biased: fence_light -> dropped",
    "is_looked_at: store_rlx &task->job.up.awaiting -> skipped",
    "is_looked_at: fence_light -> dropped",
    "sheaf__about_to_park: fence_full -> dropped",
    "sheaf__back_from_park: store_rlx &task->job.up.awaiting -> skipped",
    "sheaf__back_from_park: fence_full -> dropped",
};

} // namespace

CHECK_MAIN_REQUIRED("lib/await lib/sleep lib/ask_chain lib/ask_tree lib/cancel lib/call")
