/*
 * Purpose: blocks for the tests of bins.
 */
#ifndef COLLAM_TESTS_BIN_BLOCKS_H
#define COLLAM_TESTS_BIN_BLOCKS_H

#include "unit.h"

#include "heap/bin.h"
#include "pages/counters.h"
#include "slab/slab.h"

/* In the order in which a magazine hands out. */
static inline unsigned claim(unsigned *shard, unsigned class_index, void **out, unsigned want) {
    static void *magazine[8192];
    unsigned got = bin_claim(shard, class_index, &magazine[COUNT(magazine)], want);
    for (unsigned i = 0; i < got; i++) {
        out[i] = magazine[COUNT(magazine) - 1 - i];
    }
    return got;
}

static inline void put(unsigned class_index, void *block) {
    assert_int_equal(bin_put(class_index, &block, 1), 0);
}

static inline uintptr_t unit_of(const void *block) {
    return (uintptr_t)block / UNIT_SIZE;
}

static inline size_t used_units(void) {
    return load_relaxed(&page_counters.used_bytes) / UNIT_SIZE;
}

#endif
