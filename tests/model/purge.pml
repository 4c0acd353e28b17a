/*
 * Purging: src/pages/purge.c (purge_down_to, unmap), src/pages/page_map.c (page_map_clean) and src/pages/chunk.c (chunk_take_dirty, chunk_return_slices, chunk_forget,
 * chunk_take_empty, retire, enter, chunk_take_unit, chunk_give_unit).
 *
 * Two addresses where the kernel may put a chunk, two descriptors, chunks of two slices. Two threads take a slice, write to it and
 * give it back; a purger runs beside them; the kernel may refuse to unmap or to purge. The chunk lock is one step (lock.pml).
 * The bits that say which blocks are out are one for each slice here, set and cleared by the slice's owner (slab_claim, slab_put).
 * Ghosts: `who` owns each slice, `content` says that a slice does not read as zeros, `mapped` that the kernel has the range mapped.
 *
 * Properties (assert): a slice never has two owners; nothing is purged or unmapped but what the purger owns; a block said to be
 * zeroed reads as zeros; what an owner wrote stays; the page map leads to the descriptor of the chunk that is mapped there, and to
 * none where nothing of ours is; bits that an owner set stay, and a fresh slab has none; dirty_bytes is exact; at the end every slice of every chunk is free (none lost) and every
 * descriptor is a chunk's or spare. No deadlock (invalid end state).
 *
 * Case: right
 * Case: broken -DPURGE_LISTED "assertion violated"        the run is purged while it can be allocated
 * Case: broken -DCLEAN_TOO_EARLY "assertion violated"     the slices are returned as clean, then purged
 * Case: broken -DFORGET_TOO_EARLY "assertion violated"    the descriptor is given up before the chunk is unmapped
 * Case: broken -DUNPUBLISH_LATE "assertion violated"      the page map's entry is cleared after the chunk was unmapped
 * Case: broken -DBITS_LATE "assertion violated"          the bits of a chunk are given back after it was unmapped
 * Case: broken -DREFUSED_IS_CLEAN "assertion violated"    a refused purge counts as done
 * Case: broken -DRETIRED_STAYS "assertion violated"       a chunk that could not be unmapped is not entered again
 */
#define NONE 9
#define FREE 0
#define PURGER 9 /* other owners are 1 + thread */

byte map[2] = NONE;   /* page map: address -> descriptor */
byte base[2] = NONE;  /* descriptor -> address; NONE: never used or spare */
bool retired[2];
bool free_bit[4];     /* descriptor * 2 + slice */
bool dirty_bit[4];
bool out_bit[4];      /* page map, by address * 2 + slice: a block is out */
byte who[4];          /* ghost, by address * 2 + slice */
bool content[4];
bool mapped[2];
byte dirty_total;
byte finished;

#define WHOLE(d) (free_bit[(d) * 2] && free_bit[(d) * 2 + 1])
#define DIRTY(i) (free_bit[i] && dirty_bit[i])
#define USABLE(d) (base[d] != NONE && !retired[d])

inline check() {
    d_step {
        assert(dirty_total == DIRTY(0) + DIRTY(1) + DIRTY(2) + DIRTY(3));
        assert(map[0] == NONE || (base[map[0]] == 0 && mapped[0]));
        assert(map[1] == NONE || (base[map[1]] == 1 && mapped[1]));
        assert(!USABLE(0) || map[base[0]] == 0);
        assert(!USABLE(1) || map[base[1]] == 1);
    }
}

/* enter_new: at an address the kernel has free, with a descriptor that is spare or new */
inline enter(d, at) {
    assert(map[at] == NONE);
    mapped[at] = true;
    content[at * 2] = false;
    content[at * 2 + 1] = false;
    base[d] = at;
    retired[d] = false;
    map[at] = d;
    free_bit[(d) * 2] = true; free_bit[(d) * 2 + 1] = true;
    dirty_bit[(d) * 2] = false; dirty_bit[(d) * 2 + 1] = false;
}

/* Slice i of descriptor (i) / 2, free, becomes ours. */
inline take_slice(i) {
    s = base[(i) / 2] * 2 + (i) % 2;
    assert(who[s] == FREE && mapped[base[(i) / 2]]);
    who[s] = me + 1;
    zeroed = !dirty_bit[i];
    dirty_total = dirty_total - DIRTY(i);
    free_bit[i] = false;
    got = i;
}

proctype user(byte me) {
    byte got, s, round;
    bool zeroed;
    do
    :: round < 2 ->
        atomic { /* chunk_take_unit under the chunk lock */
            got = NONE;
            if
            :: USABLE(0) && free_bit[0] -> take_slice(0)
            :: USABLE(0) && free_bit[1] -> take_slice(1)
            :: USABLE(1) && free_bit[2] -> take_slice(2)
            :: USABLE(1) && free_bit[3] -> take_slice(3)
            :: else ->
                if
                :: base[0] == NONE && !mapped[0] -> enter(0, 0); take_slice(0)
                :: base[0] == NONE && !mapped[1] -> enter(0, 1); take_slice(0)
                :: base[1] == NONE && !mapped[0] -> enter(1, 0); take_slice(2)
                :: base[1] == NONE && !mapped[1] -> enter(1, 1); take_slice(2)
                :: else
                fi
            fi;
            check()
        }
        if
        :: got != NONE ->
            assert(!zeroed || !content[s]);
            atomic { assert(!out_bit[s]); out_bit[s] = true };
            content[s] = true;
            assert(who[s] == me + 1 && mapped[s / 2]);
            atomic { assert(out_bit[s]); out_bit[s] = false };
            atomic { /* chunk_give_unit: the owner finds the chunk by its address */
                assert(content[s]);
                assert(map[s / 2] == got / 2);
                who[s] = FREE;
                free_bit[got] = true;
                dirty_bit[got] = true;
                dirty_total++;
                check()
            }
        :: else
        fi;
        got = 0; s = 0; zeroed = false;
        round++
    :: else -> break
    od;
    finished++
}

inline own(i) {
#ifndef PURGE_LISTED
    assert(who[base[(i) / 2] * 2 + (i) % 2] == FREE);
    who[base[(i) / 2] * 2 + (i) % 2] = PURGER;
    dirty_total = dirty_total - DIRTY(i);
    free_bit[i] = false;
#endif
    skip
}

inline retire(d) {
    own((d) * 2); own((d) * 2 + 1);
    retired[d] = true;
#ifndef UNPUBLISH_LATE
    map[base[d]] = NONE;
#endif
}

/* The kernel forgets slice i of d: MADV_DONTNEED */
inline forget_content(i) {
    assert(mapped[base[(i) / 2]]);
    assert(who[base[(i) / 2] * 2 + (i) % 2] == PURGER);
    content[base[(i) / 2] * 2 + (i) % 2] = false;
}

inline return_slice(i, is_clean) {
    if :: is_clean -> dirty_bit[i] = false :: else fi;
    if
    :: who[base[(i) / 2] * 2 + (i) % 2] == PURGER -> who[base[(i) / 2] * 2 + (i) % 2] = FREE; free_bit[i] = true;
        dirty_total = dirty_total + DIRTY(i)
    :: else
    fi
}

inline chunk_forget(d) { atomic { base[d] = NONE; retired[d] = false; check() } }

/* page_map_clean: the system forgets the bits of the chunk, all of which are clear unless it is too late. It may refuse: no change then. */
inline clean_bits() {
    out_bit[at * 2] = false;
    out_bit[at * 2 + 1] = false
}

/* munmap of the whole chunk d */
inline unmap(d) {
    atomic {
        assert(base[d] == at && mapped[at]);
        assert(who[at * 2] == PURGER && who[at * 2 + 1] == PURGER);
        who[at * 2] = FREE; who[at * 2 + 1] = FREE;
        content[at * 2] = false; content[at * 2 + 1] = false;
        mapped[at] = false
    }
}

inline purge_and_return() {
#ifdef CLEAN_TOO_EARLY
    clean = true;
#else
    if
    :: forget_content(first); if :: count == 2 -> forget_content(first + 1) :: else fi; clean = true
    :: skip; /* refused, for example locked memory */
#ifdef REFUSED_IS_CLEAN
        clean = true
#else
        clean = false
#endif
    fi;
#endif
    atomic { /* chunk_return_slices */
        return_slice(first, clean);
        if :: count == 2 -> return_slice(first + 1, clean) :: else fi;
#ifndef RETIRED_STAYS
        if :: retired[first / 2] -> retired[first / 2] = false; map[base[first / 2]] = first / 2 :: else fi;
#endif
        check()
    }
#ifdef CLEAN_TOO_EARLY
    forget_content(first);
#endif
}

inline pick_slice(i) {
    if
    :: WHOLE((i) / 2) -> whole = true; first = (i) & 2; count = 2; retire((i) / 2)
    :: else -> first = i; count = 1; own(i)
    fi
}

active proctype purger() {
    byte first, count, at, round;
    bool whole, clean;
    do
    :: round < 3 ->
        atomic { /* chunk_take_dirty, or chunk_take_empty: the hand may stand anywhere */
            whole = false;
            first = NONE;
            if
            :: USABLE(0) && DIRTY(0) -> pick_slice(0)
            :: USABLE(0) && DIRTY(1) -> pick_slice(1)
            :: USABLE(1) && DIRTY(2) -> pick_slice(2)
            :: USABLE(1) && DIRTY(3) -> pick_slice(3)
            :: USABLE(0) && WHOLE(0) -> pick_slice(0)
            :: USABLE(1) && WHOLE(1) -> pick_slice(2)
            :: true
            fi;
            if :: first != NONE -> at = base[first / 2] :: else fi
        }
        if
        :: first != NONE && whole ->
#ifndef BITS_LATE
            assert(!out_bit[at * 2] && !out_bit[at * 2 + 1]);
            clean_bits();
#endif
            if
            :: true ->
#ifdef FORGET_TOO_EARLY
                chunk_forget(first / 2);
                unmap(first / 2);
#else
                unmap(first / 2);
#ifdef UNPUBLISH_LATE
                map[at] = NONE;
#endif
                chunk_forget(first / 2)
#endif
#ifdef BITS_LATE
                ; clean_bits()
#endif
            :: true -> purge_and_return() /* the kernel refuses to unmap */
            fi
        :: first != NONE && !whole -> purge_and_return()
        :: else
        fi;
        first = 0; count = 0; at = 0; whole = false; clean = false;
        round++
    :: else -> break
    od;
    finished++
}

init {
    atomic { run user(0); run user(1) }
    finished == 3;
    d_step {
        assert(base[0] == NONE || (!retired[0] && WHOLE(0)));
        assert(base[1] == NONE || (!retired[1] && WHOLE(1)));
        assert(who[0] == FREE && who[1] == FREE && who[2] == FREE && who[3] == FREE);
        assert(!mapped[0] || map[0] != NONE);
        assert(!mapped[1] || map[1] != NONE);
    }
}
