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

#include "base/atomic.h"
#include "base/compiler.h"
#include "pages/counters.h"

/*
 * A block that comes counts several times, so that the level is soon back at the peak where blocks come and go in turn. One that goes
 * counts once, until so many more have gone than came (each of those for two) that the program is believed to shrink: then it counts as
 * often, and so do those before it.
 */
enum { TURNOVER_TAKEN_COUNTS = 4, TURNOVER_SHRINKING = 6, TURNOVER_GIVEN_COUNTS = 4 };

struct turnover {
    _Atomic(size_t) level; /* relaxed: a hint for those who do not hold the lock */
    unsigned ahead;        /* so many more have gone */
    size_t counted_once;   /* bytes of those that did */
};

extern struct turnover turnover HIDDEN;

ALWAYS_INLINE void turnover_set_level(size_t bytes) {
    size_t live = load_relaxed(&page_counters.large_bytes);
    store_relaxed(&turnover.level, bytes > live ? bytes : live);
}

/* A block of so many bytes came, or went, and is counted already. Span lock. */
ALWAYS_INLINE void turnover_note_taken(size_t size) {
    turnover.ahead = turnover.ahead > 2 ? turnover.ahead - 2 : 0;
    turnover.counted_once = turnover.ahead ? turnover.counted_once : 0;
    size_t live = load_relaxed(&page_counters.large_bytes);
    size_t peak = load_relaxed(&page_counters.large_peak_bytes);
    if (peak < live) {
        store_relaxed(&page_counters.large_peak_bytes, peak = live);
    }
    size_t raised = load_relaxed(&turnover.level) + TURNOVER_TAKEN_COUNTS * size;
    turnover_set_level(raised < peak ? raised : peak);
}
ALWAYS_INLINE void turnover_note_given(size_t size) {
    size_t less = size;
    turnover.counted_once += size;
    if (UNLIKELY(++turnover.ahead >= TURNOVER_SHRINKING)) {
        less += (TURNOVER_GIVEN_COUNTS - 1) * turnover.counted_once;
        turnover.counted_once = 0;
    }
    size_t before = load_relaxed(&turnover.level);
    turnover_set_level(before > less ? before - less : 0);
}

/* Never less than what is live, nor more than the recent peak. A hint, without a lock. */
size_t turnover_level(void);

#endif
