/*
 * Purpose: see growth.h.
 * Layer: pages. Owner: the chunk lock protects stalled_at; the others are hints, written by anybody.
 */
#include "pages/growth.h"
#include "base/atomic.h"
#include "config/geometry.h"
#include "pages/counters.h"

#define PATIENCE_MIN ((size_t)4 << 20)
#define STALL_MAX ((size_t)16 << 20)
enum { PATIENCE_SHIFT = 2 };

static _Atomic(unsigned) untouched; /* units. Relaxed: who reads it without the lock looks again under it */
static _Atomic(size_t) exchanged;   /* bytes since one of them was taken. Relaxed: a little more or less does not matter */
static size_t stalled_at;           /* live bytes, at last; 0: it never did */

void growth_expected(unsigned units) {
    fetch_add_relaxed(&untouched, units);
    store_relaxed(&exchanged, 0);
}

void growth_goes_on(unsigned units) {
    fetch_sub_relaxed(&untouched, units);
    store_relaxed(&exchanged, 0);
}

void growth_ends(unsigned units) {
    fetch_sub_relaxed(&untouched, units);
}

void growth_has_stalled(void) {
    stalled_at = page_live_bytes();
}

bool growth_fills_next(void) {
    size_t live = page_live_bytes();
    size_t more = stalled_at < STALL_MAX ? stalled_at : STALL_MAX;
    return live + CHUNK_SIZE <= stalled_at || live >= stalled_at + more;
}

void growth_note_exchanged(size_t bytes) {
    if (load_relaxed(&untouched)) {
        fetch_add_relaxed(&exchanged, bytes);
    }
}

bool growth_is_stalled(void) {
    if (LIKELY(load_relaxed(&untouched) == 0)) {
        return false;
    }
    size_t patience = page_live_bytes() >> PATIENCE_SHIFT;
    return load_relaxed(&exchanged) >= (patience > PATIENCE_MIN ? patience : PATIENCE_MIN);
}
