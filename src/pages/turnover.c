/*
 * Purpose: see turnover.h.
 * Layer: pages. Owner: the span lock protects all state.
 */
#include "pages/turnover.h"
#include "base/atomic.h"
#include "pages/counters.h"

/*
 * A block that comes counts several times, so that the level is soon back at the peak where blocks come and go in turn. One that goes
 * counts once, until so many more have gone than came (each of those for two) that the program is believed to shrink: then it counts as
 * often, and so do those before it.
 */
enum { TAKEN_COUNTS = 4, SHRINKING = 6, GIVEN_COUNTS = 4 };

static _Atomic(size_t) level; /* relaxed: a hint for those who do not hold the lock */
static unsigned ahead;        /* so many more have gone */
static size_t counted_once;   /* bytes of those that did */

static void set_level(size_t bytes) {
    size_t live = load_relaxed(&page_counters.large_bytes);
    store_relaxed(&level, bytes > live ? bytes : live);
}

void turnover_note_taken(size_t size) {
    ahead = ahead > 2 ? ahead - 2 : 0;
    counted_once = ahead ? counted_once : 0;
    size_t live = load_relaxed(&page_counters.large_bytes);
    size_t peak = load_relaxed(&page_counters.large_peak_bytes);
    if (peak < live) {
        store_relaxed(&page_counters.large_peak_bytes, peak = live);
    }
    size_t raised = load_relaxed(&level) + TAKEN_COUNTS * size;
    set_level(raised < peak ? raised : peak);
}

void turnover_note_given(size_t size) {
    size_t less = size;
    counted_once += size;
    if (++ahead >= SHRINKING) {
        less += (GIVEN_COUNTS - 1) * counted_once;
        counted_once = 0;
    }
    size_t before = load_relaxed(&level);
    set_level(before > less ? before - less : 0);
}

size_t turnover_level(void) {
    size_t live = load_relaxed(&page_counters.large_bytes);
    size_t told = load_relaxed(&level);
    return told > live ? told : live;
}
