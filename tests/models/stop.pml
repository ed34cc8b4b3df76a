/* The end of a pool: sheaf__pool_stop(), sheaf__pool_seal() and sheaf__pool_retire() in lib/pool.c
 * with refuse_queued() in lib/run.c, against workers that look for work or sleep (lib/seek.c,
 * lib/idle.h) and threads of others that wake a task of the pool (resume_fiber()).  Two tasks are
 * suspended; whoever comes to wake one of them first, out of three, decides, and pushes its fiber.
 * A draining close waits until both have ended.  An abandoning one waits for no task, and the
 * wakers may come at any time, or not at all.
 *
 * Claims
 *  - the close comes to its end: every worker leaves, nobody waits for ever
 *  - nobody uses the pool after it has been freed
 *  - a fiber that somebody decided to wake has run, or has come back to the closer
 *
 * Planted: NO_LOOK        a worker that lies down does not look whether the pool stops
 *          NO_WAKE_ALL    the closer does not wake those who sleep
 *          NO_VISITORS    the closer does not wait for who has pushed a fiber and goes on to announce
 *          LATE_VISIT     a waker counts as a visitor only after its push
 *          NO_SEAL        fibers that nobody has woken are left as they are
 *          NO_COMING      the closer does not wait for wakers that have decided and not yet pushed */

#define WORKERS 2
#define FIBERS 2
#define WAKERS 3

bool decided[FIBERS]; /* the wait word: somebody has won, or it is sealed */
bool queued[FIBERS];
bool gone[FIBERS];    /* the fiber has run to its end, or the closer has it */
byte ended;
byte searching;
byte asleep;
bool in_bunk[WORKERS];
bool token[WORKERS];
bool stopped;
byte left;
byte visitors;
bool freed;
bool drain;

inline take_out(w)
{
    in_bunk[w] = false;
    asleep--;
    searching++
}

#define SOMETHING_QUEUED (queued[0] || queued[1])

/* Sets `taken`: FIBERS when there is nothing. */
inline pop(taken)
{
    atomic {
        if
        :: queued[0] -> taken = 0; queued[0] = false
        :: queued[1] -> taken = 1; queued[1] = false
        :: !SOMETHING_QUEUED -> taken = FIBERS
        fi
    }
}

inline choose_sleeper(chosen)
{
    if
    :: in_bunk[0] -> chosen = 0
    :: in_bunk[1] -> chosen = 1
    fi;
    take_out(chosen)
}

inline wake_one(chosen)
{
    atomic {
        assert(!freed);
        if
        :: searching == 0 && asleep > 0 -> choose_sleeper(chosen)
        :: else -> chosen = WORKERS
        fi
    }
    if
    :: chosen < WORKERS ->
        d_step { assert(!freed); token[chosen] = true; chosen = 0 }
    :: else -> chosen = 0
    fi
}

proctype worker(byte me)
{
    byte chosen, taken;
    bool chain;

work:
    if
    :: stopped -> goto leave
    :: else
    fi;
    searching++;
search:
    if
    :: stopped -> taken = FIBERS; goto found
    :: else
    fi;
    pop(taken);
    if
    :: taken < FIBERS -> goto found
    :: else -> taken = 0
    fi;
    /* E3 */
    atomic {
        searching--;
        asleep++;
        in_bunk[me] = true
    }
    /* E4 */
    if
    :: SOMETHING_QUEUED -> goto get_up
#ifndef NO_LOOK
    :: !SOMETHING_QUEUED && stopped -> goto get_up
    :: !SOMETHING_QUEUED && !stopped
#else
    :: else
#endif
    fi;
end_sleep:
    atomic { token[me] -> token[me] = false }
    goto search;

get_up:
    atomic {
        if
        :: in_bunk[me] ->
            take_out(me);
            goto search
        :: else
        fi
    }
    atomic { token[me] -> token[me] = false }
    goto search;

found:
    atomic {
        chain = searching == 1 && asleep > 0;
        searching--
    }
    if
    :: chain && SOMETHING_QUEUED -> chain = false; wake_one(chosen)
    :: else -> chain = false
    fi;
    if
    :: taken < FIBERS ->
        d_step {
            assert(decided[taken] && !gone[taken]);
            gone[taken] = true;
            ended++;
            taken = 0
        }
        goto work
    :: else -> taken = 0
    fi;
    goto work;

leave:
    left++
}

proctype waker(byte fiber)
{
    byte chosen;
    bool won, needed;

    /* The wait word lies on the fiber's stack, which stays. */
    atomic {
        won = !decided[fiber];
        decided[fiber] = true
    }
    if
    :: won ->
#ifndef LATE_VISIT
        d_step { assert(!freed); visitors++ }
#endif
        d_step { assert(!freed && !queued[fiber] && !gone[fiber]); queued[fiber] = true }
#ifdef LATE_VISIT
        d_step { assert(!freed); visitors++ }
#endif
        d_step { assert(!freed); needed = asleep > 0 && searching == 0 }
        if
        :: needed -> needed = false; wake_one(chosen)
        :: else
        fi;
        d_step { assert(!freed); visitors-- }
    :: else
    fi
}

proctype closer()
{
    byte chosen, taken, i, coming;

    if
    :: drain -> ended == FIBERS
    :: else
    fi;
    stopped = true;
#ifndef NO_WAKE_ALL
    do
    :: atomic { asleep > 0 -> choose_sleeper(chosen) }
        token[chosen] = true
    :: asleep == 0 -> break
    od;
#endif
    left == WORKERS;
    for (i : 0 .. FIBERS - 1) {
        atomic {
            if
            :: gone[i]
            :: !gone[i] && decided[i] -> coming++
#ifndef NO_SEAL
            :: !gone[i] && !decided[i] -> decided[i] = true
#else
            :: !gone[i] && !decided[i]
#endif
            fi
        }
    }
    do
#ifndef NO_COMING
    :: coming > 0 && SOMETHING_QUEUED ->
#else
    :: SOMETHING_QUEUED ->
#endif
        pop(taken);
        assert(!gone[taken]);
        gone[taken] = true;
        coming--
#ifndef NO_COMING
    :: coming == 0 -> break
#else
    :: !SOMETHING_QUEUED -> break
#endif
    od;
    assert(!SOMETHING_QUEUED);
#ifndef NO_VISITORS
    visitors == 0;
#endif
    freed = true
}

init
{
    byte i;
    atomic {
        if
        :: drain = true
        :: drain = false
        fi;
        for (i : 0 .. WORKERS - 1) {
            run worker(i)
        }
        run closer();
        /* In a drain somebody has to wake each. */
        for (i : 0 .. WAKERS - 1) {
            if
            :: run waker(i % FIBERS)
            :: !drain
            fi
        }
    }
    /* When nothing can go on. */
    timeout -> assert(freed && left == WORKERS && visitors == 0)
}
