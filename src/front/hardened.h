/*
 * Purpose: what the hardened build (libcollam-hardened.so, COLLAM_HARDENED) adds to blocks of slabs.
 * Layer: front. State: a secret, drawn once; a generator per thread. In the ordinary build nothing calls this.
 *
 *   a live block:   | what the program may use      | canary |     canary = secret mixed with the address, never 0
 *   a free block:   | 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 | 0      |
 *
 * Where the processor has memory tags, a live block and the pointer to it have one, and all other memory has tag 0.
 *
 * Invariant: all memory of chunks that is in no live block is zero: what nobody has touched is, and a block of a slab is cleared when it is
 * freed; chunks hold nothing else. So a block that is not all zero when it is handed out was written to
 * after its free, and a block that is all zero when it is freed had been freed before, by whichever thread and however long ago.
 */
#ifndef COLLAM_FRONT_HARDENED_H
#define COLLAM_FRONT_HARDENED_H

#include "base/compiler.h"

/* The address by which everything below knows the block: without its tag. What is no block of a slab stays as it is. NULL when the tag is
 * not that of the block's memory, which has been reported: the block was freed since the program got this pointer. */
void *hardened_known(void *given, const char *call);

/* A block of the class from the magazine, any of those in it with equal chance, made a live one; NULL when it is empty. */
void *hardened_take(unsigned class_index);
/* Makes a free block of the class a live one. What was written to it since it was freed is reported under the name `call` and cleared. */
void *hardened_prepare(void *block, unsigned class_index, const char *call);
/* A block is about to be freed: its class when it was a live one and is a free one now; HARDENED_REPORTED when it must not be freed, which
 * has been reported; 0 when it is no block of a slab that is out, which is left to others. */
unsigned hardened_retire(void *block, const char *call);
enum { HARDENED_REPORTED = 255 };
/* True when the block of a slab that is out waits to be handed out again. */
bool hardened_was_freed(const void *block, unsigned class_index);
/* In a forked child, by its only thread: its choices are not those that the parent and other children make. */
void hardened_fork_child(void);
/* False, after a report, when the address is a live block of a slab whose end was written over. */
bool hardened_is_whole(const void *block, const char *call);

#endif
