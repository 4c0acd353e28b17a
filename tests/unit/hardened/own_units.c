/*
 * Purpose: tests of what the hardened build changes in pages/chunk.c: a unit stays with the class it was first taken for.
 */
#include "base/bits.h"
#include "collam/collam.h"
#include "heap/thread_heap.h"
#include "pages/chunk.h"
#include "pages/counters.h"
#include "pages/purge.h"
#include "slab/size_class.h"
#include "unit.h"

enum { UNITS = 100 };

static uintptr_t units[CLASS_COUNT][UNITS];

static uintptr_t address_of(const void *info) {
    return (uintptr_t)chunk_unit_base(chunk_of_unit_info(info), unit_of_unit_info(info));
}

static bool had(unsigned class_index, uintptr_t unit) {
    for (size_t i = 0; i < UNITS; i++) {
        if (units[class_index][i] == unit) {
            return true;
        }
    }
    return false;
}

static void a_unit_stays_with_its_class(void **state) {
    (void)state;
    static void *infos[UNITS];
    for (unsigned c = 1; c <= 3; c++) {
        for (size_t i = 0; i < UNITS; i++) {
            infos[i] = chunk_take_unit(c);
            units[c][i] = address_of(infos[i]);
        }
        for (size_t i = 0; i < UNITS; i++) {
            chunk_give_unit(infos[i], i % 3 ? UNIT_SLICES : 0, 0);
        }
    }
    size_t mapped = fake_mapped_bytes();
    for (unsigned c = 3; c >= 1; c--) {
        for (size_t i = 0; i < UNITS; i++) {
            infos[i] = chunk_take_unit(c);
            assert_true(had(c, address_of(infos[i])));
        }
        for (size_t i = 0; i < UNITS; i++) {
            chunk_give_unit(infos[i], 0, 0);
        }
    }
    assert_int_equal(fake_mapped_bytes(), mapped);
    assert_false(had(1, address_of(chunk_take_unit(4))) || had(2, address_of(chunk_take_unit(4))) ||
                 had(3, address_of(chunk_take_unit(4))));
}

static void classes_beyond_the_chosen_ones_share(void **state) {
    (void)state;
    void *one = chunk_take_unit(OWN_CLASSES + 1);
    uintptr_t unit = address_of(one);
    chunk_give_unit(one, 0, 0);
    assert_true(address_of(chunk_take_unit(OWN_CLASSES)) != unit);
    assert_int_equal(address_of(chunk_take_unit(OWN_CLASSES + 2)), unit);
}

/* The same seen from above, through a purge of everything. */
static void memory_goes_back_but_addresses_stay(void **state) {
    (void)state;
    enum { BLOCKS = 50000 };
    static char *blocks[BLOCKS];
    uintptr_t low = UINTPTR_MAX;
    uintptr_t high = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = collam_malloc(100);
        memset(blocks[i], 1, 100);
        low = (uintptr_t)blocks[i] < low ? (uintptr_t)blocks[i] : low;
        high = (uintptr_t)blocks[i] > high ? (uintptr_t)blocks[i] : high;
    }
    size_t chunk_bytes = load_relaxed(&page_counters.chunk_bytes);
    for (size_t i = 0; i < BLOCKS; i++) {
        collam_free(blocks[i]);
    }
    assert_true(heap_flush_all());
    assert_true(purge_down_to(1));
    assert_int_equal(load_relaxed(&page_counters.chunk_bytes), chunk_bytes);
    assert_true(fake_purged_bytes() >= chunk_bytes * 3 / 4);
    for (size_t i = 0; i < 1000; i++) {
        uintptr_t other = (uintptr_t)collam_malloc(200);
        assert_true(other < align_down(low, UNIT_SIZE) || other >= align_up(high, UNIT_SIZE));
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        uintptr_t again = (uintptr_t)collam_malloc(100);
        assert_true(again >= align_down(low, UNIT_SIZE) && again < align_up(high, UNIT_SIZE));
    }
    assert_string_equal(fake_output(), "");
}

static void without_memory_a_unit_changes_its_class(void **state) {
    (void)state;
    void *one = chunk_take_unit(1);
    uintptr_t unit = address_of(one);
    chunk_give_unit(one, 0, 0);
    while (load_relaxed(&page_counters.used_bytes) < load_relaxed(&page_counters.chunk_bytes) - UNIT_SIZE) {
        assert_true(address_of(chunk_take_unit(2)) != unit);
    }
    fake_fail_from(FAKE_MAP, 1);
    assert_int_equal(address_of(chunk_take_unit(3)), unit);
    assert_null(chunk_take_unit(3));
}

static void trimming_unmaps_chunks_that_are_free(void **state) {
    (void)state;
    static void *infos[UNITS];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < UNITS; i++) {
            infos[i] = chunk_take_unit(1 + (unsigned)i % 2);
        }
        for (size_t i = 0; i < UNITS; i++) {
            chunk_give_unit(infos[i], 1, 0);
        }
        assert_true(purge_down_to(0));
        assert_int_equal(load_relaxed(&page_counters.chunk_bytes), 0);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_unit_stays_with_its_class),
    cmocka_unit_test(classes_beyond_the_chosen_ones_share),
    cmocka_unit_test(without_memory_a_unit_changes_its_class),
    cmocka_unit_test(trimming_unmaps_chunks_that_are_free),
    cmocka_unit_test(memory_goes_back_but_addresses_stay),
};
UNIT_MAIN(tests)
