/*
 * Purpose: see chunk.h.
 * Layer: pages. Owner: chunk_lock protects every static variable here and every field of every chunk, except unit_info (its user's).
 */
#include "pages/chunk.h"
#include "base/bits.h"
#include "base/check.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/fence.h"
#include "pages/growth.h"
#include "pages/huge.h"
#include "pages/meta.h"
#include "pages/page_map.h"
#include "platform/lock.h"
#include "platform/platform.h"
#include "platform/tag.h"

enum { UNIT_BINS = 6, NOBODYS = 0, SHARED = OWN_CLASSES + 1 };

static struct lock chunk_lock;
static struct list by_unit[UNIT_BINS];
static bool once_refused;   /* a chunk, by the system or a limit */
static struct chunk *hand;  /* anywhere in the ring; NULL while there is no chunk */
static struct chunk *spare; /* descriptors without a chunk, linked through ring_next */
static bool first_mapping_tried;
static uint32_t owned_free[SHARED + 1];      /* units of each owner that are free; those being purged count too */
static struct chunk *owned_last[SHARED + 1]; /* where one was given back last, or the newest chunk for nobody's */

void chunk_check(const struct chunk *chunk) {
    if (!debug_checks) {
        return;
    }
    struct run_map both;
    for (unsigned w = 0; w < RUN_MAP_WORDS; w++) {
        both.words[w] = chunk->free.words[w] & chunk->dirty.words[w];
    }
    CHECK(chunk->free_slices == run_count(&chunk->free, 0, CHUNK_SLICES));
    CHECK(chunk->dirty_free == run_count(&both, 0, CHUNK_SLICES));
    CHECK(chunk->free_units == run_whole_units(&chunk->free, UINT32_MAX));
    unsigned untouched = chunk->untouched * (unsigned)UNIT_SLICES;
    CHECK(untouched == run_count(&chunk->free, CHUNK_SLICES - untouched, untouched));
    CHECK(chunk->retired || list_contains(&chunk->by_unit) == (chunk->free_units != 0));
}

static void off_list(struct chunk *chunk) {
    if (list_contains(&chunk->by_unit)) {
        list_remove(&chunk->by_unit);
    }
}

/* Puts the chunk on the list that its free units ask for. */
static void relink(struct chunk *chunk) {
    off_list(chunk);
    if (chunk->free_units) {
        list_push(&by_unit[highest_bit((unsigned)__builtin_popcount(chunk->free_units))], &chunk->by_unit);
    }
    chunk_check(chunk);
}

static unsigned dirty_in(const struct chunk *chunk, unsigned start, unsigned count) {
    return run_count(&chunk->dirty, start, count);
}

/* The slices, all free, leave the free map. Returns how many of them were clean. */
static unsigned take(struct chunk *chunk, unsigned start, unsigned count) {
    unsigned dirty = dirty_in(chunk, start, count);
    run_clear(&chunk->free, start, count);
    chunk->free_slices = (uint16_t)(chunk->free_slices - count);
    chunk->dirty_free = (uint16_t)(chunk->dirty_free - dirty);
    chunk->free_units &= ~run_units(start, count);
    fetch_sub_relaxed(&page_counters.dirty_bytes, (size_t)dirty << SLICE_SHIFT);
    fetch_add_relaxed(&page_counters.used_bytes, (size_t)count << SLICE_SHIFT);
    return count - dirty;
}

/* The slices, all in use, enter the free map with the dirty bits they have now. */
static void give(struct chunk *chunk, unsigned start, unsigned count) {
    unsigned dirty = dirty_in(chunk, start, count);
    run_set(&chunk->free, start, count);
    chunk->free_slices = (uint16_t)(chunk->free_slices + count);
    chunk->dirty_free = (uint16_t)(chunk->dirty_free + dirty);
    chunk->free_units |= run_whole_units(&chunk->free, run_units(start, count));
    fetch_add_relaxed(&page_counters.dirty_bytes, (size_t)dirty << SLICE_SHIFT);
    fetch_sub_relaxed(&page_counters.used_bytes, (size_t)count << SLICE_SHIFT);
}

/* The last units of a huge chunk are no longer what nobody has had: all but so many. */
static unsigned leave_untouched(struct chunk *chunk, unsigned count) {
    unsigned fewer = chunk->untouched - count;
    chunk->untouched = (uint8_t)count;
    return fewer;
}

static void ring_insert(struct chunk *chunk) {
    if (hand == NULL) {
        chunk->ring_next = chunk;
        chunk->ring_back = chunk;
        hand = chunk;
        return;
    }
    chunk->ring_next = hand;
    chunk->ring_back = hand->ring_back;
    hand->ring_back->ring_next = chunk;
    hand->ring_back = chunk;
}

static void ring_remove(struct chunk *chunk) {
    if (chunk->ring_next == chunk) {
        hand = NULL;
        return;
    }
    chunk->ring_back->ring_next = chunk->ring_next;
    chunk->ring_next->ring_back = chunk->ring_back;
    if (hand == chunk) {
        hand = chunk->ring_next;
    }
}

/* Enters fresh, zeroed address space. `region` as in page_map_prepare. */
static struct chunk *enter(char *base, void *region, bool *region_used) {
    if (!page_map_prepare((uintptr_t)base, region, region_used)) {
        return NULL;
    }
    struct chunk *chunk = spare;
    if (chunk) {
        spare = chunk->ring_next;
        chunk->retired = false;
    } else {
        chunk = meta_alloc(META_CHUNK_DESCRIPTOR, META_CHUNK_DESCRIPTOR);
        if (chunk == NULL) {
            return NULL;
        }
    }
    chunk->base = base;
    run_set(&chunk->free, 0, CHUNK_SLICES);
    run_clear(&chunk->dirty, 0, CHUNK_SLICES);
    chunk->free_slices = CHUNK_SLICES;
    chunk->dirty_free = 0;
    chunk->free_units = UINT32_MAX;
    page_map_set_chunk((uintptr_t)base, chunk);
    ring_insert(chunk);
    fetch_add_relaxed(&page_counters.chunk_bytes, CHUNK_SIZE);
    relink(chunk);
    return chunk;
}

/* One mapping for the first chunk, the first region of the page map and the first metadata, so that starting costs two system calls. */
static struct chunk *enter_first(void) {
    size_t size = 2 * (size_t)CHUNK_SIZE + (size_t)REGION_BYTES;
    char *start = platform_map(size, platform_page_size());
    if (start == NULL) {
        return NULL;
    }
    platform_huge_pages(start, size, false);
    char *base = (char *)align_up((size_t)start, CHUNK_SIZE);
    char *region = base + CHUNK_SIZE;
    bool region_used = false;
    size_t head = (size_t)(base - start);
    size_t tail = size - head - CHUNK_SIZE - REGION_BYTES;
    if (head > tail) {
        meta_donate(start, head);
    } else {
        meta_donate(region + REGION_BYTES, tail);
    }
    struct chunk *chunk = enter(base, region, &region_used);
    if (chunk) {
        chunk->gone = GONE_ALL;
        chunk->pinned = true;
        tags_allow(base, CHUNK_SIZE);
    }
    return chunk;
}

static struct chunk *enter_new(void) {
    if (!HARDENED_BY(HARDENED_FENCES) && !first_mapping_tried) { /* fences keep the three apart */
        first_mapping_tried = true;
        struct chunk *first = enter_first();
        if (first) {
            return first;
        }
    }
    char *base = fenced_map(CHUNK_SIZE, CHUNK_SIZE);
    if (base == NULL) {
        return NULL;
    }
    /* A heap of this size fills the chunk it asks for, so one huge page replaces 512 faults and costs at most one chunk's slack, for as
     * long as the heap grows. */
    bool huge = growth_fills_next() && huge_wanted(page_live_bytes(), CHUNK_SIZE);
    platform_huge_pages(base, CHUNK_SIZE, huge);
    bool unused;
    struct chunk *chunk = enter(base, NULL, &unused);
    if (chunk == NULL) {
        fenced_unmap(base, CHUNK_SIZE);
    } else {
        chunk->huge = huge;
        chunk->gone = huge ? 0 : GONE_ALL;
        if (huge) {
            chunk->untouched = CHUNK_UNITS;
            growth_expected(CHUNK_UNITS);
            /* all of it is backed as soon as any of it is used */
            run_set(&chunk->dirty, 0, CHUNK_SLICES);
            chunk->dirty_free = CHUNK_SLICES;
            fetch_add_relaxed(&page_counters.dirty_bytes, CHUNK_SIZE);
            fetch_add_relaxed(&page_counters.clean_taken_bytes, CHUNK_SIZE);
        }
        tags_allow(base, CHUNK_SIZE);
    }
    return chunk;
}

/* The fullest chunk that has a whole unit free. */
static struct chunk *chunk_with_unit(void) {
    for (unsigned bin = 0; bin < UNIT_BINS; bin++) {
        if (by_unit[bin].first) {
            return LIST_ENTRY(by_unit[bin].first, struct chunk, by_unit);
        }
    }
    return enter_new();
}

/* The free units that the owner has in the chunk. */
static uint32_t units_of(const struct chunk *chunk, unsigned owner) {
    uint32_t units = 0;
    for (unsigned i = 0; i < CHUNK_UNITS; i++) {
        units |= (uint32_t)(chunk->whose[i] == owner) << i;
    }
    return units & chunk->free_units;
}

/* A chunk that has a free unit of the owner's; NULL when none is found. The last one that was given back is known, the others are searched
 * for, which costs less than the page faults that a fresh unit costs. */
static struct chunk *chunk_of_owner(unsigned owner) {
    if (owned_free[owner] == 0) {
        return NULL;
    }
    if (owned_last[owner] && units_of(owned_last[owner], owner)) {
        return owned_last[owner];
    }
    for (unsigned bin = 0; bin < UNIT_BINS; bin++) {
        for (struct list_node *node = by_unit[bin].first; node; node = node->next) {
            struct chunk *chunk = LIST_ENTRY(node, struct chunk, by_unit);
            if (units_of(chunk, owner)) {
                return chunk;
            }
        }
    }
    return NULL;
}

static unsigned owner_of(unsigned class_index) {
    return class_index <= OWN_CLASSES ? class_index : SHARED;
}

/* When there is no other memory any free unit changes its owner. */
static struct chunk *chunk_of_others(unsigned owner, unsigned *unit) {
    for (unsigned bin = 0; bin < UNIT_BINS; bin++) {
        if (by_unit[bin].first) {
            struct chunk *chunk = LIST_ENTRY(by_unit[bin].first, struct chunk, by_unit);
            *unit = lowest_bit(chunk->free_units);
            owned_free[chunk->whose[*unit]] -= chunk->whose[*unit] == NOBODYS ? 0 : 1;
            chunk->whose[*unit] = (uint8_t)owner;
            return chunk;
        }
    }
    return NULL;
}

/* The chunk is gone: its units are nobody's. */
static void disown(struct chunk *chunk) {
    for (unsigned i = 0; i < CHUNK_UNITS; i++) {
        owned_free[chunk->whose[i]] -= chunk->whose[i] == NOBODYS ? 0 : 1;
        chunk->whose[i] = NOBODYS;
    }
    for (unsigned owner = 0; owner <= SHARED; owner++) {
        owned_last[owner] = owned_last[owner] == chunk ? NULL : owned_last[owner];
    }
}

/* The same as chunk_with_unit where units have owners: one of the class's own, or one that nobody has had. */
static struct chunk *chunk_with_own_unit(unsigned class_index, unsigned *unit) {
    unsigned owner = owner_of(class_index);
    struct chunk *chunk = chunk_of_owner(owner);
    if (chunk) {
        *unit = lowest_bit(units_of(chunk, owner));
        owned_free[owner]--;
        owned_last[owner] = chunk;
        return chunk;
    }
    /* A process that has met its limit goes on reusing what it has: mapping and unmapping at the limit takes for ever. */
    chunk = once_refused ? chunk_of_others(owner, unit) : NULL;
    if (chunk) {
        return chunk;
    }
    chunk = owned_last[NOBODYS];
    if (chunk == NULL || units_of(chunk, NOBODYS) == 0) {
        chunk = enter_new();
        if (chunk == NULL) {
            once_refused = true;
            return chunk_of_others(owner, unit);
        }
        owned_last[NOBODYS] = chunk;
    }
    *unit = lowest_bit(units_of(chunk, NOBODYS));
    chunk->whose[*unit] = (uint8_t)owner;
    return chunk;
}

void *chunk_take_unit(unsigned class_index) {
    lock_take(&chunk_lock, LOCK_CHUNKS);
    unsigned unit = 0;
    struct chunk *chunk = HARDENED_BY(HARDENED_OWN_UNITS) ? chunk_with_own_unit(class_index, &unit) : chunk_with_unit();
    void *info = NULL;
    bool first = chunk && chunk->untouched == CHUNK_UNITS; /* all of it is backed ever after */
    if (chunk) {
        unit = HARDENED_BY(HARDENED_OWN_UNITS) ? unit : lowest_bit(chunk->free_units);
        size_t clean = take(chunk, unit * UNIT_SLICES, UNIT_SLICES);
        if (UNLIKELY(unit + chunk->untouched >= CHUNK_UNITS)) {
            growth_goes_on(leave_untouched(chunk, CHUNK_UNITS - 1 - unit));
        }
        fetch_add_relaxed(&page_counters.clean_taken_bytes, clean << SLICE_SHIFT);
        relink(chunk);
        page_map_set_class((uintptr_t)chunk_unit_base(chunk, unit), class_index);
        info = chunk->unit_info[unit];
        if (first) { /* under the lock: threads that touch it at once would get a huge page each, and all but one give it back */
            (void)huge_touch(chunk_unit_base(chunk, unit), UNIT_SIZE);
        }
    }
    lock_give(&chunk_lock, LOCK_CHUNKS);
    return info;
}

void chunk_give_unit(void *unit_info, unsigned touched, unsigned clean) {
    struct chunk *chunk = chunk_of_unit_info(unit_info);
    unsigned unit = unit_of_unit_info(unit_info);
    lock_take(&chunk_lock, LOCK_CHUNKS);
    page_map_set_class((uintptr_t)chunk_unit_base(chunk, unit), 0);
    run_set(&chunk->dirty, unit * UNIT_SLICES, touched);
    for (; clean; clean &= clean - 1) {
        run_clear(&chunk->dirty, unit * UNIT_SLICES + lowest_bit(clean), 1);
    }
    give(chunk, unit * UNIT_SLICES, UNIT_SLICES);
    relink(chunk);
    if (HARDENED_BY(HARDENED_OWN_UNITS)) {
        owned_free[chunk->whose[unit]]++;
        owned_last[chunk->whose[unit]] = chunk;
    }
    lock_give(&chunk_lock, LOCK_CHUNKS);
}

unsigned chunk_soiled_slices(const void *unit_info) {
    const struct chunk *chunk = chunk_of_unit_info(unit_info);
    unsigned first = unit_of_unit_info(unit_info) * UNIT_SLICES;
    lock_take(&chunk_lock, LOCK_CHUNKS);
    unsigned soiled = (uint16_t)(chunk->dirty.words[first / 64] >> first % 64);
    lock_give(&chunk_lock, LOCK_CHUNKS);
    return soiled;
}

/* Off its list, so that nobody allocates from it any more; the descriptor still counts as used memory until chunk_forget. */
static void retire(struct chunk *chunk) {
    (void)take(chunk, 0, CHUNK_SLICES);
    off_list(chunk);
    ring_remove(chunk);
    growth_ends(leave_untouched(chunk, 0));
    chunk->retired = true;
    page_map_set_chunk((uintptr_t)chunk->base, NULL);
}

bool chunk_take_dirty(struct chunk **result, unsigned *start, unsigned *count, bool *whole) {
    lock_take(&chunk_lock, LOCK_CHUNKS);
    struct chunk *stop = hand;
    struct chunk *chunk = hand;
    bool found = false;
    while (chunk && !found) {
        if (chunk->dirty_free == 0) {
            chunk = chunk->ring_next;
            if (chunk == stop) {
                break;
            }
            continue;
        }
        found = true;
        hand = chunk;
        *result = chunk;
        *whole = !HARDENED_BY(HARDENED_OWN_UNITS) && chunk->free_slices == CHUNK_SLICES && !chunk->pinned;
        if (*whole) {
            *start = 0;
            *count = CHUNK_SLICES;
            retire(chunk);
            break;
        }
        struct run_map both;
        for (unsigned w = 0; w < RUN_MAP_WORDS; w++) {
            both.words[w] = chunk->free.words[w] & chunk->dirty.words[w];
        }
        *start = run_next_set(&both, 0);
        *count = run_next_clear(&both, *start) - *start;
        (void)take(chunk, *start, *count);
        if (*start + *count == CHUNK_SLICES) {
            growth_ends(leave_untouched(chunk, 0));
        }
        relink(chunk);
    }
    lock_give(&chunk_lock, LOCK_CHUNKS);
    return found;
}

bool chunk_take_untouched(struct chunk **result, unsigned *start, unsigned *count) {
    lock_take(&chunk_lock, LOCK_CHUNKS);
    struct chunk *chunk = hand;
    while (chunk && chunk->untouched == 0) {
        chunk = chunk->ring_next == hand ? NULL : chunk->ring_next;
    }
    bool found = chunk && growth_is_stalled();
    if (found) {
        *result = chunk;
        *count = chunk->untouched * UNIT_SLICES;
        *start = CHUNK_SLICES - *count;
        (void)take(chunk, *start, *count);
        growth_ends(leave_untouched(chunk, 0));
        growth_has_stalled();
        relink(chunk);
    }
    lock_give(&chunk_lock, LOCK_CHUNKS);
    return found;
}

void chunk_part_goes(struct chunk *chunk, const char *start, unsigned slices) {
    lock_take(&chunk_lock, LOCK_CHUNKS);
    bool stop = chunk->huge;
    chunk->huge = false;
    bool broken = false;
    if (chunk->gone != GONE_ALL) {
        chunk->gone = (uint16_t)(chunk->gone + slices);
        broken = chunk->gone >= CHUNK_SLICES / 2;
        chunk->gone = broken ? GONE_ALL : chunk->gone;
    }
    lock_give(&chunk_lock, LOCK_CHUNKS);
    if (stop) {
        huge_broken(chunk->base, CHUNK_SIZE);
        platform_huge_pages(chunk->base, CHUNK_SIZE, false); /* or the kernel would fill the holes again */
    }
    if (broken) {
        platform_break_huge_pages((void *)(uintptr_t)start, (size_t)slices << SLICE_SHIFT);
    }
}

void chunk_return_slices(struct chunk *chunk, unsigned start, unsigned count, bool clean) {
    lock_take(&chunk_lock, LOCK_CHUNKS);
    if (clean) {
        run_clear(&chunk->dirty, start, count);
        fetch_add_relaxed(&page_counters.purged_bytes, (size_t)count << SLICE_SHIFT);
        fetch_add_relaxed(&page_counters.purge_calls, 1);
    } else if (hand == chunk) {
        hand = chunk->ring_next; /* or the next to purge would meet the same slices */
    }
    give(chunk, start, count);
    if (chunk->retired) {
        chunk->retired = false;
        page_map_set_chunk((uintptr_t)chunk->base, chunk);
        ring_insert(chunk);
    }
    relink(chunk);
    lock_give(&chunk_lock, LOCK_CHUNKS);
}

void chunk_forget(struct chunk *chunk) {
    lock_take(&chunk_lock, LOCK_CHUNKS);
    /* What was purged before is counted already. */
    fetch_add_relaxed(&page_counters.purged_bytes, (size_t)dirty_in(chunk, 0, CHUNK_SLICES) << SLICE_SHIFT);
    fetch_add_relaxed(&page_counters.purge_calls, 1);
    fetch_sub_relaxed(&page_counters.used_bytes, CHUNK_SIZE);
    fetch_sub_relaxed(&page_counters.chunk_bytes, CHUNK_SIZE);
    if (HARDENED_BY(HARDENED_OWN_UNITS)) {
        disown(chunk);
    }
    chunk->ring_next = spare;
    spare = chunk;
    lock_give(&chunk_lock, LOCK_CHUNKS);
}

struct chunk *chunk_take_empty(void) {
    lock_take(&chunk_lock, LOCK_CHUNKS);
    struct chunk *chunk = NULL;
    for (struct list_node *node = by_unit[UNIT_BINS - 1].first; node; node = node->next) {
        struct chunk *candidate = LIST_ENTRY(node, struct chunk, by_unit);
        if (!candidate->pinned) { /* all its units are free, or it would be in another bin */
            chunk = candidate;
            retire(chunk);
            break;
        }
    }
    lock_give(&chunk_lock, LOCK_CHUNKS);
    return chunk;
}

void chunk_each(void (*visit)(struct chunk *chunk, void *context), void *context) {
    lock_take(&chunk_lock, LOCK_CHUNKS);
    struct chunk *chunk = hand;
    while (chunk) {
        visit(chunk, context);
        chunk = chunk->ring_next == hand ? NULL : chunk->ring_next;
    }
    lock_give(&chunk_lock, LOCK_CHUNKS);
}

void chunk_fork_take(void) {
    lock_fork_take(&chunk_lock);
}
void chunk_fork_give(void) {
    lock_fork_give(&chunk_lock);
}
