/*
 * Purpose: see aligned.h.
 * Layer: front. No state.
 */
#include "front/aligned.h"

#include <errno.h>

static NOINLINE void *slow_aligned(size_t align, size_t size) {
    align = align < BLOCK_ALIGN ? BLOCK_ALIGN : align;
    if (hardened) {
        return front_hardened(size, align);
    }
    bool zeroed = false;
    void *block =
        UNLIKELY(load_relaxed(&front_special)) ? front_take_special(size, align, &zeroed) : front_take_aligned(size, align, &zeroed);
    if (block) {
        front_perturb_new(block, size);
    }
    return block;
}

void *front_aligned_medium(size_t align, size_t size, size_t last) {
    void *block = LIKELY(align <= SLICE_SIZE) ? fast_take_marked(last / CLASS_STRIDE + 1) : NULL;
    return LIKELY(block != NULL) ? block : slow_aligned(align, size);
}

void *front_aligned(size_t align, size_t size) {
    return fast_aligned_or(align, size, slow_aligned);
}

void *front_aligned_or_invalid(size_t align, size_t size) {
    if (UNLIKELY(!is_power_of_two(align))) {
        errno = EINVAL;
        return NULL;
    }
    return slow_aligned(align, size);
}
