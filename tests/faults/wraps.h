/* System calls that fail where a test asks for it.
 *
 * The test is linked with -Wl,--wrap for each of them (tests/faults/BUILD), which turns every call
 * in the library's objects into one of the functions in wraps.c.  Each is a point: counted by kind,
 * and, while a plan is in force, the n-th point of the planned kinds fails, alone or with all that
 * follow.  What the C library calls by itself is not seen.
 *
 * Blocks and mapped bytes that the callers hold are counted as well, plan or not. */
#ifndef SHEAF_TESTS_FAULTS_WRAPS_H
#define SHEAF_TESTS_FAULTS_WRAPS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
    FAULT_MEMORY,  /* malloc, calloc, realloc, aligned_alloc, posix_memalign */
    FAULT_RECORDS, /* posix_memalign for a slab of records */
    FAULT_STACK,   /* mmap, mprotect, the madvise that makes a guard */
    FAULT_TRIM,    /* munmap, other madvise: nothing is to depend on it */
    FAULT_THREAD,  /* pthread_create */
    FAULT_LOCK,    /* pthread_mutex_init, pthread_cond_init, their attributes */
    FAULT_SYSTEM,  /* membarrier, affinity, files, pipes */
    FAULT_KINDS
};

#define FAULT_BIT(kind) (1U << (kind))
#define FAULT_ALL (FAULT_BIT(FAULT_KINDS) - 1U)

extern const char *const fault_kind_names[FAULT_KINDS];

struct fault_plan {
    unsigned kinds; /* FAULT_BIT of those that may fail */
    long first;     /* so many of them succeed before */
    bool for_good;  /* and all that follow fail too */
};

/* Points are counted, and fail as planned, from now on; the counts begin at 0.
 * Requires: nobody else is inside of the library, or it does not matter what it meets */
void faults_begin(const struct fault_plan *next);

/* Nothing fails and nothing is counted until faults_resume(), which goes on counting. */
void faults_pause(void);
void faults_resume(void);

/* Since faults_begin(): points of that kind; how many of them failed; points of the plan. */
long faults_points(enum fault_kind kind);
long faults_fired(enum fault_kind kind);
long faults_planned_points(void);
long faults_all_fired(void);

/* The kernel has no MADV_GUARD_INSTALL from now on.  Requires: before the library's first stack */
void faults_deny_guards(void);

/* What the callers of the wrapped functions hold. */
int64_t faults_live_blocks(void);
int64_t faults_mapped_bytes(void);

/* Unmaps what munmap was made to refuse since the last call. */
void faults_unmap_refused(void);

#endif
