/*
 * Purpose: see turnover.h.
 * Layer: pages. Owner: the span lock protects all state.
 */
#include "pages/turnover.h"

struct turnover turnover;

size_t turnover_level(void) {
    size_t live = load_relaxed(&page_counters.large_bytes);
    size_t told = load_relaxed(&turnover.level);
    return told > live ? told : live;
}
