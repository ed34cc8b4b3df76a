#include "lib/platform/clock.h"

#include <time.h>

/* The call cannot fail: the clock exists everywhere and the address is ours. */
int64_t sheaf__clock_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + (int64_t)now.tv_nsec;
}

int64_t sheaf__deadline_after(int64_t now, int64_t duration)
{
    if (duration == SHEAF__CLOCK_FOREVER) return SHEAF__CLOCK_FOREVER;
    if (duration > 0 && now > INT64_MAX - duration) return INT64_MAX;
    if (duration < 0 && now < INT64_MIN - duration) return INT64_MIN;
    return now + duration;
}
