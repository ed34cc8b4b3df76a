/* When workers sleep and who wakes them; when spares serve in their place.
 *
 * Every worker is working, searching or asleep; the two counts that matter are one word.
 *
 *   Invariant: while a queue holds a job that is announced, some worker is searching, or a wake-up
 *              or a call is on its way, or no worker is asleep and the watch is on duty or nobody
 *              has it.
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
 * That no worker is asleep does not mean that one comes to the queues soon: each may compute for
 * seconds.  Spares (lib/spare.c) are workers that stay at home, on no list above, until one is lent
 * in place of a worker that does not come.  One of those at home has the watch, and it is the last
 * bunk of all: whoever announces a job and finds nobody asleep and nobody searching calls it.  A
 * flag in the word, which E2 sees as if it were a sleeper, says that it is off duty, that is may be
 * called; so announcing costs what it did.
 *
 *   off duty -> on duty    by the caller, who takes the flag away; it looks at the queues from time
 *                          to time from now on.
 *   on duty -> off duty    when the queues are empty: as E3, E4, with the flag in the place of the
 *                          sleeper.
 *   on duty -> searching   lent: searching + 1, lent + 1.  Adds a searcher, who ends its search as
 *                          all do.  The watch goes to another spare at home, off duty, or, when
 *                          there is none, to nobody.
 *   working -> home        lent - 1.  If nobody has the watch, the spare takes it, on duty.
 *                          Otherwise nothing is to be done: by the invariant, which it was no part
 *                          of.
 *
 * A fiber that a worker wakes, and that lies alone in its queue, is mostly taken by that worker a
 * moment later, when the task that woke it waits.  To wake another worker for it costs more than
 * running it, and moves what both tasks share to another core with every hand-over.  So it is not
 * announced but handed over: left to that worker, if the watch is on duty, who sees to it that a
 * worker is woken for it if the first one does not come.
 *
 *   Invariant: while such a fiber waits, the watch is on duty or about to look, or whoever last
 *              searched has seen it.
 *
 *     who hands over             the watch goes off duty     who falls asleep
 *     E1 publish the fiber       on_duty = no                E3 asleep + 1, reads on_duty
 *        light fence                heavy fence                 heavy fence
 *     H2 read on_duty: no?       look at every queue         E4 what was handed over counts unless
 *        announce it                                            E3 read yes
 *
 *   Who read yes in E3 is asleep when the watch wants to be lent, which it then is not (both under
 *   the lock): it stays on duty, or takes leave by a look at every queue.
 *
 * Nobody has the watch when all spares are lent: then no more can be lent either; and in a pool
 * that has none.
 *
 * Who makes `asleep` equal to the number of workers while no spare is lent, or comes home as the
 * last spare while all workers are asleep, is the one that sees the pool at rest: it moves a
 * virtual clock on, ends drains and declares deadlocks (lib/rest.c). */
#ifndef SHEAF_LIB_IDLE_H
#define SHEAF_LIB_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/atomics.h"
#include "lib/platform/cpu.h"
#include "lib/platform/park.h"
#include "lib/spin.h"

/* One sleeping place per worker, or a spare's at home. */
struct sheaf__bunk {
    struct sheaf__parker *parker;
    struct sheaf__bunk *below; /* in the stack of sleepers, or of those at home; under the lock */
    bool asleep;               /* guarded by the lock */
};

struct sheaf__idle {
    /* searching in the low half, asleep in the high half, whose topmost bit is the watch's. */
    SHEAF__ATOMIC(uint32_t) word;
    SHEAF__ATOMIC(uint64_t) wakeups; /* statistics */
    SHEAF__ATOMIC(bool) on_duty;     /* the watch is; written under the lock */
    struct sheaf__spin lock;         /* rank 6: guards what follows and every bunk */
    struct sheaf__bunk *sleepers;    /* the last to fall asleep first: its caches are warm */
    struct sheaf__bunk *watch;       /* the spare that has it, or NULL */
    struct sheaf__bunk *at_home;     /* the other spares that are not lent */
    uint32_t lent;                   /* spares that search or work */
    uint32_t workers;                /* const: how many there are beside the spares */
};

#define SHEAF__IDLE_SEARCHING 0x00000001U
#define SHEAF__IDLE_ASLEEP 0x00010000U
#define SHEAF__IDLE_OFF_DUTY 0x80000000U

static inline uint32_t sheaf__idle_searching(uint32_t word)
{
    return word & 0xffffU;
}

static inline uint32_t sheaf__idle_asleep(uint32_t word)
{
    return word >> 16 & 0x7fffU;
}

/* Whether there is somebody to wake: a sleeper or the watch. */
static inline bool sheaf__idle_callable(uint32_t word)
{
    return word >> 16 > 0;
}

/* Everybody starts as working; there are no spares yet. */
void sheaf__idle_init(struct sheaf__idle *idle, uint32_t workers);

/* If nobody searches: wakes one sleeper or, when there is none, calls the watch if it is off duty.
 */
void sheaf__idle_wake_one(struct sheaf__idle *idle);

/* Wakes this very sleeper if it is asleep. */
void sheaf__idle_wake(struct sheaf__idle *idle, struct sheaf__bunk *bunk);

/* Wakes all sleepers, and makes every spare at home look whether the pool stops. */
void sheaf__idle_wake_all(struct sheaf__idle *idle);

/* E1 has happened: whether a wake-up is to answer it. */
static SHEAF__ALWAYS_INLINE bool sheaf__idle_wants_wake(struct sheaf__idle *idle)
{
    sheaf__fence_light();
    /* relaxed: ordered after the publication by the fence (E2). */
    uint32_t word = sheaf__load_rlx(&idle->word);
    return SHEAF__UNLIKELY(sheaf__idle_callable(word)) && sheaf__idle_searching(word) == 0;
}

/* E1 has happened: answers it with a wake-up if one is needed. */
static inline void sheaf__idle_announce(struct sheaf__idle *idle)
{
    if (SHEAF__UNLIKELY(sheaf__idle_wants_wake(idle))) {
        sheaf__idle_wake_one(idle);
    }
}

/* E1 has happened of a fiber that is left to the calling worker if the watch is on duty. */
void sheaf__idle_hand_over_unwatched(struct sheaf__idle *idle);

static inline void sheaf__idle_hand_over(struct sheaf__idle *idle)
{
    sheaf__fence_light();
    /* H2.  relaxed: ordered after the publication by the fence. */
    if (SHEAF__UNLIKELY(!sheaf__load_rlx(&idle->on_duty))) {
        sheaf__idle_hand_over_unwatched(idle);
    }
}

/* working -> searching */
void sheaf__idle_search_begin(struct sheaf__idle *idle);

/* searching -> working.
 * Returns: true when the caller was the last searcher and there is somebody to wake: it then looks
 *          at the queues (a heavy fence has been issued) and wakes one if there is work */
bool sheaf__idle_search_end(struct sheaf__idle *idle);

/* searching -> asleep, up to E3 and the heavy fence; the caller goes on with E4.
 *
 *   *watched  receives whether the watch was on duty: fibers that were handed over are its affair
 *
 * Returns: whether all are asleep now and no spare is lent */
bool sheaf__idle_lie_down(struct sheaf__idle *idle, struct sheaf__bunk *bunk, bool *watched);

/* asleep -> searching, by the sleeper itself, after E4 found something.
 * If a waker was faster the wake-up is consumed; either way the caller is searching. */
void sheaf__idle_get_up(struct sheaf__idle *idle, struct sheaf__bunk *bunk);

/* Sleeps until woken; the caller is then searching. */
void sheaf__idle_sleep(struct sheaf__bunk *bunk);

/* Whether this one is asleep, at some instant of the call. */
bool sheaf__idle_is_asleep(struct sheaf__idle *idle, struct sheaf__bunk *bunk);

/* Whether all are asleep and no spare is lent, at some instant of the call. */
bool sheaf__idle_all_asleep(struct sheaf__idle *idle);

/* ---------------------------------------------------------------- spares */

/* A spare comes into being, lent and working; or does not after all. */
void sheaf__idle_add_spare(struct sheaf__idle *idle);
void sheaf__idle_drop_spare(struct sheaf__idle *idle);

/* working -> home.
 *
 *   *last  receives whether all workers are asleep and no spare is lent now
 *
 * Returns: true: the caller has the watch, on duty; false: somebody else has it, and the caller
 *          waits in sheaf__idle_sleep() until it has been given the watch and called */
bool sheaf__idle_go_home(struct sheaf__idle *idle, struct sheaf__bunk *bunk, bool *last);

/* on duty -> searching, unless a worker sleeps or searches, who comes to the queues before.
 *
 *   *watched  receives whether somebody has the watch now
 *
 * Returns: whether the caller is lent now */
bool sheaf__idle_lend(struct sheaf__idle *idle, bool *watched);

/* on duty -> off duty, with the heavy fence; the caller goes on with E4. */
void sheaf__idle_off_duty(struct sheaf__idle *idle);

/* off duty -> on duty, by the watch itself, after E4 found something.
 * If a caller was faster the call is consumed. */
void sheaf__idle_on_duty(struct sheaf__idle *idle, struct sheaf__bunk *bunk);

/* The number of sleepers at some instant of the call. */
static inline uint32_t sheaf__idle_sleepers(struct sheaf__idle *idle)
{
    return sheaf__idle_asleep(sheaf__load_seq(&idle->word));
}

#endif
