/*
 * Purpose: tests of the swing in pages/purge.c: what counts as regretted, how fast that fades, and how much may be kept for it.
 */
#include "config/options.h"
#include "pages/filled.h"
#include "pages/limit.h"
#include "pages/purge.h"
#include "pages/turnover.h"
#include "span_blocks.h"

/* What is live in slabs and in large blocks, and the recent peak of these. */
static void heap_of(size_t small, size_t large, size_t peak) {
    store_relaxed(&page_counters.used_bytes, small);
    store_relaxed(&page_counters.large_bytes, large);
    store_relaxed(&page_counters.large_peak_bytes, peak);
}

/* The budget is the swing and nothing else. */
static void swing_alone(void) {
    assert_true(option_set(OPTION_dirty_min, 0) && option_set(OPTION_dirty_shift, 63));
    assert_int_equal(purge_budget(), 0);
}

/* So much went back, and so much was taken that was not backed. Returns what may be kept then. */
static size_t swing_after(size_t given, size_t taken) {
    fetch_add_relaxed(&page_counters.purged_bytes, given);
    fetch_add_relaxed(&page_counters.clean_taken_bytes, taken);
    return purge_budget_now();
}

/* What may be kept of much that is needed again. */
static size_t most_of(size_t small, size_t large, size_t peak) {
    heap_of(small, large, peak);
    (void)swing_after(1024 * MIB, 1024 * MIB);
    heap_of(small, large, peak); /* which that has lowered */
    return purge_budget();
}

static void fill_blocks(void) {
    for (unsigned i = 0; i < 4; i++) {
        char *block = take_touched(MIB);
        give(block);
        purge_all();
    }
    assert_true(filled_usually());
}

static void regret_counts_four_times_and_fades_by_a_quarter(void **state) {
    (void)state;
    swing_alone();
    assert_int_equal(swing_after(MIB, 0), 0);
    assert_int_equal(swing_after(MIB, MIB), 4 * MIB - MIB / 4);
    assert_int_equal(swing_after(2 * MIB, 0), 4 * MIB - 3 * MIB / 4);
    assert_int_equal(swing_after(100 * MIB, 0), 0);
}

/* And only if it was taken after it went. */
static void what_went_is_regretted_once(void **state) {
    (void)state;
    swing_alone();
    assert_int_equal(swing_after(0, 8 * MIB), 0);
    assert_int_equal(swing_after(MIB, MIB / 2), 2 * MIB - MIB / 4);
    assert_int_equal(swing_after(0, MIB), 4 * MIB - MIB / 4);
    assert_int_equal(swing_after(0, 8 * MIB), 4 * MIB - MIB / 4);
}

/* Not more than twice what the heap could have kept when it went. */
static void what_went_long_ago_is_not_regretted_when_the_heap_is_larger(void **state) {
    (void)state;
    swing_alone();
    assert_int_equal(swing_after(1000 * MIB, 0), 0);
    heap_of(1000 * MIB, 0, 0);
    assert_int_equal(swing_after(0, 1000 * MIB), 4 * 2 * SWING_MAX);
}

/* A thread that was overtaken knows nothing. */
static void counts_that_run_backwards_are_no_regret(void **state) {
    (void)state;
    swing_alone();
    assert_int_equal(swing_after(2 * MIB, MIB), 4 * MIB - MIB / 2);
    assert_int_equal(swing_after(MIB, (size_t)0 - MIB), 4 * MIB - MIB / 2);
    assert_int_equal(swing_after((size_t)0 - 2 * MIB, MIB), 4 * MIB - MIB / 2);
}

static void a_share_of_what_is_live_may_be_kept(void **state) {
    (void)state;
    swing_alone();
    assert_int_equal(most_of(0, 0, 0), SWING_MAX);
    assert_int_equal(most_of(4 * SWING_MAX, 0, 0), SWING_MAX);
    assert_int_equal(most_of(100 * MIB, 0, 0), 25 * MIB);
}

/* What fills the gap up to the recent peak and 11/16 of it, but no more than what is live. */
static void large_blocks_may_come_up_to_their_peak_again(void **state) {
    (void)state;
    swing_alone();
    assert_int_equal(most_of(0, 80 * MIB, 80 * MIB), 55 * MIB);
    assert_int_equal(most_of(0, 80 * MIB, 64 * MIB), 28 * MIB);
    assert_int_equal(most_of(0, 20 * MIB, 80 * MIB), 20 * MIB);
    assert_int_equal(most_of(0, 80 * MIB, 20 * MIB), 20 * MIB); /* no gap, a quarter of what is live */
}

/* Where they get filled: a quarter more than what is live, or than their level, up to swing_max above what is live. */
static void filled_blocks_may_come_up_to_more(void **state) {
    (void)state;
    fill_blocks();
    swing_alone();
    store_relaxed(&turnover.level, 0);
    assert_int_equal(most_of(0, 32 * MIB, 80 * MIB), 40 * MIB);
    store_relaxed(&turnover.level, 36 * MIB);
    assert_int_equal(most_of(0, 32 * MIB, 80 * MIB), 45 * MIB);
    store_relaxed(&turnover.level, 80 * MIB);
    assert_int_equal(most_of(0, 32 * MIB, 80 * MIB), 50 * MIB);
}

/* With blocks in slabs it is a quarter more than all that is live, up to twice swing_max. */
static void a_small_heap_of_filled_blocks_may_keep_more_than_is_live(void **state) {
    (void)state;
    fill_blocks();
    swing_alone();
    store_relaxed(&turnover.level, 0);
    assert_int_equal(most_of(8 * MIB, 0, 0), 10 * MIB);
    assert_int_equal(most_of(8 * MIB, 2 * MIB, 2 * MIB), 25 * MIB / 2);
    assert_int_equal(most_of(40 * MIB, 0, 0), 2 * SWING_MAX);
}

static void near_a_limit_nothing_is_kept(void **state) {
    (void)state;
    purge_note_slab_took(MIB);
    assert_int_equal(purge_budget_of_slabs(), DIRTY_MIN + 2 * MIB);
    store_relaxed(&limit_full_at, limit_footprint() + 3 * MIB);
    assert_int_equal(purge_budget(), 3 * MIB);
    assert_int_equal(purge_budget_of_slabs(), 3 * MIB);
    store_relaxed(&limit_full_at, 0);
    assert_int_equal(purge_budget(), 0);
    assert_int_equal(purge_budget_of_slabs(), 0);
}

/* Whoever asks, even before anything else was purged. */
static void slabs_are_told_what_was_regretted_just_now(void **state) {
    (void)state;
    swing_alone();
    fetch_add_relaxed(&page_counters.purged_bytes, MIB);
    fetch_add_relaxed(&page_counters.clean_taken_bytes, MIB);
    assert_int_equal(purge_budget_of_slabs(), 4 * MIB - MIB / 4);
}

/* However much is allowed: what slabs gave back for good counts against what they need again. */
static void a_swing_without_bounds_has_a_debt(void **state) {
    (void)state;
    assert_true(option_set(OPTION_swing_max, SIZE_MAX / 2));
    purge_note_slab_gave(10 * MIB);
    assert_int_equal(purge_budget_of_slabs(), DIRTY_MIN);
    purge_note_slab_took(6 * MIB);
    assert_int_equal(purge_budget_of_slabs(), DIRTY_MIN + 2 * MIB);
}

/* A sixteenth of what goes back, until the peak is what is live; never what is less, as another thread may find it. */
static void the_peak_falls_to_what_is_live(void **state) {
    (void)state;
    heap_of(0, 20 * MIB, 40 * MIB);
    (void)swing_after(32 * MIB, 0);
    assert_int_equal(counter(&page_counters.large_peak_bytes), 38 * MIB);
    (void)swing_after(1024 * MIB, 0);
    assert_int_equal(counter(&page_counters.large_peak_bytes), 20 * MIB);
    heap_of(0, 20 * MIB, 19 * MIB);
    (void)swing_after(32 * MIB, 0);
    assert_int_equal(counter(&page_counters.large_peak_bytes), 19 * MIB);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_swing_without_bounds_has_a_debt),
    cmocka_unit_test(the_peak_falls_to_what_is_live),
    cmocka_unit_test(regret_counts_four_times_and_fades_by_a_quarter),
    cmocka_unit_test(what_went_is_regretted_once),
    cmocka_unit_test(what_went_long_ago_is_not_regretted_when_the_heap_is_larger),
    cmocka_unit_test(counts_that_run_backwards_are_no_regret),
    cmocka_unit_test(a_share_of_what_is_live_may_be_kept),
    cmocka_unit_test(large_blocks_may_come_up_to_their_peak_again),
    cmocka_unit_test(filled_blocks_may_come_up_to_more),
    cmocka_unit_test(a_small_heap_of_filled_blocks_may_keep_more_than_is_live),
    cmocka_unit_test(near_a_limit_nothing_is_kept),
    cmocka_unit_test(slabs_are_told_what_was_regretted_just_now),
};
UNIT_MAIN(tests)
