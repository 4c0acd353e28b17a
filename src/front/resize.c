/*
 * Purpose: see resize.h.
 * Layer: front. A block stays where it is while the new size fits and uses at least half of it; spans and mappings grow and shrink
 * without copying where the layers below can.
 */
#include "front/resize.h"
#include "front/checker.h"
#include "front/fast.h"
#include "front/hardened.h"
#include "front/relief.h"
#include "front/sampled.h"
#include "heap/guarded.h"
#include "heap/large.h"
#include "heap/misuse.h"

#include <errno.h>
#include <string.h>

enum { GROW_AHEAD_MIN = 64 }; /* below, a quarter is hardly more than a step between classes */

/* Relaxed: set before the block is handed back, so whoever frees that block sees it. */
static _Atomic(bool) kept_large;

bool front_resize_kept_large(void) {
    return load_relaxed(&kept_large);
}

/* Nothing below knows of guard pages, or of what a checker has been told. */
static bool moves_only(const void *block) {
    return UNLIKELY(guarded_holds((uintptr_t)block)) || UNLIKELY(checker_present());
}

/* A small block that grows by little is likely to grow again: it gets a quarter more than it has, so that each byte is copied a bounded
 * number of times however small the steps are. */
ALWAYS_INLINE size_t size_to_grow_to(size_t size, size_t usable) {
    size_t ahead = usable + usable / 4;
    ahead = ahead < SMALL_MAX - CANARY_BYTES ? ahead : SMALL_MAX - CANARY_BYTES;
    return size > usable && size < ahead && usable >= GROW_AHEAD_MIN ? ahead : size;
}

/* Where memory for the quarter more is not to be had, that for the size itself may be. */
static void *take_ahead(size_t size, size_t usable) {
    size_t ahead = size_to_grow_to(size, usable);
    /* Whoever watches for overruns wants to know the true end. An ordinary block, of which sampling only counts that it is one, has none.
     */
    bool exact = UNLIKELY(load_relaxed(&front_special)) && !sampled_passes();
    if (ahead > size && !exact) {
        int before = errno;
        relief_spares(true);
        void *block = fast_malloc(ahead);
        relief_spares(false);
        if (LIKELY(block != NULL)) {
            return block;
        }
        errno = before;
    }
    return fast_malloc(size);
}

static NOINLINE void *move(void *block, size_t size, size_t usable, const char *call) {
    int before = errno;
    void *moved = size > SMALL_MAX && size > usable && !checker_present() ? front_take_growing(size, usable) : take_ahead(size, usable);
    if (UNLIKELY(moved == NULL)) {
        if (size > usable) {
            return NULL;
        }
        errno = before;
        store_relaxed(&kept_large, true);
        return block; /* shrinking never fails */
    }
    memcpy(moved, block, size < usable ? size : usable);
    fast_free(block, call);
    return moved;
}

/* size <= SMALL_MAX, and the block lies in a slab: mostly a magazine has what it takes. */
static NOINLINE void *move_small(void *block, size_t size, size_t usable, const char *call) {
    size_t ahead = size_to_grow_to(size, usable);
    void *moved = UNLIKELY(load_relaxed(&front_special)) ? NULL : fast_small(ahead);
    if (UNLIKELY(moved == NULL)) {
        return move(block, size, usable, call);
    }
    memcpy(moved, block, size < usable ? size : usable);
    fast_free(block, call);
    return moved;
}

static bool stays(size_t size, size_t usable) {
    return size <= usable && (size >= usable / 2 || usable == BLOCK_ALIGN - CANARY_BYTES /* no block is smaller */);
}

/* Blocks that are not in a slab, and whatever is no block. `given` is the program's pointer to it. */
static NOINLINE void *resize_slowly(void *block, void *given, size_t size, const char *call) {
    size_t usable = front_usable_size_or_0(block);
    if (UNLIKELY(usable == 0)) {
        misuse_examine_sized(call, (uintptr_t)block, size);
        return front_no_memory(); /* reported; the program chose to go on */
    }
    if (size > (size_t)PTRDIFF_MAX) {
        return front_no_memory();
    }
    if ((usable > SMALL_MAX || page_map_class((uintptr_t)block) == 0) && !moves_only(block)) {
        void *resized = large_resize((uintptr_t)block, size);
        if (resized) {
            return resized;
        }
    }
    if (!stays(size, usable)) {
        return move(given, size, usable, call);
    }
    if (UNLIKELY(checker_present())) {
        checker_resized(block, usable, size);
    }
    return given;
}

/* Blocks of slabs that are to become larger than any, whatever lies in none, and all in the hardened build. */
static NOINLINE void *resize_otherwise(void *given, size_t size, const char *call) {
    if (size == 0) {
        fast_free(given, call);
        return NULL;
    }
    void *block = given;
    if (!hardened) {
        return resize_slowly(block, given, size, call);
    }
    if ((block = hardened_known(given, call)) == NULL || !hardened_is_whole(block, call)) {
        return front_no_memory();
    }
    unsigned class_index = fast_class(block);
    if (class_index == 0 || hardened_was_freed(block, class_index) || size > SMALL_MAX || checker_present()) {
        return resize_slowly(block, given, size, call);
    }
    size_t usable = size_class_usable(class_index);
    return stays(size, usable) ? given : move(given, size, usable, call);
}

void *front_resize(void *block, size_t size, const char *call) {
    if (block == NULL) {
        return fast_malloc(size);
    }
    unsigned class_index = hardened ? 0 : fast_class(block);
    if (UNLIKELY(class_index == 0) || UNLIKELY(size - 1 >= SMALL_MAX) || UNLIKELY(checker_present())) {
        return resize_otherwise(block, size, call);
    }
    size_t usable = size_class_usable(class_index);
    return LIKELY(stays(size, usable)) ? block : move_small(block, size, usable, call);
}
