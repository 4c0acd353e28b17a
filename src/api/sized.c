/*
 * Purpose: see sized.h.
 * Layer: api. No state.
 */
#include "api/sized.h"
#include "base/bits.h"
#include "front/slow.h"
#include "heap/misuse.h"
#include "slab/size_class.h"

/* Usable bytes that a fresh request would get, when it is small; else 0. */
static size_t fresh_size(size_t align, size_t size) {
    unsigned class_index = align <= SLICE_SIZE && size <= SMALL_MAX ? size_class_aligned(size, align) : 0;
    return class_index ? size_classes[class_index].size : 0;
}

bool sized_matches(const void *block, size_t align, size_t size, const char *call) {
    if (block == NULL) {
        return true;
    }
    size_t usable = front_usable_size(block, call);
    if (usable == 0) {
        return false; /* no block at all: reported already */
    }
    struct misuse misuse = {.call = call, .address = (uintptr_t)block, .block = (uintptr_t)block, .block_size = usable};
    if (!is_power_of_two(align) || ((uintptr_t)block & (align - 1)) != 0) {
        misuse.kind = MISUSE_WRONG_ALIGN;
        misuse.given_size = align;
        misuse_found(&misuse);
        return false;
    }
    if (size <= usable && (size >= usable / 2 || fresh_size(align, size) == usable || usable > SMALL_MAX)) {
        return true;
    }
    misuse.kind = MISUSE_WRONG_SIZE;
    misuse.given_size = size;
    misuse_found(&misuse);
    return false;
}
