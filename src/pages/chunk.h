/*
 * Purpose: 2 MiB chunks of address space and the units of 64 KiB cut from them, one for each slab.
 * Layer: pages. One lock (LOCK_CHUNKS) guards every chunk; it is held while a chunk is mapped, and first
 * touched if it asks for a huge page, never while used memory goes back.
 *
 *   struct chunk (2304 bytes, out of line, in a metadata page of its own)
 *   +--------------------------------------------+
 *   | base, list nodes, counts                   |
 *   | free map: 512 bits, set = free slice       |
 *   | dirty map: 512 bits, set = may be backed   |
 *   | whose[32]: see below                       |
 *   | unit_info[32]: 64 bytes for whoever uses unit i (the slab layer)
 *   +--------------------------------------------+
 *
 * States of a slice        free  dirty  who may do what
 *   purged (or never used)   1     0    chunk_take_unit; reads as zeros
 *   free and dirty           1     1    chunk_take_unit, purge takes it
 *   in use                   0     x    its owner; x = it may have been backed before it was handed out
 *
 * In the hardened build a unit stays with the class it was first taken for (whose; classes above OWN_CLASSES share theirs): an address that
 * once was a block's can become one of the same size only. Purging leaves the addresses; only malloc_trim and a want of memory unmap
 * chunks, and only once memory was refused do units change their class.
 *
 * Invariants (chunk_check): free_slices == bits of free; dirty_free == bits of free & dirty; free_units == whole units of free; a chunk is
 * on by_unit[log2 |free_units|] iff it has a free unit; untouched units are free.
 */
#ifndef COLLAM_PAGES_CHUNK_H
#define COLLAM_PAGES_CHUNK_H

#include "base/list.h"
#include "pages/run_map.h"

#ifndef COLLAM_HARDENED_OWN_CLASSES
#define COLLAM_HARDENED_OWN_CLASSES 63
#endif
enum { GONE_ALL = UINT16_MAX };
enum { UNIT_INFO_BYTES = 64, OWN_CLASSES = COLLAM_HARDENED_OWN_CLASSES };

struct chunk {
    char *base;
    struct list_node by_unit;
    struct chunk *ring_next; /* every chunk stands in one ring, in which the purging hand turns */
    struct chunk *ring_back;
    uint32_t free_units;
    uint16_t free_slices;
    uint16_t dirty_free;
    bool pinned;       /* part of the first mapping: never unmapped */
    bool retired;      /* on its way to being unmapped: on no list */
    bool huge;         /* asks for a huge page */
    uint8_t untouched; /* units at the end of one that asked for it that nobody has had (growth.h) */
    uint16_t gone;     /* slices that were purged of a chunk that asked for one, or GONE_ALL if that is of no interest */
    struct run_map free;
    struct run_map dirty;
    uint8_t whose[CHUNK_UNITS]; /* 0: nobody has had the unit yet, or nobody asks */
    ALIGNED(64) unsigned char unit_info[CHUNK_UNITS][UNIT_INFO_BYTES];
};

_Static_assert(sizeof(struct chunk) <= 4096, "a chunk descriptor fits in one metadata page, which masking relies on");

/* The address of a unit or slice, and back. The chunk of a unit_info is found by masking. */
ALWAYS_INLINE char *chunk_unit_base(const struct chunk *chunk, unsigned unit) {
    return chunk->base + ((size_t)unit << UNIT_SHIFT);
}
ALWAYS_INLINE struct chunk *chunk_of_unit_info(const void *info) {
    return (struct chunk *)((uintptr_t)info & ~(uintptr_t)4095);
}
ALWAYS_INLINE unsigned unit_of_unit_info(const void *info) {
    return (unsigned)(((uintptr_t)info & 4095) - offsetof(struct chunk, unit_info)) / UNIT_INFO_BYTES;
}

/* The unit_info of an address in the chunk. */
ALWAYS_INLINE void *chunk_unit_info(struct chunk *chunk, uintptr_t address) {
    enum { INFO_SHIFT = 6 }; /* one shift for both: down to the unit, up to its info */
    _Static_assert(UNIT_INFO_BYTES == 1 << INFO_SHIFT, "an info's bytes");
    size_t offset = address >> (UNIT_SHIFT - INFO_SHIFT) & (size_t)(CHUNK_UNITS - 1) << INFO_SHIFT;
    return (char *)chunk->unit_info + offset;
}

/* Takes one whole unit for a slab of this class, sets its class byte, and returns its unit_info, as its last user left it (zeros at
 * first); NULL when out of memory. */
void *chunk_take_unit(unsigned class_index);
/* Gives a unit back. The first `touched` slices may have been written to, except those with a bit in `clean`, which are not backed. */
void chunk_give_unit(void *unit_info, unsigned touched, unsigned clean);

/* Of a unit in use: a bit for each slice that may be backed since before it was taken, unless its user has given it back meanwhile. */
unsigned chunk_soiled_slices(const void *unit_info);

/* For purging: takes one dirty free run out of use (see purge.c), *whole: it is the whole chunk, which then is off every list.
 * False when nothing is dirty within one turn of the hand. */
bool chunk_take_dirty(struct chunk **chunk, unsigned *start, unsigned *count, bool *whole);
/* The same for the untouched units of a chunk when the heap has ceased to grow into them (growth.h). */
bool chunk_take_untouched(struct chunk **chunk, unsigned *start, unsigned *count);
/* To be called before so many slices, from `start` on, are purged though the chunk stays: if it asks for a huge page it stops asking, and
 * once half of the page has gone it is broken up. */
void chunk_part_goes(struct chunk *chunk, const char *start, unsigned slices);
/* Ends what chunk_take_dirty began: the slices are free again, purged (`clean`) or not: then the hand moves on to the next chunk. */
void chunk_return_slices(struct chunk *chunk, unsigned start, unsigned count, bool clean);
/* The chunk was unmapped: its descriptor may be used again. */
void chunk_forget(struct chunk *chunk);
/* Takes one wholly free chunk off every list so that it can be unmapped; NULL when there is none. */
struct chunk *chunk_take_empty(void);

/* Calls visit for every chunk under the chunk lock. */
void chunk_each(void (*visit)(struct chunk *chunk, void *context), void *context);
void chunk_check(const struct chunk *chunk);

void chunk_fork_take(void);
void chunk_fork_give(void);

#endif
