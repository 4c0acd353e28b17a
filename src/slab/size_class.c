/*
 * Purpose: see size_class.h.
 * Layer: slab.
 */
#include "slab/size_class.h"

#define BLOCKS(bytes) (UNIT_SIZE / (bytes))
#define CACHE(bytes)                                                                                                                       \
    (MAGAZINE_BYTES / (bytes) > MAGAZINE_BLOCKS_MAX ? MAGAZINE_BLOCKS_MAX : MAGAZINE_BYTES / (bytes) < 1 ? 1 : MAGAZINE_BYTES / (bytes))

const struct size_class size_classes[CLASS_COUNT] = {
#define CLASS(index, bytes) [index] = {(bytes), BLOCKS(bytes), CACHE(bytes), 64 % ((bytes) / BLOCK_ALIGN)},
#include "slab/size_class.def"
#undef CLASS
};

/* As far as the page in which the last block ends, so that no slab takes a page more. The first block is aligned to the largest power of
 * two that divides the size, for that is what blocks of the class may be asked to be aligned to. */
enum { CACHE_LINE = 64 };
#define ALIGNMENT(bytes) (((bytes) & -(bytes)) > CACHE_LINE ? ((bytes) & -(bytes)) : CACHE_LINE)
#define TAIL(bytes) ((UNIT_SIZE - UNIT_SIZE / (bytes) * (bytes)) % SLICE_SIZE)
#define START(index, bytes) ((index) % (TAIL(bytes) / ALIGNMENT(bytes) + 1) * ALIGNMENT(bytes))
#define FIRST(index, bytes) ((bytes) < FEW_BLOCKS_SIZE ? 0 : (index) % ((SLICE_SIZE - START(index, bytes) + (bytes)-1) / (bytes)))

const struct class_place class_places[CLASS_TABLE] = {
#define CLASS(index, bytes) [index] = {START(index, bytes), FIRST(index, bytes)},
#include "slab/size_class.def"
#undef CLASS
};

const uint32_t class_reciprocal[CLASS_TABLE] = {
#define CLASS(index, bytes) [index] = (uint32_t)((((uint64_t)1 << 32) + (bytes)-1) / (bytes)),
#include "slab/size_class.def"
#undef CLASS
};

/* The sum of 2^(k * granules) for all k that keep it in the word, as a geometric series. */
#define GRANULES(bytes) ((bytes) / BLOCK_ALIGN)
#define POWER(exponent) ((unsigned __int128)1 << (exponent))
#define PATTERN(g) (uint64_t)((POWER(((63 / (g)) + 1) * (g)) - 1) / (POWER(g) - 1))

const uint64_t class_pattern[CLASS_TABLE] = {
#define CLASS(index, bytes) [index] = GRANULES(bytes) >= 64 ? 1 : PATTERN(GRANULES(bytes) >= 64 ? 63 : GRANULES(bytes)),
#include "slab/size_class.def"
#undef CLASS
};

/* Sizes up to 1 KiB: step s holds sizes (s - 1) * 16 + 1 ... s * 16. */
#define S1(s) (uint8_t)((s) <= 1 ? 1 : (s) <= 16 ? (s) : (s) <= 32 ? 16 + ((s)-15) / 2 : 24 + ((s)-29) / 4)
#define S4(s) S1(s), S1((s) + 1), S1((s) + 2), S1((s) + 3)
#define S16(s) S4(s), S4((s) + 4), S4((s) + 8), S4((s) + 12)

const uint8_t class_by_step[CLASS_STEP_MAX] = {S16(0), S16(16), S16(32), S16(48), S1(64)};

/* Sizes above: stride s holds sizes (s - 1) * 64 + 1 ... s * 64. Eight classes to a doubling up to 4 KiB, then four, and three more. */
#define M1(s)                                                                                                                              \
    (uint8_t)((s) <= 16    ? 0                                                                                                             \
              : (s) <= 17  ? 33                                                                                                            \
              : (s) <= 32  ? 34 + ((s)-17) / 2                                                                                             \
              : (s) <= 64  ? 42 + ((s)-33) / 4                                                                                             \
              : (s) <= 72  ? 50                                                                                                            \
              : (s) <= 128 ? 51 + ((s)-65) / 16                                                                                            \
              : (s) <= 144 ? 55                                                                                                            \
              : (s) <= 256 ? 56 + ((s)-129) / 32                                                                                           \
                           : 60 + ((s)-257) / 64)
#define M4(s) M1(s), M1((s) + 1), M1((s) + 2), M1((s) + 3)
#define M16(s) M4(s), M4((s) + 4), M4((s) + 8), M4((s) + 12)
#define M64(s) M16(s), M16((s) + 16), M16((s) + 32), M16((s) + 48)
#define M256(s) M64(s), M64((s) + 64), M64((s) + 128), M64((s) + 192)

const uint8_t class_by_stride[CLASS_STRIDE_MAX] = {M256(0), M256(256), M1(512)};
