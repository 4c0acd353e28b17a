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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(slow_ones_are_given_up_for_a_while),
    cmocka_unit_test(not_below_the_size_that_the_option_says),
    cmocka_unit_test(not_where_the_system_has_none),
    cmocka_unit_test(not_near_a_limit),
};
UNIT_MAIN(tests)
