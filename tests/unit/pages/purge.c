/*
 * Purpose: tests of pages/purge.c: the dirty budget, what goes back and when, and refusals of the system.
 */
#include "pages/purge.h"
#include "config/options.h"
#include "pages/chunk.h"
#include "pages/counters.h"
#include "pages/direct.h"
#include "pages/page_map.h"
#include "unit.h"

#define MIB ((size_t)1 << 20)

static size_t dirty(void) {
    return load_relaxed(&page_counters.dirty_bytes);
}

static char *take(unsigned slices) {
    bool zeroed = false;
    char *block = chunk_take_run(slices, 1, &zeroed);
    assert_non_null(block);
    memset(block, 1, (size_t)slices << SLICE_SHIFT);
    return block;
}

static void give(char *block) {
    assert_true(chunk_give_run(page_map_chunk((uintptr_t)block), (uintptr_t)block));
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
    for (size_t i = 0; i < COUNT(block); i++) { /* apart, so that each is a purge of its own */
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
    assert_int_equal(fake_calls(FAKE_PURGE), 5);
    assert_int_equal(load_relaxed(&page_counters.purged_bytes), fake_purged_bytes());
    assert_int_equal(load_relaxed(&page_counters.purge_calls), fake_calls(FAKE_PURGE));
    give(wall[0]);
}

static void purges_down_to_what_is_asked(void **state) {
    (void)state;
    char *block[24];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(64);
    }
    for (size_t i = 0; i < COUNT(block); i += 2) {
        give(block[i]);
    }
    size_t before = fake_resident_bytes();
    assert_int_equal(dirty(), 12 * 64 * SLICE_SIZE);
    assert_true(purge_down_to(5 * 64 * SLICE_SIZE));
    assert_true(dirty() <= 5 * 64 * SLICE_SIZE && dirty() > 0);
    assert_true(purge_down_to(0));
    assert_int_equal(dirty(), 0);
    assert_int_equal(before - fake_resident_bytes(), 12 * 64 * SLICE_SIZE);
    assert_false(purge_down_to(0));
    for (size_t i = 1; i < COUNT(block); i += 2) {
        assert_true(unit_all(block[i], 64 * SLICE_SIZE, 1));
    }
}

static void whole_chunks_are_unmapped(void **state) {
    (void)state;
    char *block[20];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(256);
    }
    size_t chunks = load_relaxed(&page_counters.chunk_bytes) / CHUNK_SIZE;
    assert_int_equal(chunks, 10);
    for (size_t i = 0; i < COUNT(block); i++) {
        give(block[i]);
    }
    assert_true(purge_down_to(0));
    assert_int_equal(load_relaxed(&page_counters.chunk_bytes), CHUNK_SIZE); /* the first one stays */
    assert_int_equal(fake_calls(FAKE_UNMAP), 9);
    assert_int_equal(fake_calls(FAKE_PURGE), 1);
    assert_in_range(fake_mapping_count(), 1, 2); /* with the first chunk its region of the page map, and perhaps a second region */
    assert_int_equal(load_relaxed(&page_counters.used_bytes), 0);
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(256);
    }
}

static void clean_empty_chunks_go_with_the_last_byte_only(void **state) {
    (void)state;
    char *pinned[2] = {take(256), take(256)};
    bool zeroed = false;
    char *untouched = chunk_take_run(256, 1, &zeroed);
    struct chunk *chunk = page_map_chunk((uintptr_t)untouched);
    bool shrunk = chunk_resize_run(chunk, (uintptr_t)untouched, 1, &zeroed);
    assert_true(shrunk);
    give(untouched);
    assert_true(purge_down_to(0));
    assert_null(page_map_chunk((uintptr_t)untouched));
    give(pinned[0]);
    give(pinned[1]);
}

static void kept_mappings_go_first(void **state) {
    (void)state;
    bool zeroed = false;
    char *wall = take(1);
    char *block = take(64);
    uintptr_t mapping = (uintptr_t)direct_take(2 * MIB, 4096, &zeroed);
    assert_true(direct_give(mapping, SIZE_MAX));
    give(block);
    assert_int_equal(dirty(), 2 * MIB + 64 * SLICE_SIZE);
    assert_true(purge_down_to(MIB));
    assert_false(fake_is_mapped((void *)mapping, 4096));
    assert_int_equal(dirty(), 64 * SLICE_SIZE);
    assert_int_equal(fake_calls(FAKE_PURGE), 0);
    give(wall);
}

static void a_refused_unmap_purges_instead(void **state) {
    (void)state;
    char *pinned[2] = {take(256), take(256)};
    char *block[2] = {take(256), take(256)};
    struct chunk *chunk = page_map_chunk((uintptr_t)block[0]);
    give(block[0]);
    give(block[1]);
    fake_fail_from(FAKE_UNMAP, 1);
    assert_true(purge_down_to(0));
    assert_int_equal(dirty(), 0);
    assert_ptr_equal(page_map_chunk((uintptr_t)block[0]), chunk);
    bool zeroed = false;
    assert_ptr_equal(chunk_take_run(256, 1, &zeroed), block[0]); /* and serves on */
    assert_true(zeroed);
    assert_true(unit_all(block[0], 256 * SLICE_SIZE, 0));
    give(block[0]);
    fake_fail_never();
    assert_true(purge_down_to(0));
    assert_false(fake_is_mapped(block[0], 4096));
    give(pinned[0]);
    give(pinned[1]);
}

static void refused_purges_are_not_repeated_for_ever(void **state) {
    (void)state;
    assert_true(option_set(OPTION_dirty_min, 0));
    char *wall = take(1);
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
    give(wall);
}

/* A system that refuses both leaves the chunk as it was: nothing may be taken for zeros that was used before. */
static void a_chunk_that_can_neither_go_nor_be_purged(void **state) {
    (void)state;
    char *pinned[2] = {take(256), take(256)};
    char *block[2] = {take(256), take(256)};
    give(block[0]);
    give(block[1]);
    fake_fail_from(FAKE_UNMAP, 1);
    fake_fail_from(FAKE_PURGE, 1);
    assert_false(purge_down_to(0));
    bool zeroed = false;
    char *again = chunk_take_run(256, 1, &zeroed);
    assert_ptr_equal(again, block[0]);
    assert_false(zeroed);
    give(pinned[0]);
    give(pinned[1]);
    give(again);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_budget_follows_options_and_live_bytes),
    cmocka_unit_test(nothing_goes_back_within_the_budget),
    cmocka_unit_test(purges_down_to_what_is_asked),
    cmocka_unit_test(whole_chunks_are_unmapped),
    cmocka_unit_test(clean_empty_chunks_go_with_the_last_byte_only),
    cmocka_unit_test(kept_mappings_go_first),
    cmocka_unit_test(a_refused_unmap_purges_instead),
    cmocka_unit_test(refused_purges_are_not_repeated_for_ever),
    cmocka_unit_test(a_chunk_that_can_neither_go_nor_be_purged),
};
UNIT_MAIN(tests)
