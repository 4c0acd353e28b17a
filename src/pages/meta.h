/*
 * Purpose: memory for collam's own metadata, kept apart from every block.
 * Layer: pages. Guarded by one lock (LOCK_META, the innermost).
 */
#ifndef COLLAM_PAGES_META_H
#define COLLAM_PAGES_META_H

#include "base/compiler.h"

enum { META_CHUNK_DESCRIPTOR = 4096 };

/* Zeroed memory that is never freed, aligned to align (a power of two <= 4096), in pages of its own when size is a multiple of 4096. */
void *meta_alloc(size_t size, size_t align);

/* Hands over a range of fresh zero memory (multiples of 4 KiB) to be used before anything more is mapped. */
void meta_donate(void *address, size_t size);

void meta_fork_take(void);
void meta_fork_give(void);

#endif
