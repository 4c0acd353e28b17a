/*
 * Purpose: tests of pages/huge.c: the option, the system and the limits have to agree.
 */
#include "pages/huge.h"
#include "config/geometry.h"
#include "config/options.h"
#include "pages/limit.h"
#include "unit.h"

#define MIB ((size_t)1 << 20)

static void not_below_the_size_that_the_option_says(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_false(huge_wanted(HUGE_START - 1, 2 * MIB));
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    assert_true(option_set(OPTION_huge_start, 0));
    assert_true(huge_wanted(0, 2 * MIB));
    assert_true(option_set(OPTION_huge_start, (size_t)1000000 << 30)); /* as the documents have it */
    assert_false(huge_wanted((size_t)1 << 46, 2 * MIB));
    assert_false(huge_possible());
}

static void not_where_the_system_has_none(void **state) {
    (void)state;
    assert_true(huge_possible()); /* nobody has asked yet */
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    assert_false(huge_possible());
    fake_settings.huge_offered = true; /* it was asked once */
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
}

static void not_near_a_limit(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_soft_limit, 100 * MIB));
    store_relaxed(&page_counters.used_bytes, 60 * MIB);
    struct limit_reached reached;
    assert_int_equal(limit_look(4096, &reached), LIMIT_ROOM);
    assert_true(huge_wanted(60 * MIB, 2 * MIB));
    store_relaxed(&page_counters.used_bytes, 100 * MIB - MIB);
    assert_false(huge_wanted(99 * MIB, 2 * MIB));
    store_relaxed(&limit_ceiling, 0); /* what has to be asked for again is no limit */
    store_relaxed(&page_counters.used_bytes, 60 * MIB);
    assert_true(huge_wanted(60 * MIB, 2 * MIB));
}

#define MILLISECOND ((uint64_t)1000000)

/* A page that takes a millisecond, and from then on none for fifty. */
static void slow_ones_are_given_up_for_a_while(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    fake_settings.clock = 7 * MILLISECOND;
    char *memory = platform_map(8 * MIB, 2 * MIB);
    platform_huge_pages(memory, 8 * MIB, true);
    fake_settings.clock_step = MILLISECOND / 2 - 1;
    assert_true(huge_touch(memory, 8 * MIB - 4096)); /* a window each */
    assert_int_equal(platform_resident(memory + 6 * MIB, 4096), 4096);
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    assert_true(platform_purge(memory, 8 * MIB));
    fake_settings.clock_step = MILLISECOND;
    assert_false(huge_touch(memory, 8 * MIB));
    fake_settings.clock_step = 0;
    assert_int_equal(platform_resident(memory, 4096), 4096);
    assert_int_equal(platform_resident(memory + 2 * MIB, 4096), 0);
    assert_int_equal(fake_huge_pages_at(memory), 1);
    assert_int_equal(fake_huge_pages_at(memory + 2 * MIB), -1);
    assert_int_equal(fake_huge_pages_at(memory + 8 * MIB - 4096), -1);
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    fake_settings.clock += 50 * MILLISECOND - 1;
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    fake_settings.clock += 1;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    assert_true(huge_touch(memory, 4096));
}

/* The window takes so many milliseconds. */
static void slow_touch(char *window, uint64_t milliseconds) {
    fake_settings.clock_step = milliseconds * MILLISECOND;
    assert_false(huge_touch(window, 2 * MIB));
    fake_settings.clock_step = 0;
}

/* Four windows, the first of which took `took` steps of a millisecond; what a slow one costs in ordinary pages is asked for after it. */
static char *after_a_slow_one(uint64_t took) {
    fake_settings.huge_offered = true;
    fake_settings.clock = 7 * MILLISECOND;
    char *memory = platform_map(8 * MIB, 2 * MIB);
    slow_touch(memory, took);
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    return memory;
}

static void half_a_millisecond_is_slow(void **state) {
    (void)state;
    fake_settings.clock_step = MILLISECOND / 2;
    assert_false(huge_touch(platform_map(2 * MIB, 2 * MIB), 2 * MIB));
}

/* Of two windows side by side only the one that goes back. */
static void a_window_that_stays_gives_no_credit(void **state) {
    (void)state;
    char *memory = after_a_slow_one(18);
    assert_true(huge_touch(memory + 2 * MIB, 2 * MIB));
    huge_given(memory, 2 * MIB);
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    assert_false(huge_wanted(HUGE_START, 4 * MIB));
}

/* Where memory would be had as a huge page again, be it on credit. */
static void huge_pages_come_soon_where_they_were_or_when_the_wait_is_over(void **state) {
    (void)state;
    char *memory = after_a_slow_one(18); /* none for 900 ms */
    uint64_t begin = fake_settings.clock;
    assert_true(huge_soon(memory, 2 * MIB));
    assert_false(huge_soon(memory + 2 * MIB, 6 * MIB));
    huge_given(memory, 2 * MIB); /* it was only looked at */
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    assert_false(huge_soon(memory, 8 * MIB));
    fake_settings.clock = begin + 900 * MILLISECOND - 1;
    assert_false(huge_soon(memory, 8 * MIB));
    fake_settings.clock = begin + 900 * MILLISECOND;
    assert_true(huge_soon(memory, 8 * MIB));
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    assert_true(huge_soon(memory, 8 * MIB));
    assert_true(option_set(OPTION_huge_start, (size_t)1000000 << 30));
    assert_false(huge_soon(memory, 8 * MIB));
}

/* What was had as a huge page and went back is quick for a second, even while all others are given up. */
static void what_went_back_may_be_had_again(void **state) {
    (void)state;
    char *memory = after_a_slow_one(18); /* none for 900 ms */
    huge_given(memory + 2 * MIB, 6 * MIB);
    assert_false(huge_wanted(HUGE_START, 2 * MIB)); /* these were never huge pages */
    huge_given(memory, 8 * MIB);
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    assert_false(huge_wanted(HUGE_START, 4 * MIB));
    huge_given(memory, 8 * MIB); /* it went back once */
    assert_false(huge_wanted(HUGE_START, 4 * MIB));
    assert_true(huge_touch(memory, 2 * MIB));
    assert_false(huge_wanted(HUGE_START, 2 * MIB)); /* used up */
    huge_broken(memory + MIB, 4096);
    huge_given(memory, 8 * MIB);
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
}

static void credit_grows_old(void **state) {
    (void)state;
    char *memory = after_a_slow_one(30); /* none for 1500 ms */
    huge_given(memory, 2 * MIB);
    assert_false(huge_wanted(HUGE_START, 2 * MIB)); /* who owes a second and more gets none at all */
    fake_settings.clock += 500 * MILLISECOND;
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    fake_settings.clock += 1;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    fake_settings.clock += 500 * MILLISECOND - 2;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    huge_given(memory + 2 * MIB, 6 * MIB); /* was never a huge page, and makes nothing younger */
    fake_settings.clock += 1;
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
}

/* A slow one is no less slow because it was thought to be quick: what it takes is owed as well, and credit is at an end. */
static void slow_ones_end_credit(void **state) {
    (void)state;
    char *memory = after_a_slow_one(2);
    assert_true(huge_touch(memory + 2 * MIB, 4 * MIB));
    huge_given(memory, 8 * MIB);
    uint64_t begin = fake_settings.clock;
    assert_true(huge_wanted(HUGE_START, 6 * MIB));
    slow_touch(memory, 2);
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    fake_settings.clock = begin + 101 * MILLISECOND;
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    fake_settings.clock = begin + 206 * MILLISECOND;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
}

/* A quick one gains what ordinary pages would have taken more, here a millisecond at most: fifty of the wait. */
static void quick_ones_pay_for_slow_ones(void **state) {
    (void)state;
    char *memory = after_a_slow_one(18);
    uint64_t until = fake_settings.clock + 900 * MILLISECOND;
    for (unsigned i = 1; i <= 4; i++) {
        assert_true(huge_touch(memory, 2 * MIB));
    }
    until -= 200 * MILLISECOND;
    fake_settings.clock_step = MILLISECOND / 4; /* the clock moves on as well */
    assert_true(huge_touch(memory, 2 * MIB));
    fake_settings.clock_step = 0;
    until -= 50 * MILLISECOND / 4 * 3;
    fake_settings.clock = until - 1;
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    fake_settings.clock = until;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    assert_true(huge_touch(memory, 2 * MIB));
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
}

/* When nothing is known of ordinary pages nothing is gained. */
static void no_price_is_no_gain(void **state) {
    (void)state;
    size_t mapped = fake_mapped_bytes();
    assert_true(platform_unmap(after_a_slow_one(2) + 2 * MIB, 6 * MIB));
    assert_int_equal(fake_mapped_bytes(), mapped + 2 * MIB);
    fake_settings.clock += 100 * MILLISECOND;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    fake_fail_nth(FAKE_MAP, 2);
    char *memory = after_a_slow_one(2);
    uint64_t until = fake_settings.clock + 200 * MILLISECOND; /* the second in vain */
    fake_settings.clock_step = MILLISECOND / 4;
    assert_true(huge_touch(memory, 8 * MIB));
    fake_settings.clock_step = 0;
    fake_settings.clock = until - 1;
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    fake_settings.clock = until;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
}

/* A heap that turns over a few chunks loses next to nothing in the long run. */
static void slow_ones_in_vain_are_tried_less_and_less(void **state) {
    (void)state;
    char *memory = after_a_slow_one(2);
    for (unsigned i = 1; i <= 10; i++) {
        uint64_t wait = (uint64_t)100 * MILLISECOND << (i < 6 ? i : 6);
        fake_settings.clock += (uint64_t)3600 * 1000 * MILLISECOND;
        assert_true(huge_wanted(HUGE_START, 2 * MIB));
        slow_touch(memory, 2);
        uint64_t begin = fake_settings.clock;
        fake_settings.clock = begin + wait - 10 * MILLISECOND; /* the price of ordinary pages was asked for, too */
        assert_false(huge_wanted(HUGE_START, 2 * MIB));
        fake_settings.clock = begin + wait;
        assert_true(huge_wanted(HUGE_START, 2 * MIB));
    }
    for (unsigned i = 1; i <= 6; i++) { /* each gains what one slow one lost, of which seven count at most */
        assert_true(huge_touch(memory, 2 * MIB));
    }
    slow_touch(memory, 2);
    fake_settings.clock += 100 * MILLISECOND;
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    for (unsigned i = 1; i <= 10; i++) {
        fake_settings.clock += (uint64_t)3600 * 1000 * MILLISECOND;
        assert_true(huge_wanted(HUGE_START, 2 * MIB));
        slow_touch(memory, 2);
    }
    fake_settings.clock += (uint64_t)3600 * 1000 * MILLISECOND;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    for (unsigned i = 1; i <= 7; i++) {
        assert_true(huge_touch(memory, 2 * MIB));
    }
    slow_touch(memory, 2);
    fake_settings.clock += 100 * MILLISECOND;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
}

/* A slow one that a quick one has made up for to the last is forgotten. */
static void what_was_made_up_for_doubles_nothing(void **state) {
    (void)state;
    char *memory = after_a_slow_one(2);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(huge_touch(memory, 2 * MIB));
        fake_settings.clock += 100 * MILLISECOND;
        assert_true(huge_wanted(HUGE_START, 2 * MIB));
        slow_touch(memory, 2);
    }
}

/* Or their price would be that of a huge one. */
static void the_price_is_that_of_ordinary_pages(void **state) {
    (void)state;
    unsigned long calls = fake_calls(FAKE_HUGE_PAGES);
    (void)after_a_slow_one(2);
    assert_int_equal(fake_calls(FAKE_HUGE_PAGES) - calls, 1);
}

/* A slow page that takes less than the ordinary ones in its place is worth its price. */
static void what_takes_less_than_ordinary_pages_is_not_in_vain(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    fake_settings.clock = 7 * MILLISECOND;
    char *memory = platform_map(2 * MIB, 2 * MIB);
    for (unsigned i = 0; i < 5; i++) {
        fake_settings.clock_step = MILLISECOND / 10 * 6; /* so that ordinary ones would take a millisecond and more */
        assert_false(huge_touch(memory, 2 * MIB));
        fake_settings.clock_step = 0;
        fake_settings.clock += 30 * MILLISECOND;
        assert_true(huge_wanted(HUGE_START, 2 * MIB));
    }
    for (unsigned i = 0; i < 5; i++) { /* nor is what takes as much */
        slow_touch(memory, 1);
        fake_settings.clock += 50 * MILLISECOND;
        assert_true(huge_wanted(HUGE_START, 2 * MIB));
    }
}

/* Threads that meet them at the same moment: what they took is added up, but nobody knew better. */
static void slow_ones_at_the_same_moment_are_one_try(void **state) {
    (void)state;
    char *memory = after_a_slow_one(2);
    fake_settings.clock_step = 2 * MILLISECOND;
    for (unsigned i = 0; i < 3; i++) {
        assert_false(huge_touch(memory, 2 * MIB));
    }
    fake_settings.clock_step = 0;
    fake_settings.clock += 3 * 100 * MILLISECOND;
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    fake_settings.clock += 100 * MILLISECOND;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
}

/* Quick ones pay for a doubled wait in the same measure: when nothing is lost, no debt is left that ends credit. */
static void gains_pay_for_a_doubled_wait(void **state) {
    (void)state;
    char *memory = after_a_slow_one(6);
    for (unsigned i = 0; i < 4; i++) {
        fake_settings.clock += (uint64_t)3600 * 1000 * MILLISECOND;
        assert_true(huge_wanted(HUGE_START, 2 * MIB));
        slow_touch(memory, 6);
    }
    for (unsigned i = 0; i < 25; i++) { /* five times six milliseconds, of which ordinary pages would have taken one */
        assert_true(huge_touch(memory, 2 * MIB));
    }
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
}

/* Who owes so much for having tried in vain may still have what went back a moment ago. */
static void a_doubled_wait_leaves_credit(void **state) {
    (void)state;
    char *memory = after_a_slow_one(18);
    fake_settings.clock += 900 * MILLISECOND;
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
    slow_touch(memory, 18);
    fake_settings.clock += 100 * MILLISECOND; /* 1700 are left */
    assert_false(huge_wanted(HUGE_START, 2 * MIB));
    huge_given(memory, 2 * MIB);
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
}

/* Where a slow one took so little time since the clock began that the quick ones gain more than all of it. */
static void gains_reach_back_no_further_than_the_beginning(void **state) {
    (void)state;
    char *memory = after_a_slow_one(1);
    assert_true(huge_touch(memory, 8 * MIB));
    assert_true(huge_wanted(HUGE_START, 2 * MIB));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_went_back_may_be_had_again),
    cmocka_unit_test(credit_grows_old),
    cmocka_unit_test(half_a_millisecond_is_slow),
    cmocka_unit_test(a_window_that_stays_gives_no_credit),
    cmocka_unit_test(huge_pages_come_soon_where_they_were_or_when_the_wait_is_over),
    cmocka_unit_test(what_was_made_up_for_doubles_nothing),
    cmocka_unit_test(the_price_is_that_of_ordinary_pages),
    cmocka_unit_test(slow_ones_end_credit),
    cmocka_unit_test(quick_ones_pay_for_slow_ones),
    cmocka_unit_test(slow_ones_in_vain_are_tried_less_and_less),
    cmocka_unit_test(a_doubled_wait_leaves_credit),
    cmocka_unit_test(what_takes_less_than_ordinary_pages_is_not_in_vain),
    cmocka_unit_test(slow_ones_at_the_same_moment_are_one_try),
    cmocka_unit_test(gains_pay_for_a_doubled_wait),
    cmocka_unit_test(no_price_is_no_gain),
    cmocka_unit_test(gains_reach_back_no_further_than_the_beginning),
    cmocka_unit_test(slow_ones_are_given_up_for_a_while),
    cmocka_unit_test(not_below_the_size_that_the_option_says),
    cmocka_unit_test(not_where_the_system_has_none),
    cmocka_unit_test(not_near_a_limit),
};
UNIT_MAIN(tests)
