// The wait word under Relacy: whoever brings together a reason and PARKED without PINNED resumes
// the sleeper, exactly one of them, and what the winner did before is visible to it.
#include "tests/check/relacy_lib.h"

#include "lib/list.h"

#include "lib/wait.c"

namespace
{

struct sleeper {
    struct sheaf__wait wait;
    struct sheaf__parker parker;
};

// Thread 0 sleeps, the others wake it, each with a reason of its own.
struct world {
    struct sleeper *self;
    rl::var<int> brought[4]; // by the party with that reason
    rl::var<int> stack;      // used by the sleeper, read by inspectors
    unsigned wins;

    static world *current;
    unsigned resumes;

    // As a worker does with the fiber that it has left.
    static void rest(struct sheaf__wait &wait)
    {
        if (sheaf__wait_parked(&wait)) {
            wait.resume(&wait);
        }
    }

    static void resume(struct sheaf__wait *wait)
    {
        current->resumes++;
        RL_ASSERT(current->resumes == 1);
        sheaf__unpark(&SHEAF__CONTAINER(wait, struct sleeper, wait)->parker);
    }

    void make()
    {
        self = check::make<struct sleeper>();
        self->wait.resume = resume;
        current = this;
        wins = 0;
        resumes = 0;
        stack($) = 0;
        for (rl::var<int> &one : brought) {
            one($) = 0;
        }
    }

    void sleep()
    {
        stack($) = 1;
        rest(self->wait);
        sheaf__park(&self->parker);
        stack($) = 2;
        uint32_t reason = sheaf__wait_reason(&self->wait);
        RL_ASSERT(brought[reason >> 2]($) == 1);
    }

    void wake(uint32_t reason)
    {
        brought[reason >> 2]($) = 1;
        if (sheaf__wake(&self->wait, reason)) {
            wins++;
        }
    }

    void inspect()
    {
        if (sheaf__wait_pin(&self->wait)) {
            RL_ASSERT(stack($) == 1);
            sheaf__wait_unpin(&self->wait);
        }
    }

    void first() { sleep(); }

    void settle()
    {
        RL_ASSERT(wins == 1);
        RL_ASSERT(resumes == 1);
    }
};

world *world::current;

template <typename derived_t, rl::thread_id_t threads>
using scene = check::scene<derived_t, threads, world>;

// Three ends of one sleep.
struct wakers : scene<wakers, 4> {
    void set_up() { make(); }

    void other(unsigned index) { wake(index << 2); }
};

// An inspector holds the sleeper while it is woken.
struct pinned : scene<pinned, 3> {
    void set_up() { make(); }

    void other(unsigned index)
    {
        if (index == 1) {
            wake(SHEAF__WAIT_DONE);
        } else {
            inspect();
            inspect();
        }
    }
};

// A sleeper of an abandoned pool: nobody resumes it, or somebody had decided before.  It parks
// before it is sealed, as when all workers have left.
struct sealed : scene<sealed, 4> {
    rl::var<int> left; // by the sleeper's worker, at the end
    rl::generic_event parked;
    bool seal_won;

    void set_up()
    {
        make();
        left($) = 0;
        parked.init(true, false, $);
    }

    void first()
    {
        stack($) = 1;
        rest(self->wait);
        left($) = 1;
        parked.set($);
    }

    void other(unsigned index)
    {
        if (index == 1) {
            parked.wait(false, false, $);
            seal_won = sheaf__wait_seal(&self->wait);
            RL_ASSERT(left($) == 1);
        } else if (index == 2) {
            wake(SHEAF__WAIT_DONE);
        } else {
            inspect();
        }
    }

    void settle()
    {
        parked.deinit($);
        RL_ASSERT(wins + seal_won == 1);
        RL_ASSERT(resumes == wins);
    }
};

// A thread that sleeps with a limit: its frame may go when it has come back.
struct timed : check::scenario<timed, 2> {
    struct sheaf__thread_wait *self;
    rl::var<int> brought;
    uint32_t reason;
    bool won;

    void set_up()
    {
        self = check::make<struct sheaf__thread_wait>();
        sheaf__thread_wait_init(self);
        brought($) = 0;
    }

    void first()
    {
        reason = sheaf__thread_wait_sleep(self, 1);
        if (reason == SHEAF__WAIT_DONE) {
            RL_ASSERT(brought($) == 1);
        }
    }

    void other(unsigned)
    {
        brought($) = 1;
        won = sheaf__wake(&self->wait, SHEAF__WAIT_DONE);
    }

    void settle() { RL_ASSERT(reason == (won ? SHEAF__WAIT_DONE : SHEAF__WAIT_TIMEOUT)); }
};

const check::program PROGRAMS[] = {
    {"wakers", check::passes<wakers>, 100},
    {"pinned", check::passes<pinned>, 100},
    {"sealed", check::passes<sealed>, 100},
    {"timed", check::passes<timed>, 100},
};

const char BY_RESUME[] = "the resume (a queue's or a parker's lock) hands over as well";

const check::survivor SURVIVORS[] = {
    {"sheaf__wait_parked: or_acq_rel &wait->word -> release", BY_RESUME},
    {"sheaf__wait_parked: load_acq &wait->word -> relaxed", BY_RESUME},
    {"sheaf__wait_reason: load_acq &wait->word -> relaxed", BY_RESUME},
    {"sheaf__wait_unpin: and_acq_rel &wait->word -> release", BY_RESUME},
    {"sheaf__wait_pin: cas_acq_rel &wait->word -> acquire", "a pin publishes nothing"},
    {"sheaf__thread_wait_sleep: cas_acq_rel &self->wait.word -> acquire",
     "who gives up publishes nothing"},
    {"sheaf__thread_wait_sleep: cas_acq_rel &self->wait.word -> release",
     "who gives up reads nothing of others; on failure the parker hands over"},
};

} // namespace

CHECK_MAIN("lib/wait")
