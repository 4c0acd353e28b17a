/*
 * Purpose: see run_map.h.
 * Layer: pages.
 */
#include "pages/run_map.h"
#include "base/bits.h"

/* `flip` is all ones to look for clear slices. */
static unsigned next(const struct run_map *map, unsigned from, uint64_t flip) {
    if (from >= CHUNK_SLICES) {
        return RUN_NONE;
    }
    unsigned w = from / 64;
    uint64_t word = (map->words[w] ^ flip) & (~(uint64_t)0 << (from % 64));
    while (word == 0) {
        if (++w == RUN_MAP_WORDS) {
            return RUN_NONE;
        }
        word = map->words[w] ^ flip;
    }
    return w * 64 + lowest_bit(word);
}

unsigned run_next_set(const struct run_map *map, unsigned from) {
    return next(map, from, 0);
}

unsigned run_next_clear(const struct run_map *map, unsigned from) {
    return next(map, from, ~(uint64_t)0);
}

/* The bits of word w that belong to [start, end). */
static uint64_t mask_in(unsigned w, unsigned start, unsigned end) {
    unsigned low = w * 64;
    uint64_t mask = ~(uint64_t)0;
    if (start > low) {
        mask &= ~(uint64_t)0 << (start - low);
    }
    if (end < low + 64) {
        mask &= ((uint64_t)1 << (end - low)) - 1;
    }
    return mask;
}

void run_set(struct run_map *map, unsigned start, unsigned count) {
    for (unsigned w = start / 64; w * 64 < start + count; w++) {
        map->words[w] |= mask_in(w, start, start + count);
    }
}

void run_clear(struct run_map *map, unsigned start, unsigned count) {
    for (unsigned w = start / 64; w * 64 < start + count; w++) {
        map->words[w] &= ~mask_in(w, start, start + count);
    }
}

unsigned run_count(const struct run_map *map, unsigned start, unsigned count) {
    unsigned sum = 0;
    for (unsigned w = start / 64; w * 64 < start + count; w++) {
        sum += (unsigned)__builtin_popcountll(map->words[w] & mask_in(w, start, start + count));
    }
    return sum;
}

uint32_t run_units(unsigned start, unsigned count) {
    unsigned first = start / UNIT_SLICES;
    unsigned last = (start + count - 1) / UNIT_SLICES;
    return UINT32_MAX >> (CHUNK_UNITS - 1 - (last - first)) << first;
}

uint32_t run_whole_units(const struct run_map *map, uint32_t among) {
    uint32_t units = 0;
    for (; among; among &= among - 1) {
        unsigned unit = lowest_bit(among);
        bool whole = (uint16_t)(map->words[unit / 4] >> (unit % 4 * UNIT_SLICES)) == UINT16_MAX;
        units |= (uint32_t)whole << unit;
    }
    return units;
}
