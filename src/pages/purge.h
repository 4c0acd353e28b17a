/*
 * Purpose: free memory goes back to the system as soon as more of it is dirty than the budget allows.
 * Layer: pages. Called with no lock held; takes the chunk lock for moments only, never across a system call.
 */
#ifndef COLLAM_PAGES_PURGE_H
#define COLLAM_PAGES_PURGE_H

#include "base/compiler.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/limit.h"

/*
 * Bytes that may stay free and dirty now: the largest of dirty_min, live >> dirty_shift, and the swing.
 *
 * The swing is memory that went back to the system and was needed again soon after, fading with every purge. A program that frees
 * everything once keeps nothing for it; one that works in rounds does not pay for every round in page faults.
 */
size_t purge_budget(void);
/* The same, after what went back and what was needed again lately have been reckoned up. */
size_t purge_budget_now(void);
/*
 * Bytes that may stay free and backed inside slabs in use: the budget, and beside it what slabs gave back and needed again themselves, if
 * that is more than half of what they gave: such a program frees and allocates the same blocks in turn, and its slabs are never sparse for
 * long.
 */
size_t purge_budget_of_slabs(void);
/* Free pages of slabs in use went back; or blocks were claimed on such. */
void purge_note_slab_gave(size_t bytes);
void purge_note_slab_took(size_t bytes);
/* Purges down to half the budget if the budget is exceeded. Cheap when it is not. Called after memory was given back. */
void purge_over_least(size_t dirty); /* so much, which is more than the least budget */
ALWAYS_INLINE void purge_if_over_budget(void) {
    size_t dirty = page_dirty_bytes();
    if (UNLIKELY(dirty > limit_budget(option_get(OPTION_dirty_min)))) {
        purge_over_least(dirty);
    }
}
/* So many bytes of blocks were taken from slabs or put back: gives back what the heap has ceased to grow into (growth.h). */
void purge_after_exchange(size_t bytes);
/* Purges until at most `keep` bytes are dirty, or as much has gone back as was dirty at first, which others may have soiled again; with 0,
 * unmaps chunks that are wholly free. Returns true when anything went back. */
bool purge_down_to(size_t keep);

#endif
