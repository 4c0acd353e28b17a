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
    bool zeroed = false;
<<<<<<< HEAD
    void *block = UNLIKELY(sampled_rate_now() != 0) ? front_take_guarded(size, align) : NULL;
    if (block) {
        front_perturb_new(block, size);
        return block;
    }
    unsigned class_index = align <= SLICE_SIZE && size <= SMALL_MAX ? size_class_aligned(size, align) : 0;
    if (class_index) {
        block = fast_take(class_index);
        if (LIKELY(block != NULL)) {
            return block;
        }
        block = front_take_class(class_index);
    } else {
        block = front_take_large(size ? size : 1, align, &zeroed);
    }
=======
    bool special = UNLIKELY(load_relaxed(&front_special));
    void *block = special ? front_take_special(size, align, &zeroed) : front_take_aligned(size, align, &zeroed);
>>>>>>> cdf8057 (Memory checkers: debug builds tell valgrind's memcheck of every block, the option asan tells AddressSanitizer)
    if (block) {
        front_perturb_new(block, size);
    }
    return block;
}
