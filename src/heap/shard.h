/*
 * Purpose: which shard a thread works in: one near the processor it runs on, and another when that is busy.
 * Layer: heap. State: small tables that fill as processors are met, written by compare-and-swap; no lock.
 *
 * Each processor that a thread asks from gets a shard of its own while there are any; later ones share, with processors of their own
 * memory node first. A slab belongs to one shard and its pages come from the node of whoever touches them first, so threads of a node
 * mostly meet memory of their node. A node gets no more than its share of the shards when there are fewer shards than processors.
 *
 * The first heap of a process gets shard 0 without asking anything, so that starting costs no more; it is dealt to a processor last.
 */
#ifndef COLLAM_HEAP_SHARD_H
#define COLLAM_HEAP_SHARD_H

#include "base/compiler.h"
#include "config/geometry.h"

/* Shards in use: fixed by the first call. */
unsigned shard_count(void);

/* From now on shard_for_heap and shard_after deal at most this many (>= 1). */
void shard_limit(unsigned limit);

/* The shard for a new heap of the calling thread. */
unsigned shard_for_heap(bool first_of_process);
/* Another one for the calling thread, whose shard was busy; the same when there is only one. */
unsigned shard_after(unsigned busy);
/* False when the two are known to serve different memory nodes. */
bool shard_is_near(unsigned one, unsigned other);

#endif
