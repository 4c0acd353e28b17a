/*
 * Purpose: see span.h: taking, giving and resizing. Giving back to the system: span_back.c.
 * Layer: pages. Owner: span_lock protects every variable here and in span_index.c, and every field of every span.
 *
 * A request is served by the first of these that there is: the newest freed span of its size, or little more; the smallest dirty span that
 * is large enough; a dirty span that becomes large enough with the clean pages beside it; the smallest clean span; a fresh mapping. So
 * pages that are backed are used before pages that are not.
 */
#include "pages/span.h"
#include "base/bits.h"
#include "config/geometry.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/filled.h"
#include "pages/huge.h"
#include "pages/limit.h"
#include "pages/span_index.h"
#include "pages/span_inside.h"
#include "pages/sparse.h"
#include "pages/turnover.h"
#include "platform/lock.h"
#include "platform/platform.h"

enum {
    STRETCHED = 16, /* dirty spans that are tried with their free neighbours */
    CACHE = 8,
    GROW_SHIFT = 3,  /* a mapping is made for this share of what is mapped already */
    SPARE_SHIFT = 3, /* a block may be longer than was asked for by this share */
};

#define GROW_MIN ((size_t)2 << 20)
#define GROW_MAX ((size_t)64 << 20)
#define ZEROS_MIN ((size_t)2 << 20) /* who wants that many zeros gets clean pages rather than dirty ones that must be cleared */

struct lock span_lock;
bool span_windows_made;
bool span_purge_refused;
static struct cached {
    struct span *span;
    size_t size;     /* of the span; here, so that a search looks at no other line */
} cached[1 + CACHE]; /* oldest first, behind one that has no size and so serves nobody */
static unsigned cached_count;

/* --- taking ------------------------------------------------------------------------------------------------------------------ */

/* place: 1 for the oldest. */
ALWAYS_INLINE struct span *uncache(unsigned place) {
    struct cached found = cached[place];
    for (unsigned i = place; i < cached_count; i++) {
        cached[i] = cached[i + 1];
    }
    cached_count--;
    span_count(&page_counters.large_dirty_bytes, -found.size);
    return found.span;
}

/* A span that was cached joins the dirty ones. While blocks of one size come and go there is nothing to be learnt from them. */
static void enter_dirty(struct span *span) {
    if (!HARDENED_BY(HARDENED_FENCES)) {
        sparse_note_given(span->start, span->size, span->soiled_from == span->soiled_to ? SPARSE_CLEAN : SPARSE_ANY);
    }
    span_remove_from_table(span);
    span->state = DIRTY;
    span_enter_free(span);
}

bool span_empty_cache(void) {
    bool any = cached_count != 0;
    while (cached_count) {
        enter_dirty(uncache(cached_count));
    }
    return any;
}

/*
 * What little a dirty span has beyond a block of the size stays with the block. It is no good to others, and without it the next block of
 * about this size that comes here could not begin where this one did, on a page that is backed. What is clean is always cut off, so that a
 * block never makes the heap larger by more than was asked for (of a window all is backed, and so counts as dirty); and all is, where a
 * fence is to stand close behind the block.
 */
static bool is_little(size_t beyond, size_t size) {
    return beyond <= (HARDENED_BY(HARDENED_FENCES) ? 0 : size >> SPARE_SHIFT);
}

static bool serves(const struct cached *place, size_t size, size_t align) {
    return place->size == size && (place->span->start & (align - 1)) == 0;
}

static NOINLINE struct span *take_cached_before(unsigned newest, size_t size, size_t align) {
    for (unsigned place = newest; --place != 0;) {
        if (serves(&cached[place], size, align)) {
            return uncache(place);
        }
    }
    size_t beyond = cached[newest].size - size; /* more than there can be, when that is shorter */
    if (beyond && is_little(beyond, size) && (cached[newest].span->start & (align - 1)) == 0) {
        return uncache(newest);
    }
    return NULL;
}

/* The newest of exactly the size, or else the newest of all if it is little longer, as one is that was used for this size before. */
ALWAYS_INLINE struct span *take_cached(size_t size, size_t align) {
    unsigned newest = cached_count;
    if (LIKELY(serves(&cached[newest], size, align))) {
        return uncache(newest);
    }
    return newest ? take_cached_before(newest, size, align) : NULL;
}

/* `size` bytes of a free span, at its lower or upper end, become part of the neighbour that touches it there, which is in no bin. */
static void annex(struct span *span, struct span *neighbour, size_t size) {
    bool above = neighbour->start > span->start;
    span_remove_from_bin(neighbour);
    span->size += size;
    span->start -= above ? 0 : size;
    neighbour->start += above ? size : 0;
    neighbour->size -= size;
    if (neighbour->size == 0) {
        span_remove_from_order(neighbour);
    } else {
        span_enter_in_bin(neighbour);
    }
}

/* Looks at the free spans that touch each other from `span` on, away from it, until `missing` bytes are found: how many are left missing.
 */
static size_t reach(const struct span *span, bool upwards, size_t missing, size_t *clean) {
    while (missing) {
        const struct span *next = upwards ? span->above : span->below;
        if (!(upwards ? span_touches(span, next) : span_touches(next, span)) || !span_is_free(next)) {
            break;
        }
        size_t part = next->size < missing ? next->size : missing;
        *clean += next->state == CLEAN ? part : 0;
        missing -= part;
        span = next;
    }
    return missing;
}

/* What a search found: a free span in no bin, how much of it is clean, at least, and between which addresses it is not. */
struct found {
    struct span *span;
    size_t clean;
    uintptr_t soiled_from;
    uintptr_t soiled_to;
    bool watch;   /* its pages become backed one by one */
    bool windows; /* it begins with a window that nobody has touched */
};

static struct found found_whole(struct span *span) {
    uintptr_t end = span->start + span->size;
    bool clean = span->state == CLEAN;
    return (struct found){span, clean ? span->size : 0, clean ? end : span->start, end, clean, false};
}

/* The dirty span that has the size together with the free spans around it and needs the fewest clean pages for that: with them. */
static struct found stretch(size_t size) {
    struct span *best = NULL;
    size_t clean = 0;
    unsigned tries = STRETCHED;
    for (struct span *span = span_next_smaller(DIRTY, NULL); span && tries; span = span_next_smaller(DIRTY, span), tries--) {
        if (span->size >= size) { /* one that the search for the best fit did not come to */
            span_remove_from_bin(span);
            return found_whole(span);
        }
        size_t needed = 0;
        size_t missing = reach(span, true, size - span->size, &needed);
        if (reach(span, false, missing, &needed) == 0 && (best == NULL || needed < clean)) {
            best = span;
            clean = needed;
        }
    }
    if (best == NULL) {
        return (struct found){0};
    }
    span_remove_from_bin(best);
    struct found found = found_whole(best);
    found.clean = clean;
    while (best->size < size) {
        size_t missing = size - best->size;
        struct span *next = span_touches(best, best->above) && span_is_free(best->above) ? best->above : best->below;
        bool soils = next->state == DIRTY;
        bool above = next == best->above;
        annex(best, next, next->size < missing ? next->size : missing);
        found.soiled_from = soils && !above ? best->start : found.soiled_from;
        found.soiled_to = soils && above ? best->start + best->size : found.soiled_to;
    }
    return found;
}

static struct span *place_for(uintptr_t start) {
    struct span *below = NULL;
    for (struct span *span = span_lowest(); span && span->start < start; span = span->above) {
        below = span;
    }
    return below;
}

/* A fresh mapping that holds the size, of windows that ask for huge pages if it is aligned to one; NULL when refused. */
static struct span *grow(size_t size, size_t align) {
    size_t mapped = load_relaxed(&page_counters.span_bytes);
    size_t step = mapped >> GROW_SHIFT;
    step = step < GROW_MIN ? GROW_MIN : step > GROW_MAX ? GROW_MAX : align_down(step, UNIT_SIZE);
    step = step < size ? size : step;
    step = align_up(step, align);
    char *start = platform_map(step, align);
    if (start == NULL) {
        step = size;
        start = platform_map(step, align);
    }
    if (start == NULL) {
        return NULL;
    }
    platform_huge_pages(start, step, align == HUGE_WINDOW);
    span_windows_made |= align == HUGE_WINDOW;
    span_count(&page_counters.span_bytes, step);
    struct span *span = span_insert_above(place_for((uintptr_t)start), (uintptr_t)start, step, align == HUGE_WINDOW ? HUGE : CLEAN);
    span_enter_free(span);
    span_remove_from_bin(span);
    return span;
}

/* Bytes of a huge span, in no bin, up to the size; the rest goes back to its bin. */
static void cut_windows(struct span *span, size_t bytes) {
    if (span->size > bytes) {
        span_enter_in_bin(span_insert_above(span, span->start + bytes, span->size - bytes, HUGE));
        span->size = bytes;
    }
}

/* A program that grows gives nothing back, so that nobody looks at the budget: then what windows leave must fit in the least that it can
 * be. */
static bool may_soil(size_t size, size_t beyond) {
    if (load_relaxed(&page_counters.large_bytes) + size <= load_relaxed(&page_counters.large_peak_bytes)) {
        return true;
    }
    size_t share = page_live_bytes() >> option_get(OPTION_dirty_shift);
    size_t most = option_get(OPTION_dirty_min);
    return beyond == 0 || page_dirty_bytes() + beyond <= limit_budget(most > share ? most : share);
}

/* Whole windows, each of which is backed as soon as any of it is used: what the block leaves of them is dirty. */
static struct found find_windows(size_t size) {
    size_t bytes = align_up(size, HUGE_WINDOW);
    if (HARDENED_BY(HARDENED_FENCES) || !huge_wanted(page_live_bytes(), bytes) || !may_soil(size, bytes - size) || !filled_trusts(bytes)) {
        return (struct found){0};
    }
    struct span *span = span_fit(HUGE, bytes);
    if (span) {
        span_remove_from_bin(span);
    } else {
        span = grow(bytes, HUGE_WINDOW);
    }
    if (span == NULL) {
        return (struct found){0};
    }
    cut_windows(span, bytes);
    span->state = DIRTY;
    return (struct found){span, bytes, span->start + bytes, span->start + bytes, false, true};
}

/* Windows that must no longer be huge. */
static struct span *find_former_windows(size_t size) {
    struct span *span = span_fit(HUGE, size);
    if (span) {
        span_remove_from_bin(span);
        cut_windows(span, align_up(size, HUGE_WINDOW));
        platform_huge_pages((void *)span->start, span->size, false);
        span->state = CLEAN;
    }
    return span;
}

/* Pages that need no clearing are worth more than those that are backed: as long as the latter go back, or each such block would make the
 * heap larger. */
static bool wants_clean(size_t size, bool zeros) {
    return zeros && size >= ZEROS_MIN && !span_purge_refused;
}

/* A free span of at least the size; none when there is no memory. */
static struct found find_free(size_t size, bool zeros) {
    struct span *span = NULL;
    if (wants_clean(size, zeros)) {
        struct found windows = find_windows(size);
        if (windows.span) {
            return windows;
        }
        span = span_fit(CLEAN, size);
    } else {
        span = span_fit(DIRTY, size);
        if (span == NULL && span_empty_cache()) {
            span = span_fit(DIRTY, size);
        }
        if (span == NULL) {
            struct found stretched = stretch(size);
            if (stretched.span) {
                return stretched;
            }
            struct found windows = find_windows(size);
            if (windows.span) {
                return windows;
            }
            span = span_fit(CLEAN, size);
        }
    }
    if (span) {
        span_remove_from_bin(span);
    } else {
        span = find_former_windows(size);
        span = span ? span : grow(size, platform_page_size());
    }
    return span ? found_whole(span) : (struct found){0};
}

/* Cuts a free span, in no bin, down to the block, and enters what remains. */
static void cut(struct span *span, size_t size, size_t align) {
    size_t head = align_up(span->start, align) - span->start;
    size_t tail = span->size - head - size;
    enum span_state state = span->state;
    if (state == DIRTY && align <= platform_page_size() && is_little(tail, size)) { /* larger ones may have been stretched by clean pages */
        size += tail;
        tail = 0;
    }
    span->state = BUSY; /* or what remains would join it */
    span->start += head;
    span->size = size;
    if (head) {
        span_enter_free(span_insert_above(span->below, span->start - head, head, state));
    }
    if (tail) {
        span_enter_free(span_insert_above(span, span->start + size, tail, state));
    }
}

static uint16_t in_slices(const struct span *span, uintptr_t address) {
    uintptr_t distance = address > span->start ? address - span->start : 0;
    distance = distance < span->size ? distance : span->size;
    return (uint16_t)(distance >> SLICE_SHIFT);
}

static void note_soiled(struct span *span, const struct found *found) {
    span->soiled_from = in_slices(span, found->soiled_from);
    span->soiled_to = in_slices(span, found->soiled_to);
}

/* The span is a block now. */
ALWAYS_INLINE void becomes_used(struct span *span) {
    span->state = USED;
    span_count(&page_counters.large_bytes, span->size);
    span_count(&page_counters.large_count, 1);
    turnover_note_taken(span->size);
}

/* Of a block that begins with windows: touches the last under the lock, or threads that touch it at once would get a huge page each. How
 * many bytes of the others are to be touched without it. */
static size_t touch_last_window(const struct span *span) {
    size_t others = align_down(span->size - 1, HUGE_WINDOW);
    if (!huge_touch((char *)span->start + others, span->size - others) && others) {
        platform_huge_pages((void *)span->start, others, false);
        return 0;
    }
    return others;
}

/* The same from all free spans but the cached ones, or a fresh mapping. *untouched: bytes of windows at its start that are to be touched.
 */
static NOINLINE struct span *take_uncached(size_t size, size_t align, bool zeros, size_t *untouched) {
    size_t page = platform_page_size();
    size_t padded = align > page ? size + align - page : size;
    if (!span_have_descriptors()) {
        return NULL;
    }
    struct found found = find_free(padded, zeros);
    struct span *span = found.span;
    if (span == NULL) {
        return NULL;
    }
    cut(span, size, align);
    span_enter_in_table(span);
    *untouched = found.windows ? touch_last_window(span) : 0;
    note_soiled(span, &found);
    if (found.watch && !HARDENED_BY(HARDENED_FENCES)) {
        filled_watch(span->start, span->size);
    }
    becomes_used(span);
    span_widen_table();
    if (found.clean) {
        fetch_add_relaxed(&page_counters.clean_taken_bytes, found.clean < size ? found.clean : size);
    }
    return span;
}

void *span_take(size_t size, size_t align, bool *zeroed) {
    size_t untouched = 0;
    lock_take(&span_lock, LOCK_SPANS);
    struct span *span = wants_clean(size, *zeroed) ? NULL : take_cached(size, align);
    if (LIKELY(span != NULL)) {
        span->soiled_from = 0;
        span->soiled_to = (uint16_t)(span->size >> SLICE_SHIFT);
        becomes_used(span);
    } else {
        span = take_uncached(size, align, *zeroed, &untouched);
    }
    void *address = NULL;
    if (LIKELY(span != NULL)) {
        address = (void *)span->start;
        *zeroed = span->soiled_from == span->soiled_to;
    }
    lock_give(&span_lock, LOCK_SPANS);
    if (UNLIKELY(untouched != 0)) {
        (void)huge_touch(address, untouched);
    }
    return address;
}

/* --- giving and resizing -------------------------------------------------------------------------------------------------------- */

size_t span_size(uintptr_t address) {
    lock_take(&span_lock, LOCK_SPANS);
    struct span *span = span_find_used(address);
    size_t size = span ? span->size : 0;
    lock_give(&span_lock, LOCK_SPANS);
    return size;
}

bool span_soiled(uintptr_t address, size_t *from, size_t *to) {
    lock_take(&span_lock, LOCK_SPANS);
    const struct span *span = span_find_used(address);
    if (span) {
        *from = (size_t)span->soiled_from << SLICE_SHIFT;
        *to = (size_t)span->soiled_to << SLICE_SHIFT;
    }
    lock_give(&span_lock, LOCK_SPANS);
    return span != NULL;
}

bool span_give(uintptr_t address) {
    lock_take(&span_lock, LOCK_SPANS);
    struct span *span = span_find_used(address);
    if (span) {
        filled_leaves(span->start);
        if (cached_count == CACHE) {
            enter_dirty(uncache(1));
        }
        span->state = CACHED;
        cached[++cached_count] = (struct cached){span, span->size};
        span_count(&page_counters.large_dirty_bytes, span->size);
        span_count(&page_counters.large_bytes, -span->size);
        span_count(&page_counters.large_count, (size_t)-1);
        turnover_note_given(span->size);
    }
    lock_give(&span_lock, LOCK_SPANS);
    return span != NULL;
}

/* Free bytes right above, up to `enough`. */
static size_t free_above(const struct span *span, size_t enough) {
    size_t sum = 0;
    for (const struct span *above = span->above; sum < enough && span_touches(span, above) && span_is_free(above); above = above->above) {
        sum += above->size;
        span = above;
    }
    return sum;
}

static bool grow_in_place(struct span *span, size_t more) {
    if (span_touches(span, span->above) && span->above->state == CACHED) {
        (void)span_empty_cache();
    }
    if (free_above(span, more) < more) {
        return false;
    }
    while (more) {
        struct span *above = span->above;
        size_t part = above->size < more ? above->size : more;
        if (above->state == CLEAN) {
            fetch_add_relaxed(&page_counters.clean_taken_bytes, part);
        }
        annex(span, above, part);
        more -= part;
    }
    return true;
}

bool span_resize(uintptr_t address, size_t size) {
    bool done = false;
    lock_take(&span_lock, LOCK_SPANS);
    struct span *span = span_find_used(address);
    if (span) {
        filled_leaves(span->start);
        size_t old = span->size;
        if (size < old) {
            done = span_have_descriptors();
            if (done) {
                span->size = size;
                span_enter_free(span_insert_above(span, address + size, old - size, DIRTY));
            }
        } else {
            done = grow_in_place(span, size - old);
        }
        if (done) {
            span_count(&page_counters.large_bytes, size - old);
            size < old ? turnover_note_given(old - size) : turnover_note_taken(size - old);
        }
    }
    lock_give(&span_lock, LOCK_SPANS);
    return done;
}

/* --- looking --------------------------------------------------------------------------------------------------------------------- */

enum span_kind span_containing(uintptr_t address, uintptr_t *start, size_t *size) {
    enum span_kind kind = SPAN_NONE;
    lock_take(&span_lock, LOCK_SPANS);
    for (const struct span *span = span_lowest(); span; span = span->above) {
        if (address - span->start < span->size) {
            kind = span->state == USED ? SPAN_IN_USE : SPAN_FREE;
            *start = span->start;
            *size = span->size;
        }
    }
    lock_give(&span_lock, LOCK_SPANS);
    return kind;
}

void span_check(void) {
    lock_take(&span_lock, LOCK_SPANS);
    span_check_index();
    lock_give(&span_lock, LOCK_SPANS);
}

void span_fork_take(void) {
    lock_fork_take(&span_lock);
}
void span_fork_give(void) {
    lock_fork_give(&span_lock);
}
