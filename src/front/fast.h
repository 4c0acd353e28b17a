/*
 * Purpose: the paths nearly every call takes. One screen; tests/codegen pins their instruction counts.
 * Layer: front. No lock, no atomic read-modify-write, no call but the slow path's.
 */
#ifndef COLLAM_FRONT_FAST_H
#define COLLAM_FRONT_FAST_H

#include "base/check.h"
#include "front/hardened.h"
#include "front/sampled.h"
#include "front/slow.h"
#include "heap/thread_heap.h"
#include "pages/page_map.h"
#include "slab/slab.h"

#include <string.h>

/* Nearly all blocks lie in the region that the heap's come from. A branch that is foreseen tells so; to load the region's root instead
 * would make all loads that follow, and the next malloc of the class, wait for the block's address. */
ALWAYS_INLINE bool is_at_home(const struct heap *heap, uintptr_t turned) {
    return LIKELY(page_map_turned_root(turned) == heap->home_root);
}

/* The magazine that the table led to is empty. Without sampling that is so, as the countdown stands at 0 then, and there is more to do:
 * NULL. With it, it was the spare of the class: the newest block, counted; NULL, and not counted, if the class has none or it is this
 * call's turn to be guarded. */
ALWAYS_INLINE void *take_counted(struct heap *heap, size_t index) {
    if (LIKELY(--sampled_left >= 0)) {
        ASSERT(index >= SPARE);
        uint32_t top = load_relaxed(heap_counted_top(heap, index));
        FORGET_BESIDE_RESULT(top, index);
        void *block = *top_slot(heap, top);
        if (LIKELY(block != NULL)) {
            FORGET(index);
            store_relaxed(heap_counted_top(heap, index), top - TOP_STEP);
            return block;
        }
    }
    fence_against_signals(); /* or the countdown would be kept in a register until here */
    sampled_left++;
    return NULL;
}

/* A block for so many steps of BLOCK_ALIGN, the newest of its magazine; NULL when there is more to do. */
ALWAYS_INLINE void *fast_take(size_t steps) {
    struct heap *heap = thread_heap;
    size_t index = heap->class_by_step[steps];
    uint32_t top = load_relaxed(heap_top(heap, index));
    FORGET_BESIDE_RESULT(top, index);
    void *block = *top_slot(heap, top);
    if (UNLIKELY(block == NULL)) {
        return take_counted(heap, index);
    }
    FORGET(index);
    store_relaxed(heap_top(heap, index), top - TOP_STEP);
    return block;
}

/* The same of a marked class, for so many strides. */
ALWAYS_INLINE void *fast_take_marked(size_t strides) {
    struct heap *heap = thread_heap;
    size_t index = heap->class_by_stride[strides];
    uint32_t top = load_relaxed(heap_top(heap, index));
    void *block = *top_slot(heap, top);
    if (LIKELY(block != NULL)) {
        store_relaxed(heap_top(heap, index), top - TOP_STEP);
    } else if ((block = take_counted(heap, index)) == NULL) {
        return NULL;
    }
    uintptr_t turned = page_map_turned((uintptr_t)block);
    region_mark(is_at_home(heap, turned) ? heap->home : page_map_turned_region(turned), (uintptr_t)block);
    return block;
}

/* size <= SMALL_MAX; NULL when there is more to do. */
ALWAYS_INLINE void *fast_small(size_t size) {
    return size <= SMALL_TABLE_MAX ? fast_take(size_step(size)) : fast_take_marked(size_stride(size));
}

/* SMALL_TABLE_MAX < size. */
static NOINLINE void *medium_malloc(size_t size) {
    void *block = LIKELY(size <= SMALL_MAX) ? fast_take_marked(size_stride(size)) : NULL;
    return LIKELY(block != NULL) ? block : slow_malloc(size);
}

ALWAYS_INLINE void *fast_malloc(size_t size) {
    if (hardened) {
        return front_hardened(size, BLOCK_ALIGN);
    }
    if (UNLIKELY(size > SMALL_TABLE_MAX)) {
        return medium_malloc(size);
    }
    void *block = fast_take(size_step(size));
    return LIKELY(block != NULL) ? block : slow_malloc(size);
}

/* A small block is cleared as far as it was asked for, whatever it holds: to know that it is clear costs more. */
ALWAYS_INLINE void *fast_calloc(size_t count, size_t size) {
    size_t bytes;
    if (!hardened && LIKELY(!__builtin_mul_overflow(count, size, &bytes)) && LIKELY(bytes <= SMALL_TABLE_MAX)) {
        void *block = fast_take(size_step(bytes));
        if (LIKELY(block != NULL)) {
            return memset(block, 0, bytes);
        }
    }
    return front_calloc(count, size);
}

/*
 * What is always checked before a block enters a magazine (checked_free: COLLAM_UNCHECKED_FREE leaves it out, to measure what it costs):
 * - the address is a multiple of 16, a block begins there, and the block is not free in its slab: its bit in the page map, read without
 *   the lock, cannot change while the caller owns the block;
 * - of a marked class: it is in no magazine, whichever thread's, by the same bit;
 * - else it is not in this thread's magazine already: it is none of the two blocks freed last in its class, and the memo does not recall it
 * from a slot in use. What is wrong, or cannot be told here, goes to the slow path, which looks again. docs/SECURITY.md says what can pass.
 */

/* Where the block was put into a magazine last time, if that slot lies below the top's next, which is `now`; else the
 * heap's first word, which is no block. Whether the slot of last time still holds the block is a matter of chance, so no branch may depend
 * on that alone. */
ALWAYS_INLINE void *const *slot_of_last_time(struct heap *heap, size_t hash, void *const *now) {
    void *const *then = heap_slot(heap, heap->memo[hash]);
    return then < now ? then : (void *const *)heap;
}

/* Where the block's bit, which is in this word, is to be cleared. Other classes share the word with more blocks and other threads; for them
 * it is a word of the heap that is 0 anyway, so that no branch depends on a class, which changes from call to call. */
ALWAYS_INLINE bitmap_word *mark_of(struct heap *heap, bitmap_word *word, size_t class_index) {
    bitmap_word *none = &heap->no_mark;
    return size_class_is_marked((unsigned)class_index) ? word : none;
}

ALWAYS_INLINE void fast_free(void *block, const char *call) {
    if (HARDENED_BY(HARDENED_CANARY)) {
        front_hardened_free(block, call);
        return;
    }
    if (hardened && hardened_retire(block, call) == HARDENED_REPORTED) {
        return;
    }
    uintptr_t address = (uintptr_t)block;
    uintptr_t turned = checked_free ? page_map_turned(address) : address >> GRANULE_SHIFT;
    struct heap *heap = thread_heap;
    bitmap_word *region = heap->home;
    if (!is_at_home(heap, turned)) {
        if (!page_map_covers_turned(turned)) {
            slow_free(block, call);
            return;
        }
        region = page_map_turned_region(turned);
    }
    size_t class_index = region_class(region, address);
    uint32_t top = load_relaxed(&heap->top[class_index]);
    if (UNLIKELY(__builtin_add_overflow(top, (uint32_t)TOP_STEP, &top))) {
        if (class_index) {
            slow_free(block, call);
        } else {
            slow_free_large(block, call);
        }
        return;
    }
    void **slot = top_slot(heap, top);
    if (checked_free) {
        bitmap_word *word = region_word(region, address);
        FORGET(word); /* or its two parts would be kept, in a register each */
        if (UNLIKELY(!(load_relaxed(word) >> turned % 64 & 1)) || UNLIKELY(slot[-1] == block) || UNLIKELY(slot[-2] == block)) {
            slow_free(block, call);
            return;
        }
        size_t hash = memo_index(turned);
        if (UNLIKELY(*slot_of_last_time(heap, hash, slot) == block)) {
            slow_free(block, call);
            return;
        }
        FORGET(hash);
        heap->memo[hash] = (uint16_t)top;
        store_relaxed(mark_of(heap, word, class_index), 0);
    }
    *slot = block;
    FORGET(class_index);
    store_relaxed(&heap->top[class_index], top);
}

/* The class of a block of a slab that is in use, by the same checks as in fast_free; 0 for everything else, which the slow path tells
 * apart. */
ALWAYS_INLINE unsigned fast_class(const void *block) {
    uintptr_t address = (uintptr_t)block;
    uintptr_t turned = page_map_turned(address);
    struct heap *heap = thread_heap;
    const bitmap_word *region = heap->home;
    if (!is_at_home(heap, turned)) {
        if (!page_map_covers_turned(turned)) {
            return 0;
        }
        region = page_map_turned_region(turned);
    }
    unsigned class_index = region_class(region, address);
    uint32_t top = load_relaxed(&heap->top[class_index]);
    void *const *newest = top_slot(heap, top);
    if (UNLIKELY(class_index == 0) || UNLIKELY(!region_is_out(region, address)) || UNLIKELY(newest[0] == block) ||
        UNLIKELY(newest[-1] == block) || UNLIKELY(*slot_of_last_time(heap, memo_index(turned), newest + 1) == block)) {
        return 0;
    }
    return class_index;
}

#endif
