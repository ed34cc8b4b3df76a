/* The monotonic clock of the operating system, in int64 nanoseconds since an unspecified start. */
#ifndef SHEAF_PLATFORM_CLOCK_H
#define SHEAF_PLATFORM_CLOCK_H

#include <stdint.h>

/* A deadline that never comes, and a duration that never ends. */
#define SHEAF__CLOCK_FOREVER INT64_MAX

/* Read the monotonic clock.
 *
 * Returns:  nanoseconds; never less than an earlier reading of any thread
 * Context:  any, signal handlers included
 */
int64_t sheaf__clock_monotonic(void);

/* The deadline that lies `duration` after `now`.
 *
 * Returns:  now + duration, held at INT64_MAX and INT64_MIN; a duration of INT64_MAX is forever
 * Context:  any
 */
int64_t sheaf__deadline_after(int64_t now, int64_t duration);

#endif
