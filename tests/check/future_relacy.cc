// A future's state word under Relacy: biased completion against whoever comes from outside.  It is
// done once, each waiter is woken once, the record is destroyed once, a request that was taken
// shows.
#include "tests/check/relacy_core.h"

namespace
{

// One task that worker 0 runs, and its holders.
struct world {
    sheaf_future *task;
    rl::var<int> written; // by the body, read by those who join
    rl::var<int> used[3]; // by each holder until it lets go, read where the record is destroyed

    static int body(void *self, sheaf_value *result)
    {
        static_cast<world *>(self)->written($) = 1;
        result->i64 = 42;
        return SHEAF_OK;
    }

    void let_go()
    {
        used[rl::thread_index()]($) = 1;
        sheaf_release(task);
    }

    void destroyed()
    {
        for (rl::var<int> &use : used) {
            RL_ASSERT(use($) >= 0);
        }
    }

    void make(unsigned references)
    {
        check::make_pool(1);
        check::may_touch_freed = nullptr;
        task = check::make_task(body, this, references);
        for (rl::var<int> &use : used) {
            use($) = 0;
        }
        current = this;
        check::destroyed = tell;
    }

    static world *current;
    static void tell() { current->destroyed(); }

    void run() { sheaf__call_body(&check::pool->workers[0], NULL, task); }

    // Joins as a plain thread.
    int join()
    {
        sheaf_value value = {NULL};
        int status = sheaf_await(task, &value);
        RL_ASSERT(status == SHEAF_OK || status == SHEAF_CANCELLED);
        RL_ASSERT(status != SHEAF_OK || value.i64 == 42);
        RL_ASSERT(status != SHEAF_OK || written($) == 1);
        let_go();
        return status;
    }

    void first() { run(); }

    void settle() { RL_ASSERT(check::pool->depot.destroyed == 1); }
};

world *world::current;

template <typename derived_t, rl::thread_id_t threads>
using scene = check::scene<derived_t, threads, world>;

// The maker joins while the task ends.
struct joined : scene<joined, 2> {
    void set_up() { make(1); }

    void other(unsigned) { RL_ASSERT(join() == SHEAF_OK); }
};

// The maker drops its reference while the task ends.
struct dropped : scene<dropped, 2> {
    void set_up() { make(1); }

    void other(unsigned) { let_go(); }
};

// Two holders, both waiting.
struct two_waiters : scene<two_waiters, 3> {
    void set_up() { make(2); }

    void other(unsigned) { RL_ASSERT(join() == SHEAF_OK); }
};

// One holder joins, the other lets go.
struct joined_and_dropped : scene<joined_and_dropped, 3> {
    void set_up() { make(2); }

    void other(unsigned index)
    {
        if (index == 1) {
            RL_ASSERT(join() == SHEAF_OK);
        } else {
            let_go();
        }
    }
};

// The only holder retains for another and lets go at once; the other joins.
struct handed_on : scene<handed_on, 3> {
    rl::generic_event handed;

    void set_up()
    {
        make(1);
        handed.init(true, false, $);
    }

    void other(unsigned index)
    {
        if (index == 1) {
            sheaf_retain(task);
            handed.set($);
            let_go();
        } else {
            handed.wait(false, false, $);
            RL_ASSERT(join() == SHEAF_OK);
        }
    }

    void settle()
    {
        handed.deinit($);
        world::settle();
    }
};

// Two holders let go.
struct dropped_twice : scene<dropped_twice, 3> {
    void set_up() { make(2); }

    void other(unsigned) { let_go(); }
};

// One retains and lets go, without a lock, while the other joins.
struct retained : scene<retained, 2> {
    void set_up() { make(1); }

    void other(unsigned)
    {
        sheaf_retain(task);
        sheaf_release(task);
        RL_ASSERT(join() == SHEAF_OK);
    }
};

// A request that was taken is what the outcome shows.
struct cancelled : scene<cancelled, 3> {
    bool taken;
    int status;

    void set_up()
    {
        make(2);
        taken = false;
    }

    void other(unsigned index)
    {
        if (index == 1) {
            status = join();
        } else {
            taken = sheaf_cancel(task);
            let_go();
        }
    }

    void settle()
    {
        RL_ASSERT((status == SHEAF_CANCELLED) == taken);
        world::settle();
    }
};

// An inspector holds a running task in place, or misses it, while it is joined.
struct inspected : scene<inspected, 3> {
    void set_up() { make(1); }

    void other(unsigned index)
    {
        if (index == 1) {
            RL_ASSERT(join() == SHEAF_OK);
        } else {
            struct sheaf__task_list list;
            sheaf__inspect_tasks(check::pool, false, &list);
            RL_ASSERT(list.count <= 1);
            sheaf__tasks_forget(&list);
        }
    }
};

const check::program PROGRAMS[] = {
    {"joined", check::passes<joined>, 100},
    {"dropped", check::passes<dropped>, 100},
    {"two waiters", check::passes<two_waiters>, 100},
    {"joined and dropped", check::passes<joined_and_dropped>, 100},
    {"handed on", check::passes<handed_on>, 100},
    {"dropped twice", check::passes<dropped_twice>, 100},
    {"retained", check::passes<retained>, 100},
    {"cancelled", check::passes<cancelled>, 100},
    {"inspected", check::passes<inspected>, 100},
};

const char *const REQUIRED[] = {
    "sheaf__future_done: load_acq &future->job.state -> relaxed",
    "sheaf__future_done: load_acq &future->job.word -> relaxed",
    "revoke: fence_heavy -> dropped",
    "sheaf__future_finish: store_rlx &future->job.state -> skipped",
    "end_locked: store_rlx &future->job.at.status -> skipped",
    "publish_done: cas_weak_acq_rel &future->job.word -> acquire",
    "sheaf__finish_biased: store_rlx &future->job.state -> skipped",
    "sheaf__finish_biased: fence_light -> dropped",
    "sheaf__finish_biased: store_rel &future->job.state -> relaxed",
    "sheaf__finish_biased: store_rel &future->job.state -> skipped",
};

} // namespace

CHECK_MAIN_REQUIRED("lib/future lib/ending lib/outcome lib/call lib/wait")
