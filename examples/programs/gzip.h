/* Compressing a stream of bytes on all cores. */
#ifndef EXAMPLES_PROGRAMS_GZIP_H
#define EXAMPLES_PROGRAMS_GZIP_H

#include <stddef.h>
#include <stdint.h>

/* Reads `in` to its end and writes it to `out` as one member of the gzip format (RFC 1952).
 *
 *   level  1 to 9
 *   mtime  when the input was changed, 0 if that is not known
 *   total  its size, for the bar; 0 if that is not known
 *
 * Returns: SHEAF_OK, an errno value, SHEAF_CANCELLED; SHEAF_NOMEM
 * Context: task */
int gzip(int in, int out, int level, uint32_t mtime, size_t total);

#endif
