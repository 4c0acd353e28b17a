/*
 * Purpose: see sized.h.
 * Layer: api. No state.
 */
#include "api/sized.h"
#include "base/bits.h"
#include "front/checker.h"
#include "front/hardened.h"
#include "front/resize.h"
#include "front/slow.h"
#include "heap/guarded.h"
#include "heap/misuse.h"
#include "pages/page_map.h"
#include "pages/sparse.h"
#include "platform/platform.h"
#include "slab/size_class.h"

/* Usable bytes that a fresh request would get. */
static size_t fresh_size(size_t align, size_t size) {
    unsigned class_index = size_class_for(size, align);
    if (class_index) {
        return size_class_usable(class_index);
    }
    return align_up(size ? size : 1, platform_page_size());
}

/* True when a request of that size, or pvalloc's of it, would get such a block. A guarded one has just the whole pages that pvalloc asks
 * for, which need not be the size of any class. */
static bool might_get(size_t align, size_t size, size_t usable) {
    size_t whole_pages = align_up(size ? size : 1, align);
    return fresh_size(align, size) == usable ||
           (align == platform_page_size() && (usable == whole_pages || fresh_size(align, whole_pages) == usable));
}

/* Reports and returns false unless the block exists, is aligned, and `fits` says yes. */
static bool matches(const void *given, size_t align, size_t size, bool (*fits)(const void *, size_t, size_t, size_t), const char *call) {
    if (given == NULL) {
        return true;
    }
    const void *block = hardened ? hardened_known((void *)(uintptr_t)given, call) : given;
    if (block == NULL) {
        return false;
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
    if (fits(block, align, size, usable)) {
        return true;
    }
    misuse.kind = MISUSE_WRONG_SIZE;
    misuse.given_size = size;
    misuse_found(&misuse);
    return false;
}

/* A large block of a program that hardly touches them may be twice as long as asked for (sparse.h), and longer by an eighth of that from
 * where it was cut (span.c). */
static bool is_much(size_t size, size_t usable) {
    if (size >= usable / 2) {
        return true;
    }
    size_t better = size > SMALL_MAX && sparse_ever() ? sparse_better_size(align_up(size, platform_page_size())) : 0;
    return usable <= better + better / 8;
}

static bool fits_malloc(const void *block, size_t align, size_t size, size_t usable) {
    (void)block;
    return size <= usable && (is_much(size, usable) || might_get(align, size, usable) || front_resize_kept_large());
}

/* A guarded block has the size that was asked for, and so has each block while a checker looks; a mapping that was kept ready may be
 * larger.
 */
static bool fits_new(const void *block, size_t align, size_t size, size_t usable) {
    if (guarded_holds((uintptr_t)block)) {
        return usable == (size ? size : 1);
    }
    bool in_slab = page_map_class((uintptr_t)block) != 0 && !checker_present();
    return in_slab ? size_class_for(size, align) == page_map_class((uintptr_t)block)
                   : size <= usable && (is_much(size, usable) || fresh_size(align, size) == usable);
}

bool sized_matches(const void *block, size_t align, size_t size, const char *call) {
    return matches(block, align, size, fits_malloc, call);
}

bool sized_matches_new(const void *block, size_t align, size_t size, const char *call) {
    return matches(block, align, size, fits_new, call);
}
