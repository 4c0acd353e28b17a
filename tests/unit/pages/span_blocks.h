/*
 * Purpose: blocks for the tests of spans.
 */
#ifndef COLLAM_TESTS_SPAN_BLOCKS_H
#define COLLAM_TESTS_SPAN_BLOCKS_H

#include "unit.h"

#include "pages/counters.h"
#include "pages/span.h"

#define PAGE ((size_t)4096)
#define MIB ((size_t)1 << 20)

static inline size_t counter(const _Atomic(size_t) *word) {
    return load_relaxed((_Atomic(size_t) *)(uintptr_t)word);
}

static inline char *take(size_t size) {
    bool zeroed = false;
    char *block = span_take(size, PAGE, &zeroed);
    assert_non_null(block);
    return block;
}

/* As take, and all of it is backed by memory. */
static inline char *take_touched(size_t size) {
    char *block = take(size);
    memset(block, 1, size);
    return block;
}

static inline void give(char *block) {
    assert_true(span_give((uintptr_t)block));
}

/* Nothing stays in the cache, and nothing is dirty. */
static inline void purge_all(void) {
    while (span_purge(SIZE_MAX, 0) == SPAN_DONE) {
    }
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
}

#endif
