// The deque under Relacy: each job is taken exactly once, with what was written before its push.
#include "tests/check/relacy_lib.h"

#define SHEAF__DEQUE_FIRST_CAPACITY 2U
#define SHEAF__DEQUE_LARGEST_CAPACITY 16U
#include "lib/deque.c"

namespace
{

const unsigned JOBS_MAX = 16;

// The parts that all scenarios share.  Thread 0 is the owner.
struct world {
    struct sheaf__deque *deque;
    struct sheaf__job *jobs;
    unsigned count;
    rl::var<int> payload[JOBS_MAX];
    unsigned taken[JOBS_MAX];

    void make(unsigned jobs_wanted)
    {
        check::no_memory = false;
        deque = check::make<struct sheaf__deque>();
        jobs = static_cast<struct sheaf__job *>(check::make(jobs_wanted * sizeof *jobs));
        count = jobs_wanted;
        RL_ASSERT(sheaf__deque_init(deque, 0));
        for (unsigned i = 0; i < count; i++) {
            taken[i] = 0;
            sheaf__store_rlx(&jobs[i].where, SHEAF__WHERE_NONE);
        }
    }

    void take(struct sheaf__job *job)
    {
        long at = job - jobs;
        RL_ASSERT(at >= 0 && at < (long)count);
        RL_ASSERT(payload[at]($) == at + 1);
        payload[at]($) = -1;
        taken[at]++;
        RL_ASSERT(taken[at] == 1);
    }

    void push(unsigned at)
    {
        payload[at]($) = (int)at + 1;
        if (!sheaf__deque_push(deque, &jobs[at])) {
            take(&jobs[at]); // full: the maker keeps it
        }
    }

    void claim(unsigned at)
    {
        if (sheaf__deque_claim(deque, &jobs[at])) {
            take(&jobs[at]);
        }
    }

    void pop_all()
    {
        while (struct sheaf__job *job = sheaf__deque_pop(deque)) {
            take(job);
        }
    }

    void steal()
    {
        struct sheaf__job *got[SHEAF__DEQUE_STEAL_MAX];
        unsigned n = sheaf__deque_steal(deque, got, SHEAF__DEQUE_STEAL_MAX, 8);
        for (unsigned i = 0; i < n; i++) {
            RL_ASSERT(sheaf__load_rlx(&got[i]->word) & 8);
            RL_ASSERT(sheaf__load_rlx(&got[i]->where) == SHEAF__WHERE_NONE);
            take(got[i]);
        }
    }

    void claim_foreign(unsigned at)
    {
        if (sheaf__deque_claim_foreign(deque, &jobs[at], 8)) {
            RL_ASSERT(sheaf__load_rlx(&jobs[at].word) & 8);
            take(&jobs[at]);
        }
    }

    void first() { pop_all(); }

    void settle()
    {
        sheaf__deque_check(deque);
        RL_ASSERT(sheaf__deque_empty(deque));
        for (unsigned i = 0; i < count; i++) {
            RL_ASSERT(taken[i] == 1);
        }
        sheaf__deque_destroy(deque);
    }
};

template <typename derived_t, rl::thread_id_t threads>
using scene = check::scene<derived_t, threads, world>;

// Two thieves and an owner that pushes and pops meet at a short deque.
struct owner_and_thieves : scene<owner_and_thieves, 3> {
    void set_up()
    {
        make(3);
        push(0);
        push(1);
    }

    void first()
    {
        push(2);
        pop_all();
    }

    void other(unsigned) { steal(); }
};

// The owner's pushes alone publish the jobs: no fence follows.
struct pushes : scene<pushes, 2> {
    void set_up() { make(2); }

    void first()
    {
        push(0);
        push(1);
    }

    void other(unsigned)
    {
        steal();
        steal();
    }

    void settle()
    {
        pop_all();
        world::settle();
    }
};

// The owner claims from the middle, from the end and pops, against a thief and a foreign claim.
struct claims : scene<claims, 3> {
    void set_up()
    {
        make(3);
        for (unsigned i = 0; i < 3; i++) {
            push(i);
        }
    }

    void first()
    {
        claim(rl::rand(2));
        claim(rl::rand(3));
        pop_all();
    }

    void other(unsigned index)
    {
        if (index == 1) {
            steal();
        } else {
            claim_foreign(rl::rand(3));
        }
    }
};

// A foreign claim against pops alone.
struct foreign : scene<foreign, 2> {
    void set_up()
    {
        make(2);
        push(0);
        push(1);
    }

    void other(unsigned)
    {
        claim_foreign(0);
        claim_foreign(1);
    }
};

// The ring grows, or is full, while thieves make room.
struct growth : scene<growth, 3> {
    void set_up()
    {
        make(5);
        push(0);
        push(1);
    }

    void first()
    {
        check::no_memory = rl::rand(2);
        push(2);
        push(3);
        push(4);
        pop_all();
    }

    void other(unsigned)
    {
        steal();
        steal();
    }
};

// A thief takes two at once while the owner trims over cleared entries and comes down to them.
struct trimming : scene<trimming, 2> {
    void set_up()
    {
        make(16);
        for (unsigned i = 0; i < 16; i++) {
            push(i);
        }
        for (unsigned i = 2; i < 15; i++) {
            claim(i);
        }
    }

    void first()
    {
        claim(15);
        pop_all();
    }

    void other(unsigned) { steal(); }
};

// What is visited does not leave meanwhile; what is in it is never missed by empty().
struct visits : scene<visits, 3> {
    void set_up()
    {
        make(2);
        push(0);
        push(1);
    }

    static void look(void *context, struct sheaf__job *job)
    {
        world *self = static_cast<world *>(context);
        RL_ASSERT(self->payload[job - self->jobs]($) == job - self->jobs + 1);
    }

    void other(unsigned index)
    {
        if (index == 1) {
            sheaf__deque_visit(deque, look, static_cast<world *>(this));
        } else {
            steal();
        }
    }
};

// While nobody takes anything, a deque with a job in it is never empty, whoever freezes it.
struct emptiness : scene<emptiness, 3> {
    void set_up()
    {
        make(2);
        push(1);
        push(0);
        claim(1);
    }

    static void look(void *, struct sheaf__job *) {}

    void first()
    {
        claim_foreign(1); // it is not there
    }

    void other(unsigned index)
    {
        if (index == 1) {
            sheaf__deque_visit(deque, look, nullptr);
        } else if (sheaf__deque_empty(deque)) {
            RL_ASSERT(!"a deque with a job in it was empty");
        }
    }

    void settle()
    {
        pop_all();
        world::settle();
    }
};

// Where nobody steals, a claim succeeds, the owner's and a foreign one.
struct undisturbed : scene<undisturbed, 2> {
    rl::generic_event pushed;

    void set_up()
    {
        make(4);
        pushed.init(true, false, $);
    }

    void first()
    {
        for (unsigned i = 0; i < count; i++) {
            push(i);
        }
        RL_ASSERT(sheaf__deque_claim(deque, &jobs[1]));
        take(&jobs[1]);
        pushed.set($);
    }

    void other(unsigned)
    {
        pushed.wait(false, false, $);
        RL_ASSERT(sheaf__deque_claim_foreign(deque, &jobs[2], 8));
        take(&jobs[2]);
    }

    void settle()
    {
        pushed.deinit($);
        pop_all();
        world::settle();
    }
};

const check::program PROGRAMS[] = {
    {"owner and thieves", check::passes<owner_and_thieves>, 100},
    {"pushes", check::passes<pushes>, 100},
    {"claims", check::passes<claims>, 100},
    {"foreign claims", check::passes<foreign>, 100},
    {"growth", check::passes<growth>, 100},
    {"trimming", check::passes<trimming>, 50},
    {"visits", check::passes<visits>, 100},
    {"undisturbed", check::passes<undisturbed>, 50},
    {"emptiness", check::passes<emptiness>, 100},
};

const char LOCK_ORDER[] = "taking a lock has to acquire only; one operation serves both sides";
const char TWICE[] =
    "slot and bottom both publish the entry: one of the two suffices here, the other "
    "is for race detectors and for compilers";
const char SENT_AWAY[] = "an owner that reads this value goes for the lock";
const char SAME_THREAD[] =
    "the same thread's earlier release to top carries what was before it (C11)";

const char COPIED[] = "thieves read the copy under the lock; the order is for a race detector "
                      "between the owner's fibers";

const check::survivor SURVIVORS[] = {
    {"grow: store_rel &wider[i & (capacity * 2 - 1)] -> relaxed", COPIED},
    {"grow: load_acq &slots[i & (capacity - 1)] -> relaxed", COPIED},
    {"new_slots: store_rlx &slots[i] -> skipped", "the check's memory is zeroed"},
    {"sheaf__deque_put: store_rel &slots[bottom & mask] -> relaxed", TWICE},
    {"sheaf__spin_lock: swap_acq_rel &spin->held -> acquire", LOCK_ORDER},
    {"sheaf__spin_lock_contended: swap_acq_rel &spin->held -> acquire", LOCK_ORDER},
    {"sheaf__deque_steal: load_acq &deque->bottom -> relaxed", TWICE},
    {"sheaf__deque_claim_foreign: load_acq &deque->bottom -> relaxed", TWICE},
    {"sheaf__deque_visit: load_acq &deque->bottom -> relaxed", TWICE},
    {"entry_at: load_acq &slots[at & sheaf__load_rlx(&deque->mask)] -> relaxed", TWICE},
    {"sheaf__deque_claim_last: load_acq &slots[at & mask] -> relaxed",
     "the owner wrote it; the order is for a race detector between the owner's fibers"},
    {"sheaf__deque_empty: load_acq &deque->bottom -> relaxed", "only the answer is used"},
    {"sheaf__deque_steal: store_rel &deque->top #2 -> relaxed", SAME_THREAD},
    {"sheaf__deque_claim_foreign: store_rel &deque->top -> relaxed", SENT_AWAY},
    {"sheaf__deque_visit: store_rel &deque->top -> relaxed", SENT_AWAY},
};

} // namespace

CHECK_MAIN("lib/deque lib/spin")
