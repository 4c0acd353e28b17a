/*
 * Purpose: contents that tell which block they belong to. A block is filled from a key; the same key finds any byte that
 * another block, or the allocator, has written over. Blocks above 64 KiB are stamped at both ends and once per 1 KiB in
 * between, so that tests of huge blocks spend their time in the allocator.
 */
#ifndef COLLAM_TESTS_PATTERN_H
#define COLLAM_TESTS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PATTERN_EDGE = 4096, PATTERN_STEP = 1024, PATTERN_WHOLE = 64 * 1024 };

static inline uint64_t pattern_mix(uint64_t value) {
    value ^= value >> 30;
    value *= 0xbf58476d1ce4e5b9u;
    value ^= value >> 27;
    value *= 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static inline uint64_t pattern_word(uint64_t key, size_t offset) {
    return (key + offset) * 0x9e3779b97f4a7c15u;
}

static inline void pattern_fill_range(unsigned char *block, size_t from, size_t to, uint64_t key) {
    size_t at = from;
    for (; at + 8 <= to; at += 8) {
        uint64_t word = pattern_word(key, at);
        memcpy(block + at, &word, 8);
    }
    uint64_t word = pattern_word(key, at);
    memcpy(block + at, &word, to - at);
}

/* The first offset in [from, to) whose content is not the key's, or to. from is a multiple of eight. */
static inline size_t pattern_check_range(const unsigned char *block, size_t from, size_t to, uint64_t key) {
    for (size_t at = from; at < to; at += 8) {
        uint64_t word = pattern_word(key, at);
        if (memcmp(block + at, &word, to - at < 8 ? to - at : 8) != 0)
            return at;
    }
    return to;
}

static inline void pattern_fill(void *memory, size_t size, uint64_t key) {
    unsigned char *block = memory;
    if (size <= PATTERN_WHOLE) {
        pattern_fill_range(block, 0, size, key);
        return;
    }
    size_t tail = (size - PATTERN_EDGE) & ~(size_t)(PATTERN_STEP - 1);
    pattern_fill_range(block, 0, PATTERN_EDGE, key);
    for (size_t at = PATTERN_EDGE; at < tail; at += PATTERN_STEP)
        pattern_fill_range(block, at, at + 8, key);
    pattern_fill_range(block, tail, size, key);
}

/* Checks the first `size` bytes of a block that was filled when it was `filled` bytes long; true when all are as written. */
static inline bool pattern_holds(const void *memory, size_t size, size_t filled, uint64_t key, size_t *where) {
    const unsigned char *block = memory;
    if (filled <= PATTERN_WHOLE) {
        *where = pattern_check_range(block, 0, size, key);
        return *where == size;
    }
    size_t tail = (filled - PATTERN_EDGE) & ~(size_t)(PATTERN_STEP - 1);
    size_t head = size < PATTERN_EDGE ? size : PATTERN_EDGE;
    if ((*where = pattern_check_range(block, 0, head, key)) != head)
        return false;
    for (size_t at = PATTERN_EDGE; at < tail && at + 8 <= size; at += PATTERN_STEP)
        if ((*where = pattern_check_range(block, at, at + 8, key)) != at + 8)
            return false;
    if (size <= tail)
        return true;
    *where = pattern_check_range(block, tail, size, key);
    return *where == size;
}

#endif
