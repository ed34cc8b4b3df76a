/* Where members lie, told in the program's data for debuggers: tools/gdb/sheaf.py reads these
 * tables, in a process or a core, of a library that was built without debug information.
 *
 * A table is an array of these that ends with an empty name. */
#ifndef SHEAF_LIB_OFFSETS_H
#define SHEAF_LIB_OFFSETS_H

#include <stddef.h>
#include <stdint.h>

struct sheaf__offset {
    char name[28];
    uint32_t value;
};

/* A member of a struct sheaf__TYPE. */
#define SHEAF__OFFSET(type, member)                                                                \
    {                                                                                              \
#type "." #member, offsetof(struct sheaf__##type, member)                                  \
    }

#define SHEAF__OFFSETS_END                                                                         \
    {                                                                                              \
        "", 0                                                                                      \
    }

/* A table that nothing in the program refers to, and which stays in it all the same. */
#define SHEAF__KEPT __attribute__((used, retain))

#endif
