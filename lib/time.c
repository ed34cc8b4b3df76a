#include <sheaf/time.h>

#include <math.h>

/* Requires: within the range of an int64_t */
static int64_t rounded(double x)
{
    /* From 2^52 on a double has no fraction, and adding a half would make an odd number even. */
    double half = x > -0x1p52 && x < 0x1p52 ? 0.5 : 0.0;
    return (int64_t)(x < 0 ? x - half : x + half);
}

int sheaf_duration_from_seconds(double seconds, sheaf_duration *out)
{
    if (out == NULL || isnan(seconds)) {
        return SHEAF_INVALID;
    }
    double nanoseconds = seconds * 1e9;
    /* 2^63 is exact as a double, INT64_MAX is not: comparing with it would let 2^63 through. */
    if (nanoseconds >= 0x1p63) {
        *out = SHEAF_FOREVER;
    } else if (nanoseconds < -0x1p63) {
        *out = INT64_MIN;
    } else {
        *out = rounded(nanoseconds);
    }
    return SHEAF_OK;
}

sheaf_time sheaf_time_add(sheaf_time time, sheaf_duration duration)
{
    sheaf_time sum;
    if (time == SHEAF_FOREVER || duration == SHEAF_FOREVER) {
        return SHEAF_FOREVER;
    }
    if (__builtin_add_overflow(time, duration, &sum)) {
        return duration < 0 ? INT64_MIN : SHEAF_FOREVER;
    }
    return sum;
}
