/* A region of forks (lib/region.h): the owner, who spawns and joins two places deep and spawns at the
 * same place again, and two workers who take.  The owner's stores to a place's function go through a
 * buffer, which empties in order at any time, and at the latest when somebody issues the heavy
 * fence: so light and heavy fence are what they are.  Takers are under the lock; their stores are
 * seen at once.
 *
 * Claims
 *  - every fork is run exactly once: called by its join, or by who took it
 *  - the join returns when it has run, and the place is used again only then
 *  - who takes a fork takes it with the argument that it was spawned with
 *
 * Planted: NO_FENCE    who takes does not issue the heavy fence
 *          NO_BACK     who finds nothing does not take the top back
 *          NO_LOCK     the owner who sees the top above its place does not go for the lock
 *          NO_LOWER    the owner does not lower the top when it has joined what was taken
 *          NO_EMPTY    the owner calls without having emptied the place
 *          EARLY_ARG   who takes reads the argument before it has seen the function */

#define PLACES 3
#define FORKS 6

byte fn[PLACES + 1];  /* 0: none; else the number of the fork, as memory has it */
byte arg[PLACES + 1]; /* the number again, as memory has it */
byte task[PLACES + 1];
byte top;
bool lock;

byte ran[FORKS + 1];
bool ended[FORKS + 1];

/* The owner's buffer: what is stored where, oldest first.  Functions and arguments in one order. */
chan buffer = [4] of { bool, byte, byte };

inline drain_one()
{
    if
    :: buffer?true(place, value) -> fn[place] = value
    :: buffer?false(place, value) -> arg[place] = value
    fi;
    place = 0;
    value = 0
}

/* Memory sees the owner's stores in their order, some time later. */
active proctype memory()
{
    byte place, value;
end:
    do
    :: atomic { nempty(buffer) -> drain_one() }
    od
}

inline heavy_fence()
{
    atomic {
#ifndef NO_FENCE
        do
        :: nempty(buffer) -> drain_one()
        :: empty(buffer) -> break
        od
#else
        skip
#endif
    }
}

/* One fork is run. */
inline execute(number)
{
    atomic {
        ran[number]++;
        assert(ran[number] == 1);
        ended[number] = true
    }
}

byte next_number = 1;

inline spawn(p, number)
{
    atomic { number = next_number; next_number++ };
    assert(task[p] == 0);
    buffer!false(p, number);
    buffer!true(p, number)
}

inline join(p, number)
{
#ifndef NO_EMPTY
    buffer!true(p, 0);
#endif
    seen = top; /* J2: a load that does not wait for the buffer */
    if
    :: seen > p ->
#ifndef NO_LOCK
        atomic { !lock -> lock = true };
        mine = task[p];
        task[p] = 0;
#ifndef NO_LOWER
        top = p;
#endif
        lock = false;
#else
        mine = task[p];
        task[p] = 0;
#endif
        if
        :: mine -> assert(mine == number); ended[number]
        :: else -> execute(number)
        fi;
        mine = 0
    :: else -> execute(number)
    fi;
    seen = 0;
    assert(ended[number])
}

active proctype owner()
{
    byte a, b, c, seen, mine;
    spawn(0, a);
    spawn(1, b);
    join(1, b);
    spawn(1, b);
    spawn(2, c);
    join(2, c);
    join(1, b);
    join(0, a);
    spawn(0, a);
    spawn(1, b);
    join(1, b);
    join(0, a);
    /* What was lowered is there for the next: nothing is left above. */
    atomic { !lock -> assert(top == 0) }
}

active [2] proctype taker()
{
    byte p, number, with, place, value;
end:
    do
    :: atomic { !lock -> lock = true };
        p = top;
#ifdef EARLY_ARG
        with = arg[p];
#endif
        number = fn[p];
        if
        :: number ->
            top = p + 1; /* T1 */
            heavy_fence();
            number = fn[p]; /* T2 */
            if
            :: number ->
#ifndef EARLY_ARG
                with = arg[p];
#endif
                assert(with == number);
                task[p] = number;
                lock = false;
                execute(number)
            :: else ->
#ifndef NO_BACK
                top = p;
#endif
                lock = false
            fi
        :: else -> lock = false
        fi;
        p = 0;
        number = 0;
        with = 0
    od
}
