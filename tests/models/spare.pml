/* Spares (lib/idle.h, lib/spare.c): two workers, two spares and somebody outside, who submits two
 * jobs that keep whoever runs them until all others have begun, and two that do not; but two spares
 * that run one each meet.  Workers take any job, spares only the second kind: a queue that nobody
 * comes to is theirs.  Then the pool is stopped.  The first spare is there from the beginning, the second is started when the first is
 * lent.
 *
 * Sections under the idle lock are one step.  A look of the watch is abstract: on duty it may lend
 * itself as soon as something is queued and nobody sleeps or searches; that worker are away for so
 * long is what time adds.  A local that nobody reads any more goes back to 0, which saves states.
 *
 * Claims
 *  - every job is executed: nothing is left in the queue while all workers are kept
 *  - the pool is seen at rest after the last job, by somebody, and never while a job runs
 *  - nobody is left at home, asleep or on duty after the stop
 *
 * Planted: NO_LOOK     the watch goes off duty without looking at the queue again
 *          NO_CHAIN    the last searcher leaves without waking another
 *          NO_CALL     who finds nobody asleep does not call the watch
 *          NO_TAKE     a spare that comes home does not take the watch that nobody has
 *          NO_PASS     a spare that is lent does not pass the watch on to another at home
 *          NO_REST     the last spare to come home does not look whether the pool is at rest
 *          EARLY_REST  the last worker to lie down takes no heed of spares that are lent
 *          NO_ROUSE    who stops the pool does not rouse those at home */

#define WORKERS 2
#define SPARES 2
#define KEEPING 2
#define PLAIN 2
#define NOBODY 4 /* who is 0 .. 3: workers, then spares */

byte keeping;  /* queued jobs of the first kind */
byte plain;    /* and of the second */
byte running;
byte begun;    /* of the second kind */
byte ended;
byte searching;
byte asleep;
byte lent;
bool in_bunk[WORKERS];
bool token[4];
bool at_home[4];
byte watch = NOBODY;
bool off_duty;
bool second;   /* the second spare has been started */
bool rested;   /* and nothing was submitted since */
bool stopped;
byte left;

#define QUEUED (keeping + plain > 0)
#ifdef EARLY_REST
#define ALL_ASLEEP (asleep == WORKERS)
#else
#define ALL_ASLEEP (asleep == WORKERS && lent == 0)
#endif

inline take_out(w)
{
    in_bunk[w] = false;
    asleep--;
    searching++
}

inline wake_one(chosen)
{
    atomic {
        chosen = NOBODY;
        if
        :: searching == 0 && asleep > 0 ->
            if
            :: in_bunk[0] -> chosen = 0
            :: in_bunk[1] -> chosen = 1
            fi;
            take_out(chosen)
#ifndef NO_CALL
        :: searching == 0 && asleep == 0 && off_duty ->
            off_duty = false;
            chosen = watch
#endif
        :: else
        fi
    }
    if
    :: chosen < NOBODY -> d_step { token[chosen] = true; chosen = 0 }
    :: else -> chosen = 0
    fi
}

/* Sets `more`: somebody has something to do. */
inline at_rest(more)
{
    more = QUEUED;
    if
    :: !more ->
        atomic {
            more = !ALL_ASLEEP;
            if
            :: !more -> assert(running == 0); rested = true
            :: else
            fi
        }
    :: else
    fi
}

inline end_search(chosen, needed)
{
    atomic {
        needed = searching == 1 && (asleep > 0 || off_duty);
        searching--
    }
#ifndef NO_CHAIN
    if
    :: needed && QUEUED ->
        needed = false;
        wake_one(chosen)
    :: else -> needed = false
    fi
#else
    needed = false
#endif
}

#define TAKE_PLAIN plain--; running++; begun++

proctype worker(byte me)
{
    byte chosen;
    bool needed, more, last, kept;

search:
    searching++;
again:
    if
    :: stopped -> goto leave
    :: else
    fi;
    atomic {
        if
        :: keeping > 0 -> keeping--; running++; kept = true; goto found
        :: plain > 0 -> TAKE_PLAIN; goto found
        :: else
        fi
    }
    /* E3 */
    atomic {
        searching--;
        asleep++;
        in_bunk[me] = true;
        last = ALL_ASLEEP
    }
    /* E4 */
    if
    :: QUEUED || stopped -> last = false; goto get_up
    :: else
    fi;
    if
    :: last ->
        last = false;
        at_rest(more);
        if
        :: more -> more = false; goto get_up
        :: else
        fi
    :: else
    fi;
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
    end_search(chosen, needed);
    if
    :: kept ->
        /* It computes or blocks, and its worker is away meanwhile. */
        atomic { begun == PLAIN -> kept = false; running--; ended++ }
    :: else -> atomic { running--; ended++ }
    fi;
    goto search;

leave:
    end_search(chosen, needed);
    left++
}

/* Begins lent and working. */
proctype spare(byte me)
{
    byte chosen;
    bool needed, more, last, watches;

    if
    :: me == WORKERS + 1 ->
end_unborn:
        second
    :: else
    fi;

home:
    atomic {
#ifdef NO_TAKE
        watches = false;
#else
        watches = watch == NOBODY;
#endif
        if
        :: watches -> watch = me
        :: else -> at_home[me] = true
        fi;
        lent--;
        last = ALL_ASLEEP
    }
#ifndef NO_REST
    if
    :: last -> last = false; at_rest(more); more = false
    :: else
    fi;
#endif
    if
    :: watches -> watches = false; goto on_duty
    :: else
    fi;
    if
    :: stopped -> goto leave
    :: else
    fi;
    atomic { token[me] -> token[me] = false }

on_duty:
    if
    :: stopped -> goto leave
    :: !stopped && QUEUED && asleep == 0 && searching == 0 -> goto lend
    :: !stopped && !QUEUED
    fi;
    off_duty = true;
#ifndef NO_LOOK
    if
    :: QUEUED || stopped ->
        atomic {
            if
            :: off_duty -> off_duty = false; goto on_duty
            :: else
            fi
        }
        atomic { token[me] -> token[me] = false }
        goto on_duty
    :: else
    fi;
#endif
    atomic { token[me] -> token[me] = false }
    goto on_duty;

lend:
    atomic {
        if
        :: asleep == 0 && searching == 0 ->
            searching++;
            lent++;
            watch = NOBODY;
#ifndef NO_PASS
            if
            :: at_home[WORKERS] -> at_home[WORKERS] = false; watch = WORKERS; off_duty = true
            :: at_home[WORKERS + 1] ->
                at_home[WORKERS + 1] = false;
                watch = WORKERS + 1;
                off_duty = true
            :: else
            fi;
#endif
            if
            :: !second && !stopped -> second = true; lent++
            :: else
            fi
        :: else -> goto on_duty
        fi
    }
    atomic {
        if
        :: plain > 0 && !stopped -> TAKE_PLAIN; more = true
        :: else -> more = false
        fi
    }
    end_search(chosen, needed);
    if
    :: more -> atomic { begun == PLAIN -> more = false; running--; ended++ }
    :: else
    fi;
    /* Then its worker is back, or nothing is left for it. */
    goto home;

leave:
    left++
}

proctype outside()
{
    byte chosen;
    byte i;
    bool needed;

    for (i : 1 .. KEEPING + PLAIN) {
        atomic {
            rested = false;
            if
            :: i <= KEEPING -> keeping++
            :: else -> plain++
            fi
        }
        needed = searching == 0 && (asleep > 0 || off_duty);
        if
        :: needed -> needed = false; wake_one(chosen)
        :: else
        fi
    }
    /* What waits for the pool at rest. */
    rested && ended == KEEPING + PLAIN;
    stopped = true;
#ifndef NO_ROUSE
    atomic {
        i = WORKERS;
        do
        :: i < WORKERS + SPARES ->
            if
            :: at_home[i] || watch == i -> token[i] = true
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    }
#endif
    do
    :: atomic {
            asleep > 0 ->
            if
            :: in_bunk[0] -> take_out(0); token[0] = true
            :: else -> take_out(1); token[1] = true
            fi
        }
    :: asleep == 0 -> break
    od
}

init
{
    atomic {
        lent = 1;
        run worker(0);
        run worker(1);
        run spare(WORKERS);
        run spare(WORKERS + 1);
        run outside()
    }
    timeout -> assert(ended == KEEPING + PLAIN && rested && left == WORKERS + 1 + second)
}
