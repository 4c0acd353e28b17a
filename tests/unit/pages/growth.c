/*
 * Purpose: tests of pages/growth.c, as chunk.c and purge.c use it: what a heap does not grow into any more of its huge chunks goes back.
 */
#include "pages/growth.h"
#include "chunk_units.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/purge.h"
#include "unit.h"

#define MIB ((size_t)1 << 20)
enum { PATIENCE = 4 << 20 };

/* The first unit of a chunk that asks for a huge page. */
static void *take_huge(void) {
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    void *info = take_unit();
    while (fake_huge_pages_at(address_of(info)) != 1) { /* the first chunk comes from a mapping that asks for none */
        info = take_unit();
    }
    return info;
}

static size_t dirty(void) {
    return load_relaxed(&page_counters.dirty_bytes);
}

static void the_rest_goes_when_the_heap_has_ceased_to_grow(void **state) {
    (void)state;
    void *info = take_huge();
    assert_int_equal(dirty(), CHUNK_SIZE - UNIT_SIZE);
    purge_after_exchange(PATIENCE - 1);
    assert_int_equal(dirty(), CHUNK_SIZE - UNIT_SIZE);
    purge_after_exchange(1);
    assert_int_equal(dirty(), 0);
    assert_int_equal(fake_purged_bytes(), CHUNK_SIZE - UNIT_SIZE);
    assert_int_equal(fake_huge_pages_at(address_of(info)), -1); /* or the kernel would fill it again */
    assert_true(unit_all(address_of(info), UNIT_SIZE, 1));
    void *next = chunk_take_unit(1);
    assert_ptr_equal(address_of(next), address_of(info) + UNIT_SIZE);
    assert_true(unit_all(address_of(next), UNIT_SIZE, 0));
    purge_after_exchange(2 * PATIENCE);
    assert_int_equal(fake_purged_bytes(), CHUNK_SIZE - UNIT_SIZE);
}

static void not_while_it_grows(void **state) {
    (void)state;
    (void)take_huge();
    for (unsigned left = CHUNK_UNITS - 1; left > 0; left--) {
        purge_after_exchange(PATIENCE - 1);
        assert_int_equal(dirty(), left * UNIT_SIZE);
        (void)take_unit();
    }
    purge_after_exchange(PATIENCE);
    assert_int_equal(fake_purged_bytes(), 0);
}

static void what_was_used_before_is_no_growth_and_stays(void **state) {
    (void)state;
    void *info = take_huge();
    void *second = take_unit();
    for (unsigned i = 0; i < 4; i++) { /* comes and goes, as it does in a heap that stays as it is */
        purge_after_exchange(PATIENCE / 4);
        chunk_give_unit(second, UNIT_SLICES, 0);
        second = i < 3 ? take_unit() : NULL;
    }
    assert_int_equal(fake_purged_bytes(), CHUNK_SIZE - 2 * UNIT_SIZE);
    assert_int_equal(dirty(), UNIT_SIZE);
    chunk_give_unit(info, UNIT_SLICES, 0);
    assert_true(purge_down_to(0));
    assert_int_equal(dirty(), 0);
}

static void a_large_heap_is_given_more_time(void **state) {
    (void)state;
    (void)take_huge();
    store_relaxed(&page_counters.large_bytes, 100 * MIB);
    purge_after_exchange(25 * MIB);
    assert_int_equal(fake_purged_bytes(), 0);
    purge_after_exchange(CHUNK_SIZE);
    assert_true(fake_purged_bytes() > 0);
}

/* What was taken before the rest went back was not taken because of that. */
static void growth_before_it_is_no_regret(void **state) {
    (void)state;
    (void)take_huge();
    fetch_add_relaxed(&page_counters.clean_taken_bytes, 10 * MIB);
    purge_after_exchange(PATIENCE);
    assert_int_equal(fake_purged_bytes(), CHUNK_SIZE - UNIT_SIZE);
    assert_int_equal(purge_budget_now(), DIRTY_MIN);
}

/* Where it has been before, or from twice its size on. */
static void the_next_one_is_asked_for_where_it_will_be_filled(void **state) {
    (void)state;
    assert_true(growth_fills_next());
    store_relaxed(&page_counters.large_bytes, 10 * MIB);
    growth_has_stalled();
    assert_false(growth_fills_next());
    store_relaxed(&page_counters.large_bytes, 8 * MIB);
    assert_true(growth_fills_next());
    store_relaxed(&page_counters.large_bytes, 20 * MIB - 1);
    assert_false(growth_fills_next());
    store_relaxed(&page_counters.large_bytes, 20 * MIB);
    assert_true(growth_fills_next());
    store_relaxed(&page_counters.large_bytes, 100 * MIB);
    growth_has_stalled();
    store_relaxed(&page_counters.large_bytes, 116 * MIB - 1);
    assert_false(growth_fills_next());
    store_relaxed(&page_counters.large_bytes, 116 * MIB);
    assert_true(growth_fills_next());
}

static void chunks_follow_that(void **state) {
    (void)state;
    void *info = take_huge();
    purge_after_exchange(PATIENCE);
    do {
        info = take_unit();
    } while (unit_of_unit_info(info) != 0);
    assert_int_equal(fake_huge_pages_at(address_of(info)), -1);
}

/* The heap shrinks before it has grown into all of the chunk: nothing is expected of what is gone. */
static void a_chunk_that_went_is_expected_no_more(void **state) {
    (void)state;
    void *info = take_huge();
    chunk_give_unit(info, UNIT_SLICES, 0);
    assert_true(purge_down_to(0));
    assert_false(fake_is_mapped(address_of(info), UNIT_SIZE));
    growth_note_exchanged(PATIENCE);
    assert_false(growth_is_stalled());
}

/* Each chunk that is asked for is given the same time, and nobody waits for what is gone. */
static void patience_begins_anew_and_ends(void **state) {
    (void)state;
    growth_expected(2);
    growth_note_exchanged(PATIENCE - 1);
    assert_false(growth_is_stalled());
    growth_expected(2);
    growth_note_exchanged(PATIENCE - 1);
    assert_false(growth_is_stalled());
    growth_note_exchanged(1);
    assert_true(growth_is_stalled());
    growth_ends(2);
    assert_true(growth_is_stalled());
    growth_ends(2);
    assert_false(growth_is_stalled());
}

static void refusals(void **state) {
    (void)state;
    (void)take_huge();
    fake_fail_nth(FAKE_PURGE, 1);
    purge_after_exchange(PATIENCE);
    assert_int_equal(dirty(), CHUNK_SIZE - UNIT_SIZE);
    purge_after_exchange(PATIENCE); /* they are free and dirty like all others now */
    assert_int_equal(dirty(), CHUNK_SIZE - UNIT_SIZE);
    assert_true(purge_down_to(0));
    assert_int_equal(dirty(), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_rest_goes_when_the_heap_has_ceased_to_grow),
    cmocka_unit_test(not_while_it_grows),
    cmocka_unit_test(what_was_used_before_is_no_growth_and_stays),
    cmocka_unit_test(a_large_heap_is_given_more_time),
    cmocka_unit_test(growth_before_it_is_no_regret),
    cmocka_unit_test(the_next_one_is_asked_for_where_it_will_be_filled),
    cmocka_unit_test(chunks_follow_that),
    cmocka_unit_test(a_chunk_that_went_is_expected_no_more),
    cmocka_unit_test(patience_begins_anew_and_ends),
    cmocka_unit_test(refusals),
};
UNIT_MAIN(tests)
