/*
 * Fork: src/api/fork.c (before_fork, after_fork), src/platform/lock.c and lock.h (lock_fork_begin, lock_fork_end, lock_fork_take,
 * lock_fork_give, lock_holds_all in lock_take, lock_try, lock_give), and *_fork_take, *_fork_give of the layers.
 *
 * Locks by rank: heaps, two bins, chunks, spans, direct, meta, guarded, quarantine. Two threads go bin -> chunks -> meta (a slab is made),
 * heaps -> meta (a heap is made), spans -> meta (a span is taken), or to direct, guarded or quarantine alone; each data set is half changed between two steps under its lock. The second thread does so while it holds a
 * lock of the program. The third forks; another library's handlers, registered after ours, take that lock before ours in the parent
 * and give it after ours; a library that registered before us allocates in its handlers, while every lock of ours is held.
 * The child is a copy of all lock words and data at the moment of fork, with one thread.
 *
 * Properties (assert): at the fork every lock is held by the forking thread and no data set is half changed; calls inside handlers
 * neither wait nor give a lock away; in parent and child every lock is free after the handlers, and the child can allocate. No
 * deadlock (invalid end state).
 *
 * Case: right
 * Case: broken -DDIRECT_FORGOTTEN "assertion violated"   one lock is not taken: its data may be half changed in the child
 * Case: broken -DSPANS_FORGOTTEN "assertion violated"    another one, which others are taken under
 * Case: broken -DWRONG_ORDER "invalid end state"         chunks before the bins: against the rank order
 * Case: broken -DOURS_FIRST "invalid end state"          our locks are taken before another library's: see CONCURRENCY.md
 * Case: broken -DNOT_HELD_BY_ALL "invalid end state"     the forking thread waits for itself
 * Case: broken -DGIVEN_IN_HANDLER "assertion violated"   a call in a handler gives a lock back before the fork
 * Case: broken -DCHILD_KEEPS "assertion violated"        the child's handler forgets a lock
 */
#define HEAPS 0
#define BIN0 1
#define BIN1 2
#define CHUNKS 3
#define SPANS 4
#define DIRECT 5
#define META 6
#define GUARDED 7
#define QUARANTINE 8
#define LOCKS 9
#define FORKER 9

byte word[LOCKS];   /* 0 free, else 1 + thread */
bool half[LOCKS];
byte child[LOCKS];
bool child_half[LOCKS];
byte program_lock;
bool holds_all;     /* of the forking thread */
byte finished;

inline lock(l) { atomic { word[l] == 0 -> word[l] = me } }
inline unlock(l) { assert(word[l] == me); word[l] = 0 }
inline change(l) { half[l] = true; half[l] = false }

inline make_slab(b) {
    lock(b);
    half[b] = true;
    lock(META); change(META); unlock(META);
    lock(CHUNKS);
    half[CHUNKS] = true;
    if :: true -> lock(META); change(META); unlock(META) :: true fi;
    half[CHUNKS] = false;
    unlock(CHUNKS);
    half[b] = false;
    unlock(b);
}

inline call() {
    if
    :: make_slab(BIN0)
    :: make_slab(BIN1)
    :: lock(HEAPS); half[HEAPS] = true; lock(META); change(META); unlock(META); half[HEAPS] = false; unlock(HEAPS)
    :: lock(SPANS); half[SPANS] = true; lock(META); change(META); unlock(META); half[SPANS] = false; unlock(SPANS)
    :: lock(DIRECT); change(DIRECT); unlock(DIRECT)
    :: lock(GUARDED); change(GUARDED); unlock(GUARDED)
    :: lock(QUARANTINE); change(QUARANTINE); unlock(QUARANTINE)
    fi
}

proctype thread(byte me) {
    call();
    if
    :: me == 2 ->
        atomic { program_lock == 0 -> program_lock = me }
        call();
        program_lock = 0
    :: else
    fi;
    finished++
}

/* lock_take and lock_give by the forking thread inside a handler, with nested locks */
inline take_in_handler(l) {
    if
    :: atomic { word[l] == 0 -> word[l] = me }
#ifndef NOT_HELD_BY_ALL
    :: word[l] != 0 && holds_all
#endif
    fi
}
inline give_in_handler(l) {
#ifdef GIVEN_IN_HANDLER
    word[l] = 0;
#else
    if :: holds_all :: else -> word[l] = 0 fi;
#endif
}
inline call_in_handler() {
    take_in_handler(BIN0); take_in_handler(CHUNKS); take_in_handler(META);
    assert(!half[BIN0] && !half[CHUNKS]);
    give_in_handler(META); give_in_handler(CHUNKS); give_in_handler(BIN0);
    skip
}

inline fork_take(l) { lock(l) }

inline before_fork() {
    fork_take(HEAPS);
#ifdef WRONG_ORDER
    fork_take(CHUNKS); fork_take(BIN0); fork_take(BIN1);
#else
    fork_take(BIN0); fork_take(BIN1); fork_take(CHUNKS);
#endif
#ifndef SPANS_FORGOTTEN
    fork_take(SPANS);
#endif
#ifndef DIRECT_FORGOTTEN
    fork_take(DIRECT);
#endif
    fork_take(META); fork_take(GUARDED); fork_take(QUARANTINE);
    holds_all = true;
}

inline give_all() {
    word[QUARANTINE] = 0; word[GUARDED] = 0; word[META] = 0; word[DIRECT] = 0; word[SPANS] = 0; word[CHUNKS] = 0; word[BIN1] = 0; word[BIN0] = 0; word[HEAPS] = 0
}

inline child_run() {
    d_step {
        child[QUARANTINE] = 0; child[GUARDED] = 0; child[META] = 0; child[DIRECT] = 0; child[SPANS] = 0; child[CHUNKS] = 0; child[BIN1] = 0;
#ifndef CHILD_KEEPS
        child[BIN0] = 0;
#endif
        child[HEAPS] = 0;
        assert(child[0] == 0 && child[1] == 0 && child[2] == 0 && child[3] == 0 && child[4] == 0 && child[5] == 0 && child[6] == 0 &&
               child[7] == 0 && child[8] == 0);
        assert(!child_half[0] && !child_half[1] && !child_half[2] && !child_half[3] && !child_half[4] && !child_half[5] &&
               !child_half[6] && !child_half[7] && !child_half[8])
    }
}

inline copy(l) {
    child[l] = word[l];
    child_half[l] = half[l];
#if !defined(DIRECT_FORGOTTEN) && !defined(SPANS_FORGOTTEN)
    assert(word[l] == me);
#endif
    assert(!half[l])
}

active proctype forker() {
    byte me = FORKER;
#ifdef OURS_FIRST
    before_fork();
    atomic { program_lock == 0 -> program_lock = me }
#else
    atomic { program_lock == 0 -> program_lock = me }
    before_fork();
#endif
    call_in_handler();
    atomic { copy(HEAPS); copy(BIN0); copy(BIN1); copy(CHUNKS); copy(SPANS); copy(DIRECT); copy(META); copy(GUARDED); copy(QUARANTINE) }
    child_run();
    call_in_handler();
    holds_all = false;
    give_all();
    program_lock = 0;
    finished++
}

init {
    atomic { run thread(1); run thread(2) }
    finished == 3;
    assert(word[0] == 0 && word[1] == 0 && word[2] == 0 && word[3] == 0 && word[4] == 0 && word[5] == 0 && word[6] == 0 && word[7] == 0 &&
           word[8] == 0);
}
