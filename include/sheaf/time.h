/* Time: int64 nanoseconds on the monotonic clock.                                     (stable tier)
 *
 * A sheaf_duration is relative; a negative one has already passed, SHEAF_FOREVER never does.  A
 * sheaf_time is a point on the clock of a pool (sheaf_now() in pool.h reads it), and SHEAF_FOREVER
 * is the point that never comes.  Functions that take a point end in _until.  A loop that retries
 * computes its deadline once and passes that, so that retrying does not stretch the limit:
 *
 *     sheaf_time deadline = sheaf_time_add(sheaf_now(), SHEAF_MS(200));
 *     while (!done) SHEAF_TRY(sheaf_await_until(f, deadline, &value));
 */
#ifndef SHEAF_TIME_H
#define SHEAF_TIME_H

#include <stdint.h>

#include <sheaf/base.h>

SHEAF_BEGIN_DECLS

typedef int64_t sheaf_duration;
typedef int64_t sheaf_time;

#define SHEAF_FOREVER INT64_MAX

/* Durations of x nanoseconds, microseconds, milliseconds and seconds.  x may be an integer or a
 * floating-point number: SHEAF_S(0.5) is half a second.  For numbers that come from outside, which
 * may be too large or no numbers, there is sheaf_duration_from_seconds(). */
#define SHEAF_NS(x) ((sheaf_duration)(x))
#define SHEAF_US(x) ((sheaf_duration)((x)*INT64_C(1000)))
#define SHEAF_MS(x) ((sheaf_duration)((x)*INT64_C(1000000)))
#define SHEAF_S(x) ((sheaf_duration)((x)*INT64_C(1000000000)))

/* The duration of so many seconds, rounded to the nearest nanosecond.
 *
 *   *out  the duration; what is beyond the range is held at SHEAF_FOREVER, below it at INT64_MIN;
 *         untouched on error
 *
 * Returns: SHEAF_OK; SHEAF_INVALID when `seconds` is not a number, or `out` is NULL
 * Context: any */
SHEAF_API int sheaf_duration_from_seconds(double seconds, sheaf_duration *out);

/* The point that lies `duration` after `time`, held at the ends of the range.
 *
 * Returns: SHEAF_FOREVER when one of the two is
 * Context: any */
SHEAF_API sheaf_time sheaf_time_add(sheaf_time time, sheaf_duration duration);

SHEAF_END_DECLS

#endif
