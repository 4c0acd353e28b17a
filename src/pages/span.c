/*
 * Purpose: see span.h.
 * Layer: pages. Owner: span_lock protects every static variable here and every field of every span.
 *
 * A request is served by the first of these that there is: the newest freed span of exactly its size; the smallest dirty span that is
 * large enough; a dirty span that becomes large enough with the clean pages beside it; the smallest clean span; a fresh mapping. So pages
 * that are backed are used before pages that are not.
 */
#include "pages/span.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/list.h"
#include "config/geometry.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/meta.h"
#include "platform/lock.h"
#include "platform/platform.h"

enum state { CLEAN, DIRTY, USED, CACHED, BUSY };

struct span {
    uintptr_t start;
    size_t size;
    struct span *below; /* in address order; they touch iff the addresses say so */
    struct span *above;
    struct list_node in_bin;
    struct span *next; /* in its bucket of the table; among the unused descriptors */
    enum state state;
};

_Static_assert(sizeof(struct span) == 64, "one cache line");

enum {
    BINS = 8 * 36, /* eight to a doubling, up to all addresses there are */
    BIN_WORDS = (BINS + 63) / 64,
    TRIES = 16,     /* spans of a bin that are looked at for the best fit */
    STRETCHED = 16, /* dirty spans that are tried with their free neighbours */
    CACHE = 8,
    FIRST_BUCKETS = 256,
    DESCRIPTORS = 3, /* what mapping and cutting a span takes at most */
    GROW_SHIFT = 3,  /* a mapping is made for this share of what is mapped already */
};

#define GROW_MIN ((size_t)2 << 20)
#define GROW_MAX ((size_t)64 << 20)
#define ZEROS_MIN ((size_t)2 << 20) /* who wants that many zeros gets clean pages rather than dirty ones that must be cleared */
#define UNMAP_MIN ((size_t)1 << 20) /* less is not worth a hole in a mapping */
#define PURGE_STEP ((size_t)64 << 10)

static struct lock span_lock;
static struct span *lowest;
static struct list bins[2][BINS];
static uint64_t bin_maps[2][BIN_WORDS]; /* which of them are not empty */
static struct span *first_buckets[FIRST_BUCKETS];
static struct span **buckets = first_buckets;
static size_t bucket_count = FIRST_BUCKETS;
static struct span *cached[CACHE]; /* oldest first */
static unsigned cached_count;
static struct span *unused; /* descriptors */
static unsigned unused_count;

/* The counters of this file are written under its lock alone, so that they need no atomic addition. */
static void add(_Atomic(size_t) *counter, size_t n) {
    store_relaxed(counter, load_relaxed(counter) + n);
}

/* --- descriptors ---------------------------------------------------------------------------------------------------------- */

static void drop(struct span *span) {
    span->next = unused;
    unused = span;
    unused_count++;
}

static bool have_descriptors(void) {
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

/* A descriptor for the range just above `below` in the order (NULL: below all). There is one: see have_descriptors. */
static struct span *insert_above(struct span *below, uintptr_t start, size_t size, enum state state) {
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

static void remove_from_order(struct span *span) {
    *(span->below ? &span->below->above : &lowest) = span->above;
    if (span->above) {
        span->above->below = span->below;
    }
    drop(span);
}

static bool touches(const struct span *below, const struct span *above) {
    return below && above && below->start + below->size == above->start;
}

/* --- table of used and cached spans ------------------------------------------------------------------------------------------ */

static struct span **bucket_of(uintptr_t address) {
    return &buckets[(size_t)((address >> SLICE_SHIFT) * 0x9E3779B97F4A7C15u >> 20) & (bucket_count - 1)];
}

static void enter_in_table(struct span *span) {
    struct span **bucket = bucket_of(span->start);
    span->next = *bucket;
    *bucket = span;
}

static void remove_from_table(struct span *span) {
    struct span **link = bucket_of(span->start);
    while (*link != span) {
        link = &(*link)->next;
    }
    *link = span->next;
}

static struct span *find_used(uintptr_t address) {
    struct span *span = *bucket_of(address);
    while (span && span->start != address) {
        span = span->next;
    }
    return span && span->state == USED ? span : NULL;
}

/* Doubles the table when it is full. Without memory for that the chains grow longer. */
static void widen_table(void) {
    if (LIKELY(load_relaxed(&page_counters.large_count) < bucket_count)) {
        return;
    }
    struct span **old = buckets;
    size_t old_count = bucket_count;
    size_t bytes = align_up(2 * old_count * sizeof(void *), platform_page_size());
    struct span **wider = platform_map(bytes, platform_page_size());
    if (wider == NULL) {
        return;
    }
    buckets = wider;
    bucket_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct span *span = old[i];
            old[i] = span->next;
            enter_in_table(span);
        }
    }
    if (old != first_buckets) {
        (void)platform_unmap(old, align_up(old_count * sizeof(void *), platform_page_size()));
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

static bool is_free(const struct span *span) {
    return span->state == CLEAN || span->state == DIRTY;
}

static void enter_in_bin(struct span *span) {
    unsigned bin = bin_of(span->size);
    list_push(&bins[span->state][bin], &span->in_bin);
    bin_maps[span->state][bin / 64] |= (uint64_t)1 << (bin % 64);
    if (span->state == DIRTY) {
        add(&page_counters.large_dirty_bytes, span->size);
    }
}

static void remove_from_bin(struct span *span) {
    unsigned bin = bin_of(span->size);
    list_remove(&span->in_bin);
    if (bins[span->state][bin].first == NULL) {
        bin_maps[span->state][bin / 64] &= ~((uint64_t)1 << (bin % 64));
    }
    if (span->state == DIRTY) {
        add(&page_counters.large_dirty_bytes, -span->size);
    }
}

/* The lowest bin from `from` on that is not empty; BINS when there is none. */
static unsigned next_bin(enum state state, unsigned from) {
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
static unsigned previous_bin(enum state state, unsigned below) {
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

static struct span *best_of(enum state state, unsigned bin, size_t size) {
    struct span *best = NULL;
    unsigned tries = TRIES;
    for (struct list_node *node = bins[state][bin].first; node && tries; node = node->next, tries--) {
        struct span *span = LIST_ENTRY(node, struct span, in_bin);
        if (span->size >= size && (best == NULL || span->size < best->size)) {
            best = span;
        }
    }
    return best;
}

static struct span *fit(enum state state, size_t size) {
    unsigned bin = bin_of(size);
    struct span *best = best_of(state, bin, size);
    if (best == NULL) {
        bin = next_bin(state, bin + 1);
        best = bin < BINS ? best_of(state, bin, size) : NULL;
    }
    return best;
}

/* A span that became free joins the neighbours of its state and enters its bin. */
static void enter_free(struct span *span) {
    struct span *below = span->below;
    if (touches(below, span) && below->state == span->state) {
        remove_from_bin(below);
        span->start = below->start;
        span->size += below->size;
        remove_from_order(below);
    }
    struct span *above = span->above;
    if (touches(span, above) && above->state == span->state) {
        remove_from_bin(above);
        span->size += above->size;
        remove_from_order(above);
    }
    enter_in_bin(span);
}

/* --- taking ------------------------------------------------------------------------------------------------------------------ */

static void uncache(unsigned index) {
    struct span *span = cached[index];
    cached_count--;
    for (unsigned i = index; i < cached_count; i++) {
        cached[i] = cached[i + 1];
    }
    add(&page_counters.large_dirty_bytes, -span->size);
}

/* Cached spans become dirty ones, which others may join. */
static bool empty_cache(void) {
    bool any = cached_count != 0;
    while (cached_count) {
        struct span *span = cached[cached_count - 1];
        uncache(cached_count - 1);
        remove_from_table(span);
        span->state = DIRTY;
        enter_free(span);
    }
    return any;
}

static struct span *take_cached(size_t size, size_t align) {
    for (unsigned i = cached_count; i-- > 0;) {
        struct span *span = cached[i];
        if (span->size == size && (span->start & (align - 1)) == 0) {
            uncache(i);
            return span;
        }
    }
    return NULL;
}

/* `size` bytes of a free span, at its lower or upper end, become part of the neighbour that touches it there, which is in no bin. */
static void annex(struct span *span, struct span *neighbour, size_t size) {
    bool above = neighbour->start > span->start;
    remove_from_bin(neighbour);
    span->size += size;
    span->start -= above ? 0 : size;
    neighbour->start += above ? size : 0;
    neighbour->size -= size;
    if (neighbour->size == 0) {
        remove_from_order(neighbour);
    } else {
        enter_in_bin(neighbour);
    }
}

/* Looks at the free spans that touch each other from `span` on, away from it, until `missing` bytes are found: how many are left missing.
 */
static size_t reach(const struct span *span, bool upwards, size_t missing, size_t *clean) {
    while (missing) {
        const struct span *next = upwards ? span->above : span->below;
        if (!(upwards ? touches(span, next) : touches(next, span)) || !is_free(next)) {
            break;
        }
        size_t part = next->size < missing ? next->size : missing;
        *clean += next->state == CLEAN ? part : 0;
        missing -= part;
        span = next;
    }
    return missing;
}

/* The dirty span that has the size together with the free spans around it and needs the fewest clean pages for that: with them, in no bin.
 * NULL when none does. *clean: how many bytes of it were clean. */
static struct span *stretch(size_t size, size_t *clean) {
    struct span *best = NULL;
    unsigned tries = STRETCHED;
    for (unsigned bin = previous_bin(DIRTY, BINS); bin < BINS && tries; bin = previous_bin(DIRTY, bin)) {
        for (struct list_node *node = bins[DIRTY][bin].first; node && tries; node = node->next, tries--) {
            struct span *span = LIST_ENTRY(node, struct span, in_bin);
            if (span->size >= size) { /* one that the search for the best fit did not come to */
                remove_from_bin(span);
                *clean = 0;
                return span;
            }
            size_t needed = 0;
            size_t missing = reach(span, true, size - span->size, &needed);
            if (reach(span, false, missing, &needed) == 0 && (best == NULL || needed < *clean)) {
                best = span;
                *clean = needed;
            }
        }
    }
    if (best) {
        remove_from_bin(best);
        while (best->size < size) {
            size_t missing = size - best->size;
            struct span *next = touches(best, best->above) && is_free(best->above) ? best->above : best->below;
            annex(best, next, next->size < missing ? next->size : missing);
        }
    }
    return best;
}

static struct span *place_for(uintptr_t start) {
    struct span *below = NULL;
    for (struct span *span = lowest; span && span->start < start; span = span->above) {
        below = span;
    }
    return below;
}

/* A fresh mapping that holds the size; NULL when refused. */
static struct span *grow(size_t size) {
    size_t mapped = load_relaxed(&page_counters.span_bytes);
    size_t step = mapped >> GROW_SHIFT;
    step = step < GROW_MIN ? GROW_MIN : step > GROW_MAX ? GROW_MAX : align_down(step, UNIT_SIZE);
    step = step < size ? size : step;
    char *start = platform_map(step, platform_page_size());
    if (start == NULL) {
        step = size;
        start = platform_map(step, platform_page_size());
    }
    if (start == NULL) {
        return NULL;
    }
    bool huge = mapped >= option_get(OPTION_huge_start);
    platform_huge_pages(start, step, huge);
    add(&page_counters.span_bytes, step);
    struct span *span = insert_above(place_for((uintptr_t)start), (uintptr_t)start, step, CLEAN);
    enter_free(span);
    remove_from_bin(span);
    return span;
}

/* A free span of at least the size, in no bin; NULL when there is no memory. *clean: how many bytes of it are clean, at least. */
static struct span *find_free(size_t size, bool zeros, size_t *clean) {
    struct span *span = NULL;
    *clean = size;
    if (zeros && size >= ZEROS_MIN) {
        span = fit(CLEAN, size);
    } else {
        span = fit(DIRTY, size);
        if (span == NULL && empty_cache()) {
            span = fit(DIRTY, size);
        }
        if (span) {
            *clean = 0;
        } else {
            span = stretch(size, clean);
            if (span) {
                return span;
            }
            *clean = size;
            span = fit(CLEAN, size);
        }
    }
    if (span == NULL) {
        return grow(size);
    }
    remove_from_bin(span);
    return span;
}

/* Cuts a free span, in no bin, down to the block, and enters what remains. */
static void cut(struct span *span, size_t size, size_t align) {
    size_t head = align_up(span->start, align) - span->start;
    size_t tail = span->size - head - size;
    enum state state = span->state;
    span->state = BUSY; /* or what remains would join it */
    span->start += head;
    span->size = size;
    if (head) {
        enter_free(insert_above(span->below, span->start - head, head, state));
    }
    if (tail) {
        enter_free(insert_above(span, span->start + size, tail, state));
    }
}

void *span_take(size_t size, size_t align, bool *zeroed) {
    size_t page = platform_page_size();
    size_t padded = align > page ? size + align - page : size;
    size_t clean = 0;
    lock_take(&span_lock, LOCK_SPANS);
    struct span *span = *zeroed && size >= ZEROS_MIN ? NULL : take_cached(size, align);
    if (span == NULL && have_descriptors()) {
        span = find_free(padded, *zeroed, &clean);
        if (span) {
            cut(span, size, align);
            enter_in_table(span);
        }
    }
    void *address = NULL;
    if (span) {
        span->state = USED;
        address = (void *)span->start;
        add(&page_counters.large_bytes, size);
        add(&page_counters.large_count, 1);
        if (load_relaxed(&page_counters.large_bytes) > load_relaxed(&page_counters.large_peak_bytes)) {
            store_relaxed(&page_counters.large_peak_bytes, load_relaxed(&page_counters.large_bytes));
        }
        widen_table();
        if (clean) {
            fetch_add_relaxed(&page_counters.clean_taken_bytes, clean < size ? clean : size);
        }
        *zeroed = clean == padded;
    }
    lock_give(&span_lock, LOCK_SPANS);
    return address;
}

/* --- giving and resizing -------------------------------------------------------------------------------------------------------- */

size_t span_size(uintptr_t address) {
    lock_take(&span_lock, LOCK_SPANS);
    struct span *span = find_used(address);
    size_t size = span ? span->size : 0;
    lock_give(&span_lock, LOCK_SPANS);
    return size;
}

bool span_give(uintptr_t address) {
    lock_take(&span_lock, LOCK_SPANS);
    struct span *span = find_used(address);
    if (span) {
        if (cached_count == CACHE) {
            struct span *oldest = cached[0];
            uncache(0);
            remove_from_table(oldest);
            oldest->state = DIRTY;
            enter_free(oldest);
        }
        span->state = CACHED;
        cached[cached_count++] = span;
        add(&page_counters.large_dirty_bytes, span->size);
        add(&page_counters.large_bytes, -span->size);
        add(&page_counters.large_count, (size_t)-1);
    }
    lock_give(&span_lock, LOCK_SPANS);
    return span != NULL;
}

/* Free bytes right above, up to `enough`. */
static size_t free_above(const struct span *span, size_t enough) {
    size_t sum = 0;
    for (const struct span *above = span->above; sum < enough && touches(span, above) && is_free(above); above = above->above) {
        sum += above->size;
        span = above;
    }
    return sum;
}

static bool grow_in_place(struct span *span, size_t more) {
    if (touches(span, span->above) && span->above->state == CACHED) {
        (void)empty_cache();
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
    struct span *span = find_used(address);
    if (span) {
        size_t old = span->size;
        if (size < old) {
            done = have_descriptors();
            if (done) {
                span->size = size;
                enter_free(insert_above(span, address + size, old - size, DIRTY));
            }
        } else {
            done = grow_in_place(span, size - old);
        }
        if (done) {
            add(&page_counters.large_bytes, size - old);
        }
    }
    lock_give(&span_lock, LOCK_SPANS);
    return done;
}

/* --- giving back ---------------------------------------------------------------------------------------------------------------- */

static struct span *largest_dirty(unsigned skip) {
    for (unsigned bin = previous_bin(DIRTY, BINS); bin < BINS; bin = previous_bin(DIRTY, bin)) {
        for (struct list_node *node = bins[DIRTY][bin].first; node; node = node->next) {
            if (skip-- == 0) {
                return LIST_ENTRY(node, struct span, in_bin);
            }
        }
    }
    return NULL;
}

enum span_result span_purge(size_t most, unsigned skip) {
    lock_take(&span_lock, LOCK_SPANS);
    (void)empty_cache();
    struct span *span = largest_dirty(skip);
    if (span == NULL) {
        lock_give(&span_lock, LOCK_SPANS);
        return SPAN_NOTHING;
    }
    remove_from_bin(span);
    most = align_up(most < PTRDIFF_MAX ? most : PTRDIFF_MAX - PURGE_STEP, PURGE_STEP);
    if (span->size > most && have_descriptors()) {
        size_t stays = span->size - most;
        uintptr_t start = span->start;
        span->start += stays;
        span->size -= stays;
        enter_in_bin(insert_above(span->below, start, stays, DIRTY));
    }
    span->state = BUSY;
    lock_give(&span_lock, LOCK_SPANS);

    bool purged = platform_purge((void *)span->start, span->size);

    lock_take(&span_lock, LOCK_SPANS);
    if (purged) {
        fetch_add_relaxed(&page_counters.purged_bytes, span->size);
        fetch_add_relaxed(&page_counters.purge_calls, 1);
    }
    span->state = purged ? CLEAN : DIRTY;
    enter_free(span);
    lock_give(&span_lock, LOCK_SPANS);
    return purged ? SPAN_DONE : SPAN_REFUSED;
}

enum span_result span_unmap(void) {
    lock_take(&span_lock, LOCK_SPANS);
    unsigned bin = previous_bin(CLEAN, BINS);
    struct span *span = bin < BINS ? LIST_ENTRY(bins[CLEAN][bin].first, struct span, in_bin) : NULL;
    if (span == NULL || span->size < UNMAP_MIN) {
        lock_give(&span_lock, LOCK_SPANS);
        return SPAN_NOTHING;
    }
    remove_from_bin(span);
    span->state = BUSY;
    lock_give(&span_lock, LOCK_SPANS);

    bool unmapped = platform_unmap((void *)span->start, span->size);

    lock_take(&span_lock, LOCK_SPANS);
    if (unmapped) {
        add(&page_counters.span_bytes, -span->size);
        remove_from_order(span);
    } else {
        span->state = CLEAN;
        enter_free(span);
    }
    lock_give(&span_lock, LOCK_SPANS);
    return unmapped ? SPAN_DONE : SPAN_REFUSED;
}

/* --- looking --------------------------------------------------------------------------------------------------------------------- */

enum span_kind span_containing(uintptr_t address, uintptr_t *start, size_t *size) {
    enum span_kind kind = SPAN_NONE;
    lock_take(&span_lock, LOCK_SPANS);
    for (const struct span *span = lowest; span; span = span->above) {
        if (address - span->start < span->size) {
            kind = span->state == USED ? SPAN_IN_USE : SPAN_FREE;
            *start = span->start;
            *size = span->size;
        }
    }
    lock_give(&span_lock, LOCK_SPANS);
    return kind;
}

static void check_order(void) {
    size_t sums[BUSY + 1] = {0};
    size_t used = 0;
    for (struct span *span = lowest; span; span = span->above) {
        CHECK(span->size != 0 && (span->above == NULL || span->above->below == span));
        CHECK(span->above == NULL || span->start + span->size <= span->above->start || span->state == BUSY);
        CHECK(!touches(span, span->above) || !is_free(span) || span->state != span->above->state);
        CHECK(list_contains(&span->in_bin) == is_free(span));
        CHECK(span->state != USED || find_used(span->start) == span);
        sums[span->state] += span->size;
        used += span->state == USED;
    }
    CHECK(sums[USED] == load_relaxed(&page_counters.large_bytes) && used == load_relaxed(&page_counters.large_count));
    CHECK(sums[DIRTY] + sums[CACHED] == load_relaxed(&page_counters.large_dirty_bytes));
    CHECK(sums[CLEAN] + sums[DIRTY] + sums[USED] + sums[CACHED] + sums[BUSY] == load_relaxed(&page_counters.span_bytes));
}

static void check_bins(enum state state) {
    for (unsigned bin = 0; bin < BINS; bin++) {
        CHECK((bins[state][bin].first != NULL) == (bin_maps[state][bin / 64] >> (bin % 64) & 1));
        for (struct list_node *node = bins[state][bin].first; node; node = node->next) {
            struct span *span = LIST_ENTRY(node, struct span, in_bin);
            CHECK(span->state == state && bin_of(span->size) == bin);
        }
    }
}

void span_check(void) {
    lock_take(&span_lock, LOCK_SPANS);
    check_order();
    check_bins(CLEAN);
    check_bins(DIRTY);
    lock_give(&span_lock, LOCK_SPANS);
}

void span_fork_take(void) {
    lock_fork_take(&span_lock);
}
void span_fork_give(void) {
    lock_fork_give(&span_lock);
}
