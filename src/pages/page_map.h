/*
 * Purpose: from an address to what collam knows about it, without reading memory near the address.
 * Layer: pages. Roots, classes and chunks are written under the chunk lock; the bits of `out` under the lock of the bin that owns the
 * slab. Read by everybody.
 *
 *   address bits   63.......30 | 29..21 | 20..16 | 15..10 | 9..4 | 3..0
 *                  root index  | chunk  | unit   | word   | bit  | 0 where a block begins
 *
 *   page_map.root[2^17 or 2^18] -> region of 1 GiB
 *       class_of_unit[]  one byte per 64 KiB: 0 = no slab (free, large, direct, foreign), else the size class of the slab that fills it
 *       chunks[512]      descriptor of each 2 MiB chunk, or NULL
 *       out[2^20]        one bit per 16 bytes: set = a block of a slab begins here, and it is out (in the program's hands, or in a
 *                        magazine; of marked classes, in the program's hands); clear = no block begins here, or it is free in its slab
 *                        (of marked classes, or in a magazine)
 *
 * A region is known by the address of its bits, which its head lies before. A root is their distance from the array of roots, before which
 * lies the head for addresses that have no region: class 0 everywhere, no chunk. So the map is valid as the loader leaves it, without a
 * relocation, and a look-up needs no test.
 *
 *   page_map:  | head of nothing | root[0] root[1] ...          region:  | head: classes, chunks | out[0] out[1] ...
 *                                ^ a root of 0 leads here                                        ^ other roots lead here
 *
 * One bit answers three questions of free at once: a block begins at the address, it lies in the slab's blocks and not in its tail, and
 * it has not been given back already. A fresh slab has no bits to set, since all its blocks are free.
 *
 * Only touched pages of a region cost memory: one 4 KiB page of bits covers 512 KiB, one of classes 256 MiB, one of chunks all of it.
 * Relaxed loads suffice: whoever frees a block got it through something that happens after the slab was made and the bit set; other
 * threads' changes of neighbouring bits do not touch the block's own.
 */
#ifndef COLLAM_PAGES_PAGE_MAP_H
#define COLLAM_PAGES_PAGE_MAP_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "config/geometry.h"

struct chunk;

enum {
    REGION_SHIFT = 30,

#if defined(__x86_64__)
    ADDRESS_BITS = 47, /* the kernel gives addresses below 2^47 */
#else
    ADDRESS_BITS = 48,
#endif

    PAGE_MAP_ROOTS = 1 << (ADDRESS_BITS - REGION_SHIFT),
    REGION_UNITS = 1 << (REGION_SHIFT - UNIT_SHIFT),
    REGION_CHUNKS = 1 << (REGION_SHIFT - CHUNK_SHIFT),
    REGION_WORDS = 1 << (REGION_SHIFT - WORD_SHIFT),
};

typedef _Atomic(unsigned char) class_byte;
typedef _Atomic(uint64_t) bitmap_word;
typedef _Atomic(uintptr_t) region_root;

struct region_head {
    class_byte class_of_unit[REGION_UNITS];
    _Atomic(struct chunk *) chunks[REGION_CHUNKS];
    unsigned char unused[UNIT_SIZE - REGION_UNITS - REGION_CHUNKS * sizeof(void *)]; /* the bits begin with an OS page, whatever its size */
};

struct region {
    struct region_head head;
    bitmap_word out[REGION_WORDS];
};

enum { REGION_BYTES = sizeof(struct region) };

struct page_map {
    struct region_head nothing; /* never written: reading it maps the kernel's shared zero page only */
    region_root root[PAGE_MAP_ROOTS];
};

_Static_assert(sizeof(struct region_head) == UNIT_SIZE, "whole OS pages");
_Static_assert(offsetof(struct region, out) == sizeof(struct region_head), "the head lies right before the bits");
_Static_assert(offsetof(struct page_map, root) == sizeof(struct region_head), "the head lies right before the roots");

extern struct page_map page_map HIDDEN;

/* The address with its low four bits moved to the top: one comparison then finds both that it is in range and that it is aligned. */
ALWAYS_INLINE uintptr_t page_map_turned(uintptr_t address) {
    return address >> GRANULE_SHIFT | address << (64 - GRANULE_SHIFT);
}

/* Which root it would be; beyond PAGE_MAP_ROOTS for addresses that are not covered. */
ALWAYS_INLINE uintptr_t page_map_turned_root(uintptr_t turned) {
    return turned >> (REGION_SHIFT - GRANULE_SHIFT);
}

/* False for addresses out of range, and for a turned address that was no multiple of 16. */
ALWAYS_INLINE bool page_map_covers_turned(uintptr_t turned) {
    return page_map_turned_root(turned) < PAGE_MAP_ROOTS;
}

ALWAYS_INLINE bool page_map_covers(uintptr_t address) {
    return address >> REGION_SHIFT < PAGE_MAP_ROOTS;
}

/* The region of a turned address that is covered. */
ALWAYS_INLINE bitmap_word *page_map_turned_region(uintptr_t turned) {
    uintptr_t place = (uintptr_t)page_map.root;
    FORGET(place); /* so that one register serves both the load and the addition */
    region_root *root = (region_root *)place + page_map_turned_root(turned);
#if defined(__x86_64__)
    __asm__("add %1, %0" : "+r"(place) : "m"(*root)); /* load_relaxed, which compilers do not join with an addition */
#else
    place += load_relaxed(root);
    FORGET(place);
#endif
    return (bitmap_word *)place;
}

/* The region of any address. */
ALWAYS_INLINE bitmap_word *page_map_region(uintptr_t address) {
    /* Acquire pairs with the release in page_map_prepare: whoever sees the region sees it zeroed. */
    uintptr_t distance = page_map_covers(address) ? load_acquire(&page_map.root[address >> REGION_SHIFT]) : 0;
    return (bitmap_word *)((uintptr_t)page_map.root + distance);
}

/* What stands for the region of an address that has none: class 0 everywhere. */
ALWAYS_INLINE bitmap_word *page_map_no_region(void) {
    return (bitmap_word *)(uintptr_t)page_map.root;
}

/* Index into an array of the region with one element per 2^shift bytes of address. */
ALWAYS_INLINE size_t region_index(uintptr_t address, unsigned shift) {
    uint32_t low = (uint32_t)(address << (32 - REGION_SHIFT));
    FORGET(low); /* one shift serves all arrays */
    return low >> (shift + 32 - REGION_SHIFT);
}
ALWAYS_INLINE struct region_head *region_head(const bitmap_word *region) {
    return (struct region_head *)(uintptr_t)region - 1;
}
ALWAYS_INLINE unsigned region_class(const bitmap_word *region, uintptr_t address) {
    size_t unit = region_index(address, UNIT_SHIFT);
    FORGET(unit); /* or the head's offset would be added to it, instead of standing in the load */
    return load_relaxed(&region_head(region)->class_of_unit[unit]);
}
/* The word that has the address's bit. */
ALWAYS_INLINE bitmap_word *region_word(bitmap_word *region, uintptr_t address) {
    return &region[region_index(address, WORD_SHIFT)];
}
/* A block of a marked class begins here; it goes to the program. No other block begins in its word, so nobody else writes to that. */
ALWAYS_INLINE void region_mark(bitmap_word *region, uintptr_t address) {
    store_relaxed(&region[region_index(address, WORD_SHIFT)], (uint64_t)1 << page_map_turned(address) % 64);
}
/* It comes back. False when it was not out. Compared with the whole word, so that a block freed before, whose unit has become a slab of
 * smaller blocks meanwhile, takes none of their bits along. No atomic exchange, which would cost as much as the rest of free: of two
 * threads that free a block within the same nanoseconds both may be told true. */
ALWAYS_INLINE bool region_unmark(bitmap_word *region, uintptr_t address) {
    bitmap_word *word = &region[region_index(address, WORD_SHIFT)];
    if (UNLIKELY(load_relaxed(word) != (uint64_t)1 << (address >> GRANULE_SHIFT) % 64)) {
        return false;
    }
    store_relaxed(word, 0);
    return true;
}
/* The class at the address is not 0. */
ALWAYS_INLINE bool region_is_out(const bitmap_word *region, uintptr_t address) {
    return load_relaxed(&region[region_index(address, WORD_SHIFT)]) >> (page_map_turned(address) % 64) & 1;
}
ALWAYS_INLINE struct chunk *region_chunk(const bitmap_word *region, uintptr_t address) {
    /* Acquire pairs with the release in page_map_set_chunk: whoever sees a chunk sees its descriptor. */
    return load_acquire(&region_head(region)->chunks[region_index(address, CHUNK_SHIFT)]);
}

/* The size class of the slab the address lies in, or 0. For any address. */
ALWAYS_INLINE unsigned page_map_class(uintptr_t address) {
    return region_class(page_map_region(address), address);
}
/* The chunk that the address lies in, or NULL. For any address. */
ALWAYS_INLINE struct chunk *page_map_chunk(uintptr_t address) {
    return region_chunk(page_map_region(address), address);
}

/* Makes the region of the address exist. False when there is no memory for it, or the address is out of range. `memory` may hold
 * REGION_BYTES of fresh zeros to be used (NULL: one is mapped); *used tells whether it was. Chunk lock. */
bool page_map_prepare(uintptr_t address, void *memory, bool *used);
/* Gives back what backs the bits of a chunk. No slab is in the chunk, and none can be made in it meanwhile. No lock needed. */
void page_map_clean(uintptr_t chunk_base);
/* Chunk lock; the region exists. */
void page_map_set_chunk(uintptr_t address, struct chunk *chunk);
void page_map_set_class(uintptr_t address, unsigned class_index);

#endif
