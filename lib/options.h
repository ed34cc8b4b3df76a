/* Option structs: how a library that knows more members reads those of an older caller. */
#ifndef SHEAF_LIB_OPTIONS_H
#define SHEAF_LIB_OPTIONS_H

#include <stddef.h>
#include <string.h>

#include <sheaf/base.h>

/* The caller's options as this library knows them: members that it does not give are 0.
 *
 *   given    NULL: all defaults
 *   options  of `size` bytes, filled in any case
 *
 * Requires: the first member of both is their size, a size_t
 * Returns:  SHEAF_OK; SHEAF_INVALID for a size that no version of the struct has */
static inline int sheaf__options_read(const void *given, void *options, size_t size)
{
    size_t known = size;
    memset(options, 0, size);
    if (given) {
        memcpy(&known, given, sizeof known);
        if (known < sizeof known || known > size) {
            return SHEAF_INVALID;
        }
        memcpy(options, given, known);
    }
    memcpy(options, &size, sizeof size);
    return SHEAF_OK;
}

#endif
