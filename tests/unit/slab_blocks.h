/*
 * Purpose: where the blocks of a slab lie, for tests.
 */
#ifndef COLLAM_TESTS_SLAB_BLOCKS_H
#define COLLAM_TESTS_SLAB_BLOCKS_H

#include "slab/slab.h"
#include "unit.h"

static inline char *block_at(const struct slab *slab, unsigned index) {
    unsigned class_index = slab_class(slab);
    return slab_base(slab) + class_places[class_index].start + (size_t)index * size_classes[class_index].size;
}

static inline unsigned index_in(const struct slab *slab, const void *block) {
    size_t size = size_classes[slab_class(slab)].size;
    size_t offset = (size_t)((const char *)block - block_at(slab, 0));
    assert_true(offset < UNIT_SIZE && offset % size == 0);
    return (unsigned)(offset / size);
}

#endif
