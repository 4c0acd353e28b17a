/*
 * Purpose: see purge.h.
 * Layer: pages. State: one flag, set when the system refuses to purge (locked memory, for example).
 *
 * A run is taken out of use, purged without any lock, and then put back clean: nobody can allocate it meanwhile.
 */
#include "pages/purge.h"
#include "config/options.h"
#include "pages/chunk.h"
#include "pages/counters.h"
#include "pages/direct.h"
#include "platform/platform.h"

/* Refusals in a row until it is believed that the system refuses everything, and not just a page that the program has locked. */
enum { REFUSALS_MAX = 2 };

/* When the system refused to purge: how much must be dirty before it is asked again; else 0. Relaxed: a late reader tries once more. */
static _Atomic(size_t) ask_again_at;

/* The swing's state, all relaxed and each alone: threads that race may lose an update, which makes the budget a little smaller. */
static _Atomic(size_t) peak;   /* live memory before it fell */
static _Atomic(size_t) trough; /* the least since then */
static _Atomic(size_t) swing;  /* how far it rose again from a trough, lately */

static size_t live_bytes(void) {
    return load_relaxed(&page_counters.used_bytes) + load_relaxed(&page_counters.direct_bytes);
}

size_t purge_budget(void) {
    size_t share = live_bytes() >> option_get(OPTION_dirty_shift);
    size_t least = option_get(OPTION_dirty_min);
    size_t swung = load_relaxed(&swing);
    size_t most = option_get(OPTION_swing_max);
    swung = swung < most ? swung : most;
    least = least > swung ? least : swung;
    return share > least ? share : least;
}

void purge_note_growth(void) {
    size_t live = live_bytes();
    size_t low = load_relaxed(&trough);
    size_t high = load_relaxed(&peak);
    size_t risen = (live < high ? live : high) - low;
    if (live > low && risen <= high && risen > load_relaxed(&swing)) {
        store_relaxed(&swing, risen);
    }
    if (live >= high) {
        store_relaxed(&peak, live);
        store_relaxed(&trough, live);
    }
}

static void note_shrinking(void) {
    size_t live = live_bytes();
    if (live < load_relaxed(&trough)) {
        store_relaxed(&trough, live);
    }
}

/* Runs are whole OS pages: units and large blocks are multiples of the OS page, whatever its size up to 64 KiB. */
static bool purge_run(struct chunk *chunk, unsigned start, unsigned count) {
    return platform_purge(chunk->base + ((size_t)start << SLICE_SHIFT), (size_t)count << SLICE_SHIFT);
}

bool purge_down_to(size_t keep) {
    bool any = false;
    unsigned refusals = 0;
    struct chunk *chunk;
    unsigned start;
    unsigned count;
    bool whole;
    while (load_relaxed(&page_counters.dirty_bytes) > keep && direct_evict()) {
        any = true;
    }
    while (load_relaxed(&page_counters.dirty_bytes) > keep && chunk_take_dirty(&chunk, &start, &count, &whole)) {
        if (whole && platform_unmap(chunk->base, CHUNK_SIZE)) {
            chunk_forget(chunk);
            any = true;
            continue;
        }
        if (chunk_stop_huge(chunk)) {
            /* Or the kernel would fill the holes again when it collapses the chunk in the background. */
            platform_huge_pages(chunk->base, CHUNK_SIZE, false);
        }
        bool clean = purge_run(chunk, start, count);
        chunk_return_slices(chunk, start, count, clean);
        if (clean) {
            store_relaxed(&ask_again_at, 0);
            any = true;
            refusals = 0;
        } else if (++refusals == REFUSALS_MAX) {
            store_relaxed(&ask_again_at, 2 * load_relaxed(&page_counters.dirty_bytes));
            return any;
        }
    }
    if (keep == 0) {
        while ((chunk = chunk_take_empty()) != NULL) {
            if (!platform_unmap(chunk->base, CHUNK_SIZE)) {
                chunk_return_slices(chunk, 0, CHUNK_SLICES, false); /* others may have dirtied it since it was purged */
                break;
            }
            chunk_forget(chunk);
            any = true;
        }
    }
    return any;
}

void purge_if_over_budget(void) {
    note_shrinking();
    size_t budget = purge_budget();
    size_t dirty = load_relaxed(&page_counters.dirty_bytes);
    if (dirty > budget && dirty >= load_relaxed(&ask_again_at)) {
        /* What was kept was not enough or not needed: a swing that does not come again is forgotten step by step. */
        store_relaxed(&swing, load_relaxed(&swing) / 8 * 7);
        (void)purge_down_to(budget / 2);
    }
}
