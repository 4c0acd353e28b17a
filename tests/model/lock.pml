/*
 * The lock: src/platform/lock.h and lock.c (lock_grab, lock_take, lock_try, lock_give, wait_for) over platform_wait and platform_wake_one.
 *
 * Three threads take the lock twice each, by lock_take or by lock_try. Before they start, the first thread takes and gives the lock
 * with plain loads and stores, as a process of one thread does, and then clears the flag as pthread_create does.
 * Futex: the kernel compares the word and sleeps in one step; a sleeper may return early (EINTR); a wake-up ends at most one sleep.
 * Spinning is one try: more tries are the same transition again.
 *
 * Properties: never two holders (assert); no lost wake-up and no deadlock (nobody sleeps for ever: invalid end state); the word is
 * FREE when all are done; with LIVE, threads that run for ever let somebody in again and again (no non-progress cycle).
 *
 * Case: right
 * Case: right progress -DLIVE
 * Case: broken -DNO_WAKE "invalid end state"            give never wakes
 * Case: broken -DWAKE_IF_HELD "invalid end state"       a woken thread takes the lock as HELD and so forgets the other sleepers
 * Case: broken -DSLEEP_UNCOMPARED "invalid end state"   the futex sleeps whatever the word is
 * Case: broken -DSPLIT_GRAB "assertion violated"        load and store instead of compare-and-swap while there are threads
 * Case: broken -DFLAG_LATE "assertion violated"         a thread runs while the process still believes to have one
 * Case: broken progress -DLIVE -DNEVER_GIVE "non-progress" a holder keeps the lock
 */
#define THREADS 3
#define ROUNDS 2
#define FREE 0
#define HELD 1
#define WAITED 2

byte word = FREE;
byte holders = 0;
bool asleep[THREADS];
bool single = true;
byte done = 0;

inline enter_section() {
    holders++;
    assert(holders == 1);
#ifdef LIVE
progress_made:
#endif
    skip;
#ifdef NEVER_GIVE
    do :: holders == 1 -> holders = 1 od;
#endif
    holders--;
}

/* cas_acquire, or two plain steps while there is one thread */
inline grab(ok) {
#ifdef SPLIT_GRAB
    ok = (word == FREE);
    if :: ok -> word = HELD :: else fi;
#else
    if
    :: single -> ok = (word == FREE); if :: ok -> word = HELD :: else fi
    :: else -> atomic { ok = (word == FREE); if :: ok -> word = HELD :: else fi }
    fi;
#endif
}

inline futex_wait(me) {
    atomic {
        if
#ifdef SLEEP_UNCOMPARED
        :: asleep[me] = true
#else
        :: word == WAITED -> asleep[me] = true
        :: word != WAITED
#endif
        fi
    }
    if
    :: !asleep[me]
#ifndef LIVE
    :: eintr > 0 -> atomic { eintr--; asleep[me] = false }
#endif
    fi;
}

inline futex_wake() {
    atomic {
        if
        :: asleep[0] -> asleep[0] = false
        :: asleep[1] -> asleep[1] = false
        :: asleep[2] -> asleep[2] = false
        :: else
        fi
    }
}

inline take(me) {
    grab(got);
    if
    :: got
    :: else ->
        grab(got);
        if
        :: got
        :: else ->
            do
            :: atomic {
                old = word;
#ifdef WAKE_IF_HELD
                word = (old == FREE -> HELD : WAITED);
#else
                word = WAITED;
#endif
               }
               if :: old == FREE -> break :: else -> futex_wait(me) fi
            od
        fi
    fi;
}

inline give() {
    if
    :: single -> word = FREE
    :: else ->
        atomic { old = word; word = FREE }
#ifndef NO_WAKE
        if :: old == WAITED -> futex_wake() :: else fi
#endif
    fi;
    old = 0;
}

proctype thread(byte me) {
    byte old, round;
    byte eintr = 1;
    bool got;
    do
#ifdef LIVE
    :: true -> take(me); enter_section(); give()
#else
    :: round < ROUNDS ->
        if
        :: true -> take(me); enter_section(); give()
        :: true -> grab(got); if :: got -> enter_section(); give() :: else fi /* lock_try */
        fi;
        round++
    :: else -> break
#endif
    od;
    done++;
}

init {
    byte old;
    bool got;
#ifdef FLAG_LATE
    run thread(1);
#endif
    grab(got);
    assert(got);
    enter_section();
    give();
    single = false;
    atomic {
        run thread(0);
#ifndef FLAG_LATE
        run thread(1);
#endif
        run thread(2);
    }
    done == THREADS;
    assert(word == FREE && holders == 0);
}
