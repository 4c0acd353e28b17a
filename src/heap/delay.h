/*
 * Purpose: blocks of slabs that a thread has just freed wait here, in order, before they enter its magazine (hardened build): a block can
 * be handed out again only after delay_depth others of its class have been freed by the thread, or after all caches are given back.
 * Layer: heap. Owner: the heap's thread.
 *
 *   free -> | newest | ... | oldest | -> magazine -> malloc     one ring per class
 */
#ifndef COLLAM_HEAP_DELAY_H
#define COLLAM_HEAP_DELAY_H

#include "heap/thread_heap.h"

enum { DELAY_SLOTS = 16, DELAY_BYTES = 8 << 10 };

struct delay {
    uint8_t oldest[CLASS_TABLE];
    _Atomic(uint8_t) waiting[CLASS_TABLE];  /* how many wait: written by the owner, read by statistics, relaxed */
    void *blocks[CLASS_TABLE][DELAY_SLOTS]; /* NULL: not filled yet */
};

/* Blocks of the class that wait: 16 up to 512 bytes, as many as make 8 KiB beyond, one at least. */
ALWAYS_INLINE unsigned delay_depth(unsigned class_index) {
    size_t fit = DELAY_BYTES / size_classes[class_index].size;
    return fit > DELAY_SLOTS ? DELAY_SLOTS : fit ? (unsigned)fit : 1;
}

/* The block waits from now on; returns the one that has waited longest, NULL while the ring fills, or the block itself when there is no
 * memory for a ring. */
void *delay_exchange(struct heap *heap, unsigned class_index, void *block);

/* All blocks of the class that wait are moved to blocks[DELAY_SLOTS]; returns how many. */
unsigned delay_empty(struct heap *heap, unsigned class_index, void **blocks);

#endif
