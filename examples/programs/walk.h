/* Walking through folders. */
#ifndef EXAMPLES_PROGRAMS_WALK_H
#define EXAMPLES_PROGRAMS_WALK_H

#include <stddef.h>

/* Told of each file.
 *
 *   error  not 0: what the walk came upon in its place, an errno value
 *   bytes  its size, 0 where it has none
 *
 * Returns: SHEAF_OK, or what ends the walk */
typedef int walk_fn(void *context, const char *path, int error, size_t bytes);

/* Finds the file at `path`, or all files below the folder there in the byte order of their paths.
 * Links below it are left out, and so is what is neither file nor folder.
 *
 * Returns: SHEAF_OK, what ended the walk */
int walk(char *path, walk_fn *found, void *context);

#endif
