/* When workers sleep and who wakes them.
 *
 * Every worker is working, searching or asleep; the two counts that matter are one word.
 *
 *   Invariant: while a queue holds a job that is announced, some worker is working on its way to
 *              the queues, or searching, or no worker is asleep, or a wake-up is on its way.
 *
 * The handshake (see lib/atomics.h for the fence pair):
 *
 *   who makes work            who falls asleep
 *   E1 publish the job        E3 word: searching - 1, asleep + 1
 *      light fence               heavy fence
 *   E2 read the word          E4 look at every queue
 *
 *   Forbidden: E2 sees nobody asleep (or somebody searching) and E4 misses the job.
 *
 * Transitions, with their effect on the word and why the invariant stays:
 *   working -> searching   searching + 1.  Adds a searcher.
 *   searching -> working   searching - 1.  The last searcher may leave announced work behind that
 *                          was not answered by a wake-up because it was searching (E2): after
 *                          leaving it issues the heavy fence and looks at every queue, and wakes a
 *                          sleeper if anything is left.  So wake-ups are chained: one submission
 *                          wakes one worker, which wakes the next when there is more to do.
 *   searching -> asleep    E3, E4; when E4 finds a job the worker takes its sleep back.
 *   asleep -> searching    by the waker, on behalf of the sleeper, before the sleeper runs: from
 *                          the decision on there is a searcher.
 *
 * The worker that makes `asleep` equal to the number of workers is the one that sees the pool at
 * rest: it moves a virtual clock on, ends drains and declares deadlocks (lib/rest.c). */
#ifndef SHEAF_LIB_IDLE_H
#define SHEAF_LIB_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/atomics.h"
#include "lib/platform/cpu.h"
#include "lib/platform/park.h"
#include "lib/spin.h"

/* One sleeping place per worker. */
struct sheaf__bunk {
    struct sheaf__parker *parker;
    struct sheaf__bunk *below; /* in the stack of sleepers, guarded by the lock */
    bool asleep;               /* guarded by the lock */
};

struct sheaf__idle {
    /* searching in the low half, asleep in the high half. */
    SHEAF__ATOMIC(uint32_t) word;
    SHEAF__ATOMIC(uint64_t) wakeups; /* statistics */
    struct sheaf__spin lock;         /* rank 6: guards the stack and every bunk */
    struct sheaf__bunk *sleepers;    /* the last to fall asleep first: its caches are warm */
};

#define SHEAF__IDLE_SEARCHING 0x00000001U
#define SHEAF__IDLE_ASLEEP 0x00010000U

static inline uint32_t sheaf__idle_searching(uint32_t word)
{
    return word & 0xffffU;
}

static inline uint32_t sheaf__idle_asleep(uint32_t word)
{
    return word >> 16;
}

/* Everybody starts as working. */
void sheaf__idle_init(struct sheaf__idle *idle);

/* Wakes one sleeper if there is one and nobody searches. */
void sheaf__idle_wake_one(struct sheaf__idle *idle);

/* Wakes this very sleeper if it is asleep. */
void sheaf__idle_wake(struct sheaf__idle *idle, struct sheaf__bunk *bunk);

/* Wakes everybody. */
void sheaf__idle_wake_all(struct sheaf__idle *idle);

/* E1 has happened: answers it with a wake-up if one is needed. */
static inline void sheaf__idle_announce(struct sheaf__idle *idle)
{
    sheaf__fence_light();
    /* relaxed: ordered after the publication by the fence (E2). */
    uint32_t word = sheaf__load_rlx(&idle->word);
    if (SHEAF__UNLIKELY(sheaf__idle_asleep(word) > 0 && sheaf__idle_searching(word) == 0)) {
        sheaf__idle_wake_one(idle);
    }
}

/* working -> searching */
void sheaf__idle_search_begin(struct sheaf__idle *idle);

/* searching -> working.
 * Returns: true when the caller was the last searcher and somebody sleeps: it then looks at the
 *          queues (a heavy fence has been issued) and wakes one if there is work */
bool sheaf__idle_search_end(struct sheaf__idle *idle);

/* searching -> asleep, up to E3 and the heavy fence; the caller goes on with E4.
 * Returns: the number of sleepers, the caller included */
uint32_t sheaf__idle_lie_down(struct sheaf__idle *idle, struct sheaf__bunk *bunk);

/* asleep -> searching, by the sleeper itself, after E4 found something.
 * If a waker was faster the wake-up is consumed; either way the caller is searching. */
void sheaf__idle_get_up(struct sheaf__idle *idle, struct sheaf__bunk *bunk);

/* Sleeps until woken; the caller is then searching. */
void sheaf__idle_sleep(struct sheaf__bunk *bunk);

/* The number of sleepers at some instant of the call. */
static inline uint32_t sheaf__idle_sleepers(struct sheaf__idle *idle)
{
    return sheaf__idle_asleep(sheaf__load_seq(&idle->word));
}

#endif
