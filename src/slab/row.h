/*
 * Purpose: blocks of a slab that lie one after the other: their bits word by word, and their addresses in an array. Programs that take much
 * get what is free from the first word to the last, and many free in that order or against it: a word of bits then costs as much as one.
 * Layer: slab. No state; what is written to is the caller's.
 *
 *   48-byte blocks:   word 0 |1..1..1.. ... 1|   word 1 |..1..1..1 ... .|   word 2 |.1..1..1. ...      first = 0, 2, 1
 */
#ifndef COLLAM_SLAB_ROW_H
#define COLLAM_SLAB_ROW_H

#include "slab/size_class.h"

/* Where the blocks of a class begin, word by word: the class's pattern, moved to where the word's first block begins. What would begin in a
 * unit's tail is among them. */
struct begins {
    uint64_t pattern;
    unsigned granules; /* of a block */
    unsigned step;
    unsigned first; /* where the word's first block begins */
};

ALWAYS_INLINE struct begins begins_in_word(unsigned class_index, unsigned w) {
    unsigned size = size_classes[class_index].size;
    unsigned offset = w << WORD_SHIFT;
    unsigned start = class_places[class_index].start;
    unsigned index = block_index((uint64_t)(offset + size - 1 - start) * class_reciprocal[class_index]);
    return (struct begins){
        .pattern = class_pattern[class_index],
        .granules = size >> GRANULE_SHIFT,
        .step = size_classes[class_index].step,
        .first = (start + index * size - offset) >> GRANULE_SHIFT,
    };
}

ALWAYS_INLINE uint64_t begins_here(const struct begins *begins) {
    return begins->pattern << begins->first;
}

ALWAYS_INLINE void begins_in_next(struct begins *begins) {
    unsigned first = begins->first - begins->step;
    begins->first = begins->first < begins->step ? first + begins->granules : first;
}

/* Blocks from `block` to `row_end` into end[-1], end[-2], ... Returns the end of what is left. */
ALWAYS_INLINE void **row_emit(void **end, char *block, const char *row_end, size_t size) {
    for (; row_end - block >= (ptrdiff_t)(4 * size); block += 4 * size) {
        end -= 4;
        end[3] = block;
        end[2] = block + size;
        end[1] = block + 2 * size;
        end[0] = block + 3 * size;
    }
    for (; block != row_end; block += size) {
        *--end = block;
    }
    return end;
}

/* Where those blocks at the start of the array end that lie one after the other, each `by` from the one before. */
ALWAYS_INLINE void **row_end_in(void **next, void *const *end, size_t by) {
    uintptr_t expected = (uintptr_t)*next;
    while (end - next >= 4 && (uintptr_t)next[0] == expected && (uintptr_t)next[1] == expected + by &&
           (uintptr_t)next[2] == expected + 2 * by && (uintptr_t)next[3] == expected + 3 * by) {
        next += 4;
        expected += 4 * by;
    }
    for (; next != end && (uintptr_t)*next == expected; next++) {
        expected += by;
    }
    return next;
}

#endif
