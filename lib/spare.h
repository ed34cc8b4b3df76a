/* Spares: workers beside those asked for, which serve while those compute or block.
 *
 * A pool on a real clock has as many of them as workers, at most: threads that are started when
 * they are needed, and stay at home otherwise.  The first one comes when every worker is up for the
 * first time.  lib/idle.h has the states and the invariant, lib/spare.c what the watch looks for.
 *
 * A spare that is lent takes the place of one worker, and has it until that one is back in its
 * loop.  What it takes:
 *
 *   fibers that were woken, wherever they lie     always: their sleep or limit is over, their await
 *                                                 has ended, and somebody counts on that
 *   what its own tasks spawn                      always: they may await it
 *   tasks that have not started                   if the worker in whose place it is blocks: then a
 *                                                 CPU is free; or if nothing at all has begun or
 *                                                 ended in the pool for a long while: then one
 *                                                 spare takes them, so that the pool goes on
 *   pinned tasks, and those with a stack size     never
 *
 * So a program that only computes is not made to compute more at a time than it has workers. */
#ifndef SHEAF_LIB_SPARE_H
#define SHEAF_LIB_SPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/atomics.h"
#include "lib/job.h"

struct sheaf_pool;
struct sheaf__worker;

/* What was seen of a queue at the last look. */
struct sheaf__seen_queue {
    uint32_t taken;
    bool waited; /* it held something */
};

/* What the watch has seen of a worker.  Owner: whoever has the watch. */
struct sheaf__seen {
    struct sheaf__seen_queue ready;
    struct sheaf__seen_queue late;
    uint32_t ticks;
    int64_t turned; /* the look that saw `ticks` change last */
    uint64_t acts;
    int64_t acted; /* the same of `acts` */
    int64_t cpu;   /* CPU time used until `cpu_at`, -1 when it is not known */
    int64_t cpu_at;
    bool blocked; /* it used next to none between the last two readings, and did nothing since */
    SHEAF__ATOMIC(int64_t)
    futile; /* what waits is of no use to a spare in its place: not before
                                      this time; written by that spare */
};

/* Whether a spare is lent, and which tasks that have not started it takes then. */
enum sheaf__lent {
    SHEAF__LENT_NOT,
    SHEAF__LENT,             /* takes none */
    SHEAF__LENT_FOR_BLOCKED, /* while its worker uses no CPU */
    SHEAF__LENT_FOR_ALL      /* while no worker does anything */
};

/* A spare's place.  Owner only: relaxed, as the like in worker.h. */
struct sheaf__place {
    SHEAF__ATOMIC(struct sheaf__worker *) worker; /* in whose place it serves, or NULL */
    SHEAF__ATOMIC(uint32_t) ticks; /* of that one at the beginning: when they change it ends */
    SHEAF__ATOMIC(bool) fruitless; /* it is to start tasks, and has found none yet */
    SHEAF__ATOMIC(int64_t) cpu;    /* of that worker at the beginning */
    SHEAF__ATOMIC(uint64_t) acts;  /* of all workers at the beginning */
};

/* Starts the first spare if every worker is up.  Context: no lock is held */
void sheaf__spares_begin(struct sheaf_pool *pool);

/* The next job of a spare's loop; it is at home while there is none.
 *
 * Returns: NULL when the pool stops
 * Context: as sheaf__seek() */
struct sheaf__job *sheaf__spare_seek(struct sheaf__worker *spare);

#endif
