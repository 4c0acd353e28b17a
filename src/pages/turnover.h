/*
 * Purpose: what large blocks come to that are given back and taken again all the time.
 * Layer: pages. Told by the spans; asked by purging.
 *
 * What is live at a moment says little of a program that replaces large blocks: eight of mixed sizes are twice as much now and half as much
 * a moment later. Who gave back all that is free whenever they are few would take page faults for it as soon as they are many again. So
 * there is a level, which follows what is live down only while more blocks go than come.
 */
#ifndef COLLAM_PAGES_TURNOVER_H
#define COLLAM_PAGES_TURNOVER_H

#include "base/compiler.h"

/* A block of so many bytes came, or went, and is counted already. Span lock. */
void turnover_note_taken(size_t size);
void turnover_note_given(size_t size);

/* Never less than what is live, nor more than the recent peak. A hint, without a lock. */
size_t turnover_level(void);

#endif
