/*
 * Purpose: see magazine.h.
 * Layer: heap. Owner: the heap's thread.
 */
#include "heap/magazine.h"
#include "base/check.h"

enum { SLOTS_MIN_SHIFT = 3 };

_Atomic(size_t) magazines_bytes;

void magazines_check(struct heap *heap) {
    if (!debug_checks) {
        return;
    }
    size_t bytes = 0;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        void **first = first_of(heap, c);
        CHECK((heap->with_magazine >> c & 1) == (first != NULL));
        if (first == NULL) {
            CHECK(load_relaxed(real_top(heap, c)) == TOP_OF_NOTHING && capacity_of(heap, c) == 0);
            continue;
        }
        unsigned held = held_in(heap, c);
        CHECK(first[-1] == NULL && held <= capacity_of(heap, c));
        CHECK(load_relaxed(real_top(heap, c)) == top_of(heap_offset(heap, first + held - 1), capacity_of(heap, c) - held));
        bytes += (size_t)capacity_of(heap, c) * size_classes[c].size;
    }
    CHECK(bytes == heap->capacity_bytes);
}

/* Logarithm of the slots that a magazine of this capacity takes: its blocks and the sentinel. */
static unsigned slots_shift(unsigned capacity) {
    unsigned shift = highest_bit(capacity) + 1;
    return shift < SLOTS_MIN_SHIFT ? SLOTS_MIN_SHIFT : shift;
}

/* Slots for a magazine of this capacity; NULL when the arena is used up. */
static void **take_slots(struct heap *heap, unsigned capacity) {
    unsigned shift = slots_shift(capacity);
    void **slots = heap->unused[shift];
    if (slots) {
        heap->unused[shift] = slots[0];
        return slots;
    }
    size_t bytes = sizeof *slots << shift;
    if ((size_t)(heap->arena_end - heap->arena_next) < bytes) {
        return NULL;
    }
    slots = (void **)(void *)heap->arena_next;
    heap->arena_next += bytes;
    return slots;
}

bool magazine_set_capacity(struct heap *heap, unsigned class_index, unsigned capacity) {
    void **old = first_of(heap, class_index);
    unsigned old_capacity = capacity_of(heap, class_index);
    unsigned held = held_in(heap, class_index);
    ASSERT(held <= capacity);
    void **first = NULL;
    if (capacity) {
        void **slots = take_slots(heap, capacity);
        if (slots == NULL) {
            return false;
        }
        slots[0] = NULL;
        first = slots + 1;
        for (unsigned i = 0; i < held; i++) {
            first[i] = old[i];
        }
        for (unsigned i = held; i < capacity; i++) {
            first[i] = NULL; /* no remains of another magazine, which would keep lost blocks reachable */
        }
        memorise(heap, first, held);
    }
    store_relaxed(&heap->first[class_index], first);
    store_relaxed(&heap->capacity[class_index], (uint8_t)capacity);
    if (first) {
        heap->with_magazine |= (uint64_t)1 << class_index;
        set_held(heap, class_index, held);
    } else {
        heap->with_magazine &= ~((uint64_t)1 << class_index);
        store_relaxed(real_top(heap, class_index), TOP_OF_NOTHING);
    }
    uint32_t more = (capacity - old_capacity) * size_classes[class_index].size; /* modulo 2^32 when there are fewer */
    heap->capacity_bytes += more;
    fetch_add_relaxed(&magazines_bytes, (size_t)(int32_t)more);
    if (old) {
        old[-1] = heap->unused[slots_shift(old_capacity)];
        heap->unused[slots_shift(old_capacity)] = old - 1;
    }
    return true;
}
