/*
 * Purpose: see aligned.h.
 * Layer: front. Slabs begin at multiples of 64 KiB, so a block is aligned whenever its class size is a multiple of the alignment;
 * beyond a page, runs and mappings are placed.
 */
#include "front/aligned.h"
#include "front/fast.h"

void *front_aligned(size_t align, size_t size) {
    if (align <= BLOCK_ALIGN) {
        return fast_malloc(size);
    }
    if (hardened) {
        return front_hardened(size, align);
    }
    unsigned class_index = align <= SLICE_SIZE && size <= SMALL_MAX ? size_class_aligned(size, align) : 0;
    bool special = UNLIKELY(load_relaxed(&front_special));
    void *block = class_index == 0 || special         ? NULL
                  : size_class_is_marked(class_index) ? fast_take_marked(class_index)
                                                      : fast_take(class_index);
    if (LIKELY(block != NULL)) {
        return block;
    }
    bool zeroed = false;
    block = special ? front_take_special(size, align, &zeroed) : front_take_aligned(size, align, &zeroed);
    if (block) {
        front_perturb_new(block, size);
    }
    return block;
}
