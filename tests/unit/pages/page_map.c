/*
 * Purpose: tests of pages/page_map.c: look-ups of every kind of address, before and after regions exist.
 */
#include "pages/page_map.h"
#include "unit.h"

#define COVERED ((uintptr_t)PAGE_MAP_ROOTS << REGION_SHIFT)

static void an_empty_map_answers_for_every_address(void **state) {
    (void)state;
    uint64_t seed = 10;
    assert_true(page_map_covers(0));
    assert_true(page_map_covers(COVERED - 1));
    assert_false(page_map_covers(COVERED));
    assert_false(page_map_covers(UINTPTR_MAX));
    for (uintptr_t region = 0; region < PAGE_MAP_ROOTS; region++) {
        uintptr_t start = region << REGION_SHIFT;
        uintptr_t end = start + (((uintptr_t)1 << REGION_SHIFT) - 1);
        uintptr_t within = start + unit_random(&seed) % ((uintptr_t)1 << REGION_SHIFT);
        assert_int_equal(page_map_class(start) | page_map_class(end) | page_map_class(within), 0);
        assert_null(page_map_chunk(start));
        assert_null(page_map_chunk(end));
        assert_null(page_map_chunk(within));
    }
    assert_null(page_map_chunk(COVERED));
    assert_null(page_map_chunk(UINTPTR_MAX));
    assert_int_equal(fake_calls(FAKE_MAP), 0);
}

/* Sets one unit or chunk at the address, and finds it there and nowhere near. */
static void set_and_find(uintptr_t address) {
    static char descriptor;
    struct chunk *chunk = (struct chunk *)(void *)&descriptor;
    bool used;
    assert_true(page_map_prepare(address, NULL, &used));
    assert_false(used);
    uintptr_t unit = address & ~(uintptr_t)(UNIT_SIZE - 1);
    uintptr_t base = address & ~(uintptr_t)(CHUNK_SIZE - 1);
    page_map_set_class(address, 63);
    page_map_set_chunk(address, chunk);
    assert_int_equal(page_map_class(unit), 63);
    assert_int_equal(page_map_class(unit + UNIT_SIZE - 1), 63);
    assert_ptr_equal(page_map_chunk(base), chunk);
    assert_ptr_equal(page_map_chunk(base + CHUNK_SIZE - 1), chunk);
    if (unit) {
        assert_int_equal(page_map_class(unit - 1), 0);
    }
    if (base) {
        assert_null(page_map_chunk(base - 1));
    }
    if (page_map_covers(unit + UNIT_SIZE)) {
        assert_int_equal(page_map_class(unit + UNIT_SIZE), 0);
    }
    assert_null(page_map_chunk(base + CHUNK_SIZE));
    page_map_set_class(address, 0);
    page_map_set_chunk(address, NULL);
    assert_int_equal(page_map_class(address), 0);
    assert_null(page_map_chunk(address));
}

static void finds_what_was_set(void **state) {
    (void)state;
    uint64_t seed = 11;
    set_and_find(0);
    set_and_find(COVERED - 1);
    for (uintptr_t region = 1; region < PAGE_MAP_ROOTS; region *= 4) {
        set_and_find(region << REGION_SHIFT);
        set_and_find((region << REGION_SHIFT) - 1);
    }
    for (int i = 0; i < 50; i++) {
        set_and_find(unit_random(&seed) % COVERED);
    }
}

/* What free asks first: is it in range and a multiple of 16, both in one comparison. */
static void a_turned_address_tells_whether_it_is_aligned(void **state) {
    (void)state;
    uint64_t seed = 12;
    for (int i = 0; i < 100000; i++) {
        uintptr_t address = unit_random(&seed) >> (i % 20);
        bool fits = page_map_covers(address) && address % BLOCK_ALIGN == 0;
        assert_int_equal(page_map_covers_turned(page_map_turned(address)), fits);
        if (fits) {
            assert_ptr_equal(page_map_turned_region(page_map_turned(address)), page_map_region(address));
        }
    }
}

/* Every place where a block may begin has a bit of its own. */
static void bits_are_told_apart(void **state) {
    (void)state;
    bool used;
    uintptr_t base = (uintptr_t)7 << REGION_SHIFT;
    assert_true(page_map_prepare(base, NULL, &used));
    bitmap_word *region = page_map_region(base);
    uint64_t seed = 13;
    for (int i = 0; i < 2000; i++) {
        uintptr_t address = base + (unit_random(&seed) % ((uintptr_t)1 << REGION_SHIFT) & ~(uintptr_t)(BLOCK_ALIGN - 1));
        bitmap_word *word = &region[region_index(address, WORD_SHIFT)];
        store_relaxed(word, (uint64_t)1 << (address >> GRANULE_SHIFT) % 64);
        assert_true(region_is_out(region, address));
        assert_false(region_is_out(region, address ^ BLOCK_ALIGN));
        assert_false(region_is_out(region, address ^ (1 << WORD_SHIFT)));
        store_relaxed(word, 0);
        assert_false(region_is_out(region, address));
    }
}

static void a_region_is_made_once(void **state) {
    (void)state;
    bool used;
    uintptr_t address = (uintptr_t)3 << REGION_SHIFT;
    assert_true(page_map_prepare(address, NULL, &used));
    assert_int_equal(fake_calls(FAKE_MAP), 1);
    assert_true(page_map_prepare(address + ((uintptr_t)1 << (REGION_SHIFT - 1)), NULL, &used));
    assert_int_equal(fake_calls(FAKE_MAP), 1);
    assert_int_equal(fake_mapped_bytes(), REGION_BYTES);
    void *unwanted = platform_map(REGION_BYTES, 4096);
    assert_true(page_map_prepare(address, unwanted, &used));
    assert_false(used);
    assert_true(page_map_prepare(address + ((uintptr_t)1 << REGION_SHIFT), unwanted, &used));
    assert_true(used);
    assert_int_equal(fake_calls(FAKE_MAP), 2);
    page_map_set_class(address + ((uintptr_t)1 << REGION_SHIFT), 9);
    assert_int_equal(*(unsigned char *)unwanted, 9);
}

static void refusals(void **state) {
    (void)state;
    bool used = true;
    assert_false(page_map_prepare(COVERED, NULL, &used));
    assert_false(used);
    assert_int_equal(fake_calls(FAKE_MAP), 0);
    fake_fail_nth(FAKE_MAP, 1);
    uintptr_t address = (uintptr_t)5 << REGION_SHIFT;
    assert_false(page_map_prepare(address, NULL, &used));
    assert_int_equal(page_map_class(address), 0);
    assert_null(page_map_chunk(address));
    assert_true(page_map_prepare(address, NULL, &used));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_empty_map_answers_for_every_address),
    cmocka_unit_test(finds_what_was_set),
    cmocka_unit_test(a_turned_address_tells_whether_it_is_aligned),
    cmocka_unit_test(bits_are_told_apart),
    cmocka_unit_test(a_region_is_made_once),
    cmocka_unit_test(refusals),
};
UNIT_MAIN(tests)
