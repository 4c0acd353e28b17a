/*
 * Purpose: tests of pages/chunk.c: random taking, giving and purging of units against a model of every slice, accounting included.
 */
#include "pages/chunk.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/growth.h"
#include "pages/huge.h"
#include "pages/meta.h"
#include "pages/page_map.h"
#include "unit.h"

#define MILLISECOND ((uint64_t)1000000)

static size_t counter(const _Atomic(size_t) *word) {
    return load_relaxed((_Atomic(size_t) *)(uintptr_t)word);
}

#define SLICES_TO_BYTES(n) ((size_t)(n) << SLICE_SHIFT)

/* Sums over all chunks by looking at every slice, to hold against the counters. */
struct sums {
    size_t chunks;
    size_t free;
    size_t dirty;
};

static void add_chunk(struct chunk *chunk, void *context) {
    struct sums *sums = context;
    chunk_check(chunk);
    unsigned free = 0;
    unsigned dirty = 0;
    for (unsigned i = 0; i < CHUNK_SLICES; i++) {
        bool is_free = chunk->free.words[i / 64] >> (i % 64) & 1;
        bool is_dirty = chunk->dirty.words[i / 64] >> (i % 64) & 1;
        free += is_free;
        dirty += is_free && is_dirty;
    }
    assert_int_equal(chunk->free_slices, free);
    assert_int_equal(chunk->dirty_free, dirty);
    assert_ptr_equal(page_map_chunk((uintptr_t)chunk->base), chunk);
    sums->chunks++;
    sums->free += free;
    sums->dirty += dirty;
}

static struct sums sum_up(void) {
    struct sums sums = {0};
    chunk_each(add_chunk, &sums);
    assert_int_equal(counter(&page_counters.chunk_bytes), sums.chunks * CHUNK_SIZE);
    assert_int_equal(counter(&page_counters.used_bytes), sums.chunks * CHUNK_SIZE - SLICES_TO_BYTES(sums.free));
    assert_int_equal(counter(&page_counters.dirty_bytes), SLICES_TO_BYTES(sums.dirty));
    return sums;
}

static char *address_of(void *info) {
    return chunk_unit_base(chunk_of_unit_info(info), unit_of_unit_info(info));
}

struct unit {
    void *info;
    unsigned touched; /* slices that were written to */
    unsigned char mark;
};

/* A unit's pages may hold anything but what somebody else still uses. */
static void write_marks(const struct unit *unit) {
    for (unsigned i = 0; i < unit->touched; i++) {
        address_of(unit->info)[SLICES_TO_BYTES(i)] = (char)unit->mark;
        address_of(unit->info)[SLICES_TO_BYTES(i + 1) - 1] = (char)unit->mark;
    }
}

static void expect_marks(const struct unit *unit) {
    for (unsigned i = 0; i < unit->touched; i++) {
        assert_int_equal((unsigned char)address_of(unit->info)[SLICES_TO_BYTES(i)], unit->mark);
        assert_int_equal((unsigned char)address_of(unit->info)[SLICES_TO_BYTES(i + 1) - 1], unit->mark);
    }
}

static void purge_one(bool clean) {
    struct chunk *chunk;
    unsigned start;
    unsigned count;
    bool whole;
    if (chunk_take_dirty(&chunk, &start, &count, &whole)) {
        if (whole && clean) {
            assert_null(page_map_chunk((uintptr_t)chunk->base));
            assert_true(platform_unmap(chunk->base, CHUNK_SIZE));
            chunk_forget(chunk);
            return;
        }
        if (clean) {
            assert_true(platform_purge(chunk->base + SLICES_TO_BYTES(start), SLICES_TO_BYTES(count)));
        }
        chunk_return_slices(chunk, start, count, clean);
    }
}

static void follows_a_model(void **state) {
    (void)state;
    enum { UNITS = 120 };
    static struct unit units[UNITS];
    uint64_t seed = 13;
    size_t live = 0;
    for (int step = 0; step < 30000; step++) {
        struct unit *unit = &units[unit_random(&seed) % UNITS];
        if (unit_random(&seed) % 8 == 0) {
            purge_one(unit_random(&seed) % 8 != 0);
        } else if (unit->info == NULL) {
            unsigned class_index = 1 + (unsigned)(unit_random(&seed) % 63);
            unit->info = chunk_take_unit(class_index);
            assert_non_null(unit->info);
            assert_int_equal(page_map_class((uintptr_t)address_of(unit->info)), class_index);
            unit->touched = (unsigned)(unit_random(&seed) % (UNIT_SLICES + 1));
            unit->mark = (unsigned char)(1 + unit_random(&seed) % 255);
            write_marks(unit);
            live++;
        } else {
            expect_marks(unit);
            chunk_give_unit(unit->info, unit->touched, 0);
            unit->info = NULL;
            live--;
        }
        if (step % 50 == 0) {
            (void)sum_up();
            assert_int_equal(counter(&page_counters.used_bytes), live * UNIT_SIZE);
        }
    }
}

static void purged_slices_are_clean(void **state) {
    (void)state;
    void *wall = chunk_take_unit(1);
    void *info = chunk_take_unit(1);
    char *base = address_of(info);
    memset(base, 9, UNIT_SIZE);
    chunk_give_unit(info, UNIT_SLICES, 0);
    assert_int_equal(counter(&page_counters.dirty_bytes), UNIT_SIZE);
    size_t clean = counter(&page_counters.clean_taken_bytes);
    assert_ptr_equal(chunk_take_unit(1), info);
    assert_int_equal(counter(&page_counters.clean_taken_bytes), clean);
    chunk_give_unit(info, 0, 0); /* as dirty as it was before */
    assert_int_equal(counter(&page_counters.dirty_bytes), UNIT_SIZE);
    purge_one(true);
    assert_int_equal(counter(&page_counters.dirty_bytes), 0);
    assert_true(unit_all(base, UNIT_SIZE, 0));
    assert_ptr_equal(chunk_take_unit(1), info);
    assert_int_equal(counter(&page_counters.clean_taken_bytes), clean + UNIT_SIZE);
    chunk_give_unit(wall, 0, 0);
}

static void slices_given_back_clean_are_clean(void **state) {
    (void)state;
    void *wall = chunk_take_unit(1);
    void *info = chunk_take_unit(1);
    chunk_give_unit(info, UNIT_SLICES, 0);
    assert_ptr_equal(chunk_take_unit(1), info);
    chunk_give_unit(info, 8, 0xc1); /* three of its first eight, all of which were dirty; the others still are */
    assert_int_equal(counter(&page_counters.dirty_bytes), UNIT_SIZE - 3 * 4096);
    size_t clean = counter(&page_counters.clean_taken_bytes);
    assert_ptr_equal(chunk_take_unit(1), info);
    assert_int_equal(counter(&page_counters.clean_taken_bytes) - clean, 3 * 4096);
    chunk_give_unit(info, 0, 0);
    chunk_give_unit(wall, 0, 0);
}

static void units_fill_a_chunk_from_below(void **state) {
    (void)state;
    void *info[CHUNK_UNITS + 1];
    for (unsigned unit = 0; unit < CHUNK_UNITS; unit++) {
        info[unit] = chunk_take_unit(unit + 1);
        assert_non_null(info[unit]);
        assert_int_equal(unit_of_unit_info(info[unit]), unit);
        struct chunk *chunk = chunk_of_unit_info(info[unit]);
        assert_ptr_equal(chunk, chunk_of_unit_info(info[0]));
        assert_int_equal((uintptr_t)chunk_unit_base(chunk, unit) % UNIT_SIZE, 0);
        assert_int_equal(page_map_class((uintptr_t)chunk_unit_base(chunk, unit)), unit + 1);
        assert_true(unit_all(info[unit], UNIT_INFO_BYTES, 0));
    }
    assert_int_equal(sum_up().free, 0);
    info[CHUNK_UNITS] = chunk_take_unit(1);
    assert_ptr_not_equal(chunk_of_unit_info(info[CHUNK_UNITS]), chunk_of_unit_info(info[0]));
    assert_int_equal(sum_up().chunks, 2);
    /* Only what was touched is dirty. */
    chunk_give_unit(info[7], 3, 0);
    assert_int_equal(counter(&page_counters.dirty_bytes), SLICES_TO_BYTES(3));
    assert_int_equal(page_map_class((uintptr_t)chunk_unit_base(chunk_of_unit_info(info[7]), 7)), 0);
    /* The fullest chunk with a free unit comes first. */
    assert_ptr_equal(chunk_take_unit(5), info[7]);
    assert_int_equal(counter(&page_counters.dirty_bytes), 0);
    assert_int_equal(sum_up().dirty, 0);
}

static void a_refused_purge_keeps_it_dirty(void **state) {
    (void)state;
    void *wall = chunk_take_unit(1);
    void *info = chunk_take_unit(1);
    chunk_give_unit(info, 8, 0);
    struct chunk *chunk;
    unsigned start;
    unsigned count;
    bool whole;
    assert_true(chunk_take_dirty(&chunk, &start, &count, &whole));
    assert_int_equal(start, UNIT_SLICES);
    assert_int_equal(count, 8);
    assert_false(whole);
    assert_int_equal(counter(&page_counters.dirty_bytes), 0); /* out of use meanwhile */
    struct chunk *other;
    assert_false(chunk_take_dirty(&other, &start, &count, &whole));
    chunk_return_slices(chunk, UNIT_SLICES, 8, false);
    assert_int_equal(counter(&page_counters.dirty_bytes), SLICES_TO_BYTES(8));
    assert_int_equal(counter(&page_counters.purged_bytes), 0);
    chunk_give_unit(wall, 0, 0);
    (void)sum_up();
}

/* One that may not be purged now must not keep the others from it. */
static void after_a_refused_purge_comes_another_chunk(void **state) {
    (void)state;
    void *info[2 * CHUNK_UNITS];
    for (unsigned i = 0; i < COUNT(info); i++) {
        info[i] = chunk_take_unit(1);
    }
    chunk_give_unit(info[1], 1, 0);
    chunk_give_unit(info[CHUNK_UNITS + 1], 1, 0);
    struct chunk *chunk[2];
    unsigned start;
    unsigned count;
    bool whole;
    for (unsigned i = 0; i < 2; i++) {
        assert_true(chunk_take_dirty(&chunk[i], &start, &count, &whole));
        chunk_return_slices(chunk[i], start, count, false);
    }
    assert_ptr_not_equal(chunk[0], chunk[1]);
}

/* The hand stays where it found something, until all of that is purged. */
static void one_chunk_is_purged_before_the_next(void **state) {
    (void)state;
    void *info[2 * CHUNK_UNITS];
    for (unsigned i = 0; i < COUNT(info); i++) {
        info[i] = chunk_take_unit(1);
    }
    for (unsigned first = 0; first < COUNT(info); first += CHUNK_UNITS) { /* each chunk in turn */
        void **own = &info[first];
        void **other = &info[CHUNK_UNITS - first];
        chunk_give_unit(own[1], 1, 0);
        chunk_give_unit(own[3], 1, 0);
        purge_one(true);
        chunk_give_unit(other[5], 1, 0);
        struct chunk *chunk;
        unsigned start;
        unsigned count;
        bool whole;
        assert_true(chunk_take_dirty(&chunk, &start, &count, &whole));
        assert_ptr_equal(chunk, chunk_of_unit_info(own[3]));
        chunk_return_slices(chunk, start, count, true);
        purge_one(true);
        assert_int_equal(counter(&page_counters.dirty_bytes), 0);
        own[1] = chunk_take_unit(1);
        own[3] = chunk_take_unit(1);
        other[5] = chunk_take_unit(1);
    }
}

static void says_which_slices_may_be_backed(void **state) {
    (void)state;
    for (unsigned unit = 0; unit < 6; unit++) {
        void *info = chunk_take_unit(1);
        assert_int_equal(chunk_soiled_slices(info), 0);
        chunk_give_unit(info, unit + 2, 2); /* all of the first but the second */
        assert_ptr_equal(chunk_take_unit(1), info);
        assert_int_equal(chunk_soiled_slices(info), ((1u << (unit + 2)) - 1) & ~2u);
    }
}

/* Units until the chunk is full; the last one taken lies in a chunk of its own. */
static void *fill_first_chunk(void *units[CHUNK_UNITS]) {
    for (unsigned i = 0; i < CHUNK_UNITS; i++) {
        units[i] = chunk_take_unit(1);
    }
    return chunk_take_unit(1);
}

/* The first chunk is part of a larger mapping and stays; others go whole, and their descriptors serve again. */
static void empty_chunks_go_and_come_back(void **state) {
    (void)state;
    void *pinned[CHUNK_UNITS];
    void *info = fill_first_chunk(pinned);
    size_t mapped = fake_mapped_bytes() - CHUNK_SIZE;
    struct chunk *chunk = chunk_of_unit_info(info);
    assert_ptr_not_equal(chunk, chunk_of_unit_info(pinned[0]));
    size_t metadata = counter(&page_counters.meta_bytes);
    for (int round = 0; round < 3; round++) {
        chunk_give_unit(info, 1, 0);
        purge_one(true);
        assert_int_equal(sum_up().chunks, 1);
        assert_int_equal(fake_mapped_bytes(), mapped);
        info = chunk_take_unit(1);
        assert_ptr_equal(chunk_of_unit_info(info), chunk);
        assert_int_equal(sum_up().chunks, 2);
    }
    assert_int_equal(counter(&page_counters.meta_bytes), metadata);
    for (unsigned i = 0; i < CHUNK_UNITS; i++) {
        chunk_give_unit(pinned[i], 1, 0);
    }
    assert_null(chunk_take_empty());
    purge_one(true);
    assert_int_equal(sum_up().chunks, 2);
    assert_ptr_equal(page_map_chunk((uintptr_t)address_of(pinned[0])), chunk_of_unit_info(pinned[0]));
}

/* What goes back a second time with the addresses of its chunk had gone already. */
static void what_went_back_is_counted_once(void **state) {
    (void)state;
    void *pinned[CHUNK_UNITS];
    void *last = fill_first_chunk(pinned);
    chunk_give_unit(chunk_take_unit(1), UNIT_SLICES, 0);
    purge_one(true);
    assert_int_equal(counter(&page_counters.purged_bytes), UNIT_SIZE);
    chunk_give_unit(last, 3, 0);
    purge_one(true);
    assert_int_equal(counter(&page_counters.purged_bytes), UNIT_SIZE + SLICES_TO_BYTES(3));
    assert_int_equal(counter(&page_counters.purge_calls), 2);
}

/* When the first mapping is refused all chunks can go; their descriptors wait for others. */
static void the_last_chunk_goes_too(void **state) {
    (void)state;
    fake_fail_nth(FAKE_MAP, 1);
    void *units[CHUNK_UNITS];
    void *info = fill_first_chunk(units);
    size_t metadata = counter(&page_counters.meta_bytes);
    for (int round = 0; round < 3; round++) {
        chunk_give_unit(info, 0, 0);
        for (unsigned i = 0; i < CHUNK_UNITS; i++) {
            chunk_give_unit(units[i], 1, 0);
        }
        for (size_t left = 2; left > 0; left--) {
            assert_int_equal(sum_up().chunks, left);
            struct chunk *chunk = chunk_take_empty();
            assert_non_null(chunk);
            assert_true(platform_unmap(chunk->base, CHUNK_SIZE));
            chunk_forget(chunk);
        }
        assert_int_equal(sum_up().chunks, 0);
        assert_int_equal(counter(&page_counters.used_bytes), 0);
        info = fill_first_chunk(units);
    }
    assert_int_equal(counter(&page_counters.meta_bytes), metadata);
}

static void an_empty_clean_chunk_can_be_taken(void **state) {
    (void)state;
    void *pinned[CHUNK_UNITS];
    void *info = fill_first_chunk(pinned);
    struct chunk *second = chunk_of_unit_info(info);
    char *base = address_of(info);
    assert_null(chunk_take_empty()); /* a unit of it is in use */
    chunk_give_unit(info, 0, 0);
    assert_ptr_equal(chunk_take_empty(), second);
    assert_null(page_map_chunk((uintptr_t)base));
    assert_null(chunk_take_empty());
    chunk_return_slices(second, 0, CHUNK_SLICES, true); /* the system refused */
    assert_ptr_equal(page_map_chunk((uintptr_t)base), second);
    (void)sum_up();
}

static void refusals(void **state) {
    (void)state;
    fake_fail_from(FAKE_MAP, 1);
    assert_null(chunk_take_unit(1));
    assert_int_equal(fake_mapped_bytes(), 0);
    fake_fail_never();
    /* The chunk is mapped, the region of the page map is not: the chunk goes back. */
    fake_fail_nth(FAKE_MAP, 2);
    assert_null(chunk_take_unit(1));
    assert_int_equal(fake_mapped_bytes(), 0);
    assert_int_equal(sum_up().chunks, 0);
    void *info = chunk_take_unit(1);
    assert_non_null(info);
    assert_int_equal(sum_up().chunks, 1);
}

static void starting_costs_one_mapping(void **state) {
    (void)state;
    assert_non_null(chunk_take_unit(1));
    assert_int_equal(fake_calls(FAKE_MAP), 1);
    assert_int_equal(fake_mapping_count(), 1);
    assert_int_equal(fake_mapped_bytes(), 2 * (size_t)CHUNK_SIZE + REGION_BYTES);
    assert_int_equal(counter(&page_counters.chunk_bytes), CHUNK_SIZE);
    /* Of what alignment leaves before and behind the longer part serves as metadata: half a chunk at least, less the first descriptor. */
    assert_non_null(meta_alloc(CHUNK_SIZE / 2 - 16384, 64));
    assert_int_equal(fake_calls(FAKE_MAP), 1);
}

static void huge_pages_as_the_option_says(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 3 * (size_t)CHUNK_SIZE));
    void *info[4 * CHUNK_UNITS];
    for (unsigned i = 0; i < COUNT(info); i++) {
        info[i] = chunk_take_unit(1);
    }
    for (unsigned i = 0; i < COUNT(info); i += CHUNK_UNITS) {
        struct chunk *chunk = chunk_of_unit_info(info[i]);
        assert_int_equal(fake_huge_pages_at(chunk->base), i == 3 * CHUNK_UNITS ? 1 : -1);
        unsigned long calls = fake_calls(FAKE_HUGE_PAGES);
        chunk_part_goes(chunk, chunk->base, 1);
        chunk_part_goes(chunk, chunk->base + UNIT_SIZE, 1);
        assert_int_equal(fake_calls(FAKE_HUGE_PAGES) - calls, i == 3 * CHUNK_UNITS);
        chunk_part_goes(chunk, chunk->base, CHUNK_SLICES / 2);
        assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), i == 3 * CHUNK_UNITS); /* there is none in the others */
        assert_int_equal(fake_huge_pages_at(chunk->base), -1);
    }
}

/* The kernel keeps what is purged of a huge page until the page is broken up, which is dear: once, when half of it has gone. */
static void a_huge_page_is_broken_up_when_half_of_it_is_gone(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    struct chunk *ordinary = chunk_of_unit_info(chunk_take_unit(1)); /* of the first mapping */
    struct chunk *chunk = ordinary;
    while (chunk == ordinary) {
        chunk = chunk_of_unit_info(chunk_take_unit(1));
    }
    chunk_part_goes(ordinary, ordinary->base, CHUNK_SLICES / 2);
    chunk_part_goes(chunk, chunk->base, CHUNK_SLICES / 2 - 1);
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 0);
    chunk_part_goes(chunk, chunk->base, 1);
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 1);
    chunk_part_goes(chunk, chunk->base, CHUNK_SLICES - 1);
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 1);
}

/* The first unit of a chunk that asked for a huge page; the others of it are untouched. */
static void *first_of_huge(void) {
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    struct chunk *ordinary = chunk_of_unit_info(chunk_take_unit(1));
    void *info = NULL;
    do {
        info = chunk_take_unit(1);
    } while (chunk_of_unit_info(info) == ordinary);
    assert_int_equal(chunk_of_unit_info(info)->untouched, CHUNK_UNITS - 1);
    return info;
}

/* What was purged is not backed any more: nobody waits for the heap to grow into it. */
static void what_is_purged_is_no_longer_untouched(void **state) {
    (void)state;
    struct chunk *chunk = chunk_of_unit_info(first_of_huge());
    growth_note_exchanged((size_t)1 << 30);
    assert_true(growth_is_stalled());
    struct chunk *found;
    unsigned start;
    unsigned count;
    bool whole;
    assert_true(chunk_take_dirty(&found, &start, &count, &whole));
    assert_ptr_equal(found, chunk);
    assert_int_equal(start + count, CHUNK_SLICES);
    assert_int_equal(chunk->untouched, 0);
    assert_false(growth_is_stalled());
    chunk_return_slices(chunk, start, count, true);
    assert_false(chunk_take_untouched(&found, &start, &count));
}

static void untouched_units_are_taken_once_growth_has_stalled(void **state) {
    (void)state;
    struct chunk *chunk = chunk_of_unit_info(first_of_huge());
    struct chunk *found;
    unsigned start;
    unsigned count;
    assert_false(chunk_take_untouched(&found, &start, &count));
    growth_note_exchanged((size_t)1 << 30);
    assert_true(chunk_take_untouched(&found, &start, &count));
    assert_ptr_equal(found, chunk);
    assert_int_equal(start, UNIT_SLICES);
    assert_int_equal(count, CHUNK_SLICES - UNIT_SLICES);
    growth_note_exchanged((size_t)1 << 30);
    assert_false(growth_is_stalled());
    chunk_return_slices(chunk, start, count, true);
}

/* A huge page of which a part goes is none any more that could be had again quickly. */
static void a_chunk_of_which_a_part_went_is_not_known_as_huge(void **state) {
    (void)state;
    void *info = first_of_huge();
    fake_settings.clock_step = MILLISECOND;
    assert_false(huge_touch(platform_map(HUGE_WINDOW, HUGE_WINDOW), HUGE_WINDOW));
    fake_settings.clock_step = 0;
    struct chunk *chunk = chunk_of_unit_info(info);
    assert_true(huge_soon(chunk->base, CHUNK_SIZE));
    chunk_part_goes(chunk, chunk->base, 1);
    assert_false(huge_soon(chunk->base, CHUNK_SIZE));
}

/* As soon as any of it is used all of it is backed. */
static void free_units_of_a_huge_chunk_are_dirty(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    size_t before = counter(&page_counters.clean_taken_bytes);
    struct chunk *first = chunk_of_unit_info(chunk_take_unit(1));
    assert_int_equal(counter(&page_counters.dirty_bytes), 0);
    while (chunk_of_unit_info(chunk_take_unit(1)) == first) {
    }
    assert_int_equal(counter(&page_counters.dirty_bytes), CHUNK_SIZE - UNIT_SIZE);
    assert_int_equal(counter(&page_counters.clean_taken_bytes) - before, 2 * (size_t)CHUNK_SIZE);
}

/* Who takes the first unit waits for the huge page; if that takes long, the next chunks ask for none. */
static void a_slow_huge_page_is_the_last_for_a_while(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    struct chunk *first = chunk_of_unit_info(chunk_take_unit(1));
    fake_settings.clock_step = MILLISECOND;
    struct chunk *chunk[3];
    for (unsigned i = 0; i < 3; i++) {
        do {
            chunk[i] = chunk_of_unit_info(chunk_take_unit(1));
        } while (chunk[i] == (i ? chunk[i - 1] : first));
        assert_int_equal(fake_huge_pages_at(chunk[i]->base), i == 0 ? 1 : -1);
    }
}

/* A huge chunk that has become free as a whole is backed still: to take it again gains nothing, which would pay for slow pages. */
static void a_huge_chunk_is_touched_once(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    fake_settings.clock = 7 * MILLISECOND;
    assert_true(option_set(OPTION_huge_start, 0));
    void *info = chunk_take_unit(1);
    for (struct chunk *first = chunk_of_unit_info(info); chunk_of_unit_info(info) == first;) {
        info = chunk_take_unit(1);
    }
    char *window = platform_map(CHUNK_SIZE, CHUNK_SIZE);
    fake_settings.clock_step = MILLISECOND;
    assert_false(huge_touch(window, CHUNK_SIZE)); /* slow: none for 50 ms */
    fake_settings.clock_step = 0;
    for (int i = 0; i < 10; i++) {
        chunk_give_unit(info, UNIT_SLICES, 0);
        assert_ptr_equal(chunk_take_unit(1), info);
    }
    assert_false(huge_wanted(CHUNK_SIZE, CHUNK_SIZE));
}

static void crosses_into_other_regions(void **state) {
    (void)state;
    bool seen[2] = {false, false};
    uintptr_t first = 0;
    for (int i = 0; i < 20 * CHUNK_UNITS; i++) {
        void *info = chunk_take_unit(1 + (unsigned)i % 63);
        assert_non_null(info);
        uintptr_t unit = (uintptr_t)chunk_unit_base(chunk_of_unit_info(info), unit_of_unit_info(info));
        first = first ? first : unit;
        seen[unit >> REGION_SHIFT != first >> REGION_SHIFT] = true;
        assert_int_equal(page_map_class(unit), 1 + (unsigned)i % 63);
    }
    assert_true(seen[0]);
    /* The fake starts just below the end of a region wherever the system lets it. */
    bool near_the_end = (first >> CHUNK_SHIFT) % REGION_CHUNKS + 16 >= REGION_CHUNKS;
    assert_int_equal(seen[1], near_the_end);
    (void)sum_up();
}

/* Pages that purging takes are not needed by anybody. */
static void a_retired_chunk_is_not_handed_out(void **state) {
    (void)state;
    void *last = NULL;
    for (unsigned i = 0; i <= CHUNK_UNITS; i++) { /* the first chunk stays for good */
        last = chunk_take_unit(1);
        assert_non_null(last);
    }
    chunk_give_unit(last, 1, 0);
    size_t clean = counter(&page_counters.clean_taken_bytes);
    struct chunk *chunk = chunk_take_empty();
    assert_non_null(chunk);
    assert_int_equal(counter(&page_counters.clean_taken_bytes), clean);
    chunk_return_slices(chunk, 0, CHUNK_SLICES, false);
    unsigned start;
    unsigned count;
    bool whole = false;
    assert_true(chunk_take_dirty(&chunk, &start, &count, &whole) && whole);
    assert_int_equal(counter(&page_counters.clean_taken_bytes), clean);
    chunk_return_slices(chunk, 0, CHUNK_SLICES, false);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_retired_chunk_is_not_handed_out),
    cmocka_unit_test(follows_a_model),
    cmocka_unit_test(purged_slices_are_clean),
    cmocka_unit_test(units_fill_a_chunk_from_below),
    cmocka_unit_test(slices_given_back_clean_are_clean),
    cmocka_unit_test(a_refused_purge_keeps_it_dirty),
    cmocka_unit_test(after_a_refused_purge_comes_another_chunk),
    cmocka_unit_test(one_chunk_is_purged_before_the_next),
    cmocka_unit_test(says_which_slices_may_be_backed),
    cmocka_unit_test(the_last_chunk_goes_too),
    cmocka_unit_test(what_is_purged_is_no_longer_untouched),
    cmocka_unit_test(untouched_units_are_taken_once_growth_has_stalled),
    cmocka_unit_test(a_chunk_of_which_a_part_went_is_not_known_as_huge),
    cmocka_unit_test(empty_chunks_go_and_come_back),
    cmocka_unit_test(what_went_back_is_counted_once),
    cmocka_unit_test(an_empty_clean_chunk_can_be_taken),
    cmocka_unit_test(refusals),
    cmocka_unit_test(starting_costs_one_mapping),
    cmocka_unit_test(huge_pages_as_the_option_says),
    cmocka_unit_test(a_huge_page_is_broken_up_when_half_of_it_is_gone),
    cmocka_unit_test(free_units_of_a_huge_chunk_are_dirty),
    cmocka_unit_test(a_slow_huge_page_is_the_last_for_a_while),
    cmocka_unit_test(a_huge_chunk_is_touched_once),
    cmocka_unit_test(crosses_into_other_regions),
};
UNIT_MAIN(tests)
