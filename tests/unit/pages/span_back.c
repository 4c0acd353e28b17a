/*
 * Purpose: tests of pages/span_back.c: what is purged and unmapped first, how much of it, and what others may do meanwhile.
 */
#include "config/geometry.h"
#include "pages/meta.h"
#include "span_blocks.h"

static void purging_takes_the_largest_first_and_not_more_than_asked(void **state) {
    (void)state;
    char *small = take_touched(20 * PAGE);
    char *wall = take_touched(PAGE);
    char *big = take_touched(100 * PAGE);
    char *end = take_touched(PAGE);
    give(small);
    give(big);
    assert_int_equal(span_purge(64 * PAGE, 0), SPAN_DONE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 56 * PAGE);
    assert_true(unit_all(big, 36 * PAGE, 1)); /* its upper end went */
    assert_true(unit_all(big + 36 * PAGE, 64 * PAGE, 0));
    assert_int_equal(span_purge(SIZE_MAX, 1), SPAN_DONE); /* the largest but one */
    assert_true(unit_all(small, 20 * PAGE, 0));
    assert_int_equal(span_purge(SIZE_MAX, 1), SPAN_NOTHING);
    fake_fail_nth(FAKE_PURGE, 1);
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_REFUSED);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 36 * PAGE);
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_DONE);
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_NOTHING);
    assert_int_equal(counter(&page_counters.purged_bytes), 120 * PAGE);
    assert_int_equal(counter(&page_counters.purge_calls), fake_calls(FAKE_PURGE) - 1);
    give(wall);
    give(end);
}

/* Little is worth no system call. */
static void purging_goes_by_steps(void **state) {
    (void)state;
    char *block = take_touched(100 * PAGE);
    (void)take_touched(PAGE);
    give(block);
    assert_int_equal(span_purge(PAGE, 0), SPAN_DONE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 84 * PAGE);
    assert_int_equal(span_purge(17 * PAGE, 0), SPAN_DONE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 52 * PAGE);
}

/* No part of it can be told from the rest: it goes as a whole. */
static void without_memory_for_a_descriptor_all_of_it_goes(void **state) {
    (void)state;
    char *block = take_touched(MIB);
    (void)take_touched(PAGE);
    give(block);
    fake_fail_from(FAKE_MAP, 1);
    while (meta_alloc(SLICE_SIZE, SLICE_SIZE)) {
    }
    bool zeroed = false;
    while (span_take(PAGE, PAGE, &zeroed)) {
    }
    size_t dirty = counter(&page_counters.large_dirty_bytes);
    assert_true(dirty > 128 * PAGE); /* it was not memory that came to its end */
    assert_int_equal(span_purge(PAGE, 0), SPAN_DONE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
    span_check();
}

/* It was locked, and is no longer: who asks for zeros is served from clean memory again. */
static void a_purge_that_is_not_refused_ends_the_refusal(void **state) {
    (void)state;
    char *block = take_touched(3 * MIB);
    (void)take_touched(PAGE);
    give(block);
    fake_fail_nth(FAKE_PURGE, 1);
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_REFUSED);
    bool zeroed = true;
    assert_ptr_equal(span_take(3 * MIB, PAGE, &zeroed), block);
    assert_false(zeroed);
    give(block);
    assert_int_equal(span_purge(MIB, 0), SPAN_DONE);
    zeroed = true;
    assert_non_null(span_take(2 * MIB, PAGE, &zeroed));
    assert_true(zeroed);
}

static char *meanwhile;

static void another_thread_takes(void) {
    meanwhile = take(20 * PAGE);
}

static void what_is_being_purged_is_nobodys(void **state) {
    (void)state;
    char *block = take_touched(20 * PAGE);
    give(block);
    fake_on_call(FAKE_PURGE, another_thread_takes);
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_DONE);
    assert_ptr_not_equal(meanwhile, block);
    assert_ptr_equal(take(20 * PAGE), block);
    span_check();
}

static void another_thread_purges_the_rest(void) {
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_DONE);
}

/* Nor does what becomes clean beside it join it before it is clean itself. */
static void parts_that_are_purged_at_once_join(void **state) {
    (void)state;
    char *block = take_touched(2 * MIB);
    (void)take_touched(PAGE);
    give(block);
    fake_on_call(FAKE_PURGE, another_thread_purges_the_rest);
    assert_int_equal(span_purge(MIB, 0), SPAN_DONE);
    fake_on_call(FAKE_PURGE, NULL);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
    span_check();
    bool zeroed = false;
    assert_ptr_equal(span_take(2 * MIB, PAGE, &zeroed), block);
    assert_true(zeroed);
}

/* As it is, and counted as what went back; also what still waits in the cache. */
static void dirty_memory_is_unmapped_when_asked(void **state) {
    (void)state;
    char *block = take_touched(10 * MIB);
    give(block);
    assert_int_equal(span_unmap(false), SPAN_NOTHING);
    assert_int_equal(span_unmap(true), SPAN_DONE);
    assert_false(fake_is_mapped(block, PAGE));
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
    assert_int_equal(counter(&page_counters.purged_bytes), 10 * MIB);
    assert_int_equal(counter(&page_counters.purge_calls), 1);
    span_check();
}

static void address_space_goes_and_comes_back(void **state) {
    (void)state;
    char *block = take_touched(10 * MIB);
    char *small = take_touched(PAGE);
    give(block);
    while (span_unmap(false) == SPAN_DONE) {
    }
    assert_true(fake_is_mapped(block, 10 * MIB)); /* dirty */
    purge_all();
    fake_fail_nth(FAKE_UNMAP, 1);
    assert_int_equal(span_unmap(false), SPAN_REFUSED);
    span_check();
    assert_int_equal(span_unmap(false), SPAN_DONE);
    assert_false(fake_is_mapped(block, PAGE));
    span_check();
    assert_true(unit_all(small, PAGE, 1));
    block = take_touched(10 * MIB);
    span_check();
    give(block);
    give(small);
    purge_all();
    while (span_unmap(false) == SPAN_DONE) {
    }
    assert_int_equal(counter(&page_counters.span_bytes), fake_mapped_bytes());
}

/* In a process that may have no more addresses it is what others could use. */
static void small_ends_of_mappings_go_and_small_holes_are_not_made(void **state) {
    (void)state;
    char *block[4];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take_touched(MIB / 2);
    }
    assert_int_equal(counter(&page_counters.span_bytes), 2 * MIB);
    give(block[1]);
    purge_all();
    assert_int_equal(span_unmap(false), SPAN_NOTHING);
    give(block[3]);
    purge_all();
    assert_int_equal(span_unmap(false), SPAN_DONE);
    assert_int_equal(span_unmap(false), SPAN_NOTHING);
    assert_false(fake_is_mapped(block[3], PAGE));
    assert_true(fake_is_mapped(block[1], MIB / 2));
    give(block[0]);
    purge_all();
    assert_int_equal(span_unmap(false), SPAN_DONE); /* together they end the mapping */
    assert_int_equal(counter(&page_counters.span_bytes), MIB / 2);
    assert_int_equal(fake_mapped_bytes(), MIB / 2);
    (void)take(20 * PAGE);
    span_check();
}

/* A page less at an end is not worth a call, nor one less in between a hole. */
static void what_is_just_worth_it_is_unmapped(void **state) {
    (void)state;
    char *block = take_touched(2 * MIB - (64 << 10));
    char *end = take_touched(64 << 10);
    assert_ptr_equal(end, block + 2 * MIB - (64 << 10));
    assert_true(span_resize((uintptr_t)end, PAGE));
    purge_all();
    assert_int_equal(span_unmap(false), SPAN_NOTHING);
    give(end);
    purge_all();
    assert_int_equal(span_unmap(false), SPAN_DONE);
    give(block);
    char *lower = take_touched(MIB / 2);
    char *middle = take_touched(MIB - PAGE);
    char *page = take_touched(PAGE);
    char *upper = take_touched(MIB / 4);
    assert_ptr_equal(upper, lower + MIB / 2 + MIB);
    purge_all();
    while (span_unmap(false) == SPAN_DONE) {
    }
    give(middle);
    purge_all();
    assert_int_equal(span_unmap(false), SPAN_NOTHING);
    give(page);
    purge_all();
    assert_int_equal(span_unmap(false), SPAN_DONE);
    assert_false(fake_is_mapped(middle, PAGE));
    assert_true(unit_all(lower, MIB / 2, 1) && unit_all(upper, MIB / 4, 1));
}

/* Two mappings where the addresses have just become free, a clean end of one beside the other, which is all clean. */
static void others_map_there(void) {
    meanwhile = take(MIB);
    char *second = take(2 * MIB);
    assert_ptr_equal(second, meanwhile + 2 * MIB);
    give(second);
    purge_all();
}

static void what_is_mapped_where_addresses_went_joins(void **state) {
    (void)state;
    char *block = take_touched(10 * MIB);
    give(block);
    purge_all();
    fake_after_unmap(others_map_there);
    assert_int_equal(span_unmap(false), SPAN_DONE);
    assert_ptr_equal(meanwhile, block);
    span_check();
    assert_ptr_equal(take(3 * MIB), meanwhile + MIB);
    span_check();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(purging_takes_the_largest_first_and_not_more_than_asked),
    cmocka_unit_test(purging_goes_by_steps),
    cmocka_unit_test(without_memory_for_a_descriptor_all_of_it_goes),
    cmocka_unit_test(a_purge_that_is_not_refused_ends_the_refusal),
    cmocka_unit_test(what_is_being_purged_is_nobodys),
    cmocka_unit_test(parts_that_are_purged_at_once_join),
    cmocka_unit_test(dirty_memory_is_unmapped_when_asked),
    cmocka_unit_test(address_space_goes_and_comes_back),
    cmocka_unit_test(small_ends_of_mappings_go_and_small_holes_are_not_made),
    cmocka_unit_test(what_is_just_worth_it_is_unmapped),
    cmocka_unit_test(what_is_mapped_where_addresses_went_joins),
};
UNIT_MAIN(tests)
