/*
 * Purpose: see delay.h.
 * Layer: heap. Owner: the heap's thread. The ring is made at the first free of a heap and stays with it.
 */
#include "heap/delay.h"
#include "pages/meta.h"

void *delay_exchange(struct heap *heap, unsigned class_index, void *block) {
    struct delay *delay = load_relaxed(&heap->delay);
    if (UNLIKELY(delay == NULL)) {
        delay = meta_alloc(sizeof *delay, 64);
        store_release(&heap->delay, delay); /* pairs with the acquire in heap_blocks_cached: who sees it sees it zeroed */
        if (delay == NULL) {
            return block;
        }
    }
    unsigned at = delay->oldest[class_index];
    void *oldest = delay->blocks[class_index][at];
    delay->blocks[class_index][at] = block;
    if (UNLIKELY(oldest == NULL)) {
        store_relaxed(&delay->waiting[class_index], (uint8_t)(load_relaxed(&delay->waiting[class_index]) + 1));
    }
    delay->oldest[class_index] = (uint8_t)(at + 1 < delay_depth(class_index) ? at + 1 : 0);
    return oldest;
}

unsigned delay_empty(struct heap *heap, unsigned class_index, void **blocks) {
    struct delay *delay = load_relaxed(&heap->delay);
    unsigned count = 0;
    if (delay) {
        store_relaxed(&delay->waiting[class_index], 0);
    }
    for (unsigned i = 0; delay && i < DELAY_SLOTS; i++) {
        void **slot = &delay->blocks[class_index][i];
        if (*slot) {
            blocks[count++] = *slot;
            *slot = NULL;
        }
    }
    return count;
}
