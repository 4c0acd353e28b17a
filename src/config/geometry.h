/*
 * Purpose: the sizes everything else is cut to.
 * Layer: config. Constants only; static assertions keep combinations honest.
 *
 *   chunk 2 MiB = 32 units of 64 KiB = 512 slices of 4 KiB
 *   a slab is one unit; a large block is a span of whole pages; a direct block is a mapping of its own
 */
#ifndef COLLAM_CONFIG_GEOMETRY_H
#define COLLAM_CONFIG_GEOMETRY_H

#include "base/compiler.h"

enum {
    SLICE_SHIFT = 12,
    SLICE_SIZE = 1 << SLICE_SHIFT,
    UNIT_SHIFT = 16,
    UNIT_SIZE = 1 << UNIT_SHIFT,
    CHUNK_SHIFT = 21,
    CHUNK_SIZE = 1 << CHUNK_SHIFT,
    UNIT_SLICES = UNIT_SIZE / SLICE_SIZE,
    CHUNK_SLICES = CHUNK_SIZE / SLICE_SIZE,
    CHUNK_UNITS = CHUNK_SIZE / UNIT_SIZE,

    BLOCK_ALIGN = 16,  /* every block's alignment, at least */
    GRANULE_SHIFT = 4, /* where a block may begin: one bit of the page map each */
    WORD_SHIFT = 10,   /* what one 64-bit word of those bits covers */
    UNIT_WORDS = UNIT_SIZE >> WORD_SHIFT,
    SMALL_TABLE_MAX = 1024,      /* sizes up to here find their class in a table */
    SMALL_MAX = 32768,           /* sizes up to here live in slabs */
    LARGE_MAX = 32 << 20,        /* sizes up to here are spans; above, direct mappings */
    GROWN_MAX = 2 << 20,         /* a large block that grows beyond this by moving becomes a direct one */
    LARGE_ALIGN_MAX = UNIT_SIZE, /* alignments above this always get a mapping of their own */

    MAGAZINE_BLOCKS_MAX = 126,  /* blocks that a magazine may hold */
    MAGAZINE_BYTES = 32 << 10,  /* their bytes, at most (one block always fits) */
    HEAP_CACHE_BYTES = 1 << 20, /* bytes that all magazines of a thread heap may hold together */
    HEAP_CACHE_MAX = 4 << 20,   /* the most that option magazine_bytes can make of it */
    SHARDS_MAX = 64,
};

#define CANARY_BYTES (HARDENED_BY(HARDENED_CANARY) ? sizeof(uint64_t) : 0) /* of each block of a slab, at its end */
#define DIRTY_MIN ((size_t)4 << 20)                                        /* free pages that may stay dirty however small the heap is */
#define HUGE_WINDOW ((size_t)CHUNK_SIZE)                                   /* what a huge page backs, in address and size */
#define HUGE_START (HARDENED_BY(HARDENED_FENCES) ? HUGE_NEVER : (size_t)4 << 20) /* see huge_start in options.def */
#define HUGE_NEVER (SIZE_MAX / 2)
#define HUGE_IS_NEVER(start) ((start) >= (size_t)1 << 47) /* no process has so much memory */
#define SWING_MAX ((size_t)8 << 20)                       /* see swing_max in options.def */
#define SWING_SHIFT 2                                     /* a swing may also keep live bytes >> SWING_SHIFT */
#define PEAK_SHARE 11                                     /* or what fills the gap up to the recent peak of large blocks and 11/16 of it */
#define DIRTY_SHIFT 4                                     /* beyond that: live bytes >> DIRTY_SHIFT */

_Static_assert(2 * MAGAZINE_BYTES <= UNIT_SIZE, "a magazine never empties into two wholly free slabs");
_Static_assert(BLOCK_ALIGN == 1 << GRANULE_SHIFT && 1 << WORD_SHIFT == 64 * BLOCK_ALIGN, "one bit per place where a block may begin");
_Static_assert(SMALL_MAX <= UNIT_SIZE, "a slab holds at least one block");

#endif
