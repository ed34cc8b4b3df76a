/* The CPU time of a pool that has nothing to do, over five seconds. */
#include "tests/bench/bench.h"

int bench_idle(const struct bench_run *run)
{
    sheaf_pool *pool = bench_open(run);
    bench_nap(0.2);
    double cpu = bench_cpu();
    bench_nap(5);
    bench_tell("cpu_ms_5s", (bench_cpu() - cpu) * 1e3);
    bench_close(pool);
    return SHEAF_OK;
}
