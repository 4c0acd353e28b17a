/*
 * Purpose: blocks above LARGE_MAX, or aligned beyond a unit, each a mapping of its own, found by its address.
 * Layer: pages. One lock (LOCK_DIRECT) guards the table of mappings; it is held across system calls only while the table doubles.
 */
#ifndef COLLAM_PAGES_DIRECT_H
#define COLLAM_PAGES_DIRECT_H

#include "base/compiler.h"

/* size > 0, align a power of two. Memory aligned to align; NULL when refused. *zeroed in: it had better read as zeros;
 * out: it does. */
void *direct_take(size_t size, size_t align, bool *zeroed);
/* The same for a block to which so many bytes (> 0) are about to be copied because it grows. */
void *direct_take_growing(size_t size, size_t copied, bool *zeroed);
/* Usable bytes of the direct block that starts at the address, 0 when none does. */
size_t direct_size(uintptr_t address);
/* False when no direct block starts there. The mapping is kept ready, to be cut or grown for a later request, while no more than `budget`
 * bytes are dirty with it; else it goes back to the system. */
bool direct_give(uintptr_t address, size_t budget);
/* Gives the mapping that has been kept longest back; false when none is kept. */
bool direct_evict(void);
/* Resizes, moving when needed; NULL when refused (the block is unchanged). A large block that is being filled may become, or stay, longer
 * by less than a huge page. The address must be a direct block's. */
void *direct_resize(uintptr_t address, size_t new_size);
/* Start of the direct block that contains the address, 0 when none does. For messages: looks at every mapping. */
uintptr_t direct_containing(uintptr_t address);

void direct_fork_take(void);
void direct_fork_give(void);

#endif
