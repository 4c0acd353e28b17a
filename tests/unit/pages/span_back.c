/*
 * Purpose: tests of pages/span_back.c: what is purged and unmapped first, how much of it, and what others may do meanwhile.
 */
#include "config/geometry.h"
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
    cmocka_unit_test(what_is_being_purged_is_nobodys),
    cmocka_unit_test(address_space_goes_and_comes_back),
    cmocka_unit_test(small_ends_of_mappings_go_and_small_holes_are_not_made),
    cmocka_unit_test(what_is_mapped_where_addresses_went_joins),
};
UNIT_MAIN(tests)
