/*
 * Purpose: tests of heap/quarantine.c: what waits is inaccessible, in the order of arrival, within the bounds; refusals.
 */
#include "heap/quarantine.h"
#include "unit.h"

enum { PAGE = 4096 };

static uintptr_t make(size_t size) {
    char *block = platform_map(size, PAGE);
    assert_non_null(block);
    memset(block, 7, size);
    return (uintptr_t)block;
}

static void what_waits_is_inaccessible_and_costs_nothing(void **state) {
    (void)state;
    uintptr_t out[QUARANTINE_SLOTS];
    uintptr_t block = make(8 * PAGE);
    size_t before = fake_purged_bytes();
    assert_int_equal(quarantine_put(block, 8 * PAGE, false, out), 0);
    assert_false(unit_accessible(block));
    assert_int_equal(fake_purged_bytes(), before + 8 * PAGE);
    assert_int_equal(quarantine_size(block), 8 * PAGE);
    assert_int_equal(quarantine_size(block + PAGE), 0);
    assert_int_equal(quarantine_put(block, 8 * PAGE, false, out), QUARANTINE_HAS_IT);
    assert_int_equal(quarantine_empty(out), 1);
    assert_int_equal(out[0], block);
    assert_true(unit_accessible(block));
    assert_true(unit_all((void *)block, 8 * PAGE, 0));
    assert_int_equal(quarantine_size(block), 0);
    assert_int_equal(quarantine_empty(out), 0);
}

static void who_waited_longest_leaves_first(void **state) {
    (void)state;
    uintptr_t out[QUARANTINE_SLOTS];
    uintptr_t block[QUARANTINE_SLOTS + 3];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = make(PAGE);
        unsigned leaving = quarantine_put(block[i], PAGE, i % 2 == 0, out);
        assert_int_equal(leaving, i < QUARANTINE_SLOTS ? 0 : 1);
        if (leaving) {
            assert_int_equal(out[0], block[i - QUARANTINE_SLOTS]);
        }
    }
    size_t run_bytes;
    size_t direct_bytes;
    assert_int_equal(quarantine_waiting(&run_bytes, &direct_bytes), QUARANTINE_SLOTS);
    assert_int_equal(run_bytes + direct_bytes, QUARANTINE_SLOTS * PAGE);
    assert_int_equal(direct_bytes, QUARANTINE_SLOTS / 2 * PAGE);
    assert_int_equal(quarantine_empty(out), QUARANTINE_SLOTS);
    for (size_t i = 0; i < QUARANTINE_SLOTS; i++) {
        assert_int_equal(out[i], block[i + 3]);
    }
}

static void their_bytes_are_bounded(void **state) {
    (void)state;
    uintptr_t out[QUARANTINE_SLOTS];
    uintptr_t block[5];
    size_t third = QUARANTINE_BYTES / 4 + PAGE; /* three fit */
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = (uintptr_t)platform_map(third, PAGE);
        assert_int_equal(quarantine_put(block[i], third, true, out), i < 3 ? 0 : 1);
        assert_true(i < 3 || out[0] == block[i - 3]);
    }
    uintptr_t larger = (uintptr_t)platform_map(QUARANTINE_BYTES + PAGE, PAGE);
    assert_int_equal(quarantine_put(larger, QUARANTINE_BYTES + PAGE, true, out), 1);
    assert_int_equal(out[0], larger);
    uintptr_t all = (uintptr_t)platform_map(QUARANTINE_BYTES, PAGE);
    assert_int_equal(quarantine_put(all, QUARANTINE_BYTES, true, out), 3);
    assert_int_equal(quarantine_empty(out), 1);
}

static void refusals_keep_nothing_back(void **state) {
    (void)state;
    uintptr_t out[QUARANTINE_SLOTS];
    uintptr_t block = make(PAGE);
    fake_fail_nth(FAKE_PURGE, 1);
    assert_int_equal(quarantine_put(block, PAGE, false, out), 1);
    assert_int_equal(out[0], block);
    assert_true(unit_accessible(block));
    fake_fail_nth(FAKE_PROTECT, 1);
    assert_int_equal(quarantine_put(block, PAGE, false, out), 1);
    assert_true(unit_accessible(block));
    assert_int_equal(quarantine_put(block, PAGE, false, out), 0);
    fake_fail_nth(FAKE_PROTECT, 1); /* it cannot be opened again: nobody gets it */
    assert_int_equal(quarantine_empty(out), 0);
    assert_int_equal(quarantine_size(block), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_waits_is_inaccessible_and_costs_nothing),
    cmocka_unit_test(who_waited_longest_leaves_first),
    cmocka_unit_test(their_bytes_are_bounded),
    cmocka_unit_test(refusals_keep_nothing_back),
};
UNIT_MAIN(tests)
