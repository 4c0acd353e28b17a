/*
 * Purpose: a slab is one 64 KiB unit cut into blocks of one size class; which of them are out is told by the bits of the page map.
 * Layer: slab. Owner: the bin (shard, class) the slab belongs to; every function here is called under that bin's lock unless it says
 * otherwise. Nothing is ever written into the unit itself.
 *
 *   struct slab (64 bytes, in the chunk descriptor)     page map: a bit per 16 bytes; set = a block begins here and is out
 *   | list node | out -> | few_free | counts |      ->  | 1 KiB | 1 KiB | ... 64 words for the unit
 *
 * A block is in exactly one state: free here (bit clear), or out (bit set): in some thread's magazine or in the program's hands.
 * Slabs of at most 64 blocks keep their free blocks in few_free as well, where the lowest is found without a search. In marked classes
 * few_free alone tells what is free here; the bit is the front's, which sets and clears it, without the lock, as a block goes to the
 * program and comes back.
 *
 * Invariants (slab_check): free == blocks - set bits (of marked classes: set bits of few_free); no bit is set but where a block begins;
 * blocks that end beyond `fresh` were never handed out; a block that begins in a word whose bit in `words_free` is clear is out; few_free
 * has the clear bits of the blocks, if there are few; no bit of a free block is set; no block that is out lies in a clean slice.
 */
#ifndef COLLAM_SLAB_SLAB_H
#define COLLAM_SLAB_SLAB_H

#include "base/atomic.h"
#include "base/list.h"
#include "pages/chunk.h"
#include "pages/page_map.h"
#include "slab/size_class.h"

struct slab {
    struct list_node node;   /* in one of its bin's lists while any block is free */
    bitmap_word *out;        /* the unit's words in the page map. The pointer is used under the bin's lock; the words are also read without
                              * it, by checks on a block that the caller owns (its bit does not change) */
    uint64_t few_free;       /* bit per block: free; only of slabs with at most 64 blocks */
    _Atomic(uint16_t) owner; /* shard << 8 | class, class 0 while the unit is no slab. Read without the lock to find the bin and
                              * confirmed under it: one word, since class and shard read one after the other may be of two lives */
    uint8_t fullness;        /* which list of the bin it stands in */
    uint16_t free;
    uint16_t fresh; /* granules from the start of the unit that may have been written to */
    uint16_t blocks;
    uint16_t relist_at; /* the bin's: with so many free the slab belongs in another list */
    uint16_t clean;     /* a bit per slice: wholly free and not backed by memory, since it was given back */
    uint16_t seen;      /* blocks that were out when slab_purge_at_rest was called last; 0: not since a block was claimed */
    uint16_t purged;    /* blocks that were out when its pages were last given back or found not worth it; 0: likewise */
    uint8_t rested;     /* calls of it in a row that found the slab at rest, up to a limit; counted from 0 after a claim */
    uint8_t kept;       /* the bin's: what the slab counts while it is wholly free and stays; else 0 */
    unsigned char unused[4];
    uint64_t words_free; /* bit per word: clear when no free block begins there; only of slabs with more than 64 blocks */
};

_Static_assert(sizeof(struct slab) == 64, "one cache line in the chunk descriptor");

ALWAYS_INLINE unsigned slab_owner(unsigned shard, unsigned class_index) {
    return shard << 8 | class_index;
}
ALWAYS_INLINE unsigned slab_class(const struct slab *slab) {
    return load_relaxed(&slab->owner) & 0xff;
}
ALWAYS_INLINE unsigned slab_shard(const struct slab *slab) {
    return load_relaxed(&slab->owner) >> 8;
}

/* A new slab for this class, all blocks free; NULL when out of memory. No lock needed: nobody else knows it yet. */
struct slab *slab_create(unsigned class_index, unsigned shard);
/* The slab, wholly free and on no list, gives its unit back to its chunk. */
void slab_destroy(struct slab *slab);

/* The slab that holds the address, if its class byte is not 0; NULL when it was not 0 once and the chunk is gone. Lock-free; valid as long
 * as the caller owns a block of it. */
ALWAYS_INLINE struct slab *slab_of(uintptr_t address) {
    struct chunk *chunk = region_chunk(page_map_turned_region(address >> GRANULE_SHIFT), address);
    return LIKELY(chunk != NULL) ? chunk_unit_info(chunk, address) : NULL;
}
char *slab_base(const struct slab *slab);

/* Takes up to `want` free blocks, lowest address first, into end[-1], end[-2], ...: the order in which a magazine hands out. Of few blocks,
 * those from the class's first one on come before the others. Returns how many. */
unsigned slab_claim(struct slab *slab, void **end, unsigned want);

/* Puts back those blocks at the start of the array that lie in this slab's unit; returns how many there were. All are multiples of 16.
 * Blocks that are free already, and addresses at which none begins, are moved to bad[*bad_count ...]; `bad` may be the array itself or
 * what lies before it. */
unsigned slab_put(struct slab *slab, void **blocks, unsigned count, void **bad, unsigned *bad_count);
/* The same for one block of a slab with few. */
bool slab_put_few(struct slab *slab, uintptr_t address);
/* The same for one block of any slab; false when it is bad. */
ALWAYS_INLINE bool slab_put_one(struct slab *slab, uintptr_t address) {
    if (slab->blocks <= UNIT_SIZE / FEW_BLOCKS_SIZE) {
        return slab_put_few(slab, address);
    }
    size_t w = (address >> WORD_SHIFT) % UNIT_WORDS;
    uint64_t word = load_relaxed(&slab->out[w]);
    if (UNLIKELY(!take_bit(&word, address >> GRANULE_SHIFT))) {
        return false;
    }
    store_relaxed(&slab->out[w], word);
    slab->words_free |= (uint64_t)1 << w;
    slab->free++;
    return true;
}

/* How many slices of the unit may be backed by memory, now: touched, or backed before it was this slab's, and not given back since. */
unsigned slab_backed_slices(const struct slab *slab);

/* The pages on which no block lies that is out go back to the system, also those that were backed before the unit was this slab's: they
 * stay part of the slab and read as zeros. Returns the bytes that went. */
size_t slab_purge(struct slab *slab);
/* The same where it pays: a few pages at least, fewer once several calls in a row have found the slab at rest;
 * not if many blocks have come back since the last call, since then the slab may soon be free as a whole; and not again before an eighth of
 * those that were out then has come back. */
size_t slab_purge_at_rest(struct slab *slab);

void slab_check(const struct slab *slab);

#endif
