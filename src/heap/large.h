/*
 * Purpose: blocks that live in no slab: spans (large), or mappings of their own (direct).
 * Layer: heap. No state; the layers below lock.
 */
#ifndef COLLAM_HEAP_LARGE_H
#define COLLAM_HEAP_LARGE_H

#include "base/compiler.h"

/* size > 0, align a power of two. *zeroed in: zeros are wanted; out: all of it reads as zeros. NULL when out
 * of memory. */
void *large_take(size_t size, size_t align, bool *zeroed);
/* The same for a block that grew, and will perhaps grow on: a big one is a mapping of its own, which grows without being copied.
 * `copied` bytes (> 0) are about to be written to it. */
void *large_take_growing(size_t size, size_t copied, bool *zeroed);
/* Which part of a block that has just been taken was used before, as distances from its start: all else of it reads as zeros. All that
 * can be, when it is not known. */
void large_soiled(uintptr_t address, size_t *from, size_t *to);
/* Zeros for a part of a block that has just been taken, from a page's start on: its pages go back, up to the end of the last one. False
 * when it is better cleared. */
bool large_forget(void *start, size_t size);
/* Usable bytes of the large or direct block that starts at the address; 0 when none does. */
size_t large_size(uintptr_t address);
/* False when no such block starts there. Not for blocks with a fence (pages/fence.h). */
bool large_give(uintptr_t address);
/* Resizes in place, or by moving the mapping, without copying. NULL when that cannot be done; the block is then unchanged. */
void *large_resize(uintptr_t address, size_t size);

/* The same as large_give in the hardened build: the block's contents are forgotten, and it waits in quarantine for a while. */
bool large_give_later(uintptr_t address);
/* Gives what waits there; true when there was anything. */
bool large_end_quarantine(void);

#endif
