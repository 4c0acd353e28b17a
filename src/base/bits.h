/*
 * Purpose: arithmetic on powers of two and single bits.
 * Layer: base. Pure functions.
 */
#ifndef COLLAM_BASE_BITS_H
#define COLLAM_BASE_BITS_H

#include "base/compiler.h"

ALWAYS_INLINE bool is_power_of_two(size_t n) {
    return n != 0 && (n & (n - 1)) == 0;
}

/* align must be a power of two; the caller has made sure that n + align - 1 does not overflow. */
ALWAYS_INLINE size_t align_up(size_t n, size_t align) {
    return (n + align - 1) & ~(align - 1);
}

ALWAYS_INLINE size_t align_down(size_t n, size_t align) {
    return n & ~(align - 1);
}

/* Index of the lowest set bit; n must not be 0. */
ALWAYS_INLINE unsigned lowest_bit(uint64_t n) {
    return (unsigned)__builtin_ctzll(n);
}

/* Clears bit n modulo 64; true when it was set. */
ALWAYS_INLINE bool take_bit(uint64_t *word, uint64_t n) {
#if defined(__x86_64__)
    uint64_t left = *word;
    bool was_set;
    __asm__("btr %2, %0" : "+r"(left), "=@ccc"(was_set) : "r"(n)); /* one instruction, which compilers do not find */
    *word = left;
    return was_set;
#else
    uint64_t bit = (uint64_t)1 << n % 64;
    bool was_set = (*word & bit) != 0;
    *word &= ~bit;
    return was_set;
#endif
}

/* Index of the highest set bit (floor of the binary logarithm); n must not be 0. */
ALWAYS_INLINE unsigned highest_bit(uint64_t n) {
    return 63u - (unsigned)__builtin_clzll(n);
}

#endif
