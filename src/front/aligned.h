/*
 * Purpose: blocks aligned to any power of two.
 * Layer: front. Slabs begin at multiples of 64 KiB, so a block is aligned whenever its class size is a multiple of the alignment; beyond a
 * page, runs and mappings are placed.
 */
#ifndef COLLAM_FRONT_ALIGNED_H
#define COLLAM_FRONT_ALIGNED_H

#include "front/fast.h"

/* align must be a power of two. NULL with errno ENOMEM when there is no memory. */
void *front_aligned(size_t align, size_t size);
/* The same, and NULL with EINVAL when align is none. */
void *front_aligned_or_invalid(size_t align, size_t size);
/* The same as front_aligned where aligned_last, which is passed, is that of a medium size. */
void *front_aligned_medium(size_t align, size_t size, size_t last);

/* The last byte of the smallest block that holds the size and consists of whole alignments and whole steps of BLOCK_ALIGN, counted from its
 * first. Beyond all sizes for an alignment of 0. */
ALWAYS_INLINE size_t aligned_last(size_t align, size_t size) {
    return (size - (size != 0)) | (align - 1) | (BLOCK_ALIGN - 1);
}

/* NULL when there is more to do, also for an alignment that is 0, no power of two, or below `least`, which is one. */
ALWAYS_INLINE void *fast_aligned(size_t align, size_t size, size_t least) {
    size_t last = aligned_last(align, size);
    if (hardened || UNLIKELY(align & ((align - 1) | (least - 1))) || UNLIKELY(last >= SMALL_TABLE_MAX)) {
        return NULL;
    }
    return fast_take(last / BLOCK_ALIGN + 1);
}

/* The same with what is to be done otherwise. */
ALWAYS_INLINE void *fast_aligned_or(size_t align, size_t size, void *(*otherwise)(size_t, size_t)) {
    size_t last = aligned_last(align, size);
    if (hardened || UNLIKELY(align & (align - 1))) {
        return otherwise(align, size);
    }
    if (UNLIKELY(last >= SMALL_TABLE_MAX)) {
        return last < SMALL_MAX ? front_aligned_medium(align, size, last) : otherwise(align, size);
    }
    void *block = fast_take(last / BLOCK_ALIGN + 1);
    return LIKELY(block != NULL) ? block : otherwise(align, size);
}

#endif
