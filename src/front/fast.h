/*
 * Purpose: the paths nearly every call takes. One screen; tests/codegen pins their instruction counts.
 * Layer: front. No lock, no atomic read-modify-write, no call but the slow path's.
 */
#ifndef COLLAM_FRONT_FAST_H
#define COLLAM_FRONT_FAST_H

#include "front/slow.h"
#include "heap/thread_heap.h"
#include "pages/page_map.h"

/* SMALL_TABLE_MAX < size. */
static NOINLINE void *medium_malloc(size_t size) {
    if (LIKELY(size <= SMALL_MAX)) {
        magazine_top *top = &thread_heap->top[size_class_medium(size)];
        void **newest = load_relaxed(top) - 1;
        void *block = *newest;
        if (LIKELY(block != NULL)) {
            store_relaxed(top, newest);
            return block;
        }
    }
    return slow_malloc(size);
}

ALWAYS_INLINE void *fast_malloc(size_t size) {
    if (UNLIKELY(size > SMALL_TABLE_MAX)) {
        return medium_malloc(size);
    }
    struct heap *heap = thread_heap;
    magazine_top *top = &heap->top[heap->class_by_step[(size + BLOCK_ALIGN - 1) / BLOCK_ALIGN]];
    void **newest = load_relaxed(top) - 1;
    void *block = *newest;
    if (UNLIKELY(block == NULL)) {
        return slow_malloc(size);
    }
    store_relaxed(top, newest);
    return block;
}

/*
 * What is always checked before a block enters a magazine: that a block begins at the address (the remainder of the division by the
 * block size, see size_class.h), and that it is none of the blocks freed last. The other double frees are found when the block is given
 * back to its slab, or by the slow path; docs/SECURITY.md says which can pass.
 */
ALWAYS_INLINE void fast_free(void *block, const char *call) {
    uintptr_t address = (uintptr_t)block;
    if (UNLIKELY(!page_map_covers(address))) {
        slow_free(block, call);
        return;
    }
    unsigned class_index = page_map_class(address);
    magazine_top *top = &thread_heap->top[class_index];
    void **slot = load_relaxed(top);
    if (UNLIKELY(((uintptr_t)slot & (MAGAZINE_SLOTS * sizeof *slot - 1)) == 0)) {
        slow_free(block, call);
        return;
    }
#ifndef COLLAM_NO_FAST_CHECKS
    if (UNLIKELY(!block_begins(block_scaled(address, class_index), class_index)) || UNLIKELY(slot[-1] == block) ||
        UNLIKELY(slot[-2] == block)) {
        slow_free(block, call);
        return;
    }
#endif
    *slot = block;
    store_relaxed(top, slot + 1);
}

#endif
