/* One transfer over HTTP by libcurl, which blocks its thread. */
#ifndef EXAMPLES_PROGRAMS_TRANSFER_H
#define EXAMPLES_PROGRAMS_TRANSFER_H

#include <stdatomic.h>
#include <stdio.h>

#include <sheaf.h>

enum { TRANSFER_ERROR_SIZE = 256 };

struct transfer {
    const char *url;
    FILE *file;       /* where it goes */
    atomic_bool stop; /* set by whoever wants it to end; it looks several times a second */
    long long size;   /* when it has succeeded */
    char error[TRANSFER_ERROR_SIZE]; /* when it has failed: why, may be empty */
};

/* A function for sheaf_blocking(): its argument is the transfer.
 *
 * Returns: SHEAF_OK, ENOMEM; EIO for all that libcurl says */
int transfer_run(void *arg, sheaf_value *result);

#endif
