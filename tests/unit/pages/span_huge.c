/*
 * Purpose: tests of the huge pages of pages/span.c: windows are for programs that fill their blocks, what is left of one is dirty, whole
 * ones are purged, and what is not whole asks for no huge page any more.
 */
#include "span_windows.h"

static void who_fills_blocks_gets_windows(void **state) {
    (void)state;
    fill_some();
    size_t taken = counter(&page_counters.clean_taken_bytes);
    char *block = take(5 * MIB);
    assert_int_equal((uintptr_t)block % HUGE_WINDOW, 0);
    for (size_t at = 0; at < 5 * MIB; at += MIB) {
        assert_int_equal(fake_huge_pages_at(block + at), 1);
    }
    assert_int_equal(counter(&page_counters.clean_taken_bytes) - taken, 5 * MIB);
    /* The rest of the third window is backed with it. */
    assert_int_equal(counter(&page_counters.large_dirty_bytes), MIB);
    assert_ptr_equal(take(MIB), block + 5 * MIB);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
    span_check();
}

static void what_was_never_touched_reads_as_zeros(void **state) {
    (void)state;
    fill_some();
    bool zeroed = true;
    char *block = span_take(4 * MIB, PAGE, &zeroed);
    assert_true(zeroed);
    assert_int_equal(fake_huge_pages_at(block), 1);
    assert_true(unit_all(block, 4 * MIB, 0));
}

/* Untouched blocks: they are not sampled, since huge pages would not tell, but trust comes to its end. */
static void trust_ends(void **state) {
    (void)state;
    fill_some();
    size_t windows = 0;
    for (unsigned i = 0; i < 100; i++) {
        windows += fake_huge_pages_at(take(2 * MIB)) == 1;
    }
    assert_in_range(windows, 1, 8); /* 16 MiB */
    span_check();
}

static void who_does_not_fill_blocks_gets_none(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    for (unsigned i = 0; i < 100; i++) {
        char *block = take(3 * MIB);
        block[0] = 1;
        assert_int_equal(fake_huge_pages_at(block), -1);
        if (i % 3 == 0) {
            give(block);
        }
        if (i % 8 == 0) {
            purge_all();
        }
    }
    span_check();
}

static void not_in_a_small_heap_and_not_where_there_are_none(void **state) {
    (void)state;
    fill_some();
    assert_true(option_set(OPTION_huge_start, 4 * MIB));
    char *first = take(3 * MIB);
    assert_int_equal(fake_huge_pages_at(first), -1);
    assert_int_equal(fake_huge_pages_at(take(MIB)), -1);
    assert_int_equal(fake_huge_pages_at(take(2 * MIB)), 1);
    assert_true(option_set(OPTION_huge_start, HUGE_NEVER));
    assert_int_equal(fake_huge_pages_at(take(2 * MIB)), -1);
}

static void whole_windows_go_back_and_stay_huge(void **state) {
    (void)state;
    fill_some();
    char *block = take(8 * MIB);
    memset(block, 1, 8 * MIB);
    give(block);
    assert_int_equal(span_purge(64 << 10, 0), SPAN_DONE); /* one at least */
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 6 * MIB);
    assert_int_equal(fake_huge_pages_at(block + 6 * MIB), 1);
    assert_int_equal(platform_resident(block + 6 * MIB, MIB), 0);
    assert_int_equal(platform_resident(block + 5 * MIB, MIB), MIB);
    span_check();
    assert_int_not_equal(take(7 * MIB), block); /* no part of a clean window joins the dirty ones */
    span_check();
}

/* Two megabytes at once are too much to give back there, and would serve nothing but windows. */
static void a_small_heap_gives_back_less_than_windows(void **state) {
    (void)state;
    fill_some();
    store_relaxed(&page_counters.large_peak_bytes, 32 * MIB - 1);
    char *block = take_touched(8 * MIB);
    give(block);
    assert_int_equal(span_purge(64 << 10, 0), SPAN_DONE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 8 * MIB - (64 << 10));
    assert_ptr_equal(take(8 * MIB), block); /* what went serves together with what stayed */
    span_check();
}

static void nor_does_one_that_has_no_huge_pages_soon(void **state) {
    (void)state;
    fill_some();
    char *block = take_touched(4 * MIB); /* known as backed: these may go whole, and come on credit */
    fake_settings.clock_step = 2000000;
    assert_int_equal(fake_huge_pages_at(take(2 * MIB)), 1);
    fake_settings.clock_step = 0;
    char *ordinary = take_touched(8 * MIB);
    assert_int_equal(fake_huge_pages_at(ordinary), -1);
    give(ordinary);
    assert_int_equal(span_purge(64 << 10, 0), SPAN_DONE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 8 * MIB - (64 << 10));
    purge_all();
    give(block);
    assert_int_equal(span_purge(64 << 10, 0), SPAN_DONE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 2 * MIB);
    span_check();
}

/* Where only a part of a window is free, it asks no more, and no other one is concerned. */
static void parts_of_windows_stop_asking(void **state) {
    (void)state;
    fill_some();
    char *first = take(2 * MIB);
    char *lower = take(MIB);
    char *upper = take(MIB);
    char *last = take(2 * MIB);
    memset(first, 1, 2 * MIB);
    memset(upper, 1, MIB);
    assert_ptr_equal(upper, lower + MIB);
    assert_int_equal(fake_huge_pages_at(lower), 1);
    give(upper);
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_DONE);
    assert_int_equal(fake_huge_pages_at(lower), -1);
    assert_int_equal(fake_huge_pages_at(upper), -1);
    assert_int_equal(fake_huge_pages_at(first), 1);
    assert_int_equal(fake_huge_pages_at(last), 1);
    assert_int_equal(platform_resident(upper, MIB), 0);
    assert_int_equal(first[2 * MIB - 1], 1);
    span_check();
}

/* As chunks are, when the half of one goes at once. */
static void windows_are_broken_up(void **state) {
    (void)state;
    fill_some();
    char *block = take(3 * MIB / 2);
    assert_ptr_equal(take(MIB / 2), block + 3 * MIB / 2);
    give(block);
    assert_int_equal(span_purge(MIB / 4, 0), SPAN_DONE);
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 0);
    assert_int_equal(span_purge(MIB, 0), SPAN_DONE);
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 1);
}

static void slow_windows_are_the_last_for_a_while(void **state) {
    (void)state;
    fill_some();
    fake_settings.clock_step = 1000000;
    char *block = take(5 * MIB);
    assert_int_equal(fake_huge_pages_at(block + 4 * MIB), 1); /* the first that was touched: others get the rest of it */
    assert_int_equal(fake_huge_pages_at(block), -1);
    assert_int_equal(fake_huge_pages_at(block + 3 * MIB), -1);
    assert_int_equal(platform_resident(block, MIB), 0);
    assert_int_equal(fake_huge_pages_at(take(3 * MIB)), -1);
    span_check();
}

/* Only windows of the block itself are touched: the rest may be another's. */
static void windows_are_touched_as_they_are_taken(void **state) {
    (void)state;
    fill_some();
    char *block = take(5 * MIB);
    for (size_t at = 0; at < 6 * MIB; at += MIB) {
        assert_int_equal(platform_resident(block + at, MIB), at % (2 * MIB) ? 0 : PAGE);
    }
    assert_true(unit_all(block, 5 * MIB, 0));
}

/* Nor need it go at once: pieces that go one by one add up. */
static void windows_are_broken_up_by_pieces(void **state) {
    (void)state;
    fill_some();
    char *block[4];
    for (unsigned i = 0; i < COUNT(block); i++) {
        block[i] = take(MIB / 2);
        assert_ptr_equal(block[i], block[0] + i * (MIB / 2));
    }
    give(block[0]);
    purge_all();
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 0);
    give(block[2]);
    purge_all();
    assert_int_equal(fake_calls(FAKE_BREAK_HUGE_PAGES), 1);
}

/* Clean windows serve when nothing else is left, in ordinary pages. */
static void windows_are_ordinary_memory_without_trust(void **state) {
    (void)state;
    fill_some();
    char *block = take(8 * MIB);
    memset(block, 1, 8 * MIB);
    give(block);
    purge_all();
    assert_int_equal(fake_huge_pages_at(block), 1);
    size_t mapped = counter(&page_counters.span_bytes);
    assert_true(option_set(OPTION_huge_start, HUGE_NEVER));
    char *next = take(3 * MIB);
    assert_int_equal(counter(&page_counters.span_bytes), mapped);
    assert_int_equal(fake_huge_pages_at(next), -1);
    assert_int_equal(fake_huge_pages_at(next + 3 * MIB), -1); /* the rest of its second window, clean */
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
    assert_int_equal(fake_huge_pages_at(take(4 * MIB)), -1);
    assert_int_equal(counter(&page_counters.span_bytes), mapped);
    span_check();
}

static void windows_are_unmapped(void **state) {
    (void)state;
    fill_some();
    char *block = take(8 * MIB);
    give(block);
    purge_all();
    while (span_unmap(false) == SPAN_DONE) {
    }
    assert_int_equal(counter(&page_counters.span_bytes), 0);
    block = take(2 * MIB);
    give(block);
    purge_all();
    fake_fail_nth(FAKE_UNMAP, 1);
    assert_int_equal(span_unmap(false), SPAN_REFUSED);
    span_check();
    assert_int_equal(span_unmap(false), SPAN_DONE);
    span_check();
}

/* A mapping that is refused, with the room that its alignment takes, may be had without. */
static void refused_windows_are_no_refused_block(void **state) {
    (void)state;
    fill_some();
    fake_fail_nth(FAKE_MAP, 1);
    char *block = take(2 * MIB);
    assert_int_equal(fake_huge_pages_at(block), 1); /* a smaller step */
    fake_fail_nth(FAKE_MAP, 1);
    (void)take(2 * MIB);
    fake_settings.mapped_max = fake_mapped_bytes() + 2 * MIB + 64 * PAGE;
    (void)take(MIB + PAGE);
    span_check();
    fake_fail_nth(FAKE_PURGE, 1);
    give(block);
    assert_int_equal(span_purge(SIZE_MAX, 0), SPAN_REFUSED);
    span_check();
}

/* One sparse block that lives for ever must not end the samples of all others. */
static void a_sparse_block_that_stays_blocks_no_samples(void **state) {
    (void)state;
    fill_some();
    while (fake_huge_pages_at(take(2 * MIB)) == 1) { /* use up the trust; the last stays, untouched, a sample */
    }
    unsigned windows = 0;
    for (unsigned i = 0; i < 2000; i++) {
        char *block = take(2 * MIB);
        memset(block, 1, 2 * MIB);
        windows += fake_huge_pages_at(block) == 1;
        give(block);
        purge_all();
    }
    assert_in_range(windows, 400, 2000);
}

/* While nothing is given back nobody purges: what windows leave stays within the least budget. */
static void what_windows_leave_is_bounded(void **state) {
    (void)state;
    fill_some();
    store_relaxed(&page_counters.large_peak_bytes, 0); /* it has never been larger */
    for (unsigned i = 0; i < 200; i++) {
        memset(take(MIB + PAGE), 1, MIB);
        assert_true(page_dirty_bytes() <= (DIRTY_MIN > page_live_bytes() / 16 ? DIRTY_MIN : page_live_bytes() / 16));
    }
    span_check();
}

static void no_memory_is_no_window(void **state) {
    (void)state;
    fill_some();
    fake_fail_from(FAKE_MAP, 1);
    bool zeroed = false;
    assert_null(span_take(4 * MIB, PAGE, &zeroed));
    span_check();
    fake_fail_never();
    (void)take(4 * MIB);
    span_check();
}

/* While slow ones are given up, as many windows as were huge and went back whole. */
static void windows_that_went_back_are_quick(void **state) {
    (void)state;
    fill_some();
    char *block = take(2 * MIB);
    fake_settings.clock_step = 2000000;
    char *slow = take(2 * MIB);
    fake_settings.clock_step = 0;
    assert_int_equal(fake_huge_pages_at(slow), 1);
    assert_int_equal(fake_huge_pages_at(take(2 * MIB)), -1);
    give(block);
    purge_all();
    assert_int_equal(fake_huge_pages_at(take(2 * MIB)), 1);
    assert_int_equal(fake_huge_pages_at(take(2 * MIB)), -1);
    give(slow);
    purge_all();
    assert_int_equal(fake_huge_pages_at(take(2 * MIB)), 1);
    span_check();
}

/* Whether blocks get filled is known all the same. */
static void what_goes_back_asks_for_none_where_there_are_none(void **state) {
    (void)state;
    assert_true(option_set(OPTION_huge_start, HUGE_NEVER));
    for (unsigned i = 0; i < 4; i++) {
        char *block = take_touched(4 * MIB);
        give(block);
        purge_all();
        assert_int_equal(fake_huge_pages_at(block), -1);
    }
    assert_true(filled_usually());
}

static void windows_of_which_a_part_went_back_are_not(void **state) {
    (void)state;
    fill_some();
    fake_settings.clock_step = 2000000;
    char *slow = take(MIB);
    fake_settings.clock_step = 0;
    char *rest = take(MIB);
    assert_ptr_equal(rest, slow + MIB);
    give(rest);
    purge_all();
    give(slow);
    purge_all();
    char *whole = take_touched(2 * MIB);
    assert_ptr_equal(whole, slow);
    assert_int_equal(fake_huge_pages_at(whole), -1);
    give(whole); /* a window again, whose pages are ordinary ones */
    purge_all();
    assert_int_equal(fake_huge_pages_at(take(2 * MIB)), -1);
    span_check();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(windows_that_went_back_are_quick),
    cmocka_unit_test(what_goes_back_asks_for_none_where_there_are_none),
    cmocka_unit_test(windows_of_which_a_part_went_back_are_not),
    cmocka_unit_test(no_memory_is_no_window),
    cmocka_unit_test(what_windows_leave_is_bounded),
    cmocka_unit_test(a_sparse_block_that_stays_blocks_no_samples),
    cmocka_unit_test(who_fills_blocks_gets_windows),
    cmocka_unit_test(what_was_never_touched_reads_as_zeros),
    cmocka_unit_test(trust_ends),
    cmocka_unit_test(who_does_not_fill_blocks_gets_none),
    cmocka_unit_test(not_in_a_small_heap_and_not_where_there_are_none),
    cmocka_unit_test(whole_windows_go_back_and_stay_huge),
    cmocka_unit_test(a_small_heap_gives_back_less_than_windows),
    cmocka_unit_test(nor_does_one_that_has_no_huge_pages_soon),
    cmocka_unit_test(parts_of_windows_stop_asking),
    cmocka_unit_test(windows_are_broken_up),
    cmocka_unit_test(slow_windows_are_the_last_for_a_while),
    cmocka_unit_test(windows_are_touched_as_they_are_taken),
    cmocka_unit_test(windows_are_broken_up_by_pieces),
    cmocka_unit_test(windows_are_ordinary_memory_without_trust),
    cmocka_unit_test(windows_are_unmapped),
    cmocka_unit_test(refused_windows_are_no_refused_block),
};
UNIT_MAIN(tests)
