/*
 * Purpose: which direct blocks ask for huge pages: those that are being filled. docs/decisions/0021-huge-pages-of-direct-blocks.md.
 * Layer: pages. No locks of its own: the account of trust belongs to its caller's lock; all else has no state.
 *
 * A block is known to get filled when it grows and its end is resident already, or when blocks taken the same way (with or without the
 * wish for zeros) were found filled. Knowledge of the second kind is spent: each byte of a block that asks for huge pages on trust is taken
 * off the account until that block has been found filled in turn.
 */
#ifndef COLLAM_PAGES_DIRECT_HUGE_H
#define COLLAM_PAGES_DIRECT_HUGE_H

#include "base/compiler.h"
#include "platform/platform.h"

/* What the system was last told about a whole mapping. */
enum huge_advice { HUGE_NO_ADVICE, HUGE_AGAINST, HUGE_FOR };

/* Bytes under one entry of the last but one level of page tables: 2 MiB with pages of 4 KiB. */
ALWAYS_INLINE size_t huge_page_size(void) {
    return platform_page_size() / sizeof(uint64_t) * platform_page_size();
}

/* Larger blocks may be mapped up to the end of a huge page that they end in: it adds a sixteenth at most. */
ALWAYS_INLINE bool huge_rounds(size_t size) {
    return size / 16 >= huge_page_size();
}

/* True when this heap, with a block of `besides` bytes that is not in the table, asks for huge pages anywhere. Fences cut mappings,
 * so the hardened build never does. */
bool huge_allowed(size_t besides);

/* Whether the last pages before the end of a block are resident; false when they are not among its last `size` bytes. */
bool huge_filled_up_to(uintptr_t end, size_t size);

enum huge_finding { HUGE_FOUND_SPARSE, HUGE_FOUND_FILLED };
/* Looks at a few places of a block of at least a huge page. */
enum huge_finding huge_look(uintptr_t address, size_t size);

/* Touches each whole huge page of the range, which asks for them and will be filled. False as soon as one took long to get: what follows
 * had better have none. */
bool huge_back(uintptr_t from, uintptr_t to);

/* Moves a mapping that has the given advice to where it can have new_size bytes, so that huge pages stay whole. NULL when that fails. */
void *huge_move(uintptr_t address, size_t old_size, size_t new_size, enum huge_advice advice);

/* --- trust, under the caller's lock ------------------------------------------------------------------------------------ */

struct huge_trust {
    size_t bytes;   /* that may ask for huge pages without being seen first; <= TRUSTED_TIMES * largest */
    size_t largest; /* block that was found filled since one was found sparse: larger ones are not trusted */
};

/* True when a block of the size may ask for huge pages on trust: it is taken off the account. */
bool huge_trust_spend(struct huge_trust *trust, size_t size);
/* A block was found so; `trusted`: it was trusted. */
void huge_trust_learn(struct huge_trust *trust, size_t size, bool trusted, enum huge_finding finding);

#endif
