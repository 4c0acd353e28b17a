/*
 * Purpose: tests of pages/span_back.c where huge pages may back what goes: what goes by whole windows, which windows stop asking or are
 * broken up, and what is known of them afterwards.
 */
#include "pages/sparse.h"
#include "span_windows.h"

#define STEP ((size_t)64 << 10)

static size_t dirty(void) {
    return counter(&page_counters.large_dirty_bytes);
}

/* What goes of 8 MiB when little is asked for. */
static size_t first_part_of(char *block) {
    give(block);
    size_t before = dirty();
    assert_int_equal(span_purge(PAGE, 0), SPAN_DONE);
    return before - dirty();
}

static void a_heap_of_slabs_may_be_large_enough_for_windows(void **state) {
    (void)state;
    fill_some();
    store_relaxed(&page_counters.large_peak_bytes, 0);
    store_relaxed(&page_counters.used_bytes, 32 * MIB - 1);
    assert_int_equal(first_part_of(take_touched(8 * MIB)), STEP);
    purge_all();
    store_relaxed(&page_counters.large_peak_bytes, 0);
    store_relaxed(&page_counters.used_bytes, 32 * MIB);
    assert_int_equal(first_part_of(take_touched(8 * MIB)), HUGE_WINDOW);
}

static void who_does_not_fill_blocks_gives_back_less(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    char *block = take_touched(8 * MIB);
    store_relaxed(&page_counters.large_peak_bytes, 32 * MIB);
    assert_int_equal(first_part_of(block), STEP);
    assert_false(filled_usually());
}

/* Those that went whole ask for huge pages from then on, though they were none. */
static void windows_that_purging_made_stop_asking_too(void **state) {
    (void)state;
    fill_some();
    assert_true(option_set(OPTION_huge_start, 1024 * MIB));
    char *block = take_touched(4 * MIB);
    assert_int_equal((uintptr_t)block % HUGE_WINDOW, 0);
    assert_int_equal(fake_huge_pages_at(block), -1);
    give(block);
    purge_all();
    assert_int_equal(fake_huge_pages_at(block), 1);
    assert_true(option_set(OPTION_huge_start, 0));
    assert_ptr_equal(take(3 * MIB), block);
    assert_int_equal(dirty(), MIB); /* the rest of the second window */
    assert_int_equal(fake_huge_pages_at(block + 3 * MIB), 1);
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_DONE);
    assert_int_equal(fake_huge_pages_at(block + 3 * MIB), -1);
    assert_int_equal(fake_huge_pages_at(block + 2 * MIB), -1);
    assert_int_equal(fake_huge_pages_at(block + 2 * MIB - PAGE), 1);
}

/* One window each: a neighbour that reaches into it goes on asking in its others. */
static void only_the_window_itself_stops_asking(void **state) {
    (void)state;
    fill_some();
    char *below = take(3 * MIB);
    char *upper = take(MIB);
    assert_ptr_equal(upper, below + 3 * MIB);
    give(upper);
    purge_all();
    assert_int_equal(fake_huge_pages_at(below), 1);
    assert_int_equal(fake_huge_pages_at(below + 2 * MIB - PAGE), 1);
    assert_int_equal(fake_huge_pages_at(below + 2 * MIB), -1);
    char *lower = take(4 * MIB);
    assert_true(span_resize((uintptr_t)lower, MIB));
    assert_ptr_equal(take(3 * MIB), lower + MIB);
    give(lower);
    purge_all();
    assert_int_equal(fake_huge_pages_at(lower + MIB), -1);
    assert_int_equal(fake_huge_pages_at(lower + 2 * MIB - PAGE), -1);
    assert_int_equal(fake_huge_pages_at(lower + 2 * MIB), 1);
}

/* What is clean above it counts as well as below, and what ends with its window concerns no other one. */
static void windows_are_broken_up_by_pieces_from_above(void **state) {
    (void)state;
    fill_some();
    char *block[8];
    for (unsigned i = 0; i < COUNT(block); i++) {
        block[i] = take(MIB / 2);
        assert_ptr_equal(block[i], block[0] + i * (MIB / 2));
    }
    give(block[5]);
    purge_all();
    give(block[4]);
    purge_all();
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 1);
    give(block[3]);
    purge_all();
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 1);
    give(block[1]);
    purge_all();
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 2);
}

/* What goes at once of two windows counts in each of them for itself. */
static void of_two_windows_that_is_broken_up_of_which_half_goes(void **state) {
    (void)state;
    fill_some();
    for (unsigned first = 3; first <= 7; first += 4) { /* five quarters of a MiB in the lower window and one in the upper; or otherwise */
        char *block[16];
        for (unsigned i = 0; i < COUNT(block); i++) {
            block[i] = take(MIB / 4);
            assert_ptr_equal(block[i], block[0] + i * (MIB / 4));
        }
        assert_int_equal((uintptr_t)block[0] % HUGE_WINDOW, 0);
        for (unsigned i = first; i < first + 6; i++) {
            give(block[i]);
        }
        unsigned long before = fake_calls(FAKE_BREAK_HUGE_PAGES);
        assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_DONE);
        assert_int_equal(dirty(), 0);
        assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES) - before, 1);
        for (unsigned i = 0; i < COUNT(block); i++) {
            if (i < first || i >= first + 6) {
                give(block[i]);
            }
        }
        purge_all();
        while (span_unmap(false) == SPAN_DONE) {
        }
        assert_int_equal(counter(&page_counters.span_bytes), 0);
    }
}

/* Nothing is left of it. */
static void a_window_that_goes_at_once_is_not_broken_up(void **state) {
    (void)state;
    fill_some();
    char *block = take_touched(2 * MIB);
    store_relaxed(&page_counters.large_peak_bytes, 0);
    give(block);
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_DONE);
    assert_int_equal(dirty(), 0);
    assert_int_equal(fake_huge_pages_at(block), -1); /* as memory of a small heap, not as a window */
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 0);
}

static char *neighbour;

static void another_thread_purges_the_neighbour(void) {
    give(neighbour);
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_DONE);
}

/* Its addresses may be gone, and another's by now. */
static void one_half_is_purged_while_the_other_goes(bool upper_goes) {
    fill_some();
    char *lower = take(MIB);
    char *upper = take(MIB);
    assert_ptr_equal(upper, lower + MIB);
    neighbour = upper_goes ? lower : upper;
    give(upper_goes ? upper : lower);
    purge_all();
    fake_after_unmap(another_thread_purges_the_neighbour);
    assert_int_equal(span_unmap(false), SPAN_DONE);
    span_check();
    assert_int_equal(span_unmap(false), SPAN_DONE);
    assert_int_equal(counter(&page_counters.span_bytes), 0);
}

static void the_upper_half_of_a_window_is_not_spoken_of_while_it_goes(void **state) {
    (void)state;
    one_half_is_purged_while_the_other_goes(true);
}

static void nor_is_the_lower_half(void **state) {
    (void)state;
    one_half_is_purged_while_the_other_goes(false);
}

static void parts_of_blocks_go_where_they_are_hardly_used(void **state) {
    (void)state;
    char *block = take_touched(4 * MIB);
    store_relaxed(&sparse.usually, true);
    assert_true(span_forget(block, MIB));
    assert_int_equal(fake_purged_bytes(), MIB);
    assert_int_equal(sparse.given, MIB);
}

/* Huge pages would not tell what is used, nor would calloc get back what it gives. */
static void but_not_where_windows_are(void **state) {
    (void)state;
    fill_some();
    char *block = take_touched(4 * MIB);
    assert_int_equal(fake_huge_pages_at(block), 1);
    store_relaxed(&sparse.usually, true);
    size_t purged = fake_purged_bytes();
    size_t given = sparse.given;
    assert_false(span_forget(block, MIB));
    assert_int_equal(fake_purged_bytes(), purged);
    assert_int_equal(sparse.given, given);
}

/* While huge pages are slow, only those that went back as such may be had again: not what is mapped where one was. */
static void an_unmapped_window_is_known_no_longer(void **state) {
    (void)state;
    fill_some();
    char *window = take_touched(2 * MIB);
    fake_settings.clock_step = 2000000;
    assert_int_equal(fake_huge_pages_at(take(2 * MIB)), 1);
    fake_settings.clock_step = 0;
    give(window);
    assert_int_equal(span_unmap(true), SPAN_DONE);
    assert_false(fake_is_mapped(window, PAGE));
    char *ordinary = take_touched(2 * MIB);
    assert_ptr_equal(ordinary, window);
    assert_int_equal(fake_huge_pages_at(ordinary), -1);
    give(ordinary);
    purge_all();
    assert_int_equal(fake_huge_pages_at(take(2 * MIB)), -1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_heap_of_slabs_may_be_large_enough_for_windows),
    cmocka_unit_test(who_does_not_fill_blocks_gives_back_less),
    cmocka_unit_test(windows_that_purging_made_stop_asking_too),
    cmocka_unit_test(only_the_window_itself_stops_asking),
    cmocka_unit_test(windows_are_broken_up_by_pieces_from_above),
    cmocka_unit_test(of_two_windows_that_is_broken_up_of_which_half_goes),
    cmocka_unit_test(a_window_that_goes_at_once_is_not_broken_up),
    cmocka_unit_test(the_upper_half_of_a_window_is_not_spoken_of_while_it_goes),
    cmocka_unit_test(nor_is_the_lower_half),
    cmocka_unit_test(parts_of_blocks_go_where_they_are_hardly_used),
    cmocka_unit_test(but_not_where_windows_are),
    cmocka_unit_test(an_unmapped_window_is_known_no_longer),
};
UNIT_MAIN(tests)
