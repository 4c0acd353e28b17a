/*
 * Threads that end: src/heap/thread_heap.c (heap_of_thread, heap_end_of_thread, flush_everything, heap_put, refill), src/front/slow.c
 * (free_in_slab, take_class without a heap), src/api/thread.c (thread_has_heap, thread_ends).
 *
 * Three blocks, two heaps at most, three threads, of which the third starts when the first has ended (so that it may get its heap).
 * A thread takes a block, hands it to whoever frees it (any thread, itself included), frees one that was handed over, ends (its
 * destructor runs heap_end_of_thread), and afterwards still frees one and takes and frees one: destructors of other keys and the C
 * library do that.
 *
 * Properties (assert): a heap has at most one thread; a block is in one place only: a slab, one magazine, or the program's hands; a
 * heap waits idle with empty magazines; nothing touches a heap without owning it; when all threads are gone every block is back in
 * its slab and every heap is idle (none lost). No deadlock (invalid end state).
 *
 * Case: right
 * Case: broken -DIDLE_BEFORE_FLUSH "assertion violated"  the heap is given away, then emptied
 * Case: broken -DRESURRECT "assertion violated"          a late call makes a heap that nobody will ever end
 * Case: broken -DNO_FLUSH "assertion violated"           the magazines are dropped with their content
 * Case: broken -DNEVER_ALLOCATED "assertion violated"    a thread whose first call comes after its destructors: see CONCURRENCY.md
 */
#define NONE 9
#define IN_SLAB 0
#define IN_HANDS 1
#define IN_MAGAZINE 2 /* + heap */

byte place[3] = IN_SLAB;
byte thread_of[2] = NONE; /* ghost: who owns a heap */
bool idle[2];
byte made;
byte handed[3] = false;   /* block -> the program has put it where any thread may find it */
byte ended;

inline get_heap() {
    if
    :: heap == NONE && !gone ->
        atomic { /* under LOCK_HEAPS */
            if
            :: idle[0] -> idle[0] = false; heap = 0
            :: idle[1] && !idle[0] -> idle[1] = false; heap = 1
            :: !idle[0] && !idle[1] && made < 2 -> heap = made; made++
            :: else
            fi;
            if
            :: heap != NONE ->
                assert(thread_of[heap] == NONE);
                assert(place[0] != IN_MAGAZINE + heap && place[1] != IN_MAGAZINE + heap && place[2] != IN_MAGAZINE + heap);
                thread_of[heap] = me
            :: else
            fi
        }
    :: else
    fi
}

inline take() {
    get_heap();
    if
    :: heap != NONE && place[0] == IN_MAGAZINE + heap -> b = 0
    :: heap != NONE && place[1] == IN_MAGAZINE + heap -> b = 1
    :: heap != NONE && place[2] == IN_MAGAZINE + heap -> b = 2
    :: else ->
        atomic { /* bin_claim under the bin's lock */
            if
            :: place[0] == IN_SLAB -> b = 0
            :: place[1] == IN_SLAB -> b = 1
            :: place[2] == IN_SLAB -> b = 2
            :: else -> b = NONE
            fi;
            if :: b != NONE -> place[b] = IN_HANDS :: else fi
        }
    fi;
    if
    :: b != NONE -> assert(heap == NONE || thread_of[heap] == me); assert(!handed[b]); place[b] = IN_HANDS
    :: else
    fi
}

inline give() {
    get_heap();
    if
    :: heap != NONE -> assert(thread_of[heap] == me); place[b] = IN_MAGAZINE + heap
    :: heap == NONE -> place[b] = IN_SLAB /* bin_put at once */
    fi;
    b = NONE
}

/* Frees a block that some thread handed over, if there is one. */
inline give_handed() {
    atomic {
        if
        :: handed[0] -> b = 0
        :: handed[1] -> b = 1
        :: handed[2] -> b = 2
        :: else -> b = NONE
        fi;
        if :: b != NONE -> handed[b] = false; assert(place[b] == IN_HANDS) :: else fi
    }
    if :: b != NONE -> give() :: else fi
}

inline flush_block(n) {
    if
    :: place[n] == IN_MAGAZINE + last -> assert(thread_of[last] == me); place[n] = IN_SLAB
    :: else
    fi
}

inline flush() {
#ifndef NO_FLUSH
    flush_block(0); flush_block(1); flush_block(2);
#endif
    skip
}

inline let_go() {
    atomic { thread_of[last] = NONE; idle[last] = true }
}

inline end_of_thread() {
    last = heap;
    heap = NONE;
#ifndef RESURRECT
    gone = true;
#endif
    if
    :: last != NONE ->
#ifdef IDLE_BEFORE_FLUSH
        let_go(); flush()
#else
        flush(); let_go()
#endif
    :: else
    fi;
    last = NONE
}

proctype thread(byte me) {
    byte heap = NONE;
    byte last = NONE;
    byte b = NONE;
    bool gone; /* thread_ended */
#ifdef NEVER_ALLOCATED
    if
    :: me != 1 ->
#endif
    take();
    if
    :: b == NONE
    :: b != NONE -> if :: handed[b] = true :: give() fi
    fi;
    b = NONE;
    take();
    if :: b != NONE -> give() :: else fi;
    give_handed();
    end_of_thread();
#ifdef NEVER_ALLOCATED
    :: else /* the destructor is set by the first call only, so it does not run */
    fi;
#endif
    give_handed();
    take();
    if :: b != NONE -> give() :: else fi;
    ended++
}

init {
    byte b;
    atomic { run thread(0); run thread(1) }
    ended >= 1;
    run thread(2);
    ended == 3;
    d_step {
        do
        :: b < 3 -> assert(handed[b] || place[b] == IN_SLAB); b++
        :: else -> break
        od;
        assert(thread_of[0] == NONE && thread_of[1] == NONE);
        assert(made < 1 || idle[0]);
        assert(made < 2 || idle[1]);
    }
}
