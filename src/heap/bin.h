/*
 * Purpose: the slabs that have free blocks, kept per shard and size class; where magazines are filled from and emptied to.
 * Layer: heap. One lock per bin (LOCK_BIN): a whole magazine's worth of blocks moves under one taking of it.
 *
 *   shards[s].bins[c]: lock | lists of slabs: nearly full ... nearly empty ... wholly free | blocks out
 *
 * A slab belongs to one bin from slab_create to slab_destroy. It stands in one of the bin's lists while any of its blocks is free.
 * Blocks are taken from the fullest list first, so that sparse slabs drain and their unit goes back.
 *
 * Invariants (bin_check): a slab in list f has fullness f == fullness_of(slab) and free > 0; at most one slab is wholly free, and then it
 * is the only one listed, and counted in what such slabs keep.
 */
#ifndef COLLAM_HEAP_BIN_H
#define COLLAM_HEAP_BIN_H

#include "base/compiler.h"
#include "heap/shard.h"

/* Takes up to `want` blocks into end[-1], end[-2], ..., of each slab in the order of slab_claim; returns how many, 0 only when there is no
 * memory. *shard moves on when its bin is busy. */
unsigned bin_claim(unsigned *shard, unsigned class_index, void **end, unsigned want);

/* Puts blocks of this class back, into whatever shard each came from. Blocks that are free already or no blocks at all are moved to the
 * front of the array; returns how many. */
unsigned bin_put(unsigned class_index, void **blocks, unsigned count);

/* So many bytes of blocks were taken from slabs or put back: now and then, free pages of slabs that rest go back. No lock is held. */
void bin_after_exchange(size_t bytes);

/* Gives slabs that are wholly free back to their chunks, which otherwise keep one per bin ready. */
void bin_trim(void);
/* Gives the free pages inside partly used slabs back to the system: a system call for each run of them, under the bin's lock. True when
 * anything went back. */
bool bin_purge(void);
/* True when bin_trim would give something back, as far as can be told without a lock. */
bool bin_keeps_slabs(void);

/* Blocks of the class that are out: in magazines or in the program's hands. */
size_t bin_blocks_out(unsigned class_index);
/* Blocks of the class that the slabs of all shards hold together, out or free. */
size_t bin_blocks_held(unsigned class_index);

void bin_fork_take(void);
void bin_fork_give(void);

#endif
