/*
 * Purpose: one set of figures about the whole allocator, from which every statistic entry point is printed.
 * Layer: observe. Reads the layers below; takes their locks one at a time for moments.
 */
#ifndef COLLAM_OBSERVE_STATS_H
#define COLLAM_OBSERVE_STATS_H

#include "collam/collam.h"

/* Fills all of it. Exact when other threads rest, else each figure is right at some moment during the call. */
void stats_collect(struct collam_stats *stats);

/* Calls print(name, value, context) for each row of stats.def. */
void stats_each(const struct collam_stats *stats, void (*print)(const char *name, size_t value, void *context), void *context);

/* Blocks in use and free in slabs, per size class. */
void stats_of_class(unsigned class_index, size_t *live, size_t *free);

/* Writes one "name value" line per figure to the file, %p replaced by the process id. False when it cannot be made. */
bool stats_write_file(const char *path);

#endif
