/*
 * Bins and slabs: src/heap/bin.c (bin_claim, claim_listed, bytes_free, claim_elsewhere, claim_new, bin_put, change_bin, settle,
 * retire_if_spare, bin_trim), src/slab (slab_create, slab_destroy, slab_claim, slab_put, slab_put_one, slab_put_few), and of src/pages/chunk.c what lies
 * under them (chunk_take_unit, chunk_give_unit, a chunk that is unmapped and whose descriptor serves another address).
 *
 * Two shards with two classes; two addresses and two descriptors, each one unit of two blocks (a chunk is one unit here, so that
 * giving the last unit back also unmaps the chunk). One thread holds a block and puts it twice (a late double free, which no check
 * can tell from a right one once the block has been handed out again). Two more claim from bins and put back, one of any bin, which
 * then trims it, one of a bin of the first shard.
 * Locks are single steps here, lock.pml has their inside; so is what happens under the chunk lock, which is innermost.
 *
 * Properties (assert): no free block is claimed twice, no right free is lost or refused unless the wrong one hit the same block;
 * whoever changes a slab holds the lock of the bin that owns it, and the address put is one of that slab's; under the lock a slab
 * stands in exactly the list of its owner, exactly while it has free blocks; at most one slab of a bin is wholly free; at the end
 * every unit is listed, or wholly out, or destroyed (no slab unreachable). No deadlock (invalid end state).
 *
 * Case: right
 * Case: right -DRIGHT_FREES_ONLY
 * Case: broken -DOWNER_UNCHECKED "assertion violated"     no look at the owner after taking the lock
 * Case: broken -DOWNER_IN_TWO_READS "assertion violated"  class and shard confirmed by two reads: the slab may change between them
 * Case: broken -DSLAB_FOUND_BEFORE_LOCK "assertion violated" the descriptor may have moved to another address meanwhile
 * Case: broken -DDESTROY_LISTED "assertion violated"      a wholly free slab goes back while it stands in its list
 * Case: broken -DRELIST_LATE "assertion violated"         the list is mended after the lock was given
 * Case: broken -DNESTED_BINS "invalid end state"          a thread that looks elsewhere keeps its own bin's lock
 * Case: broken -DFALLBACK_WITH_LOCK "invalid end state"   the same when it looks there because no slab can be made
 */
#define NONE 9
#define BINS 4 /* bin = shard * 2 + class */
#ifndef ROUNDS
#define ROUNDS 1
#endif

byte bin_lock[BINS];       /* 0, or 1 + thread */
byte desc_of[2] = NONE;    /* page map: address -> descriptor */
byte base_of[2] = NONE;    /* descriptor -> address; NONE while spare */
byte owner[2] = NONE;      /* descriptor -> bin; NONE: no slab. One 16-bit word in the code */
byte listed[2] = NONE;     /* descriptor -> bin in whose lists it stands */
byte bits[2];              /* free blocks */
bool out[4];               /* ghost: address * 2 + index is with a thread */
bool spoiled[4];           /* ghost: a wrong free put it back while it was another's */
byte finished;
bool started;

#define COUNT(b) ((b & 1) + (b >> 1))
#define MINE(b) (bin_lock[b] == me + 1)

inline check_bin(b) {
    d_step {
        assert(MINE(b));
        assert(owner[0] != b || (listed[0] == (bits[0] == 0 -> NONE : b)));
        assert(owner[1] != b || (listed[1] == (bits[1] == 0 -> NONE : b)));
        assert(listed[0] != b || owner[0] == b);
        assert(listed[1] != b || owner[1] == b);
        assert(!(listed[0] == b && listed[1] == b && (bits[0] == 3 || bits[1] == 3)));
    }
}

inline lock_bin(b) { atomic { bin_lock[b] == 0 -> bin_lock[b] = me + 1 } }
inline unlock_bin(b) {
    atomic {
#ifndef RELIST_LATE
        check_bin(b);
#endif
        bin_lock[b] = 0
    }
}
/* slab_create under bin b: a free address and a spare descriptor, any of them. d = NONE: no memory. */
inline create(b) {
    atomic {
        d = NONE;
        if
        :: desc_of[0] == NONE && base_of[0] == NONE -> d = 0; base_of[0] = 0; desc_of[0] = 0
        :: desc_of[1] == NONE && base_of[0] == NONE -> d = 0; base_of[0] = 1; desc_of[1] = 0
        :: desc_of[0] == NONE && base_of[1] == NONE -> d = 1; base_of[1] = 0; desc_of[0] = 1
        :: desc_of[1] == NONE && base_of[1] == NONE -> d = 1; base_of[1] = 1; desc_of[1] = 1
        :: skip /* none left, or refused by a limit or the system */
        fi
    }
    if
    :: d != NONE ->
        assert(owner[d] == NONE && listed[d] == NONE && bits[d] == 0);
        atomic { bits[d] = 3; owner[d] = b }
    :: else
    fi
}

/* slab_destroy of d under its bin's lock: words and class first, then the unit, then chunk and descriptor */
inline destroy() {
    atomic {
        assert(owner[d] != NONE && MINE(owner[d]) && bits[d] == 3);
#ifndef DESTROY_LISTED
        listed[d] = NONE;
#endif
        bits[d] = 0
    }
    owner[d] = NONE;
    atomic {
        assert(listed[d] == NONE);
        desc_of[base_of[d]] = NONE;
        base_of[d] = NONE
    }
}

/* claim_listed of one block from bin b: a partly free slab first; a stays NONE when none is listed */
inline claim_listed() {
    atomic {
        if
        :: listed[0] == b && (bits[0] != 3 || listed[1] != b) -> d = 0
        :: listed[1] == b && (bits[1] != 3 || listed[0] != b) -> d = 1
        :: else -> d = NONE
        fi;
        if
        :: d != NONE ->
            assert(owner[d] == b && MINE(b) && bits[d] != 0);
            a = base_of[d] * 2 + ((bits[d] & 1) -> 0 : 1);
            bits[d] = (bits[d] & 1 -> bits[d] & 2 : 0);
            assert(!out[a] || spoiled[a]);
            out[a] = true;
            listed[d] = (bits[d] == 0 -> NONE : b);
            d = NONE
        :: else
        fi
    }
}

/* claim_elsewhere: the other shard's bin, if it seems to have blocks and its lock is free; no lock is held */
inline claim_elsewhere() {
    b = b ^ 2;
    if
    :: atomic { (listed[0] == b || listed[1] == b) && bin_lock[b] == 0 -> bin_lock[b] = me + 1 };
        claim_listed();
        unlock_bin(b)
    :: listed[0] != b && listed[1] != b || bin_lock[b] != 0
    fi;
    b = b ^ 2
}

/* bin_claim: its own bin by a try-lock that may move on to the other shard; then claim_elsewhere, if the other bin has plenty (bytes_free
 * reads two hints without a lock, so it may say either); then claim_new; and when there is no memory for a slab, claim_elsewhere whatever
 * there is */
inline claim() {
    atomic {
        if
        :: bin_lock[b] == 0 -> bin_lock[b] = me + 1
        :: else -> b = b ^ 2
        fi
    }
    if :: !MINE(b) -> lock_bin(b) :: else fi;
    claim_listed();
    if
    :: a == NONE ->
#ifdef NESTED_BINS
        lock_bin((b ^ 2)); unlock_bin((b ^ 2));
#endif
        unlock_bin(b);
        if :: claim_elsewhere() :: skip fi;
        if
        :: a == NONE ->
            lock_bin(b);
            claim_listed();
            if
            :: a == NONE -> create(b); if :: d != NONE -> listed[d] = b; claim_listed() :: else fi
            :: else
            fi;
#ifdef FALLBACK_WITH_LOCK
            if :: a == NONE -> lock_bin((b ^ 2)); b = b ^ 2; claim_listed(); unlock_bin(b); b = b ^ 2 :: else fi;
#endif
            unlock_bin(b);
            if :: a == NONE -> claim_elsewhere() :: else fi
        :: else
        fi
    :: else -> unlock_bin(b)
    fi;
    d = NONE;
}

/* settle: d has got a block back */
inline settle() {
    listed[d] = b;
    other = 1 - d;
    if
    :: bits[d] == 3 && listed[other] == b -> destroy()
    :: bits[d] != 3 && listed[other] == b && bits[other] == 3 -> d = other; destroy()
    :: else
    fi
}

/* bin_put (change_bin) of address a, which was handed out as a block of class `class`; `wrong`: the second put of it */
inline put(wrong) {
    d = desc_of[a / 2];
    good = false;
    /* The owner is read once. No slab, or one of another class: nobody can own the block, and no lock is taken. What a wrong put reads is
     * ordered by nothing, so it may also be what an earlier life of the descriptor wrote. */
    atomic {
        b = (d == NONE -> NONE : owner[d]);
        b = (b != NONE && (b & 1) != class -> NONE : b);
        if
        :: skip
        :: wrong && d != NONE -> b = class
        :: wrong && d != NONE -> b = 2 + class
        fi
    }
    if
    :: b != NONE ->
        lock_bin(b);
#ifndef SLAB_FOUND_BEFORE_LOCK
        d = desc_of[a / 2];
#endif
        if
        :: d != NONE ->
#ifdef OWNER_UNCHECKED
            good = true;
#else
#ifdef OWNER_IN_TWO_READS
            good = (owner[d] != NONE && (owner[d] & 1) == (b & 1));
            good = (good && owner[d] != NONE && (owner[d] & 2) == (b & 2));
#else
            good = (owner[d] == b);
#endif
#endif
            good = (good && !(bits[d] & (1 << (a & 1))));
            if
            :: good ->
                atomic {
                    assert(owner[d] != NONE && MINE(owner[d]));
                    assert(base_of[d] == a / 2);
                    if
                    :: wrong && out[a] -> spoiled[a] = true
                    :: else -> assert(out[a] || spoiled[a])
                    fi;
                    out[a] = false;
                    bits[d] = bits[d] | (1 << (a & 1))
                }
#ifdef RELIST_LATE
                unlock_bin(b);
                settle();
#else
                settle()
#endif
            :: else
            fi
        :: else
        fi;
        if :: MINE(b) -> unlock_bin(b) :: else fi
    :: else -> b = class
    fi;
    assert(wrong || good || spoiled[a]);
    d = NONE; other = 0; good = false; /* fewer states */
}

/* bin_trim of one bin */
inline trim() {
    lock_bin(b);
    if
    :: listed[0] == b && bits[0] == 3 -> d = 0; destroy()
    :: listed[1] == b && bits[1] == 3 -> d = 1; destroy()
    :: else
    fi;
    unlock_bin(b);
    d = NONE;
}

inline any_bin() {
    if :: b = 0 :: b = 1 :: me == 0 -> b = 2 :: me == 0 -> b = 3 fi; /* the second user: one shard, for fewer states */
    class = b & 1;
}

proctype user(byte me) {
    byte a, b, d, class, other, round;
    bool good;
    a = NONE;
    d = NONE;
    started; /* the misuser has its block */
    do
    :: round < ROUNDS ->
        any_bin();
        claim();
        if :: a != NONE -> put(false) :: else fi;
        if :: me == 0 -> trim() :: else fi;
        a = NONE;
        round++
    :: else -> break
    od;
    finished++
}

proctype misuser(byte me) {
    byte a, b, d, class, other;
    bool good;
    a = NONE;
    d = NONE;
    b = 1;
    class = 1;
    claim();
    started = true;
    if
    :: a != NONE ->
        put(false);
        trim();
#ifndef RIGHT_FREES_ONLY
        put(true);
#endif
    :: else
    fi;
    finished++
}

init {
    byte i;
    atomic { run user(0); run user(1); run misuser(2) }
    finished == 3;
    d_step {
        do
        :: i < 2 ->
            assert(owner[i] == NONE || listed[i] == (bits[i] == 0 -> NONE : owner[i]));
            assert(owner[i] != NONE || (listed[i] == NONE && bits[i] == 0));
            assert(owner[i] == NONE || desc_of[base_of[i]] == i);
            i++
        :: else -> break
        od
    }
}
