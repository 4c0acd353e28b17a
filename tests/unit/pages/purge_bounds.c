/*
 * Purpose: tests of pages/purge.c: how much goes back by one call, whatever others do meanwhile, and when the system is asked again
 * after it refused.
 */
#include "chunk_units.h"
#include "config/options.h"
#include "pages/purge.h"
#include "span_blocks.h"

enum { BLOCKS = 8 };
#define SIZE ((size_t)64 << 10)

static char *block[BLOCKS];

/* Blocks that do not touch when they are free, and a budget of less than any of them. */
static void take_blocks(void) {
    assert_true(option_set(OPTION_dirty_min, PAGE) && option_set(OPTION_dirty_shift, 63) && option_set(OPTION_swing_max, 0));
    for (unsigned i = 0; i < BLOCKS; i++) {
        block[i] = take_touched(SIZE);
        (void)take_touched(PAGE);
    }
}

/* Returns how often the system was asked to purge. */
static unsigned long asked_by_giving(unsigned index) {
    unsigned long before = fake_calls(FAKE_PURGE);
    give(block[index]);
    purge_if_over_budget();
    return fake_calls(FAKE_PURGE) - before;
}

/* One page may be locked; two in a row are believed, until twice as much is dirty. */
static void it_is_asked_again_when_twice_as_much_is_dirty(void **state) {
    (void)state;
    take_blocks();
    fake_fail_from(FAKE_PURGE, 1);
    assert_int_equal(asked_by_giving(0), 1);
    assert_int_equal(asked_by_giving(1), 2);
    assert_int_equal(asked_by_giving(2), 0);
    assert_int_equal(asked_by_giving(3), 2);
    for (unsigned i = 4; i < 7; i++) {
        assert_int_equal(asked_by_giving(i), 0);
    }
    assert_int_equal(page_dirty_bytes(), 7 * SIZE);
    assert_int_equal(asked_by_giving(7), 2);
}

static void once_it_does_not_refuse_it_is_asked_as_before(void **state) {
    (void)state;
    take_blocks();
    fake_fail_from(FAKE_PURGE, 1);
    assert_int_equal(asked_by_giving(0), 1);
    assert_int_equal(asked_by_giving(1), 2);
    fake_fail_never();
    assert_true(purge_down_to(PAGE));
    assert_int_equal(asked_by_giving(2), 1);
    assert_int_equal(page_dirty_bytes(), 0);
}

/* A chunk that was used and can neither be purged nor unmapped is as dirty as before. */
static void a_chunk_that_must_stay_stays_dirty(void **state) {
    (void)state;
    static void *unit[2 * CHUNK_UNITS];
    for (unsigned i = 0; i < COUNT(unit); i++) {
        unit[i] = take_unit();
    }
    char *base = address_of(unit[CHUNK_UNITS]);
    for (unsigned i = CHUNK_UNITS; i < COUNT(unit); i++) {
        chunk_give_unit(unit[i], UNIT_SLICES, 0);
    }
    fake_fail_from(FAKE_UNMAP, 1);
    fake_fail_from(FAKE_PURGE, 1);
    assert_false(purge_down_to(0));
    assert_int_equal(page_dirty_bytes(), CHUNK_SIZE);
    assert_int_equal(load_relaxed(&page_counters.purged_bytes), 0);
    fake_fail_never();
    assert_true(purge_down_to(0));
    assert_false(fake_is_mapped(base, 4096));
    assert_int_equal(page_dirty_bytes(), 0);
}

static unsigned emptied;

/* Another thread takes a chunk and gives it back while each of them goes. */
static void another_thread_empties_a_chunk(void) {
    static void *unit[CHUNK_UNITS];
    if (emptied++ < 1000) {
        for (unsigned i = 0; i < CHUNK_UNITS; i++) {
            unit[i] = chunk_take_unit(1);
        }
        for (unsigned i = 0; i < CHUNK_UNITS; i++) {
            chunk_give_unit(unit[i], 0, 0);
        }
        fake_after_unmap(another_thread_empties_a_chunk);
    }
}

static void what_others_empty_meanwhile_is_left(void **state) {
    (void)state;
    static void *unit[3 * CHUNK_UNITS];
    for (unsigned i = 0; i < COUNT(unit); i++) {
        unit[i] = chunk_take_unit(1);
    }
    for (unsigned i = CHUNK_UNITS; i < COUNT(unit); i++) {
        chunk_give_unit(unit[i], 0, 0);
    }
    fake_after_unmap(another_thread_empties_a_chunk);
    assert_true(purge_down_to(0));
    assert_in_range(emptied, 2, 4);
}

/* All of them, though there are more than the mappings would have room for if each were a chunk. */
static void every_hole_that_is_worth_it_goes(void **state) {
    (void)state;
    char *hole[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        hole[i] = take_touched(MIB);
        (void)take_touched(PAGE);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        give(hole[i]);
    }
    assert_true(purge_down_to(0));
    for (unsigned i = 0; i < BLOCKS; i++) {
        assert_false(fake_is_mapped(hole[i], PAGE));
    }
}

static unsigned soiled;

static void another_thread_soils(void) {
    if (soiled++ < 1000) {
        give(take_touched(9 * SIZE)); /* more than is left, so it was clean */
    }
}

/* As much as was dirty at first, and not just what was too much then. */
static void what_others_soil_goes_too_as_long(void **state) {
    (void)state;
    char *wall = take_touched(PAGE);
    give(take_touched(16 * SIZE));
    fake_on_call(FAKE_PURGE, another_thread_soils);
    assert_true(purge_down_to(8 * SIZE));
    assert_int_equal(soiled, 2);
    assert_in_range(load_relaxed(&page_counters.purged_bytes), 16 * SIZE, 18 * SIZE);
    give(wall);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_hole_that_is_worth_it_goes),
    cmocka_unit_test(what_others_soil_goes_too_as_long),
    cmocka_unit_test(it_is_asked_again_when_twice_as_much_is_dirty),
    cmocka_unit_test(once_it_does_not_refuse_it_is_asked_as_before),
    cmocka_unit_test(a_chunk_that_must_stay_stays_dirty),
    cmocka_unit_test(what_others_empty_meanwhile_is_left),
};
UNIT_MAIN(tests)
