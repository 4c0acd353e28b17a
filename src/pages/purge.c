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
#include "pages/fence.h"
#include "pages/filled.h"
#include "pages/growth.h"
#include "pages/huge.h"
#include "pages/limit.h"
#include "pages/page_map.h"
#include "pages/span.h"
#include "pages/sparse.h"
#include "pages/turnover.h"
#include "platform/platform.h"

/* Refusals in a row until it is believed that the system refuses everything, and not just a page that the program has locked. */
enum { REFUSALS_MAX = 2 };

/* What slabs gave back for good is remembered up to so many times swing_max. */
enum { SLAB_DEBT = 4 };

/* When the system refused to purge: how much must be dirty before it is asked again; else 0. Relaxed: a late reader tries once more. */
static _Atomic(size_t) ask_again_at;

/* The swing's state, all relaxed and each alone: threads that race may lose an update, which makes the budget a little smaller. */
static _Atomic(size_t) swing;         /* what giving back was regretted, fading */
static _Atomic(size_t) given_lately;  /* what was given back and not needed again so far, up to a limit */
static _Atomic(size_t) purged_before; /* the counters when it was last looked at */
static _Atomic(size_t) clean_before;
static _Atomic(ptrdiff_t) slab_swing; /* see purge_budget_of_slabs; below 0: slabs gave back more for good */

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/*
 * The most that the swing may keep: a figure of its own, a share of live memory, or, for large blocks in steady replacement, what fills
 * the gap between what is live and a little more than was live at their peak, but no more than what is live.
 *
 * Where blocks get filled each page that goes back too early is a fault, and what is kept has been seen to be used: that may be a
 * quarter more than what is live, and in a small heap twice the figure. Instead of what is live the level of the turnover counts,
 * up to the figure above what is live: a program that stops while its blocks are few keeps so much more at most.
 */
static size_t swing_limit(void) {
    size_t most = option_get(OPTION_swing_max);
    if (most == 0) {
        return 0; /* who wants no swing wants none */
    }
    bool filled = filled_usually();
    size_t live = page_live_bytes();
    size_t large = load_relaxed(&page_counters.large_bytes);
    size_t peak = load_relaxed(&page_counters.large_peak_bytes);
    size_t high = peak + peak * PEAK_SHARE / 16;
    size_t level = turnover_level();
    size_t more = level > large ? smaller(level - large, most) : 0;
    size_t gap = smaller(high > large ? high - large : 0, filled ? (large + more) / 4 * 5 : large);
    size_t few = filled ? smaller(2 * most, (live + more) / 4 * 5) : 0;
    return larger(larger(most, live >> SWING_SHIFT), larger(gap, few));
}

size_t purge_budget(void) {
    size_t live = page_live_bytes();
    size_t share = live >> option_get(OPTION_dirty_shift);
    size_t least = option_get(OPTION_dirty_min);
    size_t swung = load_relaxed(&swing);
    if (swung > option_get(OPTION_swing_max)) { /* that much it may be in any case */
        swung = smaller(swung, swing_limit());
    }
    least = least > swung ? least : swung;
    return limit_budget(share > least ? share : least);
}

/* The peak that counts was not long ago: what goes back takes a sixteenth of its size off what lies above live memory. */
static void lower_peak(size_t given) {
    size_t large = load_relaxed(&page_counters.large_bytes);
    size_t peak = load_relaxed(&page_counters.large_peak_bytes);
    if (peak > large) {
        size_t above = peak - large;
        store_relaxed(&page_counters.large_peak_bytes, peak - (above < given / 16 ? above : given / 16));
    }
}

/* What went back to the system and was needed again adds four times its size to the swing; all that goes back takes a quarter of its size
 * off. So the swing is soon as large as it may be while more than a sixteenth is needed again, and is gone when much goes back for good.
 * To be called before each purge: what was taken before it was not regretted because of it. */
static void note_regret(void) {
    size_t purged = load_relaxed(&page_counters.purged_bytes);
    size_t clean = load_relaxed(&page_counters.clean_taken_bytes);
    size_t given = purged - load_relaxed(&purged_before);
    size_t taken = clean - load_relaxed(&clean_before);
    if ((ptrdiff_t)given < 0 || (ptrdiff_t)taken < 0) {
        return; /* another thread has looked at later counts meanwhile */
    }
    size_t limit = swing_limit();
    size_t owed = load_relaxed(&given_lately) + given;
    size_t regretted = smaller(owed, taken);
    size_t before = load_relaxed(&swing);
    size_t swung = before + 4 * regretted;
    swung = swung > given / 4 ? swung - given / 4 : 0;
    owed -= regretted;
    size_t most = given ? limit : larger(limit, before); /* what is live at a moment without a purge takes nothing off */
    store_relaxed(&swing, smaller(swung, most));
    store_relaxed(&given_lately, given ? smaller(owed, 2 * limit) : owed);
    lower_peak(given);
    store_relaxed(&purged_before, purged);
    store_relaxed(&clean_before, clean);
}

/* Runs are whole OS pages: units are multiples of the OS page, whatever its size up to 64 KiB. */
static bool purge_run(struct chunk *chunk, unsigned start, unsigned count) {
    return platform_purge(chunk->base + ((size_t)start << SLICE_SHIFT), (size_t)count << SLICE_SHIFT);
}

/* The chunk is on no list. Its bits go first: once the addresses are free, another thread's next chunk may lie there. */
static bool unmap(struct chunk *chunk) {
    page_map_clean((uintptr_t)chunk->base);
    if (!fenced_unmap(chunk->base, CHUNK_SIZE)) {
        return false;
    }
    huge_given(chunk->base, CHUNK_SIZE);
    chunk_forget(chunk);
    return true;
}

/* The run is out of use. */
static bool purge_part(struct chunk *chunk, unsigned start, unsigned count) {
    chunk_part_goes(chunk, chunk->base + ((size_t)start << SLICE_SHIFT), count);
    bool clean = purge_run(chunk, start, count);
    chunk_return_slices(chunk, start, count, clean);
    return clean;
}

static enum span_result purge_chunk(void) {
    struct chunk *chunk;
    unsigned start;
    unsigned count;
    bool whole;
    if (!chunk_take_dirty(&chunk, &start, &count, &whole)) {
        return SPAN_NOTHING;
    }
    if (whole && unmap(chunk)) {
        return SPAN_DONE;
    }
    return purge_part(chunk, start, count) ? SPAN_DONE : SPAN_REFUSED;
}

/* True when address space went back. Others may empty chunks and map spans as fast as these go: no more of them than there can have been
 * at first, each of a unit at least. */
static bool unmap_all(bool dirty) {
    bool any = false;
    struct chunk *chunk;
    size_t chunks = load_relaxed(&page_counters.chunk_bytes) / CHUNK_SIZE;
    size_t spans = load_relaxed(&page_counters.span_bytes) / UNIT_SIZE;
    for (; chunks && (chunk = chunk_take_empty()) != NULL; chunks--) {
        if (!unmap(chunk)) {
            chunk_return_slices(chunk, 0, CHUNK_SLICES, false); /* others may have dirtied it since it was purged */
            break;
        }
        any = true;
    }
    for (; spans && span_unmap(dirty) == SPAN_DONE; spans--) {
        any = true;
    }
    return any;
}

bool purge_down_to(size_t keep) {
    bool any = false;
    unsigned refusals = 0;
    size_t dirty;
    /* What others soil meanwhile may be as much as goes back: then this would never end. */
    size_t before = load_relaxed(&page_counters.purged_bytes);
    size_t most = page_dirty_bytes();
    while ((dirty = page_dirty_bytes()) > keep && load_relaxed(&page_counters.purged_bytes) - before < most) {
        if (direct_evict()) {
            any = true;
            continue;
        }
        enum span_result result = span_purge(dirty - keep, refusals);
        if (result == SPAN_NOTHING) {
            result = purge_chunk();
        }
        if (result == SPAN_NOTHING) {
            break;
        }
        if (result == SPAN_DONE) {
            store_relaxed(&ask_again_at, 0);
            any = true;
            refusals = 0;
        } else if (++refusals == REFUSALS_MAX) {
            store_relaxed(&ask_again_at, 2 * dirty);
            break;
        }
    }
    return keep == 0 ? unmap_all(refusals != 0) || any : any; /* what is locked goes with its addresses */
}

size_t purge_budget_now(void) {
    if (load_relaxed(&page_counters.purged_bytes) != load_relaxed(&purged_before) ||
        load_relaxed(&page_counters.clean_taken_bytes) != load_relaxed(&clean_before)) {
        note_regret();
    }
    return purge_budget();
}

static void move_slab_swing(ptrdiff_t by) {
    ptrdiff_t most = (ptrdiff_t)option_get(OPTION_swing_max);
    ptrdiff_t least = -(most < PTRDIFF_MAX / SLAB_DEBT ? SLAB_DEBT * most : most);
    ptrdiff_t swung = load_relaxed(&slab_swing);
    swung = by > 0 && swung > most - by ? most : swung + by;
    store_relaxed(&slab_swing, swung > least ? swung : least);
}

void purge_note_slab_gave(size_t bytes) {
    move_slab_swing(-(ptrdiff_t)bytes);
}

void purge_note_slab_took(size_t bytes) {
    move_slab_swing(2 * (ptrdiff_t)bytes);
}

size_t purge_budget_of_slabs(void) {
    ptrdiff_t swung = load_relaxed(&slab_swing);
    return limit_budget(purge_budget_now() + (swung > 0 ? (size_t)swung : 0));
}

/* How much may be dirty for so much to be backed: more where the program hardly touches its large blocks. */
static size_t dirty_for(size_t backed) {
    size_t chunks = load_relaxed(&page_counters.dirty_bytes);
    if (LIKELY(!sparse_usually()) || chunks >= backed) {
        return backed;
    }
    return limit_budget(chunks + (backed - chunks) * SPARSE_SHARE);
}

void purge_over_least(size_t dirty) {
    size_t budget = purge_budget_now();
    if (dirty > dirty_for(budget) && dirty >= load_relaxed(&ask_again_at)) {
        /* Half, unless much of what goes back comes again. */
        (void)purge_down_to(dirty_for(smaller(load_relaxed(&swing), swing_limit()) < budget / 2 ? budget / 2 : budget - budget / 8));
    }
}

void purge_after_exchange(size_t bytes) {
    growth_note_exchanged(bytes);
    struct chunk *chunk;
    unsigned start;
    unsigned count;
    if (LIKELY(!growth_is_stalled())) {
        return;
    }
    (void)purge_budget_now(); /* reckons up */
    while (growth_is_stalled() && chunk_take_untouched(&chunk, &start, &count)) {
        (void)purge_part(chunk, start, count);
    }
}
