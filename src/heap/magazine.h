/*
 * Purpose: the magazines of a thread heap: where they lie, what they hold, and how they change their size. See thread_heap.h for their
 * shape.
 * Layer: heap. Owner: the heap's thread.
 *
 *   heap | arena: 8, 16, ... 128 slots a magazine, cut from below; those no longer used are linked by size through slot 0
 */
#ifndef COLLAM_HEAP_MAGAZINE_H
#define COLLAM_HEAP_MAGAZINE_H

#include "heap/thread_heap.h"

ALWAYS_INLINE magazine_top *real_top(struct heap *heap, unsigned class_index) {
    return heap->watched ? &heap->spare[class_index] : &heap->top[class_index];
}
ALWAYS_INLINE void **first_of(struct heap *heap, unsigned class_index) {
    return load_relaxed(&heap->first[class_index]);
}
ALWAYS_INLINE unsigned capacity_of(struct heap *heap, unsigned class_index) {
    return load_relaxed(&heap->capacity[class_index]);
}
ALWAYS_INLINE unsigned held_in(struct heap *heap, unsigned class_index) {
    void **first = first_of(heap, class_index);
    return first ? (unsigned)(top_slot(heap, load_relaxed(real_top(heap, class_index))) + 1 - first) : 0;
}
/* The magazine holds its first `held` blocks from now on. */
ALWAYS_INLINE void set_held(struct heap *heap, unsigned class_index, unsigned held) {
    void **newest = first_of(heap, class_index) + held - 1;
    store_relaxed(real_top(heap, class_index), top_of(heap_offset(heap, newest), capacity_of(heap, class_index) - held));
}

/* The memo learns where these blocks lie. */
ALWAYS_INLINE void memorise(struct heap *heap, void **slots, unsigned count) {
    void **end = slots + count;
    size_t offset = heap_offset(heap, slots);
    UNROLLED(4)
    for (; slots != end; slots++, offset += sizeof *slots) {
        heap->memo[memo_index((uintptr_t)*slots >> GRANULE_SHIFT)] = (uint16_t)offset;
    }
}

/* Bytes of all magazines of all heaps, were they full; added to by each heap's thread, read as a hint. */
extern _Atomic(size_t) magazines_bytes HIDDEN;

/* Gives the class a magazine of another capacity (0: none), with the blocks it holds. False when there is no room for one. */
bool magazine_set_capacity(struct heap *heap, unsigned class_index, unsigned capacity);
void magazines_check(struct heap *heap);

#endif
