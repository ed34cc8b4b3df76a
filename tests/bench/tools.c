/* The tools of bench.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/bench.h"

bool bench_form_is(const struct bench_run *run, const char *form)
{
    return !strcmp(run->form, form);
}

void *bench_room(long count, size_t size)
{
    void *room = malloc((size_t)count * size);
    if (!room) {
        fprintf(stderr, "bench: out of memory\n");
        exit(1);
    }
    return room;
}

static double seconds_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double bench_now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

double bench_cpu(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_nap(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

/* getrusage() has also what was resident in the parent, before this program was executed. */
static double bytes_of(const char *field)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];
    double kilobytes = 0;
    while (file && kilobytes <= 0 && fgets(line, sizeof line, file)) {
        if (!strncmp(line, field, strlen(field))) {
            kilobytes = strtod(line + strlen(field), NULL);
        }
    }
    bench_check(file && !fclose(file) && kilobytes > 0, "/proc/self/status");
    return kilobytes * 1024;
}

double bench_peak_bytes(void)
{
    return bytes_of("VmHWM:");
}

double bench_resident_bytes(void)
{
    return bytes_of("VmRSS:");
}

void bench_tell(const char *metric, double value)
{
    printf("%s\t%.6g\n", metric, value);
    fflush(stdout);
}

void bench_tellf(double value, const char *format, ...)
{
    char metric[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(metric, sizeof metric, format, arguments);
    va_end(arguments);
    bench_tell(metric, value);
}

void bench_check(bool right, const char *what)
{
    if (!right) {
        fprintf(stderr, "bench: wrong: %s\n", what);
        exit(4);
    }
}

static int do_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

enum { WARMING_TASKS = 64 };

int bench_in_task(const struct bench_run *run, sheaf_fn *body)
{
    return sheaf_run(SHEAF_OPTIONS(.workers = run->workers), body, (void *)(uintptr_t)run, NULL);
}

void bench_warm(sheaf_pool *pool)
{
    sheaf_future *futures[WARMING_TASKS];
    for (int i = 0; i < WARMING_TASKS; i++) {
        futures[i] = sheaf_spawn_on(pool, do_nothing, NULL);
    }
    for (int i = 0; i < WARMING_TASKS; i++) {
        bench_check(!sheaf_join(futures[i], NULL), "a warming task");
    }
}

sheaf_pool *bench_open(const struct bench_run *run)
{
    sheaf_pool *pool = NULL;
    bench_check(!sheaf_pool_open(SHEAF_OPTIONS(.workers = run->workers), &pool), "no pool");
    bench_warm(pool);
    return pool;
}

void bench_close(sheaf_pool *pool)
{
    bench_check(!sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), "close");
}
