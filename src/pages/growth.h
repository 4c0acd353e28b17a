/*
 * Purpose: whether the heap grows into the chunks for which it asked huge pages, or holds memory there that nobody needs.
 * Layer: pages. Inside of chunk.c, which counts what nobody has had yet; what threads exchange with slabs meanwhile is told by the heap
 * layer.
 *
 * All of such a chunk is resident as soon as any of it is used. Its units are taken in turn, after all others, so those at its end are
 * untouched until the heap has grown that far. One that has ceased to grow would hold them for ever: less than a chunk, but a heap of 4 MiB
 * would be half as large again.
 */
#ifndef COLLAM_PAGES_GROWTH_H
#define COLLAM_PAGES_GROWTH_H

#include "base/compiler.h"

/* A chunk of so many units has become resident as a whole. Chunk lock, like the next three. */
void growth_expected(unsigned units);
/* Some of these were taken. */
void growth_goes_on(unsigned units);
/* Some went back, or their chunk is gone. */
void growth_ends(unsigned units);
/* Those that the heap does not grow into any more go back: until it is larger again by as much or by 16 MiB, no chunk that leads further
 * than it has come is likely to be filled. */
void growth_has_stalled(void);
bool growth_fills_next(void);

/* So many bytes of blocks were taken from slabs or put back, whether the heap grew or not. No lock needed, like the next. */
void growth_note_exchanged(size_t bytes);
/* True when some are untouched though, since one was taken last, a quarter of what is live was exchanged so, and 4 MiB at least. */
bool growth_is_stalled(void);

#endif
