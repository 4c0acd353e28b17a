/*
 * Purpose: allocation and freeing when the fast path cannot: first use, empty or full magazines, large blocks, watched heaps, misuse.
 * Layer: front. Failures return NULL with errno set to ENOMEM; freeing never changes errno.
 */
#ifndef COLLAM_FRONT_SLOW_H
#define COLLAM_FRONT_SLOW_H

#include "base/atomic.h"
#include "base/compiler.h"

void *slow_malloc(size_t size);
void slow_free(void *block, const char *call);
/* The same for one that lies in no slab: NULL, a large, direct or guarded block, or none of ours. */
void slow_free_large(void *block, const char *call);
void *front_calloc(size_t count, size_t size);

/* Usable bytes of a block; 0 for NULL. Anything that is not a block is reported under the name `call`, and 0 returned. */
HIDDEN size_t front_usable_size(const void *block, const char *call);
/* The same, silent: 0 for anything that is not a block. */
size_t front_usable_size_or_0(const void *block);

/* A block of this class for a caller who has chosen it (aligned allocation). */
void *front_take_class(unsigned class_index);
/* A large or direct block. */
void *front_take_large(size_t size, size_t align, bool *zeroed);

/* One for a block that grew, to which so many bytes (> 0) are about to be copied. */
void *front_take_growing(size_t size, size_t copied);
/* malloc and its like, and free, in the hardened build (free: where blocks have canaries). */
void *front_hardened(size_t size, size_t align);
void front_hardened_free(void *block, const char *call);

/* A block of any size and alignment. */
void *front_take_aligned(size_t size, size_t align, bool *zeroed);

/* Set at start when blocks are sampled for guarding, or a memory checker is to be told of them: allocations are then made by
 * front_take_special wherever they take a slow path. */
extern _Atomic(bool) front_special HIDDEN;
void *front_take_special(size_t size, size_t align, bool *zeroed);

/* errno = ENOMEM; returns NULL. */
void *front_no_memory(void);

/* Fills a new block as M_PERTURB asks. Slow paths look, and all calls of watched heaps are such. */
void front_perturb_new(void *block, size_t size);

#endif
