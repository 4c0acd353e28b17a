/*
 * Purpose: what the hardened build (libcollam-hardened.so, COLLAM_HARDENED) adds to blocks of slabs.
 * Layer: front. State: a secret, drawn once; a generator per thread. In the ordinary build nothing calls this.
 *
 *   a live block:   | what the program may use      | canary |     canary = secret mixed with the address, never 0
 *   a free block:   | 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 | 0      |
 *
 * Invariant: all memory of chunks that is in no live block is zero: what nobody has touched is, and a block of a slab is cleared when it is
 * freed; chunks hold nothing else. So a block that is not all zero when it is handed out was written to
 * after its free, and a block that is all zero when it is freed had been freed before, by whichever thread and however long ago.
 */
#ifndef COLLAM_FRONT_HARDENED_H
#define COLLAM_FRONT_HARDENED_H

#include "base/compiler.h"

/* A block of the class from the magazine, any of those in it with equal chance; NULL when it is empty. */
void *hardened_choose(unsigned class_index);
/* Makes a free block of the class a live one. What was written to it since it was freed is reported under the name `call` and cleared. */
void *hardened_prepare(void *block, unsigned class_index, const char *call);
/* A block is about to be freed. False when it must not be: that has been reported. Leaves to the checks that follow what is no live block
 * of a slab by their measure. */
bool hardened_retire(void *block, const char *call);

#endif
