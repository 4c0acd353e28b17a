/*
 * Purpose: tests of pages/purge.c: the dirty budget, what goes back and when, and refusals of the system.
 */
#include "pages/purge.h"
#include "chunk_units.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/direct.h"
#include "pages/span.h"
#include "pages/sparse.h"
#include "unit.h"

#define MIB ((size_t)1 << 20)

static size_t dirty(void) {
    return page_dirty_bytes();
}

/* A span of so many slices, written to. */
static char *take(unsigned slices) {
    bool zeroed = false;
    char *block = span_take((size_t)slices << SLICE_SHIFT, 1, &zeroed);
    assert_non_null(block);
    memset(block, 1, (size_t)slices << SLICE_SHIFT);
    return block;
}

static void give(char *block) {
    assert_true(span_give((uintptr_t)block));
}

static void the_budget_follows_options_and_live_bytes(void **state) {
    (void)state;
    assert_int_equal(purge_budget(), DIRTY_MIN);
    assert_true(option_set(OPTION_dirty_min, 64 << 10));
    assert_true(option_set(OPTION_dirty_shift, 4));
    assert_int_equal(purge_budget(), 64 << 10);
    char *block[16];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(256);
    }
    assert_int_equal(purge_budget(), MIB);
    bool zeroed = false;
    assert_non_null(direct_take(32 * MIB, 4096, &zeroed));
    assert_int_equal(purge_budget(), 3 * MIB);
    assert_true(option_set(OPTION_dirty_shift, 63));
    assert_int_equal(purge_budget(), 64 << 10);
    assert_true(option_set(OPTION_dirty_min, 0));
    assert_int_equal(purge_budget(), 0);
}

static void nothing_goes_back_within_the_budget(void **state) {
    (void)state;
    assert_true(option_set(OPTION_dirty_min, MIB));
    char *block[9];
    char *wall[9];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(32);
        wall[i] = take(1);
    }
    for (size_t i = 0; i < 8; i++) {
        give(block[i]);
        purge_if_over_budget();
    }
    assert_int_equal(dirty(), MIB);
    assert_int_equal(fake_calls(FAKE_PURGE), 0);
    give(block[8]);
    purge_if_over_budget();
    assert_int_equal(dirty(), MIB / 2); /* down to half, not to the last byte */
    assert_int_equal(load_relaxed(&page_counters.purged_bytes), fake_purged_bytes());
    assert_int_equal(load_relaxed(&page_counters.purge_calls), fake_calls(FAKE_PURGE));
    give(wall[0]);
}

static void purges_down_to_what_is_asked(void **state) {
    (void)state;
    char *block[24];
    void *unit[24];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(64);
        unit[i] = take_unit();
    }
    for (size_t i = 0; i < COUNT(block); i += 2) {
        give(block[i]);
        chunk_give_unit(unit[i], UNIT_SLICES, 0);
    }
    size_t before = fake_resident_bytes();
    assert_int_equal(dirty(), 12 * (64 * SLICE_SIZE + UNIT_SIZE));
    assert_true(purge_down_to(MIB));
    assert_true(dirty() <= MIB && dirty() > 0);
    assert_true(purge_down_to(0));
    assert_int_equal(dirty(), 0);
    assert_int_equal(before - fake_resident_bytes(), 12 * (64 * SLICE_SIZE + UNIT_SIZE));
    assert_false(purge_down_to(0));
    for (size_t i = 1; i < COUNT(block); i += 2) {
        assert_true(unit_all(block[i], 64 * SLICE_SIZE, 1));
        assert_true(unit_all(address_of(unit[i]), UNIT_SIZE, 1));
    }
}

static void take_chunks(void **unit, size_t chunks) {
    for (size_t i = 0; i < chunks * CHUNK_UNITS; i++) {
        unit[i] = take_unit();
    }
}

static void give_chunks(void **unit, size_t from, size_t to) {
    for (size_t i = from * CHUNK_UNITS; i < to * CHUNK_UNITS; i++) {
        chunk_give_unit(unit[i], UNIT_SLICES, 0);
    }
}

static void whole_chunks_are_unmapped(void **state) {
    (void)state;
    static void *unit[10 * CHUNK_UNITS];
    take_chunks(unit, 10);
    assert_int_equal(load_relaxed(&page_counters.chunk_bytes), 10 * CHUNK_SIZE);
    give_chunks(unit, 0, 10);
    assert_true(purge_down_to(0));
    assert_int_equal(load_relaxed(&page_counters.chunk_bytes), CHUNK_SIZE); /* the first one stays */
    assert_int_equal(fake_calls(FAKE_UNMAP), 9);
    assert_int_equal(fake_calls(FAKE_PURGE), 1 + 9); /* with the bits of those unmapped */
    assert_int_equal(load_relaxed(&page_counters.used_bytes), 0);
    take_chunks(unit, 10);
}

static void clean_address_space_goes_with_the_last_byte_only(void **state) {
    (void)state;
    static void *unit[2 * CHUNK_UNITS];
    for (size_t i = 0; i < COUNT(unit); i++) {
        unit[i] = chunk_take_unit(1);
    }
    char *block = take(512);
    uintptr_t second = (uintptr_t)address_of(unit[CHUNK_UNITS]);
    for (size_t i = CHUNK_UNITS; i < COUNT(unit); i++) {
        chunk_give_unit(unit[i], 0, 0);
    }
    give(block);
    assert_true(purge_down_to(1));
    assert_true(fake_is_mapped((void *)second, CHUNK_SIZE) && fake_is_mapped(block, 512 * SLICE_SIZE));
    assert_true(purge_down_to(0));
    assert_false(fake_is_mapped((void *)second, 4096));
    assert_false(fake_is_mapped(block, 4096));
    assert_int_equal(load_relaxed(&page_counters.span_bytes), 0);
}

static void kept_mappings_go_first(void **state) {
    (void)state;
    bool zeroed = false;
    char *block = take(64);
    uintptr_t mapping = (uintptr_t)direct_take(2 * MIB, 4096, &zeroed);
    assert_true(direct_give(mapping, SIZE_MAX));
    give(block);
    assert_int_equal(dirty(), 2 * MIB + 64 * SLICE_SIZE);
    assert_true(purge_down_to(MIB));
    assert_false(fake_is_mapped((void *)mapping, 4096));
    assert_int_equal(dirty(), 64 * SLICE_SIZE);
    assert_int_equal(fake_calls(FAKE_PURGE), 0);
}

static void a_refused_unmap_purges_instead(void **state) {
    (void)state;
    static void *unit[2 * CHUNK_UNITS];
    take_chunks(unit, 2);
    char *base = address_of(unit[CHUNK_UNITS]);
    struct chunk *chunk = chunk_of_unit_info(unit[CHUNK_UNITS]);
    give_chunks(unit, 1, 2);
    char *block = take(512);
    give(block);
    fake_fail_from(FAKE_UNMAP, 1);
    assert_true(purge_down_to(0));
    assert_int_equal(dirty(), 0);
    assert_ptr_equal(chunk_of_unit_info(chunk_take_unit(1)), chunk); /* and serves on */
    assert_true(unit_all(base, CHUNK_SIZE, 0));
    bool zeroed = false;
    assert_ptr_equal(span_take(512 * SLICE_SIZE, 1, &zeroed), block);
    assert_true(zeroed);
    assert_true(unit_all(block, 512 * SLICE_SIZE, 0));
    give(block);
    fake_fail_never();
    assert_true(purge_down_to(0));
    assert_false(fake_is_mapped(block, 4096));
}

static void refused_purges_are_not_repeated_for_ever(void **state) {
    (void)state;
    assert_true(option_set(OPTION_dirty_min, SLICE_SIZE));
    char *block[8];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(16);
    }
    fake_fail_from(FAKE_PURGE, 1);
    for (size_t i = 0; i < COUNT(block); i++) {
        give(block[i]);
        purge_if_over_budget();
    }
    assert_int_equal(dirty(), 8 * 16 * SLICE_SIZE);
    assert_true(fake_calls(FAKE_PURGE) <= COUNT(block));
    fake_fail_never();
    assert_true(purge_down_to(0)); /* who asks outright is obeyed */
    assert_int_equal(dirty(), 0);
}

static void refuse_every_other(void) {
    if (fake_calls(FAKE_PURGE) % 2 == 0) {
        fake_fail_nth(FAKE_PURGE, 1);
    }
}

static void one_refusal_does_not_keep_the_others(void **state) {
    (void)state;
    char *block[8];
    char *wall[8];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(i == 3 ? 64 : 16);
        wall[i] = take(1);
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        give(block[i]);
    }
    fake_on_call(FAKE_PURGE, refuse_every_other);
    (void)purge_down_to(64 * SLICE_SIZE);
    assert_true(dirty() <= 64 * SLICE_SIZE);
    give(wall[0]);
}

static unsigned soiled;

/* Another thread takes and gives a block while each purge goes on. */
static void another_thread_soils(void) {
    if (soiled++ < 1000) {
        give(take(16));
    }
}

static void what_others_soil_meanwhile_is_left(void **state) {
    (void)state;
    char *wall = take(16);
    give(take(256));
    fake_on_call(FAKE_PURGE, another_thread_soils);
    assert_true(purge_down_to(0));
    fake_on_call(FAKE_PURGE, NULL);
    assert_true(soiled < 4);
    assert_true(dirty() >= 16 * SLICE_SIZE);
    assert_true(purge_down_to(0));
    assert_int_equal(dirty(), 0);
    give(wall);
}

static unsigned mapped;

/* Another thread finds no clean memory and maps more while each span goes. */
static void another_thread_maps(void) {
    if (mapped++ < 1000) {
        (void)take(16);
        fake_after_unmap(another_thread_maps);
    }
}

static void what_others_map_meanwhile_is_left(void **state) {
    (void)state;
    (void)take(16);
    fake_after_unmap(another_thread_maps);
    (void)purge_down_to(0);
    assert_true(mapped < 100);
}

/* A system that refuses both leaves the chunk as it was: nothing may be taken for zeros that was used before. */
static void memory_that_can_neither_go_nor_be_purged(void **state) {
    (void)state;
    char *block = take(512);
    give(block);
    fake_fail_from(FAKE_UNMAP, 1);
    fake_fail_from(FAKE_PURGE, 1);
    assert_false(purge_down_to(0));
    bool zeroed = false;
    assert_ptr_equal(span_take(512 * SLICE_SIZE, 1, &zeroed), block);
    assert_false(zeroed);
}

/* Locked memory: no page goes back, but who needs addresses, or asks outright, gets what is free unmapped. */
static void what_cannot_be_purged_is_unmapped(void **state) {
    (void)state;
    static char *block[8];
    static char *wall[8];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(512);
        wall[i] = take(1);
    }
    size_t live = load_relaxed(&page_counters.large_bytes) - COUNT(block) * 512 * SLICE_SIZE;
    for (size_t i = 0; i < COUNT(block); i++) {
        give(block[i]);
    }
    fake_fail_from(FAKE_PURGE, 1);
    (void)purge_down_to(MIB);
    assert_int_equal(dirty(), COUNT(block) * 512 * SLICE_SIZE);
    size_t mapped_before = load_relaxed(&page_counters.span_bytes);
    size_t purged_before = load_relaxed(&page_counters.purged_bytes);
    assert_true(purge_down_to(0));
    assert_int_equal(dirty(), 0);
    assert_int_equal(load_relaxed(&page_counters.purged_bytes) - purged_before, COUNT(block) * 512 * SLICE_SIZE);
    assert_true(mapped_before - load_relaxed(&page_counters.span_bytes) >= COUNT(block) * 512 * SLICE_SIZE);
    assert_int_equal(load_relaxed(&page_counters.large_bytes), live);
    for (size_t i = 0; i < COUNT(block); i++) {
        assert_false(fake_is_mapped(block[i], 4096));
        assert_true(unit_all(wall[i], SLICE_SIZE, 1));
    }
    span_check();
}

/* Locked memory: who asks for zeros gets what is dirty, cleared by the caller; clean pages for each such block would never come back. */
static void zeros_are_no_reason_to_grow_when_nothing_goes_back(void **state) {
    (void)state;
    fake_fail_from(FAKE_PURGE, 1);
    size_t grown[2];
    for (int round = 0; round < 40; round++) {
        bool zeroed = true;
        char *block = span_take(3 * MIB, 1, &zeroed);
        assert_non_null(block);
        assert_true(!zeroed || unit_all(block, 3 * MIB, 0));
        memset(block, 1, 3 * MIB);
        give(block);
        purge_if_over_budget();
        grown[round >= 20] = load_relaxed(&page_counters.span_bytes);
    }
    assert_int_equal(grown[1], grown[0]);
    fake_fail_never();
    assert_true(purge_down_to(0));
    bool zeroed = true;
    assert_non_null(span_take(3 * MIB, 1, &zeroed));
    assert_true(zeroed); /* since it goes back again */
}

static void without_a_swing_nothing_is_kept_for_it(void **state) {
    (void)state;
    assert_true(option_set(OPTION_dirty_min, 0) && option_set(OPTION_dirty_shift, 63) && option_set(OPTION_swing_max, 0));
    char *wall = take(256);
    for (int round = 0; round < 20; round++) {
        give(take(100));
        purge_if_over_budget();
        assert_int_equal(dirty(), 0);
    }
    give(wall);
}

/* Rounds of the same: what is regretted is kept next time; what is not, is forgotten. */
static void what_is_needed_again_is_kept(void **state) {
    (void)state;
    enum { BLOCKS = 64 };
    char *block[BLOCKS];
    char *base = take(256); /* keeps the rounds apart from a heap that is empty */
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = take(256);
    }
    uint64_t seed = 3;
    size_t calls_at_last = 0;
    size_t purged = 0;
    for (int step = 0; step < 4000; step++) {
        char **one = &block[unit_random(&seed) % BLOCKS];
        char **other = &block[unit_random(&seed) % BLOCKS];
        if (one != other && *one && *other) {
            give(*one);
            purge_if_over_budget();
            give(*other);
            purge_if_over_budget();
            *one = take(100 + (unsigned)(unit_random(&seed) % 300));
            *other = take(100 + (unsigned)(unit_random(&seed) % 300));
        }
        if (step == 2000) {
            calls_at_last = fake_calls(FAKE_PURGE);
            purged = load_relaxed(&page_counters.purged_bytes);
        }
    }
    assert_true(load_relaxed(&page_counters.purged_bytes) - purged < 2000 * MIB / 20); /* of some 3000 MiB freed meanwhile */
    assert_true(fake_calls(FAKE_PURGE) - calls_at_last < 400);
    size_t live = load_relaxed(&page_counters.large_bytes);
    assert_true(purge_budget() <= live);
    for (size_t i = 0; i < BLOCKS; i++) {
        give(block[i]);
        purge_if_over_budget();
    }
    assert_true(dirty() <= 9 * MIB); /* the swing, at most */
    give(base);
}

/* A thread that was overtaken finds that others have looked at later counts than it read. */
static void counts_that_run_backwards_change_nothing(void **state) {
    (void)state;
    what_is_needed_again_is_kept(state);
    size_t purged = load_relaxed(&page_counters.purged_bytes);
    size_t taken = load_relaxed(&page_counters.clean_taken_bytes);
    char *block = take(4000);
    size_t budget = purge_budget_now();
    assert_true(budget > DIRTY_MIN);
    store_relaxed(&page_counters.purged_bytes, purged - 1000);
    assert_int_equal(purge_budget_now(), budget);
    store_relaxed(&page_counters.purged_bytes, purged + 1000);
    store_relaxed(&page_counters.clean_taken_bytes, taken - MIB);
    assert_int_equal(purge_budget_now(), budget);
    give(block);
}

static void a_purged_chunk_wants_no_huge_page_any_more(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    void *wall = take_unit();
    while (fake_huge_pages_at(address_of(wall)) != 1) { /* the first chunks come from one mapping that asks for none */
        wall = take_unit();
    }
    void *unit = take_unit();
    char *address = address_of(unit);
    assert_int_equal(fake_huge_pages_at(address), 1);
    chunk_give_unit(unit, UNIT_SLICES, 0);
    assert_true(purge_down_to(0));
    assert_int_equal(fake_huge_pages_at(address), -1);
}

/* The second of two chunks: the first comes from a mapping that asks for no huge page. */
static void take_a_slow_huge_chunk(void **unit) {
    take_chunks(unit, 1);
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    fake_settings.clock_step = 2000000;
    take_chunks(unit + CHUNK_UNITS, 1);
    fake_settings.clock_step = 0;
    assert_int_equal(fake_huge_pages_at(address_of(unit[CHUNK_UNITS])), 1);
}

/* Chunks that were huge pages and went back whole may be had as such again, even where others are slow. */
static void an_unmapped_chunk_is_quick_to_get_again(void **state) {
    (void)state;
    enum { UNITS = 3 * CHUNK_UNITS };
    static void *unit[UNITS];
    take_a_slow_huge_chunk(unit);
    take_chunks(unit + 2 * CHUNK_UNITS, 1);
    assert_int_equal(fake_huge_pages_at(address_of(unit[2 * CHUNK_UNITS])), -1);
    give_chunks(unit, 1, 3);
    assert_true(purge_down_to(0));
    take_chunks(unit + CHUNK_UNITS, 2);
    assert_int_equal(fake_huge_pages_at(address_of(unit[CHUNK_UNITS])), 1);
    assert_int_equal(fake_huge_pages_at(address_of(unit[2 * CHUNK_UNITS])), -1);
}

/* One that went back by pieces was a huge page no longer. */
static void a_chunk_of_which_a_part_went_back_is_not(void **state) {
    (void)state;
    static void *unit[2 * CHUNK_UNITS];
    take_a_slow_huge_chunk(unit);
    chunk_give_unit(unit[CHUNK_UNITS], UNIT_SLICES, 0);
    assert_true(purge_down_to(0));
    for (size_t i = CHUNK_UNITS + 1; i < 2 * CHUNK_UNITS; i++) {
        chunk_give_unit(unit[i], UNIT_SLICES, 0);
    }
    assert_true(purge_down_to(0));
    take_chunks(unit + CHUNK_UNITS, 1);
    assert_int_equal(fake_huge_pages_at(address_of(unit[CHUNK_UNITS])), -1);
}

/* A purge is to blame for what is taken after it, not for what was taken before. */
static void growth_before_a_purge_is_no_regret(void **state) {
    (void)state;
    assert_true(option_set(OPTION_swing_max, 256 * MIB));
    char *block[64];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(MIB >> SLICE_SHIFT);
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        give(block[i]);
        purge_if_over_budget();
        assert_true(dirty() <= DIRTY_MIN);
    }
    assert_int_equal(purge_budget_now(), DIRTY_MIN);
}

/* What is live at a moment bounds what may be kept then, and not for longer, unless something goes back. */
static void a_look_between_purges_takes_nothing_off(void **state) {
    (void)state;
    enum { BLOCKS = 32, PART = 24 };
    char *block[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = take(MIB >> SLICE_SHIFT);
    }
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < PART; i++) {
            give(block[i]);
            purge_if_over_budget();
        }
        for (size_t i = 0; i < PART; i++) {
            block[i] = take(MIB >> SLICE_SHIFT);
        }
    }
    size_t budget = purge_budget_now();
    assert_true(budget > 12 * MIB);
    for (size_t i = 0; i < PART; i++) {
        give(block[i]);
    }
    (void)take_unit(); /* something is taken, so that there is something to reckon up */
    assert_true(purge_budget_now() <= 12 * MIB + MIB / 8);
    for (size_t i = 0; i < PART; i++) {
        block[i] = take(MIB >> SLICE_SHIFT);
    }
    assert_true(purge_budget_now() >= budget);
}

/* What counts of it: a part where blocks are hardly touched. */
static size_t kept(void) {
    return sparse_usually() ? dirty() / SPARSE_SHARE : dirty();
}

/* Rounds in which `part` of 32 blocks go and come again; `touched` of each block is written to. Returns what is kept of them in the end. */
static size_t kept_after_rounds(size_t size, size_t touched, size_t part) {
    enum { BLOCKS = 32 };
    char *block[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        bool zeroed = false;
        block[i] = span_take(size, 4096, &zeroed);
        memset(block[i], 1, touched);
    }
    size_t most = 0;
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < part; i++) {
            give(block[i]);
            purge_if_over_budget();
        }
        most = round >= 100 && kept() > most ? kept() : most;
        for (size_t i = 0; i < part; i++) {
            bool zeroed = false;
            block[i] = span_take(size, 4096, &zeroed);
            memset(block[i], 1, touched);
        }
    }
    store_relaxed(&page_counters.used_bytes, 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        give(block[i]);
        purge_if_over_budget();
    }
    assert_true(kept() <= 8 * MIB);
    return most;
}

/* Where blocks get filled what is kept may be more than what is live, else it may not. */
static void more_is_kept_of_blocks_that_are_filled(void **state) {
    (void)state;
    assert_in_range(kept_after_rounds(MIB, MIB, 18), 15 * MIB, 18 * MIB); /* 14 live */
}

static void less_is_kept_of_blocks_that_are_not(void **state) {
    (void)state;
    assert_true(kept_after_rounds(MIB, 4096, 18) <= 14 * MIB);
}

/* A small heap of filled blocks: a quarter more than is live, in slabs too, beyond swing_max. */
static void a_small_heap_of_filled_blocks_keeps_more(void **state) {
    (void)state;
    assert_true(option_set(OPTION_huge_start, HUGE_NEVER)); /* it does not depend on huge pages */
    store_relaxed(&page_counters.used_bytes, 8 * MIB);
    assert_in_range(kept_after_rounds(MIB / 2, MIB / 2, 28), 11 * MIB, 13 * MIB); /* 10 live */
}

static void a_small_heap_of_others_does_not(void **state) {
    (void)state;
    store_relaxed(&page_counters.used_bytes, 8 * MIB);
    assert_true(kept_after_rounds(MIB / 2, 4096, 28) <= 8 * MIB);
}

/* More than half of what they gave, or it was right to give. */
static void slabs_may_keep_what_they_need_again(void **state) {
    (void)state;
    size_t budget = purge_budget();
    assert_int_equal(purge_budget_of_slabs(), budget);
    for (int i = 0; i < 100; i++) {
        purge_note_slab_gave(MIB);
        purge_note_slab_took(MIB / 2);
    }
    assert_int_equal(purge_budget_of_slabs(), budget);
    for (int i = 0; i < 100; i++) {
        purge_note_slab_gave(MIB);
        purge_note_slab_took(MIB);
    }
    assert_int_equal(purge_budget_of_slabs(), budget + SWING_MAX);
    purge_note_slab_gave(26 * MIB); /* a peak that is over; not a third of it comes again */
    purge_note_slab_took(8 * MIB);
    assert_int_equal(purge_budget_of_slabs(), budget);
    purge_note_slab_gave(1000 * MIB); /* long ago, some day */
    purge_note_slab_took(2 * SWING_MAX + MIB);
    assert_int_equal(purge_budget_of_slabs(), budget + 2 * MIB);
    assert_true(option_set(OPTION_swing_max, 0));
    purge_note_slab_took(MIB);
    assert_int_equal(purge_budget_of_slabs(), budget);
    assert_true(option_set(OPTION_swing_max, SIZE_MAX / 2));
    purge_note_slab_took(MIB);
    purge_note_slab_gave(MIB / 2);
    assert_int_equal(purge_budget_of_slabs(), budget + 3 * MIB / 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(slabs_may_keep_what_they_need_again),
    cmocka_unit_test(an_unmapped_chunk_is_quick_to_get_again),
    cmocka_unit_test(a_chunk_of_which_a_part_went_back_is_not),
    cmocka_unit_test(a_look_between_purges_takes_nothing_off),
    cmocka_unit_test(growth_before_a_purge_is_no_regret),
    cmocka_unit_test(more_is_kept_of_blocks_that_are_filled),
    cmocka_unit_test(less_is_kept_of_blocks_that_are_not),
    cmocka_unit_test(a_small_heap_of_filled_blocks_keeps_more),
    cmocka_unit_test(a_small_heap_of_others_does_not),
    cmocka_unit_test(the_budget_follows_options_and_live_bytes),
    cmocka_unit_test(nothing_goes_back_within_the_budget),
    cmocka_unit_test(purges_down_to_what_is_asked),
    cmocka_unit_test(whole_chunks_are_unmapped),
    cmocka_unit_test(clean_address_space_goes_with_the_last_byte_only),
    cmocka_unit_test(kept_mappings_go_first),
    cmocka_unit_test(a_refused_unmap_purges_instead),
    cmocka_unit_test(refused_purges_are_not_repeated_for_ever),
    cmocka_unit_test(zeros_are_no_reason_to_grow_when_nothing_goes_back),
    cmocka_unit_test(one_refusal_does_not_keep_the_others),
    cmocka_unit_test(what_cannot_be_purged_is_unmapped),
    cmocka_unit_test(what_others_soil_meanwhile_is_left),
    cmocka_unit_test(what_others_map_meanwhile_is_left),
    cmocka_unit_test(memory_that_can_neither_go_nor_be_purged),
    cmocka_unit_test(without_a_swing_nothing_is_kept_for_it),
    cmocka_unit_test(counts_that_run_backwards_change_nothing),
    cmocka_unit_test(what_is_needed_again_is_kept),
    cmocka_unit_test(a_purged_chunk_wants_no_huge_page_any_more),
};
UNIT_MAIN(tests)
