#include "lib/own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void sheaf__own_file_write(struct sheaf__own_file *file, const char *bytes, size_t size)
{
    while (size > 0 && file->error == 0) {
        ssize_t written = write(file->fd, bytes, size);
        if (written >= 0) {
            bytes += written;
            size -= (size_t)written;
        } else if (errno != EINTR) {
            file->error = errno;
        }
    }
}

/* Somebody else may have put something there for us to write into, or others may have a name for
 * it.  Nothing of it is changed before that is known. */
static int make_ours(int fd)
{
    struct stat status;
    if (fstat(fd, &status)) {
        return errno;
    }
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1) {
        return EPERM;
    }
    return fchmod(fd, S_IRUSR | S_IWUSR) || ftruncate(fd, 0) ? errno : 0;
}

/* O_NONBLOCK: a pipe that nobody reads is an error, not a wait. */
int sheaf__own_file_open(const char *path, struct sheaf__own_file *file)
{
    const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    file->error = 0;
    file->fd = open(path, flags, S_IRUSR | S_IWUSR);
    if (file->fd < 0) {
        return errno;
    }
    int error = make_ours(file->fd);
    if (error) {
        close(file->fd);
    }
    return error;
}

int sheaf__own_file_close(struct sheaf__own_file *file)
{
    if (close(file->fd) && file->error == 0) {
        file->error = errno;
    }
    return file->error;
}
