/*
 * Purpose: mappings between two inaccessible pages, and such a page behind a large block (hardened build): a linear overflow stops there,
 * and nothing the program may write to touches metadata.
 * Layer: pages. No state. In a build without fences these are the calls of the platform.
 *
 *   | fence | what was asked for | fence |
 *
 * Invariant: the room of the fences is always there and belongs to the mapping, so that giving it back needs no record; whether it is
 * inaccessible is a matter of what the system allows. A fence makes one mapping two, of which a process may have 65530 by default: beyond
 * FENCED_MAX things with a fence, what is added goes without, and so does what the system refuses.
 */
#ifndef COLLAM_PAGES_FENCE_H
#define COLLAM_PAGES_FENCE_H

#include "base/compiler.h"
#include "config/geometry.h"
#include "platform/platform.h"

/* Blocks from this size on have a fence, and are quarantined when freed (heap/quarantine.h). Smaller ones come and go too often for two
 * system calls each time: a matter of taste, so it is set at build time; 36 KiB is all blocks that are not in slabs. */
#ifndef COLLAM_HARDENED_LARGE_FROM
#define COLLAM_HARDENED_LARGE_FROM 69632
#endif
_Static_assert(COLLAM_HARDENED_LARGE_FROM > SMALL_MAX, "slabs have no fences");

/* At most three mappings each: less than half of them all. */
enum { FENCED_MAX = 8192, FENCED_MIN = COLLAM_HARDENED_LARGE_FROM };

/* Bytes of the fence of a block of so many bytes, in whole pages; and of one that is so long together with its fence. */
ALWAYS_INLINE size_t fence_behind(size_t size) {
    return HARDENED_BY(HARDENED_FENCES) && size >= FENCED_MIN ? platform_page_size() : 0;
}
ALWAYS_INLINE size_t fence_within(size_t whole) {
    return HARDENED_BY(HARDENED_FENCES) && whole > FENCED_MIN ? platform_page_size() : 0;
}

void *fence_map_between(size_t size, size_t align);
bool fence_unmap_between(void *address, size_t size);

/* As platform_map and platform_unmap, with a fence on each side. Only what was mapped so may be unmapped so, and only whole. */
ALWAYS_INLINE void *fenced_map(size_t size, size_t align) {
    return HARDENED_BY(HARDENED_FENCES) ? fence_map_between(size, align) : platform_map(size, align);
}
ALWAYS_INLINE bool fenced_unmap(void *address, size_t size) {
    return HARDENED_BY(HARDENED_FENCES) ? fence_unmap_between(address, size) : platform_unmap(address, size);
}

/* Makes the page at the address, which its caller owns, a fence if there are not too many. */
void fence_shut(uintptr_t address);
/* Makes it an ordinary page again, whatever it was; false when the system refuses. */
bool fence_open(uintptr_t address);

#endif
