/*
 * Purpose: whether the program hardly touches the large blocks that it takes, found out by samples, and what follows from that.
 * Layer: pages. Told by the spans; asked when blocks are taken and cleared, and when it is decided what goes back.
 *
 * Who reserves generously and uses a page or two is served otherwise than who fills what he takes (filled.h). What is free is hardly
 * backed, nobody knows where. Each block that begins where none began before costs a page; so blocks get few sizes, and begin where others
 * did. And to look for what was used of a block costs more than to give its pages back.
 */
#ifndef COLLAM_PAGES_SPARSE_H
#define COLLAM_PAGES_SPARSE_H

#include "base/atomic.h"
#include "base/compiler.h"

/* Of free large blocks at least one page in so many is believed to be backed. */
enum { SPARSE_SHARE = 4 };

struct sparse {
    size_t given; /* bytes since the last sample (span lock) */
    size_t least; /* of them, before another can be due (span lock) */
    unsigned sure;
    _Atomic(bool) usually; /* what follows from it; relaxed: who reads it without the lock may be late */
    _Atomic(bool) ever;    /* it was so once; relaxed: set before any block has a better size */
};

extern struct sparse sparse HIDDEN;

/* What a sample is: a block that was given back, and is not the next to be taken again, none of whose pages was backed when it was taken,
 * or any other; or what `calloc` is about to give back of one that was used before. */
enum sparse_sample { SPARSE_CLEAN, SPARSE_ANY, SPARSE_FORGOTTEN };

/* Span lock. */
void sparse_look(uintptr_t start, size_t size, enum sparse_sample sample);
ALWAYS_INLINE void sparse_note_given(uintptr_t start, size_t size, enum sparse_sample sample) {
    sparse.given += size;
    if (UNLIKELY(sparse.given >= sparse.least)) {
        sparse_look(start, size, sample);
    }
}
/* True when the program hardly touches its blocks, as far as is known. The lock need not be held. */
ALWAYS_INLINE bool sparse_usually(void) {
    return load_relaxed(&sparse.usually);
}
/* True when there may be blocks of better sizes. */
ALWAYS_INLINE bool sparse_ever(void) {
    return load_relaxed(&sparse.ever);
}
/* What a block of so many bytes had better have: the size itself, or more in whole pages. */
size_t sparse_better_size(size_t size);
ALWAYS_INLINE size_t sparse_size(size_t size) {
    return LIKELY(!sparse_usually()) ? size : sparse_better_size(size);
}

#endif
