/*
 * Purpose: the paths nearly every call takes. One screen; tests/codegen pins their instruction counts.
 * Layer: front. No lock, no atomic read-modify-write, no call but the slow path's.
 */
#ifndef COLLAM_FRONT_FAST_H
#define COLLAM_FRONT_FAST_H

#include "front/slow.h"
#include "heap/thread_heap.h"
#include "pages/page_map.h"
#include "slab/slab.h"

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
 * What is always checked before a block enters a magazine (COLLAM_UNCHECKED_FREE leaves it out, to measure what it costs):
 * - a block begins at the address: the remainder of the division by the block size, see size_class.h;
 * - the block is not free in its slab: its bit, read without the lock, cannot change while the caller owns the block;
 * - the block is none of the two that this thread freed last in the class, and the memo does not recall it from the magazine.
 * What is wrong, or cannot be told here, goes to the slow path, which looks again. docs/SECURITY.md says what can pass.
 */
#ifdef COLLAM_UNCHECKED_FREE
static const bool checked_free = false;
#else
static const bool checked_free = true;
#endif

/* The slot below the newest ones and the memo are looked at last: what they need stays in registers for the store that follows. */
ALWAYS_INLINE bool free_is_suspect(const struct heap *heap, void *block, unsigned class_index, void **slot, unsigned *memo) {
    uintptr_t address = (uintptr_t)block;
    uint64_t scaled = block_scaled(address, class_index);
    if (UNLIKELY(!block_begins(scaled, class_index)) ||
        UNLIKELY(slab_is_free(slab_in(page_map_covered_chunk(address), address), block_index(scaled)))) {
        return true;
    }
    *memo = memo_index(address, scaled);
    /* Slots below the sentinel belong to another magazine or to the heap: readable, and a chance match only costs time. */
    for (int i = 1; i <= NEWEST_CHECKED; i++) {
        if (UNLIKELY(slot[-i] == block)) {
            return true;
        }
    }
    return UNLIKELY(*memo_slot(heap->memo[*memo], slot) == block);
}

ALWAYS_INLINE void fast_free(void *block, const char *call) {
    uintptr_t address = (uintptr_t)block;
    if (UNLIKELY(!page_map_covers(address))) {
        slow_free(block, call);
        return;
    }
    size_t class_index = page_map_class(address);
    struct heap *heap = thread_heap;
    void **slot = load_relaxed(&heap->top[class_index]);
    if (UNLIKELY(*slot == MAGAZINE_END)) {
        slow_free(block, call);
        return;
    }
    unsigned memo;
    if (checked_free) {
        if (UNLIKELY(free_is_suspect(heap, block, (unsigned)class_index, slot, &memo))) {
            slow_free(block, call);
            return;
        }
        heap->memo[memo] = memo_of_slot(slot);
    }
    *slot = block;
    FORGET(class_index); /* or the address of the top would be kept in a register of its own */
    store_relaxed(&heap->top[class_index], slot + 1);
}

#endif
