/*
 * Purpose: tests of pages/turnover.c: the level holds while blocks come and go in turn, and falls when they only go.
 */
#include "pages/turnover.h"
#include "config/options.h"
#include "pages/filled.h"
#include "pages/purge.h"
#include "span_blocks.h"

enum { BLOCKS = 16 };

static char *block[BLOCKS];

static void replace(unsigned index, size_t size) {
    if (block[index]) {
        give(block[index]);
    }
    block[index] = take(size);
}

static void come(void) {
    for (unsigned i = 0; i < BLOCKS; i++) {
        block[i] = take(MIB);
    }
}

static void it_is_what_is_live_at_first(void **state) {
    (void)state;
    assert_int_equal(turnover_level(), 0);
    (void)take(MIB);
    assert_int_equal(turnover_level(), MIB);
    (void)take(2 * MIB);
    assert_int_equal(turnover_level(), 3 * MIB);
    assert_int_equal(counter(&page_counters.large_peak_bytes), 3 * MIB);
}

/* All become small, but one after the other: the level stays near the peak. */
static void it_holds_while_blocks_are_replaced(void **state) {
    (void)state;
    come();
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            replace(i, round % 2 ? MIB : MIB / 4);
            assert_in_range(turnover_level(), 15 * MIB, 16 * MIB);
        }
    }
    assert_int_equal(counter(&page_counters.large_peak_bytes), 16 * MIB);
}

static void it_falls_when_they_only_go(void **state) {
    (void)state;
    come();
    for (unsigned i = 0; i < BLOCKS; i++) { /* as few as they may be */
        replace(i, MIB / 4);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        give(block[i]);
    }
    assert_true(turnover_level() <= 3 * MIB); /* of 16 before, while 4 were live */
    come();
    for (unsigned i = 0; i < BLOCKS; i++) {
        give(block[i]);
    }
    assert_int_equal(turnover_level(), 0);
}

/* One that comes between does not hide that the program shrinks. */
static void it_falls_when_most_go(void **state) {
    (void)state;
    come();
    for (unsigned i = 0; i < BLOCKS; i += 4) {
        give(block[i]);
        give(block[i + 1]);
        give(block[i + 2]);
        replace(i + 3, MIB / 4);
    }
    assert_int_equal(counter(&page_counters.large_bytes), MIB);
    assert_in_range(turnover_level(), MIB, 2 * MIB);
}

static void blocks_that_change_their_size_count(void **state) {
    (void)state;
    char *one = take(8 * MIB);
    assert_true(span_resize((uintptr_t)one, MIB));
    assert_int_equal(turnover_level(), MIB);
    assert_true(span_resize((uintptr_t)one, 2 * MIB));
    assert_int_equal(turnover_level(), 5 * MIB);
    assert_true(span_resize((uintptr_t)one, 8 * MIB));
    assert_int_equal(turnover_level(), 8 * MIB);
}

/* What is live, its peak and the level, as if blocks had come and gone. */
static void level_is(size_t live, size_t peak, size_t level) {
    store_relaxed(&page_counters.large_bytes, live);
    store_relaxed(&page_counters.large_peak_bytes, peak);
    store_relaxed(&turnover.level, level);
}

static void five_may_go_before_it_shrinks(void **state) {
    (void)state;
    level_is(0, 100 * MIB, 100 * MIB);
    for (unsigned i = 1; i < TURNOVER_SHRINKING; i++) {
        turnover_note_given(MIB);
        assert_int_equal(turnover_level(), (100 - i) * MIB);
    }
    turnover_note_given(MIB); /* and all of them count four times */
    assert_int_equal(turnover_level(), (100 - 4 * 6) * MIB);
    turnover_note_given(MIB);
    assert_int_equal(turnover_level(), (100 - 4 * 7) * MIB);
}

/* Of those that go two are made up for by one that comes. */
static void one_that_comes_counts_for_two(void **state) {
    (void)state;
    level_is(0, 100 * MIB, 100 * MIB);
    for (unsigned i = 0; i < TURNOVER_SHRINKING; i++) {
        turnover_note_given(MIB);
    }
    turnover_note_taken(MIB);
    assert_int_equal(turnover_level(), (100 - 4 * 6 + 4) * MIB);
    turnover_note_given(MIB);
    assert_int_equal(turnover_level(), (100 - 4 * 6 + 4 - 1) * MIB);
    turnover_note_given(MIB);
    assert_int_equal(turnover_level(), (100 - 4 * 6 + 4 - 4 * 2) * MIB);
}

/* What went before as many had come again does not count once more when the program shrinks later. */
static void what_was_made_up_for_does_not_count_again_when_it_shrinks(void **state) {
    (void)state;
    level_is(0, 100 * MIB, 100 * MIB);
    turnover_note_given(20 * MIB);
    turnover_note_taken(MIB);
    assert_int_equal(turnover_level(), (80 + 4) * MIB);
    for (unsigned i = 0; i < TURNOVER_SHRINKING; i++) {
        turnover_note_given(MIB);
    }
    assert_int_equal(turnover_level(), (84 - 4 * 6) * MIB);
}

static void it_rises_from_what_is_live(void **state) {
    (void)state;
    level_is(50 * MIB, 100 * MIB, 60 * MIB);
    turnover_note_given(20 * MIB);
    assert_int_equal(turnover_level(), 50 * MIB);
    turnover_note_taken(MIB);
    assert_int_equal(turnover_level(), 54 * MIB);
    store_relaxed(&page_counters.large_bytes, 70 * MIB); /* which others have not told of yet */
    assert_int_equal(turnover_level(), 70 * MIB);
}

/* Eight that are 3 MiB together, or 18: what they need as soon as they are many again stays while they are few. */
static void few_blocks_that_are_replaced_keep_their_pages(void **state) {
    (void)state;
    enum { FEW = 8, STEPS = 4000 };
    assert_true(option_set(OPTION_huge_start, HUGE_NEVER));
    uint64_t seed = 5;
    size_t purged_at_half = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned index = (unsigned)(unit_random(&seed) % FEW);
        if (block[index]) {
            give(block[index]);
            purge_if_over_budget();
        }
        block[index] = take_touched(PAGE << (3 + unit_random(&seed) % 8)); /* 32 KiB to 4 MiB */
        assert_true(page_live_bytes() + page_dirty_bytes() <= 32 * MIB);
        purged_at_half = step == STEPS / 2 ? load_relaxed(&page_counters.purged_bytes) : purged_at_half;
    }
    assert_true(filled_usually());
    assert_true(load_relaxed(&page_counters.purged_bytes) - purged_at_half < 200 * MIB); /* 356 if only what is live counts */
    for (unsigned i = 0; i < FEW; i++) {
        give(block[i]);
        purge_if_over_budget();
    }
    assert_true(page_dirty_bytes() <= 9 * MIB); /* the swing, at most */
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_is_what_is_live_at_first),
    cmocka_unit_test(it_holds_while_blocks_are_replaced),
    cmocka_unit_test(it_falls_when_they_only_go),
    cmocka_unit_test(it_falls_when_most_go),
    cmocka_unit_test(five_may_go_before_it_shrinks),
    cmocka_unit_test(one_that_comes_counts_for_two),
    cmocka_unit_test(what_was_made_up_for_does_not_count_again_when_it_shrinks),
    cmocka_unit_test(it_rises_from_what_is_live),
    cmocka_unit_test(blocks_that_change_their_size_count),
    cmocka_unit_test(few_blocks_that_are_replaced_keep_their_pages),
};
UNIT_MAIN(tests)
