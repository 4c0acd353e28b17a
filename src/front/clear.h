/*
 * Purpose: makes memory that was used before read as zeros, for calloc.
 * Layer: front. No state.
 *
 * What is free counts as backed in all its pages, though whoever had it may have touched a few. Writing zeros would back them all; reading
 * does not: the kernel shows its one page of zeros for each that nobody has written to. So each step is looked at first, and written to
 * only if it is not zero. For what had been written to, the look mostly ends with the first bytes; a step of zeros takes no longer to read
 * than to write.
 */
#ifndef COLLAM_FRONT_CLEAR_H
#define COLLAM_FRONT_CLEAR_H

#include "base/compiler.h"

/* Clears what is not zero already. The block is aligned to BLOCK_ALIGN, and whoever had it before is done with it. */
void front_clear(void *block, size_t size);

#endif
