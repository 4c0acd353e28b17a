/*
 * Purpose: from a size to its class and back, and from an offset in a slab to a block index.
 * Layer: slab. Constant tables, made from size_class.def at compile time.
 *
 * Division by the class size is a multiplication: with reciprocal = ceil(2^32 / size) and an offset below 2^16, the high 32 bits of
 * offset * reciprocal are offset / size, and the low 32 bits are below reciprocal exactly when the remainder is 0 (Lemire, Kaser,
 * Kurz: "Faster remainder by direct computation", 2019). tests/unit tries every offset of every class.
 */
#ifndef COLLAM_SLAB_SIZE_CLASS_H
#define COLLAM_SLAB_SIZE_CLASS_H

#include "base/bits.h"
#include "config/geometry.h"

enum {
    CLASS_COUNT = 64,
    CLASS_TABLE = 64,
    CLASS_STEP_MAX = SMALL_TABLE_MAX / BLOCK_ALIGN + 1,
    CLASS_STRIDE = 64, /* divides the size of every class above SMALL_TABLE_MAX */
    CLASS_STRIDE_MAX = SMALL_MAX / CLASS_STRIDE + 1,
};

struct size_class {
    uint16_t size;
    uint16_t blocks; /* in a slab */
    uint16_t cache;  /* blocks a magazine may hold at most */
    uint16_t step;   /* by how much the first block of a word lies before that of the word below: 64 modulo the granules of a block */
};

/*
 * Where blocks lie in a slab. A program's first blocks of each size are often what it uses for as long as it runs; if all of them began at
 * the start of a slab, they would share one set of the processor's first cache, which takes the place of an address from its low 12 bits.
 * So classes differ in where the first block begins, as far as what the blocks leave of a slab allows; and slabs of few blocks, of which
 * the first page holds several, in which of these is taken first.
 */
struct class_place {
    uint16_t start; /* of the first block, in bytes: less than a block */
    uint16_t first; /* index of the block that is taken first in slabs of few blocks; those below come last */
};

/* Classes of at least this size have at most one block in each word of the page map's bits, and at most 64 in a slab. */
enum { FEW_BLOCKS_SIZE = 64 * BLOCK_ALIGN };

/* Marked classes, those above SMALL_TABLE_MAX: the bit of a block is set only while a program has it, and clear in magazines too. The
 * hardened build has none: canaries tell it the same of all classes. */
enum { CLASS_MARKED = 33 };
ALWAYS_INLINE bool size_class_is_marked(unsigned class_index) {
    return !hardened && checked_free && class_index >= CLASS_MARKED;
}

extern const struct size_class size_classes[CLASS_COUNT] HIDDEN;
extern const struct class_place class_places[CLASS_TABLE] HIDDEN;
extern const uint32_t class_reciprocal[CLASS_TABLE] HIDDEN;
/* Where blocks begin in a word of the page map's bits, when one begins at its first. */
extern const uint64_t class_pattern[CLASS_TABLE] HIDDEN;
/* Class of a size <= SMALL_TABLE_MAX, by (size + 15) / 16. */
extern const uint8_t class_by_step[CLASS_STEP_MAX] HIDDEN;

/* Class of a larger size <= SMALL_MAX, by (size + 63) / 64. */
extern const uint8_t class_by_stride[CLASS_STRIDE_MAX] HIDDEN;

ALWAYS_INLINE size_t size_step(size_t size) {
    return (size + BLOCK_ALIGN - 1) / BLOCK_ALIGN;
}
ALWAYS_INLINE size_t size_stride(size_t size) {
    return (size + CLASS_STRIDE - 1) / CLASS_STRIDE;
}

/* SMALL_TABLE_MAX < size <= SMALL_MAX */
ALWAYS_INLINE unsigned size_class_medium(size_t size) {
    return class_by_stride[size_stride(size)];
}

/* size <= SMALL_MAX */
ALWAYS_INLINE unsigned size_class_of(size_t size) {
    return size <= SMALL_TABLE_MAX ? class_by_step[size_step(size)] : size_class_medium(size);
}

/* The next multiple of align, a power of two, that holds the size and is not 0; 0 when that is beyond SIZE_MAX. */
ALWAYS_INLINE size_t size_rounded(size_t size, size_t align) {
    return ((size - (size != 0)) | (align - 1)) + 1;
}

/* The smallest class whose blocks are >= size and all aligned to align (a power of two <= 4096); 0 when there is none. Classes are spaced
 * so that the one for a multiple of align is a multiple of it. */
ALWAYS_INLINE unsigned size_class_aligned(size_t size, size_t align) {
    size_t rounded = size_rounded(size, align);
    return rounded - 1 < SMALL_MAX ? size_class_of(rounded) : 0;
}

/* What a program may use of a block of the class. */
ALWAYS_INLINE size_t size_class_usable(unsigned class_index) {
    return size_classes[class_index].size - CANARY_BYTES;
}

/* The class for a request, 0 when it is no slab's. */
ALWAYS_INLINE unsigned size_class_for(size_t size, size_t align) {
    if (size > SMALL_MAX - CANARY_BYTES) {
        return 0;
    }
    size += CANARY_BYTES;
    return align <= BLOCK_ALIGN ? size_class_of(size) : align <= SLICE_SIZE ? size_class_aligned(size, align) : 0;
}

/* Offset of an address from the first block of its slab, scaled: see block_index and block_begins. What lies before the first block has the
 * index of what lies behind the last, where a block may seem to begin: whoever asks for the one must ask for the other. */
ALWAYS_INLINE uint64_t block_scaled(uintptr_t address, unsigned class_index) {
    return ((address - class_places[class_index].start) & (UNIT_SIZE - 1)) * (uint64_t)class_reciprocal[class_index];
}
ALWAYS_INLINE unsigned block_index(uint64_t scaled) {
    return (unsigned)(scaled >> 32);
}
ALWAYS_INLINE bool block_begins(uint64_t scaled, unsigned class_index) {
    return (uint32_t)scaled < class_reciprocal[class_index];
}

#endif
