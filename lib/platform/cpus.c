/* Affinity and cgroup quotas.
 *
 * /proc/self/cgroup has a line per hierarchy, "number:controllers:path"; the one of version 2 has
 * no controllers.  The path is below the place where the hierarchy is mounted, as seen from the
 * root of the process's cgroup namespace.  In a container without a namespace of its own the path
 * is the host's while the mount shows the container's part: the directories then do not exist, and
 * the walk upwards ends in the mount's own root, which is the container's cgroup.  Hierarchies
 * mounted in unusual places are not found; they set no limit.
 *
 * Files are read by open and read into buffers on the stack: no stdio, so no allocation.  The
 * buffers come to 5 KiB, so that a call fits on the smallest stack.
 */
#include "lib/platform/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024 /* longer lines are skipped */
#define PATH_MAX_BYTES 2048 /* longer paths are taken for missing files */
#define NO_LIMIT UINT64_MAX

/* Where the hierarchies are mounted; those that do not exist are skipped. */
static const char *const v2_mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", NULL};
static const char *const v1_mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct",
                                        "/sys/fs/cgroup/cpuacct,cpu", NULL};

/* ---- small files ----------------------------------------------------------------------------- */

static ssize_t read_some(int fd, char *into, size_t capacity)
{
    ssize_t got;
    do got = read(fd, into, capacity);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Read the beginning of a file as a string. */
static bool read_file(const char *path, char *into, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t got = read_some(fd, into, capacity - 1);
    close(fd);
    if (got < 0) return false;
    into[got] = '\0';
    return true;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Take a decimal number off the front of *text.  False for none, and for one past 2^63. */
static bool take_number(const char **text, uint64_t *number)
{
    const char *at = *text;
    uint64_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (value > (INT64_MAX - 9) / 10) return false;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    if (at == *text) return false;
    *text = at;
    *number = value;
    return true;
}

static bool at_end(const char *text)
{
    return *text == '\0' || (*text == '\n' && text[1] == '\0');
}

/* quota / period rounded up; a quota or a period of 0 makes no sense and limits nothing. */
static uint64_t cpus_of(uint64_t quota, uint64_t period)
{
    if (quota == 0 || period == 0) return NO_LIMIT;
    return quota / period + (quota % period != 0);
}

/* cpu.max: "QUOTA PERIOD" in microseconds; QUOTA may be the word max, which is no number. */
static uint64_t limit_of_v2_text(const char *text)
{
    uint64_t quota;
    uint64_t period;
    if (!take_number(&text, &quota) || *text++ != ' ') return NO_LIMIT;
    if (!take_number(&text, &period) || !at_end(text)) return NO_LIMIT;
    return cpus_of(quota, period);
}

static bool whole_number(const char *text, uint64_t *number)
{
    return take_number(&text, number) && at_end(text);
}

/* ---- one directory --------------------------------------------------------------------------- */

/* Requires: the caller has seen that it fits */
static void put_name(char *end, const char *name)
{
    memcpy(end, name, strlen(name) + 1);
}

static uint64_t limit_of_v2_directory(char *path, size_t length)
{
    char text[64];
    if (length + sizeof "/cpu.max" > PATH_MAX_BYTES) return NO_LIMIT;
    put_name(path + length, "/cpu.max");
    return read_file(path, text, sizeof text) ? limit_of_v2_text(text) : NO_LIMIT;
}

/* cpu.cfs_quota_us is -1, which is no number here, where there is no limit. */
static uint64_t limit_of_v1_directory(char *path, size_t length)
{
    char text[64];
    uint64_t quota;
    uint64_t period;
    if (length + sizeof "/cpu.cfs_period_us" > PATH_MAX_BYTES) return NO_LIMIT;
    put_name(path + length, "/cpu.cfs_quota_us");
    if (!read_file(path, text, sizeof text) || !whole_number(text, &quota)) return NO_LIMIT;
    put_name(path + length, "/cpu.cfs_period_us");
    if (!read_file(path, text, sizeof text) || !whole_number(text, &period)) return NO_LIMIT;
    return cpus_of(quota, period);
}

/* ---- a directory and its parents ------------------------------------------------------------- */

struct hierarchy {
    const char *const *mounts;
    uint64_t (*limit_of_directory)(char *path, size_t length);
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The smallest limit of path[0 .. length) and of its parents, down to path[0 .. stop). */
static uint64_t limit_upwards(const struct hierarchy *h, char *path, size_t length, size_t stop)
{
    uint64_t limit = NO_LIMIT;
    for (;;) {
        limit = smaller(limit, h->limit_of_directory(path, length));
        if (length <= stop) return limit;
        do length--;
        while (length > stop && path[length] != '/');
    }
}

/* A path with ".." leads out of the namespace: only the mount's own root is known then. */
static const char *path_below_mount(const char *group)
{
    bool usable = group[0] == '/' && group[1] != '\0' && !strstr(group, "/..");
    return usable ? group : "";
}

static uint64_t limit_of_group(const struct hierarchy *h, const char *root, const char *group)
{
    char path[PATH_MAX_BYTES];
    uint64_t limit = NO_LIMIT;
    for (const char *const *mount = h->mounts; *mount; mount++) {
        int stop = snprintf(path, sizeof path, "%s%s", root, *mount);
        if (stop < 0 || (size_t)stop >= sizeof path) continue;
        size_t room = sizeof path - (size_t)stop;
        int below = snprintf(path + stop, room, "%s", path_below_mount(group));
        if (below < 0 || (size_t)below >= room) continue;
        limit = smaller(limit, limit_upwards(h, path, (size_t)stop + (size_t)below, (size_t)stop));
    }
    return limit;
}

/* ---- /proc/self/cgroup ----------------------------------------------------------------------- */

/* Whether the list "a,b,c" names the controller "cpu". */
static bool names_cpu(const char *list)
{
    for (;;) {
        size_t length = strcspn(list, ",");
        if (length == 3 && memcmp(list, "cpu", 3) == 0) return true;
        if (list[length] == '\0') return false;
        list += length + 1;
    }
}

/* The limit that a line "number:controllers:path" leads to.  The line is cut up. */
static uint64_t limit_of_line(char *line, const char *root)
{
    static const struct hierarchy v2 = {v2_mounts, limit_of_v2_directory};
    static const struct hierarchy v1 = {v1_mounts, limit_of_v1_directory};
    char *controllers = strchr(line, ':');
    if (!controllers) return NO_LIMIT;
    controllers++;
    char *group = strchr(controllers, ':');
    if (!group) return NO_LIMIT;
    *group++ = '\0';
    if (*controllers == '\0') return limit_of_group(&v2, root, group);
    return names_cpu(controllers) ? limit_of_group(&v1, root, group) : NO_LIMIT;
}

/* A file cut into lines; a line that does not fit is skipped as a whole. */
struct line_reader {
    int fd;
    size_t held;   /* bytes in text */
    bool skipping; /* inside of a line that does not fit */
    char text[LINE_MAX_BYTES];
};

/* The limit of all complete lines that the reader holds; what is left moves to the front. */
static uint64_t limit_of_held_lines(struct line_reader *r, const char *root)
{
    uint64_t limit = NO_LIMIT;
    char *begin = r->text;
    char *newline;
    while ((newline = memchr(begin, '\n', r->held))) {
        *newline++ = '\0';
        if (!r->skipping) limit = smaller(limit, limit_of_line(begin, root));
        r->skipping = false;
        r->held -= (size_t)(newline - begin);
        begin = newline;
    }
    memmove(r->text, begin, r->held);
    return limit;
}

static uint64_t limit_of_all_lines(struct line_reader *r, const char *root)
{
    uint64_t limit = NO_LIMIT;
    ssize_t got;
    while ((got = read_some(r->fd, r->text + r->held, sizeof r->text - r->held)) > 0) {
        r->held += (size_t)got;
        limit = smaller(limit, limit_of_held_lines(r, root));
        if (r->held == sizeof r->text) {
            r->skipping = true;
            r->held = 0;
        }
    }
    if (r->skipping || r->held == 0) return limit;
    r->text[r->held] = '\0'; /* the last line lacks its newline */
    return smaller(limit, limit_of_line(r->text, root));
}

static uint64_t limit_of_process(const char *root)
{
    struct line_reader r = {.held = 0};
    int length = snprintf(r.text, sizeof r.text, "%s/proc/self/cgroup", root);
    if (length < 0 || (size_t)length >= sizeof r.text) return NO_LIMIT;
    r.fd = open(r.text, O_RDONLY | O_CLOEXEC);
    if (r.fd < 0) return NO_LIMIT;
    uint64_t limit = limit_of_all_lines(&r, root);
    close(r.fd);
    return limit;
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* The CPUs in the calling thread's affinity mask, up to 16384 of them. */
static unsigned affinity_count(void)
{
    unsigned long mask[16384 / (8 * sizeof(unsigned long))];
    memset(mask, 0, sizeof mask);
    int count = 0;
    if (sched_getaffinity(0, sizeof mask, (cpu_set_t *)(void *)mask) == 0)
        count = CPU_COUNT_S(sizeof mask, (cpu_set_t *)(void *)mask);
    if (count <= 0) count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

unsigned sheaf__cpus_from(unsigned affinity, const char *root)
{
    if (affinity == 0) affinity = 1;
    uint64_t limit = limit_of_process(root);
    return limit < affinity ? (unsigned)limit : affinity;
}

unsigned sheaf__cpus_usable(void)
{
    return sheaf__cpus_from(affinity_count(), "");
}
