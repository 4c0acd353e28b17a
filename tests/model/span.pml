/*
 * Spans: src/pages/span.c, span_back.c and span_index.c (span_take, span_give, span_purge, span_unmap, enter_free, grow, empty_cache).
 *
 * Four pages of address space. A descriptor covers a range of pages; a range that is free joins its neighbours of the same state. Two
 * threads take one or two pages, write to them and give them back; a purger purges and unmaps beside them; the kernel may refuse both,
 * and may map what was unmapped again. The span lock is one step (lock.pml), so the model keeps the state of each page, and that of a
 * span is the state of its pages: what joins and what is cut is told by the descriptor's first page.
 * Ghosts: `who` owns each page, `content` says that it does not read as zeros, `mapped` that the kernel has it mapped for spans.
 *
 * Properties (assert): a page never has two owners; nothing is purged or unmapped but what the purger owns; a block said to be zeroed
 * reads as zeros; a block is mapped as long as it is used, and nobody else writes to it; at the end every page is free or unmapped
 * (none lost), and the dirty pages are those that are counted. No deadlock (invalid end state).
 *
 * Case: right
 * Case: broken -DPURGE_IN_BIN "assertion violated"       what is being purged can be taken
 * Case: broken -DCLEAN_TOO_EARLY "assertion violated"    it is clean for others before the kernel has cleared it
 * Case: broken -DREFUSED_IS_CLEAN "assertion violated"   a refused purge counts as done
 * Case: broken -DUNMAP_IN_BIN "assertion violated"       what is being unmapped can be taken
 * Case: broken -DJOIN_ANY "assertion violated"           a dirty span joins clean neighbours and is called clean
 */
#define PAGES 4
#define CLEAN 0
#define DIRTY 1
#define USED 2
#define CACHED 3
#define BUSY 4
#define AWAY 5   /* not mapped for spans */
#define NONE 9
#define NOBODY 0
#define PURGER 9 /* other owners are 1 + thread */

byte state[PAGES] = AWAY;
byte who[PAGES];
bool content[PAGES];
byte dirty;    /* the counter */
byte finished;

#define IS_FREE(p) (state[p] == CLEAN || state[p] == DIRTY)

inline check() {
    d_step {
        assert(dirty == (state[0] == DIRTY || state[0] == CACHED) + (state[1] == DIRTY || state[1] == CACHED) +
                            (state[2] == DIRTY || state[2] == CACHED) + (state[3] == DIRTY || state[3] == CACHED));
    }
}

inline use(p) {
    assert(who[p] == NOBODY && state[p] != AWAY);
    who[p] = me + 1;
    if :: state[p] == DIRTY || state[p] == CACHED -> zeroed = false; dirty-- :: else fi;
    state[p] = USED
}

inline map_page(p) {
    assert(who[p] == NOBODY);
    state[p] = CLEAN;
    content[p] = false
}

/* Two neighbours of which one is dirty: stretch(). They are free, whatever their state. */
inline take() {
    atomic {
        at = NONE;
        count = 1;
        zeroed = true;
        if
        :: state[0] == CACHED -> at = 0
        :: state[1] == CACHED -> at = 1
        :: state[2] == CACHED -> at = 2
        :: IS_FREE(0) && IS_FREE(1) -> at = 0; count = 2
        :: IS_FREE(1) && IS_FREE(2) -> at = 1; count = 2
        :: IS_FREE(2) && IS_FREE(3) -> at = 2; count = 2
        :: IS_FREE(3) -> at = 3
        :: state[0] == AWAY -> map_page(0); at = 0
        :: state[1] == AWAY -> map_page(1); at = 1
        :: state[2] == AWAY && state[3] == AWAY -> map_page(2); map_page(3); at = 2; count = 2
        :: else
        fi;
        if
        :: at != NONE -> use(at); if :: count == 2 -> use(at + 1) :: else fi
        :: else
        fi;
        check()
    }
}

inline write(p) {
    assert(who[p] == me + 1 && state[p] == USED);
    assert(!zeroed || !content[p]);
    content[p] = true
}

/* To the cache, or out of it at once; or the first page only stays, as span_resize has it. */
inline give_page(p) {
    assert(who[p] == me + 1 && state[p] == USED && content[p]);
    who[p] = NOBODY;
    dirty++;
    if :: state[p] = CACHED :: state[p] = DIRTY fi
}

proctype user(byte me) {
    byte at, count, round;
    bool zeroed;
    do
    :: round < 2 ->
        take();
        if
        :: at != NONE ->
            write(at);
            if :: count == 2 -> write(at + 1) :: else fi;
            if
            :: count == 2 -> atomic { give_page(at + 1); check() } /* it shrinks first */
            :: else
            fi;
            atomic { give_page(at); check() }
        :: else
        fi;
        at = 0; count = 0; zeroed = false;
        round++
    :: else -> break
    od;
    finished++
}

inline empty_cache() {
    if :: state[0] == CACHED -> state[0] = DIRTY :: else fi;
    if :: state[1] == CACHED -> state[1] = DIRTY :: else fi;
    if :: state[2] == CACHED -> state[2] = DIRTY :: else fi;
    if :: state[3] == CACHED -> state[3] = DIRTY :: else fi
}

inline hold(p) {
    assert(who[p] == NOBODY);
    who[p] = PURGER;
    if :: state[p] == DIRTY -> dirty-- :: else fi;
    state[p] = BUSY
}

inline release(p, new_state) {
    assert(who[p] == PURGER && state[p] == BUSY);
    who[p] = NOBODY;
    state[p] = new_state;
    if :: (new_state) == DIRTY -> dirty++ :: else fi
}

inline pick(wanted) {
    p = NONE;
    if
    :: state[0] == wanted -> p = 0
    :: state[1] == wanted -> p = 1
    :: state[2] == wanted -> p = 2
    :: state[3] == wanted -> p = 3
    :: else
    fi
}

inline clear(q) {
#ifndef PURGE_IN_BIN
    assert(who[q] == PURGER);
#endif
    assert(who[q] == NOBODY || who[q] == PURGER);
    assert(state[q] != AWAY);
    content[q] = false
}

inline purge() {
    atomic {
        empty_cache();
        pick(DIRTY);
#ifndef PURGE_IN_BIN
        if :: p != NONE -> hold(p) :: else fi;
#endif
        check()
    }
    if
    :: p != NONE ->
#ifdef CLEAN_TOO_EARLY
        atomic { release(p, CLEAN); check() }
        clear(p)
#else
        if
        :: clear(p); done = true
        :: true ->
#ifdef REFUSED_IS_CLEAN
            done = true
#else
            done = false
#endif
        fi;
        atomic {
#ifdef PURGE_IN_BIN
            if :: done && state[p] == DIRTY -> state[p] = CLEAN; dirty-- :: else fi;
#else
            if :: done -> release(p, CLEAN) :: else -> release(p, DIRTY) fi;
#endif
#ifdef JOIN_ANY
            if :: p < 3 && done && state[p + 1] == DIRTY -> state[p + 1] = CLEAN; dirty-- :: else fi;
#endif
            check()
        }
#endif
    :: else
    fi
}

inline unmap() {
    atomic {
        pick(CLEAN);
#ifndef UNMAP_IN_BIN
        if :: p != NONE -> hold(p) :: else fi;
#endif
        check()
    }
    if
    :: p != NONE ->
        if
        :: atomic { /* munmap; after it the kernel may give the address to anybody */
            assert(who[p] == PURGER || who[p] == NOBODY);
#ifdef UNMAP_IN_BIN
            state[p] = AWAY; content[p] = false
#else
            content[p] = false; who[p] = NOBODY; state[p] = AWAY
#endif
           }
        :: true -> /* refused */
#ifndef UNMAP_IN_BIN
            atomic { release(p, CLEAN); check() }
#else
            skip
#endif
        fi
    :: else
    fi
}

active proctype purger() {
    byte p, round;
    bool done;
    do
    :: round < 3 ->
        if :: purge() :: unmap() fi;
        p = 0; done = false;
        round++
    :: else -> break
    od;
    finished++
}

init {
    atomic { run user(0); run user(1) }
    finished == 3;
    d_step {
        assert(who[0] == NOBODY && who[1] == NOBODY && who[2] == NOBODY && who[3] == NOBODY);
        assert(state[0] != USED && state[1] != USED && state[2] != USED && state[3] != USED);
        assert(state[0] != BUSY && state[1] != BUSY && state[2] != BUSY && state[3] != BUSY);
    }
}
