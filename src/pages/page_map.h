/*
 * Purpose: from an address to what collam knows about it, without reading memory near the address.
 * Layer: pages. Written under the chunk lock, read by everybody.
 *
 *   address bits   63......38 | 37.........21 | 20..16 | 15......0
 *                  root index | chunk in region | unit  | offset in unit
 *
 *   page_map_root[512 or 1024] -> region of 256 GiB: [ one byte of size class per 64 KiB unit: 4 MiB | one pointer per chunk: 1 MiB ]
 *
 * Root entries are biased: entry + (address >> 16) is the address of the class byte. Before a region is made its entry leads to a
 * region of zeros in .bss, so a look-up of any address it covers is valid from the first instruction on and yields class 0.
 * Only touched pages of a region cost memory: one 4 KiB page of class bytes covers 256 MiB, one of chunk pointers 1 GiB.
 *
 * Class bytes: 0 = no slab (free, large, direct, foreign or NULL), else the size class of the slab that fills the unit.
 * Relaxed loads suffice: whoever frees a block got it through something that happens after the slab was made.
 */
#ifndef COLLAM_PAGES_PAGE_MAP_H
#define COLLAM_PAGES_PAGE_MAP_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "config/geometry.h"

struct chunk;

enum {
    REGION_SHIFT = 38,

#if defined(__x86_64__)
    PAGE_MAP_ROOTS = 512, /* the kernel gives addresses below 2^47 */
#else
    PAGE_MAP_ROOTS = 1024, /* below 2^48 */
#endif

    REGION_UNIT_SHIFT = REGION_SHIFT - UNIT_SHIFT,
    REGION_CHUNK_SHIFT = REGION_SHIFT - CHUNK_SHIFT
};

typedef _Atomic(unsigned char) class_byte;

struct region {
    class_byte class_of_unit[1 << REGION_UNIT_SHIFT];
    _Atomic(struct chunk *) chunks[1 << REGION_CHUNK_SHIFT];
};

extern _Atomic(uintptr_t) page_map_root[PAGE_MAP_ROOTS];
extern _Atomic(uintptr_t) page_map_chunk_root[PAGE_MAP_ROOTS]; /* the same to the chunk pointers: entry + (address >> 21) * 8 */

/* The functions below that take an address need page_map_covers(address), unless they say otherwise. */
ALWAYS_INLINE bool page_map_covers(uintptr_t address) {
    return (address >> REGION_SHIFT) < PAGE_MAP_ROOTS;
}

ALWAYS_INLINE unsigned page_map_class(uintptr_t address) {
    uintptr_t biased = load_relaxed(&page_map_root[address >> REGION_SHIFT]);
    return load_relaxed((class_byte *)(biased + (address >> UNIT_SHIFT)));
}

/* The chunk that the address lies in, or NULL. The address must be covered. */
ALWAYS_INLINE struct chunk *page_map_covered_chunk(uintptr_t address) {
    /* Acquire pairs with the releases in page_map_prepare and page_map_set_chunk: whoever sees a chunk sees its descriptor. */
    uintptr_t biased = load_acquire(&page_map_chunk_root[address >> REGION_SHIFT]);
    return load_acquire((_Atomic(struct chunk *) *)(biased + (address >> CHUNK_SHIFT) * sizeof(struct chunk *)));
}

/* The same for any address. */
ALWAYS_INLINE struct chunk *page_map_chunk(uintptr_t address) {
    return page_map_covers(address) ? page_map_covered_chunk(address) : NULL;
}

/* Makes the region of the address exist. False when there is no memory for it. `memory` may hold a fresh zeroed struct region to be used
 * (NULL: one is mapped); *used tells whether it was. Chunk lock. */
bool page_map_prepare(uintptr_t address, void *memory, bool *used);
/* Chunk lock; the region exists. */
void page_map_set_chunk(uintptr_t address, struct chunk *chunk);
void page_map_set_class(uintptr_t address, unsigned class_index);

#endif
