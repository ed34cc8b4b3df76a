/* Exploring: a body under one seed after the other. */
#include <sheaf/runner.h>
#include <sheaf/testing.h>

#include <stdio.h>
#include <string.h>

#include "lib/exploration.h"
#include "lib/future_impl.h"
#include "lib/options.h"
#include "lib/seek.h"
#include "lib/sleep_impl.h"

#define SEEDS 1000U

/* A point preempts in one of so many cases. */
#define PREEMPTS_ONE_IN 4U

/* ---------------------------------------------------------------- points */

/* Whether the point is one at which the task is preempted, by the dice and by what is left. */
static bool preempts(struct sheaf__worker *worker)
{
    struct sheaf__exploration *exploration = sheaf__load_acq(&worker->pool->exploration);
    bool drawn = sheaf__roll(worker) % PREEMPTS_ONE_IN == 0;
    if (!exploration) {
        return drawn;
    }
    sheaf__store_rlx(&exploration->points, sheaf__load_rlx(&exploration->points) + 1);
    uint64_t before = sheaf__load_rlx(&exploration->preemptions);
    if (!drawn || before >= exploration->limit) {
        return false;
    }
    sheaf__store_rlx(&exploration->preemptions, before + 1);
    return true;
}

void sheaf_testing_point(void)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf_future *task = sheaf__worker_current(worker);
    if (!task || !worker->pool->seed || !preempts(worker)) {
        return;
    }
    (void)sheaf__forks_offer(worker);
    sheaf__tasks_suspend(task);
    sheaf__worker_yield(worker);
}

/* ---------------------------------------------------------------- runs */

struct search {
    sheaf_explore_options options;
    sheaf_fn *body;
    void *arg;
    uint64_t runs;
};

struct run {
    int status;
    bool fails;
    struct sheaf__exploration exploration;
};

static bool is_right(const struct search *search, int status)
{
    return search->options.is_right ? search->options.is_right(search->arg, status)
                                    : status == SHEAF_OK;
}

/* One run.  Returns: SHEAF_OK, or why there was none */
static int run_once(struct search *search, uint64_t seed, uint64_t limit, struct run *run)
{
    *run = (struct run){.exploration = {.limit = limit}};
    if (search->options.prepare) {
        search->options.prepare(search->arg);
    }
    sheaf_runner runner = SHEAF_RUNNER_INIT;
    SHEAF_TRY(sheaf_runner_open(&runner, SHEAF_OPTIONS(.seed = seed, .clock = SHEAF_CLOCK_VIRTUAL,
                                                       .stack_size = search->options.stack_size)));
    /* release: to the worker, which is there already. */
    sheaf__store_rel(&sheaf_runner_pool(&runner)->exploration, &run->exploration);
    search->runs++;
    run->status = sheaf_runner_run(&runner, search->body, search->arg, NULL);
    int end = sheaf_runner_close(&runner);
    run->status = run->status ? run->status : end;
    run->fails = !is_right(search, run->status);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- a failure */

static bool ends_alike(struct run *a, struct run *b)
{
    return a->status == b->status &&
           sheaf__load_rlx(&a->exploration.choices) == sheaf__load_rlx(&b->exploration.choices);
}

/* The fewest preemptions, from the beginning of the run, with which it fails; `most` are enough. */
static uint64_t shrink(struct search *search, uint64_t seed, uint64_t most)
{
    for (uint64_t limit = 0; limit < most; limit++) {
        struct run run;
        if (run_once(search, seed, limit, &run) == SHEAF_OK && run.fails) {
            return limit;
        }
    }
    return most;
}

static void describe(const struct search *search, sheaf_explored *found)
{
    uint64_t first = search->options.first_seed;
    int length = snprintf(found->text, sizeof found->text, "seed %llu of %llu to %llu fails: %s; ",
                          (unsigned long long)found->seed, (unsigned long long)first,
                          (unsigned long long)(first + search->options.seeds - 1),
                          sheaf_status_name(found->status));
    size_t at = length < 0 ? 0 : (size_t)length;
    if (at >= sizeof found->text) {
        return;
    }
    if (found->unsteady) {
        snprintf(found->text + at, sizeof found->text - at,
                 "but not in the same way again: not only the schedule decides");
    } else {
        snprintf(found->text + at, sizeof found->text - at,
                 "preempted %llu times at %llu points, %llu is enough",
                 (unsigned long long)found->preemptions, (unsigned long long)found->points,
                 (unsigned long long)found->enough);
    }
}

static void examine(struct search *search, uint64_t seed, struct run *run, sheaf_explored *found)
{
    struct run again;
    int made = run_once(search, seed, UINT64_MAX, &again);
    found->seed = seed;
    found->status = run->status;
    found->points = sheaf__load_rlx(&run->exploration.points);
    found->preemptions = sheaf__load_rlx(&run->exploration.preemptions);
    found->enough = found->preemptions;
    found->unsteady = made == SHEAF_OK && !ends_alike(run, &again);
    if (!found->unsteady) {
        found->enough = shrink(search, seed, found->preemptions);
    }
    describe(search, found);
}

int sheaf_explore(const sheaf_explore_options *given, sheaf_fn *body, void *arg,
                  sheaf_explored *found)
{
    struct search search = {.body = body, .arg = arg};
    sheaf_explored ours;
    found = found ? found : &ours;
    *found = (sheaf_explored){0};
    SHEAF_TRY(sheaf__options_read(given, &search.options, sizeof search.options));
    if (!body) {
        return SHEAF_INVALID;
    }
    if (sheaf__worker_current(sheaf__worker_self())) {
        return SHEAF_STATE;
    }
    search.options.first_seed += search.options.first_seed == 0;
    search.options.seeds = search.options.seeds ? search.options.seeds : SEEDS;
    for (uint64_t i = 0; i < search.options.seeds; i++) {
        uint64_t seed = search.options.first_seed + i;
        struct run run;
        SHEAF_TRY(run_once(&search, seed, UINT64_MAX, &run));
        if (run.fails) {
            examine(&search, seed, &run, found);
            found->runs = search.runs;
            return run.status ? run.status : SHEAF_STATE;
        }
    }
    found->runs = search.runs;
    snprintf(found->text, sizeof found->text, "no failure under the seeds %llu to %llu",
             (unsigned long long)search.options.first_seed,
             (unsigned long long)(search.options.first_seed + search.options.seeds - 1));
    return SHEAF_OK;
}
