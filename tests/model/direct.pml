/*
 * Direct mappings: src/pages/direct.c (direct_take, direct_give, direct_evict, direct_resize, attach, detach, make_room).
 *
 * Four addresses the kernel may use, a table of three slots that cannot grow (no memory for a larger one: the hardest case), one
 * place for a kept mapping. Each of three threads takes a mapping, resizes it and gives it back, twice; every system call may land
 * on any address that is free at that moment. The lock is one step (lock.pml).
 *
 * Properties (assert): an address that is entered in the table is not in it already; it is mapped and belongs to who enters it; only
 * its owner unmaps or moves a mapping; a resize that succeeded always finds a slot for its entry; one slot always stays free, since a
 * search ends only there; at the end nothing is mapped but what is kept (none lost). No deadlock (invalid end state).
 *
 * Case: right
 * Case: broken -DMOVE_ATTACHED "assertion violated"      mremap while the old address still stands in the table
 * Case: broken -DUNMAP_ATTACHED "assertion violated"     munmap while the address still stands in the table
 * Case: broken -DROOM_NOT_KEPT "assertion violated"      a resize gives up its slot for the time of mremap
 * Case: broken -DEVICT_KEEPS "assertion violated"        an evicted mapping is unmapped while it can still be taken
 */
#define ADDRESSES 4
#define SLOTS 3
#define NONE 9
#define KEPT 8

byte mapped[ADDRESSES];  /* ghost: 0 no, 1 + thread: whose, KEPT */
bool entered[ADDRESSES]; /* stands in the table */
byte entries;            /* ghost: how many do */
byte used;               /* entries and those whose slot is reserved */
byte kept = NONE;
byte finished;

inline kernel_map(result) {
    atomic {
        if
        :: mapped[0] == 0 -> result = 0
        :: mapped[1] == 0 -> result = 1
        :: mapped[2] == 0 -> result = 2
        :: mapped[3] == 0 -> result = 3
        :: result = NONE
        fi;
        if :: result != NONE -> mapped[result] = me + 1 :: else fi
    }
}

inline kernel_unmap(at, owner) { atomic { assert(mapped[at] == owner); mapped[at] = 0 } }

inline enter(at) {
    assert(!entered[at] && mapped[at] == me + 1);
    entered[at] = true;
    entries++;
    assert(entries < SLOTS)
}

inline leave(at) { assert(entered[at]); entered[at] = false; entries-- }

inline take() {
    atomic { a = kept; kept = NONE; if :: a != NONE -> assert(mapped[a] == KEPT); mapped[a] = me + 1 :: else fi }
    if :: a == NONE -> kernel_map(a) :: else fi;
    if
    :: a != NONE ->
        atomic {
            if
            :: used + 1 < SLOTS -> used++; enter(a); ok = true
            :: else -> ok = false
            fi
        }
        if :: !ok -> kernel_unmap(a, me + 1); a = NONE :: else fi
    :: else
    fi
}

inline resize() {
#ifndef MOVE_ATTACHED
    atomic {
        leave(a);
#ifdef ROOM_NOT_KEPT
        used--
#endif
    }
#endif
    /* mremap: refused, in place, or moved to a free address in one step */
    atomic {
        moved = a;
        if
        :: mapped[0] == 0 -> moved = 0
        :: mapped[1] == 0 -> moved = 1
        :: mapped[2] == 0 -> moved = 2
        :: mapped[3] == 0 -> moved = 3
        :: true
        fi;
        assert(mapped[a] == me + 1);
        mapped[a] = 0;
        mapped[moved] = me + 1
    }
    atomic {
#ifdef MOVE_ATTACHED
        leave(a);
#endif
#ifdef ROOM_NOT_KEPT
        assert(used + 1 < SLOTS);
        used++;
#endif
        enter(moved);
        a = moved;
        moved = 0
    }
}

inline give() {
#ifdef UNMAP_ATTACHED
    kernel_unmap(a, me + 1);
    atomic { leave(a); used-- }
#else
    atomic { leave(a); used-- }
    atomic { ok = (kept == NONE); if :: ok -> kept = a; mapped[a] = KEPT :: else fi }
    if :: !ok -> kernel_unmap(a, me + 1) :: else fi;
#endif
    a = NONE
}

inline evict() {
    atomic {
        a = kept;
#ifndef EVICT_KEEPS
        kept = NONE;
        if :: a != NONE -> mapped[a] = me + 1 :: else fi
#endif
    }
#ifdef EVICT_KEEPS
    if :: a != NONE -> kernel_unmap(a, KEPT); atomic { if :: kept == a -> kept = NONE :: else fi } :: else fi;
#else
    if :: a != NONE -> kernel_unmap(a, me + 1) :: else fi;
#endif
    a = NONE
}

proctype thread(byte me) {
    byte a = NONE;
    byte moved, round;
    bool ok;
    do
    :: round < 2 ->
        take();
        if
        :: a != NONE ->
            if :: true -> resize() :: true fi;
            give()
        :: else -> evict()
        fi;
        ok = false;
        round++
    :: else -> break
    od;
    finished++
}

init {
    atomic { run thread(0); run thread(1); run thread(2) }
    finished == 3;
    d_step {
        assert(entries == 0 && used == 0);
        assert(mapped[0] == 0 || kept == 0);
        assert(mapped[1] == 0 || kept == 1);
        assert(mapped[2] == 0 || kept == 2);
        assert(mapped[3] == 0 || kept == 3);
    }
}
