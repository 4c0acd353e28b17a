/*
 * Purpose: see aligned.h.
 * Layer: front. Slabs begin at multiples of 64 KiB, so a block is aligned whenever its class size is a multiple of the alignment;
 * beyond a page, runs and mappings are placed.
 */
#include "front/aligned.h"
#include "front/fast.h"

/* From a magazine; NULL when that has none, or calls are to take the slow path. */
ALWAYS_INLINE void *take_at_once(size_t rounded, size_t align) {
    if (LIKELY(rounded - 1 < SMALL_TABLE_MAX)) {
        return fast_take(thread_heap->class_by_step[rounded / BLOCK_ALIGN]);
    }
    return rounded - 1 < SMALL_MAX && align <= SLICE_SIZE ? fast_take_marked(thread_heap->class_by_stride[size_stride(rounded)]) : NULL;
}

void *front_aligned(size_t align, size_t size) {
    if (align <= BLOCK_ALIGN) {
        return fast_malloc(size);
    }
    if (hardened) {
        return front_hardened(size, align);
    }
    void *block = take_at_once(size_rounded(size, align), align);
    if (LIKELY(block != NULL)) {
        return block;
    }
    bool zeroed = false;
    block = UNLIKELY(load_relaxed(&front_special)) ? front_take_special(size, align, &zeroed) : front_take_aligned(size, align, &zeroed);
    if (block) {
        front_perturb_new(block, size);
    }
    return block;
}
