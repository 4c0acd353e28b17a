/*
 * Purpose: see span_index.h.
 * Layer: pages. Owner: the span lock (span.c) protects every static variable here and every field of every span.
 */
#include "pages/span_index.h"
#include "base/bits.h"
#include "base/check.h"
#include "config/geometry.h"
#include "pages/fence.h"
#include "pages/meta.h"
#include "platform/platform.h"

enum {
    BINS = 8 * 36, /* eight to a doubling, up to all addresses there are */
    BIN_WORDS = (BINS + 63) / 64,
    TRIES = 16, /* spans of a bin that are looked at for the best fit */
    FIRST_BUCKETS = 256,
    DESCRIPTORS = 4, /* what mapping and cutting a span takes at most */
};

static struct span *lowest;
static uint64_t bin_maps[3][BIN_WORDS]; /* which of them are not empty */

/* The bins of the most usual sizes share a page with the first buckets. */
static SPARSE ALIGNED(SLICE_SIZE) struct {
    struct span *buckets[FIRST_BUCKETS];
    struct list bins[BINS][3];
} tables;
static struct span **buckets = tables.buckets;
static size_t bucket_count = FIRST_BUCKETS;
static struct span *unused; /* descriptors */
static unsigned unused_count;

/* --- descriptors ---------------------------------------------------------------------------------------------------------- */

static void drop(struct span *span) {
    span->next = unused;
    unused = span;
    unused_count++;
}

bool span_have_descriptors(void) {
    if (LIKELY(unused_count >= DESCRIPTORS)) {
        return true;
    }
    struct span *page = meta_alloc(SLICE_SIZE, SLICE_SIZE);
    if (page == NULL) {
        return false;
    }
    for (unsigned i = SLICE_SIZE / sizeof *page; i-- > 0;) {
        drop(&page[i]);
    }
    return true;
}

struct span *span_insert_above(struct span *below, uintptr_t start, size_t size, enum span_state state) {
    struct span *span = unused;
    unused = span->next;
    unused_count--;
    struct span *above = below ? below->above : lowest;
    *span = (struct span){.start = start, .size = size, .below = below, .above = above, .state = state};
    *(below ? &below->above : &lowest) = span;
    if (above) {
        above->below = span;
    }
    return span;
}

void span_remove_from_order(struct span *span) {
    *(span->below ? &span->below->above : &lowest) = span->above;
    if (span->above) {
        span->above->below = span->below;
    }
    drop(span);
}

/* --- table of used and cached spans ------------------------------------------------------------------------------------------ */

static struct span **bucket_of(uintptr_t address) {
    return &buckets[(size_t)((address >> SLICE_SHIFT) * 0x9E3779B97F4A7C15u >> 20) & (bucket_count - 1)];
}

void span_enter_in_table(struct span *span) {
    struct span **bucket = bucket_of(span->start);
    span->next = *bucket;
    *bucket = span;
}

void span_remove_from_table(struct span *span) {
    struct span **link = bucket_of(span->start);
    while (*link != span) {
        link = &(*link)->next;
    }
    *link = span->next;
}

struct span *span_find_used(uintptr_t address) {
    struct span *span = *bucket_of(address);
    while (span && span->start != address) {
        span = span->next;
    }
    return span && span->state == USED ? span : NULL;
}

/* Without memory for that the chains grow longer. */
void span_widen_table(void) {
    if (LIKELY(load_relaxed(&page_counters.large_count) < bucket_count)) {
        return;
    }
    struct span **old = buckets;
    size_t old_count = bucket_count;
    size_t bytes = align_up(2 * old_count * sizeof(void *), platform_page_size());
    struct span **wider = fenced_map(bytes, platform_page_size());
    if (wider == NULL) {
        return;
    }
    buckets = wider;
    bucket_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct span *span = old[i];
            old[i] = span->next;
            span_enter_in_table(span);
        }
    }
    if (old != tables.buckets) {
        (void)fenced_unmap(old, align_up(old_count * sizeof(void *), platform_page_size()));
    }
}

/* --- bins of dirty and of clean spans ------------------------------------------------------------------------------------------ */

static unsigned bin_of(size_t size) {
    size_t slices = size >> SLICE_SHIFT;
    if (slices < 8) {
        return (unsigned)slices;
    }
    unsigned shift = highest_bit(slices) - 3;
    unsigned bin = shift * 8 + (unsigned)(slices >> shift);
    return bin < BINS ? bin : BINS - 1;
}

void span_enter_in_bin(struct span *span) {
    unsigned bin = bin_of(span->size);
    list_push(&tables.bins[bin][span->state], &span->in_bin);
    bin_maps[span->state][bin / 64] |= (uint64_t)1 << (bin % 64);
    if (span->state == DIRTY) {
        span_count(&page_counters.large_dirty_bytes, span->size);
    }
}

void span_remove_from_bin(struct span *span) {
    unsigned bin = bin_of(span->size);
    list_remove(&span->in_bin);
    if (tables.bins[bin][span->state].first == NULL) {
        bin_maps[span->state][bin / 64] &= ~((uint64_t)1 << (bin % 64));
    }
    if (span->state == DIRTY) {
        span_count(&page_counters.large_dirty_bytes, -span->size);
    }
}

/* The lowest bin from `from` on that is not empty; BINS when there is none. */
static unsigned next_bin(enum span_state state, unsigned from) {
    for (unsigned w = from / 64; w < BIN_WORDS; w++) {
        uint64_t word = bin_maps[state][w];
        if (w == from / 64) {
            word &= ~(uint64_t)0 << (from % 64);
        }
        if (word) {
            return w * 64 + lowest_bit(word);
        }
    }
    return BINS;
}

/* The highest bin below `below` that is not empty; BINS when there is none. */
static unsigned previous_bin(enum span_state state, unsigned below) {
    while (below > 0) {
        unsigned w = (below - 1) / 64;
        uint64_t word = bin_maps[state][w];
        if (below % 64) {
            word &= ((uint64_t)1 << (below % 64)) - 1;
        }
        if (word) {
            return w * 64 + highest_bit(word);
        }
        below = w * 64;
    }
    return BINS;
}

static struct span *best_of(enum span_state state, unsigned bin, size_t size) {
    struct span *best = NULL;
    unsigned tries = TRIES;
    for (struct list_node *node = tables.bins[bin][state].first; node && tries; node = node->next, tries--) {
        struct span *span = LIST_ENTRY(node, struct span, in_bin);
        if (span->size >= size && (best == NULL || span->size < best->size)) {
            best = span;
        }
    }
    return best;
}

struct span *span_fit(enum span_state state, size_t size) {
    unsigned bin = bin_of(size);
    struct span *best = best_of(state, bin, size);
    if (best == NULL) {
        bin = next_bin(state, bin + 1);
        best = bin < BINS ? best_of(state, bin, size) : NULL;
    }
    return best;
}

void span_enter_free(struct span *span) {
    struct span *below = span->below;
    if (span_touches(below, span) && below->state == span->state) {
        span_remove_from_bin(below);
        span->start = below->start;
        span->size += below->size;
        span_remove_from_order(below);
    }
    struct span *above = span->above;
    if (span_touches(span, above) && above->state == span->state) {
        span_remove_from_bin(above);
        span->size += above->size;
        span_remove_from_order(above);
    }
    span_enter_in_bin(span);
}

struct span *span_next_smaller(enum span_state state, const struct span *span) {
    if (span && span->in_bin.next) {
        return LIST_ENTRY(span->in_bin.next, struct span, in_bin);
    }
    unsigned bin = previous_bin(state, span ? bin_of(span->size) : BINS);
    return bin < BINS ? LIST_ENTRY(tables.bins[bin][state].first, struct span, in_bin) : NULL;
}

struct span *span_lowest(void) {
    return lowest;
}

/* --- invariants --------------------------------------------------------------------------------------------------- */

static void check_order(void) {
    size_t sums[BUSY + 1] = {0};
    size_t used = 0;
    for (struct span *span = lowest; span; span = span->above) {
        CHECK(span->size != 0 && (span->above == NULL || span->above->below == span));
        CHECK(span->above == NULL || span->start + span->size <= span->above->start || span->state == BUSY);
        CHECK(!span_touches(span, span->above) || !span_is_in_bin(span) || span->state != span->above->state);
        CHECK(list_contains(&span->in_bin) == span_is_in_bin(span));
        CHECK(span->state != HUGE || ((span->start | span->size) & (HUGE_WINDOW - 1)) == 0);
        CHECK(span->state != USED || span_find_used(span->start) == span);
        sums[span->state] += span->size;
        used += span->state == USED;
    }
    CHECK(sums[USED] == load_relaxed(&page_counters.large_bytes) && used == load_relaxed(&page_counters.large_count));
    CHECK(sums[DIRTY] + sums[CACHED] == load_relaxed(&page_counters.large_dirty_bytes));
    CHECK(sums[CLEAN] + sums[DIRTY] + sums[HUGE] + sums[USED] + sums[CACHED] + sums[BUSY] == load_relaxed(&page_counters.span_bytes));
}

static void check_bins(enum span_state state) {
    for (unsigned bin = 0; bin < BINS; bin++) {
        CHECK((tables.bins[bin][state].first != NULL) == (bin_maps[state][bin / 64] >> (bin % 64) & 1));
        for (struct list_node *node = tables.bins[bin][state].first; node; node = node->next) {
            struct span *span = LIST_ENTRY(node, struct span, in_bin);
            CHECK(span->state == state && bin_of(span->size) == bin);
        }
    }
}

void span_check_index(void) {
    check_order();
    check_bins(CLEAN);
    check_bins(DIRTY);
    check_bins(HUGE);
}
