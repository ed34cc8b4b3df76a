/* What an error is made of, for the files that make, read and write errors. */
#ifndef SHEAF_LIB_ERROR_OBJECT_H
#define SHEAF_LIB_ERROR_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/error.h>

#include "lib/atomics.h"

/* One block: the struct, the parts, then the bytes of message, task name and place.  All but the
 * references is written while one reference exists, by its holder, and const after that. */
struct sheaf_error {
    /* Written by every holder: adding is relaxed, dropping acquire and release.  Who reads 1 with
     * acquire holds the only reference and sees all that former holders did. */
    SHEAF__ATOMIC(uint32_t) references;
    int code;
    bool immortal; /* static: never counted, changed nor freed */
    bool fatal;    /* its code or that of a part at any depth is SHEAF_FATAL */
    const char *message;
    const char *task_name;
    const char *place;
    sheaf_error *cause;
    sheaf_error *during;
    void *payload;
    void (*payload_drop)(void *payload); /* NULL in a copy, whose payload_owner drops it */
    sheaf_error *payload_owner;
    sheaf_error **parts; /* in the block; NULL in an immortal one */
    size_t part_count;
    size_t size;            /* of the block */
    sheaf_error *next_dead; /* of a list of errors without references */
};

/* Whether a status or code has a name of its own. */
bool sheaf__status_named(int status);

#endif
