/* The idle protocol of lib/idle.h and the rule of the last to lie down (rest() in lib/seek.c,
 * sheaf__pool_at_rest() in lib/rest.c), with three workers on a virtual clock and somebody outside
 * who submits two jobs, holding the clock meanwhile, or one without holding it.
 *
 * Sections under the idle lock and single operations of a queue are one step; everything else
 * interleaves.  Each submitted job sets a timer; a timer that fires, under the guard or after it as
 * its kind may be, makes a job without one.  A local that nobody reads any more goes back to 0, which
 * saves states.
 *
 * Claims
 *  - every job is executed: when nothing can go on, nothing is queued and no timer is left
 *  - if it is held meanwhile, the clock moves only while no job is queued or running
 *  - the clock does not move while a timer that is due has not been fired
 *
 * Planted: NO_LOOK     a worker sleeps without looking at the queues again
 *          NO_CHAIN    the last searcher leaves without waking another
 *          NO_ANSWER   who submits does not wake anybody
 *          NO_RECHECK  the last to lie down moves the clock on what it saw when it lay down
 *          NO_GUARD    two who believe to be last may check and move the clock at the same time
 *          NO_FIRE_HOLD  who fires timers without the guard does not hold the clock meanwhile */

#define WORKERS 3
#define JOBS (careful -> 2 : 1)

byte queued;   /* jobs in the queue */
byte plain;    /* of these, those that set no timer */
byte running;  /* jobs taken and not ended */
byte timers;
byte executed;
byte searching;
byte asleep;
bool in_bunk[WORKERS];
bool token[WORKERS];
byte holds;       /* of the clock: by the submitter, and by who fires timers without the guard */
byte firing;      /* timers that are due and not yet fired */
bool careful;     /* the submitter holds the clock while it submits */
bool guard;       /* the lock over the look and the step of the clock */

inline take_out(w)
{
    in_bunk[w] = false;
    asleep--;
    searching++
}

/* Any sleeper will do: which one is on top does not matter here. */
inline wake_one(chosen)
{
    atomic {
        chosen = WORKERS;
        if
        :: searching == 0 && asleep > 0 ->
            if
            :: in_bunk[0] -> chosen = 0
            :: in_bunk[1] -> chosen = 1
            :: in_bunk[2] -> chosen = 2
            fi;
            take_out(chosen)
        :: else
        fi
    }
    if
    :: chosen < WORKERS ->
        d_step { token[chosen] = true; chosen = 0 }
    :: else -> chosen = 0
    fi
}

/* E2 */
inline announce(chosen, needed)
{
#ifndef NO_ANSWER
    needed = asleep > 0 && searching == 0;
    if
    :: needed ->
        needed = false;
        wake_one(chosen)
    :: else
    fi
#else
    skip
#endif
}

/* Sets `more`: whether the caller gets up again. */
inline at_rest(chosen, needed, more, late)
{
#ifdef NO_RECHECK
    more = false;
#else
#ifndef NO_GUARD
    atomic { !guard -> guard = true }
#endif
    more = queued > 0;
    if
    :: !more -> more = asleep != WORKERS
    :: else
    fi;
#endif
    if
    :: !more && holds == 0 ->
        atomic {
            if
            :: timers > 0 ->
                assert(!careful || (queued == 0 && running == 0));
                assert(firing == 0);
                timers--;
                more = true;
                if
                :: queued++; plain++
                :: late = true; firing++
#ifndef NO_FIRE_HOLD
                    ; holds++
#endif
                fi
            :: else
            fi
        }
        if
        :: more && !late -> announce(chosen, needed)
        :: else
        fi
    :: else
    fi;
#if !defined(NO_RECHECK) && !defined(NO_GUARD)
    guard = false;
#endif
    if
    :: late ->
        d_step { queued++; plain++; firing--; late = false }
        announce(chosen, needed);
#ifndef NO_FIRE_HOLD
        atomic { !guard -> holds-- }
#else
        skip
#endif
    :: else
    fi
}

proctype worker(byte me)
{
    byte chosen;
    byte sleepers;
    bool needed, more, late, got, timed;

search:
    searching++;
again:
    atomic {
        got = queued > 0;
        if
        :: got ->
            queued--;
            running++;
            timed = plain == 0;
            if
            :: plain > 0 -> plain--
            :: else
            fi
        :: else
        fi
    }
    if
    :: got ->
        got = false;
        goto found
    :: else
    fi;
    /* E3 */
    atomic {
        searching--;
        asleep++;
        in_bunk[me] = true;
        sleepers = asleep
    }
#ifndef NO_LOOK
    /* E4 */
    if
    :: queued > 0 ->
        sleepers = 0;
        goto get_up
    :: else
    fi;
#endif
    if
    :: sleepers == WORKERS ->
        sleepers = 0;
        at_rest(chosen, needed, more, late);
        if
        :: more ->
            more = false;
            goto get_up
        :: else
        fi
    :: else -> sleepers = 0
    fi;
end_sleep:
    atomic { token[me] -> token[me] = false }
    goto again;

get_up:
    atomic {
        if
        :: in_bunk[me] ->
            take_out(me);
            goto again
        :: else
        fi
    }
    atomic { token[me] -> token[me] = false }
    goto again;

found:
    atomic {
        needed = searching == 1 && asleep > 0;
        searching--
    }
#ifndef NO_CHAIN
    if
    :: needed && queued > 0 ->
        needed = false;
        wake_one(chosen)
    :: else -> needed = false
    fi;
#endif
    if
    :: timed -> d_step { timers++; timed = false }
    :: else
    fi;
    /* The job computes until what is queued has found somebody else, if anybody was asleep. */
end_job:
    (queued == 0 || asleep == 0);
    atomic {
        running--;
        executed++
    }
    goto search
}

proctype outside()
{
    byte chosen;
    byte i;
    bool needed;

    for (i : 1 .. JOBS) {
        queued++;
        announce(chosen, needed)
    }
    if
    :: careful ->
        atomic { !guard -> holds-- }
        /* Everybody may have gone to sleep on a held clock. */
        wake_one(chosen)
    :: else
    fi
}

init
{
    byte i;
    atomic {
        if
        :: careful = true
        :: careful = false
        fi;
        holds = (careful -> 1 : 0);
        for (i : 0 .. WORKERS - 1) {
            run worker(i)
        }
        run outside()
    }
    /* When nothing can go on. */
    timeout -> assert(executed == 2 * JOBS && queued == 0 && timers == 0)
}
