/* Files that the library writes for its program: dumps and traces. */
#ifndef SHEAF_LIB_OWN_FILE_H
#define SHEAF_LIB_OWN_FILE_H

#include <stddef.h>

struct sheaf__own_file {
    int fd;
    int error; /* of the first write that failed, or 0 */
};

/* Makes a file that only its owner can read, or empties the one that is there, which must be one of
 * the process's user, with no other name: a link, a pipe or a device is refused.
 *
 * Returns: 0 or an errno value */
int sheaf__own_file_open(const char *path, struct sheaf__own_file *file);

/* Nothing is written after a failure. */
void sheaf__own_file_write(struct sheaf__own_file *file, const char *bytes, size_t size);

/* Returns: 0, or the errno value of what failed first */
int sheaf__own_file_close(struct sheaf__own_file *file);

#endif
