/*
 * Purpose: see span.h: what goes back to the system, by purging or unmapping.
 * Layer: pages. No state of its own; the span lock protects every span. A span is taken out of its bin, given back while nobody can find it
 * and no lock is held, and then entered again as what it has become.
 */
#include "base/bits.h"
#include "pages/counters.h"
#include "pages/filled.h"
#include "pages/huge.h"
#include "pages/span.h"
#include "pages/span_index.h"
#include "pages/span_inside.h"
#include "pages/sparse.h"
#include "platform/platform.h"

#define UNMAP_MIN ((size_t)1 << 20)      /* less is not worth a hole in a mapping */
#define UNMAP_END_MIN ((size_t)64 << 10) /* nor is less worth a system call, where it makes no hole */
#define PURGE_STEP ((size_t)64 << 10)
#define WINDOWS_MIN (16 * HUGE_WINDOW) /* a smaller heap does without what goes by whole windows too soon */

static struct span *largest_dirty(unsigned skip) {
    struct span *span = span_next_smaller(DIRTY, NULL);
    while (span && skip--) {
        span = span_next_smaller(DIRTY, span);
    }
    return span;
}

/* Whether what lies between is better given back by whole windows, which may then be huge again, and serve nothing else meanwhile. */
static bool windows_go(uintptr_t start, uintptr_t end) {
    size_t peak = load_relaxed(&page_counters.large_peak_bytes);
    return start < end && (peak >= WINDOWS_MIN || page_live_bytes() >= WINDOWS_MIN) && filled_usually() &&
           huge_soon((char *)start, end - start);
}

/* Cuts a dirty span, in no bin, down to the part that goes back: whole windows of it, which may then be backed by huge pages again (true),
 * or its upper end. */
static bool cut_what_goes(struct span *span, size_t most) {
    most = align_up(most < PTRDIFF_MAX - HUGE_WINDOW ? most : PTRDIFF_MAX - HUGE_WINDOW, PURGE_STEP);
    if (!span_have_descriptors()) {
        return false;
    }
    uintptr_t start = align_up(span->start, HUGE_WINDOW);
    uintptr_t end = align_down(span->start + span->size, HUGE_WINDOW);
    bool windows = windows_go(start, end);
    if (windows) {
        size_t bytes = align_up(most, HUGE_WINDOW);
        start = end - start > bytes ? end - bytes : start;
    } else {
        end = span->start + span->size;
        start = span->size > most ? end - most : span->start;
    }
    uintptr_t old_start = span->start;
    uintptr_t old_end = span->start + span->size;
    span->start = start;
    span->size = end - start;
    if (old_start < start) {
        span_enter_in_bin(span_insert_above(span->below, old_start, start - old_start, DIRTY));
    }
    if (end < old_end) {
        span_enter_in_bin(span_insert_above(span, end, old_end - end, DIRTY));
    }
    return windows;
}

/* The windows that the span lies in, as far as they belong to spans, ask for huge pages no more: or the kernel would fill again what is
 * purged of them. Whole windows, so that there are not more mappings than windows. */
static void stop_huge(const struct span *span) {
    uintptr_t start = align_down(span->start, HUGE_WINDOW);
    uintptr_t end = align_up(span->start + span->size, HUGE_WINDOW);
    const struct span *first = span;
    while (first->start > start && span_touches(first->below, first) && first->below->state != BUSY) {
        first = first->below;
    }
    const struct span *last = span;
    while (last->start + last->size < end && span_touches(last, last->above) && last->above->state != BUSY) {
        last = last->above;
    }
    start = first->start > start ? first->start : start;
    end = last->start + last->size < end ? last->start + last->size : end;
    platform_huge_pages((void *)start, end - start, false);
    huge_broken((char *)start, end - start);
}

static size_t overlap(const struct span *span, uintptr_t window) {
    uintptr_t end = span->start + span->size;
    uintptr_t from = span->start > window ? span->start : window;
    uintptr_t to = end < window + HUGE_WINDOW ? end : window + HUGE_WINDOW;
    return from < to ? to - from : 0;
}

/* Whether half of the window will have gone, but not all at once, when the span has. */
static bool half_goes(const struct span *span, uintptr_t window) {
    size_t gone = overlap(span, window);
    if (gone == HUGE_WINDOW) {
        return false;
    }
    for (const struct span *below = span->below; below && below->start + below->size > window; below = below->below) {
        gone += below->state == CLEAN ? overlap(below, window) : 0;
    }
    for (const struct span *above = span->above; above && above->start < window + HUGE_WINDOW; above = above->above) {
        gone += above->state == CLEAN ? overlap(above, window) : 0;
    }
    return gone >= HUGE_WINDOW / 2;
}

enum span_result span_purge(size_t most, unsigned skip) {
    lock_take(&span_lock, LOCK_SPANS);
    (void)span_empty_cache();
    struct span *span = largest_dirty(skip);
    if (span == NULL) {
        lock_give(&span_lock, LOCK_SPANS);
        return SPAN_NOTHING;
    }
    span_remove_from_bin(span);
    bool windows = cut_what_goes(span, most);
    if (windows) {
        span_windows_made = true;
        platform_huge_pages((void *)span->start, span->size, true);
    } else if (span_windows_made) {
        stop_huge(span);
    }
    uintptr_t first = align_down(span->start, HUGE_WINDOW);
    uintptr_t last = align_down(span->start + span->size - 1, HUGE_WINDOW);
    bool parts = span_windows_made && !windows;
    bool break_first = parts && half_goes(span, first);
    bool break_last = parts && last != first && half_goes(span, last);
    span->state = BUSY;
    lock_give(&span_lock, LOCK_SPANS);

    if (break_first) { /* one page of it is enough, and costs little where it is broken up already */
        platform_break_huge_pages((void *)span->start, platform_page_size());
    }
    if (break_last) {
        platform_break_huge_pages((void *)last, platform_page_size());
    }
    bool purged = platform_purge((void *)span->start, span->size);

    lock_take(&span_lock, LOCK_SPANS);
    span_purge_refused = !purged;
    if (purged) {
        fetch_add_relaxed(&page_counters.purged_bytes, span->size);
        fetch_add_relaxed(&page_counters.purge_calls, 1);
        if (windows) {
            huge_given((char *)span->start, span->size);
        }
    }
    span->state = !purged ? DIRTY : windows ? HUGE : CLEAN;
    span_enter_free(span);
    lock_give(&span_lock, LOCK_SPANS);
    return purged ? SPAN_DONE : SPAN_REFUSED;
}

bool span_forget(void *start, size_t bytes) {
    lock_take(&span_lock, LOCK_SPANS);
    /* Of a block that is taken and given back again and again this is the only sample there is: it never leaves the cache. */
    if (!span_windows_made) {
        sparse_note_given((uintptr_t)start, bytes, SPARSE_FORGOTTEN);
    }
    bool goes = !span_windows_made && sparse_usually();
    lock_give(&span_lock, LOCK_SPANS);
    return goes && platform_purge(start, bytes);
}

static bool worth_unmapping(const struct span *span) {
    bool hole = span_touches(span->below, span) && span_touches(span, span->above);
    return span->size >= (hole ? UNMAP_MIN : UNMAP_END_MIN);
}

/* The largest of those that are worth it. */
static struct span *to_unmap(enum span_state state) {
    struct span *span = span_next_smaller(state, NULL);
    while (span && !worth_unmapping(span)) {
        span = span_next_smaller(state, span);
    }
    return span;
}

enum span_result span_unmap(bool dirty) {
    lock_take(&span_lock, LOCK_SPANS);
    struct span *span = to_unmap(HUGE);
    span = span ? span : to_unmap(CLEAN);
    if (span == NULL && dirty) {
        (void)span_empty_cache();
        span = to_unmap(DIRTY);
    }
    if (span == NULL) {
        lock_give(&span_lock, LOCK_SPANS);
        return SPAN_NOTHING;
    }
    span_remove_from_bin(span);
    enum span_state state = span->state;
    span->state = BUSY;
    lock_give(&span_lock, LOCK_SPANS);

    bool unmapped = platform_unmap((void *)span->start, span->size);

    lock_take(&span_lock, LOCK_SPANS);
    if (unmapped) {
        span_count(&page_counters.span_bytes, -span->size);
        if (state == DIRTY) {
            fetch_add_relaxed(&page_counters.purged_bytes, span->size);
            fetch_add_relaxed(&page_counters.purge_calls, 1);
            huge_broken((char *)span->start, span->size);
        }
        struct span *below = span->below;
        span_remove_from_order(span);
        if (below && span_is_in_bin(below)) { /* others may have mapped there meanwhile, and the span stood between them */
            span_remove_from_bin(below);
            span_enter_free(below);
        }
    } else {
        span->state = state;
        span_enter_free(span);
    }
    lock_give(&span_lock, LOCK_SPANS);
    return unmapped ? SPAN_DONE : SPAN_REFUSED;
}
