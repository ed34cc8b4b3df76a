/* One sleep of a task (lib/wait.h, lib/sleep.c, lib/await.c, lib/cancel.c): a fiber that waits for a
 * future with a limit, and the four parties that may reach it: the completer of the future, the
 * timer, somebody who cancels, and an inspector that pins it.  Steps are single operations on the
 * word; sections under the future's LOCK and the timekeeper's lock are what the code has under them.
 *
 * Claims
 *  - the fiber is resumed exactly once a sleep, and only with its stack at rest and not pinned
 *  - nobody touches the fiber's frame (node, timer, wait) after the fiber has left it
 *  - the sleep ends when the future is done, the limit has passed, or a request was made
 *
 * Planted: NO_PASSED    the fiber leaves without waiting for the completer to let go of its node
 *          NO_CLEAR     the fiber leaves without taking its timer back
 *          NO_A2        the fiber does not look for requests between registering and parking
 *          NO_A4        the fiber goes on while somebody who cancels has the task's LOCK
 *          NO_PIN       a waker resumes a pinned fiber
 *          EARLY_PARK   PARKED is set before the switch away from the stack
 *          NO_RECHECK   who parks does not look for a reason that came before */

mtype = { NONE, DONE, TIMEOUT, CANCEL };

mtype reason = NONE;
bool parked;
bool pinned;

bool on_stack = true; /* the fiber's stack is in use */
bool ready;           /* in a run queue */
byte resumes;

bool frame = true; /* what the registrations point to is there */
bool node_listed;
bool future_done;
bool future_lock;
bool passed;
bool timer_set;
bool keeper_lock;

bool task_lock;    /* the waiting task's LOCK */
bool awaiting;     /* says `a sleep` */
bool asked;        /* CANCEL in the task's word */
bool timer_came;

#define LOCK(l) atomic { !l -> l = true }

inline resume()
{
    atomic {
        assert(!on_stack && !ready && !pinned);
        resumes++;
        ready = true
    }
}

/* The word changes by one read-modify-write; `now` says whether its maker resumes. */
#ifdef NO_PIN
#define MAY_RESUME (parked && reason != NONE)
#else
#define MAY_RESUME (parked && reason != NONE && !pinned)
#endif

inline wake(why, won, now)
{
    atomic {
        assert(frame);
        won = reason == NONE;
        now = false;
        if
        :: won ->
            reason = why;
            now = MAY_RESUME
        :: else
        fi
    }
    if
    :: now -> resume()
    :: else
    fi
}

proctype fiber()
{
    bool now;

    /* A1: before the registrations; then they are made. */
    timer_set = true;
    awaiting = true;
    LOCK(future_lock);
    if
    :: future_done -> future_lock = false; goto leave
    :: else -> node_listed = true; future_lock = false
    fi;
#ifndef NO_A2
    if
    :: asked ->
        !task_lock;
        atomic {
            if
            :: reason == NONE -> reason = CANCEL
            :: else
            fi
        }
    :: else
    fi;
#endif
    if
    :: reason != NONE -> goto leave
    :: else
    fi;
    /* The switch; what runs next on the worker sets PARKED. */
#ifdef EARLY_PARK
    atomic { parked = true; now = MAY_RESUME }
    if
    :: now -> resume()
    :: else
    fi;
    on_stack = false;
#else
    on_stack = false;
#ifdef NO_RECHECK
    parked = true;
#else
    atomic { parked = true; now = MAY_RESUME }
    if
    :: now -> resume()
    :: else
    fi;
#endif
#endif
    /* Somebody's run queue has it. */
end_sleep:
    atomic { ready -> ready = false; on_stack = true; assert(resumes == 1) }
leave:
    awaiting = false; /* A3 */
#ifndef NO_A4
    !task_lock;
#endif
#ifndef NO_CLEAR
    /* Under the lock, over which the timer fires. */
    LOCK(keeper_lock);
    timer_set = false;
    keeper_lock = false;
#endif
    if
    :: reason != DONE && node_listed ->
        LOCK(future_lock);
        if
        :: !future_done -> node_listed = false; future_lock = false
        :: else ->
            future_lock = false;
#ifndef NO_PASSED
            (passed || reason == DONE)
#endif
        fi
    :: else
    fi;
    frame = false
}

proctype completer()
{
    bool listed, won, now;

    LOCK(future_lock);
    atomic { future_done = true; listed = node_listed; future_lock = false }
    if
    :: listed ->
        wake(DONE, won, now);
        if
        :: !won -> atomic { assert(frame); passed = true }
        :: else
        fi
    :: else
    fi
}

proctype timer()
{
    bool won, now;

    LOCK(keeper_lock);
    if
    :: timer_set ->
        timer_set = false;
        timer_came = true;
        wake(TIMEOUT, won, now)
    :: else
    fi;
    keeper_lock = false
}

proctype canceller()
{
    bool won, now;

    LOCK(task_lock); /* C1 */
    asked = true;
    if
    :: awaiting -> /* C2 */
        wake(CANCEL, won, now)
    :: else
    fi;
    task_lock = false
}

proctype inspector()
{
    bool got, now;

    atomic {
        got = frame && parked && reason == NONE && !pinned;
        if
        :: got -> pinned = true
        :: else
        fi
    }
    if
    :: got ->
        assert(!on_stack && !ready); /* reads the stack */
        assert(!on_stack && !ready);
        atomic { pinned = false; now = MAY_RESUME }
        if
        :: now -> resume()
        :: else
        fi
    :: else
    fi
}

init
{
    atomic {
        run fiber();
        /* Each of the three may come or not. */
        if
        :: run completer()
        :: skip
        fi;
        if
        :: run timer()
        :: skip
        fi;
        if
        :: run canceller()
        :: skip
        fi;
        run inspector()
    }
    timeout -> assert(!frame || !(future_done || timer_came || asked))
}
