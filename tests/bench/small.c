/* What the smallest calls cost by themselves, each n times. */
#include "tests/bench/bench.h"

static int do_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

static int spawn_join(void)
{
    return sheaf_join(sheaf_spawn(do_nothing, NULL), NULL);
}

static int spawn_join_frame(void)
{
    sheaf_task task;
    sheaf_task_spawn(&task, do_nothing, NULL);
    return sheaf_task_join(&task, NULL);
}

static int lock_unlock(void)
{
    static sheaf_mutex mutex;
    SHEAF_TRY(sheaf_lock(&mutex));
    return sheaf_unlock(&mutex);
}

static int limit(void)
{
    sheaf_timeout scope = {0};
    SHEAF_TRY(sheaf_timeout_begin(&scope, SHEAF_S(10), 0));
    return sheaf_timeout_end(&scope, SHEAF_OK);
}

static int read_clock(void)
{
    return sheaf_now() == 0;
}

static const struct call {
    const char *metric;
    int (*call)(void);
} calls[] = {
    {"ns_spawn_join", spawn_join},
    {"ns_spawn_join_frame", spawn_join_frame},
    {"ns_checkpoint", sheaf_checkpoint},
    {"ns_lock_unlock", lock_unlock},
    {"ns_limit", limit},
    {"ns_now", read_clock},
};

static int measure(void *arg, sheaf_value *result)
{
    const struct bench_run *run = arg;
    for (size_t at = 0; at < sizeof calls / sizeof *calls; at++) {
        double start = bench_now();
        for (int64_t i = 0; i < run->n; i++) {
            SHEAF_TRY(calls[at].call());
        }
        bench_tell(calls[at].metric, (bench_now() - start) * 1e9 / (double)run->n);
    }
    (void)result;
    return SHEAF_OK;
}

int bench_small(const struct bench_run *run)
{
    return bench_in_task(run, measure);
}
