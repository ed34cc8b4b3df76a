// The idle protocol under Relacy: a job that was announced is executed, whoever falls asleep
// meanwhile.  A lost wake-up is a deadlock.
//
// The workers' loop is that of lib/seek.c in small: search, rest and end_search are the same
// steps.
#include "tests/check/relacy_lib.h"

#define SHEAF__DEQUE_FIRST_CAPACITY 2U
#define SHEAF__DEQUE_LARGEST_CAPACITY 4U
#include "lib/deque.c"
#include "lib/idle.c"
#include "lib/runq.c"

namespace
{

const unsigned WORKERS = 2;
const unsigned JOBS_MAX = 3;

struct pool {
    struct sheaf__idle idle;
    struct sheaf__runq inject;
    struct sheaf__runq pinned[WORKERS];
    struct sheaf__deque deques[WORKERS];
    struct sheaf__bunk bunks[WORKERS];
    struct sheaf__parker parkers[WORKERS];
    struct sheaf__job jobs[JOBS_MAX];
    SHEAF__ATOMIC(uint8_t) stopped;
    SHEAF__ATOMIC(uint32_t) ended;
};

// Two workers and, as thread 2, somebody from outside: derived_t::outside; derived_t::body runs a
// job.
template <typename derived_t> struct world : check::scenario<derived_t, WORKERS + 1> {
    struct pool *pool;
    unsigned wanted;
    rl::var<int> payload[JOBS_MAX];
    rl::generic_event met[JOBS_MAX];

    void make(unsigned jobs)
    {
        pool = check::make<struct pool>();
        wanted = jobs;
        sheaf__idle_init(&pool->idle, WORKERS);
        sheaf__runq_init(&pool->inject);
        for (unsigned i = 0; i < WORKERS; i++) {
            sheaf__runq_init(&pool->pinned[i]);
            sheaf__deque_init(&pool->deques[i], (uint16_t)i);
            pool->bunks[i].parker = &pool->parkers[i];
        }
        for (unsigned i = 0; i < JOBS_MAX; i++) {
            met[i].init(true, false, $);
        }
    }

    void settle()
    {
        for (unsigned i = 0; i < JOBS_MAX; i++) {
            met[i].deinit($);
        }
        for (unsigned i = 0; i < wanted; i++) {
            RL_ASSERT(payload[i]($) == -1);
        }
        RL_ASSERT(sheaf__load_rlx(&pool->ended) == wanted);
    }

    bool has_work(unsigned self)
    {
        if (!sheaf__runq_empty(&pool->pinned[self]) || !sheaf__runq_empty(&pool->inject)) {
            return true;
        }
        for (unsigned i = 0; i < WORKERS; i++) {
            if (!sheaf__deque_empty(&pool->deques[i])) {
                return true;
            }
        }
        return false;
    }

    struct sheaf__job *search_round(unsigned self)
    {
        struct sheaf__job *job = sheaf__runq_pop(&pool->pinned[self]);
        if (!job) {
            job = sheaf__runq_pop(&pool->inject);
        }
        if (!job) {
            job = sheaf__deque_pop(&pool->deques[self]);
        }
        if (!job) {
            sheaf__deque_steal(&pool->deques[1 - self], &job, 1, 8);
        }
        return job;
    }

    bool stopped() { return sheaf__load_acq(&pool->stopped) != 0; }

    void rest(unsigned self)
    {
        bool watched; // never: there is no watch
        sheaf__idle_lie_down(&pool->idle, &pool->bunks[self], &watched);
        RL_ASSERT(!watched);
        if (has_work(self) || stopped()) {
            sheaf__idle_get_up(&pool->idle, &pool->bunks[self]);
            return;
        }
        sheaf__idle_sleep(&pool->bunks[self]);
    }

    struct sheaf__job *search(unsigned self)
    {
        sheaf__idle_search_begin(&pool->idle);
        return search_on(self);
    }

    struct sheaf__job *search_on(unsigned self)
    {
        struct sheaf__job *job = NULL;
        while (!job && !stopped()) {
            job = search_round(self);
            if (!job) {
                rest(self);
            }
        }
        if (sheaf__idle_search_end(&pool->idle) && has_work(self)) {
            sheaf__idle_wake_one(&pool->idle);
        }
        return job;
    }

    void stop()
    {
        sheaf__store_seq(&pool->stopped, 1);
        sheaf__fence_heavy();
        sheaf__idle_wake_all(&pool->idle);
    }

    void run(unsigned self, struct sheaf__job *job)
    {
        int at = (int)(job - pool->jobs);
        RL_ASSERT(payload[at]($) == at + 1);
        payload[at]($) = -1;
        this->derived().body(self, (unsigned)at);
        if (sheaf__add_acq_rel(&pool->ended, 1) + 1 == wanted) {
            stop();
        }
    }

    void work(unsigned self)
    {
        while (!stopped()) {
            struct sheaf__job *job = search_round(self);
            job = job ? job : search(self);
            if (job) {
                run(self, job);
            }
        }
    }

    void submit(unsigned at)
    {
        payload[at]($) = (int)at + 1;
        sheaf__runq_push(&pool->inject, &pool->jobs[at]);
        sheaf__idle_announce(&pool->idle);
    }

    void thread(unsigned index)
    {
        if (index < WORKERS) {
            this->derived().worker(index);
        } else {
            this->derived().outside();
        }
    }

    void worker(unsigned self) { work(self); }

    // Waits until the other job runs too: both workers have to be up.
    void meet(unsigned mine, unsigned other)
    {
        met[mine].set($);
        met[other].wait(false, false, $);
    }
};

// Two jobs from outside that wait for each other: the second worker is woken by chain or by
// announce.
struct submissions : world<submissions> {
    void set_up() { make(2); }

    void outside()
    {
        submit(0);
        submit(1);
    }

    void body(unsigned, unsigned at) { meet(at, 1 - at); }
};

// The two as one chain, announced once: only the chained wake-up brings the second worker.
struct chained : world<chained> {
    void set_up() { make(2); }

    void outside()
    {
        payload[0]($) = 1;
        payload[1]($) = 2;
        pool->jobs[0].up.next = &pool->jobs[1];
        RL_ASSERT(sheaf__runq_offer(&pool->inject, &pool->jobs[0], &pool->jobs[1], 2));
        sheaf__idle_announce(&pool->idle);
    }

    void body(unsigned, unsigned at) { meet(at, 1 - at); }
};

// The moment that the chained wake-up is for: worker 1 sleeps, worker 0 has taken its job as the
// last searcher while another is announced, which it does not answer since somebody searches.
struct last_searcher : world<last_searcher> {
    void set_up()
    {
        make(2);
        sheaf__idle_search_begin(&pool->idle);
        sheaf__idle_search_begin(&pool->idle);
        bool watched;
        sheaf__idle_lie_down(&pool->idle, &pool->bunks[1], &watched);
        payload[0]($) = 1;
        sheaf__runq_push(&pool->inject, &pool->jobs[0]);
    }

    void worker(unsigned self)
    {
        if (self == 0) {
            struct sheaf__job *job = sheaf__runq_pop(&pool->inject);
            if (sheaf__idle_search_end(&pool->idle) && has_work(0)) {
                sheaf__idle_wake_one(&pool->idle);
            }
            run(0, job);
            work(0);
        } else {
            sheaf__idle_sleep(&pool->bunks[1]);
            struct sheaf__job *job = search_on(1);
            if (job) {
                run(1, job);
            }
            work(1);
        }
    }

    void outside() { submit(1); }

    void body(unsigned, unsigned at) { meet(at, 1 - at); }
};

// A job that pushes another on its worker's own deque and waits until the other worker runs it.
struct spawned : world<spawned> {
    void set_up() { make(2); }

    void outside() { submit(0); }

    void body(unsigned self, unsigned at)
    {
        if (at == 0) {
            payload[1]($) = 2;
            sheaf__deque_push(&pool->deques[self], &pool->jobs[1]);
            sheaf__idle_announce(&pool->idle);
        }
        meet(at, 1 - at);
    }
};

// A job tied to a worker, of which nobody is told but that worker; and one for anybody.
struct pinned : world<pinned> {
    void set_up() { make(2); }

    void outside()
    {
        submit(0);
        payload[1]($) = 2;
        sheaf__runq_push(&pool->pinned[0], &pool->jobs[1]);
        sheaf__idle_wake(&pool->idle, &pool->bunks[0]);
    }

    void body(unsigned self, unsigned at) { RL_ASSERT(at == 0 || self == 0); }
};

const check::program PROGRAMS[] = {
    {"submissions", check::passes<submissions>, 100},
    {"chained", check::passes<chained>, 100},
    {"last searcher", check::passes<last_searcher>, 100},
    {"spawned", check::passes<spawned>, 100},
    {"pinned", check::passes<pinned>, 100},
};

const char NOT_ASKED[] = "nobody claims from the middle of a queue here";
const char COUNTS_ONLY[] = "the word publishes nothing: that changes of it are one by one, and the "
                           "fences beside it, are what counts";

const check::survivor SURVIVORS[] = {
    {"mark_queued: store_rlx &job->where -> skipped", NOT_ASKED},
    {"unlink_job: store_rlx &job->where -> skipped", NOT_ASKED},
    {"unlink_job: store_rlx &queue->taken -> skipped", "nobody has the watch here"},
    {"sheaf__idle_search_begin: add_seq &idle->word -> acquire", COUNTS_ONLY},
    {"sheaf__idle_search_begin: add_seq &idle->word -> release", COUNTS_ONLY},
    {"sheaf__idle_search_end: sub_seq &idle->word -> acquire", COUNTS_ONLY},
    {"sheaf__idle_search_end: sub_seq &idle->word -> release", COUNTS_ONLY},
    {"sheaf__idle_lie_down: add_seq &idle->word -> acquire", COUNTS_ONLY},
    {"sheaf__idle_lie_down: add_seq &idle->word -> release", COUNTS_ONLY},
    {"take_out: add_seq &idle->word -> acquire", COUNTS_ONLY},
    {"take_out: add_seq &idle->word -> release", COUNTS_ONLY},
    {"sheaf__idle_wake_one: load_seq &idle->word -> relaxed",
     "a decrease of `searching` that is not seen yet is followed by its maker's own look"},
};

} // namespace

CHECK_MAIN("lib/idle lib/runq")
