/*
 * Purpose: whether the program fills the large blocks that it takes, found out by samples, and how much it may be trusted to go on so.
 * Layer: pages. Inside of span.c: every function is called with the span lock held.
 *
 * Memory that is backed by huge pages does not show what of it is used. So the samples are blocks in fresh ordinary pages, and trust is
 * used up by what is handed out in huge pages: when it is gone, the next block stands in ordinary pages and becomes a sample.
 */
#ifndef COLLAM_PAGES_FILLED_H
#define COLLAM_PAGES_FILLED_H

#include "base/compiler.h"

/* A block has been taken all of whose memory was clean: it may become a sample. */
void filled_watch(uintptr_t start, size_t size);
/* A block is about to be given back or to change its size: if it is a sample, it is looked at now. */
void filled_leaves(uintptr_t start);
/* True when the program fills its blocks, as far as is known. The lock need not be held. */
bool filled_usually(void);
/* True when so many bytes may be backed whatever becomes of them, which takes them off the trust. */
bool filled_trusts(size_t bytes);

#endif
