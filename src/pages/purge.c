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

/* Relaxed: a late reader tries once more in vain. */
static _Atomic(bool) refused;

size_t purge_budget(void) {
    size_t live = load_relaxed(&page_counters.used_bytes) + load_relaxed(&page_counters.direct_bytes);
    size_t share = live >> option_get(OPTION_dirty_shift);
    size_t least = option_get(OPTION_dirty_min);
    return share > least ? share : least;
}

/* Runs are whole OS pages: units and large blocks are multiples of the OS page, whatever its size up to 64 KiB. */
static bool purge_run(struct chunk *chunk, unsigned start, unsigned count) {
    return platform_purge(chunk->base + ((size_t)start << SLICE_SHIFT), (size_t)count << SLICE_SHIFT);
}

bool purge_down_to(size_t keep) {
    bool any = false;
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
        if (!clean) {
            store_relaxed(&refused, true);
            return any;
        }
        any = true;
    }
    if (keep == 0) {
        while ((chunk = chunk_take_empty()) != NULL) {
            if (!platform_unmap(chunk->base, CHUNK_SIZE)) {
                chunk_return_slices(chunk, 0, CHUNK_SLICES, true);
                break;
            }
            chunk_forget(chunk);
            any = true;
        }
    }
    return any;
}

void purge_if_over_budget(void) {
    size_t budget = purge_budget();
    if (load_relaxed(&page_counters.dirty_bytes) > budget && !load_relaxed(&refused)) {
        (void)purge_down_to(budget / 2);
    }
}
