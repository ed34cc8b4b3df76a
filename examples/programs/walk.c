#include "walk.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

#include <sheaf.h>

/* A folder sorts as if a slash followed: that makes it the order of whole paths. */
static int compare(const FTSENT **a, const FTSENT **b)
{
    size_t shorter = (*a)->fts_namelen < (*b)->fts_namelen ? (*a)->fts_namelen : (*b)->fts_namelen;
    int difference = memcmp((*a)->fts_name, (*b)->fts_name, shorter);
    if (difference != 0) {
        return difference;
    }
    unsigned char end_a = (unsigned char)(*a)->fts_name[shorter];
    unsigned char end_b = (unsigned char)(*b)->fts_name[shorter];
    end_a = end_a == '\0' && (*a)->fts_info == FTS_D ? '/' : end_a;
    end_b = end_b == '\0' && (*b)->fts_info == FTS_D ? '/' : end_b;
    return end_a - end_b;
}

static int tell(const FTSENT *entry, walk_fn *found, void *context)
{
    switch (entry->fts_info) {
    case FTS_F:
        return found(context, entry->fts_path, 0, (size_t)entry->fts_statp->st_size);
    case FTS_DEFAULT: /* a pipe or a device counts when it was named */
        return entry->fts_level == 0 ? found(context, entry->fts_path, 0, 0) : SHEAF_OK;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
    case FTS_SLNONE:
        return found(context, entry->fts_path, entry->fts_errno ? entry->fts_errno : ENOENT, 0);
    default:
        return SHEAF_OK;
    }
}

int walk(char *path, walk_fn *found, void *context)
{
    char *paths[] = {path, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, compare);
    if (!tree) {
        return found(context, path, errno, 0);
    }
    int status = SHEAF_OK;
    FTSENT *entry;
    while (status == SHEAF_OK && (errno = 0, entry = fts_read(tree))) {
        status = tell(entry, found, context);
    }
    if (status == SHEAF_OK && errno != 0) {
        status = found(context, path, errno, 0);
    }
    fts_close(tree);
    return status;
}
