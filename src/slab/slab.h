/*
 * Purpose: a slab is one 64 KiB unit cut into blocks of one size class; what is free is one bit per block, kept out of line.
 * Layer: slab. Owner: the bin (shard, class) the slab belongs to; every function here is called under that bin's lock unless it says
 * otherwise. Nothing is ever written into the unit itself.
 *
 *   struct slab (64 bytes, in the chunk descriptor)        bitmap: set = free, here or in `inline_words`
 *   | list node | words -> | inline_words[3] | counts |  ->  | 64 blocks | 64 blocks | ...
 *
 * A block is in exactly one state: free here (bit set), or out (bit clear): in some thread's magazine or in the program's hands.
 *
 * Invariants (slab_check): free == set bits; free <= blocks; blocks at index >= fresh were never handed out and are free.
 */
#ifndef COLLAM_SLAB_SLAB_H
#define COLLAM_SLAB_SLAB_H

#include "base/atomic.h"
#include "base/list.h"
#include "pages/chunk.h"
#include "pages/page_map.h"
#include "slab/size_class.h"

/* Written under the bin's lock, relaxed; read relaxed without it by checks on a block that the caller owns (its bit does not change). */
typedef _Atomic(uint64_t) bitmap_word;

struct slab {
    struct list_node node; /* in one of its bin's lists while any block is free */
    bitmap_word *words;
    bitmap_word inline_words[3];
    _Atomic(uint16_t) owner; /* shard << 8 | class, class 0 while the unit is no slab. Read without the lock to find the bin and
                              * confirmed under it: one word, since class and shard read one after the other may be of two lives */
    uint8_t fullness;        /* which list of the bin it stands in */
    uint8_t hint;            /* no set bit in words before this one */
    uint16_t free;
    uint16_t fresh;
    uint16_t blocks;
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

/* The slab that holds the address, if its class byte is not 0. Lock-free; valid as long as the caller owns a block of it. */
ALWAYS_INLINE struct slab *slab_in(struct chunk *chunk, uintptr_t address) {
    return (struct slab *)(void *)chunk->unit_info[(address >> UNIT_SHIFT) & (CHUNK_UNITS - 1)];
}
ALWAYS_INLINE struct slab *slab_of(uintptr_t address) {
    struct chunk *chunk = page_map_chunk(address);
    return chunk ? slab_in(chunk, address) : NULL;
}
char *slab_base(const struct slab *slab);

/* Takes up to `want` free blocks, lowest address first, into end[-1], end[-2], ...: the order in which a magazine hands out. Returns how
 * many. */
unsigned slab_claim(struct slab *slab, void **end, unsigned want);
/* Puts back those blocks at the start of the array that lie in this slab's unit; returns how many there were. Blocks that are free already,
 * and addresses at which none begins, are moved to bad[*bad_count ...]; `bad` may be the array itself or what lies before it. */
ALWAYS_INLINE unsigned slab_put(struct slab *slab, void **blocks, unsigned count, void **bad, unsigned *bad_count) {
    bitmap_word *words = slab->words;
    uint64_t reciprocal = class_reciprocal[slab_class(slab)];
    uintptr_t unit = (uintptr_t)blocks[0] >> UNIT_SHIFT;
    unsigned lowest = slab->hint;
    unsigned bad_here = 0;
    unsigned done = 0;
    do {
        uintptr_t address = (uintptr_t)blocks[done];
        uint64_t scaled = (address & (UNIT_SIZE - 1)) * reciprocal;
        unsigned index = block_index(scaled);
        unsigned w = index / 64;
        uint64_t bit = (uint64_t)1 << (index % 64);
        if (UNLIKELY((uint32_t)scaled >= reciprocal || index >= slab->blocks || (load_relaxed(&words[w]) & bit))) {
            bad[(*bad_count)++] = blocks[done];
            bad_here++;
        } else {
            store_relaxed(&words[w], load_relaxed(&words[w]) | bit);
            lowest = w < lowest ? w : lowest;
        }
        done++;
    } while (done < count && (uintptr_t)blocks[done] >> UNIT_SHIFT == unit);
    slab->hint = (uint8_t)lowest;
    slab->free = (uint16_t)(slab->free + done - bad_here);
    return done;
}

/* Without a lock only for a block that the caller believes to own: true then proves it wrong. */
ALWAYS_INLINE bool slab_is_free(const struct slab *slab, unsigned index) {
    return load_relaxed(&slab->words[index / 64]) >> (index % 64) & 1;
}
void slab_check(const struct slab *slab);

#endif
