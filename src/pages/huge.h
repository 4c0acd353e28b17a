/*
 * Purpose: whether memory that is about to be mapped or used again had better be backed by huge pages.
 * Layer: pages. State: what the system offers, found out once; what slow huge pages took lately. Called with any lock held.
 */
#ifndef COLLAM_PAGES_HUGE_H
#define COLLAM_PAGES_HUGE_H

#include "base/compiler.h"

/* True when the option says so for a heap of this size, the system offers them, they were not slow just now (or as many
 * bytes of them have been given back since), and no limit is so near that
 * `bytes`, backed at once, would meet it. */
bool huge_wanted(size_t heap, size_t bytes);

/* Touches memory for which huge pages were asked, where a window begins: nobody uses it yet, and it reads as zeros or may be written to. If
 * that takes long, who asks next gets none, and neither does the rest of the range: false. */
bool huge_touch(char *start, size_t size);
/* Memory in whole windows has gone back to the system: those of them that were touched as above are quick to get again for a while. */
void huge_given(const char *start, size_t size);
/* Windows that this memory has a part in are no longer backed by huge pages. */
void huge_broken(const char *start, size_t size);
/* False when it is known already that none will ever be wanted. */
bool huge_possible(void);
/* Whether windows of this memory may be wanted soon if they go back now: none was slow lately, or one of these gives credit. */
bool huge_soon(const char *start, size_t size);

#endif
