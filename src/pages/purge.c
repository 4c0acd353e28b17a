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
#include "pages/limit.h"
#include "platform/platform.h"

/* Refusals in a row until it is believed that the system refuses everything, and not just a page that the program has locked. */
enum { REFUSALS_MAX = 2 };

/* When the system refused to purge: how much must be dirty before it is asked again; else 0. Relaxed: a late reader tries once more. */
static _Atomic(size_t) ask_again_at;

/* The swing's state, all relaxed and each alone: threads that race may lose an update, which makes the budget a little smaller. */
static _Atomic(size_t) swing;         /* what giving back was regretted, fading */
static _Atomic(size_t) purged_before; /* the counters when it was last looked at */
static _Atomic(size_t) clean_before;

static size_t live_bytes(void) {
    return load_relaxed(&page_counters.used_bytes) + load_relaxed(&page_counters.direct_bytes);
}

static size_t swing_limit(void) {
    size_t most = option_get(OPTION_swing_max);
    size_t share = live_bytes() >> SWING_SHIFT;
    return most > share ? most : share;
}

size_t purge_budget(void) {
    size_t live = live_bytes();
    size_t share = live >> option_get(OPTION_dirty_shift);
    size_t least = option_get(OPTION_dirty_min);
    size_t swung = load_relaxed(&swing);
    size_t most = swing_limit();
    swung = swung < most ? swung : most;
    least = least > swung ? least : swung;
    return limit_budget(share > least ? share : least);
}

/* What went back to the system and was needed again since the last look adds to the swing; the rest of it fades. */
static void note_regret(void) {
    size_t purged = load_relaxed(&page_counters.purged_bytes);
    size_t clean = load_relaxed(&page_counters.clean_taken_bytes);
    size_t given = purged - load_relaxed(&purged_before);
    size_t taken = clean - load_relaxed(&clean_before);
    size_t swung = load_relaxed(&swing) / 8 * 7 + (given < taken ? given : taken);
    size_t limit = swing_limit();
    store_relaxed(&swing, swung < limit ? swung : limit);
    store_relaxed(&purged_before, purged);
    store_relaxed(&clean_before, clean);
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
    if (load_relaxed(&page_counters.purged_bytes) != load_relaxed(&purged_before)) {
        note_regret();
    }
    size_t budget = purge_budget();
    size_t dirty = load_relaxed(&page_counters.dirty_bytes);
    if (dirty > budget && dirty >= load_relaxed(&ask_again_at)) {
        (void)purge_down_to(budget / 2);
    }
}
