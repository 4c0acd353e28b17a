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

#include "base/compiler.h"

/* Of free large blocks at least one page in so many is believed to be backed. */
enum { SPARSE_SHARE = 4 };

/* A block is about to be given back; `was_clean`: none of its pages was backed when it was taken. Span lock. */
void sparse_note_given(uintptr_t start, size_t size, bool was_clean);
/* True when the program hardly touches its blocks, as far as is known. The lock need not be held. */
bool sparse_usually(void);
/* What a block of so many bytes had better have: the size itself, or more in whole pages. */
size_t sparse_size(size_t size);

#endif
