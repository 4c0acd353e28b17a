/*
 * Purpose: see sized.h.
 * Layer: api. No state.
 */
#include "api/sized.h"
#include "base/bits.h"
#include "front/resize.h"
#include "front/slow.h"
#include "heap/misuse.h"
#include "platform/platform.h"
#include "slab/size_class.h"

/* Usable bytes that a fresh request would get. */
static size_t fresh_size(size_t align, size_t size) {
    unsigned class_index = align <= SLICE_SIZE && size <= SMALL_MAX ? size_class_aligned(size, align) : 0;
    if (class_index) {
        return size_classes[class_index].size;
    }
    return align_up(size ? size : 1, platform_page_size());
}

bool sized_matches(const void *block, size_t align, size_t size, const char *call) {
    if (block == NULL) {
        return true;
    }
    size_t usable = front_usable_size_or_0(block);
    if (usable == 0) {
        misuse_examine_sized(call, (uintptr_t)block, size);
        return false;
    }
    struct misuse misuse = {
        .call = call, .address = (uintptr_t)block, .block = (uintptr_t)block, .block_size = usable, .has_given_size = true};
    if (!is_power_of_two(align) || ((uintptr_t)block & (align - 1)) != 0) {
        misuse.kind = MISUSE_WRONG_ALIGN;
        misuse.given_size = align;
        misuse_found(&misuse);
        return false;
    }
    if (size <= usable && (size >= usable / 2 || fresh_size(align, size) == usable || front_resize_kept_large())) {
        return true;
    }
    misuse.kind = MISUSE_WRONG_SIZE;
    misuse.given_size = size;
    misuse_found(&misuse);
    return false;
}
