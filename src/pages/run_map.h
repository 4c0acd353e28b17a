/*
 * Purpose: runs of slices in the 512-bit maps of a chunk.
 * Layer: pages. Pure functions; the caller holds the chunk lock.
 */
#ifndef COLLAM_PAGES_RUN_MAP_H
#define COLLAM_PAGES_RUN_MAP_H

#include "base/compiler.h"
#include "config/geometry.h"

enum { RUN_MAP_WORDS = CHUNK_SLICES / 64, RUN_NONE = CHUNK_SLICES };

struct run_map {
    uint64_t words[RUN_MAP_WORDS];
};

/* First set slice at or after `from`, and first clear one; RUN_NONE when there is none. */
unsigned run_next_set(const struct run_map *map, unsigned from);
unsigned run_next_clear(const struct run_map *map, unsigned from);
void run_set(struct run_map *map, unsigned start, unsigned count);
void run_clear(struct run_map *map, unsigned start, unsigned count);
unsigned run_count(const struct run_map *map, unsigned start, unsigned count);
/* One bit per unit in which some of these slices, one at least, lie. */
uint32_t run_units(unsigned start, unsigned count);
/* Those of these units whose slices are all set. */
uint32_t run_whole_units(const struct run_map *map, uint32_t among);

#endif
