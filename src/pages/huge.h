/*
 * Purpose: whether memory that is about to be mapped or used again had better be backed by huge pages.
 * Layer: pages. State: what the system offers, found out once. Called with any lock held.
 */
#ifndef COLLAM_PAGES_HUGE_H
#define COLLAM_PAGES_HUGE_H

#include "base/compiler.h"

/* True when the option says so for a heap of this size, the system offers them, and no limit is so near that `bytes`, backed at once, would
 * meet it. */
bool huge_wanted(size_t heap, size_t bytes);

/* False when it is known already that none will ever be wanted. */
bool huge_possible(void);

#endif
