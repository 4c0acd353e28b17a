/*
 * Purpose: freed large and direct blocks wait here, inaccessible, so that a use after free stops the program (hardened build).
 * Layer: heap. One lock (LOCK_QUARANTINE) guards the ring. To the layers below a block that waits is still in use; whoever looks a large
 * block up asks here first.
 */
#ifndef COLLAM_HEAP_QUARANTINE_H
#define COLLAM_HEAP_QUARANTINE_H

#include "base/compiler.h"
#include "pages/fence.h"

enum { QUARANTINE_SLOTS = 64, QUARANTINE_MIN = FENCED_MIN };
#define QUARANTINE_BYTES ((size_t)64 << 20)

#define QUARANTINE_HAS_IT (~0u)

/* Takes a block of whole pages in, its contents forgotten. The ones that have waited longest come back to be freed in its place, accessible
 * again: their addresses are put into out[QUARANTINE_SLOTS], their number is returned. A block that cannot be made inaccessible, or that is
 * larger than all of them may be together, comes back itself, its contents as they were or forgotten. QUARANTINE_HAS_IT: it waits already.
 */
unsigned quarantine_put(uintptr_t address, size_t size, bool direct, uintptr_t *out);
/* All that wait come back. */
unsigned quarantine_empty(uintptr_t *out);
/* Size of the block that waits at the address, 0 when none does. */
size_t quarantine_size(uintptr_t address);

/* What waits, of which `direct_bytes` were given as direct. Counted as in use by the layers below. */
unsigned quarantine_waiting(size_t *run_bytes, size_t *direct_bytes);

void quarantine_fork_take(void);
void quarantine_fork_give(void);

#endif
