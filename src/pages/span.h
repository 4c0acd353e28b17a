/*
 * Purpose: spans: runs of whole pages of any length, cut from few large mappings, for blocks too large for a slab.
 * Layer: pages. One lock (LOCK_SPANS) guards all; it is held while memory is mapped, advised about huge pages or
 * looked at for them (filled.h), and while the last window of a block is first touched, never while memory goes back.
 *
 *   address order ->  | used | dirty | used | clean | cached | used | clean        |   gap   | used | ...
 *                      every byte mapped for spans belongs to exactly one struct span (out of line); neighbours are linked
 *
 * States        found by                    who may do what
 *   used        table of addresses          its owner: it is a block
 *   cached      table, ring of the newest   span_take of its size or a little less; dirty
 *   dirty       bins by size                span_take, span_resize of a neighbour, span_purge
 *   clean       bins by size                the same; it reads as zeros and costs no memory
 *   huge        bins by size                span_take of a program that fills its blocks: clean, in whole windows (HUGE_WINDOW) that ask
 * for huge pages; what is left of one that was taken is dirty busy        nothing                     whoever purges or unmaps it
 *
 * Invariants (span_check): spans are in address order and do not overlap; no two neighbours that touch are both dirty, both clean or both
 * huge; a span is in the bin of its size iff it is one of these, in the table iff it is used or cached; the counters are their sums.
 */
#ifndef COLLAM_PAGES_SPAN_H
#define COLLAM_PAGES_SPAN_H

#include "base/compiler.h"

/* bytes > 0 and a multiple of the OS page, align a power of two. The span may be longer by an eighth: see span_size. NULL when refused.
 * *zeroed in: it had better read as zeros; out: it does, unless it was refused: then it is as it was. */
void *span_take(size_t bytes, size_t align, bool *zeroed);
/* Bytes of the used span that starts at the address, 0 when none does. */
size_t span_size(uintptr_t address);
/* Which part of a span that has just been taken was used before: from and to are distances from its start. All else reads as zeros.
 * False when no used span starts there. */
bool span_soiled(uintptr_t address, size_t *from, size_t *to);
/* False when no used span starts there. */
bool span_give(uintptr_t address);
/* Changes the length of a used span (bytes as above) without moving it; false when that is not possible, and nothing is changed. */
bool span_resize(uintptr_t address, size_t bytes);

/* Gives the pages of a part of a used span back; false when the system refuses, huge pages may back them, or they turn out to be used
 * (sparse.h). */
bool span_forget(void *start, size_t bytes);

enum span_result { SPAN_NOTHING, SPAN_DONE, SPAN_REFUSED };
/* Purges one dirty span: the largest but `skip` ones; not much more than `most` bytes of it. */
enum span_result span_purge(size_t most, unsigned skip);
/* Unmaps one clean span of some size: a small one only where that makes no hole in a mapping. With `dirty` also one that the system does
 * not purge: locked memory can be unmapped all the same. */
enum span_result span_unmap(bool dirty);

/* What the address lies in; SPAN_NONE outside everything that is mapped for spans. *start and *size tell which span. For messages: looks
 * at every span. */
enum span_kind { SPAN_NONE, SPAN_FREE, SPAN_IN_USE };
enum span_kind span_containing(uintptr_t address, uintptr_t *start, size_t *size);

/* Evaluates every invariant. */
void span_check(void);

void span_fork_take(void);
void span_fork_give(void);

#endif
