/* Hand-overs (lib/idle.h): a fiber that a worker wakes is left to that worker, which may compute for
 * long or for ever instead of coming to it.  Two workers and the watch.  Worker 0 wakes up to three fibers, one
 * after the other: it takes each itself, or computes on.  Worker 1 searches and sleeps; a
 * fiber that lies alone it may pass by.  The watch looks, goes off duty when it has seen nothing, and
 * wakes a sleeper when a fiber has waited for two looks.
 *
 * Each atomic section is one under the idle lock, or one on the queue.  The light fence of who hands
 * over is none: its push goes through a buffer, which the heavy fence of the others empties.
 *
 * Claims
 *  - when nothing can go on, no fiber is left
 *  - when a fiber has waited for two looks, worker 1 does not sleep on
 *
 * Planted: NO_LOOK     the watch goes off duty without looking at the queue again
 *          NO_FENCE    it looks without having issued the heavy fence
 *          NO_CALL     who hands over does not call a watch that is off duty
 *          NO_WAKE     the watch wakes nobody for what has waited
 *          NO_READ     who falls asleep takes the watch for on duty whatever it is */

byte queue;     /* fibers in the queue of worker 0, as memory has it */
byte buffered;  /* pushed by worker 0 and not seen by others yet */
byte woken;     /* fibers woken so far */
byte ran;
bool computes;  /* worker 0 does not come back */
bool on_duty;
bool off_duty;  /* may be called */
bool token;     /* the watch's */
bool sleeps;    /* worker 1 */
bool bunk_token;
byte searching;

#define FIBERS 3

inline empty_buffer()
{
    queue = queue + buffered;
    buffered = 0
}

inline wake_one()
{
    atomic {
        if
        :: searching == 0 && sleeps -> sleeps = false; searching++; bunk_token = true
        :: searching == 0 && !sleeps && off_duty -> off_duty = false; on_duty = true; token = true
        :: else
        fi
    }
}

/* What worker 0 has pushed becomes visible by itself, some time. */
active proctype memory()
{
end:
    do
    :: atomic { buffered -> empty_buffer() }
    od
}

active proctype worker0()
{
    bool duty;
    do
    :: woken < FIBERS ->
        atomic { woken++; buffered++ }; /* E1; alone in the queue */
        duty = on_duty;                 /* H2 */
        if
        :: duty
        :: else ->
#ifndef NO_CALL
            atomic {
                if
                :: off_duty -> off_duty = false; on_duty = true; token = true; duty = true
                :: else
                fi
            }
            if
            :: !duty -> wake_one()
            :: else
            fi
#else
            skip
#endif
        fi;
        duty = false;
        if
        :: computes = true;
            if
            :: break
            :: computes = false /* late, but it comes */
            fi
        :: atomic { /* the task waits: the worker takes the fiber if it is there still */
                empty_buffer();
                if
                :: queue -> queue--; ran++
                :: else
                fi
            }
        fi
    :: else -> break
    od
}

active proctype worker1()
{
    bool watched, found;
    searching++;
end:
    do
    :: atomic { queue -> queue--; ran++ };
        /* working -> searching again; the last searcher looks, as all do */
        atomic { searching--; empty_buffer(); found = queue > 0 && searching == 0 };
        if
        :: found -> wake_one()
        :: else
        fi;
        found = false;
        searching++
    :: true -> /* rest */
        atomic { searching--; sleeps = true; watched = on_duty };
#ifdef NO_READ
        watched = true;
#endif
        atomic { empty_buffer(); found = queue > (watched -> 1 : 0) }; /* E4 */
        if
        :: found ->
            atomic {
                if
                :: sleeps -> sleeps = false; searching++; bunk_token = false
                :: else -> bunk_token; bunk_token = false
                fi
            }
        :: else ->
endsleep:   atomic { bunk_token -> bunk_token = false }
        fi;
        watched = false;
        found = false
    od
}

active proctype watch()
{
    bool waits, waited, lent;
    on_duty = true;
end:
    do
    :: true ->
        waits = queue > 0; /* a look; nothing is known of what is not seen yet */
        if
        :: waits && waited ->
            waited = false;
            atomic {
#ifndef NO_WAKE
                wake_one();
#endif
                assert(!sleeps || !computes || queue == 0)
            };
            if
            :: atomic { computes && !sleeps && searching == 0 && queue -> /* lent: takes it */
                    on_duty = false; queue--; ran++; searching++ };
                /* ends its search as all do, and comes home with the watch */
                atomic { searching--; empty_buffer(); lent = queue > 0 && searching == 0 };
                if
                :: lent -> wake_one()
                :: else
                fi;
                lent = false;
                if
                :: on_duty = true /* home again, or it computes without end as well */
                :: break
                fi
            :: true
            fi
        :: waits && !waited -> waited = true
        :: !waits ->
            waited = false;
            atomic { on_duty = false; off_duty = true };
#ifndef NO_FENCE
            atomic { empty_buffer(); waits = queue > 0 };
#else
            waits = queue > 0;
#endif
#ifdef NO_LOOK
            waits = false;
#endif
            if
            :: waits ->
                atomic {
                    if
                    :: off_duty -> off_duty = false; on_duty = true
                    :: else -> token; token = false
                    fi
                }
            :: else ->
endoff:         atomic { token -> token = false }
            fi;
            waits = false
        fi
    od
}

/* When nothing can go on: the last process to be asked. */
active proctype judge()
{
    atomic { timeout -> assert(queue + buffered == 0 && ran == woken) }
}
